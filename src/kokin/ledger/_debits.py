"""Requests of direct debits (口座振替依頼) for bills, and their results, compared record by record.

The account and the name of its holder are written into the file for the bank only. The ledger has the bill, the
顧客番号, the yen and a check code of the account of each debit, with which the result is compared.

The check code is the first 16 bits of a SHA-256 of a random salt and the account. Another account has the same code in
1 of 65,536 cases. A longer code would identify the account: whoever has the ledger can try all 10 million numbers of a
branch, and of them 150 have the same code of 16 bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc

from kokin.issues import MAX_ISSUES, InvalidInputError, Issue, Location
from kokin.ledger import _queries
from kokin.ledger._active_entries import find_posted_file
from kokin.ledger._database import Transaction
from kokin.ledger._debit_records import DEBITED, debit_rows, is_retryable, last_debits
from kokin.ledger._incoming import issue_rows
from kokin.ledger._journal import Entry, EntryWriter
from kokin.ledger._load_bills import latest_versions
from kokin.ledger._row_checks import Problems, Row, checked_rows, require_none
from kokin.ledger._schema import EntryKind, stored_columns
from kokin.ledger._upload_files import EntryDrafts, complete_drafts
from kokin.model import Digits, PersonalName, Record, Text
from kokin.receipts import ReceiptFile
from kokin.receipts.layouts import Layout
from kokin.reconcile import BalanceStatus, Policy

_NOTHING = "nothing was requested"

#: The fields of the data record of a layout for direct debits; its header has ``debit_day``.
DEBIT_FIELDS = (
    *("bank_code", "branch_code", "account_type", "account_number", "payer_name", "amount"),
    *("new_code", "customer_number", "result"),
)


class DebitAccount(Record):
    """The bank account from which a bill is debited, which is written into the file for the bank only."""

    bill_id: Annotated[str, Text(64, min=1)]
    """The bill, which has a ``customer_number`` in the ledger."""
    bank_code: Annotated[str, Digits(4)]
    """引落銀行番号."""
    branch_code: Annotated[str, Digits(3)]
    """引落支店番号."""
    account_number: Annotated[str, PersonalName(7)]
    """口座番号; leading zeros may be missing."""
    name: Annotated[str, PersonalName(80)]
    """預金者名, in half-width kana."""
    account_type: Annotated[str, Digits(1)] | None = None
    """預金種目; 1 (普通) by default."""
    new_code: Annotated[str, Digits(1)] | None = None
    """新規コード; 0 by default."""


@dataclass(frozen=True, slots=True)
class DebitRequest:
    """The result of a request: ``given = requested + settled + reported + open + failed``."""

    entry: Entry | None
    """The entry of the request; None if no debit was due."""
    inserted: bool
    """False: no debit was due, or an earlier run was interrupted and its file was completed now."""
    given: int
    """Rows of the accounts."""
    requested: int
    """Debits in the file."""
    yen: int
    """Their yen."""
    settled: int
    """Bills without a balance, or not open."""
    reported: int
    """Bills that a store reports as paid (速報)."""
    open: int
    """Bills that were asked for, without a result."""
    failed: int
    """Bills whose last debit failed: to ask for them again, make a re-request, if the policy allows one; in a
    re-request those that the policy does not allow, and those that have not failed."""
    digest: str
    """SHA-256 of the file; empty without one."""

    @classmethod
    def of(cls, entry: Entry, *, inserted: bool) -> DebitRequest:
        """Return the result of an entry."""
        return cls(entry, inserted, **{name: int(entry.totals[name]) for name in _REQUEST_COUNTS}, digest=entry.digest)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON; the entry by its number."""
        return {**asdict(self), "entry": self.entry and self.entry.id}


_REQUEST_COUNTS = ("given", "requested", "yen", "settled", "reported", "open", "failed")


def require_debit_layout(layout: Layout) -> None:
    """Raise InvalidInputError unless a layout has the fields of a direct debit."""
    header, data = (layout.role(name) if not layout.xml else None for name in ("header", "data"))
    missing = [name for name in DEBIT_FIELDS if data is None or name not in data.by_id]
    missing += ["header.debit_day"] if header is None or "debit_day" not in header.by_id else []
    if missing:
        issue = Issue("LAYOUT_TABLE_MISSING", expected=", ".join(missing), found=layout.name)
        raise InvalidInputError([issue], _NOTHING)


# The request


