"""Write a file of any layout but XML from a table (:func:`write`), or copy one with changed fields (:func:`edit`)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import compress
from operator import add
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import PydanticCustomError

from kokin._arrow.files import atomic_file
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Amounts, Names, Record, field_types
from kokin.receipts._fields import cell_writer
from kokin.receipts._file import ReceiptFile
from kokin.receipts._framing import CHUNK_BYTES, Blank, cell_starts, frames, join_row, split_row
from kokin.receipts._record import RawRecord
from kokin.receipts.layouts import MAPPED_RECORDS, Field, Layout, Source, Total, load
from kokin.text import HALF_WIDTH_TO_EBCDIC

_UTF_8_BOM = b"\xef\xbb\xbf"
_NEWLINES = {"CRLF": b"\r\n", "LF": b"\n", "CR": b"\r", "": b""}
# Bytes for a stream that are kept in memory until all records are checked; more go to a temporary file.
_MAX_IN_MEMORY = 1 << 24
# Rows that are converted to bytes at a time.
_CHUNK_ROWS = 65_536


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
    """Write a file of a layout, with the layout's header, trailer and end record and with computed totals.

    If a column belongs to the header (such as the 引落日 of a direct debit), the rows are grouped into batches by its
    values, each with its own header and trailer, in the order of first appearance.

    Args:
        records: A table, anything with the Arrow PyCapsule interface, or an iterable of records or mappings. Columns
            are named by the canonical fields of ``[receipt]`` or ``[bill]``, or by the layout's own fields; columns
            that the layout does not know are ignored.
        path: The file to write, or a binary stream, which receives its bytes after all records are checked.
        layout: A name, a path or a layout.
        header: Values of the header's other fields.
        trailer: Values of the trailer's fields that are not totals.
        newline: ``CRLF``, ``LF``, ``CR`` or the empty text, instead of the layout's own.
        request: Write totals that depend on a result as zeros, for a 口座振替 file that is sent to the bank.

    Returns:
        The number of detail records written.

    Raises:
        InvalidInputError: a value that its field cannot represent, with row and field, or an invalid newline. No file
            is left behind, and nothing is written to a stream.
    """
    layout = layout if isinstance(layout, Layout) else load(layout)
    if layout.xml:
        raise InvalidInputError([Issue("LAYOUT_NOT_WRITTEN", found=layout.name)])
    writer = _Writer(layout, dict(header or {}), dict(trailer or {}), newline, request=request)
    content = writer.encode(_as_table(records, writer))
    if isinstance(path, str | Path):
        with atomic_file(Path(path)) as draft, draft.open("wb") as stream:
            stream.writelines(content)
        return writer.row_count
    with SpooledTemporaryFile(_MAX_IN_MEMORY) as checked:
        checked.writelines(content)
        checked.seek(0)
        shutil.copyfileobj(checked, path)
    return writer.row_count


def _as_table(records: Any, writer: _Writer) -> pa.Table:
    """Return the columns of the records that the layout knows.

    Raises:
        InvalidInputError: the values of a column have different types.
    """
    if hasattr(records, "__arrow_c_stream__"):
        table = pa.table(records)
        return table.select([name for name in table.column_names if writer.knows(name)])
    rows = [record.model_dump() if isinstance(record, Record) else record for record in records]
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if writer.knows(name)]
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        try:
            # Names and amounts by name become texts, which any form of them is.
            columns[name] = pa.array(list(map(_nested_text, values)) if writer.is_nested(name) else values)
        except (pa.ArrowException, TypeError, OverflowError):
            raise InvalidInputError([Issue("FIELD_TYPE", field=name, expected="values of one type")]) from None
    return pa.table(columns) if columns else pa.table({"": pa.nulls(len(rows))})


def _reference_fields(layout: Layout) -> dict[str, Source]:
    """Return the fields of ``provider_key`` and ``cancels`` if they are one field each; composed keys are not split."""
    identity = layout.identity
    if identity is None or identity.fields or identity.scope:
        return {}
    paths_of = {"provider_key": identity.assigned, "cancels": identity.cancels}
    return {name: Source(field=paths[0]) for name, paths in paths_of.items() if paths}


class _Writer:
    """Encodes one file, and counts its records for the totals."""

    def __init__(
        self, layout: Layout, header: dict[str, Any], trailer: dict[str, Any], newline: str | None, *, request: bool
    ) -> None:
        self.layout, self.header, self.trailer, self.request = layout, header, trailer, request
        if newline not in (None, *_NEWLINES):
            expected, found = ", ".join(map(repr, _NEWLINES)), ascii(newline)[:24]
            raise InvalidInputError([Issue("CODE_UNKNOWN", field="newline", expected=expected, found=found)])
        self.newline = _NEWLINES[layout.newline if newline is None else newline]
        mapped = next((table for table, mapping in layout.mappings.items() if mapping), "receipt")
        self.mapping: Mapping[str, Source] = {**_reference_fields(layout), **getattr(layout, mapped)}
        self._types = field_types(MAPPED_RECORDS[mapped])
        self._ids = {field.id for kind in layout.records.values() for field in kind.fields}
        self.row_count = self.record_count = self.batch_count = 0

    def knows(self, name: str) -> bool:
        """Whether a column is a canonical field that the layout maps, or a field of the layout."""
        return name in self.mapping or name in self._ids

    def is_nested(self, name: str) -> bool:
        """Whether a column has names or amounts by name in each row."""
        return isinstance(self._types.get(name), Names | Amounts)

    def encode(self, table: pa.Table) -> Iterator[bytes]:
        """Yield the bytes of the file in order."""
        records = filter(None, self._encode_records(table, self._detail_fields(table.column_names)))
        if self.layout.csv is None or self.layout.csv.last_newline:
            yield from records
            return
        previous = b""
        for record in records:
            yield previous
            previous = record
        yield previous.removesuffix(self.newline)

    def _encode_records(self, table: pa.Table, fields: list[Field]) -> Iterator[bytes]:
        csv = self.layout.csv
        if csv and csv.header != "none":
            names = [field.column_name if csv.header == "names" else field.ja for field in fields]
            cells = [name.encode(self.layout.encoding) for name in names]
            yield _UTF_8_BOM * csv.bom + join_row(cells, [False] * len(cells), csv.delimiter_byte) + self.newline
        file_sums = [0] * len(self.layout.totals)
        for header, batch in self._batches(table):
            sums = [0] * len(self.layout.totals)
            yield self._encode_record("header", header, sums)
            for start in range(0, batch.num_rows, _CHUNK_ROWS):
                content, added = self._encode_rows(batch.slice(start, _CHUNK_ROWS), fields)
                sums = list(map(add, sums, added))
                yield content
            yield self._encode_record("trailer", self.trailer, sums)
            file_sums = list(map(add, file_sums, sums))
        yield self._encode_record("end", {}, file_sums)

    def _detail_fields(self, columns: Iterable[str]) -> list[Field]:
        """Return the fields of a detail record; of a CSV with named columns, those of the table and the required."""
        fields = self.layout.data.fields
        if not self.layout.csv or self.layout.csv.header != "names":
            return fields
        ids = {path for name in columns for path in (self.mapping[name].ids if name in self.mapping else [name])}
        return [field for field in fields if field.required or field.id in ids]

    def _batches(self, table: pa.Table) -> Iterator[tuple[dict[str, Any], pa.Table]]:
        """Yield the values of each header with the rows under it."""
        header_field = {
            name: source.field.removeprefix("header.")
            for name, source in self.mapping.items()
            if source.field.startswith("header.") and name in table.column_names
        }
        if not header_field or not table.num_rows:
            yield self.header, table
            return
        columns = list(header_field)
        for key in table.select(columns).group_by(columns, use_threads=False).aggregate([]).to_pylist():
            is_equal = (
                pc.is_null(table[n]) if value is None else pc.equal(table[n], value) for n, value in key.items()
            )
            is_in_batch = reduce(pc.and_, is_equal)
            header = self.header | {header_field[name]: value for name, value in key.items()}
            yield header, table.filter(is_in_batch)

    def _encode_rows(self, table: pa.Table, fields: list[Field]) -> tuple[bytes, list[int]]:
        """Return the bytes of detail records, and what they add to each total of the layout."""
        values = self._layout_columns(table)
        no_values: Sequence[Any] = [None] * table.num_rows
        cells = {field.id: self._encode_column(field, values.get(field.id, no_values)) for field in fields}
        added = [_sum(total, cells, table.num_rows) for total in self.layout.totals]
        self.row_count += table.num_rows
        self.record_count += table.num_rows
        if self.layout.csv:
            quoted, delimiter = [field.quoted for field in fields], self.layout.csv.delimiter_byte
            rows = (join_row(list(row), quoted, delimiter) for row in zip(*cells.values(), strict=True))
        else:
            rows = (b"".join(row) for row in zip(*cells.values(), strict=True))
        return b"".join(row + self.newline for row in rows), added

    def _layout_columns(self, table: pa.Table) -> dict[str, Sequence[Any]]:
        """Return the columns of the table by the layout's field ids, with canonical values converted to codes."""
        columns: dict[str, Sequence[Any]] = {}
        for name in table.column_names:
            source = self.mapping.get(name)
            if source is None:
                values = table[name].to_pylist()
                columns.setdefault(name, list(map(_nested_text, values)) if self.is_nested(name) else values)
            elif source.amounts:
                columns |= self._amount_columns(name, source, table[name])
            elif source.field and self.is_nested(name):
                separator = source.separator or ";"
                columns[source.field] = [_nested_text(value, separator) for value in table[name].to_pylist()]
            elif source.field and not source.slice:
                # Of several codes with one meaning, the first in the layout is written.
                codes = {value: code for code, value in reversed(source.values.items())}
                column = table[name].to_pylist()
                columns[source.field] = [codes.get(value, value) for value in column] if codes else column
        for name in table.column_names:
            # A date that is read from the first of several fields is written to each of them without a value.
            for path in self.mapping[name].first if name in self.mapping else []:
                columns.setdefault(path, table[name].to_pylist())
        return columns

    def _amount_columns(self, name: str, source: Source, column: pa.ChunkedArray) -> dict[str, Sequence[Any]]:
        """Return a column of amounts by name as one column for each field.

        Raises:
            InvalidInputError: a name for which the layout has no field.
        """
        rows, issues = [], []
        for number, value in enumerate(column.to_pylist(), self.row_count + 1):
            location = Location(record=number)
            try:
                row = dict(self._types[name].check(_nested_text(value) or ()))
            except PydanticCustomError as error:
                row, context = {}, error.context or {}
                issues.append(Issue(error.type, field=name, expected=context["expected"], location=location))
            if row.keys() - source.amounts.keys():
                expected = " | ".join(source.amounts)
                issues.append(Issue("FIELD_UNKNOWN", field=name, expected=expected, location=location))
            rows.append(row)
        if issues:
            raise InvalidInputError(issues, f"{self.layout.name} cannot be written")
        return {path: [row.get(part) for row in rows] for part, path in source.amounts.items()}

    def _encode_column(self, field: Field, column: Sequence[Any]) -> list[bytes]:
        encode = cell_writer(field, self.layout)
        try:
            return [encode(value) for value in column]
        except InvalidInputError:
            issues = []
            for number, value in enumerate(column, self.row_count + 1):
                try:
                    encode(value)
                except InvalidInputError as error:
                    location = Location(record=number)
                    issues += [replace(issue, field=field.id, location=location) for issue in error.issues]
            raise InvalidInputError(issues, f"{self.layout.name} cannot be written") from None

    def _encode_record(self, role: str, values: Mapping[str, Any], sums: list[int]) -> bytes:
        """Return the bytes of a header, trailer or end record with its totals, or none if the layout has none."""
        kind = self.layout.role(role)
        if kind is None:
            return b""
        self.record_count += 1
        self.batch_count += role == "header"
        declared = {
            total.field: self._declared(total, counted)
            for total, counted in zip(self.layout.totals, sums, strict=True)
            if self.layout.records[total.record] is kind
        }
        values = {**values, **declared}
        return b"".join(self._encode_column(field, [values.get(field.id)])[0] for field in kind.fields) + self.newline

    def _declared(self, total: Total, counted: int) -> int:
        if total.of == "data":
            return 0 if self.request and total.where else counted
        return self.record_count if total.of == "records" else self.batch_count


