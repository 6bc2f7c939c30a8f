"""The printed slip: its codes are decoded from the rendered page, its texts are extracted from the PDF."""

from __future__ import annotations

import io
import re
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import reportlab
from hypothesis import given, settings
from hypothesis import strategies as st
from reportlab.pdfbase.pdfmetrics import stringWidth

from kokin import slips
from kokin.elqr import ElQr
from kokin.issues import InvalidInputError
from kokin.model import Bill
from kokin.slips import SlipText, SymbolStyle, gs1_128, slip_pdf, write_slips
from kokin.slips._fonts import load_fonts
from kokin.slips._pdf_canvas import fit_text
from kokin.slips._slip_template import load_template
from kokin.slips._slip_values import VALUE_NAMES, slip_values
from tests.support import examples, needs_font

pdfium = pytest.importorskip("pypdfium2", reason="needs pypdfium2 to render a PDF")
pytestmark = needs_font

VERA = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"


def bill(**changes: Any) -> Bill:
    fields: dict[str, Any] = {
        "bill_id": "2026-W-000123-01",
        "payee_code": "99999",
        "office_code": "001",
        "item_code": "301",
        "case_key": "1234567890",
        "confirmation": "123456",
        "amount": 12300,
        "levy_year": 2026,
        "tax_year": 2026,
        "period": "01",
        "due_on": date(2026, 6, 1),
        "payable_until": date(2026, 7, 10),
        "parts": {"水道料金": 7480, "下水道使用料": 4820},
        "name": "公金　花子",
    }
    fields |= changes
    if "barcode" not in fields:
        code = gs1_128.build(
            company_code="999999", free_field="0" * 21, amount=fields["amount"], payable_until=fields["payable_until"]
        )
        fields["barcode"] = code.digits
    return Bill(**fields)


TEXT = SlipText(
    payee="例示市水道事業管理者",
    charge="水道料金・下水道使用料",
    account="01234-5-678901 例示市上下水道局",
    contact="例示市上下水道局 料金課　電話 0000-00-0000",
    period="第1期",
    note="使用期間 令和8年4月1日〜5月31日",
    address=("〒000-0000", "例示県例示市本町一丁目2番3号"),
    registrations={"水道料金": "T0000000000001", "下水道使用料": "T0000000000002"},
    remarks={"水道料金": "内消費税 680円"},
)


def pages(pdf: bytes) -> Any:
    return pdfium.PdfDocument(pdf)


def decode(page: Any) -> dict[str, list[str]]:
    """Decode the codes on a page, rendered at 300 dpi."""
    zxingcpp = pytest.importorskip("zxingcpp", reason="needs the extra 'decode'")
    found: dict[str, list[str]] = {"QRCode": [], "Code128": []}
    for code in zxingcpp.read_barcodes(page.render(scale=300 / 72).to_pil().convert("L")):
        found[code.format.name].append(code.text)
    return found


def page_text(page: Any) -> str:
    return re.sub(r"\s+", "", page.get_textpage().get_text_bounded())


@pytest.mark.parametrize(("template", "size"), [("strip", (297, 114)), ("a4", (210, 297))])
def test_a_page_has_the_codes_and_texts_of_the_slip(template: str, size: tuple[int, int]) -> None:
    document = pages(slip_pdf(bill(), TEXT, template=template))
    assert len(document) == 1
    page = document[0]
    assert [points / 72 * 25.4 for points in page.get_size()] == pytest.approx(size, abs=0.01)
    code = ElQr.from_bill(bill())
    assert decode(page) == {"QRCode": [code.payload], "Code128": [f"(91){bill().barcode[2:]}"]}
    text = page_text(page)
    for expected in (
        *("公金花子様", "例示市水道事業管理者", "水道料金・下水道使用料", "第1期", "令和8年6月1日", "令和8年7月10日"),
        *("¥12,300", "7,480円", "4,820円", "T0000000000001", "T0000000000002", "内消費税680円"),
        *(code.el_number, code.upper_line, code.lower_line, *gs1_128.parse(bill().barcode or "").lines),
        *("納入済通知書", "納入書（原符）", "領収証書", "領収日付印"),
    ):
        assert expected in text
    assert "eLマーク" not in text


@pytest.mark.parametrize("template", ["strip", "a4"])
def test_a_proof_is_marked_as_one_and_its_codes_are_readable(template: str) -> None:
    page = pages(slip_pdf(bill(), TEXT, template=template, proof=True))[0]
    assert all(word in page_text(page) for word in ("見本", "eLマーク"))
    assert decode(page)["QRCode"] == [ElQr.from_bill(bill()).payload]


