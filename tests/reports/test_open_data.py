"""Open data: what is suppressed cannot be computed from what is told."""

from datetime import date
from fractions import Fraction

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.reports._open_data import hide, open_data

AS_OF = date(2026, 6, 15)


def table(rows):
    """A daily table of ``(day, charge, channel, receipts, yen)``."""
    names = ("received_on", "charge", "channel", "receipts", "received")
    kinds = (pa.date32(), pa.string(), pa.string(), pa.int64(), pa.int64())
    columns = zip(*rows, strict=True) if rows else [[]] * 5
    return pa.table([pa.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)], names)


def told(rows, least=10):
    return {
        (row["charge"], row["channel"]): row["receipts"] for row in open_data(table(rows), AS_OF, least).to_pylist()
    }


MAY = date(2026, 5, 1)


def test_a_small_cell_takes_its_smallest_neighbour_along():
    rows = [(MAY, "tax", name, count, count * 100) for name, count in (("app", 3), ("bank", 50), ("shop", 20))]
    assert told(rows) == {
        ("tax", "app"): None,
        ("tax", "shop"): None,
        ("tax", "bank"): 50,
        ("tax", "*"): 73,
        ("*", "*"): 73,
    }


def test_a_cell_that_is_its_whole_total_hides_the_total_and_another_charge():
    rows = [
        (MAY, "tax", "app", 3, 1),
        (MAY, "water", "app", 40, 1),
        (MAY, "water", "bank", 50, 1),
        (MAY, "a", "b", 99, 1),
    ]
    assert told(rows) == {
        ("tax", "app"): None,
        ("tax", "*"): None,
        ("water", "app"): None,
        ("water", "bank"): None,
        ("water", "*"): None,
        ("a", "b"): 99,
        ("a", "*"): 99,
        ("*", "*"): 192,
    }


def test_a_month_of_few_tells_nothing():
    assert set(told([(MAY, "tax", "app", 3, 1)]).values()) == {None}
    assert told([(MAY, "tax", "app", 3, 1)], least=1) == {("tax", "app"): 3, ("tax", "*"): 3, ("*", "*"): 3}


def test_only_months_that_are_over_are_told_and_yen_go_with_their_receipts():
    rows = [
        (MAY, "tax", "app", 30, 9),
        (date(2026, 5, 31), "tax", "app", 10, 1),
        (date(2026, 6, 1), "tax", "app", 99, 9),
    ]
    found = open_data(table(rows), AS_OF).to_pylist()
    assert [row["month"] for row in found] == ["2026-05"] * 3
    assert {(row["receipts"], row["amount"], row["suppressed"]) for row in found} == {(40, 10, False)}
    hidden = open_data(table([(MAY, "tax", "app", 1, 5)]), AS_OF).to_pylist()
    assert {(row["receipts"], row["amount"], row["suppressed"]) for row in hidden} == {(None, None, True)}


def known(equations, unknowns):
    """The unknowns that a system of linear equations fixes, by elimination in exact numbers."""
    rows = [[Fraction(name in row) for name in unknowns] for row in equations]
    fixed, at = set(), 0
    for column in range(len(unknowns)):
        pivot = next((row for row in range(at, len(rows)) if rows[row][column]), None)
        if pivot is None:
            continue
        rows[at], rows[pivot] = rows[pivot], rows[at]
        rows[at] = [value / rows[at][column] for value in rows[at]]
        for row in range(len(rows)):
            if row != at:
                factor = rows[row][column]
                rows[row] = [one - factor * two for one, two in zip(rows[row], rows[at], strict=True)]
        at += 1
    for row in rows:
        if sum(value != 0 for value in row) == 1:
            fixed.add(unknowns[next(place for place, value in enumerate(row) if value)])
    return fixed


@settings(max_examples=200)
@given(
    cells=st.dictionaries(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")), st.integers(1, 30), min_size=1, max_size=16
    ),
    least=st.integers(2, 12),
)
def test_no_suppressed_cell_can_be_computed(cells, least):
    found = told([(MAY, charge, channel, count, count) for (charge, channel), count in cells.items()], least)
    assert set(found) == {*cells, *((charge, "*") for charge, _ in cells), ("*", "*")}
    hidden = [cell for cell in cells if found[cell] is None]
    assert all(count >= least for cell, count in cells.items() if cell not in hidden)
    # Each total that is told says the sum of the suppressed cells below it.
    below = {(charge, "*"): [cell for cell in hidden if cell[0] == charge] for charge, _ in cells}
    below["*", "*"] = hidden
    equations = [part for total, part in below.items() if found[total] is not None and part]
    assert not known(equations, hidden)
    for part in equations:
        assert sum(cells[cell] for cell in part) >= least
    for total in below:
        right = sum(count for cell, count in cells.items() if total in ((cell[0], "*"), ("*", "*")))
        assert found[total] in (None, right)


def test_cells_of_one_receipt_each_are_not_told_by_their_sum():
    assert hide([1] * 12, 10) == ([True] * 12, False)
    assert hide([1] * 12 + [30], 10) == ([True] * 13, True)
