"""Map a function over items in worker processes, in the order of the items."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from kokin._arrow.threads import usable_cores
from kokin.issues import KokinError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Windows waits for at most 63 handles.
_MAX_JOBS = 61
# The number of workers by default is limited, because each needs memory of its own.
_MAX_DEFAULT_JOBS = 8

_KILLED = "a worker process was killed or ran out of memory; run the command again, or with --jobs 1"


def default_jobs() -> int:
    """Return the number of cores that this process may use, at most 8."""
    return min(usable_cores(), _MAX_DEFAULT_JOBS)


def process_map(work: Callable[[Item], Result], items: Iterable[Item], jobs: int) -> Generator[Result]:
    """Yield the result of a function for each item, in the order of the items.

    With one job, or one item, the function is called in this process. Otherwise it is pickled into ``jobs`` processes,
    which import the modules that it needs (start method ``spawn``, the same on every system). At most two items per
    process are in progress.

    The processes end when the iterator is closed, whether it is exhausted, the function raises or this process dies
    (close it with :func:`contextlib.closing`). Ctrl-C is for this process alone.

    Raises:
        KokinError: a process ended before its item was complete.
        Exception: what the function raises for an item.
    """
    items = iter(items)
    head = list(islice(items, min(jobs, 2)))
    items = chain(head, items)
    if len(head) < 2:
        yield from map(work, items)
        return
    context = get_context("spawn")
    # Nothing is sent through this pipe. The workers end when it ends: it is closed, or this process is dead.
    is_needed, keep = context.Pipe(duplex=False)
    pending: deque[Future[Result]] = deque()
    with is_needed, keep, ProcessPoolExecutor(min(jobs, _MAX_JOBS), context, _start_worker, (work, is_needed)) as pool:
        try:
            for item in items:
                with _interrupts_blocked():
                    pending.append(pool.submit(_work_on, item))
                if len(pending) > 2 * jobs:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool:
            keep.close()
            raise KokinError(_KILLED) from None
        except BaseException:  # GeneratorExit and KeyboardInterrupt, too
            keep.close()
            raise


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C in this thread: it is delivered at the end of the block.

    A process that is started within the block inherits this. Without it, a worker that is still importing its modules
    would print a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# --- in a worker process ----------------------------------------------------------------------------------------------

# The function of this process.
_work: Callable[[Any], Any]


def _start_worker(work: Callable[[Any], Any], is_needed: Connection) -> None:
    global _work
    _work = work
    # Ctrl-C reaches all processes of a terminal; the one that has started them ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_when_not_needed, args=(is_needed,), daemon=True).start()


def _exit_when_not_needed(is_needed: Connection) -> None:
    with suppress(EOFError, OSError):
        is_needed.recv()
    os._exit(1)


def _work_on(item: Any) -> Any:
    return _work(item)
