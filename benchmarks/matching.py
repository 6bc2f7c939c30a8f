"""The matching core and the whole job, against what a good engineer would write instead.

    python benchmarks/matching.py [core | job | daily | roofline ...] [--bills N] [--receipts N] [--runs N]
                                  [--form parquet | csv] [--peers Polars,DuckDB]

``core``: tables in memory to the outcome table. ``job``: a receipt file (200-byte records) and bills (Parquet or CSV)
to outcomes.csv and balances.csv, each run in a fresh process, with its peak memory. ``daily``: a receipt file against
a prepared index, from the start of the process. Rounds are paired: each runs every contender once, in
turn; the table gives medians, and every contender's outcomes are compared with Kokin's before a time is told.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

WORK = Path(__file__).parent / "_work"
KOKIN = "Kokin"
PACKAGES = ("numpy", "pyarrow", "polars", "duckdb", "pandas")


def kokin_job(folder: Path, form: str, out: Path) -> None:
    """The public way: the bills are prepared while the receipts are read; then reconcile, and write."""
    from concurrent.futures import ThreadPoolExecutor

    import pyarrow.parquet as pq

    from kokin import bills, receipts
    from kokin.columns import write_csv
    from kokin.matching import Index
    from kokin.reconcile import reconcile

    def prepared() -> Index:
        return Index.build(
            bills.read(folder / "bills.csv").table if form == "csv" else pq.read_table(folder / "bills.parquet")
        )

    with ThreadPoolExecutor(1) as pool:
        index = pool.submit(prepared)
        taken = receipts.read(folder / "receipts.dat", layout=str(folder / "layout.toml"))
    done = reconcile(index.result(), taken)
    write_csv(done.outcomes, out / "outcomes.csv")
    write_csv(done.balances, out / "balances.csv")


def daily_job(folder: Path, out: Path) -> None:
    """A day's file against the prepared index."""
    from kokin import receipts
    from kokin.columns import write_csv
    from kokin.matching import Index
    from kokin.reconcile import reconcile

    index = Index.load(folder / "index")
    taken = receipts.read(folder / "receipts.dat", layout=str(folder / "layout.toml"))
    done = reconcile(index, taken)
    write_csv(done.outcomes, out / "outcomes.csv")
    write_csv(done.changes, out / "changes.csv")


def run_job(name: str, folder: Path, form: str) -> tuple[float, float]:
    """Seconds and peak GB of one contender in a process of its own; the time to import is not counted."""
    out = WORK / "out" / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    command = [sys.executable, __file__, "--one", name, str(folder), form, str(out)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told["seconds"], told["gb"]


def one(name: str, folder: str, form: str, out: str) -> None:
    """The inside of :func:`run_job`."""
    if name == KOKIN:
        job: Callable[..., None] = kokin_job
    else:
        import matching_peers

        job = matching_peers.JOBS[name]
    start = time.perf_counter()
    job(Path(folder), form, Path(out))
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "gb": peak_gb()}))


def compare_files(name: str) -> None:
    """Whether a contender wrote the same tables as Kokin, in any order of rows."""
    import polars as pl

    for table, key in (("outcomes", "record_no"), ("balances", "bill_id")):
        told = [pl.read_csv(WORK / "out" / who / f"{table}.csv", infer_schema=False) for who in (KOKIN, name)]
        columns = [column for column in told[0].columns if column != "source"]
        if not told[0].select(columns).sort(key).equals(told[1].select(columns).sort(key)):
            raise SystemExit(f"{name}: {table} differ from Kokin's")


def bench_job(folder: Path, form: str, peers: list[str], runs: int) -> None:
    """From files to files; the tables are compared once."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in [KOKIN, *peers]}
    for round_no in range(runs):
        for name, found in times.items():
            found.append(run_job(name, folder, form))
        if round_no == 0:
            for name in peers:
                compare_files(name)
    tell(times, f"whole job, bills in {form}")


def bench_core(folder: Path, peers: list[str], runs: int) -> None:
    """From tables in memory, each in its engine's own form, to the outcome table."""
    import matching_peers
    import polars as pl
    import pyarrow.parquet as pq

    from kokin.reconcile import reconcile

    bills = pq.read_table(folder / "bills.parquet")
    receipts = matching_peers.arrow_receipts(folder)
    contenders: dict[str, Callable[[], object]] = {KOKIN: lambda: reconcile(bills, receipts).outcomes}
    contenders |= {name: matching_peers.CORES[name](bills, receipts) for name in peers}
    expected = pl.from_arrow(contenders[KOKIN]()).select(matching_peers.OUTCOME).sort("record_no")
    for name in peers:
        told = pl.from_arrow(contenders[name]()).select(matching_peers.OUTCOME).sort("record_no")
        if not told.cast(expected.schema).equals(expected):
            raise SystemExit(f"{name}: outcomes differ from Kokin's")
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - start, 0.0))
    tell(times, "core alone: tables in memory to the outcome table")


