"""The ledger as it stands, or stood: views of the journal."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, Select, and_, func, select, true

from kokin.columns import bool_array
from kokin.ledger._circles import BILL_COLUMNS, RECEIPT_COLUMNS
from kokin.ledger._forms import flags, restored
from kokin.ledger._journal import as_text
from kokin.ledger._schema import JOURNAL, TABLES
from kokin.ledger._settle import BALANCE
from kokin.ledger._store import Session
from kokin.model import Bill, Receipt, schema
from kokin.reconcile import reconcile

_BILLS, _BALANCES, _ENTRIES = TABLES["bills"], TABLES["balances"], TABLES["entries"]
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


def in_force(last: int | None, columns: tuple[str, ...]) -> Select[Any]:
    """The versions of bills that had not been replaced by the end of an entry."""
    replaced = select(_BILLS.c.previous).where(_BILLS.c.previous.is_not(None), _up_to(_BILLS.c.entry, last))
    chosen = select(*(_BILLS.c[name] for name in columns))
    return chosen.where(_BILLS.c.id.not_in(replaced), _up_to(_BILLS.c.entry, last)).order_by(_BILLS.c.id)


def bills(session: Session, as_of: date | datetime | None) -> pa.Table:
    """The bills in force, with the columns of the record, by ``bill_id``."""
    columns = tuple(name for name in JOURNAL["bills"].names if name in Bill.model_fields)
    kept = session.table(in_force(entry_of(session, as_of), columns))
    return restored(kept, Bill).sort_by("bill_id").combine_chunks()


def balances(session: Session, as_of: date | datetime | None) -> pa.Table:
    """How every bill stands: ``bill_id, amount, paid, residual, status``, by ``bill_id``; yen."""
    last = entry_of(session, as_of)
    billed = session.table(in_force(last, BILL_COLUMNS))
    noted = session.table(_noted(last))
    place = pc.index_in(billed.column("id"), value_set=noted.column("bill"))
    known = ~flags(place.is_null())
    names = billed.column("bill_id")
    table = noted.take(place.drop_null()).select(BALANCE).add_column(0, "bill_id", names.filter(bool_array(known)))
    if not known.all():
        # A bill that no receipt has ever met stands as it was billed; its obligations may be others' too.
        untouched = reconcile(restored(billed, Bill), schema(Receipt).empty_table()).balances
        alone = pc.is_in(untouched.column("bill_id"), value_set=names.filter(bool_array(~known)))
        table = pa.concat_tables([table, untouched.filter(alone)])
    return table.sort_by("bill_id").combine_chunks()


def standing_postings(last: int | None) -> ColumnElement[bool]:
    """Whether a posting stands at the end of an entry: it reverses none, and none comes after it."""
    later = _POSTINGS.alias()
    after = select(later.c.id).where(later.c.receipt == _POSTINGS.c.receipt, later.c.id > _POSTINGS.c.id)
    return and_(
        _POSTINGS.c.reverses.is_(None),
        _up_to(_POSTINGS.c.entry, last),
        ~after.where(_up_to(later.c.entry, last)).exists(),
    )


def receipts(session: Session, as_of: date | datetime | None) -> pa.Table:
    """The receipts that stand, with the columns of the record, by source, digest and record number."""
    columns = [_ENTRIES.c[name] for name in ("layout", "source", "digest")]
    columns += [_RECEIPTS.c[name] for name in RECEIPT_COLUMNS]
    tables = _POSTINGS.join(_RECEIPTS, _RECEIPTS.c.id == _POSTINGS.c.receipt)
    tables = tables.join(_ENTRIES, _ENTRIES.c.id == _RECEIPTS.c.entry)
    statement = select(*columns).select_from(tables).where(standing_postings(entry_of(session, as_of)))
    return restored(session.table(statement), Receipt).sort_by(_PLACE).combine_chunks()


def _up_to(entry: ColumnElement[int], last: int | None) -> ColumnElement[bool]:
    return true() if last is None else entry <= last


def _noted(last: int | None) -> Select[Any]:
    """The balance noted last of each bill, up to an entry."""
    newest = select(func.max(_BALANCES.c.id)).where(_up_to(_BALANCES.c.entry, last)).group_by(_BALANCES.c.bill)
    return select(*(_BALANCES.c[name] for name in ("bill", *BALANCE))).where(_BALANCES.c.id.in_(newest))


def outcomes(session: Session, entry: int | None) -> pa.Table:
    """The verdicts that stand, on the receipts of one file or of all, by source, digest and record number.

    The columns are those of :attr:`kokin.reconcile.Reconciliation.outcomes`.
    """
    names = ("payee_code", "item_code", "case_key")
    number = [func.coalesce(_RECEIPTS.c[name], _BILLS.c[name]).label(name) for name in names]
    statement = (
        select(
            _ENTRIES.c.source,
            _ENTRIES.c.digest,
            _RECEIPTS.c.record_no,
            _POSTINGS.c.outcome,
            _BILLS.c.bill_id,
            *number,
            _RECEIPTS.c.amount,
            _POSTINGS.c.applied,
            _POSTINGS.c.excess,
            _POSTINGS.c.expected,
        )
        .select_from(_POSTINGS)
        .join(_RECEIPTS, _RECEIPTS.c.id == _POSTINGS.c.receipt)
        .join(_ENTRIES, _ENTRIES.c.id == _RECEIPTS.c.entry)
        .outerjoin(_BILLS, _BILLS.c.id == _POSTINGS.c.bill)
        .where(standing_postings(None))
    )
    if entry is not None:
        statement = statement.where(_RECEIPTS.c.entry == entry)
    table = session.table(statement)
    padded = pc.utf8_lpad(table.column("case_key"), 20, "0")
    table = table.set_column(table.column_names.index("case_key"), "case_key", padded)
    return table.sort_by(_PLACE).drop_columns("digest").combine_chunks()
