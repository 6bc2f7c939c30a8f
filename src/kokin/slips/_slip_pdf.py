"""The printed slip (納付書) as PDF: one page per bill, drawn from a template."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, TypeAlias

from kokin._arrow.files import atomic_file
from kokin.elqr import ElQr
from kokin.issues import InvalidInputError, Issue, KokinError, Location
from kokin.model import Bill
from kokin.slips import gs1_128
from kokin.slips._render import POINTS_PER_MM, dark_runs
from kokin.slips._slip_template import Template, load_template
from kokin.slips._slip_values import BreakdownLine, breakdown_lines, slip_values
from kokin.slips._slip_wording import SlipText
from kokin.slips._symbol_style import SymbolStyle
from kokin.slips._symbols import encode_digits
from kokin.slips._template_check import check_template

if TYPE_CHECKING:
    from kokin.slips._fonts import Fonts
    from kokin.slips._pdf_canvas import PdfCanvas
    from kokin.slips._slip_layout import PageLayout, Placed

_DEFAULT_STYLE = SymbolStyle()
# Slips whose symbols are encoded at once.
_CHUNK = 256

_SPECIMEN = "見本"
_ADDRESS_FIELDS = ("name", "postal_code", "address")

#: Is called with the issues of a slip.
OnIssues: TypeAlias = Callable[[InvalidInputError], object]


class Design(NamedTuple):
    """What all pages of a document share, read from files."""

    template: Template
    fonts: Fonts
    mark: bytes | None
    """A picture of the eL mark."""
    proof: bool = False
    """Whether the pages are for a test print: 見本 across each page, and a frame where the eL mark belongs."""


class SlipContent(NamedTuple):
    """What is printed on a slip."""

    code: ElQr
    values: dict[str, str]
    """The values by their names in a template."""
    parts: list[BreakdownLine]
    barcode: gs1_128.Barcode | None


def slip_contents(
    slips: Iterable[tuple[Bill, SlipText] | InvalidInputError], *, allow_missing_deadline: bool = False
) -> Iterator[SlipContent | InvalidInputError]:
    """Yield what is printed for each bill, or why it cannot be printed; an error among the bills is yielded as it is.

    ``allow_missing_deadline`` prints zeros for a bill without 支払期限.
    """
    for slip in slips:
        try:
            if isinstance(slip, InvalidInputError):
                raise slip
            bill, text = slip
            code = ElQr.from_bill(bill, allow_missing_deadline=allow_missing_deadline)
            values, parts = slip_values(bill, code, text), breakdown_lines(bill, text)
            yield SlipContent(code, values, parts, gs1_128.from_bill(bill) if bill.barcode else None)
        except InvalidInputError as error:
            yield error


class _Page(NamedTuple):
    """The content of one page."""

    content: SlipContent
    layout: PageLayout
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
        InvalidInputError: one of the files is invalid, no font is found (``FONT_MISSING``), the font lacks a character
            of the template, or a fixed text does not fit at the smallest size (``TEXT_TOO_SMALL``).
        KokinError: reportlab is not installed (extra ``pdf``).
        OSError: a file cannot be read.
    """
    try:
        from kokin.slips._fonts import load_fonts
        from kokin.slips._pdf_canvas import load_picture
        from kokin.slips._slip_layout import check_fixed_texts, fixed_texts
    except ImportError as error:
        raise KokinError("printed slips need one more package: pip install 'kokin[pdf]'") from error
    design = Design(
        load_template(template),
        load_fonts(font, digits_font),
        None if mark is None else load_picture(Path(mark)),
        proof,
    )
    _check_characters({"template": fixed_texts(design.template) + _SPECIMEN}, design.fonts)
    check_fixed_texts(design.template, design.fonts)
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
    write_designed(file, slip_contents([(bill, text)]), design, style, None)
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
    on_error: OnIssues | None = None,
    on_warning: OnIssues | None = None,
) -> int:
    """Write a PDF with one page per slip; return the number of pages.

    The document is kept in memory until it is written, about 20 kB per page: :func:`make` splits a large run into
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
        on_warning: called with the warnings of each slip that is printed although it lacks something:
            ``ADDRESS_MISSING`` if the template has an address and the bill has none.

    Raises:
        InvalidInputError: a slip cannot be printed and ``on_error`` is None; the issues name its record, from 1. Or no
            font is found (``FONT_MISSING``). No file is written.
        KokinError: reportlab is not installed (extra ``pdf``).
        OSError: a file cannot be read or written.
    """
    design = load_design(template, font, digits_font, mark, proof=proof)
    return write_designed(file, slip_contents(slips), design, style, on_error, on_warning=on_warning)


def write_designed(
    file: str | Path | IO[bytes],
    slips: Iterable[SlipContent | InvalidInputError],
    design: Design,
    style: SymbolStyle,
    on_error: OnIssues | None,
    *,
    on_warning: OnIssues | None = None,
    last_page: Callable[[PdfCanvas], object] | None = None,
) -> int:
    """Write slips as :func:`write_slips` does, with a design that is already loaded.

    A slip that cannot be printed is passed as the error, for ``on_error``. ``last_page`` draws one more page, which is
    not counted.
    """
    check_template(design.template, style.side_mm)
    pages = _lay_out(slips, design, style.quiet_zone, on_error, on_warning)
    if isinstance(file, str | Path):
        with atomic_file(Path(file)) as draft:
            return _write(str(draft), pages, design, style, last_page)
    return _write(file, pages, design, style, last_page)


