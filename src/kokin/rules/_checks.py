"""What every rule refuses before it computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import TypeVar

from kokin.issues import InvalidInputError, Issue

_Name = TypeVar("_Name", bound=str)

#: The largest sum of an eL-QR, and far more than any debt.
MOST_YEN = 99_999_999_999


def check_yen(field: str, value: object) -> int:
    """Whole yen from 0 to :data:`MOST_YEN`, or a refusal."""
    if type(value) is not int:
        raise InvalidInputError([Issue("FIELD_TYPE", field=field, expected="int", found=type(value).__name__)])
    if not 0 <= value <= MOST_YEN:
        raise InvalidInputError([Issue("AMOUNT_RANGE", field=field, expected=f"0 to {MOST_YEN}", found=str(value))])
    return value


def check_yens(**amounts: object) -> None:
    """Whole yen each, or a refusal that names the parameter."""
    for field, value in amounts.items():
        check_yen(field, value)


def check_order(owed: Iterable[str], order: Collection[str]) -> None:
    """Refuse an order of allocation that names a part more than once or lacks one that is owed."""
    repeated = [name for name, count in Counter(order).items() if count > 1]
    issues = [Issue("PART_REPEATED", field="order", found=name) for name in repeated]
    issues += [
        Issue("CODE_UNKNOWN", field="owed", expected=" | ".join(order), found=name)
        for name in owed
        if name not in order
    ]
    if issues:
        raise InvalidInputError(issues)


def check_name(field: str, value: _Name, known: Collection[str]) -> _Name:
    """One of the known names, or a refusal."""
    if value not in known:
        raise InvalidInputError([Issue("CODE_UNKNOWN", field=field, expected=" | ".join(known), found=str(value))])
    return value
