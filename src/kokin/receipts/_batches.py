"""Receipts as Arrow batches: columns where the records are plainly good, the record reader for all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import islice, pairwise
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import int64_array
from kokin.model import Receipt, arrow_schema
from kokin.receipts import _arrow as arrow
from kokin.receipts._canonical import ReceiptMapping
from kokin.receipts._columns import ColumnReader, can_read
from kokin.receipts._csv_columns import CsvMatrix, Rows
from kokin.receipts._decode import Decoder, RawRecord
from kokin.receipts._frames import Blank, Block, FileFraming, Frame, Lines, blocks
from kokin.receipts._reading import Reading
from kokin.receipts._words import Bytes, Mask, equals, not_digits
from kokin.text import EBCDIC_TO_HALF_WIDTH

#: What is the same for a whole file.
CONSTANT = ("layout", "source", "digest")
# Below this many records in a row, columns cost more than they save.
_FEW = 16
_ROWS = 8192
_FROM_EBCDIC = np.frombuffer(EBCDIC_TO_HALF_WIDTH, np.uint8)

Judged = tuple[RawRecord, dict[str, Any]]


def batch_schema(mapping: ReceiptMapping, *, raw: bool) -> pa.Schema:
    """The columns of a file's batches, in the order of ``schema(Receipt)``."""
    names = {*CONSTANT, "record_no", "byte_offset", *mapping.columns, *(["raw"] if raw else [])}
    constant = pa.dictionary(pa.int8(), pa.string())
    fields = [field for field in arrow_schema(Receipt) if field.name in names]
    return pa.schema([pa.field(field.name, constant) if field.name in CONSTANT else field for field in fields])


