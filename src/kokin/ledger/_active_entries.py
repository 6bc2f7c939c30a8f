"""Which entries are active: an entry is active unless an active entry reverses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import select

from kokin.ledger._components import as_of_entry
from kokin.ledger._database import Transaction
from kokin.ledger._journal import Entry
from kokin.ledger._schema import entries


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
