"""Columns of bills, checked by the rules of the record and brought to its types."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import (
    IssueBuilder,
    as_table,
    bool_array,
    buffer_view,
    check_amounts,
    check_paid_before,
    column_label,
    combine,
    field_column,
    int64_array,
    is_present,
    normalize,
    redact_array,
    text_array,
    to_mask,
)
from kokin.issues import Issue, to_table
from kokin.model import OPTIONAL_TEXTS, Bill, BillStatus, arrow_schema, field_types

_STATUSES = [status.value for status in BillStatus]
_NO_TEXT = text_array([None])[0]

# The values of absent fields that have a default other than none.
_DEFAULTS = {
    name: str(field.default) for name, field in Bill.model_fields.items() if isinstance(field.default, str | int)
}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A chunk of bills: ``rows = len(table) + rejected``."""

    table: pa.Table
    """The accepted bills, with the columns of :class:`~kokin.model.Bill` that were there, in its order and types."""
    records: pa.Array
    """The number of each accepted row in the input, from 1, int64."""
    issues: pa.Table
    """What is wrong, with :data:`~kokin.issues.ISSUE_COLUMNS`, errors and warnings."""
    rejected: int
    """The number of rejected rows."""


def check(table: Any, *, file: str = "", first: int = 1) -> CheckResult:
    """Check bills by the rules of :class:`~kokin.model.Bill`.

    Args:
        table: an Arrow table, or anything that offers one: a data frame of Polars or pandas as it is. Numbers may be
            integers of any width, decimals without a fraction, or text; days may be dates, times at midnight, or text
            ``YYYY-MM-DD`` (a time with a zone counts where it is midnight in Japan); ``covers`` a list or text ``a;b``;
            ``parts`` a map, a struct, or text ``name=yen;name=yen``.
        file: the name of the file in issues.
        first: the number of the first row.

    A column that a bill does not have is not read, with a warning.

    Raises:
        InvalidInputError: a required column is missing, a column occurs twice, or has a type that could lose something.
    """
    table = as_table(table)
    bills = normalize(table, Bill)
    problems = IssueBuilder(first, np.zeros(len(table), np.bool_), file)
    columns = {name: _checked(name, bills.column(name), problems) for name in bills.column_names}
    rows = ~problems.refused
    if "parts" in columns:
        check_amounts(columns["parts"], buffer_view(columns["amount"], np.int64), problems, rows)
    check_paid_before(columns, problems, rows)
    kept = ~problems.refused
    records = int64_array(first + np.flatnonzero(kept))
    issues = [problems.table()]
    if first == 1:  # once, not for every chunk of a file
        issues.insert(0, to_table(_unknown_columns(table.column_names)))
    accepted = pa.table(columns, schema=pa.schema([arrow_schema(Bill).field(name) for name in columns]))
    return CheckResult(
        accepted if kept.all() else accepted.filter(bool_array(kept)),
        records,
        pa.concat_tables(issues),
        len(table) - len(records),
    )


def _unknown_columns(names: list[str]) -> list[Issue]:
    """A warning for each column that is not read, with the name that it is close to."""
    issues = []
    for number, name in enumerate(names, 1):
        if name not in Bill.model_fields:
            close = difflib.get_close_matches(name, Bill.model_fields, 1, 0.8)
            issues.append(Issue("COLUMN_UNKNOWN", field=column_label(name, number), expected=close[0] if close else ""))
    return issues


def _checked(name: str, column: pa.ChunkedArray, problems: IssueBuilder) -> pa.Array:
    """A column in the type of its field; a row that breaks the rule has a harmless value and is in the problems."""
    is_other_text = pa.types.is_large_string(column.type) or pa.types.is_dictionary(column.type)
    array = combine(column.cast(pa.string()) if is_other_text else column)
    default = _DEFAULTS.get(name)
    if default is not None and array.null_count:
        array = array.fill_null(default if pa.types.is_string(array.type) else int(default))
    if name == "status":
        return _status(array, problems)
    if name in OPTIONAL_TEXTS and array.type == pa.string():
        array = pc.if_else(bool_array(is_present(array)), array, _NO_TEXT)
    required = default is None and not arrow_schema(Bill).field(name).nullable
    return field_column(array, field_types(Bill)[name], name, problems, required)


def _status(column: pa.Array, problems: IssueBuilder) -> pa.Array:
    unknown = ~to_mask(pc.is_in(column, value_set=text_array(_STATUSES)))
    problems.add("CODE_UNKNOWN", "status", unknown, " | ".join(_STATUSES), redact_array(column, unknown))
    return column
