"""Write-offs (不納欠損): what an authority gives up of debts. They lower what is open, and move no payment."""

from __future__ import annotations

from datetime import date
from typing import Annotated, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import Int32Array, Int64Array, combine, to_numpy
from kokin.issues import InvalidInputError, Issue, Location
from kokin.matching import Index
from kokin.model import Date, Record, Text, Yen
from kokin.reconcile._columns import Days

#: What was written off beyond the balance: ``balance`` are the yen that could be written off.
BEYOND_BALANCE = pa.schema(
    [("bill_id", pa.string()), ("obligation", pa.int64()), ("written_off", pa.int64()), ("balance", pa.int64())]
)


class WriteOff(Record):
    """Yen of one bill that the authority has written off (不納欠損). The bill stays, and is no longer collected."""

    bill_id: Annotated[str, Text(64, min=1)]
    """The bill; of a slip that covers several obligations, the first of them is meant."""
    amount: Annotated[int, Yen(1)]
    """Yen, at most the balance after the run."""
    decided_on: Annotated[date, Date()] | None = None
    """The day of the decision."""
    reason: Annotated[str, Text(200)] | None = None
    """Why (消滅時効, 執行停止), without personal data."""


class WrittenOff(NamedTuple):
    """What is written off of the obligations of a run."""

    #: int64 (m,): yen of each obligation, at most its balance.
    yen: Int64Array
    #: :data:`BEYOND_BALANCE`, a row for each obligation of which more was written off than is open, and for each bill
    #: that is not in the run, whose ``obligation`` is -1.
    beyond: pa.Table


def nothing_written_off(balance: Int64Array) -> WrittenOff:
    """Return that nothing is written off of obligations with some yen open, int64 (m,)."""
    return WrittenOff(np.zeros_like(balance), BEYOND_BALANCE.empty_table())


def write_off_balances(write_offs: pa.Table, index: Index, balance: Int64Array) -> WrittenOff:
    """Return what write-offs lower of balances.

    Later data can leave less open than was written off: a payment after it, a corrected bill. The balance is the limit.

    Args:
        write_offs: rows with ``bill_id`` and ``amount``.
        index: the bills.
        balance: int64 (m,), yen open on each obligation after the run.
    """
    slip, amount, obligation = _rows(write_offs, index)
    known = slip >= 0
    total = _sum_by_obligation(obligation[known], amount[known], len(balance))
    yen = np.minimum(total, np.maximum(balance, 0))
    bill_id = combine(write_offs.column("bill_id")).cast(pa.string())
    is_beyond = ~known
    is_beyond[known] = (total > yen)[obligation[known]]
    beyond: dict[tuple[int, str], dict[str, int | str]] = {}
    for row in np.flatnonzero(is_beyond).tolist():
        debt, name = int(obligation[row]), bill_id[row].as_py()
        key = (debt, "" if debt >= 0 else name)
        limit = {"written_off": int(total[debt]), "balance": int(yen[debt])} if debt >= 0 else None
        if key not in beyond:
            beyond[key] = {"bill_id": name, "obligation": debt, **(limit or {"written_off": 0, "balance": 0})}
        if limit is None:
            beyond[key]["written_off"] = int(beyond[key]["written_off"]) + int(amount[row])
    return WrittenOff(yen, pa.Table.from_pylist(list(beyond.values()), BEYOND_BALANCE))


def require_open(write_offs: pa.Table, index: Index, balance: Int64Array) -> None:
    """Raise an error unless the bills are in the run, and at most their balance is written off.

    Args:
        write_offs: rows of :class:`WriteOff`.
        index: the bills.
        balance: int64 (m,), yen open on each obligation after the run.

    Raises:
        InvalidInputError: a bill is not in the run, or more is written off than is open on it.
    """
    slip, amount, obligation = _rows(write_offs, index)
    known = slip >= 0
    yen = _sum_by_obligation(obligation[known], amount[known], len(balance))
    #: The largest valid amount of each invalid row, -1 for a valid row.
    limit = np.full(len(slip), -1, np.int64)
    debt = obligation[known]
    limit[known] = np.where((yen > balance)[debt] | (amount[known] < 1), balance[debt], -1)
    issues = []
    for row in np.flatnonzero((slip < 0) | (limit >= 0)).tolist():
        if slip[row] >= 0:
            issue = Issue("AMOUNT_RANGE", field="amount", expected=f"1 to {limit[row]}", found=str(amount[row]))
        else:
            found = str(write_offs.column("bill_id")[row])
            issue = Issue("CODE_UNKNOWN", field="bill_id", expected="a bill of the run", found=found)
        issues.append(issue.with_location(Location(record=row + 1)))
    if issues:
        raise InvalidInputError(issues, "write-offs rejected")


def last_payments(
    payment: Int64Array, debt: Int64Array, yen: Int64Array, paid_on: Days, beyond: pa.Table
) -> tuple[Int64Array, Int64Array]:
    """Return the last payments of debts of which too much is written off, until their yen explain it.

    Args:
        payment: int64 (k,), the row of the payment of each allocation.
        debt: int64 (k,), its obligation.
        yen: int64 (k,).
        paid_on: datetime64[D], the day of each row.
        beyond: :data:`BEYOND_BALANCE`.

    Returns:
        The row of each payment, and the row of its debt in ``beyond``: int64 (j,) each.

    >>> beyond = pa.table([["B1"], [7], [500], [100]], schema=BEYOND_BALANCE)
    >>> days = np.array(["2026-06-01", "2026-05-01", "2026-07-01"], "datetime64[D]")
    >>> last_payments(np.arange(3), np.full(3, 7), np.array([300, 900, 200]), days, beyond)  # 200 + 300 of 400
    (array([0, 2]), array([0, 0]))
    """
    debts, written_off, balance = (to_numpy(beyond.column(at), 0) for at in (1, 2, 3))
    order = np.lexsort((-payment, -paid_on[payment].astype(np.int64), debt))
    payment, debt, yen = payment[order], debt[order], yen[order]
    is_first = np.diff(debt, prepend=-1) > 0
    total = np.cumsum(yen)
    before = total - yen
    before -= np.repeat(before[is_first], np.diff(np.append(np.flatnonzero(is_first), len(debt))))
    by_debt = np.argsort(debts)
    row = by_debt[np.searchsorted(debts[by_debt], debt)]
    found = np.unique(np.stack([payment, row])[:, before < (written_off - balance)[row]], axis=1)
    return found[0], found[1]


def _rows(write_offs: pa.Table, index: Index) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return the slip of each row, -1 if unknown, its yen, and the obligation of the slip or -1: int64 (k,) each."""
    bill_id = combine(write_offs.column("bill_id")).cast(index.bill_id.type)
    slip = to_numpy(pc.index_in(bill_id, value_set=index.bill_id), -1).astype(np.int64)
    amount = to_numpy(write_offs.column("amount"), 0)
    obligation = np.full(len(slip), -1, np.int64)
    slips: Int32Array = slip[slip >= 0].astype(np.int32)
    obligation[slip >= 0] = index.obligations.first_of(slips)
    return slip, amount, obligation


def _sum_by_obligation(obligation: Int64Array, amount: Int64Array, count: int) -> Int64Array:
    yen = np.zeros(count, np.int64)
    np.add.at(yen, obligation, amount)
    return yen
