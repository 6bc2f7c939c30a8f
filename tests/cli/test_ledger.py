"""``kokin ledger`` and ``kokin report`` in a batch job: exit codes, what is posted, and what is not."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from kokin import receipts, reports
from kokin.cli._options import ledger_url, remove_passwords
from kokin.demo import write_city
from kokin.ledger import EntryKind, Ledger
from kokin.ledger._schema import SCHEMA_VERSION
from tests.cli.conftest import tamper

Kokin = Callable[..., Any]
COMMAND = (sys.executable, "-c", "from kokin.cli import main; main()")
HEADER = "payee_code,item_code,case_key,confirmation,amount,paid_on\n"
BILLS = """\
bill_id,payee_code,item_code,case_key,confirmation,amount,due_on
B1,99999,127,1,000001,1000,2026-06-30
B2,99999,127,2,000002,2000,2026-06-30
"""
URL = "sqlite:///city.db"
JAPAN = timezone(timedelta(hours=9))


def receipt_file(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "".join(f"99999,127,{row}\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def city(kokin: Kokin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with two bills, one of them paid; created once, copied for each test."""
    folder = tmp_path_factory.mktemp("city")
    (folder / "bills.csv").write_text(BILLS, encoding="utf-8")
    assert kokin("ledger", "create", "-L", URL, cwd=folder).returncode == 0
    assert kokin("ledger", "add-bills", "-L", URL, "bills.csv", cwd=folder).returncode == 0
    receipt_file(folder / "monday.csv", "1,000001,1000,2026-06-01")
    assert kokin("ledger", "post", "-L", URL, "monday.csv", "-l", "kokin-csv", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def folder(city: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(city, tmp_path / "here"))


def in_a_minute() -> datetime:
    """A whole minute that is after the entries of a test and not yet in the future of the ledger's clock."""
    return (datetime.now(UTC) + timedelta(minutes=1)).replace(second=0, microsecond=0)


def residuals(folder: Path) -> dict[str, int]:
    with Ledger.open(f"sqlite:///{folder}/city.db") as ledger:
        return {row["bill_id"]: row["residual"] for row in ledger.balances().to_pylist()}


def listed(kokin: Kokin, folder: Path, name: str, *options: object) -> list[dict[str, str]]:
    """Return the rows of a list as CSV; as JSON there are as many."""
    command = ("ledger", "list", name, "-L", "city.db", *options, "--format")
    rows = list(csv.DictReader(kokin(*command, "csv", cwd=folder).stdout.splitlines()))
    assert len(json.loads(kokin(*command, "json", cwd=folder).stdout)) == len(rows)
    return rows


def test_create_reports_an_existing_ledger(kokin: Kokin, folder: Path) -> None:
    again = kokin("ledger", "create", "-L", URL, cwd=folder)
    assert (again.returncode, again.stderr) == (0, "")
    assert "already" in again.stdout
    new = kokin("ledger", "create", "-L", "new.db", "--at", "2026-04-01T09:00", cwd=folder)
    assert "already" not in new.stdout
    with Ledger.open(folder / "new.db") as ledger:
        assert ledger.entries()[0].at == datetime(2026, 4, 1, 9, tzinfo=JAPAN)
    late = kokin("ledger", "create", "-L", "late.db", "--at", "2999-04-01T09:00", cwd=folder)
    assert late.returncode == 3
    assert "created" in kokin("ledger", "create", "-L", "late.db", cwd=folder).stdout


def test_post_names_the_files_whose_payments_a_file_repeats(kokin: Kokin, folder: Path) -> None:
    again = receipt_file(folder / "again.csv", "1,000001,1000,2026-06-01")
    again.write_bytes(again.read_bytes().replace(b"\n", b"\r\n"))
    receipt_file(folder / "more.csv", "1,000001,1000,2026-06-01", "2,000002,2000,2026-06-02")
    result = kokin("ledger", "post", "-L", URL, "again.csv", "-l", "kokin-csv", cwd=folder)
    assert result.returncode == 1
    assert "again.csv, records: FILE_OVERLAPS" in result.stderr
    assert "1 of 1 in monday.csv (entry 3)" in result.stderr
    result = kokin("ledger", "post", "-L", URL, "again.csv", "-l", "kokin-csv", cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    result = kokin("ledger", "post", "-L", URL, "more.csv", "-l", "kokin-csv", "--format", "json", cwd=folder)
    (data,) = json.loads(result.stdout)
    assert [(row["entry"], row["source"], row["repeated"], row["records"]) for row in data["overlaps"]] == [
        (3, "monday.csv", 1, 2),
        (4, "again.csv", 1, 2),
    ]
    assert [issue["code"] for issue in data["issues"]] == ["FILE_OVERLAPS"] * 2
    assert residuals(folder) == {"B1": 0, "B2": 0}
    assert kokin("report", "-L", URL, "--out", "report", cwd=folder).returncode == 1
    exceptions = (folder / "report" / "exceptions.csv").read_text(encoding="utf-8-sig")
    assert exceptions.count("FILE_OVERLAPS") == 2


def test_post_reports_each_file_and_no_file_stops_the_others(kokin: Kokin, folder: Path) -> None:
    receipt_file(folder / "good.csv", "2,000002,1500,2026-06-02")
    receipt_file(folder / "broken.csv", "1,000001,1000")
    receipt_file(folder / "last.csv", "2,000002,500,2026-06-03")
    shutil.copy(folder / "monday.csv", folder / "monday-again.csv")
    files = ("monday-again.csv", "good.csv", "broken.csv", "missing.csv", ".", "last.csv")
    at = in_a_minute()
    when = f"{at.astimezone(JAPAN):%Y-%m-%dT%H:%M}"
    result = kokin("ledger", "post", "-L", URL, *files, "-l", "kokin-csv", "--format", "json", "--at", when, cwd=folder)
    data = json.loads(result.stdout)
    states = ["already posted", "posted", "posted", "unreadable", "unreadable", "posted"]
    assert [each["state"] for each in data] == states
    assert [each.get("entry") for each in data] == [3, 4, 5, None, None, 6]
    assert data[1]["outcomes"] == {"UNDERPAID": {"count": 1, "amount": 1500}}
    assert data[2]["totals"]["rejected"] == 1
    assert len(data[2]["issues"]) == 1
    assert data[5]["outcomes"] == {"MATCHED": {"count": 1, "amount": 500}}
    assert result.returncode == 4  # the highest: some could not be read
    assert residuals(folder) == {"B1": 0, "B2": 0}
    with Ledger.open(f"sqlite:///{folder}/city.db") as ledger:
        last = ledger.entries()[-1]
    assert (last.actor, last.at) == ("tester", at)


@pytest.mark.parametrize(("at", "code"), [("9999-12-31T23:59", 3), ("2001-01-01T00:00", 3), ("0001-01-01T00:00", 2)])
def test_a_time_that_no_entry_can_have(kokin: Kokin, folder: Path, at: str, code: int) -> None:
    before = (folder / "city.db").read_bytes()
    result = kokin("ledger", "add-bills", "-L", URL, "bills.csv", "--at", at, cwd=folder)
    assert (result.returncode, "Traceback" in result.stderr) == (code, False)
    assert ("LEDGER_TIME" in result.stderr) == (code == 3)
    assert (folder / "city.db").read_bytes() == before


def test_invalid_numbers_and_hashes(kokin: Kokin, folder: Path) -> None:
    for option in ("--entry", "--posting"):
        for number in ("0", "99", str(2**63), str(10**30)):
            result = kokin("ledger", "reverse", "-L", URL, option, number, "--reason", "wrong", cwd=folder)
            assert (result.returncode, "ENTRY_UNKNOWN" in result.stderr) == (3, True)
    for digits in ("zz", "0" * 63):
        result = kokin("ledger", "verify", "-L", URL, "--expected-hash", digits, cwd=folder)
        assert (result.returncode, "Traceback" in result.stderr) == (2, False)


def test_a_typo_in_the_address_creates_nothing(kokin: Kokin, folder: Path) -> None:
    files = sorted(path.name for path in folder.iterdir())
    for command in (["add-bills", "-L", "typo.db", "bills.csv"], ["status", "-L", "sqlite:///typo.db"]):
        result = kokin("ledger", *command, cwd=folder)
        assert (result.returncode, "typo.db" in result.stderr) == (4, True)
    assert sorted(path.name for path in folder.iterdir()) == files


def test_verify_names_a_first_entry_that_is_changed(kokin: Kokin, folder: Path) -> None:
    tamper(folder / "city.db", "UPDATE seals SET totals = '{}' WHERE entry_id = 1")
    result = kokin("ledger", "verify", "-L", URL, "--format", "json", cwd=folder)
    assert result.returncode == 5
    assert [(each["file"], each["record"]) for each in json.loads(result.stdout)["issues"]] == [("entries", 1)]
    for command in (["ledger", "status"], ["ledger", "add-bills", "bills.csv"], ["report", "--out", "out"]):
        result = kokin(*command, "-L", URL, cwd=folder, kokin_lang="ja")
        assert (result.returncode, "LEDGER_ROW_CHANGED" in result.stderr) == (5, True)
        assert "バックアップ" in result.stderr


def test_nothing_is_posted_with_an_incomplete_match_index(kokin: Kokin, folder: Path) -> None:
    receipt_file(folder / "tuesday.csv", "1,000001,1000,2026-06-02")
    tamper(folder / "city.db", "DELETE FROM match_keys WHERE kind = 2")
    for command in (["post", "tuesday.csv", "-l", "kokin-csv"], ["verify"]):
        result = kokin("ledger", *command, "-L", URL, cwd=folder)
        assert (result.returncode, "LEDGER_KEYS" in result.stderr) == (5, True)
    with Ledger.open(f"sqlite:///{folder}/city.db") as ledger:
        assert len(ledger.entries()) == 3


def test_a_rejected_file_is_recorded_and_does_not_stop_the_others(kokin: Kokin, folder: Path) -> None:
    receipt_file(folder / "good.csv", "2,000002,2000,2026-06-02")
    (folder / "rejected.csv").write_text("nothing,of,this\n1,2,3\n", encoding="utf-8")
    result = kokin("ledger", "post", "-L", URL, "rejected.csv", "good.csv", "-l", "kokin-csv", cwd=folder)
    assert result.returncode == 3
    assert "rejected.csv: rejected" in result.stderr
    assert residuals(folder) == {"B1": 0, "B2": 0}
    kinds = [row["kind"] for row in listed(kokin, folder, "entries")]
    assert kinds == ["created", "bills", "receipt_file", "rejected_file", "receipt_file"]
    # The same rejection adds no second entry.
    before = (folder / "city.db").read_bytes()
    assert kokin("ledger", "post", "-L", URL, "rejected.csv", "-l", "kokin-csv", cwd=folder).returncode == 3
    assert kokin("ledger", "post", "-L", URL, "good.csv", "-l", "no-such-layout", cwd=folder).returncode == 3
    assert (folder / "city.db").read_bytes() == before


def test_a_rejected_file_of_deposits_is_recorded(kokin: Kokin, folder: Path) -> None:
    receipts.write([{"received_on": date(2026, 6, 9), "amount": 1_999}], folder / "bank.dat", "zengin-01")
    whole = (folder / "bank.dat").read_bytes()
    (folder / "bank.dat").write_bytes(whole.replace(b"1999", b"1998", 1))
    command = ("ledger", "add-deposits", "-L", URL, "bank.dat", "--reference-date", "2026-06-30")
    assert kokin(*command, "--reason", "June", cwd=folder).returncode == 3
    assert kokin(*command, "--reason", "June", cwd=folder).returncode == 3
    *_, entry = listed(kokin, folder, "entries")
    assert (entry["id"], entry["kind"], entry["source"], entry["reason"]) == ("4", "rejected_file", "bank.dat", "June")
    assert {(row["entry_id"], row["file"], row["code"]) for row in listed(kokin, folder, "issues")} == {
        ("4", "bank.dat", "TOTAL_MISMATCH")
    }
    # The file arrives whole; reversing the entry settles the matter.
    (folder / "bank.dat").write_bytes(whole)
    assert kokin(*command, cwd=folder).returncode == 0
    assert kokin("ledger", "reverse", "-L", URL, "--entry", 4, "--reason", "sent again", cwd=folder).returncode == 0
    assert listed(kokin, folder, "issues") == []


def test_issues_are_listed_until_the_file_is_reversed(kokin: Kokin, folder: Path) -> None:
    receipt_file(folder / "tuesday.csv", "2,000002,2000,2026-06-02", "2,000002,x,2026-06-02")
    assert kokin("ledger", "post", "-L", URL, "tuesday.csv", "-l", "kokin-csv", cwd=folder).returncode == 1
    (row,) = listed(kokin, folder, "issues")
    assert (row["entry_id"], row["file"], row["record"], row["field"]) == ("4", "tuesday.csv", "2", "amount")
    for language, heading in (("en", "entry"), ("ja", "記帳番号")):
        result = kokin("ledger", "list", "issues", "-L", URL, cwd=folder, kokin_lang=language)
        assert (result.returncode, result.stderr) == (0, "")
        assert heading in result.stdout
        assert row["code"] in result.stdout
    assert listed(kokin, folder, "issues", "--as-of", "2020-01-01") == []
    assert kokin("ledger", "reverse", "-L", URL, "--entry", 4, "--reason", "x", cwd=folder).returncode == 0
    assert listed(kokin, folder, "issues") == []


@pytest.mark.parametrize(
    ("rows", "code"),
    [(["2,000002,2000,2026-06-02"], 0), (["2,000002,2000,2026-06-02", "9,000009,1,2026-06-02"], 1)],
)
def test_exceptions_set_the_exit_code(kokin: Kokin, folder: Path, rows: list[str], code: int) -> None:
    receipt_file(folder / "tuesday.csv", *rows)
    assert kokin("ledger", "post", "-L", URL, "tuesday.csv", "-l", "kokin-csv", cwd=folder).returncode == code
    # A file that is already posted is no exception.
    again = kokin("ledger", "post", "-L", URL, "tuesday.csv", "-l", "kokin-csv", cwd=folder)
    assert (again.returncode, "already posted" in again.stdout) == (0, True)


def test_bills_change_and_a_file_with_an_invalid_bill_is_rejected(kokin: Kokin, folder: Path) -> None:
    assert kokin("ledger", "add-bills", "-L", URL, "bills.csv", cwd=folder).returncode == 0
    (folder / "bills.csv").write_text(BILLS.replace(",1000,", ",1200,"), encoding="utf-8")
    result = kokin(
        "ledger", "add-bills", "-L", URL, "bills.csv", "--reason", "corrected", "--format", "json", cwd=folder
    )
    assert result.returncode == 0
    (data,) = json.loads(result.stdout)
    assert (data["totals"], data["rematched"]) == ({"given": 2, "new": 0, "changed": 1, "unchanged": 1}, 1)
    assert residuals(folder)["B1"] == 200
    (folder / "bills.csv").write_text(BILLS.replace(",2000,", ",2oo0,"), encoding="utf-8")
    result = kokin("ledger", "add-bills", "-L", URL, "bills.csv", cwd=folder)
    assert result.returncode == 3
    assert "NOT_DIGITS" in result.stderr
    assert residuals(folder)["B1"] == 200


def test_a_reversal_is_reversed(kokin: Kokin, folder: Path) -> None:
    assert kokin("ledger", "reverse", "-L", URL, "--entry", 3, cwd=folder).returncode == 2
    assert kokin("ledger", "reverse", "-L", URL, "--reason", "x", cwd=folder).returncode == 2
    assert kokin("ledger", "reverse", "-L", URL, "--reason", " ", "--entry", 3, cwd=folder).returncode == 3
    assert kokin("ledger", "reverse", "-L", URL, "--reason", "wrong", "--entry", 3, cwd=folder).returncode == 0
    assert residuals(folder)["B1"] == 1000
    second = kokin("ledger", "reverse", "-L", URL, "--reason", "wrong", "--entry", 3, cwd=folder)
    assert (second.returncode, "ENTRY_REVERSED" in second.stderr) == (3, True)
    assert kokin("ledger", "reverse", "-L", URL, "--reason", "it was right", "--entry", 4, cwd=folder).returncode == 0
    assert residuals(folder)["B1"] == 0
    data = json.loads(kokin("ledger", "show", "-L", URL, "B1", "--format", "json", cwd=folder).stdout)
    assert [row["posting_reason"] for row in data["postings"]] == ["posted", "reversed", "restored"]
    posting = data["postings"][-1]["id"]
    assert (
        kokin("ledger", "reverse", "-L", URL, "--posting", posting, "--reason", "dishonoured", cwd=folder).returncode
        == 0
    )
    assert residuals(folder)["B1"] == 1000


def test_a_load_of_bills_is_reversed(kokin: Kokin, folder: Path) -> None:
    (folder / "wrong-year.csv").write_text(BILLS.replace(",1000,", ",1200,").replace("B2", "B3"), encoding="utf-8")
    assert kokin("ledger", "add-bills", "-L", URL, "wrong-year.csv", cwd=folder).returncode == 0
    result = kokin("ledger", "reverse", "-L", URL, "--entry", 4, "--reason", "wrong year", cwd=folder)
    assert (result.returncode, "receipts matched again: 1" in result.stdout) == (0, True)
    assert residuals(folder) == {"B1": 0, "B2": 2000}
    shown = kokin("ledger", "show", "-L", URL, "B3", cwd=folder, kokin_lang="ja")
    assert (shown.returncode, "登録取消" in shown.stdout) == (0, True)
    assert "load" in kokin("ledger", "reverse", "--help", cwd=folder).stdout


def test_status_and_show_as_text(kokin: Kokin, folder: Path) -> None:
    status = kokin("ledger", "status", "-L", URL, cwd=folder)
    assert status.returncode == 0
    for data in ("MATCHED", "monday.csv", "tester", "active receipts = sum of all dispositions"):
        assert data in status.stdout
    assert json.loads(kokin("ledger", "status", "-L", URL, "--format", "json", cwd=folder).stdout)["files"] == 1
    history = kokin("ledger", "show", "-L", URL, "B1", cwd=folder)
    assert (history.returncode, "settled" in history.stdout) == (0, True)
    assert kokin("ledger", "show", "-L", URL, "B9", cwd=folder).returncode == 3
    assert kokin("ledger", "show", "-L", URL, cwd=folder).returncode == 2


def test_lists_are_printed_as_text_csv_and_json(kokin: Kokin, folder: Path) -> None:
    assert {row["bill_id"]: row["status"] for row in listed(kokin, folder, "balances")} == {
        "B1": "settled",
        "B2": "expected",
    }
    assert listed(kokin, folder, "balances", "--as-of", "2020-01-01") == []
    assert [(row["bill_id"], row["amount"], row["status"]) for row in listed(kokin, folder, "bills")] == [
        ("B1", "1000", "open"),
        ("B2", "2000", "open"),
    ]
    assert listed(kokin, folder, "bills", "--as-of", "2020-01-01") == []
    assert [(row["source"], row["record_no"], row["outcome"]) for row in listed(kokin, folder, "outcomes")] == [
        ("monday.csv", "1", "MATCHED")
    ]
    assert listed(kokin, folder, "outcomes", "--entry", 2) == []
    assert [row["kind"] for row in listed(kokin, folder, "entries")] == ["created", "bills", "receipt_file"]
    (last,) = listed(kokin, folder, "entries", "--last", 1)
    assert (last["id"], json.loads(last["totals"])["accepted"]) == ("3", 1)
    for name, word in (("balances", "expected"), ("bills", "open"), ("outcomes", "MATCHED"), ("entries", "monday.csv")):
        result = kokin("ledger", "list", name, "-L", URL, cwd=folder)
        assert (result.returncode, result.stderr, word in result.stdout) == (0, "", True)


def test_a_list_in_a_pipe_is_utf_8_in_any_locale(kokin_in_shell: Kokin, folder: Path) -> None:
    (folder / "bills.csv").write_text(BILLS.replace("B2", "通知2"), encoding="utf-8")
    assert kokin_in_shell("ledger", "add-bills", "-L", URL, "bills.csv", cwd=folder).returncode == 0
    locale = {"pythonioencoding": "ascii", "pythonutf8": "0"}
    result = kokin_in_shell("ledger", "list", "balances", "-L", URL, "--format", "csv", cwd=folder, **locale)
    assert [row["bill_id"] for row in csv.DictReader(result.stdout.splitlines())] == ["B1", "B2", "通知2"]


def test_export_writes_the_journal(kokin: Kokin, folder: Path) -> None:
    result = kokin("ledger", "export", "-L", URL, "--out", "journal", cwd=folder)
    assert result.returncode == 0
    assert all((folder / line).exists() for line in result.stdout.split())


def test_a_plain_path_is_an_sqlite_file(kokin: Kokin, tmp_path: Path) -> None:
    for name in ("city.db", "a b%20?x=1#.db", str(tmp_path / "収納.db")):
        assert kokin("ledger", "create", "-L", name, cwd=tmp_path).returncode == 0
        assert (tmp_path / name).exists()
        result = kokin("ledger", "status", kokin_ledger=name, cwd=tmp_path)
        assert (result.returncode, result.stdout.splitlines()[0]) == (0, name)


def test_agent_reports_and_write_offs_are_in_the_report(kokin: Kokin, folder: Path) -> None:
    (folder / "agent.csv").write_text("first_day,last_day,count,amount,agent_code\n2026-06-01,2026-06-01,1,1000,\n")
    (folder / "written-off.csv").write_text("bill_id,amount,reason\nB2,2000,消滅時効\n", encoding="cp932")
    add = ("ledger", "add-agent-reports", "-L", URL, "agent.csv")
    assert "posted" in kokin(*add, cwd=folder).stdout
    assert "already posted" in kokin(*add, cwd=folder).stdout
    (folder / "list.csv").write_text("bill_id,amount,article,reason\nB2,2000,地方税法18①,消滅時効\n", encoding="cp932")
    written_off = kokin("ledger", "write-off", "post", "list.csv", "-L", URL, "--day", "2026-06-01", cwd=folder)
    assert written_off.returncode == 0, written_off.stderr
    result = kokin("report", "-L", URL, "--out", "out", cwd=folder)
    assert result.returncode in (0, 1), result.stdout + result.stderr
    summary = json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["controls"]["T2"]["holds"] is True
    with (folder / "out" / "receivables.csv").open(encoding="utf-8-sig", newline="") as file:
        assert sum(int(row["unpaid"]) for row in csv.DictReader(file)) == 0
    run = ("reconcile", "--bills", "bills.csv", "monday.csv", "-l", "kokin-csv", "--out", "run")
    result = kokin(*run, "--agent-reports", "agent.csv", "--write-offs", "written-off.csv", cwd=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    (folder / "agent.csv").write_text("first_day,last_day,count,amount\n2026-06-01,2026-06-01,1,1001\n")
    assert kokin(*run, "--agent-reports", "agent.csv", cwd=folder).returncode == 5


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "FILE_EMPTY"),
        (b"first_day,last_day,count\n2026-06-01,2026-06-01,1\n", "FIELD_MISSING"),
        (b"first_day,last_day,count,amount\n2026-06-01,2026-06-01,1\n", "COLUMNS_COUNT"),
        (b"first_day,last_day,count,amount\n2026-06-31,2026-06-01,1,1\n", "DATE_INVALID"),
        (b"first_day,last_day,count,amount\n2026-06-01,2026-06-01,1,\x81\n", "BYTE_UNKNOWN"),
    ],
)
def test_an_invalid_agent_report_is_rejected(kokin: Kokin, folder: Path, content: bytes, code: str) -> None:
    (folder / "agent.csv").write_bytes(content)
    for _ in range(2):  # the rejection is recorded once
        result = kokin("ledger", "add-agent-reports", "-L", URL, "agent.csv", cwd=folder)
        assert (result.returncode, f"{code}:" in result.stderr, "agent.csv" in result.stderr) == (3, True, True)
    with Ledger.open(folder / "city.db") as ledger:
        kinds = [entry.kind for entry in ledger.entries() if entry.source == "agent.csv"]
        assert kinds == [EntryKind.REJECTED_FILE]
        assert {code} == set(ledger.issues().column("code").to_pylist())
        assert len(ledger.agent_reports()) == 0


