"""Conversion of columns to the few Arrow types that Kokin uses, from the types that other libraries produce.

Polars exports texts as ``string_view``, ``Categorical`` and ``Enum`` as dictionaries of views, lists as ``large_list``;
pandas exports ``large_string``, ``category`` as a dictionary, dates as timestamps; databases export yen as decimals.
Every package that accepts a table calls :func:`normalize` or :func:`normalize_column`.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from datetime import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow.convert import MAX_STRING_BYTES, bool_array, chunks, from_numpy, is_valid, to_numpy
from kokin._arrow.digits import FIRST_DAY, LAST_DAY
from kokin.issues import InvalidInputError, Issue
from kokin.model import Record, arrow_schema
from kokin.text import JAPAN

_SECONDS_PER_DAY = 86_400
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_JAPAN_SECONDS = int(JAPAN.utcoffset(None).total_seconds())

_INT64_MAX = np.iinfo(np.int64).max


def normalize(table: pa.Table, record: type[Record], used: Container[str] | None = None) -> pa.Table:
    """Return the columns that are fields of the record and used, by default all, in the order and types of its schema.

    If a value does not fit the type of its column (a time that is not midnight, 1.50 yen, an integer above int64), the
    column is text, and the validation of the rows reports the value. Texts may be ``string``, ``large_string`` or a
    dictionary of ``string``. A column of nulls only has the type of the schema, whatever its type was.

    Raises:
        InvalidInputError: a used column is required and missing, a column is duplicate, or has a type that could lose
            data: numbers for a code with leading zeros, floats for yen.
    """
    issues, columns = [], {}
    names = table.schema.names
    for field in arrow_schema(record):
        count, is_used = names.count(field.name), used is None or field.name in used
        if count > 1:
            issues.append(Issue("COLUMN_TWICE", field=field.name))
        elif is_used and not count and record.model_fields[field.name].is_required():
            issues.append(Issue("FIELD_MISSING", field=field.name, expected="a column of this name"))
        elif is_used and count:
            column = normalize_column(table.column(field.name), field.type)
            if column is None:
                issues.append(type_issue(field.name, field.type, table.column(field.name).type))
            columns[field.name] = column
    if issues:
        raise InvalidInputError(issues, f"not a table of {record.__name__.lower()}s")
    return pa.table(columns)


def type_issue(name: str, wanted: pa.DataType, found: pa.DataType) -> Issue:
    """Return the issue of a column whose type could lose data."""
    return Issue("FIELD_TYPE", field=name, expected=_EXPECTED.get(wanted, str(wanted)), found=str(found))


_LIST = pa.list_(pa.string())
_MAP = pa.map_(pa.string(), pa.int64())
_TIME = pa.time32("s")

_EXPECTED = {
    pa.string(): "text",
    pa.int64(): "int64 or text",
    pa.date32(): "date32 or text YYYY-MM-DD",
    _TIME: "time32[s] or text HH:MM:SS",
    _LIST: "a list of texts, or text a;b",
    _MAP: "a map of text to int64, or text name=yen;name=yen",
}


def normalize_column(column: pa.ChunkedArray | pa.Array, wanted: pa.DataType) -> pa.ChunkedArray | None:
    """Return a column in the type ``wanted`` or as text (see :func:`normalize`); None if it could lose data."""
    column = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    converted = None if pt.is_null(column.type) else _convert(column, wanted)
    # A column of nulls is accepted with any type; an empty column is not.
    if converted is None and (pt.is_null(column.type) or 0 < column.null_count == len(column)):
        return pa.chunked_array([pa.nulls(len(column), wanted)])
    return converted


def _convert(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray | None:
    if pt.is_run_end_encoded(column.type):
        column = _map_chunks(pc.run_end_decode, column)
    if pt.is_dictionary(column.type):
        if wanted == pa.string() and is_text(column.type.value_type):
            return _map_chunks(_normalize_dictionary, column)
        column = _map_chunks(_decode_dictionary, column)
    if is_text(column.type):
        if wanted in _EXPECTED:
            return _normalize_texts(column, keep_large=wanted == pa.string())
        return None
    if pt.is_binary(column.type) or pt.is_large_binary(column.type) or column.type == pa.binary_view():
        return column.cast(wanted) if wanted == pa.binary() else None
    if column.type == wanted and wanted not in (_LIST, _MAP):
        return column
    converter = _CONVERTERS.get(wanted)
    return converter(column) if converter else None


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type is a text type; dictionaries are not."""
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def _map_chunks(function: Callable[[pa.Array], pa.Array], column: pa.ChunkedArray) -> pa.ChunkedArray:
    arrays = [function(array) for array in chunks(column)]
    # Without chunks, pyarrow cannot infer the type.
    return pa.chunked_array(arrays or [function(pa.nulls(0, column.type))])


