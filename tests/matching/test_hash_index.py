"""The hash index, against a dictionary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin.matching import _hash_index
from kokin.matching._hash_index import build_table, lookup

small = st.integers(0, 40)


def keys(rows, width):
    return np.array(rows, np.uint64).reshape(len(rows), width)


@pytest.mark.parametrize("step", [1, 3, 1_000])
@given(width=st.integers(1, 3), few_hashes=st.booleans(), data=st.data())
def test_lookups_and_duplicates_equal_those_of_a_dictionary(step, width, few_hashes, data):
    row = st.lists(small, min_size=width, max_size=width)
    rows = data.draw(st.lists(row, max_size=60))
    queries = data.draw(st.lists(row, max_size=60))
    present = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), np.bool_)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_hash_index, "chunk_slices", lambda n: [slice(i, min(i + step, n)) for i in range(0, n, step)])
        if few_hashes:  # so that keys share them
            patch.setattr(_hash_index, "hash_keys", few_hashes_of)
            patch.setattr(_hash_index, "_MAX_PROBES", 2)
        check(rows, queries, present, width)


def few_hashes_of(words):
    return (words.sum(axis=1) % 4).astype(np.uint64) << np.uint64(62)


def check(rows, queries, present, width):
    table, duplicates, firsts = build_table(keys(rows, width), present)
    rows_of_key = {}
    for number in np.flatnonzero(present).tolist():
        rows_of_key.setdefault(tuple(rows[number]), set()).add(number)
    found = lookup(table, keys(rows, width), keys(queries, width)).tolist() if rows else [-1] * len(queries)
    for key, row in zip(queries, found, strict=True):
        assert row in rows_of_key.get(tuple(key), {-1})
    pairs = {(a, b) for a, b in zip(duplicates.tolist(), firsts.tolist(), strict=True)}
    assert len(pairs) == sum(len(group) - 1 for group in rows_of_key.values())
    assert all(rows[a] == rows[b] and a != b for a, b in pairs)
    assert {b for _, b in pairs} <= set(table.tolist())


@pytest.mark.parametrize("hash_keys", ["one hash", "one slot"])
def test_keys_that_collide_are_found_after_a_limited_number_of_probes(monkeypatch, hash_keys):
    count = 20_000

    def colliding(words):
        return np.full(len(words), 2**63, np.uint64) + (words[:, 0] if hash_keys == "one slot" else np.uint64(0))

    monkeypatch.setattr(_hash_index, "hash_keys", colliding)
    rows = keys([[n, n] for n in range(count)], 2)
    table, duplicates, _ = build_table(rows, np.ones(count, np.bool_))
    probes = []
    monkeypatch.setattr(_hash_index, "_equal", lambda *sides: probes.append(1) or (sides[0] == sides[1]).all(axis=1))
    assert lookup(table, rows, rows).tolist() == list(range(count))
    assert len(probes) <= _hash_index._MAX_PROBES + 1
    assert lookup(table, rows, keys([[1, 2]], 2)).tolist() == [-1]
    assert len(duplicates) == 0


@pytest.mark.parametrize("size", [1, 100_003])
def test_home_slots_are_spread(size):
    words = np.stack([np.full(100_000, 9999912700000012), np.arange(100_000)], axis=1).astype(np.uint64)
    slots = _hash_index.home_slots(_hash_index.hash_keys(words), size)
    assert slots.min() >= 0
    assert slots.max() < size
    if size > 1:
        # A random spread leaves e**-1 = 37 % of the slots empty.
        assert len(np.unique(slots)) > 0.6 * size