class Batches:
    """One reading of a file as batches."""

    def __init__(self, reading: Reading, reference_date: date | None, *, raw: bool) -> None:
        self.reading, self.raw = reading, raw
        #: Of the batches, without what is the same for the whole file.
        self.schema = pa.schema(
            [field for field in batch_schema(reading.mapping, raw=raw) if field.name not in CONSTANT]
        )
        self.layout = reading.layout
        self._matrix = CsvMatrix(self.layout, reading.decoder.columns) if self.layout.csv else None
        data = [kind for kind in self.layout.kinds.values() if kind.role == "data"]
        self._kinds = [self._matrix.kind] if self._matrix else data
        if self.layout.xml or not all(can_read(self.layout, kind) for kind in self._kinds):
            self._kinds = []
        self._readers = [ColumnReader(self.layout, kind, reading.mapping, reference_date) for kind in self._kinds]

    def read(self, stream: BinaryIO) -> Iterator[pa.RecordBatch]:
        """The receipts of a file, batch by batch, in the order of the file."""
        if not self._readers:
            judged = ((record, receipt) for record, receipt in self.reading.records(stream) if receipt is not None)
            while chunk := list(islice(judged, _ROWS)):
                yield self._batch(chunk)
            return
        assert isinstance(self.reading.decoder, Decoder)
        framing = self.reading.decoder.framing
        self._ebcdic = framing.ebcdic
        waiting: list[Judged] = []
        for piece in self._records(stream, framing):
            if isinstance(piece, tuple):
                waiting.append(piece)
                if len(waiting) < _ROWS:
                    continue
            if waiting:
                yield self._batch(waiting)
                waiting = []
            if not isinstance(piece, tuple):
                yield piece
        if waiting:
            yield self._batch(waiting)

    def _records(self, stream: BinaryIO, framing: FileFraming) -> Iterator[pa.RecordBatch | Judged]:
        for piece in blocks(stream, framing):
            match piece:
                case Blank():
                    self.reading.blank(piece)
                case Frame():
                    yield from self._judge(piece)
                case _ if piece.count < _FEW:
                    for frame in piece:
                        yield from self._judge(frame)
                case Block():
                    yield from self._block(piece)
                case Lines():
                    yield from self._lines(piece)

    def _lines(self, lines: Lines) -> Iterator[pa.RecordBatch | Judged]:
        """Lines of a CSV in columns."""
        assert self._matrix is not None
        for part in self._matrix.rows(lines).parts():
            matrix, suspect = self._matrix.matrix(part)
            yield from self._run(self._readers[0], matrix, part, 0, suspect)

    def _judge(self, frame: Frame, doubtful: frozenset[str] = frozenset()) -> Iterator[Judged]:
        record, receipt = self.reading.judge(frame, doubtful)
        if receipt is not None:
            yield record, receipt

    def _block(self, block: Block) -> Iterator[pa.RecordBatch | Judged]:
        """A block stretch by stretch: records of one kind in columns, headers, trailers and strange ones singly."""
        rows = _FROM_EBCDIC.take(block.rows[:, : block.width]) if self._ebcdic else block.rows
        kinds = self._kinds_of(rows)
        edges = np.flatnonzero(np.diff(kinds, prepend=-2, append=-2)).tolist()
        for start, end in pairwise(edges):
            kind = int(kinds[start])
            if kind < 0 or end - start < _FEW or not self.reading.expects_data or not self._header_is_whole():
                for i in range(start, end):
                    yield from self._judge(block.frame(i))
            else:
                reader = self._readers[kind]
                illegal = reader.legal.illegal(rows[start:end], rows.shape[1] - block.width)
                yield from self._run(reader, rows[start:end], block, start, illegal)

    def _kinds_of(self, rows: Bytes) -> npt.NDArray[np.int8]:
        """Which of the readers takes each record, from 0; -1 for none."""
        kinds = np.full(len(rows), -1, np.int8)
        for i, kind in reversed(list(enumerate(self._kinds))):
            other = np.zeros(len(rows), np.bool_)
            for name in kind.tell_by:
                const = (kind.by_id[name].const or "").encode()
                other |= ~equals(rows, kind.offsets[name], len(const), const)
            for name in kind.digits:
                wrong = not_digits(rows, kind.offsets[name], kind.by_id[name].length)
                if wrong is not None:
                    other |= wrong
            kinds[~other] = i
        return kinds

    def _header_is_whole(self) -> bool:
        """Whether the header has what the records take from it; if not, each of them gets its issue."""
        needed = [self.layout.receipt[name].field for name in ("paid_on", "amount")]
        paths = [path.removeprefix("header.") for path in needed if path.startswith("header.")]
        return all(self.reading.header.get(path) is not None for path in paths)

    def _run(
        self, reader: ColumnReader, rows: Bytes, piece: Block | Rows, start: int, suspect: Mask | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Records of one kind, ``start`` being the first one's index in the piece."""
        run = reader.parse(rows, suspect)
        paid, amounts = reader.paid(run), reader.amounts(run)
        unpaid = run.good & ~paid
        count = int(np.count_nonzero(paid))
        self.reading.accept(
            yen=(int(amounts[paid].sum()), int(amounts[unpaid].sum())),
            counts=(count, int(np.count_nonzero(unpaid))),
            added=[reader.total(total, run) if total.of == "data" else 0 for total in self.layout.totals],
        )
        # Not for a CSV, where an unknown byte is looked for in the row as a whole.
        doubtful = run.doubtful if isinstance(piece, Block) else lambda _: frozenset()
        odd = np.flatnonzero(~run.good).tolist()
        judged = [found for i in odd for found in self._judge(piece.frame(start + i), doubtful(i))]
        if not count:
            if judged:
                yield self._batch(judged)
            return
        columns = reader.arrays(run, None if count == len(rows) else paid, self.reading.header)
        at = start + np.flatnonzero(paid)
        columns["record_no"] = int64_array(piece.number + at)
        columns["byte_offset"] = int64_array(piece.offsets(at))
        if self.raw:
            columns["raw"] = arrow.few([piece.frame(i).raw for i in at.tolist()], pa.binary())
        batch = self._in_order(columns)
        yield self._merged(batch, self._batch(judged)) if judged else batch

    def _merged(self, plain: pa.RecordBatch, judged: pa.RecordBatch) -> pa.RecordBatch:
        """Both in the order of the file."""
        table = pa.Table.from_batches([plain, judged])
        order = pc.array_sort_indices(table["record_no"].combine_chunks())
        return table.take(order).combine_chunks().to_batches()[0]

    def _batch(self, judged: list[Judged]) -> pa.RecordBatch:
        """A batch of what the record reader has read."""
        columns: dict[str, list[Any]] = {
            "record_no": [record.number for record, _ in judged],
            "byte_offset": [record.offset for record, _ in judged],
            "raw": [record.raw for record, _ in judged],
        }
        for name in self.reading.mapping.columns:
            columns[name] = [receipt[name] for _, receipt in judged]
        return self._in_order({field.name: arrow.few(columns[field.name], field.type) for field in self.schema})

    def _in_order(self, columns: dict[str, pa.Array]) -> pa.RecordBatch:
        return pa.record_batch([columns[name] for name in self.schema.names], schema=self.schema)


def with_origin(batch: pa.RecordBatch, wanted: pa.Schema, origin: Mapping[str, str]) -> pa.RecordBatch:
    """A batch with the columns that are the same for its whole file: layout, source and digest."""
    columns = [
        arrow.constant(origin[name], batch.num_rows) if name in origin else batch.column(name) for name in wanted.names
    ]
    return pa.record_batch(columns, schema=wanted)
