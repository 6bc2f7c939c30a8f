"""Columns of bills, checked by the rules of the record and brought to its types."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin.columns import (
    Problems,
    as_table,
    bool_array,
    day_column,
    digits_column,
    flags_of,
    int64_array,
    string_array,
    text_array,
    text_column,
    to_arrow,
    yen_column,
)
from kokin.issues import Issue, RefusedError, to_table
from kokin.model import Bill, BillStatus, Day, Digits, Kind, Text, Yen, kinds, schema

_STATUSES = [status.value for status in BillStatus]
_REQUIRED = [name for name, field in Bill.model_fields.items() if field.is_required()]
_DEFAULTS = {
    name: str(field.default) for name, field in Bill.model_fields.items() if isinstance(field.default, str | int)
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A stretch of bills: ``rows = len(table) + rejected``."""

    table: pa.Table
    """The accepted bills, with the columns of :class:`~kokin.model.Bill` that were there, in its order and types."""
    records: pa.Array
    """The number of each accepted row in the input, from 1, int64."""
    issues: pa.Table
    """What is wrong, with :data:`~kokin.issues.ISSUE_COLUMNS`, errors and warnings."""
    rejected: int
    """The rows that were kept out."""


def check(table: Any, *, file: str = "", first: int = 1) -> Checked:
    """Bills by the rules of :class:`~kokin.model.Bill`.

    Args:
        table: an Arrow table, or anything that offers one. Numbers may be int64 or text, days date32 or text
            ``YYYY-MM-DD``, ``covers`` a list or text ``a;b``, ``parts`` a map or text ``name=yen;name=yen``.
        file: the name that issues tell as their file.
        first: the number of the first row.

    A column that a bill does not have is not read, with a warning; two columns of one name are refused.

    Raises:
        RefusedError: a required column is missing, stands twice, or is of a type that could lose something.
    """
    table = as_table(table)
    names = table.column_names
    missing = [Issue("FIELD_MISSING", name) for name in _REQUIRED if name not in names]
    missing += [Issue("COLUMN_TWICE", name) for name in sorted({name for name in names if names.count(name) > 1})]
    if missing:
        raise RefusedError(missing, f"{file or 'the table'} holds no bills")
    problems = Problems(first, np.zeros(len(table), np.bool_), file)
    columns = {name: _checked(name, _in_one(table[name]), problems) for name in schema(Bill).names if name in names}
    if "parts" in columns:
        _check_parts_sum(columns["parts"], columns["amount"], problems)
    kept = ~problems.refused
    records = int64_array(first + np.flatnonzero(kept))
    issues = [problems.table()]
    if first == 1:  # said once, not with every stretch of a file
        unread = [Issue("COLUMN_UNKNOWN", name) for name in names if name not in Bill.model_fields]
        if unread:
            issues.insert(0, to_table(unread))
    accepted = pa.table(columns, schema=pa.schema([schema(Bill).field(name) for name in columns]))
    return Checked(
        accepted if kept.all() else accepted.filter(bool_array(kept)),
        records,
        pa.concat_tables(issues),
        len(table) - len(records),
    )


def _in_one(column: pa.ChunkedArray) -> pa.Array:
    column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    texts = pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type)
    return column.cast(pa.string()) if texts or pa.types.is_null(column.type) else column


def _checked(name: str, column: pa.Array, problems: Problems) -> pa.Array:
    """A column in the type of its field; a row that breaks the rule is told and holds a harmless value."""
    field = schema(Bill).field(name)
    default = _DEFAULTS.get(name)
    if name == "covers":
        return _covers(column)
    if name == "parts":
        return _parts(column, problems)
    if name == "status":
        return _status(column.fill_null(BillStatus.OPEN.value), problems)
    rule = kinds(Bill)[name]
    _refuse_type(name, rule, column.type)
    known = ~flags_of(column.is_null())
    if default is not None or field.nullable:
        column = column.fill_null(_harmless(rule, column.type) if default is None else _as(default, column.type))
        known |= default is not None
    match rule:
        case Digits():
            return string_array(digits_column(column, rule, name, problems, None), known)
        case Yen():
            column = column if pa.types.is_string(column.type) else column.cast(pa.int64())
            return to_arrow(yen_column(column, rule, name, problems), pa.int64(), known)
        case Day():
            return to_arrow(day_column(column, name, problems)[0], pa.date32(), known)
    texts = text_column(column, cast(Text, rule), name, problems)
    return texts if known.all() else pc.if_else(bool_array(known), texts, pa.scalar(None, pa.string()))


