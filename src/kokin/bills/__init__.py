"""Tables of bills (調定) from CSV, Parquet or any Arrow table, checked, in the columns of :class:`~kokin.model.Bill`.

A file in columns of its own is read by a layout, as receipts are: :func:`read` with ``layout``; :func:`new_layout`
writes one from the header of a sample.

>>> import pyarrow as pa
>>> table = pa.table({
...     "bill_id": ["B1", "B2"], "payee_code": ["99999", "99999"], "item_code": ["127", "127"],
...     "case_key": ["1", "2"], "confirmation": ["123456", "12345X"], "amount": ["12300", "4000"],
...     "due_on": ["2026-06-01", "2026-06-01"],
... })
>>> for issue in check(table):
...     print(issue)
record 2, confirmation: NOT_DIGITS: only the digits 0-9 are allowed; expected 6 digits, found 12345*
>>> result = read(table, on_error="skip")
>>> result.table["bill_id"].to_pylist(), result.table["amount"].to_pylist(), result.totals.as_dict()
(['B1'], [12300], {'read': 2, 'accepted': 1, 'rejected': 1})
"""

from kokin.bills._check import BillBatch, check_batch
from kokin.bills._debts import check_debts, debt_batches
from kokin.bills._files import BillTotals, batches, check, read, write
from kokin.bills._new_layout import new_layout
from kokin.bills._rows import read_columns
from kokin.bills._shared_obligations import SharedObligations, not_shared

__all__ = [
    "BillBatch",
    "BillTotals",
    "SharedObligations",
    "batches",
    "check",
    "check_batch",
    "check_debts",
    "debt_batches",
    "new_layout",
    "not_shared",
    "read",
    "read_columns",
    "write",
]
