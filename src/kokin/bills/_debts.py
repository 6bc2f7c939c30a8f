"""Debts (調定) whose slips have no numbers yet: the columns of a bill without those that an allotment adds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.column_checks import IssueBuilder
from kokin._arrow.convert import (
    as_table,
    bool_array,
    column_label,
    combine,
    from_numpy,
    int64_array,
    is_present,
    to_numpy,
)
from kokin._arrow.normalize import normalize_column, type_issue
from kokin._arrow.threads import CHUNK_ROWS
from kokin._arrow.validate import field_column
from kokin.bills._check import BillBatch, check_batch
from kokin.bills._layout_rows import source_rows
from kokin.bills._rows import check_rows
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import ArrowStreamExportable, IssuedBill, field_types
from kokin.receipts.layouts import Layout

#: The columns that an allotment adds, with a valid value for each required one while the debts are checked.
_NUMBERS = {"bill_id": "-", "case_key": "0", "confirmation": "000000", "barcode": None}


def debt_batches(
    source: str | Path | ArrowStreamExportable,
    *,
    encoding: str | None = None,
    layout: str | Path | Layout | None = None,
    lenient: bool = False,
    reference_date: date | None = None,
    issue_no: int = 1,
    rows: int = CHUNK_ROWS,
) -> Iterator[BillBatch]:
    """Yield the debts of a file or table in batches, as :func:`kokin.bills.batches` yields bills.

    The columns are those of :func:`check_debts`.

    Args:
        source: a CSV, a Parquet file, or a table.
        encoding: the encoding of a CSV without a layout.
        layout: the layout of a file in columns of its own, with a table ``[bill]``, which can have ``issue_no``.
        lenient: with a layout, repair what can be repaired, and report each repair.
        reference_date: with a layout, the date near which dates without a full year are.
        issue_no: the issue number of debts without one.
        rows: rows per batch, including the rejected ones.

    Raises:
        InvalidInputError: the file is empty, in another format or encoding, a required column is missing, the layout is
            invalid, or the debts have numbers already.
        FileRejectedError: at the end of a file with a layout: as :func:`kokin.bills.batches`.
        OSError: the file cannot be read.
        TypeError: a layout together with a table or an encoding.
    """
    read = source_rows(source, encoding, layout, lenient=lenient, reference_date=reference_date, rows=rows)
    yield from check_rows(read, partial(check_debts, issue_no=issue_no), IssuedBill)


def check_debts(table: ArrowStreamExportable, *, file: str = "", first_row: int = 1, issue_no: int = 1) -> BillBatch:
    """Check a table of debts without numbers, and return the accepted ones and the issues.

    Args:
        table: the columns of :class:`~kokin.model.Bill` as in :func:`check_batch`, without ``bill_id``, ``case_key``,
            ``confirmation`` and ``barcode``. ``obligation_id``, the number of the debt, is required. The next number
            as ``issue_no`` (発行連番) issues the slip again.
        file: the file name in the issues.
        first_row: the number of the first row.
        issue_no: the issue number of debts without one.

    Returns:
        The accepted debts; the table has these columns, and ``issue_no`` as int64 at the end. The ``bill_id`` of a
        rejected one is its ``obligation_id``.

    Raises:
        InvalidInputError: as :func:`check_batch`, or the debts have numbers already.
    """
    rows = as_table(table)
    _require_no_numbers(rows, file)
    issues = IssueBuilder(first_row, np.zeros(len(rows), np.bool_), file)
    debts = rows
    for name, value in _NUMBERS.items():  # a column stays in its place, by which an unknown one is named
        column = pa.repeat(pa.scalar(value, pa.string()), len(rows))
        if name in debts.column_names:
            debts = debts.set_column(debts.column_names.index(name), name, column)
        elif value is not None:
            debts = debts.append_column(name, column)
    if "obligation_id" not in debts.column_names:
        raise InvalidInputError(
            [Issue("FIELD_MISSING", field="obligation_id", expected="a column of this name")], "not a table of debts"
        )
    checked = check_batch(debts, file=file, first_row=first_row)
    obligation_id = normalize_column(debts.column("obligation_id"), pa.string())
    assert obligation_id is not None  # check_batch raises for another type
    texts = obligation_id.cast(pa.string())
    issues.add("FIELD_MISSING", "obligation_id", ~is_present(texts))
    numbers = _check_issue_no(rows, issue_no, issues)
    found = pa.concat_tables([_without_issue_no(checked.issues, rows), issues.table()])
    accepted = to_numpy(checked.row_numbers, 0) - first_row
    is_accepted = ~issues.has_error[accepted]
    valid = checked.table.append_column("issue_no", numbers.take(int64_array(accepted))).filter(bool_array(is_accepted))
    rejected = np.setdiff1d(np.arange(len(rows)), accepted[is_accepted])
    return replace(
        checked,
        table=valid.drop_columns([name for name in _NUMBERS if name in valid.column_names]),
        row_numbers=checked.row_numbers.filter(bool_array(is_accepted)),
        issues=found.take(int64_array(np.argsort(to_numpy(found["record"], 0), kind="stable"))),
        rejected=len(rejected),
        rejected_ids=pa.table(
            {
                "record": int64_array(first_row + rejected),
                "bill_id": pc.utf8_slice_codeunits(combine(texts).take(int64_array(rejected)), 0, 64),
            }
        ),
    )


def _check_issue_no(rows: pa.Table, default: int, issues: IssueBuilder) -> pa.Array:
    """Return the column ``issue_no``, the default where it is missing: int64 (n,)."""
    if "issue_no" not in rows.column_names:
        return int64_array(np.full(len(rows), default))
    column = rows.column("issue_no")
    numbers = normalize_column(column, pa.int64())
    if numbers is None:
        raise InvalidInputError([type_issue("issue_no", pa.int64(), column.type)], "not a table of debts")
    rule = field_types(IssuedBill)["issue_no"]
    checked = field_column(combine(numbers), rule, "issue_no", issues, required=False)
    return from_numpy(to_numpy(checked, default), pa.int64())


def _without_issue_no(issues: pa.Table, rows: pa.Table) -> pa.Table:
    """Return the issues of a check of bills without the warning that a bill has no ``issue_no``."""
    if "issue_no" not in rows.column_names:
        return issues
    label = column_label("issue_no", rows.column_names.index("issue_no") + 1)
    is_warning = pc.and_(pc.equal(issues["code"], "COLUMN_UNKNOWN"), pc.equal(issues["field"], label))
    return issues.filter(pc.invert(is_warning))


def _require_no_numbers(rows: pa.Table, file: str) -> None:
    """Raise if a column that an allotment adds has values: the file may be one of bills."""
    numbered = [name for name in _NUMBERS if name in rows.column_names and rows.column(name).null_count < len(rows)]
    if numbered:
        issues = [Issue("DEBT_NUMBERED", field=name, location=Location(file)) for name in numbered]
        raise InvalidInputError(issues, "not a table of debts")
