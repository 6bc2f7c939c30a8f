"""Circles: the bills and receipts that may concern one another, found from any of their keys.

A key leads to bills, their other keys to more bills, and so on until nothing new is found; then every key leads to its
receipts. What is outside a circle has no part in its judgement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sqlalchemy import Select, func, select

from kokin.columns import Ints, distinct, union, without
from kokin.ledger._forms import concat, ints
from kokin.ledger._keys import bill_keys
from kokin.ledger._schema import JOURNAL, TABLES
from kokin.ledger._store import Session, Wanted, joined
from kokin.ledger._verdict import VERDICT
from kokin.matching import NUMBER_COLUMNS
from kokin.model import Receipt

#: What decides on a bill, its row first.
BILL_COLUMNS = (
    "id",
    "bill_id",
    *NUMBER_COLUMNS,
    "amount",
    "due_on",
    "status",
    "obligation_id",
    "covers",
    "paid_before",
)
#: What decides on a receipt: all that it says.
RECEIPT_COLUMNS = tuple(name for name in JOURNAL["receipts"].names if name in Receipt.model_fields)

_BILLS, _RECEIPTS, _POSTINGS = TABLES["bills"], TABLES["receipts"], TABLES["postings"]


@dataclass(frozen=True)
class Circles:
    """Some circles, whole."""

    keys: Ints
    """Every key in them, in order."""
    bills: pa.Table
    """Their bills, as they are now."""
    receipts: pa.Table
    """Their receipts, with ``digest`` and the columns of :data:`STANDING`."""


#: Of a receipt's last posting. Where it reverses another, the receipt has no part in anything.
STANDING = ("posting", "reverses", *VERDICT)


def circles(session: Session, keys: Ints, last_receipt: int) -> Circles:
    """The circles that keys belong to, with the receipts up to the last one; a key may be a circle by itself."""
    seen = fresh = distinct(keys)
    bills: list[pa.Table] = []
    known = np.empty(0, np.int64)
    while len(fresh):
        found = without(distinct(ints(session.look_up(fresh, _bills_of).column("bill"))), known)
        if not len(found):
            break
        known = union(known, found)
        bills.append(session.look_up(found, _bills))
        fresh = without(distinct(bill_keys(bills[-1], named=False)[0]), seen)
        seen = union(seen, fresh)
    receipts = np.empty(0, np.int64)
    if last_receipt:
        receipts = distinct(ints(session.look_up(seen, _receipts_of).column("receipt")))
    receipts = receipts[receipts <= last_receipt]
    return Circles(seen, concat(bills, _schema_of_bills()), standing(session, receipts))


def standing(session: Session, receipts: Ints) -> pa.Table:
    """Receipts by their ids, in order, with their last postings."""
    table = session.look_up(receipts, _receipts)
    last = session.look_up(receipts, _last_postings)
    for name in STANDING:
        table = table.append_column(name, last.column(name))
    return table


def _schema_of_bills() -> pa.Schema:
    return pa.schema([JOURNAL["bills"].field(name) for name in BILL_COLUMNS])


def _bills_of(wanted: Wanted) -> Select[tuple[int]]:
    links = TABLES["bill_links"]
    return select(links.c.bill).select_from(joined(wanted, links, "key"))


def _receipts_of(wanted: Wanted) -> Select[tuple[int]]:
    links = TABLES["receipt_links"]
    return select(links.c.receipt).select_from(joined(wanted, links, "key"))


def _bills(wanted: Wanted) -> Select[tuple[object, ...]]:
    return select(*(_BILLS.c[name] for name in BILL_COLUMNS)).select_from(joined(wanted, _BILLS, "id"))


def _receipts(wanted: Wanted) -> Select[tuple[object, ...]]:
    entries = TABLES["entries"]
    columns = (_RECEIPTS.c[name] for name in ("id", "entry", *RECEIPT_COLUMNS))
    tables = joined(wanted, _RECEIPTS, "id").join(entries, entries.c.id == _RECEIPTS.c.entry)
    return select(*columns, entries.c.digest).select_from(tables).order_by(_RECEIPTS.c.id)


def _last_postings(wanted: Wanted) -> Select[tuple[object, ...]]:
    others = _POSTINGS.alias()
    last = select(func.max(others.c.id)).where(others.c.receipt == wanted.c.value).scalar_subquery()
    columns = [_POSTINGS.c.id.label("posting"), *(_POSTINGS.c[name] for name in STANDING[1:])]
    return select(*columns).select_from(wanted.join(_POSTINGS, _POSTINGS.c.id == last)).order_by(_POSTINGS.c.receipt)
