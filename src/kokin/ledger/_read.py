"""The ledger as it stands, or stood: views of the journal."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, and_, func, select, true

from kokin.columns import in_one
from kokin.ledger._bodies import facts
from kokin.ledger._entry import Entry, EntryKind
from kokin.ledger._forms import concat, restored
from kokin.ledger._journal import as_text
from kokin.ledger._reversals import stands
from kokin.ledger._schema import SUMMED, TABLES
from kokin.ledger._store import Session
from kokin.model import Bill, Receipt, Record
from kokin.reconcile import Policy, reconcile

if TYPE_CHECKING:
    from kokin.ledger._store import Statement

_BILLS, _ENTRIES = TABLES["bills"], TABLES["entries"]
_POSTINGS, _RECEIPTS = TABLES["postings"], TABLES["receipts"]

_PLACE = [(name, "ascending") for name in ("source", "digest", "record_no")]
_JAPAN = timezone(timedelta(hours=9))


def entry_of(session: Session, as_of: date | datetime | None) -> int | None:
    """The last entry up to a moment, or up to the end of a day in Japan; None: all of them."""
    if as_of is None:
        return None
    if not isinstance(as_of, datetime):
        as_of = datetime.combine(as_of, time.max, _JAPAN)
    last = select(func.max(_ENTRIES.c.id)).where(_ENTRIES.c.at <= as_text(as_of))
    return session.connection.execute(last).scalar_one() or 0


def _up_to(entry: ColumnElement[int], last: int | None) -> ColumnElement[bool]:
    return true() if last is None else entry <= last


def _told(session: Session, table: str, record: type[Record], statement: Statement) -> pa.Table:
    """The rows of a statement with their bodies as the columns of a record, and whatever else it asks for."""
    parts = []
    for rows in session.store.query(session.connection, statement):
        told = facts(table, rows.column("body"))
        for name in rows.column_names:
            if name in told.column_names:
                told = told.set_column(told.column_names.index(name), name, rows.column(name))
            elif name != "body":
                told = told.append_column(name, rows.column(name))
        parts.append(restored(told, record))
    return concat(parts, parts[0].schema)


def bills(session: Session, as_of: date | datetime | None) -> pa.Table:
    """The bills in force, with the columns of the record, by ``bill_id``."""
    last = entry_of(session, as_of)
    replaced = select(_BILLS.c.previous).where(_BILLS.c.previous.is_not(None), _up_to(_BILLS.c.entry, last))
    statement = select(_BILLS.c.body).where(_BILLS.c.id.not_in(replaced), _up_to(_BILLS.c.entry, last))
    return _told(session, "bills", Bill, statement.order_by(_BILLS.c.id)).sort_by("bill_id").combine_chunks()


def balances(session: Session, as_of: date | datetime | None, policy: Policy) -> pa.Table:
    """How every bill stands: ``bill_id, amount, paid, residual, status``, by ``bill_id``; yen."""
    return reconcile(bills(session, as_of), receipts(session, as_of), policy).balances


def standing_postings(last: int | None) -> ColumnElement[bool]:
    """Whether a posting stands at the end of an entry: it reverses none, and is reversed by none."""
    of = _POSTINGS.alias()
    reversed_ones = select(of.c.reverses).where(of.c.reverses.is_not(None), _up_to(of.c.entry, last))
    return and_(_POSTINGS.c.reverses.is_(None), _up_to(_POSTINGS.c.entry, last), _POSTINGS.c.id.not_in(reversed_ones))


def receipts(session: Session, as_of: date | datetime | None) -> pa.Table:
    """The receipts that stand, with the columns of the record, by source, digest and record number."""
    columns = [_ENTRIES.c[name] for name in ("layout", "source", "digest")] + [_RECEIPTS.c.amount, _RECEIPTS.c.body]
    tables = _POSTINGS.join(_RECEIPTS, _RECEIPTS.c.id == _POSTINGS.c.receipt)
    tables = tables.join(_ENTRIES, _ENTRIES.c.id == _RECEIPTS.c.entry)
    statement = select(*columns).select_from(tables).where(standing_postings(entry_of(session, as_of)))
    return _told(session, "receipts", Receipt, statement).sort_by(_PLACE).combine_chunks()


def entries(session: Session, kind: EntryKind, as_of: date | datetime | None) -> list[Entry]:
    """The entries of a kind that stand."""
    last = entry_of(session, as_of)
    statement = select(_ENTRIES).where(_ENTRIES.c.kind == kind.value, _up_to(_ENTRIES.c.id, last))
    rows = session.connection.execute(statement.order_by(_ENTRIES.c.id)).mappings().all()
    return [Entry.of(row) for row in rows if stands(session, row["id"], last)]


def settlements(session: Session, kind: EntryKind, record: type[Record], as_of: date | datetime | None) -> pa.Table:
    """The credits or reports whose entries stand, with the columns of the record, in the order of their rows."""
    ids = [entry.id for entry in entries(session, kind, as_of)]
    table = TABLES[kind.value]
    statement = select(table.c[SUMMED], table.c.body).where(table.c.entry.in_(ids)).order_by(table.c.id)
    return _told(session, kind.value, record, statement)


def outcomes(session: Session, entry: int | None) -> pa.Table:
    """The verdicts that stand, on the receipts of one file or of all, by source, digest and record number.

    The columns are those of :attr:`kokin.reconcile.Reconciliation.outcomes`.
    """
    statement = (
        select(
            _ENTRIES.c.source,
            _ENTRIES.c.digest,
            _POSTINGS.c.outcome,
            _RECEIPTS.c.amount,
            _POSTINGS.c.applied,
            _POSTINGS.c.excess,
            _POSTINGS.c.expected,
            _RECEIPTS.c.body,
            func.coalesce(_BILLS.c.body, "{}").label("billed"),
        )
        .select_from(_POSTINGS)
        .join(_RECEIPTS, _RECEIPTS.c.id == _POSTINGS.c.receipt)
        .join(_ENTRIES, _ENTRIES.c.id == _RECEIPTS.c.entry)
        .outerjoin(_BILLS, _BILLS.c.id == _POSTINGS.c.bill)
        .where(standing_postings(None))
    )
    if entry is not None:
        statement = statement.where(_RECEIPTS.c.entry == entry)
    parts = [_outcomes(rows) for rows in session.store.query(session.connection, statement)]
    return concat(parts, parts[0].schema).sort_by(_PLACE).drop_columns("digest").combine_chunks()


def _outcomes(rows: pa.Table) -> pa.Table:
    """The columns of outcomes; a number that the receipt does not carry is told as the bill has it."""
    names = ("payee_code", "item_code", "case_key")
    told = facts("receipts", rows.column("body"), ("record_no", *names))
    billed = facts("bills", rows.column("billed"), ("bill_id", *names))
    columns = {name: rows.column(name) for name in ("source", "digest")}
    columns |= {"record_no": told.column("record_no"), "outcome": rows.column("outcome")}
    columns["bill_id"] = billed.column("bill_id")
    columns |= {name: pc.coalesce(in_one(told.column(name)), in_one(billed.column(name))) for name in names}
    columns["case_key"] = pc.utf8_lpad(columns["case_key"], 20, "0")
    return pa.table({**columns, **{name: rows.column(name) for name in (SUMMED, "applied", "excess", "expected")}})
