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
from datetime import date
from functools import partial, reduce
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from kokin.rules import _allocation as _scalar
from kokin.rules._allocation import SPLIT_METHODS, SplitMethod, check_order
from kokin.rules._arguments import check_choice
from kokin.rules._arrays import DAY, MONTH, NO_DATE, Column, Days, Ints, as_arrays, raise_for_dates, raise_for_rows
from kokin.rules._calendar import CALENDARS, Calendar, check_years, non_business_days
from kokin.rules._dates import YearClass
from kokin.rules._late_charge import LOCAL_TAX, REFUND_INTEREST, LateChargeRule
from kokin.rules._rate_files import RATES
from kokin.rules._rates import RATE_DENOMINATOR, SEGMENTS, RateTable, Segment, rate_periods

# The days after a first day up to a last one, datetime64[D] (n) each.
_Interval: TypeAlias = tuple[Days, Days]


class _Sums(NamedTuple):
    """Yen of ``n`` rows."""

    #: int64 (n,): whole yen.
    whole: Ints
    #: int64 (n,): what is to be added before it is cut, in 1 / RATE_DENOMINATOR of a yen; None if nothing is.
    rest: Ints | None


# Rows per step, so that the working arrays stay in the cache.
_CHUNK_ROWS = 65_536

# The product of two numbers up to this one fits into 64 bits.
_ROOT = math.isqrt(np.iinfo(np.int64).max)


def late_charge(
    principal: Column,
    due_on: Column,
    paid_on: Column,
    segment: Segment | None = None,
    *,
    rule: LateChargeRule = LOCAL_TAX,
    demand_due_on: Column = None,
    stay_from: Column = None,
    stay_to: Column = None,
    rates: RateTable = RATES,
) -> Ints:
    """Return the late charges (延滞金) in yen, int64 (n); see :func:`kokin.rules.late_charge`.

    A null (``NaT``) in ``demand_due_on`` is a debt without a demand, in ``stay_from`` and ``stay_to`` one without a
    stay of collection (猶予).

    Raises:
        InvalidInputError: a value outside its range, a null, a stay with only one end, or columns of unequal length.
        RateMissingError: a day lies in a year without rates.
    """
    segment = rule.segment if segment is None else segment
    check_choice("segment", segment, SEGMENTS)
    columns = as_arrays(
        yen={"principal": principal},
        days={"due_on": due_on, "paid_on": paid_on},
        days_or_null={"demand_due_on": demand_due_on, "stay_from": stay_from, "stay_to": stay_to},
    )
    if stay_from is None and stay_to is None:  # the days need not be split
        columns = columns[:-2]
    else:
        _check_periods("stay_from", columns[-2], "stay_to", columns[-1])
    return _in_chunks(partial(_late_charge, segment, rule, rates), columns)


def _late_charge(
    segment: Segment,
    rule: LateChargeRule,
    rates: RateTable,
    principal: Ints,
    due: Days,
    paid: Days,
    demand: Days,
    *stay: Days,
) -> Ints:
    base = _calculation_base(rule, principal)
    after = due if rule.accrues_from == "due" else demand
    reduced_to = _last_reduced_day(rule, after, demand)
    reduced = _without(stay, after, np.minimum(reduced_to, paid))
    full = _without(stay, np.maximum(after, reduced_to), paid)
    sums = [_accrue(base, reduced, partial(rule.rate, "reduced", rates), segment)]
    if rule.is_statutory:
        sums += _accrue_statutory(base, after + DAY, full, rates, segment)
    else:
        sums.append(_accrue(base, full, partial(rule.rate, "full", rates), segment))
    if stay:
        stayed = [(np.maximum(after, stay[0] - DAY), np.minimum(stay[1], paid))]
        sums.append(_accrue(base, stayed, partial(rule.rate, "stay", rates), segment))
    return _round_result(rule, _whole_yen(sums))


