"""Tables as CSV: plain where no value needs a quote, so that it reads well and is written fast."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

_STRUCTURAL = b'",\r\n'
# Rows that are formatted at once, and bytes that are looked through at once.
_ROWS = 1 << 16
_BYTES = 1 << 18


def write_csv(table: pa.Table, path: Path) -> None:
    """A table as CSV in UTF-8, with LF and a header row; a null is empty.

    Either no text is quoted, or, where one of them has a quote, a comma or a newline inside, all are. All cores format,
    a stretch of rows each; the stretches are written in their order.
    """
    plain = not any(_needs_quotes(column) for column in table.columns)
    options = pa_csv.WriteOptions(include_header=False, quoting_style="none" if plain else "needed")
    # pyarrow writes what lies in its buffer for a batch of no rows, so such a batch must not reach it.
    batches = [batch for batch in table.to_batches(max_chunksize=_ROWS) if len(batch)]
    with path.open("wb") as file:
        file.write(",".join(table.column_names).encode() + b"\n")
        for lines in _formatted(batches, options):
            file.write(lines)


def _formatted(batches: list[pa.RecordBatch], options: pa_csv.WriteOptions) -> Iterator[pa.Buffer]:
    """The lines of batches, in their order; never more than a few of them are held."""

    def lines(batch: pa.RecordBatch) -> pa.Buffer:
        sink = pa.BufferOutputStream()
        pa_csv.write_csv(batch, sink, options)
        return sink.getvalue()

    cores = os.cpu_count() or 1
    waiting: deque[Future[pa.Buffer]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        for batch in batches:
            waiting.append(pool.submit(lines, batch))
            if len(waiting) > 2 * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _needs_quotes(column: pa.ChunkedArray) -> bool:
    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array([chunk.dictionary for chunk in column.chunks], column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return False
    return any(_is_structured(chunk) for chunk in column.chunks if len(chunk))


def _is_structured(texts: pa.Array) -> bool:
    """Whether a quote, a comma or a newline stands in any of the texts: their bytes are looked through as one."""
    offsets = np.frombuffer(texts.buffers()[1], np.int64 if pa.types.is_large_string(texts.type) else np.int32)
    first, end = int(offsets[texts.offset]), int(offsets[texts.offset + len(texts)])
    letters = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    return any(
        bool((letters[start : min(start + _BYTES, end)] == sign).any())
        for start in range(first, end, _BYTES)
        for sign in _STRUCTURAL
    )
