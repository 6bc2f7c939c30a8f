"""Receipts as Arrow batches: columns where the records are plainly good, the record reader for all others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import islice, pairwise
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin.model import Receipt, schema
from kokin.receipts import _arrow as arrow
from kokin.receipts._canonical import ReceiptMapping
from kokin.receipts._columns import ColumnReader, can_read
from kokin.receipts._decode import Decoder, LayoutRecord
from kokin.receipts._frames import Block, Frame, blocks
from kokin.receipts._reading import Reading
from kokin.receipts._words import SPARE, Bytes, LegalTest, digits_or_blank, equals
from kokin.receipts.layouts import FieldType
from kokin.text import EBCDIC_TO_HALF_WIDTH

_CONSTANT = ("layout", "source", "digest")
# Below this many records in a row, columns cost more than they save.
_FEW = 16
_ROWS = 8192
_FROM_EBCDIC = np.frombuffer(EBCDIC_TO_HALF_WIDTH, np.uint8)

Judged = tuple[LayoutRecord, dict[str, Any]]


class Origin(NamedTuple):
    """Where receipts come from: the same for a whole file."""

    layout: str
    source: str
    digest: str


def batch_schema(mapping: ReceiptMapping, *, raw: bool) -> pa.Schema:
    """The columns of a file's batches, in the order of ``schema(Receipt)``."""
    names = {*_CONSTANT, "record_no", "byte_offset", *mapping.sources, *(["raw"] if raw else [])}
    constant = pa.dictionary(pa.int8(), pa.string())
    fields = [field for field in schema(Receipt) if field.name in names]
    return pa.schema([pa.field(field.name, constant) if field.name in _CONSTANT else field for field in fields])


