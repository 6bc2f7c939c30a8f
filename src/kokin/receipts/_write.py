"""Receipts, refunds or bills out to a file of any layout: columns in, bytes out."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import atomic_file
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Record
from kokin.receipts._fields import cell_writer
from kokin.receipts._framing import join_row
from kokin.receipts.layouts import Field, Layout, RecordKind, Source, Total, load

_NEWLINES = {"CRLF": b"\r\n", "LF": b"\n", "CR": b"\r", "": b""}
# Bytes for a stream that are kept in memory until all records are checked; more go to a temporary file.
_IN_MEMORY = 1 << 24
# Rows that are made into bytes at a time.
_ROWS = 65_536


def write(
    records: Any,
    path: str | Path | BinaryIO,
    layout: str | Path | Layout,
    *,
    header: Mapping[str, Any] | None = None,
    trailer: Mapping[str, Any] | None = None,
    newline: str | None = None,
    request: bool = False,
) -> int:
    """Write a file of a layout, with header, trailer and end as it has them, totals computed.

    Where the header holds what a receipt carries (the 引落日 of a direct debit), the records are put in batches by it,
    each with a header and a trailer of its own, in the order in which they come first.

    Args:
        records: A table, anything with the Arrow PyCapsule interface, or an iterable of records or mappings. Columns
            are named by the canonical fields of ``[receipt]`` or ``[bill]``, or by the layout's own fields; a column
            that the layout has no place for is left out.
        path: The file to write, or a binary stream, which gets its bytes when all records are checked.
        layout: A name, a path or a layout.
        header: Values of the header's other fields.
        trailer: Values of the trailer's fields that are no totals.
        newline: ``CRLF``, ``LF``, ``CR`` or the empty text, instead of the layout's own.
        request: Write totals that depend on a result as zeros: a 口座振替 file on its way to the bank.

    Returns:
        How many detail records were written.

    Raises:
        InvalidInputError: a value that its field cannot hold, with its row and field, or another newline; no file is
            left then, and nothing is written to a stream.
    """
    if not isinstance(layout, Layout):
        layout = load(layout)
    if layout.xml:
        raise InvalidInputError([Issue("LAYOUT_NOT_WRITTEN", found=layout.name)])
    writer = _Writer(layout, dict(header or {}), dict(trailer or {}), newline, request=request)
    pieces = writer.pieces(_table(records))
    if isinstance(path, str | Path):
        with atomic_file(Path(path)) as draft, draft.open("wb") as stream:
            stream.writelines(pieces)
        return writer.rows
    with SpooledTemporaryFile(_IN_MEMORY) as checked:
        checked.writelines(pieces)
        checked.seek(0)
        shutil.copyfileobj(checked, path)
    return writer.rows


def _table(records: Any) -> pa.Table:
    if hasattr(records, "__arrow_c_stream__"):
        return pa.table(records)
    rows = [record.model_dump() if isinstance(record, Record) else record for record in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})


def _newline(name: str) -> bytes:
    if name not in _NEWLINES:
        raise InvalidInputError(
            [Issue("CODE_UNKNOWN", field="newline", expected=", ".join(map(repr, _NEWLINES)), found=ascii(name)[:24])]
        )
    return _NEWLINES[name]


def _references(layout: Layout) -> dict[str, Source]:
    """Where an assigned reference stands that is the key as it is. Keys of several fields are not taken apart."""
    key = layout.identity
    if key is None or key.fields or key.scope:
        return {}
    named = {"provider_key": key.assigned, "cancels": key.cancels}
    return {name: Source(field=paths[0]) for name, paths in named.items() if paths}


class _Writer:
    def __init__(
        self, layout: Layout, header: dict[str, Any], trailer: dict[str, Any], newline: str | None, *, request: bool
    ) -> None:
        self.layout, self.header, self.trailer, self.request = layout, header, trailer, request
        self.newline = _newline(layout.newline if newline is None else newline)
        self.mapping: Mapping[str, Source] = {**_references(layout), **(layout.receipt or layout.bill)}
        self.rows = self.records = self.batches = 0
        self._file_sums = [0] * len(layout.totals)

    def pieces(self, table: pa.Table) -> Iterator[bytes]:
        """The bytes of the file, piece by piece."""
        fields = self._fields(table.column_names)
        pieces = self._body(table, fields)
        if self.layout.csv is None or self.layout.csv.last_newline:
            yield from pieces
            return
        held = b""
        for piece in pieces:
            yield held
            held = piece
        yield held.removesuffix(self.newline)

    def _body(self, table: pa.Table, fields: list[Field]) -> Iterator[bytes]:
        csv = self.layout.csv
        if csv and csv.header != "none":
            names = [field.id if csv.header == "names" else field.ja for field in fields]
            cells = [name.encode(self.layout.encoding) for name in names]
            yield join_row(cells, [False] * len(cells)) + self.newline
        for values, batch in self._batches(table):
            yield from self._batch(values, batch, fields)
        end = self.layout.role("end")
        if end:
            self.records += 1
            yield self._frame_record(end, {}, self._file_sums)

    def _fields(self, given: Iterable[str]) -> list[Field]:
        """The fields of a detail record; of a CSV with named columns those that are given or required."""
        fields = self.layout.data.fields
        if not self.layout.csv or self.layout.csv.header != "names":
            return fields
        own = {path for name in given for path in (self.mapping[name].ids if name in self.mapping else [name])}
        return [field for field in fields if field.required or field.id in own]

    def _batches(self, table: pa.Table) -> Iterator[tuple[dict[str, Any], pa.Table]]:
        """The values of each header, and the rows under it."""
        in_header = {
            name: source.field.removeprefix("header.")
            for name, source in self.mapping.items()
            if source.field.startswith("header.") and name in table.column_names
        }
        if not in_header or not table.num_rows:
            yield self.header, table
            return
        for key in table.select(list(in_header)).group_by(list(in_header), use_threads=False).aggregate([]).to_pylist():
            here = None
            for name, value in key.items():
                same = pc.is_null(table[name]) if value is None else pc.equal(table[name], value)
                here = same if here is None else pc.and_(here, same)
            yield {**self.header, **{in_header[name]: value for name, value in key.items()}}, table.filter(here)

    def _batch(self, header: dict[str, Any], table: pa.Table, fields: list[Field]) -> Iterator[bytes]:
        sums = [0] * len(self.layout.totals)
        kind = self.layout.role("header")
        if kind:
            self.records += 1
            self.batches += 1
            yield self._frame_record(kind, header, sums)
        for start in range(0, table.num_rows, _ROWS):
            yield self._details(table.slice(start, _ROWS), fields, sums)
        self._file_sums = [before + now for before, now in zip(self._file_sums, sums, strict=True)]
        kind = self.layout.role("trailer")
        if kind:
            self.records += 1
            yield self._frame_record(kind, self.trailer, sums)

    def _details(self, table: pa.Table, fields: list[Field], sums: list[int]) -> bytes:
        """Many detail records, column by column; their totals are added to ``sums``."""
        values = self._own_columns(table)
        nothing: Sequence[Any] = [None] * table.num_rows
        cells = {field.id: self._cells(field, values.get(field.id, nothing)) for field in fields}
        for i, total in enumerate(self.layout.totals):
            sums[i] += _sum(total, cells, table.num_rows)
        self.rows += table.num_rows
        self.records += table.num_rows
        if self.layout.csv:
            quoted = [field.quoted for field in fields]
            rows = (join_row(list(row), quoted) for row in zip(*cells.values(), strict=True))
        else:
            rows = (b"".join(row) for row in zip(*cells.values(), strict=True))
        return b"".join(row + self.newline for row in rows)

    def _own_columns(self, table: pa.Table) -> dict[str, Sequence[Any]]:
        """The given columns under the layout's own names, canonical values as its codes."""
        columns: dict[str, Sequence[Any]] = {}
        for name in table.column_names:
            source = self.mapping.get(name)
            if source is None:
                columns.setdefault(name, table[name].to_pylist())
            elif source.field:
                # Of several codes with one meaning, the first in the layout is written.
                codes = {value: code for code, value in reversed(source.values.items())}
                column = table[name].to_pylist()
                columns[source.field] = [codes.get(value, value) for value in column] if codes else column
        for name in table.column_names:
            # A day that is the first of several fields stands in each of them that nothing else fills.
            for path in self.mapping[name].first if name in self.mapping else []:
                columns.setdefault(path, table[name].to_pylist())
        return columns

    def _cells(self, field: Field, column: Sequence[Any]) -> list[bytes]:
        write_cell = cell_writer(field, self.layout)
        try:
            return [write_cell(value) for value in column]
        except InvalidInputError:
            issues = []
            for i, value in enumerate(column):
                try:
                    write_cell(value)
                except InvalidInputError as error:
                    place = Location(record=self.rows + i + 1)
                    issues += [
                        Issue(one.code, field=field.id, expected=one.expected, found=one.found, location=place)
                        for one in error.issues
                    ]
            raise InvalidInputError(issues, f"{self.layout.name} cannot be written") from None

    def _frame_record(self, kind: RecordKind, values: Mapping[str, Any], sums: list[int]) -> bytes:
        """A header, trailer or end, with the totals that stand in it."""
        values = dict(values)
        for i, total in enumerate(self.layout.totals):
            if self.layout.kinds[total.record] is kind:
                values[total.field] = self._declared(total, sums[i])
        return b"".join(self._cells(field, [values.get(field.id)])[0] for field in kind.fields) + self.newline

    def _declared(self, total: Total, counted: int) -> int:
        match total.of:
            case "records":
                return self.records
            case "batches":
                return self.batches
            case _:
                return 0 if self.request and total.where else counted


def _sum(total: Total, cells: Mapping[str, list[bytes]], rows: int) -> int:
    """A total over cells, so that defaults count as what is written."""
    if total.of != "data":
        return 0
    chosen = [True] * rows
    for name, codes in total.where.items():
        wanted = {code.encode() for code in codes}
        chosen = [so_far and cell.strip() in wanted for so_far, cell in zip(chosen, cells[name], strict=True)]
    if total.sum is None:
        return sum(chosen)
    return sum(int(cell) for cell, counts in zip(cells[total.sum], chosen, strict=True) if counts)
