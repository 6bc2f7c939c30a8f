"""From bytes to frames (framing): where each record of a file begins and ends, and nothing of what it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from kokin.receipts._words import Bytes, Mask, count_of
from kokin.receipts.layouts import FieldType, Layout
from kokin.text import EBCDIC_TO_HALF_WIDTH

CHUNK = 1 << 20
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_ASCII_NEWLINES = (b"\r\n", b"\n", b"\r")
# CR LF, NEL and CR NEL of EBCDIC, and the newlines of ASCII, which a transfer adds without translating the records.
_EBCDIC_NEWLINES = (b"\r\x25", b"\r\x15", b"\r\n", b"\x25", b"\x15", b"\n", b"\r")
_END_OF_FILE = b"\x1a"
_NEWLINE = ord("\n")
# The kinds of lines of a CSV.
_ROWS, _EMPTY, _LONG = range(3)
_NAMES = {b"\r\n": "CRLF", b"\n": "LF", b"\r": "CR"}
# A line that is longer is no record, unless all are.
_LONGEST_LINE = 1 << 16
# Records in a block, but no more than so many bytes.
_BLOCK, _BLOCK_BYTES = 1 << 16, 1 << 23
# Bytes of a CSV that are looked at together; their columns take ten times as much memory.
_CSV_CHUNK = 1 << 22
# What a line with nothing in it consists of; in a CSV commas and quotes, too.
_BLANK, _BLANK_EBCDIC, _BLANK_CSV = b" \r\n", b"\x40\r\n\x25\x15", b' \t\r\n,"'
# What else pads a file behind its last record: NUL and SUB (0x1A; 0x3F in EBCDIC).
_PADDING, _PADDING_EBCDIC = b"\0\x1a", b"\0\x1a\x3f"


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
class Blank:
    """Consecutive lines, or widths of an unbroken file, with nothing in them: no records, though they have numbers."""

    number: int
    """Of the first one, from 1."""
    offset: int
    """Of its first byte, from the start of the file."""
    count: int
    damaged: bool
    """Whether there are NUL or SUB bytes: padding behind the last record, and before it a sign of damage."""


@dataclass(frozen=True)
class FileFraming:
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

    @property
    def blank(self) -> bytes:
        """The bytes of a line with nothing in it."""
        return (_BLANK_EBCDIC if self.ebcdic else _BLANK) if self.width else _BLANK_CSV

    @property
    def padding(self) -> bytes:
        """The bytes that may follow the last record."""
        return self.blank + (_PADDING_EBCDIC if self.ebcdic else _PADDING)

    def part(self, number: int, offset: int, raw: bytes, *, closed: bool) -> Frame | Blank:
        """A record of these bytes, or a blank where there is nothing in them."""
        if raw.strip(self.padding):
            return Frame(number, offset, raw, closed)
        return Blank(number, offset, 1, bool(raw.strip(self.blank)))

    def describe(self) -> str:
        """The framing in words.

        >>> FileFraming(bytes([13, 10]), 118).describe()
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


def is_blank(content: bytes, layout: Layout) -> bool:
    """Whether there is no record in some bytes of a file, in whatever character set."""
    framings = [FileFraming(b"", layout.width or 0, ebcdic) for ebcdic in (False, True)]
    return any(not content.strip(framing.padding) for framing in framings)


def detect(head: bytes, layout: Layout, start: int = 0) -> FileFraming:
    """The framing of a file from its first bytes, at least two records of it.

    A body shorter than the width by the length of its newline is one with the newline inside (改行を含めて 120 バイト).
    """
    head = head[start:].lstrip(b"\r\n")
    if layout.width is None:
        return FileFraming(b"\r\n" if b"\r\n" in head else b"\n", 0, start=start)
    consts = {field.const[:1].encode() for kind in layout.kinds.values() if (field := kind.fields[0]).const}
    ebcdic = head[:1] not in consts and head[:1].translate(EBCDIC_TO_HALF_WIDTH) in consts
    newlines = _EBCDIC_NEWLINES if ebcdic else _ASCII_NEWLINES
    found = {newline: at for newline in newlines if 0 <= (at := head.find(newline)) <= layout.width}
    if not found:
        return FileFraming(b"", layout.width, ebcdic, start)
    newline = min(found, key=lambda newline: (found[newline], -len(newline)))
    inside = found[newline] + len(newline) == layout.width and _ends_in_filler(layout, len(newline))
    return FileFraming(newline, layout.width - len(newline) if inside else layout.width, ebcdic, start)


def _ends_in_filler(layout: Layout, size: int) -> bool:
    lasts = [kind.fields[-1] for kind in layout.kinds.values()]
    return all(last.type is FieldType.FILLER and last.length >= size for last in lasts)


def frames(stream: BinaryIO, framing: FileFraming) -> Iterator[Frame | Blank]:
    """The records of a file, and the blanks between them, in constant memory."""
    for piece in blocks(stream, framing):
        yield from piece if isinstance(piece, Block | Lines) else (piece,)


