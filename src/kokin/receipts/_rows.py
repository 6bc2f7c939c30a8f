"""One row of a CSV: its cells and where they begin, on bytes, for an issue must name its byte.

Neither comma nor quote is ever the second byte of a cp932 character, and none is part of a UTF-8 one.
"""

from __future__ import annotations

from kokin.issues import Issue, Place, RefusedError


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
    while True:
        quoted = row.startswith(b'"', at)
        end = _closing_quote(row, at + 1) if quoted else row.find(b",", at)
        end = len(row) if end < 0 else end
        cell = row[at + quoted : end]
        after = end + quoted
        if (not quoted and b'"' in cell) or (after < len(row) and row[after : after + 1] != b",") or after > len(row):
            raise RefusedError([Issue("QUOTES", where=Place(byte=at))])
        cells.append(cell.replace(b'""', b'"') if quoted else cell)
        starts.append(at + quoted)
        if after >= len(row):
            return cells, starts
        at = after + 1


def _starts(cells: list[bytes]) -> list[int]:
    starts, at = [], 0
    for cell in cells:
        starts.append(at)
        at += len(cell) + 1
    return starts


def _closing_quote(row: bytes, at: int) -> int:
    while (end := row.find(b'"', at)) >= 0 and row.startswith(b'""', end):
        at = end + 2
    return end


def join_row(cells: list[bytes], quoted: list[bool]) -> bytes:
    """A row of cells, in quotes where they are asked for or needed.

    >>> join_row([b'01', b'a, b', b'c'], [False, False, True])
    b'01,"a, b","c"'
    """
    return b",".join(
        b'"' + cell.replace(b'"', b'""') + b'"' if wanted or b"," in cell or b'"' in cell or b"\n" in cell else cell
        for cell, wanted in zip(cells, quoted, strict=True)
    )
