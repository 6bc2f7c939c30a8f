"""Codec and match keys return what was stored, for any values."""

import json
import random
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.ledger import EntryKind, Ledger
from kokin.ledger._codec import canonical_rows, decode_columns, encode_column
from kokin.ledger._components import find_pairs, require_complete
from kokin.ledger._journal import EntryWriter, last_entry
from kokin.ledger._migrations import connected
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
def test_a_row_is_canonical_json_and_columns_decode_to_the_record(rows):
    kinds = pa.schema([arrow_schema(Bill).field(name) for name in rows[0]])
    table = pa.Table.from_pylist([{**row, "parts": list(row["parts"].items())} for row in rows], kinds)
    stored = pa.table({name: encode_column(table.column(name)) for name in table.column_names})
    for row, text in zip(rows, canonical_rows(stored), strict=True):
        plain = {**row, "covers": "\n".join(row["covers"])}
        plain["parts"] = "\n".join(f"{name}={yen}" for name, yen in row["parts"].items())
        plain = {name: value for name, value in plain.items() if value not in (None, "")}
        assert text.decode() == json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    back = decode_columns(stored, Bill)
    for name in table.column_names:
        assert back.column(name).to_pylist() == table.column(name).to_pylist()


def test_a_column_that_is_added_later_does_not_change_a_row():
    rows = pa.table({"id": [1, 2], "hash": [b"x", b"y"]})
    added = rows.append_column("added", pa.array([None, "new"]))
    assert canonical_rows(rows) == [b'{"id":1}', b'{"id":2}']
    assert canonical_rows(added) == [b'{"id":1}', b'{"added":"new","id":2}']
    assert canonical_rows(rows.slice(0, 0)) == []


@pytest.mark.parametrize("seed", range(3))
def test_match_keys_are_found_as_in_a_plain_set(place, seed):
    rng = random.Random(seed)
    all_keys = [0, 1, -1, 2**63 - 1, -(2**63), *(rng.randrange(-(2**63), 2**63) for _ in range(20))]
    pairs = set()
    Ledger.create(place).close()
    with connected(place, 1) as database, database.writing() as connection:
        writer = EntryWriter(database, connection, now=datetime.now(UTC), actor="clerk")
        writer.begin(EntryKind.BILLS)
        for _ in range(15):
            added = {(rng.choice(all_keys), rng.randrange(1, 100)) for _ in range(rng.randrange(1, 40))} - pairs
            pairs |= added
            doubled = [*added, *added]
            writer.add_keys("receipts", *(np.array([pair[side] for pair in doubled], np.int64) for side in (0, 1)))
            writer.flush_keys()
            wanted = rng.sample(all_keys, rng.randrange(len(all_keys)))
            keys, rows = find_pairs(writer, "receipts", np.array(wanted, np.int64))
            found = sorted(pair for pair in pairs if pair[0] in wanted)
            assert list(zip(keys.tolist(), rows.tolist(), strict=True)) == found
        assert not len(find_pairs(writer, "bill_versions", np.array(all_keys, np.int64))[0])
        writer.commit()
        require_complete(writer, last_entry(connection))
    database.engine.dispose()
