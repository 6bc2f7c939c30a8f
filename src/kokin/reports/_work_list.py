"""The work list (例外一覧) as a file that people fill in, and the decisions that they have filled in.

A row is an open exception. The last columns are empty: what a person decides. They are read back from the same file,
also after a spreadsheet has saved it as CSV, with its headings in either language.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.files import atomic_file
from kokin.issues import InvalidInputError, Issue, KokinError, Location
from kokin.model import DecisionKind
from kokin.reports._csv import write_csv
from kokin.reports._terms import Language, Terms, exception_name
from kokin.reports._xlsx import MAX_ROWS, Sheets, check_lengths, column_letters, new_book
from kokin.text import file_name, parse_date_text, parse_wareki_text, terms

#: The columns of the file that Kokin fills in: those of :meth:`kokin.ledger.Ledger.work_list` that people need, the
#: name of ``code`` in their language, and the ledger.
SHOWN_COLUMNS = (
    "exception_id",
    "code",
    "code_name",
    "age_days",
    "source",
    "record_no",
    "paid_on",
    "amount",
    "bill_id",
    "field",
    "expected",
    "found",
    "candidate_1",
    "candidate_1_reason",
    "candidate_2",
    "candidate_2_reason",
    "candidate_3",
    "candidate_3_reason",
    "ledger",
)
#: The columns that a person fills in.
INPUT_COLUMNS = ("decision", "assigned_bill_id", "assigned_amount", "hold_until", "reason", "approver")

# Fields of a decision and the columns that have them.
_COLUMN_OF = {
    "exception_id": "exception_id",
    "decision": "decision",
    "bill_id": "assigned_bill_id",
    "amount": "assigned_amount",
    "hold_until": "hold_until",
    "reason": "reason",
    "approver": "approver",
}
# A workbook has so many empty rows below the list, for the parts of a payment and for payments that are not in it.
_EMPTY_ROWS, _PRINTED_EMPTY_ROWS = 500, 10
_WRAPPED = {"code_name": 16, "source": 14, "expected": 20, "found": 19} | {
    name: 15 for name in SHOWN_COLUMNS if name.endswith("_reason")
}
_INPUT_WIDTHS = {"decision": 18, "assigned_bill_id": 16, "assigned_amount": 12, "hold_until": 13, "reason": 30}
# The code is also in the id of the exception, and in words.
_HIDDEN_COLUMNS = ("code", "ledger")
_FIRST_DAY = date(1899, 12, 30)  # of the serial numbers of a spreadsheet


def _ledger_name(ledger_hash: str) -> str:
    """Return the text that names a ledger; its first letter keeps a spreadsheet from reading it as a number."""
    return f"L{ledger_hash[:12]}"


def work_list_table(exceptions: pa.Table, ledger_hash: str, language: Language = "ja") -> pa.Table:
    """Return a work list with the columns of its file: names of codes in a language, and empty columns at the end.

    Args:
        exceptions: :meth:`kokin.ledger.Ledger.work_list`.
        ledger_hash: the hash of the first entry of the ledger, by which decisions are known to be about it.
        language: the language of the names.
    """
    count = len(exceptions)
    ledger = pa.repeat(pa.scalar(_ledger_name(ledger_hash)), count)
    columns = {name: exceptions.column(name) for name in SHOWN_COLUMNS if name in exceptions.column_names}
    columns |= {
        "code_name": _translated(exceptions.column("code"), partial(exception_name, language=language)),
        "ledger": ledger,
    }
    columns |= {name: pa.nulls(count, pa.string()) for name in INPUT_COLUMNS}
    return pa.table({name: columns[name] for name in (*SHOWN_COLUMNS, *INPUT_COLUMNS)})


def write_work_list(
    exceptions: pa.Table, path: Path, ledger_hash: str, language: Language = "ja", *, as_of: date | None = None
) -> None:
    """Write a work list: a workbook if the name ends with ``.xlsx``, else CSV (UTF-8 with a byte order mark).

    In the workbook the headings, codes and decisions are words of the language; decisions have a list to choose from,
    and only the columns of the decisions, and the empty rows below the list, can be edited. It prints on two pages side
    by side. The same list with a day gives the same bytes.

    Args:
        exceptions: :meth:`kokin.ledger.Ledger.work_list`.
        path: the file; an existing one is replaced.
        ledger_hash: see :func:`work_list_table`.
        language: the language.
        as_of: the day of the list, in the header of each printed page of a workbook.

    Raises:
        KokinError: XlsxWriter is not installed (the extra ``xlsx``).
        InvalidInputError: a text is too long for a cell, or there are more exceptions than a sheet has rows.
        OSError: the file cannot be written.
    """
    table = work_list_table(exceptions, ledger_hash, language)
    if path.suffix.lower() != ".xlsx":
        write_csv(table, path, "utf-8-sig")
        return
    check_lengths(path.stem, table)
    if len(table) > MAX_ROWS - _EMPTY_ROWS:
        found, expected = str(len(table)), f"at most {MAX_ROWS - _EMPTY_ROWS}"
        issue = Issue("WIDTH", field="rows", expected=expected, found=found, location=Location(path.name))
        raise InvalidInputError([issue], "nothing was written")
    words = Terms(language)
    for name in (name for name in SHOWN_COLUMNS if name.endswith("_reason")):
        column = _translated(table.column(name), words.reasons)
        table = table.set_column(table.column_names.index(name), name, column)
    with atomic_file(path) as draft, new_book(draft) as book:
        _fill_book(book, table, words, as_of)


def _translated(column: pa.ChunkedArray, translate: Any) -> pa.Array:
    """Return a column of codes with the word for each."""
    encoded = pc.dictionary_encode(pa.chunked_array(column)).unify_dictionaries().combine_chunks()
    encoded = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
    return pa.array([translate(code) for code in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def _fill_book(book: Any, table: pa.Table, words: Terms, as_of: date | None) -> None:
    sheets = Sheets(book, words, words.sentence("work_list"), as_of, _WRAPPED)
    heads = [words.heading("work_list", name) for name in table.column_names]
    sheet = sheets.add(words.sentence("work_list"), heads, table)
    last = len(table) + _EMPTY_ROWS
    for at, name in enumerate(table.column_names):
        if name in INPUT_COLUMNS:
            sheet.set_column(at, at, _INPUT_WIDTHS.get(name, 16), sheets.input)
    for hidden in map(table.column_names.index, _HIDDEN_COLUMNS):
        sheet.set_column(hidden, hidden, None, None, {"hidden": True})
    sheets.print_in_halves(sheet)
    sheet.print_area(0, 0, len(table) + _PRINTED_EMPTY_ROWS, len(heads) - 1)
    for row in range(len(table) + 1, last + 1):
        for at in range(len(table.column_names)):
            sheet.write_blank(row, at, None, sheets.input)
    rules: dict[str, dict[str, Any]] = {
        "decision": {"validate": "list", "source": [str(words.value("decision", kind.value)) for kind in DecisionKind]},
        "reason": {"validate": "length", "criteria": "<=", "value": 200},
    }
    for name, rule in rules.items():
        at = table.column_names.index(name)
        sheet.data_validation(1, at, last, at, {**rule, "ignore_blank": True})
    allowed = ("autofilter", "sort", "format_columns", "format_rows", "insert_rows", "delete_rows")
    sheet.protect("", dict.fromkeys(allowed, True))


# Reading


@dataclass(frozen=True)
class DecisionFile:
    """The decisions of a work list that a person has filled in."""

    table: pa.Table
    """The columns of :class:`kokin.ledger.ExceptionDecision`; a row for each row with a decision."""
    rows: Sequence[int]
    """The row of each in the file; 1 is the row of the headings."""
    columns: Mapping[str, str]
    """The letter of the column of each field."""
    source: str
    """The name of the file."""
    skipped: int
    """Rows without a decision."""

    def located(self, issues: Iterable[Issue]) -> list[Issue]:
        """Return issues of the rows of :attr:`table` with the cell that each is about: ``work.xlsx!H12``."""
        return [replace(issue, location=Location(self._cell(issue))) for issue in issues]

    def _cell(self, issue: Issue) -> str:
        record = issue.location.record
        if record is None or not 0 < record <= len(self.rows):
            return self.source
        return f"{self.source}!{self.columns.get(issue.field, self.columns['exception_id'])}{self.rows[record - 1]}"


def read_decisions(path: Path, ledger_hash: str, *, reason: str = "", approver: str = "") -> DecisionFile:
    """Read the decisions of a work list: a workbook (``.xlsx``), or CSV (UTF-8 or cp932).

    Dates may be dates or texts, also with an era; amounts numbers or texts, also with commas and full-width digits. A
    row without a decision is skipped.

    Args:
        path: the file.
        ledger_hash: the hash of the first entry of the ledger; a list of another ledger is rejected.
        reason: the reason of decisions without one.
        approver: the approver of decisions without one.

    Raises:
        InvalidInputError: not a work list, an unknown or duplicate column, a list of another ledger, or a cell that
            cannot be read; each issue names its cell.
        KokinError: openpyxl is not installed (the extra ``xlsx``).
        OSError: the file cannot be read.
    """
    source = file_name(path)
    cells = _workbook_rows(path, source) if path.suffix.lower() == ".xlsx" else _csv_rows(path, source)
    letters = _columns(cells[0] if cells else [], source)
    names = {name: at for at, name in enumerate(letters)}
    parsed, rows, issues, skipped = [], [], [], 0
    for number, values in enumerate(cells[1:], 2):
        row = {name: _cell_value(values[at]) if at < len(values) else None for name, at in names.items()}
        if not any(value is not None for value in row.values()):
            continue
        if all(row[name] is None for name in ("decision", "assigned_bill_id", "assigned_amount", "hold_until")):
            skipped += 1
            continue
        ledger = row.get("ledger")
        if ledger is not None and str(ledger) != _ledger_name(ledger_hash):
            place = Location(f"{source}!{letters['ledger']}{number}")
            raise InvalidInputError([Issue("DECISION_LEDGER", field="ledger", location=place)], "nothing was decided")
        decision: dict[str, Any] = {}
        for field, column in _COLUMN_OF.items():
            try:
                decision[field] = _PARSERS.get(field, _as_text)(row[column])
            except InvalidInputError as error:
                place = Location(f"{source}!{letters[column]}{number}")
                issues += [replace(issue, field=field, location=place) for issue in error.issues]
        parsed.append(decision | {"reason": decision["reason"] or reason, "approver": decision["approver"] or approver})
        rows.append(number)
    if issues:
        raise InvalidInputError(issues, "nothing was decided")
    kinds = {"amount": pa.int64(), "hold_until": pa.date32()}
    table = pa.Table.from_pylist(
        [{name: value if value != "" else None for name, value in row.items()} for row in parsed],
        pa.schema([(field, kinds.get(field, pa.string())) for field in _COLUMN_OF]),
    )
    return DecisionFile(table, rows, {field: letters[name] for field, name in _COLUMN_OF.items()}, source, skipped)


def _workbook_rows(path: Path, source: str) -> list[list[Any]]:
    """Return the rows of the first sheet of a workbook, as Python values."""
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError as error:
        raise KokinError("openpyxl is not installed; install it with: pip install 'kokin[xlsx]'") from error
    with path.open("rb") as stream:
        try:
            book = load_workbook(stream, read_only=True, data_only=True)
            return [list(row) for row in book.worksheets[0].iter_rows(values_only=True)]
        except (BadZipFile, InvalidFileException, KeyError, ValueError, IndexError):
            # The message of the library can quote a cell.
            raise _foreign(Issue("WORK_LIST_FORMAT", location=Location(source))) from None


def _csv_rows(path: Path, source: str) -> list[list[Any]]:
    content = path.read_bytes()
    for encoding in ("utf-8-sig", "cp932"):
        try:
            return [list(row) for row in csv.reader(io.StringIO(content.decode(encoding), newline=""))]
        except UnicodeDecodeError as error:
            position = error.start
        except csv.Error:
            raise _foreign(Issue("WORK_LIST_FORMAT", location=Location(source))) from None
    raise _foreign(Issue("BYTE_UNKNOWN", location=Location(source, byte=position)))


def _foreign(*issues: Issue) -> InvalidInputError:
    return InvalidInputError(issues, "nothing was decided")


def _columns(heads: Sequence[Any], source: str) -> dict[str, str]:
    """Return the letter of each column by its name, in the order of the columns.

    Raises:
        InvalidInputError: a column that is needed is missing, unknown or a duplicate.
    """
    names: dict[str, str] = {}
    for column in (*SHOWN_COLUMNS, *INPUT_COLUMNS):
        words = terms()["columns"].get(f"work_list.{column}", terms()["columns"].get(column, {}))
        names |= {word: column for word in (column, words.get("ja"), words.get("en")) if word}
    letters: dict[str, str] = {}
    issues = []
    while heads and heads[-1] in (None, ""):
        heads = heads[:-1]
    for at, head in enumerate(heads):
        letter = column_letters(at)
        text = str(head or "").strip()
        name, place = names.get(text, ""), Location(f"{source}!{letter}1")
        if not name:
            issues.append(Issue("WORK_LIST_COLUMN", field=f"column {letter}", location=place))
        elif name in letters:
            issues.append(Issue("COLUMN_TWICE", field=name, location=place))
        letters[name or letter] = letter
    missing = [name for name in _COLUMN_OF.values() if name not in letters]
    if len(missing) == len(_COLUMN_OF):
        raise _foreign(Issue("WORK_LIST_FORMAT", location=Location(source)))
    issues += [Issue("FIELD_MISSING", field=name, expected="a column", location=Location(source)) for name in missing]
    if issues:
        raise _foreign(*issues)
    return letters


def _cell_value(value: Any) -> Any:
    """Return the value of a cell; None for an empty one. An apostrophe before a formula is not part of the text."""
    if isinstance(value, str):
        text = value.strip().removeprefix("'").strip()
        return text or None
    return value


def _as_text(value: Any) -> str | None:
    """Return a cell as text; a spreadsheet may have made a number of an id of digits."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None else str(value)