def _last_reduced_day(rule: LateChargeRule, after: Days, demand: Days) -> Days:
    """Return the last days of the reduced rate, datetime64[D] (n): ``after`` if the rule has none."""
    if rule.reduced_until == "months":
        return _end_of_months(after, rule.reduced_months)
    return after if rule.reduced_until == "none" else demand


def setoff_date(due_on: Column, overpaid_on: Column) -> Days:
    """Return the days on which debts can be set off (充当適状), datetime64[D] (n); see :func:`kokin.rules.setoff_date`.

    Raises:
        InvalidInputError: a null, or columns of unequal length.
    """
    due, overpaid = as_arrays(days={"due_on": due_on, "overpaid_on": overpaid_on})
    latest: Days = np.maximum(due, overpaid)
    return latest


def refund_interest(
    amount: Column,
    paid_on: Column,
    decided_on: Column,
    segment: Segment = "year",
    *,
    excluded_from: Column = None,
    excluded_to: Column = None,
    rates: RateTable = RATES,
) -> Ints:
    """Return the interest on refunds (還付加算金) in yen, int64 (n); see :func:`kokin.rules.refund_interest`.

    A null (``NaT``) in ``excluded_from`` and ``excluded_to`` is a refund of which all days count.

    Raises:
        InvalidInputError: a value outside its range, a null, an excluded period with only one end, or columns of
            unequal length.
        RateMissingError: a day lies in a year without rates.
    """
    check_choice("segment", segment, SEGMENTS)
    columns = as_arrays(
        yen={"amount": amount},
        days={"paid_on": paid_on, "decided_on": decided_on},
        days_or_null={"excluded_from": excluded_from, "excluded_to": excluded_to},
    )
    if excluded_from is None and excluded_to is None:
        columns = columns[:-2]
    else:
        _check_periods("excluded_from", columns[-2], "excluded_to", columns[-1])
    return _in_chunks(partial(_refund_interest, segment, rates), columns)


def _refund_interest(
    segment: Segment, rates: RateTable, amount: Ints, paid: Days, decided: Days, *excluded: Days
) -> Ints:
    base = _calculation_base(REFUND_INTEREST, amount)
    sums = _accrue(base, _without(excluded, paid, decided), partial(rates.rate, "refund"), segment)
    return _round_result(REFUND_INTEREST, _whole_yen([sums]))


def _check_periods(from_name: str, first_day: Days, to_name: str, last_day: Days) -> None:
    """Raise :class:`InvalidInputError` for the rows of optional periods with only one end, or that end before it."""
    incomplete = (first_day == NO_DATE) != (last_day == NO_DATE)
    raise_for_rows("PERIOD_ENDS", f"{from_name}, {to_name}", incomplete | (last_day < first_day))


def _calculation_base(rule: LateChargeRule, principal: Ints) -> Ints:
    """:meth:`LateChargeRule.calculation_base` of each principal, int64 (n)."""
    return np.where(principal < rule.threshold, 0, principal - principal % rule.base_unit)


def _round_result(rule: LateChargeRule, total: Ints) -> Ints:
    """:meth:`LateChargeRule.round_result` of each sum of segments, int64 (n)."""
    return np.where(total < rule.minimum, 0, total - total % rule.rounding)


def _without(period: Sequence[Days], after: Days, last: Days) -> list[_Interval]:
    """Return what is left of intervals without the days of a period: one interval, or two that may be empty.

    A period is its first and its last days; an empty sequence is none.
    """
    if not period:
        return [(after, last)]
    first_day, last_day = period
    return [(after, np.minimum(last, first_day - DAY)), (np.maximum(after, last_day), last)]


def _accrue(base: Ints, intervals: Sequence[_Interval], rate_of: Callable[[int], int], segment: Segment) -> _Sums:
    """Return the yen of the days of intervals, cut as ``segment`` says."""
    sums = [_accrue_interval(base, after, last, rate_of, segment) for after, last in intervals]
    return _Sums(_whole_yen(sums), None) if segment == "part" else _add(sums)


