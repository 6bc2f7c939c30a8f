"""The commands of the work list: list, decide, dry run, trace and sample, in both languages and without names."""

import json

import openpyxl
import pytest

from tests.cli.conftest import run

BILLS = """bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,payer_key,name
B1234,99999,127,1234,123456,1000,2026-06-01,P1,公金 花子
B1235,99999,127,1235,123456,2000,2026-06-01,P1,公金 花子
B77,99999,127,77,123456,500,2026-06-01,P2,
"""
HEADER = "payee_code,item_code,case_key,confirmation,amount,paid_on,settled_on,agent_code\n"
MONDAY = (
    HEADER
    + """99999,127,1243,123456,2000,2026-05-01,2026-05-09,A1
99999,127,1234,123456,1000,2026-05-02,2026-05-09,A1
99999,127,1234,123456,1000,2026-05-03,2026-05-09,A1
99999,127,2,公金花子,100,2026-05-01,,
"""
)
REPORT = "first_day,last_day,count,amount\n2026-05-01,2026-05-31,x,y\n"


@pytest.fixture
def town(tmp_path):
    """A folder with a ledger of three bills and a file with an unknown payment, a double one and a rejected record."""
    files = {"bills.csv": BILLS, "mon.csv": MONDAY, "half.csv": HEADER + "99999,12", "a.csv": REPORT}
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")

    def kokin(*args, code=0, **more):
        result = run("ledger", *args, cwd=tmp_path, kokin_ledger="city.db", **more)
        assert result.returncode == code, (result.stdout, result.stderr)
        assert "花子" not in result.stdout + result.stderr
        return result

    kokin("create")
    kokin("add-bills", "bills.csv")
    kokin("post", "mon.csv", "half.csv", "-l", "kokin-csv", code=3)
    kokin("add-agent-reports", "a.csv", code=3)
    return kokin, tmp_path


def fill(path, *changes):
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    heads = [cell.value for cell in sheet[1]]
    names = [cell.value for cell in sheet["A"]]
    for exception, column, value in changes:
        sheet.cell(names.index(exception) + 1, heads.index(column) + 1).value = value
    book.save(path)


def test_a_list_is_decided_and_ends_empty(town):
    kokin, folder = town
    listed = json.loads(kokin("worklist", "--out", "work.xlsx", "--format", "json", code=1).stdout)
    assert [row["exception_id"] for row in listed] == ["R1-NO_BILL", "R3-DUPLICATE_PAYMENT", "I1", "F4", "F5"]
    assert listed[0]["candidate_1"] == "B1235"
    report = ("report", "-L", "city.db", "--out", "report")
    assert run(*report, cwd=folder).returncode == 1
    fill(folder / "work.xlsx", ("R1-NO_BILL", "Decision", "Assign"), ("R1-NO_BILL", "Assigned bill", "B1235"))
    decided = ("decide", "work.xlsx", "--reason", "digits exchanged")
    before = json.loads(kokin("status", "--format", "json").stdout)
    dry = json.loads(kokin(*decided, "--dry-run", "--format", "json").stdout)
    assert dry["dry_run"] is True
    assert dry["effect"]["dispositions"]["applied"] == {"before": 1_000, "after": 3_000}
    assert json.loads(kokin("status", "--format", "json").stdout) == before
    assert "decided by entry 6; receipts matched again: 1" in kokin(*decided).stdout
    again = kokin(*decided, code=3)
    assert "work.xlsx!A2" in again.stderr
    assert "DECISION_SETTLED" in again.stderr
    # When the double payment is accepted, its yen are still to be refunded.
    for exceptions in (["R3-DUPLICATE_PAYMENT", "I1", "F4", "F5"], ["R3-REFUND_OPEN"]):
        listed = json.loads(kokin("worklist", "--out", "rest.csv", "--format", "json", code=1).stdout)
        assert [row["exception_id"] for row in listed] == exceptions
        text = (folder / "rest.csv").read_text(encoding="utf-8-sig").replace(",,,,,,\n", ",accept,,,,seen,\n")
        (folder / "rest.csv").write_text(text, encoding="utf-8-sig")
        kokin("decide", "rest.csv")
    # What was accepted is still in the report, but is no longer an open exception.
    assert run(*report, cwd=folder).returncode == 0
    assert "open exceptions: 0" in kokin("worklist").stdout
    assert json.loads(kokin("list", "issues", "--format", "json").stdout) == []


