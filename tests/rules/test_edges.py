"""Every public function at the limits of dates and yen: scalar and column have the same result or the same error."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kokin import rules
from kokin.issues import InvalidInputError
from kokin.rules import columns
from tests.rules.strategies import segments
from tests.support import examples

FILES = ("load_rates", "check_rates")
SCALARS = {name: f for name in rules.__all__ if inspect.isfunction(f := getattr(rules, name)) and name not in FILES}
COLUMNS = {
    name: f
    for name, f in vars(columns).items()
    if inspect.isfunction(f) and f.__module__ == columns.__name__ and not name.startswith("_")
}

DAY = date(2026, 5, 2)
# A valid argument for each annotation of a parameter without a default.
VALID = {"date": DAY, "int": 5_000, "Sequence[int]": [5_000, 5_000]}


def parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


def date_parameters(function: Callable[..., Any]) -> list[str]:
    return [name for name, one in parameters(function).items() if "date" in str(one.annotation)]


def valid_arguments(function: Callable[..., Any]) -> dict[str, Any]:
    required = {n: one for n, one in parameters(function).items() if one.default is one.empty}
    arguments = {name: VALID[one.annotation] for name, one in required.items()}
    if {"months", "years"} & arguments.keys():
        arguments |= dict.fromkeys({"months", "years"} & arguments.keys(), 5)
    return arguments


WITH_DATES = [(name, one) for name, function in SCALARS.items() for one in date_parameters(function)]


def test_the_functions_with_dates_are_found() -> None:
    assert ("shift_due_date", "day") in WITH_DATES
    assert ("late_charge", "demand_due_on") in WITH_DATES


@pytest.mark.parametrize(("name", "parameter"), WITH_DATES)
def test_a_datetime_raises(name: str, parameter: str) -> None:
    function = SCALARS[name]
    arguments = valid_arguments(function)
    function(**arguments)
    with pytest.raises(TypeError, match=f"{parameter} must be a date, not a datetime"):
        function(**arguments | {parameter: datetime(2026, 5, 3, 12)})
    with pytest.raises(TypeError, match=f"{parameter} must be a date, not str"):
        function(**arguments | {parameter: "2026-05-03"})


@pytest.mark.parametrize("name", [name for name in COLUMNS if date_parameters(SCALARS[name])])
def test_a_column_with_times_other_than_midnight_raises(name: str) -> None:
    scalar, column = SCALARS[name], COLUMNS[name]
    renamed = dict(zip(parameters(scalar), parameters(column), strict=True))
    arguments = {renamed[parameter]: value for parameter, value in valid_arguments(scalar).items()}
    for name_in_column in (renamed[parameter] for parameter in date_parameters(scalar)):
        prefix, _, end = name_in_column.rpartition("_")
        if end in ("from", "to"):  # a period has both ends
            arguments |= {f"{prefix}_from": DAY - timedelta(days=9), f"{prefix}_to": DAY}
        with pytest.raises(TypeError, match="not a datetime"):
            column(**arguments | {name_in_column: datetime(2026, 5, 3, 12)})
        with pytest.raises(InvalidInputError, match="DATE_INVALID"):
            column(**arguments | {name_in_column: np.array(["2026-05-03T12"], "datetime64[s]")})
        midnight = column(**arguments | {name_in_column: np.array(["2026-05-01T00"], "datetime64[ns]")})
        assert midnight.tolist() == column(**arguments | {name_in_column: date(2026, 5, 1)}).tolist()


def test_every_column_function_has_its_scalar() -> None:
    assert COLUMNS.keys() <= SCALARS.keys()


# --- the same result or the same error --------------------------------------------------------------------------------

days = st.dates() | st.sampled_from([date.min, date.max, date(9999, 12, 1), date(9999, 11, 30), date(9998, 12, 31)])
yen = st.integers(0, 99_999_999_999) | st.sampled_from([0, 1, 1_999, 2_000, 99_999_999_999, -1, 100_000_000_000])
spans = st.integers(-3, 130_000) | st.sampled_from([0, 1, 12, 99_999_999_999, 10**12, -(10**12)])
CENTURY = rules.LateChargeRule(reduced_until="none", full_rate="14.6", rounding=1, minimum=0)
MONTHLY = rules.LateChargeRule(reduced_rate="7.3", full_rate="14.6", rounding=1, minimum=0)
PREMIUM = rules.LateChargeRule(reduced_months=3, reduced_rate="7.3", full_rate="14.6", rounding=1, minimum=0)
EVERY_YEAR = rules.RateTable(dict.fromkeys(range(1, 10_000), rules.Rates(100, 200, 300, 400)), rules.RATES.statutory)
DEMANDED = rules.LateChargeRule(accrues_from="demand", reduced_rate="7.3", full_rate="14.6", rounding=1, minimum=0)


def outcome(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return the result as plain values, or the fields of the first issue."""
    try:
        result = function(*arguments, **options)
    except InvalidInputError as error:
        issue = error.issues[0]
        return type(error), issue.code, issue.field, issue.expected
    if isinstance(result, dict):
        return {name: outcome_of(value) for name, value in result.items()}
    return outcome_of(result)


