"""Circles: the bills and receipts that may concern one another, found from any of their keys.

A key leads to bills, their other keys to more bills, and so on until nothing new is found; then every key leads to its
receipts. What is outside a circle has no part in its judgement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sqlalchemy import ColumnElement, select, true

from kokin.columns import Ints, distinct, int64_array, integers, union, without
from kokin.ledger._bodies import facts
from kokin.ledger._forms import concat
from kokin.ledger._keys import bill_keys
from kokin.ledger._links import find
from kokin.ledger._schema import FACTS, SUMMED, TABLES
from kokin.ledger._store import Session
from kokin.ledger._verdict import VERDICT
from kokin.matching import NUMBER_COLUMNS

#: What decides on a bill.
BILL_COLUMNS = (
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
RECEIPT_COLUMNS = tuple(FACTS["receipts"].names)
#: Of a receipt's last posting. Where it reverses another, the receipt has no part in anything.
STANDING = ("reverses", *VERDICT)

_NOTHING = np.empty(0, np.int64)
_ID = pa.field("id", pa.int64())


@dataclass(frozen=True)
class Circles:
    """Some circles, whole."""

    keys: Ints
    """Every key in them, in order."""
    bills: pa.Table
    """Their bills, as they are now: ``id`` and :data:`BILL_COLUMNS`."""
    receipts: Ints
    """The ids of their receipts, in order."""


def circles(session: Session, keys: Ints, *, replaced: bool = False) -> Circles:
    """The circles that keys belong to; a key may be a circle by itself.

    ``replaced`` takes in the versions of bills that others have replaced.
    """
    seen = fresh = distinct(keys)
    bills: list[pa.Table] = []
    known = _NOTHING
    while len(fresh):
        found = without(distinct(find(session, "bills", fresh)[1]), known)
        if not len(found):
            break
        known = union(known, found)
        bills.append(bills_by_id(session, found, replaced=replaced))
        fresh = without(distinct(bill_keys(bills[-1])[0]), seen)
        seen = union(seen, fresh)
    columns = pa.schema([_ID, *(FACTS["bills"].field(name) for name in BILL_COLUMNS)])
    return Circles(seen, concat(bills, columns), distinct(find(session, "receipts", seen)[1]))


def in_force(last: int | None = None) -> ColumnElement[bool]:
    """Whether a bill had not been replaced by another version at the end of an entry."""
    return named_by_none("bills", "previous", last)


def named_by_none(table: str, column: str, last: int | None) -> ColumnElement[bool]:
    """Whether no row of the same table names a row in a column, up to the end of an entry."""
    of, later = TABLES[table], TABLES[table].alias()
    return ~select(later.c.id).where(later.c[column] == of.c.id, up_to(later.c.entry, last)).exists()


def up_to(entry: ColumnElement[int], last: int | None) -> ColumnElement[bool]:
    """Whether an entry is one of those that count; None: all of them do."""
    return true() if last is None else entry <= last


def bills_by_id(
    session: Session, ids: Ints, columns: tuple[str, ...] = BILL_COLUMNS, *, replaced: bool = False
) -> pa.Table:
    """Bills by their ids, in the order of these: ``id`` and some facts; ``replaced`` too, or only those in force."""
    rows = session.rows("bills", ids, ("body",), None if replaced else in_force())
    return facts("bills", rows.column("body"), columns).add_column(0, _ID, rows.column("id"))


def receipts_by_id(session: Session, ids: Ints) -> pa.Table:
    """Receipts by their ids, in the order of these: ``id``, ``entry``, what they say, and their file's ``digest``."""
    entries = TABLES["entries"]
    rows = session.rows("receipts", ids, ("entry", SUMMED, "body"))
    table = facts("receipts", rows.column("body"))
    table = table.set_column(table.column_names.index(SUMMED), SUMMED, rows.column(SUMMED))
    wrote = integers(rows.column("entry"), 0)
    files = session.rows("entries", wrote, (entries.c.digest.name,))
    place = np.searchsorted(integers(files.column("id"), 0), wrote)
    for name, column in (("digest", files.column("digest").take(int64_array(place))), ("entry", rows.column("entry"))):
        table = table.add_column(0, name, column)
    return table.add_column(0, _ID, rows.column("id"))


def standing(session: Session, ids: Ints) -> pa.Table:
    """Receipts by their ids, in the order of these, with their last ``posting`` and its :data:`STANDING`."""
    table = receipts_by_id(session, ids)
    receipts, postings = find(session, "postings", distinct(ids))
    last = np.ones(len(receipts), np.bool_)
    last[:-1] = receipts[1:] != receipts[:-1]
    found = session.rows("postings", postings[last], STANDING)
    # The last postings are in the order of their own ids, and are wanted in that of their receipts.
    found = found.take(int64_array(np.searchsorted(np.sort(postings[last]), postings[last])))
    table = table.append_column("posting", found.column("id"))
    for name in STANDING:
        table = table.append_column(name, found.column(name))
    return table
