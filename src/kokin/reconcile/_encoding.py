"""Columns of receipts as integers (dictionary encoding): equal where the values are equal, or in their order."""

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

_BEFORE_ALL_DATES = np.iinfo(np.int32).min


class EncodedColumns:
    """Rows of a table whose columns are encoded as integers on demand; a missing column is all null."""

    def __init__(self, table: pa.Table, rows: pa.Array | None = None) -> None:
        self.table, self.rows = table, rows

    def __len__(self) -> int:
        return len(self.table if self.rows is None else self.rows)

    def take(self, rows: Int64Array) -> EncodedColumns:
        """Return some of these rows."""
        index = from_numpy(rows, pa.int64())
        return EncodedColumns(self.table, index if self.rows is None else self.rows.take(index))

    def has(self, name: str) -> bool:
        """Return whether the table has the column, with a value in any of its rows."""
        return name in self.table.schema.names and self.table.column(name).null_count < len(self.table)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of these rows."""
        column = self.table.column(name)
        return column if self.rows is None else column.take(self.rows)

    def texts(self, name: str) -> pa.ChunkedArray:
        """Return a column of these rows as texts."""
        return self.column(name).cast(pa.string())

    def is_present(self, name: str) -> BoolArray:
        """Return which rows have a value that is neither null nor an empty text: bool (n,)."""
        return is_present(self.column(name)) if self.has(name) else np.zeros(len(self), np.bool_)

    def is_true(self, name: str) -> BoolArray:
        """Return which rows are true: bool (n,)."""
        if not self.has(name):
            return np.zeros(len(self), np.bool_)
        return to_mask(combine(pc.fill_null(self.column(name), False)))

    def ranks(self, name: str) -> npt.NDArray[Any]:
        """Return integers in the order of the values, nulls and empty texts first: (n,)."""
        return self._integers(name, rank_texts)

    def codes(self, name: str) -> npt.NDArray[Any]:
        """Return integers that are equal where the values are, a null being an empty text: (n,)."""
        return self._integers(name, encode_texts)

    def _integers(self, name: str, from_texts: Callable[[pa.ChunkedArray], Int64Array]) -> npt.NDArray[Any]:
        if name not in self.table.schema.names:
            return np.zeros(len(self), np.int8)
        column = self.column(name)
        if pt.is_date32(column.type) or pt.is_time32(column.type):
            return to_numpy(column, _BEFORE_ALL_DATES)
        if pt.is_int64(column.type):
            return to_numpy(column, -1)
        return from_texts(column)


def encode_texts(column: pa.ChunkedArray) -> Int64Array:
    """Return integers that are equal where texts are, or other values as texts; a null is an empty text: int64 (n,)."""
    if pt.is_dictionary(column.type):  # whose values may contain duplicates
        return rank_texts(column)
    encoded = pc.fill_null(column.cast(pa.string()), EMPTY_STRING).combine_chunks().dictionary_encode()
    return to_numpy(encoded.indices.cast(pa.int64()), -1)


def encode_together(columns: EncodedColumns, *names: str) -> list[Int64Array]:
    """Return integers that are equal where texts are, in whichever of several columns: int64 (n,) each."""
    chunks = [chunk for name in names for chunk in columns.texts(name).chunks]
    return np.split(encode_texts(pa.chunked_array(chunks, pa.string())), len(names))


def rank_texts(column: pa.ChunkedArray) -> Int64Array:
    """Return integers in the order of texts, or of other values as texts; a null is an empty text: int64 (n,)."""
    if not pt.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    encoded = column.unify_dictionaries().combine_chunks()
    values = pa.concat_arrays([encoded.dictionary.cast(pa.string()), text_array([""])])
    ranks = to_numpy(pc.rank(values, tiebreaker="dense").cast(pa.int64()), 0)
    return ranks.take(to_numpy(encoded.indices.cast(pa.int64()), len(values) - 1))