def _as_decision(value: Any) -> str | None:
    """Return the code of a decision from the code or its word in either language."""
    text = str(value or "").strip()
    words = terms()["values"]["decision"]
    for code, row in words.items():
        if text.casefold() in (code, row["ja"], row["en"].casefold()):
            return str(code)
    if not text:
        raise InvalidInputError([Issue("FIELD_MISSING")])
    raise InvalidInputError([Issue("CODE_UNKNOWN", expected=" | ".join(words), found="")])


def _as_yen(value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    text = unicodedata.normalize("NFKC", str(value)).replace(",", "").removesuffix("円").strip("¥ ")
    if not text.isascii() or not text.isdigit():
        raise InvalidInputError([Issue("NOT_DIGITS", expected="yen")])
    return int(text)


def _as_date(value: Any) -> date | None:
    """Return a date from a cell: a date, a serial number of a spreadsheet, or a text."""
    if value is None or isinstance(value, date):
        return value.date() if isinstance(value, datetime) else value
    if isinstance(value, int | float):
        if not 0 < value < 3_000_000:
            raise InvalidInputError([Issue("DATE_INVALID", expected="YYYY-MM-DD")])
        return _FIRST_DAY + timedelta(days=int(value))
    text = unicodedata.normalize("NFKC", str(value)).strip()
    for parse in (date.fromisoformat, parse_date_text, parse_wareki_text):
        try:
            return parse(text)
        except (ValueError, InvalidInputError):
            continue
    raise InvalidInputError([Issue("DATE_INVALID", expected="YYYY-MM-DD")])


_PARSERS: dict[str, Any] = {"decision": _as_decision, "amount": _as_yen, "hold_until": _as_date}
