"""Records as they are kept, in numbers and texts, and back to their own types."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow.convert import BoolArray, bool_array, buffer_view, combine, from_numpy, is_valid, to_mask
from kokin.model import Record, arrow_schema

#: Between the items of a list. No text of a record has one, for control characters are refused there.
ITEMS = "\n"
_OF_YEN = "="


def stored(column: pa.ChunkedArray) -> pa.Array:
    """A column as int64 or string: days and times in ISO form, lists an item a line, maps ``name=yen`` a line."""
    array = combine(column)
    kind = array.type
    if pt.is_dictionary(kind):
        return array.cast(kind.value_type).cast(pa.string())
    if pt.is_map(kind):
        pairs = pc.binary_join_element_wise(array.keys, array.items.cast(pa.string()), _OF_YEN)
        # The entries of an array that is a part of another begin where its offsets say.
        array = pa.ListArray.from_arrays(array.offsets, pairs)
        kind = array.type
    if pt.is_list(kind):
        return _emptied(pc.binary_join(array.cast(pa.list_(pa.string())), ITEMS))
    return array.cast(pa.int64() if pt.is_boolean(kind) or pt.is_integer(kind) else pa.string())


def _emptied(texts: pa.Array) -> pa.Array:
    """An empty list is kept as nothing."""
    return pc.if_else(pc.equal(pc.binary_length(texts), 0), pa.scalar(None, pa.string()), texts)


def restored(table: pa.Table, record: type[Record]) -> pa.Table:
    """The columns of a record in the types of its schema."""
    fields = pa.schema([field for field in arrow_schema(record) if field.name in table.column_names])
    columns = []
    for field in fields:
        column = table.column(field.name)
        if pt.is_map(field.type):
            column = _yen_by_name(_items(column))
        elif pt.is_list(field.type):
            column = _items(column)
        elif pt.is_time(field.type):
            column = _times(column)
        columns.append(column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=fields)


def _items(texts: pa.ChunkedArray) -> pa.ListArray:
    """Lines as lists; nothing is an empty one."""
    texts = combine(texts)
    lists = pc.split_pattern(texts.drop_null(), ITEMS)
    ends = np.zeros(len(texts) + 1, np.int32)
    ends[1:][is_valid(texts)] = buffer_view(pc.list_value_length(lists), np.int32)
    return pa.ListArray.from_arrays(from_numpy(np.cumsum(ends), pa.int32()), lists.flatten())


def _yen_by_name(lists: pa.ListArray) -> pa.MapArray:
    """Lists of ``name=yen`` as maps."""
    sides = pc.split_pattern(lists.flatten(), _OF_YEN, max_splits=1, reverse=True)
    names, yen = (pc.list_element(sides, side) for side in (0, 1))
    return pa.MapArray.from_arrays(lists.offsets, names, yen.cast(pa.int64()))


def _times(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """``HH:MM:SS`` as seconds of the day."""
    weights = ((0, 3600), (3, 60), (6, 1))
    hours, minutes, seconds = (
        pc.multiply(pc.utf8_slice_codeunits(texts, start, start + 2).cast(pa.int32()), pa.scalar(weight, pa.int32()))
        for start, weight in weights
    )
    return pc.add(hours, pc.add(minutes, seconds))


def flags(column: pa.ChunkedArray | pa.Array) -> BoolArray:
    """A column of flags without nulls as numpy: bool (n,)."""
    return to_mask(combine(column))


def chosen(table: pa.Table, rows: BoolArray) -> pa.Table:
    """The rows of a table that are flagged; the table itself where all are."""
    return table if rows.all() else table.filter(bool_array(rows))


def concat(tables: list[pa.Table], columns: pa.Schema) -> pa.Table:
    """Tables of the same columns as one, in one chunk a column; none at all as an empty one."""
    return pa.concat_tables([columns.empty_table(), *tables]).combine_chunks()
