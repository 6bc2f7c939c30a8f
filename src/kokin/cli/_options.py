"""Options that more than one command takes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import typer

LayoutNames = Annotated[
    list[str],
    typer.Option("--layout", "-l", help="Layout of the files: a name or a TOML file; once for all, or once per file."),
]
Lenient = Annotated[bool, typer.Option("--lenient", help="Repair what can be repaired, and report each repair.")]
ReferenceDate = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        help="The day that days without a year or era are nearest to; today by default.",
        show_default=False,
    ),
]


def day_of(given: datetime | None) -> date:
    """The given day, or today."""
    return given.date() if given else date.today()
