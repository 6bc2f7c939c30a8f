"""Arrow columns as numpy arrays: texts as category codes, dates as datetime64, any column as integers; exact sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kokin._arrow.convert import (
    EMPTY_STRING,
    BoolArray,
    Int32Array,
    Int64Array,
    combine,
    from_numpy,
    is_present,
    text_array,
    to_mask,
    to_numpy,
)
from kokin._arrow.mapped import release_mapped_memory
from kokin._arrow.threads import chunk_slices
from kokin.matching import EL_FIELDS

Days = npt.NDArray[np.datetime64]

_NOT_A_DAY = np.iinfo(np.int64).min
_BEFORE_ALL_DATES = np.iinfo(np.int32).min


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


def category_column(table: pa.Table, name: str) -> Categorical:
    """Encode a text column as categories; all null if the table lacks it."""
    column = table.column(name) if name in table.schema.names else None
    if column is None or not pt.is_dictionary(column.type):
        return categorize(text_column(table, name))
    encoded = column.unify_dictionaries().combine_chunks()
    values = categorize(encoded.dictionary.cast(pa.string()))  # a dictionary may contain duplicates
    codes = np.append(values.codes, np.int32(-1))[to_numpy(encoded.indices.cast(pa.int64()), len(values.codes))]
    return Categorical(codes, values.categories)


def merge_categories(first: Categorical, second: Categorical) -> Categorical:
    """Return the values of the first column, and of the second one where that is null; both have ``n`` rows."""
    categories = list(dict.fromkeys([*first.categories, *second.categories]))
    number = {text: code for code, text in enumerate(categories)}
    codes, others = (
        np.array([*(number[text] for text in column.categories), -1], np.int32)[column.codes]
        for column in (first, second)
    )
    return Categorical(np.where(codes < 0, others, codes), categories)


def category_texts(codes: npt.NDArray[Any], categories: Sequence[str]) -> pa.Array:
    """Return the categories of codes; null for -1."""
    return pa.array(categories, pa.string()).take(from_numpy(codes.astype(np.int32), pa.int32(), codes >= 0))


def exact_sum(yen: Int64Array) -> int:
    """Sum yen without overflow: each chunk in int64, the chunks as Python integers.

    A record has at most 99,999,999,999 yen, so the sum of a chunk fits int64; that of 92 million rows does not.
    """
    return sum(int(yen[chunk].sum()) for chunk in chunk_slices(len(yen)))


def exact_sums_by(groups: npt.NDArray[np.integer], yen: Int64Array, count: int) -> list[int]:
    """Sum yen by group without overflow, as :func:`exact_sum`; ``groups`` are numbers from 0 to ``count - 1``: (n,)."""
    if count == 1:
        return [exact_sum(yen)]
    sums = [0] * count
    for chunk in chunk_slices(len(yen)):
        sums_of_chunk = np.zeros(count, np.int64)
        np.add.at(sums_of_chunk, groups[chunk], yen[chunk])
        sums = [left + right for left, right in zip(sums, sums_of_chunk.tolist(), strict=True)]
    return sums


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


def mask_of(numbers: npt.NDArray[np.integer], size: int) -> BoolArray:
    """Return which of the numbers 0 to ``size - 1`` are among some numbers: bool (size,)."""
    mask = np.zeros(size, np.bool_)
    mask[numbers] = True
    return mask


class EncodedColumns:
    """Rows of a table whose columns are encoded as integers on demand; a missing column is all null.

    The integers are equal, or in order, where the values are, whatever the type of the column.
    """

    def __init__(self, table: pa.Table, rows: pa.Array | None = None) -> None:
        self.table, self.rows = table, rows

    def __len__(self) -> int:
        return len(self.table if self.rows is None else self.rows)

    def take(self, rows: Int64Array) -> EncodedColumns:
        """Return some of these rows; without a copy if they are all of the table."""
        if self.rows is None and len(rows) == len(self.table) and (rows == np.arange(len(rows))).all():
            return self
        index = from_numpy(rows, pa.int64())
        return EncodedColumns(self.table, index if self.rows is None else self.rows.take(index))

    def has(self, name: str) -> bool:
        """Return whether the table has the column, with a value in any of its rows."""
        return name in self.table.schema.names and self.table.column(name).null_count < len(self.table)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of these rows."""
        column = self.table.column(name)
        if self.rows is None:
            return column
        taken = column.take(self.rows)
        release_mapped_memory()
        return taken

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
        integers = to_numpy(column, -1) if pt.is_int64(column.type) else from_texts(column)
        release_mapped_memory()
        return integers


def encode_texts(column: pa.ChunkedArray) -> Int64Array:
    """Return integers that are equal where texts are, or other values as texts; a null is an empty text: int64 (n,)."""
    if pt.is_dictionary(column.type):  # whose values may contain duplicates
        return rank_texts(column)
    encoded = pc.fill_null(column.cast(pa.string()), EMPTY_STRING).combine_chunks().dictionary_encode()
    return to_numpy(encoded.indices.cast(pa.int64()), -1)


def key_columns(kind: str) -> tuple[str, ...]:
    """Return the columns of a kind of key (``KEY_KINDS``)."""
    return tuple(EL_FIELDS) if kind == "el_number" else (kind,)


def key_texts(columns: EncodedColumns, kind: str) -> pa.Array:
    """Return the keys of one kind as texts: 34, 27, up to 20 or 10 characters; null if a column is missing or null."""
    names = key_columns(kind)
    if not all(columns.has(name) for name in names):
        return pa.nulls(len(columns), pa.string())
    fields = {name: combine(columns.texts(name)) for name in names}
    if kind == "el_number":
        fields["case_key"] = pc.utf8_lpad(fields["case_key"], EL_FIELDS["case_key"], "0")
    if kind == "barcode":
        # The company and the free field of the 44 digits.
        fields["barcode"] = pc.utf8_slice_codeunits(fields["barcode"], 2, 29)
    return pc.binary_join_element_wise(*fields.values(), "")


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
