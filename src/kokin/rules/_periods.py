"""Periods of months and years (期間), counted by the calendar."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

from kokin.issues import InvalidInputError, Issue
from kokin.rules._checks import check_yen
from kokin.text import require_date

ONE_DAY = timedelta(days=1)

#: What every result of this package lies within, as an issue says it.
DATE_BOUNDS = f"{date.min} to {date.max}"


def period_end(after: date, months: int) -> date:
    """The last day of a period of months that begins on the day after ``after``.

    The first day is not counted (民法140). The period ends on the day before the one that answers to its beginning, and
    where the last month has no such day, at the end of that month (民法143②). From a first of the month it therefore
    runs to the end of a month.

    Raises:
        InvalidInputError: ``months`` is negative, or the end lies after the year 9999.
        TypeError: ``after`` is a ``datetime``.

    >>> period_end(date(2024, 1, 30), 1), period_end(date(2026, 4, 30), 1)
    (datetime.date(2024, 2, 29), datetime.date(2026, 5, 31))
    """
    return _period_end("months", require_date("after", after), check_yen("months", months))


def _period_end(field: str, after: date, months: int) -> date:
    # The answering day is the one after `after` in the closing month. A period that begins on a first ends with a
    # month (day=31 is the last day of any); one whose closing month is too short ends with that month, too.
    begins_on_first = after.day == monthrange(after.year, after.month)[1]
    try:
        end: date = after + relativedelta(months=months, day=31 if begins_on_first else None)
    except (ValueError, OverflowError):  # a year that a date cannot have
        raise InvalidInputError([Issue("DATE_RANGE", field=field, expected=DATE_BOUNDS)]) from None
    return end


def first_month_end(after: date) -> date:
    """The last day of the first month after a day; the last day of all where that month has no end."""
    return date.max if (after.year, after.month) == (date.max.year, 12) else _period_end("after", after, 1)


def limitation_ends_on(after: date, years: int) -> date:
    """The last day before a debt falls under limitation (消滅時効).

    ``after`` is the 納期限, from whose next day the years run (地方税法18①; 自治法236①, 民法166 from the day on which
    the claim can be made), or the last event that made them run anew; that event is the caller's to know. ``years``
    is 5 or 2 and stands in the catalogue for each charge. The end is not moved for a holiday.

    Raises:
        InvalidInputError: ``years`` is not positive, or the end lies after the year 9999.
        TypeError: ``after`` is a ``datetime``.

    >>> limitation_ends_on(date(2026, 6, 30), 5)
    datetime.date(2031, 6, 30)
    """
    if check_yen("years", years) < 1:
        raise InvalidInputError([Issue("AMOUNT_RANGE", field="years", expected="1 or more", found=str(years))])
    return _period_end("years", require_date("after", after), 12 * years)
