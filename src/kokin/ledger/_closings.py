"""Close a period (締め), and reverse a closing: which period can be closed next, and the rows that its closing adds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from kokin.catalog import Catalog
from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger._books import LedgerAccounts
from kokin.ledger._closed_books import (
    YEARS,
    ClosedBooks,
    Closing,
    as_row,
    encoded_figures,
    is_of_year,
    open_late_digest,
    period_days,
    period_sums,
)
from kokin.ledger._database import Transaction
from kokin.ledger._incoming import digest_of
from kokin.ledger._journal import EntryResult, EntryWriter
from kokin.ledger._row_checks import approver_problems, require_none
from kokin.ledger._schema import TABLES, ClosingPeriod, EntryKind, stored_columns
from kokin.ledger._settlement import sealed_settlement
from kokin.reconcile import Policy
from kokin.rules import fiscal_year

_ENTRIES, _CLOSINGS = TABLES["entries"], TABLES["closings"]

_DAY = timedelta(days=1)


def close_period(
    writer: EntryWriter, period: ClosingPeriod, day: date, policy: Policy, *, approver: str, catalog: Catalog
) -> EntryResult:
    """Close a day, a month or a fiscal year; see :meth:`kokin.ledger.Ledger.close_period`."""
    approvers = [{"row": 1, "approver": approver or None}]
    require_none(approver_problems(approvers, writer.actor, policy), lambda _: Location(), "nothing was closed")
    today = writer.day
    accounts = LedgerAccounts.build(writer, None, today, catalog).accounts
    about: dict[str, Any] = {"entry": writer.entry, "today": today, "approver": approver}
    books = ClosedBooks.read(writer, None)
    closing = _new_closing(books, period, day, accounts.totals, **about, policy=policy, catalog=catalog)
    if period in YEARS:
        closing.totals["settlement"] = sealed_settlement(writer, books, period, fiscal_year(day), accounts)
    writer.begin(EntryKind.CLOSING)
    writer.add_rows("closings", closing.closing)
    writer.add_rows("closing_figures", closing.figures)
    return EntryResult(writer.commit(closing.totals), True, {}, 0)


@dataclass(frozen=True)
class _NewClosing:
    """What the entry of a closing writes."""

    closing: pa.Table
    """The row of ``closings``."""
    figures: pa.Table
    """Rows of ``closing_figures``."""
    totals: dict[str, Any]
    """The totals of the entry: the period, its sums, and ``open_late``."""


def _new_closing(
    books: ClosedBooks,
    period: ClosingPeriod,
    day: date,
    totals: pa.Table,
    *,
    entry: int,
    today: date,
    approver: str,
    policy: Policy,
    catalog: Catalog,
) -> _NewClosing:
    """Return the rows of the closing of the period that contains a day.

    Args:
        books: the active closings.
        period: the kind of the period.
        day: a day of it.
        totals: :attr:`kokin.reconcile.Accounts.totals` of the whole ledger.
        entry: the number of the entry.
        today: the day of the entry in Japan.
        approver: who approved it; can be empty.
        policy: the policy in force.
        catalog: the charges of the authority.

    Raises:
        InvalidInputError: CLOSING_FUTURE, CLOSING_CLOSED or CLOSING_GAP.
    """
    first_day, last_day = period_days(period, day)
    if problem := _problem(books, period, first_day, last_day, today, policy):
        raise InvalidInputError([problem], "nothing was closed")
    open_day, is_year = books.first_open_day, period in YEARS
    closes_days = not is_year and (open_day is None or open_day <= last_day)
    rows = books.open_figures(totals, books.late_day(policy, last_day) if closes_days else open_day, catalog)
    if is_year:
        is_sealed = pc.and_(
            rows.column("is_late"), is_of_year(rows, "fiscal_year", "less_equal", period, first_day.year, catalog)
        )
    else:
        is_sealed = pc.less_equal(rows.column("received_on"), pa.scalar(last_day if closes_days else date.min))
    sealed, rest = rows.filter(is_sealed), rows.filter(pc.invert(is_sealed))
    if closes_days:
        days = sealed.column("booked_on")
        first_day = min(filter(None, (first_day, open_day, pc.min(days).as_py())))
    numbered = sealed.add_column(0, "entry_id", pa.array([entry] * len(sealed), pa.int64()))
    closing = Closing(entry, period, first_day, last_day, "", approver or None)
    after = ClosedBooks(
        [*books.closings, closing], pa.concat_tables([books.figures, numbered.cast(books.figures.schema)])
    )
    figures = after.figures_of(closing, catalog)
    row = {**as_row(closing), "digest": digest_of(encoded_figures(figures))}
    columns = pa.schema([field for field in stored_columns("closings") if field.name not in ("id", "entry_id", "hash")])
    row = {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}
    stored = pa.Table.from_pylist([row], columns)
    about = {name: row[name] for name in ("period", "first_day", "last_day", "digest")}
    open_late = open_late_digest(rest, after)
    return _NewClosing(stored, encoded_figures(sealed), {**about, **period_sums(figures), "open_late": open_late})


def _problem(
    books: ClosedBooks, period: ClosingPeriod, first_day: date, last_day: date, today: date, policy: Policy
) -> Issue | None:
    """Return why a period cannot be closed: it has not ended, is closed, or one before it is open."""
    if last_day > today:
        return Issue("CLOSING_FUTURE", field="last_day", expected=f"{today} or earlier", found=str(last_day))
    previous, until = books.last_of(period), books.closed_until
    if previous and last_day <= previous.last_day:
        return Issue("CLOSING_CLOSED", field="last_day", found=f"{last_day} (entry {previous.entry_id})")
    if period in YEARS:
        if until is None or until < last_day:
            return Issue(
                "CLOSING_GAP", field="last_day", expected=str(until + _DAY if until else last_day), found=str(last_day)
            )
    elif period is ClosingPeriod.DAY and until and last_day <= until:
        entry = books.closings_of(pa.chunked_array([[last_day]], pa.date32()))[0]
        return Issue("CLOSING_CLOSED", field="last_day", found=f"{last_day} (entry {entry})")
    elif not policy.closing_gaps and until and (until + _DAY < first_day or first_day <= until < last_day):
        return Issue("CLOSING_GAP", field="last_day", expected=str(until + _DAY), found=str(last_day))
    if previous and period is not ClosingPeriod.DAY and not policy.closing_gaps:
        _, following = period_days(period, _day_after(previous))
        if last_day > following:
            return Issue("CLOSING_GAP", field="last_day", expected=str(following), found=str(last_day))
    return None


def _day_after(closing: Closing) -> date:
    """Return a day of the period after that of a closing of a month or year."""
    if closing.period is ClosingPeriod.MONTH:
        return closing.last_day + _DAY
    return closing.first_day.replace(year=closing.first_day.year + 1)


def require_closing_reversible(
    transaction: Transaction, root: int, reversed_ids: set[int], actor: str, policy: Policy
) -> None:
    """Raise if a closing cannot be reversed: only the last active one can, and no reversal of one.

    With four eyes another person than the actor of the closing reverses it.

    Raises:
        InvalidInputError: CLOSING_FINAL, CLOSING_FOLLOWED or APPROVER_SAME.
    """
    later = select(_CLOSINGS.c.entry_id).where(_CLOSINGS.c.entry_id > root).order_by(_CLOSINGS.c.entry_id.desc())
    followed = [row[0] for row in transaction.connection.execute(later) if row[0] not in reversed_ids]
    closed_by = transaction.connection.execute(select(_ENTRIES.c.actor).where(_ENTRIES.c.id == root)).scalar_one()
    problem = None
    if root not in reversed_ids:
        problem = Issue("CLOSING_FINAL", field="entry", found=str(root))
    elif followed:
        problem = Issue("CLOSING_FOLLOWED", field="entry", found=str(followed[0]))
    elif policy.four_eyes and closed_by.strip() == actor.strip():
        problem = Issue("APPROVER_SAME", field="actor", found=actor)
    if problem:
        raise InvalidInputError([problem], "nothing was reversed")
