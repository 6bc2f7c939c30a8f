"""``kokin ledger``: the commands that write into the ledger."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from kokin.cli import _output
from kokin.cli._event_log import log_event
from kokin.cli._main import Exit, with_controls, with_exit_code
from kokin.cli._messages import headings, message, value
from kokin.cli._options import (
    Actor,
    BillLayout,
    DepositsLayout,
    DryRun,
    EffectiveAt,
    Format,
    LayoutNames,
    LedgerAddress,
    Lenient,
    LockTimeout,
    OutputFormat,
    PolicyFile,
    Reason,
    ReceiptFiles,
    ReferenceDate,
    actor_or_login,
    argument,
    as_printable,
    day_or_today,
    existing_ledger,
    layouts_for,
    ledger_url,
    lock_options,
    open_ledger,
    option,
    shown_address,
    time_in_japan,
)
from kokin.issues import InvalidInputError, Issue, from_table, printable
from kokin.model import Outcome
from kokin.text import file_name

if TYPE_CHECKING:
    from kokin.bills import BillBatch
    from kokin.ledger import EntryResult, Ledger

#: Writes the file of a path; calls its second argument with the number of further rows done.
WriteFile: TypeAlias = "Callable[[Path, Callable[[int], None]], tuple[EntryResult, Iterable[Issue]]]"


@with_exit_code
def create(
    ledger: LedgerAddress = "",
    policy: PolicyFile = None,
    actor: Actor = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
) -> Exit:
    """Create a ledger; an existing one is not changed.

    The policy is stored in the ledger, which uses it from then on; `set-policy` changes it.
    """
    from kokin.ledger import Ledger, LedgerExistsError
    from kokin.reconcile import Policy

    ledger_policy = Policy.load(policy) if policy else None
    try:
        settings = {"actor": actor_or_login(actor), "at": time_in_japan(at), **lock_options(lock_timeout)}
        with Ledger.create(ledger_url(ledger), policy=ledger_policy, **settings) as opened:
            status = opened.status(recompute=False)
        _output.line(message("created ledger {place}", place=shown_address(ledger)))
    except LedgerExistsError:
        with open_ledger(ledger, policy=ledger_policy) as opened:
            status = opened.status(recompute=False)
        _output.line(message("the ledger exists already: {place}", place=shown_address(ledger)))
    _output.line(f"hash {status.hash}")
    return Exit.CLEAN


@with_exit_code
def add_bills(
    files: Annotated[list[Path], argument("Bills: CSV (UTF-8 or cp932) or Parquet.", metavar="FILE")],
    ledger: LedgerAddress = "",
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    bill_layout: BillLayout = None,
    reference_date: ReferenceDate = None,
    whole: Annotated[
        bool,
        option("The file is the whole register: list the open bills of its systems that it lacks.", "--whole"),
    ] = False,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Add bills, and new versions of bills that have changed.

    An unchanged bill is skipped, so the whole register can be sent every time. Each file is added whole or not at all;
    a rejected file does not stop the others.

    With `--whole`, each open bill of the ledger that is missing from the file is listed with its open yen
    (BILL_VANISHED), and the exit code is 1. It is not changed. A paid, cancelled or superseded bill may be missing, and
    so may bills of another payee_code or system than those in the file.
    """
    from kokin import bills

    if whole and len(files) > 1:
        raise typer.BadParameter(message("a whole register is one file"), param_hint="--whole")
    entry = {"actor": actor_or_login(actor), "reason": reason}
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened:

        def write(path: Path, advance: Callable[[int], None]) -> tuple[EntryResult, Iterable[Issue]]:
            warnings: list[Issue] = []
            batches = bills.batches(path, layout=bill_layout, reference_date=day_or_today(reference_date))
            chunks = _with_warnings(batches, out=warnings)
            source, when = file_name(path), time_in_japan(at)
            result = opened.add_bills(chunks, **entry, source=source, at=when, progress=advance, whole=whole)
            return result, [*warnings, *result.issues]

        return _write_each(opened, files, write, output)


