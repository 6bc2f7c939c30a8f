"""Numbers and days as columns of ASCII digits, and back: the arithmetic of a batch."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from kokin._arrow._arrow import BoolArray, Int64Array, UInt8Array

_GROUP = 4
_GROUP_BASE = 10**_GROUP
# Day 0 of the proleptic Gregorian calendar's year 0, 1 March, counted from 1970-01-01: years that begin in March
# have their leap day at the end.
_MARCH_OF_YEAR_0 = -719_468
_DAYS_OF_400_YEARS = 146_097

#: The days 0001-01-01 and 9999-12-31, counted from 1970-01-01.
FIRST_DAY, LAST_DAY = -719_162, 2_932_896


@functools.cache
def _groups() -> npt.NDArray[np.uint32]:
    """0 to 9999 as four ASCII digits each, in the order of memory."""
    digits = "".join(f"{number:0{_GROUP}d}" for number in range(_GROUP_BASE))
    return np.frombuffer(digits.encode(), np.uint32)


def to_digits(numbers: Int64Array, width: int) -> UInt8Array:
    """Numbers that fit as zero-padded ASCII digits, uint8 (n, width)."""
    groups = -(-width // _GROUP)
    digits = np.empty((len(numbers), groups), np.uint32)
    rest = numbers
    for group in reversed(range(groups)):
        higher = rest // _GROUP_BASE
        digits[:, group] = _groups().take(rest - higher * _GROUP_BASE)
        rest = higher
    return digits.view(np.uint8)[:, groups * _GROUP - width :]


def from_digits(payloads: UInt8Array, start: int, width: int) -> Int64Array:
    """The numbers that stand in some columns of ASCII digits, uint8 (n, columns), C-contiguous; any width up to 16."""
    if width > 8:
        return from_digits(payloads, start, width - 8) * 10**8 + from_digits(payloads, start + width - 8, 8)
    # Eight digits are one word, the last of them in its highest byte; neighbours are merged three times over.
    word = np.ndarray((len(payloads),), "<u8", payloads, start + width - 8, (payloads.strides[0],))
    number = word & np.uint64(0x0F0F0F0F0F0F0F0F & ~((1 << 8 * (8 - width)) - 1))
    for bits, base, mask in ((8, 10, 0x00FF00FF00FF00FF), (16, 100, 0x0000FFFF0000FFFF), (32, 10_000, 0xFFFFFFFF)):
        number = (number * np.uint64(base) + (number >> np.uint64(bits))) & np.uint64(mask)
    return number.view(np.int64)


def yyyymmdd(days: Int64Array) -> Int64Array:
    """Days since 1970-01-01 as the number YYYYMMDD."""
    shifted = days - _MARCH_OF_YEAR_0
    era = shifted // _DAYS_OF_400_YEARS
    day = shifted - era * _DAYS_OF_400_YEARS
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    late = month >= 10
    month += np.where(late, -9, 3)
    number: Int64Array = (year + era * 400 + late) * 10_000 + month * 100 + day + 1
    return number


def days_since_1970(numbers: Int64Array) -> tuple[Int64Array, BoolArray]:
    """Numbers YYYYMMDD as days since 1970-01-01, and which of them are days of the calendar at all."""
    year, rest = np.divmod(numbers, 10_000)
    month, day = np.divmod(rest, 100)
    # A number that is no day comes back as another one.
    shifted_year = year - (month <= 2)
    era = shifted_year // 400
    shifted_year -= era * 400
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = era * _DAYS_OF_400_YEARS + shifted_year * 365 + shifted_year // 4 - shifted_year // 100 + day_of_year
    days += _MARCH_OF_YEAR_0
    in_range = (days >= FIRST_DAY) & (days <= LAST_DAY)
    return days, in_range & (yyyymmdd(days) == numbers)
