"""A layout of bills from the header of a sample: it loads, reads the sample, and contains no value of it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from kokin import bills
from kokin.bills._column_names import likely_columns
from kokin.issues import InvalidInputError
from kokin.model import Bill
from kokin.receipts import layouts

WATER = """\
使用者番号,お客様氏名,請求年月,期別,水道料金,下水道使用料,請求金額,納期限,取扱期限,納付番号,確認番号,備考
00001001,公金 花子,202606,1,"8,360","3,940","12,300円",R8.6.30,2026/7/31,1234567890,123456,口座なし
00001002,水道 太郎,202606,1,"4,400",,"4,400円",R8.6.30,2026/7/31,1234567891,654321,
"""
TAX = """\
通知書番号\t宛名番号\t納税義務者氏名\t送付先住所\t郵便番号\t賦課年度\t課税年度\t期別\t期別税額\t納期限\tバーコード情報
T-0001\t9000001\t税務 一郎\t架空市本町1-2-3\t999-0001\t2026\t2026\t01\t25000\t令和8年6月30日\t\
91999999000000000000000000000000000000000004
T-0002\t9000002\t納付 さくら\t架空市新町4-5-6\t999-0002\t2026\t2026\t02\t1000\t令和8年8月31日\t
"""
CHILDCARE = """\
"児童番号";"保護者氏名";"調定年度";"納期";"保育料額";"団体コード";"料金番号"
"C01";"公金 花子";"2026";"20260630";"30500";"99999";"301"
"C02";"保育 次郎";"2026";"20260630";"0";"99999";"301"
"""

# For each sample: its encoding, what the comments ask for, and the fields of the first bill.
CASES = {
    "water": (
        WATER,
        "cp932",
        {
            '# bill_id = { join = ["...", "..."] }': 'bill_id = { join = ["payer_key", "period"] }',
            '# payee_code = { const = "....." }': 'payee_code = { const = "99999" }',
            '# item_code = { const = "..." }': 'item_code = { const = "127" }',
        },
        {"bill_id": "00001001-01", "amount": 12_300, "parts": [("水道料金", 8_360), ("下水道使用料", 3_940)]},
    ),
    "tax": (
        TAX,
        "utf-8-sig",
        {
            '# payee_code = { const = "....." }': 'payee_code = { const = "99999" }',
            '# item_code = { const = "..." }': 'item_code = { const = "003" }',
            '# case_key = "..."': 'case_key = "payer_key"',
            '# confirmation = "..."': 'confirmation = { const = "123456" }',
        },
        {"bill_id": "T-0001", "period": "01", "levy_year": 2026, "postal_code": "999-0001", "amount": 25_000},
    ),
    "childcare": (
        CHILDCARE,
        "cp932",
        {
            '# bill_id = { join = ["...", "..."] }': 'bill_id = { join = ["payer_key", "levy_year"] }',
            '# case_key = "..."': 'case_key = { const = "1" }',
            '# confirmation = "..."': 'confirmation = { const = "123456" }',
        },
        {"bill_id": "C01-2026", "item_code": "301", "payee_code": "99999", "amount": 30_500},
    ),
}


def sample_of(tmp_path: Path, text: str, encoding: str) -> Path:
    path = tmp_path / "sample.csv"
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    return path


@pytest.mark.parametrize("case", CASES)
def test_a_layout_from_a_sample_reads_the_sample_once_it_is_completed(tmp_path: Path, case: str) -> None:
    text, encoding, additions, expected = CASES[case]
    sample = sample_of(tmp_path, text, encoding)
    written = bills.new_layout(sample, case)
    assert not layouts.parse(written, case).verified
    for comment, line in additions.items():
        assert comment in written
        written = written.replace(comment, line)
    layout = layouts.parse(written, case)
    result = bills.read(sample, layout=layout, on_error="skip")
    first = result.table.to_pylist()[0]
    assert {name: first[name] for name in expected} == expected
    rejected = [(issue.code, issue.location.record) for issue in result.issues if issue.is_error]
    assert rejected == ([("AMOUNT_RANGE", 2)] if case == "childcare" else [])
    assert result.totals.read == 2


@pytest.mark.parametrize("case", CASES)
def test_a_new_layout_contains_no_value_of_the_sample(tmp_path: Path, case: str) -> None:
    text, encoding, *_ = CASES[case]
    written = bills.new_layout(sample_of(tmp_path, text, encoding), "own")
    _, *rows = text.splitlines()
    cells = {cell.strip('"円') for row in rows for cell in row.replace("\t", ",").replace(";", ",").split(",")}
    values = {cell for cell in cells if len(cell) > 4}
    assert values
    assert {value for value in values if value in written} == set()


def test_every_required_field_is_mapped_or_asked_for(tmp_path: Path) -> None:
    written = bills.new_layout(sample_of(tmp_path, "金額\n100\n", "utf-8"), "own")
    for name, field in Bill.model_fields.items():
        if field.is_required():
            assert f"\n{name} = " in written or f"\n# {name} = " in written


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (["2026-06-01"], 'due_on = "due_on"'),
        (["2026/06/01", "2026/12/31"], 'format = "YYYY/MM/DD"'),
        (["2026/6/1", "2026/12/31"], 'format = "YYYY/M/D"'),
        (["令和8年6月1日"], 'format = "wareki 令和8年6月1日"'),
        (["5080601"], 'format = "wareki EYYMMDD"'),
        (["080601"], '# due_on = "due_on"  # ? required: no known format'),
        (["6月末"], '# due_on = "due_on"  # ? required: no known format'),
        ([], 'due_on = "due_on"  # ?'),
    ],
)
def test_the_format_of_dates_fits_every_value(tmp_path: Path, values: list[str], line: str) -> None:
    rows = "".join(f"{value},100\n" for value in values)
    assert line in bills.new_layout(sample_of(tmp_path, f"納期限,金額\n{rows}", "utf-8"), "own")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "FILE_EMPTY"),
        ("公金 花子,東京都,12300\n".encode(), "FILE_FORM"),  # no header row: nothing of it may be printed
        ("公金 花子,東京都\n".encode(), "FILE_FORM"),
        ("氏名,金額,2026-06-01\n".encode(), "FILE_FORM"),
        (b"\x81\n", "BYTE_UNKNOWN"),
    ],
)
def test_a_sample_without_a_header_is_rejected(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "sample.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=code) as caught:
        bills.new_layout(path, "own")
    assert "花子" not in str(caught.value)


def test_a_column_that_several_have_is_not_mapped(tmp_path: Path) -> None:
    written = bills.new_layout(sample_of(tmp_path, "金額,金額,納期限\n1,2,2026-06-01\n", "utf-8"), "own")
    assert '# amount = "amount"  # ? required: several columns have this name' in written


# --- which column looks like a field ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("納期限", "due_on"),
        ("納 期 限(西暦)", "due_on"),
        ("納期限年月日", "due_on"),
        ("Due Date", "due_on"),
        ("請求額（円）", "amount"),
        ("水栓番号", "payer_key"),
        ("宛名番号", "payer_key"),
        ("通知書番号", "bill_id"),
        ("期別", "period"),
        ("賦課年度", "levy_year"),
        ("取扱期限", "payable_until"),
        ("case key", "case_key"),
    ],
)
def test_a_column_looks_like_a_field(column: str, field: str) -> None:
    assert likely_columns(["備考", column])[field].position == 1


def test_a_missing_column_names_the_one_that_looks_like_it(tmp_path: Path) -> None:
    path = tmp_path / "bills.csv"
    path.write_text(WATER, encoding="utf-8")
    expected = {issue.field: issue.expected for issue in bills.check(path) if issue.code == "FIELD_MISSING"}
    advice = "looks like it: write a layout with `kokin layouts --new --bill FILE`"
    assert expected["due_on"] == f"a column of this name; column 8, `納期限`, {advice}"
    assert expected["payee_code"] == "a column of this name"
    assert bills.check(pa.table({"金額": [1]}))[0].code == "FIELD_MISSING"


def test_no_content_of_a_file_without_header_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "bills.csv"
    path.write_text("公金 金額子,納期 限太郎\nx,y\n", encoding="utf-8")
    text = "\n".join(issue.describe() for issue in bills.check(path))
    assert "公金" not in text
    assert "太郎" not in text
