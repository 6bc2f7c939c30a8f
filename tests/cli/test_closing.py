"""``kokin ledger close``, ``list closings``, ``list figures``, ``report --closing`` and ``account-file``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reports.test_account_entries import CODES, LAYOUT, SUSPENSE

Kokin = Callable[..., Any]

LEDGER = ("-L", "city.db")
BILL = (
    "bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,charge\n"
    "B1,99999,901,1,123456,500,2026-06-30,fixed-asset-tax\n"
)
RECEIPT = "payee_code,item_code,case_key,confirmation,amount,paid_on\n99999,901,1,123456,{yen},2026-06-01\n"


@pytest.fixture
def city(kokin: Kokin, tmp_path: Path) -> Path:
    """A folder with a ledger, a bill, a receipt and two closed days."""
    (tmp_path / "bills.csv").write_text(BILL, encoding="utf-8")
    (tmp_path / "accounts.toml").write_text(CODES + SUSPENSE, encoding="utf-8")
    (tmp_path / "system.toml").write_text(LAYOUT, encoding="utf-8")
    assert kokin("ledger", "create", *LEDGER, cwd=tmp_path).returncode == 0
    assert kokin("ledger", "add-bills", "bills.csv", *LEDGER, cwd=tmp_path).returncode == 0
    post(kokin, tmp_path, 300)
    result = kokin("ledger", "close", "day", "2026-06-01", *LEDGER, cwd=tmp_path)
    assert (result.returncode, "closed 2026-06-01 to 2026-06-01 by entry 4" in result.stdout) == (0, True)
    return tmp_path


def post(kokin: Kokin, folder: Path, yen: int) -> None:
    (folder / f"{yen}.csv").write_text(RECEIPT.format(yen=yen), encoding="utf-8")
    kokin("ledger", "post", f"{yen}.csv", "-l", "kokin-csv", *LEDGER, cwd=folder)


def test_a_report_is_printed_again_after_what_came_later(kokin: Kokin, city: Path) -> None:
    kokin("report", "--out", "first", *LEDGER, cwd=city)
    post(kokin, city, 200)
    found = kokin("ledger", "close", "day", "2026-06-02", "--format", "json", *LEDGER, cwd=city)
    assert json.loads(found.stdout)["late_received"] == 200
    assert kokin("report", "--closing", 4, "--out", "again", *LEDGER, cwd=city).returncode == 1  # underpaid
    first, again = ({path.name: path.read_bytes() for path in (city / name).iterdir()} for name in ("first", "again"))
    assert first == again
    closings = kokin("ledger", "list", "closings", *LEDGER, cwd=city).stdout.splitlines()
    assert [line.split() for line in closings[1:]] == [
        ["4", "day", "2026-06-01", "2026-06-01", "1", "300", "0"],
        ["6", "day", "2026-06-02", "2026-06-02", "1", "200", "200"],
    ]
    figures = kokin("ledger", "list", "figures", 6, *LEDGER, cwd=city).stdout
    assert "2026-06-02  2026-06-01" in figures


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("close", "day", "2026-06-03"), 3, "CLOSING_GAP"),
        (("close", "month", "2026-06"), 3, "CLOSING_GAP"),
        (("close", "year", "2025"), 0, "closed 2025-04-01 to 2026-05-31"),
        (("close", "enterprise-year", "2025"), 0, "closed 2025-04-01 to 2026-03-31"),
        (("close", "week", "2026-06"), 2, "enterprise-year"),
        (("close", "month", "2026-06-01"), 2, "YYYY-MM"),
        (("close", "day", "2026-06-31"), 2, "YYYY-MM-DD"),
        (("list", "figures", 3), 3, "CLOSING_UNKNOWN"),
    ],
)
def test_a_period_out_of_order_or_form_is_rejected(
    kokin: Kokin, city: Path, arguments: tuple[Any, ...], code: int, text: str
) -> None:
    result = kokin("ledger", *arguments, *LEDGER, cwd=city)
    assert (result.returncode, text in result.stdout + result.stderr) == (code, True)


def test_the_file_for_the_accounting_system(kokin: Kokin, city: Path) -> None:
    command = (
        "ledger",
        "account-file",
        4,
        "--codes",
        "accounts.toml",
        "-l",
        "system.toml",
        "--out",
        "out.csv",
        *LEDGER,
    )
    result = kokin(*command, cwd=city)
    assert (result.returncode, "A1" in result.stdout) == (0, True)
    assert (city / "out.csv").read_text(encoding="cp932").splitlines()[1:] == ["20260601,2026,01,01,02,01,300"]
    (city / "accounts.toml").write_text(SUSPENSE, encoding="utf-8")
    (city / "out.csv").unlink()
    result = kokin(*command, cwd=city)
    assert (result.returncode, "ACCOUNT_CODE_MISSING" in result.stdout + result.stderr) == (3, True)
    assert not (city / "out.csv").exists()
