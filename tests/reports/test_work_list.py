"""The work list as a file: what a person fills in comes back, from a workbook or from CSV, in either language."""

import csv
import io
import shutil
import subprocess
from datetime import date

import openpyxl
import pytest

from kokin.issues import InvalidInputError
from kokin.ledger import Ledger
from kokin.reports import read_decisions, work_list_table, write_work_list
from tests.ledger.conftest import bills as bills_fixture
from tests.ledger.conftest import receipts as receipts_fixture

make_bills, make_receipts = bills_fixture._get_wrapped_function(), receipts_fixture._get_wrapped_function()
WORDS = {
    "en": ("Decision", "Assigned bill", "Assigned yen", "Hold until", "Reason", "Approver"),
    "ja": ("判断", "充当先の通知書番号", "充当額", "保留期限", "判断の理由", "承認者"),
}
NAMES = ("decision", "assigned_bill_id", "assigned_amount", "hold_until", "reason", "approver")


@pytest.fixture
def ledger():
    with Ledger.create("sqlite://") as opened:
        opened.add_bills(make_bills()(B1234=1_000, B1235=2_000, **{"=300": 300}), actor="clerk")
        rows = [("B1243", 2_000, 1), ("B1234", 1_000, 2), ("B1234", 1_000, 3), ("B9", 500, 4)]
        opened.post(make_receipts()("mon.csv", *rows), actor="batch")
        yield opened


def filled(ledger, path, language, *changes):
    """Write the list, and change cells of its workbook: (row, column, value)."""
    write_work_list(ledger.work_list(), path, ledger.id, language)
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    heads = [cell.value for cell in sheet[1]]
    for row, column, value in changes:
        sheet.cell(
            row, heads.index(WORDS[language][NAMES.index(column)] if column in NAMES else column) + 1
        ).value = value
    book.save(path)
    return path


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_workbook_is_filled_in_and_decided(ledger, tmp_path, language):
    word = {"en": "Hold", "ja": "保留"}[language]
    changes = [(2, "decision", "assign"), (2, "assigned_bill_id", "B1235"), (2, "assigned_amount", 2_000.0)]
    changes += [(3, "decision", word), (3, "hold_until", date(2027, 1, 1)), (3, "reason", "ask the agent")]
    path = filled(ledger, tmp_path / "work.xlsx", language, *changes)
    found = read_decisions(path, ledger.id, reason="seen", approver="chief")
    assert (found.source, found.rows, found.skipped) == ("work.xlsx", [2, 3], 1)
    assert found.table.to_pylist() == [
        {
            "exception_id": "R1-NO_BILL",
            "decision": "assign",
            "bill_id": "B1235",
            "amount": 2_000,
            "hold_until": None,
            "reason": "seen",
            "approver": "chief",
        },
        {
            "exception_id": "R3-DUPLICATE_PAYMENT",
            "decision": "hold",
            "bill_id": None,
            "amount": None,
            "hold_until": date(2027, 1, 1),
            "reason": "ask the agent",
            "approver": "chief",
        },
    ]
    ledger.decide(found.table, actor="clerk", source=found.source, open_only=True)
    assert ledger.work_list().column("exception_id").to_pylist() == ["R4-NO_BILL"]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_workbook_protects_what_kokin_has_written(ledger, tmp_path, language):
    sheet = openpyxl.load_workbook(filled(ledger, tmp_path / "work.xlsx", language)).worksheets[0]
    heads = [cell.value for cell in sheet[1]]
    inputs = {head for head in heads if head in WORDS[language]}
    assert len(inputs) == 6
    assert sheet.protection.sheet
    assert sheet.freeze_panes == "B2"
    locked = {head: sheet.cell(2, at).protection.locked for at, head in enumerate(heads, 1)}
    # A column format holds for the cells that are not written.
    for at, head in enumerate(heads, 1):
        if head in inputs:
            locked[head] = sheet.column_dimensions[openpyxl.utils.get_column_letter(at)].protection.locked
    assert {head for head, is_locked in locked.items() if not is_locked} == inputs
    assert not sheet.cell(len(ledger.work_list()) + 2, 1).protection.locked
    (choices, _) = sheet.data_validations.dataValidation
    assert len(choices.formula1.split(",")) == 7
    assert max(len(choices.formula1.strip('"')), 0) <= 255


