"""Inject faults into the work on a ledger: kills, cut connections, server restarts, full disks, concurrent writers.

The work is a list of steps, from creating the ledger to reversing files and loads of bills. A process does it; a fault
interrupts the process in a random step at a random time; the next process continues with the steps that have no entry.
After each fault the ledger is verified: every entry whose writing had returned must be in it. At the end its outcomes,
balances, deposits, reports, bills, decisions, refunds, write-offs, files and policy are compared with those of an
undisturbed run.

    python benchmarks/faults.py [--kills N] [--fault NAME] [--step NAME] [--seed N] [--url URL | --postgres]

``--url`` names an empty PostgreSQL database, ``--postgres`` starts a temporary server, which can also be restarted and
run out of disk space. Without either the ledger is an SQLite file in ``benchmarks/_work``.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import platform
import pwd
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Engine, create_engine, event, make_url, text

import kokin
from kokin import receipts as receipt_files
from kokin.issues import InvalidInputError
from kokin.ledger import Entry, Ledger, LedgerError
from kokin.reconcile import Policy
from kokin.slips import NumberScheme

WORK = Path(__file__).parent / "_work"
FORK = multiprocessing.get_context("fork")
SLIP = {"payee_code": "99999", "item_code": "127", "confirmation": "123456"}


# The work


@dataclass(frozen=True)
class City:
    """The bills and files that the steps write."""

    bills: pa.Table
    changed: pa.Table
    """Other amounts for some of the bills."""
    debts: pa.Table
    """Debts whose slips get numbers; some are issued again in the same file."""
    files: list[pa.Table]
    """The first records of the first file are those of ``decisions`` and ``refunds``; so their ids are known."""
    decisions: pa.Table
    """What three payments for no bill are for."""
    refunds: list[str]
    """The proposals of four bills that are paid in duplicate."""
    write_offs: pa.Table
    """Some yen of four bills that nobody pays."""
    deposits: pa.Table
    reports: pa.Table


def city(rng: random.Random, bill_count: int = 80, size: int = 60) -> City:
    """Return a city with many interacting receipts: double, partial, unordered and duplicate payments."""
    bills = [
        {**SLIP, "bill_id": f"B{n:04d}", "case_key": f"{n:020d}", "amount": 1_000 + n, "due_on": date(2026, 6, 1)}
        for n in range(bill_count)
    ]
    debt = {"payee_code": "99999", "item_code": "300", "due_on": date(2026, 6, 1)}
    debts = [
        {**debt, "obligation_id": f"D{n}", "issue_no": issue_no, "amount": 100 * issue_no + n}
        for n in range(20 * bill_count)
        for issue_no in range(1, 3 if n % 10 == 0 else 2)
    ]
    changed = [{**bill, "amount": 700} for bill in rng.sample(bills, bill_count // 2)]
    for n in range(4):
        for name, case_key in ((f"R{n}", 10_000 + n), (f"W{n}", 20_000 + n)):
            case = {"bill_id": name, "case_key": f"{case_key:020d}", "amount": 2_000 + n, "due_on": date(2026, 6, 1)}
            bills.append({**SLIP, **case})
    # Records 1 to 3 are for no bill, 4 to 7 pay R0 to R3, 8 to 11 pay them again.
    known = [*((30_000 + n, 500) for n in range(3)), *((10_000 + n % 4, 2_000 + n % 4) for n in range(8))]
    files = []
    for number in range(4):
        file_columns = {"source": f"day-{number}.csv", "digest": f"{number:064d}"}
        rows = []
        for record in range(1, size + 1):
            paid = rng.randrange(bill_count + 5)
            payment = {
                "record_no": record,
                "case_key": f"{paid:020d}",
                "amount": rng.choice((1_000 + paid, 1_000 + paid, 500)),
                "paid_on": date(2026, 5, rng.randrange(1, 29)),
                "provider_key": f"EL{rng.randrange(3 * size)}",
            }
            if number == 0 and record <= len(known):
                case_key, amount = known[record - 1]
                payment |= {"case_key": f"{case_key:020d}", "amount": amount, "provider_key": f"known-{record}"}
                payment["paid_on"] = date(2026, 5, record)
            rows.append({**SLIP, **file_columns, **payment})
        files.append(pa.Table.from_pylist(rows))
    part = {"exception_id": "R1-NO_BILL", "decision": "assign", "reason": "wrong number"}
    decisions = [
        {**part, "bill_id": "B0003", "amount": 200},
        {**part, "bill_id": "B0004", "amount": 300},
        {**part, "exception_id": "R2-NO_BILL", "decision": "other_authority", "bill_id": None, "amount": None},
        {**part, "exception_id": "R3-NO_BILL", "decision": "accept", "bill_id": None, "amount": None},
    ]
    lapsed = {"written_off_on": date(2026, 4, 1), "article": "地方税法18①", "reason": "消滅時効"}
    day = {"first_day": date(2026, 5, 1), "last_day": date(2026, 5, 31), "agent_code": "A1"}
    return City(
        pa.Table.from_pylist(bills),
        pa.Table.from_pylist(changed),
        pa.Table.from_pylist(debts),
        files,
        pa.Table.from_pylist(decisions),
        [f"P{n}" for n in range(8, 12)],
        pa.Table.from_pylist([{**lapsed, "bill_id": f"W{n}", "amount": 1_000 * (n % 2 + 1)} for n in range(4)]),
        pa.Table.from_pylist([{"credited_on": date(2026, 5, day), "amount": 1_000 * day} for day in range(1, 9)]),
        pa.Table.from_pylist([{**day, "count": size, "amount": 1_000 * number} for number in (1, 2)]),
    )


SCHEME = NumberScheme.parse({"case_key": "{item_code}{serial:9}{check}", "check_digit": "gs1"})
POLICY = Policy(stale_after=5, fees={"": 66}, fee="netted")

#: A step: writes one entry, from the ledger, the city and the entries by step.
Step = Callable[[Ledger, City, dict[str, Entry]], object]


def _post(number: int, reason: str) -> Step:
    return lambda ledger, town, _: ledger.post(town.files[number], actor="batch", reason=reason)


def _load(table: str, reason: str) -> Step:
    return lambda ledger, town, _: ledger.add_bills(getattr(town, table), actor="clerk", reason=reason)


def _reverse(step: str, reason: str) -> Step:
    return lambda ledger, _, written: ledger.reverse_entry(written[step].id, actor="chief", reason=reason)


def _reverse_payment(ledger: Ledger, _: City, __: dict[str, Entry]) -> None:
    postings = ledger.history("B0001").postings.to_pylist() or ledger.history("B0002").postings.to_pylist()
    ledger.reverse_posting(postings[-1]["id"], actor="chief", reason="reverse a posting")


def _set_policy(ledger: Ledger, _: City, __: dict[str, Entry]) -> None:
    ledger.set_policy(POLICY, actor="chief", reason="set the policy")


def _add_deposits(ledger: Ledger, town: City, _: dict[str, Entry]) -> None:
    ledger.add_deposits(town.deposits, actor="clerk", source="bank.txt", reason="add deposits")


def _add_reports(ledger: Ledger, town: City, _: dict[str, Entry]) -> None:
    ledger.add_agent_reports(town.reports, actor="clerk", source="report.xlsx", reason="add agent reports")


def _decide(ledger: Ledger, town: City, _: dict[str, Entry]) -> None:
    ledger.decide(town.decisions, actor="clerk", open_only=True, reason="decide exceptions")


def _decide_refunds(ledger: Ledger, town: City, _: dict[str, Entry]) -> None:
    rows = pa.table({"proposal_id": town.refunds, "kind": ["refund"] * len(town.refunds)})
    ledger.decide_refunds(rows, actor="clerk", decided_on=date(2026, 6, 30), reason="decide refunds")


def _order(name: str, proposals: slice, reason: str) -> Step:
    """Order the transfers of some refunds in a file; see :func:`upload_folder`."""
    account = {"bank_code": "9999", "branch_code": "001", "account_number": "1234567", "name": "ｺｳｷﾝ ﾊﾅｺ"}
    header = {"consignor_name": "ﾃｽﾄｼ", "bank_code": "9999", "transfer_day": date(2026, 7, 10)}

    def order(ledger: Ledger, town: City, _: dict[str, Entry]) -> None:
        rows = pa.Table.from_pylist([{**account, "proposal_id": each} for each in town.refunds[proposals]])
        ledger.order_refunds(rows, upload_folder(ledger) / name, header=header, actor="clerk", reason=reason)

    return order


def _add_refund_results(ledger: Ledger, town: City, _: dict[str, Entry]) -> None:
    rows = [{"proposal_id": name, "result_on": date(2026, 7, 10)} for name in town.refunds[:2]]
    results = pa.Table.from_pylist([{**rows[0], "result": "paid"}, {**rows[1], "result": "returned"}])
    ledger.add_refund_results(results, actor="clerk", source="results.csv", reason="add refund results")


def _write_off(ledger: Ledger, town: City, _: dict[str, Entry]) -> None:
    ledger.write_off(town.write_offs, actor="clerk", reason="write off debts")


# The folders of uploads and orders. A child process does not remove them, because it ends without finalizers.
_UPLOADS = tempfile.TemporaryDirectory(prefix="kokin-uploads-")


def upload_folder(ledger: Ledger) -> Path:
    """Return the folder of the uploads and orders of a ledger."""
    folder = Path(_UPLOADS.name) / ledger.entries()[0].hash[:16]
    folder.mkdir(exist_ok=True)
    return folder


def _upload(table: str, reason: str) -> Step:
    def make(ledger: Ledger, town: City, _: dict[str, Entry]) -> None:
        slips: pa.Table = getattr(town, table)
        for name, value in {"levy_year": 2026, "tax_year": 2026, "payable_until": date(2026, 7, 10)}.items():
            slips = slips.append_column(name, pa.repeat(value, len(slips)))
        folder = upload_folder(ledger)
        ledger.make_upload(slips, "eltax-upload-example", folder, actor="clerk", rows=25, reason=reason)

    return make


def _add_answer(ledger: Ledger, town: City, _: dict[str, Entry]) -> None:
    names = town.bills.column("bill_id").slice(0, 30)
    results = pa.array(["accepted", "rejected", "accepted"] * 10)
    ledger.add_upload_answer(pa.table({"bill_id": names, "result": results}), actor="clerk", reason="add an answer")


def _allot(ledger: Ledger, town: City, _: dict[str, Entry]) -> None:
    ledger.allot(town.debts, SCHEME, actor="clerk", reason="allot numbers")


CREATE = "create"
#: The steps after the first one, which creates the ledger. The reason of an entry is the name of its step.
STEPS: dict[str, Step] = {
    "load bills": _load("bills", "load bills"),
    "allot numbers": _allot,
    "post 0": _post(0, "post 0"),
    "decide exceptions": _decide,
    "add deposits": _add_deposits,
    "decide refunds": _decide_refunds,
    "post 1": _post(1, "post 1"),
    "reverse a file": _reverse("post 1", "reverse a file"),
    "load changed bills": _load("changed", "load changed bills"),
    "send slips": _upload("bills", "send slips"),
    "post 2": _post(2, "post 2"),
    "order refunds": _order("refunds-1.txt", slice(0, 3), "order refunds"),
    "reverse a load": _reverse("load changed bills", "reverse a load"),
    "add agent reports": _add_reports,
    "add refund results": _add_refund_results,
    "write off debts": _write_off,
    "add an answer": _add_answer,
    "set the policy": _set_policy,
    "restore a file": _reverse("reverse a file", "restore a file"),
    "send changed slips": _upload("changed", "send changed slips"),
    "order a returned refund": _order("refunds-2.txt", slice(1, 2), "order a returned refund"),
    "post 3": _post(3, "post 3"),
    "reverse a posting": _reverse_payment,
}
#: The steps that write nothing if they are done again, as by a batch that is started a second time. Those about single
#: payments are rejected, the others skipped.
REPEATABLE = (
    *("post 0", "post 1", "post 2", "post 3", "allot numbers", "add deposits", "add agent reports"),
    *("decide exceptions", "decide refunds", "order refunds", "add refund results", "order a returned refund"),
    *("write off debts", "send changed slips"),
)


def written_steps(ledger: Ledger) -> dict[str, Entry]:
    """Return the entry of each step that has one."""
    first, *others = ledger.entries()
    return {CREATE: first, **{entry.reason: entry for entry in others}}


def work(url: str, town: City, notify: Callable[[str, str], None] = lambda *_: None) -> None:
    """Do every step that has no entry; ``notify`` is called with each step before it, and after it with its hash."""
    try:
        ledger = Ledger.open(url)
    except LedgerError:
        notify(CREATE, "")
        ledger = Ledger.create(url, actor="chief")
        notify(CREATE, ledger.entries(1)[0].hash)
    with ledger:
        written = written_steps(ledger)
        for name, step in STEPS.items():
            if name not in written:
                notify(name, "")
                step(ledger, town, written)
                written[name] = ledger.entries(1)[0]
                notify(name, written[name].hash)


# Checks


@dataclass
class FaultResult:
    """Counts of the rounds of one fault."""

    rounds: int = 0
    """Processes that were started."""
    interrupted: int = 0
    """Rounds in which the fault occurred inside a step."""
    lost: int = 0
    """Entries, receipts and deposits that were written and are missing."""
    doubled: int = 0
    """Entries, receipts and deposits in excess."""
    broken: int = 0
    """Ledgers that did not verify, or differed otherwise from the undisturbed run."""
    steps: Counter[str] = field(default_factory=Counter)
    """How often each step was interrupted."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled or broken."""
        return not self.lost + self.doubled + self.broken


