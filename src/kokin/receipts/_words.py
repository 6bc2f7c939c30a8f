"""Fields of many records at once: cut out of the rows of a byte matrix, tested, and read eight digits at a time.

Eight ASCII digits are one little-endian word, tested and read by a few operations. ``rows`` is everywhere uint8 of
shape (n, stride), the bytes of a row side by side; a record begins with its row and is followed by what may be ignored.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

#: Rows must be so long that every field ends or begins eight bytes within them.
LEAST_STRIDE = 16

_ZEROS = np.uint64(0x3030303030303030)
_BLANKS = np.uint64(0x2020202020202020)
_CARRY = np.uint64(0x7676767676767676)
_HIGH_BITS = np.uint64(0x8080808080808080)
_EVEN_BYTES = np.uint64(0x00FF00FF00FF00FF)
# Bytes looked at together: they and what is made of them stay in the processor's cache.
_PIECE = 1 << 18


def cut(rows: Bytes, start: int, length: int, chosen: Mask | None = None) -> Bytes:
    """A field of each record, or of the chosen ones: uint8 (n, length), in memory of its own."""
    fields = rows[:, start : start + length].view(np.dtype((np.void, length)))[:, 0]
    picked = fields.copy() if chosen is None else fields[chosen]
    return picked.view(np.uint8).reshape(-1, length)


def word(rows: Bytes, end: int, length: int) -> Words:
    """The ``length`` (at most eight) bytes before ``end`` of each record, as a word, uint64 (n,).

    What is shorter has the digit 0 before it.
    """
    if end >= 8:
        words: Words = rows[:, end - 8 : end].view("<u8")[:, 0].copy()
        if length == 8:
            return words
        words &= ~_low(length)
    else:
        words = rows[:, end - length : end - length + 8].view("<u8")[:, 0] << np.uint64(8 * (8 - length))
    words |= _ZEROS & _low(length)
    return words


def _low(length: int) -> np.uint64:
    """The bytes of a word before its last ``length`` ones."""
    return np.uint64((1 << (8 * (8 - length))) - 1)


def pieces(start: int, length: int) -> list[tuple[int, int]]:
    """A field as words from its end: the end and the length of each, at most eight bytes."""
    end = start + length
    return [(at, min(8, at - start)) for at in range(end, start, -8)]


def integer(rows: Bytes, start: int, length: int) -> tuple[npt.NDArray[np.int64], Mask | None]:
    """The number in each field, of at most 18 digits, and where there is none; ``None`` where that is nowhere.

    What stands where there is no number is meaningless.
    """
    total: npt.NDArray[np.int64] = np.zeros(0, np.int64)
    wrong: Mask | None = None
    scale = 1
    for end, size in pieces(start, length):
        digits = word(rows, end, size) ^ _ZEROS
        part = _number(digits)
        total = part if scale == 1 else total + part * scale
        wrong = _either(wrong, _not_digits(digits))
        scale *= 10**size
    return total, wrong


def _number(digits: Words) -> npt.NDArray[np.int64]:
    """The number that eight digits, each a byte from 0 to 9, are."""
    digits = (digits * np.uint64(10) + (digits >> np.uint64(8))) & _EVEN_BYTES
    digits = (digits * np.uint64(100) + (digits >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    digits = (digits * np.uint64(10_000) + (digits >> np.uint64(32))) & np.uint64(0xFFFFFFFF)
    return digits.view(np.int64)


def _not_digits(digits: Words) -> Mask | None:
    """Which words hold a byte over 9; ``None`` where none does."""
    over = ((digits + _CARRY) | digits) & _HIGH_BITS
    return over != 0 if over.any() else None


def _either(one: Mask | None, other: Mask | None) -> Mask | None:
    if one is None or other is None:
        return other if one is None else one
    return one | other


def not_digits(rows: Bytes, start: int, length: int) -> Mask | None:
    """In which records a field is not all digits; ``None`` where that is nowhere."""
    wrong: Mask | None = None
    for end, size in pieces(start, length):
        wrong = _either(wrong, _not_digits(word(rows, end, size) ^ _ZEROS))
    return wrong


def cells_not_digits(cells: Bytes) -> Mask | None:
    """:func:`not_digits` of fields that are cut out."""
    moved = cells - np.uint8(ord("0"))
    if moved.max() <= 9:
        return None
    wrong = np.zeros(len(cells), np.bool_)
    wrong[np.flatnonzero(moved > 9) // cells.shape[1]] = True
    return wrong


def fits_gs1(rows: Bytes, start: int, length: int) -> Mask:
    """Whether the check digit at the end of each number fits: weights 3 and 1 from the right, 1 for itself.

    Meaningless where there are no digits. ``length``: even, at most 100.
    """
    lanes = np.zeros(len(rows), np.uint64)
    for end, size in pieces(start, length):
        digits = word(rows, end, size) ^ _ZEROS
        lanes += (digits & _EVEN_BYTES) * np.uint64(3) + ((digits >> np.uint64(8)) & _EVEN_BYTES)
    sums = (lanes * np.uint64(0x0001000100010001)) >> np.uint64(48)
    fits: Mask = sums % np.uint64(10) == 0
    return fits


def equals(rows: Bytes, start: int, length: int, text: bytes) -> Mask:
    """Whether each field is this text, filled with blanks on the right."""
    if length == 1:
        return np.asarray(rows[:, start] == ord(text or b" "))
    text = text.ljust(length)
    same: Mask | None = None
    for end, size in pieces(start, length):
        wanted = text[end - size - start : end - start].rjust(8, b"0")
        here = word(rows, end, size) == np.uint64(int.from_bytes(wanted, "little"))
        same = here if same is None else same & here
    assert same is not None
    return same


def which(rows: Bytes, start: int, length: int, texts: list[str]) -> npt.NDArray[np.int8]:
    """Which of the texts stands in each field, from 0; -1 for none of them."""
    if length == 1:
        table = np.full(256, -1, np.int8)
        for i, text in enumerate(texts):
            table[ord(text or " ")] = i
        return table.take(rows[:, start])
    found = np.full(len(rows), -1, np.int8)
    for i, text in enumerate(texts):
        found[equals(rows, start, length, text.encode())] = i
    return found


def used(rows: Bytes, start: int, length: int) -> int:
    """The bytes of a field without those that are blank in every record, eight at a time: few names fill theirs."""
    while length > 8 and (word(rows, start + length, 8) == _BLANKS).all():
        length -= 8
    return length


def count_of(content: Bytes, byte: int) -> int:
    """How often a byte stands in a text, uint8 (m,)."""
    return sum(int(np.count_nonzero(content[at : at + _PIECE] == byte)) for at in range(0, len(content), _PIECE))


class LegalTest:
    """Which records have a byte that is none of JIS X 0201, but for the fields that have their own character set."""

    def __init__(self, width: int, kanji: list[tuple[int, int]]) -> None:
        self._looked_at = np.ones(width, np.bool_)
        for start, length in kanji:
            self._looked_at[start : start + length] = False

    def illegal(self, rows: Bytes, newline: int) -> Mask | None:
        """Those records, or ``None`` where there are none; ``newline`` bytes at the end of each row are no text."""
        wrong = np.zeros(len(rows), np.bool_)
        step = max(1, _PIECE // rows.shape[1])
        for at in range(0, len(rows), step):
            piece = rows[at : at + step]
            strange = _strange(piece)
            # The newlines are strange too, so that mostly a count tells enough.
            if np.count_nonzero(strange) != len(piece) * newline:
                width = rows.shape[1] - newline
                wrong[at : at + step] = (strange[:, :width] & self._looked_at[:width]).any(axis=1)
        return wrong if wrong.any() else None


def _strange(content: Bytes) -> Mask:
    """Which bytes are outside 20-7E and A1-DF."""
    if content.max() < 0x7F:
        return content < 0x20
    strange: Mask = (content - np.uint8(0x20)) > 0x5E
    strange &= (content - np.uint8(0xA1)) > 0x3E
    return strange
