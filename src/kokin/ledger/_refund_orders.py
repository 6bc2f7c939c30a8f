"""Orders of refunds (還付命令): the file of transfers for the bank; and what the bank reports about them (支払, 組戻).

Bank accounts and names of payees are written into the file only. The ledger has the proposal, the yen, the number of
the transfer in the file, and the SHA-256 of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from kokin._arrow.convert import as_table
from kokin._arrow.validate import validate_table
from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger._active_entries import find_posted_file
from kokin.ledger._codec import encode_column
from kokin.ledger._database import Transaction
from kokin.ledger._incoming import digest_of
from kokin.ledger._journal import Entry, EntryResult, EntryWriter
from kokin.ledger._queries import entry_of, reconciled
from kokin.ledger._refund_decisions import step_rows
from kokin.ledger._refund_steps import DecidedPart, decided_parts, part_of_proposal, refund_table
from kokin.ledger._row_checks import Problems, Row, approver_problems, checked_rows, require_none
from kokin.ledger._schema import EntryKind
from kokin.ledger._upload_files import EntryDrafts, complete_drafts
from kokin.model import Date, Digits, PersonalName, Record, RefundState, RefundStep, Text
from kokin.receipts.layouts import Layout
from kokin.reconcile import Policy, RefundParts

#: The fields of the data record of a layout for transfers; the id of the proposal is in the two customer codes.
TRANSFER_FIELDS = (
    *("bank_code", "branch_code", "account_type", "account_number", "payee_name", "amount"),
    *("customer_code_1", "customer_code_2"),
)
_CODE_WIDTH = 10


class RefundAccount(Record):
    """The bank account to which a refund is transferred. It is written into the file for the bank only."""

    proposal_id: Annotated[str, Text(40, min=1)]
    """The proposal, decided or returned."""
    bank_code: Annotated[str, Digits(4)]
    """金融機関コード."""
    branch_code: Annotated[str, Digits(3)]
    """店番."""
    account_number: Annotated[str, PersonalName(7)]
    """口座番号; leading zeros may be missing."""
    name: Annotated[str, PersonalName(80)]
    """受取人名, in half-width kana."""
    account_type: Annotated[str, Digits(1)] | None = None
    """預金種目; 1 (普通) by default."""


class RefundResult(Record):
    """What the bank reports about a transfer."""

    proposal_id: Annotated[str, Text(40, min=1)]
    """The proposal, ordered."""
    result: RefundStep = Field(strict=False)
    """``paid``, or ``returned`` (組戻)."""
    result_on: Annotated[date, Date()]
    """The day of the payment or return."""
    reason: Annotated[str, Text(200, min=1)] | None = None
    """Why it came back, without personal data."""


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """The result of ordering refunds."""

    entry: Entry
    """The entry of the order."""
    inserted: bool
    """False: an earlier run was interrupted after its entry was written; its file was completed now."""
    transfers: int
    """The number of transfers in the file."""
    yen: int
    """Their yen, with interest."""
    digest: str
    """SHA-256 of the file."""

    @classmethod
    def of(cls, entry: Entry, *, inserted: bool) -> RefundOrder:
        """Return the result of an entry."""
        return cls(entry, inserted, int(entry.totals["ordered"]), int(entry.totals["yen"]), entry.digest)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON; the entry by its number."""
        return {**asdict(self), "entry": self.entry.id}


def require_transfer_layout(layout: Layout) -> None:
    """Raise InvalidInputError unless a layout has the fields of a transfer."""
    kind = layout.role("data") if not layout.xml else None
    missing = [name for name in TRANSFER_FIELDS if kind is None or name not in kind.by_id]
    if missing:
        issue = Issue("LAYOUT_TABLE_MISSING", expected=", ".join(missing), found=layout.name)
        raise InvalidInputError([issue], "nothing was ordered")


def _rows(records: Any, record: type[Record], place: Callable[[int], Location], summary: str) -> list[Row]:
    """Return the rows of a table with all fields of a record, and ``part``: the part that the proposal names."""
    rows = checked_rows(records, record, place, summary)
    return [{**row, "part": part_of_proposal(row["proposal_id"])} for row in rows]


