"""Speed of the matching core and of the whole job, compared with implementations on other engines.

    python benchmarks/matching.py [--cases 1x1,10x1,10x10] [--parts core,job,csv,daily,profile,roofline]
                                  [--rows N] [--runs N] [--peers Polars,DuckDB]

Prints Markdown. A case is millions of bills x millions of receipts; ``--rows`` replaces the million.
``core``: from tables in memory to the outcome table. ``job``: from a receipt file of 200-byte records and bills in
Parquet to outcomes.csv and balances.csv; ``csv``: the same with bills in CSV (smallest case only). ``daily``: a tenth
of a million receipts against ten million prepared bills, from the start of the process to its end.

Every run is a separate process, so that its peak memory can be measured. Rounds are paired: each runs every
implementation once, in turn. Timing starts after the imports; the core is timed on its second run. The outcomes of the
first round are compared with Kokin's, in any order of rows. From five million rows on there are at most three rounds.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

WORK = Path(__file__).parent / "_work"
OUT = WORK / "out"
KOKIN = "Kokin"
PEERS = ("Polars", "DuckDB")
PARTS = ("core", "job", "csv", "daily", "profile", "roofline")
PACKAGES = ("numpy", "pyarrow", "polars", "duckdb")
#: Rows from which on there are at most so many rounds.
MANY, RUNS_OF_MANY = 5_000_000, 3
#: The measurements of an implementation, or the reason why it has none.
Runs: TypeAlias = list[dict[str, Any]] | str


@dataclass(frozen=True)
class Case:
    """The size of a city, with a short name."""

    name: str
    bills: int
    receipts: int

    @property
    def folder(self) -> Path:
        """Folder of its files, which are created on first use."""
        from matching_city import make

        return make(WORK, self.bills, self.receipts)

    @property
    def title(self) -> str:
        """Number of bills and receipts."""
        return f"{self.bills:,} bills, {self.receipts:,} receipts"


# --- inside the measured process -------------------------------------------------------------------------------------


def work(part: str, name: str, folder: str, check: str) -> None:
    """Run one implementation once and print the measurements as JSON."""
    out = OUT / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    run = implementation(part, name, Path(folder), out)
    if part == "core":
        run()
        Path("/proc/self/clear_refs").write_text("5")  # reset the peak memory
    wall, cpu = time.perf_counter(), time.process_time()
    output = run()
    measured = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "gb": peak_gb(), "digest": ""}
    if check == "check":
        measured["digest"] = digest(output) if part == "core" else "/".join(map(digest, sorted(out.glob("*.csv"))))
    print(json.dumps(measured | ({"steps": output} if part == "profile" else {})))


def implementation(part: str, name: str, folder: Path, out: Path) -> Callable[[], Any]:
    """Return the function to time, with everything imported that it needs."""
    if name == KOKIN:
        from matching_kokin import core, job, profile
    else:
        import matching_peers

        job, core = matching_peers.JOBS[name], matching_peers.CORES[name]
    match part:
        case "profile":
            return lambda: profile(folder, out)
        case "core":
            import matching_inputs

            return core(matching_inputs.arrow_bills(folder), matching_inputs.arrow_receipts(folder))
        case form:
            return lambda: job(folder, "csv" if form == "csv" else "parquet", out)


def digest(output: Any) -> str:
    """Return the number of rows and the sum of their hashes, which do not depend on the order of rows."""
    import polars as pl
    from matching_inputs import OUTCOME

    if isinstance(output, Path):
        table = pl.read_csv(output, infer_schema=False)
        table = table.select(column for column in table.columns if column != "source")
    else:
        numbers = {"record_no", "amount", "applied", "excess", "balance_before"}
        table = pl.from_arrow(output).select(
            pl.col(name).cast(pl.Int64 if name in numbers else pl.String).cast(pl.String) for name in OUTCOME
        )
    return f"{len(table)}:{table.hash_rows().cast(pl.Int128).sum()}"


def peak_gb() -> float:
    """Return the peak memory of this process; ``ru_maxrss`` would include that of the parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e6


