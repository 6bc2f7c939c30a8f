"""Rows of bills from a file of any layout: mapped by its table ``[bill]``, with the issues of the file's own fields."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import BinaryIO

from kokin import receipts
from kokin._arrow.threads import CHUNK_ROWS
from kokin.bills._rows import RowBatch, read_rows
from kokin.issues import to_table
from kokin.model import ArrowStreamExportable
from kokin.receipts.layouts import Layout


def source_rows(
    source: str | Path | ArrowStreamExportable,
    encoding: str | None,
    layout: str | Path | Layout | None,
    *,
    lenient: bool,
    reference_date: date | None,
    rows: int,
) -> Iterator[RowBatch]:
    """Yield the rows of a file or a table, by a layout or without one; see :func:`kokin.bills.batches`."""
    if layout is None:
        return read_rows(source, encoding=encoding, rows=rows)
    if not isinstance(source, str | Path) or encoding is not None:
        raise TypeError("a layout is that of a file, and names its encoding")
    return read_layout_rows(source, layout, lenient=lenient, reference_date=reference_date, rows=rows)


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
        rejected = [(number, values) for number, values in chunk.rejected_values if values.get("bill_id")]
        yield RowBatch(
            chunk.table,
            chunk.record_numbers,
            file.source,
            to_table(chunk.issues),
            chunk.rejected,
            rejected_ids=[(number, str(values["bill_id"])) for number, values in rejected],
            locate=chunk.locate,
            missing=file.missing_column,
        )
