"""The result of a check: the state of every expected file, and what is wrong with files that have come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

import pyarrow as pa

from kokin.text import terms

#: The version of :meth:`IntakeStatus.as_dict`; it grows when a field is renamed, removed or changes its meaning.
STATUS_VERSION = 1


class FileState(StrEnum):
    """The state of an expected file."""

    #: It was posted before the deadline.
    ARRIVED = "arrived"
    #: It was posted before the deadline, without a record.
    EMPTY = "empty"
    #: It was posted after the deadline.
    LATE = "late"
    #: The deadline has passed, and there is no file.
    MISSING = "missing"
    #: A file was rejected as a whole, and no other was posted.
    REJECTED = "rejected"
    #: There is no file, and the deadline has not passed.
    NOT_DUE = "not_due"
    #: There is no file, and a person has decided that none will come.
    CLOSED = "closed"

    @property
    def has_file(self) -> bool:
        """Whether a file was posted."""
        return self in (FileState.ARRIVED, FileState.EMPTY, FileState.LATE)

    @property
    def is_open(self) -> bool:
        """Whether the file is still owed after its day."""
        return self in (FileState.MISSING, FileState.REJECTED)


class FindingKind(StrEnum):
    """What is wrong with a file."""

    #: No source expects it, or its day has a file already.
    UNEXPECTED = "unexpected"
    #: It is in the inbox and not in the ledger.
    UNPOSTED = "unposted"
    #: It has no record, and the source says that it must have some.
    EMPTY = "empty"
    #: Its number of records is out of the range of the source.
    RECORD_COUNT = "record_count"
    #: Its sequence number does not follow that of the file before it.
    SEQUENCE = "sequence"
    #: The balance before its records is not the balance after the file before it.
    BALANCE_CHAIN = "balance_chain"
    #: It has payments that another file has too.
    OVERLAP = "overlap"


@dataclass(frozen=True, slots=True)
class ExpectedFile:
    """One file of one source and day, and its state."""

    source: str
    """The name of the source."""
    label: str
    """The name of the source for people."""
    agent: str
    """The ``agent_code`` of the source."""
    layout: str
    day: date
    """The day of the file."""
    deadline: datetime
    """Until when it must be posted."""
    state: FileState
    bank_days: int
    """For a missing or rejected file: the bank days from ``day`` to the day of the check, both included; else 0."""
    file: str = ""
    """The name of the file that came."""
    entry: int | None = None
    """Its entry in the ledger."""
    at: datetime | None = None
    """When it was posted or rejected."""
    records: int | None = None
    yen: int | None = None


@dataclass(frozen=True, slots=True)
class IntakeFinding:
    """Something that is wrong with a file that came."""

    kind: FindingKind
    source: str
    """The name of the source; empty if none expects the file."""
    file: str
    """The name of the file."""
    entry: int | None
    """Its entry in the ledger; ``None`` for a file of the inbox."""
    expected: str
    found: str


_COLUMNS = pa.schema(
    [
        ("source", pa.string()),
        ("label", pa.string()),
        ("agent_code", pa.string()),
        ("layout", pa.string()),
        ("day", pa.date32()),
        ("deadline", pa.timestamp("s", "Asia/Tokyo")),
        ("state", pa.string()),
        ("bank_days", pa.int64()),
        ("file", pa.string()),
        ("entry_id", pa.int64()),
        ("at", pa.timestamp("s", "Asia/Tokyo")),
        ("records", pa.int64()),
        ("amount", pa.int64()),
    ]
)
# Columns whose name is not that of the field, which are the names of the ledger.
_FIELDS: dict[str, str] = {"agent_code": "agent", "entry_id": "entry", "amount": "yen"}


@dataclass(frozen=True)
class IntakeStatus:
    """The state of the intake on a day, as of a time (受入状況)."""

    day: date
    """The day of the check."""
    now: datetime
    """The time as of which the ledger was read."""
    files: tuple[ExpectedFile, ...]
    """The files of the day, in the order of the sources; before them those of earlier days that are missing or
    rejected, and those that came late since the bank day before."""
    findings: tuple[IntakeFinding, ...]
    """Of these files, and of every file that was posted since the bank day before."""

    @property
    def expected(self) -> int:
        """The number of files that are expected on the day."""
        return sum(file.day == self.day and file.state is not FileState.CLOSED for file in self.files)

    @property
    def arrived(self) -> int:
        """The number of these files that have come."""
        return sum(file.day == self.day and file.state.has_file for file in self.files)

    @property
    def has_missing(self) -> bool:
        """Whether a file of the day, or of an earlier one, is missing."""
        return any(file.state is FileState.MISSING for file in self.files)

    @property
    def is_clean(self) -> bool:
        """Whether no file is missing, rejected or late, and nothing is wrong with those that came."""
        states = (FileState.MISSING, FileState.REJECTED, FileState.LATE)
        return not self.findings and not any(file.state in states for file in self.files)

    def first_line(self, language: Literal["en", "ja"] = "en") -> str:
        """Return the state in one line: ``4 of 5 files; 収納代行 missing for 2 bank days``."""
        texts: dict[str, str] = {name: text[language] for name, text in terms()["intake"].items()}
        sentences = [texts["files" if self.expected else "none"].format(arrived=self.arrived, expected=self.expected)]
        for state in (FileState.MISSING, FileState.REJECTED):
            for label, days in self._oldest(state).items():
                name = state.value if state is FileState.REJECTED else f"missing_{min(days, 2)}"
                sentences.append(texts[name].format(label=label, days=days))
        if self.findings:
            name = "finding" if len(self.findings) == 1 else "findings"
            sentences.append(texts[name].format(count=len(self.findings)))
        return texts["separator"].join(sentences)

    def _oldest(self, state: FileState) -> dict[str, int]:
        """Return the bank days of the oldest file in a state, by the label of its source."""
        days: dict[str, int] = {}
        for file in self.files:
            if file.state is state:
                days[file.label] = max(days.get(file.label, 0), file.bank_days)
        return days

    @cached_property
    def table(self) -> pa.Table:
        """The expected files, a row each (受入状況表).

        ``source, label, agent_code, layout, day, deadline, state, bank_days, file, entry_id, at, records, amount``: the
        fields of :class:`ExpectedFile`; ``amount`` in yen, times in Japan. A file that has not come has null in the
        last five but ``bank_days``.
        """
        return pa.Table.from_pylist([_row(file) for file in self.files], _COLUMNS)

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON: dates and times in ISO form, with ``version`` (:data:`STATUS_VERSION`).

        ``first_line`` is by language; ``files`` and ``findings`` have the fields of :class:`ExpectedFile` and
        :class:`IntakeFinding`.
        """
        return {
            "version": STATUS_VERSION,
            "day": self.day.isoformat(),
            "now": self.now.isoformat(),
            "expected": self.expected,
            "arrived": self.arrived,
            "first_line": {"en": self.first_line("en"), "ja": self.first_line("ja")},
            "files": _as_dicts(self.files),
            "findings": _as_dicts(self.findings),
        }


def _row(file: ExpectedFile) -> dict[str, Any]:
    """Return the columns of a file; times in whole seconds."""
    at = file.at and file.at.replace(microsecond=0)
    names: list[str] = _COLUMNS.names
    values = {name: getattr(file, _FIELDS.get(name, name)) for name in names}
    return {**values, "file": file.file or None, "at": at}


def _as_dicts(rows: Iterable[ExpectedFile] | Iterable[IntakeFinding]) -> list[dict[str, Any]]:
    return [
        {
            name: value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, StrEnum) else value
            for name, value in asdict(row).items()
        }
        for row in rows
    ]
