"""Arrow columns as numpy arrays: texts as category codes, dates as datetime64, and sums that cannot wrap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import Int32Array, Int64Array, chunk_slices, combine, from_numpy, to_numpy

Days = npt.NDArray[np.datetime64]

_NOT_A_DAY = np.iinfo(np.int64).min


class Categorical(NamedTuple):
    """A text column with few distinct values: int32 codes (n,), -1 for a null, and the categories that they index."""

    codes: Int32Array
    categories: Sequence[str]

    def texts(self, rows: npt.NDArray[Any]) -> pa.Array:
        """Return the texts of some rows; null for a null."""
        return category_texts(self.codes[rows], self.categories)


def categorize(texts: pa.Array) -> Categorical:
    """Encode texts as categories; an empty text is a null."""
    encoded = pc.if_else(pc.equal(texts, ""), None, texts).dictionary_encode()
    return Categorical(to_numpy(encoded.indices.cast(pa.int32()), -1), encoded.dictionary.to_pylist())


def category_texts(codes: npt.NDArray[Any], categories: Sequence[str]) -> pa.Array:
    """Return the categories of codes; null for -1."""
    return pa.array(categories, pa.string()).take(from_numpy(codes.astype(np.int32), pa.int32(), codes >= 0))


def exact_sum(yen: Int64Array) -> int:
    """Sum yen without overflow: each chunk in int64, the chunks as Python integers.

    A record has at most 99,999,999,999 yen, so the sum of a chunk fits int64; that of 92 million rows does not.
    """
    return sum(int(yen[chunk].sum()) for chunk in chunk_slices(len(yen)))


def text_column(table: pa.Table, name: str) -> pa.Array:
    """Return a text column as one array; all null if the table lacks it."""
    if name not in table.schema.names:
        return pa.nulls(len(table), pa.string())
    return combine(table.column(name).cast(pa.string()))


def day_column(table: pa.Table, name: str) -> Days:
    """Return a date column, datetime64[D] (n,); NaT for a null, and throughout if the table lacks it."""
    if name not in table.schema.names:
        return np.full(len(table), _NOT_A_DAY).view("datetime64[D]")
    column = table.column(name).cast(pa.date32())
    numbers = to_numpy(column.cast(pa.int32()).cast(pa.int64()), _NOT_A_DAY)
    return numbers.view("datetime64[D]")


def int_column(table: pa.Table, name: str, null: int) -> Int64Array:
    """Return an integer column, int64 (n,); ``null`` for a null, and throughout if the table lacks it."""
    if name not in table.schema.names:
        return np.full(len(table), null, np.int64)
    return to_numpy(table.column(name), null)


def days_array(days: Days) -> pa.Array:
    """Convert days to date32; NaT becomes null."""
    known = ~np.isnat(days)
    return from_numpy(np.where(known, days.view(np.int64), 0).astype(np.int32), pa.date32(), known)
