"""Uploads of slips (納付書情報): the records that are to be sent next, and the entry and files with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin import bills as bill_files
from kokin._arrow.convert import BoolArray, Int64Array, bool_array, combine, int64_array, to_numpy
from kokin.issues import InvalidInputError, Issue, Location
from kokin.ledger._codec import canonical_rows, decode_columns, encode_column, to_bool
from kokin.ledger._database import Transaction
from kokin.ledger._journal import Entry, EntryWriter
from kokin.ledger._load_bills import latest_versions
from kokin.ledger._schema import BILL_DEFAULTS, PERSONAL_FIELDS, EntryKind
from kokin.ledger._upload_files import EntryDrafts, UploadFile, with_row_of
from kokin.ledger._upload_records import SLIP_KEY, days_of_entries, el_numbers, last_records, sent_records
from kokin.model import Bill, BillStatus, UploadOperation, UploadResult, arrow_schema
from kokin.receipts.layouts import Layout

#: Rows of a file by default.
MAX_ROWS = 100_000

_NEW, _CHANGE, _WITHDRAW = (each.value for each in UploadOperation)
_ACCEPTED = UploadResult.ACCEPTED.value

# At most so many slips are named in the issues of rejected bills.
_MAX_ISSUES = 100


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


def make_upload(writer: EntryWriter, request: UploadRequest, folder: Path) -> tuple[UploadRun, EntryDrafts]:
    """Write the entry of an upload and the drafts of its files; :meth:`EntryDrafts.complete` renames them.

    Args:
        writer: the entry; it is written only if a record is due.
        request: what is to be sent.
        folder: the folder of the files, which exists.

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
    drafts = EntryDrafts(writer, folder, writer.entry)
    files: list[UploadFile] = []
    entry = None
    if len(plan.operations):
        if not request.layout.verified:
            issues.append(Issue("LAYOUT_UNVERIFIED", found=request.layout.name))
        with drafts:
            writer.begin(EntryKind.UPLOAD, source=request.source, layout=request.layout.name)
            record_no = np.arange(1, len(plan.operations) + 1)
            files = _write_drafts(drafts, plan, record_no, request, suffix)
            writer.add_rows("upload_records", _upload_rows(plan, record_no, request.rows))
            yen = int(to_numpy(plan.bills.column("amount"), 0).sum())
            totals = {**counts, "sent": len(record_no), "yen": yen, "token": drafts.token}
            totals["files"] = [asdict(file) for file in files]
            entry = writer.commit(totals)
    return UploadRun(entry, **counts, files=tuple(files), completed=(), issues=tuple(issues)), drafts


def _plan(writer: EntryWriter, request: UploadRequest) -> tuple[_Plan, dict[str, int]]:
    """Return the records that are due, and the counts of the bills."""
    slips = last_records(sent_records(writer))
    bills, count = request.bills, len(request.bills)
    last = _last_of_bills(slips, bills)
    is_late = _is_before(writer, last.records, request.resend_before)
    operations, is_waiting = _operations(last, to_bool(pc.equal(last.content, request.contents)), is_late)
    plan = _Plan(bills, request.contents, operations, list(range(1, count + 1)))
    plan = plan.take(to_bool(operations.is_valid()))
    waiting = int(np.count_nonzero(is_waiting))
    counts = {"given": count, "absent": 0, "unchanged": count - len(plan.rows) - waiting, "waiting": waiting}
    if not request.whole:
        return plan, counts
    absent = _absent(writer, request, slips)
    return _merged(plan, absent), {**counts, "absent": len(absent.rows)}


@dataclass(frozen=True)
class _LastRecords:
    """The last record of the slip of each bill, n rows; without values where the slip was not sent."""

    records: pa.Table
    """From :func:`last_records`."""
    is_open: BoolArray
    """Whether the bill is open: bool (n,)."""
    is_sent: BoolArray
    is_known: BoolArray
    was_withdrawn: BoolArray
    """Whether the record is a withdrawal."""
    is_answered: BoolArray
    is_accepted: BoolArray

    @property
    def content(self) -> pa.ChunkedArray:
        """The content of the record, empty where the slip was not sent."""
        return self.records.column("content")


