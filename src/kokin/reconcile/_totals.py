"""Parts (内訳), totals (科目別集計) and receivables (調定収納照合).

Payments are allocated to the parts of their bills, to the yen. Totals are receipts by account and year; receivables
explain the open yen by the billed ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.aggregate import sum_by
from kokin._arrow.convert import Int32Array, Int64Array, UInt8Array, combine, from_numpy, to_numpy
from kokin._arrow.threads import chunk_slices, thread_map
from kokin.catalog import Catalog
from kokin.matching import Allocations, allocate_in_order, fill_in_order, first_of_groups, group
from kokin.reconcile._bill_columns import YEAR_CLASSES, BillColumns, Booking, book
from kokin.reconcile._columns import Categorical, category_texts, days_array, merge_categories
from kokin.reconcile._setoff import overpaid_rows
from kokin.reconcile._tables import OutcomeRows
from kokin.rules import SplitMethod, columns

_METHODS: tuple[SplitMethod, ...] = ("prorata", "water_first", "reject")
_PRORATA, _WATER_FIRST, _REJECT = range(len(_METHODS))
_NO_PARTS, _INVALID_PARTS = 10, 11

_WATER = "water-charge"

_BY = ("payee", "charge", "item_code", "fiscal_year", "year_class", "channel", "received_on")
_YEN = ("applied", "overpaid", "suspense")


class PartAllocations(NamedTuple):
    """Allocations divided among parts, ``k`` rows by payment; they add up to the allocations.

    Yen that cannot be divided yet are booked without a part, and moved to the parts once they can.
    """

    #: int64 (k,): the row of the payment.
    payment: Int64Array
    #: int32 (k,): the obligation.
    obligation: Int32Array
    #: (k,): the part; -1: not divided. The categories are :func:`part_names`.
    part: Categorical
    #: int64 (k,).
    yen: Int64Array


class Mismatches(NamedTuple):
    """Allocations that cannot be divided as their slip says, ``k`` rows by payment."""

    #: int64 (k,): the row of the payment.
    payment: Int64Array
    #: int64 (k,) each: yen.
    expected: Int64Array
    found: Int64Array


class DividedAllocations(NamedTuple):
    """Allocations by part, and those that cannot be divided."""

    by_part: PartAllocations
    #: Allocations to slips whose parts do not add up to the bill.
    invalid: Mismatches
    #: Partial payments that are not divided (method ``reject``).
    undivided: Mismatches

    def between(self, start: int, end: int) -> DividedAllocations:
        """Return those of the payments in the rows from ``start`` to ``end``, numbered from ``start``."""
        by_part, invalid, undivided = (slice(*np.searchsorted(each.payment, (start, end))) for each in self)
        part = self.by_part.part
        return DividedAllocations(
            PartAllocations(
                self.by_part.payment[by_part] - start,
                self.by_part.obligation[by_part],
                part._replace(codes=part.codes[by_part]),
                self.by_part.yen[by_part],
            ),
            *(
                Mismatches(each.payment[rows] - start, each.expected[rows], each.found[rows])
                for each, rows in ((self.invalid, invalid), (self.undivided, undivided))
            ),
        )

    def with_payments(self, payment: Int64Array) -> DividedAllocations:
        """Return these with the row ``payment[i]`` for the payment ``i``; the rows ascend."""
        return DividedAllocations(
            self.by_part._replace(payment=payment[self.by_part.payment]),
            self.invalid._replace(payment=payment[self.invalid.payment]),
            self.undivided._replace(payment=payment[self.undivided.payment]),
        )

    def merge(self, other: DividedAllocations) -> DividedAllocations:
        """Return these and others, by payment; both have the same names of parts."""
        payment, obligation, codes, yen = _by_payment(
            *(
                (each.by_part.payment, each.by_part.obligation, each.by_part.part.codes, each.by_part.yen)
                for each in (self, other)
            )
        )
        by_part = PartAllocations(payment, obligation, self.by_part.part._replace(codes=codes), yen)
        return DividedAllocations(
            by_part,
            Mismatches._make(_by_payment(self.invalid, other.invalid)),
            Mismatches._make(_by_payment(self.undivided, other.undivided)),
        )


def _by_payment(*tables: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """Return the rows of several tables in the order of their first column; rows that are equal in it keep theirs."""
    columns = [np.concatenate(column) for column in zip(*tables, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return [column[order] for column in columns]


class OpenParts(NamedTuple):
    """The parts of ``t`` obligations with their open yen in a row each, at most ``p``; padded with -1 and 0 yen."""

    #: int64 (t, p): the code of the name in ``BillColumns.parts.names``.
    name: Int64Array
    #: int64 (t, p). If it is not known how the open yen are divided, all are on a part -1.
    yen: Int64Array


class _PartTable(NamedTuple):
    """The parts of ``t`` obligations in a row each, at most ``p``; padded with -1 and 0 yen."""

    #: uint8 (t,): an index of ``_METHODS``, ``_NO_PARTS`` or ``_INVALID_PARTS``.
    method: UInt8Array
    #: int64 (t, p) each.
    name: Int64Array
    yen: Int64Array


def part_names(bills: BillColumns) -> list[str]:
    """Return the names of the parts in :class:`PartAllocations`: the charges of slips, then those of their parts."""
    return [*bills.charge.categories, *bills.parts.names.categories]


def allocate_to_parts(
    allocations: Allocations, bills: BillColumns, split: Mapping[str, SplitMethod]
) -> DividedAllocations:
    """Divide allocations, which are by payment, among the parts of their slips.

    A slip without parts is one part, its charge. A payment is divided by what is still open on the parts, so that the
    last one completes each of them; what was paid before the run counts as one payment. ``allocations`` has all
    allocations to each of its obligations, ``split`` the method by the charge of the slip.
    """
    slip = bills.main_slip[allocations.obligation]
    has_parts = bills.parts.offsets[slip + 1] > bills.parts.offsets[slip]
    whole, with_parts = np.flatnonzero(~has_parts), np.flatnonzero(has_parts)
    # Two allocations of a payment keep their order, though one obligation has parts and the other has none.
    numbered = allocations._replace(payment=np.arange(len(slip)))
    charge = Categorical(bills.charge.codes[slip[whole]], part_names(bills))
    no_mismatches = Mismatches(*(np.empty(0, np.int64) for _ in Mismatches._fields))
    divided = DividedAllocations(
        PartAllocations(numbered.payment[whole], numbered.obligation[whole], charge, numbered.yen[whole]),
        *(no_mismatches, no_mismatches),
    )
    if len(with_parts):
        columns_with_parts = (column[with_parts] for column in numbered)
        divided = divided.merge(_divide_by_parts(Allocations._make(columns_with_parts), bills, split))
    return divided.with_payments(allocations.payment)


def _divide_by_parts(
    allocations: Allocations, bills: BillColumns, split: Mapping[str, SplitMethod]
) -> DividedAllocations:
    """Divide allocations to slips that have parts."""
    of_table = group(allocations.obligation)
    obligations = allocations.obligation[first_of_groups(of_table)]
    table = _part_table(obligations, bills, split)
    total = bills.index.obligations.billed[obligations]
    paid_before = total - bills.index.obligations.open[obligations]
    names = part_names(bills)

    method = table.method[of_table]
    divided = np.flatnonzero(method <= _WATER_FIRST)
    yen = _divide(divided, of_table[divided], allocations, table, paid_before)
    found = _part_rows(divided, table.name[of_table[divided]], yen)

    completes = (method == _REJECT) & (allocations.yen == allocations.balance_before)
    undivided = np.flatnonzero((method == _INVALID_PARTS) | ((method == _REJECT) & ~completes))
    found.append((undivided, np.full(len(undivided), -1), allocations.yen[undivided]))
    last = np.flatnonzero(completes)
    found += _part_rows(last, table.name[of_table[last]], table.yen[of_table[last]])
    moved = allocations.balance_before[last] - total[of_table[last]]
    found.append((last[moved < 0], np.full(np.count_nonzero(moved < 0), -1), moved[moved < 0]))

    allocation, code, yen = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((np.where(code < 0, len(names), code), allocation))
    allocation, part = allocation[order], Categorical(code[order].astype(np.int32), names)
    payment, obligation = allocations.payment, allocations.obligation
    invalid, partial = np.flatnonzero(method == _INVALID_PARTS), undivided[method[undivided] == _REJECT]
    sums = table.yen.sum(axis=1)
    return DividedAllocations(
        PartAllocations(payment[allocation], obligation[allocation], part, yen[order]),
        Mismatches(payment[invalid], total[of_table[invalid]], sums[of_table[invalid]]),
        Mismatches(payment[partial], allocations.balance_before[partial], allocations.yen[partial]),
    )


def open_parts(
    obligations: Int64Array,
    bills: BillColumns,
    split: Mapping[str, SplitMethod],
    by_part: Sequence[PartAllocations],
    unpaid: Int64Array,
) -> OpenParts:
    """Return the open yen of the parts of some obligations that have parts.

    ``obligations`` is int64 (t,); ``by_part`` has all allocations to them, maybe with others, and ``unpaid``,
    int64 (m,), is what is open on each obligation. The division is not known if the parts do not add up to the bill, if
    a partial payment is not divided (method ``reject``), or if yen were written off.
    """
    order = np.argsort(obligations)
    table = _part_table(obligations.astype(np.int32), bills, split)
    total = bills.index.obligations.billed[obligations]
    paid_before = total - bills.index.obligations.open[obligations]
    yen = table.yen.copy()
    for method, divide in ((_PRORATA, _prorata), (_WATER_FIRST, fill_in_order)):
        rows = np.flatnonzero((table.method == method) & (paid_before > 0))
        if len(rows):
            start = np.arange(len(rows)) * table.yen.shape[1]
            yen[rows] -= divide(paid_before[rows], table.yen[rows].reshape(-1), start).reshape(len(rows), -1)
    for allocated in by_part:
        row = order[np.minimum(np.searchsorted(obligations, allocated.obligation, sorter=order), len(order) - 1)]
        is_of_row = (obligations[row] == allocated.obligation) & (allocated.part.codes >= 0)
        row, code, put = row[is_of_row], allocated.part.codes[is_of_row], allocated.yen[is_of_row]
        np.subtract.at(yen, (row, np.argmax(table.name[row] == code[:, None], axis=1)), put)
    name = np.maximum(table.name - len(bills.charge.categories), -1)
    is_unknown = (table.method == _INVALID_PARTS) | (yen.sum(axis=1) != unpaid[obligations])
    name[is_unknown] = -1
    yen[is_unknown] = 0
    yen[is_unknown, :1] = unpaid[obligations[is_unknown], None]
    return OpenParts(name, yen)


def _part_table(obligations: Int32Array, bills: BillColumns, split: Mapping[str, SplitMethod]) -> _PartTable:
    """Return the parts of obligations, and by which method a payment on each is divided."""
    slip = bills.main_slip[obligations]
    offsets, names, yen = bills.parts
    count = offsets[slip + 1] - offsets[slip]
    width = int(count.max(initial=0))
    column = np.arange(width)
    has_part = column < count[:, None]
    at = np.where(has_part, offsets[slip][:, None] + column, 0)
    name = np.where(has_part, names.codes[at] + len(bills.charge.categories), -1) if width else at
    part = np.where(has_part, yen[at], 0) if width else at

    methods = [_METHODS.index(split.get(charge, "prorata")) for charge in bills.charge.categories]
    method = np.array([*methods, _PRORATA], np.uint8)[bills.charge.codes[slip]]
    method[part.sum(axis=1) != bills.index.obligations.billed[obligations]] = _INVALID_PARTS
    method[count == 0] = _NO_PARTS
    if _WATER in names.categories:
        # Parts are filled in their order, so the water charge moves to the first place.
        water = name == names.categories.index(_WATER) + len(bills.charge.categories)
        order = np.argsort(np.where((method == _WATER_FIRST)[:, None] & water, -1, column), axis=1, kind="stable")
        name, part = np.take_along_axis(name, order, axis=1), np.take_along_axis(part, order, axis=1)
    return _PartTable(method, name, part)


def _divide(
    rows: Int64Array, of_table: Int64Array, allocations: Allocations, table: _PartTable, paid_before: Int64Array
) -> Int64Array:
    """Return the yen that allocations put on each part: int64 (k, p).

    The accounts of :func:`allocate_in_order` are the cells of the table, the components its rows.
    """
    width = table.yen.shape[1]
    yen = np.zeros((len(rows), width), np.int64)
    earlier = np.unique(of_table[paid_before[of_table] > 0])
    order = np.argsort(-allocations.balance_before[rows], kind="stable")
    amount = np.concatenate([paid_before[earlier], allocations.yen[rows[order]]])
    row = np.concatenate([earlier, of_table[order]])
    target = np.concatenate([np.full(len(earlier), -1), order])
    for method, divide in ((_PRORATA, _prorata), (_WATER_FIRST, fill_in_order)):
        by_method = np.flatnonzero(table.method[row] == method)
        if len(by_method):
            component, count = row[by_method], np.full(len(by_method), width)
            cells = (component[:, None] * width + np.arange(width)).reshape(-1)
            put, _, _ = allocate_in_order(amount[by_method], count, cells, component, table.yen.reshape(-1), divide)
            in_run = target[by_method] >= 0
            yen[target[by_method][in_run]] = put.reshape(-1, width)[in_run]
    return yen


def _prorata(amount: Int64Array, open_: Int64Array, start: Int64Array) -> Int64Array:
    """Divide payments in proportion to what is open on their parts, of which all have the same number."""
    return columns.prorata(amount, list(open_.reshape(len(start), -1).T)).reshape(-1)


def _part_rows(rows: Int64Array, names: Int64Array, yen: Int64Array) -> list[tuple[Int64Array, Any, Int64Array]]:
    """Return the cells of a table of yen that are not 0: the row's number, the part, its yen."""
    row, column = np.nonzero(yen)
    return [(rows[row], names[row, column], yen[row, column])]


