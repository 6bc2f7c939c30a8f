"""``kokin compare``: the results of an old system and those of Kokin, in a parallel run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kokin.cli import _output
from kokin.cli._main import Exit, with_controls, with_exit_code
from kokin.cli._messages import headings, language, message, value
from kokin.cli._options import Format, OutputFolder, OutputFormat, argument, option
from kokin.text import file_name

if TYPE_CHECKING:
    from kokin.reports import Cause, Comparison

# So many causes are printed; comparison.json has all.
_MAX_CAUSES = 20


@with_exit_code
def compare(
    old: Annotated[Path, argument("Results of the old system: CSV (UTF-8 or cp932) or Parquet.", metavar="OLD")],
    new: Annotated[Path, argument("Results of Kokin, such as balances.csv or outcomes.csv.", metavar="NEW")],
    out: OutputFolder,
    map_: Annotated[
        Path | None, option("Columns and values of the old system: a TOML file.", "--map", metavar="FILE")
    ] = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Compare the results of an old system with those of Kokin.

    Rows are bills or receipts. By default paid, residual and status of each bill_id are compared. The page
    comparison.html in OUT has the counts, the yen, what differs grouped by cause, the SHA-256 of both files and
    lines for signatures; differences.csv has every row that differs.

    The exit code is 0 if nothing differs, else 1.
    """
    from kokin.reports import ComparisonMap, write_comparison
    from kokin.reports import compare as compare_files

    mapping = ComparisonMap.load(map_) if map_ else None
    with _output.progress(file_name(new)):
        result = compare_files(old, new, mapping)
        write_comparison(result, out, at=datetime.now(UTC), language=language())
    controls = {name: control.as_dict() for name, control in result.controls.items()}
    if output is Format.JSON:
        _output.as_json(result.as_dict())
    else:
        _print_comparison(result)
        _output.line()
        _output.controls(controls)
        _output.line()
        _output.line(message("written to {out}", out=out))
    return with_controls(Exit.CLEAN if result.is_same else Exit.EXCEPTIONS, controls)


def _print_comparison(result: Comparison) -> None:
    names = ("old_rows", "new_rows", "old_yen", "new_yen")
    rows = [
        (value("compared", name), *(total[column] for column in names), total["new_yen"] - total["old_yen"])
        for name, total in result.totals.items()
    ]
    _output.table(headings("", "rows, old", "rows, new", "yen, old", "yen, new", "difference"), rows)
    if not result.causes:
        return
    _output.line()

    def words(cause: Cause) -> str:
        return cause.text if language() == "en" else "; ".join(result.describe(cause, "ja"))

    causes = [
        (value("compared", cause.result), words(cause), cause.rows, cause.new_yen - cause.old_yen)
        for cause in result.causes[:_MAX_CAUSES]
    ]
    _output.table(headings("", "what differs", "rows", "difference"), causes)
