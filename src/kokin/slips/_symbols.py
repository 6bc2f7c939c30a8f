"""Encode eL-QR payloads as QR Codes: one code or a table of them, module for module as segno encodes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kokin._arrow.convert import combine, text_buffers
from kokin._arrow.threads import thread_map
from kokin.elqr import ElQr, parse, parse_many
from kokin.issues import InvalidInputError, from_table
from kokin.model import ArrowStreamExportable
from kokin.slips._matrix import DIGITS, SIDE, TRIPLETS, Modules, PackedRows, pack, tables, unpack
from kokin.slips._penalty import best_masks
from kokin.slips._render import PictureFormat
from kokin.slips._render import render as render_rows
from kokin.slips._symbol_style import SymbolStyle

_DEFAULT_STYLE = SymbolStyle()
# Symbols per thread and step: large enough that two threads seldom wait for the interpreter lock, small enough for the
# cache.
_CHUNK = 2048
# Issues in an exception; more of them would not help to find the cause.
_MAX_ISSUES = 100
# Symbols in the preview of a notebook.
_PREVIEW = 12


@dataclass(frozen=True, slots=True, eq=False)
class Symbols:
    """QR Codes of version 6, level M, without quiet zones: a sequence whose elements are ``Symbols`` of length 1."""

    rows: PackedRows
    """The modules, uint64 (n, 41): an integer per row, column 0 in its lowest bit, dark is 1."""
    masks: npt.NDArray[np.uint8]
    """The data mask of each symbol (0 to 7), uint8 (n)."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int | slice) -> Symbols:
        selected = index if isinstance(index, slice) else [range(len(self))[index]]
        return Symbols(self.rows[selected], self.masks[selected])

    def modules(self) -> Modules:
        """Return the modules as bool (n, 41, 41); True is dark."""
        return unpack(self.rows)

    @overload
    def render(
        self, picture_format: Literal["svg"] = ..., style: SymbolStyle = ..., *, dpi: int = ...
    ) -> Iterator[str]: ...
    @overload
    def render(
        self, picture_format: Literal["png", "pbm", "tiff", "pdf"], style: SymbolStyle = ..., *, dpi: int = ...
    ) -> Iterator[bytes]: ...
    def render(
        self, picture_format: PictureFormat = "svg", style: SymbolStyle = _DEFAULT_STYLE, *, dpi: int = 600
    ) -> Iterator[str | bytes]:
        """Yield one picture per symbol.

        ``svg`` and ``pdf`` have a side of ``style.side_mm``. ``png``, ``pbm`` and ``tiff`` have one bit per pixel and a
        side of ``style.printed_mm(dpi)``; ``pbm`` and ``tiff`` are always black on white.

        Raises:
            InvalidInputError: an unknown format, or a raster that is too large.
        """
        return render_rows(self.rows, picture_format, style, dpi)

    def _repr_html_(self) -> str:
        """The first symbols as SVG, for a notebook."""
        hidden = len(self) - _PREVIEW
        return " ".join(self[:_PREVIEW].render()) + (f"<p>… {hidden:,} more</p>" if hidden > 0 else "")


def encode(codes: ElQr | str | Iterable[ElQr | str] | ArrowStreamExportable) -> Symbols:
    """Encode one code or many as QR Codes: version 6, level M, numeric mode, mask by the penalty of the standard.

    Args:
        codes: an :class:`~kokin.elqr.ElQr` or its payload; an iterable of them; or a text column of payloads, such as a
            PyArrow array, without nulls: drop the rejected rows first.

    Raises:
        PayloadError: one text that is not a valid eL-QR; :func:`kokin.elqr.check` lists the same issues.
        InvalidInputError: one of many texts is not a valid eL-QR; the issues name the records, from 1.
    """
    if isinstance(codes, ElQr | str):
        # One code is encoded by segno, which needs no tables.
        symbol = (codes if isinstance(codes, ElQr) else parse(codes)).qr_code()
        return Symbols(pack(np.array([symbol.matrix], np.bool_)), np.array([symbol.mask], np.uint8))
    column = _as_column(codes)
    parsed = parse_many(column)
    if parsed.rejected:
        issues = from_table(parsed.issues.slice(0, _MAX_ISSUES))
        raise InvalidInputError(issues, f"{parsed.rejected} of {len(column)} codes are not a valid eL-QR")
    return encode_digits(column)


@overload
def render(
    code: ElQr | str, picture_format: Literal["svg"] = ..., style: SymbolStyle = ..., *, dpi: int = ...
) -> str: ...
@overload
def render(
    code: ElQr | str, picture_format: Literal["png", "pbm", "tiff", "pdf"], style: SymbolStyle = ..., *, dpi: int = ...
) -> bytes: ...
def render(
    code: ElQr | str, picture_format: PictureFormat = "svg", style: SymbolStyle = _DEFAULT_STYLE, *, dpi: int = 600
) -> str | bytes:
    """Return the picture of one code; see :func:`encode` and :meth:`Symbols.render`.

    Raises:
        PayloadError: a text that is not a valid eL-QR.
        InvalidInputError: an unknown format, or a raster that is too large.
    """
    return next(render_rows(encode(code).rows, picture_format, style, dpi))


def _as_column(codes: Any) -> pa.ChunkedArray:
    if isinstance(codes, pa.ChunkedArray):
        return codes
    if isinstance(codes, pa.Array):
        return pa.chunked_array([codes])
    if hasattr(codes, "__arrow_c_stream__"):
        return pa.chunked_array(codes)
    return pa.chunked_array([[code.payload if isinstance(code, ElQr) else code for code in codes]], pa.string())


def encode_digits(payloads: Any) -> Symbols:
    """Encode any texts of 255 digits without checking that they are an eL-QR."""
    digits = _ascii_digits(_as_column(payloads))
    rows = np.empty((len(digits), SIDE), np.uint64)
    masks = np.empty(len(digits), np.uint8)

    def encode_chunk(start: int) -> None:
        chunk = slice(start, start + _CHUNK)
        rows[chunk], masks[chunk] = _encode_chunk(digits[chunk])

    tables()  # built before the threads ask for it
    thread_map(encode_chunk, range(0, len(digits), _CHUNK))
    return Symbols(rows, masks)


def _ascii_digits(column: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """The column as ASCII digits, uint8 (n, 255)."""
    texts = combine(column.cast(pa.string()))
    offsets, digits = text_buffers(texts)
    assert not texts.null_count
    assert (np.diff(offsets) == DIGITS).all()
    return digits.reshape(len(texts), DIGITS)


def _encode_chunk(digits: npt.NDArray[np.uint8]) -> tuple[PackedRows, npt.NDArray[np.intp]]:
    """Return rows, uint64 (n, 41), and masks, (n), of ASCII digits, uint8 (n, 255)."""
    frame, triplets, _, masks_with_format = tables()
    rows = np.repeat(frame[None], len(digits), axis=0)
    for place, values in enumerate(_triplet_values(digits)):
        if (values == values[0]).all():
            rows ^= triplets[place, values[0]]
        else:
            rows ^= triplets[place].take(values, axis=0)
    masks = best_masks(np.ascontiguousarray(rows.T))
    rows ^= masks_with_format.take(masks, axis=0)
    return rows, masks


def _triplet_values(digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Return each group of three digits as a number, (85, n)."""
    values = np.ascontiguousarray(digits.T).reshape(TRIPLETS, 3, -1).astype(np.intp) - ord("0")
    numbers: npt.NDArray[np.intp] = values[:, 0] * 100 + values[:, 1] * 10 + values[:, 2]
    return numbers
