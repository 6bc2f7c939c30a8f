"""The tables of a run: schemas of outcomes, balances and exceptions, and the outcomes as numpy columns.

The order of every table depends on the data alone, never on the order of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow.convert import (
    EMPTY_STRING,
    BoolArray,
    Int32Array,
    Int64Array,
    UInt8Array,
    bool_array,
    combine,
    from_numpy,
    is_valid,
    text_array,
    to_numpy,
)
from kokin._arrow.mapped import map_columns
from kokin._arrow.threads import CHUNK_ROWS, chunk_slices, thread_map
from kokin.matching import (
    BOOKED,
    CANCELLED,
    KEY_COLUMNS,
    KEY_KINDS,
    KINDS,
    NO_BALANCE,
    OPEN,
    OUTCOMES,
    PROVISIONAL_YEN,
    SUPERSEDED,
    SUSPENSE,
    Allocations,
    Index,
    MatchResult,
    disposition_texts,
    group,
    signed,
)
from kokin.model import Outcome, ReceiptKind
from kokin.reconcile._columns import (
    Categorical,
    Days,
    EncodedColumns,
    category_column,
    category_texts,
    day_column,
    int_column,
    mask_of,
    text_column,
)
from kokin.reconcile._matches import Matches, Receipts
from kokin.reconcile._payees import Payees

_TEXT, _INT = pa.string(), pa.int64()
OUTCOME_SCHEMA = pa.schema(
    [("source", _TEXT), ("record_no", _INT), ("outcome", _TEXT), ("disposition", _TEXT), ("bill_id", _TEXT)]
    + [(name, _TEXT) for name in ("payee_code", "item_code", "case_key")]
    + [(name, _INT) for name in ("amount", "applied", "excess", "balance_before")]
)
BALANCE_SCHEMA = pa.schema(
    [("bill_id", _TEXT), ("payee_code", _TEXT)]
    + [(name, _INT) for name in ("amount", "paid", "residual")]
    + [("status", _TEXT)]
)
#: The columns of every table of exceptions and findings: those of outcomes, then what differs.
EXCEPTION_SCHEMA = pa.schema([*OUTCOME_SCHEMA, ("field", _TEXT), ("expected", _TEXT), ("found", _TEXT)])

#: bool: whether each of ``OUTCOMES`` is an exception.
IS_EXCEPTION = np.array([outcome.is_exception for outcome in OUTCOMES])
_OUTCOME_TEXTS = text_array(OUTCOMES)
_EL_WIDTHS = {"payee_code": 5, "item_code": 3, "case_key": 20}
# The order of outcomes.
_ORDER = ("source", "digest", "record_no")
# Columns of receipts that exceptions show: they break ties in the order of outcomes.
_SHOWN_BY_EXCEPTIONS = ("provider_key", "cancels", "other_keys", *KEY_COLUMNS)


class BalanceStatus(StrEnum):
    """The status of a bill after the run."""

    #: 完納: paid in full.
    SETTLED = "settled"
    #: 不納欠損: what was not paid is written off; nothing is collected.
    WRITTEN_OFF = "written_off"
    #: 一部納付: paid in part.
    PARTIAL = "partial"
    #: 速報: the rest is reported as paid (速報); do not remind.
    PROVISIONAL = "provisional"
    #: 未納: nothing has been paid yet.
    EXPECTED = "expected"
    #: 調定取消: nothing is owed.
    CANCELLED = "cancelled"
    #: 差替済: replaced by another slip.
    SUPERSEDED = "superseded"


class OutcomeRows:
    """Some rows of the table of outcomes, ``n`` of them, as numpy columns.

    ``receipt`` is the receipt of each row, a slice or int64 (n,), ``start`` the number of the first row in the table.
    """

    def __init__(
        self,
        receipts: Receipts,
        index: Index,
        matches: Matches,
        payees: Payees,
        receipt: slice | Int64Array,
        start: int = 0,
    ) -> None:
        self.receipt, self.start = receipt, start
        self.index, self._receipts, self._payees = index, receipts, payees
        #: uint8 (n,) each.
        self.kind: UInt8Array = receipts.kind[receipt]
        self.key_kind: UInt8Array = receipts.key_kind[receipt]
        self.slip: Int32Array = receipts.slip[receipt]
        #: int64 (n,): yen as reported.
        self.amount: Int64Array = receipts.amount[receipt]
        #: bool (n,): whether no other receipt shares an obligation with it, and the full rule was not needed.
        self.is_independent: BoolArray = matches.is_independent[receipt]
        self.results = matches.results(receipt)
        self.outcome: UInt8Array = self.results.outcome
        #: int64 (n,) each: yen.
        self.applied: Int64Array = self.results.applied
        self.excess: Int64Array = self.results.excess
        disposition = self.results.disposition
        #: bool (n,) each: payments for a known bill;
        self.is_booked: BoolArray = disposition == BOOKED
        #: payments for an unknown purpose (不明金), and reversals of such;
        self.is_suspense: BoolArray = disposition == SUSPENSE
        #: 速報 without a final (確報) yet, with or without a known bill.
        self.is_provisional: BoolArray = disposition == PROVISIONAL_YEN

    def __len__(self) -> int:
        return len(self.kind)

    @cached_property
    def payee(self) -> Categorical:
        """The payee of each; the categories are those of the run, ascending."""
        return Categorical(self._payees.of_receipt[self.receipt], self._payees.codes)

    @cached_property
    def yen(self) -> Int64Array:
        """int64 (n,): yen; those of reversals are negative."""
        return signed(self.kind, self.amount)

    def with_outcome(self, *outcomes: Outcome) -> BoolArray:
        """Return which rows have one of some outcomes: bool (n,)."""
        return np.isin(self.outcome, [OUTCOMES.index(outcome) for outcome in outcomes])

    def of_kind(self, *kinds: ReceiptKind) -> BoolArray:
        """Return which rows are of one of some kinds: bool (n,)."""
        return np.isin(self.kind, [KINDS.index(kind) for kind in kinds])

    @cached_property
    def is_reversal(self) -> BoolArray:
        """Records by which a bank or an agent takes money back (入金取消), without duplicates: bool (n,)."""
        return self.with_outcome(Outcome.REVERSAL, Outcome.REVERSAL_WITHOUT_PAYMENT)

    @property
    def is_payment(self) -> BoolArray:
        """Payments that count, without duplicates and without those that were reversed: bool (n,)."""
        return (self.is_booked | self.is_suspense) & ~self.is_reversal

    @property
    def is_collected(self) -> BoolArray:
        """Payments that were collected, including those that were reversed later: bool (n,)."""
        return self.is_payment | self.with_outcome(Outcome.REVERSED)

    def independent_allocations(self) -> Allocations:
        """Return the allocations of the independent rows, each for one obligation; ``payment`` is the row."""
        at = np.flatnonzero(self.is_independent & (self.applied > 0))
        obligation = self.index.obligations.of(self.slip[at])
        return Allocations(at, obligation, self.applied[at], self.results.balance_before[at])

    @cached_property
    def receipt_table(self) -> pa.Table:
        """The receipts of these rows."""
        if isinstance(self.receipt, slice):
            return self._receipts.table.slice(self.receipt.start, len(self))
        index = from_numpy(self.receipt, pa.int64())
        return map_columns(lambda column: column.take(index), self._receipts.table)

    def outcomes(self) -> pa.RecordBatch:
        """Return these rows of the table of outcomes."""
        return _outcome_batch(self.receipt_table, self.slip, self.results, self.index)

    def outcomes_at(self, rows: Int64Array) -> pa.RecordBatch:
        """Return some of these rows of the table of outcomes; ``rows`` is int64 (k,)."""
        receipts = self.receipt_table.take(from_numpy(rows, pa.int64()))
        return _outcome_batch(receipts, self.slip[rows], self.results.at(rows), self.index)

    def has(self, name: str) -> bool:
        """Return whether the receipts of the run have a column with a value."""
        return EncodedColumns(self._receipts.table).has(name)

    def text_column(self, name: str) -> pa.Array:
        """Return a text column of the receipts; null if they lack it."""
        return text_column(self.receipt_table, name)

    def category_column(self, name: str) -> Categorical:
        """Return a text column of the receipts as categories."""
        return category_column(self.receipt_table, name)

    def day_column(self, name: str) -> Days:
        """Return a date column of the receipts, datetime64[D] (n,); NaT for a null."""
        return day_column(self.receipt_table, name)

    def int_column(self, name: str, null: int = -1) -> Int64Array:
        """Return an integer column of the receipts, int64 (n,); ``null`` for a null."""
        return int_column(self.receipt_table, name, null)

    @property
    def record_no(self) -> pa.Array:
        """The ``record_no`` of the receipts."""
        return _column(self.receipt_table, "record_no", pa.int64())

    @cached_property
    def bank_charge(self) -> Int64Array:
        """Yen that the bank deducted from each receipt, int64 (n,); 0 if unknown."""
        return self.int_column("bank_charge", 0)

    @cached_property
    def paid_on(self) -> Days:
        """納付日, datetime64[D] (n,)."""
        return self.day_column("paid_on")

    @cached_property
    def received_on(self) -> Days:
        """収入日, datetime64[D] (n,); the day of payment if the receipt has none."""
        received = self.day_column("received_on")
        return np.where(np.isnat(received), self.paid_on, received)


def _outcome_batch(receipts: pa.Table, slip: Int32Array, results: MatchResult, index: Index) -> pa.RecordBatch:
    """Return the outcomes of some receipts; a number that a receipt lacks is that of its bill."""
    return pa.record_batch(
        [
            _column(receipts, "source", pa.string()).fill_null(EMPTY_STRING),
            _column(receipts, "record_no", pa.int64()),
            _OUTCOME_TEXTS.take(from_numpy(results.outcome, pa.uint8())),
            disposition_texts(results.disposition, results.applied),
            index.bill_ids(slip),
            *_el_fields(receipts, slip, index),
            _column(receipts, "amount", pa.int64()),
            from_numpy(results.applied, pa.int64()),
            from_numpy(results.excess, pa.int64()),
            from_numpy(results.balance_before, pa.int64(), results.balance_before != NO_BALANCE),
        ],
        OUTCOME_SCHEMA,
    )


def _el_fields(receipts: pa.Table, slip: Int32Array, index: Index) -> list[pa.Array]:
    """Return ``payee_code, item_code, case_key`` of receipts, or else of their bills, zero-padded."""
    fields = {name: _without_empty_texts(_column(receipts, name, pa.string())) for name in _EL_WIDTHS}
    for name, column in fields.items():
        from_bill = (slip >= 0) & ~is_valid(column)
        if from_bill.any():
            billed = index.el_fields(slip[from_bill])[name]
            fields[name] = pc.replace_with_mask(column, bool_array(from_bill), billed)
    for name, width in _EL_WIDTHS.items():
        if pc.min(pc.binary_length(fields[name])).as_py() not in (None, width):
            fields[name] = pc.utf8_lpad(fields[name], width, "0")
    return list(fields.values())


def _without_empty_texts(texts: pa.Array) -> pa.Array:
    """Return texts with a null for each empty one."""
    return pc.if_else(pc.equal(texts, ""), None, texts) if pc.min(pc.binary_length(texts)).as_py() == 0 else texts


def _column(table: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    return combine(table.column(name).cast(kind)) if name in table.schema.names else pa.nulls(len(table), kind)


def outcome_order(receipts: pa.Table, outcomes: Callable[[], pa.Table]) -> Int64Array | None:
    """Return the receipt of each row of the table of outcomes, int64 (n,); None if the receipts are in its order.

    That is by (source, digest, record_no), ties broken by every shown column. ``outcomes`` returns the outcomes in the
    order of the receipts; it is called only if there are ties.
    """
    if _is_in_order(receipts):
        return None
    columns = EncodedColumns(receipts)
    rank = group(*map(columns.ranks, _ORDER))
    if len(rank) and rank.max() + 1 < len(rank):
        outcome_columns = EncodedColumns(outcomes())
        shown = map(columns.ranks, _SHOWN_BY_EXCEPTIONS)
        rank = group(rank, *map(outcome_columns.ranks, OUTCOME_SCHEMA.names), *shown)
    return None if (np.diff(rank) >= 0).all() else np.argsort(rank, kind="stable")


def _is_in_order(receipts: pa.Table) -> bool:
    """Return whether receipts are clearly in the order of outcomes: file by file, and by their record numbers.

    False does not mean that they are not: a batch with records of several files is not looked at.
    """
    names = [name for name in _ORDER if name in receipts.schema.names]
    if "record_no" not in names:
        return False
    last: tuple[Any, ...] = ()
    for batch in receipts.select(names).to_batches(max_chunksize=CHUNK_ROWS):
        file = tuple(_constant(batch.column(name)) for name in names[:-1])
        number = to_numpy(batch.column("record_no"), -1)
        if None in file or not (number[1:] > number[:-1]).all() or last >= (*file, int(number[0])):
            return False
        last = (*file, int(number[-1]))
    return True


def _constant(column: pa.Array) -> str | None:
    """Return the only value of a text column with rows, None if it has others or nulls."""
    is_dictionary = pt.is_dictionary(column.type)
    values = set(column.dictionary.to_pylist() if is_dictionary else pc.min_max(column).as_py().values())
    return None if column.null_count or len(values) > 1 else values.pop()


class Balances(NamedTuple):
    """Yen of the ``m`` obligations after a run, int64 (m,) each."""

    #: What is not paid.
    not_paid: Int64Array
    #: What is written off of it.
    written_off: Int64Array


def balance_table(
    index: Index, balances: Balances, payees: Payees, provisional: Int32Array, slips: Int32Array | None = None
) -> pa.Table:
    """Return the balance of the debt of every slip, by ``bill_id``.

    ``amount = paid + residual``, and what is written off, is the debt's: slips of one obligation show the same, a slip
    that covers several shows their sum. On a cancelled or superseded slip nothing is owed: it shows its own amount, and
    no payment.

    ``payees`` are those of the run, ``provisional`` the slips with a 速報 that has no 確報 yet, ``slips`` the slips to
    show, None for all.
    """
    rows = np.arange(len(index), dtype=np.int32) if slips is None else slips
    is_provisional = mask_of(provisional, len(index))
    batches = thread_map(
        lambda chunk: _balance_batch(rows[chunk], index, balances, payees, is_provisional), chunk_slices(len(rows))
    )
    table = pa.Table.from_batches(batches, BALANCE_SCHEMA)
    return table if index.is_sorted else table.sort_by("bill_id")


def balance_batches(
    index: Index, balances: Balances, payees: Payees, provisional: Int32Array
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of :func:`balance_table` for all slips, at least one batch.

    If the slips are in order, one chunk at a time is held.
    """
    if not index.is_sorted:
        yield from balance_table(index, balances, payees, provisional).to_batches(max_chunksize=CHUNK_ROWS)
        return
    is_provisional = mask_of(provisional, len(index))
    for chunk in chunk_slices(len(index)) or [slice(0, 0)]:
        slips = np.arange(chunk.start, chunk.stop, dtype=np.int32)
        yield _balance_batch(slips, index, balances, payees, is_provisional)


