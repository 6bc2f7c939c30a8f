"""Which database a URL names."""

from __future__ import annotations

from sqlalchemy.engine import URL

from kokin.issues import KokinError
from kokin.ledger._sqlite import SqliteStore
from kokin.ledger._store import Store


class LedgerError(KokinError):
    """The database cannot be used as a ledger."""


def store_for(url: URL) -> Store:
    """The store of a URL.

    Raises:
        LedgerError: no such kind of database, or its driver is not installed.
    """
    match url.get_backend_name():
        case "sqlite":
            return SqliteStore(url)
        case "postgresql":
            try:
                from kokin.ledger._postgres import PostgresStore

                return PostgresStore(url)
            except ModuleNotFoundError as error:
                raise LedgerError("PostgreSQL needs its driver: pip install 'kokin[postgres]'") from error
    raise LedgerError(f"a ledger is kept in SQLite or PostgreSQL, not in {url.get_backend_name()}")
