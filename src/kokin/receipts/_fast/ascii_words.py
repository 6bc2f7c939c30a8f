"""Fields of many records at once: cut out of the rows of a byte matrix, tested, and parsed eight digits at a time.

``rows`` is everywhere uint8 (n, stride), C-contiguous; a record begins with its row, and what follows it is not read.
Up to eight bytes of a field are one little-endian machine word, so that one operation tests or parses them all (SWAR,
https://lemire.me/blog/2022/01/21/swar-explained-parsing-eight-digits/). A mask of rows is bool (n,), or ``None`` where
no row is in it, which is the usual case and saves a pass.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kokin._arrow.convert import BoolArray, Int64Array, UInt8Array, UInt64Array
from kokin._arrow.digits import from_digits

#: The least stride, so that every field begins or ends eight bytes within its row.
MIN_STRIDE = 16

_ZEROS = np.uint64(0x3030303030303030)
_SPACES = np.uint64(0x2020202020202020)
# Added to a byte from 10 on, 0x76 sets the high bit.
_ABOVE_NINE = np.uint64(0x7676767676767676)
_HIGH_BITS = np.uint64(0x8080808080808080)
_EVEN_BYTES = np.uint64(0x00FF00FF00FF00FF)
# Bytes tested at once: they and their masks fit into the cache of the processor.
_CACHED_BYTES = 1 << 18


def union(mask: BoolArray | None, other: BoolArray | None) -> BoolArray | None:
    """Return the rows in either mask."""
    if mask is None or other is None:
        return other if mask is None else mask
    return mask | other


def without(mask: BoolArray | None, excluded: BoolArray | None) -> BoolArray | None:
    """Return the rows of a mask that are not excluded."""
    return mask if mask is None or excluded is None else mask & ~excluded


def cut(rows: UInt8Array, start: int, length: int, chosen: BoolArray | None = None) -> UInt8Array:
    """Return a field of each record, or of the chosen ones: uint8 (n, length), a copy."""
    fields = rows[:, start : start + length].view(np.dtype((np.void, length)))[:, 0]
    copied = fields.copy() if chosen is None else fields[chosen]
    return copied.view(np.uint8).reshape(-1, length)


def word(rows: UInt8Array, end: int, length: int) -> UInt64Array:
    """Return the ``length`` (at most eight) bytes before ``end`` of each record as words, uint64 (n,).

    A shorter field is filled with the digit 0 on the left: ``12`` becomes the bytes ``00000012``.
    """
    if end >= 8:
        words: UInt64Array = rows[:, end - 8 : end].view("<u8")[:, 0].copy()
        if length == 8:
            return words
        words &= ~_first_bytes(8 - length)
    else:
        words = rows[:, end - length : end - length + 8].view("<u8")[:, 0] << np.uint64(8 * (8 - length))
    words |= _ZEROS & _first_bytes(8 - length)
    return words


def _first_bytes(count: int) -> np.uint64:
    """The mask of the first bytes of a word, which are its low bits."""
    return np.uint64((1 << (8 * count)) - 1)


def word_ends(start: int, length: int) -> list[tuple[int, int]]:
    """Split a field into words from its right: the end and the length of each, at most eight bytes.

    >>> word_ends(3, 11)
    [(14, 8), (6, 3)]
    """
    end = start + length
    return [(at, min(8, at - start)) for at in range(end, start, -8)]


def integer(rows: UInt8Array, start: int, length: int) -> tuple[Int64Array, BoolArray | None]:
    """Return the number in each field, of at most 18 digits, int64 (n,), and the rows without one.

    The number of such a row is meaningless.

    >>> records = np.frombuffer(b"20260401 00000001234567890      X", np.uint8).reshape(1, -1)
    >>> integer(records, 9, 17), integer(records, 30, 3)[1]
    ((array([1234567890]), None), array([ True]))
    """
    total: Int64Array = np.zeros(0, np.int64)
    invalid: BoolArray | None = None
    scale = 1
    for end, size in word_ends(start, length):
        words = word(rows, end, size)
        invalid = union(invalid, _not_digits(words))
        number = from_digits(words.view(np.uint8).reshape(-1, 8), 0, 8)
        total = number if scale == 1 else total + number * scale
        scale *= 10**size
    return total, invalid


def _not_digits(words: UInt64Array) -> BoolArray | None:
    """Return the words with a byte that is no ASCII digit.

    A digit differs from the byte 0x30 by 0 to 9; any other byte by more, and 0x76 added to it sets its high bit, or
    the bit was set before. A carry into the next byte does not matter: the word has a high bit set then.
    """
    differences = words ^ _ZEROS
    above_nine = ((differences + _ABOVE_NINE) | differences) & _HIGH_BITS
    return above_nine != 0 if above_nine.any() else None


def not_digits(rows: UInt8Array, start: int, length: int) -> BoolArray | None:
    """Return the records in which a field is not all digits."""
    invalid: BoolArray | None = None
    for end, size in word_ends(start, length):
        invalid = union(invalid, _not_digits(word(rows, end, size)))
    return invalid


def cells_not_digits(cells: UInt8Array) -> BoolArray | None:
    """Return the cells, uint8 (n, length), that are not all digits."""
    differences = cells - np.uint8(ord("0"))
    if differences.max() <= 9:
        return None
    invalid = np.zeros(len(cells), np.bool_)
    invalid[np.flatnonzero(differences > 9) // cells.shape[1]] = True
    return invalid


def has_gs1_check_digit(rows: UInt8Array, start: int, length: int) -> BoolArray:
    """Whether the check digit at the end of each number is right: weights 3 and 1 from the right, 1 for itself.

    Meaningless for a row without digits. ``length``: even, at most 100.
    """
    lanes = np.zeros(len(rows), np.uint64)
    for end, size in word_ends(start, length):
        digits = word(rows, end, size) ^ _ZEROS
        lanes += (digits & _EVEN_BYTES) * np.uint64(3) + ((digits >> np.uint64(8)) & _EVEN_BYTES)
    sums = (lanes * np.uint64(0x0001000100010001)) >> np.uint64(48)
    is_right: BoolArray = sums % np.uint64(10) == 0
    return is_right


def equals(rows: UInt8Array, start: int, length: int, text: bytes) -> BoolArray:
    """Whether each field is this text, padded with blanks on the right."""
    if length == 1:
        return np.asarray(rows[:, start] == ord(text or b" "))
    text = text.ljust(length)
    is_equal = np.ones(len(rows), np.bool_)
    for end, size in word_ends(start, length):
        expected = text[end - size - start : end - start].rjust(8, b"0")
        is_equal &= word(rows, end, size) == np.uint64(int.from_bytes(expected, "little"))
    return is_equal


def index_of(rows: UInt8Array, start: int, length: int, texts: list[str]) -> npt.NDArray[np.int8]:
    """Return the index of the text in each field, from 0; -1 for any other text: int8 (n,)."""
    if length == 1:
        table = np.full(256, -1, np.int8)
        for i, text in enumerate(texts):
            table[ord(text or " ")] = i
        return table.take(rows[:, start])
    indexes = np.full(len(rows), -1, np.int8)
    for i, text in enumerate(texts):
        indexes[equals(rows, start, length, text.encode())] = i
    return indexes


def used_length(rows: UInt8Array, start: int, length: int) -> int:
    """Return the length of a field without the words at its end that are blank in every record: few names are long."""
    while length > 8 and (word(rows, start + length, 8) == _SPACES).all():
        length -= 8
    return length


class CharsetCheck:
    """Finds records with a byte outside of JIS X 0201, except in fields with a character set of their own.

    ``width`` is that of a record, ``kanji`` the start and the length of each such field.
    """

    def __init__(self, width: int, kanji: list[tuple[int, int]]) -> None:
        self._is_checked = np.ones(width, np.bool_)
        for start, length in kanji:
            self._is_checked[start : start + length] = False

    def invalid(self, rows: UInt8Array, newline: int) -> BoolArray | None:
        """Return those records; the last ``newline`` bytes of each row are not checked."""
        invalid = np.zeros(len(rows), np.bool_)
        step = max(1, _CACHED_BYTES // rows.shape[1])
        for start in range(0, len(rows), step):
            chunk = rows[start : start + step]
            outside = _outside_jis_x_0201(chunk)
            # Newlines are outside, too: if the count is theirs, there are usually no others.
            if np.count_nonzero(outside) != len(chunk) * newline:
                width = rows.shape[1] - newline
                invalid[start : start + step] = (outside[:, :width] & self._is_checked[:width]).any(axis=1)
        return invalid if invalid.any() else None


def _outside_jis_x_0201(content: UInt8Array) -> BoolArray:
    """Whether each byte is outside of 20-7E and A1-DF."""
    if content.max() < 0x7F:
        return content < 0x20
    outside: BoolArray = (content - np.uint8(0x20)) > 0x5E
    outside &= (content - np.uint8(0xA1)) > 0x3E
    return outside
