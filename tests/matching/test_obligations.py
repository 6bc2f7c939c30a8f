"""Obligations, covering slips and connected components."""

from datetime import date
from itertools import chain

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from kokin.matching import Obligations
from kokin.matching._hash_index import _settled_by
from kokin.matching._obligations import connected_components, find_obligations


@given(st.integers(1, 8), st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=4), min_size=1, max_size=8))
def test_components_are_labelled_by_their_smallest_obligation(total, covers):
    covers = [[number % total for number in cover] for cover in covers]
    offsets = np.cumsum([0, *map(len, covers)]).astype(np.int32)
    found = connected_components(total, offsets, np.array(list(chain(*covers)), np.int32)).tolist()

    components = [{number} for number in range(total)]
    for cover in covers:
        merged = set().union(*(component for component in components if component & set(cover)))
        components = [component for component in components if not component & merged] + [merged]
    assert found == [min(next(component for component in components if number in component)) for number in range(total)]


def test_a_shuffled_chain_needs_few_rounds(monkeypatch):
    order = np.random.default_rng(1).permutation(100_000).astype(np.int32)
    pairs = np.random.default_rng(2).permutation(np.column_stack([order[:-1], order[1:]]))
    rounds = []
    monkeypatch.setattr(np, "array_equal", lambda a, b: rounds.append(1) or bool((a == b).all()))
    assert not connected_components(100_000, np.arange(0, pairs.size + 1, 2), pairs.ravel()).any()
    assert len(rounds) < 30


@given(st.data())
def test_slips_that_settle_the_same_obligations_have_one_number(data):
    covers = data.draw(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True), max_size=8))
    own = data.draw(st.lists(st.integers(0, 3), max_size=4))
    settled = [*({number} for number in own), *map(set, covers)]
    obligation = np.array([*own, *(-1 - i for i in range(len(covers)))], np.int32)
    yen = np.ones(4, np.int64)
    offsets = np.cumsum([0, *map(len, covers)]).astype(np.int32)
    obligations = Obligations(yen, yen, obligation, offsets, np.array(list(chain(*covers)), np.int32))
    numbers = _settled_by(np.arange(len(settled), dtype=np.int32), obligations).tolist()
    assert [[a == b for b in numbers] for a in numbers] == [[a == b for b in settled] for a in settled]


def test_the_example_of_the_class():
    bills = pa.table(
        {
            "bill_id": ["A", "B", "C", "D"],
            "due_on": [date(2026, 6, 1), date(2026, 6, 1), date(2026, 8, 1), date(2026, 6, 1)],
            "obligation_id": ["O1", "O1", "O2", None],
            "covers": pa.array([[], [], [], ["O2", "O1", "O2"]], pa.list_(pa.string())),
        }
    )
    obligations = find_obligations(bills, np.array([700, 1000, 500, 1500]), np.zeros(4, np.uint8), [])
    assert obligations.billed.tolist() == obligations.open.tolist() == [1000, 500]
    assert obligations.obligation_of_slip.tolist() == [0, 0, 1, -1]
    assert (obligations.cover_offsets.tolist(), obligations.covered.tolist()) == ([0, 2], [0, 1])
    assert obligations.component.tolist() == [0, 0]
    count, expanded = obligations.expand(np.array([3, 0], np.int32))
    assert (count.tolist(), expanded.tolist()) == ([2, 1], [0, 1, 0])
    assert obligations.sum_by_slip(obligations.billed, np.array([3, 0], np.int32)).tolist() == [1500, 1000]


def test_arrays_are_compared_by_identity():
    obligations = Obligations(np.zeros(2, np.int64), np.zeros(2, np.int64))
    assert obligations != Obligations(obligations.billed, obligations.open)
