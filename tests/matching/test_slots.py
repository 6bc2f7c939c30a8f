"""The table of open addressing, against a dictionary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kokin.matching._slots import fill, probe

from kokin.matching import _slots

small = st.integers(0, 40)


def keys(rows, width):
    return np.array(rows, np.uint64).reshape(len(rows), width)


@pytest.mark.parametrize("step", [1, 3, 1_000])
@given(width=st.integers(1, 3), crowd=st.booleans(), data=st.data())
def test_equals_a_dictionary(step, width, crowd, data):
    row = st.lists(small, min_size=width, max_size=width)
    rows = data.draw(st.lists(row, max_size=60))
    asked = data.draw(st.lists(row, max_size=60))
    present = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), np.bool_)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_slots, "stretches", lambda n: [slice(i, min(i + step, n)) for i in range(0, n, step)])
        if crowd:  # few hashes, so that numbers share them
            patch.setattr(_slots, "hashes", lambda words: (words.sum(axis=1) % 4).astype(np.uint64) << np.uint64(62))
        check(rows, asked, present, width)


def check(rows, asked, present, width):
    slots, again, first = fill(keys(rows, width), present)
    holder = {}
    for number in np.flatnonzero(present).tolist():
        holder.setdefault(tuple(rows[number]), set()).add(number)
    found = probe(slots, keys(rows, width), keys(asked, width)).tolist() if rows else [-1] * len(asked)
    for number, answer in zip(asked, found, strict=True):
        assert answer in holder.get(tuple(number), {-1})
    pairs = {(a, b) for a, b in zip(again.tolist(), first.tolist(), strict=True)}
    assert len(pairs) == sum(len(group) - 1 for group in holder.values())
    assert all(rows[a] == rows[b] and a != b for a, b in pairs)
    assert {b for _, b in pairs} <= set(slots.tolist())


def test_full_collision_is_only_slow(monkeypatch):
    monkeypatch.setattr(_slots, "hashes", lambda words: np.full(len(words), 2**64 - 1, np.uint64))
    rows = keys([[n, n] for n in range(50)], 2)
    slots, again, _ = fill(rows, np.ones(50, np.bool_))
    assert probe(slots, rows, rows).tolist() == list(range(50))
    assert probe(slots, rows, keys([[1, 2]], 2)).tolist() == [-1]
    assert len(again) == 0


@pytest.mark.parametrize("size", [1, 100_003])
def test_places_are_spread(size):
    words = np.stack([np.full(100_000, 9999912700000012), np.arange(100_000)], axis=1).astype(np.uint64)
    place = _slots.places(_slots.hashes(words), size)
    assert place.min() >= 0
    assert place.max() < size
    if size > 1:
        # A random spread leaves e**-1 = 37 % of the slots empty.
        assert len(np.unique(place)) > 0.6 * size
