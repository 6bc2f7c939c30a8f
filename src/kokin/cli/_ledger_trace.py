"""``kokin ledger show`` and ``kokin ledger sample``: what belongs together, and samples for an audit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokin.cli import _output
from kokin.cli._ledger_read import ListFormat, ListOutput, japan_time, print_list
from kokin.cli._main import Exit, with_exit_code
from kokin.cli._messages import cell, headings, message, value
from kokin.cli._options import Format, LedgerAddress, OutputFormat, argument, open_ledger, option
from kokin.issues import InvalidInputError, printable

if TYPE_CHECKING:
    from kokin.ledger import BillHistory, Ledger, Trace

_RECORD = re.compile(r"(.+):([0-9]{1,12})", re.ASCII)
_OF_BILL = ("versions", "postings", "balances", "decisions", "write_offs")
_TABLES = ("deposits", "receipts", "bills", "postings", "decisions")


class SampleUnit(StrEnum):
    """What has the same chance in a sample."""

    YEN = "yen"
    COUNT = "count"


@with_exit_code
def show(
    subject: Annotated[str | None, argument("A bill_id, or a receipt as FILE:RECORD.", metavar="BILL")] = None,
    ledger: LedgerAddress = "",
    entry: Annotated[int | None, option("The receipts that this entry posted, matched again or decided.")] = None,
    deposit: Annotated[
        str, option("The deposits of a day, and agent, or the id of one.", metavar="YYYY-MM-DD[/AGENT]|ID")
    ] = "",
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Show a bill, a receipt (FILE:RECORD), an entry or a deposit, with everything that belongs to it, oldest first.

    A bill: its versions, postings, decisions, write-offs and balances. A deposit: the receipts of which it consists,
    and their bills. A receipt: its deposit, bills, postings and decisions. There are no names of persons in it.
    """
    if sum((subject is not None, entry is not None, bool(deposit))) != 1:
        raise typer.BadParameter(message("pass a bill, a receipt, --entry or --deposit"), param_hint="BILL")
    with open_ledger(ledger) as opened:
        if entry is not None:
            found: BillHistory | Trace = opened.trace_entry(entry)
        elif deposit:
            found = _trace_deposit(opened, deposit)
        else:
            found = _bill_or_receipt(opened, printable(subject or ""))
    names = _OF_BILL if hasattr(found, "versions") else _TABLES
    tables = {name: getattr(found, name).to_pylist() for name in names}
    if output is Format.JSON:
        _output.as_json(tables)
    elif "versions" in tables:
        _print_history(tables)
    else:
        _print_trace(tables)
    return Exit.CLEAN


def _bill_or_receipt(ledger: Ledger, subject: str) -> BillHistory | Trace:
    """Return the history of a bill, or the trace of a receipt if no bill has the id."""
    record = _RECORD.fullmatch(subject)
    try:
        return ledger.history(subject)
    except InvalidInputError:
        if record is None:
            raise
    return ledger.trace_receipt(record[1], int(record[2]))


def _trace_deposit(ledger: Ledger, deposit: str) -> Trace:
    day, _, agent = deposit.partition("/")
    if day.isascii() and day.isdigit() and not agent:
        return ledger.trace_deposit(int(day))
    try:
        return ledger.trace_deposit(date.fromisoformat(day), printable(agent) or None)
    except ValueError:
        text = message("not a day, a day and an agent, or the id of a deposit: 2026-05-12, 2026-05-12/A1, 7")
        raise typer.BadParameter(text, param_hint="--deposit") from None


