"""Drawing on PDF pages in mm from the upper left corner, with reportlab."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from PIL import Image
from reportlab.lib.colors import HexColor, black
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfdoc import PDFPage, PDFStream, PDFZCompress
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from kokin.issues import InvalidInputError, Issue, Location
from kokin.slips import _pdf_a
from kokin.slips._fonts import Fonts
from kokin.slips._render import POINTS_PER_MM as MM
from kokin.slips._slip_layout import Placed, PlacedText, Shape
from kokin.slips._slip_template import MIN_LABEL_PT, Template
from kokin.slips._text_fit import LEADING, block_height

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
        size = (template.width * MM, self._height)
        initial_font: Any = fonts.text  # the stubs of reportlab declare a number
        self._authors: dict[str, None] = {}
        self._canvas = Canvas(
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

    def save(self) -> None:
        """Write the file, as PDF/A-2b."""
        canvas: Any = self._canvas
        for page in canvas._doc.idToObject.values():
            if isinstance(page, PDFPage):
                # The identifier of the document depends on what it shows. reportlab would also encode the page in
                # ASCII85, which takes a third of the time.
                canvas._doc.updateSignature(page.stream)
                page.Contents = PDFStream(content=page.stream, filters=[PDFZCompress])
        _pdf_a.conform(canvas._doc, self.template.title, "、".join(self._authors))
        canvas.save()

    def draw(self, placed: Iterable[Placed]) -> None:
        """Draw shapes and texts in their order."""
        for element in placed:
            if isinstance(element, Shape):
                self._draw_shape(element)
            else:
                self._draw_text(element)

    def _draw_shape(self, shape: Shape) -> None:
        canvas, (x, y, width, height) = self._canvas, shape.box
        rectangle = (x * MM, self._height - (y + height) * MM, width * MM, height * MM)
        if shape.kind == "tint":
            canvas.setFillColor(self._tint)
            canvas.rect(*rectangle, stroke=0, fill=1)
            return
        canvas.setStrokeColor(self._ink)
        canvas.setLineWidth(_LINE_PT[shape.kind])
        if shape.kind == "line":
            canvas.line(x * MM, self._height - y * MM, (x + width) * MM, self._height - (y + height) * MM)
            return
        canvas.setDash([2, 2] if shape.kind == "dashed" else [])
        canvas.rect(*rectangle)
        canvas.setDash()

    def _draw_text(self, text: PlacedText) -> None:
        canvas, (x, y, width, height), size = self._canvas, text.box, text.size
        canvas.setFillColor(self._ink if text.inked else black)
        canvas.setFont(text.font, size)
        free = height * MM - block_height(len(text.lines), size)
        top = self._height - y * MM - (0 if text.valign == "top" else free / 2)
        for number, line in enumerate(text.lines):
            base = top - size * (_ASCENT + number * LEADING)
            pieces = _AFTER_COMMA.split(line) if _AMOUNT.fullmatch(line) else [line]
            kern = _COMMA_KERN * size
            free = width * MM - stringWidth(line, text.font, size) + kern * (len(pieces) - 1)
            left = x * MM + free * _ALIGN[text.align]
            for piece in pieces:
                canvas.drawString(left, base, piece)
                left += stringWidth(piece, text.font, size) - kern

    def draw_cut_line(self, x1: float, y1: float, x2: float, y2: float, label: str) -> None:
        """Draw a dashed line along which the page is cut, with a label in its middle."""
        canvas, font, size = self._canvas, self.fonts.text, MIN_LABEL_PT
        length = math.hypot(x2 - x1, y2 - y1) * MM
        gap = stringWidth(label, font, size) + 2 * _CUT_GAP_PT if label else 0
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
        size = _WATERMARK * min(width / stringWidth(text, font, 1), self._height)
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
        canvas = self._canvas
        canvas.setFillColor(black)
        digit_width = stringWidth("0", self.fonts.digits, size)
        line = canvas.beginText(x * MM + (pitch * MM - digit_width) / 2, self._height - y * MM)
        line.setFont(self.fonts.digits, size)
        line.setCharSpace(pitch * MM - digit_width)
        line.textOut(digits)
        # Reset: the spacing would apply to all text after it.
        line.setCharSpace(0)
        canvas.drawText(line)

    def fill_boxes(self, boxes: Iterable[tuple[float, float, float, float]]) -> None:
        """Fill black rectangles: x, y, width, height in mm."""
        rectangles = " ".join(f"{x:.4f} {y:.4f} {width:.4f} {height:.4f} re" for x, y, width, height in boxes)
        self.fill_rectangles(0, 0, MM, rectangles)

    def fill_rectangles(self, x: float, y: float, unit: float, rectangles: str) -> None:
        """Fill black rectangles, PDF operators ``x y width height re`` in ``unit`` points down from a corner."""
        self._canvas.saveState()
        self._canvas.setFillColor(black)
        self._canvas.transform(unit, 0, 0, -unit, x * MM, self._height - y * MM)
        self._canvas.addLiteral(f"{rectangles} f")
        self._canvas.restoreState()
