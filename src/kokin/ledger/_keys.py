"""Keys: what a bill shares with other bills and with receipts, each as one integer.

A key stands for one of a bill's numbers, its name, or an obligation that it settles. Everything that shares a key is
judged together. Two texts may by chance have one key: then more is judged together than need be, and judged right,
for the judgement compares the texts themselves.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin.columns import Ints, fixed_buffer, in_one, integers
from kokin.ledger._forms import ITEMS
from kokin.matching import NUMBER_COLUMNS, NUMBERS, Keys, pack, pack_text

_KINDS = (*NUMBERS, "obligation_id", "bill_id", "provider_key", "receipt")

# The sign is not among them: there are eight kinds.
_BITS_OF_KIND = 4

_ODD = np.random.default_rng(20_26).integers(0, 2**63, 128, np.uint64) * np.uint64(2) + np.uint64(1)
_STIR = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFT = np.uint64(31)
_CHUNK = 65_536


def bill_keys(bills: pa.Table) -> tuple[Ints, Ints]:
    """The keys of bills as they are kept, but their names', and the row that has each: int64 (k,) and (k,)."""
    keys, rows = [np.empty(0, np.int64)], [np.empty(0, np.int64)]

    def add(kind: str, packed: Keys, owner: Ints) -> None:
        keys.append(_mixed(kind, packed.words[packed.present]))
        rows.append(owner[packed.present])

    for start in range(0, len(bills), _CHUNK):
        part = bills.slice(start, _CHUNK)
        all_rows = np.arange(start, start + len(part))
        for kind, packed in _numbers(part).items():
            add(kind, packed, all_rows)
        if _tells(part, "obligation_id"):
            add("obligation_id", _packed_text(in_one(part.column("obligation_id"))), all_rows)
        if _tells(part, "covers"):
            lists = pc.split_pattern(pc.fill_null(in_one(part.column("covers")), ""), ITEMS)
            owner = fixed_buffer(pc.list_parent_indices(lists), np.int64)
            add("obligation_id", _packed_text(lists.flatten()), all_rows[owner])
    return np.concatenate(keys), np.concatenate(rows)


def text_keys(kind: str, texts: pa.Array | pa.ChunkedArray) -> Ints:
    """The keys of texts of one kind, without those of nothing: int64 (k,)."""
    keys = [np.empty(0, np.int64)]
    for start in range(0, len(texts), _CHUNK):
        packed = _packed_text(in_one(texts.slice(start, _CHUNK)))
        keys.append(_mixed(kind, packed.words[packed.present]))
    return np.concatenate(keys)


def receipt_keys(receipts: pa.Table) -> Ints:
    """The key of each receipt as it is kept, with its ``id``: int64 (n,).

    It is that of the number by which the receipt is looked up; without one, that of the operator's own key, by which
    it may still be known as told twice; without that, one of its own.
    """
    keys = [np.empty(0, np.int64)]
    for start in range(0, len(receipts), _CHUNK):
        part = receipts.slice(start, _CHUNK)
        key, found = np.empty(len(part), np.int64), np.zeros(len(part), np.bool_)
        for kind, packed in _numbers(part).items():
            rows = np.flatnonzero(packed.present & ~found)
            key[rows] = _mixed(kind, packed.words[rows])
            found[rows] = True
        if not found.all() and _tells(part, "provider_key"):
            packed = _packed_text(in_one(part.column("provider_key")))
            rows = np.flatnonzero(packed.present & ~found)
            key[rows] = _mixed("provider_key", packed.words[rows])
            found[rows] = True
        alone = np.flatnonzero(~found)
        ids = integers(part.column("id"), 0)[alone]
        key[alone] = _mixed("receipt", ids.view(np.uint64).reshape(-1, 1))
        keys.append(key)
    return np.concatenate(keys)


def _numbers(part: pa.Table) -> dict[str, Keys]:
    """The numbers of a few rows by their kind, in the order in which a receipt's are looked at."""
    columns = {name: in_one(part.column(name)) for name in NUMBER_COLUMNS if _tells(part, name)}
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    texts = columns.get("customer_number")
    return pack(batch, 1 if texts is None else _words(texts))


def _tells(part: pa.Table, name: str) -> bool:
    """Whether a column is there and holds anything."""
    return name in part.column_names and part.column(name).null_count < len(part)


def _words(texts: pa.Array) -> int:
    return -(-(pc.max(pc.binary_length(texts)).as_py() or 0) // 8) or 1


def _packed_text(texts: pa.Array) -> Keys:
    return pack_text(texts, _words(texts))


def _mixed(kind: str, words: npt.NDArray[np.uint64]) -> Ints:
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
