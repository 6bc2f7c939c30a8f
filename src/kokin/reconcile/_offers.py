"""Offers (充当候補): due debts of the payer that money owed to him could settle. Offered in an order, never moved."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin.columns import flags_of
from kokin.matching._columns import Bools, Ints, Rows, to_arrow
from kokin.reconcile._billed import Billed
from kokin.reconcile._lines import Lines
from kokin.reconcile._overpayments import kind_texts, overpaid
from kokin.reconcile._years import Days


class OpenDebts(NamedTuple):
    """Debts that are due and open, of payers that are known, by term and ``bill_id``: ``d`` rows."""

    #: int32 (d,): the slip that stands for each.
    slip: Rows
    #: datetime64[D] (d,).
    due_on: Days
    #: int64 (d,): yen still open.
    open: Ints


class WrongTerms(NamedTuple):
    """Money that settled a later term (期) than the one that was due, ``k`` rows."""

    #: int64 (k,): the line of the receipt.
    line: Ints
    #: int64 (k,): the row of the debt that was due and stayed unpaid.
    debt: Ints


class Offers(NamedTuple):
    """Money and debts brought together, ``k`` rows by line, in the order in which they are offered."""

    #: int64 (k,): the line of the receipt.
    line: Ints
    #: int32 (k,): the slip that stands for the debt.
    slip: Rows
    #: int64 (k,): yen.
    yen: Ints
    #: bool (k,): only with the payer's consent.
    consent: Bools
    #: bool (k,): the money settled another term, and is not owed back unless the payer says so.
    wrong_term: Bools


def open_debts(billed: Billed, balance: Ints, as_of: np.datetime64) -> OpenDebts:
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
        whose, theirs = (_accounts(billed, slips, by_family=not consent) for slips in (slip, debts.slip))
        money, debt, yen = overlap(whose, left, theirs, still)
        np.subtract.at(left, money, yen)
        np.subtract.at(still, debt, yen)
        found.append(Offers(at[money], debts.slip[debt], yen, np.full(len(yen), consent), np.zeros(len(yen), np.bool_)))
    yen = _in_turn(wrong.debt, lines.applied[wrong.line], still)
    line, debt, yen = (column[yen > 0] for column in (*wrong, yen))
    found.append(Offers(line, debts.slip[debt], yen, np.zeros(len(yen), np.bool_), np.ones(len(yen), np.bool_)))
    columns: list[Any] = [np.concatenate(column) for column in zip(*found, strict=True)]
    whole = Offers(*columns)
    due_on = billed.terms.due_on[whole.slip]
    order = np.lexsort((billed.rank[whole.slip], due_on, whole.consent, whole.wrong_term, whole.line))
    line, slip, yen, consent, wrong_term = (column[order] for column in columns)
    return Offers(line, slip, yen, consent, wrong_term)


def _accounts(billed: Billed, slips: Rows, *, by_family: bool) -> Ints:
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


def _levies(billed: Billed, slips: Rows) -> Ints:
    """A number for the levy that each slip is a term of: int64 (k,); -1: a slip without payer or 期別."""
    is_term = flags_of(pc.not_equal(billed.period.take(to_arrow(slips, pa.int32())), "00"))
    item, levy, tax = (column[slips] for column in (billed.item.codes, billed.terms.levy_year, billed.terms.tax_year))
    kinds, kind = np.unique((item * np.int64(10_000) + levy) * 10_000 + tax, return_inverse=True)
    account = _accounts(billed, slips, by_family=True)
    return np.where(is_term & (account >= 0), account * len(kinds) + kind, -1)


def _joined(group: Ints, day: Ints) -> Ints:
    """A group and a day as one number to search for; a day and its sign fit 24 bits."""
    return (group << 24) + day + (1 << 23)


def overlap(whose: Ints, money: Ints, theirs: Ints, debt: Ints) -> tuple[Ints, Ints, Ints]:
    """Lay money against debts inside each group, both in the order of their rows, as two rulers side by side.

    ``whose`` and ``theirs`` are the groups of money and debts; -1 is none. ``money`` and ``debt`` are yen.

    Returns:
        The row of the money, the row of the debt, and the yen that both cover: int64 (k,) each.
    """
    groups = np.intersect1d(whose[(whose >= 0) & (money > 0)], theirs[(theirs >= 0) & (debt > 0)])
    rulers = []
    for group, yen in ((whose, money), (theirs, debt)):
        rows = np.flatnonzero(np.isin(group, groups) & (yen > 0))
        rows = rows[np.argsort(group[rows], kind="stable")]
        rulers.append((rows, np.searchsorted(groups, group[rows]), yen[rows]))
    totals = [np.zeros(len(groups), np.int64) for _ in rulers]
    for total, (_, group, yen) in zip(totals, rulers, strict=True):
        np.add.at(total, group, yen)
    room = np.maximum(*totals)
    starts = np.cumsum(room) - room
    ends = []
    for total, (_, group, yen) in zip(totals, rulers, strict=True):
        before = np.cumsum(total) - total
        ends.append(starts[group] + np.cumsum(yen) - before[group])
    marks = np.unique(np.concatenate([starts, *ends]))
    begin, length = marks[:-1], np.diff(marks)
    places, inside = [], np.ones(len(begin), np.bool_)
    for end, (rows, _, yen) in zip(ends, rulers, strict=True):
        place = np.searchsorted(end, begin, side="right")
        inside &= place < len(rows)
        place = np.minimum(place, max(len(rows) - 1, 0))
        if len(rows):
            inside &= begin >= (end - yen)[place]
        places.append(rows[place] if len(rows) else np.zeros(len(begin), np.int64))
    return places[0][inside], places[1][inside], length[inside]


def _in_turn(debt: Ints, wanted: Ints, open_yen: Ints) -> Ints:
    """What each row takes of a debt when the rows of one debt come in their order: int64 (k,)."""
    order = np.argsort(debt, kind="stable")
    sums = np.cumsum(wanted[order])
    before = sums - wanted[order]
    head = np.diff(debt[order], prepend=-1) != 0
    before -= before[head][np.cumsum(head) - 1]
    taken = np.empty_like(wanted)
    taken[order] = np.clip(open_yen[debt[order]] - before, 0, wanted[order])
    return taken


def offer_table(offers: Offers, lines: Lines, billed: Billed, balance: Ints) -> pa.Table:
    """The offers as they are told; see :attr:`kokin.reconcile.Accounts.offers`."""
    told = lines.told.take(to_arrow(offers.line, pa.int64()))
    slip = to_arrow(offers.slip, pa.int32())
    residual = balance[billed.obligation_of(offers.slip)]
    return pa.table(
        {
            **{name: told.column(name) for name in ("source", "record_no", "bill_id")},
            "kind": kind_texts(lines, offers.line, offers.wrong_term),
            "debt_bill_id": billed.index.bill_id.take(slip),
            "charge": billed.charge.texts(offers.slip),
            "item_code": billed.text("item_code").take(slip),
            "period": billed.period.take(slip),
            "due_on": billed.table.column("due_on").take(slip),
            "residual": to_arrow(residual, pa.int64()),
            "offered": to_arrow(offers.yen, pa.int64()),
            "consent": pa.array(offers.consent.tolist(), pa.bool_()),
        }
    )
