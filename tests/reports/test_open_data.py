"""Open data: a suppressed cell cannot be computed from the published ones."""

from datetime import date
from fractions import Fraction

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.reports._open_data import open_data, suppress
from tests.support import examples

AS_OF = date(2026, 6, 15)


def daily(rows, payee="99999"):
    """Return table ⑤ of a payee from rows of ``(day, charge, channel, receipts, yen)``."""
    names = ("payee_code", "received_on", "charge", "channel", "receipts", "received")
    kinds = (pa.string(), pa.date32(), pa.string(), pa.string(), pa.int64(), pa.int64())
    columns = zip(*((payee, *row) for row in rows), strict=True) if rows else [[]] * 6
    return pa.table([pa.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)], names)


def published(rows, minimum_count=10):
    """Return the receipts of each published cell by charge and channel; None if suppressed."""
    table = open_data(daily(rows), AS_OF, minimum_count)
    return {(row["charge"], row["channel"]): row["receipts"] for row in table.to_pylist()}


MAY = date(2026, 5, 1)


def test_the_smallest_other_cell_is_suppressed_with_a_small_one():
    rows = [(MAY, "tax", name, count, count * 100) for name, count in (("app", 3), ("bank", 50), ("shop", 20))]
    assert published(rows) == {
        ("tax", "app"): None,
        ("tax", "shop"): None,
        ("tax", "bank"): 50,
        ("tax", "*"): 73,
        ("*", "*"): 73,
    }


def test_a_small_cell_that_is_its_whole_total_suppresses_the_total_and_another_charge():
    rows = [
        (MAY, "tax", "app", 3, 1),
        (MAY, "water", "app", 40, 1),
        (MAY, "water", "bank", 50, 1),
        (MAY, "a", "b", 99, 1),
    ]
    assert published(rows) == {
        ("tax", "app"): None,
        ("tax", "*"): None,
        ("water", "app"): None,
        ("water", "bank"): None,
        ("water", "*"): None,
        ("a", "b"): 99,
        ("a", "*"): 99,
        ("*", "*"): 192,
    }


def test_a_month_with_few_receipts_is_suppressed_as_a_whole():
    assert set(published([(MAY, "tax", "app", 3, 1)]).values()) == {None}
    assert published([(MAY, "tax", "app", 3, 1)], minimum_count=1) == {
        ("tax", "app"): 3,
        ("tax", "*"): 3,
        ("*", "*"): 3,
    }


def test_only_ended_months_are_published_and_yen_are_suppressed_with_their_receipts():
    rows = [
        (MAY, "tax", "app", 30, 9),
        (date(2026, 5, 31), "tax", "app", 10, 1),
        (date(2026, 6, 1), "tax", "app", 99, 9),
    ]
    found = open_data(daily(rows), AS_OF).to_pylist()
    assert [row["month"] for row in found] == ["2026-05"] * 3
    assert {(row["receipts"], row["amount"], row["suppressed"]) for row in found} == {(40, 10, False)}
    suppressed = open_data(daily([(MAY, "tax", "app", 1, 5)]), AS_OF).to_pylist()
    assert {(row["receipts"], row["amount"], row["suppressed"]) for row in suppressed} == {(None, None, True)}


def test_a_small_cell_is_not_hidden_by_receipts_of_another_payee():
    rows = [(MAY, "tax", "app", 6, 1), (MAY, "tax", "bank", 50, 1)]
    of_two = pa.concat_tables([daily(rows, "88888"), daily(rows, "99999")])
    found = open_data(of_two, AS_OF)
    alone = [open_data(daily(rows, payee), AS_OF) for payee in ("88888", "99999")]
    assert found == pa.concat_tables(alone)
    assert set(found["receipts"].to_pylist()) == {None, 56}


def determined(equations, unknowns):
    """Return the unknowns that a system of linear equations determines, by Gaussian elimination in fractions."""
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


@settings(max_examples=examples(200))
@given(
    cells=st.dictionaries(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")), st.integers(1, 30), min_size=1, max_size=16
    ),
    minimum_count=st.integers(2, 12),
)
def test_no_suppressed_cell_can_be_computed(cells, minimum_count):
    found = published(
        [(MAY, charge, channel, count, count) for (charge, channel), count in cells.items()], minimum_count
    )
    assert set(found) == {*cells, *((charge, "*") for charge, _ in cells), ("*", "*")}
    suppressed = [cell for cell in cells if found[cell] is None]
    assert all(count >= minimum_count for cell, count in cells.items() if cell not in suppressed)
    # Each published total reveals the sum of its suppressed cells.
    below = {(charge, "*"): [cell for cell in suppressed if cell[0] == charge] for charge, _ in cells}
    below["*", "*"] = suppressed
    equations = [part for total, part in below.items() if found[total] is not None and part]
    assert not determined(equations, suppressed)
    for part in equations:
        assert sum(cells[cell] for cell in part) >= minimum_count
    for total in below:
        right = sum(count for cell, count in cells.items() if total in ((cell[0], "*"), ("*", "*")))
        assert found[total] in (None, right)


def test_cells_of_one_receipt_each_are_not_revealed_by_their_sum():
    assert suppress([1] * 12, 10) == ([True] * 12, False)
    assert suppress([1] * 12 + [30], 10) == ([True] * 13, True)
