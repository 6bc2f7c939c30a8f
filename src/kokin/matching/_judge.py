"""The outcomes of receipts that may interact: duplicates, corrections, reversals, pairs, and balances in their order.

Columns of integers in, outcomes and yen out. What the integers stand for is the caller's affair: equal texts have
equal integers, and their order is the texts' order.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kokin._arrow import BoolArray, Int32Array, Int64Array, UInt8Array, chunk_slices, sort, thread_map
from kokin.matching._debts import CANCELLED, OPEN, SUPERSEDED, Obligations
from kokin.matching._lookup import AMBIGUOUS, NO_BILL, NO_KEY
from kokin.model import Outcome, ReceiptKind

#: The outcomes by code.
OUTCOMES = tuple(Outcome)
#: The kinds of receipt by code.
KINDS = tuple(ReceiptKind)

CODE = {outcome: np.uint8(code) for code, outcome in enumerate(OUTCOMES)}
#: A place in :data:`KINDS`.
PROVISIONAL, FINAL, CANCEL, CORRECTION, REVERSAL = (
    KINDS.index(kind)
    for kind in (
        ReceiptKind.PROVISIONAL,
        ReceiptKind.FINAL,
        ReceiptKind.CANCEL,
        ReceiptKind.CORRECTION,
        ReceiptKind.REVERSAL,
    )
)

#: ``balance_before`` of a receipt that met no balance.
NO_BALANCE = -1


class MatchInput(NamedTuple):
    """Receipts as the judgement sees them, ``n`` rows."""

    #: uint8 (n,): a code of :data:`KINDS`.
    kind: UInt8Array
    #: int32 (n,): the slip, or ``NO_BILL``, ``AMBIGUOUS``, ``NO_KEY``.
    slip: Int32Array
    #: int64 (n,): yen.
    amount: Int64Array
    #: int64 (n,): rows with the same integer were paid at the same place: the slip or, without one, the number.
    place: Int64Array
    #: int64 (n,): rows with the same integer were paid at the same moment and in the same store.
    moment: Int64Array
    #: bool (n,): another row reports the same payment, and that one counts.
    duplicate: BoolArray
    #: int64 (n,): the ``provider_key`` of a payment, or the key that a reversal names, as a number; -1: none.
    key: Int64Array
    #: int64 (n,): the key of the whole booking that contains a payment, as a number like ``key``; -1: none.
    batch: Int64Array
    #: int64 (n,): the day that the bank booked (``received_on``), ``paid_on`` where it is not given.
    day: Int64Array
    #: int64 (n,): the order of finals. Rows of one rank are alike in everything that is ever told of them.
    rank: Int64Array


class MatchResult(NamedTuple):
    """What became of receipts, ``n`` rows, and of the obligations that they met."""

    #: uint8 (n,): a code of :data:`OUTCOMES`.
    outcome: UInt8Array
    #: int64 (n,): yen that lowered a balance.
    applied: Int64Array
    #: int64 (n,): yen for a known bill that did not.
    excess: Int64Array
    #: int64 (n,): the balance that the receipt met; :data:`NO_BALANCE` where it met none.
    balance_before: Int64Array
    #: int32 (k,), int64 (k,): obligations that money came to, each once, and what is open on them after it.
    touched: Int32Array
    left: Int64Array

    def part(self, rows: slice) -> MatchResult:
        """Some of the receipts, with all of the obligations."""
        return MatchResult(
            self.outcome[rows],
            self.applied[rows],
            self.excess[rows],
            self.balance_before[rows],
            self.touched,
            self.left,
        )


def apply_rule(claims: MatchInput, debts: Obligations, status: UInt8Array | None) -> MatchResult:
    """The rule of matching on receipts; every receipt that concerns another must be among them."""
    count = len(claims.kind)
    outcome = np.full(count, UNJUDGED, np.uint8)
    outcome[claims.duplicate] = CODE[Outcome.DUPLICATE_RECORD]
    live = ~claims.duplicate & (claims.slip != NO_KEY)
    outcome[corrected(claims, live)] = CODE[Outcome.SUPERSEDED]
    nothing = (claims.kind == CORRECTION) & (claims.amount == 0)
    outcome[nothing & live & (outcome == UNJUDGED)] = CODE[Outcome.CANCEL]
    take_back(claims, outcome)
    outcome[(outcome == UNJUDGED) & (claims.slip == NO_KEY)] = CODE[Outcome.KEY_MISSING]
    pair_up(claims, live, outcome)

    money = outcome == UNJUDGED
    outcome[money & (claims.slip == NO_BILL)] = CODE[Outcome.NO_BILL]
    outcome[money & (claims.slip == AMBIGUOUS)] = CODE[Outcome.MULTIPLE_BILLS]
    applied, excess = np.zeros(count, np.int64), np.zeros(count, np.int64)
    known = np.flatnonzero(money & (claims.slip >= 0))
    standing = np.zeros(len(known), np.uint8) if status is None else status[claims.slip[known]]
    for code, name in ((CANCELLED, Outcome.CANCELLED_BILL), (SUPERSEDED, Outcome.BILL_CHANGED)):
        closed = known[standing == code]
        outcome[closed] = CODE[name]
        excess[closed] = claims.amount[closed]

    rows = known[standing == OPEN]
    rows = rows[np.argsort(claims.rank[rows], kind="stable")]
    met, applied[rows], touched, left = settle(claims.slip[rows], claims.amount[rows], debts)
    outcome[rows] = classify(claims.amount[rows], met)
    excess[rows] = claims.amount[rows] - applied[rows]
    balance_before = np.full(count, NO_BALANCE, np.int64)
    balance_before[rows] = met
    return MatchResult(outcome, applied, excess, balance_before, touched, left)


def find_interacting(kind: UInt8Array, slip: Int32Array, debts: Obligations) -> BoolArray:
    """Receipts that may concern another, so that :func:`apply_rule` must see them: bool (n,).

    All others are finals on a slip that settles one obligation, and no other receipt has to do with its circle.
    """
    if not len(debts.billed):
        return np.ones(len(slip), np.bool_)
    company, told = np.zeros(len(debts.billed), np.bool_), np.empty(len(slip), np.bool_)
    circles = np.empty(len(slip), np.int32)

    def note(rows: slice) -> None:
        circles[rows] = np.where(slip[rows] < 0, NO_BILL, debts.circle(np.maximum(slip[rows], 0)))

    def tell(rows: slice) -> None:
        some = np.maximum(slip[rows], 0)
        told[rows] = (slip[rows] < 0) | (kind[rows] != FINAL) | company.take(debts.circle(some))
        if len(debts.covered):
            told[rows] |= debts.lead(some) < 0

    thread_map(note, chunk_slices(len(slip)))
    # Vectors are sorted faster than memory is reached in no order.
    sort(circles)
    for some in chunk_slices(len(circles) - 1):
        part = circles[some]
        company[part[(part == circles[some.start + 1 : some.stop + 1]) & (part >= 0)]] = True
    thread_map(tell, chunk_slices(len(slip)))
    return told


def match_independent(
    slip: Int32Array, amount: Int64Array, alone: BoolArray, debts: Obligations, status: UInt8Array | None
) -> MatchResult:
    """Match receipts that share no obligation with another one (see :func:`find_interacting`).

    ``alone``, bool (n,), says which they are; what is told of the others has no meaning. ``status`` may be None where
    all slips are open. ``touched`` and ``left`` have a row for each that is alone.
    """
    lead = debts.lead(np.maximum(slip, 0))
    met = debts.open.take(lead, mode="clip")
    applied = np.minimum(met, amount)
    outcome = classify(amount, met)
    balance_before = met
    if status is not None:
        standing = status.take(slip, mode="clip")
        closed = standing != OPEN
        outcome[standing == CANCELLED] = CODE[Outcome.CANCELLED_BILL]
        outcome[standing == SUPERSEDED] = CODE[Outcome.BILL_CHANGED]
        applied[closed] = 0
        balance_before = np.where(closed, NO_BALANCE, met)
    return MatchResult(outcome, applied, amount - applied, balance_before, lead[alone], (met - applied)[alone])


#: The code of a receipt that no step has judged yet.
UNJUDGED = np.uint8(255)


def group(*columns: npt.NDArray[Any]) -> Int64Array:
    """A number for each row, the same for rows that are equal in all columns: int64 (n,), from 0 in sorted order."""
    keys = _merged([column for column in columns if (column != column[:1]).any()] or [columns[0]])
    order = np.lexsort(keys[::-1]) if len(keys) > 1 else np.argsort(keys[0])
    new = np.zeros(len(order), np.bool_)
    for column in keys:
        some = column.take(order)
        new[1:] |= some[1:] != some[:-1]
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(new)
    return number


def _merged(columns: list[npt.NDArray[Any]]) -> list[Int64Array]:
    """Columns that sort alike in fewer: neighbours become one number where their ranges allow it."""
    merged: list[Int64Array] = []
    room = 0
    for column in columns:
        low, high = (int(column.min()), int(column.max())) if len(column) else (0, 0)
        span = high - low + 1
        from_zero = column.astype(np.int64) - low
        if merged and span <= room:
            merged[-1] = merged[-1] * span + from_zero
        else:
            merged.append(from_zero)
            room = np.iinfo(np.int64).max
        room //= span
    return merged


def last(groups: Int64Array, rows: Int32Array, *order: npt.NDArray[Any]) -> Int32Array:
    """The row of each group that comes last in an order, the first column weighing most; one per group there is."""
    sort = np.lexsort((*(column[rows] for column in order[::-1]), groups[rows]))
    rows = rows[sort]
    ends = np.ones(len(rows), np.bool_)
    ends[:-1] = groups[rows[1:]] != groups[rows[:-1]]
    return rows[ends]


def corrected(claims: MatchInput, live: BoolArray) -> BoolArray:
    """SUPERSEDED by a correction (訂正): bool (n,).

    The corrections of one place and moment restate one payment. The last of them stands for it, the others are
    replaced; so is the final it restates: the last of another amount, or else the last.
    """
    found: BoolArray = live & (claims.kind == CORRECTION)
    if not found.any():
        return found
    where = group(claims.place, claims.moment)
    stands = last(where, np.flatnonzero(found).astype(np.int32), claims.rank)
    found[stands] = False
    value = np.full(len(where), -1, np.int64)
    value[where[stands]] = claims.amount[stands]
    finals = np.flatnonzero(live & (claims.kind == FINAL) & (value[where] >= 0)).astype(np.int32)
    differs = claims.amount != value[where]
    found[last(where, finals, differs, claims.rank)] = True
    return found


def take_back(claims: MatchInput, outcome: UInt8Array) -> None:
    """Pair reversals (入金取消) with the finals that they take back; written into ``outcome``.

    A reversal that names a key is paired with the final of that key and amount, or with all finals of the booking of
    that key if it has their sum, and with no other. One that names none is paired by place and amount, with the latest
    final that was booked on its day or before. Each takes back one final or one booking. A payment by hand is not taken
    back by a file.
    """
    open_ = outcome == UNJUDGED
    reversal = np.flatnonzero(open_ & (claims.kind == REVERSAL))
    if not len(reversal):
        return
    outcome[reversal] = CODE[Outcome.REVERSAL_WITHOUT_PAYMENT]
    final = open_ & ((claims.kind == FINAL) | (claims.kind == CORRECTION))
    named, placed = claims.key >= 0, claims.slip != NO_KEY
    by_key, by_place = group(claims.key, claims.amount), group(claims.place, claims.amount)

    def left(reached: BoolArray) -> Int64Array:
        return np.flatnonzero(final & reached & (outcome == UNJUDGED))

    def write(reversals: Int64Array, finals: Int64Array) -> None:
        outcome[reversals], outcome[finals] = CODE[Outcome.REVERSAL], CODE[Outcome.REVERSED]

    naming, others = reversal[named[reversal]], reversal[(placed & ~named)[reversal]]
    write(*latest_first(naming, left(named), by_key, np.zeros_like(claims.day), claims.rank).T)
    naming = naming[outcome[naming] != CODE[Outcome.REVERSAL]]
    write(*whole_bookings(naming, left(claims.batch >= 0), claims))
    write(*latest_first(others, left(placed), by_place, claims.day, claims.rank).T)


def whole_bookings(reversals: Int64Array, finals: Int64Array, claims: MatchInput) -> tuple[Int64Array, Int64Array]:
    """The reversals that name a booking (一括入金) and have the sum of its finals, one each; and these finals."""
    size = max(claims.key.max(initial=-1), claims.batch.max(initial=-1)) + 1
    sums = np.zeros(size, np.int64)
    np.add.at(sums, claims.batch[finals], claims.amount[finals])
    fits = reversals[sums[claims.key[reversals]] == claims.amount[reversals]]
    fits = last(claims.key, fits.astype(np.int32), -claims.rank).astype(np.int64)
    return fits, finals[np.isin(claims.batch[finals], claims.key[fits])]


def latest_first(
    reversals: Int64Array, finals: Int64Array, where: Int64Array, day: Int64Array, rank: Int64Array
) -> Int64Array:
    """Give each reversal, in the order of days and ranks, the latest final of its group that is left: int64 (k, 2).

    Finals up to a day are put on a stack before the reversals of that day take from its top: like brackets, this is the
    same as searching for the latest one each time.
    """
    finals = finals[np.isin(where[finals], where[reversals])]
    rows = np.concatenate([finals, reversals])
    takes = np.arange(len(rows)) >= len(finals)
    order = np.lexsort((rank[rows], takes, day[rows], where[rows]))
    pairs: list[tuple[int, int]] = []
    stack: list[int] = []
    group_of_stack = -1
    for row, take, at in zip(rows[order].tolist(), takes[order].tolist(), where[rows[order]].tolist(), strict=True):
        if at != group_of_stack:
            stack, group_of_stack = [], at
        if not take:
            stack.append(row)
        elif stack:
            pairs.append((row, stack.pop()))
    return np.array(pairs, np.int64).reshape(-1, 2)


def pair_up(claims: MatchInput, live: BoolArray, outcome: UInt8Array) -> None:
    """Provisionals (速報) and cancels (取消): judged by what else is in their pair; written into ``outcome``.

    A pair is place, moment and amount. It is enough that the other is there: three cancels may meet one provisional.
    """
    provisional = live & (claims.kind == PROVISIONAL)
    cancel = live & (claims.kind == CANCEL)
    if not (provisional.any() or cancel.any()):
        return
    pair = group(claims.place, claims.moment, claims.amount)
    final = live & ((claims.kind == FINAL) | (claims.kind == CORRECTION))
    has_provisional, has_cancel, has_final = (
        np.bincount(pair[rows], minlength=len(pair))[pair] > 0 for rows in (provisional, cancel, final)
    )
    outcome[provisional] = CODE[Outcome.PROVISIONAL]
    outcome[provisional & has_cancel] = CODE[Outcome.CANCELLED]
    outcome[provisional & has_final] = CODE[Outcome.SUPERSEDED]
    outcome[provisional & (claims.slip == NO_BILL)] = CODE[Outcome.NO_BILL]
    outcome[provisional & (claims.slip == AMBIGUOUS)] = CODE[Outcome.MULTIPLE_BILLS]
    outcome[cancel] = CODE[Outcome.CANCEL_WITHOUT_PROVISIONAL]
    outcome[cancel & has_provisional] = CODE[Outcome.CANCEL]


def classify(amount: Int64Array, met: Int64Array) -> UInt8Array:
    """The outcome of money that met a balance: uint8 (n,)."""
    case = (amount > met).view(np.uint8) + (amount != met).view(np.uint8)
    case[met == 0] = 3
    outcome: UInt8Array = _BY_BALANCE.take(case)
    return outcome


# By case: equal, less, more, nothing open.
_BY_BALANCE = np.array(
    [CODE[outcome] for outcome in (Outcome.MATCHED, Outcome.UNDERPAID, Outcome.OVERPAID, Outcome.DUPLICATE_PAYMENT)],
    np.uint8,
)


def settle(
    slips: Int32Array, amount: Int64Array, debts: Obligations
) -> tuple[Int64Array, Int64Array, Int32Array, Int64Array]:
    """The balances that payments meet, and what they take of them, in the order of the rows.

    Returns:
        int64 (n,) each: the balance met (of all obligations that the slip settles), and the yen that lowered it. The
        obligations that were met, int32 (k,), and what is open on them afterwards, int64 (k,).
    """
    count, obligation = debts.spread(debts.lead(slips))
    touched, local = np.unique(obligation, return_inverse=True)
    balance = debts.open[touched]
    first = np.cumsum(count) - count
    circle = debts.circle(slips)
    mixed = np.isin(circle, circle[count > 1])
    met, applied = np.zeros(len(slips), np.int64), np.zeros(len(slips), np.int64)
    rows = np.flatnonzero(~mixed)
    met[rows], applied[rows] = settle_each(local[first[rows]], amount[rows], balance)
    rows = np.flatnonzero(mixed)
    met[rows], applied[rows] = settle_circles(first[rows], count[rows], local, circle[rows], amount[rows], balance)
    return met, applied, touched, balance


def settle_each(obligation: Int64Array, amount: Int64Array, balance: Int64Array) -> tuple[Int64Array, Int64Array]:
    """:func:`settle` where every payment is for one obligation: a running sum inside each. Lowers ``balance``."""
    order = np.argsort(obligation, kind="stable")
    who, yen = obligation[order], amount[order]
    sums = np.cumsum(yen)
    head = np.ones(len(who), np.bool_)
    head[1:] = who[1:] != who[:-1]
    before = sums - yen
    before -= before[head][np.cumsum(head) - 1]
    left = np.maximum(balance[who] - before, 0)
    met, applied = np.empty_like(left), np.empty_like(left)
    met[order], applied[order] = left, np.minimum(left, yen)
    np.subtract.at(balance, obligation, applied)
    return met, applied


def settle_circles(
    first: Int64Array,
    count: Int64Array,
    obligations: Int64Array,
    circle: Int32Array,
    amount: Int64Array,
    balance: Int64Array,
) -> tuple[Int64Array, Int64Array]:
    """:func:`settle` where slips cover several obligations: round by round, in each the next payment of every circle.

    A payment goes to its obligations, ``obligations[first : first + count]``, in the order of their terms. Lowers
    ``balance``.
    """
    met, applied = np.zeros(len(first), np.int64), np.zeros(len(first), np.int64)
    order = np.argsort(circle, kind="stable")
    ordered = circle[order]
    turn = np.empty(len(first), np.int64)
    turn[order] = np.arange(len(first)) - np.searchsorted(ordered, ordered)
    by_turn = np.argsort(turn, kind="stable")
    for start, end in pairwise([0, *np.cumsum(np.bincount(turn)).tolist()]):
        rows = by_turn[start:end]
        size = count[rows]
        head = np.cumsum(size) - size
        payment = np.repeat(np.arange(len(rows)), size)
        obligation = obligations[first[rows][payment] + np.arange(len(payment)) - head[payment]]
        there = balance[obligation]
        reached = np.cumsum(there) - there
        reached -= reached[head][payment]
        taken = np.clip(amount[rows][payment] - reached, 0, there)
        balance[obligation] = there - taken
        met[rows] = np.add.reduceat(there, head)
        applied[rows] = np.add.reduceat(taken, head)
    return met, applied