def _state_problems(
    rows: Sequence[Row], parts: Mapping[Any, DecidedPart], step_of: Callable[[Row], RefundStep]
) -> Problems:
    """Yield the problems of proposals: unknown, duplicate, or in a state that does not allow the step."""
    seen = set[Any]()
    for row in rows:
        part = parts.get(row["part"])
        if part is None:
            yield row["row"], Issue("PROPOSAL_UNKNOWN", field="proposal_id", found=row["proposal_id"])
        elif row["part"] in seen:
            yield row["row"], Issue("PROPOSAL_DUPLICATE", field="proposal_id", found=row["proposal_id"])
        elif not part.allows(step_of(row)):
            found = part.step.value if part.transfer else RefundState.SET_OFF.value
            yield row["row"], Issue("REFUND_STATE", field="proposal_id", expected=_before(step_of(row)), found=found)
        seen.add(row["part"])


def _excess_problems(transaction: Transaction, rows: Sequence[Row], policy: Policy) -> Problems:
    """Yield the problems of proposals whose yen are no longer paid in excess."""
    result = reconciled(transaction, None, policy)
    exceeding = RefundParts.find(refund_table(transaction), result).exceeding(result)
    yen = {row["proposal_id"]: row for row in exceeding.to_pylist()}
    for row in rows:
        if found := yen.get(row["proposal_id"]):
            expected = f"at most {found['excess']}"
            issue = Issue("REFUND_EXCEEDS", field="proposal_id", expected=expected, found=str(found["decided"]))
            yield row["row"], issue


def _repeated_problems(rows: Sequence[Row], parts: Mapping[Any, DecidedPart]) -> Problems:
    """Yield the problems of results that are older than a later order: the transfer came back before, on that day."""
    for row in rows:
        part, day = parts.get(row["part"]), row["result_on"].isoformat()
        returned = part.last_of(RefundStep.RETURNED).get("step_on", "") if part else ""
        if day < returned or (day == returned and row["result"] == RefundStep.RETURNED):
            yield row["row"], Issue("REFUND_REPORTED", field="result_on", expected=f"after {returned}", found=day)


def _before(step: RefundStep) -> str:
    return "decided, returned" if step is RefundStep.ORDERED else RefundStep.ORDERED.value


def _step_row(part: DecidedPart, **columns: Any) -> Row:
    names = ("receipt_id", "part_no", "kind", "amount", "interest", "payee_code", "article", "debt_bill_id")
    return {**{name: part.decision[name] for name in names}, **columns}


def order_refunds(
    writer: EntryWriter,
    accounts: Any,
    path: Path,
    layout: Layout,
    policy: Policy,
    *,
    header: Mapping[str, Any],
    approver: str,
    source: str,
) -> tuple[RefundOrder, EntryDrafts | None]:
    """Write the entry of an order and the draft of its file; :meth:`EntryDrafts.complete` renames it.

    The draft of an order that is in the ledger is completed, and no entry is written.

    Args:
        writer: the entry.
        accounts: a table with the columns of :class:`RefundAccount`.
        path: the file.
        layout: its layout, with :data:`TRANSFER_FIELDS`.
        policy: the policy in force.
        header: values of the layout's header; ``transfer_day`` is the day of the transfer.
        approver: who approved it.
        source: the name of the file of accounts.

    Raises:
        InvalidInputError: with every problem, without personal data; nothing was ordered, and no draft is left.
        OSError: the draft could not be written.
    """
    completed = complete_drafts(writer, path.parent)
    if path.name in completed:
        return RefundOrder.of(entry_of(writer, completed[path.name]), inserted=False), None
    transfer_day, place = header.get("transfer_day"), partial(Location, source)
    day = transfer_day if isinstance(transfer_day, date) else writer.day
    summary = "nothing was ordered"
    rows = _rows(accounts, RefundAccount, place, summary)
    parts = decided_parts(writer)
    approval = [{"row": 1, "approver": approver or None}]
    problems = [
        *_state_problems(rows, parts, lambda _: RefundStep.ORDERED),
        *_excess_problems(writer, rows, policy),
        *approver_problems(approval, writer.actor, policy),
    ]
    if not rows:
        problems.append((1, Issue("FILE_EMPTY")))
    require_none(problems, place, summary)
    transfers = [_transfer(row, parts[row["part"]]) for row in rows]
    with EntryDrafts(writer, path.parent, writer.entry) as drafts:
        try:
            digest = drafts.write(path.name, pa.Table.from_pylist(transfers), layout, header)
        except InvalidInputError as error:
            known = layout.data.by_id
            issues = [
                issue.with_location(place(issue.location.record or 1)) if issue.field in known else issue
                for issue in error.issues
            ]
            raise InvalidInputError(issues, summary) from error
        _, deliveries = find_posted_file(writer, EntryKind.REFUND, digest)
        about = {"source": path.name, "layout": layout.name, "digest": digest, "delivery": deliveries + 1}
        writer.begin(EntryKind.REFUND, **about)
        steps = [
            _step_row(
                parts[row["part"]],
                step=RefundStep.ORDERED.value,
                step_on=day.isoformat(),
                record_no=row["row"],
                approver=approver or None,
            )
            for row in rows
        ]
        writer.add_rows("refund_steps", step_rows(steps))
        yen = sum(transfer["amount"] for transfer in transfers)
        entry = writer.commit({"ordered": len(steps), "yen": yen, "token": drafts.token})
    return RefundOrder.of(entry, inserted=True), drafts


