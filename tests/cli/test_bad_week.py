"""A bad week of an invented authority, night by night, with the commands that its people run, in both databases.

Monday 3 November 2025 is a holiday (文化の日). All sums are calculated by hand.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from kokin import receipts
from kokin.ledger import Ledger
from kokin.text import JAPAN
from tests.cli.night import Night, forking_command
from tests.ledger.conftest import cluster, new_place, new_postgres, quick_folder, server

__all__ = ["cluster", "new_place", "new_postgres", "quick_folder", "server"]

pytestmark = pytest.mark.skipif(not (shutil.which("sh") and shutil.which("flock")), reason="sh or flock is missing")

INTAKE = """
[source.payments]
label = "納付情報"
layout = "eltax-example"
days = "weekdays"
since = 2025-11-03
through = 2025-11-07
until = 22:00:00
day_field = "header.made_day"

[source.converted]
label = "納付情報 (変換後)"
layout = "kokin-csv"
days = "weekdays"
since = 2025-11-10
until = 22:00:00

[source.bank]
label = "入金通知"
kind = "deposits"
layout = "zengin-01"
days = "bank"
since = 2025-11-04
until = 22:00:00
day_field = "header.made_day"

[source.agent]
label = "収納報告"
kind = "agent_reports"
file = "report-*.csv"
days = ["fri"]
since = 2025-11-03
until = 22:00:00
"""
#: Names of payers. They are in every file that comes; they must be in nothing that Kokin writes but the bank's file.
NAMES = {"bills": "夜道 迷子", "payments": "ヨミチ マイゴ", "deposits": "ﾖｱｹ ﾏﾃﾞﾈﾙ", "account": "ｱｻﾋ ﾏﾌﾞｼｲ"}
#: bill: yen, due on, payer. B05 is paid twice; its payer owes B06.
BILLS = {
    "B01": (10_000, "2025-11-30", "P1"),
    "B02": (8_000, "2025-11-30", "P2"),
    "B03": (7_000, "2025-11-30", "P3"),
    "B04": (6_000, "2025-11-30", "P4"),
    "B05": (9_000, "2025-11-30", "P5"),
    "B06": (4_000, "2025-10-31", "P5"),
    "B07": (6_000, "2025-11-30", "P7"),
    "B08": (3_000, "2025-11-30", "P8"),
    "B09": (5_000, "2025-11-30", "P9"),
    "B10": (2_000, "2025-11-30", "P10"),
    "B11": (1_000, "2025-11-30", "P11"),
    "B12": (1_500, "2025-11-30", "P12"),
}
FINAL, PROVISIONAL, REVERSAL = "2", "1", "5"


@dataclass
class Week:
    """The night, the serial numbers of its payments, and what every command has printed."""

    night: Night
    serial: int = 0
    printed: str = ""
    output: str = ""
    proposal: str = ""

    def path(self, name: str) -> Path:
        return self.night.folder / name

    def pay(self, bill: str, amount: int, paid: str, settled: str = "", **more: Any) -> dict[str, Any]:
        """Return a record of the file of payments; its case key is the number of the bill."""
        self.serial += 1
        record = {"type": FINAL, "payee_code": "99999", "office_code": "000", "item_code": "901", "period": "00"}
        record |= {"case_key": bill[1:].zfill(20), "confirmation": "123456", "amount": amount, "channel": "01"}
        record |= {"paid_day": date.fromisoformat(paid), "agent_code": "A1", "name": NAMES["payments"]}
        record |= {"settled_day": date.fromisoformat(settled) if settled else None, "serial": f"{self.serial:08}"}
        return {**record, "center": "9999000001", "sent_day": date.fromisoformat(paid), **more}

    def payments(self, day: str, *records: dict[str, Any]) -> bytes:
        """Return the file of payments of a day."""
        path = self.path("written.tmp")
        header = {"made_day": date.fromisoformat(day), "payee_code": "99999"}
        receipts.write(list(records), path, "eltax-example", header=header)
        return path.read_bytes()

    def bring(self, folder: str, name: str, content: bytes) -> None:
        (self.path("inbox") / folder).mkdir(exist_ok=True)
        (self.path("inbox") / folder / name).write_bytes(content)

    def converted(self, bill: str, amount: int, paid: str, settled: str) -> bytes:
        """Return a file of one payment in the layout of Kokin; an unverified layout has a warning (exit code 1)."""
        head = "payee_code,item_code,case_key,confirmation,amount,paid_on,settled_on,agent_code\n"
        return f"{head}99999,901,{bill[1:]},123456,{amount},{paid},{settled},A1\n".encode()

    def deposit(self, day: str, *amounts: int) -> None:
        """Bring the bank's deposits of a day, which are those of the agent."""
        when, path = date.fromisoformat(day), self.path("written.tmp")
        rows = [
            {
                "account_day": when,
                "value_day": when,
                "amount": amount,
                "payer_name": NAMES["deposits"],
                "reference": ref,
            }
            for amount, ref in zip(amounts, ("000001", "000002"), strict=False)
        ]
        header = {"made_day": when, "from_day": when, "to_day": when, "bank_code": "9999", "branch_code": "001"}
        receipts.write(rows, path, "zengin-01", header={**header, "account_number": "1234567"})
        self.bring("deposits", f"bank-{day}.txt", path.read_bytes())

    def run_night(self, day: str) -> int:
        result = self.night.run(kokin_at=f"{day}T21:30")
        self.printed += result.stdout + result.stderr
        assert "Traceback" not in self.printed, self.printed
        self.output = result.stdout + result.stderr
        return result.returncode

    def kokin(self, *words: str, at: str = "", code: int = 0) -> str:
        """Run a command that a person runs."""
        more = ("--at", at, "--actor", "clerk") if at else ()
        result = self.night.call(str(self.night.bin / "kokin"), *words, *more)
        self.printed += result.stdout + result.stderr
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout

    def work(self, day: str) -> dict[tuple[str, str, int | None], dict[str, Any]]:
        """Return the rows of the work list of a night, by code, file and record."""
        sheet = openpyxl.load_workbook(self.path("reports") / day / "work.xlsx").worksheets[0]
        heads, *rows = sheet.iter_rows(values_only=True)
        listed = [dict(zip(heads, row, strict=True)) for row in rows if row[0]]
        return {(row["Code"], row["File"], row["Record"]): row for row in listed}

    def reversal(self, serial: int, bill: str, amount: int, day: str, settled: str) -> dict[str, Any]:
        """Return a record with which the bank takes back the payment of a serial number of 4 November."""
        original = {
            "original_center": "9999000001",
            "original_day": date(2025, 11, 4),
            "original_serial": f"{serial:08}",
        }
        return self.pay(bill, amount, day, settled, type=REVERSAL, **original)

    def refund_and_set_off(self, night: str, at: str) -> None:
        """Decide what the list of refunds of a night proposes, and order the transfer."""
        self.kokin("ledger", "refund", "decide", f"reports/{night}/refunds.csv", "--day", at[:10], at=at)
        self.order(at, "1234567", "1110")

    def order(self, at: str, account: str, day: str) -> None:
        """Order the transfer of the refund to an account."""
        proposals = json.loads(self.kokin("ledger", "refund", "list", "--all", "--format", "json"))
        (self.proposal,) = (row["proposal_id"] for row in proposals if row["kind"] == "refund")
        head = "proposal_id,bank_code,branch_code,account_type,account_number,name\n"
        row = f"{self.proposal},9999,001,1,{account},{NAMES['account']}\n"
        self.path("accounts.csv").write_text(head + row, encoding="utf-8")
        header = ("--header", "consignor_name=ﾚｲｼﾞｼ", "--header", f"transfer_day=2025-{day[:2]}-{day[2:]}")
        out = f"transfer-{day}.txt"
        self.kokin("ledger", "refund", "order", "accounts.csv", "--out", out, *header, at=at)

    def result(self, result: str, at: str, code: int = 0) -> None:
        """Add the bank's result of the transfer."""
        name = f"result-{at[:10]}.csv"
        self.path(name).write_text(f"proposal_id,result,result_on\n{self.proposal},{result},{at[:10]}\n")
        self.kokin("ledger", "refund", "result", name, at=at, code=code)

    def decide(self, day: str, at: str, *rows: dict[str, Any]) -> None:
        """Fill in the workbook of a night, and record the decisions in the morning after it."""
        path = self.path("reports") / day / "work.xlsx"
        book = openpyxl.load_workbook(path)
        sheet = book.worksheets[0]
        heads = [cell.value for cell in sheet[1]]
        numbers = [cell.value for cell in sheet["A"]]
        for row in rows:
            number = row[heads[0]]
            at_row = numbers.index(number) + 1 if number in numbers else numbers.index(None) + 1
            for head, value in row.items():
                sheet.cell(at_row, heads.index(head) + 1).value = value
        book.save(path)
        self.kokin("ledger", "decide", str(path), at=at)


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with forking_command(tmp_path_factory.mktemp("server")) as command:
        yield command


