"""Pictures of symbols: decoded by zxing-cpp, and compared with the modules and the size of the style."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kokin import slips
from kokin.elqr import ElQr
from kokin.issues import InvalidInputError, Severity
from kokin.slips import SymbolStyle

zxingcpp = pytest.importorskip("zxingcpp", reason="needs the extra 'decode'")
Image = pytest.importorskip("PIL.Image", reason="needs the extra 'decode'")

PAYLOADS = [
    ElQr(
        payee_code="99999",
        office_code="001",
        item_code="127",
        case_key=f"{number}",
        confirmation="123456",
        amount=number,
        levy_year=2026,
        tax_year=2026,
        period="00",
        due_on="2026-06-01",
        payable_until=None,
    ).payload
    for number in (1, 20, 300)
]
SYMBOLS = slips.encode(PAYLOADS)
HEADER = "bill_id,payee_code,item_code,case_key,confirmation,amount,due_on\n"


def read(picture: Any) -> str:
    found = zxingcpp.read_barcodes(picture)
    assert len(found) == 1
    text: str = found[0].text
    return text


def test_a_png_has_its_resolution_and_is_decoded() -> None:
    style = SymbolStyle(module_mm=0.5)
    for payload, png in zip(PAYLOADS, SYMBOLS.render("png", style, dpi=300), strict=True):
        picture = Image.open(io.BytesIO(png))
        assert (picture.size, picture.mode) == ((49 * 6, 49 * 6), "P")
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.02)
        assert read(picture) == payload
    assert style.printed_mm(300) == 24.89


def test_a_png_has_the_colours_of_the_style() -> None:
    picture = Image.open(
        io.BytesIO(slips.render(PAYLOADS[0], "png", SymbolStyle(dark="#0a1e5a", light=None, quiet_zone=1)))
    )
    colours = picture.convert("RGBA").getcolors()
    assert sorted(colour for _, colour in colours) == [(10, 30, 90, 255), (255, 255, 255, 0)]
    assert picture.size == (43 * 10, 43 * 10)


def test_a_pbm_is_decoded() -> None:
    for payload, pbm in zip(PAYLOADS, SYMBOLS.render("pbm", dpi=300), strict=True):
        assert pbm.startswith(b"P4\n245 245\n")
        assert read(Image.open(io.BytesIO(pbm))) == payload


@pytest.mark.parametrize("quiet_zone", [0, 4, 5])
@pytest.mark.parametrize(("picture_format", "resolution"), [("tiff", (300, 300)), ("pbm", None)])
def test_the_pixels_are_the_modules(picture_format: Any, resolution: Any, quiet_zone: int) -> None:
    style = SymbolStyle(quiet_zone=quiet_zone)
    pictures = SYMBOLS.render(picture_format, style, dpi=300)
    for modules, content in zip(SYMBOLS.modules(), pictures, strict=True):
        picture = Image.open(io.BytesIO(content))
        assert (picture.mode, picture.info.get("dpi")) == ("1", resolution)
        expected = np.pad(modules, quiet_zone).repeat(5, axis=0).repeat(5, axis=1)
        np.testing.assert_array_equal(~np.asarray(picture), expected)


def test_the_strokes_of_an_svg_are_the_modules() -> None:
    for modules, svg in zip(
        SYMBOLS.modules(), SYMBOLS.render("svg", SymbolStyle(quiet_zone=2, module_mm=0.4)), strict=True
    ):
        assert 'width="18mm" height="18mm" viewBox="0 -.5 45 45"' in svg
        painted = np.zeros((45, 45), np.bool_)
        for x, y, length in re.findall(r"M *(\d+) +(\d+)h *(\d+)", svg):
            assert not painted[int(y), int(x) : int(x) + int(length)].any()
            painted[int(y), int(x) : int(x) + int(length)] = True
        np.testing.assert_array_equal(painted, np.pad(modules, 2))


def test_a_pdf_has_the_size_and_colours_of_the_style_and_is_decoded() -> None:
    pdfium = pytest.importorskip("pypdfium2", reason="needs pypdfium2 to style at a PDF")
    style = SymbolStyle(module_mm=0.3, light="#ffffe0", dark="#000040")
    for payload, pdf in zip(PAYLOADS, SYMBOLS.render("pdf", style), strict=True):
        page = pdfium.PdfDocument(pdf)[0]
        assert page.get_size() == pytest.approx((style.side_mm / 25.4 * 72,) * 2, abs=0.02)
        picture = page.render(scale=600 / 72).to_pil()
        assert picture.getpixel((3, 3)) == (255, 255, 224)
        assert read(picture) == payload


@pytest.mark.parametrize("picture_format", ["svg", "png", "pbm", "tiff", "pdf"])
def test_one_code_is_rendered_as_in_a_list(picture_format: Any) -> None:
    assert slips.render(PAYLOADS[1], picture_format) == list(SYMBOLS.render(picture_format))[1]


def test_an_unknown_picture_format_is_rejected() -> None:
    for render in (SYMBOLS.render, lambda name: slips.render(PAYLOADS[0], name)):
        with pytest.raises(InvalidInputError, match="picture_format: CODE_UNKNOWN"):
            render("gif")  # type: ignore[operator]


def test_the_size_of_a_style() -> None:
    assert SymbolStyle().side_mm == 20.74 == SymbolStyle().printed_mm(300) == SymbolStyle().printed_mm(600)
    assert SymbolStyle(module_mm=0.25).pixels_per_module(72) == 1


@pytest.mark.parametrize(
    ("style", "dpi", "warnings"),
    [
        (SymbolStyle(), None, []),
        (SymbolStyle(module_mm=0.33), None, []),
        (SymbolStyle(module_mm=0.329), None, [("MODULE_TOO_SMALL", "0.329 mm")]),
        (SymbolStyle(module_mm=0.33), 600, []),
        (SymbolStyle(module_mm=0.33), 400, [("MODULE_TOO_SMALL", "0.318 mm")]),
        (SymbolStyle(quiet_zone=3), None, [("QUIET_ZONE_TOO_SMALL", "3")]),
        (
            SymbolStyle(module_mm=0.25, quiet_zone=0),
            None,
            [("MODULE_TOO_SMALL", "0.250 mm"), ("QUIET_ZONE_TOO_SMALL", "0")],
        ),
    ],
)
def test_a_symbol_that_phones_often_fail_to_read_is_warned_of(
    style: SymbolStyle, dpi: int | None, warnings: list[tuple[str, str]]
) -> None:
    issues = style.check(dpi)
    assert [(issue.code, issue.found) for issue in issues] == warnings
    assert {issue.severity for issue in issues} <= {Severity.WARNING}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"module_mm": 0}, "module_mm"),
        ({"module_mm": 0.249}, "module_mm"),
        ({"module_mm": float("nan")}, "module_mm"),
        ({"module_mm": float("inf")}, "module_mm"),
        ({"module_mm": "1"}, "module_mm"),
        ({"quiet_zone": -1}, "quiet_zone"),
        ({"quiet_zone": 1.5}, "quiet_zone"),
        ({"quiet_zone": 10**9}, "quiet_zone"),
        ({"dark": "black"}, "dark"),
        ({"dark": None}, "dark"),
        ({"light": ""}, "light"),
    ],
)
def test_an_invalid_style_is_rejected(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        SymbolStyle(**options)
    assert [issue.field for issue in raised.value.issues] == [field]


def test_a_text_of_other_than_255_digits_is_rejected() -> None:
    with pytest.raises(InvalidInputError):
        slips.encode("1" * 254)


@pytest.mark.parametrize(
    ("style", "dpi"),
    [
        (SymbolStyle(), 0),
        (SymbolStyle(), -1),
        (SymbolStyle(), 600.5),
        (SymbolStyle(), 10**9),
        (SymbolStyle(module_mm=50), 600),
        (SymbolStyle(module_mm=0.25), 150),  # rounded to one pixel of 0.17 mm
    ],
)
def test_a_raster_of_an_invalid_size_is_rejected(tmp_path: Path, style: SymbolStyle, dpi: Any) -> None:
    with pytest.raises(InvalidInputError, match="dpi: PRINT_SIZE"):
        slips.render(PAYLOADS[0], "png", style, dpi=dpi)
    (tmp_path / "bills.csv").write_text(HEADER)
    with pytest.raises(InvalidInputError, match="dpi: PRINT_SIZE"):
        slips.make(tmp_path / "bills.csv", tmp_path / "out", "png", style=style, dpi=dpi)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("rows", [0, -1])
def test_batches_without_rows_are_rejected(tmp_path: Path, rows: int) -> None:
    (tmp_path / "bills.csv").write_text(HEADER)
    with pytest.raises(InvalidInputError, match="part_rows: AMOUNT_RANGE"):
        slips.make(tmp_path / "bills.csv", tmp_path / "out", part_rows=rows)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_a_truncated_picture_is_rejected(tmp_path: Path, share: float) -> None:
    content = slips.render(PAYLOADS[0], "png")
    (tmp_path / "truncated.png").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InvalidInputError, match="PICTURE_FORM"):
        slips.decode(tmp_path / "truncated.png")
