"""Options that several commands have, and the address of the ledger, which one of them is."""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import typer

from kokin.cli import _output
from kokin.cli._messages import help_text, message
from kokin.issues import printable
from kokin.text import JAPAN, today

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy.engine import URL

    from kokin.catalog import Catalog
    from kokin.ledger import Ledger
    from kokin.model import Record
    from kokin.reconcile import Policy
    from kokin.rules import RateTable


# A URL with a password: the part before the password, the password, and the part from the last @.
_PASSWORD = re.compile(r"(.*\w://[^:/@]*):([^?]*)(@[^@]*)")
# The passwords of the URLs of this command, by the rest of the URL without its scheme.
_REMOVED_PASSWORDS: dict[str, str] = {}


def option(text: str, *names: str, show_default: bool = False, **settings: Any) -> Any:
    """Return an option of a command with its help in the user's language."""
    return typer.Option(*names, help=help_text(text), show_default=show_default, **settings)


def argument(text: str, **settings: Any) -> Any:
    """Return an argument of a command with its help in the user's language."""
    return typer.Argument(help=help_text(text), show_default=False, **settings)


def as_printable(value: str) -> str:
    """Return a text that is stored with the bytes escaped that are not UTF-8; the callback of an option."""
    return printable(value)


class Format(StrEnum):
    """Format of what is printed."""

    TEXT = "text"
    JSON = "json"


