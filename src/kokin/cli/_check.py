"""``kokin check``: read receipt files to their end, and say what is in them and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokin.cli import _show
from kokin.cli._exits import Exit, exits, with_controls
from kokin.cli._options import LayoutNames, Lenient, ReferenceDate, day_of
from kokin.cli._words import heads, help_text, language, tell
from kokin.text import mask

if TYPE_CHECKING:
    from kokin.receipts import CheckResult, ReceiptFile


class Format(StrEnum):
    """How the result is written."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


@exits
def check(
    files: Annotated[list[Path], typer.Argument(help=help_text("Receipt files."), show_default=False)],
    layout: LayoutNames,
    output: Annotated[Format, typer.Option("--format", help=help_text("How the result is written."))] = Format.TEXT,
    lenient: Lenient = False,
    reference_date: ReferenceDate = None,
    unmasked: Annotated[
        bool, typer.Option("--unmasked", help=help_text("Show names and account numbers of the header."))
    ] = False,
) -> Exit:
    """Check receipt files: totals, every record, every byte. Nothing is written, and names are masked.

    Several files are also compared with one another: a file that repeats payments of another one is named.
    """
    from kokin import receipts
    from kokin.cli._files import layouts_for

    day = day_of(reference_date)
    named = list(zip(files, layouts_for(files, layout), strict=True))
    reports = [receipts.check(path, name, lenient=lenient, reference_date=day) for path, name in named]
    opened = [receipts.open(path, name, lenient=lenient, reference_date=day) for path, name in named]
    controls = {"T1": _totals_control(reports), **_compare(reports, opened)}
    match output:
        case Format.TEXT:
            _print(reports)
            for file in opened:
                _print_header(file, unmasked)
        case Format.JSON:
            _show.as_json([report.as_dict(language()) for report in reports])
        case Format.SARIF:
            logs = [report.as_sarif(language()) for report in reports]
            _show.as_json({**logs[0], "runs": [run for log in logs for run in log["runs"]]})
    return with_controls(Exit(max(report.exit_code for report in reports)), controls)


def _totals_control(reports: Sequence[CheckResult]) -> dict[str, Any]:
    """T1 of the files that are not rejected: what each declares is what was counted in it."""
    from kokin.reconcile import Control

    good = [report for report in reports if not report.is_rejected]
    totals = [(f"{report.source} {total.field}", total.agrees) for report in good for total in report.totals.declared]
    wrong, unsure = (tuple(name for name, agrees in totals if agrees is found) for found in (False, None))
    # Each total is compared by itself: their sum would count yen of one payment several times, and records with them.
    yen = sum(report.totals.accepted_yen for report in good)
    return Control("T1", "detail = trailer, per file", yen, yen, wrong, unsure).as_dict()


def _compare(reports: Sequence[CheckResult], files: Sequence[ReceiptFile]) -> dict[str, Any]:
    """T6 of several files with receipts; a file that repeats payments of another one gets an issue (FILE_OVERLAPS)."""
    from kokin.cli._files import overlaps
    from kokin.model import Bill, arrow_schema
    from kokin.reconcile import reconcile

    good = [file for file, report in zip(files, reports, strict=True) if file.layout.receipt and not report.is_rejected]
    if len(good) < 2:
        return {}
    # Without bills: which records report one payment depends on the records alone.
    result = reconcile(arrow_schema(Bill).empty_table(), [file.table(on_error="skip") for file in good])
    for digest, issue in overlaps(result):
        report = next(one for one in reports if (one.source, one.digest) == (issue.location.file, digest))
        report.issues.add([issue])
    return {control.name: control.as_dict() for control in result.controls if control.name == "T6"}


def _print_header(file: ReceiptFile, unmasked: bool) -> None:
    """Whose file it is and of when: the fields of its header, what is personal or a name masked."""
    kind = file.layout.role("header")
    rows = []
    for field in kind.fields if kind else ():
        value = file.header.get(field.id)
        if value in (None, "") or field.type == "filler" or field.const is not None:
            continue
        hidden = not unmasked and (field.sensitive or field.id.endswith("_name"))
        rows.append((field.id, field.ja, mask(str(value)) if hidden else str(value)))
    if rows:
        _show.line()
        _show.grid((tell("{file} header", file=file.source), "項目", tell("content")), rows)


def _print(reports: Sequence[CheckResult]) -> None:
    rows = []
    for report in reports:
        totals = report.totals
        counts = (totals.read, totals.accepted, totals.unpaid, totals.rejected, totals.accepted_yen)
        rows.append((report.source, report.layout, *counts, tell("refused" if report.is_rejected else "taken")))
    _show.grid(heads("file", "layout", "read", "= accepted", "+ unpaid", "+ rejected", "yen", ""), rows)
    for report in reports:
        declared = [
            (
                each.field,
                each.declared,
                each.counted,
                tell("not checked" if each.agrees is None else "agrees" if each.agrees else "DIFFERS"),
            )
            for each in report.totals.declared
        ]
        if declared:
            _show.line()
            heading = tell("{file} declares", file=report.source)
            _show.grid((heading, *heads("declared", "counted", "")), declared)
        _show.issues(report.issues, total=report.issues.total)