def _balance_batch(
    slips: Int32Array, index: Index, balances: Balances, payees: Payees, is_provisional: BoolArray
) -> pa.RecordBatch:
    billed = index.obligations.sum_by_slip(index.obligations.billed, slips)
    not_paid, written_off = (index.obligations.sum_by_slip(yen, slips) for yen in balances)
    paid, residual = billed - not_paid, not_paid - written_off
    status = _STATUSES.index(BalanceStatus.EXPECTED) * np.ones(len(slips), np.uint8)
    status[paid > 0] = _STATUSES.index(BalanceStatus.PARTIAL)
    status[is_provisional[slips]] = _STATUSES.index(BalanceStatus.PROVISIONAL)
    status[residual == 0] = _STATUSES.index(BalanceStatus.SETTLED)
    status[(residual == 0) & (written_off > 0)] = _STATUSES.index(BalanceStatus.WRITTEN_OFF)
    if index.status is not None:
        bill_status = index.status[slips]
        status[bill_status == CANCELLED] = _STATUSES.index(BalanceStatus.CANCELLED)
        status[bill_status == SUPERSEDED] = _STATUSES.index(BalanceStatus.SUPERSEDED)
        closed = np.flatnonzero(bill_status != OPEN)
        billed[closed] = index.amount[slips[closed]]
        residual[closed] = paid[closed] = 0
    columns = [
        index.bill_ids(slips),
        category_texts(payees.of_slip[slips], payees.codes),
        *(from_numpy(yen, pa.int64()) for yen in (billed, paid, residual)),
        _STATUS_TEXTS.take(from_numpy(status, pa.uint8())),
    ]
    return pa.record_batch(columns, BALANCE_SCHEMA)


