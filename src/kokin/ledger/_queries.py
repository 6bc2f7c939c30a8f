"""Queries of a ledger: bills, receipts, balances and outcomes as of a time, the history of a bill, status, export.

The current state is a view of the append-only tables. A bill is current unless a later version supersedes it; a
posting is active unless it reverses another or another reverses it; an entry is active unless an active entry reverses
it. With ``as_of``, only entries up to a time are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, FromClause, Select, and_, case, func, or_, select

from kokin._arrow.aggregate import sum_by
from kokin._arrow.convert import Int64Array, combine, int64_array, to_numpy
from kokin._arrow.files import escape_formulas, write_csv
from kokin._arrow.threads import sorted_unique
from kokin.issues import ISSUE_COLUMNS, InvalidInputError, Issue, Location
from kokin.ledger._active_entries import reversal_targets, reversed_entries, root_entry
from kokin.ledger._codec import concat, decode_columns, filter_rows
from kokin.ledger._component_states import ComponentStates
from kokin.ledger._components import (
    as_of_entry,
    assigned_receipts,
    bill_keys,
    bills_by_id,
    current_version,
    find_components,
    not_referenced,
    receipts_with_posting,
)
from kokin.ledger._database import BATCH_ROWS, LedgerError, Transaction
from kokin.ledger._decisions_in_force import decision_log, decisions_in_force
from kokin.ledger._incoming import SETTLEMENT_RECORDS
from kokin.ledger._journal import (
    BookTotals,
    Entry,
    Overlap,
    entry_rows,
    last_row,
    rows_of_entry,
    table_ends,
    to_timestamp,
)
from kokin.ledger._refund_steps import refund_table
from kokin.ledger._rematch import disposition_and_kind, entry_sources
from kokin.ledger._schema import AUDIT_LOG, DETAIL_TABLES, DISPOSITIONS, RECORD_FIELDS, TABLES, EntryKind
from kokin.ledger._write_offs_in_force import with_write_offs, write_off_log
from kokin.matching import MATCHED_COLUMNS, Index, disposition_texts
from kokin.model import Bill, DecisionKind, Outcome, Receipt, ReceiptKind
from kokin.reconcile import Control, Policy, Reconciliation, RefundParts, reconcile, refund_control
from kokin.text import JAPAN

_BILLS, _ENTRIES, _SEALS = TABLES["bill_versions"], TABLES["entries"], TABLES["seals"]
_POSTINGS, _RECEIPTS = TABLES["postings"], TABLES["receipts"]
_ISSUES = TABLES["file_issues"]

_FILE_ORDER = [(name, "ascending") for name in ("source", "digest", "record_no")]
_OUTCOMES_OF_REVERSALS = (Outcome.REVERSAL, Outcome.REVERSAL_WITHOUT_PAYMENT, Outcome.DUPLICATE_RECORD)

#: At most so many bills are named by a broken control T7.
_MAX_NAMED = 20


# As of a time


def entry_as_of(transaction: Transaction, as_of: date | datetime | int | None) -> int | None:
    """Return the id of the last entry up to a time, the end of a day in Japan, or an entry; None reads all entries."""
    if as_of is None or isinstance(as_of, int):
        return as_of
    if not isinstance(as_of, datetime):
        as_of = datetime.combine(as_of, time.max, JAPAN)
    last = select(func.max(_ENTRIES.c.id)).where(_ENTRIES.c.effective_at <= to_timestamp(as_of, "as_of"))
    return transaction.connection.execute(last).scalar_one() or 0


def is_active_posting(last: int | None) -> ColumnElement[bool]:
    """Return the condition that a posting reverses none and is reversed by none, as of an entry."""
    is_not_reversed = not_referenced("postings", "reverses_id", last)
    return and_(_POSTINGS.c.reverses_id.is_(None), as_of_entry(_POSTINGS.c.entry_id, last), is_not_reversed)


# Records


def bills(transaction: Transaction, as_of: date | datetime | int | None) -> pa.Table:
    """Return the bills in force, by ``bill_id``."""
    names = tuple(RECORD_FIELDS["bill_versions"].names)
    table = pa.concat_tables(_bills_in_force(transaction, entry_as_of(transaction, as_of), names))
    return table.sort_by("bill_id").combine_chunks()


def _bills_in_force(transaction: Transaction, last: int | None, names: tuple[str, ...]) -> Iterator[pa.Table]:
    """Yield columns of the bills in force, as of an entry, in chunks, the first one empty."""
    statement = select(*(_BILLS.c[name] for name in names))
    statement = statement.where(current_version(last), as_of_entry(_BILLS.c.entry_id, last))
    return (decode_columns(rows, Bill) for rows in transaction.scan(statement, _BILLS.c.id))


def receipts(transaction: Transaction, as_of: date | datetime | int | None) -> pa.Table:
    """Return the active receipts, by source, digest and record number."""
    return _active_receipts(transaction, entry_as_of(transaction, as_of)).sort_by(_FILE_ORDER).combine_chunks()


def _active_receipts(transaction: Transaction, last: int | None) -> pa.Table:
    """Return the active receipts, as of an entry, in many chunks."""
    # A receipt has a text for each of these, also without a file.
    of_file = [func.coalesce(_ENTRIES.c[name], "").label(name) for name in ("layout", "source", "digest")]
    return pa.concat_tables(decode_columns(rows, Receipt) for rows in _scan_receipts(transaction, last, *of_file))


def _scan_receipts(transaction: Transaction, last: int | None, *columns: ColumnElement[Any]) -> Iterator[pa.Table]:
    """Yield some columns and the fields of the active receipts, as of an entry, by id; the first chunk is empty."""
    tables = _RECEIPTS.join(_POSTINGS, _POSTINGS.c.receipt_id == _RECEIPTS.c.id)
    tables = tables.join(_ENTRIES, _ENTRIES.c.id == _RECEIPTS.c.entry_id)
    fields = (_RECEIPTS.c[name] for name in RECORD_FIELDS["receipts"].names)
    statement = select(*columns, *fields).select_from(tables).where(is_active_posting(last))
    return transaction.scan(statement, _RECEIPTS.c.id, _POSTINGS.c.receipt_id)


def reconciled(transaction: Transaction, as_of: date | datetime | int | None, policy: Policy) -> Reconciliation:
    """Return the reconciliation of all bills in force with all active receipts; no accounts can be built from it.

    The bills are not in memory at the same time, only the index of their keys.
    """
    last = entry_as_of(transaction, as_of)
    names = tuple(name for name in RECORD_FIELDS["bill_versions"].names if name in MATCHED_COLUMNS)
    chunks = _bills_in_force(transaction, last, names)
    columns = next(chunks).schema
    batches = (batch for rows in chunks for batch in rows.to_batches())
    index = Index.build(pa.RecordBatchReader.from_batches(columns, batches), check_paid_before=False)
    receipts, decided = _active_receipts(transaction, last), decisions_in_force(transaction, last)
    result = reconcile(index, receipts, policy, decisions=decided)
    return with_write_offs(transaction, result, last)


def receipts_by_entry(transaction: Transaction, last: int | None) -> pa.Table:
    """Return the active receipts with their ``id``, by entry and record number, as of an entry.

    ``source`` is the id of the entry, padded so that its order is that of ids: it names one file, as a name may not.
    """
    columns = (_RECEIPTS.c.id, _RECEIPTS.c.entry_id, _ENTRIES.c.layout, _ENTRIES.c.digest)
    tables = []
    for rows in _scan_receipts(transaction, last, *columns):
        table = decode_columns(rows, Receipt).append_column("source", entry_sources(rows.column("entry_id")))
        tables.append(table.append_column("id", rows.column("id")))
    return pa.concat_tables(tables).combine_chunks()


def balances(transaction: Transaction, as_of: date | datetime | int | None, policy: Policy) -> pa.Table:
    """Return the balance of every bill, by ``bill_id``; yen."""
    return reconciled(transaction, as_of, policy).balances


def decisions(transaction: Transaction, as_of: date | datetime | int | None) -> pa.Table:
    """Return the active decisions about payments."""
    return decisions_in_force(transaction, entry_as_of(transaction, as_of))


def policy_entry(transaction: Transaction, as_of: date | datetime | int | None) -> Entry:
    """Return the entry with the policy in force.

    Raises:
        LedgerError: the first entry is missing.
    """
    kinds = (EntryKind.CREATED.value, EntryKind.POLICY.value)
    last = entry_as_of(transaction, as_of)
    statement = entry_rows().where(
        _ENTRIES.c.kind.in_(kinds), or_(as_of_entry(_ENTRIES.c.id, last), _ENTRIES.c.id == 1)
    )
    row = transaction.connection.execute(statement.order_by(_ENTRIES.c.id.desc()).limit(1)).mappings().first()
    if row is None:
        issue = Issue("LEDGER_ROW_MISSING", location=Location("entries", 1))
        raise LedgerError("the ledger cannot be opened; restore a backup", [issue])
    return Entry.of(row)


def policy(transaction: Transaction, as_of: date | datetime | int | None) -> Policy:
    """Return the policy in force.

    Raises:
        LedgerError: the entry with the policy is missing or was changed.
    """
    entry = policy_entry(transaction, as_of)
    try:
        return Policy(**entry.totals["policy"])
    except (InvalidInputError, KeyError, TypeError) as error:
        issue = Issue("LEDGER_ROW_CHANGED", field="totals", location=Location("entries", entry.id))
        raise LedgerError("the ledger cannot be opened; restore a backup", [issue]) from error


def first_hash(transaction: Transaction) -> str:
    """Return the hash of the first entry."""
    stored: bytes = transaction.connection.execute(select(_SEALS.c.hash).where(_SEALS.c.entry_id == 1)).scalar_one()
    return stored.hex()


def entry_list(transaction: Transaction, last: int | None) -> list[Entry]:
    """Return all entries, or the last ones, by id."""
    statement = entry_rows().order_by(_ENTRIES.c.id.desc()).limit(last)
    return [Entry.of(row) for row in transaction.connection.execute(statement).mappings()][::-1]


def entry_of(transaction: Transaction, entry: int) -> Entry:
    """Return an entry that exists by its id."""
    return Entry.of(transaction.connection.execute(entry_rows().where(_ENTRIES.c.id == entry)).mappings().one())


def active_entries_of(transaction: Transaction, kind: EntryKind, as_of: date | datetime | int | None) -> list[Entry]:
    """Return the active entries of a kind, by id."""
    last = entry_as_of(transaction, as_of)
    statement = entry_rows().where(_ENTRIES.c.kind == kind.value, as_of_entry(_ENTRIES.c.id, last))
    rows = transaction.connection.execute(statement.order_by(_ENTRIES.c.id)).mappings().all()
    reversed_ids = reversed_entries(transaction, last)
    return [Entry.of(row) for row in rows if row["id"] not in reversed_ids]


class SettlementRows(NamedTuple):
    """Bank deposits or agent reports of active entries, in the order of their ids."""

    #: int64 (k,): the ids of the rows.
    ids: Int64Array
    #: The columns of :class:`kokin.reconcile.BankDeposit` or :class:`kokin.reconcile.AgentReport`.
    table: pa.Table


def settlements(transaction: Transaction, kind: EntryKind, as_of: date | datetime | int | None) -> pa.Table:
    """Return the bank deposits or agent reports of active entries, in the order of their rows."""
    return settlement_rows(transaction, kind, entry_as_of(transaction, as_of)).table


def settlement_rows(transaction: Transaction, kind: EntryKind, last: int | None) -> SettlementRows:
    """Return the bank deposits or agent reports of active entries with their ids, as of an entry."""
    table = TABLES[kind.value]
    statement = select(table.c.id, table.c.entry_id, *(table.c[name] for name in RECORD_FIELDS[kind.value].names))
    statement = statement.where(as_of_entry(table.c.entry_id, last)).order_by(table.c.id)
    rows = transaction.table(statement)
    reversed_ids = pa.array(sorted(reversed_entries(transaction, last)), pa.int64())
    active = rows.filter(pc.invert(pc.is_in(rows.column("entry_id"), value_set=reversed_ids)))
    return SettlementRows(to_numpy(active.column("id"), 0), decode_columns(active, SETTLEMENT_RECORDS[kind]))


def file_issues(transaction: Transaction, as_of: date | datetime | int | None) -> pa.Table:
    """Return the issues of active files, and of files rejected and not posted since, without accepted ones."""
    last = entry_as_of(transaction, as_of)
    issues = issues_in_force(transaction, last)
    accepted = accepted_exceptions(transaction, last)
    is_open = [
        (f"F{row['entry_id']}" if row["kind"] == EntryKind.REJECTED_FILE else f"I{row['id']}") not in accepted
        for row in issues.select(["id", "entry_id", "kind"]).to_pylist()
    ]
    return issues.filter(pa.array(is_open, pa.bool_())).drop_columns(["id", "kind"])


def accepted_exceptions(transaction: Transaction, last: int | None) -> set[str]:
    """Return the ids of the exceptions that an active decision has accepted, as of an entry."""
    table = TABLES["decisions"]
    is_accepted = table.c.decision == DecisionKind.ACCEPT.value
    statement = select(table.c.exception_id, table.c.entry_id).where(is_accepted, as_of_entry(table.c.entry_id, last))
    reversed_ids = reversed_entries(transaction, last)
    rows = transaction.table(statement).to_pylist()
    return {row["exception_id"] for row in rows if row["entry_id"] not in reversed_ids}


def issues_in_force(transaction: Transaction, last: int | None) -> pa.Table:
    """Return the issues of active files, and of files that were rejected and not replaced since, as of an entry.

    A rejected file is replaced by a posted one with the same bytes, or with the same name and layout (an empty layout:
    any) if it was posted later and no other file with this name was posted: an agent whose files all have one name
    may have sent another day.

    The columns are ``id`` of the issue, ``kind`` of the entry, ``entry_id`` and those of an issue, by id.
    """
    kinds = tuple(
        kind.value
        for kind in (
            EntryKind.RECEIPT_FILE,
            EntryKind.UPLOAD_ANSWER,
            EntryKind.DEBIT_RESULT,
            EntryKind.REJECTED_FILE,
        )
    )
    names = ("id", "kind", "digest", "source", "layout")
    statement = select(*(_ENTRIES.c[name] for name in names))
    statement = statement.where(_ENTRIES.c.kind.in_(kinds), as_of_entry(_ENTRIES.c.id, last))
    files = transaction.table(statement.order_by(_ENTRIES.c.id)).to_pylist()
    reversed_ids = reversed_entries(transaction, last)
    active = [row for row in files if row["id"] not in reversed_ids]
    posted = [row for row in active if row["kind"] == EntryKind.RECEIPT_FILE]
    digests = {row["digest"] for row in posted}
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for row in posted:
        by_name.setdefault(row["source"] or "", []).append(row)

    def is_replaced(file: Mapping[str, Any]) -> bool:
        same_name = by_name.get(file["source"], []) if file["source"] else []
        return file["digest"] in digests or (
            len(same_name) == 1
            and same_name[0]["id"] > file["id"]
            and (file["layout"] or "") in ("", same_name[0]["layout"])
        )

    # Of a file that was rejected several times the last entry counts.
    rejected = {row["digest"]: row for row in active if row["kind"] == EntryKind.REJECTED_FILE}
    ids = {row["id"] for row in active if row["kind"] != EntryKind.REJECTED_FILE}
    ids |= {row["id"] for row in rejected.values() if not is_replaced(row)}
    columns = [
        func.coalesce(_ENTRIES.c.source, "").label(name) if name == "file" else _ISSUES.c[name]
        for name in ISSUE_COLUMNS
    ]
    statement = select(_ISSUES.c.id, _ENTRIES.c.kind, _ISSUES.c.entry_id, *columns).join_from(_ISSUES, _ENTRIES)
    statement = statement.order_by(_ISSUES.c.id)
    rows = transaction.table(statement.where(as_of_entry(_ISSUES.c.entry_id, last)))
    return rows.filter(pc.is_in(rows.column("entry_id"), value_set=pa.array(sorted(ids), pa.int64())))


# Outcomes


def outcomes(transaction: Transaction, entry: int | None) -> pa.Table:
    """Return the outcomes of the active receipts of one file or of all, by source, digest and record number.

    The columns are those of :attr:`kokin.reconcile.Reconciliation.outcomes`.
    """
    if entry is None:
        ids = np.arange(1, last_row(transaction, "receipts") + 1)
    else:
        ids = rows_of_entry(transaction, "receipts", entry)
    starts = range(0, max(len(ids), 1), BATCH_ROWS)
    tables = [_outcomes_of(transaction, ids[start : start + BATCH_ROWS]) for start in starts]
    return concat(tables, tables[0].schema).sort_by(_FILE_ORDER).drop_columns("digest").combine_chunks()


def _outcomes_of(transaction: Transaction, ids: Int64Array) -> pa.Table:
    """Return the outcomes of receipts by id, with ``digest``; numbers that a receipt lacks are those of its bill."""
    names = ("payee_code", "item_code", "case_key")
    active = receipts_with_posting(transaction, ids)
    active = filter_rows(active, to_numpy(active.column("reverses_id"), -1) < 0)
    files = transaction.rows("entries", to_numpy(active.column("entry_id"), 0), ("source",))
    bill_ids = to_numpy(active.column("bill_version_id"), 0)
    known_bills = bills_by_id(transaction, bill_ids[bill_ids > 0], ("bill_id", *names), superseded=True)
    bills = known_bills.take(pc.index_in(active.column("bill_version_id"), value_set=combine(known_bills.column("id"))))
    file_rows = pc.index_in(active.column("entry_id"), value_set=combine(files.column("id")))
    numbers = {name: pc.coalesce(combine(active.column(name)), combine(bills.column(name))) for name in names}
    numbers["case_key"] = pc.utf8_lpad(numbers["case_key"], 20, "0")
    return pa.table(
        {
            "source": pc.fill_null(files.column("source"), "").take(file_rows),
            **{name: active.column(name) for name in ("digest", "record_no", "outcome")},
            "disposition": _dispositions(active),
            "bill_id": bills.column("bill_id"),
            **numbers,
            **{name: active.column(name) for name in ("amount", "applied", "excess", "balance_before")},
        }
    )


def _dispositions(receipts: pa.Table) -> pa.Array:
    """Return the disposition of receipts, by the rule of reconciliation, also for 0 yen: string (n,)."""
    disposition, _ = disposition_and_kind(receipts.column("outcome"), receipts.column("kind"))
    return disposition_texts(disposition, to_numpy(receipts.column("applied"), 0))


def posted_outcomes(transaction: Transaction, entry: int) -> dict[str, dict[str, int]]:
    """Return the outcomes of the receipts of an entry's own file; see :func:`_count_outcomes`.

    To be called inside the entry's transaction: a later entry can change them.
    """
    own = {table: rows_of_entry(transaction, table, entry) for table in ("receipts", "postings")}
    if not len(own["receipts"]):
        return {}
    ranges = (TABLES[table].c.id.between(int(ids[0]), int(ids[-1])) for table, ids in own.items())
    return _count_outcomes(transaction, None, *ranges)


def _count_outcomes(
    transaction: Transaction, last: int | None, *conditions: ColumnElement[bool]
) -> dict[str, dict[str, int]]:
    """Return ``count`` and ``amount`` (yen) of each outcome of the active receipts, as of an entry.

    The yen of a payment that the bank takes back (kind ``reversal``) are negative.
    """
    is_taken_back = and_(
        _POSTINGS.c.outcome.in_(_OUTCOMES_OF_REVERSALS), _RECEIPTS.c.kind == ReceiptKind.REVERSAL.value
    )
    yen = case((is_taken_back, -_RECEIPTS.c.amount), else_=_RECEIPTS.c.amount)
    statement = (
        select(_POSTINGS.c.outcome, func.count(), *_sum_parts(yen))
        .select_from(_POSTINGS.join(_RECEIPTS, _RECEIPTS.c.id == _POSTINGS.c.receipt_id))
        .where(is_active_posting(last), *conditions)
        .group_by(_POSTINGS.c.outcome)
        .order_by(_POSTINGS.c.outcome)
    )
    rows: list[tuple[Any, ...]] = [tuple(row) for row in transaction.connection.execute(statement)]
    return {outcome: {"count": count, "amount": _whole_sum(*parts)} for outcome, count, *parts in rows}


def _payee_totals(transaction: Transaction, last: int | None) -> dict[str, dict[str, Any]]:
    """Return the totals of :attr:`LedgerStatus.payees`, as of an entry.

    The payee of a receipt is its own payee code, else that of its bill, else empty.
    """
    payee = func.coalesce(_RECEIPTS.c.payee_code, _BILLS.c.payee_code, "")
    joined = _POSTINGS.join(_RECEIPTS, _RECEIPTS.c.id == _POSTINGS.c.receipt_id)
    joined = joined.outerjoin(_BILLS, _BILLS.c.id == _POSTINGS.c.bill_version_id)
    statement = (
        select(payee, _POSTINGS.c.outcome, func.count(), *_disposition_parts())
        .select_from(joined)
        .where(is_active_posting(last))
        .group_by(payee, _POSTINGS.c.outcome)
        .order_by(payee, _POSTINGS.c.outcome)
    )
    totals: dict[str, dict[str, Any]] = {}
    rows: list[tuple[Any, ...]] = [tuple(row) for row in transaction.connection.execute(statement)]
    for code, outcome, count, *parts in rows:
        of_payee = totals.setdefault(
            code, {"receipts": 0, "outcomes": {}, "dispositions": dict.fromkeys(DISPOSITIONS, 0)}
        )
        of_payee["receipts"] += count
        of_payee["outcomes"][outcome] = count
        for name, sum_of_outcome in _by_disposition(parts).items():
            of_payee["dispositions"][name] += sum_of_outcome
    return totals


_HIGH = 1 << 32


def _sum_parts(column: ColumnElement[int]) -> list[ColumnElement[int]]:
    """Return the sum of a column as two sums, because SQLite fails if a sum exceeds int64; see :func:`_whole_sum`.

    Both databases divide toward zero.
    """
    return [func.sum(column // _HIGH), func.sum(column % _HIGH)]


def _whole_sum(high: Any, low: Any) -> int:
    """Return the sum itself; 0 for no rows."""
    return int(high or 0) * _HIGH + int(low or 0)


def _disposition_parts() -> list[ColumnElement[int]]:
    """Return the sums of the yen of postings by disposition, as two sums each; see :func:`_by_disposition`."""
    return [part for name in DISPOSITIONS for part in _sum_parts(_POSTINGS.c[name])]


def _by_disposition(parts: Sequence[Any]) -> dict[str, int]:
    """Return the yen of each disposition from the values of :func:`_disposition_parts`."""
    return {name: _whole_sum(parts[2 * at], parts[2 * at + 1]) for at, name in enumerate(DISPOSITIONS)}


def overlaps(transaction: Transaction, repeated: Mapping[int, int], records: int) -> tuple[Overlap, ...]:
    """Return the overlaps of a new file with earlier ones, from the number of common records by entry."""
    rows = transaction.rows("entries", np.array(sorted(repeated), np.int64), ("source", "digest")).to_pylist()
    return tuple(
        Overlap(row["id"], row["source"] or "", row["digest"] or "", repeated[row["id"]], records) for row in rows
    )


# History of a bill


@dataclass(frozen=True, slots=True)
class BillHistory:
    """Everything about one bill, oldest first; every table has the ``entry_id`` of each row."""

    versions: pa.Table
    """The versions of the bill."""
    postings: pa.Table
    """The postings on it and their reversals, with actor, time, reason and file."""
    balances: pa.Table
    """Its balance after each entry that changed it."""
    decisions: pa.Table
    """The decisions about the receipts with postings on it, or that were ever assigned to it."""
    write_offs: pa.Table
    """The write-offs of it, and of the other bills of its component: ``active`` is false if they are reversed."""


def history(transaction: Transaction, bill_id: str, policy: Policy) -> BillHistory:
    """See :meth:`kokin.ledger.Ledger.history`."""
    columns = [column for column in _BILLS.c if column.name != "hash"]
    versions = transaction.table(select(*columns).where(_BILLS.c.bill_id == bill_id).order_by(_BILLS.c.id))
    ids = to_numpy(versions.column("id"), 0)
    if not len(ids):
        raise InvalidInputError([Issue("BILL_UNKNOWN", field="bill_id", expected="", found=bill_id)], "no history")
    # A posting is on a bill whose key its receipt has: the receipt is in a component of one of the versions.
    components = find_components(transaction, sorted_unique(bill_keys(versions)[0]), superseded=True)
    receipt_ids = to_numpy(components.receipts.column("id"), 0)
    log = transaction.fetch(select(AUDIT_LOG), AUDIT_LOG.c.receipt_id, receipt_ids).sort_by("id")
    # The posting of a payment that is divided names one of its bills.
    assigned = assigned_receipts(transaction, ids)
    on_bill = pc.or_(
        pc.is_in(log.column("bill_version_id"), value_set=int64_array(ids)),
        pc.is_in(log.column("receipt_id"), value_set=int64_array(assigned)),
    )
    postings = log.filter(on_bill)
    decided = decision_log(transaction, np.union1d(assigned, to_numpy(postings.column("receipt_id"), 0)))
    states = ComponentStates(transaction, components, policy)
    written_off = write_off_log(transaction, pc.unique(states.bills.column("bill_id")).to_pylist())
    entries = [*to_numpy(pc.unique(written_off.column("entry_id")), 0).tolist()]
    targets = reversal_targets(transaction) if entries else {}
    entries += [each for each in targets if root_entry(targets, each) in entries]
    return BillHistory(versions, postings, _balance_changes(states, bill_id, entries), decided, written_off)


def _balance_changes(states: ComponentStates, bill_id: str, others: Sequence[int]) -> pa.Table:
    """Return the balance of a bill after each entry that changed it: of its component, or one of ``others``."""
    changes: list[dict[str, Any]] = []
    of_component = [to_numpy(rows.column("entry_id"), 0) for rows in (states.bills, states.postings)]
    for entry in sorted_unique(np.concatenate([*of_component, np.array(others, np.int64)])).tolist():
        balances = states.reconciled(entry).balances
        for row in balances.filter(pc.equal(balances.column("bill_id"), bill_id)).to_pylist():
            if not changes or {**changes[-1], **row} != changes[-1]:
                changes.append({"entry_id": entry, **row})
    return pa.Table.from_pylist(changes)


# Export


def export(transaction: Transaction, folder: Path) -> list[Path]:
    """See :meth:`kokin.ledger.Ledger.export`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    tables: list[FromClause] = [AUDIT_LOG, *(TABLES[name] for name in ("entries", "seals", *DETAIL_TABLES))]
    for name, table in zip(("audit_log", "entries", "seals", *DETAIL_TABLES), tables, strict=True):
        path = folder / f"{name}.csv"
        write_csv(partial(_exported_batches, transaction, select(table).order_by(next(iter(table.c)))), path)
        paths.append(path)
    return paths