def state(ledger: Ledger) -> dict[str, list[Any]]:
    """Return what must equal the undisturbed run, as lists of rows."""
    tables = {name: getattr(ledger, name)() for name in ("outcomes", "bank_deposits", "agent_reports", "balances")}
    rows = {name: table.to_pylist() for name, table in tables.items()}
    # Confirmation numbers are random.
    numbers = ledger.slip_numbers().drop_columns(["entry_id", "confirmation"])
    slips = ledger.upload_status().slips.select(["bill_id", "state", "operation", "record_no"])
    decided = {"decisions": ledger.decisions(), "refunds": ledger.refunds(), "write_offs": ledger.write_offs()}
    return {
        **rows,
        **{name: table.to_pylist() for name, table in decided.items()},
        "slip_numbers": numbers.to_pylist(),
        "bills": ledger.bills().to_pylist(),
        "policy": [ledger.policy_as_of()],
        "slips": slips.to_pylist(),
        "files": sorted((path.name, path.read_bytes()) for path in upload_folder(ledger).iterdir()),
    }


_RECORD_KEYS = {
    "outcomes": ("source", "record_no"),
    "bank_deposits": ("credited_on",),
    "agent_reports": ("amount",),
    "slip_numbers": ("bill_id", "case_key"),
    "decisions": ("digest", "record_no", "bill_id"),
    "refunds": ("proposal_id", "state", "ordered_on", "result_on"),
    "write_offs": ("bill_id", "amount"),
}


