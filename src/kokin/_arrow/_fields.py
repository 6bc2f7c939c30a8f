"""A normalised column checked by the rule of its field, with the same issues as the record, and brought to its type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from pydantic_core import PydanticCustomError

from kokin._arrow._arrow import (
    EMPTY_STRING,
    BoolArray,
    Int64Array,
    bool_array,
    buffer_view,
    chunks,
    combine,
    from_numpy,
    int64_array,
    is_present,
    is_valid,
    string_array,
    text_array,
    text_buffers,
    to_mask,
    to_numpy,
)
from kokin._arrow._checks import day_column, digits_column, is_digit, redact_array, text_column, yen_column
from kokin._arrow._digits import FIRST_DAY, LAST_DAY
from kokin._arrow._normalize import times_of
from kokin._arrow._problems import IssueBuilder
from kokin.model import Amounts, Date, Digits, FieldType, Names, Text, Yen

_NULL = text_array([None])[0]
_A_DAY = "1970-01-01"


def field_column(
    column: pa.Array, rule: FieldType, name: str, problems: IssueBuilder, required: bool = True
) -> pa.Array:
    """Return a column of :func:`normalize` in the type of its field, with the problems of its rows added.

    A row that breaks the rule has a harmless value. A null of a required field is a problem; another one stays null.
    """
    if isinstance(rule, Names | Amounts):
        return _several(column, rule, name, problems)
    known = is_valid(column)
    if not required and column.null_count:
        column = column.fill_null(_harmless(rule, column.type))
    match rule:
        case Digits():
            return string_array(digits_column(column, rule, name, problems, None), known)
        case Yen():
            return from_numpy(yen_column(column, rule, name, problems), pa.int64(), known)
        case Date():
            return from_numpy(day_column(column, name, problems)[0], pa.date32(), known)
        case Text():
            texts = text_column(column, rule, name, problems)
            return texts if known.all() else pc.if_else(bool_array(known), texts, _NULL)
    raise TypeError(f"no column of {type(rule).__name__}")


def _harmless(rule: FieldType, kind: pa.DataType) -> pa.Scalar:
    """A value that every check accepts, for a row that has none."""
    match rule:
        case Digits(width=width):
            text = "0" * width
        case Yen(min=least):
            text = str(least)
        case Date():
            text = _A_DAY
        case _:
            text = "?"
    scalar = text_array([text])[0]
    return scalar if pt.is_string(kind) else scalar.cast(kind)


def _several(column: pa.Array, rule: Names | Amounts, name: str, problems: IssueBuilder) -> pa.Array:
    """A list of names or a map of amounts; a null is an empty one. A row with a problem is empty.

    Each row that has any is checked by the record's own rule, unless all are plain.
    """
    if pt.is_string(column.type) and _is_match(column, _PLAIN_ROW[type(rule)]).all():
        column = _split(column, rule)
    is_text = pt.is_string(column.type)
    lists = column if is_text or isinstance(rule, Names) else column.cast(_PAIRS)
    if not is_text and not column.null_count and not _may_break(lists, rule).any():
        return column
    filled = is_present(column) if is_text else to_numpy(pc.list_value_length(lists).cast(pa.int64()), 0) > 0
    rows = np.flatnonzero(filled)
    counts = np.zeros(len(column), np.int64)
    items: list[Any] = []
    errors: dict[str, dict[int, tuple[str, str]]] = {}
    for row, value in zip(rows.tolist(), column.take(int64_array(rows)).to_pylist(), strict=True):
        try:
            several = rule.check(value)
        except PydanticCustomError as error:
            context = error.context or {}
            errors.setdefault(error.type, {})[row] = (context["expected"], context["found"])
            continue
        counts[row] = len(several)
        items += several
    for code, places in errors.items():
        marked = np.zeros(len(column), np.bool_)
        marked[list(places)] = True
        expected, found = zip(*places.values(), strict=True)
        problems.add(code, name, marked, text_array(expected), text_array(found))
    offsets = from_numpy(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    if isinstance(rule, Names):
        return pa.ListArray.from_arrays(offsets, text_array(items))
    names, yen = text_array([pair[0] for pair in items]), np.array([pair[1] for pair in items], np.int64)
    return pa.MapArray.from_arrays(offsets, names, int64_array(yen))


def _may_break(lists: pa.Array, rule: Names | Amounts) -> BoolArray:
    """Rows of lists of names or pairs that may break the rule, or have spaces to remove: bool (n,)."""
    texts, rows = lists.flatten(), to_numpy(pc.list_parent_indices(lists).cast(pa.int64()), 0)
    marked = np.zeros(len(lists), np.bool_)
    if isinstance(rule, Amounts):
        yen = texts.field("value")
        texts = texts.field("key")
        amounts = to_numpy(yen, -1)
        marked[rows[(amounts < rule.yen.min) | (amounts > rule.yen.max)]] = True
        coded = texts.dictionary_encode()
        pairs = np.sort(rows * (len(coded.dictionary) + 1) + to_numpy(coded.indices.cast(pa.int64()), 0))
        twice = pairs[1:][pairs[1:] == pairs[:-1]]
        marked[twice // (len(coded.dictionary) + 1)] = True
    lengths = to_numpy(pc.utf8_length(texts), 0)
    marked[rows[~_is_match(texts, f"^{_PLAIN_NAME}$") | (lengths > rule.name.width)]] = True
    return marked


# A name without a separator, a space or a control character: the record's rule keeps it as it is if it is short enough.
_PLAIN_NAME = r"[^;=\p{C}\p{Z}]+"
_PLAIN_AMOUNT = rf"{_PLAIN_NAME}=[0-9]{{1,11}}"
_PLAIN_ROW: dict[type[FieldType], str] = {
    Names: f"^(?:{_PLAIN_NAME}(?:;{_PLAIN_NAME})*)?$",
    Amounts: f"^(?:{_PLAIN_AMOUNT}(?:;{_PLAIN_AMOUNT})*)?$",
}


def _split(texts: pa.Array, rule: Names | Amounts) -> pa.Array:
    """Texts of plain names or amounts as lists or maps; the record's rule does the same, one text at a time."""
    empty = ~is_present(texts)
    lists = pc.split_pattern(pc.if_else(bool_array(empty), _NULL, texts), ";")
    items = lists.flatten()
    offsets = np.concatenate([[0], np.cumsum(to_numpy(pc.list_value_length(lists), 0))])
    starts = from_numpy(offsets, pa.int32())
    if isinstance(rule, Names):
        return pa.ListArray.from_arrays(starts, items)
    sides = pc.split_pattern(items, "=")
    yen = pc.list_element(sides, 1).cast(pa.int64())
    return pa.MapArray.from_arrays(starts, pc.list_element(sides, 0), yen)


