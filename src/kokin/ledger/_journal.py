"""The journal while an entry is written: rows are added and chained, and the entry that seals them comes last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, RowMapping, select

import kokin
from kokin.columns import Ints, int64_array
from kokin.issues import Issue, RefusedError
from kokin.ledger._chain import START, chained, row_bytes
from kokin.ledger._schema import CHAINS, JOURNAL, LINKS, TABLES
from kokin.ledger._store import ROWS, Session, Store

_ENTRIES = TABLES["entries"]


class Journal(Session):
    """One entry in the making, inside a transaction of the only writer."""

    def __init__(self, store: Store, connection: Connection) -> None:
        super().__init__(store, connection)
        before = last_entry(connection)
        self.entry: int = before["id"] + 1 if before else 1
        self._hash = before["hash"] if before else START
        self._at = before["at"] if before else ""
        #: The last row of each table, and its hash.
        self.last: dict[str, int] = {name: before[name] if before else 0 for name in CHAINS}
        self._hashes = {name: before[f"{name}_hash"] if before else START for name in CHAINS}
        #: The last receipt of the entries before.
        self.receipts_before = self.last["receipts"]

    def add(self, table: str, columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> Ints:
        """Add rows to a table, and return their ids. Columns are in their stored form; the rest holds nothing."""
        rows = pa.table(dict(columns))
        first = self.last[table] + 1
        ids = np.arange(first, first + len(rows))
        for start in range(0, len(rows), ROWS):
            part = rows.slice(start, ROWS)
            made = {
                "id": int64_array(ids[start : start + len(part)]),
                "entry": int64_array(np.full(len(part), self.entry)),
                **{name: part.column(name) for name in part.column_names},
            }
            hashes = chained(self._hashes[table], row_bytes(pa.table(made), JOURNAL[table]))
            self._hashes[table] = hashes[-1]
            self.store.insert(self.connection, table, pa.table({**made, "hash": pa.array(hashes, pa.string())}))
        self.last[table] += len(rows)
        return ids

    def link(self, table: str, keys: Ints, rows: Ints) -> None:
        """Add links from keys to rows; a key that leads to a row twice does so once."""
        order = np.lexsort((rows, keys))
        keys, rows = keys[order], rows[order]
        fresh = np.ones(len(keys), np.bool_)
        fresh[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
        arrays = [int64_array(keys[fresh]), int64_array(rows[fresh])]
        self.store.insert(self.connection, table, pa.table(arrays, names=LINKS[table].names))

    def seal(self, kind: str, at: datetime, *, strict: bool, **told: Any) -> None:
        """Write the entry itself, with the last row and hash of every table.

        Args:
            kind: what was done.
            at: when; an entry is never earlier than the one before it.
            strict: refuse a time that is, instead of taking the other's.
            told: the other columns; a mapping is kept as JSON.

        Raises:
            RefusedError: the time is earlier than the last entry's.
        """
        moment = as_text(at)
        if moment < self._at:
            if strict:
                raise RefusedError([Issue("LEDGER_TIME", "at", f"{self._at} or later", moment)], "the time runs back")
            moment = self._at
        values: dict[str, Any] = {"id": self.entry, "kind": kind, "at": moment, "version": kokin.__version__}
        values |= {key: _as_json(value) if isinstance(value, Mapping) else value for key, value in told.items()}
        for name in CHAINS:
            values |= {name: self.last[name], f"{name}_hash": self._hashes[name]}
        row = pa.Table.from_pylist([values], pa.schema([JOURNAL["entries"].field(name) for name in values]))
        values["hash"] = chained(self._hash, row_bytes(row, JOURNAL["entries"]))[0]
        self.connection.execute(_ENTRIES.insert(), values)


def last_entry(connection: Connection) -> RowMapping | None:
    """The entry that was written last; None in a ledger without one."""
    return connection.execute(select(_ENTRIES).order_by(_ENTRIES.c.id.desc()).limit(1)).mappings().first()


def as_text(at: datetime) -> str:
    """A moment as it is kept: UTC, to the microsecond, so that the order of texts is the order of time."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _as_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
