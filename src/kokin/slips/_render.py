"""Write symbols as SVG, PNG, PBM, TIFF and PDF from their packed rows.

The raster formats are written here, not by Pillow: on 600 dpi PNGs this is some twenty times as fast, and Pillow is not
needed to make a picture.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from kokin.issues import InvalidInputError, Issue
from kokin.slips._matrix import SIDE, PackedRows, unpack
from kokin.slips._symbol_style import SymbolStyle

PictureFormat: TypeAlias = Literal["svg", "png", "pbm", "tiff", "pdf"]
_Bitmap: TypeAlias = npt.NDArray[np.uint8]

POINTS_PER_MM = 72 / 25.4
_INCHES_PER_METRE = 1 / 0.0254
_RUN_FIELDS = ("x", "y", "length")
# Symbols drawn at once: each has a few hundred dark runs, or tens of kilobytes of bitmap.
_CHUNK = 256


def render(rows: PackedRows, picture_format: PictureFormat, style: SymbolStyle, dpi: int) -> Iterator[str | bytes]:
    """Return one picture per symbol; ``rows`` is uint64 (n, 41).

    Raises:
        InvalidInputError: an unknown format, or a raster that is too large.
    """
    match picture_format:
        case "svg":
            return _svg(rows, style)
        case "pdf":
            return _pdf(rows, style)
        case "png":
            return _png(rows, style, dpi, style.pixels_per_module(dpi))
        case "pbm":
            return _pbm(rows, style, style.pixels_per_module(dpi))
        case "tiff":
            return _tiff(rows, style, dpi, style.pixels_per_module(dpi))
    found, expected = str(picture_format), "svg, png, pbm, tiff, pdf"
    issue = Issue("CODE_UNKNOWN", field="picture_format", expected=expected, found=found)
    raise InvalidInputError([issue], "unknown picture format")


def dark_runs(rows: PackedRows, quiet_zone: int, *template: str) -> Iterator[bytes]:
    """Return the dark runs of each symbol as text, one after the other, each written after a template.

    ``x``, ``y`` and ``length`` in the template become a number of modules, counted from the corner of the quiet zone;
    any other entry is copied. Numbers are padded with blanks to one width, so that each run is a record of fixed size
    and formatting is an array look-up.
    """
    width = len(str(SIDE + quiet_zone))
    numbers = np.array([f"{number:{width}d}" for number in range(SIDE + quiet_zone + 1)], f"S{width}")
    record = np.dtype(
        [(f"{place}", f"S{width if entry in _RUN_FIELDS else len(entry)}") for place, entry in enumerate(template)]
    )
    for start in range(0, len(rows), _CHUNK):
        modules = unpack(rows[start : start + _CHUNK])
        edges = np.flatnonzero(np.diff(np.pad(modules, ((0, 0), (0, 0), (1, 1))).view(np.int8), axis=2))
        begins, ends = edges[::2], edges[1::2]
        line, column = np.divmod(begins, SIDE + 1)
        symbol, row = np.divmod(line, SIDE)
        values = {"x": column + quiet_zone, "y": row + quiet_zone, "length": ends - begins}
        runs = np.empty(len(begins), record)
        for place, entry in enumerate(template):
            runs[f"{place}"] = numbers[values[entry]] if entry in _RUN_FIELDS else entry.encode()
        bounds = np.searchsorted(symbol, np.arange(len(modules) + 1))
        yield from (runs[first:last].tobytes() for first, last in itertools.pairwise(bounds))


def _svg(rows: PackedRows, style: SymbolStyle) -> Iterator[str]:
    """SVG documents in mm: one path, whose strokes are the dark runs of the rows."""
    side, modules = f"{style.side_mm:g}mm", style.side_modules
    # The view box begins half a module higher, so that the middle of each stroke has a whole number.
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}" viewBox="0 -.5 {modules} {modules}">'
    )
    if style.light:
        head += f'<path fill="{style.light}" d="M0-.5h{modules}v{modules}H0z"/>'
    head += f'<path stroke="{style.dark}" d="'
    for path in dark_runs(rows, style.quiet_zone, "M", "x", " ", "y", "h", "length"):
        yield f'{head}{path.decode()}"/></svg>\n'


def _pdf(rows: PackedRows, style: SymbolStyle) -> Iterator[bytes]:
    """PDF documents of one page in the size of the symbol; the same symbol gives the same bytes."""
    scale = style.module_mm * POINTS_PER_MM
    side_mm = style.side_modules * style.module_mm
    # Flip the y axis: modules count from the upper left corner, points from the lower left one.
    head = f"{scale:.5f} 0 0 {-scale:.5f} 0 {side_mm * POINTS_PER_MM:.3f} cm "
    if style.light:
        head += f"{_fill_colour(style.light)} 0 0 {style.side_modules} {style.side_modules} re f "
    head += _fill_colour(style.dark) + " "
    for runs in dark_runs(rows, style.quiet_zone, "x", " ", "y", " ", "length", " 1 re "):
        yield one_page_pdf(side_mm, side_mm, head.encode() + runs + b"f")


def _fill_colour(colour: str) -> str:
    """The PDF operator that sets a fill colour ``#rrggbb``."""
    return " ".join(f"{component / 255:.3f}" for component in bytes.fromhex(colour[1:])) + " rg"