def test_verify_names_the_first_broken_row(kokin: Kokin, folder: Path) -> None:
    whole = kokin("ledger", "verify", "-L", URL, "--rematch", "--format", "json", cwd=folder)
    data = json.loads(whole.stdout)
    assert (whole.returncode, data["clean"]) == (0, True)
    assert kokin("ledger", "verify", "-L", URL, "--expected-hash", data["hash"], cwd=folder).returncode == 0
    other = kokin("ledger", "verify", "-L", URL, "--expected-hash", "0" * 64, cwd=folder)
    assert (other.returncode, "LEDGER_SEAL" in other.stderr) == (5, True)
    tamper(folder / "city.db", "UPDATE receipts SET amount = 999 WHERE id = 1")
    broken = kokin("ledger", "verify", "-L", URL, cwd=folder)
    assert broken.returncode == 5
    assert "receipts, record 1: LEDGER_ROW_CHANGED" in broken.stderr


def test_verify_since_an_earlier_hash(kokin: Kokin, folder: Path) -> None:
    yesterday = json.loads(kokin("ledger", "status", "-L", URL, "--format", "json", cwd=folder).stdout)["hash"]
    receipt_file(folder / "tuesday.csv", "2,000002,2000,2026-06-02")
    assert kokin("ledger", "post", "-L", URL, "tuesday.csv", "-l", "kokin-csv", cwd=folder).returncode == 0
    since = ("ledger", "verify", "-L", URL, "--since", yesterday)
    assert kokin(*since, cwd=folder).returncode == 0
    for entry, codes in ((3, (0, 5)), (4, (5, 5))):
        # A change before that hash is found by a verification from the start only.
        tamper(folder / "city.db", f"UPDATE receipts SET amount = amount + 1 WHERE entry_id = {entry}")
        assert (kokin(*since, cwd=folder).returncode, kokin(*since[:-2], cwd=folder).returncode) == codes
    unknown = kokin("ledger", "verify", "-L", URL, "--since", "0" * 64, cwd=folder)
    assert (unknown.returncode, "LEDGER_SEAL" in unknown.stderr) == (5, True)
    assert kokin("ledger", "verify", "-L", URL, "--since", "zz", cwd=folder).returncode == 2


