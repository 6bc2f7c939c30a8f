"""The result does not depend on the size of chunks, nor on how the rows are passed."""

import random
import sys

import pyarrow as pa
import pytest

from kokin._arrow.files import write_csv
from kokin._arrow.threads import chunk_slices
from kokin.matching import _index
from kokin.reconcile import _matches, _tables, reconcile
from tests.reconcile.cities import city, tables

TABLES = ("outcomes", "balances", "changes", "exceptions", "summary")


@pytest.fixture
def small_chunks(monkeypatch):
    """A few rows per chunk."""
    for module in (_matches, _tables, _index):
        monkeypatch.setattr(module, "CHUNK_ROWS", 7)
    monkeypatch.setattr(sys.modules[chunk_slices.__module__], "CHUNK_ROWS", 5)


@pytest.mark.parametrize("seed", range(6))
def test_the_result_does_not_depend_on_the_size_of_chunks(seed, request):
    bills, receipts = tables(*city(random.Random(seed).choice, 40, 100))
    result = reconcile(bills, receipts)
    expected = {name: getattr(result, name) for name in TABLES}
    request.getfixturevalue("small_chunks")
    in_chunks = reconcile(bills, receipts)
    assert {name: getattr(in_chunks, name) for name in TABLES} == expected


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("size", [0, 100])
def test_the_batches_are_those_of_the_tables(seed, in_order, size, tmp_path):
    bills, receipts = tables(*city(random.Random(seed).choice, size // 2, size))
    if in_order:
        number = pa.array(range(1, len(receipts) + 1), pa.int64())
        name = pa.repeat("a.csv", len(receipts))
        receipts = receipts.drop_columns(["source", "digest", "record_no"])
        receipts = receipts.append_column("source", name).append_column("record_no", number)
        bills = bills.sort_by("bill_id")
    result = reconcile(bills, receipts)
    for batches, table in ((result.outcome_batches, result.outcomes), (result.balance_batches, result.balances)):
        assert pa.Table.from_batches(batches()) == table
        write_csv(batches, tmp_path / "batches.csv")
        write_csv(table, tmp_path / "table.csv")
        assert (tmp_path / "batches.csv").read_bytes() == (tmp_path / "table.csv").read_bytes()


class Stream:
    """Rows that can be read only once, as other libraries pass them."""

    def __init__(self, table):
        self.reader = table.to_reader(max_chunksize=3)

    def __arrow_c_stream__(self, requested_schema=None):
        return self.reader.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("stream", [Stream, lambda table: table.to_reader(max_chunksize=3)])
def test_bills_may_be_a_stream(stream):
    bills, receipts = tables(*city(random.Random(1).choice, 50, 100))
    assert reconcile(stream(bills), receipts).balances == reconcile(bills, receipts).balances
