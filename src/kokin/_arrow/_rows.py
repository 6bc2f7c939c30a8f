"""A batch against the definition of its record: column types first, then the rows that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow._arrow import BoolArray, UInt8Array, chunks
from kokin._arrow._fields import check_column
from kokin._arrow._normalize import normalize
from kokin._arrow._problems import IssueBuilder
from kokin.issues import InvalidInputError, Issue, Location, from_table
from kokin.model import Record, arrow_schema, field_types

#: What :func:`category_codes` says for a word that is not in the list.
UNKNOWN_CATEGORY = 255


def validate_table(
    table: pa.Table,
    record: type[Record],
    used: Container[str] | None = None,
    *,
    unchecked: Container[str] = (),
    place: Callable[[int], Location] | None = None,
) -> pa.Table:
    """Return the columns of :func:`normalize`, each checked by the rule of its field and in its type.

    Args:
        table: any table.
        record: what its rows are.
        used: the columns that are wanted; by default all that the record has.
        unchecked: columns whose rows the caller checks.
        place: makes the place of a row from its number, counted from 1; by default :func:`location_of`.

    Raises:
        InvalidInputError: as :func:`normalize` does, a required value is missing, or a value breaks the rule of its
        field.
    """
    columns, issues = checked_table(table, record, used, unchecked=unchecked, place=place)
    if issues:
        raise InvalidInputError(issues, f"no table of {record.__name__.lower()}s")
    return columns


def checked_table(
    table: pa.Table,
    record: type[Record],
    used: Container[str] | None = None,
    *,
    unchecked: Container[str] = (),
    place: Callable[[int], Location] | None = None,
) -> tuple[pa.Table, list[Issue]]:
    """Return what :func:`validate_table` does, and the issues of rows.

    Where a row breaks a rule, its value is replaced by a valid placeholder.
    """
    table = normalize(table, record, used)
    problems = IssueBuilder(1, np.zeros(len(table), np.bool_))
    rules, fields = field_types(record), arrow_schema(record)
    columns = {
        name: table.column(name)
        if name in unchecked
        else check_column(
            table.column(name), fields.field(name), rules.get(name), problems, record.model_fields[name].is_required()
        )
        for name in table.column_names
    }
    checked = pa.table(columns)
    place = place or partial(location_of, checked)
    issues = [issue.with_location(place(issue.location.record or 0)) for issue in from_table(problems.table())]
    return checked, issues


def location_of(table: pa.Table, row: int) -> Location:
    """The place of a row, counted from 1: in its file, where the table has the columns that name it."""
    names = [name for name in ("source", "record_no") if table.schema.names.count(name) == 1]
    values = table.select(names).slice(row - 1, 1).to_pylist()[0] if names else {}
    return Location(values.get("source") or "", values.get("record_no") or row)


def category_codes(column: pa.ChunkedArray, words: tuple[str, ...], null: int) -> UInt8Array:
    """A column of few words as their places in a list: uint8 (n,), :data:`UNKNOWN_CATEGORY` for another word."""
    parts = [np.empty(0, np.uint8)]
    for array in chunks(column):
        coded = array if pt.is_dictionary(array.type) else pc.dictionary_encode(array)
        known = [words.index(word) if word in words else UNKNOWN_CATEGORY for word in coded.dictionary.to_pylist()]
        indices = coded.indices.cast(pa.int64()).fill_null(len(known))
        parts.append(np.array([*known, null], np.uint8)[np.frombuffer(indices.buffers()[1] or b"", np.int64)])
    return np.concatenate(parts)


def validate_records(
    table: pa.Table, record: type[Record], suspects: BoolArray, place: Any = Location
) -> Iterable[Issue]:
    """What is wrong in the suspected rows, each told by the record itself.

    ``place`` makes the place of a row from its number, counted from 1.
    """
    for row in np.flatnonzero(suspects).tolist():
        values = {name: value for name, value in table.slice(row, 1).to_pylist()[0].items() if value not in (None, "")}
        try:
            record(**values)
        except InvalidInputError as error:
            for issue in error.issues:
                yield issue.with_location(place(record=row + 1))
