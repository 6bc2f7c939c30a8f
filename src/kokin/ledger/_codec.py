"""Codec between the columns of records and stored columns, and the bytes of rows that are hashed.

A column of any Arrow type is stored as int64 or string (:func:`encode_column`, :func:`decode_columns`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow.convert import (
    BoolArray,
    bool_array,
    buffer_view,
    combine,
    empty_batch,
    from_numpy,
    is_valid,
    text_buffers,
    to_mask,
)
from kokin.issues import InvalidInputError, Issue
from kokin.model import Record, arrow_schema

#: Separator of list items. No text of a record contains it, because control characters are rejected.
ITEM_SEPARATOR = "\n"
_YEN_SEPARATOR = "="

_QUOTE, _BACKSLASH, _NEWLINE, _SPACE = b'"\\\n '


def encode_column(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as int64 or string (n,).

    Dates and times in ISO form, lists as one item per line, maps as one ``name=yen`` per line, an empty list as null.
    """
    array = combine(column)
    kind = array.type
    if pt.is_dictionary(kind):
        return array.cast(kind.value_type).cast(pa.string())
    if pt.is_map(kind):
        pairs = pc.binary_join_element_wise(array.keys, array.items.cast(pa.string()), _YEN_SEPARATOR)
        # The pairs of a sliced array start at its first offset.
        array = pa.ListArray.from_arrays(array.offsets, pairs)
        kind = array.type
    if pt.is_list(kind):
        texts = pc.binary_join(array.cast(pa.list_(pa.string())), ITEM_SEPARATOR)
        return pc.if_else(pc.equal(pc.binary_length(texts), 0), pa.scalar(None, pa.string()), texts)
    return array.cast(pa.int64() if pt.is_boolean(kind) or pt.is_integer(kind) else pa.string())


def decode_columns(table: pa.Table, record: type[Record]) -> pa.Table:
    """Return the columns of a record in the types of its schema; columns of other names are left out."""
    fields = pa.schema([field for field in arrow_schema(record) if field.name in table.column_names])
    columns = []
    for field in fields:
        column = table.column(field.name)
        if pt.is_map(field.type):
            column = _yen_by_name(_lists(column))
        elif pt.is_list(field.type):
            column = _lists(column)
        elif pt.is_time(field.type):
            column = _seconds(column)
        columns.append(column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=fields)


def _lists(texts: pa.ChunkedArray) -> pa.ListArray:
    """Return texts of one item per line as lists; null as an empty list."""
    texts = combine(texts)
    lists = pc.split_pattern(texts.drop_null(), ITEM_SEPARATOR)
    ends = np.zeros(len(texts) + 1, np.int32)
    ends[1:][is_valid(texts)] = buffer_view(pc.list_value_length(lists), np.int32)
    return pa.ListArray.from_arrays(from_numpy(np.cumsum(ends), pa.int32()), lists.flatten())


def _yen_by_name(lists: pa.ListArray) -> pa.MapArray:
    """Return lists of ``name=yen`` as maps."""
    sides = pc.split_pattern(lists.flatten(), _YEN_SEPARATOR, max_splits=1, reverse=True)
    names, yen = (pc.list_element(sides, side) for side in (0, 1))
    return pa.MapArray.from_arrays(lists.offsets, names, yen.cast(pa.int64()))


def _seconds(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return ``HH:MM:SS`` as seconds of the day: int32."""
    weights = ((0, 3600), (3, 60), (6, 1))
    hours, minutes, seconds = (
        pc.multiply(pc.utf8_slice_codeunits(texts, start, start + 2).cast(pa.int32()), pa.scalar(weight, pa.int32()))
        for start, weight in weights
    )
    return pc.add(hours, pc.add(minutes, seconds))


def canonical_rows(table: pa.Table) -> list[bytes]:
    """Return the canonical JSON of each row in UTF-8: the values that are not null, by name, without ``hash``.

    A column that is added later is null in older rows and does not change them. The objects of all rows are built
    column by column: constant text such as ``"bill_id":"`` and the values are joined element-wise.

    >>> canonical_rows(pa.table({"id": [1, 2], "actor": ["clerk", None]}))
    [b'{"actor":"clerk","id":1}', b'{"id":2}']
    """
    members = []
    for name in sorted(table.column_names):
        column = combine(table.column(name))
        if name == "hash" or column.null_count == len(column):
            continue
        quote = "" if column.type == pa.int64() else '"'
        text = column.cast(pa.string()) if column.type == pa.int64() else _escape(column)
        members.append(pc.fill_null(pc.binary_join_element_wise(f',"{name}":{quote}', text, quote, ""), ""))
    if not members:
        return [b"{}"] * len(table)
    joined = pc.binary_join_element_wise(*members, "").cast(pa.binary())
    return [b"{" + row[1:] + b"}" for row in joined.to_pylist()]


def _escape(texts: pa.Array) -> pa.Array:
    """Return texts escaped for JSON; a control character other than a newline does not occur."""
    _, letters = text_buffers(texts)
    if (letters >= _SPACE).all() and not ((letters == _QUOTE) | (letters == _BACKSLASH)).any():
        return texts
    for char, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        texts = pc.replace_substring(texts, char, escaped)
    return texts


def reject_control_characters(name: str, texts: pa.Array) -> None:
    """Raise :class:`InvalidInputError` if a text has a control character other than the separator of a list."""
    _, letters = text_buffers(texts)
    if ((letters < _SPACE) & (letters != _NEWLINE)).any():
        issue = Issue("CHARACTER", field=name, expected="no control characters")
        raise InvalidInputError([issue], "rejected: a text contains a control character; remove it")


def to_bool(column: pa.ChunkedArray | pa.Array) -> BoolArray:
    """Return a boolean column without nulls as numpy: bool (n,)."""
    return to_mask(combine(column))


def filter_rows(table: pa.Table, mask: BoolArray) -> pa.Table:
    """Return the rows of a table where a mask is true; the table itself where it is true everywhere."""
    return table if mask.all() else table.filter(bool_array(mask))


def concat(tables: list[pa.Table], columns: pa.Schema) -> pa.Table:
    """Concatenate tables of the same columns, one chunk per column; no tables give an empty one."""
    return pa.concat_tables([pa.Table.from_batches([empty_batch(columns)]), *tables]).combine_chunks()
