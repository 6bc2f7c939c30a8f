"""Days as old files write them: 和暦 without an era, months and days without a year.

What is not in the text is assumed from a reference date that the caller gives, and the names say so. Nothing here asks
for today: the same file must give the same days next year.
"""

from __future__ import annotations

from datetime import date

from kokin.issues import Issue, RefusedError

# The year before the first of each era, by the digit that files write for it: 明治, 大正, 昭和, 平成, 令和.
_ERAS = {"1": 1867, "2": 1911, "3": 1925, "4": 1988, "5": 2018}


def _refused(text: str, expected: str) -> RefusedError:
    return RefusedError([Issue("DATE_INVALID", expected=expected, found=text[:12] if text.isascii() else "")])


def _day(year: int, month_day: str) -> date | None:
    try:
        return date(year, int(month_day[:2]), int(month_day[2:]))
    except ValueError:
        return None


def _nearest(days: list[date], reference: date) -> date | None:
    return min(days, key=lambda day: (abs(day - reference), reference >= day), default=None)


def _are_digits(text: str, width: int) -> bool:
    return len(text) == width and text.isascii() and text.isdigit()


def era_day(text: str) -> date:
    """The day of ``EYYMMDD``, its era by digit: 1 明治, 2 大正, 3 昭和, 4 平成, 5 令和.

    A year past the end of its era is taken as it is counted: eLTAX once asked for 平成32 in January 2020.

    Raises:
        RefusedError: not seven digits, or no day of the calendar.

    >>> era_day("5010501"), era_day("4320120")
    (datetime.date(2019, 5, 1), datetime.date(2020, 1, 20))
    """
    if _are_digits(text, 7) and text[0] in _ERAS and text[1:3] != "00":
        day = _day(_ERAS[text[0]] + int(text[1:3]), text[3:])
        if day:
            return day
    raise _refused(text, "era digit 1-5 and YYMMDD")


def assume_era(text: str, reference: date) -> date:
    """The day of a 和暦 ``YYMMDD`` without its era: of the five eras, the day nearest to ``reference``.

    Raises:
        RefusedError: not six digits, or no day of the calendar in any era.

    >>> assume_era("010501", date(2019, 6, 1)), assume_era("010501", date(1989, 6, 1))
    (datetime.date(2019, 5, 1), datetime.date(1989, 5, 1))
    """
    if _are_digits(text, 6) and text[:2] != "00":
        days = [day for before in _ERAS.values() if (day := _day(before + int(text[:2]), text[2:]))]
        nearest = _nearest(days, reference)
        if nearest:
            return nearest
    raise _refused(text, "YYMMDD of an era (和暦)")


def assume_year(text: str, reference: date) -> date:
    """The day of an ``MMDD`` without its year: the one nearest to ``reference``, so that New Year is no trap.

    Raises:
        RefusedError: not four digits, or no day of the calendar within eight years.

    >>> assume_year("0104", date(2025, 12, 26)), assume_year("1226", date(2026, 1, 5))
    (datetime.date(2026, 1, 4), datetime.date(2025, 12, 26))
    """
    if _are_digits(text, 4):
        # 02-29 has no day in most years; between two leap years lie at most eight.
        for reach in (1, 8):
            years = range(max(reference.year - reach, 1), min(reference.year + reach, 9999) + 1)
            nearest = _nearest([day for year in years if (day := _day(year, text))], reference)
            if nearest:
                return nearest
    raise _refused(text, "MMDD")


def era_text(day: date) -> str:
    """The ``YYMMDD`` of a day in the era it stands in, as a file without eras has it.

    >>> era_text(date(2019, 4, 30)), era_text(date(2019, 5, 1))
    ('310430', '010501')
    """
    starts = {"5": date(2019, 5, 1), "4": date(1989, 1, 8), "3": date(1926, 12, 25), "2": date(1912, 7, 30)}
    era = next((digit for digit, start in starts.items() if day >= start), "1")
    return f"{day.year - _ERAS[era]:02d}{day:%m%d}"
