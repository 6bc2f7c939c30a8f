"""One ledger per authority: core-seconds and memory of the workers of a queue, and of single commands.

    python benchmarks/nation.py [--authorities N] [--scale X] [--workers N]
    python benchmarks/nation.py --memory 100000 1000000 3000000
    python benchmarks/nation.py --memory 1000000 3000000x1000000 3000000x3000000 5000000
    python benchmarks/nation.py --spark 10000000 [--buckets N]

Japan's 1,741 municipalities issue about 400 million slips a year and receive 40 million payments on the busiest day:
230,000 and 23,000 on average, times ``--scale``. The ledger of every authority is a copy of one SQLite file with these
bills; each gets a receipt file of its own. ``kokin ledger work --until-empty`` posts the files of all of them; for
comparison, ``kokin ledger post`` is started once for each of ten authorities. ``--memory`` runs ``kokin reconcile`` and
``kokin ledger post`` with as many receipts as bills, or, for ``BILLSxRECEIPTS``, ``kokin reconcile`` only. After three
runs or more it prints the formula of the memory of ``kokin reconcile``, fitted by least squares.

``--spark`` reconciles on ``local[2]`` and locally, with as many receipts as bills, and compares summary and outcomes.
Half of the receipts are in one file, the others in 15, and one slip in a hundred has the same 顧客番号, so that they
are in one bucket. This part prints wall-clock seconds: run it on an idle machine.

Every command is a process of its own. Its CPU time, and the peak memory of its largest process, are those that the
system reports (``wait4``). So the figures are also valid on a machine that does other work; wall-clock time is not
reported.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import matching_city
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WORK = Path(__file__).parent / "_work"
AUTHORITIES, BILLS, RECEIPTS = 1741, 230_000, 23_000
KOKIN = (sys.executable, "-c", "from kokin.cli import main; main()")


@dataclass(frozen=True)
class Usage:
    """What a command has used, with all processes that it started."""

    cpu_s: float
    peak_mb: float
    """Peak memory of the largest process."""
    code: int
    output: str

    def row(self, name: str, files: int = 1) -> str:
        """Return the row of a Markdown table; the CPU time per file."""
        return f"| {name} | {self.cpu_s / files:.2f} | {self.peak_mb:,.0f} | {self.code} |"


def run(*arguments: object) -> Usage:
    """Run the command in a process of its own; a failure other than exceptions to look at raises."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen([*KOKIN, *map(str, arguments)], stdout=subprocess.PIPE, stderr=errors, text=True)
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            errors.seek(0)
            command = f"kokin {' '.join(map(str, arguments))}"
            raise SystemExit(f"{command}: exit code {process.returncode}\n{errors.read()}")
    return Usage(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode, output)


def queue(authorities: int, scale: float, workers: int) -> None:
    """Measure loading, posting by the queue, posting by a process per file, and reporting."""
    bills, receipts = round(BILLS * scale), round(RECEIPTS * scale)
    city = matching_city.make(WORK, bills, receipts, seed=1)
    layout = city / "layout.toml"
    folder = WORK / "queue"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    codes = [f"{100_000 + number}" for number in range(authorities)]
    settings = f'ledger = "{{authority}}.db"\nlayouts = {{ "*.dat" = "{layout}" }}\n'
    (folder / "queue.toml").write_text(settings + "".join(f"[authorities.{code}]\n" for code in codes))
    template = folder / "template.db"
    rows = [run("ledger", "create", "-L", template).row("`ledger create`")]
    rows.append(run("ledger", "add-bills", city / "bills.parquet", "-L", template).row("`ledger add-bills`"))
    for code in codes:
        shutil.copy(template, folder / f"{code}.db")
        (folder / code / "incoming").mkdir(parents=True)
        # The records in another order are another file with the same work.
        records = (city / matching_city.FILES[0]).read_bytes().splitlines(keepends=True)
        turn = len(records) * codes.index(code) // len(codes)
        (folder / code / "incoming" / "day.dat").write_bytes(b"".join(records[turn:] + records[:turn]))
    posted = run("ledger", "work", folder, "--until-empty", "--workers", workers, "--format", "json")
    results = [json.loads(line) for line in posted.output.splitlines()]
    assert sorted(result["authority"] for result in results) == codes
    assert {result["state"] for result in results} == {"posted"}
    rows.append(posted.row(f"`ledger work`, {workers} workers, per authority", authorities))
    one = folder / "one.db"
    single = []
    for code in codes[:10]:
        shutil.copy(template, one)
        single.append(run("ledger", "post", folder / code / "done" / "day.dat", "-l", layout, "-L", one))
    cpu, peak = sum(each.cpu_s for each in single), max(each.peak_mb for each in single)
    rows.append(Usage(cpu, peak, single[-1].code, "").row("`ledger post`, a process per authority", len(single)))
    rows.append(run("report", "-L", one, "--out", folder / "report").row("`report`"))
    print(f"\n{authorities} authorities with {bills:,} bills and a file of {receipts:,} receipts\n")
    print("| command | core-seconds | peak MB of a process | exit code |\n|---|--:|--:|--:|")
    print("\n".join(rows))
    per_authority = posted.cpu_s / authorities
    print(f"\n{AUTHORITIES:,} authorities: {per_authority * AUTHORITIES / 60:.0f} core-minutes of the workers")
    shutil.rmtree(folder)


