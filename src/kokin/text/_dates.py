"""Dates in the formats of old files: 和暦 with and without an era, two-digit western years, dates without a year.

The missing part is inferred from a reference date, a parameter, and only within a maximum distance of it: a date that
is farther away is an issue, never a guess. No function reads the current date: a file has the same dates whenever it
is read.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from kokin.issues import InvalidInputError, Issue

#: The time zone of Japan. Daylight saving time ended in 1951, before any record that Kokin reads.
JAPAN = timezone(timedelta(hours=9), "JST")


def today() -> date:
    """Return the current day in Japan, whatever the time zone of the machine."""
    return datetime.now(JAPAN).date()


# The year before the first year of each era, by the era digit of files: 明治, 大正, 昭和, 平成, 令和.
_YEARS_BEFORE_ERA = {"1": 1867, "2": 1911, "3": 1925, "4": 1988, "5": 2018}
# The first day of each era, newest first. 明治 begins with 慶応4年1月1日 of the old calendar.
_FIRST_DAYS = {
    "5": date(2019, 5, 1),
    "4": date(1989, 1, 8),
    "3": date(1926, 12, 25),
    "2": date(1912, 7, 30),
    "1": date(1868, 1, 25),
}

# The digit of each era by its first character and letter.
_ERA_DIGITS = dict(zip("明大昭平令MTSHR", "1234512345", strict=True))
_ERA_NAMES = {"1": ("M", "明治"), "2": ("T", "大正"), "3": ("S", "昭和"), "4": ("H", "平成"), "5": ("R", "令和")}
_DAY_TEXT = r"(?:([./-])(\d{1,2})\2(\d{1,2})|年(\d{1,2})月(\d{1,2})日)"
_WESTERN_TEXT = re.compile(r"(\d{4})" + _DAY_TEXT, re.ASCII)
_WAREKI_TEXT = re.compile(
    r"([MTSHR]|明治?|大正?|昭和?|平成?|令和?)(元|\d{1,2})" + _DAY_TEXT.replace(r"\2", r"\3"), re.ASCII
)

#: Maximum distance of a date without era or century from the reference date: years before and after it.
YEARS_BACK, YEARS_AHEAD = 3, 1
#: Maximum distance of a date without a year from the reference date, in months before or after it.
MONTHS = 7


def _invalid_date(text: str, expected: str) -> InvalidInputError:
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
class _DateWindow:
    """The dates from ``months_back`` before to ``months_ahead`` after a reference date."""

    reference: date
    months_back: int
    months_ahead: int

    def __contains__(self, day: date) -> bool:
        month, last = _month_of(self.reference), self.reference.day
        return (month - self.months_back, last) <= (_month_of(day), day.day) <= (month + self.months_ahead, last)

    def nearest(self, text: str, days: list[date], other_readings: list[date], style: str) -> date:
        """Return the date nearest to the reference date; ``other_readings`` are only mentioned in the issue.

        Raises:
            InvalidInputError: ``DATE_INVALID`` if ``days`` is empty, ``DATE_TOO_FAR`` if none is in the window.
        """
        day = min(days, key=lambda day: (abs(day - self.reference), self.reference >= day), default=None)
        if day is None:
            raise _invalid_date(text, style)
        if day in self:
            return day
        western = next((f", western {day}" for day in other_readings if day in self), "")
        expected = f"{style}, at most {self.months_back} months before and {self.months_ahead} after {self.reference}"
        raise InvalidInputError([Issue("DATE_TOO_FAR", expected=expected, found=f"{text} = {day}{western}")])


def _are_digits(text: str, width: int) -> bool:
    return len(text) == width and text.isascii() and text.isdigit()


def parse_wareki(text: str) -> date:
    """Return the date of ``EYYMMDD`` with the era digit E: 1 明治, 2 大正, 3 昭和, 4 平成, 5 令和.

    A year after the end of its era is accepted: eLTAX required 平成32 in January 2020.

    Raises:
        InvalidInputError: ``DATE_INVALID``: not seven digits, or not a date of the calendar.

    >>> parse_wareki("5010501"), parse_wareki("4320120")
    (datetime.date(2019, 5, 1), datetime.date(2020, 1, 20))
    """
    if _are_digits(text, 7) and text[0] in _YEARS_BEFORE_ERA and text[1:3] != "00":
        day = _day(_YEARS_BEFORE_ERA[text[0]] + int(text[1:3]), text[3:])
        if day:
            return day
    raise _invalid_date(text, "era digit 1-5 and YYMMDD")


def parse_date_text(text: str) -> date:
    """Return the date of a western year, month and day as people write them: ``2026/6/1``, ``2026年6月1日``.

    Months and days have one or two digits. Full-width characters are accepted, and blanks are ignored.

    Raises:
        InvalidInputError: ``DATE_INVALID``: another form, or not a date of the calendar.

    >>> parse_date_text("2026/06/01") == parse_date_text("２０２６年　６月　１日") == date(2026, 6, 1)
    True
    """
    if match := _WESTERN_TEXT.fullmatch(_without_blanks(text)):
        year, _, *month_and_day = match.groups()
        if day := _day(int(year), _month_and_day(month_and_day)):
            return day
    raise _invalid_date(text, "year, month and day, such as 2026/6/1 or 2026年6月1日")


def parse_wareki_text(text: str) -> date:
    """Return the date of a 和暦 with its era as people write it: ``R8.6.1``, ``令和8年6月1日``, ``令和元年5月1日``.

    Months and days have one or two digits. Full-width characters are accepted, and blanks are ignored. A year after the
    end of its era is accepted, as by :func:`parse_wareki`.

    Raises:
        InvalidInputError: ``DATE_INVALID``: another form, or not a date of the calendar.

    >>> parse_wareki_text("R8.6.1"), parse_wareki_text("令和 元年 5月 1日")
    (datetime.date(2026, 6, 1), datetime.date(2019, 5, 1))
    """
    if match := _WAREKI_TEXT.fullmatch(_without_blanks(text).upper()):
        era, number, _, *month_and_day = match.groups()
        year = 1 if number == "元" else int(number)
        day = _day(_YEARS_BEFORE_ERA[_ERA_DIGITS[era[0]]] + year, _month_and_day(month_and_day)) if year else None
        if day:
            return day
    raise _invalid_date(text, "era, year, month and day, such as R8.6.1 or 令和8年6月1日")


def _without_blanks(text: str) -> str:
    """Return a text in half-width characters (NFKC) without blanks."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def _month_and_day(groups: list[str | None]) -> str:
    """Return ``MMDD`` of the groups of :data:`_DAY_TEXT`, two of which have matched."""
    return "".join(digits.zfill(2) for digits in groups if digits)