_STATUSES = tuple(BalanceStatus)
_STATUS_TEXTS = text_array(_STATUSES)


# The field, expected and found of each exception. A name in braces is a column of `exception_table`.
_EXPLANATIONS = {
    Outcome.UNDERPAID: ("amount", "{balance_before}", "{amount}"),
    Outcome.OVERPAID: ("amount", "{balance_before}", "{amount}"),
    Outcome.DUPLICATE_PAYMENT: ("amount", "{balance_before}", "{amount}"),
    Outcome.BILL_CHANGED: ("status", "open", "superseded"),
    Outcome.CANCELLED_BILL: ("status", "open", "cancelled"),
    Outcome.NO_BILL: ("{field}", "a bill", "{key}"),
    Outcome.MULTIPLE_BILLS: ("{field}", "one open bill", "{keys}"),
    Outcome.KEY_MISSING: ("", " | ".join(KEY_KINDS), ""),
    Outcome.REVERSED: ("kind", "no reversal", "reversal"),
    Outcome.REVERSAL_WITHOUT_PAYMENT: ("{reversal}", "a payment of this amount", "{cancels}"),
    Outcome.CANCEL_WITHOUT_PROVISIONAL: ("kind", "a provisional", "cancel"),
    Outcome.DUPLICATE_RECORD: ("provider_key", "once", "{provider_key}"),
}


