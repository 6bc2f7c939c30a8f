"""``kokin ledger``: the commands that read the ledger and change nothing in it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from kokin.cli import _output
from kokin.cli._main import Exit, with_controls, with_exit_code
from kokin.cli._messages import cell, command_help, headings, message, value
from kokin.cli._options import (
    AsOf,
    Format,
    LedgerAddress,
    OutputFolder,
    OutputFormat,
    day_or_today,
    open_ledger,
    option,
    shown_address,
)
from kokin.issues import printable
from kokin.text import JAPAN

if TYPE_CHECKING:
    import pyarrow as pa

    from kokin.ledger import Entry, LedgerStatus

# Entries that `status` prints; `list entries` prints all of them.
_LAST_ENTRIES = 10


class ListFormat(StrEnum):
    """Format of a list."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"


ListOutput = Annotated[ListFormat, option("Format of the output.", "--format", show_default=True)]


@with_exit_code
def status(
    ledger: LedgerAddress = "",
    quick: Annotated[
        bool, option("Leave out the controls T7 and T8, which match all receipts again.", "--quick")
    ] = False,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Print the state of the ledger: counts, yen, controls, the last entries, and the hash of the last one.

    Keep the hash outside the ledger; `verify --expected-hash` compares it.
    """
    with open_ledger(ledger) as opened:
        state, entries = opened.status(recompute=not quick), opened.entries(_LAST_ENTRIES)
    if output is Format.JSON:
        _output.as_json(state.as_dict())
    else:
        _print_status(shown_address(ledger), state, entries)
    return with_controls(Exit.CLEAN, state.as_dict()["controls"])


def _print_status(place: str, state: LedgerStatus, entries: Sequence[Entry]) -> None:
    _output.line(place)
    _output.line(f"hash {state.hash}")
    _output.line()
    counts = [*(state.rows[name] for name in ("bill_versions", "receipts", "postings")), state.files, state.entries]
    _output.table(headings("bill versions", "receipts", "postings", "files", "entries"), [counts])
    if state.outcomes:
        _output.line()
        _output.outcomes(state.outcomes)
    _output.line()
    _output.dispositions(state.dispositions)
    if len(list(filter(None, state.payees))) > 1:  # the empty text is no payee
        _output.line()
        _output.payees(state.payees)
    _output.line()
    _output.controls(state.as_dict()["controls"])
    _output.line()
    _print_entries(entries)


def _print_entries(entries: Sequence[Entry]) -> None:
    rows = []
    for entry in entries:
        kind = value("kind", entry.kind)
        if entry.reverses or entry.reverses_posting:
            kind += f" {entry.reverses or message('posting {number}', number=entry.reverses_posting)}"
        rows.append((str(entry.id), kind, japan_time(entry.at.isoformat()), entry.actor, entry.source, entry.reason))
    _output.table(headings("entry", "", "time (Japan)", "actor", "file", "reason"), rows)


def japan_time(at: str) -> str:
    """Return a time of the ledger, in Japan."""
    return f"{datetime.fromisoformat(at).astimezone(JAPAN):%Y-%m-%d %H:%M:%S}"


list_app = typer.Typer(
    help=command_help("""List the entries, bills, numbers, outcomes, balances or issues of the ledger on stdout.

    csv and json have all columns, with stable names."""),
    no_args_is_help=True,
)


@list_app.command("entries")
@with_exit_code
def list_entries(
    ledger: LedgerAddress = "",
    last: Annotated[int | None, option("Only the last N entries.", min=1, metavar="N")] = None,
    output: ListOutput = ListFormat.TEXT,
) -> Exit:
    """List the entries, oldest first: each is one transaction, with its time, actor and reason."""
    import pyarrow as pa

    from kokin.reports import write_csv

    with open_ledger(ledger) as opened:
        entries = opened.entries(last)
    if output is ListFormat.TEXT:
        _print_entries(entries)
        return Exit.CLEAN
    rows = [
        {
            **asdict(entry),
            "kind": entry.kind.value,
            "at": entry.at.isoformat(),
            "recorded_at": entry.recorded_at.isoformat(),
        }
        for entry in entries
    ]
    if output is ListFormat.JSON:
        _output.as_json(rows)
    else:
        table = pa.Table.from_pylist([row | {"totals": json.dumps(row["totals"])} for row in rows])
        _output.as_csv(partial(write_csv, table))
    return Exit.CLEAN


@list_app.command("bills")
@with_exit_code
def list_bills(ledger: LedgerAddress = "", as_of: AsOf = None, output: ListOutput = ListFormat.TEXT) -> Exit:
    """List the current version of every bill, by bill_id."""
    from kokin import bills

    with open_ledger(ledger) as opened:
        table = opened.bills(as_of and day_or_today(as_of))
    if output is ListFormat.CSV:  # as it can be read again: the lists of a bill as text
        _output.as_csv(partial(bills.write, table))
        return Exit.CLEAN
    titles = headings("bill_id", "payee_code", "item_code", "case_key", "amount", "due on", "")
    print_list(table, ("bill_id", "payee_code", "item_code", "case_key", "amount", "due_on", "status"), titles, output)
    return Exit.CLEAN


@list_app.command("outcomes")
@with_exit_code
def list_outcomes(
    ledger: LedgerAddress = "",
    entry: Annotated[int | None, option("Only the receipts of this entry.")] = None,
    output: ListOutput = ListFormat.TEXT,
) -> Exit:
    """List the outcome of every receipt that is not reversed, by file and record."""
    with open_ledger(ledger) as opened:
        table = opened.outcomes(entry)
    titles = headings("file", "record", "outcome", "bill_id", "yen", "applied", "excess")
    print_list(table, ("source", "record_no", "outcome", "bill_id", "amount", "applied", "excess"), titles, output)
    return Exit.CLEAN


@list_app.command("balances")
@with_exit_code
def list_balances(ledger: LedgerAddress = "", as_of: AsOf = None, output: ListOutput = ListFormat.TEXT) -> Exit:
    """List the balance of every bill, by bill_id: payee, amount, paid, residual and status."""
    with open_ledger(ledger) as opened:
        table = opened.balances(as_of and day_or_today(as_of))
    columns = ("bill_id", "payee_code", "amount", "paid", "residual", "status")
    print_list(table, columns, headings(*columns), output)
    return Exit.CLEAN


@list_app.command("numbers")
@with_exit_code
def list_numbers(
    ledger: LedgerAddress = "",
    bill: Annotated[str, option("Only the slips of the debt of this bill_id, oldest first.", metavar="BILL")] = "",
    as_of: AsOf = None,
    output: ListOutput = ListFormat.TEXT,
) -> Exit:
    """List the numbers that were allotted to slips, with what was printed under them.

    A slip that was issued again is superseded.
    """
    with open_ledger(ledger) as opened:
        table = opened.slip_numbers(printable(bill), as_of and day_or_today(as_of))
    columns = ("entry_id", "obligation_id", "issue_no", "bill_id", "case_key", "confirmation", "amount", "status")
    titles = headings("entry", "obligation_id", "issue_no", "bill_id", "case_key", "confirmation", "amount", "status")
    print_list(table, columns, titles, output)
    return Exit.CLEAN


@list_app.command("issues")
@with_exit_code
def list_issues(ledger: LedgerAddress = "", as_of: AsOf = None, output: ListOutput = ListFormat.TEXT) -> Exit:
    """List the problems of the posted files, and of the files that were rejected and are not posted since.

    An issue that was accepted in the work list is left out. A rejected file of deposits is listed until then, or until
    its entry is reversed.
    """
    with open_ledger(ledger) as opened:
        table = opened.issues(as_of and day_or_today(as_of))
    titles = headings("entry", "file", "record", "code", "field", "expected", "found")
    print_list(table, ("entry_id", "file", "record", "code", "field", "expected", "found"), titles, output)
    return Exit.CLEAN


def print_list(table: pa.Table, columns: Sequence[str], titles: Sequence[str], output: ListFormat) -> None:
    """Print a table: some columns as text, all of them as CSV or JSON."""
    from kokin.reports import write_csv

    match output:
        case ListFormat.TEXT:
            rows = table.select(columns).to_pylist()
            _output.table(titles, ([cell(name, content) for name, content in row.items()] for row in rows))
        case ListFormat.CSV:
            _output.as_csv(partial(write_csv, table))
        case ListFormat.JSON:
            _output.as_json(table.to_pylist())


@with_exit_code
def verify(
    ledger: LedgerAddress = "",
    expected_hash: Annotated[
        str, option("A hash that was kept outside the ledger; an entry must have it.", metavar="HASH")
    ] = "",
    since: Annotated[
        str, option("The hash of an entry that was verified before; verify what follows it.", metavar="HASH")
    ] = "",
    rematch: Annotated[
        bool, option("Also match all receipts again, and compare with the outcomes.", "--rematch")
    ] = False,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Verify that no row was changed, added or removed; name the first such row of each table.

    The exit code is 0 if the ledger is unchanged, otherwise 5. Do not use a ledger that fails; restore a backup.
    """
    from kokin.ledger import LedgerError, Verification

    for name, digits in {"--expected-hash": expected_hash, "--since": since}.items():
        if digits and not re.fullmatch("[0-9a-fA-F]{64}", digits):
            raise typer.BadParameter(message("a hash has 64 hexadecimal digits"), param_hint=name)
    try:
        with open_ledger(ledger) as opened, _output.progress(message("verify")):
            result = opened.verify(since=since, expected_hash=expected_hash, rematch=rematch)
    except LedgerError as error:
        if not error.issues:
            raise
        result = Verification(issues=error.issues)  # the first entry, without which no ledger can be opened
    if output is Format.JSON:
        issues = [_output.issue_dict(issue) for issue in result.issues]
        _output.as_json({"clean": result.is_clean, "rows": result.rows, "hash": result.hash, "issues": issues})
    else:
        _output.table(headings("table", "verified rows"), list(result.rows.items()))
        _output.line()
        _output.line(f"hash {result.hash}")
        _output.issues(result.issues)
        clean = result.is_clean
        text = message("ledger verified: no row was changed" if clean else "verification FAILED; see the messages")
        _output.line(text)
    return Exit.CLEAN if result.is_clean else Exit.UNBALANCED


@with_exit_code
def export(out: OutputFolder, ledger: LedgerAddress = "") -> Exit:
    """Write the journal as CSV, a file per table, without names of persons.

    audit_log.csv has each posting with times, actor, file, reason, version and hashes.
    """
    with open_ledger(ledger) as opened, _output.progress(message("export")):
        paths = opened.export(out)
    for path in paths:
        _output.line(str(path))
    return Exit.CLEAN


read_commands = (status, verify, export)
