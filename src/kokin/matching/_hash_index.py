"""Hash index over encoded keys: open addressing with linear probing, built and queried by whole columns.

A slot contains the row of a key or :data:`EMPTY`. Hits are compared key by key, so a hash collision cannot produce a
wrong match. On a million keys of 16 bytes a lookup is 11 times as fast as ``np.searchsorted`` in the sorted hashes (3.4
times as fast if the queries are sorted first), and building takes the same time; ``pc.index_in`` builds its table again
in every call and cannot be saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import (
    BoolArray,
    Int32Array,
    Int64Array,
    UInt8Array,
    UInt64Array,
    from_numpy,
    text_ranks,
    to_numpy,
)
from kokin._arrow.threads import chunk_slices, sort, sorted_unique, thread_map
from kokin.matching._groups import first_of_runs, group, starts_of_runs
from kokin.matching._keys import TEXT_WORDS, EncodedKeys
from kokin.matching._obligations import OPEN, Obligations

#: In place of a slip: no bill has the key, open bills of several obligations have it, the receipt has no key.
NO_BILL, AMBIGUOUS, NO_KEY = -1, -2, -3

# Bits of a KeyFilter per key: one of sixteen keys that no receipt has passes it.
_BITS_PER_KEY = 16

#: Slots per key: two of three stay empty, so five of six searches end at their first slot.
SLOTS_PER_KEY = 3
#: A slot without a key.
EMPTY = -1

# Slots at which a key is searched. In a table of random hashes the longest run of occupied slots is far shorter.
_MAX_PROBES = 64

# Fibonacci hashing (2**64 / golden ratio), and a multiplier of the SplitMix64 finalizer.
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_FINAL_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9)
_HALF = np.uint64(32)


class KeyIndex(NamedTuple):
    """The slips by one kind of key."""

    #: uint64 (k, words): the keys.
    words: UInt64Array
    #: int32: the table of :func:`build_table`.
    table: Int32Array
    #: int32 (k,): the slip that each key leads to, or :data:`AMBIGUOUS`; None if key i leads to slip i.
    representative: Int32Array | None

    @classmethod
    def build(
        cls,
        keys: EncodedKeys,
        bill_id: pa.Array,
        status: UInt8Array,
        obligations: Obligations,
        slips: Int32Array | None = None,
    ) -> KeyIndex:
        """Index keys of one kind; :class:`~kokin.matching.Index` says where a shared key leads.

        ``slips``, int32 (k,), are their slips; None: key i is that of slip i.
        """
        table, duplicates, firsts = build_table(keys.words, keys.present)
        if not len(duplicates):
            return cls(keys.words, table, slips)
        if slips is None:
            return cls(keys.words, table, choose_slips(duplicates, firsts, bill_id, status, obligations))
        chosen = choose_slips(slips[duplicates], slips[firsts], bill_id, status, obligations)
        return cls(keys.words, table, chosen[slips])

    def lookup(self, keys: EncodedKeys) -> Int32Array:
        """Return the slip of each key, :data:`NO_BILL` or :data:`AMBIGUOUS`: int32 (k,)."""
        rows = lookup(self.table, self.words, keys.words)
        rows[keys.invalid] = NO_BILL
        if self.representative is None:
            return rows
        return np.where(rows < 0, rows, self.representative.take(rows, mode="clip"))


class KeyFilter:
    """The keys of one kind that receipts have, as bits by their hash: a key without its bit is that of no receipt.

    Only the first :data:`TEXT_WORDS` words are hashed, as the number of words of a text differs between tables.
    """

    def __init__(self, keys: Sequence[EncodedKeys]) -> None:
        count = sum(int(np.count_nonzero(of_batch.present)) for of_batch in keys)
        self._shift = np.uint64(64 - (_BITS_PER_KEY * count + 1).bit_length())
        self._is_key = np.zeros(1 << (64 - int(self._shift)), np.bool_)
        for of_batch in keys:
            self._is_key[self._bits(of_batch.words[of_batch.present])] = True

    def _bits(self, words: UInt64Array) -> UInt64Array:
        return hash_keys(words[:, :TEXT_WORDS]) >> self._shift

    def may_contain(self, keys: EncodedKeys) -> BoolArray:
        """Return which keys receipts may have: bool (n,); True for each that one has."""
        return keys.present & self._is_key.take(self._bits(keys.words))


def choose_slips(
    duplicates: Int32Array, firsts: Int32Array, bill_id: pa.Array, status: UInt8Array, obligations: Obligations
) -> Int32Array:
    """Return for every slip the one that its key leads to, or :data:`AMBIGUOUS`: int32 (n,).

    Among the slips of one key the first by status and ``bill_id`` is chosen. The key is ambiguous if another one is
    open and settles other obligations than the chosen one. Slips 0, 1, 2 with one key, of which 0 is superseded and 1
    and 2 are open with different obligations: ``duplicates`` [1, 2], ``firsts`` [0, 0], result [-2, 1, 2]; only the
    entry of the first slip is looked up.
    """
    owners = sorted_unique(firsts)
    slip, first = np.concatenate([owners, duplicates]), np.concatenate([owners, firsts])
    by_slip = np.argsort(slip)  # bill ids are often in this order
    slip, first = slip[by_slip], first[by_slip]
    id_rank = text_ranks(bill_id.take(from_numpy(slip, pa.int32())))
    order = np.lexsort((id_rank, status[slip], first))
    slip, first = slip[order], first[order]
    starts = starts_of_runs(first)
    debt = _settled_by(slip, obligations)
    differs = (status[slip] == OPEN) & (debt != first_of_runs(debt, starts))
    chosen = np.arange(len(status), dtype=np.int32)
    chosen[first] = first_of_runs(slip, starts)
    chosen[first[differs]] = AMBIGUOUS
    return chosen


def _settled_by(slips: Int32Array, obligations: Obligations) -> Int64Array:
    """Return a number for what each slip settles, the same for slips that settle the same obligations: int64 (k,).

    A slip of one obligation has the number of it. Slips of several are numbered from -1 down by their sorted
    obligations: position by position, the number so far and the next obligation together become the next number.
    """
    number = obligations.of(slips).astype(np.int64)
    covering = np.flatnonzero(number < 0)
    if not len(covering):
        return number
    count, covered = obligations.expand(slips[covering])
    start = np.cumsum(count) - count
    covered = covered[np.lexsort((covered, np.repeat(np.arange(len(count)), count)))].astype(np.int64)
    number[covering[count == 1]] = covered[start[count == 1]]
    several = count > 1
    covering, count, start = covering[several], count[several], start[several]
    code = np.zeros(len(count), np.int64)
    for position in range(int(count.max(initial=0))):
        has_next = position < count
        following = covered[np.where(has_next, start + position, 0)]
        code = group(code, np.where(has_next, following, -1))
    number[covering] = -1 - code
    return number


def build_table(words: UInt64Array, present: BoolArray) -> tuple[Int32Array, Int32Array, Int32Array]:
    """Build a table over the keys that are present.

    Sorted by their hashes, keys come in the order of their slots, so memory is written from one end to the other, by
    several threads (see :func:`assign_slots`).

    Returns:
        The slots: int32 (``SLOTS_PER_KEY * keys + 1``,). The rows whose key an earlier entry of the table has, and the
        rows of these entries: int32 (k,) each.
    """
    entries, row_bits = _sorted_entries(words, present)
    table = np.full(SLOTS_PER_KEY * len(entries) + 1, EMPTY, np.int32)
    entries, duplicates, firsts = _without_duplicates(entries, words, row_bits)

    def insert(chunk: slice) -> tuple[Int32Array, int]:
        """Fill the slots before the next chunk's first home slot; return that slot and the rows that do not fit."""
        slots = assign_slots(home_slots(entries[chunk], len(table)))
        rows = _rows_of(entries[chunk], row_bits)
        end = int(home_slots(entries[chunk.stop : chunk.stop + 1], len(table)).min(initial=len(table)))
        fitting = np.searchsorted(slots, end)
        table[slots[:fitting]] = rows[:fitting]
        return rows[fitting:], end

    for overflow, slot in thread_map(insert, chunk_slices(len(entries))):
        for row in overflow:
            while table[slot % len(table)] != EMPTY:
                slot += 1
            table[slot % len(table)] = row
    return table, duplicates, firsts


