"""Parts (内訳): what of a payment belongs to which of the debts on its slip, to the yen."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from kokin._arrow import Int32Array, Int64Array, UInt8Array
from kokin.reconcile._bill_columns import BillColumns
from kokin.reconcile._columns import Categorical
from kokin.reconcile._shares import Shares
from kokin.rules import SplitMethod, columns

_METHODS: tuple[SplitMethod, ...] = ("prorata", "water_first", "reject")
_PRORATA, _WATER_FIRST, _REJECT = range(len(_METHODS))
_NO_PARTS, _WRONG_PARTS = 10, 11

_WATER = "water-charge"


class Pieces(NamedTuple):
    """The shares cut up, ``k`` rows: they add up to the shares.

    Yen that cannot be told apart yet are held under no part; where they can at last, the same yen are taken from there.
    """

    #: int64 (k,): the share.
    share: Int64Array
    #: (k,): the part; -1: held.
    part: Categorical
    #: int64 (k,).
    yen: Int64Array


class Mismatches(NamedTuple):
    """Shares that cannot be split as their slip says, ``k`` rows."""

    #: int64 (k,): the share.
    share: Int64Array
    #: int64 (k,) each: yen.
    expected: Int64Array
    found: Int64Array


class _Table(NamedTuple):
    """The parts of ``t`` obligations side by side, ``p`` of them at most; filled with no part of 0 yen."""

    #: uint8 (t,): a place in ``_METHODS``, ``_NO_PARTS`` or ``_WRONG_PARTS``.
    method: UInt8Array
    #: int64 (t, p) each.
    name: Int64Array
    yen: Int64Array


def cut(shares: Shares, billed: BillColumns, split: Mapping[str, SplitMethod]) -> tuple[Pieces, Mismatches, Mismatches]:
    """Cut shares into parts.

    A slip without parts is one part, its charge. A payment is split over what is still open of the parts, so that the
    last one leaves nothing over; what was paid before the run counts as one payment.

    Args:
        shares: the shares; all of an obligation's must be among them.
        billed: the bills.
        split: how, by the charge of the slip.

    Returns:
        The pieces; the shares of slips whose parts do not add up to the bill; the partial payments that are not split.
    """
    touched, local = np.unique(shares.obligation, return_inverse=True)
    charge = billed.charge.codes[billed.main_slip[touched]]
    table = _tabulate(touched, billed, split)
    debts = billed.index.debts
    whole = debts.billed[touched]
    before = whole - debts.open[touched]
    words = [*billed.charge.categories, *billed.parts.names.categories]

    method = table.method[local]
    whole_rows = np.flatnonzero(method == _NO_PARTS)
    pieces: list[tuple[Int64Array, Any, Int64Array]] = [(whole_rows, charge[local[whole_rows]], shares.yen[whole_rows])]
    split_rows = np.flatnonzero(method <= _WATER_FIRST)
    taken = _split(split_rows, local[split_rows], shares, table, before)
    pieces += _flat(split_rows, table.name[local[split_rows]], taken)

    completes = (method == _REJECT) & (shares.yen == shares.met)
    held = np.flatnonzero((method == _WRONG_PARTS) | ((method == _REJECT) & ~completes))
    pieces.append((held, np.full(len(held), -1), shares.yen[held]))
    last = np.flatnonzero(completes)
    pieces += _flat(last, table.name[local[last]], table.yen[local[last]])
    released = shares.met[last] - whole[local[last]]
    pieces.append((last[released < 0], np.full(np.count_nonzero(released < 0), -1), released[released < 0]))

    share, part, yen = (np.concatenate(column) for column in zip(*pieces, strict=True))
    order = np.lexsort((np.where(part < 0, len(words), part), share))
    wrong, refused = np.flatnonzero(method == _WRONG_PARTS), held[method[held] == _REJECT]
    return (
        Pieces(share[order], Categorical(part[order].astype(np.int32), words), yen[order]),
        Mismatches(wrong, whole[local[wrong]], table.yen.sum(axis=1)[local[wrong]]),
        Mismatches(refused, shares.met[refused], shares.yen[refused]),
    )


def _tabulate(obligations: Int32Array, billed: BillColumns, split: Mapping[str, SplitMethod]) -> _Table:
    """The parts of obligations, and how a payment on each is split."""
    slip = billed.main_slip[obligations]
    offsets, names, yen = billed.parts
    count = offsets[slip + 1] - offsets[slip]
    width = int(count.max(initial=0))
    column = np.arange(width)
    there = column < count[:, None]
    at = np.where(there, offsets[slip][:, None] + column, 0)
    name = np.where(there, names.codes[at] + len(billed.charge.categories), -1) if width else at
    part = np.where(there, yen[at], 0) if width else at

    chosen = [_METHODS.index(split.get(charge, "prorata")) for charge in billed.charge.categories]
    method = np.array([*chosen, _PRORATA], np.uint8)[billed.charge.codes[slip]]
    method[part.sum(axis=1) != billed.index.debts.billed[obligations]] = _WRONG_PARTS
    method[count == 0] = _NO_PARTS
    if _WATER in names.categories:
        # Parts are filled in their order; water comes first by standing first.
        water = name == names.categories.index(_WATER) + len(billed.charge.categories)
        order = np.argsort(np.where((method == _WATER_FIRST)[:, None] & water, -1, column), axis=1, kind="stable")
        name, part = np.take_along_axis(name, order, axis=1), np.take_along_axis(part, order, axis=1)
    return _Table(method, name, part)


def _split(rows: Int64Array, local: Int64Array, shares: Shares, table: _Table, before: Int64Array) -> Int64Array:
    """What shares take from the parts, int64 (k, p): round by round, in each the next payment of every obligation."""
    still = table.yen.copy()
    paid = np.unique(local[before[local] > 0])
    still[paid] -= _one_round(before[paid], still[paid], table.method[paid])
    taken = np.zeros((len(rows), table.yen.shape[1]), np.int64)
    order = np.lexsort((-shares.met[rows], local))
    turn = np.arange(len(rows)) - np.searchsorted(local[order], local[order])
    by_turn = order[np.argsort(turn, kind="stable")]
    for start, end in pairwise([0, *np.cumsum(np.bincount(turn)).tolist()]):
        now = by_turn[start:end]
        who = local[now]
        taken[now] = _one_round(shares.yen[rows[now]], still[who], table.method[who])
        still[who] -= taken[now]
    return taken


def _one_round(yen: Int64Array, still: Int64Array, method: UInt8Array) -> Int64Array:
    """Payments on parts of which so much is open, int64 (k, p)."""
    taken = np.zeros_like(still)
    rows = np.flatnonzero(method == _PRORATA)
    if len(rows):
        taken[rows] = columns.prorata(yen[rows], list(still[rows].T))
    rows = np.flatnonzero(method == _WATER_FIRST)
    if len(rows):
        order = [str(place) for place in range(still.shape[1])]
        settled = columns.allocate(yen[rows], dict(zip(order, still[rows].T, strict=True)), order)
        taken[rows] = np.stack([settled[name] for name in order], axis=1)
    return taken


def _flat(rows: Int64Array, names: Int64Array, yen: Int64Array) -> list[tuple[Int64Array, Any, Int64Array]]:
    """The parts of a table of yen that are not nothing: the row's number, the part, its yen."""
    row, column = np.nonzero(yen)
    return [(rows[row], names[row, column], yen[row, column])]
