"""What came between two entries of a ledger: the records of each receipt file by their kind."""

from __future__ import annotations

import pyarrow as pa
from sqlalchemy import func, select

from kokin.ledger._database import Transaction
from kokin.ledger._schema import TABLES

_RECEIPTS = TABLES["receipts"]


def records_by_kind(transaction: Transaction, after: int, last: int) -> pa.Table:
    """Return ``entry_id, kind, records, amount`` of the receipts of some entries; see Ledger.records_by_kind."""
    keys = (_RECEIPTS.c.entry_id, _RECEIPTS.c.kind)
    statement = select(*keys, func.count().label("records"), func.sum(_RECEIPTS.c.amount).label("amount"))
    statement = statement.where(_RECEIPTS.c.entry_id > after, _RECEIPTS.c.entry_id <= last)
    rows = transaction.connection.execute(statement.group_by(*keys).order_by(*keys)).all()
    schema = pa.schema(
        [("entry_id", pa.int64()), ("kind", pa.string()), ("records", pa.int64()), ("amount", pa.int64())]
    )
    return pa.Table.from_pylist(
        [dict(zip(schema.names, (entry, kind, int(count), int(yen)), strict=True)) for entry, kind, count, yen in rows],
        schema,
    )
