"""``kokin ledger open-balances``: the balances of an old system at the start of a ledger."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

from kokin.cli import _output
from kokin.cli._main import Exit, with_controls, with_exit_code
from kokin.cli._messages import headings, message, value
from kokin.cli._options import (
    Actor,
    BillLayout,
    DryRun,
    EffectiveAt,
    Format,
    LedgerAddress,
    LockTimeout,
    OutputFormat,
    Reason,
    ReferenceDate,
    actor_or_login,
    day_or_today,
    open_ledger,
    option,
    read_table,
    time_in_japan,
)
from kokin.text import file_name


@with_exit_code
def open_balances(
    totals: Annotated[Path, option("The totals of the old system: a TOML file.", "--totals", metavar="FILE")],
    ledger: LedgerAddress = "",
    bills: Annotated[
        Path | None, option("Bills with paid_before: CSV (UTF-8 or cp932) or Parquet.", "--bills", metavar="FILE")
    ] = None,
    overpayments: Annotated[
        Path | None, option("Overpayments that are not refunded: a CSV.", "--overpayments", metavar="FILE")
    ] = None,
    suspense: Annotated[Path | None, option("Money in suspense: a CSV.", "--suspense", metavar="FILE")] = None,
    provisionals: Annotated[
        Path | None, option("Provisionals without a final: a CSV.", "--provisionals", metavar="FILE")
    ] = None,
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    bill_layout: BillLayout = None,
    reference_date: ReferenceDate = None,
    dry_run: DryRun = False,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Carry over the balances of an old system into the ledger.

    All balances are opened, or none: a total that differs from that of the old system is named with what was
    expected and found (OPENING_TOTAL). Later an overpayment is in the refund proposals, money in suspense in the
    work list, and a provisional waits for its final.

    The same files are skipped the second time; an opening can be reversed with `reverse`.
    """
    from kokin import bills as bill_files
    from kokin.ledger import OpeningItem, OpeningTotals

    expected = OpeningTotals.load(totals)
    items = {
        "overpayments": read_table(overpayments, OpeningItem),
        "suspense": read_table(suspense, OpeningItem),
        "provisionals": read_table(provisionals, OpeningItem),
    }
    day = day_or_today(reference_date)
    batches = bill_files.batches(bills, layout=bill_layout, reference_date=day) if bills else None
    with (
        open_ledger(ledger, lock_timeout=lock_timeout) as opened,
        opened.dry_run() if dry_run else contextlib.nullcontext(),
        _output.progress(file_name(totals)),
    ):
        result = opened.open_balances(
            totals=expected,
            bills=batches,
            **items,
            actor=actor_or_login(actor),
            reason=reason,
            source=file_name(totals),
            at=time_in_japan(at),
        )
        controls = opened.status(recompute=False).as_dict()["controls"]
    found = result.entry.totals["opening"]
    if output is Format.JSON:
        state = {"entry": result.entry.id, "inserted": result.inserted, "dry_run": dry_run, "hash": result.entry.hash}
        _output.as_json({**state, "opening": found, "outcomes": dict(result.outcomes)})
    else:
        rows = [(value("opening", name), row["count"], row.get("open", row.get("yen"))) for name, row in found.items()]
        _output.table(headings("", "count", "yen"), rows)
        _output.line()
        if dry_run:
            _output.line(message("dry run: nothing was written"))
        elif result.inserted:
            _output.line(message("opened by entry {entry}", entry=result.entry.id))
        else:
            _output.line(message("these balances were opened already, by entry {entry}", entry=result.entry.id))
    _output.issues(result.issues)
    return with_controls(Exit.EXCEPTIONS if result.issues else Exit.CLEAN, controls)
