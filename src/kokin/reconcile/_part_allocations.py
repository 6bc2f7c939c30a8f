"""Allocation of payments to the parts (内訳) of their bill, to the yen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from kokin._arrow import Int32Array, Int64Array, UInt8Array
from kokin.matching import Allocations, allocate_in_order, fill_in_order
from kokin.reconcile._billed import Billed
from kokin.reconcile._columns import Coded
from kokin.rules import SplitMethod, columns

_METHODS: tuple[SplitMethod, ...] = ("prorata", "water_first", "reject")
_PRORATA, _WATER_FIRST, _REJECT = range(len(_METHODS))
_NO_PARTS, _INVALID_PARTS = 10, 11

_WATER = "water-charge"


class PartAllocations(NamedTuple):
    """Allocations divided among parts, ``k`` rows; they add up to the allocations.

    Yen that cannot be divided yet are booked without a part, and moved to the parts once they can.
    """

    #: int64 (k,): the row of the allocation.
    allocation: Int64Array
    #: (k,): the part; -1: not divided.
    part: Coded
    #: int64 (k,).
    yen: Int64Array


class Mismatches(NamedTuple):
    """Allocations that cannot be divided as their slip says, ``k`` rows."""

    #: int64 (k,): the row of the allocation.
    allocation: Int64Array
    #: int64 (k,) each: yen.
    expected: Int64Array
    found: Int64Array


class _PartTable(NamedTuple):
    """The parts of ``t`` obligations in a row each, at most ``p``; padded with -1 and 0 yen."""

    #: uint8 (t,): an index of ``_METHODS``, ``_NO_PARTS`` or ``_INVALID_PARTS``.
    method: UInt8Array
    #: int64 (t, p) each.
    name: Int64Array
    yen: Int64Array


def allocate_to_parts(
    allocations: Allocations, billed: Billed, split: Mapping[str, SplitMethod]
) -> tuple[PartAllocations, Mismatches, Mismatches]:
    """Divide allocations among the parts of their slips.

    A slip without parts is one part, its charge. A payment is divided by what is still open on the parts, so that the
    last one completes each of them; what was paid before the run counts as one payment.

    Args:
        allocations: all allocations to each of their obligations.
        billed: the bills.
        split: the method, by the charge of the slip.

    Returns:
        The allocations by part; the allocations to slips whose parts do not add up to the bill; the partial payments
        that are not divided (method ``reject``).
    """
    obligations, of_table = np.unique(allocations.obligation, return_inverse=True)
    charge = billed.charge.codes[billed.slip_of[obligations]]
    table = _part_table(obligations, billed, split)
    total = billed.index.obligations.billed[obligations]
    paid_before = total - billed.index.obligations.open[obligations]
    names = [*billed.charge.words, *billed.parts.names.words]

    method = table.method[of_table]
    whole = np.flatnonzero(method == _NO_PARTS)
    found: list[tuple[Int64Array, Any, Int64Array]] = [(whole, charge[of_table[whole]], allocations.yen[whole])]
    divided = np.flatnonzero(method <= _WATER_FIRST)
    yen = _divide(divided, of_table[divided], allocations, table, paid_before)
    found += _part_rows(divided, table.name[of_table[divided]], yen)

    completes = (method == _REJECT) & (allocations.yen == allocations.balance_before)
    undivided = np.flatnonzero((method == _INVALID_PARTS) | ((method == _REJECT) & ~completes))
    found.append((undivided, np.full(len(undivided), -1), allocations.yen[undivided]))
    last = np.flatnonzero(completes)
    found += _part_rows(last, table.name[of_table[last]], table.yen[of_table[last]])
    moved = allocations.balance_before[last] - total[of_table[last]]
    found.append((last[moved < 0], np.full(np.count_nonzero(moved < 0), -1), moved[moved < 0]))

    allocation, part, yen = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((np.where(part < 0, len(names), part), allocation))
    invalid, partial = np.flatnonzero(method == _INVALID_PARTS), undivided[method[undivided] == _REJECT]
    return (
        PartAllocations(allocation[order], Coded(part[order].astype(np.int32), names), yen[order]),
        Mismatches(invalid, total[of_table[invalid]], table.yen.sum(axis=1)[of_table[invalid]]),
        Mismatches(partial, allocations.balance_before[partial], allocations.yen[partial]),
    )


def _part_table(obligations: Int32Array, billed: Billed, split: Mapping[str, SplitMethod]) -> _PartTable:
    """Return the parts of obligations, and by which method a payment on each is divided."""
    slip = billed.slip_of[obligations]
    offsets, names, yen = billed.parts
    count = offsets[slip + 1] - offsets[slip]
    width = int(count.max(initial=0))
    column = np.arange(width)
    has_part = column < count[:, None]
    at = np.where(has_part, offsets[slip][:, None] + column, 0)
    name = np.where(has_part, names.codes[at] + len(billed.charge.words), -1) if width else at
    part = np.where(has_part, yen[at], 0) if width else at

    methods = [_METHODS.index(split.get(charge, "prorata")) for charge in billed.charge.words]
    method = np.array([*methods, _PRORATA], np.uint8)[billed.charge.codes[slip]]
    method[part.sum(axis=1) != billed.index.obligations.billed[obligations]] = _INVALID_PARTS
    method[count == 0] = _NO_PARTS
    if _WATER in names.words:
        # Parts are filled in their order, so the water charge moves to the first place.
        water = name == names.words.index(_WATER) + len(billed.charge.words)
        order = np.argsort(np.where((method == _WATER_FIRST)[:, None] & water, -1, column), axis=1, kind="stable")
        name, part = np.take_along_axis(name, order, axis=1), np.take_along_axis(part, order, axis=1)
    return _PartTable(method, name, part)


def _divide(
    rows: Int64Array, of_table: Int64Array, allocations: Allocations, table: _PartTable, paid_before: Int64Array
) -> Int64Array:
    """Return the yen that allocations put on each part: int64 (k, p).

    The accounts of :func:`allocate_in_order` are the cells of the table, the components its rows.
    """
    width = table.yen.shape[1]
    yen = np.zeros((len(rows), width), np.int64)
    earlier = np.unique(of_table[paid_before[of_table] > 0])
    order = np.argsort(-allocations.balance_before[rows], kind="stable")
    amount = np.concatenate([paid_before[earlier], allocations.yen[rows[order]]])
    row = np.concatenate([earlier, of_table[order]])
    target = np.concatenate([np.full(len(earlier), -1), order])
    for method, divide in ((_PRORATA, _prorata), (_WATER_FIRST, fill_in_order)):
        some = np.flatnonzero(table.method[row] == method)
        if not len(some):
            continue
        cells = (row[some, None] * width + np.arange(width)).reshape(-1)
        count = np.full(len(some), width)
        put, _, _ = allocate_in_order(amount[some], count, cells, row[some], table.yen.reshape(-1), divide)
        in_run = target[some] >= 0
        yen[target[some][in_run]] = put.reshape(-1, width)[in_run]
    return yen


def _prorata(amount: Int64Array, open_: Int64Array, start: Int64Array) -> Int64Array:
    """Divide payments in proportion to what is open on their parts, of which all have the same number."""
    return columns.prorata(amount, list(open_.reshape(len(start), -1).T)).reshape(-1)


def _part_rows(rows: Int64Array, names: Int64Array, yen: Int64Array) -> list[tuple[Int64Array, Any, Int64Array]]:
    """Return the cells of a table of yen that are not 0: the row's number, the part, its yen."""
    row, column = np.nonzero(yen)
    return [(rows[row], names[row, column], yen[row, column])]
