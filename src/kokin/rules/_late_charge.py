"""Late charges (延滞金) and interest on refunds (還付加算金), to the yen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from kokin.issues import Issue
from kokin.model import FieldType, Record, Yen
from kokin.rules._checks import check_name, check_yen
from kokin.rules._periods import ONE_DAY, first_month_end
from kokin.rules._rates import RATES, SEGMENTS, YEAR_OF_RATE, RateTable, Segment, is_rate, runs
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
    """What law or an ordinance (条例) fixes for a late charge. The defaults are those of local tax (地方税法20の4の2).

    Raises:
        InvalidInputError: a value out of range, or rates that do not fit the step.
    """

    base_unit: Annotated[int, Yen(1)] = 1_000
    """The principal counts in whole multiples of this (計算の基礎の端数切捨て): 1,000 or 100."""
    threshold: Annotated[int, Yen()] = 2_000
    """A principal below this bears nothing: 2,000 or 100."""
    minimum: Annotated[int, Yen()] = 1_000
    """A result below this is nothing: 1,000, 500 or 10."""
    rounding: Annotated[int, Yen(1)] = 100
    """The result is cut to a multiple of this: 100, 10 or 1."""
    start: Literal["due", "demand"] = "due"
    """Days count from the day after the 納期限, or after the deadline that the demand (督促) sets."""
    step: Literal["month", "demand", "none"] = "month"
    """The lower rate holds for the first month, to the deadline of the demand, or not at all."""
    first_rate: Annotated[Decimal, Percent()] | None = None
    """A fixed lower rate in percent; only with a fixed ``later_rate``."""
    later_rate: Annotated[Decimal, Percent()] | None = None
    """A fixed rate in percent (14.6, 14.5, 10.95, 7.3); without one the yearly rates of 附則3の2 hold."""

    @model_validator(mode="after")
    def _rates_fit_the_step(self) -> Self:
        needed = self.later_rate is not None and self.step != "none"
        if needed != (self.first_rate is not None):
            expected = f"first_rate {'given' if needed else 'left out'}"
            raise self.error_class(
                [Issue("RATE_PAIR", field="first_rate", expected=expected)], "LateChargeRule refused"
            )
        return self

    def base(self, principal: int) -> int:
        """The yen on which the charge is computed."""
        return 0 if principal < self.threshold else principal - principal % self.base_unit

    def settle(self, total: int) -> int:
        """The charge that is asked for, from the sum of the segments."""
        return 0 if total < self.minimum else total - total % self.rounding

    def rate(self, name: Literal["first", "later"], rates: RateTable, year: int) -> int:
        """The rate of a calendar year, in hundredths of a percent."""
        fixed = self.first_rate if name == "first" else self.later_rate
        return rates.rate(name, year) if fixed is None else int(fixed * 100)


#: Local tax, and what follows it.
LOCAL_TAX = LateChargeRule()

#: 還付加算金: the same bounds (地方税法20の4の2②⑤), one rate.
REFUND = LateChargeRule(step="none")


class LateChargeSegment(NamedTuple):
    """One line of a statement of late charges: days at one rate, cut to whole yen."""

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
    """The late charge (延滞金) in yen on a principal (本税, 元本) that is paid in full on ``paid_on``.

    Law for local tax: from the day after the 納期限 to the day of payment, at the lower rate for one month
    (地方税法326①, 369①, 463の24①; 附則3の2); the base without its part below 1,000 yen, none below 2,000 (20の4の2②);
    the result without its part below 100 yen, none below 1,000 (20の4の2⑤); 365 days also in leap years
    (利率等の表示の年利建て移行に関する法律25). Per 期別 and per 税目, never on 督促手数料 or on another late charge.

    Left open by law: where a segment ends, at which it is cut to whole yen. ``segment="year"`` cuts at each 31 December
    (the rates are fixed for calendar years), ``"rate"`` only where the rate changes. They can differ by 100 yen.

    ``due_on`` is the 納期限 as it binds, after :func:`~kokin.rules.shift_due_date`. ``demand_due_on`` is the deadline
    set by the demand; ``None`` means that there was none, and a rule that starts there then gives 0 (自治法231の3②).

    Raises:
        InvalidInputError: ``principal`` is not 0 to 99,999,999,999 whole yen, or ``segment`` is unknown.
        RateMissingError: a day lies in a year without rates.
        TypeError: a ``datetime`` is passed for a date.

    >>> late_charge(56_400, date(2026, 2, 2), date(2026, 5, 29))
    1300
    >>> [late_charge(22_000, date(2022, 8, 30), date(2025, 11, 28), reading) for reading in ("year", "rate")]
    [6000, 6100]
    """
    lines = late_charge_segments(
        principal, due_on, paid_on, segment, rule=rule, demand_due_on=demand_due_on, rates=rates
    )
    return rule.settle(sum(line.yen for line in lines))


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
    """The segments that add up to a late charge (延滞金計算書), before the result is cut; as :func:`late_charge`.

    >>> for line in late_charge_segments(56_400, date(2026, 2, 2), date(2026, 5, 29)):
    ...     print(line.first_day, line.last_day, line.days, line.rate, line.yen)
    2026-02-03 2026-03-02 28 2.8 120
    2026-03-03 2026-05-29 88 9.1 1228
    """
    check_name("segment", segment, SEGMENTS)
    base = rule.base(check_yen("principal", principal))
    require_date("due_on", due_on)
    require_date("paid_on", paid_on)
    if demand_due_on is not None:
        require_date("demand_due_on", demand_due_on)
    after = due_on if rule.start == "due" else demand_due_on
    if base == 0 or after is None:
        return []
    step_on = _last_lower_day(rule, after, paid_on, demand_due_on)
    first = partial(rule.rate, "first", rates)
    later = partial(rule.rate, "later", rates)
    return [
        *_accrue(base, after, min(step_on, paid_on), first, segment),
        *_accrue(base, max(after, step_on), paid_on, later, segment),
    ]


def _last_lower_day(rule: LateChargeRule, after: date, paid_on: date, demand_due_on: date | None) -> date:
    """The last day of the lower rate. Without a demand it has not ended; without a step it never began."""
    if rule.step == "month":
        return first_month_end(after)
    return after if rule.step == "none" else demand_due_on or paid_on


def _accrue(
    base: int, after: date, last_day: date, rate_of: Callable[[int], int], segment: Segment
) -> list[LateChargeSegment]:
    """The yen of the days after ``after`` to ``last_day``, run by run."""
    if after >= last_day:
        return []
    lines = []
    first_day = after + ONE_DAY
    for run in runs(rate_of, first_day.year, last_day.year, segment):
        opens, closes = max(run.first_day, first_day), min(run.last_day, last_day)
        days = (closes - opens).days + 1
        yen = base * run.rate * days // YEAR_OF_RATE
        lines.append(LateChargeSegment(opens, closes, days, Decimal(run.rate) / 100, yen))
    return lines


def refund_interest(
    amount: int, paid_on: date, decided_on: date, segment: Segment = "year", *, rates: RateTable = RATES
) -> int:
    """The interest (還付加算金) in yen on money that a body pays back or sets off.

    From the day after ``paid_on`` to ``decided_on``, on which the payment is decided or the money set off (充当), at
    the yearly refund rate (地方税法17の4①; 附則3の2); base and result are cut as for late charges (20の4の2②⑤).
    ``paid_on`` is the day of payment where the body levied too much (17の4①一); for the other kinds of 過誤納金 give
    the day that the article names instead.

    Raises:
        InvalidInputError: ``amount`` is not 0 to 99,999,999,999 whole yen, or ``segment`` is unknown.
        RateMissingError: a day lies in a year without rates.
        TypeError: a ``datetime`` is passed for a date.

    >>> refund_interest(200_500, date(2025, 4, 1), date(2026, 3, 31))
    1900
    """
    check_name("segment", segment, SEGMENTS)
    base = REFUND.base(check_yen("amount", amount))
    require_date("paid_on", paid_on)
    require_date("decided_on", decided_on)
    lines = _accrue(base, paid_on, decided_on, partial(rates.rate, "refund"), segment) if base else []
    return REFUND.settle(sum(line.yen for line in lines))