def copy_of_version(folder: Path, version: int) -> str:
    data = Path(__file__).parents[1] / "ledger" / "data" / f"version-{version}.db"
    return Path(shutil.copy(data, folder / "old.db")).name


def test_a_ledger_is_upgraded(kokin: Kokin, tmp_path: Path) -> None:
    old = copy_of_version(tmp_path, 5)
    rejected = kokin("ledger", "status", "-L", old, cwd=tmp_path)
    assert (rejected.returncode, "kokin ledger upgrade" in rejected.stderr) == (4, True)
    first, second = (kokin("ledger", "upgrade", "-L", old, cwd=tmp_path) for _ in range(2))
    assert (first.returncode, f"schema version {SCHEMA_VERSION}" in first.stdout) == (0, True)
    assert (second.returncode, "up to date" in second.stdout) == (0, True)
    assert kokin("ledger", "verify", "-L", old, "--rematch", cwd=tmp_path).returncode == 0
    assert kokin("ledger", "upgrade", "-L", "none.db", cwd=tmp_path).returncode == 4
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("version", [2, 4])
def test_a_ledger_of_a_development_version_is_rejected(kokin: Kokin, tmp_path: Path, version: int) -> None:
    old = copy_of_version(tmp_path, version)
    for command in (["status"], ["upgrade"]):
        result = kokin("ledger", *command, "-L", old, cwd=tmp_path)
        assert (result.returncode, "create a new ledger" in result.stderr) == (4, True)