def _write(
    file: str | IO[bytes],
    pages: Iterable[_Page],
    design: Design,
    style: SymbolStyle,
    last_page: Callable[[PdfCanvas], object] | None,
) -> int:
    from kokin.slips._pdf_canvas import PdfCanvas

    canvas = PdfCanvas(file, design.template, design.fonts)
    forms: dict[tuple[Placed, ...], str] = {}
    for page in pages:
        frames = page.layout.frames
        if frames not in forms:
            forms[frames] = f"frames-{len(forms) + 1}"
            with canvas.define_form(forms[frames]):
                _draw_frames(canvas, design, frames)
        canvas.draw_form(forms[frames])
        _draw_slip(canvas, page, style)
        canvas.end_page(author=page.content.values["payee"])
    page_count = canvas.page_count
    if last_page:
        last_page(canvas)
        canvas.end_page()
    canvas.save()
    return page_count


def _lay_out(
    slips: Iterable[SlipContent | InvalidInputError],
    design: Design,
    quiet_zone: int,
    on_error: OnIssues | None,
    on_warning: OnIssues | None,
) -> Iterator[_Page]:
    """Yield the page of each slip that can be printed; the symbols are encoded many at a time."""
    from kokin.slips._slip_layout import SlipLayout

    slip_layout = SlipLayout(design.template, design.fonts, proof=design.proof)
    numbered = enumerate(slips, 1)
    while chunk := list(islice(numbered, _CHUNK)):
        printable = []
        for record, slip in chunk:
            try:
                if isinstance(slip, InvalidInputError):
                    raise slip
                parts = "".join(f"{part.name}{part.remark}{part.registration}" for part in slip.parts)
                _check_characters(slip.values | {"parts": parts}, design.fonts)
                layout = slip_layout.of(slip.values, slip.parts, slip.barcode)
            except InvalidInputError as error:
                rejected = InvalidInputError(_located(error.issues, record), "a slip cannot be printed")
                if on_error is None:
                    raise rejected from None
                on_error(rejected)
            else:
                printable.append((slip, layout))
                if on_warning and (warnings := _warnings(design.template, slip.values)):
                    on_warning(InvalidInputError(_located(warnings, record), "a slip is incomplete"))
        rows = encode_digits([slip.code for slip, _ in printable]).rows
        rectangles = dark_runs(rows, quiet_zone, "x", " ", "y", " ", "length", " 1 re ")
        for (slip, layout), symbol in zip(printable, rectangles, strict=True):
            yield _Page(slip, layout, symbol.decode())


def _located(issues: Iterable[Issue], record: int) -> list[Issue]:
    return [issue.with_location(Location(record=record)) for issue in issues]


def _warnings(template: Template, values: Mapping[str, str]) -> list[Issue]:
    """Return what a slip lacks for the window of an envelope, if the template has an address."""
    missing = [field for field in _ADDRESS_FIELDS if not values[field]] if template.has_address else []
    return [Issue("ADDRESS_MISSING", field=field) for field in missing]


def _check_characters(values: dict[str, str], fonts: Fonts) -> None:
    """Reject a character that the font lacks, which would print as a blank, for example in a name.

    The issue shows its code point.
    """
    if not fonts.missing("".join(values.values())):
        return
    problems = [
        Issue("CHARACTER", field=name, expected="a character of the font", found=f"U+{ord(character):04X}")
        for name, text in values.items()
        for character in fonts.missing(text)
    ]
    raise InvalidInputError(problems)


def _draw_frames(canvas: PdfCanvas, design: Design, frames: Iterable[Placed]) -> None:
    """Draw what is the same on many slips."""
    if design.proof:
        canvas.draw_watermark(_SPECIMEN)
    for ends in canvas.template.cuts:
        canvas.draw_cut_line(*ends, canvas.template.cut_label)
    canvas.draw(frames)
    for item, x, y in canvas.template.placed_items():
        if item.kind == "mark" and design.mark:
            canvas.draw_picture(design.mark, x, y, *item.size)


def _draw_slip(canvas: PdfCanvas, page: _Page, style: SymbolStyle) -> None:
    """Draw what differs from slip to slip."""
    values, barcode = page.content.values, page.content.barcode
    canvas.draw(page.layout.values)
    for item, x, y in canvas.template.placed_items():
        match item.kind:
            case "digits":
                canvas.draw_digits(values[item.value], x, y, item.pitch, item.font)
            case "symbol":
                canvas.fill_rectangles(x, y, style.module_mm * POINTS_PER_MM, page.symbol)
            case "barcode" if barcode:
                canvas.fill_bars(x, y, item.height, gs1_128.bars(barcode, height_mm=item.height))
