"""Bills in files: CSV (UTF-8 or cp932) and Parquet, read in batches of bounded memory."""

from __future__ import annotations

import codecs
import csv
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from kokin._arrow.convert import as_table, from_numpy, int64_array, to_numpy
from kokin._arrow.files import atomic_file, write_csv
from kokin._arrow.threads import CHUNK_ROWS
from kokin.bills._check import BillBatch, check_batch
from kokin.issues import InvalidInputError, Issue, Location, ReadResult, RejectedRecordsError, from_table, to_table
from kokin.model import ArrowStreamExportable, Bill, arrow_schema
from kokin.text import file_name

# Bytes that are decoded at a time.
_BLOCK = 1 << 24
_PARQUET_MAGIC = b"PAR1"

# A whole cell in quotes; a quote that remains after these are removed is misplaced.
_QUOTED_CELL = re.compile(r'(?<![^,])"(?:[^"]|"")*+"(?![^,])')
# The characters of a row without values: empty cells, quoted or not, NULs, and the end-of-file mark of DOS.
_NO_VALUE = ', \t\u3000\x00\x1a"'
_PADDING = "\x00\x1a"
_EMPTY_ROW = re.compile(r'(?:[, \t\u3000\x00\x1a]|"")*+')


@dataclass(frozen=True, slots=True)
class BillTotals:
    """Counts of the rows of a file: ``read = accepted + rejected``."""

    read: int
    """Rows that are not empty."""
    accepted: int
    rejected: int

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def check(source: str | Path | ArrowStreamExportable, *, encoding: str | None = None) -> list[Issue]:
    """Return every issue of a file or table of bills, errors and warnings; an empty list means that it is valid.

    The arguments are those of :func:`read`.

    Raises:
        OSError: the file cannot be read.
    """
    issues = []
    try:
        for batch in batches(source, encoding=encoding):
            issues += from_table(batch.issues)
    except InvalidInputError as error:
        issues += error.issues
    return issues