def test_a_ledger_is_copied(kokin: Kokin, folder: Path) -> None:
    status = json.loads(kokin("ledger", "status", "-L", URL, "--format", "json", cwd=folder).stdout)
    result = kokin("ledger", "copy", "city.db", "new.db", "--actor", "dba", cwd=folder)
    assert (result.returncode, "new.db" in result.stdout) == (0, True)
    verify = ("ledger", "verify", "-L", "new.db", "--expected-hash", status["hash"], "--rematch")
    assert kokin(*verify, cwd=folder).returncode == 0
    with Ledger.open(folder / "new.db") as ledger:
        last = ledger.entries()[-1]
    assert (last.kind, last.actor, last.totals["copied_hash"]) == ("opening", "dba", status["hash"])
    again = kokin("ledger", "copy", "city.db", "new.db", cwd=folder)
    assert (again.returncode, "already" in again.stderr) == (4, True)
    assert kokin("ledger", "copy", "none.db", "other.db", cwd=folder).returncode == 4
    assert not (folder / "other.db").exists()
    tamper(folder / "city.db", "UPDATE receipts SET amount = 999")
    assert kokin("ledger", "copy", "city.db", "other.db", cwd=folder).returncode == 5


def test_the_policy_of_the_ledger_is_the_only_one(kokin: Kokin, folder: Path) -> None:
    (folder / "gross.toml").write_text("", encoding="utf-8")
    (folder / "all.toml").write_text('year_closed = "crossing"\n', encoding="utf-8")
    (folder / "pairs.toml").write_text('pair_by = ["paid_on"]\n', encoding="utf-8")
    set_policy = ("ledger", "set-policy", "-L", URL, "--actor", "chief")
    at = in_a_minute()
    when = f"{at.astimezone(JAPAN):%Y-%m-%dT%H:%M}"
    result = kokin(*set_policy, "all.toml", "--reason", "by-law 3", "--at", when, cwd=folder)
    assert (result.returncode, "entry 4" in result.stdout) == (0, True)
    again = kokin(*set_policy, "all.toml", cwd=folder)
    assert (again.returncode, "in force already" in again.stdout) == (0, True)
    entry = listed(kokin, folder, "entries")[-1]
    assert (entry["id"], entry["kind"], entry["actor"], entry["reason"]) == ("4", "policy", "chief", "by-law 3")
    report = ("report", "-L", URL, "--out", "out")
    run = ("reconcile", "--bills", "bills.csv", "monday.csv", "-l", "kokin-csv", "--out", "out", "--ledger", URL)
    create = ("ledger", "create", "-L", URL)
    # Without --policy, and with the one in force, the ledger's is used.
    for command in (report, run):
        for options in ((), ("--policy", "all.toml")):
            result = kokin(*command, *options, cwd=folder)
            assert result.returncode == 0, result.stderr
            summary = json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))
            assert summary["policy"]["year_closed"] == "crossing"
    shutil.rmtree(folder / "out")
    before = (folder / "city.db").read_bytes()
    # On a day before the change the earlier policy was in force: that of the ledger's first entry.
    early = (*report, "--as-of", "2020-01-01")
    for command, policy, code in (
        (report, "gross.toml", 3),
        (run, "gross.toml", 3),
        (create, "gross.toml", 3),
        (create, "all.toml", 0),
        ((*set_policy,), "pairs.toml", 3),
        (early, "all.toml", 3),
        (early, "gross.toml", 0),
    ):
        option = () if command[1] == "set-policy" else ("--policy",)
        result = kokin(*command, *option, policy, cwd=folder)
        assert (result.returncode, "POLICY_DIFFERS" in result.stderr) == (code, code == 3), (command, policy)
        assert (folder / "out").exists() == (policy == "gross.toml" and command == early)
    assert (folder / "city.db").read_bytes() == before


