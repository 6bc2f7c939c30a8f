"""Reconciliation (消込): receipts against bills, every yen in exactly one outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kokin.matching import OUTCOMES, Index, Judgement, crowded, judge, judge_alone
from kokin.model import Bin, Outcome
from kokin.reconcile._controls import Control, bins, controls
from kokin.reconcile._policy import Policy
from kokin.reconcile._receipts import Receipts
from kokin.reconcile._tables import balance_table, exception_table, outcome_table


@dataclass(frozen=True)
class Reconciliation:
    """What became of every receipt, and how every bill stands after it."""

    outcomes: pa.Table
    """A row per receipt: ``source, record_no, outcome, bill_id, payee_code, item_code, case_key, amount, applied,
    excess, expected`` (yen; ``expected`` is the balance that the receipt met), by source, digest and record_no."""
    balances: pa.Table
    """A row per slip: ``bill_id, amount, paid, residual, status`` (yen), by bill_id."""
    exceptions: pa.Table
    """The outcomes to look at: ``source, record_no, outcome, bill_id, payee_code, item_code, case_key, amount, field,
    expected, found``, in the order of the outcomes."""
    controls: list[Control]
    """The control equations T1 to T6."""
    summary: dict[str, Any]
    """Counts and yen, for JSON: ``bills, receipts, amount, outcomes, bins, controls, policy``."""


def reconcile(bills: Any, receipts: Any, policy: Policy | None = None) -> Reconciliation:
    """Settle receipts against bills by the rule of matching.

    Args:
        bills: a table with the columns of :class:`~kokin.model.Bill` (anything with ``__arrow_c_stream__``), or a
            prepared :class:`~kokin.matching.Index`.
        receipts: a table with the columns of :class:`~kokin.model.Receipt`, or a list of them, one per file. Order and
            split do not matter.
        policy: the body's choices.

    Raises:
        RefusedError: the bills do not hold together, or a row is no bill or no receipt; ``.issues`` tells all of it.
    """
    policy = policy or Policy()
    index = bills if isinstance(bills, Index) else Index.build(bills)
    taken = Receipts(receipts, index)
    judged = decide(index, taken, policy)
    balance = index.debts.open.copy()
    balance[judged.touched] = judged.left
    outcomes, rows = outcome_table(taken, index, judged)
    found = bins(taken.kind, taken.amount, judged)
    checked = controls(taken.amount, judged, found, index.debts, balance)
    waiting = taken.slip[judged.outcome == OUTCOMES.index(Outcome.PROVISIONAL)]
    return Reconciliation(
        outcomes,
        balance_table(index, balance, waiting),
        exception_table(taken, outcomes, rows, judged),
        checked,
        _summary(index, taken, judged.outcome, found, checked, policy),
    )


def decide(index: Index, taken: Receipts, policy: Policy) -> Judgement:
    """The judgement of all receipts: at a stroke where a receipt concerns no other, by the whole rule elsewhere."""
    company = crowded(taken.kind, taken.slip, index.debts)
    rows = np.flatnonzero(company)
    some = judge(taken.claims(rows, policy), index.debts, index.status)
    if len(rows) == len(taken):
        return some
    judged = judge_alone(taken.slip, taken.amount, index.debts, index.status)
    for whole, part in zip(judged[:4], some[:4], strict=True):
        whole[rows] = part
    alone = np.flatnonzero(~company)
    return judged._replace(
        touched=np.concatenate([judged.touched[alone], some.touched]),
        left=np.concatenate([judged.left[alone], some.left]),
    )


def _summary(
    index: Index, taken: Receipts, outcome: Any, found: dict[Bin, int], checked: list[Control], policy: Policy
) -> dict[str, Any]:
    told = {}
    for code in np.unique(outcome).tolist():
        amount = taken.amount[outcome == code]
        told[OUTCOMES[code].value] = {"count": len(amount), "amount": int(amount.sum())}
    return {
        "bills": len(index),
        "receipts": len(taken),
        "amount": int(taken.amount.sum()),
        "outcomes": told,
        "bins": {name.value: yen for name, yen in found.items()},
        "controls": {control.name: control.as_dict() for control in checked},
        "policy": policy.model_dump(mode="json"),
    }
