"""Checks of columns by the field types of the record, and the issues that they find.

An invalid value is reported to :class:`IssueBuilder` as the record reports it, and replaced by a valid placeholder, so
that the rest of the batch can be processed as arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from pydantic_core import PydanticCustomError

from kokin._arrow.convert import (
    EMPTY_STRING,
    NULL_STRING,
    BoolArray,
    Int64Array,
    UInt8Array,
    bool_array,
    buffer_view,
    from_numpy,
    int64_array,
    is_present,
    text_array,
    text_buffers,
    to_mask,
    to_numpy,
)
from kokin._arrow.digits import FIRST_DAY, LAST_DAY, days_since_1970, from_digits
from kokin.issues import ISSUE_CODES, issue_schema
from kokin.model import Amounts, Date, Digits, FieldType, Names, Text, Yen, redact
from kokin.text import find_control_character

# Numbers of so many digits fit int64; no field has more.
_INT64_DIGITS = 18

PLACEHOLDER_DATE = "1970-01-01"

# A list of pairs, the type that a map is cast to: its fields can be read as arrays.
_PAIRS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.int64())]))


_ISSUE_SCHEMA = issue_schema()


@dataclass
class IssueBuilder:
    """Issues of a chunk of rows as columns: a million issues are a few arrays, not a million objects.

    ``first_record`` is the record number of row 0, ``file`` the file name in every issue. ``has_error``, bool (n,), is
    updated by :meth:`add`: the rows with an error.
    """

    first_record: int
    has_error: BoolArray
    file: str = ""
    _blocks: list[tuple[str, str, int | Int64Array | None, Int64Array, Any, Any]] = field(default_factory=list)

    def add(
        self,
        code: str,
        name: str,
        mask: BoolArray,
        expected: str | pa.Array = "",
        found: str | pa.Array = "",
        byte: int | Int64Array | None = None,
    ) -> None:
        """Add an issue for each row of a mask; ``expected``, ``found`` and ``byte`` have one value per *masked* row."""
        rows = np.flatnonzero(mask)
        if rows.size:
            self._blocks.append((code, name, byte, rows, expected, found))
            if ISSUE_CODES[code].severity == "error":
                self.has_error[rows] = True

    def table(self) -> pa.Table:
        """Return the issues with ``ISSUE_COLUMNS``, ordered by record and, within a record, as they were added."""
        blocks = []
        for code, name, byte, rows, expected, found in self._blocks:
            count = len(rows)
            record = int64_array(rows + self.first_record)
            offset = pa.nulls(count, pa.int64()) if byte is None else int64_array(np.broadcast_to(byte, count))
            values = (code, ISSUE_CODES[code].severity.value, name, self.file, record, offset, expected, found)
            arrays = [pa.repeat(pa.scalar(value), count) if isinstance(value, str) else value for value in values]
            blocks.append(pa.table(arrays, schema=_ISSUE_SCHEMA))
        if not blocks:
            return pa.Table.from_batches([], _ISSUE_SCHEMA)
        if len(blocks) == 1:
            return blocks[0]
        order = np.argsort(np.concatenate([rows for *_, rows, _, _ in self._blocks]), kind="stable")
        return pa.concat_tables(blocks).take(int64_array(order))


def digits_column(column: pa.Array, rule: Digits, name: str, issues: IssueBuilder, default: str | None) -> UInt8Array:
    """Return texts as ASCII digits, uint8 (n, width). A null becomes ``default``, and is an issue if that is None."""
    placeholder = "0" * rule.width
    texts = _fill_nulls(column, default or placeholder, name, issues, required=default is None)
    offsets, ascii_bytes = text_buffers(texts)
    lengths = np.diff(offsets)
    not_digits = has_non_digits(offsets, ascii_bytes)
    invalid_length = (lengths > rule.width) | (lengths == 0) if rule.zero_pad else lengths != rule.width
    invalid_length &= ~not_digits
    if not_digits.any() or invalid_length.any():
        issues.add("NOT_DIGITS", name, not_digits, rule.expected, redact_array(texts, not_digits))
        issues.add("WIDTH", name, invalid_length, rule.expected, with_unit(lengths[invalid_length], "digits"))
        _, ascii_bytes = text_buffers(texts := pc.if_else(bool_array(not_digits | invalid_length), placeholder, texts))
    if len(ascii_bytes) != len(texts) * rule.width:
        _, ascii_bytes = text_buffers(pc.ascii_lpad(texts, rule.width, "0"))
    return ascii_bytes.reshape(len(texts), rule.width)


def yen_column(column: pa.Array, rule: Yen, name: str, issues: IssueBuilder) -> Int64Array:
    """Return whole yen in the range of the field, int64 (n,), from an int64 column or from texts of digits."""
    placeholder = _placeholder_yen(rule)
    if pa.types.is_string(column.type):
        column = _parse_yen(_fill_nulls(column, str(placeholder), name, issues), rule, name, issues)
    values = buffer_view(_fill_nulls(column, placeholder, name, issues), np.int64)
    out_of_range = (values < rule.min) | (values > rule.max)
    if out_of_range.any():
        found = int64_array(values[out_of_range]).cast(pa.string())
        issues.add("AMOUNT_RANGE", name, out_of_range, rule.expected, found)
        values = np.where(out_of_range, placeholder, values)
    return values


def _placeholder_yen(rule: Yen) -> int:
    """Return a number in the range, and not 0, which another rule may reject."""
    return max(rule.min, 1)


def _parse_yen(texts: pa.Array, rule: Yen, name: str, issues: IssueBuilder) -> pa.Array:
    """Return texts of digits as int64; an invalid or too long text is an issue and replaced.

    A minus may precede the digits if the rule has negative numbers.
    """
    digits, negative = texts, np.zeros(len(texts), np.bool_)
    if rule.min < 0:
        negative = to_mask(pc.starts_with(texts, "-"))
        digits = pc.replace_substring_regex(texts, "^-", "")
    offsets, ascii_bytes = text_buffers(digits)
    not_digits = has_non_digits(offsets, ascii_bytes) | (np.diff(offsets) == 0)
    if not_digits.any():
        issues.add("NOT_DIGITS", name, not_digits, "digits", redact_array(texts, not_digits))
    digits = pc.ascii_ltrim(digits, "0")
    too_long = (np.diff(text_buffers(digits)[0]) > _INT64_DIGITS) & ~not_digits
    if too_long.any():
        issues.add("AMOUNT_RANGE", name, too_long, rule.expected, redact_array(texts, too_long))
    if not_digits.any() or too_long.any():
        digits = pc.if_else(bool_array(not_digits | too_long), str(_placeholder_yen(rule)), digits)
    numbers = pc.ascii_lpad(digits, 1, "0").cast(pa.int64())
    return pc.if_else(bool_array(negative), pc.negate(numbers), numbers) if negative.any() else numbers


def day_column(
    column: pa.Array, name: str, issues: IssueBuilder, required: bool = True
) -> tuple[Int64Array, BoolArray]:
    """Return dates as days since 1970-01-01, int64 (n,), from date32 or ISO text, and which rows have a valid date."""
    present = ~to_mask(column.is_null())
    if required:
        issues.add("FIELD_MISSING", name, ~present)
    texts = None
    if pa.types.is_string(column.type):
        texts = column.fill_null(PLACEHOLDER_DATE) if column.null_count else column
        days, is_date = _parse_iso_dates(texts)
    else:
        days = to_numpy(column, 0).astype(np.int64)
        is_date = (days >= FIRST_DAY) & (days <= LAST_DAY)
    if not is_date.all():
        invalid = ~is_date
        found = int64_array(days[invalid]).cast(pa.string()) if texts is None else redact_array(texts, invalid)
        issues.add("DATE_INVALID", name, invalid, Date.expected, found)
    return np.where(is_date, days, 0), present & is_date


def _parse_iso_dates(texts: pa.Array) -> tuple[Int64Array, BoolArray]:
    """Return texts ``YYYY-MM-DD`` as days since 1970-01-01, and which texts are dates."""
    offsets, ascii_bytes = text_buffers(texts)
    fits = np.diff(offsets) == len(PLACEHOLDER_DATE)
    if not fits.all():
        _, ascii_bytes = text_buffers(pc.if_else(bool_array(fits), texts, PLACEHOLDER_DATE))
    letters = ascii_bytes.reshape(len(texts), len(PLACEHOLDER_DATE))
    digits = np.delete(letters, (4, 7), axis=1)
    fits &= (letters[:, 4] == ord("-")) & (letters[:, 7] == ord("-")) & is_digit(digits).all(axis=1)
    days, is_date = days_since_1970(from_digits(np.ascontiguousarray(digits), 0, 8))
    return days, is_date & fits


def text_column(column: pa.Array, rule: Text, name: str, issues: IssueBuilder) -> pa.Array:
    """Return texts checked for their length and for control characters. A null is an issue."""
    texts = _fill_nulls(column, "?" * max(rule.min, 0), name, issues)
    lengths = buffer_view(pc.utf8_length(texts), np.int32).astype(np.int64)
    invalid_length = (lengths < rule.min) | (lengths > rule.width)
    if invalid_length.any():
        issues.add("WIDTH", name, invalid_length, rule.expected, with_unit(lengths[invalid_length], "characters"))
    _, letters = text_buffers(texts)
    if len(letters) and (letters.min() < ord(" ") or letters.max() > ord("~")):
        # Only texts that are not printable ASCII are checked, in Python, and each distinct text once.
        is_ascii = to_mask(pc.match_substring_regex(texts, "^[ -~]*$"))
        rows = np.flatnonzero(~is_ascii & ~invalid_length)
        distinct = texts.take(int64_array(rows)).dictionary_encode()
        has_control = [bool(find_control_character(text)) for text in distinct.dictionary.to_pylist()]
        invalid = np.zeros(len(texts), np.bool_)
        if len(rows):
            invalid[rows] = np.array(has_control, np.bool_)[to_numpy(distinct.indices, 0)]
        issues.add("CHARACTER", name, invalid, "no control characters")
    return texts


def _fill_nulls(
    column: pa.Array, placeholder: object, name: str, issues: IssueBuilder, required: bool = True
) -> pa.Array:
    """Return a column with a placeholder for nulls, which are issues if the field is required."""
    if not column.null_count:
        return column
    if required:
        issues.add("FIELD_MISSING", name, to_mask(column.is_null()))
    return column.fill_null(placeholder)


def is_digit(letters: UInt8Array) -> BoolArray:
    """Return which bytes are ASCII digits."""
    return letters - np.uint8(ord("0")) < 10


def has_non_digits(offsets: npt.NDArray[Any], letters: UInt8Array) -> BoolArray:
    """Return which texts have a byte that is not an ASCII digit: bool (n,)."""
    found = np.zeros(len(offsets) - 1, np.bool_)
    if not letters.size or (letters.min() >= ord("0") and letters.max() <= ord("9")):
        return found
    positions = np.flatnonzero(~is_digit(letters))
    found[np.searchsorted(offsets, positions, side="right") - 1] = True
    return found


def redact_array(texts: pa.Array, mask: BoolArray) -> pa.Array:
    """Return the masked texts redacted for display in an issue; each distinct text is redacted once."""
    distinct = texts.filter(bool_array(mask)).dictionary_encode()
    return pa.array([redact(text) for text in distinct.dictionary.to_pylist()], pa.string()).take(distinct.indices)


def with_unit(numbers: Int64Array, unit: str) -> pa.Array:
    """Return texts such as ``3 digits``."""
    return pc.binary_join_element_wise(int64_array(numbers).cast(pa.string()), unit, " ")


# A name without a separator, a space or a control character: valid as it is, unless it is too long.
_PLAIN_NAME = r"[^;=\p{C}\p{Z}]+"
_PLAIN_AMOUNT = rf"{_PLAIN_NAME}=[0-9]{{1,11}}"
_PLAIN_ROW: dict[type[FieldType], str] = {
    Names: f"^(?:{_PLAIN_NAME}(?:;{_PLAIN_NAME})*)?$",
    Amounts: f"^(?:{_PLAIN_AMOUNT}(?:;{_PLAIN_AMOUNT})*)?$",
}


def names_or_amounts_column(column: pa.Array, rule: Names | Amounts, name: str, issues: IssueBuilder) -> pa.Array:
    """Return names as ``list<string>``, or amounts as ``map<string, int64>``; a null becomes empty.

    An invalid row is an issue and becomes empty. Columns that are certainly valid are checked by kernels; otherwise
    each row that has a value is checked by the rule of the record itself, so the two cannot differ.
    """
    if pt.is_string(column.type):
        if not _is_match(column, _PLAIN_ROW[type(rule)]).all():
            return _check_rows(column, is_present(column), rule, name, issues)
        column = _split_plain_texts(column, rule)
    lists = column if isinstance(rule, Names) else column.cast(_PAIRS)
    if not column.null_count and not _may_be_invalid(lists, rule).any():
        return column
    return _check_rows(column, to_numpy(pc.list_value_length(lists).cast(pa.int64()), 0) > 0, rule, name, issues)


def _split_plain_texts(texts: pa.Array, rule: Names | Amounts) -> pa.Array:
    """Split texts that match ``_PLAIN_ROW`` into lists or maps, as the rule of the record does one text at a time.

    >>> _split_plain_texts(text_array(["water=4400;sewerage=3960", None]), Amounts(Text(40), Yen())).to_pylist()
    [[('water', 4400), ('sewerage', 3960)], []]
    """
    lists = pc.split_pattern(pc.if_else(bool_array(is_present(texts)), texts, NULL_STRING), ";")
    offsets = _list_offsets(to_numpy(pc.list_value_length(lists), 0))
    items = lists.flatten()
    if isinstance(rule, Names):
        return pa.ListArray.from_arrays(offsets, items)
    sides = pc.split_pattern(items, "=")
    yen = pc.list_element(sides, 1).cast(pa.int64())
    return pa.MapArray.from_arrays(offsets, pc.list_element(sides, 0), yen)


def _list_offsets(counts: npt.NDArray[Any]) -> pa.Array:
    """Return the offsets of lists with these numbers of items: ``[2, 0, 1]`` -> ``[0, 2, 2, 3]``."""
    return from_numpy(np.concatenate([[0], np.cumsum(counts)]), pa.int32())


def _may_be_invalid(lists: pa.Array, rule: Names | Amounts) -> BoolArray:
    """Return which rows of lists of names or pairs may be invalid, or have spaces to remove: bool (n,).

    >>> _may_be_invalid(pa.array([["o1", "o2"], [" o3"], []]), Names(Text(64))).tolist()
    [False, True, False]
    """
    items, rows = lists.flatten(), to_numpy(pc.list_parent_indices(lists).cast(pa.int64()), 0)
    suspicious = np.zeros(len(lists), np.bool_)
    if isinstance(rule, Names):
        suspicious |= to_numpy(pc.list_value_length(lists).cast(pa.int64()), 0) > rule.max_count
    names = items.field("key") if isinstance(rule, Amounts) else items
    if isinstance(rule, Amounts):
        yen = to_numpy(items.field("value"), -1)
        suspicious[rows[(yen < rule.yen.min) | (yen > rule.yen.max)]] = True
        suspicious[_rows_with_duplicates(names, rows)] = True
    lengths = to_numpy(pc.utf8_length(names), 0)
    suspicious[rows[~_is_match(names, f"^{_PLAIN_NAME}$") | (lengths > rule.name.width)]] = True
    return suspicious


def _rows_with_duplicates(names: pa.Array, rows: Int64Array) -> Int64Array:
    """Return the rows in which a name occurs more than once; ``rows`` is the row of each name.

    A name and its row are encoded as one integer, ``row * (distinct names + 1) + name``: equal neighbours in sorted
    order are duplicates.

    >>> _rows_with_duplicates(text_array(["a", "b", "a", "a"]), np.array([0, 0, 1, 1])).tolist()
    [1]
    """
    coded = names.dictionary_encode()
    base = len(coded.dictionary) + 1
    pairs = np.sort(rows * base + to_numpy(coded.indices.cast(pa.int64()), 0))
    duplicates: Int64Array = pairs[1:][pairs[1:] == pairs[:-1]]
    return duplicates // base


def _check_rows(
    column: pa.Array, has_value: BoolArray, rule: Names | Amounts, name: str, issues: IssueBuilder
) -> pa.Array:
    """Check each row that has a value by the rule of the record, and return lists or maps."""
    rows = np.flatnonzero(has_value)
    counts = np.zeros(len(column), np.int64)
    items: list[Any] = []
    errors: dict[str, dict[int, tuple[str, str]]] = {}  # by code and row: the expected and the found value
    for row, value in zip(rows.tolist(), column.take(int64_array(rows)).to_pylist(), strict=True):
        try:
            checked = rule.check(value)
        except PydanticCustomError as error:
            context = error.context or {}
            errors.setdefault(error.type, {})[row] = (context["expected"], context["found"])
            continue
        counts[row] = len(checked)
        items += checked
    for code, errors_by_row in errors.items():
        invalid = np.zeros(len(column), np.bool_)
        invalid[list(errors_by_row)] = True
        expected, found = zip(*errors_by_row.values(), strict=True)
        issues.add(code, name, invalid, text_array(expected), text_array(found))
    offsets = _list_offsets(counts)
    if isinstance(rule, Names):
        return pa.ListArray.from_arrays(offsets, text_array(items))
    names, yen = text_array([name for name, _ in items]), np.array([yen for _, yen in items], np.int64)
    return pa.MapArray.from_arrays(offsets, names, int64_array(yen))


def _is_match(texts: pa.Array, pattern: str) -> BoolArray:
    """Return which texts match; a null counts as an empty text."""
    return to_mask(pc.match_substring_regex(pc.fill_null(texts, EMPTY_STRING), pattern))


def check_amounts(parts: pa.Array, amount: Int64Array, issues: IssueBuilder, mask: BoolArray) -> None:
    """Add an issue for each masked row whose parts do not add up to the amount.

    Sums of lists are differences of running sums. Example: 2, 0 and 1 parts of 1, 2 and 5 yen have the running sums
    0, 1, 3, 8; the lists end at 2, 2, 3; the sums are 3 - 0, 3 - 3 and 8 - 3.
    """
    lists = parts.cast(_PAIRS)
    counts = to_numpy(pc.list_value_length(lists).cast(pa.int64()), 0)
    running_sums = np.concatenate([[0], np.cumsum(to_numpy(lists.flatten().field("value"), 0))])
    ends = np.cumsum(counts)
    sums = running_sums[ends] - running_sums[ends - counts]
    differs = (counts > 0) & (sums != amount) & mask
    issues.add("PARTS_SUM", "parts", differs, _to_texts(amount[differs]), _to_texts(sums[differs]))


def check_paid_before(table: dict[str, pa.Array], issues: IssueBuilder, mask: BoolArray) -> None:
    """Add an issue for each masked bill that is its own obligation and on which more was paid than is billed."""
    if "paid_before" not in table:
        return
    amount, paid = (buffer_view(table[name], np.int64) for name in ("amount", "paid_before"))
    exceeds = (paid > amount) & mask
    if not exceeds.any():
        return
    if "obligation_id" in table:
        exceeds &= ~is_present(table["obligation_id"])
    if "covers" in table:
        exceeds &= to_numpy(pc.list_value_length(table["covers"]), 0) == 0
    at_most = pc.binary_join_element_wise("at most", _to_texts(amount[exceeds]), " ")
    issues.add("PAID_BEFORE_RANGE", "paid_before", exceeds, at_most, _to_texts(paid[exceeds]))


def _to_texts(numbers: Int64Array) -> pa.Array:
    return int64_array(numbers).cast(pa.string())