def exception_table(rows: OutcomeRows) -> pa.Table:
    """Return the outcomes that are exceptions, with the field, the expected value and the value found."""
    at = np.flatnonzero(IS_EXCEPTION[rows.outcome])
    table, outcome, key_kind = rows.outcomes_at(at), rows.outcome[at], rows.key_kind[at]
    receipt_table = rows.receipt_table.take(from_numpy(at, pa.int64()))
    key = Receipts.key_texts(receipt_table, key_kind)
    texts = {name: text_column(receipt_table, name) for name in ("provider_key", "other_keys", "cancels")}
    texts = {name: pc.if_else(pc.equal(column, ""), None, column) for name, column in texts.items()}
    columns = {
        **{f"{{{name}}}": table.column(name).cast(pa.string()) for name in ("balance_before", "amount")},
        "{field}": pa.array(KEY_KINDS).take(from_numpy(key_kind, pa.uint8())),
        "{key}": key,
        "{keys}": pc.coalesce(pc.binary_join_element_wise(key, texts["other_keys"], ";"), key),
        "{provider_key}": texts["provider_key"],
        "{reversal}": pc.if_else(texts["cancels"].is_valid(), "cancels", "kind"),
        "{cancels}": pc.fill_null(texts["cancels"], "reversal"),
    }
    explanations = []
    for position in range(3):
        by_outcome = [_EXPLANATIONS.get(each, ("", "", ""))[position] for each in OUTCOMES]
        choices = sorted(set(by_outcome))
        choice = np.array([choices.index(text) for text in by_outcome])[outcome]
        values = [columns.get(text, text) for text in choices]
        explanation = pc.choose(from_numpy(choice, pa.int64()), *values)
        explanations.append(pc.fill_null(explanation, ""))
    return pa.table([*table.columns, *explanations], schema=EXCEPTION_SCHEMA)
