"""The ledger (収納台帳): an append-only journal of bills, receipts and their postings.

In SQLite or PostgreSQL. Posting is idempotent: a file is posted as a whole or not at all, and a file that is already
posted is skipped. Files posted day by day give the same outcomes and balances as all of them together, because earlier
receipts that a new one affects are matched again.

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

Wednesday's file has a payment that was made earlier than Tuesday's. It is now the first payment, and Tuesday's becomes
the duplicate:

>>> ledger.post(file(day=2), source="wednesday.csv", actor="batch").rematched
1
>>> for row in ledger.history("B1").postings.to_pylist():
...     print(row["id"], row["source"], row["posting_reason"], row["outcome"], row["applied"], row["reverses_id"])
1 tuesday.csv posted MATCHED 10000 None
2 tuesday.csv rematched MATCHED -10000 1
3 tuesday.csv rematched DUPLICATE_PAYMENT 0 None
4 wednesday.csv posted MATCHED 10000 None
>>> _ = ledger.reverse_entry(tuesday.entry.id, reason="another authority's file", actor="chief")
>>> ledger.balances().to_pylist()
[{'bill_id': 'B1', 'payee_code': '99999', 'amount': 10000, 'paid': 10000, 'residual': 0, 'status': 'settled'}]

Bank deposits and agent reports are added likewise; with them the accounts are built:

>>> money = pa.table({"credited_on": [date(2026, 5, 12)], "amount": [10_000]})
>>> ledger.add_deposits(money, source="bank.txt", actor="clerk").entry.kind
<EntryKind.BANK_DEPOSITS: 'bank_deposits'>
>>> from kokin.reconcile import reconcile, build_accounts
>>> bills, records = ledger.bills(), {"deposits": ledger.bank_deposits(), "files": ledger.totals()}
>>> accounts = build_accounts(reconcile(bills, ledger.receipts()), **records)
>>> [control.name for control in accounts.controls if control.holds]
['T1', 'T3', 'T4', 'T5', 'T6']
>>> ledger.verify(rematch=True).is_clean
True
>>> ledger.close(); folder.cleanup()
"""

from kokin.ledger._active_entries import active_entries
from kokin.ledger._books import LedgerAccounts
from kokin.ledger._candidates import CandidateReason
from kokin.ledger._changes import CHANGE_COLUMNS, BillChanges, ChangeBatches, ChangeCause
from kokin.ledger._closed_books import BookedTotals
from kokin.ledger._database import LedgerError, LedgerExistsError, shown_url
from kokin.ledger._debit_records import DEBIT_COLUMNS, DebitState
from kokin.ledger._debits import DebitAccount, DebitRequest, DebitResults
from kokin.ledger._decisions import ExceptionDecision
from kokin.ledger._exception_states import ExceptionState
from kokin.ledger._journal import BookTotals, Effect, Entry, EntryResult, Overlap
from kokin.ledger._ledger import Ledger
from kokin.ledger._migrations import database_url
from kokin.ledger._numbers import AllotResult
from kokin.ledger._openings import OpeningBills, OpeningItem, OpeningTotal, OpeningTotals
from kokin.ledger._queries import BillHistory, LedgerStatus
from kokin.ledger._queue import AuthoritySettings, QueueSettings, WorkQueue
from kokin.ledger._queue_post import AuthorityFileResult, AuthorityFileState, PostingResult, post_receipts
from kokin.ledger._refund_decisions import PROPOSAL_COLUMNS, RefundDecision
from kokin.ledger._refund_exceptions import RefundTask
from kokin.ledger._refund_orders import RefundAccount, RefundOrder, RefundResult
from kokin.ledger._schema import ClosingPeriod, EntryKind, PostingReason, role_grants
from kokin.ledger._settlement import Settlement
from kokin.ledger._trace import Trace
from kokin.ledger._upload_answers import UploadAnswers
from kokin.ledger._upload_files import UploadFile
from kokin.ledger._upload_status import SlipState, UploadStatus
from kokin.ledger._uploads import UploadRun
from kokin.ledger._verify import Verification
from kokin.ledger._write_offs import LIMITATION_COLUMNS, WriteOffDecision

__all__ = [
    "CHANGE_COLUMNS",
    "DEBIT_COLUMNS",
    "LIMITATION_COLUMNS",
    "PROPOSAL_COLUMNS",
    "AllotResult",
    "AuthorityFileResult",
    "AuthorityFileState",
    "AuthoritySettings",
    "BillChanges",
    "BillHistory",
    "BookTotals",
    "BookedTotals",
    "CandidateReason",
    "ChangeBatches",
    "ChangeCause",
    "ClosingPeriod",
    "DebitAccount",
    "DebitRequest",
    "DebitResults",
    "DebitState",
    "Effect",
    "Entry",
    "EntryKind",
    "EntryResult",
    "ExceptionDecision",
    "ExceptionState",
    "Ledger",
    "LedgerAccounts",
    "LedgerError",
    "LedgerExistsError",
    "LedgerStatus",
    "OpeningBills",
    "OpeningItem",
    "OpeningTotal",
    "OpeningTotals",
    "Overlap",
    "PostingReason",
    "PostingResult",
    "QueueSettings",
    "RefundAccount",
    "RefundDecision",
    "RefundOrder",
    "RefundResult",
    "RefundTask",
    "Settlement",
    "SlipState",
    "Trace",
    "UploadAnswers",
    "UploadFile",
    "UploadRun",
    "UploadStatus",
    "Verification",
    "WorkQueue",
    "WriteOffDecision",
    "active_entries",
    "database_url",
    "post_receipts",
    "role_grants",
    "shown_url",
]
