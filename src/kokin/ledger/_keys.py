"""Keys: what a bill shares with other bills and with receipts, each as one integer.

A key is that of a number, of a bill's name, of an obligation that it settles, of a reference that identifies a payment
(see :func:`receipt_keys`), or of a receipt's content. Everything that shares a key is judged together. Two texts
may by chance have one key: then more is judged together than need be, and judged right, for the judgement compares the
texts themselves.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import Int64Array, buffer_view, combine, int64_array
from kokin.ledger._forms import ITEMS
from kokin.ledger._schema import FACTS
from kokin.matching import KEY_COLUMNS, KEY_KINDS, EncodedKeys, encode_keys, encode_text
from kokin.model import ReceiptKind

_KINDS = (*KEY_KINDS, "obligation_id", "bill_id", "provider_key", "content")

#: Of a receipt: a record of a booking has the ``provider_key`` that its transactions name as ``batch_key``; a payment
#: the one that its reversal ``cancels``.
_REFERENCES = ("provider_key", "batch_key", "cancels")

#: What a receipt says, without where it says so.
_CONTENT = tuple(name for name in FACTS["receipts"].names if name not in ("record_no", "byte_offset", "key_composed"))

# The sign is not among them: there are eight kinds.
_BITS_OF_KIND = 4

_ODD = np.random.default_rng(20_26).integers(0, 2**63, 128, np.uint64) * np.uint64(2) + np.uint64(1)
_STIR = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFT = np.uint64(31)
_CHUNK = 65_536


def bill_keys(bills: pa.Table) -> tuple[Int64Array, Int64Array]:
    """The keys of bills as they are kept, but their names', and the row that has each: int64 (k,) and (k,)."""
    keys, rows = [np.empty(0, np.int64)], [np.empty(0, np.int64)]

    def add(kind: str, packed: EncodedKeys, owner: Int64Array) -> None:
        keys.append(_mixed(kind, packed.words[packed.present]))
        rows.append(owner[packed.present])

    for start in range(0, len(bills), _CHUNK):
        part = bills.slice(start, _CHUNK)
        all_rows = np.arange(start, start + len(part))
        for kind, packed in _numbers(part).items():
            add(kind, packed, all_rows)
        if _tells(part, "obligation_id"):
            add("obligation_id", _packed_text(combine(part.column("obligation_id"))), all_rows)
        if _tells(part, "covers"):
            lists = pc.split_pattern(pc.fill_null(combine(part.column("covers")), ""), ITEMS)
            owner = buffer_view(pc.list_parent_indices(lists), np.int64)
            add("obligation_id", _packed_text(lists.flatten()), all_rows[owner])
    return np.concatenate(keys), np.concatenate(rows)


def text_keys(kind: str, texts: pa.Array | pa.ChunkedArray) -> Int64Array:
    """The keys of texts of one kind, without those of nothing: int64 (k,)."""
    keys = [np.empty(0, np.int64)]
    for start in range(0, len(texts), _CHUNK):
        packed = _packed_text(combine(texts.slice(start, _CHUNK)))
        keys.append(_mixed(kind, packed.words[packed.present]))
    return np.concatenate(keys)


def receipt_keys(receipts: pa.Table) -> tuple[Int64Array, Int64Array]:
    """The keys of receipts as they are kept, and the row that has each: int64 (k,) and (k,), by row.

    A receipt has the key of the number by which it is looked up, and those of the references by which records of one
    payment, a booking and its transactions, a reversal and its payment are found; without any of these, that of its
    content.
    """
    keys, rows = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, len(receipts), _CHUNK):
        part = receipts.slice(start, _CHUNK)
        found = np.zeros(len(part), np.bool_)
        for kind, packed in _numbers(part).items():
            new = np.flatnonzero(packed.present & ~found)
            found[new] = True
            keys.append(_mixed(kind, packed.words[new]))
            rows.append(start + new)
        for name in _REFERENCES:
            if _tells(part, name):
                packed = _packed_text(combine(part.column(name)))
                found |= packed.present
                keys.append(_mixed("provider_key", packed.words[packed.present]))
                rows.append(start + np.flatnonzero(packed.present))
        alone = np.flatnonzero(~found)
        keys.append(_mixed("content", _content(part.take(int64_array(alone)))))
        rows.append(start + alone)
    row = np.concatenate(rows)
    order = np.argsort(row, kind="stable")
    return np.concatenate(keys)[order], row[order]


def _content(receipts: pa.Table) -> npt.NDArray[np.uint64]:
    """A hash of what each receipt says, without where it says so: uint64 (n, 1); an empty text is no value."""
    columns = []
    for name in _CONTENT:
        known = _tells(receipts, name)
        texts = combine(receipts.column(name)).cast(pa.string()) if known else pa.nulls(len(receipts), pa.string())
        texts = pc.fill_null(texts, "")
        columns.append(pc.if_else(pc.equal(texts, ""), ReceiptKind.FINAL.value, texts) if name == "kind" else texts)
    texts = pc.binary_join_element_wise(*columns, ITEMS).to_pylist()
    digests = b"".join(sha256(text.encode()).digest()[:8] for text in texts)
    return np.frombuffer(digests, "<u8").reshape(-1, 1)


def _numbers(part: pa.Table) -> dict[str, EncodedKeys]:
    """The numbers of a few rows by their kind, in the order in which a receipt's are looked at."""
    columns = {name: combine(part.column(name)) for name in KEY_COLUMNS if _tells(part, name)}
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    texts = columns.get("customer_number")
    return encode_keys(batch, 1 if texts is None else _words(texts))


def _tells(part: pa.Table, name: str) -> bool:
    """Whether a column is there and holds anything."""
    return name in part.column_names and part.column(name).null_count < len(part)


def _words(texts: pa.Array) -> int:
    return -(-(pc.max(pc.binary_length(texts)).as_py() or 0) // 8) or 1


def _packed_text(texts: pa.Array) -> EncodedKeys:
    return encode_text(texts, _words(texts))


def _mixed(kind: str, words: npt.NDArray[np.uint64]) -> Int64Array:
    """The integer of each packed text, uint64 (n, words): int64 (n,). Words of zeros at the end do not change it.

    Keys of one kind lie together, so that who looks for some need not go through the others.
    """
    state = np.zeros(len(words), np.uint64)
    for column in range(words.shape[1]):
        state += words[:, column] * _ODD[column]
    for odd in _STIR:
        state ^= state >> _SHIFT
        state *= odd
    state >>= np.uint64(_BITS_OF_KIND)
    state |= np.uint64(_KINDS.index(kind)) << np.uint64(64 - _BITS_OF_KIND)
    return state.view(np.int64)
