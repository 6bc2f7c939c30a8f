"""The database of a ledger: transactions, bulk insert, queries as Arrow tables, and errors with advice.

:class:`Database` is what SQLite and PostgreSQL have in common. Every error of the database becomes a
:class:`LedgerError` that says what to do.
"""

from __future__ import annotations

import abc
import getpass
import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import pyarrow as pa
from pyarrow import json
from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    MetaData,
    Result,
    Select,
    func,
    select,
    true,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kokin._arrow.convert import Int64Array, empty_batch, to_numpy
from kokin._arrow.threads import isin_sorted, lazy_thread_map, sorted_unique
from kokin.issues import Issue, KokinError
from kokin.ledger._codec import concat, filter_rows
from kokin.ledger._schema import AUDIT_LOG, METADATA, TABLES, arrow_type, audit_log_query

T = TypeVar("T")

if TYPE_CHECKING:
    #: Any query. SQLAlchemy 2.0 does not know this form at run time.
    Statement: TypeAlias = Select[*tuple[Any, ...]]

#: Rows that are read, written or fetched by id per statement.
BATCH_ROWS = 65_536

#: Ids per statement of :meth:`Transaction.scan`: few enough for the texts of one chunk to stay in the CPU cache.
SCAN_ROWS = 16_384

# A range of ids is scanned if at least one row in so many is requested; otherwise rows are fetched by id.
_SCAN_RATIO = 2


class LedgerError(KokinError):
    """The database or the file cannot be used as a ledger.

    ``issues`` locates known problems of the ledger itself: a changed row, an incomplete index.
    """

    def __init__(self, message: str, issues: Sequence[Issue] = (), *, is_conflict: bool = False) -> None:
        super().__init__(message)
        self.issues: list[Issue] = list(issues)
        #: Whether the transaction can succeed if it is tried again at once.
        self.is_conflict = is_conflict

    def __str__(self) -> str:
        return "\n".join([str(self.args[0]), *map(str, self.issues)])


class LedgerExistsError(LedgerError):
    """:meth:`Ledger.create` found a ledger in the database."""


