"""The ledger as it stands, or stood: views of the journal."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, and_, case, func, literal_column, select

from kokin._arrow.convert import Int64Array, combine, int64_array, to_numpy
from kokin.ledger._bodies import facts
from kokin.ledger._circles import bills_by_id, in_force, named_by_none, standing, up_to
from kokin.ledger._entry import Entry, EntryKind, Overlap
from kokin.ledger._forms import chosen, concat, restored
from kokin.ledger._journal import as_text, last_row, written_by
from kokin.ledger._reversals import stands
from kokin.ledger._schema import SUMMED, TABLES
from kokin.ledger._store import ROWS, Session
from kokin.ledger._verdict import DISPOSITIONS
from kokin.model import Bill, Outcome, Receipt, ReceiptKind, Record
from kokin.reconcile import Policy, reconcile
from kokin.text import JAPAN

if TYPE_CHECKING:
    from kokin.ledger._store import Statement

_BILLS, _ENTRIES = TABLES["bills"], TABLES["entries"]
_POSTINGS, _RECEIPTS = TABLES["postings"], TABLES["receipts"]

_PLACE = [(name, "ascending") for name in ("source", "digest", "record_no")]
_OF_REVERSALS = (Outcome.REVERSAL, Outcome.REVERSAL_WITHOUT_PAYMENT, Outcome.DUPLICATE_RECORD)


def entry_of(session: Session, as_of: date | datetime | None) -> int | None:
    """The last entry up to a moment, or up to the end of a day in Japan; None: all of them."""
    if as_of is None:
        return None
    if not isinstance(as_of, datetime):
        as_of = datetime.combine(as_of, time.max, JAPAN)
    last = select(func.max(_ENTRIES.c.id)).where(_ENTRIES.c.at <= as_text(as_of, "as_of"))
    return session.connection.execute(last).scalar_one() or 0


def _told(session: Session, table: str, record: type[Record], statement: Statement) -> pa.Table:
    """The rows of a statement with their bodies as the columns of a record, and whatever else it asks for."""
    parts = []
    # A cursor of the server is closed even if a row cannot be read.
    with closing(session.store.query(session.connection, statement)) as pages:
        for rows in pages:
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
    statement = select(_BILLS.c.body).where(in_force(last), up_to(_BILLS.c.entry, last))
    return _told(session, "bills", Bill, statement.order_by(_BILLS.c.id)).sort_by("bill_id").combine_chunks()


def balances(session: Session, as_of: date | datetime | None, policy: Policy) -> pa.Table:
    """How every bill stands: ``bill_id, amount, paid, residual, status``, by ``bill_id``; yen."""
    return reconcile(bills(session, as_of), receipts(session, as_of), policy).balances


def standing_postings(last: int | None) -> ColumnElement[bool]:
    """Whether a posting stands at the end of an entry: it reverses none, and is reversed by none."""
    reversed_by_none = named_by_none("postings", "reverses", last)
    return and_(_POSTINGS.c.reverses.is_(None), up_to(_POSTINGS.c.entry, last), reversed_by_none)


_HIGH = 1 << 32


def yen_parts(column: ColumnElement[int]) -> list[ColumnElement[int]]:
    """The sum of a column of yen as two sums, for SQLite fails at a sum beyond int64; see :func:`whole_yen`.

    Both databases divide toward zero.
    """
    return [func.sum(column // _HIGH), func.sum(column % _HIGH)]


def whole_yen(high: Any, low: Any) -> int:
    """The sum itself; 0 of no rows."""
    return int(high or 0) * _HIGH + int(low or 0)


def posted_outcomes(session: Session, entry: int) -> dict[str, dict[str, int]]:
    """The outcomes that an entry left on the receipts of its own file; see :func:`outcome_counts`."""
    own = {table: written_by(session, table, entry) for table in ("receipts", "postings")}
    if not len(own["receipts"]):
        return {}
    ranges = (TABLES[table].c.id.between(int(ids[0]), int(ids[-1])) for table, ids in own.items())
    return outcome_counts(session, None, *ranges)


def outcome_counts(session: Session, last: int | None, *only: ColumnElement[bool]) -> dict[str, dict[str, int]]:
    """``count`` and ``amount`` (yen) of each outcome, of the receipts that are not reversed, at the end of an entry.

    The yen of a payment that the bank takes back (kind ``reversal``) are negative. ``only`` says which receipts and
    postings are counted.
    """
    kind: ColumnElement[str] = literal_column(session.store.fact("receipts.body", "kind"))
    yen = case(
        # No other outcome is that of a reversal; the body of few receipts is read.
        (
            _POSTINGS.c.outcome.in_(_OF_REVERSALS),
            case((kind == ReceiptKind.REVERSAL.value, -_RECEIPTS.c.amount), else_=_RECEIPTS.c.amount),
        ),
        else_=_RECEIPTS.c.amount,
    )
    statement = (
        select(_POSTINGS.c.outcome, func.count(), *yen_parts(yen))
        .select_from(_POSTINGS.join(_RECEIPTS, _RECEIPTS.c.id == _POSTINGS.c.receipt))
        .where(standing_postings(last), *only)
        .group_by(_POSTINGS.c.outcome)
        .order_by(_POSTINGS.c.outcome)
    )
    rows: list[tuple[Any, ...]] = [tuple(row) for row in session.connection.execute(statement)]
    return {outcome: {"count": count, "amount": whole_yen(*parts)} for outcome, count, *parts in rows}


def overlaps(session: Session, repeated: Mapping[int, int], records: int) -> tuple[Overlap, ...]:
    """The files of some entries, with the records of a new file that they have too."""
    rows = session.rows("entries", np.array(sorted(repeated), np.int64), ("source", "digest")).to_pylist()
    return tuple(
        Overlap(row["id"], row["source"] or "", row["digest"] or "", repeated[row["id"]], records) for row in rows
    )


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
    statement = select(_ENTRIES).where(_ENTRIES.c.kind == kind.value, up_to(_ENTRIES.c.id, last))
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
    ids = np.arange(1, last_row(session, "receipts") + 1) if entry is None else written_by(session, "receipts", entry)
    parts = [_outcomes(session, ids[start : start + ROWS]) for start in range(0, max(len(ids), 1), ROWS)]
    return concat(parts, parts[0].schema).sort_by(_PLACE).drop_columns("digest").combine_chunks()


def _disposition_texts(postings: pa.Table) -> pa.Array:
    """Return the first disposition with yen of each posting; ``no_effect`` for a correction to 0 yen."""
    has_yen = np.column_stack([to_numpy(postings.column(name), 0) != 0 for name in DISPOSITIONS])
    has_yen[:, -1] = True
    return pa.array(DISPOSITIONS, pa.string()).take(int64_array(np.argmax(has_yen, axis=1)))


def _outcomes(session: Session, ids: Int64Array) -> pa.Table:
    """The columns of outcomes, of some receipts; a number that one does not carry is told as the bill has it."""
    names = ("payee_code", "item_code", "case_key")
    stand = standing(session, ids)
    stand = chosen(stand, to_numpy(stand.column("reverses"), -1) < 0)
    files = session.rows("entries", to_numpy(stand.column("entry"), 0), ("source",))
    bill_ids = to_numpy(stand.column("bill"), 0)
    bills = bills_by_id(session, bill_ids[bill_ids > 0], ("bill_id", *names), replaced=True)
    billed = bills.take(pc.index_in(stand.column("bill"), value_set=combine(bills.column("id"))))
    columns = {
        "source": files.column("source").take(
            pc.index_in(stand.column("entry"), value_set=combine(files.column("id")))
        ),
        **{name: stand.column(name) for name in ("digest", "record_no", "outcome")},
        "disposition": _disposition_texts(stand),
        "bill_id": billed.column("bill_id"),
        **{name: pc.coalesce(combine(stand.column(name)), combine(billed.column(name))) for name in names},
    }
    columns["case_key"] = pc.utf8_lpad(columns["case_key"], 20, "0")
    return pa.table(
        {**columns, **{name: stand.column(name) for name in (SUMMED, "applied", "excess", "balance_before")}}
    )