@pytest.fixture
def week(tmp_path: Path, fork: str, new_place: Any) -> Week:
    """A ledger of Friday evening, with the bills."""
    night = Night(tmp_path, fork, new_place())
    Ledger.create(night.url, clock=lambda: datetime(2025, 10, 31, 18, tzinfo=JAPAN)).close()
    found = Week(night)
    found.path("intake.toml").write_text(INTAKE, encoding="utf-8")
    head = "bill_id,payee_code,office_code,item_code,case_key,confirmation,amount,due_on,payer_key,levy_year,tax_year,"
    head += "period,system,charge,name\n"
    rows = [
        f"{bill},99999,000,901,{bill[1:]},123456,{amount},{due},{payer},2025,2025,00,fixed-asset-tax,fixed-asset-tax,"
        f"{NAMES['bills']}\n"
        for bill, (amount, due, payer) in BILLS.items()
    ]
    found.bring("bills", "bills.csv", "".join([head, *rows]).encode())
    return found


def test_a_bad_week(week: Week) -> None:
    # Monday is a holiday: the bank sends nothing, but payments are expected, and no file comes.
    assert week.run_night("2025-11-03") == 6
    assert "0 of 1 files; 納付情報 missing" in week.output

    # Tuesday: the file of Monday comes late, and a second time with other newlines.
    monday = week.payments(
        "2025-11-03",
        week.pay("B01", 10_000, "2025-11-03", "2025-11-04"),
        week.pay("B02", 8_000, "2025-11-03", type=PROVISIONAL),
        week.pay("B05", 9_000, "2025-11-03", "2025-11-04"),
    )
    tuesday = week.payments(
        "2025-11-04",
        week.pay("B02", 8_000, "2025-11-03", "2025-11-05"),  # the final (確報) of Monday's provisional (速報)
        week.pay("B30", 7_000, "2025-11-04", "2025-11-05"),  # for B03: no bill has this number
        week.pay("B99", 5_000, "2025-11-04", "2025-11-05"),  # for B09: nobody knows yet
        week.pay("B07", 6_000, "2025-11-04", "2025-11-05"),  # for B04: the number is that of another bill
        week.pay("B08", 3_000, "2025-11-04", "2025-11-05"),  # the bank will take it back
    )
    week.bring("eltax-example", "1103-a.txt", monday)
    week.bring("eltax-example", "1103-b.txt", monday.replace(b"\r\n", b"\n"))
    week.bring("eltax-example", "1103-c.txt", monday)
    week.bring("eltax-example", "1104.txt", tuesday)
    week.deposit("2025-11-04", 19_000)
    assert week.run_night("2025-11-04") == 1
    assert week.night.sources() == ["1103-a.txt", "1103-b.txt", "1104.txt"]
    work = week.work("2025-11-04")
    duplicates = [row for (code, *_), row in work.items() if code in ("DUPLICATE_RECORD", "FILE_OVERLAPS")]
    unknown, unknown_to_all = work.pop(("NO_BILL", "1104.txt", 3)), work.pop(("NO_BILL", "1104.txt", 4))
    assert (len(work), len(duplicates)) == (4, 4)
    assert unknown["Candidate 1"] == "B03"
    (wrong_bill,) = set(re.findall("R[0-9]+-MATCHED", week.kokin("ledger", "show", "1104.txt:5")))
    week.decide(
        "2025-11-04",
        "2025-11-05T09:00",
        *({**row, "Decision": "Accept", "Reason": "the file of Monday came twice"} for row in duplicates),
        {**unknown, "Decision": "Assign", "Assigned bill": "B03", "Reason": "digits exchanged"},
        {**unknown_to_all, "Decision": "Hold", "Hold until": "2025-11-06", "Reason": "asked the bank"},
        {"Exception": wrong_bill, "Decision": "Move", "Assigned bill": "B04", "Reason": "letter of the payer"},
    )

    # Wednesday: half a file, cut at the end of a record.
    wednesday = week.payments(
        "2025-11-05",
        week.pay("B05", 9_000, "2025-11-05", "2025-11-06"),  # paid on Monday already
        week.reversal(8, "B08", 3_000, "2025-11-05", "2025-11-06"),
    )
    week.bring("eltax-example", "1105.txt", b"\r\n".join(wednesday.split(b"\r\n")[:2]) + b"\r\n")
    week.deposit("2025-11-05", 29_000)
    assert week.run_night("2025-11-05") == 3
    assert week.night.files("rejected") == ["1105.txt"]
    assert "the transfer was incomplete" in week.output
    assert {(code, file) for code, file, _ in week.work("2025-11-05")} == {("FILE_REJECTED", "1105.txt")}

    # Thursday: the whole file of Wednesday; in the file of Thursday the total is wrong.
    thursday = week.payments(
        "2025-11-06",
        week.pay("B08", 3_000, "2025-11-06", "2025-11-07"),
        week.pay("B07", 6_000, "2025-11-06", "2025-11-07"),
    )
    assert thursday.count(b"00000000009000") == 1
    week.bring("eltax-example", "1105.txt", wednesday)
    week.bring("eltax-example", "1106.txt", thursday.replace(b"00000000009000", b"00000000009001"))
    week.deposit("2025-11-06", 6_000)
    assert week.run_night("2025-11-06") == 3
    work = week.work("2025-11-06")
    # The half file is settled by the whole one. What was held is in the list of its day.
    held = work.pop(("NO_BILL", "1104.txt", 4))
    reversal, double = ("REVERSED", "1104.txt", 6), ("DUPLICATE_PAYMENT", "1105.txt", 2)
    assert set(work) == {reversal, double, ("FILE_REJECTED", "1106.txt", None)}
    week.decide(
        "2025-11-06",
        "2025-11-07T09:00",
        {**held, "Decision": "Assign", "Assigned bill": "B09", "Reason": "answer of the bank"},
    )
    week.refund_and_set_off("2025-11-06", "2025-11-07T09:30")

    # Friday: the corrected file of Thursday, that of Friday, and the agent's report of the week.
    friday = week.payments("2025-11-07", week.pay("B10", 2_000, "2025-11-07", "2025-11-10"))
    week.bring("eltax-example", "1106.txt", thursday)
    week.bring("eltax-example", "1107.txt", friday)
    report = "first_day,last_day,count,amount,agent_code\n2025-11-03,2025-11-06,10,66000,A1\n"
    week.bring("agent-reports", "report-1107.csv", report.encode())
    week.deposit("2025-11-07", 9_000)
    assert week.run_night("2025-11-07") == 1
    work = week.work("2025-11-07")
    # The corrected file has settled the rejected one. A refund is in the list until it is paid.
    assert set(work) == {("REVERSED", "1104.txt", 6), ("REFUND_ORDERED", "1105.txt", 2)}
    reversed_payment = work["REVERSED", "1104.txt", 6]
    week.decide(
        "2025-11-07",
        "2025-11-08T09:00",
        {**reversed_payment, "Decision": "Accept", "Reason": "dishonoured, and paid on Thursday"},
    )

    # Monday: the transfer comes back (組戻), and is ordered again to another account.
    week.result("returned", "2025-11-10T10:00", code=1)
    week.order("2025-11-10T11:00", "7654321", "1111")
    week.bring("kokin-csv", "1110.csv", week.converted("B11", 1_000, "2025-11-10", "2025-11-11"))
    week.deposit("2025-11-10", 2_000)
    assert week.run_night("2025-11-10") == 0, week.output
    assert {code for code, *_ in week.work("2025-11-10")} == {"REFUND_ORDERED"}

    # Tuesday: the refund is paid. Nothing is left to decide.
    week.result("paid", "2025-11-11T10:00")
    week.bring("kokin-csv", "1111.csv", week.converted("B12", 1_500, "2025-11-11", "2025-11-12"))
    week.deposit("2025-11-11", 1_000)
    assert week.run_night("2025-11-11") == 0, week.output
    assert week.work("2025-11-11") == {}
    assert "open exceptions: 0" in week.kokin("ledger", "worklist", "--as-of", "2025-11-11")
    week.kokin("ledger", "verify", "--rematch")
    check_books(week)
    check_privacy(week)


