"""Overpayments (過誤納) and the debts against which they could be set off (充当候補). No yen is moved.

Set-off among local taxes is mandatory (地方税法17の2①), pays the tax before its 延滞金 (17の2③), and takes effect on
the day on which it becomes possible (充当適状, 17の2④): the debt counts as paid on that day, so its 延滞金 ends, and
so does the 還付加算金 of the yen that are set off (17の4①). The interest on the refund and on each set-off is
computed and cut apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import (
    BoolArray,
    Int32Array,
    Int64Array,
    bool_array,
    combine,
    from_numpy,
    text_array,
    to_mask,
    to_numpy,
)
from kokin.catalog import ClaimClass
from kokin.matching import allocate_in_order
from kokin.model import Outcome, RefundKind, RefundState
from kokin.reconcile._bill_columns import BillColumns
from kokin.reconcile._columns import Days, category_texts, days_array
from kokin.reconcile._policy import Policy
from kokin.reconcile._refunds import RefundParts
from kokin.reconcile._tables import OutcomeRows
from kokin.rules import RateMissingError, RateTable, columns


class OverpaymentKind(StrEnum):
    """Why money is owed back, or could be set off."""

    #: 過納: more than the balance.
    OVERPAID = "overpaid"
    #: 二重納付: the balance was 0 already.
    DOUBLE = "double"
    #: 誤納: paid on a slip that was cancelled or superseded.
    MISTAKEN = "mistaken"
    #: 期別違い: applied to a later instalment than the one that was due; owed back only if the payer asks for it.
    WRONG_TERM = "wrong_term"


_KINDS = list(OverpaymentKind)
_KIND_OF_OUTCOME = {
    Outcome.OVERPAID: OverpaymentKind.OVERPAID,
    Outcome.DUPLICATE_PAYMENT: OverpaymentKind.DOUBLE,
    Outcome.BILL_CHANGED: OverpaymentKind.MISTAKEN,
    Outcome.CANCELLED_BILL: OverpaymentKind.MISTAKEN,
}


def overpaid_rows(rows: OutcomeRows) -> Int64Array:
    """Return the rows with an excess: int64 (k,)."""
    return np.flatnonzero(rows.excess > 0)


def overpayment_table(
    rows: OutcomeRows,
    bills: BillColumns,
    candidates: SetoffCandidates,
    parts: RefundParts,
    policy: Policy,
    as_of: np.datetime64,
    rates: RateTable | None,
) -> pa.Table:
    """Return 過誤納一覧: the open excess of each receipt and its decided parts; see :attr:`Accounts.overpayments`.

    ``as_of`` is the 支出決定日 of what is not set off by law. Without ``rates`` the interest on it is null.
    """
    excess = parts.open_excess(rows.excess)
    at = np.flatnonzero(excess > 0)
    of_excess = candidates.select(~candidates.is_wrong_instalment)
    by_law = of_excess.select(~of_excess.needs_consent)
    refund = excess[at] - _sum_by_row(by_law.row, by_law.yen, at)
    yen: dict[str, Int64Array | None] = {
        "excess": excess[at],
        "refund": refund,
        "interest": None,
        "setoff_interest": None,
        "offered": _sum_by_row(of_excess.row, of_excess.yen, at),
    }
    if rates:
        yen["interest"] = refund_interest(refund, at, np.full(len(at), as_of), rows, bills, policy, rates)
        setoff_interest = _setoff_interest(by_law, rows, bills, policy, rates)
        yen["setoff_interest"] = _sum_by_row(by_law.row, setoff_interest, at)
    opened = {"state": pa.repeat(RefundState.OPEN.value, len(at)), "proposal_id": pa.nulls(len(at), pa.string())}
    known = parts.known
    if not len(known):
        return _overpayment_rows(at, rows, bills, yen, opened)
    decided = parts.table.take(from_numpy(known, pa.int64()))
    states = {name: combine(decided.column(name)).cast(pa.string()) for name in opened}
    is_setoff, fixed = parts.has_kind(RefundKind.SETOFF)[known], to_numpy(decided.column("interest"), 0)
    is_due = to_mask(pc.is_in(states["state"], value_set=_STATES_TO_REFUND))
    yen_of_parts = {
        "excess": parts.yen[known],
        "refund": np.where(is_due & ~is_setoff, parts.yen[known], 0),
        "interest": np.where(is_setoff, 0, fixed),
        "setoff_interest": np.where(is_setoff, fixed, 0),
        "offered": np.zeros(len(known), np.int64),
    }
    row = np.concatenate([at, parts.row[known]])
    tables = [
        _overpayment_rows(at, rows, bills, yen, opened),
        _overpayment_rows(parts.row[known], rows, bills, yen_of_parts, states),
    ]
    return pa.concat_tables(tables).take(from_numpy(np.argsort(row, kind="stable"), pa.int64()))


#: The states in which yen are still to be refunded.
_STATES_TO_REFUND = text_array((RefundState.DECIDED, RefundState.ORDERED, RefundState.RETURNED))


def _overpayment_rows(
    at: Int64Array,
    rows: OutcomeRows,
    bills: BillColumns,
    yen: Mapping[str, Int64Array | None],
    states: Mapping[str, pa.Array],
) -> pa.Table:
    """Return rows of the table of overpayments, for the rows ``at`` of outcomes, with columns of yen and states."""
    slip = rows.slip[at]
    outcomes = rows.outcomes_at(at)
    return pa.table(
        {
            **{name: outcomes.column(name) for name in ("source", "record_no", "outcome", "bill_id", "payee_code")},
            "payer_key": _known_texts(partial(bills.texts, "payer_key"), slip),
            "charge": _known_texts(bills.charge.texts, slip),
            "item_code": outcomes.column("item_code"),
            "paid_on": days_array(rows.paid_on[at]),
            "kind": kind_texts(rows, at, np.zeros(len(at), np.bool_)),
            **{
                name: pa.nulls(len(at), pa.int64()) if column is None else from_numpy(column, pa.int64())
                for name, column in yen.items()
            },
            **states,
        }
    )


def _known_texts(texts: Callable[[Int32Array], pa.Array], slip: Int32Array) -> pa.Array:
    """Return the texts of slips, null for a payment without a bill: string (k,)."""
    is_known = slip >= 0
    positions = np.cumsum(is_known) - 1
    return texts(slip[is_known]).take(from_numpy(positions, pa.int64(), is_known))


def _sum_by_row(row: Int64Array, yen: Int64Array, rows: Int64Array) -> Int64Array:
    """Return the sums of yen by row, int64 (k,), for ascending ``rows`` of which ``row`` has only some."""
    sums = np.zeros(len(rows), np.int64)
    np.add.at(sums, np.searchsorted(rows, row), yen)
    return sums


def refund_interest(
    yen: Int64Array,
    at: Int64Array,
    ends_on: Days,
    rows: OutcomeRows,
    bills: BillColumns,
    policy: Policy,
    rates: RateTable,
) -> Int64Array:
    """Return the 還付加算金 on yen of the payments in the rows ``at`` up to some days, int64 (k,), each cut apart.

    By law it begins a month after the payment (地方税法17の4①四); the policy has another beginning, or none, by charge.
    """
    paid_on = rows.paid_on[at]
    starts = [_interest_start(bills, policy, name) for name in bills.charge.categories]
    start = np.array([*starts, policy.refund_interest_from])[bills.charge.codes[rows.slip[at]]]
    after = np.where(start == "payment", paid_on, columns.period_end(paid_on, 1))
    bearing = np.where(start == "none", 0, yen)
    return columns.refund_interest(bearing, after, ends_on, policy.interest_segment, rates=rates)


def _interest_start(bills: BillColumns, policy: Policy, charge: str) -> str:
    """Return when the interest on refunds of a charge starts: a value of ``Policy.refund_interest_by_charge``."""
    known = bills.known_charges.get(charge)
    is_private = known is not None and known.claim is ClaimClass.PRIVATE
    return policy.refund_interest_by_charge.get(charge, "none" if is_private else policy.refund_interest_from)


def setoff_dates(candidates: SetoffCandidates, rows: OutcomeRows, bills: BillColumns) -> Days:
    """Return the days of 充当適状, datetime64[D] (k,)."""
    return columns.setoff_date(bills.fiscal_dates.due_on[candidates.slip], rows.paid_on[candidates.row])


def _setoff_interest(
    candidates: SetoffCandidates, rows: OutcomeRows, bills: BillColumns, policy: Policy, rates: RateTable
) -> Int64Array:
    """Return the 還付加算金 of each pair up to its 充当適状, int64 (k,)."""
    ends_on = setoff_dates(candidates, rows, bills)
    return refund_interest(candidates.yen, candidates.row, ends_on, rows, bills, policy, rates)


def kind_texts(rows: OutcomeRows, at: Int64Array, is_wrong_instalment: BoolArray) -> pa.Array:
    """Return the :class:`OverpaymentKind` of payments: string (k,)."""
    kind = np.full(len(at), _KINDS.index(OverpaymentKind.WRONG_TERM))
    for outcome, name in _KIND_OF_OUTCOME.items():
        kind[rows.with_outcome(outcome)[at]] = _KINDS.index(name)
    kind[is_wrong_instalment] = _KINDS.index(OverpaymentKind.WRONG_TERM)
    return category_texts(kind, [name.value for name in _KINDS])


class DueDebts(NamedTuple):
    """Debts that are due and open, of known payers, by due date and ``bill_id``: ``d`` rows."""

    #: int32 (d,): the main slip of each.
    slip: Int32Array
    #: datetime64[D] (d,).
    due_on: Days
    #: int64 (d,): yen still open.
    balance: Int64Array


class WrongInstalments(NamedTuple):
    """Payments on a later instalment (期) than the one that was due, ``k`` rows."""

    #: int64 (k,): the row of the receipt.
    row: Int64Array
    #: int64 (k,): the row in :class:`DueDebts` of the instalment that was due and stayed unpaid.
    debt: Int64Array


class SetoffCandidates(NamedTuple):
    """Pairs of a payment and a debt, ``k`` rows by payment, in the order in which they would be set off."""

    #: int64 (k,): the row of the receipt.
    row: Int64Array
    #: int32 (k,): the main slip of the debt.
    slip: Int32Array
    #: int64 (k,): yen.
    yen: Int64Array
    #: bool (k,): only with the payer's consent.
    needs_consent: BoolArray
    #: bool (k,): the payment was applied to another instalment, and is owed back only if the payer asks for it.
    is_wrong_instalment: BoolArray

    def select(self, mask: BoolArray) -> SetoffCandidates:
        """Return the pairs of which a mask is True."""
        return SetoffCandidates._make(column[mask] for column in self)


def due_debts(bills: BillColumns, balance: Int64Array, as_of: np.datetime64) -> DueDebts:
    """Return the debts that are due on a day and open; ``balance``, int64 (m,), is open on each obligation."""
    slip = bills.main_slip[balance > 0]
    due_on = bills.fiscal_dates.due_on[slip]
    is_due = (due_on <= as_of) & (bills.payer[slip] >= 0)
    slip, due_on = slip[is_due], due_on[is_due]
    order = np.lexsort((bills.ranks(slip), due_on))
    slip, due_on = slip[order], due_on[order]
    return DueDebts(slip, due_on, balance[bills.obligation_of(slip)])


def setoff_candidates(
    rows: OutcomeRows, bills: BillColumns, debts: DueDebts, wrong: WrongInstalments, open_excess: Int64Array
) -> SetoffCandidates:
    """Pair overpayments with due debts of the same payer to the same payee, the longest due first.

    First the pairs that law allows without consent: among local taxes (地方税法17の2①), or of one charge. Then the
    others. Last, payments on a wrong instalment with the instalment that was due. No yen is in two pairs.
    ``open_excess``, int64 (n,), are the yen of each row that are still open.
    """
    overpaid = np.flatnonzero(open_excess > 0)
    excess, balance = open_excess[overpaid], debts.balance.copy()
    pairs = []
    for needs_consent in (False, True):
        payment_group, debt_group = (
            setoff_groups(bills, slips, by_class=not needs_consent) for slips in (rows.slip[overpaid], debts.slip)
        )
        payment, debt, yen = match_intervals(payment_group, excess, debt_group, balance)
        np.subtract.at(excess, payment, yen)
        np.subtract.at(balance, debt, yen)
        flags = np.full(len(yen), needs_consent), np.zeros(len(yen), np.bool_)
        pairs.append((overpaid[payment], debts.slip[debt], yen, *flags))
    ones = np.ones(len(wrong.row), np.int64)
    yen, _, _ = allocate_in_order(rows.applied[wrong.row], ones, wrong.debt, wrong.debt, balance)
    pairs.append((wrong.row, debts.slip[wrong.debt], yen, np.zeros(len(yen), np.bool_), np.ones(len(yen), np.bool_)))
    found = SetoffCandidates._make(np.concatenate(column) for column in zip(*pairs, strict=True))
    due_on = bills.fiscal_dates.due_on[found.slip]
    keys = (bills.ranks(found.slip), due_on, found.needs_consent, found.is_wrong_instalment, found.row)
    order = np.lexsort(keys)
    order = order[found.yen[order] > 0]
    return SetoffCandidates._make(column[order] for column in found)


def setoff_groups(bills: BillColumns, slips: Int32Array, *, by_class: bool) -> Int64Array:
    """Return a number for the payer of each slip, or for payer and set-off class: int64 (k,); -1: payer unknown."""
    payer = bills.payer[slips].astype(np.int64)
    if not by_class:
        return payer
    classes = int(bills.setoff_class.max(initial=0)) + 1
    return np.where(payer < 0, -1, payer * classes + bills.setoff_class[slips])


class DueInstalments(NamedTuple):
    """The instalments among the due debts, ``d`` rows by assessment and due date.

    Instalments of one assessment are slips with a 期別 of one payer, charge, 税目・料金番号 and pair of years.
    """

    #: int64 (k,): the item and years of the assessments, ascending.
    kinds: Int64Array
    #: int64 (g,): the number of each assessment, ascending; see :func:`_assessment_of`.
    assessments: Int64Array
    #: int64 (d,): the row in :class:`DueDebts`, the position in ``assessments``, and the due date as days.
    debt: Int64Array
    group: Int64Array
    due_on: Int64Array


def due_instalments(bills: BillColumns, debts: DueDebts) -> DueInstalments:
    """Return the instalments among due debts."""
    kinds = np.unique(_kinds_of(bills, debts.slip))
    assessment = _assessment_of(bills, debts.slip, kinds)
    debt = np.flatnonzero(assessment >= 0)
    assessments, group = np.unique(assessment[debt], return_inverse=True)
    due_on = debts.due_on[debt].view(np.int64)
    order = np.lexsort((due_on, group))
    return DueInstalments(kinds, assessments, debt[order], group[order], due_on[order])


def wrong_instalments(rows: OutcomeRows, bills: BillColumns, due: DueInstalments) -> WrongInstalments:
    """Find payments on a later instalment while an earlier one was not yet due, which then stayed unpaid.

    Such a payment was meant for the instalment that was due: it is 誤納金, not a payment in advance. For example, of
    instalments due in June and August, a payment in May on the August slip is wrong if the June slip is unpaid on the
    day of the run.
    """
    row = np.flatnonzero(rows.applied > 0)
    if not len(due.debt):
        return WrongInstalments(row[:0], due.debt)
    assessment = _assessment_of(bills, rows.slip[row], due.kinds)
    group = np.searchsorted(due.assessments, assessment)
    is_due = due.assessments.take(group, mode="clip") == assessment
    row, group = row[is_due], group[is_due]
    # The first unpaid instalment that was due on the day of payment or after it.
    paid_on = rows.paid_on[row].view(np.int64)
    first = np.searchsorted(_group_and_day(due.group, due.due_on), _group_and_day(group, paid_on))
    exists = first < len(due.debt)
    row, group, first = row[exists], group[exists], first[exists]
    paid_due_on = bills.fiscal_dates.due_on[rows.slip[row]].view(np.int64)
    is_wrong = (due.group[first] == group) & (due.due_on[first] < paid_due_on)
    return WrongInstalments(row[is_wrong], due.debt[first[is_wrong]])


def _kinds_of(bills: BillColumns, slips: Int32Array) -> Int64Array:
    """Return a number for the item and the years of each slip: int64 (k,)."""
    dates = bills.fiscal_dates
    item, levy, tax = (column[slips] for column in (bills.item.codes, dates.levy_year, dates.tax_year))
    kinds: Int64Array = (item * np.int64(10_000) + levy) * 10_000 + tax
    return kinds


def _assessment_of(bills: BillColumns, slips: Int32Array, kinds: Int64Array) -> Int64Array:
    """Return a number for the assessment that each slip is an instalment of: int64 (k,).

    -1: no payer, no 期別, or an item and years that are not among ``kinds``, which ascend.
    """
    is_instalment = to_mask(pc.not_equal(bills.periods(slips), "00"))
    kind = _kinds_of(bills, slips)
    number = np.searchsorted(kinds, kind)
    is_instalment &= kinds.take(number, mode="clip") == kind if len(kinds) else False
    group = setoff_groups(bills, slips, by_class=True)
    return np.where(is_instalment & (group >= 0), group * len(kinds) + number, -1)


def _group_and_day(group: Int64Array, day: Int64Array) -> Int64Array:
    """Combine a group and a day in one sortable number; a day and its sign fit 24 bits."""
    return (group << 24) + day + (1 << 23)


class _Intervals(NamedTuple):
    """Amounts laid end to end as intervals of yen, from 0 in each group, ``n`` rows by group."""

    #: int64 (n,): the row of each in the input.
    row: Int64Array
    #: int64 (n,): the number of its group.
    group: Int64Array
    #: int64 (n,): its length in yen, and its end.
    yen: Int64Array
    end: Int64Array
    #: int64 (groups,): the end of the last one.
    length: Int64Array


def match_intervals(
    payment_group: Int64Array, excess: Int64Array, debt_group: Int64Array, balance: Int64Array
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Allocate payments to debts in each group, first in first out, without a loop over rows.

    The payments of a group are laid end to end as intervals of yen, and so are its debts. Where two intervals overlap,
    the payment pays the debt. Payments of 30 and 20 yen against debts of 10 and 35 yen:

        payments  |---------- 30 ----------|---- 20 ----|
        debts     |- 10 -|------ 35 ------------|
        pairs        10          20          15            (0, 0, 10), (0, 1, 20), (1, 1, 15)

    >>> groups = np.zeros(2, np.int64)
    >>> [column.tolist() for column in match_intervals(groups, np.array([30, 20]), groups, np.array([10, 35]))]
    [[0, 0, 1], [0, 1, 1], [10, 20, 15]]

    The yen of payments are ``excess``, those of debts ``balance``; group -1 is none.

    Returns:
        The row of the payment, the row of the debt, and the yen of each pair: int64 (k,) each.
    """
    groups = np.intersect1d(payment_group[excess > 0], debt_group[balance > 0])
    groups = groups[groups >= 0]
    if not len(groups):
        empty = np.empty(0, np.int64)
        return empty, empty, empty
    payments, debts = _intervals(payment_group, excess, groups), _intervals(debt_group, balance, groups)
    # The groups end to end on one axis; between two bounds of any interval lie one payment and one debt at most.
    length = np.maximum(payments.length, debts.length)
    start = np.cumsum(length) - length
    bounds = np.unique(np.concatenate([start, *(start[side.group] + side.end for side in (payments, debts))]))
    begin, yen = bounds[:-1], np.diff(bounds)
    (payment, is_paid), (debt, is_owed) = (_find(begin, side, start) for side in (payments, debts))
    both = is_paid & is_owed
    return payments.row[payment[both]], debts.row[debt[both]], yen[both]


