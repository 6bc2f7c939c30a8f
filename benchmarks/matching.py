"""The matching core and the whole job, against what a good engineer would write instead.

    python benchmarks/matching.py [--cases 1x1,10x1,10x10] [--parts core,job,csv,daily,profile,roofline]
                                  [--rows N] [--runs N] [--peers Polars,DuckDB,...] [--quick]

Prints everything as Markdown. A case is millions of bills x millions of receipts; ``--rows`` is what a million is.
``core``: tables in memory to the outcome table. ``job``: a receipt file of 200-byte records and bills in Parquet to
outcomes.csv and balances.csv; ``csv``: the same, bills in CSV (smallest case only). ``daily``: a tenth of a million
receipts against ten million prepared bills, from the start of the process to its end.

Every run is a process of its own, so that its peak memory is told, and rounds are paired: each runs every contender
once, in turn. The clock runs when everything is imported; the core is timed on its second run. The outcomes of the
first round are compared with Kokin's, whatever the order of rows. From five million rows on, peers
that take minutes run but once (``--quick``: all peers once, Kokin and the two best three times); the tables say so.
"""

from __future__ import annotations

import argparse
import json
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
PEERS = ("Polars", "DuckDB", "PyArrow (Acero)", "pandas", "SQLite")
#: The peers that come near.
BEST = {KOKIN, "Polars", "DuckDB"}
PARTS = ("core", "job", "csv", "daily", "profile", "roofline")
PACKAGES = ("numpy", "pyarrow", "polars", "duckdb", "pandas")
MANY = 5_000_000
#: What the runs of a contender told, or why it has none.
Runs: TypeAlias = list[dict[str, Any]] | str


@dataclass(frozen=True)
class Case:
    """A city, and how it is called."""

    name: str
    bills: int
    receipts: int

    @property
    def folder(self) -> Path:
        """Its files, made when they are first asked for."""
        from matching_city import make

        return make(WORK, self.bills, self.receipts)

    @property
    def title(self) -> str:
        """How many there are of what."""
        return f"{self.bills:,} bills, {self.receipts:,} receipts"


# --- inside a process of its own -------------------------------------------------------------------------------------


def work(part: str, name: str, folder: str, check: str) -> None:
    """One run of one contender; what is measured is printed as JSON."""
    out = OUT / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    run = contender(part, name, Path(folder), out)
    if part == "core":
        run()
        Path("/proc/self/clear_refs").write_text("5")  # the peak of what came before is forgotten
    wall, cpu = time.perf_counter(), time.process_time()
    told = run()
    found = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "gb": peak_gb(), "digest": ""}
    if check == "check":
        found["digest"] = digest(told) if part == "core" else "/".join(map(digest, sorted(out.glob("*.csv"))))
    print(json.dumps(found | ({"steps": told} if part == "profile" else {})))


def contender(part: str, name: str, folder: Path, out: Path) -> Callable[[], Any]:
    """What is timed; everything that it needs is imported here."""
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

            return core(matching_inputs.arrow_bills(folder, "parquet"), matching_inputs.arrow_receipts(folder))
        case form:
            return lambda: job(folder, "csv" if form == "csv" else "parquet", out)


def digest(told: Any) -> str:
    """Rows and the sum of their hashes: the same for the same rows in any order."""
    import polars as pl
    from matching_inputs import OUTCOME

    if isinstance(told, Path):
        table = pl.read_csv(told, infer_schema=False)
        table = table.select(column for column in table.columns if column != "source")
    else:
        numbers = {"record_no", "amount", "applied", "excess", "balance_before"}
        table = pl.from_arrow(told).select(
            pl.col(name).cast(pl.Int64 if name in numbers else pl.String).cast(pl.String) for name in OUTCOME
        )
    return f"{len(table)}:{table.hash_rows().cast(pl.Int128).sum()}"


