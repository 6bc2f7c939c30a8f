"""Numbers and dates as ASCII digits, and back, for whole columns.

Digits are parsed with SWAR ("SIMD within a register"): eight ASCII digits are loaded as one little-endian uint64, and
neighbouring digits are merged three times, see D. Lemire,
https://lemire.me/blog/2022/01/21/swar-explained-parsing-eight-digits/. A loop over the digits of a number would need
one pass over memory per digit; this needs one per eight digits.

Dates are converted with ``civil_from_days`` and ``days_from_civil`` of H. Hinnant,
https://howardhinnant.github.io/date_algorithms.html.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from kokin._arrow.convert import BoolArray, Int64Array, UInt8Array, UInt64Array

_GROUP = 4
_GROUP_BASE = 10**_GROUP

_ASCII_ZEROS = np.uint64(0x3030303030303030)
# Added to a byte, it sets the high bit if the byte is above 9.
_ABOVE_NINE = np.uint64(0x7676767676767676)
_HIGH_BITS = np.uint64(0x8080808080808080)

# 0000-03-01 in days since 1970-01-01. Years that begin in March have their leap day at the end.
_MARCH_OF_YEAR_0 = -719_468
_DAYS_OF_400_YEARS = 146_097

#: The dates 0001-01-01 and 9999-12-31 in days since 1970-01-01.
FIRST_DAY, LAST_DAY = -719_162, 2_932_896


@functools.cache
def _groups() -> npt.NDArray[np.uint32]:
    """Return 0 to 9999 as four ASCII digits each, one uint32 per number."""
    digits = "".join(f"{number:0{_GROUP}d}" for number in range(_GROUP_BASE))
    return np.frombuffer(digits.encode(), np.uint32)


def to_digits(numbers: Int64Array, width: int) -> UInt8Array:
    """Return non-negative numbers as zero-padded ASCII digits, uint8 (n, width); each number must fit the width."""
    groups = -(-width // _GROUP)
    digits = np.empty((len(numbers), groups), np.uint32)
    rest = numbers
    for group in reversed(range(groups)):
        higher = rest // _GROUP_BASE
        digits[:, group] = _groups().take(rest - higher * _GROUP_BASE)
        rest = higher
    return digits.view(np.uint8)[:, groups * _GROUP - width :]


def digit_words(rows: UInt8Array, start: int, width: int) -> UInt64Array:
    """Load up to eight ASCII digits of each row into one word: uint64 (n,).

    ``rows`` is uint8 (n, columns), C-contiguous. Each byte is the value of a digit, the last digit in the highest byte;
    unused low bytes are 0. A byte that is not an ASCII digit has a value above 9.

    >>> [hex(word) for word in digit_words(np.frombuffer(b"2026-06-01", np.uint8).reshape(1, 10), 0, 4).tolist()]
    ['0x602000200000000']
    """
    columns = rows.shape[1]
    if columns < 8:  # a load ends in the next row; behind the last row is padding
        first, padded = start, np.append(rows.reshape(-1), np.zeros(8, np.uint8))
        words: UInt64Array = np.ndarray((len(rows),), "<u8", padded, start, (columns,)) ^ _ASCII_ZEROS
    else:
        first = min(start, columns - 8)
        words = rows[:, first : first + 8].view("<u8")[:, 0] ^ _ASCII_ZEROS
    if bytes_after := first + 8 - start - width:  # shifted out at the top
        words <<= np.uint64(8 * bytes_after)
    if first < start:
        words &= np.uint64(2**64 - (1 << 8 * (8 - width)))
    return words


def non_digit_words(words: UInt64Array) -> BoolArray:
    """Return which words of :func:`digit_words` have a byte that is not a digit: bool (n,)."""
    high_bits = words + _ABOVE_NINE  # a carry out of a byte needs a byte above 0x89, whose own high bit is set
    high_bits |= words
    high_bits &= _HIGH_BITS
    return high_bits.astype(np.bool_)


def parse_words(words: UInt64Array) -> Int64Array:
    """Return the numbers of the words of :func:`digit_words`: int64 (n,); undefined where :func:`non_digit_words`.

    Example: the bytes of "12345678" are 1 2 3 4 5 6 7 8, the lowest first. Multiplying by 10 * 2**8 + 1 and shifting
    right by one byte adds ten times each digit to its neighbour: the even bytes are 12, 34, 56, 78. The next two steps
    merge them to 1234, 5678, and to 12345678.

    >>> parse_words(digit_words(np.frombuffer(b"12345678", np.uint8).reshape(1, 8), 0, 8)).tolist()
    [12345678]
    """
    numbers = words * np.uint64(10 * 2**8 + 1)
    numbers >>= np.uint64(8)
    numbers &= np.uint64(0x00FF00FF00FF00FF)
    numbers *= np.uint64(100 * 2**16 + 1)
    numbers >>= np.uint64(16)
    numbers &= np.uint64(0x0000FFFF0000FFFF)
    numbers *= np.uint64(10_000 * 2**32 + 1)
    numbers >>= np.uint64(32)
    return numbers.view(np.int64)


def from_digits(rows: UInt8Array, start: int, width: int) -> Int64Array:
    """Return the numbers in some columns of ASCII digits, uint8 (n, columns), C-contiguous; ``width`` is at most 18."""
    if width > 8:
        return from_digits(rows, start, width - 8) * 10**8 + from_digits(rows, start + width - 8, 8)
    return parse_words(digit_words(rows, start, width))


def yyyymmdd(days: Int64Array) -> Int64Array:
    """Return days since 1970-01-01 as numbers YYYYMMDD (Hinnant's ``civil_from_days``).

    Example: day 0 is 719,468 days after 0000-03-01: 4 eras of 400 years (584,388 days) and 135,080 days, of which 369
    years that begin in March take 134,774. Day 306 of the year that began in March 1969 is day 0 of month 10, counted
    from March: 1 January 1970.

    >>> yyyymmdd(np.array([0, 20_605])).tolist()
    [19700101, 20260601]
    """
    shifted = days - _MARCH_OF_YEAR_0
    era = shifted // _DAYS_OF_400_YEARS
    day = shifted - era * _DAYS_OF_400_YEARS
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153  # from March: 31, 30, 31, 30, 31 days are 153 days in five months
    day -= (153 * month + 2) // 5
    is_next_year = month >= 10  # January and February
    month += np.where(is_next_year, -9, 3)
    number: Int64Array = (year + era * 400 + is_next_year) * 10_000 + month * 100 + day + 1
    return number


def days_since_1970(numbers: Int64Array) -> tuple[Int64Array, BoolArray]:
    """Return numbers YYYYMMDD as days since 1970-01-01 (Hinnant's ``days_from_civil``), and which are valid dates.

    A number that is not a date, such as 20260230, is converted to another date, and so differs when converted back.
    """
    year, rest = np.divmod(numbers, 10_000)
    month, day = np.divmod(rest, 100)
    year_from_march = year - (month <= 2)
    era = year_from_march // 400
    year_of_era = year_from_march - era * 400
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = era * _DAYS_OF_400_YEARS + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    days += _MARCH_OF_YEAR_0
    in_range = (days >= FIRST_DAY) & (days <= LAST_DAY)
    return days, in_range & (yyyymmdd(days) == numbers)