def _era_days(text: str) -> list[date]:
    if not _are_digits(text, 6) or text[:2] == "00":
        return []
    return [day for before in _YEARS_BEFORE_ERA.values() if (day := _day(before + int(text[:2]), text[2:]))]


def _western_days(text: str) -> list[date]:
    if not _are_digits(text, 6):
        return []
    return [day for century in range(1800, 2200, 100) if (day := _day(century + int(text[:2]), text[2:]))]


def infer_era(text: str, reference: date, *, years_back: int = YEARS_BACK, years_ahead: int = YEARS_AHEAD) -> date:
    """Return the date of a 和暦 ``YYMMDD`` without its era: among the five eras, the date nearest to ``reference``.

    Raises:
        InvalidInputError: not six digits or not a date in any era (``DATE_INVALID``); no date within ``years_back`` and
            ``years_ahead`` of the reference date (``DATE_TOO_FAR``), even if a western year (26 for 2026) would be.

    >>> infer_era("010501", date(2019, 6, 1)), infer_era("010501", date(1989, 6, 1))
    (datetime.date(2019, 5, 1), datetime.date(1989, 5, 1))
    """
    window = _DateWindow(reference, 12 * years_back, 12 * years_ahead)
    return window.nearest(text, _era_days(text), _western_days(text), "YYMMDD of an era (和暦)")


