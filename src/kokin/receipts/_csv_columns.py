"""Rows of a CSV laid out at fixed places, so that one column reader serves both kinds of file.

Commas and newlines are found on whole chunks of bytes; each column's cells are then copied to a field of a record of
fixed width: numbers to the right with zeros before them, text to the left with blanks behind it. A row that does not
plainly fit (a doubled or a stray quote, a cell too long, a hyphen missing in a day) is marked, and left to the record
reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kokin.model import Digits, Receipt, Text, field_types
from kokin.receipts._frames import Frame, Lines
from kokin.receipts._words import LEAST_STRIDE, Bytes, Mask
from kokin.receipts.layouts import Field, FieldType, Layout, RecordKind

_COMMA, _NEWLINE, _RETURN, _QUOTE, _BLANK, _ZERO = b',\n\r" 0'
# Places of the digits in what is written with signs between them, and the signs.
_DAY, _DAY_SIGNS = [0, 1, 2, 3, 5, 6, 8, 9], {4: ord("-"), 7: ord("-")}
_TIME, _TIME_SIGNS = [0, 1, 3, 4, 6, 7], {2: ord(":"), 5: ord(":")}
_RIGHT = (FieldType.DIGITS, FieldType.NUMBER, FieldType.YEN, FieldType.BARCODE, FieldType.DATE, FieldType.TIME)
#: Bytes of a chunk, int64: of shape (n,) for a column, (n, columns) for its rows.
Places = npt.NDArray[np.int64]
# Rows in a matrix.
_MOST_ROWS = 1 << 16


@dataclass(frozen=True)
class Chunk:
    """The bytes of a chunk with a margin around them, so that more may be cut out than a cell holds."""

    bytes: Bytes
    margin: int

    def byte(self, places: Places) -> Bytes:
        """One byte at each place."""
        return self.bytes[places + self.margin]

    def cut(self, starts: Places, width: int) -> Bytes:
        """So many bytes from each start, uint8 (n, width)."""
        kind = np.dtype((np.void, width))
        at_every_byte = np.ndarray((len(self.bytes) - width + 1,), kind, self.bytes.data, 0, (1,))
        return at_every_byte[starts + self.margin].view(np.uint8).reshape(-1, width)


@dataclass(frozen=True)
class Rows:
    """Rows of a chunk: where each begins and ends in it, and what is in it."""

    number: int
    """Of the first row, from 1."""
    offset: int
    """Of the chunk in the file."""
    content: bytes
    chunk: Chunk
    starts: Places
    ends: Places
    """Without the newline."""
    separators: Places
    """Every comma and newline of the chunk that stands outside of quotes."""
    last: Places
    """Which of them ends each row."""
    cells: Places
    """How many each row has."""
    quotes: Places
    """How many quotes stand in each row."""

    def parts(self) -> Iterator[Rows]:
        """The same rows, not too many at a time: a chunk of nothing but newlines has as many rows as bytes."""
        for at in range(0, len(self.starts), _MOST_ROWS):
            each = ("starts", "ends", "last", "cells", "quotes")
            part = {name: getattr(self, name)[at : at + _MOST_ROWS] for name in each}
            yield replace(self, number=self.number + at, **part)

    def frame(self, i: int) -> Frame:
        """One of the rows, from 0."""
        start = int(self.starts[i])
        return Frame(self.number + i, self.offset + start, self.content[start : int(self.ends[i])], True)

    def offsets(self, at: Places) -> Places:
        """The first byte of each of some rows in the file."""
        return self.offset + self.starts[at]


class CsvMatrix:
    """Lays out the rows of one file. ``columns`` are its fields, in the order in which they stand."""

    def __init__(self, layout: Layout, columns: list[str]) -> None:
        self._fields = [layout.data.by_id[name] for name in columns]
        self._padded = {
            source.field
            for name, source in layout.receipt.items()
            if isinstance(kind := field_types(Receipt).get(name), Digits) and kind.zero_pad
        }
        self._most = {
            source.field: kind.width
            for name, source in layout.receipt.items()
            if isinstance(kind := field_types(Receipt).get(name), Text)
        }
        self._utf_8 = layout.encoding == "utf-8"
        #: The record that a row becomes.
        self.kind = RecordKind(role="data", ja="", en="", fields=[self._placed(field) for field in self._fields])
        self.stride = max(self.kind.width, LEAST_STRIDE)
        self._margin = 2 * max(field.length for field in self._fields)

    def _placed(self, field: Field) -> Field:
        """A field of the row as it stands in the record of fixed width."""
        changed: dict[str, object] = {"length": field.length - len(field.prefix), "prefix": "", "none": ""}
        if field.format == "YYYY-MM-DD":
            changed |= {"length": 8, "format": "YYYYMMDD"}
        if field.format == "HH:MM:SS":
            changed |= {"length": 6, "format": "HHMMSS"}
        if field.type is FieldType.TEXT:
            changed["type"] = FieldType.KANJI  # of any character set, so it is decoded and looked at
        return field.model_copy(update=changed)

    def rows(self, lines: Lines) -> Rows:
        """The places of the cells in lines of a CSV; a quote lasts no longer than its line."""
        content = lines.content
        buffer = np.frombuffer(content, np.uint8)
        marks = np.flatnonzero((buffer == _COMMA) | (buffer == _NEWLINE) | (buffer == _QUOTE))
        field_types = buffer[marks]
        ends_row = field_types == _NEWLINE
        quotes = np.cumsum(field_types == _QUOTE)
        in_row = np.diff(quotes[ends_row], prepend=0)
        if in_row.any():
            of_row = np.cumsum(ends_row) - ends_row
            before = quotes - np.concatenate([[0], quotes[ends_row]])[of_row]
            outside = ends_row | ((field_types == _COMMA) & (before % 2 == 0))
            marks, ends_row = marks[outside], ends_row[outside]
        last = np.flatnonzero(ends_row)
        ends = marks[last]
        starts = np.concatenate([[0], ends[:-1] + 1])
        margin = b"\0" * self._margin
        return Rows(
            number=lines.number,
            offset=lines.offset,
            content=content,
            chunk=Chunk(np.frombuffer(margin + content + margin, np.uint8), self._margin),
            starts=starts,
            ends=ends - ((ends > starts) & (buffer[ends - 1] == _RETURN)),
            separators=marks,
            last=last,
            cells=np.diff(last, prepend=-1),
            quotes=in_row,
        )

    def matrix(self, rows: Rows) -> tuple[Bytes, Mask]:
        """The records that rows become, and which of them are suspect."""
        columns = len(self._fields)
        suspect: Mask = rows.cells != columns
        matrix = np.full((len(suspect), self.stride), _BLANK, np.uint8)
        if suspect.all():
            return matrix, suspect
        # A row with another number of cells gets those of the first row of the chunk; it is suspect anyway.
        first = np.where(suspect, 0, rows.last - columns + 1)
        behind = rows.separators[np.minimum(first[:, None] + np.arange(columns), len(rows.separators) - 1)]
        starts = np.empty_like(behind)
        starts[:, 0], starts[:, 1:] = rows.starts, behind[:, :-1] + 1
        behind[:, -1] = rows.ends
        lengths = np.maximum(behind - starts, 0)
        if rows.quotes.any():
            suspect |= rows.quotes != 2 * _unquote(rows.chunk, starts, lengths)
        for i, field in enumerate(self._fields):
            at = self.kind.offsets[field.id]
            to = matrix[:, at : at + self.kind.by_id[field.id].length]
            suspect |= self._place(field, rows.chunk, starts[:, i], lengths[:, i], to)
        return matrix, suspect

    def _place(self, field: Field, chunk: Chunk, starts: Places, lengths: Places, to: Bytes) -> Mask:
        """Copy the cells of a column to their field; which of them do not fit."""
        suspect: Mask = lengths > field.length
        width = to.shape[1]
        if field.type not in _RIGHT:
            longest = min(width, int(lengths.max()))
            if longest:
                copied = chunk.cut(starts, longest)
                inside = np.arange(longest) < lengths[:, None]
                to[:, :longest] = np.where(inside, copied, _BLANK)
                suspect |= self._too_long(field, copied, inside, lengths)
            return suspect
        empty = lengths == 0
        if field.prefix:
            size = len(field.prefix)
            prefix = chunk.cut(starts, size) != np.frombuffer(field.prefix.encode(), np.uint8)
            suspect |= ~empty & ((lengths < size) | prefix.any(axis=1))
            starts, lengths = starts + size, np.maximum(lengths - size, 0)
        if ":" in str(field.format) or "-" in str(field.format):
            to[:], wrong = _without_signs(field, chunk, starts, lengths)
            suspect |= wrong & ~empty
        else:
            to[:] = chunk.cut(starts + lengths - width, width)
            if (shorter := lengths < width).any():
                to[shorter] = np.where(np.arange(width) >= width - lengths[shorter, None], to[shorter], _ZERO)
            # A shorter number is the same amount, and a shorter 番号 another one; a day has its digits or one zero.
            if field.type is FieldType.DIGITS and field.id not in self._padded:
                suspect |= shorter & ~empty
            if field.type in (FieldType.BARCODE, FieldType.TIME):
                suspect |= (lengths != width) & ~empty
            if field.type is FieldType.DATE:
                suspect |= (lengths != width) & (lengths != 1) & ~empty
        if empty.any():
            to[empty] = _BLANK
        return suspect

    def _too_long(self, field: Field, copied: Bytes, inside: Mask, lengths: Places) -> Mask:
        """Which texts may have more characters than a receipt holds; in UTF-8 only first bytes count."""
        most = self._most.get(field.id, field.length)
        if most >= copied.shape[1]:
            return np.zeros(len(lengths), np.bool_)
        if self._utf_8:
            lengths = lengths - (inside & (copied & 0xC0 == 0x80)).sum(axis=1)
        return np.asarray(lengths > most)


def _unquote(chunk: Chunk, starts: Places, lengths: Places) -> npt.NDArray[np.intp]:
    """Take the quotes off the cells that stand in them, in place; how many cells of each row do."""
    whole = (lengths >= 2) & (chunk.byte(starts) == _QUOTE) & (chunk.byte(starts + lengths - 1) == _QUOTE)
    starts += whole
    lengths -= 2 * whole
    return np.asarray(whole.sum(axis=1))


def _without_signs(field: Field, chunk: Chunk, starts: Places, lengths: Places) -> tuple[Bytes, Mask]:
    """The digits of days and times that are written with signs; seconds may be missing."""
    places, signs = (_DAY, _DAY_SIGNS) if field.type is FieldType.DATE else (_TIME, _TIME_SIGNS)
    copied = chunk.cut(starts, field.length)
    short = (lengths == 5) & (field.type is FieldType.TIME)
    wrong: Mask = (lengths != field.length) & ~short
    for place, sign in signs.items():
        wrong |= (copied[:, place] != sign) & ~(short & (place > 4))
    digits = copied[:, places]
    digits[short, 4:] = _ZERO
    return digits, wrong
