"""From Arrow columns to numpy arrays and back, without a Python object per value.

The conversions of pyarrow itself import pandas where it is installed (0.2 s), so buffers are read and made directly.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]

#: Rows that are worked on at a time: enough to make a step worth its call, few enough for the cache.
CHUNK = 131_072

# The offsets of a `string` array are int32.
_MOST_TEXT = 1 << 31

_DTYPES = {pa.int64(): np.int64, pa.date32(): np.int32, pa.time32("s"): np.int32, pa.int32(): np.int32}


def in_threads(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """The results of independent pieces of work, in their order. numpy and Arrow free the lock for most of it."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None) as pool:
        return list(pool.map(work, items))


def stretches(count: int) -> list[slice]:
    """The rows of a batch, :data:`CHUNK` at a time, so that what is between two steps stays small."""
    return [slice(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]


def as_table(rows: Any) -> pa.Table:
    """Rows in any form that Arrow takes: a table, a record batch, or an object with ``__arrow_c_stream__``."""
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    return pa.table(rows)


def chunks(column: pa.ChunkedArray | pa.Array) -> list[pa.Array]:
    """The arrays that a column is made of."""
    return list(column.chunks) if isinstance(column, pa.ChunkedArray) else [column]


def valid(array: pa.Array) -> Bools:
    """Which values are not null: bool (n,)."""
    bitmap = array.buffers()[0]
    if array.null_count == 0 or bitmap is None:
        return np.ones(len(array), np.bool_)
    first = array.offset // 8
    last = -(-(array.offset + len(array)) // 8)
    bits = np.unpackbits(np.frombuffer(bitmap, np.uint8)[first:last], bitorder="little")
    start = array.offset - first * 8
    return bits[start : start + len(array)].view(np.bool_)


def text_buffers(array: pa.Array) -> tuple[npt.NDArray[Any], Bytes, Ints]:
    """The offsets (n + 1,) and bytes of a text column in any of Arrow's forms, and its lengths: int64 (n,), 0 for null.

    A ``string`` or ``large_string`` array is not copied.
    """
    if array.type not in (pa.string(), pa.large_string()):
        array = array.cast(pa.string())
    offset_type = np.int64 if array.type == pa.large_string() else np.int32
    count = len(array)
    offsets = np.frombuffer(array.buffers()[1] or bytes(8), offset_type)[array.offset :][: count + 1]
    text = np.frombuffer(array.buffers()[2] or b"", np.uint8)
    lengths = np.diff(offsets).astype(np.int64) if count else np.empty(0, np.int64)
    return offsets, text, np.where(valid(array), lengths, 0) if array.null_count else lengths


def one(column: pa.ChunkedArray) -> pa.Array:
    """A text column in one chunk, as ``large_string`` where it is too long for ``string``; an empty text for a null."""
    column = column.cast(pa.large_string() if column.nbytes >= _MOST_TEXT else pa.string())
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return pc.fill_null(array, "") if array.null_count else array


def there(column: pa.ChunkedArray) -> Bools:
    """Which values are not null and not an empty text: bool (n,)."""
    parts = [valid(array) if pt.is_date(array.type) else text_buffers(array)[2] > 0 for array in chunks(column)]
    return np.concatenate([np.empty(0, np.bool_), *parts])


def integers(column: pa.ChunkedArray | pa.Array, null: int) -> npt.NDArray[Any]:
    """The values of an int64, date32 or time32[s] column as int64 or int32 (n,), with ``null`` for a null.

    A single chunk without nulls is not copied.
    """
    parts = []
    for array in chunks(column):
        values = np.frombuffer(array.buffers()[1] or b"", _DTYPES[array.type])[array.offset :][: len(array)]
        parts.append(np.where(valid(array), values, values.dtype.type(null)) if array.null_count else values)
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, _DTYPES[column.type])


def to_arrow(values: npt.NDArray[Any], kind: pa.DataType, present: Bools | None = None) -> pa.Array:
    """A numpy array as an Arrow array of the same width, null where ``present`` is false."""
    bitmap = None
    if present is not None and not present.all():
        bitmap = pa.py_buffer(np.packbits(present, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [bitmap, pa.py_buffer(np.ascontiguousarray(values))])