def infer_century(text: str, reference: date, *, years_back: int = YEARS_BACK, years_ahead: int = YEARS_AHEAD) -> date:
    """Return the date of a western ``YYMMDD``: among all centuries, the date nearest to ``reference``.

    Raises:
        InvalidInputError: not six digits or not a date of the calendar (``DATE_INVALID``); no date within
            ``years_back`` and ``years_ahead`` of the reference date (``DATE_TOO_FAR``).

    >>> infer_century("260401", date(2026, 4, 15))
    datetime.date(2026, 4, 1)
    """
    window = _DateWindow(reference, 12 * years_back, 12 * years_ahead)
    return window.nearest(text, _western_days(text), [], "YYMMDD")


def infer_era_or_century(
    text: str, reference: date, *, years_back: int = YEARS_BACK, years_ahead: int = YEARS_AHEAD
) -> date:
    """Return the date of a ``YYMMDD`` whose year is 和暦 or western: the date nearest to ``reference``.

    The readings of one text are at least 11 years apart, so at most one is within the default distance.

    Raises:
        InvalidInputError: as :func:`infer_era`.

    >>> infer_era_or_century("260401", date(2026, 4, 15)), infer_era_or_century("080401", date(2026, 4, 15))
    (datetime.date(2026, 4, 1), datetime.date(2026, 4, 1))
    """
    window = _DateWindow(reference, 12 * years_back, 12 * years_ahead)
    return window.nearest(text, _era_days(text) + _western_days(text), [], "YYMMDD, 和暦 or western")


def infer_year(text: str, reference: date, *, months: int = MONTHS) -> date:
    """Return the date of an ``MMDD`` without its year: the date nearest to ``reference``, in its year or another.

    Raises:
        InvalidInputError: not four digits or not a date in any year (``DATE_INVALID``); no date within ``months`` of
            the reference date (``DATE_TOO_FAR``), such as 0229 far from a leap year.

    >>> infer_year("0104", date(2025, 12, 26)), infer_year("1226", date(2026, 1, 5))
    (datetime.date(2026, 1, 4), datetime.date(2025, 12, 26))
    """
    # At most eight years lie between two leap days: 1896-02-29, 1904-02-29.
    years = range(max(reference.year - 8, 1), min(reference.year + 8, 9999) + 1) if _are_digits(text, 4) else ()
    days = [day for year in years if (day := _day(year, text))]
    return _DateWindow(reference, months, months).nearest(text, days, [], "MMDD")


def format_wareki(day: date, *, with_era: bool = False) -> str:
    """Return a date as 和暦 ``YYMMDD``, or as ``EYYMMDD`` with the era digit if ``with_era``.

    Raises:
        InvalidInputError: ``DATE_INVALID``: a date before 明治 (1868-01-25), or after year 99 of its era.

    >>> format_wareki(date(2019, 4, 30)), format_wareki(date(2019, 5, 1), with_era=True)
    ('310430', '5010501')
    """
    era = next((digit for digit, first in _FIRST_DAYS.items() if day >= first), "")
    if not era or day.year - _YEARS_BEFORE_ERA[era] > 99:
        expected = f"{_FIRST_DAYS['1']} to {_YEARS_BEFORE_ERA['5'] + 99}-12-31"
        raise InvalidInputError([Issue("DATE_INVALID", expected=expected, found=str(day))])
    return f"{era if with_era else ''}{day.year - _YEARS_BEFORE_ERA[era]:02d}{day:%m%d}"


def format_wareki_text(day: date, *, with_kanji: bool = False) -> str:
    """Return a date as 和暦 with its era: ``R8.6.1``, or ``令和8年6月1日`` with kanji.

    Raises:
        InvalidInputError: ``DATE_INVALID``, as :func:`format_wareki`.

    >>> format_wareki_text(date(2026, 6, 1)), format_wareki_text(date(2026, 6, 1), with_kanji=True)
    ('R8.6.1', '令和8年6月1日')
    """
    digits = format_wareki(day, with_era=True)
    letter, name = _ERA_NAMES[digits[0]]
    year = int(digits[1:3])
    return f"{name}{year}年{day.month}月{day.day}日" if with_kanji else f"{letter}{year}.{day.month}.{day.day}"


def require_date(name: str, value: object) -> date:
    """Return ``value`` if it is a ``date`` and not a ``datetime``.

    ``datetime`` is a subclass of ``date``, so a type checker accepts it, but it is never equal to a ``date`` and never
    a member of a set of dates. The date of a moment depends on a time zone, so only the caller can convert it.

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
