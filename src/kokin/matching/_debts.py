"""From slips to debts: which obligations (調定) a slip settles, what is open on them, and which hang together."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import BoolArray, Int32Array, Int64Array, UInt8Array, bool_array, to_numpy
from kokin.issues import Issue, Location

#: The status of a slip as a code, in the order in which slips of one number are preferred.
STATUSES = ("open", "superseded", "cancelled")
#: A place in :data:`STATUSES`.
OPEN, SUPERSEDED, CANCELLED = range(3)

_NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True, eq=False)
class Obligations:
    """The obligations of a batch of slips, and how the slips lead to them.

    ``n`` slips, ``m`` obligations, ``c`` slips that cover several obligations (全期).

    Slips with the same ``obligation_id`` share an obligation; a slip without one is its own; a covering slip has none
    of its own, whatever its ``obligation_id``. The open slips of an obligation say what is owed (the largest amount)
    and when (the earliest ``due_on``: its term); all of them say what was paid before (the largest ``paid_before``).
    Terms of one day are taken in the order of their ``obligation_id``.
    """

    #: int64 (m,): yen billed on the obligation, the largest amount among its open slips; 0 without one.
    billed: Int64Array
    #: int64 (m,): yen of it that are open before the batch.
    open: Int64Array
    #: int32 (n,): the obligation that a slip settles, ``-1 - i`` for the i-th covering slip; None: slip i settles
    #: obligation i.
    of_slip: Int32Array | None = None
    #: int32 (c + 1,) and int32 (k,): the obligations of the covering slips in the order of their terms.
    offsets: Int32Array = field(default_factory=lambda: np.zeros(1, np.int32))
    covered: Int32Array = field(default_factory=lambda: np.empty(0, np.int32))
    #: int32 (m,): obligations that a covering slip connects have the same circle; None: each is a circle by itself.
    circles: Int32Array | None = None

    def of_slips(self, per_obligation: Int64Array, slips: Int32Array) -> Int64Array:
        """Yen per obligation as yen per slip, summed where a slip covers several: int64 (k,)."""
        count, obligation = self.spread(self.lead(slips))
        yen: Int64Array = per_obligation.take(obligation)
        return np.add.reduceat(yen, np.cumsum(count) - count) if len(self.covered) else yen

    def lead(self, slips: Int32Array) -> Int32Array:
        """The obligation of each slip, or ``-1 - i`` for a covering one: int32 (k,)."""
        return slips if self.of_slip is None else self.of_slip[slips]

    def circle(self, slips: Int32Array) -> Int32Array:
        """The circle of each slip's obligations: int32 (k,)."""
        lead = self.lead(slips)
        if self.circles is None:
            return lead
        first = self.covered[self.offsets[np.where(lead < 0, -1 - lead, 0)]]
        return self.circles[np.where(lead < 0, first, lead)]

    def spread(self, leads: Int32Array) -> tuple[Int64Array, Int32Array]:
        """The obligations of slips, one after another: how many each has, int64 (k,), and which, int32 (Σ,)."""
        covering = leads < 0
        slip = np.where(covering, -1 - leads, 0)
        if not len(self.covered):
            return np.ones(len(leads), np.int64), leads
        count = np.where(covering, self.offsets[slip + 1] - self.offsets[slip], 1).astype(np.int64)
        row = np.repeat(np.arange(len(leads)), count)
        nth = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        place = np.where(covering[row], self.offsets[slip[row]] + nth, 0)
        return count, np.where(covering[row], self.covered[place], leads[row]).astype(np.int32)


#: The names of the arrays.
DEBT_ARRAYS = tuple(one.name for one in fields(Obligations))


