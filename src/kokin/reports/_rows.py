"""Write a table for another program: CSV, JSON lines or Arrow, by the name of the file."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pyarrow as pa

from kokin._arrow.files import atomic_file
from kokin.reports._csv import write_csv

# Rows that are formatted at a time.
_ROWS = 1 << 14


def write_rows(table: pa.Table, path: Path) -> None:
    """Write a table as JSON lines (``.jsonl``), as an Arrow IPC file (``.arrow``), or as CSV for any other name.

    The same table gives the same bytes. An existing file is replaced when the new one is complete.

    Raises:
        OSError: the file cannot be written.
    """
    match path.suffix.lower():
        case ".jsonl":
            with atomic_file(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
                for batch in table.to_batches(max_chunksize=_ROWS):
                    file.writelines(
                        json.dumps(row, ensure_ascii=False, default=_as_text) + "\n" for row in batch.to_pylist()
                    )
        case ".arrow":
            with atomic_file(path) as draft, pa.ipc.new_file(str(draft), table.schema) as writer:
                writer.write_table(table.combine_chunks())
        case _:
            write_csv(table, path)


def _as_text(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value).__name__)