def _exported_batches(transaction: Transaction, statement: Select[Any]) -> Iterator[pa.RecordBatch]:
    for rows in transaction.database.query(transaction.connection, statement):
        columns = [to_hex(combine(column)) if column.type == pa.binary() else column for column in rows.columns]
        yield pa.record_batch([combine(escape_formulas(column)) for column in columns], rows.column_names)


def to_hex(values: pa.Array) -> pa.Array:
    """Return bytes as hexadecimal text; null stays null."""
    return pa.array([None if value is None else value.hex() for value in values.to_pylist()], pa.string())


# Status and the controls of the journal


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """The state of a ledger, as of a time."""

    entries: int
    """The number of entries."""
    rows: Mapping[str, int]
    """The number of rows of each table."""
    files: int
    """The number of entries of receipt files, also of reversed ones."""
    outcomes: Mapping[str, Mapping[str, int]]
    """``count`` and ``amount`` (yen) of each outcome of the active receipts."""
    dispositions: Mapping[str, int]
    """The yen of the active receipts by disposition: the sum over all payees, a control sum."""
    payees: Mapping[str, Mapping[str, Any]]
    """For each payee code the number of ``receipts``, of each of ``outcomes``, and the yen by ``dispositions``."""
    controls: Mapping[str, Control]
    """T1, T4 and, unless left out, T7 and T8."""
    at: datetime | None
    """The effective time of the last entry."""
    hash: str
    """The hash of the last entry: stored outside the ledger, it proves later that nothing before was changed."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        values = asdict(self)
        values["controls"] = {name: control.as_dict() for name, control in self.controls.items()}
        return {**values, "at": self.at.isoformat() if self.at else ""}


def status(transaction: Transaction, as_of: date | datetime | int | None, policy: Policy | None) -> LedgerStatus:
    """See :meth:`kokin.ledger.Ledger.status`; without a policy T7 and T8 are left out."""
    last = entry_as_of(transaction, as_of)
    newest = entry_rows().where(as_of_entry(_ENTRIES.c.id, last)).order_by(_ENTRIES.c.id.desc()).limit(1)
    row = transaction.connection.execute(newest).mappings().first()
    entry = Entry.of(row) if row else None
    ends = table_ends(row["last_rows"] if row else "{}")
    outcomes = _count_outcomes(transaction, last)
    dispositions = _sum_dispositions(transaction, last)
    controls = [*_sum_controls(transaction, last, outcomes, dispositions)]
    if policy:
        result = reconciled(transaction, as_of, policy)
        controls.append(applied_control(transaction, last, result.outcomes))
        controls.append(excess_control(transaction, last, result))
    is_file = _ENTRIES.c.kind == EntryKind.RECEIPT_FILE.value
    files = select(func.count()).where(is_file, as_of_entry(_ENTRIES.c.id, last))
    return LedgerStatus(
        entries=entry.id if entry else 0,
        rows={name: end.id for name, end in ends.items()},
        files=transaction.connection.execute(files).scalar_one(),
        outcomes=outcomes,
        dispositions=dispositions,
        payees=_payee_totals(transaction, last),
        controls={control.name: control for control in controls},
        at=entry.at if entry else None,
        hash=entry.hash if entry else "",
    )


def _sum_dispositions(transaction: Transaction, last: int | None) -> dict[str, int]:
    sums = select(*_disposition_parts()).where(as_of_entry(_POSTINGS.c.entry_id, last))
    return _by_disposition(tuple(transaction.connection.execute(sums).one()))


def book_totals(transaction: Transaction) -> BookTotals:
    """Return the receipts by outcome and their yen by disposition."""
    return BookTotals(_count_outcomes(transaction, None), _sum_dispositions(transaction, None))


def _sum_controls(
    transaction: Transaction, last: int | None, outcomes: dict[str, dict[str, int]], dispositions: dict[str, int]
) -> Iterator[Control]:
    """Yield T1 (every accepted yen is in a receipt) and T4 (every yen of a receipt is in one disposition)."""
    is_file = _ENTRIES.c.kind == EntryKind.RECEIPT_FILE.value
    joined = _ENTRIES.join(_SEALS, _SEALS.c.entry_id == _ENTRIES.c.id)
    totals = select(_SEALS.c.totals).select_from(joined).where(is_file, as_of_entry(_ENTRIES.c.id, last))
    accepted = sum(json.loads(text).get("accepted_yen", 0) for text in transaction.connection.execute(totals).scalars())
    # A set-off credits a debt without a file; what an opening carries over was in files of another system.
    openings = select(_ENTRIES.c.id).where(_ENTRIES.c.kind == EntryKind.OPENING.value)
    is_of_file = and_(_RECEIPTS.c.kind != ReceiptKind.SETOFF.value, _RECEIPTS.c.entry_id.not_in(openings))
    stored = select(*_sum_parts(_RECEIPTS.c.amount)).where(as_of_entry(_RECEIPTS.c.entry_id, last), is_of_file)
    sums = transaction.connection.execute(stored).one()
    yield Control("T1", "accepted by the files = receipts", accepted, _whole_sum(sums[0], sums[1]))
    active = sum(row["amount"] for row in outcomes.values())
    yield Control("T4", "active receipts = sum of all dispositions", active, sum(dispositions.values()))


def applied_control(transaction: Transaction, last: int | None, recomputed: pa.Table) -> Control:
    """Return T7: the active postings apply to each bill what a reconciliation of everything applies to it.

    Args:
        transaction: the transaction.
        last: the last entry to read; None reads all.
        recomputed: the outcomes of a reconciliation of the bills in force and the active receipts, as of that entry.
    """
    joined = _POSTINGS.outerjoin(_BILLS, _BILLS.c.id == _POSTINGS.c.bill_version_id)
    statement = select(_BILLS.c.bill_id, _POSTINGS.c.applied, _POSTINGS.c.excess).select_from(joined)
    journal = transaction.table(statement.where(as_of_entry(_POSTINGS.c.entry_id, last)))
    yen = ("applied", "excess")
    parts = [
        pa.table(
            {
                "bill_id": pc.fill_null(rows.column("bill_id"), ""),
                **{name: int64_array(sign * to_numpy(rows.column(name), 0)) for name in yen},
            }
        )
        for sign, rows in ((1, journal), (-1, recomputed))
    ]
    differences = sum_by(pa.concat_tables(parts), ["bill_id"], yen)
    is_other = pc.or_(*(pc.not_equal(differences.column(name), 0) for name in yen))
    broken = differences.filter(is_other).column("bill_id").to_pylist()
    left, right = (int(pc.sum(rows.column("applied")).as_py() or 0) for rows in (journal, recomputed))
    return Control("T7", "postings = recomputation, per bill", left, right, tuple(broken[:_MAX_NAMED]))


def excess_control(transaction: Transaction, last: int | None, result: Reconciliation) -> Control:
    """Return T8: the excess of the active postings is open, decided, ordered, paid, returned or set off, by payee.

    Args:
        transaction: the transaction.
        last: the last entry to read; None reads all.
        result: a reconciliation of the bills in force and the active receipts, as of that entry.
    """
    parts = RefundParts.find(refund_table(transaction, last), result)
    excess = {code: totals["dispositions"]["excess"] for code, totals in _payee_totals(transaction, last).items()}
    return refund_control(result, parts, excess)
