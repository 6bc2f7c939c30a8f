"""Bills in files: CSV (UTF-8 or cp932) and Parquet, in chunks of bounded memory."""

from __future__ import annotations

import codecs
import csv
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from kokin._arrow import as_table, atomic_file, from_numpy, int64_array, issue_schema, to_numpy, write_csv
from kokin.bills._check import CheckResult, check
from kokin.issues import InvalidInputError, Issue, Location, ReadResult, RejectedRecordsError, from_table, to_table
from kokin.model import Bill, arrow_schema
from kokin.text import file_name

# Bytes that are decoded at once, and rows that are checked at once.
_BLOCK = 1 << 24
_ROWS = 1 << 17
_PARQUET_MAGIC = b"PAR1"

# A whole cell in quotes; a quote that is left without these is a stray one.
_QUOTED_CELL = re.compile(r'(?<![^,])"(?:[^"]|"")*+"(?![^,])')
# What a row without a value consists of: empty cells, quoted or not, NULs, and the end-of-file mark of DOS.
_NO_VALUE = ', \t\u3000\x00\x1a"'
_PADDING = "\x00\x1a"
_EMPTY_ROW = re.compile(r'(?:[, \t\u3000\x00\x1a]|"")*+')


@dataclass(frozen=True, slots=True)
class BillTotals:
    """Counts of the bills of a file: ``read = accepted + rejected``."""

    read: int
    """Rows that are not empty."""
    accepted: int
    rejected: int

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


def read(
    path: str | Path, *, encoding: str | None = None, on_error: Literal["raise", "skip"] = "raise"
) -> ReadResult[BillTotals]:
    """Return the bills of a file, with the issues and the counts; see :func:`batches`.

    Args:
        path: a CSV or a Parquet file.
        encoding: of a CSV, as in :func:`batches`.
        on_error: ``skip`` returns the accepted bills where some were rejected.

    Raises:
        RejectedRecordsError: a bill was rejected; ``.issues`` names all that were.
        InvalidInputError: the file is empty, of another form, in another encoding, or lacks a required column.
        OSError: the file cannot be read.
    """
    chunks = list(batches(path, encoding=encoding))
    table = pa.concat_tables([chunk.table for chunk in chunks])
    rejected = sum(chunk.rejected for chunk in chunks)
    issues = from_table(pa.concat_tables([issue_schema().empty_table(), *(chunk.issues for chunk in chunks)]))
    if rejected and on_error == "raise":
        raise RejectedRecordsError(issues, f"{Path(path).name}: {rejected:,} of {len(table) + rejected:,} rejected")
    return ReadResult(table, issues, BillTotals(len(table) + rejected, len(table), rejected))


def batches(path: str | Path, *, encoding: str | None = None, rows: int = _ROWS) -> Iterator[CheckResult]:
    """Yield the bills of a file, ``rows`` of its rows at a time; at least one chunk, which may be empty.

    Args:
        path: a CSV with a header row, or a Parquet file (by its first bytes). The columns are those of
            :class:`~kokin.model.Bill`; an empty value of a CSV is none.
        encoding: of a CSV; by default UTF-8, with or without a byte order mark, and cp932 where it is not that.
        rows: rows per chunk, the rejected ones counted.

    A row that breaks a rule is rejected and named in the issues; the others are read. A line of a CSV is one row: no
    field of a bill can contain a newline, so a stray quote rejects its own line only. Lines without a value are none.

    Raises:
        InvalidInputError: the file is empty, of another form, in another encoding, or a required column is missing.
        OSError: the file cannot be read.
    """
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(len(_PARQUET_MAGIC))
    if not head:
        raise InvalidInputError([Issue("FILE_EMPTY", location=Location(file_name(path)))], f"{file_name(path)} refused")
    if head == _PARQUET_MAGIC:
        first = 1
        for table in _cut(_parquet(path), rows):
            yield check(table, file=file_name(path), first=first)
            first += len(table)
    else:
        yield from _csv(path, _encoding_of(path, encoding), rows)


