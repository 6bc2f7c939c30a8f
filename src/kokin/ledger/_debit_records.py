"""Direct debits (口座振替): what a bank was asked for, the last result of each, and which entries can be reversed.

The records are those of active requests, in their order; of the results of a debit the last active one applies. A bill
is asked for again (再振替) only after its last debit has failed.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from kokin._arrow.convert import combine, to_numpy
from kokin.issues import InvalidInputError, Issue
from kokin.ledger._database import Transaction
from kokin.ledger._journal import rows_of_entry
from kokin.ledger._schema import EntryKind, debit_records, debit_results
from kokin.ledger._upload_records import active_rows
from kokin.reconcile import Policy

#: 振替済: the code of a debit that the bank has carried out.
DEBITED = "0"

#: The columns of :meth:`kokin.ledger.Ledger.debits`.
DEBIT_COLUMNS = pa.schema(
    [
        *((name, pa.int64()) for name in ("entry_id", "record_no")),
        *((name, pa.string()) for name in ("bill_id", "customer_number")),
        ("amount", pa.int64()),
        ("debit_on", pa.date32()),
        ("attempt", pa.int64()),
        *((name, pa.string()) for name in ("state", "result")),
        ("result_entry", pa.int64()),
        ("is_retryable", pa.bool_()),
    ]
)


class DebitState(StrEnum):
    """The state of a direct debit."""

    #: 依頼中: there is no result.
    REQUESTED = "requested"
    #: 振替済: the account was debited.
    DEBITED = "debited"
    #: 振替不能: the account was not debited; the code of the result says why.
    FAILED = "failed"


def debit_rows(transaction: Transaction, last: int | None = None) -> pa.Table:
    """Return the active debits as of an entry, by id: the stored columns, ``result`` and ``result_entry``."""
    records = active_rows(transaction, debit_records, last)
    results = active_rows(transaction, debit_results, last)
    # Of several results the last one: the first in the opposite order.
    newest = results.sort_by([("id", "descending")])
    rows = pc.index_in(records.column("id"), value_set=combine(newest.column("debit_record_id")))
    records = records.append_column("result", newest.column("result").take(rows))
    return records.append_column("result_entry", newest.column("entry_id").take(rows))


def last_debits(debits: pa.Table) -> pa.Table:
    """Return the last debit of each bill, from :func:`debit_rows`."""
    newest = debits.sort_by([("id", "descending")])
    first = pc.index_in(pc.unique(newest.column("bill_id")), value_set=combine(newest.column("bill_id")))
    return newest.take(first)


def debit_table(transaction: Transaction, policy: Policy, last: int | None = None) -> pa.Table:
    """Return the active debits as of an entry, with :data:`DEBIT_COLUMNS`; see :meth:`kokin.ledger.Ledger.debits`."""
    debits = debit_rows(transaction, last)
    result = combine(debits.column("result"))
    is_last = pc.is_in(debits.column("id"), value_set=combine(last_debits(debits).column("id")))
    columns = {name: debits.column(name) for name in DEBIT_COLUMNS.names if name in debits.column_names}
    columns["debit_on"] = debits.column("debit_on").cast(pa.date32())
    is_failed = pc.fill_null(pc.not_equal(result, DEBITED), False)
    state = pc.if_else(is_failed, DebitState.FAILED.value, DebitState.DEBITED.value)
    columns["state"] = pc.if_else(result.is_valid(), state, DebitState.REQUESTED.value)
    columns["is_retryable"] = pc.and_(pc.and_(is_last, is_retryable(debits, policy)), is_failed)
    return pa.table(columns).select(DEBIT_COLUMNS.names).cast(DEBIT_COLUMNS)


def is_retryable(debits: pa.Table, policy: Policy) -> pa.Array:
    """Return whether the policy allows another attempt after each debit: bool (n,); false without a result."""
    codes = pa.array(policy.debit_retry, pa.string())
    is_allowed = pc.is_in(combine(debits.column("result")), value_set=codes, skip_nulls=True)
    return pc.and_(is_allowed, pc.less(combine(debits.column("attempt")), policy.debit_attempts))


def require_debit_reversible(transaction: Transaction, root: int, kind: EntryKind, reversed_ids: set[int]) -> None:
    """Raise if a request or a result cannot be reversed or restored, because of other entries about its debits.

    A request whose file was never sent can be reversed until a result is added; a result until a bill of it is asked
    for again.

    Args:
        transaction: the transaction.
        root: the request or result at the start of the chain of reversals.
        kind: its kind.
        reversed_ids: the entries that will not be active.

    Raises:
        InvalidInputError: DEBIT_FOLLOWED, with the other entry, or ENTRY_REVERSED, with the request of a result.
    """
    if kind not in (EntryKind.DEBIT_REQUEST, EntryKind.DEBIT_RESULT):
        return
    ids = rows_of_entry(transaction, "debit_records", root)
    if kind is EntryKind.DEBIT_RESULT:
        results = rows_of_entry(transaction, "debit_results", root)
        answered = transaction.rows("debit_results", results, ("debit_record_id",)).column("debit_record_id")
        ids = np.unique(to_numpy(answered, 0))
    own = transaction.rows("debit_records", ids, ("entry_id", "bill_id"))
    statement = select(debit_records.c.id, debit_records.c.entry_id)
    bill_ids = pc.unique(own.column("bill_id")).to_pylist()
    of_bills = transaction.fetch(statement, debit_records.c.bill_id, bill_ids)
    others = {row["entry_id"] for row in of_bills.to_pylist() if row["entry_id"] > root}
    if kind is EntryKind.DEBIT_REQUEST:
        statement = select(debit_results.c.entry_id)
        others |= set(transaction.fetch(statement, debit_results.c.debit_record_id, ids).column(0).to_pylist())
    elif root not in reversed_ids and (inactive := sorted({*own.column("entry_id").to_pylist()} & reversed_ids)):
        raise _not_reversible("ENTRY_REVERSED", inactive[0])
    if active := sorted(others - reversed_ids):
        raise _not_reversible("DEBIT_FOLLOWED", active[-1])


def _not_reversible(code: str, entry: int) -> InvalidInputError:
    return InvalidInputError([Issue(code, field="entry", found=str(entry))], "nothing was reversed")