OutputFormat = Annotated[Format, option("Format of the output.", "--format", show_default=True)]
OutputFolder = Annotated[Path, option("The folder to write into.", "--out")]
BillsFile = Annotated[Path, option("Bills: CSV (UTF-8 or cp932) or Parquet.", "--bills")]
BillLayout = Annotated[
    str | None,
    option("Layout of the bills, if they are not in Kokin's columns: a name or a TOML file.", "--bill-layout"),
]
ReceiptFiles = Annotated[list[Path], argument("Receipt files.", metavar="FILE")]
LayoutNames = Annotated[
    list[str],
    option("Layout of the files: a name or a TOML file; once for all files, or once per file.", "--layout", "-l"),
]
Lenient = Annotated[bool, option("Repair what can be repaired, and report each repair.", "--lenient")]
ReferenceDate = Annotated[
    datetime | None,
    option(
        "Reference date for dates without a year or era; today by default.", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD"
    ),
]
PolicyFile = Annotated[Path | None, option("The policy of the authority: a TOML file.", "--policy")]
ExpectedPolicyFile = Annotated[
    Path | None,
    option("Reject the run unless this policy, a TOML file, is the ledger's on the day of the report.", "--policy"),
]
CatalogFile = Annotated[Path | None, option("The charges of the authority: a TOML file.", "--catalog")]
CodesFile = Annotated[
    Path | None, option("The codes of account: accounts.toml; the rows then have them.", "--codes", metavar="FILE")
]
RatesFile = Annotated[
    Path | None,
    option("Rates of years that this version does not know: a TOML file.", "--rates", envvar="KOKIN_RATES"),
]
DepositsFile = Annotated[Path | None, option("The bank's file of deposits, for control T3.", "--deposits")]
DepositsLayout = Annotated[str, option("Layout of the bank's file of deposits.", show_default=True)]
AgentReportsFile = Annotated[
    Path | None, option("Reports of collection agents: a CSV, for control T2.", "--agent-reports")
]
WriteOffsFile = Annotated[Path | None, option("Write-offs: a CSV, for control T5.", "--write-offs")]
AsOf = Annotated[
    datetime | None,
    option("State at the end of this day in Japan; now by default.", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD"),
]
Actor = Annotated[str, option("Who makes the entry; the login name by default.")]
Reason = Annotated[str, option("Reason, recorded in the ledger.", callback=as_printable)]
EffectiveAt = Annotated[
    datetime | None,
    option(
        "Effective time in Japan; now by default. Not before the last entry, not in the future.",
        "--at",
        formats=["%Y-%m-%dT%H:%M"],
        metavar="YYYY-MM-DDThh:mm",
    ),
]
DeadlineTime = Annotated[
    datetime | None,
    option(
        "The time in Japan as of which deadlines have passed; now by default.",
        "--now",
        formats=["%Y-%m-%dT%H:%M"],
        metavar="YYYY-MM-DDThh:mm",
    ),
]
DryRun = Annotated[bool, option("Compute everything and print what would change; write nothing.", "--dry-run")]
LedgerAddress = Annotated[
    str,
    option("The ledger: a URL, or the path of an SQLite file.", "--ledger", "-L", envvar="KOKIN_LEDGER", metavar="URL"),
]

LockTimeout = Annotated[
    float | None,
    option("Seconds to wait for another writer of the ledger; 600 by default.", "--lock-timeout", min=0),
]


def rate_table(path: Path | None) -> RateTable:
    """Return the rates of 延滞金 and 還付加算金 with those of the file.

    Raises:
        InvalidInputError: the file is invalid.
        OSError: the file cannot be read.
    """
    from kokin.rules import RATES, load_rates

    return load_rates(path) if path else RATES


def charges_of(path: Path | None) -> Catalog:
    """Return the charges of the file of an option, by default the shipped ones.

    Raises:
        InvalidInputError: the file is invalid.
        OSError: the file cannot be read.
    """
    from kokin.catalog import CATALOG, load

    return load(path) if path else CATALOG


def day_or_today(value: datetime | None) -> date:
    """Return the day of an option, today in Japan by default."""
    return value.date() if value else today()


def time_in_japan(value: datetime | None) -> datetime | None:
    """Return the time of an option with the zone of Japan.

    Raises:
        BadParameter: UTC cannot express it: the first hours of the year 1.
    """
    moment = value and value.replace(tzinfo=JAPAN)
    try:
        return moment and moment.astimezone(UTC).astimezone(JAPAN)
    except OverflowError as error:
        raise typer.BadParameter(message("the time is out of range"), param_hint="--at") from error


def actor_or_login(value: str) -> str:
    """Return the actor of an option as printable text, the login name by default.

    Raises:
        BadParameter: there is no login name.
    """
    try:
        return printable(value or getpass.getuser())
    except (KeyError, OSError) as error:
        raise typer.BadParameter(message("no login name found; pass --actor"), param_hint="--actor") from error


def layouts_for(files: Sequence[Path], layouts: Sequence[str]) -> list[str]:
    """Return the layout of each file: the only one, or one for each file in their order.

    Raises:
        BadParameter: the number of layouts is neither one nor that of the files.
    """
    if len(layouts) == 1:
        return [*layouts] * len(files)
    if len(layouts) != len(files):
        counts = {"files": len(files), "layouts": len(layouts)}
        text = message(
            "pass one layout for all {files} files, or one per file in their order; found {layouts}", **counts
        )
        raise typer.BadParameter(text, param_hint="--layout")
    return list(layouts)


def read_table(path: Path | None, record: type[Record]) -> pa.Table | None:
    """Return the CSV of an option as a table with the columns of a record, None without one; print its warnings.

    Raises:
        InvalidInputError: the file, or a row of it, is invalid.
        OSError: the file cannot be read.
    """
    from kokin._arrow.files import read_records

    if path is None:
        return None
    table, warnings = read_records(path, record)
    _output.issues(warnings)
    return table


def remove_passwords(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without the passwords of URLs, which :func:`ledger_url` adds again.

    So no message repeats a password.
    """
    safe = []
    for argument in arguments:
        if match := _PASSWORD.fullmatch(argument):
            argument = match[1] + match[3]
            _REMOVED_PASSWORDS[_without_scheme(argument)] = unquote(match[2])
        safe.append(argument)
    return safe


@contextmanager
def open_ledger(address: str, *, policy: Policy | None = None, lock_timeout: float | None = None) -> Iterator[Ledger]:
    """Open the ledger at an address.

    Raises:
        BadParameter: there is no address, or it is not one of a database that outlives the command.
        LedgerError: there is no ledger, or the database cannot be reached.
        InvalidInputError: the policy is not the ledger's.
    """
    from kokin.ledger import Ledger

    with Ledger.open(existing_ledger(address), policy=policy, **lock_options(lock_timeout)) as ledger:
        yield ledger


def lock_options(lock_timeout: float | None) -> dict[str, Any]:
    """Return the option of :class:`kokin.ledger.Ledger` for a timeout; none for its default."""
    return {} if lock_timeout is None else {"lock_timeout": lock_timeout}


def existing_ledger(address: str) -> URL:
    """Return the URL of a ledger; see :func:`ledger_url`.

    Raises:
        LedgerError: it is in an SQLite file that does not exist.
    """
    from kokin.ledger import LedgerError

    url = ledger_url(address)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        text = message("there is no ledger in {place}; run `kokin ledger create`", place=shown_address(address))
        raise LedgerError(text)
    return url


def shown_address(address: str) -> str:
    """Return an address for messages: the path of an SQLite file, or the URL with its passwords masked."""
    from kokin.ledger import shown_url

    url = ledger_url(address)
    return str(url.database) if url.get_backend_name() == "sqlite" else shown_url(url)


def ledger_url(address: str) -> URL:
    """Return the URL of the database of a ledger.

    Raises:
        BadParameter: there is no address, or it is not one of a database that outlives the command.
    """
    from sqlalchemy.exc import ArgumentError

    from kokin.ledger import database_url

    if not address:
        text = message("no ledger: pass -L city.db or -L postgresql://user@host/database, or set KOKIN_LEDGER")
        raise typer.BadParameter(text, param_hint="--ledger")
    try:
        address.encode("utf-8")
        url = database_url(address)
    except (ArgumentError, ValueError):
        # The text of the error could contain the password.
        text = message("not the address of a database; examples: city.db, postgresql://user@host/database")
        raise typer.BadParameter(text, param_hint="--ledger") from None
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        text = message("a ledger in memory would be lost when the command ends; pass the path of a file: city.db")
        raise typer.BadParameter(text, param_hint="--ledger")
    # SQLAlchemy masks a password beside the user name when it prints a URL, but not one among the parameters.
    password = url.query.get("password") or _REMOVED_PASSWORDS.get(_without_scheme(address))
    return url.difference_update_query(["password"]).set(password=str(password)) if password else url


def _without_scheme(address: str) -> str:
    """Return what follows ``://``: an argument can have the name of an option before the scheme."""
    return address.partition("://")[2]
