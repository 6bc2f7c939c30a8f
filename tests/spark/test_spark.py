"""Spark and one machine have the same result, however the rows are partitioned."""

import random
import re
from collections import defaultdict
from datetime import date, time
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from kokin import receipts as receipt_files
from kokin.issues import InvalidInputError, from_table
from kokin.reconcile import Policy, reconcile
from kokin.spark import BucketMemoryError, read_receipts
from kokin.spark import reconcile as reconcile_in_spark
from kokin.spark._components import key_texts, to_stars
from kokin.spark._reconcile import _count_buckets, _memory_error, add_summaries
from tests.reconcile import authorities, cities, reference
from tests.spark import provinces
from tests.spark.provinces import frame

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")


def as_bytes(rows, schema):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema))
    return sink.getvalue().to_pybytes()


def in_order(rows, schema):
    """Outcomes in the canonical order: by source, digest and record_no, then by all other columns, nulls first."""
    smallest = {name: "" if kind == pa.string() else -1 for name, kind in zip(schema.names, schema.types, strict=True)}
    names = ["source", "digest", "record_no", *schema.names]
    return sorted(rows, key=lambda row: [smallest.get(name, "") if row[name] is None else row[name] for name in names])


def in_any_order(rows):
    return sorted(rows, key=repr)


def places(rows):
    return in_any_order([[row.get(name) or None for name in ("source", "digest", "record_no")] for row in rows])


def assert_equal(session, bills, receipts, policy=None, buckets=None, partitions=3):
    """The tables of Spark, put in order, are the local ones to the byte; so is the summary."""
    local = reconcile(bills, receipts, policy)
    left, right = frame(session, bills, partitions), frame(session, receipts, partitions)
    result = reconcile_in_spark(left, right, policy, buckets=buckets)
    summary = result.summary()
    outcomes = result.outcomes.toArrow().to_pylist()
    balances = result.balances.toArrow().to_pylist()
    exceptions = result.exceptions.toArrow().to_pylist()
    overlaps = result.overlaps.toArrow().to_pylist()
    result.unpersist()

    assert summary == local.summary
    assert summary.controls["T4"].holds is True
    kinds = receipts["kind"].to_pylist() if "kind" in receipts.column_names else [None] * len(receipts)
    received = (
        -yen if kind == "reversal" else yen for kind, yen in zip(kinds, receipts["amount"].to_pylist(), strict=True)
    )
    assert sum(summary.dispositions.values()) == sum(received)
    assert in_any_order(overlaps) == in_any_order(local.overlaps.to_pylist())
    schema = local.outcomes.schema
    assert as_bytes(in_order(outcomes, schema), schema) == as_bytes(local.outcomes.to_pylist(), schema)
    assert places(outcomes) == places(receipts.to_pylist())
    balance_schema = local.balances.schema
    assert as_bytes(sorted(balances, key=lambda row: row["bill_id"]), balance_schema) == as_bytes(
        local.balances.to_pylist(), balance_schema
    )
    flagged = [(row["source"], row["digest"], row["record_no"]) for row in in_order(outcomes, schema)]
    assert {(row["source"], row["digest"], row["record_no"]) for row in exceptions} <= set(flagged)
    without = [{name: value for name, value in row.items() if name != "digest"} for row in exceptions]
    assert in_any_order(without) == in_any_order(
        [row for row in local.exceptions.to_pylist() if row["outcome"] != "FILE_OVERLAPS"]
    )
    return local


@pytest.mark.parametrize(
    ("seed", "buckets", "partitions", "policy"),
    [(1, 1, 1, None), (2, 5, 4, Policy(pair_by=("paid_on",))), (3, 16, 2, None)],
)
def test_a_province_is_reconciled_as_on_one_machine(session, seed, buckets, partitions, policy):
    bills, receipts = cities.tables(*provinces.province(seed))
    local = assert_equal(session, bills, receipts, policy, buckets, partitions)
    assert len(local.summary.outcomes) >= 14  # else the province does not have enough cases


SLIP = {"payee_code": "99999", "item_code": "127", "confirmation": "123456"}
DUE = {"amount": 10_000, "due_on": date(2026, 6, 1)}


def bill(number, **more):
    return {"bill_id": f"B{number}", "case_key": str(number), **SLIP, **DUE, **more}


