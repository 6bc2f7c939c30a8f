"""Days as old files write them: 和暦 without an era, two-digit western years, months and days without a year.

The missing part is inferred from a reference date that the caller gives, and only within a set distance of it: a day
that is farther away is an issue and never a guess. Nothing in this module asks for today: the same file must give the
same days next year.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kokin.issues import InvalidInputError, Issue

# The year before the first of each era, by the digit that files write for it: 明治, 大正, 昭和, 平成, 令和.
_ERAS = {"1": 1867, "2": 1911, "3": 1925, "4": 1988, "5": 2018}
# The first day of each era, the newest first. 明治 counts from 慶応4年1月1日 of the old calendar.
_FIRST_DAYS = {
    "5": date(2019, 5, 1),
    "4": date(1989, 1, 8),
    "3": date(1926, 12, 25),
    "2": date(1912, 7, 30),
    "1": date(1868, 1, 25),
}

#: How far from the reference date a day without its era or century is accepted: years before it and after it.
YEARS_BACK, YEARS_AHEAD = 3, 1
#: How far from the reference date a day without its year is accepted, in months before or after it.
MONTHS = 7


def _refused(text: str, expected: str) -> InvalidInputError:
    found = text[:12] if text.isascii() and text.isdigit() else ""
    return InvalidInputError([Issue("DATE_INVALID", expected=expected, found=found)])


def _day(year: int, month_day: str) -> date | None:
    try:
        return date(year, int(month_day[:2]), int(month_day[2:]))
    except ValueError:
        return None


def _month_of(day: date) -> int:
    return 12 * day.year + day.month


@dataclass(frozen=True)
class _Reach:
    """The days that are at most so many months before and after a reference date, by month and day of the month."""

    reference: date
    back: int
    ahead: int

    def __contains__(self, day: date) -> bool:
        month, last = _month_of(self.reference), self.reference.day
        return (month - self.back, last) <= (_month_of(day), day.day) <= (month + self.ahead, last)

    def choose(self, text: str, days: list[date], other: list[date], style: str) -> date:
        """Return the day nearest to the reference date; ``other`` are days in a reading that was not asked for.

        Raises:
            InvalidInputError: ``DATE_INVALID`` for no day at all, ``DATE_TOO_FAR`` for none within reach.
        """
        day = min(days, key=lambda day: (abs(day - self.reference), self.reference >= day), default=None)
        if day is None:
            raise _refused(text, style)
        if day in self:
            return day
        western = next((f", western {day}" for day in other if day in self), "")
        expected = f"{style}, at most {self.back} months before and {self.ahead} after {self.reference}"
        raise InvalidInputError([Issue("DATE_TOO_FAR", expected=expected, found=f"{text} = {day}{western}")])


def _are_digits(text: str, width: int) -> bool:
    return len(text) == width and text.isascii() and text.isdigit()


def parse_wareki(text: str) -> date:
    """The day of ``EYYMMDD``, its era by digit: 1 明治, 2 大正, 3 昭和, 4 平成, 5 令和.

    A year past the end of its era is taken as it is counted: eLTAX once asked for 平成32 in January 2020.

    Raises:
        InvalidInputError: not seven digits, or no day of the calendar.

    >>> parse_wareki("5010501"), parse_wareki("4320120")
    (datetime.date(2019, 5, 1), datetime.date(2020, 1, 20))
    """
    if _are_digits(text, 7) and text[0] in _ERAS and text[1:3] != "00":
        day = _day(_ERAS[text[0]] + int(text[1:3]), text[3:])
        if day:
            return day
    raise _refused(text, "era digit 1-5 and YYMMDD")


def _era_days(text: str) -> list[date]:
    if not _are_digits(text, 6) or text[:2] == "00":
        return []
    return [day for before in _ERAS.values() if (day := _day(before + int(text[:2]), text[2:]))]


def _western_days(text: str) -> list[date]:
    if not _are_digits(text, 6):
        return []
    return [day for century in range(1800, 2200, 100) if (day := _day(century + int(text[:2]), text[2:]))]


def infer_era(text: str, reference: date, *, years_back: int = YEARS_BACK, years_ahead: int = YEARS_AHEAD) -> date:
    """The day of a 和暦 ``YYMMDD`` without its era: of the five eras, the day nearest to ``reference``.

    Raises:
        InvalidInputError: not six digits or no day of the calendar in any era (``DATE_INVALID``); no day within the
            given years of the reference date (``DATE_TOO_FAR``), even where a western year (26 for 2026) would be.

    >>> infer_era("010501", date(2019, 6, 1)), infer_era("010501", date(1989, 6, 1))
    (datetime.date(2019, 5, 1), datetime.date(1989, 5, 1))
    """
    reach = _Reach(reference, 12 * years_back, 12 * years_ahead)
    return reach.choose(text, _era_days(text), _western_days(text), "YYMMDD of an era (和暦)")


def infer_century(text: str, reference: date, *, years_back: int = YEARS_BACK, years_ahead: int = YEARS_AHEAD) -> date:
    """The day of a western ``YYMMDD``: of all centuries, the day nearest to ``reference``.

    Raises:
        InvalidInputError: not six digits or no day of the calendar (``DATE_INVALID``); no day within the given years of
            the reference date (``DATE_TOO_FAR``).

    >>> infer_century("260401", date(2026, 4, 15))
    datetime.date(2026, 4, 1)
    """
    reach = _Reach(reference, 12 * years_back, 12 * years_ahead)
    return reach.choose(text, _western_days(text), [], "YYMMDD")


def infer_era_or_century(
    text: str, reference: date, *, years_back: int = YEARS_BACK, years_ahead: int = YEARS_AHEAD
) -> date:
    """The day of a ``YYMMDD`` whose year is 和暦 or western: the day nearest to ``reference``.

    The readings of one text are at least 11 years apart, so that at most one is within the default distance.

    Raises:
        InvalidInputError: as :func:`infer_era`.

    >>> infer_era_or_century("260401", date(2026, 4, 15)), infer_era_or_century("080401", date(2026, 4, 15))
    (datetime.date(2026, 4, 1), datetime.date(2026, 4, 1))
    """
    reach = _Reach(reference, 12 * years_back, 12 * years_ahead)
    return reach.choose(text, _era_days(text) + _western_days(text), [], "YYMMDD, 和暦 or western")


def infer_year(text: str, reference: date, *, months: int = MONTHS) -> date:
    """The day of an ``MMDD`` without its year: the one nearest to ``reference``, in this year or an adjacent one.

    Raises:
        InvalidInputError: not four digits or no day of the calendar in any year (``DATE_INVALID``); no day within the
            given months of the reference date (``DATE_TOO_FAR``), as 0229 is far from a leap year.

    >>> infer_year("0104", date(2025, 12, 26)), infer_year("1226", date(2026, 1, 5))
    (datetime.date(2026, 1, 4), datetime.date(2025, 12, 26))
    """
    # Eight years are the longest time without a 02-29.
    years = range(max(reference.year - 8, 1), min(reference.year + 8, 9999) + 1) if _are_digits(text, 4) else ()
    days = [day for year in years if (day := _day(year, text))]
    return _Reach(reference, months, months).choose(text, days, [], "MMDD")


def format_wareki(day: date, *, with_era: bool = False) -> str:
    """The ``YYMMDD`` of a day in its era, as a file without eras has it; ``with_era`` puts the era digit before it.

    Raises:
        InvalidInputError: ``DATE_INVALID``: a day before 明治 (1868-01-25), or a year past the 99th of its era.

    >>> format_wareki(date(2019, 4, 30)), format_wareki(date(2019, 5, 1), with_era=True)
    ('310430', '5010501')
    """
    era = next((digit for digit, first in _FIRST_DAYS.items() if day >= first), "")
    if not era or day.year - _ERAS[era] > 99:
        expected = f"{_FIRST_DAYS['1']} to {_ERAS['5'] + 99}-12-31"
        raise InvalidInputError([Issue("DATE_INVALID", expected=expected, found=str(day))])
    return f"{era if with_era else ''}{day.year - _ERAS[era]:02d}{day:%m%d}"