class Batches:
    """One reading of a file as batches."""

    def __init__(self, reading: Reading, origin: Origin, reference_date: date | None, *, raw: bool) -> None:
        self.reading, self.origin, self.raw = reading, origin, raw
        self.schema = batch_schema(reading.mapping, raw=raw)
        self.layout = reading.layout
        data = [kind for kind in self.layout.kinds.values() if kind.role == "data"]
        self._kinds = data if all(can_read(self.layout, kind) for kind in data) else []
        width = self.layout.width or 0
        stride = SPARE + -(-width // 8) * 8
        self._rows = np.full((0, stride), 0x20, np.uint8)
        kanji = [
            (kind.offsets[f.id], f.length) for kind in self._kinds for f in kind.fields if f.type is FieldType.KANJI
        ]
        self._legal = LegalTest(stride, width, kanji)
        self._readers = [
            ColumnReader(self.layout, kind, reading.mapping, reference_date, stride) for kind in self._kinds
        ]

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
        for piece in blocks(stream, framing):
            for found in self._block(piece) if isinstance(piece, Block) else self._judge(piece):
                if isinstance(found, tuple):
                    waiting.append(found)
                    continue
                if waiting:
                    yield self._batch(waiting)
                    waiting = []
                yield found
        if waiting:
            yield self._batch(waiting)

    def _judge(self, frame: Frame) -> Iterator[Judged]:
        record, receipt = self.reading.judge(frame)
        if receipt is not None:
            yield record, receipt

    def _block(self, block: Block) -> Iterator[pa.RecordBatch | Judged]:
        """A block stretch by stretch: records of one kind in columns, headers, trailers and strange ones singly."""
        rows = self._aligned(block)
        kinds = self._kinds_of(rows)
        edges = np.flatnonzero(np.diff(kinds, prepend=-2, append=-2)).tolist()
        for start, end in pairwise(edges):
            kind = int(kinds[start])
            if kind < 0 or end - start < _FEW or not self.reading.expects_data or not self._header_is_whole():
                for i in range(start, end):
                    yield from self._judge(block.frame(i))
            else:
                yield from self._run(self._readers[kind], rows[start:end], block, start)

    def _aligned(self, block: Block) -> Bytes:
        """The records of a block as the rows of a matrix whose stride is a multiple of eight; reused."""
        if len(self._rows) < block.count:
            self._rows = np.full((block.count, self._rows.shape[1]), 0x20, np.uint8)
        content = np.frombuffer(block.content, np.uint8, block.count * block.pitch).reshape(block.count, block.pitch)
        rows = self._rows[: block.count]
        records = content[:, : block.width]
        rows[:, SPARE : SPARE + block.width] = _FROM_EBCDIC.take(records) if self._ebcdic else records
        return rows

    def _kinds_of(self, rows: Bytes) -> npt.NDArray[np.int8]:
        """Which of the readers takes each record, from 0; -1 for none. A block with an unknown byte is for none."""
        kinds = np.full(len(rows), -1, np.int8)
        if not self._legal.holds(rows):
            return kinds
        for i, kind in reversed(list(enumerate(self._kinds))):
            same = np.ones(len(rows), np.bool_)
            for name in kind.tell_by:
                const = (kind.by_id[name].const or "").encode()
                same &= equals(rows, kind.offsets[name], len(const), const)
            for name in kind.digits:
                same &= digits_or_blank(rows, kind.offsets[name], kind.by_id[name].length)[0]
            kinds[same] = i
        return kinds

    def _header_is_whole(self) -> bool:
        """Whether the header has what the records take from it; if not, each of them gets its issue."""
        needed = [self.layout.receipt[name].field for name in ("paid_on", "amount")]
        paths = [path.removeprefix("header.") for path in needed if path.startswith("header.")]
        return all(self.reading.header.get(path) is not None for path in paths)

    def _run(self, reader: ColumnReader, rows: Bytes, block: Block, start: int) -> Iterator[pa.RecordBatch]:
        """Records of one kind, ``start`` being the first one's index in the block."""
        run = reader.parse(rows)
        unpaid = run.good & ~run.paid
        counts = int(np.count_nonzero(run.paid)), int(np.count_nonzero(unpaid))
        self.reading.accept(
            yen=(int(run.amounts[run.paid].sum()), int(run.amounts[unpaid].sum())),
            counts=counts,
            added=[reader.total(total, run) if total.of == "data" else 0 for total in self.layout.totals],
        )
        odd = np.flatnonzero(~run.good).tolist()
        judged = [found for i in odd for found in self._judge(block.frame(start + i))]
        chosen = None if counts[0] == len(rows) else np.flatnonzero(run.paid)
        columns = reader.arrays(rows, run, chosen, self.reading.header) if counts[0] else {}
        at = start + (np.arange(len(rows)) if chosen is None else chosen)
        if not counts[0]:
            if judged:
                yield self._batch(judged)
            return
        columns["record_no"] = arrow.numbers(block.number + at, pa.int64())
        columns["byte_offset"] = arrow.numbers(block.offset + at * block.step, pa.int64())
        if self.raw:
            columns["raw"] = pa.array([block.frame(i).raw for i in at.tolist()], pa.binary())
        batch = self._with_origin(columns, counts[0])
        yield self._merged(batch, self._batch(judged)) if judged else batch

    def _merged(self, plain: pa.RecordBatch, judged: pa.RecordBatch) -> pa.RecordBatch:
        """Both in the order of the file."""
        table = pa.Table.from_batches([plain, judged])
        order = pc.array_sort_indices(table["record_no"].combine_chunks())
        return table.take(order).combine_chunks().to_batches()[0]

    def _batch(self, judged: list[Judged]) -> pa.RecordBatch:
        """A batch of what the record reader has read."""
        columns = {
            "record_no": pa.array([record.number for record, _ in judged], pa.int64()),
            "byte_offset": pa.array([record.offset for record, _ in judged], pa.int64()),
        }
        if self.raw:
            columns["raw"] = pa.array([record.raw for record, _ in judged], pa.binary())
        for name in self.reading.mapping.sources:
            columns[name] = pa.array([receipt[name] for _, receipt in judged], self.schema.field(name).type)
        return self._with_origin(columns, len(judged))

    def _with_origin(self, columns: dict[str, pa.Array], count: int) -> pa.RecordBatch:
        for name, value in zip(_CONSTANT, self.origin, strict=True):
            columns[name] = arrow.constant(value, count)
        return pa.record_batch([columns[name] for name in self.schema.names], schema=self.schema)
