"""``kokin issue allot``: numbers for the slips of debts, from the register in the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from kokin.cli import _output
from kokin.cli._issue import app as app
from kokin.cli._main import Exit, with_exit_code
from kokin.cli._messages import message
from kokin.cli._options import (
    Actor,
    BillLayout,
    EffectiveAt,
    Format,
    LedgerAddress,
    Lenient,
    LockTimeout,
    OutputFormat,
    Reason,
    ReferenceDate,
    actor_or_login,
    argument,
    day_or_today,
    open_ledger,
    option,
    time_in_japan,
)
from kokin.issues import from_table
from kokin.text import file_name


@app.command()
@with_exit_code
def allot(
    debts: Annotated[Path, argument("Debts without numbers: CSV (UTF-8 or cp932) or Parquet.", metavar="DEBTS")],
    scheme: Annotated[Path, option("The number scheme of the authority: a TOML file.")],
    out: Annotated[Path, option("The file of bills to write: CSV, or Parquet if it ends with .parquet.", "--out")],
    ledger: LedgerAddress = "",
    bill_layout: BillLayout = None,
    issue_no: Annotated[int, option("The issue_no of debts without one.", "--issue-no", min=1, max=9999)] = 1,
    lenient: Lenient = False,
    reference_date: ReferenceDate = None,
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Allot numbers to debts, each once and for ever, and write their bills.

    The same debt and issue_no gets the same numbers again, so the command can be repeated after any failure. With the
    next issue_no the slip is issued again with other numbers; its earlier slip is written as superseded.

    All rows are numbered or none. The numbers are in the ledger before the file is written.
    """
    from kokin import bills
    from kokin.slips import NumberScheme

    rule = NumberScheme.load(scheme)
    out.parent.stat()  # before numbers are allotted for a file that cannot be written
    file: Any = {"layout": bill_layout, "lenient": lenient, "reference_date": day_or_today(reference_date)}
    batches = list(bills.debt_batches(debts, issue_no=issue_no, **file))
    warnings = [issue for batch in batches for issue in from_table(batch.issues) if not issue.is_error]
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened, _output.progress(message("allot")):
        about = {"actor": actor_or_login(actor), "reason": reason, "source": file_name(debts)}
        result = opened.allot(batches, rule, **about, at=time_in_japan(at))
    bills.write(result.bills, out)
    if output is Format.JSON:
        _output.as_json({**result.as_dict(), "issues": [_output.issue_dict(issue) for issue in warnings]})
    else:
        counts = {name: count for name, count in result.as_dict().items() if name != "entry"}
        text = message(
            "{debts:,} debts: new {new:,}, reissued {reissued:,}, unchanged {unchanged:,}; superseded {superseded:,}",
            **counts,
        )
        _output.line(text)
        _output.line(str(out))
    _output.issues(warnings)
    return Exit.EXCEPTIONS if warnings else Exit.CLEAN