def login_name() -> str:
    """Return the name of the system's user, or its number if it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"


def shown_url(url: URL) -> str:
    """Return a URL for messages: its passwords are masked, also those in its parameters (``sslpassword``)."""
    masked = {name: "***" for name in url.query if "password" in name.lower()}
    return url.update_query_dict(masked).render_as_string(hide_password=True)


class Definition(NamedTuple):
    """A part of the schema in the database: a table, column, constraint, index, trigger, rule, function or view."""

    kind: str
    table: str
    name: str
    text: str


class Database(abc.ABC):
    """The operations of a ledger's database that differ between SQLite and PostgreSQL, and those built on them."""

    def __init__(self, engine: Engine, lock_timeout: float) -> None:
        self.engine = engine
        #: How long a writer waits for another, in seconds.
        self.lock_timeout = lock_timeout

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction of the only writer: committed as a whole, or rolled back."""
        with self.engine.connect().execution_options(**self.write_options) as connection, connection.begin():
            self.lock(connection)
            yield connection

    @contextmanager
    def rolled_back(self) -> Iterator[Connection]:
        """Open a transaction of the only writer that is rolled back at the end, for a dry run."""
        with self.engine.connect().execution_options(**self.write_options) as connection:
            transaction = connection.begin()
            try:
                self.lock(connection)
                yield connection
            finally:
                transaction.rollback()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that reads one snapshot of the ledger."""
        with self.engine.connect().execution_options(**self.read_options) as connection, connection.begin():
            yield connection

    #: Execution options of SQLAlchemy's connections.
    write_options: dict[str, Any]
    read_options: dict[str, Any]
    #: The options of a statement of which not all rows fit into memory; none where the driver reads row by row.
    stream_options: dict[str, Any]

    @abc.abstractmethod
    def lock(self, connection: Connection) -> None:
        """Wait until this transaction is the only writer."""

    @abc.abstractmethod
    def identity(self, connection: Connection) -> tuple[str, str]:
        """Return the database's own time of the transaction, UTC with microseconds, and its user."""

    @abc.abstractmethod
    def create_guards(self, connection: Connection) -> None:
        """Make the database reject every change but new rows of an open entry, one whose seal is not written yet.

        To be called after the tables have been created and, in a copy of a ledger, filled.
        """

    @abc.abstractmethod
    def drop_guards(self, connection: Connection) -> None:
        """Remove what :meth:`create_guards` has created, for an upgrade of the schema."""

    @abc.abstractmethod
    def definitions(self, connection: Connection) -> list[Definition]:
        """Return the definitions that the ledger has, in a form that can be compared with the expected ones."""

    @abc.abstractmethod
    def expected_definitions(self, connection: Connection) -> list[Definition]:
        """Return the definitions of a new ledger."""

    @abc.abstractmethod
    def insert(self, connection: Connection, table: str, batches: Iterable[pa.Table]) -> None:
        """Insert rows; omitted columns are null. All batches have the same columns."""

    @abc.abstractmethod
    def values(self, values: Int64Array | Sequence[str]) -> Select[Any]:
        """Return integers or texts as a query of one column."""

    @abc.abstractmethod
    def json_list(self, values: ColumnElement[Any]) -> ColumnElement[str]:
        """Return the aggregate of the values of a column as the text of a JSON list; null for no rows."""

    def create_tables(self, connection: Connection) -> None:
        """Create the tables and the view of a new ledger, without its guards."""
        _metadata_of(connection.dialect.name).create_all(connection)
        self.create_view(connection)

    def create_view(self, connection: Connection) -> None:
        """Create the view of the audit log, or replace it."""
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {AUDIT_LOG.name}")
        connection.exec_driver_sql(f"CREATE VIEW {AUDIT_LOG.name} AS {audit_log_query(connection.dialect)}")

    def query(self, connection: Connection, statement: Statement) -> Generator[pa.Table, None, None]:
        """Yield the rows of a statement in batches, the first one empty; columns of int64, string and binary."""
        columns = _schema_of(statement)
        yield pa.Table.from_batches([empty_batch(columns)])
        with connection.execute(statement, execution_options=self.stream_options) as result:
            batches = result.partitions() if self.stream_options else driver_rows(result)
            yield from (_as_table(rows, columns) for rows in batches)

    def table(self, connection: Connection, statement: Statement) -> pa.Table:
        """Return all rows of a statement, one chunk per column."""
        columns = _schema_of(statement)
        with connection.execute(statement) as result:
            return concat([_as_table(rows, columns) for rows in driver_rows(result)], columns)


@dataclass
class Transaction:
    """A connection inside a transaction, and its database."""

    database: Database
    connection: Connection

    def fetch(self, statement: Statement, column: ColumnElement[Any], values: Int64Array | Sequence[str]) -> pa.Table:
        """Return the rows of a statement whose column has one of some values, one statement per batch of values."""
        batches = (values[start : start + BATCH_ROWS] for start in range(0, len(values), BATCH_ROWS))
        tables = [self.table(statement.where(column.in_(self.database.values(batch)))) for batch in batches]
        return concat(tables, _schema_of(statement))

    def has_rows(self, name: str) -> bool:
        """Return whether a table has a row."""
        statement = select(next(iter(TABLES[name].c))).limit(1)
        return self.connection.execute(statement).first() is not None

    def table(self, statement: Statement) -> pa.Table:
        """See :meth:`Database.table`."""
        return self.database.table(self.connection, statement)

    def scan(self, statement: Statement, *ids: ColumnElement[int]) -> Iterator[pa.Table]:
        """Yield the rows of a statement of integers and texts in chunks, the first one empty.

        Faster than :meth:`table`, which creates a Python object per value: the database returns one JSON list per
        column, which Arrow parses in another thread.

        Args:
            statement: the statement, without an order.
            ids: a primary key, and other columns that are equal to it: rows are read by ranges of them, so that the
                plan of a range does not read the whole table.

        Raises:
            LedgerError: a value has another type than its column.
        """
        columns = _schema_of(statement)
        yield pa.Table.from_batches([empty_batch(columns)])
        last: int = self.connection.execute(select(func.max(ids[0]))).scalar_one() or 0

        def lists_of_ranges() -> Iterator[Sequence[str | None]]:
            for first in range(1, last + 1, SCAN_ROWS):
                conditions = (each.between(first, first + SCAN_ROWS - 1) for each in ids)
                rows = statement.where(*conditions).order_by(ids[0]).subquery()
                with self.connection.execute(select(*map(self.database.json_list, rows.c))) as result:
                    yield result.one()

        yield from lazy_thread_map(lambda lists: _parse_lists(lists, columns), lists_of_ranges(), threads=1)

    def rows(
        self, name: str, ids: Int64Array, columns: tuple[str, ...], where: ColumnElement[bool] | None = None
    ) -> pa.Table:
        """Return rows of a table by id, in ascending order: ``id`` and the named columns."""
        ids = sorted_unique(ids)
        table = TABLES[name]
        selected = select(*(table.c[column] for column in ("id", *columns))).where(true() if where is None else where)

        tables = []
        for start in range(0, len(ids), BATCH_ROWS):
            batch = ids[start : start + BATCH_ROWS]
            first, last = int(batch[0]), int(batch[-1])
            if last - first < _SCAN_RATIO * len(batch):
                found = self.table(selected.where(table.c.id.between(first, last)).order_by(table.c.id))
                tables.append(filter_rows(found, isin_sorted(to_numpy(found.column("id"), 0), batch)))
            else:
                tables.append(self.fetch(selected.order_by(table.c.id), table.c.id, batch))
        return concat(tables, _schema_of(selected))


