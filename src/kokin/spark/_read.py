"""Receipt files read on executors, one task for each file, by the ordinary reader."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from kokin import receipts
from kokin.issues import to_table
from kokin.model import Receipt, arrow_schema
from kokin.receipts import Totals, layouts
from kokin.spark._rows import sql_schema, struct_rows, struct_schema
from kokin.text import file_name

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_COUNTS = ("read", "accepted", "unpaid", "rejected", "accepted_yen")


@dataclass(frozen=True)
class SparkReceipts:
    """The content of receipt files; read on first use, and cached. ``read = accepted + unpaid + rejected``.

    A file is used as a whole or not at all: of one that is rejected, or cannot be opened, no receipt is returned.
    """

    receipts: DataFrame
    """The accepted receipts: the columns of :class:`~kokin.model.Receipt`, with ``paid_time`` as a text ``HH:MM:SS``,
    because Spark cannot write a time of day to Parquet; :func:`reconcile` converts it back. A column that the layout
    does not fill is null."""
    files: DataFrame
    """A row per file: ``path, source, digest, layout``, the counts ``read, accepted, unpaid, rejected, accepted_yen``,
    ``state`` (``accepted``, ``rejected`` or ``unreadable``), and ``error``, why it is unreadable."""
    issues: DataFrame
    """The problems of all files and records, in the columns :data:`kokin.issues.ISSUE_COLUMNS`."""
    _rows: DataFrame

    def unpersist(self) -> None:
        """Release the cached content; the files are read again on the next use."""
        self._rows.unpersist()


def read_receipts(
    session: SparkSession,
    paths: Sequence[str | Path],
    layout: str | Path | layouts.Layout,
    *,
    lenient: bool = False,
    reference_date: date | None = None,
) -> SparkReceipts:
    """Read receipt files of one layout, each in a task of its own.

    A task has one file in memory, about 0.3 GB for a million records.

    Args:
        session: the Spark session.
        paths: paths under which every executor can open the files: a mounted share, not a URL.
        layout: a name, the path of a TOML file on the driver, or a layout.
        lenient: repair what can be repaired, and report each repair.
        reference_date: reference date for dates without a year or era.

    Raises:
        LayoutError: the layout is unknown or invalid.
        InvalidInputError: the layout describes no receipts, or needs a reference date.
    """
    of_files = layout if isinstance(layout, layouts.Layout) else layouts.load(layout)
    names = [str(path) for path in paths]

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from read_file(names[number], of_files, lenient, reference_date).to_batches()

    tasks = session.range(0, len(names), 1, max(len(names), 1))
    rows = tasks.mapInArrow(work, sql_schema(row_schema())).persist()
    of_receipts, of_each_file, of_issues = (
        rows.where(f"{kind} is not null").select(f"{kind}.*") for kind in ("receipt", "file", "issue")
    )
    return SparkReceipts(of_receipts, of_each_file, of_issues, rows)


@functools.cache
def row_schema() -> pa.Schema:
    """The columns ``receipt, file, issue``: structs, of which each row has one."""
    columns = [
        pa.field(field.name, pa.string() if pa.types.is_time(field.type) else field.type)
        for field in arrow_schema(Receipt)
        if field.name != "raw"
    ]
    texts = [(name, pa.string()) for name in ("path", "source", "digest", "layout", "state", "error")]
    counts = [(name, pa.int64()) for name in _COUNTS]
    kinds = {"receipt": pa.schema(columns), "file": pa.schema(texts + counts), "issue": to_table([]).schema}
    return struct_schema(kinds)


def read_file(path: str, layout: layouts.Layout, lenient: bool, reference_date: date | None) -> pa.Table:
    """Return the content of a file as rows of :func:`row_schema`."""
    about = {"path": path, "source": file_name(path), "digest": "", "layout": layout.name, "error": ""}
    table, issues, totals = pa.table({}), [], Totals()
    try:
        file = receipts.open(path, layout, lenient=lenient, reference_date=reference_date)
        try:
            table = file.table(on_error="skip")
            about["state"] = "accepted"
        except receipts.FileRejectedError:
            about["state"] = "rejected"
        issues, totals = list(file.issues), file.totals
        about["digest"] = file.digest
    except OSError as error:
        about |= {"state": "unreadable", "error": error.strerror or type(error).__name__}
    counts = {name: getattr(totals, name) for name in _COUNTS}
    tables = {"receipt": table, "file": pa.Table.from_pylist([{**about, **counts}]), "issue": to_table(issues)}
    return struct_rows(tables, row_schema())
