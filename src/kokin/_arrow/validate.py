"""Validation of columns and tables against a record: normalised columns, with the same issues as the record."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow.column_checks import (
    PLACEHOLDER_DATE,
    IssueBuilder,
    day_column,
    digits_column,
    is_digit,
    names_or_amounts_column,
    redact_array,
    text_column,
    yen_column,
)
from kokin._arrow.convert import (
    NULL_STRING,
    BoolArray,
    UInt8Array,
    bool_array,
    chunks,
    combine,
    from_numpy,
    int64_array,
    is_present,
    is_valid,
    string_array,
    text_array,
    text_buffers,
)
from kokin._arrow.digits import FIRST_DAY, LAST_DAY
from kokin._arrow.normalize import normalize, parse_times
from kokin.issues import MAX_ISSUES, InvalidInputError, Issue, Location, from_table
from kokin.model import Amounts, Date, Digits, FieldType, Names, Record, Text, Yen, arrow_schema, field_types

#: The code of :func:`category_codes` for a text that is not in the list.
UNKNOWN_CATEGORY = 255


def validate_table(
    table: pa.Table,
    record: type[Record],
    used: Container[str] | None = None,
    *,
    unchecked: Container[str] = (),
    place: Callable[[int], Location] | None = None,
) -> pa.Table:
    """Return the columns of :func:`normalize`, each checked by the field type of the record and in its Arrow type.

    Args:
        table: any table.
        record: the record of its rows.
        used: the names of the columns to return; by default all fields of the record.
        unchecked: names of columns that are not checked.
        place: returns the location of a row by its number, from 1; by default :func:`location_of`.

    Raises:
        InvalidInputError: as :func:`normalize`, or a required value is missing, or a value is invalid.
    """
    columns, issues, has_error = checked_table(table, record, used, unchecked=unchecked, place=place)
    if issues:
        raise InvalidInputError(issues, f"not a table of {record.__name__.lower()}s", int(np.count_nonzero(has_error)))
    return columns


def checked_table(
    table: pa.Table,
    record: type[Record],
    used: Container[str] | None = None,
    *,
    unchecked: Container[str] = (),
    place: Callable[[int], Location] | None = None,
) -> tuple[pa.Table, list[Issue], BoolArray]:
    """Like :func:`validate_table`, but return the first issues of rows, and which rows have an error: bool (n,).

    An invalid value is replaced by a placeholder.
    """
    table = normalize(table, record, used)
    builder = IssueBuilder(1, np.zeros(len(table), np.bool_))
    rules, fields = field_types(record), arrow_schema(record)
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        if name not in unchecked:
            required = record.model_fields[name].is_required()
            column = check_column(column, fields.field(name), rules.get(name), builder, required)
        columns[name] = column
    checked = pa.table(columns)
    place = place or partial(location_of, checked)
    first_issues = from_table(builder.table().slice(0, MAX_ISSUES))
    issues = [issue.with_location(place(issue.location.record or 0)) for issue in first_issues]
    return checked, issues, builder.has_error


def location_of(table: pa.Table, row: int) -> Location:
    """Return the location of a row, from 1: in its file, if the table has the columns ``source`` and ``record_no``."""
    names = [name for name in ("source", "record_no") if table.schema.names.count(name) == 1]
    values = table.select(names).slice(row - 1, 1).to_pylist()[0] if names else {}
    return Location(values.get("source") or "", values.get("record_no") or row)


def first_rows(table: pa.Table, mask: BoolArray) -> tuple[pa.Table, list[int]]:
    """Return the first masked rows, as many as issues are reported in full, and their numbers from 1."""
    rows = np.flatnonzero(mask)[:MAX_ISSUES]
    if not len(rows):
        return table.slice(0, 0), []  # taking no rows would copy the table too
    return table.take(int64_array(rows)), (rows + 1).tolist()


def validate_records(
    rows: pa.Table, numbers: Sequence[int], record: type[Record], place: Callable[[int], Location]
) -> Iterator[Issue]:
    """Yield the issues of the rows of :func:`first_rows`, each validated as a record.

    ``place`` is as in :func:`validate_table`.
    """
    for number, row in zip(numbers, rows.to_pylist(), strict=True):
        try:
            record(**{name: value for name, value in row.items() if value not in (None, "")})
        except InvalidInputError as error:
            for issue in error.issues:
                yield issue.with_location(place(number))


def category_codes(column: pa.ChunkedArray, categories: tuple[str, ...], null: int) -> UInt8Array:
    """Return the index of each text in ``categories``: uint8 (n,), :data:`UNKNOWN_CATEGORY` for any other text."""
    parts = [np.empty(0, np.uint8)]
    for array in chunks(column):
        coded = array if pt.is_dictionary(array.type) else pc.dictionary_encode(array)
        codes = [categories.index(t) if t in categories else UNKNOWN_CATEGORY for t in coded.dictionary.to_pylist()]
        indices = coded.indices.cast(pa.int64()).fill_null(len(codes))
        parts.append(np.array([*codes, null], np.uint8)[np.frombuffer(indices.buffers()[1] or b"", np.int64)])
    return np.concatenate(parts)


def field_column(column: pa.Array, rule: FieldType, name: str, issues: IssueBuilder, required: bool = True) -> pa.Array:
    """Return a column of :func:`normalize` in the type of its field; the issues of its rows are added to ``issues``.

    An invalid value is replaced by a placeholder. A null is an issue if the field is required, and else stays null.
    """
    if isinstance(rule, Names | Amounts):
        return names_or_amounts_column(column, rule, name, issues)
    valid = is_valid(column)
    if not required and column.null_count:
        column = column.fill_null(_placeholder(rule, column.type))
    match rule:
        case Digits():
            return string_array(digits_column(column, rule, name, issues, None), valid)
        case Yen():
            return from_numpy(yen_column(column, rule, name, issues), pa.int64(), valid)
        case Date():
            return from_numpy(day_column(column, name, issues)[0], pa.date32(), valid)
        case Text():
            texts = text_column(column, rule, name, issues)
            return texts if valid.all() else pc.if_else(bool_array(valid), texts, NULL_STRING)
    raise TypeError(f"no column of {type(rule).__name__}")


def _placeholder(rule: FieldType, kind: pa.DataType) -> pa.Scalar:
    """Return a valid value, for nulls while a column is checked."""
    match rule:
        case Digits(width=width):
            text = "0" * width
        case Yen(min=minimum):
            text = str(minimum)
        case Date():
            text = PLACEHOLDER_DATE
        case _:
            text = "?"
    scalar = text_array([text])[0]
    return scalar if pt.is_string(kind) else scalar.cast(kind)


def check_column(
    column: pa.ChunkedArray, field: pa.Field, rule: FieldType | None, issues: IssueBuilder, required: bool = False
) -> pa.ChunkedArray:
    """Return a column of :func:`normalize` in the type of its field; texts keep their type, valid columns their memory.

    A null or an empty text of a required field is an issue; it stays null.
    """
    if required:
        present = is_present(column) if isinstance(rule, Digits | Text) else is_valid(combine(column))
        issues.add("FIELD_MISSING", field.name, ~present)
    match rule:
        case None:
            return _time_column(column, field.name, issues) if pt.is_time(field.type) else column
        case Yen(min=minimum, max=maximum) if pt.is_int64(column.type) and _is_in_range(column, minimum, maximum):
            return column
        case Date() if pt.is_date32(column.type) and _is_in_range(column.cast(pa.int32()), FIRST_DAY, LAST_DAY):
            return column
        case Digits() | Text() if all(_is_plainly_valid(array, rule) for array in chunks(column)):
            return column
        case Digits() | Text():
            texts = combine(column.cast(pa.string()))
            texts = pc.if_else(bool_array(is_present(texts)), texts, NULL_STRING)
            field_column(texts, rule, field.name, issues, required=False)
            return column
        case _:
            return pa.chunked_array([field_column(combine(column), rule, field.name, issues, required=False)])


def _is_in_range(column: pa.ChunkedArray, minimum: int, maximum: int) -> bool:
    found = pc.min_max(column).as_py()
    return found["min"] is None or (found["min"] >= minimum and found["max"] <= maximum)


def _is_plainly_valid(array: pa.Array, rule: Digits | Text) -> bool:
    """Return whether texts are valid by their bytes alone: printable ASCII, or digits, with valid lengths."""
    offsets, letters = text_buffers(array.dictionary if pt.is_dictionary(array.type) else array)
    lengths = np.diff(offsets)
    if isinstance(rule, Text):
        is_ascii = not len(letters) or (letters.min() >= ord(" ") and letters.max() <= ord("~"))
        return bool(is_ascii and (lengths <= rule.width).all())
    fits = lengths <= rule.width if rule.zero_pad else (lengths == rule.width) | (lengths == 0)
    return bool(fits.all() and is_digit(letters).all())


def _time_column(column: pa.ChunkedArray, name: str, issues: IssueBuilder) -> pa.ChunkedArray:
    """Return times of day as ``time32[s]``."""
    if not pt.is_string(column.type):
        return column
    texts = combine(column)
    present = is_present(texts)
    seconds, is_time = parse_times(texts)
    invalid = present & ~is_time
    issues.add("TIME_INVALID", name, invalid, "HH:MM:SS", redact_array(texts, invalid))
    return pa.chunked_array([from_numpy(seconds, pa.time32("s"), present & is_time)])
