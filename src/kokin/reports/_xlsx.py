"""Write tables as an Excel workbook: a sheet each, with frozen headings and fitted column widths."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.files import FORMULA
from kokin.issues import InvalidInputError, Issue, KokinError, Location
from kokin.reports._terms import UNGROUPED, Terms

#: Maximum number of rows of a sheet below its headings; a longer table continues on further sheets.
MAX_ROWS = 1_048_576 - 1
_MAX_TEXT = 32_767
# Rows that are converted to Python values at a time, and rows that decide the width of a column.
_CHUNK_ROWS, _WIDTH_ROWS = 1 << 14, 1_000
_MIN_WIDTH, _MAX_WIDTH = 8, 44
_A4 = 9
# Serial number of 1970-01-01 in a workbook, and that of 1900-03-01: before it, Excel counts a 29 February 1900.
_SERIAL_OF_1970, _FIRST_SERIAL = 25_569, 61

_YEN, _PLAIN, _DATE, _RATE = "#,##0", "0", "yyyy-mm-dd", "0.00"


def write_xlsx(tables: Mapping[str, pa.Table], path: Path, terms: Terms, *, max_rows: int = MAX_ROWS) -> None:
    """Write tables as one workbook, a sheet each.

    Headings and coded values are terms of the language, dates are dates, yen are numbers, and identifiers are text with
    their leading zeros. No text is a formula. A million rows take a minute or more, in bounded memory.

    Args:
        tables: the tables by name.
        path: the file; an existing one is replaced.
        terms: the terms of the language.
        max_rows: the maximum number of rows of a sheet; a longer table continues on further sheets.

    Raises:
        KokinError: XlsxWriter is not installed (the extra ``xlsx``).
        InvalidInputError: ``WIDTH``: a text is longer than a cell allows.
        OSError: the file cannot be written.
    """
    for name, table in tables.items():
        check_lengths(name, table)
    with new_book(path) as book:
        sheets = Sheets(book, terms)
        for name, table in tables.items():
            heads = [terms.heading(name, column) for column in table.column_names]
            for number, start in enumerate(range(0, max(len(table), 1), max_rows), 1):
                title = terms.table(name) + (f" ({number})" if number > 1 else "")
                sheets.add(title, heads, table.slice(start, max_rows))


@contextmanager
def new_book(path: Path) -> Iterator[Any]:
    """Yield a new workbook of XlsxWriter, written to ``path`` at the end of the block.

    Raises:
        KokinError: XlsxWriter is not installed (the extra ``xlsx``).
        OSError: the file cannot be written.
    """
    try:
        import xlsxwriter
        from xlsxwriter.exceptions import FileCreateError
    except ImportError as error:
        raise KokinError("XlsxWriter is not installed; install it with: pip install 'kokin[xlsx]'") from error
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": str(path.parent)})
    try:
        yield book
        book.close()
    except FileCreateError as error:
        raise OSError(f"{path} cannot be written: {error}") from error


def check_lengths(name: str, table: pa.Table) -> None:
    """Raise if a text is too long for a cell."""
    for column in table.column_names:
        texts = table.column(column)
        if pa.types.is_string(texts.type) and (pc.max(pc.utf8_length(texts)).as_py() or 0) > _MAX_TEXT:
            expected, place = f"at most {_MAX_TEXT} characters", Location(f"{name}.xlsx")
            issue = Issue("WIDTH", field=column, expected=expected, location=place)
            raise InvalidInputError([issue], "nothing was written")


class Sheets:
    """The sheets of a workbook, and its cell formats."""

    def __init__(self, book: Any, terms: Terms) -> None:
        self.book, self.terms = book, terms
        font = {"font_name": "Yu Gothic" if terms.language == "ja" else "Calibri", "font_size": 10}
        self.head = book.add_format({**font, "bold": True, "bg_color": "#E9EEF4", "bottom": 1})
        #: The format of a cell that a person fills in: text, so that leading zeros stay, not protected.
        self.input = book.add_format({**font, "num_format": "@", "locked": False, "bg_color": "#FFFBE6", "border": 4})
        self.formats = {code: book.add_format({**font, "num_format": code}) for code in (_YEN, _PLAIN, _DATE, _RATE)}
        self.text = book.add_format({**font, "num_format": "@"})
        # As if typed with an apostrophe before it: when the cell is edited, Excel keeps it as text.
        self.quoted = book.add_format({**font, "num_format": "@", "quote_prefix": True})

    def add(self, title: str, heads: Sequence[str], table: pa.Table) -> Any:
        """Add a sheet with headings and a table; return the sheet."""
        sheet = self.book.add_worksheet(title)
        cells = [_to_cells(self.terms.translate_column(column, table.column(column))) for column in table.column_names]
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, len(table), len(heads) - 1)
        sheet.repeat_rows(0)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        for at, (head, column) in enumerate(zip(heads, cells, strict=True)):
            sheet.set_column(at, at, _width(head, column))
            sheet.write_string(0, at, head, self.head)
        writers = [self._cell_writer(sheet, field, column) for field, column in zip(table.schema, cells, strict=True)]
        for row, values in enumerate(_rows(cells), 1):
            for at, (write, value) in enumerate(zip(writers, values, strict=True)):
                if value is not None:
                    write(row, at, value)
        return sheet

    def _cell_writer(self, sheet: Any, field: pa.Field, cells: pa.ChunkedArray) -> Callable[..., None]:
        """Return the function that writes a value of a column into a cell (row, column, value)."""
        if pa.types.is_string(cells.type):
            is_formula, quoted, text = re.compile(FORMULA).match, self.quoted, self.text

            def write(row: int, at: int, value: str) -> None:
                sheet.write_string(row, at, value, quoted if is_formula(value) else text)

            return write
        code = _DATE if field.type == pa.date32() else _RATE if pa.types.is_decimal(field.type) else _YEN
        number_format = self.formats[_PLAIN if field.name in UNGROUPED else code]

        def write_number(row: int, at: int, value: float) -> None:
            sheet.write_number(row, at, value, number_format)

        return write_number


def _to_cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as text or numbers: dates as serial numbers, or as text if one is before the first valid one."""
    if column.type == pa.date32():
        serials = pc.add(column.cast(pa.int32()), _SERIAL_OF_1970)
        first = pc.min(serials).as_py()
        return column.cast(pa.string()) if first is not None and first < _FIRST_SERIAL else serials
    return column


def _rows(cells: list[pa.ChunkedArray]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of columns as Python values, converted in chunks."""
    for start in range(0, len(cells[0]), _CHUNK_ROWS):
        yield from zip(*(column.slice(start, _CHUNK_ROWS).to_pylist() for column in cells), strict=True)


def _width(head: str, column: pa.ChunkedArray) -> int:
    """Return the width of a column in digits, from its heading with the filter's arrow and from its first values."""
    values = column.slice(0, _WIDTH_ROWS).to_pylist()
    texts = (value if isinstance(value, str) else f"{value:,}" for value in values if value is not None)
    widest = max(map(_display_width, texts), default=0)
    return min(max(_display_width(head) + 3, widest + 2, _MIN_WIDTH), _MAX_WIDTH)


def _display_width(text: str) -> int:
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in text)
