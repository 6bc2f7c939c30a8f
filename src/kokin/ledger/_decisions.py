"""Decisions (判断): check and record what persons decided about exceptions.

A decision about the payment of a receipt (assign, move, unapply, other_authority, not_a_payment) is input of the rule
of matching; hold and accept only close the exception. The last active decision applies: what an active entry reverses
was never decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import to_numpy
from kokin.catalog import Catalog
from kokin.issues import Issue, Location
from kokin.ledger._components import receipts_with_posting
from kokin.ledger._database import Transaction
from kokin.ledger._decisions_in_force import decided_keys, receipts_of_decisions
from kokin.ledger._exception_states import settled_problems, yen_of_exceptions
from kokin.ledger._exceptions import receipt_of_exception
from kokin.ledger._journal import EntryResult, EntryWriter
from kokin.ledger._load_bills import latest_versions
from kokin.ledger._rematch import rematch
from kokin.ledger._row_checks import Problems, Row, approver_problems, checked_rows, require_none
from kokin.ledger._schema import EntryKind, stored_columns
from kokin.model import BillStatus, DecisionFields, DecisionKind, Outcome, ReceiptKind, Text
from kokin.reconcile import Policy

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


def decide(
    writer: EntryWriter, decisions: Any, policy: Policy, *, catalog: Catalog, source: str, open_only: bool
) -> EntryResult:
    """Record what persons decided about exceptions; see :meth:`kokin.ledger.Ledger.decide`."""
    # The books before the decisions: computed once, and only if a decision needs them.
    found = cache(lambda: yen_of_exceptions(writer, writer.today, catalog))
    rows = _checked(writer, decisions, policy, partial(Location, source), found, open_only=open_only)
    writer.begin(EntryKind.DECISION, source=source)
    writer.add_rows("decisions", rows)
    keys = decided_keys(writer, receipts_of_decisions(rows))
    rematched = rematch(writer, policy, keys).rematched
    counts = Counter(rows.column("decision").to_pylist())
    totals = {"decisions": dict(sorted(counts.items())), "given": len(rows), "yen": _decided_yen(writer, rows)}
    return EntryResult(writer.commit(totals), True, {}, rematched)


def _checked(
    writer: EntryWriter,
    decisions: Any,
    policy: Policy,
    place: Callable[[int], Location],
    found: Callable[[], Mapping[str, str]],
    *,
    open_only: bool,
) -> pa.Table:
    """Check decisions, and return them as columns of the table ``decisions``.

    Args:
        writer: the entry.
        decisions: a table with the columns of :class:`ExceptionDecision`.
        policy: the policy in force.
        place: returns the location of a row by its number, from 1.
        found: returns the yen of every exception, as the table stores them.
        open_only: reject a decision about an exception that is no longer open.

    Raises:
        InvalidInputError: with every problem, each with its row and field.
    """
    summary = "nothing was decided"
    rows = checked_rows(decisions, ExceptionDecision, place, summary)
    for row in rows:
        row["receipt_id"] = receipt_of_exception(row["exception_id"])
    problems = [*_conflicts(rows), *_receipt_problems(writer, rows), *_bill_problems(writer, rows)]
    problems += approver_problems(rows, writer.actor, policy)
    if open_only:
        problems += settled_problems(writer, rows, found)
    require_none(problems, place, summary)
    rows.sort(key=itemgetter("exception_id"))  # the parts of a payment are rows in a row
    for _, parts in groupby(rows, itemgetter("exception_id")):
        for part_no, row in enumerate(parts, 1):
            row["part_no"] = part_no
            row["hold_until"] = row["hold_until"] and row["hold_until"].isoformat()
            is_accepted = row["decision"] == DecisionKind.ACCEPT
            row["accepted_yen"] = found().get(row["exception_id"]) if is_accepted else None
    columns = [field for field in stored_columns("decisions") if field.name not in ("id", "entry_id", "hash")]
    return pa.Table.from_pylist(rows, pa.schema(columns))


def _decided_yen(transaction: Transaction, rows: pa.Table) -> int:
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
