"""Time and memory of ``kokin reconcile`` with accounts, CSV and page, as a user runs it.

    python benchmarks/commands.py [--sizes 1000000,5000000] [--runs N]

There are as many receipts as bills. Each run is a process of its own. Prints the medians of wall-clock and CPU seconds
and the greatest peak of memory: run it on an idle machine.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time

import matching_city
from nation import WORK, Usage, run


def measure(rows: int, runs: int) -> str:
    """Return the row of a Markdown table for this number of bills and of receipts."""
    city = matching_city.make(WORK, rows, rows)
    files = [city / name for name in matching_city.FILES]
    walls: list[float] = []
    usages: list[Usage] = []
    for _ in range(runs):
        out = WORK / "out"
        shutil.rmtree(out, ignore_errors=True)
        start = time.perf_counter()
        usages.append(
            run("reconcile", *files, "--bills", city / "bills.parquet", "-l", city / "layout.toml", "--out", out)
        )
        walls.append(time.perf_counter() - start)
    cpu = statistics.median(usage.cpu_s for usage in usages)
    peak = max(usage.peak_mb for usage in usages)
    wall = f"{statistics.median(walls):.1f} | {min(walls):.1f} to {max(walls):.1f}"
    return f"| {rows:,} × {rows:,} | {wall} | {cpu:.1f} | {peak:,.0f} | {runs} |"


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000000,5000000")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    print("| bills × receipts | wall s | from, to | CPU s | peak MB | runs |\n|---|--:|--:|--:|--:|--:|", flush=True)
    for size in arguments.sizes.split(","):
        print(measure(int(size), arguments.runs), flush=True)


if __name__ == "__main__":
    main()
