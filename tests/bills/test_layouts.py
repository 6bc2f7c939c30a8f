"""Bills in the columns of other systems: read by a layout, with the issues, totals and bytes of the file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import bills, receipts
from kokin.bills._layout_rows import read_layout_rows
from kokin.bills._rows import check_rows
from kokin.issues import InvalidInputError, Issue, RejectedRecordsError, from_table
from kokin.model import Bill, arrow_schema
from kokin.receipts import FileRejectedError, layouts
from tests.support import examples

EXAMPLES = Path(__file__).parents[2] / "examples"
WATER = layouts.load(EXAMPLES / "water-system.toml")
HEADER, *ROWS = (EXAMPLES / "water-bills.csv").read_bytes().split(b"\r\n")[:-1]

FIXED = """
ja = "固定長の調定"
en = "bills of fixed length"
format = "fixed"
encoding = "half-width"
width = 60
newline = "CRLF"
verified = true
source = ["invented"]

[records.header]
role = "header"
ja = "ヘッダー"
en = "header"
tell_by = ["code"]
fields = [
  { id = "code", ja = "区分", en = "code", type = "digits", length = 1, const = "1" },
  { id = "payee", ja = "機関", en = "payee", type = "digits", length = 5 },
  { id = "filler", ja = "予備", en = "filler", type = "filler", length = 54 },
]

[records.data]
role = "data"
ja = "明細"
en = "bill"
tell_by = ["code"]
fields = [
  { id = "code", ja = "区分", en = "code", type = "digits", length = 1, const = "2" },
  { id = "number", ja = "番号", en = "number", type = "digits", length = 20 },
  { id = "check", ja = "確認番号", en = "confirmation", type = "digits", length = 6 },
  { id = "yen", ja = "金額", en = "amount", type = "yen", length = 11 },
  { id = "day", ja = "納期限", en = "due", type = "date", format = "wareki EYYMMDD", length = 7 },
  { id = "item", ja = "税目", en = "item", type = "digits", length = 3 },
  { id = "filler", ja = "予備", en = "filler", type = "filler", length = 12 },
]

[records.trailer]
role = "trailer"
ja = "トレーラー"
en = "trailer"
tell_by = ["code"]
fields = [
  { id = "code", ja = "区分", en = "code", type = "digits", length = 1, const = "8" },
  { id = "count", ja = "件数", en = "count", type = "number", length = 6 },
  { id = "sum", ja = "合計", en = "sum", type = "yen", length = 12 },
  { id = "filler", ja = "予備", en = "filler", type = "filler", length = 41 },
]

[bill]
bill_id = "number"
payee_code = "header.payee"
item_code = "item"
case_key = "number"
confirmation = "check"
amount = "yen"
due_on = "day"

[[totals]]
record = "trailer"
field = "count"