def request_debits(
    writer: EntryWriter,
    accounts: Any,
    path: Path,
    layout: Layout,
    policy: Policy,
    *,
    header: Mapping[str, Any],
    retry: bool,
    source: str,
) -> tuple[DebitRequest, EntryDrafts | None]:
    """Write the entry of a request and the draft of its file, if a debit is due.

    The draft of a request that is in the ledger is completed, and no entry is written.

    Args:
        writer: the entry.
        accounts: a table with the columns of :class:`DebitAccount`.
        path: the file.
        layout: its layout, with :data:`DEBIT_FIELDS`.
        policy: the policy in force.
        header: values of the layout's header, with ``debit_day``.
        retry: ask again for failed debits that the policy allows, and for no other.
        source: the name of the file of accounts.

    Raises:
        InvalidInputError: with every problem, without personal data; nothing was requested, and no draft is left.
        OSError: the draft could not be written.
    """
    completed = complete_drafts(writer, path.parent)
    if path.name in completed:
        return DebitRequest.of(_queries.entry_of(writer, completed[path.name]), inserted=False), None
    place = partial(Location, source)
    rows = checked_rows(accounts, DebitAccount, place, _NOTHING)
    day = header.get("debit_day")
    if not isinstance(day, date):
        raise InvalidInputError([Issue("FIELD_MISSING", field="debit_day", expected="YYYY-MM-DD")], _NOTHING)
    bills = _bills(writer, rows)
    require_none(_problems(rows, bills), place, _NOTHING)
    counts = Counter[str]({"given": len(rows)})
    due, attempts = _due(writer, rows, policy, retry=retry, counts=counts)
    if not due:
        values = {name: counts[name] for name in _REQUEST_COUNTS}
        return DebitRequest(None, False, **values, digest=""), None
    debits = [_debit(row, bills[row["bill_id"]]["customer_number"]) for row in due]
    with EntryDrafts(writer, path.parent, writer.entry) as drafts:
        try:
            digest = drafts.write(path.name, pa.Table.from_pylist(debits), layout, header, request=True)
        except InvalidInputError as error:
            issues = [
                issue.with_location(place(due[(issue.location.record or 1) - 1]["row"]))
                if issue.field in layout.data.by_id
                else issue
                for issue in error.issues
            ]
            raise InvalidInputError(issues, _NOTHING) from error
        _, deliveries = find_posted_file(writer, EntryKind.DEBIT_REQUEST, digest)
        about = {"source": path.name, "layout": layout.name, "digest": digest, "delivery": deliveries + 1}
        writer.begin(EntryKind.DEBIT_REQUEST, **about)
        writer.add_rows("debit_records", _record_rows(due, debits, attempts, day))
        counts["yen"] = sum(debit["amount"] for debit in debits)
        totals = {name: counts[name] for name in _REQUEST_COUNTS}
        entry = writer.commit({**totals, "retry": retry, "token": drafts.token})
    return DebitRequest.of(entry, inserted=True), drafts


def _bills(transaction: Transaction, rows: Sequence[Row]) -> dict[str, Mapping[str, Any]]:
    """Return the bills in force of some rows, by ``bill_id``."""
    names = sorted({row["bill_id"] for row in rows})
    versions = latest_versions(transaction, pa.chunked_array([names], pa.string())).to_pylist()
    return {row["bill_id"]: row for row in versions if not row["withdrawn"]}


def _problems(rows: Sequence[Row], bills: Mapping[str, Mapping[str, Any]]) -> Problems:
    """Yield the problems of rows: an unknown bill, one without a 顧客番号, a duplicate bill or 顧客番号."""
    bill_ids, numbers = set[str](), set[str]()
    for row in rows:
        name, number = row["bill_id"], bills.get(row["bill_id"], {}).get("customer_number")
        if name not in bills:
            yield row["row"], Issue("BILL_UNKNOWN", field="bill_id", found=name)
        elif name in bill_ids:
            yield row["row"], Issue("BILL_REPEATED", field="bill_id", found=name)
        elif number is None:
            yield row["row"], Issue("FIELD_MISSING", field="customer_number", found=name)
        elif number in numbers:
            yield row["row"], Issue("DEBIT_NUMBER", field="customer_number", found=name)
        bill_ids.add(name)
        numbers |= {number} if number else set()