def _normalize_dictionary(array: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return a dictionary of texts with int32 indices and ``string`` values without nulls."""
    if array.dictionary.null_count:
        return _decode_dictionary(array).dictionary_encode()
    return pa.DictionaryArray.from_arrays(array.indices.cast(pa.int32()), array.dictionary.cast(pa.string()))


def _decode_dictionary(array: pa.DictionaryArray) -> pa.Array:
    # Arrow cannot take from views.
    values = array.dictionary.cast(pa.string()) if is_text(array.dictionary.type) else array.dictionary
    return values.take(array.indices)


def _normalize_texts(column: pa.ChunkedArray, keep_large: bool) -> pa.ChunkedArray:
    """Return texts as ``string``, or ``large_string`` if they are too long for it or already are, if ``keep_large``."""
    if column.type == pa.string() or (keep_large and column.type == pa.large_string()):
        return column
    return column.cast(pa.large_string() if column.nbytes >= MAX_STRING_BYTES else pa.string())


def _normalize_integers(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return integers and decimals as int64, or as texts if one does not fit."""
    kind = column.type
    if not (pt.is_integer(kind) or pt.is_decimal(kind)):
        return None
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return pc.replace_substring_regex(column.cast(pa.string()), r"\.0+$", "")


def _normalize_dates(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return timestamps at midnight as dates, or as texts if one is not; a time zone is converted to that of Japan."""
    kind = column.type
    if not (pt.is_date64(kind) or pt.is_timestamp(kind)):
        return None
    per_second = _PER_SECOND["ms" if pt.is_date64(kind) else kind.unit]
    has_zone = pt.is_timestamp(kind) and kind.tz is not None
    moments = to_numpy(column.cast(pa.int64()), 0)
    first, last = FIRST_DAY * _SECONDS_PER_DAY, (LAST_DAY + 1) * _SECONDS_PER_DAY
    seconds, fraction = np.divmod(moments, per_second)
    seconds = np.clip(seconds, first - _SECONDS_PER_DAY, last) + (_JAPAN_SECONDS if has_zone else 0)
    days, after_midnight = np.divmod(seconds, _SECONDS_PER_DAY)
    valid = np.concatenate([is_valid(array) for array in chunks(column)])
    is_day = (fraction == 0) & (after_midnight == 0) & (seconds >= first) & (seconds < last)
    dates = from_numpy(days, pa.date32(), valid)
    if (is_day | ~valid).all():
        return pa.chunked_array([dates])
    kind = pa.timestamp("s", "+09:00" if has_zone else None)
    moments = from_numpy(seconds - (_JAPAN_SECONDS if has_zone else 0), pa.int64(), valid).cast(kind)
    return pa.chunked_array([pc.if_else(bool_array(is_day), dates.cast(pa.string()), moments.cast(pa.string()))])


def _normalize_times(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return times of day as ``time32[s]``, or as texts if one has a fraction of a second."""
    if not pt.is_time(column.type):
        return None
    try:
        return column.cast(_TIME)
    except pa.ArrowInvalid:
        return column.cast(pa.string())


def _normalize_lists(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return any type of list of texts as a list of ``string``."""
    if column.type == _LIST:
        return column
    if not _is_list(column.type):
        return None
    kind = column.type.value_type
    if not (is_text(kind) or pt.is_null(kind) or (pt.is_dictionary(kind) and is_text(kind.value_type))):
        return None
    return pa.chunked_array([pa.array(column.to_pylist(), _LIST)])


def _is_list(kind: pa.DataType) -> bool:
    views = pt.is_list_view(kind) or pt.is_large_list_view(kind)
    return bool(views or pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind))


def _normalize_maps(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return maps of names to yen, structs with a field per name, and lists of pairs, as ``map<string, int64>``."""
    kind = column.type
    if kind == _MAP:
        return column
    if pt.is_map(kind):
        names, yen = kind.key_type, [kind.item_type]
    elif pt.is_struct(kind):
        names, yen = pa.string(), [field.type for field in kind]
    elif _is_list(kind) and pt.is_struct(kind.value_type) and kind.value_type.num_fields == 2:
        names, yen = kind.value_type[0].type, [kind.value_type[1].type]
    else:
        return None
    texts = names.value_type if pt.is_dictionary(names) else names
    are_integers = all(
        pt.is_integer(part) or pt.is_null(part) or (pt.is_decimal(part) and part.scale == 0) for part in yen
    )
    if not (is_text(texts) and are_integers):
        return None
    return pa.chunked_array([pa.array([_pairs(row) for row in column.to_pylist()], _MAP)])


def _pairs(row: Any) -> list[tuple[str, int | None]] | None:
    """Return a row of a map, of a struct, or of a list of structs of two fields, as pairs."""
    if row is None:
        return None
    if isinstance(row, dict):  # a struct has every name in every row
        row = [(name, yen) for name, yen in row.items() if yen is not None]
    pairs = [tuple(pair.values()) if isinstance(pair, dict) else pair for pair in row if pair is not None]
    # Clipped to int64, whose limits are outside the range of every field, so that the value is reported.
    return [(name, None if yen is None else max(min(int(yen), _INT64_MAX), -_INT64_MAX)) for name, yen in pairs]


_CONVERTERS: dict[pa.DataType, Callable[[pa.ChunkedArray], pa.ChunkedArray | None]] = {
    pa.int64(): _normalize_integers,
    pa.date32(): _normalize_dates,
    _TIME: _normalize_times,
    _LIST: _normalize_lists,
    _MAP: _normalize_maps,
}


def parse_times(texts: pa.Array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Return texts ``HH:MM`` or ``HH:MM:SS`` as seconds since midnight, int32 (n,), and which texts are times."""
    seconds, is_time = np.zeros(len(texts), np.int32), np.zeros(len(texts), np.bool_)
    for row, text in enumerate(texts.to_pylist()):
        try:
            parsed = time.fromisoformat(text or "")
        except ValueError:
            continue
        is_time[row] = parsed.tzinfo is None and not parsed.microsecond and ":" in text
        seconds[row] = parsed.hour * 3600 + parsed.minute * 60 + parsed.second
    return seconds, is_time
