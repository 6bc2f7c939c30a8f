"""Codec and match index return what was stored, for any values."""

import json
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin._arrow.convert import combine
from kokin.ledger import Ledger, _match_index
from kokin.ledger._codec import decode_columns, decode_data, encode_column, encode_data
from kokin.ledger._schema import RECORD_FIELDS
from kokin.model import Bill, arrow_schema
from tests.support import examples

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


@settings(deadline=None, max_examples=examples(60))
@given(ROWS)
def test_data_is_json_and_decodes_to_the_record(rows):
    kinds = pa.schema([arrow_schema(Bill).field(name) for name in rows[0]])
    table = pa.Table.from_pylist([{**row, "parts": list(row["parts"].items())} for row in rows], kinds)
    texts = encode_data("bills", {name: combine(encode_column(table.column(name))) for name in table.column_names})
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
    back = decode_columns(decode_data("bills", texts), Bill)
    for name in table.column_names:
        assert back.column(name).to_pylist() == table.column(name).to_pylist()


def test_no_rows_have_no_data():
    assert encode_data("bills", {"bill_id": pa.array([], pa.string())}).to_pylist() == []
    assert decode_data("bills", pa.array([], pa.string())).schema.equals(RECORD_FIELDS["bills"])


@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_found_in_whatever_run_they_are(place, seed, monkeypatch):
    """Compare the index with a plain set of pairs."""
    rng = random.Random(seed)
    monkeypatch.setattr(_match_index, "_PAGE_PAIRS", 4)
    monkeypatch.setattr(_match_index, "_PAGES_PER_LOOKUP", 2)
    monkeypatch.setattr(_match_index, "MAX_PAIRS", 60)
    all_keys = [0, 1, -1, 2**63 - 1, -(2**63), *(rng.randrange(-(2**63), 2**63) for _ in range(20))]
    pairs = set()
    with Ledger.create(place) as ledger, ledger._writing() as writer:
        for _ in range(15):
            added = [(rng.choice(all_keys), rng.randrange(100)) for _ in range(rng.randrange(1, 40))]
            pairs |= set(added)
            _match_index.add_pairs(writer, "bills", *(np.array(side, np.int64) for side in zip(*added, strict=True)))
            wanted = sorted(rng.sample(all_keys, rng.randrange(len(all_keys))))
            keys, rows = _match_index.find_pairs(writer, "bills", np.array(wanted, np.int64))
            found = sorted(pair for pair in pairs if pair[0] in wanted)
            assert list(zip(keys.tolist(), rows.tolist(), strict=True)) == found
        assert not len(_match_index.find_pairs(writer, "receipts", np.array(all_keys, np.int64))[0])
