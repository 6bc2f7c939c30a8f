"""One symbol, drawn by segno."""

from __future__ import annotations

import numpy as np
import segno

from kokin.elqr import ElQr, parse
from kokin.slips._look import SymbolStyle
from kokin.slips._matrix import pack
from kokin.slips._pictures import pdfs, pngs, svgs
from kokin.slips._symbols import Symbols

_PLAIN = SymbolStyle()


def symbol(code: ElQr | str) -> segno.QRCode:
    """The symbol of a code or of its payload: version 6, level M, numeric mode, mask by the standard's penalty.

    Raises:
        PayloadError: a text that is no valid eL-QR; :func:`kokin.elqr.check` lists the same issues.
    """
    code = code if isinstance(code, ElQr) else parse(code)
    return code.qr_code()


def svg(code: ElQr | str, look: SymbolStyle = _PLAIN) -> str:
    """The symbol as an SVG document of ``look.side_mm``."""
    return next(svgs(_as_batch(code), look))


def png(code: ElQr | str, look: SymbolStyle = _PLAIN, dpi: int = 600) -> bytes:
    """The symbol as a PNG of ``look.printed_mm(dpi)``."""
    return next(pngs(_as_batch(code), look, dpi))


def pdf(code: ElQr | str, look: SymbolStyle = _PLAIN) -> bytes:
    """The symbol as a PDF of one page of ``look.side_mm``."""
    return next(pdfs(_as_batch(code), look))


def _as_batch(code: ElQr | str) -> Symbols:
    drawn = symbol(code)
    modules = np.array(drawn.matrix, np.bool_)
    return Symbols(pack(modules[None]), np.array([drawn.mask], np.uint8))