def test_each_page_has_the_codes_of_its_own_bill() -> None:
    bills = [bill(bill_id=f"{number}", case_key=f"{number}", amount=number, parts={}) for number in (1, 22, 300_000)]
    text = SlipText(payee="例示市", charge="水道料金")
    file = io.BytesIO()
    assert write_slips(file, ((one, text) for one in bills)) == 3
    for one, page in zip(bills, pages(file.getvalue()), strict=True):
        assert decode(page) == {"QRCode": [ElQr.from_bill(one).payload], "Code128": [f"(91){one.barcode[2:]}"]}
        assert f"¥{one.amount:,}" in page_text(page)


def test_more_slips_than_are_encoded_at_once(tmp_path: Path) -> None:
    path = tmp_path / "slips.pdf"
    assert write_slips(path, [(bill(case_key=f"{number}"), TEXT) for number in range(300)]) == 300
    document = pages(path.read_bytes())
    for number in (0, 255, 256, 299):
        assert f"{number:020d}-123456" in page_text(document[number])


def test_the_same_slip_gives_the_same_bytes() -> None:
    assert slip_pdf(bill(), TEXT) == slip_pdf(bill(), TEXT)


def test_a_bill_without_a_barcode_gets_none() -> None:
    page = pages(slip_pdf(bill(amount=300_001, parts={}, barcode=None), SlipText(payee="例示市", charge="税")))[0]
    codes = decode(page)
    assert (len(codes["QRCode"]), codes["Code128"]) == (1, [])
    assert "コンビニエンスストアでは納付できません" in page_text(page)


@pytest.mark.parametrize(("template", "module_mm"), [("strip", 0.25), ("strip", 0.4233), ("a4", 0.33)])
def test_the_printed_symbol_has_its_true_size(template: str, module_mm: float) -> None:
    """The side of the 41 x 41 modules is measured in the pixels of the page at 300 dpi, and the symbol is read."""
    zxingcpp = pytest.importorskip("zxingcpp", reason="needs the extra 'decode'")
    style = SymbolStyle(module_mm=module_mm)
    pdf = slip_pdf(bill(barcode=None), TEXT, template=template, style=style)
    picture = pages(pdf)[0].render(scale=300 / 72).to_pil().convert("L")
    code = zxingcpp.read_barcode(picture, formats=zxingcpp.BarcodeFormat.QRCode)
    assert code.text == ElQr.from_bill(bill()).payload
    ((x, y),) = ((x, y) for item, x, y in load_template(template).placed_items() if item.kind == "symbol")
    edges = [round(edge / 25.4 * 300) for edge in (x, y, x + style.side_mm, y + style.side_mm)]
    dark = picture.crop(edges).point([255] * 128 + [0] * 128)
    left, top, right, bottom = (pixels / 300 * 25.4 for pixels in dark.getbbox())
    assert [right - left, bottom - top] == pytest.approx([41 * module_mm] * 2, abs=0.1)
    assert [left, top] == pytest.approx([4 * module_mm] * 2, abs=0.1)


def test_the_symbol_has_the_module_size_of_the_style() -> None:
    small, large = (
        pages(slip_pdf(bill(barcode=None), TEXT, style=SymbolStyle(module_mm=size)))[0].render(scale=300 / 72).to_pil()
        for size in (0.3, 0.42)
    )
    zxingcpp = pytest.importorskip("zxingcpp", reason="needs the extra 'decode'")
    sides = []
    for picture in (small, large):
        corners = zxingcpp.read_barcode(picture).position
        sides.append((corners.top_right.x - corners.top_left.x) / 300 * 25.4)
    assert sides == pytest.approx([41 * 0.3, 41 * 0.42], abs=0.3)


@pytest.mark.parametrize(
    ("changes", "text_changes", "problem"),
    [
        ({"payable_until": None, "barcode": None}, {}, ("FIELD_MISSING", "payable_until")),
        ({"levy_year": None}, {}, ("FIELD_MISSING", "levy_year")),
        ({"barcode": "0" * 44}, {}, ("CODE_UNKNOWN", "identifier")),
        ({}, {"registrations": {"ガス料金": "T0000000000003"}}, ("FIELD_UNKNOWN", "registrations")),
        ({"name": "𠮷田 太郎"}, {}, ("CHARACTER", "name")),
    ],
)
def test_an_invalid_slip_is_rejected(
    tmp_path: Path, changes: dict[str, Any], text_changes: dict[str, Any], problem: tuple[str, str]
) -> None:
    path = tmp_path / "slips.pdf"
    invalid = (bill(**changes), TEXT.model_copy(update=text_changes))
    with pytest.raises(InvalidInputError) as raised:
        write_slips(path, [(bill(), TEXT), invalid])
    assert (raised.value.issues[0].code, raised.value.issues[0].field) == problem
    assert raised.value.issues[0].location.record == 2
    assert "田" not in str(raised.value)
    assert not path.exists()


