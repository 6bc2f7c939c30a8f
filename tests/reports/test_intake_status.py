"""⓪ 受入状況表: the first line of the page, its table, CSV and workbook; nothing changes without an intake status."""

import csv
import json
from datetime import date, datetime

import openpyxl
import pyarrow as pa
import pytest

from kokin import intake
from kokin.ledger import Ledger
from kokin.reports import INTAKE_TABLE, TABLES, Report
from kokin.text import JAPAN

INTAKE = """
[source.stores]
label = "収納代行 <b>"
layout = "kokin-csv"
days = "bank"
until = 09:00:00
since = 2026-05-08
records = [2, 10]
"""
DAY = date(2026, 5, 12)


def at(day, hour, minute=0):
    return datetime(2026, 5, day, hour, minute, tzinfo=JAPAN)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """A file that came on Friday, none on Monday, and one on Tuesday with too few records."""
    times = iter([at(8, 8), at(8, 8, 30), at(12, 8, 30)])
    with Ledger.create("sqlite://", clock=lambda: next(times, at(12, 9))) as opened:
        payment = {"payee_code": "99999", "item_code": "127", "confirmation": "123456", "paid_on": date(2026, 5, 7)}
        for number, name in enumerate(("fri.csv", "tue.csv"), 1):
            rows = [{**payment, "case_key": str(number), "amount": 10_000}]
            opened.post(pa.Table.from_pylist(rows), source=name, actor="batch")
        yield opened


@pytest.fixture(scope="module")
def status(ledger, tmp_path_factory):
    path = tmp_path_factory.mktemp("intake") / "intake.toml"
    path.write_text(INTAKE, encoding="utf-8")
    return intake.load(path).check(ledger, DAY, now=at(12, 9, 30))


def test_the_table_has_the_files_with_times_to_the_minute(ledger, status):
    report = Report.from_ledger(ledger, intake=status)
    assert tuple(report.tables) == (INTAKE_TABLE, *TABLES)
    missing, arrived = report.tables[INTAKE_TABLE].to_pylist()
    assert (missing["day"], missing["intake_state"], missing["bank_days"]) == (date(2026, 5, 11), "missing", 2)
    assert (missing["deadline"], missing["at"]) == ("2026-05-11 09:00", None)
    assert (arrived["file"], arrived["at"], arrived["amount"]) == ("tue.csv", "2026-05-12 08:30", 10_000)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_page_begins_with_the_state_in_one_line(ledger, status, language):
    page = Report.from_ledger(ledger, intake=status).page(language=language)
    line = status.first_line(language).replace("<b>", "&lt;b&gt;")
    assert (
        page.index(line) < page.index("<h1>") < page.index('<section id="intake">') < page.index('<section id="look">')
    )
    assert "<b>" not in page[page.index('class="intake"') : page.index("<h1>")]
    assert "2 to 10" in page  # the finding


def test_without_an_intake_status_nothing_changes(ledger, status, tmp_path):
    report = Report.from_ledger(ledger)
    assert tuple(report.tables) == TABLES
    assert INTAKE_TABLE not in report.summary
    assert 'id="intake"' not in report.page()
    report.write(tmp_path / "out")
    assert not (tmp_path / "out" / "intake.csv").exists()


def test_it_is_written_as_csv_sheet_and_summary(ledger, status, tmp_path):
    Report.from_ledger(ledger, intake=status).write(tmp_path / "out", headings="words", language="en")
    with (tmp_path / "out" / "intake.csv").open(encoding="utf-8-sig", newline="") as lines:
        missing, arrived = csv.DictReader(lines)
    assert (missing["Sender"], missing["State"], missing["Bank days"]) == ("収納代行 <b>", "Missing", "2")
    assert (arrived["Posted"], arrived["Accepted yen"]) == ("2026-05-12 08:30", "10000")
    book = openpyxl.load_workbook(tmp_path / "out" / "report.xlsx")
    sheet = book.worksheets[1]
    heads, *rows = sheet.iter_rows(values_only=True)
    assert dict(zip(heads, rows[1], strict=True))["File"] == "tue.csv"
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert (summary[INTAKE_TABLE]["arrived"], summary[INTAKE_TABLE]["expected"]) == (1, 1)