def peak_gb() -> float:
    """The most memory that this process has held; ``ru_maxrss`` would tell the parent's where that was more."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e6


def roofline(bills: int, receipts: int) -> tuple[float, str]:
    """Seconds that the core cannot do without on all cores, and from what they are reckoned."""
    import numpy as np

    from kokin._arrow.threads import thread_map

    blocks = [np.ones(1 << 24, np.uint64) for _ in range(2)]
    place = np.random.default_rng(1).integers(0, len(blocks[0]), 1 << 22)
    read = min(timed(lambda: thread_map(np.sum, blocks)) for _ in range(7)) / (2 * blocks[0].nbytes)
    reach = min(timed(lambda: thread_map(lambda block: block.take(place), blocks)) for _ in range(7)) / (2 * len(place))
    # Number and yen of every row are read once and the outcome's columns written; the key is kept and its slot written.
    # Each bill is placed, each receipt meets a slot, a key, a balance and its company at places in no order.
    streamed = bills * (34 + 8 + 16 + 8) + receipts * (34 + 8 + 1 + 3 * 8 + 14)
    touched = bills * 1 + receipts * 4
    how = (
        f"{streamed / 1e6:,.0f} MB at {1e-9 / read:.1f} GB/s and {touched / 1e6:,.1f} M places"
        f" at {reach * 1e9:.1f} ns, both cores"
    )
    return streamed * read + touched * reach, how


def timed(run: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


# --- the rounds -------------------------------------------------------------------------------------------------------


def one_run(*arguments: str, limit_gb: float) -> dict[str, Any] | None:
    """What a process of its own tells; None where it wanted more memory than it may have, and was ended."""
    command = [sys.executable, __file__, "--work", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            held = [line for line in status.read_text().splitlines() if line.startswith("VmRSS:")]
            if held and int(held[0].split()[1]) / 1e6 > limit_gb:
                process.kill()
                return None
            time.sleep(0.02)
        assert process.stdout
        told = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{arguments} failed")
    return json.loads(told)


def rounds(part: str, case: Case, given: argparse.Namespace) -> dict[str, Runs]:
    """Paired rounds of all contenders; of one that drops out, why."""
    folder = str(case.folder)
    found: dict[str, Runs] = {name: [] for name in (KOKIN, *given.peers)}
    wanted = {name: times(name, case, given) for name in found}
    for nth in range(max(wanted.values())):
        for name, runs in found.items():
            if nth >= wanted[name] or isinstance(runs, str):
                continue
            print(f"{case.name} {part} {name} {nth + 1}/{wanted[name]}", file=sys.stderr)
            told = one_run(part, name, folder, "" if nth else "check", limit_gb=given.memory)
            if told is None:
                found[name] = f"out of memory ({given.memory:g} GB)"
            elif nth == 0 and name != KOKIN and told["digest"] != found[KOKIN][0]["digest"]:
                found[name] = "tells **other outcomes** than Kokin"
            else:
                runs.append(told)
    return found


def times(name: str, case: Case, given: argparse.Namespace) -> int:
    """How often a contender runs."""
    large = max(case.bills, case.receipts) >= MANY
    if given.quick:
        return 3 if name in BEST else 1
    return 1 if large and name not in BEST else given.runs


def tell(title: str, found: dict[str, Runs]) -> float:
    """A Markdown table of medians, ratios and peaks; Kokin's median."""
    ours = statistics.median(run["seconds"] for run in found[KOKIN])
    print(f"\n### {title}\n")
    print("| | seconds | ratio | from, to | CPU | peak GB | runs |\n|---|--:|--:|--:|--:|--:|--:|")
    for name, runs in found.items():
        if isinstance(runs, str):
            print(f"| {name} | {runs} | | | | | 1 |")
            continue
        wall = sorted(run["seconds"] for run in runs)
        middle, cpu = statistics.median(wall), statistics.median(run["cpu"] for run in runs)
        peak = max(run["gb"] for run in runs)
        spread = f"{wall[0]:.2f}, {wall[-1]:.2f}"
        print(f"| {name} | {middle:.3f} | {middle / ours:.2f} | {spread} | {cpu:.2f} | {peak:.2f} | {len(runs)} |")
    sys.stdout.flush()
    return ours


