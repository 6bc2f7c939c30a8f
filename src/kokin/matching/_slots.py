"""An open-addressing table over packed numbers, filled and asked by whole columns.

A slot holds the row of a key or -1. Every answer is verified word for word, so two numbers never pass for one.
"""

from __future__ import annotations

import numpy as np

from kokin.matching._columns import Bools, Rows, Words

#: Slots per key, at least: half of them stay empty, so a search ends after a step or two.
_SPARE = 2

_EMPTY = -1


def mix(words: tuple[Words, ...]) -> Words:
    """A well-spread uint64 (n,) from the words of keys: multiply, xor, shift (after splitmix64)."""
    state = np.zeros(len(words[0]), np.uint64)
    for word in words:
        state ^= word
        state ^= state >> np.uint64(30)
        state *= np.uint64(0xBF58476D1CE4E5B9)
        state ^= state >> np.uint64(27)
        state *= np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return state


def equal(left: tuple[Words, ...], left_rows: Rows, right: tuple[Words, ...], right_rows: Rows) -> Bools:
    """Whether the keys of rows are the same number, pair by pair: bool (k,)."""
    same = np.ones(len(left_rows), np.bool_)
    for mine, other in zip(left, right, strict=True):
        same &= mine[left_rows] == other[right_rows]
    return same


def fill(words: tuple[Words, ...], present: Bools) -> tuple[Rows, Rows, Rows]:
    """A table over the keys that are present.

    All rows are written at once; the losers of a slot are found by reading back, and moved on.

    Returns:
        The slots: int32 (power of two,). Rows whose number another row has put there already, and those other rows:
        int32 (k,) each.
    """
    pending = np.flatnonzero(present).astype(np.int32)
    slots = np.full(1 << max(4, (_SPARE * len(pending) - 1).bit_length()), _EMPTY, np.int32)
    mask = np.uint64(len(slots) - 1)
    place = (mix(tuple(word[pending] for word in words)) & mask).astype(np.int64)
    again, first = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    while len(pending):
        free = slots[place] == _EMPTY
        slots[place[free]] = pending[free]
        holder = slots[place]
        twin = (holder != pending) & equal(words, pending, words, holder)
        again.append(pending[twin])
        first.append(holder[twin])
        left = (holder != pending) & ~twin
        pending, place = pending[left], (place[left] + 1) & np.int64(mask)
    return slots, np.concatenate(again), np.concatenate(first)


def probe(slots: Rows, words: tuple[Words, ...], asked: tuple[Words, ...]) -> Rows:
    """The row that has each asked number, -1 where none has: int32 (n,).

    Misses are carried to the next slot until they meet an empty one.
    """
    mask = np.uint64(len(slots) - 1)
    place = (mix(asked) & mask).astype(np.int64)
    answer = np.full(len(place), _EMPTY, np.int32)
    pending = np.arange(len(place), dtype=np.int32)
    while len(pending):
        holder = slots[place]
        some = holder != _EMPTY
        pending, place, holder = pending[some], place[some], holder[some]
        hit = equal(asked, pending, words, holder)
        answer[pending[hit]] = holder[hit]
        pending, place = pending[~hit], (place[~hit] + 1) & np.int64(mask)
    return answer
