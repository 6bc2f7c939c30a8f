"""The workbook, read by openpyxl: dates and yen as such, codes with leading zeros, and no formula."""

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
    head, *body = sheet.iter_rows()
    assert [cell.value for cell in head] == [
        "通知書番号",
        "納期限",
        "金額",
        "会計年度",
        "収納率 (%)",
        "消込結果",
        "速報あり",
    ]
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
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:G10")
    assert sheet.column_dimensions["A"].width > sheet.column_dimensions["D"].width >= 8


def test_the_file_contains_no_formula_and_no_link(tmp_path: Path) -> None:
    hostile_report("=cmd|' /C calc'!A0").write(tmp_path / "out", formats=["xlsx"])
    with zipfile.ZipFile(tmp_path / "out" / "report.xlsx") as parts:
        for name in parts.namelist():
            text = parts.read(name)
            assert b"<f>" not in text
            assert b"TargetMode" not in text


def test_a_table_with_more_rows_than_a_sheet_continues_on_the_next(tmp_path: Path) -> None:
    sheets = book({"arrears": TABLE, "files": TABLE.slice(0, 0)}, tmp_path / "r.xlsx", "en", max_rows=4)
    assert sheets.sheetnames == ["Arrears", "Arrears (2)", "Arrears (3)", "①Files"]
    found = [cell.value for name in sheets.sheetnames[:3] for (cell, *_) in sheets[name].iter_rows(min_row=2)]
    assert found == TEXTS
    assert {sheets[name]["A1"].value for name in sheets.sheetnames} == {"Bill"}


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
    assert len(sheets.sheetnames) == len(TABLES)
    assert [sheet.max_row - 1 for sheet in sheets] == [max(len(report.tables[name]), 0) for name in TABLES]


def test_without_xlsxwriter_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(KokinError, match=r"kokin\[xlsx\]"):
        hostile_report("calm").write(tmp_path / "out", formats=["csv", "xlsx"])
    assert list(tmp_path.iterdir()) == []
