"""Fields of many records at once: cut out of the rows of a byte matrix, tested, and parsed eight digits at a time.

``rows`` is everywhere uint8 (n, stride), C-contiguous; a record begins with its row, and what follows it is not read.
Up to eight bytes of a field are one machine word of :func:`kokin._arrow.digit_words`, so that one operation tests or
parses them all. A mask of rows is bool (n,), or ``None`` where no row is in it, which is usual and saves a pass.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kokin._arrow.convert import BoolArray, Int64Array, UInt8Array
from kokin._arrow.digits import digit_words, non_digit_words, parse_words

#: The least stride, so that every field begins or ends eight bytes within its row.
MIN_STRIDE = 16
#: The most digits of a number of :func:`integer`.
MAX_DIGITS = 18

# Words contain the difference of each byte to the digit 0.
_ZEROS = 0x3030303030303030
_SPACES = np.uint64(0x2020202020202020 ^ _ZEROS)
_EVEN_BYTES = np.uint64(0x00FF00FF00FF00FF)
# Bytes tested at once: they and their masks fit into the cache of the processor.
_CACHED_BYTES = 1 << 18


def mask_of(rows: BoolArray) -> BoolArray | None:
    """Return a mask, or ``None`` for an empty one."""
    return rows if rows.any() else None


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


def word_spans(start: int, length: int) -> list[tuple[int, int]]:
    """Split a field into words from its right: the start and the length of each, at most eight bytes.

    >>> word_spans(3, 11)
    [(6, 8), (3, 3)]
    """
    return [(max(end - 8, start), min(8, end - start)) for end in range(start + length, start, -8)]


def integer(rows: UInt8Array, start: int, length: int) -> tuple[Int64Array, BoolArray | None]:
    """Return the number in each field, of at most 18 digits, int64 (n,), and the rows without one.

    The number of such a row is meaningless.

    >>> records = np.frombuffer(b"20260401 00000001234567890      X", np.uint8).reshape(1, -1)
    >>> integer(records, 9, 17), integer(records, 30, 3)[1]
    ((array([1234567890]), None), array([ True]))
    """
    total: Int64Array = np.zeros(len(rows), np.int64)
    invalid: BoolArray | None = None
    scale = 1
    for at, size in word_spans(start, length):
        words = digit_words(rows, at, size)
        invalid = union(invalid, mask_of(non_digit_words(words)))
        total += parse_words(words) * scale
        scale *= 10**size
    return total, invalid


def not_digits(rows: UInt8Array, start: int, length: int) -> BoolArray | None:
    """Return the records in which a field is not all digits."""
    invalid: BoolArray | None = None
    for at, size in word_spans(start, length):
        invalid = union(invalid, mask_of(non_digit_words(digit_words(rows, at, size))))
    return invalid


def has_gs1_check_digit(rows: UInt8Array, start: int, length: int) -> BoolArray:
    """Whether the check digit at the end of each number is right: weights 3 and 1 from the right, 1 for itself.

    Meaningless for a row without digits. ``length``: even, at most 100.
    """
    lanes = np.zeros(len(rows), np.uint64)
    for at, size in word_spans(start, length):
        digits = digit_words(rows, at, size)
        lanes += (digits & _EVEN_BYTES) * np.uint64(3) + ((digits >> np.uint64(8)) & _EVEN_BYTES)
    sums = (lanes * np.uint64(0x0001000100010001)) >> np.uint64(48)
    return np.asarray(sums % np.uint64(10) == 0)


def equals(rows: UInt8Array, start: int, length: int, text: bytes) -> BoolArray:
    """Whether each field is this text, padded with blanks on the right."""
    if length == 1:
        return np.asarray(rows[:, start] == ord(text or b" "))
    text = text.ljust(length)
    is_equal = np.ones(len(rows), np.bool_)
    for at, size in word_spans(start, length):
        expected = text[at - start : at - start + size].rjust(8, b"0")
        is_equal &= digit_words(rows, at, size) == np.uint64(int.from_bytes(expected, "little") ^ _ZEROS)
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
    while length > 8 and (digit_words(rows, start + length - 8, 8) == _SPACES).all():
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
        return mask_of(invalid)


def _outside_jis_x_0201(content: UInt8Array) -> BoolArray:
    """Whether each byte is outside of 20-7E and A1-DF."""
    if content.max() < 0x7F:
        return content < 0x20
    outside: BoolArray = (content - np.uint8(0x20)) > 0x5E
    outside &= (content - np.uint8(0xA1)) > 0x3E
    return outside
