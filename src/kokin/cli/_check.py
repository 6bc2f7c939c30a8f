"""``kokin check``: read receipt files to their end, and say what is in them and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokin.cli import _show
from kokin.cli._exits import Exit, exits
from kokin.cli._options import LayoutNames, Lenient, ReferenceDate, day_of

if TYPE_CHECKING:
    from kokin.receipts import ReceiptFile


class Format(StrEnum):
    """How the result is written."""

    TEXT = "text"
    JSON = "json"


@exits
def check(
    files: Annotated[list[Path], typer.Argument(help="Receipt files.", show_default=False)],
    layout: LayoutNames,
    output: Annotated[Format, typer.Option("--format", help="How the result is written.")] = Format.TEXT,
    lenient: Lenient = False,
    reference_date: ReferenceDate = None,
) -> Exit:
    """Check receipt files: totals, every record, every byte. Nothing is written, no name is shown."""
    from kokin import receipts
    from kokin.cli._files import layouts_for

    read = []
    for path, name in zip(files, layouts_for(files, layout), strict=True):
        file = receipts.open(path, name, lenient=lenient, reference_date=day_of(reference_date))
        with suppress(receipts.FileRefused):  # it is told with the others, and is the exit code
            file.finish()
        read.append(file)
    if output is Format.JSON:
        _show.line(json.dumps([_as_dict(file) for file in read], ensure_ascii=False, indent=2))
    else:
        _print(read)
    if any(file.refused for file in read):
        return Exit.REFUSED
    return Exit.EXCEPTIONS if any(file.issues for file in read) else Exit.CLEAN


def _as_dict(file: ReceiptFile) -> dict[str, Any]:
    totals = asdict(file.totals)
    declared = [{**asdict(each), "agrees": each.agrees} for each in file.totals.declared]
    return {
        "file": file.source,
        "layout": file.layout.name,
        "verified": file.layout.verified,
        "sha256": file.digest,
        "refused": bool(file.refused),
        "totals": {**totals, "declared": declared},
        "issues": [
            {
                **asdict(issue),
                "severity": issue.severity.value,
                "en": issue.message("en"),
                "ja": issue.message("ja"),
            }
            for issue in [*file.refused, *file.issues]
        ],
    }


def _print(files: Sequence[ReceiptFile]) -> None:
    rows = []
    for file in files:
        totals = file.totals
        end = "refused" if file.refused else "ok"
        counts = (totals.read, totals.accepted, totals.unpaid, totals.rejected, totals.accepted_yen)
        rows.append((file.source, file.layout.name, *counts, end))
    _show.grid(("file", "layout", "read", "= accepted", "+ unpaid", "+ rejected", "yen", ""), rows)
    for file in files:
        if not file.layout.verified:
            _show.errors.print(f"{file.source}: layout {file.layout.name} is UNVERIFIED", style="yellow", markup=False)
        declared = [
            (each.field, each.declared, each.counted, "agrees" if each.agrees else "DIFFERS")
            for each in file.totals.declared
        ]
        if declared:
            _show.line()
            _show.grid((f"{file.source} declares", "declared", "counted", ""), declared)
        _show.issues([*file.refused, *file.issues])
