"""Drawing on PDF pages in mm from the upper left corner, with reportlab."""

from __future__ import annotations

import functools
import io
import math
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from PIL import Image
from reportlab.lib.colors import HexColor
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName, PDFStream
from reportlab.pdfbase.pdfmetrics import getFont
from reportlab.pdfgen.canvas import Canvas

from kokin.issues import InvalidInputError, Issue, Location
from kokin.slips import _pdf_a
from kokin.slips._fonts import Fonts
from kokin.slips._render import POINTS_PER_MM as MM
from kokin.slips._slip_layout import Placed, PlacedText, Shape
from kokin.slips._slip_template import MIN_LABEL_PT, Template
from kokin.slips._text_fit import LEADING, block_height, text_width

# Height of a letter above its base line as a share of the font size.
_ASCENT = 0.87
# In a font whose letters have one width, digits move nearer to the comma before them, by this share of the font size.
_AMOUNT, _AFTER_COMMA, _COMMA_KERN = re.compile("¥?[0-9,]+円?"), re.compile("(?<=,)"), 0.16
# Share of the free width that is left of a line.
_ALIGN = {"left": 0.0, "center": 0.5, "right": 1.0}
# Share of the page that a text across it fills.
_WATERMARK = 0.8
# Line widths in points, by kind of shape.
_LINE_PT = {"frame": 0.8, "dashed": 0.5, "line": 0.3}
_CUT_PT, _CUT_GAP_PT = 0.4, 6
_BLACK = "0 0 0"
# Elements whose operators are cached per document: more than one page has, as most of them are on the next page, too.
_CACHED_ELEMENTS = 1024
# Level 6, the default of zlib, takes nearly twice as long for pages that are 7 % smaller.
_ZLIB_LEVEL = 4


