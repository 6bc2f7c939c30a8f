"""Random debts and late-charge rules for the tests of rules."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from hypothesis import strategies as st

from kokin.rules import LateChargeRule

LAST_DAY = date(2026, 12, 31)

yen = st.integers(0, 400_000) | st.sampled_from([0, 99, 100, 1_999, 2_000, 99_999_999_999])
segments = st.sampled_from(["year", "rate", "part", "none"])
_percents = st.sampled_from(["0", "3", "7.25", "7.3", "10.95", "14.5", "14.6", "20"])


class Debt(NamedTuple):
    """A debt that was paid late, or in time."""

    principal: int
    due_on: date
    paid_on: date
    demand_due_on: date | None
    #: The first and the last day; both None without a stay.
    stay: tuple[date | None, date | None]


@st.composite
def debts(draw: st.DrawFn) -> Debt:
    """Debts of the years whose rates are known; a stay lies in the years for which it has a rate."""
    due_on = draw(st.dates(date(1998, 12, 31), LAST_DAY))
    paid_on = min(due_on + timedelta(days=draw(st.integers(-5, 3_000))), LAST_DAY)
    demand = draw(st.none() | st.integers(-5, 90).map(lambda days: min(due_on + timedelta(days=days), LAST_DAY)))
    stay: tuple[date | None, date | None] = (None, None)
    if draw(st.booleans()):
        first_day = max(due_on + timedelta(days=draw(st.integers(-40, 400))), date(2014, 1, 1))
        stay = (first_day, first_day + timedelta(days=draw(st.integers(0, 800))))
    return Debt(draw(yen), due_on, paid_on, demand, stay)


@st.composite
def late_charge_rules(draw: st.DrawFn) -> LateChargeRule:
    """Rules with every parameter."""
    until = draw(st.sampled_from(["months", "demand", "none"]))
    full_rate = draw(st.none() | _percents | st.just("statutory"))
    return LateChargeRule(
        base_unit=draw(st.sampled_from([1, 100, 1_000])),
        threshold=draw(st.sampled_from([0, 100, 2_000])),
        minimum=draw(st.sampled_from([0, 10, 500, 1_000])),
        rounding=draw(st.sampled_from([1, 10, 100])),
        segment=draw(segments),
        accrues_from=draw(st.sampled_from(["due", "demand"])),
        reduced_until=until,
        reduced_months=draw(st.integers(1, 12)) if until == "months" else 1,
        reduced_rate=draw(_percents) if full_rate is not None and until != "none" else None,
        full_rate=full_rate,
    )
