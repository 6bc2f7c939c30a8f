"""An open-addressing table over packed numbers, filled and asked by whole columns.

A slot holds the row of a key or -1. Every answer is verified word for word, so two numbers never pass for one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kokin.columns import Flags, Ints, Rows, Words, stretches

#: Slots per key: two of three stay empty, so five of six searches end at their first slot.
SPARE = 3

#: A slot that no key has.
EMPTY = -1

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_STIR = np.uint64(0xBF58476D1CE4E5B9)
_HALF = np.uint64(32)


def places(words: Words, size: int) -> Ints:
    """The slot at which the search for each key begins, 0 to ``size - 1``: int64 (n,).

    Multiply, xor and shift the words of a key; then the upper half is scaled to the size.
    """
    state = words[:, 0] * _SPREAD
    for column in range(1, words.shape[1]):
        state ^= state >> _HALF
        state += words[:, column]
        state *= _SPREAD
    state ^= state >> _HALF
    state *= _STIR
    state >>= _HALF
    state *= np.uint64(size)
    state >>= _HALF
    return state.view(np.int64)


def gather(words: Words, rows: npt.NDArray[Any]) -> Words:
    """Some rows of packed keys: uint64 (k, words). A pair of words is moved as one item of 16 bytes."""
    if words.shape[1] == 2:
        return words.view(np.complex128)[:, 0].take(rows, mode="clip").view(np.uint64).reshape(-1, 2)
    return words.take(rows, axis=0, mode="clip")


def equal(left: Words, right: Words) -> Flags:
    """Whether keys are the same number, row by row: bool (k,)."""
    same: Flags = left[:, 0] == right[:, 0]
    for column in range(1, left.shape[1]):
        same &= left[:, column] == right[:, column]
    return same


def fill(words: Words, present: Flags) -> tuple[Rows, Rows, Rows]:
    """A table over the keys that are present.

    Rows are written by the stretch; the losers of a slot are found by reading back, and moved on in the next round.

    Returns:
        The slots: int32 (:data:`SPARE` times the keys,). Rows whose number another row has put there already, and those
        other rows: int32 (k,) each.
    """
    rows = np.flatnonzero(present).astype(np.int32)
    slots = np.full(SPARE * len(rows) + 1, EMPTY, np.int32)
    place: Ints | None = None
    again, first = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    while len(rows):
        left_rows, left_places = [], []
        for some in stretches(len(rows)):
            pending = rows[some]
            at = places(gather(words, pending), len(slots)) if place is None else place[some]
            free = np.flatnonzero(slots.take(at) == EMPTY)
            slots[at.take(free)] = pending.take(free)
            holder = slots.take(at)
            lost = np.flatnonzero(holder != pending)
            pending, at, holder = pending.take(lost), at.take(lost), holder.take(lost)
            same = equal(gather(words, pending), gather(words, holder))
            again.append(pending[same])
            first.append(holder[same])
            others = np.flatnonzero(~same)
            left_rows.append(pending.take(others))
            left_places.append(following(at.take(others), len(slots)))
        rows, place = np.concatenate(left_rows), np.concatenate(left_places)
    return slots, np.concatenate(again), np.concatenate(first)


def probe(slots: Rows, words: Words, asked: Words) -> Rows:
    """The row that has each asked number, -1 where none has: int32 (n,).

    Misses are carried to the next slot until they meet an empty one.
    """
    place = places(asked, len(slots))
    answer = slots.take(place)
    wrong = equal(gather(words, answer), asked)
    np.logical_not(wrong, out=wrong)
    pending = np.flatnonzero(wrong)
    place = place.take(pending)
    while len(pending):
        there = np.flatnonzero(answer.take(pending) != EMPTY)
        pending, place = pending.take(there), following(place.take(there), len(slots))
        holder = slots.take(place)
        answer[pending] = holder
        missed = np.flatnonzero(~equal(gather(words, holder), gather(asked, pending)))
        pending, place = pending.take(missed), place.take(missed)
    return answer


def following(place: Ints, size: int) -> Ints:
    """The slot after each, the first one after the last: int64 (n,)."""
    after = place + 1
    after[after == size] = 0
    return after
