"""Large arrays: chunks, thread maps, parallel sorting, and sorted arrays as sets."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Item = TypeVar("Item")
Result = TypeVar("Result")
Number = TypeVar("Number", bound=np.integer[Any])

#: Rows per chunk: many enough to amortise a call, few enough for temporary arrays to stay in the CPU cache.
CHUNK_ROWS = 131_072


def chunk_slices(count: int) -> list[slice]:
    """Return slices of at most :data:`CHUNK_ROWS` rows that cover ``count`` rows."""
    return [slice(start, min(start + CHUNK_ROWS, count)) for start in range(0, count, CHUNK_ROWS)]


def thread_map(work: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None) -> list[Result]:
    """Apply a function to each item in threads, and return the results in the order of the items.

    numpy and Arrow release the GIL for most of the work. ``threads`` is by default the number of usable cores.
    """
    return list(lazy_thread_map(work, items, threads))


def lazy_thread_map(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None, *, waiting: int | None = None
) -> Iterator[Result]:
    """Like :func:`thread_map`, but yield each result. A single item is not worth a thread.

    Beside the items that threads work on, at most ``waiting`` items or results wait, by default one per thread: fewer
    need less memory.
    """
    items = iter(items)
    first = list(islice(items, 2))
    if len(first) < 2:
        yield from map(work, first)
        return
    threads = threads or usable_cores()
    limit = threads + (threads if waiting is None else waiting)
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in chain(first, items):
            pending.append(pool.submit(work, item))
            if len(pending) > limit:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def usable_cores() -> int:
    """Return the number of cores that this process may use (its CPU affinity)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def sort(values: npt.NDArray[Any]) -> None:
    """Sort an array in place, on all cores: partition it at equal distances, then sort each partition in a thread."""
    cores = usable_cores()
    bounds = [len(values) * part // cores for part in range(1, cores)] if len(values) > CHUNK_ROWS else []
    if bounds:
        values.partition(bounds)
    thread_map(np.ndarray.sort, np.split(values, bounds))


def sorted_unique(numbers: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Return the distinct numbers in ascending order: (k,).

    Faster than ``np.unique`` and ``np.isin``, which build a hash table, by a factor of ten or more.
    """
    numbers = np.sort(numbers)
    is_first = np.ones(len(numbers), np.bool_)
    is_first[1:] = numbers[1:] != numbers[:-1]
    return numbers[is_first]


def isin_sorted(numbers: npt.NDArray[np.int64], sorted_set: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which numbers are in a sorted set: bool (n,)."""
    if not len(sorted_set):
        return np.zeros(len(numbers), np.bool_)
    position = np.searchsorted(sorted_set, numbers)
    found: npt.NDArray[np.bool_] = sorted_set.take(position, mode="clip") == numbers
    return found


def difference_sorted(numbers: npt.NDArray[np.int64], sorted_set: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the numbers that are not in a sorted set, in their order: int64 (k,)."""
    return numbers[~isin_sorted(numbers, sorted_set)]


def sorted_union(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the distinct numbers of two arrays in ascending order: int64 (k,)."""
    return sorted_unique(np.concatenate([left, right]))
