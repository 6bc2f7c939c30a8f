"""Incoming batches: the receipts of one file, bank deposits, or agent reports, with a digest that identifies them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import as_table, int64_array, to_numpy
from kokin._arrow.validate import validate_table
from kokin.issues import InvalidInputError, Issue, Location, ReadResult, printable, to_table
from kokin.ledger._codec import canonical_rows, encode_column
from kokin.ledger._components import RECEIPT_COLUMNS
from kokin.ledger._schema import RECORD_FIELDS, EntryKind
from kokin.model import Receipt, ReceiptKind, Record
from kokin.receipts import ControlRecord, DeclaredTotal, FilePart, ReceiptFile, Totals
from kokin.reconcile import AgentReport, BankDeposit


@dataclass(frozen=True)
class ReceiptBatch:
    """The receipts of one file."""

    source: str
    layout: str
    digest: str
    """SHA-256 of the file, or of the rows of a table without one."""
    totals: Mapping[str, Any]
    """The totals, as stored in the entry."""
    receipts: pa.Table
    """Encoded, by record number."""
    issues: Sequence[Issue] = ()
    """The issues of its records, at most so many as the file keeps."""


def receipt_batch(receipts: ReceiptFile | FilePart | ReadResult[Totals] | Any, source: str | None) -> ReceiptBatch:
    """Read the receipts of one file, or validate a table of them.

    Args:
        receipts: a receipt file, which is read to its end; a part or the result of reading one; or a table of the
            receipts of one file, as anything that exports Arrow data. Without ``digest`` that of the rows is computed;
            without ``record_no`` the rows are numbered from 1.
        source: the name of the file, if another than its own.

    Raises:
        FileRejectedError: the file is rejected.
        InvalidInputError: not a table of receipts, several files, or a duplicate record number.
    """
    if isinstance(receipts, ReceiptFile):
        table = pa.Table.from_batches(list(receipts.batches()), receipts.schema())
        totals = _encode_totals(receipts.totals)
        about = (source or receipts.source, receipts.layout.name, receipts.digest)
        return ReceiptBatch(*about, totals, _encode(table), list(receipts.issues))
    if isinstance(receipts, FilePart):
        about = (source or receipts.source, receipts.layout, receipts.digest)
        return ReceiptBatch(*about, _encode_totals(receipts.totals), _encode(receipts.table), receipts.issues)
    table = validate_table(as_table(receipts), Receipt)
    encoded = _encode(table)
    names = (source or _constant(table, "source"), _constant(table, "layout"))
    if isinstance(receipts, ReadResult) and isinstance(receipts.totals, Totals) and len(encoded):
        totals = _encode_totals(receipts.totals)
        return ReceiptBatch(*names, _constant(table, "digest"), totals, encoded, receipts.issues)
    amount = int(to_numpy(encoded.column("amount"), 0).sum())
    counts = {"read": len(encoded), "accepted": len(encoded), "accepted_yen": amount}
    return ReceiptBatch(*names, _constant(table, "digest") or digest_of(encoded), counts, encoded)


def _encode_totals(totals: Totals) -> dict[str, Any]:
    """Return the totals of a file as its entry stores them."""
    values = asdict(totals)
    values["declared"] = [{**asdict(total), "location": {"record": total.location.record}} for total in totals.declared]
    del values["complete"]
    return values


def decode_totals(values: Mapping[str, Any]) -> Totals:
    """Return the totals of a file from those of its entry."""
    declared = [DeclaredTotal(**{**row, "location": Location(**row["location"])}) for row in values.get("declared", [])]
    # Entries of earlier versions of Kokin have no control records.
    control_records = [ControlRecord(**row) for row in values.get("control_records", [])]
    counts = {name: value for name, value in values.items() if name != "overlaps"}
    return Totals(**{**counts, "declared": declared, "control_records": control_records}, complete=True)


def _encode(table: pa.Table) -> pa.Table:
    """Return encoded receipts by record number, which must be unique."""
    columns = {name: encode_column(table.column(name)) for name in RECEIPT_COLUMNS if name in table.column_names}
    record_no = columns.get("record_no")
    if record_no is None or record_no.null_count == len(record_no):
        record_no = int64_array(np.arange(1, len(table) + 1))
    kind = pc.fill_null(columns.get("kind", pa.nulls(len(table), pa.string())), ReceiptKind.FINAL.value)
    encoded = pa.table({**columns, "record_no": record_no, "kind": kind})
    if record_no.null_count:
        raise InvalidInputError([Issue("FIELD_MISSING", field="record_no")], "the receipts were rejected")
    numbers = to_numpy(record_no, 0)
    if (np.diff(numbers) <= 0).any():
        encoded = encoded.sort_by("record_no")
        numbers = np.sort(numbers)
        duplicates = np.unique(numbers[1:][np.diff(numbers) == 0]).tolist()
        if duplicates:
            issues = [Issue("RECORD_TWICE", field="record_no", location=Location(record=each)) for each in duplicates]
            raise InvalidInputError(issues, "the receipts were rejected")
    return encoded


def digest_of(encoded: pa.Table) -> str:
    """Return the SHA-256 of encoded rows, for rows that come from no file: hexadecimal."""
    return sha256(b"\n".join(canonical_rows(encoded))).hexdigest()


def _constant(table: pa.Table, name: str) -> str:
    """Return the only value of a column, or an empty text if the table has no such column."""
    if name not in table.column_names:
        return ""
    values = pc.unique(pc.fill_null(table.column(name).cast(pa.string()), "")).to_pylist()
    if len(values) > 1:
        issue = Issue("SEVERAL_FILES", field=name, expected="one", found=str(len(values)))
        raise InvalidInputError([issue], "nothing was posted; post one file at a time")
    return values[0] if values else ""


#: The record of each kind of bank reconciliation data (払込).
SETTLEMENT_RECORDS: dict[EntryKind, type[Record]] = {
    EntryKind.BANK_DEPOSITS: BankDeposit,
    EntryKind.AGENT_REPORTS: AgentReport,
}


@dataclass(frozen=True)
class SettlementBatch:
    """Bank deposits or agent reports of one source."""

    digest: str
    """SHA-256 of the name of the source and the rows."""
    totals: Mapping[str, Any]
    """Their number and yen, and the control records of their file, as stored in the entry."""
    rows: pa.Table
    """Encoded."""


def settlement_batch(kind: EntryKind, records: Any, source: str, file: ReceiptFile | None = None) -> SettlementBatch:
    """Validate a table of bank deposits or agent reports.

    Args:
        kind: what they are.
        records: the table.
        source: the name of their file.
        file: the file that they were read from, if it was read with a layout.

    Raises:
        InvalidInputError: a required column or value is missing, or has another type.
    """
    table = validate_table(as_table(records), SETTLEMENT_RECORDS[kind], place=partial(Location, source))
    names = [name for name in RECORD_FIELDS[kind.value].names if name in table.column_names]
    rows = pa.table({name: encode_column(table.column(name)) for name in names})
    totals: dict[str, Any] = {"given": len(rows), "yen": int(to_numpy(rows.column("amount"), 0).sum())}
    if file:
        totals["control_records"] = [asdict(record) for record in file.totals.control_records]
    return SettlementBatch(sha256(f"{source}\n{digest_of(rows)}".encode()).hexdigest(), totals, rows)


def issue_rows(issues: Sequence[Issue]) -> pa.Table:
    """Return issues as columns of the table ``file_issues``; the file is that of the entry."""
    shown = (
        replace(each, field=printable(each.field), expected=printable(each.expected), found=printable(each.found))
        for each in issues
    )
    return to_table(shown).drop_columns("file")
