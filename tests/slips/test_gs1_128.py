"""The convenience-store barcode against published samples, biip as a parser, and zxing-cpp as a scanner of pictures."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import numpy as np
import pytest
from biip import parse as biip_parse
from biip.gs1_messages import GS1Message
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin.issues import InvalidInputError
from kokin.model import Bill
from kokin.slips import gs1_128
from tests.support import examples

# Published vendor samples.
SAMPLES = ["91929023252070000010123499900199999900106050", "91929023252070000010123499900899999910600008"]

barcodes = st.builds(
    gs1_128.Barcode,
    company_code=st.text("0123456789", min_size=6, max_size=6),
    free_field=st.text("0123456789", min_size=21, max_size=21),
    reissue=st.sampled_from("0123456789"),
    payable_until=st.one_of(st.none(), st.dates(date(2000, 1, 1), date(2099, 12, 31))),
    stamp=st.booleans(),
    amount=st.integers(1, 300_000),
)


def test_a_published_sample_is_read_and_written() -> None:
    code = gs1_128.parse(SAMPLES[0])
    assert code == gs1_128.Barcode(company_code="929023", free_field="252070000010123499900", reissue="1", amount=10605)
    assert code.digits == SAMPLES[0]
    assert code.lines == ("(91)929023-2520700000101234999001", "999999-0-010605-0")


def test_a_stamp_is_read_and_written() -> None:
    code = gs1_128.parse(SAMPLES[1])
    assert (code.stamp, code.amount, code.reissue, code.digits) == (True, 60000, "8", SAMPLES[1])


@given(barcodes)
def test_a_barcode_is_parsed_from_its_own_digits(code: gs1_128.Barcode) -> None:
    assert len(code.digits) == 44
    assert gs1_128.check(code.digits) == []
    assert gs1_128.parse(code.digits) == code
    message = biip_parse(code.digits).gs1_message
    assert message is not None
    assert [(element.ai.ai, element.value) for element in message.element_strings] == [("91", code.digits[2:])]


@given(barcodes, st.integers(0, 43), st.integers(1, 9))
def test_a_changed_digit_is_always_detected(code: gs1_128.Barcode, place: int, step: int) -> None:
    digit = str((int(code.digits[place]) + step) % 10)
    assert gs1_128.check(code.digits[:place] + digit + code.digits[place + 1 :])


@pytest.mark.parametrize(
    ("digits", "problems"),
    [
        ("9" * 43, [("WIDTH", "barcode", None)]),
        ("9192902325207000001012349990019999990010605X", [("NOT_DIGITS", "barcode", None)]),
        ("92" + SAMPLES[0][2:], [("CODE_UNKNOWN", "identifier", 0)]),
        ("91929023252070000010123499900126023000106051", [("DATE_INVALID", "payable_until", 30)]),
        ("91929023252070000010123499900199999920106056", [("CODE_UNKNOWN", "stamp", 36)]),
        ("91929023252070000010123499900199999903000015", [("AMOUNT_RANGE", "amount", 37)]),
        ("91929023252070000010123499900199999900000005", [("AMOUNT_RANGE", "amount", 37)]),
    ],
)
def test_an_issue_names_the_field_and_its_first_digit(digits: str, problems: list[tuple[Any, ...]]) -> None:
    found = [(issue.code, issue.field, issue.location.byte) for issue in gs1_128.check(digits)]
    # The check digit of these samples is not adjusted and may be reported too.
    assert [problem for problem in found if problem[0] != "CHECK_DIGIT"] == problems
    with pytest.raises(InvalidInputError):
        gs1_128.parse(digits)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount": 300_001}, "AMOUNT_RANGE"),
        ({"amount": 0}, "AMOUNT_RANGE"),
        ({"free_field": "1" * 20}, "WIDTH"),
        ({"company_code": "92902X"}, "NOT_DIGITS"),
        ({"payable_until": date(2100, 1, 1)}, "DATE_INVALID"),
    ],
)
def test_a_barcode_with_an_invalid_field_is_rejected(fields: dict[str, Any], code: str) -> None:
    valid = {"company_code": "929023", "free_field": "0" * 21, "amount": 300_000}
    assert gs1_128.build(**valid).digits
    with pytest.raises(InvalidInputError) as raised:
        gs1_128.build(**valid | fields)
    assert [(issue.code, issue.field) for issue in raised.value.issues] == [(code, next(iter(fields)))]


def bill(**changes: Any) -> Bill:
    code = gs1_128.build(company_code="929023", free_field="0" * 21, amount=12300, payable_until=date(2026, 7, 10))
    fields = {
        "bill_id": "1",
        "payee_code": "99999",
        "item_code": "127",
        "case_key": "1",
        "confirmation": "123456",
        "amount": 12300,
        "due_on": date(2026, 6, 1),
        "payable_until": date(2026, 7, 10),
        "barcode": code.digits,
    }
    return Bill(**fields | changes)


def test_the_barcode_of_a_bill_is_parsed() -> None:
    assert gs1_128.from_bill(bill()).amount == 12300


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"amount": 12301}, ("BARCODE_DIFFERS", "amount")),
        ({"payable_until": None}, ("BARCODE_DIFFERS", "payable_until")),
        ({"barcode": None}, ("FIELD_MISSING", "barcode")),
        ({"barcode": "0" * 44}, ("CODE_UNKNOWN", "identifier")),
    ],
)
def test_a_barcode_that_differs_from_its_bill_is_rejected(changes: dict[str, Any], problem: tuple[str, str]) -> None:
    with pytest.raises(InvalidInputError) as raised:
        gs1_128.from_bill(bill(**changes))
    assert (raised.value.issues[0].code, raised.value.issues[0].field) == problem


def test_the_code_128_patterns_equal_those_of_reportlab() -> None:
    code128 = pytest.importorskip("reportlab.graphics.barcode.code128", reason="needs the extra 'pdf'")
    expected = ["".join(str("abcd".index(c) + 1) for c in code128._patterns[v].lower()) for v in range(106)]
    assert gs1_128._PATTERNS[:106] == expected


def read(picture: Any) -> list[tuple[str, str]]:
    zxingcpp = pytest.importorskip("zxingcpp", reason="needs the extra 'decode'")
    return [(found.text, found.content_type.name) for found in zxingcpp.read_barcodes(picture)]


@settings(deadline=None, max_examples=examples(25))
@given(barcodes)
def test_a_scanner_reads_the_bars_as_gs1(code: gs1_128.Barcode) -> None:
    line = np.full(round(gs1_128.width_mm(1)), 255, np.uint8)
    for left, width in gs1_128._code128_bars(code.digits):
        line[left : left + width] = 0
    picture = np.repeat(np.tile(line, (60, 1)), 2, axis=1)
    assert read(picture) == [(f"(91){code.digits[2:]}", "GS1")]


@pytest.mark.parametrize("module_mm", [25.4 / 150, 0.19])
def test_pdf_and_svg_show_the_bars_and_both_lines(module_mm: float) -> None:
    pdfium = pytest.importorskip("pypdfium2", reason="needs pypdfium2 to render a PDF")
    code = gs1_128.parse(SAMPLES[0])
    page = pdfium.PdfDocument(gs1_128.render(code, "pdf", module_mm=module_mm))[0]
    width, height = (points / 72 * 25.4 for points in page.get_size())
    assert width == pytest.approx(gs1_128.width_mm(module_mm), abs=0.01)
    assert width <= 60
    assert height == pytest.approx(16, abs=0.01)
    assert read(page.render(scale=300 / 72).to_pil()) == [(f"(91){SAMPLES[0][2:]}", "GS1")]
    text = page.get_textpage().get_text_bounded()
    assert text.split() == list(code.lines)

    svg = gs1_128.render(code, module_mm=module_mm)
    edges = [(float(left), float(wide)) for left, wide in re.findall(r"M([\d.]+) 0h([\d.]+)v10", svg)]
    assert edges == [pytest.approx(bar, abs=1e-4) for bar in gs1_128.bars(code, module_mm)]
    assert all(f">{line}<" in svg for line in code.lines)


def test_a_picture_of_an_invalid_size_is_rejected() -> None:
    with pytest.raises(InvalidInputError) as raised:
        gs1_128.render(gs1_128.parse(SAMPLES[0]), module_mm=0.2, height_mm=9)
    assert [(issue.code, issue.field) for issue in raised.value.issues] == [
        ("PRINT_SIZE", "module_mm"),
        ("PRINT_SIZE", "height_mm"),
    ]


def test_an_unknown_picture_format_is_rejected() -> None:
    with pytest.raises(InvalidInputError, match="picture_format: CODE_UNKNOWN"):
        gs1_128.render(gs1_128.parse(SAMPLES[0]), "png")  # type: ignore[call-overload]


def spellings(code: gs1_128.Barcode) -> dict[str, str]:
    """The texts of one barcode: as scanners send it and as it is printed."""
    first, second = code.lines
    digits = code.digits
    return {
        "plain": digits,
        "line end": f"{digits}\r\n",
        "symbology": f"]C1{digits}",
        "symbology and line end": f"]C1{digits}\r",
        "FNC1 first": f"\x1d{digits}",
        "FNC1 behind the symbology": f"]C1\x1d{digits}\n",
        "FNC1 last": f"]C1{digits}\x1d\r\n",
        "FNC1 inside": f"{digits[:20]}\x1d{digits[20:]}",
        "printed": f"{first}\n{second}",
        "printed in one": first + second,
        "printed with blanks": f"(91) {digits[2:8]} - {digits[8:30]}  {second}\r\n",
        "printed without hyphens": f"(91){digits[2:]}",
    }


@given(barcodes)
def test_every_spelling_parses_to_the_same_barcode(code: gs1_128.Barcode) -> None:
    for spelling in spellings(code).values():
        assert gs1_128.check(spelling) == []
        assert gs1_128.parse(spelling) == code


@given(barcodes)
def test_biip_parses_the_same_digits(code: gs1_128.Barcode) -> None:
    texts = spellings(code)
    for name in ("plain", "symbology", "FNC1 last"):
        message = biip_parse(texts[name].rstrip("\r\n")).gs1_message
        assert message is not None
        assert f"91{message.element_strings[0].value}" == gs1_128.parse(texts[name]).digits
    printed = GS1Message.parse_hri(texts["printed without hyphens"])
    assert f"91{printed.element_strings[0].value}" == gs1_128.parse(texts["printed"]).digits


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("]C0{}", "WIDTH"),
        ("]Q1{}", "WIDTH"),
        ("]c1{}", "WIDTH"),
        ("]C1]C1{}", "WIDTH"),
        (" {}", "WIDTH"),
        ("{} ", "WIDTH"),
        ("(90){}", "WIDTH"),
        ("(91){}", "WIDTH"),
        ("{}-", "WIDTH"),
        ("{}\r\n{}", "WIDTH"),
        ("", "WIDTH"),
        ("(91)", "WIDTH"),
        ("]C1", "WIDTH"),
    ],
)
def test_any_other_text_is_rejected(text: str, code: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        gs1_128.parse(text.replace("{}", SAMPLES[0]))
    assert [issue.code for issue in raised.value.issues] == [code]


@given(st.text(st.sampled_from("]C1(9)-\x1d\r\n 0"), max_size=60))
def test_check_of_any_text_returns_issues(text: str) -> None:
    assert gs1_128.check(text)


@given(barcodes, st.integers(2, 43), st.integers(1, 9))
def test_a_changed_digit_of_the_printed_text_is_detected(code: gs1_128.Barcode, place: int, step: int) -> None:
    digits = code.digits
    changed = f"(91){digits[2:place]}{(int(digits[place]) + step) % 10}{digits[place + 1 :]}"
    issues = gs1_128.check(changed)
    assert issues
    assert [issue.location.byte for issue in issues] == [
        issue.location.byte for issue in gs1_128.check(changed.replace("(91)", "91"))
    ]
