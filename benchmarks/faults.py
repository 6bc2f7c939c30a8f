"""Inject faults into postings: kill at random points, full disk, cut connection, concurrent posting, half a file.

After each fault the ledger must verify, and the final ledger must equal that of an undisturbed run.

    python benchmarks/faults.py [--kills N] [--url URL] [--seed N]

``--url`` names an empty PostgreSQL database; without it the ledger is an SQLite file in ``benchmarks/_work``.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import create_engine, event, make_url, text

from kokin import receipts as receipt_files
from kokin.issues import InvalidInputError
from kokin.ledger import Ledger, LedgerError
from kokin.reconcile import reconcile

WORK = Path(__file__).parent / "_work"
FORK = multiprocessing.get_context("fork")
SLIP = {"payee_code": "99999", "item_code": "127", "confirmation": "123456"}


@dataclass
class City:
    """Bills and receipt files, with the outcomes and balances of an undisturbed run."""

    bills: pa.Table
    files: list[pa.Table]
    outcomes: list[dict[str, Any]] = field(init=False)
    balances: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        result = reconcile(self.bills, self.files)
        self.outcomes, self.balances = result.outcomes.to_pylist(), result.balances.to_pylist()


def city(rng: random.Random, bill_count: int = 400, file_count: int = 5, size: int = 300) -> City:
    """Return a city with many interacting receipts: double, partial, unordered and duplicate payments."""
    bills = [
        {**SLIP, "bill_id": f"B{n:04d}", "case_key": f"{n:020d}", "amount": 1_000 + n, "due_on": date(2026, 6, 1)}
        for n in range(bill_count)
    ]
    files = []
    for number in range(file_count):
        file_columns = {"source": f"day-{number}.csv", "digest": f"{number:064d}"}
        rows = []
        for record in range(1, size + 1):
            paid = rng.randrange(bill_count + 20)
            yen = rng.choice((1_000 + paid, 1_000 + paid, 500))
            payment = {
                "record_no": record,
                "case_key": f"{paid:020d}",
                "amount": yen,
                "paid_on": date(2026, 5, rng.randrange(1, 29)),
            }
            rows.append({**SLIP, **file_columns, **payment, "provider_key": f"EL{rng.randrange(800)}"})
        files.append(pa.Table.from_pylist(rows))
    return City(pa.Table.from_pylist(bills), files)


@dataclass
class FaultResult:
    """Counts of the rounds of one fault."""

    rounds: int = 0
    hit: int = 0
    """Rounds in which the fault occurred before the work was finished."""
    broken: int = 0
    """Rounds after which the ledger did not verify or differed from the undisturbed run."""


def check(url: str, result: FaultResult, whole: City | None = None) -> None:
    """Verify a ledger; if ``whole`` is passed, also compare it with the undisturbed run."""
    with Ledger.open(url) as ledger:
        clean = ledger.verify(rematch=whole is not None).is_clean
        if whole and clean:
            same = ledger.outcomes().to_pylist() == whole.outcomes, ledger.balances().to_pylist() == whole.balances
            clean = all(same)
    result.broken += not clean


def post_all(url: str, files: list[pa.Table]) -> None:
    """Post files one after another, as a nightly batch does."""
    with Ledger.open(url) as ledger:
        for file in files:
            ledger.post(file, actor="batch")


def post_all_or_stop(url: str, files: list[pa.Table]) -> None:
    """Post files in a process whose connection will be cut; exit with code 1, without a traceback."""
    try:
        post_all(url, files)
    except LedgerError:
        raise SystemExit(1) from None


def empty_databases(base: str) -> Iterator[str]:
    """Yield the URL of an empty database: the SQLite file is deleted, or the PostgreSQL schema is recreated."""
    url = make_url(base)
    if url.get_backend_name() == "sqlite":
        while True:
            Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
            for path in Path(url.database or "").parent.glob(Path(url.database or "").name + "*"):
                path.unlink()
            yield base
    while True:
        engine = create_engine(url.set(drivername="postgresql+psycopg"))
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
        yield base


def kills(base: str, rng: random.Random, count: int) -> FaultResult:
    """Kill (-9) the posting process at random points, ``count`` times; post again after each kill."""
    result, urls = FaultResult(), empty_databases(base)
    typical = 0.5
    while result.hit < count:
        town = city(rng)
        url = next(urls)
        with Ledger.create(url) as ledger:
            ledger.add_bills(town.bills, actor="clerk")
        while True:
            worker = FORK.Process(target=post_all, args=(url, town.files))
            start = time.perf_counter()
            worker.start()
            # The random time covers the whole run, from before the first commit to after the last one.
            worker.join(rng.random() * 1.1 * typical if result.hit < count else None)
            done = worker.exitcode == 0
            if not done:
                os.kill(worker.pid or 0, signal.SIGKILL)
                worker.join()
                result.hit += 1
            else:
                typical = (typical + time.perf_counter() - start) / 2
            result.rounds += 1
            check(url, result, town if done else None)
            if done:
                break
    return result


def two_at_once(base: str, rng: random.Random, count: int) -> FaultResult:
    """Post the same files from two concurrent processes, each in a random order."""
    result, urls = FaultResult(), empty_databases(base)
    for _ in range(count):
        town, url = city(rng), next(urls)
        with Ledger.create(url) as ledger:
            ledger.add_bills(town.bills, actor="clerk")
        workers = [FORK.Process(target=post_all, args=(url, rng.sample(town.files, len(town.files)))) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            result.broken += worker.exitcode != 0
        result.rounds += 1
        result.hit += 1
        check(url, result, town)
    return result


def disk_full(base: str, rng: random.Random, count: int) -> FaultResult:
    """Limit the size of the database to a page count that is reached during the posting (SQLite)."""
    result, urls = FaultResult(), empty_databases(base)
    for _ in range(count):
        town, url = city(rng), next(urls)
        with Ledger.create(url) as ledger:
            ledger.add_bills(town.bills, actor="clerk")
            free_pages = rng.randrange(1, 30)

            def limit(connection: Any, _: Any, free_pages: int = free_pages) -> None:
                pages = connection.execute("PRAGMA page_count").fetchone()[0]
                connection.execute(f"PRAGMA max_page_count = {pages + free_pages}")

            event.listen(ledger._database.engine, "connect", limit)
            ledger._database.engine.dispose()
            with contextlib.suppress(LedgerError):
                for file in town.files:
                    ledger.post(file, actor="batch")
                result.hit -= 1
            result.hit += 1
        result.rounds += 1
        check(url, result)
        post_all(url, town.files)
        check(url, result, town)
    return result


def connection_cut(base: str, rng: random.Random, count: int) -> FaultResult:
    """Terminate the connection of the posting at random times (PostgreSQL), until ``count`` postings were hit."""
    result, urls = FaultResult(), empty_databases(base)
    ours = make_url(base).set(drivername="postgresql+psycopg")
    typical = 0.5
    while result.hit < count:
        town, url = city(rng), next(urls)
        with Ledger.create(url) as ledger:
            ledger.add_bills(town.bills, actor="clerk")
        worker = FORK.Process(target=post_all_or_stop, args=(url, town.files))
        start = time.perf_counter()
        worker.start()
        worker.join(rng.random() * typical)
        engine = create_engine(ours)
        with engine.begin() as connection:
            others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            connection.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
        engine.dispose()
        worker.join()
        if worker.exitcode:
            result.hit += 1
        else:
            typical = (typical + time.perf_counter() - start) / 2
        result.rounds += 1
        check(url, result)
        post_all(url, town.files)
        check(url, result, town)
    return result


def half_a_file(base: str, rng: random.Random, count: int) -> FaultResult:
    """Post a truncated direct-debit file, which must be rejected; then post the complete file."""
    result, urls = FaultResult(), empty_databases(base)
    for _ in range(count):
        with tempfile.TemporaryDirectory() as folder, Ledger.create(next(urls)) as ledger:
            path = Path(folder) / "debit.txt"
            rows = [
                {
                    "paid_on": date(2026, 5, 26),
                    "amount": rng.randrange(100, 9_999),
                    "customer_number": f"{n:020d}",
                    "result": "0",
                }
                for n in range(40)
            ]
            for row in rows:
                row |= {"bank_code": "9999", "branch_code": "001", "account_number": "1234567", "bank_name": "ﾃｽﾄｷﾞﾝｺｳ"}
            header = {"consignor_name": "ﾃｽﾄｼ", "bank_code": "9999"}
            receipt_files.write(rows, path, "zengin-91", header=header)
            whole = path.read_bytes()
            path.write_bytes(whole[: rng.randrange(1, len(whole) - 130)])
            before = ledger.status()
            layout, day = "zengin-91", date(2026, 5, 26)
            try:
                ledger.post(receipt_files.open(path, layout, reference_date=day), actor="batch")
            except InvalidInputError:
                result.hit += 1
            result.broken += ledger.status() != before
            path.write_bytes(whole)
            ledger.post(receipt_files.open(path, layout, reference_date=day), actor="batch")
            same = ledger.verify(rematch=True).is_clean and ledger.status().rows["receipts"] == len(rows)
            result.broken += not same
        result.rounds += 1
    return result


def main() -> None:
    """Run all faults that apply to the database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--url", default=f"sqlite:///{WORK}/faults/city.db")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    is_sqlite = make_url(options.url).get_backend_name() == "sqlite"
    fewer = max(1, options.kills // 10)
    faults = [
        (kills, options.kills),
        (two_at_once, fewer),
        (half_a_file, fewer),
        (disk_full if is_sqlite else connection_cut, fewer),
    ]
    print(f"{make_url(options.url).get_backend_name()}\n")
    print("| fault | rounds | during the posting | broken ledgers | s |\n|---|---|---|---|---|")
    for fault, count in faults:
        start = time.perf_counter()
        result = fault(options.url, rng, count)
        seconds = time.perf_counter() - start
        print(f"| {fault.__name__} | {result.rounds} | {result.hit} | {result.broken} | {seconds:.0f} |", flush=True)
    if is_sqlite:
        shutil.rmtree(WORK / "faults", ignore_errors=True)


if __name__ == "__main__":
    main()
