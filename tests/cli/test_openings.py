"""``kokin ledger open-balances``: exit codes, a dry run, and the messages in both languages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Kokin = Callable[..., Any]
BILLS = """\
bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,paid_before
B1,99999,127,1,000001,1000,2026-06-30,1000
"""
TOTALS = """\
[bills]
count = 1
billed = 1000
paid = 1000
[overpayments]
count = 1
yen = 200
"""
COMMAND = ("ledger", "open-balances", "-L", "city.db", "--totals", "totals.toml", "--bills", "bills.csv")


@pytest.fixture
def folder(kokin: Kokin, tmp_path: Path) -> Path:
    (tmp_path / "bills.csv").write_text(BILLS, encoding="utf-8")
    (tmp_path / "over.csv").write_text("bill_id,amount,paid_on\nB1,200,2026-02-01\n", encoding="cp932")
    (tmp_path / "totals.toml").write_text(TOTALS, encoding="utf-8")
    assert kokin("ledger", "create", "-L", "city.db", cwd=tmp_path).returncode == 0
    return tmp_path


def test_balances_are_opened_once(kokin: Kokin, folder: Path) -> None:
    command = (*COMMAND, "--overpayments", "over.csv")
    tried = kokin(*command, "--dry-run", cwd=folder)
    assert (tried.returncode, "dry run" in tried.stdout) == (0, True)
    opened = kokin(*command, "--format", "json", cwd=folder)
    data = json.loads(opened.stdout)
    assert (data["entry"], data["inserted"], data["opening"]["overpayments"]) == (2, True, {"count": 1, "yen": 200})
    again = kokin(*command, cwd=folder, kokin_lang="ja")
    assert (again.returncode, "登録済みです (記帳 2)" in again.stdout) == (0, True)
    assert kokin("ledger", "reverse", "-L", "city.db", "--entry", "2", "--reason", "x", cwd=folder).returncode == 0


def test_totals_that_do_not_tie(kokin: Kokin, folder: Path) -> None:
    result = kokin(*COMMAND, cwd=folder, kokin_lang="ja")
    assert result.returncode == 3
    assert "overpayments.yen" in result.stderr
    assert "旧システムの合計" in result.stderr
    status = json.loads(kokin("ledger", "status", "-L", "city.db", "--format", "json", cwd=folder).stdout)
    assert status["entries"] == 1