def one_page_pdf(width_mm: float, height_mm: float, content: bytes, resources: bytes = b"") -> bytes:
    """Return a PDF of one page; ``content`` is drawing operators in points from the lower left corner.

    Source: ISO 32000-1, 7.5.
    """
    width, height = (f"{side * POINTS_PER_MM:.3f}".encode() for side in (width_mm, height_mm))
    packed = zlib.compress(content)
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %s %s]/Contents 4 0 R/Resources<<%s>>>>" % (width, height, resources),
        b"<</Length %d/Filter/FlateDecode>>\nstream\n%s\nendstream" % (len(packed), packed),
    )
    document = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    offsets = [b"0000000000 65535 f \n"]
    for number, body in enumerate(objects, 1):
        offsets.append(b"%010d 00000 n \n" % len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    trailer = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(offsets), len(document))
    return document + b"xref\n0 %d\n%s" % (len(offsets), b"".join(offsets)) + trailer


def _module_lines(rows: PackedRows, style: SymbolStyle, pixels: int) -> Iterator[_Bitmap]:
    """One line of pixels per row of modules, quiet zone included: uint8 (rows of modules, bytes of a line).

    Dark is 1; the leftmost pixel is in the highest bit.
    """
    margin = (style.quiet_zone, style.quiet_zone)
    for start in range(0, len(rows), _CHUNK):
        modules = np.pad(unpack(rows[start : start + _CHUNK]), ((0, 0), margin, margin))
        yield from np.packbits(np.repeat(modules, pixels, axis=2), axis=2)


def _bitmaps(rows: PackedRows, style: SymbolStyle, pixels: int) -> Iterator[bytes]:
    """The pixels of each symbol, line by line."""
    for lines in _module_lines(rows, style, pixels):
        yield np.repeat(lines, pixels, axis=0).tobytes()


def _png(rows: PackedRows, style: SymbolStyle, dpi: int, pixels: int) -> Iterator[bytes]:
    """PNG files of one bit per pixel, with their resolution.

    Source: W3C PNG (Second Edition), 11.2 and 11.3.
    """
    side = style.side_modules * pixels
    per_metre = round(dpi * _INCHES_PER_METRE)
    light, dark = (bytes.fromhex(colour[1:]) for colour in (style.light or "#ffffff", style.dark))
    head = b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 3, 0, 0, 0))
    head += _png_chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)) + _png_chunk(b"PLTE", light + dark)
    if style.light is None:
        head += _png_chunk(b"tRNS", b"\0")
    tail = _png_chunk(b"IEND", b"")
    for lines in _module_lines(rows, style, pixels):
        # A line equal to the one above is filter type 2 ("up") and zeros.
        filtered = np.zeros((style.side_modules, pixels, 1 + lines.shape[1]), np.uint8)
        filtered[:, 0, 1:] = lines
        filtered[:, 1:, 0] = 2
        yield head + _png_chunk(b"IDAT", zlib.compress(filtered.tobytes(), 1)) + tail


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _pbm(rows: PackedRows, style: SymbolStyle, pixels: int) -> Iterator[bytes]:
    """Raw PBM files (P4), always black on white; several concatenated are a valid PBM too."""
    side = style.side_modules * pixels
    for bitmap in _bitmaps(rows, style, pixels):
        yield b"P4\n%d %d\n" % (side, side) + bitmap


def _tiff(rows: PackedRows, style: SymbolStyle, dpi: int, pixels: int) -> Iterator[bytes]:
    """Baseline TIFF files, one bit per pixel, uncompressed, always black on white.

    Source: TIFF 6.0, section 3, bilevel images.
    """
    short, long, rational = 3, 4, 5
    side = style.side_modules * pixels
    strip_bytes = side * -(-side // 8)
    resolution_offset = 8 + 2 + 12 * 11 + 4
    tags = (
        (256, long, side),  # width
        (257, long, side),  # height
        (258, short, 1),  # bits per sample
        (259, short, 1),  # no compression
        (262, short, 0),  # white is zero
        (273, long, resolution_offset + 8),  # offset of the strip
        (277, short, 1),  # samples per pixel
        (278, long, side),  # rows per strip
        (279, long, strip_bytes),
        (282, rational, resolution_offset),  # horizontal resolution
        (283, rational, resolution_offset),  # vertical resolution, the same
    )
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + struct.pack("<III", 0, dpi, 1)
    for bitmap in _bitmaps(rows, style, pixels):
        yield head + bitmap
