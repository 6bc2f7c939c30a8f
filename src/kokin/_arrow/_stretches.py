"""A batch by stretches, on all cores."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

#: Rows that are worked on at a time: enough to make a step worth its call, few enough for the cache.
CHUNK_ROWS = 131_072


def chunk_slices(count: int) -> list[slice]:
    """The rows of a batch, :data:`CHUNK_ROWS` at a time, so that what is between two steps stays small."""
    return [slice(start, min(start + CHUNK_ROWS, count)) for start in range(0, count, CHUNK_ROWS)]


def thread_map(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """The results of independent pieces of work, in their order. numpy and Arrow free the lock for most of it."""
    return list(lazy_thread_map(work, items))


def lazy_thread_map(work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """What :func:`thread_map` tells, one after another: only a few pieces are taken before they are asked for."""
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(cores()) as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def sort(values: npt.NDArray[Any]) -> None:
    """Sort an array where it stands, on all cores."""
    ends = [len(values) * part // cores() for part in range(1, cores())] if len(values) > CHUNK_ROWS else []
    if ends:
        values.partition(ends)
    thread_map(np.ndarray.sort, np.split(values, ends))


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
