"""``kokin issue allot``: exit codes, the file of bills, and what is in the ledger when something fails."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Kokin = Callable[..., Any]
SCHEME = """\
case_key = "{levy_year}{item_code}{serial:9}{check}"
check_digit = "gs1"
[barcode]
company_code = "929023"
free_field = "{case_key:20}"
"""
HEADER = "obligation_id,issue_no,payee_code,item_code,levy_year,tax_year,amount,due_on,payable_until,name\n"


@pytest.fixture
def folder(kokin: Kokin, tmp_path: Path) -> Path:
    (tmp_path / "scheme.toml").write_text(SCHEME, encoding="utf-8")
    assert kokin("ledger", "create", "-L", "city.db", cwd=tmp_path).returncode == 0
    return tmp_path


def write_debts(folder: Path, *rows: str) -> None:
    ends = ",2026-06-01,2026-07-10,公金 花子"
    fields = [row.split() for row in rows]
    lines = "".join(f"{name},{issue_no},99999,127,2026,2026,{yen}{ends}\n" for name, issue_no, yen in fields)
    (folder / "debts.csv").write_text(HEADER + lines, encoding="utf-8")


def allot(kokin: Kokin, folder: Path, *more: str, **environment: str) -> Any:
    files = ("debts.csv", "--scheme", "scheme.toml", "--out", "bills.csv", "-L", "city.db", "--actor", "clerk")
    return kokin("issue", "allot", *files, *more, cwd=folder, **environment)


def bills(folder: Path) -> list[dict[str, str]]:
    with (folder / "bills.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_debts_become_bills_that_can_be_checked_and_added(kokin: Kokin, folder: Path) -> None:
    write_debts(folder, "D1 1 1000", "D2 1 400000")
    result = allot(kokin, folder)
    assert (result.returncode, result.stdout.splitlines()) == (
        0,
        ["2 debts: new 2, reissued 0, unchanged 0; superseded 0", "bills.csv"],
    )
    first, second = bills(folder)
    assert (first["bill_id"], first["obligation_id"], first["status"], first["name"]) == (
        "D1-1",
        "D1",
        "open",
        "公金 花子",
    )
    assert (len(first["barcode"]), second["barcode"]) == (44, "")
    assert kokin("ledger", "add-bills", "-L", "city.db", "bills.csv", cwd=folder).returncode == 0
    entries = json.loads(kokin("ledger", "list", "entries", "-L", "city.db", "--format", "json", cwd=folder).stdout)
    assert [(entry["kind"], entry["actor"], entry["source"]) for entry in entries][1] == (
        "allotment",
        "clerk",
        "debts.csv",
    )


def test_the_same_call_writes_the_same_file(kokin: Kokin, folder: Path) -> None:
    write_debts(folder, "D1 1 1000", "D2 1 2000")
    allot(kokin, folder)
    content = (folder / "bills.csv").read_bytes()
    (folder / "bills.csv").unlink()  # as if the computer had stopped after the commit
    result = allot(kokin, folder, "--format", "json")
    assert json.loads(result.stdout)["unchanged"] == 2
    assert json.loads(result.stdout)["entry"] is None
    assert (folder / "bills.csv").read_bytes() == content


def test_a_reissue_writes_the_superseded_slip_too(kokin: Kokin, folder: Path) -> None:
    write_debts(folder, "D1 1 1000")
    allot(kokin, folder)
    (first,) = bills(folder)
    write_debts(folder, "D1 2 900")
    assert "reissued 1" in allot(kokin, folder).stdout
    old, new = bills(folder)
    assert (old["case_key"], old["amount"], old["status"], old["name"]) == (first["case_key"], "1000", "superseded", "")
    assert (new["bill_id"], new["amount"], new["status"]) == ("D1-2", "900", "open")
    numbers = kokin("ledger", "list", "numbers", "-L", "city.db", "--bill", "D1-2", "--format", "json", cwd=folder)
    assert [(row["bill_id"], row["status"]) for row in json.loads(numbers.stdout)] == [
        ("D1-1", "superseded"),
        ("D1-2", "open"),
    ]
    table = kokin("ledger", "list", "numbers", "-L", "city.db", cwd=folder, kokin_lang="ja").stdout
    assert "発行連番" in table
    assert "差替済" in table


def test_a_changed_amount_is_rejected_and_no_file_is_written(kokin: Kokin, folder: Path) -> None:
    write_debts(folder, "D1 1 1000")
    allot(kokin, folder)
    content = (folder / "bills.csv").read_bytes()
    write_debts(folder, "D2 1 5", "D1 1 999")
    result = allot(kokin, folder)
    assert result.returncode == 3
    assert "debts.csv, record 2, amount: ISSUED_DIFFERS" in result.stderr
    assert "花子" not in result.stderr
    assert (folder / "bills.csv").read_bytes() == content
    assert "D2" not in kokin("ledger", "list", "numbers", "-L", "city.db", cwd=folder).stdout


def test_wrong_files_are_rejected_with_the_key_or_the_record(kokin: Kokin, folder: Path) -> None:
    write_debts(folder, "D1 1 1000", "D2 1 x", "D3 0 1")
    result = allot(kokin, folder)
    assert result.returncode == 3
    assert "record 2, amount: NOT_DIGITS" in result.stderr
    assert "record 3, issue_no: AMOUNT_RANGE" in result.stderr
    write_debts(folder, "D1 1 1000")
    (folder / "scheme.toml").write_text('case_key = "{levy_year}{serial}"\n', encoding="utf-8")
    result = allot(kokin, folder)
    assert (result.returncode, "scheme.toml, case_key: SCHEME_INVALID" in result.stderr) == (3, True)
    (folder / "scheme.toml").unlink()
    assert allot(kokin, folder).returncode == 4
    assert not (folder / "bills.csv").exists()


def test_an_allotment_cannot_be_reversed(kokin: Kokin, folder: Path) -> None:
    write_debts(folder, "D1 1 1000")
    allot(kokin, folder)
    result = kokin("ledger", "reverse", "-L", "city.db", "--entry", 2, "--reason", "wrong", cwd=folder)
    assert (result.returncode, "NUMBERS_FINAL" in result.stderr) == (3, True)


def test_slips_are_checked_against_what_was_issued(kokin: Kokin, folder: Path) -> None:
    write_debts(folder, "D1 1 1000", "D2 1 2000")
    allot(kokin, folder)
    call = ("issue", "check", "bills.csv", "--issued-on", "2026-05-11")
    assert kokin(*call, "-L", "city.db", cwd=folder).returncode == 0
    path = folder / "bills.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",2026-06-01,", ",2026-06-02,", 1), encoding="utf-8")
    assert kokin(*call, cwd=folder).returncode == 0
    result = kokin(*call, "-L", "city.db", cwd=folder)
    assert result.returncode == 3
    assert "bills.csv, record 1, due_on: ISSUED_DIFFERS" in result.stderr
    assert kokin(*call, cwd=folder, kokin_ledger="city.db").returncode == 3
