"""The journal: entries, their seals, and the chain of hashes over the rows that they add.

    hash(row) = SHA-256(hash of the previous row of the table, 32 bytes | canonical JSON of the row)
    hash(seal) = SHA-256(hash of the previous seal, 32 bytes | canonical JSON of the entry | canonical JSON of the seal)

The JSON of a row has the values that are not null, by name (:func:`kokin.ledger._codec.canonical_rows`), so that a new
column does not change the hash of an older row. A seal has the last row and hash of every table, so its own hash covers
everything before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any, Self

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, RowMapping, Select, select

import kokin
from kokin._arrow.convert import Int64Array, combine, int64_array
from kokin.bills import not_shared
from kokin.issues import MAX_ISSUES, InvalidInputError, Issue, Location
from kokin.ledger._codec import canonical_rows, reject_control_characters
from kokin.ledger._database import BATCH_ROWS, Database, LedgerError, Transaction
from kokin.ledger._schema import (
    DETAIL_TABLES,
    KEY_KINDS,
    SCHEMA_VERSION,
    EntryKind,
    entries,
    seals,
    stored_columns,
)
from kokin.text import JAPAN

#: The hash before the first row of a table, and before the first seal.
GENESIS_HASH = bytes(32)

# An effective time may be so far ahead of the ledger's clock.
_CLOCK_SKEW = timedelta(minutes=5)

# Rows that are hashed per batch of an insert.
_HASHED_ROWS = 1 << 14

# Match keys are collected, sorted and inserted at once: in the order of the index, insertion is many times faster.
_MAX_PENDING_KEYS = 1 << 25


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction of the ledger: actor, times, reason, source and version of Kokin."""

    id: int
    kind: EntryKind
    at: datetime
    """The effective time, by the clock of the ledger or as the caller passed it."""
    recorded_at: datetime
    """The time of the transaction, by the clock of the database."""
    recorded_by: str
    """The user of the database; for SQLite the user of the system."""
    actor: str
    """Who wrote it, according to the caller."""
    reason: str
    version: str
    """The version of Kokin, whose rule of matching applied."""
    source: str
    """The name of the file."""
    layout: str
    digest: str
    """SHA-256 of the file."""
    reverses: int | None
    """The entry that a reversal reverses."""
    reverses_posting: int | None
    """The posting that a reversal reverses."""
    totals: Mapping[str, Any]
    """The totals of a file or of a load of bills; the policy."""
    hash: str
    """Covers this entry and everything before it; hexadecimal."""

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        """Return the entry of a row of ``entry_rows``.

        Raises:
            LedgerError: a value of the row is invalid.
        """
        try:
            return cls(
                id=row["id"],
                kind=EntryKind(row["kind"]),
                at=datetime.fromisoformat(row["effective_at"]),
                recorded_at=datetime.fromisoformat(row["recorded_at"]),
                version=row["kokin_version"],
                **{name: row[name] or "" for name in ("recorded_by", "actor", "reason", "source", "layout", "digest")},
                reverses=row["reverses_entry_id"],
                reverses_posting=row["reverses_posting_id"],
                totals=dict(json.loads(row["totals"])),
                hash=row["hash"].hex(),
            )
        except (ValueError, TypeError, AttributeError) as error:
            issue = Issue("LEDGER_ROW_CHANGED", location=Location("entries", row["id"]))
            raise LedgerError("an entry cannot be read; run `kokin ledger verify`", [issue]) from error


def entry_rows() -> Select[Any]:
    """Return the query of entries with their seals."""
    sealed = [column for column in seals.c if column.name != "entry_id"]
    return select(entries, *sealed).select_from(entries.join(seals, seals.c.entry_id == entries.c.id))


@dataclass(frozen=True, slots=True)
class Overlap:
    """The records that a file has in common with another file of the ledger."""

    entry: int
    """The entry of the other file."""
    source: str
    """The name of the other file."""
    digest: str
    """The SHA-256 of the other file."""
    repeated: int
    """The number of records of the new file whose payments the other file reports too."""
    records: int
    """The number of all records of the new file."""

    @property
    def text(self) -> str:
        """Counts and other file, for a message."""
        return f"{self.repeated} of {self.records} in {self.source or self.digest} (entry {self.entry})"


