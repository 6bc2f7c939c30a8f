"""From bytes to frames (framing): where each record of a file begins and ends, and nothing of what it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from kokin.receipts._words import Bytes, count_of
from kokin.receipts.layouts import FieldType, Layout
from kokin.text import EBCDIC_TO_HALF_WIDTH

CHUNK = 1 << 20
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_ASCII_NEWLINES = (b"\r\n", b"\n", b"\r")
_EBCDIC_NEWLINES = (b"\r\x25", b"\x25", b"\x15", b"\r")
_END_OF_FILE = b"\x1a"
_NAMES = {b"\r\n": "CRLF", b"\n": "LF", b"\r": "CR"}
# A line that is longer is no record, unless all are.
_LONGEST_LINE = 1 << 16
# Records in a block, but no more than so many bytes.
_BLOCK, _BLOCK_BYTES = 1 << 16, 1 << 23


class Frame(NamedTuple):
    """The bytes of one record."""

    number: int
    """From 1."""
    offset: int
    """Of the first byte, from the start of the file."""
    raw: bytes
    """Without its newline."""
    closed: bool
    """Whether a newline, or the full width of an unbroken file, ends it: a cut record is open."""


@dataclass(frozen=True)
class Framing:
    """How the records of one file are told apart, found out from its first bytes."""

    newline: bytes
    """After each record; empty where there is none."""
    width: int
    """Bytes of a record as it stands, without its newline; 0 for a CSV."""
    ebcdic: bool = False
    start: int = 0
    """Bytes before the first record: a header row, or a byte order mark that a lenient reader passes over."""

    @property
    def longest(self) -> int:
        """Bytes of the longest line that is taken for one; a longer one comes in pieces, each of them wrong."""
        return max(_LONGEST_LINE, self.width)

    def describe(self) -> str:
        """The framing in words.

        >>> Framing(bytes([13, 10]), 118).describe()
        '118 bytes and CRLF'
        """
        newline = _NAMES.get(self.newline, self.newline.hex(" ").upper())
        if not self.width:
            return f"rows ending in {newline}"
        text = f"{self.width} bytes and {newline}" if self.newline else f"{self.width} bytes without newline"
        return f"{text}, EBCDIC" if self.ebcdic else text


def byte_order_mark(head: bytes) -> bytes:
    """The byte order mark at the beginning of a file, or nothing."""
    return next((mark for mark in _BOMS if head.startswith(mark)), b"")


def detect(head: bytes, layout: Layout, start: int = 0) -> Framing:
    """The framing of a file from its first bytes, at least two records of it.

    A body shorter than the width by the length of its newline is one with the newline inside (改行を含めて 120 バイト).
    """
    head = head[start:]
    if layout.width is None:
        return Framing(b"\r\n" if b"\r\n" in head else b"\n", 0, start=start)
    consts = {field.const[:1].encode() for kind in layout.kinds.values() if (field := kind.fields[0]).const}
    ebcdic = head[:1] not in consts and head[:1].translate(EBCDIC_TO_HALF_WIDTH) in consts
    newlines = _EBCDIC_NEWLINES if ebcdic else _ASCII_NEWLINES
    found = {newline: at for newline in newlines if 0 <= (at := head.find(newline)) <= layout.width}
    if not found:
        return Framing(b"", layout.width, ebcdic, start)
    newline = min(found, key=lambda newline: (found[newline], -len(newline)))
    inside = found[newline] + len(newline) == layout.width and _ends_in_filler(layout, len(newline))
    return Framing(newline, layout.width - len(newline) if inside else layout.width, ebcdic, start)


def _ends_in_filler(layout: Layout, size: int) -> bool:
    lasts = [kind.fields[-1] for kind in layout.kinds.values()]
    return all(last.type is FieldType.FILLER and last.length >= size for last in lasts)


def frames(stream: BinaryIO, framing: Framing) -> Iterator[Frame]:
    """The records of a file, in constant memory; a 0x1A at the end of the file is no record."""
    if framing.width == 0:
        yield from rows(stream, framing.start)
        return
    for piece in blocks(stream, framing):
        yield from piece if isinstance(piece, Block) else (piece,)


@dataclass(frozen=True)
class Block:
    """Records of one width side by side; iterating gives their frames."""

    number: int
    """Of the first record, from 1."""
    offset: int
    """Of its first byte in the file."""
    step: int
    """Bytes from one record to the next in the file."""
    width: int
    """Bytes of a record without its newline."""
    content: bytes
    """The records."""
    pitch: int
    """Bytes from one record to the next in ``content``."""
    count: int

    def frame(self, i: int) -> Frame:
        """One of its records, from 0."""
        at = i * self.pitch
        return Frame(self.number + i, self.offset + i * self.step, self.content[at : at + self.width], True)

    @property
    def rows(self) -> Bytes:
        """The records as a matrix of bytes, uint8 (count, pitch)."""
        return np.frombuffer(self.content, np.uint8, self.count * self.pitch).reshape(self.count, self.pitch)

    def offsets(self, at: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
        """The first byte of each of some records in the file."""
        return self.offset + at * self.step

    def __iter__(self) -> Iterator[Frame]:
        return (self.frame(i) for i in range(self.count))


def blocks(stream: BinaryIO, framing: Framing) -> Iterator[Block | Frame]:
    """The records of a fixed-length file: blocks where each has its width, single frames elsewhere."""
    stream.seek(framing.start)
    newline, width = framing.newline, framing.width
    step = width + len(newline)
    number, offset, rest = 1, framing.start, b""
    size = max(1, min(_BLOCK, _BLOCK_BYTES // step)) * step
    while chunk := stream.read(size):
        content = rest + chunk
        count = len(content) // step
        if _is_regular(content, count, framing):
            pieces: Iterable[Block | Frame] = [Block(number, offset, step, width, content, step, count)][:count]
            rest = content[count * step :]
        else:
            *lines, rest = content.split(newline)
            pieces = _grouped(lines, number, offset, framing)
        for piece in pieces:
            yield piece
            number += piece.count if isinstance(piece, Block) else 1
        offset += len(content) - len(rest)
        # All but one byte of a newline may stand at the end of the rest.
        while newline and len(rest) >= framing.longest + len(newline):
            yield Frame(number, offset, rest[: framing.longest], True)
            number, offset, rest = number + 1, offset + framing.longest, rest[framing.longest :]
    rest = rest.rstrip(_END_OF_FILE) if newline else rest
    if rest.strip(b"" if newline else b"\r\n\x25" + _END_OF_FILE):
        yield Frame(number, offset, rest, False)


def _is_regular(content: bytes, count: int, framing: Framing) -> bool:
    """Whether each of the first ``count`` records has its width: a newline behind each, and none within."""
    newline, width = framing.newline, framing.width
    if not newline or not count:
        return not newline
    rows = np.frombuffer(content, np.uint8, count * (width + len(newline))).reshape(count, -1)
    behind = all((rows[:, width + i] == byte).all() for i, byte in enumerate(newline))
    return behind and count_of(rows.ravel(), newline[-1]) == count


def _grouped(lines: list[bytes], number: int, offset: int, framing: Framing) -> Iterator[Block | Frame]:
    """Lines as blocks where they have the width, as single frames where not."""
    width, step = framing.width, framing.width + len(framing.newline)
    for fits, group in groupby(lines, key=lambda line: len(line) == width):
        members = list(group)
        if fits:
            yield Block(number, offset, step, width, b"".join(members), width, len(members))
            number, offset = number + len(members), offset + step * len(members)
            continue
        for line in members:
            for at in range(0, len(line) or 1, framing.longest):
                yield Frame(number, offset + at, line[at : at + framing.longest], True)
                number += 1
            offset += len(line) + len(framing.newline)


def rows(stream: BinaryIO, offset: int, number: int = 0) -> Iterator[Frame]:
    """The rows of a CSV from a byte on, ``number`` having gone before; a newline inside quotes belongs to its row."""
    stream.seek(offset)
    while row := stream.readline(_LONGEST_LINE):
        while row.count(b'"') % 2 and len(row) < _LONGEST_LINE and (more := stream.readline(_LONGEST_LINE)):
            row += more
        closed = row.endswith(b"\n")
        raw = row.removesuffix(b"\n").removesuffix(b"\r") if closed else row.rstrip(_END_OF_FILE)
        if raw or closed:
            number += 1
            yield Frame(number, offset, raw, closed)
        offset += len(row)
