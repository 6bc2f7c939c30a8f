"""Speed of the ledger: load bills, post a large file and a day's file, verify, read the status.

Bills have an eL number and a barcode; receipts contain the eL number. Most pay the exact amount; some are double or
partial payments, or have no bill. Each step runs once, because a ledger is created once, so the figures include the
noise of the machine. The input is prepared before the clock starts: the bills are in an Arrow file, which is read in
chunks, the receipts in a table. The CPU time is that of this process and excludes the database server.

    python benchmarks/ledger.py [--bills N] [--receipts N] [--daily N] [--url URL] [--without PART]
    python benchmarks/ledger.py --entries N [--url URL]
    python benchmarks/ledger.py --debts N [--url URL]
    python benchmarks/ledger.py --read [--url URL]
    python benchmarks/ledger.py --exceptions N [--url URL]

Without ``--url`` the ledger is an SQLite file in ``benchmarks/_work``. ``--without`` removes foreign keys, checks,
guards (triggers) or indexes of the new ledger first, to measure what they cost. ``--entries`` builds a ledger of many
small entries instead, as after ten years, and times what reads it. ``--debts`` allots numbers to slips instead,
``--exceptions`` lists payments of which each has a wrong digit in its number. ``--read`` reads the ledger of an earlier
run, each time in a new process.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import platform
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
from sqlalchemy import event, text

from kokin.ledger import Ledger
from kokin.reports import Report, read_decisions, write_rows, write_work_list
from kokin.slips import NumberScheme

WORK = Path(__file__).parent / "_work"
CHUNK_ROWS = 1 << 17
FIRST_DAY = date(2026, 5, 1)


def slip(numbers: np.ndarray) -> dict[str, pa.Array]:
    """Return the key columns of bills: distinct eL numbers in scrambled order."""
    scrambled = pa.array((numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(4))
    constant = {"payee_code": "99999", "item_code": "127", "confirmation": "123456"}
    columns = {name: pa.repeat(pa.scalar(value), len(numbers)) for name, value in constant.items()}
    return {**columns, "case_key": pc.utf8_lpad(scrambled.cast(pa.string()), 20, "0")}


def bills(count: int) -> Iterator[pa.Table]:
    """Yield bills of 1,000 to 99,999 yen in chunks."""
    for start in range(0, count, CHUNK_ROWS):
        numbers = np.arange(start, min(start + CHUNK_ROWS, count))
        texts = pa.array(numbers).cast(pa.string())
        free = pc.utf8_lpad(texts, 21, "0")
        barcode = pc.binary_join_element_wise("91929999", free, "0999999", "000000", "00", "")
        yield pa.table(
            {
                "bill_id": pc.binary_join_element_wise("B", pc.utf8_lpad(texts, 9, "0"), ""),
                **slip(numbers),
                "amount": pa.array(amount_of(numbers)),
                "due_on": pa.repeat(pa.scalar(date(2026, 6, 1)), len(numbers)),
                "barcode": barcode,
            }
        )


def amount_of(numbers: np.ndarray) -> np.ndarray:
    """Return the yen of each bill."""
    return 1_000 + numbers * 7_919 % 99_000


def receipts(count: int, bill_count: int, day: int, seed: int) -> pa.Table:
    """Return the receipts of one file."""
    random = np.random.default_rng(seed)
    paid = random.permutation(bill_count)[:count] if count <= bill_count else random.integers(0, bill_count, count)
    chance = random.random(count)
    paid[1:][chance[1:] < 0.01] = paid[:-1][chance[1:] < 0.01]
    amount = amount_of(paid)
    amount[chance > 0.99] //= 2
    paid[(chance > 0.98) & (chance < 0.985)] += bill_count
    days = pa.array([FIRST_DAY + timedelta(days=day + n) for n in range(3)])
    return pa.table(
        {
            "source": pa.repeat(pa.scalar(f"day-{day}.csv"), count),
            "digest": pa.repeat(pa.scalar(f"{seed:064x}"), count),
            **slip(paid),
            "amount": pa.array(amount),
            "paid_on": days.take(pa.array(random.integers(0, 3, count))),
            "channel": pa.repeat(pa.scalar("app"), count),
            "provider_key": pc.binary_join_element_wise(
                "EL", pc.utf8_lpad(pa.array(np.arange(count) + seed * 10**8).cast(pa.string()), 12, "0"), ""
            ),
        }
    )


def write_bills(count: int) -> Path:
    """Write bills to an Arrow file and return its path."""
    path = WORK / "bills.arrow"
    chunks = bills(count)
    first = next(chunks)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, first.schema) as writer:
        for chunk in itertools.chain([first], chunks):
            writer.write_table(chunk)
    return path


def read_bills(path: Path) -> Iterator[pa.Table]:
    """Yield the bills of an Arrow file in chunks."""
    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
        for index in range(reader.num_record_batches):
            yield pa.Table.from_batches([reader.get_batch(index)])


def timed(name: str, count: int, work: Callable[[], Any], rows: Callable[[], int]) -> None:
    """Run a step and print its row; ``rows`` returns the number of rows of all tables."""
    before, cpu, start = rows(), time.process_time(), time.perf_counter()
    work()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    added = rows() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = f"{count:,} | {seconds:.2f} | {count / seconds:,.0f} | {added:,} | {added / seconds:,.0f}"
    print(f"| {name} | {figures} | {cpu / count * 1e6:.1f} | {peak:,.0f} |", flush=True)


def remove(part: str, ledger: Ledger) -> None:
    """Remove a part of the schema of a new ledger."""
    engine = ledger._database.engine
    if engine.dialect.name == "sqlite":
        pragma = {"foreign-keys": "foreign_keys = OFF", "checks": "ignore_check_constraints = ON"}.get(part)
        if pragma:
            event.listen(engine, "connect", lambda connection, _: connection.execute(f"PRAGMA {pragma}"))
            engine.dispose()
        if part == "guards":
            with engine.begin() as connection:
                ledger._database.drop_guards(connection)
        return
    kind = {"foreign-keys": "f", "checks": "c"}.get(part)
    with engine.begin() as connection:
        if kind:
            query = "SELECT conrelid::regclass, conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
            for table, name in connection.execute(text(f"{query} AND contype = '{kind}'")).all():
                connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
        if part == "guards":
            ledger._database.drop_guards(connection)


def many_entries(url: str, count: int) -> None:
    """Build a ledger of small entries, and time what reads all of them."""
    slip_of = {"payee_code": "99999", "item_code": "127", "confirmation": "123456"}
    with Ledger.create(url) as ledger:
        numbers = range(1, 3 * count + 1)
        rows = [{"bill_id": f"B{n}", "case_key": f"{n:020d}", "amount": 1_000, "due_on": FIRST_DAY} for n in numbers]
        ledger.add_bills(pa.Table.from_pylist([{**slip_of, **row} for row in rows]), actor="clerk")
        start = time.perf_counter()
        for number in range(count):
            paid = [
                {**slip_of, "case_key": f"{3 * number + n:020d}", "amount": 1_000, "paid_on": FIRST_DAY}
                for n in (1, 2, 3)
            ]
            done = ledger.post(pa.Table.from_pylist(paid), source=f"{number}.csv", actor="batch")
            if number % 50 == 7:
                ledger.reverse_entry(done.entry.id, reason="another authority's file", actor="chief")
            if number % 50 == 9:
                deposit = pa.table({"credited_on": [FIRST_DAY], "amount": [number]})
                ledger.add_deposits(deposit, actor="clerk", source=f"{number}.txt")
        print(f"{count:,} files in {time.perf_counter() - start:.0f} s\n")
        print("| read | s |\n|---|---|")
        reads: dict[str, Callable[[], Any]] = {
            "status": ledger.status,
            "status without T7": lambda: ledger.status(recompute=False),
            "totals": ledger.totals,
            "bank_deposits": ledger.bank_deposits,
            "the last ten entries": lambda: ledger.entries(10),
            "balances": ledger.balances,
            "report": lambda: Report.from_ledger(ledger),
            "verify": ledger.verify,
        }
        for name, read in reads.items():
            seconds = []
            for _ in range(5):
                begin = time.perf_counter()
                read()
                seconds.append(time.perf_counter() - begin)
            print(f"| {name} | {sorted(seconds)[2]:.2f} |", flush=True)


def write_report(ledger: Ledger) -> None:
    """Write the files of ``kokin report`` into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        Report.from_ledger(ledger).write(folder, formats=("csv", "html"))


