"""Batches of eL-QR: columns of slips to a column of payloads, and a column of scanned texts to columns of fields."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.column_checks import IssueBuilder, day_column, digits_column, has_non_digits, with_unit, yen_column
from kokin._arrow.convert import (
    BoolArray,
    Int64Array,
    UInt8Array,
    as_table,
    bool_array,
    buffer_view,
    from_numpy,
    int64_array,
    string_array,
    text_buffers,
    to_mask,
)
from kokin._arrow.digits import days_since_1970, from_digits, to_digits, yyyymmdd
from kokin._arrow.normalize import normalize_column, type_issue
from kokin._arrow.threads import thread_map
from kokin.elqr._batch_checksums import checksum_table
from kokin.elqr._code import MISMATCH_CODES, ElQr
from kokin.elqr._layout import ELEMENTS, PAYLOAD_LENGTH, SCANNER_MARKS, Element
from kokin.issues import InvalidInputError, Issue, to_table
from kokin.model import ArrowStreamExportable, Bill, Date, Digits, Yen, arrow_schema, field_types
from kokin.text import require_date

# Rows per step, 255 bytes each: few enough for the cache, enough that threads seldom wait for Python's lock.
_CHUNK_ROWS = 49_152
# Rows per Arrow chunk of the payloads: the offsets of text are 32 bits wide, and 255 x 2^20 fits.
_RESULT_ROWS = 1 << 20

# The numbers or days of a field, and a mask of the rows that have one.
_Values: TypeAlias = tuple[Int64Array, BoolArray]


def _chunks(table: pa.Table) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the chunks of a table, each with the number of its first row."""
    start = 0
    for batch in table.to_batches(max_chunksize=_CHUNK_ROWS):
        yield start, batch
        start += len(batch)


# --- columns of slips to payloads -------------------------------------------------------------------------------------

_EPOCH = date(1970, 1, 1)
_DAY_WIDTH = 8

# The values of columns that are left out: the defaults of the code and of the bill.
_DEFAULTS: dict[str, str] = {
    name: field.default
    for model in (Bill, ElQr)
    for name, field in model.model_fields.items()
    if name in ElQr.model_fields and isinstance(field.default, str)
}
# The checksum table assumes zeros for the columns that are left out.
assert not any(default.strip("0") for default in _DEFAULTS.values())

_TEMPLATE = np.frombuffer("".join(e.const or "0" * e.width for e in ELEMENTS.values()).encode(), np.uint8)


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The codes of a batch: ``len(payloads) = accepted + rejected``."""

    payloads: pa.ChunkedArray
    """255 digits per row of the input, in its order; null if the row was rejected."""
    issues: pa.Table
    """The issues, with :data:`~kokin.issues.ISSUE_COLUMNS`; ``record`` is the row's number from 1."""

    @property
    def rejected(self) -> int:
        """The number of rows without a code."""
        return int(self.payloads.null_count)

    @property
    def accepted(self) -> int:
        """The number of rows with a code."""
        return len(self.payloads) - self.rejected


def build_many(
    table: ArrowStreamExportable,
    *,
    issued_on: date | None = None,
    allow_missing_deadline: bool = False,
    threads: int | None = None,
) -> BuildResult:
    """Build the codes of many slips, by the same rules as :class:`~kokin.elqr.ElQr`.

    Args:
        table: the columns of a bill: ``payee_code, item_code, case_key, confirmation`` (text), ``amount, levy_year,
            tax_year`` (whole numbers or text), ``due_on, payable_until`` (days, times at midnight, or text
            ``YYYY-MM-DD``); ``office_code`` (``000``), ``period`` (``00``), ``account`` and ``additional`` (zeros) may
            be left out or null. Other columns are not read.
        issued_on: the day of issue. A slip whose deadline (支払期限) has passed on it is rejected.
        allow_missing_deadline: write zeros for a null ``payable_until``. Without it such a row is rejected.
        threads: the number of threads; one per usable core by default.

    A slip whose deadline is before its due date is built, with a warning.

    Raises:
        InvalidInputError: a column is missing, a duplicate, or of a type that could lose something, such as a float.
    """
    if issued_on is not None:
        require_date("issued_on", issued_on)
    columns = _build_columns(as_table(table), optional={"payable_until"} if allow_missing_deadline else set())
    build = functools.partial(_build_chunk, issued_on=issued_on, allow_missing_deadline=allow_missing_deadline)
    arrays, issue_tables = [], []
    for start in range(0, len(columns), _RESULT_ROWS):
        part = columns.slice(start, _RESULT_ROWS)
        payloads = np.empty((len(part), PAYLOAD_LENGTH), np.uint8)
        rejected = np.zeros(len(part), np.bool_)
        items = []
        for first, batch in _chunks(part):
            rows = slice(first, first + len(batch))
            items.append((batch, IssueBuilder(1 + start + first, rejected[rows]), payloads[rows]))
        issue_tables += thread_map(lambda item: build(*item), items, threads)
        arrays.append(string_array(payloads, ~rejected))
    issues = pa.concat_tables([to_table(()), *issue_tables])
    return BuildResult(pa.chunked_array(arrays, pa.string()), issues)