def part_batch(rows: OutcomeRows, bills: BillColumns, by_part: PartAllocations) -> pa.RecordBatch:
    """Return what each part of each bill received from some rows; see :attr:`kokin.reconcile.Accounts.parts`."""
    at = from_numpy(by_part.payment, pa.int64())
    slip = bills.main_slip[by_part.obligation]
    charge = category_texts(by_part.part.codes, by_part.part.categories)
    return pa.record_batch(
        {
            "source": pc.fill_null(rows.text_column("source").take(at), ""),
            "record_no": rows.record_no.take(at),
            "bill_id": bills.index.bill_ids(slip),
            "payee_code": bills.payee.texts(slip),
            "charge": charge,
            "account": charge_attribute(charge, bills.catalog, "account"),
            **_booking_columns(book(bills.fiscal_dates_of(slip), rows.received_on[by_part.payment])),
            "applied": from_numpy(by_part.yen, pa.int64()),
        }
    )


def _booking_columns(booking: Booking) -> dict[str, pa.Array]:
    return {
        "fiscal_year": from_numpy(booking.fiscal_year, pa.int64()),
        "year_class": year_class_texts(booking.year_class),
    }


def year_class_texts(codes: UInt8Array) -> pa.Array:
    """Return the year classes of a :class:`Booking` as texts."""
    return category_texts(codes, YEAR_CLASSES)


