"""A receipt file (収納データ) and its layout: read it as records, as receipts or as Arrow batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pyarrow as pa

from kokin._arrow.mapped import to_mapped_file
from kokin.issues import InvalidInputError, Issue, ReadResult, RejectedRecordsError
from kokin.model import Receipt
from kokin.receipts import _fast
from kokin.receipts._columns import batch_schema, with_origin
from kokin.receipts._framing import LARGE_BLOCK_BYTES, SMALL_BLOCK_BYTES, Frame, Piece, frames
from kokin.receipts._issue_log import FileIssues, IssueLog
from kokin.receipts._record import Decoder, RawRecord, ReceiptMapping, RecordMapping
from kokin.receipts._session import FileBytes, ParsedRecord, Session, rejection
from kokin.receipts._totals import Totals
from kokin.receipts._xml_decoder import XmlDecoder
from kokin.receipts.layouts import Layout, load

_LOGGER = logging.getLogger(__name__)

#: What a reader does about rejected records: raise an error that names them, or return the others.
OnError = Literal["raise", "skip"]


class LayoutFile:
    """A file and its layout; every reading begins with the first byte, in constant memory.

    ``issues``, ``fatal_issues`` and ``totals`` are those of the last reading.
    """

    def __init__(
        self,
        path: str | Path | BinaryIO,
        layout: Layout,
        *,
        lenient: bool = False,
        reference_date: date | None = None,
        max_issues: int = 10_000,
    ) -> None:
        if layout.needs_reference_date and reference_date is None:
            raise InvalidInputError([Issue("REFERENCE_DATE_MISSING", field="reference_date")], f"layout {layout.name}")
        self.path, self.layout = path, layout
        self.lenient, self.reference_date, self.max_issues = lenient, reference_date, max_issues
        self._bytes = FileBytes(path, layout, lenient=lenient)
        self._preamble = self._bytes.preamble
        #: The name of the file; empty for a stream without a name.
        self.source = self._bytes.source
        self.framing = self._preamble.framing
        #: Called with each piece of the file, except of XML, while it is read.
        self.on_piece: Callable[[Piece], None] | None = None
        self._session = self._new_session()

    @property
    def digest(self) -> str:
        """The SHA-256 of the file, in hexadecimal, by which a second import of it is recognized."""
        return self._bytes.digest

    @cached_property
    def header(self) -> Mapping[str, Any]:
        """The fields of the first header record (ヘッダー), personal data unmasked; empty if the layout has none."""
        if self.layout.role("header") is None or self._preamble.fatal_issues:
            return {}
        with self._bytes.head(self._session.issues) as stream:
            first = next((frame for frame in frames(stream, self.framing) if isinstance(frame, Frame)), None)
        return dict(self.decoder().decode(first).values) if first else {}

    def opened(self) -> AbstractContextManager[BinaryIO]:
        """Return a context with the bytes of the file from the beginning."""
        return self._bytes.opened()

    def reject_changed(self) -> None:
        """Reject the file, because its bytes are others than those that were read."""
        self._bytes.changed(self._session.issues)

    def decoder(self) -> Decoder:
        """Return a decoder of single records of the file."""
        return Decoder(
            self.layout,
            self.framing,
            self._preamble.columns,
            reference_date=self.reference_date,
            lenient=self.lenient,
            file=self.source,
        )

    @property
    def issues(self) -> IssueLog:
        """Every issue of the last reading: the first ``max_issues`` in full, all of them in ``counts``."""
        return self._session.issues.all

    @property
    def fatal_issues(self) -> IssueLog:
        """The issues for which the whole file is rejected."""
        return self._session.issues.fatal

    @property
    def totals(self) -> Totals:
        """The counts of the last reading, as far as it has come."""
        return self._session.totals

    def records(self) -> Iterator[RawRecord]:
        """Yield every record of the file with the fields of its layout, headers, trailers and rejected ones included.

        Raises:
            FileRejectedError: at the end, if the file is rejected.
        """
        return (parsed.record for parsed in self._read())

    def _mapping(self, fields: Collection[str]) -> RecordMapping:
        """Return the mapping of detail records, of which the file has these fields."""
        raise NotImplementedError

    def _new_session(self) -> Session:
        issues, totals = FileIssues(self.max_issues), Totals()
        issues.reject_file(*self._preamble.fatal_issues)
        issues.add(*self._preamble.issues)
        decoder: Decoder | XmlDecoder = self.decoder()
        if self.layout.xml:
            decoder = XmlDecoder(self.layout, issues, totals, lenient=self.lenient, file=self.source)
        session = Session(decoder, self._mapping(decoder.columns), issues, totals)
        session.on_piece = self.on_piece
        return session

    def _read(self, *, digest_first: bool = False) -> Iterator[ParsedRecord]:
        """Read all records in a session of their own."""
        session = self._session = self._new_session()
        if not self._preamble.fatal_issues:
            with self._bytes.hashed(session.issues, digest_first=digest_first) as stream:
                yield from session.records(stream)
        self._end(session)

    def _end(self, session: Session) -> None:
        if not self._preamble.fatal_issues:
            session.finish()
        if _LOGGER.isEnabledFor(logging.INFO):
            self._log_reading(session)
        if session.issues.fatal:
            raise rejection(session.issues, self.source)

    def _log_reading(self, session: Session) -> None:
        """Log that a reading has ended, with counts and no value of a record."""
        fields = {"file": self.source, "layout": self.layout.name, "issues": dict(session.issues.all.counts)}
        if not self._preamble.fatal_issues:
            fields["digest"] = self.digest  # computed while the file was read
        if session.issues.fatal:
            _LOGGER.warning("file_rejected", extra={"fields": fields})
            return
        totals = session.totals
        counts = {name: getattr(totals, name) for name in ("accepted", "unpaid", "rejected")}
        counts |= {"records": totals.read, "yen": totals.accepted_yen}
        _LOGGER.info("file_read", extra={"fields": {**fields, **counts}})


class ReceiptFile(LayoutFile):
    """One receipt file and its layout.

    Every call of :meth:`batches`, :meth:`~LayoutFile.records` or ``iter`` reads the file from its beginning, in
    constant memory; ``issues``, ``fatal_issues`` and ``totals`` are those of the last reading. A reading ends with
    :exc:`FileRejectedError` if the file is rejected. The totals are at the end of a file, so **whatever is yielded is
    provisional** until the reading has ended without it; :func:`read` returns nothing before that.

    :meth:`batches` and ``iter`` yield the accepted receipts and do not raise for rejected records: look at ``totals``
    and ``issues`` when they have ended. :meth:`table` and :func:`read` raise.

    The file must not change: if its bytes are others than when it was opened, it is rejected (``FILE_CHANGED``).
    """

    def _mapping(self, fields: Collection[str]) -> RecordMapping:
        return ReceiptMapping(self.layout, fields)

    def schema(self, *, raw: bool = False) -> pa.Schema:
        """Return the schema of :meth:`batches`."""
        return batch_schema(self._session.mapping.columns, raw=raw)

    def __iter__(self) -> Iterator[Receipt]:
        """Yield the accepted receipts; the rejected records are in :attr:`issues`.

        Raises:
            FileRejectedError: at the end, if the file is rejected.
        """
        self._require_receipts()
        for record, receipt in self._read(digest_first=True):
            if receipt is not None:
                values: dict[str, Any] = {name: value for name, value in receipt.items() if value is not None}
                values |= {**self._origin, "record_no": record.record_no, "byte_offset": record.byte_offset}
                yield Receipt(**values)

    def batches(self, rows: int = 65_536, *, raw: bool = False) -> Iterator[pa.RecordBatch]:
        """Yield the accepted receipts in Arrow batches of at most ``rows`` rows; rejected records are in ``issues``.

        The columns are those of ``schema(Receipt)`` that the layout fills, with ``layout, source, digest``
        (dictionary-encoded), ``record_no`` and ``byte_offset``, and with ``raw`` the bytes of the record.

        Raises:
            FileRejectedError: at the end, if the file is rejected.
        """
        schema = self.schema(raw=raw)
        for batch in self._batches(raw=raw, digest_first=True):
            whole = with_origin(batch, schema, self._origin)
            for start in range(0, whole.num_rows, rows):
                yield whole.slice(start, rows)

    def table(
        self, *, raw: bool = False, on_error: OnError = "raise", temporary_folder: str | Path | None = None
    ) -> pa.Table:
        """Return all receipts, with the columns of :meth:`batches`.

        ``on_error="skip"`` returns the accepted receipts though some records were rejected; ``issues`` names those.

        With ``temporary_folder`` the table is in an unnamed file in this folder, about as large as the table, and
        mapped into memory: of a large file only the rows in use need memory. The file is deleted with the table, or
        when the process ends in any way.

        Raises:
            RejectedRecordsError: a record was rejected; ``.issues`` names each of them.
            FileRejectedError: the file is rejected, and nothing of it is returned.
            OSError: the temporary folder is not writable, or the disk is full.
        """
        if on_error not in ("raise", "skip"):
            found = ascii(on_error)[:24]
            raise InvalidInputError([Issue("CODE_UNKNOWN", field="on_error", expected="raise, skip", found=found)])
        blocks = self._batches(raw=raw, block_bytes=LARGE_BLOCK_BYTES)
        batches = list(blocks) if temporary_folder is None else to_mapped_file(blocks, Path(temporary_folder))
        if self.totals.rejected and on_error == "raise":
            counts = f"{self.totals.rejected:,} of {self.totals.read:,} records rejected"
            advice = 'correct them, or read the others with on_error="skip"'
            raise RejectedRecordsError(self.issues, f"{self.source}: {counts}; {advice}")
        schema = self.schema(raw=raw)
        return pa.Table.from_batches([with_origin(batch, schema, self._origin) for batch in batches], schema=schema)

    def validate(self) -> Totals:
        """Read the file to its end and return its totals: the fastest way to know whether a file is complete.

        Raises:
            FileRejectedError: the file is rejected.
        """
        for _ in self._batches(raw=False) if self.layout.receipt else self.records():
            pass
        return self.totals

    @property
    def _origin(self) -> dict[str, str]:
        return {"layout": self.layout.name, "source": self.source, "digest": self.digest}

    def _require_receipts(self) -> None:
        if not self.layout.receipt:
            raise InvalidInputError([Issue("LAYOUT_NOT_RECEIPTS", found=self.layout.name)])

    def _batches(
        self, *, raw: bool, digest_first: bool = False, block_bytes: int = SMALL_BLOCK_BYTES
    ) -> Iterator[pa.RecordBatch]:
        """Read all receipts in a session of their own, without the columns of their origin."""
        self._require_receipts()
        session = self._session = self._new_session()
        session.block_bytes = block_bytes
        if not self._preamble.fatal_issues:
            is_fast = _fast.supports(self.layout, session.decoder.columns)
            with self._bytes.hashed(session.issues, digest_first=digest_first) as stream:
                yield from _fast.batches(session, stream, raw=raw) if is_fast else session.batches(stream, raw=raw)
        self._end(session)

    def __repr__(self) -> str:
        return f"<ReceiptFile {self.source!r}, layout {self.layout.name}>"


def open(  # noqa: A001 (receipts.open, as one opens a file)
    path: str | Path | BinaryIO,
    layout: str | Path | Layout,
    *,
    lenient: bool = False,
    reference_date: date | None = None,
    max_issues: int = 10_000,
) -> ReceiptFile:
    """Open a receipt file by a layout that the caller names; it is never guessed.

    Args:
        path: The file, or a seekable binary stream.
        layout: A built-in layout's name, the path of a TOML file, or a layout.
        lenient: Repair what can be repaired, and report each repair: blanks stripped by an editor, a UTF-8 byte order
            mark; an unknown byte rejects its record instead of the file.
        reference_date: Dates without year, century or era are taken as nearest to it; layouts with such dates need it.
            A date that is farther away than the layout's ``[dates]`` allow is an issue, ``DATE_TOO_FAR``.
        max_issues: How many issues are kept in full.

    Raises:
        InvalidInputError: no such layout, an invalid one, or a missing reference date.
        OSError: the file cannot be opened.
    """
    layout = layout if isinstance(layout, Layout) else load(layout)
    return ReceiptFile(path, layout, lenient=lenient, reference_date=reference_date, max_issues=max_issues)


def read(
    path: str | Path | BinaryIO,
    layout: str | Path | Layout,
    *,
    lenient: bool = False,
    reference_date: date | None = None,
    raw: bool = False,
    on_error: OnError = "raise",
) -> ReadResult[Totals]:
    """Read all receipts of a file.

    The result has ``.table``, with the columns of :meth:`ReceiptFile.batches`, ``.issues`` and ``.totals``. It
    is an Arrow stream itself, so it is accepted wherever a table is.

    The arguments and the errors are those of :func:`open` and of :meth:`ReceiptFile.table`.
    """
    file = open(path, layout, lenient=lenient, reference_date=reference_date)
    table = file.table(raw=raw, on_error=on_error)
    return ReadResult(table, file.issues, file.totals)
