"""The commands, put together."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

import kokin
from kokin.cli._address import without_passwords
from kokin.cli._check import check
from kokin.cli._demo import demo
from kokin.cli._layouts import layouts
from kokin.cli._ledger import app as ledger
from kokin.cli._qr import app as qr
from kokin.cli._reconcile import reconcile
from kokin.cli._report import report
from kokin.cli._words import help_text, page

app = typer.Typer(
    name="kokin",
    help=page("""The public money of Japanese local governments: slips out, receipts in, reconciled to the yen.

    Exit codes: 0 clean; 1 done, with exceptions to look at; 2 wrong usage; 3 input refused, nothing of it written;
    4 a file or the ledger could not be read or written; 130 interrupted; 141 nobody reads the output any more.

    Messages are Japanese where the locale is (LANG, or KOKIN_LANG=ja|en)."""),
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
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help=help_text("Print the version and stop.")),
    ] = False,
) -> None:
    """The whole command; its help stands above."""


app.command()(demo)
app.add_typer(qr, name="qr")
app.command()(layouts)
app.command()(check)
app.command()(reconcile)
app.add_typer(ledger, name="ledger")
app.command()(report)


def main() -> None:
    """The entry point of the ``kokin`` command."""
    sys.argv[1:] = without_passwords(sys.argv[1:])
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal may lack a sign; it is better shown as ? than not at all.
        sys.stdout.reconfigure(errors="replace")
    app()
