"""Circles: the bills and receipts that may concern one another, found from any of their keys.

A key leads to bills and receipts, their other keys to more of both, and so on until nothing new is found. What is
outside a circle has no part in its judgement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sqlalchemy import ColumnElement, select, true

from kokin._arrow.convert import Int64Array, int64_array, to_numpy
from kokin._arrow.threads import difference_sorted, sorted_union, sorted_unique
from kokin.ledger._bodies import facts
from kokin.ledger._forms import concat
from kokin.ledger._keys import bill_keys, receipt_keys
from kokin.ledger._links import find, spread
from kokin.ledger._schema import FACTS, SUMMED, TABLES
from kokin.ledger._store import Session
from kokin.ledger._verdict import VERDICT
from kokin.matching import KEY_COLUMNS

#: What decides on a bill.
BILL_COLUMNS = (
    "bill_id",
    *KEY_COLUMNS,
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

    keys: Int64Array
    """Every key in them, in order."""
    bills: pa.Table
    """Their bills, as they are now: ``id`` and :data:`BILL_COLUMNS`."""
    receipts: pa.Table
    """Their receipts but the fresh ones, as :func:`receipts_by_id` gives them."""
    fresh: Int64Array
    """The rows of their fresh receipts, in order."""


@dataclass(frozen=True)
class Fresh:
    """The receipts of the entry's own file, which need not be read again. Their links are written."""

    receipts: pa.Table
    """As they are kept, with ``id``, ``entry`` and ``digest``, in the order of ids, at least one."""
    keys: Int64Array
    """All their keys, and the row that has each, by row; see :func:`kokin.ledger._keys.receipt_keys`."""
    rows: Int64Array

    @property
    def first(self) -> int:
        """The id of the first; all before it are earlier ones."""
        return int(self.receipts.column("id")[0].as_py())

    def keys_of(self, rows: Int64Array) -> Int64Array:
        """The keys of some rows."""
        first, end = (np.searchsorted(self.rows, rows, side) for side in ("left", "right"))
        return self.keys[spread(first, end)]


def circles(session: Session, keys: Int64Array, *, replaced: bool = False, fresh: Fresh | None = None) -> Circles:
    """The circles that keys belong to; a key may be a circle by itself.

    ``replaced`` takes in the versions of bills that others have replaced.
    """
    seen = new_keys = sorted_unique(keys)
    bills, receipts = [], [receipts_by_id(session, _NOTHING)]
    known = {"bills": _NOTHING, "receipts": _NOTHING}
    end_of_earlier = fresh.first if fresh else np.iinfo(np.int64).max
    while len(new_keys):
        found = {
            kind: difference_sorted(sorted_unique(find(session, kind, new_keys)[1]), ids) for kind, ids in known.items()
        }
        known = {kind: sorted_union(ids, found[kind]) for kind, ids in known.items()}
        keys_found = [_NOTHING]
        if len(found["bills"]):
            bills.append(bills_by_id(session, found["bills"], replaced=replaced))
            keys_found.append(bill_keys(bills[-1])[0])
        earlier, later = np.split(found["receipts"], [np.searchsorted(found["receipts"], end_of_earlier)])
        if len(earlier):
            receipts.append(receipts_by_id(session, earlier))
            keys_found.append(receipt_keys(receipts[-1])[0])
        if fresh and len(later):
            keys_found.append(fresh.keys_of(later - fresh.first))
        new_keys = difference_sorted(sorted_unique(np.concatenate(keys_found)), seen)
        seen = sorted_union(seen, new_keys)
    columns = pa.schema([_ID, *(FACTS["bills"].field(name) for name in BILL_COLUMNS)])
    by_id = concat(receipts, receipts[0].schema).sort_by("id").combine_chunks()
    rows = known["receipts"][known["receipts"] >= end_of_earlier] - (fresh.first if fresh else 0)
    return Circles(seen, concat(bills, columns), by_id, rows)


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
    session: Session, ids: Int64Array, columns: tuple[str, ...] = BILL_COLUMNS, *, replaced: bool = False
) -> pa.Table:
    """Bills by their ids, in the order of these: ``id`` and some facts; ``replaced`` too, or only those in force."""
    rows = session.rows("bills", ids, ("body",), None if replaced else in_force())
    return facts("bills", rows.column("body"), columns).add_column(0, _ID, rows.column("id"))


def receipts_by_id(session: Session, ids: Int64Array) -> pa.Table:
    """Receipts by their ids, in the order of these: ``id``, ``entry``, what they say, and their file's ``digest``."""
    entries = TABLES["entries"]
    rows = session.rows("receipts", ids, ("entry", SUMMED, "body"))
    table = receipt_facts(rows)
    wrote = to_numpy(rows.column("entry"), 0)
    files = session.rows("entries", wrote, (entries.c.digest.name,))
    place = np.searchsorted(to_numpy(files.column("id"), 0), wrote)
    for name, column in (("digest", files.column("digest").take(int64_array(place))), ("entry", rows.column("entry"))):
        table = table.add_column(0, name, column)
    return table.add_column(0, _ID, rows.column("id"))


def receipt_facts(rows: pa.Table) -> pa.Table:
    """What receipts say, from their rows in the ledger: ``amount`` and ``body``."""
    told = facts("receipts", rows.column("body"))
    return told.set_column(told.column_names.index(SUMMED), SUMMED, rows.column(SUMMED))


def standing(session: Session, ids: Int64Array) -> pa.Table:
    """Receipts by their ids, in the order of these, with their last ``posting`` and its :data:`STANDING`."""
    return with_standing(session, receipts_by_id(session, ids))


def with_standing(session: Session, table: pa.Table) -> pa.Table:
    """Receipts in the order of their ids, with their last ``posting`` and its :data:`STANDING`."""
    receipts, postings = find(session, "postings", to_numpy(table.column("id"), 0))
    last = np.ones(len(receipts), np.bool_)
    last[:-1] = receipts[1:] != receipts[:-1]
    found = session.rows("postings", postings[last], STANDING)
    # The last postings are in the order of their own ids, and are wanted in that of their receipts.
    found = found.take(int64_array(np.searchsorted(np.sort(postings[last]), postings[last])))
    table = table.append_column("posting", found.column("id"))
    for name in STANDING:
        table = table.append_column(name, found.column(name))
    return table
