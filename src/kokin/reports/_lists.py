"""Tables on the page: sortable and filterable where a script runs, readable where none does."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import int64_array
from kokin.reports._html import Html, html, tag
from kokin.reports._words import UNGROUPED, Words

# Hashes are told by their first signs.
_SHORTENED, _SIGNS = ("digest", "hash"), 12
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
}
_TAGGED = ("outcome", "kind", "severity")

Order = Sequence[tuple[str, str]]


def listed(
    name: str,
    table: pa.Table,
    words: Words,
    most: int,
    *,
    order: Order = (),
    without: Collection[str] = (),
    files: Collection[str] = (),
) -> Html:
    """A table of a report as a list: its first rows in an order, and a word where there are more.

    Args:
        name: the table's name.
        table: the table.
        words: the reader's language.
        most: rows that are shown.
        order: by which columns the first rows are chosen; else as they stand.
        without: columns that are left out.
        files: the tables whose CSV stands beside the page.
    """
    if not len(table):
        return tag("p", words.say("none"), class_="note")
    some = table.drop_columns([column for column in without if column in table.column_names])
    some = (some.take(_first(table, order, most)) if order else some).slice(0, most)
    heads = [
        tag(
            "th", words.column(name, column), scope="col", class_="n" if _is_number(some.schema.field(column)) else None
        )
        for column in some.column_names
    ]
    rows = [tag("tr", *(_cell(column, value, words) for column, value in row.items())) for row in some.to_pylist()]
    note = html()
    if len(table) > len(some):
        key = "cut_in" if name in files else "cut"
        said = words.say(key, shown=f"{len(some):,}", all=f"{len(table):,}", file=f"{name}.csv")
        note = tag("p", said, class_="note")
    inside = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows))
    label = words.table(name)
    return html(tag("div", inside, class_="scroll list", role="region", aria_label=label, tabindex="0"), note)


def _first(table: pa.Table, order: Order, most: int) -> pa.Array:
    """The rows that come first in an order; rows that are equal in it stay in theirs."""
    by = table.select([column for column, _ in order]).append_column("row", int64_array(np.arange(len(table))))
    return pc.select_k_unstable(by, k=min(most, len(table)), sort_keys=[*order, ("row", "ascending")])


def grid(heads: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> Html:
    """A small table: of each column its heading and its class, and rows of texts, numbers or HTML."""
    head = tag("tr", *(tag("th", name, scope="col", class_=css or None) for name, css in heads))
    body = [
        tag("tr", *(tag("td", cell, class_=css or None) for cell, (_, css) in zip(row, heads, strict=True)))
        for row in rows
    ]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body)), class_="scroll")


def _is_number(field: pa.Field) -> bool:
    return bool(pa.types.is_integer(field.type) or pa.types.is_decimal(field.type)) and field.name not in UNGROUPED


def _cell(column: str, value: Any, words: Words) -> Html:
    if value is None:
        return Html("<td></td>")
    if isinstance(value, bool):
        return tag("td", words.say("yes" if value else "no"))
    if column in UNGROUPED or isinstance(value, date):
        return tag("td", str(value), class_="d")
    if isinstance(value, int | Decimal):
        return tag("td", f"{value:,}", class_="n")
    if column in _TAGGED:
        return tag("td", tag("span", words.value(column, value), class_=f"tag {_TONES.get(value, 'warn')}"))
    if column in _SHORTENED:
        return tag("td", tag("code", f"{value[:_SIGNS]}…", title=value) if value else "")
    return tag("td", words.value(column, value))
