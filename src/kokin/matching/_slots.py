"""An open-addressing table over packed numbers, filled and asked by whole columns.

A slot holds the row of a key or -1. Every answer is verified word for word, so two numbers never pass for one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kokin._arrow import (
    CHUNK_ROWS,
    BoolArray,
    Int32Array,
    Int64Array,
    UInt64Array,
    chunk_slices,
    sort,
    sorted_unique,
    thread_map,
)

#: Slots per key: two of three stay empty, so five of six searches end at their first slot.
SPARE = 3

#: A slot that no key has.
EMPTY = -1

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_STIR = np.uint64(0xBF58476D1CE4E5B9)
_HALF = np.uint64(32)


def hashes(words: UInt64Array) -> UInt64Array:
    """The words of each key multiplied, xored and shifted into one: uint64 (n,)."""
    state = words[:, 0] * _SPREAD
    for column in range(1, words.shape[1]):
        state ^= state >> _HALF
        state += words[:, column]
        state *= _SPREAD
    state ^= state >> _HALF
    state *= _STIR
    return state


def places(hashed: UInt64Array, size: int) -> Int64Array:
    """The slot at which the search for each key begins, 0 to ``size - 1``: int64 (n,). In the order of the hashes."""
    state = hashed >> _HALF
    state *= np.uint64(size)
    state >>= _HALF
    return state.view(np.int64)


def gather(words: UInt64Array, rows: npt.NDArray[Any]) -> UInt64Array:
    """Some rows of packed keys: uint64 (k, words). A pair of words is moved as one item of 16 bytes."""
    if words.shape[1] == 2:
        return words.view(np.complex128)[:, 0].take(rows, mode="clip").view(np.uint64).reshape(-1, 2)
    return words.take(rows, axis=0, mode="clip")


def equal(left: UInt64Array, right: UInt64Array) -> BoolArray:
    """Whether keys are the same number, row by row: bool (k,)."""
    same: BoolArray = left[:, 0] == right[:, 0]
    for column in range(1, left.shape[1]):
        same &= left[:, column] == right[:, column]
    return same


def fill(words: UInt64Array, present: BoolArray) -> tuple[Int32Array, Int32Array, Int32Array]:
    """A table over the keys that are present.

    Sorted by their hashes, keys come in the order of their slots: each gets its own or, if that is taken, the one after
    the key before it. So memory is written from one end to the other, by several threads.

    Returns:
        The slots: int32 (:data:`SPARE` times the keys,). Rows whose number another row has put there already, and those
        other rows: int32 (k,) each.
    """
    ordered, bits = _ordered(words, present)
    slots = np.full(SPARE * len(ordered) + 1, EMPTY, np.int32)
    ordered, again, first = _without_repeated(ordered, words, bits)
    count = np.arange(CHUNK_ROWS)

    def put(some: slice) -> tuple[Int32Array, int]:
        """Fill the slots up to the first one of the next stretch; the keys that find none, and that slot."""
        keys = ordered[some]
        rows, place = _rows_of(keys, bits), places(keys, len(slots))
        place -= count[: len(place)]
        np.maximum.accumulate(place, out=place)
        place += count[: len(place)]
        end = int(places(ordered[some.stop : some.stop + 1], len(slots)).min(initial=len(slots)))
        fits = np.searchsorted(place, end)
        slots[place[:fits]] = rows[:fits]
        return rows[fits:], end

    for rows, place in thread_map(put, chunk_slices(len(ordered))):
        for row in rows:
            while slots[place % len(slots)] != EMPTY:
                place += 1
            slots[place % len(slots)] = row
    return slots, again, first


def _ordered(words: UInt64Array, present: BoolArray) -> tuple[UInt64Array, int]:
    """Hash and row of the keys that are present, in one word each, sorted: uint64 (k,); the bits that the row takes."""
    rows = np.flatnonzero(present)
    bits = len(words).bit_length()
    keys = np.empty(len(rows), np.uint64)

    def note(some: slice) -> None:
        keys[some] = hashes(gather(words, rows[some])) >> np.uint64(bits) << np.uint64(bits)
        keys[some] |= rows[some].view(np.uint64)

    thread_map(note, chunk_slices(len(rows)))
    sort(keys)
    return keys, bits


def _without_repeated(
    ordered: UInt64Array, words: UInt64Array, bits: int
) -> tuple[UInt64Array, Int32Array, Int32Array]:
    """Sorted hashes with their rows, each number once; rows that repeat a number, and the rows that keep it."""
    again, first = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    keep = np.ones(len(ordered), np.bool_)
    later = _alike(ordered, bits)
    run = ordered[later] >> np.uint64(bits)
    rows = _rows_of(ordered[later], bits)
    while len(later):
        head = np.ones(len(later), np.bool_)
        head[1:] = run[1:] != run[:-1]
        holder = rows[head][np.cumsum(head) - 1]
        same = equal(gather(words, rows), gather(words, holder)) & ~head
        again.append(rows[same])
        first.append(holder[same])
        keep[later[same]] = False
        others = ~(same | head)
        later, run, rows = later[others], run[others], rows[others]
    found = np.concatenate(again)
    return ordered[keep] if len(found) else ordered, found, np.concatenate(first)


def _alike(ordered: UInt64Array, bits: int) -> Int64Array:
    """Places in a sorted column whose hash a neighbour has too: int64 (k,)."""
    found = [np.empty(0, np.int64)]
    for some in chunk_slices(len(ordered) - 1):
        pair = np.flatnonzero((ordered[some] ^ ordered[some.start + 1 : some.stop + 1]) >> np.uint64(bits) == 0)
        found += [pair + some.start, pair + some.start + 1]
    return sorted_unique(np.concatenate(found))


def _rows_of(keys: UInt64Array, bits: int) -> Int32Array:
    """The rows that stand in the lowest bits: int32 (n,)."""
    return (keys & np.uint64((1 << bits) - 1)).astype(np.int32)


def probe(slots: Int32Array, words: UInt64Array, asked: UInt64Array) -> Int32Array:
    """The row that has each asked number, -1 where none has: int32 (n,).

    Misses are carried to the next slot until they meet an empty one.
    """
    place = places(hashes(asked), len(slots))
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


def following(place: Int64Array, size: int) -> Int64Array:
    """The slot after each, the first one after the last: int64 (n,)."""
    after = place + 1
    after[after == size] = 0
    return after
