"""Which entries are active: an entry is active unless an active entry reverses it.

A file is posted once: it is rejected as posted while an active entry has its SHA-256, and can be posted again after
that entry was reversed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import select

from kokin.ledger._components import as_of_entry
from kokin.ledger._database import Transaction
from kokin.ledger._journal import Entry, entry_rows
from kokin.ledger._schema import EntryKind, entries


def reversed_ids_of(target_of: Mapping[int, int]) -> set[int]:
    """Return the entries that an active entry reverses, from the target of every reversal.

    A reversal has a larger id than its target, so one pass in descending order decides each reversal before its
    target: ``{4: 2, 5: 4}`` gives ``{4}``, because 5 reverses the reversal of 2.
    """
    reversed_ids: set[int] = set()
    for reversal in sorted(target_of, reverse=True):
        if reversal not in reversed_ids:
            reversed_ids.add(target_of[reversal])
    return reversed_ids


def active_entries(entries: Iterable[Entry]) -> set[int]:
    """Return the ids of the active entries: those that no active entry reverses.

    Args:
        entries: all entries of a ledger, or all up to one of them, as :meth:`Ledger.entries` returns them.
    """
    entries = list(entries)
    reversed_ids = reversed_ids_of({entry.id: entry.reverses for entry in entries if entry.reverses is not None})
    return {entry.id for entry in entries} - reversed_ids


def reversal_targets(transaction: Transaction, last: int | None = None) -> dict[int, int]:
    """Return the entry that each reversal reverses, as of an entry."""
    statement = select(entries.c.id, entries.c.reverses_entry_id).where(
        entries.c.reverses_entry_id.is_not(None), as_of_entry(entries.c.id, last)
    )
    return {row[0]: row[1] for row in transaction.connection.execute(statement)}


def reversed_entries(transaction: Transaction, last: int | None = None) -> set[int]:
    """Return the ids of the entries that are not active, as of an entry."""
    return reversed_ids_of(reversal_targets(transaction, last))


def find_posted_file(transaction: Transaction, kind: EntryKind, digest: str) -> tuple[Entry | None, int]:
    """Return the active entry of a file, None if there is none, and the number of all entries of the file."""
    statement = entry_rows().where(entries.c.kind == kind.value, entries.c.digest == digest)
    rows = transaction.connection.execute(statement).mappings().all()
    reversed_ids = reversed_entries(transaction) if rows else set()
    return next((Entry.of(row) for row in rows if row["id"] not in reversed_ids), None), len(rows)


def root_entry(reversals: Mapping[int, int], entry: int) -> int:
    """Return the entry at the start of a chain of reversals."""
    while entry in reversals:
        entry = reversals[entry]
    return entry
