"""Codes of accounts (会計・款項目節) of an authority: which code the yen of a charge are booked under."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field

from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Digits, MoneyKind, Record, Text
from kokin.rules import YearClass
from kokin.text import load_toml

#: The columns by which a code is found. A rule that lacks one is for every value of it.
_KEYS = ("payee_code", "charge", "item_code", "year_class")


class AccountCode(Record):
    """The code of account of some yen: a row ``[[codes]]`` of ``accounts.toml``."""

    kind: MoneyKind = Field(strict=False)
    """The kind of the yen."""
    payee_code: Annotated[str, Digits(5)] | None = None
    """共通納税機関コード; None for every authority."""
    charge: Annotated[str, Text(40, min=1)] | None = None
    """The id of the charge; None for every charge, also an unknown one."""
    item_code: Annotated[str, Digits(3)] | None = None
    """税目・料金番号; None for every one."""
    year_class: YearClass | None = Field(default=None, strict=False)
    """現年・過年・滞納繰越; None for every class."""
    account: Annotated[str, Text(20, min=1)]
    """会計."""
    kan: Annotated[str, Text(20)] | None = None
    """款."""
    ko: Annotated[str, Text(20)] | None = None
    """項."""
    moku: Annotated[str, Text(20)] | None = None
    """目."""
    setsu: Annotated[str, Text(20)] | None = None
    """節."""
    saisetsu: Annotated[str, Text(20)] | None = None
    """細節."""

    @property
    def key(self) -> tuple[str | None, ...]:
        """The kind, and the values by which the code is found."""
        return (self.kind.value, *(getattr(self, name) for name in _KEYS))


@dataclass(frozen=True)
class AccountCodes:
    """The codes of an authority."""

    codes: Sequence[AccountCode]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read ``accounts.toml``, with a row ``[[codes]]`` for each code; Kokin ships none.

        For example::

            [[codes]]
            kind = "revenue"
            charge = "fixed-asset-tax"
            year_class = "current"
            account = "01"
            kan = "01"
            ko = "02"

            [[codes]]
            kind = "suspense"
            account = "90"

        Raises:
            InvalidInputError: the file is not TOML, a row is invalid, or two rows are for the same yen
                (ACCOUNT_CODE_DUPLICATE); every problem is in ``.issues``.
            OSError: the file cannot be read.
        """
        file = Path(path)
        tables = load_toml(file)
        codes: list[AccountCode] = []
        issues = [Issue("FIELD_UNKNOWN", field=name) for name in tables if name != "codes"]
        rows = tables.get("codes", [])
        if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
            issues, rows = [*issues, Issue("TOML_INVALID", field="codes")], []
        for number, row in enumerate(rows, 1):
            found, problems = _code(row)
            codes += found
            issues += [_within(number, issue) for issue in problems]
        issues += _duplicates(codes)
        if issues:
            raise InvalidInputError([issue.with_location(Location(file.name)) for issue in issues], "codes rejected")
        return cls(codes)

    def find(self, kind: MoneyKind, row: Mapping[str, Any]) -> AccountCode | None:
        """Return the code of yen; None if there is none.

        Of the codes that match, the one with the most values applies; of two with as many, the one whose first value
        of ``payee_code, charge, item_code, year_class`` is set.

        Args:
            kind: the kind of the yen.
            row: the values of ``payee_code, charge, item_code, year_class``.
        """
        matching = [
            code
            for code in self.codes
            if code.kind is kind and all(getattr(code, name) in (None, row[name]) for name in _KEYS)
        ]
        return max(matching, key=_precision, default=None)


def _precision(code: AccountCode) -> tuple[int, list[bool]]:
    is_set = [getattr(code, name) is not None for name in _KEYS]
    return sum(is_set), is_set


def _code(row: Mapping[str, Any]) -> tuple[list[AccountCode], Sequence[Issue]]:
    try:
        return [AccountCode(**row)], ()
    except InvalidInputError as error:
        return [], error.issues


def _within(number: int, issue: Issue) -> Issue:
    field = f"codes[{number}].{issue.field}" if issue.field else f"codes[{number}]"
    return Issue(issue.code, field=field, expected=issue.expected, found=issue.found)


def _duplicates(codes: Sequence[AccountCode]) -> Iterator[Issue]:
    seen: set[tuple[str | None, ...]] = set()
    for code in codes:
        if code.key in seen:
            yield Issue("ACCOUNT_CODE_DUPLICATE", field="codes", found=" ".join(filter(None, code.key)))
        seen.add(code.key)
