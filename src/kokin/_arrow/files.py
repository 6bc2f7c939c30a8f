"""Files that are written completely or not at all; tables as CSV, written and read."""

from __future__ import annotations

import csv
import io
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from kokin._arrow.convert import chunks, empty_batch, text_buffers
from kokin._arrow.threads import lazy_thread_map
from kokin._arrow.validate import validate_table
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Record
from kokin.text import file_name

_LOGGER = logging.getLogger(__name__)

# The suffix of a draft. The name of a draft begins with a dot; it is in the folder of its target, on the same file
# system.
_DRAFT_SUFFIX = ".part"

#: A cell that matches is a formula to a spreadsheet: a sign, also full-width, after any white space; a tab or a
#: carriage return. https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = "^(?:[ \t\r\n\u00a0\u3000]*[=+@\uff1d\uff0b\uff0d\uff20-]|[\t\r])"
# The first bytes of these characters in UTF-8.
_FORMULA_FIRST_BYTES = np.frombuffer(b"=+-@\t\r\n \xc2\xe3\xef", np.uint8)

# Windows does not rename a file or a folder while a virus scanner or a backup has it open, which is short.
_RENAME_ATTEMPTS = 6

# Rows that one thread formats at a time.
_CSV_ROWS = 1 << 16


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield the path of a draft, which replaces ``path`` when the block ends and is removed when it raises.

    Readers see the old file or the complete new one. The permissions of the draft follow the umask of the process. A
    symbolic link is kept and its target replaced. A path that is not a regular file, such as a pipe, is written
    directly.

    Raises:
        OSError: the folder cannot be written.
    """
    if path.is_relative_to("/dev") or (path.exists() and not path.is_file()):
        yield path
        return
    target = Path(os.path.realpath(path))
    draft = _draft_of(target)
    try:
        yield draft
        size = draft.stat().st_size
        rename(draft, target, replace=True)
        _LOGGER.info("file_written", extra={"fields": {"file": file_name(target), "bytes": size}})
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """Yield a new empty folder next to ``path``; it is removed at the end of the block unless it was renamed.

    Its permissions follow the umask of the process.

    Raises:
        OSError: the parent folder cannot be written.
    """
    draft = _draft_of(path)
    draft.mkdir()
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def rename(path: Path, target: Path, *, replace: bool = False) -> None:
    """Rename a file or a folder; for about a second try again if another program has it open, as Windows requires.

    Without ``replace`` the target must not exist: Windows raises FileExistsError, POSIX replaces a file.

    Raises:
        OSError: it cannot be renamed; a PermissionError names the target.
    """
    for attempt in range(1, _RENAME_ATTEMPTS + 1):
        try:
            path.replace(target) if replace else path.rename(target)
            return
        except PermissionError as error:
            if attempt == _RENAME_ATTEMPTS:
                raise PermissionError(error.errno, error.strerror, str(target)) from error
            time.sleep(0.1 * attempt)


def remove_drafts(folder: Path) -> None:
    """Remove the drafts of a killed process from a folder that no other process writes to."""
    for draft in folder.glob(f".*{_DRAFT_SUFFIX}"):
        if draft.is_dir():
            shutil.rmtree(draft)
        else:
            draft.unlink()


def _draft_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(8)}{_DRAFT_SUFFIX}")


def write_csv(rows: pa.Table | Callable[[], Iterable[pa.RecordBatch]], path: Path, encoding: str = "utf-8") -> None:
    """Write a table as CSV with a header row and LF; a null is an empty cell.

    Either no text is quoted, or all are, if one of them contains a quote, a comma or a newline. Chunks of rows are
    formatted in threads and written in order. The file is replaced when it is complete, and unchanged if this raises.

    Args:
        rows: a table, or a callable that returns its batches (at least one, possibly empty), of which only a few are in
            memory at a time. It is called again if a text must be quoted.
        path: the file.
        encoding: the character set.

    Raises:
        UnicodeEncodeError: the encoding does not have a character.
    """
    batches = (lambda: _table_batches(rows)) if isinstance(rows, pa.Table) else rows
    with atomic_file(path) as draft, draft.open("wb") as file:
        try:
            _write_batches(batches(), file, "none", encoding)
        except pa.ArrowInvalid:  # a text must be quoted
            file.seek(0)
            file.truncate()
            _write_batches(batches(), file, "needed", encoding)


def _table_batches(table: pa.Table) -> list[pa.RecordBatch]:
    return table.to_batches(max_chunksize=_CSV_ROWS) or [empty_batch(table.schema)]


def _write_batches(batches: Iterable[pa.RecordBatch], file: BinaryIO, quoting: str, encoding: str) -> None:
    # With the smaller default batch size of pyarrow, writing takes a quarter longer.
    options = pa_csv.WriteOptions(include_header=False, batch_size=_CSV_ROWS, quoting_style=quoting)

    def format_batch(batch: pa.RecordBatch) -> pa.Buffer | bytes:
        sink = pa.BufferOutputStream()
        pa_csv.write_csv(batch, sink, options)
        content = sink.getvalue()
        # A byte order mark is written before the header only.
        return content if encoding in ("utf-8", "utf-8-sig") else str(content, "utf-8").encode(encoding)

    batches = iter(batches)
    first = next(batches)
    file.write((",".join(first.schema.names) + "\n").encode(encoding))
    parts = (
        batch.slice(start, _CSV_ROWS)
        for batch in chain([first], batches)
        for start in range(0, batch.num_rows, _CSV_ROWS)
    )
    file.writelines(lazy_thread_map(format_batch, parts))


def read_records(path: Path, record: type[Record]) -> tuple[pa.Table, list[Issue]]:
    """Return a small CSV as a table with the columns of a record, and a warning for each column that is not one.

    UTF-8, with or without a byte order mark, or cp932. The first row has the names of the columns; an empty value is
    null, a row without a value is left out.

    Raises:
        InvalidInputError: the file is empty or in another encoding, a row has not as many columns as the header, a
            required column or value is missing, or a value breaks the rule of its field.
        OSError: the file cannot be read.
    """
    content, place = path.read_bytes(), partial(Location, file_name(path))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("cp932")
        except UnicodeDecodeError as error:
            raise _invalid(Issue("BYTE_UNKNOWN", location=place(byte=error.start))) from None
    rows = [row for row in csv.reader(io.StringIO(text)) if any(row)]
    if not rows:
        raise _invalid(Issue("FILE_EMPTY", location=place()))
    names, *values = rows
    sizes = ((number, len(row)) for number, row in enumerate(values, 1) if len(row) != len(names))
    if issues := [
        Issue("COLUMNS_COUNT", expected=f"{len(names)} columns", found=f"{size} columns", location=place(number))
        for number, size in sizes
    ]:
        raise _invalid(*issues)
    columns = [pa.array([row[at] or None for row in values], pa.string()) for at in range(len(names))]
    unknown = [
        Issue("COLUMN_UNKNOWN", field=name, location=place()) for name in names if name not in record.model_fields
    ]
    return validate_table(pa.table(columns, names), record, place=place), unknown


def _invalid(*issues: Issue) -> InvalidInputError:
    return InvalidInputError(issues, "nothing was written")


def escape_formulas(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Put an apostrophe before each text that a spreadsheet would run as a formula; other columns are not changed.

    A column of any text type that contains a formula becomes ``string``; a dictionary always does.

    >>> escape_formulas(pa.chunked_array([["=1+1", " ＠SUM(A1)", "B-1", None]])).to_pylist()
    ["'=1+1", "' ＠SUM(A1)", 'B-1', None]
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    is_text = column.type in (pa.string(), pa.large_string(), pa.string_view())
    if not is_text or not any(_may_have_formula(chunk) for chunk in chunks(column)):
        return column
    column = column.cast(pa.string())
    formulas = pc.fill_null(pc.match_substring_regex(column, FORMULA), False)
    return pc.if_else(formulas, pc.binary_join_element_wise("'", column, ""), column)


def _may_have_formula(texts: pa.Array) -> bool:
    """Return whether the first byte of any text is that of a formula: a fast test, false for most columns."""
    offsets, letters = text_buffers(texts)
    first = offsets[:-1][np.diff(offsets) > 0]
    return bool(np.isin(letters[first], _FORMULA_FIRST_BYTES).any())
