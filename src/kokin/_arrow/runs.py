"""Order more rows than fit into memory: sorted runs in a temporary file, merged when they are read.

External merge sort (https://en.wikipedia.org/wiki/External_sorting). A run is a table that was sorted in memory and
written in small batches. To merge runs, one batch of each is in memory. The smallest of their last values is a bound:
no batch that is still in the file has a smaller value, so all rows up to it can be sorted and returned.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import empty_batch

# Rows per batch of the file: a batch of each run of a group is in memory.
_BATCH_ROWS = 1 << 13


class SortedRuns:
    """Rows in a temporary file: groups in the order in which they were added, each sorted by a column of texts.

    The texts of a group are distinct. The file has no name, so nothing is left after a kill. To be closed.
    """

    def __init__(self, schema: pa.Schema, by: str) -> None:
        self._schema, self._by = schema, by
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._writer: pa.RecordBatchFileWriter | None = pa.ipc.new_file(self._file, schema)
        self._runs: dict[int, list[range]] = {}
        self._batch_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the file."""
        with suppress(pa.ArrowException, OSError):
            if self._writer:
                self._writer.close()
        self._file.close()

    def add(self, group: int, rows: pa.Table) -> None:
        """Add rows to a group, which is new or the last one."""
        assert self._writer is not None
        first = self._batch_count
        for batch in rows.sort_by(self._by).combine_chunks().to_batches(max_chunksize=_BATCH_ROWS):
            self._writer.write_batch(batch)
            self._batch_count += 1
        self._runs.setdefault(group, []).append(range(first, self._batch_count))

    def finish(self) -> None:
        """End the writing; afterwards the rows can be read."""
        if self._writer:
            self._writer.close()
            self._writer = None

    def batches(self, size: int) -> Iterator[pa.RecordBatch]:
        """Yield all rows in batches of ``size`` rows, the last one smaller; one without rows if there are none."""
        self._file.seek(0)
        reader = pa.ipc.open_file(self._file)
        waiting, count = list[pa.Table](), 0
        for rows in (part for runs in self._runs.values() for part in _merged(reader, runs, self._by)):
            waiting.append(rows)
            count += len(rows)
            if count >= size:
                table = pa.concat_tables(waiting)
                count = len(table) % size
                yield from table.slice(0, len(table) - count).combine_chunks().to_batches(max_chunksize=size)
                waiting = [table.slice(len(table) - count)]
        if count or not self._batch_count:
            table = pa.concat_tables([self._schema.empty_table(), *waiting]).combine_chunks()
            yield from table.to_batches() or [empty_batch(self._schema)]


def _merged(reader: pa.RecordBatchFileReader, runs: Iterable[range], by: str) -> Iterator[pa.Table]:
    """Yield the rows of sorted runs in the order of a column."""
    heads = [(next(batches, None), batches) for batches in (map(reader.get_batch, run) for run in runs)]
    while heads := [(head, batches) for head, batches in heads if head is not None]:
        bound = min(head.column(by)[-1].as_py() for head, _ in heads)
        counts = [pc.sum(pc.less_equal(head.column(by), bound)).as_py() for head, _ in heads]
        parts = [head.slice(0, count) for (head, _), count in zip(heads, counts, strict=True)]
        yield pa.Table.from_batches(parts).sort_by(by)
        heads = [
            (head.slice(count) if count < len(head) else next(batches, None), batches)
            for (head, batches), count in zip(heads, counts, strict=True)
        ]