@cache
def _metadata_of(dialect: str) -> MetaData:
    """Return the schema for a dialect.

    SQLAlchemy adds foreign keys of a cycle to PostgreSQL by ALTER TABLE, and marks them: SQLite would have none.
    """
    return deepcopy(METADATA)


def driver_rows(result: Result[Any]) -> Iterator[Sequence[Sequence[Any]]]:
    """Yield the rows of the driver's cursor in batches.

    There are no types to adapt, and SQLAlchemy would create an object for each row. The result must have no option
    that makes SQLAlchemy read the first rows itself, such as ``yield_per``.
    """
    assert isinstance(result, CursorResult)
    assert result.cursor is not None
    while rows := _fetch(result.cursor):
        yield rows


def _fetch(cursor: Any) -> Sequence[Sequence[Any]]:
    try:
        rows: Sequence[Sequence[Any]] = cursor.fetchmany(BATCH_ROWS)
    except sqlite3.OperationalError as error:
        if _is_undecodable(error):
            # The message of the driver quotes the text.
            raise LedgerError("a text of the ledger is not UTF-8; run `kokin ledger verify`") from None
        raise
    return rows


_PYTHON_TYPES: dict[pa.DataType, type] = {pa.int64(): int, pa.string(): str, pa.binary(): bytes}


def _as_table(rows: Sequence[Sequence[Any]], columns: pa.Schema) -> pa.Table:
    """Return rows as a table without conversion: SQLite can have a value of any type in any column.

    Raises:
        LedgerError: a value has another type than its column.
    """
    if not rows:
        return pa.Table.from_batches([empty_batch(columns)])
    arrays = []
    for values, field in zip(zip(*rows, strict=True), columns, strict=True):
        if not {*map(type, values)} <= {_PYTHON_TYPES[field.type], type(None)}:
            raise _type_error(field)
        arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=columns)


def _parse_lists(lists: Sequence[str | None], columns: pa.Schema) -> pa.Table:
    """Return the columns of JSON lists, which have a list for each column; see :meth:`Transaction.scan`."""
    arrays = [_parse_list(text or "[]", field) for text, field in zip(lists, columns, strict=True)]
    return pa.Table.from_arrays(arrays, schema=columns)


def _parse_list(text: str, field: pa.Field) -> pa.Array:
    document = f'{{"{field.name}":{text}}}'.encode()
    try:
        rows = json.read_json(
            pa.BufferReader(document),
            read_options=json.ReadOptions(use_threads=False, block_size=len(document) + 1),
            parse_options=json.ParseOptions(explicit_schema=pa.schema([(field.name, pa.list_(field.type))])),
        )
    except pa.ArrowInvalid:
        # The message of Arrow can quote the value.
        raise _type_error(field) from None
    return rows.column(0).chunk(0).flatten()