def _nested_text(value: Any, separator: str = ";") -> str | None:
    """Return names as one text, or amounts by name as ``name=yen;name=yen``; ``None`` if there are none.

    >>> _nested_text(["a", "b"]), _nested_text({"水道": 10, "下水道": None}), _nested_text("a;b")
    ('a;b', '水道=10', 'a;b')
    """
    if isinstance(value, Mapping):  # a struct of Arrow has every name in every row
        value = [pair for pair in value.items() if pair[1] is not None]
    if value is None or isinstance(value, str):
        return value and value.replace(";", separator)  # no name contains a semicolon
    return separator.join(item if isinstance(item, str) else "=".join(map(str, item)) for item in value) or None


def _sum(total: Total, cells: Mapping[str, list[bytes]], row_count: int) -> int:
    """Return a total over written cells, so that defaults count."""
    if total.of != "data":
        return 0
    is_counted = [True] * row_count
    for name, codes in total.where.items():
        allowed = {code.encode() for code in codes}
        is_counted = [before and cell.strip() in allowed for before, cell in zip(is_counted, cells[name], strict=True)]
    return sum(is_counted) if total.sum is None else sum(map(int, compress(cells[total.sum], is_counted)))


# --- Editing ----------------------------------------------------------------------------------------------------------

#: Returns the new values of a record's fields by id, or nothing for a record that stays as it is.
Change = Callable[[RawRecord], Mapping[str, Any] | None]


