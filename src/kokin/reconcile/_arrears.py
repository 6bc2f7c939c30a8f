"""Arrears (未納): debts past their due date, with the late charge of the day and the end of their limitation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import BoolArray, Int32Array, Int64Array, bool_array, from_numpy
from kokin.catalog import Charge
from kokin.reconcile._aging import age_columns
from kokin.reconcile._bill_columns import BillColumns, book
from kokin.reconcile._columns import Days, days_array
from kokin.reconcile._totals import OpenParts, charge_attribute, year_class_texts
from kokin.rules import LateChargeRule, RateTable, columns

# Periods of months and years from a later day may end after the last possible date.
_LAST_DUE_ON = np.datetime64("9970-12-31", "D")

_UNKNOWN = -1

# The rule of a charge; None if nothing is charged.
_Rule: TypeAlias = LateChargeRule | Literal["not known"] | None
_NO_RULE: Final = "not known"


class LateCharges(NamedTuple):
    """The late charges of ``k`` debts; -1 where one is not known."""

    #: int64 (k,): yen.
    yen: Int64Array
    #: int64 (k,) each: days at the reduced and at the full rate.
    reduced_days: Int64Array
    full_days: Int64Array


class _Kinds(NamedTuple):
    """What the catalog says about slips, ``k`` rows, by the number of its distinct values."""

    values: Sequence[Any]
    #: int64 (k,): the number of the value of each slip: of its parts, or of its charge if it has none. -1: the catalog
    #: lacks the charge, or the parts have different values.
    of_slip: Int64Array
    #: int64 (p + 1,): the number of each name of a part (``BillColumns.parts.names``), and -1 for none.
    of_part: Int64Array
    #: bool (k,): whether the parts of the slip have different values.
    differs: BoolArray


def arrears_table(
    bills: BillColumns,
    unpaid: Int64Array,
    written_off: Int64Array,
    provisional: Int32Array,
    open_parts: Callable[[Int64Array], OpenParts],
    as_of: np.datetime64,
    rates: RateTable,
) -> pa.Table:
    """Return 未納一覧: a row for each debt past its due date; see :attr:`kokin.reconcile.Accounts.arrears`.

    ``unpaid`` and ``written_off``, int64 (m,), are yen of each obligation, ``provisional`` the slips with a 速報 and no
    確報; ``open_parts`` returns the unpaid yen of obligations by part; ``as_of`` is the day of the run.
    """
    debts = bills.index.obligations
    has_provisional: BoolArray = np.zeros(len(unpaid), np.bool_)
    has_provisional[debts.expand(np.unique(provisional[provisional >= 0]))[1]] = True
    due_on = bills.fiscal_dates.due_on[bills.main_slip]
    debt = np.flatnonzero((unpaid > 0) & (due_on < as_of))
    slip = bills.main_slip[debt]
    order = np.lexsort((bills.ranks(slip), due_on[debt]))
    debt, slip = debt[order], slip[order]
    charge = bills.charge.texts(slip)
    dates = bills.fiscal_dates_of(slip)
    age = age_columns(dates.due_on, as_of)
    yen = {
        "billed": debts.billed[debt],
        "paid": debts.billed[debt] - unpaid[debt] - written_off[debt],
        "unpaid": unpaid[debt],
    }
    late = late_charges(bills, debt, unpaid[debt], open_parts, as_of, rates)
    return pa.table(
        {
            "bill_id": bills.index.bill_ids(slip),
            "payee_code": bills.payee.texts(slip),
            "item_code": bills.texts("item_code", slip),
            "case_key": bills.case_keys(slip),
            "payer_key": bills.texts("payer_key", slip),
            "system": charge_attribute(charge, bills.catalog, "system"),
            "charge": charge,
            "claim": charge_attribute(charge, bills.catalog, "claim"),
            **{
                name: from_numpy(years.astype(np.int64), pa.int64(), years > 0)
                for name, years in (("levy_year", dates.levy_year), ("tax_year", dates.tax_year))
            },
            "period": bills.periods(slip),
            "year_class": year_class_texts(book(dates, np.broadcast_to(as_of, len(slip))).year_class),
            "due_on": age["since"],
            "days": age["days"],
            "age": age["age"],
            **{name: from_numpy(values, pa.int64()) for name, values in yen.items()},
            "late_charge": _known_values(late.yen),
            "reduced_days": _known_values(late.reduced_days),
            "full_days": _known_values(late.full_days),
            "limitation_ends_on": days_array(limitation_ends(bills, slip)),
            "reported": bool_array(has_provisional[debt]),
        }
    )


def _known_values(values: Int64Array) -> pa.Array:
    return from_numpy(values, pa.int64(), values != _UNKNOWN)


def late_charges(
    bills: BillColumns,
    debt: Int64Array,
    principal: Int64Array,
    open_parts: Callable[[Int64Array], OpenParts],
    as_of: np.datetime64,
    rates: RateTable,
) -> LateCharges:
    """Return the late charges (延滞金, 遅延損害金) of debts that are paid in full on a day.

    ``debt``, int64 (k,), are obligations past their due date; ``principal``, int64 (k,), their unpaid yen. Parts of one
    system are one debt. Those of several systems (水道料金 and 下水道使用料) are debts of their own, whose charges are
    computed and cut apart, and added.
    """
    slip = bills.main_slip[debt]
    due_on = bills.fiscal_dates.due_on[slip]
    kinds = _kinds(bills, slip, _rule_of)
    late = _late_charges_of(kinds.values, kinds.of_slip, principal, due_on, as_of, rates)
    rows = np.flatnonzero(kinds.differs)
    if len(rows):
        names, yen = open_parts(debt[rows])
        by_part = [
            _late_charges_of(kinds.values, kinds.of_part[name], open_yen, due_on[rows], as_of, rates)
            for name, open_yen in zip(names.T, yen.T, strict=True)
        ]
        charges, reduced_days, full_days = (np.stack(column, axis=1) for column in zip(*by_part, strict=True))
        late.yen[rows] = _sum_where_open(charges, yen)
        late.reduced_days[rows] = _equal_where_open(reduced_days, yen)
        late.full_days[rows] = _equal_where_open(full_days, yen)
    return late


def _sum_where_open(charges: Int64Array, open_yen: Int64Array) -> Int64Array:
    """Return the sum of the charges of parts with open yen; -1 if one is not known: (k, p) each -> int64 (k,)."""
    is_open = open_yen != 0
    is_known = ((charges != _UNKNOWN) | ~is_open).all(axis=1)
    sums: Int64Array = np.where(is_known, np.where(is_open, charges, 0).sum(axis=1), _UNKNOWN)
    return sums


def _equal_where_open(days: Int64Array, open_yen: Int64Array) -> Int64Array:
    """Return the days that are those of all parts with open yen; -1 if they differ: (k, p) each -> int64 (k,)."""
    is_open = open_yen != 0
    lowest = np.where(is_open, days, np.iinfo(np.int64).max).min(axis=1)
    highest = np.where(is_open, days, _UNKNOWN).max(axis=1)
    equal: Int64Array = np.where(lowest == highest, highest, _UNKNOWN)
    return equal


def _late_charges_of(
    kinds: Sequence[tuple[str, _Rule]],
    number: Int64Array,
    principal: Int64Array,
    due_on: Days,
    as_of: np.datetime64,
    rates: RateTable,
) -> LateCharges:
    """Return the late charges of debts by the numbers of their rules, all debts of a rule at once."""
    late = LateCharges(*(np.full(len(number), _UNKNOWN, np.int64) for _ in LateCharges._fields))
    for rule_number, (_, rule) in enumerate(kinds):
        rows = np.flatnonzero((number == rule_number) & _is_computable(rule, due_on, as_of, rates))
        if rule is None:
            late.yen[rows] = 0
        elif len(rows) and not isinstance(rule, str):
            late.yen[rows] = columns.late_charge(principal[rows], due_on[rows], as_of, rule=rule, rates=rates)
            late.reduced_days[rows], late.full_days[rows] = _days_at_rates(rule, due_on[rows], as_of)
    return late


def _rule_of(charge: Charge) -> tuple[str, _Rule]:
    """Return the system and the rule of a charge."""
    return charge.system, (charge.applicable_rule or _NO_RULE) if charge.bears_late_charge else None


def _is_computable(rule: _Rule, due_on: Days, as_of: np.datetime64, rates: RateTable) -> BoolArray:
    """Return whether the rule and its rates are known for debts due on some days: bool (k,).

    Kokin knows no demand (督促), so a rule that depends on its deadline cannot be computed.
    """
    if rule is None:
        return np.ones(len(due_on), np.bool_)
    if isinstance(rule, str) or "demand" in (rule.accrues_from, rule.reduced_until):
        return np.zeros(len(due_on), np.bool_)
    first_day = due_on + np.timedelta64(1, "D")
    is_computable: BoolArray = due_on <= _LAST_DUE_ON
    if rule.is_statutory:
        is_in_period: BoolArray = np.zeros(len(due_on), np.bool_)
        for period in rates.statutory:
            is_in_period |= (first_day >= np.datetime64(period.first_day)) & (
                first_day <= np.datetime64(period.last_day)
            )
        is_computable &= is_in_period
    elif rule.full_rate is None:
        first_year, last_year = (_year(day) for day in (first_day, as_of))
        is_computable &= (first_year >= min(rates.years, default=10_000)) & (last_year <= max(rates.years, default=0))
    return is_computable


def _year(day: Any) -> Any:
    """Return the calendar year of days, or of a day."""
    return day.astype("datetime64[Y]").astype(np.int64) + 1970


def _days_at_rates(rule: LateChargeRule, due_on: Days, as_of: np.datetime64) -> tuple[Int64Array, Int64Array]:
    """Return the days from the due date to a day at the reduced and at the full rate: int64 (k,) each."""
    reduced_to = columns.period_end(due_on, rule.reduced_months) if rule.reduced_until == "months" else due_on
    reduced = (np.minimum(reduced_to, as_of) - due_on).astype(np.int64)
    return reduced, (as_of - due_on).astype(np.int64) - reduced


def limitation_ends(bills: BillColumns, slip: Int32Array) -> Days:
    """Return the last day before limitation (時効) of the debts of slips, datetime64[D] (k,); NaT: not known."""
    due_on = bills.fiscal_dates.due_on[slip]
    kinds = _kinds(bills, slip, lambda charge: charge.limitation_years)
    ends: Days = np.full(len(slip), np.datetime64("NaT", "D"), "datetime64[D]")
    rows = np.flatnonzero((kinds.of_slip >= 0) & (due_on <= _LAST_DUE_ON))
    years = np.array([*kinds.values, 1], np.int64)[kinds.of_slip[rows]]
    ends[rows] = columns.limitation_ends_on(due_on[rows], years)
    return ends


def _kinds(bills: BillColumns, slip: Int32Array, attribute: Callable[[Charge], Any]) -> _Kinds:
    """Return the values of an attribute of charges for slips; ``slip`` is int32 (k,)."""
    offsets, names, _ = bills.parts
    values: list[Any] = []

    def numbers(charge_ids: Sequence[str]) -> Int64Array:
        found = [_UNKNOWN] * (len(charge_ids) + 1)
        for at, charge_id in enumerate(charge_ids):
            if charge_id in bills.catalog.charges:
                value = attribute(bills.catalog.charges[charge_id])
                if value not in values:
                    values.append(value)
                found[at] = values.index(value)
        return np.array(found, np.int64)

    of_part = numbers(names.categories)
    of_slip = numbers(bills.charge.categories)[bills.charge.codes[slip]]
    count = offsets[slip + 1] - offsets[slip]
    # The parts of all slips in a row, and the first part of its slip for each of them.
    at = np.repeat(offsets[slip] - (np.cumsum(count) - count), count) + np.arange(count.sum())
    first = np.repeat(offsets[slip], count)
    is_other = of_part[names.codes[at]] != of_part[names.codes[first]]
    differs = np.bincount(np.repeat(np.arange(len(slip)), count), is_other, len(slip)) > 0
    has_parts = count > 0
    of_slip[has_parts] = of_part[names.codes[offsets[slip[has_parts]]]]
    of_slip[differs] = _UNKNOWN
    return _Kinds(values, of_slip, of_part, differs)
