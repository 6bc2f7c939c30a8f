"""Bills in files: CSV (UTF-8 or cp932) and Parquet, in stretches of bounded memory."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from kokin.bills._check import Checked, check
from kokin.columns import atomic_file, issue_schema, write_csv
from kokin.issues import Issue, Place, RefusedError
from kokin.model import Bill, schema
from kokin.text import file_name

# Bytes of CSV, or rows of Parquet, that are worked on at once.
_BLOCK = 1 << 24
_ROWS = 1 << 17
_PARQUET_MAGIC = b"PAR1"


def read(path: str | Path, *, encoding: str | None = None) -> Checked:
    """Every bill of a file, with what is wrong in it. See :func:`batches`."""
    pieces = list(batches(path, encoding=encoding))
    return Checked(
        pa.concat_tables([piece.table for piece in pieces]),
        pa.concat_arrays([piece.records for piece in pieces]),
        pa.concat_tables([pa.Table.from_batches([], issue_schema()), *(piece.issues for piece in pieces)]),
        sum(piece.rejected for piece in pieces),
    )


def batches(path: str | Path, *, encoding: str | None = None, rows: int = _ROWS) -> Iterator[Checked]:
    """The bills of a file, ``rows`` of its rows at a time; at least one piece, which may be empty.

    Args:
        path: a CSV with a header row, or a Parquet file (told by its first bytes). The columns are those of
            :class:`~kokin.model.Bill`; an empty value of a CSV is none.
        encoding: of a CSV; by default UTF-8, with or without a byte order mark, and cp932 where it is not that.
        rows: rows per piece, those that are kept out counted.

    A row that breaks a rule is kept out and told; the rest is read on.

    Raises:
        RefusedError: the file is empty, of another form, in another encoding, or a required column is missing.
        OSError: the file cannot be opened.
    """
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(len(_PARQUET_MAGIC))
    if not head:
        raise RefusedError([Issue("FILE_EMPTY", where=Place(path.name))], f"{path.name} refused")
    tables = _parquet(path) if head == _PARQUET_MAGIC else _csv(path, encoding or _encoding_of(path))
    first = 1
    for table in _cut(tables, rows):
        yield check(table, file=file_name(path), first=first)
        first += len(table)


def _cut(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows, cut at every ``rows``-th."""
    held = next(tables)
    for table in tables:
        held = pa.concat_tables([held, table])
        while len(held) > rows:
            yield held.slice(0, rows)
            held = held.slice(rows)
    yield from (held.slice(start, rows) for start in range(0, max(len(held), 1), rows))


def write(bills: Iterable[Bill] | Any, path: str | Path) -> None:
    """Bills, or a table of them, as CSV (UTF-8), or as Parquet where the name ends in ``.parquet``.

    Columns that hold nothing are left out of a CSV; ``covers`` and ``parts`` are written as text. What is written
    reads back as the same bills.
    """
    path = Path(path)
    columns = schema(Bill)
    if hasattr(bills, "__arrow_c_stream__"):
        table = pa.table(bills)
    else:
        table = pa.Table.from_pylist([bill.model_dump() for bill in bills], schema=columns)
    if path.suffix == ".parquet":
        with atomic_file(path) as draft, _arrow_file(draft, "wb") as file:
            pq.write_table(table, file)
        return
    written = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_list(column.type):
            column = pa.array([";".join(items or ()) for items in column.to_pylist()], pa.string())
        elif pa.types.is_map(column.type):
            column = pa.array(
                [";".join(f"{k}={v}" for k, v in items or ()) for items in column.to_pylist()], pa.string()
            )
        if columns.field(name).nullable and column.null_count == len(column):
            continue
        written[name] = column
    write_csv(pa.table(written), path)


def _arrow_file(path: Path, mode: str = "rb") -> pa.OSFile:
    """A file for Arrow, which by itself opens no name that is not UTF-8."""
    return pa.OSFile(os.fsencode(path), mode)


def _encoding_of(path: Path) -> str:
    """UTF-8 where the whole file is, else cp932; a file that is neither is refused with its first wrong byte."""
    place = Place(path.name)
    for encoding in ("utf-8", "cp932"):
        decoder = codecs.getincrementaldecoder(encoding)()
        offset = 0
        try:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    decoder.decode(block)
                    offset += len(block)
                decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            place = Place(path.name, byte=max(0, offset + error.start))
            continue
        return encoding
    raise RefusedError([Issue("BYTE_UNKNOWN", "", "UTF-8 or cp932", where=place)], f"{path.name} refused")


def _csv(path: Path, encoding: str) -> Iterator[pa.Table]:
    ragged: list[Issue] = []

    def refuse(row: Any) -> str:
        place = Place(path.name, None if row.number is None else row.number - 1)
        ragged.append(Issue("COLUMNS_COUNT", "", str(row.expected_columns), str(row.actual_columns), place))
        return "skip"

    try:
        reader = pa_csv.open_csv(
            _arrow_file(path),
            pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK, encoding=encoding),
            pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            pa_csv.ConvertOptions(
                column_types={name: pa.string() for name in Bill.model_fields},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
        yield pa.Table.from_batches([], reader.schema)  # a file may have a header and nothing more
        for batch in reader:
            if ragged:
                break
            yield pa.Table.from_batches([batch])
    except pa.ArrowInvalid as error:
        # Arrow's own words may hold a line of the file.
        raise RefusedError([Issue("FILE_FORM", "", "CSV with a header", where=Place(path.name))]) from error
    except UnicodeDecodeError as error:
        raise RefusedError([Issue("BYTE_UNKNOWN", "", encoding, where=Place(path.name, byte=error.start))]) from None
    if ragged:
        raise RefusedError(ragged, f"{path.name} refused")


def _parquet(path: Path) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(_arrow_file(path)) as file:
            yield pa.Table.from_batches([], file.schema_arrow)
            yield from (pa.Table.from_batches([batch]) for batch in file.iter_batches(batch_size=_ROWS))
    except pa.ArrowInvalid as error:
        raise RefusedError([Issue("FILE_FORM", "", "Parquet", where=Place(path.name))]) from error