def find_debts(bills: pa.Table, amount: Int64Array, status: UInt8Array, problems: list[Issue]) -> Obligations:
    """The debts of a table of bills; what does not hold together is added to the problems."""
    names = set(bills.schema.names)
    before = to_numpy(bills.column("paid_before"), 0) if "paid_before" in names else None
    count, named = _covers(bills.column("covers")) if "covers" in names else (np.zeros(len(bills), np.int64), None)
    covering = count > 0
    if "obligation_id" not in names and not covering.any():
        billed = np.where(status == OPEN, amount, 0) if status.any() else amount
        return Obligations(billed, billed if before is None else np.maximum(billed - before, 0))

    lead, known = _obligations(bills, covering)
    total = int(lead.max(initial=-1)) + 1
    billed, settled = np.zeros(total, np.int64), np.zeros(total, np.int64)
    own, counts = np.flatnonzero(~covering), np.flatnonzero(~covering & (status == OPEN))
    np.maximum.at(billed, lead[counts], amount[counts])
    if before is not None:
        np.maximum.at(settled, lead[own], before[own])
    debts = Obligations(billed, np.maximum(billed - settled, 0), lead)
    if not covering.any():
        return debts

    slip = np.repeat(np.flatnonzero(covering), count[covering])
    target = to_numpy(pc.index_in(named, value_set=known), -1)
    for row in slip[target < 0].tolist():
        where = Location(record=row + 1)
        problems.append(
            Issue(
                "OBLIGATION_UNKNOWN",
                field="covers",
                expected="the obligation_id of another slip",
                found="",
                location=where,
            )
        )
    if (target < 0).any():
        return debts
    due = np.full(total, _NEVER, np.int32)
    np.minimum.at(due, lead[counts], to_numpy(bills.column("due_on"), 0)[counts])
    rank = np.empty(len(known), np.int32)
    rank[to_numpy(pc.sort_indices(known).cast(pa.int64()), 0)] = np.arange(len(known))
    order = np.lexsort((rank[target], due[target], slip))
    slip, target = slip[order], target[order].astype(np.int32)
    fresh = np.ones(len(slip), np.bool_)
    fresh[1:] = (slip[1:] != slip[:-1]) | (target[1:] != target[:-1])
    slip, target = slip[fresh], target[fresh]
    offsets = np.searchsorted(slip, np.append(np.flatnonzero(covering), len(bills))).astype(np.int32)
    return replace(debts, offsets=offsets, covered=target, circles=connect(total, offsets, target))


def overpaid(bills: pa.Table, amount: Int64Array, status: UInt8Array, debts: Obligations) -> list[Issue]:
    """Return an issue for each obligation on which more was paid before than is billed: the excess would vanish.

    What is billed is the largest amount of its open slips, or of all its slips where none is open.
    """
    if "paid_before" not in bills.schema.names:
        return []
    paid = to_numpy(bills.column("paid_before"), 0)
    lead = debts.lead(np.arange(len(bills), dtype=np.int32))
    largest = np.zeros(len(debts.billed), np.int64)
    own = np.flatnonzero(lead >= 0)
    np.maximum.at(largest, lead[own], amount[own])
    has_open = np.zeros(len(largest), np.bool_)
    has_open[lead[own[status[own] == OPEN]]] = True
    limit = np.where(has_open, debts.billed, largest)
    rows = own[paid[own] > limit[lead[own]]]
    return [
        Issue(
            "PAID_BEFORE_RANGE",
            field="paid_before",
            expected=f"at most {most}",
            found=str(found),
            location=Location(record=row + 1),
        )
        for row, most, found in zip(rows.tolist(), limit[lead[rows]].tolist(), paid[rows].tolist(), strict=True)
    ]


def _covers(column: pa.ChunkedArray) -> tuple[Int64Array, pa.Array]:
    """How many obligations each slip covers, and their names one after another."""
    lists = column.combine_chunks()
    count = to_numpy(pc.list_value_length(lists).cast(pa.int64()), 0)
    return count, lists.flatten().cast(pa.string())


def _obligations(bills: pa.Table, covering: BoolArray) -> tuple[Int32Array, pa.Array]:
    """The lead of every slip (see :class:`Obligations`), and the names of the obligations that have one."""
    count = len(bills)
    lead = np.full(count, -1, np.int32)
    known = pa.array([], pa.string())
    if "obligation_id" in bills.schema.names:
        column = bills.column("obligation_id").cast(pa.string())
        own = pc.and_(pc.fill_null(pc.not_equal(column, ""), False), bool_array(~covering))
        coded = pc.if_else(own, column, None).combine_chunks().dictionary_encode()
        known = coded.dictionary
        lead = to_numpy(coded.indices, -1).copy()
    alone = (lead < 0) & ~covering
    lead[alone] = len(known) + np.arange(np.count_nonzero(alone))
    lead[covering] = -1 - np.arange(np.count_nonzero(covering))
    return lead, known


def connect(total: int, offsets: Int32Array, covered: Int32Array) -> Int32Array:
    """The circles of obligations: the smallest obligation that covering slips connect each with, int32 (m,)."""
    circle = np.arange(total, dtype=np.int32)
    size = np.diff(offsets)
    while True:
        least = np.repeat(np.minimum.reduceat(circle[covered], offsets[:-1]), size)
        after = circle.copy()
        np.minimum.at(after, covered, least)
        after = after[after]
        if np.array_equal(after, circle):
            return circle
        circle = after
