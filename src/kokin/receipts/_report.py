"""Check a receipt file (検査): totals and issues as a result, in JSON and in SARIF, and duplicate records of a file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from kokin.issues import Issue, Location, Severity
from kokin.receipts._duplicates import RecordHashes
from kokin.receipts._file import ReceiptFile, open  # noqa: A004
from kokin.receipts._issue_log import IssueLog
from kokin.receipts._session import FileRejectedError
from kokin.receipts._totals import Totals
from kokin.receipts.layouts import Layout

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_COUNTS = ("records", "read", "accepted", "unpaid", "rejected", "accepted_yen", "unpaid_yen", "rejected_yen")


@dataclass(frozen=True)
class CheckResult:
    """Result of a check: the file, its totals and its issues. Except for ``receipts``, it contains no personal data.

    ``issues`` is the list that ``check`` returns in every package. A file also has totals, and a file of a million
    invalid records has more issues than can be listed: ``issues`` keeps the first ones and counts all of them.
    """

    source: str
    """Name of the file."""
    layout: str
    """Name of the layout."""
    digest: str
    """SHA-256 of the file."""
    framing: str
    """Length and newline of the records, such as ``120 bytes and CRLF``."""
    totals: Totals
    issues: IssueLog
    """All issues, those of ``fatal_issues`` included."""
    fatal_issues: IssueLog
    """Issues that make the whole file unusable; empty for a file that is not rejected."""
    receipts: pa.Table | None = field(default=None, repr=False, compare=False)
    """The accepted receipts, if ``check`` was asked to keep them; ``None`` for a rejected file."""

    @property
    def is_rejected(self) -> bool:
        """Whether the whole file is rejected."""
        return bool(self.fatal_issues)

    @property
    def exit_code(self) -> int:
        """Exit code of a command: 0 clean, 1 issues or rejected records, 3 file rejected."""
        if self.is_rejected:
            return 3
        return 1 if self.totals.rejected or self.issues.total else 0

    def as_dict(self, language: str = "en") -> dict[str, Any]:
        """Return the result as plain values, for JSON. The texts are Japanese for ``"ja"``, else English."""
        return {
            "source": self.source,
            "layout": self.layout,
            "digest": self.digest,
            "framing": self.framing,
            "is_rejected": self.is_rejected,
            "counts": {name: getattr(self.totals, name) for name in _COUNTS},
            "declared": [
                {"field": total.field, "declared": total.declared, "counted": total.counted, "agrees": total.agrees}
                for total in self.totals.declared
            ],
            "issue_counts": dict(sorted(self.issues.counts.items())),
            "issues": [_issue_as_dict(issue, language) for issue in self.issues],
            "issues_not_shown": self.issues.dropped,
        }

    def as_sarif(self, language: str = "en") -> dict[str, Any]:
        """Return the issues as a SARIF 2.1.0 log, which editors and CI systems show at the location in the file."""
        from kokin import __version__

        codes = sorted(self.issues.counts)
        rules = [{"id": code, "shortDescription": {"text": Issue(code).message(_language(language))}} for code in codes]
        driver = {"name": "kokin", "version": __version__, "rules": rules}
        results = [_issue_as_sarif(issue, self.source, language) for issue in self.issues]
        return {
            "$schema": _SARIF_SCHEMA,
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "results": results}],
        }


def _language(language: str) -> Any:
    return "ja" if language == "ja" else "en"


def _issue_as_dict(issue: Issue, language: str) -> dict[str, Any]:
    return {
        "code": issue.code,
        "severity": issue.severity.value,
        "record": issue.location.record,
        "byte": issue.location.byte,
        **issue.message_params,
        "message": issue.message(_language(language)),
    }


def _issue_as_sarif(issue: Issue, source: str, language: str) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": source}}
    if issue.location.byte is not None:
        location["region"] = {"byteOffset": issue.location.byte}
    return {
        "ruleId": issue.code,
        "level": "error" if issue.severity is Severity.ERROR else "warning",
        "message": {"text": issue.describe(_language(language))},
        "locations": [{"physicalLocation": location}],
    }


def check(
    path: str | Path | BinaryIO,
    layout: str | Path | Layout,
    *,
    lenient: bool = False,
    reference_date: date | None = None,
    max_issues: int = 10_000,
    keep_receipts: bool = False,
) -> CheckResult:
    """Read a whole file and return its totals and issues. A rejected file is reported in the result, not raised.

    In addition to the issues of a reader, duplicate detail records within the file are reported: the file is read once,
    and those of its parts that may have duplicates a second time. Memory is constant but for 8 bytes per record.
    With ``keep_receipts`` the result has the accepted receipts, too, which take memory. The other arguments and the
    errors are those of :func:`kokin.receipts.open`.
    """
    file = open(path, layout, lenient=lenient, reference_date=reference_date, max_issues=max_issues)
    hashes = RecordHashes(file.framing)
    file.on_piece = hashes.add
    table = None
    with suppress(FileRejectedError):  # reported in file.fatal_issues
        if keep_receipts and file.layout.receipt:
            table = file.table(on_error="skip")
        else:
            file.validate()
    if file.totals.complete:
        _add_duplicates(file, hashes)
    return CheckResult(
        source=file.source,
        layout=file.layout.name,
        digest=file.digest,
        framing="XML" if file.layout.xml else file.framing.describe(),
        totals=file.totals,
        issues=file.issues,
        fatal_issues=file.fatal_issues,
        receipts=None if file.fatal_issues else table,
    )


def _add_duplicates(file: ReceiptFile, hashes: RecordHashes) -> None:
    """Add a warning for each detail record that equals an earlier one byte for byte.

    XML files have no records of bytes.
    """
    decoder, log = file.decoder(), file.issues
    try:
        with file.opened() as stream:
            for frame, earlier in hashes.duplicates(stream):
                kind = file.layout.records.get(decoder.kind_of(frame))
                if kind is None or kind.role != "data":
                    continue
                if log.is_full:
                    log.add_counts({"RECORD_REPEATED": 1})
                    continue
                location = Location(file.source, frame.record_no, frame.byte_offset)
                log.add([Issue("RECORD_REPEATED", found=f"record {earlier}", location=location)])
    except ValueError:  # since the reading
        file.reject_changed()
