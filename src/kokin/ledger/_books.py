"""The books of a ledger: the reconciliation of everything in it, and its accounts, tied to the ids of its rows."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import Int64Array, combine, to_numpy
from kokin.catalog import Catalog
from kokin.ledger import _queries
from kokin.ledger._database import Transaction
from kokin.ledger._refund_steps import refund_table
from kokin.ledger._schema import EntryKind
from kokin.ledger._write_offs_in_force import with_write_offs
from kokin.reconcile import Accounts, Reconciliation, build_accounts, reconcile
from kokin.rules import RATES, RateTable


class LedgerAccounts(NamedTuple):
    """The reconciliation of everything in a ledger, and its accounts."""

    result: Reconciliation
    accounts: Accounts

    @classmethod
    def build(
        cls,
        transaction: Transaction,
        as_of: date | datetime | int | None,
        day: date,
        catalog: Catalog,
        *,
        receipts: pa.Table | None = None,
        bills: pa.Table | None = None,
        rates: RateTable = RATES,
    ) -> LedgerAccounts:
        """Reconcile everything in a ledger, and build the accounts of a day with everything that was decided.

        Args:
            transaction: the transaction.
            as_of: a time, the end of a day in Japan, or an entry; None reads all entries.
            day: the day of the accounts.
            catalog: the charges of the authority.
            receipts: the active receipts; by default those of the ledger, with the names of their files.
            bills: the bills in force; by default those of the ledger.
            rates: the rates of 延滞金 and 還付加算金.
        """
        last = _queries.entry_as_of(transaction, as_of)
        rows = _queries.receipts(transaction, as_of) if receipts is None else receipts
        policy, decisions = _queries.policy(transaction, as_of), _queries.decisions(transaction, as_of)
        slips = _queries.bills(transaction, as_of) if bills is None else bills
        result = reconcile(slips, rows, policy, decisions=decisions, check_paid_before=False)
        result = with_write_offs(transaction, result, last)
        accounts = build_accounts(
            result,
            catalog=catalog,
            deposits=_recorded(transaction, EntryKind.BANK_DEPOSITS, last),
            agent_reports=_recorded(transaction, EntryKind.AGENT_REPORTS, last),
            refunds=refund_table(transaction, last),
            as_of=day,
            rates=rates,
        )
        return cls(result, accounts)


def _recorded(transaction: Transaction, kind: EntryKind, last: int | None) -> pa.Table | None:
    """Return the deposits or agent reports of the ledger; None if it has none: nothing is compared."""
    recorded = _queries.settlement_rows(transaction, kind, last).table
    return recorded if len(recorded) else None


class Books(NamedTuple):
    """The accounts of a ledger, tied to the ids of its rows."""

    #: The active receipts by ``id``; ``source`` is the padded id of their entry.
    receipts: pa.Table
    #: By ``bill_id``.
    bills: pa.Table
    result: Reconciliation
    accounts: Accounts
    #: int64 (k,): the ids of the agent reports.
    agent_report_ids: Int64Array

    @classmethod
    def build(
        cls,
        transaction: Transaction,
        as_of: date | datetime | int | None,
        day: date,
        catalog: Catalog,
        bills: pa.Table | None = None,
    ) -> Books:
        """Reconcile everything in a ledger, and build the accounts of a day.

        Args:
            transaction: the transaction.
            as_of: a time, the end of a day in Japan, or an entry; None reads all entries.
            day: the day of the accounts.
            catalog: the charges of the authority.
            bills: the bills in force; by default those of the ledger.
        """
        last = _queries.entry_as_of(transaction, as_of)
        receipts = _queries.receipts_by_entry(transaction, last)
        bills = _queries.bills(transaction, as_of) if bills is None else bills
        rows = receipts.drop_columns("id")
        result, accounts = LedgerAccounts.build(transaction, as_of, day, catalog, receipts=rows, bills=bills)
        reports = _queries.settlement_rows(transaction, EntryKind.AGENT_REPORTS, last)
        return cls(receipts, bills, result, accounts, reports.ids)

    def receipt_rows(self, table: pa.Table) -> Int64Array:
        """Return the row in :attr:`receipts` of each ``source, record_no``: int64 (k,); -1 if it is not of a receipt.

        Receipts are in the order of their entries and record numbers, so both are combined into one sorted key.
        """
        entry, record = entry_ids(self.receipts), to_numpy(self.receipts.column("record_no"), 0)
        if not len(entry):
            return np.full(len(table), -1)
        wanted_entry, wanted_record = entry_ids(table), to_numpy(table.column("record_no"), 0)
        files, file = np.unique(entry, return_inverse=True)
        base = int(record.max()) + 1
        key = file * base + record
        wanted_file = np.minimum(np.searchsorted(files, wanted_entry), len(files) - 1)
        row = np.minimum(np.searchsorted(key, wanted_file * base + wanted_record), len(key) - 1)
        is_found = (entry[row] == wanted_entry) & (record[row] == wanted_record)
        return np.where(is_found, row, -1)


def entry_ids(table: pa.Table) -> Int64Array:
    """Return the entries that the column ``source`` of a table of :class:`Books` names; 0 for none: int64 (k,)."""
    source = pc.fill_null(combine(table.column("source")).cast(pa.string()), "")
    ids: Int64Array = to_numpy(pc.if_else(pc.equal(source, ""), "0", source).cast(pa.int64()), 0)
    return ids
