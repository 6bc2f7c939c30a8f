"""Options that more than one command takes."""

from __future__ import annotations

import getpass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kokin.cli._words import help_text, tell
from kokin.issues import printable
from kokin.text import JAPAN


class Format(StrEnum):
    """How a result is written."""

    TEXT = "text"
    JSON = "json"


LayoutNames = Annotated[
    list[str],
    typer.Option(
        "--layout",
        "-l",
        help=help_text("Layout of the files: a name or a TOML file; once for all, or once per file."),
        show_default=False,
    ),
]
Lenient = Annotated[
    bool, typer.Option("--lenient", help=help_text("Repair what can be repaired, and report each repair."))
]
ReferenceDate = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        help=help_text("The day that days without a year or era are nearest to; today by default."),
        show_default=False,
    ),
]
As = Annotated[Format, typer.Option("--format", help=help_text("How the result is written."))]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", help=help_text("The body's choices: a TOML file."), show_default=False)
]
CatalogFile = Annotated[
    Path | None, typer.Option("--catalog", help=help_text("The body's charges: a TOML file."), show_default=False)
]
CreditsFile = Annotated[
    Path | None,
    typer.Option("--credits", help=help_text("A bank's credit file, for control T3."), show_default=False),
]
CreditsLayout = Annotated[str, typer.Option(help=help_text("The layout of the credit file."))]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        help=help_text("As the ledger stood at the end of this day in Japan; now by default."),
        show_default=False,
    ),
]
Actor = Annotated[str, typer.Option(help=help_text("Who does it; the login name by default."), show_default=False)]
At = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%dT%H:%M"],
        help=help_text("Effective time in Japan; now by default. Not before the last entry, not in the future."),
        show_default=False,
    ),
]


def as_printable(value: str) -> str:
    """The callback of an option whose text is stored: one that is not UTF-8 has its bytes escaped."""
    return printable(value)


def day_of(given: datetime | None) -> date:
    """The given day, or today."""
    return given.date() if given else date.today()


def moment_of(given: datetime | None) -> datetime | None:
    """The given moment, which is Japan's.

    Raises:
        BadParameter: it is none in UTC, in the first hours of the year 1.
    """
    moment = given and given.replace(tzinfo=JAPAN)
    try:
        return moment and moment.astimezone(UTC).astimezone(JAPAN)
    except OverflowError as error:
        raise typer.BadParameter(tell("there is no such moment"), param_hint="--at") from error


def actor_of(given: str) -> str:
    """The given name as printable text, or that of the login.

    Raises:
        BadParameter: nobody is logged in.
    """
    try:
        return printable(given or getpass.getuser())
    except (KeyError, OSError) as error:
        raise typer.BadParameter(tell("say who does it: nobody is logged in"), param_hint="--actor") from error
