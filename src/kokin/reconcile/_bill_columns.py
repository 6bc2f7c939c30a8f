"""The bills of a run as columns: payer, charge, parts, and the year in which a payment is booked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import (
    BoolArray,
    Int32Array,
    Int64Array,
    UInt8Array,
    combine,
    from_numpy,
    text_ranks,
    to_numpy,
)
from kokin.catalog import Catalog, Charge, LateChargeBasis
from kokin.matching import MATCHED_COLUMNS, Index, first_of_groups, group
from kokin.model import Bill
from kokin.reconcile._columns import Categorical, Days, categorize, category_texts, day_column, int_column, text_column
from kokin.rules import YearClass, columns

Years = npt.NDArray[np.int16]

_DAY = np.timedelta64(1, "D")


class FiscalDates(NamedTuple):
    """The columns that decide the fiscal years of debts, a row each."""

    #: datetime64[D] (n,): the 納期限 as printed on the slip, moved from a holiday.
    due_on: Days
    #: int16 (n,): 賦課年度, in which it was assessed; 0: unknown.
    levy_year: Years
    #: int16 (n,): 課税年度, for which it was charged; 0: unknown.
    tax_year: Years
    #: bool (n,): of an account on accrual (公営企業会計), without 出納整理期間.
    on_accrual: BoolArray


class Booking(NamedTuple):
    """The fiscal year and class in which payments are booked, a row each."""

    #: int64 (n,): the fiscal year of the revenue (会計年度).
    fiscal_year: Int64Array
    #: uint8 (n,): an index of :data:`YEAR_CLASSES`.
    year_class: UInt8Array
    #: bool (n,): received after the accounts of its due date's year were closed.
    after_closing: BoolArray
    #: datetime64[D] (n,): the day on which they closed; meaningless for an account on accrual.
    closed_on: Days


#: The values of :class:`~kokin.rules.YearClass`, by their code in a :class:`Booking`.
YEAR_CLASSES = tuple(each.value for each in YearClass)


class BillParts(NamedTuple):
    """The parts of slips (内訳): slip ``i`` has those from ``offsets[i]`` to ``offsets[i + 1]``."""

    #: int64 (n + 1,).
    offsets: Int64Array
    names: Categorical
    #: int64 (k,).
    yen: Int64Array


#: The columns of bills that accounts need or, because matching does not, check. The index has the others.
ACCOUNT_COLUMNS = frozenset({"item_code", "due_on", *(Bill.model_fields.keys() - MATCHED_COLUMNS)})


class BillColumns:
    """The slips of an index, ``n`` rows in its order, with the :data:`ACCOUNT_COLUMNS` of their table."""

    def __init__(self, table: pa.Table, index: Index, catalog: Catalog) -> None:
        self.table, self.index, self.catalog = table, index, catalog

    def __len__(self) -> int:
        return len(self.table)

    def text_column(self, name: str) -> pa.Array:
        """Return a text column as one array; all null if the table lacks it."""
        return text_column(self.table, name)

    def day_column(self, name: str) -> Days:
        """Return a date column, datetime64[D] (n,); NaT for a null."""
        return day_column(self.table, name)

    @cached_property
    def payee(self) -> Categorical:
        """共通納税機関コード; the categories are ascending."""
        return Categorical(*self.index.payees())

    @cached_property
    def item(self) -> Categorical:
        """税目・料金番号."""
        return categorize(self.text_column("item_code"))

    @cached_property
    def charge(self) -> Categorical:
        """The id of the charge: the bill's ``charge``, or the one that the catalog assigns to its 税目・料金番号."""
        items = self.catalog.items
        by_item = [items[code].charge if code in items else "" for code in self.item.categories]
        return categorize(pc.coalesce(self.text_column("charge"), category_texts(self.item.codes, by_item)))

    @cached_property
    def known_charges(self) -> Mapping[str, Charge]:
        """The billed charges that the catalog has."""
        return {name: self.catalog.charges[name] for name in self.charge.categories if name in self.catalog.charges}

    @cached_property
    def setoff_class(self) -> Int32Array:
        """A number for the debts that law sets off against each other without consent: int32 (n,).

        All local taxes are one class; any other charge is its own; an unknown charge is that of its 税目・料金番号.
        """
        charge = self.charge
        taxes = {name for name, known in self.known_charges.items() if known.late_charge is LateChargeBasis.TAX}
        numbers = [0 if name in taxes else 1 + code for code, name in enumerate(charge.categories)]
        by_charge: Int32Array = np.array([*numbers, -1], np.int32)[charge.codes]
        by_item = 1 + len(charge.categories) + self.item.codes
        return np.where(by_charge < 0, by_item, by_charge).astype(np.int32)

    @cached_property
    def payer(self) -> npt.NDArray[np.integer[Any]]:
        """A number for the payer (宛名番号) of each slip and the payee: (n,); -1: unknown."""
        key = self.text_column("payer_key")
        code = to_numpy(pc.if_else(pc.equal(key, ""), None, key).dictionary_encode().indices, -1)
        payees = len(self.payee.categories)
        return code if payees < 2 else np.where(code < 0, -1, code.astype(np.int64) * payees + self.payee.codes)

    def texts(self, name: str, slips: npt.NDArray[Any]) -> pa.Array:
        """Return the texts of some slips in a column; null if the table lacks it."""
        return text_column(self._rows(name, slips), name)

    def days(self, name: str, slips: npt.NDArray[Any]) -> Days:
        """Return the dates of some slips in a column, datetime64[D] (k,); NaT for a null."""
        return day_column(self._rows(name, slips), name)

    def _rows(self, name: str, slips: npt.NDArray[Any]) -> pa.Table:
        rows = from_numpy(slips, pa.int32())
        return self.table.select([name]).take(rows) if name in self.table.schema.names else pa.table({"slip": rows})

    def case_keys(self, slips: npt.NDArray[Any]) -> pa.Array:
        """Return the 案件特定キー of some slips: 20 digits."""
        return self.index.el_fields(slips)["case_key"] if len(self) else pa.nulls(0, pa.string())

    def periods(self, slips: npt.NDArray[Any]) -> pa.Array:
        """Return the 期別 of some slips; ``00`` for one that is not one of several instalments."""
        return pc.fill_null(self.texts("period", slips), "00")

    @cached_property
    def fiscal_dates(self) -> FiscalDates:
        """The columns that decide the fiscal years of each slip's debt."""
        charges = self.known_charges
        accrues = [name in charges and self.catalog.class_of(charges[name]).accrual for name in self.charge.categories]
        on_accrual = np.array([*accrues, False])[self.charge.codes]
        levy_year, tax_year = (int_column(self.table, name, 0).astype(np.int16) for name in ("levy_year", "tax_year"))
        return FiscalDates(self.day_column("due_on"), levy_year, tax_year, on_accrual)

    def fiscal_dates_of(self, slips: npt.NDArray[Any]) -> FiscalDates:
        """Return the :attr:`fiscal_dates` of some slips."""
        return FiscalDates._make(column[slips] for column in self.fiscal_dates)

    def ranks(self, slips: Int32Array) -> Int32Array:
        """Return numbers in the order of the ``bill_id`` of slips: int32 (k,)."""
        return slips if self._rank is None else self._rank[slips]

    @cached_property
    def _rank(self) -> Int32Array | None:
        """The number of each slip in the order of ``bill_id``, int32 (n,); None if the slips are in it."""
        if self.index.is_sorted:
            return None
        return text_ranks(self.index.bill_id)

    @cached_property
    def main_slip(self) -> Int32Array:
        """The slip that represents each obligation in tables: int32 (m,).

        One of its own, not one that covers several: an open one first, then the largest, then the first by ``bill_id``.
        """
        obligation_of_slip = self.index.obligations.obligation_of_slip
        slips = np.arange(len(self), dtype=np.int32)
        if obligation_of_slip is None:
            return slips
        own = slips[obligation_of_slip >= 0]
        status = np.zeros(len(self), np.uint8) if self.index.status is None else self.index.status
        obligation = obligation_of_slip[own]
        own = own[np.lexsort((self.ranks(own), -self.index.amount[own], status[own], obligation))]
        obligation = obligation_of_slip[own]
        return own[np.diff(obligation, prepend=-1) > 0]

    def obligation_of(self, slips: Int32Array) -> Int32Array:
        """Return the obligation of each slip, int32 (k,); of one that covers several, the first by due date."""
        return self.index.obligations.first_of(slips)

    @cached_property
    def parts(self) -> BillParts:
        """The parts of every slip."""
        if "parts" not in self.table.schema.names:
            no_names = Categorical(np.empty(0, np.int32), [])
            return BillParts(np.zeros(len(self) + 1, np.int64), no_names, np.empty(0, np.int64))
        maps = combine(self.table.column("parts"))
        lists = maps.cast(pa.list_(pa.struct([("key", pa.string()), ("value", pa.int64())])))
        counts = to_numpy(pc.list_value_length(lists).cast(pa.int64()), 0)
        pairs = lists.flatten()
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return BillParts(offsets, categorize(pairs.field("key")), to_numpy(pairs.field("value"), 0))


