"""``kokin ledger refund``: proposals, decisions, orders and results of refunds and set-offs (還付・充当)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokin.cli import _output
from kokin.cli._main import Exit, with_exit_code
from kokin.cli._messages import command_help, headings, message, value
from kokin.cli._options import (
    Actor,
    AsOf,
    CatalogFile,
    EffectiveAt,
    Format,
    LedgerAddress,
    LockTimeout,
    OutputFormat,
    RatesFile,
    Reason,
    actor_or_login,
    argument,
    as_printable,
    charges_of,
    day_or_today,
    open_ledger,
    option,
    rate_table,
    time_in_japan,
)
from kokin.cli._upload import header_values
from kokin.text import file_name

if TYPE_CHECKING:
    import pyarrow as pa

    from kokin.model import Record

app = typer.Typer(
    help=command_help("""Refund overpayments, or set them off against other debts (還付・充当), to the end.

    Each overpayment is listed with an id, decided, ordered in a file for the bank, and paid or returned. Nothing is
    transferred. Control T8 of `status` and `report` adds up what became of every yen."""),
    no_args_is_help=True,
)

DecisionDay = Annotated[
    datetime | None,
    option("Day of the decision; today by default.", "--day", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD"),
]

# What a person adds to the list of proposals for a decision.
_TO_FILL_IN = ("consent", "reason", "approver")
_COLUMNS = ("proposal_id", "state", "kind", "amount", "interest", "transfer", "bill_id", "debt_bill_id", "article")


@app.command("list")
@with_exit_code
def list_proposals(
    ledger: LedgerAddress = "",
    as_of: AsOf = None,
    decided_on: DecisionDay = None,
    every: Annotated[bool, option("Also those that are decided, ordered, paid or set off.", "--all")] = False,
    catalog: CatalogFile = None,
    rates: RatesFile = None,
    out: Annotated[
        Path | None, option("Write the proposals to this CSV, for `decide`.", "--out", metavar="FILE")
    ] = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """List what is proposed for every overpayment: set-offs by law, set-offs with consent, and the refund of the rest.

    Among local taxes a set-off is mandatory (地方税法17の2①). The interest is that of a decision on the day.
    """
    import pyarrow.compute as pc

    from kokin.model import RefundState
    from kokin.reports import write_csv

    with open_ledger(ledger) as opened:
        table = opened.refund_proposals(
            as_of and day_or_today(as_of),
            decided_on=decided_on and decided_on.date(),
            catalog=charges_of(catalog),
            rates=rate_table(rates),
        )
    if not every:
        table = table.filter(pc.equal(table.column("state"), RefundState.OPEN.value))
    if out:
        write_csv(_with_columns_to_fill_in(table), out)
    if output is Format.JSON:
        _output.as_json(table.to_pylist())
        return Exit.CLEAN
    coded = ("state", "kind")
    rows = [[value(name, row[name]) if name in coded else row[name] for name in _COLUMNS] for row in table.to_pylist()]
    _output.table(headings(*_COLUMNS), rows)
    if out:
        _output.line(message("written to {out}", out=out))
    return Exit.CLEAN


def _with_columns_to_fill_in(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    for name in _TO_FILL_IN:
        table = table.append_column(name, pa.nulls(len(table), pa.string()))
    return table


def _read(path: Path, record: type[Record], known: tuple[str, ...] = ()) -> pa.Table:
    """Return a CSV with the columns of a record; print a warning for each other column that is not known."""
    from kokin._arrow.files import read_records

    table, warnings = read_records(path, record)
    _output.issues(warning for warning in warnings if warning.field not in known)
    return table


@app.command()
@with_exit_code
def decide(
    file: Annotated[Path, argument("Decisions: a CSV, such as the list of proposals.", metavar="FILE")],
    ledger: LedgerAddress = "",
    decided_on: DecisionDay = None,
    catalog: CatalogFile = None,
    rates: RatesFile = None,
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Decide refunds and set-offs: yen, interest and article are fixed.

    The file has a row for each decision: proposal_id, kind (refund, setoff), amount, debt_bill_id, consent, reason and
    approver. All rows are decided, or none. A set-off settles the other debt at once; a refund is paid by `order`.
    """
    from kokin.ledger import PROPOSAL_COLUMNS, RefundDecision

    decisions = _read(file, RefundDecision, tuple(PROPOSAL_COLUMNS.names))
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened:
        result = opened.decide_refunds(
            decisions,
            actor=actor_or_login(actor),
            decided_on=decided_on and decided_on.date(),
            catalog=charges_of(catalog),
            rates=rate_table(rates),
            source=file_name(file),
            reason=reason,
            at=time_in_japan(at),
        )
    totals = result.entry.totals
    if output is Format.JSON:
        _output.as_json({"entry": result.entry.id, **totals, "rematched": result.rematched})
        return Exit.CLEAN
    rows = [(value("kind", name), totals[name]) for name in ("refund", "setoff")]
    _output.table(headings("kind", "yen"), [*rows, (*headings("interest"), totals["interest"])])
    _output.line(message("decided by entry {entry}: {count:,}", entry=result.entry.id, count=totals["decided"]))
    return Exit.CLEAN


