"""A queue of receipt files for many authorities, each with a ledger of its own: a folder, and workers that post.

.. code-block:: text

    QUEUE/queue.toml                    authorities, ledgers, layouts
    QUEUE/99999/incoming/               new files: written under a temporary name, then renamed
    QUEUE/99999/claimed/                files in work, each in a folder that names its worker and attempt
    QUEUE/99999/retry/                  files that failed; FILE.json has the time of the next attempt
    QUEUE/99999/done|rejected|failed/   files that are finished; FILE.json has the result
    QUEUE/99999/stopped.json            the ledger is inconsistent: no file is posted until a person removes this one
    QUEUE/workers/                      a file for each running command, rewritten as a sign of life

A file whose worker gives no sign of life for ``lease_s`` seconds is claimed by another one. It may be posted a second
time; the ledger skips it by its SHA-256.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Event
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, Field

from kokin.issues import InvalidInputError, Issue
from kokin.ledger._queue_files import AuthorityFiles, Lease, QueuedFile
from kokin.ledger._queue_post import AuthorityFileResult, AuthorityFileState, PostingJob, PostingProcess, PostingResult
from kokin.model import Record
from kokin.receipts import layouts
from kokin.text import file_name, load_toml, located_in

#: When :meth:`WorkQueue.work` ends: when it is stopped, when no file is due, or after the files of one scan.
Until: TypeAlias = Literal["stopped", "empty", "scanned"]

_PLACES = {
    AuthorityFileState.POSTED: "done",
    AuthorityFileState.ALREADY_POSTED: "done",
    AuthorityFileState.REJECTED: "rejected",
    AuthorityFileState.RETRY: "retry",
    AuthorityFileState.FAILED: "failed",
}
# Seconds between two scans of the queue.
_POLL_S = 1.0


class AuthoritySettings(BaseModel):
    """A table ``[authorities.CODE]`` of ``queue.toml``; a setting that it lacks is that of the queue."""

    model_config = Record.model_config

    ledger: str = ""
    """URL of the ledger, or the path of an SQLite file in the queue. ``{authority}`` is replaced by the code."""
    layouts: dict[str, str] = Field(default_factory=dict)
    """Layout by pattern of the file's name (``*.csv``), the first match counts: a name, or a TOML file in the queue."""
    actor: str = ""
    """Who makes the entries."""


class QueueSettings(Record):
    """The file ``queue.toml``.

    Raises:
        InvalidInputError: a setting is invalid.
    """

    authorities: dict[Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z_-]{0,39}$")], AuthoritySettings]
    """The authorities by code."""
    ledger: str = ""
    """The ledger of each authority, with ``{authority}`` for its code."""
    layouts: dict[str, str] = Field(default_factory=dict)
    """The layouts of every authority, by pattern."""
    actor: str = "queue"
    """Who makes the entries."""
    max_attempts: Annotated[int, Field(ge=1)] = 12
    """How often a file is tried. With the default values, this takes six hours."""
    retry_s: Annotated[int, Field(ge=0)] = 60
    """Seconds before the second attempt; doubled before each further one."""
    max_retry_s: Annotated[int, Field(ge=0)] = 3600
    """Maximum of this delay, in seconds."""
    lease_s: Annotated[int, Field(ge=1)] = 300
    """Seconds without a sign of life after which the files of a worker are claimed by others."""
    lock_timeout_s: Annotated[int, Field(ge=0)] = 60
    """Seconds to wait for another writer of a ledger; then the file is tried again later."""
    files_per_process: Annotated[int, Field(ge=1)] = 500
    """Files after which a process is replaced by a new one, which limits its memory."""

    def of(self, code: str) -> AuthoritySettings:
        """Return the settings of an authority, completed by those of the queue."""
        own = self.authorities[code]
        patterns = {**own.layouts, **{name: self.layouts[name] for name in self.layouts if name not in own.layouts}}
        ledger = (own.ledger or self.ledger).replace("{authority}", code)
        return AuthoritySettings(ledger=ledger, layouts=patterns, actor=own.actor or self.actor)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the settings from a TOML file.

        Raises:
            InvalidInputError: not TOML, a setting is invalid, or an authority has no ledger or no layout.
            OSError: the file cannot be read.
        """
        with located_in(path.name, "queue settings rejected"):
            settings = cls(**load_toml(path))
            missing = [
                Issue("FIELD_MISSING", field=f"authorities.{code}.{name}")
                for code in settings.authorities
                for name in ("ledger", "layouts")
                if not getattr(settings.of(code), name)
            ]
            if missing:
                raise InvalidInputError(missing)
            return settings


class WorkQueue:
    """A folder with the receipt files of many authorities, and a ledger for each.

    Args:
        folder: the queue, with ``queue.toml``. The folders of the authorities are created.

    Raises:
        InvalidInputError: a setting or a layout is invalid.
        OSError: the settings cannot be read, or a folder cannot be created.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.settings = QueueSettings.load(self.folder / "queue.toml")
        self._settings_of = {code: self.settings.of(code) for code in self.settings.authorities}
        for name in {name for each in self._settings_of.values() for name in each.layouts.values()}:
            layouts.load(self._layout_path(name))
        for code in self._settings_of:
            (self.folder / code / "incoming").mkdir(parents=True, exist_ok=True)

    def work(
        self, *, workers: int = 1, until: Until = "stopped", stop: Event | None = None
    ) -> Iterator[AuthorityFileResult]:
        """Post the files of the queue and yield a result for each, after the file was moved.

        An authority has one file at a time in work, over all workers of the queue. The failure of a file or a ledger
        stops no other authority.

        Args:
            workers: the number of processes that post.
            until: when to end. ``empty`` waits for the files that other workers have claimed, but not for those in
                ``retry`` whose time has not come; these are yielded at the end.
            stop: when it is set, the work ends after the files in work.

        Raises:
            OSError: the queue itself cannot be read or written.
        """
        lease = Lease(self.folder / "workers", self.settings.lease_s)
        processes = [PostingProcess(self.settings.files_per_process) for _ in range(workers)]
        try:
            yield from _Work(self, lease, processes, until, stop or Event()).results()
        finally:
            for process in processes:
                process.end()
            lease.end()

    def job(self, code: str, claim: QueuedFile) -> PostingJob | None:
        """Return what a process needs to post a file; None if no layout matches its name."""
        settings = self._settings_of[code]
        layout = next((name for pattern, name in settings.layouts.items() if fnmatchcase(claim.name, pattern)), None)
        if layout is None:
            return None
        ledger = settings.ledger if "://" in settings.ledger else str(self.folder / settings.ledger)
        pending = AuthorityFileResult(code, file_name(claim.name), AuthorityFileState.FAILED, claim.attempt)
        timeout = self.settings.lock_timeout_s
        return PostingJob(str(claim.path), ledger, self._layout_path(layout), settings.actor, timeout, pending)

    def _layout_path(self, name: str) -> str:
        path = self.folder / name
        return str(path) if path.is_file() else name


