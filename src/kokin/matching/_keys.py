"""Keys of slips as machine words: a payment number in one or two uint64, a text in as many as it needs.

The encoding is exact: equal words mean equal keys. Digits are read eight at a time (:mod:`kokin._arrow.digits`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow.convert import (
    BoolArray,
    Int64Array,
    UInt8Array,
    UInt64Array,
    is_valid,
    string_array,
    text_buffers,
    to_numpy,
)
from kokin._arrow.digits import digit_words, non_digit_words, parse_words, to_digits
from kokin.model import Receipt

#: The kinds of key of a slip, in the order in which those of a receipt are looked up.
KEY_KINDS = ("el_number", "barcode", "customer_number", "virtual_account")

#: The fields of the eL number and their digits; a shorter case key is filled with zeros.
EL_FIELDS: Mapping[str, int] = {"payee_code": 5, "item_code": 3, "case_key": 20, "confirmation": 6}

#: Words of a 顧客番号 unless one is longer: 24 bytes.
TEXT_WORDS = 3

#: The columns that contain keys.
KEY_COLUMNS = (*EL_FIELDS, *KEY_KINDS[1:])

#: Those that consist of digits, which :func:`encode_keys` checks by the rule of their record.
DIGIT_COLUMNS = (*EL_FIELDS, "barcode", "virtual_account")

_LOCATION_COLUMNS = ("layout", "source", "digest", "record_no", "byte_offset", "raw")
# Personal data: some sources shorten or omit it, so it decides neither the identity nor the order of payments.
_PERSONAL_COLUMNS = ("name", "postal_code", "address")
#: The columns that describe the payment, not where it was reported: records that are equal in them are interchangeable.
CONTENT_COLUMNS = tuple(name for name in Receipt.model_fields if name not in (*_LOCATION_COLUMNS, *_PERSONAL_COLUMNS))

_BARCODE_DIGITS = 44
_ACCOUNT_DIGITS = 10


class EncodedKeys(NamedTuple):
    """The keys of one kind, one per row."""

    #: uint64 (n, words); undefined where there is no key.
    words: UInt64Array
    #: bool (n,): the row has a key.
    present: BoolArray
    #: bool (n,): the value is not a valid key of its kind.
    invalid: BoolArray

    def at(self, rows: Int64Array) -> EncodedKeys:
        """Return the keys of some rows; ``rows`` is int64 (k,)."""
        return EncodedKeys._make(column[rows] for column in self)


def text_words(table: pa.Table | pa.RecordBatch) -> int:
    """Return the words that the longest 顧客番号 needs, at least :data:`TEXT_WORDS`."""
    if "customer_number" not in table.schema.names:
        return TEXT_WORDS
    longest = pc.max(pc.binary_length(table.column("customer_number").cast(pa.string()))).as_py() or 0
    return max(TEXT_WORDS, -(-longest // 8))


def encode_keys(batch: pa.RecordBatch, text_words: int) -> dict[str, EncodedKeys]:
    """Return the keys of a batch by kind (:data:`KEY_KINDS`), without the kinds whose columns are missing.

    ``text_words`` is the number of words of a 顧客番号; a longer one is invalid.
    """
    names = set(batch.schema.names)
    encoded = {}
    if EL_FIELDS.keys() <= names:
        encoded["el_number"] = _encode_el_numbers(batch)
    if "barcode" in names:
        encoded["barcode"] = _encode_barcodes(batch.column("barcode"))
    if "customer_number" in names:
        encoded["customer_number"] = encode_text(batch.column("customer_number"), text_words)
    if "virtual_account" in names:
        encoded["virtual_account"] = _encode_accounts(batch.column("virtual_account"))
    return encoded


def _encode_el_numbers(batch: pa.RecordBatch) -> EncodedKeys:
    """Encode payee 5, item 3, confirmation 6 and case key 2 of 20 in the first word, the rest in the second."""
    digits, present, invalid = {}, np.ones(len(batch), np.bool_), np.zeros(len(batch), np.bool_)
    for name, width in EL_FIELDS.items():
        digits[name], has_value, has_wrong_width = _digit_rows(batch.column(name), width, shorter=name == "case_key")
        present &= has_value
        invalid |= has_wrong_width
    case_key = digits["case_key"]
    words = (
        _concat_words(digit_words(digits["payee_code"], 0, 5), digit_words(digits["item_code"], 0, 3), 3),
        _concat_words(digit_words(digits["confirmation"], 0, 6), digit_words(case_key, 0, 2), 2),
        digit_words(case_key, 2, 2),
        digit_words(case_key, 4, 8),
        digit_words(case_key, 12, 8),
    )
    invalid |= present & _has_non_digit(*words)
    return EncodedKeys(np.stack((_parse_words(*words[:2]), _parse_words(*words[2:])), axis=1), present, invalid)


def decode_el_numbers(words: UInt64Array) -> dict[str, pa.Array]:
    """Return the fields of encoded eL numbers, uint64 (n, 2), as texts with all their zeros."""
    high, low = to_digits(words[:, 0].view(np.int64), 16), to_digits(words[:, 1].view(np.int64), 18)
    fields = {"payee_code": high[:, :5], "item_code": high[:, 5:8], "confirmation": high[:, 8:14]}
    fields["case_key"] = np.concatenate([high[:, 14:], low], axis=1)
    return {name: string_array(np.ascontiguousarray(digits)) for name, digits in fields.items()}


def payee_numbers(words: UInt64Array) -> Int64Array:
    """Return the payees of encoded eL numbers, uint64 (n, 2), as numbers of five digits: int64 (n,)."""
    return words[:, 0].view(np.int64) // 10**11


def _encode_barcodes(array: pa.Array) -> EncodedKeys:
    """Encode company 6 + free field 21: nine digits in the first word, 18 in the second.

    The re-issue digit, the deadline, the stamp flag, the amount and the check digit are not part of the key.
    """
    digits, present, invalid = _digit_rows(array, _BARCODE_DIGITS)
    key = tuple(digit_words(digits, start, count) for start, count in ((2, 1), (3, 8), (11, 2), (13, 8), (21, 8)))
    rest = (digit_words(digits, start, 8) for start in (0, 29, 36))
    invalid |= present & _has_non_digit(*key, *rest)
    return EncodedKeys(np.stack((_parse_words(*key[:2]), _parse_words(*key[2:])), axis=1), present, invalid)


def _encode_accounts(array: pa.Array) -> EncodedKeys:
    digits, present, invalid = _digit_rows(array, _ACCOUNT_DIGITS)
    words = (digit_words(digits, 0, 2), digit_words(digits, 2, 8))
    invalid |= present & _has_non_digit(*words)
    return EncodedKeys(_parse_words(*words).reshape(-1, 1), present, invalid)


def encode_text(array: pa.Array, word_count: int) -> EncodedKeys:
    """Encode texts in ``word_count`` words, padded with NUL; one that is longer, or contains a NUL, is invalid."""
    rows, lengths = justify(array, word_count * 8, right=False)
    present = lengths > 0
    invalid = lengths > word_count * 8
    if np.count_nonzero(rows) != lengths.sum():  # some text contains a NUL, or a null has bytes
        invalid |= present & (np.count_nonzero(rows, axis=1) != lengths)
    words = np.ascontiguousarray(rows).view("<u8").astype(np.uint64, copy=False)
    return EncodedKeys(words, present, invalid)


def _digit_rows(array: pa.Array, width: int, *, shorter: bool = False) -> tuple[UInt8Array, BoolArray, BoolArray]:
    """Return a digit column in rows of one width, uint8 (n, width), which rows have a value, and whose width is wrong.

    ``shorter`` allows values with fewer digits.
    """
    rows, lengths = justify(array, width, right=True)
    present = lengths > 0
    return rows, present, lengths > width if shorter else present & (lengths != width)


def justify(array: pa.Array, width: int, *, right: bool) -> tuple[UInt8Array, Int64Array]:
    """Return the bytes of a text column in rows of one width, uint8 (n, width), and their lengths, int64 (n,).

    A shorter text is padded with ``0`` on the left (``right``) or with NUL on the right; one that is too long is left
    out, but its length is returned. The length of a null is 0, its row is undefined. Texts that all have the width are
    not copied.
    """
    if pt.is_dictionary(array.type):
        rows, lengths = justify(array.dictionary, width, right=right)
        rows = np.concatenate([rows, np.full((1, width), ord("0") if right else 0, np.uint8)])
        index = to_numpy(array.indices.cast(pa.int64()), len(lengths))
        return rows[index], np.append(lengths, 0)[index]
    offsets, text = text_buffers(array)
    count = len(array)
    lengths = np.diff(offsets).astype(np.int64)
    longest = int(lengths.max(initial=0))
    is_longest = lengths == longest
    if array.null_count:
        lengths[~is_valid(array)] = 0
    if longest == width and is_longest.all():
        return text.reshape(count, width), lengths
    rows = np.full((count, width), ord("0") if right else 0, np.uint8)
    if 0 < longest <= width and len(text) == np.count_nonzero(is_longest) * longest:  # all others are empty
        columns = slice(width - longest, None) if right else slice(longest)
        if is_longest.all():
            rows[:, columns] = text.reshape(count, longest)
        else:
            # A text is copied as one value, which is ten times as fast as byte by byte.
            texts, as_value = np.full((count, longest), rows[0, 0], np.uint8), f"V{longest}"
            texts.view(as_value)[is_longest, 0] = text.view(as_value)
            rows[:, columns] = texts
        return rows, lengths
    size = np.where(lengths > width, 0, lengths)
    row = np.repeat(np.arange(count), size)
    column = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    rows[row, column + (width - size[row] if right else 0)] = text[offsets[row] + column]
    return rows, lengths


def _concat_words(left: UInt64Array, right: UInt64Array, right_count: int) -> UInt64Array:
    """Return the digits of ``left`` followed by the ``right_count`` digits of ``right`` as one word."""
    return (left >> np.uint64(8 * right_count)) | right


def _has_non_digit(*words: UInt64Array) -> BoolArray:
    """Return which rows have a byte that is not a digit in any of their words: bool (n,)."""
    found: BoolArray = np.logical_or.reduce([non_digit_words(word) for word in words])
    return found


def _parse_words(*words: UInt64Array) -> UInt64Array:
    """Return the number of up to 18 digits, eight in each word but the first: uint64 (n,)."""
    return functools.reduce(lambda high, low: high * 10**8 + low, map(parse_words, words)).view(np.uint64)
