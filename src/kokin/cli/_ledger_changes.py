"""``kokin ledger changes``: what changed in bills since a consumer last acknowledged, for systems next door (連携)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kokin.cli import _output
from kokin.cli._main import Exit, with_exit_code
from kokin.cli._messages import headings, message, value
from kokin.cli._options import (
    Actor,
    EffectiveAt,
    Format,
    LedgerAddress,
    LockTimeout,
    OutputFormat,
    Reason,
    actor_or_login,
    open_ledger,
    option,
    time_in_japan,
)

if TYPE_CHECKING:
    from kokin.ledger import ChangeBatches, EntryResult

_YEN = ("amount", "paid", "residual", "provisional", "excess")


@with_exit_code
def changes(
    cursor: Annotated[str, option("Name of the consumer, such as billing.", "--cursor", metavar="NAME")],
    ledger: LedgerAddress = "",
    out: Annotated[
        Path | None,
        option("Write the changes: JSON lines (.jsonl), Arrow (.arrow), or CSV for any other name.", "--out"),
    ] = None,
    ack: Annotated[
        int | None, option("Acknowledge the changes up to this entry first.", "--ack", metavar="ENTRY")
    ] = None,
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Write what changed in each bill since the consumer has last acknowledged: state before and after, and the cause.

    A row is one bill that one entry changed: by a bill, a posting, a reversal, a decision, a set-off, or because it was
    matched again. Without an acknowledgement the next call writes the same rows, and those of later entries after them.
    An acknowledgement is an entry; reverse it to get the changes again. Consumers do not affect each other.
    """
    from kokin.reports import write_rows

    if out is None and ack is None:
        raise typer.BadParameter(message("pass --out, --ack or both"), param_hint="--out")
    acknowledged, found = None, None
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened:
        if ack is not None:
            who, when = actor_or_login(actor), time_in_japan(at)
            acknowledged = opened.acknowledge(cursor, ack, actor=who, reason=reason, at=when)
        if out is not None:
            with opened.change_batches(cursor) as found:
                write_rows(found.batches, out)
    if output is Format.JSON:
        _output.as_json({**_acknowledgement(acknowledged), **(_summary(found, out) if found else {})})
        return Exit.CLEAN
    if acknowledged:
        entry = acknowledged.entry.id
        if acknowledged.inserted:
            _output.line(message("acknowledged by entry {entry}", entry=entry))
        else:
            _output.line(message("acknowledged already, by entry {entry}", entry=entry))
    if found:
        rows = sorted((value("change_cause", cause), count) for cause, count in found.causes.items())
        _output.table(headings("change_cause", "count"), rows)
        about = {"first": found.first_entry, "last": found.last_entry, "out": out}
        _output.line(
            message("changes of entries {first} to {last}, written to {out}; acknowledge with --ack {last}", **about)
        )
    return Exit.CLEAN


def _acknowledgement(result: EntryResult | None) -> dict[str, object]:
    return {"acknowledged_by": result.entry.id, "inserted": result.inserted} if result else {}


def _summary(found: ChangeBatches, out: Path | None) -> dict[str, object]:
    return {
        "cursor": found.cursor,
        "first_entry": found.first_entry,
        "last_entry": found.last_entry,
        "file": str(out),
        "rows": found.rows,
        "deltas": {name: found.deltas[name] for name in _YEN},
    }


change_commands = (changes,)