@dataclass(frozen=True, slots=True)
class BookTotals:
    """The receipts of a ledger by outcome, and their yen by disposition."""

    outcomes: Mapping[str, Mapping[str, int]]
    """``count`` and ``amount`` (yen) of each outcome of the active receipts."""
    dispositions: Mapping[str, int]
    """Their yen by disposition."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What an entry changes in the whole ledger, with the earlier receipts that are matched again."""

    before: BookTotals
    after: BookTotals

    def as_dict(self) -> dict[str, Any]:
        """Return for each outcome that changes ``count`` and ``amount``, and each disposition, before and after."""
        old, new = self.before, self.after
        nothing = {"count": 0, "amount": 0}
        outcomes = {
            name: {"before": dict(old.outcomes.get(name, nothing)), "after": dict(new.outcomes.get(name, nothing))}
            for name in sorted({*old.outcomes, *new.outcomes})
        }
        dispositions = {
            name: {"before": yen, "after": new.dispositions[name]} for name, yen in old.dispositions.items()
        }
        changed = {name: row for name, row in outcomes.items() if row["before"] != row["after"]}
        return {"outcomes": changed, "dispositions": dispositions}


@dataclass(frozen=True, slots=True)
class EntryResult:
    """The result of writing an entry."""

    entry: Entry
    inserted: bool
    """False: this file is already posted, by ``entry``; nothing was written."""
    outcomes: Mapping[str, Mapping[str, int]]
    """``count`` and ``amount`` (yen) of each outcome of the file's own receipts."""
    rematched: int
    """The number of earlier receipts whose outcome has changed."""
    overlaps: tuple[Overlap, ...] = ()
    """The other files that report payments of this file, by entry."""
    reused_keys: Mapping[str, int] = field(default_factory=dict)
    """The number of the file's records with a ``provider_key`` that another payment has too, by key."""
    effect: Effect | None = None
    """What the entry would change, if it was a dry run."""
    vanished: pa.Table | None = None
    """The open bills that a whole register lacks, by ``bill_id``: ``bill_id, payee_code, system, due_on, amount,
    residual``; yen. None: the load was not a whole register."""
    not_shared: tuple[str, ...] = ()
    """The bills without ``obligation_id`` whose ``bill_id`` is the ``obligation_id`` of another one, by ``bill_id``."""

    @property
    def issues(self) -> list[Issue]:
        """The warnings FILE_OVERLAPS, one per other file, KEY_REUSED, one per key, and those of bills, one per bill.

        These are BILL_VANISHED and OBLIGATION_NOT_SHARED; of very many bills, the first
        :data:`~kokin.issues.MAX_ISSUES` each. ``vanished`` and ``not_shared`` have all.
        """
        location = Location(self.entry.source)
        overlaps = [
            Issue("FILE_OVERLAPS", field="records", expected="in no other file", found=overlap.text, location=location)
            for overlap in self.overlaps
        ]
        reused = [f"{count} records: {key}" for key, count in sorted(self.reused_keys.items())]
        vanished = self.vanished.slice(0, MAX_ISSUES).to_pylist() if self.vanished is not None else []
        bills = [f"{row['bill_id']}: ¥{row['residual']:,}" for row in vanished]
        return [
            *overlaps,
            *(
                Issue("KEY_REUSED", field="provider_key", expected="one payment", found=text, location=location)
                for text in reused
            ),
            *(
                Issue("BILL_VANISHED", field="bill_id", expected="in the register", found=text, location=location)
                for text in bills
            ),
            *(not_shared(bill_id, location) for bill_id in self.not_shared[:MAX_ISSUES]),
        ]


def chain_hashes(previous: bytes, rows: list[bytes]) -> list[bytes]:
    """Return the hash of each row, with the hash of the row before the first."""
    return [previous := sha256(previous + row).digest() for row in rows]


def seal_hash(previous: bytes, entry: Mapping[str, Any], seal: Mapping[str, Any]) -> bytes:
    """Return the hash of a seal from its row and that of its entry; see :func:`canonical_rows` for the JSON."""
    return chain_hashes(previous, [_canonical(entry, "entries") + _canonical(seal, "seals")])[0]


def _canonical(row: Mapping[str, Any], table: str) -> bytes:
    columns = stored_columns(table)
    return canonical_rows(pa.Table.from_pylist([{name: row.get(name) for name in columns.names}], columns))[0]


