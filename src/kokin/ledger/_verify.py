"""Verify a ledger: recompute the chains of hashes, compare the match index, and match all receipts again if asked."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError, ProgrammingError

from kokin._arrow.convert import Int64Array, to_numpy
from kokin._arrow.threads import difference_sorted, isin_sorted, sorted_union, sorted_unique
from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger._codec import canonical_rows, filter_rows
from kokin.ledger._components import (
    BILL_KEY_COLUMNS,
    OUTCOME_COLUMNS,
    RECEIPT_COLUMNS,
    add_last_posting,
    bill_keys,
    find_components,
    find_pairs,
    index_error,
    receipt_keys,
    require_complete,
)
from kokin.ledger._database import BATCH_ROWS, Definition, LedgerError, Transaction
from kokin.ledger._decisions_in_force import decisions_in_force
from kokin.ledger._journal import GENESIS_HASH, TableEnd, chain_hashes, table_ends
from kokin.ledger._rematch import differs, match_receipts, outcome_columns
from kokin.ledger._schema import (
    DETAIL_TABLES,
    FIRST_VERSION,
    KEY_KINDS,
    SCHEMA_VERSION,
    TABLES,
    entries,
    schema_versions,
    seals,
)
from kokin.reconcile import Policy

# What reading raises for rows that match their hashes but that Kokin cannot have written.
_UNREADABLE = (
    *(pa.ArrowException, LedgerError, InvalidInputError),
    *(ValueError, TypeError, LookupError, OverflowError, AttributeError, RecursionError),
)


@dataclass
class Verification:
    """The result of :meth:`Ledger.verify`."""

    rows: dict[str, int] = field(default_factory=dict)
    """The id of the last verified row of each table: that before the first changed one."""
    issues: list[Issue] = field(default_factory=list)
    """What differs: ``location`` has the table as its file and the id of the row as its record."""
    hash: str = ""
    """The hash of the last entry, which covers everything before it."""

    @property
    def is_clean(self) -> bool:
        """Whether no row was changed."""
        return not self.issues


@dataclass
class _Start:
    """Where the verification begins: after an entry whose hash is trusted, or before the first one."""

    entry: int = 0
    hash: bytes = GENESIS_HASH
    ends: Mapping[str, TableEnd] = field(default_factory=lambda: dict.fromkeys(DETAIL_TABLES, TableEnd()))
    key_counts: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(KEY_KINDS, 0))


@dataclass
class _TableEnds:
    """The last row of a table after each entry, according to the seals."""

    entries: list[int]
    ids: list[int]
    hashes: dict[int, bytes]

    def entry_of(self, ids: Int64Array) -> Int64Array:
        """Return the entry that added each row: the first whose last row is not before it; 0 if there is none."""
        position = np.searchsorted(np.array(self.ids, np.int64), ids)
        return np.array([*self.entries, 0], np.int64)[position]


def verify(transaction: Transaction, policy: Policy, *, since: str, expected_hash: str, rematch: bool) -> Verification:
    """See :meth:`kokin.ledger.Ledger.verify`."""
    result = Verification()
    for name, text in {"since": since, "expected_hash": expected_hash}.items():
        if text and not re.fullmatch("[0-9a-fA-F]{64}", text):
            issue = Issue("LEDGER_SEAL_FORMAT", field=name, expected="64 hexadecimal digits", found=text[:64])
            return Verification(issues=[issue])
    changed = _changed_definitions(transaction)
    try:
        _verify_contents(transaction, policy, since, expected_hash, rematch=rematch, out=result)
    except (ProgrammingError, OperationalError) as error:
        if error.connection_invalidated or not any(each.kind in ("table", "column") for each in changed):
            raise  # else a table or a column is missing, or has another type
    for table in sorted({each.table for each in changed}):
        names = sorted({f"{each.kind} {each.name}" for each in changed if each.table == table})
        result.issues.append(Issue("LEDGER_GUARD", field=", ".join(names), location=Location(table)))
    return result


def _verify_contents(
    transaction: Transaction, policy: Policy, since: str, expected_hash: str, *, rematch: bool, out: Verification
) -> None:
    start = _start(transaction, since) if since else _Start()
    ends = _verify_seals(transaction, start, expected_hash, out=out) if start else {}
    if start is None:
        out.issues.append(_unknown_hash("since", since, ""))
    for name, table_end in ends.items() if out.is_clean else ():
        _verify_rows(transaction, name, start.ends[name] if start else TableEnd(), table_end, out=out)
    try:
        if start and out.is_clean:
            out.issues += _check_index(transaction, start)
        if out.is_clean and rematch:
            out.issues += _changed_outcomes(transaction, policy)
    except _UNREADABLE:
        out.issues.append(Issue("LEDGER_ROW_CHANGED", location=Location("receipts")))
    out.issues += _check_versions(transaction)


def _check_versions(transaction: Transaction) -> Iterator[Issue]:
    """Yield the first row that differs from one per schema version, from the first of the ledger to this version's."""
    table = schema_versions
    try:
        rows = transaction.table(select(table).order_by(table.c.version))
    except _UNREADABLE:
        yield Issue("LEDGER_ROW_CHANGED", location=Location(table.name))
        return
    versions = rows.column("version").to_pylist()
    first = next((version for version in versions if version is not None), SCHEMA_VERSION)
    expected = max(first, FIRST_VERSION)
    for version, row in zip(versions, rows.to_pylist(), strict=True):
        if version != expected or version > SCHEMA_VERSION:
            is_added = version is None or version < expected or version > SCHEMA_VERSION
            yield Issue(
                "LEDGER_ROW_ADDED" if is_added else "LEDGER_ROW_MISSING", location=Location(table.name, version)
            )
            return
        if None in row.values():
            yield Issue("LEDGER_ROW_CHANGED", location=Location(table.name, version))
            return
        expected += 1
    if expected <= SCHEMA_VERSION:
        yield Issue("LEDGER_ROW_MISSING", location=Location(table.name, expected))


