"""The intake file (``intake.toml``): read it, and compare a ledger with it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from kokin.intake._assign import Assignment, assign, is_late
from kokin.intake._days import BusinessCalendar, ExpectedDay, end_of_day, expected_days
from kokin.intake._files import DeliveredFile, Inbox, by_specificity, delivered_files, source_of
from kokin.intake._findings import file_findings
from kokin.intake._source import BalanceChain, ClosedDay, SequenceRule, Source, field_value
from kokin.intake._status import ExpectedFile, FileState, FindingKind, IntakeFinding, IntakeStatus
from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger import Entry, Ledger
from kokin.model import Record
from kokin.receipts import layouts
from kokin.receipts.layouts import FieldType, Layout
from kokin.text import JAPAN, load_toml, require_date

# The windows of all files that have come are known if the days are so far ahead.
_AHEAD = timedelta(days=62)

_TABLES = ("calendar", "holidays", "source")
_CALENDARS = ("bank", "public")

# The fields of a source that are tables of the intake file, with their record.
_RECORDS: Mapping[str, type[Record]] = {"sequence": SequenceRule, "balance_chain": BalanceChain}


@dataclass(frozen=True)
class Intake:
    """The sources of files, and the calendar of their days; see :func:`load`."""

    sources: tuple[Source, ...]
    """In the order of the file."""
    layout_names: Mapping[str, str]
    """The name of the layout of each source, as the entries of the ledger have it."""
    business: BusinessCalendar
    """The bank days."""

    def check(
        self, ledger: Ledger, day: date, *, now: datetime | None = None, inbox: str | os.PathLike[str] | None = None
    ) -> IntakeStatus:
        """Return the state of the files that are expected on a day, of those missing since, and what is wrong.

        Args:
            ledger: the ledger that the files are posted into; nothing is written.
            day: the day of the files.
            now: the time as of which the ledger is read and deadlines have passed, with a zone; by default now.
            inbox: the folder of files that are not posted yet; see :attr:`FindingKind.UNPOSTED`.

        Raises:
            CalendarRangeError: the day is outside the years of the calendar.
            TypeError: ``day`` is a ``datetime``, or ``now`` has no zone.
            OSError: the inbox cannot be read.
        """
        return self.check_entries(ledger.entries(), day, now=now or datetime.now(UTC), inbox=inbox)

    def check_entries(
        self, entries: Iterable[Entry], day: date, *, now: datetime, inbox: str | os.PathLike[str] | None = None
    ) -> IntakeStatus:
        """Return the same as :meth:`check` from all entries of a ledger, in any order."""
        require_date("day", day)
        if now.tzinfo is None:
            raise TypeError("now must have a zone")
        now = now.astimezone(JAPAN)
        entries = list(entries)
        files = delivered_files(entries, now)
        start = min((entry.at for entry in entries), default=now).astimezone(JAPAN)
        sources = by_specificity(self.sources)
        of_source: dict[str | None, list[DeliveredFile]] = defaultdict(list)
        for file in files:
            of_source[source_of(file, sources, self.layout_names)].append(file)
        period = (end_of_day(self.business.add(day, -1)), end_of_day(day))

        def is_recent(file: DeliveredFile) -> bool:
            return period[0] < file.at <= period[1]

        expected: list[ExpectedFile] = []
        findings = [_unexpected("", file) for file in of_source[None] if is_recent(file)]
        names = {file.entry: file.name for file in files}
        for source in self.sources:
            days, assignment = self._assigned(source, of_source[source.name], start, max(day, now.date()))
            rows = [self._expected_file(source, each, assignment, day, now) for each in days if each.day <= day]
            rows = [row for row in rows if _is_shown(row, day, period)]
            expected += rows
            shown = {row.entry for row in rows} | {file.entry for file in of_source[source.name] if is_recent(file)}
            extra = [_unexpected(source.name, file) for _, file in assignment.extra]
            found = [*extra, *file_findings(source, assignment.in_order(), names)]
            findings += [finding for finding in found if finding.entry in shown]
        if inbox is not None:
            for waiting in Inbox(Path(inbox)).unposted(sources, self.layout_names, files):
                kind = FindingKind.UNPOSTED if waiting.source else FindingKind.UNEXPECTED
                findings.append(IntakeFinding(kind, waiting.source or "", waiting.name, None, "", "inbox"))
        expected.sort(key=lambda row: row.day)  # stable: the sources of a day stay in the order of the file
        return IntakeStatus(day, now, tuple(expected), tuple(findings))

    def _assigned(
        self, source: Source, files: list[DeliveredFile], start: datetime, last: date
    ) -> tuple[list[ExpectedDay], Assignment]:
        """Return the days of a source since it began, and their files.

        Without ``since`` a source begins with the ledger: with the first deadline after its first entry.
        """
        first = source.since or start.date()
        last = min(last + _AHEAD, source.through or date.max)
        days = [
            day for day in expected_days(source, self.business, first, last) if source.since or not is_late(day, start)
        ]
        if source.since and days:
            begins = min(days[0].opens_at, datetime.combine(source.since, datetime.min.time(), JAPAN))
            files = [file for file in files if file.at >= begins]
        closed = {each.day for each in source.closed}
        return days, assign(days, files, self._date_of(source), closed)

    def _date_of(self, source: Source) -> Callable[[DeliveredFile], date | None]:
        """Return the function that returns the date of a file from which on it can be the one of a day."""

        def date_of(file: DeliveredFile) -> date | None:
            value = field_value(file.control_records, source.day_field) if source.day_field else None
            if not isinstance(value, str):
                return None
            return self.business.add(date.fromisoformat(value), source.day_field_bank_days)

        return date_of

    def _expected_file(
        self, source: Source, expected: ExpectedDay, assignment: Assignment, day: date, now: datetime
    ) -> ExpectedFile:
        file = assignment.files.get(expected.day)
        state = _state(source, expected, file, now)
        if state in (FileState.MISSING, FileState.NOT_DUE) and expected.day in assignment.rejected:
            file, state = assignment.rejected[expected.day], FileState.REJECTED
        return ExpectedFile(
            source=source.name,
            label=source.title,
            agent=source.agent,
            layout=self.layout_names[source.name],
            day=expected.day,
            deadline=expected.deadline,
            state=state,
            bank_days=self.business.count(expected.day, day) if state.is_open else 0,
            **_columns(file),
        )


def _state(source: Source, expected: ExpectedDay, file: DeliveredFile | None, now: datetime) -> FileState:
    """Return the state of a day from its posted file."""
    if file is None:
        if expected.day in {closed.day for closed in source.closed}:
            return FileState.CLOSED
        return FileState.MISSING if is_late(expected, now) else FileState.NOT_DUE
    if is_late(expected, file.at):
        return FileState.LATE
    return FileState.ARRIVED if file.records else FileState.EMPTY


def _columns(file: DeliveredFile | None) -> dict[str, Any]:
    """Return the fields of an expected file that are those of the file that came."""
    if file is None:
        return {}
    at = file.at.astimezone(JAPAN)
    return {"file": file.name, "entry": file.entry, "at": at, "records": file.records, "yen": file.yen}


def _is_shown(row: ExpectedFile, day: date, period: tuple[datetime, datetime]) -> bool:
    """Return whether the check of a day shows a file: of the day, still open, or late and posted in a period."""
    is_recent = row.at is not None and period[0] < row.at <= period[1]
    return row.day == day or row.state.is_open or (row.state is FileState.LATE and is_recent)


def _unexpected(source: str, file: DeliveredFile) -> IntakeFinding:
    expected = "one file per day" if source else "a source"
    return IntakeFinding(FindingKind.UNEXPECTED, source, file.name, file.entry, expected, file.layout or file.kind)


# --- reading the intake file ------------------------------------------------------------------------------------------


def load(path: str | os.PathLike[str]) -> Intake:
    """Read an intake file.

    - ``[source.NAME]`` has the fields of :class:`Source`, one table for each source of files. ``balance_chain = true``
      uses the fields of the layout that Kokin knows (``zengin-03``).
    - ``calendar`` is ``bank`` (the default) or ``public``; see :func:`kokin.rules.shift_due_date`.
    - ``holidays`` is a list of further days on which no file comes.

    For example::

        holidays = [2026-08-14]

        [source.stores]
        label = "コンビニ収納代行"
        layout = "dsk-csv"
        days = "bank"
        until = 09:00:00

        [source.debit]
        label = "口座振替結果"
        layout = "zengin-91"
        days = [10, 20, "end"]
        bank_days_after = 3

    Raises:
        InvalidInputError: the file is not TOML, or a value is invalid; ``.issues`` has every one, with its table.
        OSError: the file cannot be read.
    """
    file = Path(path)
    tables = load_toml(file)
    issues = [Issue("FIELD_UNKNOWN", field=name) for name in tables if name not in _TABLES]
    business, calendar_issues = _calendar(tables)
    issues += calendar_issues
    rows = tables.get("source", {})
    if not (isinstance(rows, dict) and all(isinstance(row, dict) for row in rows.values())):
        issues.append(Issue("TOML_INVALID", field="source"))
        rows = {}
    elif not rows:
        issues.append(Issue("FIELD_MISSING", field="source"))
    sources: list[Source] = []
    layout_names: dict[str, str] = {}
    for name, row in rows.items():
        try:
            source, layout = _source(name, row, file.parent)
        except InvalidInputError as error:
            issues += [_within(f"source.{name}", issue) for issue in error.issues]
        else:
            sources.append(source)
            layout_names[name] = layout.name if layout else ""
    issues += _duplicates(sources, layout_names)
    if issues:
        raise InvalidInputError([issue.with_location(Location(file.name)) for issue in issues], "intake file rejected")
    return Intake(tuple(sources), layout_names, business)


def _calendar(tables: Mapping[str, Any]) -> tuple[BusinessCalendar, list[Issue]]:
    name, holidays = tables.get("calendar", "bank"), tables.get("holidays", [])
    issues = []
    if name not in _CALENDARS:
        issues.append(Issue("CODE_UNKNOWN", field="calendar", expected=" | ".join(_CALENDARS), found=str(name)[:60]))
    if not (isinstance(holidays, list) and all(type(day) is date for day in holidays)):
        issues.append(Issue("FIELD_TYPE", field="holidays", expected="a list of days: [2026-08-14]"))
    return (BusinessCalendar() if issues else BusinessCalendar(name, frozenset(holidays))), issues


def _source(name: str, row: Mapping[str, Any], folder: Path) -> tuple[Source, Layout | None]:
    """Return the source of a table, and its layout.

    Raises:
        InvalidInputError: every problem of the table.
    """
    values, issues = {**row}, []
    layout: Layout | None = None
    if isinstance(text := row.get("layout"), str) and text:
        try:
            layout = layouts.load(folder / text if text.endswith(".toml") else text)
        except InvalidInputError as error:
            issues += [_within("layout", replace(issue, field="")) for issue in error.issues]
    values["balance_chain"], chain_issues = _balance_chain(row.get("balance_chain", False), layout)
    issues += chain_issues
    for field, record in _RECORDS.items():
        if values.get(field) is not None:
            values[field], record_issues = _record(field, record, values[field])
            issues += record_issues
    closed = row.get("closed", [])
    if isinstance(closed, list):
        days = [_record(f"closed.{at}", ClosedDay, each) for at, each in enumerate(closed)]
        values["closed"] = [record for record, _ in days if record]
        issues += [issue for _, each in days for issue in each]
    try:
        source = Source(**{**values, "name": name})
    except InvalidInputError as error:
        raise InvalidInputError([*issues, *error.issues], "invalid source") from None
    issues += _layout_issues(source, layout)
    if issues:
        raise InvalidInputError(issues, "invalid source")
    return source, layout


def _record(field: str, record: type[Record], table: Any) -> tuple[Record | None, list[Issue]]:
    """Return a table as a record, or its issues."""
    if not isinstance(table, dict):
        return None, [Issue("FIELD_TYPE", field=field, expected="a table", found=type(table).__name__)]
    try:
        return record(**table), []
    except InvalidInputError as error:
        return None, [_within(field, issue) for issue in error.issues]


def _balance_chain(value: Any, layout: Layout | None) -> tuple[Any, list[Issue]]:
    """Return ``balance_chain`` of a table, with the shipped fields of a layout for ``true``."""
    if value is False:
        return None, []
    if value is not True:
        return value, []
    shipped = load_toml(resources.files("kokin.intake") / "balances.toml")
    if layout and layout.name in shipped:
        return {name: shipped[layout.name][name] for name in BalanceChain.model_fields}, []
    found = layout.name if layout else ""
    expected = f"a table, or a layout of {', '.join(shipped)}"
    return None, [Issue("INTAKE_INVALID", field="balance_chain", expected=expected, found=found)]


_NUMBERS = (FieldType.DIGITS, FieldType.NUMBER)


def _layout_issues(source: Source, layout: Layout | None) -> Iterator[Issue]:
    """Yield an issue for each field of the layout that the source names and that the layout lacks."""
    fields: list[tuple[str, str, tuple[FieldType, ...]]] = []
    if source.day_field:
        fields.append(("day_field", source.day_field, (FieldType.DATE,)))
    if source.sequence:
        fields.append(("sequence.field", source.sequence.field, _NUMBERS))
    if chain := source.balance_chain:
        fields += [(f"balance_chain.{name}", getattr(chain, name), (FieldType.YEN,)) for name in ("opening", "closing")]
        record = chain.opening.partition(".")[0]
        fields += [("balance_chain.account", f"{record}.{name}", _NUMBERS) for name in chain.account]
        if chain.sign_field:
            both = {name.partition(".")[0] for name in (chain.opening, chain.closing)}
            fields += [("balance_chain.sign_field", f"{name}.{chain.sign_field}", _NUMBERS) for name in sorted(both)]
    for place, name, types in fields:
        record, _, field = name.partition(".")
        kind = layout.records.get(record) if layout else None
        found = kind.by_id.get(field) if kind and kind.role != "data" else None
        if found is None or found.type not in types:
            expected = f"a header, trailer or end field of type {' or '.join(types)}"
            yield Issue("INTAKE_INVALID", field=place, expected=expected, found=name)


def _duplicates(sources: Iterable[Source], layout_names: Mapping[str, str]) -> Iterator[Issue]:
    """Yield an issue for each source whose files cannot be distinguished from those of another."""
    names: dict[tuple[str, str, str], str] = {}
    for source in sources:
        key = (source.kind.value, layout_names[source.name], source.file)
        if key in names:
            expected = "a file pattern of its own"
            yield Issue("INTAKE_INVALID", field=f"source.{source.name}.file", expected=expected, found=source.file)
        names.setdefault(key, source.name)


def _within(place: str, issue: Issue) -> Issue:
    """Return an issue with the name of its table before that of its field."""
    return replace(issue, field=f"{place}.{issue.field}" if issue.field else place)
