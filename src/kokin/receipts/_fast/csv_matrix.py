"""Rows of a CSV laid out as records of a fixed width, so that one column reader reads both kinds of file.

Delimiters and newlines are found in a whole chunk of bytes; the cells of each column are then copied to a field of the
record: numbers to the right with zeros on the left, texts to the left with blanks on the right. With fields of 5, 3 and
8 bytes::

    99999,12,"A B"    ->    99999012A B_____        (_ is a blank)
    9999X,"1          ->    suspect: the quote is not closed

Yen such as ``12,300円`` and dates such as ``令和8年4月1日`` are read by the record decoder's reader of cells, once for
each distinct cell, and laid out as digits.

A row that does not certainly fit (a doubled or stray quote, a cell too long, a date without hyphens) is suspect, and
left to the record decoder.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import BoolArray, Int64Array, UInt8Array, buffer_view
from kokin.issues import InvalidInputError
from kokin.model import Digits, Receipt, Text, field_types
from kokin.receipts._fast.ascii_words import MAX_DIGITS, MIN_STRIDE
from kokin.receipts._fields import CellReader, cell_reader, decode_cell
from kokin.receipts._framing import Lines
from kokin.receipts.layouts import Field, FieldType, Layout, RecordKind
from kokin.receipts.layouts._schema import DATED, NUMERIC, VARIABLE_FORMATS

_NEWLINE, _QUOTE, _SPACE, _ZERO = b'\n" 0'
# The places of digits and separators in a date or time, and the separator.
_SEPARATED = {
    "YYYY-MM-DD": ([0, 1, 2, 3, 5, 6, 8, 9], [4, 7], ord("-")),
    "YYYY/MM/DD": ([0, 1, 2, 3, 5, 6, 8, 9], [4, 7], ord("/")),
    "HH:MM:SS": ([0, 1, 3, 4, 6, 7], [2, 5], ord(":")),
}


@dataclass(frozen=True)
class Chunk:
    """The bytes of a chunk between two margins, so that more bytes can be cut out than a cell at an end has.

    Positions count from the first byte of the chunk.
    """

    padded: UInt8Array
    margin: int

    def bytes_at(self, positions: Int64Array) -> UInt8Array:
        """Return the byte at each position."""
        return self.padded[positions + self.margin]

    def cut(self, starts: Int64Array, width: int) -> UInt8Array:
        """Return ``width`` bytes from each start, uint8 (n, width), a copy.

        The bytes are seen as overlapping items of ``width`` bytes, one from every byte on, and the items are taken.
        """
        kind = np.dtype((np.void, width))
        from_every_byte = np.ndarray((len(self.padded) - width + 1,), kind, self.padded.data, 0, (1,))
        return from_every_byte[starts + self.margin].view(np.uint8).reshape(-1, width)


@dataclass(frozen=True)
class CsvRows:
    """The cells of lines of a CSV, by positions in their content. Arrays are int64 (n,) except ``separators``."""

    lines: Lines
    chunk: Chunk
    separators: Int64Array
    """Every delimiter and newline of the chunk outside of quotes, int64 (m,)."""
    last: Int64Array
    """The index in ``separators`` of the newline of each row."""
    cells: Int64Array
    """The number of cells of each row."""
    quotes: Int64Array
    """The number of quotes in each row."""

    def is_decodable(self, encoding: str) -> BoolArray:
        """Return the rows that certainly have no unknown byte: all if the chunk has none, else those of ASCII."""
        try:
            decode_cell(self.lines.content, encoding)
        except InvalidInputError:
            not_ascii = np.frombuffer(self.lines.content, np.uint8) >= 0x80
            return np.asarray(np.add.reduceat(not_ascii, self.lines.starts, dtype=np.int64) == 0)
        return np.ones(self.lines.count, np.bool_)


def split_lines(lines: Lines, margin: int) -> CsvRows:
    """Find the cells of lines of a CSV.

    A delimiter inside of quotes has an odd number of quotes before it in its row. For ``a,"b,c"`` and a newline, the
    separators are at 1 and 7; the comma at 4 has one quote before it.
    """
    buffer, delimiter = np.frombuffer(lines.content, np.uint8), ord(lines.framing.delimiter)
    marks = np.flatnonzero((buffer == delimiter) | (buffer == _NEWLINE) | (buffer == _QUOTE))
    mark_bytes = buffer[marks]
    ends_row = mark_bytes == _NEWLINE
    quotes_so_far = np.cumsum(mark_bytes == _QUOTE)
    quotes = np.diff(quotes_so_far[ends_row], prepend=0)
    if quotes.any():
        row = np.cumsum(ends_row) - ends_row
        quotes_before = quotes_so_far - np.concatenate([[0], quotes_so_far[ends_row]])[row]
        is_separator = ends_row | ((mark_bytes == delimiter) & (quotes_before % 2 == 0))
        marks, ends_row = marks[is_separator], ends_row[is_separator]
    last = np.flatnonzero(ends_row)
    padding = b"\0" * margin
    return CsvRows(
        lines=lines,
        chunk=Chunk(np.frombuffer(padding + lines.content + padding, np.uint8), margin),
        separators=marks,
        last=last,
        cells=np.diff(last, prepend=-1),
        quotes=quotes,
    )


@dataclass(frozen=True)
class CsvCells:
    """The records that n rows become, and their cells."""

    matrix: UInt8Array
    """The records, uint8 (n, stride)."""
    suspects: dict[str, BoolArray]
    """The suspect records by field, bool (n,); under the empty name those suspect as a whole."""
    starts: Int64Array
    """The first byte of each cell in the chunk, without quotes, int64 (n, columns)."""
    lengths: Int64Array


class CsvMatrix:
    """Lays out the rows of one file, whose fields are ``columns`` in this order; an ignored column has no name."""

    def __init__(self, layout: Layout, columns: list[str]) -> None:
        #: The columns that are read.
        self._positions = [position for position, name in enumerate(columns) if name]
        self._fields = [layout.data.by_id[name] for name in columns if name]
        #: The number of cells of a row.
        self.columns = len(columns)
        types = [(source.field, field_types(Receipt).get(name)) for name, source in layout.receipt.items()]
        reads = Counter(path for source in layout.receipt.values() for path in source.ids)
        reads.update(layout.identity.ids if layout.identity else ())
        #: Fields whose shorter numbers are padded with zeros, by the field or by the only column that is read from it.
        self._zero_padded = {
            name for name, kind in types if isinstance(kind, Digits) and kind.zero_pad and reads[name] == 1
        }
        self._zero_padded |= {field.id for field in self._fields if field.zero_pad}
        #: The characters that the receipt column of a field may have.
        self._max_characters = {name: kind.width for name, kind in types if isinstance(kind, Text)}
        self._is_utf_8 = layout.encoding == "utf-8"
        #: The readers of fields whose cells have many forms. Their formats need no reference date.
        self._readers = {
            field.id: cell_reader(field, layout, None)
            for field in self._fields
            if field.formatted or field.format in VARIABLE_FORMATS
        }
        #: Fields whose numbers have different lengths and are not padded, which are laid out as texts.
        fixed = {name for name, kind in types if isinstance(kind, Digits)} | self._zero_padded
        self._digit_texts = {
            field.id for field in self._fields if field.type is FieldType.DIGITS and field.id not in fixed
        }
        #: The kind of record that a row becomes.
        self.kind = RecordKind(role="data", ja="", en="", fields=[self._fixed_field(field) for field in self._fields])
        self._stride = max(self.kind.width, MIN_STRIDE)
        #: Bytes that are cut out beyond the end of a chunk at most.
        self.margin = 2 * max(max(field.length, len(field.format or "")) for field in self._fields)

    def _fixed_field(self, field: Field) -> Field:
        """Return the field of the fixed-width record that a field of a row becomes."""
        length = field.length - len(field.prefix)
        changes: dict[str, object] = {"prefix": "", "none": "", "zero_pad": False, "formatted": False}
        if field.format == "HH:MM:SS":
            changes["format"], length = "HHMMSS", 6
        elif field.format in (*_SEPARATED, *VARIABLE_FORMATS):
            changes["format"], length = "YYYYMMDD", 8
        elif field.format:
            length = len(field.format.split()[-1])
        elif field.type in (FieldType.NUMBER, FieldType.YEN):
            length = min(length, MAX_DIGITS)
        elif field.type is FieldType.TEXT or field.id in self._digit_texts:
            changes["type"] = FieldType.KANJI  # in any character set: it is decoded and tested
        return field.model_copy(update=changes | {"length": length})

    def matrix(self, rows: CsvRows, indexes: Int64Array) -> CsvCells:
        """Return the records that rows become; those with these indexes have as many cells as the file has columns."""
        starts, lengths = self._cell_bounds(rows, indexes)
        matrix = np.full((len(indexes), self._stride), _SPACE, np.uint8)
        suspect = np.zeros(len(indexes), np.bool_)
        quotes = rows.quotes[indexes]
        if quotes.any():
            first, last = rows.chunk.bytes_at(starts), rows.chunk.bytes_at(starts + lengths - 1)
            is_quoted = (lengths >= 2) & (first == _QUOTE) & (last == _QUOTE)
            starts, lengths = starts + is_quoted, lengths - 2 * is_quoted
            suspect |= quotes != 2 * is_quoted.sum(axis=1)
        starts, lengths = starts[:, self._positions], lengths[:, self._positions]
        suspects = {"": suspect}
        for i, field in enumerate(self._fields):
            cells, suspects[field.id] = self._lay_out(field, rows.chunk, starts[:, i], lengths[:, i])
            start = self.kind.offsets[field.id]
            matrix[:, start : start + cells.shape[1]] = cells
        return CsvCells(matrix, suspects, starts, lengths)

    def _lay_out(
        self, field: Field, chunk: Chunk, starts: Int64Array, lengths: Int64Array
    ) -> tuple[UInt8Array, BoolArray]:
        """Return the cells of a column in the field of the record, uint8 (n, width), and which do not fit."""
        if field.id in self._readers:
            cells = self._distinct_cells(field, self._readers[field.id], chunk, starts, lengths)
            return cells, np.zeros(len(starts), np.bool_)
        is_text = field.type not in NUMERIC + DATED or field.id in self._digit_texts
        cells, does_not_fit = (self._left_aligned if is_text else self._right_aligned)(field, chunk, starts, lengths)
        if none := field.none.encode():
            is_none = (chunk.cut(starts, len(none)) == np.frombuffer(none, np.uint8)).all(axis=1)
            does_not_fit |= is_none & (lengths == len(none))
        return cells, does_not_fit

    def _distinct_cells(
        self, field: Field, read: CellReader, chunk: Chunk, starts: Int64Array, lengths: Int64Array
    ) -> UInt8Array:
        """Return yen or dates, which are read once for each distinct cell, as digits: uint8 (n, width).

        A cell without a value becomes blanks, an invalid one letters, for which its record is suspect.
        """
        width = self.kind.by_id[field.id].length

        def digits(cell: bytes) -> bytes:
            try:
                value = read(cell, [])
            except InvalidInputError:
                return b"X" * width
            if value is None:
                return b" " * width
            text = value.isoformat().replace("-", "") if isinstance(value, date) else f"{value:0{width}d}"
            return text.encode() if len(text) == width else b"X" * width

        longest = min(field.length, int(lengths.max())) + 1  # one byte more shows that a cell is too long
        is_inside = np.arange(longest) < lengths[:, None]
        cells = np.where(is_inside, chunk.cut(starts, longest), np.uint8(_NEWLINE))  # a cell contains no newline
        texts = pa.Array.from_buffers(pa.binary(longest), len(starts), [None, pa.py_buffer(cells)])
        distinct = texts.dictionary_encode()
        found = b"".join(digits(cell.rstrip(b"\n")) for cell in distinct.dictionary.to_pylist())
        table = np.frombuffer(found, np.uint8).reshape(-1, width)
        return table.take(buffer_view(distinct.indices, np.int32), axis=0)

    def _cell_bounds(self, rows: CsvRows, indexes: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Return the start and the length of each cell of the rows with these indexes, both int64 (n, columns)."""
        columns, lines = self.columns, rows.lines
        first = rows.last[indexes] - columns + 1
        ends = rows.separators[first[:, None] + np.arange(columns)]
        starts = np.empty_like(ends)
        starts[:, 0], starts[:, 1:] = lines.starts[indexes], ends[:, :-1] + 1
        ends[:, -1] = lines.starts[indexes] + lines.lengths[indexes]
        return starts, np.maximum(ends - starts, 0)

    def _left_aligned(
        self, field: Field, chunk: Chunk, starts: Int64Array, lengths: Int64Array
    ) -> tuple[UInt8Array, BoolArray]:
        """Return the texts of a column with blanks on the right, uint8 (n, longest cell), and which do not fit."""
        starts, lengths, does_not_fit = _without_prefix(field, chunk, starts, lengths)
        width = min(self.kind.by_id[field.id].length, int(lengths.max()))
        if field.id in self._digit_texts and not field.blank:
            does_not_fit |= lengths == 0
        if not width:
            return np.empty((len(starts), 0), np.uint8), does_not_fit
        copied = chunk.cut(starts, width)
        is_inside = np.arange(width) < lengths[:, None]
        if field.id in self._digit_texts:
            does_not_fit |= (is_inside & (copied - np.uint8(_ZERO) > 9)).any(axis=1)
        max_characters = self._max_characters.get(field.id, field.length)
        if max_characters < width:
            characters = lengths
            if self._is_utf_8:  # continuation bytes are no characters
                characters = lengths - (is_inside & (copied & 0xC0 == 0x80)).sum(axis=1)
            does_not_fit |= characters > max_characters
        return np.where(is_inside, copied, np.uint8(_SPACE)), does_not_fit

    def _right_aligned(
        self, field: Field, chunk: Chunk, starts: Int64Array, lengths: Int64Array
    ) -> tuple[UInt8Array, BoolArray]:
        """Return the digits of a column with zeros on the left, uint8 (n, width), and which cells do not fit.

        A shorter amount is the same amount, but a shorter 番号 is another one unless it is padded; a barcode or time
        has all of its digits, a date these or one zero. An empty cell fits, and becomes blanks.
        """
        width = self.kind.by_id[field.id].length
        is_empty = lengths == 0
        starts, lengths, does_not_fit = _without_prefix(field, chunk, starts, lengths)
        if field.format in _SEPARATED:
            cells, has_other_form = _without_separators(field, chunk, starts, lengths)
            does_not_fit |= has_other_form
        else:
            does_not_fit |= lengths > width
            cells = chunk.cut(starts + lengths - width, width)
            is_shorter = lengths < width
            if is_shorter.any():
                before = np.arange(width) < width - lengths[is_shorter, None]
                cells[is_shorter] = np.where(before, np.uint8(_ZERO), cells[is_shorter])
            if field.type is FieldType.DIGITS and field.id not in self._zero_padded:
                does_not_fit |= is_shorter
            if field.type in (FieldType.BARCODE, FieldType.TIME):
                does_not_fit |= lengths != width
            if field.type is FieldType.DATE:
                does_not_fit |= (lengths != width) & (lengths != 1)
        if is_empty.any():
            cells[is_empty] = _SPACE
            does_not_fit &= ~is_empty
        return cells, does_not_fit


