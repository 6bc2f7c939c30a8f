"""The workbook, read by openpyxl: dates and yen as such, codes with leading zeros, and no formula."""

import csv
import re
import shutil
import subprocess
import sys
import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from kokin.issues import InvalidInputError, KokinError
from kokin.reports import TABLES
from kokin.reports._terms import Terms
from kokin.reports._xlsx import write_xlsx
from tests.reports.hostile import hostile_report

openpyxl = pytest.importorskip("openpyxl", reason="reads workbooks as a witness: pip install openpyxl")
pytest.importorskip("xlsxwriter", reason="needs the extra: pip install 'kokin[xlsx]'")

TEXTS = ["=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", "＝1", "0000012", "公金 花子", None]
TABLE = pa.table(
    {
        "bill_id": TEXTS,
        "due_on": [date(2026, 6, 1), None, date(1900, 3, 1), date(2026, 2, 28), *[date(2026, 1, 1)] * 5],
        "amount": [1_234_567, -5, 0, None, *range(5)],
        "fiscal_year": [2026] * 9,
        "rate": pa.array([Decimal("98.52"), None, *[Decimal("100.00")] * 7], pa.decimal128(5, 2)),
        "outcome": pa.array(["MATCHED", "NO_BILL", *["MATCHED"] * 7]).dictionary_encode(),
        "reported": [True, False, None, *[True] * 6],
    }
)


def book(tables: dict[str, pa.Table], path: Path, language: str = "ja", **options: int):
    write_xlsx(tables, path, Terms(language), **options)
    return openpyxl.load_workbook(path)


def test_every_value_has_its_type_and_format(tmp_path: Path) -> None:
    sheet = book({"arrears": TABLE}, tmp_path / "r.xlsx")["未納一覧"]
    head, *body, _ = sheet.iter_rows()
    names = ["bill_id", "due_on", "amount", "fiscal_year", "rate", "outcome", "reported"]
    assert [cell.value for cell in head] == [Terms("ja").heading("arrears", name) for name in names]
    columns = list(zip(*body, strict=True))
    assert [cell.value for cell in columns[0]] == TEXTS
    assert {cell.data_type for cell in columns[0] if cell.value} == {"s"}
    assert [bool(cell.quotePrefix) for cell in columns[0]] == [True] * 6 + [False] * 3
    assert columns[1][0].value == datetime(2026, 6, 1)
    assert columns[1][2].value == datetime(1900, 3, 1)
    assert columns[1][0].number_format == "yyyy-mm-dd"
    assert [cell.value for cell in columns[2]] == TABLE["amount"].to_pylist()
    assert (columns[2][0].number_format, columns[3][0].number_format) == ("#,##0", "0")
    assert (columns[4][0].value, columns[4][0].number_format) == (98.52, "0.00")
    assert [cell.value for cell in columns[5][:2]] == ["消込済", "該当調定なし"]
    assert [cell.value for cell in columns[6][:3]] == ["はい", "いいえ", None]
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("B2", "A1:G10")
    assert sheet.column_dimensions["A"].width > sheet.column_dimensions["D"].width >= 8


def test_the_file_contains_no_formula_but_its_sums_and_no_link(tmp_path: Path) -> None:
    hostile_report("=cmd|' /C calc'!A0").write(tmp_path / "out", formats=["xlsx"])
    with zipfile.ZipFile(tmp_path / "out" / "report.xlsx") as parts:
        for name in parts.namelist():
            text = parts.read(name)
            formulas = re.findall(rb"<f>(.*?)</f>", text)
            assert all(re.fullmatch(rb"SUBTOTAL\(109,([A-Z]+)2:\1\d+\)", formula) for formula in formulas)
            assert b"TargetMode" not in text