def write(bills: Iterable[Bill] | Any, path: str | Path) -> None:
    """Write bills, or a table of them, as CSV (UTF-8), or as Parquet where the name ends in ``.parquet``.

    Columns without a value are left out of a CSV; ``covers`` and ``parts`` are written as text. What is written reads
    back as the same bills.

    Raises:
        InvalidInputError: a row is no bill, or a column is none of a bill's.
        OSError: the file cannot be written.
    """
    path = Path(path)
    table = as_table(bills) if hasattr(bills, "__arrow_c_stream__") else _table_of(bills)
    checked = check(table)
    if checked.rejected or len(checked.issues):
        raise InvalidInputError(from_table(checked.issues), f"{file_name(path)} was not written")
    table = checked.table
    if path.suffix == ".parquet":
        with atomic_file(path) as draft, _arrow_file(draft, "wb") as file:
            pq.write_table(table, file, write_page_checksum=True)
        return
    written = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_list(column.type):
            column = pa.array([";".join(items) for items in column.to_pylist()], pa.string())
        elif pa.types.is_map(column.type):
            column = pa.array([";".join(f"{k}={v}" for k, v in items) for items in column.to_pylist()], pa.string())
        if arrow_schema(Bill).field(name).nullable and column.null_count == len(column):
            continue
        written[name] = column
    write_csv(pa.table(written), path)


def _table_of(bills: Iterable[Bill]) -> pa.Table:
    return pa.Table.from_pylist([bill.model_dump() for bill in bills], schema=arrow_schema(Bill))


def _encoding_of(path: Path, encoding: str | None) -> str:
    """UTF-8 where the whole file is, else cp932; a file that is neither, or not as said, is refused with its byte."""
    place = Location(file_name(path))
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
            place = Location(file_name(path), byte=max(0, offset + error.start))
            continue
        # A byte order mark is no part of the first name.
        return "utf-8-sig" if codecs.lookup(name).name == "utf-8" else name
    expected = encoding or "UTF-8 or cp932"
    raise InvalidInputError(
        [Issue("BYTE_UNKNOWN", field="", expected=expected, location=place)], f"{file_name(path)} refused"
    )


@dataclass(slots=True)
class _Lines:
    """Lines of a CSV: those that are bills by their form, each with its number, and the issues of the others."""

    header: list[str]
    good: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    rejected: int = 0

    def __len__(self) -> int:
        return len(self.good) + self.rejected

    def add(self, line: str, number: int, file: str) -> None:
        """Add a line that is not empty."""
        bare = _QUOTED_CELL.sub("", line) if '"' in line else line
        place = Location(file, number)
        if '"' in bare:
            issue = Issue("QUOTES", location=place)
        elif (count := bare.count(",") + 1) != len(self.header):
            issue = Issue("COLUMNS_COUNT", field="", expected=str(len(self.header)), found=str(count), location=place)
        else:
            self.good.append(line)
            self.numbers.append(number)
            return
        self.issues.append(issue)
        self.rejected += 1


def _csv(path: Path, encoding: str, rows: int) -> Iterator[CheckResult]:
    """The chunks of a CSV. The number of a row is that of its line after the header, empty lines counted."""
    with path.open(encoding=encoding, newline=None) as file:
        header = _header(file.readline(), path)
        lines = _Lines(header)
        is_first = True
        empty: list[Issue] = []
        for number, line in _numbered(file):
            if _is_empty(line):  # at the end of the file it is dropped
                empty.append(Issue("ROW_EMPTY", location=Location(file_name(path), number)))
                continue
            if len(lines) == rows:
                yield _checked(lines, path, is_first)
                lines, is_first = _Lines(header), False
            lines.issues += empty
            empty = []
            lines.add(line, number, file_name(path))
        if lines or is_first:
            yield _checked(lines, path, is_first)


def _is_empty(line: str) -> bool:
    return not line.strip(_NO_VALUE) and _EMPTY_ROW.fullmatch(line) is not None


