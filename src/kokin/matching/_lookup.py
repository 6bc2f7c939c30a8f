"""From one kind of number to the slip that it leads to, where several slips have the number too."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import Int32Array, Int64Array, UInt8Array, UInt64Array, from_numpy, to_numpy
from kokin.matching._debts import OPEN, Obligations
from kokin.matching._pack import EncodedKeys
from kokin.matching._slots import fill, probe

#: What stands for a slip where a receipt's number leads to none: no bill has it, open bills of several debts have it,
#: the receipt carries no number.
NO_BILL, AMBIGUOUS, NO_KEY = -1, -2, -3


class Lookup(NamedTuple):
    """The slips by one kind of number."""

    #: uint64 (n, words): the numbers of all slips.
    words: UInt64Array
    #: int32: the table of :func:`kokin.matching._slots.fill`.
    slots: Int32Array
    #: int32 (n,): the slip that a found one stands for, or :data:`AMBIGUOUS`; None where no number is shared.
    leads: Int32Array | None

    def find(self, keys: EncodedKeys) -> Int32Array:
        """The slip of each number, :data:`NO_BILL` or :data:`AMBIGUOUS`: int32 (k,)."""
        found = probe(self.slots, self.words, keys.words)
        found[keys.wrong] = NO_BILL
        return found if self.leads is None else np.where(found < 0, found, self.leads.take(found, mode="clip"))


def look_up(keys: EncodedKeys, bill_id: pa.Array, status: UInt8Array, debts: Obligations) -> Lookup:
    """The lookup of a kind of number: which slip each leads to (see :class:`~kokin.matching.Index`)."""
    slots, again, first = fill(keys.words, keys.present)
    leads = settle_shared(again, first, bill_id, status, debts) if len(again) else None
    return Lookup(keys.words, slots, leads)


def settle_shared(
    again: Int32Array, first: Int32Array, bill_id: pa.Array, status: UInt8Array, debts: Obligations
) -> Int32Array:
    """For every slip the one that its number leads to, or :data:`AMBIGUOUS`: int32 (n,).

    ``again`` and ``first`` are the pairs of slips with one number that :func:`kokin.matching._slots.fill` found.
    """
    holders = np.unique(first)
    slip = np.concatenate([holders, again])
    holder = np.concatenate([holders, first])
    rank = np.empty(len(slip), np.int64)
    order = pc.sort_indices(bill_id.take(from_numpy(slip, pa.int32())))
    rank[to_numpy(order.cast(pa.int64()), 0)] = np.arange(len(slip))
    order = np.lexsort((rank, status[slip], holder))
    slip, holder = slip[order], holder[order]
    head = np.ones(len(slip), np.bool_)
    head[1:] = holder[1:] != holder[:-1]
    chosen = slip[head][np.cumsum(head) - 1]
    debt = _debt_names(slip, debts)
    other = (status[slip] == OPEN) & (debt != debt[head][np.cumsum(head) - 1])
    leads = np.arange(len(status), dtype=np.int32)
    leads[holder] = chosen
    leads[holder[other]] = AMBIGUOUS
    return leads


def _debt_names(slips: Int32Array, debts: Obligations) -> Int64Array:
    """A number for what each slip settles, the same for slips that settle the same obligations: int64 (k,)."""
    name = debts.lead(slips).astype(np.int64)
    seen: dict[tuple[int, ...], int] = {}
    for place in np.flatnonzero(name < 0).tolist():
        _, covered = debts.spread(name[place : place + 1].astype(np.int32))
        several = tuple(sorted(covered.tolist()))
        name[place] = several[0] if len(several) == 1 else seen.setdefault(several, -1 - len(seen))
    return name
