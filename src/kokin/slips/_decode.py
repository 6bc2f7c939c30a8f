"""Decode QR Codes from pictures; needs the extra ``decode``."""

from __future__ import annotations

import io
import struct
from pathlib import Path

from kokin.issues import InvalidInputError, Issue, KokinError, Location

# A scanned A4 page at 1200 dpi has some 140 million pixels; a larger picture is a decompression bomb.
_MAX_PIXELS = 200_000_000


def decode(path: str | Path) -> list[str]:
    """Return the text of every QR Code in a picture (PNG, JPEG, PBM, TIFF), from top to bottom.

    Raises:
        KokinError: the extra ``decode`` is not installed.
        InvalidInputError: the file is not a picture, is too large, or contains no QR Code.
        OSError: the file cannot be read.
    """
    try:
        import zxingcpp
        from PIL import Image
    except ImportError as error:
        raise KokinError("reading pictures needs two more packages: pip install 'kokin[decode]'") from error
    path = Path(path)
    place = Location(path.name)
    content = io.BytesIO(path.read_bytes())
    try:
        picture = Image.open(content)
        if picture.width * picture.height > _MAX_PIXELS:
            expected = f"at most {_MAX_PIXELS} pixels"
            raise InvalidInputError([Issue("PICTURE_FORM", field="", expected=expected, location=place)])
        formats = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
        found = zxingcpp.read_barcodes(picture.convert("L"), formats=formats)
    # Pillow raises OSError for a truncated or unknown picture, and struct.error and others for a damaged one.
    except (OSError, Image.DecompressionBombError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise InvalidInputError([Issue("PICTURE_FORM", location=place)], f"{path.name} is not a picture") from error
    if not found:
        raise InvalidInputError([Issue("PICTURE_EMPTY", location=place)], f"{path.name} contains no QR Code")
    return [code.text for code in sorted(found, key=lambda code: (code.position.top_left.y, code.position.top_left.x))]
