"""``kokin qr``: scans as readers send them, and runs that must not start."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from kokin.elqr import ElQr
from tests.support import NO_FONT, has_font, needs_font

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


def test_only_what_changed_is_printed_and_withdrawn_slips_are_named(kokin: Any, tmp_path: Path) -> None:
    write_bills(tmp_path, "1", "2", "3")
    assert kokin("qr", "make", "bills.csv", "--out", "old", cwd=tmp_path).returncode == 0
    write_bills(tmp_path, "1", "4", "3")
    result = kokin("qr", "make", "bills.csv", "--out", "new", "--against", "old", cwd=tmp_path)
    assert result.returncode == 0
    assert "read 3 = made 1 + unchanged 2 + not open 0 + rejected 0" in result.stdout
    assert "slips of the earlier run to withdraw: 1, in new" in result.stderr
    result = kokin("qr", "make", "bills.csv", "--out", "wider", "--against", "new", "--quiet", "5", cwd=tmp_path)
    assert (result.returncode, "made 3" in result.stdout) == (0, True)
    assert "all slips are printed, because these options changed: style" in result.stderr
    assert "slips of the earlier run that are replaced: 3, in wider" in result.stderr
    result = kokin("qr", "make", "bills.csv", "--out", "none", "--against", "nothing", cwd=tmp_path)
    assert result.returncode == 3
    assert "against: RUN_INCOMPLETE" in result.stderr
    assert not (tmp_path / "none").exists()


def test_the_first_rejected_bills_are_named(kokin: Any, tmp_path: Path) -> None:
    write_bills(tmp_path, "1", "x", "y", "2", "z", "w")
    result = kokin("qr", "make", "bills.csv", "--out", "slips", cwd=tmp_path)
    assert result.returncode == 1
    named = [line for line in result.stderr.splitlines() if line.startswith("bill ")]
    assert [line.partition(":")[0] for line in named] == ["bill B2", "bill B3", "bill B5"]
    assert "bills.csv, record 2, case_key: NOT_DIGITS" in named[0]


def test_a_file_whose_bills_are_all_rejected_ends_with_3(kokin: Any, tmp_path: Path) -> None:
    write_bills(tmp_path, "x", "y")
    result = kokin("qr", "make", "bills.csv", "--out", "slips", "--jobs", "2", cwd=tmp_path)
    assert (result.returncode, "read 2 = made 0 + rejected 2" in result.stdout) == (3, True)
    assert (tmp_path / "slips" / "issues.csv").exists()


@needs_font
def test_a_font_that_is_not_found_is_rejected_and_one_that_cannot_be_read_fails(kokin: Any, tmp_path: Path) -> None:
    write_bills(tmp_path, "1")
    (tmp_path / "words.toml").write_text('payee = "例示市"\n[items.127]\ncharge = "税"\n', encoding="utf-8")
    make = "qr", "make", "bills.csv", "--out", "slips", "--format", "pdf", "--words", "words.toml"
    assert kokin(*make, "--font", "No Such Family", cwd=tmp_path).returncode == 3
    assert kokin(*make, "--font", "nosuch.ttf", cwd=tmp_path).returncode == 4
    assert not (tmp_path / "slips").exists()


# --- before and after printing ----------------------------------------------------------------------------------------


def write_sound_bills(folder: Path, **replaced: str) -> None:
    """Write four bills without an issue; ``replaced`` are values of the third one."""
    names = HEADER.split(",")
    rows = [
        dict(
            zip(names, f"B{n},99999,127,{n},{n * 7919:06d},100,2026-06-01,2026,2026,2026-07-10".split(","), strict=True)
        )
        for n in range(1, 5)
    ]
    rows[2] |= replaced
    text = "\n".join([HEADER, *(",".join(row.values()) for row in rows)])
    (folder / "bills.csv").write_text(text + "\n", encoding="utf-8")


def test_a_file_of_sound_slips_is_clean(kokin: Any, tmp_path: Path) -> None:
    write_sound_bills(tmp_path)
    result = kokin("issue", "check", "bills.csv", "--issued-on", "2026-07-10", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "bills.csv: errors 0, warnings 0\n", "")


@pytest.mark.parametrize(
    ("replaced", "options", "issue", "code"),
    [
        ({"bill_id": "B1"}, (), "bill_id: SLIP_DUPLICATE", 3),
        ({"case_key": "1", "confirmation": "007919"}, (), "el_number: SLIP_DUPLICATE", 3),
        ({"confirmation": "000003"}, (), "confirmation: CONFIRMATION_WEAK", 3),
        ({"payable_until": "2026-05-29"}, (), "payable_until: PAYABLE_BEFORE_DUE", 3),
        ({}, ("--issued-on", "2026-07-11"), "payable_until: DEADLINE_PASSED", 3),
        ({"payable_until": ""}, (), "payable_until: FIELD_MISSING", 3),
        ({"payable_until": ""}, ("--no-deadline",), "", 0),
        ({"payable_until": "2026-07-20"}, (), "payable_until: DEADLINE_HOLIDAY", 1),
    ],
)
def test_issue_check_names_each_fault_and_writes_nothing(
    kokin: Any, tmp_path: Path, replaced: dict[str, str], options: tuple[str, ...], issue: str, code: int
) -> None:
    write_sound_bills(tmp_path, **replaced)
    result = kokin("issue", "check", "bills.csv", *options, cwd=tmp_path)
    assert (result.returncode, issue in result.stderr) == (code, True)
    result = kokin("issue", "check", "bills.csv", *options, "--format", "json", cwd=tmp_path)
    content = json.loads(result.stdout)
    assert (result.returncode, content["file"]) == (code, "bills.csv")
    assert (content["errors"] > 0, content["errors"] + content["warnings"]) == (code == 3, len(content["issues"]))
    assert [path.name for path in tmp_path.iterdir()] == ["bills.csv"]


@needs_font
def test_proof_sheets_are_printed_and_verified(kokin: Any, tmp_path: Path) -> None:
    pytest.importorskip("reportlab", reason="needs the extra 'pdf'")
    pytest.importorskip("zxingcpp", reason="needs the extra 'decode'")
    (tmp_path / "words.toml").write_text('payee = "例示市"\n[items.127]\ncharge = "税"\n', encoding="utf-8")
    arguments = ("--words", "words.toml", "--payee", "99999", "--issued-on", "2026-04-01")
    result = kokin("qr", "proof", "--out", "proof", *arguments, cwd=tmp_path)
    assert (result.returncode, "slips 14 = printed 14 + rejected 0" in result.stdout) == (0, True)
    assert kokin("qr", "proof", "--out", "proof", *arguments, cwd=tmp_path).returncode == 3
    result = kokin("qr", "verify", "proof", "proof/proof.pdf", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    (tmp_path / "proof" / "proof.csv").write_text(
        (tmp_path / "proof" / "proof.csv").read_text(encoding="utf-8").replace("99999-", "99998-", 1), encoding="utf-8"
    )
    result = kokin("qr", "verify", "proof", "proof/proof.pdf", "--format", "json", cwd=tmp_path)
    content = json.loads(result.stdout)
    assert (result.returncode, content["pages"], content["missing"]) == (3, 15, 1)
    assert content["counts"] == {"SCAN_OTHER_RUN": 1, "SLIP_MISSING": 1}
    result = kokin("qr", "verify", "proof", "proof/proof.pdf", "--sample", cwd=tmp_path)
    assert result.returncode == 3
    assert "proof.pdf#page=1, el_number: SCAN_OTHER_RUN" in result.stderr
    assert "SLIP_MISSING" not in result.stderr


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
        *("qr", "make", "bills.csv", "--out", "slips", "--format", output),
        *(("--words", "wording.toml") if output == "pdf" else ()),
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


@pytest.mark.parametrize("option", ["--words", "--template", "--font", "--digits-font", "--mark", "--notes"])
def test_an_option_of_pdf_is_a_usage_error_in_another_format(kokin: Any, tmp_path: Path, option: str) -> None:
    write_bills(tmp_path, "1")
    result = kokin("qr", "make", "bills.csv", "--out", "slips", option, "a4", cwd=tmp_path)
    assert (result.returncode, option in result.stderr, "--format pdf" in result.stderr) == (2, True, True)
    assert not (tmp_path / "slips").exists()


def test_symbols_that_no_phone_reads_are_not_printed(kokin: Any, tmp_path: Path) -> None:
    write_bills(tmp_path, "1")
    assert kokin("qr", "make", "bills.csv", "--out", "slips", "--module-mm", "0.24", cwd=tmp_path).returncode == 2
    options = ("--module-mm", "0.25", "--format", "png", "--dpi", "150")  # one pixel of 0.17 mm
    result = kokin("qr", "make", "bills.csv", "--out", "slips", *options, cwd=tmp_path)
    assert result.returncode == 3
    assert "dpi: PRINT_SIZE" in result.stderr
    assert not (tmp_path / "slips").exists()


def test_a_font_that_is_not_installed_ends_with_3_before_anything_is_written(kokin: Any, tmp_path: Path) -> None:
    write_bills(tmp_path, "1")
    (tmp_path / "wording.toml").write_text('payee = "例示市"\ncharge = "税"\n', encoding="utf-8")
    options = ("--format", "pdf", "--words", "wording.toml", "--font", "No Such Family")
    result = kokin("qr", "make", "bills.csv", "--out", "slips", *options, cwd=tmp_path)
    assert result.returncode == 3
    assert "font: FONT_MISSING" in result.stderr
    assert "fonts-morisawa-bizud-gothic" in result.stderr
    assert not (tmp_path / "slips").exists()


def print_a4(kokin: Any, folder: Path, *options: str) -> Any:
    if not has_font():
        pytest.skip(NO_FONT)
    (folder / "words.toml").write_text('payee = "例示市"\ncharge = "税"\n', encoding="utf-8")
    arguments = ("--out", "slips", "--format", "pdf", "--words", "words.toml", "--template", "a4")
    return kokin("qr", "make", "bills.csv", *arguments, *options, cwd=folder)


def write_addresses(folder: Path, *addresses: str) -> None:
    lines = [
        f"B{number},99999,127,{number},271828,100,2026-06-01,2026,2026,2026-07-10,公金花子,999-0001,{address}"
        for number, address in enumerate(addresses, 1)
    ]
    text = "\n".join([f"{HEADER},name,postal_code,address", *lines])
    (folder / "bills.csv").write_text(text + "\n", encoding="utf-8")


def test_slips_for_a_window_envelope_without_an_address_end_with_1(kokin: Any, tmp_path: Path) -> None:
    write_addresses(tmp_path, "例示県例示市1-2-3", "", "")
    result = print_a4(kokin, tmp_path)
    assert result.returncode == 1
    assert "read 3 = made 3 + rejected 0" in result.stdout
    assert "slips without a name or address, which cannot be posted in a window envelope: 2" in result.stderr
    issues = (tmp_path / "slips" / "issues.csv").read_text(encoding="utf-8-sig")
    rows = [(row["code"], row["field"], row["bill_id"]) for row in csv.DictReader(issues.splitlines())]
    assert rows == [("ADDRESS_MISSING", "address", "B2"), ("ADDRESS_MISSING", "address", "B3")]
    assert "例示県" not in result.stdout + result.stderr + issues


def test_a_text_that_is_too_long_names_its_bill(kokin: Any, tmp_path: Path) -> None:
    write_addresses(tmp_path, "例示県例示市1-2-3", "例示県例示市4-5-6")
    (tmp_path / "notes.csv").write_text(f"bill_id,note\nB2,{'例' * 160}\n", encoding="utf-8")
    result = print_a4(kokin, tmp_path, "--notes", "notes.csv")
    assert result.returncode == 1
    assert "read 2 = made 1 + rejected 1" in result.stdout
    assert "bill B2: bills.csv, record 2, note: TEXT_TOO_SMALL" in result.stderr
    assert "例例" not in result.stderr


def test_the_mark_the_font_of_the_digits_and_the_notes_are_a_part_of_the_run(kokin: Any, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="needs the extra 'decode'")
    pdfium = pytest.importorskip("pypdfium2")
    write_addresses(tmp_path, "例示県例示市1-2-3")
    image.new("RGB", (40, 20), (200, 0, 0)).save(tmp_path / "mark.png")
    (tmp_path / "notes.csv").write_text("bill_id,note\nB1,使用期間 4月分\n", encoding="utf-8")
    options = ("--mark", "mark.png", "--notes", "notes.csv")
    assert print_a4(kokin, tmp_path, *options).returncode == 0
    with pdfium.PdfDocument(tmp_path / "slips" / "part-00001.pdf") as document:
        text = document[0].get_textpage().get_text_bounded()
        colours = document[0].render(scale=1).to_pil().getcolors(1_000_000)
    assert "使用期間" in text
    assert (200, 0, 0) in {colour for _, colour in colours}
    for option in ((), ("--notes", "notes.csv"), (*options, "--digits-font", "BIZ UDGothic")):
        result = print_a4(kokin, tmp_path, *option)
        assert result.returncode == 3
        assert "RUN_DIFFERS" in result.stderr or "FONT_MISSING" in result.stderr
