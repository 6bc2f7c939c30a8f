"""Fonts of printed slips: which is chosen, and that all are embedded; the requirements of PDF/A-2b."""

from __future__ import annotations

import hashlib
import io
import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import reportlab
from reportlab.pdfbase.ttfonts import TTFont

from kokin import slips
from kokin.issues import InvalidInputError
from kokin.slips import slip_pdf, write_slips
from kokin.slips._font_files import FAMILIES, find_font, font_folders
from kokin.slips._fonts import load_fonts, to_unicode_cmap
from kokin.slips._pdf_a import srgb_profile
from tests.slips.test_slip_pdf import TEXT, bill, page_text, pages
from tests.support import needs_font

VERA = (Path(reportlab.__file__).parent / "fonts" / "Vera.ttf").read_bytes()


# --- fonts made for tests ---------------------------------------------------------------------------------------------


def read_tables(font: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">H", font, 4)
    records = [struct.unpack_from(">4sLLL", font, 12 + 16 * number) for number in range(count)]
    return {tag: font[start : start + length] for tag, _, start, length in records}


def sfnt(tables: dict[bytes, bytes], offset: int = 0) -> bytes:
    """Return a font of tables that begins at an offset of its file."""
    directory, content = struct.pack(">LHHHH", 0x00010000, len(tables), 0, 0, 0), b""
    start = offset + 12 + 16 * len(tables)
    for tag, table in sorted(tables.items()):
        directory += struct.pack(">4sLLL", tag, 0, start + len(content), len(table))
        content += table + bytes(-len(table) % 4)
    return directory + content


def name_table(family: str) -> bytes:
    names = {1: family, 6: family.replace(" ", "")}
    records, strings = b"", b""
    for number, text in names.items():
        content = text.encode("utf-16-be")
        records += struct.pack(">6H", 3, 1, 0x409, number, len(content), len(strings))
        strings += content
    return struct.pack(">HHH", 0, len(names), 6 + len(records)) + records + strings


def face(
    family: str, *, weight: int = 400, embedding: int = 0, italic: bool = False, outlines: bytes = b"glyf"
) -> dict[bytes, bytes]:
    """Return the tables that are read when a font is looked for."""
    metrics = struct.pack(">4xHHH52xH", weight, 0, embedding, italic)
    return {
        b"OS/2": metrics,
        b"name": name_table(family),
        outlines: b"",
        **({b"glyf": b""} if outlines == b"fvar" else {}),
    }


