"""The least PDF that carries a drawing: one page, written the same way every time.

Source: ISO 32000-1, 7.5.
"""

from __future__ import annotations

import zlib

POINTS_PER_MM = 72 / 25.4


def one_page(width_mm: float, height_mm: float, content: bytes, resources: bytes = b"") -> bytes:
    """A document of one page; ``content`` is drawing operators in points from the lower left corner."""
    width, height = (f"{side * POINTS_PER_MM:.3f}".encode() for side in (width_mm, height_mm))
    packed = zlib.compress(content)
    return _document(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %s %s]/Contents 4 0 R/Resources<<%s>>>>" % (width, height, resources),
        b"<</Length %d/Filter/FlateDecode>>\nstream\n%s\nendstream" % (len(packed), packed),
    )


def colour(name: str) -> str:
    """The operator that fills in a colour ``#rrggbb``."""
    return " ".join(f"{component / 255:.3f}" for component in bytes.fromhex(name[1:])) + " rg"


def _document(*objects: bytes) -> bytes:
    """A file of numbered objects, the first of which is the catalogue."""
    written = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    entries = [b"0000000000 65535 f \n"]
    for number, content in enumerate(objects, 1):
        entries.append(b"%010d 00000 n \n" % len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"xref\n0 %d\n%s" % (len(entries), b"".join(entries))
    return (
        written + table + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(entries), len(written))
    )
