"""SQLite: a ledger in one file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain, islice, repeat
from time import monotonic
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import (
    URL,
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Text,
    column,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.exc import OperationalError

from kokin._arrow.convert import Int64Array, combine, to_numpy
from kokin.ledger._database import Database, Definition, login_name
from kokin.ledger._schema import DETAIL_TABLES, TABLES

_INT = pa.int64()

# How often a waiting writer wakes up so that Ctrl-C works, in seconds.
_POLL_S = 1

# Values per INSERT: a statement has a fixed cost, and older versions accept at most 999.
_VALUES_PER_INSERT = 900

# Bytes of a database page: larger pages are written faster, smaller ones contain fewer rows that a day's file does
# not need.
_PAGE_SIZE = 8_192

# The cache of the database in KiB: a writer looks up rows in the whole file; a reader mostly reads each page once.
_CACHE_KIB = {"BEGIN IMMEDIATE": 262_144, "BEGIN": 32_768}

_OPEN_ENTRY = "(SELECT max(id) FROM entries) IS NOT (SELECT max(entry_id) FROM seals)"

# SQLite has no clock of a server; the time of an entry may differ so much from that of its insertion.
_MAX_CLOCK_DIFFERENCE_DAYS = 0.01


class SqliteDatabase(Database):
    """A ledger in a file, in write-ahead mode: readers and one writer do not wait for each other.

    ``synchronous=FULL``: once ``post`` has returned, the entry survives a power failure.
    """

    write_options = {"begins": "BEGIN IMMEDIATE"}  # noqa: RUF012 (read only)
    read_options = {"begins": "BEGIN"}  # noqa: RUF012
    stream_options = {}  # noqa: RUF012

    def __init__(self, url: URL, lock_timeout: float) -> None:
        super().__init__(create_engine(url, connect_args={"timeout": lock_timeout}, hide_parameters=True), lock_timeout)
        event.listen(self.engine, "connect", _configure)
        event.listen(self.engine, "begin", self._begin)

    def lock(self, connection: Connection) -> None:
        """Do nothing: ``BEGIN IMMEDIATE`` has taken the lock."""

    def identity(self, connection: Connection) -> tuple[str, str]:
        now = connection.exec_driver_sql("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')").scalar_one()
        return f"{now}000Z", login_name()

    def create_guards(self, connection: Connection) -> None:
        # REPLACE deletes rows without firing the DELETE trigger, but the row it inserts does not have the next id.
        invalid: dict[str, str] = dict.fromkeys(
            DETAIL_TABLES,
            "NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM {table}) "
            "OR NEW.entry_id IS NOT (SELECT max(id) FROM entries) "
            "OR EXISTS (SELECT 1 FROM seals WHERE entry_id = NEW.entry_id)",
        )
        late = f"abs(julianday(NEW.recorded_at) - julianday('now')) > {_MAX_CLOCK_DIFFERENCE_DAYS}"
        is_next = "NEW.id IS (SELECT coalesce(max(id), 0) + 1 FROM entries)"
        invalid["entries"] = f"NOT ({is_next}) OR {_OPEN_ENTRY} OR coalesce({late}, 1)"
        invalid["seals"] = f"NOT ({_OPEN_ENTRY}) OR NEW.entry_id IS NOT (SELECT max(id) FROM entries)"  # noqa: S608
        invalid["match_keys"] = f"NOT ({_OPEN_ENTRY})"
        invalid["schema_versions"] = "NEW.version IS NOT (SELECT max(version) + 1 FROM schema_versions)"
        for table in TABLES:
            for change, condition in {"UPDATE": "1", "DELETE": "1", "INSERT": invalid[table]}.items():
                connection.exec_driver_sql(
                    f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                    f"WHEN {condition.format(table=table)} "
                    f"BEGIN SELECT RAISE(ABORT, 'the rows of {table} are never changed'); END"
                )

    def drop_guards(self, connection: Connection) -> None:
        triggers = connection.exec_driver_sql("SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'")
        for name, table in triggers.all():
            if table in TABLES:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")

    def definitions(self, connection: Connection) -> list[Definition]:
        statement = "SELECT type, tbl_name, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
        rows = connection.exec_driver_sql(statement).all()
        return [Definition(kind, table, name, _sorted_lines(sql)) for kind, table, name, sql in rows]

    def expected_definitions(self, connection: Connection) -> list[Definition]:
        return _new_definitions()

    def insert(self, connection: Connection, table: str, batches: Iterable[pa.Table]) -> None:
        for rows in filter(len, batches):
            _insert(connection.connection.cursor(), table, rows)

    def values(self, values: Int64Array | Sequence[str]) -> Select[Any]:
        is_integer = isinstance(values, np.ndarray)
        texts = str(values.tolist()) if isinstance(values, np.ndarray) else json.dumps(list(values))
        value = column("value", BigInteger if is_integer else Text)
        return select(func.json_each(texts).table_valued(value, name="wanted").c.value)

    def json_list(self, values: ColumnElement[Any]) -> ColumnElement[str]:
        return func.json_group_array(values)

    def _begin(self, connection: Connection) -> None:
        begins = connection.get_execution_options().get("begins", "BEGIN")
        # SQLite waits in C, where Ctrl-C has no effect: wait for short intervals.
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {_POLL_S * 1000}")
        deadline = monotonic() + self.lock_timeout
        while True:
            try:
                connection.exec_driver_sql(begins)
                break
            except OperationalError as error:
                if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                    raise
        cache_kib = _CACHE_KIB[begins]
        connection.exec_driver_sql(f"PRAGMA cache_size = -{cache_kib}")
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(self.lock_timeout * 1000)}")


@cache
def _new_definitions() -> list[Definition]:
    """Return the definitions of a new ledger in memory."""
    database = SqliteDatabase(URL.create("sqlite"), lock_timeout=0)
    try:
        with database.writing() as connection:
            database.create_tables(connection)
            database.create_guards(connection)
            return database.definitions(connection)
    finally:
        database.engine.dispose()


def _sorted_lines(statement: str) -> str:
    """Return a statement with its lines, the columns and constraints of a table, in alphabetical order."""
    return "\n".join(sorted(" ".join(line.split()).strip(" ,") for line in statement.splitlines()))


def _insert(cursor: Any, table: str, rows: pa.Table) -> None:
    columns = {name: combine(rows.column(name)) for name in rows.column_names}
    columns = {name: values for name, values in columns.items() if values.null_count < len(values)}
    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608 (names of our own)
    row = f"({', '.join('?' * len(columns))})"
    values = zip(*map(_python_values, columns.values()), strict=False)
    group = max(_VALUES_PER_INSERT // max(len(columns), 1), 1)
    groups = (tuple(chain.from_iterable(islice(values, group))) for _ in range(len(rows) // group))
    cursor.executemany(insert + ", ".join([row] * group), groups)
    # The remaining rows, fewer than a group. Of columns that are all constant, zip would not end.
    cursor.executemany(insert + row, islice(values, len(rows) % group))
    cursor.close()


def _python_values(values: pa.Array) -> Iterable[Any]:
    """Return the values of an array as Python objects; a constant array as one object, repeated."""
    if not values.null_count and pc.all(pc.equal(values, values[0])).as_py():
        return repeat(values[0].as_py())
    objects: list[Any] = (
        values.to_pylist() if values.null_count or values.type != _INT else to_numpy(values, 0).tolist()
    )
    return objects


def _configure(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # sqlite3 begins no transaction of its own
    connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
