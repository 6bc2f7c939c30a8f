"""Sets of integers as sorted arrays. numpy's own go through a hash table, which takes tens of times longer."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from kokin.columns._arrow import Flags, Ints

Number = TypeVar("Number", bound=np.integer[Any])


def distinct(numbers: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Each number once, in order: (k,)."""
    numbers = np.sort(numbers)
    fresh = np.ones(len(numbers), np.bool_)
    fresh[1:] = numbers[1:] != numbers[:-1]
    return numbers[fresh]


def within(numbers: Ints, among: Ints) -> Flags:
    """Which numbers are in a set: bool (n,)."""
    if not len(among):
        return np.zeros(len(numbers), np.bool_)
    place = np.searchsorted(among, numbers)
    found: Flags = among.take(place, mode="clip") == numbers
    return found


def without(numbers: Ints, among: Ints) -> Ints:
    """The numbers that are not in a set, in their order: int64 (k,)."""
    return numbers[~within(numbers, among)]


def union(one: Ints, other: Ints) -> Ints:
    """The numbers of two sets: int64 (k,)."""
    return distinct(np.concatenate([one, other]))
