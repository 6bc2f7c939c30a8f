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
from kokin.receipts._columns import array_of, record_schema
from kokin.receipts._fast.ascii_words import equals, not_digits, union
from kokin.receipts._fast.block import ColumnReader, ParsedBlock, supports_kind
from kokin.receipts._fast.csv_matrix import CsvCells, CsvMatrix, CsvRows, split_lines
from kokin.receipts._fast.headers import HeaderReader
from kokin.receipts._framing import Blank, Block, Frame, Lines, Piece, has_stray_quote, split_row
from kokin.receipts._record import Decoder, ReceiptMapping
from kokin.receipts._session import BATCH_ROWS, ParsedRecord, Session, receipt_batch
from kokin.receipts.layouts import FieldType, Layout, RecordKind
from kokin.text import EBCDIC_TO_HALF_WIDTH

# With fewer consecutive records, columns cost more than they save.
_MIN_RECORDS = 16
# Records that are passed to a thread together.
_GROUP_RECORDS = 1024
_MakeBatches: TypeAlias = Callable[[], list[pa.RecordBatch]]
# The class of a line: the index of the reader of a detail record, or one of these.
_NO_KIND, _OTHER_WIDTH, _BLANK, _UNREAD, _OTHER = range(-5, 0)
# The issues of lines that certainly have this one only.
_ISSUE_CODES = {_NO_KIND: "RECORD_KIND", _OTHER_WIDTH: "WIDTH"}
_FROM_EBCDIC = np.frombuffer(EBCDIC_TO_HALF_WIDTH, np.uint8)


