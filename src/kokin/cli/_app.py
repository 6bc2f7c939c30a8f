"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

import kokin
from kokin.cli._check import check
from kokin.cli._demo import demo
from kokin.cli._layouts import layouts
from kokin.cli._qr import app as qr
from kokin.cli._reconcile import reconcile

app = typer.Typer(
    name="kokin",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kokin {kokin.__version__}")
        raise typer.Exit


@app.callback()
def kokin_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """The public money of Japanese local governments: slips out, receipts in, reconciled to the yen.

    Exit codes: 0 clean; 1 done, with exceptions to look at; 2 wrong usage; 3 input refused, nothing written;
    4 a file could not be read or written. Messages are Japanese where the locale is (LANG, or KOKIN_LANG=ja|en).
    """


app.command()(demo)
app.add_typer(qr, name="qr")
app.command()(layouts)
app.command()(check)
app.command()(reconcile)


def main() -> None:
    """The entry point of the ``kokin`` command."""
    app()