def frame_at(stream: BinaryIO, framing: FileFraming, number: int, offset: int) -> Frame:
    """One record of which the number and the first byte are known."""
    stream.seek(offset)
    if framing.width:
        return Frame(number, offset, stream.read(framing.width), True)
    return Frame(number, offset, _without_newline(stream.readline(framing.longest)), True)


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


@dataclass(frozen=True)
class Lines:
    """Lines of a CSV side by side, none of them blank and none too long; iterating gives their frames."""

    number: int
    """Of the first line, from 1."""
    offset: int
    """Of its first byte in the file."""
    content: bytes
    """The lines, each with its newline."""
    count: int

    def __iter__(self) -> Iterator[Frame]:
        at = self.offset
        for number, line in enumerate(self.content.split(b"\n")[:-1], self.number):
            yield Frame(number, at, _without_newline(line), True)
            at += len(line) + 1


Piece = Block | Lines | Frame | Blank


def blocks(stream: BinaryIO, framing: FileFraming) -> Iterator[Piece]:
    """The records of a file: blocks or lines where they are regular, single frames elsewhere, and what is blank.

    What follows the last record is left out: blank lines, blanks, NUL and SUB bytes, in any order and number.
    """
    stream.seek(framing.start)
    pieces = _fixed(stream, framing) if framing.width else _csv(stream, framing)
    last: Frame | None = None
    blank: Blank | None = None
    for piece in pieces:
        if isinstance(piece, Blank):
            blank = piece if blank is None else _joined(blank, piece)
            continue
        if last:
            yield last
        if blank:
            yield blank
        last = blank = None
        if isinstance(piece, Lines):
            yield from _without_last(piece) if (last := _padded_line(piece)) else (piece,)
        elif isinstance(piece, Frame) and _is_padded(piece, framing):
            last = piece
        else:
            yield piece
    if last and framing.width:
        yield last._replace(raw=last.raw[: framing.width])
    elif last:  # no newline ends the row itself, so it may be cut
        yield last._replace(raw=last.raw.rstrip(_PADDING), closed=False)


def _joined(blank: Blank, more: Blank) -> Blank:
    return Blank(blank.number, blank.offset, blank.count + more.count, blank.damaged or more.damaged)


def _is_padded(frame: Frame, framing: FileFraming) -> bool:
    """Whether a whole record is followed by padding in its line, which only the last one may be."""
    width = framing.width
    return 0 < width < len(frame.raw) and not frame.raw[width:].strip(framing.padding)


def _padded_line(lines: Lines) -> Frame | None:
    """The last line, if NUL or SUB bytes precede its newline: padding behind the last row of a file."""
    start = lines.content.rfind(b"\n", 0, -1) + 1
    raw = _without_newline(lines.content[start:])
    if raw == raw.rstrip(_PADDING):
        return None
    return Frame(lines.number + lines.count - 1, lines.offset + start, raw, True)


def _without_last(lines: Lines) -> Iterator[Lines]:
    if lines.count > 1:
        end = lines.content.rfind(b"\n", 0, -1) + 1
        yield Lines(lines.number, lines.offset, lines.content[:end], lines.count - 1)


