"""The settlement statement (決算表) of a fiscal year, which the closing of the year seals.

A row has the yen of one charge and year class. The debts of earlier years are 滞納繰越分: what was open of them before
the year is their 調定額. What comes for an earlier year after its closing (過日分) is booked in the open year: it is in
both 調定額 and 収入済額 of the 滞納繰越分, so the statement that was sealed before does not change. Example, yen of one
charge; 300 yen of 2025 come after the closing of 2025::

                      2025 調定  収入  未済        2026 調定  収入  未済
    due in 2026                                       1,000   900   100
    due in 2025        1,000   600   400              400     300   100

The statement is stored in the totals of the entry of the closing, so it depends on no later entry and no version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.aggregate import sum_by
from kokin.catalog import Catalog
from kokin.issues import InvalidInputError, Issue
from kokin.ledger._closed_books import ClosedBooks, Closing
from kokin.ledger._database import Transaction
from kokin.ledger._queries import entry_of
from kokin.ledger._schema import ClosingPeriod
from kokin.ledger._write_offs_in_force import write_offs_in_force
from kokin.reconcile import SETTLEMENT_KEYS, Accounts, Control
from kokin.rules import YearClass, fiscal_year

_DEBT_KEYS = SETTLEMENT_KEYS[:3]
_YEN = ("assessed", "collected", "refundable", "refunded", "written_off", "unpaid")
_TO_DATE = ("applied", "excess", "written_off")

#: The columns of :attr:`Settlement.table`.
SETTLEMENT_COLUMNS = pa.schema(
    [
        *((name, pa.string()) for name in SETTLEMENT_KEYS),
        *((name, pa.int64()) for name in _YEN),
        ("rate", pa.decimal128(7, 2)),
    ]
)

STATEMENTS = {
    "S1": "assessed - (collected - refundable) - written off = unpaid",
    "S2": "collected + refunded = figures of the fiscal year",
}


@dataclass(frozen=True)
class Settlement:
    """The settlement statement (決算表) of a fiscal year, as its closing has sealed it."""

    year: int
    """The fiscal year (会計年度)."""
    period: ClosingPeriod
    """``year``, or ``enterprise_year`` for the enterprise accounts (公営企業会計)."""
    entry: int
    """The entry of the closing."""
    table: pa.Table
    """A row for each charge and year class; yen.

    ``payee_code, charge, item_code, year_class``, then ``assessed`` 調定額, ``collected`` 収入済額 with ``refundable``
    還付未済額 in it, ``refunded`` (過誤納 of the year that was paid back or set off before the closing),
    ``written_off`` 不納欠損額, ``unpaid`` 収入未済額, and ``rate`` 収納率: ``collected - refundable`` in percent of
    ``assessed``, truncated after two digits; null if nothing is assessed.
    """
    figures_yen: int
    """What the closings have sealed for the year without 不明金: yen of :meth:`kokin.ledger.Ledger.closing_figures`."""

    @cached_property
    def totals(self) -> pa.Table:
        """The sums of :attr:`table` by ``payee_code`` and ``year_class``, and, with a null class, of each payee."""
        by_class = sum_by(self.table, ("payee_code", "year_class"), _YEN)
        by_payee = sum_by(self.table, ("payee_code",), _YEN)
        by_payee = by_payee.add_column(1, "year_class", pa.nulls(len(by_payee), pa.string()))
        return _with_rate(pa.concat_tables([by_class, by_payee]).sort_by([("payee_code", "ascending")]))

    @property
    def controls(self) -> Mapping[str, Control]:
        """The controls by name.

        - ``S1``: 調定額 − (収入済額 − 還付未済額) − 不納欠損額 = 収入未済額, in every row.
        - ``S2``: 収入済額 + 還付済額 = the figures that the closings of days, months and the year have sealed for it.
        """
        total = {name: pc.sum(self.table.column(name)).as_py() or 0 for name in _YEN}
        broken = [row for row in self.table.to_pylist() if _explained(row) != row["unpaid"]]
        names = tuple(" ".join(row[name] for name in SETTLEMENT_KEYS if row[name]) for row in broken)
        sides = {
            "S1": (_explained(total), total["unpaid"], names),
            "S2": (total["collected"] + total["refunded"], self.figures_yen, ()),
        }
        return {name: Control(name, STATEMENTS[name], *each) for name, each in sides.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return the statement for JSON."""
        return {
            "fiscal_year": self.year,
            "period": self.period.value,
            "entry": self.entry,
            "rows": self.table.to_pylist(),
            "totals": self.totals.to_pylist(),
            "controls": {name: control.as_dict() for name, control in self.controls.items()},
        }


def _explained(row: Mapping[str, int]) -> int:
    """Return the yen that are open by the other columns."""
    return row["assessed"] - (row["collected"] - row["refundable"]) - row["written_off"]


