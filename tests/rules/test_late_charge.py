"""Late charges and refund interest: worked examples, rules of real ordinances, and a count day by day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.issues import InvalidInputError
from kokin.rules import (
    RATES,
    LateChargeRule,
    RateMissingError,
    Rates,
    RateTable,
    late_charge,
    late_charge_segments,
    load_rates,
    refund_interest,
)
from tests.support import examples

D = date.fromisoformat

# principal, 納期限, paid, by year, by rate
VECTORS = [
    (56_400, "2026-02-02", "2026-05-29", 1_300, 1_300),
    (123_400, "2025-10-31", "2026-03-31", 3_900, 3_900),
    (50_000, "2024-01-30", "2024-12-02", 3_300, 3_300),
    (1_999, "2020-06-30", "2026-06-30", 0, 0),
    (2_000, "2020-06-30", "2026-06-30", 1_000, 1_000),
    (100_000, "2026-06-30", "2026-07-31", 0, 0),
    (41_900, "2025-06-02", "2025-10-01", 0, 0),
    (42_000, "2025-06-02", "2025-10-02", 1_000, 1_000),
    (300_000, "2013-07-31", "2014-03-31", 22_500, 22_500),
    (22_000, "2022-08-30", "2025-11-28", 6_000, 6_100),
    (49_000, "2022-06-30", "2025-11-28", 14_200, 14_300),
    # An official example of a city with three segments (豊橋市): 133 + 2,883 + 480 = 3,496.
    (65_000, "2021-05-31", "2022-01-31", 3_400, 3_400),
]


@pytest.mark.parametrize(("principal", "due_on", "paid_on", "by_year", "by_rate"), VECTORS)
def test_a_late_charge_is_that_of_the_worked_example(
    principal: int, due_on: str, paid_on: str, by_year: int, by_rate: int
) -> None:
    assert late_charge(principal, D(due_on), D(paid_on)) == by_year
    assert late_charge(principal, D(due_on), D(paid_on), segment="rate") == by_rate


@pytest.mark.parametrize(
    ("principal", "due_on", "paid_on", "segment", "yen"),
    [
        (56_400, "2026-02-02", "2026-05-29", "year", [120, 1_228]),
        (65_000, "2021-05-31", "2022-01-31", "year", [133, 2_883, 480]),
        (22_000, "2022-08-30", "2025-11-28", "year", [44, 482, 1_914, 1_919, 1_740]),
        (22_000, "2022-08-30", "2025-11-28", "rate", [44, 6_056]),
        (49_000, "2022-06-30", "2025-11-28", "year", [99, 1_786, 4_263, 4_274, 3_877]),
        (49_000, "2022-06-30", "2025-11-28", "rate", [99, 14_202]),
    ],
)
def test_segments_are_those_of_the_worked_example(
    principal: int, due_on: str, paid_on: str, segment: str, yen: list[int]
) -> None:
    lines = late_charge_segments(principal, D(due_on), D(paid_on), segment)
    assert [line.yen for line in lines] == yen


@pytest.mark.parametrize(
    ("due_on", "last_reduced_day"),
    [
        ("2024-01-30", "2024-02-29"),  # no 31 February: the end of the month
        ("2024-01-29", "2024-02-29"),
        ("2024-01-28", "2024-02-28"),
        ("2026-01-31", "2026-02-28"),
        ("2026-04-30", "2026-05-31"),  # counted from the first of a month: a whole month
        ("2025-10-31", "2025-11-30"),
        ("2025-12-15", "2026-01-15"),
    ],
)
def test_the_reduced_rate_ends_with_the_first_month(due_on: str, last_reduced_day: str) -> None:
    rule = LateChargeRule(reduced_rate="7.3", full_rate="14.6")
    reduced, full = late_charge_segments(100_000, D(due_on), D(due_on) + timedelta(days=60), "rate", rule=rule)
    assert (reduced.first_day, reduced.last_day) == (D(due_on) + timedelta(days=1), D(last_reduced_day))
    assert (full.first_day, full.rate) == (D(last_reduced_day) + timedelta(days=1), Decimal("14.6"))


@pytest.mark.parametrize(
    ("amount", "segments", "expected"),
    [
        # 274 days of 2025 at 0.9 %, 90 of 2026 at 1.3 %: 995 yen is below 1,000, 1,992 is cut to hundreds.
        (100_500, [100_000 * 9 * 274 // 365_000, 100_000 * 13 * 90 // 365_000], 0),
        (200_500, [200_000 * 9 * 274 // 365_000, 200_000 * 13 * 90 // 365_000], 1_900),
        (1_999, [0, 0], 0),
    ],
)
def test_refund_interest_is_that_of_the_worked_example(amount: int, segments: list[int], expected: int) -> None:
    assert (sum(segments) // 100 * 100 if sum(segments) >= 1_000 else 0) == expected
    assert refund_interest(amount, D("2025-04-01"), D("2026-03-31")) == expected


def test_no_charge_accrues_on_the_due_date() -> None:
    assert late_charge_segments(100_000, D("2026-06-30"), D("2026-06-30")) == []
    assert [line.days for line in late_charge_segments(100_000, D("2026-06-30"), D("2026-07-01"))] == [1]


# --- ordinances: every parameter, on the rules of real cities ---------------------------------------------------------

NARUTO = LateChargeRule(
    base_unit=100, threshold=100, minimum=10, rounding=1, reduced_until="demand", reduced_rate="7.3", full_rate="14.6"
)
SASAYAMA = LateChargeRule(minimum=500, reduced_until="demand", reduced_rate="7.3", full_rate="14.6")
TOSASHIMIZU = LateChargeRule(accrues_from="demand")
FIXED_14_6 = LateChargeRule(reduced_until="none", full_rate="14.6")
STATUTORY = LateChargeRule(base_unit=1, threshold=0, minimum=0, rounding=1, reduced_until="none", full_rate="3")


@pytest.mark.parametrize(
    ("rule", "principal", "due_on", "demand_due_on", "paid_on", "expected"),
    [
        # 鳴門市: 100 yen, 7.3 % to the demand's deadline and 14.6 % after it, nothing below 10 yen
        (NARUTO, 10_050, "2025-06-30", "2025-07-30", "2025-08-09", 60 + 40),
        (NARUTO, 10_050, "2025-06-30", None, "2025-08-09", 80),
        (NARUTO, 1_000, "2025-06-30", None, "2025-08-18", 0),  # 9 yen
        (NARUTO, 1_000, "2025-06-30", None, "2025-08-19", 10),
        (NARUTO, 99, "2015-06-30", None, "2025-08-19", 0),
        # 丹波篠山市: below 500 yen nothing, so 500 yen where tax law would ask for none
        (SASAYAMA, 50_000, "2025-06-30", "2025-07-30", "2025-07-30", 0),
        (SASAYAMA, 50_000, "2025-06-30", "2025-08-19", "2025-08-19", 500),
        (LateChargeRule(), 50_000, "2025-06-30", None, "2025-08-19", 0),
        # 土佐清水市: the rules of tax, counted from the demand's deadline; without a demand nothing
        (TOSASHIMIZU, 56_400, "2025-12-01", "2026-02-02", "2026-05-29", 1_300),
        (TOSASHIMIZU, 56_400, "2025-12-01", None, "2026-05-29", 0),
        # 児童扶養手当: 14.6 % from the first day; 365 days of 2024 and a leap day
        (FIXED_14_6, 100_000, "2023-12-31", None, "2024-12-31", 14_600),
        (STATUTORY, 4_400, "2025-06-30", None, "2025-09-30", 4_400 * 3 * 92 // 36_500),
    ],
)
def test_an_ordinance_sets_the_rule(
    rule: LateChargeRule, principal: int, due_on: str, demand_due_on: str | None, paid_on: str, expected: int
) -> None:
    demand = D(demand_due_on) if demand_due_on else None
    assert late_charge(principal, D(due_on), D(paid_on), rule=rule, demand_due_on=demand) == expected


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"reduced_rate": "7.3"}, "RATE_PAIR"),
        ({"full_rate": "14.6"}, "RATE_PAIR"),
        ({"full_rate": "14.6", "reduced_rate": "7.3", "reduced_until": "none"}, "RATE_PAIR"),
        ({"full_rate": "14.605", "reduced_until": "none"}, "RATE_INVALID"),
        ({"full_rate": "146", "reduced_until": "none"}, "RATE_INVALID"),
        ({"full_rate": Decimal("NaN"), "reduced_until": "none"}, "RATE_INVALID"),
        ({"full_rate": 14.6, "reduced_until": "none"}, "FIELD_TYPE"),
        ({"base_unit": 0}, "AMOUNT_RANGE"),
        ({"reduced_until": "week"}, "FIELD_TYPE"),
        ({"round": 100}, "FIELD_UNKNOWN"),
    ],
)
def test_an_invalid_rule_raises(fields: dict[str, object], code: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        LateChargeRule(**fields)
    assert [issue.code for issue in error.value.issues] == [code]


# --- a second implementation, day by day ------------------------------------------------------------------------------


def in_first_month(day: date, due_on: date) -> bool:
    """民法143② literally: a month from the day after the due date."""
    first = due_on + timedelta(days=1)
    months = (day.year - first.year) * 12 + day.month - first.month
    return months == 0 or (months == 1 and day.day < first.day)


def day_by_day(principal: int, due_on: date, paid_on: date, segment: str) -> int:
    if principal < 2_000:
        return 0
    days = [due_on + timedelta(days=i + 1) for i in range((paid_on - due_on).days)]
    reduced = [in_first_month(day, due_on) for day in days]
    keys = [
        (
            is_reduced,
            Decimal(RATES.rate("reduced" if is_reduced else "full", day.year)) / 10_000,
            day.year if segment == "year" else 0,
        )
        for day, is_reduced in zip(days, reduced, strict=True)
    ]
    parts = [int(principal // 1_000 * 1_000 * key[1] * len(list(group)) / 365) for key, group in groupby(keys)]
    return 0 if sum(parts) < 1_000 else sum(parts) // 100 * 100


@settings(max_examples=examples(150), deadline=None)
@given(
    principal=st.integers(0, 5_000_000),
    due_on=st.dates(D("2009-12-31"), D("2026-12-31")),
    late=st.integers(-3, 2_500),
    segment=st.sampled_from(["year", "rate"]),
)
def test_a_late_charge_equals_a_count_day_by_day(principal: int, due_on: date, late: int, segment: str) -> None:
    paid_on = min(due_on + timedelta(days=late), D("2026-12-31"))
    assert late_charge(principal, due_on, paid_on, segment) == day_by_day(principal, due_on, paid_on, segment)


@settings(max_examples=examples(50), deadline=None)
@given(
    principal=st.integers(0, 5_000_000),
    due_on=st.dates(D("2010-01-01"), D("2024-12-31")),
    late=st.integers(1, 2_000),
)
def test_a_late_charge_is_whole_hundreds_and_grows_with_the_days(principal: int, due_on: date, late: int) -> None:
    paid_on = min(due_on + timedelta(days=late), D("2026-12-31"))
    by_year = late_charge(principal, due_on, paid_on)
    by_rate = late_charge(principal, due_on, paid_on, "rate")
    assert by_year % 100 == 0
    assert by_year == 0 or by_year >= 1_000
    assert by_year <= by_rate <= by_year + (1_000 if by_year == 0 else 100)
    assert by_year <= late_charge(principal, due_on, paid_on + timedelta(days=1)) if paid_on < D("2026-12-31") else True
    lines = late_charge_segments(principal, due_on, paid_on)
    assert sum(line.days for line in lines) in (0, (paid_on - due_on).days)


# --- rates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", range(2014, 2027))
def test_rates_follow_from_the_average_lending_rate(year: int) -> None:
    """附則3の2: each rate is the average lending rate plus a constant, so a difference that varies is a typo."""
    rates = RATES.years[year]
    assert rates.full - rates.reduced == 630
    assert rates.reduced - rates.refund == (100 if year <= 2020 else 150)


def test_the_rates_begin_in_2010_and_end_in_2026() -> None:
    assert list(RATES.years) == list(range(2010, 2027))


@pytest.mark.parametrize(
    "compute",
    [
        lambda: late_charge(10_000, D("2026-12-30"), D("2027-01-01")),
        lambda: late_charge(10_000, D("2009-12-30"), D("2010-01-05")),
        lambda: refund_interest(10_000, D("2026-12-30"), D("2027-01-01")),
    ],
)
def test_a_day_in_a_year_without_rates_raises(compute: Callable[[], int]) -> None:
    with pytest.raises(RateMissingError, match=r"RATE_MISSING.*expected 2010 to 2026, found 20(27|09)"):
        compute()


def test_no_rate_is_needed_if_nothing_accrues() -> None:
    assert late_charge(1_999, D("2027-01-31"), D("2028-01-31")) == 0
    assert late_charge(9_999, D("2027-01-31"), D("2027-01-31")) == 0
    assert late_charge(100_000, D("2027-01-31"), D("2028-01-31"), rule=FIXED_14_6) == 14_600


def test_an_authority_adds_a_year(tmp_path) -> None:
    file = tmp_path / "rates.toml"
    file.write_text("[[rates]]\nyears = [2027, 2027]\nreduced = 3.0\nfull = 9.3\nrefund = 1.5\n", encoding="utf-8")
    rates = load_rates(file)
    assert rates.years[2027] == Rates(300, 930, 150)
    assert rates.years[2026] == RATES.years[2026]
    # 31 days at 3.0 %, 28 at 9.3 %
    assert late_charge(365_000, D("2027-01-31"), D("2027-03-31"), rates=rates) == 3_700
    assert 2027 not in RATES.years


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[[rates]]\nyears = 2027\nreduced = 3.0\nfull = 9.3\nrefund = 1.5\n", "years"),
        ("[[rates]]\nyears = [2027, 2027]\nreduced = 3.0\nfull = 9.3\n", "refund"),
        ("[[rates]]\nyears = [2027, 2027]\nreduced = 3.001\nfull = 9.3\nrefund = 1.5\n", "reduced"),
        ("[[rates]]\nyears = [2027, 2027]\nreduced = nan\nfull = 9.3\nrefund = 1.5\n", "reduced"),
        ("[[rates]\n", ""),
        ("[rate]\nyears = [2027, 2027]\n", "rates"),
        ("[[rates]]\nyears = [2027, 2027]\nreduced = '3.0'\nfull = 9.3\nrefund = 1.5\n", "reduced"),
    ],
)
def test_invalid_rates_raise(tmp_path, text: str, field: str) -> None:
    file = tmp_path / "rates.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError) as error:
        load_rates(file)
    assert [issue.field for issue in error.value.issues] == [field]
    assert error.value.issues[0].location.file == "rates.toml"


def test_a_gap_between_years_raises() -> None:
    with pytest.raises(RateMissingError, match="2027"):
        RateTable({**RATES.years, 2028: Rates(300, 930, 150)})


@pytest.mark.parametrize("principal", [-1, 100_000_000_000, 1000.0, True, "1000"])
def test_a_principal_that_is_not_whole_yen_in_range_raises(principal: object) -> None:
    with pytest.raises(InvalidInputError):
        late_charge(principal, D("2026-06-30"), D("2026-07-31"))


def test_an_unknown_segment_raises() -> None:
    with pytest.raises(InvalidInputError, match=r"year \| rate"):
        late_charge(10_000, D("2026-06-30"), D("2026-07-31"), "month")