def assign_slots(homes: Int64Array) -> Int64Array:
    """Return the slots of keys in the order of their home slots: its own, or if that is taken the next free one.

    With the key's position subtracted, "at least one after the slot before" becomes a running maximum:

    >>> assign_slots(np.array([2, 2, 3, 7])).tolist()
    [2, 3, 4, 7]
    """
    positions = np.arange(len(homes))
    slots: Int64Array = np.maximum.accumulate(homes - positions)
    slots += positions
    return slots


def lookup(table: Int32Array, words: UInt64Array, queries: UInt64Array) -> Int32Array:
    """Return the row that has each queried key, -1 if none has: int32 (k,).

    Queries that miss move to the next slot until they reach an empty one. In a table of keys that were made to collide,
    the few that have not found it after ``_MAX_PROBES`` slots are searched in all of its keys.
    """
    slots = home_slots(hash_keys(queries), len(table))
    rows = table.take(slots)
    pending = np.flatnonzero(~_equal(gather(words, rows), queries))
    slots = slots.take(pending)
    for _ in range(_MAX_PROBES):
        occupied = np.flatnonzero(rows.take(pending) != EMPTY)
        pending, slots = pending.take(occupied), slots.take(occupied) + 1
        slots[slots == len(table)] = 0
        candidates = table.take(slots)
        rows[pending] = candidates
        missed = np.flatnonzero(~_equal(gather(words, candidates), gather(queries, pending)))
        pending, slots = pending.take(missed), slots.take(missed)
        if not len(pending):
            return rows
    rows[pending] = _search(table, words, gather(queries, pending))
    return rows


