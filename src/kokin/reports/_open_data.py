"""Open data (オープンデータ): what a month brought, by charge and channel, with nobody to be found in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.aggregate import sum_by
from kokin.reports._tables import month_texts, months_of

#: What stands for every charge, or every channel, in a row of totals.
ALL = "*"

#: Fewer receipts than this are not told. A rule of the body's own may ask for another number; the national open data of
#: health insurance claims (NDB オープンデータ) hides what is fewer than ten.
LEAST = 10

_SCHEMA = pa.schema(
    [
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


def open_data(by_day: pa.Table, as_of: date, least: int = LEAST) -> pa.Table:
    """``month, charge, channel, receipts, amount, suppressed``: receipts and yen of every month that is over.

    A row whose ``channel`` is ``*`` is the total of its charge, one whose ``charge`` is ``*`` too the total of its
    month. A small cell is suppressed: its numbers are null. So that it cannot be computed, further cells of its total
    are, the smallest first, until those that are hidden under one total are several and hold ``least`` receipts
    together; where that cannot be, the total is hidden with them, and its own neighbours are looked at in the same way.
    A month is told when it is over, so that two editions of one month do not differ by a single payment.

    A receipt with several parts counts with each of their charges, in the totals too. Counts alone decide: a cell in
    which one payment of many is by far the largest is told.

    Args:
        by_day: the table of :func:`kokin.reports._tables.daily`.
        as_of: the day of the report.
        least: the fewest receipts that a cell may tell; 1 suppresses nothing.
    """
    over = by_day.filter(pc.less(by_day.column("received_on"), pa.scalar(as_of.replace(day=1))))
    entries = pa.table(
        {
            "month": month_texts(months_of(over.column("received_on"))),
            **{name: pc.fill_null(over.column(name), "") for name in ("charge", "channel")},
            "receipts": over.column("receipts"),
            "amount": over.column("received"),
        }
    )
    cells: dict[str, dict[str, list[_Cell]]] = {}
    for row in sum_by(entries, ("month", "charge", "channel"), ("receipts", "amount")).to_pylist():
        channels = cells.setdefault(row["month"], {}).setdefault(row["charge"], [])
        channels.append(_Cell(row["channel"], row["receipts"], row["amount"]))
    rows = [row for name, charges in cells.items() for row in _month(name, charges, least)]
    return pa.Table.from_pylist(rows, _SCHEMA)


def _month(month: str, charges: dict[str, list[_Cell]], least: int) -> list[dict[str, Any]]:
    """The rows of one month."""
    hidden = {name: hide([cell.receipts for cell in channels], least) for name, channels in charges.items()}
    totals = [_total(name, channels) for name, channels in charges.items()]
    of_totals = hide([total.receipts for total in totals], least, [not hidden[total.name].is_safe for total in totals])
    rows = []
    for total, gone in zip(totals, of_totals.cells, strict=True):
        # Nothing is told below a total that is hidden: its parts would tell of it.
        below = [True] * len(charges[total.name]) if gone else hidden[total.name].cells
        rows += [_row(month, total.name, cell, away) for cell, away in zip(charges[total.name], below, strict=True)]
        rows.append(_row(month, total.name, total._replace(name=ALL), gone))
    rows.append(_row(month, ALL, _total(ALL, totals), not of_totals.is_safe))
    return rows


def _total(name: str, cells: Sequence[_Cell]) -> _Cell:
    return _Cell(name, sum(cell.receipts for cell in cells), sum(cell.amount for cell in cells))


class Hidden(NamedTuple):
    """Which cells of one total are hidden, and whether the total may be told beside the others."""

    cells: list[bool]
    is_safe: bool


def hide(receipts: Sequence[int], least: int, also: Sequence[bool] = ()) -> Hidden:
    """The cells of one total that are hidden: the small ones, and as many others as it takes.

    ``also`` marks cells that are hidden whatever they count. What is hidden is what the total tells beyond the cells
    that are shown; it is safe where that is several cells of ``least`` receipts together, and not one receipt each.
    """
    order = sorted(range(len(receipts)), key=lambda at: (receipts[at], at))
    gone = [count < least or (bool(also) and also[at]) for at, count in enumerate(receipts)]

    def is_safe() -> bool:
        some = [count for count, away in zip(receipts, gone, strict=True) if away]
        return not some or (len(some) > 1 and sum(some) >= least and sum(some) > len(some))

    for at in order:
        if is_safe():
            break
        gone[at] = True
    return Hidden(gone, is_safe())


def _row(month: str, charge: str, cell: _Cell, gone: bool) -> dict[str, Any]:
    told = {"receipts": None, "amount": None} if gone else {"receipts": cell.receipts, "amount": cell.amount}
    return {"month": month, "charge": charge, "channel": cell.name, **told, "suppressed": gone}
