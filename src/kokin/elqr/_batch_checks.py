"""Check digits and CRC of many payloads at once.

All of them are sums over the digits: the check digits over the integers, the CRC over GF(2). So two neighbouring
digits are one look-up, and digits that are the same in every payload of a batch are not looked at at all.
"""

from __future__ import annotations

import binascii
import functools
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from kokin._arrow import Int64Array, UInt8Array, to_digits
from kokin.elqr._check_digits import FIRST_WEIGHTS, SECOND_WEIGHTS
from kokin.elqr._parts import ELEMENTS, LOWER_LINE, PAYLOAD_LENGTH, UPPER_LINE

Words: TypeAlias = npt.NDArray[np.uint64]

_ZERO = ord("0")

# One look-up yields 64 bits: the CRC's 16 (joined by XOR) and four sums of 12 bits each (joined by addition): second
# and first check digit of the upper, then of the lower line. The largest sum, 42 digits of at most 9 x 9, needs 12.
_CRC_BITS = 16
_SUM_BITS = 12
_CRC_MASK = np.uint64(0xFFFF)
_SUM_MASK = np.uint64(0xFFF)


class Checks(NamedTuple):
    """What a batch of payloads should carry, each an int64 array with one value per payload."""

    upper: Int64Array
    """The upper line's check digits, 0 to 99."""
    lower: Int64Array
    """The lower line's check digits, 0 to 99."""
    crc: Int64Array
    """The CRC over everything before it, with the check digits as they stand in the payload."""


def _crc_weights() -> Words:
    """What a digit adds to the CRC at each place, uint64 (255, 10); zeros from the CRC on."""
    step = np.array([binascii.crc_hqx(bytes([byte]), 0) for byte in range(256)], np.uint64)
    weights = np.zeros((PAYLOAD_LENGTH, 10), np.uint64)
    last = step[:10]
    for place in reversed(range(ELEMENTS["crc"].start)):
        weights[place] = last
        last = (last << np.uint64(8)) & _CRC_MASK ^ step[last >> np.uint64(8)]
    return weights


def _sum_weights() -> Words:
    """What a digit adds to the four sums at each place, packed, uint64 (255, 10)."""
    weights = np.zeros((PAYLOAD_LENGTH, 10), np.uint64)
    digits = np.arange(10, dtype=np.uint64)
    for line, sums in ((UPPER_LINE, 0), (LOWER_LINE, 2)):
        # The second check digit takes part in the first one too; that is added when it is known.
        first_weights = cycle(FIRST_WEIGHTS)
        next(first_weights)
        pairs = zip(cycle(SECOND_WEIGHTS), first_weights, strict=True)
        for place, (second, first) in zip(range(line.start + 2, line.stop), pairs, strict=False):
            packed = second << _SUM_BITS * sums | first << _SUM_BITS * (sums + 1)
            weights[place] = digits * np.uint64(packed << _CRC_BITS)
    return weights


@functools.cache
def _weights() -> tuple[Words, Words]:
    return _crc_weights(), _sum_weights()


class Checker:
    """Computes the checks of payloads of which only the named parts vary.

    Constant parts are taken from :data:`ELEMENTS`, all else that is not named as zeros; what stands there is not read.
    Payloads are ASCII digits, uint8 (rows, 255), C-contiguous.
    """

    def __init__(self, names: Sequence[str]) -> None:
        crc_weights, sum_weights = _weights()
        fixed = {
            place: int(digit)
            for part in ELEMENTS.values()
            if part.name not in names
            for place, digit in enumerate(part.const, part.start)
        }
        base = binascii.crc_hqx(b"0" * ELEMENTS["crc"].start, 0xFFFF)
        for place, digit in fixed.items():
            base ^= int(crc_weights[place, digit])
        self._base = np.uint64(base + sum(int(sum_weights[place, digit]) for place, digit in fixed.items()))
        places = {place for name in names for place in range(PAYLOAD_LENGTH)[ELEMENTS[name].span]}
        self._tables = [(place, _pair_table(place, paired)) for place, paired in _in_pairs(places)]

    def checks(self, payloads: UInt8Array) -> Checks:
        """What the payloads should carry."""
        crc = np.full(len(payloads), self._base)
        sums = crc >> np.uint64(_CRC_BITS)
        for place, table in self._tables:
            found = table.take(_pair(payloads, place))
            crc ^= found
            found >>= np.uint64(_CRC_BITS)
            sums += found
        return Checks(_check_pair(sums, 0), _check_pair(sums, 2), (crc & _CRC_MASK).view(np.int64))

    def seal(self, payloads: UInt8Array) -> None:
        """Writes check digits and CRC into the payloads; the check digits must not be among the named parts."""
        upper, lower, crc = self.checks(payloads)
        for name, digits in (("upper_check", upper), ("lower_check", lower)):
            part = ELEMENTS[name]
            payloads[:, part.span] = to_digits(digits, part.width)
            found = _pair_table(part.start, True).take(_pair(payloads, part.start))
            crc ^= (found & _CRC_MASK).view(np.int64)
        payloads[:, ELEMENTS["crc"].span] = to_digits(crc, ELEMENTS["crc"].width)


@functools.cache
def checker(names: tuple[str, ...]) -> Checker:
    """The checker of these parts; its tables are made once."""
    return Checker(names)


def _in_pairs(places: set[int]) -> Iterator[tuple[int, bool]]:
    """Places covered two by two: the first of each pair, and whether its neighbour belongs to it."""
    rest = iter(sorted(places))
    for place in rest:
        paired = place + 1 in places
        if paired:
            next(rest)
        yield place, paired


def _pair(payloads: UInt8Array, place: int) -> npt.NDArray[np.uint16]:
    """Two neighbouring digits of every payload as one number: the first digit + 256 times the second."""
    pairs = np.ndarray((len(payloads),), "<u2", payloads, place, (PAYLOAD_LENGTH,))
    return pairs - np.uint16(_ZERO << 8 | _ZERO)


def _pair_table(place: int, paired: bool) -> Words:
    """The weights of two neighbouring digits by their :func:`_pair`; ``paired`` False leaves the second one out."""
    table = np.zeros((10, 256), np.uint64)
    crc_weights, sum_weights = _weights()
    second = slice(place + 1, place + 2)
    crc, sums = (weights[second] if paired else np.zeros((1, 10), np.uint64) for weights in (crc_weights, sum_weights))
    table[:, :10] = crc_weights[place] ^ crc.T | sum_weights[place] + sums.T
    return table.ravel()


def _check_pair(sums: Words, first: int) -> Int64Array:
    """The check digits CD1 CD2 of a line as a number, from the packed sums."""
    second_sum, first_sum = (
        (sums >> np.uint64(_SUM_BITS * place) & _SUM_MASK).astype(np.int64) for place in (first, first + 1)
    )
    second_sum %= 10
    first_sum += FIRST_WEIGHTS[0] * second_sum
    return first_sum % 11 % 10 * 10 + second_sum
