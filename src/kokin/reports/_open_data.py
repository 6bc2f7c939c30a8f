"""Open data (オープンデータ): receipts by month, charge and channel of each payee, with small counts suppressed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.aggregate import sum_by
from kokin.reports._tables import format_months, months_since_1970

#: Charge or channel of a row that is a total over all of them.
ALL = "*"

#: Default minimum of receipts in a published cell. A rule of the authority may set another number; the national open
#: data of health insurance claims (NDB オープンデータ) suppresses counts below ten.
MINIMUM_COUNT = 10

_SCHEMA = pa.schema(
    [
        ("payee_code", pa.string()),
        ("month", pa.string()),
        ("charge", pa.string()),
        ("channel", pa.string()),
        ("receipts", pa.int64()),
        ("amount", pa.int64()),
        ("suppressed", pa.bool_()),
    ]
)


class _Cell(NamedTuple):
    name: str
    receipts: int
    amount: int


def open_data(daily: pa.Table, as_of: date, minimum_count: int = MINIMUM_COUNT) -> pa.Table:
    """Return receipts and yen of every month that has ended.

    ``payee_code, month, charge, channel, receipts, amount, suppressed``. A row whose ``channel`` is ``*`` is the total
    of its charge; one whose ``charge`` is ``*`` too is the total of its month; both are of one payee. A cell below the
    minimum is suppressed: its numbers are null (primary suppression). So that it cannot be computed from a total,
    further cells of the total are suppressed, the smallest first, until the suppressed ones are several and contain
    ``minimum_count`` receipts together (secondary suppression). If that is not possible, the total is suppressed too,
    and its neighbours are treated in the same way. A month that has not ended is left out, so that two editions of one
    month do not differ by a single payment.

    A receipt with several parts counts in each of their charges, also in the totals. Only counts decide: a cell in
    which one payment of many is by far the largest is published (no dominance rule).

    Args:
        daily: the table ⑤ (:func:`kokin.reports._tables.daily_totals`).
        as_of: the date of the report.
        minimum_count: the minimum of receipts in a published cell; 1 suppresses nothing.
    """
    ended = daily.filter(pc.less(daily.column("received_on"), pa.scalar(as_of.replace(day=1))))
    rows = pa.table(
        {
            "payee_code": ended.column("payee_code"),
            "month": format_months(months_since_1970(ended.column("received_on"))),
            **{name: pc.fill_null(ended.column(name), "") for name in ("charge", "channel")},
            "receipts": ended.column("receipts"),
            "amount": ended.column("received"),
        }
    )
    months: dict[tuple[str, str], dict[str, list[_Cell]]] = {}
    for row in sum_by(rows, _SCHEMA.names[:4], ("receipts", "amount")).to_pylist():
        cells = months.setdefault((row["payee_code"], row["month"]), {}).setdefault(row["charge"], [])
        cells.append(_Cell(row["channel"], row["receipts"], row["amount"]))
    published = [
        {"payee_code": payee, "month": month, **row}
        for (payee, month), charges in months.items()
        for row in _month_rows(charges, minimum_count)
    ]
    return pa.Table.from_pylist(published, _SCHEMA)


def _month_rows(charges: dict[str, list[_Cell]], minimum_count: int) -> list[dict[str, Any]]:
    """Return the rows of one month of a payee, from the cells of each charge."""
    by_charge = {name: suppress([cell.receipts for cell in cells], minimum_count) for name, cells in charges.items()}
    totals = [_total(name, cells) for name, cells in charges.items()]
    unsafe = [not by_charge[total.name].total_is_safe for total in totals]
    of_month = suppress([total.receipts for total in totals], minimum_count, unsafe)
    rows = []
    for total, total_is_suppressed in zip(totals, of_month.cells, strict=True):
        cells, suppressed = charges[total.name], by_charge[total.name].cells
        if total_is_suppressed:  # the sum of its published cells would reveal something about it
            suppressed = [True] * len(cells)
        rows += [_row(total.name, cell, is_hidden) for cell, is_hidden in zip(cells, suppressed, strict=True)]
        rows.append(_row(total.name, total._replace(name=ALL), total_is_suppressed))
    rows.append(_row(ALL, _total(ALL, totals), not of_month.total_is_safe))
    return rows


def _total(name: str, cells: Sequence[_Cell]) -> _Cell:
    return _Cell(name, sum(cell.receipts for cell in cells), sum(cell.amount for cell in cells))


class Suppression(NamedTuple):
    """Which cells of one total are suppressed, and whether the total can be published beside the others."""

    cells: list[bool]
    total_is_safe: bool


def suppress(receipts: Sequence[int], minimum_count: int, forced: Sequence[bool] = ()) -> Suppression:
    """Return which cells of one total are suppressed: the small ones, and then the smallest others as needed.

    The total reveals the sum of the suppressed cells. It is safe if these are several cells with ``minimum_count``
    receipts together, and not of one receipt each.

    >>> suppress([3, 50, 20], 10)  # 20 too: the total minus 50 and 20 would reveal 3
    Suppression(cells=[True, False, True], total_is_safe=True)

    Args:
        receipts: the receipts of each cell.
        minimum_count: the minimum of receipts in a published cell.
        forced: which cells are suppressed whatever their count; by default none.
    """
    suppressed = [count < minimum_count or (bool(forced) and forced[at]) for at, count in enumerate(receipts)]

    def is_safe() -> bool:
        counts = [count for count, is_hidden in zip(receipts, suppressed, strict=True) if is_hidden]
        return not counts or (len(counts) > 1 and sum(counts) >= minimum_count and sum(counts) > len(counts))

    for at in sorted(range(len(receipts)), key=lambda at: (receipts[at], at)):
        if is_safe():
            break
        suppressed[at] = True
    return Suppression(suppressed, is_safe())


def _row(charge: str, cell: _Cell, suppressed: bool) -> dict[str, Any]:
    numbers = {name: None if suppressed else getattr(cell, name) for name in ("receipts", "amount")}
    return {"charge": charge, "channel": cell.name, **numbers, "suppressed": suppressed}
