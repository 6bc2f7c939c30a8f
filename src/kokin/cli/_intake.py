"""``kokin intake``: which files should have come, and which have."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokin.cli import _output
from kokin.cli._main import Exit, with_exit_code
from kokin.cli._messages import cell, command_help, headings, language, message, value
from kokin.cli._options import DeadlineTime, LedgerAddress, argument, day_or_today, open_ledger, option, time_in_japan

if TYPE_CHECKING:
    from kokin.intake import IntakeStatus

app = typer.Typer(help=command_help("Know which files should have come."), no_args_is_help=True)


class IntakeFormat(StrEnum):
    """Format of the state."""

    TEXT = "text"
    JSON = "json"
    PROMETHEUS = "prometheus"


@app.callback()
def intake() -> None:
    """A group, so that its only command has a name; its help is that of ``app``."""


@app.command()
@with_exit_code
def check(
    file: Annotated[Path, argument("The sources and their days: a TOML file.", metavar="INTAKE")],
    day: Annotated[
        datetime | None,
        option("The day of the files; today by default.", "--for", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD"),
    ] = None,
    ledger: LedgerAddress = "",
    inbox: Annotated[
        Path | None, option("The folder of files that are not posted yet; reports what it contains.", "--inbox")
    ] = None,
    now: DeadlineTime = None,
    output: Annotated[IntakeFormat, option("Format of the output.", "--format", show_default=True)] = IntakeFormat.TEXT,
    out: Annotated[
        Path | None, option("Write to this file instead; for json and prometheus.", "--out", metavar="FILE")
    ] = None,
) -> Exit:
    """Compare the files that were posted with those that should have come, and name the missing ones.

    Each expected file is arrived, empty, late, missing, rejected, not due yet or closed; a file stays missing until it
    comes or a person closes its day in the intake file. Findings: unexpected and unposted files, empty files and
    numbers of records out of range, sequence numbers and balances that do not continue, payments of another file.

    The exit code is 6 if a file is missing after its deadline; 1 if one is late or rejected, or with findings.
    """
    from kokin.intake import load, prometheus

    if out and output is IntakeFormat.TEXT:
        raise typer.BadParameter(message("pass --format json or --format prometheus"), param_hint="--out")
    expected = load(file)
    with open_ledger(ledger) as opened:
        status = expected.check(opened, day_or_today(day), now=time_in_japan(now), inbox=inbox)
    if output is IntakeFormat.TEXT:
        _print_status(status)
    elif output is IntakeFormat.JSON:
        _output.text_file(_output.json_text(status.as_dict()), out)
    else:
        _output.text_file(prometheus(status), out)
    if status.has_missing:
        return Exit.MISSING
    return Exit.CLEAN if status.is_clean else Exit.EXCEPTIONS


def _print_status(status: IntakeStatus) -> None:
    _output.line(status.first_line(language()))
    if status.files:
        rows = [
            (
                file.label,
                file.day.isoformat(),
                f"{file.deadline:%Y-%m-%d %H:%M}",
                value("intake_state", file.state),
                file.bank_days or None,
                file.file,
                f"{file.at:%Y-%m-%d %H:%M}" if file.at else "",
                file.records,
                file.yen,
            )
            for file in status.files
        ]
        _output.line()
        titles = headings("sender", "day", "until", "", "bank days", "file", "posted", "records", "yen")
        _output.table(titles, rows)
    if status.findings:
        _output.line()
        found = [
            (
                *(finding.source, finding.file, value("intake_finding", finding.kind)),
                *(cell("expected", finding.expected), cell("found", finding.found)),
            )
            for finding in status.findings
        ]
        _output.table(headings("sender", "file", "finding", "expected", "found"), found)
