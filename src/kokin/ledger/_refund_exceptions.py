"""What is left to do about overpayments (過誤納): to decide, to order, to wait for the bank, to order again.

- ``R12-REFUND_OPEN``: yen of the excess of receipt 12 about which nothing is decided.
- ``P12-REFUND_DECIDED``: the transfer of the proposal P12 is not ordered.
- ``P12-REFUND_ORDERED``: the bank has not reported a result; ``P12-REFUND_RETURNED``: the transfer came back (組戻).
- ``P12-REFUND_EXCEEDS_EXCESS``: a refund was decided about a receipt that is not active any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import combine
from kokin.ledger._database import Transaction
from kokin.ledger._refund_steps import DecidedPart, proposal_id
from kokin.model import Finding, Outcome, RefundState, RefundStep
from kokin.reconcile import Accounts


class RefundTask(StrEnum):
    """The code of an exception: the step of a refund or set-off that a person has to take."""

    #: 還付・充当未決定: decide about the open excess.
    OPEN = "REFUND_OPEN"
    #: 還付命令待ち: order the transfer.
    DECIDED = "REFUND_DECIDED"
    #: 振込結果待ち: record the result of the bank.
    ORDERED = "REFUND_ORDERED"
    #: 組戻: ask for the account, and order the transfer again.
    RETURNED = "REFUND_RETURNED"


#: The outcomes of payments with an excess. The exception of the outcome is settled when all of it is decided.
EXCESS_OUTCOMES = (
    Outcome.OVERPAID,
    Outcome.DUPLICATE_PAYMENT,
    Outcome.BILL_CHANGED,
    Outcome.CANCELLED_BILL,
)

# By the last step of a part with yen to transfer: the code, and the step that is expected next.
_TASKS = {
    RefundStep.DECIDED: (RefundTask.DECIDED, RefundStep.ORDERED),
    RefundStep.ORDERED: (RefundTask.ORDERED, RefundStep.PAID),
    RefundStep.RETURNED: (RefundTask.RETURNED, RefundStep.ORDERED),
}


def open_refunds(accounts: Accounts) -> pa.Table:
    """Return a row for each open excess, with the columns of ``Reconciliation.exceptions`` that exceptions need."""
    table = accounts.overpayments_without_interest
    table = table.filter(pc.equal(table.column("state"), RefundState.OPEN.value))
    count = len(table)
    excess = combine(table.column("excess"))
    return pa.table(
        {
            **{name: table.column(name) for name in ("source", "record_no", "bill_id")},
            "outcome": pa.repeat(RefundTask.OPEN.value, count),
            "amount": excess,
            "field": pa.repeat("excess", count),
            "expected": pa.repeat("0", count),
            "found": excess.cast(pa.string()),
        }
    )


def part_exceptions(
    transaction: Transaction,
    parts: Mapping[tuple[int, int], DecidedPart],
    findings: pa.Table,
    sources: Mapping[int, str],
) -> list[dict[str, Any]]:
    """Return the exceptions of decided parts, rows of :data:`kokin.ledger._exceptions.EXCEPTIONS`.

    Args:
        transaction: the transaction.
        parts: the decided parts.
        findings: the findings of parts whose receipts are not active: their field is the proposal.
        sources: the names of files, by entry.
    """
    ids = np.array(sorted({receipt for receipt, _ in parts}), np.int64)
    fields = ("entry_id", "record_no")
    receipts = {row["id"]: row for row in transaction.rows("receipts", ids, fields).to_pylist()}
    differences = {row["field"]: (row["expected"], row["found"]) for row in findings.to_pylist()}
    rows = []
    for (receipt_id, _), part in parts.items():
        receipt, name = receipts[receipt_id], proposal_id(part.id)
        shared = {
            "entry_id": part.steps[-1]["entry_id"],
            "receipt_id": receipt_id,
            "source": sources[receipt["entry_id"]],
            "record_no": receipt["record_no"],
            "bill_id": part.decision["debt_bill_id"],
        }
        if part.step in _TASKS and part.transfer:
            code, expected = _TASKS[part.step]
            about = {"field": "step", "expected": expected.value, "found": part.step.value, "amount": part.transfer}
            rows.append({**shared, **about, "exception_id": f"{name}-{code}", "code": code.value})
        if name in differences:
            finding = Finding.REFUND_EXCEEDS_EXCESS
            expected, found = differences[name]
            about = {"field": "excess", "expected": expected, "found": found, "amount": part.decision["amount"]}
            rows.append({**shared, **about, "exception_id": f"{name}-{finding}", "code": finding.value})
    return rows
