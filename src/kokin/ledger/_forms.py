"""Records as they are kept, in numbers and texts, and back to their own types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin.columns import Flags, Ints, fixed_buffer, flags_of
from kokin.model import Record, schema

#: Between the items of a list. No text of a record has one, for control characters are refused there.
_ITEMS = "\n"
_OF_YEN = "="


def stored(column: pa.ChunkedArray) -> pa.Array:
    """A column as int64 or string: days and times in ISO form, lists an item a line, maps ``name=yen`` a line."""
    array = one(column)
    kind = array.type
    if pt.is_dictionary(kind):
        return array.cast(kind.value_type).cast(pa.string())
    if pt.is_map(kind):
        pairs = pc.binary_join_element_wise(array.keys, array.items.cast(pa.string()), _OF_YEN)
        # The entries of an array that is a part of another begin where its offsets say.
        array = pa.ListArray.from_arrays(array.offsets, pairs)
        kind = array.type
    if pt.is_list(kind):
        return _emptied(pc.binary_join(array.cast(pa.list_(pa.string())), _ITEMS))
    return array.cast(pa.int64() if pt.is_boolean(kind) or pt.is_integer(kind) else pa.string())


def _emptied(texts: pa.Array) -> pa.Array:
    """An empty list is kept as nothing."""
    return pc.if_else(pc.equal(pc.binary_length(texts), 0), pa.scalar(None, pa.string()), texts)


def restored(table: pa.Table, record: type[Record]) -> pa.Table:
    """The columns of a record in the types of its schema. ``parts``, which decide nothing here, stay behind."""
    columns = {}
    for field in schema(record):
        if field.name not in table.column_names or pt.is_map(field.type):
            continue
        column = table.column(field.name)
        if pt.is_list(field.type):
            column = _items(column)
        elif pt.is_time(field.type):
            column = _times(column)
        columns[field.name] = column.cast(field.type)
    return pa.table(columns)


def _items(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lines as lists; nothing is an empty one."""
    lists = pc.split_pattern(pc.fill_null(texts, ""), _ITEMS)
    return pc.if_else(pc.equal(pc.list_element(lists, 0), ""), pa.scalar([], pa.list_(pa.string())), lists)


def _times(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """``HH:MM:SS`` as seconds of the day."""
    weights = ((0, 3600), (3, 60), (6, 1))
    hours, minutes, seconds = (
        pc.multiply(pc.utf8_slice_codeunits(texts, start, start + 2).cast(pa.int32()), pa.scalar(weight, pa.int32()))
        for start, weight in weights
    )
    return pc.add(hours, pc.add(minutes, seconds))


def one(column: pa.ChunkedArray | pa.Array) -> Any:
    """A column as one array."""
    if isinstance(column, pa.Array):
        return column
    column = column.combine_chunks()
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column


def flags(column: pa.ChunkedArray | pa.Array) -> Flags:
    """A column of flags without nulls as numpy."""
    return flags_of(one(column))


def concat(tables: list[pa.Table], columns: pa.Schema) -> pa.Table:
    """Tables of the same columns as one, in one chunk a column; none at all as an empty one."""
    return pa.concat_tables([columns.empty_table(), *tables]).combine_chunks()


def ints(column: pa.ChunkedArray | pa.Array, null: int = 0) -> Ints:
    """An int64 column as numpy, with ``null`` for nothing."""
    array = one(column)
    return fixed_buffer(array.fill_null(null) if array.null_count else array, np.int64)
