"""Batches of receipts: column by column where records are certainly valid, by the session where they are not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import BoolArray, UInt8Array, int64_array
from kokin.receipts._columns import array_of, record_schema
from kokin.receipts._fast.ascii_words import equals, not_digits, union
from kokin.receipts._fast.block import ColumnReader, supports_kind
from kokin.receipts._fast.csv_matrix import CsvMatrix, CsvRows, split_lines
from kokin.receipts._framing import Blank, Block, Frame, Lines, blocks
from kokin.receipts._record import Decoder, ReceiptMapping
from kokin.receipts._session import BATCH_ROWS, ParsedRecord, Session, receipt_batch
from kokin.receipts.layouts import Layout, RecordKind
from kokin.text import EBCDIC_TO_HALF_WIDTH

# With fewer consecutive records, columns cost more than they save.
_MIN_RECORDS = 16
_FROM_EBCDIC = np.frombuffer(EBCDIC_TO_HALF_WIDTH, np.uint8)


def supports(layout: Layout, columns: list[str]) -> bool:
    """Whether files of a layout with these columns can be read column by column."""
    return (
        bool(layout.receipt)
        and not layout.xml
        and all(columns)  # an ignored column has no place in a record
        and all(supports_kind(layout, kind) for kind in _detail_kinds(layout, columns)[1])
    )


def batches(session: Session, stream: BinaryIO, *, raw: bool) -> Iterator[pa.RecordBatch]:
    """Yield the receipts of a file in batches, in its order, as :meth:`Session.batches` does."""
    return _BatchReader(session, raw=raw).batches(stream)


def _detail_kinds(layout: Layout, columns: list[str]) -> tuple[CsvMatrix | None, list[RecordKind]]:
    """Return the matrix of a CSV, and the kinds of detail records: that of the matrix, or those of the layout."""
    matrix = CsvMatrix(layout, columns) if layout.csv else None
    return matrix, [matrix.kind] if matrix else [kind for kind in layout.records.values() if kind.role == "data"]


class _BatchReader:
    """Reads one file in one session.

    Records that the session has processed wait in ``pending`` until the next batch, which has them before it.
    """

    def __init__(self, session: Session, *, raw: bool) -> None:
        assert isinstance(session.decoder, Decoder)
        self.session, self.raw, self.layout = session, raw, session.layout
        self._schema = record_schema(session.mapping.columns, raw=raw)
        self._framing = session.decoder.framing
        self._matrix, self._kinds = _detail_kinds(self.layout, session.decoder.columns)
        mapping, reference_date = session.mapping, session.decoder.reference_date
        assert isinstance(mapping, ReceiptMapping)
        self._readers = [ColumnReader(self.layout, kind, mapping, reference_date) for kind in self._kinds]
        self._pending: list[ParsedRecord] = []

    def batches(self, stream: BinaryIO) -> Iterator[pa.RecordBatch]:
        for piece in blocks(stream, self._framing):
            match piece:
                case Blank():
                    self.session.add_blank(piece)
                case Frame():
                    yield from self._singly([piece])
                case _ if piece.count < _MIN_RECORDS:
                    yield from self._singly(piece)
                case Block():
                    yield from self._block(piece)
                case Lines():
                    assert self._matrix is not None  # lines are those of a CSV
                    rows = split_lines(piece, self._matrix.margin)
                    yield from self._columns(self._readers[0], rows, 0, *self._matrix.matrix(rows))
        yield from self._flush()

    def _singly(self, frames: Iterable[Frame]) -> Iterator[pa.RecordBatch]:
        for parsed in map(self.session.process, frames):
            if parsed.receipt is not None:
                self._pending.append(parsed)
            if len(self._pending) >= BATCH_ROWS:
                yield from self._flush()

    def _flush(self) -> Iterator[pa.RecordBatch]:
        if self._pending:
            pending, self._pending = self._pending, []
            yield receipt_batch(pending, self._schema)

    def _block(self, block: Block) -> Iterator[pa.RecordBatch]:
        """Read consecutive records of one kind column by column; headers, trailers and unknown records singly.

        Kinds ``[-1, 0, 0, 0, -1]`` (a header, three details and a trailer) have the edges 0, 1, 4 and 5.
        """
        rows = _FROM_EBCDIC.take(block.rows[:, : block.width]) if self._framing.ebcdic else block.rows
        kinds = self._classify(rows)
        edges = np.flatnonzero(np.diff(kinds, prepend=-2, append=-2)).tolist()
        for start, end in pairwise(edges):
            kind = int(kinds[start])
            is_in_place = self.session.checker.expects_data and self._header_is_whole()
            if kind < 0 or end - start < _MIN_RECORDS or not is_in_place:
                yield from self._singly(block.frame(i) for i in range(start, end))
            else:
                reader = self._readers[kind]
                suspect = reader.charset.invalid(rows[start:end], rows.shape[1] - block.width)
                yield from self._columns(reader, block, start, rows[start:end], suspect)

    def _classify(self, rows: UInt8Array) -> npt.NDArray[np.int8]:
        """Return the index of the reader of each record, int8 (n,); -1 for a header, trailer or unknown record."""
        kinds = np.full(len(rows), -1, np.int8)
        for i, kind in reversed(list(enumerate(self._kinds))):
            other: BoolArray | None = None
            for start, const in kind.consts:
                other = union(other, ~equals(rows, start, len(const), const))
            for name in kind.digits:
                other = union(other, not_digits(rows, kind.offsets[name], kind.by_id[name].length))
            kinds[slice(None) if other is None else ~other] = i
        return kinds

    def _header_is_whole(self) -> bool:
        """Whether the header has the date and amount that records take from it; if not, each gets an issue."""
        sources = [self.layout.receipt[name].field for name in ("paid_on", "amount")]
        names = [path.removeprefix("header.") for path in sources if path.startswith("header.")]
        return all(self.session.header.get(name) is not None for name in names)

    def _columns(
        self, reader: ColumnReader, source: Block | CsvRows, start: int, rows: UInt8Array, suspect: BoolArray | None
    ) -> Iterator[pa.RecordBatch]:
        """Read the records of ``source`` from ``start`` on, uint8 (n, stride); some are known to be ``suspect``."""
        block = reader.parse(rows, suspect)
        paid, amounts = reader.paid(block), reader.amounts(block)
        unpaid = block.valid & ~paid
        count = int(np.count_nonzero(paid))
        self.session.count_valid(
            counts=(count, int(np.count_nonzero(unpaid))),
            yen=(int(amounts[paid].sum()), int(amounts[unpaid].sum())),
            amounts=[reader.total(total, block) if total.of == "data" else 0 for total in self.layout.totals],
        )
        yield from self._flush()
        processed: list[ParsedRecord] = []
        for i in np.flatnonzero(~block.valid).tolist():
            # In a CSV an unknown byte is looked for in the row as a whole.
            names = block.suspect_fields(i) if isinstance(source, Block) else frozenset[str]()
            processed.append(self.session.process(source.frame(start + i), names))
        parts = []
        if count:
            columns = reader.arrays(block, None if count == len(rows) else paid, self.session.header)
            indexes = start + np.flatnonzero(paid)
            columns["record_no"] = int64_array(source.record_no + indexes)
            columns["byte_offset"] = int64_array(source.offsets(indexes))
            if self.raw:
                columns["raw"] = array_of([source.frame(i).raw for i in indexes.tolist()], pa.binary())
            names = self._schema.names
            parts.append(pa.record_batch([columns[name] for name in names], schema=self._schema))
        if receipts := [parsed for parsed in processed if parsed.receipt is not None]:
            parts.append(receipt_batch(receipts, self._schema))
        if len(parts) == 2:  # merge them in the order of the file
            table = pa.Table.from_batches(parts)
            order = pc.array_sort_indices(table["record_no"].combine_chunks())
            parts = table.take(order).combine_chunks().to_batches()
        yield from parts
