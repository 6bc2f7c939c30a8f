"""Read, check and write receipt files (収納データ): the payments that banks, stores and collection agents report.

A file is read by a named layout; its format is never guessed. This example generates a file of a convenience store and
reads it:

>>> import io
>>> content = io.BytesIO()
>>> generate_sample(content, "dsk-csv", 3, seed=3)
3
>>> file = open(content, "dsk-csv")
>>> [(receipt.kind.value, receipt.paid_on.isoformat(), receipt.amount) for receipt in file]
[('final', '2026-04-05', 283726), ('correction', '2026-04-12', 288265), ('correction', '2026-04-30', 249846)]
>>> file.totals.read, file.totals.accepted, file.totals.rejected
(3, 3, 0)

:func:`read` returns all receipts as an Arrow table, and raises if a record was rejected:

>>> result = read(content, "dsk-csv")
>>> result.table.column("amount").to_pylist(), len(result.issues), result.totals.accepted_yen
([283726, 288265, 249846], 0, 821837)

:func:`check` returns totals and issues instead of raising. A truncated file is rejected as a whole:

>>> result = check(io.BytesIO(content.getvalue()[:-3]), "dsk-csv")
>>> [(issue.code, issue.location.record) for issue in result.fatal_issues]
[('RECORD_TRUNCATED', 3)]

:func:`write` writes files of any layout but XML, :func:`edit` copies a file with changed fields, and
:mod:`kokin.receipts.layouts` contains the layouts.
"""

from kokin.receipts import layouts
from kokin.receipts._file import LayoutFile, ReceiptFile, open, read  # noqa: A004
from kokin.receipts._framing import FileFraming
from kokin.receipts._issue_log import IssueLog
from kokin.receipts._mapped_file import MappedChunk, MappedFile, open_mapped
from kokin.receipts._part import FilePart
from kokin.receipts._record import RawRecord
from kokin.receipts._report import CheckResult, check
from kokin.receipts._sample import generate_sample
from kokin.receipts._session import FileRejectedError
from kokin.receipts._totals import ControlRecord, DeclaredTotal, Totals
from kokin.receipts._writer import edit, write

__all__ = [
    "CheckResult",
    "ControlRecord",
    "DeclaredTotal",
    "FileFraming",
    "FilePart",
    "FileRejectedError",
    "IssueLog",
    "LayoutFile",
    "MappedChunk",
    "MappedFile",
    "RawRecord",
    "ReceiptFile",
    "Totals",
    "check",
    "edit",
    "generate_sample",
    "layouts",
    "open",
    "open_mapped",
    "read",
    "write",
]
