"""A fiscal year of several authorities: their files, closings, account files, refunds and hand-over, and all ties.

    python benchmarks/year.py [--receipts N] [--authorities N] [--seed N] [--folder PATH] [--one-process]

The year is from 1 April 2026 to 出納閉鎖 on 31 May 2027; a file of May 2027 arrives in June, before the year is closed.
The authorities share the files of eLTAX, which ``kokin.authorities.post`` divides; each has a file of stores of its
own. Every month has bills, two shared files, a file of stores for each authority, deposits and reports of the agents,
and is closed on the third of the next month. ``year_files.py`` invents the files. In the year there are:

- terms (期別) and slips for the whole year (全期), water bills each month, and debts of earlier years;
- 速報 and 確報, records that are corrected or reversed, payments in part, in excess, in duplicate, with a wrong number,
  and to an unknown authority; persons assign payments with a wrong number to their bills;
- files that arrive months late (過日分), a file without content that is rejected, and files that are delivered twice,
  whole and in part;
- a file that is reversed and restored before its month is closed, and one that is reversed a month later and restored
  after another month;
- bills that are reduced after they were paid; refunds that are decided, ordered, paid and returned; set-offs (充当),
  and write-offs (不納欠損) of debts whose limitation has ended.

After each closing the report is printed, its controls T1 to T8 must hold, the account file is written (A1, A2), and a
consumer gets the changes of its bills; another consumer gets them each quarter. The closing of a fiscal year has a
settlement statement (決算表, S1 and S2). At the end all reports are printed again and must be equal to the byte, the
changes of both consumers must add up to the balances, and the balances must be those that ``year_files.py`` has
computed from the payments that it has invented.

A new process begins with every step, for all authorities, unless there is ``--one-process``. The table has the seconds
and CPU time without imports, and the highest peak memory of the runs of a step. The same seed gives the same files.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from year_files import (
    AFTER,
    AUGUST,
    DECEMBER,
    FEBRUARY,
    FISCAL_YEAR,
    JANUARY,
    LATE_FILES,
    MARCH,
    MONTHS,
    NOBODY_YEN,
    NOVEMBER,
    OCTOBER,
    SEPTEMBER,
    Plan,
    el_name,
    first_day,
    last_day,
    settled_on,
    store_name,
    write_year,
)

from kokin import authorities as shared
from kokin.catalog import AccountCodes
from kokin.ledger import CHANGE_COLUMNS, EntryKind, Ledger
from kokin.reports import AccountFile, Report
from kokin.rules import RateTable, load_rates
from kokin.text import JAPAN

T = TypeVar("T")

#: The controls that must hold in every report.
CONTROLS = ("T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8")

_REFUND_MONTHS = (3, 6, 9, 12)
_QUARTERS = (2, 5, 8, 11)


# --- the steps --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Desk:
    """An authority at a time: what every step needs to know."""

    folder: Path
    code: str
    now: datetime

    def url(self) -> str:
        """Return the ledger of the authority."""
        return self.settings().ledger_of(self.code)

    def settings(self) -> shared.Authorities:
        """Return the authorities."""
        return shared.Authorities.load(self.folder / "authorities.toml")

    def ledger(self) -> Ledger:
        """Open the ledger; its clock is at the time of the step."""
        return Ledger.open(self.url(), clock=lambda: self.now)

    def rates(self) -> RateTable:
        """Return the rates of interest, with that of the next year."""
        return load_rates(self.folder / "rates.toml")


class YearError(AssertionError):
    """A check of the year has failed."""


def require(condition: object, *about: object) -> None:
    """Raise YearError unless a condition is true, also with ``python -O``."""
    if not condition:
        raise YearError(" ".join(map(str, about)))


def create(desk: Desk) -> None:
    """Create the ledger."""
    Ledger.create(desk.url(), actor="chief", clock=lambda: desk.now).close()


def add_bills(desk: Desk, month: int) -> None:
    """Add the bills of a month, if there are any."""
    path = desk.folder / "bills" / f"{desk.code}-{month}.parquet"
    if path.exists():
        with desk.ledger() as ledger:
            ledger.add_bills(pq.read_table(path), source=path.name, actor="tax system")


def post(desk: Desk, name: str, states: Sequence[str] = ("posted",)) -> tuple[int, int]:
    """Post a file of all authorities or of one; return its receipts and yen. Its parts must add up to it."""
    layout = "dsk-csv" if name.startswith("stores-") else "kokin-csv"
    path = desk.folder / "files" / name
    posted = shared.post(path, layout, desk.settings(), clock=lambda: desk.now)
    found = {result.state.value for result in posted.results}
    require(found == set(states), name, found, *(result.error or result.issues for result in posted.results))
    require(not posted.inconsistencies, name, posted.inconsistencies)
    if "rejected" in states:
        return 0, 0
    require(posted.control.holds is True, name, posted.control)
    nobody = sum(yen for _, yen in posted.unassigned.values())
    require(nobody == (2 * NOBODY_YEN if name.endswith("-1.csv") else 0), name, posted.unassigned)
    assert posted.totals is not None
    return posted.totals.accepted, posted.totals.accepted_yen


def post_with_events(desk: Desk, name: str, month: int) -> int:
    """Post a file as it comes: in some months it is rejected first, or delivered again; return its receipts."""
    file = desk.folder / "files" / name
    if (month, name) == (SEPTEMBER, el_name(SEPTEMBER, "1")):
        whole = file.read_bytes()
        file.write_bytes(b"")
        post(desk, name, ("rejected",))
        file.write_bytes(whole)
    receipts, _ = post(desk, name)
    if (month, name) == (OCTOBER, el_name(OCTOBER, "1")):
        post(desk, name, ("already posted",))
        post(desk, el_name(month, "copy"))
    return receipts


def add_bank(desk: Desk, day: date, count: int, amount: int, cancelled: int) -> None:
    """Add the deposit of a day, and the report of the agents about what they have collected."""
    about: dict[str, Any] = {"actor": "clerk", "source": f"bank-{day}.csv"}
    report = {
        "first_day": date(2026, 1, 1),
        "last_day": day,
        "count": count,
        "amount": amount,
        "settled_on": day,
    }
    with desk.ledger() as ledger:
        ledger.add_deposits(pa.Table.from_pylist([{"credited_on": day, "amount": amount - cancelled}]), **about)
        ledger.add_agent_reports(pa.Table.from_pylist([report]), **about)


def reverse(desk: Desk, month: int) -> None:
    """Reverse the first shared file of a month, with its deposit and report if the bank has made them."""
    sources = (el_name(month, "1"), f"bank-{settled_on(month, '1')}.csv")
    kinds = (EntryKind.RECEIPT_FILE, EntryKind.BANK_DEPOSITS, EntryKind.AGENT_REPORTS)
    with desk.ledger() as ledger:
        found = [entry.id for entry in ledger.entries() if entry.source in sources and entry.kind in kinds]
        for entry in found:
            ledger.reverse_entry(entry, reason="file of another day", actor="chief")


def restore(desk: Desk, entries: int) -> None:
    """Reverse the last reversals, so that what they have reversed is active again."""
    with desk.ledger() as ledger:
        found = [entry.id for entry in ledger.entries() if entry.kind is EntryKind.REVERSAL][-entries:]
        for entry in found:
            ledger.reverse_entry(entry, reason="it was the right file", actor="chief")


def decide(desk: Desk, wrong_numbers: Sequence[tuple[str, int, str]]) -> int:
    """Assign payments with a wrong number to their bills; return how many."""
    if not wrong_numbers:
        return 0
    bill_of = {(source, record): bill for source, record, bill in wrong_numbers}
    with desk.ledger() as ledger:
        work = ledger.work_list().select(["exception_id", "source", "record_no"]).to_pylist()
        rows = [
            {
                "exception_id": row["exception_id"],
                "decision": "assign",
                "bill_id": bill_of[row["source"], row["record_no"]],
                "reason": "digits of the number were exchanged",
            }
            for row in work
            if (row["source"], row["record_no"]) in bill_of
        ]
        require(len(rows) == len(wrong_numbers), "exceptions", len(rows), "expected", len(wrong_numbers))
        ledger.decide(pa.Table.from_pylist(rows), actor="clerk")
    return len(rows)


def refund(desk: Desk) -> tuple[int, list[tuple[str, int]]]:
    """Decide all refunds and the set-offs (充当) that law requires; each tenth transfer comes back (組戻).

    Returns:
        The number of transfers, and the bill and yen of each set-off.
    """
    day = desk.now.date()
    with desk.ledger() as ledger:
        table = ledger.refund_proposals(decided_on=day, rates=desk.rates())
        rows = table.filter(pc.equal(table.column("state"), "open")).to_pylist()
        returned = table.filter(pc.equal(table.column("state"), "returned")).column("proposal_id").to_pylist()
        # A payer who does not agree to a set-off gets the yen back.
        is_setoff = [row["kind"] == "setoff" and not row["needs_consent"] for row in rows]
        decisions = [
            {
                "proposal_id": row["proposal_id"],
                "kind": "setoff" if setoff else "refund",
                "debt_bill_id": row["debt_bill_id"] if setoff else None,
            }
            for row, setoff in zip(rows, is_setoff, strict=True)
        ]
        if decisions:
            about: dict[str, Any] = {"decided_on": day, "rates": desk.rates(), "source": f"decided-{day}.csv"}
            ledger.decide_refunds(pa.Table.from_pylist(decisions), actor="clerk", **about)
        new = [row["proposal_id"] for row, setoff in zip(rows, is_setoff, strict=True) if not setoff]
        setoffs = [(row["debt_bill_id"], row["amount"]) for row, setoff in zip(rows, is_setoff, strict=True) if setoff]
        transfers = [*new, *returned]
        if not transfers:
            return 0, setoffs
        account = {"bank_code": "9999", "branch_code": "001", "account_number": "1234567", "name": "ｺｳｷﾝ ﾊﾅｺ"}
        ordered = pa.Table.from_pylist([{"proposal_id": name, **account} for name in transfers])
        header = {"consignor_name": "ﾚｲｼﾞｼ", "transfer_day": day + timedelta(days=1), "bank_code": "9999"}
        path = desk.folder / f"refunds-{desk.code}-{day}.txt"
        ledger.order_refunds(ordered, path, header=header, actor="clerk")
        results = [
            {
                "proposal_id": name,
                "result": "returned" if at % 10 == 0 and at < len(new) else "paid",
                "result_on": day + timedelta(days=1),
            }
            for at, name in enumerate(transfers)
        ]
        ledger.add_refund_results(pa.Table.from_pylist(results), actor="clerk", source=f"results-{day}.csv")
    return len(transfers), setoffs


def write_off(desk: Desk) -> list[tuple[str, int]]:
    """Write off the taxes whose limitation has ended (不納欠損); return the bill and yen of each."""
    with desk.ledger() as ledger:
        due = ledger.write_offs_due().to_pylist()
        rows = [
            {**row, "amount": row["balance"], "article": "地方税法18①", "reason": "limitation has ended"}
            for row in due
            if row["charge"] == "fixed-asset-tax"
        ]
        if rows:
            day = desk.now.date()
            ledger.write_off(
                pa.Table.from_pylist(rows), actor="clerk", written_off_on=day, source=f"written-off-{day}.csv"
            )
    return [(row["bill_id"], row["amount"]) for row in rows]


def close(desk: Desk, period: str, day: date) -> dict[str, Any]:
    """Close a period; return its totals with ``entry``."""
    with desk.ledger() as ledger:
        entry = ledger.close_period(period, day, actor="chief").entry
    return {"entry": entry.id, **entry.totals}


def settle(desk: Desk, period: str, year: int) -> dict[str, Any]:
    """Return the settlement statement (決算表) of a fiscal year, whose controls S1 and S2 must hold."""
    with desk.ledger() as ledger:
        found = ledger.settlement(year, period=period)
    require(len(found.table), desk, period, year, "no rows")
    require(all(control.holds is True for control in found.controls.values()), desk, period, year, found.controls)
    return found.as_dict()


def print_report(desk: Desk, closing: int | None = None) -> dict[str, Any]:
    """Print a report as CSV and page; return the SHA-256 of each file, the yen received, and 過日分.

    ``late`` has the yen of 過日分 by the entry of the closing that has them.
    """
    with desk.ledger() as ledger, tempfile.TemporaryDirectory(dir=desk.folder) as folder:
        report = Report.from_ledger(ledger, closing=closing, rates=desk.rates())
        report.write(folder, formats=["csv", "html"])
        digests = {path.name: sha256(path.read_bytes()).hexdigest() for path in Path(folder).iterdir()}
    controls = report.summary["controls"]
    require(all(controls[name]["holds"] is True for name in CONTROLS), desk, _broken(controls))
    require(not _broken(controls), desk, _broken(controls))
    late = report.tables["late"].select(["booked_by", "received"]).to_pylist()
    booked = Counter[int | None]()
    for row in late:
        booked[row["booked_by"]] += row["received"]
    return {"digests": digests, "received": _sum(report.tables["daily"], "received"), "late": dict(booked)}


def _broken(controls: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [{"name": name, **control} for name, control in controls.items() if control["holds"] is False]


def _sum(table: pa.Table, name: str) -> int:
    return pc.sum(table.column(name)).as_py() or 0


def write_account_file(desk: Desk, closing: int) -> int:
    """Write the account file of a closing; return its yen."""
    codes = AccountCodes.load(desk.folder / "accounts.toml")
    with desk.ledger() as ledger:
        found = AccountFile.of_closing(ledger, closing, codes)
        require(all(control.holds for control in found.controls.values()), desk, found.controls)
        path = desk.folder / f"account-{desk.code}-{closing}.csv"
        records = found.write(path, desk.folder / "account-layout.toml")
    lines = path.read_bytes().decode("cp932").splitlines()[1:]
    yen = sum(int(line.split(",")[-1]) for line in lines)
    require((len(lines), yen) == (records, _sum(found.entries, "amount")), desk, "account file", records, yen)
    return yen


_DELTAS = ("amount", "paid", "residual", "excess")


def hand_over(desk: Desk, cursor: str) -> int:
    """Write the changes since the last time for a consumer, and acknowledge them; return how many there are."""
    folder = desk.folder / f"changes-{desk.code}-{cursor}"
    folder.mkdir(exist_ok=True)
    with desk.ledger() as ledger, ledger.change_batches(cursor) as changes:
        with pq.ParquetWriter(folder / f"{changes.last_entry:09d}.parquet", CHANGE_COLUMNS) as file:
            for batch in changes.batches():
                file.write_batch(batch)
        ledger.acknowledge(cursor, changes.last_entry, actor=cursor)
    return changes.rows


def check_balances(desk: Desk, suspense: int, reductions: Sequence[tuple[str, int]]) -> None:
    """Compare the balances, the changes of both consumers and the yen on no bill with what was invented."""
    expected = pq.read_table(desk.folder / f"expected-{desk.code}.parquet")
    reduced = {
        "bill_id": [bill for bill, _ in reductions],
        "amount": [0] * len(reductions),
        "money": [yen for _, yen in reductions],
    }
    expected = pa.concat_tables([expected, pa.table(reduced, expected.schema)])
    expected = expected.group_by("bill_id").aggregate([("amount", "sum"), ("money", "sum")]).sort_by("bill_id")
    left = pc.subtract(expected.column("amount_sum"), expected.column("money_sum"))
    residual = pc.max_element_wise(left, 0).combine_chunks()
    excess = -(pc.sum(pc.min_element_wise(left, 0)).as_py() or 0)
    with desk.ledger() as ledger:
        balances = ledger.balances().sort_by("bill_id")
        yen = ledger.status(recompute=False).dispositions
    own = balances.filter(pc.is_in(balances.column("bill_id").cast(pa.string()), _ids(expected)))
    require(_ids(own) == _ids(expected), desk, "bills", len(own), len(expected))
    found = own.column("residual").combine_chunks()
    if found != residual:
        at = pc.indices_nonzero(pc.not_equal(found, residual))[:5].to_pylist()
        require(False, desk, [(own.slice(row, 1).to_pylist(), residual[row].as_py()) for row in at])
    require(yen.get("suspense", 0) == suspense, desk, "suspense", yen, suspense)
    for cursor in ("monthly", "quarterly"):
        changed = _sum_of_deltas(desk, cursor)
        for name in ("amount", "paid", "residual"):
            in_force = changed.filter(pc.is_in(changed.column("bill_id"), _ids(balances)))
            found = in_force.column(f"{name}_sum").combine_chunks()
            require(found == balances.column(name).combine_chunks(), desk, cursor, name)
        require(_sum(changed, "excess_sum") == excess, desk, cursor, _sum(changed, "excess_sum"), excess, yen)


def _sum_of_deltas(desk: Desk, cursor: str) -> pa.Table:
    """Return the sums of all changes that a consumer has got, by bill."""
    folder = desk.folder / f"changes-{desk.code}-{cursor}"
    table = pa.concat_tables([pq.read_table(path) for path in sorted(folder.iterdir())])
    yen = {name: pc.subtract(table.column(f"{name}_to"), table.column(f"{name}_from")) for name in _DELTAS}
    sums = pa.table({"bill_id": table.column("bill_id"), **yen}).group_by("bill_id")
    return sums.aggregate([(name, "sum") for name in _DELTAS]).sort_by("bill_id")


def _ids(table: pa.Table) -> pa.Array:
    return table.column("bill_id").cast(pa.string()).combine_chunks()


def verify(desk: Desk) -> None:
    """Verify all rows, and match all receipts again."""
    with desk.ledger() as ledger:
        found = ledger.verify(rematch=True)
    require(found.is_clean, desk, found.issues)


# --- the year ---------------------------------------------------------------------------------------------------------


@dataclass
class Meter:
    """Runs steps and sums what they need: in a new process whenever another step begins, or all in this process."""

    is_isolated: bool = True
    usages: dict[str, list[tuple[float, float, float]]] = field(default_factory=lambda: defaultdict(list))
    """Seconds, CPU seconds and peak MB of each run, by the name of the step."""
    _step: str = ""
    _executor: ProcessPoolExecutor | None = None

    def run(self, step: str, work: Callable[..., T], *arguments: Any) -> T:
        """Run a step and return its result."""
        if self.is_isolated:
            if step != self._step:
                self.close()
                self._step, self._executor = step, ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
            assert self._executor is not None
            result, usage = self._executor.submit(_measured, work, *arguments).result()
        else:
            result, usage = _measured(work, *arguments)
        self.usages[step].append(usage)
        return result

    def close(self) -> None:
        """End the process of the last step."""
        if self._executor:
            self._executor.shutdown()

    def rows(self) -> Iterator[str]:
        """Yield the rows of a Markdown table."""
        yield "| step | runs | seconds | longest run | CPU seconds | peak MB |"
        yield "|---|--:|--:|--:|--:|--:|"
        for step, usages in self.usages.items():
            seconds, cpu, peak = zip(*usages, strict=True)
            figures = f"{sum(seconds):,.1f} | {max(seconds):,.1f} | {sum(cpu):,.1f} | {max(peak):,.0f}"
            yield f"| {step} | {len(usages)} | {figures} |"
        totals = [sum(usage[at] for usages in self.usages.values() for usage in usages) for at in (0, 1)]
        peak_mb = max(usage[2] for usages in self.usages.values() for usage in usages)
        yield f"| all | | {totals[0]:,.1f} | | {totals[1]:,.1f} | {peak_mb:,.0f} |"


def _measured(work: Callable[..., T], *arguments: Any) -> tuple[T, tuple[float, float, float]]:
    with suppress(OSError):  # Linux: the peak memory is that from now on
        Path("/proc/self/clear_refs").write_text("5")
    start, cpu = time.perf_counter(), time.process_time()
    result = work(*arguments)
    usage = (time.perf_counter() - start, time.process_time() - cpu)
    return result, (*usage, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


@dataclass
class YearResult:
    """What the closings of a year have sealed, by authority."""

    closings: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    """The totals of each closing, with ``entry``, ``printed`` and ``account_yen``."""
    reductions: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    """The bill and yen of each set-off and write-off."""
    written_off: dict[str, int] = field(default_factory=dict)
    """The yen that were written off."""
    events: Counter[str] = field(default_factory=Counter)
    """How many receipts, refunds, decisions and changes there were."""


def run_year(plan: Plan, meter: Meter, *, reprint_every: int = 1) -> YearResult:
    """Run the steps of the year in the order of the days, check everything, and return what was sealed.

    Args:
        plan: the files.
        meter: runs the steps.
        reprint_every: of how many closings one is printed again; a small year needs less time with more.
    """
    run = YearRun(plan, meter)
    run.create()
    for month in range(AFTER + 1):
        on = partial(_day_of, first_day(month))
        if month:
            run.close_all("month", last_day(month - 1), on(3))
            run.hand_over("monthly", on(3))
            if month - 1 in _QUARTERS:
                run.hand_over("quarterly", on(3))
        run.add_bills(month, on(4))
        run.reverse_files(month, on(5))
        run.post_late_files(month, on(10))
        if month < AFTER:
            run.post_files(month)
        run.add_bank(month, last_day(month) if month < AFTER else on(10))
        run.decide(month, last_day(month))
        # The closing of accounts of the year before, of the enterprises, and of the year.
        if month == 2:
            run.close_all("year", date(FISCAL_YEAR - 1, 4, 1), last_day(month))
        if month == 12:
            run.close_all("enterprise_year", date(FISCAL_YEAR, 4, 1), last_day(month))
        if month == AFTER:
            run.close_all("year", date(FISCAL_YEAR, 4, 1), on(15))
    for cursor in ("monthly", "quarterly"):
        run.hand_over(cursor, _day_of(first_day(AFTER), 16))
    for code in plan.codes:
        run.check(run.desk(code, _day_of(first_day(AFTER), 20)), reprint_every)
    return run.result


def _day_of(first: date, day: int) -> date:
    return first.replace(day=day)


class YearRun:
    """The steps of a year, each for all authorities."""

    def __init__(self, plan: Plan, meter: Meter) -> None:
        self.plan, self.meter, self.result = plan, meter, YearResult()
        self._reversed_code = plan.codes[min(1, len(plan.codes) - 1)]

    def desk(self, code: str, day: date) -> Desk:
        """Return an authority on the morning of a day."""
        return Desk(self.plan.folder, code, datetime(day.year, day.month, day.day, 9, tzinfo=JAPAN))

    def desks(self, day: date) -> list[Desk]:
        """Return all authorities on the morning of a day."""
        return [self.desk(code, day) for code in self.plan.codes]

    def create(self) -> None:
        """Create the ledgers."""
        for at in self.desks(MONTHS[0]):
            self.meter.run("create", create, at)

    def close_all(self, period: str, closed: date, day: date) -> None:
        """Close a period, print the reports, and write the account files and settlement statements."""
        desks = self.desks(day)
        closings = [self.meter.run("close", close, at, period, closed) for at in desks]
        for at, totals in zip(desks, closings, strict=True):
            totals["printed"] = self.meter.run("report", print_report, at)
            self.result.closings[at.code].append(totals)
        for at, totals in zip(desks, closings, strict=True):
            totals["account_yen"] = self.meter.run("account file", write_account_file, at, totals["entry"])
        for at, totals in zip(desks, closings, strict=True):
            if period != "month":
                totals["settlement"] = self.meter.run("settlement", settle, at, period, closed.year)

    def hand_over(self, cursor: str, day: date) -> None:
        """Hand the changes to a consumer."""
        for at in self.desks(day):
            self.result.events[cursor] += self.meter.run(f"hand-over {cursor}", hand_over, at, cursor)

    def add_bills(self, month: int, day: date) -> None:
        """Add the bills of a month, and in August those that are reduced."""
        for at in self.desks(day):
            self.meter.run("add bills", add_bills, at, month)
            if month == AUGUST:
                self.meter.run("add bills", add_bills, at, -1)

    def reverse_files(self, month: int, day: date) -> None:
        """Reverse a file of December in January, and restore it in February."""
        at = self.desk(self._reversed_code, day)
        if month == JANUARY:
            self.meter.run("reverse", reverse, at, DECEMBER)
        if month == FEBRUARY:
            self.meter.run("reverse", restore, at, 3)

    def post_late_files(self, month: int, day: date) -> None:
        """Post the files of earlier months that arrive in a month."""
        for late, arrival in LATE_FILES.items():
            if arrival == month:
                self._post(el_name(late, "late"), day, month)

    def post_files(self, month: int) -> None:
        """Post the files of a month; the first one of November is reversed and restored on the next day."""
        first = first_day(month)
        self._post(el_name(month, "1"), first.replace(day=16), month)
        if month == NOVEMBER:
            at = self.desk(self._reversed_code, first.replace(day=17))
            self.meter.run("reverse", reverse, at, month)
            self.meter.run("reverse", restore, at, 1)
        for code in self.plan.codes:
            self._post(store_name(code, month), first.replace(day=25), month)
        self._post(el_name(month, "2"), last_day(month), month)

    def _post(self, name: str, day: date, month: int) -> None:
        if (self.plan.folder / "files" / name).exists():
            at = self.desk(self.plan.codes[0], day)
            self.result.events["receipts"] += self.meter.run("post", post_with_events, at, name, month)

    def add_bank(self, month: int, day: date) -> None:
        """Add the deposits and reports of the agents about the days of a month up to a day."""
        for at in self.desks(day):
            for transferred_on, yen in sorted(self.plan.deposits[at.code].items()):
                if first_day(month) <= transferred_on <= day:
                    self.meter.run("bank", add_bank, at, transferred_on, *yen)

    def decide(self, month: int, day: date) -> None:
        """Decide what a month has to decide: refunds, payments with a wrong number, write-offs."""
        result = self.result
        for at in self.desks(day):
            if month in _REFUND_MONTHS:
                transfers, setoffs = self.meter.run("refunds", refund, at)
                result.events += Counter({"refunds": transfers, "set-offs": len(setoffs)})
                result.reductions[at.code] += setoffs
            if month == DECEMBER:
                wrong_numbers = self.plan.wrong_numbers[at.code]
                result.events["decisions"] += self.meter.run("decide", decide, at, wrong_numbers)
            if month == MARCH:
                write_offs = self.meter.run("write-offs", write_off, at)
                result.events["write-offs"] += len(write_offs)
                result.reductions[at.code] += write_offs
                result.written_off[at.code] = sum(yen for _, yen in write_offs)

    def check(self, at: Desk, reprint_every: int) -> None:
        """Check the ties of the whole year of an authority, and print every report again."""
        closings = self.result.closings[at.code]
        reductions = self.result.reductions[at.code]
        self.meter.run("check the balances", check_balances, at, self.plan.suspense[at.code], reductions)
        months = [closing for closing in closings if closing["period"] == "month"]
        require(len(months) == len(MONTHS), at, "months", len(months))
        require(any(closing["late_received"] for closing in months), at, "no 過日分")
        # All yen are in one month, but for those that came after the last month was closed.
        last = closings[-1]["printed"]
        late = sum(last["late"].get(entry, 0) for entry in (closings[-1]["entry"], None))
        sealed = sum(closing["received"] for closing in months)
        require(sealed + late == last["received"], at, sealed, late, last["received"])
        for closing in closings:
            require(closing["account_yen"] == closing["received"], at, closing)
        for closing in closings[::reprint_every]:
            printed = self.meter.run("reprint", print_report, at, closing["entry"])
            require(printed == closing["printed"], at, closing["entry"], "differs")
            if closing["period"] != "month":
                year = int(closing["first_day"][:4])
                settlement = self.meter.run("settlement", settle, at, closing["period"], year)
                require(settlement == closing["settlement"], at, year, "settlement differs")
        written_off = sum(row["written_off"] for row in closings[-1]["settlement"]["rows"])
        require(written_off == self.result.written_off[at.code], at, "written off", written_off)
        self.meter.run("verify", verify, at)


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--receipts", type=int, default=100_000)
    parser.add_argument("--authorities", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one-process", action="store_true", help="do not begin a new process with every step")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "_work" / "year")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    meter = Meter(not arguments.one_process)
    about = (arguments.folder, arguments.receipts, arguments.authorities)
    plan = meter.run("write the files", partial(write_year, seed=arguments.seed), *about)
    result = run_year(plan, meter)
    print(f"\n{plan.records:,} receipts, {plan.bills:,} bills, {len(plan.codes)} authorities: {dict(result.events)}\n")
    meter.close()
    print("\n".join(meter.rows()))
    shutil.rmtree(arguments.folder)


if __name__ == "__main__":
    main()
