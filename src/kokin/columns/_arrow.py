"""Between numpy and Arrow over the same memory.

``pa.array`` of a numpy array and ``to_numpy`` import pandas where it is installed, which takes longer than the work.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]


def int64_array(numbers: Ints) -> pa.Array:
    """An int64 array."""
    return pa.Array.from_buffers(
        pa.int64(), len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers, np.int64))]
    )


def bool_array(flags: Flags) -> pa.Array:
    """A boolean array."""
    return pa.Array.from_buffers(pa.bool_(), len(flags), [None, bitmap(flags)])


def bitmap(flags: Flags) -> pa.Buffer:
    """Flags as Arrow keeps them: a bit each, lowest first."""
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def flags_of(column: pa.Array) -> Flags:
    """A boolean array without nulls as numpy flags."""
    bits = np.frombuffer(column.buffers()[1], np.uint8)
    return np.unpackbits(bits, count=column.offset + len(column), bitorder="little")[column.offset :].view(np.bool_)


def fixed_buffer(column: pa.Array, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The values of a column of fixed width without nulls."""
    buffer = column.buffers()[1]
    return np.frombuffer(buffer if len(column) else b"", dtype)[column.offset :][: len(column)]


def text_buffers(texts: pa.Array) -> tuple[npt.NDArray[np.int32], Bytes]:
    """The offsets, int32 (n + 1) from 0, and the bytes of a string array without nulls."""
    _, offsets, letters = texts.buffers()
    if not len(texts):
        return np.zeros(1, np.int32), np.zeros(0, np.uint8)
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return bounds - bounds[0], np.frombuffer(letters or b"", np.uint8)[bounds[0] : bounds[-1]]


def string_array(letters: Bytes, known: Flags | None = None) -> pa.Array:
    """Texts of one width each from their ASCII bytes, uint8 (n, width), C-contiguous; null where not ``known``."""
    count, width = letters.shape
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(width)
    validity = None if known is None or known.all() else bitmap(known)
    return pa.Array.from_buffers(pa.string(), count, [validity, pa.py_buffer(offsets), pa.py_buffer(letters)])


def with_nulls(numbers: Ints, known: Flags, kind: pa.DataType) -> pa.Array:
    """Numbers as an int64 or date32 array; null where not ``known``."""
    kept = numbers.astype(np.int64 if kind == pa.int64() else np.int32, copy=False)
    validity = None if known.all() else bitmap(known)
    return pa.Array.from_buffers(kind, len(kept), [validity, pa.py_buffer(np.ascontiguousarray(kept))])
