"""Late charges (延滞金) and interest on refunds (還付加算金), to the yen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from kokin.issues import Issue
from kokin.model import FieldType, Record, Yen
from kokin.rules._arguments import check_choice, check_yen
from kokin.rules._dates import first_month_end
from kokin.rules._rates import RATE_DENOMINATOR, RATES, SEGMENTS, RateTable, Segment, is_rate, rate_periods
from kokin.text import require_date


class Percent(FieldType):
    """A yearly rate in percent: a ``Decimal`` or its text, two decimals, 0 to 20."""

    def check(self, value: Any) -> Any:
        if isinstance(value, str) and value.isascii() and value.replace(".", "", 1).isdecimal():
            value = Decimal(value)
        if isinstance(value, Decimal) and not is_rate(value):
            raise PydanticCustomError("RATE_INVALID", "{found}", {"expected": "0.00 to 20.00", "found": str(value)})
        return value


class LateChargeRule(Record):
    """The parameters of a late charge in law or an ordinance (条例); the defaults are for local tax (地方税法20の4の2).

    Raises:
        InvalidInputError: a value is out of range, or the fixed rates do not fit ``reduced_until``.
    """

    base_unit: Annotated[int, Yen(1)] = 1_000
    """The principal is cut to a multiple of this (計算の基礎の端数切捨て): 1,000 or 100 yen."""
    threshold: Annotated[int, Yen()] = 2_000
    """A principal below this bears no charge: 2,000 or 100 yen."""
    minimum: Annotated[int, Yen()] = 1_000
    """A result below this is 0: 1,000, 500 or 10 yen."""
    rounding: Annotated[int, Yen(1)] = 100
    """The result is cut to a multiple of this: 100, 10 or 1 yen."""
    accrues_from: Literal["due", "demand"] = "due"
    """Days count from the day after the 納期限, or after the deadline that the demand (督促) sets."""
    reduced_until: Literal["month", "demand", "none"] = "month"
    """The reduced rate applies to the first month, to the days up to the deadline of the demand, or never."""
    reduced_rate: Annotated[Decimal, Percent()] | None = None
    """A fixed reduced rate in percent; only with a fixed ``full_rate``."""
    full_rate: Annotated[Decimal, Percent()] | None = None
    """A fixed full rate in percent (14.6, 14.5, 10.95, 7.3); without one the yearly rates of 附則3の2 apply."""

    @model_validator(mode="after")
    def _check_fixed_rates(self) -> Self:
        needed = self.full_rate is not None and self.reduced_until != "none"
        if needed != (self.reduced_rate is not None):
            expected = f"reduced_rate {'set' if needed else 'omitted'}"
            issue = Issue("RATE_PAIR", field="reduced_rate", expected=expected)
            raise self.error_class([issue], "invalid LateChargeRule")
        return self

    def calculation_base(self, principal: int) -> int:
        """Return the yen on which the charge is computed (計算の基礎)."""
        return 0 if principal < self.threshold else principal - principal % self.base_unit

    def round_result(self, total: int) -> int:
        """Return the charge that is demanded, from the sum of the segments."""
        return 0 if total < self.minimum else total - total % self.rounding

    def rate(self, name: Literal["reduced", "full"], rates: RateTable, year: int) -> int:
        """Return a rate of a calendar year, in hundredths of a percent."""
        fixed = self.reduced_rate if name == "reduced" else self.full_rate
        return rates.rate(name, year) if fixed is None else int(fixed * 100)


#: Local tax, and the charges to which its rules apply.
LOCAL_TAX = LateChargeRule()

#: 還付加算金: the same bounds (地方税法20の4の2②⑤), one rate.
REFUND_INTEREST = LateChargeRule(reduced_until="none")


class LateChargeSegment(NamedTuple):
    """One line of a statement of late charges (延滞金計算書): days at one rate, cut to whole yen."""

    first_day: date
    last_day: date
    days: int
    rate: Decimal
    """Percent a year."""
    yen: int


def late_charge(
    principal: int,
    due_on: date,
    paid_on: date,
    segment: Segment = "year",
    *,
    rule: LateChargeRule = LOCAL_TAX,
    demand_due_on: date | None = None,
    rates: RateTable = RATES,
) -> int:
    """Return the late charge (延滞金) in yen on a principal (本税, 元本) that is paid in full on ``paid_on``.

    Law for local tax: from the day after the 納期限 to the day of payment, at the reduced rate for one month
    (地方税法326①, 369①, 463の24①; 附則3の2); the base without its part below 1,000 yen, none below 2,000 (20の4の2②);
    the result without its part below 100 yen, none below 1,000 (20の4の2⑤); 365 days also in leap years
    (利率等の表示の年利建て移行に関する法律25). Per 期別 and per 税目, never on 督促手数料 or on another late charge.

    Left open by law: where a segment ends, at which it is cut to whole yen. ``segment="year"`` cuts at each 31 December
    (the rates are fixed for calendar years), ``"rate"`` only where the rate changes. They can differ by 100 yen.

    ``due_on`` is the effective 納期限, after :func:`~kokin.rules.shift_due_date`. ``demand_due_on`` is the deadline
    that the demand sets; without a demand it is ``None``, and a rule that accrues from it gives 0 (自治法231の3②).

    Raises:
        InvalidInputError: ``principal`` is not 0 to 99,999,999,999 whole yen, or ``segment`` is unknown.
        RateMissingError: a day lies in a year without rates.
        TypeError: a ``datetime`` is passed for a date.

    >>> late_charge(56_400, date(2026, 2, 2), date(2026, 5, 29))
    1300
    >>> [late_charge(22_000, date(2022, 8, 30), date(2025, 11, 28), reading) for reading in ("year", "rate")]
    [6000, 6100]
    """
    segments = late_charge_segments(
        principal, due_on, paid_on, segment, rule=rule, demand_due_on=demand_due_on, rates=rates
    )
    return rule.round_result(sum(line.yen for line in segments))


def late_charge_segments(
    principal: int,
    due_on: date,
    paid_on: date,
    segment: Segment = "year",
    *,
    rule: LateChargeRule = LOCAL_TAX,
    demand_due_on: date | None = None,
    rates: RateTable = RATES,
) -> list[LateChargeSegment]:
    """Return the segments that add up to a late charge (延滞金計算書), before the sum is cut; see :func:`late_charge`.

    >>> for line in late_charge_segments(56_400, date(2026, 2, 2), date(2026, 5, 29)):
    ...     print(line.first_day, line.last_day, line.days, line.rate, line.yen)
    2026-02-03 2026-03-02 28 2.8 120
    2026-03-03 2026-05-29 88 9.1 1228
    """
    check_choice("segment", segment, SEGMENTS)
    base = rule.calculation_base(check_yen("principal", principal))
    require_date("due_on", due_on)
    require_date("paid_on", paid_on)
    if demand_due_on is not None:
        require_date("demand_due_on", demand_due_on)
    after = due_on if rule.accrues_from == "due" else demand_due_on
    if base == 0 or after is None:
        return []
    reduced_to = _last_reduced_day(rule, after, paid_on, demand_due_on)
    reduced, full = partial(rule.rate, "reduced", rates), partial(rule.rate, "full", rates)
    return [
        *_accrue(base, after, min(reduced_to, paid_on), reduced, segment),
        *_accrue(base, max(after, reduced_to), paid_on, full, segment),
    ]


def _last_reduced_day(rule: LateChargeRule, after: date, paid_on: date, demand_due_on: date | None) -> date:
    """Return the last day of the reduced rate: ``after`` if the rule has none, ``paid_on`` until there is a demand."""
    if rule.reduced_until == "month":
        return first_month_end(after)
    return after if rule.reduced_until == "none" else demand_due_on or paid_on


def _accrue(
    base: int, after: date, last_day: date, rate_of: Callable[[int], int], segment: Segment
) -> list[LateChargeSegment]:
    """Return the segments of the days after ``after`` up to ``last_day``, one for each period of a rate."""
    if after >= last_day:
        return []
    segments = []
    first_day = after + timedelta(days=1)
    for period in rate_periods(rate_of, first_day.year, last_day.year, segment):
        opens, closes = max(period.first_day, first_day), min(period.last_day, last_day)
        days = (closes - opens).days + 1
        yen = base * period.rate * days // RATE_DENOMINATOR
        segments.append(LateChargeSegment(opens, closes, days, Decimal(period.rate) / 100, yen))
    return segments


def refund_interest(
    amount: int, paid_on: date, decided_on: date, segment: Segment = "year", *, rates: RateTable = RATES
) -> int:
    """Return the interest (還付加算金) in yen on money that an authority pays back or sets off.

    From the day after ``paid_on`` to ``decided_on``, on which the payment is decided or the money set off (充当), at
    the yearly refund rate (地方税法17の4①; 附則3の2); base and result are cut as for late charges (20の4の2②⑤).
    ``paid_on`` is the day of payment if the authority levied too much (17の4①一); for the other kinds of 過誤納金 pass
    the day that the article names instead.

    Raises:
        InvalidInputError: ``amount`` is not 0 to 99,999,999,999 whole yen, or ``segment`` is unknown.
        RateMissingError: a day lies in a year without rates.
        TypeError: a ``datetime`` is passed for a date.

    >>> refund_interest(200_500, date(2025, 4, 1), date(2026, 3, 31))
    1900
    """
    check_choice("segment", segment, SEGMENTS)
    base = REFUND_INTEREST.calculation_base(check_yen("amount", amount))
    require_date("paid_on", paid_on)
    require_date("decided_on", decided_on)
    segments = _accrue(base, paid_on, decided_on, partial(rates.rate, "refund"), segment) if base else []
    return REFUND_INTEREST.round_result(sum(line.yen for line in segments))
