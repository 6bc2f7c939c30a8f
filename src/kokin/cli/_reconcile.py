"""``kokin reconcile``: bills and receipt files in, a folder of results out; and ``kokin demo``, the same of a city."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from kokin.cli import _output
from kokin.cli._main import Exit, with_controls, with_exit_code
from kokin.cli._messages import headings, language, message
from kokin.cli._options import (
    Actor,
    AgentReportsFile,
    BillLayout,
    BillsFile,
    CatalogFile,
    DepositsFile,
    DepositsLayout,
    LayoutNames,
    Lenient,
    LockTimeout,
    OutputFolder,
    PolicyFile,
    RatesFile,
    ReceiptFiles,
    ReferenceDate,
    WriteOffsFile,
    actor_or_login,
    charges_of,
    day_or_today,
    layouts_for,
    open_ledger,
    option,
    rate_table,
    read_table,
    shown_address,
)
from kokin.text import JAPAN, file_name

if TYPE_CHECKING:
    import pyarrow as pa

    from kokin.catalog import Catalog
    from kokin.issues import Issue
    from kokin.ledger import Ledger
    from kokin.receipts import ReceiptFile, Totals
    from kokin.reconcile import Accounts, Reconciliation
    from kokin.reports import FileSummary

# issues.csv names every rejected record; a file with more of them than this has another layout.
_MAX_ISSUES = 1_000_000
# Slips that the demo draws; it prints the command for all of them.
_DRAWN_SLIPS = 12
# The time in Japan at which the files of the demo's last day have come; its report is of an hour later.
_MORNING = time(8, 30)


@with_exit_code
def reconcile(
    files: ReceiptFiles,
    bills: BillsFile,
    layout: LayoutNames,
    out: OutputFolder,
    policy: PolicyFile = None,
    catalog: CatalogFile = None,
    rates: RatesFile = None,
    deposits: DepositsFile = None,
    deposits_layout: DepositsLayout = "zengin-01",
    agent_reports: AgentReportsFile = None,
    write_offs: WriteOffsFile = None,
    ledger: Annotated[
        str, option("Also post the bills and receipts to this ledger.", "--ledger", "-L", metavar="URL")
    ] = "",
    actor: Actor = "",
    lock_timeout: LockTimeout = None,
    lenient: Lenient = False,
    reference_date: ReferenceDate = None,
    bill_layout: BillLayout = None,
) -> Exit:
    """Reconcile receipts with bills; every yen gets exactly one outcome.

    If a total differs, a byte is unknown or the end is missing, the file is rejected; nothing is written or posted.
    With --ledger the rejection is recorded.

    With --ledger, all files are read and matched first; then the bills and each file are posted one by one, and the
    folder is written last. If the ledger fails in between, run the command again: what is already posted is skipped.
    The folder contains this run only; `kokin report` writes the reports of the whole ledger. The policy is that of the
    ledger; with --policy the run is rejected (POLICY_DIFFERS) unless the file has the same one.
    """
    from kokin import reconcile as accounting
    from kokin.issues import InvalidInputError

    day = day_or_today(reference_date)
    run_policy = accounting.Policy.load(policy) if policy else None
    if ledger:
        with open_ledger(ledger, policy=run_policy) as opened:
            run_policy = opened.policy
    bill_table = _read_bills(bills, bill_layout, reference_date=day)
    run = _read_files(files, layout, lenient=lenient, reference_date=day, near=out)
    if run.rejected:
        if ledger:
            with open_ledger(ledger, policy=run_policy, lock_timeout=lock_timeout) as opened:
                for file, issues in run.rejected:
                    opened.add_rejected_file(file, issues, actor=actor_or_login(actor))
        raise InvalidInputError([issue for _, issues in run.rejected for issue in issues], "nothing was written")
    result = accounting.reconcile(bill_table, run.tables, run_policy)
    # The result has the columns of the bills that accounts need; the others would only take memory.
    bills_to_post = bill_table if ledger else None
    del bill_table
    charges = charges_of(catalog)
    accounts = accounting.build_accounts(
        result,
        catalog=charges,
        deposits=_read_deposits(deposits, deposits_layout, lenient=lenient, reference_date=day),
        agent_reports=read_table(agent_reports, accounting.AgentReport),
        write_offs=read_table(write_offs, accounting.WriteOff),
        rates=rate_table(rates),
        files=run.totals,
    )
    ledger_controls: dict[str, Any] = {}
    if bills_to_post is not None:
        with open_ledger(ledger, policy=run_policy, lock_timeout=lock_timeout) as opened:
            _post(opened, bills, bills_to_post, run.files, actor_or_login(actor))
            ledger_controls = opened.status().as_dict()["controls"]
    summary = _write_run(result, accounts, run, out, charges)
    _output.issues([*run.issues, *(issue for _, issue in _output.overlap_issues(result))])
    _print_summary(summary)
    _output.line()
    if ledger:
        _output.line(message("posted to {place}", place=shown_address(ledger)))
    _output.line(message("written to {out}", out=out))
    code = Exit.EXCEPTIONS if len(accounts.exceptions) or run.issues else Exit.CLEAN
    return max(with_controls(code, summary["controls"]), with_controls(code, ledger_controls))


@with_exit_code
def demo(
    bills: Annotated[int, option("Number of bills.", min=1, max=10_000_000, show_default=True)] = 10_000,
    seed: Annotated[int, option("The same seed gives the same city.", show_default=True)] = 1,
    out: Annotated[Path, option("The folder to write into.", show_default=True)] = Path("kokin-demo"),
    last_day: Annotated[
        datetime | None,
        option("Last day of the receipts; today by default.", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD"),
    ] = None,
) -> Exit:
    """Invent a city, draw slips, and reconcile its receipt files in a ledger.

    The city has duplicate and partial payments, unknown numbers, 速報 and 取消, a reversal, refunds, bank deposits,
    reports of agents, a missing file, and one invalid record, so there are exceptions to look at. The exit code is 0 if
    the control equations hold.
    """
    from kokin import bills as bill_files
    from kokin import slips
    from kokin.demo import post_city, write_city
    from kokin.intake import load as load_intake
    from kokin.ledger import Ledger
    from kokin.reports import RUN_TABLES, Report

    now = datetime.now(JAPAN)
    day = last_day.date() if last_day else now.date()
    morning = datetime.combine(day, _MORNING, JAPAN)
    with _output.progress(message("the city")):
        city = write_city(out, bills, seed, day)
    few_bills = out / "few-bills.csv"
    bill_files.write(bill_files.read(city.bills).table.slice(0, _DRAWN_SLIPS), few_bills)
    shutil.rmtree(out / "slips", ignore_errors=True)
    drawn = slips.make(few_bills, out / "slips", "png").written
    counts = {"count": bills, "drawn": drawn, "folder": out / "slips"}
    _output.line(message("{bills}: {count:,} slips, {drawn} of them drawn in {folder}", bills=city.bills, **counts))
    ledger, folder = out / "city.db", out / "result"
    for path in (ledger, out / "refunds.txt"):
        path.unlink(missing_ok=True)
    with _output.progress(message("ledger")):
        post_city(city, ledger, min(morning, now) if day == now.date() else morning)
    with Ledger.open(ledger) as opened:
        status = load_intake(city.intake).check(opened, day=day, now=morning + timedelta(hours=1))
        report = Report.from_ledger(opened, as_of=day, intake=status, since=day)
    report.write(folder, tables=RUN_TABLES, formats=["csv", "html"], language=language(), encoding="utf-8")
    _output.line(status.first_line(language()))
    _output.line()
    _print_summary(report.summary)
    t4 = report.summary["controls"]["T4"]
    _output.line()
    equation = f"{t4['left']:,} {'=' if t4['holds'] is True else '≠'} {t4['right']:,}"
    text = message("T4: received = sum of all dispositions, every yen in exactly one: {equation}", equation=equation)
    _output.line(text)
    _output.line(message("Open {page}, and try:", page=folder / "report.html"))
    _output.line(f"  kokin check {out / 'debit.txt'} --layout zengin-91")
    _output.line(f"  kokin ledger worklist --out {out / 'work'} --ledger {ledger}")
    return with_controls(Exit.CLEAN, report.summary["controls"])


@dataclass
class _ReadFiles:
    """The receipt files of a run, in their order; a file with the same bytes as an earlier one is left out."""

    files: list[ReceiptFile] = field(default_factory=list)
    tables: list[pa.Table] = field(default_factory=list)
    summaries: list[FileSummary] = field(default_factory=list)
    totals: dict[str, Totals] = field(default_factory=dict)
    """The totals of each file, by its SHA-256."""
    rejected: list[tuple[ReceiptFile, list[Issue]]] = field(default_factory=list)
    """The files that were rejected as a whole, which no other field has."""
    issues: list[Issue] = field(default_factory=list)


def _read_files(
    paths: Sequence[Path], layouts: Sequence[str], *, lenient: bool, reference_date: date, near: Path
) -> _ReadFiles:
    """Read every file to its end; report one with the same bytes as an earlier file (FILE_AGAIN) and leave it out.

    The receipts are in temporary files without a name, in the folder ``near`` or the first of its parents that exists.

    Raises:
        OSError: a file cannot be read.
    """
    from kokin import receipts
    from kokin.issues import Issue, Location

    run = _ReadFiles()
    sources: dict[str, str] = {}
    folder = next(folder for folder in (near, *near.absolute().parents) if folder.is_dir())
    for path, layout in zip(paths, layouts_for(paths, layouts), strict=True):
        file = receipts.open(path, layout, lenient=lenient, reference_date=reference_date, max_issues=_MAX_ISSUES)
        try:
            # The rejected records are in the issues. No result shows the layout or the bytes of a receipt.
            table = file.table(on_error="skip", temporary_folder=folder).drop_columns(["layout", "byte_offset"])
        except receipts.FileRejectedError as error:
            run.rejected.append((file, error.issues))
            continue
        if file.digest in sources:
            location = Location(file.source)
            run.issues.append(Issue("FILE_AGAIN", field="", found=sources[file.digest], location=location))
            continue
        sources[file.digest] = file.source
        run.files.append(file)
        run.tables.append(table)
        run.summaries.append(_summary_of(file))
        run.totals[file.digest] = file.totals
        run.issues += file.issues
    return run


def _summary_of(file: ReceiptFile) -> FileSummary:
    """Return the counts of a file that has been read to its end."""
    from kokin.reports import FileSummary

    totals = file.totals
    counts = (totals.read, totals.accepted, totals.unpaid, totals.rejected, totals.accepted_yen)
    return FileSummary(file.source, file.layout.name, file.digest, *counts)


def _read_bills(path: Path, layout: str | None, *, reference_date: date) -> pa.Table:
    from kokin import bills
    from kokin.issues import InvalidInputError

    result = bills.read(path, layout=layout, reference_date=reference_date, on_error="skip")
    if rejected := result.totals.rejected:
        text = message("{count:,} bills of {file} are invalid; nothing was written", count=rejected, file=path)
        raise InvalidInputError(result.issues, text)
    _output.issues(result.issues)
    return result.table


def _read_deposits(path: Path | None, layout: str, *, lenient: bool, reference_date: date) -> pa.Table | None:
    from kokin import receipts
    from kokin.reconcile import bank_deposits

    if path is None:
        return None
    return bank_deposits(receipts.read(path, layout, lenient=lenient, reference_date=reference_date).table)


def _post(ledger: Ledger, bills: Path, bill_table: pa.Table, files: Sequence[ReceiptFile], actor: str) -> None:
    with _output.progress(message("ledger"), len(files) + 1) as advance:
        ledger.add_bills(bill_table, actor=actor, source=file_name(bills))
        advance(1)
        for file in files:
            ledger.post(file, actor=actor)
            advance(1)


def _write_run(
    result: Reconciliation, accounts: Accounts, run: _ReadFiles, out: Path, catalog: Catalog | None = None
) -> Mapping[str, Any]:
    """Write the tables of a run for programs, its summary and its page; return the summary."""
    from kokin.catalog import CATALOG
    from kokin.issues import to_table
    from kokin.reports import RUN_TABLES, Report

    issues = to_table(run.issues)
    report = Report.from_run(result, accounts, files=run.summaries, issues=issues, catalog=catalog or CATALOG)
    report.write(out, tables=RUN_TABLES, formats=["csv", "html"], language=language(), encoding="utf-8")
    return report.summary


def _print_summary(summary: Mapping[str, Any]) -> None:
    """Print the counts of the files, the outcomes, the dispositions and the controls of a run."""
    files = summary["files"]
    names = ("read", "accepted", "unpaid", "rejected", "amount")
    rows = [(file["source"], file["layout"], *(file[name] for name in names)) for file in files]
    if len(files) > 1:
        rows.append((message("total"), "", *(sum(file[name] for file in files) for name in names)))
    _output.table(headings("file", "layout", "read", "= accepted", "+ unpaid", "+ rejected", "yen"), rows)
    _output.line()
    _output.outcomes(summary["outcomes"])
    _output.line()
    _output.dispositions(summary["dispositions"])
    if len(list(filter(None, summary["payees"]))) > 1:  # the empty text is no payee
        _output.line()
        _output.payees(summary["payees"])
    if summary["findings"]:
        _output.line()
        _output.findings(summary["findings"])
    _output.line()
    _output.controls(summary["controls"])