def roofline(bills: int, receipts: int) -> tuple[float, str]:
    """Return the minimum seconds of the core on all cores, and how they are computed."""
    import numpy as np

    from kokin._arrow.threads import thread_map

    blocks = [np.ones(1 << 24, np.uint64) for _ in range(2)]
    place = np.random.default_rng(1).integers(0, len(blocks[0]), 1 << 22)
    read = min(timed(lambda: thread_map(np.sum, blocks)) for _ in range(7)) / (2 * blocks[0].nbytes)
    reach = min(timed(lambda: thread_map(lambda block: block.take(place), blocks)) for _ in range(7)) / (2 * len(place))
    # Streamed: the key and yen of every row are read; the packed key, its slot and the outcome columns are written.
    # Random accesses: one per bill (its slot), four per receipt (slot, key, balance, interacting receipts).
    streamed = bills * (34 + 8 + 16 + 8) + receipts * (34 + 8 + 1 + 3 * 8 + 14)
    touched = bills * 1 + receipts * 4
    how = (
        f"{streamed / 1e6:,.0f} MB at {1e-9 / read:.1f} GB/s and {touched / 1e6:,.1f} M random accesses"
        f" at {reach * 1e9:.1f} ns, both cores"
    )
    return streamed * read + touched * reach, how


def timed(run: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


# --- the rounds -------------------------------------------------------------------------------------------------------


def one_run(*arguments: str, limit_gb: float) -> dict[str, Any] | None:
    """Return the measurements of a run in a new process; None if it exceeded the memory limit and was killed."""
    command = [sys.executable, __file__, "--work", *arguments]
    environment = {"ARROW_DEFAULT_MEMORY_POOL": "system", **os.environ}  # as the command `kokin` does
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            resident = [line for line in status.read_text().splitlines() if line.startswith("VmRSS:")]
            if resident and int(resident[0].split()[1]) / 1e6 > limit_gb:
                process.kill()
                return None
            time.sleep(0.02)
        assert process.stdout
        output = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{arguments} failed")
    return json.loads(output)


def rounds(part: str, case: Case, options: argparse.Namespace) -> dict[str, Runs]:
    """Run paired rounds of all implementations; return the reason for each one that failed."""
    folder = str(case.folder)
    found: dict[str, Runs] = {name: [] for name in (KOKIN, *options.peers)}
    for nth in range(times(case, options)):
        for name, runs in found.items():
            if isinstance(runs, str):
                continue
            print(f"{case.name} {part} {name} {nth + 1}", file=sys.stderr)
            measured = one_run(part, name, folder, "" if nth else "check", limit_gb=options.memory)
            if measured is None:
                found[name] = f"out of memory ({options.memory:g} GB)"
            elif nth == 0 and name != KOKIN and measured["digest"] != found[KOKIN][0]["digest"]:
                found[name] = "**outcomes differ** from Kokin's"
            else:
                runs.append(measured)
    return found


def times(case: Case, options: argparse.Namespace) -> int:
    """Return the number of rounds."""
    is_large = max(case.bills, case.receipts) >= MANY
    return min(options.runs, RUNS_OF_MANY) if is_large else options.runs


def print_table(title: str, found: dict[str, Runs]) -> float:
    """Print a Markdown table of medians, ratios and peaks; return Kokin's median."""
    ours, our_cpu = (statistics.median(run[name] for run in found[KOKIN]) for name in ("seconds", "cpu"))
    print(f"\n### {title}\n")
    print("| | seconds | ratio | from, to | CPU | ratio | peak GB | runs |\n|---|--:|--:|--:|--:|--:|--:|--:|")
    for name, runs in found.items():
        if isinstance(runs, str):
            print(f"| {name} | {runs} | | | | | | 1 |")
            continue
        wall = sorted(run["seconds"] for run in runs)
        middle, cpu = statistics.median(wall), statistics.median(run["cpu"] for run in runs)
        peak = max(run["gb"] for run in runs)
        spread = f"{wall[0]:.2f}, {wall[-1]:.2f}"
        ratios = f"{middle / ours:.2f} | {spread} | {cpu:.2f} | {cpu / our_cpu:.2f}"
        print(f"| {name} | {middle:.3f} | {ratios} | {peak:.2f} | {len(runs)} |")
    sys.stdout.flush()
    return ours


def print_summary(case: Case, core: dict[str, Runs], job: dict[str, Runs]) -> None:
    """Print medians, ratios and peaks of the core and of the whole job in one Markdown table."""
    names = f"{case.bills / 1e6:g}M bills × {case.receipts / 1e6:g}M receipts"
    print(f"\n| {names} | core | ratio | peak | whole job | ratio | peak |\n|---|--:|--:|--:|--:|--:|--:|")
    for name in core:
        cells = []
        for found in (core, job):
            runs = found[name]
            if isinstance(runs, str):
                cells += [runs, "", ""]
                continue
            seconds, ours = (statistics.median(run["seconds"] for run in found[each]) for each in (name, KOKIN))
            cells += [f"{seconds:.3g}", f"{seconds / ours:.2g}", f"{max(run['gb'] for run in runs):.2f} GB"]
        print(f"| {name} | {' | '.join(cells)} |")
    sys.stdout.flush()


def print_daily(case: Case, runs: int) -> None:
    """Print the wall time of the whole process, from its start to its end."""
    import matching_kokin

    matching_kokin.prepare_daily(case.folder)
    out = OUT / "daily"
    out.mkdir(parents=True, exist_ok=True)
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        process = subprocess.run(
            [sys.executable, __file__, "--day", str(case.folder), str(out)], check=True, capture_output=True, text=True
        )
        found.append({"seconds": time.perf_counter() - start, **json.loads(process.stdout)})
    print_table(f"A day's file, the whole process including its start: {case.title}", {KOKIN: found})


def print_profile(cases: list[Case], runs: int) -> None:
    """Print the seconds of each step of Kokin's job."""
    print("\n### Kokin's job step by step, wall seconds (CPU)\n")
    print(f"| | {' | '.join(case.name for case in cases)} |\n|---|{'--:|' * len(cases)}")
    columns = []
    for case in cases:
        measured = [one_run("profile", KOKIN, str(case.folder), "", limit_gb=1000) for _ in range(runs)]
        columns.append([run["steps"] for run in measured if run])
    for name in columns[0][0]:
        cells = [[statistics.median(run[name][at] for run in column) for at in (0, 1)] for column in columns]
        print(f"| {name} | {' | '.join(f'{wall:.3f} ({cpu:.3f})' for wall, cpu in cells)} |")


def print_growth(medians: dict[tuple[str, str], float]) -> None:
    """Print the growth of the time for ten times the rows, divided by ten."""
    print("\n### Growth from 1x1 to 10x10, relative to linear\n\n| | |\n|---|--:|")
    for part in ("core", "job"):
        if (part, "1x1") in medians and (part, "10x10") in medians:
            print(f"| {part} | {medians[part, '10x10'] / medians[part, '1x1'] / 10:.2f} |")


def machine() -> str:
    """Return the machine and the versions of the packages."""
    from importlib.metadata import version

    models = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{models[0]}, {len(models)} cores, Python {platform.python_version()}, {versions}"


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="1x1,10x1,10x10", type=lambda text: text.split(","))
    parser.add_argument("--parts", default=list(PARTS), type=lambda text: text.split(","))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", default=list(PEERS), type=lambda text: [name for name in text.split(",") if name])
    parser.add_argument("--memory", type=float, default=16, help="GB that a run may use before it is killed")
    return parser.parse_args()


