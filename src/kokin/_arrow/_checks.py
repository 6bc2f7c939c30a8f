"""Columns of a batch, checked by the rules of the record and turned into numbers or ASCII digits.

A value that breaks its rule is told to :class:`IssueBuilder` in the very words that the record uses, and a harmless one
stands in its place, so that the batch can be worked on as a whole.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow._arrow import (
    BoolArray,
    Int64Array,
    UInt8Array,
    bool_array,
    buffer_view,
    int64_array,
    text_buffers,
    to_mask,
    to_numpy,
)
from kokin._arrow._digits import FIRST_DAY, LAST_DAY, days_since_1970, from_digits
from kokin._arrow._problems import IssueBuilder
from kokin.model import Date, Digits, Text, Yen, redact
from kokin.text import find_control_character

# A number of so many digits fits int64 for certain; no field has as many.
_SAFE_DIGITS = 18

# What stands in for a text that is no day.
_SOME_DAY = "1970-01-01"


def digits_column(column: pa.Array, rule: Digits, name: str, problems: IssueBuilder, default: str | None) -> UInt8Array:
    """Text as ASCII digits, uint8 (n, width). A null is the default, or missing where there is none."""
    texts = _told_and_filled(column, default or "0" * rule.width, name, problems, required=default is None)
    offsets, ascii_bytes = text_buffers(texts)
    lengths = np.diff(offsets)
    foreign = has_non_digits(offsets, ascii_bytes)
    wrong = (lengths > rule.width) | (lengths == 0) if rule.pad else lengths != rule.width
    wrong &= ~foreign
    if foreign.any() or wrong.any():
        problems.add("NOT_DIGITS", name, foreign, rule.expected, redact_array(texts, foreign))
        problems.add("WIDTH", name, wrong, rule.expected, with_unit(lengths[wrong], "digits"))
        _, ascii_bytes = text_buffers(texts := pc.if_else(bool_array(foreign | wrong), "0" * rule.width, texts))
    if len(ascii_bytes) != len(texts) * rule.width:
        _, ascii_bytes = text_buffers(pc.ascii_lpad(texts, rule.width, "0"))
    return ascii_bytes.reshape(len(texts), rule.width)


def yen_column(column: pa.Array, rule: Yen, name: str, problems: IssueBuilder) -> Int64Array:
    """Whole numbers in their range, int64 (n), from an int64 column or from text of nothing but digits."""
    if pa.types.is_string(column.type):
        texts = _told_and_filled(column, str(_placeholder(rule)), name, problems)
        column = _numbers_of(texts, rule, name, problems)
    values = buffer_view(_told_and_filled(column, _placeholder(rule), name, problems), np.int64)
    outside = (values < rule.min) | (values > rule.max)
    if outside.any():
        found = int64_array(values[outside]).cast(pa.string())
        problems.add("AMOUNT_RANGE", name, outside, rule.expected, found)
        values = np.where(outside, _placeholder(rule), values)
    return values


def _placeholder(rule: Yen) -> int:
    """A number that replaces a rejected one: within the bounds, and not 0, which another rule may reject."""
    return max(rule.min, 1)


def _numbers_of(texts: pa.Array, rule: Yen, name: str, problems: IssueBuilder) -> pa.Array:
    """Texts of digits as int64; a text that is none, or far too long, is an issue and replaced.

    A minus may precede the digits where the rule has negative numbers.
    """
    digits, negative = texts, np.zeros(len(texts), np.bool_)
    if rule.min < 0:
        negative = to_mask(pc.starts_with(texts, "-"))
        digits = pc.replace_substring_regex(texts, "^-", "")
    offsets, ascii_bytes = text_buffers(digits)
    foreign = has_non_digits(offsets, ascii_bytes) | (np.diff(offsets) == 0)
    if foreign.any():
        problems.add("NOT_DIGITS", name, foreign, "digits", redact_array(texts, foreign))
    digits = pc.ascii_ltrim(digits, "0")
    too_long = (np.diff(text_buffers(digits)[0]) > _SAFE_DIGITS) & ~foreign
    if too_long.any():
        problems.add("AMOUNT_RANGE", name, too_long, rule.expected, redact_array(texts, too_long))
    if foreign.any() or too_long.any():
        digits = pc.if_else(bool_array(foreign | too_long), str(_placeholder(rule)), digits)
    numbers = pc.ascii_lpad(digits, 1, "0").cast(pa.int64())
    return pc.if_else(bool_array(negative), pc.negate(numbers), numbers) if negative.any() else numbers


def day_column(
    column: pa.Array, name: str, problems: IssueBuilder, required: bool = True
) -> tuple[Int64Array, BoolArray]:
    """Days since 1970-01-01, int64 (n), from a date32 column or ISO text, and which rows have one."""
    known = ~to_mask(column.is_null())
    if required:
        problems.add("FIELD_MISSING", name, ~known)
    texts = None
    if pa.types.is_string(column.type):
        texts = column.fill_null(_SOME_DAY) if column.null_count else column
        days, good = _days_of(texts)
    else:
        days = to_numpy(column, 0).astype(np.int64)
        good = (days >= FIRST_DAY) & (days <= LAST_DAY)
    if not good.all():
        found = redact_array(texts, ~good) if texts is not None else int64_array(days[~good]).cast(pa.string())
        problems.add("DATE_INVALID", name, ~good, Date.expected, found)
    return np.where(good, days, 0), known & good


def _days_of(texts: pa.Array) -> tuple[Int64Array, BoolArray]:
    """Texts ``YYYY-MM-DD`` as days since 1970-01-01, and which of them are such days."""
    offsets, ascii_bytes = text_buffers(texts)
    fits = np.diff(offsets) == len(_SOME_DAY)
    if not fits.all():
        _, ascii_bytes = text_buffers(pc.if_else(bool_array(fits), texts, _SOME_DAY))
    letters = ascii_bytes.reshape(len(texts), len(_SOME_DAY))
    digits = np.delete(letters, (4, 7), axis=1)
    fits &= (letters[:, 4] == ord("-")) & (letters[:, 7] == ord("-")) & is_digit(digits).all(axis=1)
    days, good = days_since_1970(from_digits(np.ascontiguousarray(digits), 0, 8))
    return days, good & fits


def _told_and_filled(
    column: pa.Array, filling: object, name: str, problems: IssueBuilder, required: bool = True
) -> pa.Array:
    """A column without nulls; where a value is required, a null is told."""
    if not column.null_count:
        return column
    if required:
        problems.add("FIELD_MISSING", name, to_mask(column.is_null()))
    return column.fill_null(filling)


def is_digit(letters: UInt8Array) -> BoolArray:
    """Which bytes are ASCII digits."""
    return letters - np.uint8(ord("0")) < 10


def has_non_digits(offsets: npt.NDArray[np.int32], letters: UInt8Array) -> BoolArray:
    """Which texts have a byte that is no ASCII digit, bool (n)."""
    foreign = np.zeros(len(offsets) - 1, np.bool_)
    if not letters.size or (letters.min() >= ord("0") and letters.max() <= ord("9")):
        return foreign
    places = np.flatnonzero(~is_digit(letters))
    foreign[np.searchsorted(offsets, places, side="right") - 1] = True
    return foreign


def redact_array(texts: pa.Array, marked: BoolArray) -> pa.Array:
    """The marked texts as an issue may tell them, each distinct one worked out once."""
    kept = texts.filter(bool_array(marked)).dictionary_encode()
    return pa.array([redact(text) for text in kept.dictionary.to_pylist()], pa.string()).take(kept.indices)


def with_unit(numbers: Int64Array, what: str) -> pa.Array:
    """``3 digits`` and the like, one text per number."""
    return pc.binary_join_element_wise(int64_array(numbers).cast(pa.string()), what, " ")


def text_column(column: pa.Array, rule: Text, name: str, problems: IssueBuilder) -> pa.Array:
    """Free text within its width and without control characters. A null is missing."""
    texts = _told_and_filled(column, "?" * max(rule.min, 0), name, problems)
    lengths = buffer_view(pc.utf8_length(texts), np.int32).astype(np.int64)
    wrong = (lengths < rule.min) | (lengths > rule.width)
    if wrong.any():
        problems.add("WIDTH", name, wrong, rule.expected, with_unit(lengths[wrong], "characters"))
    _, letters = text_buffers(texts)
    if len(letters) and (letters.min() < ord(" ") or letters.max() > ord("~")):
        # Rare enough to be asked in Python's own words; only the texts that are not plain ASCII are asked.
        plain = to_mask(pc.match_substring_regex(texts, "^[ -~]*$"))
        odd = np.flatnonzero(~plain & ~wrong)
        asked = texts.take(int64_array(odd)).dictionary_encode()
        control = pa.array([bool(find_control_character(text)) for text in asked.dictionary.to_pylist()], pa.bool_())
        marked = np.zeros(len(texts), np.bool_)
        marked[odd[to_mask(control.take(asked.indices))] if len(odd) else odd] = True
        problems.add("CHARACTER", name, marked, "no control characters")
    return texts
