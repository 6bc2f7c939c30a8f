"""Due dates (納期限) and business days: a deadline never ends on a holiday or weekend."""

from __future__ import annotations

import functools
from datetime import date, timedelta
from importlib import resources
from typing import Any, Literal, TypeAlias

from kokin.issues import InvalidInputError, Issue
from kokin.rules._arguments import check_choice
from kokin.text import load_toml, require_date

#: Non-business days of public offices, or of banks, which are open on 29 and 30 December.
Calendar: TypeAlias = Literal["public", "bank"]

CALENDARS = ("public", "bank")

_TABLE: dict[str, Any] = load_toml(resources.files("kokin.rules") / "calendars.toml")

#: The first and the last year for which the holidays (祝日) are trusted.
CALENDAR_YEARS: tuple[int, int] = (_TABLE["years"][0], _TABLE["years"][1])


class CalendarRangeError(InvalidInputError):
    """A day lies in a year for which the holidays are not trusted; a later release or ``holidays`` may have it."""


@functools.cache
def non_business_days(calendar: Calendar) -> frozenset[date]:
    """Return the holidays from Monday to Friday, of the trusted years and of the January after them.

    Source: 国民の祝日に関する法律 through the ``holidays`` package; the fixed days from ``calendars.toml``.
    """
    import holidays  # takes 0.1 s, so it is imported for due dates only

    first, last = CALENDAR_YEARS
    # One year more: a deadline on the last day moves into its January.
    years = range(first, last + 2)
    fixed = [date.fromisoformat(f"{year}-{day}") for year in years for day in _TABLE[calendar]["closed"]]
    return frozenset(day for day in {*holidays.country_holidays("JP", years=years), *fixed} if day.weekday() < 5)


def shift_due_date(day: date, calendar: Calendar = "public") -> date:
    """Return the day on which a deadline ends: the day itself if it is a business day, otherwise the next one.

    ``public``: Saturdays, Sundays, 祝日, 29 December to 3 January (地方税法20の5②, 民法142). ``bank``: the same without
    29 and 30 December (銀行法施行令5①). A contract (water, rent) follows 民法142 or its own terms.

    Raises:
        CalendarRangeError: the day lies outside :data:`CALENDAR_YEARS`.
        TypeError: a ``datetime``.

    >>> shift_due_date(date(2026, 5, 3)), shift_due_date(date(2025, 12, 29), "bank")
    (datetime.date(2026, 5, 7), datetime.date(2025, 12, 29))
    """
    holidays = non_business_days(check_choice("calendar", calendar, CALENDARS))
    require_date("day", day)
    check_years("day", day.year, day.year)
    while day.weekday() >= 5 or day in holidays:
        day += timedelta(days=1)
    return day


def check_years(field: str, first: int, last: int) -> None:
    """Raise :class:`CalendarRangeError` if one of two years lies outside :data:`CALENDAR_YEARS`."""
    opens, closes = CALENDAR_YEARS
    outside = [str(year) for year in dict.fromkeys((first, last)) if not opens <= year <= closes]
    if outside:
        raise CalendarRangeError(
            [Issue("CALENDAR_RANGE", field=field, expected=f"{opens} to {closes}", found=year) for year in outside]
        )
