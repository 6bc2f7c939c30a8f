"""The printed slip (納付書) as PDF: one page per bill, drawn from a template."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from kokin._arrow.files import atomic_file
from kokin.elqr import ElQr
from kokin.issues import InvalidInputError, Issue, KokinError, Location
from kokin.model import Bill
from kokin.slips import gs1_128
from kokin.slips._render import POINTS_PER_MM, dark_runs
from kokin.slips._slip_template import Item, Template, load_template
from kokin.slips._slip_values import BreakdownLine, breakdown_lines, slip_values
from kokin.slips._slip_wording import SlipText
from kokin.slips._symbol_style import SymbolStyle
from kokin.slips._symbols import encode_digits

if TYPE_CHECKING:
    from kokin.slips._fonts import Fonts
    from kokin.slips._pdf_canvas import PdfCanvas

_DEFAULT_STYLE = SymbolStyle()
_FRAMES = "frames"
# Slips whose symbols are encoded at once.
_CHUNK = 256

# Height of the strip with the label of a cell or table, horizontal margin of a value, font size of labels.
_STRIP_MM, _MARGIN_MM, _LABEL_PT = 2.9, 1.2, 5.6
# In a table, the vertical margin of a line, and the font size of remarks as a share of that of the line.
_GAP_MM, _REMARK = 0.4, 0.8
# Height and font size of the text lines below a barcode.
_BARCODE_LINE_MM, _BARCODE_PT = 2.6, 6.5
# Columns of the breakdown: heading, share of the width, field of BreakdownLine, alignment.
_COLUMNS = (
    ("内訳", 0.31, "name", "left"),
    ("金額", 0.21, "amount", "right"),
    ("備考", 0.22, "remark", "left"),
    ("登録番号", 0.26, "registration", "center"),
)
_SPECIMEN = "見本"
_NO_BARCODE = "コンビニエンスストアでは納付できません"


class Design(NamedTuple):
    """What all pages of a document share, read from files."""

    template: Template
    fonts: Fonts
    mark: bytes | None
    """A picture of the eL mark."""
    proof: bool = False
    """Whether the pages are for a test print: 見本 across each page, and a frame where the eL mark belongs."""


class _Slip(NamedTuple):
    """The content of one page."""

    values: dict[str, str]
    breakdown: list[BreakdownLine]
    barcode: gs1_128.Barcode | None
    symbol: str
    """Dark runs of the eL-QR as PDF rectangles in modules, quiet zone included."""


def load_design(
    template: str | Path,
    font: str | Path | None,
    digits_font: str | Path | None = None,
    mark: str | Path | None = None,
    *,
    proof: bool = False,
) -> Design:
    """Read the template, the fonts and the eL mark; ``proof`` as in :func:`write_slips`.

    Raises:
        InvalidInputError: one of the files is invalid, no font is found (``FONT_MISSING``), or the font lacks a
            character of the template.
        KokinError: reportlab is not installed (extra ``pdf``).
        OSError: a file cannot be read.
    """
    try:
        from kokin.slips._fonts import load_fonts
        from kokin.slips._pdf_canvas import load_picture
    except ImportError as error:
        raise KokinError("printed slips need one more package: pip install 'kokin[pdf]'") from error
    design = Design(
        load_template(template),
        load_fonts(font, digits_font),
        None if mark is None else load_picture(Path(mark)),
        proof,
    )
    _check_characters({"template": _fixed_text(design.template)}, design.fonts.has)
    return design


def slip_pdf(
    bill: Bill,
    text: SlipText,
    *,
    template: str | Path = "strip",
    font: str | Path | None = None,
    digits_font: str | Path | None = None,
    mark: str | Path | None = None,
    style: SymbolStyle = _DEFAULT_STYLE,
    proof: bool = False,
) -> bytes:
    """Return one slip as a PDF; see :func:`write_slips`."""
    file = io.BytesIO()
    design = load_design(template, font, digits_font, mark, proof=proof)
    write_designed(file, [(bill, text)], design, style, None)
    return file.getvalue()


def write_slips(
    file: str | Path | IO[bytes],
    slips: Iterable[tuple[Bill, SlipText]],
    *,
    template: str | Path = "strip",
    font: str | Path | None = None,
    digits_font: str | Path | None = None,
    mark: str | Path | None = None,
    style: SymbolStyle = _DEFAULT_STYLE,
    proof: bool = False,
    on_error: Callable[[InvalidInputError], object] | None = None,
) -> int:
    """Write a PDF with one page per slip; return the number of pages.

    The document is kept in memory until it is written, about 40 kB per page: :func:`make` splits a large run into
    files.

    Args:
        file: a path, or a binary file open for writing.
        slips: bills and their texts. The name of a bill is printed; a bill without a barcode gets none.
        template: ``strip`` (297 x 114 mm, three panels side by side), ``a4`` (three bands), or the path of a TOML file.
        font: a TrueType font to embed for all text, by path or by the name of an installed family such as
            ``BIZ UDGothic``; by default the first family of a list that is installed.
        digits_font: one for the OCR lines, such as an OCR-B; by default that of the text.
        mark: a picture of the eL mark, which Kokin does not include; by default its area stays blank.
        style: module size and quiet zone of the eL-QR; it is printed in black.
        proof: print 見本 across each page, and a frame where the eL mark belongs, for a test print (読取テスト).
        on_error: called with the issues of each slip that cannot be printed, which then gets no page; by default the
            first one is raised.

    Raises:
        InvalidInputError: a slip cannot be printed and ``on_error`` is None; the issues name its record, from 1. Or no
            font is found (``FONT_MISSING``). No file is written.
        KokinError: reportlab is not installed (extra ``pdf``).
        OSError: a file cannot be read or written.
    """
    return write_designed(file, slips, load_design(template, font, digits_font, mark, proof=proof), style, on_error)


def write_designed(
    file: str | Path | IO[bytes],
    slips: Iterable[tuple[Bill, SlipText]],
    design: Design,
    style: SymbolStyle,
    on_error: Callable[[InvalidInputError], object] | None,
    *,
    allow_missing_deadline: bool = False,
    last_page: Callable[[PdfCanvas], object] | None = None,
) -> int:
    """Write slips as :func:`write_slips` does, with a design that is already loaded.

    ``allow_missing_deadline`` prints slips without 支払期限. ``last_page`` draws one more page, which is not counted.
    """
    _check_symbol_fits(design.template, style)
    if isinstance(file, str | Path):
        with atomic_file(Path(file)) as draft:
            return _write(str(draft), slips, design, style, on_error, allow_missing_deadline, last_page)
    return _write(file, slips, design, style, on_error, allow_missing_deadline, last_page)


def _write(
    file: str | IO[bytes],
    slips: Iterable[tuple[Bill, SlipText]],
    design: Design,
    style: SymbolStyle,
    on_error: Callable[[InvalidInputError], object] | None,
    allow_missing_deadline: bool,
    last_page: Callable[[PdfCanvas], object] | None,
) -> int:
    from kokin.slips._pdf_canvas import PdfCanvas

    canvas = PdfCanvas(file, design.template, design.fonts)
    with canvas.define_form(_FRAMES):
        _draw_frames(canvas, design)
    for slip in _prepare(slips, design.fonts.has, style.quiet_zone, on_error, allow_missing_deadline):
        canvas.draw_form(_FRAMES)
        _draw_slip(canvas, slip, style)
        canvas.end_page(author=slip.values["payee"])
    page_count = canvas.page_count
    if last_page:
        last_page(canvas)
        canvas.end_page()
    canvas.save()
    return page_count


def _check_symbol_fits(template: Template, style: SymbolStyle) -> None:
    side = style.side_mm
    for item, x, y in template.placed_items():
        if item.kind == "symbol" and not (x + side <= template.width and y + side <= template.height):
            expected, found = "an eL-QR inside the page", f"{side} mm"
            raise InvalidInputError([Issue("PRINT_SIZE", field="module_mm", expected=expected, found=found)])


def _prepare(
    slips: Iterable[tuple[Bill, SlipText]],
    has: Callable[[str], bool],
    quiet_zone: int,
    on_error: Callable[[InvalidInputError], object] | None,
    allow_missing_deadline: bool,
) -> Iterator[_Slip]:
    """Yield the content of each slip that can be printed; the symbols are encoded many at a time."""
    numbered = enumerate(slips, 1)
    while chunk := list(islice(numbered, _CHUNK)):
        printable = []
        for record, (bill, text) in chunk:
            try:
                code = ElQr.from_bill(bill, allow_missing_deadline=allow_missing_deadline)
                values, breakdown = slip_values(bill, code, text), breakdown_lines(bill, text)
                barcode = gs1_128.from_bill(bill) if bill.barcode else None
                _check_characters(values | {"parts": "".join("".join(line) for line in breakdown)}, has)
            except InvalidInputError as error:
                located = [issue.with_location(Location(record=record)) for issue in error.issues]
                error_of_record = InvalidInputError(located, "a slip cannot be printed")
                if on_error is None:
                    raise error_of_record from None
                on_error(error_of_record)
            else:
                printable.append((code, values, breakdown, barcode))
        rows = encode_digits([code for code, *_ in printable]).rows
        rectangles = dark_runs(rows, quiet_zone, "x", " ", "y", " ", "length", " 1 re ")
        for (_, values, breakdown, barcode), symbol in zip(printable, rectangles, strict=True):
            yield _Slip(values, breakdown, barcode, symbol.decode())


def _check_characters(values: dict[str, str], has: Callable[[str], bool]) -> None:
    """Reject a character that the font lacks, which would print as a blank, for example in a name.

    The issue shows its code point.
    """
    problems = [
        Issue("CHARACTER", field=name, expected="a character of the font", found=f"U+{ord(character):04X}")
        for name, text in values.items()
        for character in dict.fromkeys(text)
        if not character.isascii() and not has(character)
    ]
    if problems:
        raise InvalidInputError(problems)


def _fixed_text(template: Template) -> str:
    """All text that is the same on every slip."""
    texts = [text for item, _, _ in template.placed_items() for text in (item.label, item.text)]
    return "".join([*texts, *(heading for heading, *_ in _COLUMNS), _NO_BARCODE, _SPECIMEN])


def _draw_frames(canvas: PdfCanvas, design: Design) -> None:
    """Draw what is the same on every slip."""
    if design.proof:
        canvas.draw_watermark(_SPECIMEN)
    for ends in canvas.template.cuts:
        canvas.draw_cut_line(*ends)
    for item, x, y in canvas.template.placed_items():
        width, height = item.size
        if item.kind in ("cell", "table"):
            canvas.draw_frame(x, y, width, height, tinted_mm=_STRIP_MM)
        if item.kind == "cell":
            _draw_label(canvas, item.label, x, y, width)
        elif item.kind == "table":
            for heading, left, column_width, _, align in _columns(item):
                _draw_label(canvas, heading, x + left, y, column_width, align)
                if left:
                    canvas.draw_line(x + left, y, 0, height)
        elif item.kind == "mark" and design.mark:
            canvas.draw_picture(design.mark, x, y, width, height)
        elif item.kind == "area" or (item.kind == "mark" and design.proof):
            canvas.draw_frame(x, y, width, height, dashed=True)
            canvas.draw_text(item.label, x, y, width, height, size=_LABEL_PT + 1, align="center", inked=True)
        elif item.kind == "text" and item.text:
            canvas.draw_text(item.text, x, y, width, height, size=item.font, align=item.align, inked=True)


def _draw_label(canvas: PdfCanvas, label: str, x: float, y: float, width: float, align: str = "left") -> None:
    box = (x + _MARGIN_MM, y, width - 2 * _MARGIN_MM, _STRIP_MM)
    canvas.draw_text(label, *box, size=_LABEL_PT, align=align, inked=True)


def _columns(item: Item) -> list[tuple[str, float, float, str, str]]:
    """The columns of the breakdown: heading, left edge and width in mm, field, alignment."""
    columns, left = [], 0.0
    for heading, share, field, align in _COLUMNS:
        columns.append((heading, left, share * item.size[0], field, align))
        left += share * item.size[0]
    return columns


def _draw_slip(canvas: PdfCanvas, slip: _Slip, style: SymbolStyle) -> None:
    """Draw what differs from slip to slip."""
    for item, x, y in canvas.template.placed_items():
        match item.kind:
            case "text" | "cell" if item.value:
                _draw_value(canvas, item, x, y, slip.values[item.value])
            case "table":
                _draw_breakdown(canvas, item, x, y, slip.breakdown)
            case "digits":
                canvas.draw_digits(slip.values[item.value], x, y, item.pitch, item.font)
            case "symbol":
                canvas.fill_rectangles(x, y, style.module_mm * POINTS_PER_MM, slip.symbol)
            case "barcode":
                _draw_barcode(canvas, item, x, y, slip.barcode)


def _draw_value(canvas: PdfCanvas, item: Item, x: float, y: float, text: str) -> None:
    width, height = item.size
    if item.kind == "cell":
        x, y, width, height = x + _MARGIN_MM, y + _STRIP_MM, width - 2 * _MARGIN_MM, height - _STRIP_MM
    canvas.draw_text(text, x, y, width, height, size=item.font, lines=item.lines, align=item.align, bold=item.bold)


def _draw_breakdown(canvas: PdfCanvas, item: Item, x: float, y: float, breakdown: list[BreakdownLine]) -> None:
    """Draw lines that share the height of the table; it has room for three at least."""
    line_height = (item.size[1] - _STRIP_MM) / max(len(breakdown), 3)
    for number, line in enumerate(breakdown):
        top = y + _STRIP_MM + number * line_height
        if number:
            canvas.draw_line(x, top, item.size[0], 0)
        for _, left, width, field, align in _columns(item):
            size = item.font * (_REMARK if field == "remark" else 1)
            box = (x + left + _MARGIN_MM, top + _GAP_MM, width - 2 * _MARGIN_MM, line_height - 2 * _GAP_MM)
            canvas.draw_text(getattr(line, field), *box, size=size, lines=2 if align == "left" else 1, align=align)


def _draw_barcode(canvas: PdfCanvas, item: Item, x: float, y: float, barcode: gs1_128.Barcode | None) -> None:
    width = gs1_128.width_mm()
    if barcode is None:
        canvas.draw_text(_NO_BARCODE, x, y, width, item.height, size=_BARCODE_PT, align="center", inked=True)
        return
    bars = gs1_128.bars(barcode, height_mm=item.height)
    canvas.fill_boxes((x + left, y, bar_width, item.height) for left, bar_width in bars)
    for number, line in enumerate(barcode.lines):
        top = y + item.height + 0.4 + number * _BARCODE_LINE_MM
        canvas.draw_text(line, x, top, width, _BARCODE_LINE_MM, size=_BARCODE_PT, align="center")