def compare(ledger: Ledger, expected: dict[str, list[Any]], result: FaultResult) -> None:
    """Compare a ledger with the state of an undisturbed run."""
    found = state(ledger)
    for name, columns in _RECORD_KEYS.items():
        had, has = (Counter(tuple(row[key] for key in columns) for row in rows[name]) for rows in (expected, found))
        result.lost += (had - has).total()
        result.doubled += (has - had).total()
    is_equal = found == expected and all(control.holds for control in ledger.status().controls.values())
    result.broken += not (is_equal and ledger.verify(rematch=True).is_clean)


def verify(url: str, returned: list[str], result: FaultResult) -> set[str]:
    """Verify a ledger after a fault, and return the steps that have an entry.

    Args:
        url: the ledger; it may not exist if no step had returned.
        returned: the hashes of the entries whose steps had returned.
        result: the counts to add to.
    """
    try:
        ledger = Ledger.open(url)
    except LedgerError:
        result.lost += len(returned)
        return set()
    with ledger:
        result.broken += not ledger.verify().is_clean
        entries = ledger.entries()
        result.lost += len({*returned} - {entry.hash for entry in entries})
        written = written_steps(ledger)
        result.doubled += len(entries) - len(written)
        return set(written)


def undisturbed(url: str, town: City) -> tuple[dict[str, list[Any]], dict[str, float]]:
    """Return the state after all steps, and the seconds that each step takes."""
    seconds: dict[str, float] = {}

    def note(step: str, digest: str) -> None:
        seconds[step] = time.perf_counter() - (seconds[step] if digest else 0)

    work(url, town, note)
    with Ledger.open(url) as ledger:
        return state(ledger), seconds


