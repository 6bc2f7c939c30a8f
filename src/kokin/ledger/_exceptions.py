"""Exceptions (例外): everything in a ledger that a person has to look at or to decide, each once, with a stable id.

- ``R12-NO_BILL``: the outcome NO_BILL, or a finding, of the receipt with the id 12.
- ``I7``: the rejected record of an accepted file, by its row in ``file_issues``; ``F9``: a rejected file, by its entry.
- ``S2026-05-12-A1-SETTLEMENT_MISMATCH``: the deposits of a day and agent differ from the receipts.
- ``A3-TOTAL_MISMATCH-count``: a total of an agent report, by its row in ``agent_reports``.
- ``O4-9``: the files of two entries have records of the same payments.
- ``WB1-WRITE_OFF_EXCEEDS_BALANCE``: more was written off of the bill ``B1`` than is open, and no receipt explains it.
- ``R12-REFUND_OPEN``, ``P12-REFUND_DECIDED``: what is left to do about an overpayment; see ``_refund_exceptions``.

They are those of :attr:`kokin.reconcile.Accounts.exceptions` and the issues of files, each with an
:class:`~kokin.ledger.ExceptionState`. The work list has the open ones. A payment that was decided is no exception any
more, because its outcome has changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import func, select

from kokin._arrow.convert import Int64Array, combine, int64_array, text_array, to_mask, to_numpy
from kokin.catalog import Catalog
from kokin.issues import Severity
from kokin.ledger import _queries
from kokin.ledger._books import Books, entry_ids
from kokin.ledger._components import as_of_entry
from kokin.ledger._database import Transaction
from kokin.ledger._refund_exceptions import EXCESS_OUTCOMES, RefundTask, open_refunds, part_exceptions
from kokin.ledger._refund_steps import DecidedPart, decided_parts
from kokin.ledger._schema import TABLES, EntryKind
from kokin.ledger._write_offs_in_force import write_offs_in_force
from kokin.model import Finding, Outcome
from kokin.text import JAPAN

_ENTRIES, _POSTINGS = TABLES["entries"], TABLES["postings"]

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
_OF_RECEIPT = re.compile(r"R([1-9][0-9]{0,17})-[A-Z_]+", re.ASCII)

#: The code of a file that was rejected as a whole; a rejected record has the code of its issue.
FILE_REJECTED = "FILE_REJECTED"

# The codes that the last posting of a receipt brought.
_FROM_POSTING = text_array((*Outcome, RefundTask.OPEN))


class FoundExceptions(NamedTuple):
    """The exceptions of a ledger, also closed ones, and the books in which they were found."""

    #: :data:`EXCEPTIONS`, each id once.
    table: pa.Table
    books: Books
    entries: EntryDetails
    #: The exceptions of an excess that is decided in full, each with the entry of the last step.
    decided: Mapping[str, int]


def exception_of_receipt(receipt: int, code: str) -> str:
    """Return the id of an exception of a receipt."""
    return f"R{receipt}-{code}"


def receipt_of_exception(exception_id: str) -> int | None:
    """Return the id of the receipt of an exception; None if the exception is not of a receipt."""
    match = _OF_RECEIPT.fullmatch(exception_id)
    return int(match[1]) if match else None


def row_tuples(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return the rows of a table as tuples."""
    return [tuple(row.values()) for row in table.to_pylist()]


def find_exceptions(
    transaction: Transaction,
    as_of: date | datetime | int | None,
    day: date,
    catalog: Catalog,
    bills: pa.Table | None = None,
) -> FoundExceptions:
    """Return all exceptions of a ledger, also closed ones.

    Args:
        transaction: the transaction.
        as_of: a time, the end of a day in Japan, or an entry; None reads all entries.
        day: the day on which 速報 are stale and deposits are due, and from which ages are counted.
        catalog: the charges of the authority.
        bills: the bills in force; by default those of the ledger.
    """
    last = _queries.entry_as_of(transaction, as_of)
    entries, books = EntryDetails.read(transaction), Books.build(transaction, as_of, day, catalog, bills)
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
        of_receipts,
        _of_reports_and_days(others.filter(pc.invert(is_of_refund)), books.agent_report_ids),
        _of_write_offs(transaction, others, last),
        _from_rows(part_exceptions(transaction, parts, others.filter(is_of_refund), entries.source)),
        _of_overlaps(books.result.overlaps, entries),
        _of_files(transaction, last, entries),
    ]
    table = _each_once(pa.concat_tables([_with_age(each, entries, day) for each in tables]))
    table = table.sort_by([("age_days", "descending")])
    return FoundExceptions(table, books, entries, _decided_excess(of_receipts, parts.values()))


def _decided_excess(exceptions: pa.Table, parts: Iterable[DecidedPart]) -> dict[str, int]:
    """Return the exceptions of an excess that is decided in full, each with the entry of the last step.

    Args:
        exceptions: the exceptions of receipts.
        parts: the decided parts.
    """
    rows = row_tuples(exceptions.select(["exception_id", "code", "receipt_id"]))
    undecided = {receipt for _, code, receipt in rows if code == RefundTask.OPEN}
    entries: dict[int, int] = {}
    for part in parts:
        receipt, _ = part.id
        if receipt not in undecided:
            entries[receipt] = max(entries.get(receipt, 0), part.steps[-1]["entry_id"])
    return {
        exception: entries[receipt]
        for exception, code, receipt in rows
        if code in EXCESS_OUTCOMES and receipt in entries
    }


class EntryDetails(NamedTuple):
    """What exceptions show of entries, by id."""

    source: dict[int, str]
    day: dict[int, date]
    actor: dict[int, str]

    @classmethod
    def read(cls, transaction: Transaction) -> EntryDetails:
        columns = (_ENTRIES.c.id, _ENTRIES.c.source, _ENTRIES.c.effective_at, _ENTRIES.c.actor)
        rows = row_tuples(transaction.table(select(*columns)))
        days = {entry: datetime.fromisoformat(at).astimezone(JAPAN).date() for entry, _, at, _ in rows}
        sources = {entry: source or "" for entry, source, *_ in rows}
        return cls(sources, days, {entry: actor for entry, *_, actor in rows})

    def since(self, entry: int | None, exception: str) -> date | None:
        """Return the day since which an exception waits: of the entry that brought it, or the day of settlement."""
        if entry is not None:
            return self.day[entry]
        return date.fromisoformat(exception[1:11]) if exception[:1] == "S" else None


def _of_receipts(
    transaction: Transaction,
    exceptions: pa.Table,
    row: Int64Array,
    receipts: pa.Table,
    entries: EntryDetails,
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
    entry = dict(row_tuples(written_off)) if written_off is not None else {}
    return _table(
        len(found),
        exception_id=pa.array([f"W{name}-{code}" for name in names], _TEXT),
        code=pa.repeat(code, len(found)),
        entry_id=pa.array([entry[name] for name in names], _INT),
        bill_id=pa.array(names, _TEXT),
        **{name: found.column(name) for name in _DIFFERENCE},
    )


def _of_overlaps(overlaps: pa.Table, entries: EntryDetails) -> pa.Table:
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


def _of_files(transaction: Transaction, last: int | None, entries: EntryDetails) -> pa.Table:
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


def _with_age(table: pa.Table, entries: EntryDetails, day: date) -> pa.Table:
    """Return exceptions with their age in days."""
    since = [entries.since(*pair) for pair in row_tuples(table.select(["entry_id", "exception_id"]))]
    ages = pa.array([None if each is None else max((day - each).days, 0) for each in since], _INT)
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
