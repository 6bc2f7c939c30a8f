"""Framing: split the bytes of a file into records of a fixed width or rows of a CSV, and a row into its cells.

Nothing here reads the value of a field. Cells are split as bytes, because an issue names its byte: neither comma nor
quote is ever the second byte of a cp932 character, and none is part of a UTF-8 one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
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
# Records in a block or in lines, and the bytes of a block at most.
_BLOCK_RECORDS, _BLOCK_BYTES = 1 << 16, 1 << 21
# Bytes of a CSV that are split at once; the columns of the fast reader need ten times as much memory.
_CSV_CHUNK_BYTES = 1 << 22
# The part of a chunk of which a mask fits into the cache of the processor.
_CACHED_BYTES = 1 << 18
# The bytes of a blank line; in a CSV commas and quotes, too.
_BLANK, _BLANK_EBCDIC, _BLANK_CSV = b" \r\n", b"\x40\r\n\x25\x15", b' \t\r\n,"'
# Other bytes that pad a file behind its last record: NUL and SUB (0x1A; 0x3F in EBCDIC).
_PADDING, _PADDING_EBCDIC = b"\0\x1a", b"\0\x1a\x3f"
# The kinds of lines: of a CSV, or of fixed-width records, where a row has another width than a record.
_ROW, _BLANK_LINE, _LONG_LINE, _RECORD = range(4)
# For each delimiter: a cell with or without quotes, and the delimiter or the end behind it.
_CELLS = {
    delimiter: re.compile(rb'(?:"((?:[^"]++|"")*+)"|([^"' + delimiter + rb"]*+))(" + delimiter + rb"|\Z)")
    for delimiter in (b",", b"\t", b";")
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
class Lines(_Consecutive):
    """Lines of a CSV, none of them blank and none too long; iterating yields their frames."""

    content: bytes
    """The lines, each with its newline."""

    def __iter__(self) -> Iterator[Frame]:
        offset = self.byte_offset
        for record_no, line in enumerate(self.content.split(b"\n")[:-1], self.record_no):
            yield Frame(record_no, offset, _without_newline(line), True)
            offset += len(line) + 1


@dataclass(frozen=True)
class OtherLines(_Consecutive):
    """Lines that are longer or shorter than the records of their file, none of them blank or too long."""

    content: bytes
    """The lines, each with its newline."""
    newline: bytes

    @cached_property
    def starts(self) -> Int64Array:
        """The first byte of each line in ``content``, int64 (count,)."""
        return _line_starts(self._ends, self.newline)

    @cached_property
    def lengths(self) -> Int64Array:
        """The length of each line without its newline, int64 (count,)."""
        return self._ends - self.starts

    @cached_property
    def _ends(self) -> Int64Array:
        return _line_ends(self.content, self.newline)

    def frame(self, i: int) -> Frame:
        """Return one of the lines, from 0."""
        start = int(self.starts[i])
        return Frame(self.record_no + i, self.byte_offset + start, self.content[start : int(self._ends[i])], True)

    def __iter__(self) -> Iterator[Frame]:
        return map(self.frame, range(self.count))


#: A part of a file: regular records as one block or as lines, any other record as a frame, and blank lines.
Piece = Block | Lines | OtherLines | Frame | Blank


def _next_record_no(piece: Piece) -> int:
    """Return the number of the record behind a piece."""
    return piece.record_no + (1 if isinstance(piece, Frame) else piece.count)


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


def is_blank(content: bytes, layout: Layout) -> bool:
    """Whether some bytes of a file contain no record, in ASCII or EBCDIC."""
    delimiter = layout.csv.delimiter_byte if layout.csv else b","
    framings = [FileFraming(b"", layout.width or 0, ebcdic, delimiter=delimiter) for ebcdic in (False, True)]
    return any(not content.strip(framing.padding_bytes) for framing in framings)


def detect(head: bytes, layout: Layout, start: int = 0) -> FileFraming:
    """Infer the framing of a file from its first bytes, at least two records of it.

    A record that is shorter than the width by the length of its newline includes the newline in its width
    (改行を含めて 120 バイト).
    """
    head = head[start:].lstrip(b"\r\n")
    if layout.width is None:
        delimiter = layout.csv.delimiter_byte if layout.csv else b","
        return FileFraming(b"\r\n" if b"\r\n" in head else b"\n", 0, start=start, delimiter=delimiter)
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
        yield from piece if isinstance(piece, Block | Lines | OtherLines) else (piece,)


def blocks(stream: BinaryIO, framing: FileFraming) -> Iterator[Piece]:
    """Yield the records of a file: regular ones as blocks or lines, others as frames, and consecutive blanks as one.

    Padding behind the last record is left out: blank lines, blanks, NUL and SUB bytes, in any order and number. For
    ``RECORD LF RECORD LF LF RECORD SUB`` that is a block of 2, a blank, and a frame without its SUB.
    """
    stream.seek(framing.start)
    padded: Frame | None = None  # a record with padding behind it, which only the last one may have
    blank: Blank | None = None
    for piece in _split(stream, framing):
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
        if isinstance(piece, Lines):
            lines, padded = _without_padded_line(piece)
            yield from lines
        elif isinstance(piece, OtherLines) and _is_padded(piece.frame(piece.count - 1), framing):
            padded = piece.frame(piece.count - 1)
            if piece.count > 1:
                yield replace(piece, count=piece.count - 1, content=piece.content[: int(piece.starts[-1])])
        elif isinstance(piece, Frame) and _is_padded(piece, framing):
            padded = piece
        else:
            yield piece
    if padded and framing.width:
        yield padded._replace(raw=padded.raw[: framing.width])
    elif padded:  # no newline ends the row itself, so it may be cut
        yield padded._replace(raw=padded.raw.rstrip(_PADDING), is_terminated=False)


def _is_padded(frame: Frame, framing: FileFraming) -> bool:
    """Whether padding follows a record of the full width in its line."""
    width = framing.width
    return 0 < width < len(frame.raw) and not frame.raw[width:].strip(framing.padding_bytes)


def _without_padded_line(lines: Lines) -> tuple[list[Lines], Frame | None]:
    """Split off the last line if NUL or SUB bytes precede its newline."""
    start = lines.content.rfind(b"\n", 0, -1) + 1
    raw = _without_newline(lines.content[start:])
    if raw == raw.rstrip(_PADDING):
        return [lines], None
    others = [replace(lines, count=lines.count - 1, content=lines.content[:start])] if start else []
    return others, Frame(_next_record_no(lines) - 1, lines.byte_offset + start, raw, True)


def _split(stream: BinaryIO, framing: FileFraming) -> Iterator[Piece]:
    """Split a file chunk by chunk; the bytes behind the last whole record of a chunk go before the next chunk.

    A line without an end in sight is split before it fills the memory.
    """
    file_stride, newline = framing.width + len(framing.newline), framing.newline
    size = max(1, min(_BLOCK_RECORDS, _BLOCK_BYTES // file_stride)) * file_stride if framing.width else _CSV_CHUNK_BYTES
    record_no, offset, rest = 1, framing.start, b""
    while chunk := stream.read(size):
        content = rest + chunk
        pieces, end = (_fixed if framing.width else _csv)(content, record_no, offset, framing)
        for piece in pieces:
            yield piece
            record_no = _next_record_no(piece)
        offset, rest = offset + end, content[end:]
        # The end of the rest may be all but one byte of a newline.
        while newline and len(rest) >= framing.max_line_bytes + len(newline):
            line, rest = rest[: framing.max_line_bytes], rest[framing.max_line_bytes :]
            yield framing.frame_or_blank(record_no, offset, line, is_terminated=True)
            record_no, offset = record_no + 1, offset + len(line)
    if not framing.width:
        rest = rest.rstrip(_PADDING)
    elif newline and len(rest) <= framing.width:
        rest = rest.rstrip(_END_OF_FILE)
    yield framing.frame_or_blank(record_no, offset, rest, is_terminated=False)


def _fixed(content: bytes, record_no: int, offset: int, framing: FileFraming) -> tuple[Iterator[Piece], int]:
    """Split the whole records at the beginning of a chunk of fixed-width records; also return their length in bytes."""
    width, stride = framing.width, framing.width + len(framing.newline)
    count = len(content) // stride
    if _is_regular(content, count, framing):
        block = Block(record_no, offset, count, content, width, stride, stride)
        return _without_blanks(block, framing), count * stride
    ends = _line_ends(content, framing.newline)
    length = int(ends[-1]) + len(framing.newline) if len(ends) else 0
    return _other_pieces(content[:length], ends, record_no, offset, framing), length


def _is_regular(content: bytes, count: int, framing: FileFraming) -> bool:
    """Whether each of the first ``count`` records has its width: a newline behind each, and none within."""
    newline, width = framing.newline, framing.width
    if not newline or not count:
        return not newline
    rows = np.frombuffer(content, np.uint8, count * (width + len(newline))).reshape(count, -1)
    are_behind = all((rows[:, width + i] == byte).all() for i, byte in enumerate(newline))
    parts = (rows.ravel()[start : start + _CACHED_BYTES] for start in range(0, rows.size, _CACHED_BYTES))
    return are_behind and sum(np.count_nonzero(part == newline[-1]) for part in parts) == count


def _without_blanks(block: Block, framing: FileFraming) -> Iterator[Block | Blank]:
    """Split a block into the blocks between its blank records, and the blanks."""
    if not block.count:
        return
    rows = block.rows[:, : block.width]
    is_padding, is_blank_byte = _byte_table(framing.padding_bytes), _byte_table(framing.blank_bytes)
    # Few records begin and end with padding, so that few are compared as a whole.
    candidates = np.flatnonzero(is_padding[rows[:, 0]] & is_padding[rows[:, -1]])
    blank_rows = candidates[is_padding[rows[candidates]].all(axis=1)]
    if not blank_rows.size:
        yield block
        return
    is_blank_row = np.zeros(block.count, np.bool_)
    is_blank_row[blank_rows] = True
    for start, end in _runs(is_blank_row):
        part = block.part(start, end)
        if is_blank_row[start]:
            yield Blank(part.record_no, part.byte_offset, part.count, not is_blank_byte[rows[start:end]].all())
        else:
            yield part


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


def _line_starts(ends: Int64Array, newline: bytes) -> Int64Array:
    return np.concatenate([np.zeros(1, np.int64), ends[:-1] + len(newline)])[: len(ends)]


def _other_pieces(
    content: bytes, ends: Int64Array, record_no: int, offset: int, framing: FileFraming
) -> Iterator[Piece]:
    """Yield consecutive lines of the full width as a block, others as other lines, blank ones as a blank.

    ``ends`` are those of the lines of which ``content`` consists, int64 (n,).
    """
    if not len(ends):
        return
    width, newline = framing.width, framing.newline
    starts = _line_starts(ends, newline)
    lengths = ends - starts
    kinds = np.where(lengths == width, _RECORD, _ROW).astype(np.int8)
    kinds[lengths > framing.max_line_bytes] = _LONG_LINE
    kinds[(lengths != width) & _is_blank_line(content, starts, lengths, framing.padding_bytes)] = _BLANK_LINE
    for first, behind in _runs(kinds):
        start, count = int(starts[first]), behind - first
        lines = content[start : int(ends[behind - 1]) + len(newline)]
        pieces: Iterable[Piece]
        if kinds[first] == _RECORD:
            stride = width + len(newline)
            block = Block(record_no, offset + start, count, lines, width, stride, stride)
            pieces = _without_blanks(block, framing)
        elif kinds[first] == _ROW:
            pieces = [OtherLines(record_no, offset + start, count, lines, newline)]
        elif kinds[first] == _BLANK_LINE:
            pieces = [Blank(record_no, offset + start, count, bool(lines.strip(framing.blank_bytes)))]
        else:
            bounds = zip(starts[first:behind].tolist(), ends[first:behind].tolist(), strict=True)
            pieces = _split_lines(((offset + start, content[start:end]) for start, end in bounds), record_no, framing)
        for piece in pieces:
            yield piece
            record_no = _next_record_no(piece)


def _is_blank_line(content: bytes, starts: Int64Array, lengths: Int64Array, padding: bytes) -> BoolArray:
    """Whether each line consists of padding only, bool (n,)."""
    is_padding = _byte_table(padding)[np.frombuffer(content, np.uint8)]
    padding_before = np.concatenate([[0], np.cumsum(is_padding)])
    return np.asarray(padding_before[starts + lengths] - padding_before[starts] == lengths)


def _split_lines(lines: Iterable[tuple[int, bytes]], record_no: int, framing: FileFraming) -> Iterator[Frame | Blank]:
    """Yield lines, each with its offset, as records; a line that is too long to be one as several."""
    size = framing.max_line_bytes
    parts = ((offset + i, line[i : i + size]) for offset, line in lines for i in range(0, len(line), size))
    for number, (offset, raw) in enumerate(parts, record_no):
        yield framing.frame_or_blank(number, offset, raw, is_terminated=True)


def _csv(content: bytes, record_no: int, offset: int, framing: FileFraming) -> tuple[Iterator[Piece], int]:
    """Split the whole lines at the beginning of a chunk of a CSV; also return their length in bytes.

    A line is a row: no field of a layout contains a newline, so a quote never continues on the next line.
    """
    end = content.rfind(b"\n") + 1
    return _csv_pieces(content[:end], record_no, offset, framing), end


def _csv_pieces(content: bytes, record_no: int, offset: int, framing: FileFraming) -> Iterator[Piece]:
    """Yield consecutive rows as lines, blank lines as a blank, and each line that is too long in several frames."""
    if not content:
        return
    buffer = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(buffer == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    kinds = _line_kinds(content, starts, ends, framing)
    for first, behind in _runs(kinds):
        pieces: Iterable[Lines | Frame | Blank]
        if kinds[first] == _ROW:
            pieces = [
                Lines(record_no + i - first, offset + int(starts[i]), j - i, content[starts[i] : ends[j - 1] + 1])
                for i, j in pairwise([*range(first, behind, _BLOCK_RECORDS), behind])
            ]
        elif kinds[first] == _BLANK_LINE:
            is_damaged = bool(content[starts[first] : ends[behind - 1]].strip(framing.blank_bytes))
            pieces = [Blank(record_no, offset + int(starts[first]), behind - first, is_damaged)]
        else:
            lines = ((offset + int(starts[i]), content[starts[i] : ends[i]]) for i in range(first, behind))
            pieces = _split_lines(lines, record_no, framing)
        for piece in pieces:
            yield piece
            record_no = _next_record_no(piece)


def _line_kinds(content: bytes, starts: Int64Array, ends: Int64Array, framing: FileFraming) -> npt.NDArray[np.int8]:
    """Classify each line of a CSV as a row, a blank or a long line, int8 (n,), from their bounds, int64 (n,)."""
    buffer, lengths, is_padding = np.frombuffer(content, np.uint8), ends - starts, _byte_table(framing.padding_bytes)
    kinds = np.where(lengths > framing.max_line_bytes, _LONG_LINE, _ROW).astype(np.int8)
    # The byte before an empty line is a newline, which is padding, too.
    candidates = np.flatnonzero(is_padding[buffer[starts]] & is_padding[buffer[ends - 1]] & (kinds == _ROW))
    kinds[candidates[lengths[candidates] <= 2]] = _BLANK_LINE
    for i in candidates[lengths[candidates] > 2].tolist():
        if not content[starts[i] : ends[i]].strip(framing.padding_bytes):
            kinds[i] = _BLANK_LINE
    return kinds


def _without_newline(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


# --- the cells of a row -----------------------------------------------------------------------------------------------


def split_row(row: bytes, delimiter: bytes = b",") -> list[bytes]:
    """Return the cells of a row, without quotes.

    Raises:
        InvalidInputError: a quote that is not closed, or inside a value.

    >>> split_row(b'01,"a, b",')
    [b'01', b'a, b', b'']
    """
    return [cell for _, cell in _quoted_cells(row, delimiter)] if b'"' in row else row.split(delimiter)


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
