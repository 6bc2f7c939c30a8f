"""Number schemes: templates, check digits, barcodes and confirmation numbers against plain computations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin._arrow.column_checks import IssueBuilder
from kokin.issues import InvalidInputError, from_table
from kokin.slips import CheckDigit, ItemScheme, NumberScheme, draw_confirmations, gs1_128
from tests.support import examples


def rows_of(*texts: str) -> Any:
    return np.frombuffer("".join(texts).encode(), np.uint8).reshape(len(texts), -1)


def plain_check_digit(digits: str, modulus: int, weights: Sequence[int]) -> str:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += int(digit) * weights[place % len(weights)]
    return str(-total % modulus % 10) if -total % modulus < 10 else "0"


@settings(max_examples=examples(100))
@given(
    st.text("0123456789", min_size=1, max_size=19),
    st.integers(2, 11),
    st.lists(st.integers(1, 10), min_size=1, max_size=7),
)
def test_a_check_digit_is_that_of_its_definition(digits: str, modulus: int, weights: list[int]) -> None:
    found = CheckDigit(modulus=modulus, weights=tuple(weights)).of(rows_of(digits))
    assert found.tobytes().decode() == plain_check_digit(digits, modulus, weights)


@pytest.mark.parametrize(("value", "key"), [("gs1", "4912345678904"), ("mod11", "4912345678909")])
def test_named_check_digits(value: str, key: str) -> None:
    scheme = ItemScheme(case_key="{serial:12}{check}", check_digit=value)
    assert scheme.case_keys(pa.table({"amount": [1]}), np.array([int(key[:-1])])).tobytes().decode() == key.zfill(20)


DEBT = {
    "payee_code": "99999",
    "item_code": "127",
    "levy_year": 2026,
    "obligation_id": "77",
    "issue_no": 3,
    "amount": 1_000,
    "payable_until": date(2026, 7, 10),
}


def debts(**changes: Any) -> pa.Table:
    return pa.Table.from_pylist([{**DEBT, **changes}], pa.table({name: [value] for name, value in DEBT.items()}).schema)


def builder() -> IssueBuilder:
    return IssueBuilder(1, np.zeros(1, np.bool_))


def test_fields_constants_and_zeros_of_a_case_key() -> None:
    scheme = ItemScheme(case_key="9{levy_year:6}{item_code}{obligation_id:4}{issue_no:2}")
    issues = builder()
    assert scheme.series(debts(), issues).tobytes() == b"9002026127007703"
    assert scheme.case_keys(debts(), np.zeros(1, np.int64)).tobytes() == b"00009002026127007703"
    assert not len(issues.table())


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"levy_year": None}, "FIELD_MISSING", "levy_year"),
        ({"obligation_id": "12345"}, "WIDTH", "obligation_id"),
        ({"obligation_id": "1-2"}, "NOT_DIGITS", "obligation_id"),
        ({"issue_no": 100}, "WIDTH", "issue_no"),
    ],
)
def test_a_value_that_does_not_fit_is_an_issue(changes: dict[str, Any], code: str, field: str) -> None:
    scheme, issues = ItemScheme(case_key="{levy_year}{obligation_id:4}{issue_no:2}"), builder()
    scheme.series(debts(**changes), issues)
    assert [(issue.code, issue.field) for issue in from_table(issues.table())] == [(code, field)]


@pytest.mark.parametrize(
    ("changes", "has_barcode"),
    [
        ({}, True),
        ({"amount": 300_000}, True),
        ({"amount": 300_001}, False),
        ({"payable_until": None}, False),
        ({"issue_no": 1}, True),
        ({"issue_no": 12}, True),
    ],
)
def test_a_barcode_is_that_of_gs1_128(changes: dict[str, Any], has_barcode: bool) -> None:
    scheme = ItemScheme(
        case_key="{serial:10}", barcode={"company_code": "929023", "free_field": "5{item_code}{case_key:12}"}
    )
    table, issues = debts(**changes), builder()
    (found,) = scheme.barcodes(table, scheme.case_keys(table, np.array([42])), issues).to_pylist()
    assert not len(issues.table())
    if not has_barcode:
        assert found is None
        return
    values = {**DEBT, **changes}
    expected = gs1_128.build(
        company_code="929023",
        free_field="000005127000000000042",
        amount=values["amount"],
        payable_until=values["payable_until"],
        reissue=str(min(values["issue_no"] - 1, 9)),
    )
    assert found == expected.digits


def test_a_barcode_has_a_deadline_of_this_century() -> None:
    scheme = ItemScheme(
        case_key="{serial:10}", barcode={"company_code": "929023", "free_field": "{item_code}{case_key:12}"}
    )
    table, issues = debts(payable_until=date(2100, 1, 1)), builder()
    scheme.barcodes(table, scheme.case_keys(table, np.array([42])), issues)
    assert [(issue.code, issue.found) for issue in from_table(issues.table())] == [("DATE_INVALID", "2100-01-01")]


def test_a_bill_id_of_text_and_numbers() -> None:
    scheme = ItemScheme(case_key="{serial:10}", bill_id="R8/{item_code}-{serial:6}/{issue_no}")
    table = debts()
    keys = scheme.case_keys(table, np.array([42]))
    assert scheme.bill_ids(table, np.array([42]), keys, builder()).to_pylist() == ["R8/127-000042/3"]
    scheme = ItemScheme(case_key="{serial:10}", bill_id="{case_key}")
    assert scheme.bill_ids(table, np.array([42]), keys, builder()).to_pylist() == [f"{42:020}"]


BARCODE = {"company_code": "929023", "free_field": "{item_code}{case_key:10}"}


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"case_key": "{serial:21}"}, "SCHEME_INVALID", "case_key"),
        ({"case_key": "{serial}"}, "SCHEME_INVALID", "case_key"),
        ({"case_key": "{serial:19}"}, "SCHEME_INVALID", "case_key"),
        ({"case_key": "{serial:4}{serial:4}"}, "SCHEME_INVALID", "case_key"),
        ({"case_key": "{serial:4}{unknown:4}"}, "SCHEME_INVALID", "case_key"),
        ({"case_key": "{serial:4"}, "SCHEME_INVALID", "case_key"),
        ({"case_key": "A{serial:4}"}, "SCHEME_INVALID", "case_key"),
        ({"case_key": "{levy_year}{item_code}"}, "SCHEME_INVALID", "case_key"),
        ({"case_key": "{check}{serial:4}", "check_digit": "gs1"}, "SCHEME_INVALID", "case_key"),
        ({"case_key": "{serial:4}{check:2}", "check_digit": "gs1"}, "SCHEME_INVALID", "case_key"),
        ({"case_key": "{serial:4}{check}"}, "SCHEME_INVALID", "check_digit"),
        ({"case_key": "{serial:4}", "check_digit": "gs1"}, "SCHEME_INVALID", "check_digit"),
        ({"case_key": "{serial:4}", "first_serial": 10_000}, "SCHEME_INVALID", "first_serial"),
        ({"case_key": "{obligation_id:4}", "bill_id": "{serial}"}, "SCHEME_INVALID", "bill_id"),
        ({"case_key": "{serial:4}", "bill_id": "{name}"}, "SCHEME_INVALID", "bill_id"),
        ({"case_key": "{serial:4}", "other": 1}, "FIELD_UNKNOWN", "other"),
        ({"case_key": "{serial:4}", "check_digit": "other"}, "SCHEME_INVALID", "check_digit"),
        (
            {"case_key": "{serial:4}", "check_digit": {"modulus": 12, "weights": [1]}},
            "FIELD_TYPE",
            "check_digit.modulus",
        ),
        ({"case_key": "{serial:4}", "barcode": {"company_code": "929023"}}, "FIELD_MISSING", "barcode.free_field"),
        ({}, "FIELD_MISSING", "case_key"),
        ({"case_key": "{serial:4}", "items": 3}, "SCHEME_INVALID", "items"),
        ({"case_key": "{serial:4}", "items": {"127": {"case_key": "{x}"}}}, "SCHEME_INVALID", "items.127.case_key"),
        ({"case_key": "{serial:11}", "barcode": BARCODE}, "SCHEME_INVALID", "barcode.free_field"),
        ({"case_key": "{obligation_id:8}", "barcode": BARCODE}, "SCHEME_INVALID", "barcode.free_field"),
        ({"case_key": "{customer_number:6}{issue_no:2}", "barcode": BARCODE}, "SCHEME_INVALID", "barcode.free_field"),
        (
            {"case_key": "{serial:8}", "barcode": {**BARCODE, "free_field": "{case_key:8}"}},
            "SCHEME_INVALID",
            "barcode.free_field",
        ),
        (
            {"case_key": "{serial:8}", "barcode": {**BARCODE, "free_field": "{case_key:22}"}},
            "SCHEME_INVALID",
            "barcode.free_field",
        ),
    ],
)
def test_an_invalid_scheme_names_the_key(values: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        NumberScheme.parse(values)
    assert [(issue.code, issue.field.partition(".CheckDigit")[0]) for issue in error.value.issues][:1] == [
        (code, field)
    ]


def test_a_scheme_is_read_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "scheme.toml"
    path.write_text(
        'case_key = "{levy_year}{item_code}{serial:9}{check}"\n'
        "check_digit = { modulus = 11, weights = [2, 3, 4, 5, 6, 7] }\n"
        '[barcode]\ncompany_code = "929023"\nfree_field = "{case_key:20}"\n'
        "[items.300]\nfirst_serial = 500\n"
        '[items.400]\ncase_key = "4{serial:9}{check}"\nbarcode.company_code = "929023"\n'
        'barcode.free_field = "{item_code}{case_key:12}"\n'
    )
    scheme = NumberScheme.load(path)
    common = ItemScheme(
        case_key="{levy_year}{item_code}{serial:9}{check}",
        check_digit="mod11",
        barcode={"company_code": "929023", "free_field": "{case_key:20}"},
    )
    assert scheme.for_item("127") == scheme.common == common
    assert scheme.for_item("300") == common.model_copy(update={"first_serial": 500})
    own = scheme.for_item("400")
    assert own is not None
    assert (own.case_key, own.check_digit) == ("4{serial:9}{check}", common.check_digit)
    assert NumberScheme.parse({"items": {"127": {"case_key": "{serial:4}"}}}).for_item("300") is None
    path.write_text("case_key = '{serial}'\n")
    with pytest.raises(InvalidInputError) as error:
        NumberScheme.load(path)
    (issue,) = error.value.issues
    assert (issue.code, issue.location.file) == ("SCHEME_INVALID", "scheme.toml")


def test_confirmations_that_can_be_guessed_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 2**32 - 1  # of 4,294,967,296 numbers the last 967,296 would make small confirmations more likely
    first_biased = 2**32 - 2**32 % 10**6
    draws = [0, 333_333, 123_456, 999_999, largest, first_biased, 654_321, first_biased - 2]
    left = [number.to_bytes(4, "little") for number in draws]
    monkeypatch.setattr("secrets.token_bytes", lambda size: b"".join(left.pop(0) for _ in range(size // 4)))
    keys = rows_of("00000000000000654321")
    assert draw_confirmations(keys).tobytes() == b"999998"
    assert not left


def test_confirmations_are_spread_over_all_numbers() -> None:
    keys = np.full((200_000, 20), ord("7"), np.uint8)
    drawn = draw_confirmations(keys)
    counts = [np.bincount(drawn[:, place] - ord("0"), minlength=10) for place in range(6)]
    # 20,000 each; ten standard deviations.
    assert all(abs(count - 20_000) < 1_350 for place in counts for count in place.tolist())
    assert not np.isin(drawn.view("S6").ravel(), [digit * 6 for digit in (b"0", b"1", b"7")]).any()
