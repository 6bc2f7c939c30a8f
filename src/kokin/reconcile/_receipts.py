"""Receipts as the matching core wants them: columns of integers whose order is the order of what they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin.issues import Issue, Place, RefusedError
from kokin.matching import KINDS, NUMBERS, Claims, Index
from kokin.matching._columns import Bytes, Ints, Rows, as_table, in_threads, integers, there, to_arrow
from kokin.matching._index import CHUNK
from kokin.matching._judge import FINAL, group
from kokin.matching._rows import UNKNOWN, codes, conform, problems, texts
from kokin.model import Receipt
from kokin.reconcile._policy import Policy

#: Where a receipt stood, not what it says.
_PLACE = ("layout", "source", "digest", "record_no", "byte_offset", "raw")
_CONTENT = tuple(name for name in Receipt.model_fields if name not in _PLACE)

_NUMBER_FIELDS = (
    "payee_code",
    "item_code",
    "case_key",
    "confirmation",
    "barcode",
    "customer_number",
    "virtual_account",
)
_NONE = (np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.bool_))
_BEFORE_ALL = np.iinfo(np.int32).min


class Receipts:
    """The receipts of a run, and the slip that each leads to.

    Raises:
        RefusedError: rows that are no receipts; ``.issues`` names all of them.
    """

    def __init__(self, receipts: Any, index: Index) -> None:
        self.table = gather(receipts)
        self.kind = self._kinds()
        self.amount: Ints = integers(self.table.column("amount"), -1)
        found = in_threads(index.find, self.table.to_batches(max_chunksize=CHUNK)) or [_NONE]
        #: int32 (n,): the slip, ``NO_BILL``, ``SEVERAL`` or ``NO_NUMBER``.
        self.slip: Rows = np.concatenate([slip for slip, _, _ in found])
        #: uint8 (n,): which of ``NUMBERS`` the receipt was looked up by.
        self.by: Bytes = np.concatenate([by for _, by, _ in found])
        suspects = np.concatenate([wrong for _, _, wrong in found])
        suspects |= (self.kind == UNKNOWN) | (self.amount < 0) | ~there(self.table.column("paid_on"))
        if suspects.any() and (issues := list(problems(self.table, Receipt, suspects, self._place))):
            raise RefusedError(issues, "receipts refused")

    def __len__(self) -> int:
        return len(self.table)

    def _kinds(self) -> Bytes:
        if "kind" not in self.table.schema.names:
            return np.full(len(self.table), FINAL, np.uint8)
        return codes(self.table.column("kind"), tuple(KINDS), FINAL)

    def _place(self, record: int) -> Place:
        row = self.table.slice(record - 1, 1).to_pylist()[0]
        return Place(row.get("source") or "", row.get("record_no") or record)

    def claims(self, rows: Ints, policy: Policy) -> Claims:
        """Some receipts for the judgement; see :class:`kokin.matching.Claims`."""
        some = _Columns(self.table.take(to_arrow(rows, pa.int64())))
        slip = self.slip[rows]
        place = slip.astype(np.int64)
        lost = np.flatnonzero(slip < 0)
        place[lost] = -1 - group(*self._number_ranks(some, self.by[rows], lost))
        return Claims(
            kind=self.kind[rows],
            slip=slip,
            amount=self.amount[rows],
            place=place,
            moment=group(np.zeros(len(rows), np.int8), *(some.rank(name) for name in policy.pair_by)),
            copy=_copies(some),
            rank=_ranks(some),
        )

    def _number_ranks(self, some: _Columns, by: Bytes, rows: Ints) -> list[npt.NDArray[Any]]:
        """Columns that are equal where the numbers are: the number's kind, and the number as a text."""
        numbers = self.number_texts(some.table.take(to_arrow(rows, pa.int64())), by[rows])
        return [by[rows], _Columns(pa.table({"number": numbers})).rank("number")]

    @staticmethod
    def number_texts(table: pa.Table, by: Bytes) -> pa.Array:
        """The number by which each receipt was looked up, as its key reads: 34, 27, up to 20 and 10 characters."""
        columns = []
        for name in NUMBERS:
            parts = ("payee_code", "item_code", "case_key", "confirmation") if name == "el_number" else (name,)
            if not set(parts) <= set(table.schema.names):
                columns.append(pa.nulls(len(table), pa.string()))
                continue
            fields = [table.column(part).cast(pa.string()).combine_chunks() for part in parts]
            if name == "el_number":
                fields[2] = pc.utf8_lpad(fields[2], 20, "0")
            if name == "barcode":
                fields[0] = pc.utf8_slice_codeunits(fields[0], 2, 29)
            columns.append(pc.binary_join_element_wise(*fields, ""))
        return pc.fill_null(pc.choose(to_arrow(by.astype(np.int64), pa.int64()), *columns), "")


class _Columns:
    """A table whose columns are asked for as integers; a column that is not there is all null."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def rank(self, name: str) -> npt.NDArray[Any]:
        """Integers in the order of the values, nulls (and empty texts) first: (n,)."""
        if name not in self.table.schema.names:
            return np.zeros(len(self.table), np.int8)
        column = self.table.column(name)
        if pa.types.is_date32(column.type) or pa.types.is_time32(column.type):
            return integers(column, _BEFORE_ALL)
        if pa.types.is_int64(column.type):
            return integers(column, -1)
        if pa.types.is_boolean(column.type) or pa.types.is_binary(column.type):
            column = column.cast(pa.string())
        coded = pc.fill_null(column.cast(pa.string()), "").combine_chunks().dictionary_encode()
        order = np.empty(len(coded.dictionary), np.int32)
        order[integers(pc.sort_indices(coded.dictionary).cast(pa.int64()), 0)] = np.arange(len(order))
        return order[integers(coded.indices, -1)]


def gather(receipts: Any) -> pa.Table:
    """One table of receipts, or one per file, as one table in the columns and types of the schema."""
    several = receipts if isinstance(receipts, Sequence) else [receipts]
    tables = [conform(as_table(table), Receipt) for table in several]
    if not tables:
        raise RefusedError([Issue("FIELD_MISSING", "receipts", "at least one table")], "no receipts")
    if any(table.schema != tables[0].schema for table in tables):
        plain = [pa.table({name: _plain(table.column(name)) for name in table.column_names}) for table in tables]
        return pa.concat_tables(plain, promote_options="default")
    return pa.concat_tables(tables)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    texts_like = pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_string(kind)
    return column.cast(pa.string()) if texts_like else column


def _copies(some: _Columns) -> Ints:
    """Rows of the same provider_key and the same content have the same number; -1: alone, or without such a key."""
    key = some.rank("provider_key")
    copy = np.full(len(key), -1, np.int64)
    if "provider_key" not in some.table.schema.names:
        return copy
    named = integers(pc.not_equal(texts(some.table.column("provider_key")), "").cast(pa.int32()), 0) > 0
    often = np.bincount(key, minlength=1)[key] > 1
    rows = np.flatnonzero(named & often)
    if len(rows):
        shared = _Columns(some.table.take(to_arrow(rows, pa.int64())))
        copy[rows] = group(*(shared.rank(name) for name in _CONTENT))
    return copy


def _ranks(some: _Columns) -> Ints:
    """The order of finals; ties are broken by everything that is told of a receipt, so that no order of input shows."""
    rank = group(
        *(some.rank(name) for name in ("paid_on", "paid_at", "received_on", "provider_key", "digest", "record_no"))
    )
    if len(rank) and rank.max() + 1 < len(rank):
        return group(rank, *(some.rank(name) for name in ("source", "amount", "kind", *_NUMBER_FIELDS)))
    return rank
