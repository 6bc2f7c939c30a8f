"""One problem in the data: a stable code, a field, a location, the expected and the found value.

The codes and their texts are in ``codes.toml``, which like ``phrases.toml`` is not read with
:func:`kokin.text.load_toml`: ``kokin.text`` imports this module.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from importlib import resources
from types import MappingProxyType
from typing import Literal, cast

from kokin.issues._phrases import expected_ja, found_ja

Language = Literal["en", "ja"]

# C0, DEL and C1 controls; marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX #9); line and
# paragraph separators; lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, keep: str = "") -> str:
    r"""Return a text with every character escaped that a terminal obeys or that UTF-8 cannot encode.

    These are control characters (C0 and C1, with newline and tab), the controls of the bidirectional algorithm, line
    separators and lone surrogates. A byte that Python could not decode in a file name or an argument
    (``surrogateescape``, :pep:`383`) is written as that byte.

    Args:
        text: any text.
        keep: characters that stay, such as a newline.

    >>> print(printable("\x1b[2J\u202e.csv"), printable("\udc83e.csv"))
    \x1b[2J\u202e.csv \x83e.csv
    """
    return _UNPRINTABLE.sub(lambda found: found[0] if found[0] in keep else _escaped(ord(found[0])), text)


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: the byte plus 0xDC00
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Severity(StrEnum):
    """Severity of an issue: a record with an error is rejected, one with a warning is accepted."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class IssueCode:
    """One entry of ``codes.toml``: the severity of a code, and its text in English and Japanese."""

    name: str
    severity: Severity
    en: str
    ja: str


def _load_codes() -> Mapping[str, IssueCode]:
    tables = tomllib.loads((resources.files("kokin.issues") / "codes.toml").read_text(encoding="utf-8"))
    return MappingProxyType(
        {name: IssueCode(name, Severity(row["severity"]), row["en"], row["ja"]) for name, row in sorted(tables.items())}
    )


#: Every issue code, by name.
ISSUE_CODES: Mapping[str, IssueCode] = _load_codes()


@dataclass(frozen=True, slots=True)
class Location:
    """The location of a problem.

    ``file`` is a name as the caller passed it. ``record`` counts from 1: a line of a CSV without its header, a record
    of a fixed-length file, a row of a table. ``byte`` counts from 0: from the start of the file, or of a payload's
    text.
    """

    file: str = ""
    record: int | None = None
    byte: int | None = None

    def describe(self, language: Language = "en") -> str:
        """Return the location as text: file, record, byte; empty if none is known. Control characters are escaped."""
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

    ``code`` is a key of :data:`ISSUE_CODES`. ``field`` is the name of the column or payload field. ``expected``
    describes the valid values and ``found`` the value in the data; neither ever contains a personal name or a whole
    record.

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
        """Whether the record is rejected (error) or accepted with a remark (warning)."""
        return ISSUE_CODES[self.code].severity

    @property
    def is_error(self) -> bool:
        """Whether the record is rejected."""
        return self.severity is Severity.ERROR

    @property
    def message_params(self) -> dict[str, str]:
        """The parameters of the message, for a caller with message texts of its own."""
        return {"field": self.field, "expected": self.expected, "found": self.found}

    def message(self, language: Language = "en") -> str:
        """Return the problem on one line, without its location. Control characters are escaped."""
        text = cast(str, getattr(ISSUE_CODES[self.code], language))
        expected, found = printable(self.expected), printable(self.found)
        if language == "en":
            details = [f"expected {expected}"] if expected else []
            details += [f"found {found}"] if found else []
            return "; ".join([text, ", ".join(details)]) if details else text
        details = [f"期待値 {expected_ja(expected)}"] if expected else []
        details += [f"実際 {found_ja(found)}"] if found else []
        return f"{text} ({', '.join(details)})" if details else text

    def describe(self, language: Language = "en") -> str:
        """Return one line: location, field, code and message."""
        place = ", ".join(part for part in (self.location.describe(language), printable(self.field)) if part)
        line = f"{self.code}: {self.message(language)}"
        return f"{place}: {line}" if place else line

    def with_location(self, location: Location) -> Issue:
        """Return the same issue with another location: that of a payload's record, for example."""
        # Not dataclasses.replace, which takes three times as long.
        return Issue(self.code, field=self.field, expected=self.expected, found=self.found, location=location)

    def __str__(self) -> str:
        return self.describe("en")
