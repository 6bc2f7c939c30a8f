"""The law of dates and yen: pure functions, exact integers, each with its article.

One value at a time here; whole columns in :mod:`kokin.rules.columns`, under the same names.

>>> from datetime import date
>>> late_charge(56_400, due_on=date(2026, 2, 2), paid_on=date(2026, 5, 29))
1300
>>> shift_due_date(date(2026, 2, 28))
datetime.date(2026, 3, 2)
>>> revenue_year(term_ends_on=date(2026, 2, 28), received_on=date(2026, 5, 29))
2025
>>> instalments(123_400, 10)[:3]
[15400, 12000, 12000]

What law leaves to the body is a parameter: a reading (``segment``), the record of an ordinance
(:class:`LateChargeRule`), a table of rates (:func:`load_rates`), an order of allocation (:data:`ORDERS`). A year that
the tables do not hold raises; nothing is guessed.
"""

from kokin.rules._allocation import ORDERS, SplitMethod, allocate, prorata, split_water
from kokin.rules._calendar import CALENDAR_YEARS, Calendar, CalendarRangeError, shift_due_date
from kokin.rules._instalments import instalments
from kokin.rules._late_charge import (
    LOCAL_TAX,
    LateChargeRule,
    LateChargeSegment,
    late_charge,
    late_charge_segments,
    refund_interest,
)
from kokin.rules._periods import limitation_ends_on, period_end
from kokin.rules._rates import RATES, RateMissingError, Rates, RateTable, Segment, load_rates
from kokin.rules._years import YearClass, accounts_close_on, fiscal_year, revenue_year, year_class

__all__ = [
    "CALENDAR_YEARS",
    "LOCAL_TAX",
    "ORDERS",
    "RATES",
    "Calendar",
    "CalendarRangeError",
    "LateChargeRule",
    "LateChargeSegment",
    "RateMissingError",
    "RateTable",
    "Rates",
    "Segment",
    "SplitMethod",
    "YearClass",
    "accounts_close_on",
    "allocate",
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
    "shift_due_date",
    "split_water",
    "year_class",
]
