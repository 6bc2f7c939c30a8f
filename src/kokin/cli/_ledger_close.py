"""``kokin ledger close``, ``list closings`` and ``list figures``: closings of days, months and fiscal years (締め)."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

import typer

from kokin.cli import _output
from kokin.cli._ledger_read import ListFormat, ListOutput, list_app, print_list
from kokin.cli._main import Exit, with_exit_code
from kokin.cli._messages import headings, message, value
from kokin.cli._options import (
    Actor,
    AsOf,
    CatalogFile,
    EffectiveAt,
    Format,
    LedgerAddress,
    LockTimeout,
    OutputFormat,
    Reason,
    actor_or_login,
    argument,
    as_printable,
    charges_of,
    day_or_today,
    open_ledger,
    option,
    time_in_japan,
)

# What completes a text to a day of its period.
_DAY_OF = {"day": "", "month": "-01", "year": "-04-01", "enterprise-year": "-04-01"}


def _day(period: str, text: str) -> date:
    """Return a day of the period that a text names.

    Raises:
        BadParameter: an unknown kind of period, or a text of another form.
    """
    if period not in _DAY_OF:
        raise typer.BadParameter(" | ".join(_DAY_OF), param_hint="PERIOD")
    try:
        if re.fullmatch(r"[0-9]{4}(-[0-9]{2}){0,2}", text):
            return date.fromisoformat(text + _DAY_OF[period])
    except ValueError:
        pass
    raise typer.BadParameter(message("write YYYY-MM-DD, YYYY-MM or, for a fiscal year, YYYY"), param_hint="WHEN")


@with_exit_code
def close(
    period: Annotated[str, argument("day, month, year or enterprise-year.", metavar="PERIOD")],
    when: Annotated[str, argument("The day, the month (YYYY-MM) or the fiscal year (YYYY).", metavar="WHEN")],
    ledger: LedgerAddress = "",
    catalog: CatalogFile = None,
    approver: Annotated[
        str, option("Who approved it; required with four_eyes of the policy.", callback=as_printable)
    ] = "",
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Close a day, a month or a fiscal year: its figures are sealed, and no later entry changes them.

    What comes for a closed day afterwards (過日分) is booked on an open day and listed with the closing. Days are
    closed in their order. A month closes its days, unless each is closed already. A fiscal year is closed after 31
    May, the enterprise accounts (公営企業) after 31 March: once the days until then are closed. `report --closing`
    prints the report of a closing again; `reverse` reverses the last one.
    """
    day = _day(period, when)
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened, _output.progress(message("close")):
        result = opened.close_period(
            period.replace("-", "_"),
            day,
            actor=actor_or_login(actor),
            approver=approver,
            catalog=charges_of(catalog),
            reason=reason,
            at=time_in_japan(at),
        )
    totals = result.entry.totals
    if output is Format.JSON:
        # The statement of a fiscal year is printed by `settlement`.
        _output.as_json({"entry": result.entry.id, **{name: totals[name] for name in totals if name != "settlement"}})
        return Exit.CLEAN
    columns = ("receipts", "received", "revenue", "off_budget", "overpaid", "suspense", "late_received")
    _output.table(headings(*columns), [[totals[name] for name in columns]])
    about = {"first": totals["first_day"], "last": totals["last_day"], "entry": result.entry.id}
    _output.line(message("closed {first} to {last} by entry {entry}", **about))
    _output.line(f"SHA-256 {totals['digest']}")
    return Exit.CLEAN


@list_app.command("closings")
@with_exit_code
def list_closings(
    ledger: LedgerAddress = "",
    as_of: AsOf = None,
    catalog: CatalogFile = None,
    output: ListOutput = ListFormat.TEXT,
) -> Exit:
    """List the closings that are not reversed, with the sums of their periods."""
    with open_ledger(ledger) as opened:
        table = opened.closings(as_of and day_or_today(as_of), catalog=charges_of(catalog))
    columns = ("entry", "period", "first_day", "last_day", "receipts", "received", "late_received")
    if output is ListFormat.TEXT:
        rows = table.select(columns).to_pylist()
        titles = headings("entry", "kind", *columns[2:])
        _output.table(titles, ([*({**row, "period": value("period", row["period"])}.values())] for row in rows))
    else:
        print_list(table, columns, (), output)
    return Exit.CLEAN


@list_app.command("figures")
@with_exit_code
def list_figures(
    entry: Annotated[int, argument("The entry of the closing.", metavar="ENTRY")],
    ledger: LedgerAddress = "",
    catalog: CatalogFile = None,
    output: ListOutput = ListFormat.TEXT,
) -> Exit:
    """List the figures of a closing as they were sealed: by day, charge, fiscal year and channel, with 過日分."""
    with open_ledger(ledger) as opened:
        table = opened.closing_figures(entry, catalog=charges_of(catalog))
    keys = ("booked_on", "received_on", "payee_code", "charge", "item_code", "fiscal_year", "year_class", "channel")
    columns = (*keys, "receipts", "received", "revenue", "overpaid", "suspense")
    if output is ListFormat.TEXT:  # a year is no quantity
        years = table.column("fiscal_year").cast("string")
        table = table.set_column(table.column_names.index("fiscal_year"), "fiscal_year", years)
    print_list(table, columns, headings(*columns), output)
    return Exit.CLEAN
