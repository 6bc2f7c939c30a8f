"""Late charges (延滞金, 遅延損害金) and interest on refunds (還付加算金), to the yen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeAlias

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from kokin.issues import InvalidInputError, Issue
from kokin.model import FieldType, Record, Yen
from kokin.rules._arguments import check_choice, check_yen
from kokin.rules._dates import last_day_of_months
from kokin.rules._rate_files import RATES
from kokin.rules._rates import (
    RATE_DENOMINATOR,
    SEGMENTS,
    RateName,
    RateTable,
    Segment,
    as_percent,
    is_rate,
    rate_periods,
)
from kokin.text import require_date

# A part of a charge is the days at one kind of rate; 還付加算金 has only ``refund``.
Part: TypeAlias = RateName

_STATUTORY = "statutory"


class Percent(FieldType):
    """A yearly rate in percent: a ``Decimal`` or its text, two decimals, 0 to 20."""

    def check(self, value: Any) -> Any:
        value = as_percent(value)
        if isinstance(value, Decimal) and not is_rate(value):
            raise PydanticCustomError("RATE_INVALID", "{found}", {"expected": "0.00 to 20.00", "found": str(value)})
        return value


class PercentOrStatutory(Percent):
    """A yearly rate in percent, or ``statutory``."""

    def check(self, value: Any) -> Any:
        if value is None or value == _STATUTORY:
            return value
        value = super().check(value)
        if not isinstance(value, Decimal):
            context = {"expected": "a Decimal or statutory", "found": type(value).__name__}
            raise PydanticCustomError("FIELD_TYPE", "{found}", context)
        return value


class LateChargeRule(Record):
    """The parameters of a late charge in law or an ordinance (条例); the defaults are for local tax (地方税法20の4の2).

    Raises:
        InvalidInputError: a value is out of range, or the fixed rates or months do not fit ``reduced_until``.
    """

    base_unit: Annotated[int, Yen(1)] = 1_000
    """The principal is cut to a multiple of this (計算の基礎の端数切捨て): 1,000 or 100 yen."""
    threshold: Annotated[int, Yen()] = 2_000
    """A principal below this bears no charge: 2,000 or 100 yen."""
    minimum: Annotated[int, Yen()] = 1_000
    """A result below this is 0: 1,000, 500 or 10 yen."""
    rounding: Annotated[int, Yen(1)] = 100
    """The result is cut to a multiple of this: 100, 10 or 1 yen."""
    segment: Segment = "year"
    """Which days are summed before the sum is cut to whole yen; see :func:`late_charge`."""
    accrues_from: Literal["due", "demand"] = "due"
    """Days count from the day after the 納期限, or after the deadline that the demand (督促) sets."""
    reduced_until: Literal["months", "demand", "none"] = "months"
    """The reduced rate applies to the first months, to the days up to the deadline of the demand, or never."""
    reduced_months: Annotated[int, Yen(1, 12)] = 1
    """How many months the reduced rate lasts: 1 for local tax, 3 for insurance premiums (国保料, 介護保険料,
    後期高齢者医療保険料) in many authorities."""
    reduced_rate: Annotated[Decimal, Percent()] | None = None
    """A fixed reduced rate in percent; only with a fixed ``full_rate``."""
    full_rate: Annotated[Decimal | Literal["statutory"] | None, PercentOrStatutory()] = None
    """A fixed full rate in percent (14.6, 14.5, 10.95, 7.3), or ``statutory``, the rate of 民法404 on the first day of
    delay (民法419①); without one the yearly rates of 附則3の2 apply."""

    @model_validator(mode="after")
    def _check_fixed_rates(self) -> Self:
        issues = []
        needed = self.full_rate is not None and self.reduced_until != "none"
        if needed != (self.reduced_rate is not None):
            expected = f"reduced_rate {'set' if needed else 'omitted'}"
            issues.append(Issue("RATE_PAIR", field="reduced_rate", expected=expected))
        if self.reduced_until != "months" and self.reduced_months != 1:
            expected = "omitted unless reduced_until is months"
            issues.append(
                Issue("AMOUNT_RANGE", field="reduced_months", expected=expected, found=str(self.reduced_months))
            )
        if issues:
            raise self.error_class(issues, "invalid LateChargeRule")
        return self

    def calculation_base(self, principal: int) -> int:
        """Return the yen on which the charge is computed (計算の基礎)."""
        return 0 if principal < self.threshold else principal - principal % self.base_unit

    def round_result(self, total: int) -> int:
        """Return the charge that is demanded, from the sum of the segments."""
        return 0 if total < self.minimum else total - total % self.rounding

    def rate(self, name: Part, rates: RateTable, year: int) -> int:
        """Return a rate of a calendar year, in hundredths of a percent; not for a statutory ``full_rate``."""
        fixed = {"reduced": self.reduced_rate, "full": self.full_rate}.get(name)
        return int(fixed * 100) if isinstance(fixed, Decimal) else rates.rate(name, year)

    @property
    def is_statutory(self) -> bool:
        """Whether the full rate is the statutory rate of the first day of delay."""
        return self.full_rate == _STATUTORY


#: Local tax, and the charges to which its rules apply.
LOCAL_TAX = LateChargeRule()

#: 遅延損害金 of a private claim at the statutory rate (民法404, 419①), on the whole principal, cut once to whole yen
#: (国等の債権債務等の金額の端数計算に関する法律2①). An authority whose terms cut base or result has a rule of its own.
STATUTORY_INTEREST = LateChargeRule(
    base_unit=1, threshold=0, minimum=0, rounding=1, segment="none", reduced_until="none", full_rate="statutory"
)

#: 還付加算金: the same bounds (地方税法20の4の2②⑤), one rate.
REFUND_INTEREST = LateChargeRule(reduced_until="none")


class LateChargeSegment(NamedTuple):
    """One line of a statement of late charges (延滞金計算書): days at one rate."""

    first_day: date
    last_day: date
    days: int
    rate: Decimal
    """Percent a year."""
    yen: int
    """Whole yen; the lines add up to the sum. Where a sum of several lines is cut (``part``, ``none``), a line has the
    yen by which it raises the cut sum."""
    exact: Fraction
    """Yen before they are cut."""


class _Interval(NamedTuple):
    """The days after ``after`` up to ``last_day``, in one part of the charge."""

    after: date
    last_day: date
    part: Part
    rate_of: Callable[[int], int]


def late_charge(
    principal: int,
    due_on: date,
    paid_on: date,
    segment: Segment | None = None,
    *,
    rule: LateChargeRule = LOCAL_TAX,
    demand_due_on: date | None = None,
    stay_from: date | None = None,
    stay_to: date | None = None,
    rates: RateTable = RATES,
) -> int:
    """Return the late charge (延滞金) in yen on a principal (本税, 元本) that is paid in full on ``paid_on``.

    Law for local tax: from the day after the 納期限 to the day of payment, at the reduced rate for one month
    (地方税法326①, 369①, 463の24①; 附則3の2); the base without its part below 1,000 yen, none below 2,000 (20の4の2②);
    the result without its part below 100 yen, none below 1,000 (20の4の2⑤); 365 days also in leap years
    (利率等の表示の年利建て移行に関する法律25). Per 期別 and per 税目, never on 督促手数料 or on another late charge.
    What an ordinance or a contract sets otherwise is a field of the ``rule``.

    Left open by law: which days are summed before the sum is cut to whole yen. Four readings are in use; the results
    can differ by 100 yen. ``segment`` overrides the one of the rule:

    - ``year`` (the default): the sum of each rate in each calendar year, for which the rates are set;
    - ``rate``: the sum of each rate, also across years;
    - ``part``: the sum of all days at the reduced rate, and of all at the full rate;
    - ``none``: the sum of all days.

    ``due_on`` is the effective 納期限, after :func:`~kokin.rules.shift_due_date`. ``demand_due_on`` is the deadline
    that the demand sets; without a demand it is ``None``, and a rule that accrues from it gives 0 (自治法231の3②).
    ``stay_from`` and ``stay_to`` are the first and the last day of a stay of collection (徴収猶予, 換価の猶予) for
    which the charge is partly remitted (地方税法15の9; 附則3の2③): its days are charged at the rate ``stay``. Pass the
    days that your decision names; a complete remission (災害, 執行停止) has no rate and is not computed.

    Raises:
        InvalidInputError: ``principal`` is not 0 to 99,999,999,999 whole yen, ``segment`` is unknown, or a stay has
            only one end, or ends before it begins.
        RateMissingError: a day lies in a year without rates.
        TypeError: a ``datetime`` is passed for a date.

    >>> late_charge(56_400, date(2026, 2, 2), date(2026, 5, 29))
    1300
    >>> [late_charge(22_000, date(2022, 8, 30), date(2025, 11, 28), reading) for reading in ("year", "rate")]
    [6000, 6100]
    >>> premium = LateChargeRule(reduced_months=3)
    >>> late_charge(100_000, date(2021, 4, 30), date(2021, 10, 31), rule=premium)
    2800
    """
    segments = late_charge_segments(
        principal,
        due_on,
        paid_on,
        segment,
        rule=rule,
        demand_due_on=demand_due_on,
        stay_from=stay_from,
        stay_to=stay_to,
        rates=rates,
    )
    return rule.round_result(sum(line.yen for line in segments))


def late_charge_segments(
    principal: int,
    due_on: date,
    paid_on: date,
    segment: Segment | None = None,
    *,
    rule: LateChargeRule = LOCAL_TAX,
    demand_due_on: date | None = None,
    stay_from: date | None = None,
    stay_to: date | None = None,
    rates: RateTable = RATES,
) -> list[LateChargeSegment]:
    """Return the segments that add up to a late charge (延滞金計算書), before the sum is cut; see :func:`late_charge`.

    >>> for line in late_charge_segments(56_400, date(2026, 2, 2), date(2026, 5, 29)):
    ...     print(line.first_day, line.last_day, line.days, line.rate, line.yen)
    2026-02-03 2026-03-02 28 2.8 120
    2026-03-03 2026-05-29 88 9.1 1228
    """
    segment = rule.segment if segment is None else segment
    check_choice("segment", segment, SEGMENTS)
    base = rule.calculation_base(check_yen("principal", principal))
    require_date("due_on", due_on)
    require_date("paid_on", paid_on)
    if demand_due_on is not None:
        require_date("demand_due_on", demand_due_on)
    stay = _period("stay_from", stay_from, "stay_to", stay_to)
    after = due_on if rule.accrues_from == "due" else demand_due_on
    if base == 0 or after is None or after >= paid_on:
        return []
    reduced_to = _last_reduced_day(rule, after, paid_on, demand_due_on)
    rate_of: dict[Part, Callable[[int], int]] = {
        name: partial(rule.rate, name, rates) for name in ("reduced", "full", "stay")
    }
    if rule.is_statutory:
        delayed_from = after + timedelta(days=1)
        rate_of["full"] = lambda _: int(rates.statutory_rate(delayed_from) * 100)
    intervals = [
        *_without(stay, _Interval(after, min(reduced_to, paid_on), "reduced", rate_of["reduced"])),
        *_without(stay, _Interval(max(after, reduced_to), paid_on, "full", rate_of["full"])),
    ]
    if stay is not None:
        stayed = max(after, _day_before(stay[0])), min(stay[1], paid_on)
        intervals.append(_Interval(*stayed, "stay", rate_of["stay"]))
    return _accrue(base, intervals, segment)


def _period(from_name: str, first_day: date | None, to_name: str, last_day: date | None) -> tuple[date, date] | None:
    """Return the first and the last day of an optional period; raise :class:`InvalidInputError` if it is not one."""
    for name, day in ((from_name, first_day), (to_name, last_day)):
        if day is not None:
            require_date(name, day)
    if first_day is None and last_day is None:
        return None
    if first_day is None or last_day is None or last_day < first_day:
        raise InvalidInputError([Issue("PERIOD_ENDS", field=f"{from_name}, {to_name}")])
    return first_day, last_day


def _last_reduced_day(rule: LateChargeRule, after: date, paid_on: date, demand_due_on: date | None) -> date:
    """Return the last day of the reduced rate: ``after`` if the rule has none, ``paid_on`` until there is a demand."""
    if rule.reduced_until == "months":
        return last_day_of_months(after, rule.reduced_months)
    return after if rule.reduced_until == "none" else demand_due_on or paid_on


def _day_before(day: date) -> date:
    """Return the day before a day, or the day itself if it is the first that a date can be."""
    return day if day == date.min else day - timedelta(days=1)


def _without(period: tuple[date, date] | None, interval: _Interval) -> list[_Interval]:
    """Return what is left of an interval without the days of a period: at most two intervals."""
    if period is None:
        return [interval]
    first_day, last_day = period
    return [
        interval._replace(last_day=min(interval.last_day, _day_before(first_day))),
        interval._replace(after=max(interval.after, last_day)),
    ]


def _accrue(base: int, intervals: Iterable[_Interval], segment: Segment) -> list[LateChargeSegment]:
    """Return the segments of intervals, in the order of their days, with the whole yen of each."""
    lines = sorted(_exact_lines(base, intervals, segment), key=lambda line: line[0].first_day)
    segments = []
    sums: dict[Part | None, Fraction] = {}
    for line, part in lines:
        if segment in ("year", "rate"):
            yen = int(line.exact)
        else:
            key = part if segment == "part" else None
            before = sums.get(key, Fraction(0))
            sums[key] = before + line.exact
            yen = int(sums[key]) - int(before)
        segments.append(line._replace(yen=yen))
    return segments


def _exact_lines(
    base: int, intervals: Iterable[_Interval], segment: Segment
) -> Iterator[tuple[LateChargeSegment, Part]]:
    """Yield a line without whole yen, and its part, for each period of a rate in each interval."""
    for interval in intervals:
        if interval.after >= interval.last_day:
            continue
        first_day = interval.after + timedelta(days=1)
        years = first_day.year, interval.last_day.year
        for period in rate_periods(interval.rate_of, *years, by_year=segment == "year"):
            opens, closes = max(period.first_day, first_day), min(period.last_day, interval.last_day)
            days = (closes - opens).days + 1
            exact = Fraction(base * period.rate * days, RATE_DENOMINATOR)
            yield LateChargeSegment(opens, closes, days, Decimal(period.rate) / 100, 0, exact), interval.part


def setoff_date(due_on: date, overpaid_on: date) -> date:
    """Return the day on which a debt and an overpayment can be set off (充当適状): the later of their two days.

    ``due_on`` is the 納期限 of the debt, ``overpaid_on`` the day on which the 過誤納 arose. Set-off among local taxes
    is mandatory (地方税法17の2①), pays the tax before its 延滞金 (17の2③), and takes effect on this day (17の2④,
    施行令6の14): 還付加算金 ends on it (17の4①), and the debt counts as paid on it, so its 延滞金 ends, too.

    Raises:
        TypeError: a ``datetime`` is passed for a date.

    >>> setoff_date(due_on=date(2026, 7, 31), overpaid_on=date(2026, 6, 25))
    datetime.date(2026, 7, 31)
    """
    return max(require_date("due_on", due_on), require_date("overpaid_on", overpaid_on))


def refund_interest(
    amount: int,
    paid_on: date,
    decided_on: date,
    segment: Segment = "year",
    *,
    excluded_from: date | None = None,
    excluded_to: date | None = None,
    rates: RateTable = RATES,
) -> int:
    """Return the interest (還付加算金) in yen on money that an authority pays back or sets off.

    From the day after ``paid_on`` to ``decided_on`` at the yearly refund rate (地方税法17の4①; 附則3の2④); base and
    result are cut as for late charges (20の4の2②⑤). Compute the refunded part and each part that is set off (充当)
    with a call of its own: each is cut apart.

    ``paid_on`` is the day of payment if the authority levied too much (17の4①一); for the other kinds of 過誤納金
    pass the day that the article names instead: for 二重納付 and 誤納 one month after the payment (17の4①四,
    :func:`~kokin.rules.period_end`). ``decided_on`` is the day on which the payment is decided (支出決定日); for a
    set-off the day on which it could be set off (:func:`setoff_date`).

    ``excluded_from`` and ``excluded_to`` are the first and the last day of a period that does not count (17の4②): if no
    refund is claimed within 30 days after the notice of the 過誤納, the days after these 30 to the day of the claim.

    A private claim (私債権) has no 還付加算金 in law: 17の4 and 自治法231の3④ are for public revenue.

    Raises:
        InvalidInputError: ``amount`` is not 0 to 99,999,999,999 whole yen, ``segment`` is unknown, or the excluded
            period has only one end, or ends before it begins.
        RateMissingError: a day lies in a year without rates.
        TypeError: a ``datetime`` is passed for a date.

    >>> refund_interest(200_500, date(2025, 4, 1), date(2026, 3, 31))
    1900
    >>> refund_interest(
    ...     200_500, date(2025, 4, 1), date(2026, 3, 31), excluded_from=date(2025, 7, 1), excluded_to=date(2025, 10, 31)
    ... )
    1300
    """
    check_choice("segment", segment, SEGMENTS)
    base = REFUND_INTEREST.calculation_base(check_yen("amount", amount))
    require_date("paid_on", paid_on)
    require_date("decided_on", decided_on)
    excluded = _period("excluded_from", excluded_from, "excluded_to", excluded_to)
    if base == 0:
        return 0
    intervals = _without(excluded, _Interval(paid_on, decided_on, "refund", partial(rates.rate, "refund")))
    return REFUND_INTEREST.round_result(sum(line.yen for line in _accrue(base, intervals, segment)))
