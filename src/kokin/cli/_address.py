"""Which ledger a command is about: a URL as its first argument, or KOKIN_LEDGER."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote

import typer

from kokin.cli._words import help_text, tell

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from kokin.ledger import Ledger
    from kokin.reconcile import Policy

#: Names the ledger where a command does not; a password is better kept in PGPASSWORD or .pgpass than in any URL.
VARIABLE = "KOKIN_LEDGER"

LedgerUrl = Annotated[
    str | None,
    typer.Argument(metavar="URL", help=help_text("The ledger; else KOKIN_LEDGER names it."), show_default=False),
]

# A URL with a password: what stands before it, it, and what follows up to the next @.
_PASSWORD = re.compile(r"(.*\w://[^:/@]*):([^?]*)(@[^@]*)")


def address(first: str | None, *more: str) -> tuple[str, list[str]]:
    """The URL of the ledger and the arguments that follow it; ``first`` is one of them where KOKIN_LEDGER has the URL.

    Raises:
        BadParameter: no ledger is named.
    """
    if first and "://" in first:
        return first, list(more)
    if named := os.environ.get(VARIABLE):
        return named, [first, *more] if first else []
    message = tell("name the ledger here or in KOKIN_LEDGER: sqlite:///city.db or postgresql://user@host/database")
    raise typer.BadParameter(message, param_hint="URL")


def only(given: str | None) -> str:
    """The URL of the ledger, after which nothing follows.

    Raises:
        BadParameter: no ledger is named, or something else.
    """
    url, rest = address(given)
    if rest:
        raise typer.BadParameter(tell("this command takes no more than the ledger's URL"), param_hint="URL")
    return url


def without_passwords(arguments: Sequence[str]) -> list[str]:
    """The arguments of the command; a password in one goes to PGPASSWORD before any message can repeat it."""
    kept = []
    for argument in arguments:
        if found := _PASSWORD.fullmatch(argument):
            os.environ["PGPASSWORD"] = unquote(found[2])
            argument = found[1] + found[3]
        kept.append(argument)
    return kept


@contextmanager
def opened(url: str, *, policy: Policy | None = None) -> Iterator[Ledger]:
    """Open the ledger of a URL.

    Raises:
        BadParameter: it is no URL of a database that outlives the command.
        LedgerError: there is no ledger, or it cannot be reached.
        InvalidInputError: the policy is not the ledger's.
    """
    from kokin.ledger import Ledger, LedgerError

    place = _parsed(url)
    file = Path(place.database or "") if place.get_backend_name() == "sqlite" else None
    if file and not file.exists():
        raise LedgerError(tell("there is no ledger in {place}; `kokin ledger init` makes one", place=shown(url)))
    with Ledger.open(place, policy=policy) as ledger:
        yield ledger


@contextmanager
def created(url: str, actor: str, policy: Policy | None = None) -> Iterator[Ledger]:
    """Create a ledger at a URL.

    Raises:
        BadParameter: it is no URL of a database that outlives the command.
        LedgerExistsError: there is a ledger already.
        LedgerError: the database cannot be reached.
    """
    from kokin.ledger import Ledger

    with Ledger.create(_parsed(url), actor=actor, policy=policy) as ledger:
        yield ledger


def shown(url: str) -> str:
    """A URL as it may be printed, its passwords masked."""
    from kokin.ledger import shown_url

    return shown_url(_parsed(url))


def _parsed(url: str) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url.encode("utf-8")
        place = make_url(url)
    except (ArgumentError, ValueError):
        # The error's own words may hold the password.
        message = tell("this is no URL of a database: sqlite:///city.db or postgresql://user@host/database")
        raise typer.BadParameter(message, param_hint="URL") from None
    if place.get_backend_name() == "sqlite" and place.database in (None, "", ":memory:"):
        message = tell("a ledger in memory is gone when the command ends; name a file: sqlite:///city.db")
        raise typer.BadParameter(message, param_hint="URL")
    hidden = place.query.get("password")
    # Beside the name of the user a password is masked wherever the URL is printed; as a parameter it is not.
    return place.difference_update_query(["password"]).set(password=str(hidden)) if hidden else place
