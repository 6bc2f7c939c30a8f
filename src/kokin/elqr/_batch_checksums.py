"""Check digits and CRC of a batch of payloads, by table look-up.

Each checksum is a sum over the digits of a weight that depends on the position and the digit: the check digits are sums
of integers, the CRC is a sum over GF(2) (XOR). Therefore

* two adjacent digits need one look-up, in a table of their 100 combinations;
* one look-up returns all five sums, packed into 64 bits;
* digits that are equal in all payloads of a batch are summed once per batch.

Bits of a packed word, most significant first; a sum of at most 42 digits × 9 × weight 9 = 3,402 fits into 12 bits:

====== ================================================================================
63..52 lower line, sum of the first check digit without the part of the second
51..40 lower line, sum of the second check digit
39..28 upper line, sum of the first check digit without the part of the second
27..16 upper line, sum of the second check digit
15..0  CRC
====== ================================================================================
"""

from __future__ import annotations

import binascii
import functools
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from kokin._arrow.convert import Int64Array, UInt8Array
from kokin._arrow.digits import to_digits
from kokin.elqr._checksums import FIRST_WEIGHTS, SECOND_WEIGHTS
from kokin.elqr._layout import ELEMENTS, LOWER_LINE, PAYLOAD_LENGTH, UPPER_LINE

Words: TypeAlias = npt.NDArray[np.uint64]

_ZERO = ord("0")
_CRC_BITS = 16
_SUM_BITS = 12
_CRC_MASK = np.uint64(0xFFFF)
_SUM_MASK = np.uint64(0xFFF)
# The 12-bit field of the second check digit's sum above the CRC; the first check digit's sum is in the next field.
_UPPER_FIELD, _LOWER_FIELD = 0, 2


class Checksums(NamedTuple):
    """The correct checksums of a batch, each an int64 array with one value per payload."""

    upper: Int64Array
    """The check digits of the upper line, 0 to 99."""
    lower: Int64Array
    """The check digits of the lower line, 0 to 99."""
    crc: Int64Array
    """The CRC of all digits before it, including the check digits that the payload has."""


def _crc_weights() -> Words:
    """Return the part of each digit in the CRC by position, uint64 (255, 10); zeros from the CRC on.

    A digit is the byte of ``0`` XOR its value, and a CRC is linear over GF(2). So the CRC of the 250 digits is the CRC
    of 250 zeros XOR the weight of each digit: the CRC, from the initial value 0, of its value and the zero bytes after
    it. See https://en.wikipedia.org/wiki/Computation_of_cyclic_redundancy_checks.

    >>> weights = _crc_weights()
    >>> zeros = "0" * 250
    >>> expected = binascii.crc_hqx(b"7" + zeros[1:].encode(), 0xFFFF)
    >>> binascii.crc_hqx(zeros.encode(), 0xFFFF) ^ int(weights[0, 7]) == expected
    True
    """
    step = np.array([binascii.crc_hqx(bytes([byte]), 0) for byte in range(256)], np.uint64)
    weights = np.zeros((PAYLOAD_LENGTH, 10), np.uint64)
    following = step[:10]
    for position in reversed(range(ELEMENTS["crc"].start)):
        weights[position] = following
        following = (following << np.uint64(8)) & _CRC_MASK ^ step[following >> np.uint64(8)]
    return weights


def _sum_weights() -> Words:
    """Return the part of each digit in the four sums by position, packed as in the table above, uint64 (255, 10).

    The weights are those of :mod:`kokin.elqr._checksums`: along a line after its two check digits 9, 1, 8, 1, ... for
    the second check digit and 1, 3, 1, 4, ... for the first, whose first weight (2) belongs to the second check digit;
    that product is added when the second check digit is known.

    Example: in the upper line, which starts at position 29, a 5 at position 33 (the third digit after the check digits)
    adds 8 × 5 = 40 to the sum of the second check digit and 1 × 5 to that of the first.

    >>> word = int(_sum_weights()[33, 5]) >> _CRC_BITS
    >>> word & 0xFFF, word >> _SUM_BITS & 0xFFF
    (40, 5)
    """
    weights = np.zeros((PAYLOAD_LENGTH, 10), np.uint64)
    digits = np.arange(10, dtype=np.uint64)
    for line, field in ((UPPER_LINE, _UPPER_FIELD), (LOWER_LINE, _LOWER_FIELD)):
        positions = range(line.start + 2, line.stop)
        first_weights = islice(cycle(FIRST_WEIGHTS), 1, None)
        for position, second, first in zip(positions, cycle(SECOND_WEIGHTS), first_weights, strict=False):
            packed = second << _SUM_BITS * field | first << _SUM_BITS * (field + 1)
            weights[position] = digits * np.uint64(packed << _CRC_BITS)
    return weights


