"""How fast a run becomes what people read: every table, all of them as CSV, the page, and a workbook.

``python benchmarks/reports.py [--rows N] [--xlsx N]``
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars
import pyarrow as pa

from kokin import reports
from kokin._arrow.convert import combine, from_numpy, int64_array, string_array
from kokin._arrow.digits import to_digits
from kokin.reconcile import build_accounts, reconcile
from kokin.reports import Report, of_run

AS_OF = date(2026, 11, 2)
CHARGES = (
    "fixed-asset-tax",
    "individual-resident-tax",
    "light-vehicle-tax",
    "national-health-insurance-premium",
    "long-term-care-premium",
    "water-charge",
    "childcare-fee",
    "housing-rent",
)
CHANNELS = ("app", "site", "bank", "セブン－イレブン", "ローソン", "ファミリーマート", "PayPay", None)


def city(rows: int) -> tuple[pa.Table, pa.Table]:
    """As many bills as receipts: of these 2 % pay again, 1 % less, 1 % more, and 1 % carry an unknown number."""
    rng = np.random.default_rng(2026)
    number = np.arange(rows)
    charge = rng.integers(0, len(CHARGES), rows)
    amount = rng.integers(10, 900, rows) * 100
    due = np.datetime64("2026-04-30") + rng.integers(0, 11, rows) * 30

    def slips(which: np.ndarray) -> dict[str, object]:
        return {
            "payee_code": pa.repeat("99999", rows),
            "item_code": pa.array([f"{901 + at}" for at in range(len(CHARGES))]).take(charge[which]),
            "case_key": digits(which * 7, 20),
            "confirmation": digits(which % 1_000_000, 6),
        }

    def days(some: np.ndarray) -> pa.Array:
        return from_numpy(some.astype("datetime64[D]").view(np.int64).astype(np.int32), pa.date32())

    bills = pa.table(
        {
            "bill_id": digits(number, 12),
            **slips(number),
            "amount": int64_array(amount),
            "due_on": days(due),
            "charge": pa.array(CHARGES).take(charge),
            "payer_key": digits(number // 4, 10),
        }
    )
    paid = rng.permutation(rows)
    paid[: rows // 50] = paid[rows // 50 : 2 * (rows // 50)]
    yen = amount[paid]
    luck = rng.integers(0, 100, rows)
    told = slips(paid)
    told["case_key"] = digits(np.where(luck == 9, paid * 7 + 1, paid * 7), 20)
    paid_on = np.datetime64("2026-04-05") + rng.integers(0, 205, rows)
    receipts = pa.table(
        {
            "source": pa.repeat("day.csv", rows),
            "digest": pa.repeat("ab" * 32, rows),
            "record_no": int64_array(number + 1),
            **told,
            "amount": int64_array(yen - 100 * (luck == 7) + 100 * (luck == 8)),
            "paid_on": days(paid_on),
            "received_on": days(paid_on + 3),
            "settled_on": days(paid_on + 5),
            "channel": pa.array(CHANNELS).take(rng.integers(0, len(CHANNELS), rows)),
        }
    )
    return bills, receipts


def digits(numbers: np.ndarray, width: int) -> pa.Array:
    """Numbers as texts of so many digits."""
    return string_array(np.ascontiguousarray(to_digits(numbers, width)))


def measured(what: Callable[[], object], runs: int) -> tuple[float, float]:
    """The median seconds of the wall clock and of all cores."""
    walls, cpus = [], []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        what()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def main() -> None:
    """Measure, and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000, help="bills, and receipts")
    options.add_argument("--xlsx", type=int, default=100_000, help="outcomes of the workbook; 0: none")
    options.add_argument("--runs", type=int, default=5)
    given = options.parse_args()
    bills, receipts = city(given.rows)
    result = reconcile(bills, receipts)
    assert len(result.outcomes) == len(result.balances) == given.rows

    def made() -> Report:
        return of_run(result, build_accounts(result, as_of=AS_OF))

    report = made()
    told = {"outcomes": report.tables["outcomes"]}
    rows = sum(map(len, report.tables.values()))
    outcomes = polars.from_arrow(told["outcomes"])
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        out = Path(folder)
        jobs: dict[str, Callable[[], object]] = {
            "the accounts and all tables": made,
            f"all CSV ({rows:,} rows), UTF-8 with BOM": lambda: report.write(out / "csv", ["csv"]),
            "all CSV, cp932": lambda: report.write(out / "cp932", ["csv"], encoding="cp932"),
            "the page": report.page,
            "outcomes.csv alone": lambda: reports.write_csv(told["outcomes"], out / "outcomes.csv"),
            "outcomes.csv by Polars, nothing defused": lambda: outcomes.write_csv(out / "polars.csv"),
        }
        times = {name: measured(job, given.runs) for name, job in jobs.items()}
        if given.xlsx:
            some = {name: in_rows(table, given.xlsx) for name, table in told.items()}
            small = Report(AS_OF, report.summary, some)
            name = f"a workbook of {len(some['outcomes']):,} outcomes"
            times[name] = measured(lambda: small.write(out / "xlsx", ["xlsx"], tables=["outcomes"]), 1)
        size = sum(path.stat().st_size for path in (out / "csv").iterdir()) / 1e6
    machine = Path("/proc/cpuinfo").read_text().split("model name")[1].split("\n")[0].strip("\t: ")
    versions = ", ".join(f"{name} {version(name)}" for name in ("pyarrow", "numpy", "polars", "XlsxWriter"))
    print(f"{machine}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}\n")
    print(f"{given.rows:,} bills and receipts; {size:,.0f} MB of CSV; a page of {len(report.page()) / 1e6:.1f} MB")
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB; median of {given.runs}\n")
    print("| what | seconds | CPU seconds |\n|---|---:|---:|")
    for name, (wall, cpu) in times.items():
        print(f"| {name} | {wall:.2f} | {cpu:.2f} |")


def in_rows(table: pa.Table, rows: int) -> pa.Table:
    """The first rows of a table, as a table of its own."""
    return pa.table([combine(column) for column in table.slice(0, rows).columns], schema=table.schema)


if __name__ == "__main__":
    main()