# Interrupted work

#: How often at most one step of a ledger is chosen to be interrupted: any step, or one of some that the caller names.
MAX_ATTEMPTS, MAX_ATTEMPTS_OF_SOME = 2, 6

#: Interrupts a process that does the work.
Fault = Callable[[BaseProcess], object]


def _kill(worker: BaseProcess) -> None:
    os.kill(worker.pid or 0, signal.SIGKILL)


def _work_in_process(url: str, town: City, limit: Callable[[], None], sender: Connection) -> None:
    """Do the work, and send each step before and after it. Exit with code 1, without a traceback, after a fault."""
    limit()
    try:
        work(url, town, lambda *message: sender.send(message))
    except LedgerError:
        raise SystemExit(1) from None


def interrupt_work(
    places: Iterator[str],
    rng: random.Random,
    count: int,
    fault: Fault | None,
    limited: Callable[[random.Random], AbstractContextManager[Callable[[], None]]] | None = None,
    only: Collection[str] = (),
) -> FaultResult:
    """Interrupt the work in random steps until ``count`` processes were interrupted.

    Args:
        places: the URLs of empty databases.
        rng: chooses steps and times.
        count: how many processes to interrupt.
        fault: interrupts a process; None if the limit does.
        limited: limits the disk space while a process works; yields a function that the process calls first.
        only: the steps to interrupt; by default any.
    """
    result = FaultResult()
    while result.interrupted < count:
        town = city(rng)
        expected, seconds = undisturbed(next(places), town)
        url, written, returned = next(places), set[str](), list[str]()
        attempts: Counter[str] = Counter()
        while len(written) <= len(STEPS):
            # One of the next steps, each a few times only, so that every step is interrupted about as often.
            steps = [step for step in (CREATE, *STEPS) if not only or step in only]
            max_attempts = MAX_ATTEMPTS_OF_SOME if only else MAX_ATTEMPTS
            next_steps = [step for step in steps if step not in written and attempts[step] < max_attempts]
            target = rng.choice(next_steps[:2]) if next_steps and fault and result.interrupted < count else ""
            attempts[target] += 1
            delay = rng.random() * 1.1 * seconds[target] if target else 0
            is_limited = limited and result.interrupted < count
            with limited(rng) if is_limited and limited else nullcontext(lambda: None) as limit:
                receiver, sender = FORK.Pipe(duplex=False)
                worker = FORK.Process(target=_work_in_process, args=(url, town, limit, sender))
                worker.start()
                sender.close()
                messages = _interrupt(worker, receiver, target, delay, fault)
            result.rounds += 1
            returned += [digest for _, digest in messages if digest]
            if worker.exitcode and messages and not messages[-1][1]:  # the last step did not return
                result.interrupted += not only or messages[-1][0] in only
                result.steps[messages[-1][0]] += 1
            elif worker.exitcode and not (fault or is_limited):
                raise RuntimeError(f"the work failed without a fault: {messages[-1:]}")
            written = verify(url, returned, result)
        with Ledger.open(url) as ledger:
            result.doubled += len(ledger.entries()) - 1 - len(STEPS)
            before = ledger.entries(1)[0].hash
            for name in REPEATABLE:  # completes the files of an interrupted upload or order
                with contextlib.suppress(InvalidInputError):
                    STEPS[name](ledger, town, {})
            result.doubled += ledger.entries(1)[0].hash != before
            compare(ledger, expected, result)
    return result


