"""The tables of a reconciliation: outcomes, balances and exceptions, in an order that no order of input shows."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin.columns import CHUNK, Flags, Ints, Rows, bool_array, in_one, in_threads, stretches, to_arrow
from kokin.matching import CANCELLED, NO_BALANCE, NUMBERS, OPEN, OUTCOMES, SUPERSEDED, Index, Judgement, group
from kokin.model import Outcome
from kokin.reconcile._receipts import Columns, Receipts

OUTCOME_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("record_no", pa.int64()),
        ("outcome", pa.string()),
        ("bill_id", pa.string()),
        ("payee_code", pa.string()),
        ("item_code", pa.string()),
        ("case_key", pa.string()),
        ("amount", pa.int64()),
        ("applied", pa.int64()),
        ("excess", pa.int64()),
        ("expected", pa.int64()),
    ]
)
BALANCE_SCHEMA = pa.schema(
    [
        ("bill_id", pa.string()),
        ("amount", pa.int64()),
        ("paid", pa.int64()),
        ("residual", pa.int64()),
        ("status", pa.string()),
    ]
)
EXCEPTION_COLUMNS = ("source", "record_no", "outcome", "bill_id", "payee_code", "item_code", "case_key", "amount")


class BalanceStatus(StrEnum):
    """How a bill stands after the run."""

    #: 完納: nothing is open.
    SETTLED = "settled"
    #: 一部納付: a part is paid.
    PARTIAL = "partial"
    #: 仮消込: the rest is reported as paid (速報); do not remind.
    PROVISIONAL = "provisional"
    #: 未納: nothing has been paid yet.
    EXPECTED = "expected"
    #: 調定取消: nothing is owed.
    CANCELLED = "cancelled"
    #: 差替済: another slip has taken its place.
    SUPERSEDED = "superseded"


def outcome_table(receipts: Receipts, index: Index, judged: Judgement) -> tuple[pa.Table, Ints]:
    """The outcomes in canonical order (source, digest, record_no), and the receipt of each row: int64 (n,)."""
    batches = receipts.table.to_batches(max_chunksize=CHUNK)
    ends = np.cumsum([len(batch) for batch in batches]).tolist()

    def told(piece: tuple[pa.RecordBatch, int]) -> pa.RecordBatch:
        batch, end = piece
        rows = slice(end - len(batch), end)
        return _outcome_batch(batch, receipts.slip[rows], index, judged.part(rows))

    table = pa.Table.from_batches(in_threads(told, zip(batches, ends, strict=True)), OUTCOME_SCHEMA)
    order = _canonical(receipts.table, table)
    return (table, np.arange(len(table))) if order is None else (table.take(to_arrow(order, pa.int64())), order)


def _outcome_batch(batch: pa.RecordBatch, slip: Rows, index: Index, judged: Judgement) -> pa.RecordBatch:
    """A stretch of outcomes; a number that the receipt does not carry is told as the bill has it."""
    bill = to_arrow(np.maximum(slip, 0), pa.int32(), slip >= 0)
    columns = [
        _column(batch, "source", pa.string()).fill_null(""),
        _column(batch, "record_no", pa.int64()),
        pa.array([outcome.value for outcome in OUTCOMES], pa.string()).take(to_arrow(judged.outcome, pa.uint8())),
        index.bill_id.take(bill).cast(pa.string()),
    ]
    widths = {"payee_code": 5, "item_code": 3, "case_key": 20}
    own = {name: _column(batch, name, pa.string()) for name in widths}
    known = slip >= 0
    if known.any() and any(column.null_count for column in own.values()):
        billed = index.el_fields(np.maximum(slip, 0))
        own = {name: pc.coalesce(own[name], pc.if_else(bool_array(known), billed[name], None)) for name in own}
    for name, column in own.items():
        if pc.min(pc.binary_length(column)).as_py() not in (None, widths[name]):
            column = pc.utf8_lpad(column, widths[name], "0")
        columns.append(column)
    columns += [
        _column(batch, "amount", pa.int64()),
        to_arrow(judged.applied, pa.int64()),
        to_arrow(judged.excess, pa.int64()),
        to_arrow(judged.expected, pa.int64(), judged.expected != NO_BALANCE),
    ]
    return pa.record_batch(columns, OUTCOME_SCHEMA)


def _column(batch: pa.RecordBatch, name: str, kind: pa.DataType) -> pa.Array:
    return batch.column(name).cast(kind) if name in batch.schema.names else pa.nulls(len(batch), kind)


def _canonical(receipts: pa.Table, outcomes: pa.Table) -> npt.NDArray[np.int64] | None:
    """The rows in the order of (source, digest, record_no), ties broken by all that is told; None: they stand so."""
    places = [Columns(receipts).rank(name) for name in ("source", "digest", "record_no")]
    varying = [column for column in places if (column != column[:1]).any()]
    if len(varying) == 1 and (np.diff(varying[0]) > 0).all():
        return None
    rank = group(*places)
    if len(rank) and rank.max() + 1 < len(rank):
        rank = group(rank, *map(Columns(outcomes).rank, outcomes.schema.names))
    return None if (np.diff(rank) >= 0).all() else np.argsort(rank, kind="stable")


def balance_table(index: Index, balance: Ints, waiting: Rows, slips: Rows | None = None) -> pa.Table:
    """How every slip's debt stands, by ``bill_id``.

    ``amount = paid + residual`` is the debt's: slips of one obligation show the same, a slip that covers several shows
    their sum. On a cancelled or superseded slip nothing is owed: it shows its own amount, and no payment.

    Args:
        index: the bills.
        balance: int64 (m,): yen open on each obligation.
        waiting: the slips on which a 速報 waits for its 確報.
        slips: the slips to tell of; None: all.
    """
    rows = np.arange(len(index), dtype=np.int32) if slips is None else slips
    waits = np.zeros(len(index), np.bool_)
    waits[waiting] = True
    parts = in_threads(lambda some: _balance_batch(rows[some], index, balance, waits), stretches(len(rows)))
    table = pa.Table.from_batches(parts, BALANCE_SCHEMA)
    return table if index.in_order else table.sort_by("bill_id")


def _balance_batch(slips: Rows, index: Index, balance: Ints, waits: Flags) -> pa.RecordBatch:
    billed = index.debts.of_slips(index.debts.billed, slips)
    residual = index.debts.of_slips(balance, slips)
    status = _STATUSES.index(BalanceStatus.EXPECTED) * np.ones(len(slips), np.uint8)
    status[billed > residual] = _STATUSES.index(BalanceStatus.PARTIAL)
    status[waits[slips]] = _STATUSES.index(BalanceStatus.PROVISIONAL)
    status[residual == 0] = _STATUSES.index(BalanceStatus.SETTLED)
    if index.status is not None:
        standing = index.status[slips]
        status[standing == CANCELLED] = _STATUSES.index(BalanceStatus.CANCELLED)
        status[standing == SUPERSEDED] = _STATUSES.index(BalanceStatus.SUPERSEDED)
        closed = np.flatnonzero(standing != OPEN)
        billed[closed] = index.amount[slips[closed]]
        residual[closed] = 0
    paid = billed - residual
    if index.status is not None:
        paid[closed] = 0
    columns = [
        index.bill_id.take(to_arrow(slips, pa.int32())).cast(pa.string()),
        *(to_arrow(yen, pa.int64()) for yen in (billed, paid, residual)),
        pa.array([name.value for name in _STATUSES], pa.string()).take(to_arrow(status, pa.uint8())),
    ]
    return pa.record_batch(columns, BALANCE_SCHEMA)


_STATUSES = tuple(BalanceStatus)


# What each exception tells: the field, what was expected there, and what came. A word in braces is a column.
_TOLD = {
    Outcome.UNDERPAID: ("amount", "{expected}", "{amount}"),
    Outcome.OVERPAID: ("amount", "{expected}", "{amount}"),
    Outcome.DUPLICATE_PAYMENT: ("amount", "{expected}", "{amount}"),
    Outcome.BILL_CHANGED: ("status", "open", "superseded"),
    Outcome.CANCELLED_BILL: ("status", "open", "cancelled"),
    Outcome.NO_BILL: ("{field}", "a bill", "{number}"),
    Outcome.MULTIPLE_BILLS: ("{field}", "one open bill", "{number}"),
    Outcome.KEY_MISSING: ("", " | ".join(NUMBERS), ""),
    Outcome.CANCEL_WITHOUT_PROVISIONAL: ("kind", "a provisional", "cancel"),
    Outcome.DUPLICATE_RECORD: ("provider_key", "once", "{provider_key}"),
}


def exception_table(receipts: Receipts, outcomes: pa.Table, rows: Ints, judged: Judgement) -> pa.Table:
    """The outcomes that somebody has to look at, with the field, what was expected and what came.

    ``rows`` are the receipts of the outcomes' rows.
    """
    code = judged.outcome[rows]
    places = np.flatnonzero(np.array([outcome.is_exception for outcome in OUTCOMES])[code])
    code, rows = code[places], rows[places]
    table = outcomes.take(to_arrow(places, pa.int64()))
    some = receipts.table.take(to_arrow(rows, pa.int64()))
    by = receipts.by[rows]
    columns = {
        "{expected}": in_one(table.column("expected")).cast(pa.string()),
        "{amount}": in_one(table.column("amount")).cast(pa.string()),
        "{field}": pa.array(NUMBERS).take(to_arrow(by, pa.uint8())),
        "{number}": receipts.number_texts(some, by),
        "{provider_key}": in_one(some.column("provider_key")) if "provider_key" in some.schema.names else "",
    }
    for place, name in enumerate(("field", "expected", "found")):
        told = [_TOLD.get(outcome, ("", "", ""))[place] for outcome in OUTCOMES]
        words = sorted(set(told))
        choice = np.array([words.index(word) for word in told])[code]
        values = [columns.get(word, word) for word in words]
        chosen = pc.choose(to_arrow(choice, pa.int64()), *values)
        table = table.append_column(pa.field(name + "_", pa.string()), pc.fill_null(chosen, ""))
    return table.select([*EXCEPTION_COLUMNS, "field_", "expected_", "found_"]).rename_columns(
        [*EXCEPTION_COLUMNS, "field", "expected", "found"]
    )
