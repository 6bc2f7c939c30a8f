"""Answers to uploads (納付書情報の回答): each record is tied to the record that it answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, Self

import numpy as np
import pyarrow as pa
from sqlalchemy import select

from kokin._arrow.convert import as_table, int64_array
from kokin._arrow.threads import CHUNK_ROWS
from kokin._arrow.validate import location_of, validate_table
from kokin.issues import MAX_ISSUES, InvalidInputError, Issue, Location, RejectedRecordsError
from kokin.ledger._active_entries import find_posted_file
from kokin.ledger._codec import encode_column
from kokin.ledger._database import Transaction
from kokin.ledger._incoming import digest_of, issue_rows
from kokin.ledger._journal import Entry, EntryWriter
from kokin.ledger._queries import active_entries_of
from kokin.ledger._schema import EntryKind, bill_versions, slip_numbers, upload_records
from kokin.ledger._upload_records import SLIP_KEY, el_numbers, sent_records
from kokin.model import UploadAnswer, UploadOperation, UploadResult
from kokin.receipts import MappedFile

_WITHDRAW, _ACCEPTED = UploadOperation.WITHDRAW.value, UploadResult.ACCEPTED.value


@dataclass(frozen=True, slots=True)
class UploadAnswers:
    """The result of adding an answer: ``read = accepted + rejected + without_record``."""

    entry: Entry
    """The entry of the answer, or of the same file before."""
    inserted: bool
    """False: the answer of this file is already added, by ``entry``; nothing was written."""
    read: int
    """Records of the answer."""
    accepted: int
    """Records that say that a slip was accepted."""
    rejected: int
    """Records that say that a slip was rejected."""
    without_record: int
    """Records that could not be tied to a record that was sent; ``issues`` names each."""
    issues: tuple[Issue, ...]

    @classmethod
    def of(cls, entry: Entry, issues: tuple[Issue, ...], *, inserted: bool) -> Self:
        """Return the result of an entry, with the counts of its totals."""
        return cls(entry, inserted, **{name: int(entry.totals[name]) for name in _COUNTS}, issues=issues)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON; the entry by its number."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        return {"entry": self.entry.id, "inserted": self.inserted, **counts}


_COUNTS = ("read", "accepted", "rejected", "without_record")


@dataclass(frozen=True)
class AnswerBatch:
    """The answers of one file."""

    source: str
    layout: str
    digest: str
    """SHA-256 of the file, or of the rows of a table without one; with an upload, of the two together."""
    upload: int | None
    """The upload that the file answers; None if each answer has the key of a slip."""
    rows: Sequence[Mapping[str, Any]]
    """The fields of each record, with ``record_no``."""
    warnings: tuple[Issue, ...] = ()
    """The warnings of the file."""


def answer_batch(answers: MappedFile | Any, source: str | None, upload: int | None) -> AnswerBatch:
    """Read the answers of one file, or check a table of them.

    Raises:
        FileRejectedError: the file is rejected: a total differs, or its end is missing.
        RejectedRecordsError: a record of the file is invalid.
        InvalidInputError: not a table of answers, several files, an unknown result, or a duplicate record number.
    """
    warnings: tuple[Issue, ...] = ()
    if isinstance(answers, MappedFile):
        table, warnings = _read(answers)
    else:
        table = as_table(answers)
    table = validate_table(table, UploadAnswer, place=partial(_place, table, source or ""))
    rows = _checked_rows(table, source or "")
    files = {tuple(row.get(name) or "" for name in ("source", "layout", "digest")) for row in rows}
    if len(files) > 1:
        issue = Issue("SEVERAL_FILES", field="digest", expected="one", found=str(len(files)))
        raise InvalidInputError([issue], "nothing was posted")
    own_source, layout, digest = next(iter(files), ("", "", ""))
    if isinstance(answers, MappedFile):  # which can have no record
        own_source, layout, digest = answers.source, answers.layout.name, answers.digest
    digest = digest or digest_of(pa.table({name: encode_column(table.column(name)) for name in table.column_names}))
    if upload is not None:  # the answers to two uploads can have the same bytes
        digest = sha256(f"{upload}\n{digest}".encode()).hexdigest()
    return AnswerBatch(source or own_source, layout, digest, upload, rows, warnings)


def _read(file: MappedFile) -> tuple[pa.Table, tuple[Issue, ...]]:
    """Return the answers of a file with their record numbers, and the warnings of the file.

    Raises:
        FileRejectedError: the file is rejected.
        RejectedRecordsError: a record is invalid.
    """
    chunks = list(file.chunks(CHUNK_ROWS))
    issues = [issue for chunk in chunks for issue in chunk.issues]
    if rejected := sum(chunk.rejected for chunk in chunks):
        errors = [issue for issue in issues if issue.is_error]
        raise RejectedRecordsError(errors, f"{file.source}: {rejected:,} rejected; nothing was posted")
    numbers = int64_array(np.concatenate([chunk.record_numbers for chunk in chunks]))
    table = pa.concat_tables([chunk.table for chunk in chunks]).append_column("record_no", numbers)
    return table.append_column("source", pa.repeat(file.source, len(table))), tuple(issues)


def _place(table: pa.Table, source: str, row: int) -> Location:
    """Return the location of a row, from 1, by its number in the file if it has one."""
    location = location_of(table, row)
    return Location(location.file or source, location.record or row)


def _checked_rows(table: pa.Table, source: str) -> list[dict[str, Any]]:
    """Return the fields of each answer; results and operations are known, record numbers are unique.

    Raises:
        InvalidInputError: an unknown result or operation, or a duplicate record number.
    """
    rows: list[dict[str, Any]] = table.to_pylist()
    issues = []
    for number, row in enumerate(rows, 1):
        row["record_no"] = row.get("record_no") or number
        row["case_key"] = row["case_key"].zfill(20) if row.get("case_key") else None
        for name, kind in (("result", UploadResult), ("operation", UploadOperation)):
            if row.get(name) is not None and row[name] not in {*kind}:
                location = Location(row.get("source") or source, row["record_no"])
                issues.append(Issue("CODE_UNKNOWN", field=name, expected=", ".join(kind), location=location))
    counts = Counter(row["record_no"] for row in rows)
    duplicates = [number for number, count in counts.items() if count > 1]
    issues += [Issue("RECORD_TWICE", field="record_no", location=Location(source, number)) for number in duplicates]
    if issues:
        raise InvalidInputError(issues, "nothing was posted")
    return rows


@dataclass(frozen=True)
class _TiedAnswers:
    """The answers of a file with the records that they answer."""

    rows: pa.Table
    """Rows of ``upload_answers``."""
    issues: tuple[Issue, ...]
    """An issue for each answer without a record."""

    @property
    def totals(self) -> dict[str, int]:
        """The totals of the entry: ``read = accepted + rejected + without_record``."""
        accepted = self.rows.column("result").to_pylist().count(_ACCEPTED)
        without_record = len(self.issues)
        counts = {"accepted": accepted, "rejected": len(self.rows) - accepted, "without_record": without_record}
        return {"read": len(self.rows) + without_record, **counts}


@dataclass(slots=True)
class _Sent:
    """A record that was sent."""

    id: int
    entry_id: int
    record_no: int
    operation: str
    slip: str
    bill_id: str
    result: str | None


class _SentRecords:
    """The active records by the keys of an answer, and the last record of each slip."""

    def __init__(self, transaction: Transaction, upload: int | None) -> None:
        records = sent_records(transaction)
        names = ("id", "entry_id", "record_no", "operation", "el_number", "bill_id", "result")
        columns = [records.column(name).to_pylist() for name in names]
        self.upload = upload
        self.by_slip: dict[str, list[_Sent]] = {}
        self.by_bill: dict[str, list[_Sent]] = {}
        self.by_number: dict[int, _Sent] = {}
        self.last: dict[str, _Sent] = {}
        for values in zip(*columns, strict=True):
            sent = _Sent(*values)
            self.last[sent.slip] = sent
            if upload not in (None, sent.entry_id):
                continue
            self.by_slip.setdefault(sent.slip, []).append(sent)
            self.by_bill.setdefault(sent.bill_id, []).append(sent)
            if upload is not None:
                self.by_number[sent.record_no] = sent

    def find(self, answer: Mapping[str, Any]) -> _Sent | None:
        """Return the last record of the key of an answer, with its operation if it has one; None for none."""
        if (slip := _el_number(answer)) is not None:
            found = self.by_slip.get(slip, [])
        elif answer.get("bill_id"):
            found = self.by_bill.get(answer["bill_id"], [])
        else:
            sent = self.by_number.get(answer.get("upload_record_no") or 0)
            found = [sent] if sent else []
        operation = answer.get("operation")
        return next((sent for sent in reversed(found) if operation in (None, sent.operation)), None)


def _el_number(answer: Mapping[str, Any]) -> str | None:
    """Return the eL number of an answer, None if it lacks one of its fields."""
    names = ("payee_code", "case_key", "confirmation", "item_code")
    return "-".join(answer[name] for name in names) if all(answer.get(name) for name in names) else None


def add_answer(writer: EntryWriter, batch: AnswerBatch) -> UploadAnswers:
    """Add the answer to an upload; see :meth:`kokin.ledger.Ledger.add_upload_answer`."""
    posted, deliveries = find_posted_file(writer, EntryKind.UPLOAD_ANSWER, batch.digest)
    if posted:
        return UploadAnswers.of(posted, (), inserted=False)
    tied = _tie(writer, batch)
    if tied.issues and not len(tied.rows):
        raise InvalidInputError(tied.issues, "nothing was posted")
    about = {"source": batch.source, "layout": batch.layout, "digest": batch.digest, "delivery": deliveries + 1}
    writer.begin(EntryKind.UPLOAD_ANSWER, **about)
    writer.add_rows("upload_answers", tied.rows)
    issues = (*batch.warnings, *tied.issues)
    writer.add_rows("file_issues", issue_rows(issues[:MAX_ISSUES]))
    return UploadAnswers.of(writer.commit(tied.totals), issues, inserted=True)


def _tie(transaction: Transaction, batch: AnswerBatch) -> _TiedAnswers:
    """Tie each answer to the last record of its slip, or to that of the upload that is answered.

    Raises:
        InvalidInputError: there is no such upload, or it was reversed.
    """
    upload = batch.upload
    if upload is not None and upload not in {
        entry.id for entry in active_entries_of(transaction, EntryKind.UPLOAD, None)
    }:
        raise InvalidInputError([Issue("UPLOAD_UNKNOWN", field="upload", found=str(upload))], "nothing was posted")
    sent_records = _SentRecords(transaction, upload)
    issues: list[Issue] = []
    found: list[tuple[Mapping[str, Any], _Sent]] = []
    missing: list[Mapping[str, Any]] = []
    for answer in batch.rows:
        has_number = upload is not None and answer.get("upload_record_no")
        if not (_el_number(answer) or answer.get("bill_id") or has_number):
            issues.append(_issue(batch, answer, "ANSWER_WITHOUT_KEY"))
        elif (sent := sent_records.find(answer)) is None:
            missing.append(answer)
        elif _is_withdrawn(answer, sent, sent_records.last[sent.slip]):
            issues.append(_issue(batch, answer, "ANSWER_WITHDRAWN", sent.bill_id))
        else:
            found.append((answer, sent))
    known = _known_slips(transaction, missing)
    for answer in missing:
        name = answer.get("bill_id") or _el_number(answer) or str(answer.get("upload_record_no"))
        is_known = bool({_el_number(answer), answer.get("bill_id")} & known)
        issues.append(_issue(batch, answer, "ANSWER_NOT_SENT" if is_known else "ANSWER_KEY_UNKNOWN", name))
    results: dict[int, set[str]] = {}
    for answer, sent in found:
        results.setdefault(sent.id, set()).add(answer["result"])
    tied = []
    for answer, sent in found:
        if len(results[sent.id]) > 1:
            issues.append(_issue(batch, answer, "ANSWER_CONTRADICTS", sent.bill_id))
        else:
            tied.append((answer, sent))
    names = ("record_no", "result", "reason_code", "field")
    types = {"record_no": pa.int64()}
    columns = {name: pa.array([answer.get(name) for answer, _ in tied], types.get(name, pa.string())) for name in names}
    columns["upload_record_id"] = pa.array([sent.id for _, sent in tied], pa.int64())
    return _TiedAnswers(pa.table(columns), tuple(sorted(issues, key=lambda issue: issue.location.record or 0)))


def _is_withdrawn(answer: Mapping[str, Any], sent: _Sent, last: _Sent) -> bool:
    """Return whether a slip was withdrawn after a record, or its withdrawal was accepted, which the answer denies."""
    is_denied = last.result == _ACCEPTED and answer["result"] != _ACCEPTED
    return last.operation == _WITHDRAW and (sent.id != last.id or is_denied)


def _issue(batch: AnswerBatch, answer: Mapping[str, Any], code: str, found: str = "") -> Issue:
    location = Location(batch.source, answer["record_no"])
    return Issue(code, field="el_number", found=found, location=location)


def _known_slips(transaction: Transaction, answers: Sequence[Mapping[str, Any]]) -> set[str | None]:
    """Return the eL numbers and bill_ids of answers that the ledger has as numbers, bills or inactive records."""
    known: set[str | None] = set()
    for table in (slip_numbers, bill_versions, upload_records):
        statement = select(*(table.c[name] for name in (*SLIP_KEY, "bill_id")))
        for name in ("case_key", "bill_id"):
            values = sorted({answer[name] for answer in answers if answer.get(name)})
            rows = transaction.fetch(statement, table.c[name], values)
            known |= {*el_numbers(rows).to_pylist(), *rows.column("bill_id").to_pylist()}
    return known
