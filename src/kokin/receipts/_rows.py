"""One row of a CSV: its cells and where they begin, on bytes, for an issue must name its byte.

Neither comma nor quote is ever the second byte of a cp932 character, and none is part of a UTF-8 one.
"""

from __future__ import annotations

import re

from kokin.issues import Issue, Place, RefusedError

# A cell in quotes or without, and the comma or the end behind it.
_CELL = re.compile(rb'(?:"((?:[^"]|"")*)"|([^",]*))(,|\Z)')


def split_row(row: bytes) -> tuple[list[bytes], list[int]]:
    """The cells of a row, without quotes, and the first byte of each.

    Raises:
        RefusedError: a quote that does not close, or stands inside a value.

    >>> split_row(b'01,"a, b",')
    ([b'01', b'a, b', b''], [0, 4, 10])
    """
    if b'"' not in row:
        cells = row.split(b",")
        return cells, _starts(cells)
    cells, starts, at = [], [], 0
    for cell in _CELL.finditer(row):
        if cell.start() != at:
            break
        quoted, plain, end = cell.groups()
        cells.append(plain if quoted is None else quoted.replace(b'""', b'"'))
        starts.append(at if quoted is None else at + 1)
        at = cell.end()
        if not end:
            return cells, starts
    raise RefusedError([Issue("QUOTES", where=Place(byte=at))])


def _starts(cells: list[bytes]) -> list[int]:
    starts, at = [], 0
    for cell in cells:
        starts.append(at)
        at += len(cell) + 1
    return starts


def join_row(cells: list[bytes], quoted: list[bool]) -> bytes:
    """A row of cells, in quotes where they are asked for or needed.

    >>> join_row([b'01', b'a, b', b'c'], [False, False, True])
    b'01,"a, b","c"'
    """
    return b",".join(
        b'"' + cell.replace(b'"', b'""') + b'"' if wanted or b"," in cell or b'"' in cell or b"\n" in cell else cell
        for cell, wanted in zip(cells, quoted, strict=True)
    )
