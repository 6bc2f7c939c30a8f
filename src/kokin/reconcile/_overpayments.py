"""Overpayments (過誤納): what is owed back, with its interest."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pyarrow as pa

from kokin._arrow import BoolArray, Int64Array, from_numpy
from kokin.model import Outcome
from kokin.reconcile._billed import Billed
from kokin.reconcile._columns import Days, days_array, words_of
from kokin.reconcile._lines import Lines
from kokin.reconcile._policy import Policy
from kokin.rules import columns


class OverpaymentKind(StrEnum):
    """Why money is owed back, or offered for another debt."""

    #: 過納: more than was still owed.
    OVERPAID = "overpaid"
    #: 二重納付: nothing was owed any more.
    DOUBLE = "double"
    #: 誤納: paid on a slip that was cancelled, or that another one had replaced.
    MISTAKEN = "mistaken"
    #: 期別違い: settled another term than the one that was due; it is offered and owed back only if somebody says so.
    WRONG_TERM = "wrong_term"


_KINDS = list(OverpaymentKind)
_BY_OUTCOME = {
    Outcome.OVERPAID: OverpaymentKind.OVERPAID,
    Outcome.DUPLICATE_PAYMENT: OverpaymentKind.DOUBLE,
    Outcome.BILL_CHANGED: OverpaymentKind.MISTAKEN,
    Outcome.CANCELLED_BILL: OverpaymentKind.MISTAKEN,
}


def overpaid(lines: Lines) -> Int64Array:
    """The lines with money that is owed back: int64 (k,)."""
    return np.flatnonzero(lines.excess > 0)


def kind_texts(lines: Lines, at: Int64Array, wrong_term: BoolArray | None = None) -> pa.Array:
    """Why the money of some lines is owed back, or offered."""
    kind = np.full(len(at), _KINDS.index(OverpaymentKind.WRONG_TERM))
    for outcome, name in _BY_OUTCOME.items():
        kind[lines.are(outcome)[at]] = _KINDS.index(name)
    if wrong_term is not None:
        kind[wrong_term] = _KINDS.index(OverpaymentKind.WRONG_TERM)
    return words_of(kind, [name.value for name in _KINDS])


def interest_from(paid_on: Days, policy: Policy) -> Days:
    """The days after which 還付加算金 runs, datetime64[D] (n,): the payment, or the end of the month after it."""
    return paid_on if policy.refund_interest_from == "payment" else columns.period_end(paid_on, 1)


def overpayments(lines: Lines, billed: Billed, offered: Int64Array, policy: Policy, as_of: np.datetime64) -> pa.Table:
    """過誤納一覧: a row for each receipt with an excess; see :attr:`kokin.reconcile.Accounts.overpayments`.

    ``offered``, int64 (k,), are the yen of each that could be set off; ``as_of`` is the 支出決定日.
    """
    at = overpaid(lines)
    slip = lines.slip[at]
    paid_on = lines.paid_on[at]
    interest = columns.refund_interest(lines.excess[at], interest_from(paid_on, policy), as_of, policy.interest_segment)
    told = lines.told.take(from_numpy(at, pa.int64()))
    return pa.table(
        {
            **{name: told.column(name) for name in ("source", "record_no", "outcome", "bill_id")},
            "payer_key": billed.text("payer_key").take(from_numpy(slip, pa.int32())),
            "charge": billed.charge.texts(slip),
            "item_code": told.column("item_code"),
            "paid_on": days_array(paid_on),
            "kind": kind_texts(lines, at),
            "excess": from_numpy(lines.excess[at], pa.int64()),
            "interest": from_numpy(interest, pa.int64()),
            "offered": from_numpy(offered, pa.int64()),
        }
    )
