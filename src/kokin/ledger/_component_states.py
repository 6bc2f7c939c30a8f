"""The states of connected components: their bills, receipts, decisions and balances as of an entry."""

from __future__ import annotations

import pyarrow.compute as pc
from sqlalchemy import select

from kokin._arrow.convert import combine, to_numpy
from kokin.ledger._codec import filter_rows
from kokin.ledger._components import Components
from kokin.ledger._database import Transaction
from kokin.ledger._decisions_in_force import decisions_in_force
from kokin.ledger._rematch import match_receipts
from kokin.ledger._schema import bill_versions, postings
from kokin.ledger._write_offs_in_force import with_write_offs
from kokin.reconcile import Policy, Reconciliation


class ComponentStates:
    """Whole components with every version of their bills, and the postings of their receipts."""

    def __init__(self, transaction: Transaction, components: Components, policy: Policy) -> None:
        """Read what the states need.

        Args:
            transaction: the transaction.
            components: the result of ``find_components(..., superseded=True)``.
            policy: the choices of the authority.
        """
        self._transaction, self._policy = transaction, policy
        bills = components.bills.sort_by("id")  # as `added` is
        ids = to_numpy(bills.column("id"), 0)
        added = transaction.rows("bill_versions", ids, ("entry_id", "withdrawn"))
        for name in ("entry_id", "withdrawn"):
            bills = bills.append_column(name, added.column(name))
        # A version of another component can have replaced one, if the bill has got other numbers.
        columns = select(bill_versions.c.replaces_id, bill_versions.c.entry_id)
        replacing = transaction.fetch(columns, bill_versions.c.replaces_id, ids)
        rows = pc.index_in(bills.column("id"), value_set=combine(replacing.column("replaces_id")))
        #: Every version, by id: the columns of bills that matching uses, ``id, entry_id, withdrawn, replaced_by``
        #: (the entry; null for the latest version).
        self.bills = bills.append_column("replaced_by", replacing.column("entry_id").take(rows))
        #: The receipts, by id.
        self.receipts = components.receipts
        names = ("id", "entry_id", "receipt_id", "bill_version_id", "posting_reason", "reverses_id")
        statement = select(*(postings.c[name] for name in names))
        ids = to_numpy(self.receipts.column("id"), 0)
        #: The postings of the receipts, by id.
        self.postings = transaction.fetch(statement, postings.c.receipt_id, ids).sort_by("id")

    def reconciled(self, entry: int) -> Reconciliation:
        """Return the reconciliation of the components as of an entry."""
        known = self.postings.filter(pc.less_equal(self.postings.column("entry_id"), entry))
        is_reversed = pc.is_in(known.column("id"), value_set=combine(known.column("reverses_id")))
        active = known.filter(pc.and_(pc.invert(is_reversed), known.column("reverses_id").is_null()))
        receipts = self.receipts.filter(
            pc.is_in(self.receipts.column("id"), value_set=combine(active.column("receipt_id")))
        )
        added, withdrawn = (to_numpy(self.bills.column(name), 0) for name in ("entry_id", "withdrawn"))
        replaced_by = to_numpy(self.bills.column("replaced_by"), entry + 1)
        bills = filter_rows(self.bills, (added <= entry) & (replaced_by > entry) & (withdrawn == 0))
        decided = decisions_in_force(self._transaction, entry, to_numpy(self.receipts.column("id"), 0))
        result = match_receipts(bills, receipts, self._policy, decided)
        return with_write_offs(self._transaction, result, entry, bills.column("bill_id").to_pylist())
