"""A file whose detail records are mapped to another record than a receipt, such as a bill, by a table of its layout."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import Int64Array
from kokin.issues import InvalidInputError, Issue
from kokin.model import Record, arrow_schema
from kokin.receipts._columns import array_of
from kokin.receipts._file import LayoutFile
from kokin.receipts._record import Decoder, RawRecord, RecordMapping
from kokin.receipts._session import Session
from kokin.receipts._xml_decoder import XmlDecoder
from kokin.receipts.layouts import MAPPED_RECORDS, Layout, load


@dataclass(frozen=True)
class MappedChunk:
    """Consecutive detail records of a file, mapped to the columns of a record but not checked by its rules."""

    table: pa.Table
    """The mapped records, with those canonical columns that the file has."""
    records: list[RawRecord] = field(repr=False)
    """The record of each row, without its values."""
    issues: list[Issue]
    """Issues since the previous chunk, errors of rejected records and warnings."""
    rejected: int
    """The number of detail records that could not be mapped."""
    rejected_values: list[tuple[int, dict[str, Any]]] = field(repr=False)
    """Number and canonical values of rejected records, as far as they could be read."""
    mapping: RecordMapping = field(repr=False)
    decoder: Decoder | XmlDecoder = field(repr=False)

    @cached_property
    def record_numbers(self) -> Int64Array:
        """The number of each row in the file, int64 (n,); records of every kind are counted."""
        return np.array([record.record_no for record in self.records], np.int64)

    def locate(self, issue: Issue, row: int) -> Issue:
        """Return an issue of a canonical field in a row, from 0, with the field and the location in the file."""
        name = self.mapping.field_of(issue.field)
        location = self.decoder.location(self.records[row], name)
        return replace(issue, field=name, location=location)


class MappedFile(LayoutFile):
    """A file of which a table of its layout, such as ``[bill]``, maps the records; see :func:`open_mapped`."""

    def __init__(self, path: str | Path | BinaryIO, layout: Layout, table: str, **options: Any) -> None:
        #: The name of the table.
        self.table = table
        super().__init__(path, layout, **options)

    def _mapping(self, fields: Collection[str]) -> RecordMapping:
        return RecordMapping(self.layout, fields, self.table)

    @property
    def record(self) -> type[Record]:
        """The record that a detail record is mapped to."""
        return MAPPED_RECORDS[self.table]

    def missing_column(self, name: str) -> Issue:
        """Return the issue of a canonical column that the file or the layout lacks: what to add to which of them."""
        source = self.layout.mappings[self.table].get(name)
        for field_id in source.ids if source else ():
            known = self.layout.field_of(field_id)
            if known and field_id not in self._session.decoder.columns:
                return Issue("FIELD_MISSING", field=field_id, expected=f"a column {known.column_name}")
        expected = f"{name} in [{self.table}] of layout {self.layout.name}"
        return Issue("FIELD_MISSING", field=name, expected=expected)

    def chunks(self, rows: int) -> Iterator[MappedChunk]:
        """Yield the detail records in chunks of ``rows`` records, the rejected ones included; at least one chunk.

        The totals are at the end of a file: all chunks but the last are provisional, and the last is yielded after the
        totals were compared.

        Raises:
            FileRejectedError: at the end, if the file is rejected.
        """
        chunk, complete = _Chunk(), None
        for record, values in self._read():
            chunk.add(record, values, self._session)
            if len(chunk.records) + self._session.totals.rejected - chunk.rejected_before >= rows:
                if complete:
                    yield complete
                complete, chunk = chunk.mapped(self._session), _Chunk(self._session.totals.rejected)
        last = chunk.mapped(self._session)
        if complete and not (last.records or last.rejected):
            last = replace(complete, issues=[*complete.issues, *last.issues])
        elif complete:
            yield complete
        yield last

    def _new_session(self) -> Session:
        session = super()._new_session()
        session.issues.all.max_issues = sys.maxsize  # every chunk has its own, and all of them
        return session


@dataclass
class _Chunk:
    """A chunk while it is read."""

    rejected_before: int = 0
    """The rejected records of the chunks before."""
    records: list[RawRecord] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)
    rejected_values: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def add(self, record: RawRecord, values: dict[str, Any] | None, session: Session) -> None:
        """Add a detail record; a rejected one with the values that could be read."""
        kind = session.layout.records.get(record.kind)
        if values is not None:
            record.values = {}  # only its location is needed
            self.records.append(record)
            self.values.append(values)
        elif kind and kind.role == "data":
            known, _ = session.mapping.values(record.values, session.header)
            self.rejected_values.append((record.record_no, known))

    def mapped(self, session: Session) -> MappedChunk:
        """Return the chunk with the issues since the chunk before, except those for which the file is rejected."""
        fatal = set(session.issues.fatal)
        return MappedChunk(
            _table_of(self.values, session.mapping),
            self.records,
            [issue for issue in session.issues.all.drain() if issue not in fatal],
            session.totals.rejected - self.rejected_before,
            self.rejected_values,
            session.mapping,
            session.decoder,
        )


def _table_of(rows: list[dict[str, Any]], mapping: RecordMapping) -> pa.Table:
    """Return mapped records as a table, in the types of their record."""
    schema = pa.schema([field for field in arrow_schema(mapping.record) if field.name in mapping.sources])
    arrays = []
    for column in schema:
        values = [row[column.name] for row in rows]
        # Arrow's own conversion imports pandas, and is needed for lists and maps only.
        is_nested = pa.types.is_nested(column.type)
        arrays.append(pa.array(values, column.type) if is_nested else array_of(values, column.type))
    return pa.table(dict(zip(schema.names, arrays, strict=True)))


def open_mapped(
    path: str | Path | BinaryIO,
    layout: str | Path | Layout,
    table: str,
    *,
    lenient: bool = False,
    reference_date: date | None = None,
) -> MappedFile:
    """Open a file to read its detail records by a table of its layout other than ``[receipt]``, such as ``bill``.

    The other arguments are those of :func:`kokin.receipts.open`. Framing, totals and issues are those of receipts.

    Raises:
        InvalidInputError: no such layout, an invalid one, one without the table (``LAYOUT_TABLE_MISSING``), or no
            reference date that the layout needs.
        OSError: the file cannot be opened.
    """
    layout = layout if isinstance(layout, Layout) else load(layout)
    if not layout.mappings[table]:
        raise InvalidInputError([Issue("LAYOUT_TABLE_MISSING", expected=f"[{table}]", found=layout.name)])
    return MappedFile(path, layout, table, lenient=lenient, reference_date=reference_date)
