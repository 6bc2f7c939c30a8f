"""The state of every slip that was allotted or sent to eLTAX, and the slips that may be posted to their payers.

Equation U1 is over the records of active uploads: sent = accepted + rejected + unanswered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from kokin._arrow.convert import bool_array, combine, to_numpy
from kokin.ledger._codec import decode_columns, to_bool
from kokin.ledger._components import as_of_entry, not_referenced
from kokin.ledger._database import Transaction
from kokin.ledger._queries import active_entries_of, entry_as_of
from kokin.ledger._schema import EntryKind, bill_versions, slip_numbers
from kokin.ledger._upload_records import SLIP_KEY, active_rows, days_of_entries, el_numbers, last_records, sent_records
from kokin.model import Bill, BillStatus, UploadOperation, UploadResult
from kokin.reconcile import Control

#: The statement of control U1, in records.
U1_STATEMENT = "sent = accepted + rejected + unanswered"

_WITHDRAW = UploadOperation.WITHDRAW.value
_ACCEPTED, _REJECTED = (each.value for each in UploadResult)

# At most so many entries are named by a broken control.
_MAX_NAMED = 20


class SlipState(StrEnum):
    """The state of a slip towards eLTAX."""

    #: 付番済: the slip has numbers and was not sent.
    ALLOTTED = "allotted"
    #: 再発行前: another slip has replaced it before it was sent.
    SUPERSEDED = "superseded"
    #: 送信済: the last record of the slip has no answer.
    SENT = "sent"
    #: 受付: the last record of the slip was accepted.
    ACCEPTED = "accepted"
    #: エラー: the last record of the slip was rejected.
    REJECTED = "rejected"
    #: 訂正送信済: the slip was sent again after a rejection, and has no answer.
    CORRECTED = "corrected"
    #: 取消済: a withdrawal was sent, and was not rejected.
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """The state of the uploads of a ledger, as of a time."""

    slips: pa.Table
    """A row for each slip, by ``bill_id``: its numbers, amount, state, last record and last answer; yen and days."""
    release: pa.Table
    """The slips that may be posted to their payers: ``bill_id, el_number, amount, accepted_on``, by ``bill_id``."""
    states: Mapping[str, Mapping[str, int]]
    """``count`` and ``amount`` (yen) of the slips in each state."""
    records: Mapping[str, int]
    """The number of records that were ``sent``, ``accepted``, ``rejected`` and ``unanswered``."""
    control: Control
    """U1: what the uploads have sent is accepted, rejected or unanswered; in records."""

    def as_dict(self) -> dict[str, Any]:
        """Return the counts and the control for JSON; the slips are in the tables."""
        return {
            "states": {name: dict(row) for name, row in self.states.items()},
            "records": dict(self.records),
            "release": len(self.release),
            "controls": {self.control.name: self.control.as_dict()},
        }


_TEXTS = ("bill_id", "el_number", *SLIP_KEY)
_SLIP_COLUMNS = pa.schema(
    [
        *((name, pa.string()) for name in _TEXTS),
        ("amount", pa.int64()),
        ("payable_until", pa.date32()),
        *((name, pa.string()) for name in ("state", "operation", "reason_code", "field")),
        ("sent_on", pa.date32()),
        ("answered_on", pa.date32()),
        ("days_unanswered", pa.int64()),
        *((name, pa.int64()) for name in ("entry_id", "file_no", "record_no")),
    ]
)


def upload_status(transaction: Transaction, as_of: date | datetime | None, today: date) -> UploadStatus:
    """See :meth:`kokin.ledger.Ledger.upload_status`; ``today`` is the day to which ages are counted."""
    last = entry_as_of(transaction, as_of)
    records = sent_records(transaction, last)
    slips = last_records(records)
    states = _states(slips)
    sent_days, answer_days = (
        days_of_entries(transaction, kind) for kind in (EntryKind.UPLOAD, EntryKind.UPLOAD_ANSWER)
    )
    sent_on = [sent_days[entry] for entry in slips.column("entry_id").to_pylist()]
    answer_ids = slips.column("answer_id").to_pylist()
    ages = [None if answer else (today - day).days for answer, day in zip(answer_ids, sent_on, strict=True)]
    columns = {
        **{name: combine(slips.column(name)) for name in (*_TEXTS, "amount", "operation", "reason_code", "field")},
        "payable_until": combine(slips.column("payable_until").cast(pa.date32())),
        "state": states,
        "sent_on": pa.array(sent_on, pa.date32()),
        "answered_on": pa.array([answer_days[entry] if entry else None for entry in answer_ids], pa.date32()),
        "days_unanswered": pa.array(ages, pa.int64()),
        **{name: combine(slips.column(name)) for name in ("entry_id", "file_no", "record_no")},
    }
    sent = pa.table({name: columns[name] for name in _SLIP_COLUMNS.names}).cast(_SLIP_COLUMNS)
    unsent, replaced = _unsent(transaction, last, sent)
    table = pa.concat_tables([sent, unsent]).sort_by("bill_id").combine_chunks()
    counts, control = _control(transaction, as_of, records)
    sums = table.group_by("state", use_threads=False).aggregate([("amount", "sum"), ("amount", "count")]).to_pylist()
    by_state = {row["state"]: {"count": row["amount_count"], "amount": row["amount_sum"]} for row in sums}
    ordered = {each.value: by_state[each.value] for each in SlipState if each.value in by_state}
    release = _release(transaction, last, sent, slips, replaced)
    return UploadStatus(table, release, ordered, counts, control)


def _states(slips: pa.Table) -> pa.Array:
    """Return the state of each slip from its last record."""
    result = pc.fill_null(slips.column("result"), "")
    is_withdrawn = pc.and_(pc.equal(slips.column("operation"), _WITHDRAW), pc.not_equal(result, _REJECTED))
    states = pc.if_else(slips.column("is_correction"), SlipState.CORRECTED.value, SlipState.SENT.value)
    states = pc.if_else(pc.equal(result, _ACCEPTED), SlipState.ACCEPTED.value, states)
    states = pc.if_else(pc.equal(result, _REJECTED), SlipState.REJECTED.value, states)
    return combine(pc.if_else(is_withdrawn, SlipState.WITHDRAWN.value, states))


def _unsent(transaction: Transaction, last: int | None, sent: pa.Table) -> tuple[pa.Table, pa.Array]:
    """Return the slips that have numbers and were not sent, and the eL numbers of all slips that were replaced."""
    numbers = active_rows(transaction, slip_numbers, last)
    numbers = numbers.append_column("el_number", el_numbers(numbers))
    is_replaced = pc.is_in(numbers.column("id"), value_set=combine(numbers.column("replaces_id")).drop_null())
    states = pc.if_else(is_replaced, SlipState.SUPERSEDED.value, SlipState.ALLOTTED.value)
    numbers = numbers.append_column("state", states)
    replaced = combine(numbers.column("el_number").filter(is_replaced))
    is_unsent = pc.invert(pc.is_in(numbers.column("el_number"), value_set=combine(sent.column("el_number"))))
    unsent = numbers.filter(is_unsent)
    empty = ("operation", "reason_code", "field", "sent_on", "answered_on", "days_unanswered")
    columns = {
        field.name: pa.nulls(len(unsent), field.type)
        if field.name in (*empty, "entry_id", "file_no", "record_no")
        else combine(unsent.column(field.name).cast(field.type))
        for field in _SLIP_COLUMNS
    }
    return pa.table(columns), replaced


def _control(
    transaction: Transaction, as_of: date | datetime | None, records: pa.Table
) -> tuple[dict[str, int], Control]:
    """Return the counts of records, and U1: what the entries say was sent equals the records by their answers."""
    result = pc.fill_null(records.column("result"), "")
    counts = {"sent": 0}
    for name, value in (("accepted", _ACCEPTED), ("rejected", _REJECTED), ("unanswered", "")):
        counts[name] = int(np.count_nonzero(to_bool(pc.equal(result, value))))
    of_entry = to_numpy(records.column("entry_id"), 0)
    broken = []
    uploads = active_entries_of(transaction, EntryKind.UPLOAD, as_of)
    found = dict(zip(*(each.tolist() for each in np.unique(of_entry, return_counts=True)), strict=True))
    for entry in uploads:
        sent = int(entry.totals.get("sent", 0))
        counts["sent"] += sent
        if found.pop(entry.id, 0) != sent:
            broken.append(str(entry.id))
    broken += map(str, found)
    right = counts["accepted"] + counts["rejected"] + counts["unanswered"]
    return counts, Control("U1", U1_STATEMENT, counts["sent"], right, tuple(broken[:_MAX_NAMED]))


def _release(
    transaction: Transaction, last: int | None, sent: pa.Table, slips: pa.Table, replaced: pa.Array
) -> pa.Table:
    """Return the slips whose last record, a new or changed one, was accepted, and that the ledger has not replaced.

    A slip is left out if a later slip of its debt was issued, or if its bill in the ledger is cancelled, superseded or
    withdrawn, or has another amount or 支払期限 than what was sent.
    """
    is_released = pc.and_(
        pc.equal(sent.column("state"), SlipState.ACCEPTED.value), pc.not_equal(sent.column("operation"), _WITHDRAW)
    )
    is_released = pc.and_(is_released, pc.invert(pc.is_in(sent.column("el_number"), value_set=replaced)))
    rows = sent.filter(is_released)
    bills = _bills_of(transaction, last, rows)
    at = pc.index_in(rows.column("el_number"), value_set=combine(bills.column("el_number")))
    bills = bills.take(at)
    is_other = pc.or_(
        pc.not_equal(bills.column("status"), BillStatus.OPEN.value),
        pc.or_(
            pc.not_equal(bills.column("amount"), rows.column("amount")),
            pc.not_equal(
                pc.fill_null(bills.column("payable_until"), date.min),
                pc.fill_null(rows.column("payable_until"), date.min),
            ),
        ),
    )
    rows = rows.filter(pc.invert(pc.fill_null(is_other, False)))
    names = ["bill_id", "el_number", "amount", "answered_on"]
    return rows.select(names).rename_columns([*names[:3], "accepted_on"]).sort_by("bill_id").combine_chunks()


def _bills_of(transaction: Transaction, last: int | None, slips: pa.Table) -> pa.Table:
    """Return the bills of slips in the ledger: ``el_number, status, amount, payable_until``.

    A bill that was withdrawn from the ledger has the status ``cancelled``.
    """
    names = (*SLIP_KEY, "bill_id", "status", "amount", "payable_until")
    statement = select(bill_versions.c.withdrawn, *(bill_versions.c[name] for name in names)).where(
        not_referenced("bill_versions", "replaces_id", last), as_of_entry(bill_versions.c.entry_id, last)
    )
    rows = transaction.fetch(statement, bill_versions.c.bill_id, slips.column("bill_id").to_pylist())
    is_withdrawn = bool_array(to_numpy(rows.column("withdrawn"), 0) == 1)
    bills = decode_columns(rows.select(names), Bill)
    status = pc.if_else(is_withdrawn, BillStatus.CANCELLED.value, bills.column("status"))
    return pa.table(
        {
            "el_number": el_numbers(rows),
            "status": combine(status),
            "amount": combine(bills.column("amount")),
            "payable_until": combine(bills.column("payable_until")),
        }
    )
