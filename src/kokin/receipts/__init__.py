"""Receipt files (収納データ)."""

from kokin.receipts import layouts
from kokin.receipts._check import Report, check
from kokin.receipts._decode import LayoutRecord
from kokin.receipts._file import FileRefused, ReceiptFile, open, read  # noqa: A004
from kokin.receipts._issue_log import IssueLog
from kokin.receipts._rewrite import rewrite
from kokin.receipts._synthesize import synthesize
from kokin.receipts._totals import Declared, Totals
from kokin.receipts._write import write

__all__ = [
    "Declared",
    "FileRefused",
    "IssueLog",
    "LayoutRecord",
    "ReceiptFile",
    "Report",
    "Totals",
    "check",
    "layouts",
    "open",
    "read",
    "rewrite",
    "synthesize",
    "write",
]
