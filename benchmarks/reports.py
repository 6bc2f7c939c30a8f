"""Speed of reports: all tables, all tables as CSV, the HTML page, and an Excel workbook.

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
from kokin.reports import Report

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
    """Return as many bills as receipts: 2 % double payments, 1 % underpaid, 1 % overpaid, 1 % with an unknown key."""
    rng = np.random.default_rng(2026)
    number = np.arange(rows)
    charge = rng.integers(0, len(CHARGES), rows)
    amount = rng.integers(10, 900, rows) * 100
    due = np.datetime64("2026-04-30") + rng.integers(0, 11, rows) * 30

    def slips(numbers: np.ndarray) -> dict[str, object]:
        return {
            "payee_code": pa.repeat("99999", rows),
            "item_code": pa.array([f"{901 + at}" for at in range(len(CHARGES))]).take(charge[numbers]),
            "case_key": digits(numbers * 7, 20),
            "confirmation": digits(numbers % 1_000_000, 6),
        }

    def days(dates: np.ndarray) -> pa.Array:
        return from_numpy(dates.astype("datetime64[D]").view(np.int64).astype(np.int32), pa.date32())

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
    chance = rng.integers(0, 100, rows)
    keys = slips(paid)
    keys["case_key"] = digits(np.where(chance == 9, paid * 7 + 1, paid * 7), 20)
    paid_on = np.datetime64("2026-04-05") + rng.integers(0, 205, rows)
    receipts = pa.table(
        {
            "source": pa.repeat("day.csv", rows),
            "digest": pa.repeat("ab" * 32, rows),
            "record_no": int64_array(number + 1),
            **keys,
            "amount": int64_array(yen - 100 * (chance == 7) + 100 * (chance == 8)),
            "paid_on": days(paid_on),
            "received_on": days(paid_on + 3),
            "settled_on": days(paid_on + 5),
            "channel": pa.array(CHANNELS).take(rng.integers(0, len(CHANNELS), rows)),
        }
    )
    return bills, receipts


def digits(numbers: np.ndarray, width: int) -> pa.Array:
    """Return numbers as strings of ``width`` digits."""
    return string_array(np.ascontiguousarray(to_digits(numbers, width)))


def measured(job: Callable[[], object], runs: int) -> tuple[float, float]:
    """Return the median wall-clock and CPU seconds."""
    walls, cpus = [], []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        job()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def main() -> None:
    """Run the benchmark and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="number of bills and of receipts")
    parser.add_argument("--xlsx", type=int, default=100_000, help="outcomes in the workbook; 0: no workbook")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    bills, receipts = city(options.rows)
    result = reconcile(bills, receipts)
    assert len(result.outcomes) == len(result.balances) == options.rows

    def build_report() -> Report:
        return Report.from_run(result, build_accounts(result, as_of=AS_OF))

    report = build_report()
    outcome_tables = {"outcomes": report.tables["outcomes"]}
    rows = sum(map(len, report.tables.values()))
    outcomes = polars.from_arrow(outcome_tables["outcomes"])
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        out = Path(folder)
        jobs: dict[str, Callable[[], object]] = {
            "the accounts and all tables": lambda: list(build_report().tables.values()),
            f"the arrears ({len(report.tables['arrears']):,} debts) with late charge and limitation": lambda: (
                build_accounts(result, as_of=AS_OF).arrears
            ),
            # Outcomes, allocations and balances are computed while they are written.
            f"all CSV ({rows:,} rows), UTF-8 with BOM": lambda: report.write(out / "csv", formats=["csv"]),
            "all CSV, cp932": lambda: report.write(out / "cp932", formats=["csv"], encoding="cp932"),
            "the HTML page": report.page,
            "outcomes.csv alone": lambda: reports.write_csv(outcome_tables["outcomes"], out / "outcomes.csv"),
            "outcomes.csv by Polars, formulas not escaped": lambda: outcomes.write_csv(out / "polars.csv"),
        }
        times = {name: measured(job, options.runs) for name, job in jobs.items()}
        if options.xlsx:
            first_rows = {name: in_rows(table, options.xlsx) for name, table in outcome_tables.items()}
            small = Report(AS_OF, report.summary, first_rows)
            name = f"a workbook of {len(first_rows['outcomes']):,} outcomes"
            times[name] = measured(lambda: small.write(out / "xlsx", formats=["xlsx"], tables=["outcomes"]), 1)
        size = sum(path.stat().st_size for path in (out / "csv").iterdir()) / 1e6
    machine = Path("/proc/cpuinfo").read_text().split("model name")[1].split("\n")[0].strip("\t: ")
    versions = ", ".join(f"{name} {version(name)}" for name in ("pyarrow", "numpy", "polars", "XlsxWriter"))
    print(f"{machine}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}\n")
    print(f"{options.rows:,} bills and receipts; {size:,.0f} MB of CSV; a page of {len(report.page()) / 1e6:.1f} MB")
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB; median of {options.runs}\n")
    print("| output | seconds | CPU seconds |\n|---|---:|---:|")
    for name, (wall, cpu) in times.items():
        print(f"| {name} | {wall:.2f} | {cpu:.2f} |")


def in_rows(table: pa.Table, rows: int) -> pa.Table:
    """Return the first rows of a table as a new table."""
    return pa.table([combine(column) for column in table.slice(0, rows).columns], schema=table.schema)


if __name__ == "__main__":
    main()
