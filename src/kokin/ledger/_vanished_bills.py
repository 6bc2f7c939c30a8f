"""Bills that a whole register has no longer: open in the ledger, and missing from the load."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import Int64Array, combine, to_numpy
from kokin._arrow.threads import difference_sorted, sorted_unique
from kokin.ledger._codec import concat, decode_columns, filter_rows
from kokin.ledger._components import BILL_COLUMNS, add_last_posting, bill_keys, bills_by_id, find_components
from kokin.ledger._database import BATCH_ROWS
from kokin.ledger._decisions_in_force import decisions_in_force
from kokin.ledger._journal import EntryWriter
from kokin.ledger._rematch import match_receipts
from kokin.ledger._write_offs_in_force import with_write_offs
from kokin.model import Bill, BillStatus
from kokin.reconcile import Policy

#: The columns of :attr:`kokin.ledger.EntryResult.vanished`; ``residual`` are the yen that are open.
VANISHED_SCHEMA = pa.schema(
    [
        ("bill_id", pa.string()),
        ("payee_code", pa.string()),
        ("system", pa.string()),
        ("due_on", pa.date32()),
        ("amount", pa.int64()),
        ("residual", pa.int64()),
    ]
)


class Register:
    """The versions of bills and the systems that a load has, to find the bills that it lacks.

    It keeps eight bytes for each bill that is unchanged.
    """

    def __init__(self) -> None:
        self._unchanged_ids = [np.empty(0, np.int64)]
        self._systems: set[tuple[str, str | None]] = set()

    def add(self, bills: pa.Table, unchanged_ids: Int64Array) -> None:
        """Add a chunk of encoded bills, and the ids of the versions of those that are unchanged."""
        self._unchanged_ids.append(unchanged_ids)
        groups = pa.table(_system(bills)).group_by(["payee_code", "system"]).aggregate([])
        self._systems |= {(row["payee_code"], row["system"]) for row in groups.to_pylist()}

    def vanished(self, writer: EntryWriter, policy: Policy) -> pa.Table:
        """Return the open bills of these systems that the load lacks: :data:`VANISHED_SCHEMA`, by ``bill_id``.

        A bill that is paid, cancelled or superseded may be missing. A register without any bill is that of all systems.

        Args:
            writer: the entry of the load; its bills were added, and their receipts were matched again.
            policy: the choices of the authority.
        """
        # A changed bill has a later version, so its earlier one is not in force.
        ids = np.arange(1, writer.before["bill_versions"] + 1)
        ids = difference_sorted(ids, sorted_unique(np.concatenate(self._unchanged_ids)))
        batches = (ids[start : start + BATCH_ROWS] for start in range(0, len(ids), BATCH_ROWS))
        tables = [self._open_bills(writer, policy, batch) for batch in batches]
        return concat(tables, VANISHED_SCHEMA).sort_by("bill_id").combine_chunks()

    def _open_bills(self, writer: EntryWriter, policy: Policy, ids: Int64Array) -> pa.Table:
        """Return the bills in force among some versions that are of these systems, and have open yen."""
        bills = bills_by_id(writer, ids, (*BILL_COLUMNS, "system"))
        bills = bills.filter(pc.equal(bills.column("status"), BillStatus.OPEN.value))
        if self._systems:
            pairs = zip(bills.column("payee_code").to_pylist(), bills.column("system").to_pylist(), strict=True)
            bills = filter_rows(bills, np.fromiter((pair in self._systems for pair in pairs), np.bool_, len(bills)))
        if not len(bills):
            return VANISHED_SCHEMA.empty_table()
        components = find_components(writer, bill_keys(bills)[0])
        receipts = add_last_posting(writer, components.receipts)
        receipts = filter_rows(receipts, to_numpy(receipts.column("reverses_id"), -1) < 0)
        decisions = decisions_in_force(writer, receipts=to_numpy(components.receipts.column("id"), 0))
        result = match_receipts(components.bills, receipts, policy, decisions)
        names = components.bills.column("bill_id").to_pylist()
        balances = with_write_offs(writer, result, bill_ids=names).balances
        row = pc.index_in(bills.column("bill_id"), value_set=combine(balances.column("bill_id")))
        bills = decode_columns(bills, Bill).append_column("residual", balances.column("residual").take(row))
        return bills.filter(pc.greater(bills.column("residual"), 0)).select(VANISHED_SCHEMA.names).cast(VANISHED_SCHEMA)


def _system(bills: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Return the columns ``payee_code`` and ``system``, null if the bills lack it."""
    missing = pa.chunked_array([pa.nulls(len(bills), pa.string())])
    system = bills.column("system") if "system" in bills.column_names else missing
    return {"payee_code": bills.column("payee_code"), "system": system}
