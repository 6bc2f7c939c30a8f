"""One reading of a file: its bytes are hashed, framed, decoded and counted in one pass.

So the digest is that of the bytes that were parsed, and what is known of the file (issues, totals) is always that of
one reading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import pyarrow as pa

from kokin.issues import InvalidInputError, Issue, Location
from kokin.receipts._columns import array_of, record_schema
from kokin.receipts._file_digest import HashedStream, digest_of
from kokin.receipts._framing import SMALL_BLOCK_BYTES, Blank, Frame, Piece, blocks, split_row
from kokin.receipts._issue_log import FileIssues
from kokin.receipts._preamble import HEAD_BYTES, read_preamble
from kokin.receipts._record import Decoder, RawRecord, RecordMapping
from kokin.receipts._totals import Totals, TotalsChecker
from kokin.receipts._xml_decoder import XmlDecoder
from kokin.receipts.layouts import FieldType, Layout
from kokin.text import file_name

#: Rows of a batch that is read record by record.
BATCH_ROWS = 8192


class FileRejectedError(InvalidInputError):
    """A file of which no record may be used: a total that differs, a record that is cut, an unknown byte."""


class FileBytes:
    """The bytes of a file or a seekable stream, with their preamble; a later reading fails if they have changed."""

    def __init__(self, path: str | Path | BinaryIO, layout: Layout, *, lenient: bool) -> None:
        self.path = path
        #: Its file name; empty for a stream without a name.
        self.source = file_name(str(getattr(path, "name", "") if hasattr(path, "read") else path))
        with self.opened() as stream:
            self._head_digest = _head_digest(stream)
            stream.seek(0)
            self.preamble = read_preamble(stream, layout, self.source, lenient=lenient)
        self._digest = ""

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The bytes from the beginning, not hashed."""
        if isinstance(self.path, str | Path):
            with Path(self.path).open("rb") as stream:
                yield stream
        else:
            self.path.seek(0)
            yield self.path

    @property
    def digest(self) -> str:
        """The SHA-256 in hexadecimal; the file is read for it if no reading has ended yet."""
        if not self._digest:
            with self.opened() as stream:
                self._digest = digest_of(stream)
        return self._digest

    @contextmanager
    def head(self, issues: FileIssues) -> Iterator[BinaryIO]:
        """The bytes from the beginning, not hashed, for a reader of the first record.

        Raises:
            FileRejectedError: the first bytes differ from those of the reading before; ``issues`` gets a
                ``FILE_CHANGED``.
        """
        with self.opened() as stream:
            if _head_digest(stream) != self._head_digest:
                raise self.changed(issues)
            stream.seek(0)
            yield stream

    def changed(self, issues: FileIssues) -> FileRejectedError:
        """Add a ``FILE_CHANGED`` to the issues, and return the error to raise."""
        issues.reject_file(Issue("FILE_CHANGED", location=Location(self.source)))
        return rejection(issues, self.source)

    @contextmanager
    def hashed(self, issues: FileIssues, *, digest_first: bool = False) -> Iterator[BinaryIO]:
        """The bytes from the beginning, hashed while they are read.

        With ``digest_first`` :attr:`digest` is computed before the first byte is returned, from the same open file.

        Raises:
            FileRejectedError: the bytes differ from those of the reading before; ``issues`` gets a ``FILE_CHANGED``.
        """
        with self.opened() as stream:
            is_changed = _head_digest(stream) != self._head_digest
            if not is_changed:
                stream.seek(0)
                if digest_first and not self._digest:
                    self._digest = digest_of(stream)
                    stream.seek(0)
                with HashedStream(stream) as hashed:
                    yield cast("BinaryIO", hashed)
                    found = hashed.digest()
                self._digest = self._digest or found
                is_changed = found != self._digest
            if is_changed:
                raise self.changed(issues)


def _head_digest(stream: BinaryIO) -> bytes:
    return hashlib.sha256(stream.read(HEAD_BYTES)).digest()


def rejection(issues: FileIssues, source: str) -> FileRejectedError:
    """Return the error of a file with fatal issues."""
    return FileRejectedError(issues.fatal, f"{source or 'the file'} is rejected: correct it, or ask for it again")


class ParsedRecord(NamedTuple):
    """A record, and its canonical values if it is an accepted detail record: a receipt, or what the mapping yields."""

    record: RawRecord
    receipt: dict[str, Any] | None


