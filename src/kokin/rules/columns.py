"""The rules for whole columns: each function equals the scalar one of the same name row by row.

A column is a numpy array (int64 yen, ``datetime64[D]`` days) or an Arrow array (PyArrow, a Polars series: int64 and
date32), without nulls. A single ``int`` or ``date`` is broadcast to the length of the others. Results are numpy arrays.

>>> from datetime import date
>>> import numpy as np
>>> due = np.array(["2026-02-02", "2025-10-31"], "datetime64[D]")
>>> late_charge(np.array([56_400, 123_400]), due, date(2026, 5, 29)).tolist()
[1300, 5700]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from kokin.rules import _allocation as _scalar
from kokin.rules._allocation import SPLIT_METHODS, SplitMethod, check_order
from kokin.rules._arguments import check_choice
from kokin.rules._arrays import DAY, MONTH, Column, Days, Ints, as_arrays, raise_for_dates, raise_for_rows
from kokin.rules._calendar import CALENDARS, Calendar, check_years, non_business_days
from kokin.rules._dates import YearClass
from kokin.rules._late_charge import LOCAL_TAX, REFUND_INTEREST, LateChargeRule
from kokin.rules._rates import RATE_DENOMINATOR, RATES, SEGMENTS, RateTable, Segment, rate_periods

# Rows per step, so that the working arrays stay in the cache.
_CHUNK_ROWS = 65_536

# The product of two numbers up to this one fits into 64 bits.
_ROOT = math.isqrt(np.iinfo(np.int64).max)


def late_charge(
    principal: Column,
    due_on: Column,
    paid_on: Column,
    segment: Segment = "year",
    *,
    rule: LateChargeRule = LOCAL_TAX,
    demand_due_on: Column = None,
    rates: RateTable = RATES,
) -> Ints:
    """Return the late charges (延滞金) in yen, int64 (n); see :func:`kokin.rules.late_charge`.

    A null (``NaT``) in ``demand_due_on`` is a debt without a demand.

    Raises:
        InvalidInputError: a value outside its range, a null, or columns of unequal length.
        RateMissingError: a day lies in a year without rates.
    """
    check_choice("segment", segment, SEGMENTS)
    columns = as_arrays(
        yen={"principal": principal},
        days={"due_on": due_on, "paid_on": paid_on},
        days_or_null={"demand_due_on": demand_due_on},
    )
    return _in_chunks(partial(_late_charge, segment, rule, rates), columns)


def _late_charge(
    segment: Segment, rule: LateChargeRule, rates: RateTable, principal: Ints, due: Days, paid: Days, demand: Days
) -> Ints:
    base = _calculation_base(rule, principal)
    after = due if rule.accrues_from == "due" else demand
    reduced_to = _last_reduced_day(rule, after, demand)
    reduced, full = partial(rule.rate, "reduced", rates), partial(rule.rate, "full", rates)
    total = _accrue(base, after, np.minimum(reduced_to, paid), reduced, segment)
    total += _accrue(base, np.maximum(after, reduced_to), paid, full, segment)
    return _round_result(rule, total)


def _last_reduced_day(rule: LateChargeRule, after: Days, demand: Days) -> Days:
    """Return the last days of the reduced rate, datetime64[D] (n): ``after`` if the rule has none."""
    if rule.reduced_until == "month":
        return _first_month_end(after)
    return after if rule.reduced_until == "none" else demand


def refund_interest(
    amount: Column, paid_on: Column, decided_on: Column, segment: Segment = "year", *, rates: RateTable = RATES
) -> Ints:
    """Return the interest on refunds (還付加算金) in yen, int64 (n); see :func:`kokin.rules.refund_interest`.

    Raises:
        InvalidInputError: a value outside its range, a null, or columns of unequal length.
        RateMissingError: a day lies in a year without rates.
    """
    check_choice("segment", segment, SEGMENTS)
    columns = as_arrays(yen={"amount": amount}, days={"paid_on": paid_on, "decided_on": decided_on})
    return _in_chunks(partial(_refund_interest, segment, rates), columns)


def _refund_interest(segment: Segment, rates: RateTable, amount: Ints, paid: Days, decided: Days) -> Ints:
    base = _calculation_base(REFUND_INTEREST, amount)
    return _round_result(REFUND_INTEREST, _accrue(base, paid, decided, partial(rates.rate, "refund"), segment))


def _calculation_base(rule: LateChargeRule, principal: Ints) -> Ints:
    """:meth:`LateChargeRule.calculation_base` of each principal, int64 (n)."""
    return np.where(principal < rule.threshold, 0, principal - principal % rule.base_unit)


def _round_result(rule: LateChargeRule, total: Ints) -> Ints:
    """:meth:`LateChargeRule.round_result` of each sum of segments, int64 (n)."""
    return np.where(total < rule.minimum, 0, total - total % rule.rounding)


def _accrue(base: Ints, after: Days, last: Days, rate_of: Callable[[int], int], segment: Segment) -> Ints:
    """Return the yen of the days after ``after`` up to ``last``, each rate period cut to whole yen, int64 (n)."""
    total = np.zeros(len(base), np.int64)
    accruing = np.flatnonzero((base > 0) & (after < last))
    if not accruing.size:
        return total
    base, after, last = base[accruing], after[accruing], last[accruing]
    yen = np.zeros(len(base), np.int64)
    for period in rate_periods(rate_of, (after.min() + DAY).item().year, last.max().item().year, segment):
        day_before, last_day = np.datetime64(period.first_day, "D") - DAY, np.datetime64(period.last_day, "D")
        rows = np.flatnonzero((after < last_day) & (last > day_before))
        days = (np.minimum(last[rows], last_day) - np.maximum(after[rows], day_before)).view(np.int64)
        # floor(base × rate × days / RATE_DENOMINATOR), without a product that exceeds 64 bits.
        yearly = base[rows] * period.rate
        whole = yearly // RATE_DENOMINATOR
        yen[rows] += whole * days + (yearly - whole * RATE_DENOMINATOR) * days // RATE_DENOMINATOR
    total[accruing] = yen
    return total


def limitation_ends_on(after: Column, years: Column) -> Days:
    """Return the last days before limitation (時効), datetime64[D] (n); see :func:`kokin.rules.limitation_ends_on`.

    Raises:
        InvalidInputError: a value outside its range, an end after the year 9999, a null, or columns of unequal length.
    """
    counts, days = as_arrays(yen={"years": years}, days={"after": after})
    raise_for_rows("AMOUNT_RANGE", "years", counts < 1, "1 or more", counts)
    return raise_for_dates("years", _period_end(days, 12 * counts))


def period_end(after: Column, months: Column) -> Days:
    """Return the last days of periods of months, datetime64[D] (n); see :func:`kokin.rules.period_end`.

    Raises:
        InvalidInputError: a value outside its range, an end after the year 9999, a null, or columns of unequal length.
    """
    counts, days = as_arrays(yen={"months": months}, days={"after": after})
    return raise_for_dates("months", _period_end(days, counts))


def _first_month_end(after: Days) -> Days:
    """Return the last day of the first month after each day, datetime64[D] (n).

    A chunk usually has fewer distinct days than rows, so each day between the first and the last is computed once, and
    the rows are looked up in that table.
    """
    opens, closes = after.min(), after.max() + DAY
    if (closes - opens).astype(np.int64) > len(after):
        return _period_end(after, 1)
    ends: Days = _period_end(np.arange(opens, closes), 1)[(after - opens).view(np.int64)]
    return ends


def _period_end(after: Days, months: int | Ints) -> Days:
    """Return the last days of periods of months that begin on the day after ``after`` (民法143②), datetime64[D] (n)."""
    first_day = after + DAY
    month = first_day.astype("datetime64[M]")
    closing_month = month + months * MONTH
    closing_first: Days = closing_month.astype("datetime64[D]")
    length = (closing_month + MONTH).astype("datetime64[D]") - closing_first
    end: Days = closing_first - DAY + np.minimum(first_day - month.astype("datetime64[D]"), length)
    return end


def shift_due_date(days: Column, calendar: Calendar = "public") -> Days:
    """Return the days on which deadlines end, datetime64[D] (n); see :func:`kokin.rules.shift_due_date`.

    Raises:
        InvalidInputError: a null.
        CalendarRangeError: a day outside the years whose holidays are trusted.
    """
    holidays = non_business_days(check_choice("calendar", calendar, CALENDARS))
    (column,) = as_arrays(days={"days": days})
    if len(column):
        check_years("days", column.min().item().year, column.max().item().year)
    return np.busday_offset(column, 0, "forward", holidays=np.array(sorted(holidays), "datetime64[D]"))


def fiscal_year(days: Column) -> Ints:
    """Return the fiscal years (会計年度), int64 (n); see :func:`kokin.rules.fiscal_year`."""
    (column,) = as_arrays(days={"days": days})
    return (_months(column) - 3) // 12 + 1970


def revenue_year(term_ends_on: Column, received_on: Column) -> Ints:
    """Return the fiscal years to which receipts belong, int64 (n); see :func:`kokin.rules.revenue_year`.

    Raises:
        InvalidInputError: a null, or columns of unequal length.
    """
    term, received = as_arrays(days={"term_ends_on": term_ends_on, "received_on": received_on})
    year = fiscal_year(term)
    may_after = (year + 1 - 1970) * 12 + 4
    return np.where(_months(received) <= may_after, year, fiscal_year(received))


def _months(days: Days) -> Ints:
    """Months since January 1970, int64 (n)."""
    return days.astype("datetime64[M]").view(np.int64)


def year_class(charged_for: Column, assessed_in: Column, booked_in: Column) -> npt.NDArray[np.str_]:
    """Return the values of :class:`~kokin.rules.YearClass`, str (n); see :func:`kokin.rules.year_class`.

    Raises:
        InvalidInputError: three years that are not in this order, a null, or columns of unequal length.
    """
    charged, assessed, booked = as_arrays(
        yen={"charged_for": charged_for, "assessed_in": assessed_in, "booked_in": booked_in}
    )
    disordered = (charged > assessed) | (assessed > booked)
    raise_for_rows("YEAR_ORDER", "charged_for, assessed_in, booked_in", disordered, "rising years")
    within = np.where(charged < assessed, YearClass.PAST.value, YearClass.CURRENT.value)
    return np.where(assessed < booked, YearClass.CARRIED_OVER.value, within)


def allocate(paid: Column, owed: Mapping[str, Column], order: Sequence[str]) -> dict[str, Ints]:
    """Allocate payments to the parts of their debts, int64 (n) by part; see :func:`kokin.rules.allocate`.

    Raises:
        InvalidInputError: a part that is not in the order or more than once, a value outside its range, or columns of
            unequal length.
    """
    check_order(owed, order)
    names = [name for name in order if name in owed]
    rest, *parts = as_arrays(yen={"paid": paid, **{name: owed[name] for name in names}})
    allocated = {}
    for name, part in zip(names, parts, strict=True):
        allocated[name] = np.minimum(rest, part)
        rest = rest - allocated[name]
    return allocated


def prorata(paid: Column, parts: Sequence[Column]) -> Ints:
    """Split payments over parts in proportion, int64 (n, parts); see :func:`kokin.rules.prorata`.

    Raises:
        InvalidInputError: a value outside its range, a null, or columns of unequal length.
    """
    yen, *columns = as_arrays(yen={"paid": paid, **{f"parts[{i}]": part for i, part in enumerate(parts)}})
    if not columns:
        return np.empty((len(yen), 0), np.int64)
    owed = np.stack(columns, axis=1)
    total = owed.sum(axis=1)
    # Yen times yen exceeds 64 bits only where both are billions; those few rows are computed one by one.
    huge = np.maximum(yen, owed.max(axis=1)) > _ROOT
    shares = owed.copy()
    for row in np.flatnonzero((yen < total) & huge):
        shares[row] = _scalar.prorata(int(yen[row]), owed[row].tolist())
    rows = np.flatnonzero((yen < total) & ~huge)
    shares[rows] = _largest_remainder(yen[rows, None], owed[rows], total[rows, None])
    return shares


def _largest_remainder(paid: Ints, parts: Ints, total: Ints) -> Ints:
    """Return the shares of partial payments, like ``parts`` int64 (n, parts); ``paid`` and ``total`` are (n, 1)."""
    shares, remainders = np.divmod(paid * parts, total)
    rank = np.argsort(np.argsort(-remainders, axis=1, kind="stable"), axis=1)
    shares += rank < paid - shares.sum(axis=1, keepdims=True)
    return shares


def split_water_sewerage(
    paid: Column, water: Column, sewerage: Column, method: SplitMethod = "prorata"
) -> tuple[Ints, Ints]:
    """Split payments into yen for water and for sewerage, int64 (n); see :func:`kokin.rules.split_water_sewerage`.

    Raises:
        InvalidInputError: a payment is partial and ``method`` is ``reject``; a value outside its range; unequal
            lengths.
    """
    check_choice("method", method, SPLIT_METHODS)
    yen, for_water, for_sewerage = as_arrays(yen={"paid": paid, "water": water, "sewerage": sewerage})
    if method == "reject":
        owed = for_water + for_sewerage
        raise_for_rows("PARTIAL_PAYMENT", "paid", yen < owed, owed, yen)
    if method == "water_first":
        allocated = allocate(yen, {"water": for_water, "sewerage": for_sewerage}, ("water", "sewerage"))
        return allocated["water"], allocated["sewerage"]
    shares = prorata(yen, (for_water, for_sewerage))
    return shares[:, 0], shares[:, 1]


def _in_chunks(function: Callable[..., Ints], columns: Sequence[npt.NDArray[Any]]) -> Ints:
    """Apply a function of columns chunk by chunk, int64 (n)."""
    result = np.empty(len(columns[0]), np.int64)
    for start in range(0, len(result), _CHUNK_ROWS):
        rows = slice(start, start + _CHUNK_ROWS)
        result[rows] = function(*(column[rows] for column in columns))
    return result
