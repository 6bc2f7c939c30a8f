"""Uploads of slips (納付書情報): the state of each slip that was sent, and the records that are to be sent next.

A slip is identified by its eL number. What was sent for it are the records of active uploads, in their order; of the
answers to a record the last one applies. eLTAX can have a slip if, after its last withdrawal that was not rejected, a
new or changed record of it was not rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from kokin import bills as bill_files
from kokin._arrow.convert import BoolArray, Int64Array, bool_array, combine, int64_array, to_numpy
from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger._codec import canonical_rows, decode_columns, encode_column, to_bool
from kokin.ledger._components import as_of_entry
from kokin.ledger._database import Transaction
from kokin.ledger._journal import Entry, EntryWriter, rows_of_entry
from kokin.ledger._load_bills import latest_versions
from kokin.ledger._reversals import reversed_entries
from kokin.ledger._schema import BILL_DEFAULTS, PERSONAL_FIELDS, EntryKind, entries, upload_answers, upload_records
from kokin.ledger._upload_files import UploadDrafts, UploadFile, with_row_of
from kokin.model import Bill, BillStatus, UploadOperation, UploadResult, arrow_schema
from kokin.receipts.layouts import Layout
from kokin.text import JAPAN

#: The fields of the eL number, by which a slip is identified.
SLIP_KEY = ("payee_code", "item_code", "case_key", "confirmation")

#: Rows of a file by default.
MAX_ROWS = 100_000

_NEW, _CHANGE, _WITHDRAW = (each.value for each in UploadOperation)
_ACCEPTED, _REJECTED = (each.value for each in UploadResult)

# At most so many slips are named in the issues of rejected bills.
_MAX_ISSUES = 100


def el_numbers(rows: pa.Table) -> pa.Array:
    """Return the eL number of each row, 34 digits with hyphens; see :attr:`kokin.elqr.ElQr.el_number`."""
    names = ("payee_code", "case_key", "confirmation", "item_code")
    return pc.binary_join_element_wise(*(combine(rows.column(name)) for name in names), "-")


# What was sent


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


# What is to be sent


@dataclass(frozen=True, slots=True)
class UploadRun:
    """The result of making an upload: ``given + absent = new + change + withdraw + unchanged + waiting + by_hand``."""

    entry: Entry | None
    """The entry of the upload; None if there was nothing to send."""
    given: int
    """Bills in the table."""
    absent: int
    """Slips that are not in the table and were to be withdrawn, because it is the whole register."""
    new: int
    change: int
    withdraw: int
    unchanged: int
    """Slips for which nothing is to be sent."""
    waiting: int
    """Slips whose last record was rejected, and whose content has not changed since."""
    by_hand: int
    """Slips with an operation that the layout cannot write; ``issues`` names each."""
    files: tuple[UploadFile, ...]
    """The files of the upload, in the folder."""
    completed: tuple[str, ...]
    """The files of an earlier upload that was interrupted, which were completed now."""
    issues: tuple[Issue, ...]
    """UPLOAD_ABSENT for each absent slip, UPLOAD_BY_HAND for each operation that the layout cannot write, and
    LAYOUT_UNVERIFIED."""

    @property
    def sent(self) -> int:
        """The number of records in the files."""
        return self.new + self.change + self.withdraw

    def as_dict(self) -> dict[str, Any]:
        """Return the counts and files for JSON."""
        values = {name: getattr(self, name) for name in _COUNTS}
        files = [asdict(file) for file in self.files]
        return {"entry": self.entry and self.entry.id, **values, "files": files, "completed": list(self.completed)}


_COUNTS = ("given", "absent", "new", "change", "withdraw", "unchanged", "waiting", "by_hand")


@dataclass(frozen=True)
class UploadRequest:
    """What a caller wants to be sent, checked outside of the transaction."""

    bills: pa.Table
    """Valid bills, each slip once, with the columns of the layout, of the key, ``bill_id, amount, status`` and
    ``payable_until``."""
    contents: pa.Array
    """The SHA-256 of the values of each bill that the layout writes."""
    layout: Layout
    header: Mapping[str, Any]
    rows: int
    """The most records of a file."""
    whole: bool
    """Whether slips that are not among the bills are withdrawn."""
    resend_before: date | None
    """Records that were sent before this day and have no answer, or were rejected, are sent again."""
    source: str


def upload_request(
    bills: Any,
    layout: Layout,
    *,
    source: str,
    header: Mapping[str, Any] | None,
    rows: int,
    whole: bool,
    resend_before: date | None,
) -> UploadRequest:
    """Check the bills of an upload.

    Raises:
        InvalidInputError: the layout has no ``[bill]``, a bill is invalid, or two bills have one eL number.
    """
    if not layout.bill:
        raise InvalidInputError(
            [Issue("LAYOUT_TABLE_MISSING", expected="[bill]", found=layout.name)], "nothing was sent"
        )
    if rows < 1:
        raise InvalidInputError([Issue("AMOUNT_RANGE", field="rows", expected="1 or more", found=str(rows))])
    table = _complete(bill_files.read(bills).table, layout)
    numbers = el_numbers(table)
    counts = pc.value_counts(numbers)
    duplicates = counts.field("values").filter(pc.greater(counts.field("counts"), 1)).to_pylist()
    if duplicates:
        issues = []
        for number in duplicates[:_MAX_ISSUES]:
            row = int(pc.index(numbers, number).as_py()) + 1
            issues.append(Issue("SLIP_DUPLICATE", field="el_number", found=number, location=Location(source, row)))
        raise InvalidInputError(issues, "nothing was sent")
    return UploadRequest(
        table, _contents(table, layout), layout, dict(header or {}), rows, whole, resend_before, source
    )


def _complete(bills: pa.Table, layout: Layout) -> pa.Table:
    """Return bills with the columns that the layout writes and those of the ledger; missing ones get their default."""
    schema, count = arrow_schema(Bill), len(bills)
    names = dict.fromkeys([*SLIP_KEY, "bill_id", "amount", "status", "payable_until", *layout.bill])
    columns = {}
    for name in names:
        if name in bills.column_names:
            columns[name] = combine(bills.column(name))
        elif name in BILL_DEFAULTS:
            columns[name] = pa.repeat(pa.scalar(BILL_DEFAULTS[name], schema.field(name).type), count)
        elif name in schema.names:
            columns[name] = pa.nulls(count, schema.field(name).type)
    return pa.table(columns)


def _contents(bills: pa.Table, layout: Layout) -> pa.Array:
    """Return the SHA-256 of the values that the layout writes of each bill, without personal fields: string (n,).

    The hash of a name could be guessed from a list of names, so a change of personal fields alone is no change.
    """
    names = [name for name in layout.bill if name in bills.column_names and name not in PERSONAL_FIELDS]
    rows = canonical_rows(pa.table({name: encode_column(bills.column(name)) for name in names}))
    return pa.array([sha256(row).hexdigest() for row in rows], pa.string())


@dataclass(frozen=True)
class _Plan:
    """The records that are due, in the order of the bills, absent slips last."""

    bills: pa.Table
    contents: pa.Array
    operations: pa.Array
    """The operation of each."""
    rows: list[int | None]
    """The number of each in the table of bills, from 1."""

    def take(self, mask: BoolArray) -> _Plan:
        at = np.flatnonzero(mask)
        return _Plan(
            self.bills.take(int64_array(at)),
            self.contents.take(int64_array(at)),
            self.operations.take(int64_array(at)),
            [self.rows[row] for row in at.tolist()],
        )


def make_upload(
    writer: EntryWriter, request: UploadRequest, folder: Path, begin: Callable[[], None]
) -> tuple[UploadRun, UploadDrafts]:
    """Write the entry of an upload and the drafts of its files; :meth:`UploadDrafts.complete` renames them.

    Args:
        writer: the entry; it is written only if a record is due.
        request: what is to be sent.
        folder: the folder of the files, which exists.
        begin: called to begin the entry.

    Raises:
        InvalidInputError: a value that the layout cannot write; nothing was sent, and no draft is left.
        OSError: a draft could not be written.
    """
    plan, counts = _plan(writer, request)
    is_possible = _is_possible(plan.operations, request.layout)
    issues = [*_absent_issues(plan), *_by_hand_issues(plan.take(~is_possible), request.source)]
    plan = plan.take(is_possible)
    counts["by_hand"] = int(np.count_nonzero(~is_possible))
    counts |= {each.value: int(pc.sum(pc.equal(plan.operations, each.value)).as_py() or 0) for each in UploadOperation}
    suffix = "csv" if request.layout.csv else "dat"
    drafts = UploadDrafts(writer, folder, writer.entry, suffix)
    entry = None
    if len(plan.operations):
        if not request.layout.verified:
            issues.append(Issue("LAYOUT_UNVERIFIED", found=request.layout.name))
        try:
            begin()
            record_no = np.arange(1, len(plan.operations) + 1)
            _write_drafts(drafts, plan, record_no, request)
            writer.add_rows("upload_records", _upload_rows(plan, record_no, request.rows))
            yen = int(to_numpy(plan.bills.column("amount"), 0).sum())
            files = [asdict(file) for file in drafts.files]
            totals = {**counts, "sent": len(record_no), "yen": yen, "files": files, "token": drafts.token}
            entry = writer.commit(totals)
        except BaseException:
            drafts.remove()
            raise
    return UploadRun(entry, **counts, files=tuple(drafts.files), completed=(), issues=tuple(issues)), drafts


def _plan(writer: EntryWriter, request: UploadRequest) -> tuple[_Plan, dict[str, int]]:
    """Return the records that are due, and the counts of the bills."""
    slips = last_records(sent_records(writer))
    bills, count = request.bills, len(request.bills)
    at = pc.index_in(el_numbers(bills), value_set=combine(slips.column("el_number")))
    is_sent = ~to_bool(at.is_null())
    last = slips.take(pc.fill_null(at, 0)) if len(slips) else _no_slips(slips, count)
    was_withdrawn = is_sent & to_bool(pc.equal(last.column("operation"), _WITHDRAW))
    is_known = is_sent & to_bool(last.column("is_known"))
    is_equal = is_sent & ~was_withdrawn & to_bool(pc.equal(last.column("content"), request.contents))
    is_answered = to_bool(last.column("result").is_valid())
    is_accepted = to_bool(pc.equal(pc.fill_null(last.column("result"), ""), _ACCEPTED))
    is_late = is_sent & ~is_accepted & _is_before(writer, last, request.resend_before)
    is_open = to_bool(pc.equal(bills.column("status"), BillStatus.OPEN.value))

    is_repeated = is_open & is_equal & is_late
    is_present_due = is_open & (~is_equal | is_repeated)
    is_withdrawal_due = ~is_open & np.where(was_withdrawn, is_late, is_known)
    operations = pc.if_else(bool_array(is_known), _CHANGE, _NEW)
    operations = pc.if_else(bool_array(is_repeated & ~is_answered), combine(last.column("operation")), operations)
    operations = pc.if_else(bool_array(is_withdrawal_due), _WITHDRAW, operations)
    is_due = is_present_due | is_withdrawal_due
    plan = _Plan(bills, request.contents, operations, list(range(1, count + 1))).take(is_due)

    is_waiting = is_open & is_equal & is_answered & ~is_accepted & ~is_due
    waiting = int(np.count_nonzero(is_waiting))
    unchanged = count - len(plan.rows) - waiting
    absent = _absent(writer, request, slips) if request.whole else plan.take(np.zeros(len(plan.rows), np.bool_))
    counts = {"given": count, "absent": len(absent.rows), "unchanged": unchanged, "waiting": waiting}
    merged = _Plan(
        pa.concat_tables([plan.bills, absent.bills], promote_options="permissive").combine_chunks(),
        pa.concat_arrays([combine(plan.contents), combine(absent.contents)]),
        pa.concat_arrays([combine(plan.operations), combine(absent.operations)]),
        [*plan.rows, *absent.rows],
    )
    return merged, counts


def _no_slips(slips: pa.Table, count: int) -> pa.Table:
    """Return rows without values, for bills of which no slip was sent."""
    columns = {
        field.name: pa.repeat(False, count) if pa.types.is_boolean(field.type) else pa.nulls(count, field.type)
        for field in slips.schema
    }
    return pa.table({**columns, "operation": pa.repeat("", count), "content": pa.repeat("", count)})


def _is_before(transaction: Transaction, slips: pa.Table, day: date | None) -> BoolArray:
    """Return whether the last record of each slip was sent before a day; false without a day."""
    if day is None:
        return np.zeros(len(slips), np.bool_)
    days = days_of_entries(transaction, EntryKind.UPLOAD)
    before = np.array(sorted(entry for entry, sent_on in days.items() if sent_on < day), np.int64)
    return np.isin(to_numpy(slips.column("entry_id"), 0), before)


def _absent(writer: EntryWriter, request: UploadRequest, slips: pa.Table) -> _Plan:
    """Return the withdrawals of the slips that eLTAX can have and that are not among the bills.

    Only slips with a payee and item that occur among the bills: the register of one system lacks those of the others.
    The values of a slip are those of its bill in the ledger if it is the same slip, else those that were stored.
    """
    bills = request.bills
    pairs = pc.binary_join_element_wise(combine(bills.column("payee_code")), combine(bills.column("item_code")), "-")
    own = pc.binary_join_element_wise(combine(slips.column("payee_code")), combine(slips.column("item_code")), "-")
    is_absent = to_bool(slips.column("is_known")) & to_bool(pc.is_in(own, value_set=pairs))
    is_absent &= ~to_bool(pc.is_in(slips.column("el_number"), value_set=el_numbers(bills)))
    was_withdrawn = to_bool(pc.equal(slips.column("operation"), _WITHDRAW))
    is_absent &= ~was_withdrawn | _is_before(writer, slips, request.resend_before)
    slips = slips.filter(bool_array(is_absent))
    stored = slips.select([*SLIP_KEY, "bill_id", "amount", "payable_until"])
    table = _complete(decode_columns(stored, Bill), request.layout)
    versions = latest_versions(writer, slips.column("bill_id"))
    if len(versions):
        known = pc.index_in(el_numbers(table), value_set=el_numbers(versions))
        fields = _complete(decode_columns(versions, Bill), request.layout).take(known)
        columns = {
            name: combine(table.column(name))
            if name in stored.column_names
            else pc.coalesce(combine(fields.column(name)), combine(table.column(name)))
            for name in table.column_names
        }
        table = pa.table(columns)
    count = len(table)
    return _Plan(table, _contents(table, request.layout), pa.repeat(_WITHDRAW, count), [None] * count)


def _is_possible(operations: pa.Array, layout: Layout) -> BoolArray:
    """Return whether the layout can write each operation."""
    source = layout.bill.get("operation")
    possible = {*map(str, source.values.values())} if source else {_NEW}
    if layout.upload.change_as_new:
        possible.add(_CHANGE)
    return to_bool(pc.is_in(operations, value_set=pa.array(sorted(possible))))


def _absent_issues(plan: _Plan) -> Iterator[Issue]:
    for name, row in zip(plan.bills.column("bill_id").to_pylist(), plan.rows, strict=True):
        if row is None:
            yield Issue("UPLOAD_ABSENT", field="bill_id", found=name)


def _by_hand_issues(plan: _Plan, source: str) -> Iterator[Issue]:
    names, operations = plan.bills.column("bill_id").to_pylist(), plan.operations.to_pylist()
    for name, operation, row in zip(names, operations, plan.rows, strict=True):
        location = Location(source, row)
        yield Issue("UPLOAD_BY_HAND", field="operation", expected=operation, found=name, location=location)


def _write_drafts(drafts: UploadDrafts, plan: _Plan, record_no: Int64Array, request: UploadRequest) -> None:
    layout, operations = request.layout, plan.operations
    source = layout.bill.get("operation")
    if source and _CHANGE not in source.values.values():
        operations = pc.if_else(pc.equal(operations, _CHANGE), _NEW, operations)
    table = plan.bills.select([name for name in layout.bill if name in plan.bills.column_names])
    for name, column in (("operation", operations), ("upload_record_no", int64_array(record_no))):
        if name in layout.bill:
            table = table.append_column(name, column)
    names = plan.bills.column("bill_id")
    for start in range(0, len(table), request.rows):
        try:
            drafts.write(table.slice(start, request.rows), layout, request.header)
        except InvalidInputError as error:
            part = slice(start, start + request.rows)
            rows, part_names = plan.rows[part], names.slice(start, request.rows).to_pylist()
            issues = [
                with_row_of(issue, rows, part_names, request.source) if issue.field in layout.data.by_id else issue
                for issue in error.issues
            ]
            raise InvalidInputError(issues, "nothing was sent") from error


def _upload_rows(plan: _Plan, record_no: Int64Array, rows: int) -> pa.Table:
    """Return the records of a plan as rows of ``upload_records``."""
    names = ("bill_id", *SLIP_KEY, "amount", "payable_until")
    return pa.table(
        {
            "record_no": int64_array(record_no),
            "file_no": int64_array((record_no - 1) // rows + 1),
            "operation": plan.operations,
            **{name: encode_column(plan.bills.column(name)) for name in names},
            "content": plan.contents,
        }
    )


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