def _interrupt(
    worker: BaseProcess, receiver: Connection, target: str, delay: float, fault: Fault | None
) -> list[tuple[str, str]]:
    """Interrupt a process in a step after a delay, wait for its end, and return all its messages."""
    messages: list[tuple[str, str]] = []
    with contextlib.suppress(EOFError):
        while True:
            messages.append(receiver.recv())
            if fault and messages[-1] == (target, ""):
                time.sleep(delay)
                fault(worker)
                worker.join()
    worker.join()
    receiver.close()
    return messages


def kills(places: Iterator[str], rng: random.Random, count: int, *, only: Collection[str] = ()) -> FaultResult:
    """Kill the process (SIGKILL) in any step, or in some."""
    return interrupt_work(places, rng, count, _kill, only=only)


# Concurrent writers


def _write_concurrently(url: str, town: City, number: int, seed: int) -> None:
    """Add and post everything in a random order, and reverse a file and a load of the writer's own."""
    rng = random.Random(seed)
    own_file = town.files[0].set_column(
        town.files[0].schema.get_field_index("digest"), "digest", pa.array([f"own {number}"] * len(town.files[0]))
    )
    own_load = town.changed.slice(10 * number, 10)
    shared = [
        name for name in STEPS if name.startswith(("post", "load bills", "allot", "add deposits", "add agent", "set"))
    ]
    with Ledger.open(url) as ledger:
        for name in rng.sample([*shared, "file", "load"], len(shared) + 2):
            if name == "file":
                entry = ledger.post(own_file, actor="batch", source="own.csv", reason=f"own file {number}").entry.id
            elif name == "load":
                entry = ledger.add_bills(own_load, actor="clerk", reason=f"own load {number}").entry.id
            else:
                STEPS[name](ledger, town, {})
                continue
            ledger.reverse_entry(entry, reason=f"reverse own {name} {number}", actor="chief")


