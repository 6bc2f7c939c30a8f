"""A batch in stretches that stay in the processor's cache, on as many threads as there are processors.

numpy and Arrow let go of Python's lock while they compute.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pyarrow as pa

# Rows worked on at once, 255 bytes each: few enough for the cache, enough that threads seldom wait for Python's lock.
_STRETCH = 49_152

_Done = TypeVar("_Done")


def stretches(table: pa.Table) -> Iterator[tuple[int, pa.RecordBatch]]:
    """A table in stretches, each with its first row."""
    first = 0
    for batch in table.to_batches(max_chunksize=_STRETCH):
        yield first, batch
        first += len(batch)


def on_threads(work: Callable[..., _Done], pieces: Sequence[tuple[Any, ...]], threads: int | None) -> list[_Done]:
    """The work done on each piece, in their order."""
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        return list(pool.map(lambda piece: work(*piece), pieces))