def supports(layout: Layout, columns: list[str]) -> bool:
    """Whether files of a layout with these columns can be read column by column."""
    return (
        bool(layout.receipt)
        and not layout.xml
        and any(columns)
        # A field of kanji is in cp932 whatever the encoding of the file is.
        and not (layout.encoding == "utf-8" and any(f.type is FieldType.KANJI for f in layout.data.fields))
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
    """n detail records of one kind of a run, parsed column by column."""

    reader: ColumnReader
    indexes: Int64Array
    """Of the records in their run, ascending, int64 (n,)."""
    block: ParsedBlock
    paid: BoolArray
    """The valid records that report a payment, bool (n,)."""
    totals: list[int]
    """What the valid records add to each declared total."""
    cells: CsvCells | None = None
    """The cells of the rows of a CSV."""


@dataclass(frozen=True)
class _Run:
    """Consecutive lines of a piece: detail records, blank lines, and lines that are no header, trailer or end record.

    The lines that are in no columns, and the suspect records of these, are processed singly.
    """

    source: Block | Lines
    classes: npt.NDArray[np.int8]
    """The class of each line, int8 (count,)."""
    columns: list[_Columns]
    """The columns of each kind."""
    csv: CsvRows | None = None

    def suspects(self) -> Int64Array:
        """Return the index of each line to be processed singly; of consecutive blank lines the first one only."""
        is_valid = np.zeros(self.source.count, np.bool_)
        for columns in self.columns:
            is_valid[columns.indexes] = columns.block.valid
        if isinstance(self.source, Block):
            return np.flatnonzero(~is_valid)
        return self.source.frame_starts[~is_valid[self.source.frame_starts]]

    def frame(self, i: int) -> Frame | Blank:
        """Return the record of a line, or the blank lines that begin with it."""
        if isinstance(self.source, Lines) and self.source.blanks[i]:
            return self.source.blank(i)
        return self.source.frame(i)

    def suspect_fields(self, i: int) -> frozenset[str]:
        """Return the fields for which a fixed-width record is suspect, if it is only for these; else none."""
        for columns in () if self.csv else self.columns:  # in a CSV an unknown byte is looked for in the whole row
            at = int(np.searchsorted(columns.indexes, i))
            if at < len(columns.indexes) and columns.indexes[at] == i:
                return columns.block.suspect_fields(at)
        return frozenset()


#: Frames and blank lines that are processed singly: a header, or too few records for columns.
_Singles: TypeAlias = Block | Lines | list[Frame | Blank]


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
        self._headers = {
            name: HeaderReader(self.layout, kind, reference_date)
            for name, kind in self.layout.records.items()
            if kind.role == "header"
        }
        self._pending: list[ParsedRecord] = []

    def batches(self, stream: BinaryIO) -> Iterator[pa.RecordBatch]:
        """Yield the batches of the file: parse its pieces in threads, process them in order, make columns in threads.

        Pieces are parsed before it is known whether a record before them rejects the file; then the result is not used.
        """
        parsed = lazy_thread_map(self._parse_all, _grouped(self.session.pieces(stream)), waiting=0)
        for group in lazy_thread_map(_call, self._process(parsed), waiting=0):
            yield from group

    # --- in any thread: what depends on the bytes of a piece only

    def _parse_all(self, pieces: list[Piece]) -> list[_Run | _Singles]:
        return [run for piece in pieces for run in self._parse(piece)]

    def _parse(self, piece: Piece) -> list[_Run | _Singles]:
        """Parse a piece of the file: the detail records between two records of other kinds column by column."""
        if isinstance(piece, Frame | Blank):
            return [[piece]]
        if piece.count < _MIN_RECORDS:
            return [piece]
        return self._parse_csv(piece) if isinstance(piece, Lines) and self._matrix else self._parse_fixed(piece)

    def _parse_csv(self, lines: Lines) -> list[_Run | _Singles]:
        """Parse rows of a CSV; those with other cells than columns are in no column."""
        assert self._matrix is not None
        rows = split_lines(lines, self._matrix.margin)
        classes = np.zeros(lines.count, np.int8)
        has_other_cells = rows.cells != self._matrix.columns
        classes[has_other_cells] = np.where(rows.quotes[has_other_cells] == 0, _OTHER_WIDTH, _UNREAD)
        classes[lines.blanks] = _BLANK
        indexes = np.flatnonzero(classes == 0)
        columns = []
        if len(indexes) >= _MIN_RECORDS:
            cells = self._matrix.matrix(rows, indexes)
            parsed = self._parse_columns(self._readers[0], indexes, cells.matrix, cells.suspects)
            columns.append(replace(parsed, cells=cells))
        return [_Run(lines, classes, columns, rows)]

    def _parse_fixed(self, piece: Block | Lines) -> list[_Run | _Singles]:
        """Parse fixed-width records: runs of at least 16 lines between headers, trailers and end records.

        Classes ``[_OTHER, 0, 0, _NO_KIND, 0, ..., _OTHER]`` (a header, details with an unknown record, and a trailer)
        are a header, a run with columns of the details, and a trailer.
        """
        width = self._framing.width
        if isinstance(piece, Block):
            indexes, rows, excess = np.arange(piece.count), piece.rows, piece.stride - width
        else:
            indexes = np.flatnonzero((piece.lengths == width) & ~piece.blanks)
            rows, excess = piece.matrix(indexes, width), 0
        if self._framing.ebcdic:
            rows, excess = _FROM_EBCDIC.take(rows[:, :width]), 0
        classes = np.full(piece.count, _OTHER, np.int8)
        classes[indexes] = _classify(rows, self._kinds)
        self._classify_others(piece, classes)
        runs: list[_Run | _Singles] = []
        end_of_runs = 0
        edges = [-1, *np.flatnonzero(classes == _OTHER).tolist(), piece.count]
        for start, end in ((before + 1, behind) for before, behind in pairwise(edges)):
            if end - start < _MIN_RECORDS:
                continue
            if end_of_runs < start:
                runs.append(piece.part(end_of_runs, start))
            first, behind = np.searchsorted(indexes, [start, end])
            part = indexes[first:behind] - start
            runs.append(self._parse_run(piece.part(start, end), classes[start:end], part, rows[first:behind], excess))
            end_of_runs = end
        if end_of_runs < piece.count:
            runs.append(piece.part(end_of_runs, piece.count))
        return runs

    def _parse_run(
        self,
        source: Block | Lines,
        classes: npt.NDArray[np.int8],
        indexes: Int64Array,
        rows: UInt8Array,
        excess: int,
    ) -> _Run:
        """Parse the detail records of each kind; ``rows`` are those of the lines with these indexes."""
        columns = []
        for i, reader in enumerate(self._readers):
            chosen = np.flatnonzero(classes[indexes] == i)
            if len(chosen) < _MIN_RECORDS:
                continue
            of_kind = rows if len(chosen) == len(rows) else rows[chosen]
            suspects = {"": reader.charset.invalid(of_kind, excess)}
            columns.append(self._parse_columns(reader, indexes[chosen], of_kind, suspects))
        return _Run(source, classes, columns)

    def _parse_columns(
        self, reader: ColumnReader, indexes: Int64Array, rows: UInt8Array, suspects: Mapping[str, BoolArray | None]
    ) -> _Columns:
        """Parse records of one kind, uint8 (n, stride), of which some are known to be suspect."""
        block = reader.parse(rows, suspects)
        return _Columns(reader, indexes, block, reader.paid(block), self._amounts(reader, block))

    def _amounts(self, reader: ColumnReader, block: ParsedBlock) -> list[int]:
        """Return what the valid records add to each declared total."""
        return [reader.total(total, block, block.valid) if total.of == "data" else 0 for total in self.layout.totals]

    def _classify_others(self, source: Block | Lines, classes: npt.NDArray[np.int8]) -> None:
        """Replace ``_OTHER`` by another class in lines that are certainly no header, trailer or end record."""
        if isinstance(source, Lines):
            classes[source.blanks] = _BLANK
        others = np.flatnonzero(classes == _OTHER)
        if not len(others):
            return
        starts, lengths, content = source.starts[others], source.lengths[others], source.content
        if self._framing.ebcdic:
            content = content.translate(EBCDIC_TO_HALF_WIDTH)
        is_data = may_be_data = may_be_other = np.zeros(len(others), np.bool_)
        for kind in self.layout.records.values():
            matches = _has_constants(content, starts, lengths, kind.consts)
            if kind.role != "data":
                may_be_other = may_be_other | matches
                continue
            may_be_data = may_be_data | matches
            if not kind.digits:
                is_data = is_data | matches
        has_other_width = lengths != self._framing.width
        if self.session.decoder.lenient:  # a shorter record is padded
            has_other_width = lengths > self._framing.width
        unread = np.where(is_data & has_other_width, _OTHER_WIDTH, np.where(may_be_data, _UNREAD, _NO_KIND))
        classes[others] = np.where(may_be_other, _OTHER, unread)

    # --- in the order of the file: what depends on the records before

    def _process(self, parsed: Iterable[list[_Run | _Singles]]) -> Iterator[_MakeBatches]:
        """Count the records of the file in its order, and yield for each run a function that makes its batches."""
        for run in chain.from_iterable(parsed):
            if isinstance(run, _Run) and self.session.checker.expects_data and self._header_is_whole():
                for columns in run.columns:
                    self._count(columns)
                yield self._flush()
                yield self._columns(run)
                continue
            for frame in run.source if isinstance(run, _Run) else self._uncounted_singles(run):
                if isinstance(frame, Blank):
                    self.session.add_blank(frame)
                    continue
                self._add_receipt(self.session.process(frame))
                if len(self._pending) >= BATCH_ROWS:
                    yield self._flush()
        yield self._flush()

    def _uncounted_singles(self, source: _Singles) -> Iterator[Frame | Blank]:
        """Yield the records to process one by one: all but headers that are counted, between two others."""
        end = 0
        for name, first, behind in self._header_runs(source):
            assert not isinstance(source, list)
            yield from source.part(end, first)
            end = first
            while end < behind:
                yield source.frame(end)
                end += 1
                if behind - end > _MIN_RECORDS and self.session.counts_headers(name):
                    self._count_headers(name, source.part(end, behind - 1))
                    end = behind - 1
        if isinstance(source, list) or not end:
            yield from source
        elif end < source.count:
            yield from source.part(end, source.count)

    def _header_runs(self, source: _Singles) -> Iterator[tuple[str, int, int]]:
        """Yield the kind, the first index and the end of consecutive headers of a kind, of at least 16."""
        if not self._headers or isinstance(source, list) or source.count < _MIN_RECORDS:
            return
        indexes = np.flatnonzero(source.lengths == self._framing.width)
        classes = np.full(source.count, _OTHER, np.int8)
        classes[indexes] = _classify(self._body(source, indexes), [*self.layout.records.values()])
        edges = [0, *(np.flatnonzero(np.diff(classes)) + 1).tolist(), source.count]
        names = [*self.layout.records]
        for first, behind in pairwise(edges):
            if behind - first >= _MIN_RECORDS and classes[first] >= 0 and names[classes[first]] in self._headers:
                yield names[classes[first]], first, behind

    def _body(self, source: Block | Lines, indexes: Int64Array) -> UInt8Array:
        """Return the bytes of lines of the width of the file in ASCII, with blanks up to the width of the layout."""
        width = self._framing.width
        rows = source.rows[indexes, :width] if isinstance(source, Block) else source.matrix(indexes, width)
        rows = _FROM_EBCDIC.take(rows) if self._framing.ebcdic else rows
        blanks = (self.layout.width or width) - width
        return np.pad(rows, ((0, 0), (0, blanks)), constant_values=ord(" ")) if blanks else rows

    def _count_headers(self, name: str, source: Block | Lines) -> None:
        """Count headers between two others."""
        issues = self._headers[name].issues(self._body(source, np.arange(source.count)))
        self.session.count_headers(source.count, issues.errors, issues.warnings)

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

    def _columns(self, run: _Run) -> _MakeBatches:
        """Process the suspect records of a run, and return a function that makes its batches."""
        receipts = []
        for i in self._uncounted(run):
            frame = run.frame(i)
            if isinstance(frame, Blank):
                self.session.add_blank(frame)
                continue
            record = self.session.process(frame, run.suspect_fields(i))
            if record.receipt is not None:
                receipts.append(record)
        return partial(self._make_batches, run, receipts, self.session.header)

    def _uncounted(self, run: _Run) -> Iterator[int]:
        """Yield the lines to process one by one: all, until issues are only counted, then the others of these."""
        suspects = run.suspects()
        for position, i in enumerate(suspects.tolist()):
            if self.session.counts_rejected:
                yield from self._count_rejected(run, suspects[position:]).tolist()
                return
            yield i

    def _count_rejected(self, run: _Run, suspects: Int64Array) -> Int64Array:
        """Count suspect lines that certainly have issues only, and return the others, in their order."""
        is_left = np.zeros(run.source.count, np.bool_)
        is_left[suspects] = True
        for line_class, code in _ISSUE_CODES.items():
            chosen = is_left & (run.classes == line_class)
            self._count_unread(Counter({code: int(np.count_nonzero(chosen))}))
            is_left &= ~chosen
        if run.csv:
            self._count_misquoted(run, run.csv, is_left)
        for columns in run.columns:
            rejected = self._count_columns(run, columns, is_left[columns.indexes])
            is_left[columns.indexes[rejected]] = False
        if isinstance(run.source, Lines) and not run.source.has_damaged_blanks:
            blanks = is_left & run.source.blanks
            self.session.issues.all.add_counts(+Counter({"LINE_BLANK": int(np.count_nonzero(blanks))}))
            is_left &= ~blanks
        return np.flatnonzero(is_left)

    def _count_unread(self, codes: Counter[str]) -> None:
        """Count records of which no value could be read, each with one issue."""
        self.session.count_rejected(codes.total(), +codes, 0, None)

    def _count_misquoted(self, run: _Run, rows: CsvRows, is_left: BoolArray) -> None:
        """Count those of the rows that are left which have a stray quote, or quotes and other cells than columns."""
        assert self._matrix is not None
        columns, codes = self._matrix.columns, Counter[str]()
        for i in np.flatnonzero(is_left & (rows.quotes > 0) & (run.classes != _BLANK)).tolist():
            row, delimiter = rows.lines.frame(i).raw, self._framing.delimiter
            if has_stray_quote(row, delimiter):
                code = "QUOTES"
            else:
                code = "WIDTH" if len(split_row(row, delimiter)) != columns else ""
            if code:
                is_left[i] = False
                codes[code] += 1
        self._count_unread(codes)

    def _count_columns(self, run: _Run, columns: _Columns, chosen: BoolArray) -> BoolArray:
        """Count and return the chosen records that are certainly rejected because of single fields, bool (n,)."""
        reader, block = columns.reader, columns.block
        chosen = chosen & ~block.valid
        if run.csv:
            chosen &= run.csv.is_decodable(self.layout.encoding)[columns.indexes]
        rejected, codes = reader.rejected(
            block, chosen, self.session.counted_fields, partial(self._cells, run.source, columns)
        )
        amounts = [
            reader.total_and_unsure(total, block, rejected) if total.of == "data" else (0, 0)
            for total in self.layout.totals
        ]
        self.session.count_rejected(int(np.count_nonzero(rejected)), codes, reader.yen(block, rejected), amounts)
        return rejected

    def _cells(self, source: Block | Lines, columns: _Columns, name: str, rows: Int64Array) -> list[bytes]:
        """Return the cells of a field in those records of the columns that have these indexes."""
        kind = columns.reader.kind
        if columns.cells:
            column = list(kind.offsets).index(name)
            starts = columns.cells.starts[rows, column]
            ends = starts + columns.cells.lengths[rows, column]
            return [source.content[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        start, length = kind.offsets[name], kind.by_id[name].length
        content = columns.block.rows[rows, start : start + length].tobytes()
        return [content[at : at + length] for at in range(0, len(content), length)]

    # --- in any thread again

    def _make_batches(self, run: _Run, receipts: list[ParsedRecord], header: Mapping[str, Any]) -> list[pa.RecordBatch]:
        """Return the receipts of a run under its header, in the order of the file."""
        parts = [self._batch(run.source, columns, header) for columns in run.columns if columns.paid.any()]
        parts += _batches_of(receipts, self._schema)
        if len(parts) > 1:
            table = pa.Table.from_batches(parts)
            order = pc.array_sort_indices(table["record_no"].combine_chunks())
            parts = table.take(order).combine_chunks().to_batches()
        return parts

    def _batch(self, source: Block | Lines, columns: _Columns, header: Mapping[str, Any]) -> pa.RecordBatch:
        """Return the receipts of valid records of one kind under their header."""
        indexes, is_all = columns.indexes[columns.paid], bool(columns.paid.all())
        arrays = columns.reader.arrays(columns.block, None if is_all else columns.paid, header)
        arrays["record_no"] = int64_array(source.record_no + indexes)
        arrays["byte_offset"] = int64_array(source.offsets(indexes))
        if self.raw:
            arrays["raw"] = array_of([source.frame(i).raw for i in indexes.tolist()], pa.binary())
        return pa.record_batch([arrays[name] for name in self._schema.names], schema=self._schema)


def _classify(rows: UInt8Array, kinds: Sequence[RecordKind]) -> npt.NDArray[np.int8]:
    """Return the index of the first kind that each record has, int8 (n,); ``_OTHER`` if it has none of them."""
    classes = np.full(len(rows), _OTHER, np.int8)
    for i, kind in reversed(list(enumerate(kinds))):
        other: BoolArray | None = None
        for start, const in kind.consts:
            other = union(other, ~equals(rows, start, len(const), const))
        for name in kind.digits:
            other = union(other, not_digits(rows, kind.offsets[name], kind.by_id[name].length))
        classes[slice(None) if other is None else ~other] = i
    return classes


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
    rows = np.flatnonzero(lengths >= max((position + len(text) for position, text in constants), default=0))
    for position, text in constants:
        for i, byte in enumerate(text, position):
            rows = rows[buffer[starts[rows] + i] == byte]
    matches = np.zeros(len(starts), np.bool_)
    matches[rows] = True
    return matches


def _call(make: _MakeBatches) -> list[pa.RecordBatch]:
    return make()


def _batches_of(parsed: Sequence[ParsedRecord], schema: pa.Schema) -> list[pa.RecordBatch]:
    """Return records that were processed singly as a batch; none if there are none."""
    return [receipt_batch(parsed, schema)] if parsed else []