def read(
    source: str | Path | ArrowStreamExportable,
    *,
    encoding: str | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> ReadResult[BillTotals]:
    """Return the bills of a file or table, with the issues and the counts.

    Args:
        source: a CSV or Parquet file as in :func:`batches`, or a table as in :func:`check_batch`.
        encoding: the encoding of a CSV, as in :func:`batches`.
        on_error: ``skip`` returns the accepted bills if some were rejected.

    Raises:
        RejectedRecordsError: a bill was rejected; ``.issues`` names each of them.
        InvalidInputError: the file is empty, in another format or encoding, or lacks a required column.
        OSError: the file cannot be read.
    """
    checked = list(batches(source, encoding=encoding))
    table = pa.concat_tables([batch.table for batch in checked])
    rejected = sum(batch.rejected for batch in checked)
    issues = [issue for batch in checked for issue in from_table(batch.issues)]
    if rejected and on_error == "raise":
        name = f"{file_name(source)}: " if isinstance(source, str | Path) else ""
        raise RejectedRecordsError(issues, f"{name}{rejected:,} of {len(table) + rejected:,} rejected")
    return ReadResult(table, issues, BillTotals(len(table) + rejected, len(table), rejected))


def batches(
    source: str | Path | ArrowStreamExportable, *, encoding: str | None = None, rows: int = CHUNK_ROWS
) -> Iterator[BillBatch]:
    """Yield the bills of a file or table in batches of ``rows`` rows; at least one batch, possibly empty.

    Args:
        source: a CSV with a header row, a Parquet file (recognised by its first bytes), or a table. The columns are
            those of :class:`~kokin.model.Bill`; an empty cell of a CSV is null.
        encoding: the encoding of a CSV; by default UTF-8, with or without a byte order mark, else cp932.
        rows: rows per batch, including the rejected ones.

    A row that breaks a rule is rejected, with an issue; the others are read. Each line of a CSV is one row: no field of
    a bill can contain a newline, so a misplaced quote rejects only its own line. Lines without a value are skipped.

    Raises:
        InvalidInputError: the file is empty, in another format or encoding, or a required column is missing.
        OSError: the file cannot be read.
    """
    if not isinstance(source, str | Path):
        yield from _check_tables(iter([as_table(source)]), rows)
        return
    path = Path(source)
    with path.open("rb") as file:
        magic = file.read(len(_PARQUET_MAGIC))
    if not magic:
        raise _rejected(path, Issue("FILE_EMPTY", location=Location(file_name(path))))
    if magic == _PARQUET_MAGIC:
        yield from _check_tables(_read_parquet(path), rows, file_name(path))
    else:
        yield from _read_csv(path, _detect_encoding(path, encoding), rows)


def _rejected(path: Path, issue: Issue) -> InvalidInputError:
    return InvalidInputError([issue], f"{file_name(path)} rejected")


def write(bills: Iterable[Bill] | ArrowStreamExportable, path: str | Path) -> None:
    """Write bills, or a table of them, as CSV (UTF-8), or as Parquet if the file name ends with ``.parquet``.

    A CSV has no columns without values; ``covers`` and ``parts`` are written as text. Reading the file returns the same
    bills.

    Raises:
        InvalidInputError: a row is not a valid bill, or a column is not a field of a bill.
        OSError: the file cannot be written.
    """
    path = Path(path)
    if isinstance(bills, ArrowStreamExportable):
        table = as_table(bills)
    else:
        table = pa.Table.from_pylist([bill.model_dump() for bill in bills], schema=arrow_schema(Bill))
    checked = check_batch(table)
    if checked.rejected or len(checked.issues):
        raise InvalidInputError(from_table(checked.issues), f"{file_name(path)} was not written")
    if path.suffix == ".parquet":
        with atomic_file(path) as draft, _arrow_file(draft, "wb") as file:
            pq.write_table(checked.table, file, write_page_checksum=True)
        return
    columns = {}
    for name in checked.table.column_names:
        column = checked.table[name]
        if pa.types.is_list(column.type):
            column = pa.array([";".join(items) for items in column.to_pylist()], pa.string())
        elif pa.types.is_map(column.type):
            column = pa.array([";".join(f"{k}={v}" for k, v in items) for items in column.to_pylist()], pa.string())
        if arrow_schema(Bill).field(name).nullable and column.null_count == len(column):
            continue
        columns[name] = column
    write_csv(pa.table(columns), path)


def _detect_encoding(path: Path, encoding: str | None) -> str:
    """Return ``encoding`` if the whole file is in it; by default UTF-8 if the whole file is, else cp932.

    Raises:
        InvalidInputError: it is in none of these; the issue has the first undefined byte.
    """
    location = Location(file_name(path))
    for name in (encoding,) if encoding else ("utf-8-sig", "cp932"):
        decoder = codecs.getincrementaldecoder(name)()
        offset = 0
        try:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    decoder.decode(block)
                    offset += len(block)
                decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            location = Location(file_name(path), byte=max(0, offset + error.start))
            continue
        # A byte order mark is not part of the first column name.
        return "utf-8-sig" if codecs.lookup(name).name == "utf-8" else name
    raise _rejected(path, Issue("BYTE_UNKNOWN", expected=encoding or "UTF-8 or cp932", location=location))


@dataclass(slots=True)
class _LineBatch:
    """Lines of a CSV: the well-formed ones with their line numbers, and the issues of the others."""

    header: list[str]
    lines: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    rejected: int = 0

    def __len__(self) -> int:
        return len(self.lines) + self.rejected

    def add(self, line: str, number: int, file: str) -> None:
        """Add a line that is not empty."""
        unquoted = _QUOTED_CELL.sub("", line) if '"' in line else line
        location = Location(file, number)
        if '"' in unquoted:
            issue = Issue("QUOTES", location=location)
        elif (count := unquoted.count(",") + 1) != len(self.header):
            issue = Issue("COLUMNS_COUNT", expected=str(len(self.header)), found=str(count), location=location)
        else:
            self.lines.append(line)
            self.numbers.append(number)
            return
        self.issues.append(issue)
        self.rejected += 1


def _read_csv(path: Path, encoding: str, rows: int) -> Iterator[BillBatch]:
    """Yield the batches of a CSV. The number of a row is that of its line after the header, including empty lines."""
    with path.open(encoding=encoding, newline=None) as file:
        header = _parse_header(file.readline(), path)
        batch = _LineBatch(header)
        is_first = True
        empty_rows: list[Issue] = []  # reported when another row follows, so not at the end of the file
        for number, line in _numbered_lines(file):
            if _is_empty(line):
                empty_rows.append(Issue("ROW_EMPTY", location=Location(file_name(path), number)))
                continue
            if len(batch) == rows:
                yield _check_lines(batch, path, is_first)
                batch, is_first = _LineBatch(header), False
            batch.issues += empty_rows
            empty_rows = []
            batch.add(line, number, file_name(path))
        if batch or is_first:
            yield _check_lines(batch, path, is_first)


def _is_empty(line: str) -> bool:
    return not line.strip(_NO_VALUE) and _EMPTY_ROW.fullmatch(line) is not None


def _numbered_lines(file: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers, without blank lines, and without NUL and SUB after the last row."""
    pending: list[tuple[int, str]] = []  # a row that ends with padding, and the empty rows that follow it
    for number, line in enumerate(file, 1):
        line = line.rstrip("\n")
        is_empty = _is_empty(line)
        if is_empty and "," not in line:
            continue
        if not is_empty:
            yield from pending
            pending = []
        if pending or (not is_empty and line[-1] in _PADDING):
            pending.append((number, line))
        else:
            yield number, line
    for number, line in pending:
        yield number, line.rstrip(_PADDING)


def _parse_header(line: str, path: Path) -> list[str]:
    line = line.rstrip("\n")
    if '"' in _QUOTED_CELL.sub("", line):
        raise _rejected(path, Issue("QUOTES", location=Location(file_name(path))))
    return next(csv.reader([line]), [])


def _check_lines(batch: _LineBatch, path: Path, is_first: bool) -> BillBatch:
    """Return the bills of lines of a CSV; row numbers are line numbers."""
    table = _parse_lines(batch, path)
    if not is_first:  # unknown columns are reported once
        table = table.select([i for i, name in enumerate(batch.header) if name in Bill.model_fields])
    checked = check_batch(table, file=file_name(path))
    line_numbers = np.array(batch.numbers, np.int64)
    row_numbers = line_numbers[to_numpy(checked.row_numbers, 0) - 1]
    rejected_rows = int64_array(line_numbers[to_numpy(checked.rejected_ids["record"], 0) - 1])
    issues = checked.issues
    if len(issues):
        row = to_numpy(issues["record"], 0)
        record = from_numpy(np.append(line_numbers, 0)[row - 1], pa.int64(), row > 0)
        issues = issues.set_column(issues.column_names.index("record"), "record", record)
    if batch.issues:
        issues = pa.concat_tables([issues, to_table(batch.issues)])
        issues = issues.take(int64_array(np.argsort(to_numpy(issues["record"], 0), kind="stable")))
    rejected_ids = checked.rejected_ids.set_column(0, "record", rejected_rows)
    return BillBatch(checked.table, int64_array(row_numbers), issues, checked.rejected + batch.rejected, rejected_ids)


def _parse_lines(batch: _LineBatch, path: Path) -> pa.Table:
    """Return the well-formed lines as columns of text; an empty cell is null.

    Raises:
        InvalidInputError: pyarrow parses another number of rows than lines.
    """
    header, lines = batch.header, batch.lines
    if not lines:
        return pa.table([pa.array([], pa.string())] * len(header), header)
    content = "\n".join(lines).encode()
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(content),
            pa_csv.ReadOptions(column_names=header, block_size=len(content) + 1),
            pa_csv.ParseOptions(newlines_in_values=False),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowException:
        # The message of Arrow may contain a line of the file.
        issue = Issue("FILE_FORM", expected="CSV with a header", location=Location(file_name(path)))
        raise _rejected(path, issue) from None
    if len(table) != len(lines):
        expected, found = f"{len(lines)} rows", str(len(table))
        raise _rejected(path, Issue("FILE_FORM", expected=expected, found=found, location=Location(file_name(path))))
    return table


def _read_parquet(path: Path) -> Iterator[pa.Table]:
    """Yield an empty table with the schema of a Parquet file, then its row groups in tables of bounded size."""
    damaged = _rejected(path, Issue("FILE_FORM", expected="Parquet", location=Location(file_name(path))))
    rows = 0
    try:
        with pq.ParquetFile(_arrow_file(path), page_checksum_verification=True) as file:
            yield pa.Table.from_batches([], file.schema_arrow)
            for batch in file.iter_batches(batch_size=CHUNK_ROWS):
                batch.validate(full=True)  # a damaged text may not be UTF-8
                rows += len(batch)
                yield pa.Table.from_batches([batch])
            expected_rows = file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        # pyarrow raises any of these for damaged content; only a failed system call has an errno.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise damaged from None
    if rows != expected_rows:  # pyarrow silently reads no rows after a damaged page header
        raise damaged


def _check_tables(tables: Iterator[pa.Table], rows: int, file: str = "") -> Iterator[BillBatch]:
    """Check tables in batches of ``rows`` rows; at least one batch."""
    first_row = 1
    for table in _rechunk(tables, rows):
        yield check_batch(table, file=file, first_row=first_row)
        first_row += len(table)


def _rechunk(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield the same rows in tables of ``rows`` rows, the last one shorter; at least one table."""
    pending = next(tables)
    for table in tables:
        pending = pa.concat_tables([pending, table])
        while len(pending) > rows:
            yield pending.slice(0, rows)
            pending = pending.slice(rows)
    yield from (pending.slice(start, rows) for start in range(0, max(len(pending), 1), rows))


def _arrow_file(path: Path, mode: str = "rb") -> pa.OSFile:
    """Open a file for Arrow, which itself cannot open a file whose name is not UTF-8."""
    return pa.OSFile(os.fsencode(path), mode)
