"""Fiscal years (年度), closing of accounts (出納閉鎖), periods of months (期間) and limitation (消滅時効)."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from enum import StrEnum

from dateutil.relativedelta import relativedelta

from kokin.issues import InvalidInputError, Issue
from kokin.rules._arguments import DATE_BOUNDS, check_yen, check_yens
from kokin.text import require_date

# Month and day of 出納閉鎖, in the calendar year after the one in which the fiscal year began.
_CLOSING = (5, 31)


class YearClass(StrEnum):
    """Class of revenue in the accounts of a fiscal year (現年・過年・滞納繰越)."""

    #: 現年課税分: charged for this year, assessed in this year.
    CURRENT = "current"
    #: 過年度分: charged for an earlier year, assessed only in this one.
    PAST = "past"
    #: 滞納繰越分: assessed in an earlier year and carried over unpaid.
    CARRIED_OVER = "carried_over"


def fiscal_year(day: date) -> int:
    """Return the fiscal year (会計年度) of a day: 1 April to 31 March (自治法208①).

    >>> fiscal_year(date(2026, 3, 31)), fiscal_year(date(2026, 4, 1))
    (2025, 2026)
    """
    require_date("day", day)
    return day.year if day.month >= 4 else day.year - 1


def accounts_close_on(year: int) -> date:
    """Return the day on which the accounts of a fiscal year close (出納閉鎖): 31 May after it (自治法235の5).

    Enterprise accounts (公営企業: water, sewerage) are on accrual and have no such time after the year.

    Raises:
        InvalidInputError: the year is not 0 to 9998.
    """
    if check_yen("year", year) >= date.max.year:
        raise InvalidInputError([Issue("DATE_RANGE", field="year", expected=DATE_BOUNDS, found=str(year))])
    return date(year + 1, *_CLOSING)


def revenue_year(term_ends_on: date, received_on: date) -> int:
    """Return the fiscal year to which a receipt of revenue with fixed terms (納期の一定した収入) belongs.

    The year of the last day of its term (施行令142①一), as long as the accounts of that year are open; after that the
    year in which it is received (施行令160), as 滞納繰越分. ``term_ends_on`` is the 納期限 **before** it is shifted for
    a holiday: 31 March stays in its year. 延滞金 and 督促手数料 follow the debt they belong to (142③).

    >>> revenue_year(date(2026, 3, 31), date(2026, 5, 31)), revenue_year(date(2026, 3, 31), date(2026, 6, 1))
    (2025, 2026)
    """
    year = fiscal_year(require_date("term_ends_on", term_ends_on))
    received = require_date("received_on", received_on)
    closed = (received.year, received.month, received.day) > (year + 1, *_CLOSING)
    return fiscal_year(received) if closed else year


def year_class(charged_for: int, assessed_in: int, booked_in: int) -> YearClass:
    """Return the class of revenue that is charged for one year, assessed (調定) in another and booked in a third.

    Revenue assessed in a year and not received before its accounts closed is carried over (施行令160).

    Raises:
        InvalidInputError: the three years are not in this order, or one is negative.

    >>> print(year_class(2026, 2026, 2026), year_class(2024, 2026, 2026), year_class(2024, 2025, 2026))
    current past carried_over
    """
    check_yens(charged_for=charged_for, assessed_in=assessed_in, booked_in=booked_in)
    if not charged_for <= assessed_in <= booked_in:
        found = f"{charged_for}, {assessed_in}, {booked_in}"
        raise InvalidInputError(
            [Issue("YEAR_ORDER", field="charged_for, assessed_in, booked_in", expected="rising years", found=found)]
        )
    if assessed_in < booked_in:
        return YearClass.CARRIED_OVER
    return YearClass.PAST if charged_for < assessed_in else YearClass.CURRENT


def period_end(after: date, months: int) -> date:
    """Return the last day of a period of months that begins on the day after ``after``.

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


def last_day_of_months(after: date, months: int) -> date:
    """Return the last day of the first months after a day, or the last possible date if they end after it."""
    is_beyond = (after.year - date.max.year) * 12 + after.month + months > 12
    return date.max if is_beyond else _period_end("after", after, months)


def limitation_ends_on(after: date, years: int) -> date:
    """Return the last day before a debt is extinguished by limitation (消滅時効, extinctive prescription).

    ``after`` is the 納期限, from whose next day the years run (地方税法18①; 自治法236①, 民法166 from the day on which
    the claim can be made), or the last event that restarted them; the caller knows that event. ``years`` is 5 or 2; the
    catalog has it for each charge (:attr:`kokin.catalog.Charge.limitation_years`). The end is not moved for a holiday.

    Raises:
        InvalidInputError: ``years`` is not positive, or the end lies after the year 9999.
        TypeError: ``after`` is a ``datetime``.

    >>> limitation_ends_on(date(2026, 6, 30), 5)
    datetime.date(2031, 6, 30)
    """
    if check_yen("years", years) < 1:
        raise InvalidInputError([Issue("AMOUNT_RANGE", field="years", expected="1 or more", found=str(years))])
    return _period_end("years", require_date("after", after), 12 * years)


def _period_end(field: str, after: date, months: int) -> date:
    # The answering day is the one after `after` in the closing month. A period that begins on a first ends with a
    # month (day=31 is the last day of any); one whose closing month is too short ends with that month, too.
    begins_on_first = after.day == monthrange(after.year, after.month)[1]
    try:
        end: date = after + relativedelta(months=months, day=31 if begins_on_first else None)
    except (ValueError, OverflowError):  # a year that a date cannot have
        raise InvalidInputError([Issue("DATE_RANGE", field=field, expected=DATE_BOUNDS)]) from None
    return end
