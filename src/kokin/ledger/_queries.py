"""Queries of a ledger: bills, receipts, balances and outcomes as of a time, the history of a bill, status, export.

The current state is a view of the append-only tables. A bill is current unless a later version supersedes it; a
posting is active unless it reverses another or another reverses it; an entry is active unless an active entry reverses
it. With ``as_of``, only entries up to a time are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, Select, and_, case, func, literal_column, select

from kokin._arrow.convert import Int64Array, combine, int64_array, to_numpy
from kokin._arrow.files import escape_formulas, write_csv
from kokin._arrow.threads import sorted_unique
from kokin.issues import InvalidInputError, Issue
from kokin.ledger._codec import concat, decode_columns, decode_data, filter_rows
from kokin.ledger._components import (
    Components,
    as_of_entry,
    bills_by_id,
    current_version,
    find_components,
    not_referenced,
    receipts_with_posting,
)
from kokin.ledger._database import BATCH_ROWS, IdTable, Transaction
from kokin.ledger._entry import Entry, EntryKind, Overlap
from kokin.ledger._incoming import SETTLEMENT_RECORDS
from kokin.ledger._journal import last_row, rows_of_entry, to_hex, to_timestamp
from kokin.ledger._keys import bill_keys, text_keys
from kokin.ledger._match_index import find_pairs
from kokin.ledger._rematch import disposition_and_kind
from kokin.ledger._reversals import reversed_entries
from kokin.ledger._schema import AMOUNT, AUDIT_LOG, DETAIL_TABLES, DISPOSITIONS, TABLES
from kokin.matching import disposition_texts
from kokin.model import Bill, Outcome, Receipt, ReceiptKind, Record
from kokin.reconcile import Control, Policy, reconcile
from kokin.text import JAPAN

if TYPE_CHECKING:
    from kokin.ledger._database import Statement

_BILLS, _ENTRIES = TABLES["bills"], TABLES["entries"]
_POSTINGS, _RECEIPTS = TABLES["postings"], TABLES["receipts"]

_FILE_ORDER = [(name, "ascending") for name in ("source", "digest", "record_no")]
_OUTCOMES_OF_REVERSALS = (Outcome.REVERSAL, Outcome.REVERSAL_WITHOUT_PAYMENT, Outcome.DUPLICATE_RECORD)

#: Personal: stored in the ledger, and never exported.
_NOT_EXPORTED = ("name",)

#: At most so many bills are named by a broken control T7.
_MAX_NAMED = 20


# As of a time


def entry_as_of(transaction: Transaction, as_of: date | datetime | None) -> int | None:
    """Return the id of the last entry up to a time, or up to the end of a day in Japan; None reads all entries."""
    if as_of is None:
        return None
    if not isinstance(as_of, datetime):
        as_of = datetime.combine(as_of, time.max, JAPAN)
    last = select(func.max(_ENTRIES.c.id)).where(_ENTRIES.c.at <= to_timestamp(as_of, "as_of"))
    return transaction.connection.execute(last).scalar_one() or 0


def _is_active_posting(last: int | None) -> ColumnElement[bool]:
    """Return the condition that a posting reverses none and is reversed by none, as of an entry."""
    is_not_reversed = not_referenced("postings", "reverses", last)
    return and_(_POSTINGS.c.reverses.is_(None), as_of_entry(_POSTINGS.c.entry, last), is_not_reversed)


# Records


def _records(transaction: Transaction, table: str, record: type[Record], statement: Statement) -> pa.Table:
    """Return the rows of a statement as columns of a record; selected columns replace those of the JSON object."""
    tables = []
    # Close the cursor of the server even if a row cannot be read.
    with closing(transaction.database.query(transaction.connection, statement)) as batches:
        for rows in batches:
            records = decode_data(table, rows.column("body"))
            for name in rows.column_names:
                if name in records.column_names:
                    records = records.set_column(records.column_names.index(name), name, rows.column(name))
                elif name != "body":
                    records = records.append_column(name, rows.column(name))
            tables.append(decode_columns(records, record))
    return concat(tables, tables[0].schema)


def bills(transaction: Transaction, as_of: date | datetime | None) -> pa.Table:
    """Return the current bills, by ``bill_id``."""
    last = entry_as_of(transaction, as_of)
    statement = select(_BILLS.c.body).where(current_version(last), as_of_entry(_BILLS.c.entry, last))
    table = _records(transaction, "bills", Bill, statement.order_by(_BILLS.c.id))
    return table.sort_by("bill_id").combine_chunks()


def receipts(transaction: Transaction, as_of: date | datetime | None) -> pa.Table:
    """Return the active receipts, by source, digest and record number."""
    columns = [_ENTRIES.c[name] for name in ("layout", "source", "digest")] + [_RECEIPTS.c.amount, _RECEIPTS.c.body]
    tables = _POSTINGS.join(_RECEIPTS, _RECEIPTS.c.id == _POSTINGS.c.receipt)
    tables = tables.join(_ENTRIES, _ENTRIES.c.id == _RECEIPTS.c.entry)
    statement = select(*columns).select_from(tables).where(_is_active_posting(entry_as_of(transaction, as_of)))
    return _records(transaction, "receipts", Receipt, statement).sort_by(_FILE_ORDER).combine_chunks()


def balances(transaction: Transaction, as_of: date | datetime | None, policy: Policy) -> pa.Table:
    """Return ``bill_id, amount, paid, residual, status`` of every bill, by ``bill_id``; yen."""
    return reconcile(bills(transaction, as_of), receipts(transaction, as_of), policy).balances


def active_entries_of(transaction: Transaction, kind: EntryKind, as_of: date | datetime | None) -> list[Entry]:
    """Return the active entries of a kind, by id."""
    last = entry_as_of(transaction, as_of)
    statement = select(_ENTRIES).where(_ENTRIES.c.kind == kind.value, as_of_entry(_ENTRIES.c.id, last))
    rows = transaction.connection.execute(statement.order_by(_ENTRIES.c.id)).mappings().all()
    reversed_ids = reversed_entries(transaction, last)
    return [Entry.of(row) for row in rows if row["id"] not in reversed_ids]


def settlements(transaction: Transaction, kind: EntryKind, as_of: date | datetime | None) -> pa.Table:
    """Return the bank deposits or agent reports of active entries, in the order of their rows."""
    ids = [entry.id for entry in active_entries_of(transaction, kind, as_of)]
    table = TABLES[kind.value]
    statement = select(table.c[AMOUNT], table.c.body).where(table.c.entry.in_(ids)).order_by(table.c.id)
    return _records(transaction, kind.value, SETTLEMENT_RECORDS[kind], statement)


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
    active = filter_rows(active, to_numpy(active.column("reverses"), -1) < 0)
    files = transaction.rows("entries", to_numpy(active.column("entry"), 0), ("source",))
    bill_ids = to_numpy(active.column("bill"), 0)
    known_bills = bills_by_id(transaction, bill_ids[bill_ids > 0], ("bill_id", *names), superseded=True)
    bills = known_bills.take(pc.index_in(active.column("bill"), value_set=combine(known_bills.column("id"))))
    file_rows = pc.index_in(active.column("entry"), value_set=combine(files.column("id")))
    numbers = {name: pc.coalesce(combine(active.column(name)), combine(bills.column(name))) for name in names}
    numbers["case_key"] = pc.utf8_lpad(numbers["case_key"], 20, "0")
    return pa.table(
        {
            "source": files.column("source").take(file_rows),
            **{name: active.column(name) for name in ("digest", "record_no", "outcome")},
            "disposition": _dispositions(active),
            "bill_id": bills.column("bill_id"),
            **numbers,
            **{name: active.column(name) for name in (AMOUNT, "applied", "excess", "balance_before")},
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
    kind: ColumnElement[str] = literal_column(transaction.database.json_field_sql("receipts.body", "kind"))
    yen = case(
        # Only these outcomes are of reversals: the JSON object of few receipts is read.
        (
            _POSTINGS.c.outcome.in_(_OUTCOMES_OF_REVERSALS),
            case((kind == ReceiptKind.REVERSAL.value, -_RECEIPTS.c.amount), else_=_RECEIPTS.c.amount),
        ),
        else_=_RECEIPTS.c.amount,
    )
    statement = (
        select(_POSTINGS.c.outcome, func.count(), *_sum_parts(yen))
        .select_from(_POSTINGS.join(_RECEIPTS, _RECEIPTS.c.id == _POSTINGS.c.receipt))
        .where(_is_active_posting(last), *conditions)
        .group_by(_POSTINGS.c.outcome)
        .order_by(_POSTINGS.c.outcome)
    )
    rows: list[tuple[Any, ...]] = [tuple(row) for row in transaction.connection.execute(statement)]
    return {outcome: {"count": count, "amount": _whole_sum(*parts)} for outcome, count, *parts in rows}


_HIGH = 1 << 32


def _sum_parts(column: ColumnElement[int]) -> list[ColumnElement[int]]:
    """Return the sum of a column as two sums, because SQLite fails if a sum exceeds int64; see :func:`_whole_sum`.

    Both databases divide toward zero.
    """
    return [func.sum(column // _HIGH), func.sum(column % _HIGH)]


def _whole_sum(high: Any, low: Any) -> int:
    """Return the sum itself; 0 for no rows."""
    return int(high or 0) * _HIGH + int(low or 0)


def overlaps(transaction: Transaction, repeated: Mapping[int, int], records: int) -> tuple[Overlap, ...]:
    """Return the overlaps of a new file with earlier ones, from the number of common records by entry."""
    rows = transaction.rows("entries", np.array(sorted(repeated), np.int64), ("source", "digest")).to_pylist()
    return tuple(
        Overlap(row["id"], row["source"] or "", row["digest"] or "", repeated[row["id"]], records) for row in rows
    )


# History of a bill


@dataclass(frozen=True, slots=True)
class BillHistory:
    """Everything about one bill, oldest first; every table has the ``entry`` of each row."""

    versions: pa.Table
    """The versions of the bill."""
    postings: pa.Table
    """The postings on it and their reversals, with actor, time, reason and file."""
    balances: pa.Table
    """Its balance after each entry that changed it."""


def history(transaction: Transaction, bill_id: str, policy: Policy) -> BillHistory:
    """See :meth:`kokin.ledger.Ledger.history`."""
    key = text_keys("bill_id", pa.array([bill_id]))
    candidates = bills_by_id(transaction, find_pairs(transaction, "bills", key)[1], ("bill_id",), superseded=True)
    ids = to_numpy(candidates.column("id").filter(pc.equal(candidates.column("bill_id"), bill_id)), 0)
    if not len(ids):
        raise InvalidInputError([Issue("BILL_UNKNOWN", field="bill_id", expected="", found=bill_id)], "no history")
    versions = _exported_columns("bills", transaction.rows("bills", ids, ("entry", "previous", "body")))
    # A posting is on a bill whose key its receipt has: the receipt is in a component of one of the versions.
    keys = bill_keys(bills_by_id(transaction, ids, superseded=True))[0]
    components = find_components(transaction, keys, superseded=True)
    postings = find_pairs(transaction, "postings", to_numpy(components.receipts.column("id"), 0))[1]
    log = transaction.fetch_by_id(np.sort(postings), _audit_log_of).sort_by("id")
    on_bill = pc.is_in(log.column("bill"), value_set=int64_array(ids))
    return BillHistory(versions, log.filter(on_bill), _balance_changes(transaction, components, log, bill_id, policy))


def _audit_log_of(postings: IdTable) -> Select[Any]:
    return select(AUDIT_LOG).select_from(postings.join(AUDIT_LOG, AUDIT_LOG.c.id == postings.c.value))


def _balance_changes(
    transaction: Transaction, components: Components, log: pa.Table, bill_id: str, policy: Policy
) -> pa.Table:
    """Return the balance of a bill after each entry of its component that changed it."""
    added = transaction.rows("bills", to_numpy(components.bills.column("id"), 0), ("entry", "previous"))
    bills = components.bills.append_column("entry", added.column("entry"))
    bills = bills.append_column("previous", added.column("previous"))
    receipts = components.receipts
    changes: list[dict[str, Any]] = []
    for entry in sorted_unique(np.concatenate([to_numpy(rows.column("entry"), 0) for rows in (bills, log)])).tolist():
        postings = _not_replaced(log, entry, "reverses")
        postings = postings.filter(postings.column("reverses").is_null())
        active = receipts.filter(pc.is_in(receipts.column("id"), value_set=combine(postings.column("receipt"))))
        current = decode_columns(_not_replaced(bills, entry, "previous"), Bill)
        balances = reconcile(current, decode_columns(active, Receipt), policy).balances
        for row in balances.filter(pc.equal(balances.column("bill_id"), bill_id)).to_pylist():
            if not changes or {**changes[-1], **row} != changes[-1]:
                changes.append({"entry": entry, **row})
    return pa.Table.from_pylist(changes)


def _not_replaced(rows: pa.Table, entry: int, reference: str) -> pa.Table:
    """Return the rows up to an entry whose ids no such row has in a column."""
    known = rows.filter(pc.less_equal(rows.column("entry"), entry))
    return known.filter(pc.invert(pc.is_in(known.column("id"), value_set=combine(known.column(reference)))))


# Export


def export(transaction: Transaction, folder: Path) -> list[Path]:
    """See :meth:`kokin.ledger.Ledger.export`."""
    folder.mkdir(parents=True, exist_ok=True)
    statements: dict[str, Select[Any]] = {"journal": select(AUDIT_LOG).order_by(AUDIT_LOG.c.id)}
    statements |= {name: select(TABLES[name]).order_by(TABLES[name].c.id) for name in ("entries", *DETAIL_TABLES)}
    paths = []
    for name, statement in statements.items():
        path = folder / f"{name}.csv"
        write_csv(partial(_exported_batches, transaction, name, statement), path)
        paths.append(path)
    return paths


def _exported_batches(transaction: Transaction, table: str, statement: Select[Any]) -> Iterator[pa.RecordBatch]:
    for rows in transaction.database.query(transaction.connection, statement):
        columns = _exported_columns(table, rows)
        yield pa.record_batch([combine(escape_formulas(column)) for column in columns.columns], columns.schema)


def _exported_columns(table: str, rows: pa.Table) -> pa.Table:
    """Return rows with the fields of their JSON object as columns, hashes in hexadecimal, without names of persons."""
    columns: dict[str, pa.Array] = {}
    for name in rows.column_names:
        column = combine(rows.column(name))
        if name == "body":
            fields = decode_data(table, column)
            names = [field for field in fields.column_names if field not in (*columns, *_NOT_EXPORTED)]
            columns |= {field: fields.column(field) for field in names}
        else:
            columns[name] = to_hex(column) if column.type == pa.binary() else column
    return pa.table(columns)


# Status and the controls that the journal alone can check


def status(transaction: Transaction, as_of: date | datetime | None) -> dict[str, Any]:
    """See :meth:`kokin.ledger.Ledger.status`."""
    last = entry_as_of(transaction, as_of)
    newest = select(_ENTRIES).where(as_of_entry(_ENTRIES.c.id, last)).order_by(_ENTRIES.c.id.desc()).limit(1)
    row = transaction.connection.execute(newest).mappings().first()
    entry = Entry.of(row) if row else None
    outcomes = _count_outcomes(transaction, last)
    columns = [part for name in DISPOSITIONS for part in _sum_parts(_POSTINGS.c[name])]
    sums = transaction.connection.execute(select(*columns).where(as_of_entry(_POSTINGS.c.entry, last))).one()
    dispositions = {name: _whole_sum(sums[2 * at], sums[2 * at + 1]) for at, name in enumerate(DISPOSITIONS)}
    controls = [*_sum_controls(transaction, last, outcomes, dispositions), _applied_control(transaction, last)]
    is_file = _ENTRIES.c.kind == EntryKind.RECEIPT_FILE.value
    files = select(func.count()).where(is_file, as_of_entry(_ENTRIES.c.id, last))
    return {
        "entries": entry.id if entry else 0,
        **{name: row[name] if row else 0 for name in DETAIL_TABLES},
        "files": transaction.connection.execute(files).scalar_one(),
        "outcomes": outcomes,
        "dispositions": dispositions,
        "controls": {control.name: control.as_dict() for control in controls},
        "at": row["at"] if row else "",
        "hash": entry.hash if entry else "",
    }


def _sum_controls(
    transaction: Transaction, last: int | None, outcomes: dict[str, dict[str, int]], dispositions: dict[str, int]
) -> Iterator[Control]:
    """Yield T1 (every accepted yen is in a receipt) and T4 (every yen of a receipt is in one disposition)."""
    is_file = _ENTRIES.c.kind == EntryKind.RECEIPT_FILE.value
    rows = transaction.connection.execute(select(_ENTRIES).where(is_file, as_of_entry(_ENTRIES.c.id, last)))
    accepted = sum(Entry.of(row).totals.get("accepted_yen", 0) for row in rows.mappings())
    stored = select(*_sum_parts(_RECEIPTS.c.amount)).where(as_of_entry(_RECEIPTS.c.entry, last))
    sums = transaction.connection.execute(stored).one()
    yield Control("T1", "accepted by the files = receipts", accepted, _whole_sum(sums[0], sums[1]))
    active = sum(row["amount"] for row in outcomes.values())
    yield Control("T4", "active receipts = sum of all dispositions", active, sum(dispositions.values()))


def _applied_control(transaction: Transaction, last: int | None) -> Control:
    """Return T7: the active postings apply to no obligation more than was billed on it.

    `kokin report` compares the postings with a recomputation of everything. This bound reads only the paid bills, and
    leaves out slips that cover several obligations.
    """
    # A posting that reverses another has the same bill and the opposite yen.
    paid = (
        select(_POSTINGS.c.bill, func.sum(_POSTINGS.c.applied).label("applied"))
        .where(_POSTINGS.c.bill.is_not(None), as_of_entry(_POSTINGS.c.entry, last))
        .group_by(_POSTINGS.c.bill)
        .having(func.sum(_POSTINGS.c.applied) != 0)
    )
    applied = {bill: int(yen) for bill, yen in transaction.connection.execute(paid).all()}
    #: By obligation, or by bill_id for a slip without one.
    obligations: dict[tuple[bool, str], _Obligation] = {}
    ids = np.array(sorted(applied), np.int64)
    for start in range(0, len(ids), BATCH_ROWS):
        for row, bill_id, amount, obligation_id in _slips(transaction, ids[start : start + BATCH_ROWS]):
            key = (bool(obligation_id), obligation_id or bill_id)
            obligation = obligations.setdefault(key, _Obligation(bill_id))
            obligation.applied += applied[row]
            obligation.billed = max(obligation.billed, amount)
    exceeded = {key[1]: each for key, each in obligations.items() if key[0] and each.excess}
    _include_unpaid_slips(transaction, last, out=exceeded)
    broken = sorted(each.bill_id for each in obligations.values() if each.excess)
    left = sum(each.applied for each in obligations.values())
    right = left - sum(each.excess for each in obligations.values())
    return Control("T7", "applied to each obligation <= billed on it", left, right, tuple(broken[:_MAX_NAMED]))


@dataclass(slots=True)
class _Obligation:
    """The yen applied to an obligation and the yen billed on it."""

    bill_id: str
    """One of its slips."""
    applied: int = 0
    billed: int = 0
    """The largest amount of its slips."""

    @property
    def excess(self) -> int:
        return max(self.applied - self.billed, 0)


#: ``id, bill_id, amount, obligation_id`` of a bill.
_Slip: TypeAlias = tuple[int, str, int, str | None]


def _slips(transaction: Transaction, ids: Int64Array, where: ColumnElement[bool] | None = None) -> list[_Slip]:
    """Return bills by id, without those that cover several obligations."""
    rows = transaction.rows("bills", ids, ("body",), where)
    slips = decode_data("bills", rows.column("body"), ("bill_id", "amount", "obligation_id", "covers"))
    slips = slips.append_column("id", combine(rows.column("id"))).filter(pc.is_null(slips.column("covers")))
    # A list per column: a dict per row would take most of the time.
    values = (column.to_pylist() for column in slips.select(("id", "bill_id", "amount", "obligation_id")).columns)
    return list(zip(*values, strict=True))


def _include_unpaid_slips(transaction: Transaction, last: int | None, *, out: dict[str, _Obligation]) -> None:
    """Raise the billed yen of obligations, by ``obligation_id``, to the largest amount of all their slips."""
    if out:
        keys = sorted_unique(text_keys("obligation_id", pa.array(out)))
        bills = sorted_unique(find_pairs(transaction, "bills", keys)[1])
        for _, _, amount, obligation_id in _slips(transaction, bills, current_version(last)):
            if obligation := out.get(obligation_id or ""):
                obligation.billed = max(obligation.billed, amount)
