"""What makes a PDF document PDF/A-2b beside embedded fonts: metadata (XMP), the meaning of its colours, line ends.

Source: ISO 19005-2:2011, 6.1.7.1 (streams), 6.2.3 (output intent), 6.6 (metadata); XMP Specification Part 1;
ICC.1:2004-10 (profile 4.2); IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

import functools
import struct
from typing import Any
from xml.sax.saxutils import escape

from reportlab.pdfbase.pdfdoc import (
    NoEncryption,
    PDFArray,
    PDFCatalog,
    PDFDate,
    PDFDictionary,
    PDFInfo,
    PDFName,
    PDFObject,
    PDFStream,
    PDFString,
    PDFZCompress,
)

import kokin

#: Version of PDF of ISO 32000-1, on which PDF/A-2 is based.
PDF_VERSION = (1, 7)

_CREATOR = f"Kokin {kokin.__version__}"

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:pdf="http://ns.adobe.com/pdf/1.3/"
    xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<pdfaid:part>2</pdfaid:part>
<pdfaid:conformance>B</pdfaid:conformance>
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>
<pdf:Producer>{producer}</pdf:Producer>
<xmp:CreatorTool>{creator}</xmp:CreatorTool>
<xmp:CreateDate>{date}</xmp:CreateDate>
<xmp:ModifyDate>{date}</xmp:ModifyDate>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def conform(document: Any, title: str, author: str) -> None:
    """Add metadata and an output intent to a document of reportlab, just before it is written.

    The date of creation is the fixed one of reportlab's invariant mode, so that equal slips give equal files.
    """
    document.encrypt = _StreamEnds()
    document.info = _Info(title, author)
    metadata = PDFDictionary({"Type": PDFName("Metadata"), "Subtype": PDFName("XML")})
    document.Catalog.Metadata = PDFStream(metadata, _xmp_packet(document))
    intent = PDFDictionary(
        {
            "Type": PDFName("OutputIntent"),
            "S": PDFName("GTS_PDFA1"),
            "OutputConditionIdentifier": PDFString("sRGB"),
            "Info": PDFString("sRGB IEC61966-2.1"),
            "DestOutputProfile": document.Reference(_profile_stream(), "srgb"),
        }
    )
    # reportlab writes only the entries of the catalog that are on this list.
    document.Catalog.__NoDefault__ = [*PDFCatalog.__NoDefault__, "OutputIntents"]
    document.Catalog.OutputIntents = PDFArray([intent])


class _StreamEnds(NoEncryption):  # type: ignore[misc]
    """Puts a line feed before each ``endstream`` (6.1.7.1), which reportlab writes directly behind the content."""

    def encode(self, t: bytes | str) -> Any:
        """Return the content of a stream, which reportlab passes as text if it is ASCII85."""
        return _StreamContent(t if isinstance(t, bytes) else t.encode("ascii"))


class _StreamContent(PDFObject):  # type: ignore[misc]
    def __init__(self, content: bytes) -> None:
        self.content = content

    def __len__(self) -> int:
        return len(self.content)

    def format(self, document: Any) -> bytes:
        return self.content + b"\n"


class _Info(PDFInfo):  # type: ignore[misc]
    """The document information, with no entry that the metadata lack."""

    creator = _CREATOR

    def __init__(self, title: str, author: str) -> None:
        super().__init__()
        self.title, self.author, self.subject = title, author, ""

    def format(self, document: Any) -> bytes:
        """Return the dictionary."""
        date = PDFDate(ts=document._timeStamp)
        texts = {"Title": self.title, "Author": self.author, "Producer": self.producer, "Creator": self.creator}
        entries = {name: PDFString(text) for name, text in texts.items() if text}
        formatted: bytes = PDFDictionary({**entries, "CreationDate": date, "ModDate": date}).format(document)
        return formatted


def _xmp_packet(document: Any) -> bytes:
    """Return the XMP packet, equal to the document information."""
    info = document.info
    year, month, day, hour, minute, second = document._timeStamp.YMDhms
    date = f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}+00:00"
    texts = {"title": info.title, "author": info.author, "producer": info.producer, "creator": info.creator}
    return _XMP.format(date=date, **{name: escape(text) for name, text in texts.items()}).encode()


# --- the colour profile -----------------------------------------------------------------------------------------------

# sRGB relative to D50: the colorants adapted from D65 by the Bradford matrix, its parameters, the white point.
_COLORANTS = {
    b"rXYZ": (0.43607, 0.22249, 0.01392),
    b"gXYZ": (0.38515, 0.71687, 0.09708),
    b"bXYZ": (0.14307, 0.06061, 0.71410),
}
_ADAPTATION = (1.04788, 0.02292, -0.05022, 0.02959, 0.99048, -0.01707, -0.00925, 0.01508, 0.75168)
_WHITE = (0.9642, 1.0, 0.8249)
# Y = ((X + 0.055) / 1.055) ** 2.4 from 0.04045 on, X / 12.92 below.
_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def _profile_stream() -> PDFStream:
    stream = PDFStream(PDFDictionary({"N": 3}), srgb_profile())
    stream.filters = [PDFZCompress]
    return stream


@functools.cache
def srgb_profile() -> bytes:
    """Return an ICC profile of sRGB: a display profile of matrix and curve, made of the published numbers."""
    tags = {
        b"desc": _text("sRGB IEC61966-2.1"),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": _xyz(_WHITE),
        b"chad": b"sf32" + bytes(4) + _fixed(_ADAPTATION),
        **{name: _xyz(colorant) for name, colorant in _COLORANTS.items()},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"para" + bytes(4) + struct.pack(">HH", 3, 0) + _fixed(_CURVE)),
    }
    start = 128 + 4 + 12 * len(tags)
    directory, content, places = struct.pack(">L", len(tags)), b"", dict[bytes, int]()
    for name, element in tags.items():
        if element not in places:  # the three curves share one
            places[element] = start + len(content)
            content += element + bytes(-len(element) % 4)
        directory += struct.pack(">4sLL", name, places[element], len(element))
    date = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    header = struct.pack(
        ">L4sL4s4s4s12s4s4sL4s4sQL12s4s44s",
        *(start + len(content), b"", 0x04200000, b"mntr", b"RGB ", b"XYZ ", date, b"acsp", b"", 0, b"", b"", 0, 0),
        *(_fixed(_WHITE), b"", b""),
    )
    return header + directory + content


def _fixed(numbers: tuple[float, ...]) -> bytes:
    """Encode numbers as s15Fixed16Number."""
    return struct.pack(f">{len(numbers)}l", *(round(number * 65536) for number in numbers))


def _xyz(numbers: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(numbers)


def _text(text: str) -> bytes:
    """Encode an English text as multiLocalizedUnicodeType."""
    content = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">LL2s2sLL", 1, 12, b"en", b"US", len(content), 28) + content