def test_a_table_with_more_rows_than_a_sheet_continues_on_the_next(tmp_path: Path) -> None:
    sheets = book({"arrears": TABLE, "files": TABLE.slice(0, 0)}, tmp_path / "r.xlsx", "en", max_rows=4)
    assert sheets.sheetnames == ["Arrears", "Arrears (2)", "Arrears (3)", "①Files"]
    found = [cell.value for name in sheets.sheetnames[:3] for (cell, *_) in sheets[name].iter_rows(min_row=2)]
    found = [value for value in found if value != "Total"]
    assert found == TEXTS
    assert {sheets[name]["A1"].value for name in sheets.sheetnames[:3]} == {"Bill"}


def test_a_date_before_the_calendar_of_a_workbook_is_text(tmp_path: Path) -> None:
    sheet = book({"arrears": pa.table({"due_on": [date(1899, 1, 1)]})}, tmp_path / "r.xlsx").worksheets[0]
    assert sheet["A2"].value == "1899-01-01"


def test_a_text_too_long_for_a_cell_raises(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="32767"):
        book({"arrears": pa.table({"reason": ["x" * 32_768]})}, tmp_path / "r.xlsx")


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_report_has_a_sheet_for_every_table(tmp_path: Path, language: str) -> None:
    report = hostile_report("calm")
    report.write(tmp_path / "out", formats=["xlsx"], language=language)
    sheets = openpyxl.load_workbook(tmp_path / "out" / "report.xlsx")
    assert len(sheets.sheetnames) == 1 + len(TABLES)
    has_sums = [str(sheet.cell(sheet.max_row, 1).value) in ("計", "Total") for sheet in sheets.worksheets[1:]]
    rows = [sheet.max_row - 1 - sums for sheet, sums in zip(sheets.worksheets[1:], has_sums, strict=True)]
    assert rows == [len(report.tables[name]) for name in TABLES]
    assert any(has_sums)


def test_without_xlsxwriter_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(KokinError, match=r"kokin\[xlsx\]"):
        hostile_report("calm").write(tmp_path / "out", formats=["csv", "xlsx"])
    assert list(tmp_path.iterdir()) == []


def test_the_first_sheet_has_the_controls_and_the_dispositions(tmp_path: Path) -> None:
    report = hostile_report("calm")
    report.write(tmp_path / "out", formats=["xlsx"])
    sheet = openpyxl.load_workbook(tmp_path / "out" / "report.xlsx").worksheets[0]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert (sheet.title, rows[0][0]) == ("概要", "収納消込レポート")
    terms, states = Terms("ja"), {True: "一致", False: "不一致"}
    for name, control in report.summary["controls"].items():
        statement = terms.value("control", control["statement"])
        state = states.get(control["holds"], "未照合")
        assert [name, statement, control["left"], control["right"], state] in rows
    for name, amount in report.summary["dispositions"].items():
        assert [None, terms.value("disposition", name), amount, None, None] in [
            [value or None if at == 0 else value for at, value in enumerate(row)] for row in rows
        ]


def test_sums_are_those_of_the_rows_and_not_of_days_or_running_totals(tmp_path: Path) -> None:
    table = pa.table({"bill_id": ["a", "b"], "unpaid": [1_000, 234], "days": [1, 2], "received_to_date": [5, 6]})
    path = tmp_path / "r.xlsx"
    write_xlsx({"arrears": table}, path, Terms("ja"))
    formulas = [cell.value for cell in list(openpyxl.load_workbook(path).worksheets[0].iter_rows())[-1]]
    values = [cell.value for cell in list(openpyxl.load_workbook(path, data_only=True).worksheets[0].iter_rows())[-1]]
    assert formulas[:2] == ["計", "=SUBTOTAL(109,B2:B3)"]
    assert values[:2] == ["計", 1_234]
    assert [value or None for value in values[2:]] == [None, None]


