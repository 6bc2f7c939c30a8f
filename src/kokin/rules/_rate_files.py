"""Files of rates: the shipped table, the years that an authority adds, and a check of a new row."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from kokin.issues import InvalidInputError, Issue, Location
from kokin.rules._rates import FIRST_AVERAGE_YEAR, Rates, RateTable, StatutoryRate, is_rate
from kokin.text import load_toml

_ROW_FIELDS = frozenset({"years", "average", "source", *Rates._fields})
_STATUTORY_FIELDS = frozenset({"first_day", "last_day", "rate", "source"})
_REQUIRED_RATES = ("reduced", "full", "refund")


class _RateFile(NamedTuple):
    """The rows of a file of rates."""

    years: dict[int, Rates]
    statutory: tuple[StatutoryRate, ...]
    #: The location of each year.
    locations: dict[int, Location]


def load_rates(path: str | os.PathLike[str]) -> RateTable:
    """Return the shipped rates, with those of a TOML file added or replaced: the year that was just announced.

    The file has rows ``[[rates]]`` with ``years = [first, last]`` and either ``average``, the announced average
    lending rate (平均貸付割合), or ``reduced``, ``full``, ``refund`` and optionally ``stay``, all in percent. Rows
    ``[[statutory]]`` with ``first_day``, ``last_day`` and ``rate`` add statutory rates (法定利率). The order of the
    rows has no meaning. :func:`check_rates` reports a row that is probably a typing error.

    Raises:
        InvalidInputError: the file is not TOML in UTF-8, a row is not of this form, or two rows have the same year.
        OSError: the file cannot be read.
        RateMissingError: there is a gap between the years of the file and the shipped ones.
    """
    added = _read(Path(path))
    return _extended(added)


def check_rates(path: str | os.PathLike[str]) -> list[Issue]:
    """Return the issues of a file of rates: what :func:`load_rates` rejects, and rates that are not plausible.

    From 2014 all rates of a year follow from one announced number (地方税法附則3の2), so a row whose rates do not agree
    has a typing error (``RATE_IMPLAUSIBLE``, a warning): ``expected`` is the rate that agrees with the others.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        added = _read(Path(path))
        _extended(added)
    except InvalidInputError as error:
        return list(error.issues)
    return [
        issue.with_location(added.locations[year])
        for year, rates in sorted(added.years.items())
        if year >= FIRST_AVERAGE_YEAR
        for issue in _implausible(year, rates)
    ]


def _implausible(year: int, rates: Rates) -> list[Issue]:
    """Return an issue for each rate that does not follow from the average on which most rates of the year agree."""
    margins = Rates.from_average(year, 0)
    found = {name: getattr(rates, name) for name in Rates._fields if getattr(rates, name) is not None}
    averages = sorted(rate - getattr(margins, name) for name, rate in found.items())
    average = Decimal(max(averages[(len(averages) - 1) // 2], 0)) / 100
    expected = Rates.from_average(year, average)
    return [
        Issue(
            "RATE_IMPLAUSIBLE",
            field=name,
            expected=f"{Decimal(getattr(expected, name)) / 100:.2f} (average {average:.2f})",
            found=f"{Decimal(rate) / 100:.2f}",
        )
        for name, rate in found.items()
        if rate != getattr(expected, name)
    ]


def _extended(added: _RateFile) -> RateTable:
    return RateTable({**RATES.years, **added.years}, (*RATES.statutory, *added.statutory))


def _read(path: Path | Traversable) -> _RateFile:
    """Return the rows of a file of rates."""
    tables, file = load_toml(path, parse_float=Decimal), path.name
    rows, statutory_rows = (_rows(tables, name, file) for name in ("rates", "statutory"))
    if not rows and not statutory_rows:
        raise InvalidInputError([Issue("TOML_INVALID", field="rates", expected="[[rates]]", location=Location(file))])
    issues: list[Issue] = []
    years: dict[int, Rates] = {}
    locations: dict[int, Location] = {}
    for record, row in enumerate(rows, start=1):
        location = Location(file, record)
        row_issues = _check_row(row)
        if not row_issues:
            first, last = row["years"]
            span = range(first, last + 1)
            row_issues = [Issue("RATE_OVERLAP", field="years", found=str(y)) for y in span if y in years]
            years |= {year: _rates_of(row, year) for year in span}
            locations |= dict.fromkeys(span, location)
        issues += [issue.with_location(location) for issue in row_issues]
    for record, row in enumerate(statutory_rows, start=1):
        issues += [issue.with_location(Location(file, record)) for issue in _check_statutory(row)]
    if issues:
        raise InvalidInputError(issues, "rates rejected")
    statutory = (StatutoryRate(row["first_day"], row["last_day"], int(row["rate"] * 100)) for row in statutory_rows)
    return _RateFile(years, tuple(statutory), locations)


def _rows(tables: Mapping[str, Any], name: str, file: str) -> Sequence[Mapping[str, Any]]:
    rows = tables.get(name, [])
    if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
        raise InvalidInputError([Issue("TOML_INVALID", field=name, expected=f"[[{name}]]", location=Location(file))])
    return rows


def _rates_of(row: Mapping[str, Any], year: int) -> Rates:
    if "average" in row:
        return Rates.from_average(year, row["average"])
    return Rates(**{name: int(row[name] * 100) for name in Rates._fields if name in row})


def _check_row(row: Mapping[str, Any]) -> list[Issue]:
    """Return the issues of one row of yearly rates."""
    unknown = [name for name in row if name not in _ROW_FIELDS or ("average" in row and name in Rates._fields)]
    span = row.get("years")
    is_span = isinstance(span, list) and len(span) == 2 and all(type(year) is int for year in span)
    issues = [] if is_span else [Issue("FIELD_TYPE", field="years", expected="[first, last]")]
    if isinstance(span, list) and is_span:
        first = FIRST_AVERAGE_YEAR if "average" in row else 1
        if not first <= span[0] <= span[1] <= date.max.year:
            expected = f"[first, last], from {first}"
            issues = [Issue("RATE_YEARS", field="years", expected=expected, found=str(span))]
    names = ("average",) if "average" in row else (*_REQUIRED_RATES, *(["stay"] if "stay" in row else []))
    return [
        *(Issue("FIELD_UNKNOWN", field=name) for name in unknown),
        *issues,
        *(
            Issue("RATE_INVALID", field=name, expected="0.00 to 20.00", found=str(row.get(name, "")))
            for name in names
            if not is_rate(row.get(name))
        ),
    ]


def _check_statutory(row: Mapping[str, Any]) -> list[Issue]:
    """Return the issues of one row of statutory rates."""
    issues = [Issue("FIELD_UNKNOWN", field=name) for name in row if name not in _STATUTORY_FIELDS]
    first_day, last_day = (_day_or_none(row.get(name)) for name in ("first_day", "last_day"))
    if first_day is None or last_day is None or first_day > last_day:
        issues.append(Issue("FIELD_TYPE", field="first_day, last_day", expected="two dates in order"))
    if not is_rate(row.get("rate")):
        issues.append(Issue("RATE_INVALID", field="rate", expected="0.00 to 20.00", found=str(row.get("rate", ""))))
    return issues


def _day_or_none(value: Any) -> date | None:
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _shipped() -> RateTable:
    table = _read(resources.files("kokin.rules") / "rates.toml")
    return RateTable(table.years, table.statutory)


#: The rates that Kokin ships (``rates.toml``): yearly rates from 1999, statutory rates to 31 March 2029.
RATES = _shipped()