def _search(table: Int32Array, words: UInt64Array, queries: UInt64Array) -> Int32Array:
    """Return what :func:`lookup` returns, from Arrow's hash table over all keys, which is built for this call."""
    rows = table[table != EMPTY]
    found = pc.index_in(_as_binary(queries), value_set=_as_binary(gather(words, rows)))
    found_rows: Int32Array = np.append(rows, np.int32(EMPTY))[to_numpy(found, -1)]
    return found_rows


def hash_keys(words: UInt64Array) -> UInt64Array:
    """Return a 64-bit hash of each key, uint64 (n,), by multiplications and xor-shifts."""
    state = words[:, 0] * _MULTIPLIER
    for column in range(1, words.shape[1]):
        state ^= state >> _HALF
        state += words[:, column]
        state *= _MULTIPLIER
    state ^= state >> _HALF
    state *= _FINAL_MULTIPLIER
    return state


def home_slots(hashes: UInt64Array, size: int) -> Int64Array:
    """Return the slot at which the search for each key begins, 0 to ``size - 1``, ascending with the hash: int64 (n,).

    The high 32 bits are scaled to the size without a division
    (https://lemire.me/blog/2016/06/27/a-fast-alternative-to-the-modulo-reduction/).
    """
    slots = hashes >> _HALF
    slots *= np.uint64(size)
    slots >>= _HALF
    return slots.view(np.int64)


def gather(words: UInt64Array, rows: npt.NDArray[Any]) -> UInt64Array:
    """Return some rows of encoded keys: uint64 (k, words).

    A pair of words is moved as one complex128: numpy has no integer of 16 bytes, and one move is faster than two.
    """
    if words.shape[1] == 2:
        return words.view(np.complex128)[:, 0].take(rows, mode="clip").view(np.uint64).reshape(-1, 2)
    return words.take(rows, axis=0, mode="clip")


def _equal(left: UInt64Array, right: UInt64Array) -> BoolArray:
    """Return which rows have equal keys: bool (k,)."""
    same: BoolArray = left[:, 0] == right[:, 0]
    for column in range(1, left.shape[1]):
        same &= left[:, column] == right[:, column]
    return same


def _sorted_entries(words: UInt64Array, present: BoolArray) -> tuple[UInt64Array, int]:
    """Return hash and row of the present keys in one word each, sorted: uint64 (k,); and the number of row bits.

    The row replaces the lowest bits of the hash. With 3 row bits the key of row 5 and hash 0x1234 becomes 0x1235.
    """
    rows = np.flatnonzero(present)
    row_bits = len(words).bit_length()
    entries = np.empty(len(rows), np.uint64)

    def encode(chunk: slice) -> None:
        hashes = hash_keys(gather(words, rows[chunk]))
        entries[chunk] = (hashes >> np.uint64(row_bits) << np.uint64(row_bits)) | rows[chunk].view(np.uint64)

    thread_map(encode, chunk_slices(len(rows)))
    sort(entries)
    return entries, row_bits


def _without_duplicates(
    entries: UInt64Array, words: UInt64Array, row_bits: int
) -> tuple[UInt64Array, Int32Array, Int32Array]:
    """Return the sorted entries with each key once; the rows of duplicate keys, and the row that keeps each key.

    Only entries that share their hash with a neighbour are compared, by Arrow's own hash table, so keys that were made
    to collide in this one cost no more. Rows with the keys A B A B of one hash are numbered 0 1 0 1: the first row of
    each number keeps the key.
    """
    positions = _positions_of_shared_hashes(entries, row_bits)
    rows = _rows_of(entries[positions], row_bits)
    number = to_numpy(_as_binary(gather(words, rows)).dictionary_encode().indices, 0)
    is_first = np.ones(len(rows), np.bool_)
    is_first[1:] = number[1:] > np.maximum.accumulate(number)[:-1]
    if is_first.all():
        return entries, rows[:0], rows[:0]
    keep = np.ones(len(entries), np.bool_)
    keep[positions[~is_first]] = False
    return entries[keep], rows[~is_first], rows[is_first][number[~is_first]]


def _as_binary(words: UInt64Array) -> pa.FixedSizeBinaryArray:
    """Return encoded keys as an Arrow array, without a copy: (n,)."""
    kind, values = pa.binary(words.itemsize * words.shape[1]), np.ascontiguousarray(words)
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(words), [None, pa.py_buffer(values)])


def _positions_of_shared_hashes(entries: UInt64Array, row_bits: int) -> Int64Array:
    """Return the positions of sorted entries whose hash a neighbour has too: int64 (k,)."""
    positions = [np.empty(0, np.int64)]
    for chunk in chunk_slices(len(entries) - 1):
        differing_bits = entries[chunk] ^ entries[chunk.start + 1 : chunk.stop + 1]
        left = np.flatnonzero(differing_bits >> np.uint64(row_bits) == 0) + chunk.start
        positions += [left, left + 1]
    return sorted_unique(np.concatenate(positions))


def _rows_of(entries: UInt64Array, row_bits: int) -> Int32Array:
    """Return the rows in the lowest bits of entries: int32 (n,)."""
    return (entries & np.uint64((1 << row_bits) - 1)).astype(np.int32)
