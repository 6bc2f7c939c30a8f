"""Write a table for another program: CSV, JSON lines or Arrow, by the name of the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import date
from itertools import chain
from pathlib import Path

import pyarrow as pa

from kokin._arrow.convert import empty_batch
from kokin._arrow.files import atomic_file
from kokin.reports._csv import write_csv_batches

# Rows that are formatted at a time.
_ROWS = 1 << 14


def write_rows(rows: pa.Table | Callable[[], Iterable[pa.RecordBatch]], path: Path) -> None:
    """Write rows as JSON lines (``.jsonl``), as an Arrow IPC file (``.arrow``), or as CSV for any other name.

    The same rows give the same bytes. An existing file is replaced when the new one is complete.

    Args:
        rows: a table, or a callable that returns its batches (at least one, possibly empty), of which only a few are in
            memory at a time; it may be called again.
        path: the file.

    Raises:
        OSError: the file cannot be written.
    """
    batches = (lambda: _table_batches(rows)) if isinstance(rows, pa.Table) else rows
    match path.suffix.lower():
        case ".jsonl":
            with atomic_file(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
                for batch in batches():
                    file.writelines(
                        json.dumps(row, ensure_ascii=False, default=_as_text) + "\n" for row in batch.to_pylist()
                    )
        case ".arrow":
            iterator = iter(batches())
            first = next(iterator)
            with atomic_file(path) as draft, pa.ipc.new_file(str(draft), first.schema) as writer:
                for batch in chain([first], iterator):
                    writer.write_batch(batch)
        case _:
            write_csv_batches(batches, path, "utf-8")


def _table_batches(table: pa.Table) -> list[pa.RecordBatch]:
    return table.combine_chunks().to_batches(max_chunksize=_ROWS) or [empty_batch(table.schema)]


def _as_text(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value).__name__)
