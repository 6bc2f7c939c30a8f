"""The issues of a file: the first ones in full, all of them counted by code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import overload

from kokin.issues import Issue


class IssueLog(Sequence[Issue]):
    """A sequence of the first ``max_issues`` issues; ``counts`` and ``total`` include all, in constant memory.

    Its length is the number of issues in full. It is true if there was any issue, also with ``max_issues=0``.
    """

    def __init__(self, max_issues: int) -> None:
        self.max_issues = max_issues
        self.counts: Counter[str] = Counter()
        self._issues: list[Issue] = []

    def add(self, issues: Iterable[Issue]) -> None:
        """Append issues, in the order of the file."""
        for issue in issues:
            self.counts[issue.code] += 1
            if len(self._issues) < self.max_issues:
                self._issues.append(issue)

    @property
    def is_full(self) -> bool:
        """Whether no more issues are kept in full."""
        return len(self._issues) >= self.max_issues

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Count issues by code that would not be kept in full."""
        assert self.is_full
        self.counts.update(counts)

    def drain(self) -> list[Issue]:
        """Return the issues in full and remove them; the counts stay."""
        issues, self._issues = self._issues, []
        return issues

    @property
    def total(self) -> int:
        """The number of all issues."""
        return self.counts.total()

    @property
    def dropped(self) -> int:
        """The number of issues that are only counted."""
        return self.total - len(self._issues)

    def __bool__(self) -> bool:
        return self.total > 0

    def __len__(self) -> int:
        return len(self._issues)

    @overload
    def __getitem__(self, index: int) -> Issue: ...
    @overload
    def __getitem__(self, index: slice) -> list[Issue]: ...
    def __getitem__(self, index: int | slice) -> Issue | list[Issue]:
        return self._issues[index]

    def __repr__(self) -> str:
        return f"<IssueLog: {self.total} issues, {dict(self.counts)}>"


class FileIssues:
    """The issues of one reading: ``all`` of them, and the ``fatal`` ones, for which the whole file is rejected.

    Every part of a reader writes into the one object of its reading.
    """

    def __init__(self, max_issues: int) -> None:
        self.all = IssueLog(max_issues)
        self.fatal = IssueLog(max_issues)

    def add(self, *issues: Issue) -> None:
        """Append issues that concern their record only, or are warnings."""
        self.all.add(issues)

    def reject_file(self, *issues: Issue) -> None:
        """Append issues for which the whole file is rejected."""
        self.all.add(issues)
        self.fatal.add(issues)

    def count_fatal(self, counts: Mapping[str, int]) -> None:
        """Count issues by code for which the whole file is rejected, and that would not be kept in full."""
        self.all.add_counts(counts)
        self.fatal.add_counts(counts)