class _Work:
    """One run of :meth:`WorkQueue.work`."""

    def __init__(
        self, queue: WorkQueue, lease: Lease, processes: list[PostingProcess], until: Until, stop: Event
    ) -> None:
        self._queue, self._lease, self._until, self._stop = queue, lease, until, stop
        self._files = {code: AuthorityFiles(queue.folder / code, lease) for code in queue.settings.authorities}
        self._idle = list(processes)
        self._running: dict[Future[PostingResult], tuple[PostingProcess, str, QueuedFile, PostingJob]] = {}
        # The files of the last scan that wait for a process, by authority, and those that are not due.
        self._waiting: dict[str, list[QueuedFile]] = {}
        self._later: list[AuthorityFileResult] = []
        self._is_empty = False
        self._next_scan = 0.0
        # The time from which an authority is tried again, by time.monotonic().
        self._paused: dict[str, float] = {}
        self._reported: set[tuple[str, str]] = set()

    def results(self) -> Iterator[AuthorityFileResult]:
        """Yield the results until the work ends."""
        while True:
            if self._idle and not self._stop.is_set():
                yield from self._start_files()
            self._lease.renew_if_due()
            if self._running:
                for future in wait(self._running, _POLL_S, FIRST_COMPLETED).done:
                    yield from self._finish(future)
            elif self._stop.is_set() or self._is_empty:
                break
            else:
                self._stop.wait(_POLL_S)
        if not self._stop.is_set():
            yield from self._new(self._later)

    def _start_files(self) -> Iterator[AuthorityFileResult]:
        """Start files, one of each authority in turn, as long as processes are idle."""
        if time.monotonic() >= self._next_scan or not (self._waiting or self._running):
            yield from self._scan()
        in_work = {code for _, code, _, _ in self._running.values()}
        for code in [code for code in self._waiting if code not in in_work]:
            if not self._idle:
                break
            file, *others = self._waiting.pop(code)
            if others:
                self._waiting[code] = others  # after the other authorities
            yield from self._start(code, file)

    def _scan(self) -> Iterator[AuthorityFileResult]:
        """Find the files that wait; the authorities with the most bytes come first."""
        if self._until == "scanned" and self._next_scan:
            self._is_empty = not self._waiting and not self._running
            return
        start, now, others_work = time.monotonic(), self._lease.renew(), False
        in_work = {claim.path for _, _, claim, _ in self._running.values()}
        self._waiting, self._later = {}, []
        for code, files in self._files.items():
            try:
                waiting, reason = files.waiting(now, in_work), files.stop_reason()
            except OSError as error:
                failed = AuthorityFileResult(code, "", AuthorityFileState.RETRY, error=_reason(error))
                yield from self._new([failed])
                continue
            others_work |= waiting is None
            if waiting and reason:
                yield from self._new([AuthorityFileResult(code, "", AuthorityFileState.STOPPED, error=reason)])
            elif waiting:
                yield from self._sort(code, waiting, now)
        sizes = {code: sum(_size(file.path) for file in files) for code, files in self._waiting.items()}
        self._waiting = {code: self._waiting[code] for code in sorted(sizes, key=sizes.__getitem__, reverse=True)}
        self._is_empty = not (self._waiting or self._running or others_work or self._until == "stopped")
        # On a slow share a scan takes long: spend at most a tenth of the time on scans.
        self._next_scan = time.monotonic() + max(_POLL_S, 10 * (time.monotonic() - start))

    def _sort(self, code: str, files: list[QueuedFile], now: float) -> Iterator[AuthorityFileResult]:
        """Sort the waiting files of an authority into those that are due and the others."""
        is_paused = self._paused.get(code, 0) > time.monotonic()
        for file in files:
            if self._queue.job(code, file) is None:
                yield from self._new([AuthorityFileResult(code, file_name(file.name), AuthorityFileState.NO_LAYOUT)])
            elif is_paused or file.due > now:
                self._later.append(_waiting_result(code, file))
            else:
                self._waiting.setdefault(code, []).append(file)

    def _start(self, code: str, file: QueuedFile) -> Iterator[AuthorityFileResult]:
        """Claim a file and start to post it."""
        try:
            claim = self._files[code].claim(file)
        except OSError as error:
            yield self._postponed(code, file, error)
            return
        if claim is None:
            return
        job = self._queue.job(code, claim)
        assert job is not None, "the name of a waiting file has a layout"
        if claim.attempt > self._queue.settings.max_attempts:
            pending = replace(job.pending, error="the worker ended during every attempt")
            yield from self._end(code, claim, PostingResult(pending))
            return
        process = self._idle.pop()
        self._running[process.submit(job)] = (process, code, claim, job)

    def _finish(self, future: Future[PostingResult]) -> Iterator[AuthorityFileResult]:
        """Yield the result of a file whose posting has ended."""
        process, code, claim, job = self._running.pop(future)
        self._idle.append(process)
        try:
            posted = future.result()
        except BrokenExecutor:
            process.renew()
            posted = PostingResult(replace(job.pending, error="the process ended before the file was posted"))
        yield from self._end(code, claim, posted)

    def _end(self, code: str, claim: QueuedFile, posted: PostingResult) -> Iterator[AuthorityFileResult]:
        """Move a claimed file to where its result belongs, and yield the result."""
        result, attempt, delay = posted.file, claim.attempt, self._delay(claim.attempt)
        if posted.inconsistency:
            self._waiting.pop(code, None)
            attempt, delay = attempt - 1, 0  # not the fault of the file
        elif posted.is_unavailable:
            self._pause(code, delay)
        next_attempt = {}
        if result.state is AuthorityFileState.FAILED and attempt < self._queue.settings.max_attempts:
            result = replace(result, state=AuthorityFileState.RETRY)
            next_attempt = {"attempt": attempt, "due": self._lease.renew() + delay}
        try:
            if posted.inconsistency:
                self._files[code].stop(posted.inconsistency)
            if self._files[code].move(claim, _PLACES[result.state], {**result.as_dict(), **next_attempt}):
                self._reported.add((code, result.file))
                yield result
        except OSError as error:
            yield self._postponed(code, claim, error)
        if posted.inconsistency:
            self._reported.add((code, ""))
            yield AuthorityFileResult(code, "", AuthorityFileState.STOPPED, error=posted.inconsistency)

    def _postponed(self, code: str, file: QueuedFile, error: OSError) -> AuthorityFileResult:
        """Pause an authority whose file cannot be moved, and return the result of that file."""
        self._pause(code, self._delay(file.attempt))
        name = file_name(file.name)
        self._reported.add((code, name))
        return AuthorityFileResult(code, name, AuthorityFileState.RETRY, file.attempt, error=_reason(error))

    def _pause(self, code: str, delay: float) -> None:
        """Try no file of an authority for some seconds."""
        self._paused[code] = time.monotonic() + delay
        self._later += [_waiting_result(code, file) for file in self._waiting.pop(code, [])]

    def _delay(self, attempt: int) -> float:
        """Return the seconds after an attempt before the next one."""
        settings = self._queue.settings
        return float(min(settings.retry_s * 2 ** min(attempt - 1, 30), settings.max_retry_s))

    def _new(self, results: list[AuthorityFileResult]) -> Iterator[AuthorityFileResult]:
        """Yield the results of files, and of stopped authorities, that this run has not yielded."""
        for result in results:
            if (result.authority, result.file) not in self._reported:
                self._reported.add((result.authority, result.file))
                yield result


def _waiting_result(code: str, file: QueuedFile) -> AuthorityFileResult:
    """Return the result of a file that is not tried now."""
    error = "waits for its next attempt"
    return AuthorityFileResult(code, file_name(file.name), AuthorityFileState.RETRY, file.attempt - 1, error=error)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # another worker has claimed it
        return 0
