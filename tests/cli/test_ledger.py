"""``kokin ledger`` and ``kokin report`` as a batch job meets them: exit codes, what is posted, and what never is."""

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
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kokin import receipts, reports
from kokin.demo import write_city
from kokin.ledger import EntryKind, Ledger
from kokin.text import JAPAN

Kokin = Callable[..., Any]
COMMAND = (sys.executable, "-c", "from kokin.cli import main; main()")
HEADER = "payee_code,item_code,case_key,confirmation,amount,paid_on\n"
BILLS = """\
bill_id,payee_code,item_code,case_key,confirmation,amount,due_on
B1,99999,127,1,000001,1000,2026-06-30
B2,99999,127,2,000002,2000,2026-06-30
"""
URL = "sqlite:///city.db"


def receipt_file(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "".join(f"99999,127,{row}\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def city(kokin: Kokin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with two bills, one of them paid; made once, copied for each test."""
    folder = tmp_path_factory.mktemp("city")
    (folder / "bills.csv").write_text(BILLS, encoding="utf-8")
    assert kokin("ledger", "init", URL, cwd=folder).returncode == 0
    assert kokin("ledger", "bills", URL, "bills.csv", cwd=folder).returncode == 0
    receipt_file(folder / "monday.csv", "1,000001,1000,2026-06-01")
    assert kokin("ledger", "post", URL, "monday.csv", "-l", "kokin-csv", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def here(city: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(city, tmp_path / "here"))


def in_a_minute() -> datetime:
    """A whole minute that is after the entries of a test and not yet in the future of the ledger's clock."""
    return (datetime.now(UTC) + timedelta(minutes=1)).replace(second=0, microsecond=0)


def residuals(folder: Path) -> dict[str, int]:
    with Ledger.open(f"sqlite:///{folder}/city.db") as ledger:
        return {row["bill_id"]: row["residual"] for row in ledger.balances().to_pylist()}


def test_init_is_told_once(kokin: Kokin, here: Path) -> None:
    again = kokin("ledger", "init", URL, cwd=here)
    assert (again.returncode, again.stderr) == (0, "")
    assert "already" in again.stdout
    assert "already" not in kokin("ledger", "init", "sqlite:///new.db", cwd=here).stdout


def test_post_names_the_files_whose_payments_a_file_repeats(kokin: Kokin, here: Path) -> None:
    again = receipt_file(here / "again.csv", "1,000001,1000,2026-06-01")
    again.write_bytes(again.read_bytes().replace(b"\n", b"\r\n"))
    receipt_file(here / "more.csv", "1,000001,1000,2026-06-01", "2,000002,2000,2026-06-02")
    done = kokin("ledger", "post", URL, "again.csv", "-l", "kokin-csv", cwd=here)
    assert done.returncode == 1
    assert "again.csv, records: FILE_OVERLAPS" in done.stderr
    assert "1 of 1 in monday.csv (entry 3)" in done.stderr
    done = kokin("ledger", "post", URL, "again.csv", "-l", "kokin-csv", cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    done = kokin("ledger", "post", URL, "more.csv", "-l", "kokin-csv", "--format", "json", cwd=here)
    (told,) = json.loads(done.stdout)
    assert [(row["entry"], row["source"], row["repeated"], row["records"]) for row in told["overlaps"]] == [
        (3, "monday.csv", 1, 2),
        (4, "again.csv", 1, 2),
    ]
    assert [issue["code"] for issue in told["issues"]] == ["FILE_OVERLAPS"] * 2
    assert residuals(here) == {"B1": 0, "B2": 0}
    assert kokin("report", URL, "--out", "report", cwd=here).returncode == 0
    exceptions = (here / "report" / "exceptions.csv").read_text(encoding="utf-8-sig")
    assert exceptions.count("FILE_OVERLAPS") == 2


def test_post_tells_each_file_and_stops_for_none(kokin: Kokin, here: Path) -> None:
    receipt_file(here / "good.csv", "2,000002,1500,2026-06-02")
    receipt_file(here / "broken.csv", "1,000001,1000")
    receipt_file(here / "last.csv", "2,000002,500,2026-06-03")
    shutil.copy(here / "monday.csv", here / "monday-again.csv")
    files = ("monday-again.csv", "good.csv", "broken.csv", "missing.csv", ".", "last.csv")
    at = in_a_minute()
    when = f"{at.astimezone(JAPAN):%Y-%m-%dT%H:%M}"
    done = kokin("ledger", "post", URL, *files, "-l", "kokin-csv", "--format", "json", "--at", when, cwd=here)
    told = json.loads(done.stdout)
    states = ["there already", "posted", "posted", "unreadable", "unreadable", "posted"]
    assert [each["state"] for each in told] == states
    assert [each.get("entry") for each in told] == [3, 4, 5, None, None, 6]
    assert told[1]["outcomes"] == {"UNDERPAID": {"count": 1, "amount": 1500}}
    assert told[2]["totals"]["rejected"] == 1
    assert len(told[2]["issues"]) == 1
    assert told[5]["outcomes"] == {"MATCHED": {"count": 1, "amount": 500}}
    assert done.returncode == 4  # the gravest: some could not be read
    assert residuals(here) == {"B1": 0, "B2": 0}
    with Ledger.open(f"sqlite:///{here}/city.db") as ledger:
        last = ledger.entries()[-1]
    assert (last.actor, last.at) == ("tester", at)


@pytest.mark.parametrize(("at", "code"), [("9999-12-31T23:59", 3), ("2001-01-01T00:00", 3), ("0001-01-01T00:00", 2)])
def test_a_time_that_no_entry_can_have(kokin: Kokin, here: Path, at: str, code: int) -> None:
    before = (here / "city.db").read_bytes()
    done = kokin("ledger", "bills", URL, "bills.csv", "--at", at, cwd=here)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert ("LEDGER_TIME" in done.stderr) == (code == 3)
    assert (here / "city.db").read_bytes() == before


def test_numbers_and_hashes_that_are_none(kokin: Kokin, here: Path) -> None:
    for option in ("--entry", "--posting"):
        for number in ("0", "99", str(2**63), str(10**30)):
            done = kokin("ledger", "reverse", URL, option, number, "--reason", "wrong", cwd=here)
            assert (done.returncode, "ENTRY_UNKNOWN" in done.stderr) == (3, True)
    for sealed in ("zz", "0" * 63):
        done = kokin("ledger", "verify", URL, "--sealed", sealed, cwd=here)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_a_typo_in_the_url_creates_nothing(kokin: Kokin, here: Path) -> None:
    files = sorted(path.name for path in here.iterdir())
    for command in (["bills", "sqlite:///typo.db", "bills.csv"], ["status", "sqlite:///typo.db"]):
        done = kokin("ledger", *command, cwd=here)
        assert (done.returncode, "typo.db" in done.stderr) == (4, True)
    assert sorted(path.name for path in here.iterdir()) == files


def test_verify_names_a_first_entry_that_is_changed(kokin: Kokin, here: Path) -> None:
    with closing(sqlite3.connect(here / "city.db", isolation_level=None)) as owner:
        owner.execute("DROP TRIGGER entries_no_update")
        owner.execute("UPDATE entries SET told = '{}' WHERE id = 1")
    done = kokin("ledger", "verify", URL, "--format", "json", cwd=here)
    assert done.returncode == 5
    assert [(each["file"], each["record"]) for each in json.loads(done.stdout)["issues"]] == [("entries", 1)]
    assert kokin("ledger", "status", URL, cwd=here).returncode == 4


def test_relink_ends_with_0_only_if_every_outcome_is_that_of_the_rule(kokin: Kokin, here: Path) -> None:
    assert kokin("ledger", "relink", URL, cwd=here).returncode == 0
    receipt_file(here / "tuesday.csv", "1,000001,1000,2026-06-02")
    with closing(sqlite3.connect(here / "city.db", isolation_level=None)) as owner:
        owner.execute("DELETE FROM links WHERE kind = 'receipts'")
    done = kokin("ledger", "post", URL, "tuesday.csv", "-l", "kokin-csv", cwd=here)
    assert (done.returncode, "LEDGER_LINKS" in done.stderr) == (4, True)
    assert kokin("ledger", "relink", URL, cwd=here).returncode == 0
    done = kokin("ledger", "post", URL, "tuesday.csv", "-l", "kokin-csv", cwd=here)
    assert (done.returncode, "DUPLICATE_PAYMENT" in done.stdout) == (1, True)


def test_a_refused_file_leaves_nothing_and_keeps_no_other_out(kokin: Kokin, here: Path) -> None:
    receipt_file(here / "good.csv", "2,000002,2000,2026-06-02")
    (here / "refused.csv").write_text("nothing,of,this\n1,2,3\n", encoding="utf-8")
    done = kokin("ledger", "post", URL, "refused.csv", "good.csv", "-l", "kokin-csv", cwd=here)
    assert done.returncode == 3
    assert "refused.csv: refused" in done.stderr
    assert residuals(here) == {"B1": 0, "B2": 0}
    before = (here / "city.db").read_bytes()
    assert kokin("ledger", "post", URL, "refused.csv", "-l", "kokin-csv", cwd=here).returncode == 3
    assert kokin("ledger", "post", URL, "good.csv", "-l", "no-such-layout", cwd=here).returncode == 3
    assert (here / "city.db").read_bytes() == before


@pytest.mark.parametrize(
    ("rows", "code"),
    [(["2,000002,2000,2026-06-02"], 0), (["2,000002,2000,2026-06-02", "9,000009,1,2026-06-02"], 1)],
)
def test_exceptions_are_told_by_the_exit_code(kokin: Kokin, here: Path, rows: list[str], code: int) -> None:
    receipt_file(here / "tuesday.csv", *rows)
    assert kokin("ledger", "post", URL, "tuesday.csv", "-l", "kokin-csv", cwd=here).returncode == code
    # The same file again is nothing to look at.
    again = kokin("ledger", "post", URL, "tuesday.csv", "-l", "kokin-csv", cwd=here)
    assert (again.returncode, "there already" in again.stdout) == (0, True)


def test_bills_change_and_bad_bills_are_refused_whole(kokin: Kokin, here: Path) -> None:
    assert kokin("ledger", "bills", URL, "bills.csv", cwd=here).returncode == 0
    (here / "bills.csv").write_text(BILLS.replace(",1000,", ",1200,"), encoding="utf-8")
    done = kokin("ledger", "bills", URL, "bills.csv", "--reason", "corrected", "--format", "json", cwd=here)
    assert done.returncode == 0
    (told,) = json.loads(done.stdout)
    assert (told["totals"], told["rematched"]) == ({"given": 2, "new": 0, "changed": 1, "unchanged": 1}, 1)
    assert residuals(here)["B1"] == 200
    (here / "bills.csv").write_text(BILLS.replace(",2000,", ",2oo0,"), encoding="utf-8")
    done = kokin("ledger", "bills", URL, "bills.csv", cwd=here)
    assert done.returncode == 3
    assert "NOT_DIGITS" in done.stderr
    assert residuals(here)["B1"] == 200


def test_reverse_and_reverse_it_again(kokin: Kokin, here: Path) -> None:
    assert kokin("ledger", "reverse", URL, "--entry", 3, cwd=here).returncode == 2
    assert kokin("ledger", "reverse", URL, "--reason", "x", cwd=here).returncode == 2
    assert kokin("ledger", "reverse", URL, "--reason", " ", "--entry", 3, cwd=here).returncode == 3
    assert kokin("ledger", "reverse", URL, "--reason", "wrong", "--entry", 3, cwd=here).returncode == 0
    assert residuals(here)["B1"] == 1000
    twice = kokin("ledger", "reverse", URL, "--reason", "wrong", "--entry", 3, cwd=here)
    assert (twice.returncode, "ENTRY_REVERSED" in twice.stderr) == (3, True)
    assert kokin("ledger", "reverse", URL, "--reason", "it was right", "--entry", 4, cwd=here).returncode == 0
    assert residuals(here)["B1"] == 0
    told = json.loads(kokin("ledger", "history", URL, "B1", "--format", "json", cwd=here).stdout)
    assert [row["rule"] for row in told["postings"]] == ["posted", "reversed", "restored"]
    posting = told["postings"][-1]["id"]
    assert kokin("ledger", "reverse", URL, "--posting", posting, "--reason", "dishonoured", cwd=here).returncode == 0
    assert residuals(here)["B1"] == 1000


def test_status_and_history_for_people(kokin: Kokin, here: Path) -> None:
    status = kokin("ledger", "status", URL, cwd=here)
    assert status.returncode == 0
    for told in ("MATCHED", "monday.csv", "tester", "active receipts = sum of all dispositions"):
        assert told in status.stdout
    assert json.loads(kokin("ledger", "status", URL, "--format", "json", cwd=here).stdout)["files"] == 1
    history = kokin("ledger", "history", URL, "B1", cwd=here)
    assert (history.returncode, "settled" in history.stdout) == (0, True)
    assert kokin("ledger", "history", URL, "B9", cwd=here).returncode == 3
    assert kokin("ledger", "history", URL, cwd=here).returncode == 2


def test_balances_and_export(kokin: Kokin, here: Path) -> None:
    assert kokin("ledger", "balances", URL, "--out", "b.csv", cwd=here).returncode == 0
    with (here / "b.csv").open(encoding="utf-8", newline="") as file:
        assert {row["bill_id"]: row["status"] for row in csv.DictReader(file)} == {"B1": "settled", "B2": "expected"}
    assert kokin("ledger", "balances", URL, "--out", "b.csv", "--as-of", "2020-01-01", cwd=here).returncode == 0
    assert len((here / "b.csv").read_text().splitlines()) == 1
    done = kokin("ledger", "export", URL, "--out", "journal", cwd=here)
    assert done.returncode == 0
    assert all((here / line).exists() for line in done.stdout.split())


def test_verify_names_the_first_broken_row(kokin: Kokin, here: Path) -> None:
    whole = kokin("ledger", "verify", URL, "--again", "--format", "json", cwd=here)
    told = json.loads(whole.stdout)
    assert (whole.returncode, told["clean"]) == (0, True)
    assert kokin("ledger", "verify", URL, "--sealed", told["hash"], cwd=here).returncode == 0
    other = kokin("ledger", "verify", URL, "--sealed", "0" * 64, cwd=here)
    assert (other.returncode, "LEDGER_SEAL" in other.stderr) == (5, True)
    with closing(sqlite3.connect(here / "city.db")) as database, database:
        database.execute("DROP TRIGGER receipts_no_update")
        database.execute("UPDATE receipts SET amount = 999 WHERE id = 1")
    broken = kokin("ledger", "verify", URL, cwd=here)
    assert broken.returncode == 5
    assert "receipts, record 1: LEDGER_ROW_CHANGED" in broken.stderr


def test_links_are_made_anew(kokin: Kokin, here: Path) -> None:
    with closing(sqlite3.connect(here / "city.db")) as database, database:
        database.execute("DELETE FROM links")
    assert "LEDGER_LINKS" in kokin("ledger", "verify", URL, cwd=here).stderr
    assert kokin("ledger", "relink", URL, cwd=here).returncode == 0
    assert kokin("ledger", "verify", URL, cwd=here).returncode == 0


def test_the_bank_s_credits_stand_in_the_report(kokin: Kokin, here: Path) -> None:
    columns, row = HEADER.strip() + ",settled_on\n", "99999,127,2,000002,2000,2026-06-02,2026-06-09\n"
    (here / "tuesday.csv").write_text(columns + row, encoding="utf-8")
    assert kokin("ledger", "post", URL, "tuesday.csv", "-l", "kokin-csv", cwd=here).returncode == 0
    receipts.write([{"received_on": date(2026, 6, 9), "amount": 1_999}], here / "bank.dat", "zengin-01")
    credited = ("ledger", "credits", URL, "bank.dat", "--reference-date", "2026-06-30")
    assert kokin(*credited, cwd=here).returncode == 0
    assert "there already" in kokin(*credited, cwd=here).stdout
    assert kokin("ledger", "credits", URL, "missing.dat", cwd=here).returncode == 4
    assert kokin("report", URL, "--out", "out", cwd=here).returncode == 5  # a yen is missing
    with (here / "out" / "settlements.csv").open(encoding="utf-8-sig", newline="") as file:
        days = {told["settled_on"]: (told["expected"], told["credited"]) for told in csv.DictReader(file)}
    assert days["2026-06-09"] == ("2000", "1999")


def test_reconcile_posts_what_it_settles(kokin: Kokin, here: Path) -> None:
    receipt_file(here / "tuesday.csv", "2,000002,2000,2026-06-02")
    arguments = ("reconcile", "--bills", "bills.csv", "--receipts", "tuesday.csv", "-l", "kokin-csv", "--out", "out")
    for _ in range(2):
        done = kokin(*arguments, "--ledger", URL, cwd=here)
        assert done.returncode == 0, done.stderr
        assert residuals(here) == {"B1": 0, "B2": 0}
    # The folder tells of this run alone, in which nobody has paid B1.
    with (here / "out" / "balances.csv").open(encoding="utf-8", newline="") as file:
        assert [row["residual"] for row in csv.DictReader(file)] == ["1000", "0"]
    (here / "refused.csv").write_text("nothing,of,this\n1,2,3\n", encoding="utf-8")
    before = (here / "city.db").read_bytes()
    done = kokin(*arguments, "refused.csv", "--ledger", URL, cwd=here)
    assert done.returncode == 3
    assert (here / "city.db").read_bytes() == before
    shutil.rmtree(here / "out")
    done = kokin(*arguments, "--ledger", "sqlite:///not-there.db", cwd=here)
    assert (done.returncode, (here / "out").exists()) == (4, False)


def test_report_writes_what_the_room_writes(kokin: Kokin, here: Path) -> None:
    done = kokin("report", URL, "--out", "out", "--format", "csv,html", cwd=here)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (here / "out").iterdir()}
    assert names == {*(f"{name}.csv" for name in reports.TABLES), "report.html", "summary.json"}
    assert (here / "out" / "balances.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    options = ("--format", "csv", "--encoding", "cp932", "--headings", "words", "--as-of", "2020-01-01")
    done = kokin("report", URL, "--out", "early", *options, kokin_lang="ja", cwd=here)
    assert done.returncode == 0, done.stderr
    assert "2020-01-01 現在" in done.stdout
    (header,) = (here / "early" / "balances.csv").read_text(encoding="cp932").splitlines()
    assert "残額" in header
    assert kokin("report", URL, "--out", "x", "--format", "pdf", cwd=here).returncode == 2
    assert not (here / "x").exists()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", 2),
        ("city.db", 2),
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
def test_a_ledger_that_is_none(kokin: Kokin, here: Path, url: str, code: int) -> None:
    files = set(here.iterdir())
    for command in (["ledger", "status"], ["ledger", "verify"], ["report", "--out", "out"]):
        for done in (kokin(*command, *([url] if url else []), cwd=here), kokin(*command, kokin_ledger=url, cwd=here)):
            assert done.returncode == code, done.stdout + done.stderr
            assert "secret" not in done.stdout + done.stderr
            assert done.stderr
    assert set(here.iterdir()) == files


@pytest.mark.parametrize(
    "args", [["ledger", "URL", "status"], ["ledger", "status", "x", "URL"], ["URL"], ["reconcile", "--ledger=URL", "x"]]
)
def test_a_password_is_not_repeated(kokin: Kokin, here: Path, args: list[str]) -> None:
    url = "postgresql+psycopg://user:se%40cret@host/city"
    done = kokin(*(arg.replace("URL", url) for arg in args), cwd=here)
    assert done.returncode == 2
    assert "cret" not in done.stdout + done.stderr


def test_the_ledger_may_be_named_by_the_environment(kokin: Kokin, here: Path) -> None:
    receipt_file(here / "tuesday.csv", "2,000002,2000,2026-06-02")
    named = {"kokin_ledger": URL}
    assert kokin("ledger", "post", "tuesday.csv", "-l", "kokin-csv", **named, cwd=here).returncode == 0
    assert kokin("ledger", "history", "B2", **named, cwd=here).returncode == 0
    assert kokin("ledger", "status", **named, cwd=here).returncode == 0
    assert kokin("ledger", "bills", **named, cwd=here).returncode == 2
    assert kokin("ledger", "status", "something", **named, cwd=here).returncode == 2
    assert residuals(here) == {"B1": 0, "B2": 0}


def test_a_reader_that_has_gone(kokin: Kokin, here: Path) -> None:
    for command in (["ledger", "status", URL], ["layouts"], ["ledger", "status", URL, "--format", "json"]):
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "w") as gone:
            call = [*COMMAND, *command]
            done = subprocess.run(call, cwd=here, stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, done.stderr) == (141, "")


def test_interrupted_in_the_middle_of_a_posting(kokin: Kokin, here: Path, tmp_path: Path) -> None:
    made = write_city(tmp_path / "city", 10_000, 1)
    (path,) = (path for path, layout in made.receipts if layout == "kokin-csv")
    call = [*COMMAND, "ledger", "post", URL, str(path), "-l", "kokin-csv"]
    environment = {"KOKIN_LANG": "en", "PATH": "", "PYTHONUTF8": "1", "LOGNAME": "tester"}
    with subprocess.Popen(call, cwd=here, env=environment, stderr=subprocess.PIPE, text=True) as process:
        journal = here / "city.db-wal"
        while not journal.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert "interrupted" in told
    with Ledger.open(f"sqlite:///{here}/city.db") as ledger:
        assert sum(entry.kind is EntryKind.RECEIPT_FILE for entry in ledger.entries()) == 1
        assert ledger.verify().is_clean


def test_a_terminal_without_japanese(kokin_in_shell: Kokin, here: Path) -> None:
    for told in ({"pythonioencoding": "ascii", "pythonutf8": "0"}, {"lc_all": "C", "pythonutf8": "0"}):
        for url, code in ((URL, 0), ("sqlite:///none.db", 4)):
            assert kokin_in_shell("ledger", "status", url, cwd=here, kokin_lang="ja", **told).returncode == code