@functools.cache
def _weights() -> tuple[Words, Words]:
    return _crc_weights(), _sum_weights()


class ChecksumTable:
    """Computes the checksums of payloads in which only the elements ``names`` vary.

    Constants are taken from :data:`ELEMENTS`; all other elements are assumed to be zeros and are not read. Payloads are
    ASCII digits, uint8 (n, 255), C-contiguous.
    """

    def __init__(self, names: Sequence[str]) -> None:
        crc_weights, sum_weights = _weights()
        constants = {
            position: int(digit)
            for element in ELEMENTS.values()
            if element.name not in names
            for position, digit in enumerate(element.const, element.start)
        }
        base = binascii.crc_hqx(b"0" * ELEMENTS["crc"].start, 0xFFFF)
        for position, digit in constants.items():
            base ^= int(crc_weights[position, digit])
        self._base = np.uint64(base + sum(int(sum_weights[position, digit]) for position, digit in constants.items()))
        positions = {position for name in names for position in range(PAYLOAD_LENGTH)[ELEMENTS[name].span]}
        self._tables = [(position, _pair_table(position, is_pair)) for position, is_pair in _pairs(positions)]

    def compute(self, payloads: UInt8Array) -> Checksums:
        """Return the correct checksums of the payloads."""
        crc = np.full(len(payloads), self._base)
        sums = crc >> np.uint64(_CRC_BITS)
        for position, table in self._tables:
            words = table.take(_pair_index(payloads, position))
            crc ^= words  # above the CRC this leaves garbage, which is masked below
            words >>= np.uint64(_CRC_BITS)
            sums += words
        return Checksums(
            _check_digits(sums, _UPPER_FIELD), _check_digits(sums, _LOWER_FIELD), (crc & _CRC_MASK).view(np.int64)
        )

    def write(self, out: UInt8Array) -> None:
        """Write check digits and CRC into the payloads ``out``; the check digits must not be among ``names``."""
        upper, lower, crc = self.compute(out)
        for name, digits in (("upper_check", upper), ("lower_check", lower)):
            element = ELEMENTS[name]
            out[:, element.span] = to_digits(digits, element.width)
            words = _pair_table(element.start, True).take(_pair_index(out, element.start))
            crc ^= (words & _CRC_MASK).view(np.int64)
        out[:, ELEMENTS["crc"].span] = to_digits(crc, ELEMENTS["crc"].width)


@functools.cache
def checksum_table(names: tuple[str, ...]) -> ChecksumTable:
    """Return the cached table of these elements."""
    return ChecksumTable(names)


def _pairs(positions: set[int]) -> Iterator[tuple[int, bool]]:
    """Cover positions by pairs: yield each first position, and whether the next one belongs to the pair."""
    rest = iter(sorted(positions))
    for position in rest:
        is_pair = position + 1 in positions
        if is_pair:
            next(rest)
        yield position, is_pair


def _pair_index(payloads: UInt8Array, position: int) -> npt.NDArray[np.uint16]:
    """Return two adjacent digits of every payload as an index, uint16 (n): the first digit + 256 × the second."""
    pairs = np.ndarray((len(payloads),), "<u2", payloads, position, (PAYLOAD_LENGTH,))
    return pairs - np.uint16(_ZERO << 8 | _ZERO)


def _pair_table(position: int, is_pair: bool) -> Words:
    """Return the packed weights of two adjacent digits by :func:`_pair_index`; of the first alone without a pair."""
    crc_weights, sum_weights = _weights()
    next_digit = slice(position + 1, position + 2)
    crc, sums = (
        weights[next_digit] if is_pair else np.zeros((1, 10), np.uint64) for weights in (crc_weights, sum_weights)
    )
    table = np.zeros((10, 256), np.uint64)
    table[:, :10] = crc_weights[position] ^ crc.T | sum_weights[position] + sums.T
    return table.ravel()


def _check_digits(sums: Words, field: int) -> Int64Array:
    """Return the two check digits of a line as a number, int64 (n), from the sums without the CRC."""
    second, first = ((sums >> np.uint64(_SUM_BITS * f) & _SUM_MASK).astype(np.int64) for f in (field, field + 1))
    second %= 10
    first += FIRST_WEIGHTS[0] * second
    return first % 11 % 10 * 10 + second
