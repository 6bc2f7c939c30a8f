"""What changed in a ledger since an earlier report: files that came, exceptions that are new, and those resolved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import combine
from kokin.catalog import Catalog
from kokin.issues import InvalidInputError, Issue
from kokin.model import ReceiptKind
from kokin.reports._sources import japan_date
from kokin.rules import CalendarRangeError, shift_due_date
from kokin.text import JAPAN

if TYPE_CHECKING:
    from kokin.ledger import Entry, Ledger

_INT, _TEXT = pa.int64(), pa.string()
_COUNTED = ("final", "provisional", "other")
_NEW_FILES = pa.schema(
    [
        ("entry_id", _INT),
        ("at", _TEXT),
        ("source", _TEXT),
        ("layout", _TEXT),
        ("accepted", _INT),
        ("rejected", _INT),
        ("final", _INT),
        ("final_yen", _INT),
        ("provisional", _INT),
        ("provisional_yen", _INT),
        ("other", _INT),
        ("other_yen", _INT),
    ]
)
_EXCEPTION_COLUMNS = (
    *("exception_id", "outcome", "amount", "bill_id", "field", "expected", "found", "paid_on"),
    *("age_days", "entry_id", "source", "record_no"),
)
#: The tables of what changed, in reports with ``since`` only, and their columns.
#:
#: - ``new_files``, 新着ファイル: the receipt files that were posted since and not reversed: ``entry_id, at, source,
#:   layout, accepted, rejected, final, final_yen, provisional, provisional_yen, other, other_yen``. Yen as reported;
#:   ``other`` are the cancels and reversals.
#: - ``new_exceptions``, 新規の要確認: the open exceptions (:meth:`kokin.ledger.Ledger.exceptions`) that were not open
#:   then: ``exception_id, outcome, amount, bill_id, field, expected, found, paid_on, age_days, entry_id, source,
#:   record_no``. ``outcome`` is the outcome, the finding, or the code of an issue.
#: - ``resolved_exceptions``, 解消した要確認: those that were open then and are not any more.
CHANGE_TABLES: Mapping[str, tuple[str, ...]] = {
    "new_files": tuple(_NEW_FILES.names),
    "new_exceptions": _EXCEPTION_COLUMNS,
    "resolved_exceptions": _EXCEPTION_COLUMNS,
}

_CLASS_OF_KIND = {
    ReceiptKind.FINAL: "final",
    ReceiptKind.CORRECTION: "final",
    ReceiptKind.DEDUCTION: "final",
    ReceiptKind.PROVISIONAL: "provisional",
}


class Since(NamedTuple):
    """The state of a ledger with which a report is compared."""

    entry: int
    """The last entry of that state; 0 for none."""
    day: date
    """The day of the report that was written then."""


class Total(NamedTuple):
    """Records and yen."""

    records: int
    amount: int


@dataclass(frozen=True)
class Changes:
    """What changed in a ledger since an earlier state of it."""

    since: Since
    open_exceptions: int
    """The number of exceptions that are open now: those of then + new - resolved."""
    tables: Mapping[str, pa.Table]
    """By the names of :data:`CHANGE_TABLES`."""
    previous: tuple[date, Total] | None
    """The day before on which files were posted, with their accepted records and yen; None: there is none."""

    @classmethod
    def between(
        cls, ledger: Ledger, entries: Sequence[Entry], since: Since, exceptions: pa.Table, catalog: Catalog
    ) -> Changes:
        """Return what changed since an earlier state.

        Args:
            ledger: the ledger.
            entries: its entries up to the report.
            since: the earlier state.
            exceptions: :meth:`kokin.ledger.Ledger.exceptions` of the report.
            catalog: the charges of the authority.
        """
        last = entries[-1].id if entries else 0
        before = open_exceptions(ledger.exceptions(since.entry, since.day, catalog=catalog))
        now = open_exceptions(exceptions)
        tables = {
            "new_files": _new_files(ledger, entries, since.entry, last),
            "new_exceptions": _without(now, before),
            "resolved_exceptions": _without(before, now),
        }
        return cls(since, len(now), tables, _previous(entries, since.entry))

    def total(self, name: str) -> Total:
        """Return records and yen of the new files that are ``final``, ``provisional`` or ``other``."""
        table = self.tables["new_files"]
        return Total(*(pc.sum(table.column(column)).as_py() or 0 for column in (name, f"{name}_yen")))

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for ``summary.json``."""
        return {
            "entry": self.since.entry,
            "day": self.since.day.isoformat(),
            "files": len(self.tables["new_files"]),
            **{name: self.total(name)._asdict() for name in _COUNTED},
            "new_exceptions": len(self.tables["new_exceptions"]),
            "resolved_exceptions": len(self.tables["resolved_exceptions"]),
            "open_exceptions": self.open_exceptions,
        }