def write_changes(ledger: Ledger) -> None:
    """Write the changes of all entries into a temporary folder, as the first ``kokin ledger changes`` of a cursor."""
    with tempfile.TemporaryDirectory() as folder, ledger.change_batches("benchmark") as found:
        write_rows(found.batches, Path(folder, "changes.csv"))


def close_month(ledger: Ledger) -> None:
    """Close the month of the receipts, in a transaction that is rolled back."""
    with ledger.dry_run():
        ledger.close_period("month", FIRST_DAY, actor="chief")


READS: dict[str, Callable[[Ledger], Any]] = {
    "balances": Ledger.balances,
    "outcomes": Ledger.outcomes,
    "status": Ledger.status,
    "report": write_report,
    "changes": write_changes,
    "close month": close_month,
}


def read(url: str, name: str) -> None:
    """Read a ledger in one way, and print its row of the table of :func:`read_all`."""
    cpu, start = time.process_time(), time.perf_counter()
    with Ledger.open(url) as ledger:
        READS[name](ledger)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {name} | {seconds:.2f} | {cpu:.2f} | {peak:,.0f} |", flush=True)


def read_all(url: str) -> None:
    """Read a ledger in each way of :data:`READS`, each in a new process, so that the peaks are those of one."""
    print("| read | s | CPU s | peak MB |\n|---|---|---|---|")
    processes = multiprocessing.get_context("spawn")
    for name in READS:
        process = processes.Process(target=read, args=(url, name))
        process.start()
        process.join()


