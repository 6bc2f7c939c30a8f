"""``kokin reconcile``: bills and receipt files in, a folder of results out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from kokin.cli import _show
from kokin.cli._exits import Exit, exits
from kokin.cli._options import LayoutNames, Lenient, ReferenceDate, day_of


@exits
def reconcile(
    bills: Annotated[Path, typer.Option(help="Bills: CSV (UTF-8 or cp932) or Parquet.", show_default=False)],
    receipts: Annotated[
        list[Path], typer.Option(help="A receipt file; may be given more than once.", show_default=False)
    ],
    layout: LayoutNames,
    out: Annotated[Path, typer.Option(help="The folder to write into.", show_default=False)],
    more: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="More receipt files.")] = None,
    policy: Annotated[Path | None, typer.Option(help="The body's choices: a TOML file.", show_default=False)] = None,
    catalog: Annotated[Path | None, typer.Option(help="The body's charges: a TOML file.", show_default=False)] = None,
    credits_file: Annotated[
        Path | None, typer.Option("--credits", help="A bank's credit file, for control T3.", show_default=False)
    ] = None,
    credits_layout: Annotated[str, typer.Option(help="The layout of the credit file.")] = "zengin-01",
    lenient: Lenient = False,
    reference_date: ReferenceDate = None,
) -> Exit:
    """Settle receipts against bills, every yen in exactly one outcome.

    A file with a wrong total, an unknown byte or a missing end is refused, and nothing is written.
    """
    from kokin import receipts as receipts_room
    from kokin import reports
    from kokin.catalog import CATALOG, load
    from kokin.cli import _files
    from kokin.issues import to_table
    from kokin.reconcile import Policy, bank_credits, settle_accounts
    from kokin.reconcile import reconcile as settle

    day = day_of(reference_date)
    billed = _bills(bills)
    taken = _files.take([*receipts, *(more or [])], layout, lenient=lenient, reference_date=day)
    result = settle(billed, taken.tables, Policy.load(policy) if policy else None)
    credited = None
    if credits_file:
        credited = bank_credits(receipts_room.read(credits_file, credits_layout, lenient=lenient, reference_date=day))
    charges = load(catalog) if catalog else CATALOG
    accounts = settle_accounts(result, billed, catalog=charges, credits=credited, files=taken.totals)
    summary = reports.write_run(result, accounts, taken.funnels, to_table(taken.issues), out)
    _show.issues(taken.issues)
    show(summary)
    _show.line()
    _show.line(f"written to {out}")
    return Exit.EXCEPTIONS if len(accounts.exceptions) or taken.issues else Exit.CLEAN


def _bills(path: Path) -> pa.Table:
    from kokin import bills
    from kokin.issues import RefusedError, from_table

    found = bills.read(path)
    issues = from_table(found.issues)
    if found.rejected:
        raise RefusedError(issues, f"{path}: {found.rejected:,} bills are wrong; nothing was written")
    _show.issues(issues)
    return found.table


def show(summary: dict[str, Any]) -> None:
    """The funnel, the outcomes and the controls of a run."""
    files = summary["files"]
    names = ("read", "accepted", "unpaid", "rejected", "amount")
    rows = [(file["source"], file["layout"], *(file[name] for name in names)) for file in files]
    if len(files) > 1:
        rows.append(("total", "", *(sum(file[name] for file in files) for name in names)))
    _show.grid(("file", "layout", "read", "= accepted", "+ unpaid", "+ rejected", "yen"), rows)
    _show.line()
    told = sorted(summary["outcomes"].items(), key=lambda item: -item[1]["count"])
    _show.grid(("outcome", "receipts", "yen"), [(name, row["count"], row["amount"]) for name, row in told])
    _show.line()
    _show.grid(("bin", "yen"), list(summary["bins"].items()))
    if summary["findings"]:
        _show.line()
        _show.grid(("also to look at", "receipts"), list(summary["findings"].items()))
    _show.line()
    rows = []
    for name, control in summary["controls"].items():
        said = {True: "holds", False: "BROKEN"}.get(control["holds"], "not checked")
        rows.append((name, control["statement"], control["left"], control["right"], said))
    _show.grid(("", "control", "left", "right", ""), rows)
