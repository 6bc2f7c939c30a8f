"""The state of exceptions: which of them a person has to look at, the work list of those, and what settles one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import func, select

from kokin._arrow.convert import combine, int64_array, to_mask, to_numpy
from kokin.catalog import Catalog
from kokin.issues import Issue
from kokin.ledger import _queries
from kokin.ledger._active_entries import reversed_entries
from kokin.ledger._books import Books
from kokin.ledger._candidates import MAX_CANDIDATES, find_candidates
from kokin.ledger._components import as_of_entry
from kokin.ledger._database import Transaction
from kokin.ledger._exceptions import EXCEPTIONS, FoundExceptions, exception_of_receipt, find_exceptions, row_tuples
from kokin.ledger._refund_exceptions import EXCESS_OUTCOMES, RefundTask
from kokin.ledger._schema import TABLES
from kokin.model import DecisionKind, Finding, Outcome

_DECISIONS, _POSTINGS = TABLES["decisions"], TABLES["postings"]

_TEXT, _INT = pa.string(), pa.int64()

#: The columns of the work list: those of exceptions, then the candidates of unknown money, the best first.
_CANDIDATES = [f"candidate_{at}{suffix}" for at in range(1, MAX_CANDIDATES + 1) for suffix in ("", "_reason")]
WORK_LIST = pa.schema([*EXCEPTIONS, *((name, _TEXT) for name in _CANDIDATES)])

# The columns of the outcome of a receipt, and what ③ adds to the columns of exceptions.
_OF_OUTCOME = ("disposition", "payee_code", "item_code", "case_key", "applied", "excess", "balance_before")
STATE_COLUMNS = (
    ("paid_on", pa.date32()),
    ("exception_id", _TEXT),
    ("exception_state", _TEXT),
    ("since", pa.date32()),
    ("age_days", _INT),
    ("hold_until", pa.date32()),
    ("decided_by", _TEXT),
    ("entry_id", _INT),
)

# A number of yen, or several of one exception.
_YEN = re.compile(r"-?[0-9]+(?:; -?[0-9]+)*", re.ASCII)

#: The outcomes of money of which it is not known which open bill it is for.
_UNKNOWN_MONEY = (
    Outcome.NO_BILL,
    Outcome.MULTIPLE_BILLS,
    Outcome.KEY_MISSING,
    Outcome.BILL_CHANGED,
    Outcome.CANCELLED_BILL,
    Outcome.UNAPPLIED,
)


class ExceptionState(StrEnum):
    """Whether a person has to look at an exception. The work list has those that are open."""

    #: 未処理.
    OPEN = "open"
    #: 保留: open again from a later day on.
    HELD = "held"
    #: 了承: right as it is. It is open again if its yen change.
    ACCEPTED = "accepted"
    #: 還付・充当決定済: all of the excess is refunded or set off; what is left to do has an exception of its own.
    DECIDED = "decided"


class LastDecision(NamedTuple):
    """The last active decision about an exception."""

    kind: DecisionKind
    hold_until: date | None
    entry: int
    accepted_yen: str | None

    def accepts(self, yen: str | None) -> bool:
        """Return whether the exception is accepted as it is now: with the same yen."""
        return self.kind is DecisionKind.ACCEPT and self.accepted_yen in (None, yen)

    def closes(self, day: date, yen: str | None) -> bool:
        """Return whether nobody has to look at the exception on a day."""
        return self.accepts(yen) or (self.hold_until is not None and self.hold_until > day)


class _State(NamedTuple):
    """The state of an exception, and the decision that closed it."""

    state: ExceptionState
    hold_until: date | None = None
    entry: int | None = None


def work_list(transaction: Transaction, as_of: date | datetime | int | None, day: date, catalog: Catalog) -> pa.Table:
    """See :meth:`kokin.ledger.Ledger.work_list`; ``day`` is the day from which ages and holds are counted."""
    found = find_exceptions(transaction, as_of, day, catalog)
    states = _states(transaction, found, _queries.entry_as_of(transaction, as_of), day)
    is_open = [each is not None and each.state is ExceptionState.OPEN for each in states]
    return _with_candidates(found._replace(table=found.table.filter(pa.array(is_open, pa.bool_()))))


def exception_list(
    transaction: Transaction, last: int, day: date, catalog: Catalog, bills: pa.Table | None = None
) -> pa.Table:
    """Return ③ 要確認一覧: all exceptions, also closed ones, with their state; see Ledger.exceptions.

    ``bills`` are those in force, by default those of the ledger.
    """
    found = find_exceptions(transaction, last, day, catalog, bills)
    states = _states(transaction, found, last, day)
    is_shown = pa.array([each is not None for each in states], pa.bool_())
    rows, shown = found.table.filter(is_shown), [each for each in states if each is not None]
    since = [found.entries.since(*pair) for pair in row_tuples(rows.select(["entry_id", "exception_id"]))]
    columns = {
        **{name: rows.column(name) for name in EXCEPTIONS.names},
        **_outcome_columns(found.books, rows.column("receipt_id")),
        "outcome": rows.column("code"),
        "exception_state": pa.array([each.state.value for each in shown], _TEXT),
        "since": pa.array(since, pa.date32()),
        "hold_until": pa.array([each.hold_until for each in shown], pa.date32()),
        "decided_by": pa.array([each.entry and found.entries.actor[each.entry] for each in shown], _TEXT),
    }
    schema = pa.schema([*found.books.accounts.exceptions.schema, *STATE_COLUMNS])
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _outcome_columns(books: Books, receipt_ids: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    """Return the outcome of the receipt of each exception; null if it has none, or its receipt is not active."""
    exceptions = books.accounts.exceptions
    row = books.receipt_rows(exceptions)
    of_receipt = np.flatnonzero(row >= 0)
    ids = to_numpy(books.receipts.column("id").take(int64_array(row[of_receipt])), 0)
    unique_ids, first = np.unique(ids, return_index=True)
    found = pc.index_in(receipt_ids, value_set=int64_array(unique_ids))
    at = int64_array(of_receipt[first]).take(combine(found))
    return {name: exceptions.column(name).take(at) for name in _OF_OUTCOME}


def _states(transaction: Transaction, found: FoundExceptions, last: int | None, day: date) -> list[_State | None]:
    """Return the state of each exception on a day; None for an open excess that the exception of its outcome covers.

    An open excess is part of the exception of its outcome until this one is accepted.
    """
    decided, yen = last_decisions(transaction, last), _yen(found.table)

    def state_of(exception: str) -> _State:
        if exception in found.decided:
            return _State(ExceptionState.DECIDED, entry=found.decided[exception])
        decision = decided.get(exception)
        if decision is None or not decision.closes(day, yen.get(exception)):
            return _State(ExceptionState.OPEN)
        is_accepted = decision.kind is DecisionKind.ACCEPT
        return _State(
            ExceptionState.ACCEPTED if is_accepted else ExceptionState.HELD, decision.hold_until, decision.entry
        )

    names = ("exception_id", "code", "receipt_id")
    rows = [(state_of(exception), code, receipt) for exception, code, receipt in row_tuples(found.table.select(names))]
    is_settled = (ExceptionState.ACCEPTED, ExceptionState.DECIDED)
    covered = {receipt for state, code, receipt in rows if code in EXCESS_OUTCOMES and state.state not in is_settled}
    return [None if code == RefundTask.OPEN and receipt in covered else state for state, code, receipt in rows]


def settled_problems(
    transaction: Transaction, rows: Sequence[Mapping[str, Any]], found: Callable[[], Mapping[str, str]]
) -> Iterator[tuple[int, Issue]]:
    """Yield DECISION_SETTLED, with the number of the row, for decisions about exceptions that are no longer open.

    An outcome is open while its receipt has it, whether it is an exception or not: a payment that is matched with a
    wrong bill is moved. An exception that is held is open, and so is one whose yen have changed since it was accepted.

    Args:
        transaction: the transaction.
        rows: decisions with the fields of :class:`ExceptionDecision`, ``receipt_id`` and their number ``row``.
        found: returns the yen of all exceptions; see :func:`yen_of_exceptions`.
    """
    decided = last_decisions(transaction, None)
    receipts = _LastPosting.of(transaction, [row["receipt_id"] for row in rows if row["receipt_id"]])
    for row in rows:
        exception, receipt = row["exception_id"], receipts.get(row["receipt_id"])
        last = decided.get(exception)
        settled_by = None
        if last and last.kind is DecisionKind.ACCEPT and last.accepts(found().get(exception)):
            settled_by = last.entry
        elif receipt and receipt.is_reversed:
            continue  # DECISION_UNKNOWN
        elif receipt and exception != exception_of_receipt(row["receipt_id"], receipt.outcome):
            is_finding = exception.partition("-")[2] in (*Finding, RefundTask.OPEN)
            settled_by = None if is_finding and exception in found() else receipt.entry
        elif row["receipt_id"] is None and exception not in found():
            yield row["row"], Issue("DECISION_UNKNOWN", field="exception_id", found=exception)
        if settled_by:
            by_entry = f"{exception} (entry {settled_by})"
            yield row["row"], Issue("DECISION_SETTLED", field="exception_id", found=by_entry)


def yen_of_exceptions(transaction: Transaction, day: date, catalog: Catalog) -> dict[str, str]:
    """Return the yen of every exception of a ledger, by id: what a person accepts.

    Args:
        transaction: the transaction.
        day: today.
        catalog: the charges of the authority.
    """
    found = find_exceptions(transaction, None, day, catalog)
    is_decided = pc.is_in(found.table.column("exception_id"), value_set=pa.array(list(found.decided), _TEXT))
    return _yen(found.table.filter(pc.invert(is_decided)))


def _yen(exceptions: pa.Table) -> dict[str, str]:
    """Return the yen of exceptions by id: of the exception, and those expected and found.

    Other texts are left out: the day from which on a 速報 is stale moves every day.
    """
    names = ("exception_id", "amount", "expected", "found")
    yen = {}
    for exception, amount, *texts in row_tuples(exceptions.select(names)):
        numbers = [text for text in texts if text and _YEN.fullmatch(text)]
        yen[exception] = " ".join(["" if amount is None else str(amount), *numbers])
    return yen


class _LastPosting(NamedTuple):
    """The outcome of a receipt, and the entry of its last posting."""

    outcome: str
    is_reversed: bool
    entry: int

    @classmethod
    def of(cls, transaction: Transaction, receipts: Sequence[int]) -> dict[int | None, _LastPosting]:
        """Return the last posting of some receipts, by receipt."""
        last = select(func.max(_POSTINGS.c.id).label("id")).group_by(_POSTINGS.c.receipt_id)
        ids = transaction.fetch(last, _POSTINGS.c.receipt_id, np.unique(np.array(receipts, np.int64))).column("id")
        names = ("receipt_id", "outcome", "reverses_id", "entry_id")
        rows = transaction.rows("postings", to_numpy(ids, 0), names).select(names)
        return {receipt: cls(outcome, bool(reverses), entry) for receipt, outcome, reverses, entry in row_tuples(rows)}


def last_decisions(transaction: Transaction, last: int | None) -> dict[str, LastDecision]:
    """Return the last active decision about each exception, as of an entry."""
    names = ("exception_id", "decision", "hold_until", "entry_id", "accepted_yen")
    statement = select(*(_DECISIONS.c[name] for name in names)).where(as_of_entry(_DECISIONS.c.entry_id, last))
    reversed_ids = reversed_entries(transaction, last)
    return {
        exception: LastDecision(DecisionKind(kind), date.fromisoformat(until) if until else None, entry, yen)
        for exception, kind, until, entry, yen in row_tuples(transaction.table(statement.order_by(_DECISIONS.c.id)))
        if entry not in reversed_ids
    }


def _with_candidates(found: FoundExceptions) -> pa.Table:
    """Return exceptions with the candidates of those that are unknown money."""
    table, books = found.table, found.books
    codes = pa.array([outcome.value for outcome in _UNKNOWN_MONEY])
    unknown = np.flatnonzero(to_mask(combine(pc.is_in(table.column("code"), value_set=codes))))
    texts: Mapping[str, pa.Array] = {}
    if len(unknown):
        ids = table.column("receipt_id").take(int64_array(unknown))
        rows = pc.index_in(ids, value_set=combine(books.receipts.column("id")))
        own_bill = table.column("bill_id").take(int64_array(unknown))
        payments = books.receipts.take(rows).append_column("bill_id", own_bill)
        texts = find_candidates(payments, books.bills, books.result.balances).texts(books.bills)
    position = np.full(len(table), -1)
    position[unknown] = np.arange(len(unknown))
    rows = pa.array(position, mask=position < 0)
    for field in list(WORK_LIST)[len(EXCEPTIONS) :]:
        column = texts[field.name].take(rows) if texts else pa.nulls(len(table), _TEXT)
        table = table.append_column(field, column)
    return table