def bench_daily(folder: Path, runs: int) -> None:
    """Wall time of the whole process, from its start to its end."""
    import pyarrow.parquet as pq

    from kokin.matching import Index

    if not (folder / "index" / "index.json").exists():
        Index.build(pq.read_table(folder / "bills.parquet")).save(folder / "index")
    out = WORK / "out" / "daily"
    out.mkdir(parents=True, exist_ok=True)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        told = subprocess.run(
            [sys.executable, __file__, "--one-day", str(folder), str(out)], check=True, capture_output=True, text=True
        )
        times.append((time.perf_counter() - start, json.loads(told.stdout)["gb"]))
    tell({KOKIN: times}, "a day's file against a prepared index, whole process")


def bench_roofline(folder: Path) -> None:
    """The bytes that the core cannot avoid to touch, over the bandwidth of reading and of random reading here."""
    import numpy as np
    import pyarrow.parquet as pq

    bills = len(pq.read_table(folder / "bills.parquet", columns=["amount"]))
    receipts = (folder / "receipts.dat").stat().st_size // 200
    block = np.ones(1 << 25, np.uint64)
    place = np.random.default_rng(1).integers(0, len(block), 1 << 22)
    read = min(timed(lambda: block.sum()) for _ in range(5)) / block.nbytes
    gather = min(timed(lambda: block.take(place, mode="clip")) for _ in range(5)) / len(place)
    # Key and amount of every row are read once, the outcome columns written; a bill is placed, a receipt looks up
    # a slot, a key, an amount, and writes its claim.
    streamed = bills * (34 + 8 + 16 + 8) + receipts * (34 + 8 + 1 + 3 * 8 + 4 + 10)
    touched = bills * 2 + receipts * 5
    print(f"reading {1e-9 / read:.1f} GB/s, random reads {gather * 1e9:.1f} ns each, one core")
    print(f"streamed {streamed / 1e6:.0f} MB: {streamed * read * 1e3:.0f} ms")
    print(f"random {touched / 1e6:.1f} M: {touched * gather * 1e3:.0f} ms")
    cores = os.cpu_count() or 1
    print(f"roofline on {cores} cores: {(streamed * read + touched * gather) / cores * 1e3:.0f} ms")


def peak_gb() -> float:
    """The most memory that this process has held; ``ru_maxrss`` would tell the parent's where that was more."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e6


def timed(run: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def tell(times: dict[str, list[tuple[float, float]]], title: str) -> None:
    """A Markdown table of medians, ratios and peaks."""
    ours = statistics.median(seconds for seconds, _ in times[KOKIN])
    print(f"\n### {title} (median of {len(times[KOKIN])})\n")
    print("| | seconds | to Kokin | spread | peak GB |\n|---|---|---|---|---|")
    for name, found in times.items():
        seconds = sorted(second for second, _ in found)
        peak = max(gb for _, gb in found)
        spread = f"{seconds[0]:.2f} to {seconds[-1]:.2f}"
        middle = statistics.median(seconds)
        print(f"| {name} | {middle:.3f} | {middle / ours:.2f} | {spread} | {f'{peak:.2f}' if peak else '-'} |")


def machine() -> str:
    """The machine and the versions, as far as they matter."""
    from importlib.metadata import version

    models = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{models[0]}, {len(models)} cores, Python {platform.python_version()}, {versions}"


def main() -> None:
    """Read the arguments and run what they name."""
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
        return
    if sys.argv[1:2] == ["--one-day"]:
        daily_job(Path(sys.argv[2]), Path(sys.argv[3]))
        print(json.dumps({"gb": peak_gb()}))
        return
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", nargs="*", default=["core", "job"], choices=["core", "job", "daily", "roofline"])
    options.add_argument("--bills", type=int, default=1_000_000)
    options.add_argument("--receipts", type=int, default=1_000_000)
    options.add_argument("--rows", type=int, help="as many bills as receipts")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--form", choices=["parquet", "csv"], default="parquet")
    options.add_argument("--peers", default="Polars,DuckDB")
    given = options.parse_args()
    from matching_city import make

    folder = make(WORK, given.rows or given.bills, given.rows or given.receipts)
    peers = [name for name in given.peers.split(",") if name]
    print(f"{machine()}\n\n{given.rows or given.bills:,} bills, {given.rows or given.receipts:,} receipts")
    for what in given.what:
        match what:
            case "core":
                bench_core(folder, peers, given.runs)
            case "job":
                bench_job(folder, given.form, peers, given.runs)
            case "daily":
                bench_daily(folder, given.runs)
            case "roofline":
                bench_roofline(folder)


if __name__ == "__main__":
    main()