def _build_columns(table: pa.Table, optional: set[str]) -> pa.Table:
    """Return the columns of a code in the order of its fields, each as text, int64 or date32.

    Raises:
        InvalidInputError: a column is missing, a duplicate, or of a type that is not accepted.
    """
    issues, columns = [], {}
    for name in field_types(ElQr):
        if table.column_names.count(name) > 1:
            issues.append(Issue("COLUMN_TWICE", field=name))
        elif name in table.column_names:
            column_type = arrow_schema(ElQr).field(name).type
            column = normalize_column(table[name], column_type)
            if column is None:
                issues.append(type_issue(name, column_type, table[name].type))
            else:
                is_number = column.type == column_type and column_type != pa.string()
                columns[name] = column if is_number else column.cast(pa.string())
        elif name not in _DEFAULTS and name not in optional:
            issues.append(Issue("FIELD_MISSING", field=name))
    if issues:
        raise InvalidInputError(issues, "no eL-QR can be built from this table")
    return pa.table(columns)


def _build_chunk(
    batch: pa.RecordBatch, problems: IssueBuilder, out: UInt8Array, issued_on: date | None, allow_missing_deadline: bool
) -> pa.Table:
    """Write the payloads of a chunk to ``out``, uint8 (n, 255), zeros for rejected rows; return the issues."""
    out[:] = _TEMPLATE
    days: dict[str, _Values] = {}
    written = []
    for name in batch.schema.names:
        rule, column = field_types(ElQr)[name], batch.column(name)
        match rule:
            case Digits():
                digits = digits_column(column, rule, name, problems, _DEFAULTS.get(name))
            case Yen():
                digits = to_digits(yen_column(column, rule, name, problems), ELEMENTS[name].width)
            case _:  # a day
                required = name == "due_on" or not allow_missing_deadline
                days[name] = day_column(column, name, problems, required)
                digits = to_digits(np.where(days[name][1], yyyymmdd(days[name][0]), 0), _DAY_WIDTH)
        for element in ("mpn_amount", "amount") if name == "amount" else (name,):
            out[:, ELEMENTS[element].span] = digits
            written.append(element)
    if "payable_until" in days:
        _check_deadlines(days["due_on"], days["payable_until"], issued_on, problems)
    checksum_table(tuple(written)).write(out)
    out[problems.has_error] = ord("0")
    return problems.table()


def _check_deadlines(due: _Values, until: _Values, issued_on: date | None, problems: IssueBuilder) -> None:
    """Report a deadline before the day of issue (an error) or before the due date (a warning)."""
    (due_days, has_due), (until_days, has_until) = due, until
    if issued_on is not None:
        passed = has_until & (until_days < (issued_on - _EPOCH).days)
        problems.add("DEADLINE_PASSED", "payable_until", passed, f"{issued_on} or later", _iso(until_days[passed]))
    early = has_due & has_until & (until_days < due_days)
    expected = pc.binary_join_element_wise(_iso(due_days[early]), "or later", " ")
    problems.add("DEADLINE_BEFORE_DUE", "payable_until", early, expected, _iso(until_days[early]))


def _iso(days: Int64Array) -> pa.Array:
    return int64_array(days).cast(pa.int32()).view(pa.date32()).cast(pa.string())


# --- scanned texts to columns of fields -------------------------------------------------------------------------------

_FIELDS = pa.schema([field.with_nullable(True) for field in arrow_schema(ElQr)])

