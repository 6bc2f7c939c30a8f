"""The files of a queue: which of them wait, claim one, and move it to the folder where it ends.

Every step is one rename to a name that no other file has, so two workers, also of two machines on one share, never
have the same file, and a worker can be killed at any time. No step replaces a file. Times are compared only if the
file server wrote both, so the clocks of the machines may differ.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from kokin._arrow.files import rename

# Names under which senders write a file that is not complete, and the names of records.
_NOT_TAKEN = re.compile(r"\..*|.*\.(?:tmp|part|partial|filepart|json)", re.IGNORECASE)
# The name of the folder of a claim: the worker, the number of its claim, and the attempt.
_CLAIM = re.compile(r"(.+)\.[0-9]+\.([0-9]+)")
# File systems accept names of 255 bytes or characters; a finished file may need a number and ``.json``.
_MAX_NAME_BYTES = 200


class Lease:
    """The sign of life of a running command: a file in ``workers``, whose time of change the file server writes."""

    def __init__(self, folder: Path, lease_s: float) -> None:
        host = re.sub(r"[^0-9A-Za-z-]", "-", socket.gethostname())[:40]
        self.worker = f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
        self._folder, self._lease_s, self._renewals = folder, lease_s, 0
        folder.mkdir(exist_ok=True)
        now = self.renew()
        for other in _paths(folder):
            if not self.is_live(other.name, now):
                with suppress(OSError):
                    other.unlink()

    def renew(self) -> float:
        """Give a sign of life, and return the current time of the file server in seconds."""
        path = self._folder / self.worker
        self._renewals += 1
        path.write_text(f"renewal {self._renewals}\n", encoding="utf-8")
        self._renewed = time.monotonic()
        return path.stat().st_mtime

    def renew_if_due(self) -> None:
        """Give a sign of life if a fifth of the lease has passed."""
        if time.monotonic() - self._renewed > self._lease_s / 5:
            self.renew()

    def is_live(self, worker: str, now: float) -> bool:
        """Return whether a worker has given a sign of life within the time of a lease."""
        try:
            return now - (self._folder / worker).stat().st_mtime < self._lease_s
        except FileNotFoundError:
            return False

    def end(self) -> None:
        """Remove the file; claims that are left can be taken over at once."""
        (self._folder / self.worker).unlink(missing_ok=True)


@dataclass(frozen=True)
class QueuedFile:
    """A file that waits or is claimed, with the number of its next attempt, or of that in work."""

    path: Path
    name: str
    """Its name in ``incoming``."""
    attempt: int
    due: float = 0
    """The earliest time of this attempt, by the file server, in seconds."""


class AuthorityFiles:
    """The folder of an authority in a queue, and the worker that uses it."""

    def __init__(self, folder: Path, lease: Lease) -> None:
        self._folder, self._lease, self._claims = folder, lease, 0

    def waiting(self, now: float, in_work: Collection[Path]) -> list[QueuedFile] | None:
        """Return the files that wait, by name; None if another worker has a file of the authority in work.

        ``in_work`` are the files that this worker has in work. Others that are claimed were left by a killed worker.
        """
        if self._has_claim_of_others(now):
            return None
        left = [(attempt, path) for _, attempt, path in self._claimed() if path not in in_work]
        files = [QueuedFile(path, path.name, attempt + 1) for attempt, path in left]
        incoming = _paths(self._folder / "incoming")
        files += [QueuedFile(path, path.name, 1) for path in incoming if not _NOT_TAKEN.fullmatch(path.name)]
        for path in _paths(self._folder / "retry"):
            if path.suffix != ".json":
                record = _read_record(path)
                name, attempt, due = (record.get(key) for key in ("name", "attempt", "due"))
                attempt = attempt if isinstance(attempt, int) else 0
                due = due if isinstance(due, int | float) else 0
                files.append(QueuedFile(path, name if isinstance(name, str) else path.name, attempt + 1, due))
        return sorted(files, key=lambda file: file.name)

    def claim(self, file: QueuedFile) -> QueuedFile | None:
        """Claim a file; None if another worker has claimed it, or another file of the authority.

        Raises:
            OSError: the file cannot be moved.
        """
        self._claims += 1
        folder = self._folder / "claimed" / f"{self._lease.worker}.{self._claims}.{file.attempt}"
        folder.mkdir(parents=True)
        claim = replace(file, path=folder / file.name)
        try:
            file.path.rename(claim.path)
        except OSError as error:
            _remove_folder(folder)
            if isinstance(error, FileNotFoundError):
                return None
            raise
        _remove_rest(file.path)
        if self._has_claim_of_others(self._lease.renew()):
            # Two workers have claimed at the same time: a worker that sees the other claim returns its file.
            self.move(claim, "retry", {"attempt": file.attempt - 1})
            return None
        return claim

    def move(self, claim: QueuedFile, place: str, record: Mapping[str, Any]) -> bool:
        """Move a claimed file to a folder, and write its record beside it as JSON.

        The record is created first, which only one worker can: it reserves the name. If the name is in use, the file
        gets a number.

        Returns:
            False if another worker has taken over the claim.

        Raises:
            OSError: the file cannot be moved; it remains claimed.
        """
        folder = self._folder / place
        folder.mkdir(exist_ok=True)
        target = _reserve_name(folder, claim.name, record)
        try:
            rename(claim.path, target)
        except OSError as error:
            _record_of(target).unlink()
            if isinstance(error, FileNotFoundError):
                return False
            raise
        _remove_rest(claim.path)
        return True

    def stop(self, reason: str) -> None:
        """Stop all workers from posting files of the authority, until a person removes ``stopped.json``."""
        (self._folder / "stopped.json").write_text(json.dumps({"error": reason}), encoding="utf-8")

    def stop_reason(self) -> str:
        """Return why the authority is stopped; empty if it is not."""
        path = self._folder / "stopped"
        return str(_read_record(path).get("error", "stopped.json")) if _record_of(path).exists() else ""

    def _claimed(self) -> Iterator[tuple[str, int, Path]]:
        """Yield worker, attempt and path of each claimed file."""
        for folder in _paths(self._folder / "claimed"):
            if claim := _CLAIM.fullmatch(folder.name):
                for path in _paths(folder):
                    yield claim[1], int(claim[2]), path

    def _has_claim_of_others(self, now: float) -> bool:
        own, is_live = self._lease.worker, self._lease.is_live
        return any(worker != own and is_live(worker, now) for worker, _, _ in self._claimed())


def _paths(folder: Path) -> list[Path]:
    try:
        # A network drive has files of its own, whose names begin with a point.
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []


def _record_of(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _read_record(path: Path) -> dict[str, Any]:
    """Return the record of a file; empty if there is none, or its writer was killed."""
    try:
        record = json.loads(_record_of(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _reserve_name(folder: Path, name: str, record: Mapping[str, Any]) -> Path:
    """Create the record of a file under the first name that is not in use, and return the path for the file."""
    for number in count(1):
        target = folder / _numbered(name, number)
        if target.exists():
            continue
        try:
            # A byte of a name that is not UTF-8 is written as an escape of JSON.
            with _record_of(target).open("x", encoding="utf-8", errors="backslashreplace") as file:
                json.dump({**record, "name": name}, file, ensure_ascii=False, indent=1)
        except FileExistsError:
            continue
        return target
    raise AssertionError("count has no end")


def _numbered(name: str, number: int) -> str:
    """Return the name of the file, the second and further ones of a name with a number: ``x.csv``, ``x~2.csv``."""
    path = Path(name)
    stem = path.stem if len(os.fsencode(name)) <= _MAX_NAME_BYTES else path.stem[:50]
    return f"{stem}~{number}{path.suffix}" if number > 1 else stem + path.suffix


def _remove_rest(path: Path) -> None:
    """Remove what is left at the former place of a file: its record in ``retry``, or the folder of its claim."""
    if path.parent.name == "retry":
        _record_of(path).unlink(missing_ok=True)
    elif path.parent.name != "incoming":
        _remove_folder(path.parent)


def _remove_folder(folder: Path) -> None:
    with suppress(OSError):  # another worker has removed it
        folder.rmdir()