def test_a_writer_waits_as_long_as_it_is_asked_to(kokin: Kokin, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "city.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for command in (
            ("ledger", "add-bills", "-L", URL, "bills.csv"),
            ("ledger", "reverse", "-L", URL, "--entry", 3, "--reason", "x"),
            ("ledger", "upgrade", "-L", URL),
            ("reconcile", "--bills", "bills.csv", "monday.csv", "-l", "kokin-csv", "--out", "out", "--ledger", URL),
        ):
            result = kokin(*command, "--lock-timeout", 0, cwd=folder)
            assert (result.returncode, "lock" in result.stderr) == (4, True), result.stderr
        assert kokin("ledger", "status", "-L", URL, cwd=folder).returncode == 0
        assert kokin("ledger", "upgrade", "-L", URL, "--lock-timeout", -1, cwd=folder).returncode == 2
        other.execute("ROLLBACK")
    assert kokin("ledger", "reverse", "-L", URL, "--entry", 3, "--reason", "x", cwd=folder).returncode == 0


def test_postings_that_differ_from_a_recomputation_end_with_5(kokin: Kokin, folder: Path) -> None:
    run = ("reconcile", "--bills", "bills.csv", "monday.csv", "-l", "kokin-csv", "--out", "run", "--ledger", URL)
    tamper(folder / "city.db", "UPDATE postings SET applied = applied - 300, excess = excess + 300")
    for command in (("ledger", "status", "-L", URL), ("report", "-L", URL, "--out", "out"), run):
        result = kokin(*command, cwd=folder)
        assert result.returncode == 5, result.stdout + result.stderr
        assert "T7" in result.stderr
        assert "700 and 1,000 (B1)" in result.stderr
        assert "T4" not in result.stderr
    assert kokin("ledger", "status", "-L", URL, "--quick", cwd=folder).returncode == 0


