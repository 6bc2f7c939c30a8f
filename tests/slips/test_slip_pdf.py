"""The printed slip: its codes are decoded from the rendered page, its texts are extracted from the PDF."""

from __future__ import annotations

import io
import re
import tomllib
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
from kokin.slips import SlipText, SymbolStyle, _text_fit, gs1_128, slip_pdf, write_slips
from kokin.slips._fonts import load_fonts
from kokin.slips._slip_layout import PlacedText, SlipLayout
from kokin.slips._slip_template import Template, load_template
from kokin.slips._slip_values import VALUE_NAMES, BreakdownLine, breakdown_lines, shorten, slip_values
from kokin.slips._template_check import check_template
from kokin.slips._text_fit import fit_text, needed_lines, text_width
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
        "postal_code": "999-0001",
        "address": "例示県例示市本町一丁目2番3号",
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
    kind="other",
    how_to_pay="スマートフォンアプリ、地方税お支払サイト、金融機関、コンビニエンスストアで納付できます。",
    how_to_pay_no_store="スマートフォンアプリ、地方税お支払サイト、金融機関で納付できます。",
    agent="例示決済サービス株式会社",
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


@pytest.mark.parametrize("code", ["9990001", "999-0001"])
def test_a_postal_code_is_printed_with_its_hyphen(code: str) -> None:
    (page,) = pages(slip_pdf(bill(postal_code=code), TEXT, template="a4"))
    assert "〒999-0001" in page_text(page)


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
        *("納入済通知書", "納入書（原符）", "納入通知書・領収証書", "領収日付印", "納入義務者", "コンビニ取扱期限"),
        *("例示決済サービス株式会社", "使用期間令和8年4月1日〜5月31日", "キリトリ線"),
    ):
        assert expected in text
    assert text.count("2026-W-000123-01") == 3
    assert ("〒999-0001" in text, "例示県例示市本町一丁目2番3号" in text) == (template == "a4",) * 2
    assert not any(word in text for word in ("eLマーク", "見本", "督促手数料", "ご注意"))


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


@pytest.mark.parametrize("template", ["strip", "a4"])
def test_a_slip_without_a_barcode_does_not_name_convenience_stores_as_a_way_to_pay(template: str) -> None:
    text = TEXT.model_copy(update={"stores": "例示マート", "registrations": {}, "remarks": {}})
    page = page_text(pages(slip_pdf(bill(barcode=None, parts={}), text, template=template))[0])
    assert "金融機関で納付できます" in page
    assert not any(word in page for word in ("コンビニエンスストアで納付", "取扱期限", "例示決済", "例示マート"))


@pytest.mark.parametrize(
    ("kind", "titles"),
    [
        ("tax", ("領収済通知書", "納付書（原符）", "領収証書", "納税義務者")),
        ("other", ("納入済通知書", "納入書（原符）", "納入通知書・領収証書", "納入義務者")),
        ("", ("領収済通知書", "納付書（原符）", "領収証書", "納付者")),
    ],
)
def test_the_titles_are_those_of_the_kind_of_charge(kind: str, titles: tuple[str, ...]) -> None:
    names = ("notice_title", "stub_title", "receipt_title", "payer_title")
    text = SlipText(payee="例示市", charge="税", kind=kind)
    values = slip_values(bill(parts={}), ElQr.from_bill(bill()), text)
    assert tuple(values[name] for name in names) == titles
    own = text.model_copy(update={"receipt_title": "納税証明書"})
    assert slip_values(bill(), ElQr.from_bill(bill()), own)["receipt_title"] == "納税証明書"


LONGEST = {
    "bill_id": "2026-EXAMPLE-CITY-WATER-000000000123-000000000456-01-ZENKI-00001",
    "amount": 99_999_999_999,
    "parts": {"水道料金": 99_999_999_998, "下水道使用料": 1},
    "name": "株式会社例示上下水道サービス東日本事業本部北西部営業センター第二料金課",
    "address": "例示県例示郡例示町大字例示字一丁目二番地三　例示中央ビルディング別館一二階一二三四号室",
    "barcode": None,
}


@pytest.mark.parametrize("template", ["strip", "a4"])
def test_the_longest_values_are_printed_at_legible_size(template: str) -> None:
    text = TEXT.model_copy(
        update={
            "payee": "例" * 60,
            "charge": "税" * 60,
            "account": "",
            "registrations": {},
            "remarks": {},
            "honorific": "御中",
        }
    )
    long = bill(**LONGEST)
    fonts = load_fonts()
    values = slip_values(long, ElQr.from_bill(long), text)
    layout = SlipLayout(load_template(template), fonts).of(values, breakdown_lines(long, text), None)
    placed = [text for text in (*layout.frames, *layout.values) if isinstance(text, PlacedText)]
    assert min(text.size for text in placed if not text.inked) >= 8
    assert min(text.size for text in placed) >= 6.99
    printed = page_text(pages(slip_pdf(long, text, template=template))[0])
    for expected in (long.bill_id, "¥99,999,999,999", "99,999,999,998円", "例" * 60, "税" * 60, long.name):
        assert expected in printed