def _type_error(field: pa.Field) -> LedgerError:
    return LedgerError(f"a value of `{field.name}` has another type than its column; run `kokin ledger verify`")


def _schema_of(statement: Statement) -> pa.Schema:
    return pa.schema([(column.key, arrow_type(column.type)) for column in statement.selected_columns])


# What to do, by cause. A failed transaction was rolled back.
_BUSY = "another program is using the ledger: nothing was written; safe to run again"
_LOST = "the connection was lost: the entry was written whole or not at all; safe to run again"
_UNREACHABLE = "no connection; check the URL, the server and the network"
_RIGHTS = "nothing was written; check the path, and the rights of the user"
_FULL = "nothing was written; free space on the disk first"
_CHECK = "nothing was written; run `kokin ledger verify`"

# Primary result codes of SQLite: https://www.sqlite.org/rescode.html
_SQLITE_ADVICE = {5: _BUSY, 6: _BUSY, 3: _RIGHTS, 8: _RIGHTS, 14: _RIGHTS, 23: _RIGHTS, 13: _FULL}
# Prefixes of SQLSTATE, the first match counts: https://www.postgresql.org/docs/current/errcodes-appendix.html
_SQLSTATE_ADVICE = {
    "57P": _LOST,
    "08": _LOST,
    "40": _BUSY,
    "55P03": _BUSY,
    "42501": _RIGHTS,
    "25006": _RIGHTS,
    "28": _RIGHTS,
    "3D": _UNREACHABLE,
    "53100": _FULL,
    "53300": _BUSY,
}
# A serialization failure and a deadlock.
_CONFLICTS = ("40001", "40P01")


@contextmanager
def database_errors(database: Database) -> Iterator[None]:
    """Raise :class:`LedgerError` for every error of SQLAlchemy, of the driver, and of an invalid stored value."""
    driver: Any = database.engine.dialect.loaded_dbapi
    try:
        yield
    except (SQLAlchemyError, driver.Error) as error:
        cause = getattr(error, "orig", None) or error
        # Only the first line: the next ones can quote values of a row.
        reason = str(cause).partition("\n")[0]
        quotes_a_text = _is_undecodable(cause)
        if quotes_a_text:
            reason = "a text of the ledger is not UTF-8"
        message = f"the database in {shown_url(database.engine.url)} failed ({reason}); {_advice(error, cause)}"
        is_conflict = (getattr(cause, "sqlstate", "") or "") in _CONFLICTS
        raise LedgerError(message, is_conflict=is_conflict) from (None if quotes_a_text else error)


def with_retry(database: Database, work: Callable[[], T], attempts: int) -> T:
    """Return the result of a transaction; it is tried again if the database reports a conflict with another one.

    Raises:
        LedgerError: the database failed.
    """
    for remaining in reversed(range(attempts)):
        try:
            with database_errors(database):
                return work()
        except LedgerError as error:
            if not error.is_conflict or not remaining:
                raise
    raise ValueError("no attempt")


def _is_undecodable(cause: BaseException) -> bool:
    """Return whether the sqlite3 module failed to decode a text: SQLite itself has an error code."""
    return "decode" in str(cause) and getattr(cause, "sqlite_errorcode", None) is None


def _advice(error: BaseException, cause: BaseException) -> str:
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE_ADVICE.get(code & 0xFF, _CHECK)
    if hasattr(cause, "sqlstate"):
        state = getattr(cause, "sqlstate") or ""  # noqa: B009 (of the driver, unknown to type checkers)
        for prefix, advice in _SQLSTATE_ADVICE.items():
            if state.startswith(prefix):
                return advice
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return _LOST
        # psycopg has no SQLSTATE if no server answered; SQLAlchemy has no statement while it connects.
        if not state and type(cause).__name__ == "OperationalError":
            return _UNREACHABLE if isinstance(error, DBAPIError) and error.statement is None else _LOST
    return _CHECK