def _print_history(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    versions = [
        (str(row["entry_id"]), row["due_on"], row["amount"], value("status", _version_status(row)))
        for row in tables["versions"]
    ]
    _output.table(headings("entry", "due on", "yen", ""), versions)
    _print_postings(tables["postings"])
    _print_decisions(tables["decisions"])
    if tables["write_offs"]:
        _output.line()
        names = ("bill_id", "amount", "written_off_on", "article", "reason")
        cells = [
            (str(row["entry_id"]), *_cells(row, *names), "" if row["active"] else message("reversed"))
            for row in tables["write_offs"]
        ]
        _output.table(headings("entry", *names, ""), cells)
    _output.line()
    yen = ("amount", "paid", "residual")
    rows = [
        (str(row["entry_id"]), *(row[name] for name in yen), value("status", row["status"]))
        for row in tables["balances"]
    ]
    _output.table(headings("entry", "amount", "paid", "residual", "status"), rows)


def _print_trace(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Print the tables of a trace that have rows, and the sum of the receipts of a deposit."""
    if tables["deposits"]:
        titles = headings("deposit", "entry", "day", "agent_code", "yen", "reference")
        cells = [
            (str(row["id"]), str(row["entry_id"]), *_cells(row, "credited_on", "agent_code", "amount", "reference"))
            for row in tables["deposits"]
        ]
        _output.table(titles, cells)
        _output.line()
    names = ["paid_on", "received_on", "settled_on", "amount", "bill_id", "applied", "excess"]
    titles = headings(
        "receipt", "exception_id", "paid_on", "received_on", "settled_on", "yen", "bill_id", "applied", "excess"
    )
    expected = [row["expected"] for row in tables["receipts"] if row["expected"] is not None]
    if expected:
        names, titles = [*names, "expected"], (*titles, *headings("in the deposit"))
    # The number by which a decision names the receipt has its outcome.
    receipts = [
        (f"{row['source']}:{row['record_no']}", f"R{row['id']}-{row['outcome']}", *_cells(row, *names))
        for row in tables["receipts"]
    ]
    _output.table(titles, receipts)
    if expected:
        sums = {"expected": sum(expected), "deposited": sum(row["amount"] for row in tables["deposits"])}
        _output.line()
        _output.line(message("sum of the receipts {expected:,}; deposited {deposited:,}", **sums))
    if tables["bills"]:
        _output.line()
        bills = [
            (*_cells(row, "bill_id", "amount", "paid", "residual"), value("status", row["status"]))
            for row in tables["bills"]
        ]
        _output.table(headings("bill_id", "amount", "paid", "residual", "status"), bills)
    _print_postings(tables["postings"])
    _print_decisions(tables["decisions"])


def _cells(row: Mapping[str, Any], *names: str) -> list[Any]:
    return [cell(name, row[name]) for name in names]


def _print_postings(postings: Sequence[Mapping[str, Any]]) -> None:
    """Print postings with their bills, if these are several, and their entries."""
    if not postings:
        return
    titles, names = headings("posting", "entry", "receipt", "", "outcome", "applied", "excess"), ["outcome"]
    if len({row["bill_id"] for row in postings}) > 1:
        titles = headings("posting", "entry", "receipt", "", "outcome", "bill_id", "applied", "excess")
        names.append("bill_id")
    _output.line()
    _output.table(titles, [_posting_row(row, [*names, "applied", "excess"]) for row in postings])
    _output.line()
    entries = {row["entry_id"]: (japan_time(row["effective_at"]), row["actor"], row["reason"]) for row in postings}
    titles = headings("entry", "time (Japan)", "actor", "reason")
    _output.table(titles, [(str(entry), *cells) for entry, cells in entries.items()])


def _print_decisions(decisions: Sequence[Mapping[str, Any]]) -> None:
    if not decisions:
        return
    _output.line()
    titles = headings(
        "entry", "exception_id", "decision", "bill_id", "yen", "hold_until", "reason", "actor", "approver"
    )
    rows = []
    for row in decisions:
        kind = value("decision", row["decision"])
        kind = kind if row["active"] else message("{decision} (reversed)", decision=kind)
        cells = _cells(row, "bill_id", "amount", "hold_until", "reason", "actor", "approver")
        rows.append((str(row["entry_id"]), row["exception_id"], kind, *cells))
    _output.table(titles, rows)


def _version_status(row: Mapping[str, Any]) -> str:
    return "withdrawn" if row["withdrawn"] else str(row["status"])


def _posting_row(row: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    """Return the cells of a posting: its receipt by file and record, and the posting that it reverses."""
    reason = value("posting_reason", row["posting_reason"]) + (f" {row['reverses_id']}" if row["reverses_id"] else "")
    receipt = f"{row['source']}:{row['record_no']}"
    return (str(row["id"]), str(row["entry_id"]), receipt, reason, *_cells(row, *names))


@with_exit_code
def sample(
    seed: Annotated[int, option("Any number; the same seed draws the same sample.")],
    count: Annotated[int, option("The number of points that are drawn.", min=1, max=100_000)],
    ledger: LedgerAddress = "",
    by: Annotated[SampleUnit, option("yen: each yen has the same chance; count: each receipt.", show_default=True)] = (
        SampleUnit.YEN
    ),
    first_day: Annotated[
        datetime | None, option("First day of receipt.", "--from", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD")
    ] = None,
    last_day: Annotated[
        datetime | None, option("Last day of receipt.", "--to", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD")
    ] = None,
    output: ListOutput = ListFormat.TEXT,
) -> Exit:
    """Draw a sample of receipts for an audit, with file, record, bill, postings and hash of each.

    A large receipt can be drawn several times (hits). Receipts without money are not in it: duplicates, provisional
    ones, reversals.
    """
    days = {"first_day": first_day and first_day.date(), "last_day": last_day and last_day.date()}
    with open_ledger(ledger) as opened:
        table = opened.sample(seed, count, by=by.value, **days)
    columns = ("source", "record_no", "received_on", "amount", "outcome", "bill_id", "posting_ids", "hits")
    titles = headings("file", "record", "received_on", "yen", "outcome", "bill_id", "postings", "hits")
    print_list(table, columns, titles, output)
    return Exit.CLEAN


trace_commands = (show, sample)
