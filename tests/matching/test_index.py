"""A prepared index: saved, mapped and used again."""

import random
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from kokin.issues import InvalidInputError
from kokin.matching import Index, _hash_index, _index
from kokin.model import Bill, arrow_schema
from kokin.reconcile import reconcile
from tests.reconcile import cities

DAY = date(2026, 6, 1)


@pytest.mark.parametrize("seed", range(5))
def test_a_loaded_index_matches_as_the_bills_do(seed, tmp_path):
    bills, receipts = cities.tables(*cities.city(random.Random(seed).choice, 10 * seed + 1, 60))
    Index.build(bills).save(tmp_path / "index")
    loaded = Index.load(tmp_path / "index")
    from_bills, from_index = reconcile(bills, receipts), reconcile(loaded, receipts)
    for name in ("outcomes", "balances", "exceptions", "changes", "summary"):
        assert getattr(from_index, name) == getattr(from_bills, name)


def test_loaded_arrays_are_mapped(tmp_path):
    bills, _ = cities.tables(*cities.city(random.Random(1).choice, 20, 1))
    Index.build(bills).save(tmp_path)
    base = Index.load(tmp_path).key_indexes["el_number"].table.base
    while not isinstance(base, np.memmap):
        base = base.base
    assert not base.flags.writeable


def test_an_index_without_bills_is_saved_and_loaded(tmp_path):
    Index.build(pa.Table.from_pylist([], arrow_schema(Bill))).save(tmp_path)
    assert len(Index.load(tmp_path)) == 0


@pytest.mark.parametrize("head", [None, '{"version": 0}'])
def test_a_folder_without_an_index_of_this_version_is_rejected(tmp_path, head):
    if head:
        (tmp_path / "index.json").write_text(head)
    with pytest.raises(InvalidInputError, match="INDEX_VERSION"):
        Index.load(tmp_path)


def test_an_interrupted_save_leaves_no_index(tmp_path, monkeypatch):
    bills, _ = cities.tables(*cities.city(random.Random(1).choice, 20, 1))
    index = Index.build(bills)
    index.save(tmp_path)
    monkeypatch.setattr(np, "save", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        index.save(tmp_path)
    with pytest.raises(InvalidInputError):
        Index.load(tmp_path)


@pytest.mark.parametrize("seed", range(40))
def test_an_index_for_some_receipts_finds_the_same_slips_for_them(seed, monkeypatch):
    monkeypatch.setattr(_index, "CHUNK_ROWS", 7)
    monkeypatch.setattr(_hash_index, "_BITS_PER_KEY", seed % 3)  # with 0, other keys pass the filter
    bills, receipts = cities.tables(*cities.city(random.Random(seed).choice, 40, seed % 9))
    complete, filtered = Index.build(bills), Index.build(bills, receipts=[receipts.slice(0, 2), receipts.slice(2)])
    for batch in receipts.to_batches():
        for found, expected in zip(filtered.lookup(batch), complete.lookup(batch), strict=True):
            assert found.tolist() == expected.tolist()
    for name in ("outcomes", "balances", "exceptions", "changes", "summary"):
        assert getattr(reconcile(filtered, receipts), name) == getattr(reconcile(complete, receipts), name)


def test_keys_that_no_receipt_has_are_not_indexed():
    bills, receipts = cities.tables(*cities.city(random.Random(1).choice, 200, 1))
    for kind, key_index in Index.build(bills, receipts=receipts).key_indexes.items():
        indexed, all_keys = key_index.table >= 0, Index.build(bills).key_indexes[kind].table >= 0
        assert np.count_nonzero(indexed) < np.count_nonzero(all_keys)


def test_a_long_customer_number_passes_the_filter():
    long, row = "ｱ" * 20, {"payee_code": "99999", "item_code": "127", "case_key": "1", "confirmation": "123456"}
    bills = pa.Table.from_pylist([{**row, "bill_id": "B1", "amount": 1, "due_on": DAY, "customer_number": long}])
    receipts = pa.table({"customer_number": pa.array(["ｱ", long], pa.string())})
    slip, _, _ = Index.build(bills, receipts=receipts).lookup(receipts.to_batches()[0])
    assert slip.tolist() == [-1, 0]