# The elements that vary from code to code, without the one that is zeros in every code seen; and all elements.
_VARYING = tuple(e.name for e in ELEMENTS.values() if not e.const and e.name not in ("additional", "crc"))
_ALL = tuple(name for name in ELEMENTS if name != "crc")

# The constant digit at each position, or 0.
_CONST = np.frombuffer("".join(e.const or "\0" * e.width for e in ELEMENTS.values()).encode(), np.uint8)

# Replaces a text that is no payload.
_ZEROS = "0" * PAYLOAD_LENGTH


@dataclass(frozen=True, slots=True)
class ParseResult:
    """The fields of a batch of codes: ``len(table) = accepted + rejected``."""

    table: pa.Table
    """The fields of :class:`~kokin.elqr.ElQr`, a row per text; all null if the text was rejected."""
    issues: pa.Table
    """The issues, with :data:`~kokin.issues.ISSUE_COLUMNS`; ``record`` is the row's number from 1."""

    @property
    def rejected(self) -> int:
        """The number of texts that are no valid eL-QR."""
        return int(self.table["payee_code"].null_count)

    @property
    def accepted(self) -> int:
        """The number of texts that are valid."""
        return len(self.table) - self.rejected


def parse_many(payloads: ArrowStreamExportable | pa.Array, *, threads: int | None = None) -> ParseResult:
    """Parse many codes, by the same rules as :func:`~kokin.elqr.check` and :func:`~kokin.elqr.parse`.

    ``payloads`` is an Arrow text column, or an object that exports one. The ``byte`` of an issue is the first digit of
    the invalid field (from 0). A null is rejected as missing.

    Raises:
        InvalidInputError: the column is not text.
    """
    column: pa.ChunkedArray = payloads if isinstance(payloads, pa.ChunkedArray) else pa.chunked_array(payloads)
    texts = normalize_column(column, pa.string())
    if texts is None:
        raise InvalidInputError([type_issue("payload", pa.string(), column.type)])
    chunks = _chunks(pa.table({"payload": texts.cast(pa.string())}))
    parsed = thread_map(lambda chunk: _parse_chunk(chunk[1].column(0), 1 + chunk[0]), chunks, threads)
    return ParseResult(
        pa.Table.from_batches([batch for batch, _ in parsed], _FIELDS),
        pa.concat_tables([to_table(()), *(issues for _, issues in parsed)]),
    )


def _parse_chunk(texts: pa.Array, first_record: int) -> tuple[pa.RecordBatch, pa.Table]:
    """Return the fields of a chunk of texts, null for rejected rows, and the issues."""
    problems = IssueBuilder(first_record, np.zeros(len(texts), np.bool_))
    payloads = _payload_digits(texts, problems)
    values = _check_payloads(payloads, ~problems.has_error, problems)
    accepted = ~problems.has_error
    arrays = []
    for field in _FIELDS:
        if field.name in values:
            numbers, is_present = values[field.name]
            arrays.append(from_numpy(numbers, field.type, accepted & is_present))
        else:
            digits = payloads[:, ELEMENTS[field.name].span]
            arrays.append(string_array(np.ascontiguousarray(digits), accepted))
    return pa.record_batch(arrays, schema=_FIELDS), problems.table()


def _payload_digits(column: pa.Array, problems: IssueBuilder) -> UInt8Array:
    """Return scanned texts as ASCII digits, uint8 (n, 255); a text that is no payload is an issue and becomes zeros."""
    problems.add("FIELD_MISSING", "payload", to_mask(column.is_null()))
    texts = column.fill_null(_ZEROS)
    offsets, letters = text_buffers(texts)
    lengths = np.diff(offsets)
    if (lengths != PAYLOAD_LENGTH).any():
        texts = pc.replace_substring_regex(texts, SCANNER_MARKS, "")
        offsets, letters = text_buffers(texts)
        lengths = np.diff(offsets)
    not_digits = has_non_digits(offsets, letters) | (lengths == 0)
    if not_digits.any():
        lengths = buffer_view(pc.utf8_length(texts), np.int32)
    invalid_length = lengths != PAYLOAD_LENGTH
    found = with_unit(lengths[invalid_length], "characters")
    problems.add("PAYLOAD_LENGTH", "payload", invalid_length, f"{PAYLOAD_LENGTH} digits", found)
    _report_first_non_digit(texts, not_digits, problems)
    if invalid_length.any() or not_digits.any():
        _, letters = text_buffers(pc.if_else(bool_array(invalid_length | not_digits), _ZEROS, texts))
    return letters.reshape(len(texts), PAYLOAD_LENGTH)