def test_two_parts_with_one_printed_name_are_rejected(tmp_path: Path) -> None:
    """The parts of a bill add up; labels that map two of them to one name would drop the yen of one."""
    renamed = bill().model_copy(update={"parts": (("水道料金", 7480), ("水道料金", 4820))})
    text = TEXT.model_copy(update={"registrations": {}, "remarks": {}})
    with pytest.raises(InvalidInputError, match="PARTS_SUM"):
        write_slips(tmp_path / "slips.pdf", [(renamed, text)])


def test_a_repr_does_not_show_the_address() -> None:
    assert "本町" not in repr(TEXT)


def test_a_font_is_embedded_and_must_have_the_characters_of_the_template() -> None:
    text = SlipText(payee="City of Example", charge="Water")
    plain = bill(name="Hanako", parts={})
    with pytest.raises(InvalidInputError) as raised:
        slip_pdf(plain, text, font=VERA)
    assert {(issue.code, issue.field) for issue in raised.value.issues} == {("CHARACTER", "template")}
    pdf = slip_pdf(plain, text, digits_font=VERA)
    assert b"BitstreamVeraSans" in pdf
    assert ElQr.from_bill(plain).upper_line in page_text(pages(pdf)[0])


def test_a_font_with_postscript_outlines_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "outlines.otf"
    path.write_bytes(b"OTTO" + bytes(100))
    with pytest.raises(InvalidInputError) as raised:
        slip_pdf(bill(), TEXT, font=path)
    assert [issue.code for issue in raised.value.issues] == ["FONT_FORM"]


def test_a_template_and_an_el_mark_from_files(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="needs the extra 'decode'")
    mark = tmp_path / "mark.png"
    image.new("RGB", (20, 10), (200, 0, 0)).save(mark)
    template = tmp_path / "own.toml"
    template.write_text(
        """
source = "例示市"
verified = true
title = "納付書"
width = 80
height = 40.5
ink = "#000000"
tint = "#ffffff"
[[part]]
at = [0, 0]
items = [
    { kind = "symbol", at = [1, 1] },
    { kind = "mark", at = [40, 10], size = [20, 10], label = "eLマーク" },
]
""",
        encoding="utf-8",
    )
    page = pages(slip_pdf(bill(), TEXT, template=template, mark=mark))[0]
    assert decode(page)["QRCode"] == [ElQr.from_bill(bill()).payload]
    picture = page.render(scale=4).to_pil()
    assert picture.getpixel((round(50 / 25.4 * 288), round(15 / 25.4 * 288))) == (200, 0, 0)
    assert page_text(page) == ""


def test_an_unknown_or_invalid_template_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="a4, strip"):
        load_template("letter")
    path = tmp_path / "invalid.toml"
    path.write_text('source = "x"\ncolour = 3\n', encoding="utf-8")
    with pytest.raises(InvalidInputError) as raised:
        load_template(path)
    assert {"FIELD_UNKNOWN", "FIELD_MISSING"} == {issue.code for issue in raised.value.issues}


@pytest.mark.parametrize("name", ["strip", "a4"])
def test_every_item_is_inside_its_page(name: str) -> None:
    template = load_template(name)
    for item, x, y in template.placed_items():
        width, height = {"symbol": (20.74, 20.74), "barcode": (gs1_128.width_mm(), item.height + 5.6)}.get(
            item.kind, item.size
        )
        if item.kind == "digits":
            width = 44 * item.pitch
        assert 0 <= x <= template.width - width
        assert 0 <= y <= template.height - height


@settings(deadline=None, max_examples=examples(150))
@given(
    st.text(st.sampled_from("公金花子、。（）ABC012 -\n"), min_size=1, max_size=90),
    st.floats(20, 300),
    st.floats(8, 60),
    st.integers(1, 4),
)
def test_a_text_fits_its_box_and_no_character_is_lost(text: str, width: float, height: float, lines: int) -> None:
    font = load_fonts().text
    size, broken = fit_text(text, font, width, height, 10, lines)
    assert "".join(broken) == text.replace("\n", "")
    assert 0 < size <= 10
    assert len(broken) <= max(lines, text.count("\n") + 1)
    assert all(stringWidth(line, font, size) <= width * 1.000001 for line in broken)
    assert size * (1 + (len(broken) - 1) * 1.18) <= height * 1.000001


