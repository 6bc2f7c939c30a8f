"""Split a file into XML documents and entries, on bytes: several documents may follow one another.

Only the lexical structure is read: comments, CDATA sections and processing instructions are skipped, so that what they
contain starts no document and no entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from kokin.issues import InvalidInputError, Issue, Location

UTF_8, CP932 = "utf-8", "cp932"
#: May be before, between and after documents: byte order marks, blanks, host fillers.
BETWEEN = b"\xef\xbb\xbf \t\r\n\x1a\x00"
_ENCODINGS = {
    **dict.fromkeys(["utf-8", "utf8", "us-ascii"], UTF_8),
    **dict.fromkeys(["shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "ms932", "cp932", "ms_kanji"], CP932),
}
_READ_HERE = "UTF-8 or Shift_JIS"
_BOM = b"\xef\xbb\xbf"
#: How a file begins whose characters are not bytes of ASCII; the longest first.
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
# No mark and no declaration is longer, so that one at the end of a chunk is seen whole with the next.
_LONGEST_MARK = 256
_LEADS = bytes([*range(0x81, 0xA0), *range(0xE0, 0xFD)])


def segments(stream: BinaryIO) -> Iterator[tuple[str, int, bytes | str]]:
    """Split a file at declarations and at the beginning of entries: ``(kind, offset, content)``.

    ``document`` is an XML declaration, with the encoding of what follows: ``UTF_8`` or ``CP932``. ``content`` is all
    else, cut before each entry; ``doctype`` is the place of a DOCTYPE.

    Raises:
        InvalidInputError: an encoding that is not read, or a declaration that is none; the place has the byte only.
    """
    held, offset, encoding, closer = b"", 0, UTF_8, b""
    while True:
        chunk = stream.read(_CHUNK)
        content = held + chunk
        if not offset:
            _refuse_signature(content)
        # A mark at the very end may go on in the next chunk.
        end = max(len(content) - _LONGEST_MARK, 0) if chunk else len(content)
        at = position = 0
        while position < end:
            if closer:
                found = _find(content, closer, position, encoding)
                position, closer = (end, closer) if found < 0 else (found + len(closer), b"")
                continue
            mark = _MARKS.search(content, position)
            if mark is None or mark.start() >= end:
                break
            start, position, text = mark.start(), mark.end(), mark[0]
            if text in _CLOSERS:
                closer = _CLOSERS[text]
                continue
            if start > at:
                yield "content", offset + at, content[at:start]
            at = start
            if text == b"<!DOCTYPE":
                yield "doctype", offset + start, b""
            elif text.startswith(b"<?xml"):
                encoding, at = _declared(content, start, offset)
                position = at
                yield "document", offset + start, encoding
        end = max(end, position)
        if at < end:
            yield "content", offset + at, content[at:end]
        held, offset = content[end:], offset + end
        if not chunk:
            return


def _find(content: bytes, closer: bytes, start: int, encoding: str) -> int:
    """Return where a comment, CDATA section or instruction ends, or -1.

    In cp932 the second byte of a character may be that of ``]``: it is one if an odd number of lead bytes precedes it.
    """
    found = content.find(closer, start)
    while found >= 0 and encoding == CP932:
        before = content[max(start, found - 64) : found]
        if (len(before) - len(before.rstrip(_LEADS))) % 2 == 0:
            break
        found = content.find(closer, found + 1)
    return found


def _declared(content: bytes, start: int, offset: int) -> tuple[str, int]:
    """Return the encoding that the declaration at ``start`` declares, and where the declaration ends."""
    declaration = _DECLARATION.match(content, start)
    if declaration is None:
        raise _refused("XML_INVALID", "an XML declaration", "", offset + start)
    name = (declaration[1] or b"utf-8").decode("ascii")
    encoding = _ENCODINGS.get(name.lower())
    if encoding is None:
        raise _refused("XML_ENCODING", _READ_HERE, name[:24], offset + start)
    if encoding != UTF_8 and content.endswith(_BOM, 0, start):
        raise _refused("XML_ENCODING", "UTF-8, as the byte order mark says", name[:24], offset + start)
    return encoding, declaration.end()


def _refuse_signature(content: bytes) -> None:
    for signature, name in _SIGNATURES.items():
        if content.startswith(signature):
            raise _refused("XML_ENCODING", _READ_HERE, name, 0)


def _refused(code: str, expected: str, found: str, byte: int) -> InvalidInputError:
    return InvalidInputError([Issue(code, expected=expected, found=found, location=Location(byte=byte))])