[[totals]]
record = "trailer"
field = "sum"
sum = "yen"
"""


def fixed_file(tmp_path: Path, amounts: Sequence[int] = (12_300, 4_400, 3_300)) -> tuple[Path, layouts.Layout]:
    layout = layouts.parse(FIXED, "fixed")
    rows = [
        {"number": f"{i:020d}", "check": "123456", "yen": yen, "day": date(2026, 6, 1), "item": "127"}
        for i, yen in enumerate(amounts, 1)
    ]
    receipts.write(rows, tmp_path / "bills.dat", layout, header={"payee": "99999"})
    return tmp_path / "bills.dat", layout


def water_file(tmp_path: Path, *rows: bytes, header: bytes = HEADER) -> Path:
    path = tmp_path / "bills.csv"
    path.write_bytes(b"\r\n".join([header, *rows, b""]))
    return path


def places(issues: Sequence[Issue]) -> list[tuple[str, int | None, int | None, str]]:
    return [(issue.code, issue.location.record, issue.location.byte, issue.field) for issue in issues]


def test_the_export_of_a_water_system_is_read() -> None:
    result = bills.read(EXAMPLES / "water-bills.csv", layout=EXAMPLES / "water-system.toml")
    assert (result.issues, result.totals.as_dict()) == ([], {"read": 3, "accepted": 3, "rejected": 0})
    first, second, third = result.table.to_pylist()
    assert first == {
        "bill_id": "00001001-202606-02",
        "payee_code": "99999",
        "item_code": "127",
        "case_key": "00000000001234567890",
        "confirmation": "123456",
        "amount": 12_300,
        "due_on": date(2026, 6, 30),
        "levy_year": 2026,
        "tax_year": 2026,
        "period": "02",
        "payable_until": date(2026, 7, 31),
        "status": "open",
        "payer_key": "00001001",
        "system": "上下水道",
        "parts": [("水道料金", 8_360), ("下水道使用料", 3_940)],
        "name": "公金 花子",
    }
    assert second["parts"] == [("水道料金", 4_400)]
    assert (third["status"], third["name"]) == ("cancelled", "税務,一郎")


def test_the_file_equals_the_same_bills_in_the_columns_of_kokin(tmp_path: Path) -> None:
    by_layout = bills.read(EXAMPLES / "water-bills.csv", layout=WATER).table
    bills.write(by_layout, tmp_path / "bills.csv")
    assert bills.read(tmp_path / "bills.csv").table.to_pylist() == by_layout.to_pylist()


def test_issues_name_record_byte_and_field_of_the_file(tmp_path: Path) -> None:
    parts = ROWS[0].replace(b"8,360", b"8,361")
    yen = ROWS[1].replace("4,400円".encode("cp932"), b"4400x")
    confirmation = ROWS[2].replace(b"246810", b"24681")
    path = water_file(tmp_path, parts, yen, confirmation, ROWS[0])
    content = path.read_bytes()
    issues = bills.check(path, layout=WATER)
    assert places(issues) == [
        ("PARTS_SUM", 1, content.index(b"8,361"), "water"),
        ("NOT_DIGITS", 2, content.index(b"4400x"), "amount"),
        ("WIDTH", 3, content.index(b"24681\r"), "confirmation"),
    ]
    result = bills.read(path, layout=WATER, on_error="skip")
    assert result.totals.as_dict() == {"read": 4, "accepted": 1, "rejected": 3}
    with pytest.raises(RejectedRecordsError):
        bills.read(path, layout=WATER)
    (batch,) = bills.batches(path, layout=WATER)
    assert batch.row_numbers.to_pylist() == [4]
    assert sorted(tuple(row.values()) for row in batch.rejected_ids.to_pylist()) == [
        (1, "00001001-202606-02"),
        (2, "00001002-202606-02"),
        (3, "00001003-202606-02"),
    ]


def test_no_issue_shows_a_name(tmp_path: Path) -> None:
    invalid = ROWS[0].replace("公金 花子".encode("cp932"), "公金".encode("cp932") * 81)
    control = ROWS[1].replace("水道 太郎".encode("cp932"), "水道\x07太郎".encode("cp932"))
    issues = bills.check(water_file(tmp_path, invalid, control), layout=WATER)
    assert [(issue.code, issue.field) for issue in issues] == [("WIDTH", "name"), ("CHARACTER", "name")]
    assert not any("公" in issue.describe() or "太" in issue.describe() for issue in issues)


def test_a_missing_column_is_named_as_in_the_file(tmp_path: Path) -> None:
    path = water_file(tmp_path, ROWS[0], header=HEADER.replace("納期限".encode("cp932"), "納期".encode("cp932")))
    (issue,) = bills.check(path, layout=WATER)
    assert (issue.code, issue.field, issue.expected) == ("FIELD_MISSING", "due", "a column 納期限")
    without = WATER.model_copy(update={"bill": {name: s for name, s in WATER.bill.items() if name != "bill_id"}})
    (issue,) = bills.check(EXAMPLES / "water-bills.csv", layout=without)
    assert (issue.field, issue.expected) == ("bill_id", "bill_id in [bill] of layout water-system")


def test_a_layout_without_bills_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="LAYOUT_TABLE_MISSING"):
        bills.read(water_file(tmp_path), layout="dsk-csv")
    with pytest.raises(TypeError):
        bills.read(pa.table({}), layout=WATER)
    with pytest.raises(TypeError):
        bills.read(EXAMPLES / "water-bills.csv", layout=WATER, encoding="cp932")


# --- fixed length: totals and cut records -----------------------------------------------------------------------------


def test_a_file_of_fixed_length_is_read_under_its_header(tmp_path: Path) -> None:
    path, layout = fixed_file(tmp_path)
    result = bills.read(path, layout=layout)
    assert [(row["payee_code"], row["amount"], row["due_on"]) for row in result.table.to_pylist()] == [
        ("99999", yen, date(2026, 6, 1)) for yen in (12_300, 4_400, 3_300)
    ]
    (batch,) = bills.batches(path, layout=layout)
    assert batch.row_numbers.to_pylist() == [2, 3, 4]  # the header is record 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda content: content.replace(b"00000004400", b"00000004401"), "TOTAL_MISMATCH"),
        (lambda content: content[: 62 * 3 + 30], "RECORD_TRUNCATED"),
        (lambda content: content[: 62 * 3], "RECORD_MISSING"),
        (lambda content: content.replace(b"99999", b"9\xff999"), "BYTE_UNKNOWN"),
        (lambda content: b"", "FILE_EMPTY"),
    ],
)
def test_a_damaged_file_is_rejected_whole(tmp_path: Path, change: Any, code: str) -> None:
    path, layout = fixed_file(tmp_path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(FileRejectedError, match=code):
        bills.read(path, layout=layout, on_error="skip")
    issues = bills.check(path, layout=layout)
    assert code in [issue.code for issue in issues]
    assert len(set(issues)) == len(issues)  # none is reported by the batch and by the error


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 100])
def test_batches_have_the_rows_and_the_numbers_of_the_file(tmp_path: Path, rows: int) -> None:
    path, layout = fixed_file(tmp_path, [10, 0, 30, 0, 50])
    batches = list(bills.batches(path, layout=layout, rows=rows))
    assert all(len(batch.table) + batch.rejected <= rows for batch in batches)
    assert pa.concat_tables(batch.table for batch in batches)["amount"].to_pylist() == [10, 30, 50]
    assert pa.chunked_array([batch.row_numbers for batch in batches]).to_pylist() == [2, 4, 6]
    issues = [issue for batch in batches for issue in from_table(batch.issues)]
    assert [(issue.code, issue.location.record, issue.field) for issue in issues] == [
        ("AMOUNT_RANGE", 3, "yen"),
        ("AMOUNT_RANGE", 5, "yen"),
    ]


def test_a_file_without_records_has_one_empty_batch(tmp_path: Path) -> None:
    (batch,) = bills.batches(water_file(tmp_path), layout=WATER)
    assert (len(batch.table), batch.rejected) == (0, 0)


# --- properties -------------------------------------------------------------------------------------------------------

CELLS: dict[str, st.SearchStrategy[str]] = {
    "使用者番号": st.sampled_from(["1", "12345678", "123456789", "", "1a"]),
    "請求年月": st.sampled_from(["202606", "2026", "99990x"]),
    "期": st.sampled_from(["1", "02", "", "123"]),
    "状態": st.sampled_from(["請求", "取消", "", "保留"]),
    "納付番号": st.sampled_from(["1", "9" * 20, "", "12-3"]),
    "確認番号": st.sampled_from(["123456", "12345", "000000"]),
    "請求金額": st.sampled_from(["3", "12,300円", "¥3", "12,30", "0", "", "99,999,999,999", "100,000,000,000"]),
    "水道料金": st.sampled_from(["3", "1", "12,300", "0"]),
    "下水道使用料": st.sampled_from(["", "2", "0"]),
    "納期限": st.sampled_from(["令和8年6月1日", "R8.6.1", "令和 元年 5月 1日", "2026-06-01", "", "令和8年2月30日"]),
    "取扱期限": st.sampled_from(["2026/7/1", "2026/07/01", "", "2026/13/1", "20260701"]),
    "氏名": st.sampled_from(["公金 花子", "", "x" * 81, "公\x07"]),
}


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=4))
def test_columns_have_the_values_and_issues_of_the_record(rows: list[dict[str, str]]) -> None:
    content = io.BytesIO()
    lines = [",".join(CELLS), *(",".join(f'"{cell}"' for cell in row.values()) for row in rows)]
    content.write("\r\n".join([*lines, ""]).encode("cp932", "replace"))
    file = receipts.open_mapped(content, WATER, "bill")
    mapping = file._mapping(file.decoder().columns)
    expected, codes = [], []
    for record in file.records():
        codes += [(record.record_no, issue.field, issue.code) for issue in record.issues]
        if not record.is_valid:
            continue
        values, issues = mapping.values(record.values, {})
        codes += [(record.record_no, issue.field, issue.code) for issue in issues]
        try:
            if not issues:
                expected.append(Bill(**{name: value for name, value in values.items() if value is not None}))
        except InvalidInputError as error:
            codes += [(record.record_no, mapping.field_of(issue.field), issue.code) for issue in error.issues]
    found = read_stream(content, WATER, rows=2)
    assert [Bill(**row) for batch in found for row in batch.table.to_pylist()] == expected
    found_codes = [(i.location.record, i.field, i.code) for batch in found for i in from_table(batch.issues)]
    assert sorted(found_codes) == sorted(codes)


def read_stream(content: io.BytesIO, layout: layouts.Layout, rows: int = 100) -> list[bills.BillBatch]:
    """Read bills from a stream, as :func:`bills.batches` reads a file."""
    batches = read_layout_rows(content, layout, rows=rows)
    return list(check_rows(batches, bills.check_batch, Bill))


#: A layout with every field of a bill, in columns of other names.
EVERY_FIELD = """
ja = "全項目"
en = "every field"
format = "csv"
encoding = "utf-8"
newline = "LF"
verified = true
source = ["invented"]