def tell_daily(case: Case, runs: int) -> None:
    """Wall time of the whole process, from its start to its end."""
    import matching_kokin

    matching_kokin.prepare_daily(case.folder)
    out = OUT / "daily"
    out.mkdir(parents=True, exist_ok=True)
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        told = subprocess.run(
            [sys.executable, __file__, "--day", str(case.folder), str(out)], check=True, capture_output=True, text=True
        )
        found.append({"seconds": time.perf_counter() - start, **json.loads(told.stdout)})
    tell(f"A day's file, the whole process with its start: {case.title}", {KOKIN: found})


def tell_profile(cases: list[Case], runs: int) -> None:
    """Where the seconds of Kokin's job go, its steps one after another."""
    print("\n### Kokin's job step by step, wall seconds (CPU)\n")
    print(f"| | {' | '.join(case.name for case in cases)} |\n|---|{'--:|' * len(cases)}")
    columns = []
    for case in cases:
        told = [one_run("profile", KOKIN, str(case.folder), "", limit_gb=1000) for _ in range(runs)]
        columns.append([run["steps"] for run in told if run])
    for name in columns[0][0]:
        cells = [[statistics.median(run[name][at] for run in column) for at in (0, 1)] for column in columns]
        print(f"| {name} | {' | '.join(f'{wall:.3f} ({cpu:.3f})' for wall, cpu in cells)} |")


def tell_growth(medians: dict[tuple[str, str], float]) -> None:
    """What ten times the rows cost, over ten."""
    print("\n### Growth from 1x1 to 10x10, over linear\n\n| | |\n|---|--:|")
    for part in ("core", "job"):
        if (part, "1x1") in medians and (part, "10x10") in medians:
            print(f"| {part} | {medians[part, '10x10'] / medians[part, '1x1'] / 10:.2f} |")


def machine() -> str:
    """The machine and the versions, as far as they matter."""
    from importlib.metadata import version

    models = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{models[0]}, {len(models)} cores, Python {platform.python_version()}, {versions}"


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cases", default="1x1,10x1,10x10", type=lambda text: text.split(","))
    options.add_argument("--parts", default=list(PARTS), type=lambda text: text.split(","))
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--peers", default=list(PEERS), type=lambda text: [name for name in text.split(",") if name])
    options.add_argument("--memory", type=float, default=16, help="GB that a run may hold before it is ended")
    options.add_argument("--quick", action="store_true")
    return options.parse_args()


def main() -> None:
    """Run what is asked for, case by case."""
    match sys.argv[1:]:
        case ["--work", *rest]:
            return work(*rest)
        case ["--day", folder, out]:
            import matching_kokin

            matching_kokin.daily(Path(folder), Path(out))
            return print(json.dumps({"cpu": time.process_time(), "gb": peak_gb()}))
    given = arguments()
    cases = []
    for name in given.cases:
        bills, receipts = (int(float(count) * given.rows) for count in name.split("x"))
        cases.append(Case(name, bills, receipts))
    print(f"{machine()}. A million is {given.rows:,}.")
    medians = {}
    for each in cases:
        for part, title in (("core", "Core alone"), ("job", "Whole job, bills in Parquet")):
            if part in given.parts:
                found = rounds(part, each, given)
                medians[part, each.name] = tell(f"{title}: {each.title}", found)
        if "roofline" in given.parts:
            seconds, how = roofline(each.bills, each.receipts)
            ours = medians.get(("core", each.name))
            over = f"; Kokin takes {ours / seconds:.1f} times as long" if ours else ""
            print(f"\nRoofline of the core: {seconds:.3f} s ({how}){over}.")
        if "csv" in given.parts and each is cases[0]:
            tell(f"Whole job, bills in CSV: {each.title}", rounds("csv", each, given))
    tell_growth(medians)
    if "profile" in given.parts:
        tell_profile(cases, 3 if given.quick else given.runs)
    if "daily" in given.parts:
        tell_daily(Case("daily", 10 * given.rows, given.rows // 10), given.runs)
    return None


if __name__ == "__main__":
    main()
