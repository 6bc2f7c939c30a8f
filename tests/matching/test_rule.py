"""The steps of the rule of matching, each against its plain twin."""

from itertools import chain

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kokin.matching import FINAL, OUTCOMES, Obligations, find_interacting
from kokin.matching._groups import group, last_of_groups
from kokin.matching._obligations import connected_components
from kokin.matching._rule import allocate, compare_with_balance, latest_first

ints = st.integers(0, 4)


def column(values, dtype=np.int64):
    return np.array(values, dtype)


@given(st.lists(st.tuples(ints, ints, ints), max_size=40))
def test_group_numbers_equal_rows_in_sorted_order(rows):
    columns = [column([row[position] for row in rows]) for position in range(3)]
    order = sorted(set(rows))
    assert group(*columns).tolist() == [order.index(row) for row in rows]


@given(st.lists(st.tuples(ints, ints, ints), max_size=40))
def test_last_finds_the_last_row_of_each_group(rows):
    groups, order, more = (column([row[position] for row in rows]) for position in range(3))
    found = last_of_groups(groups, np.arange(len(rows), dtype=np.int32), order, more).tolist()
    best = {}
    for row in rows:
        best[row[0]] = max(best.get(row[0], row), row)
    assert sorted(rows[number] for number in found) == sorted(best.values())


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 4)), max_size=30), st.randoms())
def test_a_reversal_is_paired_with_the_latest_final_before_it(rows, rng):
    """The stack finds the same as a search for the latest one; the order of the rows does not matter."""
    is_reversal, groups, day = (column([row[position] for row in rows]) for position in range(3))
    sort_key = column(rng.sample(range(len(rows)), len(rows)))
    by_kind = (np.flatnonzero(is_reversal == flag).tolist() for flag in (1, 0))
    shuffled = [column(rng.sample(of_kind, len(of_kind))) for of_kind in by_kind]
    found = sorted(map(tuple, latest_first(*shuffled, groups, day, sort_key).tolist()))

    left, expected = set(shuffled[1].tolist()), []
    for row in sorted(shuffled[0].tolist(), key=lambda row: (day[row], sort_key[row])):
        candidates = [other for other in left if groups[other] == groups[row] and day[other] <= day[row]]
        if candidates:
            expected.append((row, max(candidates, key=lambda other: (day[other], sort_key[other]))))
            left.remove(expected[-1][1])
    assert found == sorted(expected)


def test_the_outcome_depends_on_the_balance_before():
    cases = [
        (5, 5, "MATCHED"),
        (4, 5, "UNDERPAID"),
        (6, 5, "OVERPAID"),
        (5, 0, "DUPLICATE_PAYMENT"),
        (0, 0, "DUPLICATE_PAYMENT"),
    ]
    amount, balance, expected = zip(*cases, strict=True)
    assert [OUTCOMES[code].value for code in compare_with_balance(column(amount), column(balance))] == list(expected)


def obligations_of(balances, of_slip, covers):
    offsets = np.cumsum([0, *map(len, covers)]).astype(np.int32)
    covered = column(list(chain(*covers)), np.int32)
    component = connected_components(len(balances), offsets, covered) if covers else None
    return Obligations(column(balances), column(balances), column(of_slip, np.int32), offsets, covered, component)


@given(st.data())
def test_payments_are_allocated_in_their_order(data):
    total = data.draw(st.integers(1, 6))
    balances = data.draw(st.lists(st.integers(0, 9), min_size=total, max_size=total))
    covers = data.draw(st.lists(st.lists(st.integers(0, total - 1), min_size=1, max_size=3, unique=True), max_size=3))
    of_slip = [*range(total), *(-1 - number for number in range(len(covers)))]
    payments = data.draw(st.lists(st.tuples(st.integers(0, len(of_slip) - 1), st.integers(0, 12)), max_size=25))

    slips, amounts = column([p[0] for p in payments], np.int32), column([p[1] for p in payments])
    before, applied, allocations = allocate(slips, amounts, obligations_of(balances, of_slip, covers))

    balance, expected = list(balances), []
    for payment, (slip, amount) in enumerate(payments):
        obligations = [slip] if slip < total else covers[slip - total]
        assert before[payment] == sum(balance[number] for number in obligations)
        rest = amount
        for number in obligations:
            yen = min(rest, balance[number])
            expected += [(payment, number, yen, balance[number])] if yen else []
            balance[number] -= yen
            rest -= yen
        assert applied[payment] == amount - rest
    assert list(zip(*(field.tolist() for field in allocations), strict=True)) == expected


@given(st.lists(st.tuples(st.integers(-3, 20), st.booleans()), max_size=40), st.integers(21, 400))
def test_receipts_interact_if_they_share_a_slip_or_are_no_finals(rows, total):
    slip = column([row[0] for row in rows], np.int32)
    kind = column([FINAL if row[1] else 0 for row in rows], np.uint8)
    interacting = find_interacting(kind, slip, Obligations(np.ones(total, np.int64), np.ones(total, np.int64)))
    slips = slip.tolist()
    assert interacting.tolist() == [number < 0 or not final or slips.count(number) > 1 for number, final in rows]


@given(st.lists(st.integers(0, 6), max_size=8), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_receipts_interact_if_a_covering_slip_connects_their_obligations(slips, covered):
    """Slips 0 to 3 settle an obligation each, slips 4 to 6 cover several."""
    covers = [sorted(set(covered[:2])), sorted(set(covered[2:])), [3]]
    obligations = obligations_of([1] * 4, [0, 1, 2, 3, -1, -2, -3], covers)
    slip = column(slips, np.int32)
    component = obligations.component_of(slip).tolist()
    connected = {own for number, own in zip(slips, component, strict=True) if number > 3}
    interacting = find_interacting(np.full(len(slips), FINAL, np.uint8), slip, obligations)
    assert interacting.tolist() == [
        own in connected or slips.count(number) > 1 for number, own in zip(slips, component, strict=True)
    ]
