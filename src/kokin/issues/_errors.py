"""The exceptions: few, and none of them for a single bad record."""

from __future__ import annotations

from collections.abc import Sequence

from kokin.issues._issue import Issue

# Enough to see the pattern of what is wrong; the rest is in `.issues`.
_SHOWN = 20


class KokinError(Exception):
    """The base of everything that Kokin raises on purpose."""


class InvalidInputError(KokinError):
    """Input that cannot be taken; nothing was done with any part of it.

    ``issues`` lists every problem that was found, errors and warnings alike, each with its field and place.
    """

    def __init__(self, issues: Sequence[Issue], summary: str = "") -> None:
        self.issues: list[Issue] = list(issues)
        self.summary = summary
        super().__init__(self.issues, summary)

    def __str__(self) -> str:
        lines = [self.summary] if self.summary else []
        lines += [str(issue) for issue in self.issues[:_SHOWN]]
        if len(self.issues) > _SHOWN:
            lines.append(f"... and {len(self.issues) - _SHOWN} more in .issues")
        return "\n".join(lines)


class RejectedRecordsError(InvalidInputError):
    """A file of which some records were rejected; ``issues`` names each of them.

    ``read(..., on_error="skip")`` returns the accepted records instead, with the issues in the result.
    """