def _with_rate(table: pa.Table) -> pa.Table:
    """Return yen with ``rate``, the 収納率 in percent, truncated after two digits."""
    rates = [
        Decimal((row["collected"] - row["refundable"]) * 10_000 // row["assessed"]).scaleb(-2)
        if row["assessed"] > 0
        else None
        for row in table.to_pylist()
    ]
    return table.append_column("rate", pa.array(rates, SETTLEMENT_COLUMNS.field("rate").type))


def sealed_settlement(
    transaction: Transaction, books: ClosedBooks, period: ClosingPeriod, year: int, accounts: Accounts
) -> dict[str, Any]:
    """Return what the closing of a fiscal year seals of its settlement, in the totals of its entry.

    Args:
        transaction: the transaction.
        books: the active closings before it.
        period: the kind of fiscal year.
        year: the fiscal year.
        accounts: the accounts of the ledger.
    """
    write_offs = write_offs_in_force(transaction, None)
    # 不納欠損 is of the fiscal year of its decision: it has no 出納整理期間.
    is_later = pc.greater(write_offs.column("written_off_on"), pa.scalar(date(year + 1, 3, 31), pa.date32()))
    accrual = period is ClosingPeriod.ENTERPRISE_YEAR
    now = accounts.settlement_rows(year, accrual=accrual, later_write_offs=write_offs.filter(is_later))
    rows = [_as_sums(row) for row in now.to_pylist()]
    previous = books.last_of(period)
    if previous:
        rows += _late_rows(now, entry_of(transaction, previous.entry_id).totals["settlement"], previous, year)
    sums = sum_by(pa.Table.from_pylist(rows, pa.schema([*SETTLEMENT_COLUMNS][:-1])), SETTLEMENT_KEYS, _YEN)
    to_date = now.select([*_DEBT_KEYS, "applied_to_date", "excess_to_date", "written_off"])
    to_date = sum_by(to_date.rename_columns([*_DEBT_KEYS, *_TO_DATE]), _DEBT_KEYS, _TO_DATE)
    return {
        "rows": [[*row.values()] for row in sums.to_pylist() if any(row[name] for name in _YEN)],
        "to_date": [[*row.values()] for row in to_date.to_pylist()],
    }


def _as_sums(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of the statement of a row of :meth:`kokin.reconcile.Accounts.settlement_rows`."""
    return {
        **row,
        "collected": row["applied"] + row["excess"] - row["refunded"],
        "refundable": row["excess"] - row["refunded"],
    }


def _late_rows(now: pa.Table, sealed: Mapping[str, Any], previous: Closing, year: int) -> list[dict[str, Any]]:
    """Return what changes the rows of debts of earlier years because of the closing before.

    What came for a year after its closing is booked in the next one; what was written off until then is not of this
    one.
    """
    before = {tuple(row[:3]): dict(zip(_TO_DATE, row[3:], strict=True)) for row in sealed["to_date"]}
    earlier: dict[str, int] = dict.fromkeys([*_TO_DATE], 0)
    found: dict[tuple[Any, ...], dict[str, int]] = {key: dict(earlier) for key in before}
    for row in now.to_pylist():
        sums = found.setdefault(tuple(row[name] for name in _DEBT_KEYS), dict(earlier))
        sums["applied"] += row["applied_to_date"] - row["applied"]
        sums["excess"] += row["excess_to_date"] - row["excess"]
    # The year after the one that was closed has what came late; one that follows a gap has not.
    is_next = fiscal_year(previous.first_day) + 1 == year
    rows = []
    for key, sums in found.items():
        sealed_sums = before.get(key, earlier)
        late, late_excess = (sums[name] - sealed_sums[name] if is_next else 0 for name in ("applied", "excess"))
        rows.append(
            {
                **dict(zip(_DEBT_KEYS, key, strict=True)),
                "year_class": YearClass.CARRIED_OVER.value,
                "assessed": late - sealed_sums["written_off"],
                "collected": late + late_excess,
                "refundable": late_excess,
                "refunded": 0,
                "written_off": -sealed_sums["written_off"],
                "unpaid": 0,
            }
        )
    return rows


def settlement_of(
    transaction: Transaction, year: int, period: ClosingPeriod, last: int | None, catalog: Catalog
) -> Settlement:
    """Return the settlement statement that the active closing of a fiscal year has sealed.

    Raises:
        InvalidInputError: SETTLEMENT_OPEN: the fiscal year is not closed.
    """
    books = ClosedBooks.read(transaction, last)
    day = date(year, 4, 1)
    closing = next((each for each in books.closings if each.period is period and each.first_day == day), None)
    if closing is None:
        raise InvalidInputError([Issue("SETTLEMENT_OPEN", field="year", found=str(year))], "no settlement")
    sealed = entry_of(transaction, closing.entry_id).totals["settlement"]
    names = [*SETTLEMENT_KEYS, *_YEN]
    rows = [dict(zip(names, row, strict=True)) for row in sealed["rows"]]
    table = _with_rate(pa.Table.from_pylist(rows, pa.schema([*SETTLEMENT_COLUMNS][:-1])))
    # The figures as of the closing: a later one has added none to this year.
    figures = ClosedBooks.read(transaction, closing.entry_id).figures_of(closing, catalog)
    yen = sum(pc.sum(figures.column(name)).as_py() or 0 for name in ("revenue", "off_budget", "overpaid"))
    return Settlement(year, period, closing.entry_id, table, yen)
