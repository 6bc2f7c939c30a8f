"""Receipt files as the commands take them: each read whole, twice the same file once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
import typer

from kokin import receipts
from kokin.cli._words import tell
from kokin.issues import InvalidInputError, Issue, Location
from kokin.reconcile import Reconciliation, bank_deposits
from kokin.reports import FileSummary

# Every rejected record stands in issues.csv; a file with more of them is another layout's.
_MOST_ISSUES = 1_000_000


@dataclass
class Taken:
    """What came out of the files of one run."""

    files: list[receipts.ReceiptFile] = field(default_factory=list)
    tables: list[pa.Table] = field(default_factory=list)
    funnels: list[FileSummary] = field(default_factory=list)
    totals: dict[str, receipts.Totals] = field(default_factory=dict)
    """The totals of each file, by its SHA-256."""
    issues: list[Issue] = field(default_factory=list)


def layouts_for(files: Sequence[Path], layouts: Sequence[str]) -> list[str]:
    """One layout for all files, or one for each in their order.

    Raises:
        BadParameter: another number of layouts.
    """
    if len(layouts) == 1:
        return [*layouts] * len(files)
    if len(layouts) != len(files):
        counts = {"files": len(files), "layouts": len(layouts)}
        message = tell("give one layout for all {files} files, or one for each in their order; not {layouts}", **counts)
        raise typer.BadParameter(message, param_hint="--layout")
    return list(layouts)


def take(files: Sequence[Path], layouts: Sequence[str], *, lenient: bool, reference_date: date) -> Taken:
    """Read every file to its end; a file of the same bytes as an earlier one adds nothing, and is told.

    Raises:
        InvalidInputError: a file is refused; the issues are those of every refused file.
        OSError: a file cannot be read.
    """
    taken = Taken()
    refused: list[Issue] = []
    seen: dict[str, str] = {}
    for path, layout in zip(files, layouts_for(files, layouts), strict=True):
        file = receipts.open(path, layout, lenient=lenient, reference_date=reference_date, max_issues=_MOST_ISSUES)
        try:
            table = file.table(on_error="skip")  # what was rejected is in the issues
        except receipts.FileRejectedError as error:
            refused += error.issues
            continue
        if file.digest in seen:
            taken.issues.append(Issue("FILE_AGAIN", field="", found=seen[file.digest], location=Location(file.source)))
            continue
        seen[file.digest] = file.source
        taken.files.append(file)
        taken.tables.append(table)
        taken.funnels.append(funnel(file))
        taken.totals[file.digest] = file.totals
        taken.issues += file.issues
    if refused:
        raise InvalidInputError(refused, "nothing was written")
    return taken


def overlaps(result: Reconciliation) -> list[tuple[str, Issue]]:
    """The files that repeat payments of others (FILE_OVERLAPS), each with its SHA-256."""
    issues = []
    for row in result.overlaps.to_pylist():
        found = f"{row['repeated']} of {row['records']} in {row['other_source']}"
        issues.append(
            (row["digest"], Issue("FILE_OVERLAPS", field="records", found=found, location=Location(row["source"])))
        )
    return issues


def funnel(file: receipts.ReceiptFile) -> FileSummary:
    """The counts of a file that has been read to its end."""
    totals = file.totals
    return FileSummary(
        file.source,
        file.layout.name,
        file.digest,
        totals.read,
        totals.accepted,
        totals.unpaid,
        totals.rejected,
        totals.accepted_yen,
    )


def credited(path: Path | None, layout: str, *, lenient: bool, reference_date: date) -> pa.Table | None:
    """What reached the bank, by its credit file (入金); nothing where none is given.

    Raises:
        InvalidInputError: the file is refused.
        OSError: it cannot be read.
    """
    if path is None:
        return None
    return bank_deposits(receipts.read(path, layout, lenient=lenient, reference_date=reference_date).table)