def test_japanese_words(town):
    kokin, folder = town
    assert "未処理の例外: 5 件" in kokin("worklist", "--out", "work.xlsx", code=1, kokin_lang="ja").stdout
    fill(folder / "work.xlsx", ("R1-NO_BILL", "判断", "充当先の指定"), ("R1-NO_BILL", "充当先の通知書番号", "B1235"))
    fill(folder / "work.xlsx", ("R3-DUPLICATE_PAYMENT", "判断", "了承"))
    shown = kokin("decide", "work.xlsx", "--reason", "確認済", "--dry-run", kokin_lang="ja").stdout
    assert "試行です" in shown
    assert "充当先の指定" in shown
    kokin("decide", "work.xlsx", "--reason", "確認済", kokin_lang="ja")
    assert "充当先の指定" in kokin("show", "mon.csv:1", kokin_lang="ja").stdout


def test_a_dry_run_of_post_has_the_exit_code_and_writes_nothing(town):
    kokin, folder = town
    (folder / "tue.csv").write_text(HEADER + "99999,127,77,123456,600,2026-05-04,,\n")
    before = kokin("status").stdout
    result = kokin("post", "tue.csv", "-l", "kokin-csv", "--dry-run", code=1)
    assert "dry run: nothing was written" in result.stdout
    assert "OVERPAID" in result.stdout
    rows = json.loads(kokin("post", "tue.csv", "-l", "kokin-csv", "--dry-run", "--format", "json", code=1).stdout)
    assert rows[0]["effect"]["outcomes"] == {
        "OVERPAID": {"before": {"count": 0, "amount": 0}, "after": {"count": 1, "amount": 600}}
    }
    kokin("post", "half.csv", "-l", "kokin-csv", "--dry-run", code=3)
    assert kokin("status").stdout == before


def test_a_deposit_is_traced_to_its_receipts_and_back(town):
    kokin, folder = town
    (folder / "bank.csv").write_text(
        "payee_code,item_code,case_key,confirmation,amount,paid_on,received_on,agent_code\n"
        "99999,127,1,123456,4000,2026-05-09,2026-05-09,A1\n"
    )
    kokin("add-deposits", "bank.csv", "--layout", "kokin-csv")
    for name in ("2026-05-09", "2026-05-09/A1", "1"):
        traced = json.loads(kokin("show", "--deposit", name, "--format", "json").stdout)
        assert [row["amount"] for row in traced["deposits"]] == [4_000]
        assert [(row["source"], row["record_no"], row["expected"]) for row in traced["receipts"]] == [
            ("mon.csv", 1, 2_000),
            ("mon.csv", 2, 1_000),
            ("mon.csv", 3, 1_000),
        ]
        assert [row["bill_id"] for row in traced["bills"]] == ["B1234"]
    assert "sum of the receipts 4,000; deposited 4,000" in kokin("show", "--deposit", "2026-05-09").stdout
    back = json.loads(kokin("show", "mon.csv:2", "--format", "json").stdout)
    assert [row["id"] for row in back["deposits"]] == [1]
    assert [row["bill_id"] for row in back["bills"]] == ["B1234"]
    of_entry = json.loads(kokin("show", "--entry", "3", "--format", "json").stdout)
    assert [row["record_no"] for row in of_entry["receipts"]] == [1, 2, 3]


