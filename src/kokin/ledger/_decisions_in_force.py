"""The decisions in force, and the receipts and match keys that they concern."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from kokin._arrow.convert import Int64Array, empty_table, int64_array, to_numpy
from kokin._arrow.threads import sorted_unique
from kokin.ledger._active_entries import reversed_entries
from kokin.ledger._codec import decode_columns
from kokin.ledger._components import as_of_entry, assigned_bill_keys, receipt_keys, receipts_by_id
from kokin.ledger._database import Transaction
from kokin.ledger._schema import TABLES
from kokin.model import Decision, DecisionKind, arrow_schema

_DECISIONS, _RECEIPTS, _ENTRIES = TABLES["decisions"], TABLES["receipts"], TABLES["entries"]


def decided_keys(transaction: Transaction, receipts: Int64Array) -> Int64Array:
    """Return the match keys of some receipts, and of the bills to which they were ever assigned: int64 (k,)."""
    return np.concatenate(
        [receipt_keys(receipts_by_id(transaction, receipts))[0], assigned_bill_keys(transaction, receipts)]
    )


def receipts_of_decisions(rows: pa.Table) -> Int64Array:
    """Return the receipts of some rows of the table ``decisions``, sorted ids: int64 (k,)."""
    return sorted_unique(to_numpy(rows.column("receipt_id").drop_null(), 0))


def decisions_in_force(
    transaction: Transaction, last: int | None = None, receipts: Int64Array | None = None
) -> pa.Table:
    """Return the active decisions about payments, with the columns of :class:`~kokin.model.Decision`.

    Args:
        transaction: the transaction.
        last: the last entry to read; None reads all.
        receipts: ids of receipts; None: all.
    """
    if not transaction.has_rows("decisions"):
        return empty_table(arrow_schema(Decision))
    names = ("decision", "bill_id", "amount", "hold_until")
    statement = (
        # The parts of a decision are rows in a row.
        select(
            (_DECISIONS.c.id - _DECISIONS.c.part_no + 1).label("decision_no"),
            _ENTRIES.c.digest,
            _RECEIPTS.c.record_no,
            _DECISIONS.c.entry_id,
            *(_DECISIONS.c[name] for name in names),
        )
        .select_from(
            _DECISIONS.join(_RECEIPTS, _RECEIPTS.c.id == _DECISIONS.c.receipt_id).join(
                _ENTRIES, _ENTRIES.c.id == _RECEIPTS.c.entry_id
            )
        )
        .where(as_of_entry(_DECISIONS.c.entry_id, last))
        .where(_DECISIONS.c.decision.in_([kind.value for kind in DecisionKind if kind.is_matched]))
        .order_by(_DECISIONS.c.id)
    )
    rows = (
        transaction.table(statement)
        if receipts is None
        else transaction.fetch(statement, _DECISIONS.c.receipt_id, receipts)
    )
    reversed_ids = int64_array(np.array(sorted(reversed_entries(transaction, last)), np.int64))
    return decode_columns(rows.filter(pc.invert(pc.is_in(rows.column("entry_id"), value_set=reversed_ids))), Decision)


def decision_log(transaction: Transaction, receipts: Int64Array) -> pa.Table:
    """Return all decisions about some receipts, oldest first, also those that are reversed.

    ``id, entry_id, exception_id, part_no, decision, receipt_id, bill_id, amount, hold_until, reason, approver, actor,
    effective_at, active``.
    """
    names = ("id", "entry_id", "exception_id", "part_no", "decision", "receipt_id", "bill_id", "amount", "hold_until")
    columns = [_DECISIONS.c[name] for name in (*names, "reason", "approver")]
    joined = _DECISIONS.join(_ENTRIES, _ENTRIES.c.id == _DECISIONS.c.entry_id)
    statement = select(*columns, _ENTRIES.c.actor, _ENTRIES.c.effective_at).select_from(joined)
    rows = transaction.fetch(statement, _DECISIONS.c.receipt_id, receipts).sort_by("id")
    reversed_ids = reversed_entries(transaction)
    active = [entry not in reversed_ids for entry in rows.column("entry_id").to_pylist()]
    return rows.append_column("active", pa.array(active, pa.bool_()))
