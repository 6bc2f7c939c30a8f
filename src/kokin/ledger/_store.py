"""A database as the ledger uses it: one writer at a time, rows by the hundred thousand, columns in and out."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, CursorResult, Engine, FromClause, Integer, Select, TableValuedAlias

from kokin.columns import Ints
from kokin.ledger._forms import concat
from kokin.ledger._schema import AUDIT_LOG_VIEW, JOURNAL, METADATA

#: Integers as a table; see :meth:`Store.wanted`.
Wanted: TypeAlias = TableValuedAlias

#: Rows that are read, written or looked for at once.
ROWS = 65_536


class Store(abc.ABC):
    """What the two databases have in common; a subclass knows one of them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that no other writer runs beside: all of it is kept, or nothing."""
        with self.engine.connect().execution_options(**self.write_options) as connection, connection.begin():
            self.lock(connection)
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees the ledger as it stands at its beginning."""
        with self.engine.connect().execution_options(**self.read_options) as connection, connection.begin():
            yield connection

    #: Of SQLAlchemy's connections.
    write_options: dict[str, Any]
    read_options: dict[str, Any]

    @abc.abstractmethod
    def lock(self, connection: Connection) -> None:
        """Wait until this is the only writer."""

    @abc.abstractmethod
    def guards(self, table: str) -> list[str]:
        """The statements that make a table refuse every change but new rows."""

    @abc.abstractmethod
    def insert(self, connection: Connection, table: str, rows: pa.Table) -> None:
        """Add rows; columns that are not there hold nothing."""

    @abc.abstractmethod
    def wanted(self, keys: Ints) -> Wanted:
        """Integers as a table of one column, ``value``."""

    def create(self, connection: Connection) -> None:
        """The tables of a new ledger."""
        METADATA.create_all(connection)
        for table in JOURNAL:
            for statement in self.guards(table):
                connection.exec_driver_sql(statement)
        connection.exec_driver_sql(AUDIT_LOG_VIEW)

    def query(self, connection: Connection, statement: Select[Any]) -> Iterator[pa.Table]:
        """The rows of a statement whose columns are whole numbers and texts, some at a time."""
        columns = _columns(statement)
        result = connection.execute(statement, execution_options={"yield_per": ROWS})
        yield from (_as_table(rows, columns) for rows in result.partitions())

    def table(self, connection: Connection, statement: Select[Any]) -> pa.Table:
        """All rows of a statement, each column in one chunk."""
        return concat(list(self.query(connection, statement)), _columns(statement))

    def look_up(self, connection: Connection, keys: Ints, statement: Callable[[Wanted], Select[Any]]) -> pa.Table:
        """The rows of a statement about many integers, which are asked for in their order and some at a time."""
        keys = np.sort(keys)
        columns = _columns(statement(self.wanted(keys[:0])))
        tables = []
        for start in range(0, len(keys), ROWS):
            result = connection.execute(statement(self.wanted(keys[start : start + ROWS])))
            # The driver's own rows: there are no types to adapt, and SQLAlchemy would make an object of each.
            assert isinstance(result, CursorResult)
            assert result.cursor is not None
            tables.append(_as_table(result.cursor.fetchall(), columns))
            result.close()
        return concat(tables, columns)


def _as_table(rows: Sequence[Sequence[Any]], columns: pa.Schema) -> pa.Table:
    if not rows:
        return columns.empty_table()
    values = zip(zip(*rows, strict=True), columns, strict=True)
    return pa.Table.from_arrays([pa.array(column, field.type) for column, field in values], schema=columns)


@dataclass
class Session:
    """A transaction, and how its database is asked."""

    store: Store
    connection: Connection

    def look_up(self, keys: Ints, statement: Callable[[Wanted], Select[Any]]) -> pa.Table:
        """See :meth:`Store.look_up`."""
        return self.store.look_up(self.connection, keys, statement)

    def table(self, statement: Select[Any]) -> pa.Table:
        """See :meth:`Store.table`."""
        return self.store.table(self.connection, statement)


def _columns(statement: Select[Any]) -> pa.Schema:
    kinds = {column.key: column.type for column in statement.selected_columns}
    return pa.schema([(name, pa.int64() if isinstance(kind, Integer) else pa.string()) for name, kind in kinds.items()])


def joined(wanted: Wanted, table: FromClause, column: str) -> FromClause:
    """The rows of a table whose column holds a wanted integer."""
    return wanted.join(table, table.c[column] == wanted.c.value)
