"""The ledger (収納台帳): what was posted stays posted, once.

An append-only journal in SQLite or PostgreSQL. A file is posted whole or not at all; posted again, it adds nothing.
Files posted day by day stand as if all had come at once, for what a receipt says of an earlier one is settled with it.

>>> import tempfile, pyarrow as pa
>>> from datetime import date
>>> slip = {"payee_code": "99999", "item_code": "127", "confirmation": "123456", "case_key": "1"}
>>> bill = {"bill_id": "B1", "amount": 10_000, "due_on": date(2026, 6, 1), **slip}
>>> def file(day):
...     days = {"paid_on": date(2026, 5, day), "received_on": date(2026, 5, 12)}
...     return pa.Table.from_pylist([{"amount": 10_000, **days, **slip}])
>>> folder = tempfile.TemporaryDirectory()
>>> ledger = Ledger.create(f"sqlite:///{folder.name}/city.db")
>>> _ = ledger.add_bills(pa.Table.from_pylist([bill]), actor="clerk")
>>> tuesday = ledger.post(file(day=9), source="tuesday.csv", actor="batch")
>>> tuesday.outcomes
{'MATCHED': {'count': 1, 'amount': 10000}}
>>> ledger.post(file(day=9), actor="batch").inserted
False

On Wednesday comes a payment that was made before Tuesday's. It is the first now, and Tuesday's is one too many:

>>> ledger.post(file(day=2), source="wednesday.csv", actor="batch").rematched
1
>>> for row in ledger.history("B1").postings.to_pylist():
...     print(row["id"], row["source"], row["rule"], row["outcome"], row["applied"], row["reverses"])
1 tuesday.csv posted MATCHED 10000 None
2 tuesday.csv rematched MATCHED -10000 1
3 tuesday.csv rematched DUPLICATE_PAYMENT 0 None
4 wednesday.csv posted MATCHED 10000 None
>>> _ = ledger.reverse_entry(tuesday.entry.id, reason="the wrong body's file", actor="chief")
>>> ledger.balances().to_pylist()
[{'bill_id': 'B1', 'amount': 10000, 'paid': 10000, 'residual': 0, 'status': 'settled'}]

What the bank and the operators say is written down beside them, and what all of it means for the books follows:

>>> money = pa.table({"credited_on": [date(2026, 5, 12)], "amount": [10_000]})
>>> ledger.add_deposits(money, source="bank.txt", actor="clerk").entry.kind
<EntryKind.BANK_DEPOSITS: 'bank_deposits'>
>>> from kokin.reconcile import reconcile, build_accounts
>>> bills, told = ledger.bills(), {"credits": ledger.bank_deposits(), "files": ledger.totals()}
>>> accounts = build_accounts(reconcile(bills, ledger.receipts()), bills, **told)
>>> [control.name for control in accounts.controls if control.holds]
['T1', 'T3', 'T4', 'T5', 'T6']
>>> ledger.verify(rematch=True).is_clean
True
>>> ledger.close(); folder.cleanup()
"""

from kokin.ledger._databases import shown_url
from kokin.ledger._entry import Entry, EntryKind, EntryResult, Overlap
from kokin.ledger._errors import LedgerError, LedgerExistsError
from kokin.ledger._history import BillHistory
from kokin.ledger._ledger import Ledger
from kokin.ledger._settle import PostingReason
from kokin.ledger._verify import Verification

__all__ = [
    "BillHistory",
    "Entry",
    "EntryKind",
    "EntryResult",
    "Ledger",
    "LedgerError",
    "LedgerExistsError",
    "Overlap",
    "PostingReason",
    "Verification",
    "shown_url",
]
