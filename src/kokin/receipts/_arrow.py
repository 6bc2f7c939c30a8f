"""Arrow arrays from plain memory. Built from buffers, for ``pa.array`` of a numpy array imports pandas where it can."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin.receipts._words import Bytes, Mask


def numbers(values: npt.NDArray[Any], kind: pa.DataType, null: Mask | None = None) -> pa.Array:
    """An array of numbers, days or times; ``null`` says where there is none."""
    values = np.ascontiguousarray(values)
    validity = None if null is None or not null.any() else pa.py_buffer(np.packbits(~null, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(values)])


def booleans(values: Mask) -> pa.Array:
    """An array of truths."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(np.packbits(values, bitorder="little"))])


def same(value: Any, count: int, kind: pa.DataType) -> pa.Array:
    """One value again and again."""
    return pa.repeat(pa.scalar(value, kind), count)


def constant(value: str, count: int) -> pa.Array:
    """One text again and again, dictionary-encoded."""
    indices = pa.Array.from_buffers(pa.int8(), count, [None, pa.py_buffer(np.zeros(count, np.int8))])
    return pa.DictionaryArray.from_arrays(indices, pa.array([value], pa.string()))


def texts(cells: Bytes) -> pa.Array:
    """The ASCII texts in a byte matrix of shape (n, width), each of the full width."""
    cells = np.ascontiguousarray(cells)
    count, width = cells.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(cells)])


def trimmed(cells: Bytes, *, utf_8: bool = False) -> pa.Array:
    """The texts in a byte matrix of half-width or cp932 fields (or UTF-8), blanks cut off; null where nothing is left.

    The bytes are known to be of their character set.
    """
    cells = np.ascontiguousarray(_narrowed(cells))
    if not len(cells) or cells.max() < 0x80:
        if len(cells) and cells.min() > 0x20:
            return texts(cells)
        column = pc.ascii_trim(texts(cells), " ")
    else:
        column = pc.utf8_trim(texts(cells) if utf_8 else _decoded(cells), " \u3000")
    empty = pc.equal(pc.binary_length(column), 0)
    return pc.if_else(empty, pa.scalar(None, pa.string()), column)


def _narrowed(cells: Bytes) -> Bytes:
    """The cells without what is blank in all of them, eight columns at a time: names seldom fill their field."""
    width = cells.shape[1]
    while width > 8 and not (cells[:, width - 8 : width] != 0x20).any():
        width -= 8
    return cells[:, :width]


def _decoded(cells: Bytes) -> pa.Array:
    """cp932 to UTF-8 in one call: a newline, which no field holds, ends each."""
    count, width = cells.shape
    lines = np.full((count, width + 1), 0x0A, np.uint8)
    lines[:, :width] = cells
    encoded = lines.tobytes().decode("cp932").encode()
    ends = np.flatnonzero(np.frombuffer(encoded, np.uint8) == 0x0A)
    offsets = np.zeros(count + 1, np.int32)
    offsets[1:] = ends - np.arange(count)
    content = encoded.replace(b"\n", b"")
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(content)])
