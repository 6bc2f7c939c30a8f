"""Bills by a layout in every command that reads bills, and a layout from the header of a sample."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
BILLS, LAYOUT = "water-bills.csv", "water-system.toml"
RECEIPTS = """\
payee_code,item_code,case_key,confirmation,amount,paid_on
99999,127,1234567890,123456,12300,2026-06-20
99999,127,1234567891,654321,4400,2026-06-21
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (BILLS, LAYOUT):
        shutil.copy(EXAMPLES / name, tmp_path)
    (tmp_path / "receipts.csv").write_text(RECEIPTS, encoding="utf-8")
    return tmp_path


def test_slips_are_made_from_the_file_of_a_system(kokin: Any, folder: Path) -> None:
    command = ("qr", "make", BILLS, "--bill-layout", LAYOUT, "--out", "slips", "--format", "payload")
    result = kokin(*command, cwd=folder)
    assert result.returncode == 0, result.stderr
    with (folder / "slips" / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["bill_id"] for row in rows] == ["00001001-202606-02", "00001002-202606-02"]  # the third is cancelled
    assert json.loads((folder / "slips" / "run.json").read_text(encoding="utf-8"))["bill_layout"]["name"] == (
        "water-system"
    )
    text = (folder / LAYOUT).read_text(encoding="utf-8")
    (folder / LAYOUT).write_text(text.replace('const = "127"', 'const = "128"'), encoding="utf-8")
    other = kokin(*command, cwd=folder)
    assert (other.returncode, "RUN_DIFFERS" in other.stderr, "bill_layout" in other.stderr) == (3, True, True)


def test_a_cut_file_makes_no_slips(kokin: Any, folder: Path) -> None:
    (folder / BILLS).write_bytes((folder / BILLS).read_bytes()[:-12])
    result = kokin("qr", "make", BILLS, "--bill-layout", LAYOUT, "--out", "slips", cwd=folder)
    assert (result.returncode, "RECORD_TRUNCATED" in result.stderr) == (3, True)
    assert not (folder / "slips").exists()


def test_bills_of_a_system_are_reconciled_and_added_to_a_ledger(kokin: Any, folder: Path) -> None:
    bills = ("--bills", BILLS, "--bill-layout", LAYOUT)
    result = kokin("reconcile", "receipts.csv", *bills, "--layout", "kokin-csv", "--out", "result", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "MATCHED" in result.stdout
    assert kokin("ledger", "create", "-L", "city.db", cwd=folder).returncode == 0
    command = ("ledger", "add-bills", "-L", "city.db", BILLS, "--bill-layout", LAYOUT)
    added = kokin(*command, "--format", "json", cwd=folder)
    assert added.returncode == 0, added.stderr
    listed = kokin("ledger", "list", "bills", "-L", "city.db", "--format", "json", cwd=folder)
    assert [row["amount"] for row in json.loads(listed.stdout)] == [12_300, 4_400, 3_300]


def test_without_the_layout_the_columns_that_look_like_fields_are_named(kokin: Any, folder: Path) -> None:
    result = kokin("qr", "make", BILLS, "--out", "slips", cwd=folder)
    assert result.returncode == 3
    assert "due_on: FIELD_MISSING" in result.stderr
    assert "column 10, `納期限`, looks like it: write a layout with `kokin layouts --new --bill FILE`" in result.stderr


def test_a_file_is_checked_before_it_is_printed(kokin: Any, folder: Path) -> None:
    assert kokin("issue", "check", BILLS, "--bill-layout", LAYOUT, cwd=folder).returncode == 0
    (folder / BILLS).write_bytes((folder / BILLS).read_bytes().replace(b"1234567891", b"1234567890"))
    (folder / BILLS).write_bytes((folder / BILLS).read_bytes().replace(b"654321", b"123456"))
    result = kokin("issue", "check", BILLS, "--bill-layout", LAYOUT, cwd=folder)
    assert (result.returncode, "record 2, el_number: SLIP_DUPLICATE" in result.stderr) == (3, True), result


def test_a_layout_is_written_from_a_sample(kokin: Any, folder: Path) -> None:
    result = kokin("layouts", "--new", "--bill", BILLS, "own", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert 'column = "納期限"' in result.stdout
    assert "花子" not in result.stdout
    (folder / "own.toml").write_text(result.stdout, encoding="utf-8")
    assert kokin("layouts", "own.toml", cwd=folder).returncode == 0
    assert kokin("layouts", "--bill", BILLS, cwd=folder).returncode == 2
    (folder / "data.csv").write_text("公金 花子,12300\n", encoding="utf-8")
    rejected = kokin("layouts", "--new", "--bill", "data.csv", cwd=folder)
    assert (rejected.returncode, "FILE_FORM" in rejected.stderr, "花子" in rejected.stderr) == (3, True, False)
