"""The journal while an entry is written: rows are added and chained, and the entry that seals them comes last."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, RowMapping, select

import kokin
from kokin._arrow.convert import Int64Array, combine, int64_array
from kokin.issues import InvalidInputError, Issue
from kokin.ledger import _links
from kokin.ledger._bodies import bodies
from kokin.ledger._chain import START, chained, row_bytes
from kokin.ledger._schema import CHAINS, FACTS, JOURNAL, LINK_KINDS, SUMMED, TABLES, links_column
from kokin.ledger._store import ROWS, Chained, Session, Store

_ENTRIES = TABLES["entries"]

# How far the clock of whoever gives a time may be ahead.
_CLOCK_SKEW = timedelta(minutes=5)

# Rows that are hashed before they are written.
_PART = 1 << 14


class Journal(Session):
    """One entry in the making, inside a transaction of the only writer."""

    def __init__(self, store: Store, connection: Connection, progress: Callable[[int], None] | None = None) -> None:
        super().__init__(store, connection)
        #: Is told how many of the given rows are done, some at a time.
        self.progress = progress or (lambda _: None)
        before = last_entry(connection)
        self.entry: int = before["id"] + 1 if before else 1
        self._hash = before["hash"] if before else START
        self._at = before["at"] if before else ""
        #: The last row of each table, and its hash.
        self.last: dict[str, int] = {name: before[name] if before else 0 for name in CHAINS}
        self._hashes = {name: before[f"{name}_hash"] if before and before[name] else START for name in CHAINS}
        #: The last row of each table before the entry.
        self.before = dict(self.last)
        #: How many links of each kind there are, by the entries: an incomplete index is no witness.
        self._links_written = {kind: (before[links_column(kind)] or 0) if before else 0 for kind in LINK_KINDS}
        #: Links that are still to be written: keys and rows.
        self._links: dict[str, list[tuple[Int64Array, Int64Array]]] = {kind: [] for kind in LINK_KINDS}

    def add(self, table: str, columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> Int64Array:
        """Add rows to a table, and return their ids. Columns are in their stored form; the rest holds nothing."""
        rows = pa.table(dict(columns))
        first = self.last[table] + 1
        ids = np.arange(first, first + len(rows))
        self.store.insert(self.connection, table, self._chained(table, rows, ids))
        self.last[table] += len(rows)
        return ids

    def _chained(self, table: str, rows: pa.Table, ids: Int64Array) -> Iterator[Chained]:
        """The whole rows with their hashes, some at a time."""
        for start in range(0, len(rows), _PART):
            part = rows.slice(start, _PART)
            made = {
                "id": int64_array(ids[start : start + len(part)]),
                "entry": int64_array(np.full(len(part), self.entry)),
                **{name: part.column(name) for name in part.column_names},
            }
            whole = pa.table(made)
            hashes = chained(self._hashes[table], row_bytes(whole, JOURNAL[table]))
            self._hashes[table] = hashes[-1]
            yield whole, hashes

    def add_facts(self, table: str, facts: pa.Table) -> Int64Array:
        """Add rows of a table with a body, from facts in stored form; their ids."""
        ids = [np.empty(0, np.int64)]
        for start in range(0, len(facts), ROWS):
            part = facts.slice(start, ROWS)
            told = {name: combine(part.column(name)) for name in part.column_names if name in FACTS[table].names}
            summed = {SUMMED: told.pop(SUMMED)}
            ids.append(self.add(table, {**summed, "body": bodies(table, told)}))
        return np.concatenate(ids)

    def link(self, kind: str, keys: Int64Array, rows: Int64Array) -> None:
        """Add links from keys to rows; they are found after :meth:`write_links`."""
        self._links[kind].append((keys, rows))
        if sum(len(some) for some, _ in self._links[kind]) > _links.MOST:
            self._write(kind)

    def write_links(self) -> None:
        """Write the links that have been added."""
        for kind in LINK_KINDS:
            self._write(kind)

    def _write(self, kind: str) -> None:
        pending, self._links[kind] = self._links[kind], []
        if pending:
            self._links_written[kind] += _links.add(self, kind, *_links.joined(pending))

    def seal(self, kind: str, now: datetime, at: datetime | None = None, **told: Any) -> None:
        """Write the links, and the entry itself with the last row and hash of every table.

        Args:
            kind: what was done.
            now: the time of the clock; where it is behind the last entry's, that one's is written.
            at: the effective time, if another than that of the clock.
            told: the other columns; a mapping is kept as JSON.

        Raises:
            InvalidInputError: ``at`` has no zone, is earlier than the last entry's, or in the future.
        """
        self.write_links()
        moment = as_text(now, "clock")
        if at is None:
            moment = max(moment, self._at)
        else:
            latest, moment = as_text(now + _CLOCK_SKEW, "clock"), as_text(at)
            for expected, limit, invalid in (
                ("or later", self._at, moment < self._at),
                ("or earlier", latest, moment > max(latest, self._at)),
            ):
                if invalid:
                    bound = datetime.fromisoformat(limit).astimezone(at.tzinfo)
                    raise _time_refused("at", f"{bound.isoformat()} {expected}", at)
        values: dict[str, Any] = {"id": self.entry, "kind": kind, "at": moment, "version": kokin.__version__}
        values |= {key: _as_json(value) if isinstance(value, Mapping) else value for key, value in told.items()}
        for name in CHAINS:
            values |= {name: self.last[name], f"{name}_hash": self._hashes[name]}
        values |= {links_column(kind): count for kind, count in self._links_written.items()}
        row = pa.Table.from_pylist([values], pa.schema([JOURNAL["entries"].field(name) for name in values]))
        values["hash"] = chained(self._hash, row_bytes(row, JOURNAL["entries"]))[0]
        self.connection.execute(_ENTRIES.insert(), values)


def last_entry(connection: Connection) -> RowMapping | None:
    """The entry that was written last; None in a ledger without one."""
    return connection.execute(select(_ENTRIES).order_by(_ENTRIES.c.id.desc()).limit(1)).mappings().first()


def last_row(session: Session, table: str) -> int:
    """The id of the last row of a table."""
    last = last_entry(session.connection)
    return int(last[table]) if last else 0


def is_id(number: int) -> bool:
    """Whether a row can have this number: the databases take no larger one."""
    return 0 < number < 1 << 63


def written_by(session: Session, table: str, entry: int) -> Int64Array:
    """The ids of the rows of a table that an entry has written; none where there is no such entry."""
    if not is_id(entry):
        return np.empty(0, np.int64)
    ends = select(_ENTRIES.c.id, _ENTRIES.c[table]).where(_ENTRIES.c.id.in_((entry - 1, entry)))
    last = {row[0]: row[1] for row in session.connection.execute(ends)}
    return np.arange(last.get(entry - 1, 0) + 1, last.get(entry, last.get(entry - 1, 0)) + 1)


def as_text(at: datetime, field: str = "at") -> str:
    """A moment as it is kept: UTC, to the microsecond, so that the order of texts is the order of time.

    Raises:
        InvalidInputError: it has no zone, so it would depend on the machine; or it is none in UTC.
    """
    if at.tzinfo is None or at.utcoffset() is None:
        raise _time_refused(field, "a zone, such as 2026-05-01T09:00+09:00", at)
    try:
        return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    except OverflowError as error:
        raise _time_refused(field, "a year from 1 to 9999 in UTC", at) from error


def _time_refused(field: str, expected: str, found: datetime) -> InvalidInputError:
    return InvalidInputError(
        [Issue("LEDGER_TIME", field=field, expected=expected, found=found.isoformat())], "the time is invalid"
    )


def _as_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
