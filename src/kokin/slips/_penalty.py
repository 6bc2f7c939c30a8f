"""The penalty of a mask, for many symbols at once.

A symbol is 41 words, so neighbours in a row are neighbouring bits and neighbours in a column are neighbouring words:
every feature of the standard is a few shifts and boolean operations, and its number is a count of bits.

Source: ISO/IEC 18004:2015, 7.8.3.1, read as segno reads it: finder-like patterns may lie at the edge, where what is
outside counts as light, and one that overlaps a counted one is not counted again.
"""

from __future__ import annotations

import functools
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kokin.slips._matrix import SIDE, Words, tables

# Rows are moved up by four bits, and four rows of zeros stand above and below: the light outside of the symbol.
_PAD = 4
_LEFT = np.uint64(_PAD)
# Where a module has a neighbour to its right.
_PAIRS = np.uint64(((1 << SIDE - 1) - 1) << _PAD)
# Where no run of five modules in a row can begin.
_NO_FIVES = ~np.uint64(((1 << SIDE - 4) - 1) << _PAD)

_1, _2, _4, _6, _7 = (np.uint64(bits) for bits in (1, 2, 4, 6, 7))

# Points per feature: N1 is 3 for a run of five and 1 for each further module, that is 1 for each place where five equal
# modules begin and 2 for each run.
_N1_RUN, _N2, _N3, _N4 = 2, 3, 40, 10

_Points: TypeAlias = npt.NDArray[np.int32]


def best_masks(rows: Words) -> npt.NDArray[np.intp]:
    """The mask with the least penalty of each symbol, the first of equals; ``rows`` as in :func:`penalties`."""
    best: npt.NDArray[np.intp] = penalties(rows).argmin(axis=0)
    return best


def penalties(rows: Words) -> _Points:
    """The points of the eight masks, (8, n), of unmasked symbols, ``rows`` uint64 (41, n)."""
    moved = rows << _LEFT
    across = (moved ^ moved >> _1) & _PAIRS
    down = moved[:-1] ^ moved[1:]
    return np.stack([_penalty(moved ^ mask, across ^ aside, down ^ below) for mask, aside, below in _moved_masks()])


@functools.cache
def _moved_masks() -> list[tuple[Words, Words, Words]]:
    """The masks as :func:`penalties` wants its rows: moved, and where they differ from their neighbours."""
    moved = [mask[:, None] << _LEFT for mask in tables().masks]
    return [(mask, (mask ^ mask >> _1) & _PAIRS, mask[:-1] ^ mask[1:]) for mask in moved]


def _penalty(rows: Words, across: Words, down: Words) -> _Points:
    """The points of masked symbols.

    Args:
        rows: the modules, (41, n).
        across: where a module differs from its right neighbour, (41, n).
        down: where a module differs from the one below, (40, n).
    """
    # Where one of two neighbouring pairs differs.
    across_2 = across | across >> _1
    down_2 = down[:-1] | down[1:]
    equal_squares = (SIDE - 1) ** 2 - _count((across[:-1] | across[1:] | down) & _PAIRS)
    return (
        _runs_across(across_2)
        + _runs_down(down_2)
        + _N2 * equal_squares
        + _N3 * (_finders_across(rows, across, across_2) + _finders_down(rows, down, down_2))
        + _balance_points().take(_count(rows))
    )


def _count(words: Words) -> _Points:
    """The bits of each symbol."""
    counts: _Points = np.bitwise_count(words).sum(axis=0, dtype=np.int32)
    return counts


def _runs_across(differs: Words) -> _Points:
    """N1 of the rows, from where one of two neighbouring pairs differs."""
    no_five = differs | differs >> _2 | _NO_FIVES
    # A run of fives begins and ends; the highest bit, which is always set, is one change more.
    return len(differs) * (64 - 1) - _count(no_five) + _count(no_five ^ no_five >> _1)


def _runs_down(differs: Words) -> _Points:
    """N1 of the columns, from where one of two neighbouring pairs differs."""
    no_five = differs[:-2] | differs[2:]
    at_edge = _count(no_five[[0, -1]])
    changes = _count(no_five[:-1] ^ no_five[1:]) + 2 * SIDE - at_edge
    return len(no_five) * SIDE - _count(no_five) + changes


def _finders_across(rows: Words, differs: Words, differs_2: Words) -> _Points:
    """The finder-like patterns in the rows that N3 counts."""
    turns = differs & differs >> _1
    found = rows & turns & turns >> _4 & ~(differs_2 >> _2)
    light = ~rows
    light &= light >> _1
    light &= light >> _2
    before = found & light << _4
    after = found & light >> _7
    return _count((before | after) ^ after & (before << _4 | before << _6))


def _finders_down(rows: Words, differs: Words, differs_2: Words) -> _Points:
    """The finder-like patterns in the columns that N3 counts."""
    places = SIDE - 6
    turns = differs[:-1] & differs[1:]
    found = rows[:places] & turns[:places] & turns[4:] & ~differs_2[2:-2]
    light = np.full((SIDE + 2 * _PAD, rows.shape[1]), ~np.uint64(0))
    np.invert(rows, out=light[_PAD:-_PAD])
    light = light[:-1] & light[1:]
    light = light[:-2] & light[2:]
    before = found & light[:places]
    after = found & light[-places:]
    overlapping = np.zeros_like(after)
    overlapping[4:] = before[:-4]
    overlapping[6:] |= before[:-6]
    return _count((before | after) ^ after & overlapping)


@functools.cache
def _balance_points() -> _Points:
    """N4 by the number of dark modules."""
    total = SIDE * SIDE
    return np.array([_N4 * int(abs(dark / total * 100 - 50) / 5) for dark in range(total + 1)], np.int32)
