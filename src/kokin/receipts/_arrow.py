"""Arrow arrays from plain memory, built from buffers: ``pa.array`` and ``pa.scalar`` import pandas where they can."""

from __future__ import annotations

from codecs import charmap_decode
from collections.abc import Sequence
from datetime import date, time
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import bool_array, from_numpy, text_array, text_buffers
from kokin.receipts._words import Bytes, Mask

_EPOCH = date(1970, 1, 1)
_TYPES = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), date: pa.date32(), time: pa.time32("s")}
# What each byte of a half-width text is; those that are none have no meaning here.
_HALF_WIDTH = "".join(bytes([byte]).decode("cp932", "replace") for byte in range(256))


def few(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """A few Python values as an array; ``None`` becomes a null."""
    if kind in (pa.string(), pa.binary()):
        return text_array(values, kind)
    known = np.array([value is not None for value in values])
    numbers = np.array([as_number(value) for value in values])
    if kind == pa.bool_():
        return pa.Array.from_buffers(kind, len(values), [_bitmap(known), _bitmap(numbers != 0)])
    return from_numpy(numbers, kind, known)


def _bitmap(flags: Mask) -> pa.Buffer:
    return bool_array(flags).buffers()[1]


def as_number(value: Any) -> int:
    """How Arrow counts a value: days since 1970, seconds since midnight."""
    match value:
        case date():
            return (value - _EPOCH).days
        case time():
            return value.hour * 3600 + value.minute * 60 + value.second
    return int(value or 0)


def same(value: Any, count: int) -> pa.Array:
    """One value again and again."""
    return pa.nulls(count) if value is None else pa.repeat(few([value], _TYPES[type(value)])[0], count)


def constant(value: str, count: int) -> pa.Array:
    """One text again and again, dictionary-encoded."""
    return pa.DictionaryArray.from_arrays(from_numpy(np.zeros(count, np.int8), pa.int8()), few([value], pa.string()))


def texts(cells: Bytes, known: Mask | None = None) -> pa.Array:
    """The texts in a byte matrix of shape (n, width), each of the full width; null where not ``known``."""
    count, width = cells.shape
    offsets = _offsets(width, 1 << count.bit_length())[: count + 1]
    validity = None if known is None else _bitmap(known)
    return pa.Array.from_buffers(pa.string(), count, [validity, pa.py_buffer(offsets), pa.py_buffer(cells)])


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
    if cells.max() < 0x80:
        if cells.min() > 0x20:
            return texts(cells)
        column = pc.ascii_trim(texts(cells), " ")
    elif encoding == "half-width":
        column = pc.ascii_trim(_decoded(cells, encoding), " ")
    else:
        column = pc.utf8_trim(texts(cells) if encoding == "utf-8" else _decoded(cells, encoding), " \u3000")
    filled = np.diff(text_buffers(column)[0]) > 0
    if filled.all():
        return column
    return pa.Array.from_buffers(pa.string(), len(column), [_bitmap(filled), *column.buffers()[1:]])


def _decoded(cells: Bytes, encoding: str) -> pa.Array:
    """Half-width or cp932 to UTF-8 in one call: a newline, which no field holds, ends each."""
    count, width = cells.shape
    lines = np.full((count, width + 1), 0x0A, np.uint8)
    lines[:, :width] = cells
    # Both say the same of half-width bytes, one of them four times as fast.
    text = (
        charmap_decode(lines.data, "strict", _HALF_WIDTH)[0]  # pyright: ignore[reportArgumentType] # a str is a table too
        if encoding == "half-width"
        else str(lines.data, "cp932")
    )
    encoded = text.encode()
    ends = np.flatnonzero(np.frombuffer(encoded, np.uint8) == 0x0A)
    offsets = np.zeros(count + 1, np.int32)
    offsets[1:] = ends - np.arange(count)
    content = encoded.replace(b"\n", b"")
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(content)])
