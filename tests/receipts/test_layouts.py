"""Layout files: the built-in ones, and the issues of invalid ones."""

from __future__ import annotations

import io
import re
from datetime import date
from importlib import resources
from pathlib import Path

import pytest

from kokin import receipts
from kokin.receipts import layouts

# Offsets of the fields in the standard formats of the Japanese Bankers Association (全銀協標準フォーマット).
OFFSETS = {
    ("zengin-91", "header"): [0, 1, 3, 4, 14, 54, 58, 62, 77, 80, 95, 96, 103],
    ("zengin-91", "data"): [0, 1, 5, 20, 23, 38, 42, 43, 50, 80, 90, 91, 111, 112],
    ("zengin-91", "trailer"): [0, 1, 7, 19, 25, 37, 43, 55],
    ("zengin-21", "header"): [0, 1, 3, 4, 14, 54, 58, 62, 77, 80, 95, 96, 103],
    ("zengin-21", "data"): [0, 1, 5, 20, 23, 38, 42, 43, 50, 80, 90, 91, 101, 111, 112, 113],
    ("zengin-21", "trailer"): [0, 1, 7, 19],
    ("zengin-01", "header"): [0, 1, 3, 4, 10, 16, 22, 26, 41, 44, 59, 60, 67, 107],
    ("zengin-01", "data_a"): [0, 1, 7, 13, 19, 29, 39, 49, 97, 112, 127, 128, 148],
    ("zengin-01", "data_b"): [0, 1, 7, 13, 19, 29, 39, 49, 97, 112, 127, 128, 140, 152, 172],
    ("zengin-01", "trailer"): [0, 1, 7, 19, 25, 37],
    ("zengin-03", "header"): [0, 1, 3, 4, 10, 16, 22, 26, 41, 44, 59, 62, 63, 73, 113, 114, 115, 129],
    ("zengin-03", "data"): [0, 1, 9, 15, 21, 22, 24, 36, 48, 54, 60, 61, 68, 71, 81, 129, 144, 159, 179, 199],
    ("zengin-03", "trailer"): [0, 1, 7, 20, 26, 39, 40, 54, 61],
    ("zengin-03", "end"): [0, 1, 11, 16],
    ("zengin-99", "header"): [0, 1, 3, 4, 14, 17, 23, 27, 67, 117],
    ("zengin-99", "data"): [0, 1, 7, 22, 37, 38, 43, 52, 57, 66, 71, 80],
    ("zengin-99", "trailer"): [0, 1, 8, 19, 26, 37, 44, 55],
}


@pytest.mark.parametrize(("layout", "record"), OFFSETS)
def test_fields_start_at_the_offsets_of_the_standard(layout: str, record: str) -> None:
    assert list(layouts.load(layout).records[record].offsets.values()) == OFFSETS[layout, record]


def test_the_built_in_layouts() -> None:
    assert layouts.names() == (
        "camt.052",
        "camt.053",
        "camt.054",
        "dsk-csv",
        "eltax-answer-example",
        "eltax-example",
        "eltax-upload-example",
        "kokin-csv",
        "zedi",
        "zengin-01",
        "zengin-03",
        "zengin-21",
        "zengin-91",
        "zengin-99",
    )
    for name in layouts.names():
        layout = layouts.load(name)
        table = layouts.describe(layout)
        assert all(f"| {field.id} |" in table for kind in layout.records.values() for field in kind.fields)
        assert ("UNVERIFIED" in table) == (not layout.verified)


@pytest.mark.parametrize("name", layouts.names())
def test_every_note_is_in_japanese_in_a_japanese_description(name: str) -> None:
    layout = layouts.load(name)
    described = layouts.describe(layout, "ja")
    for noted in (layout, *(field for kind in layout.records.values() for field in kind.fields)):
        assert bool(noted.note) == bool(re.search("[ぁ-ん]", noted.note_ja)), noted.note
        assert noted.note_ja in described
        assert not noted.note or noted.note not in described


