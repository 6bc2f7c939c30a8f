"""Codec between record columns and stored rows: int64 and string columns, and JSON objects.

A column of any Arrow type is stored as int64 or string (:func:`encode_column`, :func:`decode_columns`). The fields of
a record without a column of their own are one JSON object (:func:`encode_data`, :func:`decode_data`), in the order of
:data:`~kokin.ledger._schema.RECORD_FIELDS` and without nulls and defaults. Therefore equal records have equal JSON.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json
import pyarrow.types as pt

from kokin._arrow.convert import (
    BoolArray,
    bool_array,
    buffer_view,
    combine,
    from_numpy,
    is_valid,
    text_buffers,
    to_mask,
)
from kokin.issues import InvalidInputError, Issue
from kokin.ledger._schema import AMOUNT, RECORD_FIELDS
from kokin.model import Bill, Record, arrow_schema

#: Separator of list items. No text of a record contains it, because control characters are rejected.
ITEM_SEPARATOR = "\n"
_YEN_SEPARATOR = "="

_QUOTE, _BACKSLASH, _NEWLINE, _SPACE = b'"\\\n '

#: Fields whose default is omitted from the JSON object, with that default.
_DEFAULTS: dict[str, dict[str, str | int]] = {name: {} for name in RECORD_FIELDS}
_DEFAULTS["bills"] = {
    name: str(field.default) if isinstance(field.default, str) else field.default
    for name, field in Bill.model_fields.items()
    if isinstance(field.default, str | int)
}

# Bytes of JSON that are parsed per block.
_BLOCK = 1 << 22


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


def encode_data(table: str, columns: Mapping[str, pa.Array]) -> pa.Array:
    """Return the JSON object of each row from encoded columns (see :func:`encode_column`): string (n,).

    The objects of all rows are built column by column: constant text such as ``{"bill_id":"`` and the values are
    joined element-wise. Two bills as an example::

        bill_id ["A", "B"], payer_key [null, "P1"]  →  ['{"bill_id":"A"}', '{"bill_id":"B","payer_key":"P1"}']

    Raises:
        InvalidInputError: a text contains a control character.
    """
    pieces: list[pa.Array | str] = []
    constant = "{"
    for field in RECORD_FIELDS[table]:
        column = columns.get(field.name)
        if column is not None and field.name in _DEFAULTS[table]:
            default = pa.scalar(_DEFAULTS[table][field.name], field.type)
            column = pc.if_else(pc.equal(column, default), pa.scalar(None, field.type), column)
        if column is None or column.null_count == len(column):
            continue
        quote = "" if field.type == pa.int64() else '"'
        column = column.cast(pa.string()) if field.type == pa.int64() else _escape(column, field.name)
        key = f'{"," if pieces else ""}"{field.name}":{quote}'
        if column.null_count:
            member = pc.fill_null(pc.binary_join_element_wise(key, column, quote, ""), "")
            pieces += [constant, member] if constant else [member]
            constant = ""
        else:
            pieces += [constant + key, column]
            constant = quote
    if not pieces:  # every record has a required field, so there are no rows
        return pa.array([], pa.string())
    return pc.binary_join_element_wise(*pieces, constant + "}", "")


def _escape(texts: pa.Array, name: str) -> pa.Array:
    """Return texts escaped for JSON. Only lists contain a newline."""
    _, letters = text_buffers(texts)
    if (letters >= _SPACE).all() and not ((letters == _QUOTE) | (letters == _BACKSLASH)).any():
        return texts
    if ((letters < _SPACE) & (letters != _NEWLINE)).any():
        raise control_characters(name)
    for char, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        texts = pc.replace_substring(texts, char, escaped)
    return texts


def control_characters(name: str) -> InvalidInputError:
    """Return the error for a column with a text that cannot be stored."""
    issue = Issue("CHARACTER", field=name, expected="no control characters")
    return InvalidInputError([issue], "rejected: a text contains a control character; remove it")


def decode_data(table: str, data: pa.Array | pa.ChunkedArray, names: tuple[str, ...] = ()) -> pa.Table:
    """Return all fields of JSON objects, or the named ones, as encoded columns with defaults filled in: (n,) rows."""
    known = RECORD_FIELDS[table]
    fields = pa.schema([known.field(name) for name in names or known.names if name in known.names])
    if not len(data):
        return fields.empty_table()
    tables = []
    for array in data.chunks if isinstance(data, pa.ChunkedArray) else [data]:
        lines = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(array)], pa.int32()), array), "\n")
        buffer = lines.buffers()[2]
        tables.append(
            pa_json.read_json(
                pa.BufferReader(buffer),
                # Threads take longer to start than to parse one block.
                pa_json.ReadOptions(use_threads=buffer.size > _BLOCK, block_size=_BLOCK),
                pa_json.ParseOptions(explicit_schema=fields, unexpected_field_behavior="ignore"),
            ).select(fields.names)
        )
    table_ = pa.concat_tables(tables)
    columns = {name: combine(table_.column(name)) for name in fields.names}
    for name, default in _DEFAULTS[table].items():
        if name in columns:
            columns[name] = pc.fill_null(columns[name], default)
    return pa.table(columns)


def decode_records(table: str, rows: pa.Table) -> pa.Table:
    """Return the encoded columns of records from their rows, with ``amount`` and ``body``."""
    records = decode_data(table, rows.column("body"))
    return records.set_column(records.column_names.index(AMOUNT), AMOUNT, rows.column(AMOUNT))


def to_bool(column: pa.ChunkedArray | pa.Array) -> BoolArray:
    """Return a boolean column without nulls as numpy: bool (n,)."""
    return to_mask(combine(column))


def filter_rows(table: pa.Table, mask: BoolArray) -> pa.Table:
    """Return the rows of a table where a mask is true; the table itself where it is true everywhere."""
    return table if mask.all() else table.filter(bool_array(mask))


def concat(tables: list[pa.Table], columns: pa.Schema) -> pa.Table:
    """Concatenate tables of the same columns, one chunk per column; no tables give an empty one."""
    return pa.concat_tables([columns.empty_table(), *tables]).combine_chunks()