def _changed_definitions(transaction: Transaction) -> list[Definition]:
    """Return the definitions that are missing or changed, and other triggers and rules than those of a new ledger."""
    found = Counter(transaction.database.definitions(transaction.connection))
    expected = Counter(transaction.database.expected_definitions(transaction.connection))
    added = [each for each in found - expected if each.kind in ("trigger", "rule")]
    return [*(expected - found), *added]


def _unknown_hash(name: str, expected: str, found: str) -> Issue:
    return Issue("LEDGER_SEAL", field=name, expected=expected, found=found, location=Location("entries"))


def _start(transaction: Transaction, since: str) -> _Start | None:
    """Return the state after the entry that has a hash; None if no entry has it."""
    try:
        row = transaction.table(select(seals).where(seals.c.hash == bytes.fromhex(since))).to_pylist()[0]
        return _Start(row["entry_id"], row["hash"], table_ends(row["last_rows"]), json.loads(row["key_counts"]))
    except _UNREADABLE:
        return None


def _verify_seals(
    transaction: Transaction, start: _Start, expected_hash: str, *, out: Verification
) -> dict[str, _TableEnds]:
    """Verify the chain of entries and seals; return the last rows of every table, by entry."""
    ends = {name: _TableEnds([], [], {end.id: end.hash}) for name, end in start.ends.items()}
    # The hash before the first entry is that of no entry.
    is_known = not expected_hash or (start.entry > 0 and bytes.fromhex(expected_hash) == start.hash)
    previous_hash, last = start.hash, start.entry
    out.hash, out.rows["entries"] = previous_hash.hex() if last else "", last
    sealed = [column for column in seals.c if column.name != "entry_id"]
    statement = select(entries, seals.c.entry_id, *sealed).select_from(entries.outerjoin(seals))
    for batch in _batches(transaction, statement, entries.c.id, last):
        if batch is None:
            return _report(out, "LEDGER_ROW_CHANGED", "entries", last + 1)
        texts = zip(*(canonical_rows(batch.select(table.c.keys())) for table in (entries, seals)), strict=True)
        rows = zip(*(batch.column(name).to_pylist() for name in ("id", "entry_id", "hash", "last_rows")), strict=True)
        for (entry_text, seal_text), (entry, seal, stored, last_rows) in zip(texts, rows, strict=True):
            computed = chain_hashes(previous_hash, [entry_text + seal_text])[0]
            if entry != last + 1 or (seal is not None and (seal != entry or stored != computed)):
                return _report(out, _row_code(entry, last), "entries", last + 1)
            if seal is None:
                return _report(out, "LEDGER_ROW_MISSING", "seals", entry)
            try:
                for name, end in table_ends(last_rows).items():
                    ends[name].entries.append(entry)
                    ends[name].ids.append(end.id)
                    ends[name].hashes[end.id] = end.hash
            except _UNREADABLE:
                return _report(out, "LEDGER_ROW_CHANGED", "seals", entry)
            previous_hash, last = computed, entry
            is_known = is_known or computed.hex() == expected_hash.lower()
            out.hash, out.rows["entries"] = computed.hex(), last
    following = select(seals.c.entry_id).where(seals.c.entry_id == last + 1)
    if not last or transaction.connection.execute(following).first():
        return _report(out, "LEDGER_ROW_MISSING", "entries", last + 1)
    for name in ("entries", "seals"):  # another seal, or a null or duplicate id, which needs the keys to be dropped
        if _count(transaction, name) != last:
            return _report(out, "LEDGER_ROW_ADDED", name, last + 1)
    if not is_known:
        out.issues.append(_unknown_hash("hash", expected_hash, out.hash))
    return ends


