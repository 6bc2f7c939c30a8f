"""Due dates, years and limitation, against worked examples and an independent calendar."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.issues import InvalidInputError
from kokin.rules import (
    CALENDAR_YEARS,
    CalendarRangeError,
    YearClass,
    accounts_close_on,
    fiscal_year,
    limitation_ends_on,
    revenue_year,
    shift_due_date,
    year_class,
)
from tests.support import examples

D = date.fromisoformat


@pytest.mark.parametrize(
    ("day", "public", "bank"),
    [
        ("2026-02-28", "2026-03-02", "2026-03-02"),
        ("2025-12-31", "2026-01-05", "2026-01-05"),
        ("2025-12-28", "2026-01-05", "2025-12-29"),
        ("2025-12-29", "2026-01-05", "2025-12-29"),
        ("2026-05-03", "2026-05-07", "2026-05-07"),
        ("2026-05-31", "2026-06-01", "2026-06-01"),
        ("2024-03-31", "2024-04-01", "2024-04-01"),
        ("2026-06-30", "2026-06-30", "2026-06-30"),
        ("2026-09-19", "2026-09-24", "2026-09-24"),  # 敬老の日, 国民の休日, 秋分の日
        ("2019-04-27", "2019-05-07", "2019-05-07"),  # ten days for the accession
        ("2030-12-29", "2031-01-06", "2030-12-30"),
    ],
)
def test_a_due_date_moves_to_the_next_business_day(day: str, public: str, bank: str) -> None:
    assert shift_due_date(D(day)) == D(public)
    assert shift_due_date(D(day), "bank") == D(bank)


@pytest.mark.parametrize("year", range(CALENDAR_YEARS[0], CALENDAR_YEARS[1] + 1))
def test_equinoxes_are_holidays(year: int) -> None:
    """The printed formula for 1980 to 2099 (新こよみ便利帳) as an independent source of 春分の日 and 秋分の日."""
    for month, start in ((3, 20.8431), (9, 23.2488)):
        equinox = date(year, month, int(start + 0.242194 * (year - 1980) - (year - 1980) // 4))
        before = equinox - timedelta(days=1)
        assert shift_due_date(equinox) > equinox
        assert shift_due_date(before) == before or before.weekday() >= 5 or month == 9


def test_the_number_of_business_days_is_that_of_2026() -> None:
    """A calendar with too many holidays would pass the other tests: 2026 has 240 business days for an office."""
    days = [date(2026, 1, 1) + timedelta(days=i) for i in range(365)]
    assert sum(shift_due_date(day) == day for day in days) == 365 - 52 * 2 - 17 - 4
    assert sum(shift_due_date(day, "bank") == day for day in days) == 365 - 52 * 2 - 17 - 2


@pytest.mark.parametrize("day", ["1999-12-31", "2031-01-01", "2099-06-30"])
def test_a_day_outside_the_trusted_years_raises(day: str) -> None:
    with pytest.raises(CalendarRangeError, match=f"{CALENDAR_YEARS[0]} to {CALENDAR_YEARS[1]}"):
        shift_due_date(D(day))


def test_an_unknown_calendar_raises() -> None:
    with pytest.raises(InvalidInputError, match=r"public \| bank"):
        shift_due_date(D("2026-06-30"), "court")


@pytest.mark.parametrize(
    ("day", "year"), [("2026-03-31", 2025), ("2026-04-01", 2026), ("2026-12-31", 2026), ("2027-01-01", 2026)]
)
def test_a_fiscal_year_begins_in_april_and_closes_in_may(day: str, year: int) -> None:
    assert fiscal_year(D(day)) == year
    assert accounts_close_on(year) == date(year + 1, 5, 31)


@pytest.mark.parametrize(
    ("term_ends_on", "received_on", "year"),
    [
        ("2025-06-30", "2025-06-20", 2025),
        ("2025-06-30", "2026-05-31", 2025),  # 出納整理期間
        ("2025-06-30", "2026-06-01", 2026),  # carried over
        ("2025-06-30", "2027-04-10", 2027),  # long carried over: by the day it comes
        ("2024-03-31", "2024-04-01", 2023),  # a Sunday, shifted into April: the term counts, not the shift
        ("2026-04-30", "2026-03-20", 2026),  # paid before its year
    ],
)
def test_the_revenue_year_depends_on_the_term_until_the_accounts_close(
    term_ends_on: str, received_on: str, year: int
) -> None:
    assert revenue_year(D(term_ends_on), D(received_on)) == year


@pytest.mark.parametrize(
    ("charged_for", "assessed_in", "booked_in", "expected"),
    [
        (2026, 2026, 2026, YearClass.CURRENT),
        (2024, 2026, 2026, YearClass.PAST),
        (2025, 2025, 2026, YearClass.CARRIED_OVER),
        (2023, 2025, 2026, YearClass.CARRIED_OVER),
    ],
)
def test_the_class_of_revenue_follows_from_three_years(
    charged_for: int, assessed_in: int, booked_in: int, expected: YearClass
) -> None:
    assert year_class(charged_for, assessed_in, booked_in) is expected


@pytest.mark.parametrize("years", [(2027, 2026, 2026), (2026, 2027, 2026)])
def test_years_out_of_order_raise(years: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidInputError, match="YEAR_ORDER"):
        year_class(*years)


@pytest.mark.parametrize(
    ("after", "years", "end"),
    [
        ("2026-06-30", 5, "2031-06-30"),
        ("2026-06-30", 2, "2028-06-30"),
        ("2020-02-28", 5, "2025-02-28"),  # from 29 February: no such day in 2025
        ("2019-02-28", 5, "2024-02-29"),  # from 1 March, so to the end of February
        ("2024-02-29", 5, "2029-02-28"),
    ],
)
def test_limitation_ends_years_after_the_due_date(after: str, years: int, end: str) -> None:
    assert limitation_ends_on(D(after), years) == D(end)


@settings(max_examples=examples(100), deadline=None)
@given(after=st.dates(D("1950-01-01"), D("2090-12-31")), years=st.integers(1, 10))
def test_limitation_equals_a_count_from_the_first_day(after: date, years: int) -> None:
    """dateutil clips a missing day to the end of the month; then the period ends on that day, not before it."""
    first = after + timedelta(days=1)
    answering = first + relativedelta(years=years)
    expected = answering if answering.day != first.day else answering - timedelta(days=1)
    assert limitation_ends_on(after, years) == expected


def test_limitation_of_no_years_raises() -> None:
    with pytest.raises(InvalidInputError):
        limitation_ends_on(D("2026-06-30"), 0)