def paid(number, **more):
    return {"case_key": str(number), **SLIP, "amount": 10_000, "paid_on": date(2026, 5, 1), **more}


def test_payments_with_one_key_are_in_one_bucket(session):
    """A booking and its transactions, a reversal with its payment, a record with the number and one without."""
    number = dict.fromkeys(("payee_code", "item_code", "case_key", "confirmation"))
    rows = [
        paid(1, provider_key="T1", batch_key="E1"),
        paid(2, provider_key="T2", batch_key="E1"),
        {**paid(3), **number, "amount": 20_000, "provider_key": "E1"},
        paid(4, provider_key="P4"),
        paid(5, kind="reversal", cancels="P4", provider_key="R4"),
        paid(6, provider_key="P6"),
        {**paid(6), **number, "provider_key": "P6"},
        {**paid(7), **number},
        {**paid(7), **number},
        paid(8, provider_key="P1"),
        paid(9, provider_key="P1"),
    ]
    names = {name for row in rows for name in row}
    receipts = [
        {**dict.fromkeys(names), **row, "source": f"{at % 3}", "digest": f"d{at}", "record_no": at + 1}
        for at, row in enumerate(rows)
    ]
    bills = pa.Table.from_pylist([bill(n) for n in range(1, 10)])
    local = assert_equal(session, bills, pa.Table.from_pylist(receipts), buckets=16)
    counts = {name: total.count for name, total in local.summary.outcomes.items()}
    assert counts == {"MATCHED": 5, "DUPLICATE_RECORD": 3, "REVERSED": 1, "REVERSAL": 1, "KEY_MISSING": 1}
    assert local.findings["outcome"].to_pylist().count("KEY_REUSED") == 2


def test_optional_columns_may_be_missing(session):
    bills = pa.Table.from_pylist([bill(n) for n in range(1, 9)])
    receipts = pa.Table.from_pylist([paid(n) for n in (1, 1, 2, 3, 77)])
    assert_equal(session, bills, receipts, buckets=4)
    by_account = pa.table(
        {"virtual_account": ["0010000001", None], "amount": [5, 6], "paid_on": [date(2026, 5, 1)] * 2}
    )
    assert_equal(session, bills, by_account, buckets=4)


@pytest.mark.parametrize(("bill_count", "receipt_count"), [(0, 0), (0, 2), (3, 0)])
def test_tables_without_rows(session, bill_count, receipt_count):
    bills = pa.Table.from_pylist([bill(n) for n in range(1, 4)])[:bill_count]
    receipts = pa.Table.from_pylist([paid(n) for n in (1, 77)])[:receipt_count]
    assert_equal(session, bills, receipts, buckets=2, partitions=1)


def test_bills_that_one_bucket_rejects_are_rejected(session):
    bills = [bill(n) for n in range(1, 9)]
    bills += [{**bill(8), "case_key": "9"}, bill(10, amount=0), bill(11, covers=["O9"]), bill(12, confirmation=None)]
    bills = pa.Table.from_pylist([{"covers": None, **row} for row in bills])
    receipts = pa.Table.from_pylist([paid(n, source="a.csv", record_no=n) for n in (1, 2, 3)])
    result = reconcile_in_spark(frame(session, bills), frame(session, receipts), buckets=16)
    with pytest.raises(InvalidInputError) as caught:
        result.summary()
    assert sorted((issue.location.file, issue.field, issue.code) for issue in caught.value.issues) == [
        ("bill_id B10", "amount", "AMOUNT_RANGE"),
        ("bill_id B11", "covers", "OBLIGATION_UNKNOWN"),
        ("bill_id B12", "confirmation", "FIELD_MISSING"),
        ("bill_id B8", "bill_id", "BILL_REPEATED"),
    ]
    for rows in (result.outcomes, result.balances, result.exceptions):
        with pytest.raises(Exception, match="rejected: "):
            rows.count()
    result.unpersist()


