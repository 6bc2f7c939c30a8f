"""Choose the data mask of many symbols at once by the penalty of the standard.

A symbol is 41 packed rows, so horizontal neighbours are neighbouring bits and vertical neighbours are neighbouring
integers: each feature N1 to N4 of the standard is a few shifts and boolean operations, and its number is a bit count.

Source: ISO/IEC 18004:2015, 7.8.3.1, in the interpretation of segno: a finder-like pattern may touch the edge, where the
outside counts as light, and a pattern that overlaps a counted one is not counted.
"""

from __future__ import annotations

import functools
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kokin.slips._matrix import SIDE, PackedRows, tables

# Rows are shifted up by four bits, and columns get four light rows above and below: the light outside of the symbol.
_PAD = 4
_PAD_BITS = np.uint64(_PAD)
# Bits of the modules that have a right neighbour.
_PAIRS = np.uint64(((1 << SIDE - 1) - 1) << _PAD)
# Bits where no run of five modules can begin.
_NO_FIVES = ~np.uint64(((1 << SIDE - 4) - 1) << _PAD)
# A finder-like pattern is 1011101; two of them can overlap at a distance of four or six modules.
_FINDER = 7

_1, _2, _4, _6, _7 = (np.uint64(bits) for bits in (1, 2, 4, 6, _FINDER))

# Points per feature. N1 is 3 for a run of five and 1 per further module, which is 1 for each place where five equal
# modules begin and 2 for each run: one where it begins and one where it ends.
_N2, _N3, _N4 = 3, 40, 10

_Points: TypeAlias = npt.NDArray[np.int32]


def best_masks(rows: PackedRows) -> npt.NDArray[np.intp]:
    """Return the mask of least penalty of each symbol, the lowest of equal ones; ``rows`` as in :func:`penalties`."""
    best: npt.NDArray[np.intp] = penalties(rows).argmin(axis=0)
    return best


def penalties(rows: PackedRows) -> _Points:
    """Return the penalty points under each of the eight masks, (8, n), of unmasked symbols, uint64 (41, n)."""
    padded = rows << _PAD_BITS
    across = (padded ^ padded >> _1) & _PAIRS
    down = padded[:-1] ^ padded[1:]
    return np.stack(
        [
            _penalty(padded ^ mask, across ^ mask_across, down ^ mask_down)
            for mask, mask_across, mask_down in _padded_masks()
        ]
    )


@functools.cache
def _padded_masks() -> list[tuple[PackedRows, PackedRows, PackedRows]]:
    """Return each mask, padded, with its changes across and down. Changes of a masked symbol are an XOR of both."""
    padded = [mask[:, None] << _PAD_BITS for mask in tables().masks]
    return [(mask, (mask ^ mask >> _1) & _PAIRS, mask[:-1] ^ mask[1:]) for mask in padded]


def _penalty(rows: PackedRows, across: PackedRows, down: PackedRows) -> _Points:
    """Return the points of masked symbols, from their modules, ``rows`` (41, n).

    ``across`` (41, n) is where a module differs from its right neighbour, ``down`` (40, n) from the one below.
    """
    # Where three modules in line are not all equal.
    across_3 = across | across >> _1
    down_3 = down[:-1] | down[1:]
    equal_squares = (SIDE - 1) ** 2 - _count((across[:-1] | across[1:] | down) & _PAIRS)
    return (
        _runs_across(across_3)
        + _runs_down(down_3)
        + _N2 * equal_squares
        + _N3 * (_finders_across(rows, across, across_3) + _finders_down(rows, down, down_3))
        + _balance_points().take(_count(rows))
    )


def _count(bits: PackedRows) -> _Points:
    """Return the number of set bits of each symbol."""
    counts: _Points = np.bitwise_count(bits).sum(axis=0, dtype=np.int32)
    return counts


def _runs_across(unequal_3: PackedRows) -> _Points:
    """Return N1 of the rows, from where three modules are not all equal."""
    no_five = unequal_3 | unequal_3 >> _2 | _NO_FIVES
    # Each run changes no_five where it begins and where it ends. The highest bit is always set: one change more a row.
    return len(unequal_3) * (64 - 1) - _count(no_five) + _count(no_five ^ no_five >> _1)


def _runs_down(unequal_3: PackedRows) -> _Points:
    """Return N1 of the columns, from where three modules are not all equal."""
    no_five = unequal_3[:-2] | unequal_3[2:]
    at_edge = _count(no_five[[0, -1]])
    changes = _count(no_five[:-1] ^ no_five[1:]) + 2 * SIDE - at_edge
    return len(no_five) * SIDE - _count(no_five) + changes


def _finders_across(rows: PackedRows, across: PackedRows, across_3: PackedRows) -> _Points:
    """Return the number of finder-like patterns that N3 counts in the rows.

    A pattern 1011101 counts if four light modules are before or after it, unless it overlaps one that counts. Of two
    that overlap, the first can only have light before it and the second only light after it:

        module    0000000000111111111122
                  0123456789012345678901
        row       0000101110111010000000    patterns begin at 4 and at 8, and share the modules 8 to 10
        before    4 counts
        after     8 does not count: it begins four modules behind a pattern that counts

    >>> row = np.array([[int("0000101110111010000000"[::-1], 2) << 4]], np.uint64)
    >>> across = (row ^ row >> np.uint64(1)) & _PAIRS
    >>> _finders_across(row, across, across | across >> np.uint64(1)).tolist()
    [1]
    """
    edges = across & across >> _1
    pattern = rows & edges & edges >> _4 & ~(across_3 >> _2)
    light_4 = ~rows
    light_4 &= light_4 >> _1
    light_4 &= light_4 >> _2
    before = pattern & light_4 << _4
    after = pattern & light_4 >> _7
    after &= ~(before << _4 | before << _6)
    return _count(before | after)


def _finders_down(rows: PackedRows, down: PackedRows, down_3: PackedRows) -> _Points:
    """Return the number of finder-like patterns that N3 counts in the columns, by the rule of the rows."""
    places = SIDE - _FINDER + 1
    edges = down[:-1] & down[1:]
    pattern = rows[:places] & edges[:places] & edges[4:] & ~down_3[2:-2]
    light = np.full((SIDE + 2 * _PAD, rows.shape[1]), ~np.uint64(0))
    np.invert(rows, out=light[_PAD:-_PAD])
    light_2 = light[:-1] & light[1:]
    light_4 = light_2[:-2] & light_2[2:]
    before = pattern & light_4[:places]
    after = pattern & light_4[-places:]
    overlapping = np.zeros_like(before)
    overlapping[4:] = before[:-4]
    overlapping[6:] |= before[:-6]
    after &= ~overlapping
    return _count(before | after)


@functools.cache
def _balance_points() -> _Points:
    """Return N4 by the number of dark modules."""
    total = SIDE * SIDE
    return np.array([_N4 * int(abs(dark / total * 100 - 50) / 5) for dark in range(total + 1)], np.int32)