def test_the_mappings_of_an_upload_and_its_answer_are_described() -> None:
    upload, answer = (layouts.describe(layouts.load(f"eltax-{name}-example")) for name in ("upload", "answer"))
    assert "| operation | type (1 → new, 2 → change, 9 → withdraw) |" in upload
    assert "| result | result (0 → accepted, 1 → rejected) |" in answer


def test_the_example_has_every_field_of_a_receipt() -> None:
    from kokin.model import Receipt

    not_in_layouts = {"layout", "source", "digest", "record_no", "byte_offset", "raw", "actor", "reason"}
    key = {"provider_key", "key_composed", "cancels"}
    # Only messages of banks have further keys in the text, batches of transactions, and charges.
    not_in_layouts |= {"other_keys", "batch_key", "bank_charge"}
    assert layouts.load("eltax-example").receipt.keys() | key == Receipt.model_fields.keys() - not_in_layouts


def test_a_custom_layout_is_loaded_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(layouts.template("ours"), encoding="utf-8")
    content = io.BytesIO()
    receipts.generate_sample(content, path, 20)
    file = receipts.open(content, str(path))
    assert len(list(file)) == 20
    assert file.layout.name == "ours"
    assert len(list(receipts.open(content, layouts.load(path)))) == 20


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        ("width = 40", "width = 41", "records.header.fields"),
        ("width = 40", "width = 0", "width"),
        ('type = "yen", length = 10', 'type = "yen", length = 11', "records.data.fields"),
        ('type = "yen", length = 10', 'type = "yen"', "records.data.fields[4] (amount).length"),
        ('type = "yen", length = 10', 'type = "Yen", length = 10', "records.data.fields[4] (amount).type"),
        ('type = "yen", length = 10', 'type = "text", length = 10', "receipt.amount"),
        (
            'format = "YYYYMMDD", length = 8 },\n  { id = "customer',
            'length = 8 },\n  { id = "customer',
            "records.data.fields[2] (paid_day)",
        ),
        ('id = "type"', 'id = "record_code"', "records.data.fields[1] (record_code)"),
        ('paid_on = "paid_day"', 'paid_on = "paid_dya"', "receipt.paid_on"),
        ('paid_on = "paid_day"', 'payed_on = "paid_day"', "receipt.payed_on"),
        ('paid_on = "paid_day"\n', "", "receipt.paid_on"),
        ('field = "count"', 'field = "cuont"', "totals[0]"),
        ('record = "trailer"', 'record = "trialer"', "totals[0].record"),
        ('sum = "amount"', 'sum = "type"', "totals[1].sum"),
        ("verified = false", "", "verified"),
        ('encoding = "half-width"', 'encoding = "ebcdic"', "encoding"),
        ('tell_by = ["record_code"]', 'tell_by = ["type"]', "records.header.tell_by"),
        ('role = "data"', 'role = "date"', "records.data.role"),
        ("[receipt]", "[receipts]", "receipts"),
        ('ja = "ファイルの名前"', "ja = ファイル", "ours"),
    ],
)
def test_an_invalid_layout_is_rejected_at_its_table_and_key(before: str, after: str, where: str) -> None:
    text = layouts.template("ours")
    assert before in text
    with pytest.raises(layouts.LayoutError) as caught:
        layouts.parse(text.replace(before, after, 1), "ours")
    assert where in [issue.field for issue in caught.value.issues]
    assert {issue.code for issue in caught.value.issues} == {"LAYOUT_INVALID"}


def test_a_csv_has_one_kind_of_row() -> None:
    text = layouts.template("ours").replace('format = "fixed"', 'format = "csv"').replace("width = 40", "")
    with pytest.raises(layouts.LayoutError) as caught:
        layouts.parse(text + '\n[csv]\nheader = "none"\n', "ours")
    assert "records" in [issue.field for issue in caught.value.issues]


def test_an_unknown_layout_is_an_error() -> None:
    with pytest.raises(layouts.LayoutError) as caught:
        layouts.load("zengin-92")
    assert [issue.code for issue in caught.value.issues] == ["LAYOUT_UNKNOWN"]


