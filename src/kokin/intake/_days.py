"""The days on which the files of a source are expected, and the times between which each can come."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from kokin.intake._source import MONTH_END, WEEKDAYS, Source
from kokin.rules import Calendar, shift_due_date
from kokin.text import JAPAN

_DAY = timedelta(days=1)
# A rule moves a day over weekends and holidays by less than this.
_MARGIN = timedelta(days=120)


@dataclass(frozen=True)
class BusinessCalendar:
    """The bank days: those of a calendar of :mod:`kokin.rules`, without further closed days."""

    calendar: Calendar = "bank"
    holidays: frozenset[date] = frozenset()
    """Closed days besides those of the calendar."""

    def is_open(self, day: date) -> bool:
        """Return whether a day is a bank day."""
        return day not in self.holidays and shift_due_date(day, self.calendar) == day

    def shift(self, day: date, step: int = 1) -> date:
        """Return the day itself if it is a bank day, else the next one (``step`` 1) or the one before it (-1)."""
        while not self.is_open(day):
            day += step * _DAY
        return day

    def add(self, day: date, count: int) -> date:
        """Return the bank day so many bank days after a day, before it if negative; the day itself for 0."""
        step = 1 if count > 0 else -1
        for _ in range(abs(count)):
            day = self.shift(day + step * _DAY, step)
        return day

    def count(self, first: date, last: date) -> int:
        """Return the number of bank days from a day to another, both included."""
        return sum(self.is_open(day) for day in days_between(first, last))


def days_between(first: date, last: date) -> Iterator[date]:
    """Yield the days from a day to another, both included."""
    day = first
    while day <= last:
        yield day
        day += _DAY


@dataclass(frozen=True)
class ExpectedDay:
    """A day of a source, and when its file can come."""

    day: date
    opens_at: datetime
    """From when a file can be the one of the day."""
    deadline: datetime
    """Until when the file must be posted."""


def expected_days(source: Source, business: BusinessCalendar, first: date, last: date) -> list[ExpectedDay]:
    """Return the days of a source from ``first`` to ``last``, both included, in order.

    Raises:
        CalendarRangeError: a day is outside the years of the calendar.
    """
    base = [day for day in days_between(first - _MARGIN, last + _MARGIN) if _has_rule(source, business, day)]
    if source.bank_days_after:
        base = [business.add(day, source.bank_days_after) for day in base]
    elif not isinstance(source.days, str) and source.shift != "none":
        base = [business.shift(day, 1 if source.shift == "next" else -1) for day in base]
    return [_with_times(source, business, day) for day in sorted(set(base)) if first <= day <= last]


def _has_rule(source: Source, business: BusinessCalendar, day: date) -> bool:
    """Return whether the rule names a day, before it is shifted."""
    match source.days:
        case "bank":
            return business.is_open(day)
        case "weekdays":
            return day.weekday() < 5
        case "daily":
            return True
    last = calendar.monthrange(day.year, day.month)[1]
    of_month = {last if each == MONTH_END or (isinstance(each, int) and each > last) else each for each in source.days}
    return WEEKDAYS[day.weekday()] in source.days or day.day in of_month


def _with_times(source: Source, business: BusinessCalendar, day: date) -> ExpectedDay:
    opens_on = business.add(day, -source.opens_bank_days_before)
    until_on = business.add(day, source.until_bank_days_after)
    deadline = datetime.combine(until_on, source.until, JAPAN) if source.until else end_of_day(until_on)
    return ExpectedDay(day, datetime.combine(opens_on, source.opens, JAPAN), deadline)


def end_of_day(day: date) -> datetime:
    """Return the end of a day in Japan: the midnight after it."""
    return datetime.combine(day + _DAY, time(0), JAPAN)
