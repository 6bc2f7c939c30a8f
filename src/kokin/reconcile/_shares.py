"""Shares: what a payment took from each obligation that its slip settles."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from kokin._arrow import Int32Array, Int64Array
from kokin.matching import Obligations


class Shares(NamedTuple):
    """Yen of payments on obligations, ``k`` rows, by payment and within it by term."""

    #: int64 (k,): the payment.
    payment: Int64Array
    #: int32 (k,): the obligation.
    obligation: Int32Array
    #: int64 (k,): yen that lowered its balance.
    yen: Int64Array
    #: int64 (k,): the balance of the obligation before; of two shares the one that met more came first.
    met: Int64Array


def share(slip: Int32Array, applied: Int64Array, met: Int64Array, rank: Int64Array, debts: Obligations) -> Shares:
    """The shares of payments, ``n`` rows, that lowered a balance.

    ``applied`` and ``met`` are the judgement's, int64 (n,). ``rank``, int64 (n,), is the order of finals; only where a
    slip settles several obligations (全期) does the judgement not tell it already.
    """
    count, obligation = debts.spread(debts.lead(slip))
    payment = np.repeat(np.arange(len(slip)), count)
    yen, before = applied[payment], met[payment]
    if (count > 1).any():
        circle = debts.circle(slip)
        mixed = np.flatnonzero(np.isin(circle, circle[count > 1]))
        order = mixed[np.lexsort((rank[mixed], circle[mixed]))]
        _replay(order, circle[order], applied, np.cumsum(count) - count, count, obligation, debts.open, yen, before)
    lowered = yen > 0
    return Shares(payment[lowered], obligation[lowered], yen[lowered], before[lowered])


def _replay(
    order: Int64Array,
    circle: Int32Array,
    applied: Int64Array,
    first: Int64Array,
    count: Int64Array,
    obligation: Int32Array,
    balance: Int64Array,
    yen: Int64Array,
    before: Int64Array,
) -> None:
    """Pay again, round by round, in each the next payment of every circle; write the shares into ``yen, before``.

    ``order`` are the payments by circle and rank. The shares of payment ``i`` are ``first[i] : first[i] + count[i]``.
    """
    balance = balance.copy()
    turn = np.arange(len(order)) - np.searchsorted(circle, circle)
    by_turn = order[np.argsort(turn, kind="stable")]
    for start, end in pairwise([0, *np.cumsum(np.bincount(turn)).tolist()]):
        payments = by_turn[start:end]
        size = count[payments]
        head = np.repeat(np.cumsum(size) - size, size)
        at = np.arange(len(head)) - head + np.repeat(first[payments], size)
        there = balance[obligation[at]]
        earlier = np.cumsum(there) - there
        taken = np.clip(np.repeat(applied[payments], size) - (earlier - earlier[head]), 0, there)
        balance[obligation[at]] = there - taken
        yen[at], before[at] = taken, there