def _without_prefix(
    field: Field, chunk: Chunk, starts: Int64Array, lengths: Int64Array
) -> tuple[Int64Array, Int64Array, BoolArray]:
    """Return the bounds of cells without the prefix of the field, and which cells are too long or lack it."""
    does_not_fit: BoolArray = lengths > field.length
    if prefix := field.prefix.encode():
        differs = chunk.cut(starts, len(prefix)) != np.frombuffer(prefix, np.uint8)
        does_not_fit |= ((lengths <= len(prefix)) | differs.any(axis=1)) & (lengths > 0)
        starts, lengths = starts + len(prefix), np.maximum(lengths - len(prefix), 0)
    return starts, lengths, does_not_fit


def _without_separators(
    field: Field, chunk: Chunk, starts: Int64Array, lengths: Int64Array
) -> tuple[UInt8Array, BoolArray]:
    """Return the digits of dates ``2026-04-01`` or times ``12:00:00``, ``12:00``, and which cells have another form."""
    style = str(field.format)  # its width is not that of the field, which is a maximum
    digits, places, separator = _SEPARATED[style]
    copied = chunk.cut(starts, len(style))
    lacks_seconds = (lengths == 5) & (field.type is FieldType.TIME)
    has_other_form: BoolArray = (lengths != len(style)) & ~lacks_seconds
    for place in places:
        has_other_form |= (copied[:, place] != separator) & ~(lacks_seconds & (place > 4))
    cells = copied[:, digits]
    cells[lacks_seconds, 4:] = _ZERO
    return cells, has_other_form