STRIP = (resources.files("kokin.slips") / "templates" / "strip.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("width = 297", "width = inf"),
        ("width = 297", "width = nan"),
        ("width = 297", "width = -1"),
        ("width = 297", "width = 1e300"),
        ('tint = "', 'tint = "x'),
        ('value = "payee"', 'value = "payees"'),
        ('value = "upper_line"', 'value = ""'),
        ("font = 11", "font = 0"),
    ],
)
def test_a_template_with_an_invalid_value_is_rejected(tmp_path: Path, old: str, new: str) -> None:
    assert old in STRIP
    (tmp_path / "own.toml").write_text(STRIP.replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidInputError) as raised:
        slip_pdf(bill(), TEXT, template=tmp_path / "own.toml")
    assert {issue.location.file for issue in raised.value.issues} == {"own.toml"}


def test_a_changed_template_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(STRIP, encoding="utf-8")
    assert load_template(path).width == 297
    path.write_text(STRIP.replace("width = 297", "width = 400"), encoding="utf-8")
    assert load_template(path).width == 400


def test_a_changed_font_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "font.ttf"
    path.write_bytes(VERA.read_bytes())
    before = load_fonts(digits_font=path)
    assert load_fonts(digits_font=path) == before
    path.write_bytes((VERA.parent / "VeraBd.ttf").read_bytes())
    assert stringWidth("1", load_fonts(digits_font=path).digits, 1000) != stringWidth("1", before.digits, 1000)


@pytest.mark.parametrize(
    "content", [b"", b"x" * 100, b"\x00\x01\x00\x00" + b"\xff" * 500, b"OTTO" + bytes(200), b"ttcf"]
)
def test_a_file_that_is_not_a_font_is_rejected(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "font.ttf").write_bytes(content)
    with pytest.raises(InvalidInputError, match="FONT_FORM"):
        slip_pdf(bill(), TEXT, digits_font=tmp_path / "font.ttf")


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_an_el_mark_that_is_not_a_picture_is_rejected(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mark.png").write_bytes(content)
    with pytest.raises(InvalidInputError, match="mark: PICTURE_FORM"):
        slip_pdf(bill(), TEXT, mark=tmp_path / "mark.png")


def test_an_invalid_slip_leaves_the_file_unchanged(tmp_path: Path) -> None:
    path, stream = tmp_path / "slips.pdf", io.BytesIO()
    path.write_bytes(b"old")
    invalid = [(bill(), TEXT), (bill(levy_year=None), TEXT)]
    for target in (path, str(path), stream):
        with pytest.raises(InvalidInputError, match="FIELD_MISSING"):
            write_slips(target, invalid)
    assert (path.read_bytes(), stream.getvalue()) == (b"old", b"")
    assert [file.name for file in tmp_path.iterdir()] == ["slips.pdf"]


def test_the_value_names_are_those_of_a_slip() -> None:
    assert slip_values(bill(), ElQr.from_bill(bill()), TEXT).keys() == VALUE_NAMES


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("labels = 3", "labels"),
        ("labels = { water = 1 }", "labels"),
        ("address = 'one line'", "address"),
        ("address = [1]", "address"),
        ("remarks = [1]", "remarks"),
        ("[items.127]\nregistrations = 3", "items.127.registrations"),
        ("items = 3", "items"),
        ("[items]\n127 = 3", "items.127"),
    ],
)
def test_a_wording_of_another_type_is_rejected(tmp_path: Path, text: str, field: str) -> None:
    (tmp_path / "wording.toml").write_text(f"payee = 'x'\ncharge = 'x'\n{text}\n", encoding="utf-8")
    with pytest.raises(InvalidInputError) as raised:
        slips.SlipWording.load(tmp_path / "wording.toml")
    assert [(issue.code, issue.field, issue.location.file) for issue in raised.value.issues] == [
        ("FIELD_TYPE", field, "wording.toml")
    ]


def test_an_el_qr_that_does_not_fit_the_page_is_rejected() -> None:
    with pytest.raises(InvalidInputError, match="module_mm: PRINT_SIZE"):
        slip_pdf(bill(), TEXT, style=SymbolStyle(module_mm=3))
