"""``kokin demo``: a synthetic city, from bills to slips, receipts and the settled books."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from kokin.cli import _show
from kokin.cli._exits import Exit, exits

# Slips drawn for the eye; the command for all of them is printed.
_DRAWN = 12


@exits
def demo(
    bills: Annotated[int, typer.Option(help="How many slips the city sends.", min=1, max=10_000_000)] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same city.")] = 1,
    out: Annotated[Path, typer.Option(help="The folder to write into.")] = Path("kokin-demo"),
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
    from kokin.reconcile import reconcile, settle_accounts
    from kokin.reports import write_run

    with _show.progress("the city"):
        city = write_city(out, bills, seed)
    billed = bill_files.read(city.bills)
    few = out / "few-bills.csv"
    bill_files.write(billed.table.slice(0, _DRAWN), few)
    shutil.rmtree(out / "slips", ignore_errors=True)
    made = slips.make(few, out / "slips", "png")
    _show.line(f"bills    {city.bills}: {len(billed.table):,} slips, {made.made} of them drawn in {out / 'slips'}")
    paths, layouts = [path for path, _ in city.receipts], [layout for _, layout in city.receipts]
    taken = _files.take(paths, layouts, lenient=False, reference_date=city.reference_date)
    result = reconcile(billed.table, taken.tables)
    accounts = settle_accounts(result, billed.table, files=taken.totals)
    summary = write_run(result, accounts, taken.funnels, to_table(taken.issues), out / "result")
    _show.issues(taken.issues)
    _show.line()
    _reconcile.show(summary)
    t4 = summary["controls"]["T4"]
    sign = "=" if t4["holds"] is True else "≠"
    _show.line()
    _show.line(f"T4: received {t4['left']:,} {sign} {t4['right']:,} yen in the bins, every yen in exactly one")
    _show.line(f"Open {out / 'result' / 'report.html'} to look at it, and try:")
    _show.line(f"  kokin qr read {out / 'slips' / 'part-00001' / '000000001.png'}")
    return Exit.CLEAN if t4["holds"] is True else Exit.FAILED
