"""Faults: kill a posting at random points, fill the disk, cut the connection, post twice at once, feed half a file.

After each fault the ledger must verify, and in the end it must equal that of an undisturbed run.

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
    """Bills and files, and the state of a ledger after posting them."""

    bills: pa.Table
    files: list[pa.Table]
    outcomes: list[dict[str, Any]] = field(init=False)
    balances: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        done = reconcile(self.bills, self.files)
        self.outcomes, self.balances = done.outcomes.to_pylist(), done.balances.to_pylist()


def city(rng: random.Random, bill_count: int = 400, file_count: int = 5, size: int = 300) -> City:
    """A city whose files affect one another: duplicate and partial payments in any order, repeated in later files."""
    bills = [
        {**SLIP, "bill_id": f"B{n:04d}", "case_key": f"{n:020d}", "amount": 1_000 + n, "due_on": date(2026, 6, 1)}
        for n in range(bill_count)
    ]
    files = []
    for number in range(file_count):
        where = {"source": f"day-{number}.csv", "digest": f"{number:064d}"}
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
            rows.append({**SLIP, **where, **payment, "provider_key": f"EL{rng.randrange(800)}"})
        files.append(pa.Table.from_pylist(rows))
    return City(pa.Table.from_pylist(bills), files)


@dataclass
class Found:
    """The results of a fault."""

    rounds: int = 0
    hit: int = 0
    """Rounds in which the fault came before the end of the work."""
    broken: int = 0
    """Rounds after which the ledger did not verify, or differed from an undisturbed one."""


def check(url: str, found: Found, whole: City | None = None) -> None:
    """Verify a ledger and, if all files are posted, compare it with an undisturbed run."""
    with Ledger.open(url) as ledger:
        clean = ledger.verify(rematch=whole is not None).is_clean
        if whole and clean:
            same = ledger.outcomes().to_pylist() == whole.outcomes, ledger.balances().to_pylist() == whole.balances
            clean = all(same)
    found.broken += not clean


def post_all(url: str, files: list[pa.Table]) -> None:
    """Post files one after another, as a night's batch does."""
    with Ledger.open(url) as ledger:
        for file in files:
            ledger.post(file, actor="batch")


def post_all_or_stop(url: str, files: list[pa.Table]) -> None:
    """The same in a process whose connection is going to be cut: it ends with exit code 1, and no more is said."""
    try:
        post_all(url, files)
    except LedgerError:
        raise SystemExit(1) from None


def places(base: str) -> Iterator[str]:
    """URLs of empty databases: files beside each other, or one database emptied each time."""
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


def kills(base: str, rng: random.Random, count: int) -> Found:
    """Kill (-9) the posting process at random points until it has happened so many times; go on after each."""
    found, new_place = Found(), places(base)
    typical = 0.5
    while found.hit < count:
        some = city(rng)
        url = next(new_place)
        with Ledger.create(url) as ledger:
            ledger.add_bills(some.bills, actor="clerk")
        while True:
            worker = FORK.Process(target=post_all, args=(url, some.files))
            start = time.perf_counter()
            worker.start()
            # At first the end comes before the first commit, at times after the last.
            worker.join(rng.random() * 1.1 * typical if found.hit < count else None)
            done = worker.exitcode == 0
            if not done:
                os.kill(worker.pid or 0, signal.SIGKILL)
                worker.join()
                found.hit += 1
            else:
                typical = (typical + time.perf_counter() - start) / 2
            found.rounds += 1
            check(url, found, some if done else None)
            if done:
                break
    return found


def two_at_once(base: str, rng: random.Random, count: int) -> Found:
    """Two processes post the same files, each in its own order."""
    found, new_place = Found(), places(base)
    for _ in range(count):
        some, url = city(rng), next(new_place)
        with Ledger.create(url) as ledger:
            ledger.add_bills(some.bills, actor="clerk")
        workers = [FORK.Process(target=post_all, args=(url, rng.sample(some.files, len(some.files)))) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            found.broken += worker.exitcode != 0
        found.rounds += 1
        found.hit += 1
        check(url, found, some)
    return found


def disk_full(base: str, rng: random.Random, count: int) -> Found:
    """The database may not grow beyond a page somewhere in the posting (SQLite)."""
    found, new_place = Found(), places(base)
    for _ in range(count):
        some, url = city(rng), next(new_place)
        with Ledger.create(url) as ledger:
            ledger.add_bills(some.bills, actor="clerk")
            room = rng.randrange(1, 30)

            def limit(connection: Any, _: Any, room: int = room) -> None:
                pages = connection.execute("PRAGMA page_count").fetchone()[0]
                connection.execute(f"PRAGMA max_page_count = {pages + room}")

            event.listen(ledger._database.engine, "connect", limit)
            ledger._database.engine.dispose()
            with contextlib.suppress(LedgerError):
                for file in some.files:
                    ledger.post(file, actor="batch")
                found.hit -= 1
            found.hit += 1
        found.rounds += 1
        check(url, found)
        post_all(url, some.files)
        check(url, found, some)
    return found


def connection_cut(base: str, rng: random.Random, count: int) -> Found:
    """The server ends the posting's connection at a random moment (PostgreSQL), until it has hit so many times."""
    found, new_place = Found(), places(base)
    ours = make_url(base).set(drivername="postgresql+psycopg")
    typical = 0.5
    while found.hit < count:
        some, url = city(rng), next(new_place)
        with Ledger.create(url) as ledger:
            ledger.add_bills(some.bills, actor="clerk")
        worker = FORK.Process(target=post_all_or_stop, args=(url, some.files))
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
            found.hit += 1
        else:
            typical = (typical + time.perf_counter() - start) / 2
        found.rounds += 1
        check(url, found)
        post_all(url, some.files)
        check(url, found, some)
    return found


def half_a_file(base: str, rng: random.Random, count: int) -> Found:
    """A direct-debit file of which only a part has arrived; then the whole of it."""
    found, new_place = Found(), places(base)
    for _ in range(count):
        with tempfile.TemporaryDirectory() as folder, Ledger.create(next(new_place)) as ledger:
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
                found.hit += 1
            found.broken += ledger.status() != before
            path.write_bytes(whole)
            ledger.post(receipt_files.open(path, layout, reference_date=day), actor="batch")
            same = ledger.verify(rematch=True).is_clean and ledger.status()["receipts"] == len(rows)
            found.broken += not same
        found.rounds += 1
    return found


def main() -> None:
    """Run all faults that the database knows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--url", default=f"sqlite:///{WORK}/faults/city.db")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    lite = make_url(options.url).get_backend_name() == "sqlite"
    some = max(1, options.kills // 10)
    faults = [
        (kills, options.kills),
        (two_at_once, some),
        (half_a_file, some),
        (disk_full if lite else connection_cut, some),
    ]
    print(f"{make_url(options.url).get_backend_name()}\n")
    print("| fault | rounds | hit the work | broken ledgers | s |\n|---|---|---|---|---|")
    for fault, count in faults:
        start = time.perf_counter()
        found = fault(options.url, rng, count)
        seconds = time.perf_counter() - start
        print(f"| {fault.__name__} | {found.rounds} | {found.hit} | {found.broken} | {seconds:.0f} |", flush=True)
    if lite:
        shutil.rmtree(WORK / "faults", ignore_errors=True)


if __name__ == "__main__":
    main()