def main() -> None:
    """Run the requested parts, case by case."""
    match sys.argv[1:]:
        case ["--work", *rest]:
            return work(*rest)
        case ["--day", folder, out]:
            import matching_kokin

            matching_kokin.daily(Path(folder), Path(out))
            return print(json.dumps({"cpu": time.process_time(), "gb": peak_gb()}))
    options = arguments()
    cases = []
    for name in options.cases:
        bills, receipts = (int(float(count) * options.rows) for count in name.split("x"))
        cases.append(Case(name, bills, receipts))
    print(f"{machine()}. A million is {options.rows:,}.")
    medians = {}
    for each in cases:
        found = {}
        for part, title in (("core", "Core alone"), ("job", "Whole job, bills in Parquet")):
            if part in options.parts:
                found[part] = rounds(part, each, options)
                medians[part, each.name] = print_table(f"{title}: {each.title}", found[part])
        if len(found) == 2:
            print_summary(each, **found)
        if "roofline" in options.parts:
            seconds, how = roofline(each.bills, each.receipts)
            ours = medians.get(("core", each.name))
            over = f"; Kokin takes {ours / seconds:.1f} times as long" if ours else ""
            print(f"\nRoofline of the core: {seconds:.3f} s ({how}){over}.")
        if "csv" in options.parts and each is cases[0]:
            print_table(f"Whole job, bills in CSV: {each.title}", rounds("csv", each, options))
    print_growth(medians)
    if "profile" in options.parts:
        print_profile(cases, options.runs)
    if "daily" in options.parts:
        print_daily(Case("daily", 10 * options.rows, options.rows // 10), options.runs)
    return None


if __name__ == "__main__":
    main()