def _fixed(stream: BinaryIO, framing: FileFraming) -> Iterator[Block | Frame | Blank]:
    newline, width = framing.newline, framing.width
    step = width + len(newline)
    number, offset, rest = 1, framing.start, b""
    size = max(1, min(_BLOCK, _BLOCK_BYTES // step)) * step
    while chunk := stream.read(size):
        content = rest + chunk
        count = len(content) // step
        if _is_regular(content, count, framing):
            pieces: Iterable[Block | Frame | Blank] = [Block(number, offset, step, width, content, step, count)][:count]
            rest = content[count * step :]
        else:
            *lines, rest = content.split(newline)
            pieces = _grouped(lines, number, offset, framing)
        for piece in pieces:
            if isinstance(piece, Block):
                yield from _without_blanks(piece, framing)
            else:
                yield piece
            number += 1 if isinstance(piece, Frame) else piece.count
        offset += len(content) - len(rest)
        # All but one byte of a newline may stand at the end of the rest.
        while newline and len(rest) >= framing.longest + len(newline):
            yield framing.part(number, offset, rest[: framing.longest], closed=True)
            number, offset, rest = number + 1, offset + framing.longest, rest[framing.longest :]
    if newline and len(rest) <= width:
        rest = rest.rstrip(_END_OF_FILE)
    yield framing.part(number, offset, rest, closed=False)


def _without_blanks(block: Block, framing: FileFraming) -> Iterator[Block | Blank]:
    """A block as the blocks between its blank records."""
    rows = block.rows[:, : block.width]
    padding, blank = _table(framing.padding), _table(framing.blank)
    hints = np.flatnonzero(padding[rows[:, 0]] & padding[rows[:, -1]])
    empty = hints[padding[rows[hints]].all(axis=1)]
    if not empty.size:
        yield block
        return
    is_empty = np.zeros(block.count, np.bool_)
    is_empty[empty] = True
    for start, end in _runs(is_empty):
        number, offset = block.number + start, block.offset + start * block.step
        if is_empty[start]:
            yield Blank(number, offset, end - start, not blank[rows[start:end]].all())
        else:
            content = block.content[start * block.pitch : end * block.pitch]
            yield Block(number, offset, block.step, block.width, content, block.pitch, end - start)


def _table(members: bytes) -> Mask:
    """For each byte, whether it is one of these."""
    table = np.zeros(256, np.bool_)
    table[list(members)] = True
    return table


def _runs(values: npt.NDArray[np.generic]) -> Iterator[tuple[int, int]]:
    """The first and the last index, exclusive, of each run of equal values."""
    edges = np.flatnonzero(values[1:] != values[:-1]) + 1
    return pairwise([0, *edges.tolist(), len(values)])


def _is_regular(content: bytes, count: int, framing: FileFraming) -> bool:
    """Whether each of the first ``count`` records has its width: a newline behind each, and none within."""
    newline, width = framing.newline, framing.width
    if not newline or not count:
        return not newline
    rows = np.frombuffer(content, np.uint8, count * (width + len(newline))).reshape(count, -1)
    behind = all((rows[:, width + i] == byte).all() for i, byte in enumerate(newline))
    return behind and count_of(rows.ravel(), newline[-1]) == count


def _grouped(lines: list[bytes], number: int, offset: int, framing: FileFraming) -> Iterator[Block | Frame | Blank]:
    """Lines as blocks where they have the width, as blanks or single frames where not."""
    width, step, padding = framing.width, framing.width + len(framing.newline), framing.padding
    kinds = groupby(lines, key=lambda line: "fits" if len(line) == width else "other" if line.strip(padding) else "")
    for kind, group in kinds:
        members = list(group)
        if kind == "fits":
            yield Block(number, offset, step, width, b"".join(members), width, len(members))
            number, offset = number + len(members), offset + step * len(members)
        elif kind == "other":
            for line in members:
                for piece in _cut(line, number, offset, framing):
                    yield piece
                    number += 1
                offset += len(line) + len(framing.newline)
        else:
            content = b"".join(members)
            yield Blank(number, offset, len(members), bool(content.strip(framing.blank)))
            number, offset = number + len(members), offset + len(content) + len(framing.newline) * len(members)


def _cut(line: bytes, number: int, offset: int, framing: FileFraming) -> Iterator[Frame | Blank]:
    """A line, in pieces where it is too long to be one."""
    for at in range(0, len(line), framing.longest):
        yield framing.part(number, offset + at, line[at : at + framing.longest], closed=True)
        number += 1


def _csv(stream: BinaryIO, framing: FileFraming) -> Iterator[Lines | Frame | Blank]:
    """The lines of a CSV. A line is a row: no field of a layout holds a newline, so that no quote joins two lines."""
    number, offset, rest = 1, framing.start, b""
    while chunk := stream.read(_CSV_CHUNK):
        content = rest + chunk
        end = content.rfind(b"\n") + 1
        for piece in _sorted(content[:end], number, offset, framing):
            yield piece
            number += 1 if isinstance(piece, Frame) else piece.count
        offset, rest = offset + end, content[end:]
        while len(rest) > framing.longest:
            yield framing.part(number, offset, rest[: framing.longest], closed=True)
            number, offset, rest = number + 1, offset + framing.longest, rest[framing.longest :]
    yield framing.part(number, offset, rest.rstrip(_PADDING), closed=False)


def _sorted(content: bytes, number: int, offset: int, framing: FileFraming) -> Iterator[Lines | Frame | Blank]:
    """Whole lines, by what they are: rows, blank lines, and lines too long to be one."""
    if not content:
        return
    buffer = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(buffer == _NEWLINE)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts
    padding = _table(framing.padding)
    kinds = np.where(lengths > framing.longest, _LONG, _ROWS).astype(np.int8)
    # The byte before an empty line is a newline, too.
    hints = np.flatnonzero(padding[buffer[starts]] & padding[buffer[ends - 1]] & (kinds == _ROWS))
    kinds[hints[lengths[hints] <= 2]] = _EMPTY
    for i in hints[lengths[hints] > 2].tolist():
        if not content[starts[i] : ends[i]].strip(framing.padding):
            kinds[i] = _EMPTY
    for first, behind in _runs(kinds):
        start, end, count = int(starts[first]), int(ends[behind - 1]) + 1, behind - first
        if kinds[first] == _ROWS:
            yield Lines(number, offset + start, content[start:end], count)
        elif kinds[first] == _EMPTY:
            yield Blank(number, offset + start, count, bool(content[start:end].strip(framing.blank)))
        else:
            for i in range(first, behind):
                for piece in _cut(content[starts[i] : ends[i]], number, offset + int(starts[i]), framing):
                    yield piece
                    number += 1
            continue
        number += count


def _without_newline(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")
