"""The tables of a reconciliation: outcomes, balances and exceptions, in an order that no order of input shows."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow import (
    CHUNK_ROWS,
    EMPTY_STRING,
    BoolArray,
    Int32Array,
    Int64Array,
    bool_array,
    chunk_slices,
    chunks,
    combine,
    empty_batch,
    from_numpy,
    int64_array,
    text_array,
    thread_map,
    to_numpy,
)
from kokin.matching import CANCELLED, KEY_COLUMNS, KEY_KINDS, NO_BALANCE, OPEN, OUTCOMES, SUPERSEDED, Index, group
from kokin.model import Outcome
from kokin.reconcile._columns import text_column
from kokin.reconcile._encoding import EncodedColumns
from kokin.reconcile._match_input import Receipts
from kokin.reconcile._match_run import MatchRun

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
        ("balance_before", pa.int64()),
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
_OUTCOME_TEXTS = text_array(OUTCOMES)
EXCEPTION_COLUMNS = ("source", "record_no", "outcome", "bill_id", "payee_code", "item_code", "case_key", "amount")


# What exceptions tell of a receipt besides.
_TOLD_TOO = ("provider_key", "cancels", "other_keys", *KEY_COLUMNS)


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


def outcome_table(receipts: Receipts, index: Index, judged: MatchRun) -> tuple[pa.Table, Int64Array]:
    """The outcomes in canonical order (source, digest, record_no), and the receipt of each row: int64 (n,)."""
    told = thread_map(
        lambda piece: _outcome_batch(piece[0], piece[1], receipts, index, judged), _pieces(receipts.table)
    )
    table = pa.Table.from_batches(told, OUTCOME_SCHEMA)
    order = None if _in_canonical_order(receipts.table) else _canonical(receipts.table, table)
    return (table, np.arange(len(table))) if order is None else (table.take(int64_array(order)), order)


def outcome_batches(receipts: Receipts, index: Index, judged: MatchRun) -> Iterator[pa.RecordBatch]:
    """The rows of :func:`outcome_table`, at least one batch; where receipts stand in that order, by the stretch."""
    if _in_canonical_order(receipts.table):
        for batch, rows in _pieces(receipts.table):
            yield _outcome_batch(batch, rows, receipts, index, judged)
    else:
        yield from outcome_table(receipts, index, judged)[0].to_batches(max_chunksize=CHUNK_ROWS)


def _pieces(table: pa.Table) -> list[tuple[pa.RecordBatch, slice]]:
    """The batches of a table, at least one, and the rows of each."""
    batches = table.to_batches(max_chunksize=CHUNK_ROWS) or [empty_batch(table.schema)]
    ends = np.cumsum([len(batch) for batch in batches]).tolist()
    return [(batch, slice(end - len(batch), end)) for batch, end in zip(batches, ends, strict=True)]


def _outcome_batch(
    batch: pa.RecordBatch, rows: slice, receipts: Receipts, index: Index, judged: MatchRun
) -> pa.RecordBatch:
    """A stretch of outcomes; a number that the receipt does not carry is told as the bill has it."""
    slip, told = receipts.slip[rows], judged.results(rows)
    columns = [
        _column(batch, "source", pa.string()).fill_null(EMPTY_STRING),
        _column(batch, "record_no", pa.int64()),
        _OUTCOME_TEXTS.take(from_numpy(told.outcome, pa.uint8())),
        index.bill_ids(slip),
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
        from_numpy(told.applied, pa.int64()),
        from_numpy(told.excess, pa.int64()),
        from_numpy(told.balance_before, pa.int64(), told.balance_before != NO_BALANCE),
    ]
    return pa.record_batch(columns, OUTCOME_SCHEMA)


def _column(batch: pa.RecordBatch, name: str, kind: pa.DataType) -> pa.Array:
    return batch.column(name).cast(kind) if name in batch.schema.names else pa.nulls(len(batch), kind)


def _in_canonical_order(receipts: pa.Table) -> bool:
    """Whether receipts are all of one file and stand in the order of their record numbers, as far as a glance tells."""
    names = set(receipts.schema.names)
    one_file = all(_is_constant(receipts.column(name)) for name in {"source", "digest"} & names)
    return one_file and "record_no" in names and _is_ascending(receipts.column("record_no"))


def _is_constant(column: pa.ChunkedArray) -> bool:
    words: set[str] = set()
    for array in chunks(column):
        known = array.dictionary.to_pylist() if pt.is_dictionary(array.type) else pc.min_max(array).as_py().values()
        words.update(known)
    return len(words) <= 1 and not column.null_count


def _is_ascending(column: pa.ChunkedArray) -> bool:
    parts = [to_numpy(array, -1)[some] for array in chunks(column) for some in chunk_slices(len(array))]
    each = all((part[1:] > part[:-1]).all() for part in parts)
    return each and all(left[-1] < right[0] for left, right in pairwise(parts))


def _canonical(receipts: pa.Table, outcomes: pa.Table) -> Int64Array | None:
    """The rows in the order of (source, digest, record_no), ties broken by all that is told; None: they stand so."""
    receipt_columns, outcome_columns = EncodedColumns(receipts), EncodedColumns(outcomes)
    rank = group(*map(receipt_columns.ranks, ("source", "digest", "record_no")))
    if len(rank) and rank.max() + 1 < len(rank):
        rank = group(rank, *map(outcome_columns.ranks, outcomes.schema.names), *map(receipt_columns.ranks, _TOLD_TOO))
    return None if (np.diff(rank) >= 0).all() else np.argsort(rank, kind="stable")


def balance_table(index: Index, balance: Int64Array, waiting: Int32Array, slips: Int32Array | None = None) -> pa.Table:
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
    waits = _marked(waiting, len(index))
    parts = thread_map(lambda some: _balance_batch(rows[some], index, balance, waits), chunk_slices(len(rows)))
    table = pa.Table.from_batches(parts, BALANCE_SCHEMA)
    return table if index.is_sorted else table.sort_by("bill_id")


def balance_batches(index: Index, balance: Int64Array, waiting: Int32Array) -> Iterator[pa.RecordBatch]:
    """The rows of :func:`balance_table` for all slips, at least one batch; by the stretch where slips are in order."""
    if not index.is_sorted:
        yield from balance_table(index, balance, waiting).to_batches(max_chunksize=CHUNK_ROWS)
        return
    waits = _marked(waiting, len(index))
    for some in chunk_slices(len(index)) or [slice(0, 0)]:
        yield _balance_batch(np.arange(some.start, some.stop, dtype=np.int32), index, balance, waits)


def _marked(rows: Int32Array, count: int) -> BoolArray:
    marked = np.zeros(count, np.bool_)
    marked[rows] = True
    return marked


def _balance_batch(slips: Int32Array, index: Index, balance: Int64Array, waits: BoolArray) -> pa.RecordBatch:
    billed = index.obligations.sum_by_slip(index.obligations.billed, slips)
    residual = index.obligations.sum_by_slip(balance, slips)
    status = _STATUSES.index(BalanceStatus.EXPECTED) * np.ones(len(slips), np.uint8)
    status[billed > residual] = _STATUSES.index(BalanceStatus.PARTIAL)
    status[waits[slips]] = _STATUSES.index(BalanceStatus.PROVISIONAL)
    status[residual == 0] = _STATUSES.index(BalanceStatus.SETTLED)
    paid = billed - residual
    if index.status is not None:
        standing = index.status[slips]
        status[standing == CANCELLED] = _STATUSES.index(BalanceStatus.CANCELLED)
        status[standing == SUPERSEDED] = _STATUSES.index(BalanceStatus.SUPERSEDED)
        closed = np.flatnonzero(standing != OPEN)
        billed[closed] = index.amount[slips[closed]]
        residual[closed] = paid[closed] = 0
    columns = [
        index.bill_ids(slips),
        *(from_numpy(yen, pa.int64()) for yen in (billed, paid, residual)),
        _STATUS_TEXTS.take(from_numpy(status, pa.uint8())),
    ]
    return pa.record_batch(columns, BALANCE_SCHEMA)


_STATUSES = tuple(BalanceStatus)
_STATUS_TEXTS = text_array(_STATUSES)


# What each exception tells: the field, what was expected there, and what came. A word in braces is a column.
_TOLD = {
    Outcome.UNDERPAID: ("amount", "{balance_before}", "{amount}"),
    Outcome.OVERPAID: ("amount", "{balance_before}", "{amount}"),
    Outcome.DUPLICATE_PAYMENT: ("amount", "{balance_before}", "{amount}"),
    Outcome.BILL_CHANGED: ("status", "open", "superseded"),
    Outcome.CANCELLED_BILL: ("status", "open", "cancelled"),
    Outcome.NO_BILL: ("{field}", "a bill", "{number}"),
    Outcome.MULTIPLE_BILLS: ("{field}", "one open bill", "{keys}"),
    Outcome.KEY_MISSING: ("", " | ".join(KEY_KINDS), ""),
    Outcome.REVERSED: ("kind", "no reversal", "reversal"),
    Outcome.REVERSAL_WITHOUT_PAYMENT: ("{reversal}", "a payment of this amount", "{cancels}"),
    Outcome.CANCEL_WITHOUT_PROVISIONAL: ("kind", "a provisional", "cancel"),
    Outcome.DUPLICATE_RECORD: ("provider_key", "once", "{provider_key}"),
}


def exception_table(receipts: Receipts, outcomes: pa.Table, rows: Int64Array, judged: MatchRun) -> pa.Table:
    """The outcomes that somebody has to look at, with the field, what was expected and what came.

    ``rows`` are the receipts of the outcomes' rows.
    """
    code = judged.outcome[rows]
    places = np.flatnonzero(np.array([outcome.is_exception for outcome in OUTCOMES])[code])
    code, rows = code[places], rows[places]
    table = outcomes.take(from_numpy(places, pa.int64()))
    some = receipts.table.take(from_numpy(rows, pa.int64()))
    by = receipts.key_kind[rows]
    number = receipts.key_texts(some, by)
    texts = {name: text_column(some, name) for name in ("provider_key", "other_keys", "cancels")}
    texts = {name: pc.if_else(pc.equal(column, ""), None, column) for name, column in texts.items()}
    columns = {
        "{balance_before}": combine(table.column("balance_before")).cast(pa.string()),
        "{amount}": combine(table.column("amount")).cast(pa.string()),
        "{field}": pa.array(KEY_KINDS).take(from_numpy(by, pa.uint8())),
        "{number}": number,
        "{keys}": pc.coalesce(pc.binary_join_element_wise(number, texts["other_keys"], ";"), number),
        "{provider_key}": texts["provider_key"],
        "{reversal}": pc.if_else(texts["cancels"].is_valid(), "cancels", "kind"),
        "{cancels}": pc.fill_null(texts["cancels"], "reversal"),
    }
    for place, name in enumerate(("field", "expected", "found")):
        told = [_TOLD.get(outcome, ("", "", ""))[place] for outcome in OUTCOMES]
        words = sorted(set(told))
        choice = np.array([words.index(word) for word in told])[code]
        values = [columns.get(word, word) for word in words]
        chosen = pc.choose(from_numpy(choice, pa.int64()), *values)
        table = table.append_column(pa.field(name + "_", pa.string()), pc.fill_null(chosen, ""))
    return table.select([*EXCEPTION_COLUMNS, "field_", "expected_", "found_"]).rename_columns(
        [*EXCEPTION_COLUMNS, "field", "expected", "found"]
    )
