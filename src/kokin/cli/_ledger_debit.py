"""``kokin ledger debit``: requests of direct debits, their results, and what failed (口座振替)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokin.cli import _output
from kokin.cli._main import Exit, with_exit_code
from kokin.cli._messages import command_help, headings, message, value
from kokin.cli._options import (
    Actor,
    AsOf,
    EffectiveAt,
    Format,
    LedgerAddress,
    LockTimeout,
    OutputFormat,
    Reason,
    ReferenceDate,
    actor_or_login,
    argument,
    day_or_today,
    open_ledger,
    option,
    read_table,
    time_in_japan,
)
from kokin.cli._upload import header_values
from kokin.text import file_name

if TYPE_CHECKING:
    import pyarrow as pa

    from kokin.ledger import DebitResults, EntryResult

app = typer.Typer(
    help=command_help("""Ask banks for direct debits, compare the results with the requests, and ask again (口座振替).

    Nothing is transferred: you send the file to the bank. Account numbers and names are in the file only."""),
    no_args_is_help=True,
)

DebitLayout = Annotated[str, option("Layout of the file: a name or a TOML file.", "--layout", "-l", show_default=True)]
_COLUMNS = ("bill_id", "customer_number", "amount", "debit_on", "attempt", "state", "result", "is_retryable")


@app.command()
@with_exit_code
def request(
    accounts: Annotated[Path, argument("Bank accounts: a CSV, a row for each bill.", metavar="ACCOUNTS")],
    out: Annotated[Path, option("The file for the bank.", "--out", metavar="FILE")],
    ledger: LedgerAddress = "",
    layout: DebitLayout = "zengin-91",
    header: Annotated[
        list[str] | None, option("A value of the layout's header, once for each.", metavar="FIELD=VALUE")
    ] = None,
    retry: Annotated[
        bool, option("Ask again for the failed debits that the policy allows (debit_retry, debit_attempts).", "--retry")
    ] = False,
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Write the file of direct debits of the balances of bills; each bill is in one request until its result is added.

    The accounts have the columns bill_id, bank_code, branch_code, account_type, account_number, name and new_code. The
    header needs debit_day. After an interruption, run the same command: the file is completed. A request whose file was
    not sent can be reversed with `kokin ledger reverse`.
    """
    from kokin.ledger import DebitAccount
    from kokin.receipts import layouts

    loaded = layouts.load(layout)
    rows = read_table(accounts, DebitAccount)
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened:
        found = opened.request_debits(
            rows,
            out,
            layout=loaded,
            header=header_values(loaded, header or ()),
            retry=retry,
            actor=actor_or_login(actor),
            source=file_name(accounts),
            reason=reason,
            at=time_in_japan(at),
        )
    values = found.as_dict()
    if output is Format.JSON:
        _output.as_json({**values, "file": str(out) if found.entry else None})
        return Exit.CLEAN
    counts = ("given", "requested", "settled", "reported", "open", "failed")
    _output.table(headings("state", "count"), [(value("debit_state", name), values[name]) for name in counts])
    if found.entry is None:
        _output.line(message("no direct debit is due; no entry was written"))
        return Exit.CLEAN
    if not found.inserted:
        _output.line(message("completed {file}, which an interrupted run has left", file=out))
    about: dict[str, Any] = {"entry": found.entry.id, "yen": found.yen, "file": out}
    _output.line(
        message("requested by entry {entry}: {yen:,} yen in {file}; send the file, then add the result", **about)
    )
    return Exit.CLEAN


@app.command()
@with_exit_code
def result(
    file: Annotated[Path, argument("The result from the bank.", metavar="FILE")],
    ledger: LedgerAddress = "",
    layout: DebitLayout = "zengin-91",
    reference_date: ReferenceDate = None,
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Add a result: compare it with the request record by record, and post its payments.

    What is missing, added or changed is named; the exit code is then 1, and so if a debit failed. A result without its
    request is a warning; its payments are posted. A file that is added already is skipped.
    """
    from kokin import receipts

    opened_file = receipts.open(file, layout, reference_date=day_or_today(reference_date))
    about: dict[str, Any] = {"actor": actor_or_login(actor), "reason": reason, "at": time_in_japan(at)}
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened:
        found = opened.add_debit_result(opened_file, **about)
        posted = opened.post(opened_file, **about)
    if output is Format.JSON:
        issues = [_output.issue_dict(issue) for issue in found.issues]
        outcomes = {"posted": posted.inserted, "receipt_entry": posted.entry.id, "outcomes": posted.outcomes}
        _output.as_json({**found.as_dict(), **outcomes, "issues": issues})
    else:
        _print_result(found, posted)
    _output.issues(found.issues)
    return Exit.EXCEPTIONS if found.issues or found.failed else Exit.CLEAN


def _print_result(found: DebitResults, posted: EntryResult) -> None:
    counts = found.as_dict()
    text = message(
        "read {read:,} = debited {debited:,} + failed {failed:,} + without request {without_request:,}", **counts
    )
    _output.line(text)
    _output.line(message("missing {missing:,}, changed {changed:,}", **counts))
    if found.entry and not found.inserted:
        _output.line(message("this file is added already, by entry {entry}", entry=found.entry.id))
    elif found.entry:
        _output.line(message("added by entry {entry}", entry=found.entry.id))
    if posted.outcomes:
        _output.line()
        _output.outcomes(posted.outcomes)


@app.command("list")
@with_exit_code
def list_debits(
    ledger: LedgerAddress = "",
    failed: Annotated[bool, option("Only the debits that failed.", "--failed")] = False,
    as_of: AsOf = None,
    out: Annotated[Path | None, option("Write the debits to this CSV or .jsonl file.", "--out", metavar="FILE")] = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """List the direct debits by bill, and count those that failed by reason (不能一覧)."""
    import pyarrow.compute as pc

    from kokin.ledger import DebitState
    from kokin.reports import write_rows

    with open_ledger(ledger) as opened:
        table = opened.debits(as_of and day_or_today(as_of))
    if failed:
        table = table.filter(pc.equal(table.column("state"), DebitState.FAILED.value))
    if out:
        write_rows(table, out)
    if output is Format.JSON:
        _output.as_json(table.to_pylist())
        return Exit.CLEAN
    rows = [[_shown(name, row[name]) for name in _COLUMNS] for row in table.to_pylist()]
    _output.table(headings(*_COLUMNS), rows)
    _output.line()
    _output.table(headings("result", "count", "yen"), _by_result(table))
    if out:
        _output.line(message("written to {out}", out=out))
    return Exit.CLEAN


def _shown(name: str, cell: Any) -> Any:
    if name == "is_retryable":
        return message("allowed") if cell else ""
    if cell is None:
        return ""
    return value("debit_state" if name == "state" else "debit_result", cell) if name in ("state", "result") else cell


def _by_result(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return the count and the yen of each result, by code."""
    totals: dict[str, list[int]] = {}
    for row in table.select(["result", "amount"]).to_pylist():
        total = totals.setdefault(row["result"] or "", [0, 0])
        total[0] += 1
        total[1] += row["amount"]
    return [(value("debit_result", code) if code else "", *total) for code, total in sorted(totals.items())]
