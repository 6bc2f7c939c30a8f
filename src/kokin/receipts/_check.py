"""Checking a file (検査): the funnel, the totals and every issue, as data that a command or a CI can show."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

from kokin.issues import Issue, Severity
from kokin.receipts._duplicates import duplicates
from kokin.receipts._file import FileRejectedError, open  # noqa: A004
from kokin.receipts._issue_log import IssueLog
from kokin.receipts._totals import Totals
from kokin.receipts.layouts import Layout

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True)
class CheckResult:
    """What a file is, and what is wrong with it. No personal data stand in it."""

    source: str
    """The file's name."""
    layout: str
    digest: str
    """SHA-256 of the file."""
    framing: str
    """How its records are told apart, in words."""
    totals: Totals
    issues: IssueLog
    """Every issue: the first ones in full, all of them by number."""
    fatal_issues: IssueLog
    """Those for which nothing of the file may be used."""

    @property
    def exit_code(self) -> int:
        """What a command ends with: 0 clean, 1 something to look at, 3 refused."""
        if self.fatal_issues:
            return 3
        return 1 if self.totals.rejected or self.issues.total else 0

    def as_dict(self, language: str = "en") -> dict[str, Any]:
        """The report as plain values, for JSON."""
        totals = self.totals
        return {
            "source": self.source,
            "layout": self.layout,
            "digest": self.digest,
            "framing": self.framing,
            "refused": bool(self.fatal_issues),
            "funnel": {
                name: getattr(totals, name)
                for name in (
                    "records",
                    "read",
                    "accepted",
                    "unpaid",
                    "rejected",
                    "accepted_yen",
                    "unpaid_yen",
                    "rejected_yen",
                )
            },
            "declared": [
                {"field": one.field, "declared": one.declared, "counted": one.counted, "agrees": one.agrees}
                for one in totals.declared
            ],
            "issue_counts": dict(sorted(self.issues.counts.items())),
            "issues": [_as_dict(issue, language) for issue in self.issues],
            "issues_not_shown": self.issues.dropped,
        }

    def as_sarif(self, language: str = "en") -> dict[str, Any]:
        """The issues as a SARIF 2.1.0 log, which editors and CI systems show at their place."""
        from kokin import __version__

        codes = sorted(self.issues.counts)
        rules = [{"id": code, "shortDescription": {"text": Issue(code).message(_language(language))}} for code in codes]
        driver = {"name": "kokin", "version": __version__, "rules": rules}
        results = [_as_result(issue, self.source, language) for issue in self.issues]
        return {
            "$schema": _SARIF_SCHEMA,
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "results": results}],
        }


def _language(language: str) -> Any:
    return "ja" if language == "ja" else "en"


def _as_dict(issue: Issue, language: str) -> dict[str, Any]:
    return {
        "code": issue.code,
        "severity": issue.severity.value,
        "record": issue.location.record,
        "byte": issue.location.byte,
        **issue.message_params,
        "message": issue.message(_language(language)),
    }


def _as_result(issue: Issue, source: str, language: str) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": source}}
    if issue.location.byte is not None:
        place["region"] = {"byteOffset": issue.location.byte}
    return {
        "ruleId": issue.code,
        "level": "error" if issue.severity is Severity.ERROR else "warning",
        "message": {"text": issue.describe(_language(language))},
        "locations": [{"physicalLocation": place}],
    }


def check(
    path: str | Path | BinaryIO,
    layout: str | Path | Layout,
    *,
    lenient: bool = False,
    reference_date: date | None = None,
    max_issues: int = 10_000,
) -> CheckResult:
    """Read a file to its end and report; a refused file is reported, not raised.

    Besides what a reader finds, detail records that stand twice in the file are named.

    Raises:
        InvalidInputError: no such layout, a wrong one, or a reference date is needed.
        OSError: the file cannot be opened.
    """
    file = open(path, layout, lenient=lenient, reference_date=reference_date, max_issues=max_issues)
    with suppress(FileRejectedError):  # it stands in file.fatal_issues
        file.validate()
    if file.totals.complete:
        with suppress(FileRejectedError):  # the file has changed: FILE_CHANGED is in file.fatal_issues
            file.issues.add(duplicates(file))
    return CheckResult(
        source=file.source,
        layout=file.layout.name,
        digest=file.digest,
        framing="XML" if file.layout.xml else file.framing.describe(),
        totals=file.totals,
        issues=file.issues,
        fatal_issues=file.fatal_issues,
    )
