"""Bills in files: CSV (UTF-8 or cp932) and Parquet, read in batches of bounded memory."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from kokin._arrow.convert import as_table
from kokin._arrow.files import atomic_file, write_csv
from kokin._arrow.threads import CHUNK_ROWS
from kokin.bills._check import BillBatch, check_batch
from kokin.bills._layout_rows import source_rows
from kokin.bills._rows import arrow_file, check_rows
from kokin.bills._shared_obligations import SharedObligations
from kokin.issues import MAX_ISSUES, InvalidInputError, Issue, ReadResult, RejectedRecordsError, from_table, to_table
from kokin.model import ArrowStreamExportable, Bill, arrow_schema
from kokin.receipts.layouts import Layout
from kokin.text import file_name

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BillTotals:
    """Counts of the rows of a file: ``read = accepted + rejected``."""

    read: int
    """Rows that are not empty."""
    accepted: int
    rejected: int

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def check(
    source: str | Path | ArrowStreamExportable,
    *,
    encoding: str | None = None,
    layout: str | Path | Layout | None = None,
    lenient: bool = False,
    reference_date: date | None = None,
) -> list[Issue]:
    """Return the issues of a file or table of bills, errors and warnings; an empty list means that it is valid.

    Of a file with very many issues, the first :data:`~kokin.issues.MAX_ISSUES` are returned. The arguments are those of
    :func:`read`.

    Raises:
        OSError: the file cannot be read.
    """
    issues: list[Issue] = []
    shared = SharedObligations(_file_of(source))
    try:
        for batch in batches(source, encoding=encoding, layout=layout, lenient=lenient, reference_date=reference_date):
            issues += from_table(batch.issues.slice(0, MAX_ISSUES - len(issues)))
            shared.add(batch)
        issues += shared.issues()[: MAX_ISSUES - len(issues)]
    except InvalidInputError as error:
        issues += error.issues
    return issues


def read(
    source: str | Path | ArrowStreamExportable,
    *,
    encoding: str | None = None,
    layout: str | Path | Layout | None = None,
    lenient: bool = False,
    reference_date: date | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> ReadResult[BillTotals]:
    """Return the bills of a file or table, with the issues and the counts.

    Of a file with very many issues, the result and the error have the first :data:`~kokin.issues.MAX_ISSUES`; the
    counts include all rejected rows.

    Args:
        source: a file as in :func:`batches`, or a table as in :func:`check_batch`.
        encoding: the encoding of a CSV, as in :func:`batches`.
        layout: the layout of a file in columns of its own, as in :func:`batches`.
        lenient: with a layout, as in :func:`batches`.
        reference_date: with a layout, as in :func:`batches`.
        on_error: ``skip`` returns the accepted bills if some were rejected.

    Raises:
        RejectedRecordsError: a bill was rejected; ``.issues`` names the first ones, ``.total`` counts all issues.
        InvalidInputError: the file is empty, in another format or encoding, or lacks a required column.
        FileRejectedError: the file is rejected whole, as in :func:`batches`.
        OSError: the file cannot be read.
    """
    checked = list(batches(source, encoding=encoding, layout=layout, lenient=lenient, reference_date=reference_date))
    table = pa.concat_tables([batch.table for batch in checked])
    rejected = sum(batch.rejected for batch in checked)
    shared = SharedObligations(_file_of(source))
    for batch in checked:
        shared.add(batch)
    all_issues = pa.concat_tables([*(batch.issues for batch in checked), to_table(shared.issues())])
    issues = from_table(all_issues.slice(0, MAX_ISSUES))
    if rejected and on_error == "raise":
        name = f"{_file_of(source)}: " if isinstance(source, str | Path) else ""
        raise RejectedRecordsError(issues, f"{name}{rejected:,} of {len(table) + rejected:,} rejected", len(all_issues))
    return ReadResult(table, issues, BillTotals(len(table) + rejected, len(table), rejected))


def batches(
    source: str | Path | ArrowStreamExportable,
    *,
    encoding: str | None = None,
    layout: str | Path | Layout | None = None,
    lenient: bool = False,
    reference_date: date | None = None,
    rows: int = CHUNK_ROWS,
) -> Iterator[BillBatch]:
    """Yield the bills of a file or table in batches of ``rows`` rows; at least one batch, possibly empty.

    Args:
        source: a CSV with a header row, a Parquet file (recognised by its first bytes), or a table. The columns are
            those of :class:`~kokin.model.Bill`; an empty cell of a CSV is null.
        encoding: the encoding of a CSV without a layout; by default UTF-8, with or without a byte order mark, else
            cp932.
        layout: the layout of a file in columns of its own: a name, the path of a TOML file, or a layout, with a table
            ``[bill]``. The file is read as :func:`kokin.receipts.open` reads receipts: issues name the field and the
            byte of the file, and totals are compared.
        lenient: with a layout, repair what can be repaired, and report each repair.
        reference_date: with a layout, the date near which dates without a full year are.
        rows: rows per batch, including the rejected ones.

    A row that breaks a rule is rejected, with an issue; the others are read. Each line of a CSV is one row: no field of
    a bill can contain a newline, so a misplaced quote rejects only its own line. Lines without a value are skipped.
    With a layout, the batches are provisional until the last one, because the totals are at the end of a file.

    Raises:
        InvalidInputError: the file is empty, in another format or encoding, or a required column is missing; the
            layout is unknown or invalid.
        FileRejectedError: at the end of a file with a layout: a total differs, a record is cut, or a byte is unknown.
        OSError: the file cannot be read.
        TypeError: a layout together with a table or an encoding.
    """
    read = source_rows(source, encoding, layout, lenient=lenient, reference_date=reference_date, rows=rows)
    accepted = rejected = 0
    for batch in check_rows(read, check_batch, Bill):
        accepted, rejected = accepted + len(batch.table), rejected + batch.rejected
        yield batch
    counts = {"records": accepted + rejected, "accepted": accepted, "rejected": rejected}
    _LOGGER.info("bills_read", extra={"fields": {"file": _file_of(source), **counts}})


def _file_of(source: str | Path | ArrowStreamExportable) -> str:
    """Return the file name in the issues; empty for a table."""
    return file_name(source) if isinstance(source, str | Path) else ""


def write(bills: Iterable[Bill] | ArrowStreamExportable, path: str | Path) -> None:
    """Write bills, or a table of them, as CSV (UTF-8), or as Parquet if the file name ends with ``.parquet``.

    A CSV has no columns without values; ``covers`` and ``parts`` are written as text. Reading the file returns the same
    bills.

    Raises:
        InvalidInputError: a row is not a valid bill, or a column is not a field of a bill.
        OSError: the file cannot be written.
    """
    path = Path(path)
    if isinstance(bills, ArrowStreamExportable):
        table = as_table(bills)
    else:
        table = pa.Table.from_pylist([bill.model_dump() for bill in bills], schema=arrow_schema(Bill))
    checked = check_batch(table)
    if checked.rejected or len(checked.issues):
        issues = from_table(checked.issues.slice(0, MAX_ISSUES))
        raise InvalidInputError(issues, f"{file_name(path)} was not written", len(checked.issues))
    if path.suffix == ".parquet":
        with atomic_file(path) as draft, arrow_file(draft, "wb") as file:
            pq.write_table(checked.table, file, write_page_checksum=True)
        return
    columns = {}
    for name in checked.table.column_names:
        column = checked.table[name]
        if pa.types.is_list(column.type):
            column = pa.array([";".join(items) for items in column.to_pylist()], pa.string())
        elif pa.types.is_map(column.type):
            column = pa.array([";".join(f"{k}={v}" for k, v in items) for items in column.to_pylist()], pa.string())
        if arrow_schema(Bill).field(name).nullable and column.null_count == len(column):
            continue
        columns[name] = column
    write_csv(pa.table(columns), path)
