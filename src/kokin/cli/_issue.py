"""``kokin issue``: the numbers of slips, before they are printed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from kokin.cli import _output
from kokin.cli._main import Exit, with_exit_code
from kokin.cli._messages import command_help, message
from kokin.cli._options import BillLayout, Format, LedgerAddress, OutputFormat, argument, open_ledger, option
from kokin.text import file_name

app = typer.Typer(
    help=command_help("Allot and check the numbers of slips before they are printed."), no_args_is_help=True
)


@app.command()
@with_exit_code
def check(
    source: Annotated[Path, argument("Bills: CSV (UTF-8 or cp932) or Parquet.", metavar="BILLS")],
    ledger: LedgerAddress = "",
    issued_on: Annotated[
        datetime | None,
        option("Day of issue; no 支払期限 may be before it.", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD"),
    ] = None,
    allow_missing_deadline: Annotated[bool, option("Accept a bill without a 支払期限.", "--no-deadline")] = False,
    bill_layout: BillLayout = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Check a file of bills as a whole: every field, duplicate and weak numbers, barcodes and deadlines.

    With a ledger, also that no number was issued with another amount, deadline or barcode, or for another debt.

    Writes nothing. The exit code is 3 if a slip must not be printed, 1 if there are only warnings.
    """
    from kokin import bills, slips

    day = issued_on and issued_on.date()
    issues = slips.check(source, layout=bill_layout, issued_on=day, allow_missing_deadline=allow_missing_deadline)
    if ledger:
        with open_ledger(ledger) as opened, _output.progress(message("ledger")):
            issues += opened.check_slips(
                bills.batches(source, layout=bill_layout, reference_date=day), file=file_name(source)
            )
    errors = sum(issue.is_error for issue in issues)
    counts = {"errors": errors, "warnings": len(issues) - errors}
    if output is Format.JSON:
        _output.as_json({"file": source.name, **counts, "issues": [_output.issue_dict(issue) for issue in issues]})
    else:
        _output.issues(sorted(issues, key=lambda issue: not issue.is_error))
        _output.line(message("{file}: errors {errors:,}, warnings {warnings:,}", file=source.name, **counts))
    return Exit.REJECTED if errors else Exit.EXCEPTIONS if issues else Exit.CLEAN
