"""``kokin report``: write the reports of a ledger into a folder."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokin.cli import _output
from kokin.cli._main import Exit, with_controls, with_exit_code
from kokin.cli._messages import headings, language, message
from kokin.cli._options import (
    AsOf,
    CatalogFile,
    CodesFile,
    DeadlineTime,
    ExpectedPolicyFile,
    LedgerAddress,
    OutputFolder,
    RatesFile,
    charges_of,
    day_or_today,
    open_ledger,
    option,
    rate_table,
    time_in_japan,
)
from kokin.text import JAPAN

if TYPE_CHECKING:
    from kokin.issues import Issue
    from kokin.ledger import Ledger
    from kokin.reports import Changes, Report, Since


class ReportFormat(StrEnum):
    """Format of the files."""

    CSV = "csv"
    XLSX = "xlsx"
    HTML = "html"


class Encoding(StrEnum):
    """Character set of the CSV files."""

    UTF_8_SIG = "utf-8-sig"
    UTF_8 = "utf-8"
    CP932 = "cp932"


class Headings(StrEnum):
    """Headings of the CSV files."""

    NAMES = "names"
    WORDS = "words"


@with_exit_code
def report(
    out: OutputFolder,
    ledger: LedgerAddress = "",
    as_of: AsOf = None,
    closing: Annotated[
        int | None,
        option("The report of this closing, as it was printed then: its entry.", "--closing", metavar="ENTRY"),
    ] = None,
    formats: Annotated[
        list[ReportFormat] | None,
        option("Format of the files, once for each; csv and html by default.", "--format", metavar="csv|xlsx|html"),
    ] = None,
    encoding: Annotated[Encoding, option("Encoding of the CSV files.", show_default=True)] = Encoding.UTF_8_SIG,
    headings_: Annotated[
        Headings,
        option("Headings of the CSV files: names for programs, or words for people.", "--headings", show_default=True),
    ] = Headings.NAMES,
    geta: Annotated[bool, option("Write 〓 for a character that cp932 lacks, instead of stopping.", "--geta")] = False,
    catalog: CatalogFile = None,
    codes: CodesFile = None,
    rates: RatesFile = None,
    policy: ExpectedPolicyFile = None,
    intake: Annotated[
        Path | None,
        option(
            "Write which files should have come, too; a TOML file, see `kokin intake check`.",
            "--intake",
            metavar="INTAKE",
        ),
    ] = None,
    intake_day: Annotated[
        datetime | None,
        option(
            "The day of the files of --intake; by default that of --as-of, or today.",
            "--for",
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
        ),
    ] = None,
    now: DeadlineTime = None,
    since: Annotated[
        str | None,
        option(
            "Show what is new since: a day, a time or an entry; by default the last report in the folder of an earlier "
            "day, else the previous business day.",
            "--since",
            metavar="YYYY-MM-DD[THH:MM]|ENTRY",
        ),
    ] = None,
) -> Exit:
    """Write the reports of a ledger: outcomes, exceptions, totals, arrears, a page to read, and the others.

    The folder is complete or, if anything fails, unchanged. The exit code is 1 if an exception is open, of this
    night or an earlier one, if a character was replaced, or with --intake if a file is missing, late or rejected; 5 if
    a control is broken: also if the postings of a bill differ from a recomputation (T7). The policy is that of the
    ledger on the day of the report. In the totals, a day that is closed does not change; what came for it later is on
    an open day, and in the list of 過日分.
    """
    from kokin.catalog import AccountCodes
    from kokin.intake import load as load_intake
    from kokin.reconcile import Policy
    from kokin.reports import Report

    if (intake_day or now) and not intake:
        raise typer.BadParameter(message("pass --intake"), param_hint="--for" if intake_day else "--now")
    charges = charges_of(catalog)
    if closing is not None and as_of:
        raise typer.BadParameter(message("pass either --closing or --as-of"), param_hint="--closing")
    since_state = None if since is None else _since(since)
    expected_policy = Policy.load(policy) if policy else None
    expected_files = load_intake(intake) if intake else None
    with open_ledger(ledger) as opened, _output.progress(message("report")):
        day = as_of and day_or_today(as_of)
        if expected_policy:
            opened.require_policy(expected_policy, closing or day)
        status = expected_files.check(opened, **_intake_day(intake_day, day, now)) if expected_files else None
        result = Report.from_ledger(
            opened,
            as_of=day,
            closing=closing,
            catalog=charges,
            rates=rate_table(rates),
            intake=status,
            codes=AccountCodes.load(codes) if codes else None,
            since=since_last_report(opened, out, day, closing) if since_state is None else since_state,
        )
        replaced = result.write(
            out,
            formats=[each.value for each in formats or (ReportFormat.CSV, ReportFormat.HTML)],
            language=language(),
            encoding=encoding.value,
            headings=headings_.value,
            geta=geta,
        )
    _print_report(result)
    _output.issues(replaced)
    _output.line()
    _output.line(message("written to {out}", out=out))
    return exit_code_of_report(result, replaced)


def exit_code_of_report(report: Report, replaced: Collection[Issue] = ()) -> Exit:
    """Return the exit code of a ledger's report, in which characters were ``replaced``; see `kokin report`."""
    # A report as of a day before the first entry has no exceptions and is compared with nothing.
    open_exceptions = report.changes.open_exceptions if report.changes else 0
    is_clean = not replaced and not open_exceptions and (report.intake is None or report.intake.is_clean)
    return with_controls(Exit.CLEAN if is_clean else Exit.EXCEPTIONS, report.summary["controls"])