def edit(file: ReceiptFile, path: str | Path, change: Change | None = None) -> None:
    """Write a copy of a file with changed fields; all other bytes are copied unchanged.

    Totals are not computed: they are fields of the trailer, and :func:`kokin.receipts.check` reports whether they still
    agree. XML files cannot be edited.

    Args:
        file: The file to copy.
        path: The file to write.
        change: Called with each record; returns its new values, or nothing. Without it the copy equals the file.

    Raises:
        InvalidInputError: a value that its field cannot represent, with record and field; no file is left behind.
    """
    if file.layout.xml:
        raise InvalidInputError([Issue("LAYOUT_NOT_WRITTEN", found=file.layout.name)])
    with atomic_file(Path(path)) as draft, file.opened() as source, draft.open("wb") as target:
        position = 0
        for offset, length, content in _changed_records(file, source, change) if change else ():
            target.writelines(_chunks(source, position, offset))
            target.write(content)
            position = offset + length
        target.writelines(_chunks(source, position, None))


def _changed_records(file: ReceiptFile, source: BinaryIO, change: Change) -> list[tuple[int, int, bytes]]:
    """Return offset, length and new bytes of each record that ``change`` returns values for."""
    decoder = file.decoder()
    changed = []
    for frame in frames(source, file.framing):
        if isinstance(frame, Blank):
            continue
        record = decoder.decode(frame)
        if values := change(record):
            changed.append((frame.byte_offset, len(frame.raw), _with_values(file, decoder.columns, record, values)))
    return changed


