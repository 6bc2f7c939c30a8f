"""A batch in stretches that stay in the processor's cache, on as many threads as there are processors.

numpy and Arrow let go of Python's lock while they compute.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pyarrow as pa

from kokin.model import Day, Kind, Yen

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


def as_worked_on(column: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray | None:
    """A column as text, int64 or date32; ``None`` where it is of no type that its kind takes."""
    given = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if given in (pa.string(), pa.large_string(), pa.string_view()):
        return column.cast(pa.string())
    match kind:
        case Yen():
            wanted, exact = pa.int64(), pa.types.is_integer(given) and given != pa.uint64()
        case Day():
            wanted, exact = pa.date32(), pa.types.is_date(given)
        case _:
            wanted, exact = pa.string(), False
    return column.cast(wanted) if exact or pa.types.is_null(given) else None
