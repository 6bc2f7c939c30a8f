"""The sources of a report: its receipt files (① 取込結果票), and the audit log (⑪ 監査ログ) of a run or a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

import kokin
from kokin.issues import InvalidInputError, Issue, Location
from kokin.reconcile import CLOSING_COLUMNS, LATE_COLUMNS
from kokin.reports._settlement import statement_table
from kokin.text import JAPAN

if TYPE_CHECKING:
    from kokin.intake import IntakeStatus
    from kokin.ledger import Entry

_INT, _TEXT = pa.int64(), pa.string()

_FILES = pa.schema(
    [
        ("source", _TEXT),
        ("layout", _TEXT),
        ("digest", _TEXT),
        ("read", _INT),
        ("accepted", _INT),
        ("unpaid", _INT),
        ("rejected", _INT),
        ("amount", _INT),
    ]
)
_AUDIT = pa.schema(
    [
        ("entry", _INT),
        ("kind", _TEXT),
        ("at", _TEXT),
        ("actor", _TEXT),
        ("reason", _TEXT),
        ("version", _TEXT),
        ("source", _TEXT),
        ("layout", _TEXT),
        ("digest", _TEXT),
        ("reverses", _INT),
        ("reverses_posting", _INT),
        ("active", pa.bool_()),
        ("hash", _TEXT),
    ]
)


@dataclass(frozen=True, slots=True)
class FileSummary:
    """Counts of the payment records of one receipt file: ``read = accepted + unpaid + rejected``.

    Raises:
        InvalidInputError: ``TOTAL_MISMATCH``: the counts do not add up.
    """

    source: str
    layout: str
    digest: str
    """SHA-256, hexadecimal."""
    read: int
    accepted: int
    unpaid: int
    """Records of payments that failed (振替不能)."""
    rejected: int
    amount: int
    """Yen of the accepted records."""

    def __post_init__(self) -> None:
        counted = self.accepted + self.unpaid + self.rejected
        if self.read != counted:
            place = Location(self.source)
            issue = Issue("TOTAL_MISMATCH", field="read", expected=str(counted), found=str(self.read), location=place)
            raise InvalidInputError([issue], "read differs from accepted + unpaid + rejected")


def file_table(files: Sequence[FileSummary]) -> pa.Table:
    """Return ① 取込結果票."""
    return pa.Table.from_pylist([asdict(file) for file in files], _FILES)


def intake_table(status: IntakeStatus) -> pa.Table:
    """Return ⓪ 受入状況表: its times in Japan as text, to the minute; ``state`` has its own terms."""
    table = status.table.rename_columns({"state": "intake_state"})
    for name in ("deadline", "at"):
        texts = pc.utf8_slice_codeunits(table.column(name).cast(pa.string()), 0, len("YYYY-MM-DD HH:MM"))
        table = table.set_column(table.column_names.index(name), name, texts)
    return table


def run_audit(files: Sequence[FileSummary]) -> pa.Table:
    """Return ⑪ 監査ログ of a run without a ledger: its files by SHA-256, and the version of Kokin."""
    rows = [
        {"kind": "file", "version": kokin.__version__, "active": True}
        | {"source": file.source, "layout": file.layout, "digest": file.digest}
        for file in files
    ]
    return pa.Table.from_pylist(rows, _AUDIT)


def ledger_audit(entries: Sequence[Entry]) -> pa.Table:
    """Return ⑪ 監査ログ of a ledger: every entry with its time in Japan; ``active`` is false for a reversed one."""
    from kokin.ledger import active_entries  # late: only reports of a ledger need SQLAlchemy

    active = active_entries(entries)
    rows = []
    for entry in entries:
        row = {name: getattr(entry, name, None) for name in _AUDIT.names}
        at = entry.at.astimezone(JAPAN).isoformat(timespec="seconds")
        rows.append({**row, "entry": entry.id, "kind": entry.kind.value, "at": at, "active": entry.id in active})
    return pa.Table.from_pylist(rows, _AUDIT)


def no_closings() -> dict[str, pa.Table]:
    """Return the tables of closings of a run without a ledger: they are empty."""
    tables = {"closings": CLOSING_COLUMNS.empty_table(), "late": LATE_COLUMNS.empty_table()}
    return {**tables, "settlement_statement": statement_table(())}


def ledger_files(entries: Sequence[Entry]) -> list[FileSummary]:
    """Return the counts of the receipt files that were posted and not reversed."""
    from kokin.ledger import active_entries  # late: only reports of a ledger need SQLAlchemy

    active = active_entries(entries)
    return [
        FileSummary(
            entry.source,
            entry.layout,
            entry.digest,
            *(entry.totals.get(name, 0) for name in ("read", "accepted", "unpaid", "rejected", "accepted_yen")),
        )
        for entry in entries
        if entry.kind == "receipt_file" and entry.id in active
    ]


def japan_date(entry: Entry) -> date:
    """Return the date of an entry in Japan."""
    return entry.at.astimezone(JAPAN).date()
