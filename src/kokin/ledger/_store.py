"""A database that holds a ledger: how rows get in, and how many are looked up at once."""

from __future__ import annotations

import abc
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    Integer,
    LargeBinary,
    TableValuedAlias,
    select,
    true,
)

from kokin._arrow.convert import Int64Array, to_numpy
from kokin._arrow.threads import isin_sorted, sorted_unique
from kokin.ledger._errors import LedgerError, is_undecodable
from kokin.ledger._forms import chosen, concat
from kokin.ledger._schema import AUDIT_LOG_VIEW, JOURNAL, METADATA, TABLES

#: Integers as a table; see :meth:`Store.wanted`.
Wanted: TypeAlias = TableValuedAlias

if TYPE_CHECKING:
    from sqlalchemy import Select

    #: A query, whatever it asks for. When it runs, SQLAlchemy 2.0 does not know this form.
    Statement: TypeAlias = Select[*tuple[Any, ...]]

#: Rows and their hashes.
Chained: TypeAlias = tuple[pa.Table, list[bytes]]

#: Rows that are read, written or looked for at once.
ROWS = 65_536

# Where at least one row of so many is wanted, all of them are read in their order.
_DENSE = 2


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
    def insert(self, connection: Connection, table: str, parts: Iterator[Chained]) -> None:
        """Add rows with their hashes; columns that are not there hold nothing. All parts have the same columns."""

    @abc.abstractmethod
    def wanted(self, keys: Int64Array) -> Wanted:
        """Integers as a table of one column, ``value``."""

    @abc.abstractmethod
    def fact(self, body: str, name: str) -> str:
        """How a statement takes a fact out of a body."""

    def create(self, connection: Connection) -> None:
        """The tables of a new ledger."""
        METADATA.create_all(connection)
        for table in JOURNAL:
            for statement in self.guards(table):
                connection.exec_driver_sql(statement)
        told = {name: self.fact(body, name) for body, name in (("r.body", "record_no"), ("b.body", "bill_id"))}
        connection.exec_driver_sql(AUDIT_LOG_VIEW.format(**told))

    def query(self, connection: Connection, statement: Statement) -> Generator[pa.Table, None, None]:
        """The rows of a statement, some at a time and first none; its columns are whole numbers, texts and bytes."""
        columns = _columns(statement)
        yield columns.empty_table()
        with connection.execute(statement, execution_options={"yield_per": ROWS}) as result:
            for rows in result.partitions():
                yield _as_table(rows, columns)

    def table(self, connection: Connection, statement: Statement) -> pa.Table:
        """All rows of a statement, each column in one chunk."""
        columns = _columns(statement)
        result = connection.execute(statement)
        # The driver's own rows: there are no types to adapt, and SQLAlchemy would make an object of each.
        assert isinstance(result, CursorResult)
        assert result.cursor is not None
        tables = []
        while rows := _fetched(result.cursor):
            tables.append(_as_table(rows, columns))
        result.close()
        return concat(tables, columns)

    def look_up(self, connection: Connection, keys: Int64Array, statement: Callable[[Wanted], Statement]) -> pa.Table:
        """The rows of a statement about some integers, some of them at a time."""
        columns = _columns(statement(self.wanted(keys[:0])))
        parts = (keys[start : start + ROWS] for start in range(0, len(keys), ROWS))
        return concat([self.table(connection, statement(self.wanted(part))) for part in parts], columns)


def _fetched(cursor: Any) -> Sequence[Sequence[Any]]:
    try:
        rows: Sequence[Sequence[Any]] = cursor.fetchmany(ROWS)
    except sqlite3.OperationalError as error:
        if is_undecodable(error):
            # Its message quotes the text.
            raise LedgerError("a text of the ledger is not UTF-8; run `kokin ledger verify`") from None
        raise
    return rows


_PYTHON_TYPES: dict[pa.DataType, type] = {pa.int64(): int, pa.string(): str, pa.binary(): bytes}


def _as_table(rows: Sequence[Sequence[Any]], columns: pa.Schema) -> pa.Table:
    """Rows as a table, without any conversion: SQLite can hold a value of any type in any column.

    Raises:
        LedgerError: a value has another type than its column.
    """
    if not rows:
        return columns.empty_table()
    arrays = []
    for values, field in zip(zip(*rows, strict=True), columns, strict=True):
        if not {*map(type, values)} <= {_PYTHON_TYPES[field.type], type(None)}:
            raise LedgerError(f"a value of `{field.name}` has another type than its column; run `kokin ledger verify`")
        arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=columns)


@dataclass
class Session:
    """A transaction, and how its database is asked."""

    store: Store
    connection: Connection

    def look_up(self, keys: Int64Array, statement: Callable[[Wanted], Statement]) -> pa.Table:
        """See :meth:`Store.look_up`."""
        return self.store.look_up(self.connection, keys, statement)

    def table(self, statement: Statement) -> pa.Table:
        """See :meth:`Store.table`."""
        return self.store.table(self.connection, statement)

    def rows(
        self, table: str, ids: Int64Array, names: tuple[str, ...], only: ColumnElement[bool] | None = None
    ) -> pa.Table:
        """Rows of a table by their ids, in the order of these: ``id`` and the named columns.

        ``only`` says which of them.
        """
        ids = sorted_unique(ids)
        of = TABLES[table]
        columns = select(*(of.c[name] for name in ("id", *names))).where(true() if only is None else only)

        def joined(wanted: Wanted) -> Statement:
            return columns.select_from(wanted.join(of, of.c.id == wanted.c.value)).order_by(of.c.id)

        tables = []
        for start in range(0, len(ids), ROWS):
            part = ids[start : start + ROWS]
            first, last = int(part[0]), int(part[-1])
            if last - first < _DENSE * len(part):
                found = self.table(columns.where(of.c.id.between(first, last)).order_by(of.c.id))
                tables.append(chosen(found, isin_sorted(to_numpy(found.column("id"), 0), part)))
            else:
                tables.append(self.look_up(part, joined))
        return concat(tables, _columns(columns))


def _columns(statement: Statement) -> pa.Schema:
    kinds = {column.key: column.type for column in statement.selected_columns}
    return pa.schema([(name, _arrow_type(kind)) for name, kind in kinds.items()])


def _arrow_type(kind: Any) -> pa.DataType:
    if isinstance(kind, Integer):
        return pa.int64()
    return pa.binary() if isinstance(kind, LargeBinary) else pa.string()