def test_invalid_receipts_are_rejected(session):
    rows = [paid(1), paid(2, amount=-1), paid(3, case_key="3x"), paid(4, paid_time="9 o'clock")]
    receipts = pa.Table.from_pylist(
        [{"paid_time": None, **row, "source": "a", "record_no": n + 1} for n, row in enumerate(rows)]
    )
    result = reconcile_in_spark(frame(session, pa.Table.from_pylist([bill(1)])), frame(session, receipts), buckets=16)
    with pytest.raises(InvalidInputError) as caught:
        result.summary()
    assert sorted((issue.location.record, issue.field, issue.code) for issue in caught.value.issues) == [
        (2, "amount", "AMOUNT_RANGE"),
        (3, "case_key", "NOT_DIGITS"),
        (4, "paid_time", "FIELD_TYPE"),
    ]
    result.unpersist()


def test_invalid_columns_are_rejected_before_anything_is_computed(session):
    bills = frame(session, pa.Table.from_pylist([bill(1)]), 1)
    receipts = frame(session, pa.Table.from_pylist([paid(1)]), 1)
    in_floats = frame(session, pa.Table.from_pylist([bill(1, amount=1.5)]), 1)
    with pytest.raises(InvalidInputError, match="amount: FIELD_TYPE"):
        reconcile_in_spark(in_floats, receipts)
    with pytest.raises(InvalidInputError, match="paid_on: FIELD_MISSING"):
        reconcile_in_spark(bills, receipts.drop("paid_on"))


def test_the_issues_of_all_buckets_are_raised(session):
    bills = frame(session, pa.Table.from_pylist([bill(n, due_on="soon") for n in range(5)]))
    result = reconcile_in_spark(bills, frame(session, pa.Table.from_pylist([paid(1)])), buckets=5)
    with pytest.raises(InvalidInputError) as caught:
        result.summary()
    assert {(issue.field, issue.code) for issue in caught.value.issues} == {("due_on", "DATE_INVALID")}
    result.unpersist()


def test_the_keys_are_those_of_the_rule(session):
    bills, receipts = provinces.province(11, count=4)
    for table, rows in zip(cities.tables(bills, receipts), (bills, receipts), strict=True):
        rows_in_spark = frame(session, table, 1)
        found = rows_in_spark.selectExpr(
            *(f"{text} as {kind}" for kind, text in key_texts(rows_in_spark.columns).items())
        )
        expected = [dict.fromkeys(found.columns) | dict(reference.numbers_of(row)) for row in rows]
        assert found.toArrow().to_pylist() == expected


def test_the_stars_are_the_components_of_the_graph(session):
    rng = random.Random(7)
    names = list({rng.randrange(-(2**63), 2**63) for _ in range(900)})
    chain = list(pairwise(names[:150]))
    loose = [tuple(rng.sample(names[150:], 2)) for _ in range(500)]
    links = {(max(pair), min(pair)) for pair in chain + loose}

    edges = session.createDataFrame(pa.table({"slip": [a for a, _ in links], "root": [b for _, b in links]}))
    found = {row.slip: row.root for row in to_stars(edges, 3).collect()}

    root = {name: name for pair in links for name in pair}
    neighbours = defaultdict(set)
    for one, other in links:
        neighbours[one].add(other)
        neighbours[other].add(one)
    for start in sorted(root):
        waiting = [start] if root[start] == start else []
        while waiting:
            near = [name for name in neighbours[waiting.pop()] if root[name] > start]
            root.update(dict.fromkeys(near, start))
            waiting += near
    assert found == {name: of_name for name, of_name in root.items() if of_name != name}


def test_a_lost_receipt_breaks_t4():
    local = reconcile(pa.Table.from_pylist([bill(1)]), pa.Table.from_pylist([paid(1), paid(1)]))
    summary = local.summary.as_dict()
    assert add_summaries(summary, [summary], 20_000, Policy()) == local.summary
    assert add_summaries(summary, [summary], 30_000, Policy()).controls["T4"].holds is False


def test_buckets_whose_differences_cancel_break_the_control():
    summaries = []
    for payee, difference in (("88888", 500), ("99999", -500)):
        slips, receipts = ([{**row, "payee_code": payee} for row in rows] for rows in ([bill(1)], [paid(1)]))
        summary = reconcile(pa.Table.from_pylist(slips), pa.Table.from_pylist(receipts)).summary.as_dict()
        control = summary["controls"]["T5"]
        summary["controls"]["T5"] = {**control, "left": control["left"] + difference, "broken": [payee]}
        summaries.append(summary)
    added = add_summaries(summaries[0], summaries, 20_000, Policy())
    control = added.controls["T5"]
    assert (control.left, control.right, control.holds, control.broken) == (0, 0, False, ("88888", "99999"))
    assert {payee: totals.amount for payee, totals in added.payees.items()} == {"88888": 10_000, "99999": 10_000}
    assert added.controls["T4"].holds is True