def load_picture(path: Path) -> bytes:
    """Return a picture as PNG in RGB, its transparent areas white (the documents have one colour space, see PDF/A).

    Raises:
        InvalidInputError: the file is not such a picture.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    try:
        picture = Image.open(io.BytesIO(content)).convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        paper.alpha_composite(picture)
        flat = io.BytesIO()
        paper.convert("RGB").save(flat, "PNG")
    except Exception as error:  # of Pillow, of many types
        issue = Issue("PICTURE_FORM", field="mark", location=Location(path.name))
        raise InvalidInputError([issue], f"{path.name} is not a picture") from error
    return flat.getvalue()


class PdfCanvas:
    """A PDF document, drawn page by page.

    What all pages share is drawn once, as a form XObject (ISO 32000-1, 8.10) to which the pages refer.
    """

    def __init__(self, file: str | IO[bytes], template: Template, fonts: Fonts) -> None:
        self.template = template
        self.fonts = fonts
        self.page_count = 0
        self._height = template.height * MM
        self._ink, self._tint = HexColor(template.ink), HexColor(template.tint)
        self._ink_operands, self._tint_operands = (
            " ".join(f"{component:.6f}" for component in colour.rgb()) for colour in (self._ink, self._tint)
        )
        self._cached_operators = functools.lru_cache(_CACHED_ELEMENTS)(self._operators)
        size = (template.width * MM, self._height)
        initial_font: Any = fonts.text  # the stubs of reportlab declare a number
        self._authors: dict[str, None] = {}
        self._canvas: Any = Canvas(  # its document is not in the stubs of reportlab
            file,
            size,
            pageCompression=1,
            invariant=1,
            lang="ja",
            pdfVersion=_pdf_a.PDF_VERSION,
            initialFontName=initial_font,
        )

    @contextmanager
    def define_form(self, name: str) -> Iterator[None]:
        """Record what the block draws as a form that pages can refer to."""
        self._canvas.beginForm(name, 0, 0, self.template.width * MM, self._height)
        yield
        self._canvas.endForm()

    def draw_form(self, name: str) -> None:
        """Draw a form on the page."""
        self._canvas.doForm(name)

    def end_page(self, author: str = "") -> None:
        """Complete the page and begin the next one; ``author`` becomes an author of the document."""
        if author:
            self._authors[author] = None
        self._canvas.showPage()
        self.page_count += 1
        # reportlab would keep the operators of all pages until the document is saved, and encode each page in ASCII85.
        document = self._canvas._doc
        page = document.Pages.pages[-1]
        content = page.stream.encode("ascii")
        document.updateSignature(content)  # the identifier of the document depends on what it shows
        page.stream = None
        is_deflated = PDFDictionary({"Filter": PDFArray([PDFName("FlateDecode")])})
        page.Contents = PDFStream(is_deflated, zlib.compress(content, _ZLIB_LEVEL))

    def save(self) -> None:
        """Write the file, as PDF/A-2b."""
        _pdf_a.conform(self._canvas._doc, self.template.title, "、".join(self._authors))
        self._canvas.save()

    def draw(self, placed: Iterable[Placed]) -> None:
        """Draw shapes and texts in their order."""
        for element in placed:
            self._canvas.addLiteral(self._cached_operators(element))

    def _operators(self, element: Placed) -> str:
        """Return the operators that draw a shape or a text."""
        return self._shape_operators(element) if isinstance(element, Shape) else self._text_operators(element)

    def _shape_operators(self, shape: Shape) -> str:
        x, y, width, height = (side * MM for side in shape.box)
        rectangle = f"{x:.6f} {self._height - y - height:.6f} {width:.6f} {height:.6f} re"
        if shape.kind == "tint":
            return f"{self._tint_operands} rg {rectangle} f"
        pen = f"{self._ink_operands} RG {_LINE_PT[shape.kind]} w"
        if shape.kind == "line":
            ends = f"{x:.6f} {self._height - y:.6f} m {x + width:.6f} {self._height - y - height:.6f} l"
            return f"{pen} {ends} S"
        return f"q {pen} [2 2] 0 d {rectangle} S Q" if shape.kind == "dashed" else f"{pen} {rectangle} S"

    def _text_operators(self, text: PlacedText) -> str:
        """Return the operators that show a text (ISO 32000-1, 9.4)."""
        (x, y, width, height), size = text.box, text.size
        operators = ["BT", f"{self._ink_operands if text.inked else _BLACK} rg"]
        free = height * MM - block_height(len(text.lines), size)
        top = self._height - y * MM - (0 if text.valign == "top" else free / 2)
        for number, line in enumerate(text.lines):
            base = top - size * (_ASCENT + number * LEADING)
            pieces = _AFTER_COMMA.split(line) if _AMOUNT.fullmatch(line) else [line]
            kern = _COMMA_KERN * size
            free = width * MM - text_width(line, text.font, size) + kern * (len(pieces) - 1)
            left = x * MM + free * _ALIGN[text.align]
            for piece in pieces:
                operators += [f"1 0 0 1 {left:.6f} {base:.6f} Tm", self._show(piece, text.font, size)]
                left += text_width(piece, text.font, size) - kern
        operators.append("ET")
        return " ".join(operators)

    def _show(self, text: str, font: str, size: float) -> str:
        """Return the operators that select the subsets of a font and show the characters of a line."""
        document = self._canvas._doc
        embedded: Any = getFont(font)
        return " ".join(
            f"{embedded.getSubsetInternalName(subset, document)} {size:.6f} Tf <{codes.hex()}> Tj"
            for subset, codes in embedded.splitString(text, document)
        )

    def draw_cut_line(self, x1: float, y1: float, x2: float, y2: float, label: str) -> None:
        """Draw a dashed line along which the page is cut, with a label in its middle."""
        canvas, font, size = self._canvas, self.fonts.text, MIN_LABEL_PT
        length = math.hypot(x2 - x1, y2 - y1) * MM
        gap = text_width(label, font, size) + 2 * _CUT_GAP_PT if label else 0
        canvas.saveState()
        canvas.translate(x1 * MM, self._height - y1 * MM)
        canvas.rotate(-math.degrees(math.atan2(y2 - y1, x2 - x1)))
        canvas.setStrokeColor(self._ink)
        canvas.setFillColor(self._ink)
        canvas.setLineWidth(_CUT_PT)
        canvas.setDash([1.5, 2])
        for left, right in ((0, (length - gap) / 2), ((length + gap) / 2, length)):
            canvas.line(left, 0, right, 0)
        canvas.setDash()
        canvas.setFont(font, size)
        canvas.drawCentredString(length / 2, -size * (_ASCENT - 0.5), label)
        canvas.restoreState()

    def draw_watermark(self, text: str) -> None:
        """Draw a light text across the page, behind what is drawn later."""
        canvas = self._canvas
        width, font = self.template.width * MM, self.fonts.text
        size = _WATERMARK * min(width / text_width(text, font, 1), self._height)
        canvas.saveState()
        canvas.setFillColor(self._tint)
        canvas.setFont(font, size)
        canvas.translate(width / 2, self._height / 2)
        canvas.drawCentredString(0, -size * (_ASCENT - 0.5), text)
        canvas.restoreState()

    def draw_picture(self, picture: bytes, x: float, y: float, width: float, height: float) -> None:
        """Draw a picture in the middle of a box, as large as fits."""
        bottom = self._height - (y + height) * MM
        image = ImageReader(io.BytesIO(picture))
        self._canvas.drawImage(image, x * MM, bottom, width * MM, height * MM, preserveAspectRatio=True, mask="auto")

    def draw_digits(self, digits: str, x: float, y: float, pitch: float, size: float) -> None:
        """Draw an OCR line: digits on a base line, each in the middle of its ``pitch`` mm."""
        digit_width = text_width("0", self.fonts.digits, size)
        spacing = pitch * MM - digit_width
        left, base = x * MM + spacing / 2, self._height - y * MM
        show = self._show(digits, self.fonts.digits, size)
        # Reset: the spacing would apply to all text after it.
        self._canvas.addLiteral(f"BT {_BLACK} rg 1 0 0 1 {left:.6f} {base:.6f} Tm {spacing:.6f} Tc {show} 0 Tc ET")

    def fill_bars(self, x: float, y: float, height: float, bars: Iterable[tuple[float, float]]) -> None:
        """Fill black bars of one height, with their left edges and widths from a corner, in mm."""
        rectangles = " ".join(f"{left:.4f} 0 {width:.4f} {height:.4f} re" for left, width in bars)
        self.fill_rectangles(x, y, MM, rectangles)

    def fill_rectangles(self, x: float, y: float, unit: float, rectangles: str) -> None:
        """Fill black rectangles, PDF operators ``x y width height re`` in ``unit`` points down from a corner."""
        matrix = f"{unit:.6f} 0 0 {-unit:.6f} {x * MM:.6f} {self._height - y * MM:.6f} cm"
        self._canvas.addLiteral(f"q {_BLACK} rg {matrix} {rectangles} f Q")
