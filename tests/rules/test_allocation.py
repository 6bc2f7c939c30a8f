"""Instalments, allocation and the split of water and sewerage."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.issues import InvalidInputError
from kokin.rules import ALLOCATION_ORDERS, allocate, instalments, prorata, split_water_sewerage
from tests.support import examples


@pytest.mark.parametrize(
    ("total", "count", "expected"),
    [
        (101_300, 4, [26_300, 25_000, 25_000, 25_000]),
        (3_900, 4, [3_900, 0, 0, 0]),
        (123_400, 10, [15_400] + [12_000] * 9),
        (10_000, 1, [10_000]),
        (0, 4, [0, 0, 0, 0]),
    ],
)
def test_instalments_are_whole_thousands_and_the_first_has_the_rest(
    total: int, count: int, expected: list[int]
) -> None:
    assert instalments(total, count) == expected


@settings(max_examples=examples(100), deadline=None)
@given(total=st.integers(0, 99_999_999_999), count=st.integers(1, 12), unit=st.sampled_from([1, 10, 100, 1_000]))
def test_instalments_add_up(total: int, count: int, unit: int) -> None:
    terms = instalments(total, count, unit)
    assert sum(terms) == total
    assert len(terms) == count
    assert all(term % unit == 0 and term == terms[-1] for term in terms[1:])
    assert terms[-1] <= Fraction(total, count) < terms[-1] + unit or count == 1


@pytest.mark.parametrize(("total", "count", "unit"), [(-1, 4, 1_000), (1_000, 0, 1_000), (1_000, 4, 0)])
def test_instalments_of_an_invalid_sum_count_or_unit_raise(total: int, count: int, unit: int) -> None:
    with pytest.raises(InvalidInputError, match="AMOUNT_RANGE"):
        instalments(total, count, unit)


OWED = {"principal": 10_000, "late_charge": 1_200, "demand_fee": 100, "costs": 300}


@pytest.mark.parametrize(
    ("order", "paid", "expected"),
    [
        ("tax", 10_500, {"principal": 10_000, "late_charge": 500}),
        ("tax", 9_000, {"principal": 9_000, "late_charge": 0}),
        ("tax", 12_000, {"principal": 10_000, "late_charge": 1_200}),
        ("road", 1_000, {"demand_fee": 100, "late_charge": 900, "principal": 0}),
        ("contribution", 1_500, {"late_charge": 1_200, "principal": 300}),
        ("civil", 1_600, {"costs": 300, "late_charge": 1_200, "principal": 100}),
    ],
)
def test_allocate_settles_the_parts_in_order(order: str, paid: int, expected: dict[str, int]) -> None:
    owed = {name: OWED[name] for name in expected}
    allocated = allocate(paid, owed, ALLOCATION_ORDERS[order])
    assert allocated == expected
    assert sum(allocated.values()) == min(paid, sum(owed.values()))


def test_a_demand_fee_is_not_in_the_order_of_a_tax() -> None:
    with pytest.raises(InvalidInputError, match="demand_fee"):
        allocate(10_000, {"principal": 10_000, "demand_fee": 100}, ALLOCATION_ORDERS["tax"])


@pytest.mark.parametrize(
    ("paid", "method", "expected"),
    [
        (5_000, "prorata", (2_632, 2_368)),
        (5_000, "water_first", (4_400, 600)),
        (4_000, "water_first", (4_000, 0)),
        (8_360, "prorata", (4_400, 3_960)),
        (8_360, "water_first", (4_400, 3_960)),
        (8_360, "reject", (4_400, 3_960)),
        (9_000, "reject", (4_400, 3_960)),
        (0, "prorata", (0, 0)),
    ],
)
def test_water_and_sewerage_are_split_by_method(paid: int, method: str, expected: tuple[int, int]) -> None:
    assert split_water_sewerage(paid, 4_400, 3_960, method) == expected


def test_a_partial_payment_or_an_unknown_method_raises() -> None:
    with pytest.raises(InvalidInputError, match="PARTIAL_PAYMENT"):
        split_water_sewerage(5_000, 4_400, 3_960, "reject")
    with pytest.raises(InvalidInputError, match="prorata"):
        split_water_sewerage(5_000, 4_400, 3_960, "sewerage_first")


def test_a_tie_goes_to_the_earlier_part() -> None:
    assert prorata(1, [500, 500]) == [1, 0]
    assert prorata(5, [2, 2, 2]) == [2, 2, 1]


@settings(max_examples=examples(200), deadline=None)
@given(
    parts=st.lists(st.integers(0, 1_000_000), min_size=1, max_size=5),
    paid=st.integers(0, 3_000_000),
)
def test_prorata_adds_up_and_is_within_a_yen_of_the_exact_share(parts: list[int], paid: int) -> None:
    shares, total = prorata(paid, parts), sum(parts)
    assert sum(shares) == min(paid, total)
    for share, part in zip(shares, parts, strict=True):
        assert 0 <= share <= part
        if paid < total:
            assert abs(share - Fraction(paid * part, total)) < 1
