"""Framing: split the bytes of a file into records of a fixed width or rows of a CSV, and a row into its cells.

Nothing here reads the value of a field. Cells are split as bytes, because an issue names its byte: neither comma nor
quote is ever the second byte of a cp932 character, and none is part of a UTF-8 one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, pairwise
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from kokin._arrow.convert import BoolArray, Int64Array, UInt8Array
from kokin.issues import InvalidInputError, Issue, Location
from kokin.receipts.layouts import FieldType, Layout
from kokin.text import EBCDIC_TO_HALF_WIDTH

CHUNK_BYTES = 1 << 20
_ASCII_NEWLINES = (b"\r\n", b"\n", b"\r")
# CR LF, NEL and CR NEL of EBCDIC, and the newlines of ASCII, which a transfer adds without translating the records.
_EBCDIC_NEWLINES = (b"\r\x25", b"\r\x15", b"\r\n", b"\x25", b"\x15", b"\n", b"\r")
_END_OF_FILE = b"\x1a"
_NEWLINE_NAMES = {b"\r\n": "CRLF", b"\n": "LF", b"\r": "CR"}
# A longer line is split, unless records are wider.
_MAX_LINE_BYTES = 1 << 16
# Records in a block or in lines at most.
_BLOCK_RECORDS = 1 << 16
#: Bytes of a block at most. Small ones need less memory; large ones are read faster, for all receipts at once.
SMALL_BLOCK_BYTES, LARGE_BLOCK_BYTES = 1 << 21, 1 << 23
# Bytes of a CSV that are split at once; the columns of the fast reader need ten times as much memory.
_CSV_CHUNK_BYTES = 1 << 22
# The part of a chunk of which a mask fits into the cache of the processor.
_CACHED_BYTES = 1 << 18
# The bytes of a blank line; in a CSV commas and quotes, too.
_BLANK, _BLANK_EBCDIC, _BLANK_CSV = b" \r\n", b"\x40\r\n\x25\x15", b' \t\r\n,"'
# Other bytes that pad a file behind its last record: NUL and SUB (0x1A; 0x3F in EBCDIC).
_PADDING, _PADDING_EBCDIC = b"\0\x1a", b"\0\x1a\x3f"
# For each delimiter: a cell with or without quotes, and the delimiter or the end behind it.
_CELLS = {
    delimiter: re.compile(rb'(?:"((?:[^"]++|"")*+)"|([^"' + delimiter + rb"]*+))(" + delimiter + rb"|\Z)")
    for delimiter in (b",", b"\t", b";")
}
# A row of such cells.
_ROWS = {
    delimiter: re.compile(cell + rb"(?:" + delimiter + cell + rb")*+")
    for delimiter in _CELLS
    for cell in [rb'(?:"(?:[^"]++|"")*+"|[^"' + delimiter + rb"]*+)"]
}


class Frame(NamedTuple):
    """The bytes of one record."""

    record_no: int
    """From 1."""
    byte_offset: int
    """Of the first byte, from the start of the file."""
    raw: bytes
    """Without the newline."""
    is_terminated: bool
    """Whether a newline, or the full width of a file without newlines, ends it; a cut record has neither."""


@dataclass(frozen=True)
class _Consecutive:
    """Consecutive records or lines."""

    record_no: int
    """Of the first one, from 1."""
    byte_offset: int
    """Of its first byte, from the start of the file."""
    count: int


@dataclass(frozen=True)
class Blank(_Consecutive):
    """Blank lines, or widths of a file without newlines: not records, though they are numbered as such."""

    is_damaged: bool
    """Whether they contain NUL or SUB: padding behind the last record, and a sign of damage before it."""


@dataclass(frozen=True)
class Block(_Consecutive):
    """Records of one width; iterating yields their frames."""

    content: bytes
    width: int
    """Bytes of a record without its newline."""
    stride: int
    """Bytes from one record to the next in ``content``."""
    file_stride: int
    """Bytes from one record to the next in the file."""

    def frame(self, i: int) -> Frame:
        """Return one of the records, from 0."""
        start = i * self.stride
        raw = self.content[start : start + self.width]
        return Frame(self.record_no + i, self.byte_offset + i * self.file_stride, raw, True)

    def part(self, start: int, end: int) -> Block:
        """Return the records from ``start`` to before ``end``."""
        if (start, end) == (0, self.count):
            return self
        content = self.content[start * self.stride : end * self.stride]
        first, offset = self.record_no + start, self.byte_offset + start * self.file_stride
        return replace(self, record_no=first, byte_offset=offset, count=end - start, content=content)

    @property
    def rows(self) -> UInt8Array:
        """The records as a matrix of bytes, uint8 (count, stride)."""
        return np.frombuffer(self.content, np.uint8, self.count * self.stride).reshape(self.count, self.stride)

    @property
    def starts(self) -> Int64Array:
        """The first byte of each record in ``content``, int64 (count,)."""
        return np.arange(self.count) * self.stride

    @property
    def lengths(self) -> Int64Array:
        """The width of each record, int64 (count,)."""
        return np.full(self.count, self.width)

    def offsets(self, indexes: npt.NDArray[np.intp]) -> Int64Array:
        """Return the first byte in the file of each of the records with these indexes, int64 (n,)."""
        return self.byte_offset + indexes * self.file_stride

    def __iter__(self) -> Iterator[Frame]:
        return (self.frame(i) for i in range(self.count))


@dataclass(frozen=True)
class FileFraming:
    """How the records of a file are separated, as ``detect`` infers it from the first bytes."""

    newline: bytes
    """After each record; empty where records have none."""
    width: int
    """Bytes of a record in the file, without its newline; 0 for a CSV."""
    ebcdic: bool = False
    start: int = 0
    """Bytes before the first record: a header row, or a byte order mark that is ignored."""
    delimiter: bytes = b","
    """The byte between two cells of a CSV."""

    @property
    def max_line_bytes(self) -> int:
        """The length above which a line is split into several records, each of them invalid."""
        return max(_MAX_LINE_BYTES, self.width)

    @property
    def line_newline(self) -> bytes:
        """The bytes that end each line: in a CSV LF, before which a CR is not part of the row.

        A CR without LF is replaced before: see ``with_line_feeds``.
        """
        return self.newline if self.width else b"\n"

    @property
    def blank_bytes(self) -> bytes:
        """The bytes that a blank line consists of."""
        return (_BLANK_EBCDIC if self.ebcdic else _BLANK) if self.width else _BLANK_CSV + self.delimiter

    @property
    def padding_bytes(self) -> bytes:
        """The bytes that may follow the last record."""
        return self.blank_bytes + (_PADDING_EBCDIC if self.ebcdic else _PADDING)

    def frame_or_blank(self, record_no: int, byte_offset: int, raw: bytes, *, is_terminated: bool) -> Frame | Blank:
        """Return the record with these bytes, or a blank if they are only padding."""
        if raw.strip(self.padding_bytes):
            return Frame(record_no, byte_offset, raw, is_terminated)
        return Blank(record_no, byte_offset, 1, bool(raw.strip(self.blank_bytes)))

    def describe(self) -> str:
        """Describe the framing in words.

        >>> FileFraming(bytes([13, 10]), 118).describe()
        '118 bytes and CRLF'
        """
        newline = _NEWLINE_NAMES.get(self.newline, self.newline.hex(" ").upper())
        if not self.width:
            return f"rows ending in {newline}"
        end = f"and {newline}" if newline else "without newline"
        return f"{self.width} bytes {end}{', EBCDIC' if self.ebcdic else ''}"


@dataclass(frozen=True)
class Lines(_Consecutive):
    """Lines of any length: the rows of a CSV, or fixed-width records among others; iterating yields their frames.

    Some of them may be blank, but neither the first nor the last line of a piece is; none is too long to be a record.
    """

    content: bytes
    """The lines, each with its newline if the file has newlines."""
    starts: Int64Array
    """The first byte of each line in ``content``, int64 (count,)."""
    lengths: Int64Array
    """The length of each line without its newline, int64 (count,)."""
    blanks: BoolArray
    """Whether each line consists of padding only, bool (count,)."""
    framing: FileFraming

    def frame(self, i: int) -> Frame:
        """Return one of the lines, from 0, as a record."""
        start = int(self.starts[i])
        raw = self.content[start : start + int(self.lengths[i])]
        return Frame(self.record_no + i, self.byte_offset + start, raw, True)

    @cached_property
    def rows(self) -> Int64Array:
        """The index of each line that is not blank, int64 (n,)."""
        return np.flatnonzero(~self.blanks)

    @cached_property
    def frame_starts(self) -> Int64Array:
        """The index of each line that is not blank, and of the first one of consecutive blank lines, int64 (n,)."""
        return np.flatnonzero(~(self.blanks & np.concatenate([[False], self.blanks[:-1]])))

    def blank(self, i: int) -> Blank:
        """Return the consecutive blank lines of which the first one has this index."""
        next_row = int(np.searchsorted(self.rows, i))
        end = int(self.rows[next_row]) if next_row < len(self.rows) else self.count
        start = int(self.starts[i])
        behind = int(self.starts[end]) if end < self.count else len(self.content)
        is_damaged = bool(self.content[start:behind].strip(self.framing.blank_bytes))
        return Blank(self.record_no + i, self.byte_offset + start, end - i, is_damaged)

    @property
    def has_damaged_blanks(self) -> bool:
        """Whether a blank line may contain NUL or SUB."""
        return any(byte in self.content for byte in set(self.framing.padding_bytes) - set(self.framing.blank_bytes))

    def part(self, start: int, end: int) -> Lines:
        """Return the lines from ``start`` to before ``end``."""
        if (start, end) == (0, self.count):
            return self
        first = int(self.starts[start])
        behind = int(self.starts[end]) if end < self.count else len(self.content)
        return replace(
            self,
            record_no=self.record_no + start,
            byte_offset=self.byte_offset + first,
            count=end - start,
            content=self.content[first:behind],
            starts=self.starts[start:end] - first,
            lengths=self.lengths[start:end],
            blanks=self.blanks[start:end],
        )

    def matrix(self, indexes: Int64Array, width: int) -> UInt8Array:
        """Return the first ``width`` bytes of each of the lines with these indexes, uint8 (n, width), a copy.

        The bytes are seen as overlapping items of ``width`` bytes, one from every byte on, and the items are taken.
        """
        if not len(indexes):
            return np.empty((0, width), np.uint8)
        kind = np.dtype((np.void, width))
        from_every_byte = np.ndarray((len(self.content) - width + 1,), kind, self.content, 0, (1,))
        return from_every_byte[self.starts[indexes]].view(np.uint8).reshape(-1, width)

    def offsets(self, indexes: npt.NDArray[np.intp]) -> Int64Array:
        """Return the first byte in the file of each of the lines with these indexes, int64 (n,)."""
        return np.asarray(self.byte_offset + self.starts[indexes])

    def __iter__(self) -> Iterator[Frame | Blank]:
        for i in self.frame_starts.tolist():
            yield self.blank(i) if self.blanks[i] else self.frame(i)


#: A part of a file: records of one width, lines of any length, a record that is cut or part of a long line, or blanks.
Piece = Block | Lines | Frame | Blank


def _next_record_no(piece: Piece) -> int:
    """Return the number of the record behind a piece."""
    return piece.record_no + (1 if isinstance(piece, Frame) else piece.count)


def is_blank(content: bytes, layout: Layout) -> bool:
    """Whether some bytes of a file contain no record, in ASCII or EBCDIC."""
    delimiter = layout.csv.delimiter_byte if layout.csv else b","
    framings = [FileFraming(b"", layout.width or 0, ebcdic, delimiter=delimiter) for ebcdic in (False, True)]
    return any(not content.strip(framing.padding_bytes) for framing in framings)


# A CR that no LF follows; the last byte of a chunk may be the CR of a CR LF.
_LONE_CR, _LONE_CR_OF_CHUNK = re.compile(rb"\r(?!\n)"), re.compile(rb"\r(?!\n|\Z)")


def with_line_feeds(content: bytes, *, is_whole: bool = True) -> bytes:
    r"""Return bytes of a CSV with LF in the place of each CR without LF, which ends a line too; no offset changes.

    Unless ``is_whole``, a CR at the end stays, because more bytes follow.

    >>> with_line_feeds(b"a\rb\r\nc\r"), with_line_feeds(b"a\rb\r", is_whole=False)
    (b'a\nb\r\nc\n', b'a\nb\r')
    """
    if content.count(b"\r") == content.count(b"\r\n"):
        return content
    return (_LONE_CR if is_whole else _LONE_CR_OF_CHUNK).sub(b"\n", content)


def detect(head: bytes, layout: Layout, start: int = 0) -> FileFraming:
    """Infer the framing of a file from its first bytes, at least two records of it.

    A record that is shorter than the width by the length of its newline includes the newline in its width
    (改行を含めて 120 バイト).
    """
    head = head[start:].lstrip(b"\r\n")
    if layout.width is None:
        delimiter = layout.csv.delimiter_byte if layout.csv else b","
        newline = next((newline for newline in _ASCII_NEWLINES if newline in head), b"\n")
        return FileFraming(newline, 0, start=start, delimiter=delimiter)
    consts = {field.const[:1].encode() for kind in layout.records.values() if (field := kind.fields[0]).const}
    ebcdic = head[:1] not in consts and head[:1].translate(EBCDIC_TO_HALF_WIDTH) in consts
    newlines = _EBCDIC_NEWLINES if ebcdic else _ASCII_NEWLINES
    positions = {newline: at for newline in newlines if 0 <= (at := head.find(newline)) <= layout.width}
    if not positions:
        return FileFraming(b"", layout.width, ebcdic, start)
    newline = min(positions, key=lambda newline: (positions[newline], -len(newline)))
    size, last_fields = len(newline), [kind.fields[-1] for kind in layout.records.values()]
    end_in_filler = all(field.type is FieldType.FILLER and field.length >= size for field in last_fields)
    is_inside = positions[newline] + size == layout.width and end_in_filler
    return FileFraming(newline, layout.width - size if is_inside else layout.width, ebcdic, start)


# --- records ----------------------------------------------------------------------------------------------------------


def frames(stream: BinaryIO, framing: FileFraming) -> Iterator[Frame | Blank]:
    """Yield the records of a file, and the blanks between them, in constant memory."""
    for piece in blocks(stream, framing):
        yield from piece if isinstance(piece, Block | Lines) else (piece,)


def blocks(stream: BinaryIO, framing: FileFraming, block_bytes: int = SMALL_BLOCK_BYTES) -> Iterator[Piece]:
    """Yield the records of a file: regular ones as blocks or lines, others as frames, and consecutive blanks as one.

    Padding behind the last record is left out: blank lines, blanks, NUL and SUB bytes, in any order and number. For
    ``RECORD LF RECORD LF LF RECORD SUB`` that is a block of 2, a blank, and a frame without its SUB.
    """
    stream.seek(framing.start)
    padded: Frame | None = None  # a record with padding behind it, which only the last one may have
    blank: Blank | None = None
    for piece in _split(stream, framing, block_bytes):
        if isinstance(piece, Blank):
            before, blank = blank, piece
            if before:
                is_damaged = before.is_damaged or piece.is_damaged
                blank = replace(before, count=before.count + piece.count, is_damaged=is_damaged)
            continue
        if padded:
            yield padded
        if blank:
            yield blank
        padded = blank = None
        if isinstance(piece, Lines) and _is_padded(piece.frame(piece.count - 1), framing):
            padded = piece.frame(piece.count - 1)
            if piece.count > 1:
                yield from _without_blank_ends(piece.part(0, piece.count - 1))
        elif isinstance(piece, Frame) and framing.width and _is_padded(piece, framing):
            padded = piece
        else:
            yield piece
    if padded and framing.width:
        yield padded._replace(raw=padded.raw[: framing.width])
    elif padded:  # no newline ends the row itself, so it may be cut
        yield padded._replace(raw=padded.raw.rstrip(_PADDING), is_terminated=False)


def _is_padded(frame: Frame, framing: FileFraming) -> bool:
    """Whether padding follows a record in its line; in a CSV only NUL and SUB."""
    width = framing.width
    if not width:
        return frame.raw != frame.raw.rstrip(_PADDING)
    return width < len(frame.raw) and not frame.raw[width:].strip(framing.padding_bytes)


def _split(stream: BinaryIO, framing: FileFraming, block_bytes: int) -> Iterator[Piece]:
    """Split a file chunk by chunk; the bytes behind the last whole record of a chunk go before the next chunk.

    A line without an end in sight is split before it fills the memory.
    """
    file_stride, newline = framing.width + len(framing.newline), framing.newline
    size = max(1, min(_BLOCK_RECORDS, block_bytes // file_stride)) * file_stride if framing.width else _CSV_CHUNK_BYTES
    record_no, offset, rest = 1, framing.start, b""
    while chunk := stream.read(size):
        content = rest + chunk if framing.width else with_line_feeds(rest + chunk, is_whole=False)
        pieces, end = _whole_lines(content, record_no, offset, framing)
        for piece in pieces:
            yield piece
            record_no = _next_record_no(piece)
        offset, rest = offset + end, content[end:]
        # The end of the rest may be all but one byte of a newline.
        while newline and len(rest) >= framing.max_line_bytes + len(newline):
            line, rest = rest[: framing.max_line_bytes], rest[framing.max_line_bytes :]
            yield framing.frame_or_blank(record_no, offset, line, is_terminated=True)
            record_no, offset = record_no + 1, offset + len(line)
    is_terminated = not framing.width and rest.endswith(b"\r")
    if not framing.width:
        rest = rest.removesuffix(b"\r").rstrip(_PADDING)
    elif newline and len(rest) <= framing.width:
        rest = rest.rstrip(_END_OF_FILE)
    yield framing.frame_or_blank(record_no, offset, rest, is_terminated=is_terminated)


def _whole_lines(content: bytes, record_no: int, offset: int, framing: FileFraming) -> tuple[Iterator[Piece], int]:
    """Split the whole records or lines at the beginning of a chunk; also return their length in bytes.

    A line of a CSV is a row: no field of a layout contains a newline, so a quote never continues on the next line.
    """
    if framing.width:
        stride = framing.width + len(framing.newline)
        count = len(content) // stride
        if _is_regular(content, count, framing):
            content = content[: count * stride]
            block = Block(record_no, offset, count, content, framing.width, stride, stride)
            has_blanks = _are_blank(content, block.starts, block.lengths, framing).any()
            regular = [block] if count and not has_blanks else []
            return iter(regular) if regular else _pieces(content, record_no, offset, framing), len(content)
    newline = framing.line_newline
    end = content.rfind(newline) + len(newline) if newline in content else 0
    return _pieces(content[:end], record_no, offset, framing), end


def _is_regular(content: bytes, count: int, framing: FileFraming) -> bool:
    """Whether each of the first ``count`` records has its width: a newline behind each, and none within."""
    newline, width = framing.newline, framing.width
    if not newline or not count:
        return not newline
    rows = np.frombuffer(content, np.uint8, count * (width + len(newline))).reshape(count, -1)
    are_behind = all((rows[:, width + i] == byte).all() for i, byte in enumerate(newline))
    parts = (rows.ravel()[start : start + _CACHED_BYTES] for start in range(0, rows.size, _CACHED_BYTES))
    return are_behind and sum(np.count_nonzero(part == newline[-1]) for part in parts) == count


def _byte_table(members: bytes) -> BoolArray:
    """Whether each of the 256 byte values is a member, bool (256,)."""
    table = np.zeros(256, np.bool_)
    table[list(members)] = True
    return table


def _runs(values: npt.NDArray[np.generic]) -> Iterator[tuple[int, int]]:
    """Yield the first index and the end of each run of equal values: (0, 2) and (2, 3) for ``[7, 7, 5]``."""
    edges = np.flatnonzero(values[1:] != values[:-1]) + 1
    return pairwise([0, *edges.tolist(), len(values)])


def _line_ends(content: bytes, newline: bytes) -> Int64Array:
    """Return where each newline begins in the content, int64 (n,); of two bytes, they differ."""
    buffer = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(buffer == newline[-1]) - (len(newline) - 1)
    return ends[(ends >= 0) & (buffer[ends] == newline[0])] if len(newline) > 1 else ends


def lines_of(content: bytes, record_no: int, offset: int, framing: FileFraming) -> Lines:
    """Return the lines of which a content consists; of a file without newlines these have the width of a record."""
    newline = framing.line_newline
    if not framing.width:
        content = with_line_feeds(content)
    if newline:
        ends = _line_ends(content, newline)
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + len(newline)])[: len(ends)]
    else:
        starts = np.arange(0, len(content), framing.width)
        ends = starts + framing.width
    if not framing.width:  # a CSV may have CR LF and LF
        ends = ends - ((ends > starts) & (np.frombuffer(content, np.uint8)[ends - 1] == ord("\r")))
    blanks = _are_blank(content, starts, ends - starts, framing)
    return Lines(record_no, offset, len(starts), content, starts, ends - starts, blanks, framing)


def _are_blank(content: bytes, starts: Int64Array, lengths: Int64Array, framing: FileFraming) -> BoolArray:
    """Whether each line consists of padding only, bool (n,)."""
    blanks: BoolArray = lengths == 0
    is_padding, buffer = _byte_table(framing.padding_bytes), np.frombuffer(content, np.uint8)
    # Few lines begin and end with padding, so that few are looked at as a whole.
    first = buffer[np.minimum(starts, len(buffer) - 1)]
    candidates = np.flatnonzero(is_padding[first] & ~blanks)
    candidates = candidates[is_padding[buffer[starts[candidates] + lengths[candidates] - 1]]]
    is_short = lengths[candidates] <= 2
    blanks[candidates[is_short]] = True
    longer = candidates[~is_short]
    bounds = zip(longer.tolist(), starts[longer].tolist(), (starts + lengths)[longer].tolist(), strict=True)
    padding = framing.padding_bytes
    blanks[[i for i, start, end in bounds if not content[start:end].strip(padding)]] = True
    return blanks


def _pieces(content: bytes, record_no: int, offset: int, framing: FileFraming) -> Iterator[Piece]:
    """Yield the lines of which a content consists, blank ones at the ends of a piece as blanks.

    A line that is too long to be a record is yielded in several frames.
    """
    if not content:
        return
    lines = lines_of(content, record_no, offset, framing)
    are_long = lines.lengths > framing.max_line_bytes
    for first, behind in _runs(are_long):
        pieces: Iterable[Piece]
        if are_long[first]:
            frames = (lines.frame(i) for i in range(first, behind))
            pieces = _split_lines(((frame.byte_offset, frame.raw) for frame in frames), record_no, framing)
        else:
            parts = pairwise([*range(first, behind, _BLOCK_RECORDS), behind])
            numbered = replace(lines, record_no=record_no - first)
            pieces = chain.from_iterable(_without_blank_ends(numbered.part(start, end)) for start, end in parts)
        for piece in pieces:
            yield piece
            record_no = _next_record_no(piece)


def _without_blank_ends(lines: Lines) -> Iterator[Lines | Blank]:
    """Yield the blank lines at the beginning, the lines up to the last record, and the blank lines behind it."""
    if not lines.rows.size:
        yield lines.blank(0)
        return
    first, behind = int(lines.rows[0]), int(lines.rows[-1]) + 1
    if first:
        yield lines.blank(0)
    yield lines.part(first, behind)
    if behind < lines.count:
        yield lines.blank(behind)


def _split_lines(lines: Iterable[tuple[int, bytes]], record_no: int, framing: FileFraming) -> Iterator[Frame | Blank]:
    """Yield lines, each with its offset, as records; a line that is too long to be one as several."""
    size = framing.max_line_bytes
    parts = ((offset + i, line[i : i + size]) for offset, line in lines for i in range(0, len(line), size))
    for number, (offset, raw) in enumerate(parts, record_no):
        yield framing.frame_or_blank(number, offset, raw, is_terminated=True)


# --- the cells of a row -----------------------------------------------------------------------------------------------


def split_row(row: bytes, delimiter: bytes = b",") -> list[bytes]:
    """Return the cells of a row, without quotes.

    Raises:
        InvalidInputError: a quote that is not closed, or inside a value.

    >>> split_row(b'01,"a, b",')
    [b'01', b'a, b', b'']
    """
    return [cell for _, cell in _quoted_cells(row, delimiter)] if b'"' in row else row.split(delimiter)


def has_stray_quote(row: bytes, delimiter: bytes = b",") -> bool:
    """Whether :func:`split_row` raises for a row; without the time that an exception needs.

    >>> has_stray_quote(b'01,"a, b",'), has_stray_quote(b'01,a"b')
    (False, True)
    """
    return _ROWS[delimiter].fullmatch(row) is None


def cell_starts(row: bytes, delimiter: bytes = b",") -> list[int]:
    """Return the first byte of each cell that :func:`split_row` returns.

    >>> cell_starts(b'01,"a, b",')
    [0, 4, 10]
    """
    if b'"' in row:
        return [start for start, _ in _quoted_cells(row, delimiter)]
    return [0, *(found.end() for found in re.finditer(delimiter, row))]


def _quoted_cells(row: bytes, delimiter: bytes) -> Iterator[tuple[int, bytes]]:
    start, cell = 0, _CELLS[delimiter]
    # Matched, never searched: a search would try every later byte of a row without a cell here.
    while match := cell.match(row, start):
        quoted, plain, separator = match.groups()
        yield (start, plain) if quoted is None else (start + 1, quoted.replace(b'""', b'"'))
        start = match.end()
        if not separator:
            return
    raise InvalidInputError([Issue("QUOTES", location=Location(byte=start))])


def join_row(cells: list[bytes], quoted: list[bool], delimiter: bytes = b",") -> bytes:
    """Join the cells of a row, with quotes where ``quoted`` or necessary.

    >>> join_row([b'01', b'a, b', b'c'], [False, False, True])
    b'01,"a, b","c"'
    """
    return delimiter.join(
        b'"' + cell.replace(b'"', b'""') + b'"' if is_quoted or delimiter in cell or b'"' in cell else cell
        for cell, is_quoted in zip(cells, quoted, strict=True)
    )
