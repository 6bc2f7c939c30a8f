"""Read the codes on pictures and PDF pages; needs the extra ``decode``."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kokin.issues import InvalidInputError, Issue, KokinError, Location

# A scanned A4 page at 1200 dpi has some 140 million pixels; a larger picture is a decompression bomb.
_MAX_PIXELS = 200_000_000
# Bars of 0.17 mm have two pixels at 300 dpi.
_DPI = 300
_BLUR_PIXELS = 0.8
_POINTS_PER_INCH = 72
_PDF_MAGIC = b"%PDF-"
# GS1-128 (ISO/IEC 15424), and FNC1 within its data.
_GS1_128, _FNC1 = "]C1", "\x1d"


@dataclass(frozen=True, slots=True)
class PageCodes:
    """The codes on a page, from top to bottom."""

    page: int
    """The number of the page in its file, from 1."""
    qr_codes: tuple[str, ...]
    """The texts of the QR Codes."""
    barcodes: tuple[str, ...]
    """The digits of the GS1-128 barcodes."""


def decode(path: str | Path) -> list[str]:
    """Return the text of every QR Code in a picture or PDF, page by page from top to bottom.

    The file is a picture (PNG, JPEG, PBM, TIFF, also of several pages) or a PDF.

    Raises:
        KokinError: the extra ``decode`` is not installed.
        InvalidInputError: the file is not a picture or PDF, is too large, or contains no QR Code.
        OSError: the file cannot be read.
    """
    path = Path(path)
    texts = [text for page in read_pages(path, with_barcodes=False) for text in page.qr_codes]
    if not texts:
        raise InvalidInputError([Issue("PICTURE_EMPTY", location=Location(path.name))], f"{path.name} has no QR Code")
    return texts


def count_pages(path: Path) -> int:
    """Return the number of pages of a picture or PDF.

    Raises:
        KokinError: the extra ``decode`` is not installed.
        InvalidInputError: the file is neither.
        OSError: the file cannot be read.
    """
    with _open_pages(path) as pages:
        return len(pages)


def read_pages(path: Path, numbers: Iterable[int] | None = None, *, with_barcodes: bool = True) -> Iterator[PageCodes]:
    """Yield the codes of pages, by default of all; ``numbers`` count from 1. PDF pages are drawn at 300 dpi.

    Without ``with_barcodes`` a page is searched until its QR Codes are found; it may miss barcodes.

    Raises:
        KokinError: the extra ``decode`` is not installed.
        InvalidInputError: the file is neither a picture nor a PDF, or a page is too large or damaged.
        OSError: the file cannot be read.
    """
    with _open_pages(path) as pages:
        for number in range(1, len(pages) + 1) if numbers is None else numbers:
            yield _read_codes(number, pages[number - 1], with_barcodes)


def _read_codes(page: int, picture: Any, with_barcodes: bool) -> PageCodes:
    """Return the codes of a grey picture.

    The searches follow one another until a QR Code and a barcode are found: for upright codes, which takes half the
    time; for all; and for all in a blurred picture, as a noisy scan has specks in the bars.
    """
    import zxingcpp
    from PIL import Image, ImageFilter

    formats = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.Code128])
    qr_codes: list[str] = []
    barcodes: list[str] = []
    for search in ("upright", "all", "blurred"):
        if search == "blurred":
            image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
            picture = image.filter(ImageFilter.GaussianBlur(_BLUR_PIXELS))
        is_thorough = search != "upright"
        codes = zxingcpp.read_barcodes(
            picture, formats=formats, try_rotate=is_thorough, try_downscale=is_thorough, try_invert=is_thorough
        )
        codes.sort(key=lambda code: (code.position.top_left.y, code.position.top_left.x))
        qr_codes = qr_codes or [code.text for code in codes if code.format != zxingcpp.BarcodeFormat.Code128]
        barcodes = barcodes or [
            code.bytes.decode("ascii", "replace").replace(_FNC1, "")
            for code in codes
            if code.symbology_identifier == _GS1_128
        ]
        if qr_codes and (barcodes or not with_barcodes):
            break
    return PageCodes(page, tuple(qr_codes), tuple(barcodes))


@contextmanager
def _open_pages(path: Path) -> Iterator[Sequence[Any]]:
    """Open a file as a sequence of grey pictures, each drawn or read when it is accessed.

    Raises:
        InvalidInputError: also where a page that the block accesses is too large or damaged.
    """
    try:
        import zxingcpp  # noqa: F401
        from PIL import Image
        from pypdfium2 import PdfDocument, PdfiumError
    except ImportError as error:
        raise KokinError("reading pictures needs more packages: pip install 'kokin[decode]'") from error
    with path.open("rb") as content:
        magic = content.read(len(_PDF_MAGIC))
        content.seek(0)
        try:
            if magic == _PDF_MAGIC:
                document = PdfDocument(content)
                try:
                    yield _PdfPages(document, path)
                finally:
                    document.close()
            else:
                with Image.open(content) as picture:
                    yield _Frames(picture, path)
        # Pillow raises OSError for a truncated or unknown picture, and struct.error and others for a damaged one; a
        # failed system call has an errno.
        except (
            PdfiumError,
            OSError,
            Image.DecompressionBombError,
            SyntaxError,
            ValueError,
            EOFError,
            struct.error,
        ) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            issue = Issue("PICTURE_FORM", location=Location(path.name))
            raise InvalidInputError([issue], f"{path.name} is not a picture") from error


def _check_size(path: Path, width: float, height: float) -> None:
    if width * height > _MAX_PIXELS:
        expected = f"at most {_MAX_PIXELS} pixels"
        raise InvalidInputError([Issue("PICTURE_FORM", field="", expected=expected, location=Location(path.name))])


class _Frames(Sequence[Any]):
    """The frames of a picture file."""

    def __init__(self, picture: Any, path: Path) -> None:
        self._picture, self._path = picture, path

    def __len__(self) -> int:
        return getattr(self._picture, "n_frames", 1)

    def __getitem__(self, index: Any) -> Any:
        self._picture.seek(index)
        _check_size(self._path, *self._picture.size)
        return self._picture.convert("L")


class _PdfPages(Sequence[Any]):
    """The pages of a PDF."""

    def __init__(self, document: Any, path: Path) -> None:
        self._document, self._path = document, path

    def __len__(self) -> int:
        return len(self._document)

    def __getitem__(self, index: Any) -> Any:
        page = self._document[index]
        try:
            scale = _DPI / _POINTS_PER_INCH
            _check_size(self._path, page.get_width() * scale, page.get_height() * scale)
            bitmap = page.render(scale=scale, grayscale=True)
            return bitmap.to_numpy().reshape(bitmap.height, bitmap.width).copy()
        finally:
            page.close()
