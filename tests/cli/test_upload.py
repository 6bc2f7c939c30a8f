"""``kokin upload``: make, answer and status, from the command."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import tamper

Kokin = Callable[..., Any]
EXAMPLES = Path(__file__).parents[2] / "examples"

BILLS = "bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,levy_year,tax_year,payable_until,status\n"
ANSWER = "payee_code,item_code,case_key,confirmation,type,result,error_code,error_field\n"
LEDGER = ("-L", "city.db")
MAKE = ("upload", "make", "bills.csv", "-l", "upload.toml", "--out", "out", *LEDGER, "--actor", "clerk")
ADD = ("upload", "answer", "answer.csv", "-l", "answer.toml", *LEDGER, "--actor", "clerk")


def write_bills(folder: Path, *rows: tuple[int, int, str]) -> None:
    lines = [f"B{n},99999,127,{n},123456,{yen},2026-06-01,2026,2026,2026-07-10,{status}\n" for n, yen, status in rows]
    (folder / "bills.csv").write_text(BILLS + "".join(lines), encoding="utf-8")


def write_answer(folder: Path, *rows: tuple[int, int, str]) -> None:
    lines = [f"99999,127,{n:020d},123456,{operation},{rest}\n" for n, operation, rest in rows]
    (folder / "answer.csv").write_text(ANSWER + "".join(lines), encoding="cp932")


@pytest.fixture
def city(kokin: Kokin, tmp_path: Path) -> Path:
    """A folder with a ledger, the bills of three slips, and the layouts of the examples as if they were verified."""
    for name in ("upload", "answer"):
        example = resources.files("kokin.receipts") / "layouts" / f"eltax-{name}-example.toml"
        text = example.read_text(encoding="utf-8").replace("verified = false", "verified = true")
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    assert kokin("ledger", "create", *LEDGER, cwd=tmp_path).returncode == 0
    write_bills(tmp_path, (1, 100, "open"), (2, 200, "open"), (3, 300, "open"))
    return tmp_path


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_the_walk_from_the_first_upload_to_the_release_list(kokin: Kokin, city: Path) -> None:
    result = kokin(*MAKE, "--rows", 2, cwd=city)
    assert result.returncode == 0
    assert "given 3 + absent 0 = sent 3 + unchanged 0 + waiting 0 + by hand 0" in result.stdout
    assert sorted(path.name for path in (city / "out").iterdir()) == ["upload-0002-0001.csv", "upload-0002-0002.csv"]

    result = kokin(*MAKE, cwd=city)
    assert (result.returncode, "nothing is to be sent" in result.stdout) == (0, True)

    write_answer(city, (1, 1, "0,,"), (2, 1, "1,E12,amount"))
    result = kokin(*ADD, "--upload", 2, cwd=city)
    assert result.returncode == 0
    assert "read 2 = accepted 1 + rejected 1 + without record 0" in result.stdout
    assert "added already" in kokin(*ADD, "--upload", 2, cwd=city).stdout

    write_bills(city, (1, 100, "open"), (2, 250, "open"), (3, 300, "cancelled"))
    assert kokin(*MAKE, cwd=city).returncode == 0
    status = ("upload", "status", *LEDGER, "--out", "status.csv", "--release", "release.csv")
    result = kokin(*status, cwd=city)
    assert result.returncode == 0
    assert "slips that may be posted: 1" in result.stdout
    states = {row["bill_id"]: row["state"] for row in rows_of(city / "status.csv")}
    assert states == {"B1": "accepted", "B2": "corrected", "B3": "withdrawn"}
    released = rows_of(city / "release.csv")
    assert [(row["bill_id"], row["amount"]) for row in released] == [("B1", "100")]
    assert released[0]["el_number"] == "99999-00000000000000000001-123456-127"


def test_json_has_counts_files_and_issues(kokin: Kokin, city: Path) -> None:
    made = json.loads(kokin(*MAKE, "--format", "json", cwd=city).stdout)
    assert (made["entry"], made["new"], made["files"][0]["name"]) == (2, 3, "upload-0002-0001.csv")
    write_answer(city, (1, 1, "0,,"), (9, 1, "0,,"))
    result = kokin(*ADD, "--format", "json", cwd=city)
    assert result.returncode == 1
    added = json.loads(result.stdout)
    assert (added["accepted"], [issue["code"] for issue in added["issues"]]) == (1, ["ANSWER_KEY_UNKNOWN"])
    state = json.loads(kokin("upload", "status", *LEDGER, "--format", "json", cwd=city).stdout)
    assert state["records"] == {"sent": 3, "accepted": 1, "rejected": 0, "unanswered": 2}
    assert state["controls"]["U1"]["holds"] is True


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (MAKE, "SLIP_DUPLICATE"),
        ((*MAKE[:3], "-l", "zengin-91", *MAKE[5:]), "LAYOUT_TABLE_MISSING"),
        (ADD, "CODE_UNKNOWN"),
        ((*ADD[:3], "-l", "kokin-csv", *ADD[5:]), "LAYOUT_TABLE_MISSING"),
    ],
)
def test_an_invalid_input_is_named_and_nothing_is_written(kokin: Kokin, city: Path, command: Any, code: str) -> None:
    write_bills(city, (1, 100, "open"), (1, 200, "open"))
    write_answer(city, (1, 1, "7,,"))
    before = kokin("ledger", "list", "entries", *LEDGER, cwd=city).stdout
    result = kokin(*command, cwd=city)
    assert (result.returncode, code in result.stderr) == (3, True), result.stderr
    assert kokin("ledger", "list", "entries", *LEDGER, cwd=city).stdout == before
    assert not (city / "out").exists()


def test_an_unverified_layout_is_named(kokin: Kokin, city: Path) -> None:
    result = kokin(*MAKE[:3], "-l", "eltax-upload-example", *MAKE[5:], cwd=city)
    assert (result.returncode, "LAYOUT_UNVERIFIED" in result.stderr) == (1, True)


def test_an_upload_is_reversed_by_its_entry(kokin: Kokin, city: Path) -> None:
    kokin(*MAKE, cwd=city)
    reverse = ("ledger", "reverse", *LEDGER, "--reason", "not transferred", "--entry")
    assert kokin(*reverse, 2, cwd=city).returncode == 0
    assert "sent 3" in kokin(*MAKE, cwd=city).stdout
    write_answer(city, (1, 1, "0,,"))
    kokin(*ADD, cwd=city)
    result = kokin(*reverse, 4, cwd=city)
    assert (result.returncode, "UPLOAD_ANSWERED" in result.stderr) == (3, True)


def test_a_record_that_is_missing_breaks_u1(kokin: Kokin, city: Path) -> None:
    kokin(*MAKE, cwd=city)
    tamper(city / "city.db", "DELETE FROM upload_records WHERE id = 3")
    result = kokin("upload", "status", *LEDGER, cwd=city)
    assert (result.returncode, "U1" in result.stderr) == (5, True)


def test_absent_slips_and_those_to_be_sent_again(kokin: Kokin, city: Path) -> None:
    kokin(*MAKE, cwd=city)
    kokin("ledger", "add-bills", "bills.csv", *LEDGER, cwd=city)
    write_bills(city, (1, 100, "open"))
    result = kokin(*MAKE, "--whole", cwd=city)
    assert (result.returncode, result.stderr.count("UPLOAD_ABSENT")) == (1, 2)
    assert "given 1 + absent 2 = sent 2 + unchanged 1" in result.stdout
    result = kokin(*MAKE, "--resend-before", "2999-01-01", cwd=city)
    assert "sent 1 + unchanged 0" in result.stdout


def test_bills_are_read_by_a_layout_of_their_own(kokin: Kokin, city: Path) -> None:
    for name in ("water-bills.csv", "water-system.toml"):
        (city / name).write_bytes((EXAMPLES / name).read_bytes())
    command = ("upload", "make", "water-bills.csv", "--bill-layout", "water-system.toml", *MAKE[3:])
    result = kokin(*command, cwd=city)
    assert (result.returncode, "given 3 + absent 0 = sent 2 + unchanged 1" in result.stdout) == (0, True), result.stderr
    rows = list(csv.DictReader((city / "out" / "upload-0002-0001.csv").read_text(encoding="cp932").splitlines()))
    assert [(row["amount"], row["due_day"]) for row in rows] == [("12300", "20260630"), ("4400", "20260630")]


@pytest.mark.parametrize("setting", ["made_on", "made_on=yesterday", "other=1"])
def test_an_invalid_value_of_the_header_is_wrong_usage(kokin: Kokin, city: Path, setting: str) -> None:
    assert kokin(*MAKE, "--header", setting, cwd=city).returncode == 2


def test_values_of_the_header_are_written(kokin: Kokin, city: Path) -> None:
    fields = '{ id = "%s", ja = "x", en = "x", type = "%s", length = %d%s }'
    const = ', const = "%s"'
    lines = [
        'ja = "送信"', 'en = "upload"', 'format = "fixed"', 'encoding = "half-width"', "width = 40",
        'newline = "LF"', "verified = true", 'source = ["invented"]',
        "[records.header]", 'role = "header"', 'ja = "x"', 'en = "x"', 'tell_by = ["kind"]', "fields = [",
        fields % ("kind", "digits", 1, const % "1") + ",",
        fields % ("made_on", "date", 8, ', format = "YYYYMMDD"') + ",", fields % ("rest", "filler", 31, ""), "]",
        "[records.data]", 'role = "data"', 'ja = "x"', 'en = "x"', 'tell_by = ["kind"]', "fields = [",
        fields % ("kind", "digits", 1, const % "2") + ",", fields % ("number", "number", 8, "") + ",",
        fields % ("case_key", "digits", 20, "") + ",", fields % ("amount", "yen", 11, ""), "]",
        "[bill]", 'upload_record_no = "number"', 'case_key = "case_key"', 'amount = "amount"',
    ]  # fmt: skip
    (city / "ours.toml").write_text("\n".join(lines), encoding="utf-8")
    command = (*MAKE[:3], "-l", "ours.toml", *MAKE[5:])
    assert kokin(*command, cwd=city).returncode == 3
    assert kokin(*command, "--header", "made_on=2026-05-01", cwd=city).returncode == 0
    records = (city / "out" / "upload-0002-0001.dat").read_text().splitlines()
    assert [record[:9] for record in records] == ["120260501", "200000001", "200000002", "200000003"]
