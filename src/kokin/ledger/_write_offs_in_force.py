"""The write-offs (不納欠損) in force: those of entries that are not reversed."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from kokin.ledger._active_entries import reversed_entries
from kokin.ledger._components import as_of_entry
from kokin.ledger._database import Transaction
from kokin.ledger._journal import rows_of_entry
from kokin.ledger._schema import write_offs
from kokin.reconcile import Reconciliation

#: The columns of the write-offs in force.
WRITE_OFF_COLUMNS = pa.schema(
    [
        ("entry_id", pa.int64()),
        ("bill_id", pa.string()),
        ("amount", pa.int64()),
        ("written_off_on", pa.date32()),
        ("article", pa.string()),
        ("reason", pa.string()),
        ("approver", pa.string()),
    ]
)


def write_offs_in_force(
    transaction: Transaction, last: int | None = None, bill_ids: Sequence[str] | None = None
) -> pa.Table:
    """Return the active write-offs, in the order of their rows: :data:`WRITE_OFF_COLUMNS`.

    Args:
        transaction: the transaction.
        last: the last entry to read; None reads all.
        bill_ids: only those of these bills; None: all.
    """
    if not transaction.has_rows("write_offs"):
        return WRITE_OFF_COLUMNS.empty_table()
    statement = select(*(write_offs.c[name] for name in ("id", *WRITE_OFF_COLUMNS.names)))
    statement = statement.where(as_of_entry(write_offs.c.entry_id, last))
    if bill_ids is None:
        rows = transaction.table(statement.order_by(write_offs.c.id))
    else:
        rows = transaction.fetch(statement, write_offs.c.bill_id, bill_ids).sort_by("id")
    reversed_ids = pa.array(sorted(reversed_entries(transaction, last)), pa.int64())
    active = rows.filter(pc.invert(pc.is_in(rows.column("entry_id"), value_set=reversed_ids)))
    return active.select(WRITE_OFF_COLUMNS.names).cast(WRITE_OFF_COLUMNS).combine_chunks()


def written_off_bills(transaction: Transaction, entry: int) -> list[str]:
    """Return the bills that an entry wrote off."""
    rows = transaction.rows("write_offs", rows_of_entry(transaction, "write_offs", entry), ("bill_id",))
    return list(rows.column("bill_id").to_pylist())


def write_off_log(transaction: Transaction, bill_ids: Sequence[str]) -> pa.Table:
    """Return all write-offs of some bills, also those that are reversed: :data:`WRITE_OFF_COLUMNS` and ``active``."""
    statement = select(*(write_offs.c[name] for name in ("id", *WRITE_OFF_COLUMNS.names)))
    rows = transaction.fetch(statement, write_offs.c.bill_id, bill_ids).sort_by("id")
    rows = rows.select(WRITE_OFF_COLUMNS.names).cast(WRITE_OFF_COLUMNS)
    reversed_ids = reversed_entries(transaction)
    active = [entry not in reversed_ids for entry in rows.column("entry_id").to_pylist()]
    return rows.append_column("active", pa.array(active, pa.bool_()))


def with_write_offs(
    transaction: Transaction,
    result: Reconciliation,
    last: int | None = None,
    bill_ids: Sequence[str] | None = None,
) -> Reconciliation:
    """Return a reconciliation with the balances that the write-offs in force lower.

    The other parameters are those of :func:`write_offs_in_force`.
    """
    rows = write_offs_in_force(transaction, last, bill_ids).select(("bill_id", "amount"))
    return result.with_write_offs(rows) if len(rows) else result
