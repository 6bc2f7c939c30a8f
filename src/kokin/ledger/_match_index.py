"""Match index: from 64-bit keys to the rows that have them, in sorted runs (as in a log-structured merge tree).

A *pair* is a key and the id of a row. A *run* is a sorted set of pairs, split into pages: a row of the table ``links``
has some thousand keys, followed by their row ids. A run is never changed; a new run absorbs earlier runs that are not
larger, so there are few. A lookup of few keys reads the pages that can contain them, a lookup of many scans the runs.
Both are cheaper than a database index with an entry per key, which would cost as much as the row itself.

The index is derived from the append-only tables: :func:`check_pairs` compares it with them, :func:`rebuild` writes it
again. Each entry has the number of pairs, so that an incomplete index is detected before it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
from sqlalchemy import RowMapping, delete, func, select

from kokin._arrow.convert import Int64Array, to_numpy
from kokin._arrow.threads import isin_sorted, sorted_unique
from kokin.issues import Issue, Location
from kokin.ledger._codec import decode_data, decode_records
from kokin.ledger._database import BATCH_ROWS, LedgerError, Transaction
from kokin.ledger._keys import BILL_KEY_COLUMNS, bill_keys, receipt_keys, text_keys
from kokin.ledger._schema import AMOUNT, INDEX_KINDS, TABLES, pair_count_column

if TYPE_CHECKING:
    from kokin.ledger._database import Statement
    from kokin.ledger._journal import EntryWriter

#: Keys and row ids: int64 (k,) and (k,).
Pairs: TypeAlias = tuple[Int64Array, Int64Array]

#: Pairs that are written at once, and the largest size of a run.
MAX_PAIRS = 1 << 22

_LINKS = TABLES["links"]

_PAIR_BYTES = 16

# Pairs per page: a page of this size costs little more to read than one pair.
_PAGE_PAIRS = 1 << 13
# Pages that are read per statement of a lookup, and of a check: 128 KiB each.
_PAGES_PER_LOOKUP, _PAGES_PER_CHECK = 1 << 8, 1 << 6
# An id at most; the databases accept twice this.
_MAX_ID = 1 << 62


def find_pairs(transaction: Transaction, kind: str, keys: Int64Array) -> Pairs:
    """Return the pairs of some keys (sorted, unique), in the order of key and row."""
    found = [np.empty((2, 0), np.int64)]
    for pairs in _candidate_pages(transaction, kind, keys):
        first, end = np.searchsorted(keys, pairs[0, [0, -1]])
        if end - first < pairs.shape[1]:
            found.append(_pairs_of_keys(pairs, keys[first : end + 1]))
        else:
            position = np.searchsorted(keys[first : end + 1], pairs[0])
            found.append(pairs[:, keys[first : end + 1].take(position, mode="clip") == pairs[0]])
    return _sort_unique(*np.concatenate(found, axis=1))


def _pairs_of_keys(pairs: Int64Array, keys: Int64Array) -> Int64Array:
    """Return the pairs of a page, int64 (2, n), whose key is one of a few."""
    first, end = (np.searchsorted(pairs[0], keys, side) for side in ("left", "right"))
    return pairs[:, concat_ranges(first, end)]


def concat_ranges(first: Int64Array, end: Int64Array) -> Int64Array:
    """Return the integers of half-open ranges: ``[2, 7], [4, 8]`` gives ``[2, 3, 7]``."""
    count = end - first
    return np.repeat(first - (np.cumsum(count) - count), count) + np.arange(count.sum())


def _candidate_pages(transaction: Transaction, kind: str, keys: Int64Array) -> Iterator[Int64Array]:
    """Yield the pages that can contain one of some keys: int64 (2, n) each, keys and rows."""
    if not len(keys):
        return
    bounds = select(_LINKS.c.id, _LINKS.c.low, _LINKS.c.high).where(_LINKS.c.kind == kind)
    ids, low, high = (to_numpy(column, 0) for column in transaction.table(bounds.order_by(_LINKS.c.id)).columns)
    ids = ids[np.searchsorted(keys, low) < np.searchsorted(keys, high, "right")]
    for start in range(0, len(ids), _PAGES_PER_LOOKUP):
        yield from _read_pages(transaction, ids[start : start + _PAGES_PER_LOOKUP])


def _read_pages(transaction: Transaction, ids: Int64Array) -> Iterator[Int64Array]:
    rows = transaction.rows("links", ids, ("pairs",))
    for row_id, data in zip(rows.column("id"), rows.column("pairs"), strict=True):
        pairs = _decode_page(data)
        if pairs is None:
            raise _index_error(Location("links", row_id.as_py()))
        yield pairs


def _decode_page(data: pa.BinaryScalar) -> Int64Array | None:
    """Return the keys and rows of a page: int64 (2, n); None if it is truncated."""
    pairs = data.as_buffer()
    return np.frombuffer(pairs, "<i8").reshape(2, -1) if pairs is not None and pairs.size % _PAIR_BYTES == 0 else None


def _index_bytes(transaction: Transaction) -> dict[str, int]:
    """Return the bytes of all pairs of each kind."""
    rows = select(_LINKS.c.kind, func.sum(func.length(_LINKS.c.pairs))).group_by(_LINKS.c.kind)
    found = {kind: int(size or 0) for kind, size in transaction.connection.execute(rows).all()}
    return {kind: found.get(kind, 0) for kind in INDEX_KINDS}


def require_complete(transaction: Transaction, last: Mapping[str, Any] | RowMapping | None) -> None:
    """Compare the number of pairs of each kind with that of the last entry.

    Raises:
        LedgerError: pairs are missing or were added: matching would not find earlier payments.
    """
    if last:
        for kind, size in _index_bytes(transaction).items():
            expected = last[pair_count_column(kind)] or 0
            if size != expected * _PAIR_BYTES:
                raise _index_error(Location("links"), kind, str(expected), str(size // _PAIR_BYTES))


def _index_error(location: Location, kind: str = "", expected: str = "", found: str = "") -> LedgerError:
    issue = Issue("LEDGER_LINKS", field=kind, expected=expected, found=found, location=location)
    return LedgerError("the match index is incomplete; nothing was written", [issue])


def _sort_unique(keys: Int64Array, rows: Int64Array) -> Pairs:
    """Return pairs in the order of key and row, without duplicates."""
    if len(keys) > 1 and not (keys[1:] > keys[:-1]).all():
        order = np.argsort(keys, kind="stable")
        keys, rows = keys[order], rows[order]
        if (keys[1:] == keys[:-1]).any():
            order = np.lexsort((rows, keys))
            keys, rows = keys[order], rows[order]
            is_first = np.ones(len(keys), np.bool_)
            is_first[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
            keys, rows = keys[is_first], rows[is_first]
    return keys, rows


def concat_pairs(parts: Sequence[Pairs]) -> Pairs:
    """Concatenate at least one array of pairs."""
    return np.concatenate([keys for keys, _ in parts]), np.concatenate([rows for _, rows in parts])


def add_pairs(transaction: Transaction, kind: str, keys: Int64Array, rows: Int64Array) -> int:
    """Write pairs as a new run that absorbs the earlier runs not larger than it; return the number of new pairs.

    With runs of 8, 1 and 1 pairs, 2 new pairs absorb both small runs: runs of 8 and 4 pairs remain.
    """
    keys, rows = _sort_unique(keys, rows)
    added = len(keys)
    runs = (
        select(_LINKS.c.run, func.sum(func.length(_LINKS.c.pairs)))
        .where(_LINKS.c.kind == kind)
        .group_by(_LINKS.c.run)
        .order_by(_LINKS.c.run.desc())
    )
    parts = [np.stack([keys, rows])]
    size = len(keys)
    for run, length in transaction.connection.execute(runs).all():
        count = int(length) // _PAIR_BYTES
        if count > size or size + count > MAX_PAIRS:
            break
        ids = transaction.table(select(_LINKS.c.id).where(_LINKS.c.kind == kind, _LINKS.c.run == run))
        parts += list(_read_pages(transaction, to_numpy(ids.column("id"), 0)))
        transaction.connection.execute(delete(_LINKS).where(_LINKS.c.kind == kind, _LINKS.c.run == run))
        size += count
    keys, rows = _sort_unique(*np.concatenate(parts, axis=1))
    last = transaction.connection.execute(select(func.max(_LINKS.c.id))).scalar_one() or 0
    pages = [
        {
            "id": last + 1 + start // _PAGE_PAIRS,
            "kind": kind,
            "run": last + 1,
            "low": int(keys[start]),
            "high": int(keys[min(start + _PAGE_PAIRS, len(keys)) - 1]),
            "pairs": np.stack([keys[start : start + _PAGE_PAIRS], rows[start : start + _PAGE_PAIRS]])
            .astype("<i8")
            .tobytes(),
        }
        for start in range(0, len(keys), _PAGE_PAIRS)
    ]
    if pages:
        transaction.connection.execute(_LINKS.insert(), pages)
    return added


def scan(transaction: Transaction, statement: Statement, key: Any, size: int = BATCH_ROWS) -> Iterator[pa.Table]:
    """Yield the rows of a statement in the order of a key, one query per batch (keyset pagination)."""
    ordered = statement.order_by(None).order_by(key).limit(size)
    batch = transaction.table(ordered)
    while len(batch):
        yield batch
        batch = transaction.table(ordered.where(key > int(to_numpy(batch.column("id"), 0)[-1])))


def _expected_pairs(transaction: Transaction, kind: str) -> Iterator[Pairs]:
    """Yield the pairs that follow from the append-only tables, in batches of rows."""
    table = TABLES[kind]
    columns = {"bills": ("id", "body"), "receipts": ("id", AMOUNT, "body"), "postings": ("id", "receipt")}[kind]
    for batch in scan(transaction, select(*(table.c[name] for name in columns)), table.c.id):
        ids = to_numpy(batch.column("id"), 0)
        match kind:
            case "bills":
                bills = decode_data("bills", batch.column("body"), ("bill_id", *BILL_KEY_COLUMNS))
                keys, rows = bill_keys(bills)
                yield keys, ids[rows]
                yield text_keys("bill_id", bills.column("bill_id")), ids
            case "receipts":
                keys, rows = receipt_keys(decode_records("receipts", batch))
                yield keys, ids[rows]
            case _:
                yield to_numpy(batch.column("receipt"), 0), ids


def rebuild(writer: EntryWriter) -> None:
    """Delete the index and write it from the append-only tables."""
    writer.connection.execute(delete(_LINKS))
    for kind in INDEX_KINDS:
        for keys, rows in _expected_pairs(writer, kind):
            writer.add_pairs(kind, keys, rows)
    writer.flush_pairs()


def check_pairs(transaction: Transaction, kind: str) -> Issue | None:
    """Return an issue for the first row without its pairs, or for surplus pairs; None for a correct index."""
    count = 0
    for keys, rows in _large_batches(_expected_pairs(transaction, kind)):
        count += len(sorted_unique(_pair_ids(keys, rows)))
        found_pairs = find_pairs(transaction, kind, sorted_unique(keys))
        missing = rows[~isin_sorted(_pair_ids(keys, rows), np.sort(_pair_ids(*found_pairs)))]
        if len(missing):
            return Issue("LEDGER_LINKS", field=kind, location=Location(kind, int(missing.min())))
    found = _index_bytes(transaction)[kind] // _PAIR_BYTES
    if found == count:
        return None
    return Issue("LEDGER_LINKS", field=kind, expected=str(count), found=str(found), location=Location("links"))


def check_pages(transaction: Transaction) -> Issue | None:
    """Return an issue for the first row of the index that is not a valid page; None if all are.

    The index has no chain of hashes, so its rows can contain anything.
    """
    for rows in scan(transaction, select(_LINKS), _LINKS.c.id, _PAGES_PER_CHECK):
        for row in rows.to_pylist():
            page = _decode_page(pa.scalar(row["pairs"], pa.binary()))
            is_numbered = 0 < (row["run"] or 0) <= row["id"] <= _MAX_ID
            if page is None or not page.shape[1] or row["kind"] not in INDEX_KINDS or not is_numbered:
                return Issue("LEDGER_LINKS", field="pairs", location=Location("links", row["id"]))
            if (row["low"], row["high"]) != (page[0, 0], page[0, -1]) or (page[0, 1:] < page[0, :-1]).any():
                return Issue("LEDGER_LINKS", field="low", location=Location("links", row["id"]))
    return None


def _large_batches(batches: Iterator[Pairs]) -> Iterator[Pairs]:
    """Yield the same pairs in larger batches, because each lookup may scan all runs."""
    pending: list[Pairs] = []
    for batch in batches:
        pending.append(batch)
        if sum(len(keys) for keys, _ in pending) > MAX_PAIRS:
            yield concat_pairs(pending)
            pending = []
    if pending:
        yield concat_pairs(pending)


def _pair_ids(keys: Int64Array, rows: Int64Array) -> Int64Array:
    """Return one hash of each pair: int64 (n,). A collision would hide a missing pair; it is improbable."""
    return keys + rows * np.int64(0x1E3779B97F4A7C15)
