"""The fonts of a PDF document: registered with reportlab and embedded as subsets."""

from __future__ import annotations

import functools
import hashlib
import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.pdfdoc import PDFArray, PDFStream, PDFTrueTypeFont, PDFZCompress
from reportlab.pdfbase.ttfonts import TTFError, TTFont

from kokin.issues import InvalidInputError, Issue
from kokin.slips._font_files import FontFace, find_font

_DIGITS = "0123456789"
_ASCII = frozenset(map(chr, range(128)))
# Entries per block of a ToUnicode CMap (Adobe Technical Note 5411).
_MAX_ENTRIES = 100


class Fonts(NamedTuple):
    """Names of fonts registered with reportlab; all are embedded."""

    text: str
    bold: str
    """For emphasised text."""
    digits: str
    """For the OCR lines: all digits have one width."""

    def __reduce__(self) -> Any:
        """Pickle the fonts with their files: a worker process has those of the process that began the run."""
        fonts = [_embedded(name) for name in self]
        return _unpickled, tuple((font.content, font.index) for font in fonts)

    def for_text(self, text: str, bold: bool = False) -> str:
        """Return the font in which a text is set."""
        return self.bold if bold else self.text

    def missing(self, text: str) -> list[str]:
        """Return the characters of a text, apart from ASCII, that ``text`` or ``bold`` lacks, in their order."""
        lacking = set(text) - _covered(self.text, self.bold)
        return [character for character in dict.fromkeys(text) if character in lacking]


@functools.cache
def _covered(*fonts: str) -> frozenset[str]:
    """Return the characters that all fonts have, and those of ASCII."""
    # Fonts map characters that they lack to glyph 0 or not at all.
    maps = [_embedded(font).face.charToGlyph for font in fonts]
    return _ASCII | frozenset[str].intersection(
        *(frozenset(chr(code) for code, glyph in glyphs.items() if glyph) for glyphs in maps)
    )


def load_fonts(font: str | Path | None = None, digits_font: str | Path | None = None) -> Fonts:
    """Register the fonts of a document.

    Args:
        font: a TrueType font for all text, by path or by the name of an installed family; by default the first
            installed one of :data:`kokin.slips._font_files.FAMILIES`.
        digits_font: one for the OCR lines, such as an OCR-B; by default that of the text.

    Raises:
        InvalidInputError: no font is found (``FONT_MISSING``), a font cannot be embedded (``FONT_FORM``,
            ``FONT_EMBEDDING``), or the digits of the OCR lines have different widths (``FONT_DIGITS``).
        OSError: a file cannot be read.
    """
    pair = find_font(font)
    text, bold = _register(pair.text, "font"), _register(pair.bold, "font")
    digits = _register(find_font(digits_font, "digits_font").text, "digits_font") if digits_font else text
    if len({digits.face.charWidths.get(ord(digit)) for digit in _DIGITS}) != 1:
        issue = Issue("FONT_DIGITS", field="digits_font", found=digits.face.familyName.decode("utf-8", "replace"))
        raise InvalidInputError([issue])
    return Fonts(text.fontName, bold.fontName, digits.fontName)


def _register(face: FontFace, field: str) -> EmbeddedFont:
    try:
        return _register_content(face.path.read_bytes(), face.index)
    except (TTFError, struct.error, IndexError, KeyError, ValueError, AssertionError) as error:
        issue = Issue("FONT_FORM", field=field, expected="a TrueType font", found=face.path.name)
        raise InvalidInputError([issue]) from error


def _register_content(content: bytes, index: int) -> EmbeddedFont:
    """Register a face under a digest of its content, so that a changed file under the same path is another font."""
    name = f"sha256-{hashlib.sha256(content).hexdigest()}-{index}"
    if name not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(EmbeddedFont(name, content, index))
    return _embedded(name)


def _embedded(name: str) -> EmbeddedFont:
    font = pdfmetrics.getFont(name)
    assert isinstance(font, EmbeddedFont)  # only _register_content registers names of this form
    return font


def _unpickled(*faces: tuple[bytes, int]) -> Fonts:
    return Fonts(*(_register_content(*face).fontName for face in faces))


class EmbeddedFont(TTFont):  # type: ignore[misc]
    """A TrueType font that reportlab embeds as subsets of 256 characters.

    Differs from reportlab's own in two ways: characters beyond U+FFFF can be extracted as text, and the name of a
    subset depends on its content, so that tools that merge documents do not confuse their subsets.
    """

    def __init__(self, name: str, content: bytes, index: int) -> None:
        super().__init__(name, io.BytesIO(content), subfontIndex=index)
        self.content, self.index = content, index
        self.postscript_name: str = self.face.name.decode("ascii")
        # reportlab shares a registered font among all whose faces have one name, such as two versions of a font.
        self.face.name = name.encode()

    def addObjects(self, doc: Any) -> None:  # noqa: N802
        """Add the subsets to the document."""
        state = self.state[doc]
        state.frozen = 1
        for number, subset in enumerate(state.subsets):
            resource = self.getSubsetInternalName(number, doc)[1:]
            base_name = f"{_subset_tag(self.fontName, subset)}+{self.postscript_name}"
            cmap = PDFStream(content=to_unicode_cmap(subset), filters=[PDFZCompress])
            font: Any = PDFTrueTypeFont()
            font.Name, font.BaseFont = resource, base_name
            font.FirstChar, font.LastChar = 0, len(subset) - 1
            font.Widths = PDFArray([self.face.getCharWidth(code) for code in subset])
            font.ToUnicode = doc.Reference(cmap, f"toUnicodeCMap:{base_name}")
            font.FontDescriptor = self.face.addSubsetObjects(doc, base_name, subset)
            doc.Reference(font, resource)
            doc.idToObject["BasicFonts"].dict[resource] = font
        del self.state[doc]


def _subset_tag(font: str, subset: Sequence[int]) -> str:
    """Return six capital letters that identify a subset (ISO 32000-1, 9.6.4)."""
    digest = hashlib.sha256(f"{font} {subset}".encode()).digest()
    return "".join(chr(ord("A") + byte % 26) for byte in digest[:6])


def to_unicode_cmap(subset: Sequence[int]) -> str:
    """Return the CMap from the codes of a subset to Unicode (ISO 32000-1, 9.10.3).

    Args:
        subset: the character of each code; 0 for a code that is not used.
    """
    entries = [
        f"<{code:02X}> <{chr(character).encode('utf-16-be').hex().upper()}>"
        for code, character in enumerate(subset)
        if character
    ]
    blocks = [entries[start : start + _MAX_ENTRIES] for start in range(0, len(entries), _MAX_ENTRIES)]
    return "\n".join(
        [
            "/CIDInit /ProcSet findresource begin",
            "12 dict begin",
            "begincmap",
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
            "/CMapName /Adobe-Identity-UCS def",
            "/CMapType 2 def",
            "1 begincodespacerange",
            "<00> <FF>",
            "endcodespacerange",
            *(f"{len(block)} beginbfchar\n{chr(10).join(block)}\nendbfchar" for block in blocks),
            "endcmap",
            "CMapName currentdict /CMap defineresource pop",
            "end",
            "end",
        ]
    )
