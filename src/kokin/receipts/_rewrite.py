"""A file again as it was read: framing, fillers and oddities kept byte for byte, with chosen fields changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from kokin._arrow import atomic_file
from kokin.issues import InvalidInputError, Issue, Location
from kokin.receipts._fields import cell_writer
from kokin.receipts._file import ReceiptFile
from kokin.receipts._framing import CHUNK_BYTES, Blank, cell_starts, frames, join_row, split_row
from kokin.receipts._record import RawRecord
from kokin.text import HALF_WIDTH_TO_EBCDIC

#: What to change in a record: its fields and their new values, or nothing.
Change = Callable[[RawRecord], Mapping[str, Any] | None]


def edit(file: ReceiptFile, path: str | Path, change: Change | None = None) -> None:
    """Write a file again; without ``change`` the bytes are the same.

    Totals are not computed anew: they are fields of the trailer, and :func:`kokin.receipts.check` tells whether they
    still agree. XML files are not rewritten.

    Raises:
        InvalidInputError: a value that its field cannot hold, with its record and field; no file is left then.
    """
    if file.layout.xml:
        raise InvalidInputError([Issue("LAYOUT_NOT_WRITTEN", found=file.layout.name)])
    with atomic_file(Path(path)) as draft, file.opened() as source, draft.open("wb") as target:
        for piece in _pieces(file, source, change):
            target.write(piece)


def _pieces(file: ReceiptFile, source: BinaryIO, change: Change | None) -> Iterator[bytes]:
    """The changed records, and between them whatever stood there."""
    at = 0
    if change is not None:
        decoder = file.decoder()
        changed = []
        for frame in frames(source, file.framing):
            if isinstance(frame, Blank):
                continue
            record = decoder.decode(frame)
            values = change(record)
            if values:
                changed.append((frame.byte_offset, len(frame.raw), _spliced(file, decoder.columns, record, values)))
        for offset, length, content in changed:
            yield from _copied(source, at, offset)
            yield content
            at = offset + length
    yield from _copied(source, at, None)


def _copied(source: BinaryIO, start: int, end: int | None) -> Iterator[bytes]:
    source.seek(start)
    while chunk := source.read(CHUNK_BYTES if end is None else min(CHUNK_BYTES, end - source.tell())):
        yield chunk


def _spliced(file: ReceiptFile, columns: list[str], record: RawRecord, values: Mapping[str, Any]) -> bytes:
    """The bytes of a record with new values in some fields."""
    kind = file.layout.kinds[record.kind]
    cells = {}
    for name, value in values.items():
        try:
            cells[name] = cell_writer(kind.by_id[name], file.layout)(value)
        except InvalidInputError as error:
            place = Location(file.source, record.record_no, record.byte_offset)
            raise InvalidInputError(
                [
                    Issue(one.code, field=name, expected=one.expected, found=one.found, location=place)
                    for one in error.issues
                ]
            ) from None
    if not file.layout.width:
        row, starts = split_row(record.raw), cell_starts(record.raw)
        quoted = [record.raw[start - 1 : start] == b'"' and start > 0 for start in starts]
        return join_row([cells.get(name, cell) for name, cell in zip(columns, row, strict=True)], quoted)
    body = bytearray(record.raw)
    for name, cell in cells.items():
        start = kind.offsets[name]
        body[start : start + len(cell)] = cell.translate(HALF_WIDTH_TO_EBCDIC) if file.framing.ebcdic else cell
    return bytes(body)
