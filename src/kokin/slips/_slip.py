"""The printed slip (納付書): one page per bill, from a template."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from kokin._arrow import atomic_file
from kokin.elqr import ElQr
from kokin.issues import InvalidInputError, Issue, KokinError, Location
from kokin.model import Bill
from kokin.slips import gs1_128
from kokin.slips._look import SymbolStyle
from kokin.slips._pictures import dark_runs
from kokin.slips._slip_drawing import Slip, draw_frames, draw_slip, fixed_words
from kokin.slips._slip_values import SlipText, debt_lines, slip_values
from kokin.slips._symbols import draw
from kokin.slips._template import Template, load_template

if TYPE_CHECKING:
    from kokin.slips._fonts import Fonts

_PLAIN = SymbolStyle()
_FORM = "frames"
# Slips whose symbols are made at once.
_AT_ONCE = 256


class Design(NamedTuple):
    """What the pages of a document have in common, read from its files."""

    geometry: Template
    fonts: Fonts
    mark: bytes | None
    """A picture of the eL mark."""


def load_design(
    template: str | Path, font: str | Path | None, digits_font: str | Path | None = None, mark: str | Path | None = None
) -> Design:
    """Read the template, the fonts and the mark.

    Raises:
        InvalidInputError: one of them cannot be used.
        KokinError: reportlab is not installed (extra ``pdf``).
        OSError: a file cannot be read.
    """
    try:
        from kokin.slips._fonts import load_fonts
    except ImportError as error:
        raise KokinError("printed slips need one more package: pip install 'kokin[pdf]'") from error
    geometry, fonts = load_template(template), load_fonts(font, digits_font)
    _check_characters({"template": fixed_words(geometry)}, fonts.has)
    return Design(geometry, fonts, None if mark is None else _picture(Path(mark)))


def _picture(path: Path) -> bytes:
    """The bytes of a picture that reportlab can read."""
    from reportlab.lib.utils import ImageReader

    content = path.read_bytes()
    try:
        ImageReader(io.BytesIO(content)).getRGBData()
    except Exception as error:  # Pillow's own, wrapped by reportlab, of many types
        raise InvalidInputError(
            [Issue("PICTURE_FORM", field="mark", location=Location(path.name))], f"{path.name} refused"
        ) from error
    return content


def slip_pdf(
    bill: Bill,
    texts: SlipText,
    *,
    template: str | Path = "strip",
    font: str | Path | None = None,
    digits_font: str | Path | None = None,
    mark: str | Path | None = None,
    look: SymbolStyle = _PLAIN,
) -> bytes:
    """One slip as a PDF; see :func:`write_slips`."""
    out = io.BytesIO()
    write_slips(out, [(bill, texts)], template=template, font=font, digits_font=digits_font, mark=mark, look=look)
    return out.getvalue()


def write_slips(
    file: str | Path | IO[bytes],
    slips: Iterable[tuple[Bill, SlipText]],
    *,
    template: str | Path = "strip",
    font: str | Path | None = None,
    digits_font: str | Path | None = None,
    mark: str | Path | None = None,
    look: SymbolStyle = _PLAIN,
    refused: Callable[[InvalidInputError], object] | None = None,
) -> int:
    """Writes a PDF with a page for each slip, and returns the number of pages.

    A file is kept in memory until it is written, about 40 kB a page: write a night's run as numbered files of a few
    thousand pages each.

    Args:
        file: a path, or a file open for writing bytes.
        slips: bills, and what is printed of each beside it. A bill's name is printed; a bill without a barcode gets
            none.
        template: ``strip`` (297 x 114 mm, three parts side by side), ``a4`` (three bands), or the path of a TOML file.
        font: a TrueType font to embed for all text; without one the standard fonts of every PDF reader are named.
        digits_font: a TrueType font for the OCR lines, such as an OCR-B.
        mark: a picture of the eL mark, which Kokin does not bring along; without one its area is an empty frame.
        look: the module size and quiet zone of the eL-QR; printed in black.
        refused: told of each slip that cannot be printed, which then gets no page.

    Raises:
        InvalidInputError: a slip that cannot be printed as it is, where nobody is told; the issues name its record,
            from 1. Nothing is written.
        KokinError: reportlab is not installed (extra ``pdf``).
        OSError: a file cannot be read or written.
    """
    design = load_design(template, font, digits_font, mark)
    return write_designed(file, slips, design, look, refused or _raise)


def write_designed(
    file: str | Path | IO[bytes],
    slips: Iterable[tuple[Bill, SlipText]],
    design: Design,
    look: SymbolStyle,
    refused: Callable[[InvalidInputError], object],
) -> int:
    """As :func:`write_slips`, with a design that is loaded already."""
    _check_symbol_fits(design.geometry, look)
    if isinstance(file, str | Path):
        with atomic_file(Path(file)) as draft:
            return _write(str(draft), slips, design, look, refused)
    return _write(file, slips, design, look, refused)


def _write(
    file: str | IO[bytes],
    slips: Iterable[tuple[Bill, SlipText]],
    design: Design,
    look: SymbolStyle,
    refused: Callable[[InvalidInputError], object],
) -> int:
    from kokin.slips._paper import Paper

    paper = Paper(file, design.geometry, design.fonts)
    paper.begin_form(_FORM)
    draw_frames(paper, design.mark)
    paper.end_form()
    for slip in _prepared(slips, design.fonts.has, look, refused):
        paper.put_form(_FORM)
        draw_slip(paper, slip)
        paper.end_page()
    paper.save()
    return paper.pages


def _check_symbol_fits(geometry: Template, look: SymbolStyle) -> None:
    for part in geometry.part:
        for item in part.items:
            right, bottom = (part.at[axis] + item.at[axis] + look.side_mm for axis in (0, 1))
            if item.kind == "symbol" and not (right <= geometry.width and bottom <= geometry.height):
                raise InvalidInputError(
                    [
                        Issue(
                            "PRINT_SIZE",
                            field="module_mm",
                            expected="an eL-QR inside the page",
                            found=f"{look.side_mm} mm",
                        )
                    ]
                )


def _raise(error: InvalidInputError) -> None:
    raise error


def _prepared(
    slips: Iterable[tuple[Bill, SlipText]],
    has: Callable[[str], bool],
    look: SymbolStyle,
    refuse: Callable[[InvalidInputError], object],
) -> Iterator[Slip]:
    """Each slip that can be printed, as it is drawn; the symbols are made many at a time."""
    numbered = enumerate(slips, 1)
    while batch := list(islice(numbered, _AT_ONCE)):
        worded = []
        for record, (bill, texts) in batch:
            try:
                code = ElQr.from_bill(bill)
                values, debts = slip_values(bill, code, texts), debt_lines(bill, texts)
                barcode = gs1_128.from_bill(bill) if bill.barcode else None
                _check_characters(values | {"parts": "".join(word for debt in debts for word in debt)}, has)
            except InvalidInputError as error:
                refuse(_at(error, record))
            else:
                worded.append((code, values, debts, barcode))
        drawn = dark_runs(draw([code for code, *_ in worded]), look.quiet, "x", " ", "y", " ", "length", " 1 re ")
        for (_, values, debts, barcode), runs in zip(worded, drawn, strict=True):
            yield Slip(values, debts, barcode, look, runs.decode())


def _at(error: InvalidInputError, record: int) -> InvalidInputError:
    return InvalidInputError(
        [issue.with_location(Location(record=record)) for issue in error.issues], "a slip cannot be printed"
    )


def _check_characters(values: dict[str, str], has: Callable[[str], bool]) -> None:
    """A character that the font lacks would print as a blank, in a name of all things; it is told by its number."""
    problems = [
        Issue("CHARACTER", field=name, expected="a character of the font", found=f"U+{ord(character):04X}")
        for name, text in values.items()
        for character in dict.fromkeys(text)
        if not character.isascii() and not has(character)
    ]
    if problems:
        raise InvalidInputError(problems)
