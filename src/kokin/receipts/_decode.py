"""From a frame to the record that it is: which kind, which values, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from kokin.issues import InvalidInputError, Issue, Location
from kokin.receipts._frames import FileFraming, Frame
from kokin.receipts._rows import cell_starts, split_row
from kokin.receipts._values import Reader, reader, text_of, wrong
from kokin.receipts.layouts import Field, FieldType, Layout, RecordKind
from kokin.text import EBCDIC_TO_HALF_WIDTH


@dataclass(slots=True)
class RawRecord:
    """One record of a file in the words of its layout, of any kind: header, data, trailer or end."""

    kind: str
    """The name of its kind in the layout; empty where the layout has none like it."""
    number: int
    """From 1."""
    offset: int
    """Of its first byte in the file, from 0."""
    raw: bytes = field(repr=False)
    """As it stands in the file, without its newline."""
    values: Mapping[str, Any] = field(repr=False)
    """Field to value, as far as they could be read. Personal data stand here unmasked."""
    issues: list[Issue]

    @property
    def is_good(self) -> bool:
        """Whether there is no error in it."""
        return not self.issues or not any(issue.is_error for issue in self.issues)


#: A field, what reads it, and what stands in it.
_Cell = tuple[Field, Reader, bytes]


@dataclass(slots=True)
class _Kind:
    name: str
    kind: RecordKind
    readers: list[tuple[Field, Reader]]
    has_kanji: bool
    _spans: dict[frozenset[str] | None, list[tuple[Field, Reader, slice]]] = field(default_factory=dict)

    def spans(self, only: frozenset[str] | None) -> list[tuple[Field, Reader, slice]]:
        """The fields of a fixed-length record, all or ``only`` some, and where they stand."""
        if only not in self._spans:
            self._spans[only] = [
                (f, read, slice(at, at + f.length))
                for (f, read), at in zip(self.readers, self.kind.offsets.values(), strict=True)
                if only is None or f.id in only
            ]
        return self._spans[only]


class Decoder:
    """Reads the frames of one file, each by itself."""

    def __init__(
        self, layout: Layout, framing: FileFraming, *, reference_date: date | None, lenient: bool, file: str
    ) -> None:
        self.layout, self.framing, self.lenient, self.file = layout, framing, lenient, file
        self._kinds = [
            _Kind(
                name,
                kind,
                [(f, reader(f, layout, reference_date)) for f in kind.fields],
                any(f.type is FieldType.KANJI for f in kind.fields),
            )
            for name, kind in layout.kinds.items()
        ]

    def name_columns(self, header: list[str]) -> list[Issue]:
        """Take the columns of a CSV from its header row; what is wrong with the row."""
        rows = self._kinds[0]
        known = {f.id: (f, read) for f, read in rows.readers}
        # In a file without a header row this is a payment, and a cell of it may be a name (氏名): it is never shown.
        issues = [
            Issue("FIELD_UNKNOWN", field=f"column {at}") for at, name in enumerate(header, 1) if name not in known
        ]
        issues += [Issue("COLUMN_TWICE", field=name) for name in known if header.count(name) > 1]
        issues += [Issue("FIELD_MISSING", field=f.id) for f, _ in rows.readers if f.required and f.id not in header]
        rows.readers = [known[name] for name in header if name in known]
        return issues

    @property
    def columns(self) -> list[str]:
        """The fields of a detail record that the file has."""
        return [f.id for kind in self._kinds if kind.kind.role == "data" for f, _ in kind.readers]

    def decode(self, frame: Frame, only: frozenset[str] | None = None) -> RawRecord:
        """The record of a frame, of a fixed-length one with ``only`` some fields, and all that is wrong with it."""
        issues: list[Issue] = []
        name, values = "", {}
        try:
            kind, cells = self._slices(frame, issues, only) if self.framing.width else self._row(frame)
            name = kind.name
            values = self._values(kind, cells, frame, issues)
        except InvalidInputError as error:
            issues += [self._placed(issue, frame) for issue in error.issues]
        return RawRecord(name or self._guess(), frame.number, frame.offset, frame.raw, values, issues)

    def _guess(self) -> str:
        """A CSV has one kind of row, and a row that cannot be split is still one."""
        return "" if self.framing.width else self._kinds[0].name

    def _row(self, frame: Frame) -> tuple[_Kind, list[_Cell]]:
        kind, cells = self._kinds[0], split_row(frame.raw)
        if len(cells) != len(kind.readers):
            raise wrong("WIDTH", f"{len(kind.readers)} columns", str(len(cells)))
        return kind, [(f, read, cell) for (f, read), cell in zip(kind.readers, cells, strict=True)]

    def _slices(self, frame: Frame, issues: list[Issue], only: frozenset[str] | None) -> tuple[_Kind, list[_Cell]]:
        body = frame.raw.translate(EBCDIC_TO_HALF_WIDTH) if self.framing.ebcdic else frame.raw
        kind = next((kind for kind in self._kinds if _is(kind.kind, body)), None)
        if kind is None:
            raise wrong("RECORD_KIND", found="", at=0)
        width = self.framing.width
        # What an editor strips is blanks; of a record without its newline only the filler at its end may be lost.
        whole = frame.closed or len(body) >= kind.kind.offsets[kind.kind.fields[-1].id]
        if len(body) < width and self.lenient and whole:
            issues.append(self._placed(Issue("RECORD_PADDED", expected=str(width), found=str(len(body))), frame))
            body = body.ljust(width)
        elif len(body) != width:
            issues.append(
                self._placed(Issue("WIDTH", field="", expected=f"{width} bytes", found=str(len(body))), frame)
            )
            return kind, []
        body = body.ljust(kind.kind.width)
        return kind, [(f, read, body[span]) for f, read, span in kind.spans(only)]

    def _values(self, kind: _Kind, cells: list[_Cell], frame: Frame, issues: list[Issue]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if not cells:
            return values
        unknown = self._unknown_byte(kind, cells, frame)
        if unknown:
            issues.append(unknown)
        warnings: list[Issue] = []
        for f, read, cell in cells:
            try:
                values[f.id] = read(cell, warnings)
            except InvalidInputError as error:
                if not (unknown and error.issues[0].code == "BYTE_UNKNOWN"):
                    issues.append(self._at_field(error.issues[0], f.id, frame, kind))
            if warnings:
                issues += [self._at_field(warning, f.id, frame, kind) for warning in warnings]
                warnings.clear()
        return values

    def _unknown_byte(self, kind: _Kind, cells: list[_Cell], frame: Frame) -> Issue | None:
        """The first byte of a record that its character set does not have: the file is not what it seems."""
        if not kind.has_kanji:
            try:
                text_of(b"".join([cell for _, _, cell in cells]), self.layout.encoding)
            except InvalidInputError:
                pass  # the loop below finds where
            else:
                return None
        for f, _, cell in cells:
            try:
                text_of(cell, "cp932" if f.type is FieldType.KANJI else self.layout.encoding)
            except InvalidInputError as error:
                return self._at_field(error.issues[0], f.id, frame, kind)
        return None

    def place(self, record: RawRecord, field_id: str) -> Location:
        """Where a field of a record stands in the file."""
        kind = next((kind for kind in self._kinds if kind.name == record.kind), self._kinds[0])
        return self._place(field_id, Frame(record.number, record.offset, record.raw, True), kind)

    def _place(self, field_id: str, frame: Frame, kind: _Kind, inner: int = 0) -> Location:
        if self.framing.width:
            start = kind.kind.offsets.get(field_id, 0)
        else:
            ids = [f.id for f, _ in kind.readers]
            start = cell_starts(frame.raw)[ids.index(field_id)] if field_id in ids else 0
        return Location(self.file, frame.number, frame.offset + start + inner)

    def _at_field(self, issue: Issue, field_id: str, frame: Frame, kind: _Kind) -> Issue:
        place = self._place(field_id, frame, kind, issue.location.byte or 0)
        return Issue(issue.code, field=field_id, expected=issue.expected, found=issue.found, location=place)

    def _placed(self, issue: Issue, frame: Frame) -> Issue:
        return issue.with_location(Location(self.file, frame.number, frame.offset + (issue.location.byte or 0)))


def _is(kind: RecordKind, body: bytes) -> bool:
    """Whether a record is of a kind, as far as its bytes reach."""
    for name in kind.tell_by:
        const = (kind.by_id[name].const or "").encode()
        if not body.startswith(const, kind.offsets[name]):
            return False
    for name in kind.digits:
        start = kind.offsets[name]
        if not body[start : start + kind.by_id[name].length].isdigit():
            return False
    return True
