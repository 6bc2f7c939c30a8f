"""Batches of receipts: column by column where records are certainly valid, by the session where they are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, pairwise
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import BoolArray, Int64Array, UInt8Array, int64_array
from kokin._arrow.threads import lazy_thread_map
from kokin.issues import InvalidInputError
from kokin.receipts._columns import array_of, record_schema
from kokin.receipts._fast.ascii_words import equals, not_digits, union
from kokin.receipts._fast.block import ColumnReader, ParsedBlock, supports_kind
from kokin.receipts._fast.csv_matrix import CsvCells, CsvMatrix, CsvRows, split_lines
from kokin.receipts._framing import Blank, Block, Frame, Lines, OtherLines, Piece, split_row
from kokin.receipts._record import Decoder, ReceiptMapping
from kokin.receipts._session import BATCH_ROWS, ParsedRecord, Session, receipt_batch
from kokin.receipts.layouts import Layout, RecordKind
from kokin.text import EBCDIC_TO_HALF_WIDTH

# With fewer consecutive records, columns cost more than they save.
_MIN_RECORDS = 16
# Records that are passed to a thread together.
_GROUP_RECORDS = 1024
_Records: TypeAlias = Block | CsvRows
_MakeBatches: TypeAlias = Callable[[], list[pa.RecordBatch]]
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


@dataclass(frozen=True)
class _Columns:
    """n consecutive detail records of one kind, parsed column by column."""

    reader: ColumnReader
    block: ParsedBlock
    paid: BoolArray
    """The valid records that report a payment, bool (n,)."""
    totals: list[int]
    """What the valid records add to each declared total."""
    cells: CsvCells | None = None
    """The cells of the rows of a CSV."""


@dataclass(frozen=True)
class _Run:
    """Consecutive records of one piece of a file."""

    source: _Records | OtherLines | list[Frame]
    parsed: _Columns | None = None
    """Its columns; ``None`` for records that are processed singly."""


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
        """Yield the batches of the file: parse its pieces in threads, process them in order, make columns in threads.

        Pieces are parsed before it is known whether a record before them rejects the file; then the result is not used.
        """
        parsed = lazy_thread_map(self._parse_all, _grouped(self.session.pieces(stream)), waiting=0)
        for group in lazy_thread_map(_call, self._process(parsed), waiting=0):
            yield from group

    # --- in any thread: what depends on the bytes of a piece only

    def _parse_all(self, pieces: list[Piece]) -> list[_Run | Blank]:
        return [run for piece in pieces for run in self._parse(piece)]

    def _parse(self, piece: Piece) -> list[_Run | Blank]:
        """Parse a piece of the file: consecutive records of one kind column by column, the others not at all.

        Kinds ``[-1, 0, 0, 0, -1]`` (a header, three details and a trailer) have the edges 0, 1, 4 and 5.
        """
        match piece:
            case Blank():
                return [piece]
            case OtherLines():
                return [_Run(piece)]
            case Frame():
                return [_Run([piece])]
            case _ if piece.count < _MIN_RECORDS:
                return [_Run(list(piece))]
            case Lines():
                assert self._matrix is not None  # lines are those of a CSV
                lines = split_lines(piece, self._matrix.margin)
                cells = self._matrix.matrix(lines)
                columns = self._parse_columns(self._readers[0], cells.matrix, cells.suspects)
                return [_Run(lines, replace(columns, cells=cells))]
        rows = _FROM_EBCDIC.take(piece.rows[:, : piece.width]) if self._framing.ebcdic else piece.rows
        kinds = self._classify(rows)
        edges = np.flatnonzero(np.diff(kinds, prepend=-2, append=-2)).tolist()
        return [self._parse_run(piece, rows[start:end], start, int(kinds[start])) for start, end in pairwise(edges)]

    def _parse_run(self, block: Block, rows: UInt8Array, start: int, kind: int) -> _Run:
        """Parse consecutive records of one kind, those from ``start`` on in a block."""
        source = block.part(start, start + len(rows))
        if kind < 0 or len(rows) < _MIN_RECORDS:
            return _Run(source)
        reader = self._readers[kind]
        suspect = reader.charset.invalid(rows, rows.shape[1] - block.width)
        return _Run(source, self._parse_columns(reader, rows, {"": suspect}))

    def _parse_columns(
        self, reader: ColumnReader, rows: UInt8Array, suspects: Mapping[str, BoolArray | None]
    ) -> _Columns:
        """Parse records of one kind, uint8 (n, stride), of which some are known to be suspect."""
        block = reader.parse(rows, suspects)
        return _Columns(reader, block, reader.paid(block), self._amounts(reader, block, block.valid))

    def _amounts(self, reader: ColumnReader, block: ParsedBlock, chosen: BoolArray) -> list[int]:
        """Return what the chosen records add to each declared total."""
        return [reader.total(total, block, chosen) if total.of == "data" else 0 for total in self.layout.totals]

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

    # --- in the order of the file: what depends on the records before

    def _process(self, parsed: Iterable[list[_Run | Blank]]) -> Iterator[_MakeBatches]:
        """Count the records of the file in its order, and yield for each run a function that makes its batches."""
        for run in chain.from_iterable(parsed):
            if isinstance(run, Blank):
                self.session.add_blank(run)
            elif run.parsed and self.session.checker.expects_data and self._header_is_whole():
                assert isinstance(run.source, Block | CsvRows)  # only these are parsed
                self._count(run.parsed)
                yield self._flush()
                yield self._columns(run.source, run.parsed)
            else:
                for frame in self._singly(run.source):
                    self._add_receipt(self.session.process(frame))
                    if len(self._pending) >= BATCH_ROWS:
                        yield self._flush()
        yield self._flush()

    def _add_receipt(self, parsed: ParsedRecord) -> None:
        if parsed.receipt is not None:
            self._pending.append(parsed)

    def _flush(self) -> _MakeBatches:
        """Return a function that makes a batch of the pending records."""
        pending, self._pending = self._pending, []
        return partial(_batches_of, pending, self._schema)

    def _header_is_whole(self) -> bool:
        """Whether the header has the date and amount that records take from it; if not, each gets an issue."""
        sources = [self.layout.receipt[name].field for name in ("paid_on", "amount")]
        names = [path.removeprefix("header.") for path in sources if path.startswith("header.")]
        return all(self.session.header.get(name) is not None for name in names)

    def _count(self, parsed: _Columns) -> None:
        """Count the valid records of a run."""
        amounts, unpaid = parsed.reader.amounts(parsed.block), parsed.block.valid & ~parsed.paid
        self.session.count_valid(
            counts=(int(np.count_nonzero(parsed.paid)), int(np.count_nonzero(unpaid))),
            yen=(int(amounts[parsed.paid].sum()), int(amounts[unpaid].sum())),
            amounts=parsed.totals,
        )

    def _columns(self, source: _Records, parsed: _Columns) -> _MakeBatches:
        """Process the suspect records of a run, and return a function that makes its batches."""
        receipts = []
        suspects = np.flatnonzero(~parsed.block.valid).tolist()
        for i in self._uncounted(suspects, partial(self._count_rejected, source, parsed)):
            # In a CSV an unknown byte is looked for in the row as a whole.
            names = parsed.block.suspect_fields(i) if isinstance(source, Block) else frozenset[str]()
            record = self.session.process(source.frame(i), names)
            if record.receipt is not None:
                receipts.append(record)
        return partial(self._make_batches, source, parsed, receipts, self.session.header)

    def _singly(self, source: _Records | OtherLines | list[Frame]) -> Iterator[Frame]:
        """Yield the records that the session processes one by one.

        Once issues are only counted, consecutive records of which nothing can be read are left out, and counted here:
        a record between them may be a header or trailer, so all of them are not counted at once.
        """
        if not isinstance(source, Block | OtherLines):
            yield from source
            return
        codes: npt.NDArray[np.str_] | None = None
        i = 0
        while i < source.count:
            if self.session.counts_rejected:
                if codes is None:
                    codes = self._unread_codes(source)
                    others = np.append(np.flatnonzero(codes == ""), source.count)
                end = int(others[np.searchsorted(others, i)])
                if end > i:
                    self.session.count_rejected(end - i, Counter(codes[i:end].tolist()), 0, None)
                    i = end
                    continue
            yield source.frame(i)
            i += 1

    def _unread_codes(self, source: Block | OtherLines) -> npt.NDArray[np.str_]:
        """Return the code of each record of no known kind, and of each detail record of another width; else empty."""
        starts, lengths, content = source.starts, source.lengths, source.content
        if self._framing.ebcdic:
            content = content.translate(EBCDIC_TO_HALF_WIDTH)
        is_data = may_be_other = may_be_any = np.zeros(len(starts), np.bool_)
        for kind in self.layout.records.values():
            matches = _has_constants(content, starts, lengths, kind.consts)
            may_be_any = may_be_any | matches
            if kind.role != "data":
                may_be_other = may_be_other | matches
            elif not kind.digits:
                is_data = is_data | matches
        has_other_width = lengths != self._framing.width
        if self.session.decoder.lenient:  # a shorter record is padded
            has_other_width = lengths > self._framing.width
        codes = np.where(is_data & ~may_be_other & has_other_width, "WIDTH", "")
        return np.where(may_be_any, codes, "RECORD_KIND")

    def _uncounted(self, records: list[int], count_rejected: Callable[[list[int]], list[int]]) -> Iterator[int]:
        """Yield the records to process one by one: all, until issues are only counted, then the others of these."""
        for position, i in enumerate(records):
            if self.session.counts_rejected:
                yield from count_rejected(records[position:])
                return
            yield i

    def _count_rejected(self, source: _Records, parsed: _Columns, suspects: list[int]) -> list[int]:
        """Count suspect records that are certainly rejected, and return the others."""
        reader, block = parsed.reader, parsed.block
        chosen = np.zeros(len(block.valid), np.bool_)
        chosen[suspects] = True
        if isinstance(source, CsvRows):
            chosen &= self._count_unread_rows(source, chosen)
            suspects = np.flatnonzero(chosen).tolist()
            chosen &= source.is_decodable(self.layout.encoding)
        rejected, codes = reader.rejected(
            block, chosen, self.session.counted_fields, partial(self._cells, source, parsed)
        )
        count, yen = int(np.count_nonzero(rejected)), int(reader.amounts(block)[rejected].sum())
        self.session.count_rejected(count, codes, yen, self._amounts(reader, block, rejected))
        return [i for i in suspects if not rejected[i]]

    def _count_unread_rows(self, rows: CsvRows, chosen: BoolArray) -> BoolArray:
        """Count those of the chosen rows that have other cells than columns, or a stray quote; return the others."""
        columns = len(self._kinds[0].fields)
        unread: BoolArray = chosen & (rows.quotes == 0) & (rows.cells != columns)
        codes = Counter({"WIDTH": int(np.count_nonzero(unread))})
        for i in np.flatnonzero(chosen & (rows.quotes > 0)).tolist():
            try:
                code = "WIDTH" if len(split_row(rows.frame(i).raw)) != columns else ""
            except InvalidInputError:
                code = "QUOTES"
            if code:
                unread[i] = True
                codes[code] += 1
        self.session.count_rejected(codes.total(), +codes, 0, None)
        return ~unread

    def _cells(self, source: _Records, parsed: _Columns, name: str, rows: Int64Array) -> list[bytes]:
        """Return the cells of a field in the records with these indexes."""
        kind = parsed.reader.kind
        if isinstance(source, CsvRows):
            assert parsed.cells is not None
            column = list(kind.offsets).index(name)
            starts = parsed.cells.starts[rows, column]
            ends = starts + parsed.cells.lengths[rows, column]
            return [source.content[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        start, length = kind.offsets[name], kind.by_id[name].length
        content = parsed.block.rows[rows, start : start + length].tobytes()
        return [content[at : at + length] for at in range(0, len(content), length)]

    # --- in any thread again

    def _make_batches(
        self, source: _Records, parsed: _Columns, receipts: list[ParsedRecord], header: Mapping[str, Any]
    ) -> list[pa.RecordBatch]:
        """Return the receipts of a run under its header, those that were processed singly in their places."""
        parts = []
        indexes = np.flatnonzero(parsed.paid)
        if indexes.size:
            is_all = len(indexes) == len(parsed.paid)
            columns = parsed.reader.arrays(parsed.block, None if is_all else parsed.paid, header)
            columns["record_no"] = int64_array(source.record_no + indexes)
            columns["byte_offset"] = int64_array(source.offsets(indexes))
            if self.raw:
                columns["raw"] = array_of([source.frame(i).raw for i in indexes.tolist()], pa.binary())
            parts.append(pa.record_batch([columns[name] for name in self._schema.names], schema=self._schema))
        parts += _batches_of(receipts, self._schema)
        if len(parts) == 2:  # merge them in the order of the file
            table = pa.Table.from_batches(parts)
            order = pc.array_sort_indices(table["record_no"].combine_chunks())
            parts = table.take(order).combine_chunks().to_batches()
        return parts


def _grouped(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Collect pieces with few records: to pass one to a thread costs more than to parse it."""
    group: list[Piece] = []
    records = 0
    for piece in pieces:
        group.append(piece)
        records += 1 if isinstance(piece, Frame) else piece.count
        if records >= _GROUP_RECORDS:
            yield group
            group, records = [], 0
    if group:
        yield group


def _has_constants(
    content: bytes, starts: Int64Array, lengths: Int64Array, constants: list[tuple[int, bytes]]
) -> BoolArray:
    """Whether each record has these bytes at their positions, bool (n,)."""
    buffer = np.frombuffer(content, np.uint8)
    matches = np.ones(len(starts), np.bool_)
    for position, text in constants:
        matches &= lengths >= position + len(text)
        for i, byte in enumerate(text, position):
            matches &= buffer[np.minimum(starts + i, len(buffer) - 1)] == byte
    return matches


def _call(make: _MakeBatches) -> list[pa.RecordBatch]:
    return make()


def _batches_of(parsed: Sequence[ParsedRecord], schema: pa.Schema) -> list[pa.RecordBatch]:
    """Return records that were processed singly as a batch; none if there are none."""
    return [receipt_batch(parsed, schema)] if parsed else []
