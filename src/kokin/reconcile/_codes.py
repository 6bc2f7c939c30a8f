"""Columns of receipts as integers: equal where the values are, or in their order; and the order of finals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow import (
    EMPTY_STRING,
    BoolArray,
    Int64Array,
    combine,
    from_numpy,
    is_present,
    text_array,
    to_mask,
    to_numpy,
)
from kokin.matching import CONTENT, KEY_COLUMNS, group

_BEFORE_ALL = np.iinfo(np.int32).min


class Columns:
    """Rows of a table whose columns are asked for as integers; a column that is not there is all null."""

    def __init__(self, table: pa.Table, rows: pa.Array | None = None) -> None:
        self.table, self.rows = table, rows

    def __len__(self) -> int:
        return len(self.table if self.rows is None else self.rows)

    def has(self, name: str) -> bool:
        """Whether the table has the column, with a value in any of its rows."""
        return name in self.table.schema.names and self.table.column(name).null_count < len(self.table)

    def known(self, name: str) -> BoolArray:
        """Which rows have a text there, not null and not empty: bool (n,)."""
        return is_present(self.texts(name)) if self.has(name) else np.zeros(len(self), np.bool_)

    def true(self, name: str) -> BoolArray:
        """Which rows have a true value there: bool (n,)."""
        if not self.has(name):
            return np.zeros(len(self), np.bool_)
        return to_mask(combine(pc.fill_null(self.texts(name), False)))

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

    def _integers(self, name: str, of_texts: Callable[[pa.ChunkedArray], Int64Array]) -> npt.NDArray[Any]:
        if name not in self.table.schema.names:
            return np.zeros(len(self), np.int8)
        column = self.texts(name)
        if pt.is_date32(column.type) or pt.is_time32(column.type):
            return to_numpy(column, _BEFORE_ALL)
        if pt.is_int64(column.type):
            return to_numpy(column, -1)
        return of_texts(column)

    def some(self, rows: Int64Array) -> Columns:
        """Some of these rows."""
        index = from_numpy(rows, pa.int64())
        return Columns(self.table, index if self.rows is None else self.rows.take(index))


def code_texts(column: pa.ChunkedArray) -> Int64Array:
    """Integers that are equal where texts are, or other values as texts; a null is an empty text: int64 (n,)."""
    if pt.is_dictionary(column.type):  # which may hold a word twice
        return rank_texts(column)
    coded = pc.fill_null(column.cast(pa.string()), EMPTY_STRING).combine_chunks().dictionary_encode()
    return to_numpy(coded.indices.cast(pa.int64()), -1)


def rank_texts(column: pa.ChunkedArray) -> Int64Array:
    """Integers in the order of texts, or of other values as texts; a null is an empty text: int64 (n,)."""
    if not pt.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    coded = column.unify_dictionaries().combine_chunks()
    words = pa.concat_arrays([coded.dictionary.cast(pa.string()), text_array([""])])
    order = to_numpy(pc.rank(words, tiebreaker="dense").cast(pa.int64()), 0)
    return order.take(to_numpy(coded.indices.cast(pa.int64()), len(words) - 1))


# The order of finals, in three steps: when and under which key a payment was made; what it says; where it is reported.
_WHEN = ("paid_on", "paid_time", "received_on", "provider_key")
_SAID = ("amount", "kind", *KEY_COLUMNS)
_ORDER = (
    _WHEN,
    (*_SAID, *(name for name in CONTENT if name not in (*_WHEN, *_SAID))),
    ("digest", "record_no", "source"),
)


def ranks(some: Columns) -> Int64Array:
    """The order of finals; rows that are alike in all of it have one rank. int64 (n,).

    What a payment says comes before where it is reported. So the order is the same if the file comes again in other
    bytes or in parts, and no order of input shows.
    """
    rank = np.zeros(len(some), np.int64)
    tied = np.arange(len(some))
    for names in _ORDER:
        if len(tied):
            within = np.zeros(len(some), np.int64)
            rows = some.some(tied)
            within[tied] = group(rank[tied], *(rows.rank(name) for name in names if rows.has(name)))
            rank = group(rank, within)
            tied = np.flatnonzero(np.bincount(rank)[rank] > 1)
    return rank