def test_the_same_list_has_the_same_bytes_and_prints_its_day(ledger, tmp_path):
    day = date(2026, 6, 15)
    one, two = tmp_path / "one.xlsx", tmp_path / "two.xlsx"
    for path in (one, two):
        write_work_list(ledger.work_list(), path, ledger.id, "en", as_of=day)
    assert one.read_bytes() == two.read_bytes()
    book = openpyxl.load_workbook(one)
    assert (book.properties.title, book.properties.created.date()) == ("Work list", day)
    sheet = book.worksheets[0]
    assert (sheet.oddHeader.left.text, sheet.oddHeader.right.text) == ("Work list", "as of Mon, 2026-06-15")
    assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (2, 0)
    assert sheet.print_title_cols == "$A:$A"
    assert sheet.print_area.endswith(str(len(ledger.work_list()) + 11))


def as_csv(ledger, language, encoding, rows):
    """Return the list as a spreadsheet saves it: words as headings, dates with slashes, yen with commas."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    columns = [f"{head}" for head in work_list_table(ledger.work_list(), ledger.id, language).column_names]
    heads = [WORDS[language][NAMES.index(name)] if name in NAMES else name for name in columns]
    writer.writerow(heads)
    for row in rows:
        writer.writerow([row.get(name, "") for name in columns])
    return text.getvalue().encode(encoding)


@pytest.mark.parametrize(("encoding", "language"), [("utf-8-sig", "en"), ("cp932", "ja"), ("utf-8", "ja")])
@pytest.mark.parametrize("day", ["2027/1/9", "2027-01-09", "R9.1.9", "令和9年1月9日"])
def test_csv_of_a_spreadsheet_is_read(ledger, tmp_path, encoding, language, day):
    part = {"exception_id": "R1-NO_BILL", "decision": "assign", "reason": "two bills"}
    rows = [
        {**part, "assigned_bill_id": "B1234", "assigned_amount": "1,500"},
        {**part, "assigned_bill_id": "'=300", "assigned_amount": "５００円" if language == "ja" else "500"},
        {"exception_id": "R4-NO_BILL", "decision": "HOLD", "hold_until": day if language == "ja" else "2027/1/9"},
        {"exception_id": "R3-DUPLICATE_PAYMENT"},
    ]
    path = tmp_path / "work.csv"
    path.write_bytes(as_csv(ledger, language, encoding, rows))
    found = read_decisions(path, ledger.id, reason="later")
    parts = [(row["bill_id"], row["amount"]) for row in found.table.to_pylist()]
    assert parts == [("B1234", 1_500), ("=300", 500), (None, None)]
    assert found.table.column("hold_until").to_pylist()[2] == date(2027, 1, 9)
    assert (found.rows, found.skipped) == ([2, 3, 4], 1)
    ledger.decide(found.table, actor="clerk", open_only=True)


def test_the_csv_of_kokin_is_read(ledger, tmp_path):
    path = tmp_path / "work.csv"
    write_work_list(ledger.work_list(), path, ledger.id)
    assert read_decisions(path, ledger.id).skipped == 3


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ([(2, "decision", "asign")], [("T2", "CODE_UNKNOWN")]),
        ([(2, "assigned_bill_id", "B1")], [("T2", "FIELD_MISSING")]),
        ([(2, "decision", "hold"), (2, "hold_until", "soon")], [("W2", "DATE_INVALID")]),
        ([(3, "decision", "assign"), (3, "assigned_amount", "all")], [("V3", "NOT_DIGITS")]),
        ([(1, "decision", "Decided")], [("T1", "WORK_LIST_COLUMN"), ("", "FIELD_MISSING")]),
        ([(1, "Exception", "Decision")], [("T1", "COLUMN_TWICE"), ("", "FIELD_MISSING")]),
        ([(3, "decision", "accept"), (3, "Ledger", "000000000000")], [("S3", "DECISION_LEDGER")]),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(ledger, tmp_path, changes, problems):
    path = filled(ledger, tmp_path / "work.xlsx", "en", *changes)
    with pytest.raises(InvalidInputError) as caught:
        read_decisions(path, ledger.id)
    assert [(i.location.file, i.code) for i in caught.value.issues] == [
        (f"work.xlsx!{cell}" if cell else "work.xlsx", code) for cell, code in problems
    ]


def test_a_rejected_decision_is_named_by_its_cell(ledger, tmp_path):
    changes = [(3, "decision", "move"), (3, "assigned_bill_id", "B0"), (4, "decision", "assign")]
    path = filled(ledger, tmp_path / "work.xlsx", "en", *changes)
    found = read_decisions(path, ledger.id, reason="seen")
    with pytest.raises(InvalidInputError) as caught:
        ledger.decide(found.table, actor="clerk", source=found.source, open_only=True)
    assert [(i.location.file, i.code) for i in found.located(caught.value.issues)] == [
        ("work.xlsx!U4", "FIELD_MISSING")
    ]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x80\x81\xff", b"name,day\nx,y\n"])
@pytest.mark.parametrize("name", ["foreign.xlsx", "foreign.csv"])
def test_a_foreign_file_is_rejected(ledger, tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInputError) as caught:
        read_decisions(path, ledger.id)
    assert {issue.code for issue in caught.value.issues} <= {"WORK_LIST_FORMAT", "BYTE_UNKNOWN"}


@pytest.mark.parametrize("language", ["en", "ja"])
def test_libreoffice_opens_saves_and_returns_the_workbook(ledger, tmp_path, language):
    soffice = shutil.which("soffice") or shutil.which("libreoffice")
    if soffice is None:
        pytest.skip("no LibreOffice: apt-get install --no-install-recommends libreoffice-calc-nogui")
    changes = [(2, "decision", "assign"), (2, "assigned_bill_id", "B1235"), (3, "decision", "hold")]
    changes += [(3, "hold_until", date(2027, 1, 1))]
    path = filled(ledger, tmp_path / "work.xlsx", language, *changes)
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    for kind, folder in (("xlsx", "saved"), ("csv:Text - txt - csv (StarCalc):44,34,76,1", "text")):
        command = [soffice, "--headless", profile, "--convert-to", kind, "--outdir", tmp_path / folder, path]
        result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        # LibreOffice without Java warns about itself.
        assert [line for line in result.stderr.splitlines() if "javaldx" not in line] == []
    for saved in (tmp_path / "saved" / "work.xlsx", tmp_path / "text" / "work.csv"):
        found = read_decisions(saved, ledger.id, reason="seen")
        rows = [(row["decision"], row["bill_id"], row["hold_until"]) for row in found.table.to_pylist()]
        assert rows == [("assign", "B1235", None), ("hold", None, date(2027, 1, 1))]
    ledger.decide(found.table, actor="clerk", source=found.source, open_only=True)


def test_many_exceptions_are_listed_and_written(tmp_path):
    rows = 3_000
    bills = make_bills()(**{f"B{number}": 1_000 + number for number in range(1, rows)})
    payments = [(f"B{number * 10 + 7_000_000}", 1_000 + number, 1) for number in range(1, rows)]
    with Ledger.create("sqlite://") as ledger:
        ledger.add_bills(bills, actor="clerk")
        ledger.post(make_receipts()("mon.csv", *payments), actor="batch")
        found = ledger.work_list()
        assert len(found) == rows - 1
        assert found.column("candidate_1_reason").to_pylist() == ["amount"] * (rows - 1)
        write_work_list(found, tmp_path / "work.xlsx", ledger.id)
        assert read_decisions(tmp_path / "work.xlsx", ledger.id).skipped == rows - 1
