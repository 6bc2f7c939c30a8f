"""The rule of matching on columns equals the rule in plain Python, in any order and any split of the input."""

import random
from collections import Counter

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.model import Bill, Receipt, arrow_schema
from kokin.reconcile import overlaps, reconcile
from kokin.reconcile._identity import OVERLAP_SCHEMA
from tests.reconcile import cities, reference
from tests.support import examples


def assert_equal(bills, receipts):
    """Reconcile one table, or several where the rows have their number as ``part``, and compare all results."""
    parts = [[row for row in receipts if row.get("part", 0) == part] for part in range(3)]
    inputs = [cities.tables(bills, rows) for rows in parts if rows or rows is parts[0]]
    files = [table for _, table in inputs]
    result = reconcile(inputs[0][0], files)
    outcomes, debts, balances, rows = reference.reconcile(bills, receipts)
    reused = Counter((row["source"], row["record_no"], row["found"]) for row in findings(result, "KEY_REUSED"))
    assert reused == Counter(
        (row["source"] or "", row["record_no"], row["provider_key"]) for row in rows if row["reused"]
    )
    assert result.overlaps.to_pylist() == overlaps_of(rows)
    assert overlaps(files) == result.overlaps
    assert [row["found"].split(" in ")[0] for row in findings(result, "FILE_OVERLAPS")] == [
        f"{row['repeated']} of {row['records']}" for row in result.overlaps.to_pylist()
    ]
    assert result.outcomes.to_pylist() == outcomes
    assert result.balances.to_pylist() == balances
    assert_conserved(result, bills, receipts, debts)
    return result


def findings(result, name):
    return [row for row in result.exceptions.to_pylist() if row["outcome"] == name]


def overlaps_of(rows):
    """Files by their names and digests, with the records that another file has too."""
    name = {id(row): (row["source"] or "", row["digest"] or "") for row in rows}
    file = {id(row): row["digest"] or (row.get("part", 0), row["source"] or "") for row in rows}
    pairs = [(id(row), id(row["counted"])) for row in rows]
    repeated = Counter((name[a], name[b]) for a, b in pairs if file[a] != file[b] or name[a] != name[b])
    records = Counter(name.values())
    return [
        dict(zip(OVERLAP_SCHEMA.names, (*one, records[one], count, *other), strict=True))
        for (one, other), count in sorted(repeated.items())
    ]


def assert_conserved(result, bills, receipts, debts):
    total = sum(-row["amount"] if row["kind"] == "reversal" else row["amount"] for row in receipts)
    assert sum(result.summary.dispositions.values()) == total == result.summary.amount
    assert sum(each.amount for each in result.summary.outcomes.values()) == total
    applied = 0
    for row in result.outcomes.to_pylist():
        applied += row["applied"]
        if row["outcome"] in ("MATCHED", "UNDERPAID", "OVERPAID", "DUPLICATE_PAYMENT"):
            assert row["amount"] == row["applied"] + row["excess"]
    before = reference.Obligations([{**bill, "status": bill["status"]} for bill in bills]).balance
    assert applied == sum(before.values()) - sum(debts.balance.values())
    assert {name for name, control in result.summary.controls.items() if control.holds is True} == {"T4", "T5", "T6"}


@settings(max_examples=examples(150))
@given(st.data())
def test_equals_the_reference(data):
    seed = data.draw(st.integers(0, 2**32))
    sizes = data.draw(st.tuples(st.integers(0, 12), st.integers(0, 30)))
    assert_equal(*cities.city(random.Random(seed).choice, *sizes))


@settings(max_examples=examples(60))
@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(0, 30))
def test_equals_the_reference_in_several_tables(seed, bill_count, receipt_count):
    rng = random.Random(seed)
    bills, receipts = cities.city(rng.choice, bill_count, receipt_count)
    assert_equal(bills, [{**row, "part": rng.randrange(3)} for row in receipts])


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_reference_on_a_bigger_city(seed):
    assert_equal(*cities.city(random.Random(seed).choice, 60 * 10 ** (seed % 2), 1000))


@settings(max_examples=examples(30))
@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(0, 40))
def test_the_result_does_not_depend_on_order_and_split(seed, bill_count, receipt_count):
    rng = random.Random(seed)
    bills, receipts = cities.city(rng.choice, bill_count, receipt_count)
    table, rows = cities.tables(bills, receipts)
    expected = reconcile(table, rows)
    rng.shuffle(bills)
    rng.shuffle(receipts)
    # Without a digest a file is a source of one table, so these records remain in one table.
    files = [[row for row in receipts if not row["digest"]]]
    receipts = [row for row in receipts if row["digest"]]
    cuts = sorted(rng.choices(range(len(receipts) + 1), k=3))
    files += [receipts[a:b] for a, b in zip([0, *cuts], [*cuts, len(receipts)], strict=True)]
    shuffled = reconcile(
        pa.Table.from_pylist(bills, arrow_schema(Bill)), [pa.Table.from_pylist(f, arrow_schema(Receipt)) for f in files]
    )
    for name in ("outcomes", "balances", "exceptions"):
        assert as_bytes(getattr(shuffled, name)) == as_bytes(getattr(expected, name))
    assert shuffled.summary == expected.summary


def as_bytes(table):
    """The table as CSV; in memory, the bits after the last row are undefined."""
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(table.combine_chunks(), sink)
    return sink.getvalue().to_pybytes()
