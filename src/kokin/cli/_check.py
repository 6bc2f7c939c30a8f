"""``kokin check`` and ``kokin layouts``: receipt files, and the layouts by which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokin.cli import _output
from kokin.cli._main import Exit, with_controls, with_exit_code
from kokin.cli._messages import cell, headings, language, message, value
from kokin.cli._options import (
    LayoutNames,
    Lenient,
    ReceiptFiles,
    ReferenceDate,
    argument,
    day_or_today,
    layouts_for,
    option,
)
from kokin.issues import printable
from kokin.text import mask

if TYPE_CHECKING:
    from kokin.receipts import CheckResult, ReceiptFile


class CheckFormat(StrEnum):
    """Format of the result."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


@with_exit_code
def check(
    files: ReceiptFiles,
    layout: LayoutNames,
    output: Annotated[CheckFormat, option("Format of the output.", "--format", show_default=True)] = CheckFormat.TEXT,
    lenient: Lenient = False,
    reference_date: ReferenceDate = None,
    unmasked: Annotated[bool, option("Show names and account numbers of the header.", "--unmasked")] = False,
) -> Exit:
    """Check receipt files: totals, every record, every byte. Writes nothing; names are masked.

    Several files are also compared with one another: a file with payments that another file has too is named.
    """
    from kokin import receipts

    day = day_or_today(reference_date)
    layout_of = list(zip(files, layouts_for(files, layout), strict=True))
    is_compared = len(files) > 1
    results = [
        receipts.check(path, name, lenient=lenient, reference_date=day, keep_receipts=is_compared)
        for path, name in layout_of
    ]
    controls = {"T1": _totals_control(results), **_compare(results)}
    match output:
        case CheckFormat.TEXT:
            _print_results(results)
            for path, name in layout_of:
                _print_header(receipts.open(path, name, lenient=lenient, reference_date=day), unmasked)
        case CheckFormat.JSON:
            _output.as_json([result.as_dict(language()) for result in results])
        case CheckFormat.SARIF:
            logs = [result.as_sarif(language()) for result in results]
            _output.as_json({**logs[0], "runs": [run for log in logs for run in log["runs"]]})
    return with_controls(Exit(max(result.exit_code for result in results)), controls)


def _totals_control(results: Sequence[CheckResult]) -> dict[str, Any]:
    """Return T1 of the files that are not rejected: the totals that each declares are those of its records."""
    from kokin.reconcile import Control

    accepted = [result for result in results if not result.is_rejected]
    totals = [
        (f"{result.source} {total.field}", total.agrees) for result in accepted for total in result.totals.declared
    ]
    broken, unsure = (tuple(name for name, agrees in totals if agrees is state) for state in (False, None))
    # Each total is compared by itself: their sum would count yen of one payment several times, and add records to yen.
    yen = sum(result.totals.accepted_yen for result in accepted)
    return Control("T1", "detail = trailer, per file", yen, yen, broken, unsure).as_dict()


def _compare(results: Sequence[CheckResult]) -> dict[str, Any]:
    """Return T6 of several files with receipts; add FILE_OVERLAPS to the issues of a file in ``results``."""
    from kokin._arrow.convert import empty_table
    from kokin.model import Bill, arrow_schema
    from kokin.reconcile import reconcile

    tables = [result.receipts for result in results if result.receipts is not None]
    if len(tables) < 2:
        return {}
    # Without bills: which records report the same payment depends on the records alone.
    run = reconcile(empty_table(arrow_schema(Bill)), tables)
    for digest, issue in _output.overlap_issues(run):
        result = next(each for each in results if (each.source, each.digest) == (issue.location.file, digest))
        result.issues.add([issue])
    return {control.name: control.as_dict() for control in run.controls if control.name == "T6"}


def _print_header(file: ReceiptFile, unmasked: bool) -> None:
    """Print the fields of a file's header; personal data and names are masked."""
    record = file.layout.role("header")
    rows = []
    for field in record.fields if record else ():
        value = file.header.get(field.id)
        if value in (None, "") or field.type == "filler" or field.const is not None:
            continue
        hidden = not unmasked and (field.sensitive or field.id.endswith("_name"))
        rows.append((field.id, field.ja, mask(str(value)) if hidden else str(value)))
    if rows:
        _output.line()
        _output.table((message("{file} header", file=file.source), *headings("item", "content")), rows)


def _print_results(results: Sequence[CheckResult]) -> None:
    rows = []
    for result in results:
        totals = result.totals
        counts = (totals.read, totals.accepted, totals.unpaid, totals.rejected, totals.accepted_yen)
        rows.append(
            (result.source, result.layout, *counts, value("state", "rejected" if result.is_rejected else "accepted"))
        )
    _output.table(headings("file", "layout", "read", "= accepted", "+ unpaid", "+ rejected", "yen", ""), rows)
    states = {True: message("agrees"), False: message("DIFFERS"), None: message("not checked")}
    for result in results:
        declared = [
            (cell("field", total.field), total.declared, total.counted, states[total.agrees])
            for total in result.totals.declared
        ]
        if declared:
            _output.line()
            title = message("{file} declares", file=result.source)
            _output.table((title, *headings("declared", "counted", "")), declared)
        _output.issues(result.issues, total=result.issues.total)


@with_exit_code
def layouts(
    name: Annotated[str | None, argument("Name of a layout, or path of its TOML file.")] = None,
    new: Annotated[bool, option("Print a commented template of a layout file.", "--new")] = False,
    bill: Annotated[
        Path | None, option("With --new: a sample CSV of bills, from whose header the layout is written.", "--bill")
    ] = None,
) -> Exit:
    """List the layouts of receipt files and of bills, or print the field table of one."""
    from rich.console import Console
    from rich.markdown import Markdown

    from kokin.receipts import layouts as catalog

    if bill and not new:
        raise typer.BadParameter(message("pass --new with --bill"), param_hint="--bill")
    if bill:
        from kokin import bills

        _output.lines(bills.new_layout(bill, name or "my-layout"))
    elif new:
        _output.lines(catalog.template(name or "my-layout"))
    elif name is None:
        english = language() == "en"
        rows = []
        for layout_name, package in catalog.packages().items():
            layout = catalog.load(layout_name)
            verified = message("yes" if layout.verified else "NO")
            names = (layout.name, layout.ja, *([layout.en] if english else ()))
            rows.append((*names, layout.format, verified, package))
        titles = headings("description") if english else ()
        _output.table((*headings("layout"), "名称", *titles, *headings("format", "verified", "package")), rows)
    else:
        text = printable(catalog.describe(catalog.load(name), language()), keep="\n").rstrip()
        console = Console(highlight=False)
        # A pipe gets the Markdown itself, so that it can be saved as a page.
        console.print(Markdown(text)) if console.is_terminal else _output.lines(text)
    return Exit.CLEAN
