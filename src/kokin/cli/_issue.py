"""``kokin issue``: the numbers of slips, before they are printed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from kokin.cli import _output
from kokin.cli._main import Exit, with_exit_code
from kokin.cli._messages import command_help, message
from kokin.cli._options import Format, OutputFormat, argument, option

app = typer.Typer(help=command_help("Check the numbers of slips before they are printed."), no_args_is_help=True)


@app.command()
@with_exit_code
def check(
    bills: Annotated[Path, argument("Bills: CSV (UTF-8 or cp932) or Parquet.")],
    issued_on: Annotated[
        datetime | None,
        option("Day of issue; no 支払期限 may be before it.", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD"),
    ] = None,
    allow_missing_deadline: Annotated[bool, option("Accept a bill without a 支払期限.", "--no-deadline")] = False,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Check a file of bills as a whole: every field, duplicate and weak numbers, barcodes and deadlines.

    Writes nothing. The exit code is 3 if a slip must not be printed, 1 if there are only warnings.
    """
    from kokin import slips

    day = issued_on and issued_on.date()
    issues = slips.check(bills, issued_on=day, allow_missing_deadline=allow_missing_deadline)
    errors = sum(issue.is_error for issue in issues)
    counts = {"errors": errors, "warnings": len(issues) - errors}
    if output is Format.JSON:
        _output.as_json({"file": bills.name, **counts, "issues": [_output.issue_dict(issue) for issue in issues]})
    else:
        _output.issues(sorted(issues, key=lambda issue: not issue.is_error))
        _output.line(message("{file}: errors {errors:,}, warnings {warnings:,}", file=bills.name, **counts))
    return Exit.REJECTED if errors else Exit.EXCEPTIONS if issues else Exit.CLEAN
