"""Lists of the page: the columns by need, values in the language of the reader, and what a person copies or prints."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import int64_array
from kokin.reports._elements import Html, html, tag
from kokin.reports._terms import UNGROUPED, Terms, display_width, exception_name, parse_value

#: The first columns of each table on the page and in the workbook, by need; the others follow in their order, and
#: digests are last. The first :data:`LEAD_COLUMNS` say what, which and how much: a list always has them.
COLUMN_ORDER: Mapping[str, Sequence[str]] = {
    "intake": ("label", "intake_state", "amount", "records", "deadline", "day"),
    "new_files": ("source", "layout", "amount"),
    "files": ("source", "layout", "amount"),
    "outcomes": ("outcome", "bill_id", "amount", "applied", "excess", "balance_before"),
    "exceptions": (
        *("outcome", "bill_id", "amount", "exception_state", "expected", "found", "field"),
        *("since", "age_days", "hold_until", "decided_by", "excess", "applied"),
    ),
    "new_exceptions": ("outcome", "bill_id", "amount", "expected", "found", "field", "paid_on", "age_days"),
    "resolved_exceptions": ("outcome", "bill_id", "amount", "expected", "found", "field", "paid_on", "age_days"),
    "overpayments": ("bill_id", "outcome", "excess", "refund", "interest", "state", "paid_on", "charge"),
    "daily": ("received_on", "charge", "received", "receipts", "channel"),
    "monthly": ("month", "charge", "received", "received_to_date", "receipts", "channel"),
    "receivables": ("charge", "year_class", "unpaid", "rate", "billed"),
    "settlement_statement": ("fiscal_year", "charge", "year_class", "assessed", "collected", "unpaid", "rate"),
    "revenue": ("charge", "fiscal_year", "received", "receipts", "account_code", "kan", "ko", "moku"),
    "settlements": ("settled_on", "agent_code", "difference", "expected", "credited"),
    "pending": ("kind", "bill_id", "amount", "days", "since", "outcome"),
    "audit": ("entry", "kind", "at", "source", "actor", "reason"),
    "balances": ("bill_id", "status", "residual"),
    "allocations": ("bill_id", "charge", "applied"),
    "offers": ("bill_id", "debt_bill_id", "offered", "due_on", "residual"),
    "arrears": ("bill_id", "charge", "unpaid", "due_on", "days", "billed", "paid", "late_charge"),
    "late": ("received_on", "charge", "received", "booked_on"),
    "issues": ("code", "file", "record", "field", "expected", "found"),
    "open_data": ("month", "charge", "amount", "receipts", "channel"),
}
#: The number of columns that a list always has, and with which a card begins.
LEAD_COLUMNS = 3
#: The maximum number of rows of a list; exceptions are to be worked off, so that the page has as many as it can bear.
MAX_ROWS, MAX_EXCEPTIONS = 500, 5_000
_EXCEPTION_TABLES = ("exceptions", "new_exceptions", "resolved_exceptions")
#: The rows of a list in print; the script and the style sheet have the same number.
PRINTED_ROWS = 30

# A text that is wider than this many half-width characters is wrapped.
_MAX_TEXT_WIDTH = 24
# Hashes are shortened to this many characters.
_HASHES, _HASH_LENGTH = ("digest", "hash"), 12
# Columns with values of several types.
_FINDINGS = ("expected", "found")
# Columns of codes that are drawn as a coloured tag, and the tags that are not of the tone "warn".
_TAGGED = ("outcome", "kind", "severity", "intake_state", "exception_state")
_TONES = {
    "MATCHED": "good",
    "PROVISIONAL": "calm",
    "SUPERSEDED": "calm",
    "CANCELLED": "calm",
    "CANCEL": "calm",
    "provisional": "calm",
    "suspense": "bad",
    "unsettled": "bad",
    "error": "bad",
    "arrived": "good",
    "empty": "good",
    "missing": "bad",
    "rejected": "bad",
    "not_due": "calm",
    "closed": "mute",
    "held": "calm",
    "accepted": "mute",
    "decided": "mute",
}

#: Columns to sort by, each with "ascending" or "descending".
SortKeys = Sequence[tuple[str, str]]


def ordered_columns(name: str, columns: Sequence[str]) -> list[str]:
    """Return the columns of a table by need.

    >>> ordered_columns("files", ["source", "digest", "layout", "read", "amount"])
    ['source', 'layout', 'amount', 'read', 'digest']
    """
    first = [column for column in COLUMN_ORDER.get(name, ()) if column in columns]
    rest = [column for column in columns if column not in first]
    return [*first, *(column for column in rest if column not in _HASHES), *(c for c in rest if c in _HASHES)]


def render_rows(
    name: str,
    table: pa.Table,
    terms: Terms,
    max_rows: int | None = None,
    *,
    order: SortKeys = (),
    without: Collection[str] = (),
    csv_tables: Collection[str] = (),
    has_ledger: bool = False,
) -> Html:
    """Return the first rows of a table of the report as a list, with a note if there are more.

    The columns are in the order of :data:`COLUMN_ORDER`. A column without values is left out, and so is one with the
    same value in each row, which is said once above the list.

    Args:
        name: the name of the table.
        table: the table.
        terms: the terms of the language.
        max_rows: the maximum number of rows; by default :data:`MAX_ROWS`, or :data:`MAX_EXCEPTIONS`.
        order: the columns that the rows are sorted by; by default the order of the table is kept.
        without: columns that are left out.
        csv_tables: the tables that are also written as CSV; the note names the file.
        has_ledger: whether ``kokin ledger show`` can show the bill or the receipt of a row; then it can be copied.
    """
    if not len(table):
        return tag("p", terms.sentence("none"), class_="note")
    max_rows = max_rows or (MAX_EXCEPTIONS if name in _EXCEPTION_TABLES else MAX_ROWS)
    columns = [column for column in ordered_columns(name, table.column_names) if column not in without]
    columns, constants = _split_constants(table, columns)
    rows = (table.take(_first_rows(table, order, max_rows)) if order else table).slice(0, max_rows)
    lines = rows.to_pylist()
    heads = [
        tag("th", terms.heading(name, column), scope="col", class_="n" if _is_right(table, lines, column) else None)
        for column in columns
    ]
    copied = "bill_id" if "bill_id" in columns else "source"
    body = []
    for row in lines:
        cells = [_cell(column, row, terms) for column in columns]
        if has_ledger and copied in columns and (command := _shown_id(row)):
            at = columns.index(copied)
            button = tag("button", type="button", class_="copy", value=command)
            cells[at] = Html(cells[at].removesuffix("</td>") + f"{button}</td>")
        is_closed = row.get("exception_state", "open") != "open"
        body.append(tag("tr", *cells, class_="closed" if is_closed else None))
    content = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *body))
    return html(
        _constants_note(name, constants, terms),
        tag("div", content, class_="scroll list", role="region", aria_label=terms.table(name), tabindex="0"),
        _count_note(name, len(rows), len(table), terms, csv_tables),
        _print_note(len(rows), len(table), terms),
    )


def _split_constants(table: pa.Table, columns: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Return the columns of a list, and the value of each that has the same in all rows of the table."""
    shown, constants = list(columns[:LEAD_COLUMNS]), {}
    for column in columns[LEAD_COLUMNS:]:
        values = table.column(column)
        if values.null_count == len(table):
            continue
        first = values[0]
        if len(table) > 1 and not values.null_count and pc.all(pc.equal(values, first)).as_py():
            constants[column] = first.as_py()
        else:
            shown.append(column)
    return shown, constants


