"""Read a small CSV as the table of a record type."""

from __future__ import annotations

import csv
import io
from functools import partial
from pathlib import Path

import pyarrow as pa

from kokin._arrow._validate import validate_table
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Record
from kokin.text import file_name


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