def _numbered(file: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, without those that are blank, and without NUL and SUB behind the last row."""
    held: list[tuple[int, str]] = []  # a row with padding, and the rows without a value that follow it
    for number, ended in enumerate(file, 1):
        line = ended.rstrip("\n")
        empty = _is_empty(line)
        if empty and "," not in line:
            continue
        if not empty:
            yield from held
            held = []
        if held or (not empty and line[-1] in _PADDING):
            held.append((number, line))
        else:
            yield number, line
    for number, line in held:
        yield number, line.rstrip(_PADDING)


def _header(line: str, path: Path) -> list[str]:
    bare = line.rstrip("\n")
    if '"' in _QUOTED_CELL.sub("", bare):
        raise InvalidInputError([Issue("QUOTES", location=Location(file_name(path)))], f"{file_name(path)} refused")
    return next(csv.reader([bare]), [])


def _checked(lines: _Lines, path: Path, is_first: bool) -> CheckResult:
    """The bills of some lines, with the numbers of their lines."""
    table = _parsed(lines, path)
    if not is_first:  # columns that are not read are named once
        known = [place for place, name in enumerate(lines.header) if name in Bill.model_fields]
        table = table.select(known)
    checked = check(table, file=file_name(path))
    numbers = np.array(lines.numbers, np.int64)
    records = numbers[to_numpy(checked.records, 0) - 1]
    found = checked.issues
    if len(found):
        row = to_numpy(found["record"], 0)
        record = from_numpy(np.append(numbers, 0)[row - 1], pa.int64(), row > 0)
        found = found.set_column(found.column_names.index("record"), "record", record)
    if lines.issues:
        found = pa.concat_tables([found, to_table(lines.issues)])
        found = found.take(int64_array(np.argsort(to_numpy(found["record"], 0), kind="stable")))
    return CheckResult(checked.table, int64_array(records), found, checked.rejected + lines.rejected)


def _parsed(lines: _Lines, path: Path) -> pa.Table:
    """The lines as columns of text; an empty cell is null.

    Raises:
        InvalidInputError: pyarrow finds other rows in the lines than were counted.
    """
    if not lines.good:
        return pa.table([pa.array([], pa.string())] * len(lines.header), lines.header)
    text = "\n".join(lines.good).encode()
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(text),
            pa_csv.ReadOptions(column_names=lines.header, block_size=len(text) + 1),
            pa_csv.ParseOptions(newlines_in_values=False),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(lines.header, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowException:
        # Arrow's message may contain a line of the file.
        raise InvalidInputError(
            [Issue("FILE_FORM", field="", expected="CSV with a header", location=Location(file_name(path)))]
        ) from None
    if len(table) != len(lines.good):
        expected, found = f"{len(lines.good)} rows", str(len(table))
        issue = Issue("FILE_FORM", expected=expected, found=found, location=Location(file_name(path)))
        raise InvalidInputError([issue], f"{file_name(path)} refused")
    return table


def _parquet(path: Path) -> Iterator[pa.Table]:
    damaged = InvalidInputError(
        [Issue("FILE_FORM", field="", expected="Parquet", location=Location(file_name(path)))],
        f"{file_name(path)} refused",
    )
    rows = 0
    try:
        with pq.ParquetFile(_arrow_file(path), page_checksum_verification=True) as file:
            yield pa.Table.from_batches([], file.schema_arrow)
            for batch in file.iter_batches(batch_size=_ROWS):
                batch.validate(full=True)  # a damaged text may be no UTF-8
                rows += len(batch)
                yield pa.Table.from_batches([batch])
            expected = file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        # pyarrow reports damaged content as any of these, an OSError without the number of a failed system call.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise damaged from None
    if rows != expected:  # of a damaged page header pyarrow reads no rows, and says nothing
        raise damaged


def _cut(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows, cut at every ``rows``-th."""
    held = next(tables)
    for table in tables:
        held = pa.concat_tables([held, table])
        while len(held) > rows:
            yield held.slice(0, rows)
            held = held.slice(rows)
    yield from (held.slice(start, rows) for start in range(0, max(len(held), 1), rows))


def _arrow_file(path: Path, mode: str = "rb") -> pa.OSFile:
    """A file for Arrow, which by itself opens no name that is not UTF-8."""
    return pa.OSFile(os.fsencode(path), mode)