def _last_of_bills(slips: pa.Table, bills: pa.Table) -> _LastRecords:
    """Return the last record of the slip of each bill, by its eL number."""
    at = pc.index_in(el_numbers(bills), value_set=combine(slips.column("el_number")))
    is_sent = ~to_bool(at.is_null())
    records = slips.take(pc.fill_null(at, 0)) if len(slips) else _no_slips(slips, len(bills))
    return _LastRecords(
        records,
        to_bool(pc.equal(bills.column("status"), BillStatus.OPEN.value)),
        is_sent,
        is_sent & to_bool(records.column("is_known")),
        is_sent & to_bool(pc.equal(records.column("operation"), _WITHDRAW)),
        is_sent & to_bool(records.column("result").is_valid()),
        is_sent & to_bool(pc.equal(pc.fill_null(records.column("result"), ""), _ACCEPTED)),
    )


def _operations(last: _LastRecords, has_content: BoolArray, is_before: BoolArray) -> tuple[pa.Array, BoolArray]:
    """Return the operation that is due for each bill, null for none: string (n,); and whether a correction is due.

    Args:
        last: the last record of each slip.
        has_content: whether that record has the content of the bill.
        is_before: whether it was sent before the day from which records are sent again.
    """
    is_late = last.is_sent & ~last.is_accepted & is_before
    is_equal = last.is_sent & ~last.was_withdrawn & has_content
    is_repeated = last.is_open & is_equal & is_late
    is_due = last.is_open & (~is_equal | is_repeated)
    is_withdrawal = ~last.is_open & np.where(last.was_withdrawn, is_late, last.is_known)
    operations = pc.if_else(bool_array(last.is_known), _CHANGE, _NEW)
    # It is not known whether eLTAX has received a record without an answer: the same record is sent.
    is_same = bool_array(is_repeated & ~last.is_answered)
    operations = pc.if_else(is_same, combine(last.records.column("operation")), operations)
    operations = pc.if_else(bool_array(is_withdrawal), _WITHDRAW, operations)
    is_waiting = last.is_open & is_equal & last.is_answered & ~last.is_accepted & ~is_due
    return pc.if_else(bool_array(is_due | is_withdrawal), operations, pa.scalar(None, pa.string())), is_waiting


def _merged(first: _Plan, second: _Plan) -> _Plan:
    """Return the records of two plans, one after the other."""
    return _Plan(
        pa.concat_tables([first.bills, second.bills], promote_options="permissive").combine_chunks(),
        pa.concat_arrays([combine(first.contents), combine(second.contents)]),
        pa.concat_arrays([combine(first.operations), combine(second.operations)]),
        [*first.rows, *second.rows],
    )


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


def _write_drafts(
    drafts: EntryDrafts, plan: _Plan, record_no: Int64Array, request: UploadRequest, suffix: str
) -> list[UploadFile]:
    layout, operations = request.layout, plan.operations
    files: list[UploadFile] = []
    source = layout.bill.get("operation")
    if source and _CHANGE not in source.values.values():
        operations = pc.if_else(pc.equal(operations, _CHANGE), _NEW, operations)
    table = plan.bills.select([name for name in layout.bill if name in plan.bills.column_names])
    for name, column in (("operation", operations), ("upload_record_no", int64_array(record_no))):
        if name in layout.bill:
            table = table.append_column(name, column)
    names = plan.bills.column("bill_id")
    for start in range(0, len(table), request.rows):
        name = f"upload-{drafts.entry:04d}-{len(files) + 1:04d}.{suffix}"
        rows_of_file = table.slice(start, request.rows)
        try:
            digest = drafts.write(name, rows_of_file, layout, request.header)
        except InvalidInputError as error:
            part = slice(start, start + request.rows)
            rows, part_names = plan.rows[part], names.slice(start, request.rows).to_pylist()
            issues = [
                with_row_of(issue, rows, part_names, request.source) if issue.field in layout.data.by_id else issue
                for issue in error.issues
            ]
            raise InvalidInputError(issues, "nothing was sent") from error
        files.append(UploadFile(name, len(rows_of_file), digest))
    return files


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
