"""Settlement rows (決算): what was assessed, received, written off and left open in a fiscal year, from the debts.

A debt is of the fiscal year of its due date, one on accrual (公営企業会計) of the year of its levy. Its receipts are of
the years in which they are booked (:func:`kokin.reconcile._bill_columns.book`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kokin._arrow.aggregate import sum_by
from kokin._arrow.convert import Int32Array, Int64Array, from_numpy
from kokin.reconcile._bill_columns import YEAR_CLASSES, BillColumns, book, unmoved_due_date
from kokin.reconcile._columns import Days, category_texts
from kokin.rules import YearClass, columns

#: The keys of a settlement statement.
SETTLEMENT_KEYS = ("payee_code", "charge", "item_code", "year_class")

#: The yen of :attr:`kokin.reconcile.Accounts.settlement_rows`.
SETTLEMENT_YEN = (
    "assessed",
    "applied",
    "excess",
    "refunded",
    "written_off",
    "unpaid",
    "applied_to_date",
    "excess_to_date",
)

#: The columns of :meth:`kokin.reconcile.Accounts.settlement_rows`.
SETTLEMENT_COLUMNS = pa.schema(
    [*((name, pa.string()) for name in SETTLEMENT_KEYS), *((name, pa.int64()) for name in SETTLEMENT_YEN)]
)


class BookedYen(NamedTuple):
    """Yen on obligations with the fiscal years in which they are booked."""

    #: int32 (k,).
    obligation: Int32Array
    #: int64 (k,) each.
    year: Int64Array
    yen: Int64Array


class YearSums(NamedTuple):
    """Yen of each obligation by the fiscal year in which they are booked: int64 (m,) each."""

    #: What lowered the balance in the year, before it, and after it.
    applied: Int64Array
    applied_before: Int64Array
    applied_after: Int64Array
    #: 過誤納 of the year, and of it what was paid back or set off; and 過誤納 before the year.
    excess: Int64Array
    refunded: Int64Array
    excess_before: Int64Array

    @classmethod
    def zeros(cls, count: int) -> YearSums:
        """Return sums of 0 yen for ``count`` obligations."""
        return cls(*(np.zeros(count, np.int64) for _ in cls._fields))

    def add_applied(self, rows: BookedYen, year: int) -> None:
        """Add allocations to the sums of a fiscal year."""
        _add(self.applied, rows, rows.year == year)
        _add(self.applied_before, rows, rows.year < year)
        _add(self.applied_after, rows, rows.year > year)

    def add_excess(self, rows: BookedYen, year: int) -> None:
        """Add 過誤納 to the sums of a fiscal year."""
        _add(self.excess, rows, rows.year == year)
        _add(self.excess_before, rows, rows.year < year)


def _add(sums: Int64Array, rows: BookedYen, is_in: npt.NDArray[np.bool_]) -> None:
    np.add.at(sums, rows.obligation[is_in], rows.yen[is_in])


def booked_years(bills: BillColumns, slips: Int32Array, received_on: Days) -> Int64Array:
    """Return the fiscal years in which receipts on slips are booked: int64 (k,)."""
    return book(bills.fiscal_dates_of(slips), received_on).fiscal_year.astype(np.int64)


def settlement_rows(
    bills: BillColumns, sums: YearSums, written_off: Int64Array, unpaid: Int64Array, year: int, accrual: bool
) -> pa.Table:
    """Return the settlement rows of a fiscal year; see :meth:`kokin.reconcile.Accounts.settlement_rows`.

    ``written_off`` and ``unpaid`` are yen of each obligation after the run: int64 (m,).
    """
    slip, debts = bills.main_slip, bills.index.obligations
    dates = bills.fiscal_dates_of(slip)
    due_year = columns.fiscal_year(unmoved_due_date(dates))
    levy_year = np.where(dates.levy_year > 0, dates.levy_year, due_year)
    debt_year = np.where(dates.on_accrual, levy_year, due_year)
    is_due = debt_year <= year
    to_date = sums.applied_before + sums.applied
    # An advance on a debt of a later year is assessed with its receipt.
    assessed = np.where(is_due, debts.open, to_date) - sums.applied_before
    yen = {
        "assessed": assessed,
        "applied": sums.applied,
        "excess": sums.excess,
        "refunded": sums.refunded,
        "written_off": np.where(is_due, written_off, 0),
        "unpaid": np.where(is_due, unpaid + sums.applied_after, 0),
        "applied_to_date": to_date,
        "excess_to_date": sums.excess_before + sums.excess,
    }
    end_of_year = np.full(len(slip), np.datetime64(f"{year + 1}-03-31"))
    year_class = book(dates, end_of_year).year_class
    year_class[debt_year < year] = YEAR_CLASSES.index(YearClass.CARRIED_OVER.value)
    has_yen = np.logical_or.reduce([values != 0 for values in yen.values()])
    rows = np.flatnonzero((dates.on_accrual == accrual) & has_yen)
    slip = slip[rows]
    keys = (
        bills.payee.texts(slip),
        bills.charge.texts(slip),
        bills.item.texts(slip),
        category_texts(year_class[rows], YEAR_CLASSES),
    )
    values = (from_numpy(each[rows], pa.int64()) for each in yen.values())
    table = pa.table([*keys, *values], SETTLEMENT_COLUMNS.names).cast(SETTLEMENT_COLUMNS)
    return sum_by(table, SETTLEMENT_KEYS, SETTLEMENT_YEN)