class Session:
    """The state of one reading: ``issues``, ``totals`` and the current ``header`` change while records are read."""

    def __init__(
        self, decoder: Decoder | XmlDecoder, mapping: RecordMapping, issues: FileIssues, totals: Totals
    ) -> None:
        self.decoder, self.mapping, self.issues, self.totals = decoder, mapping, issues, totals
        self.layout = decoder.layout
        #: Called with each piece of the file while it is read, in order.
        self.on_piece: Callable[[Piece], None] | None = None
        #: Bytes of a block at most; see :mod:`kokin.receipts._framing`.
        self.block_bytes = SMALL_BLOCK_BYTES
        #: The values of the last header record.
        self.header: Mapping[str, Any] = {}
        self.checker = TotalsChecker(self.layout, decoder.file, totals, issues)
        self._amount_field = _amount_field(self.layout, mapping.table)
        #: The fields that the totals need of a rejected record.
        self.counted_fields = frozenset({self._amount_field}).union(*(total.ids for total in self.layout.totals))

    def records(self, stream: BinaryIO) -> Iterator[ParsedRecord]:
        """Yield every record of the file, counted."""
        if isinstance(self.decoder, XmlDecoder):
            for record in self.decoder.records(stream):
                self.totals.records += 1
                yield ParsedRecord(record, self._add_detail(record))
            return
        for piece in self.pieces(stream):
            for frame in (piece,) if isinstance(piece, Frame | Blank) else piece:
                if isinstance(frame, Blank):
                    self.add_blank(frame)
                else:
                    yield self.process(frame)

    def pieces(self, stream: BinaryIO) -> Iterator[Piece]:
        """Yield the pieces of a file that is not XML."""
        assert isinstance(self.decoder, Decoder)
        for piece in blocks(stream, self.decoder.framing, self.block_bytes):
            if self.on_piece:
                self.on_piece(piece)
            yield piece

    def batches(self, stream: BinaryIO, *, raw: bool) -> Iterator[pa.RecordBatch]:
        """Yield the receipts of the file in batches, read record by record."""
        schema = record_schema(self.mapping.columns, raw=raw)
        if isinstance(self.decoder, XmlDecoder):
            self.decoder.keeps_records = False
        receipts = (parsed for parsed in self.records(stream) if parsed.receipt is not None)
        while chunk := list(islice(receipts, BATCH_ROWS)):
            yield receipt_batch(chunk, schema)

    def finish(self) -> None:
        """Check what the file lacks at its end, and that every detail record was counted once."""
        self.checker.finish()
        totals = self.totals
        assert totals.read == totals.accepted + totals.unpaid + totals.rejected
        totals.complete = True

    def add_blank(self, blank: Blank) -> None:
        """Report blank lines between records: a warning, but damage if they contain NUL or SUB."""
        location = Location(self.decoder.file, blank.record_no, blank.byte_offset)
        found = ", ".join(["NUL or SUB"] * blank.is_damaged + [f"{blank.count} lines"] * (blank.count > 1))
        self._add_issues([Issue("BYTE_UNKNOWN" if blank.is_damaged else "LINE_BLANK", found=found, location=location)])
        if blank.is_damaged and self.decoder.lenient:
            self.totals.read += blank.count
            self.totals.rejected += blank.count

    def process(self, frame: Frame, suspect_fields: frozenset[str] = frozenset()) -> ParsedRecord:
        """Decode a frame and count its record.

        ``suspect_fields`` of a fixed-width detail record are those that may be invalid, if all others are known to be
        valid: if one of them is, the others need not be read.
        """
        assert isinstance(self.decoder, Decoder)
        self.totals.records += 1
        record = self.decoder.decode(frame, suspect_fields | self.counted_fields) if suspect_fields else None
        if record is None or record.is_valid:
            record = self.decoder.decode(frame)
        if self._is_cut(self.decoder, frame, record):
            location = Location(self.decoder.file, record.record_no, record.byte_offset)
            self.issues.reject_file(Issue("RECORD_TRUNCATED", location=location))
        kind = self.layout.records.get(record.kind)
        if kind is None or kind.role == "data":
            return ParsedRecord(record, self._add_detail(record))
        # An error in a header, trailer or end record rejects the file.
        self.issues.reject_file(*(issue for issue in record.issues if issue.is_error))
        self.issues.add(*(issue for issue in record.issues if not issue.is_error))
        if kind.role == "header":
            self.header = record.values
        self.checker.add_record(record)
        return ParsedRecord(record, None)

    def count_valid(self, *, counts: tuple[int, int], yen: tuple[int, int], amounts: Sequence[int]) -> None:
        """Count many valid detail records in their place.

        ``counts`` and ``yen`` are those of the accepted and of the unpaid records; ``amounts`` is what they add to each
        declared total.
        """
        totals, (accepted, unpaid) = self.totals, counts
        totals.records += accepted + unpaid
        totals.read += accepted + unpaid
        totals.accepted += accepted
        totals.unpaid += unpaid
        totals.accepted_yen += yen[0]
        totals.unpaid_yen += yen[1]
        self.checker.add_details(accepted + unpaid, unpaid, amounts)

    @property
    def counts_rejected(self) -> bool:
        """Whether rejected detail records may be counted by :meth:`count_rejected`, without an issue for each."""
        return self.issues.all.is_full and self.checker.expects_data

    def count_rejected(
        self, count: int, codes: Mapping[str, int], yen: int, amounts: Sequence[tuple[int, int]] | None
    ) -> None:
        """Count many rejected detail records in their place, with their issues by code.

        ``amounts`` is what they add to each declared total, and the number of those that may belong to it; ``None`` if
        no value of them could be read.
        """
        totals = self.totals
        totals.records += count
        totals.read += count
        totals.rejected += count
        totals.rejected_yen += yen
        self.issues.all.add_counts(codes)
        if amounts is None:
            self.checker.add_unread(count)
        else:
            self.checker.add_details(count, 0, [exact for exact, _ in amounts])
            self.checker.add_unsure([unsure for _, unsure in amounts])

    def counts_headers(self, kind: str) -> bool:
        """Whether headers of a kind may be counted by :meth:`count_headers`, without an issue for each."""
        return self.issues.all.is_full and self.issues.fatal.is_full and self.checker.counts_headers(kind)

    def count_headers(self, count: int, errors: Mapping[str, int], warnings: Mapping[str, int]) -> None:
        """Count many headers between two others, with their issues by code; an error rejects the file."""
        self.totals.records += count
        self.issues.count_fatal(errors)
        self.issues.all.add_counts(warnings)
        self.checker.add_headers(count)

    def _is_cut(self, decoder: Decoder, frame: Frame, record: RawRecord) -> bool:
        """Whether the last record ends too early; a row is cut if its last cell is missing or invalid."""
        if frame.is_terminated or record.is_valid:
            return False
        if decoder.framing.width:
            return len(frame.raw) < decoder.framing.width
        try:
            cell_count = len(split_row(frame.raw, decoder.framing.delimiter))
        except InvalidInputError:  # a stray quote, or a cell that is cut
            cell_count = frame.raw.count(decoder.framing.delimiter) + 1
        if cell_count < len(decoder.columns):
            return True
        last = decoder.columns[-1]
        return bool(last) and any(issue.field == last for issue in record.issues if issue.is_error)

    def _add_detail(self, record: RawRecord) -> dict[str, Any] | None:
        """Count a detail record as accepted, unpaid or rejected, and return its values if it is a receipt."""
        totals = self.totals
        totals.read += 1
        amount = record.values.get(self._amount_field) or 0
        is_valid = record.is_valid
        is_unpaid = is_valid and not self.mapping.is_payment(record.values)
        receipt = self._receipt(record) if is_valid and not is_unpaid else None
        if is_unpaid:
            totals.unpaid += 1
            totals.unpaid_yen += amount
        elif receipt is not None:
            totals.accepted += 1
            totals.accepted_yen += amount
        else:
            totals.rejected += 1
            totals.rejected_yen += amount
        if record.issues:
            self._add_issues(record.issues)
        self.checker.add_detail(record, unpaid=is_unpaid)
        return receipt

    def _add_issues(self, issues: list[Issue]) -> None:
        """Append the issues of a detail record or blank; an unknown byte makes the whole file suspect."""
        self.issues.add(*issues)
        if not self.decoder.lenient:
            self.issues.fatal.add(issue for issue in issues if issue.code == "BYTE_UNKNOWN")

    def _receipt(self, record: RawRecord) -> dict[str, Any] | None:
        """Return the canonical values of a valid record; if they are invalid, ``None`` and more issues in it."""
        if not self.layout.mappings[self.mapping.table]:
            return {}
        values, errors = self.mapping.values(record.values, self.header)
        record.issues += [issue.with_location(self.decoder.location(record, issue.field)) for issue in errors]
        return None if errors else values


def _amount_field(layout: Layout, table: str) -> str:
    """Return the field of the amount that a file's counts in yen add up; empty if it has none."""
    amount = layout.mappings[table].get("amount")
    field = layout.data.by_id.get(amount.field if amount else "amount")
    return field.id if field and field.type in (FieldType.NUMBER, FieldType.YEN, FieldType.MONEY) else ""


def receipt_batch(parsed: Sequence[ParsedRecord], schema: pa.Schema) -> pa.RecordBatch:
    """Return receipts that were read record by record as a batch of :func:`record_schema`."""
    rows = [
        {"record_no": r.record_no, "byte_offset": r.byte_offset, "raw": r.raw, **(receipt or {})}
        for r, receipt in parsed
    ]
    return pa.record_batch([array_of([row[f.name] for row in rows], f.type) for f in schema], schema=schema)
