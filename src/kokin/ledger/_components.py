"""Connected components of bills and receipts: the rows that can affect one another's outcome.

Bills and receipts are connected if they share a key. The search alternates between both, as a breadth-first search:
keys lead to bills and receipts, their other keys to further ones, until nothing new is found. Matching the receipts of
whole components gives the same outcomes as matching everything. Example: a payment names slip 1, slips 1 and 2 have
the same obligation, an earlier payment names slip 2: both payments and both slips are one component.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sqlalchemy import ColumnElement, select, true

from kokin._arrow.convert import Int64Array, int64_array, to_numpy
from kokin._arrow.threads import difference_sorted, sorted_union, sorted_unique
from kokin.ledger._codec import concat, decode_data, decode_records
from kokin.ledger._database import Transaction
from kokin.ledger._keys import BILL_KEY_COLUMNS, bill_keys, receipt_keys
from kokin.ledger._match_index import concat_ranges, find_pairs
from kokin.ledger._schema import AMOUNT, DISPOSITIONS, RECORD_FIELDS, TABLES

#: The columns of a bill that matching uses.
BILL_COLUMNS = ("bill_id", *BILL_KEY_COLUMNS, "amount", "due_on", "status", "paid_before")
#: The columns of a receipt that matching uses: all of them.
RECEIPT_COLUMNS = tuple(RECORD_FIELDS["receipts"].names)
#: The outcome of a receipt, as columns of its posting. ``bill`` is the id of a row of bills.
OUTCOME_COLUMNS = ("outcome", "bill", *DISPOSITIONS, "balance_before")
#: The columns of a receipt's last posting. If it reverses another, the receipt is not active.
LAST_POSTING_COLUMNS = ("reverses", *OUTCOME_COLUMNS)

_NO_IDS = np.empty(0, np.int64)
_ID = pa.field("id", pa.int64())


@dataclass(frozen=True)
class Components:
    """Whole connected components."""

    keys: Int64Array
    """Every key in them, sorted."""
    bills: pa.Table
    """Their bills in the current version, encoded: ``id`` and :data:`BILL_COLUMNS`."""
    receipts: pa.Table
    """Their earlier receipts, as :func:`receipts_by_id` returns them."""
    new_rows: Int64Array
    """The rows of their receipts in :class:`NewReceipts`, sorted."""


@dataclass(frozen=True)
class NewReceipts:
    """The receipts of the file that is being posted, at least one. Their pairs are in the match index."""

    receipts: pa.Table
    """Encoded, with ``id``, ``entry`` and ``digest``, in the order of ids."""
    keys: Int64Array
    """All their keys, by row; see :func:`kokin.ledger._keys.receipt_keys`."""
    rows: Int64Array
    """The row of each key."""

    @property
    def first_id(self) -> int:
        """The id of the first; all earlier receipts have smaller ids."""
        return int(self.receipts.column("id")[0].as_py())

    def keys_of(self, rows: Int64Array) -> Int64Array:
        """Return the keys of some rows."""
        first, end = (np.searchsorted(self.rows, rows, side) for side in ("left", "right"))
        return self.keys[concat_ranges(first, end)]


def find_components(
    transaction: Transaction, keys: Int64Array, *, superseded: bool = False, new: NewReceipts | None = None
) -> Components:
    """Return the components of some keys; a key without rows is a component of its own.

    Args:
        transaction: the transaction.
        keys: where the search starts.
        superseded: include superseded versions of bills.
        new: the receipts of the file that is being posted, which are not read from the database.
    """
    seen = new_keys = sorted_unique(keys)
    bills, receipts = [], [receipts_by_id(transaction, _NO_IDS)]
    known = {"bills": _NO_IDS, "receipts": _NO_IDS}
    first_new = new.first_id if new else np.iinfo(np.int64).max
    while len(new_keys):
        found = {
            kind: difference_sorted(sorted_unique(find_pairs(transaction, kind, new_keys)[1]), ids)
            for kind, ids in known.items()
        }
        known = {kind: sorted_union(ids, found[kind]) for kind, ids in known.items()}
        keys_found = [_NO_IDS]
        if len(found["bills"]):
            bills.append(bills_by_id(transaction, found["bills"], superseded=superseded))
            keys_found.append(bill_keys(bills[-1])[0])
        earlier, later = np.split(found["receipts"], [np.searchsorted(found["receipts"], first_new)])
        if len(earlier):
            receipts.append(receipts_by_id(transaction, earlier))
            keys_found.append(receipt_keys(receipts[-1])[0])
        if new and len(later):
            keys_found.append(new.keys_of(later - new.first_id))
        new_keys = difference_sorted(sorted_unique(np.concatenate(keys_found)), seen)
        seen = sorted_union(seen, new_keys)
    columns = pa.schema([_ID, *(RECORD_FIELDS["bills"].field(name) for name in BILL_COLUMNS)])
    by_id = concat(receipts, receipts[0].schema).sort_by("id").combine_chunks()
    new_rows = known["receipts"][known["receipts"] >= first_new] - (new.first_id if new else 0)
    return Components(seen, concat(bills, columns), by_id, new_rows)


def current_version(last: int | None = None) -> ColumnElement[bool]:
    """Return the condition that a bill is not superseded, as of an entry."""
    return not_referenced("bills", "previous", last)


def not_referenced(table: str, column: str, last: int | None) -> ColumnElement[bool]:
    """Return the condition that no row of the same table references a row in a column, as of an entry."""
    referenced, other = TABLES[table], TABLES[table].alias()
    return ~select(other.c.id).where(other.c[column] == referenced.c.id, as_of_entry(other.c.entry, last)).exists()


def as_of_entry(entry: ColumnElement[int], last: int | None) -> ColumnElement[bool]:
    """Return the condition that an entry is not later than the last one to read; None reads all."""
    return true() if last is None else entry <= last


def bills_by_id(
    transaction: Transaction, ids: Int64Array, columns: tuple[str, ...] = BILL_COLUMNS, *, superseded: bool = False
) -> pa.Table:
    """Return bills by id, in ascending order: ``id`` and encoded columns; current versions only, or all."""
    rows = transaction.rows("bills", ids, ("body",), None if superseded else current_version())
    return decode_data("bills", rows.column("body"), columns).add_column(0, _ID, rows.column("id"))


def receipts_by_id(transaction: Transaction, ids: Int64Array) -> pa.Table:
    """Return receipts by id, in ascending order: ``id``, ``entry``, the file's ``digest`` and encoded columns."""
    rows = transaction.rows("receipts", ids, ("entry", AMOUNT, "body"))
    table = decode_records("receipts", rows)
    entries = to_numpy(rows.column("entry"), 0)
    files = transaction.rows("entries", entries, ("digest",))
    file_rows = int64_array(np.searchsorted(to_numpy(files.column("id"), 0), entries))
    table = table.add_column(0, "digest", files.column("digest").take(file_rows))
    return table.add_column(0, "entry", rows.column("entry")).add_column(0, _ID, rows.column("id"))


def receipts_with_posting(transaction: Transaction, ids: Int64Array) -> pa.Table:
    """Return receipts by id, in ascending order, with their last posting; see :func:`add_last_posting`."""
    return add_last_posting(transaction, receipts_by_id(transaction, ids))


def add_last_posting(transaction: Transaction, receipts: pa.Table) -> pa.Table:
    """Return receipts (in the order of ids) with the id of their last ``posting`` and :data:`LAST_POSTING_COLUMNS`."""
    receipt, posting = find_pairs(transaction, "postings", to_numpy(receipts.column("id"), 0))
    is_last = np.ones(len(receipt), np.bool_)
    is_last[:-1] = receipt[1:] != receipt[:-1]
    last = posting[is_last]
    rows = transaction.rows("postings", last, LAST_POSTING_COLUMNS)
    # Rows come in the order of their own ids; reorder them to that of the receipts.
    rows = rows.take(int64_array(np.searchsorted(np.sort(last), last)))
    receipts = receipts.append_column("posting", rows.column("id"))
    for name in LAST_POSTING_COLUMNS:
        receipts = receipts.append_column(name, rows.column(name))
    return receipts
