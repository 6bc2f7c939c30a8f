"""The years that a receipt is booked in (会計年度, 現年・過年・滞納繰越), for columns of bills as they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kokin._arrow import BoolArray, Int64Array
from kokin.reconcile._columns import Days
from kokin.rules import columns

_DAY = np.timedelta64(1, "D")


class Terms(NamedTuple):
    """What decides the years of a debt, a row each."""

    #: datetime64[D] (n,): the 納期限 as the slip tells it, moved from a holiday.
    due_on: Days
    #: int64 (n,): 賦課年度, in which it was assessed; 0: not told.
    levy_year: Int64Array
    #: int64 (n,): 課税年度, for which it was charged; 0: not told.
    tax_year: Int64Array
    #: bool (n,): of an enterprise account (公営企業会計), on accrual and without 出納整理期間.
    enterprise: BoolArray


class Booked(NamedTuple):
    """Where money is booked, a row each."""

    #: int64 (n,): the fiscal year whose revenue it is.
    fiscal_year: Int64Array
    #: str (n,): a value of :class:`~kokin.rules.YearClass`.
    year_class: npt.NDArray[np.str_]
    #: bool (n,): it came after the accounts of its term's year had closed.
    after_closing: BoolArray
    #: datetime64[D] (n,): the day on which they closed; without meaning for an enterprise.
    closed_on: Days


def book(terms: Terms, received_on: Days) -> Booked:
    """The years of money that is received on a day.

    A bill without 賦課年度 counts as assessed in the fiscal year of its term, one without 課税年度 as charged for the
    year in which it was assessed. An enterprise books by the day of receipt; the receivable is of the year of its levy.
    """
    term = term_ends_on(terms)
    term_year = columns.fiscal_year(term)
    received_in = columns.fiscal_year(received_on)
    year = np.where(terms.enterprise, received_in, columns.revenue_year(term, received_on))
    # Years out of their order are the bill's mistake and shift no yen: what is later counts as the year that is.
    assessed = np.minimum(np.where(terms.levy_year > 0, terms.levy_year, term_year), year)
    charged = np.minimum(np.where(terms.tax_year > 0, terms.tax_year, assessed), assessed)
    after_closing = ~terms.enterprise & (year > term_year)
    return Booked(year, columns.year_class(charged, assessed, year), after_closing, closes_on(term_year))


def term_ends_on(terms: Terms) -> Days:
    """The last days of the terms before they were moved, datetime64[D] (n,): what decides the year (施行令142①一).

    A slip tells only the moved day, and only over 31 March does it matter: a bill of the year before whose day is where
    31 March moves to is taken to end on 31 March. No holiday lies near, so weekends alone move it (地方税法20の5).
    """
    march_31 = _day_of(columns.fiscal_year(terms.due_on), 3) - _DAY
    moved = np.busday_offset(march_31, 0, "forward") == terms.due_on
    moved &= terms.levy_year == columns.fiscal_year(march_31)
    return np.where(moved, march_31, terms.due_on)


def closes_on(fiscal_year: Int64Array) -> Days:
    """The days of 出納閉鎖 (自治法235の5), datetime64[D] (n,); see :func:`kokin.rules.accounts_close_on`."""
    return _day_of(fiscal_year + 1, 5) - _DAY


def _day_of(year: Int64Array, months: int) -> Days:
    """The first day so many months after the January of a year, datetime64[D] (n,)."""
    days: Days = ((year - 1970) * 12 + months).astype("datetime64[M]").astype("datetime64[D]")
    return days
