"""The eL-QR of one slip: synthetic codes, check digits of real lines, and properties of the checksums."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokin import elqr
from kokin.model import Bill

# Synthetic codes: the authority and the keys are invented. They come from the description of the structure, which was
# proven by rebuilding real codes in print; this package did not compute them. A is an ordinary code, B has every field
# at its maximum, C is 1 yen without 支払期限 and with a CRC that begins with a zero.
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
def test_a_code_is_built_and_parsed_digit_by_digit(name: str) -> None:
    code = elqr.ElQr(**FIELDS[name])
    assert code.payload == VECTORS[name]
    assert elqr.parse(VECTORS[name]) == code
    assert elqr.check(VECTORS[name]) == []


# Four lines of real codes in print and two self-test lines that are published with their check digits.
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
def test_check_digits_are_those_of_published_lines(line: str, checks: str) -> None:
    assert elqr.mpn_check_digits(line) == checks


def test_el_number_and_lines_are_the_same_digits() -> None:
    code = elqr.ElQr(**FIELDS["A"])
    assert code.el_number == "99999-00000000001234567890-123456-127"
    assert code.upper_line == "480000000000000000012300213800012700000"
    assert code.lower_line == "30000000000012345678901234560999990010000000"


@given(codes)
def test_parse_returns_the_code_of_a_payload(code: elqr.ElQr) -> None:
    assert len(code.payload) == 255
    assert elqr.is_elqr(code.payload)
    assert elqr.parse(code.payload) == code


@given(codes, st.integers(0, 254), st.integers(1, 9))
def test_every_single_digit_error_is_detected(code: elqr.ElQr, at: int, by: int) -> None:
    invalid = code.payload[:at] + str((int(code.payload[at]) + by) % 10) + code.payload[at + 1 :]
    assert elqr.check(invalid)


@given(codes, st.integers(0, 253))
def test_every_adjacent_transposition_is_detected(code: elqr.ElQr, at: int) -> None:
    text = code.payload
    swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    assert bool(elqr.check(swapped)) == (swapped != text)


@given(st.text("0123456789", min_size=39, max_size=39), st.integers(0, 38), st.integers(1, 9))
def test_check_digits_detect_every_single_digit_error(digits: str, at: int, by: int) -> None:
    line = elqr.mpn_check_digits(digits[2:]) + digits[2:]
    invalid = line[:at] + str((int(line[at]) + by) % 10) + line[at + 1 :]
    assert elqr.mpn_check_digits(invalid[2:]) != invalid[:2]


def test_every_invalid_field_is_an_issue() -> None:
    fields = {**FIELDS["A"], "payee_code": "0999999", "case_key": "12A4", "amount": 0, "due_on": "2026-02-30"}
    with pytest.raises(elqr.PayloadError) as error:
        elqr.ElQr(**fields)
    assert elqr.check_fields(**fields) == list(error.value.issues)
    assert [(issue.code, issue.field) for issue in error.value.issues] == [
        ("WIDTH", "payee_code"),
        ("NOT_DIGITS", "case_key"),
        ("AMOUNT_RANGE", "amount"),
        ("DATE_INVALID", "due_on"),
    ]


@pytest.mark.parametrize(
    ("fields", "issues"),
    [
        (FIELDS["A"], []),
        ({**FIELDS["A"], "colour": "red"}, [("FIELD_UNKNOWN", "colour")]),
        ({**FIELDS["A"], "amount": "12300"}, [("FIELD_TYPE", "amount")]),
        ({}, [("FIELD_MISSING", name) for name in FIELDS["A"]]),
    ],
    ids=["valid", "unknown", "type", "missing"],
)
def test_fields_are_checked_without_an_exception(fields: dict[str, object], issues: list[tuple[str, str]]) -> None:
    found = [(issue.code, issue.field) for issue in elqr.check_fields(**fields)]
    assert sorted(found) == sorted(issues)


def test_every_invalid_element_is_an_issue_with_its_position() -> None:
    invalid = bytearray(VECTORS["A"], "ascii")
    invalid[53:54] = b"1"  # fee bearer
    invalid[141:149] = b"20260230"  # due day
    invalid[116:127] = b"00000000000"  # second amount
    found = {(issue.code, issue.field, issue.location.byte) for issue in elqr.check(invalid.decode())}
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
def test_a_text_that_is_no_elqr_is_rejected(text: str, codes: set[str]) -> None:
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


def test_from_bill_builds_the_code_of_a_bill() -> None:
    bill = Bill(bill_id="1", **FIELDS["A"])
    assert elqr.ElQr.from_bill(bill).payload == VECTORS["A"]
    with pytest.raises(elqr.PayloadError) as error:
        elqr.ElQr.from_bill(Bill(bill_id="1", **FIELDS["C"]))
    assert [(issue.code, issue.field) for issue in error.value.issues] == [("FIELD_MISSING", "payable_until")]


@pytest.mark.parametrize("prefix", ["", *(f"]Q{number}" for number in range(7))])
@pytest.mark.parametrize("suffix", ["", "\r", "\n", "\r\n"])
def test_characters_that_a_scanner_adds_are_ignored(prefix: str, suffix: str) -> None:
    payload = VECTORS["A"]
    assert elqr.parse(f"{prefix}{payload}{suffix}").payload == payload
    assert elqr.is_elqr(f"{prefix}{payload}{suffix}")
    invalid = payload.replace("12300213800", "12400213800")
    assert elqr.check(f"{prefix}{invalid}{suffix}") == elqr.check(invalid) != []


@pytest.mark.parametrize(
    "scan", ["]Q7{}", "]q1{}", "]C1{}", "]Q1]Q1{}", " {}", "{} ", "\n{}", "]Q1\n{}", "{}\x1d", "]E0{}"]
)
def test_other_characters_are_rejected(scan: str) -> None:
    assert {issue.code for issue in elqr.check(scan.format(VECTORS["A"]))} == {"PAYLOAD_LENGTH", "NOT_DIGITS"}
    assert not elqr.is_elqr(scan.format(VECTORS["A"]))


@pytest.mark.parametrize("name", VECTORS)
def test_a_notebook_shows_a_symbol_that_decodes_to_the_payload(name: str) -> None:
    zxingcpp = pytest.importorskip("zxingcpp", reason="needs the extra 'decode'")
    code = elqr.ElQr(**FIELDS[name])
    assert code.qr_code().designator == "6-M"
    assert decode_svg(zxingcpp, code._repr_svg_()) == VECTORS[name]
    png = io.BytesIO()
    code.qr_code().save(png, kind="png", scale=4)
    picture = pytest.importorskip("PIL.Image").open(png)
    assert [found.text for found in zxingcpp.read_barcodes(picture)] == [VECTORS[name]]


def decode_svg(zxingcpp: Any, svg: str) -> str:
    """Paint the strokes of a symbol, ``M x y h length m dx dy h length ...`` with relative moves, and decode them."""
    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    (path,) = re.findall(r'class="qrline"[^>]* d="([^"]+)"', svg)
    pixels = np.full((49, 49), 255, np.uint8)
    x = y = 0.0
    for command, arguments in re.findall(r"([Mmh])([-\d. ]+)", path):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", arguments)]
        if command == "h":
            pixels[int(y), int(x) : int(x + numbers[0])] = 0
            x += numbers[0]
        else:
            x, y = numbers if command == "M" else (x + numbers[0], y + numbers[1])
    text: str = zxingcpp.read_barcode(np.kron(pixels, np.ones((4, 4), np.uint8))).text
    return text


def test_names_of_batches_are_listed_before_their_first_use() -> None:
    program = "from kokin import elqr; import sys; print(set(elqr.__all__) <= set(dir(elqr)), 'numpy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["True", "False"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        elqr.nothing  # noqa: B018
