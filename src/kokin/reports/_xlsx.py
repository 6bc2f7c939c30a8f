"""Tables as a workbook (Excel): a sheet each, with headings that stay and columns that fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.files import FORMULA
from kokin.issues import InvalidInputError, Issue, KokinError, Location
from kokin.reports._words import UNGROUPED, Words

#: Rows of a sheet below its headings; a longer table goes on on another sheet.
MOST_ROWS = 1_048_576 - 1
_MOST_TEXT = 32_767
# Rows that become Python values at once, and rows whose width is looked at.
_ROWS, _LOOKED_AT = 1 << 14, 1_000
_LEAST_WIDTH, _MOST_WIDTH = 8, 44
_A4 = 9
# Day 0 of a workbook's calendar, as days before 1970; before March 1900 it counts a day that never was.
_DAY_0, _FIRST_DAY = 25_569, 61

_YEN, _PLAIN, _DAY, _RATE = "#,##0", "0", "yyyy-mm-dd", "0.00"


def write_xlsx(tables: Mapping[str, pa.Table], path: Path, words: Words, *, most_rows: int = MOST_ROWS) -> None:
    """Tables as one workbook, a sheet each.

    Headings and coded values are in the reader's language, days are days, yen are numbers, every number that is a name
    is a text with its zeros, and a text is never a formula. A million rows take a minute or more; memory stays small.

    Args:
        tables: by their names.
        path: the file, which is replaced.
        words: the reader's language.
        most_rows: rows of a sheet, after which a table goes on on another one.

    Raises:
        KokinError: XlsxWriter is not installed (the extra ``xlsx``).
        InvalidInputError: a text is longer than a cell can hold.
        OSError: the file cannot be written.
    """
    try:
        import xlsxwriter
        from xlsxwriter.exceptions import FileCreateError
    except ImportError as error:
        raise KokinError("a workbook needs one more package: pip install 'kokin[xlsx]'") from error
    for name, table in tables.items():
        _check_lengths(name, table)
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": str(path.parent)})
    try:
        sheets = _Sheets(book, words)
        for name, table in tables.items():
            for number, start in enumerate(range(0, max(len(table), 1), most_rows), 1):
                sheets.add(name, number, table.slice(start, most_rows))
        book.close()
    except FileCreateError as error:
        raise OSError(f"{path} cannot be written: {error}") from error


def _check_lengths(name: str, table: pa.Table) -> None:
    for column in table.column_names:
        texts = table.column(column)
        if pa.types.is_string(texts.type) and (pc.max(pc.utf8_length(texts)).as_py() or 0) > _MOST_TEXT:
            where = Location(f"{name}.xlsx")
            raise InvalidInputError(
                [Issue("WIDTH", field=column, expected=f"at most {_MOST_TEXT} characters", found="", location=where)],
                "no workbook",
            )


class _Sheets:
    """The sheets of a workbook in the making."""

    def __init__(self, book: Any, words: Words) -> None:
        self.book, self.words = book, words
        font = {"font_name": "Yu Gothic" if words.language == "ja" else "Calibri", "font_size": 10}
        self.head = book.add_format({**font, "bold": True, "bg_color": "#E9EEF4", "bottom": 1})
        self.formats = {code: book.add_format({**font, "num_format": code}) for code in (_YEN, _PLAIN, _DAY, _RATE)}
        self.text = book.add_format({**font, "num_format": "@"})
        # What Excel does to a text that is typed with an apostrophe before it: it stays a text when it is edited.
        self.quoted = book.add_format({**font, "num_format": "@", "quote_prefix": True})

    def add(self, name: str, number: int, table: pa.Table) -> None:
        """A sheet, the ``number``-th of its table."""
        title = self.words.table(name)
        sheet = self.book.add_worksheet(title if number == 1 else f"{title} ({number})")
        heads = [self.words.column(name, column) for column in table.column_names]
        cells = [_cells(self.words.values(column, table.column(column))) for column in table.column_names]
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, len(table), len(heads) - 1)
        sheet.repeat_rows(0)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        for at, (head, column) in enumerate(zip(heads, cells, strict=True)):
            sheet.set_column(at, at, _width(head, column))
            sheet.write_string(0, at, head, self.head)
        writers = [self._writer(sheet, *one) for one in zip(table.column_names, table.schema.types, cells, strict=True)]
        for row, values in enumerate(_rows(cells), 1):
            for at, (write, value) in enumerate(zip(writers, values, strict=True)):
                if value is not None:
                    write(row, at, value)

    def _writer(self, sheet: Any, name: str, kind: pa.DataType, cells: pa.ChunkedArray) -> Callable[..., None]:
        """What writes a value of a column into its cell."""
        if pa.types.is_string(cells.type):
            is_formula, quoted, text = re.compile(FORMULA).match, self.quoted, self.text

            def write(row: int, at: int, value: str) -> None:
                sheet.write_string(row, at, value, quoted if is_formula(value) else text)

            return write
        code = _DAY if kind == pa.date32() else _RATE if pa.types.is_decimal(kind) else _YEN
        shown = self.formats[_PLAIN if name in UNGROUPED else code]

        def write_number(row: int, at: int, value: float) -> None:
            sheet.write_number(row, at, value, shown)

        return write_number


def _cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as texts or numbers: a day by its number in the workbook's calendar."""
    if column.type == pa.date32():
        days = pc.add(column.cast(pa.int32()), _DAY_0)
        first = pc.min(days).as_py()
        return column.cast(pa.string()) if first is not None and first < _FIRST_DAY else days
    return column


def _rows(cells: list[pa.ChunkedArray]) -> Iterator[tuple[Any, ...]]:
    """The rows of some columns as Python values, never many at once."""
    for start in range(0, len(cells[0]), _ROWS):
        yield from zip(*(column.slice(start, _ROWS).to_pylist() for column in cells), strict=True)


def _width(head: str, column: pa.ChunkedArray) -> int:
    """The width of a column in digits: that of its heading with the filter's arrow, or of its first values."""
    some = column.slice(0, _LOOKED_AT).to_pylist()
    texts = (value if isinstance(value, str) else f"{value:,}" for value in some if value is not None)
    widest = max(map(_cells_of, texts), default=0)
    return min(max(_cells_of(head) + 3, widest + 2, _LEAST_WIDTH), _MOST_WIDTH)


def _cells_of(text: str) -> int:
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in text)
