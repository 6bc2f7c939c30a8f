"""``kokin demo``: a synthetic city, from bills to slips, receipts and the settled books."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from kokin.cli import _show
from kokin.cli._exits import Exit, exits, with_controls
from kokin.cli._words import help_text, language, tell

# Slips drawn for the eye; the command for all of them is printed.
_DRAWN = 12


@exits
def demo(
    bills: Annotated[
        int, typer.Option(help=help_text("How many slips the city sends."), min=1, max=10_000_000)
    ] = 10_000,
    seed: Annotated[int, typer.Option(help=help_text("The same seed gives the same city."))] = 1,
    out: Annotated[Path, typer.Option(help=help_text("The folder to write into."))] = Path("kokin-demo"),
) -> Exit:
    """Make an invented city, draw slips, read its receipt files and reconcile them.

    The city has double and part payments, unknown numbers, 速報 and 取消, and one broken record, so there is something
    to look at. It ends with 0 when every yen is accounted for.
    """
    from kokin import bills as bill_files
    from kokin import slips
    from kokin.cli import _files, _reconcile
    from kokin.demo import write_city
    from kokin.issues import to_table
    from kokin.reconcile import build_accounts, reconcile
    from kokin.reports import write_run

    with _show.progress(tell("the city")):
        city = write_city(out, bills, seed)
    billed = bill_files.read(city.bills)
    few = out / "few-bills.csv"
    bill_files.write(billed.table.slice(0, _DRAWN), few)
    shutil.rmtree(out / "slips", ignore_errors=True)
    drawn = slips.make(few, out / "slips", "png")
    counts = {"count": len(billed.table), "drawn": drawn.written, "folder": out / "slips"}
    _show.line(tell("{bills}: {count:,} slips, {drawn} of them drawn in {folder}", bills=city.bills, **counts))
    paths, layouts = [path for path, _ in city.receipts], [layout for _, layout in city.receipts]
    taken = _files.take(paths, layouts, lenient=False, reference_date=city.reference_date)
    result = reconcile(billed.table, taken.tables)
    accounts = build_accounts(result, files=taken.totals)
    issues = to_table(taken.issues)
    summary = write_run(result, accounts, taken.funnels, issues, out / "result", language=language())
    _show.issues(taken.issues)
    _show.line()
    _reconcile.show(summary)
    t4 = summary["controls"]["T4"]
    _show.line()
    equation = f"{t4['left']:,} {'=' if t4['holds'] is True else '≠'} {t4['right']:,}"
    _show.line(tell("T4: received = sum of the dispositions, every yen in exactly one: {equation}", equation=equation))
    _show.line(tell("Open {page} to look at it, and try:", page=out / "result" / "report.html"))
    _show.line(f"  kokin check {out / 'debit.txt'} --layout zengin-91")
    return with_controls(Exit.CLEAN, summary["controls"])
