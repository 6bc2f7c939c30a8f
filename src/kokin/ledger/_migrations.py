"""The schema versions of a ledger: create, check and upgrade a schema, and copy a ledger to another database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from importlib import resources
from pathlib import Path

from sqlalchemy import Connection, func, inspect, make_url, select
from sqlalchemy.engine import URL

import kokin
from kokin.ledger._database import (
    Database,
    LedgerError,
    LedgerExistsError,
    Transaction,
    database_errors,
    shown_url,
)
from kokin.ledger._journal import Entry, EntryWriter
from kokin.ledger._schema import DETAIL_TABLES, FIRST_VERSION, SCHEMA_VERSION, TABLES, EntryKind, schema_versions
from kokin.ledger._verify import verify
from kokin.reconcile import Policy


def database_url(address: str | URL | Path) -> URL:
    """Return the URL of an address; a text without ``://`` is the path of an SQLite file.

    Raises:
        sqlalchemy.exc.ArgumentError: not a URL.
    """
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


def require_version(database: Database, connection: Connection, *, upgradable: bool = False) -> None:
    """Raise :class:`LedgerError` unless the database has a ledger of this schema version, or of an earlier one."""
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
    version = _version(connection)
    is_earlier = FIRST_VERSION <= version < SCHEMA_VERSION
    if version != SCHEMA_VERSION and not (upgradable and is_earlier):
        advice = "run `kokin ledger upgrade`" if is_earlier else "use the version of Kokin that wrote it"
        raise LedgerError(
            f"the ledger in {shown_url(url)} has schema version {version}, this version of Kokin uses "
            f"{SCHEMA_VERSION}; {advice}"
        )


def _version(connection: Connection) -> int:
    return int(connection.execute(select(func.max(schema_versions.c.version))).scalar_one() or 0)


def upgrade(address: str | URL | Path, lock_timeout: float) -> list[int]:
    """See :meth:`kokin.ledger.Ledger.upgrade`."""
    require_file(database_url(address))
    with connected(address, lock_timeout) as database, closing_engine(database), database.writing() as connection:
        require_version(database, connection, upgradable=True)
        versions = list(range(_version(connection) + 1, SCHEMA_VERSION + 1))
        if versions:
            database.drop_guards(connection)
        for version in versions:
            for statement in _statements(version, connection.dialect.name):
                connection.exec_driver_sql(statement)
            _record_version(database, connection, version)
        if versions:
            database.create_view(connection)
            database.create_guards(connection)
        return versions


def _statements(version: int, dialect: str) -> list[str]:
    """Return the statements of a migration, which are never changed once a version of Kokin with it is released."""
    text = (resources.files("kokin.ledger") / "migrations" / f"{version:04}.{dialect}.sql").read_text(encoding="utf-8")
    return [statement for statement in text.split(";\n") if statement.strip()]


def copy(old: str | URL | Path, new: str | URL | Path, actor: str, now: datetime, lock_timeout: float) -> Entry:
    """See :meth:`kokin.ledger.Ledger.copy`."""
    require_file(database_url(old))
    with (
        connected(old, lock_timeout) as source,
        closing_engine(source),
        connected(new, lock_timeout) as target,
        closing_engine(target),
        source.reading() as reader,
        target.writing() as connection,
    ):
        require_version(source, reader)
        found = verify(Transaction(source, reader), Policy(), since="", expected_hash="", rematch=False)
        if not found.is_clean:
            raise LedgerError("the ledger was changed; nothing was copied; restore a backup", found.issues)
        if inspect(connection).has_table("entries"):
            raise LedgerExistsError(f"there is a ledger in {shown_url(target.engine.url)} already; copy to a new one")
        target.create_tables(connection)
        for name in ("schema_versions", "entries", "seals", *DETAIL_TABLES, "match_keys"):
            with closing(source.query(reader, select(TABLES[name]))) as batches:
                for batch in batches:
                    target.insert(connection, name, [batch])
        target.create_guards(connection)
        reason = f"copy of the ledger {Path(source.engine.url.database or '').name}"
        writer = EntryWriter(target, connection, now=now, actor=actor, reason=reason)
        writer.begin(EntryKind.OPENING)
        return writer.commit({"copied_hash": found.hash, "copied_entries": found.rows["entries"]})


@contextmanager
def closing_engine(database: Database) -> Iterator[None]:
    """Close the connections to a database at the end of the block."""
    try:
        yield
    finally:
        database.engine.dispose()