def _report_first_non_digit(texts: pa.Array, rows: BoolArray, problems: IssueBuilder) -> None:
    """Report the first character that is not a digit; all before it is ASCII, so its byte is its position."""
    invalid = texts.filter(bool_array(rows))
    rest = pc.ascii_ltrim(invalid, "0123456789")
    characters = pc.utf8_slice_codeunits(rest, 0, 1).dictionary_encode()
    found = pa.array([ascii(character) for character in characters.dictionary.to_pylist()], pa.string())
    byte = buffer_view(pc.subtract(pc.binary_length(invalid), pc.binary_length(rest)).cast(pa.int64()), np.int64)
    problems.add("NOT_DIGITS", "payload", rows, "digits", found.take(characters.indices), byte)


def _check_payloads(payloads: UInt8Array, readable: BoolArray, problems: IssueBuilder) -> dict[str, _Values]:
    """Report the issues of the readable rows, in the order of the digits; return the numbers and days by field."""
    differs = (payloads != _CONST) & (_CONST != 0)
    constant_mismatch = differs.any(axis=1) & readable
    expected = _computed_elements(payloads, constant_mismatch)
    values: dict[str, _Values] = {}
    for element in ELEMENTS.values():
        name, rule = element.name, field_types(ElQr).get(element.name)
        if element.const and constant_mismatch.any():
            rows = differs[:, element.span].any(axis=1) & readable
            problems.add("PAYLOAD_FORMAT", name, rows, element.const, _text(payloads, element, rows), element.start)
        if name in expected:
            rows = (_number(payloads, element) != expected[name]) & readable
            computed = string_array(np.ascontiguousarray(to_digits(expected[name][rows], element.width)))
            problems.add(MISMATCH_CODES[name], name, rows, computed, _text(payloads, element, rows), element.start)
        if isinstance(rule, Yen):
            values[name] = _check_yen(payloads, element, rule, readable, problems)
        elif isinstance(rule, Date):
            values[name] = _check_day(payloads, element, readable, problems)
    return values


def _check_yen(
    payloads: UInt8Array, element: Element, rule: Yen, readable: BoolArray, problems: IssueBuilder
) -> _Values:
    number = _number(payloads, element)
    too_small = (number < rule.min) & readable
    found = int64_array(number[too_small]).cast(pa.string())
    problems.add("AMOUNT_RANGE", element.name, too_small, rule.expected, found, element.start)
    return number, np.ones(len(number), np.bool_)


def _check_day(payloads: UInt8Array, element: Element, readable: BoolArray, problems: IssueBuilder) -> _Values:
    number = _number(payloads, element)
    days, is_day = days_since_1970(number)
    rows = ~is_day & readable
    if element.name == "payable_until":
        rows &= number != 0
    problems.add("DATE_INVALID", element.name, rows, "YYYYMMDD", _text(payloads, element, rows), element.start)
    return days, is_day


def _computed_elements(payloads: UInt8Array, constant_mismatch: BoolArray) -> dict[str, Int64Array]:
    """Return the correct values of the computed elements.

    Constants are assumed to be right, which saves most of the sums; rows with a mismatch are computed from all digits.
    """
    has_additional = (payloads[:, ELEMENTS["additional"].span] != ord("0")).any()
    checksums = checksum_table((*_VARYING, "additional") if has_additional else _VARYING).compute(payloads)
    if constant_mismatch.any():
        of_all_digits = checksum_table(_ALL).compute(payloads[constant_mismatch])
        for values, exact in zip(checksums, of_all_digits, strict=True):
            values[constant_mismatch] = exact
    return {
        "upper_check": checksums.upper,
        "lower_check": checksums.lower,
        "amount": _number(payloads, ELEMENTS["mpn_amount"]),
        "crc": checksums.crc,
    }


def _number(payloads: UInt8Array, element: Element) -> Int64Array:
    return from_digits(payloads, element.start, element.width)


def _text(payloads: UInt8Array, element: Element, rows: BoolArray) -> pa.Array:
    return string_array(np.ascontiguousarray(payloads[rows, element.span]))