def charge_attribute(charge: pa.Array, catalog: Catalog, name: str) -> pa.Array:
    """Return an attribute of each charge, such as its ``account`` or ``system``; null if the catalog lacks it."""
    encoded = charge.dictionary_encode()
    values = [
        getattr(catalog.charges[charge_id], name) if charge_id in catalog.charges else None
        for charge_id in encoded.dictionary.to_pylist()
    ]
    return pa.array(values, pa.string()).take(encoded.indices)


def _is_revenue(charge: pa.Array, catalog: Catalog) -> pa.Array:
    """Return whether the account of each charge is one of revenue (歳入); true if the catalog lacks the charge."""
    encoded = charge.dictionary_encode()
    known = [catalog.charges.get(charge_id) for charge_id in encoded.dictionary.to_pylist()]
    values = [known_charge is None or catalog.class_of(known_charge).revenue for known_charge in known]
    return pc.fill_null(pa.array(values, pa.bool_()).take(encoded.indices), True)


def total_entries(rows: OutcomeRows, bills: BillColumns, by_part: PartAllocations) -> pa.Table:
    """Return the receipts and yen of some rows by ``_BY``, which :func:`total_table` adds up.

    Yen that are allocated to no part count for the charge of their slip.
    """
    excess, suspense = overpaid_rows(rows), np.flatnonzero(rows.is_suspense)
    row = np.concatenate([by_part.payment, excess, suspense])
    # The slips whose dates decide the years: for yen that lowered a balance the main slip of the debt.
    booked_slip = np.concatenate([bills.main_slip[by_part.obligation], rows.slip[excess]])
    yen: dict[str, Int64Array] = {name: np.zeros(len(row), np.int64) for name in _YEN}
    ends = np.cumsum([len(by_part.payment), len(excess), len(suspense)])
    for name, end, values in zip(_YEN, ends, (by_part.yen, rows.excess[excess], rows.yen[suspense]), strict=True):
        yen[name][end - len(values) : end] = values
    keys = _total_keys(rows, bills, row, booked_slip, by_part.part)

    number = group(*(values for values, _ in keys.values()))
    first = first_of_groups(number)
    sums: dict[str, Int64Array] = {name: np.zeros(len(first), np.int64) for name in _YEN}
    for name, values in sums.items():
        np.add.at(values, number, yen[name])
    receipts = np.bincount(number[first_of_groups(group(number, row))], minlength=len(first))
    columns_ = {name: decode(values[first]) for name, (values, decode) in keys.items()}
    yen_columns = {name: from_numpy(values, pa.int64()) for name, values in sums.items()}
    return pa.table({**columns_, "receipts": from_numpy(receipts, pa.int64()), **yen_columns})