def memory(sizes: list[str]) -> None:
    """Measure ``kokin reconcile`` and ``kokin ledger post`` by the number of bills and receipts."""
    print("\n| command | bills | receipts | core-seconds | peak MB |\n|---|--:|--:|--:|--:|")
    counts, peaks = [], []
    for size in sizes:
        bill_count, receipt_count = map(int, size.split("x") if "x" in size else (size, size))
        city = matching_city.make(WORK, bill_count, receipt_count)
        ledger, out = WORK / "memory.db", WORK / "memory-out"
        for path in WORK.glob("memory.db*"):
            path.unlink()
        shutil.rmtree(out, ignore_errors=True)
        bills, layout = city / "bills.parquet", city / "layout.toml"
        receipts = [city / name for name in matching_city.FILES]
        usages = {"`reconcile`": run("reconcile", *receipts, "--bills", bills, "-l", layout, "--out", out)}
        counts.append((1, bill_count, receipt_count))
        peaks.append(usages["`reconcile`"].peak_mb * 1024 * 1024)
        if "x" not in size:
            run("ledger", "create", "-L", ledger)
            usages["`ledger add-bills`"] = run("ledger", "add-bills", bills, "-L", ledger)
            usages["`ledger post`"] = run("ledger", "post", *receipts, "-l", layout, "-L", ledger)
        for name, usage in usages.items():
            row = (name, f"{bill_count:,}", f"{receipt_count:,}", f"{usage.cpu_s:.1f}", f"{usage.peak_mb:,.0f}")
            print(f"| {' | '.join(row)} |", flush=True)
        shutil.rmtree(out)
    if len(peaks) > 2:
        constant, per_bill, per_receipt = np.linalg.lstsq(np.array(counts, float), np.array(peaks), rcond=None)[0]
        formula = f"{constant / 1e9:.2f} GB + {per_bill:.0f} bytes a bill + {per_receipt:.0f} bytes a receipt"
        print(f"\n`kokin reconcile`: {formula}")


def spark(rows: int, buckets: int | None) -> None:
    """Reconcile on Spark and locally, from receipt files with skew, and compare the results."""
    from pyspark.sql import SparkSession

    from kokin import receipts, reconcile
    from kokin import spark as kokin_spark

    city = matching_city.make(WORK, rows, rows)
    folder = WORK / "spark"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    bills = pq.read_table(city / "bills.parquet")
    shared = pa.concat_arrays(
        [pa.repeat("00000000000000000001", rows // 100), pa.nulls(rows - rows // 100, pa.string())]
    )
    bills = bills.drop_columns("customer_number").append_column("customer_number", shared)
    pq.write_table(bills, folder / "bills.parquet", row_group_size=1 << 18)
    records = np.concatenate([np.fromfile(city / name, np.uint8) for name in matching_city.FILES])
    records = records.reshape(-1, matching_city.RECORD)
    ends = [rows // 2, *(rows // 2 + rows // 2 * number // 15 for number in range(1, 15)), rows]
    paths = []
    for number, (start, end) in enumerate(itertools.pairwise([0, *ends])):
        paths.append(folder / f"{number:02}.dat")
        records[start:end].tofile(paths[-1])

    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.memory": "6g"}
    settings |= {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.maxResultSize": "4g"}
    settings |= {"spark.ui.showConsoleProgress": "false"}
    session = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    clock = [time.perf_counter()]
    files = kokin_spark.read_receipts(session, paths, city / "layout.toml")
    rejected = files.files.where("state <> 'accepted'").count()
    clock.append(time.perf_counter())
    frame = session.read.parquet(str(folder / "bills.parquet"))
    result = kokin_spark.reconcile(frame, files.receipts, buckets=buckets)
    clock.append(time.perf_counter())
    summary = result.summary()
    clock.append(time.perf_counter())
    names = ["source", "record_no", "outcome", "bill_id", "applied", "excess", "balance_before"]
    outcomes = result.outcomes.select(*names).toArrow().sort_by([(name, "ascending") for name in names])
    clock.append(time.perf_counter())
    session.stop()

    bills = pq.read_table(folder / "bills.parquet")
    tables = [receipts.read(path, city / "layout.toml", on_error="skip").table for path in paths]
    clock.append(time.perf_counter())
    local = reconcile.reconcile(bills, tables)
    assert rejected == 0
    assert summary == local.summary
    clock.append(time.perf_counter())
    expected = local.outcomes.select(names).sort_by([(name, "ascending") for name in names])
    assert outcomes.cast(expected.schema).equals(expected)
    steps = (
        "Spark: read the files",
        "components",
        "summary",
        "outcomes to the driver",
        "local: read",
        "local: reconcile",
    )
    print(f"\n{rows:,} bills and receipts, equal\n\n| step | seconds |\n|---|--:|")
    for step, (start, end) in zip(steps, itertools.pairwise(clock), strict=True):
        print(f"| {step} | {end - start:.1f} |")
    shutil.rmtree(folder)


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--authorities", type=int, default=100)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", nargs="+", metavar="ROWS or BILLSxRECEIPTS")
    parser.add_argument("--spark", type=int, metavar="ROWS")
    parser.add_argument("--buckets", type=int)
    arguments = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    if arguments.memory:
        memory(arguments.memory)
    elif arguments.spark:
        spark(arguments.spark, arguments.buckets)
    else:
        queue(arguments.authorities, arguments.scale, arguments.workers)


if __name__ == "__main__":
    main()
