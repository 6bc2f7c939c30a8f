"""Decisions (判断): check what persons decided about exceptions, and read the decisions in force.

An exception has an id: ``R12-NO_BILL`` is the exception NO_BILL of the receipt with the id 12. A decision about the
payment of a receipt (assign, move, unapply, other_authority, not_a_payment) is input of the rule of matching; hold and
accept only close the exception. The last active decision applies: what an active entry reverses was never decided.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import to_numpy
from kokin.issues import Issue, Location
from kokin.ledger._components import receipts_with_posting
from kokin.ledger._database import Transaction
from kokin.ledger._load_bills import latest_versions
from kokin.ledger._row_checks import Problems, Row, checked_rows, require_none
from kokin.ledger._schema import TABLES, stored_columns
from kokin.model import BillStatus, DecisionFields, DecisionKind, Outcome, ReceiptKind, Text
from kokin.reconcile import Policy

_DECISIONS, _RECEIPTS, _ENTRIES = TABLES["decisions"], TABLES["receipts"], TABLES["entries"]

_OF_RECEIPT = re.compile(r"R([1-9][0-9]{0,17})-[A-Z_]+", re.ASCII)

#: The outcomes of receipts that bring no money.
_NO_MONEY = {
    Outcome.PROVISIONAL,
    Outcome.SUPERSEDED,
    Outcome.CANCELLED,
    Outcome.CANCEL,
    Outcome.CANCEL_WITHOUT_PROVISIONAL,
    Outcome.DUPLICATE_RECORD,
    Outcome.REVERSED,
    Outcome.REVERSAL,
    Outcome.REVERSAL_WITHOUT_PAYMENT,
}


class ExceptionDecision(DecisionFields):
    """A decision about an exception, or one part of it: a payment that is divided among bills has a row for each."""

    exception_id: Annotated[str, Text(120, min=1)]
    """The exception, as the work list names it."""
    reason: Annotated[str, Text(200, min=1)]
    """The reason, without personal data."""
    approver: Annotated[str, Text(80, min=1)] | None = None
    """Who approved it; required, and another person than the actor, if the policy asks for four eyes."""


def exception_of_receipt(receipt: int, code: str) -> str:
    """Return the id of an exception of a receipt."""
    return f"R{receipt}-{code}"


def receipt_of_exception(exception_id: str) -> int | None:
    """Return the id of the receipt of an exception; None if the exception is not of a receipt."""
    match = _OF_RECEIPT.fullmatch(exception_id)
    return int(match[1]) if match else None


def decision_rows(
    transaction: Transaction,
    decisions: Any,
    actor: str,
    policy: Policy,
    place: Callable[[int], Location],
    check: Callable[[Sequence[Row]], Iterable[tuple[int, Issue]]],
    accepted_yen: Callable[[str], str | None],
) -> pa.Table:
    """Check decisions, and return them as columns of the table ``decisions``.

    Args:
        transaction: the transaction.
        decisions: a table with the columns of :class:`ExceptionDecision`.
        actor: who decided.
        policy: the policy in force.
        place: returns the location of a row by its number, from 1.
        check: yields further problems of the rows, each with the number of its row.
        accepted_yen: returns the yen of an exception, as the table stores them; None if there is no such exception.

    Raises:
        InvalidInputError: with every problem, each with its row and field.
    """
    summary = "nothing was decided"
    rows = checked_rows(decisions, ExceptionDecision, place, summary)
    for row in rows:
        row["receipt_id"] = receipt_of_exception(row["exception_id"])
    problems = [*_conflicts(rows), *_receipt_problems(transaction, rows), *_bill_problems(transaction, rows)]
    problems += [*approver_problems(rows, actor, policy), *check(rows)]
    require_none(problems, place, summary)
    rows.sort(key=itemgetter("exception_id"))  # the parts of a payment are rows in a row
    for _, parts in groupby(rows, itemgetter("exception_id")):
        for part_no, row in enumerate(parts, 1):
            row["part_no"] = part_no
            row["hold_until"] = row["hold_until"] and row["hold_until"].isoformat()
            is_accepted = row["decision"] == DecisionKind.ACCEPT
            row["accepted_yen"] = accepted_yen(row["exception_id"]) if is_accepted else None
    columns = [field for field in stored_columns("decisions") if field.name not in ("id", "entry_id", "hash")]
    return pa.Table.from_pylist(rows, pa.schema(columns))


def decided_yen(transaction: Transaction, rows: pa.Table) -> int:
    """Return the yen of the payments of which some decisions say what they are for."""
    is_matched = [DecisionKind(text).is_matched for text in rows.column("decision").to_pylist()]
    receipts = to_numpy(rows.column("receipt_id").filter(pa.array(is_matched, pa.bool_())).drop_null(), 0)
    return int(to_numpy(transaction.rows("receipts", receipts, ("amount",)).column("amount"), 0).sum())


def _conflicts(rows: Sequence[Row]) -> Problems:
    """Yield the problems of rows that contradict others: a payment has one decision, in parts only if it is assigned.

    Hold and accept can be decided about two exceptions of one receipt; what its payment is for is decided once.
    """

    def subject(row: Row) -> tuple[str, Any]:
        is_matched = DecisionKind(row["decision"]).is_matched and row["receipt_id"] is not None
        return ("receipt", row["receipt_id"]) if is_matched else ("exception", row["exception_id"])

    for _, group in groupby(sorted(rows, key=lambda row: str(subject(row))), subject):
        parts = list(group)
        first = parts[0]
        for row in parts[1:]:
            same = all(row[name] == first[name] for name in ("exception_id", "decision", "reason", "approver"))
            if not same or not DecisionKind(row["decision"]).names_bill:
                found = f"{first['decision']} in row {first['row']}"
                yield row["row"], Issue("DECISION_CONFLICT", field="decision", expected=found, found=row["decision"])
        if len(parts) > 1:
            for row in parts:
                if row["amount"] is None and DecisionKind(row["decision"]).names_bill:
                    yield row["row"], Issue("FIELD_MISSING", field="amount", expected="yen of each part")


def _receipt_problems(transaction: Transaction, rows: Sequence[Row]) -> Problems:
    """Yield the problems of receipts: unknown or reversed, without money, or divided into another sum."""
    ids = np.array(sorted({row["receipt_id"] for row in rows if row["receipt_id"]}), np.int64)
    known = transaction.rows("receipts", ids, ()).column("id")
    receipts = {row["id"]: row for row in receipts_with_posting(transaction, to_numpy(known, 0)).to_pylist()}
    totals: dict[str, int] = {}
    for row in rows:
        totals[row["exception_id"]] = totals.get(row["exception_id"], 0) + (row["amount"] or 0)
    for row in rows:
        kind = DecisionKind(row["decision"])
        receipt = receipts.get(row["receipt_id"])
        if row["receipt_id"] is None:
            if kind.is_matched:
                yield row["row"], Issue("DECISION_KIND", field="decision", found=row["exception_id"])
        elif receipt is None or receipt["reverses_id"] is not None:
            yield row["row"], Issue("DECISION_UNKNOWN", field="exception_id", found=row["exception_id"])
        elif kind.is_matched:
            if not ReceiptKind(receipt["kind"]).is_decidable or Outcome(receipt["outcome"]) in _NO_MONEY:
                yield row["row"], Issue("DECISION_KIND", field="decision", found=receipt["outcome"])
            elif totals[row["exception_id"]] not in (0, receipt["amount"]):
                found, expected = str(totals[row["exception_id"]]), str(receipt["amount"])
                yield row["row"], Issue("DECISION_SUM", field="amount", expected=expected, found=found)


def _bill_problems(transaction: Transaction, rows: Sequence[Row]) -> Problems:
    """Yield the problems of bills: unknown, withdrawn, or not open."""
    wanted = sorted({row["bill_id"] for row in rows if row["bill_id"]})
    versions = latest_versions(transaction, pa.chunked_array([wanted], pa.string()))
    bills = {row["bill_id"]: row for row in versions.to_pylist()}
    for row in rows:
        bill = bills.get(row["bill_id"])
        if row["bill_id"] and (bill is None or bill["withdrawn"]):
            yield row["row"], Issue("BILL_UNKNOWN", field="bill_id", found=row["bill_id"])
        elif bill and bill["status"] != BillStatus.OPEN:
            yield row["row"], Issue("DECISION_BILL", field="bill_id", expected=BillStatus.OPEN, found=bill["status"])


def approver_problems(rows: Sequence[Row], actor: str, policy: Policy) -> Problems:
    """Yield the problems of approvers (四つの目)."""
    for row in rows:
        if row["approver"] is None and policy.four_eyes:
            yield row["row"], Issue("FIELD_MISSING", field="approver", expected="another person than the actor")
        elif row["approver"] is not None and row["approver"].strip() == actor.strip():
            yield row["row"], Issue("APPROVER_SAME", field="approver", found=row["approver"])
