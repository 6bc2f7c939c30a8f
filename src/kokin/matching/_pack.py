"""Numbers as words: the digits of a payment number in two uint64, a free text in as many as it needs.

No hash stands for a number anywhere: equal words mean equal numbers. Digits are read eight at a time, as one
little-endian word: its first digit is the lowest byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from kokin._arrow import (
    BoolArray,
    Int64Array,
    UInt8Array,
    UInt64Array,
    is_valid,
    string_array,
    text_buffers,
    to_digits,
    to_numpy,
)
from kokin.model import Receipt

#: The numbers by which a slip is known, in the order in which a receipt's are looked at.
KEY_KINDS = ("el_number", "barcode", "customer_number", "virtual_account")

#: The fields of the eL number and their digits; a shorter case key is filled with zeros.
EL_FIELDS: Mapping[str, int] = {"payee_code": 5, "item_code": 3, "case_key": 20, "confirmation": 6}

#: The columns that say a number of any kind.
KEY_COLUMNS = (*EL_FIELDS, *KEY_KINDS[1:])

#: Those of digits, which :func:`encode_keys` checks by their record's rule.
DIGIT_COLUMNS = (*EL_FIELDS, "barcode", "virtual_account")

_PLACE = ("layout", "source", "digest", "record_no", "byte_offset", "raw")
#: Personal data: some sources shorten it or leave it out, so it decides neither an identity nor an order.
_PERSONAL = ("name",)
#: What a receipt says of the payment, and not where it is reported: records that are equal in it are alike.
CONTENT = tuple(name for name in Receipt.model_fields if name not in (*_PLACE, *_PERSONAL))

_BARCODE = 44
_ACCOUNT = 10

_ZEROS = np.uint64(0x3030303030303030)
_ABOVE_NINE = np.uint64(0x7676767676767676)
_HIGH_BITS = np.uint64(0x8080808080808080)
_EIGHT = np.uint64(10**8)


class EncodedKeys(NamedTuple):
    """The numbers of one kind, a row each."""

    #: uint64 (n, words); without meaning where there is no number.
    words: UInt64Array
    #: bool (n,): the row has a number.
    present: BoolArray
    #: bool (n,): what stands there is no such number.
    wrong: BoolArray


def encode_keys(batch: pa.RecordBatch, text_words: int) -> dict[str, EncodedKeys]:
    """The numbers of a batch by kind (:data:`KEY_KINDS`); a kind without its columns is left out.

    ``text_words`` is how many words a 顧客番号 gets; a longer one counts as wrong.
    """
    names = set(batch.schema.names)
    packed = {}
    if EL_FIELDS.keys() <= names:
        packed["el_number"] = _el_number(batch)
    if "barcode" in names:
        packed["barcode"] = _barcode(batch.column("barcode"))
    if "customer_number" in names:
        packed["customer_number"] = encode_text(batch.column("customer_number"), text_words)
    if "virtual_account" in names:
        packed["virtual_account"] = _account(batch.column("virtual_account"))
    return packed


def _el_number(batch: pa.RecordBatch) -> EncodedKeys:
    """Payee 5, item 3, confirmation 6 and two digits of the case key in one word (16), the other 18 in the next."""
    rows, there, wrong = {}, np.ones(len(batch), np.bool_), np.zeros(len(batch), np.bool_)
    for name, width in EL_FIELDS.items():
        rows[name], some, bad = _digits(batch.column(name), width, shorter=name == "case_key")
        there &= some
        wrong |= bad
    case = rows["case_key"]
    spans = (
        _joined(_span(rows["payee_code"], 0, 5), 3, _span(rows["item_code"], 0, 3)),
        _joined(_span(rows["confirmation"], 0, 6), 2, _span(case, 0, 2)),
        _span(case, 2, 2),
        _span(case, 4, 8),
        _span(case, 12, 8),
    )
    wrong |= there & _odd(*spans)
    return EncodedKeys(np.stack((_number(*spans[:2]), _number(*spans[2:])), axis=1), there, wrong)


def unpack(words: UInt64Array) -> dict[str, pa.Array]:
    """The fields of packed eL numbers, uint64 (n, 2), as texts with all their zeros."""
    head, tail = to_digits(words[:, 0].view(np.int64), 16), to_digits(words[:, 1].view(np.int64), 18)
    spans = {"payee_code": head[:, :5], "item_code": head[:, 5:8], "confirmation": head[:, 8:14]}
    spans["case_key"] = np.concatenate([head[:, 14:], tail], axis=1)
    return {name: string_array(np.ascontiguousarray(digits)) for name, digits in spans.items()}


def _barcode(array: pa.Array) -> EncodedKeys:
    """Company 6 + free field 21: 9 digits in one word, 18 in the next.

    The re-issue digit, the deadline, the stamp flag, the amount and the check digit are no part of the key.
    """
    rows, there, wrong = _digits(array, _BARCODE)
    key = tuple(_span(rows, start, count) for start, count in ((2, 1), (3, 8), (11, 2), (13, 8), (21, 8)))
    rest = (_span(rows, start, 8) for start in (0, 29, 36))
    wrong |= there & _odd(*key, *rest)
    return EncodedKeys(np.stack((_number(*key[:2]), _number(*key[2:])), axis=1), there, wrong)


def _account(array: pa.Array) -> EncodedKeys:
    rows, there, wrong = _digits(array, _ACCOUNT)
    spans = (_span(rows, 0, 2), _span(rows, 2, 8))
    wrong |= there & _odd(*spans)
    return EncodedKeys(_number(*spans).reshape(-1, 1), there, wrong)


def encode_text(array: pa.Array, count: int) -> EncodedKeys:
    """Texts in so many words, filled with NUL; one that is longer, or holds a NUL itself, is wrong."""
    rows, lengths = justify(array, count * 8, right=False)
    wrong = (lengths > count * 8) | (np.count_nonzero(rows, axis=1) != lengths)
    words = np.ascontiguousarray(rows).view("<u8").astype(np.uint64, copy=False)
    return EncodedKeys(words, lengths > 0, wrong)


def _digits(array: pa.Array, width: int, *, shorter: bool = False) -> tuple[UInt8Array, BoolArray, BoolArray]:
    """A digit column in rows of one width, which rows have something, and where its width is wrong."""
    rows, lengths = justify(array, width, right=True)
    there = lengths > 0
    return rows, there, lengths > width if shorter else there & (lengths != width)


def justify(array: pa.Array, width: int, *, right: bool) -> tuple[UInt8Array, Int64Array]:
    """The bytes of a text column in rows of one width.

    A shorter text is filled with ``0`` on the left (``right``) or with NUL on the right; one that is too long is left
    out, and its length tells. Texts that all have the width are not copied.

    Returns:
        uint8 (n, width), and the lengths in bytes: int64 (n,), 0 for a null.
    """
    if pt.is_dictionary(array.type):
        rows, lengths = justify(array.dictionary, width, right=right)
        rows = np.concatenate([rows, np.full((1, width), ord("0") if right else 0, np.uint8)])
        index = to_numpy(array.indices.cast(pa.int64()), len(lengths))
        return rows[index], np.append(lengths, 0)[index]
    offsets, text = text_buffers(array)
    count = len(array)
    lengths = np.diff(offsets).astype(np.int64)
    if array.null_count:
        lengths[~is_valid(array)] = 0
    if count and (lengths == width).all():
        return text.reshape(count, width), lengths
    rows = np.full((count, width), ord("0") if right else 0, np.uint8)
    size = np.where(lengths > width, 0, lengths)
    row = np.repeat(np.arange(count), size)
    place = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    rows[row, place + (width - size[row] if right else 0)] = text[offsets[row] + place]
    return rows, lengths


def _span(rows: UInt8Array, start: int, count: int) -> UInt64Array:
    """Up to eight digits of each row as one word of digit values, the last digit in the highest byte: uint64 (n,).

    ``rows`` is uint8 (n, width), C-contiguous. A byte that is no digit becomes one above nine.
    """
    total, width = rows.shape
    if start + 8 <= width:
        # What follows the digits is shifted out at the top.
        word: UInt64Array = rows[:, start : start + 8].view("<u8")[:, 0] ^ _ZEROS
    else:
        spare = np.zeros(total * width + 8, np.uint8)
        spare[: total * width] = rows.reshape(-1)
        word = np.ndarray((total,), "<u8", spare, start, (width,)) ^ _ZEROS
    if count < 8:
        word <<= np.uint64(8 * (8 - count))
    return word


def _joined(left: UInt64Array, count: int, right: UInt64Array) -> UInt64Array:
    """Two spans as one, ``count`` digits of which are the right one's."""
    left >>= np.uint64(8 * count)
    left |= right
    return left


def _odd(*spans: UInt64Array) -> BoolArray:
    """Where a span has a byte that is no digit: bool (n,)."""
    found = np.zeros(len(spans[0]), np.uint64)
    for span in spans:
        high = span + _ABOVE_NINE
        high |= span
        found |= high
    found &= _HIGH_BITS
    return found.astype(np.bool_)


def _number(*spans: UInt64Array) -> UInt64Array:
    """The number that up to 18 digits say, eight to a span but for the first: uint64 (n,). Uses up the spans.

    In each span neighbours are merged three times over: digits to pairs, pairs to fours, fours to the number.
    """
    total = None
    for span in spans:
        span *= np.uint64(10 * 2**8 + 1)
        span >>= np.uint64(8)
        span &= np.uint64(0x00FF00FF00FF00FF)
        span *= np.uint64(100 * 2**16 + 1)
        span >>= np.uint64(16)
        span &= np.uint64(0x0000FFFF0000FFFF)
        span *= np.uint64(10_000 * 2**32 + 1)
        span >>= np.uint64(32)
        total = span if total is None else total * _EIGHT + span
    assert total is not None
    return total
