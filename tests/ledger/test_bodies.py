"""Bodies and links: what goes in comes out, whatever the values."""

import json
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin._arrow.convert import combine
from kokin.ledger import Ledger, _links
from kokin.ledger._bodies import bodies, facts
from kokin.ledger._forms import restored, stored
from kokin.ledger._schema import FACTS
from kokin.model import Bill, arrow_schema

WORDS = st.text(st.sampled_from("aé国\"\\/,;='{}[]:"), min_size=1, max_size=5)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "bill_id": WORDS,
            "amount": st.integers(1, 99_999_999_999),
            "period": st.sampled_from(["00", "01"]),
            "charge": st.none() | WORDS,
            "covers": st.lists(WORDS, max_size=3),
            "parts": st.dictionaries(WORDS, st.integers(0, 9_999), max_size=3),
        }
    ),
    min_size=1,
    max_size=9,
)


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_a_body_is_json_and_tells_what_was_said(rows):
    kinds = pa.schema([arrow_schema(Bill).field(name) for name in rows[0]])
    told = pa.Table.from_pylist([{**row, "parts": list(row["parts"].items())} for row in rows], kinds)
    texts = bodies("bills", {name: combine(stored(told.column(name))) for name in told.column_names})
    for row, text in zip(rows, texts.to_pylist(), strict=True):
        plain = {"bill_id": row["bill_id"], "amount": row["amount"]}
        if row["period"] != "00":
            plain["period"] = row["period"]
        if row["charge"] is not None:
            plain["charge"] = row["charge"]
        if row["covers"]:
            plain["covers"] = "\n".join(row["covers"])
        if row["parts"]:
            plain["parts"] = "\n".join(f"{name}={yen}" for name, yen in row["parts"].items())
        assert json.loads(text) == plain
    back = restored(facts("bills", texts), Bill)
    for name in told.column_names:
        assert back.column(name).to_pylist() == told.column(name).to_pylist()


def test_no_rows_have_no_bodies():
    assert bodies("bills", {"bill_id": pa.array([], pa.string())}).to_pylist() == []
    assert facts("bills", pa.array([], pa.string())).schema.equals(FACTS["bills"])


@pytest.mark.parametrize("seed", range(3))
def test_links_are_found_whatever_runs_they_are_in(place, seed, monkeypatch):
    """Against a plain set of pairs."""
    rng = random.Random(seed)
    monkeypatch.setattr(_links, "_PAGE", 4)
    monkeypatch.setattr(_links, "_PAGES", 2)
    monkeypatch.setattr(_links, "MOST", 60)
    some = [0, 1, -1, 2**63 - 1, -(2**63), *(rng.randrange(-(2**63), 2**63) for _ in range(20))]
    pairs = set()
    with Ledger.create(place) as ledger, ledger._writing() as journal:
        for _ in range(15):
            added = [(rng.choice(some), rng.randrange(100)) for _ in range(rng.randrange(1, 40))]
            pairs |= set(added)
            _links.add(journal, "bills", *(np.array(side, np.int64) for side in zip(*added, strict=True)))
            wanted = sorted(rng.sample(some, rng.randrange(len(some))))
            keys, rows = _links.find(journal, "bills", np.array(wanted, np.int64))
            found = sorted(pair for pair in pairs if pair[0] in wanted)
            assert list(zip(keys.tolist(), rows.tolist(), strict=True)) == found
        assert not len(_links.find(journal, "receipts", np.array(some, np.int64))[0])
