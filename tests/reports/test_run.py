"""The files of a run: complete, reproducible, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from kokin.issues import InvalidInputError, Issue, to_table
from kokin.reconcile import build_accounts, reconcile
from kokin.reports import RUN_TABLES, FileSummary, Report, write_csv

SUMMARY = FileSummary("day.csv", "kokin-csv", "ab" * 32, read=4, accepted=3, unpaid=0, rejected=1, amount=29_500)


def write(out: Path) -> None:
    """Write the worked example: three bills of 10,000 yen, of which one is paid twice and one in part."""
    slip = {"payee_code": "99999", "item_code": "127", "confirmation": "123456"}
    bills = [
        {"bill_id": f"=B{n}", "case_key": str(n), "amount": 10_000, "due_on": date(2026, 6, 1), **slip}
        for n in (1, 2, 3)
    ]
    receipts = [
        {"source": "<day>.csv", "record_no": n, "case_key": key, "amount": yen, "paid_on": date(2026, 5, n), **slip}
        for n, key, yen in ((1, "1", 10_000), (2, "1", 10_000), (3, "2", 9_500))
    ]
    result = reconcile(pa.Table.from_pylist(bills), pa.Table.from_pylist(receipts))
    issues = to_table([Issue("NOT_DIGITS", field="amount", found="<b>")])
    report = Report.from_run(result, build_accounts(result), files=[SUMMARY], issues=issues)
    report.write(out, tables=RUN_TABLES, formats=["csv", "html"], encoding="utf-8")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_is_written_completely(tmp_path: Path) -> None:
    write(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("outcomes.csv", "allocations.csv", "balances.csv", "exceptions.csv", "issues.csv"),
        *("summary.json", "report.html"),
    }
    outcomes = rows(tmp_path / "out" / "outcomes.csv")
    columns = (
        "source,record_no,outcome,disposition,bill_id,payee_code,item_code,case_key,"
        "amount,applied,excess,balance_before"
    )
    assert ",".join(outcomes[0]) == columns
    assert [row["outcome"] for row in outcomes] == ["MATCHED", "DUPLICATE_PAYMENT", "UNDERPAID"]
    allocations = rows(tmp_path / "out" / "allocations.csv")
    assert (
        ",".join(allocations[0]) == "source,record_no,bill_id,payee_code,charge,account,fiscal_year,year_class,applied"
    )
    assert [(row["record_no"], row["bill_id"], row["applied"]) for row in allocations] == [
        ("1", "'=B1", "10000"),
        ("3", "'=B2", "9500"),
    ]
    balances = rows(tmp_path / "out" / "balances.csv")
    assert ",".join(balances[0]) == "bill_id,payee_code,amount,paid,residual,status"
    assert [row["residual"] for row in balances] == ["0", "500", "10000"]
    exceptions = rows(tmp_path / "out" / "exceptions.csv")
    assert [(row["field"], row["expected"], row["found"]) for row in exceptions] == [
        ("amount", "0", "10000"),
        ("amount", "10000", "9500"),
    ]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["files"][0]["rejected"] == 1
    assert summary["controls"]["T4"]["holds"] is True


def test_text_that_looks_like_a_formula_is_escaped(tmp_path: Path) -> None:
    write(tmp_path / "out")
    assert [row["bill_id"] for row in rows(tmp_path / "out" / "balances.csv")] == ["'=B1", "'=B2", "'=B3"]
    table = pa.table({"text": ["=1+1", "+81", "-1", "@x", "ok", None], "yen": [-1, 2, 3, 4, 5, 6]})
    write_csv(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "text,yen\n'=1+1,-1\n'+81,2\n'-1,3\n'@x,4\nok,5\n,6\n"


def test_values_with_commas_are_read_back(tmp_path: Path) -> None:
    texts = ["a,b", 'say "yes"', "two\nlines", "plain"]
    write_csv(pa.table({"text": texts}), tmp_path / "t.csv")
    assert [row["text"] for row in rows(tmp_path / "t.csv")] == texts


def test_a_second_run_replaces_the_first_and_leaves_other_files(tmp_path: Path) -> None:
    write(tmp_path / "out")
    (tmp_path / "out" / "note.txt").write_text("a note")
    first = (tmp_path / "out" / "report.html").read_bytes()
    write(tmp_path / "out")
    assert (tmp_path / "out" / "report.html").read_bytes() == first
    assert (tmp_path / "out" / "note.txt").read_text() == "a note"


def test_a_failure_leaves_no_incomplete_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("kokin.reports._report.write_csv", fail)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_counts_of_a_file_that_do_not_add_up_raise() -> None:
    with pytest.raises(InvalidInputError, match="read differs from accepted"):
        FileSummary("a", "b", "", read=3, accepted=1, unpaid=0, rejected=1, amount=0)
