"""Which database a URL names."""

from __future__ import annotations

from sqlalchemy.engine import URL

from kokin.ledger._errors import LedgerError
from kokin.ledger._sqlite import SqliteStore
from kokin.ledger._store import Store


def shown_url(url: URL) -> str:
    """A URL as it may be printed: its passwords are masked, those among its parameters too (``sslpassword``)."""
    secret = {name: "***" for name in url.query if "password" in name.lower()}
    return url.update_query_dict(secret).render_as_string(hide_password=True)


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