def test_a_text_that_would_be_too_small_is_rejected_with_its_field_and_size() -> None:
    """40 wide characters in two lines of 54 mm: 20 a line, at 7.6 pt."""
    item = '{ kind = "text", value = "charge", at = [5, 5], size = [54, 8], lines = 2 }'
    values = dict.fromkeys(VALUE_NAMES, "") | {"charge": "税" * 40}
    with pytest.raises(InvalidInputError) as raised:
        SlipLayout(template_of(item), load_fonts()).of(values, [], None)
    problem = [(issue.code, issue.field, issue.expected, issue.found) for issue in raised.value.issues]
    assert problem == [("TEXT_TOO_SMALL", "charge", "at least 8 pt", "7.6 pt")]


def test_a_row_without_values_is_left_out_and_the_others_share_its_height() -> None:
    def cell(name: str) -> str:
        return f'{{ height = 5, cells = [{{ label = "{name}", value = "{name}" }}] }}'

    rows = ", ".join(map(cell, ("payee", "note", "charge")))
    grid = f'{{ kind = "grid", at = [5, 5], size = [50, 30], rows = [{rows}] }}'
    values = dict.fromkeys(VALUE_NAMES, "") | {"payee": "例示市", "charge": "税"}
    full = SlipLayout(template_of(grid), load_fonts()).of(values | {"note": "摘要"}, [], None)
    layout = SlipLayout(template_of(grid), load_fonts()).of(values, [], None)
    tops = [[text.box.y for text in page.frames if isinstance(text, PlacedText)] for page in (full, layout)]
    assert tops == [[5, 15, 25], [5, 20]]
    assert not SlipLayout(template_of(grid), load_fonts()).of(dict.fromkeys(VALUE_NAMES, ""), [], None).frames


def test_a_long_breakdown_ends_with_the_sum_of_the_rest() -> None:
    parts = {f"内訳{number}の料金": 1000 + number for number in range(30)}
    amount = sum(parts.values())
    text = SlipText(payee="例示市", charge="料金")
    printed = page_text(pages(slip_pdf(bill(amount=amount, parts=parts), text, template="a4"))[0])
    shown = re.findall(r"内訳\d+の料金([0-9,]+)円", printed)
    rest, rest_yen = re.findall(r"ほか(\d+)件([0-9,]+)円", printed)[0]
    assert len(shown) + int(rest) == 30
    assert sum(int(yen.replace(",", "")) for yen in (*shown, rest_yen)) == amount
    assert f"合計{amount:,}円" in printed


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20), st.integers(1, 20))
def test_shortened_lines_have_the_sum_of_all(yen: list[int], count: int) -> None:
    lines = shorten([BreakdownLine(f"{number}", one) for number, one in enumerate(yen)], count)
    assert sum(line.yen for line in lines if not line.is_total) == sum(yen)
    assert [line.yen for line in lines if line.is_total] == [sum(yen)] * (len(yen) > 1)
    assert len(lines) <= count + 1


