"""``kokin post-all``, ``overview`` and ``report-all``: the files, ledgers and reports of many authorities."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kokin.cli import _output
from kokin.cli._event_log import log_event
from kokin.cli._ledger_work import exit_code
from kokin.cli._main import Exit, with_controls, with_exit_code
from kokin.cli._messages import headings, language, message, value
from kokin.cli._options import (
    Actor,
    Format,
    LayoutNames,
    Lenient,
    LockTimeout,
    OutputFolder,
    OutputFormat,
    RatesFile,
    ReceiptFiles,
    ReferenceDate,
    day_or_today,
    layouts_for,
    option,
    rate_table,
)
from kokin.cli._report import exit_code_of_report, since_last_report
from kokin.issues import printable
from kokin.text import file_name

if TYPE_CHECKING:
    from kokin.authorities import AuthorityStatus, SharedFile

AuthoritiesFile = Annotated[Path, option("The authorities: a TOML file.", "--authorities", "-a", metavar="FILE")]
IntakeDay = Annotated[
    datetime | None,
    option("The day of the expected files; today by default.", "--for", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD"),
]


@with_exit_code
def post_all(
    files: ReceiptFiles,
    layout: LayoutNames,
    authorities: AuthoritiesFile,
    actor: Actor = "",
    lock_timeout: LockTimeout = None,
    lenient: Lenient = False,
    reference_date: ReferenceDate = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Post receipt files that several authorities share, each part into the ledger of its authority.

    The receipts are split by payee_code; a file whose name is in `files` of an authority is wholly its own. What no
    authority is named for goes to the ledger of `unassigned`. The parts are compared with the file, to the yen.

    A failure of one authority stops no other; after it, the same command can be run again. The exit code is the highest
    of all authorities.
    """
    from kokin.authorities import Authorities, post
    from kokin.receipts import layouts

    loaded = Authorities.load(authorities)
    names, day = layouts_for(files, layout), day_or_today(reference_date)
    code = Exit.CLEAN
    posted: list[SharedFile] = []
    by_name = {name: layouts.load(name) for name in dict.fromkeys(names)}
    try:
        for path, name in zip(files, names, strict=True):
            try:
                with _output.progress(file_name(path)):
                    file = post(
                        path,
                        by_name[name],
                        loaded,
                        actor=actor,
                        lenient=lenient,
                        reference_date=day,
                        lock_timeout=lock_timeout,
                    )
            except OSError as error:
                _output.failed(error)
                code = max(code, Exit.FAILED)
                continue
            posted.append(file)
            code = max(code, _code_of(file))
            for result in file.results:
                log_event("file_finished", **result.as_line(), exit_code=int(exit_code(result)))
    finally:
        _print_files(posted, output)
    return code


def _code_of(file: SharedFile) -> Exit:
    """Return the exit code of a file: the highest of its authorities, 1 for receipts of none."""
    code = max((exit_code(result) for result in file.results), default=Exit.CLEAN)
    if file.inconsistencies or file.control.holds is False:
        return Exit.UNBALANCED
    return max(code, Exit.EXCEPTIONS) if file.unassigned else code


def _print_files(files: list[SharedFile], output: Format) -> None:
    if output is Format.JSON:
        _output.as_json([file.as_dict() for file in files])
        return
    for at, file in enumerate(files):
        if at:
            _output.line()
        rows = [
            (
                file.file,
                result.authority,
                value("state", result.state),
                result.entry,
                result.totals.get("accepted"),
                result.totals.get("accepted_yen"),
                result.exceptions or None,
            )
            for result in file.results
        ]
        _output.table(headings("file", "authority", "", "entry", "receipts", "yen", "exceptions"), rows)
        for payee, (count, yen) in file.unassigned.items():
            about = {"payee": payee or "–", "count": count, "yen": yen}
            _output.line(message("no authority for payee code {payee}: {count:,} receipts, {yen:,} yen", **about))
        _output.line()
        _output.controls({file.control.name: file.control.as_dict()})
        for result in file.results:
            if result.error:
                reason = message(result.error)
                _output.note(message("{file}: {state}", file=result.authority, state=reason))
            _output.issues(result.issues)
        for authority, reason in file.inconsistencies.items():
            _output.note(message("{file}: {state}", file=authority, state=reason))


