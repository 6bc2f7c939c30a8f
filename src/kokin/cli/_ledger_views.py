"""``kokin ledger``: what reads the ledger, and changes nothing in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokin.cli import _show
from kokin.cli._address import LedgerUrl, address, only, opened, shown
from kokin.cli._exits import Exit, exits, with_controls
from kokin.cli._options import JAPAN, As, AsOf, Format, day_of
from kokin.cli._words import heads, help_text, tell
from kokin.issues import printable

if TYPE_CHECKING:
    from kokin.ledger import Entry


@exits
def status(
    ledger: LedgerUrl = None,
    entries: Annotated[int, typer.Option(help=help_text("How many of the last entries are listed."), min=0)] = 10,
    output: As = Format.TEXT,
) -> Exit:
    """Tell how the ledger stands: counts, yen, the last entries, and the hash that seals them.

    Write the hash down elsewhere; `verify --expected-hash` compares it.
    """
    url = only(ledger)
    with opened(url) as kept:
        told, last = kept.status(), kept.entries()[-entries:] if entries else []
    if output is Format.JSON:
        _show.as_json(told)
    else:
        _print_status(shown(url), told, last)
    return with_controls(Exit.CLEAN, told["controls"])


def _print_status(place: str, told: Mapping[str, Any], last: Sequence[Entry]) -> None:
    _show.line(place)
    _show.line(f"hash {told['hash']}")
    _show.line()
    counts = [told[name] for name in ("bills", "files", "receipts", "postings", "entries")]
    _show.grid(heads("bills", "files", "receipts", "postings", "entries"), [counts])
    if told["outcomes"]:
        _show.line()
        rows = [(name, row["count"], row["amount"]) for name, row in told["outcomes"].items()]
        _show.grid(heads("outcome", "receipts", "yen"), rows)
    _show.line()
    _show.grid(heads("bin", "yen"), [(tell(name), yen) for name, yen in told["bins"].items()])
    _show.line()
    _show.controls(told["controls"])
    if last:
        _show.line()
        columns = heads("entry", "", "when (Japan)", "who", "file", "reason")
        _show.grid(columns, [(str(each.id), *_told(each), each.actor, each.source, each.reason) for each in last])


def _told(entry: Entry) -> tuple[str, str]:
    """What an entry did, and when."""
    done = tell(entry.kind)
    if entry.reverses or entry.reverses_posting:
        done += f" {entry.reverses or tell('posting {number}', number=entry.reverses_posting)}"
    return done, _when(entry.at.isoformat())


def _when(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(JAPAN):%Y-%m-%d %H:%M:%S}"


@exits
def balances(
    out: Annotated[Path, typer.Option(help=help_text("The CSV to write."), show_default=False)],
    ledger: LedgerUrl = None,
    as_of: AsOf = None,
) -> Exit:
    """Write how every bill stands: bill_id, amount, paid, residual, status."""
    from kokin.reports import write_csv

    with opened(only(ledger)) as kept:
        table = kept.balances(as_of and day_of(as_of))
    write_csv(table, out)
    _show.line(tell("{count:,} bills, written to {out}", count=len(table), out=out))
    return Exit.CLEAN


@exits
def history(
    ledger: LedgerUrl = None,
    bill: Annotated[str | None, typer.Argument(help=help_text("The bill_id."), show_default=False)] = None,
    output: As = Format.TEXT,
) -> Exit:
    """Tell everything that the ledger has on one bill: its versions, postings and balances, oldest first."""
    url, rest = address(ledger, *([bill] if bill else []))
    if len(rest) != 1:
        raise typer.BadParameter(tell("name one bill after the ledger"), param_hint="BILL")
    with opened(url) as kept:
        found = kept.history(printable(rest[0]))
    tables = {name: getattr(found, name).to_pylist() for name in ("versions", "postings", "balances")}
    if output is Format.JSON:
        _show.as_json(tables)
        return Exit.CLEAN
    versions = [(str(row["entry"]), row["due_on"], row["amount"], tell(row["status"])) for row in tables["versions"]]
    _show.grid(heads("entry", "due on", "yen", ""), versions)
    if tables["postings"]:
        _show.line()
        heading = heads("no.", "entry", "receipt", "", "outcome", "applied", "excess")
        _show.grid(heading, [_posting(row) for row in tables["postings"]])
        _show.line()
        entries = {row["entry"]: (_when(row["at"]), row["actor"], row["reason"]) for row in tables["postings"]}
        _show.grid(heads("entry", "when (Japan)", "who", "reason"), [(str(key), *row) for key, row in entries.items()])
    _show.line()
    yen = ("amount", "paid", "residual")
    rows = [(str(row["entry"]), *(row[name] for name in yen), tell(row["status"])) for row in tables["balances"]]
    _show.grid(heads("entry", "amount", "paid", "residual", "status"), rows)
    return Exit.CLEAN


def _posting(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """A posting by the place of its receipt; one that reverses another names it."""
    done = tell(row["rule"]) + (f" {row['reverses']}" if row["reverses"] else "")
    place = f"{row['source']}:{row['record_no']}"
    return (str(row["id"]), str(row["entry"]), place, done, row["outcome"], row["applied"], row["excess"])


@exits
def verify(
    ledger: LedgerUrl = None,
    sealed: Annotated[
        str,
        typer.Option(
            metavar="HASH", help=help_text("A hash that was written down outside the ledger."), show_default=False
        ),
    ] = "",
    again: Annotated[
        bool, typer.Option("--rematch", help=help_text("Also judge all receipts again, and compare."))
    ] = False,
    output: As = Format.TEXT,
) -> Exit:
    """Verify that every row is what was written, and name the first of each table that is not.

    The exit code is 0 only if every row is; otherwise 5. Do not use such a ledger.
    """
    from kokin.ledger import LedgerError, Verification

    url = only(ledger)
    if sealed and not re.fullmatch("[0-9a-fA-F]{64}", sealed):
        raise typer.BadParameter(tell("a hash has 64 hexadecimal digits"), param_hint="--expected-hash")
    try:
        with opened(url) as kept, _show.progress(tell("verify")):
            found = kept.verify(expected_hash=sealed, rematch=again)
    except LedgerError as error:
        if not error.issues:
            raise
        found = Verification(issues=error.issues)  # the first entry, without which no ledger is opened
    if output is Format.JSON:
        told = [_show.issue_dict(issue) for issue in found.issues]
        _show.as_json({"clean": found.is_clean, "rows": found.rows, "hash": found.hash, "issues": told})
    else:
        _show.grid(heads("table", "good rows"), list(found.rows.items()))
        _show.line()
        _show.line(f"hash {found.hash}")
        _show.issues(found.issues)
        _show.line(tell("everything is what was written" if found.is_clean else "NOT everything is what was written"))
    return Exit.CLEAN if found.is_clean else Exit.UNBALANCED


@exits
def export(
    out: Annotated[Path, typer.Option(help=help_text("The folder to write into."), show_default=False)],
    ledger: LedgerUrl = None,
) -> Exit:
    """Write the journal as CSV, a file per table; names of persons are left out.

    journal.csv is the audit log: each posting with who, when, which file, rule and version, and the hashes.
    """
    with opened(only(ledger)) as kept, _show.progress(tell("export")):
        written = kept.export(out)
    for path in written:
        _show.line(str(path))
    return Exit.CLEAN
