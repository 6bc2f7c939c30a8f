"""The fonts of a printed slip: embedded from files, or the standard ones that every PDF reader brings along."""

from __future__ import annotations

import functools
import hashlib
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFError, TTFont

from kokin.issues import InvalidInputError, Issue

_STANDARD = "HeiseiKakuGo-W5"
# The characters of the standard font, by the encodings that cover them.
_ENCODINGS = ("cp932", "shift_jis")


class Fonts(NamedTuple):
    """Names of fonts that reportlab knows."""

    text: str
    """For Japanese."""
    figures: str
    """For amounts and numbers."""
    bold: str
    """For amounts that stand out."""
    digits: str
    """For the OCR lines and below the barcode; all figures of one width."""
    has: Callable[[str], bool]
    """Whether ``text`` has a character."""

    def of(self, text: str, bold: bool = False) -> str:
        """The font that a text is set in."""
        if not all(character == "¥" or character.isascii() for character in text):
            return self.text
        return self.bold if bold else self.figures


def load_fonts(path: str | Path | None = None, digits_path: str | Path | None = None) -> Fonts:
    """The fonts to print with.

    Args:
        path: a TrueType font (``.ttf``, ``.ttc``) that is embedded and used for all text; without one the standard
            Japanese font HeiseiKakuGo-W5 and Helvetica, which are not embedded.
        digits_path: a TrueType font for the OCR lines, such as an OCR-B; without one Courier, or ``path``.

    Raises:
        InvalidInputError: a font that cannot be embedded.
        OSError: a file cannot be read.
    """
    if path is None:
        pdfmetrics.registerFont(UnicodeCIDFont(_STANDARD))
        fonts = Fonts(_STANDARD, "Helvetica", "Helvetica-Bold", "Courier", _in_standard)
    else:
        name, font = _embedded(path)
        fonts = Fonts(name, name, name, name, lambda character: ord(character) in font.face.charToGlyph)
    return fonts._replace(digits=_embedded(digits_path)[0]) if digits_path else fonts


@functools.cache
def _in_standard(character: str) -> bool:
    if character == "¥":  # set in Helvetica
        return True
    for encoding in _ENCODINGS:
        try:
            character.encode(encoding)
        except UnicodeEncodeError:
            continue
        return True
    return False


def _embedded(path: str | Path) -> tuple[str, TTFont]:
    """A font by the name of its content, so that another file under the same path is another font."""
    content = Path(path).read_bytes()
    name = f"sha256-{hashlib.sha256(content).hexdigest()}"
    if name not in pdfmetrics.getRegisteredFontNames():
        try:
            font = TTFont(name, io.BytesIO(content))
        except (TTFError, struct.error, IndexError, KeyError, ValueError, AssertionError) as error:
            raise InvalidInputError(
                [Issue("FONT_FORM", field="font", expected="a TrueType font", found=Path(path).name)]
            ) from error
        pdfmetrics.registerFont(font)
    font = pdfmetrics.getFont(name)
    assert isinstance(font, TTFont)  # the name is of no other
    return name, font
