"""Reconciliation (消込): match receipts with bills, allocate every yen, and build the accounts.

>>> import pyarrow as pa
>>> from datetime import date
>>> slip = {"payee_code": "99999", "item_code": "127", "confirmation": "123456"}
>>> bills = pa.Table.from_pylist([
...     {"bill_id": f"B{n}", "case_key": str(n), "amount": 10_000, "due_on": date(2026, 6, 1), **slip}
...     for n in (1, 2, 3)])
>>> receipts = pa.Table.from_pylist([
...     {"source": "a.csv", "record_no": n, "case_key": key, "amount": yen, "paid_on": date(2026, 5, n), **slip}
...     for n, key, yen in ((1, "1", 10_000), (2, "1", 10_000), (3, "2", 9_500))])
>>> result = reconcile(bills, receipts)
>>> result.outcomes.select(["outcome", "disposition", "bill_id", "excess", "balance_before"]).to_pylist()[1]
{'outcome': 'DUPLICATE_PAYMENT', 'disposition': 'excess', 'bill_id': 'B1', 'excess': 10000, 'balance_before': 0}
>>> result.balances.select(["bill_id", "residual", "status"]).to_pylist()[1:]
[{'bill_id': 'B2', 'residual': 500, 'status': 'partial'}, {'bill_id': 'B3', 'residual': 10000, 'status': 'expected'}]
>>> result.summary.dispositions
{'applied': 19500, 'excess': 10000, 'suspense': 0, 'provisional': 0, 'no_effect': 0}

The accounts add law, policy and the bank:

>>> accounts = build_accounts(result, as_of=date(2026, 6, 1))
>>> accounts.overpayments.select(["bill_id", "kind", "excess", "interest"]).to_pylist()
[{'bill_id': 'B1', 'kind': 'double', 'excess': 10000, 'interest': 0}]
>>> accounts.receivables.select(["billed", "received", "overpaid", "unpaid"]).to_pylist()
[{'billed': 30000, 'received': 29500, 'overpaid': 10000, 'unpaid': 10500}]
"""

from kokin.reconcile._accounts import Accounts, AccountsSummary, build_accounts
from kokin.reconcile._aging import AGING_BUCKETS, AgingKind
from kokin.reconcile._bank import AgentReport, BankDeposit, bank_deposits
from kokin.reconcile._controls import Control
from kokin.reconcile._figures import CLOSING_COLUMNS, FIGURE_COLUMNS, FIGURE_KEYS, FIGURE_SUMS, LATE_COLUMNS
from kokin.reconcile._matches import overlaps
from kokin.reconcile._policy import Policy
from kokin.reconcile._reconciliation import OutcomeTotal, PayeeTotals, Reconciliation, Summary, reconcile
from kokin.reconcile._refunds import MANDATORY_ARTICLE, RefundParts, refund_control
from kokin.reconcile._setoff import OverpaymentKind
from kokin.reconcile._settlement import SETTLEMENT_KEYS
from kokin.reconcile._tables import BalanceStatus
from kokin.reconcile._write_offs import WriteOff

__all__ = [
    "AGING_BUCKETS",
    "CLOSING_COLUMNS",
    "FIGURE_COLUMNS",
    "FIGURE_KEYS",
    "FIGURE_SUMS",
    "LATE_COLUMNS",
    "MANDATORY_ARTICLE",
    "SETTLEMENT_KEYS",
    "Accounts",
    "AccountsSummary",
    "AgentReport",
    "AgingKind",
    "BalanceStatus",
    "BankDeposit",
    "Control",
    "OutcomeTotal",
    "OverpaymentKind",
    "PayeeTotals",
    "Policy",
    "Reconciliation",
    "RefundParts",
    "Summary",
    "WriteOff",
    "bank_deposits",
    "build_accounts",
    "overlaps",
    "reconcile",
    "refund_control",
]
