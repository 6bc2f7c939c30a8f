"""The append-only journal: rows are chained by hashes, and each transaction ends with its entry.

    hash(row) = SHA-256(hash of the previous row of the table, 32 bytes | bytes of the row)

The bytes of a row are its values without the hash, in the order of the table's columns, in UTF-8, separated by 1F,
with 1E for null; a hash among them is hexadecimal. No stored text contains either character, so different rows have
different bytes. An entry has the last row and hash of every table, so its own hash covers everything before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, RowMapping, select

import kokin
from kokin._arrow.convert import Int64Array, combine, int64_array, text_buffers
from kokin.issues import InvalidInputError, Issue
from kokin.ledger import _match_index
from kokin.ledger._codec import control_characters, encode_data
from kokin.ledger._database import BATCH_ROWS, Database, HashedRows, Transaction
from kokin.ledger._schema import (
    AMOUNT,
    APPEND_ONLY_TABLES,
    DETAIL_TABLES,
    INDEX_KINDS,
    RECORD_FIELDS,
    TABLES,
    pair_count_column,
)

_ENTRIES = TABLES["entries"]

#: The hash before the first row of a table.
GENESIS_HASH = bytes(32)

_SEPARATOR, _NULL = "\x1f", "\x1e"

# An effective time may be so far ahead of the ledger's clock.
_CLOCK_SKEW = timedelta(minutes=5)

# Rows that are hashed per batch of an insert.
_HASHED_ROWS = 1 << 14


def row_bytes(table: pa.Table, columns: pa.Schema) -> list[bytes]:
    """Return the bytes of each row that are hashed; a missing column is null.

    ``body`` is the last value and may contain anything; the values before it must not contain the separators.

    Raises:
        InvalidInputError: a text contains a separator.
    """
    values = []
    for field in columns:
        if field.name == "hash":
            continue
        if field.name not in table.column_names:
            values.append(pa.scalar(None, pa.string()))
            continue
        column = combine(table.column(field.name))
        if field.type == pa.string() and field.name != "body" and _has_separators(column):
            raise control_characters(field.name)
        values.append(to_hex(column) if field.type == pa.binary() else column.cast(pa.string()))
    joined = pc.binary_join_element_wise(*values, _SEPARATOR, null_handling="replace", null_replacement=_NULL)
    rows: list[bytes] = combine(joined).cast(pa.binary()).to_pylist()
    return rows


def _has_separators(texts: pa.Array) -> bool:
    _, letters = text_buffers(texts)
    return bool((np.right_shift(letters, 1) == ord(_NULL) >> 1).any())  # 1E and 1F


def to_hex(values: pa.Array) -> pa.Array:
    """Return bytes as hexadecimal text; null stays null."""
    return pa.array([None if value is None else value.hex() for value in values.to_pylist()], pa.string())


def chain_hashes(previous: bytes, rows: list[bytes]) -> list[bytes]:
    """Return the hash of each row, with the hash of the row before the first."""
    return [previous := sha256(previous + row).digest() for row in rows]


class EntryWriter(Transaction):
    """Writes one entry and its rows, inside the transaction of the only writer."""

    def __init__(
        self, database: Database, connection: Connection, progress: Callable[[int], None] | None = None
    ) -> None:
        super().__init__(database, connection)
        #: Called with the number of input rows that have been processed since the last call.
        self.progress = progress or (lambda _: None)
        last = last_entry(connection)
        #: The id of the entry.
        self.entry: int = last["id"] + 1 if last else 1
        self._previous_hash = last["hash"] if last else GENESIS_HASH
        self._previous_at = last["at"] if last else ""
        #: The id of the last row of each table, and its hash.
        self.last: dict[str, int] = {name: last[name] if last else 0 for name in DETAIL_TABLES}
        self._hashes = {name: last[f"{name}_hash"] if last and last[name] else GENESIS_HASH for name in DETAIL_TABLES}
        #: The id of the last row of each table before this entry.
        self.before = dict(self.last)
        #: The number of pairs of each kind in the match index, according to the entries.
        self._pair_counts = {kind: (last[pair_count_column(kind)] or 0) if last else 0 for kind in INDEX_KINDS}
        self._pending_pairs: dict[str, list[_match_index.Pairs]] = {kind: [] for kind in INDEX_KINDS}

    def add_rows(self, table: str, columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> Int64Array:
        """Insert rows of encoded columns and return their ids; omitted columns are null."""
        rows = pa.table(dict(columns))
        first = self.last[table] + 1
        ids = np.arange(first, first + len(rows))
        self.database.insert(self.connection, table, self._hashed(table, rows, ids))
        self.last[table] += len(rows)
        return ids

    def _hashed(self, table: str, rows: pa.Table, ids: Int64Array) -> Iterator[HashedRows]:
        """Yield rows with their ids, the entry and their hashes, in batches."""
        for start in range(0, len(rows), _HASHED_ROWS):
            batch = rows.slice(start, _HASHED_ROWS)
            columns = {
                "id": int64_array(ids[start : start + len(batch)]),
                "entry": int64_array(np.full(len(batch), self.entry)),
                **{name: batch.column(name) for name in batch.column_names},
            }
            full_rows = pa.table(columns)
            hashes = chain_hashes(self._hashes[table], row_bytes(full_rows, APPEND_ONLY_TABLES[table]))
            self._hashes[table] = hashes[-1]
            yield full_rows, hashes

    def add_records(self, table: str, records: pa.Table) -> Int64Array:
        """Insert encoded records, with their fields as a JSON object, and return their ids."""
        ids = [np.empty(0, np.int64)]
        fields = RECORD_FIELDS[table].names
        for start in range(0, len(records), BATCH_ROWS):
            batch = records.slice(start, BATCH_ROWS)
            columns = {name: combine(batch.column(name)) for name in batch.column_names if name in fields}
            amount = columns.pop(AMOUNT)
            ids.append(self.add_rows(table, {AMOUNT: amount, "body": encode_data(table, columns)}))
        return np.concatenate(ids)

    def add_pairs(self, kind: str, keys: Int64Array, rows: Int64Array) -> None:
        """Add pairs to the match index; they are found after :meth:`flush_pairs`."""
        self._pending_pairs[kind].append((keys, rows))
        if sum(len(keys) for keys, _ in self._pending_pairs[kind]) > _match_index.MAX_PAIRS:
            self._flush(kind)

    def flush_pairs(self) -> None:
        """Write the pairs that have been added."""
        for kind in INDEX_KINDS:
            self._flush(kind)

    def _flush(self, kind: str) -> None:
        pending, self._pending_pairs[kind] = self._pending_pairs[kind], []
        if pending:
            self._pair_counts[kind] += _match_index.add_pairs(self, kind, *_match_index.concat_pairs(pending))

    def commit_entry(self, kind: str, now: datetime, at: datetime | None = None, **columns: Any) -> None:
        """Write the pairs, then the entry with the last row and hash of every table.

        Args:
            kind: an :class:`~kokin.ledger.EntryKind`.
            now: the time of the clock; if it is earlier than the last entry's time, that time is written.
            at: the effective time, if another than that of the clock.
            columns: the other columns of the entry; a mapping is stored as JSON.

        Raises:
            InvalidInputError: ``at`` has no zone, is earlier than the last entry's, or in the future.
        """
        self.flush_pairs()
        values: dict[str, Any] = {"id": self.entry, "kind": kind, "at": self._entry_time(now, at)}
        values["version"] = kokin.__version__
        values |= {name: _as_json(value) if isinstance(value, Mapping) else value for name, value in columns.items()}
        for name in DETAIL_TABLES:
            values |= {name: self.last[name], f"{name}_hash": self._hashes[name]}
        values |= {pair_count_column(kind): count for kind, count in self._pair_counts.items()}
        schema = APPEND_ONLY_TABLES["entries"]
        row = pa.Table.from_pylist([values], pa.schema([schema.field(name) for name in values]))
        values["hash"] = chain_hashes(self._previous_hash, row_bytes(row, schema))[0]
        self.connection.execute(_ENTRIES.insert(), values)

    def _entry_time(self, now: datetime, at: datetime | None) -> str:
        """Return the time of the entry, never earlier than that of the last one."""
        clock = to_timestamp(now, "clock")
        if at is None:
            return max(clock, self._previous_at)
        latest, timestamp = to_timestamp(now + _CLOCK_SKEW, "clock"), to_timestamp(at)
        for expected, limit, is_invalid in (
            ("or later", self._previous_at, timestamp < self._previous_at),
            ("or earlier", latest, timestamp > max(latest, self._previous_at)),
        ):
            if is_invalid:
                bound = datetime.fromisoformat(limit).astimezone(at.tzinfo)
                raise _invalid_time("at", f"{bound.isoformat()} {expected}", at)
        return timestamp


def last_entry(connection: Connection) -> RowMapping | None:
    """Return the row of the last entry; None in a ledger without one."""
    return connection.execute(select(_ENTRIES).order_by(_ENTRIES.c.id.desc()).limit(1)).mappings().first()


def last_row(transaction: Transaction, table: str) -> int:
    """Return the id of the last row of a table."""
    last = last_entry(transaction.connection)
    return int(last[table]) if last else 0


def is_id(number: int) -> bool:
    """Return whether a number can be the id of a row: the databases raise an error for larger integers."""
    return 0 < number < 1 << 63


def rows_of_entry(transaction: Transaction, table: str, entry: int) -> Int64Array:
    """Return the ids of the rows that an entry added to a table; none for an unknown entry."""
    if not is_id(entry):
        return np.empty(0, np.int64)
    ends = select(_ENTRIES.c.id, _ENTRIES.c[table]).where(_ENTRIES.c.id.in_((entry - 1, entry)))
    last = {row[0]: row[1] for row in transaction.connection.execute(ends)}
    return np.arange(last.get(entry - 1, 0) + 1, last.get(entry, last.get(entry - 1, 0)) + 1)


def to_timestamp(at: datetime, field: str = "at") -> str:
    """Return a time as it is stored: UTC with microseconds, so that text order is time order.

    Raises:
        InvalidInputError: it has no zone, so it would depend on the machine; or it cannot be converted to UTC.
    """
    if at.tzinfo is None or at.utcoffset() is None:
        raise _invalid_time(field, "a zone, such as 2026-05-01T09:00+09:00", at)
    try:
        return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    except OverflowError as error:
        raise _invalid_time(field, "a year from 1 to 9999 in UTC", at) from error


def _invalid_time(field: str, expected: str, found: datetime) -> InvalidInputError:
    issue = Issue("LEDGER_TIME", field=field, expected=expected, found=found.isoformat())
    return InvalidInputError([issue], "the time is invalid")


def _as_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
