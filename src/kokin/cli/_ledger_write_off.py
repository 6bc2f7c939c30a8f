"""``kokin ledger write-off``: the limitation list as a file, and the completed list back (不納欠損)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from kokin.cli import _output
from kokin.cli._ledger_read import ListFormat, ListOutput, list_app, print_list
from kokin.cli._main import Exit, with_exit_code
from kokin.cli._messages import cell, command_help, headings, message
from kokin.cli._options import (
    Actor,
    AsOf,
    CatalogFile,
    DryRun,
    EffectiveAt,
    Format,
    LedgerAddress,
    LockTimeout,
    OutputFormat,
    Reason,
    actor_or_login,
    argument,
    charges_of,
    day_or_today,
    open_ledger,
    option,
    time_in_japan,
)
from kokin.text import file_name

app = typer.Typer(
    help=command_help("""Write off debts (不納欠損): list those that have lapsed, complete the list, and post it.

    A write-off lowers the balance; the bill and its payments stay. `kokin ledger reverse` takes it back."""),
    no_args_is_help=True,
)

_COLUMNS = ("bill_id", "charge", "claim", "due_on", "lapses_on", "balance")


@app.command("list")
@with_exit_code
def list_due(
    ledger: LedgerAddress = "",
    as_of: AsOf = None,
    until: Annotated[
        datetime | None,
        option(
            "List also the debts whose limitation ends until this day.",
            "--until",
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
        ),
    ] = None,
    catalog: CatalogFile = None,
    out: Annotated[Path | None, option("Write the list to this CSV, for `post`.", "--out", metavar="FILE")] = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """List the debts whose limitation (時効) has ended by the due date and the years of the charge.

    Kokin does not know what interrupts a limitation, nor a stay of enforcement (執行停止): check each row, and add
    others. A private claim (私債権) lapses only if the debtor invokes the limitation (援用). Fill in amount,
    written_off_on, article, reason and approver, then pass the file to `post`. Debts of an unknown charge come last,
    without a day.
    """
    from kokin.reports import write_csv

    with open_ledger(ledger) as opened:
        table = opened.write_offs_due(
            as_of and day_or_today(as_of), until=until and until.date(), catalog=charges_of(catalog)
        )
    if out:
        write_csv(table, out)
    if output is Format.JSON:
        _output.as_json(table.to_pylist())
        return Exit.CLEAN
    rows = table.select([*_COLUMNS, "needs_invocation"]).to_pylist()
    _output.table(headings(*_COLUMNS, "needs_invocation"), [list(_shown(row).values()) for row in rows])
    _output.line()
    totals = {"count": len(rows), "yen": sum(row["balance"] for row in rows)}
    _output.line(message("open: {yen:,} yen; debts: {count:,}", **totals))
    if out:
        _output.line(message("written to {out}", out=out))
    return Exit.CLEAN


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    texts = {name: cell(name, content) for name, content in row.items()}
    return {**texts, "needs_invocation": message("needed") if row["needs_invocation"] else ""}


@app.command()
@with_exit_code
def post(
    file: Annotated[Path, argument("The completed list: a CSV.", metavar="FILE")],
    ledger: LedgerAddress = "",
    day: Annotated[
        datetime | None,
        option("Day of the write-off in rows without one.", "--day", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD"),
    ] = None,
    catalog: CatalogFile = None,
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    dry_run: DryRun = False,
    lock_timeout: LockTimeout = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Write off the debts of a completed list, each with article and reason: all rows, or none.

    The file has the columns bill_id, amount, written_off_on, article, reason and approver. A row that is not completed
    is left out; a row that is half completed is rejected. The same rows are skipped while their entry is active. What
    is paid later on a debt that was written off is in the work list (WRITE_OFF_EXCEEDS_BALANCE).
    """
    from kokin._arrow.files import read_records
    from kokin.ledger import LIMITATION_COLUMNS, WriteOffDecision

    decisions, warnings = read_records(file, WriteOffDecision)
    _output.issues(warning for warning in warnings if warning.field not in LIMITATION_COLUMNS.names)
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened:
        result = opened.write_off(
            decisions,
            actor=actor_or_login(actor),
            written_off_on=day and day.date(),
            catalog=charges_of(catalog),
            source=file_name(file),
            reason=reason,
            at=time_in_japan(at),
            dry_run=dry_run,
        )
    totals = {"count": result.entry.totals["given"], "yen": result.entry.totals["yen"]}
    if output is Format.JSON:
        fields = {"file": file_name(file), "dry_run": dry_run, "inserted": result.inserted, "entry": result.entry.id}
        _output.as_json({**fields, **result.entry.totals, "hash": result.entry.hash})
        return Exit.CLEAN
    if not result.inserted:
        _output.line(message("this file is added already, by entry {entry}", entry=result.entry.id))
    elif dry_run:
        _output.line(message("to write off: {yen:,} yen; debts: {count:,}", **totals))
        _output.line(message("dry run: nothing was written"))
    else:
        text = message("written off by entry {entry}: {yen:,} yen; debts: {count:,}", entry=result.entry.id, **totals)
        _output.line(text)
    return Exit.CLEAN


@list_app.command("write-offs")
@with_exit_code
def list_write_offs(ledger: LedgerAddress = "", as_of: AsOf = None, output: ListOutput = ListFormat.TEXT) -> Exit:
    """List the write-offs that are not reversed, with article and reason."""
    with open_ledger(ledger) as opened:
        table = opened.write_offs(as_of and day_or_today(as_of))
    columns = ("entry_id", "bill_id", "amount", "written_off_on", "article", "reason")
    print_list(table, columns, headings("entry", *columns[1:]), output)
    return Exit.CLEAN
