"""One row of a CSV: its cells and where they begin, on bytes, for an issue must name its byte.

Neither comma nor quote is ever the second byte of a cp932 character, and none is part of a UTF-8 one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kokin.issues import InvalidInputError, Issue, Location

# A cell in quotes or without, and the comma or the end behind it.
_CELL = re.compile(rb'(?:"((?:[^"]++|"")*+)"|([^",]*+))(,|\Z)')


def split_row(row: bytes) -> list[bytes]:
    """The cells of a row, without quotes.

    Raises:
        InvalidInputError: a quote that does not close, or stands inside a value.

    >>> split_row(b'01,"a, b",')
    [b'01', b'a, b', b'']
    """
    return [cell for _, cell in _quoted_cells(row)] if b'"' in row else row.split(b",")


def cell_starts(row: bytes) -> list[int]:
    """The first byte of each cell that :func:`split_row` gives.

    >>> cell_starts(b'01,"a, b",')
    [0, 4, 10]
    """
    if b'"' in row:
        return [start for start, _ in _quoted_cells(row)]
    return [0, *(comma.end() for comma in re.finditer(b",", row))]


def _quoted_cells(row: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    # Never searched for: what does not match at this very place is no cell, and a search would try every later byte.
    while found := _CELL.match(row, at):
        quoted, plain, end = found.groups()
        yield (at, plain) if quoted is None else (at + 1, quoted.replace(b'""', b'"'))
        at = found.end()
        if not end:
            return
    raise InvalidInputError([Issue("QUOTES", location=Location(byte=at))])


def join_row(cells: list[bytes], quoted: list[bool]) -> bytes:
    """A row of cells, in quotes where they are asked for or needed.

    >>> join_row([b'01', b'a, b', b'c'], [False, False, True])
    b'01,"a, b","c"'
    """
    return b",".join(
        b'"' + cell.replace(b'"', b'""') + b'"' if wanted or b"," in cell or b'"' in cell else cell
        for cell, wanted in zip(cells, quoted, strict=True)
    )
