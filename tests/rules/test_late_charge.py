"""Late charges and refund interest: worked examples, rules of real ordinances, and a count day by day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.issues import InvalidInputError
from kokin.rules import (
    LOCAL_TAX,
    RATES,
    STATUTORY_INTEREST,
    LateChargeRule,
    RateMissingError,
    Rates,
    RateTable,
    columns,
    late_charge,
    late_charge_segments,
    load_rates,
    period_end,
    refund_interest,
    setoff_date,
)
from tests.rules.strategies import Debt, debts, late_charge_rules
from tests.support import examples

D = date.fromisoformat

YEAR, RATE, PART, NONE = "year", "rate", "part", "none"

# principal, 納期限, paid; result by year, by rate, by part, and cut at the end only.
VECTORS = [
    (56_400, "2026-02-02", "2026-05-29", 1_300, 1_300, 1_300, 1_300),
    (123_400, "2025-10-31", "2026-03-31", 3_900, 3_900, 3_900, 3_900),
    (50_000, "2024-01-30", "2024-12-02", 3_300, 3_300, 3_300, 3_300),
    (1_999, "2020-06-30", "2026-06-30", 0, 0, 0, 0),
    (2_000, "2020-06-30", "2026-06-30", 1_000, 1_000, 1_000, 1_000),
    (100_000, "2026-06-30", "2026-07-31", 0, 0, 0, 0),
    (41_900, "2025-06-02", "2025-10-01", 0, 0, 0, 0),
    (42_000, "2025-06-02", "2025-10-02", 1_000, 1_000, 1_000, 1_000),
    (300_000, "2013-07-31", "2014-03-31", 22_500, 22_500, 22_500, 22_500),
    # The four readings of where yen are cut: a sum just below a hundred is above it in another reading.
    (22_000, "2022-08-30", "2025-11-28", 6_000, 6_100, 6_100, 6_100),
    (49_000, "2022-06-30", "2025-11-28", 14_200, 14_300, 14_300, 14_300),
    (175_611, "2023-02-20", "2024-11-27", 26_000, 26_100, 26_100, 26_100),
]


@pytest.mark.parametrize(("principal", "due_on", "paid_on", YEAR, RATE, PART, NONE), VECTORS)
def test_a_late_charge_is_that_of_the_worked_example(
    principal: int, due_on: str, paid_on: str, year: int, rate: int, part: int, none: int
) -> None:
    expected = {YEAR: year, RATE: rate, PART: part, NONE: none}
    for segment, yen in expected.items():
        assert late_charge(principal, D(due_on), D(paid_on), segment) == yen
        assert late_charge(principal, D(due_on), D(paid_on), rule=LateChargeRule(segment=segment)) == yen
    assert late_charge(principal, D(due_on), D(paid_on)) == year


@pytest.mark.parametrize(
    ("principal", "due_on", "paid_on", "segment", "yen"),
    [
        (56_400, "2026-02-02", "2026-05-29", "year", [120, 1_228]),
        (22_000, "2022-08-30", "2025-11-28", "year", [44, 482, 1_914, 1_919, 1_740]),
        (22_000, "2022-08-30", "2025-11-28", "rate", [44, 6_056]),
        (49_000, "2022-06-30", "2025-11-28", "year", [99, 1_786, 4_263, 4_274, 3_877]),
        (49_000, "2022-06-30", "2025-11-28", "rate", [99, 14_202]),
        # 97.84 + 1,716.16 yen: the fractions make a yen only if the sum alone is cut.
        (48_400, "2024-05-02", "2024-10-30", "part", [97, 1_716]),
        (48_400, "2024-05-02", "2024-10-30", "none", [97, 1_717]),
    ],
)
def test_segments_are_those_of_the_worked_example(
    principal: int, due_on: str, paid_on: str, segment: str, yen: list[int]
) -> None:
    lines = late_charge_segments(principal, D(due_on), D(paid_on), segment)
    assert [line.yen for line in lines] == yen
    assert all(0 <= line.exact - line.yen < 1 for line in lines) or segment in ("part", "none")


def test_the_sum_of_the_exact_lines_is_cut_once() -> None:
    lines = late_charge_segments(48_400, D("2024-05-02"), D("2024-10-30"), "none")
    assert [f"{float(line.exact):.2f}" for line in lines] == ["97.84", "1716.16"]
    assert sum(line.exact for line in lines) == Fraction(48_000 * (24 * 31 + 87 * 150), 365_000)
    assert sum(line.yen for line in lines) == 1_814


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
    ("due_on", "months", "last_reduced_day"),
    [
        ("2021-04-30", 3, "2021-07-31"),
        ("2025-11-30", 3, "2026-02-28"),
        ("2025-11-29", 3, "2026-02-28"),
        ("2025-12-15", 3, "2026-03-15"),
        ("2025-12-15", 12, "2026-12-15"),
    ],
)
def test_the_reduced_rate_lasts_for_the_months_of_the_ordinance(
    due_on: str, months: int, last_reduced_day: str
) -> None:
    rule = LateChargeRule(reduced_months=months, reduced_rate="7.3", full_rate="14.6")
    reduced, _ = late_charge_segments(100_000, D(due_on), D(due_on) + timedelta(days=500), "rate", rule=rule)
    assert reduced.last_day == D(last_reduced_day)


def test_the_days_of_a_stay_bear_its_own_rate() -> None:
    """30 + 31 days before, 122 days of the stay (0.9 %), 31 days after it."""
    stay = {"stay_from": D("2025-09-01"), "stay_to": D("2025-12-31")}
    lines = late_charge_segments(365_000, D("2025-06-30"), D("2026-01-31"), **stay)
    assert [(line.days, str(line.rate), line.yen) for line in lines] == [
        (31, "2.4", 744),
        (31, "8.7", 2_697),
        (122, "0.9", 1_098),
        (31, "9.1", 2_821),
    ]
    assert late_charge(365_000, D("2025-06-30"), D("2026-01-31"), **stay) == 7_300
    whole = {"stay_from": D("2025-07-01"), "stay_to": D("2026-12-31")}
    assert [str(line.rate) for line in late_charge_segments(365_000, D("2025-06-30"), D("2026-01-31"), **whole)] == [
        "0.9",
        "1.3",
    ]


@pytest.mark.parametrize("stay", [("2025-09-02", "2025-09-01"), ("2025-09-01", None), (None, "2025-09-01")])
def test_a_period_without_both_ends_in_order_raises(stay: tuple[str | None, str | None]) -> None:
    first_day, last_day = (day and D(day) for day in stay)
    with pytest.raises(InvalidInputError, match="stay_from, stay_to: PERIOD_ENDS"):
        late_charge(100_000, D("2025-06-30"), D("2026-01-31"), stay_from=first_day, stay_to=last_day)
    with pytest.raises(InvalidInputError, match="excluded_from, excluded_to: PERIOD_ENDS"):
        refund_interest(100_000, D("2025-06-30"), D("2026-01-31"), excluded_from=first_day, excluded_to=last_day)


def test_no_source_of_the_rate_of_a_stay_before_2014_is_known() -> None:
    with pytest.raises(RateMissingError, match="expected 2014 to 2026, found 2013"):
        late_charge(100_000, D("2013-06-30"), D("2014-01-31"), stay_from=D("2013-09-01"), stay_to=D("2013-12-31"))


@pytest.mark.parametrize(
    ("first_day", "rate"),
    [("1898-07-16", "5"), ("2020-03-31", "5"), ("2020-04-01", "3"), ("2026-04-01", "3"), ("2029-03-31", "3")],
)
def test_the_statutory_rate_is_that_of_the_first_day_of_delay(first_day: str, rate: str) -> None:
    """民法404: 5 % to 31 March 2020, 3 % to 31 March 2029."""
    assert RATES.statutory_rate(D(first_day)) == Decimal(rate)
    due_on = D(first_day) - timedelta(days=1)
    paid_on = due_on + timedelta(days=3_650)  # into the next rate
    assert late_charge(100_000, due_on, paid_on, rule=STATUTORY_INTEREST) == 10_000 * int(rate)


def test_a_stay_does_not_change_the_statutory_rate() -> None:
    """5 % for 91 + 61 days, the stay in 2020 (1.6 %) and 2021 (1.0 %) between them, though it begins under 3 %."""
    stay = {"stay_from": D("2020-04-01"), "stay_to": D("2021-03-31")}
    lines = late_charge_segments(365_000, D("2019-12-31"), D("2021-05-31"), rule=STATUTORY_INTEREST, **stay)
    assert [(line.days, str(line.rate)) for line in lines] == [(91, "5"), (275, "1.6"), (90, "1"), (61, "5")]


@pytest.mark.parametrize("first_day", ["2029-04-01", "1898-07-15"])
def test_a_first_day_of_delay_without_a_statutory_rate_raises(first_day: str) -> None:
    with pytest.raises(RateMissingError, match=f"1898-07-16 to 2029-03-31, found {first_day}"):
        RATES.statutory_rate(D(first_day))
    due_on = D(first_day) - timedelta(days=1)
    assert late_charge(100_000, due_on, due_on, rule=STATUTORY_INTEREST) == 0
    for one in (late_charge, columns.late_charge):
        with pytest.raises(RateMissingError, match=first_day):
            one(100_000, due_on, D(first_day), rule=STATUTORY_INTEREST)


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


@pytest.mark.parametrize(
    ("decided_on", "interest"),
    # 500,000 yen paid in duplicate on 25 June 2026 bear interest after a month, from 26 July.
    [(setoff_date(D("2026-07-31"), D("2026-06-25")), 0), (D("2026-12-18"), 2_600)],
)
def test_the_interest_of_a_set_off_ends_when_it_becomes_possible(decided_on: date, interest: int) -> None:
    """地方税法17の2④, 17の4①: on the later of the term of the debt and the day on which the overpayment arose."""
    assert refund_interest(500_000, period_end(D("2026-06-25"), 1), decided_on) == interest


def test_the_refunded_and_the_set_off_part_are_cut_apart() -> None:
    """練馬区: 1,900 yen on one sum of 200,000; two of 100,000 have 996 and 996 yen, both below 1,000."""
    days = D("2025-04-01"), D("2026-03-31")
    assert [refund_interest(yen, *days) for yen in (200_000, 100_000, 100_000)] == [1_900, 0, 0]


def test_days_without_a_claim_bear_no_interest() -> None:
    """17の4②: notice on 31 May, no claim within 30 days, claim on 31 October; 90 + 61 days of 2025 and 90 of 2026."""
    notice, claim = D("2025-05-31"), D("2025-10-31")
    excluded = {"excluded_from": notice + timedelta(days=31), "excluded_to": claim}
    assert excluded["excluded_from"] == D("2025-07-01")
    expected = 200_000 * 9 * 90 // 365_000 + 200_000 * 9 * 61 // 365_000 + 200_000 * 13 * 90 // 365_000
    assert (expected, refund_interest(200_500, D("2025-04-01"), D("2026-03-31"), **excluded)) == (1_384, 1_300)


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
FIXED_3 = LateChargeRule(base_unit=1, threshold=0, minimum=0, rounding=1, reduced_until="none", full_rate="3")


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
        (FIXED_3, 4_400, "2025-06-30", None, "2025-09-30", 4_400 * 3 * 92 // 36_500),
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
        ({"full_rate": "legal", "reduced_until": "none"}, "FIELD_TYPE"),
        ({"full_rate": "statutory"}, "RATE_PAIR"),
        ({"reduced_until": "week"}, "FIELD_TYPE"),
        ({"reduced_months": 0}, "AMOUNT_RANGE"),
        ({"reduced_months": 3, "reduced_until": "none"}, "AMOUNT_RANGE"),
        ({"segment": "month"}, "FIELD_TYPE"),
        ({"round": 100}, "FIELD_UNKNOWN"),
    ],
)
def test_an_invalid_rule_raises(fields: dict[str, object], code: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        LateChargeRule(**fields)
    assert [issue.code for issue in error.value.issues] == [code]


# --- a second implementation, day by day ------------------------------------------------------------------------------


def is_in_first_months(day: date, after: date, months: int) -> bool:
    """民法143② literally: a period of months from the day after the due date."""
    first = after + timedelta(days=1)
    number = (day.year - first.year) * 12 + day.month - first.month
    return number < months or (number == months and day.day < first.day)


def day_by_day(
    principal: int,
    due_on: date,
    paid_on: date,
    segment: str,
    rule: LateChargeRule = LOCAL_TAX,
    demand: date | None = None,
    stay: tuple[date, date] | None = None,
) -> int:
    """Each day is one row with its part and rate; the rows that are cut together are added as fractions."""
    after = due_on if rule.accrues_from == "due" else demand
    if principal < rule.threshold or after is None:
        return 0
    base = principal // rule.base_unit * rule.base_unit
    rows = []
    for day in (after + timedelta(days=n + 1) for n in range((paid_on - after).days)):
        is_reduced = {
            "months": is_in_first_months(day, after, rule.reduced_months),
            "demand": demand is None or day <= demand,
            "none": False,
        }[rule.reduced_until]
        part = "stay" if stay and stay[0] <= day <= stay[1] else "reduced" if is_reduced else "full"
        fixed = {"reduced": rule.reduced_rate, "full": rule.full_rate, "stay": None}[part]
        if fixed == "statutory":
            fixed = Decimal(5 if after < D("2020-03-31") else 3)
        rate = Decimal(RATES.rate(part, day.year)) / 100 if fixed is None else fixed
        rows.append((part, rate, day.year))
    keys = {"year": lambda row: row, "rate": lambda row: row[:2], "part": lambda row: row[0], "none": lambda row: 0}
    key = keys[segment]
    if segment in ("part", "none"):
        rows.sort(key=lambda row: str(key(row)))
    sums = [sum(base * Fraction(row[1]) / 36_500 for row in group) for _, group in groupby(rows, key)]
    total = sum(int(yen) for yen in sums)
    return 0 if total < rule.minimum else total // rule.rounding * rule.rounding


@settings(max_examples=examples(150), deadline=None)
@given(
    principal=st.integers(0, 5_000_000),
    due_on=st.dates(D("1998-12-31"), D("2026-12-31")),
    late=st.integers(-3, 2_500),
    segment=st.sampled_from(["year", "rate", "part", "none"]),
)
def test_a_late_charge_equals_a_count_day_by_day(principal: int, due_on: date, late: int, segment: str) -> None:
    paid_on = min(due_on + timedelta(days=late), D("2026-12-31"))
    assert late_charge(principal, due_on, paid_on, segment) == day_by_day(principal, due_on, paid_on, segment)


@settings(max_examples=examples(150), deadline=None)
@given(debt=debts(), segment=st.sampled_from(["year", "rate", "part", "none"]), rule=late_charge_rules())
def test_a_late_charge_by_any_rule_equals_a_count_day_by_day(debt: Debt, segment: str, rule: LateChargeRule) -> None:
    principal, due_on, paid_on, demand, stay = debt
    found = late_charge(
        principal, due_on, paid_on, segment, rule=rule, demand_due_on=demand, stay_from=stay[0], stay_to=stay[1]
    )
    assert found == day_by_day(principal, due_on, paid_on, segment, rule, demand, stay if stay[0] else None)


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


YEARS_WITH_AVERAGE = pytest.mark.parametrize("year", range(2014, 2027))


@YEARS_WITH_AVERAGE
def test_rates_follow_from_the_average_lending_rate(year: int) -> None:
    """附則3の2: each rate is the average lending rate plus a constant, so a difference that varies is a typo."""
    rates = RATES.years[year]
    assert rates.full - rates.reduced == 630
    assert rates.reduced - rates.refund == (100 if year <= 2020 else 150)


@YEARS_WITH_AVERAGE
def test_the_rate_of_a_stay_is_that_of_a_refund(year: int) -> None:
    assert RATES.years[year].stay == RATES.years[year].refund


@pytest.mark.parametrize(
    ("years", "reduced", "full", "refund"),
    [
        ([1999], 730, 1_460, 730),
        ([2000, 2001], 450, 1_460, 450),
        ([2002, 2003, 2004, 2005, 2006], 410, 1_460, 410),
        ([2007], 440, 1_460, 440),
        ([2008], 470, 1_460, 470),
        ([2009], 450, 1_460, 450),
        ([2010, 2011, 2012, 2013], 430, 1_460, 430),
        ([2014], 290, 920, 190),
        ([2015, 2016], 280, 910, 180),
        ([2017], 270, 900, 170),
        ([2018, 2019, 2020], 260, 890, 160),
        ([2021], 250, 880, 100),
        ([2022, 2023, 2024, 2025], 240, 870, 90),
        ([2026], 280, 910, 130),
    ],
)
def test_the_rates_are_those_that_authorities_publish(years: list[int], reduced: int, full: int, refund: int) -> None:
    assert {RATES.years[year][:3] for year in years} == {(reduced, full, refund)}


def test_the_rates_begin_in_1999_and_end_in_2026() -> None:
    assert list(RATES.years) == list(range(1999, 2027))


@pytest.mark.parametrize(
    "compute",
    [
        lambda: late_charge(10_000, D("2026-12-30"), D("2027-01-01")),
        lambda: late_charge(10_000, D("1998-12-30"), D("1999-01-05")),
        lambda: refund_interest(10_000, D("2026-12-30"), D("2027-01-01")),
    ],
)
def test_a_day_in_a_year_without_rates_raises(compute: Callable[[], int]) -> None:
    with pytest.raises(RateMissingError, match=r"RATE_MISSING.*expected 1999 to 2026, found (2027|1998)"):
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
    with pytest.raises(InvalidInputError, match=r"year \| rate \| part \| none"):
        late_charge(10_000, D("2026-06-30"), D("2026-07-31"), "month")
