"""The law of dates and yen: pure functions on exact integers, each with its article.

The functions here compute one value; :mod:`kokin.rules.columns` has the same functions for whole columns.

>>> from datetime import date
>>> late_charge(56_400, due_on=date(2026, 2, 2), paid_on=date(2026, 5, 29))
1300
>>> shift_due_date(date(2026, 2, 28))
datetime.date(2026, 3, 2)
>>> revenue_year(term_ends_on=date(2026, 2, 28), received_on=date(2026, 5, 29))
2025
>>> instalments(123_400, 10)[:3]
[15400, 12000, 12000]

What the law leaves to the authority is a parameter: a reading (``segment``), the numbers of an ordinance
(:class:`LateChargeRule`), a table of rates (:func:`load_rates`), an order of allocation (:data:`ALLOCATION_ORDERS`). A
year that is not in the tables raises an error; nothing is extrapolated.
"""

from kokin.rules._allocation import ALLOCATION_ORDERS, SplitMethod, allocate, instalments, prorata, split_water_sewerage
from kokin.rules._calendar import CALENDAR_YEARS, Calendar, CalendarRangeError, shift_due_date
from kokin.rules._dates import (
    YearClass,
    accounts_close_on,
    fiscal_year,
    limitation_ends_on,
    period_end,
    revenue_year,
    year_class,
)
from kokin.rules._late_charge import (
    LOCAL_TAX,
    STATUTORY_INTEREST,
    LateChargeRule,
    LateChargeSegment,
    late_charge,
    late_charge_segments,
    refund_interest,
    setoff_date,
)
from kokin.rules._rate_files import RATES, check_rates, load_rates
from kokin.rules._rates import RateMissingError, Rates, RateTable, Segment, StatutoryRate

__all__ = [
    "ALLOCATION_ORDERS",
    "CALENDAR_YEARS",
    "LOCAL_TAX",
    "RATES",
    "STATUTORY_INTEREST",
    "Calendar",
    "CalendarRangeError",
    "LateChargeRule",
    "LateChargeSegment",
    "RateMissingError",
    "RateTable",
    "Rates",
    "Segment",
    "SplitMethod",
    "StatutoryRate",
    "YearClass",
    "accounts_close_on",
    "allocate",
    "check_rates",
    "fiscal_year",
    "instalments",
    "late_charge",
    "late_charge_segments",
    "limitation_ends_on",
    "load_rates",
    "period_end",
    "prorata",
    "refund_interest",
    "revenue_year",
    "setoff_date",
    "shift_due_date",
    "split_water_sewerage",
    "year_class",
]