#: Folders of files that came; they have names.
NOT_OURS = {"inbox", "done", "rejected"}
#: bill: yen billed, paid, and of it excess.
BOOKS = {
    "B01": (10_000, 10_000, 0),
    "B02": (8_000, 8_000, 0),
    "B03": (7_000, 7_000, 0),
    "B04": (6_000, 6_000, 0),
    "B05": (9_000, 18_000, 9_000),
    "B06": (4_000, 4_000, 0),
    "B07": (6_000, 6_000, 0),
    "B08": (3_000, 3_000, 0),
    "B09": (5_000, 5_000, 0),
    "B10": (2_000, 2_000, 0),
    "B11": (1_000, 1_000, 0),
    "B12": (1_500, 1_500, 0),
}


def check_books(week: Week) -> None:
    """Compare the balances and the controls of Tuesday with the sums that were calculated by hand."""
    folder = week.path("reports") / "2025-11-11"
    with (folder / "balances.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["bill_id"]: row for row in csv.DictReader(file)}
    with (folder / "overpayments.csv").open(encoding="utf-8-sig", newline="") as file:
        refunds = {row["state"]: int(row["excess"]) for row in csv.DictReader(file)}
    found = {bill: tuple(int(rows[bill][name]) for name in ("amount", "paid", "residual")) for bill in rows}
    assert found == {
        bill: (billed, paid - excess, billed - paid + excess) for bill, (billed, paid, excess) in BOOKS.items()
    }
    assert refunds == {"set_off": 4_000, "paid": 5_000}
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    controls = summary["controls"]
    assert [(name, row["holds"]) for name, row in controls.items()] == [(f"T{n}", True) for n in range(1, 9)]
    # 67,500 came from the bank until Tuesday or comes on Wednesday; 4,000 of the excess is the set-off of B06.
    assert controls["T3"]["left"] == 19_000 + 29_000 + 6_000 + 9_000 + 2_000 + 1_000
    assert controls["T5"]["left"] == 0


def check_privacy(week: Week) -> None:
    """Search the names of payers in everything that was printed or written, but the bank's file and what came."""
    names = [
        name.encode(encoding) for text in NAMES.values() for name in text.split() for encoding in ("utf-8", "cp932")
    ]
    own = [path for path in week.night.folder.rglob("*") if path.is_file() and not NOT_OURS & set(path.parts)]
    own = [path for path in own if not path.name.startswith(("transfer-", "accounts", "written"))]
    assert {"work.xlsx", "report.html", "2025-11-03.jsonl", "refunds.csv"} <= {path.name for path in own}
    for path in own:
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as book:
                content = b"".join(book.read(name) for name in book.namelist())
        else:
            content = path.read_bytes()
        assert [name for name in names if name in content] == [], path
    printed = week.printed + week.kokin("ledger", "list", "issues") + week.kokin("ledger", "list", "entries")
    assert [name for name in NAMES.values() if name in printed] == []