def _transfer(row: Row, part: DecidedPart) -> Row:
    """Return the data record of a transfer."""
    codes = {
        "customer_code_1": row["proposal_id"][:_CODE_WIDTH],
        "customer_code_2": row["proposal_id"][_CODE_WIDTH:],
    }
    account = {"account_type": row["account_type"] or "1", "account_number": row["account_number"].zfill(7)}
    names = {name: row[name] for name in ("bank_code", "branch_code")}
    return {**names, **account, "payee_name": row["name"], "amount": part.transfer, **codes}


@dataclass(frozen=True)
class RefundResults:
    """What the bank reports about transfers, of one file."""

    source: str
    digest: str
    rows: list[Row]


def refund_results(results: Any, source: str) -> RefundResults:
    """Check a table of results.

    Raises:
        InvalidInputError: a row is invalid; nothing was added.
    """
    place = partial(Location, source)
    rows = _rows(results, RefundResult, place, "nothing was added")
    known = (RefundStep.PAID, RefundStep.RETURNED)
    expected = ", ".join(known)
    problems = [
        (row["row"], Issue("CODE_UNKNOWN", field="result", expected=expected, found=row["result"]))
        for row in rows
        if row["result"] not in known
    ]
    require_none(problems, place, "nothing was added")
    table = validate_table(as_table(results), RefundResult)
    encoded = pa.table({name: encode_column(table.column(name)) for name in table.column_names})
    return RefundResults(source, sha256(f"{source}\n{digest_of(encoded)}".encode()).hexdigest(), rows)


def add_results(writer: EntryWriter, results: RefundResults) -> EntryResult:
    """Add what the bank reports about transfers; see :meth:`kokin.ledger.Ledger.add_refund_results`."""
    posted, deliveries = find_posted_file(writer, EntryKind.REFUND, results.digest)
    if posted:
        return EntryResult(posted, False, {}, 0)
    steps = _result_steps(writer, results)
    about = {"source": results.source, "digest": results.digest, "delivery": deliveries + 1}
    writer.begin(EntryKind.REFUND, **about)
    writer.add_rows("refund_steps", steps)
    counts = Counter(steps.column("step").to_pylist())
    return EntryResult(writer.commit(dict(sorted(counts.items()))), True, {}, 0)


def _result_steps(transaction: Transaction, results: RefundResults) -> pa.Table:
    """Return the steps of results as rows of ``refund_steps``.

    Raises:
        InvalidInputError: an unknown proposal, one that is not ordered, or a result of an earlier order; nothing was
            added.
    """
    parts = decided_parts(transaction)
    problems = _state_problems(results.rows, parts, lambda row: RefundStep(row["result"]))
    place = partial(Location, results.source)
    require_none([*problems, *_repeated_problems(results.rows, parts)], place, "nothing was added")
    steps = [
        _step_row(
            parts[row["part"]],
            step=row["result"],
            step_on=row["result_on"].isoformat(),
            reason=row["reason"],
        )
        for row in results.rows
    ]
    return step_rows(steps)
