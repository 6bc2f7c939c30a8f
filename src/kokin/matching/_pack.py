"""Numbers as words: the digits of a payment number in two uint64, a free text in as many as it needs.

No hash stands for a number anywhere: equal words mean equal numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from kokin.matching._columns import Bools, Bytes, Words, text_buffers

#: The numbers by which a slip is known, in the order in which a receipt's are looked at.
NUMBERS = ("el_number", "barcode", "customer_number", "virtual_account")

#: The fields of the eL number and their digits; a shorter case key is filled with zeros.
EL_FIELDS: Mapping[str, int] = {"payee_code": 5, "item_code": 3, "case_key": 20, "confirmation": 6}

#: The key in the 44 digits of a barcode: company 6 + free field 21. The re-issue digit, the deadline, the stamp
#: flag, the amount and the check digit are no part of it.
_BARCODE, _BARCODE_SPLIT, _BARCODE_KEY = 44, 11, slice(2, 29)


class Keys(NamedTuple):
    """The numbers of one kind, a row each."""

    #: uint64 (n,) each; without meaning where there is no number.
    words: tuple[Words, ...]
    #: bool (n,): the row has a number.
    present: Bools
    #: bool (n,) by column: what stands there is no such number.
    wrong: dict[str, Bools]


def pack(batch: pa.RecordBatch, text_words: int) -> dict[str, Keys]:
    """The numbers of a batch by kind (:data:`NUMBERS`); a kind without its columns is left out.

    ``text_words`` is how many words a 顧客番号 gets; a longer one counts as wrong.
    """
    names = batch.schema.names
    packed = {}
    if EL_FIELDS.keys() <= set(names):
        packed["el_number"] = _el_number(batch)
    if "barcode" in names:
        packed["barcode"] = _barcode(batch.column("barcode"))
    if "customer_number" in names:
        packed["customer_number"] = _text(batch.column("customer_number"), "customer_number", text_words)
    if "virtual_account" in names:
        value, there, wrong = _digits(batch.column("virtual_account"), 10)
        packed["virtual_account"] = Keys((number(value)[0],), there, {"virtual_account": wrong})
    return packed


def _el_number(batch: pa.RecordBatch) -> Keys:
    """Payee 5, item 3, confirmation 6 and two digits of the case key in one word, its other 18 in the next."""
    rows, there, wrong = {}, np.ones(len(batch), np.bool_), {}
    for name, width in EL_FIELDS.items():
        rows[name], some, wrong[name] = _digits(batch.column(name), width, shorter=name == "case_key")
        there &= some
    head = number(rows["payee_code"])[0]
    for part in (rows["item_code"], rows["confirmation"], rows["case_key"][:, :2]):
        head = head * np.uint64(10 ** part.shape[1]) + number(part)[0]
    return Keys((head, number(rows["case_key"][:, 2:])[0]), there, wrong)


def _barcode(array: pa.Array) -> Keys:
    rows, there, wrong = _digits(array, _BARCODE)
    key = rows[:, _BARCODE_KEY]
    split = _BARCODE_SPLIT - _BARCODE_KEY.start
    return Keys((number(key[:, :split])[0], number(key[:, split:])[0]), there, {"barcode": wrong})


def _text(array: pa.Array, name: str, count: int) -> Keys:
    rows, lengths = justify(array, count * 8, right=False)
    wrong = (lengths > count * 8) | (np.count_nonzero(rows, axis=1) != lengths)
    words = rows.view("<u8").astype(np.uint64, copy=False)
    return Keys(tuple(np.ascontiguousarray(words[:, i]) for i in range(count)), lengths > 0, {name: wrong})


def _digits(array: pa.Array, width: int, *, shorter: bool = False) -> tuple[Bytes, Bools, Bools]:
    """A digit column in rows of one width, which rows have something, and where it is no number of that width."""
    rows, lengths = justify(array, width, right=True)
    wrong = (lengths > width) if shorter else (lengths != width) & (lengths > 0)
    return rows, lengths > 0, wrong | (rows - np.uint8(ord("0")) > 9).any(axis=1)


def justify(array: pa.Array, width: int, *, right: bool) -> tuple[Bytes, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The bytes of a text column in rows of one width.

    A shorter text is filled with ``0`` on the left (``right``) or with NUL on the right; one that is too long is left
    out, and its length tells.

    Returns:
        uint8 (n, width), and the lengths in bytes: int64 (n,), 0 for a null.
    """
    offsets, text, lengths = text_buffers(array)
    count = len(lengths)
    if count and (lengths == width).all():
        first = int(offsets[0])
        return text[first : first + count * width].reshape(count, width), lengths
    rows = np.full((count, width), ord("0") if right else 0, np.uint8)
    size = np.where(lengths > width, 0, lengths)
    row = np.repeat(np.arange(count), size)
    place = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    rows[row, place + (width - size[row] if right else 0)] = text[offsets[row] + place]
    return rows, lengths


def number(rows: Bytes) -> tuple[Words, Bools]:
    """The number that up to 18 ASCII digits say: uint64 (n,), and bool (n,): something else than a digit is there."""
    value = np.zeros(len(rows), np.uint64)
    wrong = np.zeros(len(rows), np.bool_)
    for digit in (rows - np.uint8(ord("0"))).T:
        wrong |= digit > 9
        value = value * np.uint64(10) + digit
    return value, wrong
