"""Write tables as an Excel workbook: a summary, then a sheet each, with headings, a row of sums, and print settings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.files import FORMULA
from kokin.issues import InvalidInputError, Issue, KokinError, Location
from kokin.reports._lists import is_quantity, ordered_columns
from kokin.reports._terms import UNGROUPED, Terms, display_width, exception_name

#: Maximum number of rows of a sheet between its headings and the row of sums; a longer table continues on further
#: sheets.
MAX_ROWS = 1_048_576 - 2
_MAX_TEXT = 32_767
# Rows that are converted to Python values at a time, and rows that decide the width of a column.
_CHUNK_ROWS, _WIDTH_ROWS = 1 << 14, 1_000
_MIN_WIDTH, _MAX_WIDTH = 8, 44
_A4 = 9
# Serial numbers of 1970-01-01 and 1900-03-01 in a workbook, and that day: before it, Excel counts a 29 February 1900.
_SERIAL_OF_1970, _FIRST_SERIAL, _FIRST_DAY = 25_569, 61, date(1900, 3, 1)

_YEN, _PLAIN, _DATE, _RATE, _MOMENT = "#,##0", "0", "yyyy-mm-dd", "0.00", "yyyy-mm-dd hh:mm:ss"
_MONTH = {"ja": 'yyyy"年"m"月"', "en": "yyyy-mm"}
# Numbers of which a sum says nothing: days, balances of which each contains the next, and running totals.
_NOT_SUMMED = frozenset({"age_days", "balance_before", "bank_days", "days", "full_days", "rate", "reduced_days"})
_RUNNING = "_to_date"
# Text columns with values of other types.
_MONTHS, _MOMENTS, _FINDINGS = "month", "at", ("expected", "found")
_SHARED_HEAD = "field"
# Points of a line of text.
_LINE_POINTS = 14


@dataclass(frozen=True)
class Cover:
    """What a workbook says about itself."""

    title: str
    """The title: a document property, and in the header of each printed page."""
    as_of: date
    """The day of the report: in the header, and the time of creation in the properties, so that bytes are the same."""
    summary: Mapping[str, Any]
    """The summary of the report, for the sheet 概要."""

    @property
    def has_payees(self) -> bool:
        """Whether there are several payees, whose yen are not added."""
        return sum(map(bool, self.summary["payees"])) > 1


def write_xlsx(
    tables: Mapping[str, pa.Table], path: Path, terms: Terms, *, cover: Cover | None = None, max_rows: int = MAX_ROWS
) -> None:
    """Write tables as one workbook: the sheet 概要 with the controls and sums, then a sheet for each table.

    Headings and coded values are terms of the language; days, months and moments are dates, yen are numbers, and
    identifiers are text with their leading zeros. The columns are in the order of need, as on the page. The last row of
    a sheet has the sums of the rows that its filter shows (``SUBTOTAL``); no text is a formula. The same tables give
    the same bytes if there is a cover. A million rows take a minute or more, in bounded memory.

    Args:
        tables: the tables by name.
        path: the file; an existing one is replaced.
        terms: the terms of the language.
        cover: the title, day and summary; without it there is no sheet 概要 and no header. With several payees no
            sheet has a row of sums.
        max_rows: the maximum number of rows of a sheet; a longer table continues on further sheets.

    Raises:
        KokinError: XlsxWriter is not installed (the extra ``xlsx``).
        InvalidInputError: ``WIDTH``: a text is longer than a cell allows.
        OSError: the file cannot be written.
    """
    for name, table in tables.items():
        check_lengths(name, table)
    with new_book(path) as book:
        sheets = Sheets(book, terms, cover.title, cover.as_of) if cover else Sheets(book, terms)
        if cover:
            sheets.add_cover(cover)
        for name, table in tables.items():
            table = table.select(ordered_columns(name, table.column_names))
            if name == "issues" and "code" in table.column_names:
                table = _with_meanings(table, terms)
            heads = [terms.heading(name, column) for column in table.column_names]
            for number, start in enumerate(range(0, max(len(table), 1), max_rows), 1):
                title = terms.table(name) + (f" ({number})" if number > 1 else "")
                rows = table.slice(start, max_rows)
                sheet = sheets.add(title, heads, rows)
                if not (cover and cover.has_payees):
                    sheets.add_sums(sheet, rows)


@contextmanager
def new_book(path: Path) -> Iterator[Any]:
    """Yield a new workbook of XlsxWriter, written to ``path`` at the end of the block.

    Raises:
        KokinError: XlsxWriter is not installed (the extra ``xlsx``).
        OSError: the file cannot be written.
    """
    try:
        import xlsxwriter
        from xlsxwriter.exceptions import FileCreateError
    except ImportError as error:
        raise KokinError("XlsxWriter is not installed; install it with: pip install 'kokin[xlsx]'") from error
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": str(path.parent)})
    try:
        yield book
        book.close()
    except FileCreateError as error:
        raise OSError(f"{path} cannot be written: {error}") from error


def check_lengths(name: str, table: pa.Table) -> None:
    """Raise if a text is too long for a cell."""
    for column in table.column_names:
        texts = table.column(column)
        if pa.types.is_string(texts.type) and (pc.max(pc.utf8_length(texts)).as_py() or 0) > _MAX_TEXT:
            expected, place = f"at most {_MAX_TEXT} characters", Location(f"{name}.xlsx")
            issue = Issue("WIDTH", field=column, expected=expected, location=place)
            raise InvalidInputError([issue], "nothing was written")


class Sheets:
    """The sheets of a workbook, and its cell formats."""

    def __init__(
        self,
        book: Any,
        terms: Terms,
        title: str = "",
        as_of: date | None = None,
        wrapped: Mapping[str, int] | None = None,
    ) -> None:
        self.book, self.terms, self.as_of = book, terms, as_of
        #: The maximum width of the columns whose longer texts and headings are wrapped.
        self.wrapped = wrapped or {}
        #: The widths of the columns of the last sheet.
        self.widths: list[int] = []
        self.title_of_book = title
        wrap = {"text_wrap": bool(wrapped)}
        font = {"font_name": "Yu Gothic" if terms.language == "ja" else "Calibri", "font_size": 10}
        self.head = book.add_format({**font, "bold": True, "bg_color": "#E9EEF4", "bottom": 1, "text_wrap": True})
        self.title = book.add_format({**font, "bold": True, "font_size": 15})
        self.part = book.add_format({**font, "bold": True, "font_size": 11.5})
        #: The format of a cell that a person fills in: text, so that leading zeros stay, not protected.
        filled_in = {"num_format": "@", "locked": False, "bg_color": "#FFFBE6", "border": 4, "valign": "top"}
        self.input = book.add_format({**font, **wrap, **filled_in})
        codes = (_YEN, _PLAIN, _DATE, _RATE, _MOMENT, _MONTH[terms.language])
        self.formats = {code: book.add_format({**font, "num_format": code, "valign": "top"}) for code in codes}
        for code in (_DATE, _MOMENT, _MONTH[terms.language]):
            self.formats[code].set_align("left")
        self.text = book.add_format({**font, **wrap, "num_format": "@", "valign": "top"})
        # As if typed with an apostrophe before it: when the cell is edited, Excel keeps it as text.
        self.quoted = book.add_format({**font, **wrap, "num_format": "@", "quote_prefix": True, "valign": "top"})
        sums = {**font, "bold": True, "top": 1, "bg_color": "#F4F6F8"}
        self.sum_text, self.sum_yen = book.add_format(sums), book.add_format({**sums, "num_format": _YEN})
        states = {"holds": "#226848", "differs": "#A02F3A", "not_checked": "#875000"}
        self.states = {
            key: book.add_format({**font, "bold": True, "font_color": colour}) for key, colour in states.items()
        }
        properties: dict[str, Any] = {"author": "kokin", "title": self.title_of_book}
        if as_of:
            properties["created"] = datetime(as_of.year, as_of.month, as_of.day)
        book.set_properties(properties)

    def add(self, title: str, heads: Sequence[str], table: pa.Table) -> Any:
        """Add a sheet with headings and a table; return the sheet."""
        sheet = self._new_sheet(title)
        cells, self.widths = self._cells(table), []
        sheet.freeze_panes(1, 1)
        sheet.autofilter(0, 0, len(table), len(heads) - 1)
        sheet.repeat_rows(0)
        for at, (head, field, column) in enumerate(zip(heads, table.schema, cells, strict=True)):
            self.widths.append(self._width(head, field, column))
            sheet.set_column(at, at, self.widths[at])
            sheet.write_string(0, at, head, self.head)
        writers = [self._cell_writer(sheet, field, column) for field, column in zip(table.schema, cells, strict=True)]
        self._set_height(sheet, 0, heads)
        for row, values in enumerate(_rows(cells), 1):
            self._set_height(sheet, row, values)
            for at, (write, value) in enumerate(zip(writers, values, strict=True)):
                if value is not None:
                    write(row, at, value)
        return sheet

    def _set_height(self, sheet: Any, row: int, values: Sequence[Any]) -> None:
        """Give a row with wrapped texts the height of its longest; not all programs do so by themselves."""
        if not self.wrapped:
            return
        texts = [
            (value.split("\0")[-1], width)
            for value, width in zip(values, self.widths, strict=True)
            if isinstance(value, str)
        ]
        lines = max((-(-display_width(text) // width) for text, width in texts), default=1)
        if lines > 1:
            sheet.set_row(row, lines * _LINE_POINTS)

    def add_sums(self, sheet: Any, table: pa.Table) -> None:
        """Add a row with the sums of yen and counts below a table; nothing if it has neither or no rows."""
        summed = [is_quantity(field) and _is_summed(field.name) for field in table.schema]
        if not len(table) or not any(summed):
            return
        row = len(table) + 1
        for at, (name, is_summed) in enumerate(zip(table.column_names, summed, strict=True)):
            if is_summed:
                letters = column_letters(at)
                total = pc.sum(table.column(name)).as_py() or 0
                sheet.write_formula(row, at, f"=SUBTOTAL(109,{letters}2:{letters}{row})", self.sum_yen, total)
            else:
                sheet.write_string(row, at, "" if at else self.terms.sentence("total"), self.sum_text)

    def add_cover(self, cover: Cover) -> None:
        """Add the sheet 概要: the controls, the yen of each disposition, the outcomes, and the expected files."""
        terms, sentence, summary = self.terms, self.terms.sentence, cover.summary
        sheet = self._new_sheet(sentence("cover"))
        for at, width in enumerate((14, 52, 18, 18, 14)):
            sheet.set_column(at, at, width)
        sheet.write_string(0, 0, cover.title, self.title)
        sheet.write_string(1, 0, sentence("as_of", day=terms.date(cover.as_of)), self.text)
        row = 3
        if intake := summary.get("intake"):
            sheet.write_string(row, 0, intake["first_line"][terms.language], self.text)
            counts = Counter(file["state"] for file in intake["files"])
            lines = [(terms.value("intake_state", state), "", count) for state, count in counts.items()]
            row = self._part(sheet, row + 2, sentence("intake"), ("", "", sentence("count")), lines)
        controls = []
        for name, control in summary["controls"].items():
            state = {True: "holds", False: "differs"}.get(control["holds"], "not_checked")
            statement = terms.value("control", control["statement"])
            controls.append((name, statement, control["left"], control["right"], state))
        heads: tuple[str, ...] = ("", sentence("settlement"), sentence("left"), sentence("right"), "")
        row = self._part(sheet, row, sentence("settlement"), heads, controls)
        dispositions = [
            (code, terms.value("disposition", name), amount)
            for code, totals in _by_payee(cover).items()
            for name, amount in totals["dispositions"].items()
        ]
        row = self._part(sheet, row, sentence("dispositions"), ("", sentence("what"), sentence("yen")), dispositions)
        outcomes = [
            (code, terms.value("outcome", name), group["amount"], group["count"])
            for code, totals in _by_payee(cover).items()
            for name, group in totals["outcomes"].items()
        ]
        heads = ("", sentence("what"), sentence("yen"), sentence("count"))
        self._part(sheet, row, terms.table("outcomes"), heads, outcomes)

    def print_in_halves(self, sheet: Any) -> None:
        """Print a wide sheet on two pages side by side, both with the first column."""
        sheet.fit_to_pages(2, 0)
        sheet.repeat_columns(0)

    def _part(self, sheet: Any, row: int, title: str, heads: Sequence[str], lines: Sequence[Sequence[Any]]) -> int:
        """Write a title, headings and lines from a row of the summary; return the row of the next part."""
        sheet.write_string(row, 0, title, self.part)
        for at, head in enumerate(heads):
            sheet.write_string(row + 1, at, head, self.head)
        for number, line in enumerate(lines, row + 2):
            for at, value in enumerate(line):
                if isinstance(value, int):
                    sheet.write_number(number, at, value, self.formats[_YEN])
                elif value in self.states:
                    sheet.write_string(number, at, self.terms.sentence(value), self.states[value])
                elif value is not None:
                    sheet.write_string(number, at, value, self.text)
        return row + len(lines) + 3

    def _new_sheet(self, title: str) -> Any:
        """Add an empty sheet that prints on landscape A4 with lines, its title, the day, and page numbers."""
        sheet = self.book.add_worksheet(title)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.4, right=0.4, top=0.75, bottom=0.6)
        sheet.hide_gridlines(0)  # print them, too
        day = self.terms.sentence("as_of", day=self.terms.date(self.as_of)) if self.as_of else ""
        center = title if title != self.title_of_book else ""
        texts = zip("LCR", (self.title_of_book, center, day), strict=True)
        sheet.set_header("".join(f"&{place}{text.replace('&', '&&')}" for place, text in texts if text))
        sheet.set_footer("&LKokin&R&P / &N")
        return sheet

    def _cells(self, table: pa.Table) -> list[pa.ChunkedArray]:
        """Return the columns as text or numbers: days as serial numbers, findings with their field before them."""
        cells = []
        for name in table.column_names:
            column = table.column(name)
            if name in _FINDINGS and pa.types.is_string(column.type):
                field = table.column(_SHARED_HEAD) if _SHARED_HEAD in table.column_names else pa.scalar("")
                fields = pc.fill_null(field.cast(pa.string()), "") if isinstance(field, pa.ChunkedArray) else field
                cells.append(pa.chunked_array(pc.binary_join_element_wise(fields, column, "\0")))
            elif name in (_MONTHS, _MOMENTS) and pa.types.is_string(column.type):
                cells.append(column)
            else:
                cells.append(_to_cells(self.terms.translate_column(name, column)))
        return cells

    def _width(self, head: str, field: pa.Field, column: pa.ChunkedArray) -> int:
        """Return the width of a column in digits, from its heading with the filter arrow and its first values."""
        if field.type == pa.date32():
            widest = len("2026-06-01")
        else:
            values = (value for value in column.slice(0, _WIDTH_ROWS).to_pylist() if value is not None)
            texts = (value.split("\0")[-1] if isinstance(value, str) else f"{value:,}" for value in values)
            names = field.name if field.name in _FINDINGS else ""
            widest = max((display_width(self.terms.value(names, text)) for text in texts), default=0)
        lines = 2 if self.wrapped else 1
        width = max(-(-display_width(head) // lines) + 3, widest + 2, _MIN_WIDTH)
        return min(width, self.wrapped.get(field.name, _MAX_WIDTH))

    def _cell_writer(self, sheet: Any, field: pa.Field, cells: pa.ChunkedArray) -> Callable[..., None]:
        """Return the function that writes a value of a column into a cell (row, column, value)."""
        if field.name in _FINDINGS and pa.types.is_string(cells.type):
            return self._finding_writer(sheet, field.name)
        if field.name in (_MONTHS, _MOMENTS) and pa.types.is_string(cells.type):
            return self._moment_writer(sheet, field.name)
        if pa.types.is_string(cells.type):
            is_formula, quoted, text = re.compile(FORMULA).match, self.quoted, self.text

            def write(row: int, at: int, value: str) -> None:
                sheet.write_string(row, at, value, quoted if is_formula(value) else text)

            return write
        code = _DATE if field.type == pa.date32() else _RATE if pa.types.is_decimal(field.type) else _YEN
        number_format = self.formats[_PLAIN if field.name in UNGROUPED else code]

        def write_number(row: int, at: int, value: float) -> None:
            sheet.write_number(row, at, value, number_format)

        return write_number

    def _write_text(self, sheet: Any, row: int, at: int, value: str) -> None:
        sheet.write_string(row, at, value, self.quoted if re.match(FORMULA, value) else self.text)

    def _finding_writer(self, sheet: Any, name: str) -> Callable[[int, int, str], None]:
        """Return the function that writes an expected or found value, with its field before it, as what it is."""

        def write(row: int, at: int, value: str) -> None:
            field, text = value.split("\0", 1)
            match self.terms.finding(name, field, text):
                case int() as number:
                    sheet.write_number(row, at, number, self.formats[_YEN])
                case date() as day if day >= _FIRST_DAY:
                    sheet.write_datetime(row, at, day, self.formats[_DATE])
                case other:
                    self._write_text(sheet, row, at, str(other))

        return write

    def _moment_writer(self, sheet: Any, name: str) -> Callable[[int, int, str], None]:
        """Return the function that writes a month or a moment as a date; a text of another form stays text."""
        number_format = self.formats[_MONTH[self.terms.language] if name == _MONTHS else _MOMENT]

        def write(row: int, at: int, value: str) -> None:
            try:
                moment = datetime.fromisoformat(f"{value}-01" if name == _MONTHS else value).replace(tzinfo=None)
            except ValueError:
                self._write_text(sheet, row, at, value)
            else:
                sheet.write_datetime(row, at, moment, number_format)

        return write


def _with_meanings(table: pa.Table, terms: Terms) -> pa.Table:
    """Return issues with the text of each code after it."""
    codes = table.column("code").cast(pa.string())
    names = {code: exception_name(code, terms.language) for code in pc.unique(codes).to_pylist()}
    return table.add_column(1, "code_name", pa.array(map(names.__getitem__, codes.to_pylist()), pa.string()))


def _is_summed(name: str) -> bool:
    return name not in _NOT_SUMMED and not name.endswith(_RUNNING)


def _by_payee(cover: Cover) -> Mapping[str, Mapping[str, Any]]:
    """Return the totals of each payee by its code; those of the whole, without a code, if there is one payee."""
    return (
        {code or "–": totals for code, totals in cover.summary["payees"].items()}
        if cover.has_payees
        else {"": cover.summary}
    )


def column_letters(at: int) -> str:
    """Return the letters of a column from its position.

    >>> column_letters(0), column_letters(27)
    ('A', 'AB')
    """
    rest, last = divmod(at, 26)
    return (column_letters(rest - 1) if rest else "") + chr(ord("A") + last)


def _to_cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as text or numbers: dates as serial numbers, or as text if one is before the first valid one."""
    if column.type == pa.date32():
        serials = pc.add(column.cast(pa.int32()), _SERIAL_OF_1970)
        first = pc.min(serials).as_py()
        return column.cast(pa.string()) if first is not None and first < _FIRST_SERIAL else serials
    return column


def _rows(cells: list[pa.ChunkedArray]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of columns as Python values, converted in chunks."""
    for start in range(0, len(cells[0]), _CHUNK_ROWS):
        yield from zip(*(column.slice(start, _CHUNK_ROWS).to_pylist() for column in cells), strict=True)