def test_a_control_is_the_same_in_status_and_report(kokin: Kokin, folder: Path) -> None:
    receipt_file(folder / "tuesday.csv", "2,000002,2500,2026-06-02", "9,000009,70,2026-06-02")
    assert kokin("ledger", "post", "-L", URL, "tuesday.csv", "-l", "kokin-csv", cwd=folder).returncode == 1
    assert kokin("ledger", "reverse", "-L", URL, "--posting", 1, "--reason", "x", cwd=folder).returncode == 0
    assert kokin("report", "-L", URL, "--out", "out", cwd=folder).returncode == 1
    summary = json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))
    status = json.loads(kokin("ledger", "status", "-L", URL, "--format", "json", cwd=folder).stdout)
    assert list(status["controls"]) == ["T1", "T4", "T7", "T8"]
    assert {name: summary["controls"][name] for name in status["controls"]} == status["controls"]
    assert summary["hash"] == status["hash"]


def test_deposits_are_in_the_report(kokin: Kokin, folder: Path) -> None:
    columns, row = HEADER.strip() + ",settled_on\n", "99999,127,2,000002,2000,2026-06-02,2026-06-09\n"
    (folder / "tuesday.csv").write_text(columns + row, encoding="utf-8")
    assert kokin("ledger", "post", "-L", URL, "tuesday.csv", "-l", "kokin-csv", cwd=folder).returncode == 0
    receipts.write([{"received_on": date(2026, 6, 9), "amount": 1_999}], folder / "bank.dat", "zengin-01")
    command = ("ledger", "add-deposits", "-L", URL, "bank.dat", "--reference-date", "2026-06-30")
    assert kokin(*command, cwd=folder).returncode == 0
    assert "already posted" in kokin(*command, cwd=folder).stdout
    assert kokin("ledger", "add-deposits", "-L", URL, "missing.dat", cwd=folder).returncode == 4
    assert kokin("report", "-L", URL, "--out", "out", cwd=folder).returncode == 5  # a yen is missing
    with (folder / "out" / "settlements.csv").open(encoding="utf-8-sig", newline="") as file:
        days = {data["settled_on"]: (data["expected"], data["credited"]) for data in csv.DictReader(file)}
    assert days["2026-06-09"] == ("2000", "1999")


