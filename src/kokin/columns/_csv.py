"""Tables as CSV: plain where no value needs a quote, so that it reads well and is written fast."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv

from kokin.columns._arrow import no_rows
from kokin.columns._files import atomic_file
from kokin.columns._stretches import in_turn

# Rows that are formatted at once.
_ROWS = 1 << 16


def write_csv(rows: pa.Table | Callable[[], Iterable[pa.RecordBatch]], path: Path, encoding: str = "utf-8") -> None:
    """A table as CSV, with LF and a header row; a null is empty.

    Either no text is quoted, or, where one of them has a quote, a comma or a newline inside, all are. All cores format,
    a stretch of rows each; the stretches are written in their order.

    Args:
        rows: a table, or what gives its batches: at least one, be it empty. Only a few of them are held at a time;
            where a text turns out to need a quote, they are asked for again.
        path: the file, which is replaced when all is written, and left as it was when something raises.
        encoding: the character set.

    Raises:
        UnicodeEncodeError: the encoding lacks a character.
    """
    batches = (lambda: _batches_of(rows)) if isinstance(rows, pa.Table) else rows
    with atomic_file(path) as draft, draft.open("wb") as file:
        try:
            _write(batches(), file, "none", encoding)
        except pa.ArrowInvalid:  # so pyarrow tells a text that cannot stand without a quote
            file.seek(0)
            file.truncate()
            _write(batches(), file, "needed", encoding)


def _batches_of(table: pa.Table) -> list[pa.RecordBatch]:
    return table.to_batches(max_chunksize=_ROWS) or [no_rows(table.schema)]


def _write(batches: Iterable[pa.RecordBatch], file: BinaryIO, quoting: str, encoding: str) -> None:
    """The header, and the lines of batches in their order."""
    # In the smaller batches that pyarrow takes by default, a fifth of the time goes.
    options = pa_csv.WriteOptions(include_header=False, batch_size=_ROWS, quoting_style=quoting)

    def lines(batch: pa.RecordBatch) -> pa.Buffer | bytes:
        sink = pa.BufferOutputStream()
        # pyarrow writes what lies in its buffer for a batch of no rows, so such a batch must not reach it.
        if len(batch):
            pa_csv.write_csv(batch, sink, options)
        made = sink.getvalue()
        # A byte order mark stands before the header only.
        return made if encoding in ("utf-8", "utf-8-sig") else str(made, "utf-8").encode(encoding)

    batches = iter(batches)
    first = next(batches)
    file.write((",".join(first.schema.names) + "\n").encode(encoding))
    file.writelines(in_turn(lines, chain([first], batches)))