def test_a_divided_payment_is_in_the_history_of_each_bill(town):
    kokin, folder = town
    head = "exception_id,decision,assigned_bill_id,assigned_amount,hold_until,reason,approver\n"
    rows = "R1-NO_BILL,assign,B1235,1500,,two bills,\nR1-NO_BILL,assign,B77,500,,two bills,\n"
    (folder / "parts.csv").write_text(head + rows)
    kokin("decide", "parts.csv")
    for bill in ("B1235", "B77"):
        history = json.loads(kokin("show", bill, "--format", "json").stdout)
        assert [(row["bill_id"], row["amount"]) for row in history["decisions"]] == [("B1235", 1_500), ("B77", 500)]
        assert {row["receipt_id"] for row in history["postings"]} == {1}


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("show",), 2),
        (("show", "B1234", "--entry", "1"), 2),
        (("show", "--deposit", "soon"), 2),
        (("show", "nothing"), 3),
        (("show", "mon.csv:99"), 3),
        (("show", "--entry", "99"), 3),
        (("show", "--deposit", "2026-01-01"), 3),
        (("show", "--deposit", "9"), 3),
        (("decide", "mon.csv"), 3),
        (("decide", "missing.xlsx"), 4),
    ],
)
def test_what_is_unknown_is_rejected(town, args, code):
    town[0](*args, code=code)


def test_a_sample_is_reproducible(town):
    kokin, _ = town
    draw = ("sample", "--seed", "7", "--count", "2", "--format")
    first = kokin(*draw, "json").stdout
    assert first == kokin(*draw, "json").stdout
    rows = json.loads(first)
    assert {row["source"] for row in rows} == {"mon.csv"}
    assert sum(row["hits"] for row in rows) == 2
    assert all(len(row["digest"]) == len(row["posting_hash"]) == 64 for row in rows)
    assert kokin(*draw, "csv").stdout.startswith("receipt_id,entry_id,source,record_no,")
    assert json.loads(kokin(*draw, "json", "--from", "2026-06-01").stdout) == []
    assert len(json.loads(kokin(*draw, "json", "--by", "count", "--to", "2026-05-01").stdout)) == 1


def test_reconcile_records_a_rejected_file_in_the_ledger(town):
    kokin, folder = town
    (folder / "cut.csv").write_text(HEADER + "99999,1")
    options = ("--bills", "bills.csv", "-l", "kokin-csv", "--out", "out", "-L", "city.db")
    result = run("reconcile", "cut.csv", *options, cwd=folder)
    assert result.returncode == 3
    issues = json.loads(kokin("list", "issues", "--format", "json").stdout)
    assert "cut.csv" in {row["file"] for row in issues}
    assert not (folder / "out").exists()


def test_rates_of_a_later_year_are_read_from_a_file(tmp_path):
    bill = "F1,99999,901,1,123456,5000000,2026-06-30,fixed-asset-tax,fixed-asset-tax,P1\n"
    heading = "bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,system,charge,payer_key\n"
    (tmp_path / "bills.csv").write_text(heading + bill, encoding="utf-8")
    paid = "".join(f"99999,901,1,123456,5000000,2026-06-{day},,\n" for day in (20, 25))
    (tmp_path / "paid.csv").write_text(HEADER + paid, encoding="utf-8")
    (tmp_path / "rates.toml").write_text("[[rates]]\nyears = [2027, 2027]\naverage = 1.0\n", encoding="utf-8")

    def kokin(*args, **more):
        return run("ledger", *args, cwd=tmp_path, kokin_ledger="city.db", **more)

    kokin("create")
    kokin("add-bills", "bills.csv")
    kokin("post", "paid.csv", "-l", "kokin-csv")
    listing = ("refund", "list", "--day", "2027-02-01", "--format", "json")
    assert "RATE_MISSING" in kokin(*listing).stderr
    (proposal,) = json.loads(kokin(*listing, "--rates", "rates.toml").stdout)
    assert proposal["amount"] == 5_000_000
    assert proposal["interest"] > 0
    assert json.loads(kokin(*listing, kokin_rates="rates.toml").stdout) == [proposal]