def test_reconcile_posts_to_a_ledger(kokin: Kokin, folder: Path) -> None:
    receipt_file(folder / "tuesday.csv", "2,000002,2000,2026-06-02")
    arguments = ("reconcile", "--bills", "bills.csv", "tuesday.csv", "-l", "kokin-csv", "--out", "out")
    for _ in range(2):
        result = kokin(*arguments, "--ledger", URL, cwd=folder)
        assert result.returncode == 0, result.stderr
        assert residuals(folder) == {"B1": 0, "B2": 0}
    # The folder contains this run only, in which nobody has paid B1.
    with (folder / "out" / "balances.csv").open(encoding="utf-8", newline="") as file:
        assert [row["residual"] for row in csv.DictReader(file)] == ["1000", "0"]
    (folder / "rejected.csv").write_text("nothing,of,this\n1,2,3\n", encoding="utf-8")
    result = kokin(*arguments, "rejected.csv", "--ledger", URL, cwd=folder)
    assert result.returncode == 3
    with Ledger.open(folder / "city.db") as ledger:
        last = ledger.entries()[-1]
        assert (last.kind, last.source) == (EntryKind.REJECTED_FILE, "rejected.csv")
    shutil.rmtree(folder / "out")
    result = kokin(*arguments, "--ledger", "sqlite:///not-there.db", cwd=folder)
    assert (result.returncode, (folder / "out").exists()) == (4, False)


def test_report_writes_all_tables(kokin: Kokin, folder: Path) -> None:
    result = kokin("report", "-L", URL, "--out", "out", "--format", "csv", "--format", "html", cwd=folder)
    assert result.returncode == 0, result.stderr
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == {
        *(f"{name}.csv" for name in (*reports.CHANGE_TABLES, *reports.TABLES)),
        "report.html",
        "summary.json",
    }
    assert (folder / "out" / "balances.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    options = ("--format", "csv", "--encoding", "cp932", "--headings", "words", "--as-of", "2020-01-01")
    result = kokin("report", "-L", URL, "--out", "early", *options, kokin_lang="ja", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "2020-01-01 現在" in result.stdout
    (header,) = (folder / "early" / "balances.csv").read_text(encoding="cp932").splitlines()
    assert "残額" in header
    assert kokin("report", "-L", URL, "--out", "x", "--format", "pdf", cwd=folder).returncode == 2
    assert not (folder / "x").exists()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", 2),
        ("not-there.db", 4),
        ("bills.csv", 4),
        (":memory:", 2),
        ("sqlite://", 2),
        ("sqlite:///:memory:", 2),
        ("postgresql://user:secret@host:port/city", 2),
        ("mysql://user:secret@127.0.0.1/city", 4),
        ("postgresql://user:secret@127.0.0.1:1/city", 4),
        ("postgresql://127.0.0.1:1/city?user=user&password=secret", 4),
        ("sqlite:///not-there.db", 4),
        ("sqlite:///no/such/folder/city.db", 4),
        ("sqlite:///bills.csv", 4),
        ("sqlite:///.", 4),
    ],
)
def test_an_address_without_a_ledger(kokin: Kokin, folder: Path, url: str, code: int) -> None:
    files = set(folder.iterdir())
    for command in (["ledger", "status"], ["ledger", "verify"], ["report", "--out", "out"]):
        for result in (
            kokin(*command, *(["-L", url] if url else []), cwd=folder),
            kokin(*command, kokin_ledger=url, cwd=folder),
        ):
            assert result.returncode == code, result.stdout + result.stderr
            assert "secret" not in result.stdout + result.stderr
            assert result.stderr
    assert set(folder.iterdir()) == files


