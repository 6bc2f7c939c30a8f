"""Sets of integers as sorted arrays. numpy's own go through a hash table, which takes tens of times longer."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from kokin._arrow._arrow import BoolArray, Int64Array

Number = TypeVar("Number", bound=np.integer[Any])


def sorted_unique(numbers: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Each number once, in order: (k,)."""
    numbers = np.sort(numbers)
    fresh = np.ones(len(numbers), np.bool_)
    fresh[1:] = numbers[1:] != numbers[:-1]
    return numbers[fresh]


def isin_sorted(numbers: Int64Array, among: Int64Array) -> BoolArray:
    """Which numbers are in a set: bool (n,)."""
    if not len(among):
        return np.zeros(len(numbers), np.bool_)
    place = np.searchsorted(among, numbers)
    found: BoolArray = among.take(place, mode="clip") == numbers
    return found


def difference_sorted(numbers: Int64Array, among: Int64Array) -> Int64Array:
    """The numbers that are not in a set, in their order: int64 (k,)."""
    return numbers[~isin_sorted(numbers, among)]


def sorted_union(one: Int64Array, other: Int64Array) -> Int64Array:
    """The numbers of two sets: int64 (k,)."""
    return sorted_unique(np.concatenate([one, other]))
