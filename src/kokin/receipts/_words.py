"""Digits eight at a time: a run of ASCII digits is one little-endian word, tested and read by a few operations.

Records stand as rows of a byte matrix, each behind eight spare bytes, so that every field ends at least eight bytes
from the start of its row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

#: Spare bytes before each record.
SPARE = 8

ZEROS = np.uint64(0x3030303030303030)
BLANKS = np.uint64(0x2020202020202020)
_CARRY = np.uint64(0x7676767676767676)
_HIGH_BITS = np.uint64(0x8080808080808080)


def word(rows: Bytes, end: int, length: int, filler: np.uint64 = ZEROS) -> Words:
    """The last ``length`` (at most eight) bytes before ``end`` of each record, as a word; what is short is filled.

    ``rows``: uint8 of shape (n, stride), C-contiguous, a record's first byte at :data:`SPARE`. Returns uint64 (n,).
    """
    loaded: Words = np.ndarray((len(rows),), np.dtype("<u8"), rows.data, SPARE + end - 8, (rows.strides[0],)).copy()
    if length < 8:
        low = np.uint64((1 << (8 * (8 - length))) - 1)
        loaded &= ~low
        loaded |= filler & low
    return loaded


def are_digits(words: Words) -> Mask:
    """Whether all eight bytes of each word are digits."""
    digits = words ^ ZEROS
    same: Mask = (((digits + _CARRY) | digits) & _HIGH_BITS) == 0
    return same


def number(words: Words) -> npt.NDArray[np.int64]:
    """The number that the eight digits of each word are; meaningless where they are no digits."""
    digits = words ^ ZEROS
    digits = (digits * np.uint64(10) + (digits >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    digits = (digits * np.uint64(100) + (digits >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    digits = (digits * np.uint64(10_000) + (digits >> np.uint64(32))) & np.uint64(0xFFFFFFFF)
    return digits.view(np.int64)


def pieces(start: int, length: int) -> list[tuple[int, int]]:
    """A field as words from its end: the end and the length of each, at most eight bytes."""
    end = start + length
    return [(at, min(8, at - start)) for at in range(end, start, -8)]


def digits_or_blank(rows: Bytes, start: int, length: int) -> tuple[Mask, Mask]:
    """Whether each field is all digits, and whether it is all blanks."""
    digits = np.ones(len(rows), np.bool_)
    blank = np.ones(len(rows), np.bool_)
    for end, size in pieces(start, length):
        digits &= are_digits(word(rows, end, size))
        blank &= word(rows, end, size, BLANKS) == BLANKS
    return digits, blank


def integer(rows: Bytes, start: int, length: int) -> npt.NDArray[np.int64]:
    """The number in each field, of at most 18 digits; meaningless where it is none."""
    total = np.zeros(len(rows), np.int64)
    scale = 1
    for end, size in pieces(start, length):
        part = number(word(rows, end, size))
        total += part * scale if scale > 1 else part
        scale *= 10**size
    return total


def equals(rows: Bytes, start: int, length: int, text: bytes) -> Mask:
    """Whether each field is this text, filled with blanks on the right."""
    if length == 1:
        return np.asarray(rows[:, SPARE + start] == ord(text or b" "))
    text = text.ljust(length)
    same = np.ones(len(rows), np.bool_)
    for end, size in pieces(start, length):
        wanted = text[end - size - start : end - start].rjust(8, b"0")
        same &= word(rows, end, size) == np.uint64(int.from_bytes(wanted, "little"))
    return same


def which(rows: Bytes, start: int, length: int, texts: list[str]) -> npt.NDArray[np.int8]:
    """Which of the texts stands in each field, from 0; -1 for none of them."""
    if length == 1:
        table = np.full(256, -1, np.int8)
        for i, text in enumerate(texts):
            table[ord(text or " ")] = i
        return table.take(rows[:, SPARE + start])
    found = np.full(len(rows), -1, np.int8)
    for i, text in enumerate(texts):
        found[equals(rows, start, length, text.encode())] = i
    return found


class RowTest:
    """Tests that every record of a kind must pass, on all its bytes at once: digits, constants, legal bytes.

    ``scratch`` is kept between calls, for fresh memory costs more than the tests.
    """

    def __init__(self, stride: int, digits: list[tuple[int, int]], consts: list[tuple[int, bytes]]) -> None:
        self._digits = _mask(stride, digits)
        self._const_mask = _mask(stride, [(start, len(text)) for start, text in consts])
        const = np.zeros(stride, np.uint8)
        for start, text in consts:
            const[SPARE + start : SPARE + start + len(text)] = np.frombuffer(text, np.uint8)
        self._const = const.view("<u8")
        self._scratch: tuple[Words, Words] = (np.empty((0, 0), np.uint64), np.empty((0, 0), np.uint64))

    def bad_rows(self, rows: Bytes) -> Mask | None:
        """Which records fail, or ``None`` where none does."""
        words = rows.view("<u8")
        if len(self._scratch[0]) < len(words):
            self._scratch = (np.empty_like(words), np.empty_like(words))
        a, b = self._scratch[0][: len(words)], self._scratch[1][: len(words)]
        np.bitwise_xor(words, ZEROS, out=a)
        np.add(a, _CARRY, out=b)
        np.bitwise_or(a, b, out=a)
        np.bitwise_and(a, self._digits & _HIGH_BITS, out=a)
        np.bitwise_xor(words, self._const, out=b)
        np.bitwise_and(b, self._const_mask, out=b)
        np.bitwise_or(a, b, out=a)
        return np.asarray(a.any(axis=1)) if a.any() else None


class LegalTest:
    """Whether every byte of a block is one of JIS X 0201, leaving out the fields that have their own character set."""

    def __init__(self, stride: int, width: int, kanji: list[tuple[int, int]]) -> None:
        self._looked_at = np.zeros(stride, np.bool_)
        self._looked_at[SPARE : SPARE + width] = True
        for start, length in kanji:
            self._looked_at[SPARE + start : SPARE + start + length] = False
        self._scratch: tuple[Any, ...] = ()

    def holds(self, rows: Bytes) -> bool:
        """Whether all is legal."""
        if not self._scratch or len(self._scratch[0]) < len(rows):
            self._scratch = (np.empty_like(rows), np.empty(rows.shape, np.bool_), np.empty(rows.shape, np.bool_))
        moved, a, b = (array[: len(rows)] for array in self._scratch)
        np.subtract(rows, np.uint8(0x20), out=moved)
        np.greater(moved, np.uint8(0x5E), out=a)
        np.subtract(rows, np.uint8(0xA1), out=moved)
        np.greater(moved, np.uint8(0x3E), out=b)
        np.bitwise_and(a, b, out=a)
        return not (a.any() and (a & self._looked_at).any())


def _mask(stride: int, spans: list[tuple[int, int]]) -> Any:
    mask = np.zeros(stride, np.uint8)
    for start, length in spans:
        mask[SPARE + start : SPARE + start + length] = 0xFF
    return mask.view("<u8")