def _accrue_interval(base: Ints, after: Days, last: Days, rate_of: Callable[[int], int], segment: Segment) -> _Sums:
    """Return the yen of the days of one interval; the rest is None if each period of a rate is cut."""
    whole = np.zeros(len(base), np.int64)
    rest = None if segment in ("year", "rate") else np.zeros(len(base), np.int64)
    accruing = np.flatnonzero((base > 0) & (after < last))
    if accruing.size:
        sums = _accrue_periods(base[accruing], after[accruing], last[accruing], rate_of, segment)
        whole[accruing] = sums.whole
        if rest is not None and sums.rest is not None:
            rest[accruing] = sums.rest
    return _Sums(whole, rest)


def _accrue_periods(base: Ints, after: Days, last: Days, rate_of: Callable[[int], int], segment: Segment) -> _Sums:
    """Return the sums of :func:`_accrue_interval` if each row has at least one day."""
    whole = np.zeros(len(base), np.int64)
    rest = None if segment in ("year", "rate") else np.zeros(len(base), np.int64)
    years = (after.min() + DAY).item().year, last.max().item().year
    for period in rate_periods(rate_of, *years, by_year=segment == "year"):
        day_before, last_day = np.datetime64(period.first_day, "D") - DAY, np.datetime64(period.last_day, "D")
        rows = np.flatnonzero((after < last_day) & (last > day_before))
        days = (np.minimum(last[rows], last_day) - np.maximum(after[rows], day_before)).view(np.int64)
        # base × rate × days / RATE_DENOMINATOR as whole yen and a rest, without a product that exceeds 64 bits.
        yearly = base[rows] * period.rate
        whole_a_day = yearly // RATE_DENOMINATOR
        numerator = (yearly - whole_a_day * RATE_DENOMINATOR) * days
        if rest is None:
            whole[rows] += whole_a_day * days + numerator // RATE_DENOMINATOR
        else:
            whole[rows] += whole_a_day * days
            rest[rows] += numerator
    return _Sums(whole, rest)


def _accrue_statutory(
    base: Ints, first_day: Days, intervals: Sequence[_Interval], rates: RateTable, segment: Segment
) -> list[_Sums]:
    """Return the sums of :func:`_accrue` at the statutory rates, which apply by the first day of delay."""
    is_accruing = (base > 0) & np.logical_or.reduce([after < last for after, last in intervals])
    sums = []
    for period in rates.statutory:
        is_in_period = (first_day >= np.datetime64(period.first_day, "D")) & (
            first_day <= np.datetime64(period.last_day, "D")
        )
        rate_of = partial(_same_every_year, period.rate)
        sums.append(_accrue(np.where(is_in_period, base, 0), intervals, rate_of, segment))
        is_accruing &= ~is_in_period
    for row in np.flatnonzero(is_accruing)[:1]:
        raise rates.statutory_missing(date.fromisoformat(str(first_day[row])))
    return sums


def _same_every_year(rate: int, year: int) -> int:
    return rate


def _add(sums: Sequence[_Sums]) -> _Sums:
    rests = [each.rest for each in sums if each.rest is not None]
    return _Sums(reduce(np.add, (each.whole for each in sums)), reduce(np.add, rests) if rests else None)


def _whole_yen(sums: Sequence[_Sums]) -> Ints:
    """Return the whole yen of several sums, int64 (n): their rests are added before they are cut."""
    whole, rest = _add(sums)
    return whole if rest is None else whole + rest // RATE_DENOMINATOR


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


def _end_of_months(after: Days, months: int) -> Days:
    """Return the last day of the first months after each day, datetime64[D] (n).

    A chunk usually has fewer distinct days than rows, so each day between the first and the last is computed once, and
    the rows are looked up in that table.
    """
    opens, closes = after.min(), after.max() + DAY
    if (closes - opens).astype(np.int64) > len(after):
        return _period_end(after, months)
    ends: Days = _period_end(np.arange(opens, closes), months)[(after - opens).view(np.int64)]
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
