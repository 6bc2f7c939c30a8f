"""``kokin ledger close``, ``list closings``, ``list figures``, ``report --closing`` and ``account-file``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kokin.ledger import Ledger
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


def test_the_settlement_statement_of_a_fiscal_year(kokin: Kokin, city: Path) -> None:
    bill = BILL.splitlines()[1].replace("B1,99999,901,1,", "B2,99999,901,2,").replace("2026-06-30", "2025-06-30")
    (city / "old.csv").write_text(f"{BILL.splitlines()[0]}\n{bill}\n", encoding="utf-8")
    (city / "may.csv").write_text(
        RECEIPT.format(yen=520).replace("901,1,", "901,2,").replace("2026-06-01", "2026-05-31"), encoding="utf-8"
    )
    kokin("ledger", "add-bills", "old.csv", *LEDGER, cwd=city)
    kokin("ledger", "post", "may.csv", "-l", "kokin-csv", *LEDGER, cwd=city)
    command = ("ledger", "settlement", 2025, *LEDGER)
    result = kokin(*command, cwd=city)
    assert (result.returncode, "SETTLEMENT_OPEN" in result.stdout + result.stderr) == (3, True)
    kokin("ledger", "close", "day", "2026-06-02", *LEDGER, cwd=city)
    assert kokin("ledger", "close", "year", 2025, *LEDGER, cwd=city).returncode == 0
    result = kokin(*command, cwd=city)
    assert result.returncode == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[1] == ["99999", "fixed-asset-tax", "current", "500", "520", "20", "0", "0", "0", "100.00"]
    assert [line[-3:] for line in lines if line[:1] in (["S1"], ["S2"])] == [
        ["0", "0", "holds"],
        ["520", "520", "holds"],
    ]
    japanese = kokin(*command, "--codes", "accounts.toml", cwd=city, kokin_lang="ja").stdout
    assert all(text in japanese for text in ("調定額", "収入済額", "還付未済額", "収入未済額", "款", "現年", "記帳"))
    rows = kokin(*command, "--codes", "accounts.toml", "--format", "csv", cwd=city)
    assert rows.stdout.splitlines()[1] == "01,01,02,01,,,99999,fixed-asset-tax,901,current,500,520,20,0,0,0,100.00"
    (city / "accounts.toml").write_text(SUSPENSE, encoding="utf-8")
    assert kokin(*command, "--codes", "accounts.toml", cwd=city).returncode == 3
    post(kokin, city, 7)
    again = kokin(*command, "--format", "json", cwd=city)
    assert json.loads(again.stdout)["totals"][-1]["collected"] == 520


def test_a_statement_that_does_not_tie_to_the_closings_is_an_error(
    kokin: Kokin, city: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kokin("ledger", "close", "year", 2025, *LEDGER, cwd=city)
    read = Ledger.settlement
    monkeypatch.setattr(Ledger, "settlement", lambda *args, **more: replace(read(*args, **more), figures_yen=1))
    result = kokin("ledger", "settlement", 2025, *LEDGER, cwd=city)
    assert (result.returncode, "S2" in result.stderr) == (5, True)


def test_an_unverified_layout_of_the_accounting_system_is_named(kokin: Kokin, city: Path) -> None:
    command = ("--codes", "accounts.toml", "-l", "system.toml", "--out", "out.csv", *LEDGER)
    result = kokin("ledger", "account-file", 4, *command, cwd=city)
    assert (result.returncode, "LAYOUT_UNVERIFIED" in result.stderr) == (0, True)
