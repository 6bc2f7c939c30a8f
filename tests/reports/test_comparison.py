"""A parallel run: every row and yen of both files is in one result, and what differs is grouped by cause."""

import csv
import json
import random
import re
from collections import Counter
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kokin.issues import InvalidInputError
from kokin.reports import ComparisonMap, compare, write_comparison
from tests.support import examples

AT = datetime(2026, 4, 1, 0, 30, tzinfo=UTC)
MAP = {
    "columns": {"bill_id": "通知書番号", "paid": "収納済額", "residual": "未納額", "status": "消込区分"},
    "values": {"status": {"1": "settled", "2": "partial", "0": "expected"}},
    "digits": {"bill_id": 4},
}


def balances(*rows):
    names = ("bill_id", "paid", "residual", "status")
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])


NEW = balances(
    ("0001", 1_000, 0, "settled"),
    ("0002", 1_500, 500, "partial"),
    ("0003", 0, 3_000, "expected"),
    ("0005", 0, 5_000, "expected"),
)
OLD_CSV = """\
通知書番号,収納済額,未納額,消込区分,備考
1,"1,000",0,1,x
2,2000,,1,
3,,3000,0,
4,400,0,1,
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "old.csv").write_bytes(OLD_CSV.encode("cp932"))
    pq.write_table(NEW, tmp_path / "balances.parquet")
    return tmp_path / "old.csv", tmp_path / "balances.parquet"


def test_columns_and_values_of_the_old_system_are_mapped(files):
    found = compare(*files, ComparisonMap(**MAP))
    assert {name.value: tuple(total.values()) for name, total in found.totals.items()} == {
        "same": (2, 2, 1_000, 1_000),
        "different": (1, 1, 2_000, 1_500),
        "only_old": (1, 0, 400, 0),
        "only_new": (0, 1, 0, 0),
    }
    assert [(cause.result, cause.text, cause.rows, cause.new_yen - cause.old_yen) for cause in found.causes] == [
        ("different", "paid less; residual more; status settled -> partial", 1, -500),
        ("only_old", "status settled", 1, -400),
        ("only_new", "status expected", 1, 0),
    ]
    assert found.differences.to_pylist()[0] == {
        "result": "different",
        "cause": "paid less; residual more; status settled -> partial",
        "bill_id": "0002",
        "paid_old": 2_000,
        "paid_new": 1_500,
        "residual_old": 0,
        "residual_new": 500,
        "status_old": "settled",
        "status_new": "partial",
    }
    assert all(control.holds for control in found.controls.values())


def test_equal_tables_have_no_difference(tmp_path):
    found = compare(NEW, NEW)
    assert found.is_same
    assert (found.causes, len(found.differences)) == ([], 0)
    empty = compare(NEW.slice(0, 0), NEW.slice(0, 0))
    assert (empty.is_same, empty.old.rows) == (True, 0)
    write_comparison(empty, tmp_path / "out", at=AT)
    header = (tmp_path / "out" / "differences.csv").read_text(encoding="utf-8-sig")
    assert header == "result,cause,bill_id,paid_old,paid_new,residual_old,residual_new,status_old,status_new\n"


def test_receipts_are_compared_by_file_and_number():
    names = ("source", "record_no", "bill_id", "amount", "outcome")
    rows = [("may.csv", 1, "B1", 100, "MATCHED"), ("may.csv", 2, "B2", 50, "UNDERPAID")]
    old, new = (
        pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in side])
        for side in (rows, [rows[0], ("may.csv", 2, "B3", 50, "MATCHED")])
    )
    found = compare(old, new, ComparisonMap(per="receipt"))
    assert [cause.text for cause in found.causes] == ["bill_id; outcome UNDERPAID -> MATCHED"]
    assert (found.old.yen, found.new.yen) == (150, 150)


@pytest.mark.parametrize("seed", range(examples(120)))
def test_no_row_and_no_yen_is_lost(seed):
    """For any two tables, also with duplicate keys; against a comparison row by row."""
    draw = random.Random(seed)

    def table():
        rows = [
            (str(draw.randrange(6)), draw.randrange(-2, 3), draw.randrange(2), draw.choice(["open", "settled", ""]))
            for _ in range(draw.randrange(12))
        ]
        return rows, balances(*rows) if rows else balances(("1", 0, 0, "open")).slice(0, 0)

    (old_rows, old), (new_rows, new) = table(), table()
    found = compare(old, new)
    for name, rows in (("old", old_rows), ("new", new_rows)):
        assert sum(total[f"{name}_rows"] for total in found.totals.values()) == len(rows)
        assert sum(total[f"{name}_yen"] for total in found.totals.values()) == sum(row[1] for row in rows)
    assert all(control.holds for control in found.controls.values())
    # Row by row: equal rows first, then the others of a key.
    same = Counter(old_rows) & Counter(new_rows)
    left, right = (Counter(row[0] for row in (Counter(rows) - same).elements()) for rows in (old_rows, new_rows))
    expected = {
        "same": same.total(),
        "different": (left & right).total(),
        "only_old": (left - right).total(),
        "only_new": (right - left).total(),
    }
    counted = {name.value: max(total["old_rows"], total["new_rows"]) for name, total in found.totals.items()}
    assert counted == expected
    # The causes and the list have the same rows and yen as the totals.
    listed = Counter(found.differences.column("result").to_pylist())
    for result, total in found.totals.items():
        causes = [cause for cause in found.causes if cause.result == result]
        if result != "same":
            assert listed[result] == sum(cause.rows for cause in causes) == expected[result]
            assert sum(cause.old_yen for cause in causes) == total["old_yen"]
            assert sum(cause.new_yen for cause in causes) == total["new_yen"]
    for row in found.differences.to_pylist():
        pairs = [(row[f"{name}_old"], row[f"{name}_new"]) for name in ("paid", "residual", "status")]
        assert row["result"] != "different" or any(one != other for one, other in pairs)
    # A column with very many values names no value.
    assert compare(new, old).totals["same"] == compare(old, new).totals["same"]


def test_many_values_of_a_column_name_no_cause():
    old = balances(*((str(n), 1, 0, f"code {n}") for n in range(100)))
    new = balances(*((str(n), 1, 0, "settled") for n in range(100)))
    (cause,) = compare(old, new).causes
    assert (cause.text, cause.rows) == ("status", 100)


@pytest.mark.parametrize(
    ("old", "codes"),
    [
        ("bill_id,paid,residual\nB1,1,2\n", [("FIELD_MISSING", "status", None)]),
        ("bill_id,paid,paid,residual,status\nB1,1,1,2,x\n", [("COLUMN_TWICE", "paid", None)]),
        ("bill_id,paid,residual,status\nB1,1,2,x\nB2,1.5,2,x\n", [("NOT_DIGITS", "paid", 2)]),
        ("bill_id,paid,residual,status\nB1,123456789012,2,x\n", [("NOT_DIGITS", "paid", 1)]),
        ("bill_id,paid,residual,status\nB1,2\n", [("COLUMNS_COUNT", "", 1)]),
        ("", [("FILE_EMPTY", "", None)]),
    ],
)
def test_a_file_that_cannot_be_compared(tmp_path, old, codes):
    (tmp_path / "old.csv").write_text(old, encoding="utf-8")
    with pytest.raises(InvalidInputError) as error:
        compare(tmp_path / "old.csv", NEW)
    assert [(issue.code, issue.field, issue.location.record) for issue in error.value.issues] == codes


def test_the_map_is_checked(tmp_path):
    (tmp_path / "map.toml").write_text('key = ["bill_id"]\ncolums = {}\n', encoding="utf-8")
    with pytest.raises(InvalidInputError) as error:
        ComparisonMap.load(tmp_path / "map.toml")
    assert [(issue.field, issue.location.file) for issue in error.value.issues] == [("colums", "map.toml")]


@pytest.mark.parametrize(
    ("language", "words"), [("ja", ("納付済額", "完納 → 一部納付")), ("en", ("Kokin", "→ Partly paid"))]
)
def test_the_page_names_files_yen_causes_and_signers(files, tmp_path, language, words):
    found = compare(*files, ComparisonMap(**MAP))
    write_comparison(found, tmp_path / "out", at=AT, language=language)
    page = (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    for text in (*words, found.old.digest, found.new.digest, "old.csv", "balances.parquet", "2026-04-01 09:30 JST"):
        assert text in page
    assert page.count('class="signatures"') == 1
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    with (tmp_path / "out" / "differences.csv").open(encoding="utf-8-sig") as file:
        assert [row["bill_id"] for row in csv.DictReader(file)] == ["0002", "0004", "0005"]
    summary = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    assert (summary["old"]["yen"], summary["at"]) == (3_400, "2026-04-01T09:30:00+09:00")
    write_comparison(found, tmp_path / "again", at=AT, language=language)
    for name in ("comparison.html", "comparison.json", "differences.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