def _batches(transaction: Transaction, statement: Any, key: Any, after: int) -> Iterator[pa.Table | None]:
    """Yield the rows of a statement after a key, in its order; None, at the end, for a row that cannot be read.

    From the start of a table they are read without a lower bound: a row before the first must be found.
    """
    following, size = statement.where(key > after) if after else statement, BATCH_ROWS
    while True:
        try:
            batch = transaction.table(following.order_by(key).limit(size))
        except (pa.ArrowException, LedgerError):
            if size == 1:
                yield None
                return
            size = 1  # locate the row
            continue
        if len(batch):
            yield batch
        if len(batch) < size:
            return
        following = statement.where(key > batch.column("id")[-1].as_py())


def _row_code(row: int | None, last: int) -> str:
    """Return the code for the row that follows the last verified one but does not match."""
    if row is None or row <= last:
        return "LEDGER_ROW_ADDED"
    return "LEDGER_ROW_MISSING" if row > last + 1 else "LEDGER_ROW_CHANGED"


def _report(out: Verification, code: str, table: str, row: int | None) -> dict[str, _TableEnds]:
    out.issues.append(Issue(code, location=Location(table, row)))
    return {}


def _count(transaction: Transaction, name: str) -> int:
    return int(transaction.connection.execute(select(func.count()).select_from(TABLES[name])).scalar_one())


def _verify_rows(transaction: Transaction, name: str, start: TableEnd, ends: _TableEnds, *, out: Verification) -> None:
    """Verify the rows of a detail table, up to the first changed one."""
    table = TABLES[name]
    previous_hash, last = start.hash, start.id
    end = ends.ids[-1] if ends.ids else last
    out.rows[name] = last
    for batch in _batches(transaction, select(table), table.c.id, last):
        if batch is None:
            _report(out, "LEDGER_ROW_CHANGED", name, last + 1)
            return
        ids, hashes = batch.column("id").to_pylist(), batch.column("hash").to_pylist()
        of_entry = ends.entry_of(to_numpy(batch.column("id"), 0)) == to_numpy(batch.column("entry_id"), 0)
        computed_hashes = chain_hashes(previous_hash, canonical_rows(batch))
        # Stored and computed hashes are equal up to the first changed row.
        for row, stored, computed, is_of_entry in zip(ids, hashes, computed_hashes, of_entry.tolist(), strict=True):
            is_valid = row == last + 1 and stored == computed and ends.hashes.get(row, computed) == computed
            if not is_valid or (row <= end and not is_of_entry):
                code = "LEDGER_ROW_ADDED" if last == end else _row_code(row, last)
                _report(out, code, name, last + 1 if row is None or row > last else row)
                return
            previous_hash, last = computed, row
            out.rows[name] = last
    count = _count(transaction, name)
    if last != end:
        _report(out, "LEDGER_ROW_MISSING" if last < end else "LEDGER_ROW_ADDED", name, min(last, end) + 1)
    elif count < last:  # before the start
        _report(out, "LEDGER_ROW_MISSING", name, None)
    elif count > last:  # a null or duplicate id, possible without the primary key
        _report(out, "LEDGER_ROW_ADDED", name, last + 1)


