"""Reports for people: CSV, Excel workbooks, JSON and one self-contained HTML page.

A :class:`Report` has the eleven outputs of a batch, and others, as plain Arrow tables (:data:`TABLES`). It is built
from a run or from a ledger, and written as a folder of files, which is complete or, if anything fails, unchanged.

>>> import pyarrow as pa, tempfile, pathlib
>>> from datetime import date
>>> from kokin.reconcile import reconcile, build_accounts
>>> slip = {"payee_code": "99999", "item_code": "127", "confirmation": "123456", "charge": "light-vehicle-tax"}
>>> bills = pa.Table.from_pylist([
...     {"bill_id": f"B{n}", "case_key": str(n), "amount": 10_000, "due_on": date(2026, 6, 1), **slip}
...     for n in (1, 2, 3)])
>>> del slip["charge"]
>>> receipts = pa.Table.from_pylist([
...     {"source": "a.csv", "record_no": n, "case_key": key, "amount": yen, "paid_on": date(2026, 5, n), **slip}
...     for n, key, yen in ((1, "1", 10_000), (2, "1", 10_000), (3, "2", 9_500))])
>>> result = reconcile(bills, receipts)
>>> report = Report.from_run(result, build_accounts(result, as_of=date(2026, 6, 15)))
>>> report.tables["receivables"].select(["charge", "billed", "received", "unpaid", "rate"]).to_pylist()
[{'charge': 'light-vehicle-tax', 'billed': 30000, 'received': 29500, 'unpaid': 10500, 'rate': Decimal('65.00')}]
>>> report.tables["arrears"].select(["bill_id", "due_on", "days", "unpaid"]).to_pylist()[1]
{'bill_id': 'B3', 'due_on': datetime.date(2026, 6, 1), 'days': 14, 'unpaid': 10000}
>>> folder = pathlib.Path(tempfile.mkdtemp())
>>> report.write(folder / "out", formats=["csv", "html"], encoding="cp932", headings="words")
[]
>>> (folder / "out" / "pending.csv").read_text(encoding="cp932")[:8]
'区分,ファイル,'
"""

from kokin.reports._account_entries import AccountFile, account_entries
from kokin.reports._changes import CHANGE_TABLES, Changes, Since, default_since
from kokin.reports._comparison import (
    Cause,
    Change,
    ComparedFile,
    Comparison,
    ComparisonMap,
    ComparisonResult,
    compare,
)
from kokin.reports._comparison_page import write_comparison
from kokin.reports._csv import CsvEncoding, write_csv
from kokin.reports._overview_page import write_overview
from kokin.reports._report import INTAKE_TABLE, RUN_TABLES, TABLES, Format, Report
from kokin.reports._rows import write_rows
from kokin.reports._settlement import settlement_by_account
from kokin.reports._sources import FileSummary
from kokin.reports._terms import Language, exception_name
from kokin.reports._work_list import DecisionFile, read_decisions, work_list_table, write_work_list

__all__ = [
    "CHANGE_TABLES",
    "INTAKE_TABLE",
    "RUN_TABLES",
    "TABLES",
    "AccountFile",
    "Cause",
    "Change",
    "Changes",
    "ComparedFile",
    "Comparison",
    "ComparisonMap",
    "ComparisonResult",
    "CsvEncoding",
    "DecisionFile",
    "FileSummary",
    "Format",
    "Language",
    "Report",
    "Since",
    "account_entries",
    "compare",
    "default_since",
    "exception_name",
    "read_decisions",
    "settlement_by_account",
    "work_list_table",
    "write_comparison",
    "write_csv",
    "write_overview",
    "write_rows",
    "write_work_list",
]
