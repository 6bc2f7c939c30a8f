"""``kokin upload``: the files of slips for eLTAX, the answers to them, and the state of each slip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kokin.cli import _output
from kokin.cli._main import Exit, with_controls, with_exit_code
from kokin.cli._messages import command_help, headings, message, value
from kokin.cli._options import (
    Actor,
    AsOf,
    BillLayout,
    EffectiveAt,
    Format,
    LedgerAddress,
    Lenient,
    LockTimeout,
    OutputFolder,
    OutputFormat,
    ReferenceDate,
    actor_or_login,
    argument,
    as_printable,
    day_or_today,
    open_ledger,
    option,
    time_in_japan,
)
from kokin.text import file_name

if TYPE_CHECKING:
    from kokin.ledger import UploadRun, UploadStatus
    from kokin.receipts.layouts import Layout

app = typer.Typer(
    help=command_help("""Write slips for eLTAX (納付書情報), read the answers, and list the slips that may be posted.

    Nothing is transferred. The layouts are those of the authority: a TOML file with [bill] for the upload, one with
    [answer] for the answer."""),
    no_args_is_help=True,
)

Reason = Annotated[str, option("Reason, recorded in the ledger.", callback=as_printable)]
UploadLayout = Annotated[str, option("Layout of the file: a name or a TOML file.", "--layout", "-l")]


@app.command()
@with_exit_code
def make(
    bills: Annotated[Path, argument("Bills: CSV (UTF-8 or cp932) or Parquet.", metavar="BILLS")],
    layout: UploadLayout,
    out: OutputFolder,
    ledger: LedgerAddress = "",
    actor: Actor = "",
    rows: Annotated[int, option("Records of a file.", min=1, show_default=True)] = 100_000,
    whole: Annotated[
        bool, option("The file is the whole register: withdraw slips that are not in it.", "--whole")
    ] = False,
    resend_before: Annotated[
        datetime | None,
        option(
            "Also write what was sent before this day and has no answer, or was rejected.",
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
        ),
    ] = None,
    header: Annotated[
        list[str] | None, option("A value of the layout's header, once for each.", metavar="FIELD=VALUE")
    ] = None,
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    bill_layout: BillLayout = None,
    reference_date: ReferenceDate = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Write the files of slips that are new, changed or withdrawn since the last upload.

    The ledger records what was sent for each eL number. A slip that is not in the file remains as it is. The files are
    named upload-ENTRY-NUMBER in the folder. After an interruption, run the same command with the same folder: the files
    of an upload that is in the ledger are completed. An upload that was not transferred can be reversed with
    `kokin ledger reverse`.
    """
    from kokin import bills as bill_files
    from kokin.receipts import layouts

    loaded = layouts.load(layout)
    table = bill_files.read(bills, layout=bill_layout, reference_date=day_or_today(reference_date))
    _output.issues(table.issues)
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened, _output.progress(message("upload")):
        run = opened.make_upload(
            table,
            loaded,
            out,
            actor=actor_or_login(actor),
            rows=rows,
            whole=whole,
            resend_before=resend_before and resend_before.date(),
            header=header_values(loaded, header or ()),
            source=file_name(bills),
            reason=reason,
            at=time_in_japan(at),
        )
    if output is Format.JSON:
        _output.as_json({**run.as_dict(), "issues": [_output.issue_dict(issue) for issue in run.issues]})
    else:
        _print_run(run, out)
    _output.issues(run.issues)
    return Exit.EXCEPTIONS if run.issues else Exit.CLEAN


def header_values(layout: Layout, settings: Sequence[str]) -> dict[str, Any]:
    """Return the values of the fields of a header; dates from their ISO form.

    Raises:
        BadParameter: not FIELD=VALUE, an unknown field, or an invalid date.
    """
    from kokin.receipts.layouts import FieldType

    kind, values = layout.role("header"), dict[str, Any]()
    fields = kind.by_id if kind else {}
    for setting in settings:
        name, is_set, text = setting.partition("=")
        try:
            values[name] = date.fromisoformat(text) if fields[name].type is FieldType.DATE else text
        except (KeyError, ValueError) as error:
            text = message("not a field of the header and its value, a date as YYYY-MM-DD")
            raise typer.BadParameter(text, param_hint="--header") from error
        if not is_set:
            raise typer.BadParameter(message("write FIELD=VALUE"), param_hint="--header")
    return values


