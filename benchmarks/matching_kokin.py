"""Kokin's own pipelines for the matching benchmark, as a user writes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kokin import bills, receipts
from kokin._arrow.files import write_csv
from kokin._arrow.threads import CHUNK_ROWS
from kokin.issues import InvalidInputError
from kokin.matching import Index
from kokin.reconcile import reconcile

#: Wall and CPU seconds by step.
Steps = dict[str, tuple[float, float]]


def prepared(folder: Path, form: str) -> Index:
    """The bills as an index; a Parquet file is never held as a whole."""
    if form == "csv":
        return Index.build(bills.read(folder / "bills.csv").table)
    file = pq.ParquetFile(folder / "bills.parquet", pre_buffer=False)
    return Index.build(pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(CHUNK_ROWS)))


def taken(folder: Path) -> pa.Table:
    """The receipts that are receipts."""
    return receipts.read(folder / "receipts.dat", layout=str(folder / "layout.toml")).table


def job(folder: Path, form: str, out: Path) -> None:
    """Each step has both cores to itself; the tables are written in batches."""
    done = reconcile(prepared(folder, form), taken(folder))
    write_csv(done.outcome_batches, out / "outcomes.csv")
    write_csv(done.balance_batches, out / "balances.csv")


def core(bill_table: pa.Table, receipt_table: pa.Table) -> Callable[[], pa.Table]:
    """From Arrow tables; the index is a part of the work."""
    return lambda: reconcile(bill_table, receipt_table).outcomes


def daily(folder: Path, out: Path) -> None:
    """A day's file against the prepared index."""
    done = reconcile(Index.load(folder / "index"), taken(folder))
    write_csv(done.outcome_batches, out / "outcomes.csv")
    write_csv(done.changes, out / "changes.csv")


def prepare_daily(folder: Path) -> None:
    """The index of the folder's bills on disk, made once for each version of its form."""
    try:
        Index.load(folder / "index")
    except InvalidInputError:
        prepared(folder, "parquet").save(folder / "index")


def profile(folder: Path, out: Path) -> Steps:
    """The steps of :func:`job`, one after another."""
    from kokin.reconcile import Policy
    from kokin.reconcile._matches import Matches, Receipts
    from kokin.reconcile._reconciliation import MatchedRun, Reconciliation

    steps: Steps = {}

    @contextmanager
    def step(name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        steps[name] = time.perf_counter() - wall, time.process_time() - cpu

    with step("bills: Parquet to index"):
        index = prepared(folder, "parquet")
    with step("receipts: read and check"):
        read = taken(folder)
    with step("key to bill"):
        some = Receipts(read, index)
    with step("match the interacting receipts"):
        matches = Matches(index, some, Policy())
    done = Reconciliation(MatchedRun(index, some, matches, Policy()))
    with step("match the others, outcomes.csv"):
        write_csv(done.outcome_batches, out / "outcomes.csv")
    with step("balances.csv"):
        write_csv(done.balance_batches, out / "balances.csv")
    return steps
