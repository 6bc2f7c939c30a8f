"""Conversions between Arrow and numpy, compared with Python values, for any chunks and offsets."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin._arrow.convert import (
    bool_array,
    combine,
    combine_strings,
    from_numpy,
    is_ascending,
    is_present,
    is_valid,
    iter_batches,
    text_buffers,
    text_ranks,
    to_mask,
    to_numpy,
)
from kokin._arrow.threads import difference_sorted, isin_sorted, sorted_union, sorted_unique, thread_map

KINDS = [pa.int8(), pa.int32(), pa.int64(), pa.date32(), pa.time32("s")]
TEXT_KINDS = [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
cuts = st.tuples(st.integers(0, 9), st.integers(0, 30), st.integers(0, 30))


def chunked(values: list[Any], kind: pa.DataType, cut: tuple[int, int, int]) -> pa.ChunkedArray:
    """A column in three chunks, the first two of them slices that do not begin at a byte of the bitmap."""
    array = pa.array(values, kind)[cut[0] :]
    bounds = sorted(min(place, len(array)) for place in cut[1:])
    return pa.chunked_array([array[: bounds[0]], array[bounds[0] : bounds[1]], array[bounds[1] :]], kind)


@given(st.lists(st.none() | st.integers(0, 99), max_size=40), st.sampled_from(KINDS), cuts)
def test_numbers_equal_those_of_numpy(values: list[int | None], kind: pa.DataType, cut: tuple[int, int, int]) -> None:
    column = chunked(values, pa.int32(), cut).cast(pa.int8() if kind == pa.int8() else pa.int32()).cast(kind)
    expected = [-1 if value is None else value for value in values[cut[0] :]]
    assert to_numpy(column, -1).tolist() == to_numpy(combine(column), -1).tolist() == expected
    valid = np.array([value is not None for value in values[cut[0] :]], np.bool_)
    assert is_valid(combine(column)).tolist() == valid.tolist()
    assert from_numpy(to_numpy(column, 0), kind, valid) == combine(column)


@given(st.lists(st.none() | st.text("ab寿", max_size=3), max_size=40), st.sampled_from(TEXT_KINDS), cuts)
def test_texts_are_equal_in_buffers(values: list[str | None], kind: pa.DataType, cut: tuple[int, int, int]) -> None:
    column = chunked(values, kind, cut)
    sliced = values[cut[0] :]
    assert is_present(column).tolist() == [bool(value) for value in sliced]
    assert combine_strings(column).to_pylist() == [value or "" for value in sliced]
    for array in column.chunks:
        offsets, letters = text_buffers(array)
        decoded = [letters[a:b].tobytes().decode() for a, b in pairwise(offsets)]
        assert [text for text, value in zip(decoded, array.to_pylist(), strict=True) if value is not None] == [
            value for value in array.to_pylist() if value is not None
        ]


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 20))
def test_masks_are_equal_in_numpy_and_back(flags: list[bool], start: int) -> None:
    array = pa.array(flags, pa.bool_())[start:]
    assert to_mask(array).tolist() == flags[start:]
    assert bool_array(to_mask(array)).equals(array)


@given(st.lists(st.integers(-5, 5)), st.lists(st.integers(-5, 5)))
def test_sorted_sets_equal_python_sets(one: list[int], other: list[int]) -> None:
    left, right = np.array(one, np.int64), sorted_unique(np.array(other, np.int64))
    assert sorted_unique(left).tolist() == sorted(set(one))
    assert isin_sorted(left, right).tolist() == [number in other for number in one]
    assert difference_sorted(left, right).tolist() == [number for number in one if number not in other]
    assert sorted_union(left, right).tolist() == sorted({*one, *other})


@pytest.mark.parametrize("form", [lambda t: t, lambda t: t.to_reader(), lambda t: t.combine_chunks().to_batches()[0]])
def test_batches_have_at_most_the_requested_rows(form: Any) -> None:
    table = pa.table({"a": list(range(10))})
    batches = list(iter_batches(form(table), 4))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert [len(batch) for batch in iter_batches(table.schema.empty_table(), 4)] == [0]
    assert pa.Table.from_batches(batches) == table


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_results_of_threads_are_in_the_order_of_the_items(threads: int | None) -> None:
    assert thread_map(lambda number: number * 2, range(100), threads) == list(range(0, 200, 2))


@given(st.lists(st.text("ab", max_size=3), max_size=20))
def test_ranks_are_the_positions_among_the_sorted_texts(texts: list[str]) -> None:
    for values in (texts, sorted(set(texts))):
        ranks = text_ranks(pa.array(values, pa.string())).tolist()
        assert [text for _, text in sorted(zip(ranks, values, strict=True))] == sorted(values)
        assert sorted(ranks) == list(range(len(values)))
        assert is_ascending(pa.array(values, pa.string())) == all(left < right for left, right in pairwise(values))
