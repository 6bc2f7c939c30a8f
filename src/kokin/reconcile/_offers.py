"""Offers (充当候補): due debts of the payer that money owed to him could settle. Offered in an order, never moved."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import BoolArray, Int32Array, Int64Array, bool_array, from_numpy, to_mask
from kokin.reconcile._billed import Billed
from kokin.reconcile._columns import Days
from kokin.reconcile._lines import Lines
from kokin.reconcile._overpayments import kind_texts, overpaid


class OpenDebts(NamedTuple):
    """Debts that are due and open, of payers that are known, by term and ``bill_id``: ``d`` rows."""

    #: int32 (d,): the slip that stands for each.
    slip: Int32Array
    #: datetime64[D] (d,).
    due_on: Days
    #: int64 (d,): yen still open.
    open: Int64Array


class WrongTerms(NamedTuple):
    """Money that settled a later term (期) than the one that was due, ``k`` rows."""

    #: int64 (k,): the line of the receipt.
    line: Int64Array
    #: int64 (k,): the row of the debt that was due and stayed unpaid.
    debt: Int64Array


class Offers(NamedTuple):
    """Money and debts brought together, ``k`` rows by line, in the order in which they are offered."""

    #: int64 (k,): the line of the receipt.
    line: Int64Array
    #: int32 (k,): the slip that stands for the debt.
    slip: Int32Array
    #: int64 (k,): yen.
    yen: Int64Array
    #: bool (k,): only with the payer's consent.
    consent: BoolArray
    #: bool (k,): the money settled another term, and is not owed back unless the payer says so.
    wrong_term: BoolArray


def open_debts(billed: Billed, balance: Int64Array, as_of: np.datetime64) -> OpenDebts:
    """What is due on a day and open after the run; ``balance``, int64 (m,), is open on each obligation."""
    slip = billed.slip_of[balance > 0]
    due_on = billed.terms.due_on[slip]
    some = (due_on <= as_of) & (billed.payer[slip] >= 0)
    slip, due_on = slip[some], due_on[some]
    order = np.lexsort((billed.rank[slip], due_on))
    slip, due_on = slip[order], due_on[order]
    return OpenDebts(slip, due_on, balance[billed.obligation_of(slip)])


def offer(lines: Lines, billed: Billed, debts: OpenDebts, wrong: WrongTerms) -> Offers:
    """Bring together what is owed back and what the same payer owes to the same body and is due.

    By law first: among local taxes (地方税法17の2①), or debts of one charge. Then the rest, which takes the payer's
    consent. The debt that is due longest comes first. Last, what settled a wrong term, for the term that was due.
    """
    at = overpaid(lines)
    left, still = lines.excess[at].copy(), debts.open.copy()
    slip = lines.slip[at]
    found = []
    for consent in (False, True):
        whose, theirs = (_pockets(billed, slips, by_family=not consent) for slips in (slip, debts.slip))
        money, debt, yen = overlap(whose, left, theirs, still)
        np.subtract.at(left, money, yen)
        np.subtract.at(still, debt, yen)
        found.append((at[money], debts.slip[debt], yen, np.full(len(yen), consent), np.zeros(len(yen), np.bool_)))
    yen = _in_turn(wrong.debt, lines.applied[wrong.line], still)
    some = yen > 0
    line, slip, yen = wrong.line[some], debts.slip[wrong.debt[some]], yen[some]
    found.append((line, slip, yen, np.zeros(len(yen), np.bool_), np.ones(len(yen), np.bool_)))
    line, slip, yen, by_consent, wrong_term = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((billed.rank[slip], billed.terms.due_on[slip], by_consent, wrong_term, line))
    return Offers(line[order], slip[order], yen[order], by_consent[order], wrong_term[order])


def _pockets(billed: Billed, slips: Int32Array, *, by_family: bool) -> Int64Array:
    """A number for what may be laid against each other: int64 (k,); -1 where the payer is not known."""
    payer = billed.payer[slips].astype(np.int64)
    if not by_family:
        return payer
    return np.where(payer < 0, -1, payer * (int(billed.family.max(initial=0)) + 1) + billed.family[slips])


def wrong_terms(lines: Lines, billed: Billed, debts: OpenDebts) -> WrongTerms:
    """Money on a later term while an earlier one was not yet due, which then stayed unpaid.

    Such money was meant for the term that was due: it is 誤納金, not a payment in advance. Terms are slips with a 期別
    of one payer, charge, 税目・料金番号 and pair of years.
    """
    line = np.flatnonzero(lines.applied > 0)
    mine, theirs = np.split(_levies(billed, np.concatenate([lines.slip[line], debts.slip])), [len(line)])
    debt = np.flatnonzero(theirs >= 0)
    groups, theirs = np.unique(theirs[debt], return_inverse=True)
    due = debts.due_on[debt].view(np.int64)
    order = np.lexsort((due, theirs))
    debt, theirs, due = debt[order], theirs[order], due[order]
    line, mine = line[np.isin(mine, groups)], np.searchsorted(groups, mine[np.isin(mine, groups)])
    first = np.searchsorted(_joined(theirs, due), _joined(mine, lines.paid_on[line].view(np.int64)))
    there = first < len(debt)
    line, mine, first = line[there], mine[there], first[there]
    later = billed.terms.due_on[lines.slip[line]].view(np.int64)
    same = (theirs[first] == mine) & (due[first] < later)
    return WrongTerms(line[same], debt[first[same]])


def _levies(billed: Billed, slips: Int32Array) -> Int64Array:
    """A number for the levy that each slip is a term of: int64 (k,); -1: a slip without payer or 期別."""
    is_term = to_mask(pc.not_equal(billed.period.take(from_numpy(slips, pa.int32())), "00"))
    item, levy, tax = (column[slips] for column in (billed.item.codes, billed.terms.levy_year, billed.terms.tax_year))
    kinds, kind = np.unique((item * np.int64(10_000) + levy) * 10_000 + tax, return_inverse=True)
    pocket = _pockets(billed, slips, by_family=True)
    return np.where(is_term & (pocket >= 0), pocket * len(kinds) + kind, -1)


def _joined(group: Int64Array, day: Int64Array) -> Int64Array:
    """A group and a day as one number to search for; a day and its sign fit 24 bits."""
    return (group << 24) + day + (1 << 23)


class _Ruler(NamedTuple):
    """Sums of yen laid end to end inside their groups, ``n`` rows by group."""

    #: int64 (n,): the row that each stands for.
    row: Int64Array
    #: int64 (n,): the number of its group.
    group: Int64Array
    #: int64 (n,): its yen, and where it ends.
    yen: Int64Array
    end: Int64Array
    #: int64 (groups,): where the last one ends.
    length: Int64Array


def overlap(
    whose: Int64Array, money: Int64Array, theirs: Int64Array, debt: Int64Array
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Lay money against debts inside each group, both in the order of their rows, as two rulers side by side.

    ``whose`` and ``theirs`` are the groups of money and debts; -1 is none. ``money`` and ``debt`` are yen.

    Returns:
        The row of the money, the row of the debt, and the yen that both cover: int64 (k,) each.
    """
    groups = np.intersect1d(whose[(whose >= 0) & (money > 0)], theirs[(theirs >= 0) & (debt > 0)])
    if not len(groups):
        nothing = np.empty(0, np.int64)
        return nothing, nothing, nothing
    rulers = [_ruler(whose, money, groups), _ruler(theirs, debt, groups)]
    room = np.maximum(rulers[0].length, rulers[1].length)
    start = np.cumsum(room) - room
    marks = np.unique(np.concatenate([start, *(start[ruler.group] + ruler.end for ruler in rulers)]))
    begin, length = marks[:-1], np.diff(marks)
    (one, there), (other, here) = (_lying_at(begin, ruler, start) for ruler in rulers)
    both = there & here
    return rulers[0].row[one[both]], rulers[1].row[other[both]], length[both]


