"""The issues of a file: the first ones in full, all of them by number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import overload

from kokin.issues import Issue


class IssueLog(Sequence[Issue]):
    """A sequence of the first ``most`` issues; ``counts`` and ``total`` know of all, so a million fit in memory.

    Its length is that of the issues that are kept, and it is true if there were any, so that ``if file.issues`` holds
    with ``most=0``, too.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.counts: Counter[str] = Counter()
        self._kept: list[Issue] = []

    def add(self, issues: Iterable[Issue]) -> None:
        """Take issues, in the order of the file."""
        for issue in issues:
            self.counts[issue.code] += 1
            if len(self._kept) < self.most:
                self._kept.append(issue)

    @property
    def total(self) -> int:
        """How many there were."""
        return self.counts.total()

    @property
    def dropped(self) -> int:
        """How many are counted but not kept."""
        return self.total - len(self._kept)

    def __bool__(self) -> bool:
        return self.total > 0

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> Issue: ...
    @overload
    def __getitem__(self, index: slice) -> list[Issue]: ...
    def __getitem__(self, index: int | slice) -> Issue | list[Issue]:
        return self._kept[index]

    def __repr__(self) -> str:
        return f"<IssueLog: {self.total} issues, {dict(self.counts)}>"