def _constants_note(name: str, constants: Mapping[str, Any], terms: Terms) -> Html:
    if not constants:
        return html()
    parts = [f"{terms.heading(name, column)} {_text(column, constants, terms)}" for column in constants]
    return tag("p", terms.sentence("constants", values=terms.sentence("comma").join(parts)), class_="note constants")


def _count_note(name: str, shown: int, total: int, terms: Terms, csv_tables: Collection[str]) -> Html:
    """Return how many rows are not on the page; nothing if all are."""
    if shown == total:
        return html()
    key = "cut_in" if name in csv_tables else "cut"
    text = terms.sentence(key, shown=f"{shown:,}", all=f"{total:,}", file=f"{name}.csv")
    return tag("p", text, class_="note screen")


def _print_note(shown: int, total: int, terms: Terms) -> Html:
    """Return how many rows are printed, which print shows if it is not all; the script corrects it for a filter."""
    text = terms.sentence("printed", shown=f"{min(shown, PRINTED_ROWS):,}", all=f"{total:,}")
    is_whole = shown == total <= PRINTED_ROWS
    return tag("p", text, class_=f"note paper printed{' all' * is_whole}", data_all=total)


def print_header(title: str, day: str) -> str:
    r"""Return the style rule that prints a title and the day of the page on each sheet.

    >>> print_header("Report", "as of 2026-06-15")
    '@page { @top-left { content: "Report · as of 2026-06-15"; } }\n'
    """
    text = "".join(f"\\{ord(sign):x} " if sign in '<>\\"\n' else sign for sign in f"{title} · {day}")
    return f'@page {{ @top-left {{ content: "{text}"; }} }}\n'