def _check_index(transaction: Transaction, start: _Start) -> Iterator[Issue]:
    """Yield the problems of the match index: another number of keys than sealed, or a row without its keys."""
    try:
        last = transaction.table(select(seals).order_by(seals.c.entry_id.desc()).limit(1)).to_pylist()[0]
        require_complete(transaction, last)
        counts = json.loads(last["key_counts"])
        added = {kind: count - start.key_counts[kind] for kind, count in counts.items()}
        if _count(transaction, "match_keys") != sum(counts.values()):
            yield Issue("LEDGER_KEYS", field="kind", location=Location("match_keys"))
    except LedgerError as error:
        yield from error.issues
        return
    for kind in KEY_KINDS:
        expected = 0
        table, columns = TABLES[kind], RECEIPT_COLUMNS if kind == "receipts" else ("obligation_id", *BILL_KEY_COLUMNS)
        selected = select(table.c.id, *(table.c[name] for name in dict.fromkeys(columns)))
        for batch in _batches(transaction, selected, table.c.id, start.ends[kind].id):
            if batch is None:
                yield Issue("LEDGER_ROW_CHANGED", location=Location(kind))
                return
            keys, rows = (receipt_keys if kind == "receipts" else bill_keys)(batch)
            ids = to_numpy(batch.column("id"), 0)[rows]
            pairs, found = _pair_ids(keys, ids), np.sort(_pair_ids(*find_pairs(transaction, kind, sorted_unique(keys))))
            missing = ids[~isin_sorted(pairs, found)]
            if len(missing):
                yield Issue("LEDGER_KEYS", field=kind, location=Location(kind, int(missing.min())))
                return
            expected += len(sorted_unique(pairs))
        if expected != added[kind]:
            yield from index_error(kind, str(expected), str(added[kind])).issues


def _pair_ids(keys: Int64Array, rows: Int64Array) -> Int64Array:
    """Return one hash of each pair: int64 (n,). A collision would hide a missing pair; it is improbable."""
    return keys + rows * np.int64(0x1E3779B97F4A7C15)


def _changed_outcomes(transaction: Transaction, policy: Policy) -> Iterator[Issue]:
    """Yield an issue for each active posting whose outcome differs from the outcome under the current rule."""
    table = TABLES["receipts"]
    seen = np.empty(0, np.int64)
    selected = select(table.c.id, *(table.c[name] for name in RECEIPT_COLUMNS))
    for batch in _batches(transaction, selected, table.c.id, 0):
        if batch is None:
            raise LedgerError("a receipt cannot be read")
        keys = sorted_unique(receipt_keys(batch)[0])
        components = find_components(transaction, difference_sorted(keys, seen))
        seen = sorted_union(seen, components.keys)
        receipts = add_last_posting(transaction, components.receipts)
        active = filter_rows(receipts, to_numpy(receipts.column("reverses_id"), -1) < 0)
        decisions = decisions_in_force(transaction, receipts=to_numpy(receipts.column("id"), 0))
        result = match_receipts(components.bills, active, policy, decisions)
        expected = outcome_columns(result, components.bills, active)
        for posting in filter_rows(active, differs(expected, active, OUTCOME_COLUMNS)).column("posting").to_pylist():
            yield Issue("LEDGER_OUTCOME", field="outcome", location=Location("postings", posting))
