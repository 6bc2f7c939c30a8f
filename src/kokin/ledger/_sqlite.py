"""SQLite: a ledger in one file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import chain, islice, repeat
from time import monotonic
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import URL, BigInteger, Connection, column, create_engine, event, func
from sqlalchemy.exc import OperationalError

from kokin._arrow.convert import Int64Array, combine, to_numpy
from kokin.ledger._database import Database, HashedRows, IdTable

_INT = pa.int64()

#: How long a writer waits for another, and how often it wakes up so that Ctrl-C works; seconds.
_BUSY_TIMEOUT_S, _POLL_S = 600, 1

# Rows per INSERT: a statement has a fixed cost, and older versions accept at most 999 values.
_ROWS_PER_INSERT = 50

# Bytes of a database page: larger pages are written faster, smaller ones contain fewer rows that a day's file does
# not need.
_PAGE_SIZE = 8_192


class SqliteDatabase(Database):
    """A ledger in a file, in write-ahead mode: readers and one writer do not wait for each other.

    ``synchronous=FULL``: once ``post`` has returned, the entry survives a power failure.
    """

    write_options = {"begins": "BEGIN IMMEDIATE"}  # noqa: RUF012 (read only)
    read_options = {"begins": "BEGIN"}  # noqa: RUF012

    def __init__(self, url: URL) -> None:
        super().__init__(create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_S}, hide_parameters=True))
        event.listen(self.engine, "connect", _configure)
        event.listen(self.engine, "begin", _begin)

    def lock(self, connection: Connection) -> None:
        """Do nothing: ``BEGIN IMMEDIATE`` has taken the lock."""

    def append_only_ddl(self, table: str) -> list[str]:
        # REPLACE deletes rows without firing the DELETE trigger, but the row it inserts does not have the next id.
        next_id = f"(SELECT coalesce(max(id), 0) + 1 FROM {table})"  # noqa: S608 (names of our own)
        conditions = {"UPDATE": "", "DELETE": "", "INSERT": f"WHEN NEW.id IS NOT {next_id}"}
        return [
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} {condition} "
            f"BEGIN SELECT RAISE(ABORT, 'the rows of {table} are never changed'); END"
            for change, condition in conditions.items()
        ]

    def insert(self, connection: Connection, table: str, batches: Iterator[HashedRows]) -> None:
        for rows, hashes in batches:
            _insert(connection.connection.cursor(), table, rows, hashes)

    def id_table(self, ids: Int64Array) -> IdTable:
        return func.json_each(str(ids.tolist())).table_valued(column("value", BigInteger), name="ids")

    def json_field_sql(self, column: str, name: str) -> str:
        return f"json_extract({column}, '$.{name}')"


def _insert(cursor: Any, table: str, rows: pa.Table, hashes: list[bytes]) -> None:
    columns = {name: combine(rows.column(name)) for name in rows.column_names}
    columns = {name: values for name, values in columns.items() if values.null_count < len(values)}
    insert = f"INSERT INTO {table} ({', '.join((*columns, 'hash'))}) VALUES "  # noqa: S608 (names of our own)
    row = f"({', '.join('?' * (len(columns) + 1))})"
    values = zip(*map(_python_values, columns.values()), hashes, strict=False)
    groups = (
        tuple(chain.from_iterable(islice(values, _ROWS_PER_INSERT))) for _ in range(len(rows) // _ROWS_PER_INSERT)
    )
    cursor.executemany(insert + ", ".join([row] * _ROWS_PER_INSERT), groups)
    cursor.executemany(insert + row, values)  # the remaining rows, fewer than a group
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
    connection.execute("PRAGMA cache_size = -65536")


def _begin(connection: Connection) -> None:
    begins = connection.get_execution_options().get("begins", "BEGIN")
    # SQLite waits in C, where Ctrl-C has no effect: wait for short intervals.
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_POLL_S * 1000}")
    deadline = monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.exec_driver_sql(begins)
            break
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_S * 1000}")
