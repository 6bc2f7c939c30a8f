"""Steps of refunds and set-offs (還付・充当): the parts of overpayments that are decided, and when a step is possible.

A proposal is the excess of a receipt, or a part of it: ``P12`` is the first part of the excess of the receipt with the
id 12, ``P12-2`` the second one. The numbers of active parts are not used for others. The steps of a part are decided;
ordered; paid or returned; a returned transfer can be ordered again. Steps of reversed entries were never taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import select

from kokin._arrow.convert import to_numpy
from kokin.issues import InvalidInputError, Issue
from kokin.ledger._active_entries import reversed_entries
from kokin.ledger._components import as_of_entry, receipts_with_posting
from kokin.ledger._database import Transaction
from kokin.ledger._schema import TABLES
from kokin.model import NEXT_STEPS, RefundKind, RefundPart, RefundState, RefundStep, arrow_schema

_STEPS = TABLES["refund_steps"]
_PROPOSAL = re.compile(r"P([1-9][0-9]{0,17})(?:-([1-9][0-9]{0,5}))?", re.ASCII)

#: The id of a part: its receipt and its number.
PartId = tuple[int, int]

#: The columns of :meth:`kokin.ledger.Ledger.refunds`: those of the input of accounts, and of the steps.
REFUND_COLUMNS = pa.schema(
    [
        *arrow_schema(RefundPart),
        ("transfer", pa.int64()),
        ("setoff_on", pa.date32()),
        *((name, pa.date32()) for name in ("decided_on", "ordered_on", "result_on")),
        ("order_entry", pa.int64()),
        ("entry_id", pa.int64()),
    ]
)


def proposal_id(part: PartId) -> str:
    """Return the id of a proposal."""
    receipt, number = part
    return f"P{receipt}" if number == 1 else f"P{receipt}-{number}"


def part_of_proposal(text: str) -> PartId | None:
    """Return the receipt and the number of the part of a proposal; None if the text is not the id of one."""
    match = _PROPOSAL.fullmatch(text)
    return (int(match[1]), int(match[2] or 1)) if match and match[2] != "1" else None


@dataclass(frozen=True)
class DecidedPart:
    """A part of an excess that is decided, with its active steps in their order."""

    id: PartId
    steps: Sequence[Mapping[str, Any]]
    """Rows of ``refund_steps``."""

    @property
    def decision(self) -> Mapping[str, Any]:
        """The first step."""
        return self.steps[0]

    @property
    def step(self) -> RefundStep:
        """The last step."""
        return RefundStep(self.steps[-1]["step"])

    @property
    def state(self) -> RefundState:
        """The state of the yen of the part: a set-off is final, whatever became of its interest."""
        is_setoff = self.decision["kind"] == RefundKind.SETOFF
        return RefundState.SET_OFF if is_setoff else RefundState(self.step.value)

    @property
    def transfer(self) -> int:
        """Yen that are transferred to the payer: refund and interest, or the interest of a set-off."""
        interest: int = self.decision["interest"]
        return interest + (0 if self.decision["kind"] == RefundKind.SETOFF else self.decision["amount"])

    def allows(self, step: RefundStep) -> bool:
        """Return whether a step can follow."""
        return step in NEXT_STEPS[self.step] and self.transfer > 0

    def last_of(self, *steps: RefundStep) -> Mapping[str, Any]:
        """Return the last row of some steps; empty if there is none."""
        return next((row for row in reversed(self.steps) if row["step"] in steps), {})


def _steps_by_part(rows: Iterable[Mapping[str, Any]]) -> dict[PartId, list[Mapping[str, Any]]]:
    parts: dict[PartId, list[Mapping[str, Any]]] = {}
    for row in rows:
        parts.setdefault((row["receipt_id"], row["part_no"]), []).append(row)
    return parts


def decided_parts(transaction: Transaction, last: int | None = None) -> dict[PartId, DecidedPart]:
    """Return the parts with active steps, by id, as of an entry."""
    if not transaction.has_rows("refund_steps"):
        return {}
    columns = [column for column in _STEPS.c if column.name != "hash"]
    statement = select(*columns).where(as_of_entry(_STEPS.c.entry_id, last)).order_by(_STEPS.c.id)
    reversed_ids = reversed_entries(transaction, last)
    rows = [row for row in transaction.table(statement).to_pylist() if row["entry_id"] not in reversed_ids]
    return {part: DecidedPart(part, steps) for part, steps in sorted(_steps_by_part(rows).items())}


def refund_table(transaction: Transaction, last: int | None = None) -> pa.Table:
    """Return the decided parts, by receipt and number, with :data:`REFUND_COLUMNS`, as of an entry."""
    parts = decided_parts(transaction, last)
    ids = {receipt for receipt, _ in parts}
    setoffs = {part.decision["setoff_receipt_id"] for part in parts.values()} - {None}
    found = transaction.rows(
        "receipts", np.array(sorted(ids | setoffs), np.int64), ("entry_id", "record_no", "paid_on")
    )
    receipts = {row["id"]: row for row in found.to_pylist()}
    entry_ids = np.array(sorted({row["entry_id"] for row in receipts.values()}), np.int64)
    digests = {
        row["id"]: row["digest"] or "" for row in transaction.rows("entries", entry_ids, ("digest",)).to_pylist()
    }
    rows = []
    for part in parts.values():
        receipt, decision = receipts[part.id[0]], part.decision
        order = part.last_of(RefundStep.ORDERED)
        credit = receipts.get(decision["setoff_receipt_id"], {})
        names = ("payee_code", "kind", "amount", "interest", "article", "debt_bill_id")
        rows.append(
            {
                "proposal_id": proposal_id(part.id),
                "digest": digests[receipt["entry_id"]],
                "record_no": receipt["record_no"],
                **{name: decision[name] for name in names},
                "state": part.state.value,
                "transfer": part.transfer,
                "setoff_on": credit.get("paid_on"),
                "decided_on": decision["step_on"],
                "ordered_on": order.get("step_on"),
                "result_on": part.last_of(RefundStep.PAID, RefundStep.RETURNED).get("step_on"),
                "order_entry": order.get("entry_id"),
                "entry_id": part.steps[-1]["entry_id"],
            }
        )
    is_date = {field.name for field in REFUND_COLUMNS if pa.types.is_date(field.type)}
    stored = pa.schema([(each.name, pa.string() if each.name in is_date else each.type) for each in REFUND_COLUMNS])
    return pa.Table.from_pylist(rows, stored).cast(REFUND_COLUMNS)


# Reversals


def require_refund_reversible(transaction: Transaction, root: int, reversed_ids: set[int]) -> None:
    """Raise if an entry of refunds cannot be reversed or restored, because of other steps of its parts.

    A decision can be reversed until its transfer is ordered, an order until the bank reports a result (its file was
    never transferred), a result until the transfer is ordered again. An entry is restored if its steps are possible.

    Args:
        transaction: the transaction.
        root: the entry at the start of the chain of reversals.
        reversed_ids: the entries that will not be active.

    Raises:
        InvalidInputError: REFUND_FOLLOWED with the entry of a later step; REFUND_STATE or REFUND_EXCEEDS for a part
            that cannot be restored.
    """
    own = select(_STEPS.c.receipt_id).where(_STEPS.c.entry_id == root)
    columns = [column for column in _STEPS.c if column.name != "hash"]
    statement = select(*columns).where(_STEPS.c.receipt_id.in_(own)).order_by(_STEPS.c.id)
    rows = transaction.table(statement).to_pylist()
    own_parts = {(row["receipt_id"], row["part_no"]) for row in rows if row["entry_id"] == root}
    parts = _steps_by_part(row for row in rows if row["entry_id"] not in reversed_ids)
    for part in sorted(own_parts):
        steps = parts.get(part, [])
        if later := [row["entry_id"] for row in steps if row["entry_id"] > root]:
            raise _not_reversible("REFUND_FOLLOWED", proposal_id(part), str(later[-1]))
        names = [RefundStep(row["step"]) for row in steps]
        follows = all(step in NEXT_STEPS[before] for before, step in pairwise(names))
        if not follows or (names and names[0] is not RefundStep.DECIDED):
            raise _not_reversible("REFUND_STATE", proposal_id(part), names[-2] if len(names) > 1 else RefundState.OPEN)
    if root not in reversed_ids:
        _reject_beyond_excess(transaction, rows, root, reversed_ids)


def _reject_beyond_excess(
    transaction: Transaction, rows: Iterable[Mapping[str, Any]], root: int, reversed_ids: set[int]
) -> None:
    """Raise if decisions are restored about yen that are no longer paid in excess, or decided by others."""
    decisions = [row for row in rows if row["step"] == RefundStep.DECIDED and row["entry_id"] not in reversed_ids]
    restored = sorted({row["receipt_id"] for row in decisions if row["entry_id"] == root})
    if not restored:
        return
    receipts = receipts_with_posting(transaction, np.array(restored, np.int64))
    is_active = to_numpy(receipts.column("reverses_id"), -1) < 0
    excess = np.where(is_active, to_numpy(receipts.column("excess"), 0), 0)
    for receipt, yen in zip(restored, excess.tolist(), strict=True):
        decided = sum(row["amount"] for row in decisions if row["receipt_id"] == receipt)
        if decided > yen:
            raise _not_reversible("REFUND_EXCEEDS", proposal_id((receipt, 1)), str(decided), str(yen))


def _not_reversible(code: str, field: str, found: str, expected: str = "") -> InvalidInputError:
    return InvalidInputError([Issue(code, field=field, expected=expected, found=found)], "nothing was reversed")
