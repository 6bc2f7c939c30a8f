"""Match keys: one 64-bit integer for each value that a bill shares with other bills and with receipts.

There is a key for a slip number, for a ``bill_id``, for an obligation, for a reference that identifies a payment (see
:func:`receipt_keys`), and for the content of a receipt. Rows that share a key are matched together. A hash collision
only adds unrelated rows to a component; it cannot change an outcome, because matching compares the texts.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import Int64Array, buffer_view, combine, int64_array
from kokin.ledger._codec import ITEM_SEPARATOR
from kokin.matching import CONTENT_COLUMNS, KEY_COLUMNS, KEY_KINDS, EncodedKeys, encode_keys, encode_text
from kokin.model import ReceiptKind

_KINDS = (*KEY_KINDS, "obligation_id", "bill_id", "provider_key", "content")

#: The columns of bills that have keys, beside ``bill_id``.
BILL_KEY_COLUMNS = (*KEY_COLUMNS, "obligation_id", "covers")

#: References of a receipt: a booking has the ``provider_key`` that its transactions name as ``batch_key``; a payment
#: has the one that its reversal ``cancels``.
_REFERENCES = ("provider_key", "batch_key", "cancels")

#: What equal receipts have in common; whether a key is composed means nothing without a key.
_CONTENT = tuple(name for name in CONTENT_COLUMNS if name != "key_composed")

# The kind is in the highest bits of a key. Eight kinds leave the sign bit 0.
_KIND_BITS = 4

# Odd multipliers, one per word of a text; then those of the finalizer of SplitMix64 (Steele, Lea, Flood 2014,
# https://doi.org/10.1145/2660193.2660195).
_MULTIPLIERS = np.random.default_rng(20_26).integers(0, 2**63, 128, np.uint64) * np.uint64(2) + np.uint64(1)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFT = np.uint64(31)
_CHUNK = 65_536


def bill_keys(bills: pa.Table) -> tuple[Int64Array, Int64Array]:
    """Return the keys of encoded bills, without those of ``bill_id``, and the row of each: int64 (k,) and (k,)."""
    keys, rows = [np.empty(0, np.int64)], [np.empty(0, np.int64)]

    def add(kind: str, encoded: EncodedKeys, row_of: Int64Array) -> None:
        keys.append(_hash_words(kind, encoded.words[encoded.present]))
        rows.append(row_of[encoded.present])

    for start in range(0, len(bills), _CHUNK):
        chunk = bills.slice(start, _CHUNK)
        all_rows = np.arange(start, start + len(chunk))
        for kind, encoded in _slip_numbers(chunk).items():
            add(kind, encoded, all_rows)
        if _has_values(chunk, "obligation_id"):
            add("obligation_id", _encode_texts(combine(chunk.column("obligation_id"))), all_rows)
        if _has_values(chunk, "covers"):
            lists = pc.split_pattern(pc.fill_null(combine(chunk.column("covers")), ""), ITEM_SEPARATOR)
            row_of = buffer_view(pc.list_parent_indices(lists), np.int64)
            add("obligation_id", _encode_texts(lists.flatten()), all_rows[row_of])
    return np.concatenate(keys), np.concatenate(rows)


def text_keys(kind: str, texts: pa.Array | pa.ChunkedArray) -> Int64Array:
    """Return the keys of texts of one kind, without nulls and empty texts: int64 (k,)."""
    keys = [np.empty(0, np.int64)]
    for start in range(0, len(texts), _CHUNK):
        encoded = _encode_texts(combine(texts.slice(start, _CHUNK)))
        keys.append(_hash_words(kind, encoded.words[encoded.present]))
    return np.concatenate(keys)


def receipt_keys(receipts: pa.Table) -> tuple[Int64Array, Int64Array]:
    """Return the keys of encoded receipts and the row of each, by row: int64 (k,) and (k,).

    A receipt has the key of the first slip number that it carries, and the keys of its references, which connect the
    records of one payment, a booking with its transactions, and a reversal with its payment. A receipt with neither
    has the key of its content.
    """
    keys, rows = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, len(receipts), _CHUNK):
        chunk = receipts.slice(start, _CHUNK)
        has_key = np.zeros(len(chunk), np.bool_)
        for kind, encoded in _slip_numbers(chunk).items():
            new = np.flatnonzero(encoded.present & ~has_key)
            has_key[new] = True
            keys.append(_hash_words(kind, encoded.words[new]))
            rows.append(start + new)
        for name in _REFERENCES:
            if _has_values(chunk, name):
                encoded = _encode_texts(combine(chunk.column(name)))
                has_key |= encoded.present
                keys.append(_hash_words("provider_key", encoded.words[encoded.present]))
                rows.append(start + np.flatnonzero(encoded.present))
        without_key = np.flatnonzero(~has_key)
        keys.append(_hash_words("content", _content_words(chunk.take(int64_array(without_key)))))
        rows.append(start + without_key)
    row = np.concatenate(rows)
    order = np.argsort(row, kind="stable")
    return np.concatenate(keys)[order], row[order]


def _content_words(receipts: pa.Table) -> npt.NDArray[np.uint64]:
    """Return a hash of the content of each receipt: uint64 (n, 1). An empty text counts as null."""
    columns = []
    for name in _CONTENT:
        has_values = _has_values(receipts, name)
        texts = combine(receipts.column(name)).cast(pa.string()) if has_values else pa.nulls(len(receipts), pa.string())
        texts = pc.fill_null(texts, "")
        columns.append(pc.if_else(pc.equal(texts, ""), ReceiptKind.FINAL.value, texts) if name == "kind" else texts)
    texts = pc.binary_join_element_wise(*columns, ITEM_SEPARATOR).to_pylist()
    digests = b"".join(sha256(text.encode()).digest()[:8] for text in texts)
    return np.frombuffer(digests, "<u8").reshape(-1, 1)


def _slip_numbers(chunk: pa.Table) -> dict[str, EncodedKeys]:
    """Return the slip numbers of rows by kind, in the order in which matching looks up a receipt's."""
    columns = {name: combine(chunk.column(name)) for name in KEY_COLUMNS if _has_values(chunk, name)}
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    texts = columns.get("customer_number")
    return encode_keys(batch, 1 if texts is None else _word_count(texts))


def _has_values(table: pa.Table, name: str) -> bool:
    """Return whether a column exists and is not entirely null."""
    return name in table.column_names and table.column(name).null_count < len(table)


def _word_count(texts: pa.Array) -> int:
    return -(-(pc.max(pc.binary_length(texts)).as_py() or 0) // 8) or 1


def _encode_texts(texts: pa.Array) -> EncodedKeys:
    return encode_text(texts, _word_count(texts))


def _hash_words(kind: str, words: npt.NDArray[np.uint64]) -> Int64Array:
    """Return the key of each encoded text, uint64 (n, words): int64 (n,).

    Trailing zero words do not change the key. Keys of one kind are one range of integers, so a lookup reads only the
    pages of its kinds.
    """
    state = np.zeros(len(words), np.uint64)
    for column in range(words.shape[1]):
        state += words[:, column] * _MULTIPLIERS[column]
    for multiplier in _MIX:
        state ^= state >> _SHIFT
        state *= multiplier
    state >>= np.uint64(_KIND_BITS)
    state |= np.uint64(_KINDS.index(kind)) << np.uint64(64 - _KIND_BITS)
    return state.view(np.int64)