def _ruler(group: Int64Array, yen: Int64Array, groups: Int64Array) -> _Ruler:
    """The rows of some groups, every one of which has a row with yen."""
    row = np.flatnonzero(np.isin(group, groups) & (yen > 0))
    row = row[np.argsort(group[row], kind="stable")]
    number, sums = np.searchsorted(groups, group[row]), np.cumsum(yen[row])
    head = np.searchsorted(number, np.arange(len(groups)))
    before = sums[head] - yen[row][head]
    last = np.append(head[1:], len(row)) - 1
    return _Ruler(row, number, yen[row], sums - before[number], sums[last] - before)


def _lying_at(place: Int64Array, ruler: _Ruler, start: Int64Array) -> tuple[Int64Array, BoolArray]:
    """Which piece of a ruler lies at each place, and whether one does at all."""
    end = start[ruler.group] + ruler.end
    piece = np.minimum(np.searchsorted(end, place, side="right"), len(end) - 1)
    return piece, (place < end[piece]) & (place >= end[piece] - ruler.yen[piece])


def _in_turn(debt: Int64Array, wanted: Int64Array, open_yen: Int64Array) -> Int64Array:
    """What each row takes of a debt when the rows of one debt come in their order: int64 (k,)."""
    order = np.argsort(debt, kind="stable")
    sums = np.cumsum(wanted[order])
    before = sums - wanted[order]
    head = np.diff(debt[order], prepend=-1) != 0
    before -= before[head][np.cumsum(head) - 1]
    taken = np.empty_like(wanted)
    taken[order] = np.clip(open_yen[debt[order]] - before, 0, wanted[order])
    return taken


def offer_table(offers: Offers, lines: Lines, billed: Billed, balance: Int64Array) -> pa.Table:
    """The offers as they are told; see :attr:`kokin.reconcile.Accounts.offers`."""
    told = lines.told.take(from_numpy(offers.line, pa.int64()))
    slip = from_numpy(offers.slip, pa.int32())
    residual = balance[billed.obligation_of(offers.slip)]
    return pa.table(
        {
            **{name: told.column(name) for name in ("source", "record_no", "bill_id")},
            "kind": kind_texts(lines, offers.line, offers.wrong_term),
            "debt_bill_id": billed.index.bill_ids(offers.slip),
            "charge": billed.charge.texts(offers.slip),
            "item_code": billed.text("item_code").take(slip),
            "period": billed.period.take(slip),
            "due_on": billed.table.column("due_on").take(slip),
            "residual": from_numpy(residual, pa.int64()),
            "offered": from_numpy(offers.yen, pa.int64()),
            "consent": bool_array(offers.consent),
        }
    )
