"""One problem in data: a stable code, a field, a place, what was expected and what was found."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from enum import StrEnum
from importlib import resources
from types import MappingProxyType
from typing import Literal, cast

from kokin.issues._printable import printable

Language = Literal["en", "ja"]


class Severity(StrEnum):
    """How much an issue weighs: an error keeps its record out, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class IssueCode:
    """A row of ``codes.toml``: what a code means, in both languages."""

    name: str
    severity: Severity
    en: str
    ja: str


def _load_codes() -> Mapping[str, IssueCode]:
    rows = tomllib.loads((resources.files("kokin.issues") / "codes.toml").read_text(encoding="utf-8"))
    return MappingProxyType(
        {name: IssueCode(name, Severity(row["severity"]), row["en"], row["ja"]) for name, row in sorted(rows.items())}
    )


#: Every issue code there is, by name.
ISSUE_CODES: Mapping[str, IssueCode] = _load_codes()


@dataclass(frozen=True, slots=True)
class Location:
    """Where a problem stands.

    ``file`` is a name as the caller gave it. ``record`` counts from 1: a line of a CSV without its header, a record of
    a fixed-length file, a row of a table. ``byte`` counts from 0: from the start of the file, or of a payload's text.
    """

    file: str = ""
    record: int | None = None
    byte: int | None = None

    def describe(self, language: Language = "en") -> str:
        """The place in words, outermost first; empty where nothing is known. Control characters are escaped."""
        record, byte = ("record", "byte") if language == "en" else ("レコード", "バイト")
        parts = [printable(self.file)] if self.file else []
        if self.record is not None:
            parts.append(f"{record} {self.record}")
        if self.byte is not None:
            parts.append(f"{byte} {self.byte}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Issue:
    """A problem in the data, as data.

    ``code`` is a key of :data:`ISSUE_CODES`. ``field`` is the name of the column or payload field. ``expected`` and
    ``found`` say what should stand there and what does; neither ever holds a personal name or a whole record.

    Raises:
        KeyError: the code is not in ``codes.toml``.
    """

    code: str
    _: KW_ONLY
    field: str = ""
    expected: str = ""
    found: str = ""
    location: Location = Location()

    def __post_init__(self) -> None:
        if self.code not in ISSUE_CODES:
            raise KeyError(f"unknown issue code {self.code!r}")

    @property
    def severity(self) -> Severity:
        """Whether the record is kept out (error) or kept and flagged (warning)."""
        return ISSUE_CODES[self.code].severity

    @property
    def is_error(self) -> bool:
        """Whether the record is kept out."""
        return self.severity is Severity.ERROR

    @property
    def message_params(self) -> dict[str, str]:
        """The parameters of the message, for a caller who words it himself."""
        return {"field": self.field, "expected": self.expected, "found": self.found}

    def message(self, language: Language = "en") -> str:
        """What is wrong, without the place, on one line: control characters are escaped."""
        text = cast(str, getattr(ISSUE_CODES[self.code], language))
        expected, found = printable(self.expected), printable(self.found)
        if language == "en":
            details = [f"expected {expected}"] if expected else []
            details += [f"found {found}"] if found else []
            return "; ".join([text, ", ".join(details)]) if details else text
        details = [f"期待値 {expected}"] if expected else []
        details += [f"実際 {found}"] if found else []
        return f"{text} ({', '.join(details)})" if details else text

    def describe(self, language: Language = "en") -> str:
        """One line: place, field, code and message."""
        place = ", ".join(part for part in (self.location.describe(language), printable(self.field)) if part)
        line = f"{self.code}: {self.message(language)}"
        return f"{place}: {line}" if place else line

    def with_location(self, location: Location) -> Issue:
        """Return the same issue with another location: that of a payload's record, for example."""
        return replace(self, location=location)

    def __str__(self) -> str:
        return self.describe("en")