def numbers(url: str, count: int) -> None:
    """Allot numbers to debts, the same debts again, and to a tenth of them again; check the slips before print."""
    scheme = NumberScheme.parse(
        {
            "case_key": "{levy_year}{item_code}{serial:9}{check}",
            "check_digit": "mod11",
            "barcode": {"company_code": "929023", "free_field": "{case_key:20}"},
        }
    )

    def debts(debt_count: int, issue_no: int) -> pa.Table:
        rows = np.arange(debt_count)
        constant = {"payee_code": "99999", "item_code": "127", "levy_year": 2026, "issue_no": issue_no}
        days = {"due_on": date(2026, 6, 1), "payable_until": date(2026, 7, 10)}
        return pa.table(
            {
                "obligation_id": pc.binary_join_element_wise("2026-127-", pa.array(rows).cast(pa.string()), ""),
                "amount": pa.array(amount_of(rows)),
                **{name: pa.repeat(pa.scalar(value), debt_count) for name, value in {**constant, **days}.items()},
            }
        )

    first, second = debts(count, 1), debts(count // 10, 2)
    with Ledger.create(url) as ledger:

        def rows() -> int:
            return ledger.status(recompute=False).rows["slip_numbers"]

        print_header()
        timed("allot numbers", count, lambda: ledger.allot(first, scheme, actor="clerk"), rows)
        timed("the same debts again", count, lambda: ledger.allot(first, scheme, actor="clerk"), rows)
        slips = ledger.allot(first, scheme, actor="clerk").bills
        timed("check slips", count, lambda: ledger.check_slips(slips), rows)
        timed("reissue a tenth", count // 10, lambda: ledger.allot(second, scheme, actor="clerk"), rows)


def work_list(url: str, count: int) -> None:
    """List payments of which each has a wrong digit, with candidates, and write the list as a workbook and as CSV."""
    keys = np.random.default_rng(1).permutation(count * 50)[:count] * 100
    slip = {"payee_code": "99999", "item_code": "127", "confirmation": "123456"}
    constant = {name: pa.repeat(pa.scalar(value), count) for name, value in slip.items()}
    amount = pa.array(1_000 + np.arange(count) % 5_000)
    days = pa.repeat(pa.scalar(FIRST_DAY), count)
    ids = pa.array([f"B{number}" for number in range(count)])
    payers = pa.array([f"P{number // 3}" for number in range(count)])
    known, mistyped = (pa.array(numbers).cast(pa.string()) for numbers in (keys, keys + 1))
    bills = pa.table(
        {**constant, "bill_id": ids, "case_key": known, "amount": amount, "due_on": days, "payer_key": payers}
    )
    payments = pa.table({**constant, "case_key": mistyped, "amount": amount, "paid_on": days})
    print_header()
    with Ledger.create(url) as ledger:
        ledger.add_bills(bills, actor="clerk")
        ledger.post(payments, actor="batch")

        def rows() -> int:
            return count

        exceptions = ledger.work_list()
        timed("work list", count, ledger.work_list, rows)
        for name in ("work.xlsx", "work.csv"):
            path = WORK / name
            timed(f"write {name}", count, lambda path=path: write_work_list(exceptions, path, ledger.id), rows)
            timed(f"read {name}", count, lambda path=path: read_decisions(path, ledger.id), rows)


def print_header() -> None:
    """Print the head of the table of :func:`timed`."""
    print("| step | input rows | s | input rows/s | table rows | table rows/s | CPU µs each | peak MB so far |")
    print("|---|---|---|---|---|---|---|---|")


def main() -> None:
    """Run all steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bills", type=int, default=1_000_000)
    parser.add_argument("--receipts", type=int, default=1_000_000)
    parser.add_argument("--daily", type=int, default=100_000)
    parser.add_argument("--url", default="")
    parser.add_argument("--entries", type=int, default=0)
    parser.add_argument("--debts", type=int, default=0)
    parser.add_argument("--read", action="store_true")
    parser.add_argument("--exceptions", type=int, default=0)
    parser.add_argument("--without", choices=("foreign-keys", "checks", "guards"))
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    if not options.url and not options.read:
        for path in WORK.glob("ledger.db*"):
            path.unlink()
    url = options.url or f"sqlite:///{WORK}/ledger.db"
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ":")
    print(f"{cpu.split(':')[1].strip()}, {os.cpu_count()} cores; Python {platform.python_version()}, ", end="")
    print(f"SQLite {sqlite3.sqlite_version}, pyarrow {pa.__version__}\n")
    if options.read:
        read_all(url)
        return
    if options.entries:
        many_entries(url, options.entries)
        return
    if options.debts:
        numbers(url, options.debts)
        return
    if options.exceptions:
        work_list(url, options.exceptions)
        return
    path = write_bills(options.bills)
    print_header()
    with Ledger.create(url) as ledger:
        if options.without:
            remove(options.without, ledger)

        def rows() -> int:
            status = ledger.status(recompute=False)
            return status.entries + sum(status.rows.values())

        daily = receipts(options.daily, options.bills, 0, 1)
        large = receipts(options.receipts, options.bills, 3, 2) if options.receipts else None
        next_day = receipts(options.daily, options.bills, 6, 3)
        timed("load bills", options.bills, lambda: ledger.add_bills(read_bills(path), actor="clerk"), rows)
        noted = ledger.status(recompute=False).hash
        timed("post a day's file", options.daily, lambda: ledger.post(daily, actor="batch"), rows)
        if large is not None:
            timed("post a large file", options.receipts, lambda: ledger.post(large, actor="batch"), rows)
        timed("post another day's file", options.daily, lambda: ledger.post(next_day, actor="batch"), rows)
        timed("the same file again", options.daily, lambda: ledger.post(next_day, actor="batch"), rows)
        timed(
            "verify since the load",
            options.receipts + 2 * options.daily,
            lambda: print_unless_clean(ledger, noted),
            rows,
        )
        timed("status without T7", 1, lambda: ledger.status(recompute=False), rows)
        timed("status", options.bills, ledger.status, rows)
        timed("verify", options.bills + options.receipts + 2 * options.daily, lambda: print_unless_clean(ledger), rows)


def print_unless_clean(ledger: Ledger, since: str = "") -> None:
    """Verify the ledger; print the issues, if any."""
    result = ledger.verify(since=since)
    if not result.is_clean:
        print(result.issues)


if __name__ == "__main__":
    main()
