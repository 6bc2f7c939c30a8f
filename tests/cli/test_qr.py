"""``kokin qr``: scans as readers send them, and runs that must not start."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from kokin.elqr import ElQr
from tests.support import NO_FONT, has_font

CODE = ElQr(
    payee_code="99999",
    office_code="001",
    item_code="127",
    case_key="1234567890",
    confirmation="123456",
    amount=12300,
    levy_year=2026,
    tax_year=2026,
    period="00",
    due_on="2026-06-01",
    payable_until="2026-07-10",
)

HEADER = "bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,levy_year,tax_year,payable_until"


def write_bills(folder: Path, *case_keys: str) -> None:
    lines = [
        f"B{number},99999,127,{key},000001,100,2026-06-01,2026,2026,2026-07-10"
        for number, key in enumerate(case_keys, 1)
    ]
    (folder / "bills.csv").write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")


@pytest.mark.parametrize("scan", [CODE.payload, f"]Q1{CODE.payload}", f"]Q1{CODE.payload}\r\n"])
def test_a_scan_is_read_as_the_scanner_sends_it(kokin: Any, tmp_path: Path, scan: str) -> None:
    result = kokin("qr", "read", scan, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert CODE.el_number in result.stdout


def test_two_slips_with_one_number_end_with_3_before_anything_is_written(kokin: Any, tmp_path: Path) -> None:
    write_bills(tmp_path, "1", "2", "1")
    result = kokin("qr", "make", "bills.csv", "--out", "slips", cwd=tmp_path)
    assert result.returncode == 3
    assert "bills.csv, record 3, el_number: SLIP_DUPLICATE" in result.stderr
    assert "record 1" in result.stderr
    assert not (tmp_path / "slips").exists()


def test_another_run_in_a_folder_ends_with_3_and_names_what_differs(kokin: Any, tmp_path: Path) -> None:
    write_bills(tmp_path, "1", "2")
    assert kokin("qr", "make", "bills.csv", "--out", "slips", cwd=tmp_path).returncode == 0
    assert kokin("qr", "make", "bills.csv", "--out", "slips", cwd=tmp_path).returncode == 0
    write_bills(tmp_path, "1", "3")
    result = kokin("qr", "make", "bills.csv", "--out", "slips", cwd=tmp_path)
    assert result.returncode == 3
    assert "bills.sha256: RUN_DIFFERS" in result.stderr


@pytest.mark.parametrize(
    ("output", "side"), [("svg", "14.7 mm"), ("pdf", "14.7 mm"), ("png", "14.52 mm"), ("payload", None)]
)
def test_small_symbols_are_warned_of_and_their_true_size_is_printed(
    kokin: Any, tmp_path: Path, output: str, side: str | None
) -> None:
    if output == "pdf" and not has_font():
        pytest.skip(NO_FONT)
    write_bills(tmp_path, "1", "2")
    (tmp_path / "wording.toml").write_text('payee = "例示市"\ncharge = "税"\n', encoding="utf-8")
    result = kokin(
        *("qr", "make", "bills.csv", "--out", "slips", "--format", output, "--words", "wording.toml"),
        *("--module-mm", "0.3", "--quiet", "4", "--part-rows", "1"),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    issues = tmp_path / "slips" / "issues.csv"
    if side is None:
        assert not issues.exists()
        assert "mm wide" not in result.stdout
        return
    assert f"each {side} wide" in result.stdout
    assert "module_mm: MODULE_TOO_SMALL" in result.stderr
    assert [row["code"] for row in csv.DictReader(issues.read_text(encoding="utf-8-sig").splitlines())] == [
        "MODULE_TOO_SMALL"
    ]


def test_symbols_that_no_phone_reads_are_not_printed(kokin: Any, tmp_path: Path) -> None:
    write_bills(tmp_path, "1")
    assert kokin("qr", "make", "bills.csv", "--out", "slips", "--module-mm", "0.24", cwd=tmp_path).returncode == 2
    options = ("--module-mm", "0.25", "--format", "png", "--dpi", "150")  # one pixel of 0.17 mm
    result = kokin("qr", "make", "bills.csv", "--out", "slips", *options, cwd=tmp_path)
    assert result.returncode == 3
    assert "dpi: PRINT_SIZE" in result.stderr
    assert not (tmp_path / "slips").exists()
