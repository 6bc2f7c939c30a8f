"""The exceptions of Kokin. A single invalid record raises none of them: it is an :class:`Issue` in a result."""

from __future__ import annotations

from collections.abc import Sequence

from kokin.issues._issue import Issue

# The issues in the text of an exception: enough to see a pattern. The rest is in `.issues`.
_MAX_LINES = 20


class KokinError(Exception):
    """The base class of every exception that Kokin raises on purpose."""


class InvalidInputError(KokinError):
    """The input is rejected as a whole; no part of it was processed.

    ``issues`` lists every problem that was found, errors and warnings alike, each with its field and location.
    """

    def __init__(self, issues: Sequence[Issue], summary: str = "") -> None:
        self.issues: list[Issue] = list(issues)
        self.summary = summary
        super().__init__(self.issues, summary)

    def __str__(self) -> str:
        lines = [self.summary] if self.summary else []
        lines += [str(issue) for issue in self.issues[:_MAX_LINES]]
        if len(self.issues) > _MAX_LINES:
            lines.append(f"... and {len(self.issues) - _MAX_LINES} more in .issues")
        return "\n".join(lines)


class RejectedRecordsError(InvalidInputError):
    """A file has rejected records; ``issues`` names each of them.

    ``read(..., on_error="skip")`` returns the accepted records instead, with the issues in the result.
    """
