"""The steps of the judgement, each against its plain twin."""

from itertools import chain

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kokin.matching._debts import connect
from kokin.matching._judge import FINAL, OUTCOMES, classify, group, last, latest_first, settle

from kokin.matching import Obligations, find_interacting

ints = st.integers(0, 4)


def column(values, dtype=np.int64):
    return np.array(values, dtype)


@given(st.lists(st.tuples(ints, ints, ints), max_size=40))
def test_group(rows):
    columns = [column([row[place] for row in rows]) for place in range(3)]
    order = sorted(set(rows))
    assert group(*columns).tolist() == [order.index(row) for row in rows]


@given(st.lists(st.tuples(ints, ints, ints), max_size=40))
def test_last(rows):
    groups, order, more = (column([row[place] for row in rows]) for place in range(3))
    found = last(groups, np.arange(len(rows), dtype=np.int32), order, more).tolist()
    best = {}
    for row in rows:
        best[row[0]] = max(best.get(row[0], row), row)
    assert sorted(rows[number] for number in found) == sorted(best.values())


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 4)), max_size=30), st.randoms())
def test_latest_first(rows, rng):
    """A stack takes what a search for the latest one takes; the order of the rows does not show."""
    takes, where, day = (column([row[place] for row in rows]) for place in range(3))
    rank = column(rng.sample(range(len(rows)), len(rows)))
    shuffled = [
        column(rng.sample(found, len(found))) for found in (np.flatnonzero(takes == flag).tolist() for flag in (1, 0))
    ]
    found = sorted(map(tuple, latest_first(*shuffled, where, day, rank).tolist()))

    left, expected = set(shuffled[1].tolist()), []
    for row in sorted(shuffled[0].tolist(), key=lambda row: (day[row], rank[row])):
        some = [other for other in left if where[other] == where[row] and day[other] <= day[row]]
        if some:
            expected.append((row, max(some, key=lambda other: (day[other], rank[other]))))
            left.remove(expected[-1][1])
    assert found == sorted(expected)


def test_classify():
    cases = [
        (5, 5, "MATCHED"),
        (4, 5, "UNDERPAID"),
        (6, 5, "OVERPAID"),
        (5, 0, "DUPLICATE_PAYMENT"),
        (0, 0, "DUPLICATE_PAYMENT"),
    ]
    amount, met, expected = zip(*cases, strict=True)
    assert [OUTCOMES[code].value for code in classify(column(amount), column(met))] == list(expected)


@given(st.integers(1, 8), st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=4), min_size=1, max_size=8))
def test_connect(total, covers):
    covers = [[number % total for number in cover] for cover in covers]
    offsets = np.cumsum([0, *map(len, covers)]).astype(np.int32)
    found = connect(total, offsets, column(list(chain(*covers)), np.int32)).tolist()

    circles = [{number} for number in range(total)]
    for cover in covers:
        met = set().union(*(circle for circle in circles if circle & set(cover)))
        circles = [circle for circle in circles if not circle & met] + [met]
    assert found == [min(next(circle for circle in circles if number in circle)) for number in range(total)]


def debts(balances, leads, covers):
    offsets = np.cumsum([0, *map(len, covers)]).astype(np.int32)
    covered = column(list(chain(*covers)), np.int32)
    circles = connect(len(balances), offsets, covered) if covers else None
    return Obligations(column(balances), column(balances), column(leads, np.int32), offsets, covered, circles)


@given(st.data())
def test_settle(data):
    total = data.draw(st.integers(1, 6))
    balances = data.draw(st.lists(st.integers(0, 9), min_size=total, max_size=total))
    covers = data.draw(st.lists(st.lists(st.integers(0, total - 1), min_size=1, max_size=3, unique=True), max_size=3))
    leads = [*range(total), *(-1 - number for number in range(len(covers)))]
    payments = data.draw(st.lists(st.tuples(st.integers(0, len(leads) - 1), st.integers(0, 12)), max_size=25))

    slips, amounts = column([p[0] for p in payments], np.int32), column([p[1] for p in payments])
    found = settle(slips, amounts, debts(balances, leads, covers))

    left, met, applied, touched = list(balances), [], [], set()
    for slip, amount in payments:
        obligations = [slip] if slip < total else covers[slip - total]
        met.append(sum(left[number] for number in obligations))
        rest = amount
        for number in obligations:
            taken = min(rest, left[number])
            left[number] -= taken
            rest -= taken
        applied.append(amount - rest)
        touched |= set(obligations)
    assert found[0].tolist() == met
    assert found[1].tolist() == applied
    assert dict(zip(found[2].tolist(), found[3].tolist(), strict=True)) == {number: left[number] for number in touched}


@given(st.lists(st.tuples(st.integers(-3, 20), st.booleans()), max_size=40), st.integers(21, 400))
def test_nobody_with_company_is_called_alone(rows, total):
    slip = column([row[0] for row in rows], np.int32)
    kind = column([FINAL if row[1] else 0 for row in rows], np.uint8)
    simple = Obligations(
        np.ones(total, np.int64), np.ones(total, np.int64), None, np.zeros(1, np.int32), np.empty(0, np.int32), None
    )
    told = find_interacting(kind, slip, simple).tolist()
    for place, (number, final) in enumerate(rows):
        company = sum(other == number for other, _ in rows) > 1
        if number < 0 or not final or company:
            assert told[place]
        elif total <= 8 * len(rows):
            assert not told[place]
