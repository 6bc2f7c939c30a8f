"""Entries of the ledger, and the result of writing one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import RowMapping

from kokin.issues import Issue, Location
from kokin.ledger._database import LedgerError


class EntryKind(StrEnum):
    """The kind of an entry."""

    #: The first entry: schema version and policy.
    CREATED = "created"
    #: 調定: bills and new versions of bills.
    BILLS = "bills"
    #: 収納: the receipts of one file.
    RECEIPT_FILE = "receipt_file"
    #: 入金: deposits on the bank account.
    BANK_DEPOSITS = "bank_deposits"
    #: 収納報告: collections reported by an agent.
    AGENT_REPORTS = "agent_reports"
    #: 取消: reverses a file, a posting, deposits, reports or another reversal.
    REVERSAL = "reversal"


#: Entries with a digest, which is posted once.
FILE_KINDS = (EntryKind.RECEIPT_FILE, EntryKind.BANK_DEPOSITS, EntryKind.AGENT_REPORTS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction of the ledger: actor, time, reason, source and version of Kokin."""

    id: int
    kind: EntryKind
    at: datetime
    actor: str
    reason: str
    version: str
    """The version of Kokin, whose rule of matching applied."""
    source: str
    """The name of the file."""
    layout: str
    digest: str
    """SHA-256 of the file."""
    reverses: int | None
    """The entry that a reversal reverses."""
    reverses_posting: int | None
    """The posting that a reversal reverses."""
    totals: Mapping[str, Any]
    """The totals of a file or of a load of bills; the policy of the first entry."""
    hash: str
    """Covers this entry and everything before it; hexadecimal."""

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        """Return the entry of a row.

        Raises:
            LedgerError: a value of the row is invalid.
        """
        try:
            return cls(
                id=row["id"],
                kind=EntryKind(row["kind"]),
                at=datetime.fromisoformat(row["at"]),
                **{name: row[name] or "" for name in ("actor", "reason", "version", "source", "layout", "digest")},
                reverses=row["reverses"],
                reverses_posting=row["reverses_posting"],
                totals=dict(json.loads(row["totals"] or "{}")),
                hash=row["hash"].hex(),
            )
        except (ValueError, TypeError, AttributeError) as error:
            issue = Issue("LEDGER_ROW_CHANGED", location=Location("entries", row["id"]))
            raise LedgerError("an entry cannot be read; run `kokin ledger verify`", [issue]) from error


@dataclass(frozen=True, slots=True)
class Overlap:
    """The records that a file has in common with another file of the ledger."""

    entry: int
    """The entry of the other file."""
    source: str
    """The name of the other file."""
    digest: str
    """The SHA-256 of the other file."""
    repeated: int
    """The number of records of the new file whose payments the other file reports too."""
    records: int
    """The number of all records of the new file."""

    @property
    def text(self) -> str:
        """Counts and other file, for a message."""
        return f"{self.repeated} of {self.records} in {self.source or self.digest} (entry {self.entry})"


@dataclass(frozen=True, slots=True)
class EntryResult:
    """The result of writing an entry."""

    entry: Entry
    inserted: bool
    """False: this file is already posted, by ``entry``; nothing was written."""
    outcomes: Mapping[str, Mapping[str, int]]
    """``count`` and ``amount`` (yen) of each outcome of the file's own receipts."""
    rematched: int
    """The number of earlier receipts whose outcome has changed."""
    overlaps: tuple[Overlap, ...] = ()
    """The other files that report payments of this file, by entry."""
    reused_keys: Mapping[str, int] = field(default_factory=dict)
    """The number of the file's records with a ``provider_key`` that another payment has too, by key."""

    @property
    def issues(self) -> list[Issue]:
        """The warnings FILE_OVERLAPS, one per other file, and KEY_REUSED, one per key."""
        location = Location(self.entry.source)
        overlaps = [
            Issue("FILE_OVERLAPS", field="records", expected="in no other file", found=overlap.text, location=location)
            for overlap in self.overlaps
        ]
        reused = [f"{count} records: {key}" for key, count in sorted(self.reused_keys.items())]
        return overlaps + [
            Issue("KEY_REUSED", field="provider_key", expected="one payment", found=text, location=location)
            for text in reused
        ]
