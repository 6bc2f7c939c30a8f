"""What an entry of the ledger is, and what writing one has done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import RowMapping

from kokin.issues import Issue, Location
from kokin.ledger._errors import LedgerError


class EntryKind(StrEnum):
    """What an entry does."""

    #: The ledger's first: its form and its policy.
    CREATED = "created"
    #: 調定: bills and new versions of bills.
    BILLS = "bills"
    #: 収納: the receipts of one file.
    RECEIPT_FILE = "receipt_file"
    #: 入金: what reached the bank.
    BANK_DEPOSITS = "bank_deposits"
    #: 収納報告: what an operator says that it has collected.
    AGENT_REPORTS = "agent_reports"
    #: 取消: takes back a file, a posting, credits, reports or another reversal.
    REVERSAL = "reversal"


#: The entries that are made of a file, which is not taken twice.
OF_FILES = (EntryKind.RECEIPT_FILE, EntryKind.BANK_DEPOSITS, EntryKind.AGENT_REPORTS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction of the ledger: who, when, why, from what, and by which version."""

    id: int
    kind: EntryKind
    at: datetime
    actor: str
    reason: str
    version: str
    """Of Kokin, whose rule it was."""
    source: str
    """The file's name."""
    layout: str
    digest: str
    """SHA-256 of the file."""
    reverses: int | None
    """The entry that a reversal takes back."""
    reverses_posting: int | None
    """The posting that a reversal takes back."""
    totals: Mapping[str, Any]
    """The totals of a file or of a load of bills, and the policy of the first entry."""
    hash: str
    """Seals this entry and, through the chain, all that was written before it."""

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        """An entry from its row.

        Raises:
            LedgerError: the row holds what no entry has.
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
    """How much of a file is in another file of the ledger."""

    entry: int
    """The entry of the other file."""
    source: str
    """Its name."""
    digest: str
    """Its SHA-256."""
    repeated: int
    """The records of the new file whose payments the other file reports too."""
    records: int
    """All records of the new file."""

    @property
    def text(self) -> str:
        """The counts and the other file, for a message."""
        return f"{self.repeated} of {self.records} in {self.source or self.digest} (entry {self.entry})"


@dataclass(frozen=True, slots=True)
class EntryResult:
    """What an entry has done."""

    entry: Entry
    inserted: bool
    """False: this file stands in the ledger already, by ``entry``; nothing was written."""
    outcomes: Mapping[str, Mapping[str, int]]
    """Of a file's own receipts: ``count`` and ``amount`` (yen) of each outcome."""
    rematched: int
    """Earlier receipts whose verdict has changed."""
    overlaps: tuple[Overlap, ...] = ()
    """The files whose payments a file repeats, by entry."""
    reused_keys: Mapping[str, int] = field(default_factory=dict)
    """How many records of a file have a ``provider_key`` that another payment has too, by key."""

    @property
    def issues(self) -> list[Issue]:
        """The warnings FILE_OVERLAPS, one per other file, and KEY_REUSED, one per key."""
        where = Location(self.entry.source)
        found = [
            Issue("FILE_OVERLAPS", field="records", expected="in no other file", found=overlap.text, location=where)
            for overlap in self.overlaps
        ]
        for key, count in sorted(self.reused_keys.items()):
            found.append(
                Issue(
                    "KEY_REUSED",
                    field="provider_key",
                    expected="one payment",
                    found=f"{count} records: {key}",
                    location=where,
                )
            )
        return found