def test_months_moments_and_findings_are_what_they_are(tmp_path: Path) -> None:
    table = pa.table(
        {
            "month": ["2026-04", "2026-05", None],
            "at": ["2026-11-27T22:03:40+09:00", None, "later"],
            "field": ["amount", "paid_on", "period"],
            "expected": ["438940", "2026-10-28 or later", "01"],
            "found": ["1000", "2026-06-01", "=1"],
        }
    )
    sheet = book({"issues": table.rename_columns(table.column_names)}, tmp_path / "r.xlsx").worksheets[0]
    columns = {row[0].value: row[1:4] for row in sheet.iter_cols()}
    terms = Terms("ja")
    values = {name: [cell.value for cell in columns[terms.heading("issues", name)]] for name in table.column_names}
    assert values["month"] == [datetime(2026, 4, 1), datetime(2026, 5, 1), None]
    assert values["at"] == [datetime(2026, 11, 27, 22, 3, 40), None, "later"]
    assert values["expected"] == [438_940, "2026年10月28日以降", "01"]
    assert values["found"] == [1_000, datetime(2026, 6, 1), "=1"]


def test_each_sheet_prints_its_headings_title_day_and_page_and_the_bytes_are_the_same(tmp_path: Path) -> None:
    report = hostile_report("calm")
    for name in ("one", "two"):
        report.write(tmp_path / name, formats=["xlsx"])
    one, two = (tmp_path / name / "report.xlsx" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    workbook = openpyxl.load_workbook(one)
    assert (workbook.properties.creator, workbook.properties.title) == ("kokin", "収納消込レポート")
    assert workbook.properties.created.date() == report.as_of
    for sheet in workbook.worksheets:
        assert sheet.page_setup.orientation == "landscape"
        assert (sheet.oddHeader.left.text, sheet.oddFooter.right.text) == ("収納消込レポート", "&P / &N")
        assert "2026年6月15日" in sheet.oddHeader.right.text
    assert all(sheet.print_title_rows == "$1:$1" for sheet in workbook.worksheets[1:])
    heads = [cell.value for cell in workbook["①取込結果票"][1]]
    assert heads[-1] == Terms("ja").heading("files", "digest")


@pytest.mark.parametrize(
    ("language", "text"), [("ja", "数字 0-9 だけを使えます"), ("en", "only the digits 0-9 are allowed")]
)
def test_issues_have_the_text_of_their_code(tmp_path: Path, language: str, text: str) -> None:
    sheet = book({"issues": pa.table({"code": ["NOT_DIGITS"]})}, tmp_path / "r.xlsx", language).worksheets[0]
    assert [cell.value for cell in sheet[2]] == ["NOT_DIGITS", text]


def test_libreoffice_shows_the_same_values_and_sums(tmp_path: Path) -> None:
    program = shutil.which("soffice")
    if program is None:
        pytest.skip("needs LibreOffice: soffice is not in PATH")
    report = hostile_report("calm")
    report.write(tmp_path, formats=["xlsx"], language="en")
    # Comma, quotation mark, UTF-8, from row 1, dates as they are shown, all sheets (-1).
    options = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    command = [program, profile, "--headless", "--convert-to", options, "--outdir", tmp_path, tmp_path / "report.xlsx"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)

    def rows_of(title: str) -> list[list[str]]:
        with (tmp_path / f"report-{title}.csv").open(encoding="utf-8", newline="") as stream:
            return [[re.sub(r"(?<=\d),(?=\d)", "", cell) for cell in row] for row in csv.reader(stream)]

    terms = Terms("en")
    cover = rows_of(terms.sentence("cover"))
    assert cover[1][0] == terms.sentence("as_of", day=terms.date(report.as_of))
    for name, control in report.summary["controls"].items():
        left, right = ("" if control[side] is None else str(control[side]) for side in ("left", "right"))
        assert [name, left, right] in [[row[0], *row[2:4]] for row in cover]
    head, *body, total = rows_of(terms.table("arrears"))
    due_on, unpaid = (head.index(terms.heading("arrears", name)) for name in ("due_on", "unpaid"))
    table = report.tables["arrears"]
    assert [row[due_on] for row in body] == [day.isoformat() for day in table["due_on"].to_pylist()]
    assert len(body) == len(table) > 1
    assert total[0] == terms.sentence("total")
    assert int(total[unpaid]) == sum(int(row[unpaid]) for row in body) > 0
