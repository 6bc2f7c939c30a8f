"""The exceptions of Kokin. A single invalid record raises none of them: it is an :class:`Issue` in a result."""

from __future__ import annotations

from collections.abc import Sequence

from kokin.issues._issue import Issue

# The issues in the text of an exception: enough to see a pattern. The rest is in `.issues`.
_MAX_LINES = 20

#: The issues of one input that are reported in full; more of them are counted.
MAX_ISSUES = 10_000


class KokinError(Exception):
    """The base class of every exception that Kokin raises on purpose."""


class InvalidInputError(KokinError):
    """The input is rejected as a whole; no part of it was processed.

    ``issues`` lists the problems that were found, errors and warnings alike, each with its field and location. Of a
    table with very many invalid rows it has the first :data:`MAX_ISSUES`, and ``total`` counts all.
    """

    def __init__(self, issues: Sequence[Issue], summary: str = "", total: int = 0) -> None:
        self.issues: list[Issue] = list(issues)
        self.summary = summary
        self.total = max(total, len(self.issues))
        super().__init__(self.issues, summary, self.total)

    def __str__(self) -> str:
        lines = [self.summary] if self.summary else []
        lines += [str(issue) for issue in self.issues[:_MAX_LINES]]
        if self.total > _MAX_LINES:
            place = "in .issues" if self.total == len(self.issues) else f"(the first {len(self.issues):,} in .issues)"
            lines.append(f"... and {self.total - _MAX_LINES:,} more {place}")
        return "\n".join(lines)


class RejectedRecordsError(InvalidInputError):
    """A file has rejected records; ``issues`` names each of them.

    ``read(..., on_error="skip")`` returns the accepted records instead, with the issues in the result.
    """
