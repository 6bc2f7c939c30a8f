"""Writing files: totals, field lengths, refunds, uploads, and exact copies of a file."""

from __future__ import annotations

import io
import shutil
import tempfile
import typing
from datetime import date
from pathlib import Path
from typing import Any

import polars
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import receipts
from kokin.issues import InvalidInputError
from kokin.model import Bill
from kokin.receipts import layouts
from kokin.receipts.layouts._schema import VARIABLE_FORMATS, DateFormat
from tests.support import examples

REFERENCE = date(2026, 4, 15)
WRITTEN = [name for name in layouts.names() if layouts.load(name).format != "xml"]


def synthetic(layout: str, rows: int = 40, newline: str | None = None) -> bytes:
    content = io.BytesIO()
    assert receipts.generate_sample(content, layout, rows, seed=6, newline=newline) == rows
    return content.getvalue()


def fields(content: bytes, layout: str) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """Return the detail records, the header and the trailer of a file by the layout's field ids."""
    records = list(receipts.open(io.BytesIO(content), layout, reference_date=REFERENCE).records())
    kinds = layouts.load(layout).records
    by_role: dict[str, list[dict[str, Any]]] = {"header": [{}], "data": [], "trailer": [{}], "end": []}
    for record in records:
        by_role[kinds[record.kind].role].append(dict(record.values))
    return by_role["data"], by_role["header"][-1], by_role["trailer"][-1]


@pytest.mark.parametrize("layout", WRITTEN)
def test_writing_the_fields_of_a_file_yields_the_same_file(layout: str) -> None:
    content = synthetic(layout)
    rows, header, trailer = fields(content, layout)
    copy = io.BytesIO()
    receipts.write(rows, copy, layout, header=header, trailer=trailer)
    assert copy.getvalue() == content


@pytest.mark.parametrize("style", typing.get_args(DateFormat))
@pytest.mark.parametrize("day", [date(2026, 4, 1), date(2025, 12, 31)])
def test_a_day_is_written_as_it_is_read(style: str, day: date) -> None:
    length = 20 if style in VARIABLE_FORMATS else len(style.split()[-1])
    text = (Path(layouts.__file__).parent / "dsk-csv.toml").read_text(encoding="utf-8")
    field = 'id = "paid_day", ja = "収納日", en = "day of payment", type = "date", format = "YYYYMMDD", length = 8'
    assert field in text
    changed = field.replace("YYYYMMDD", style).replace("length = 8", f"length = {length}")
    layout = layouts.parse(text.replace(field, changed), "custom")
    content = io.BytesIO()
    rows = receipts.read(io.BytesIO(synthetic("dsk-csv", 1)), "dsk-csv").table.to_pylist()
    row = {**rows[0], "paid_on": day, "made_day": day, "area_1": "1", "area_2": "1"}
    receipts.write([row], content, layout)
    assert [one.paid_on for one in receipts.open(content, layout, reference_date=REFERENCE)] == [day]


def test_the_same_seed_yields_the_same_bytes() -> None:
    for layout in layouts.names():
        first, second = io.BytesIO(), io.BytesIO()
        receipts.generate_sample(first, layout, 10, seed=1)
        receipts.generate_sample(second, layout, 10, seed=1)
        assert first.getvalue() == second.getvalue()


@settings(deadline=None, max_examples=examples(40))
@given(st.sampled_from(WRITTEN), st.sampled_from([None, "LF", ""]), st.binary(max_size=4), st.integers(0, 10_000))
def test_edit_without_changes_copies_every_byte(layout: str, newline: str | None, replacement: bytes, at: int) -> None:
    if layouts.load(layout).csv and newline == "":
        newline = None
    content = bytearray(synthetic(layout, 5, newline))
    at %= len(content)
    content[at : at + len(replacement)] = replacement
    content += b"\x1a"
    file = receipts.open(io.BytesIO(bytes(content)), layout, reference_date=REFERENCE)
    target = Path(tempfile.mkdtemp()) / "copy"
    try:
        receipts.edit(file, target)
        assert target.read_bytes() == bytes(content)
        receipts.edit(file, target, lambda record: {})
        assert target.read_bytes() == bytes(content)
    finally:
        shutil.rmtree(target.parent)


