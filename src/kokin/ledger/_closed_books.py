"""Closings (締め): the figures of a day, a month or a fiscal year are sealed in an entry, and never change afterwards.

The *figures* are the sums of receipts in :attr:`kokin.reconcile.Accounts.totals`, by day of receipt (収入日). A closing
adds rows: the difference between the totals at its time and the rows of all active closings before it. A row of a day
that was closed before is 過日分: it is booked on an open day, with its own day of receipt beside it. So the rows of all
closings and the *open figures*, the difference that is left, always add up to the totals. Example, yen of one key::

    closing        totals                  rows that it adds
    1 May          1 May 100               1 May 100
    2 May          1 May 130, 2 May 50     1 May 30 (過日分, booked on 2 May), 2 May 50

The figures of a period are the rows that are booked in it, by day or, for a fiscal year, by year. A fiscal year is
closed after its last day of receipt, 出納閉鎖; it adds what came late for the year, and closes no day.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from kokin._arrow.aggregate import sum_by
from kokin.catalog import Catalog
from kokin.issues import InvalidInputError, Issue
from kokin.ledger import _queries
from kokin.ledger._active_entries import reversed_entries
from kokin.ledger._components import as_of_entry
from kokin.ledger._database import Transaction
from kokin.ledger._incoming import digest_of
from kokin.ledger._schema import TABLES, ClosingPeriod, stored_columns
from kokin.reconcile import CLOSING_COLUMNS, FIGURE_COLUMNS, FIGURE_KEYS, FIGURE_SUMS, LATE_COLUMNS, Policy
from kokin.rules import accounts_close_on, fiscal_year

_CLOSINGS, _FIGURES = TABLES["closings"], TABLES["closing_figures"]

_DAY = timedelta(days=1)
#: The periods that are fiscal years.
YEARS = (ClosingPeriod.YEAR, ClosingPeriod.ENTERPRISE_YEAR)

_BY = ("received_on", *FIGURE_KEYS)
_TOTAL_COLUMNS = pa.schema([FIGURE_COLUMNS.field(name) for name in (*_BY, *FIGURE_SUMS)])


@dataclass(frozen=True)
class Closing:
    """A closing, a row of the table ``closings``."""

    entry_id: int
    period: ClosingPeriod
    first_day: date
    last_day: date
    digest: str
    approver: str | None

    @property
    def closes_days(self) -> bool:
        """Whether it closes days; a fiscal year does not."""
        return self.period not in YEARS


@dataclass(frozen=True)
class BookedTotals:
    """The totals of a ledger with the days and years in which the closings book them."""

    totals: pa.Table
    """The columns of :attr:`kokin.reconcile.Accounts.totals`: ``received_on`` is the day, and ``fiscal_year`` the year,
    whose figures have the yen."""
    closings: pa.Table
    """See :meth:`kokin.ledger.Ledger.closings`."""
    late: pa.Table
    """過日分: what came for a day after it was closed, by ``closed_by``. ``closed_by, booked_by, booked_on,
    booked_year, received_on``, then the keys and sums of the totals. ``closed_by`` is the entry of the closing of the
    day of receipt, ``booked_by`` that of the closing that has the yen; null if none has them yet."""


def period_days(period: ClosingPeriod, day: date) -> tuple[date, date]:
    """Return the first and the last day of the period that contains a day.

    A fiscal year is that of the day; its last day is the last one on which its revenue is received: 31 May for the
    accounts on a cash basis (自治法235の5), 31 March for enterprise accounts.

    >>> period_days(ClosingPeriod.YEAR, date(2026, 3, 1))
    (datetime.date(2025, 4, 1), datetime.date(2026, 5, 31))
    """
    if period is ClosingPeriod.DAY:
        return day, day
    if period is ClosingPeriod.MONTH:
        return day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])
    year = fiscal_year(day)
    last = accounts_close_on(year) if period is ClosingPeriod.YEAR else date(year + 1, 3, 31)
    return date(year, 4, 1), last


@dataclass(frozen=True)
class ClosedBooks:
    """The active closings as of an entry, and their figures."""

    closings: Sequence[Closing]
    """By entry."""
    figures: pa.Table
    """The rows that they have added: ``entry_id`` and :data:`FIGURE_COLUMNS`."""

    @classmethod
    def read(cls, transaction: Transaction, last: int | None) -> ClosedBooks:
        """Read the active closings as of an entry."""
        reversed_ids = reversed_entries(transaction, last)
        names = ("entry_id", "period", "first_day", "last_day", "digest", "approver")
        statement = select(*(_CLOSINGS.c[name] for name in names)).where(as_of_entry(_CLOSINGS.c.entry_id, last))
        rows = transaction.table(statement.order_by(_CLOSINGS.c.id)).to_pylist()
        closings = [_closing(row) for row in rows if row["entry_id"] not in reversed_ids]
        columns = [_FIGURES.c[name] for name in ("entry_id", *FIGURE_COLUMNS.names)]
        statement = select(*columns).where(as_of_entry(_FIGURES.c.entry_id, last))
        figures = pa.concat_tables(transaction.scan(statement, _FIGURES.c.id)).cast(
            pa.schema([("entry_id", pa.int64()), *FIGURE_COLUMNS])
        )
        is_active = pc.is_in(
            figures.column("entry_id"), value_set=pa.array([each.entry_id for each in closings], pa.int64())
        )
        return cls(closings, figures.filter(is_active).combine_chunks())

    @cached_property
    def closed_until(self) -> date | None:
        """The last day that is closed; None if there is no closing."""
        return max((each.last_day for each in self.closings if each.closes_days), default=None)

    @property
    def first_open_day(self) -> date | None:
        """The first day that is not closed; None if there is no closing."""
        return self.closed_until and self.closed_until + _DAY

    def last_of(self, period: ClosingPeriod) -> Closing | None:
        """Return the last closing of a kind of period."""
        found = [each for each in self.closings if each.period is period]
        return max(found, key=lambda each: each.last_day, default=None)

    def closed_year(self, period: ClosingPeriod) -> int:
        """Return the last fiscal year that is closed; -1 if none is."""
        last = self.last_of(period)
        return fiscal_year(last.first_day) if last else -1

    def open_figures(self, totals: pa.Table, late_day: date | None, catalog: Catalog) -> pa.Table:
        """Return the totals less the figures of all closings, with :data:`FIGURE_COLUMNS`; no row has only zeros.

        Args:
            totals: :attr:`kokin.reconcile.Accounts.totals`.
            late_day: the open day on which 過日分 is booked.
            catalog: the charges; it has the accounts that are on accrual.
        """
        rows = totals.select(_TOTAL_COLUMNS.names).cast(_TOTAL_COLUMNS)
        if len(self.figures):
            sealed = self.figures.select(_TOTAL_COLUMNS.names)
            opposite = [
                pc.negate(sealed.column(name)) if name in FIGURE_SUMS else sealed.column(name)
                for name in (*_BY, *FIGURE_SUMS)
            ]
            rows = sum_by(pa.concat_tables([rows, pa.table(opposite, schema=_TOTAL_COLUMNS)]), _BY, FIGURE_SUMS)
            is_zero = [pc.equal(rows.column(name), 0) for name in FIGURE_SUMS]
            while len(is_zero) > 1:
                is_zero.append(pc.and_(is_zero.pop(), is_zero.pop()))
            rows = rows.filter(pc.invert(is_zero[0]))
        day = rows.column("received_on")
        is_late = pc.less_equal(day, pa.scalar(self.closed_until or date.min, pa.date32()))
        columns = {
            "booked_on": pc.if_else(is_late, pa.scalar(late_day, pa.date32()), day),
            "booked_year": self._booked_year(rows, catalog),
            "is_late": is_late,
        }
        names = FIGURE_COLUMNS.names
        return pa.table(
            [columns.get(name, rows.column(name) if name in _BY + FIGURE_SUMS else None) for name in names], names
        )

    def _booked_year(self, rows: pa.Table, catalog: Catalog) -> pa.ChunkedArray:
        """Return the fiscal year of each row, or the first open one if the accounts of its year are closed."""
        cash, accrual = (pa.scalar(self.closed_year(period), pa.int64()) for period in YEARS)
        closed = pc.if_else(_is_accrual(rows, catalog), accrual, cash)
        year = rows.column("fiscal_year")
        return pc.if_else(pc.less_equal(year, closed), pc.add(closed, 1), year)

    def late_day(self, policy: Policy, day: date) -> date | None:
        """Return the day on which 過日分 is booked that is processed on a day; None if no day is closed."""
        if self.first_open_day is None or policy.late_figures == "received_on":
            return self.first_open_day
        return max(self.first_open_day, day)

    def figures_of(self, closing: Closing, catalog: Catalog) -> pa.Table:
        """Return the figures of the period of a closing, with :data:`FIGURE_COLUMNS`, by day."""
        rows = self.figures.select(FIGURE_COLUMNS.names)
        if closing.closes_days:
            day = rows.column("booked_on")
            first, last = (pa.scalar(each, pa.date32()) for each in (closing.first_day, closing.last_day))
            rows = rows.filter(pc.and_(pc.greater_equal(day, first), pc.less_equal(day, last)))
        else:
            rows = rows.filter(
                is_of_year(rows, "booked_year", "equal", closing.period, closing.first_day.year, catalog)
            )
        return sum_by(rows, [name for name in FIGURE_COLUMNS.names if name not in FIGURE_SUMS], FIGURE_SUMS)

    def table(self, catalog: Catalog) -> pa.Table:
        """Return the closings with the sums of their periods: :data:`CLOSING_COLUMNS`."""
        return pa.Table.from_pylist(
            [
                {**as_row(closing), "entry": closing.entry_id, **period_sums(self.figures_of(closing, catalog))}
                for closing in self.closings
            ],
            CLOSING_COLUMNS,
        )

    def closings_of(self, days: pa.ChunkedArray) -> pa.Array:
        """Return the entry of the closing that has closed each day: int64 (k,); null for an open day."""
        ends = sorted((each.last_day, each.entry_id) for each in self.closings if each.closes_days)
        entry_of = {
            day: next((entry for last, entry in ends if last >= day), None) for day in pc.unique(days).to_pylist()
        }
        return pa.array([entry_of[day] for day in days.to_pylist()], pa.int64())

    def booked_totals(self, totals: pa.Table, policy: Policy, day: date, catalog: Catalog) -> BookedTotals:
        """Return the totals by the days and years in which they are booked; ``day`` is that of the report."""
        if not self.closings:
            return BookedTotals(totals, CLOSING_COLUMNS.empty_table(), LATE_COLUMNS.empty_table())
        open_rows = self.open_figures(totals, self.late_day(policy, day), catalog)
        open_rows = open_rows.add_column(0, "entry_id", pa.nulls(len(open_rows), pa.int64()))
        rows = pa.concat_tables([self.figures, open_rows.cast(self.figures.schema)])
        booked = rows.drop_columns(["received_on", "fiscal_year"])
        booked = booked.rename_columns({"booked_on": "received_on", "booked_year": "fiscal_year"})
        late = rows.filter(rows.column("is_late")).rename_columns({"entry_id": "booked_by"})
        late = late.append_column("closed_by", self.closings_of(late.column("received_on"))).select(LATE_COLUMNS.names)
        order = ("closed_by", "booked_by", "booked_on", "received_on", *FIGURE_KEYS)
        return BookedTotals(
            sum_by(booked, _BY, FIGURE_SUMS).select(totals.column_names),
            self.table(catalog),
            late.sort_by([(name, "ascending") for name in order]),
        )


def _closing(row: Mapping[str, Any]) -> Closing:
    days = {name: date.fromisoformat(row[name]) for name in ("first_day", "last_day")}
    return Closing(**{**row, **days, "period": ClosingPeriod(row["period"])})


def as_row(closing: Closing) -> dict[str, Any]:
    return {name: getattr(closing, name) for name in Closing.__dataclass_fields__}


def _is_accrual(rows: pa.Table, catalog: Catalog) -> pa.ChunkedArray:
    """Return whether the account of each row is on accrual (公営企業会計); false if it is unknown."""
    accounts = [each.id for each in catalog.accounts.values() if catalog.account_classes[each.account_class].accrual]
    return pc.is_in(rows.column("account"), value_set=pa.array(accounts, pa.string()))


def is_of_year(
    rows: pa.Table, column: str, comparison: str, period: ClosingPeriod, year: int, catalog: Catalog
) -> pa.ChunkedArray:
    """Return whether each row is in the accounts that a kind of fiscal year closes, and its year compares so."""
    in_scope = _is_accrual(rows, catalog)
    if period is ClosingPeriod.YEAR:
        in_scope = pc.invert(in_scope)
    matches = pc.fill_null(pc.call_function(comparison, [rows.column(column), pa.scalar(year, pa.int64())]), False)
    return pc.and_(in_scope, matches)


def period_sums(figures: pa.Table) -> dict[str, int]:
    """Return the sums of figures, and of them the receipts and yen that are 過日分."""
    late = figures.filter(figures.column("is_late"))
    sums = {name: pc.sum(figures.column(name)).as_py() or 0 for name in FIGURE_SUMS}
    return sums | {f"late_{name}": pc.sum(late.column(name)).as_py() or 0 for name in ("receipts", "received")}


def open_late_digest(open_rows: pa.Table, books: ClosedBooks) -> str:
    """Return the SHA-256 of the open figures on days that are closed, which a later closing has: hexadecimal."""
    until = pa.scalar(books.closed_until or date.min, pa.date32())
    late = open_rows.filter(pc.less_equal(open_rows.column("received_on"), until))
    return digest_of(encoded_figures(sum_by(late, _BY, FIGURE_SUMS)))


def encoded_figures(figures: pa.Table) -> pa.Table:
    """Return figures as they are stored: dates as texts, booleans as integers."""
    kinds = {field.name: field.type for field in stored_columns("closing_figures")}
    return figures.cast(pa.schema([(name, kinds[name]) for name in figures.column_names]))


def closing_of(transaction: Transaction, entry: int) -> tuple[Closing, ClosedBooks]:
    """Return the closing of an entry, and all closings as of it.

    Raises:
        InvalidInputError: CLOSING_UNKNOWN: the entry is no closing.
    """
    books = ClosedBooks.read(transaction, entry)
    closing = next((each for each in books.closings if each.entry_id == entry), None)
    if closing is None:
        raise InvalidInputError([Issue("CLOSING_UNKNOWN", field="entry", found=str(entry))], "no such closing")
    return closing, books


def booked_totals(
    transaction: Transaction, totals: pa.Table, day: date, as_of: date | datetime | int | None, catalog: Catalog
) -> BookedTotals:
    """Return totals by the days and years that have them; see :meth:`kokin.ledger.Ledger.booked_totals`."""
    last = _queries.entry_as_of(transaction, as_of)
    books, policy = ClosedBooks.read(transaction, last), _queries.policy(transaction, as_of)
    if books.closings and books.closings[-1].entry_id == last:
        sealed = _queries.entry_of(transaction, books.closings[-1].entry_id).totals["open_late"]
        found = open_late_digest(books.open_figures(totals, None, catalog), books)
        if found != sealed:
            issue = Issue("CLOSING_DIFFERS", field=f"entry {last}", expected=sealed, found=found)
            raise InvalidInputError([issue], "no report")
    return books.booked_totals(totals, policy, day, catalog)
