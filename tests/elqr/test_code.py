"""The eL-QR of one slip, against the published lines and codes in print."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin import elqr
from kokin.model import Bill

VECTORS = {
    "A": (
        "000201010212279600051380001834800000000000000000123002138000127000003000000000001234567890123456099999001000000054"
        "110000001230062262026202600202606012026071080850000000000000000000000000000000000000000000000000000000000000000000"
        "000000000000000000630508191"
    ),
    "B": (
        "000201010212279600051380001837700000000000999999999992138000999000008299999999999999999999999999099999999000000054"
        "119999999999962262026202512202703312027043080850000000000000000000000000000000000000000000000000000000000000000000"
        "000000000000000000630549402"
    ),
    "C": (
        "000201010212279600051380001839700000000000000000000012138000000000001300000000000000000001000000099999000000000054"
        "110000000000162262026202601202609010000000080850000000000000000000000000000000000000000000000000000000000000000000"
        "000000000000000000630505940"
    ),
}

FIELDS = {
    "A": {
        "payee_code": "99999",
        "office_code": "001",
        "item_code": "127",
        "case_key": "1234567890",
        "confirmation": "123456",
        "amount": 12300,
        "levy_year": 2026,
        "tax_year": 2026,
        "period": "00",
        "due_on": date(2026, 6, 1),
        "payable_until": date(2026, 7, 10),
    },
    "B": {
        "payee_code": "99999",
        "office_code": "999",
        "item_code": "999",
        "case_key": "9" * 20,
        "confirmation": "999999",
        "amount": 99_999_999_999,
        "levy_year": 2026,
        "tax_year": 2025,
        "period": "12",
        "due_on": date(2027, 3, 31),
        "payable_until": date(2027, 4, 30),
    },
    "C": {
        "payee_code": "99999",
        "office_code": "000",
        "item_code": "000",
        "case_key": "1",
        "confirmation": "000000",
        "amount": 1,
        "levy_year": 2026,
        "tax_year": 2026,
        "period": "01",
        "due_on": date(2026, 9, 1),
        "payable_until": None,
    },
}

days = st.dates(date(1, 1, 1), date(9999, 12, 31))


def digits(width: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=width, max_size=width)


codes = st.builds(
    elqr.ElQr,
    payee_code=digits(5),
    office_code=digits(3),
    item_code=digits(3),
    case_key=st.text("0123456789", min_size=1, max_size=20),
    confirmation=digits(6),
    amount=st.integers(1, 99_999_999_999),
    levy_year=st.integers(0, 9999),
    tax_year=st.integers(0, 9999),
    period=digits(2),
    due_on=days,
    payable_until=st.none() | days,
    account=digits(11),
    additional=digits(85),
)


@pytest.mark.parametrize("name", VECTORS)
def test_codes_in_print_are_rebuilt_digit_by_digit(name: str) -> None:
    code = elqr.ElQr(**FIELDS[name])
    assert code.payload == VECTORS[name]
    assert elqr.parse(VECTORS[name]) == code
    assert elqr.check(VECTORS[name]) == []


@pytest.mark.parametrize(
    ("line", "checks"),
    [
        ("0000000000000000039500213800012700000", "38"),
        ("0000000000000000043500213800012700000", "81"),
        ("0000000000000000003600226000033421101", "61"),
        ("100250881102000000061050501000000000000000", "22"),
        ("2902227918058887180334018780175989834", "09"),
        ("848537153542910686890641003790889692913072", "08"),
    ],
)
def test_published_check_digits(line: str, checks: str) -> None:
    assert elqr.mpn_check_digits(line) == checks


def test_el_number_and_lines_are_the_same_digits() -> None:
    code = elqr.ElQr(**FIELDS["A"])
    assert code.el_number == "99999-00000000001234567890-123456-127"
    assert code.upper_line == "480000000000000000012300213800012700000"
    assert code.lower_line == "30000000000012345678901234560999990010000000"


@given(codes)
def test_round_trip(code: elqr.ElQr) -> None:
    assert len(code.payload) == 255
    assert elqr.is_elqr(code.payload)
    assert elqr.parse(code.payload) == code


@given(codes, st.integers(0, 254), st.integers(1, 9))
def test_every_single_wrong_digit_is_found(code: elqr.ElQr, at: int, by: int) -> None:
    wrong = code.payload[:at] + str((int(code.payload[at]) + by) % 10) + code.payload[at + 1 :]
    assert elqr.check(wrong)


@given(codes, st.integers(0, 253))
def test_every_adjacent_transposition_is_found(code: elqr.ElQr, at: int) -> None:
    text = code.payload
    swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    assert bool(elqr.check(swapped)) == (swapped != text)


@given(st.text("0123456789", min_size=39, max_size=39), st.integers(0, 38), st.integers(1, 9))
def test_a_line_finds_every_single_wrong_digit(body: str, at: int, by: int) -> None:
    line = elqr.mpn_check_digits(body[2:]) + body[2:]
    wrong = line[:at] + str((int(line[at]) + by) % 10) + line[at + 1 :]
    assert elqr.mpn_check_digits(wrong[2:]) != wrong[:2]


def test_every_problem_is_told_at_once_with_field_and_position() -> None:
    with pytest.raises(elqr.PayloadError) as caught:
        elqr.ElQr(**{**FIELDS["A"], "payee_code": "0999999", "case_key": "12A4", "amount": 0, "due_on": "2026-02-30"})
    assert [(issue.code, issue.field) for issue in caught.value.issues] == [
        ("WIDTH", "payee_code"),
        ("NOT_DIGITS", "case_key"),
        ("AMOUNT_RANGE", "amount"),
        ("DATE_INVALID", "due_on"),
    ]
    broken = bytearray(VECTORS["A"], "ascii")
    broken[53:54] = b"1"  # fee bearer
    broken[141:149] = b"20260230"  # due day
    broken[116:127] = b"00000000000"  # second amount
    found = {(issue.code, issue.field, issue.location.byte) for issue in elqr.check(broken.decode())}
    assert found == {
        ("PAYLOAD_FORMAT", "fee_bearer", 53),
        ("CHECK_DIGIT", "upper_check", 29),
        ("PAYLOAD_AMOUNT", "amount", 116),
        ("AMOUNT_RANGE", "amount", 116),
        ("DATE_INVALID", "due_on", 141),
        ("PAYLOAD_CRC", "crc", 250),
    }


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("", {"PAYLOAD_LENGTH", "NOT_DIGITS"}),
        (VECTORS["A"][:-1], {"PAYLOAD_LENGTH"}),
        (VECTORS["A"] + " ", {"PAYLOAD_LENGTH", "NOT_DIGITS"}),
        (VECTORS["A"].replace("12300", "１２３００"), {"NOT_DIGITS"}),
        ("9" * 255, {"PAYLOAD_FORMAT", "CHECK_DIGIT", "DATE_INVALID", "PAYLOAD_CRC"}),
    ],
)
def test_what_is_no_elqr_is_refused(text: str, codes: set[str]) -> None:
    assert {issue.code for issue in elqr.check(text)} == codes
    with pytest.raises(elqr.PayloadError):
        elqr.parse(text)


@given(st.text(max_size=300) | st.text("0123456789", min_size=255, max_size=255))
def test_check_never_raises(text: str) -> None:
    assert elqr.check(text)


def test_amounts_are_whole_yen() -> None:
    for amount in (12300.0, "12300", True, None):
        with pytest.raises(elqr.PayloadError, match="FIELD_TYPE"):
            elqr.ElQr(**{**FIELDS["A"], "amount": amount})


def test_a_bill_gives_its_code() -> None:
    bill = Bill(bill_id="1", **FIELDS["A"])
    assert elqr.ElQr.from_bill(bill).payload == VECTORS["A"]
    with pytest.raises(elqr.PayloadError) as caught:
        elqr.ElQr.from_bill(Bill(bill_id="1", **FIELDS["C"]))
    assert [(issue.code, issue.field) for issue in caught.value.issues] == [("FIELD_MISSING", "payable_until")]


@pytest.mark.parametrize("prefix", ["", *(f"]Q{number}" for number in range(7))])
@pytest.mark.parametrize("suffix", ["", "\r", "\n", "\r\n"])
def test_what_a_scanner_sends_is_the_code(prefix: str, suffix: str) -> None:
    payload = VECTORS["A"]
    assert elqr.parse(f"{prefix}{payload}{suffix}").payload == payload
    assert elqr.is_elqr(f"{prefix}{payload}{suffix}")
    wrong = payload.replace("12300213800", "12400213800")
    assert elqr.check(f"{prefix}{wrong}{suffix}") == elqr.check(wrong) != []


@pytest.mark.parametrize(
    "scan", ["]Q7{}", "]q1{}", "]C1{}", "]Q1]Q1{}", " {}", "{} ", "\n{}", "]Q1\n{}", "{}\x1d", "]E0{}"]
)
def test_other_marks_are_refused(scan: str) -> None:
    assert {issue.code for issue in elqr.check(scan.format(VECTORS["A"]))} == {"PAYLOAD_LENGTH", "NOT_DIGITS"}
    assert not elqr.is_elqr(scan.format(VECTORS["A"]))
