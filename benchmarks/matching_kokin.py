"""Kokin's pipelines for the matching benchmark, as a user would write them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from matching_city import FILES

from kokin import bills, receipts
from kokin._arrow.files import write_csv
from kokin._arrow.threads import CHUNK_ROWS
from kokin.issues import InvalidInputError
from kokin.matching import Index
from kokin.reconcile import reconcile

#: Wall and CPU seconds by step.
Steps = dict[str, tuple[float, float]]


def build_index(folder: Path, form: str, receipt_tables: list[pa.Table] | None = None) -> Index:
    """Return the index of the bills, for few receipts only of their keys; a Parquet file is read in chunks."""
    if form == "csv":
        return Index.build(bills.read(folder / "bills.csv").table)
    file = pq.ParquetFile(folder / "bills.parquet", pre_buffer=False)
    if receipt_tables and 4 * sum(map(len, receipt_tables)) > file.metadata.num_rows:
        receipt_tables = None
    batches = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(CHUNK_ROWS))
    return Index.build(batches, receipts=receipt_tables)


def read_receipts(folder: Path) -> list[pa.Table]:
    """Return the accepted receipts of each file."""
    layout = str(folder / "layout.toml")
    return [receipts.read(folder / name, layout=layout, on_error="skip").table for name in FILES]


def job(folder: Path, form: str, out: Path) -> None:
    """Read bills and receipts, match them, and write both tables in batches; each step uses all cores."""
    tables = read_receipts(folder)
    result = reconcile(build_index(folder, form, tables), tables)
    write_csv(result.outcome_batches, out / "outcomes.csv")
    write_csv(result.balance_batches, out / "balances.csv")


def core(bill_table: pa.Table, receipt_tables: list[pa.Table]) -> Callable[[], pa.Table]:
    """Return the core: from Arrow tables to outcomes, including the index."""
    receipts_of_file = []
    for table, name in zip(receipt_tables, FILES, strict=True):
        names = pa.array([name]).dictionary_encode().take(pa.array([0] * len(table)))
        table = table.drop_columns(["event", "file"]).append_column("source", names).append_column("digest", names)
        receipts_of_file.append(table)
    return lambda: reconcile(bill_table, receipts_of_file).outcomes


def daily(folder: Path, out: Path) -> None:
    """Match a day's file with the build_index index."""
    result = reconcile(Index.load(folder / "index"), read_receipts(folder))
    write_csv(result.outcome_batches, out / "outcomes.csv")
    write_csv(result.changes, out / "changes.csv")


def prepare_daily(folder: Path) -> None:
    """Save the index of the folder's bills unless a valid one exists."""
    try:
        Index.load(folder / "index")
    except InvalidInputError:
        build_index(folder, "parquet").save(folder / "index")


def profile(folder: Path, out: Path) -> Steps:
    """Time the steps of :func:`job`."""
    from kokin.reconcile import Policy
    from kokin.reconcile._matches import Matches, Receipts
    from kokin.reconcile._reconciliation import MatchedRun, Reconciliation

    steps: Steps = {}

    @contextmanager
    def step(name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        steps[name] = time.perf_counter() - wall, time.process_time() - cpu

    with step("receipts: read and check"):
        table = read_receipts(folder)
    with step("bills: Parquet to index"):
        index = build_index(folder, "parquet", table)
    with step("find the bill of each key"):
        keyed = Receipts(table, index)
    with step("match interacting receipts"):
        matches = Matches(index, keyed, Policy())
    result = Reconciliation(MatchedRun(index, keyed, matches, Policy()))
    with step("match independent receipts, write outcomes.csv"):
        write_csv(result.outcome_batches, out / "outcomes.csv")
    with step("write balances.csv"):
        write_csv(result.balance_batches, out / "balances.csv")
    return steps