def outcome_of(result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple(outcome_of(one) for one in result)
    if isinstance(result, np.ndarray):
        return result[0].tolist() if result.ndim > 1 else result.tolist()[0]
    return getattr(result, "value", result)


def assert_equal(name: str, *arguments: Any, **options: Any) -> None:
    assert outcome(COLUMNS[name], *arguments, **options) == outcome(SCALARS[name], *arguments, **options)


@settings(max_examples=examples(300), deadline=None)
@given(after=days, span=spans)
@example(date(9999, 12, 1), 1)
@example(date(9999, 11, 30), 1)
@example(date.max, 0)
@example(date(2026, 1, 30), -1)
def test_periods_are_equal(after: date, span: int) -> None:
    assert_equal("period_end", after, span)
    assert_equal("limitation_ends_on", after, span)


@settings(max_examples=examples(200), deadline=None)
@given(one=days, other=days)
def test_years_are_equal(one: date, other: date) -> None:
    assert_equal("fiscal_year", one)
    assert_equal("revenue_year", one, other)


@settings(max_examples=examples(200), deadline=None)
@given(day=days, calendar=st.sampled_from(["public", "bank"]))
def test_due_dates_are_equal(day: date, calendar: str) -> None:
    scalar, column = outcome(rules.shift_due_date, day, calendar), outcome(columns.shift_due_date, day, calendar)
    assert column[:2] == scalar[:2] if isinstance(scalar, tuple) else column == scalar


@settings(max_examples=examples(200), deadline=None)
@given(
    principal=yen,
    due=days,
    paid=days,
    demand=st.none() | days,
    stay=st.none() | st.tuples(days, days) | st.tuples(days, st.none()),
    rule=st.sampled_from([CENTURY, MONTHLY, DEMANDED, PREMIUM, rules.STATUTORY_INTEREST]),
    segment=segments,
)
@example(10_000, date.max, date.max, None, None, MONTHLY, "year")
@example(10_000, date(9999, 12, 1), date.max, None, None, MONTHLY, "year")
@example(10_000, date(9999, 10, 1), date.max, None, None, PREMIUM, "none")
@example(10_000, date(9999, 12, 1), date.max, date.max, None, DEMANDED, "rate")
@example(10_000, date.min, date.max, None, (date.min, date.max), MONTHLY, "part")
@example(10_000, date(2029, 3, 31), date(2029, 4, 1), None, None, rules.STATUTORY_INTEREST, "year")
@example(10_000, date(2030, 1, 1), date.max, None, (date(2000, 1, 1), date.max), rules.STATUTORY_INTEREST, "year")
def test_late_charges_are_equal(
    principal: int,
    due: date,
    paid: date,
    demand: date | None,
    stay: tuple[date, date | None] | None,
    rule: rules.LateChargeRule,
    segment: str,
) -> None:
    stay_from, stay_to = stay or (None, None)
    options = {"demand_due_on": demand, "stay_from": stay_from, "stay_to": stay_to, "rates": EVERY_YEAR}
    assert_equal("late_charge", principal, due, paid, segment, rule=rule, **options)


@settings(max_examples=examples(100), deadline=None)
@given(amount=yen, paid=days, decided=days, excluded=st.tuples(days | st.none(), days | st.none()), segment=segments)
def test_refund_interest_is_equal(
    amount: int, paid: date, decided: date, excluded: tuple[date | None, date | None], segment: str
) -> None:
    options = {"excluded_from": excluded[0], "excluded_to": excluded[1], "rates": EVERY_YEAR}
    assert_equal("refund_interest", amount, paid, decided, segment, **options)


@given(st.tuples(yen, yen, yen))
def test_year_classes_are_equal(years: tuple[int, int, int]) -> None:
    scalar, column = outcome(rules.year_class, *years), outcome(columns.year_class, *years)
    assert column[:2] == scalar[:2] if isinstance(scalar, tuple) else column == scalar


@given(paid=yen, parts=st.lists(yen, max_size=4))
def test_prorata_is_equal(paid: int, parts: list[int]) -> None:
    assert_equal("prorata", paid, parts)


@given(paid=yen, water=yen, sewerage=yen, method=st.sampled_from(["prorata", "water_first", "reject"]))
def test_split_water_sewerage_is_equal(paid: int, water: int, sewerage: int, method: str) -> None:
    assert_equal("split_water_sewerage", paid, water, sewerage, method)


NAMES = ["principal", "late_charge", "demand_fee", "costs"]


@given(
    paid=yen,
    owed=st.dictionaries(st.sampled_from(NAMES), yen),
    order=st.lists(st.sampled_from(NAMES), max_size=5),
)
@example(100, {"principal": 60, "late_charge": 60}, ["principal", "principal", "late_charge"])
def test_allocations_are_equal(paid: int, owed: dict[str, int], order: list[str]) -> None:
    assert_equal("allocate", paid, owed, order)


@given(
    paid=st.integers(0, 99_999_999_999),
    owed=st.dictionaries(st.sampled_from(NAMES), st.integers(0, 99_999_999_999)),
    order=st.permutations(NAMES),
)
def test_an_allocation_adds_up(paid: int, owed: dict[str, int], order: list[str]) -> None:
    allocated = rules.allocate(paid, owed, order)
    assert allocated.keys() == owed.keys()
    assert sum(allocated.values()) == min(paid, sum(owed.values()))
    assert all(0 <= yen <= owed[name] for name, yen in allocated.items())


@pytest.mark.parametrize(
    ("owed", "order", "code", "found"),
    [
        ({"a": 60, "b": 60}, ("a", "a", "b"), "PART_REPEATED", "a"),
        ({"a": 60, "b": 60}, ("a",), "CODE_UNKNOWN", "b"),
    ],
)
@pytest.mark.parametrize("allocate", [rules.allocate, columns.allocate], ids=["scalar", "column"])
def test_an_order_names_each_part_once(
    allocate: Callable[..., Any], owed: dict[str, int], order: tuple[str, ...], code: str, found: str
) -> None:
    with pytest.raises(InvalidInputError) as error:
        allocate(100, owed, order)
    assert [(issue.code, issue.found) for issue in error.value.issues] == [(code, found)]


@pytest.mark.parametrize(
    "allocate", [rules.split_water_sewerage, columns.split_water_sewerage], ids=["scalar", "column"]
)
def test_a_negative_amount_is_reported_before_a_partial_payment(allocate: Callable[..., Any]) -> None:
    with pytest.raises(InvalidInputError, match="AMOUNT_RANGE"):
        allocate(-1, 4_400, 3_960, "reject")


@pytest.mark.parametrize("year", [9_999, 10_000, -1])
def test_the_closing_of_accounts_after_the_last_date_raises(year: int) -> None:
    with pytest.raises(InvalidInputError, match="RANGE"):
        rules.accounts_close_on(year)
    assert rules.accounts_close_on(9_998) == date(9999, 5, 31)


@pytest.mark.parametrize("invalid", [1.5, True, "4"])
def test_instalments_need_whole_numbers(invalid: Any) -> None:
    for arguments in ({"count": invalid}, {"count": 4, "unit": invalid}):
        with pytest.raises(InvalidInputError, match="FIELD_TYPE"):
            rules.instalments(10_000, **arguments)


@pytest.mark.parametrize(
    ("column", "code"),
    [
        (pa.array([2**63], pa.uint64()), "AMOUNT_RANGE"),
        (np.array([2**63], np.uint64), "AMOUNT_RANGE"),
        (np.array([[1, 2]]), "FIELD_TYPE"),
        ([2**70], "FIELD_TYPE"),
    ],
)
def test_a_column_that_is_not_yen_raises(column: Any, code: str) -> None:
    with pytest.raises(InvalidInputError, match=code):
        columns.late_charge(column, DAY, DAY)


@pytest.mark.parametrize(
    ("column", "code"),
    [
        (np.array(["10000-01-01"], "datetime64[D]"), "DATE_RANGE"),
        (pa.array([3_000_000], pa.date32()), "DATE_INVALID"),
    ],
)
def test_a_column_after_the_last_date_raises(column: Any, code: str) -> None:
    with pytest.raises(InvalidInputError, match=code):
        columns.fiscal_year(column)


def test_unsigned_columns_of_every_width_are_yen() -> None:
    for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.int8(), pa.int32()):
        assert columns.prorata(pa.array([100], kind), [pa.array([60], kind), 60]).tolist() == [[50, 50]]


@pytest.mark.parametrize("rate", ["１４.6", "14.601", "-1", "nan", "", ".", "20.01"])
def test_an_invalid_rate_raises(rate: str) -> None:
    with pytest.raises(InvalidInputError, match=r"full_rate: (FIELD_TYPE|RATE_INVALID)"):
        rules.LateChargeRule(reduced_until="none", full_rate=rate)
