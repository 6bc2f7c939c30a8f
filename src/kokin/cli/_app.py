"""The commands, put together."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import kokin
from kokin.cli import _show
from kokin.cli._address import without_passwords
from kokin.cli._check import check
from kokin.cli._demo import demo
from kokin.cli._exits import Exit
from kokin.cli._layouts import layouts
from kokin.cli._ledger import app as ledger
from kokin.cli._qr import app as qr
from kokin.cli._reconcile import reconcile
from kokin.cli._report import report
from kokin.cli._words import help_text, page, tell

app = typer.Typer(
    name="kokin",
    help=page("""The public money of Japanese local governments: slips out, receipts in, reconciled to the yen.

    Exit codes: 0 clean; 1 done, with exceptions to look at; 2 wrong usage; 3 input rejected, nothing of it written;
    4 a file or the ledger could not be read or written; 5 the books do not balance: a control is broken, or the ledger
    was changed; 130 interrupted; 141 nobody reads the output any more. Where several apply, the highest.

    Messages are Japanese where the locale is (LANG, or KOKIN_LANG=ja|en)."""),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# What every error of usage is. typer exports only this kind of it.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_EMPTY_OPTION = re.compile(r"--?[a-z-]+=")


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
    """The whole command; its help is that of ``app``."""


app.command()(demo)
app.add_typer(qr, name="qr")
app.command()(layouts)
app.command()(check)
app.command()(reconcile)
app.add_typer(ledger, name="ledger")
app.command()(report)


def run(arguments: Sequence[str]) -> int:
    """Run the command with its arguments, and return its exit code; what it does not expect is raised."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal may lack a sign; it is better shown as ? than not at all.
        sys.stdout.reconfigure(errors="replace")
    command = typer.main.get_command(app)
    try:
        arguments = without_passwords(arguments)
        _refuse_empty(arguments)
        with command.make_context("kokin", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code
    except _UsageError as error:
        _show.usage(error)
        return Exit.USAGE
    except BrokenPipeError:
        raise
    except OSError as error:  # the help or the version could not be written
        _show.failure(error)
        return Exit.FAILED
    return Exit.CLEAN


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse an empty argument: it is a variable of a script without a value, and would name the working directory.

    Raises:
        BadParameter: there is one.
    """
    for at, argument in enumerate(arguments):
        if argument == "" or _EMPTY_OPTION.fullmatch(argument):
            before = arguments[at - 1] if at else ""
            option = argument.rstrip("=") or (before if before.startswith("-") else f"{at + 1}")
            message = tell("the value is empty; name something, or leave the option out")
            raise typer.BadParameter(message, param_hint=option)
