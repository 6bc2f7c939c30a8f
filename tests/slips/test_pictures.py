"""Pictures of symbols: read back by a decoder, and of the size they tell."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kokin import slips
from kokin.elqr import ElQr
from kokin.issues import InvalidInputError
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
SYMBOLS = slips.symbols(PAYLOADS)
HEADER = "bill_id,payee_code,item_code,case_key,confirmation,amount,due_on\n"


def read(picture: Any) -> str:
    found = zxingcpp.read_barcodes(picture)
    assert len(found) == 1
    text: str = found[0].text
    return text


def test_png() -> None:
    look = SymbolStyle(module_mm=0.5)
    for payload, png in zip(PAYLOADS, slips.pngs(SYMBOLS, look, dpi=300), strict=True):
        picture = Image.open(io.BytesIO(png))
        assert (picture.size, picture.mode) == ((49 * 6, 49 * 6), "P")
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.02)
        assert read(picture) == payload
    assert look.printed_mm(300) == 24.89


def test_a_png_has_the_colours_it_was_given() -> None:
    picture = Image.open(io.BytesIO(slips.png(PAYLOADS[0], SymbolStyle(dark="#0a1e5a", light=None, quiet=1))))
    colours = picture.convert("RGBA").getcolors()
    assert sorted(colour for _, colour in colours) == [(10, 30, 90, 255), (255, 255, 255, 0)]
    assert picture.size == (43 * 10, 43 * 10)


def test_pbm() -> None:
    for payload, pbm in zip(PAYLOADS, slips.pbms(SYMBOLS, dpi=300), strict=True):
        assert pbm.startswith(b"P4\n245 245\n")
        assert read(Image.open(io.BytesIO(pbm))) == payload


@pytest.mark.parametrize("quiet", [0, 4, 5])
def test_tiff(quiet: int) -> None:
    look = SymbolStyle(quiet=quiet)
    picture = Image.open(io.BytesIO(slips.tiff(SYMBOLS, look, dpi=300)))
    assert (picture.n_frames, picture.mode, picture.info["dpi"]) == (3, "1", (300, 300))
    for page, (modules, dots) in enumerate(zip(SYMBOLS.modules(), slips.dots(SYMBOLS, look, 300), strict=True)):
        picture.seek(page)
        assert picture.size == (look.modules * 5, look.modules * 5)
        light = np.asarray(picture)
        np.testing.assert_array_equal(~light[2::5, 2::5], np.pad(modules, quiet))
        np.testing.assert_array_equal(np.unpackbits(dots, axis=1, count=light.shape[1]), ~light)


def test_svg_strokes_are_the_modules() -> None:
    for modules, svg in zip(SYMBOLS.modules(), slips.svgs(SYMBOLS, SymbolStyle(quiet=2, module_mm=0.4)), strict=True):
        assert 'width="18mm" height="18mm" viewBox="0 -.5 45 45"' in svg
        painted = np.zeros((45, 45), np.bool_)
        for x, y, length in re.findall(r"M *(\d+) +(\d+)h *(\d+)", svg):
            assert not painted[int(y), int(x) : int(x) + int(length)].any()
            painted[int(y), int(x) : int(x) + int(length)] = True
        np.testing.assert_array_equal(painted, np.pad(modules, 2))


def test_pdf() -> None:
    pdfium = pytest.importorskip("pypdfium2", reason="needs pypdfium2 to look at a PDF")
    look = SymbolStyle(module_mm=0.3, light="#ffffe0", dark="#000040")
    for payload, pdf in zip(PAYLOADS, slips.pdfs(SYMBOLS, look), strict=True):
        page = pdfium.PdfDocument(pdf)[0]
        assert page.get_size() == pytest.approx((look.side_mm / 25.4 * 72,) * 2, abs=0.02)
        picture = page.render(scale=600 / 72).to_pil()
        assert picture.getpixel((3, 3)) == (255, 255, 224)
        assert read(picture) == payload


def test_one_is_drawn_as_in_a_batch() -> None:
    for single, many in ((slips.svg, slips.svgs), (slips.png, slips.pngs), (slips.pdf, slips.pdfs)):
        assert single(PAYLOADS[1]) == list(many(SYMBOLS))[1]


def test_a_look_tells_its_size() -> None:
    assert SymbolStyle().side_mm == 20.74 == SymbolStyle().printed_mm(300) == SymbolStyle().printed_mm(600)
    assert SymbolStyle(module_mm=0.01).dots(300) == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"module_mm": 0}, "module_mm"),
        ({"module_mm": float("nan")}, "module_mm"),
        ({"module_mm": float("inf")}, "module_mm"),
        ({"module_mm": "1"}, "module_mm"),
        ({"quiet": -1}, "quiet"),
        ({"quiet": 1.5}, "quiet"),
        ({"quiet": 10**9}, "quiet"),
        ({"dark": "black"}, "dark"),
        ({"dark": None}, "dark"),
        ({"light": ""}, "light"),
    ],
)
def test_a_look_that_cannot_be_drawn_is_refused(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        SymbolStyle(**wrong)
    assert [issue.field for issue in refused.value.issues] == [field]


def test_a_symbol_of_anything_but_255_digits_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        slips.symbol("1" * 254)


@pytest.mark.parametrize(
    ("look", "dpi"),
    [
        (SymbolStyle(), 0),
        (SymbolStyle(), -1),
        (SymbolStyle(), 600.5),
        (SymbolStyle(), 10**9),
        (SymbolStyle(module_mm=50), 600),
    ],
)
def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path: Path, look: SymbolStyle, dpi: Any) -> None:
    with pytest.raises(InvalidInputError, match="dpi: PRINT_SIZE"):
        slips.png(PAYLOADS[0], look, dpi)
    (tmp_path / "bills.csv").write_text(HEADER)
    with pytest.raises(InvalidInputError, match="dpi: PRINT_SIZE"):
        slips.make(tmp_path / "bills.csv", tmp_path / "out", "png", look=look, dpi=dpi)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("rows", [0, -1])
def test_parts_of_no_rows_are_refused(tmp_path: Path, rows: int) -> None:
    (tmp_path / "bills.csv").write_text(HEADER)
    with pytest.raises(InvalidInputError, match="part_rows: AMOUNT_RANGE"):
        slips.make(tmp_path / "bills.csv", tmp_path / "out", part_rows=rows)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_a_picture_that_is_cut_is_refused(tmp_path: Path, share: float) -> None:
    content = slips.png(PAYLOADS[0])
    (tmp_path / "cut.png").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InvalidInputError, match="PICTURE_FORM"):
        slips.decode(tmp_path / "cut.png")
