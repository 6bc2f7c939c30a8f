"""Files that belong to an entry: drafts that are written before the entry is committed, and renamed after it.

A draft is a hidden file in the folder of the file, of an upload, an order of refunds or a request of debits. Its name
has the number of the entry, the first hash of the ledger, and a random token, which the totals of the entry have, too.
So a later run can decide, while it is the only writer of the ledger, about the drafts of a run that was killed: the
files of an active entry are completed, others are removed. A file that has been renamed is never written again,
wherever it was moved.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
from sqlalchemy import select

from kokin import receipts
from kokin._arrow.files import rename
from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger._active_entries import reversed_entries
from kokin.ledger._database import Transaction
from kokin.ledger._journal import Entry, entry_rows
from kokin.ledger._schema import EntryKind, entries, seals
from kokin.receipts.layouts import Layout

_DRAFT = re.compile(r"\.(?P<name>.+)\.(?P<entry>\d+)\.(?P<ledger>[0-9a-f]{8})\.(?P<token>[0-9a-f]{16})\.part")


@dataclass(frozen=True, slots=True)
class UploadFile:
    """One file of an upload."""

    name: str
    """``upload-``, the entry with at least 4 digits, the number of the file in the upload with 4 digits, from 1."""
    records: int
    """The number of its records."""
    digest: str
    """SHA-256 of the file."""


class EntryDrafts:
    """The drafts of the files of one entry in a folder; a ``with`` block that fails removes them."""

    def __init__(self, transaction: Transaction, folder: Path, entry: int) -> None:
        self.folder, self.entry = folder, entry
        self.token = secrets.token_hex(8)
        self._mark = f"{entry}.{_ledger_mark(transaction)}.{self.token}.part"
        self._names: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._remove()

    def write(
        self, name: str, rows: pa.Table, layout: Layout, header: Mapping[str, Any], *, request: bool = False
    ) -> str:
        """Write the draft of a file, flush it to the disk, and return its SHA-256.

        Raises:
            InvalidInputError: a value that the layout cannot write, with the number of the row in ``rows``; or the
                folder has another file of this name.
            OSError: the folder cannot be written.
        """
        if (self.folder / name).exists():
            raise InvalidInputError([Issue("FOLDER_TAKEN", found=name)], "nothing was sent")
        with self._path(name).open("xb") as stream:
            receipts.write(rows, stream, layout, header=header, request=request)
            stream.flush()
            os.fsync(stream.fileno())
        self._names.append(name)
        return sha256(self._path(name).read_bytes()).hexdigest()

    def _remove(self) -> None:
        for path in self.folder.glob(f".*.{self._mark}"):
            path.unlink(missing_ok=True)

    def complete(self) -> None:
        """Rename the drafts to their names, after the entry was committed."""
        for name in self._names:
            _rename(self._path(name), self.folder / name)

    def _path(self, name: str) -> Path:
        return self.folder / f".{name}.{self._mark}"


def complete_drafts(transaction: Transaction, folder: Path) -> dict[str, int]:
    """Complete or remove the drafts in a folder of runs that were killed; return the completed files and their entries.

    The caller is the only writer of the ledger, so no other run is between its first draft and its commit.
    """
    mark, completed = _ledger_mark(transaction), dict[str, int]()
    for path in sorted(folder.glob(f".*.{mark}.*.part")):
        match = _DRAFT.fullmatch(path.name)
        if match is None:
            continue
        if _token_of(transaction, int(match["entry"])) == match["token"]:
            _rename(path, folder / match["name"])
            completed[match["name"]] = int(match["entry"])
        else:
            path.unlink(missing_ok=True)
    return completed


def _rename(draft: Path, target: Path) -> None:
    # Another run may have completed the file since the entry was committed.
    with contextlib.suppress(FileNotFoundError):
        rename(draft, target)


def _ledger_mark(transaction: Transaction) -> str:
    """Return the first digits of the hash of the first entry, which differs between ledgers."""
    first = select(seals.c.hash).order_by(seals.c.entry_id).limit(1)
    return bytes(transaction.connection.execute(first).scalar_one()).hex()[:8]


def _token_of(transaction: Transaction, entry: int) -> str | None:
    """Return the token of an active entry with files, None for any other entry."""
    kinds = (EntryKind.UPLOAD.value, EntryKind.REFUND.value, EntryKind.DEBIT_REQUEST.value)
    statement = entry_rows().where(entries.c.id == entry, entries.c.kind.in_(kinds))
    row = transaction.connection.execute(statement).mappings().first()
    if row is None or entry in reversed_entries(transaction):
        return None
    token: str | None = Entry.of(row).totals.get("token")
    return token


def with_row_of(issue: Issue, rows: Sequence[int | None], names: Sequence[str], source: str) -> Issue:
    """Return the issue of a row of an upload with its location in the file of bills, and the ``bill_id``.

    Args:
        issue: its record is the number of the row in the upload's file, from 1.
        rows: the number of each row in the file of bills; None for a slip that is not in it.
        names: the ``bill_id`` of each row.
        source: the name of the file of bills.
    """
    row = (issue.location.record or 1) - 1
    return replace(issue, location=Location(source, rows[row]), found=issue.found or names[row])
