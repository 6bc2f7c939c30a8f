"""Drawing on PDF pages in mm from the upper left corner, with reportlab."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterable, Iterator, Sequence
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
from kokin.slips._slip_template import Template

# Distance of base lines, and height of a letter above its base line, as shares of the font size.
_LEADING, _ASCENT = 1.18, 0.87
# Text is set smaller, down to this share of its size, before it is broken into one line more.
_MIN_SHRINK = 0.72
_SHRINK_STEP = 0.96
# Share of the page that a text across it fills.
_WATERMARK = 0.8
_FRAME_PT, _CUT_PT, _LINE_PT = 0.5, 0.4, 0.25
# Text that is never broken: a word or a number of up to 24 characters, or one character, with the opening brackets
# before it and the closing brackets and punctuation after it.
_UNBROKEN = re.compile(r"[（「『【〔(]*(?:[!-'*-~]{1,24}|.)[、。，．）」』】〕)]*", re.DOTALL)


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

    def draw_frame(
        self, x: float, y: float, width: float, height: float, tinted_mm: float = 0, dashed: bool = False
    ) -> None:
        """Draw a rectangle whose uppermost ``tinted_mm`` have the tint of the template."""
        canvas = self._canvas
        if tinted_mm:
            canvas.setFillColor(self._tint)
            canvas.rect(x * MM, self._height - (y + tinted_mm) * MM, width * MM, tinted_mm * MM, stroke=0, fill=1)
        canvas.setStrokeColor(self._ink)
        canvas.setLineWidth(_FRAME_PT)
        canvas.setDash([2, 2] if dashed else [])
        canvas.rect(x * MM, self._height - (y + height) * MM, width * MM, height * MM)
        canvas.setDash()

    def draw_cut_line(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """Draw a dashed line along which the page is cut."""
        canvas = self._canvas
        canvas.setStrokeColor(self._ink)
        canvas.setLineWidth(_CUT_PT)
        canvas.setDash([1.5, 2])
        canvas.line(x1 * MM, self._height - y1 * MM, x2 * MM, self._height - y2 * MM)
        canvas.setDash()

    def draw_line(self, x: float, y: float, width: float, height: float) -> None:
        """Draw a thin line from a point, ``width`` to the right and ``height`` down."""
        canvas = self._canvas
        canvas.setStrokeColor(self._ink)
        canvas.setLineWidth(_LINE_PT)
        canvas.line(x * MM, self._height - y * MM, (x + width) * MM, self._height - (y + height) * MM)

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

    def draw_text(
        self,
        text: str,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        size: float,
        lines: int = 1,
        align: str = "left",
        bold: bool = False,
        inked: bool = False,
    ) -> None:
        """Draw text in a box, vertically centred, set smaller or broken into lines until it fits.

        ``size`` is in points; ``inked`` takes the ink of the template instead of black.
        """
        if not text:
            return
        font = self.fonts.for_text(text, bold)
        size, broken = fit_text(text, font, width * MM, height * MM, size, lines)
        canvas = self._canvas
        canvas.setFillColor(self._ink if inked else black)
        canvas.setFont(font, size)
        top = self._height - y * MM - (height * MM - _block_height(len(broken), size)) / 2
        for number, line in enumerate(broken):
            base = top - size * (_ASCENT + number * _LEADING)
            if align == "center":
                canvas.drawCentredString((x + width / 2) * MM, base, line)
            elif align == "right":
                canvas.drawRightString((x + width) * MM, base, line)
            else:
                canvas.drawString(x * MM, base, line)

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


def _block_height(lines: int, size: float) -> float:
    return size * (1 + (lines - 1) * _LEADING)


@functools.lru_cache(maxsize=4096)
def fit_text(
    text: str, font: str, width: float, height: float, size: float, max_lines: int
) -> tuple[float, Sequence[str]]:
    """Return the font size and the lines with which a text fits a box in points.

    Results are cached, as much of a slip is the same on every page.
    """
    paragraphs = [
        [(piece, stringWidth(piece, font, 1)) for piece in _UNBROKEN.findall(line)] for line in text.split("\n")
    ]
    best: tuple[float, Sequence[str]] = (0.0, ())
    for line_count in range(len(paragraphs), max(max_lines, len(paragraphs)) + 1):
        # If no line may be added, the widest paragraph limits the size; else the widest piece does.
        total = sum if line_count == len(paragraphs) else max
        widest = max((total(wide for _, wide in pieces) for pieces in paragraphs if pieces), default=1.0)
        fitted = min(size, height / _block_height(line_count, 1), width / widest)
        while len(broken := list(_break_lines(paragraphs, width / fitted))) > line_count:
            fitted *= _SHRINK_STEP
        if fitted > best[0]:
            best = fitted, broken
        if fitted >= size * _MIN_SHRINK:
            break
    return best


def _break_lines(paragraphs: Sequence[Sequence[tuple[str, float]]], width: float) -> Iterator[str]:
    """Yield the lines of paragraphs of (piece, width of the piece), filled greedily up to ``width``."""
    for pieces in paragraphs:
        line, used = "", 0.0
        for piece, piece_width in pieces:
            if used + piece_width > width and line:
                yield line
                line, used = "", 0.0
            line, used = line + piece, used + piece_width
        yield line