def _due(
    transaction: Transaction, rows: Sequence[Row], policy: Policy, *, retry: bool, counts: Counter[str]
) -> tuple[list[Row], dict[str, int]]:
    """Return the rows that are due with their ``amount``, and the attempt of each bill; count the others by cause."""
    balances = _queries.balances(transaction, None, policy)
    wanted = pa.array([row["bill_id"] for row in rows], pa.string())
    balances = balances.filter(pc.is_in(balances.column("bill_id").cast(pa.string()), value_set=wanted))
    state = {row["bill_id"]: row for row in balances.to_pylist()}
    debits = last_debits(debit_rows(transaction))
    allowed = is_retryable(debits, policy).to_pylist()
    last = {row["bill_id"]: (row, may) for row, may in zip(debits.to_pylist(), allowed, strict=True)}
    due, attempts = [], {}
    for row in rows:
        name = row["bill_id"]
        debit, may = last.get(name, ({}, False))
        is_failed = debit.get("result") not in (None, DEBITED)
        if debit and debit["result"] is None:
            counts["open"] += 1
        elif state[name]["residual"] <= 0 or state[name]["status"] in _NOT_OPEN:
            counts["settled"] += 1
        elif state[name]["status"] == BalanceStatus.PROVISIONAL:
            counts["reported"] += 1
        elif is_failed != retry or (retry and not may):
            counts["failed"] += 1
        else:
            counts["requested"] += 1
            due.append({**row, "amount": state[name]["residual"]})
            attempts[name] = debit["attempt"] + 1 if is_failed else 1
    return due, attempts


_NOT_OPEN = (BalanceStatus.CANCELLED, BalanceStatus.SUPERSEDED)


def _debit(row: Row, customer_number: str) -> Row:
    """Return the data record of a debit."""
    account = {"account_type": row["account_type"] or "1", "account_number": row["account_number"].zfill(7)}
    names = {name: row[name] for name in ("bank_code", "branch_code", "amount")}
    return {
        **names,
        **account,
        "payer_name": row["name"],
        "new_code": row["new_code"] or "0",
        "customer_number": customer_number,
    }


def _account(values: Mapping[str, Any]) -> str:
    """Return bank, branch, type and number of an account, with hyphens."""
    widths = {"bank_code": 4, "branch_code": 3, "account_type": 1, "account_number": 7}
    return "-".join(str(values.get(name) or "").zfill(width) for name, width in widths.items())


def _masked(account: str) -> str:
    """Return an account with its number masked."""
    return f"{account[:-7]}*******"


def _account_check(account: str, salt: str) -> str:
    """Return the salt and the check code of an account."""
    return f"{salt}-{sha256(f'{salt}-{account}'.encode()).hexdigest()[:4]}"


def _is_same_account(account_check: str, account: str) -> bool:
    """Return whether an account has a check code."""
    return account_check == _account_check(account, account_check.partition("-")[0])


def _record_rows(due: Sequence[Row], debits: Sequence[Row], attempts: Mapping[str, int], day: date) -> pa.Table:
    rows = [
        {
            "record_no": number,
            "bill_id": row["bill_id"],
            "attempt": attempts[row["bill_id"]],
            "customer_number": debit["customer_number"],
            "amount": debit["amount"],
            "account_check": _account_check(_account(debit), token_hex(8)),
            "debit_on": day.isoformat(),
        }
        for number, (row, debit) in enumerate(zip(due, debits, strict=True), 1)
    ]
    return pa.Table.from_pylist(rows, _columns_of("debit_records"))


def _columns_of(table: str) -> pa.Schema:
    return pa.schema([field for field in stored_columns(table) if field.name not in ("id", "entry_id", "hash")])


# The result


