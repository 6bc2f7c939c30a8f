"""The Arrow columns of receipts: their schema, and arrays of a few Python values.

``pa.array`` and ``pa.scalar`` are not used: they import pandas where it is installed, which takes longer than to read
the file of a day.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, time
from typing import Any

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import bool_array, from_numpy, text_array
from kokin.model import Receipt, arrow_schema

#: The columns that are constant in a file.
CONSTANT = ("layout", "source", "digest")
_DICTIONARY = pa.dictionary(pa.int8(), pa.string())
_EPOCH = date(1970, 1, 1)
_TYPES = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), date: pa.date32(), time: pa.time32("s")}


def batch_schema(columns: Collection[str], *, raw: bool) -> pa.Schema:
    """Return the schema of a file's batches: its ``columns`` and those of its origin, in the order of a receipt."""
    names = {*CONSTANT, "record_no", "byte_offset", *columns, *(["raw"] if raw else [])}
    fields = [field for field in arrow_schema(Receipt) if field.name in names]
    return pa.schema([pa.field(field.name, _DICTIONARY) if field.name in CONSTANT else field for field in fields])


def record_schema(columns: Collection[str], *, raw: bool) -> pa.Schema:
    """Return :func:`batch_schema` without the columns that are constant in a file."""
    return pa.schema([field for field in batch_schema(columns, raw=raw) if field.name not in CONSTANT])


def with_origin(batch: pa.RecordBatch, schema: pa.Schema, origin: Mapping[str, str]) -> pa.RecordBatch:
    """Return a batch of :func:`record_schema` with its layout, source and digest, dictionary-encoded."""
    indexes = from_numpy(np.zeros(batch.num_rows, np.int8), pa.int8())
    columns = [
        pa.DictionaryArray.from_arrays(indexes, text_array([origin[name]])) if name in origin else batch.column(name)
        for name in schema.names
    ]
    return pa.record_batch(columns, schema=schema)


def array_of(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return a few Python values as an array; ``None`` becomes a null."""
    if kind in (pa.string(), pa.binary()):
        return text_array(values, kind)
    is_valid = np.array([value is not None for value in values], np.bool_)
    numbers = np.array([as_int(value) for value in values], np.int64)
    if kind == pa.bool_():
        validity, bits = (bool_array(flags).buffers()[1] for flags in (is_valid, numbers != 0))
        return pa.Array.from_buffers(kind, len(values), [validity, bits])
    return from_numpy(numbers, kind, is_valid)


def repeated(value: Any, count: int) -> pa.Array:
    """Return an array of one value ``count`` times."""
    return pa.nulls(count) if value is None else pa.repeat(array_of([value], _TYPES[type(value)])[0], count)


def as_int(value: Any) -> int:
    """Return a value as Arrow stores it: days since 1970, seconds since midnight; 0 for ``None``."""
    match value:
        case date():
            return (value - _EPOCH).days
        case time():
            return value.hour * 3600 + value.minute * 60 + value.second
    return int(value or 0)
