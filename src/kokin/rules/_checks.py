"""What every rule refuses before it computes."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from kokin.issues import Issue, RefusedError

_Name = TypeVar("_Name", bound=str)

#: The largest sum of an eL-QR, and far more than any debt.
MOST_YEN = 99_999_999_999


def check_yen(field: str, value: int) -> int:
    """Whole yen from 0 to :data:`MOST_YEN`, or a refusal."""
    if type(value) is not int:
        raise RefusedError([Issue("FIELD_TYPE", field, "int", type(value).__name__)])
    if not 0 <= value <= MOST_YEN:
        raise RefusedError([Issue("AMOUNT_RANGE", field, f"0 to {MOST_YEN}", str(value))])
    return value


def check_name(field: str, value: _Name, known: Collection[str]) -> _Name:
    """One of the known names, or a refusal."""
    if value not in known:
        raise RefusedError([Issue("CODE_UNKNOWN", field, " | ".join(known), str(value))])
    return value
