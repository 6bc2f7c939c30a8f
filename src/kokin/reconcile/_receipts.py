"""Receipts as the matching core wants them: columns of integers whose order is the order of what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin.columns import (
    CHUNK,
    NO_TEXT,
    UNKNOWN_WORD,
    Bytes,
    Flags,
    Ints,
    Rows,
    as_table,
    conformed,
    in_threads,
    integers,
    place_of,
    record_problems,
    text_array,
    there,
    to_arrow,
    word_codes,
)
from kokin.issues import Issue, Place, RefusedError
from kokin.matching import (
    CANCEL,
    DIGIT_COLUMNS,
    FINAL,
    KINDS,
    NUMBER_COLUMNS,
    NUMBERS,
    PROVISIONAL,
    Claims,
    Index,
    crowded,
    group,
)
from kokin.model import Receipt
from kokin.reconcile._policy import Policy

#: Where a receipt stood, not what it says.
_PLACE = ("layout", "source", "digest", "record_no", "byte_offset", "raw")
_CONTENT = tuple(name for name in Receipt.model_fields if name not in _PLACE)

_BY_HAND = [code for code, kind in enumerate(KINDS) if kind.is_by_hand]
_NONE = (np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.bool_))
_BEFORE_ALL = np.iinfo(np.int32).min


class Receipts:
    """The receipts of a run, and the slip that each leads to.

    Raises:
        RefusedError: rows that are no receipts; ``.issues`` names all of them.
    """

    def __init__(self, receipts: Any, index: Index) -> None:
        self.table, issues = gather(receipts)
        self.debts = index.debts
        self.kind = self._kinds()
        self.amount: Ints = integers(self.table.column("amount"), -1)
        found = in_threads(index.find, self.table.to_batches(max_chunksize=CHUNK)) or [_NONE]
        index.release()
        #: int32 (n,): the slip, ``NO_BILL``, ``SEVERAL`` or ``NO_NUMBER``.
        self.slip: Rows = np.concatenate([slip for slip, _, _ in found])
        #: uint8 (n,): which of ``NUMBERS`` the receipt was looked up by.
        self.by: Bytes = np.concatenate([by for _, by, _ in found])
        suspects = np.concatenate([wrong for _, _, wrong in found])
        suspects |= (self.kind == UNKNOWN_WORD) | (self.amount < 0) | ~there(self.table.column("paid_on"))
        suspects |= self._by_nobody()
        issues += record_problems(self.table, Receipt, suspects, self._place)
        if issues:
            by_place = sorted(dict.fromkeys(issues), key=lambda issue: (issue.where.file, issue.where.record or 0))
            raise RefusedError(by_place, "receipts refused")

    def __len__(self) -> int:
        return len(self.table)

    def _kinds(self) -> Bytes:
        if "kind" not in self.table.schema.names:
            return np.full(len(self.table), FINAL, np.uint8)
        return word_codes(self.table.column("kind"), tuple(KINDS), FINAL)

    def _by_nobody(self) -> Flags:
        """Receipts by hand (天引き, 手消込) for which nobody answers: bool (n,)."""
        wrong = np.isin(self.kind, _BY_HAND)
        if wrong.any() and {"actor", "reason"} <= set(self.table.schema.names):
            wrong &= ~(there(self.table.column("actor")) & there(self.table.column("reason")))
        return wrong

    def _place(self, record: int) -> Place:
        return place_of(self.table, record)

    def claims(self, rows: Ints, policy: Policy) -> Claims:
        """Some receipts for the judgement; see :class:`kokin.matching.Claims`."""
        some = Columns(self.table, to_arrow(rows, pa.int64()))
        kind, slip, by = self.kind[rows], self.slip[rows], self.by[rows]
        copy = _copies(some)
        place = slip.astype(np.int64)
        moment = np.zeros(len(rows), np.int64)
        if (kind != FINAL).any():  # else nothing is paired
            moment = group(moment, *map(some.code, policy.pair_by))
            lost = np.flatnonzero(slip < 0)
            numbers = self.number_texts(self.table.take(to_arrow(rows[lost], pa.int64())), by[lost])
            place[lost] = -1 - group(by[lost], code_texts(pa.chunked_array([numbers])))
        # Only among copies, and where money meets other money, is there an order to ask for.
        money = np.flatnonzero((kind != PROVISIONAL) & (kind != CANCEL))
        ordered = copy >= 0
        ordered[money] |= crowded(np.full(len(money), FINAL, np.uint8), slip[money], self.debts)
        rank = np.zeros(len(rows), np.int64)
        rank[ordered] = _ranks(some.some(np.flatnonzero(ordered)))
        return Claims(kind, slip, self.amount[rows], place, moment, copy, rank)

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


class Columns:
    """Rows of a table whose columns are asked for as integers; a column that is not there is all null."""

    def __init__(self, table: pa.Table, rows: pa.Array | None = None) -> None:
        self.table, self.rows = table, rows

    def texts(self, name: str) -> pa.ChunkedArray:
        """A column of these rows."""
        column = self.table.column(name)
        return column if self.rows is None else column.take(self.rows)

    def rank(self, name: str) -> npt.NDArray[Any]:
        """Integers in the order of the values, nulls (and empty texts) first: (n,)."""
        return self._integers(name, rank_texts)

    def code(self, name: str) -> npt.NDArray[Any]:
        """Integers that are equal where the values are, a null being an empty text: (n,)."""
        return self._integers(name, code_texts)

    def _integers(self, name: str, of_texts: Callable[[pa.ChunkedArray], Ints]) -> npt.NDArray[Any]:
        if name not in self.table.schema.names:
            return np.zeros(len(self.table if self.rows is None else self.rows), np.int8)
        column = self.texts(name)
        if pt.is_date32(column.type) or pt.is_time32(column.type):
            return integers(column, _BEFORE_ALL)
        if pt.is_int64(column.type):
            return integers(column, -1)
        return of_texts(column)

    def some(self, rows: Ints) -> Columns:
        """Some of these rows."""
        index = to_arrow(rows, pa.int64())
        return Columns(self.table, index if self.rows is None else self.rows.take(index))


def code_texts(column: pa.ChunkedArray) -> Ints:
    """Integers that are equal where texts are, or other values as texts; a null is an empty text: int64 (n,)."""
    if pt.is_dictionary(column.type):  # which may hold a word twice
        return rank_texts(column)
    coded = pc.fill_null(column.cast(pa.string()), NO_TEXT).combine_chunks().dictionary_encode()
    return integers(coded.indices.cast(pa.int64()), -1)


def rank_texts(column: pa.ChunkedArray) -> Ints:
    """Integers in the order of texts, or of other values as texts; a null is an empty text: int64 (n,)."""
    if not pt.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    coded = column.unify_dictionaries().combine_chunks()
    words = pa.concat_arrays([coded.dictionary.cast(pa.string()), text_array([""])])
    order = integers(pc.rank(words, tiebreaker="dense").cast(pa.int64()), 0)
    return order.take(integers(coded.indices.cast(pa.int64()), len(words) - 1))


def gather(receipts: Any) -> tuple[pa.Table, list[Issue]]:
    """One table of receipts, or one per file, as one table in the columns and types of the schema, and its issues.

    The numbers are checked where they are looked up.
    """
    several = [as_table(table) for table in (receipts if isinstance(receipts, Sequence) else [receipts])]
    found = [conformed(table, Receipt, unchecked=DIGIT_COLUMNS) for table in several]
    tables, issues = [table for table, _ in found], [issue for _, some in found for issue in some]
    if not tables:
        raise RefusedError([Issue("FIELD_MISSING", "receipts", "at least one table")], "no receipts")
    if any(table.schema != tables[0].schema for table in tables):
        plain = [pa.table({name: _plain(table.column(name)) for name in table.column_names}) for table in tables]
        return pa.concat_tables(plain, promote_options="default"), issues
    return pa.concat_tables(tables), issues


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type.value_type if pt.is_dictionary(column.type) else column.type
    texts_like = pt.is_large_string(kind) or pt.is_string_view(kind) or pt.is_string(kind)
    return column.cast(pa.string()) if texts_like else column


def _copies(some: Columns) -> Ints:
    """Rows of the same provider_key and the same content have the same number; -1: alone, or without such a key."""
    key = some.code("provider_key")
    copy = np.full(len(key), -1, np.int64)
    if "provider_key" not in some.table.schema.names:
        return copy
    rows = np.flatnonzero((np.bincount(key)[key] > 1) & there(some.texts("provider_key")))
    if len(rows):
        alike = some.some(rows)
        copy[rows] = group(*map(alike.code, _CONTENT))
    return copy


def _ranks(some: Columns) -> Ints:
    """The order of finals; ties are broken by everything that is told of a receipt, so that no order of input shows."""
    rank = group(*map(some.rank, ("paid_on", "paid_at", "received_on", "provider_key", "digest", "record_no")))
    if len(rank) and rank.max() + 1 < len(rank):
        return group(rank, *map(some.rank, ("source", "amount", "kind", *NUMBER_COLUMNS)))
    return rank