[csv]
header = "names"
delimiter = "DELIMITER"
bom = true

[records.data]
role = "data"
ja = "調定"
en = "bill"
fields = [
  { id = "f_bill_id", column = "番号", ja = "番号", en = "number", type = "text", length = 192 },
  { id = "f_payee_code", ja = "機関", en = "payee", type = "digits", length = 5 },
  { id = "f_item_code", ja = "税目", en = "item", type = "digits", length = 3 },
  { id = "f_case_key", column = "鍵", ja = "鍵", en = "key", type = "digits", length = 20 },
  { id = "f_confirmation", ja = "確認", en = "confirmation", type = "digits", length = 6, zero_pad = true },
  { id = "f_amount", ja = "金額", en = "amount", type = "yen", length = 11 },
  { id = "f_due_on", ja = "納期限", en = "due", type = "date", format = "wareki R8.6.1", length = 12 },
  { id = "f_office_code", ja = "所管", en = "office", type = "digits", length = 3, blank = true },
  { id = "f_levy_year", ja = "年度", en = "year", type = "number", length = 4, blank = true },
  { id = "f_tax_year", ja = "課税年度", en = "tax year", type = "number", length = 4, blank = true },
  { id = "f_period", ja = "期", en = "period", type = "digits", length = 2, blank = true },
  { id = "f_payable_until", ja = "限", en = "end", type = "date", format = "YYYY年M月D日", length = 24, blank = true },
  { id = "f_status", ja = "状態", en = "state", type = "text", length = 1, codes = { 0 = "", 1 = "", 2 = "" } },
  { id = "f_barcode", ja = "バーコード", en = "barcode", type = "barcode", length = 44, blank = true },
  { id = "f_customer_number", ja = "顧客", en = "customer", type = "text", length = 60 },
  { id = "f_virtual_account", ja = "口座", en = "account", type = "digits", length = 10, blank = true },
  { id = "f_obligation_id", ja = "調定", en = "obligation", type = "text", length = 192 },
  { id = "f_covers", ja = "対象", en = "covers", type = "text", length = 900 },
  { id = "f_payer_key", ja = "宛名", en = "payer", type = "text", length = 192 },
  { id = "f_system", ja = "業務", en = "system", type = "text", length = 120 },
  { id = "f_charge", ja = "科目", en = "charge", type = "text", length = 120 },
  { id = "f_water", ja = "水道", en = "water", type = "yen", length = 11, blank = true },
  { id = "f_sewerage", ja = "下水", en = "sewerage", type = "yen", length = 11, blank = true },
  { id = "f_paid_before", ja = "既納", en = "paid", type = "yen", length = 11, blank = true },
  { id = "f_name", ja = "氏名", en = "name", type = "text", length = 240, sensitive = true },
  { id = "f_postal_code", ja = "郵便", en = "postal code", type = "text", length = 24, sensitive = true },
  { id = "f_address", ja = "住所", en = "address", type = "text", length = 600, sensitive = true },
]