@with_exit_code
def post(
    files: ReceiptFiles,
    layout: LayoutNames,
    ledger: LedgerAddress = "",
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    lenient: Lenient = False,
    reference_date: ReferenceDate = None,
    dry_run: DryRun = False,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Post receipt files, each of them whole or not at all.

    A file that is already posted is skipped, whatever its name. A file with payments that another file has too is
    posted; each payment counts once, and FILE_OVERLAPS names these files. A rejected or unreadable file does not stop
    the others; the exit code is then 3 or 4. A rejected file is recorded; `list issues` shows it until it is posted.
    After any failure, the same command can be run again.
    """
    from kokin import receipts
    from kokin.receipts import layouts

    entry, day = {"actor": actor_or_login(actor), "reason": reason}, day_or_today(reference_date)
    names = layouts_for(files, layout)
    loaded = {name: layouts.load(name) for name in dict.fromkeys(names)}
    layout_of = {path: loaded[name] for path, name in zip(files, names, strict=True)}
    with (
        open_ledger(ledger, lock_timeout=lock_timeout) as opened,
        opened.dry_run() if dry_run else contextlib.nullcontext(),
    ):

        def write(path: Path, advance: Callable[[int], None]) -> tuple[EntryResult, Iterable[Issue]]:
            file = receipts.open(path, layout_of[path], lenient=lenient, reference_date=day)
            result = opened.post(file, **entry, at=time_in_japan(at), progress=advance, dry_run=dry_run)
            return result, [*file.issues, *result.issues] if result.inserted else ()

        return _write_each(opened, files, write, output)


@with_exit_code
def add_deposits(
    files: Annotated[list[Path], argument("Files of deposits from a bank.", metavar="FILE")],
    ledger: LedgerAddress = "",
    layout: DepositsLayout = "zengin-01",
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    lenient: Lenient = False,
    reference_date: ReferenceDate = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Add the deposits on the bank account; `kokin report` compares them with the receipts (T3).

    A file that is already added, with the same name and content, is skipped. A rejected file is recorded; `list issues`
    shows it until it is accepted in the work list, or its entry is reversed.
    """
    from kokin import receipts
    from kokin.reconcile import bank_deposits

    entry, day = {"actor": actor_or_login(actor), "reason": reason}, day_or_today(reference_date)
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened:

        def write(path: Path, advance: Callable[[int], None]) -> tuple[EntryResult, Iterable[Issue]]:
            file = receipts.open(path, layout, lenient=lenient, reference_date=day)
            about: dict[str, Any] = {**entry, "source": file_name(path), "at": time_in_japan(at)}
            try:
                deposits = bank_deposits(file.table())
            except InvalidInputError as error:
                opened.add_rejected_file(file, error.issues, **about)
                raise
            result = opened.add_deposits(deposits, **about, file=file)
            return result, file.issues if result.inserted else ()

        return _write_each(opened, files, write, output)


@with_exit_code
def add_agent_reports(
    files: Annotated[list[Path], argument("Reports of collection agents: CSV.", metavar="FILE")],
    ledger: LedgerAddress = "",
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Add what collection agents report (収納報告); `kokin report` compares it with the receipts (T2).

    The columns are first_day, last_day, count and amount; optional are agent_code and settled_on. A file that is
    already added, with the same name and content, is skipped. A rejected file is recorded.
    """
    from kokin._arrow.files import read_records
    from kokin.reconcile import AgentReport

    entry = {"actor": actor_or_login(actor), "reason": reason}
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened:

        def write(path: Path, advance: Callable[[int], None]) -> tuple[EntryResult, Iterable[Issue]]:
            about: dict[str, Any] = {**entry, "source": file_name(path), "at": time_in_japan(at)}
            try:
                reports, issues = read_records(path, AgentReport)
            except InvalidInputError as error:
                opened.add_rejected_file(path, error.issues, **about)
                raise
            return opened.add_agent_reports(reports, **about), issues

        return _write_each(opened, files, write, output)


@with_exit_code
def reverse(
    reason: Annotated[str, option("Reason, recorded in the ledger.", callback=as_printable)],
    ledger: LedgerAddress = "",
    entry: Annotated[
        int | None,
        option("Entry of a file, a load of bills, an upload, an answer or a reversal; see `list entries`."),
    ] = None,
    posting: Annotated[int | None, option("One posting, instead of an entry; see `show`.")] = None,
    actor: Actor = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
) -> Exit:
    """Reverse a file, a load of bills, an upload or its answer, a posting, or a reversal, which restores its target.

    No row is deleted; affected receipts are matched again. The bills of a load get their earlier fields, or are
    withdrawn if they had none. The slips of an upload that was not transferred count as never sent. To return to an
    earlier policy, set it again with `set-policy`.
    """
    if (entry is None) == (posting is None):
        raise typer.BadParameter(message("pass either --entry or --posting"), param_hint="--entry")
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened:
        who, when = actor_or_login(actor), time_in_japan(at)
        if entry is not None:
            result = opened.reverse_entry(entry, reason=reason, actor=who, at=when)
        else:
            assert posting is not None  # one of the two is not None
            result = opened.reverse_posting(posting, reason=reason, actor=who, at=when)
    counts = {"entry": result.entry.id, "rematched": result.rematched}
    _output.line(message("reversed by entry {entry}; receipts matched again: {rematched:,}", **counts))
    return Exit.CLEAN


@with_exit_code
def set_policy(
    file: Annotated[Path, argument("The policy of the authority: a TOML file.", metavar="FILE")],
    ledger: LedgerAddress = "",
    actor: Actor = "",
    reason: Reason = "",
    at: EffectiveAt = None,
    lock_timeout: LockTimeout = None,
) -> Exit:
    """Set the policy of the ledger, from this entry on; the reports of earlier days keep the earlier policy.

    The file has the whole policy: a setting that it lacks gets its default. `pair_by` decides on outcomes, so it can be
    changed only before the first file is posted.
    """
    from kokin.reconcile import Policy

    policy = Policy.load(file)
    with open_ledger(ledger, lock_timeout=lock_timeout) as opened:
        result = opened.set_policy(policy, actor=actor_or_login(actor), reason=reason, at=time_in_japan(at))
    entry = result.entry.id
    if result.inserted:
        _output.line(message("policy set by entry {entry}", entry=entry))
    else:
        _output.line(message("this policy is in force already, by entry {entry}", entry=entry))
    return Exit.CLEAN


@with_exit_code
def upgrade(ledger: LedgerAddress = "", lock_timeout: LockTimeout = None) -> Exit:
    """Upgrade the database schema of a ledger to that of this version of Kokin; make a backup first.

    No row and no hash is changed. The user must own the tables.
    """
    from kokin.ledger import Ledger

    applied = Ledger.upgrade(existing_ledger(ledger), **lock_options(lock_timeout))
    if applied:
        _output.line(message("upgraded to schema version {version}", version=applied[-1]))
    else:
        _output.line(message("the schema is up to date; nothing was changed"))
    return Exit.CLEAN


@with_exit_code
def copy(
    old: Annotated[str, argument("The ledger to copy: a URL, or the path of an SQLite file.", metavar="OLD")],
    new: Annotated[str, argument("The database of the copy, which must not have a ledger.", metavar="NEW")],
    actor: Actor = "",
    lock_timeout: LockTimeout = None,
) -> Exit:
    """Copy a ledger into another database, also from SQLite to PostgreSQL or back.

    Ids, actors, times and hashes are copied, so a hash that was noted before is valid for both. The old ledger is
    verified first and not changed. An entry of kind opening follows, with the hash of the last entry that was copied.
    """
    from kokin.ledger import Ledger

    addresses = existing_ledger(old), ledger_url(new)
    with _output.progress(message("copy")):
        entry = Ledger.copy(*addresses, actor=actor_or_login(actor), **lock_options(lock_timeout))
    counts = {"count": entry.totals["copied_entries"], "place": shown_address(new)}
    _output.line(message("copied {count:,} entries to {place}", **counts))
    _output.line(f"hash {entry.hash}")
    return Exit.CLEAN


write_commands = (create, add_bills, post, add_deposits, add_agent_reports, reverse, set_policy, upgrade, copy)


def _with_warnings(chunks: Iterable[BillBatch], *, out: list[Issue]) -> Iterator[BillBatch]:
    """Yield the chunks of a file of bills, and append their issues to ``out``, each once."""
    for chunk in chunks:
        out += [issue for issue in from_table(chunk.issues) if issue not in out]
        yield chunk


class FileState(StrEnum):
    """What happened to a file."""

    POSTED = "posted"
    #: It is in the ledger already; nothing was written.
    ALREADY_POSTED = "already posted"
    REJECTED = "rejected"
    UNREADABLE = "unreadable"


@dataclass
class FileResult:
    """The result of writing one file."""

    file: str
    state: FileState
    result: EntryResult | None = None
    issues: list[Issue] = field(default_factory=list)
    error: str = ""
    """Why it could not be read."""

    @property
    def exceptions(self) -> int:
        """The number of its receipts that are exceptions."""
        outcomes = self.result.outcomes if self.result else {}
        return sum(row["count"] for name, row in outcomes.items() if Outcome(name).is_exception)

    @property
    def code(self) -> Exit:
        """The exit code that the file alone would have."""
        if self.state is FileState.REJECTED:
            return Exit.REJECTED
        if self.state is FileState.UNREADABLE:
            return Exit.FAILED
        return Exit.EXCEPTIONS if self.exceptions or self.issues else Exit.CLEAN

    def log_fields(self) -> dict[str, Any]:
        """The fields of its event ``file_finished``."""
        entry = self.result.entry.id if self.result else None
        issues = dict(Counter(issue.code for issue in self.issues))
        return {
            "file": self.file,
            "state": self.state.value,
            "entry": entry,
            "exit_code": int(self.code),
            "issues": issues,
        }

    def as_dict(self) -> dict[str, Any]:
        """The fields for JSON."""
        fields: dict[str, Any] = {"file": self.file, "state": self.state.value}
        if self.result:
            entry = self.result.entry
            fields |= {"entry": entry.id, "at": entry.at.isoformat(), "hash": entry.hash, "totals": dict(entry.totals)}
            fields |= {"outcomes": dict(self.result.outcomes), "rematched": self.result.rematched}
            fields["overlaps"] = [asdict(overlap) for overlap in self.result.overlaps]
            if self.result.vanished is not None:
                fields["vanished"] = self.result.vanished.to_pylist()
            if self.result.effect:
                fields |= {"dry_run": True, "effect": self.result.effect.as_dict()}
        return fields | {"error": self.error, "issues": [_output.issue_dict(issue) for issue in self.issues]}


def _write_each(ledger: Ledger, paths: Sequence[Path], write: WriteFile, output: Format) -> Exit:
    """Write files one by one; a rejected or unreadable file does not stop the others.

    The results are printed even if the ledger fails in between. Returns the highest exit code of the files and of the
    ledger's controls after them.
    """
    results: list[FileResult] = []
    try:
        for path in paths:
            with _output.progress(file_name(path)) as advance:
                results.append(_write_file(path, write, advance))
            log_event("file_finished", **results[-1].log_fields())
    finally:
        if results:
            _print_results(results, output)
    return with_controls(max(result.code for result in results), ledger.status(recompute=False).as_dict()["controls"])


def _write_file(path: Path, write: WriteFile, advance: Callable[[int], None]) -> FileResult:
    name = file_name(path) or printable(str(path))
    try:
        result, issues = write(path, advance)
    except InvalidInputError as error:
        return FileResult(name, FileState.REJECTED, issues=error.issues)
    except OSError as error:
        return FileResult(name, FileState.UNREADABLE, error=error.strerror or str(error))
    state = FileState.POSTED if result.inserted else FileState.ALREADY_POSTED
    return FileResult(name, state, result, list(issues))


def _print_results(results: Sequence[FileResult], output: Format) -> None:
    if output is Format.JSON:
        _output.as_json([result.as_dict() for result in results])
    else:
        _print_table(results)
    for result in results:
        if result.code in (Exit.REJECTED, Exit.FAILED):
            reason = f" ({message(result.error)})" if result.error else ""
            _output.note(message("{file}: {state}", file=result.file, state=value("state", result.state)) + reason)
        _output.issues(result.issues)


def _print_table(results: Sequence[FileResult]) -> None:
    rows = []
    outcomes: dict[str, dict[str, int]] = {}
    for file in results:
        totals = file.result.entry.totals if file.result else {}
        read, yen = totals.get("given", totals.get("read")), totals.get("yen", totals.get("accepted_yen"))
        entry, rematched = (file.result.entry.id, file.result.rematched) if file.result else (None, None)
        rows.append(
            (file.file, value("state", file.state), entry, read, yen, file.exceptions or None, rematched or None)
        )
        for name, row in (file.result.outcomes if file.result else {}).items():
            total = outcomes.get(name, {"count": 0, "amount": 0})
            outcomes[name] = {key: total[key] + row[key] for key in total}
    _output.table(headings("file", "", "entry", "read", "yen", "exceptions", "matched again"), rows)
    if outcomes:
        _output.line()
        _output.outcomes(outcomes)
    effects = [file.result.effect for file in results if file.result and file.result.effect]
    if effects:
        _output.line()
        _output.effect(replace(effects[-1], before=effects[0].before))
