"""``kokin ledger write-off list``, ``write-off post`` and ``list write-offs``, in both languages."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Kokin = Callable[..., Any]

LEDGER = ("-L", "city.db")
BILLS = """bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,charge
B1,99999,901,1,123456,5000,2019-06-30,fixed-asset-tax
B2,99999,902,2,123456,3000,2019-07-31,water-charge
B3,99999,901,3,123456,2000,2026-06-30,fixed-asset-tax
"""


@pytest.fixture
def city(kokin: Kokin, tmp_path: Path) -> Path:
    """A folder with a ledger of three bills, of which two have lapsed."""
    (tmp_path / "bills.csv").write_text(BILLS, encoding="utf-8")
    for words in (("create",), ("add-bills", "bills.csv")):
        assert kokin("ledger", *words, *LEDGER, cwd=tmp_path).returncode == 0
    return tmp_path


def complete(folder: Path, **cells: str) -> None:
    """Fill in cells of the first row of the list."""
    with (folder / "list.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0] |= cells
    with (folder / "list.csv").open("w", encoding="cp932", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_the_list_is_completed_and_posted(kokin: Kokin, city: Path) -> None:
    result = kokin("ledger", "write-off", "list", *LEDGER, "--out", "list.csv", cwd=city)
    assert result.returncode == 0
    assert [line.split() for line in result.stdout.splitlines()[1:3]] == [
        ["B1", "fixed-asset-tax", "compulsory", "2019-06-30", "2024-06-30", "5,000"],
        ["B2", "water-charge", "private", "2019-07-31", "2024-07-31", "3,000", "needed"],
    ]
    assert "open: 8,000 yen; debts: 2" in result.stdout
    complete(city, amount="5000", article="地方税法18①", reason="消滅時効")
    post = ("ledger", "write-off", "post", "list.csv", *LEDGER, "--day", "2026-06-01")
    planned = kokin(*post, "--dry-run", cwd=city)
    assert (planned.returncode, planned.stdout.splitlines()[-1]) == (0, "dry run: nothing was written")
    posted = kokin(*post, cwd=city)
    assert (posted.returncode, posted.stderr) == (0, "")
    assert posted.stdout == "written off by entry 3: 5,000 yen; debts: 1\n"
    assert kokin(*post, cwd=city).stdout == "this file is added already, by entry 3\n"
    found = json.loads(kokin(*post, "--format", "json", cwd=city).stdout)
    assert {name: found[name] for name in ("inserted", "entry", "given", "yen")} == {
        "inserted": False,
        "entry": 3,
        "given": 1,
        "yen": 5_000,
    }
    assert "written_off" in kokin("ledger", "list", "balances", *LEDGER, cwd=city).stdout
    listed = kokin("ledger", "list", "write-offs", *LEDGER, cwd=city).stdout
    assert listed.split()[-3:] == ["2026-06-01", "地方税法18①", "消滅時効"]
    assert "地方税法18①" in kokin("ledger", "show", "B1", *LEDGER, cwd=city).stdout
    [due] = json.loads(kokin("ledger", "write-off", "list", *LEDGER, "--format", "json", cwd=city).stdout)
    assert (due["bill_id"], due["balance"], due["amount"]) == ("B2", 3_000, None)
    assert kokin("ledger", "reverse", "--entry", 3, "--reason", "x", *LEDGER, cwd=city).returncode == 0
    assert kokin("ledger", "list", "write-offs", "--format", "json", *LEDGER, cwd=city).stdout.strip() == "[]"


def test_rejected_rows_are_named(kokin: Kokin, city: Path) -> None:
    kokin("ledger", "write-off", "list", *LEDGER, "--out", "list.csv", cwd=city)
    complete(city, amount="5001", article="民法145", written_off_on="2026-06-01", reason="消滅時効")
    result = kokin("ledger", "write-off", "post", "list.csv", *LEDGER, cwd=city)
    assert result.returncode == 3
    assert all(text in result.stderr for text in ("list.csv", "WRITE_OFF_EXCEEDS", "WRITE_OFF_ARTICLE", "5,000"))
    result = kokin("ledger", "write-off", "post", "missing.csv", *LEDGER, cwd=city)
    assert result.returncode == 4


def test_the_command_speaks_japanese(kokin: Kokin, city: Path) -> None:
    def run(*words: str) -> str:
        result = kokin(*words, *LEDGER, cwd=city, kokin_lang="ja")
        assert result.returncode == 0, result.stderr
        return str(result.stdout)

    found = run("ledger", "write-off", "list", "--until", "2031-06-30", "--out", "list.csv")
    assert "強制徴収公債権" in found
    assert "3 件、未納 10,000 円" in found
    complete(city, amount="5000", article="地方税法18①", written_off_on="2026-06-01", reason="消滅時効")
    assert run("ledger", "write-off", "post", "list.csv") == "記帳 3 で 1 件、5,000 円を不納欠損にしました\n"
    assert "不納欠損" in run("ledger", "list", "balances")
