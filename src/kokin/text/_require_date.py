"""A date is a date: a ``datetime`` is a subclass of it, and compares and hashes as something else."""

from __future__ import annotations

from datetime import date, datetime


def require_date(name: str, value: object) -> date:
    """Return ``value`` if it is a ``date`` and no ``datetime``.

    ``datetime`` is a subclass of ``date``, so a type checker accepts it, but it is never equal to a ``date`` and never
    a member of a set of dates. Which day a moment is depends on a time zone, so only the caller can convert it.

    Raises:
        TypeError: any other type.

    >>> require_date("due_on", date(2026, 6, 1))
    datetime.date(2026, 6, 1)
    """
    if isinstance(value, datetime):
        raise TypeError(f"{name} must be a date, not a datetime: pass its date, such as value.date()")
    if not isinstance(value, date):
        raise TypeError(f"{name} must be a date, not {type(value).__name__}")
    return value
