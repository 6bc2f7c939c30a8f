"""Totals (科目別集計, 調定収納照合): receipts by account and year, and how the billed amounts explain the open ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import Int64Array, combine, from_numpy, sum_by, to_numpy
from kokin.catalog import Catalog
from kokin.matching import Allocations
from kokin.reconcile._bill_columns import BillColumns, Booking, book
from kokin.reconcile._columns import category_texts, days_array
from kokin.reconcile._part_allocations import PartAllocations
from kokin.reconcile._setoff import overpaid_rows
from kokin.reconcile._tables import OutcomeRows
from kokin.rules import YearClass

_BY = ("charge", "item_code", "fiscal_year", "year_class", "channel", "received_on")
_YEN = ("revenue", "overpaid", "suspense")


def part_table(rows: OutcomeRows, bills: BillColumns, allocations: Allocations, by_part: PartAllocations) -> pa.Table:
    """Return what each part of each bill received; see :attr:`kokin.reconcile.Accounts.parts`.

    The payments of ``allocations`` are rows of outcomes; ``by_part`` divides the allocations among parts.
    """
    at = allocations.payment[by_part.allocation]
    slip = bills.main_slip[allocations.obligation[by_part.allocation]]
    outcomes = rows.outcomes_at(at)
    charge = category_texts(by_part.part.codes, by_part.part.categories)
    return pa.table(
        {
            "source": outcomes.column("source"),
            "record_no": outcomes.column("record_no"),
            "bill_id": bills.index.bill_ids(slip),
            "charge": charge,
            "account": charge_attribute(charge, bills.catalog, "account"),
            **_booking_columns(book(bills.fiscal_dates_of(slip), rows.received_on[at])),
            "applied": from_numpy(by_part.yen, pa.int64()),
        }
    )


def _booking_columns(booking: Booking) -> dict[str, pa.Array]:
    return {
        "fiscal_year": from_numpy(booking.fiscal_year, pa.int64()),
        "year_class": year_class_texts(booking.year_class),
    }


def year_class_texts(values: npt.NDArray[np.str_]) -> pa.Array:
    """Convert year classes to an Arrow column."""
    names = [name.value for name in YearClass]
    codes = np.zeros(len(values), np.int32)
    for code, name in enumerate(names):
        codes[values == name] = code
    return category_texts(codes, names)


def charge_attribute(charge: pa.Array, catalog: Catalog, name: str) -> pa.Array:
    """Return an attribute of each charge, such as its ``account`` or ``system``; null if the catalog lacks it."""
    encoded = charge.dictionary_encode()
    values = [
        getattr(catalog.charges[charge_id], name) if charge_id in catalog.charges else None
        for charge_id in encoded.dictionary.to_pylist()
    ]
    return pa.array(values, pa.string()).take(encoded.indices)


def total_table(rows: OutcomeRows, bills: BillColumns, parts: pa.Table, part_rows: Int64Array) -> pa.Table:
    """Return 科目別集計: receipts and yen; see :attr:`kokin.reconcile.Accounts.totals`.

    Yen that are allocated to no part count for the charge of their slip.

    Args:
        rows: the receipts.
        bills: the bills.
        parts: the table of :func:`part_table`.
        part_rows: int64: the receipt's row of each of its rows.
    """
    excess, suspense = overpaid_rows(rows), np.flatnonzero(rows.is_suspense)
    excess_booking = book(bills.fiscal_dates_of(rows.slip[excess]), rows.received_on[excess])
    part_keys = parts.select(["charge", "fiscal_year", "year_class"])
    excess_keys = pa.table(_booking_columns(excess_booking))
    entries = pa.concat_tables(
        [
            _entries(rows, bills, part_rows, part_keys, revenue=to_numpy(parts.column("applied"), 0)),
            _entries(rows, bills, excess, excess_keys, overpaid=rows.excess[excess]),
            _entries(rows, bills, suspense, pa.table({}), suspense=rows.yen[suspense]),
        ],
        promote_options="default",
    )
    sums = sum_by(entries, _BY, _YEN, "row")
    charge = combine(sums.column("charge"))
    received = pc.add(pc.add(sums.column("revenue"), sums.column("overpaid")), sums.column("suspense"))
    return pa.table(
        {
            **{name: charge_attribute(charge, bills.catalog, name) for name in ("account", "system")},
            **{name: sums.column(name) for name in _BY},
            "receipts": sums.column("row"),
            "received": received,
            **{name: sums.column(name) for name in _YEN},
        }
    )


def _entries(rows: OutcomeRows, bills: BillColumns, at: Int64Array, keys: pa.Table, **yen: Int64Array) -> pa.Table:
    """Return yen of some receipts with the columns of :data:`_BY`; ``keys`` has the charge and the years if known."""
    slip = rows.slip[at]
    slip_rows = from_numpy(np.maximum(slip, 0), pa.int32(), slip >= 0)
    receipt_rows = from_numpy(at, pa.int64())
    columns = dict(zip(keys.column_names, keys.columns, strict=True))
    charge = category_texts(bills.charge.codes, bills.charge.categories).take(slip_rows)
    columns["charge"] = pc.coalesce(columns["charge"], charge) if "charge" in columns else charge
    columns["item_code"] = pc.coalesce(
        bills.text_column("item_code").take(slip_rows), rows.text_column("item_code").take(receipt_rows)
    )
    columns["channel"] = rows.text_column("channel").take(receipt_rows)
    columns["received_on"] = days_array(rows.received_on[at])
    columns["row"] = receipt_rows
    columns.update({name: from_numpy(values, pa.int64()) for name, values in yen.items()})
    return pa.table(columns)


def receivable_table(
    rows: OutcomeRows,
    bills: BillColumns,
    allocations: Allocations,
    written_off: Int64Array,
    unpaid: Int64Array,
    as_of: np.datetime64,
) -> pa.Table:
    """Return 調定収納照合表; see :attr:`kokin.reconcile.Accounts.receivables`.

    Args:
        rows: the receipts.
        bills: the bills.
        allocations: what was paid on each obligation.
        written_off: int64 (m,): yen written off on each obligation (不納欠損).
        unpaid: int64 (m,): yen still open on each.
        as_of: the day of the run.
    """
    debts = bills.index.obligations
    received, excess = np.zeros_like(unpaid), np.zeros_like(unpaid)
    overpaid = overpaid_rows(rows)
    np.add.at(excess, bills.obligation_of(rows.slip[overpaid]), rows.excess[overpaid])
    np.add.at(received, allocations.obligation, allocations.yen)
    received += excess
    slip = bills.main_slip
    booking = book(bills.fiscal_dates_of(slip), np.broadcast_to(as_of, len(slip)))
    by = {
        "charge": bills.charge.texts(slip),
        "item_code": bills.item.texts(slip),
        "year_class": year_class_texts(booking.year_class),
    }
    yen = {
        "billed": debts.billed,
        "paid_before": debts.billed - debts.open,
        "received": received,
        "overpaid": excess,
        "written_off": written_off,
        "unpaid": unpaid,
    }
    columns = {name: from_numpy(values, pa.int64()) for name, values in yen.items()}
    return sum_by(pa.table({**by, **columns}), list(by), list(yen))
