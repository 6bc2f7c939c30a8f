"""Match keys, and the connected components of bills and receipts that share them.

A match key is one 64-bit integer for each value that a bill shares with other bills and with receipts: a slip number,
an obligation, a reference that identifies a payment, the content of a receipt. The table ``match_keys`` leads from a
key to the rows that have it; each entry is sealed with the number of keys. A hash collision only adds unrelated rows to
a component; it cannot change an outcome, because matching compares the texts.

Bills and receipts are connected if they share a key. The search alternates between both, as a breadth-first search:
keys lead to bills and receipts, their other keys to further ones, until nothing new is found. Matching the receipts of
whole components gives the same outcomes as matching everything. Example: a payment names slip 1, slips 1 and 2 have
the same obligation, an earlier payment names slip 2: both payments and both slips are one component.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, RowMapping, and_, func, select, true

from kokin._arrow.convert import Int64Array, buffer_view, combine, int64_array, to_mask, to_numpy
from kokin._arrow.threads import difference_sorted, sorted_union, sorted_unique
from kokin.issues import Issue, Location
from kokin.ledger._codec import ITEM_SEPARATOR, concat
from kokin.ledger._database import LedgerError, Transaction
from kokin.ledger._schema import (
    DISPOSITIONS,
    KEY_KINDS,
    RECORD_FIELDS,
    TABLES,
    bill_versions,
    decisions,
    match_keys,
    postings,
)
from kokin.matching import CONTENT_COLUMNS, KEY_COLUMNS, EncodedKeys, encode_keys, encode_text
from kokin.matching import KEY_KINDS as NUMBER_KINDS
from kokin.model import ReceiptKind

#: Keys and row ids: int64 (k,) and (k,).
Pairs: TypeAlias = tuple[Int64Array, Int64Array]

_KINDS = (*NUMBER_KINDS, "obligation_id", "bill_id", "provider_key", "content")

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

#: The columns of a bill that matching uses.
BILL_COLUMNS = ("bill_id", *BILL_KEY_COLUMNS, "amount", "due_on", "status", "paid_before")
#: The columns of a receipt that matching uses: all of them.
RECEIPT_COLUMNS = tuple(RECORD_FIELDS["receipts"].names)
#: The outcome of a receipt, as columns of its posting. ``bill_version_id`` is the id of the version.
OUTCOME_COLUMNS = ("outcome", "bill_version_id", *DISPOSITIONS, "balance_before")
#: The columns of a receipt's last posting. If it reverses another, the receipt is not active.
LAST_POSTING_COLUMNS = ("reverses_id", *OUTCOME_COLUMNS)

_NO_IDS = np.empty(0, np.int64)
_ID = pa.field("id", pa.int64())


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
            add("obligation_id", _encode_texts(own_obligations(chunk)), all_rows)
        if _has_values(chunk, "covers"):
            obligations, row_of = covered_obligations(chunk)
            add("obligation_id", _encode_texts(obligations), all_rows[row_of])
    return np.concatenate(keys), np.concatenate(rows)


def own_obligations(bills: pa.Table) -> pa.Array:
    """Return the obligation of each encoded bill with its payee code, null for none: string (n,)."""
    return _of_payee(combine(bills.column("payee_code")), combine(bills.column("obligation_id")))


def covered_obligations(bills: pa.Table) -> tuple[pa.Array, Int64Array]:
    """Return the obligations that encoded bills cover with their payee codes, and the row of each: (k,) and (k,)."""
    has_list = bills.column("covers").is_valid()
    lists = pc.split_pattern(combine(bills.column("covers").filter(has_list)), ITEM_SEPARATOR)
    row_of = pc.list_parent_indices(lists)
    payees = combine(bills.column("payee_code").filter(has_list)).take(row_of)
    all_rows = np.flatnonzero(to_mask(combine(has_list)))
    return _of_payee(payees, lists.flatten()), all_rows[buffer_view(row_of, np.int64)]


def _of_payee(payees: pa.Array, obligations: pa.Array) -> pa.Array:
    """Return ids of obligations with the payee code before them: two authorities can use the same id."""
    return pc.binary_join_element_wise(payees, obligations, "/")


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


def find_pairs(transaction: Transaction, kind: str, keys: Int64Array) -> Pairs:
    """Return the keys of a kind and the rows that have them, in the order of key and row, for some keys (unique)."""
    statement = select(match_keys.c.key, match_keys.c.row_id).where(match_keys.c.kind == KEY_KINDS[kind])
    found = transaction.fetch(statement, match_keys.c.key, keys)
    keys, rows = (to_numpy(found.column(name), 0) for name in ("key", "row_id"))
    order = np.lexsort((rows, keys))
    return keys[order], rows[order]


def require_complete(transaction: Transaction, last: Mapping[str, Any] | RowMapping | None) -> None:
    """Compare the number of match keys of each kind with that of the last seal.

    Raises:
        LedgerError: keys are missing or were added: matching would not find earlier payments.
    """
    if last is None:
        return
    expected = json.loads(last["key_counts"])
    for kind, number in KEY_KINDS.items():
        # One query per kind: the database reads only the index, on several cores.
        count = select(func.count()).select_from(match_keys).where(match_keys.c.kind == number)
        found = transaction.connection.execute(count).scalar_one()
        if found != expected.get(kind, 0):
            raise index_error(kind, str(expected.get(kind, 0)), str(found))


def index_error(kind: str, expected: str, found: str) -> LedgerError:
    """Return the error for a match index that differs from its rows."""
    issue = Issue("LEDGER_KEYS", field=kind, expected=expected, found=found, location=Location("match_keys"))
    return LedgerError("the match index is incomplete; nothing was written", [issue])


def concat_ranges(first: Int64Array, end: Int64Array) -> Int64Array:
    """Return the integers of half-open ranges: ``[2, 7], [4, 8]`` gives ``[2, 3, 7]``."""
    count = end - first
    return np.repeat(first - (np.cumsum(count) - count), count) + np.arange(count.sum())


@dataclass(frozen=True)
class Components:
    """Whole connected components."""

    keys: Int64Array
    """Every key in them, sorted."""
    bills: pa.Table
    """Their bills in the current version, encoded: ``id`` and :data:`BILL_COLUMNS`."""
    receipts: pa.Table
    """Their earlier receipts, as :func:`receipts_by_id` returns them."""
    new_rows: Int64Array
    """The rows of their receipts in :class:`NewReceipts`, sorted."""


@dataclass(frozen=True)
class NewReceipts:
    """The receipts of the file that is being posted, at least one. Their match keys have been written."""

    receipts: pa.Table
    """Encoded, with ``id``, ``entry_id`` and ``digest``, in the order of ids."""
    keys: Int64Array
    """All their keys, by row; see :func:`receipt_keys`."""
    rows: Int64Array
    """The row of each key."""

    @property
    def first_id(self) -> int:
        """The id of the first; all earlier receipts have smaller ids."""
        return int(self.receipts.column("id")[0].as_py())

    def keys_of(self, rows: Int64Array) -> Int64Array:
        """Return the keys of some rows."""
        first, end = (np.searchsorted(self.rows, rows, side) for side in ("left", "right"))
        return self.keys[concat_ranges(first, end)]


def find_components(
    transaction: Transaction, keys: Int64Array, *, superseded: bool = False, new: NewReceipts | None = None
) -> Components:
    """Return the components of some keys; a key without rows is a component of its own.

    Args:
        transaction: the transaction.
        keys: where the search starts.
        superseded: include superseded versions of bills.
        new: the receipts of the file that is being posted, which are not read from the database.
    """
    seen = new_keys = sorted_unique(keys)
    bills, receipts = [], [receipts_by_id(transaction, _NO_IDS)]
    known = {"bill_versions": _NO_IDS, "receipts": _NO_IDS}
    first_new = new.first_id if new else np.iinfo(np.int64).max
    has_decisions = transaction.has_rows("decisions")
    while len(new_keys):
        found = {
            kind: difference_sorted(sorted_unique(find_pairs(transaction, kind, new_keys)[1]), ids)
            for kind, ids in known.items()
        }
        keys_found = [_NO_IDS]
        if has_decisions:
            assigned = assigned_receipts(transaction, found["bill_versions"])
            found["receipts"] = difference_sorted(sorted_union(found["receipts"], assigned), known["receipts"])
        known = {kind: sorted_union(ids, found[kind]) for kind, ids in known.items()}
        if len(found["bill_versions"]):
            bills.append(bills_by_id(transaction, found["bill_versions"], superseded=superseded))
            keys_found.append(bill_keys(bills[-1])[0])
        earlier, later = np.split(found["receipts"], [np.searchsorted(found["receipts"], first_new)])
        if len(earlier):
            receipts.append(receipts_by_id(transaction, earlier))
            keys_found.append(receipt_keys(receipts[-1])[0])
            if has_decisions:
                keys_found.append(assigned_bill_keys(transaction, earlier))
        if new and len(later):
            keys_found.append(new.keys_of(later - new.first_id))
        new_keys = difference_sorted(sorted_unique(np.concatenate(keys_found)), seen)
        seen = sorted_union(seen, new_keys)
    columns = pa.schema([_ID, *(RECORD_FIELDS["bill_versions"].field(name) for name in BILL_COLUMNS)])
    by_id = concat(receipts, receipts[0].schema).sort_by("id").combine_chunks()
    new_rows = known["receipts"][known["receipts"] >= first_new] - (new.first_id if new else 0)
    return Components(seen, concat(bills, columns), by_id, new_rows)


def assigned_receipts(transaction: Transaction, bill_versions: Int64Array) -> Int64Array:
    """Return the receipts that were ever assigned to the bills of some versions, sorted ids: int64 (k,)."""
    bill_ids = pc.unique(transaction.rows("bill_versions", bill_versions, ("bill_id",)).column("bill_id")).to_pylist()
    found = transaction.fetch(select(decisions.c.receipt_id), decisions.c.bill_id, bill_ids)
    return sorted_unique(to_numpy(found.column("receipt_id"), 0))


def assigned_bill_keys(transaction: Transaction, receipts: Int64Array) -> Int64Array:
    """Return the keys of the bills to which some receipts were ever assigned: int64 (k,)."""
    assigned = transaction.fetch(select(decisions.c.bill_id), decisions.c.receipt_id, receipts).column("bill_id")
    columns = [bill_versions.c[name] for name in ("payee_code", *BILL_KEY_COLUMNS)]
    bill_ids = pc.unique(assigned.drop_null()).to_pylist()
    found = transaction.fetch(select(*dict.fromkeys(columns)), bill_versions.c.bill_id, bill_ids)
    return bill_keys(found)[0]


def current_version(last: int | None = None) -> ColumnElement[bool]:
    """Return the condition that a version of a bill is in force, as of an entry: neither replaced nor withdrawn."""
    return and_(not_referenced("bill_versions", "replaces_id", last), bill_versions.c.withdrawn == 0)


def not_referenced(table: str, column: str, last: int | None) -> ColumnElement[bool]:
    """Return the condition that no row of the same table references a row in a column, as of an entry."""
    referenced, other = TABLES[table], TABLES[table].alias()
    return ~select(other.c.id).where(other.c[column] == referenced.c.id, as_of_entry(other.c.entry_id, last)).exists()


def as_of_entry(entry: ColumnElement[int], last: int | None) -> ColumnElement[bool]:
    """Return the condition that an entry is not later than the last one to read; None reads all."""
    return true() if last is None else entry <= last


def bills_by_id(
    transaction: Transaction, ids: Int64Array, columns: tuple[str, ...] = BILL_COLUMNS, *, superseded: bool = False
) -> pa.Table:
    """Return versions of bills by id, in ascending order: ``id`` and columns; those in force only, or all."""
    return transaction.rows("bill_versions", ids, columns, None if superseded else current_version())


def receipts_by_id(transaction: Transaction, ids: Int64Array) -> pa.Table:
    """Return receipts by id, in ascending order: ``id``, ``entry_id``, the file's ``digest`` and their columns."""
    table = transaction.rows("receipts", ids, ("entry_id", *RECEIPT_COLUMNS))
    of_entry = to_numpy(table.column("entry_id"), 0)
    files = transaction.rows("entries", of_entry, ("digest",))
    file_rows = int64_array(np.searchsorted(to_numpy(files.column("id"), 0), of_entry))
    return table.add_column(0, "digest", files.column("digest").take(file_rows))


def receipts_with_posting(transaction: Transaction, ids: Int64Array) -> pa.Table:
    """Return receipts by id, in ascending order, with their last posting; see :func:`add_last_posting`."""
    return add_last_posting(transaction, receipts_by_id(transaction, ids))


def add_last_posting(transaction: Transaction, table: pa.Table) -> pa.Table:
    """Return receipts (in the order of ids) with the id of their last ``posting`` and :data:`LAST_POSTING_COLUMNS`."""
    statement = select(func.max(postings.c.id).label("id")).group_by(postings.c.receipt_id)
    ids = to_numpy(table.column("id"), 0)
    last = to_numpy(transaction.fetch(statement, postings.c.receipt_id, ids).column("id"), 0)
    rows = transaction.rows("postings", last, ("receipt_id", *LAST_POSTING_COLUMNS)).sort_by("receipt_id")
    table = table.append_column("posting", rows.column("id"))
    for name in LAST_POSTING_COLUMNS:
        table = table.append_column(name, rows.column(name))
    return table
