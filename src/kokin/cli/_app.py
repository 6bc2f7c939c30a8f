"""The application: all commands, and the checks of the arguments before one of them runs."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

import kokin
from kokin.cli import _output
from kokin.cli._authorities import authorities_commands
from kokin.cli._check import check, layouts
from kokin.cli._compare import compare
from kokin.cli._intake import app as intake
from kokin.cli._issue_allot import app as issue
from kokin.cli._ledger_accounts import account_file
from kokin.cli._ledger_changes import change_commands
from kokin.cli._ledger_close import close
from kokin.cli._ledger_debit import app as debit
from kokin.cli._ledger_opening import open_balances
from kokin.cli._ledger_read import list_app, read_commands
from kokin.cli._ledger_refund import app as refund
from kokin.cli._ledger_settlement import settlement
from kokin.cli._ledger_trace import trace_commands
from kokin.cli._ledger_work import work
from kokin.cli._ledger_worklist import worklist_commands
from kokin.cli._ledger_write import write_commands
from kokin.cli._ledger_write_off import app as write_off
from kokin.cli._main import Exit
from kokin.cli._messages import command_help, message, usage_text
from kokin.cli._options import option, remove_passwords
from kokin.cli._proof import proof, verify
from kokin.cli._qr import app as qr
from kokin.cli._reconcile import demo, reconcile
from kokin.cli._report import report
from kokin.cli._upload import app as upload

app = typer.Typer(
    name="kokin",
    help=command_help("""The public money of Japanese local governments: slips out, receipts in, reconciled to the yen.

    Exit codes: 0 clean; 1 finished, with exceptions to look at; 2 wrong usage; 3 input rejected, nothing of it written;
    4 a file or the ledger could not be read or written; 5 the books do not balance: a control is broken, or the ledger
    was changed; 6 an expected file is missing; 130 interrupted; 141 the reader of the output has closed it. Where
    several apply, the highest.

    Messages are in Japanese where the locale is (LANG, or KOKIN_LANG=ja|en)."""),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
ledger = typer.Typer(
    help=command_help("""Keep a ledger of bills and receipts; each payment is posted once, and no row is ever changed.

    The ledger is a database, named by -L or by KOKIN_LEDGER: the path of an SQLite file for one machine,
    postgresql://user@host/database for a team. Put a password into PGPASSWORD or .pgpass; it is never printed."""),
    no_args_is_help=True,
)

# The base class of every usage error; typer exports only this subclass.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_EMPTY_OPTION = re.compile(r"--?[A-Za-z-]+=")


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"kokin {kokin.__version__}")
        raise typer.Exit


@app.callback()
def kokin_command(
    version: Annotated[
        bool, option("Print the version and exit.", "--version", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """The whole command; its help is that of ``app``."""


app.command()(demo)
app.add_typer(issue, name="issue")
app.add_typer(qr, name="qr")
app.command()(layouts)
app.command()(check)
app.command()(reconcile)
app.add_typer(ledger, name="ledger")
app.add_typer(upload, name="upload")
app.add_typer(intake, name="intake")
app.command()(report)
app.command()(compare)
for _command in authorities_commands:
    app.command()(_command)
_ledger_commands = (
    *write_commands,
    close,
    settlement,
    account_file,
    work,
    *worklist_commands,
    *read_commands,
    *trace_commands,
)
for _command in (*_ledger_commands, open_balances, *change_commands):
    ledger.command()(_command)
qr.command()(proof)
qr.command()(verify)
ledger.add_typer(list_app, name="list")
ledger.add_typer(refund, name="refund")
ledger.add_typer(debit, name="debit")
ledger.add_typer(write_off, name="write-off")


def run(arguments: Sequence[str]) -> int:
    """Run the command with its arguments and return its exit code; an unexpected error is raised."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=_output.SIMILAR_CHARACTERS)
    command = typer.main.get_command(app)
    _translate_help(command)
    try:
        arguments = remove_passwords(arguments)
        _require_values(arguments)
        with command.make_context("kokin", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code
    except _UsageError as error:
        _output.usage_error(error)
        return Exit.USAGE
    except BrokenPipeError:
        raise
    except OSError as error:  # the help or the version could not be written
        _output.failed(error)
        return Exit.FAILED
    return Exit.CLEAN


def _translate_help(command: Any) -> None:
    """Let a command and its sub-commands return their help in the user's language."""
    get_help = command.get_help
    command.get_help = lambda context: usage_text(get_help(context))
    for each in getattr(command, "commands", {}).values():
        _translate_help(each)


def _require_values(arguments: Sequence[str]) -> None:
    """Raise :class:`BadParameter` for an empty argument: the value of an unset variable in a script.

    As a path it would be the working directory.
    """
    for at, argument in enumerate(arguments):
        if argument == "" or _EMPTY_OPTION.fullmatch(argument):
            before = arguments[at - 1] if at else ""
            option = argument.rstrip("=") or (before if before.startswith("-") else f"{at + 1}")
            text = message("the value is empty; enter a value, or leave the option out")
            raise typer.BadParameter(text, param_hint=option)