def test_each_url_has_its_own_password() -> None:
    urls = ["postgresql://clerk:first%40@db/old", "-Lpostgresql://clerk:second@db/new"]
    old, new = remove_passwords(urls)
    assert (old, new) == ("postgresql://clerk@db/old", "-Lpostgresql://clerk@db/new")
    assert ledger_url(old).password == "first@"
    assert ledger_url(new.removeprefix("-L")).password == "second"
    assert ledger_url("postgresql://clerk@db/other").password is None


@pytest.mark.parametrize(
    "args",
    [["ledger", "URL", "status"], ["ledger", "status", "x", "-LURL"], ["URL"], ["reconcile", "--ledger=URL", "x"]],
)
def test_a_password_is_not_repeated(kokin: Kokin, folder: Path, args: list[str]) -> None:
    url = "postgresql+psycopg://user:se%40cret@host/city"
    result = kokin(*(arg.replace("URL", url) for arg in args), cwd=folder)
    assert result.returncode == 2
    assert "cret" not in result.stdout + result.stderr


def test_the_ledger_can_be_named_by_the_environment(kokin: Kokin, folder: Path) -> None:
    receipt_file(folder / "tuesday.csv", "2,000002,2000,2026-06-02")
    named = {"kokin_ledger": URL}
    assert kokin("ledger", "post", "tuesday.csv", "-l", "kokin-csv", **named, cwd=folder).returncode == 0
    assert kokin("ledger", "show", "B2", **named, cwd=folder).returncode == 0
    assert kokin("ledger", "status", **named, cwd=folder).returncode == 0
    assert kokin("ledger", "add-bills", **named, cwd=folder).returncode == 2
    assert kokin("ledger", "status", "something", **named, cwd=folder).returncode == 2
    assert residuals(folder) == {"B1": 0, "B2": 0}


@pytest.mark.thorough
def test_a_closed_pipe(kokin: Kokin, folder: Path) -> None:
    for command in (["ledger", "status", "-L", URL], ["layouts"], ["ledger", "status", "-L", URL, "--format", "json"]):
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "w") as closed:
            call = [*COMMAND, *command]
            result = subprocess.run(call, cwd=folder, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
        assert (result.returncode, result.stderr) == (141, "")


@pytest.mark.thorough
def test_interrupted_in_the_middle_of_a_posting(kokin: Kokin, folder: Path, tmp_path: Path) -> None:
    made = write_city(tmp_path / "city", 10_000, 1)
    (path,) = (path for path, layout in made.receipts if layout == "kokin-csv")
    call = [*COMMAND, "ledger", "post", "-L", URL, str(path), "-l", "kokin-csv"]
    environment = {"KOKIN_LANG": "en", "PATH": "", "PYTHONUTF8": "1", "LOGNAME": "tester"}
    environment["PYTHONPATH"] = str(Path(receipts.__file__).parents[2])  # of the package under test
    with subprocess.Popen(call, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as process:
        journal = folder / "city.db-wal"
        while not journal.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert "interrupted" in stderr
    with Ledger.open(f"sqlite:///{folder}/city.db") as ledger:
        assert sum(entry.kind is EntryKind.RECEIPT_FILE for entry in ledger.entries()) == 1
        assert ledger.verify().is_clean


@pytest.mark.thorough
def test_a_terminal_without_japanese(kokin_in_shell: Kokin, folder: Path) -> None:
    for data in ({"pythonioencoding": "ascii", "pythonutf8": "0"}, {"lc_all": "C", "pythonutf8": "0"}):
        for url, code in ((URL, 0), ("sqlite:///none.db", 4)):
            assert kokin_in_shell("ledger", "status", "-L", url, cwd=folder, kokin_lang="ja", **data).returncode == code


def test_a_whole_register_lists_what_it_lacks(kokin: Kokin, folder: Path) -> None:
    (folder / "all.csv").write_text(BILLS.replace("B2,99999,127,2,", "B3,99999,127,3,"), encoding="utf-8")
    command = ("ledger", "add-bills", "-L", URL, "--whole")
    result = kokin(*command, "all.csv", "--format", "json", cwd=folder)
    assert result.returncode == 1
    (data,) = json.loads(result.stdout)
    assert [(row["bill_id"], row["residual"], row["due_on"]) for row in data["vanished"]] == [
        ("B2", 2000, "2026-06-30")
    ]
    assert [issue["code"] for issue in data["issues"]] == ["BILL_VANISHED"]
    result = kokin(*command, "all.csv", cwd=folder, kokin_lang="ja")
    assert "B2: ¥2,000" in result.stderr
    assert "全件データ" in result.stderr
    assert kokin(*command, "all.csv", "bills.csv", cwd=folder).returncode == 2
    assert residuals(folder) == {"B1": 0, "B2": 2000, "B3": 2000}
