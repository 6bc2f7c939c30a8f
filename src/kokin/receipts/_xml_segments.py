"""A file of XML documents, cut on bytes: several may stand one after another, each with its own declaration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

#: May stand before, between and after documents: byte order marks, blanks, host fillers.
BETWEEN = b"\xef\xbb\xbf \t\r\n\x1a\x00"
_CHUNK = 1 << 16
_MARKS = re.compile(rb"<\?xml\s|<(?:[\w.-]+:)?Ntry[\s/>]")
_DECLARATION = re.compile(rb"<\?xml\s[^>]{0,200}?\?>")
# No mark is longer, so that one at the end of a chunk is seen whole with the next.
_LONGEST_MARK = 256


def segments(stream: BinaryIO) -> Iterator[tuple[str, int, bytes]]:
    """A file cut at declarations and at the beginning of entries: ``(kind, offset, bytes)``.

    ``kind`` is ``document`` for a declaration, ``content`` for all else. A mark in a comment or in CDATA cuts too,
    which is harmless.
    """
    held, offset = b"", 0
    while True:
        chunk = stream.read(_CHUNK)
        content = held + chunk
        # A mark at the very end may go on in the next chunk.
        end = len(content) - _LONGEST_MARK if chunk else len(content)
        at = 0
        for mark in _MARKS.finditer(content):
            start = mark.start()
            if start >= end:
                break
            if start > at:
                yield "content", offset + at, content[at:start]
            at = start
            if mark[0].startswith(b"<?xml"):
                declaration = _DECLARATION.match(content, start)
                at = declaration.end() if declaration else mark.end()
                yield "document", offset + start, content[start:at]
        if at < end:
            yield "content", offset + at, content[at:end]
            at = end
        held, offset = content[at:], offset + at
        if not chunk:
            return
