"""Split the bytes of an XML file into documents and entries, and convert them to UTF-8.

Several documents may follow one another in one file. Only the lexical structure is read: comments, CDATA sections and
processing instructions are skipped, so that their content starts no document and no entry.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import BinaryIO, Literal, NamedTuple

from kokin.issues import InvalidInputError, Issue, Location
from kokin.text import UndecodableError, decode_cp932

UTF_8, CP932 = "utf-8", "cp932"
#: Bytes allowed before, between and after documents: byte order marks, whitespace, padding of mainframes.
BETWEEN = b"\xef\xbb\xbf \t\r\n\x1a\x00"
_ENCODINGS = {
    **dict.fromkeys(["utf-8", "utf8", "us-ascii"], UTF_8),
    **dict.fromkeys(["shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "ms932", "cp932", "ms_kanji"], CP932),
}
_SUPPORTED = "UTF-8 or Shift_JIS"
_BOM = b"\xef\xbb\xbf"
#: First bytes of a file whose encoding is not a superset of ASCII; the longest first.
_SIGNATURES = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"<\x00": "UTF-16",
    b"\x00<\x00": "UTF-16",
    b"\x4c\x6f\xa7\x94": "EBCDIC",
}
_CHUNK = 1 << 16
_MARKS = re.compile(rb"<(?:!--|!\[CDATA\[|\?xml\s|\?|!DOCTYPE|(?:[\w.-]+:)?Ntry[\s/>])")
_CLOSERS = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}
_DECLARATION = re.compile(
    rb"""<\?xml\s+version\s*=\s*["']1\.[0-9]+["'](?:\s+encoding\s*=\s*["']([A-Za-z][\w.-]*)["'])?"""
    rb"""(?:\s+standalone\s*=\s*["'](?:yes|no)["'])?\s*\?>"""
)
# Maximum length of a mark or a declaration. One that starts this near the end of a chunk is read with the next chunk.
_MAX_MARK = 256
_LEAD_BYTES = bytes([*range(0x81, 0xA0), *range(0xE0, 0xFD)])


class XmlRejectedError(InvalidInputError):
    """An XML file that cannot be read any further."""


def rejection(code: str, byte: int, expected: str = "", found: str = "") -> XmlRejectedError:
    """Return the error for a problem at a byte of the file; the caller adds the name of the file."""
    return XmlRejectedError([Issue(code, expected=expected, found=found, location=Location(byte=byte))])


class Segment(NamedTuple):
    """A declaration with the encoding of what follows, a DOCTYPE, or content; ``offset`` is its byte in the file."""

    kind: Literal["declaration", "doctype", "content"]
    offset: int
    content: bytes = b""
    encoding: str = ""


def segments(stream: BinaryIO) -> Iterator[Segment]:
    """Split a file at XML declarations, at DOCTYPEs, before each entry, and at chunk boundaries.

    Example: ``<?xml version="1.0"?><Document><Ntry>1</Ntry><!-- <Ntry> --><Ntry>2</Ntry></Document>`` yields a
    declaration (``utf-8``) and three contents: ``<Document>``, ``<Ntry>1</Ntry><!-- <Ntry> -->`` and
    ``<Ntry>2</Ntry></Document>``.

    Raises:
        XmlRejectedError: an unsupported encoding, or a malformed declaration.
    """
    splitter = _Splitter()
    rest, offset = b"", 0
    while True:
        chunk = stream.read(_CHUNK)
        content = rest + chunk
        signature = next((each for each in _SIGNATURES if content.startswith(each)), b"")
        if not offset and signature:
            raise rejection("XML_ENCODING", 0, _SUPPORTED, _SIGNATURES[signature])
        limit = max(len(content) - _MAX_MARK, 0) if chunk else len(content)
        end = yield from splitter.split(content, offset, limit)
        rest, offset = content[end:], offset + end
        if not chunk:
            return