def _refuse_type(name: str, rule: Kind, given: pa.DataType) -> None:
    fits = {Yen: pa.types.is_integer, Day: pa.types.is_date32}.get(type(rule), pa.types.is_string)
    if not (pa.types.is_string(given) or fits(given)):
        wanted = {Yen: "int64 or text", Day: "date32 or text"}.get(type(rule), "text")
        raise RefusedError([Issue("FIELD_TYPE", name, wanted, str(given))], "the table holds no bills")


def _harmless(rule: Kind, given: pa.DataType) -> Any:
    """A value that every check lets pass, for a row that has none."""
    match rule:
        case Digits(width=width):
            return "0" * width
        case Yen(least=least):
            return _as(str(least), given)
        case Day():
            return _as("1970-01-01", given) if pa.types.is_string(given) else date(1970, 1, 1)
    return "?"


def _as(text: str, given: pa.DataType) -> Any:
    return text if pa.types.is_string(given) else int(text)


def _status(column: pa.Array, problems: Problems) -> pa.Array:
    unknown = ~flags_of(pc.is_in(column, value_set=text_array(_STATUSES)))
    problems.add("CODE_UNKNOWN", "status", unknown, " | ".join(_STATUSES), column.filter(bool_array(unknown)))
    return column


def _covers(column: pa.Array) -> pa.Array:
    """Text ``a;b`` as a list; nothing covered as an empty one."""
    if pa.types.is_list(column.type):
        return column.cast(pa.list_(pa.string())).fill_null([])
    empty = pa.scalar([], pa.list_(pa.string()))
    lists = pc.split_pattern(pc.utf8_trim_whitespace(column), ";")
    return pc.if_else(pc.equal(pc.binary_length(column), 0).fill_null(True), empty, lists)


def _parts(column: pa.Array, problems: Problems) -> pa.Array:
    """Text ``name=yen;name=yen`` as a map; no parts as an empty one."""
    field = schema(Bill).field("parts")
    if pa.types.is_map(column.type):
        return column.cast(field.type)
    lists = pc.split_pattern(column.fill_null(""), ";")
    pieces, rows = lists.flatten(), pc.list_parent_indices(lists)
    there = pc.greater(pc.binary_length(pieces), 0)
    pieces, rows = pieces.filter(there), rows.filter(there)
    sides = pc.split_pattern(pieces, "=")
    numbers = pc.utf8_trim_whitespace(pc.list_element(pc.if_else(_is_pair(sides), sides, pa.scalar(["", ""])), 1))
    good = pc.and_(_is_pair(sides), pc.and_(pc.ascii_is_decimal(numbers), pc.less_equal(pc.binary_length(numbers), 11)))
    wrong = np.zeros(len(column), np.bool_)
    wrong[np.asarray(rows.filter(pc.invert(good)).to_pylist(), np.int64)] = True
    problems.add("PARTS_FORM", "parts", wrong, "name=yen;name=yen")
    pieces, rows, numbers = pieces.filter(good), rows.filter(good), numbers.filter(good)
    names = pc.list_element(pc.split_pattern(pieces, "="), 0)
    counts = np.bincount(
        np.frombuffer(rows.cast(pa.int64()).buffers()[1], np.int64)[: len(rows)], minlength=len(column)
    )
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.MapArray.from_arrays(
        pa.Array.from_buffers(pa.int32(), len(offsets), [None, pa.py_buffer(offsets)]), names, numbers.cast(pa.int64())
    ).cast(field.type)


def _is_pair(sides: pa.Array) -> pa.Array:
    return pc.equal(pc.list_value_length(sides), 2)


def _check_parts_sum(parts: pa.Array, amount: pa.Array, problems: Problems) -> None:
    lengths = np.diff(np.frombuffer(parts.buffers()[1], np.int32)[parts.offset :][: len(parts) + 1])
    yen = np.frombuffer(parts.items.buffers()[1] or b"", np.int64)
    running = np.concatenate([[0], np.cumsum(yen)])
    ends = np.cumsum(lengths)
    sums = running[ends] - running[ends - lengths]
    amounts = np.frombuffer(amount.buffers()[1] or b"", np.int64)[: len(amount)]
    wrong = (lengths > 0) & (sums != amounts) & ~problems.refused
    expected = int64_array(amounts[wrong]).cast(pa.string())
    problems.add("PARTS_SUM", "parts", wrong, expected, int64_array(sums[wrong]).cast(pa.string()))
