"""Errors of the database: one exception for all of them, with advice that is true of the cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kokin.issues import Issue, KokinError


class LedgerError(KokinError):
    """The database or the file cannot be used as a ledger.

    ``issues`` names what is wrong with the ledger itself, where that is known: a changed row, an incomplete index.
    """

    def __init__(self, message: str, issues: Sequence[Issue] = ()) -> None:
        super().__init__(message)
        self.issues: list[Issue] = list(issues)

    def __str__(self) -> str:
        return "\n".join([str(self.args[0]), *map(str, self.issues)])


class LedgerExistsError(LedgerError):
    """:meth:`Ledger.create` found a ledger in the database."""


# What to do, by cause; a transaction that failed was rolled back.
_BUSY = "another program is using the ledger: nothing was written; safe to run again"
_LOST = "the connection was lost: the entry was written whole or not at all; safe to run again"
_UNREACHABLE = "no connection; check the URL, the server and the network"
_RIGHTS = "nothing was written; check the path, and the rights of the user"
_FULL = "nothing was written; free space on the disk first"
_CHECK = "nothing was written; run `kokin ledger verify`"

# Primary result codes of SQLite: https://www.sqlite.org/rescode.html
_SQLITE = {5: _BUSY, 6: _BUSY, 3: _RIGHTS, 8: _RIGHTS, 14: _RIGHTS, 23: _RIGHTS, 13: _FULL}
# SQLSTATE, most specific first: https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL = {
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


@contextmanager
def database_errors(driver: Any, where: Callable[[], str]) -> Iterator[None]:
    """Raise :class:`LedgerError` for every error of SQLAlchemy, of the driver, and of a stored value that is invalid.

    Args:
        driver: the DBAPI module of the database.
        where: returns the URL without its passwords.
    """
    try:
        yield
    except (SQLAlchemyError, driver.Error) as error:
        cause = getattr(error, "orig", None) or error
        # The first line is the driver's own; those that follow can repeat values of a row.
        reason = str(cause).partition("\n")[0]
        quotes_a_text = is_undecodable(cause)
        if quotes_a_text:
            reason = "a text of the ledger is not UTF-8"
        message = f"the database in {where()} failed ({reason}); {_advice(error, cause)}"
        raise LedgerError(message) from (None if quotes_a_text else error)


def is_undecodable(cause: BaseException) -> bool:
    """Whether the sqlite3 module, not SQLite itself, failed: it has no code of an error."""
    return "decode" in str(cause) and getattr(cause, "sqlite_errorcode", None) is None


def _advice(error: BaseException, cause: BaseException) -> str:
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & 0xFF, _CHECK)
    if hasattr(cause, "sqlstate"):
        state = getattr(cause, "sqlstate") or ""  # noqa: B009 (of the driver, unknown to type checkers)
        for prefix, advice in _POSTGRESQL.items():
            if state.startswith(prefix):
                return advice
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return _LOST
        # psycopg has no SQLSTATE where no server answered; SQLAlchemy has no statement while it connects.
        if not state and type(cause).__name__ == "OperationalError":
            return _UNREACHABLE if isinstance(error, DBAPIError) and error.statement is None else _LOST
    return _CHECK