def _shown_id(row: Mapping[str, Any]) -> str | None:
    """Return the arguments of ``kokin ledger show`` for a row, quoted for a shell; None if it has nothing to show.

    That is its bill, receipt, day of settlement or file. A rejected record is no receipt; its file is shown.

    >>> _shown_id({"bill_id": "B 1"}), _shown_id({"bill_id": None, "source": "a.csv", "record_no": 3})
    ("'B 1'", 'a.csv:3')
    >>> _shown_id({"field": "settled_on 2026-06-02 A1"})
    '--deposit 2026-06-02/A1'
    >>> _shown_id({"exception_id": "I7", "source": "a.csv", "record_no": 3, "entry_id": 4})
    '--entry 4'
    """
    if row.get("bill_id"):
        return shlex.quote(row["bill_id"])
    if row.get("source") and row.get("record_no") and not (row.get("exception_id") or "").startswith("I"):
        return shlex.quote(f"{row['source']}:{row['record_no']}")
    field, _, day_and_agent = (row.get("field") or "").partition(" ")
    if field == "settled_on" and day_and_agent:
        return f"--deposit {shlex.quote(day_and_agent.replace(' ', '/', 1))}"
    return f"--entry {row['entry_id']}" if row.get("entry_id") else None


def _first_rows(table: pa.Table, order: SortKeys, max_rows: int) -> pa.Array:
    """Return the indices of the first rows in an order; equal rows keep their order in the table."""
    keys = table.select([column for column, _ in order]).append_column("row", int64_array(np.arange(len(table))))
    return pc.select_k_unstable(keys, k=min(max_rows, len(table)), sort_keys=[*order, ("row", "ascending")])


def is_quantity(field: pa.Field) -> bool:
    """Return whether a column has numbers that are quantities, not ids or years."""
    return bool(pa.types.is_integer(field.type) or pa.types.is_decimal(field.type)) and field.name not in UNGROUPED


def _is_right(table: pa.Table, lines: Sequence[Mapping[str, Any]], column: str) -> bool:
    """Return whether the heading of a column is on the right: most of its values are numbers."""
    if column in _FINDINGS:
        return 2 * sum(isinstance(_finding(column, line), int) for line in lines) > len(lines)
    return is_quantity(table.field(column))


def _finding(column: str, row: Mapping[str, Any]) -> Any:
    """Return the expected or found value of a row as the number, day or text that it is."""
    value = row[column]
    return parse_value(row.get("field"), value) if isinstance(value, str) else value


def _text(column: str, row: Mapping[str, Any], terms: Terms) -> str:
    """Return the value of a column of a row as the reader writes it."""
    value = row[column]
    if isinstance(value, bool):
        return terms.sentence("yes" if value else "no")
    if column in _HASHES and value:
        return f"{value[:_HASH_LENGTH]}…"
    if column == "code" and value:
        return f"{exception_name(value, terms.language)} ({value})"
    if column in _FINDINGS and isinstance(value, str):
        value = terms.finding(column, row.get("field"), value)
        return terms.day(value) if isinstance(value, date) else _grouped(value)
    if column in UNGROUPED or isinstance(value, date):
        return str(value)
    return _grouped(terms.value(column, value))


def _grouped(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | Decimal) else str(value)


def _cell(column: str, row: Mapping[str, Any], terms: Terms) -> Html:
    value = row[column]
    if value is None or value == "":
        return Html("<td></td>")
    text = _text(column, row, terms)
    if column in _TAGGED:
        return tag("td", tag("span", text, class_=f"tag {_TONES.get(value, 'warn')}"))
    if column in _HASHES:
        return tag("td", tag("code", text, title=value))
    if column == "code":
        return tag("td", exception_name(value, terms.language), tag("small", value), class_="long")
    if column in _FINDINGS and isinstance(_finding(column, row), int):
        return tag("td", text, class_="n")
    if isinstance(value, str) and display_width(text) > _MAX_TEXT_WIDTH:
        return tag("td", text, class_="long")
    if isinstance(value, bool) or column in _FINDINGS:
        return tag("td", text)
    is_name = column in UNGROUPED or isinstance(value, date)
    return tag("td", text, class_="d" if is_name else "n" if isinstance(value, int | Decimal) else None)
