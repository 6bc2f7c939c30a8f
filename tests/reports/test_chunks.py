"""Every file of a run is equal, byte for byte, whatever the number of rows in a chunk."""

import random
import sys
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from kokin._arrow.threads import chunk_slices
from kokin.issues import to_table
from kokin.matching import _index
from kokin.model import Bill, Receipt, arrow_schema
from kokin.reconcile import Policy, _identity, _matches, _payees, _tables, build_accounts, reconcile
from kokin.reports import Report
from tests.reconcile import accounts_city, cities

CHUNKS = [1, 7, 1000]
AS_OF = date(2026, 6, 30)


def set_chunk_rows(monkeypatch, rows):
    for module in (_matches, _tables, _index, _identity, _payees, sys.modules[chunk_slices.__module__]):
        monkeypatch.setattr(module, "CHUNK_ROWS", rows)


def accounts_of_city(seed):
    """A city with every charge, in three files."""
    rows = accounts_city.city(seed, 60)
    bills, receipts = accounts_city.tables(*rows)
    files = [receipts.filter(pc.equal(receipts["source"], name)) for name in ("b.csv", "a.csv")]
    files.append(receipts.slice(0, 20))
    return bills, files, deposits_of(receipts), agent_reports_of(receipts)


def matched_city(seed):
    """A city in which every case of matching occurs often."""
    bills, receipts = cities.city(random.Random(seed).choice, 40, 120)
    return (*cities.tables(bills, receipts), None, None)


def city_in_order(seed):
    """One file in the order of its records, and slips in the order of their ids."""
    bills, receipts, deposits, reports = accounts_of_city(seed)
    number = pa.array(range(1, sum(map(len, receipts)) + 1), pa.int64())
    one_file = pa.concat_tables(receipts).drop_columns(["source", "digest", "record_no"])
    for name, values in (("source", pa.repeat("a", len(number))), ("record_no", number)):
        one_file = one_file.append_column(name, values)
    return bills.sort_by("bill_id"), one_file, deposits, reports


def empty_city(seed):
    del seed
    return arrow_schema(Bill).empty_table(), arrow_schema(Receipt).empty_table(), None, None


def deposits_of(receipts):
    settled = receipts.filter(pc.is_valid(receipts["settled_on"])).slice(0, 30)
    names = {"credited_on": "settled_on", "amount": "amount", "agent_code": "agent_code"}
    return pa.table({name: settled[column] for name, column in names.items()})


def agent_reports_of(receipts):
    day = receipts["paid_on"][0].as_py()
    return pa.table(
        {"first_day": [day], "last_day": [AS_OF], "count": [10], "amount": [100_000], "agent_code": ["010"]}
    )


def write(out, bills, receipts, deposits, agent_reports):
    result = reconcile(bills, receipts, Policy(split={"water-charge": "water_first"}))
    more = {"deposits": deposits, "agent_reports": agent_reports, "as_of": AS_OF}
    report = Report.from_run(result, build_accounts(result, **more), issues=to_table(()))
    report.write(out, formats=["csv", "html"])
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("city", [accounts_of_city, matched_city, city_in_order, empty_city])
def test_the_files_of_a_run_do_not_depend_on_the_size_of_chunks(seed, city, tmp_path, monkeypatch):
    inputs = city(seed)
    whole = write(tmp_path / "whole", *inputs)
    assert len(whole) == 22
    for rows in CHUNKS:
        with monkeypatch.context() as patch:
            set_chunk_rows(patch, rows)
            assert write(tmp_path / str(rows), *inputs) == whole, rows
