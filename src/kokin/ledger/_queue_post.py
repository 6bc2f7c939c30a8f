"""Post a file into the ledger of an authority, also in a process that is used for many files, and the result."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from kokin.issues import InvalidInputError, Issue
from kokin.ledger._database import LedgerError
from kokin.ledger._ledger import LOCK_TIMEOUT_S, Ledger
from kokin.model import Outcome
from kokin.receipts import FilePart, ReceiptFile, layouts
from kokin.receipts import open as open_receipts
from kokin.reconcile import Policy
from kokin.text import today


class AuthorityFileState(StrEnum):
    """What happened to a file of an authority."""

    POSTED = "posted"
    #: It is in the ledger already; nothing was written. The file is in ``done``.
    ALREADY_POSTED = "already posted"
    #: Nothing of it was posted. The file is in ``rejected``, its issues in ``FILE.json``.
    REJECTED = "rejected"
    #: The file or the ledger could not be read or written. The file is in ``retry``.
    RETRY = "retry"
    #: As ``retry``, after the last attempt. The file is in ``failed``; move it to ``incoming`` to try it again.
    FAILED = "failed"
    #: No pattern of ``layouts`` matches its name. The file is still in ``incoming``.
    NO_LAYOUT = "no layout"
    #: The ledger is inconsistent; no file of this authority is posted. The result names no file.
    STOPPED = "stopped"


@dataclass(frozen=True)
class AuthorityFileResult:
    """The result of posting a file into the ledger of an authority."""

    authority: str
    file: str
    state: AuthorityFileState
    attempt: int = 0
    entry: int | None = None
    """Id of the entry that has the file."""
    hash: str = ""
    """Hash of this entry."""
    totals: Mapping[str, Any] = field(default_factory=dict)
    """The totals of the file, as stored in the entry."""
    outcomes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """``count`` and ``amount`` (yen) of each outcome of the file's receipts."""
    issues: tuple[Issue, ...] = ()
    """The problems of the file and its records."""
    error: str = ""
    """Why it could not be posted."""

    @property
    def exceptions(self) -> int:
        """The number of its receipts that are exceptions."""
        return sum(row["count"] for name, row in self.outcomes.items() if Outcome(name).is_exception)

    def as_dict(self) -> dict[str, Any]:
        """Return all fields for JSON; each issue has its message in both languages."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["issues"] = [
            {
                "code": issue.code,
                "severity": issue.severity.value,
                "record": issue.location.record,
                "byte": issue.location.byte,
                **issue.message_params,
                "en": issue.message("en"),
                "ja": issue.message("ja"),
            }
            for issue in self.issues
        ]
        return values

    def as_line(self) -> dict[str, Any]:
        """Return the fields for a line of a log: counts, yen, and the number of issues by code."""
        about = {name: getattr(self, name) for name in ("authority", "file", "state", "attempt", "entry")}
        totals = {name: self.totals.get(name) for name in ("read", "accepted", "accepted_yen")}
        issues = dict(sorted(Counter(issue.code for issue in self.issues).items()))
        return {**about, **totals, "exceptions": self.exceptions, "issues": issues, "error": self.error}


@dataclass(frozen=True)
class PostingJob:
    """A file to post, and the result that it has until it is posted."""

    path: str
    ledger: str
    layout: str
    actor: str
    lock_timeout_s: float
    pending: AuthorityFileResult


@dataclass(frozen=True)
class PostingResult:
    """The result of a job: of its file, and of its ledger."""

    file: AuthorityFileResult
    is_unavailable: bool = False
    """The ledger could not be read or written."""
    inconsistency: str = ""
    """The broken control, or the first row that was changed; empty if the ledger is consistent."""


def post_file(job: PostingJob) -> PostingResult:
    """Post a file; every failure is a result. The file is closed when the function returns."""

    def receipts() -> ReceiptFile:
        return open_receipts(job.path, _load_layout(job.layout), reference_date=today())

    return post_receipts(receipts, job.ledger, job.pending, actor=job.actor, lock_timeout=job.lock_timeout_s)


def post_receipts(
    receipts: Callable[[], ReceiptFile | FilePart],
    ledger: str,
    pending: AuthorityFileResult,
    *,
    actor: str,
    policy: Policy | None = None,
    clock: Callable[[], datetime] | None = None,
    lock_timeout: float = LOCK_TIMEOUT_S,
) -> PostingResult:
    """Post receipts into the ledger of an authority; every failure is a result.

    Args:
        receipts: opens the file, or returns its part.
        ledger: the URL of the ledger, or the path of an SQLite file.
        pending: the result, as it is before.
        actor: who makes the entry.
        policy: the policy that the ledger must have; by default any.
        clock: returns the current time, with a zone; by default the clock of the computer.
        lock_timeout: seconds to wait for another writer.
    """
    options: dict[str, Any] = {"lock_timeout": lock_timeout, **({"clock": clock} if clock else {})}
    try:
        return _post(receipts, ledger, pending, actor, policy, options)
    except InvalidInputError as error:
        return PostingResult(replace(pending, state=AuthorityFileState.REJECTED, issues=tuple(error.issues)))
    except LedgerError as error:
        file = replace(pending, error=str(error.args[0]))
        return PostingResult(file, not error.issues, str(error.issues[0]) if error.issues else "")
    except OSError as error:
        return PostingResult(replace(pending, error=error.strerror or type(error).__name__))
    except Exception as error:  # its message could quote the data
        return PostingResult(replace(pending, error=type(error).__name__))


def _post(
    receipts: Callable[[], ReceiptFile | FilePart],
    url: str,
    pending: AuthorityFileResult,
    actor: str,
    policy: Policy | None,
    options: Mapping[str, Any],
) -> PostingResult:
    opened = receipts()
    with Ledger.open(url, **options) as ledger:
        if policy:
            ledger.require_policy(policy)
        posted = ledger.post(opened, actor=actor)
        controls = ledger.status(recompute=False).controls.values()
    issues = (*opened.issues, *posted.issues) if posted.inserted else ()
    file = replace(
        pending,
        state=AuthorityFileState.POSTED if posted.inserted else AuthorityFileState.ALREADY_POSTED,
        entry=posted.entry.id,
        hash=posted.entry.hash,
        totals=dict(posted.entry.totals),
        outcomes=dict(posted.outcomes),
        issues=issues,
    )
    broken = [f"{each.name}: {each.left} and {each.right}" for each in controls if each.holds is False]
    return PostingResult(file, inconsistency=", ".join(broken))


_load_layout = lru_cache(layouts.load)


class PostingProcess:
    """A process that posts one file at a time; after ``max_files`` files, which limits its memory, it is replaced."""

    def __init__(self, max_files: int) -> None:
        self._max_files, self._files = max_files, 0
        self._executor = new_executor()

    def submit(self, job: PostingJob) -> Future[PostingResult]:
        """Start to post a file. The future raises ``BrokenExecutor`` if the process ends before it has a result."""
        if self._files >= self._max_files:
            self.renew()
        self._files += 1
        try:
            return self._executor.submit(post_file, job)
        except BrokenExecutor:  # it ended while it had no file
            self.renew()
            return self._executor.submit(post_file, job)

    def renew(self) -> None:
        """End the process and start a new one."""
        self.end()
        self._executor, self._files = new_executor(), 0

    def end(self) -> None:
        """Wait for the process to end."""
        self._executor.shutdown()


def new_executor() -> Executor:
    """Return an executor with one new process, which has no resource in common with this one."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _prepare_process)


def _prepare_process() -> None:
    # Ctrl-C and service managers signal all processes; the parent ends this one when its file is posted.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process if the parent was killed: nobody else would."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