def book(dates: FiscalDates, received_on: Days) -> Booking:
    """Return the fiscal years and classes in which payments received on some days are booked.

    A bill without 賦課年度 counts as assessed in the fiscal year of its due date, one without 課税年度 as charged for
    the year in which it was assessed. An account on accrual books by the day of receipt; its receivable belongs to the
    levy year. A million payments have some thousand different dates and years, each of which is computed once.
    """
    number = group(*(column.view(np.int64) if column.dtype.kind == "M" else column for column in (*dates, received_on)))
    rows = first_of_groups(number)
    booking = _book(FiscalDates._make(column[rows] for column in dates), received_on[rows])
    return Booking._make(column[number] for column in booking)


def _book(dates: FiscalDates, received_on: Days) -> Booking:
    due_date = unmoved_due_date(dates)
    due_year = columns.fiscal_year(due_date)
    received_year = columns.fiscal_year(received_on)
    fiscal_year = np.where(dates.on_accrual, received_year, columns.revenue_year(due_date, received_on))
    # If the years of a bill are inconsistent, the later one is clamped; this never changes an amount.
    levy_year = np.minimum(np.where(dates.levy_year > 0, dates.levy_year, due_year), fiscal_year)
    tax_year = np.minimum(np.where(dates.tax_year > 0, dates.tax_year, levy_year), levy_year)
    after_closing = ~dates.on_accrual & (fiscal_year > due_year)
    year_class = columns.year_class(tax_year, levy_year, fiscal_year)
    code = np.argmax(year_class[:, None] == np.array(YEAR_CLASSES), axis=1).astype(np.uint8)
    return Booking(fiscal_year, code, after_closing, closing_day(due_year))


def unmoved_due_date(dates: FiscalDates) -> Days:
    """Return the due dates before they were moved from a holiday, datetime64[D] (n,).

    They decide the fiscal year (施行令142①一).
    A slip prints only the moved date, and it matters only across 31 March: a bill levied in the year before, due on the
    day to which 31 March is moved, is taken to be due on 31 March. No holiday is near, so only weekends move it
    (地方税法20の5).
    """
    march_31 = _first_day(columns.fiscal_year(dates.due_on), 3) - _DAY
    is_moved = np.busday_offset(march_31, 0, "forward") == dates.due_on
    is_moved &= dates.levy_year == columns.fiscal_year(march_31)
    return np.where(is_moved, march_31, dates.due_on)


def closing_day(fiscal_year: Int64Array) -> Days:
    """Return the days of 出納閉鎖 (自治法235の5), datetime64[D] (n,); see :func:`kokin.rules.accounts_close_on`."""
    return _first_day(fiscal_year + 1, 5) - _DAY


def _first_day(year: Int64Array, months: int) -> Days:
    """Return the first day of the month that is ``months`` after the January of a year, datetime64[D] (n,)."""
    days: Days = ((year - 1970) * 12 + months).astype("datetime64[M]").astype("datetime64[D]")
    return days
