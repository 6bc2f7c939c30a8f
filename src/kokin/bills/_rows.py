"""Rows of bills before they are checked: columns of a CSV, a Parquet file or a table, with the number of each row.

Every reader yields :class:`RowBatch` in bounded memory, and :func:`check_rows` checks them by the rules of a record. No
reader knows the record, so that a table of another one (debts without numbers) can be read by the same readers.
"""

from __future__ import annotations

import codecs
import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from kokin._arrow.column_checks import IssueBuilder
from kokin._arrow.convert import Int64Array, as_table, from_numpy, int64_array, to_numpy
from kokin._arrow.threads import CHUNK_ROWS
from kokin.bills._check import BillBatch
from kokin.bills._column_names import likely_columns
from kokin.issues import ISSUE_COLUMNS, MAX_ISSUES, InvalidInputError, Issue, Location, from_table, to_table
from kokin.model import ArrowStreamExportable, Record
from kokin.text import file_name

# Bytes that are decoded at a time.
_BLOCK = 1 << 24
_PARQUET_MAGIC = b"PAR1"
# Of a file that cp932 decodes to other texts.
_UTF_16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

# A whole cell in quotes; a quote that remains after these are removed is misplaced.
_QUOTED_CELL = re.compile(r'(?<![^,])"(?:[^"]|"")*+"(?![^,])')
# The characters of a row without values: empty cells, quoted or not, NULs, and the end-of-file mark of DOS.
_NO_VALUE = ', \t\u3000\x00\x1a"'
_PADDING = "\x00\x1a"
_EMPTY_ROW = re.compile(r'(?:[, \t\u3000\x00\x1a]|"")*+')
# Instead of a number of cells: a row without values, and one with a misplaced quote.
_EMPTY, _MISQUOTED = 0, -1


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows of a file or table, not checked."""

    table: pa.Table
    """The columns as they were read; those of a CSV are text, an empty cell is null."""
    numbers: Int64Array
    """The number of each row in the input, from 1, int64 (n,)."""
    file: str = ""
    """The file name in the issues."""
    issues: pa.Table = field(default_factory=lambda: to_table([]))
    """The issues of rows that are not in the table, and warnings, with :data:`~kokin.issues.ISSUE_COLUMNS`."""
    rejected: int = 0
    """The number of rows that are not in the table because they could not be read."""
    rejected_ids: list[tuple[int, str]] = field(default_factory=list)
    """Number and bill_id of those rows, where it could be read."""
    locate: Callable[[Issue, int], Issue] | None = None
    """Returns an issue of a row of the table, from 0, with the field and the byte of the file."""
    missing: Callable[[str], Issue] | None = None
    """Returns the issue of a required column that the table lacks."""


class Check(Protocol):
    """A check of a table, such as :func:`~kokin.bills.check_batch`; rows are numbered from 1."""

    def __call__(self, table: pa.Table, *, file: str) -> BillBatch: ...


def read_rows(
    source: str | Path | ArrowStreamExportable, *, encoding: str | None = None, rows: int = CHUNK_ROWS
) -> Iterator[RowBatch]:
    """Yield the rows of a CSV, a Parquet file or a table in batches of ``rows`` rows; at least one batch.

    The arguments and the errors are those of :func:`~kokin.bills.batches`, without the rules of a record.
    """
    if not isinstance(source, str | Path):
        yield from _table_rows(iter([as_table(source)]), rows)
        return
    path = Path(source)
    with path.open("rb") as file:
        magic = file.read(len(_PARQUET_MAGIC))
    if not magic:
        raise _rejected(path, Issue("FILE_EMPTY", location=Location(file_name(path))))
    if not encoding and magic.startswith(_UTF_16_BOMS):
        raise _rejected(path, Issue("FILE_BOM", found=magic[:2].hex(" "), location=Location(file_name(path), byte=0)))
    if magic == _PARQUET_MAGIC:
        yield from _table_rows(_read_parquet(path), rows, file_name(path))
    else:
        yield from _read_csv(path, _detect_encoding(path, encoding), rows)


def read_columns(source: str | Path | ArrowStreamExportable, *, encoding: str | None = None) -> pa.Table:
    """Return the columns of a CSV with a header row (as text), of a Parquet file, or of a table, unchecked.

    It reads tables of other systems, in whatever columns.

    Args:
        source: the file or table.
        encoding: that of a CSV; by default UTF-8, or cp932 if the file is not UTF-8.

    Raises:
        InvalidInputError: the file is empty or damaged, or a row cannot be read; ``.issues`` has the first of them.
        OSError: the file cannot be read.
    """
    tables = []
    for batch in read_rows(source, encoding=encoding):
        if batch.rejected:
            raise InvalidInputError(from_table(batch.issues.slice(0, MAX_ISSUES)), "the file was rejected")
        tables.append(batch.table)
    return pa.concat_tables(tables)


def check_rows(batches: Iterable[RowBatch], check: Check, record: type[Record]) -> Iterator[BillBatch]:
    """Check each batch; issues and row numbers are those of the input.

    Args:
        batches: rows as read.
        check: the check; the columns that it requires decide which ones a file needs.
        record: the record of a row: other columns are passed to the check with the first batch only, so that it warns
            of each unknown column once.

    Raises:
        InvalidInputError: the check misses a column, or cannot use the type of one.
    """
    max_located = MAX_ISSUES
    for position, batch in enumerate(batches):
        table = batch.table
        if position:
            table = table.select([i for i, name in enumerate(table.column_names) if name in record.model_fields])
        try:
            checked = check(table, file=batch.file)
        except InvalidInputError as error:
            raise InvalidInputError([_explained(issue, batch) for issue in error.issues], error.summary) from None
        row_numbers = batch.numbers[to_numpy(checked.row_numbers, 0) - 1]
        issues = _merge_issues(checked.issues, batch, max_located)
        max_located = max(0, max_located - len(issues))
        rejected = checked.rejected + batch.rejected
        rejected_rows = batch.numbers[to_numpy(checked.rejected_ids["record"], 0) - 1]
        rejected_ids = checked.rejected_ids.set_column(0, "record", int64_array(rejected_rows))
        if batch.rejected_ids:
            numbers, bill_ids = zip(*batch.rejected_ids, strict=True)
            unread = [pa.array(numbers, pa.int64()), pa.array([bill_id[:64] for bill_id in bill_ids], pa.string())]
            rejected_ids = pa.concat_tables([rejected_ids, pa.table(unread, rejected_ids.column_names)])
        yield BillBatch(checked.table, int64_array(row_numbers), issues, rejected, rejected_ids)


def _explained(issue: Issue, batch: RowBatch) -> Issue:
    """Return the issue of a table; that of a missing column says which column looks like it."""
    if issue.code != "FIELD_MISSING" or issue.location.record is not None:
        return issue
    if batch.missing:
        return batch.missing(issue.field)
    column = likely_columns(batch.table.column_names).get(issue.field)
    if column is None:
        return issue
    # The name is that of the table of names: in a file without a header row, the first row may be personal data.
    advice = "write a layout with `kokin layouts --new --bill FILE`"
    expected = f"{issue.expected}; column {column.position + 1}, `{column.known_name}`, looks like it: {advice}"
    return replace(issue, expected=expected)


def _merge_issues(found: pa.Table, batch: RowBatch, max_located: int) -> pa.Table:
    """Return the issues of a check, with the row numbers of the input, and those of the batch, in the order of rows.

    Only the first ``max_located`` issues have the field and the byte of the file: it is one Python object for each.
    """
    row = to_numpy(found["record"], 0)
    record = from_numpy(np.append(batch.numbers, 0)[row - 1], pa.int64(), row > 0)
    numbered = found.set_column(found.column_names.index("record"), "record", record)
    if batch.locate:
        located = [
            issue if issue.location.record is None else batch.locate(issue, issue.location.record - 1)
            for issue in from_table(found.slice(0, max_located))
        ]
        numbered = pa.concat_tables([to_table(located), numbered.slice(max_located)])
    if not len(found):
        return batch.issues
    if len(batch.issues):
        numbered = pa.concat_tables([numbered, batch.issues])
        numbered = numbered.take(int64_array(np.argsort(to_numpy(numbered["record"], 0), kind="stable")))
    return numbered


def _rejected(path: Path, issue: Issue) -> InvalidInputError:
    return InvalidInputError([issue], f"{file_name(path)} rejected")


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
    """Lines of a CSV: the well-formed ones with their line numbers, and the numbers of those with an issue.

    A file may have an issue in each line, so an issue is two numbers until the batch becomes arrays.
    """

    header: list[str]
    lines: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    issue_numbers: list[int] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)
    """The number of cells of each line with an issue; or ``_EMPTY``, ``_MISQUOTED``."""

    def add_empty(self, numbers: list[int]) -> None:
        """Add rows without a value, which are not counted."""
        self.issue_numbers += numbers
        self.cells += [_EMPTY] * len(numbers)

    def rows(self, path: Path) -> RowBatch:
        """Return the lines as rows; row numbers are line numbers."""
        name, cells = file_name(path), np.array(self.cells, np.int64)
        issues, has_other_cells = IssueBuilder(0, np.zeros(len(cells), np.bool_), name), cells > 0
        issues.add("ROW_EMPTY", "", cells == _EMPTY)
        issues.add("QUOTES", "", cells == _MISQUOTED)
        found = int64_array(cells[has_other_cells]).cast(pa.string())
        issues.add("COLUMNS_COUNT", "", has_other_cells, str(len(self.header)), found)
        table = issues.table()
        table = table.set_column(
            ISSUE_COLUMNS.index("record"), "record", int64_array(np.array(self.issue_numbers, np.int64))
        )
        numbers = np.array(self.numbers, np.int64)
        return RowBatch(_parse_lines(self, path), numbers, name, table, int(np.count_nonzero(cells != _EMPTY)))


def _read_csv(path: Path, encoding: str, rows: int) -> Iterator[RowBatch]:
    """Yield the batches of a CSV. The number of a row is that of its line after the header, including empty lines."""
    with path.open(encoding=encoding, newline=None) as file:
        header = _parse_header(file.readline(), path)
        batch, count, is_first = _LineBatch(header), 0, True
        empty_rows: list[int] = []  # reported when another row follows, so not at the end of the file
        for number, line in _numbered_lines(file):
            if not line:
                empty_rows.append(number)
                continue
            if count == rows:
                yield batch.rows(path)
                batch, count, is_first = _LineBatch(header), 0, False
            if empty_rows:
                batch.add_empty(empty_rows)
                empty_rows = []
            count += 1
            cells = _cell_count(line) if '"' in line else line.count(",") + 1
            if cells == len(header):
                batch.lines.append(line)
                batch.numbers.append(number)
            else:
                batch.issue_numbers.append(number)
                batch.cells.append(cells)
        if count or is_first:
            yield batch.rows(path)


def _cell_count(line: str) -> int:
    """Return the number of cells of a line with quotes, or ``_MISQUOTED``."""
    unquoted = _QUOTED_CELL.sub("", line)
    return _MISQUOTED if '"' in unquoted else unquoted.count(",") + 1


def _numbered_lines(file: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers, without blank lines, and without NUL and SUB after the last row.

    A row without values is the empty text.
    """
    pending: list[tuple[int, str]] = []  # a row that ends with padding, and the empty rows that follow it
    for number, line in enumerate(file, 1):
        line = line.rstrip("\n")
        if not line.strip(_NO_VALUE) and _EMPTY_ROW.fullmatch(line):
            if "," not in line:
                continue
            line = ""
        elif pending:
            yield from pending
            pending = []
        if pending or (line and line[-1] in _PADDING):
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
            # A process that ended while Arrow started its threads would abort with another exit code.
            pa_csv.ReadOptions(column_names=header, block_size=len(content) + 1, use_threads=False),
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
        with pq.ParquetFile(arrow_file(path), page_checksum_verification=True) as file:
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


def _table_rows(tables: Iterator[pa.Table], rows: int, file: str = "") -> Iterator[RowBatch]:
    """Yield the rows of tables in batches of ``rows`` rows; at least one batch."""
    first_row = 1
    for table in _rechunk(tables, rows):
        yield RowBatch(table, np.arange(first_row, first_row + len(table)), file)
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


def arrow_file(path: Path, mode: str = "rb") -> pa.OSFile:
    """Open a file for Arrow, which itself cannot open a file whose name is not UTF-8."""
    return pa.OSFile(os.fsencode(path), mode)