def _print_run(run: UploadRun, out: Path) -> None:
    for name in run.completed:
        _output.line(message("completed {file}, which an interrupted run has left", file=out / name))
    counts = {name: getattr(run, name) for name in ("given", "absent", "sent", "unchanged", "waiting", "by_hand")}
    text = message(
        "given {given:,} + absent {absent:,} = sent {sent:,} + unchanged {unchanged:,} + waiting {waiting:,} "
        "+ by hand {by_hand:,}",
        **counts,
    )
    _output.line(text)
    if run.entry is None:
        _output.line(message("nothing is to be sent; no entry was written"))
        return
    rows = [(value("operation", name), getattr(run, name)) for name in ("new", "change", "withdraw")]
    _output.table(headings("", "count"), rows)
    _output.table(headings("file", "count"), [(str(out / file.name), file.records) for file in run.files])
    _output.line(message("written by entry {entry}; transfer the files, then add the answer", entry=run.entry.id))


@app.command()
@with_exit_code
def answer(
    file: Annotated[Path, argument("The file of the answer.", metavar="FILE")],
    layout: UploadLayout,
    ledger: LedgerAddress = "",
    upload: Annotated[
        int | None, option("The entry of the upload that is answered; by default the last record of each slip is.")
    ] = None,
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    lenient: Lenient = False,
    reference_date: ReferenceDate = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Add the answer to an upload: which slips were accepted, and which were rejected and why.

    If a total differs or a record is invalid, nothing of the file is added. A record about an unknown slip, one that
    was not sent or was withdrawn since, and two results for one slip are issues; the others are added. The same file is
    skipped when it comes again.
    """
    from kokin import receipts

    day = day_or_today(reference_date)
    answers = receipts.open_mapped(file, layout, "answer", lenient=lenient, reference_date=day)
    entry: dict[str, Any] = {"actor": actor_or_login(actor), "reason": reason, "at": time_in_japan(at)}
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened:
        result = opened.add_upload_answer(answers, upload=upload, **entry)
    if output is Format.JSON:
        _output.as_json({**result.as_dict(), "issues": [_output.issue_dict(issue) for issue in result.issues]})
    else:
        counts = {name: getattr(result, name) for name in ("read", "accepted", "rejected", "without_record")}
        text = message(
            "read {read:,} = accepted {accepted:,} + rejected {rejected:,} + without record {without_record:,}",
            **counts,
        )
        _output.line(text)
        if result.inserted:
            _output.line(message("added by entry {entry}", entry=result.entry.id))
        else:
            _output.line(message("this answer is added already, by entry {entry}", entry=result.entry.id))
    _output.issues(result.issues)
    return Exit.EXCEPTIONS if result.issues else Exit.CLEAN


@app.command()
@with_exit_code
def status(
    ledger: LedgerAddress = "",
    as_of: AsOf = None,
    out: Annotated[Path | None, option("Write the state of each slip to this CSV.", "--out", metavar="FILE")] = None,
    release: Annotated[
        Path | None, option("Write the slips that may be posted to payers to this CSV.", metavar="FILE")
    ] = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Show how many slips are allotted, sent, accepted, rejected, corrected and withdrawn, and the control U1.

    A slip may be posted if its last record was accepted, and the ledger has no other version of it since. The exit code
    is 5 if sent records are not accepted, rejected or unanswered (U1).
    """
    from kokin.reports import write_csv

    with open_ledger(ledger) as opened:
        state = opened.upload_status(as_of and day_or_today(as_of))
    for path, table in ((out, state.slips), (release, state.release)):
        if path:
            write_csv(table, path)
    values = state.as_dict()
    if output is Format.JSON:
        _output.as_json(values)
    else:
        _print_status(state, values["controls"])
        for path in filter(None, (out, release)):
            _output.line(message("written to {out}", out=path))
    return with_controls(Exit.CLEAN, values["controls"])


def _print_status(state: UploadStatus, controls: Mapping[str, Mapping[str, Any]]) -> None:
    rows = [(value("slip_state", name), row["count"], row["amount"]) for name, row in state.states.items()]
    _output.table(headings("status", "count", "yen"), rows)
    _output.line()
    oldest = max((age for age in state.slips.column("days_unanswered").to_pylist() if age is not None), default=None)
    if oldest is not None:
        _output.line(message("the oldest record without an answer was sent {days:,} days ago", days=oldest))
    _output.line(message("slips that may be posted: {count:,}", count=len(state.release)))
    _output.line()
    _output.controls(controls)