class _Splitter:
    """Splits the chunks of a file in order; keeps the encoding, and the comment or section that a chunk ends in."""

    def __init__(self) -> None:
        self._encoding = UTF_8
        #: End mark of the comment, CDATA section or instruction that is being skipped.
        self._closer = b""

    def split(self, content: bytes, offset: int, limit: int) -> Generator[Segment, None, int]:
        """Yield the segments of a chunk up to a mark beyond ``limit``, and return where they end in the chunk."""
        start = position = 0  # of the segment, and of the search
        while position < limit:
            if self._closer:
                end = _find_closer(content, self._closer, position, self._encoding)
                position, self._closer = (end, b"") if end >= 0 else (limit, self._closer)
                continue
            mark = _MARKS.search(content, position)
            if mark is None or mark.start() >= limit:
                break
            position, text = mark.end(), mark[0]
            if text in _CLOSERS:
                self._closer = _CLOSERS[text]
                continue
            if mark.start() > start:
                yield Segment("content", offset + start, content[start : mark.start()])
            start = mark.start()
            if text == b"<!DOCTYPE":
                yield Segment("doctype", offset + start)
            elif text.startswith(b"<?xml"):
                self._encoding, position = _parse_declaration(content, start, offset)
                yield Segment("declaration", offset + start, encoding=self._encoding)
                start = position
        end = max(limit, position)
        if start < end:
            yield Segment("content", offset + start, content[start:end])
        return end


def _find_closer(content: bytes, closer: bytes, start: int, encoding: str) -> int:
    """Return the end of a comment, CDATA section or instruction, or -1.

    In cp932 the second byte of a character may equal ``]``: it is a second byte if an odd number of lead bytes
    precedes it.
    """
    found = content.find(closer, start)
    while found >= 0 and encoding == CP932:
        before = content[max(start, found - 64) : found]
        if (len(before) - len(before.rstrip(_LEAD_BYTES))) % 2 == 0:
            break
        found = content.find(closer, found + 1)
    return found + len(closer) if found >= 0 else -1


def _parse_declaration(content: bytes, start: int, offset: int) -> tuple[str, int]:
    """Return the encoding of the declaration at ``start``, and the end of the declaration."""
    declaration = _DECLARATION.match(content, start)
    if declaration is None:
        raise rejection("XML_INVALID", offset + start, "an XML declaration")
    name = (declaration[1] or b"utf-8").decode("ascii")
    encoding = _ENCODINGS.get(name.lower())
    if encoding is None:
        raise rejection("XML_ENCODING", offset + start, _SUPPORTED, name[:24])
    if encoding != UTF_8 and content.endswith(_BOM, 0, start):
        raise rejection("XML_ENCODING", offset + start, "UTF-8, as the byte order mark says", name[:24])
    return encoding, declaration.end()


class Transcoder:
    """Converts the content of one document to UTF-8, segment by segment.

    Two kinds of bytes at the end of a segment are held back until more content follows: the first bytes of a character
    that is cut, and bytes of ``BETWEEN``, which are part of the document only if more of it follows.

    Example: a cp932 document in three segments; 金 is 8B E0. At its end :meth:`check_end` accepts the bytes that are
    held back: CR LF 1A, but not 8B. ::

        segment          returned    held back
        <Nm>公 8B        <Nm>公      8B
        E0 </Nm> CR LF   金</Nm>     CR LF
        1A                           CR LF 1A
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._held: list[bytes] = []

    def convert(self, content: bytes, offset: int) -> tuple[bytes, int]:
        """Return the next bytes of the document in UTF-8, and the offset of their first byte in the file.

        Raises:
            XmlRejectedError: a byte that the encoding does not have.
        """
        stripped = content.rstrip(BETWEEN)
        if not stripped:
            self._held.append(content)
            return b"", offset
        pending = b"".join([*self._held, stripped])
        offset -= len(pending) - len(stripped)
        text, incomplete = self._decode(pending, offset)
        self._held = [incomplete, content[len(stripped) :]]
        return text.encode(), offset

    def check_end(self, offset: int) -> None:
        """Raise XmlRejectedError if the document, whose last segment is at ``offset``, ends within a character."""
        if b"".join(self._held).strip(BETWEEN):
            raise rejection("BYTE_UNKNOWN", offset, self._encoding)

    def _decode(self, content: bytes, offset: int) -> tuple[str, bytes]:
        """Return the text of the bytes, and the bytes of a character that is cut at their end."""
        try:
            return decode_cp932(content) if self._encoding == CP932 else content.decode("utf-8"), b""
        except UndecodableError as error:
            byte = error.issues[0].location.byte or 0
            is_cut = byte == len(content) - 1
        except UnicodeDecodeError as error:
            byte, is_cut = error.start, error.reason == "unexpected end of data"
        if not is_cut:
            raise rejection("BYTE_UNKNOWN", offset + byte, self._encoding, f"0x{content[byte]:02X}")
        return self._decode(content[:byte], offset)[0], content[byte:]
