"""Exceptions (例外): everything in a ledger that a person has to look at or to decide, each once, with a stable id.

- ``R12-NO_BILL``: the outcome NO_BILL, or a finding, of the receipt with the id 12.
- ``I7``: the rejected record of an accepted file, by its row in ``file_issues``; ``F9``: a rejected file, by its entry.
- ``S2026-05-12-A1-SETTLEMENT_MISMATCH``: the deposits of a day and agent differ from the receipts.
- ``A3-TOTAL_MISMATCH-count``: a total of an agent report, by its row in ``agent_reports``.
- ``O4-9``: the files of two entries have records of the same payments.
- ``WB1-WRITE_OFF_EXCEEDS_BALANCE``: more was written off of the bill ``B1`` than is open, and no receipt explains it.
- ``R12-REFUND_OPEN``, ``P12-REFUND_DECIDED``: what is left to do about an overpayment; see ``_refund_exceptions``.

They are those of :attr:`kokin.reconcile.Accounts.exceptions` and the issues of files. An exception that was accepted,
or is held until a later day, is closed; one that was decided is no exception any more, because its outcome has changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import func, select

from kokin._arrow.convert import Int64Array, combine, int64_array, text_array, to_mask, to_numpy
from kokin.catalog import Catalog
from kokin.issues import Issue, Severity
from kokin.ledger import _queries
from kokin.ledger._active_entries import reversed_entries
from kokin.ledger._books import Books, entry_ids
from kokin.ledger._candidates import MAX_CANDIDATES, find_candidates
from kokin.ledger._components import as_of_entry
from kokin.ledger._database import Transaction
from kokin.ledger._refund_exceptions import EXCESS_OUTCOMES, RefundTask, open_refunds, part_exceptions
from kokin.ledger._refund_steps import decided_parts
from kokin.ledger._schema import TABLES, EntryKind
from kokin.ledger._write_offs_in_force import write_offs_in_force
from kokin.model import DecisionKind, Finding, Outcome
from kokin.text import JAPAN

_DECISIONS, _ENTRIES, _POSTINGS = TABLES["decisions"], TABLES["entries"], TABLES["postings"]

_TEXT, _INT = pa.string(), pa.int64()

#: The columns of exceptions.
EXCEPTIONS = pa.schema(
    [
        ("exception_id", _TEXT),
        ("code", _TEXT),
        ("age_days", _INT),
        ("entry_id", _INT),
        ("receipt_id", _INT),
        ("source", _TEXT),
        ("record_no", _INT),
        ("paid_on", pa.date32()),
        ("amount", _INT),
        ("bill_id", _TEXT),
        ("field", _TEXT),
        ("expected", _TEXT),
        ("found", _TEXT),
    ]
)
#: The columns of the work list: those of exceptions, then the candidates of unknown money, the best first.
_CANDIDATES = [f"candidate_{at}{suffix}" for at in range(1, MAX_CANDIDATES + 1) for suffix in ("", "_reason")]
WORK_LIST = pa.schema([*EXCEPTIONS, *((name, _TEXT) for name in _CANDIDATES)])

_OF_RECEIPT = re.compile(r"R([1-9][0-9]{0,17})-[A-Z_]+", re.ASCII)

# A number of yen, or several of one exception.
_YEN = re.compile(r"-?[0-9]+(?:; -?[0-9]+)*", re.ASCII)

#: The code of a file that was rejected as a whole; a rejected record has the code of its issue.
FILE_REJECTED = "FILE_REJECTED"

#: The outcomes of money of which it is not known which open bill it is for.
_UNKNOWN_MONEY = (
    Outcome.NO_BILL,
    Outcome.MULTIPLE_BILLS,
    Outcome.KEY_MISSING,
    Outcome.BILL_CHANGED,
    Outcome.CANCELLED_BILL,
    Outcome.UNAPPLIED,
)
# The codes that the last posting of a receipt brought.
_FROM_POSTING = text_array((*Outcome, RefundTask.OPEN))


class LastDecision(NamedTuple):
    """The last active decision about an exception."""

    kind: DecisionKind
    hold_until: date | None
    entry: int
    accepted_yen: str | None

    def accepts(self, yen: str | None) -> bool:
        """Return whether the exception is accepted as it is now: with the same yen."""
        return self.kind is DecisionKind.ACCEPT and self.accepted_yen in (None, yen)

    def closes(self, day: date, yen: str | None) -> bool:
        """Return whether nobody has to look at the exception on a day."""
        return self.accepts(yen) or (self.hold_until is not None and self.hold_until > day)


class FoundExceptions(NamedTuple):
    """The exceptions of a ledger, also closed ones, and the books in which they were found."""

    #: :data:`EXCEPTIONS`, each id once.
    table: pa.Table
    books: Books


def work_list(
    transaction: Transaction,
    as_of: date | datetime | int | None,
    day: date,
    catalog: Catalog,
    *,
    with_candidates: bool = True,
) -> pa.Table:
    """See :meth:`kokin.ledger.Ledger.work_list`; ``day`` is the day from which ages and holds are counted."""
    found = find_exceptions(transaction, as_of, day, catalog)
    decided = last_decisions(transaction, _queries.entry_as_of(transaction, as_of))
    yen = _yen(found.table)
    closed = {exception for exception, last in decided.items() if last.closes(day, yen.get(exception))}
    # An open excess is part of the exception of its outcome until this one is accepted.
    accepted = {exception for exception in closed if decided[exception].kind is DecisionKind.ACCEPT}
    names = ("exception_id", "code", "receipt_id")
    rows = [tuple(row.values()) for row in found.table.select(names).to_pylist()]
    covered = {receipt for exception, code, receipt in rows if code in EXCESS_OUTCOMES and exception not in accepted}
    is_open = [
        exception not in closed and not (code == RefundTask.OPEN and receipt in covered)
        for exception, code, receipt in rows
    ]
    table = found.table.filter(pa.array(is_open, pa.bool_()))
    return _with_candidates(found._replace(table=table)) if with_candidates else table


def exception_of_receipt(receipt: int, code: str) -> str:
    """Return the id of an exception of a receipt."""
    return f"R{receipt}-{code}"


def receipt_of_exception(exception_id: str) -> int | None:
    """Return the id of the receipt of an exception; None if the exception is not of a receipt."""
    match = _OF_RECEIPT.fullmatch(exception_id)
    return int(match[1]) if match else None


def settled_problems(
    transaction: Transaction, rows: Sequence[Mapping[str, Any]], found: Callable[[], Mapping[str, str]]
) -> Iterator[tuple[int, Issue]]:
    """Yield DECISION_SETTLED, with the number of the row, for decisions about exceptions that are no longer open.

    An outcome is open while its receipt has it, whether it is an exception or not: a payment that is matched with a
    wrong bill is moved. An exception that is held is open, and so is one whose yen have changed since it was accepted.

    Args:
        transaction: the transaction.
        rows: decisions with the fields of :class:`ExceptionDecision`, ``receipt_id`` and their number ``row``.
        found: returns the yen of all exceptions; see :func:`yen_of_exceptions`.
    """
    decided = last_decisions(transaction, None)
    receipts = _LastPosting.of(transaction, [row["receipt_id"] for row in rows if row["receipt_id"]])
    for row in rows:
        exception, receipt = row["exception_id"], receipts.get(row["receipt_id"])
        last = decided.get(exception)
        settled_by = None
        if last and last.kind is DecisionKind.ACCEPT and last.accepts(found().get(exception)):
            settled_by = last.entry
        elif receipt and receipt.is_reversed:
            continue  # DECISION_UNKNOWN
        elif receipt and exception != exception_of_receipt(row["receipt_id"], receipt.outcome):
            is_finding = exception.partition("-")[2] in (*Finding, RefundTask.OPEN)
            settled_by = None if is_finding and exception in found() else receipt.entry
        elif row["receipt_id"] is None and exception not in found():
            yield row["row"], Issue("DECISION_UNKNOWN", field="exception_id", found=exception)
        if settled_by:
            by_entry = f"{exception} (entry {settled_by})"
            yield row["row"], Issue("DECISION_SETTLED", field="exception_id", found=by_entry)


def yen_of_exceptions(transaction: Transaction, day: date, catalog: Catalog) -> dict[str, str]:
    """Return the yen of every exception of a ledger, by id: what a person accepts.

    Args:
        transaction: the transaction.
        day: today.
        catalog: the charges of the authority.
    """
    return _yen(find_exceptions(transaction, None, day, catalog).table)


def _yen(exceptions: pa.Table) -> dict[str, str]:
    """Return the yen of exceptions by id: of the exception, and those expected and found.

    Other texts are left out: the day from which on a 速報 is stale moves every day.
    """
    names = ("exception_id", "amount", "expected", "found")
    yen = {}
    for exception, amount, *texts in _rows(exceptions.select(names)):
        numbers = [text for text in texts if text and _YEN.fullmatch(text)]
        yen[exception] = " ".join(["" if amount is None else str(amount), *numbers])
    return yen


class _LastPosting(NamedTuple):
    """The outcome of a receipt, and the entry of its last posting."""

    outcome: str
    is_reversed: bool
    entry: int

    @classmethod
    def of(cls, transaction: Transaction, receipts: Sequence[int]) -> dict[int | None, _LastPosting]:
        """Return the last posting of some receipts, by receipt."""
        last = select(func.max(_POSTINGS.c.id).label("id")).group_by(_POSTINGS.c.receipt_id)
        ids = transaction.fetch(last, _POSTINGS.c.receipt_id, np.unique(np.array(receipts, np.int64))).column("id")
        names = ("receipt_id", "outcome", "reverses_id", "entry_id")
        rows = transaction.rows("postings", to_numpy(ids, 0), names).select(names)
        return {receipt: cls(outcome, bool(reverses), entry) for receipt, outcome, reverses, entry in _rows(rows)}


def last_decisions(transaction: Transaction, last: int | None) -> dict[str, LastDecision]:
    """Return the last active decision about each exception, as of an entry."""
    names = ("exception_id", "decision", "hold_until", "entry_id", "accepted_yen")
    statement = select(*(_DECISIONS.c[name] for name in names)).where(as_of_entry(_DECISIONS.c.entry_id, last))
    reversed_ids = reversed_entries(transaction, last)
    return {
        exception: LastDecision(DecisionKind(kind), date.fromisoformat(until) if until else None, entry, yen)
        for exception, kind, until, entry, yen in _rows(transaction.table(statement.order_by(_DECISIONS.c.id)))
        if entry not in reversed_ids
    }


def _rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def find_exceptions(
    transaction: Transaction, as_of: date | datetime | int | None, day: date, catalog: Catalog
) -> FoundExceptions:
    """Return all exceptions of a ledger, also closed ones.

    Args:
        transaction: the transaction.
        as_of: a time, the end of a day in Japan, or an entry; None reads all entries.
        day: the day on which 速報 are stale and deposits are due, and from which ages are counted.
        catalog: the charges of the authority.
    """
    last = _queries.entry_as_of(transaction, as_of)
    entries, books = _Entries.read(transaction), Books.build(transaction, as_of, day, catalog)
    receipts, parts = books.receipts, decided_parts(transaction, last)
    opened, exceptions = open_refunds(books.accounts), books.accounts.exceptions
    exceptions = pa.concat_tables([exceptions.select(opened.column_names), opened])
    row = books.receipt_rows(exceptions)
    of_receipt = row >= 0
    others = exceptions.filter(pa.array(~of_receipt))
    is_of_refund = pc.equal(others.column("outcome"), Finding.REFUND_EXCEEDS_EXCESS.value)
    of_receipts = _of_receipts(
        transaction, exceptions.filter(pa.array(of_receipt)), row[of_receipt], receipts, entries, last
    )
    tables = [
        _without_decided_excess(of_receipts, {receipt for receipt, _ in parts}),
        _of_reports_and_days(others.filter(pc.invert(is_of_refund)), books.agent_report_ids),
        _of_write_offs(transaction, others, last),
        _from_rows(part_exceptions(transaction, parts, others.filter(is_of_refund), entries.source)),
        _of_overlaps(books.result.overlaps, entries),
        _of_files(transaction, last, entries),
    ]
    table = _each_once(pa.concat_tables([_with_age(each, entries, day) for each in tables]))
    return FoundExceptions(table.sort_by([("age_days", "descending")]), books)


def _without_decided_excess(exceptions: pa.Table, decided: set[int]) -> pa.Table:
    """Return exceptions of receipts without those of an excess that is decided in full.

    Args:
        exceptions: the exceptions of receipts.
        decided: the receipts of decided parts.
    """
    rows = [tuple(row.values()) for row in exceptions.select(["code", "receipt_id"]).to_pylist()]
    settled = decided - {receipt for code, receipt in rows if code == RefundTask.OPEN}
    is_open = [receipt not in settled or code not in EXCESS_OUTCOMES for code, receipt in rows]
    return exceptions.filter(pa.array(is_open, pa.bool_()))


class _Entries(NamedTuple):
    """What exceptions show of entries, by id."""

    source: dict[int, str]
    day: dict[int, date]

    @classmethod
    def read(cls, transaction: Transaction) -> _Entries:
        rows = _rows(transaction.table(select(_ENTRIES.c.id, _ENTRIES.c.source, _ENTRIES.c.effective_at)))
        days = {entry: datetime.fromisoformat(at).astimezone(JAPAN).date() for entry, _, at in rows}
        return cls({entry: source or "" for entry, source, _ in rows}, days)


def _of_receipts(
    transaction: Transaction,
    exceptions: pa.Table,
    row: Int64Array,
    receipts: pa.Table,
    entries: _Entries,
    last: int | None,
) -> pa.Table:
    """Return the exceptions of receipts: the last posting brought an outcome, the file a finding.

    ``row`` is the receipt of each: int64 (k,).
    """
    own = receipts.select(["id", "source", "paid_on"]).take(int64_array(row))
    receipt_id, file = to_numpy(own.column("id"), 0), entry_ids(own)
    statement = select(_POSTINGS.c.receipt_id, func.max(_POSTINGS.c.entry_id).label("entry_id"))
    statement = statement.where(as_of_entry(_POSTINGS.c.entry_id, last)).group_by(_POSTINGS.c.receipt_id)
    posted = transaction.fetch(statement, _POSTINGS.c.receipt_id, np.unique(receipt_id)).sort_by("receipt_id")
    at = np.searchsorted(to_numpy(posted.column("receipt_id"), 0), receipt_id)
    code = exceptions.column("outcome")
    is_outcome = to_mask(combine(pc.is_in(code, value_set=_FROM_POSTING)))
    entry = np.where(is_outcome, to_numpy(posted.column("entry_id"), 0)[at], file) if len(at) else file
    codes = code.to_pylist()
    ids = [exception_of_receipt(*pair) for pair in zip(receipt_id.tolist(), codes, strict=True)]
    columns = {name: exceptions.column(name) for name in ("record_no", "amount", "bill_id", *_DIFFERENCE)}
    return _table(
        len(ids),
        exception_id=pa.array(ids, _TEXT),
        code=code,
        entry_id=int64_array(entry),
        receipt_id=int64_array(receipt_id),
        source=pa.array([entries.source[each] for each in file.tolist()], _TEXT),
        paid_on=own.column("paid_on"),
        **columns,
    )


_DIFFERENCE = ("field", "expected", "found")


def _table(count: int, **columns: Any) -> pa.Table:
    """Return some columns of exceptions; the others are null."""
    arrays = [columns.get(field.name, pa.nulls(count, field.type)) for field in EXCEPTIONS]
    return pa.table(arrays, schema=EXCEPTIONS)


def _from_rows(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, EXCEPTIONS)


def _of_reports_and_days(exceptions: pa.Table, reports: Int64Array) -> pa.Table:
    """Return the exceptions of agent reports and of days of settlement; ``reports`` are the ids of the reports."""
    rows = []
    for row in exceptions.select(["outcome", "record_no", *_DIFFERENCE]).to_pylist():
        code, field = row.pop("outcome"), row["field"]
        record_no = row.pop("record_no")
        if record_no is not None:
            name = field.removeprefix("report.")
            rows.append({**row, "exception_id": f"A{reports[record_no - 1]}-{code}-{name}", "code": code})
        elif field.startswith("settled_on "):
            _, day, *agent = field.split(" ", 2)
            rows.append({**row, "exception_id": "-".join([f"S{day}", *(agent or [""]), code]), "code": code})
    return _from_rows(rows)


def _of_write_offs(transaction: Transaction, exceptions: pa.Table, last: int | None) -> pa.Table:
    """Return the bills of which more was written off than is open, of those that no receipt explains."""
    code = Finding.WRITE_OFF_EXCEEDS_BALANCE.value
    found = exceptions.filter(pc.equal(exceptions.column("outcome"), code))
    names = found.column("bill_id").cast(_TEXT).to_pylist()
    written_off = write_offs_in_force(transaction, last, names).select(["bill_id", "entry_id"]) if names else None
    entry = dict(_rows(written_off)) if written_off is not None else {}
    return _table(
        len(found),
        exception_id=pa.array([f"W{name}-{code}" for name in names], _TEXT),
        code=pa.repeat(code, len(found)),
        entry_id=pa.array([entry[name] for name in names], _INT),
        bill_id=pa.array(names, _TEXT),
        **{name: found.column(name) for name in _DIFFERENCE},
    )


def _of_overlaps(overlaps: pa.Table, entries: _Entries) -> pa.Table:
    """Return the files that have payments of other files."""
    rows = []
    for row in overlaps.to_pylist():
        entry, other = int(row["source"]), int(row["other_source"])
        found = f"{row['repeated']} of {row['records']} in {entries.source[other] or row['other_digest']}"
        first, second = sorted((entry, other))
        rows.append(
            {
                "exception_id": f"O{first}-{second}",
                "code": "FILE_OVERLAPS",
                "entry_id": second,
                "source": entries.source[entry],
                "field": "records",
                "expected": "in no other file",
                "found": found,
            }
        )
    return _from_rows(rows)


def _of_files(transaction: Transaction, last: int | None, entries: _Entries) -> pa.Table:
    """Return the rejected records of accepted files, and the rejected files."""
    rows: list[dict[str, Any]] = []
    rejected: dict[int, list[str]] = {}
    for row in _queries.issues_in_force(transaction, last).to_pylist():
        entry = row["entry_id"]
        if row["kind"] == EntryKind.REJECTED_FILE:
            rejected.setdefault(entry, []).append(row["code"])
        elif row["severity"] == Severity.ERROR:
            shared = {"entry_id": entry, "source": entries.source[entry], "record_no": row["record"]}
            differs = {name: row[name] for name in ("code", *_DIFFERENCE)}
            rows.append({"exception_id": f"I{row['id']}", **shared, **differs})
    for entry, codes in rejected.items():
        found = ", ".join(f"{codes.count(code)} {code}" for code in dict.fromkeys(codes))
        row = {"exception_id": f"F{entry}", "code": FILE_REJECTED, "entry_id": entry, "source": entries.source[entry]}
        rows.append({**row, "field": "", "expected": "", "found": found})
    return _from_rows(rows)


def _with_age(table: pa.Table, entries: _Entries, day: date) -> pa.Table:
    """Return exceptions with their age in days: since the entry that brought them, or the day of settlement."""

    def age(entry: int | None, exception: str) -> int | None:
        if entry is None and exception[:1] != "S":
            return None
        since = date.fromisoformat(exception[1:11]) if entry is None else entries.day[entry]
        return max((day - since).days, 0)

    values = zip(table.column("entry_id").to_pylist(), table.column("exception_id").to_pylist(), strict=True)
    ages = pa.array([age(entry, exception) for entry, exception in values], _INT)
    return table.set_column(table.column_names.index("age_days"), EXCEPTIONS.field("age_days"), ages)


def _each_once(table: pa.Table) -> pa.Table:
    """Return exceptions with each id once; what several rows of one id say is joined."""
    if len(pc.unique(table.column("exception_id"))) == len(table):
        return table
    others = [name for name in EXCEPTIONS.names if name not in ("exception_id", *_DIFFERENCE)]
    aggregated = table.group_by("exception_id", use_threads=False).aggregate(
        [*((name, "first") for name in others), *((name, "list") for name in _DIFFERENCE)]
    )
    columns = {name: aggregated.column(f"{name}_first") for name in others}
    columns |= {name: pc.binary_join(aggregated.column(f"{name}_list"), "; ") for name in _DIFFERENCE}
    columns["exception_id"] = aggregated.column("exception_id")
    return pa.table([columns[name] for name in EXCEPTIONS.names], schema=EXCEPTIONS)


def _with_candidates(found: FoundExceptions) -> pa.Table:
    """Return exceptions with the candidates of those that are unknown money."""
    table, books = found
    codes = pa.array([outcome.value for outcome in _UNKNOWN_MONEY])
    unknown = np.flatnonzero(to_mask(combine(pc.is_in(table.column("code"), value_set=codes))))
    texts: Mapping[str, pa.Array] = {}
    if len(unknown):
        ids = table.column("receipt_id").take(int64_array(unknown))
        rows = pc.index_in(ids, value_set=combine(books.receipts.column("id")))
        own_bill = table.column("bill_id").take(int64_array(unknown))
        payments = books.receipts.take(rows).append_column("bill_id", own_bill)
        texts = find_candidates(payments, books.bills, books.result.balances).texts(books.bills)
    position = np.full(len(table), -1)
    position[unknown] = np.arange(len(unknown))
    rows = pa.array(position, mask=position < 0)
    for field in list(WORK_LIST)[len(EXCEPTIONS) :]:
        column = texts[field.name].take(rows) if texts else pa.nulls(len(table), _TEXT)
        table = table.append_column(field, column)
    return table
