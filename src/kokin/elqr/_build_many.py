"""A million eL-QR at once: columns of slips in, a column of payloads out."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import (
    BoolArray,
    Int64Array,
    IssueBuilder,
    UInt8Array,
    as_table,
    day_column,
    digits_column,
    int64_array,
    normalize_column,
    string_array,
    to_digits,
    type_issue,
    yen_column,
    yyyymmdd,
)
from kokin.elqr._batch_checks import checker
from kokin.elqr._batches import on_threads, stretches
from kokin.elqr._code import ElQr
from kokin.elqr._parts import ELEMENTS, PAYLOAD_LENGTH
from kokin.issues import InvalidInputError, Issue, to_table
from kokin.model import Bill, Digits, Yen, arrow_schema, field_types
from kokin.text import require_date

# Rows per Arrow chunk of the result: its text offsets are 32 bits wide, and 255 x 2^20 fits.
_CHUNK = 1 << 20

_EPOCH = date(1970, 1, 1)
_DAY_WIDTH = 8

# What stands in for a column that is left out: the defaults of the code and of the bill.
_DEFAULTS: dict[str, str] = {
    name: field.default
    for model in (Bill, ElQr)
    for name, field in model.model_fields.items()
    if name in ElQr.model_fields and isinstance(field.default, str)
}
# The checks take what is left out as zeros.
assert not any(default.strip("0") for default in _DEFAULTS.values())

_TEMPLATE = np.frombuffer("".join(part.const or "0" * part.width for part in ELEMENTS.values()).encode(), np.uint8)


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The codes of a batch: ``len(payloads) = accepted + rejected``."""

    payloads: pa.ChunkedArray
    """255 digits per row of the input, in its order; null where the row was rejected."""
    issues: pa.Table
    """What is wrong, with :data:`~kokin.issues.ISSUE_COLUMNS`; ``record`` is the row's number from 1."""

    @property
    def rejected(self) -> int:
        """The rows without a code."""
        return int(self.payloads.null_count)

    @property
    def accepted(self) -> int:
        """The rows with a code."""
        return len(self.payloads) - self.rejected


def build_many(
    table: Any, *, issued_on: date | None = None, no_deadline: bool = False, threads: int | None = None
) -> BuildResult:
    """The codes of many slips, by the same rules as :class:`~kokin.elqr.ElQr`.

    Args:
        table: an Arrow table, or anything that offers one, with the columns of a bill: ``payee_code, item_code,
            case_key, confirmation`` (text), ``amount, levy_year, tax_year`` (whole numbers or text), ``due_on,
            payable_until`` (days, times at midnight, or text ``YYYY-MM-DD``); ``office_code`` (``000``), ``period``
            (``00``), ``account`` and ``additional`` (zeros) may be left out or null. Other columns are not read.
        issued_on: the day of issue. A slip whose deadline (支払期限) has passed on it is rejected.
        no_deadline: a null ``payable_until`` writes zeros. Without it such a row is rejected.
        threads: the number of threads; as many as there are processors by default.

    A slip that stops being payable before the money is due is built, with a warning.

    Raises:
        InvalidInputError: a column is missing, stands twice, or is of a type that could lose something, such as a
        float.
    """
    if issued_on is not None:
        require_date("issued_on", issued_on)
    prepared = _prepared(as_table(table), optional={"payable_until"} if no_deadline else set())
    build = functools.partial(_build, issued_on=issued_on, no_deadline=no_deadline)
    chunks, tables = [], []
    for start in range(0, len(prepared), _CHUNK):
        chunk = prepared.slice(start, _CHUNK)
        payloads = np.empty((len(chunk), PAYLOAD_LENGTH), np.uint8)
        refused = np.zeros(len(chunk), np.bool_)
        pieces = [
            (
                batch,
                IssueBuilder(1 + start + first, refused[first : first + len(batch)]),
                payloads[first : first + len(batch)],
            )
            for first, batch in stretches(chunk)
        ]
        tables += on_threads(build, pieces, threads)
        chunks.append(string_array(payloads, ~refused))
    return BuildResult(pa.chunked_array(chunks, pa.string()), pa.concat_tables([to_table(()), *tables]))


def _prepared(table: pa.Table, optional: set[str]) -> pa.Table:
    """The columns that a code is made of, in the order of its fields and of the types that are worked on.

    Raises:
        InvalidInputError: a column is missing, stands twice, or is of a type that is not taken.
    """
    problems, found = [], {}
    for name in field_types(ElQr):
        if table.column_names.count(name) > 1:
            problems.append(Issue("COLUMN_TWICE", field=name))
        elif name in table.column_names:
            wanted = arrow_schema(ElQr).field(name).type
            column = normalize_column(table[name], wanted)
            if column is None:
                problems.append(type_issue(name, wanted, table[name].type))
            else:
                is_number = column.type == wanted and wanted != pa.string()
                found[name] = column if is_number else column.cast(pa.string())
        elif name not in _DEFAULTS and name not in optional:
            problems.append(Issue("FIELD_MISSING", field=name))
    if problems:
        raise InvalidInputError(problems, "no eL-QR can be built from this table")
    return pa.table(found)


def _build(
    batch: pa.RecordBatch, problems: IssueBuilder, payloads: UInt8Array, *, issued_on: date | None, no_deadline: bool
) -> pa.Table:
    """Writes a stretch of payloads, zeros where a row was refused, and returns its problems."""
    payloads[:] = _TEMPLATE
    days: dict[str, tuple[Int64Array, BoolArray]] = {}
    written = []
    for name in batch.schema.names:
        rule, column = field_types(ElQr)[name], batch.column(name)
        match rule:
            case Digits():
                digits = digits_column(column, rule, name, problems, _DEFAULTS.get(name))
            case Yen():
                digits = to_digits(yen_column(column, rule, name, problems), ELEMENTS[name].width)
            case _:  # a day
                required = name == "due_on" or not no_deadline
                days[name] = day_column(column, name, problems, required)
                digits = to_digits(np.where(days[name][1], yyyymmdd(days[name][0]), 0), _DAY_WIDTH)
        for part in ("mpn_amount", "amount") if name == "amount" else (name,):
            payloads[:, ELEMENTS[part].span] = digits
            written.append(part)
    if "payable_until" in days:
        _check_deadlines(days["due_on"], days["payable_until"], issued_on, problems)
    checker(tuple(written)).seal(payloads)
    payloads[problems.has_error] = ord("0")
    return problems.table()


def _check_deadlines(
    due: tuple[Int64Array, BoolArray],
    until: tuple[Int64Array, BoolArray],
    issued_on: date | None,
    problems: IssueBuilder,
) -> None:
    """A deadline that has passed on the day of issue is an error, one before the money is due a warning."""
    (due_days, due_known), (until_days, until_known) = due, until
    if issued_on is not None:
        passed = until_known & (until_days < (issued_on - _EPOCH).days)
        problems.add("DEADLINE_PASSED", "payable_until", passed, f"{issued_on} or later", _iso(until_days[passed]))
    early = due_known & until_known & (until_days < due_days)
    expected = pc.binary_join_element_wise(_iso(due_days[early]), "or later", " ")
    problems.add("DEADLINE_BEFORE_DUE", "payable_until", early, expected, _iso(until_days[early]))


def _iso(days: Int64Array) -> pa.Array:
    return int64_array(days).cast(pa.int32()).view(pa.date32()).cast(pa.string())
