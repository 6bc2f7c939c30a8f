"""The functions of columns equal the scalar ones row by row, for every type of column."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import rules
from kokin.issues import InvalidInputError
from kokin.rules import columns
from tests.rules.strategies import Debt, debts, late_charge_rules, segments
from tests.support import examples

D = date.fromisoformat
LAST = D("2026-12-31")
N = 7_000  # more rows than days, so that the months come from a table

yen = st.integers(0, 400_000) | st.sampled_from([0, 1_999, 2_000, 99_999_999_999])
RULES = [
    rules.LOCAL_TAX,
    rules.LateChargeRule(accrues_from="demand"),
    rules.LateChargeRule(base_unit=100, threshold=100, minimum=10, rounding=10, reduced_until="none"),
    rules.LateChargeRule(reduced_until="demand", reduced_rate="7.3", full_rate="14.6", minimum=500),
    rules.LateChargeRule(reduced_until="none", full_rate="20", rounding=1),
    rules.LateChargeRule(reduced_months=3),
    rules.STATUTORY_INTEREST,
]


def day_column(days: list[date]) -> np.ndarray:
    return np.array(days, "datetime64[D]")


@pytest.fixture(scope="module")
def random_rows() -> tuple[list[int], list[date], list[date], list[date | None]]:
    random = np.random.default_rng(6)
    principal = random.integers(0, 400_000, N)
    principal[:4] = 0, 1_999, 2_000, 99_999_999_999
    due = [D("2010-01-01") + timedelta(days=int(n)) for n in random.integers(0, 6_000, N)]
    paid = [min(day + timedelta(days=int(n)), LAST) for day, n in zip(due, random.integers(-30, 2_500, N), strict=True)]
    demand = [
        None if n < 10 else day + timedelta(days=int(n)) for day, n in zip(due, random.integers(0, 90, N), strict=True)
    ]
    return principal.tolist(), due, paid, demand


@pytest.mark.parametrize("segment", ["year", "rate", "part", "none"])
@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
def test_late_charges_equal_the_scalar_function(random_rows, rule: rules.LateChargeRule, segment: str) -> None:
    principal, due, paid, demand = random_rows
    found = columns.late_charge(
        np.array(principal),
        day_column(due),
        day_column(paid),
        segment,
        rule=rule,
        demand_due_on=np.array(demand, "datetime64[D]"),
    )
    expected = [
        rules.late_charge(p, d, q, segment, rule=rule, demand_due_on=e) for p, d, q, e in zip(*random_rows, strict=True)
    ]
    assert found.tolist() == expected
    assert any(expected)


def test_the_size_of_chunks_makes_no_difference(random_rows, monkeypatch: pytest.MonkeyPatch) -> None:
    principal, due, paid = np.array(random_rows[0]), day_column(random_rows[1]), day_column(random_rows[2])
    whole = columns.late_charge(principal, due, paid)
    monkeypatch.setattr(columns, "_CHUNK_ROWS", 999)
    assert np.array_equal(columns.late_charge(principal, due, paid), whole)


@settings(max_examples=examples(150), deadline=None)
@given(
    rows=st.lists(debts(), max_size=20), rule=late_charge_rules(), segment=st.none() | segments, has_stay=st.booleans()
)
def test_late_charges_by_any_rule_equal_the_scalar_function(
    rows: list[Debt], rule: rules.LateChargeRule, segment: str | None, has_stay: bool
) -> None:
    principal, due, paid, demand, stay = ([row[i] for row in rows] for i in range(5))
    stays = stay if has_stay else [(None, None)] * len(rows)
    stay_columns = {f"stay_{end}": day_column([one[i] for one in stays]) for i, end in enumerate(("from", "to"))}
    found = columns.late_charge(
        np.array(principal, np.int64),
        day_column(due),
        day_column(paid),
        segment,
        rule=rule,
        demand_due_on=day_column(demand),
        **(stay_columns if has_stay else {}),
    )
    assert found.tolist() == [
        rules.late_charge(
            row.principal,
            row.due_on,
            row.paid_on,
            segment,
            rule=rule,
            demand_due_on=row.demand_due_on,
            stay_from=stay_from,
            stay_to=stay_to,
        )
        for row, (stay_from, stay_to) in zip(rows, stays, strict=True)
    ]


@settings(max_examples=examples(100), deadline=None)
@given(rows=st.lists(debts(), max_size=20), segment=segments, has_excluded=st.booleans())
def test_refund_interest_equals_the_scalar_function(rows: list[Debt], segment: str, has_excluded: bool) -> None:
    excluded = [row.stay if has_excluded else (None, None) for row in rows]
    names = ("excluded_from", "excluded_to")
    periods = {name: day_column([one[i] for one in excluded]) for i, name in enumerate(names)}
    found = columns.refund_interest(
        np.array([row.principal for row in rows], np.int64),
        day_column([row.due_on for row in rows]),
        day_column([row.paid_on for row in rows]),
        segment,
        **(periods if has_excluded else {}),
    )
    assert found.tolist() == [
        rules.refund_interest(row.principal, row.due_on, row.paid_on, segment, **dict(zip(names, period, strict=True)))
        for row, period in zip(rows, excluded, strict=True)
    ]


@given(st.lists(st.tuples(st.dates(), st.dates()), min_size=1))
def test_setoff_dates_equal_the_scalar_function(rows: list[tuple[date, date]]) -> None:
    due, overpaid = (day_column([row[i] for row in rows]) for i in (0, 1))
    assert columns.setoff_date(due, overpaid).tolist() == [rules.setoff_date(*row) for row in rows]


def test_a_stay_with_one_end_raises_with_its_row() -> None:
    stay_from = np.array(["NaT", "2025-09-01"], "datetime64[D]")
    stay_to = np.array(["NaT", "NaT"], "datetime64[D]")
    days = D("2025-06-30"), D("2026-01-31")
    with pytest.raises(InvalidInputError, match="record 2, stay_from, stay_to: PERIOD_ENDS"):
        columns.late_charge(np.array([10_000, 10_000]), *days, stay_from=stay_from, stay_to=stay_to)


def test_the_longest_period_at_the_largest_amount_stays_exact() -> None:
    rule = rules.LateChargeRule(reduced_until="none", full_rate="20", rounding=1)
    arguments = 99_999_999_999, D("0001-01-01"), D("9998-12-31")
    for segment in ("year", "rate", "part", "none"):
        expected = rules.late_charge(*arguments, segment, rule=rule)
        assert expected > 2**45
        assert columns.late_charge(*arguments, segment, rule=rule).tolist() == [expected]


@pytest.mark.parametrize(
    "form",
    [
        pa.array,
        lambda values: pa.chunked_array([pa.array(values[:1]), pa.array(values[1:])]),
        lambda values: pa.array([None, *values])[1:],
        lambda values: pytest.importorskip("polars").Series(values),
        lambda values: pa.array([str(value) for value in values]),
        lambda values: pa.array(values).dictionary_encode(),
        lambda values: pa.array(values).cast(
            pa.timestamp("ms") if isinstance(values[0], date) else pa.decimal128(24, 2)
        ),
        lambda values: pa.array(values).cast(pa.date64() if isinstance(values[0], date) else pa.uint64()),
    ],
    ids=["arrow", "chunked", "sliced", "polars", "text", "dictionary", "wide", "date64"],
)
def test_every_type_of_column_is_accepted(form) -> None:
    principal, due = [56_400, 123_400, 50_000], [D("2026-02-02"), D("2025-10-31"), D("2024-01-30")]
    paid = [D("2026-05-29"), D("2026-03-31"), D("2024-12-02")]
    assert columns.late_charge(form(principal), form(due), form(paid)).tolist() == [1_300, 3_900, 3_300]


def test_a_single_value_is_broadcast() -> None:
    due = day_column([D("2026-02-02"), D("2026-05-29")])
    assert columns.late_charge(56_400, due, D("2026-05-29")).tolist() == [1_300, 0]
    assert columns.late_charge(56_400, due[:0], D("2026-05-29")).tolist() == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((np.array([1.0]), D("2026-06-30"), D("2026-07-31")), "FIELD_TYPE"),
        ((pa.array([1.0]), D("2026-06-30"), D("2026-07-31")), "FIELD_TYPE"),
        ((np.array([-1]), D("2026-06-30"), D("2026-07-31")), "AMOUNT_RANGE"),
        ((np.array([1]), np.array(["NaT"], "datetime64[D]"), D("2026-07-31")), "FIELD_MISSING"),
        ((pa.array([None, 1]), D("2026-06-30"), D("2026-07-31")), "FIELD_MISSING"),
        ((np.array([1]), pa.array([None], pa.date32()), D("2026-07-31")), "FIELD_MISSING"),
        ((np.array([1]), np.array([20_000]), D("2026-07-31")), "FIELD_TYPE"),
        ((np.array([1]), pa.array([True]), D("2026-07-31")), "FIELD_TYPE"),
        ((np.array([1]), pa.array(["2026-06-31"]), D("2026-07-31")), "DATE_INVALID"),
        ((np.array([1]), pa.array([datetime(2026, 6, 30, 9)]), D("2026-07-31")), "DATE_INVALID"),
        ((np.array([1]), np.datetime64("2026-06-30T09:00"), D("2026-07-31")), "DATE_INVALID"),
        ((np.array([1, 2]), np.array(["2026-06-30"] * 3, "datetime64[D]"), D("2026-07-31")), "COLUMN_LENGTH"),
    ],
)
def test_an_invalid_column_raises(arguments: tuple, code: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        columns.late_charge(*arguments)
    assert error.value.issues[0].code == code


def test_invalid_rows_are_counted_and_named() -> None:
    with pytest.raises(InvalidInputError, match="100 invalid rows") as error:
        columns.late_charge(np.r_[np.zeros(7, int), np.full(100, -1)], D("2026-06-30"), D("2026-07-31"))
    assert [issue.location.record for issue in error.value.issues[:2]] == [8, 9]
    assert error.value.issues[0].found == "-1"


def test_a_missing_year_raises_only_if_a_day_of_it_bears_interest() -> None:
    paid = day_column([D("2026-12-31"), D("2027-06-30")])
    with pytest.raises(rules.RateMissingError, match="2027"):
        columns.late_charge(np.array([10_000, 10_000]), D("2026-06-30"), paid)
    assert columns.late_charge(np.array([50_000, 1_999]), D("2026-06-30"), paid).tolist() == [2_000, 0]


@pytest.mark.parametrize("calendar", ["public", "bank"])
def test_due_dates_equal_the_scalar_function(calendar: str) -> None:
    opens, closes = (date(rules.CALENDAR_YEARS[0], 1, 1), date(rules.CALENDAR_YEARS[1], 12, 31))
    days = [opens + timedelta(days=n) for n in range((closes - opens).days + 1)]
    expected = [rules.shift_due_date(day, calendar) for day in days]
    assert columns.shift_due_date(day_column(days), calendar).tolist() == expected


def test_a_due_date_outside_the_trusted_years_raises() -> None:
    with pytest.raises(rules.CalendarRangeError):
        columns.shift_due_date(day_column([D("2026-01-01"), D("2031-01-01")]))


days_of_years = st.lists(st.tuples(st.dates(D("1960-01-01"), D("2090-12-31")), st.integers(-400, 900)), max_size=20)


@settings(max_examples=examples(60), deadline=None)
@given(rows=days_of_years, years=st.integers(1, 10))
def test_years_and_limitation_equal_the_scalar_functions(rows: list[tuple[date, int]], years: int) -> None:
    terms = [row[0] for row in rows]
    received = [day + timedelta(days=late) for day, late in rows]
    assert columns.fiscal_year(day_column(terms)).tolist() == [rules.fiscal_year(day) for day in terms]
    assert columns.limitation_ends_on(day_column(terms), years).tolist() == [
        rules.limitation_ends_on(day, years) for day in terms
    ]
    assert columns.revenue_year(day_column(terms), day_column(received)).tolist() == [
        rules.revenue_year(*row) for row in zip(terms, received, strict=True)
    ]


def test_year_classes_equal_the_scalar_function() -> None:
    triples = [(2026, 2026, 2026), (2024, 2026, 2026), (2025, 2025, 2026), (2023, 2025, 2026)]
    found = columns.year_class(*np.array(triples).T)
    assert found.tolist() == [rules.year_class(*row).value for row in triples]
    with pytest.raises(InvalidInputError, match="record 2"):
        columns.year_class(np.array([2026, 2027]), 2026, 2026)


payments = st.lists(st.tuples(yen, yen, yen), max_size=20)


@settings(max_examples=examples(100), deadline=None)
@given(rows=payments)
def test_splits_and_allocations_equal_the_scalar_functions(rows: list[tuple[int, int, int]]) -> None:
    paid, water, sewerage = np.array(rows, np.int64).reshape(-1, 3).T
    assert columns.prorata(paid, (water, sewerage)).tolist() == [rules.prorata(p, [w, s]) for p, w, s in rows]
    for method in ("prorata", "water_first"):
        found = zip(
            *(part.tolist() for part in columns.split_water_sewerage(paid, water, sewerage, method)), strict=True
        )
        assert list(found) == [rules.split_water_sewerage(*row, method) for row in rows]
    owed = {"principal": water, "late_charge": sewerage}
    allocated = columns.allocate(paid, owed, rules.ALLOCATION_ORDERS["tax"])
    expected = [
        rules.allocate(p, {"principal": w, "late_charge": s}, rules.ALLOCATION_ORDERS["tax"]) for p, w, s in rows
    ]
    assert allocated["principal"].tolist() == [row["principal"] for row in expected]
    assert allocated["late_charge"].tolist() == [row["late_charge"] for row in expected]


@settings(max_examples=examples(50), deadline=None)
@given(rows=st.lists(st.tuples(yen, st.lists(st.integers(0, 50_000), min_size=3, max_size=3)), min_size=1, max_size=20))
def test_prorata_of_three_parts_equals_the_scalar_function(rows: list[tuple[int, list[int]]]) -> None:
    parts = np.array([row[1] for row in rows]).T
    found = columns.prorata(np.array([row[0] for row in rows]), list(parts))
    assert found.tolist() == [rules.prorata(*row) for row in rows]


def test_a_partial_payment_raises_with_its_row() -> None:
    with pytest.raises(InvalidInputError, match="record 2"):
        columns.split_water_sewerage(np.array([8_360, 5_000]), 4_400, 3_960, "reject")
    assert columns.split_water_sewerage(np.array([8_360]), 4_400, 3_960, "reject")[0].tolist() == [4_400]


def test_a_part_that_is_not_in_the_order_raises() -> None:
    with pytest.raises(InvalidInputError, match="demand_fee"):
        columns.allocate(100, {"demand_fee": 100}, rules.ALLOCATION_ORDERS["tax"])


@given(st.lists(st.dates(D("1990-01-01"), D("2060-12-31")), min_size=1), st.integers(0, 60))
def test_period_ends_equal_the_scalar_function(days: list[date], months: int) -> None:
    assert columns.period_end(day_column(days), months).tolist() == [rules.period_end(day, months) for day in days]
