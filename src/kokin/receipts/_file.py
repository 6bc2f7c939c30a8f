"""A receipt file (収納データ): open it, read it as records or as Arrow batches, and know what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import pyarrow as pa

from kokin.issues import InvalidInputError, Issue, Location, ReadResult, RejectedRecordsError
from kokin.model import Receipt, redact
from kokin.receipts._batches import Batches, batch_schema, with_origin
from kokin.receipts._canonical import ReceiptMapping
from kokin.receipts._decode import Decoder, RawRecord
from kokin.receipts._file_digest import HashedStream, digest_of
from kokin.receipts._frames import CHUNK, FileFraming, Frame, byte_order_mark, detect, frames, is_blank
from kokin.receipts._issue_log import IssueLog
from kokin.receipts._reading import Reading
from kokin.receipts._rows import split_row
from kokin.receipts._totals import Totals
from kokin.receipts._values import text_of
from kokin.receipts._xml_decoder import XmlDecoder
from kokin.receipts.layouts import Layout, load
from kokin.text import file_name

# Enough to find out the framing, and to hold the header row of any CSV.
_HEAD = 1 << 16

#: What a reader does about rejected records: raise an error that names them, or return the others.
OnError = Literal["raise", "skip"]


class FileRejectedError(InvalidInputError):
    """A file of which nothing may be used: a total that does not agree, a cut record, an unknown byte."""


class ReceiptFile:
    """One receipt file and its layout.

    Every call of :meth:`batches`, :meth:`records` or ``iter`` reads the file from its beginning, in constant memory;
    ``issues``, ``refused`` and ``totals`` are those of the last reading. A reading ends with :exc:`FileRejectedError`
    if the file is refused. The totals are at the end of a file, so **whatever is yielded is provisional** until the
    reading has ended without it; :func:`read` returns nothing before that.

    :meth:`batches` and ``iter`` yield the accepted receipts and do not raise for rejected records: look at ``totals``
    and ``issues`` when they have ended. :meth:`table` and :func:`read` raise.

    The file must stay as it is: if its bytes change after it was opened, the reading is refused (``FILE_CHANGED``).
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
        self.source = file_name(str(getattr(path, "name", "") if hasattr(path, "read") else path))
        # What is seen before the first record is read.
        self._first_refused: list[Issue] = []
        self._first_issues: list[Issue] = []
        self._head_digest = self._digest = ""
        if not layout.verified:
            self._first_issues.append(Issue("LAYOUT_UNVERIFIED", found=layout.name, location=Location(self.source)))
        self.framing, self.header_row = self._look()
        self._reading = self._new_reading()

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Its bytes, from the beginning."""
        if isinstance(self.path, str | Path):
            with Path(self.path).open("rb") as stream:
                yield stream
        else:
            self.path.seek(0)
            yield self.path

    def _look(self) -> tuple[FileFraming, list[bytes] | None]:
        """The framing of the file and, for a CSV, its header row."""
        with self.opened() as stream:
            head = stream.read(_HEAD)
            rest = iter(lambda: stream.read(CHUNK), b"")
            # Only of a file that begins with a whole head of nothing is more than that read.
            empty = not self.layout.xml and all(
                is_blank(chunk, self.layout) for chunk in chain([head[len(byte_order_mark(head)) :]], rest)
            )
        self._head_digest = hashlib.sha256(head).hexdigest()
        if self.layout.xml:
            return FileFraming(b"", 0), None
        start = 0
        if mark := byte_order_mark(head):
            place = Location(self.source, byte=0)
            if self.lenient and mark == b"\xef\xbb\xbf":
                start = len(mark)
                self._first_issues.append(Issue("BOM_PASSED_OVER", found=mark.hex(" "), location=place))
            else:
                self._first_refused.append(Issue("FILE_BOM", found=mark.hex(" "), location=place))
        if empty:
            self._first_refused.append(Issue("FILE_EMPTY", location=Location(self.source, byte=0)))
        framing = detect(head, self.layout, start)
        if self.layout.csv is None or self._first_refused:
            return framing, None
        return self._header_row(head[start:], framing)

    def _header_row(self, head: bytes, framing: FileFraming) -> tuple[FileFraming, list[bytes] | None]:
        csv = self.layout.csv
        assert csv is not None
        place = Location(self.source, byte=framing.start)
        if csv.error_prefix and head.startswith(csv.error_prefix.encode()):
            answer = head.partition(b"\n")[0].removeprefix(csv.error_prefix.encode()).decode("cp932", "replace")
            found = csv.error_prefix + redact(answer.strip())
            self._first_refused.append(Issue("FILE_ERROR_ANSWER", found=found, location=place))
            return framing, None
        lines = head.split(b"\n")
        before = next((i for i, line in enumerate(lines) if not is_blank(line, self.layout)), 0)
        row = lines[before] + (b"\n" if before < len(lines) - 1 else b"")
        start = framing.start + sum(len(line) + 1 for line in lines[:before])
        try:
            cells = split_row(row.rstrip(b"\r\n"))
            names = [text_of(cell, self.layout.encoding).strip() for cell in cells]
        except InvalidInputError as error:
            self._first_refused += [issue.with_location(place) for issue in error.issues]
            return framing, None
        if csv.header == "none" or (csv.header == "any" and any(name.isdecimal() for name in names)):
            return framing, None
        if csv.header == "names":
            wrong = self._decoder(framing).name_columns(names)
            self._first_refused += [issue.with_location(place) for issue in wrong]
        elif len(cells) != len(self.layout.data.fields):
            # A header row of other columns is another layout's: each of its rows would be told as wrong.
            expected = f"{len(self.layout.data.fields)} columns"
            self._first_refused.append(
                Issue("COLUMNS_COUNT", field="", expected=expected, found=f"{len(cells)} columns", location=place)
            )
        if before:
            found = f"{before} lines" if before > 1 else ""
            self._first_issues.append(Issue("LINE_BLANK", found=found, location=place))
        return replace(framing, start=start + len(row)), cells

    def decoder(self) -> Decoder:
        """What reads the records of the file one by one."""
        decoder = self._decoder(self.framing)
        if self.header_row is not None and self.layout.csv and self.layout.csv.header == "names":
            decoder.name_columns([text_of(cell, self.layout.encoding).strip() for cell in self.header_row])
        return decoder

    def _decoder(self, framing: FileFraming) -> Decoder:
        return Decoder(self.layout, framing, reference_date=self.reference_date, lenient=self.lenient, file=self.source)

    def _new_reading(self) -> Reading:
        decoder: Decoder | XmlDecoder = (
            XmlDecoder(self.layout, lenient=self.lenient, file=self.source) if self.layout.xml else self.decoder()
        )
        reading = Reading(decoder, ReceiptMapping(self.layout, decoder.columns), self.max_issues)
        reading.refuse(self._first_refused)
        reading.issues.add(self._first_issues)
        return reading

    @property
    def digest(self) -> str:
        """The SHA-256 of the file, in hexadecimal: what makes a second import of it known."""
        if not self._digest:
            with self.opened() as stream:
                self._digest = digest_of(stream)
        return self._digest

    @contextmanager
    def hashed(self, reading: Reading | None = None, *, digest_first: bool = False) -> Iterator[BinaryIO]:
        """Its bytes from the beginning, hashed while they are read.

        Args:
            reading: Is refused if the bytes are not those that the file had before.
            digest_first: Compute :attr:`digest` before the first byte is read, from the same open file.

        Raises:
            FileRejectedError: the file has changed.
        """
        reading = reading or self._reading
        with self.opened() as stream:
            if hashlib.sha256(stream.read(_HEAD)).hexdigest() != self._head_digest:
                self._refuse_changed(reading)
            stream.seek(0)
            if digest_first and not self._digest:
                self._digest = digest_of(stream)
                stream.seek(0)
            with HashedStream(stream) as hashed:
                yield cast("BinaryIO", hashed)
                found = hashed.digest()
            self._digest = self._digest or found
            if found != self._digest:
                self._refuse_changed(reading)

    def _refuse_changed(self, reading: Reading) -> None:
        reading.refuse([Issue("FILE_CHANGED", location=Location(self.source))])
        raise FileRejectedError(reading.refused, f"{self.source} is refused")

    @cached_property
    def header(self) -> Mapping[str, Any]:
        """The fields of the first header record (ヘッダー); empty where the layout has none. Personal data unmasked."""
        if self.layout.role("header") is None or self._first_refused:
            return {}
        with self.hashed() as stream:
            first = next((frame for frame in frames(stream, self.framing) if isinstance(frame, Frame)), None)
        record = self.decoder().decode(first) if first else None
        return dict(record.values) if record else {}

    @property
    def issues(self) -> IssueLog:
        """Every issue of the last reading: its first ``max_issues`` in full, all of them in ``counts``."""
        return self._reading.issues

    @property
    def refused(self) -> IssueLog:
        """Those issues that refuse the whole file; none is what one hopes for."""
        return self._reading.refused

    @property
    def totals(self) -> Totals:
        """The funnel of the last reading, as far as it has come."""
        return self._reading.totals

    def _begin(self) -> Reading:
        self._reading = self._new_reading()
        return self._reading

    def _end(self, reading: Reading) -> None:
        if not self._first_refused:
            reading.finish()
        if reading.refused:
            raise FileRejectedError(reading.refused, f"{self.source} is refused")

    def _read(self, *, digest_first: bool = False) -> Iterator[tuple[RawRecord, dict[str, Any] | None]]:
        reading = self._begin()
        if not self._first_refused:
            with self.hashed(reading, digest_first=digest_first) as stream:
                yield from reading.records(stream)
        self._end(reading)

    def records(self) -> Iterator[RawRecord]:
        """Every record of the file in the words of its layout, headers, trailers and bad ones included.

        Raises:
            FileRejectedError: at the end, if the file is refused.
        """
        return (record for record, _ in self._read())

    def _must_hold_receipts(self) -> None:
        if not self.layout.receipt:
            raise InvalidInputError([Issue("LAYOUT_NOT_RECEIPTS", found=self.layout.name)])

    def __iter__(self) -> Iterator[Receipt]:
        """The accepted receipts, one by one; which records were rejected is in :attr:`issues`.

        Raises:
            FileRejectedError: at the end, if the file is refused.
        """
        self._must_hold_receipts()
        for record, receipt in self._read(digest_first=True):
            if receipt is None:
                continue
            yield Receipt(
                layout=self.layout.name,
                source=self.source,
                digest=self.digest,
                record_no=record.number,
                byte_offset=record.offset,
                **{name: value for name, value in receipt.items() if value is not None},
            )

    def batches(self, rows: int = 65_536, *, raw: bool = False) -> Iterator[pa.RecordBatch]:
        """The accepted receipts as Arrow batches of at most ``rows`` rows; rejected records are in :attr:`issues`.

        The columns are those of ``schema(Receipt)`` that the layout fills, with ``layout, source, digest``
        (dictionary-encoded), ``record_no`` and ``byte_offset``, and the record itself where ``raw`` asks for it.

        Raises:
            FileRejectedError: at the end, if the file is refused.
        """
        wanted = self.schema(raw=raw)
        for batch in self._batches(raw=raw, digest_first=True):
            whole = with_origin(batch, wanted, self._origin)
            for at in range(0, whole.num_rows, rows):
                yield whole.slice(at, rows)

    def table(self, *, raw: bool = False, on_error: OnError = "raise") -> pa.Table:
        """All receipts, with the columns of :meth:`batches`.

        Args:
            raw: With the record itself, as bytes.
            on_error: ``"skip"`` returns the accepted receipts though some records were rejected.

        Raises:
            RejectedRecordsError: a record was rejected; ``.issues`` names each of them.
            FileRejectedError: the file is refused, and nothing of it is returned.
        """
        if on_error not in ("raise", "skip"):
            raise InvalidInputError(
                [Issue("CODE_UNKNOWN", field="on_error", expected="raise, skip", found=ascii(on_error)[:24])]
            )
        batches = list(self._batches(raw=raw))
        if self.totals.rejected and on_error == "raise":
            raise RejectedRecordsError(
                self.issues,
                f"{self.source}: {self.totals.rejected:,} of {self.totals.read:,} records rejected; correct them, or "
                'read the others with on_error="skip"',
            )
        wanted = self.schema(raw=raw)
        return pa.Table.from_batches([with_origin(batch, wanted, self._origin) for batch in batches], schema=wanted)

    @property
    def _origin(self) -> dict[str, str]:
        return {"layout": self.layout.name, "source": self.source, "digest": self.digest}

    def _batches(self, *, raw: bool, digest_first: bool = False) -> Iterator[pa.RecordBatch]:
        self._must_hold_receipts()
        reading = self._begin()
        if not self._first_refused:
            with self.hashed(reading, digest_first=digest_first) as stream:
                yield from Batches(reading, self.reference_date, raw=raw).read(stream)
        self._end(reading)

    def schema(self, *, raw: bool = False) -> pa.Schema:
        """The columns of :meth:`batches`."""
        return batch_schema(self._reading.mapping, raw=raw)

    def finish(self) -> Totals:
        """Read the file to its end and return its totals.

        This is the quickest way to know whether a file is whole.

        Raises:
            FileRejectedError: the file is refused.
        """
        for _ in self._batches(raw=False) if self.layout.receipt else self.records():
            pass
        return self.totals

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
    """A receipt file, by a layout that is named and never guessed.

    Args:
        path: The file, or a seekable binary stream.
        layout: A built-in layout's name, the path of a TOML file, or a layout.
        lenient: Repair what can be repaired, and report each repair: blanks stripped by an editor, a UTF-8 byte order
            mark; an unknown byte keeps its record out instead of refusing the file.
        reference_date: The day that days without year, century or era are nearest to; layouts with such days need it.
            A day that is farther away than the layout's ``[dates]`` allow is an issue, ``DATE_TOO_FAR``.
        max_issues: How many issues are kept in full.

    Raises:
        InvalidInputError: no such layout, a wrong one, or a reference date is needed.
        OSError: the file cannot be opened.
    """
    if not isinstance(layout, Layout):
        layout = load(layout)
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
    """All receipts of a file: ``.table`` with the columns of :meth:`ReceiptFile.batches`, ``.issues`` and ``.totals``.

    The result is an Arrow stream itself, so it is accepted wherever a table is.

    Args:
        path: The file, or a seekable binary stream.
        layout: As for :func:`open`.
        lenient: As for :func:`open`.
        reference_date: As for :func:`open`.
        raw: With the record itself, as bytes.
        on_error: ``"skip"`` returns the accepted receipts though some records were rejected; ``.issues`` names those.

    Raises:
        RejectedRecordsError: a record was rejected; ``.issues`` names each of them.
        FileRejectedError: the file is refused, and nothing of it is returned.
        InvalidInputError: as :func:`open`.
    """
    file = open(path, layout, lenient=lenient, reference_date=reference_date)
    table = file.table(raw=raw, on_error=on_error)
    return ReadResult(table, file.issues, file.totals)