@dataclass(frozen=True, slots=True)
class DebitResults:
    """What a result says about a request: ``read = debited + failed + without_request``."""

    entry: Entry | None
    """The entry of the result, or of the same file before; None if no record has a request."""
    inserted: bool
    """False: the file was added before, or no record has a request."""
    read: int
    """Records of the file."""
    debited: int
    """Records of debits that were carried out (振替済)."""
    failed: int
    """Records of debits that were not (振替不能)."""
    without_request: int
    """Records without a debit that was asked for; ``issues`` names them."""
    missing: int
    """Debits of the requests that the file does not have; ``issues`` names them."""
    changed: int
    """Records with other yen or another account than asked for; ``issues`` names them."""
    issues: tuple[Issue, ...] = ()

    @classmethod
    def of(cls, entry: Entry, issues: tuple[Issue, ...], *, inserted: bool) -> DebitResults:
        """Return the result of an entry."""
        return cls(entry, inserted, **{name: int(entry.totals[name]) for name in _RESULT_COUNTS}, issues=issues)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for JSON; the entry by its number."""
        counts = {name: getattr(self, name) for name in _RESULT_COUNTS}
        return {"entry": self.entry and self.entry.id, "inserted": self.inserted, **counts}


_RESULT_COUNTS = ("read", "debited", "failed", "without_request", "missing", "changed")


@dataclass(frozen=True)
class _ComparedResult:
    """The records of a result beside the debits that were asked for."""

    rows: pa.Table
    """Rows of ``debit_results``."""
    counts: Mapping[str, int]
    issues: tuple[Issue, ...]


def result_records(file: ReceiptFile) -> list[Row]:
    """Return the data records of a result, each with ``record_no``, ``debit_on`` and the fields of a debit.

    Raises:
        FileRejectedError: a total of the file differs, its end is missing, or it is a request.
        InvalidInputError: a record is invalid, or the layout is not one of direct debits.
    """
    require_debit_layout(file.layout)
    role_of = {name: kind.role for name, kind in file.layout.records.items()}
    rows: list[Row] = []
    problems: list[Issue] = []
    day: date | None = None
    for record in file.records():
        role = role_of.get(record.kind)
        if role == "header":
            day = record.values.get("debit_day")
        elif role == "data":
            values = {name: record.values.get(name) for name in DEBIT_FIELDS if name != "payer_name"}
            rows.append({**values, "record_no": record.record_no, "debit_on": day and day.isoformat()})
        problems += [issue for issue in record.issues if issue.is_error]
    if problems:
        raise InvalidInputError(problems, "nothing was added")
    return rows


def add_debit_result(
    writer: EntryWriter, records: Sequence[Row], *, source: str, layout: str, digest: str
) -> DebitResults:
    """Add the result of direct debits; see :meth:`kokin.ledger.Ledger.add_debit_result`."""
    posted, deliveries = find_posted_file(writer, EntryKind.DEBIT_RESULT, digest)
    if posted:
        return DebitResults.of(posted, (), inserted=False)
    compared = _compare_result(writer, records, source)
    if not len(compared.rows):
        return DebitResults(None, False, **compared.counts, issues=compared.issues)
    about = {"source": source, "layout": layout, "digest": digest, "delivery": deliveries + 1}
    writer.begin(EntryKind.DEBIT_RESULT, **about)
    writer.add_rows("debit_results", compared.rows)
    writer.add_rows("file_issues", issue_rows(compared.issues[:MAX_ISSUES]))
    return DebitResults.of(writer.commit(compared.counts), compared.issues, inserted=True)


def _compare_result(transaction: Transaction, records: Sequence[Row], source: str) -> _ComparedResult:
    """Compare a result with the debits that were asked for, record by record.

    A record is that of the debit with its 引落日 and 顧客番号. Its requests are those of which it has a record.
    """
    debits = debit_rows(transaction).to_pylist()
    asked = {(row["debit_on"], row["customer_number"]): row for row in debits}  # the last one of equal ones
    counts = Counter[str]({"read": len(records)})
    issues: list[Issue] = []
    rows: list[Row] = []
    seen = dict[int, int]()

    def add(code: str, record: Row | None, **texts: str) -> None:
        issues.append(Issue(code, location=Location(source, record["record_no"] if record else None), **texts))

    for record in records:
        debit = asked.get((record["debit_on"], str(record["customer_number"] or "")))
        number = str(record["customer_number"] or "")
        if debit is None or debit["id"] in seen:
            counts["without_request"] += 1
            add("DEBIT_ADDED", record, field="customer_number", found=number)
            continue
        seen[debit["id"]] = debit["entry_id"]
        if debit["result"] is not None:
            counts["without_request"] += 1
            add("DEBIT_REPORTED", record, field="customer_number", expected=debit["bill_id"], found=number)
            continue
        changed = {}
        if debit["amount"] != record["amount"]:
            changed["amount"] = (f"{debit['amount']} ({debit['bill_id']})", str(record["amount"]))
        if not _is_same_account(debit["account_check"], _account(record)):
            changed["account"] = (debit["bill_id"], _masked(_account(record)))
        for field, (expected, found) in changed.items():
            add("DEBIT_CHANGED", record, field=field, expected=expected, found=found)
        counts["changed"] += bool(changed)
        counts["debited" if record["result"] == DEBITED else "failed"] += 1
        names = {"record_no": record["record_no"], "debit_record_id": debit["id"], "result": record["result"]}
        rows.append(names)
    answered = {*seen.values()}
    for debit in debits:
        if debit["entry_id"] in answered and debit["id"] not in seen and debit["result"] is None:
            counts["missing"] += 1
            add(
                "DEBIT_MISSING",
                None,
                field="customer_number",
                expected=debit["customer_number"],
                found=debit["bill_id"],
            )
    if records and not answered:
        issues = []
        add("DEBIT_WITHOUT_REQUEST", None, field="debit_day", found=str(records[0]["debit_on"]))
    totals = {name: counts[name] for name in _RESULT_COUNTS}
    return _ComparedResult(pa.Table.from_pylist(rows, _columns_of("debit_results")), totals, tuple(issues))
