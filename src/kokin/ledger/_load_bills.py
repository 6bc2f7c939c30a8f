"""Load bills: new ones, and new versions of those that have changed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin import bills as bill_files
from kokin._arrow.convert import BoolArray, Int64Array, as_table, bool_array, combine, int64_array, to_numpy
from kokin._arrow.threads import difference_sorted, sorted_unique
from kokin.issues import InvalidInputError, Issue, from_table
from kokin.ledger._codec import ITEM_SEPARATOR, decode_data, encode_column, encode_data, to_bool
from kokin.ledger._components import bills_by_id, current_version
from kokin.ledger._journal import EntryWriter
from kokin.ledger._keys import bill_keys, text_keys
from kokin.ledger._match_index import MAX_PAIRS, find_pairs
from kokin.ledger._rematch import rematch
from kokin.ledger._schema import RECORD_FIELDS
from kokin.reconcile import Policy

# Bills that are checked and encoded at once.
_CHUNK = 1 << 17

# At most so many bills are named in the issues of a rejected load.
_MAX_ISSUES = 100

_NO_KEYS = np.empty(0, np.int64)
_NULL_TEXT, _NULL_INT = pa.scalar(None, pa.string()), pa.scalar(None, pa.int64())


@dataclass(frozen=True)
class BillChunk:
    """Some valid bills, encoded outside the transaction."""

    bill_ids: pa.Array
    data: pa.Array
    """The bills as JSON objects."""
    bill_id_keys: Int64Array
    keys: Int64Array
    """All other keys."""
    rows: Int64Array
    """The row of each key."""
    own_obligations: Int64Array
    """Keys of the obligations that have a slip of their own, a set."""
    covered_obligations: Int64Array
    """Keys of the obligations that slips for several obligations cover, a set."""


def bill_chunks(bills: Any) -> Iterator[BillChunk]:
    """Check and encode bills; a thread prepares the next chunk while the caller writes one.

    Args:
        bills: a table of bills, or several, checked or not.

    Raises:
        InvalidInputError: a row is not a valid bill.
    """
    first = 1
    with ThreadPoolExecutor(1) as pool:
        pending: deque[Future[BillChunk]] = deque()
        for chunk in _slices([bills] if hasattr(bills, "__arrow_c_stream__") else bills):
            pending.append(pool.submit(_check_and_encode, chunk, first))
            first += len(chunk)
            if len(pending) > 1:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _slices(tables: Iterable[Any]) -> Iterator[pa.Table]:
    """Yield chunks of tables that are still to be checked; checking a checked one changes nothing."""
    for table in tables:
        if isinstance(table, bill_files.BillBatch):
            _require_valid(table)
            table = table.table
        table = as_table(table)
        yield from (table.slice(start, _CHUNK) for start in range(0, max(len(table), 1), _CHUNK))


def _require_valid(checked: bill_files.BillBatch) -> None:
    if checked.rejected:
        raise InvalidInputError(
            from_table(checked.issues), f"{checked.rejected} bills are invalid; nothing was added; correct them"
        )


def _check_and_encode(chunk: pa.Table, first: int) -> BillChunk:
    """Return a chunk of bills; ``first`` is the number of its first row in the whole load."""
    checked = bill_files.check_batch(chunk, first_row=first)
    _require_valid(checked)
    bills = checked.table
    names = [name for name in bills.column_names if name in RECORD_FIELDS["bills"].names]
    table = pa.table({name: encode_column(bills.column(name)) for name in names})
    columns = {name: combine(table.column(name)) for name in names}
    keys, rows = bill_keys(table)
    own, covered = _obligation_keys(table)
    bill_id_keys = text_keys("bill_id", table.column("bill_id"))
    return BillChunk(columns["bill_id"], encode_data("bills", columns), bill_id_keys, keys, rows, own, covered)


def _obligation_keys(bills: pa.Table) -> tuple[Int64Array, Int64Array]:
    """Return the keys of the obligations of encoded bills: those of slips for one, and those covered with others."""
    names = bills.column_names
    covers = combine(bills.column("covers")) if "covers" in names else pa.nulls(len(bills), pa.string())
    own = _NO_KEYS
    if "obligation_id" in names:
        texts = pc.if_else(covers.is_null(), combine(bills.column("obligation_id")), _NULL_TEXT)
        own = sorted_unique(text_keys("obligation_id", texts))
    covered = pc.list_flatten(pc.split_pattern(covers.drop_null(), ITEM_SEPARATOR))
    return own, sorted_unique(text_keys("obligation_id", covered))


class BillLoader:
    """Writes a load of bills chunk by chunk; ``given = new + changed + unchanged``."""

    def __init__(self, writer: EntryWriter, policy: Policy) -> None:
        self.writer, self.policy = writer, policy
        self.given = self.new = self.changed = self.unchanged = 0
        self._bill_id_keys, self._own_obligations, self._covered_obligations = [_NO_KEYS], [_NO_KEYS], [_NO_KEYS]
        #: Keys of new, changed and superseded bills: their components may need to be matched again.
        self._affected_keys = [_NO_KEYS]

    def add(self, chunk: BillChunk) -> None:
        """Add the new and the changed bills of a chunk."""
        self._bill_id_keys.append(chunk.bill_id_keys)
        self._own_obligations.append(chunk.own_obligations)
        self._covered_obligations.append(chunk.covered_obligations)
        previous, is_unchanged = self._previous_versions(chunk)
        is_written = ~is_unchanged
        self.given += len(is_unchanged)
        self.unchanged += int(np.count_nonzero(is_unchanged))
        self.changed += int(np.count_nonzero(previous[is_written]))
        self.new += int(np.count_nonzero(previous[is_written] == 0))
        columns = {"body": chunk.data if is_written.all() else chunk.data.filter(bool_array(is_written))}
        if previous.any():
            superseded = previous[is_written]
            columns["previous"] = pc.if_else(bool_array(superseded > 0), int64_array(superseded), _NULL_INT)
        ids = np.zeros(len(is_unchanged), np.int64)
        ids[is_written] = self.writer.add_rows("bills", columns)
        self.writer.add_pairs("bills", chunk.bill_id_keys[is_written], ids[is_written])
        is_written_key = is_written[chunk.rows]
        keys = chunk.keys[is_written_key]
        self.writer.add_pairs("bills", keys, ids[chunk.rows[is_written_key]])
        if self.writer.before["receipts"]:
            self._affected_keys.append(sorted_unique(keys))
        self.writer.progress(len(is_unchanged))

    def finish(self) -> int:
        """Check the load as a whole, and match the receipts that it affects again.

        Returns:
            The number of receipts with another outcome.

        Raises:
            InvalidInputError: a duplicate ``bill_id``, or a covered obligation without a slip of its own.
        """
        self.writer.flush_pairs()
        self._reject_duplicates()
        self._require_own_slips()
        keys = self._keys_of_earlier_rows(sorted_unique(np.concatenate(self._affected_keys)))
        return rematch(self.writer, self.policy, keys).rematched

    def _reject_duplicates(self) -> None:
        keys = np.sort(np.concatenate(self._bill_id_keys))
        duplicates = sorted_unique(keys[1:][keys[1:] == keys[:-1]])
        self._reject("BILL_REPEATED", "bill_id", find_pairs(self.writer, "bills", duplicates[:_MAX_ISSUES])[1])

    def _require_own_slips(self) -> None:
        """Reject covered obligations that no bill of this load or of the ledger bills by itself."""
        own, covered = (
            sorted_unique(np.concatenate(keys)) for keys in (self._own_obligations, self._covered_obligations)
        )
        missing = difference_sorted(covered, own)
        keys, bills = find_pairs(self.writer, "bills", missing)
        stored = bills_by_id(self.writer, bills, ("obligation_id", "covers"))
        missing = difference_sorted(missing, _obligation_keys(stored)[0])
        self._reject("OBLIGATION_UNKNOWN", "covers", bills[np.isin(keys, missing[:_MAX_ISSUES])])

    def _keys_of_earlier_rows(self, keys: Int64Array) -> Int64Array:
        """Return the affected keys that also occur on receipts or on earlier bills; the others affect no receipt."""
        found = [_NO_KEYS]
        for start in range(0, len(keys), MAX_PAIRS):
            batch = keys[start : start + MAX_PAIRS]
            of_bills, bills = find_pairs(self.writer, "bills", batch)
            found.append(find_pairs(self.writer, "receipts", batch)[0])
            found.append(of_bills[bills <= self.writer.before["bills"]])
        return sorted_unique(np.concatenate(found))

    def _reject(self, code: str, field: str, bills: Int64Array) -> None:
        """Raise :class:`InvalidInputError` if there are such bills."""
        if len(bills):
            rows = bills_by_id(self.writer, bills, ("bill_id",), superseded=True)
            names = sorted(set(rows.column("bill_id").to_pylist()))
            issues = [Issue(code, field=field, expected="", found=name) for name in names]
            raise InvalidInputError(issues, "the bills were rejected; nothing was added")

    def _previous_versions(self, chunk: BillChunk) -> tuple[Int64Array, BoolArray]:
        """Return the id of each bill's stored version, 0 if new: int64 (n,); whether it is unchanged: bool (n,)."""
        previous, is_unchanged = np.zeros(len(chunk.bill_ids), np.int64), np.zeros(len(chunk.bill_ids), np.bool_)
        if not self.writer.before["bills"]:
            return previous, is_unchanged
        found = sorted_unique(find_pairs(self.writer, "bills", sorted_unique(chunk.bill_id_keys))[1])
        # A bill that this load itself has written is a duplicate; `finish` rejects it.
        found = found[found <= self.writer.before["bills"]]
        stored = self.writer.rows("bills", found, ("body",), current_version())
        if not len(stored):
            return previous, is_unchanged
        bill_ids = decode_data("bills", stored.column("body"), ("bill_id",)).column("bill_id")
        stored_row = pc.index_in(chunk.bill_ids, value_set=combine(bill_ids))
        rows = np.flatnonzero(~to_bool(stored_row.is_null()))
        stored_row = stored_row.drop_null()
        stored_data = combine(stored.column("body")).take(stored_row)
        is_unchanged[rows] = to_bool(pc.equal(stored_data, chunk.data.take(int64_array(rows))))
        previous[rows] = to_numpy(stored.column("id").take(stored_row), 0)
        superseded = bills_by_id(self.writer, previous[rows][~is_unchanged[rows]])
        self._affected_keys.append(sorted_unique(bill_keys(superseded)[0]))
        return previous, is_unchanged