[bill]
covers = { field = "f_covers", separator = "/" }
parts = { amounts = { "水道" = "f_water", "下水道" = "f_sewerage" } }
status = { field = "f_status", values = { 0 = "open", 1 = "cancelled", 2 = "superseded" }, blank = "open" }
"""
PLAIN = [name for name in Bill.model_fields if name not in ("covers", "parts", "status")]
TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=8)
NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=8)
DAYS = st.dates(date(1868, 1, 25), date(2117, 12, 31))
OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "office_code": st.just("001"),
    "levy_year": st.integers(0, 9999),
    "tax_year": st.integers(0, 9999),
    "period": st.sampled_from(["00", "12"]),
    "payable_until": DAYS,
    "status": st.sampled_from(["open", "cancelled", "superseded"]),
    "barcode": st.just("91999999" + "0" * 35 + "4"),
    "customer_number": TEXTS,
    "virtual_account": st.just("0010000001"),
    "obligation_id": TEXTS,
    "covers": st.lists(NAMES, max_size=3).map(tuple),
    "payer_key": TEXTS,
    "system": TEXTS,
    "charge": TEXTS,
    "name": TEXTS,
    "postal_code": st.just("100-0001"),
    "address": TEXTS,
}


@st.composite
def any_bills(draw: st.DrawFn) -> list[Bill]:
    names = draw(st.sets(st.sampled_from(sorted(OTHERS))))
    written = []
    for _ in range(draw(st.integers(1, 4))):
        water, sewerage = draw(st.tuples(st.integers(1, 10**9), st.integers(0, 10**9)))
        row = {name: draw(OTHERS[name]) for name in sorted(names)}
        if draw(st.booleans()):
            row["parts"] = (("水道", water), ("下水道", sewerage))
        keys = {"payee_code": "99999", "item_code": "127", "confirmation": draw(st.sampled_from(["000001", "123456"]))}
        keys |= {"bill_id": draw(TEXTS), "case_key": draw(st.sampled_from(["1", "9" * 20]))}
        written.append(Bill(**keys, amount=water + sewerage, due_on=draw(DAYS), **row))
    return written


@settings(max_examples=examples(120), deadline=None)
@given(any_bills(), st.sampled_from(["comma", "tab", "semicolon"]), st.booleans())
def test_bills_that_are_written_by_a_layout_are_read_back(written: list[Bill], delimiter: str, as_table: bool) -> None:
    mapped = "\n".join(f'{name} = "f_{name}"' for name in PLAIN)
    text = EVERY_FIELD.replace("DELIMITER", delimiter)
    layout = layouts.parse(text.replace("[bill]", f"[bill]\n{mapped}"), "every-field")
    table = pa.Table.from_pylist([bill.model_dump() for bill in written], arrow_schema(Bill))
    content = io.BytesIO()
    receipts.write(table if as_table else written, content, layout)
    (batch,) = read_stream(content, layout)
    assert from_table(batch.issues) == []
    assert [Bill(**row) for row in batch.table.to_pylist()] == written


# --- writing ----------------------------------------------------------------------------------------------------------


def test_an_upload_is_written_from_bills_with_columns_that_it_does_not_have(tmp_path: Path) -> None:
    table = bills.read(EXAMPLES / "water-bills.csv", layout=WATER).table
    slips = [{**row, "tax_year": 2026, "covers": ["o1"], "unknown": [{"a": 1}, 2]} for row in table.to_pylist()]
    assert receipts.write(slips, tmp_path / "upload.csv", "eltax-upload-example") == 3
    assert b"12300" in (tmp_path / "upload.csv").read_bytes()
    mixed = [{**slips[0], "tax_year": "2026"}, slips[1]]
    with pytest.raises(InvalidInputError, match=r"tax_year: FIELD_TYPE"):
        receipts.write(mixed, tmp_path / "mixed.csv", "eltax-upload-example")


def test_a_part_without_a_field_is_not_written() -> None:
    text = EVERY_FIELD.replace("DELIMITER", "comma")
    layout = layouts.parse(text.replace("[bill]", '[bill]\namount = "f_amount"'), "every-field")
    with pytest.raises(InvalidInputError) as caught:
        receipts.write([{"amount": 3, "parts": {"水道": 1, "ごみ": 2}}], io.BytesIO(), layout)
    (issue,) = caught.value.issues
    assert (issue.code, issue.field, issue.location.record) == ("FIELD_UNKNOWN", "parts", 1)
