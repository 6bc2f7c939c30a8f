"""The sources of an intake file (``intake.toml``): who sends which file, on which days, and until when."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from kokin.issues import InvalidInputError, Issue
from kokin.ledger import EntryKind
from kokin.model import Date, FieldType, Record, Text

#: Days of the week in :attr:`Source.days`, Monday first.
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

#: The last day of a month in :attr:`Source.days`.
MONTH_END = "end"

_NAMED_DAYS = ("bank", "weekdays", "daily")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_FIELD = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", re.ASCII)


class SourceKind(StrEnum):
    """The command that adds the files of a source to the ledger."""

    #: ``kokin ledger post``.
    RECEIPTS = "receipts"
    #: ``kokin ledger add-deposits``.
    DEPOSITS = "deposits"
    #: ``kokin ledger add-agent-reports``.
    AGENT_REPORTS = "agent_reports"

    @property
    def entry_kind(self) -> EntryKind:
        """The kind of the entries that the command writes."""
        return _ENTRY_KINDS[self]


_ENTRY_KINDS = {
    SourceKind.RECEIPTS: EntryKind.RECEIPT_FILE,
    SourceKind.DEPOSITS: EntryKind.BANK_DEPOSITS,
    SourceKind.AGENT_REPORTS: EntryKind.AGENT_REPORTS,
}

#: ``bank``, ``weekdays`` or ``daily``; or days of the week, or days of the month.
DayRule: TypeAlias = str | tuple[str | int, ...]


class _DayRules(FieldType):
    """A name of days, or a list of days of the week, or of days of the month."""

    expected: ClassVar[str] = '"bank", "weekdays", "daily", a list of mon to sun, or a list of 1 to 31 and "end"'

    def check(self, value: Any) -> Any:
        if value in _NAMED_DAYS:
            return value
        if isinstance(value, list | tuple) and value:
            of_week = all(isinstance(each, str) and each in WEEKDAYS for each in value)
            of_month = all(each == MONTH_END or (type(each) is int and 1 <= each <= 31) for each in value)
            if (of_week or of_month) and len(set(value)) == len(value):
                return tuple(value)
        raise PydanticCustomError("INTAKE_INVALID", "", {"expected": self.expected, "found": str(value)[:60]})


class _Clock(FieldType):
    """A time of day: a local time of TOML, or text ``HH:MM``."""

    expected: ClassVar[str] = "HH:MM"

    def check(self, value: Any) -> Any:
        if isinstance(value, str):
            if not _CLOCK.fullmatch(value):
                raise PydanticCustomError("TIME_INVALID", "", {"expected": self.expected, "found": value[:24]})
            return time.fromisoformat(value)
        return value


class _FieldName(FieldType):
    """A field of a layout: ``record.field``, such as ``header.made_day``."""

    expected: ClassVar[str] = "record.field, such as header.made_day"

    def check(self, value: Any) -> Any:
        if isinstance(value, str) and value and not _FIELD.fullmatch(value):
            raise PydanticCustomError("INTAKE_INVALID", "", {"expected": self.expected, "found": value[:60]})
        return value


class SequenceRule(Record):
    """The number in the header that counts the files of a source (通番)."""

    field: Annotated[str, _FieldName()]
    """The field of the layout: ``record.field``."""
    first: Annotated[int, Field(ge=0)] = 1
    """The number of the first file, and of the file after ``last``."""
    last: Annotated[int, Field(ge=1)]
    """The largest number, such as 9999; the next file has ``first``."""

    @model_validator(mode="after")
    def _check_order(self) -> SequenceRule:
        if self.first >= self.last:
            raise _invalid("last", f"more than {self.first}", str(self.last))
        return self

    def next(self, number: int) -> int:
        """Return the number of the file after a file."""
        return self.first if number == self.last else number + 1


class BalanceChain(Record):
    """The fields with the balance of an account: what a file opens with, the file before it closed with."""

    opening: Annotated[str, _FieldName()]
    """The balance before the records: ``record.field``, in yen."""
    closing: Annotated[str, _FieldName()]
    """The balance after the records: ``record.field``, in yen."""
    account: tuple[Annotated[str, Text(40, min=1)], ...] = Field(default=(), strict=False)
    """The fields of the record of ``opening`` that identify the account, if a file can have several."""
    sign_field: Annotated[str, Text(40)] = ""
    """The field beside each balance that says whether it is negative (貸越区分); by default none is."""
    negative_code: Annotated[str, Text(20)] = ""
    """The value of ``sign_field`` of a negative balance."""


class ClosedDay(Record):
    """A day whose file will not come any more, as a person has decided; the day is no longer missing."""

    day: Annotated[date, Date()]
    """The expected day."""
    actor: Annotated[str, Text(100, min=1)]
    """Who decided it."""
    reason: Annotated[str, Text(200, min=1)]
    """Why."""


class Source(Record):
    """One source of files: a table ``[source.NAME]`` of the intake file."""

    name: Annotated[str, Text(64, min=1)]
    """The name of the table."""
    label: Annotated[str, Text(64)] = ""
    """The name that people read, such as 収納代行; by default ``name``."""
    agent: Annotated[str, Text(20)] = ""
    """The ``agent_code`` of the agent that sends the files, for information."""
    kind: SourceKind = Field(default=SourceKind.RECEIPTS, strict=False)
    """How its files are added to the ledger."""
    layout: Annotated[str, Text(255)] = ""
    """The layout of the files: a name, or the path of a TOML file beside the intake file. Required but for
    ``agent_reports``, which have none."""
    file: Annotated[str, Text(255)] = ""
    """A pattern of the file names (``*`` and ``?``), if the layout alone does not identify the source."""
    days: Annotated[DayRule, _DayRules()]
    """The days of the files: ``bank`` (bank days), ``weekdays`` (Monday to Friday, also holidays) or ``daily``; a list
    of days of the week, ``["mon", "thu"]``; or of days of the month, ``[10, 20, "end"]``. A month without the day has
    the file on its last day."""
    shift: Literal["next", "previous", "none"] = "next"
    """Where a day of a list moves if banks are closed. Days that fall together are one day."""
    bank_days_after: Annotated[int, Field(ge=0, le=60)] = 0
    """So many bank days after each day of the list the file is expected, whatever ``shift`` is."""
    since: Annotated[date, Date()] | None = None
    """The first day of the source; by default its files are expected since the ledger was created."""
    through: Annotated[date, Date()] | None = None
    """The last day of the source."""
    opens: Annotated[time, _Clock()] = time(0)
    """The time from which a file can be the one of the day."""
    opens_bank_days_before: Annotated[int, Field(ge=0, le=10)] = 0
    """So many bank days before the day ``opens`` is."""
    until: Annotated[time, _Clock()] | None = None
    """The time until which the file must be posted; by default the end of the day."""
    until_bank_days_after: Annotated[int, Field(ge=0, le=10)] = 0
    """So many bank days after the day ``until`` is."""
    may_be_empty: bool = False
    """Whether a file without records is in order."""
    records: tuple[int, int] | None = Field(default=None, strict=False)
    """The smallest and the largest number of records of a file that is not empty."""
    day_field: Annotated[str, _FieldName()] = ""
    """The field with the date of the file (作成日), by which a file belongs to a day: ``record.field``. By default the
    time of posting decides."""
    day_field_bank_days: Annotated[int, Field(ge=0, le=10)] = 0
    """So many bank days after the date of the file its day is."""
    sequence: SequenceRule | None = None
    """The number that counts up from file to file."""
    balance_chain: BalanceChain | None = None
    """The balances that continue from file to file; ``true`` in the intake file for ``zengin-03``."""
    closed: tuple[ClosedDay, ...] = Field(default=(), strict=False)
    """Days whose missing file does not come any more."""

    @model_validator(mode="after")
    def _check_rules(self) -> Source:
        issues = []
        if not self.layout and self.kind is not SourceKind.AGENT_REPORTS:
            issues.append(Issue("FIELD_MISSING", field="layout"))
        if self.bank_days_after and isinstance(self.days, str):
            issues.append(_issue("bank_days_after", "days as a list", str(self.days)))
        if self.records and not 0 <= self.records[0] <= self.records[1]:
            issues.append(_issue("records", "[smallest, largest]", str(list(self.records))))
        if self.since and self.through and self.through < self.since:
            issues.append(_issue("through", f"{self.since} or later", str(self.through)))
        if issues:
            raise InvalidInputError(issues, "invalid source")
        return self

    @property
    def title(self) -> str:
        """The name for people: ``label``, else ``name``."""
        return self.label or self.name

    def has_name(self, file_name: str) -> bool:
        """Return whether a file name matches the pattern; every name does without one."""
        return not self.file or fnmatchcase(file_name, self.file)


def _issue(field: str, expected: str, found: str) -> Issue:
    return Issue("INTAKE_INVALID", field=field, expected=expected, found=found)


def _invalid(field: str, expected: str, found: str) -> InvalidInputError:
    return InvalidInputError([_issue(field, expected, found)], "invalid source")


def field_value(control_records: Sequence[Mapping[str, Any]], name: str) -> str | int | None:
    """Return the value of a field ``record.field`` in the first control record of its kind; ``None`` without one."""
    record, _, field = name.partition(".")
    first: Mapping[str, Any] = next((row["values"] for row in control_records if row["record"] == record), {})
    value: str | int | None = first.get(field)
    return value
