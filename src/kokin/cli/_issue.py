"""``kokin issue``: the numbers of slips, before they are printed."""

from __future__ import annotations

import typer

from kokin.cli._messages import command_help

app = typer.Typer(
    help=command_help("Allot and check the numbers of slips before they are printed."), no_args_is_help=True
)
