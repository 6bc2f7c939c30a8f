"""Checks of the arguments of a rule: whole yen within bounds, and one of several names."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TypeVar

from kokin.issues import InvalidInputError, Issue

_Name = TypeVar("_Name", bound=str)

#: The maximum of an eL-QR, far above any debt.
MAX_YEN = 99_999_999_999

#: The range of every resulting date, as the ``expected`` of an issue.
DATE_BOUNDS = f"{date.min} to {date.max}"


def check_yen(field: str, value: object) -> int:
    """Return an amount of whole yen from 0 to :data:`MAX_YEN`; raise :class:`InvalidInputError` for anything else."""
    if type(value) is not int:
        raise InvalidInputError([Issue("FIELD_TYPE", field=field, expected="int", found=type(value).__name__)])
    if not 0 <= value <= MAX_YEN:
        raise InvalidInputError([Issue("AMOUNT_RANGE", field=field, expected=f"0 to {MAX_YEN}", found=str(value))])
    return value


def check_yens(**amounts: object) -> None:
    """Check several amounts with :func:`check_yen`; the keyword is the name of the parameter."""
    for field, value in amounts.items():
        check_yen(field, value)


def check_choice(field: str, value: _Name, choices: Collection[str]) -> _Name:
    """Return a value that is one of ``choices``; raise :class:`InvalidInputError` for any other."""
    if value not in choices:
        raise InvalidInputError([Issue("CODE_UNKNOWN", field=field, expected=" | ".join(choices), found=str(value))])
    return value