def test_two_authorities_are_reconciled_as_on_one_machine(session):
    of_payees = [
        cities.tables(*(authorities.move(payee, rows) for rows in provinces.province(seed, count=5)))
        for seed, payee in enumerate(authorities.PAYEES)
    ]
    bills, receipts = (pa.concat_tables(tables) for tables in zip(*of_payees, strict=True))
    local = assert_equal(session, bills, receipts, buckets=4)
    assert set(authorities.PAYEES) <= set(local.summary.payees)


def test_every_shuffle_has_the_partitions_of_the_buckets(session):
    """The setting of the session, 200 by default, would cut few rows into many parts."""
    bills, receipts = cities.tables(*provinces.province(4, count=2))
    result = reconcile_in_spark(frame(session, bills, 1), frame(session, receipts, 1), buckets=7)
    plan = result._results._jdf.queryExecution().executedPlan().toString()
    of_shuffles = re.findall(r"hashpartitioning\(([^)]*), (\d+)\)", plan)
    assert {columns.partition("#")[0] for columns, _ in of_shuffles} >= {"slip", "token", "bucket"}
    assert {count for _, count in of_shuffles} == {"7"}
    result.unpersist()


def test_a_bucket_that_exceeds_the_memory_is_named_in_one_sentence(session, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("kokin.spark._reconcile.reconcile_bucket", fail)
    bills, receipts = (pa.Table.from_pylist([row(n) for n in range(1, 4)]) for row in (bill, paid))
    result = reconcile_in_spark(frame(session, bills), frame(session, receipts), buckets=1)
    with pytest.raises(BucketMemoryError) as caught:
        result.summary()
    assert str(caught.value) == (
        "a bucket with 3 bills and 3 receipts does not fit into the memory of a Python worker; pass a larger number of "
        "`buckets=`, or raise spark.executor.memoryOverhead, and spark.executor.pyspark.memory if it is set"
    )
    with pytest.raises(Exception, match="a bucket with 3 bills and 3 receipts"):
        result.outcomes.count()
    result.unpersist()


def test_a_worker_whose_memory_ends_while_it_receives_the_rows():
    text = "Traceback (most recent call last):\n  File serializers.py\npyarrow.lib.ArrowMemoryError: malloc of size 64"
    assert str(_memory_error(text)).startswith("a bucket does not fit into the memory of a Python worker; pass")


def test_few_rows_are_faster_on_one_machine(caplog):
    with caplog.at_level("WARNING", "kokin.spark"):
        assert _count_buckets(9_999_999) == 10
        assert "9,999,999 bills and receipts" in caplog.text
        caplog.clear()
        assert _count_buckets(10_000_000) == 11
    assert caplog.text == ""


def test_a_time_of_day_is_converted_and_back(session):
    """Pairs of 速報 and 確報 have the same time; as text, and as the type of Spark 4.1."""
    kinds = [("provisional", time(9, 30)), ("final", time(9, 30)), ("provisional", time(9, 30, 1))]
    rows = [
        paid(1, kind=kind, paid_time=when, source="a", digest="d", record_no=n)
        for n, (kind, when) in enumerate(kinds, 1)
    ]
    receipts = pa.Table.from_pylist(rows)
    receipts = receipts.set_column(
        receipts.column_names.index("paid_time"), "paid_time", receipts["paid_time"].cast(pa.time32("s"))
    )
    bills = pa.Table.from_pylist([bill(1)])
    local = assert_equal(session, bills, receipts, buckets=2)
    assert local.outcomes["outcome"].to_pylist() == ["SUPERSEDED", "MATCHED", "PROVISIONAL"]
    try:
        as_times = session.createDataFrame(
            receipts.set_column(
                receipts.column_names.index("paid_time"), "paid_time", receipts["paid_time"].cast(pa.time64("us"))
            )
        )
    except TypeError:
        pytest.skip("this version of Spark has no type for a time of day")
    result = reconcile_in_spark(frame(session, bills), as_times, buckets=2)
    assert result.summary() == local.summary
    result.unpersist()


def test_receipt_files_are_read_as_on_one_machine(session, tmp_path):
    """One that is accepted, one with a rejected record, one that is rejected, and one that is missing."""
    sample = tmp_path / "sample.csv"
    receipt_files.generate_sample(sample, "dsk-csv", 40, seed=3)
    content = sample.read_bytes()
    cut, invalid = tmp_path / "cut.csv", tmp_path / "invalid.csv"
    cut.write_bytes(content[:-3])
    invalid.write_bytes(_with_invalid_record(content))
    missing = tmp_path / "missing.csv"
    found = read_receipts(session, [sample, cut, invalid, missing], "dsk-csv")
    files = {row["source"]: row for row in found.files.toArrow().to_pylist()}
    states = {name: (row["state"], row["read"], row["accepted"], row["rejected"]) for name, row in files.items()}
    assert states == {
        "sample.csv": ("accepted", 40, 40, 0),
        "cut.csv": ("rejected", files["cut.csv"]["read"], files["cut.csv"]["accepted"], files["cut.csv"]["rejected"]),
        "invalid.csv": ("accepted", 40, 39, 1),
        "missing.csv": ("unreadable", 0, 0, 0),
    }
    assert files["missing.csv"]["error"] == "No such file or directory"
    assert found.receipts.rdd.getNumPartitions() == 4

    local = [receipt_files.read(path, "dsk-csv", on_error="skip") for path in (sample, invalid)]
    expected = pa.concat_tables([each.table for each in local], promote_options="permissive")
    expected = provinces.with_text_times(expected)
    rows = found.receipts.toArrow().to_pylist()
    names = expected.column_names
    assert in_any_order([{name: row[name] for name in names} for row in rows]) == in_any_order(expected.to_pylist())
    assert all(value is None for row in rows for name, value in row.items() if name not in names)

    issues = from_table(found.issues.toArrow())
    rejected = receipt_files.check(cut, "dsk-csv")
    assert in_any_order(issues) == in_any_order([*rejected.issues, *local[0].issues, *local[1].issues])
    found.unpersist()


def _with_invalid_record(content):
    """The content of a CSV with a letter in the amount of a record in the middle."""
    lines = content.split(b"\r\n")
    fields = lines[len(lines) // 2].split(b",")
    longest = max(range(len(fields)), key=lambda at: len(fields[at]))
    fields[longest] = fields[longest][:-2] + b"X" + fields[longest][-1:]
    lines[len(lines) // 2] = b",".join(fields)
    return b"\r\n".join(lines)


def test_files_are_reconciled_straight_from_their_layout(session, tmp_path):
    bills = pa.Table.from_pylist([bill(n) for n in range(1, 6)])
    tables = []
    for day in (1, 2):
        path = tmp_path / f"day-{day}.csv"
        lines = [f"99999,127,{n},123456,10000,2026-05-0{day},09:3{n}:00" for n in range(day, 6)]
        header = "payee_code,item_code,case_key,confirmation,amount,paid_on,paid_time"
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        tables.append(receipt_files.read(path, "kokin-csv").table)
    files = read_receipts(session, sorted(tmp_path.iterdir()), "kokin-csv")
    result = reconcile_in_spark(frame(session, bills), files.receipts, buckets=3)
    local = reconcile(bills, tables)
    assert result.summary() == local.summary
    assert local.summary.outcomes["MATCHED"].count == 5
    result.unpersist()
    files.unpersist()


def test_no_file_is_no_receipt(session):
    found = read_receipts(session, [], "kokin-csv")
    assert (found.receipts.count(), found.files.count(), found.issues.count()) == (0, 0, 0)


def test_the_guide_runs(session, tmp_path):
    bills, receipts = cities.tables(*provinces.province(4, count=3))
    frame(session, bills).write.parquet(f"{tmp_path}/bills.parquet")
    frame(session, receipts).write.parquet(f"{tmp_path}/receipts.parquet")
    guide = Path(__file__).parents[2] / "docs" / "guides" / "reconcile-a-nation.md"
    code = guide.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    # Java has a working directory of its own.
    exec(code.replace('parquet("', f'parquet("{tmp_path}/'), {"session": session})
    local = reconcile(bills, receipts)
    for name in ("outcomes", "balances"):
        assert session.read.parquet(f"{tmp_path}/{name}").count() == len(getattr(local, name))
