"""Validation of tables of bills by the rules of the record, in the types of its schema."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.column_checks import IssueBuilder, check_amounts, check_paid_before, redact_array
from kokin._arrow.convert import (
    NULL_STRING,
    as_table,
    bool_array,
    buffer_view,
    column_label,
    combine,
    int64_array,
    is_present,
    text_array,
    to_mask,
)
from kokin._arrow.normalize import normalize
from kokin._arrow.validate import field_column
from kokin.issues import Issue, to_table
from kokin.model import OPTIONAL_TEXTS, ArrowStreamExportable, Bill, BillStatus, arrow_schema, field_types

_STATUSES = [status.value for status in BillStatus]

# The defaults of optional fields that are not None, as text.
_DEFAULTS = {
    name: str(field.default) for name, field in Bill.model_fields.items() if isinstance(field.default, str | int)
}


@dataclass(frozen=True, slots=True)
class BillBatch:
    """A checked batch of bills; it was read from ``len(table) + rejected`` rows."""

    table: pa.Table
    """The accepted bills, with the columns of :class:`~kokin.model.Bill` in the input, in its order and types."""
    row_numbers: pa.Array
    """The number of each accepted row in the input, from 1, int64."""
    issues: pa.Table
    """The issues, errors and warnings, with :data:`~kokin.issues.ISSUE_COLUMNS`."""
    rejected: int
    """The number of rejected rows."""
    rejected_ids: pa.Table
    """The rejected rows that have columns: ``record`` (int64) and ``bill_id`` (at most 64 characters, unchecked)."""


def check_batch(table: ArrowStreamExportable, *, file: str = "", first_row: int = 1) -> BillBatch:
    """Check a table of bills by the rules of :class:`~kokin.model.Bill`, and return the accepted bills and the issues.

    Args:
        table: a table, or a data frame of Polars or pandas. Numbers may be integers of any width, decimals without a
            fraction, or text; dates may be dates, timestamps at midnight, or text ``YYYY-MM-DD`` (a timestamp with a
            zone must be midnight in Japan); ``covers`` a list or text ``a;b``; ``parts`` a map, a struct, or text
            ``name=yen;name=yen``.
        file: the file name in the issues.
        first_row: the number of the first row.

    A column that is not a field of a bill is ignored, with a warning.

    Raises:
        InvalidInputError: a required column is missing, a column is duplicate, or has a type that could lose data.
    """
    rows = as_table(table)
    bills = normalize(rows, Bill)
    issues = IssueBuilder(first_row, np.zeros(len(rows), np.bool_), file)
    columns = {name: _check_column(name, bills.column(name), issues) for name in bills.column_names}
    valid_so_far = ~issues.has_error  # as in the record, rules of several fields apply only to valid fields
    if "parts" in columns:
        check_amounts(columns["parts"], buffer_view(columns["amount"], np.int64), issues, valid_so_far)
    check_paid_before(columns, issues, valid_so_far)
    accepted = ~issues.has_error
    row_numbers = int64_array(first_row + np.flatnonzero(accepted))
    tables = [issues.table()]
    if first_row == 1:  # once, not for every batch of a file
        tables.insert(0, to_table(_unknown_columns(rows.column_names)))
    checked = pa.table(columns, schema=pa.schema([arrow_schema(Bill).field(name) for name in columns]))
    rejected = ~accepted
    rejected_ids = pc.utf8_slice_codeunits(
        combine(bills["bill_id"].cast(pa.string())).filter(bool_array(rejected)), 0, 64
    )
    return BillBatch(
        checked if accepted.all() else checked.filter(bool_array(accepted)),
        row_numbers,
        pa.concat_tables(tables),
        len(rows) - len(row_numbers),
        pa.table({"record": int64_array(first_row + np.flatnonzero(rejected)), "bill_id": rejected_ids}),
    )


def _unknown_columns(names: list[str]) -> list[Issue]:
    """Return a warning for each column that is not a field, with the name of the most similar field."""
    issues = []
    for number, name in enumerate(names, 1):
        if name not in Bill.model_fields:
            similar = difflib.get_close_matches(name, Bill.model_fields, 1, 0.8)
            expected = similar[0] if similar else ""
            issues.append(Issue("COLUMN_UNKNOWN", field=column_label(name, number), expected=expected))
    return issues


def _check_column(name: str, column: pa.ChunkedArray, issues: IssueBuilder) -> pa.Array:
    """Return a column in the type of its field; an invalid value is an issue, and replaced by a placeholder."""
    is_other_text = pa.types.is_large_string(column.type) or pa.types.is_dictionary(column.type)
    array = combine(column.cast(pa.string()) if is_other_text else column)
    default = _DEFAULTS.get(name)
    if default is not None and array.null_count:
        array = array.fill_null(default if pa.types.is_string(array.type) else int(default))
    if name == "status":
        return _check_status(array, issues)
    if name in OPTIONAL_TEXTS and array.type == pa.string():
        array = pc.if_else(bool_array(is_present(array)), array, NULL_STRING)
    required = default is None and not arrow_schema(Bill).field(name).nullable
    return field_column(array, field_types(Bill)[name], name, issues, required)


def _check_status(column: pa.Array, issues: IssueBuilder) -> pa.Array:
    unknown = ~to_mask(pc.is_in(column, value_set=text_array(_STATUSES)))
    issues.add("CODE_UNKNOWN", "status", unknown, " | ".join(_STATUSES), redact_array(column, unknown))
    return column
