"""Bills and receipts: records, and the schema derived from them."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from kokin.issues import InvalidInputError
from kokin.model import Bill, BillStatus, Digits, Outcome, Receipt, ReceiptKind, arrow_schema, field_types, redact

BILL = {
    "bill_id": "B1",
    "payee_code": "99999",
    "item_code": "127",
    "case_key": "1234567890",
    "confirmation": "123456",
    "amount": 12300,
    "due_on": "2026-06-01",
}


def issues_of(record, **changes) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInputError) as caught:
        record(**changes)
    return [(issue.code, issue.field) for issue in caught.value.issues]


def test_a_bill_pads_its_case_key_and_parses_its_due_date() -> None:
    bill = Bill(**BILL)
    assert bill.case_key == "00000000001234567890"
    assert bill.due_on == date(2026, 6, 1)
    assert bill.status is BillStatus.OPEN


@pytest.mark.parametrize("record", [Bill, Receipt])
def test_the_schema_has_the_fields_of_the_record(record) -> None:
    columns = arrow_schema(record)
    assert columns.names == list(record.model_fields)
    for name, field in record.model_fields.items():
        nullable = not field.is_required() and field.default is None
        assert columns.field(name).nullable == nullable, name
    assert columns.field("amount").type == pa.int64()
    assert columns.field("payable_until").type == pa.date32()


def test_a_record_is_equal_after_conversion_to_a_table_and_back() -> None:
    bill = Bill(**BILL, parts={"water": 10000, "sewerage": 2300}, covers=("o1", "o2"))
    table = pa.Table.from_pylist([bill.model_dump()], schema=arrow_schema(Bill))
    assert [Bill(**row) for row in table.to_pylist(maps_as_pydicts="strict")] == [bill]
    assert [Bill(**row) for row in table.to_pylist()] == [bill]


def test_a_bill_is_frozen_and_hashable() -> None:
    bill = Bill(**BILL, parts={"water": 10000, "sewerage": 2300}, covers=["o1"])
    assert dict(bill.parts) == {"water": 10000, "sewerage": 2300}
    assert {bill, Bill(**BILL, parts="water=10000; sewerage=2300;", covers="o1;")} == {bill}
    with pytest.raises(TypeError):
        bill.parts["water"] = 5


@pytest.mark.parametrize(
    ("change", "issue"),
    [
        ({"bill_id": ""}, ("WIDTH", "bill_id")),
        ({"payee_code": "999999"}, ("WIDTH", "payee_code")),
        ({"payee_code": "9999９"}, ("NOT_DIGITS", "payee_code")),
        ({"case_key": "1" * 21}, ("WIDTH", "case_key")),
        ({"amount": 0}, ("AMOUNT_RANGE", "amount")),
        ({"amount": 1.0}, ("FIELD_TYPE", "amount")),
        ({"amount": 10**11}, ("AMOUNT_RANGE", "amount")),
        ({"due_on": "2026-02-30"}, ("DATE_INVALID", "due_on")),
        ({"due_on": "2026-6-1"}, ("DATE_INVALID", "due_on")),
        ({"status": "paid"}, ("CODE_UNKNOWN", "status")),
        ({"colour": "red"}, ("FIELD_UNKNOWN", "colour")),
        ({"charge": "a\x00b"}, ("CHARACTER", "charge")),
        ({"covers": ["x" * 65]}, ("WIDTH", "covers")),
        ({"covers": [""]}, ("WIDTH", "covers")),
        ({"covers": ["a\x07"]}, ("CHARACTER", "covers")),
        ({"covers": ["2026;1"]}, ("CHARACTER", "covers")),
        ({"covers": [1]}, ("FIELD_TYPE", "covers")),
        ({"covers": 1}, ("FIELD_TYPE", "covers")),
        ({"parts": {"a": -5, "b": 12305}}, ("AMOUNT_RANGE", "parts")),
        ({"parts": {"a=b": 12300}}, ("CHARACTER", "parts")),
        ({"parts": {"": 12300}}, ("WIDTH", "parts")),
        ({"parts": {"a": 12300.0}}, ("FIELD_TYPE", "parts")),
        ({"parts": [("a", 1), ("a ", 12299)]}, ("PARTS_DUPLICATE", "parts")),
        ({"parts": "=12300"}, ("WIDTH", "parts")),
        ({"parts": "a"}, ("PARTS_FORM", "parts")),
        ({"parts": "a=1.5"}, ("PARTS_FORM", "parts")),
        ({"parts": {"a": 1}}, ("PARTS_SUM", "parts")),
        ({"paid_before": 12301}, ("PAID_BEFORE_RANGE", "paid_before")),
    ],
)
def test_an_invalid_field_is_reported(change, issue) -> None:
    assert issues_of(Bill, **{**BILL, **change}) == [issue]


def test_paid_before_may_exceed_the_amount_of_one_slip_of_several() -> None:
    """The limit is the sum of all slips of the obligation."""
    assert Bill(**BILL, paid_before=20000, obligation_id="o1").paid_before == 20000
    assert Bill(**BILL, paid_before=20000, covers=["o1"]).paid_before == 20000


def test_an_empty_optional_text_is_none() -> None:
    assert Bill(**BILL, charge="", obligation_id="") == Bill(**BILL)


@pytest.mark.parametrize("name", ["YAMADATARO", "yamada taro", "山田太郎"])
@pytest.mark.parametrize("field", ["payee_code", "case_key", "due_on", "status"])
def test_a_personal_name_in_another_field_is_redacted(field, name) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Bill(**{**BILL, field: name})
    assert name[1:] not in str(caught.value)


def test_personal_names_are_masked_in_repr_and_absent_from_issues() -> None:
    assert "花子" not in repr(Bill(**BILL, name="公金花子"))
    assert "公＊" in repr(Bill(**BILL, name="公金花子"))
    with pytest.raises(InvalidInputError) as caught:
        Bill(**{**BILL, "case_key": "公金花子"})  # a shifted column
    assert "花子" not in str(caught.value)


def test_a_receipt_requires_only_a_date_and_an_amount() -> None:
    receipt = Receipt(paid_on="2026-06-01", amount=1)
    assert receipt.kind is ReceiptKind.FINAL
    assert issues_of(Receipt) == [("FIELD_MISSING", "paid_on"), ("FIELD_MISSING", "amount")]


@pytest.mark.parametrize("kind", ReceiptKind)
def test_only_a_correction_may_have_an_amount_of_0(kind: ReceiptKind) -> None:
    manual = {"actor": "clerk 7", "reason": "counter"} if kind.is_by_hand else {}
    row = {"kind": kind, "paid_on": "2026-06-01", **manual}
    assert Receipt(**row, amount=1).amount == 1
    if kind is ReceiptKind.CORRECTION:
        assert Receipt(**row, amount=0).amount == 0
        return
    with pytest.raises(InvalidInputError) as caught:
        Receipt(**row, amount=0)
    assert [(issue.code, issue.field) for issue in caught.value.issues] == [("AMOUNT_ZERO", "amount")]


def test_field_types_are_found_in_annotations() -> None:
    assert field_types(Bill)["case_key"] == Digits(20, zero_pad=True)
    assert field_types(Receipt)["barcode"] == Digits(44)


def test_expected_outcomes_are_not_exceptions() -> None:
    assert not Outcome.MATCHED.is_exception
    assert not Outcome.PROVISIONAL.is_exception
    assert not Outcome.REVERSAL.is_exception
    assert Outcome.REVERSED.is_exception
    assert Outcome.REVERSAL_WITHOUT_PAYMENT.is_exception
    assert Outcome.CANCEL_WITHOUT_PROVISIONAL.is_exception
    assert Outcome.DUPLICATE_PAYMENT.is_exception


@given(st.text())
def test_a_redacted_value_has_only_digits_and_punctuation(value: str) -> None:
    text = redact(value)
    assert len(text) == min(len(value), 24)
    assert text.isascii()
    assert text.isprintable()
    assert not any(character.isalpha() for character in text)
    assert all(a == b for a, b in zip(text, value, strict=False) if b in "0123456789-/., ")


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        (Digits(20, zero_pad=True), ["", "1" * 21], "1 to 20 digits"),
        (Digits(6, allow_shorter=True), ["", "1" * 7], "1 to 6 digits"),
        (Digits(5), ["", "1234", "123456"], "5 digits"),
    ],
)
def test_a_length_issue_has_the_valid_lengths(rule: Digits, values: list[str], expected: str) -> None:
    assert rule.expected == expected
    for value in values:
        with pytest.raises(PydanticCustomError) as caught:
            rule.check(value)
        assert (caught.value.type, caught.value.context) == (
            "WIDTH",
            {"expected": expected, "found": f"{len(value)} digits"},
        )
