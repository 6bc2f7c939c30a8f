"""The three years of a bill (年度): the one it is charged for, the one it was assessed in, the one it is booked in."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from kokin.issues import InvalidInputError, Issue
from kokin.rules._checks import check_yen, check_yens
from kokin.rules._periods import DATE_BOUNDS
from kokin.text import require_date

# The month and the day of 出納閉鎖, in the calendar year after that in which the fiscal year began.
_CLOSING = (5, 31)


class YearClass(StrEnum):
    """How the accounts of a year tell revenue apart (現年・過年・滞納繰越)."""

    #: 現年課税分: charged for this year, assessed in this year.
    CURRENT = "current"
    #: 過年度分: charged for an earlier year, assessed only in this one.
    PAST = "past"
    #: 滞納繰越分: assessed in an earlier year and carried over unpaid.
    CARRIED_OVER = "carried_over"


def fiscal_year(day: date) -> int:
    """The fiscal year (会計年度) of a day: 1 April to 31 March (自治法208①).

    >>> fiscal_year(date(2026, 3, 31)), fiscal_year(date(2026, 4, 1))
    (2025, 2026)
    """
    require_date("day", day)
    return day.year if day.month >= 4 else day.year - 1


def accounts_close_on(year: int) -> date:
    """The day on which the accounts of a fiscal year close (出納閉鎖): 31 May after it (自治法235の5).

    Enterprise accounts (公営企業: water, sewerage) are on accrual and have no such time after the year.

    Raises:
        InvalidInputError: the year is not 0 to 9998.
    """
    if check_yen("year", year) >= date.max.year:
        raise InvalidInputError([Issue("DATE_RANGE", field="year", expected=DATE_BOUNDS, found=str(year))])
    return date(year + 1, *_CLOSING)


def revenue_year(term_ends_on: date, received_on: date) -> int:
    """The fiscal year whose revenue (歳入) a receipt is, for revenue with fixed terms (納期の一定した収入).

    The year of the last day of its term (施行令142①一), as long as that year's accounts are open; after that the
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
    """The class of revenue that is charged for one year, assessed (調定) in another and booked in a third.

    What was assessed in a year and not received before its accounts closed is carried over (施行令160).

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
