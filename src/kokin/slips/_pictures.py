"""Symbols as pictures: SVG, PDF, PNG, PBM and TIFF, a batch at a time."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kokin.slips._look import SymbolStyle
from kokin.slips._matrix import SIDE
from kokin.slips._pdf_file import POINTS_PER_MM, colour, one_page
from kokin.slips._symbols import Symbols

Dots: TypeAlias = npt.NDArray[np.uint8]

_PLAIN = SymbolStyle()
_INCHES_PER_METRE = 1 / 0.0254
_RUN = ("x", "y", "length")
# Symbols drawn at once; a few hundred dark runs, or tens of kilobytes of dots, come from each.
_STRETCH = 256


def svgs(symbols: Symbols, look: SymbolStyle = _PLAIN) -> Iterator[str]:
    """Each symbol as an SVG document, its size in mm: one path, whose strokes are the dark runs of the rows."""
    side, modules = f"{look.side_mm:g}mm", look.modules
    # Half a module of offset puts the middle of a stroke on a whole number.
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}" viewBox="0 -.5 {modules} {modules}">'
    )
    if look.light:
        head += f'<path fill="{look.light}" d="M0-.5h{modules}v{modules}H0z"/>'
    head += f'<path stroke="{look.dark}" d="'
    for path in dark_runs(symbols, look.quiet, "M", "x", " ", "y", "h", "length"):
        yield f'{head}{path.decode()}"/></svg>\n'


def pdfs(symbols: Symbols, look: SymbolStyle = _PLAIN) -> Iterator[bytes]:
    """Each symbol as a PDF of one page in its size; the same symbol gives the same bytes."""
    scale = look.module_mm * POINTS_PER_MM
    side_mm = look.modules * look.module_mm
    # Modules count from the upper left corner.
    head = f"{scale:.5f} 0 0 {-scale:.5f} 0 {side_mm * POINTS_PER_MM:.3f} cm "
    head += f"{colour(look.light)} 0 0 {look.modules} {look.modules} re f " if look.light else ""
    head += colour(look.dark) + " "
    for runs in dark_runs(symbols, look.quiet, "x", " ", "y", " ", "length", " 1 re "):
        yield one_page(side_mm, side_mm, head.encode() + runs + b"f")


def dark_runs(symbols: Symbols, quiet: int, *parts: str) -> Iterator[bytes]:
    """The dark runs of each symbol, written one after the other.

    A part is ``x``, ``y`` or ``length`` for the number of a run in modules, quiet zone included; all else stands as it
    is. Numbers have one width, filled with blanks, so that a run is a fixed number of bytes and writing a look-up.
    """
    width = len(str(SIDE + quiet))
    numbers = np.array([f"{number:{width}d}" for number in range(SIDE + quiet + 1)], f"S{width}")
    record = np.dtype([(f"{place}", f"S{width if part in _RUN else len(part)}") for place, part in enumerate(parts)])
    for start in range(0, len(symbols), _STRETCH):
        modules = symbols[start : start + _STRETCH].modules()
        edges = np.flatnonzero(np.diff(np.pad(modules, ((0, 0), (0, 0), (1, 1))).view(np.int8), axis=2))
        begins, ends = edges[::2], edges[1::2]
        line, column = np.divmod(begins, SIDE + 1)
        of_symbol, row = np.divmod(line, SIDE)
        values = {"x": column + quiet, "y": row + quiet, "length": ends - begins}
        runs = np.empty(len(begins), record)
        for place, part in enumerate(parts):
            runs[f"{place}"] = numbers[values[part]] if part in _RUN else part.encode()
        bounds = np.searchsorted(of_symbol, np.arange(len(modules) + 1))
        yield from (runs[first:last].tobytes() for first, last in itertools.pairwise(bounds))


def dots(symbols: Symbols, look: SymbolStyle, dpi: int) -> Iterator[Dots]:
    """Each symbol as lines of dots, uint8 (height, bytes of a line), dark is 1, the leftmost dot in the highest bit."""
    size = look.dots(dpi)
    for line in _lines(symbols, look, size):
        yield np.repeat(line, size, axis=0)


def _lines(symbols: Symbols, look: SymbolStyle, size: int) -> Iterator[Dots]:
    """Each symbol as one line of dots per row of modules, quiet zone included."""
    margin = (look.quiet, look.quiet)
    for start in range(0, len(symbols), _STRETCH):
        modules = np.pad(symbols[start : start + _STRETCH].modules(), ((0, 0), margin, margin))
        yield from np.packbits(np.repeat(modules, size, axis=2), axis=2)


def pngs(symbols: Symbols, look: SymbolStyle = _PLAIN, dpi: int = 600) -> Iterator[bytes]:
    """Each symbol as a PNG of one bit per dot that tells its resolution; its size is ``look.printed_mm(dpi)``.

    Source: W3C PNG (Second Edition), 11.2 and 11.3.
    """
    size = look.dots(dpi)
    side = look.modules * size
    per_metre = round(dpi * _INCHES_PER_METRE)
    light, dark = (bytes.fromhex(colour[1:]) for colour in (look.light or "#ffffff", look.dark))
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 3, 0, 0, 0))
    head += _chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)) + _chunk(b"PLTE", light + dark)
    if look.light is None:
        head += _chunk(b"tRNS", b"\0")
    tail = _chunk(b"IEND", b"")
    for lines in _lines(symbols, look, size):
        # A line equal to the one above is written as filter 2 ("up") and nothing but zeros.
        filtered = np.zeros((look.modules, size, 1 + lines.shape[1]), np.uint8)
        filtered[:, 0, 1:] = lines
        filtered[:, 1:, 0] = 2
        yield head + _chunk(b"IDAT", zlib.compress(filtered.tobytes(), 1)) + tail


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def pbms(symbols: Symbols, look: SymbolStyle = _PLAIN, dpi: int = 600) -> Iterator[bytes]:
    """Each symbol as a raw PBM (P4), always black on white; several in one file are a valid PBM too."""
    side = look.modules * look.dots(dpi)
    for picture in dots(symbols, look, dpi):
        yield b"P4\n%d %d\n" % (side, side) + picture.tobytes()


def tiff(symbols: Symbols, look: SymbolStyle = _PLAIN, dpi: int = 600) -> bytes:
    """All symbols as one baseline TIFF: a page each, one bit per dot, uncompressed, always black on white.

    Source: TIFF 6.0, section 3, bilevel images.
    """
    side = look.modules * look.dots(dpi)
    strip = side * -(-side // 8)
    pages = []
    page_size = 0
    for number, picture in enumerate(dots(symbols, look, dpi)):
        start = 8 + number * page_size
        page = _tiff_page(start, side, strip, dpi, last=number == len(symbols) - 1)
        pages += [page, picture.tobytes(), bytes(strip % 2)]
        page_size = len(page) + strip + strip % 2
    return b"II*\0" + struct.pack("<I", 8) + b"".join(pages)


def _tiff_page(start: int, side: int, strip: int, dpi: int, last: bool) -> bytes:
    """The directory of a page at an offset; its dots follow it, and on an even offset the next page."""
    short, long, rational = 3, 4, 5
    entries = 11
    end = start + 2 + 12 * entries + 4
    dots_at = end + 8
    tags = [
        (256, long, side),  # width
        (257, long, side),  # height
        (258, short, 1),  # bits per sample
        (259, short, 1),  # no compression
        (262, short, 0),  # white is zero
        (273, long, dots_at),  # where the strip is
        (277, short, 1),  # samples per pixel
        (278, long, side),  # rows per strip
        (279, long, strip),  # bytes of the strip
        (282, rational, end),  # resolution across
        (283, rational, end),  # resolution down, the same
    ]
    following = 0 if last else dots_at + strip + strip % 2
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return struct.pack("<H", entries) + directory + struct.pack("<III", following, dpi, 1)
