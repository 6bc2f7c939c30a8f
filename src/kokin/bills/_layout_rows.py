"""Rows of bills from a file of any layout: mapped by its table ``[bill]``, with the issues of the file's own fields."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import BinaryIO

from kokin import receipts
from kokin._arrow.threads import CHUNK_ROWS
from kokin.bills._rows import RowBatch
from kokin.receipts.layouts import Layout


def read_layout_rows(
    path: str | Path | BinaryIO,
    layout: str | Path | Layout,
    *,
    table: str = "bill",
    lenient: bool = False,
    reference_date: date | None = None,
    rows: int = CHUNK_ROWS,
) -> Iterator[RowBatch]:
    """Yield the rows of a file in batches of ``rows`` records; at least one batch.

    The arguments and the errors are those of :func:`kokin.receipts.open_mapped` and of
    :meth:`kokin.receipts.MappedFile.chunks`.
    """
    file = receipts.open_mapped(path, layout, table, lenient=lenient, reference_date=reference_date)
    for chunk in file.chunks(rows):
        yield RowBatch(
            chunk.table,
            chunk.record_numbers,
            file.source,
            chunk.issues,
            chunk.rejected,
            locate=chunk.locate,
            missing=file.missing_column,
        )
