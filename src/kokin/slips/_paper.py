"""A page to draw slips on, in mm from its upper left corner: the only part that knows reportlab."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from reportlab.lib.colors import HexColor, black
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from kokin.slips._fonts import Fonts
from kokin.slips._pdf_file import POINTS_PER_MM as MM
from kokin.slips._template import Template

_LEADING = 1.18
# How high a letter stands above its base line, as a share of its size.
_ASCENT = 0.87
# A value is rather set smaller, down to this share of its size, than broken into one line more.
_SHRINK_FIRST = 0.72
_SMALLER = 0.96
_FRAME_PT, _CUT_PT, _RULE_PT = 0.5, 0.4, 0.25
# What is never broken: a word or a number of up to 24 signs, or a character, with the brackets that open before it and
# the signs that close after it.
_UNBROKEN = re.compile(r"[（「『【〔(]*(?:[!-'*-~]{1,24}|.)[、。，．）」』】〕)]*", re.DOTALL)


class Paper:
    """A PDF under way, page by page. What is on every page is drawn once, as a form that the pages refer to."""

    def __init__(self, file: str | IO[bytes], template: Template, fonts: Fonts) -> None:
        self.template = template
        self.fonts = fonts
        self._height = template.height * MM
        self._ink, self._tint = HexColor(template.ink), HexColor(template.tint)
        size = (template.width * MM, self._height)
        self._canvas = Canvas(file, size, pageCompression=1, invariant=1, lang="ja")
        self._canvas.setTitle(template.title)
        self.pages = 0

    def begin_form(self, name: str) -> None:
        """What is drawn from here on stands on every page that names the form."""
        self._canvas.beginForm(name, 0, 0, self.template.width * MM, self._height)

    def end_form(self) -> None:
        """The end of the form."""
        self._canvas.endForm()

    def put_form(self, name: str) -> None:
        """Puts a form on the page."""
        self._canvas.doForm(name)

    def end_page(self) -> None:
        """Goes on to the next page."""
        self._canvas.showPage()
        self.pages += 1

    def save(self) -> None:
        """Writes the file."""
        self._canvas.save()

    def frame(self, x: float, y: float, width: float, height: float, tinted: float = 0, dashed: bool = False) -> None:
        """A rectangle, its uppermost ``tinted`` mm in the template's tint."""
        canvas = self._canvas
        if tinted:
            canvas.setFillColor(self._tint)
            canvas.rect(x * MM, self._height - (y + tinted) * MM, width * MM, tinted * MM, stroke=0, fill=1)
        canvas.setStrokeColor(self._ink)
        canvas.setLineWidth(_FRAME_PT)
        canvas.setDash([2, 2] if dashed else [])
        canvas.rect(x * MM, self._height - (y + height) * MM, width * MM, height * MM)
        canvas.setDash()

    def cut(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """A line along which the page is cut."""
        canvas = self._canvas
        canvas.setStrokeColor(self._ink)
        canvas.setLineWidth(_CUT_PT)
        canvas.setDash([1.5, 2])
        canvas.line(x1 * MM, self._height - y1 * MM, x2 * MM, self._height - y2 * MM)
        canvas.setDash()

    def rule(self, x: float, y: float, width: float, height: float) -> None:
        """A thin line of the template's ink from a point, ``width`` to the right and ``height`` down."""
        canvas = self._canvas
        canvas.setStrokeColor(self._ink)
        canvas.setLineWidth(_RULE_PT)
        canvas.line(x * MM, self._height - y * MM, (x + width) * MM, self._height - (y + height) * MM)

    def image(self, picture: bytes, x: float, y: float, width: float, height: float) -> None:
        """A picture in the middle of a box, as large as fits."""
        bottom = self._height - (y + height) * MM
        image = ImageReader(io.BytesIO(picture))
        self._canvas.drawImage(image, x * MM, bottom, width * MM, height * MM, preserveAspectRatio=True, mask="auto")

    def text(
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
        """Text in a box, in its vertical middle; it is set smaller or broken into lines until it fits."""
        if not text:
            return
        font = self.fonts.of(text, bold)
        size, broken = _fitted(text, font, width * MM, height * MM, size, lines)
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

    def digits(self, digits: str, x: float, y: float, pitch: float, size: float) -> None:
        """Digits on a base line, each in the middle of its ``pitch`` mm, as an OCR reader wants them."""
        canvas = self._canvas
        canvas.setFillColor(black)
        wide = stringWidth("0", self.fonts.digits, size)
        line = canvas.beginText(x * MM + (pitch * MM - wide) / 2, self._height - y * MM)
        line.setFont(self.fonts.digits, size)
        line.setCharSpace(pitch * MM - wide)
        line.textOut(digits)
        # The spacing would outlive the text.
        line.setCharSpace(0)
        canvas.drawText(line)

    def boxes(self, boxes: Iterable[tuple[float, float, float, float]]) -> None:
        """Black rectangles: x, y, width, height."""
        self.operators(0, 0, MM, " ".join(f"{x:.4f} {y:.4f} {wide:.4f} {high:.4f} re" for x, y, wide, high in boxes))

    def operators(self, x: float, y: float, unit: float, rectangles: str) -> None:
        """Black rectangles as PDF writes them (``x y width height re``), in ``unit`` points, down from a corner."""
        self._canvas.saveState()
        self._canvas.setFillColor(black)
        self._canvas.transform(unit, 0, 0, -unit, x * MM, self._height - y * MM)
        self._canvas.addLiteral(f"{rectangles} f")
        self._canvas.restoreState()


def _block_height(lines: int, size: float) -> float:
    return size * (1 + (lines - 1) * _LEADING)


@functools.lru_cache(maxsize=4096)
def _fitted(text: str, font: str, width: float, height: float, size: float, lines: int) -> tuple[float, Sequence[str]]:
    """The size and the lines of a text that fits a box in points.

    Much of a slip is the same on every page, so what has been found is kept.
    """
    given = [[(piece, stringWidth(piece, font, 1)) for piece in _UNBROKEN.findall(line)] for line in text.split("\n")]
    best: tuple[float, Sequence[str]] = (0.0, ())
    for most in range(len(given), max(lines, len(given)) + 1):
        # Where no line may be added nothing is broken, and the widest line tells the size; else the widest piece does.
        together = sum if most == len(given) else max
        widest = max((together(wide for _, wide in pieces) for pieces in given if pieces), default=1.0)
        tried = min(size, height / _block_height(most, 1), width / widest)
        while len(broken := list(_broken(given, width / tried))) > most:
            tried *= _SMALLER
        if tried > best[0]:
            best = tried, broken
        if tried >= size * _SHRINK_FIRST:
            break
    return best


def _broken(given: Sequence[Sequence[tuple[str, float]]], width: float) -> Iterator[str]:
    """Lines broken where they are full; pieces have their widths, in the same unit as ``width``."""
    for pieces in given:
        text, used = "", 0.0
        for piece, wide in pieces:
            if used + wide > width and text:
                yield text
                text, used = "", 0.0
            text, used = text + piece, used + wide
        yield text
