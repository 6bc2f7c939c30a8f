"""Groups of equal rows: their numbers, where they start in sorted columns, and their last rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kokin._arrow.convert import BoolArray, Int32Array, Int64Array

# Rows are numbered by a table of all values in their range, not by sorting, if it has at most so many values per row.
_DENSE = 8


def group(*columns: npt.NDArray[Any]) -> Int64Array:
    """Return a number for each row, equal for rows that are equal in all columns: int64 (n,), from 0 in sorted order.

    >>> group(np.array([5, 2, 5]), np.array([1, 9, 0])).tolist()
    [2, 0, 1]
    """
    keys = _merge_columns([column for column in columns if (column != column[:1]).any()] or [columns[0]])
    if len(keys) == 1 and (size := int(keys[0].max(initial=-1)) + 1) <= _DENSE * len(keys[0]):
        occurs = np.zeros(size, np.bool_)
        occurs[keys[0]] = True
        number_of_key: Int64Array = np.cumsum(occurs) - 1
        return number_of_key[keys[0]]
    order = np.lexsort(keys[::-1]) if len(keys) > 1 else np.argsort(keys[0])
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(starts_of_runs(*(key.take(order) for key in keys))) - 1
    return number


def _merge_columns(columns: list[npt.NDArray[Any]]) -> list[Int64Array]:
    """Return fewer columns that sort alike: neighbours become one number where their ranges fit into 63 bits."""
    merged: list[Int64Array] = []
    free_range = 0
    for column in columns:
        low, high = (int(column.min()), int(column.max())) if len(column) else (0, 0)
        span = high - low + 1
        from_zero = column.astype(np.int64) - low
        if merged and span <= free_range:
            merged[-1] = merged[-1] * span + from_zero
        else:
            merged.append(from_zero)
            free_range = np.iinfo(np.int64).max
        free_range //= span
    return merged


def starts_of_runs(*columns: npt.NDArray[Any]) -> BoolArray:
    """Return where a row differs from the one before it in any column; the first row does: bool (n,)."""
    starts = np.ones(len(columns[0]), np.bool_)
    starts[1:] = columns[0][1:] != columns[0][:-1]
    for column in columns[1:]:
        starts[1:] |= column[1:] != column[:-1]
    return starts


def first_of_runs(values: npt.NDArray[Any], starts: BoolArray) -> npt.NDArray[Any]:
    """Return for each row the value at the start of its run: (n,).

    >>> first_of_runs(np.array([7, 8, 9]), np.array([True, False, True])).tolist()
    [7, 7, 9]
    """
    first: npt.NDArray[Any] = values[starts][np.cumsum(starts) - 1]
    return first


def first_of_groups(number: Int64Array) -> Int64Array:
    """Return the first row of each group by the numbers of :func:`group`: int64 (k,).

    >>> first_of_groups(np.array([1, 0, 1])).tolist()
    [1, 0]
    """
    first = np.empty(int(number.max(initial=-1)) + 1, np.int64)
    first[number[::-1]] = np.arange(len(number) - 1, -1, -1)
    return first


def last_of_groups(groups: Int64Array, rows: Int32Array, *order: npt.NDArray[Any]) -> Int32Array:
    """Return the last of the rows of each group by some columns, the first column weighing most: int32 (k,)."""
    by_order = np.lexsort((*(column[rows] for column in order[::-1]), groups[rows]))
    rows = rows[by_order]
    # The row before a start is the last one of its group.
    last: Int32Array = rows[np.roll(starts_of_runs(groups[rows]), -1)]
    return last
