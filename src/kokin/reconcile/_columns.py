"""Columns of a run: texts as codes, days as numpy has them, and sums by group."""

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


class Coded(NamedTuple):
    """A column of few words as codes: int32 (n,), -1 for none; and the words."""

    codes: Int32Array
    words: Sequence[str]

    def texts(self, rows: npt.NDArray[Any]) -> pa.Array:
        """The words of some rows; null for none."""
        return words_of(self.codes[rows], self.words)


def total(yen: Int64Array) -> int:
    """The sum of yen of any count of rows: int64 is added by the chunk, the chunks as Python's integers.

    A record has at most 99,999,999,999 yen, so a chunk is far from wrapping; 92 million rows of it are not.
    """
    return sum(int(yen[chunk].sum()) for chunk in chunk_slices(len(yen)))


def text_column(table: pa.Table, name: str) -> pa.Array:
    """A text column in one piece, null where the table has none."""
    if name not in table.schema.names:
        return pa.nulls(len(table), pa.string())
    return combine(table.column(name).cast(pa.string()))


def day_column(table: pa.Table, name: str) -> Days:
    """A column of days, datetime64[D] (n,); NaT for a null, or where the table has none."""
    if name not in table.schema.names:
        return np.full(len(table), _NOT_A_DAY).view("datetime64[D]")
    column = table.column(name).cast(pa.date32())
    numbers = to_numpy(column.cast(pa.int32()).cast(pa.int64()), _NOT_A_DAY)
    return numbers.view("datetime64[D]")


def charges(table: pa.Table) -> Int64Array:
    """The yen that the bank kept of each receipt (``bank_charge``), int64 (n,); 0 for a null, or without the column."""
    if "bank_charge" not in table.schema.names:
        return np.zeros(len(table), np.int64)
    return to_numpy(table.column("bank_charge"), 0)


def days_array(days: Days) -> pa.Array:
    """Days as date32; null for NaT."""
    known = ~np.isnat(days)
    return from_numpy(np.where(known, days.view(np.int64), 0).astype(np.int32), pa.date32(), known)


def coded(texts: pa.Array) -> Coded:
    """Texts as codes; an empty one is none."""
    some = pc.if_else(pc.equal(texts, ""), None, texts).dictionary_encode()
    return Coded(to_numpy(some.indices.cast(pa.int32()), -1), some.dictionary.to_pylist())


def words_of(codes: npt.NDArray[Any], words: Sequence[str]) -> pa.Array:
    """The words of codes; null for -1."""
    return pa.array(words, pa.string()).take(from_numpy(codes.astype(np.int32), pa.int32(), codes >= 0))


def summed(table: pa.Table, by: Sequence[str], yen: Sequence[str], *counts: str) -> pa.Table:
    """Yen summed by some columns (a null is nothing), and different values counted, in the order of ``by``."""
    wanted = [(name, "sum", pc.ScalarAggregateOptions(min_count=0)) for name in yen]
    wanted += [(name, "count_distinct", None) for name in counts]
    sums = table.group_by(list(by)).aggregate(wanted).select([*by, *(f"{name}_{how}" for name, how, _ in wanted)])
    return sums.rename_columns([*by, *yen, *counts]).sort_by([(name, "ascending") for name in by])
