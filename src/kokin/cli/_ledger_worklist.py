"""``kokin ledger worklist`` and ``kokin ledger decide``: the open exceptions as a file, and the decisions back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from kokin.cli import _output
from kokin.cli._main import Exit, with_controls, with_exit_code
from kokin.cli._messages import headings, language, message, value
from kokin.cli._options import (
    Actor,
    AsOf,
    CatalogFile,
    DryRun,
    EffectiveAt,
    Format,
    LedgerAddress,
    LockTimeout,
    OutputFormat,
    Reason,
    actor_or_login,
    argument,
    as_printable,
    charges_of,
    day_or_today,
    open_ledger,
    option,
    time_in_japan,
)
from kokin.issues import InvalidInputError

if TYPE_CHECKING:
    import pyarrow as pa

    from kokin.ledger import EntryResult
    from kokin.reports import DecisionFile


@with_exit_code
def worklist(
    ledger: LedgerAddress = "",
    out: Annotated[
        Path | None, option("The file to write: a workbook (.xlsx), or CSV for any other name.", "--out")
    ] = None,
    as_of: AsOf = None,
    catalog: CatalogFile = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Write the work list: every open exception once, with its age and with candidates for unknown money.

    Fill in the columns decision, assigned bill, assigned yen, hold until, reason and approver, then pass the file to
    `decide`. A candidate is offered, never applied. An exception that was accepted is not in the list, one that is held
    is in it from its day on. There are no names of persons in it. The exit code is 1 if an exception is open.
    """
    from kokin.reports import write_work_list

    charges = charges_of(catalog)
    with open_ledger(ledger) as opened, _output.progress(message("work list")):
        exceptions = opened.work_list(as_of and day_or_today(as_of), catalog=charges)
        ledger_hash = opened.id
    if out is not None:
        write_work_list(exceptions, out, ledger_hash, language(), as_of=day_or_today(as_of))
    if output is Format.JSON:
        _output.as_json(exceptions.to_pylist())
    else:
        _print_codes(exceptions)
        if out is not None:
            _output.line()
            _output.line(message("written to {out}", out=out))
    return Exit.EXCEPTIONS if len(exceptions) else Exit.CLEAN


def _print_codes(exceptions: pa.Table) -> None:
    """Print the number, the yen and the highest age of the exceptions of each code, the most frequent first."""
    from kokin.reports import exception_name

    totals: dict[str, list[Any]] = {}
    for row in exceptions.select(["code", "amount", "age_days"]).to_pylist():
        total = totals.setdefault(row["code"], [0, None, None])
        total[0] += 1
        for at, name in ((1, "amount"), (2, "age_days")):
            if row[name] is not None:
                total[at] = (total[at] or 0) + row[name] if name == "amount" else max(total[at] or 0, row[name])
    rows = sorted(totals.items(), key=lambda item: (-item[1][0], item[0]))
    titles = headings("code", "code_name", "exceptions", "yen", "oldest (days)")
    _output.table(titles, [(code, exception_name(code, language()), *total) for code, total in rows])
    _output.line()
    _output.line(message("open exceptions: {count:,}", count=len(exceptions)))


@with_exit_code
def decide(
    file: Annotated[Path, argument("The work list with decisions: XLSX, or CSV (UTF-8 or cp932).", metavar="FILE")],
    ledger: LedgerAddress = "",
    actor: Actor = "",
    approver: Annotated[str, option("Who approves the decisions without an approver.", callback=as_printable)] = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    catalog: CatalogFile = None,
    dry_run: DryRun = False,
    lock_timeout: LockTimeout = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Record the decisions of a work list: all rows, or none if a cell is rejected (`work.xlsx!H12`).

    A row without a decision is skipped. To divide a payment, copy its row, and give each row the bill and its yen. A
    payment that is not in the list, such as one on a wrong bill, is named by its exception: R12-MATCHED. Rows without a
    reason get that of --reason. An exception that was settled since the list was made is rejected (DECISION_SETTLED).
    The receipts keep their file, record and days; to take the decisions back, reverse the entry.
    """
    from kokin.reports import read_decisions

    charges = charges_of(catalog)
    who = actor_or_login(actor)
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened:
        decisions = read_decisions(file, opened.id, reason=reason, approver=approver)
        if not decisions.rows:
            _print_nothing(decisions, output)
            return Exit.CLEAN
        options: dict[str, Any] = {"open_only": True, "catalog": charges, "dry_run": dry_run}
        about: dict[str, Any] = {"actor": who, "source": decisions.source, "reason": reason, "at": time_in_japan(at)}
        try:
            result = opened.decide(decisions.table, **about, **options)
        except InvalidInputError as error:
            raise InvalidInputError(decisions.located(error.issues), error.summary, error.total) from error
        controls = opened.status(recompute=False).as_dict()["controls"]
    _print_result(result, decisions, output)
    return with_controls(Exit.CLEAN, controls)


def _print_nothing(decisions: DecisionFile, output: Format) -> None:
    if output is Format.JSON:
        _output.as_json({"file": decisions.source, "entry": None, "decisions": {}, "skipped": decisions.skipped})
    else:
        _output.line(message("no row has a decision; nothing was written"))


def _print_result(result: EntryResult, decisions: DecisionFile, output: Format) -> None:
    counts = result.entry.totals["decisions"]
    if output is Format.JSON:
        entry = result.entry
        fields: dict[str, Any] = {"file": decisions.source, "dry_run": result.effect is not None, "entry": entry.id}
        fields |= {"at": entry.at.isoformat(), "hash": entry.hash, **entry.totals, "skipped": decisions.skipped}
        fields |= {"rematched": result.rematched, "effect": result.effect.as_dict() if result.effect else None}
        _output.as_json(fields)
        return
    _output.table(headings("decision", "rows"), [(value("decision", kind), count) for kind, count in counts.items()])
    _output.line()
    if result.effect:
        _output.effect(result.effect)
    else:
        about = {"entry": result.entry.id, "rematched": result.rematched, "skipped": decisions.skipped}
        _output.line(message("decided by entry {entry}; receipts matched again: {rematched:,}", **about))
        _output.line(message("rows without a decision: {skipped:,}", **about))


worklist_commands = (worklist, decide)