def total_table(entries: Sequence[pa.Table], catalog: Catalog) -> pa.Table:
    """Return 科目別集計 from :func:`total_entries`; see :attr:`kokin.reconcile.Accounts.totals`."""
    sums = sum_by(pa.concat_tables(entries), _BY, ("receipts", *_YEN))
    charge = combine(sums.column("charge"))
    is_revenue = _is_revenue(charge, catalog)
    applied, overpaid, suspense = (sums.column(name) for name in _YEN)
    return pa.table(
        {
            "payee_code": sums.column("payee"),
            **{name: charge_attribute(charge, catalog, name) for name in ("account", "system")},
            **{name: sums.column(name) for name in (*_BY[1:], "receipts")},
            "received": pc.add(pc.add(applied, overpaid), suspense),
            "revenue": pc.if_else(is_revenue, applied, 0),
            "off_budget": pc.if_else(is_revenue, 0, applied),
            "overpaid": overpaid,
            "suspense": suspense,
        }
    )


#: A column of integers, -1 for a null, and the function that returns their values.
_Key: TypeAlias = tuple[npt.NDArray[Any], Callable[[npt.NDArray[Any]], pa.Array]]


def _total_keys(
    rows: OutcomeRows, bills: BillColumns, row: Int64Array, booked_slip: Int32Array, part: Categorical
) -> dict[str, _Key]:
    """Return the columns of :data:`_BY` for ``n`` receipts: ``row`` is int64 (n,).

    The first of them have the parts and slips ``part`` and ``booked_slip``; those without are of no fiscal year.
    """
    slip = rows.slip[row]
    part_codes = np.append(part.codes, np.full(len(row) - len(part.codes), -1, np.int32))
    charge = merge_categories(Categorical(part_codes, part.categories), _of_slips(bills.charge, slip))
    received_item = rows.category_column("item_code")
    item = merge_categories(_of_slips(bills.item, slip), received_item._replace(codes=received_item.codes[row]))
    channel = rows.category_column("channel")
    received_on = rows.received_on[row]
    booking = book(bills.fiscal_dates_of(booked_slip), received_on[: len(booked_slip)])
    year, year_class = (
        np.append(column.astype(np.int64), np.full(len(row) - len(booked_slip), -1))
        for column in (booking.fiscal_year, booking.year_class)
    )
    return {
        "payee": (rows.payee.codes[row], partial(category_texts, categories=rows.payee.categories)),
        "charge": (charge.codes, partial(category_texts, categories=charge.categories)),
        "item_code": (item.codes, partial(category_texts, categories=item.categories)),
        "fiscal_year": (year, lambda years: from_numpy(years, pa.int64(), years >= 0)),
        "year_class": (year_class, partial(category_texts, categories=YEAR_CLASSES)),
        "channel": (channel.codes[row], partial(category_texts, categories=channel.categories)),
        "received_on": (received_on.view(np.int64), lambda days: days_array(days.view("datetime64[D]"))),
    }


