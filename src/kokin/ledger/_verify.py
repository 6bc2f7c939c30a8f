"""Verify a ledger: recompute the chains of hashes, compare the match index, and match all receipts again if asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import func, select

from kokin._arrow.convert import to_numpy
from kokin._arrow.threads import difference_sorted, sorted_union, sorted_unique
from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger._codec import decode_records, filter_rows
from kokin.ledger._components import OUTCOME_COLUMNS, add_last_posting, find_components
from kokin.ledger._database import BATCH_ROWS, LedgerError, Transaction
from kokin.ledger._journal import GENESIS_HASH, chain_hashes, row_bytes
from kokin.ledger._keys import receipt_keys
from kokin.ledger._match_index import check_pages, check_pairs, require_complete, scan
from kokin.ledger._rematch import differs, match_receipts, outcome_columns
from kokin.ledger._schema import AMOUNT, APPEND_ONLY_TABLES, DETAIL_TABLES, INDEX_KINDS, TABLES
from kokin.reconcile import Policy

# What reading raises for rows that match their hashes but that Kokin cannot have written.
_UNREADABLE = (pa.ArrowException, LedgerError, InvalidInputError, ValueError, TypeError, LookupError, OverflowError)


@dataclass
class Verification:
    """The result of :meth:`Ledger.verify`."""

    rows: dict[str, int] = field(default_factory=dict)
    """The number of verified rows of each table, up to the first changed one."""
    issues: list[Issue] = field(default_factory=list)
    """What differs: ``location`` has the table as its file and the id of the row as its record."""
    hash: str = ""
    """The hash of the last entry, which covers everything before it."""

    @property
    def is_clean(self) -> bool:
        """Whether no row was changed."""
        return not self.issues


def verify(transaction: Transaction, policy: Policy, *, expected_hash: str, rematch: bool) -> Verification:
    """See :meth:`kokin.ledger.Ledger.verify`."""
    result = Verification()
    if expected_hash and not re.fullmatch("[0-9a-fA-F]{64}", expected_hash):
        expected = "64 hexadecimal digits"
        issue = Issue("LEDGER_SEAL_FORMAT", field="expected_hash", expected=expected, found=expected_hash[:64])
        return Verification(issues=[issue])
    end_hashes: dict[str, dict[int, bytes]] = {name: {} for name in DETAIL_TABLES}
    is_known = not expected_hash
    last: dict[str, Any] = {}
    for batch in _walk(transaction, "entries", {}, out=result):
        for name in DETAIL_TABLES:
            ends, hashes = batch.column(name).to_pylist(), batch.column(f"{name}_hash").to_pylist()
            end_hashes[name].update({end: value for end, value in zip(ends, hashes, strict=True) if end})
        hashes = batch.column("hash").to_pylist()
        result.hash = hashes[-1].hex()
        is_known = is_known or bytes.fromhex(expected_hash) in hashes
        last = batch.slice(len(batch) - 1).to_pylist()[0]
    if not last and result.is_clean:
        result.issues.append(Issue("LEDGER_ROW_MISSING", location=Location("entries", 1)))
    if not is_known and result.is_clean:
        location = Location("entries")
        result.issues.append(
            Issue("LEDGER_SEAL", field="hash", expected=expected_hash, found=result.hash, location=location)
        )
    if not result.is_clean:
        return result
    for name in DETAIL_TABLES:
        for _ in _walk(transaction, name, end_hashes[name], out=result):
            pass
    if result.is_clean:
        result.issues += _check_index(transaction, last)
    if result.is_clean and rematch:
        try:
            result.issues += _changed_outcomes(transaction, policy)
        except _UNREADABLE:
            result.issues.append(Issue("LEDGER_ROW_CHANGED", field="body", location=Location("receipts")))
    return result


def _check_index(transaction: Transaction, last: Mapping[str, Any]) -> list[Issue]:
    """Return the problems of the match index: invalid rows, another number than in the last entry, missing pairs."""
    try:
        if issue := check_pages(transaction):
            return [issue]
        require_complete(transaction, last)
    except LedgerError as error:
        return error.issues or [Issue("LEDGER_LINKS", location=Location("links"))]
    issues = []
    for kind in INDEX_KINDS:
        try:
            issues.append(check_pairs(transaction, kind))
        except _UNREADABLE:
            issues.append(Issue("LEDGER_ROW_CHANGED", field="body", location=Location(kind)))
    return [issue for issue in issues if issue]


def _walk(
    transaction: Transaction, name: str, end_hashes: dict[int, bytes], *, out: Verification
) -> Iterator[pa.Table]:
    """Yield the rows of a table whose hashes match, in batches, up to the first changed row; add its issue to ``out``.

    ``end_hashes`` are the hashes of the last row of each entry, by the id of that row, according to the entries.
    """
    table = TABLES[name]
    previous_hash, last = GENESIS_HASH, 0
    end = max(end_hashes, default=0)
    # Without a lower bound: a row before the first must be found.
    following = select(table).order_by(table.c.id)

    def report(code: str, row: int) -> None:
        out.issues.append(Issue(code, field="", location=Location(name, row)))

    size = BATCH_ROWS
    while True:
        try:
            batch = transaction.table(following.limit(size))
            rows = row_bytes(batch, APPEND_ONLY_TABLES[name])
        except (pa.ArrowException, InvalidInputError, LedgerError):
            # A value that the ledger cannot have written: locate its row one by one.
            if size > 1:
                size = 1
                continue
            return report("LEDGER_ROW_CHANGED", last + 1)
        if not len(batch):
            break
        ids = to_numpy(batch.column("id"), 0).tolist()
        hashes = batch.column("hash").to_pylist()
        # Stored and computed hashes are equal up to the first changed row.
        matching = 0
        for row_id, stored, computed in zip(ids, hashes, chain_hashes(previous_hash, rows), strict=True):
            if row_id != last + 1 or stored != computed or end_hashes.get(row_id, computed) != computed:
                break
            previous_hash, last, matching = computed, row_id, matching + 1
        out.rows[name] = last
        if matching:
            yield batch.slice(0, matching)
        if matching < len(batch):
            row = ids[matching]
            if row <= last:
                return report("LEDGER_ROW_ADDED", row)
            return report("LEDGER_ROW_MISSING" if row > last + 1 else "LEDGER_ROW_CHANGED", last + 1)
        if len(batch) < size:
            break
        following = select(table).where(table.c.id > last).order_by(table.c.id)
    out.rows[name] = last
    if name != "entries" and last != end:
        return report("LEDGER_ROW_MISSING" if last < end else "LEDGER_ROW_ADDED", last + 1)
    # A row with a null or duplicate id, possible after the owner has dropped the primary key.
    count = transaction.connection.execute(select(func.count()).select_from(table)).scalar_one()
    if count != last:
        report("LEDGER_ROW_ADDED", last + 1)
    return None


def _changed_outcomes(transaction: Transaction, policy: Policy) -> Iterator[Issue]:
    """Yield an issue for each active posting whose outcome differs from the outcome under the current rule."""
    table = TABLES["receipts"]
    seen = np.empty(0, np.int64)
    for batch in scan(transaction, select(table.c.id, table.c[AMOUNT], table.c.body), table.c.id):
        keys = sorted_unique(receipt_keys(decode_records("receipts", batch))[0])
        components = find_components(transaction, difference_sorted(keys, seen))
        seen = sorted_union(seen, components.keys)
        receipts = add_last_posting(transaction, components.receipts)
        active = filter_rows(receipts, to_numpy(receipts.column("reverses"), -1) < 0)
        result = match_receipts(components.bills, active, policy)
        expected = outcome_columns(result, components.bills, active)
        for posting in filter_rows(active, differs(expected, active, OUTCOME_COLUMNS)).column("posting").to_pylist():
            yield Issue("LEDGER_VERDICT", field="outcome", location=Location("postings", posting))
