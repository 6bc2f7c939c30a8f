"""Receipts as they come: a file with its totals, or a table that stands for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import as_table, combine, int64_array, to_numpy
from kokin._arrow.validate import validate_table
from kokin.issues import InvalidInputError, Issue, Location, ReadResult
from kokin.ledger._bodies import bodies
from kokin.ledger._circles import RECEIPT_COLUMNS
from kokin.ledger._forms import stored
from kokin.ledger._schema import SUMMED
from kokin.model import Receipt
from kokin.receipts import DeclaredTotal, ReceiptFile, Totals


@dataclass(frozen=True)
class GivenFile:
    """The receipts of one file."""

    source: str
    layout: str
    digest: str
    """SHA-256."""
    totals: Mapping[str, Any]
    """Its totals."""
    receipts: pa.Table
    """As they are kept, by record number."""


def given(receipts: ReceiptFile | ReadResult[Totals] | Any, source: str | None) -> GivenFile:
    """Return the receipts of a file, or of a table, as the ledger keeps them.

    Args:
        receipts: a receipt file, which is read to its end; the result of reading one; or a table of receipts of one
            file, in any form that Arrow takes. A table without ``digest`` has that of its rows, one without
            ``record_no`` is counted from 1.
        source: the name of the file, if another than its own.

    Raises:
        FileRejectedError: the file is refused.
        InvalidInputError: the table is none of receipts, holds several files, or one record twice.
    """
    if isinstance(receipts, ReceiptFile):
        table = pa.Table.from_batches(list(receipts.batches()), receipts.schema())
        totals = _stored_totals(receipts.totals)
        return GivenFile(source or receipts.source, receipts.layout.name, receipts.digest, totals, _as_kept(table))
    table = validate_table(as_table(receipts), Receipt)
    kept = _as_kept(table)
    if isinstance(receipts, ReadResult) and isinstance(receipts.totals, Totals) and len(kept):
        place = (source or _constant(table, "source"), _constant(table, "layout"), _constant(table, "digest"))
        return GivenFile(*place, _stored_totals(receipts.totals), kept)
    amount = int(to_numpy(kept.column(SUMMED), 0).sum())
    told = {"read": len(kept), "accepted": len(kept), "accepted_yen": amount}
    return GivenFile(
        source or _constant(table, "source"),
        _constant(table, "layout"),
        _constant(table, "digest") or digest("receipts", kept),
        told,
        kept,
    )


def _stored_totals(totals: Totals) -> dict[str, Any]:
    """The totals of a file as its entry keeps them."""
    stored_totals = asdict(totals)
    stored_totals["declared"] = [
        {**asdict(total), "location": {"record": total.location.record}} for total in totals.declared
    ]
    del stored_totals["complete"]
    return stored_totals


def totals_of(told: Mapping[str, Any]) -> Totals:
    """The totals of a file from what its entry tells."""
    declared = [DeclaredTotal(**{**row, "location": Location(**row["location"])}) for row in told.get("declared", [])]
    return Totals(**{**told, "declared": declared}, complete=True)


def _as_kept(table: pa.Table) -> pa.Table:
    """Receipts in their stored form, by record number, one record one row."""
    columns = {name: stored(table.column(name)) for name in RECEIPT_COLUMNS if name in table.column_names}
    number = columns.get("record_no")
    if number is None or number.null_count == len(number):
        number = int64_array(np.arange(1, len(table) + 1))
    kept = pa.table({**columns, "record_no": number})
    if number.null_count:
        raise InvalidInputError([Issue("FIELD_MISSING", field="record_no")], "receipts refused")
    numbers = to_numpy(number, 0)
    if (np.diff(numbers) <= 0).any():
        kept = kept.sort_by("record_no")
        numbers = np.sort(numbers)
        twice = np.unique(numbers[1:][np.diff(numbers) == 0]).tolist()
        if twice:
            issues = [Issue("RECORD_TWICE", field="record_no", location=Location(record=number)) for number in twice]
            raise InvalidInputError(issues, "receipts refused")
    return kept


def digest(table: str, kept: pa.Table) -> str:
    """SHA-256 of what rows in their stored form say, for rows that come from no file; in hexadecimal."""
    told = {name: combine(kept.column(name)) for name in kept.column_names}
    return digest_of_stored(
        told[SUMMED], bodies(table, {name: column for name, column in told.items() if name != SUMMED})
    )


def digest_of_stored(amounts: pa.Array | pa.ChunkedArray, lines: pa.Array | pa.ChunkedArray) -> str:
    """SHA-256 of the amounts and bodies of rows as the ledger keeps them; in hexadecimal."""
    whole = pc.binary_join_element_wise(amounts.cast(pa.string()), lines, " ")
    return sha256("\n".join(whole.to_pylist()).encode()).hexdigest()


def _constant(table: pa.Table, name: str) -> str:
    """What a column says of the whole file."""
    if name not in table.column_names:
        return ""
    values = pc.unique(pc.fill_null(table.column(name).cast(pa.string()), "")).to_pylist()
    if len(values) > 1:
        raise InvalidInputError(
            [Issue("SEVERAL_FILES", field=name, expected="one", found=str(len(values)))], "post one file at a time"
        )
    return values[0] if values else ""
