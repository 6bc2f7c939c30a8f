"""Decisions of refunds and set-offs (還付決定・充当決定): the proposals, and the steps that decisions write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field
from sqlalchemy import func, select

from kokin._arrow.convert import Int64Array
from kokin.catalog import Catalog
from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger import _queries
from kokin.ledger._books import LedgerAccounts
from kokin.ledger._components import RECEIPT_COLUMNS, receipts_with_posting
from kokin.ledger._database import Transaction
from kokin.ledger._incoming import digest_of
from kokin.ledger._journal import EntryResult, EntryWriter
from kokin.ledger._load_bills import latest_versions
from kokin.ledger._refund_steps import PartId, decided_parts, part_of_proposal, proposal_id, refund_table
from kokin.ledger._rematch import add_receipts
from kokin.ledger._row_checks import Problems, Row, approver_problems, checked_rows, require_none
from kokin.ledger._schema import RECORD_FIELDS, TABLES, EntryKind, stored_columns
from kokin.model import ReceiptKind, Record, RefundKind, RefundState, RefundStep, Text, Yen
from kokin.reconcile import MANDATORY_ARTICLE, Accounts, Policy
from kokin.rules import RateTable

_ENTRIES, _POSTINGS, _RECEIPTS = TABLES["entries"], TABLES["postings"], TABLES["receipts"]

#: The columns of :meth:`kokin.ledger.Ledger.refund_proposals`.
PROPOSAL_COLUMNS = pa.schema(
    [
        *((name, pa.string()) for name in ("proposal_id", "state", "kind")),
        *((name, pa.int64()) for name in ("amount", "interest", "transfer")),
        *((name, pa.string()) for name in ("bill_id", "payee_code", "payer_key", "charge", "item_code")),
        ("paid_on", pa.date32()),
        ("cause", pa.string()),
        ("debt_bill_id", pa.string()),
        ("setoff_on", pa.date32()),
        ("article", pa.string()),
        ("needs_consent", pa.bool_()),
        *((name, pa.date32()) for name in ("decided_on", "ordered_on", "result_on")),
        ("order_entry", pa.int64()),
        ("source", pa.string()),
        ("record_no", pa.int64()),
    ]
)


class RefundDecision(Record):
    """A decision about a proposal, or about a part of its yen."""

    proposal_id: Annotated[str, Text(40, min=1)]
    """The proposal, as :meth:`kokin.ledger.Ledger.refund_proposals` names it, or another number of a part of the same
    receipt that is not used."""
    kind: RefundKind = Field(strict=False)
    """Refund or set-off."""
    amount: Annotated[int, Yen(1)] | None = None
    """Yen; null for those of the proposal."""
    debt_bill_id: Annotated[str, Text(64, min=1)] | None = None
    """The bill that a set-off settles; required there."""
    consent: bool | None = None
    """Whether the payer has agreed to the set-off; required where law does not allow it without."""
    reason: Annotated[str, Text(200, min=1)] | None = None
    """The reason, without personal data."""
    approver: Annotated[str, Text(80, min=1)] | None = None
    """Who approved it; required, and another person than the actor, if the policy asks for four eyes."""


def _receipts_with_excess(transaction: Transaction, last: int | None) -> dict[tuple[str, int], int]:
    """Return the ids of the active receipts with an excess, by digest of their file and record number."""
    tables = _POSTINGS.join(_RECEIPTS, _RECEIPTS.c.id == _POSTINGS.c.receipt_id)
    tables = tables.join(_ENTRIES, _ENTRIES.c.id == _RECEIPTS.c.entry_id)
    digest = func.coalesce(_ENTRIES.c.digest, "")
    statement = select(digest, _RECEIPTS.c.record_no, _RECEIPTS.c.id).select_from(tables)
    statement = statement.where(_queries.is_active_posting(last), _POSTINGS.c.excess > 0)
    return {(row[0], row[1]): row[2] for row in transaction.connection.execute(statement)}


def open_proposals(transaction: Transaction, last: int | None, accounts: Accounts) -> list[Row]:
    """Return the proposals about which nothing is decided, with the columns of ``Accounts.refund_proposals``.

    With ``proposal_id`` and ``part``. The parts of a receipt have the smallest numbers that no decided part has.
    """
    receipt_of = _receipts_with_excess(transaction, last)
    used = {*decided_parts(transaction, last)}
    rows: list[Row] = accounts.refund_proposals.to_pylist()
    for row in rows:
        receipt = receipt_of[row["digest"], row["record_no"]]
        number = 1
        while (receipt, number) in used:
            number += 1
        used.add((receipt, number))
        row.update(part=(receipt, number), proposal_id=proposal_id((receipt, number)))
        row["transfer"] = row["interest"] + (row["amount"] if row["kind"] == RefundKind.REFUND else 0)
    return rows


def proposal_table(transaction: Transaction, last: int | None, accounts: Accounts) -> pa.Table:
    """Return open proposals and decided parts, by receipt and number, with :data:`PROPOSAL_COLUMNS`."""
    rows = open_proposals(transaction, last, accounts)
    paid = {row["proposal_id"]: row for row in accounts.overpayments_without_interest.to_pylist() if row["proposal_id"]}
    consents = {proposal_id(part): each.decision["consent"] for part, each in decided_parts(transaction, last).items()}
    for decided in refund_table(transaction, last).to_pylist():
        name = decided["proposal_id"]
        overpaid = dict(paid.get(name, {}))
        is_setoff = decided["kind"] == RefundKind.SETOFF
        needs_consent = consents[name] is not None if is_setoff else False
        rows.append(
            {**overpaid, **decided, "cause": overpaid.get("kind"), "needs_consent": needs_consent}
            | {"part": part_of_proposal(name), "source": overpaid.get("source")}
        )
    rows.sort(key=lambda row: row["part"])
    return pa.Table.from_pylist(
        [{name: row.get(name) for name in PROPOSAL_COLUMNS.names} for row in rows], PROPOSAL_COLUMNS
    )


@dataclass(frozen=True)
class _DecidedRefunds:
    """The rows that an entry of decisions writes."""

    steps: list[Row]
    """Rows of ``refund_steps``, without the receipts of set-offs."""
    receipts: pa.Table
    """The receipts of set-offs, encoded, in the order of their steps."""
    digest: str
    """Identifies the receipts as those of one file."""

    @property
    def totals(self) -> dict[str, int]:
        """The counts and yen of the entry."""
        yen = {kind: sum(row["amount"] for row in self.steps if row["kind"] == kind.value) for kind in RefundKind}
        interest = sum(row["interest"] for row in self.steps)
        counts = {"decided": len(self.steps), "refund": yen[RefundKind.REFUND], "setoff": yen[RefundKind.SETOFF]}
        return {**counts, "interest": interest}

    def step_table(self, setoff_receipts: Sequence[int]) -> pa.Table:
        """Return the steps as a table, with the ids of the receipts of set-offs."""
        ids = iter(setoff_receipts)
        rows = [
            {**row, "setoff_receipt_id": next(ids) if row["kind"] == RefundKind.SETOFF else None} for row in self.steps
        ]
        return step_rows(rows)


def step_rows(rows: Sequence[Row]) -> pa.Table:
    """Return rows of ``refund_steps`` as a table."""
    columns = [field for field in stored_columns("refund_steps") if field.name not in ("id", "entry_id", "hash")]
    return pa.Table.from_pylist(list(rows), pa.schema(columns))


@dataclass(frozen=True)
class _Proposals:
    """What can be decided about the payments with an open excess."""

    row: Mapping[int, int]
    """By receipt: its row in the table of outcomes."""
    open: Mapping[int, int]
    """By receipt: yen of the open excess."""
    payee: Mapping[int, str]
    amount: Mapping[PartId, int]
    """By part: yen of the proposal."""
    setoffs: Mapping[tuple[int, str], Row]
    """By receipt and debt: the proposals of set-offs."""

    @classmethod
    def of(cls, rows: Sequence[Row]) -> _Proposals:
        yen: dict[int, int] = {}
        for row in rows:
            receipt = row["part"][0]
            yen[receipt] = yen.get(receipt, 0) + row["amount"]
        by_receipt = {row["part"][0]: row for row in rows}
        return cls(
            {receipt: row["row"] for receipt, row in by_receipt.items()},
            yen,
            {receipt: row["payee_code"] or "" for receipt, row in by_receipt.items()},
            {row["part"]: row["amount"] for row in rows},
            {(row["part"][0], row["debt_bill_id"]): row for row in rows if row["debt_bill_id"]},
        )

    def mandatory(self, receipt: int) -> int:
        """Return the yen of a receipt that law sets off without a choice."""
        rows = (row for (of, _), row in self.setoffs.items() if of == receipt)
        return sum(row["amount"] for row in rows if row["article"] == MANDATORY_ARTICLE)


def decide_refunds(
    writer: EntryWriter,
    decisions: Any,
    policy: Policy,
    *,
    decided_on: date | None,
    catalog: Catalog,
    rates: RateTable,
    source: str,
) -> EntryResult:
    """Decide refunds and set-offs; see :meth:`kokin.ledger.Ledger.decide_refunds`."""
    day = decided_on or writer.day
    accounts = LedgerAccounts.build(writer, None, day, catalog, rates=rates).accounts
    decided = _checked(writer, decisions, accounts, day, policy, partial(Location, source))
    file: dict[str, Any] = {"digest": decided.digest, "delivery": 1} if decided.digest else {}
    writer.begin(EntryKind.REFUND, source=source, **file)
    ids, result = add_receipts(writer, policy, decided.receipts, decided.digest)
    _require_credited(writer, ids)
    writer.add_rows("refund_steps", decided.step_table(ids.tolist()))
    entry = writer.commit(decided.totals)
    return EntryResult(entry, True, _queries.posted_outcomes(writer, entry.id), result.rematched)


def _checked(
    writer: EntryWriter,
    decisions: Any,
    accounts: Accounts,
    day: date,
    policy: Policy,
    place: Callable[[int], Location],
) -> _DecidedRefunds:
    """Check decisions about proposals, and return the rows to write.

    Args:
        writer: the entry.
        decisions: a table with the columns of :class:`RefundDecision`.
        accounts: the accounts of the day of the decision.
        day: 還付決定日.
        policy: the policy in force.
        place: returns the location of a row by its number, from 1.

    Raises:
        InvalidInputError: with every problem, each with its row and field.
        RateMissingError: the rate of a year between payment and decision is unknown.
    """
    summary = "nothing was decided"
    rows = checked_rows(decisions, RefundDecision, place, summary)
    proposals = _Proposals.of(open_proposals(writer, None, accounts))
    problems = [*_part_problems(writer, rows, proposals), *approver_problems(rows, writer.actor, policy)]
    require_none(problems or _yen_problems(rows, proposals), place, summary)
    return _decided(writer, rows, proposals, accounts, day)


def _part_problems(transaction: Transaction, rows: Sequence[Row], proposals: _Proposals) -> Problems:
    """Yield the problems of proposals and debts; set ``part`` of each row, and its yen if it has none."""
    parts, seen = decided_parts(transaction), set[PartId]()
    for row in rows:
        number, name = row["row"], row["proposal_id"]
        row["part"] = part = part_of_proposal(name)
        if part is not None and part in parts:
            yield number, Issue("REFUND_STATE", field="proposal_id", expected=RefundState.OPEN, found=parts[part].state)
        elif part is None or part[0] not in proposals.row:
            yield number, Issue("PROPOSAL_UNKNOWN", field="proposal_id", found=name)
        elif part in seen:
            yield number, Issue("PROPOSAL_DUPLICATE", field="proposal_id", found=name)
        else:
            seen.add(part)
            row["amount"] = row["amount"] or proposals.amount.get(part)
            if row["amount"] is None:
                yield number, Issue("FIELD_MISSING", field="amount", expected="yen of a part that is not proposed")
            yield from ((number, issue) for issue in _debt_problems(row, part[0], proposals))


def _debt_problems(row: Row, receipt: int, proposals: _Proposals) -> Iterator[Issue]:
    debt = row["debt_bill_id"]
    if row["kind"] == RefundKind.REFUND:
        if debt:
            yield Issue("FIELD_NOT_EMPTY", field="debt_bill_id", expected=f"for {RefundKind.REFUND}")
        return
    setoff = proposals.setoffs.get((receipt, debt or ""))
    if not debt:
        yield Issue("FIELD_MISSING", field="debt_bill_id", expected=f"for {RefundKind.SETOFF}")
    elif setoff is None:
        yield Issue("SETOFF_DEBT", field="debt_bill_id", found=debt)
    elif setoff["needs_consent"] and not row["consent"]:
        yield Issue("SETOFF_CONSENT", field="consent", expected="true")


def _yen_problems(rows: Sequence[Row], proposals: _Proposals) -> Problems:
    """Yield the problems of yen: more than is open, than a debt can take, or than law leaves for a refund."""
    total: dict[int, int] = {}
    refunded: dict[int, int] = {}
    set_off: dict[tuple[int, str], int] = {}
    for row in rows:
        receipt, yen = row["part"][0], row["amount"]
        total[receipt] = total.get(receipt, 0) + yen
        if row["kind"] == RefundKind.REFUND:
            refunded[receipt] = refunded.get(receipt, 0) + yen
        else:
            key = receipt, row["debt_bill_id"]
            set_off[key] = set_off.get(key, 0) + yen
    for row in rows:
        receipt = row["part"][0]
        open_yen, mandatory = proposals.open[receipt], proposals.mandatory(receipt)
        if total[receipt] > open_yen:
            limit = "REFUND_EXCEEDS", open_yen, total[receipt]
        elif row["kind"] == RefundKind.REFUND:
            limit = "SETOFF_MANDATORY", open_yen - mandatory, refunded[receipt]
        else:
            key = receipt, row["debt_bill_id"]
            limit = "SETOFF_DEBT", proposals.setoffs[key]["amount"], set_off[key]
        code, largest, found = limit
        if found > largest:
            yield row["row"], Issue(code, field="amount", expected=f"at most {largest}", found=str(found))


def _decided(
    writer: EntryWriter, rows: Sequence[Row], proposals: _Proposals, accounts: Accounts, day: date
) -> _DecidedRefunds:
    debts = sorted({row["debt_bill_id"] for row in rows if row["debt_bill_id"]})
    versions = latest_versions(writer, pa.chunked_array([debts], pa.string())).to_pylist()
    bills = {bill["bill_id"]: bill for bill in versions}
    steps, receipts = [], list[Row]()
    for row in rows:
        receipt = row["part"][0]
        step = {name: row[name] for name in ("kind", "amount", "debt_bill_id", "reason", "approver")}
        ends_on, article, consent = day, accounts.refund_article(proposals.row[receipt]), None
        if row["kind"] == RefundKind.SETOFF:
            setoff = proposals.setoffs[receipt, row["debt_bill_id"]]
            ends_on, article = setoff["setoff_on"] or day, setoff["article"]
            consent = 1 if setoff["needs_consent"] else None
            number = len(receipts) + 1
            receipts.append(
                {name: bills[row["debt_bill_id"]][name] for name in _EL_FIELDS}
                | {"kind": ReceiptKind.SETOFF.value, "amount": row["amount"], "record_no": number}
                | {"paid_on": ends_on.isoformat(), "received_on": day.isoformat(), "channel": "setoff"}
                | {"provider_key": f"setoff-{writer.entry}-{number}", "actor": writer.actor}
                | {"reason": f"{row['proposal_id']} {article}"}
            )
        part = {"receipt_id": receipt, "part_no": row["part"][1], "payee_code": proposals.payee[receipt]}
        about = {"step": RefundStep.DECIDED.value, "step_on": day.isoformat(), "article": article, "consent": consent}
        interest = accounts.refund_interest(row["amount"], proposals.row[receipt], ends_on)
        steps.append({**part, **about, **step, "interest": interest})
    columns = pa.schema([RECORD_FIELDS["receipts"].field(name) for name in RECEIPT_COLUMNS])
    table = pa.Table.from_pylist(receipts, columns)
    return _DecidedRefunds(steps, table, digest_of(table) if receipts else "")


def _require_credited(transaction: Transaction, receipts: Int64Array) -> None:
    """Raise InvalidInputError unless each receipt of a set-off is applied to its debt in full."""
    found = receipts_with_posting(transaction, receipts).select(["amount", "applied", "record_no"]).to_pylist()
    issues = [
        Issue("SETOFF_DEBT", field="debt_bill_id", expected=str(row["amount"]), found=str(row["applied"]))
        for row in found
        if row["applied"] != row["amount"]
    ]
    if issues:
        raise InvalidInputError(issues, "nothing was decided")


_EL_FIELDS = ("payee_code", "item_code", "case_key", "confirmation")