def collection(*faces: dict[bytes, bytes]) -> bytes:
    """Return a collection (``.ttc``) of fonts."""
    offset, offsets, content = 12 + 4 * len(faces), [], b""
    for tables in faces:
        offsets.append(offset + len(content))
        content += sfnt(tables, offsets[-1])
    return struct.pack(f">4sLL{len(faces)}L", b"ttcf", 0x00010000, len(faces), *offsets) + content


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder with installed fonts."""
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    monkeypatch.setattr("kokin.slips._font_files.font_folders", lambda: [tmp_path / "absent", fonts])
    return fonts


# --- the choice of a font ---------------------------------------------------------------------------------------------


def test_the_first_installed_family_of_the_list_is_used(folder: Path) -> None:
    for number, family in enumerate(reversed(FAMILIES)):
        (folder / f"{number:02d}.ttf").write_bytes(sfnt(face(family)))
        pair = find_font()
        assert (pair.text.path.name, pair.text.families) == (f"{number:02d}.ttf", {family})
        assert pair.bold == pair.text


def test_a_family_is_found_by_name_with_its_bold_face(folder: Path) -> None:
    (folder / "below").mkdir()
    for name, options in {
        "below/light.ttf": {"weight": 300},
        "below/regular.TTF": {"weight": 400},
        "bold.ttf": {"weight": 700},
        "black.ttf": {"weight": 900},
        "italic.ttf": {"weight": 400, "italic": True},
    }.items():
        (folder / name).write_bytes(sfnt(face("Example Gothic", **options)))  # type: ignore[arg-type]
    (folder / "notes.txt").write_text("no font", encoding="utf-8")
    (folder / "broken.ttf").write_bytes(b"no font")
    (folder / "empty.ttc").write_bytes(b"ttcf")
    pair = find_font("Example Gothic")
    assert (pair.text.path.name, pair.bold.path.name) == ("regular.TTF", "bold.ttf")
    assert find_font(folder / "bold.ttf").text.path.name == "bold.ttf"


def test_a_family_in_a_collection_is_found_with_its_index(folder: Path) -> None:
    (folder / "two.ttc").write_bytes(collection(face("MS UI Gothic"), face("BIZ UDGothic")))
    assert (find_font().text.index, find_font("MS UI Gothic").text.index) == (1, 0)
    assert find_font(folder / "two.ttc").text.families == {"MS UI Gothic"}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"outlines": b"CFF "}, "FONT_FORM"),
        ({"outlines": b"fvar"}, "FONT_FORM"),
        ({"embedding": 0x0002}, "FONT_EMBEDDING"),
        ({"embedding": 0x0108}, "FONT_EMBEDDING"),
        ({"embedding": 0x0200}, "FONT_EMBEDDING"),
    ],
)
def test_a_font_that_cannot_be_embedded_is_passed_over_or_rejected(
    folder: Path, options: dict[str, Any], code: str
) -> None:
    path = folder / "a.ttf"
    path.write_bytes(sfnt(face("BIZ UDGothic", **options)))
    with pytest.raises(InvalidInputError) as raised:
        find_font()
    assert [(issue.code, issue.found) for issue in raised.value.issues] == [("FONT_MISSING", f"a.ttf ({code})")]
    for named in (path, str(path), "BIZ UDGothic"):
        with pytest.raises(InvalidInputError) as raised:
            find_font(named, "digits_font")
        assert [(issue.code, issue.field) for issue in raised.value.issues] == [(code, "digits_font")]
    (folder / "b.ttf").write_bytes(sfnt(face("VL Gothic")))
    assert find_font().text.path.name == "b.ttf"


@pytest.mark.parametrize("embedding", [0x0000, 0x0004, 0x0008, 0x000A])
def test_a_font_that_permits_embedding_is_used(folder: Path, embedding: int) -> None:
    (folder / "a.ttf").write_bytes(sfnt(face("BIZ UDGothic", embedding=embedding)))
    assert find_font().text.problem == ""


def test_a_font_installed_later_is_found(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="FONT_MISSING"):
        find_font()
    (folder / "a.ttf").write_bytes(sfnt(face("VL Gothic")))
    assert find_font().text.families == {"VL Gothic"}
    (folder / "a.ttf").write_bytes(sfnt(face("IPAexGothic")))
    assert find_font().text.families == {"IPAexGothic"}


def test_without_a_font_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bills.csv").write_text(
        "bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,levy_year,tax_year,payable_until\n"
        "1,99999,127,1,000001,1,2026-06-01,2026,2026,2026-07-10\n",
        encoding="utf-8",
    )
    (tmp_path / "wording.toml").write_text('payee = "例示市"\ncharge = "税"\n', encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    for write in (
        lambda: slip_pdf(bill(), TEXT),
        lambda: write_slips(tmp_path / "a.pdf", [(bill(), TEXT)]),
        lambda: slips.make(tmp_path / "bills.csv", tmp_path / "out", "pdf", wording=tmp_path / "wording.toml"),
        lambda: slip_pdf(bill(), TEXT, font="Example Gothic"),
    ):
        with pytest.raises(InvalidInputError) as raised:
            write()
        assert [(issue.code, issue.field) for issue in raised.value.issues] == [("FONT_MISSING", "font")]
    assert sorted(tmp_path.iterdir()) == before


def test_digits_of_different_widths_are_rejected(tmp_path: Path) -> None:
    tables = read_tables(VERA)
    (tmp_path / "even.ttf").write_bytes(sfnt(tables))
    assert load_fonts(tmp_path / "even.ttf").digits == load_fonts(tmp_path / "even.ttf").text
    widths = bytearray(tables[b"hmtx"])
    struct.pack_into(">H", widths, 4 * TTFont("Vera", io.BytesIO(VERA)).face.charToGlyph[ord("1")], 1)
    (tmp_path / "uneven.ttf").write_bytes(sfnt(tables | {b"hmtx": bytes(widths)}))
    for options in ({"font": tmp_path / "uneven.ttf"}, {"font": tmp_path / "even.ttf", "digits_font": "uneven.ttf"}):
        with pytest.raises(InvalidInputError) as raised:
            load_fonts(**{name: tmp_path / file for name, file in options.items()})
        assert [(issue.code, issue.field) for issue in raised.value.issues] == [("FONT_DIGITS", "digits_font")]


def test_the_font_folders_of_each_system() -> None:
    windows = font_folders("win32", {"LOCALAPPDATA": "local", "WINDIR": "windows"})
    assert windows[:2] == [Path("local/Microsoft/Windows/Fonts"), Path("windows/Fonts")]
    assert Path("/System/Library/Fonts") in font_folders("darwin", {})
    linux = font_folders("linux", {"XDG_DATA_HOME": "/data"})
    assert (linux[0], linux[2:4]) == (Path("/data/fonts"), [Path("/usr/local/share/fonts"), Path("/usr/share/fonts")])


def test_the_font_in_a_python_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "matplotlib_fontja"
    (package / "fonts").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('must not be imported: it needs matplotlib')")
    monkeypatch.syspath_prepend(tmp_path)
    assert font_folders()[-1] == package / "fonts"


# --- the document -----------------------------------------------------------------------------------------------------

OPERATORS = "q Q cm BT ET Tf Tm Tj Td TL T* Tc rg RG w d re f f* S m l n Do"

# 髙 and 﨑 are not in JIS X 0208, 𠮟 is beyond U+FFFF.
NAME = "髙﨑　𠮟郎"


def open_pdf(pdf: bytes) -> Any:
    pikepdf = pytest.importorskip("pikepdf", reason="needs pikepdf to examine a PDF")
    return pikepdf.open(io.BytesIO(pdf))


def fonts_of(document: Any) -> list[Any]:
    return [entry for entry in document.objects if hasattr(entry, "keys") and entry.get("/Type") == "/Font"]


@needs_font
@pytest.mark.parametrize("template", ["strip", "a4"])
def test_every_font_is_embedded_and_every_character_is_extracted(template: str) -> None:
    pdf = slip_pdf(bill(name=NAME), TEXT, template=template)
    document = open_pdf(pdf)
    fonts = fonts_of(document)
    assert fonts
    for font in fonts:
        assert "/FontFile2" in font.FontDescriptor
        assert re.fullmatch(r"/[A-Z]{6}\+.+", str(font.BaseFont))
        assert font.FontDescriptor.FontName == font.BaseFont
    # The only fonts that a page can use are these.
    used = {name for page in document.pages for name in page.Resources.Font}
    assert used == {str(font.Name) for font in fonts}
    text = page_text(pages(pdf)[0])
    for expected in ("髙﨑𠮟郎様", "例示市水道事業管理者", "¥12,300", "令和8年4月1日〜5月31日"):
        assert expected in text


@pytest.mark.thorough
@needs_font
def test_characters_of_many_subsets_are_extracted_in_order() -> None:
    kanji = [chr(code) for code in range(0x4E00, 0x5200) if not load_fonts().missing(chr(code))]
    assert len(kanji) > 512  # more than two subsets of 256
    rows = [kanji[start : start + 20] for start in range(0, len(kanji), 20)]
    file = io.BytesIO()
    write_slips(file, [(bill(name="".join(row)), TEXT) for row in rows])
    for row, page in zip(rows, pages(file.getvalue()), strict=True):
        assert "".join(row) in page_text(page)


def test_the_map_to_unicode_has_blocks_of_at_most_100_entries_and_surrogates() -> None:
    cmap = to_unicode_cmap([0, 0x41, *range(0x4E00, 0x4E00 + 149), 0x20B9F])
    assert re.findall(r"(\d+) beginbfchar", cmap) == ["100", "51"]
    assert re.findall(r"^<(..)> <(.+)>$", cmap.split("endcodespacerange")[1], re.MULTILINE)[::150] == [
        ("01", "0041"),
        ("97", "D842DF9F"),
    ]


@needs_font
def test_another_process_writes_the_same_bytes() -> None:
    script = (
        "import sys; from tests.slips.test_fonts import *; sys.stdout.buffer.write(slip_pdf(bill(name=NAME), TEXT))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join([".", *sys.path])}
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment, cwd=root)
    assert hashlib.sha256(run.stdout).digest() == hashlib.sha256(slip_pdf(bill(name=NAME), TEXT)).digest()


@needs_font
def test_the_identifier_depends_on_the_content() -> None:
    first, second = (open_pdf(slip_pdf(bill(case_key=key), TEXT)).trailer.ID for key in ("1", "2"))
    assert len(bytes(first[0])) == 16
    assert bytes(first[0]) != bytes(second[0])


@needs_font
def test_the_document_has_the_metadata_and_the_output_intent_of_pdf_a() -> None:
    """ISO 19005-2, 6.1.2, 6.1.3, 6.2.3, 6.6."""
    texts = [TEXT, TEXT.model_copy(update={"payee": "例示市<税務課> & 他"})]
    file = io.BytesIO()
    write_slips(file, [(bill(), text) for text in texts])
    document = open_pdf(file.getvalue())
    assert file.getvalue()[:9] == b"%PDF-1.7\n"
    assert all(byte > 127 for byte in file.getvalue()[10:14])
    assert not document.is_encrypted
    assert [str(document.Root.Lang), document.Root.Metadata.get("/Filter")] == ["ja", None]
    metadata = document.open_metadata()
    assert metadata.pdfa_status == "2B"
    info = {name: str(value) for name, value in document.docinfo.items()}
    assert info == {
        "/Title": metadata["dc:title"],
        "/Author": "、".join(metadata["dc:creator"]),
        "/Creator": metadata["xmp:CreatorTool"],
        "/Producer": metadata["pdf:Producer"],
        "/CreationDate": "D:20000101000000+00'00'",
        "/ModDate": "D:20000101000000+00'00'",
    }
    assert metadata["xmp:CreateDate"] == metadata["xmp:ModifyDate"] == "2000-01-01T00:00:00+00:00"
    assert info["/Author"] == "例示市水道事業管理者、例示市<税務課> & 他"
    (intent,) = document.Root.OutputIntents
    assert (intent.S, intent.DestOutputProfile.N) == ("/GTS_PDFA1", 3)
    assert intent.DestOutputProfile.read_bytes() == srgb_profile()


@needs_font
def test_the_document_has_nothing_that_pdf_a_forbids(tmp_path: Path) -> None:
    """ISO 19005-2, 6.1.7, 6.2.4, 6.2.8, 6.2.10, 6.3 to 6.5, 6.9."""
    image = pytest.importorskip("PIL.Image", reason="needs the extra 'decode'")
    image.new("CMYK", (4, 4), (0, 0, 0, 50)).save(tmp_path / "mark.tif")
    image.new("RGBA", (4, 4), (255, 0, 0, 128)).save(tmp_path / "mark.png")
    for mark in ("mark.tif", "mark.png"):
        pdf = slip_pdf(bill(), TEXT, mark=tmp_path / mark)
        for start in re.finditer(rb"/Length (\d+)[^>]*>>\s*stream\n", pdf):
            assert pdf[start.end() + int(start[1]) :].startswith(b"\nendstream\nendobj\n")
        document = open_pdf(pdf)
        streams = [entry for entry in document.objects if hasattr(entry, "read_bytes") and "/Length" in entry]
        assert len(streams) == pdf.count(b"endstream")
        keys = {key for entry in document.objects if hasattr(entry, "keys") for key in entry}
        forbidden = {
            "/AA",
            "/Annots",
            "/AcroForm",
            "/OCProperties",
            "/SMask",
            "/ExtGState",
            "/Interpolate",
            "/OPI",
            "/Ref",
        }
        assert keys & (forbidden | {"/Group", "/Names", "/OpenAction", "/PS", "/TR", "/Alternates", "/XFA"}) == set()
        (picture,) = (entry for entry in streams if entry.get("/Subtype") == "/Image")
        assert picture.ColorSpace == "/DeviceRGB"
        pikepdf = pytest.importorskip("pikepdf")
        (form,) = (entry for entry in streams if entry.get("/Subtype") == "/Form")
        operators = {
            str(operator)
            for content in (document.pages[0], form)
            for _, operator in pikepdf.parse_content_stream(content)
        }
        # Colours are DeviceRGB only (rg, RG); no shading, no inline image, no graphics state with transparency.
        assert operators <= set(OPERATORS.split())


def shown_codes(document: Any) -> dict[str, set[int]]:
    """Return the character codes that the contents show, by the name of their font."""
    pikepdf = pytest.importorskip("pikepdf")
    codes: dict[str, set[int]] = {}
    forms = [entry for entry in document.objects if hasattr(entry, "read_bytes") and entry.get("/Subtype") == "/Form"]
    for content in (*document.pages, *forms):
        font = ""
        for operands, operator in pikepdf.parse_content_stream(content):
            if str(operator) == "Tf":
                font = str(operands[0])
            elif str(operator) == "Tj":
                codes.setdefault(font, set()).update(bytes(operands[0]))
    return codes


@needs_font
def test_the_embedded_fonts_obey_pdf_a() -> None:
    """ISO 19005-2, 6.2.11.4 to 6.2.11.8: symbolic fonts with one cmap, equal widths, no character without a glyph."""
    document = open_pdf(slip_pdf(bill(name=NAME), TEXT))
    codes = shown_codes(document)
    for font in fonts_of(document):
        assert "/Encoding" not in font
        assert int(font.FontDescriptor.Flags) & 0b100100 == 0b100  # symbolic
        tables = read_tables(font.FontDescriptor.FontFile2.read_bytes())
        _, cmaps, platform, encoding, offset = struct.unpack_from(">HHHHL", tables[b"cmap"])
        assert (cmaps, platform, encoding) == (1, 1, 0)
        form, _, _, first, count = struct.unpack_from(">5H", tables[b"cmap"], offset)
        glyphs = struct.unpack_from(f">{count}H", tables[b"cmap"], offset + 10)
        assert (form, first, count - 1) == (6, font.FirstChar, font.LastChar)
        (units,) = struct.unpack_from(">H", tables[b"head"], 18)
        (metrics,) = struct.unpack_from(">H", tables[b"hhea"], 34)
        advances = [struct.unpack_from(">H", tables[b"hmtx"], 4 * min(glyph, metrics - 1))[0] for glyph in glyphs]
        widths = [float(width) for width in font.Widths]
        assert widths == pytest.approx([1000 * advance / units for advance in advances], abs=0.01)
        shown = codes[str(font.Name)]
        assert shown
        assert all(glyphs[code] for code in shown)


def test_the_colour_profile_is_srgb() -> None:
    """It converts colours as the profile of another library does."""
    colours = pytest.importorskip("PIL.ImageCms", reason="needs the extra 'decode'")
    image = pytest.importorskip("PIL.Image")
    profile = colours.ImageCmsProfile(io.BytesIO(srgb_profile()))
    assert (profile.profile.version, profile.profile.device_class, profile.profile.xcolor_space) == (
        4.2,
        "mntr",
        "RGB ",
    )
    steps = bytes(number * 17 for number in range(16))
    samples = image.frombytes("RGB", (64, 64), bytes(n for r in steps for g in steps for b in steps for n in (r, g, b)))
    lab = colours.createProfile("LAB")
    own, other = (
        colours.applyTransform(samples, colours.buildTransform(source, lab, "RGB", "LAB")).tobytes()
        for source in (profile, colours.createProfile("sRGB"))
    )
    assert max(abs(left - right) for left, right in zip(own, other, strict=True)) <= 1
