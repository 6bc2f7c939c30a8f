"""The commands in a batch job: exit codes, files, and no partial output."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kokin import elqr, receipts
from kokin.text import JAPAN

Kokin = Callable[..., Any]

# The published test row of a store agency, and the direct-debit sample, with · for a blank.
DSK = (
    '01,20240112,1815,EAN91929023252070000010123499900199999900106050,000001,01234999001,0,10605,010,"セブン－イレブン",'
    "110001,0,20240117"
)
DSK_HEADER = "種別,収納日,収納時刻,バーコード,使用欄1,使用欄2,印紙,金額,本部コード,本部名,店舗コード,振込日,作成日"
ZENGIN_91 = """\
19101234567890ｻﾝﾌﾟﾙｼ··································10319999ﾃｽﾄｷﾞﾝｺｳ·······001ﾎﾝﾃﾝ···········11234567·················
29999ﾃｽﾄｷﾞﾝｺｳ·······002ﾋｶﾞｼ···············17654321ｽｲﾄﾞｳ·ﾀﾛｳ·····················00000043200000000000000000123450········
29999ﾃｽﾄｷﾞﾝｺｳ·······002ﾋｶﾞｼ···············17654322ｺｳｷﾝ·ﾊﾅｺ······················00000120001000000000000000123461········
8000002000000016320000001000000004320000001000000012000·································································
9·······················································································································
""".replace("·", " ")

BILLS = """\
bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,payable_until,levy_year,tax_year,customer_number,barcode
W1,99999,921,1,000001,4320,2026-10-31,2026-11-30,2026,2026,00000000000000012345,
W2,99999,921,2,000002,12000,2026-10-31,2026-11-30,2026,2026,00000000000000012346,
S1,99999,931,3,000003,10605,2026-10-31,2026-11-30,2026,2026,,91929023252070000010123499900199999900106050
"""

RECEIPT_COLUMNS = "payee_code,item_code,case_key,confirmation,amount,paid_on"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bills.csv").write_text(BILLS, encoding="utf-8")
    (tmp_path / "debit.txt").write_bytes(ZENGIN_91.replace("\n", "\r\n").encode("cp932"))
    (tmp_path / "stores.csv").write_bytes(f"{DSK_HEADER}\r\n{DSK}".encode("cp932"))
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_published_samples_check_clean(kokin: Kokin, folder: Path) -> None:
    result = kokin("check", "debit.txt", "stores.csv", "-l", "zengin-91", "-l", "dsk-csv", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    data = kokin("check", "debit.txt", "--layout", "zengin-91", "--format", "json", cwd=folder)
    (file,) = json.loads(data.stdout)
    assert (file["counts"]["read"], file["counts"]["accepted"], file["counts"]["unpaid"]) == (2, 1, 1)
    assert len(file["declared"]) == 6
    assert all(each["agrees"] for each in file["declared"])
    assert "ﾀﾛｳ" not in data.stdout + result.stdout
    assert "ｻﾝﾌﾟﾙｼ" not in result.stdout
    assert "ｻﾝﾌﾟﾙｼ" in kokin("check", "debit.txt", "-l", "zengin-91", "--unmasked", cwd=folder).stdout


def test_published_samples_reconcile(kokin: Kokin, folder: Path) -> None:
    result = kokin(
        *("reconcile", "--bills", "bills.csv", "debit.txt", "stores.csv", "--out", "out"),
        *("-l", "zengin-91", "-l", "dsk-csv", "--reference-date", "2026-11-01"),
        cwd=folder,
    )
    # The report of the store is of 2024, and no final receipt followed; everything else is clean.
    assert result.returncode == 1, result.stderr
    assert [row["outcome"] for row in rows(folder / "out" / "exceptions.csv")] == ["STALE_PROVISIONAL"]
    found = {(row["bill_id"], row["outcome"], row["applied"]) for row in rows(folder / "out" / "outcomes.csv")}
    assert found == {("W1", "MATCHED", "4320"), ("S1", "PROVISIONAL", "0")}
    assert {row["bill_id"]: row["residual"] for row in rows(folder / "out" / "balances.csv")} == {
        "W1": "0",
        "W2": "12000",
        "S1": "10605",
    }
    summary = json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["controls"]["T4"] == {**summary["controls"]["T4"], "left": 14925, "right": 14925, "holds": True}
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "allocations.csv",
        "balances.csv",
        "exceptions.csv",
        "issues.csv",
        "outcomes.csv",
        "report.html",
        "summary.json",
    ]


def test_the_sums_of_two_authorities_are_printed_for_each(kokin: Kokin, folder: Path) -> None:
    two = BILLS.replace("\nW2,99999,", "\nW2,88888,")
    (folder / "bills.csv").write_text(two, encoding="utf-8")
    (folder / "receipts.csv").write_text(
        f"{RECEIPT_COLUMNS}\n99999,921,1,000001,4320,2026-10-01\n88888,921,2,000002,13000,2026-10-01\n",
        encoding="utf-8",
    )
    arguments = ("reconcile", "--bills", "bills.csv", "receipts.csv", "-l", "kokin-csv")
    result = kokin(*arguments, "--reference-date", "2026-11-01", "--out", "out", cwd=folder)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["88888", "1", "12,000", "1,000", "0", "0", "0"] in lines
    assert ["99999", "1", "4,320", "0", "0", "0", "0"] in lines
    balances = rows(folder / "out" / "balances.csv")
    assert list(balances[0]) == ["bill_id", "payee_code", "amount", "paid", "residual", "status"]
    assert [(row["bill_id"], row["payee_code"]) for row in balances] == [
        ("S1", "99999"),
        ("W1", "99999"),
        ("W2", "88888"),
    ]
    summary = json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))
    assert {payee: totals["amount"] for payee, totals in summary["payees"].items()} == {"88888": 13_000, "99999": 4_320}
    (folder / "bills.csv").write_text(BILLS, encoding="utf-8")
    (folder / "receipts.csv").write_text(f"{RECEIPT_COLUMNS}\n99999,921,1,000001,4320,2026-10-01\n", encoding="utf-8")
    assert "payee_code" not in kokin(*arguments, "--reference-date", "2026-11-01", "--out", "b", cwd=folder).stdout


def test_deposits_are_compared(kokin: Kokin, folder: Path) -> None:
    reference = ("--reference-date", "2026-11-01")
    (folder / "receipts.csv").write_text(
        "payee_code,item_code,case_key,confirmation,amount,paid_on,settled_on\n"
        "99999,921,1,000001,4320,2026-10-01,2026-10-20\n99999,921,2,000002,12000,2026-10-01,2026-10-20\n",
        encoding="utf-8",
    )
    for amount, holds in ((16_320, True), (16_319, False)):
        receipts.write([{"received_on": date(2026, 10, 20), "amount": amount}], folder / "bank.dat", "zengin-01")
        result = kokin(
            *("reconcile", "--bills", "bills.csv", "receipts.csv", "-l", "kokin-csv", "--out", "out"),
            *("--deposits", "bank.dat", *reference),
            cwd=folder,
        )
        assert result.returncode == (0 if holds else 5), result.stderr + result.stdout
        summary = json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))
        assert (summary["controls"]["T3"]["right"], summary["controls"]["T3"]["holds"]) == (16_320, holds)


def test_a_second_run_writes_the_same_bytes(kokin: Kokin, folder: Path) -> None:
    arguments = ("reconcile", "--bills", "bills.csv", "debit.txt", "-l", "zengin-91")
    for out in ("a", "b", "b"):
        kokin(*arguments, "--reference-date", "2026-11-01", "--out", out, cwd=folder)
    first = {path.name: path.read_bytes() for path in (folder / "a").iterdir()}
    assert {path.name: path.read_bytes() for path in (folder / "b").iterdir()} == first


def test_a_file_with_the_same_bytes_is_left_out(kokin: Kokin, folder: Path) -> None:
    (folder / "copy.txt").write_bytes((folder / "debit.txt").read_bytes())
    result = kokin(
        *("reconcile", "--bills", "bills.csv", "debit.txt", "copy.txt", "--out", "out"),
        *("-l", "zengin-91"),
        cwd=folder,
    )
    assert result.returncode == 1
    assert "FILE_AGAIN" in result.stderr
    assert len(rows(folder / "out" / "outcomes.csv")) == 1


def broken(name: str, content: bytes) -> bytes:
    lines = content.split(b"\r\n")
    match name:
        case "wrong total":
            return content.replace(b"8000002000000016320", b"8000002000000016321")
        case "unknown byte":
            at = content.index(b"\r\n") + 2 + 50
            return content[:at] + b"\x80" + content[at + 1 :]
        case "truncated last record":
            return b"\r\n".join(lines[:4])[:-7]
        case "byte order mark":
            return b"\xef\xbb\xbf" + content
        case "request":
            return content.replace(b"000001000000004320000001000000012000", b"0" * 36).replace(
                b"123461        ", b"123460        "
            )
    raise AssertionError(name)


@pytest.mark.parametrize(
    ("name", "code", "byte"),
    [
        ("wrong total", "TOTAL_MISMATCH", 373),
        ("unknown byte", "BYTE_UNKNOWN", 172),
        ("truncated last record", "RECORD_TRUNCATED", 366),
        ("byte order mark", "FILE_BOM", 0),
        ("request", "REQUEST_FILE", 366),
    ],
)
def test_a_damaged_file_is_rejected_with_its_byte_and_nothing_is_written(
    kokin: Kokin, folder: Path, name: str, code: str, byte: int
) -> None:
    damaged = folder / "damaged.txt"
    damaged.write_bytes(broken(name, (folder / "debit.txt").read_bytes()))
    checked = kokin("check", "damaged.txt", "-l", "zengin-91", "--format", "json", cwd=folder)
    assert checked.returncode == 3
    (file,) = json.loads(checked.stdout)
    assert file["is_rejected"]
    sarif = json.loads(kokin("check", "damaged.txt", "-l", "zengin-91", "--format", "sarif", cwd=folder).stdout)
    assert code in {result["ruleId"] for result in sarif["runs"][0]["results"]}
    assert (code, byte) in {(issue["code"], issue["byte"]) for issue in file["issues"]}
    result = kokin(
        "reconcile",
        "--bills",
        "bills.csv",
        "debit.txt",
        "damaged.txt",
        "-l",
        "zengin-91",
        "--out",
        "o",
        cwd=folder,
    )
    assert result.returncode == 3
    assert code in result.stderr
    assert f"byte {byte}" in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["bills.csv", "damaged.txt", "debit.txt", "stores.csv"]


def test_a_file_with_payments_of_another_file_is_named(kokin: Kokin, folder: Path) -> None:
    header, first, second, third = (
        f"{RECEIPT_COLUMNS}\n",
        *(f"99999,127,{n},00000{n},1000,2026-06-0{n}\n" for n in (1, 2, 3)),
    )
    (folder / "a.csv").write_text(header + first + second, encoding="utf-8")
    (folder / "b.csv").write_text(header + second + third, encoding="utf-8")
    check = ("check", "a.csv", "b.csv", "stores.csv", "-l", "kokin-csv", "-l", "kokin-csv", "-l", "dsk-csv")
    result = kokin(*check, cwd=folder)
    assert result.returncode == 1
    lines = [line for line in result.stderr.splitlines() if "FILE_OVERLAPS" in line]
    overlapping, other = ("a.csv", "b.csv") if lines[0].startswith("a") else ("b.csv", "a.csv")
    assert len(lines) == 1
    assert lines[0].startswith(f"{overlapping}, records: FILE_OVERLAPS: ")
    assert lines[0].endswith(f"found 1 of 2 in {other}")
    files = json.loads(kokin(*check, "--format", "json", cwd=folder).stdout)
    assert {file["source"]: file["issue_counts"] for file in files if file["issue_counts"]} == {
        overlapping: {"FILE_OVERLAPS": 1}
    }
    sarif = json.loads(kokin(*check, "--format", "sarif", cwd=folder).stdout)
    found = [(result["ruleId"], result["level"]) for run in sarif["runs"] for result in run["results"]]
    assert found == [("FILE_OVERLAPS", "warning")]
    run = ("--bills", "bills.csv", "a.csv", "b.csv", "-l", "kokin-csv", "--out", "out")
    reconciled = kokin("reconcile", *run, cwd=folder)
    assert reconciled.returncode == 1
    assert lines[0] in reconciled.stderr
    for alone in ("a.csv", "b.csv"):
        assert kokin("check", alone, "-l", "kokin-csv", cwd=folder).returncode == 0


def test_a_total_that_unreadable_records_may_explain_is_not_checked(kokin: Kokin, folder: Path) -> None:
    content = (folder / "debit.txt").read_bytes()
    debit = content.replace(b"0000012000", b"000001200O", 1).replace(b"0000004320", b"000000432O", 1)
    (folder / "debit.txt").write_bytes(debit)
    checked = kokin("check", "debit.txt", "-l", "zengin-91", "--format", "json", cwd=folder)
    assert checked.returncode == 1, checked.stderr
    (file,) = json.loads(checked.stdout)
    assert "TOTAL_UNSURE" in file["issue_counts"]
    assert None in {total["agrees"] for total in file["declared"]}
    assert False not in {total["agrees"] for total in file["declared"]}
    run = ("--bills", "bills.csv", "debit.txt", "-l", "zengin-91", "--out", "out")
    assert kokin("reconcile", *run, cwd=folder).returncode == 1
    control = json.loads((folder / "out/summary.json").read_text(encoding="utf-8"))["controls"]["T1"]
    assert control["holds"] == "not checked"
    assert control["unsure"]
    assert kokin("ledger", "create", "-L", "city.db", cwd=folder).returncode == 0
    assert kokin("ledger", "add-bills", "-L", "city.db", "bills.csv", cwd=folder).returncode == 0
    assert kokin("ledger", "post", "-L", "city.db", "debit.txt", "-l", "zengin-91", cwd=folder).returncode == 1
    # The two unreadable records are open exceptions.
    assert kokin("report", "-L", "city.db", "--out", "morning", cwd=folder).returncode == 1


def test_a_file_of_another_layout_is_rejected_as_a_whole(kokin: Kokin, folder: Path) -> None:
    (folder / "eltax.csv").write_text("payee_code,item_code,amount,paid_on\n99999,127,1,2026-06-01\n", encoding="utf-8")
    result = kokin("check", "eltax.csv", "-l", "dsk-csv", cwd=folder)
    assert result.returncode == 3
    assert "eltax.csv, byte 0: COLUMNS_COUNT" in result.stderr


def test_invalid_bills_are_rejected_before_anything_is_written(kokin: Kokin, folder: Path) -> None:
    (folder / "bills.csv").write_text(BILLS.replace("4320", "43x0"), encoding="utf-8")
    result = kokin("reconcile", "--bills", "bills.csv", "debit.txt", "-l", "zengin-91", "--out", "out", cwd=folder)
    assert result.returncode == 3
    assert "record 1, amount: NOT_DIGITS" in result.stderr
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["no-such-command"], 2),
        (["check", "debit.txt"], 2),
        (["check", "debit.txt", "-l", "zengin-91", "-l", "dsk-csv"], 2),
        (["qr", "make", "bills.csv", "--out", "x", "--module-mm", "0"], 2),
        (["check", "debit.txt", "-l", "no-such-layout"], 3),
        (["check", "no-such-file", "-l", "zengin-91"], 4),
        (["qr", "make", "no-such-file", "--out", "x"], 4),
        (["qr", "read", "no-such-file.png"], 4),
        (["qr", "read", "123"], 3),
        (["layouts"], 0),
        (["layouts", "zengin-91"], 0),
        (["layouts", "--new", "my-layout"], 0),
        (["--version"], 0),
    ],
)
def test_exit_codes(kokin: Kokin, folder: Path, args: list[str], code: int) -> None:
    result = kokin(*args, cwd=folder)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert bool(result.stderr) == (code != 0)


def test_messages_follow_the_language(kokin: Kokin, folder: Path) -> None:
    assert "桁" in kokin("qr", "read", "123", cwd=folder, kokin_lang="ja_JP.UTF-8").stderr


def test_a_slip_is_made_and_read_back(kokin: Kokin, folder: Path) -> None:
    zxingcpp = pytest.importorskip("zxingcpp", reason="pip install 'kokin[decode]'")
    images = pytest.importorskip("PIL.Image", reason="pip install 'kokin[decode]'")
    assert kokin("qr", "make", "bills.csv", "--out", "slips", "--format", "png", cwd=folder).returncode == 0
    manifest = rows(folder / "slips" / "manifest.csv")
    assert [row["bill_id"] for row in manifest] == ["W1", "W2", "S1"]
    for row in manifest:
        (found,) = zxingcpp.read_barcodes(images.open(folder / "slips" / row["file"]))
        assert elqr.parse(found.text).confirmation == f"{int(row['record']):06d}"
        assert found.ec_level == "M"
        read = kokin("qr", "read", folder / "slips" / row["file"], cwd=folder)
        assert read.returncode == 0
        assert elqr.parse(found.text).el_number in read.stdout


@pytest.mark.parametrize("last_day", ["2026-11-28", "2027-03-01"])
def test_demo_accounts_for_every_yen(kokin: Kokin, tmp_path: Path, last_day: str) -> None:
    arguments = ("demo", "--bills", 3000, "--seed", 7, "--last-day", last_day)
    result = kokin(*arguments, "--out", "city", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "every yen in exactly one" in result.stdout
    outcomes = rows(tmp_path / "city" / "result" / "outcomes.csv")
    assert {row["outcome"] for row in outcomes} >= {
        *("MATCHED", "UNDERPAID", "OVERPAID", "DUPLICATE_PAYMENT", "NO_BILL", "PROVISIONAL", "SUPERSEDED"),
        *("CANCELLED", "CANCEL", "DUPLICATE_RECORD", "REVERSAL", "REVERSED"),
    }
    summary = json.loads((tmp_path / "city" / "result" / "summary.json").read_text(encoding="utf-8"))
    assert sum(file["accepted"] for file in summary["files"]) == len(outcomes)
    assert sum(file["rejected"] for file in summary["files"]) == 1
    received = sum(int(row["amount"]) * (-1 if row["outcome"] == "REVERSAL" else 1) for row in outcomes)
    assert received == summary["controls"]["T4"]["right"]
    assert all(control["holds"] is True for control in summary["controls"].values())
    # Deposits of the bank, reports of agents, and a file that has not come.
    assert summary["controls"]["T2"]["left"] > 0
    assert summary["controls"]["T3"]["left"] > summary["controls"]["T2"]["left"]
    assert [file["source"] for file in summary["intake"]["files"] if file["state"] == "missing"] == ["debit"]
    for pattern, layout in (("eltax*.csv", "kokin-csv"), ("stores*.csv", "dsk-csv")):
        for path in (tmp_path / "city").glob(pattern):
            table = receipts.read(path, layout, on_error="skip").table
            assert max(table["paid_on"].to_pylist()) <= date.fromisoformat(last_day)
    again = kokin(*arguments, "--out", "city2", cwd=tmp_path)
    assert again.stdout.replace("city2", "city") == result.stdout


def test_demo_ends_today(kokin: Kokin, tmp_path: Path) -> None:
    assert kokin("demo", "--bills", 300, cwd=tmp_path).returncode == 0
    today = datetime.now(JAPAN).date()
    summary = json.loads((tmp_path / "kokin-demo" / "result" / "summary.json").read_text(encoding="utf-8"))
    assert date.fromisoformat(summary["as_of"]) in (today, today - timedelta(days=1))  # it may run at midnight