def writers(places: Iterator[str], rng: random.Random, count: int, *, writer_count: int) -> FaultResult:
    """Let several processes write the same files, deposits and bills at once, each in another order."""
    result = FaultResult()
    for _ in range(count):
        town = city(rng)
        expected_url = next(places)
        with Ledger.create(expected_url, actor="chief") as ledger:
            for name in ("load bills", "allot numbers", "post 0", "post 1", "post 2", "post 3"):
                STEPS[name](ledger, town, {})
            _add_deposits(ledger, town, {})
            _add_reports(ledger, town, {})
            _set_policy(ledger, town, {})
            expected = state(ledger)
        url = next(places)
        Ledger.create(url, actor="chief").close()
        workers = [
            FORK.Process(target=_write_concurrently, args=(url, town, number, rng.randrange(2**32)))
            for number in range(writer_count)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            result.broken += worker.exitcode != 0
        result.rounds += 1
        result.interrupted += 1
        with Ledger.open(url) as ledger:
            reasons = Counter(entry.reason for entry in ledger.entries() if entry.reason != "load bills")
            result.doubled += sum(number - 1 for number in reasons.values())
            compare(ledger, expected, result)
    return result


# Full disks


@contextmanager
def _few_pages(rng: random.Random) -> Iterator[Callable[[], None]]:
    """Limit an SQLite file to a few more pages than it has."""
    free_pages = rng.randrange(1, 40)

    def limit(connection: sqlite3.Connection, _: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + free_pages}")

    yield lambda: event.listen(Engine, "connect", limit)


def full_disk_sqlite(places: Iterator[str], rng: random.Random, count: int) -> FaultResult:
    """Let the file reach its largest size in a random step."""
    return interrupt_work(places, rng, count, None, _few_pages)


def half_files(places: Iterator[str], rng: random.Random, count: int) -> FaultResult:
    """Post a truncated direct-debit file, which must be rejected; then post the complete file."""
    result = FaultResult()
    for _ in range(count):
        with tempfile.TemporaryDirectory() as folder, Ledger.create(next(places)) as ledger:
            path = Path(folder) / "debit.txt"
            account = {"bank_code": "9999", "branch_code": "001", "account_number": "1234567", "bank_name": "ﾃｽﾄｷﾞﾝｺｳ"}
            payment = {"paid_on": date(2026, 5, 26), "result": "0", **account}
            rows = [{**payment, "amount": rng.randrange(100, 9_999), "customer_number": f"{n:020d}"} for n in range(40)]
            header = {"consignor_name": "ﾃｽﾄｼ", "bank_code": "9999"}
            receipt_files.write(rows, path, "zengin-91", header=header)
            whole = path.read_bytes()
            path.write_bytes(whole[: rng.randrange(1, len(whole) - 130)])
            before = ledger.status().dispositions, ledger.balances()
            layout, day = "zengin-91", date(2026, 5, 26)
            try:
                ledger.post(receipt_files.open(path, layout, reference_date=day), actor="batch")
            except InvalidInputError:
                result.interrupted += 1
            result.broken += (ledger.status().dispositions, ledger.balances()) != before
            path.write_bytes(whole)
            ledger.post(receipt_files.open(path, layout, reference_date=day), actor="batch")
            stored = ledger.status().rows["receipts"]
            result.lost += max(len(rows) - stored, 0)
            result.doubled += max(stored - len(rows), 0)
            result.broken += not ledger.verify(rematch=True).is_clean
        result.rounds += 1
    return result


# Databases


def sqlite_files(folder: Path) -> Iterator[str]:
    """Yield the URL of a file that does not exist; the files before the last one are deleted."""
    for number in range(1 << 30):
        for path in folder.glob(f"{number - 2}.db*"):
            path.unlink()
        yield f"sqlite:///{folder}/{number}.db"


def postgres_schemas(url: str) -> Iterator[str]:
    """Yield the URL of an empty schema of a PostgreSQL database; the schemas before the last one are dropped."""
    for number in range(1 << 30):
        for old in (number - 2, number):
            _execute(url, f'DROP SCHEMA IF EXISTS "faults_{old}" CASCADE')
        _execute(url, f'CREATE SCHEMA "faults_{number}"')
        yield make_url(url).update_query_dict({"options": f"-csearch_path=faults_{number}"}).render_as_string(False)


def _execute(url: str, *statements: str) -> None:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def cut_connections(places: Iterator[str], rng: random.Random, count: int) -> FaultResult:
    """Terminate the process's connection (PostgreSQL)."""
    url = next(places)

    def cut(_: BaseProcess) -> None:
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        _execute(url, f"SELECT pg_terminate_backend(pid) {others}")

    return interrupt_work(places, rng, count, cut)


@dataclass
class PostgresServer:
    """A temporary PostgreSQL server on a socket."""

    pg_ctl: str
    folder: Path
    user: str | None

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[PostgresServer]:
        """Start a server; it is stopped and its files are deleted at the end."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
        pg_ctl = shutil.which("pg_ctl") or (str(found[-1]) if found else "")
        if not pg_ctl:
            raise SystemExit("no PostgreSQL server: apt-get install postgresql")
        folder, user = Path(tempfile.mkdtemp(prefix="kokin-faults-")), None
        if os.getuid() == 0:  # the server does not run as root
            user = next(entry.pw_name for entry in pwd.getpwall() if entry.pw_name in ("postgres", "nobody"))
            shutil.chown(folder, user)
        server = cls(pg_ctl, folder, user)
        server._run("-o", "-U kokin -A trust -E UTF8 --locale=C", "init")
        options = f"-k {folder} -c listen_addresses='' -c max_connections=40"
        server._run("-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield server
        finally:
            server._run("-m", "immediate", "stop")
            shutil.rmtree(folder)

    def _run(self, *arguments: str) -> None:
        command = [self.pg_ctl, "-D", f"{self.folder}/data", "-s", *arguments]
        subprocess.run(command, check=True, user=self.user, cwd=self.folder, stdout=subprocess.DEVNULL)

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://kokin@/{database}?host={self.folder}"

    def restarts(self, places: Iterator[str], rng: random.Random, count: int) -> FaultResult:
        """Restart the server without a checkpoint (``pg_ctl restart -m immediate``)."""
        return interrupt_work(places, rng, count, lambda _: self._run("-m", "immediate", "-w", "restart"))

    def full_disk(self, _: Iterator[str], rng: random.Random, count: int) -> FaultResult | None:
        """Let the disk of the tables run full in a random step; None if no disk can be mounted."""
        disk = self.folder / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            return None
        try:
            space = disk / "space"
            space.mkdir()
            shutil.chown(space, self.user)
            _execute(
                self.url(), f"CREATE TABLESPACE small LOCATION '{space}'", "CREATE DATABASE small TABLESPACE small"
            )

            @contextmanager
            def ballast(rng: random.Random) -> Iterator[Callable[[], None]]:
                free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
                (disk / "ballast").write_bytes(bytes(max(free - rng.randrange(1 << 19), 0)))
                yield lambda: None
                (disk / "ballast").unlink()

            places = postgres_schemas(self.url("small"))
            result = interrupt_work(places, rng, count, None, ballast)
            _execute(self.url(), "DROP DATABASE small WITH (FORCE)", "DROP TABLESPACE small")
            return result
        finally:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)


def main() -> None:
    """Run all faults that apply to the database, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500, help="processes to kill; other faults occur less often")
    parser.add_argument("--fault", action="append", help="only this one; can be passed several times")
    help_of_step = "kill only this step; can be passed several times"
    parser.add_argument("--step", action="append", default=[], choices=(CREATE, *STEPS), help=help_of_step)
    parser.add_argument("--seed", type=int, default=2026)
    database = parser.add_mutually_exclusive_group()
    database.add_argument("--url", help="an empty PostgreSQL database")
    database.add_argument("--postgres", action="store_true", help="start a temporary PostgreSQL server")
    options = parser.parse_args()
    fewer = max(1, options.kills // 25)
    faults: dict[str, tuple[Callable[..., FaultResult | None], int]] = {
        "kill -9": (partial(kills, only=options.step), options.kills),
        "two writers": (partial(writers, writer_count=2), fewer),
        "four writers": (partial(writers, writer_count=4), fewer),
        "half a file": (half_files, fewer),
    }
    with contextlib.ExitStack() as stack:
        if options.postgres or options.url:
            faults["cut connection"] = cut_connections, 2 * fewer
            url = options.url
            if options.postgres:
                server = stack.enter_context(PostgresServer.start())
                url = server.url()
                faults |= {"server restart": (server.restarts, fewer), "full disk": (server.full_disk, fewer)}
            places = postgres_schemas(url)
            name = f"PostgreSQL {_server_version(url)}"
        else:
            WORK.mkdir(exist_ok=True)
            places = sqlite_files(Path(stack.enter_context(tempfile.TemporaryDirectory(dir=WORK))))
            faults["full disk"] = full_disk_sqlite, 2 * fewer
            name = f"SQLite {sqlite3.sqlite_version}"
        chosen = {fault: run for fault, run in faults.items() if not options.fault or fault in options.fault}
        run_all(name, chosen, places, random.Random(options.seed))


def _server_version(url: str) -> str:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        version = str(connection.execute(text("SHOW server_version")).scalar_one()).split()[0]
    engine.dispose()
    return version


def run_all(
    name: str,
    faults: dict[str, tuple[Callable[..., FaultResult | None], int]],
    places: Iterator[str],
    rng: random.Random,
) -> None:
    """Run faults on a database and print their counts, and how often each step was interrupted."""
    print(f"{_processor()}; Python {platform.python_version()}, Kokin {kokin.__version__}\n")
    print(
        "| fault | database | rounds | interrupted | lost | doubled | broken | s |\n|---|---|--:|--:|--:|--:|--:|--:|"
    )
    steps: Counter[str] = Counter()
    is_clean = True
    for fault, (run, count) in faults.items():
        start = time.perf_counter()
        result = run(places, rng, count)
        if result is None:
            print(f"| {fault} | {name} | not run: no disk could be mounted | | | | | |", flush=True)
            continue
        counts = (result.rounds, result.interrupted, result.lost, result.doubled, result.broken)
        cells = " | ".join(map(str, (*counts, round(time.perf_counter() - start))))
        print(f"| {fault} | {name} | {cells} |", flush=True)
        steps += result.steps
        is_clean &= result.is_clean
    print("\ninterrupted steps: " + ", ".join(f"{step} {steps[step]}" for step in (CREATE, *STEPS)))
    if not is_clean:
        raise SystemExit("a ledger was damaged")


def _processor() -> str:
    """Return the name of the processor, if the system has it in ``/proc/cpuinfo``."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.machine()


if __name__ == "__main__":
    main()
