"""Text arrays of Arrow from the fields of a byte matrix, uint8 (n, width)."""

from __future__ import annotations

from codecs import charmap_decode

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import UInt8Array, bool_array, string_array, text_buffers

# The character of each byte of a half-width text; bytes without one were rejected before.
_HALF_WIDTH = "".join(bytes([byte]).decode("cp932", "replace") for byte in range(256))


def zero_padded(cells: UInt8Array, width: int) -> UInt8Array:
    """Return cells with zeros on the left, of at least ``width`` characters."""
    count, missing = len(cells), width - cells.shape[1]
    return np.hstack([np.full((count, missing), ord("0"), np.uint8), cells]) if missing > 0 else cells


def trimmed(cells: UInt8Array, encoding: str) -> pa.Array:
    """Decode cells whose bytes are valid, and trim blanks (in kanji also U+3000); a blank cell becomes a null."""
    if cells.max() < 0x80:
        if cells.min() > 0x20:
            return string_array(cells)
        column = pc.ascii_trim(string_array(cells), " ")
    elif encoding == "half-width":
        column = _from_half_width(pc.ascii_trim(string_array(cells), " "))
    else:
        column = pc.utf8_trim(string_array(cells) if encoding == "utf-8" else _decoded(cells), " \u3000")
    has_text = np.diff(text_buffers(column)[0]) > 0
    if has_text.all():
        return column
    validity = bool_array(has_text).buffers()[1]
    return pa.Array.from_buffers(pa.string(), len(column), [validity, *column.buffers()[1:]])


def _from_half_width(column: pa.Array) -> pa.Array:
    """Return texts whose bytes are half-width characters as UTF-8, in which katakana have three bytes."""
    offsets, content = text_buffers(column)
    katakana_before = np.zeros(len(content) + 1, np.int32)
    np.cumsum(content >= 0x80, out=katakana_before[1:])
    text: str = charmap_decode(content.data, "strict", _HALF_WIDTH)[0]  # pyright: ignore[reportArgumentType] # a str is a table too
    new_offsets = offsets + 2 * katakana_before[offsets]
    return pa.Array.from_buffers(pa.string(), len(column), [None, *map(pa.py_buffer, (new_offsets, text.encode()))])


def _decoded(cells: UInt8Array) -> pa.Array:
    """Decode cp932 cells in one call: each is ended by a newline, which no field contains."""
    count, width = cells.shape
    lines = np.full((count, width + 1), ord("\n"), np.uint8)
    lines[:, :width] = cells
    encoded = str(lines.data, "cp932").encode()
    ends = np.flatnonzero(np.frombuffer(encoded, np.uint8) == ord("\n"))
    offsets = np.zeros(count + 1, np.int32)
    offsets[1:] = ends - np.arange(count)
    content = encoded.replace(b"\n", b"")
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(content)])
