"""Load bills: new ones, and new versions of those that have changed. Reverse a load."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import and_, func, select

from kokin import bills as bill_files
from kokin._arrow.convert import BoolArray, Int64Array, as_table, bool_array, combine, int64_array, to_numpy
from kokin._arrow.threads import difference_sorted, isin_sorted, sorted_union, sorted_unique
from kokin.issues import InvalidInputError, Issue, from_table
from kokin.ledger._codec import encode_column, filter_rows, to_bool
from kokin.ledger._components import (
    bill_keys,
    bills_by_id,
    covered_obligations,
    current_version,
    find_pairs,
    not_referenced,
    own_obligations,
    text_keys,
)
from kokin.ledger._database import BATCH_ROWS, Transaction
from kokin.ledger._journal import EntryResult, EntryWriter, rows_of_entry
from kokin.ledger._rematch import differs, rematch
from kokin.ledger._schema import BILL_DEFAULTS, RECORD_FIELDS, EntryKind, bill_versions, entries, slip_numbers
from kokin.ledger._vanished_bills import Register
from kokin.matching import find_not_shared
from kokin.model import BillStatus
from kokin.reconcile import Policy

# Bills that are checked and encoded at once.
_CHUNK = 1 << 17

# At most so many bills are named in the issues of a rejected load.
_MAX_ISSUES = 100

#: Entries that add bills, and whose reversal withdraws them.
BILL_KINDS = (EntryKind.BILLS, EntryKind.OPENING)

_FIELDS = tuple(RECORD_FIELDS["bill_versions"].names)
# The columns of bills that decide whether two of them share an obligation, and the bills in force with these.
_SHARING = ("bill_id", "payee_code", "obligation_id", "covers")
_IN_FORCE = select(*(bill_versions.c[name] for name in _SHARING)).where(current_version())
_NO_KEYS = np.empty(0, np.int64)
_NULL_INT = pa.nulls(1, pa.int64())[0]


@dataclass(frozen=True)
class BillChunk:
    """Some valid bills, encoded outside the transaction."""

    bills: pa.Table
    """Encoded."""
    bill_id_keys: Int64Array
    """A key of each ``bill_id``."""
    keys: Int64Array
    """The match keys of the bills."""
    rows: Int64Array
    """The row of each key."""
    own_obligations: Int64Array
    """Keys of the obligations that have a slip of their own, a set."""
    covered_obligations: Int64Array
    """Keys of the obligations that slips for several obligations cover, a set."""
    separate_obligations: Int64Array
    """Keys of the obligations that slips without one would have if their ``bill_id`` were its id, a set."""


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
    columns = {
        name: encode_column(checked.table.column(name)) for name in _FIELDS if name in checked.table.column_names
    }
    for name, value in BILL_DEFAULTS.items():
        columns[name] = pc.fill_null(columns[name], value) if name in columns else pa.repeat(value, len(checked.table))
    bills = pa.table(columns)
    keys, rows = bill_keys(bills)
    bill_ids = text_keys("bill_id", bills.column("bill_id"))
    return BillChunk(bills, bill_ids, keys, rows, *_obligation_keys(bills), _separate_keys(bills))


def _obligation_keys(bills: pa.Table) -> tuple[Int64Array, Int64Array]:
    """Return the keys of the obligations of encoded bills: those of slips for one, and those covered with others."""
    own = covered = _NO_KEYS
    covers = bills.column("covers") if "covers" in bills.column_names else pa.nulls(len(bills), pa.string())
    if "obligation_id" in bills.column_names:
        own = sorted_unique(text_keys("obligation_id", own_obligations(bills.filter(covers.is_null()))))
    if covers.null_count < len(covers):
        covered = sorted_unique(text_keys("obligation_id", covered_obligations(bills)[0]))
    return own, covered


def add_bills(writer: EntryWriter, bills: Any, policy: Policy, *, source: str, whole: bool) -> EntryResult:
    """Add bills, and new versions of bills that have changed; see :meth:`kokin.ledger.Ledger.add_bills`."""
    writer.begin(EntryKind.BILLS, source=source)
    register = Register() if whole else None
    loader = BillLoader(writer, register)
    for chunk in bill_chunks(bills):
        loader.add(chunk)
    rematched = rematch(writer, policy, loader.finish()).rematched
    totals = loader.totals
    vanished = register.vanished(writer, policy) if register else None
    if vanished is not None:
        totals |= {"vanished": len(vanished), "vanished_yen": pc.sum(vanished.column("residual")).as_py() or 0}
    not_shared = tuple(loader.not_shared())
    return EntryResult(writer.commit(totals), True, {}, rematched, vanished=vanished, not_shared=not_shared)


def _separate_keys(bills: pa.Table) -> Int64Array:
    """Return the keys of :attr:`BillChunk.separate_obligations` of encoded bills."""
    is_separate = np.ones(len(bills), np.bool_)
    for name in {"covers", "obligation_id"} & set(bills.column_names):
        is_separate &= to_bool(bills.column(name).is_null())
    separate = filter_rows(bills.select(["payee_code", "bill_id"]), is_separate)
    as_obligations = own_obligations(separate.rename_columns(["payee_code", "obligation_id"]))
    return sorted_unique(text_keys("obligation_id", as_obligations))


class BillLoader:
    """Writes a load of bills chunk by chunk; ``given = new + changed + unchanged``."""

    def __init__(self, writer: EntryWriter, register: Register | None = None) -> None:
        self.writer, self._register = writer, register
        self.given = self.new = self.changed = self.unchanged = 0
        self._bill_ids, self._own_obligations, self._covered_obligations = _NO_KEYS, [_NO_KEYS], [_NO_KEYS]
        #: Keys of obligations that may be of slips with this ``obligation_id``, and of a slip without one.
        self._separate_obligations, self._suspect_obligations = [_NO_KEYS], [_NO_KEYS]
        #: Keys of new, changed and replaced bills: their components may need to be matched again.
        self._affected_keys = [_NO_KEYS]

    def add(self, chunk: BillChunk) -> None:
        """Add the new and the changed bills of a chunk.

        Raises:
            InvalidInputError: a ``bill_id`` of the chunk is in an earlier chunk too, or a superseded slip is open again
                although the register has replaced it (``SLIP_SUPERSEDED``).
        """
        self._reject_duplicates(chunk)
        self._own_obligations.append(chunk.own_obligations)
        self._covered_obligations.append(chunk.covered_obligations)
        self._separate_obligations.append(chunk.separate_obligations)
        earlier = (
            latest_versions(self.writer, chunk.bills.column("bill_id")) if self.writer.before["bill_versions"] else None
        )
        if earlier is not None:
            _reject_reopened(self.writer, chunk.bills, earlier)
        replaced, version, is_new, is_unchanged = _compare(chunk.bills, earlier)
        is_written = ~is_unchanged
        self.given += len(is_unchanged)
        self.unchanged += int(np.count_nonzero(is_unchanged))
        self.new += int(np.count_nonzero(is_new))
        self.changed += int(np.count_nonzero(is_written & ~is_new))
        ids = np.zeros(len(is_unchanged), np.int64)
        ids[is_written] = _add_versions(
            self.writer, filter_rows(chunk.bills, is_written), replaced[is_written], version[is_written]
        )
        is_written_key = is_written[chunk.rows]
        keys = chunk.keys[is_written_key]
        self.writer.add_keys("bill_versions", keys, ids[chunk.rows[is_written_key]])
        if self.writer.before["receipts"]:
            self._affected_keys.append(sorted_unique(keys))
        if earlier is not None:
            replaced_rows = filter_rows(
                earlier, isin_sorted(to_numpy(earlier.column("id"), 0), np.sort(replaced[is_written]))
            )
            self._affected_keys.append(sorted_unique(bill_keys(replaced_rows)[0]))
            # Another slip can cover an obligation that a replaced version billed.
            self._covered_obligations.append(_obligation_keys(replaced_rows)[0])
            written = filter_rows(chunk.bills, is_written)
            self._suspect_obligations += [_separate_keys(written), _keys_of_separate(self.writer, written)]
        if self._register:
            self._register.add(chunk.bills, replaced[is_unchanged])
        self.writer.progress(len(is_unchanged))

    @property
    def totals(self) -> dict[str, int]:
        """The numbers of bills, as the entry stores them."""
        return {name: getattr(self, name) for name in ("given", "new", "changed", "unchanged")}

    def finish(self) -> Int64Array:
        """Check the load as a whole, and return the keys of the components to be matched again.

        Raises:
            InvalidInputError: an obligation that a bill in force covers has no slip of its own.
        """
        self.writer.flush_keys()
        own, covered = (
            sorted_unique(np.concatenate(keys)) for keys in (self._own_obligations, self._covered_obligations)
        )
        _require_own_slips(self.writer, difference_sorted(covered, own), "the bills were rejected; nothing was added")
        return _keys_of_earlier_rows(self.writer, sorted_unique(np.concatenate(self._affected_keys)))

    def not_shared(self) -> list[str]:
        """Return the bills without ``obligation_id`` whose ``bill_id`` is that of another one: see ``find_not_shared``.

        Found are all of the load, and those of which the load has added or changed one bill, and the ledger has others.
        """
        own, separate = (
            sorted_unique(np.concatenate(keys)) for keys in (self._own_obligations, self._separate_obligations)
        )
        suspects = sorted_unique(np.concatenate([own[isin_sorted(own, separate)], *self._suspect_obligations]))
        rows = find_pairs(self.writer, "bill_versions", suspects)[1]
        bills = bills_by_id(self.writer, rows, _SHARING).select(_SHARING)
        names = pc.unique(bills.column("obligation_id").drop_null()).to_pylist()
        bills = pa.concat_tables([bills, self.writer.fetch(_IN_FORCE, bill_versions.c.bill_id, names)])
        bills = bills.filter(bills.column("covers").is_null()).drop_columns("covers")
        found = bills.column("obligation_id").take(int64_array(find_not_shared(bills)))
        return sorted(pc.unique(found).to_pylist())

    def _reject_duplicates(self, chunk: BillChunk) -> None:
        """Raise for every ``bill_id`` of a chunk that an earlier chunk has, or that is in it several times."""
        keys = sorted_unique(chunk.bill_id_keys)
        is_suspect = isin_sorted(chunk.bill_id_keys, keys[isin_sorted(keys, self._bill_ids)])
        names: list[str] = []
        if is_suspect.any():  # or an unlikely collision of hashes
            suspects = chunk.bills.column("bill_id").filter(bool_array(is_suspect))
            rows = latest_versions(self.writer, suspects)
            is_own = pc.greater(rows.column("id"), self.writer.before["bill_versions"])
            names = rows.filter(is_own).column("bill_id").to_pylist()
        if len(keys) < len(chunk.bills):
            counts = chunk.bills.column("bill_id").value_counts().to_pylist()
            names += [row["values"] for row in counts if row["counts"] > 1]
        if names:
            issues = [Issue("BILL_REPEATED", field="bill_id", found=name) for name in sorted(set(names))[:_MAX_ISSUES]]
            raise InvalidInputError(issues, "the bills were rejected; nothing was added")
        self._bill_ids = sorted_union(self._bill_ids, keys)


def _keys_of_separate(transaction: Transaction, bills: pa.Table) -> Int64Array:
    """Return the separate keys of the bills in force whose ``bill_id`` is the ``obligation_id`` of some bills."""
    if "obligation_id" not in bills.column_names:
        return _NO_KEYS
    is_other = pc.not_equal(bills.column("obligation_id"), bills.column("bill_id"))  # null without an obligation_id
    names = bills.column("obligation_id").filter(is_other)
    keys = _separate_keys(transaction.fetch(_IN_FORCE, bill_versions.c.bill_id, pc.unique(names).to_pylist()))
    return keys[isin_sorted(keys, _obligation_keys(bills)[0])]  # another payee may have a bill of this name


def latest_versions(transaction: Transaction, bill_ids: pa.ChunkedArray) -> pa.Table:
    """Return the latest version of each bill, also a withdrawn one: ``id, version, withdrawn`` and all fields."""
    columns = (bill_versions.c[name] for name in ("id", "version", "withdrawn", *_FIELDS))
    statement = select(*columns).where(not_referenced("bill_versions", "replaces_id", None))
    return transaction.fetch(statement, bill_versions.c.bill_id, bill_ids.to_pylist())


def _reject_reopened(transaction: Transaction, bills: pa.Table, earlier: pa.Table) -> None:
    """Raise for every open bill that the ledger has as superseded, and whose number the register has replaced.

    Its debt would be billed by two slips: that happens if the file of an earlier issue is added after the re-issue.
    """
    superseded = earlier.column("bill_id").filter(pc.equal(earlier.column("status"), BillStatus.SUPERSEDED.value))
    is_open = pc.equal(bills.column("status"), BillStatus.OPEN.value)
    opened = bills.column("bill_id").filter(pc.and_(is_open, pc.is_in(bills.column("bill_id"), combine(superseded))))
    slips = transaction.fetch(
        select(slip_numbers.c.id, slip_numbers.c.bill_id), slip_numbers.c.bill_id, opened.to_pylist()
    )
    columns = select(slip_numbers.c.replaces_id, slip_numbers.c.bill_id)
    replacing = transaction.fetch(columns, slip_numbers.c.replaces_id, to_numpy(slips.column("id"), 0)).to_pylist()
    if replacing:
        names = dict(zip(slips.column("id").to_pylist(), slips.column("bill_id").to_pylist(), strict=True))
        found = sorted((names[row["replaces_id"]], row["bill_id"]) for row in replacing)
        issues = [
            Issue("SLIP_SUPERSEDED", field="bill_id", expected=new, found=old) for old, new in found[:_MAX_ISSUES]
        ]
        raise InvalidInputError(issues, "the bills were rejected; nothing was added")


def _compare(bills: pa.Table, earlier: pa.Table | None) -> tuple[Int64Array, Int64Array, BoolArray, BoolArray]:
    """Compare bills with their latest versions.

    Returns:
        The id of the version that each replaces, 0 for none; its own number of version; whether the bill is new, or
        was withdrawn; whether it is unchanged.
    """
    count = len(bills)
    replaced, version = np.zeros(count, np.int64), np.ones(count, np.int64)
    is_new, is_unchanged = np.ones(count, np.bool_), np.zeros(count, np.bool_)
    if earlier is None or not len(earlier):
        return replaced, version, is_new, is_unchanged
    found = pc.index_in(bills.column("bill_id"), value_set=combine(earlier.column("bill_id")))
    rows = np.flatnonzero(~to_bool(found.is_null()))
    stored = earlier.take(found.drop_null())
    was_withdrawn = to_numpy(stored.column("withdrawn"), 0) == 1
    replaced[rows] = to_numpy(stored.column("id"), 0)
    version[rows] = to_numpy(stored.column("version"), 0) + 1
    is_new[rows] = was_withdrawn
    is_unchanged[rows] = ~differs(_complete(bills.take(int64_array(rows))), stored, _FIELDS) & ~was_withdrawn
    return replaced, version, is_new, is_unchanged


def _complete(bills: pa.Table) -> pa.Table:
    """Return encoded bills with a column for every field."""
    fields = RECORD_FIELDS["bill_versions"]
    columns = {
        field.name: bills.column(field.name) if field.name in bills.column_names else pa.nulls(len(bills), field.type)
        for field in fields
    }
    return pa.table(columns)


def _add_versions(
    writer: EntryWriter, bills: pa.Table, replaced: Int64Array, version: Int64Array, withdrawn: Int64Array | None = None
) -> Int64Array:
    """Insert versions of bills and return their ids."""
    columns = {
        **{name: bills.column(name) for name in bills.column_names},
        "version": int64_array(version),
        "withdrawn": int64_array(np.zeros(len(bills), np.int64) if withdrawn is None else withdrawn),
    }
    if replaced.any():
        columns["replaces_id"] = pc.if_else(bool_array(replaced > 0), int64_array(replaced), _NULL_INT)
    return writer.add_rows("bill_versions", pa.table(columns))


def _require_own_slips(transaction: Transaction, obligations: Int64Array, summary: str) -> None:
    """Raise if a bill in force covers one of some obligations (keys, a set) that no bill in force bills by itself."""
    keys, rows = find_pairs(transaction, "bill_versions", obligations)
    stored = bills_by_id(transaction, rows, ("bill_id", "payee_code", "obligation_id", "covers"))
    own, covered = _obligation_keys(stored)
    missing = isin_sorted(keys, difference_sorted(sorted_unique(covered[isin_sorted(covered, obligations)]), own))
    covering = filter_rows(stored, isin_sorted(to_numpy(stored.column("id"), 0), sorted_unique(rows[missing])))
    names = covering.filter(covering.column("covers").is_valid()).column("bill_id").to_pylist()
    if names:
        issues = [Issue("OBLIGATION_UNKNOWN", field="covers", found=name) for name in sorted(names)[:_MAX_ISSUES]]
        raise InvalidInputError(issues, summary)


def _keys_of_earlier_rows(writer: EntryWriter, keys: Int64Array) -> Int64Array:
    """Return the affected keys that also occur on receipts; the others affect no receipt.

    Keys of bills that only lead to other bills can affect receipts as well: those that occur on earlier bills remain.
    """
    found = [_NO_KEYS]
    for start in range(0, len(keys), _CHUNK):
        batch = keys[start : start + _CHUNK]
        of_bills, rows = find_pairs(writer, "bill_versions", batch)
        found.append(find_pairs(writer, "receipts", batch)[0])
        found.append(of_bills[rows <= writer.before["bill_versions"]])
    return sorted_unique(np.concatenate(found))


def restate_bills(writer: EntryWriter, load: int, reversed_ids: set[int]) -> Int64Array:
    """Write the state of the bills of a load as if only the active loads had been added.

    The state of a bill is its latest version that an active load has added; without one the bill is withdrawn. Only a
    bill whose state changes gets a new version.

    Args:
        writer: the entry that reverses the load, or restores it.
        load: the entry of the load.
        reversed_ids: the entries that are not active, including this reversal.

    Returns:
        The keys of the components to be matched again.

    Raises:
        InvalidInputError: a bill in force covers an obligation that would not be billed by itself.
    """
    affected, obligations = [_NO_KEYS], [_NO_KEYS]
    ids = rows_of_entry(writer, "bill_versions", load)
    for start in range(0, len(ids), BATCH_ROWS):
        bill_ids = writer.rows("bill_versions", ids[start : start + BATCH_ROWS], ("bill_id",)).column("bill_id")
        current = latest_versions(writer, bill_ids).sort_by("bill_id")
        wanted = _loaded_versions(writer, bill_ids, reversed_ids)
        row = pc.index_in(current.column("bill_id"), value_set=combine(wanted.column("bill_id")))
        is_loaded = ~to_bool(row.is_null())
        # A withdrawn bill keeps its last fields.
        fields = current.select(_FIELDS)
        target = pa.concat_tables([wanted.select(_FIELDS).take(row.drop_null()), filter_rows(fields, ~is_loaded)])
        order = np.concatenate([np.flatnonzero(is_loaded), np.flatnonzero(~is_loaded)])
        current = current.take(int64_array(order))
        withdrawn = (~is_loaded)[order].astype(np.int64)
        changed = differs(target, current, _FIELDS) | (withdrawn != to_numpy(current.column("withdrawn"), 0))
        target, current, withdrawn = filter_rows(target, changed), filter_rows(current, changed), withdrawn[changed]
        version = to_numpy(current.column("version"), 0) + 1
        new_ids = _add_versions(writer, target, to_numpy(current.column("id"), 0), version, withdrawn)
        keys, rows = bill_keys(target)
        writer.add_keys("bill_versions", keys, new_ids[rows])
        affected += [keys, bill_keys(current)[0]]
        obligations += [*_obligation_keys(target), *_obligation_keys(current)]
    writer.flush_keys()
    summary = "nothing was reversed; reverse the load of the covering bills first"
    _require_own_slips(writer, sorted_unique(np.concatenate(obligations)), summary)
    return sorted_unique(np.concatenate(affected))


def _loaded_versions(transaction: Transaction, bill_ids: pa.ChunkedArray, reversed_ids: set[int]) -> pa.Table:
    """Return the latest version of each bill that an active load has added: all fields."""
    loads = select(entries.c.id).where(entries.c.kind.in_([kind.value for kind in BILL_KINDS]))
    is_loaded = and_(bill_versions.c.entry_id.in_(loads), bill_versions.c.entry_id.not_in(sorted(reversed_ids)))
    latest = select(func.max(bill_versions.c.id).label("id")).where(is_loaded).group_by(bill_versions.c.bill_id)
    found = transaction.fetch(latest, bill_versions.c.bill_id, bill_ids.to_pylist())
    return bills_by_id(transaction, to_numpy(found.column("id"), 0), _FIELDS, superseded=True)