def test_an_unverified_layout_is_a_warning_in_every_check() -> None:
    content = io.BytesIO()
    receipts.generate_sample(content, "eltax-example", 3)
    report = receipts.check(content, "eltax-example", reference_date=date(2026, 4, 1))
    assert dict(report.issues.counts) == {"LAYOUT_UNVERIFIED": 1}
    assert report.exit_code == 1


CAMT = (resources.files("kokin.receipts.layouts") / "camt.054.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("pattern", ["(", "[0-9]{5}", "(?P<a>x)(?P<a>y)", "(a{99999999999999999999})"])
def test_a_regular_expression_is_checked_when_the_layout_is_loaded(pattern: str) -> None:
    with pytest.raises(layouts.LayoutError) as caught:
        layouts.parse(with_pattern(pattern), "ours")
    assert {issue.code for issue in caught.value.issues} == {"LAYOUT_INVALID"}
    assert any("(el_payee)" in issue.field for issue in caught.value.issues)


def with_pattern(pattern: str) -> str:
    before = next(line for line in CAMT.splitlines() if 'id = "el_payee"' in line)
    return CAMT.replace(before, before.split("pattern = ")[0] + f"pattern = '{pattern}' }},")


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|a)*b",
        "(.*a){20}",
        "(a*)*",
        "((ab|cd)*)",
        "(.*).*.*x",
        "(?:a?){30}(a{30})",
        "(x+x+)+y",
        "(?=(a+)+b)",
        "(a)(?(1)(a+)+b|c)",
        "([0-9]*)-([0-9]*)",
    ],
)
def test_a_regular_expression_that_may_take_long_is_rejected(pattern: str) -> None:
    with pytest.raises(layouts.LayoutError) as caught:
        layouts.parse(with_pattern(pattern), "ours")
    assert [(issue.code, "(el_payee)" in issue.field) for issue in caught.value.issues] == [("LAYOUT_PATTERN", True)]


@pytest.mark.parametrize(
    "pattern",
    ["([0-9]+)", "(.+)$", "^ *(.*)x", "No[.] {0,3}([0-9]{1,20})", "(?:ab|cd){0,3}(x)", "([0-9]{5})++-", "(x)*?"],
)
def test_a_regular_expression_with_few_steps_is_accepted(pattern: str) -> None:
    assert layouts.parse(with_pattern(pattern), "ours").data.by_id["el_payee"].pattern == pattern


def test_a_text_that_is_too_long_for_a_regular_expression_is_rejected() -> None:
    stream = io.BytesIO()
    receipts.generate_sample(stream, "camt.054", 3)
    content = stream.getvalue().replace(b"<Ustrd>", b"<Ustrd>" + b"1" * 600, 1)
    assert content != stream.getvalue()
    result = receipts.check(io.BytesIO(content), "camt.054")
    assert (result.totals.accepted, result.totals.rejected) == (2, 1)
    assert {(issue.code, issue.expected) for issue in result.issues if issue.is_error} == {
        ("WIDTH", "at most 512 characters")
    }


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 9_000 + "]" * 9_000,
        "a = " + "{ a = " * 9_000 + "1" + " }" * 9_000,
        ".".join("a" * 50_000) + " = 1",
        "a = " + "9" * 5_000,
        "a = 1\n" * 200_000,
        b"a = '\xff'",
        "a = ",
    ],
)
def test_a_hostile_toml_is_an_invalid_layout(text: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(layouts.LayoutError) as caught:
        layouts.load(path)
    assert [issue.code for issue in caught.value.issues] == ["LAYOUT_INVALID"]


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ('{ rules = [ { value = "final", where = { typ = ["1"] } } ] }', "receipt.kind"),
        ('{ rules = [ { value = "final", given = "customer_number" } ] }', "receipt.kind.rules"),
        ('{ first = ["type"] }', "receipt.kind.first"),
    ],
)
def test_an_invalid_rule_is_rejected_at_its_key(kind: str, where: str) -> None:
    text = layouts.template("ours").replace('{ field = "type", values = { 1 = "provisional", 2 = "final" } }', kind)
    with pytest.raises(layouts.LayoutError) as caught:
        layouts.parse(text, "ours")
    assert where in [issue.field for issue in caught.value.issues]
    paid = text.replace(kind, '{ rules = [ { value = "final", where = { type = ["1"] } } ] }')
    with pytest.raises(layouts.LayoutError, match=r"receipt\.kind\.rules"):
        layouts.parse(paid + '\n[paid]\nfield = "type"\ncodes = ["1"]\n', "ours")