@dataclass(frozen=True)
class TableEnd:
    """The last row of a table: its id, 0 for an empty table, and its hash."""

    id: int = 0
    hash: bytes = GENESIS_HASH


def table_ends(last_rows: str) -> dict[str, TableEnd]:
    """Return the last row of every table from ``seals.last_rows``; a table that it lacks was empty.

    Raises:
        ValueError, TypeError: not such a text.
    """
    stored = json.loads(last_rows)
    ends = {name: TableEnd(int(last), bytes.fromhex(digest)) for name, (last, digest) in stored.items()}
    return {**dict.fromkeys(DETAIL_TABLES, TableEnd()), **ends}


class EntryWriter(Transaction):
    """Writes one entry, its rows and its seal, inside the transaction of the only writer.

    :meth:`begin` writes the entry; then rows and match keys are added; :meth:`commit` writes the seal.
    """

    def __init__(
        self,
        database: Database,
        connection: Connection,
        *,
        now: datetime,
        at: datetime | None = None,
        actor: str,
        reason: str = "",
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Prepare an entry.

        Args:
            database: the database.
            connection: the transaction.
            now: the time of the clock; if it is earlier than the last entry's time, that time is written.
            at: the effective time, if another than that of the clock.
            actor: who writes it.
            reason: why; can be empty.
            progress: called with the number of input rows that have been processed since the last call.
        """
        super().__init__(database, connection)
        self._now, self._at = now, at
        #: Who writes the entry.
        self.actor = actor
        #: Why; can be empty.
        self.reason = reason
        #: Called with the number of input rows that have been processed since the last call.
        self.progress = progress or (lambda _: None)
        last = last_entry(connection)
        #: The id of the entry.
        self.entry: int = last["id"] + 1 if last else 1
        self._previous_hash = last["hash"] if last else GENESIS_HASH
        self._previous_at = last["effective_at"] if last else ""
        self._ends = table_ends(last["last_rows"] if last else "{}")
        #: The id of the last row of each table before this entry.
        self.before = {name: end.id for name, end in self._ends.items()}
        #: The number of match keys of each kind, according to the seals.
        self._key_counts = {**dict.fromkeys(KEY_KINDS, 0), **json.loads(last["key_counts"] if last else "{}")}
        self._pending_keys: dict[str, list[tuple[Int64Array, Int64Array]]] = {kind: [] for kind in KEY_KINDS}
        self._entry_row: dict[str, Any] = {}
        #: The entry, once it is written with its seal.
        self.sealed: Entry | None = None

    @property
    def today(self) -> date:
        """The day of the clock in Japan."""
        return self._now.astimezone(JAPAN).date()

    @property
    def day(self) -> date:
        """The day of the entry in Japan."""
        return (self._at or self._now).astimezone(JAPAN).date()

    def begin(self, kind: EntryKind, **columns: Any) -> None:
        """Write the entry.

        Args:
            kind: its kind.
            columns: the columns that not every kind has; an empty text is null.

        Raises:
            InvalidInputError: no actor; a text with a control character; ``at`` has no zone, is earlier than the last
                entry's, or in the future.
        """
        if not self.actor.strip():
            raise InvalidInputError([Issue("FIELD_MISSING", field="actor")], "nothing was written")
        columns = {"actor": self.actor, "reason": self.reason, **columns}
        for name, value in columns.items():
            if isinstance(value, str):
                reject_control_characters(name, pa.array([value.replace("\n", "\0")]))
        recorded_at, recorded_by = self.database.identity(self.connection)
        self._entry_row = {
            "id": self.entry,
            "kind": kind.value,
            "recorded_at": recorded_at,
            "recorded_by": recorded_by,
            "effective_at": self._entry_time(),
            "kokin_version": kokin.__version__,
            "schema_version": SCHEMA_VERSION,
            **{name: value or None for name, value in columns.items()},
            "reason": self.reason,
        }
        self.connection.execute(entries.insert(), self._entry_row)

    def add_rows(self, table: str, rows: pa.Table) -> Int64Array:
        """Insert encoded rows and return their ids; omitted columns are null.

        Raises:
            InvalidInputError: a text contains a control character.
        """
        for name, column in zip(rows.column_names, rows.columns, strict=True):
            if column.type == pa.string():
                reject_control_characters(name, combine(column))
        first = self._ends[table].id + 1
        ids = np.arange(first, first + len(rows))
        self.database.insert(self.connection, table, self._hashed(table, rows, ids))
        return ids

    def _hashed(self, table: str, rows: pa.Table, ids: Int64Array) -> Iterator[pa.Table]:
        """Yield rows with their ids, the entry and their hashes, in batches."""
        for start in range(0, len(rows), _HASHED_ROWS):
            batch = rows.slice(start, _HASHED_ROWS)
            batch_ids = ids[start : start + len(batch)]
            batch = batch.add_column(0, "entry_id", int64_array(np.full(len(batch), self.entry)))
            batch = batch.add_column(0, "id", int64_array(batch_ids))
            hashes = chain_hashes(self._ends[table].hash, canonical_rows(batch))
            self._ends[table] = TableEnd(int(batch_ids[-1]), hashes[-1])
            yield batch.append_column("hash", pa.array(hashes, pa.binary()))

    def add_keys(self, kind: str, keys: Int64Array, rows: Int64Array) -> None:
        """Add match keys of rows; they are found after :meth:`flush_keys`."""
        self._pending_keys[kind].append((keys, rows))
        if sum(len(keys) for keys, _ in self._pending_keys[kind]) > _MAX_PENDING_KEYS:
            self.flush_keys()

    def flush_keys(self) -> None:
        """Insert the match keys that have been added, each pair of key and row once."""
        for kind, pending in self._pending_keys.items():
            if not pending:
                continue
            keys, rows = (np.concatenate(side) for side in zip(*pending, strict=True))
            pending.clear()
            order = np.lexsort((rows, keys))
            keys, rows = keys[order], rows[order]
            is_first = np.ones(len(keys), np.bool_)
            is_first[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
            keys, rows = keys[is_first], rows[is_first]
            self._key_counts[kind] += len(keys)
            self.database.insert(self.connection, "match_keys", _key_batches(KEY_KINDS[kind], keys, rows))

    def commit(self, totals: Mapping[str, Any] | None = None) -> Entry:
        """Write the remaining match keys, then the seal with totals and the last row and hash of every table."""
        self.flush_keys()
        seal = {
            "entry_id": self.entry,
            "totals": _as_json(totals or {}),
            "last_rows": _as_json({name: [end.id, end.hash.hex()] for name, end in self._ends.items() if end.id}),
            "key_counts": _as_json(self._key_counts),
        }
        seal["hash"] = seal_hash(self._previous_hash, self._entry_row, seal)
        self.connection.execute(seals.insert(), seal)
        row = last_entry(self.connection)
        assert row is not None
        self.sealed = Entry.of(row)
        return self.sealed

    def _entry_time(self) -> str:
        """Return the time of the entry, never earlier than that of the last one."""
        now, at = self._now, self._at
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


def _key_batches(kind: int, keys: Int64Array, rows: Int64Array) -> Iterator[pa.Table]:
    for start in range(0, len(keys), BATCH_ROWS):
        batch = slice(start, start + BATCH_ROWS)
        columns = {"key": int64_array(keys[batch]), "row_id": int64_array(rows[batch])}
        yield pa.table({"kind": int64_array(np.full(len(keys[batch]), kind)), **columns})


def last_entry(connection: Connection) -> RowMapping | None:
    """Return the row of the last entry with its seal; None in a ledger without one."""
    return connection.execute(entry_rows().order_by(entries.c.id.desc()).limit(1)).mappings().first()


def last_row(transaction: Transaction, table: str) -> int:
    """Return the id of the last row of a table."""
    last = last_entry(transaction.connection)
    return table_ends(last["last_rows"])[table].id if last else 0


def is_id(number: int) -> bool:
    """Return whether a number can be the id of a row: the databases raise an error for larger integers."""
    return 0 < number < 1 << 63


def rows_of_entry(transaction: Transaction, table: str, entry: int) -> Int64Array:
    """Return the ids of the rows that an entry added to a table; none for an unknown entry."""
    if not is_id(entry):
        return np.empty(0, np.int64)
    statement = select(seals.c.entry_id, seals.c.last_rows).where(seals.c.entry_id.in_((entry - 1, entry)))
    last = {row[0]: table_ends(row[1])[table].id for row in transaction.connection.execute(statement)}
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
