"""Issues (problems in the data, with location and advice) and the exceptions of Kokin.

A data problem is *returned* as an :class:`Issue`; misuse and rejected input are *raised* as a :class:`KokinError`.
Codes are stable and have an English and a Japanese text (``codes.toml``).

>>> issue = Issue("NOT_DIGITS", field="case_key", expected="20 digits", found="12A4", location=Location(record=7))
>>> print(issue)
record 7, case_key: NOT_DIGITS: only the digits 0-9 are allowed; expected 20 digits, found 12A4
>>> print(issue.describe("ja"))
レコード 7, case_key: NOT_DIGITS: 数字 0-9 だけを使えます (期待値 20桁の数字, 実際 12A4)
"""

from kokin.issues._errors import MAX_ISSUES, InvalidInputError, KokinError, RejectedRecordsError
from kokin.issues._issue import ISSUE_CODES, Issue, IssueCode, Location, Severity, printable
from kokin.issues._phrases import Phrases, expected_ja, found_ja
from kokin.issues._result import ISSUE_COLUMNS, ReadResult, from_table, issue_schema, to_table

__all__ = [
    "ISSUE_CODES",
    "ISSUE_COLUMNS",
    "MAX_ISSUES",
    "InvalidInputError",
    "Issue",
    "IssueCode",
    "KokinError",
    "Location",
    "Phrases",
    "ReadResult",
    "RejectedRecordsError",
    "Severity",
    "expected_ja",
    "found_ja",
    "from_table",
    "issue_schema",
    "printable",
    "to_table",
]
