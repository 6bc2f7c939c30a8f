"""Allocation (充当) of payments to balances, one payment after another: the only payment loop of Kokin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from kokin._arrow.convert import Int64Array
from kokin.matching._groups import first_of_runs, starts_of_runs

#: Divides payments among their accounts: yen of each payment (n,), open yen of its accounts in a row (k,), and where
#: the accounts of each payment start (n,) -> yen for each account (k,).
Divide = Callable[[Int64Array, Int64Array, Int64Array], Int64Array]


def fill_in_order(amount: Int64Array, open_: Int64Array, start: Int64Array) -> Int64Array:
    """Fill the accounts of each payment one after another: int64 (k,).

    >>> fill_in_order(np.array([1500, 50]), np.array([1000, 1000, 80]), np.array([0, 2])).tolist()
    [1000, 500, 50]
    """
    size = np.diff(start, append=len(open_))
    already_put = np.cumsum(open_) - open_
    already_put -= np.repeat(already_put[start], size)
    return np.clip(np.repeat(amount, size) - already_put, 0, open_)


def allocate_in_order(
    amount: Int64Array,
    count: Int64Array,
    accounts: npt.NDArray[np.integer],
    component: npt.NDArray[np.integer],
    balance: Int64Array,
    divide: Divide = fill_in_order,
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Allocate payments to the balances of accounts, in the order of the rows.

    A payment puts on each of its accounts at most what is open there. Two bills of 1,000 yen are paid by a slip for
    both with 1,500 yen, then the second bill is paid by its own slip with 700 yen:

    >>> allocate_in_order(
    ...     amount=np.array([1500, 700]),
    ...     count=np.array([2, 1]),
    ...     accounts=np.array([0, 1, 1]),
    ...     component=np.array([0, 0]),
    ...     balance=np.array([1000, 1000]),
    ... )
    (array([1000,  500,  500]), array([1000, 1000,  500]), array([0, 0]))

    Where all payments of a component are on one account, running sums do. Elsewhere the payments are taken round by
    round, in each the next one of every component, so the number of rounds is that of the longest component.

    Args:
        amount: int64 (n,): yen of each payment.
        count: int64 (n,): how many accounts each payment is for, at least one.
        accounts: (k,): these accounts in a row, different ones within a payment, in the order in which it fills them.
        component: (n,): payments of different components have no account in common.
        balance: int64 (m,): yen open on each account.
        divide: how a payment is divided among its accounts.

    Returns:
        The yen put on each of ``accounts``, and what was open on it before: int64 (k,) each. The yen open on each
        account afterwards: int64 (m,).
    """
    start = np.cumsum(count) - count
    yen, before, after = np.zeros(len(accounts), np.int64), np.zeros(len(accounts), np.int64), balance.copy()
    in_rounds = np.ones(len(amount), np.bool_)
    if divide is fill_in_order:
        in_rounds = np.isin(component, component[count > 1])
        rows = np.flatnonzero(~in_rounds)
        at = start[rows]
        yen[at], before[at] = _running_sums(accounts[at], amount[rows], balance)
        np.subtract.at(after, accounts[at], yen[at])
    rows = np.flatnonzero(in_rounds)
    for turn in rounds(component[rows]):
        payments = rows[turn]
        first = np.cumsum(count[payments]) - count[payments]
        at = np.repeat(start[payments] - first, count[payments])
        at += np.arange(len(at))
        before[at] = after[accounts[at]]
        yen[at] = divide(amount[payments], before[at], first)
        after[accounts[at]] -= yen[at]
    return yen, before, after


def _running_sums(
    account: npt.NDArray[np.integer], amount: Int64Array, balance: Int64Array
) -> tuple[Int64Array, Int64Array]:
    """Allocate payments for one account each: the yen put on it, and what was open before, int64 (n,) each.

    Payments of 600, 300 and 200 yen on a balance of 1,000 find 1,000, 400 and 100 open and put 600, 300 and 100 on it.
    """
    order = np.argsort(account, kind="stable")
    sorted_account, sorted_amount = account[order], amount[order]
    paid_before = np.cumsum(sorted_amount) - sorted_amount
    paid_before -= first_of_runs(paid_before, starts_of_runs(sorted_account))
    open_before = np.maximum(balance[sorted_account] - paid_before, 0)
    before, yen = np.empty_like(open_before), np.empty_like(open_before)
    before[order], yen[order] = open_before, np.minimum(open_before, sorted_amount)
    return yen, before


def rounds(component: npt.NDArray[np.integer]) -> Iterator[Int64Array]:
    """Yield the first row of every component, then the second row of every component, and so on.

    >>> [rows.tolist() for rows in rounds(np.array([7, 3, 7, 7]))]
    [[0, 1], [2], [3]]
    """
    order = np.argsort(component, kind="stable")
    ordered = component[order]
    turn = np.empty(len(order), np.int64)
    turn[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    by_turn = np.argsort(turn, kind="stable")
    for start, end in pairwise([0, *np.cumsum(np.bincount(turn)).tolist()]):
        yield by_turn[start:end]
