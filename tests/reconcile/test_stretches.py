"""How many rows are worked on at a time, and how they come in, is not seen in what comes out."""

import random

import pyarrow as pa
import pytest
from cities import city, tables

from kokin._arrow import write_csv
from kokin.matching import _index
from kokin.reconcile import _receipts, _tables, reconcile

TABLES = ("outcomes", "balances", "changes", "exceptions", "summary")


@pytest.fixture
def short(monkeypatch):
    """A few rows at a time."""
    for module in (_receipts, _tables, _index):
        monkeypatch.setattr(module, "CHUNK_ROWS", 7)
    monkeypatch.setattr("kokin._arrow._threads.CHUNK_ROWS", 5)


@pytest.mark.parametrize("seed", range(6))
def test_stretches(seed, request):
    bills, receipts = tables(*city(random.Random(seed).choice, 40, 100))
    whole = reconcile(bills, receipts)
    expected = {name: getattr(whole, name) for name in TABLES}
    request.getfixturevalue("short")
    parts = reconcile(bills, receipts)
    assert {name: getattr(parts, name) for name in TABLES} == expected


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("size", [0, 100])
def test_batches_are_the_tables(seed, in_order, size, tmp_path):
    bills, receipts = tables(*city(random.Random(seed).choice, size // 2, size))
    if in_order:
        number = pa.array(range(1, len(receipts) + 1), pa.int64())
        name = pa.repeat("a.csv", len(receipts))
        receipts = receipts.drop_columns(["source", "digest", "record_no"])
        receipts = receipts.append_column("source", name).append_column("record_no", number)
        bills = bills.sort_by("bill_id")
    done = reconcile(bills, receipts)
    for batches, table in ((done.outcome_batches, done.outcomes), (done.balance_batches, done.balances)):
        assert pa.Table.from_batches(batches()) == table
        write_csv(batches, tmp_path / "batches.csv")
        write_csv(table, tmp_path / "table.csv")
        assert (tmp_path / "batches.csv").read_bytes() == (tmp_path / "table.csv").read_bytes()


class Stream:
    """Rows that come only once, as other libraries hand them over."""

    def __init__(self, table):
        self.reader = table.to_reader(max_chunksize=3)

    def __arrow_c_stream__(self, requested_schema=None):
        return self.reader.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("stream", [Stream, lambda table: table.to_reader(max_chunksize=3)])
def test_bills_from_a_stream(stream):
    bills, receipts = tables(*city(random.Random(1).choice, 50, 100))
    assert reconcile(stream(bills), receipts).balances == reconcile(bills, receipts).balances