def test_a_slip_for_a_window_envelope_without_an_address_is_reported() -> None:
    warnings: list[InvalidInputError] = []
    slips_of = [(bill(), TEXT), (bill(address=None, case_key="2"), TEXT)]
    for template in ("a4", "strip"):
        assert write_slips(io.BytesIO(), slips_of, template=template, on_warning=warnings.append) == 2
    assert [(issue.code, issue.field, issue.location.record) for error in warnings for issue in error.issues] == [
        ("ADDRESS_MISSING", "address", 2)
    ]


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
size = [80, 40]
items = [
    { kind = "symbol", at = [6, 6] },
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
def test_a_built_in_template_keeps_all_distances(name: str) -> None:
    check_template(load_template(name), SymbolStyle().side_mm)


ITEM = '{ kind = "text", text = "あ", at = [10, 10], size = [20, 10] }'


def template_text(*items: str) -> str:
    """A template with one panel."""
    return f"""
source = "例示市"
verified = true
title = "納付書"
width = 160
height = 90
ink = "#000000"
tint = "#ffffff"
[[part]]
at = [0, 0]
size = [150, 90]
items = [{", ".join(items)}]
"""


def template_of(*items: str) -> Template:
    return Template(**tomllib.loads(template_text(*items)))


@pytest.mark.parametrize(
    ("items", "code", "field"),
    [
        ([ITEM.replace("[10, 10], size", "[4.9, 10], size")], "ITEM_OUTSIDE", "text あ"),
        ([ITEM.replace("[10, 10], size", "[131, 10], size")], "ITEM_OUTSIDE", "text あ"),
        ([ITEM.replace("[10, 10], size", "[10, 75.1], size")], "ITEM_OUTSIDE", "text あ"),
        (['{ kind = "symbol", at = [130, 10] }'], "ITEM_OUTSIDE", "module_mm"),
        (['{ kind = "barcode", at = [10, 70] }'], "ITEM_OUTSIDE", "barcode"),
        ([ITEM, ITEM.replace("あ", "い").replace("[10, 10], size", "[29.9, 10], size")], "ITEM_OVERLAPS", "text あ"),
        ([ITEM, '{ kind = "symbol", at = [20, 19] }'], "ITEM_OVERLAPS", "text あ"),
        ([ITEM, '{ kind = "digits", value = "upper_line", at = [30, 26], font = 12 }'], "ITEM_OVERLAPS", "text あ"),
        ([ITEM, '{ kind = "digits", value = "upper_line", at = [30, 7.1], font = 12 }'], "ITEM_OVERLAPS", "text あ"),
    ],
)
def test_a_template_whose_items_are_too_near_is_rejected(items: list[str], code: str, field: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        check_template(template_of(*items), SymbolStyle().side_mm)
    assert (code, field) in [(issue.code, issue.field) for issue in raised.value.issues]


def test_a_template_whose_items_keep_their_distances_is_accepted() -> None:
    digits = '{ kind = "digits", value = "upper_line", at = [5, 26.2], font = 12 }'
    check_template(template_of(ITEM, ITEM.replace("[10, 10], size", "[30, 10], size"), digits), 20)


@pytest.mark.parametrize(("kind", "key", "needed"), [("text", "text", "8"), ("area", "label", "7")])
def test_a_fixed_text_that_fits_only_too_small_is_rejected(tmp_path: Path, kind: str, key: str, needed: str) -> None:
    item = f'{{ kind = "{kind}", {key} = "領収日付印領収日付印", at = [10, 10], size = [12, 4] }}'
    (tmp_path / "own.toml").write_text(template_text(item), encoding="utf-8")
    with pytest.raises(InvalidInputError) as raised:
        slip_pdf(bill(), TEXT, template=tmp_path / "own.toml")
    assert [(issue.code, issue.expected) for issue in raised.value.issues] == [
        ("TEXT_TOO_SMALL", f"at least {needed} pt")
    ]


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
    assert all(stringWidth(line.rstrip(), font, size) <= width * 1.000001 for line in broken)
    assert size * (1 + (len(broken) - 1) * 1.18) <= height * 1.000001


@settings(deadline=None, max_examples=examples(150))
@given(
    st.text(st.sampled_from("公金花子、。（）ABC012 -　\u200b\n"), max_size=40), st.floats(20, 300), st.floats(8, 60)
)
def test_a_text_that_fits_one_line_is_placed_like_any_other(text: str, width: float, height: float) -> None:
    """The short way for such a text gives what the general one gives."""
    font = load_fonts().text
    assert text_width(text, font, 9) == stringWidth(text, font, 9)
    short = fit_text.__wrapped__(text, font, width, height, 9, 2), needed_lines.__wrapped__(text, font, width, 9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_text_fit, "_fits_one_line", lambda *arguments: False)
        general = fit_text.__wrapped__(text, font, width, height, 9, 2), needed_lines.__wrapped__(text, font, width, 9)
    assert short == general


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("地方税お支払サイトで納付", ["地方税お支払サイトで", "納付"]),
        ("納期限は令和8年6月1日です", ["納期限は", "令和8年6月1日です"]),
        ("スマートフォンアプリ、金融機関", ["スマートフォンアプリ、", "金融機関"]),
        ("例示市上下水道局 料金課　電話 0000-00-0000", ["例示市上下水道局 料金課　", "電話 0000-00-0000"]),
        ("ジョナサン・エクザンプル・スミソニアン　様", ["ジョナサン・エクザンプル・", "スミソニアン　様"]),
        ("例示パークサウスタワー壱番館３０１２号室", ["例示パークサウスタワー壱番館", "３０１２号室"]),
        ("例示商事株式会社　公金花子　様", ["例示商事株式会社　", "公金花子　様"]),
        ("2026-EXAMPLE-CITY-000000000123-01-ZENKI", ["2026-EXAMPLE-CITY-", "000000000123-01-ZENKI"]),
    ],
)
def test_lines_are_broken_where_a_reader_expects_it(text: str, expected: list[str]) -> None:
    font = load_fonts().text
    width = max(stringWidth(line.rstrip(), font, 10) for line in expected)
    assert needed_lines(text, font, width, 10) == tuple(expected)


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
        ("font = 11", "font = 7.9"),
        ("height = 12 }", "height = 9.9 }"),
        ("size = [129, 114]", "size = [129, 0]"),
        ('label_value = "payer_title"', 'label_value = "payer"'),
        ('when = "counter_charges"', 'when = "counter"'),
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
        ("periods = ['01']", "periods"),
        ("honorifics = { a = 1 }", "honorifics"),
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
    with pytest.raises(InvalidInputError, match="module_mm: ITEM_OUTSIDE"):
        slip_pdf(bill(), TEXT, style=SymbolStyle(module_mm=3))
