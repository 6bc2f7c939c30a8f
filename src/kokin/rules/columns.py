"""The rules for whole columns: each function is the twin of the scalar one of its name, equal to it row by row.

A column is a numpy array (int64 yen, ``datetime64[D]`` days), or anything that Arrow can take (a PyArrow array, a
Polars series: int64 and date32), without nulls. One ``int`` or ``date`` stands for a whole column. Results are numpy
arrays.

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

from kokin.rules import _allocation as one_payment
from kokin.rules._arrays import DAY, MONTH, Column, Days, Ints, refuse, take, within_dates
from kokin.rules._calendar import CALENDARS, Calendar, check_years, days_off
from kokin.rules._checks import check_name, check_order
from kokin.rules._late_charge import LOCAL_TAX, REFUND, LateChargeRule
from kokin.rules._rates import RATES, SEGMENTS, YEAR_OF_RATE, RateTable, Segment, runs
from kokin.rules._years import YearClass

# Rows that are worked on at once, so that the working arrays stay in cache.
_CHUNK = 65_536

# Two numbers up to this multiply within 64 bits.
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
    """Late charges (延滞金) in yen, int64 (n); see :func:`kokin.rules.late_charge`.

    A null (``NaT``) in ``demand_due_on`` is a debt without a demand.

    Raises:
        InvalidInputError: a value outside its range, a null, or columns of unequal length.
        RateMissingError: a day lies in a year without rates.
    """
    check_name("segment", segment, SEGMENTS)
    columns = take(
        yen={"principal": principal},
        days={"due_on": due_on, "paid_on": paid_on},
        days_or_never={"demand_due_on": demand_due_on},
    )
    return _in_chunks(partial(_late_charge, segment, rule, rates), columns)


def _late_charge(
    segment: Segment, rule: LateChargeRule, rates: RateTable, principal: Ints, due: Days, paid: Days, demand: Days
) -> Ints:
    base = _base(rule, principal)
    after = due if rule.start == "due" else demand
    step = _first_month_ends(after) if rule.step == "month" else after if rule.step == "none" else demand
    first = partial(rule.rate, "first", rates)
    later = partial(rule.rate, "later", rates)
    total = _accrue(base, after, np.minimum(step, paid), first, segment)
    total += _accrue(base, np.maximum(after, step), paid, later, segment)
    return _settle(rule, total)


def refund_interest(
    amount: Column, paid_on: Column, decided_on: Column, segment: Segment = "year", *, rates: RateTable = RATES
) -> Ints:
    """Interest on refunds (還付加算金) in yen, int64 (n); see :func:`kokin.rules.refund_interest`.

    Raises:
        InvalidInputError: a value outside its range, a null, or columns of unequal length.
        RateMissingError: a day lies in a year without rates.
    """
    check_name("segment", segment, SEGMENTS)
    columns = take(yen={"amount": amount}, days={"paid_on": paid_on, "decided_on": decided_on})
    return _in_chunks(partial(_refund_interest, segment, rates), columns)


def _refund_interest(segment: Segment, rates: RateTable, amount: Ints, paid: Days, decided: Days) -> Ints:
    total = _accrue(_base(REFUND, amount), paid, decided, partial(rates.rate, "refund"), segment)
    return _settle(REFUND, total)


def _base(rule: LateChargeRule, principal: Ints) -> Ints:
    """What a charge is computed on, int64 (n)."""
    return np.where(principal < rule.threshold, 0, principal - principal % rule.base_unit)


def _settle(rule: LateChargeRule, total: Ints) -> Ints:
    """What is asked for, int64 (n)."""
    return np.where(total < rule.minimum, 0, total - total % rule.rounding)


def _accrue(base: Ints, after: Days, last: Days, rate_of: Callable[[int], int], segment: Segment) -> Ints:
    """The yen of the days after ``after`` to ``last``, each run cut to whole yen, int64 (n)."""
    total = np.zeros(len(base), np.int64)
    accruing = np.flatnonzero((base > 0) & (after < last))
    if not accruing.size:
        return total
    base, after, last = base[accruing], after[accruing], last[accruing]
    yen = np.zeros(len(base), np.int64)
    for run in runs(rate_of, (after.min() + DAY).item().year, last.max().item().year, segment):
        before, closes = np.datetime64(run.first_day, "D") - DAY, np.datetime64(run.last_day, "D")
        rows = np.flatnonzero((after < closes) & (last > before))
        days = (np.minimum(last[rows], closes) - np.maximum(after[rows], before)).view(np.int64)
        # floor(base × rate × days / year), without a product that could leave 64 bits.
        yearly = base[rows] * run.rate
        whole = yearly // YEAR_OF_RATE
        yen[rows] += whole * days + (yearly - whole * YEAR_OF_RATE) * days // YEAR_OF_RATE
    total[accruing] = yen
    return total


def limitation_ends_on(after: Column, years: Column) -> Days:
    """The last days before limitation (時効), datetime64[D] (n); see :func:`kokin.rules.limitation_ends_on`.

    Raises:
        InvalidInputError: a value outside its range, an end after the year 9999, a null, or columns of unequal length.
    """
    span, first = take(yen={"years": years}, days={"after": after})
    refuse("AMOUNT_RANGE", "years", span < 1, "1 or more", span)
    return within_dates("years", _period_end(first, 12 * span))


def period_end(after: Column, months: Column) -> Days:
    """The last days of periods of months, datetime64[D] (n); see :func:`kokin.rules.period_end`.

    Raises:
        InvalidInputError: a value outside its range, an end after the year 9999, a null, or columns of unequal length.
    """
    span, first = take(yen={"months": months}, days={"after": after})
    return within_dates("months", _period_end(first, span))


def _first_month_ends(after: Days) -> Days:
    """The last days of the first month, datetime64[D] (n).

    They depend on the day alone, and a stretch of rows has fewer days than rows as a rule: one table serves all.
    """
    opens, closes = after.min(), after.max() + DAY
    if (closes - opens).astype(np.int64) > len(after):
        return _period_end(after, 1)
    ends: Days = _period_end(np.arange(opens, closes), 1)[(after - opens).view(np.int64)]
    return ends


def _period_end(after: Days, months: int | Ints) -> Days:
    """The last days of periods of months that begin on the day after ``after`` (民法143②), datetime64[D] (n)."""
    first = after + DAY
    month = first.astype("datetime64[M]")
    closing = month + months * MONTH
    opens: Days = closing.astype("datetime64[D]")
    length = (closing + MONTH).astype("datetime64[D]") - opens
    end: Days = opens - DAY + np.minimum(first - month.astype("datetime64[D]"), length)
    return end


def shift_due_date(days: Column, calendar: Calendar = "public") -> Days:
    """The days on which deadlines really end, datetime64[D] (n); see :func:`kokin.rules.shift_due_date`.

    Raises:
        InvalidInputError: a null.
        CalendarRangeError: a day outside the years whose holidays are trusted.
    """
    off = days_off(check_name("calendar", calendar, CALENDARS))
    (column,) = take(days={"days": days})
    if len(column):
        check_years("days", column.min().item().year, column.max().item().year)
    return np.busday_offset(column, 0, "forward", holidays=np.array(sorted(off), "datetime64[D]"))


def fiscal_year(days: Column) -> Ints:
    """Fiscal years (会計年度), int64 (n); see :func:`kokin.rules.fiscal_year`."""
    (column,) = take(days={"days": days})
    return (_months(column) - 3) // 12 + 1970


def revenue_year(term_ends_on: Column, received_on: Column) -> Ints:
    """The fiscal years whose revenue receipts are, int64 (n); see :func:`kokin.rules.revenue_year`.

    Raises:
        InvalidInputError: a null, or columns of unequal length.
    """
    term, received = take(days={"term_ends_on": term_ends_on, "received_on": received_on})
    year = fiscal_year(term)
    may_after = (year + 1 - 1970) * 12 + 4
    return np.where(_months(received) <= may_after, year, fiscal_year(received))


def _months(days: Days) -> Ints:
    """Months since January 1970, int64 (n)."""
    return days.astype("datetime64[M]").view(np.int64)


def year_class(charged_for: Column, assessed_in: Column, booked_in: Column) -> npt.NDArray[np.str_]:
    """The values of :class:`~kokin.rules.YearClass`, str (n); see :func:`kokin.rules.year_class`.

    Raises:
        InvalidInputError: three years that are not in this order, a null, or columns of unequal length.
    """
    charged, assessed, booked = take(
        yen={"charged_for": charged_for, "assessed_in": assessed_in, "booked_in": booked_in}
    )
    refuse("YEAR_ORDER", "charged_for, assessed_in, booked_in", (charged > assessed) | (assessed > booked))
    within = np.where(charged < assessed, YearClass.PAST.value, YearClass.CURRENT.value)
    return np.where(assessed < booked, YearClass.CARRIED_OVER.value, within)


def allocate(paid: Column, owed: Mapping[str, Column], order: Sequence[str]) -> dict[str, Ints]:
    """The yen of payments on each part of their debts, int64 (n) by part; see :func:`kokin.rules.allocate`.

    Raises:
        InvalidInputError: a part without a place in the order or with several, a value outside its range, or columns of
            unequal length.
    """
    check_order(owed, order)
    names = [name for name in order if name in owed]
    rest, *parts = take(yen={"paid": paid, **{name: owed[name] for name in names}})
    settled = {}
    for name, part in zip(names, parts, strict=True):
        settled[name] = np.minimum(rest, part)
        rest = rest - settled[name]
    return settled


def prorata(paid: Column, parts: Sequence[Column]) -> Ints:
    """Payments split in proportion, int64 (n, parts); see :func:`kokin.rules.prorata`.

    Raises:
        InvalidInputError: a value outside its range, a null, or columns of unequal length.
    """
    yen, *columns = take(yen={"paid": paid, **{f"parts[{i}]": part for i, part in enumerate(parts)}})
    if not columns:
        return np.empty((len(yen), 0), np.int64)
    owed = np.stack(columns, axis=1)
    total = owed.sum(axis=1)
    # Yen times yen leaves 64 bits only where both are billions; those few rows go one by one.
    huge = np.maximum(yen, owed.max(axis=1)) > _ROOT
    shares = owed.copy()
    for row in np.flatnonzero((yen < total) & huge):
        shares[row] = one_payment.prorata(int(yen[row]), owed[row].tolist())
    rows = np.flatnonzero((yen < total) & ~huge)
    shares[rows] = _largest_remainder(yen[rows, None], owed[rows], total[rows, None])
    return shares


def _largest_remainder(paid: Ints, parts: Ints, total: Ints) -> Ints:
    """Shares of partial payments: ``paid`` and ``total`` int64 (n, 1), ``parts`` and result int64 (n, parts)."""
    shares, remainders = np.divmod(paid * parts, total)
    rank = np.argsort(np.argsort(-remainders, axis=1, kind="stable"), axis=1)
    shares += rank < paid - shares.sum(axis=1, keepdims=True)
    return shares


def split_water(
    paid: Column, water: Column, sewerage: Column, how: one_payment.SplitMethod = "prorata"
) -> tuple[Ints, Ints]:
    """The yen for water and for sewerage, int64 (n) each; see :func:`kokin.rules.split_water`.

    Raises:
        InvalidInputError: a payment is partial and ``how`` is ``reject``; a value outside its range; unequal lengths.
    """
    check_name("how", how, one_payment.SPLITS)
    yen, for_water, for_sewerage = take(yen={"paid": paid, "water": water, "sewerage": sewerage})
    if how == "reject":
        refuse("PARTIAL_PAYMENT", "paid", yen < for_water + for_sewerage)
    if how == "water_first":
        settled = allocate(yen, {"water": for_water, "sewerage": for_sewerage}, ("water", "sewerage"))
        return settled["water"], settled["sewerage"]
    shares = prorata(yen, (for_water, for_sewerage))
    return shares[:, 0], shares[:, 1]


def _in_chunks(function: Callable[..., Ints], columns: Sequence[npt.NDArray[Any]]) -> Ints:
    """The function over stretches of the columns, int64 (n)."""
    result = np.empty(len(columns[0]), np.int64)
    for start in range(0, len(result), _CHUNK):
        stretch = slice(start, start + _CHUNK)
        result[stretch] = function(*(column[stretch] for column in columns))
    return result
