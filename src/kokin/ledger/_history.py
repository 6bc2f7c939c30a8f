"""What people ask of a ledger: one bill's story, the state of the whole, and the audit log in files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Select, select

from kokin._arrow.convert import combine, int64_array, to_numpy
from kokin._arrow.files import escape_formulas, write_csv
from kokin._arrow.threads import sorted_unique
from kokin.issues import InvalidInputError, Issue
from kokin.ledger._bodies import facts
from kokin.ledger._chain import hexadecimal
from kokin.ledger._circles import Circles, bills_by_id, circles
from kokin.ledger._forms import restored
from kokin.ledger._keys import bill_keys, text_keys
from kokin.ledger._links import find
from kokin.ledger._schema import AUDIT_LOG, CHAINS, TABLES
from kokin.ledger._store import Session, Wanted
from kokin.model import Bill, Receipt
from kokin.reconcile import Policy, reconcile

_BILLS, _ENTRIES, _POSTINGS, _RECEIPTS = (TABLES[name] for name in ("bills", "entries", "postings", "receipts"))

#: Personal: kept in the ledger, and never exported.
_NOT_SHOWN = ("name",)


@dataclass(frozen=True, slots=True)
class BillHistory:
    """Everything on one bill, oldest first; every table names the ``entry`` of each row."""

    versions: pa.Table
    """The bill as it was sent, each time that it changed."""
    postings: pa.Table
    """The postings on it and their reversals, with who, when, why and from which file."""
    balances: pa.Table
    """How it stood after each change."""


def history(session: Session, bill_id: str, policy: Policy) -> BillHistory:
    """See :meth:`kokin.ledger.Ledger.history`."""
    key = text_keys("bill_id", pa.array([bill_id]))
    named = bills_by_id(session, find(session, "bills", key)[1], ("bill_id",), replaced=True)
    ids = to_numpy(named.column("id").filter(pc.equal(named.column("bill_id"), bill_id)), 0)
    if not len(ids):
        raise InvalidInputError([Issue("BILL_UNKNOWN", field="bill_id", expected="", found=bill_id)], "no history")
    versions = shown("bills", session.rows("bills", ids, ("entry", "previous", "body")))
    # A posting is on a bill whose number led to it: its receipt is in the circle of one of the versions.
    some = circles(session, bill_keys(bills_by_id(session, ids, replaced=True))[0], replaced=True)
    postings = find(session, "postings", to_numpy(some.receipts.column("id"), 0))[1]
    log = session.look_up(np.sort(postings), _log_of).sort_by("id")
    mine = pc.is_in(log.column("bill"), value_set=int64_array(ids))
    return BillHistory(versions, log.filter(mine), _balances(session, some, log, bill_id, policy))


def _log_of(wanted: Wanted) -> Select[Any]:
    return select(AUDIT_LOG).select_from(wanted.join(AUDIT_LOG, AUDIT_LOG.c.id == wanted.c.value))


def _balances(session: Session, some: Circles, log: pa.Table, bill_id: str, policy: Policy) -> pa.Table:
    """How a bill stood after each entry that concerned its circle, where that is another way than before."""
    kept = session.rows("bills", to_numpy(some.bills.column("id"), 0), ("entry", "previous"))
    bills = some.bills.append_column("entry", kept.column("entry")).append_column("previous", kept.column("previous"))
    told: list[dict[str, Any]] = []
    for entry in sorted_unique(np.concatenate([to_numpy(rows.column("entry"), 0) for rows in (bills, log)])).tolist():
        stand = _standing(log, entry, "reverses")
        stand = stand.filter(stand.column("reverses").is_null())
        paid = some.receipts.filter(pc.is_in(some.receipts.column("id"), value_set=combine(stand.column("receipt"))))
        in_force = restored(_standing(bills, entry, "previous"), Bill)
        balances = reconcile(in_force, restored(paid, Receipt), policy).balances
        for row in balances.filter(pc.equal(balances.column("bill_id"), bill_id)).to_pylist():
            if not told or {**told[-1], **row} != told[-1]:
                told.append({"entry": entry, **row})
    return pa.Table.from_pylist(told)


def _standing(rows: pa.Table, entry: int, takes_away: str) -> pa.Table:
    """The rows up to an entry whose ids no such row takes away."""
    known = rows.filter(pc.less_equal(rows.column("entry"), entry))
    return known.filter(pc.invert(pc.is_in(known.column("id"), value_set=combine(known.column(takes_away)))))


def shown(table: str, rows: pa.Table) -> pa.Table:
    """Rows with their facts in columns instead of a body, hashes in hexadecimal, and no names."""
    columns: dict[str, pa.Array] = {}
    for name in rows.column_names:
        column = combine(rows.column(name))
        if name == "body":
            told = facts(table, column)
            columns |= {fact: told.column(fact) for fact in told.column_names if fact not in (*columns, *_NOT_SHOWN)}
        else:
            columns[name] = hexadecimal(column) if column.type == pa.binary() else column
    return pa.table(columns)


def export(session: Session, folder: Path) -> list[Path]:
    """See :meth:`kokin.ledger.Ledger.export`."""
    folder.mkdir(parents=True, exist_ok=True)
    statements: dict[str, Select[Any]] = {"journal": select(AUDIT_LOG).order_by(AUDIT_LOG.c.id)}
    statements |= {name: select(TABLES[name]).order_by(TABLES[name].c.id) for name in ("entries", *CHAINS)}
    written = []
    for name, statement in statements.items():
        path = folder / f"{name}.csv"
        write_csv(partial(_exported, session, name, statement), path)
        written.append(path)
    return written


def _exported(session: Session, table: str, statement: Select[Any]) -> Iterator[pa.RecordBatch]:
    """What is written of a table."""
    for rows in session.store.query(session.connection, statement):
        told = shown(table, rows)
        yield pa.record_batch([combine(escape_formulas(column)) for column in told.columns], told.schema)
