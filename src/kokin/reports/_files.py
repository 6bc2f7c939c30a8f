"""What came in (取込結果) and who did what (監査ログ): of a run, and of a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

import kokin
from kokin.text import JAPAN

if TYPE_CHECKING:
    from kokin.ledger import Entry

_INT, _TEXT = pa.int64(), pa.string()

FILE_SCHEMA = pa.schema(
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
AUDIT_SCHEMA = pa.schema(
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
        ("stands", pa.bool_()),
        ("hash", _TEXT),
    ]
)


@dataclass(frozen=True, slots=True)
class FileSummary:
    """How one receipt file went in: ``read = accepted + unpaid + rejected``, counted in records of payments."""

    source: str
    layout: str
    digest: str
    """SHA-256, hexadecimal."""
    read: int
    accepted: int
    unpaid: int
    """Told as not paid (振替不能)."""
    rejected: int
    amount: int
    """Yen of the accepted records."""

    def __post_init__(self) -> None:
        assert self.read == self.accepted + self.unpaid + self.rejected


def file_table(files: Sequence[FileSummary]) -> pa.Table:
    """① 取込結果票."""
    return _table([{name: getattr(file, name) for name in FILE_SCHEMA.names} for file in files], FILE_SCHEMA)


def run_audit(files: Sequence[FileSummary]) -> pa.Table:
    """⑪ of a run that keeps no ledger: what was read, by its SHA-256, and by which version."""
    about = {"kind": "file", "version": kokin.__version__, "stands": True}
    return _table(
        [{**about, "source": file.source, "layout": file.layout, "digest": file.digest} for file in files],
        AUDIT_SCHEMA,
    )


def ledger_audit(entries: Sequence[Entry]) -> pa.Table:
    """⑪ of a ledger: every entry, with the time in Japan, and whether it is active."""
    from kokin.ledger import active_entries

    active = active_entries(entries)
    rows = []
    for entry in entries:
        row = {name: getattr(entry, name, None) for name in AUDIT_SCHEMA.names}
        at = entry.at.astimezone(JAPAN).isoformat(timespec="seconds")
        rows.append({**row, "entry": entry.id, "kind": entry.kind.value, "at": at, "stands": entry.id in active})
    return _table(rows, AUDIT_SCHEMA)


def ledger_files(entries: Sequence[Entry]) -> list[FileSummary]:
    """The files that stand in a ledger, as they were posted."""
    from kokin.ledger import active_entries

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


def day_in_japan(entry: Entry) -> date:
    """The day of an entry in Japan."""
    return entry.at.astimezone(JAPAN).date()


def _table(rows: Sequence[dict[str, Any]], kind: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(list(rows), kind)
