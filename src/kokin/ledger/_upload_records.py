"""Records of uploads (納付書情報): what was sent for each slip, the last answer, and when an upload can be reversed.

A slip is identified by its eL number. What was sent for it are the records of active uploads, in their order; of the
answers to a record the last one applies. eLTAX can have a slip if, after its last withdrawal that was not rejected, a
new or changed record of it was not rejected.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from kokin._arrow.convert import BoolArray, Int64Array, bool_array, combine, to_numpy
from kokin.issues import InvalidInputError, Issue
from kokin.ledger._active_entries import reversed_entries
from kokin.ledger._codec import to_bool
from kokin.ledger._components import as_of_entry
from kokin.ledger._database import Transaction
from kokin.ledger._journal import rows_of_entry
from kokin.ledger._schema import EntryKind, entries, upload_answers, upload_records
from kokin.model import UploadOperation, UploadResult
from kokin.text import JAPAN

#: The fields of the eL number, by which a slip is identified.
SLIP_KEY = ("payee_code", "item_code", "case_key", "confirmation")

_WITHDRAW = UploadOperation.WITHDRAW.value
_ACCEPTED, _REJECTED = (each.value for each in UploadResult)


def el_numbers(rows: pa.Table) -> pa.Array:
    """Return the eL number of each row, 34 digits with hyphens; see :attr:`kokin.elqr.ElQr.el_number`."""
    names = ("payee_code", "case_key", "confirmation", "item_code")
    return pc.binary_join_element_wise(*(combine(rows.column(name)) for name in names), "-")


def active_rows(transaction: Transaction, table: Any, last: int | None) -> pa.Table:
    """Return the rows of a table that active entries have added, as of an entry, by id; without hashes."""
    columns = [column for column in table.c if column.name != "hash"]
    rows = transaction.table(select(*columns).where(as_of_entry(table.c.entry_id, last)).order_by(table.c.id))
    reversed_ids = pa.array(sorted(reversed_entries(transaction, last)), pa.int64())
    return rows.filter(pc.invert(pc.is_in(rows.column("entry_id"), value_set=reversed_ids))).combine_chunks()


def days_of_entries(transaction: Transaction, kind: EntryKind) -> dict[int, date]:
    """Return the day in Japan of each entry of a kind, by its effective time."""
    statement = select(entries.c.id, entries.c.effective_at).where(entries.c.kind == kind.value)
    rows = transaction.connection.execute(statement)
    return {entry: datetime.fromisoformat(at).astimezone(JAPAN).date() for entry, at in rows}


def sent_records(transaction: Transaction, last: int | None = None) -> pa.Table:
    """Return the active records with the last answer to each, by id.

    The columns are those of ``upload_records``, ``el_number``, and of the answer ``result``, ``reason_code``, ``field``
    and ``answer_id``, the entry of the answer; null without one. Several reasons of one answer are joined by ``;``.
    """
    records = active_rows(transaction, upload_records, last)
    records = records.append_column("el_number", el_numbers(records))
    answers = active_rows(transaction, upload_answers, last)
    newest = answers.group_by("upload_record_id", use_threads=False).aggregate([("entry_id", "max")])
    rows = pc.index_in(records.column("id"), value_set=combine(newest.column("upload_record_id")))
    records = records.append_column("answer_id", combine(newest.column("entry_id_max").take(rows)))
    of_record = pc.index_in(answers.column("upload_record_id"), value_set=combine(newest.column("upload_record_id")))
    answers = answers.filter(pc.equal(answers.column("entry_id"), newest.column("entry_id_max").take(of_record)))
    # All answers of an entry to one record have the same result, but each can name another field.
    first = pc.index_in(records.column("id"), value_set=combine(answers.column("upload_record_id")))
    records = records.append_column("result", combine(answers.column("result").take(first)))
    for name in ("reason_code", "field"):
        texts: dict[int, list[str]] = {}
        named = answers.filter(answers.column(name).is_valid())
        for record, text in zip(*(named.column(each).to_pylist() for each in ("upload_record_id", name)), strict=True):
            texts.setdefault(record, []).append(text)
        joined = {record: ";".join(dict.fromkeys(each)) for record, each in texts.items()}
        column = [joined.get(record) for record in records.column("id").to_pylist()] if joined else []
        records = records.append_column(name, pa.array(column, pa.string()) if joined else pa.nulls(len(records)))
    return records


def last_records(records: pa.Table) -> pa.Table:
    """Return the last record of each slip, by id, from :func:`sent_records`, with two boolean columns.

    ``is_known`` is whether eLTAX can have the slip; ``is_correction`` whether the last answer to a record of the slip
    was a rejection.
    """
    ids, slips = to_numpy(records.column("id"), 0), combine(records.column("el_number")).dictionary_encode()
    slip = to_numpy(slips.indices, 0)
    operation, result = records.column("operation"), pc.fill_null(records.column("result"), "")
    is_withdrawal, is_rejected = to_bool(pc.equal(operation, _WITHDRAW)), to_bool(pc.equal(result, _REJECTED))
    is_accepted = to_bool(pc.equal(result, _ACCEPTED))
    count = len(slips.dictionary)

    def last_id(mask: BoolArray) -> Int64Array:
        """Return the last id of each slip where a mask is true; 0 for none: int64 (slips,)."""
        last = np.zeros(count, np.int64)
        np.maximum.at(last, slip[mask], ids[mask])
        return last

    is_known = last_id(~is_withdrawal & ~is_rejected) > last_id(is_withdrawal & ~is_rejected)
    is_correction = last_id(is_rejected) > last_id(is_accepted)
    is_last = ids == last_id(np.ones(len(ids), np.bool_))[slip]
    rows = records.append_column("is_known", bool_array(is_known[slip]))
    return rows.append_column("is_correction", bool_array(is_correction[slip])).filter(bool_array(is_last))


# Reversals


def require_reversible(transaction: Transaction, root: int, kind: EntryKind, reversed_ids: set[int]) -> None:
    """Raise if an upload or an answer cannot be reversed or restored, because of what was written after it.

    An upload without an answer, whose slips no later upload has, can be reversed: it was never transferred. Then its
    records count as never sent. An answer can be reversed, and restored while its upload is active.

    Args:
        transaction: the transaction.
        root: the upload or answer at the start of the chain of reversals.
        kind: its kind.
        reversed_ids: the entries that will not be active.

    Raises:
        InvalidInputError: UPLOAD_ANSWERED, UPLOAD_FOLLOWED or UPLOAD_REVERSED, with the other entry.
    """
    if kind == EntryKind.UPLOAD:
        ids = rows_of_entry(transaction, "upload_records", root)
        answered = select(upload_answers.c.entry_id).distinct()
        if len(ids):
            is_own = upload_answers.c.upload_record_id.between(int(ids[0]), int(ids[-1]))
            _reject_if_active(transaction, answered.where(is_own), reversed_ids, "UPLOAD_ANSWERED")
        own, later = upload_records.alias("own"), upload_records.alias("later")
        same_slip = [own.c[name] == later.c[name] for name in SLIP_KEY]
        statement = select(later.c.entry_id).distinct().join_from(own, later, same_slip[0])
        statement = statement.where(*same_slip, own.c.entry_id == root, later.c.entry_id > root)
        _reject_if_active(transaction, statement, reversed_ids, "UPLOAD_FOLLOWED")
    elif kind == EntryKind.UPLOAD_ANSWER and root not in reversed_ids:
        joined = upload_answers.join(upload_records, upload_records.c.id == upload_answers.c.upload_record_id)
        uploads = select(upload_records.c.entry_id).distinct().select_from(joined)
        rows = transaction.connection.execute(uploads.where(upload_answers.c.entry_id == root)).scalars()
        if inactive := sorted(set(rows) & reversed_ids):
            raise _not_reversible("UPLOAD_REVERSED", inactive[0])


def _reject_if_active(transaction: Transaction, statement: Any, reversed_ids: set[int], code: str) -> None:
    found = sorted(set(transaction.connection.execute(statement).scalars()) - reversed_ids)
    if found:
        raise _not_reversible(code, found[-1])


def _not_reversible(code: str, entry: int) -> InvalidInputError:
    return InvalidInputError([Issue(code, field="entry", found=str(entry))], "nothing was reversed")
