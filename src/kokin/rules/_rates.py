"""The yearly rates (割合) and the statutory rates (法定利率) as values, and the periods in which one rate applies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self, TypeAlias

from kokin.issues import InvalidInputError, Issue
from kokin.text import require_date

#: Which days are summed before the sum is cut to whole yen: those of a year, of a rate, of a part, or all (``none``).
Segment: TypeAlias = Literal["year", "rate", "part", "none"]
RateName: TypeAlias = Literal["reduced", "full", "refund", "stay"]

SEGMENTS = ("year", "rate", "part", "none")

#: Rates are counted in hundredths of a percent: yen × rate × days / 3,650,000. A year is 365 days in leap years too
#: (利率等の表示の年利建て移行に関する法律25).
RATE_DENOMINATOR = 365 * 10_000

#: The first year whose rates follow from the average lending rate (平均貸付割合, 地方税法附則3の2).
FIRST_AVERAGE_YEAR = 2014

# The first year in which 還付加算金 and 猶予 add 0.5 to the average (令和2年法律第5号); before it they add 1.0.
_FIRST_YEAR_OF_HALF_A_PERCENT = 2021


class RateMissingError(InvalidInputError):
    """A day for which the table has no rate; add the year with :func:`load_rates` or :meth:`RateTable.with_average`."""


class Rates(NamedTuple):
    """The rates of one calendar year, in hundredths of a percent."""

    reduced: int
    """延滞金 in the first month (or months, by ordinance)."""
    full: int
    """延滞金 after it."""
    refund: int
    """還付加算金."""
    stay: int | None = None
    """延滞金 during a stay of collection (猶予); None if no source of it is known."""

    @classmethod
    def from_average(cls, year: int, average: Decimal | int | str) -> Self:
        """Return the rates of a year that follow from the average lending rate (平均貸付割合), in percent.

        reduced = a + 2.0, full = a + 8.3, refund = stay = a + 0.5, in 2014 to 2020 a + 1.0; at most 7.3 and 14.6
        (地方税法附則3の2). The 財務大臣 announces *a* by 30 November of the year before (租特法93②).

        Raises:
            InvalidInputError: the average is not 0 to 20 percent with at most two decimals, or the year is before 2014.

        >>> Rates.from_average(2026, "0.8")
        Rates(reduced=280, full=910, refund=130, stay=130)
        """
        percent = as_percent(average)
        if not is_rate(percent):
            raise InvalidInputError(
                [Issue("RATE_INVALID", field="average", expected="0.00 to 20.00", found=str(average))]
            )
        if year < FIRST_AVERAGE_YEAR:
            expected = f"{FIRST_AVERAGE_YEAR} or later"
            raise InvalidInputError([Issue("RATE_YEARS", field="years", expected=expected, found=str(year))])
        hundredths = int(percent * 100)
        low = min(hundredths + (50 if year >= _FIRST_YEAR_OF_HALF_A_PERCENT else 100), 730)
        return cls(min(hundredths + 200, 730), min(hundredths + 830, 1_460), low, low)


class StatutoryRate(NamedTuple):
    """A statutory rate of interest (法定利率), for debts whose delay began in a period."""

    first_day: date
    last_day: date
    rate: int
    """In hundredths of a percent."""


class RatePeriod(NamedTuple):
    """Days to which one rate applies, both ends included; ``rate`` in hundredths of a percent."""

    first_day: date
    last_day: date
    rate: int


@dataclass(frozen=True)
class RateTable:
    """Rates by calendar year, and statutory rates by the first day of delay; both without a gap.

    Raises:
        RateMissingError: there is a gap between the first and the last year.
        InvalidInputError: the statutory rates are not one after the other.
    """

    years: Mapping[int, Rates]
    statutory: tuple[StatutoryRate, ...] = ()

    def __post_init__(self) -> None:
        known = sorted(self.years)
        gaps = set(range(known[0], known[-1] + 1)) - set(known) if known else set()
        if gaps:
            raise RateMissingError([Issue("RATE_MISSING", found=str(year)) for year in sorted(gaps)])
        object.__setattr__(self, "years", MappingProxyType({year: self.years[year] for year in known}))
        statutory = tuple(sorted(self.statutory))
        object.__setattr__(self, "statutory", statutory)
        for before, after in pairwise(statutory):
            if (after.first_day - before.last_day).days != 1:
                found = f"{before.last_day}, {after.first_day}"
                raise InvalidInputError([Issue("RATE_OVERLAP", field="statutory", found=found)])

    def rate(self, name: RateName, year: int) -> int:
        """Return one rate of a calendar year in hundredths of a percent.

        Raises:
            RateMissingError: the year is not in the table, or the table has no such rate for it.
        """
        rate: int | None = getattr(self.years[year], name) if year in self.years else None
        if rate is None:
            known = [year for year, rates in self.years.items() if getattr(rates, name) is not None]
            expected = f"{min(known)} to {max(known)}" if known else ""
            raise RateMissingError([Issue("RATE_MISSING", expected=expected, found=str(year))])
        return rate

    def with_average(self, year: int, average: Decimal | int | str) -> RateTable:
        """Return this table with the rates of one year that follow from the announced average lending rate, in percent.

        Raises:
            InvalidInputError: the average is not a rate, or the year is before 2014.
            RateMissingError: there is a gap between the year and the others.
        """
        return RateTable({**self.years, year: Rates.from_average(year, average)}, self.statutory)

    def statutory_rate(self, first_day: date) -> Decimal:
        """Return the statutory rate in percent for a debt whose delay (遅滞) began on a day.

        The rate of the first day of delay applies until the debt is paid (民法404, 419①).

        Raises:
            RateMissingError: the day lies after the last rate, which is reviewed every three years (民法404③).
            TypeError: a ``datetime``.
        """
        require_date("first_day", first_day)
        for period in self.statutory:
            if period.first_day <= first_day <= period.last_day:
                return Decimal(period.rate) / 100
        raise self.statutory_missing(first_day)

    def statutory_missing(self, first_day: date) -> RateMissingError:
        """Return the error for a day without a statutory rate."""
        known = f"{self.statutory[0].first_day} to {self.statutory[-1].last_day}" if self.statutory else ""
        return RateMissingError([Issue("RATE_MISSING", expected=known, found=str(first_day))])


def rate_periods(rate_of: Callable[[int], int], first_year: int, last_year: int, *, by_year: bool) -> list[RatePeriod]:
    """Return the periods that cover whole calendar years, with ``rate_of(year)`` as their rates.

    One period a year, or one for each change of the rate.
    """
    periods: list[RatePeriod] = []
    for year in range(first_year, last_year + 1):
        rate, opens = rate_of(year), date(year, 1, 1)
        if not by_year and periods and periods[-1].rate == rate:
            opens = periods.pop().first_day
        periods.append(RatePeriod(opens, date(year, 12, 31), rate))
    return periods


def as_percent(value: Any) -> Any:
    """Return the text of a number of percent as a ``Decimal``, and any other value as it is."""
    is_text = isinstance(value, str) and value.isascii() and value.replace(".", "", 1).isdecimal()
    return Decimal(value) if is_text else value


def is_rate(percent: Any) -> bool:
    """Whether a value is a rate: a number of percent from 0 to 20 with at most two decimals.

    20 is above every legal rate (利息制限法1) and keeps the product of a column within 64 bits.
    """
    if not isinstance(percent, int | Decimal) or isinstance(percent, bool) or not Decimal(percent).is_finite():
        return False
    return 0 <= percent <= 20 and percent * 100 == int(percent * 100)
