"""Code 128 in Code Set C behind FNC1: the narrow part of GS1-128 that digits need.

Source: ISO/IEC 15417 (patterns, check character); GS1 General Specifications 5.4 (FNC1 after the start character).
"""

from __future__ import annotations

from collections.abc import Iterator

#: Light modules that the standard asks for on either side.
QUIET = 10

_FNC1, _START_C, _STOP = 102, 105, 106

# Widths in modules of bar, space, bar, space, bar, space, by value.
_TABLE = (
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 "
    "123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 "
    "232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 "
    "313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 "
    "111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 "
    "111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 "
    "114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112"
)
_PATTERNS = _TABLE.split()


def widths(digits: str) -> list[int]:
    """The widths of bars and spaces in modules, a bar first, of an even number of digits; without quiet zones."""
    values = [_START_C, _FNC1, *(int(digits[place : place + 2]) for place in range(0, len(digits), 2))]
    # The start character weighs 1, and so does the first one behind it.
    check = (values[0] + sum(place * value for place, value in enumerate(values))) % 103
    return [int(width) for value in (*values, check, _STOP) for width in _PATTERNS[value]]


def bars(digits: str) -> Iterator[tuple[int, int]]:
    """Each bar's left edge and width in modules, the left quiet zone included."""
    left = QUIET
    for place, width in enumerate(widths(digits)):
        if place % 2 == 0:
            yield left, width
        left += width


def modules(digits: int) -> int:
    """The modules of a symbol of so many digits, quiet zones included: eleven a pair, and two more in the stop."""
    return 11 * (digits // 2 + 4) + 2 + 2 * QUIET
