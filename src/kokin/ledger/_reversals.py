"""Reversals: which entries are active, and which receipts a reversal reverses or restores.

An entry is active unless an active entry reverses it. A file is posted once: it is rejected as posted while an active
entry has its SHA-256, and can be posted again after that entry was reversed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow.compute as pc
from sqlalchemy import select

from kokin._arrow.convert import Int64Array, to_numpy
from kokin.issues import InvalidInputError, Issue
from kokin.ledger._codec import to_bool
from kokin.ledger._components import as_of_entry, receipts_with_posting
from kokin.ledger._database import Transaction
from kokin.ledger._entry import FILE_KINDS, Entry, EntryKind
from kokin.ledger._journal import is_id, rows_of_entry
from kokin.ledger._rematch import PostingReason, ReversalEffect
from kokin.ledger._schema import TABLES

_ENTRIES, _POSTINGS = TABLES["entries"], TABLES["postings"]

_NO_IDS = np.empty(0, np.int64)


def _reversed_ids(target_of: Mapping[int, int]) -> set[int]:
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
    reversed_ids = _reversed_ids({entry.id: entry.reverses for entry in entries if entry.reverses is not None})
    return {entry.id for entry in entries} - reversed_ids


def reversed_entries(transaction: Transaction, last: int | None = None) -> set[int]:
    """Return the ids of the entries that are not active, as of an entry."""
    statement = select(_ENTRIES.c.id, _ENTRIES.c.reverses).where(
        _ENTRIES.c.reverses.is_not(None), as_of_entry(_ENTRIES.c.id, last)
    )
    return _reversed_ids({row.id: row.reverses for row in transaction.connection.execute(statement)})


def find_posted_file(transaction: Transaction, kind: EntryKind, digest: str) -> Entry | None:
    """Return the active entry of a file; None if it was never posted, or if its entry was reversed."""
    statement = select(_ENTRIES).where(_ENTRIES.c.kind == kind.value, _ENTRIES.c.digest == digest)
    rows = transaction.connection.execute(statement).mappings().all()
    reversed_ids = reversed_entries(transaction) if rows else set()
    return next((Entry.of(row) for row in rows if row["id"] not in reversed_ids), None)


def reversal_of_entry(transaction: Transaction, entry: int) -> ReversalEffect:
    """Return the effect of reversing an entry.

    Raises:
        InvalidInputError: an unknown entry, of a kind that cannot be reversed, or reversed already.
    """
    statement = select(_ENTRIES).where(_ENTRIES.c.id == entry)
    row = transaction.connection.execute(statement).mappings().first() if is_id(entry) else None
    if row is None:
        raise _not_reversible("ENTRY_UNKNOWN", "entry", str(entry))
    if row["kind"] not in (*FILE_KINDS, EntryKind.REVERSAL):
        raise _not_reversible("ENTRY_KIND", "entry", row["kind"])
    if row["id"] in reversed_entries(transaction):
        raise _not_reversible("ENTRY_REVERSED", "entry", str(entry))
    is_own = _POSTINGS.c.rule != PostingReason.REMATCHED.value
    own_ids = rows_of_entry(transaction, "postings", row["id"])
    postings = transaction.rows("postings", own_ids, ("receipt", "rule"), is_own)
    receipts = to_numpy(postings.column("receipt"), 0)
    was_reversed = to_bool(pc.equal(postings.column("rule"), PostingReason.REVERSED.value))
    if row["reverses"] is not None and not len(receipts):
        _reject_if_reposted(transaction, _root_entry(transaction, row["reverses"]))
    return _effect(transaction, np.sort(receipts[~was_reversed]), np.sort(receipts[was_reversed]))


def _root_entry(transaction: Transaction, entry: int) -> int:
    """Return the entry at the start of a chain of reversals."""
    reverses = transaction.connection.execute(select(_ENTRIES.c.reverses).where(_ENTRIES.c.id == entry)).scalar_one()
    return entry if reverses is None else _root_entry(transaction, reverses)


def reversal_of_posting(transaction: Transaction, posting: int) -> ReversalEffect:
    """Return the effect of reversing one posting.

    Raises:
        InvalidInputError: an unknown posting, or not the last one of its receipt.
    """
    statement = select(_POSTINGS.c.receipt, _POSTINGS.c.reverses).where(_POSTINGS.c.id == posting)
    row = transaction.connection.execute(statement).first() if is_id(posting) else None
    if row is None:
        raise _not_reversible("ENTRY_UNKNOWN", "posting", str(posting))
    receipt = np.array([row.receipt])
    last = to_numpy(receipts_with_posting(transaction, receipt).column("posting"), 0)[0]
    if last != posting:
        issue = Issue("POSTING_REPLACED", field="posting", expected=str(last), found=str(posting))
        raise InvalidInputError([issue], "nothing was reversed")
    return _effect(transaction, *((receipt, _NO_IDS) if row.reverses is None else (_NO_IDS, receipt)))


def _effect(transaction: Transaction, to_reverse: Int64Array, to_restore: Int64Array) -> ReversalEffect:
    """Return the effect without receipts that are in the wanted state already.

    A receipt that was reversed by its posting stays reversed when its file is reversed or restored.
    """
    reversing, restoring = (receipts_with_posting(transaction, ids) for ids in (to_reverse, to_restore))
    to_reverse = to_reverse[to_numpy(reversing.column("reverses"), -1) < 0]
    to_restore = to_restore[to_numpy(restoring.column("reverses"), -1) >= 0]
    for entry in np.unique(to_numpy(restoring.column("entry"), 0)).tolist():
        _reject_if_reposted(transaction, entry)
    return ReversalEffect(to_reverse, to_restore)


def _reject_if_reposted(transaction: Transaction, entry: int) -> None:
    """Raise :class:`InvalidInputError` if the file of a reversed entry has been posted by another entry since."""
    statement = select(_ENTRIES.c.kind, _ENTRIES.c.digest).where(_ENTRIES.c.id == entry)
    row = transaction.connection.execute(statement).one()
    active = find_posted_file(transaction, EntryKind(row.kind), row.digest)
    if active and active.id != entry:
        raise _not_reversible("FILE_STANDS", "entry", str(active.id))


def _not_reversible(code: str, field: str, found: str) -> InvalidInputError:
    return InvalidInputError([Issue(code, field=field, expected="", found=found)], "nothing was reversed")