def _since(text: str) -> date | datetime | int:
    """Return the entry, day or moment (in Japan) of --since."""
    if text.isascii() and text.isdigit() and len(text) < len("YYYYMMDD"):
        return int(text)
    try:
        return date.fromisoformat(text) if len(text) == len("YYYY-MM-DD") else _moment(text)
    except ValueError as error:
        problem = message("{value} is neither a day, a time nor an entry", value=text)
        raise typer.BadParameter(problem, param_hint="--since") from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=JAPAN)


def since_last_report(ledger: Ledger, out: Path, day: date | None, closing: int | None = None) -> Since | None:
    """Return the state of the last report in the folder, or that before the previous business day."""
    from kokin.reports import default_since

    entries = [
        entry
        for entry in ledger.entries()
        if (closing is None or entry.id <= closing) and (day is None or entry.at.astimezone(JAPAN).date() <= day)
    ]
    if not entries:
        return None
    return default_since(out, entries, day or entries[-1].at.astimezone(JAPAN).date())


def _intake_day(intake_day: datetime | None, as_of: date | None, now: datetime | None) -> dict[str, Any]:
    """Return the day of the expected files, and the time of the check: the end of the day of an earlier report."""
    day = day_or_today(intake_day) if intake_day or as_of is None else as_of
    time_of_check = time_in_japan(now) or datetime.now(JAPAN)
    if as_of and not now:
        time_of_check = min(time_of_check, datetime.combine(as_of, time.max, JAPAN))
    return {"day": day, "now": time_of_check}


def _print_changes(changes: Changes) -> None:
    """Print what changed since the last report, and what is still open."""
    _output.line(
        message("since the report of {day}, up to entry {entry}", day=changes.since.day, entry=changes.since.entry)
    )
    final, provisional, other = headings("final receipts", "provisional receipts", "cancels and reversals")
    new, resolved, still_open = headings("new exceptions", "resolved exceptions", "open exceptions")
    rows: list[tuple[str, int, int | None]] = [
        (final, changes.total("final").records, changes.total("final").amount),
        (provisional, changes.total("provisional").records, changes.total("provisional").amount),
        (other, changes.total("other").records, changes.total("other").amount),
        (new, len(changes.tables["new_exceptions"]), None),
        (resolved, len(changes.tables["resolved_exceptions"]), None),
        (still_open, changes.open_exceptions, None),
    ]
    _output.table(headings("", "count", "yen"), rows)
    _output.line()


def _print_report(report: Report) -> None:
    if report.intake:
        _output.line(report.intake.first_line(language()))
    _output.line(message("as of {day}", day=report.as_of))
    _output.line()
    if report.changes:
        _print_changes(report.changes)
    titles = headings("receipts", "exceptions", "overpaid", "in arrears")
    # An exception has a row for each of its findings, so their yen have no sum.
    columns = (("outcomes", "amount"), ("exceptions", ""), ("overpayments", "excess"), ("arrears", "unpaid"))
    rows: list[tuple[str, int, int | None]] = []
    for title, (name, column) in zip(titles, columns, strict=True):
        table = report.tables[name]
        rows.append((title, len(table), sum(table[column].to_pylist()) if column else None))
    _output.table(headings("", "count", "yen"), rows)
    _output.line()
    _output.controls(report.summary["controls"])
