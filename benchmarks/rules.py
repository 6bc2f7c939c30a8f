"""Speed of late charges (延滞金) in columns, compared with a scalar loop, whole-array numpy and Polars.

All four must agree to the yen before anything is timed. Rounds are paired in one process: each runs every
implementation once. The table shows medians.

    python benchmarks/rules.py [--rows N] [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from kokin import rules
from kokin.rules import columns
from kokin.rules._rates import (  # the rate tables only; each implementation has its own arithmetic
    RATE_DENOMINATOR,
    RatePeriod,
    rate_periods,
)

SAMPLE = 20_000
FIRST_YEAR, LAST_YEAR = 2016, 2026


def bills(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return invented debts of ten years: principal int64, due and paid datetime64[D]; most are paid within a year."""
    random = np.random.default_rng(20_26)
    principal = random.integers(500, 400_000, rows)
    due = np.datetime64("2016-01-31") + random.integers(0, 3_700, rows)
    late = np.where(random.random(rows) < 0.8, random.integers(1, 365, rows), random.integers(365, 1_800, rows))
    return principal, due, np.minimum(due + late, np.datetime64("2026-12-31"))


def periods_of_rate(name: str) -> list[RatePeriod]:
    """Return one period per year."""
    return rate_periods(lambda year: rules.RATES.rate(name, year), FIRST_YEAR, LAST_YEAR, by_year=True)


def scalar_loop(principal: np.ndarray, due: np.ndarray, paid: np.ndarray) -> np.ndarray:
    """Call the scalar function for each row."""
    rows = zip(principal.tolist(), due.tolist(), paid.tolist(), strict=True)
    return np.array([rules.late_charge(*row) for row in rows])


def whole_array_numpy(principal: np.ndarray, due: np.ndarray, paid: np.ndarray) -> np.ndarray:
    """Compute the formula in numpy: one expression per period over the whole column."""
    base = np.where(principal < 2_000, 0, principal // 1_000 * 1_000)
    first = due + 1
    month = first.astype("datetime64[M]")
    next_month = (month + 1).astype("datetime64[D]")
    length = (month + 2).astype("datetime64[D]") - next_month
    step = next_month + np.minimum(first - month.astype("datetime64[D]"), length) - 1
    total = np.zeros(len(base), np.int64)
    for name, opens, closes in (("reduced", first, np.minimum(step, paid)), ("full", step + 1, paid)):
        for period in periods_of_rate(name):
            last = np.minimum(closes, np.datetime64(period.last_day))
            days = (last - np.maximum(opens, np.datetime64(period.first_day))).astype(np.int64) + 1
            total += base * period.rate * np.maximum(days, 0) // RATE_DENOMINATOR
    return np.where(total < 1_000, 0, total // 100 * 100)


def polars_query(frame: pl.DataFrame) -> pl.Series:
    """Compute the formula in one lazy query; Polars evaluates the expressions in parallel."""
    first = pl.col("due").dt.offset_by("1d")
    next_month_day = first.dt.offset_by("1mo")
    step = (
        pl.when(next_month_day.dt.day() == first.dt.day())
        .then(next_month_day.dt.offset_by("-1d"))
        .otherwise(next_month_day)
    )
    prepared = frame.lazy().select(
        base=pl.when(pl.col("principal") < 2_000).then(0).otherwise(pl.col("principal") // 1_000 * 1_000),
        first=first.to_physical(),
        step=step.to_physical(),
        paid=pl.col("paid").to_physical(),
    )
    spans = {
        "reduced": (pl.col("first"), pl.min_horizontal("step", "paid")),
        "full": (pl.col("step") + 1, pl.col("paid")),
    }
    parts = [
        pl.col("base") * period.rate * _overlap(*span, period).cast(pl.Int64) // RATE_DENOMINATOR
        for name, span in spans.items()
        for period in periods_of_rate(name)
    ]
    total = pl.sum_horizontal(parts)
    settled = pl.when(total < 1_000).then(0).otherwise(total // 100 * 100)
    return prepared.select(late_charge=settled).collect().to_series()


def _overlap(opens: pl.Expr, closes: pl.Expr, period: RatePeriod) -> pl.Expr:
    first, last = ((day - date(1970, 1, 1)).days for day in period[:2])
    days = pl.min_horizontal(closes, pl.lit(last, pl.Int32)) - pl.max_horizontal(opens, pl.lit(first, pl.Int32)) + 1
    return days.clip(lower_bound=0)


def machine() -> str:
    """Return the machine and the versions."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return (
        f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, numpy {np.__version__}, "
        f"Polars {pl.__version__}"
    )


def seconds(function: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    """Check that all results agree, time them in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()

    principal, due, paid = bills(options.rows)
    frame = pl.DataFrame({"principal": principal, "due": due, "paid": paid})
    sample = tuple(column[:SAMPLE] for column in (principal, due, paid))
    found = columns.late_charge(principal, due, paid)
    assert np.array_equal(found[:SAMPLE], scalar_loop(*sample))
    assert np.array_equal(found, whole_array_numpy(principal, due, paid))
    assert np.array_equal(found, polars_query(frame).to_numpy())

    ours = "kokin.rules.columns, one thread"
    scale = options.rows / len(sample[0])
    implementations: dict[str, tuple[Callable[[], object], float]] = {
        ours: (lambda: columns.late_charge(principal, due, paid), 1.0),
        "whole-array numpy": (lambda: whole_array_numpy(principal, due, paid), 1.0),
        f"Polars, one lazy query, {pl.thread_pool_size()} threads": (lambda: polars_query(frame), 1.0),
        f"scalar loop ({len(sample[0]):,} rows, scaled)": (lambda: scalar_loop(*sample), scale),
    }
    rounds = [{name: seconds(job) * by for name, (job, by) in implementations.items()} for _ in range(options.rounds)]
    print(f"{options.rows:,} late charges, median of {options.rounds} paired rounds. {machine()}\n")
    print("| implementation | seconds | ratio to kokin |")
    print("|---|---:|---:|")
    for name in implementations:
        median = statistics.median(round_[name] for round_ in rounds)
        ratio = statistics.median(round_[name] / round_[ours] for round_ in rounds)
        print(f"| {name} | {median:.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
