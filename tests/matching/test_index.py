"""A prepared index: saved, mapped and used again."""

import random

import numpy as np
import pyarrow as pa
import pytest

from kokin.issues import InvalidInputError
from kokin.matching import Index
from kokin.model import Bill, arrow_schema
from kokin.reconcile import reconcile
from tests.reconcile import cities


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
