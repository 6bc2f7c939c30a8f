"""The schema versions of a ledger: create, check and upgrade a schema, and copy a ledger to another database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, func, inspect, make_url, select
from sqlalchemy.engine import URL

import kokin
from kokin.ledger._database import Database, LedgerError, database_errors, shown_url
from kokin.ledger._schema import FIRST_VERSION, SCHEMA_VERSION, schema_versions


def database_url(address: str | URL | Path) -> URL:
    """Return the URL of an address; a text without ``://`` is the path of an SQLite file."""
    if isinstance(address, URL) or "://" in str(address):
        return make_url(address if isinstance(address, URL) else str(address))
    return URL.create("sqlite", database=str(address))


def require_file(url: URL) -> None:
    """Raise :class:`LedgerError` if a SQLite file does not exist: connecting would create it."""
    path = url.database if url.get_backend_name() == "sqlite" else None
    if path and path != ":memory:" and not path.startswith("file:") and not Path(path).is_file():
        raise _no_ledger(url)


@contextmanager
def connected(address: str | URL | Path, lock_timeout: float) -> Iterator[Database]:
    """Yield the database of an address; its connections are closed if the block fails.

    Raises:
        LedgerError: another kind of database, its driver is not installed, or the database failed.
    """
    database = _database_for(database_url(address), lock_timeout)
    try:
        with database_errors(database):
            yield database
    except BaseException:
        database.engine.dispose()
        raise


def _database_for(url: URL, lock_timeout: float) -> Database:
    match url.get_backend_name():
        case "sqlite":
            from kokin.ledger._sqlite import SqliteDatabase

            return SqliteDatabase(url, lock_timeout)
        case "postgresql":
            try:
                from kokin.ledger._postgres import PostgresDatabase

                return PostgresDatabase(url, lock_timeout)
            except ModuleNotFoundError as error:
                raise LedgerError("PostgreSQL needs its driver: pip install 'kokin[postgres]'") from error
        case name:
            raise LedgerError(f"a ledger cannot be in {name}; use SQLite or PostgreSQL")


def _no_ledger(url: URL) -> LedgerError:
    return LedgerError(
        f"there is no ledger in {shown_url(url)}; create one with `kokin ledger create` or Ledger.create"
    )


def create_schema(database: Database, connection: Connection) -> None:
    """Create tables, view and guards, and record the schema version."""
    database.create_tables(connection)
    _record_version(database, connection, SCHEMA_VERSION)
    database.create_guards(connection)


def _record_version(database: Database, connection: Connection, version: int) -> None:
    recorded_at, recorded_by = database.identity(connection)
    about = {"recorded_at": recorded_at, "recorded_by": recorded_by, "kokin_version": kokin.__version__}
    connection.execute(schema_versions.insert(), {"version": version, **about})


def require_version(database: Database, connection: Connection) -> None:
    """Raise :class:`LedgerError` unless the database has a ledger of this schema version."""
    url, tables = database.engine.url, inspect(connection)
    if not tables.has_table("schema_versions"):
        if not tables.has_table("entries"):
            raise _no_ledger(url)
        columns = {column["name"] for column in tables.get_columns("entries")}
        if not {"kind", "hash"} <= columns:
            raise LedgerError(f"the table `entries` in {shown_url(url)} is not of a ledger; name another database")
        raise LedgerError(
            f"the ledger in {shown_url(url)} has a schema version before {FIRST_VERSION}, of a development version of "
            "Kokin: create a new ledger, and add the bills and post the files again in the order of its entries"
        )
    version = connection.execute(select(func.max(schema_versions.c.version))).scalar_one()
    if version != SCHEMA_VERSION:
        advice = "run `kokin ledger upgrade`" if (version or 0) < SCHEMA_VERSION else "use a newer version of Kokin"
        raise LedgerError(
            f"the ledger in {shown_url(url)} has schema version {version}, this version of Kokin uses "
            f"{SCHEMA_VERSION}; {advice}"
        )