def _of_slips(column: Categorical, slips: Int32Array) -> Categorical:
    """Return the values of slips; null for -1."""
    return Categorical(np.append(column.codes, np.int32(-1))[np.maximum(slips, -1)], column.categories)


def receivable_table(
    bills: BillColumns,
    received: Int64Array,
    excess: Int64Array,
    written_off: Int64Array,
    unpaid: Int64Array,
    as_of: np.datetime64,
) -> pa.Table:
    """Return 調定収納照合表; see :attr:`kokin.reconcile.Accounts.receivables`.

    All are int64 (m,), yen of each obligation: ``received``, of it ``excess``, ``written_off`` (不納欠損) and
    ``unpaid``. ``as_of`` is the day of the run.
    """
    debts, by = bills.index.obligations, ["payee", "charge", "item_code", "year_class"]

    def sums_of(chunk: slice) -> pa.Table:
        slip = bills.main_slip[chunk]
        booking = book(bills.fiscal_dates_of(slip), np.broadcast_to(as_of, len(slip)))
        yen = {
            "billed": debts.billed[chunk],
            "paid_before": debts.billed[chunk] - debts.open[chunk],
            "received": received[chunk],
            "overpaid": excess[chunk],
            "written_off": written_off[chunk],
            "unpaid": unpaid[chunk],
        }
        columns_ = {
            "payee": from_numpy(bills.payee.codes[slip], pa.int32()),
            "charge": bills.charge.texts(slip),
            "item_code": bills.item.texts(slip),
            "year_class": year_class_texts(booking.year_class),
            **{name: from_numpy(values, pa.int64()) for name, values in yen.items()},
        }
        return sum_by(pa.table(columns_), by, list(yen))

    sums = pa.concat_tables(thread_map(sums_of, chunk_slices(len(unpaid)) or [slice(0, 0)]))
    table = sum_by(sums, by, sums.column_names[len(by) :])
    payee_code = category_texts(to_numpy(table.column("payee"), -1), bills.payee.categories)
    return table.set_column(0, "payee_code", payee_code)