@app.command()
@with_exit_code
def order(
    accounts: Annotated[Path, argument("Bank accounts: a CSV, a row for each refund to order.", metavar="ACCOUNTS")],
    out: Annotated[Path, option("The file for the bank.", "--out", metavar="FILE")],
    ledger: LedgerAddress = "",
    layout: Annotated[
        str, option("Layout of the file: a name or a TOML file.", "--layout", "-l", show_default=True)
    ] = "zengin-21",
    header: Annotated[
        list[str] | None, option("A value of the layout's header, once for each.", metavar="FIELD=VALUE")
    ] = None,
    approver: Annotated[
        str, option("Who approved the order; required with four_eyes of the policy.", callback=as_printable)
    ] = "",
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Write the file of transfers for the bank; each refund is in one file, ever, unless its transfer comes back.

    The accounts have the columns proposal_id, bank_code, branch_code, account_type, account_number and name. They are
    written into the file only, never into the ledger. After an interruption, run the same command: the file is
    completed. An order whose file was not transferred can be reversed with `kokin ledger reverse`.
    """
    from kokin.ledger import RefundAccount
    from kokin.receipts import layouts

    loaded = layouts.load(layout)
    rows = _read(accounts, RefundAccount)
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened:
        found = opened.order_refunds(
            rows,
            out,
            layout=loaded,
            header=header_values(loaded, header or ()),
            actor=actor_or_login(actor),
            approver=approver,
            source=file_name(accounts),
            reason=reason,
            at=time_in_japan(at),
        )
    if output is Format.JSON:
        _output.as_json({**found.as_dict(), "file": str(out)})
        return Exit.CLEAN
    if not found.inserted:
        _output.line(message("completed {file}, which an interrupted run has left", file=out))
    _output.table(headings("file", "count", "yen"), [(str(out), found.transfers, found.yen)])
    _output.line(message("ordered by entry {entry}; transfer the file, then add the result", entry=found.entry.id))
    return Exit.CLEAN


@app.command()
@with_exit_code
def result(
    file: Annotated[Path, argument("Results of transfers: a CSV.", metavar="FILE")],
    ledger: LedgerAddress = "",
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Add what the bank reports about transfers: paid, or returned (組戻).

    The columns are proposal_id, result (paid, returned), result_on and reason. A returned transfer can be ordered
    again, to another account; the exit code is then 1. A file that is added already is skipped.
    """
    from kokin.ledger import RefundResult

    rows = _read(file, RefundResult)
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened:
        entry: dict[str, Any] = {"reason": reason, "at": time_in_japan(at), "source": file_name(file)}
        found = opened.add_refund_results(rows, actor=actor_or_login(actor), **entry)
    totals = found.entry.totals
    if output is Format.JSON:
        _output.as_json({"entry": found.entry.id, "inserted": found.inserted, **totals})
    else:
        _output.table(headings("state", "count"), [(value("state", name), number) for name, number in totals.items()])
        if found.inserted:
            _output.line(message("added by entry {entry}", entry=found.entry.id))
        else:
            _output.line(message("this file is added already, by entry {entry}", entry=found.entry.id))
    return Exit.EXCEPTIONS if totals.get("returned") else Exit.CLEAN