@with_exit_code
def overview(authorities: AuthoritiesFile, day: IntakeDay = None, output: OutputFormat = Format.TEXT) -> Exit:
    """Show the state of the ledger of each authority: files, receipts, exceptions, controls and expected files.

    It reads sums of each ledger, which takes little time; `report-all` writes the reports. A ledger that cannot be read
    stops no other. The exit code is the highest of all: 6 if an expected file is missing.
    """
    from kokin.authorities import Authorities
    from kokin.authorities import overview as read_overview

    rows = read_overview(Authorities.load(authorities), day=day_or_today(day))
    if output is Format.JSON:
        _output.as_json([row.as_dict() for row in rows])
    else:
        _print_overview(rows)
    return max((_code_of_row(row, row.exceptions) for row in rows), default=Exit.CLEAN)


def _code_of_row(row: AuthorityStatus, exceptions: int) -> Exit:
    if row.error:
        return Exit.FAILED
    code = Exit.EXCEPTIONS if exceptions else Exit.CLEAN
    if row.intake and not row.intake.is_clean:
        code = Exit.MISSING if row.intake.has_missing else Exit.EXCEPTIONS
    return with_controls(code, {name: control.as_dict() for name, control in row.controls.items()})


def _print_overview(rows: list[AuthorityStatus]) -> None:
    from kokin.model import Disposition

    cells = [
        (
            row.authority,
            row.name,
            row.receipts,
            *(row.dispositions.get(name) for name in (Disposition.APPLIED, Disposition.EXCESS, Disposition.SUSPENSE)),
            row.exceptions,
            ", ".join(row.broken),
            value("state", "unreadable") if row.error else row.intake.first_line(language()) if row.intake else "",
        )
        for row in rows
    ]
    names = ("applied", "excess", "suspense")
    shown = (value("disposition", name) for name in names)
    titles = (*headings("authority", "name", "receipts"), *shown, *headings("exceptions", "broken", "expected files"))
    _output.table(titles, cells)
    for row in rows:
        if row.error:
            _output.note(message("{file}: {state}", file=row.authority, state=printable(row.error)))


@with_exit_code
def report_all(authorities: AuthoritiesFile, out: OutputFolder, day: IntakeDay = None, rates: RatesFile = None) -> Exit:
    """Write the reports of each authority into a folder of its own, and a page of all: overview.html.

    The reports of an authority are in OUT/CODE, as `report` writes them with its catalog and its expected files. Those
    of an authority that fails are left as they were, and the page shows why. The exit code is the highest of all.
    """
    from kokin.authorities import Authorities
    from kokin.authorities import overview as read_overview
    from kokin.issues import InvalidInputError, KokinError
    from kokin.ledger import Ledger
    from kokin.reports import Report, write_overview

    loaded, as_of, table = Authorities.load(authorities), day and day_or_today(day), rate_table(rates)
    checked_day = as_of or day_or_today(None)
    rows = read_overview(loaded, day=checked_day)
    codes, pages = [Exit.CLEAN], dict[str, str]()
    for row in rows:
        # The exceptions of a report are those that are open; the overview counts those since the beginning.
        codes.append(_code_of_row(row, exceptions=0))
        if row.error:
            continue
        folder = out / row.authority
        try:
            with Ledger.open(loaded.ledger_of(row.authority)) as ledger, _output.progress(row.authority):
                report = Report.from_ledger(
                    ledger,
                    as_of=as_of,
                    catalog=loaded.catalog(row.authority),
                    rates=table,
                    intake=row.intake,
                    since=since_last_report(ledger, folder, as_of),
                )
                report.write(folder, formats=["csv", "html"], language=language())
        except InvalidInputError as error:
            _output.issues(error.issues)
            codes.append(Exit.REJECTED)
        except (KokinError, OSError) as error:
            _output.note(message("{file}: {state}", file=row.authority, state=printable(str(error))))
            codes.append(Exit.FAILED)
        else:
            pages[row.authority] = f"{row.authority}/report.html"
            codes.append(exit_code_of_report(report))
    write_overview(out / "overview.html", rows, checked_day, pages=pages, language=language())
    _print_overview(rows)
    _output.line()
    _output.line(message("written to {out}", out=out))
    return max(codes)


authorities_commands = (post_all, overview, report_all)