WATER = (Path(__file__).parents[2] / "examples" / "water-system.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        ('other_columns = "ignore"', 'other_columns = "skip"', "csv.other_columns"),
        ('header = "names"', 'header = "any"', "csv.other_columns"),
        ('header = "names"', 'header = "any"', "records.data.fields[0] (customer).column"),
        ('header = "names"', 'header = "names"\nbom = true', "csv.bom"),
        ('header = "names"', 'header = "names"\ndelimiter = "|"', "csv.delimiter"),
        ('column = "請求年月"', 'column = "使用者番号"', "records.data.fields[1] (month).column"),
        (
            'type = "digits", length = 6 }',
            'type = "text", length = 6, zero_pad = true }',
            "records.data.fields[1] (month)",
        ),
        ("length = 160,", "length = 160, formatted = true,", "records.data.fields[11] (name)"),
        ('due_on = "due"', 'due_on = "month"', "bill.due_on"),
        ('amount = "amount"', 'amount = "name"', "bill.amount"),
        ('case_key = "case_key"', 'case_key = "amount"', "bill.case_key"),
        ('{ const = "99999" }', '{ const = "9999" }', "bill.payee_code.const"),
        ('{ const = "99999" }', "{ const = 99999 }", "bill.payee_code.const"),
        ('{ const = "99999" }', "{ }", "bill.payee_code"),
        ('{ const = "99999" }', '{ const = "99999", field = "month" }', "bill.payee_code"),
        ('"取消" = "cancelled"', '"取消" = "canceled"', "bill.status.values.取消"),
        ('blank = "open"', 'blank = "closed"', "bill.status.blank"),
        ("slice = [0, 4]", "slice = [4, 4]", "bill.levy_year.slice"),
        ('field = "month", slice', 'field = "amount", slice', "bill.levy_year.slice"),
        ('"水道料金" = "water"', '"水道料金" = "month"', "bill.parts.amounts"),
        ('"水道料金" = "water"', '"水道=料金" = "water"', "bill.parts.amounts"),
        ('payer_key = "customer"', 'payer_key = { amounts = { a = "water" } }', "bill.payer_key.amounts"),
        ('period = "term"', 'period = { field = "term", separator = "/" }', "bill.period.separator"),
        ('name = "name"', 'name = "name"\nkind = "state"', "bill.kind"),
    ],
)
def test_nonsense_in_a_layout_of_bills_is_rejected_at_its_key(before: str, after: str, where: str) -> None:
    assert before in WATER
    with pytest.raises(layouts.LayoutError) as caught:
        layouts.parse(WATER.replace(before, after, 1), "ours")
    assert where in [issue.field for issue in caught.value.issues]
    assert {issue.code for issue in caught.value.issues} == {"LAYOUT_INVALID"}


def test_a_date_of_any_length_needs_a_csv() -> None:
    text = layouts.template("ours")
    before = 'type = "date", format = "YYYYMMDD", length = 8 },\n  { id = "customer'
    assert before in text
    with pytest.raises(layouts.LayoutError, match=r"fields\[2\] \(paid_day\)"):
        layouts.parse(text.replace(before, before.replace("YYYYMMDD", "YYYY/M/D")), "ours")


def test_the_field_table_of_a_layout_of_bills_has_its_columns_and_mapping() -> None:
    table = layouts.describe(layouts.parse(WATER, "water"))
    assert "| 1 | 8 | digits | customer | 使用者番号 | customer | column `使用者番号`; filled with zeros |" in table
    assert "| levy_year | month, characters 0 to 4 |" in table
    assert "| parts | 水道料金: water, 下水道使用料: sewerage |" in table
    assert "| payee_code | always 99999 |" in table