def _chunks(source: BinaryIO, start: int, end: int | None) -> Iterator[bytes]:
    """Yield the bytes of a stream from ``start`` to ``end``, or to its end."""
    source.seek(start)
    while chunk := source.read(CHUNK_BYTES if end is None else min(CHUNK_BYTES, end - source.tell())):
        yield chunk


def _with_values(file: ReceiptFile, columns: list[str], record: RawRecord, values: Mapping[str, Any]) -> bytes:
    """Return the bytes of a record with new values in some fields."""
    kind = file.layout.records[record.kind]
    cells = {}
    for name, value in values.items():
        try:
            cells[name] = cell_writer(kind.by_id[name], file.layout)(value)
        except InvalidInputError as error:
            location = Location(file.source, record.record_no, record.byte_offset)
            issues = [replace(issue, field=name, location=location) for issue in error.issues]
            raise InvalidInputError(issues) from None
    if not file.layout.width:
        delimiter = file.framing.delimiter
        row, starts = split_row(record.raw, delimiter), cell_starts(record.raw, delimiter)
        quoted = [record.raw[start - 1 : start] == b'"' and start > 0 for start in starts]
        return join_row([cells.get(name, cell) for name, cell in zip(columns, row, strict=True)], quoted, delimiter)
    body = bytearray(record.raw)
    for name, cell in cells.items():
        start = kind.offsets[name]
        body[start : start + len(cell)] = cell.translate(HALF_WIDTH_TO_EBCDIC) if file.framing.ebcdic else cell
    return bytes(body)
