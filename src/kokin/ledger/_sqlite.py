"""SQLite: a file beside the programs that use it."""

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
from kokin.ledger._store import Chained, Store, Wanted

_INT = pa.int64()

#: Seconds that a writer waits for another, and after how many it looks whether it was told to stop.
_PATIENCE, _GLANCE = 600, 1

# Rows of one statement: a statement has its price, and at most 999 values on older versions.
_TOGETHER = 50

# Bytes of a page: larger ones are written faster, smaller ones hold less that a day's file does not ask for.
_PAGE = 8_192


class SqliteStore(Store):
    """A ledger in a file, in write-ahead mode: readers and one writer do not wait for each other.

    ``synchronous=FULL``: what ``post`` has returned from is on the disk, even if the power fails in the next instant.
    """

    write_options = {"begins": "BEGIN IMMEDIATE"}  # noqa: RUF012 (read only)
    read_options = {"begins": "BEGIN"}  # noqa: RUF012

    def __init__(self, url: URL) -> None:
        super().__init__(create_engine(url, connect_args={"timeout": _PATIENCE}, hide_parameters=True))
        event.listen(self.engine, "connect", _prepare)
        event.listen(self.engine, "begin", _begin)

    def lock(self, connection: Connection) -> None:
        """``BEGIN IMMEDIATE`` has done it."""

    def guards(self, table: str) -> list[str]:
        # REPLACE deletes rows without firing the trigger of DELETE, but inserts one whose id is not the next.
        next_id = f"(SELECT coalesce(max(id), 0) + 1 FROM {table})"  # noqa: S608 (names of our own)
        conditions = {"UPDATE": "", "DELETE": "", "INSERT": f"WHEN NEW.id IS NOT {next_id}"}
        return [
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} {condition} "
            f"BEGIN SELECT RAISE(ABORT, 'the rows of {table} are never changed'); END"
            for change, condition in conditions.items()
        ]

    def insert(self, connection: Connection, table: str, parts: Iterator[Chained]) -> None:
        for rows, hashes in parts:
            _insert(connection.connection.cursor(), table, rows, hashes)

    def wanted(self, keys: Int64Array) -> Wanted:
        return func.json_each(str(keys.tolist())).table_valued(column("value", BigInteger), name="wanted")

    def fact(self, body: str, name: str) -> str:
        return f"json_extract({body}, '$.{name}')"


def _insert(cursor: Any, table: str, rows: pa.Table, hashes: list[bytes]) -> None:
    columns = {name: combine(rows.column(name)) for name in rows.column_names}
    told = {name: values for name, values in columns.items() if values.null_count < len(values)}
    insert = f"INSERT INTO {table} ({', '.join((*told, 'hash'))}) VALUES "  # noqa: S608 (names of our own)
    row = f"({', '.join('?' * (len(told) + 1))})"
    values = zip(*map(_objects, told.values()), hashes, strict=False)
    together = (tuple(chain.from_iterable(islice(values, _TOGETHER))) for _ in range(len(rows) // _TOGETHER))
    cursor.executemany(insert + ", ".join([row] * _TOGETHER), together)
    cursor.executemany(insert + row, values)
    cursor.close()


def _objects(values: pa.Array) -> Iterable[Any]:
    """The values of an array; one that is the same throughout is made once."""
    if not values.null_count and pc.all(pc.equal(values, values[0])).as_py():
        return repeat(values[0].as_py())
    objects: list[Any] = (
        values.to_pylist() if values.null_count or values.type != _INT else to_numpy(values, 0).tolist()
    )
    return objects


def _prepare(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # sqlite3 begins no transaction of its own
    connection.execute(f"PRAGMA page_size = {_PAGE}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")


def _begin(connection: Connection) -> None:
    begins = connection.get_execution_options().get("begins", "BEGIN")
    # SQLite waits in C, where no Ctrl-C is seen.
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_GLANCE * 1000}")
    latest = monotonic() + _PATIENCE
    while True:
        try:
            connection.exec_driver_sql(begins)
            break
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY or monotonic() > latest:
                raise
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_PATIENCE * 1000}")
