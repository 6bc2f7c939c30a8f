"""Reversals (取消): which entries and postings can be reversed, and which receipts a reversal reverses or restores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from kokin._arrow.convert import Int64Array, to_numpy
from kokin.issues import InvalidInputError, Issue
from kokin.ledger._active_entries import find_posted_file, reversal_targets, reversed_ids_of, root_entry
from kokin.ledger._closings import require_closing_reversible
from kokin.ledger._components import receipt_keys, receipts_with_posting
from kokin.ledger._database import Transaction
from kokin.ledger._debit_records import require_debit_reversible
from kokin.ledger._decisions_in_force import decided_keys, receipts_of_decisions
from kokin.ledger._journal import EntryResult, EntryWriter, is_id, rows_of_entry
from kokin.ledger._load_bills import BILL_KINDS, restate_bills
from kokin.ledger._refund_steps import require_refund_reversible
from kokin.ledger._rematch import ReversalEffect, rematch
from kokin.ledger._schema import EntryKind, entries, postings
from kokin.ledger._upload_records import require_reversible
from kokin.ledger._write_offs import require_write_off_restorable
from kokin.model import ReceiptKind
from kokin.reconcile import Policy

#: Entries with a digest, which is posted once.
FILE_KINDS = (
    EntryKind.RECEIPT_FILE,
    EntryKind.REJECTED_FILE,
    EntryKind.BANK_DEPOSITS,
    EntryKind.AGENT_REPORTS,
    EntryKind.UPLOAD_ANSWER,
    EntryKind.OPENING,
    EntryKind.DEBIT_RESULT,
    EntryKind.WRITE_OFF,
)

#: Entries that can be reversed.
_REVERSIBLE = (
    *FILE_KINDS,
    EntryKind.BILLS,
    EntryKind.UPLOAD,
    EntryKind.DECISION,
    EntryKind.REFUND,
    EntryKind.CLOSING,
    EntryKind.DEBIT_REQUEST,
    EntryKind.ACKNOWLEDGEMENT,
    EntryKind.REVERSAL,
)

_NO_IDS = np.empty(0, np.int64)


@dataclass(frozen=True)
class EntryReversal:
    """What the reversal of an entry changes."""

    root: int
    """The entry that it reverses or restores: the start of the chain of reversals."""
    kind: EntryKind
    """The kind of that entry."""
    effect: ReversalEffect
    """The receipts that it reverses or restores."""
    reversed_ids: set[int]
    """The entries that are not active after it."""


def reversal_of_entry(transaction: Transaction, entry: int) -> EntryReversal:
    """Return what the reversal of an entry changes.

    Raises:
        InvalidInputError: an unknown entry, of a kind that cannot be reversed, or reversed already.
    """
    statement = select(entries).where(entries.c.id == entry)
    row = transaction.connection.execute(statement).mappings().first() if is_id(entry) else None
    if row is None:
        raise _not_reversible("ENTRY_UNKNOWN", "entry", str(entry))
    if row["kind"] == EntryKind.ALLOTMENT:
        raise _not_reversible("NUMBERS_FINAL", "entry", row["kind"])
    is_copy = row["kind"] == EntryKind.OPENING and row["digest"] is None
    if row["kind"] not in _REVERSIBLE or is_copy:
        raise _not_reversible("ENTRY_KIND", "entry", row["kind"])
    reversals = reversal_targets(transaction)
    for reversal, target in reversals.items():
        if target == row["id"]:  # an entry is reversed once: later its last reversal is reversed
            raise _not_reversible(
                "ENTRY_REVERSED", "entry", str(entry), expected=str(_last_reversal(reversals, reversal))
            )
    reversed_ids = reversed_ids_of({**reversals, np.iinfo(np.int64).max: row["id"]})
    root = root_entry(reversals, row["id"])
    kind = transaction.connection.execute(select(entries.c.kind).where(entries.c.id == root)).scalar_one()
    if row["reverses_entry_id"] is not None and kind in FILE_KINDS and root not in reversed_ids:
        _reject_if_reposted(transaction, root)
    if kind == EntryKind.REVERSAL:  # of one posting
        receipts = np.array([_receipts_of_reversals(transaction)[root]])
    else:
        receipts = rows_of_entry(transaction, "receipts", root)
    effect = _effect(transaction, receipts, reversed_ids)
    return EntryReversal(root, EntryKind(kind), effect, reversed_ids)


def _last_reversal(reversals: Mapping[int, int], entry: int) -> int:
    """Return the last entry of the chain of reversals that starts with one."""
    following = {target: reversal for reversal, target in reversals.items()}
    while entry in following:
        entry = following[entry]
    return entry


def reversal_of_posting(transaction: Transaction, posting: int) -> ReversalEffect:
    """Return the effect of reversing one posting.

    Raises:
        InvalidInputError: an unknown posting, not the last one of its receipt, or one of a reversal.
    """
    statement = select(postings.c.receipt_id, postings.c.entry_id, postings.c.reverses_id)
    statement = statement.where(postings.c.id == posting)
    row = transaction.connection.execute(statement).first() if is_id(posting) else None
    if row is None:
        raise _not_reversible("ENTRY_UNKNOWN", "posting", str(posting))
    receipt = np.array([row.receipt_id])
    found = receipts_with_posting(transaction, receipt)
    if found.column("kind")[0].as_py() == ReceiptKind.SETOFF:  # its other side is in the same entry
        raise _not_reversible("SETOFF_POSTING", "posting", str(posting), str(found.column("entry_id")[0]))
    last = to_numpy(found.column("posting"), 0)[0]
    if last != posting:
        raise _not_reversible("POSTING_REPLACED", "posting", str(posting), expected=str(last))
    if row.reverses_id is not None:
        raise _not_reversible("ENTRY_REVERSED", "posting", str(posting), expected=str(row.entry_id))
    return ReversalEffect(receipt, _NO_IDS)


def _receipts_of_reversals(transaction: Transaction) -> dict[int, int]:
    """Return the receipt of each entry that reverses one posting, also of those that are not active."""
    joined = entries.join(postings, postings.c.id == entries.c.reverses_posting_id)
    rows = transaction.connection.execute(select(entries.c.id, postings.c.receipt_id).select_from(joined))
    return {row[0]: row[1] for row in rows}


def _effect(transaction: Transaction, ids: Int64Array, reversed_ids: set[int]) -> ReversalEffect:
    """Return the receipts, of some, whose state must change when some entries are not active.

    A receipt is active if the entry of its file is, and no active reversal names a posting of it.
    """
    receipts = receipts_with_posting(transaction, ids)
    ids, of_entry = (to_numpy(receipts.column(name), 0) for name in ("id", "entry_id"))
    was_active = to_numpy(receipts.column("reverses_id"), -1) < 0
    reversals = _receipts_of_reversals(transaction)
    reversed_alone = {receipt for reversal, receipt in reversals.items() if reversal not in reversed_ids}
    is_active = ~np.isin(of_entry, sorted(reversed_ids)) & ~np.isin(ids, sorted(reversed_alone))
    return ReversalEffect(ids[was_active & ~is_active], ids[is_active & ~was_active])


def _reject_if_reposted(transaction: Transaction, entry: int) -> None:
    """Raise :class:`InvalidInputError` if the file of a reversed entry has been posted by another entry since."""
    row = transaction.connection.execute(select(entries.c.kind, entries.c.digest).where(entries.c.id == entry)).one()
    active, _ = find_posted_file(transaction, EntryKind(row.kind), row.digest)
    if active and active.id != entry:
        raise _not_reversible("FILE_STANDS", "entry", str(active.id))


def _not_reversible(code: str, field: str, found: str, expected: str = "") -> InvalidInputError:
    return InvalidInputError([Issue(code, field=field, expected=expected, found=found)], "nothing was reversed")


def reverse_entry(writer: EntryWriter, entry: int, policy: Policy) -> EntryResult:
    """Reverse an entry; see :meth:`kokin.ledger.Ledger.reverse_entry`."""
    target = reversal_of_entry(writer, entry)
    require_reversible(writer, target.root, target.kind, target.reversed_ids)
    require_debit_reversible(writer, target.root, target.kind, target.reversed_ids)
    if target.kind is EntryKind.REFUND:
        require_refund_reversible(writer, target.root, target.reversed_ids)
    if target.kind is EntryKind.WRITE_OFF:
        require_write_off_restorable(writer, target.root, target.reversed_ids)
    if target.kind is EntryKind.CLOSING:
        require_closing_reversible(writer, target.root, target.reversed_ids, writer.actor, policy)
    _begin(writer, reverses_entry_id=entry)
    keys = restate_bills(writer, target.root, target.reversed_ids) if target.kind in BILL_KINDS else _NO_IDS
    if target.kind is EntryKind.DECISION:
        rows = writer.rows("decisions", rows_of_entry(writer, "decisions", target.root), ("receipt_id",))
        keys = decided_keys(writer, receipts_of_decisions(rows))
    return _finish(writer, target.effect, keys, policy)


def reverse_posting(writer: EntryWriter, posting: int, policy: Policy) -> EntryResult:
    """Reverse one posting; see :meth:`kokin.ledger.Ledger.reverse_posting`."""
    effect = reversal_of_posting(writer, posting)
    _begin(writer, reverses_posting_id=posting)
    return _finish(writer, effect, _NO_IDS, policy)


def _begin(writer: EntryWriter, **target: int) -> None:
    if not writer.reason.strip():
        raise InvalidInputError([Issue("FIELD_MISSING", field="reason")], "nothing was reversed")
    writer.begin(EntryKind.REVERSAL, **target)


def _finish(writer: EntryWriter, effect: ReversalEffect, keys: Int64Array, policy: Policy) -> EntryResult:
    """Match the components of reversed and restored receipts and of some keys again, and write the seal."""
    receipts = receipts_with_posting(writer, np.concatenate([effect.reversed, effect.restored]))
    keys = np.concatenate([receipt_keys(receipts)[0], keys])
    result = rematch(writer, policy, keys, effect=effect)
    return EntryResult(writer.commit(), True, {}, result.rematched)