@pytest.mark.parametrize(("layout", "field"), [("zengin-91", "customer_number"), ("dsk-csv", "store_code")])
def test_edit_changes_one_field_and_nothing_else(tmp_path: Path, layout: str, field: str) -> None:
    content = synthetic(layout)
    file = receipts.open(io.BytesIO(content), layout, reference_date=REFERENCE)
    target = tmp_path / "copy"
    receipts.edit(file, target, lambda record: {field: "77"} if record.values.get(field, "")[-2:] == "03" else None)
    edited = target.read_bytes()
    before, after = fields(content, layout)[0], fields(edited, layout)[0]
    assert [one[field] for one in after if one[field] == "77"] == ["77"]
    assert [{**one, field: ""} for one in before] == [{**one, field: ""} for one in after]
    assert len(content.splitlines()) == len(edited.splitlines())


def test_a_change_that_does_not_fit_leaves_no_file_behind(tmp_path: Path) -> None:
    file = receipts.open(io.BytesIO(synthetic("zengin-91")), "zengin-91", reference_date=REFERENCE)
    target = tmp_path / "copy"
    with pytest.raises(InvalidInputError) as caught:
        receipts.edit(file, target, lambda record: {"amount": 10**10} if record.kind == "data" else None)
    assert [(issue.code, issue.field, issue.location.record) for issue in caught.value.issues] == [
        ("AMOUNT_RANGE", "amount", 2)
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_a_field_cannot_represent_is_an_error_with_its_row(tmp_path: Path) -> None:
    rows = [
        {"customer_number": "1", "amount": 10, "paid_on": REFERENCE, "name": "ｺｳｷﾝ"},
        {"customer_number": "2" * 21, "amount": 10**10, "paid_on": REFERENCE, "name": "公金"},
    ]
    with pytest.raises(InvalidInputError) as caught:
        receipts.write(rows, tmp_path / "out", "zengin-91")
    assert {issue.location.record for issue in caught.value.issues} == {2}
    assert list(tmp_path.iterdir()) == []


def test_refunds_are_written_as_credit_transfers() -> None:
    refunds = polars.DataFrame(
        {
            "bank_code": ["9999", "9999"],
            "branch_code": ["001", "002"],
            "account_number": ["0000001", "0000002"],
            "payee_name": ["ｺｳｷﾝ ﾊﾅｺ", "ｾﾞｲﾑ ｲﾁﾛｳ"],
            "amount": [1200, 3400],
            "customer_code_1": ["0000000001", "0000000002"],
        }
    )
    content = io.BytesIO()
    header = {"consignor_name": "ｻﾝﾌﾟﾙｼ", "transfer_day": date(2026, 4, 30), "bank_code": "9999"}
    assert receipts.write(refunds, content, "zengin-21", header=header) == 2
    lines = content.getvalue().decode("cp932").split("\r\n")
    assert [line[:1] for line in lines] == ["1", "2", "2", "8", "9", ""]
    assert lines[3] == "8" + "000002" + "000000004600" + " " * 101
    assert lines[0][54:58] == "0430"
    assert lines[1][80:90] == "0000001200"
    assert receipts.check(content, "zengin-21", reference_date=REFERENCE).exit_code == 0


def test_bills_are_written_as_an_upload() -> None:
    bill = Bill(
        bill_id="1",
        payee_code="99999",
        item_code="127",
        case_key="1234567890",
        confirmation="123456",
        amount=12300,
        due_on=date(2026, 6, 1),
        levy_year=2026,
        tax_year=2026,
        payable_until=date(2026, 7, 10),
    )
    content = io.BytesIO()
    receipts.write([bill], content, "eltax-upload-example")
    names, row, *_ = content.getvalue().decode("cp932").split("\r\n")
    values = dict(zip(names.split(","), row.split(","), strict=True))
    assert values["case_key"] == "00000000001234567890"
    assert (values["amount"], values["due_day"], values["office_code"]) == ("12300", "20260601", "000")
    with pytest.raises(InvalidInputError):
        receipts.write([bill.model_copy(update={"payable_until": None})], content, "eltax-upload-example")


def test_a_request_is_written_with_result_totals_of_zero() -> None:
    rows = pa.table({"customer_number": ["1", "2"], "amount": [10, 20], "paid_on": [REFERENCE] * 2})
    content = io.BytesIO()
    receipts.write(rows, content, "zengin-91", request=True)
    report = receipts.check(content, "zengin-91", reference_date=REFERENCE)
    assert [issue.code for issue in report.fatal_issues] == ["REQUEST_FILE"]
    receipts.write(rows, result := io.BytesIO(), "zengin-91")
    assert receipts.check(result, "zengin-91", reference_date=REFERENCE).totals.accepted == 2


def test_xml_is_not_written() -> None:
    with pytest.raises(InvalidInputError, match="LAYOUT_NOT_WRITTEN"):
        receipts.write([], io.BytesIO(), "camt.054")


def test_an_invalid_value_writes_nothing_to_a_stream_and_keeps_the_old_file(tmp_path: Path) -> None:
    good = {"payee_code": "99999", "item_code": "127", "case_key": "1", "confirmation": "1", "amount": 1}
    good |= {"paid_on": date(2026, 6, 1)}
    stream, path = io.BytesIO(), tmp_path / "out.csv"
    receipts.write([good], path, "kokin-csv")
    before = path.read_bytes()
    for target in (stream, path):
        with pytest.raises(InvalidInputError):
            receipts.write([good, good | {"case_key": "x" * 99}], target, "kokin-csv")
    assert (stream.getvalue(), path.read_bytes()) == (b"", before)
    assert [file.name for file in tmp_path.iterdir()] == ["out.csv"]
    receipts.write([good], stream, "kokin-csv")
    assert stream.getvalue() == before


def test_a_stream_gets_the_whole_file_or_nothing() -> None:
    rows = [{"customer_number": "1", "amount": amount, "paid_on": REFERENCE} for amount in (10, -1)]
    stream = io.BytesIO()
    with pytest.raises(InvalidInputError):
        receipts.write(rows, stream, "kokin-csv")
    assert stream.getvalue() == b""
    receipts.write(rows[:1], stream, "kokin-csv")
    assert stream.getvalue().count(b"\n") == 2


@pytest.mark.parametrize("layout", ["zengin-91", "dsk-csv", "kokin-csv"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "lf", "NEL"])
def test_an_unknown_newline_is_an_error(layout: str, newline: str) -> None:
    stream = io.BytesIO()
    with pytest.raises(InvalidInputError) as caught:
        receipts.generate_sample(stream, layout, 2, newline=newline)
    assert [(issue.code, issue.field) for issue in caught.value.issues] == [("CODE_UNKNOWN", "newline")]
    assert stream.getvalue() == b""


def test_paid_on_fills_every_date_field_without_a_value() -> None:
    one, two = date(2026, 4, 1), date(2026, 4, 3)
    rows = [{"amount": 1, "paid_on": one, "received_on": two}]
    for each, received in ((rows, two), ([{"amount": 1, "paid_on": one}], one)):
        stream = io.BytesIO()
        receipts.write(each, stream, "zengin-01")
        (receipt,) = receipts.open(stream, "zengin-01", reference_date=REFERENCE)
        assert (receipt.paid_on, receipt.received_on) == (one, received)


def test_an_assigned_reference_is_written_to_its_field() -> None:
    text = layouts.template("ours").replace(
        'fields = ["type", "paid_day", "customer_number"]', 'assigned = ["customer_number"]'
    )
    layout = layouts.parse(text.replace('customer_number = "customer_number"\n', ""), "ours")
    stream = io.BytesIO()
    header = {"made_day": REFERENCE}
    receipts.write(
        [{"kind": "final", "amount": 1, "paid_on": REFERENCE, "provider_key": "K-1"}], stream, layout, header=header
    )
    assert [one.provider_key for one in receipts.open(stream, layout)] == ["K-1"]
