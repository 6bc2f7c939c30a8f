"""From one kind of number to the slip that it leads to, where several slips have the number too."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin.columns import Bytes, Ints, Rows, Words, integers, to_arrow
from kokin.matching._debts import OPEN, Debts
from kokin.matching._pack import Keys
from kokin.matching._slots import fill, probe

#: What stands for a slip where a receipt's number leads to none: no bill has it, open bills of several debts have it,
#: the receipt carries no number.
NO_BILL, SEVERAL, NO_NUMBER = -1, -2, -3


class Lookup(NamedTuple):
    """The slips by one kind of number."""

    #: uint64 (n, words): the numbers of all slips.
    words: Words
    #: int32: the table of :func:`kokin.matching._slots.fill`.
    slots: Rows
    #: int32 (n,): the slip that a found one stands for, or :data:`SEVERAL`; None where no number is shared.
    leads: Rows | None

    def find(self, keys: Keys) -> Rows:
        """The slip of each number, :data:`NO_BILL` or :data:`SEVERAL`: int32 (k,)."""
        found = probe(self.slots, self.words, keys.words)
        found[keys.wrong] = NO_BILL
        return found if self.leads is None else np.where(found < 0, found, self.leads.take(found, mode="clip"))


def look_up(keys: Keys, bill_id: pa.Array, status: Bytes, debts: Debts) -> Lookup:
    """The lookup of a kind of number: which slip each leads to (see :class:`~kokin.matching.Index`)."""
    slots, again, first = fill(keys.words, keys.present)
    leads = settle_shared(again, first, bill_id, status, debts) if len(again) else None
    return Lookup(keys.words, slots, leads)


def settle_shared(again: Rows, first: Rows, bill_id: pa.Array, status: Bytes, debts: Debts) -> Rows:
    """For every slip the one that its number leads to, or :data:`SEVERAL`: int32 (n,).

    ``again`` and ``first`` are the pairs of slips with one number that :func:`kokin.matching._slots.fill` found.
    """
    holders = np.unique(first)
    slip = np.concatenate([holders, again])
    holder = np.concatenate([holders, first])
    rank = np.empty(len(slip), np.int64)
    order = pc.sort_indices(bill_id.take(to_arrow(slip, pa.int32())))
    rank[integers(order.cast(pa.int64()), 0)] = np.arange(len(slip))
    order = np.lexsort((rank, status[slip], holder))
    slip, holder = slip[order], holder[order]
    head = np.ones(len(slip), np.bool_)
    head[1:] = holder[1:] != holder[:-1]
    chosen = slip[head][np.cumsum(head) - 1]
    debt = _debt_names(slip, debts)
    other = (status[slip] == OPEN) & (debt != debt[head][np.cumsum(head) - 1])
    leads = np.arange(len(status), dtype=np.int32)
    leads[holder] = chosen
    leads[holder[other]] = SEVERAL
    return leads


def _debt_names(slips: Rows, debts: Debts) -> Ints:
    """A number for what each slip settles, the same for slips that settle the same obligations: int64 (k,)."""
    name = debts.lead(slips).astype(np.int64)
    seen: dict[tuple[int, ...], int] = {}
    for place in np.flatnonzero(name < 0).tolist():
        _, covered = debts.spread(name[place : place + 1].astype(np.int32))
        several = tuple(sorted(covered.tolist()))
        name[place] = several[0] if len(several) == 1 else seen.setdefault(several, -1 - len(seen))
    return name
