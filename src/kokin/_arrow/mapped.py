"""Record batches in an unnamed temporary file that is mapped into memory, so that they need memory only while read."""

from __future__ import annotations

import mmap
import tempfile
import weakref
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

import pyarrow as pa

_mappings: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def to_mapped_file(batches: Iterable[pa.RecordBatch], folder: Path) -> list[pa.RecordBatch]:
    """Write batches to an unnamed file in a folder (Arrow IPC), and return them mapped into memory.

    One batch at a time is in memory. The system deletes the file when the last of the arrays is deleted, or the process
    ends in any way.

    Raises:
        OSError: the folder is not writable, or the disk is full.
    """
    batches = iter(batches)
    first = next(batches, None)
    if first is None:
        return []
    with tempfile.TemporaryFile(dir=folder) as file:
        with pa.ipc.new_file(file, first.schema) as writer:
            for batch in chain([first], batches):
                writer.write_batch(batch)
        file.flush()
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    _mappings.add(mapping)
    reader = pa.ipc.open_file(pa.py_buffer(mapping))
    return [reader.get_batch(number) for number in range(reader.num_record_batches)]


def map_columns(function: Callable[[pa.ChunkedArray], pa.ChunkedArray], table: pa.Table) -> pa.Table:
    """Apply a function that copies to each column of a table, whose memory is released after each."""
    columns = {}
    for name in table.column_names:
        columns[name] = function(table.column(name))
        release_mapped_memory()
    return pa.table(columns)


def release_mapped_memory() -> None:
    """Release the memory of what was read from all mapped files; a later access reads it from the file cache."""
    if hasattr(mmap, "MADV_DONTNEED"):
        for mapping in list(_mappings):
            mapping.madvise(mmap.MADV_DONTNEED)