_PAIRS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.int64())]))


def _is_match(texts: pa.Array, pattern: str) -> BoolArray:
    """Which texts match; a null counts as an empty text."""
    return to_mask(pc.match_substring_regex(pc.fill_null(texts, EMPTY_STRING), pattern))


def check_column(
    column: pa.ChunkedArray, field: pa.Field, rule: FieldType | None, problems: IssueBuilder, required: bool = False
) -> pa.ChunkedArray:
    """Return a column of :func:`normalize` in the type of its field; a text keeps its form.

    A null, or an empty text, of a required field is a problem; it stays null. What is in order is not copied.
    """
    if required:
        known = is_present(column) if isinstance(rule, Digits | Text) else is_valid(combine(column))
        problems.add("FIELD_MISSING", field.name, ~known)
    match rule:
        case None:
            return _times(column, field.name, problems) if pt.is_time(field.type) else column
        case Yen(min=least, max=most) if pt.is_int64(column.type) and _is_within(column, least, most):
            return column
        case Date() if pt.is_date32(column.type) and _is_within(column.cast(pa.int32()), FIRST_DAY, LAST_DAY):
            return column
        case Digits() | Text() if all(_is_plain(array, rule) for array in chunks(column)):
            return column
        case Digits() | Text():
            whole = combine(column.cast(pa.string()))
            whole = pc.if_else(bool_array(is_present(whole)), whole, _NULL)  # an empty text is none
            field_column(whole, rule, field.name, problems, required=False)
            return column
        case _:
            return pa.chunked_array([field_column(combine(column), rule, field.name, problems, required=False)])


def _is_within(column: pa.ChunkedArray, low: int, high: int) -> bool:
    ends = pc.min_max(column).as_py()
    return ends["min"] is None or (ends["min"] >= low and ends["max"] <= high)


def _is_plain(array: pa.Array, rule: Digits | Text) -> bool:
    """Whether texts are in order by their bytes alone: printable ASCII, or digits, of lengths that fit."""
    offsets, letters = text_buffers(array.dictionary if pt.is_dictionary(array.type) else array)
    lengths = np.diff(offsets)
    if isinstance(rule, Text):
        plain = not len(letters) or (letters.min() >= ord(" ") and letters.max() <= ord("~"))
        return bool(plain and (lengths <= rule.width).all())
    fits = lengths <= rule.width if rule.pad else (lengths == rule.width) | (lengths == 0)
    return bool(fits.all() and is_digit(letters).all())


def _times(column: pa.ChunkedArray, name: str, problems: IssueBuilder) -> pa.ChunkedArray:
    if not pt.is_string(column.type):
        return column
    texts = combine(column)
    known = is_present(texts)
    seconds, good = times_of(texts)
    problems.add("TIME_INVALID", name, known & ~good, "HH:MM:SS", redact_array(texts, known & ~good))
    return pa.chunked_array([from_numpy(seconds, pa.time32("s"), known & good)])


def check_amounts(parts: pa.Array, amount: Int64Array, problems: IssueBuilder, rows: BoolArray) -> None:
    """Add a problem for each of the rows whose parts do not add up to the amount."""
    lists = parts.cast(_PAIRS)
    counts = to_numpy(pc.list_value_length(lists).cast(pa.int64()), 0)
    running = np.concatenate([[0], np.cumsum(to_numpy(lists.flatten().field("value"), 0))])
    ends = np.cumsum(counts)
    sums = running[ends] - running[ends - counts]
    wrong = (counts > 0) & (sums != amount) & rows
    problems.add("PARTS_SUM", "parts", wrong, _texts(amount[wrong]), _texts(sums[wrong]))


def check_paid_before(table: dict[str, pa.Array], problems: IssueBuilder, rows: BoolArray) -> None:
    """Add a problem for each of the rows that are their own obligation, on which more was paid than is billed."""
    if "paid_before" not in table:
        return
    amount, paid = (buffer_view(table[name], np.int64) for name in ("amount", "paid_before"))
    wrong = (paid > amount) & rows
    if not wrong.any():
        return
    if "obligation_id" in table:
        wrong &= ~is_present(table["obligation_id"])
    if "covers" in table:
        wrong &= to_numpy(pc.list_value_length(table["covers"]), 0) == 0
    at_most = pc.binary_join_element_wise("at most", _texts(amount[wrong]), " ")
    problems.add("PAID_BEFORE_RANGE", "paid_before", wrong, at_most, _texts(paid[wrong]))


def _texts(numbers: Int64Array) -> pa.Array:
    return from_numpy(numbers, pa.int64()).cast(pa.string())
