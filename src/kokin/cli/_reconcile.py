"""``kokin reconcile``: bills and receipt files in, a folder of results out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokin.cli import _show
from kokin.cli._address import opened, shown
from kokin.cli._exits import Exit, exits, with_controls
from kokin.cli._options import (
    Actor,
    CatalogFile,
    CreditsFile,
    CreditsLayout,
    LayoutNames,
    Lenient,
    PolicyFile,
    ReferenceDate,
    actor_of,
    day_of,
)
from kokin.cli._words import heads, help_text, language, tell
from kokin.text import file_name

if TYPE_CHECKING:
    import pyarrow as pa

    from kokin.ledger import Ledger
    from kokin.receipts import ReceiptFile


@exits
def reconcile(
    bills: Annotated[Path, typer.Option(help=help_text("Bills: CSV (UTF-8 or cp932) or Parquet."), show_default=False)],
    receipts: Annotated[
        list[Path], typer.Option(help=help_text("A receipt file; may be given more than once."), show_default=False)
    ],
    layout: LayoutNames,
    out: Annotated[Path, typer.Option(help=help_text("The folder to write into."), show_default=False)],
    more: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help=help_text("More receipt files."))] = None,
    policy: PolicyFile = None,
    catalog: CatalogFile = None,
    credits_file: CreditsFile = None,
    credits_layout: CreditsLayout = "zengin-01",
    ledger: Annotated[
        str | None,
        typer.Option(metavar="URL", help=help_text("Post the bills and receipts here, too."), show_default=False),
    ] = None,
    actor: Actor = "",
    lenient: Lenient = False,
    reference_date: ReferenceDate = None,
) -> Exit:
    """Settle receipts against bills, every yen in exactly one outcome.

    A file with a wrong total, an unknown byte or a missing end is refused, and nothing is written or posted.

    With --ledger all is read and judged first; then the bills and each file are posted, one after another, and the
    folder is written last. If the ledger fails in between, do it again: what is posted already is passed over. The
    folder tells of this run alone; `kokin report` tells of all that the ledger holds.
    """
    from kokin import reports
    from kokin.catalog import CATALOG, load
    from kokin.cli import _files
    from kokin.issues import to_table
    from kokin.reconcile import Policy, build_accounts
    from kokin.reconcile import reconcile as settle

    day = day_of(reference_date)
    choices = Policy.load(policy) if policy else None
    billed = _bills(bills)
    taken = _files.take([*receipts, *(more or [])], layout, lenient=lenient, reference_date=day)
    result = settle(billed, taken.tables, choices)
    money = _files.credited(credits_file, credits_layout, lenient=lenient, reference_date=day)
    charges = load(catalog) if catalog else CATALOG
    accounts = build_accounts(result, catalog=charges, deposits=money, files=taken.totals)
    posted: dict[str, Any] = {}
    if ledger:
        with opened(ledger, policy=choices) as kept:
            _post(kept, bills, billed, taken.files, actor_of(actor))
            posted = kept.status()["controls"]
    issues = to_table(taken.issues)
    summary = reports.write_run(result, accounts, taken.funnels, issues, out, language=language(), catalog=charges)
    _show.issues([*taken.issues, *(issue for _, issue in _files.overlaps(result))])
    show(summary)
    _show.line()
    if ledger:
        _show.line(tell("posted to {place}", place=shown(ledger)))
    _show.line(tell("written to {out}", out=out))
    code = Exit.EXCEPTIONS if len(accounts.exceptions) or taken.issues else Exit.CLEAN
    return max(with_controls(code, summary["controls"]), with_controls(code, posted))


def _bills(path: Path) -> pa.Table:
    from kokin import bills
    from kokin.issues import InvalidInputError

    found = bills.read(path, on_error="skip")
    if found.totals.rejected:
        count = tell("{count:,} bills of {file} are wrong; nothing was written", count=found.totals.rejected, file=path)
        raise InvalidInputError(found.issues, count)
    _show.issues(found.issues)
    return found.table


def _post(ledger: Ledger, bills: Path, billed: pa.Table, files: Sequence[ReceiptFile], actor: str) -> None:
    with _show.progress(tell("ledger"), len(files) + 1) as done:
        ledger.add_bills(billed, actor=actor, source=file_name(bills))
        done(1)
        for file in files:
            ledger.post(file, actor=actor)
            done(1)


def show(summary: dict[str, Any]) -> None:
    """The funnel, the outcomes and the controls of a run."""
    files = summary["files"]
    names = ("read", "accepted", "unpaid", "rejected", "amount")
    rows = [(file["source"], file["layout"], *(file[name] for name in names)) for file in files]
    if len(files) > 1:
        rows.append((tell("total"), "", *(sum(file[name] for file in files) for name in names)))
    _show.grid(heads("file", "layout", "read", "= accepted", "+ unpaid", "+ rejected", "yen"), rows)
    _show.line()
    told = sorted(summary["outcomes"].items(), key=lambda item: -item[1]["count"])
    _show.grid(heads("outcome", "receipts", "yen"), [(name, row["count"], row["amount"]) for name, row in told])
    _show.line()
    _show.grid(heads("disposition", "yen"), [(tell(name), yen) for name, yen in summary["dispositions"].items()])
    if summary["findings"]:
        _show.line()
        _show.grid(heads("also to look at", "receipts"), list(summary["findings"].items()))
    _show.line()
    _show.controls(summary["controls"])
