"""Trace (追跡): from a deposit on the bank account to its payments, their bills, and back; and samples for an audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import func, select

from kokin._arrow.convert import Int64Array, combine, int64_array, to_numpy
from kokin.catalog import CATALOG
from kokin.issues import InvalidInputError, Issue
from kokin.ledger import _queries
from kokin.ledger._active_entries import reversed_entries
from kokin.ledger._books import Books
from kokin.ledger._components import receipts_with_posting
from kokin.ledger._database import Transaction
from kokin.ledger._decisions_in_force import decision_log
from kokin.ledger._journal import is_id, rows_of_entry
from kokin.ledger._schema import AUDIT_LOG, TABLES
from kokin.reconcile import Policy

_ENTRIES, _RECEIPTS = TABLES["entries"], TABLES["receipts"]
_DEPOSITS, _POSTINGS = TABLES["bank_deposits"], TABLES["postings"]

_RECEIPT_COLUMNS = ("paid_on", "received_on", "settled_on", "agent_code", "kind", "amount")


@dataclass(frozen=True, slots=True)
class Trace:
    """What belongs together: deposits, the receipts in them, their bills, and what was posted and decided.

    There are no names of persons in it.
    """

    deposits: pa.Table
    """``id, entry_id, credited_on, amount, agent_code, reference``."""
    receipts: pa.Table
    """``id, entry_id, source, record_no, paid_on, received_on, settled_on, agent_code, kind, amount, outcome, bill_id,
    applied, excess, expected``: ``expected`` are the yen that the receipt adds to the deposit, where a deposit is
    traced; a reversed receipt has the outcome of its last posting."""
    bills: pa.Table
    """``bill_id, payee_code, amount, paid, residual, status`` of the bills that the receipts are on, or were assigned
    to, now."""
    postings: pa.Table
    """All postings of the receipts, oldest first, with the columns of the audit log."""
    decisions: pa.Table
    """The decisions about the receipts, oldest first, also those that are reversed (``active`` is false)."""


def trace_receipt(transaction: Transaction, source: str, record_no: int, policy: Policy) -> Trace:
    """Trace the receipt of a record of a file; all of them if several files have the name.

    Raises:
        InvalidInputError: there is no such receipt.
    """
    joined = _RECEIPTS.join(_ENTRIES, _ENTRIES.c.id == _RECEIPTS.c.entry_id)
    statement = select(_RECEIPTS.c.id).select_from(joined)
    statement = statement.where(_ENTRIES.c.source == source, _RECEIPTS.c.record_no == record_no)
    found = to_numpy(transaction.table(statement.order_by(_RECEIPTS.c.id)).column("id"), 0) if is_id(record_no) else ()
    if not len(found):
        raise _unknown("RECEIPT_UNKNOWN", "record", f"{source}:{record_no}")
    return _trace(transaction, np.asarray(found), policy)


def trace_entry(transaction: Transaction, entry: int, policy: Policy) -> Trace:
    """Trace an entry: the receipts of its file, and those with a posting or a decision of it; its deposits.

    Raises:
        InvalidInputError: there is no such entry.
    """
    known = select(_ENTRIES.c.id).where(_ENTRIES.c.id == entry)
    if not is_id(entry) or transaction.connection.execute(known).first() is None:
        raise _unknown("ENTRY_UNKNOWN", "entry", str(entry))
    ids = [rows_of_entry(transaction, "receipts", entry)]
    for table in ("postings", "decisions"):
        rows = transaction.rows(table, rows_of_entry(transaction, table, entry), ("receipt_id",))
        ids.append(to_numpy(rows.column("receipt_id").drop_null(), 0))
    deposits = rows_of_entry(transaction, "bank_deposits", entry)
    return _trace(transaction, np.unique(np.concatenate(ids)), policy, deposits=deposits)


def trace_deposit(transaction: Transaction, deposit: int | tuple[date, str | None], policy: Policy) -> Trace:
    """Trace the deposits of a day, or of a day and an agent, to the receipts of which they consist.

    Args:
        transaction: the transaction.
        deposit: the id of a deposit, whose day and agent are traced; or the day, and the agent or None for all.
        policy: the policy in force.

    Raises:
        InvalidInputError: there is neither a deposit nor a receipt that was due.
    """
    reversed_ids = reversed_entries(transaction)
    deposits = transaction.table(_deposit_query()).to_pylist()
    active = [row for row in deposits if row["entry_id"] not in reversed_ids]
    if isinstance(deposit, int):
        row = next((row for row in active if row["id"] == deposit), None)
        if row is None:
            raise _unknown("DEPOSIT_UNKNOWN", "deposit", str(deposit))
        day, agent = date.fromisoformat(row["credited_on"]), row["agent_code"]
    else:
        day, agent = deposit
    if not any(row["agent_code"] for row in active):
        agent = None  # the deposits of a day are those of all agents
    ids = [
        row["id"]
        for row in active
        if row["credited_on"] == day.isoformat() and (agent is None or row["agent_code"] == agent)
    ]
    books = Books.build(transaction, None, day, CATALOG)
    due = books.accounts.settled_receipts
    is_due = pc.fill_null(pc.equal(due.column("settled_on"), day), False)
    if agent is not None:
        is_due = pc.and_(is_due, pc.fill_null(pc.equal(due.column("agent_code"), agent), False))
    due = due.filter(is_due)
    if not ids and not len(due):
        raise _unknown("DEPOSIT_UNKNOWN", "deposit", f"{day}/{agent}" if agent else str(day))
    rows = books.receipt_rows(due)
    receipts = to_numpy(books.receipts.column("id").take(int64_array(rows)), 0)
    expected = dict(zip(receipts.tolist(), due.column("expected").to_pylist(), strict=True))
    return _trace(transaction, np.sort(receipts), policy, deposits=np.array(ids, np.int64), expected=expected)


def _unknown(code: str, field: str, found: str) -> InvalidInputError:
    return InvalidInputError([Issue(code, field=field, found=found)], "nothing was found")


def _deposit_query() -> Any:
    names = ("id", "entry_id", "credited_on", "amount", "agent_code", "reference")
    return select(*(_DEPOSITS.c[name] for name in names)).order_by(_DEPOSITS.c.id)


def _trace(
    transaction: Transaction,
    ids: Int64Array,
    policy: Policy,
    *,
    deposits: Int64Array | None = None,
    expected: dict[int, int] | None = None,
) -> Trace:
    receipts = _receipt_table(transaction, ids, expected or {})
    decided = decision_log(transaction, ids)
    bill_ids = {*receipts.column("bill_id").to_pylist(), *decided.column("bill_id").to_pylist()} - {None}
    balances = _queries.balances(transaction, None, policy) if bill_ids else None
    names = ("bill_id", "payee_code", "amount", "paid", "residual", "status")
    bills = pa.table({name: pa.array([], pa.string()) for name in names})
    if balances is not None:
        bills = balances.filter(pc.is_in(balances.column("bill_id"), value_set=pa.array(sorted(bill_ids))))
    log = transaction.fetch(select(AUDIT_LOG), AUDIT_LOG.c.receipt_id, ids).sort_by("id")
    of_ids = deposits if deposits is not None else _deposits_of(transaction, receipts)
    return Trace(transaction.fetch(_deposit_query(), _DEPOSITS.c.id, of_ids), receipts, bills, log, decided)


def _deposits_of(transaction: Transaction, receipts: pa.Table) -> Int64Array:
    """Return the active deposits of the days, and the agents, of some receipts: sorted ids."""
    due = pc.coalesce(receipts.column("settled_on"), receipts.column("received_on")).to_pylist()
    agents = receipts.column("agent_code").to_pylist()
    wanted = {pair for pair in zip(due, agents, strict=True) if pair[0]}
    reversed_ids = reversed_entries(transaction)
    wanted |= {(day, None) for day, _ in wanted}
    ids = [
        row["id"]
        for row in transaction.table(_deposit_query()).to_pylist()
        if row["entry_id"] not in reversed_ids and (row["credited_on"], row["agent_code"]) in wanted
    ]
    return np.array(ids, np.int64)


def _receipt_table(transaction: Transaction, ids: Int64Array, expected: dict[int, int]) -> pa.Table:
    rows = receipts_with_posting(transaction, ids)
    files = transaction.rows("entries", to_numpy(rows.column("entry_id"), 0), ("source",))
    source = files.column("source").take(pc.index_in(rows.column("entry_id"), value_set=combine(files.column("id"))))
    version = rows.column("bill_version_id")
    bills = transaction.rows("bill_versions", to_numpy(version.drop_null(), 0), ("bill_id",))
    bill_id = bills.column("bill_id").take(pc.index_in(version, value_set=combine(bills.column("id"))))
    columns = {name: rows.column(name) for name in ("id", "entry_id")}
    columns |= {"source": source, **{name: rows.column(name) for name in ("record_no", *_RECEIPT_COLUMNS)}}
    columns |= {"outcome": rows.column("outcome"), "bill_id": bill_id}
    columns |= {name: rows.column(name) for name in ("applied", "excess")}
    in_deposit = [expected.get(each) for each in rows.column("id").to_pylist()]
    return pa.table({**columns, "expected": pa.array(in_deposit, pa.int64())})


# Samples


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """How a sample is drawn."""

    seed: int
    count: int
    by: Literal["yen", "count"]
    first_day: date | None
    last_day: date | None


def draw_sample(transaction: Transaction, options: SampleOptions) -> pa.Table:
    """See :meth:`kokin.ledger.Ledger.sample`."""
    day = func.coalesce(_RECEIPTS.c.received_on, _RECEIPTS.c.paid_on)
    money = _POSTINGS.c.applied + _POSTINGS.c.excess + _POSTINGS.c.suspense
    joined = _POSTINGS.join(_RECEIPTS, _RECEIPTS.c.id == _POSTINGS.c.receipt_id)
    statement = select(_RECEIPTS.c.id, money.label("yen")).select_from(joined)
    statement = statement.where(_queries.is_active_posting(None), money > 0).order_by(_RECEIPTS.c.id)
    if options.first_day:
        statement = statement.where(day >= options.first_day.isoformat())
    if options.last_day:
        statement = statement.where(day <= options.last_day.isoformat())
    population = transaction.table(statement)
    ids = to_numpy(population.column("id"), 0)
    yen = to_numpy(population.column("yen"), 0)
    units = yen.tolist() if options.by == "yen" else [1] * len(yen)
    rows = systematic_sample(units, options.count, options.seed)
    chosen = np.array(sorted(rows), np.int64)
    table = _receipt_table(transaction, ids[chosen], {}).drop_columns("expected")
    hits = [rows[row] for row in chosen.tolist()]
    table = table.rename_columns(["receipt_id" if name == "id" else name for name in table.column_names])
    of_file = transaction.rows("entries", to_numpy(table.column("entry_id"), 0), ("digest",))
    digest = of_file.column("digest").take(
        pc.index_in(table.column("entry_id"), value_set=combine(of_file.column("id")))
    )
    log = transaction.fetch(select(_POSTINGS), _POSTINGS.c.receipt_id, ids[chosen]).sort_by("id")
    postings: dict[int, list[str]] = {}
    hashes: dict[int, str] = {}
    for row in log.select(["id", "receipt_id", "hash"]).to_pylist():
        postings.setdefault(row["receipt_id"], []).append(str(row["id"]))
        hashes[row["receipt_id"]] = row["hash"].hex()
    receipts = table.column("receipt_id").to_pylist()
    table = table.append_column("digest", digest)
    table = table.append_column("posting_ids", pa.array([" ".join(postings[each]) for each in receipts], pa.string()))
    table = table.append_column("posting_hash", pa.array([hashes[each] for each in receipts], pa.string()))
    return table.append_column("hits", pa.array(hits, pa.int64()))


def systematic_sample(units: Sequence[int], count: int, seed: int) -> dict[int, int]:
    """Draw a systematic sample with probability proportional to units; return how often each row was hit.

    The units of all rows are laid end to end and cut into ``count`` equal intervals; one point is chosen in the first
    by the seed, and the same point in each other. A row of more units than an interval is hit every time. The same
    rows and seed give the same sample, in every version of Python.

    >>> systematic_sample([1, 1, 1, 1, 96], 4, seed=7)
    {4: 4}
    >>> systematic_sample([1] * 10, 5, seed=7)
    {1: 1, 3: 1, 5: 1, 7: 1, 9: 1}
    """
    ends = np.cumsum(np.array(units, object)) if len(units) else np.empty(0, object)
    total = int(ends[-1]) if len(ends) else 0
    if not total:
        return {}
    start = int.from_bytes(sha256(str(seed).encode()).digest(), "big") % total
    points = np.array([(start + each * total) // count for each in range(count)], object)
    rows, hits = np.unique(np.searchsorted(ends, points, "right"), return_counts=True)
    return dict(zip(rows.tolist(), hits.tolist(), strict=True))