def _without(table: pa.Table, other: pa.Table) -> pa.Table:
    """Return the exceptions that another table does not have, by ``exception_id``."""
    others = combine(other.column("exception_id"))
    rows = table.filter(pc.invert(pc.is_in(table.column("exception_id"), value_set=others)))
    return rows.select(_EXCEPTION_COLUMNS)


def open_exceptions(table: pa.Table) -> pa.Table:
    """Return the rows of ③ 要確認一覧 that a person has to look at: of a ledger the open ones, of a run all."""
    if "exception_state" not in table.column_names:
        return table
    return table.filter(pc.equal(table.column("exception_state"), "open"))


def _new_files(ledger: Ledger, entries: Sequence[Entry], after: int, last: int) -> pa.Table:
    counts: dict[tuple[int, str], Total] = {}
    for row in ledger.records_by_kind(after, last).to_pylist():
        key = (row["entry_id"], _CLASS_OF_KIND.get(ReceiptKind(row["kind"]), "other"))
        records, amount = counts.get(key, (0, 0))
        counts[key] = Total(records + row["records"], amount + row["amount"])
    rows = []
    for entry in _active_files(entries):
        if entry.id > after:
            row = {"entry_id": entry.id, "source": entry.source, "layout": entry.layout}
            row["at"] = entry.at.astimezone(JAPAN).strftime("%Y-%m-%d %H:%M")
            row |= {name: entry.totals.get(name, 0) for name in ("accepted", "rejected")}
            for name in _COUNTED:
                row[name], row[f"{name}_yen"] = counts.get((entry.id, name), Total(0, 0))
            rows.append(row)
    return pa.Table.from_pylist(rows, _NEW_FILES)


def _active_files(entries: Sequence[Entry]) -> list[Entry]:
    from kokin.ledger import active_entries  # late: only reports of a ledger need SQLAlchemy

    active = active_entries(entries)
    return [entry for entry in entries if entry.kind == "receipt_file" and entry.id in active]


def _previous(entries: Sequence[Entry], last: int) -> tuple[date, Total] | None:
    """Return the last day up to an entry on which files were posted, with their accepted records and yen."""
    files = [entry for entry in _active_files(entries) if entry.id <= last]
    if not files:
        return None
    day = japan_date(files[-1])
    totals = [entry.totals for entry in files if japan_date(entry) == day]
    return day, Total(*(sum(row.get(name, 0) for row in totals) for name in ("accepted", "accepted_yen")))


# --- the state to compare with ----------------------------------------------------------------------------------------


def resolve_since(since: Since | date | datetime | int, entries: Sequence[Entry]) -> Since:
    """Return the state before a day or a moment, or as of an entry.

    Args:
        since: a day or a moment: what was entered on it or later is new; or an entry: what was entered after it is new.
        entries: the entries of the ledger.

    Raises:
        InvalidInputError: ``ENTRY_UNKNOWN``: the ledger has no such entry.
    """
    if isinstance(since, Since):
        return since
    if isinstance(since, int):
        entry = next((entry for entry in entries if entry.id == since), None)
        if entry is None:
            raise InvalidInputError([Issue("ENTRY_UNKNOWN", field="since", found=str(since))], "no report")
        return Since(entry.id, japan_date(entry))
    moment = since if isinstance(since, datetime) else datetime.combine(since, time.min, JAPAN)
    before = [entry for entry in entries if entry.at < moment]
    day = moment.astimezone(JAPAN).date()
    return Since(before[-1].id, japan_date(before[-1])) if before else Since(0, day)


def default_since(folder: Path, entries: Sequence[Entry], day: date) -> Since:
    """Return the state of the last report in a folder of an earlier day, else that before the previous business day.

    The ``summary.json`` in the folder has the hash of the ledger that it is of; the folder of another ledger is
    ignored. A report that is written a second time on one day is compared with the same state as the first.

    Args:
        folder: the folder into which the report will be written; it need not exist.
        entries: the entries of the ledger up to the report.
        day: the day of the report.
    """
    return _last_report(folder / "summary.json", entries, day) or resolve_since(_previous_business_day(day), entries)


def _last_report(path: Path, entries: Sequence[Entry], day: date) -> Since | None:
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        digest, written = summary["hash"], date.fromisoformat(summary["as_of"])
        changes = summary.get("changes")
        earlier = changes and Since(int(changes["entry"]), date.fromisoformat(changes["day"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    entry = next((entry.id for entry in entries if entry.hash == digest), None)
    if entry is None or written > day:
        return None
    return Since(entry, written) if written < day else earlier


def _previous_business_day(day: date) -> date:
    previous = day - timedelta(days=1)
    try:
        while shift_due_date(previous) != previous:
            previous -= timedelta(days=1)
    except CalendarRangeError:
        return day - timedelta(days=1)
    return previous
