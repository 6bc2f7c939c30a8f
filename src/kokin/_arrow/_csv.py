"""Tables as CSV: plain where no value needs a quote, so that it reads well and is written fast."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from kokin._arrow._arrow import chunks, empty_batch, text_buffers
from kokin._arrow._files import atomic_file
from kokin._arrow._rows import validate_table
from kokin._arrow._stretches import lazy_thread_map
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Record
from kokin.text import file_name

#: A cell that begins so is a formula to a spreadsheet: a sign, full-width too, after any white space; a tab or a
#: carriage return. https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = "^(?:[ \t\r\n\u00a0\u3000]*[=+@\uff1d\uff0b\uff0d\uff20-]|[\t\r])"
# The first bytes of these in UTF-8.
_FIRST = np.frombuffer(b"=+-@\t\r\n \xc2\xe3\xef", np.uint8)

# Rows that are formatted at once.
_ROWS = 1 << 16


def write_csv(rows: pa.Table | Callable[[], Iterable[pa.RecordBatch]], path: Path, encoding: str = "utf-8") -> None:
    """A table as CSV, with LF and a header row; a null is empty.

    Either no text is quoted, or, where one of them has a quote, a comma or a newline inside, all are. All cores format,
    a stretch of rows each; the stretches are written in their order.

    Args:
        rows: a table, or what gives its batches: at least one, be it empty. Only a few of them are held at a time;
            where a text turns out to need a quote, they are asked for again.
        path: the file, which is replaced when all is written, and left as it was when something raises.
        encoding: the character set.

    Raises:
        UnicodeEncodeError: the encoding lacks a character.
    """
    batches = (lambda: _batches_of(rows)) if isinstance(rows, pa.Table) else rows
    with atomic_file(path) as draft, draft.open("wb") as file:
        try:
            _write(batches(), file, "none", encoding)
        except pa.ArrowInvalid:  # so pyarrow tells a text that cannot stand without a quote
            file.seek(0)
            file.truncate()
            _write(batches(), file, "needed", encoding)


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

    Texts of any Arrow type that has a formula become ``string``; dictionaries always do.

    >>> escape_formulas(pa.chunked_array([["=1+1", " ＠SUM(A1)", "B-1", None]])).to_pylist()
    ["'=1+1", "' ＠SUM(A1)", 'B-1', None]
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    is_text = column.type in (pa.string(), pa.large_string(), pa.string_view())
    if not is_text or not any(_may_begin_formula(chunk) for chunk in chunks(column)):
        return column
    column = column.cast(pa.string())
    formulas = pc.fill_null(pc.match_substring_regex(column, FORMULA), False)
    return pc.if_else(formulas, pc.binary_join_element_wise("'", column, ""), column)


def _may_begin_formula(texts: pa.Array) -> bool:
    """Whether any text begins with a byte of a formula's first character: no Latin text does, so most are skipped."""
    offsets, letters = text_buffers(texts)
    first = offsets[:-1][np.diff(offsets) > 0]
    return bool(np.isin(letters[first], _FIRST).any())


def _batches_of(table: pa.Table) -> list[pa.RecordBatch]:
    return table.to_batches(max_chunksize=_ROWS) or [empty_batch(table.schema)]


def _write(batches: Iterable[pa.RecordBatch], file: BinaryIO, quoting: str, encoding: str) -> None:
    """The header, and the lines of batches in their order."""
    # In the smaller batches that pyarrow takes by default, a fifth of the time goes.
    options = pa_csv.WriteOptions(include_header=False, batch_size=_ROWS, quoting_style=quoting)

    def lines(batch: pa.RecordBatch) -> pa.Buffer | bytes:
        sink = pa.BufferOutputStream()
        # pyarrow writes what lies in its buffer for a batch of no rows, so such a batch must not reach it.
        if len(batch):
            pa_csv.write_csv(batch, sink, options)
        made = sink.getvalue()
        # A byte order mark stands before the header only.
        return made if encoding in ("utf-8", "utf-8-sig") else str(made, "utf-8").encode(encoding)

    batches = iter(batches)
    first = next(batches)
    file.write((",".join(first.schema.names) + "\n").encode(encoding))
    file.writelines(lazy_thread_map(lines, chain([first], batches)))