def _intervals(group: Int64Array, yen: Int64Array, groups: Int64Array) -> _Intervals:
    """Return the intervals of some groups, each of which has a row with yen."""
    row = np.flatnonzero(np.isin(group, groups) & (yen > 0))
    row = row[np.argsort(group[row], kind="stable")]
    number, sums = np.searchsorted(groups, group[row]), np.cumsum(yen[row])
    first = np.searchsorted(number, np.arange(len(groups)))
    before = sums[first] - yen[row][first]
    last = np.append(first[1:], len(row)) - 1
    return _Intervals(row, number, yen[row], sums - before[number], sums[last] - before)


def _find(points: Int64Array, intervals: _Intervals, start: Int64Array) -> tuple[Int64Array, BoolArray]:
    """Return the interval at or after each point of the axis, and whether it contains the point."""
    end = start[intervals.group] + intervals.end
    found = np.minimum(np.searchsorted(end, points, side="right"), len(end) - 1)
    return found, (points < end[found]) & (points >= end[found] - intervals.yen[found])


def candidate_table(
    candidates: SetoffCandidates,
    rows: OutcomeRows,
    bills: BillColumns,
    balance: Int64Array,
    policy: Policy,
    rates: RateTable,
) -> pa.Table:
    """Return 充当候補一覧; see :attr:`kokin.reconcile.Accounts.setoff_candidates`."""
    outcomes = rows.outcomes_at(candidates.row)
    residual = balance[bills.obligation_of(candidates.slip)]
    is_by_law = ~candidates.needs_consent
    try:
        interest = _setoff_interest(candidates, rows, bills, policy, rates)
        has_interest = is_by_law
    except RateMissingError:
        interest, has_interest = np.zeros(len(is_by_law), np.int64), np.zeros(len(is_by_law), np.bool_)
    dates = np.where(is_by_law, setoff_dates(candidates, rows, bills), np.datetime64("NaT", "D"))
    return pa.table(
        {
            **{name: outcomes.column(name) for name in ("source", "record_no", "bill_id")},
            "payee_code": bills.payee.texts(candidates.slip),
            "kind": kind_texts(rows, candidates.row, candidates.is_wrong_instalment),
            "debt_bill_id": bills.index.bill_ids(candidates.slip),
            "charge": bills.charge.texts(candidates.slip),
            "item_code": bills.texts("item_code", candidates.slip),
            "period": bills.periods(candidates.slip),
            "due_on": days_array(bills.days("due_on", candidates.slip)),
            "residual": from_numpy(residual, pa.int64()),
            "offered": from_numpy(candidates.yen, pa.int64()),
            "setoff_on": days_array(dates),
            "interest": from_numpy(interest, pa.int64(), has_interest),
            "consent": bool_array(candidates.needs_consent),
        }
    )
