"""Arrow arrays from plain memory. Built from buffers, for ``pa.array`` of a numpy array imports pandas where it can."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin.receipts._words import LEAST_STRIDE, Bytes, Mask, are_blank, cut


def numbers(values: npt.NDArray[Any], kind: pa.DataType, null: Mask | None = None) -> pa.Array:
    """An array of numbers, days or times; ``null`` says where there is none."""
    return pa.Array.from_buffers(kind, len(values), [_validity(null), pa.py_buffer(values)])


def _validity(null: Mask | None) -> pa.Buffer | None:
    return None if null is None or not null.any() else pa.py_buffer(np.packbits(~null, bitorder="little"))


def same(value: Any, count: int, kind: pa.DataType) -> pa.Array:
    """One value again and again."""
    return pa.repeat(pa.scalar(value, kind), count)


def constant(value: str, count: int) -> pa.Array:
    """One text again and again, dictionary-encoded."""
    indices = pa.Array.from_buffers(pa.int8(), count, [None, pa.py_buffer(np.zeros(count, np.int8))])
    return pa.DictionaryArray.from_arrays(indices, pa.array([value], pa.string()))


def texts(cells: Bytes, null: Mask | None = None) -> pa.Array:
    """The ASCII texts in a byte matrix of shape (n, width), each of the full width; none where ``null``."""
    count, width = cells.shape
    offsets = _offsets(width, 1 << count.bit_length())[: count + 1]
    return pa.Array.from_buffers(pa.string(), count, [_validity(null), pa.py_buffer(offsets), pa.py_buffer(cells)])


@lru_cache(64)
def _offsets(width: int, count: int) -> npt.NDArray[np.int32]:
    """Where texts of one width begin; shared by all columns that have it."""
    offsets = np.arange(0, count * width + 1, width, dtype=np.int32)
    offsets.flags.writeable = False
    return offsets


def zero_filled(cells: Bytes, width: int) -> Bytes:
    """The texts in a byte matrix with zeros before them, of at least ``width`` characters."""
    count, missing = len(cells), width - cells.shape[1]
    return np.hstack([np.full((count, missing), ord("0"), np.uint8), cells]) if missing > 0 else cells


def trimmed(cells: Bytes, encoding: str) -> pa.Array:
    """The texts in a byte matrix of bytes known to be of an encoding, blanks cut off; null where nothing is left."""
    cells = _narrowed(cells)
    if cells.max() < 0x80:
        if cells.min() > 0x20:
            return texts(cells)
        column = pc.ascii_trim(texts(cells), " ")
    else:
        column = pc.utf8_trim(texts(cells) if encoding == "utf-8" else _decoded(cells), " \u3000")
    empty = pc.equal(pc.binary_length(column), 0)
    return pc.if_else(empty, pa.scalar(None, pa.string()), column) if pc.any(empty).as_py() else column


def _narrowed(cells: Bytes) -> Bytes:
    """The cells without what is blank in all of them, eight columns at a time: names seldom fill their field."""
    width = cells.shape[1]
    while width > LEAST_STRIDE and are_blank(cells, width - 8, 8):
        width -= 8
    return cells if width == cells.shape[1] else cut(cells, 0, width)


def _decoded(cells: Bytes) -> pa.Array:
    """cp932 to UTF-8 in one call: a newline, which no field holds, ends each."""
    count, width = cells.shape
    lines = np.full((count, width + 1), 0x0A, np.uint8)
    lines[:, :width] = cells
    encoded = str(lines.data, "cp932").encode()
    ends = np.flatnonzero(np.frombuffer(encoded, np.uint8) == 0x0A)
    offsets = np.zeros(count + 1, np.int32)
    offsets[1:] = ends - np.arange(count)
    content = encoded.replace(b"\n", b"")
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(content)])
