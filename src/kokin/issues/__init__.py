"""What is wrong with a piece of data, where, and what to do about it.

A data problem is *returned* as an :class:`Issue`; misuse and refused input are *raised* as a :class:`KokinError`.
Codes are stable and carry a Japanese and an English text (``codes.toml``).

>>> issue = Issue("NOT_DIGITS", field="case_key", expected="20 digits", found="12A4", location=Location(record=7))
>>> print(issue)
record 7, case_key: NOT_DIGITS: only digits 0-9 may stand here; expected 20 digits, found 12A4
>>> print(issue.describe("ja"))
レコード 7, case_key: NOT_DIGITS: 数字 0-9 だけを使えます (期待値 20 digits, 実際 12A4)
"""

from kokin.issues._errors import InvalidInputError, KokinError, RejectedRecordsError
from kokin.issues._issue import ISSUE_CODES, Issue, IssueCode, Location, Severity
from kokin.issues._printable import printable
from kokin.issues._result import ReadResult
from kokin.issues._table import ISSUE_COLUMNS, from_table, to_table

__all__ = [
    "ISSUE_CODES",
    "ISSUE_COLUMNS",
    "InvalidInputError",
    "Issue",
    "IssueCode",
    "KokinError",
    "Location",
    "ReadResult",
    "RejectedRecordsError",
    "Severity",
    "from_table",
    "printable",
    "to_table",
]
