"""What a million eL-QR say: a column of texts in, columns of fields out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from kokin._arrow import (
    BoolArray,
    Int64Array,
    IssueBuilder,
    UInt8Array,
    days_since_1970,
    from_digits,
    from_numpy,
    int64_array,
    normalize_column,
    string_array,
    to_digits,
    type_issue,
)
from kokin.elqr._batch_checks import checker
from kokin.elqr._batches import on_threads, stretches
from kokin.elqr._code import ElQr
from kokin.elqr._parts import ELEMENTS, Element
from kokin.elqr._payload_column import payload_column
from kokin.issues import InvalidInputError, to_table
from kokin.model import Date, Yen, arrow_schema, field_types


@dataclass(frozen=True, slots=True)
class ParseResult:
    """What a batch of codes says: ``len(table) = accepted + rejected``."""

    table: pa.Table
    """The fields of :class:`~kokin.elqr.ElQr`, a row per text; all null where it was rejected."""
    issues: pa.Table
    """What is wrong, with :data:`~kokin.issues.ISSUE_COLUMNS`; ``record`` is the row's number from 1."""

    @property
    def rejected(self) -> int:
        """The texts that are no valid eL-QR."""
        return int(self.table["payee_code"].null_count)

    @property
    def accepted(self) -> int:
        """The texts that are valid."""
        return len(self.table) - self.rejected


def parse_many(payloads: Any, *, threads: int | None = None) -> ParseResult:
    """What many codes say, by the same rules as :func:`~kokin.elqr.check` and :func:`~kokin.elqr.parse`.

    ``payloads`` is an Arrow text column, or anything that offers one. The issues tell the first digit of the wrong
    field (from 0) in ``byte``. A null is rejected as missing.

    Raises:
        InvalidInputError: not a column of text.
    """
    given = payloads if isinstance(payloads, pa.ChunkedArray) else pa.chunked_array(payloads)
    texts = normalize_column(given, pa.string())
    if texts is None:
        raise InvalidInputError([type_issue("payload", pa.string(), given.type)])
    table = pa.table({"payload": texts.cast(pa.string())})
    pieces = [(batch.column(0), 1 + first) for first, batch in stretches(table)]
    parsed = on_threads(_parse, pieces, threads)
    return ParseResult(
        pa.Table.from_batches([batch for batch, _ in parsed], _FIELDS),
        pa.concat_tables([to_table(()), *(issues for _, issues in parsed)]),
    )


_FIELDS = pa.schema([field.with_nullable(True) for field in arrow_schema(ElQr)])

# The parts that vary from code to code; the last one is zeros in every code seen.
_VARYING = tuple(part.name for part in ELEMENTS.values() if not part.const and part.name not in ("additional", "crc"))
_EVERYTHING = tuple(name for name in ELEMENTS if name != "crc")

# What always stands at a place, or 0.
_CONST = np.frombuffer("".join(part.const or "\0" * part.width for part in ELEMENTS.values()).encode(), np.uint8)

# The parts that must be equal to something else, and what it is called when they are not.
_CHECKED = {
    "upper_check": "CHECK_DIGIT",
    "lower_check": "CHECK_DIGIT",
    "amount": "PAYLOAD_AMOUNT",
    "crc": "PAYLOAD_CRC",
}

# The numbers or days of a field, and which rows have one.
_Values: TypeAlias = tuple[Int64Array, BoolArray]


def _parse(column: pa.Array, first: int) -> tuple[pa.RecordBatch, pa.Table]:
    """The fields of a stretch of texts, null where a row was refused, and its problems."""
    problems = IssueBuilder(first, np.zeros(len(column), np.bool_))
    payloads = payload_column(column, problems)
    values = _check(payloads, ~problems.has_error, problems)
    known = ~problems.has_error
    arrays = []
    for field in _FIELDS:
        if field.name in values:
            numbers, there = values[field.name]
            arrays.append(from_numpy(numbers, field.type, known & there))
        else:
            digits = payloads[:, ELEMENTS[field.name].span]
            arrays.append(string_array(np.ascontiguousarray(digits), known))
    return pa.record_batch(arrays, schema=_FIELDS), problems.table()


def _check(payloads: UInt8Array, readable: BoolArray, problems: IssueBuilder) -> dict[str, _Values]:
    """Tells what is wrong with the readable rows, in the order of the digits; returns the numbers and days."""
    departs = (payloads != _CONST) & (_CONST != 0)
    odd = departs.any(axis=1) & readable
    expected = _expected(payloads, odd)
    values: dict[str, _Values] = {}
    for part in ELEMENTS.values():
        rule = field_types(ElQr).get(part.name)
        if part.const and odd.any():
            wrong = departs[:, part.span].any(axis=1) & readable
            problems.add("PAYLOAD_FORMAT", part.name, wrong, part.const, _found(payloads, part, wrong), part.start)
        if part.name in expected:
            wrong = (_number(payloads, part) != expected[part.name]) & readable
            stated = string_array(np.ascontiguousarray(to_digits(expected[part.name][wrong], part.width)))
            problems.add(_CHECKED[part.name], part.name, wrong, stated, _found(payloads, part, wrong), part.start)
        if isinstance(rule, Yen):
            values[part.name] = _check_yen(payloads, part, rule, readable, problems)
        elif isinstance(rule, Date):
            values[part.name] = _check_day(payloads, part, readable, problems)
    return values


def _check_yen(payloads: UInt8Array, part: Element, rule: Yen, readable: BoolArray, problems: IssueBuilder) -> _Values:
    number = _number(payloads, part)
    low = (number < rule.min) & readable
    found = int64_array(number[low]).cast(pa.string())
    problems.add("AMOUNT_RANGE", part.name, low, rule.expected, found, part.start)
    return number, np.ones(len(number), np.bool_)


def _check_day(payloads: UInt8Array, part: Element, readable: BoolArray, problems: IssueBuilder) -> _Values:
    number = _number(payloads, part)
    days, good = days_since_1970(number)
    wrong = ~good & readable
    if part.name == "payable_until":
        wrong &= number != 0
    problems.add("DATE_INVALID", part.name, wrong, "YYYYMMDD", _found(payloads, part, wrong), part.start)
    return days, good


def _number(payloads: UInt8Array, part: Element) -> Int64Array:
    return from_digits(payloads, part.start, part.width)


def _found(payloads: UInt8Array, part: Element, rows: BoolArray) -> pa.Array:
    return string_array(np.ascontiguousarray(payloads[rows, part.span]))


def _expected(payloads: UInt8Array, odd: BoolArray) -> dict[str, Int64Array]:
    """What the checked parts should say; for the odd rows, in which a fixed part differs, all digits are looked at."""
    additional = (payloads[:, ELEMENTS["additional"].span] != ord("0")).any()
    checks = checker((*_VARYING, "additional") if additional else _VARYING).checks(payloads)
    if odd.any():
        for usual, special in zip(checks, checker(_EVERYTHING).checks(payloads[odd]), strict=True):
            usual[odd] = special
    return {
        "upper_check": checks.upper,
        "lower_check": checks.lower,
        "amount": _number(payloads, ELEMENTS["mpn_amount"]),
        "crc": checks.crc,
    }
