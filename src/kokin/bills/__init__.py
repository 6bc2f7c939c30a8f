"""Bills (調定) as a batch: from CSV, Parquet or any Arrow table to the columns of :class:`~kokin.model.Bill`.

>>> import pyarrow as pa
>>> found = check(pa.table({
...     "bill_id": ["B1", "B2"], "payee_code": ["99999", "99999"], "item_code": ["127", "127"],
...     "case_key": ["1", "2"], "confirmation": ["123456", "12345X"], "amount": ["12300", "4000"],
...     "due_on": ["2026-06-01", "2026-06-01"],
... }))
>>> found.table["bill_id"].to_pylist(), found.table["amount"].to_pylist()
(['B1'], [12300])
>>> print(found.issues.select(["record", "field", "code"]).to_pylist())
[{'record': 2, 'field': 'confirmation', 'code': 'NOT_DIGITS'}]
"""

from kokin.bills._check import CheckResult, check
from kokin.bills._files import BillTotals, batches, read, write

__all__ = ["BillTotals", "CheckResult", "batches", "check", "read", "write"]
