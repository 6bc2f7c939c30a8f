"""Rows of a CSV laid out at fixed places, so that one column reader serves both kinds of file.

Commas and newlines are found on whole chunks of bytes; each column's cells are then copied to a field of a record of
fixed width: numbers to the right with zeros before them, text to the left with blanks behind it. A row that does not
plainly fit (a doubled quote, a cell too long, a hyphen missing in a day) is marked, and left to the record reader.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kokin.model import Digits, Receipt, Text, kinds
from kokin.receipts._frames import Frame
from kokin.receipts._words import LEAST_STRIDE, Bytes, Mask
from kokin.receipts.layouts import Field, FieldType, Layout, RecordKind

_COMMA, _NEWLINE, _RETURN, _QUOTE, _BLANK, _ZERO = b',\n\r" 0'
# Places of the digits in what is written with signs between them, and the signs.
_DAY, _DAY_SIGNS = [0, 1, 2, 3, 5, 6, 8, 9], {4: ord("-"), 7: ord("-")}
_TIME, _TIME_SIGNS = [0, 1, 3, 4, 6, 7], {2: ord(":"), 5: ord(":")}
_RIGHT = (FieldType.DIGITS, FieldType.NUMBER, FieldType.YEN, FieldType.BARCODE, FieldType.DATE, FieldType.TIME)
# A row this long is none.
_LONGEST_ROW = 1 << 14


@dataclass(frozen=True)
class Rows:
    """The rows of a chunk: where each begins and ends in it, and in the file."""

    number: int
    offset: int
    content: bytes
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]

    def frame(self, i: int) -> Frame:
        """One of the rows, from 0."""
        start = int(self.starts[i])
        return Frame(self.number + i, self.offset + start, self.content[start : int(self.ends[i])], True)

    def offsets(self, at: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
        """The first byte of each of some rows in the file."""
        return self.offset + self.starts[at]


@dataclass(frozen=True)
class _Cells:
    """The cells of the plain rows: first byte and length, int64 of shape (n, columns)."""

    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


class CsvMatrix:
    """Lays out the rows of one file. ``columns`` are its fields, in the order in which they stand."""

    def __init__(self, layout: Layout, columns: list[str]) -> None:
        self._fields = [layout.data.by_id[name] for name in columns]
        self._padded = {
            source.field
            for name, source in layout.receipt.items()
            if isinstance(kind := kinds(Receipt).get(name), Digits) and kind.pad
        }
        self._most = {
            source.field: kind.width
            for name, source in layout.receipt.items()
            if isinstance(kind := kinds(Receipt).get(name), Text)
        }
        self._utf_8 = layout.encoding == "utf-8"
        #: The record that a row becomes.
        self.kind = RecordKind(role="data", ja="", en="", fields=[self._placed(field) for field in self._fields])
        self.stride = max(self.kind.width, LEAST_STRIDE)

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

    def rows(self, content: bytes, number: int, offset: int) -> tuple[Rows, Bytes, Mask] | None:
        """The rows of a chunk that ends in a newline, the records that they become, and which of them are suspect.

        ``None`` where quotes do not close within the chunk, or a row is too long to be one.
        """
        buffer = np.frombuffer(content, np.uint8)
        quotes = np.cumsum(buffer == _QUOTE, dtype=np.int32)
        if quotes[-1] % 2:
            return None
        outside = quotes % 2 == 0
        separators = np.flatnonzero(((buffer == _COMMA) | (buffer == _NEWLINE)) & outside)
        last = np.flatnonzero(buffer[separators] == _NEWLINE)
        ends = separators[last]
        starts = np.concatenate([[0], ends[:-1] + 1])
        if (ends - starts).max() > _LONGEST_ROW:
            return None
        cut = ends - ((ends > starts) & (buffer[ends - 1] == _RETURN))
        rows = Rows(number, offset, content, starts, cut)
        return rows, *self._matrix(buffer, quotes, separators, last, rows)

    def _matrix(
        self,
        buffer: Bytes,
        quotes: npt.NDArray[np.int32],
        separators: npt.NDArray[np.intp],
        last: npt.NDArray[np.intp],
        rows: Rows,
    ) -> tuple[Bytes, Mask]:
        columns = len(self._fields)
        count = np.diff(last, prepend=-1)
        suspect: Mask = count != columns
        # A row with another number of cells gets those of the first row that has the right one; it is suspect anyway.
        first = last - columns + 1
        first[suspect] = 0
        matrix = np.full((len(rows.starts), self.stride), _BLANK, np.uint8)
        if suspect.all():
            return matrix, suspect
        behind = separators[np.minimum(first[:, None] + np.arange(columns), len(separators) - 1)]
        starts = np.empty_like(behind)
        starts[:, 0], starts[:, 1:] = rows.starts, behind[:, :-1] + 1
        behind[:, -1] = rows.ends
        lengths = np.maximum(behind - starts, 0)
        suspect |= self._unquote(buffer, quotes, rows, starts, lengths)
        for i, field in enumerate(self._fields):
            cells = _Cells(starts[:, i], lengths[:, i])
            at = self.kind.offsets[field.id]
            suspect |= self._place(field, buffer, cells, matrix[:, at : at + self.kind.by_id[field.id].length])
        return matrix, suspect

    def _unquote(
        self,
        buffer: Bytes,
        quotes: npt.NDArray[np.int32],
        rows: Rows,
        starts: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
    ) -> Mask:
        """Take the quotes off the cells, in place; suspect are rows with a quote anywhere else."""
        before = np.concatenate([[0], quotes])
        here = before[rows.ends] - before[rows.starts]
        if not here.any():
            return np.zeros(len(here), np.bool_)
        whole = (lengths >= 2) & (buffer[np.minimum(starts, len(buffer) - 1)] == _QUOTE)
        whole &= buffer[np.clip(starts + lengths - 1, 0, len(buffer) - 1)] == _QUOTE
        starts += whole
        lengths -= 2 * whole
        stray: Mask = here != 2 * whole.sum(axis=1)
        return stray

    def _place(self, field: Field, buffer: Bytes, cells: _Cells, to: Bytes) -> Mask:
        """Copy the cells of a column to their field; which of them do not fit."""
        starts, lengths, size = cells.starts, cells.lengths, field.length
        suspect: Mask = lengths > size
        width = to.shape[1]
        if field.type not in _RIGHT:
            copied, inside = _copied(buffer, starts, lengths, width)
            to[:] = np.where(inside, copied, _BLANK)
            return suspect | self._too_long(field, copied, inside, lengths)
        empty = lengths == 0
        if field.prefix:
            prefix, inside = _copied(buffer, starts, lengths, len(field.prefix))
            suspect |= ~empty & (~inside | (prefix != np.frombuffer(field.prefix.encode(), np.uint8))).any(axis=1)
            starts, lengths = starts + len(field.prefix), np.maximum(lengths - len(field.prefix), 0)
        if ":" in str(field.format) or "-" in str(field.format):
            digits, wrong = _without_signs(field, buffer, _Cells(starts, lengths))
            to[:] = digits
            suspect |= wrong & ~empty
        else:
            moved = starts + lengths - width
            copied = buffer[np.clip(moved[:, None] + np.arange(width), 0, len(buffer) - 1)]
            to[:] = np.where(np.arange(width) >= width - lengths[:, None], copied, _ZERO)
            # A shorter number is the same amount, and a shorter 番号 another one; a day has its digits or one zero.
            if field.type is FieldType.DIGITS and field.id not in self._padded:
                suspect |= (lengths < width) & ~empty
            if field.type in (FieldType.BARCODE, FieldType.TIME):
                suspect |= (lengths != width) & ~empty
            if field.type is FieldType.DATE:
                suspect |= (lengths != width) & (lengths != 1) & ~empty
        to[empty] = _BLANK
        return suspect

    def _too_long(self, field: Field, copied: Bytes, inside: Mask, lengths: npt.NDArray[np.int64]) -> Mask:
        """Which texts may have more characters than a receipt holds; in UTF-8 only first bytes count."""
        most = self._most.get(field.id, field.length)
        if most >= field.length:
            return np.zeros(len(lengths), np.bool_)
        if self._utf_8:
            lengths = lengths - (inside & (copied & 0xC0 == 0x80)).sum(axis=1)
        return np.asarray(lengths > most)


def _copied(
    buffer: Bytes, starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], width: int
) -> tuple[Bytes, Mask]:
    """The first ``width`` bytes from each start, uint8 (n, width), and which of them belong to the cell."""
    places = np.arange(width)
    return buffer[np.minimum(starts[:, None] + places, len(buffer) - 1)], places < lengths[:, None]


def _without_signs(field: Field, buffer: Bytes, cells: _Cells) -> tuple[Bytes, Mask]:
    """The digits of days and times that are written with signs; seconds may be missing."""
    places, signs = (_DAY, _DAY_SIGNS) if field.type is FieldType.DATE else (_TIME, _TIME_SIGNS)
    copied, inside = _copied(buffer, cells.starts, cells.lengths, field.length)
    copied = np.where(inside, copied, _ZERO)
    short = (cells.lengths == 5) & (field.type is FieldType.TIME)
    wrong: Mask = (cells.lengths != field.length) & ~short
    for place, sign in signs.items():
        wrong |= (copied[:, place] != sign) & ~(short & (place > 4))
    return copied[:, places], wrong
