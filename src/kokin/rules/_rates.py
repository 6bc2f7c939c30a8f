"""The yearly rates (割合) as data, and the periods in which one rate applies."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from kokin.issues import InvalidInputError, Issue, Location
from kokin.text import load_toml

#: Where a segment ends and is cut to whole yen: at each 31 December, or only where the rate changes.
Segment: TypeAlias = Literal["year", "rate"]
RateName: TypeAlias = Literal["reduced", "full", "refund"]

SEGMENTS = ("year", "rate")

#: Rates are counted in hundredths of a percent: yen × rate × days / 3,650,000. A year is 365 days in leap years too
#: (利率等の表示の年利建て移行に関する法律25).
RATE_DENOMINATOR = 365 * 10_000


class RateMissingError(InvalidInputError):
    """A day lies in a year whose rates are not in the table; add them with :func:`load_rates`."""


class Rates(NamedTuple):
    """The rates of one calendar year, in hundredths of a percent."""

    reduced: int
    """延滞金 to the end of the first month."""
    full: int
    """延滞金 after the first month."""
    refund: int
    """還付加算金."""


class RatePeriod(NamedTuple):
    """Days to which one rate applies, both ends included; ``rate`` in hundredths of a percent."""

    first_day: date
    last_day: date
    rate: int


@dataclass(frozen=True)
class RateTable:
    """Rates by calendar year, without a gap.

    Raises:
        RateMissingError: there is a gap between the first and the last year.
    """

    years: Mapping[int, Rates]

    def __post_init__(self) -> None:
        known = sorted(self.years)
        gaps = set(range(known[0], known[-1] + 1)) - set(known) if known else set()
        if gaps:
            raise RateMissingError([Issue("RATE_MISSING", found=str(year)) for year in sorted(gaps)])
        object.__setattr__(self, "years", MappingProxyType({year: self.years[year] for year in known}))

    def rate(self, name: RateName, year: int) -> int:
        """Return one rate of a calendar year in hundredths of a percent.

        Raises:
            RateMissingError: the year is not in the table.
        """
        if year not in self.years:
            known = f"{min(self.years)} to {max(self.years)}" if self.years else ""
            raise RateMissingError([Issue("RATE_MISSING", expected=known, found=str(year))])
        return cast(int, getattr(self.years[year], name))


def rate_periods(rate_of: Callable[[int], int], first_year: int, last_year: int, segment: Segment) -> list[RatePeriod]:
    """Return the periods that cover whole calendar years, with ``rate_of(year)`` as their rates.

    One period a year, or with ``segment="rate"`` one for each change of the rate.
    """
    periods: list[RatePeriod] = []
    for year in range(first_year, last_year + 1):
        rate, opens = rate_of(year), date(year, 1, 1)
        if segment == "rate" and periods and periods[-1].rate == rate:
            opens = periods.pop().first_day
        periods.append(RatePeriod(opens, date(year, 12, 31), rate))
    return periods


def is_rate(percent: Any) -> bool:
    """Whether a value is a rate: a number of percent from 0 to 20 with at most two decimals.

    20 is above every legal rate (利息制限法1) and keeps the product of a column within 64 bits.
    """
    if not isinstance(percent, int | Decimal) or not Decimal(percent).is_finite():
        return False
    return 0 <= percent <= 20 and percent * 100 == int(percent * 100)


def _read(path: Path | Traversable) -> dict[int, Rates]:
    """Return the rows of a file of rates, by year."""
    rows, file = load_toml(path, parse_float=Decimal).get("rates"), path.name
    if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
        raise InvalidInputError([Issue("TOML_INVALID", field="rates", expected="[[rates]]", location=Location(file))])
    issues: list[Issue] = []
    years: dict[int, Rates] = {}
    for record, row in enumerate(rows, start=1):
        location = Location(file, record)
        row_issues = _check_row(row, location)
        if not row_issues:
            first, last = row["years"]
            span = range(first, last + 1)
            row_issues = [
                Issue("RATE_OVERLAP", field="years", found=str(y), location=location) for y in span if y in years
            ]
            years |= dict.fromkeys(span, Rates(*(int(row[name] * 100) for name in Rates._fields)))
        issues += row_issues
    if issues:
        raise InvalidInputError(issues, "rates rejected")
    return years


def _check_row(row: Mapping[str, Any], location: Location) -> list[Issue]:
    """Return the issues of one row of a file of rates."""
    span = row.get("years")
    is_span = isinstance(span, list) and len(span) == 2 and all(type(year) is int for year in span)
    issues = [] if is_span else [Issue("FIELD_TYPE", field="years", expected="[first, last]", location=location)]
    if isinstance(span, list) and is_span and not 1 <= span[0] <= span[1] <= date.max.year:
        issues = [Issue("RATE_YEARS", field="years", expected="[first, last]", found=str(span), location=location)]
    invalid = [name for name in Rates._fields if not is_rate(row.get(name))]
    return issues + [Issue("RATE_INVALID", field=name, expected="0.00 to 20.00", location=location) for name in invalid]


#: The rates that Kokin ships (``rates.toml``).
RATES = RateTable(_read(resources.files("kokin.rules") / "rates.toml"))


def load_rates(path: str | os.PathLike[str]) -> RateTable:
    """Return the shipped rates, with those of a TOML file added or replaced: the year that was just announced.

    The file has rows ``[[rates]]`` with ``years = [first, last]`` and ``reduced``, ``full``, ``refund`` in percent. The
    order of the rows has no meaning.

    Raises:
        InvalidInputError: the file is not TOML in UTF-8, a row is not of this form, or two rows have the same year.
        OSError: the file cannot be read.
        RateMissingError: there is a gap between the years of the file and the shipped ones.
    """
    return RateTable({**RATES.years, **_read(Path(path))})
