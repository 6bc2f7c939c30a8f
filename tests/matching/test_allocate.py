"""The one payment loop, against a plain loop."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kokin.matching import allocate_in_order, fill_in_order


def plain_allocate(payments, balance):
    """Each payment (yen, its accounts) fills its accounts one after another."""
    rows, balance = [], list(balance)
    for amount, accounts in payments:
        for account in accounts:
            yen = min(amount, balance[account])
            rows.append((yen, balance[account]))
            balance[account] -= yen
            amount -= yen
    return rows, balance


@st.composite
def cases(draw):
    """Payments of three components with four accounts each, and their balances."""
    payment = st.tuples(
        st.integers(0, 30), st.integers(0, 2), st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True)
    )
    payments = draw(st.lists(payment, max_size=20))
    balance = draw(st.lists(st.integers(0, 20), min_size=12, max_size=12))
    only_one = draw(st.booleans())  # then the running sums do it
    return [
        (amount, component, [4 * component + account for account in (accounts[:1] if only_one else accounts)])
        for amount, component, accounts in payments
    ], balance


def fill_by_another_function(amount, open_, start):
    return fill_in_order(amount, open_, start)


@given(cases(), st.sampled_from([fill_in_order, fill_by_another_function]))
def test_equals_the_plain_loop(case, divide):
    payments, balance = case
    amount, component, count = (
        np.array(values, np.int64)
        for values in ([p[0] for p in payments], [p[1] for p in payments], [len(p[2]) for p in payments])
    )
    accounts = np.array([account for *_, of_payment in payments for account in of_payment], np.int64)
    opening = np.array(balance, np.int64)
    yen, before, after = allocate_in_order(amount, count, accounts, component, opening, divide)
    rows, expected_after = plain_allocate([(amount, of_payment) for amount, _, of_payment in payments], balance)
    assert list(zip(yen.tolist(), before.tolist(), strict=True)) == rows
    assert after.tolist() == expected_after
    assert opening.tolist() == balance
