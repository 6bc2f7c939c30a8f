"""Periods of months and years (期間), counted by the calendar."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta

from kokin.issues import Issue, RefusedError

ONE_DAY = timedelta(days=1)


def period_end(after: date, months: int) -> date:
    """The last day of a period of months that begins on the day after ``after``.

    The first day is not counted (民法140). The period ends on the day before the one that answers to its beginning, and
    where the last month has no such day, at the end of that month (民法143②). From a first of the month it therefore
    runs to the end of a month.

    Raises:
        OverflowError: the end lies after the year 9999.

    >>> period_end(date(2024, 1, 30), 1), period_end(date(2026, 4, 30), 1)
    (datetime.date(2024, 2, 29), datetime.date(2026, 5, 31))
    """
    first = after + ONE_DAY
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    days_before = min(first.day - 1, monthrange(year, month + 1)[1])
    return date(year, month + 1, 1) + timedelta(days=days_before) - ONE_DAY


def limitation_ends_on(after: date, years: int) -> date:
    """The last day before a debt falls under limitation (消滅時効).

    ``after`` is the 納期限, from whose next day the years run (地方税法18①; 自治法236①, 民法166 from the day on which
    the claim can be made), or the last event that made them run anew; that event is the caller's to know. ``years``
    is 5 or 2 and stands in the catalogue for each charge. The end is not moved for a holiday.

    Raises:
        RefusedError: ``years`` is not positive.

    >>> limitation_ends_on(date(2026, 6, 30), 5)
    datetime.date(2031, 6, 30)
    """
    if years < 1:
        raise RefusedError([Issue("AMOUNT_RANGE", "years", "1 or more", str(years))])
    return period_end(after, 12 * years)
