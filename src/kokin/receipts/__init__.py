"""Receipt files (収納データ): what banks, stores and operators say has been paid, exact to the byte.

A file is read by a named layout. Here a store's file is invented, and read:

>>> import io
>>> content = io.BytesIO()
>>> generate_sample(content, "dsk-csv", 3, seed=3)
3
>>> file = open(content, "dsk-csv")
>>> [(receipt.kind.value, receipt.paid_on.isoformat(), receipt.amount) for receipt in file]
[('final', '2026-04-05', 283726), ('correction', '2026-04-12', 288265), ('correction', '2026-04-30', 249846)]
>>> file.totals.read, file.totals.accepted, file.totals.rejected
(3, 3, 0)

Batches are for machines, and :func:`read` returns all of a file, or raises if a record was rejected:

>>> paid = read(content, "dsk-csv")
>>> paid.table.column("amount").to_pylist(), len(paid.issues), paid.totals.accepted_yen
([283726, 288265, 249846], 0, 821837)

A file that is not whole is refused:

>>> report = check(io.BytesIO(content.getvalue()[:-3]), "dsk-csv")
>>> [(issue.code, issue.location.record) for issue in report.fatal_issues]
[('RECORD_TRUNCATED', 3)]

:func:`check` says the same as a report, :func:`write` makes files of any layout but XML, and
:mod:`kokin.receipts.layouts` holds the layouts.
"""

from kokin.receipts import layouts
from kokin.receipts._check import CheckResult, check
from kokin.receipts._file import FileRejectedError, ReceiptFile, open, read  # noqa: A004
from kokin.receipts._framing import FileFraming
from kokin.receipts._issue_log import IssueLog
from kokin.receipts._record import RawRecord
from kokin.receipts._rewrite import edit
from kokin.receipts._synthesize import generate_sample
from kokin.receipts._totals import DeclaredTotal, Totals
from kokin.receipts._write import write

__all__ = [
    "CheckResult",
    "DeclaredTotal",
    "FileFraming",
    "FileRejectedError",
    "IssueLog",
    "RawRecord",
    "ReceiptFile",
    "Totals",
    "check",
    "edit",
    "generate_sample",
    "layouts",
    "open",
    "read",
    "write",
]
