"""Write one batch of a run: its slips in their format, its part of the manifest, and its issues.

A batch is written in the process of the run or in a worker process, to which :class:`BatchWriter` is pickled.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

from kokin import bills
from kokin._arrow.convert import bool_array, combine
from kokin._arrow.files import draft_folder, rename, write_csv
from kokin.elqr import BuildResult
from kokin.issues import InvalidInputError, Issue, to_table
from kokin.model import Bill
from kokin.slips._check_slips import el_numbers, is_open
from kokin.slips._earlier_run import EarlierRun, sha256
from kokin.slips._render import PictureFormat
from kokin.slips._slip_pdf import Design, SlipContent, load_design, slip_contents, write_designed
from kokin.slips._slip_wording import SlipText, SlipWording
from kokin.slips._symbol_style import SymbolStyle
from kokin.slips._symbols import encode_digits


class OutputFormat(StrEnum):
    """What a run writes for each bill."""

    #: A row of a CSV file: record, bill_id, el_number, payload.
    PAYLOAD = "payload"
    #: An SVG file of the symbol.
    SVG = "svg"
    #: A PNG file of the symbol, one bit per pixel, with its resolution.
    PNG = "png"
    #: A PBM file of the symbol, for print lines.
    PBM = "pbm"
    #: A page of a PDF file: the printed slip.
    PDF = "pdf"


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """The counts of a completed batch, kept in a file until the run ends."""

    name: str
    read: int
    written: int
    rejected: int
    unchanged: int
    closed: int
    without_address: int


class SlipBatch(NamedTuple):
    """The slips of a batch, row by row."""

    name: str
    records: pa.Array
    """Their rows in the file of bills."""
    bills: pa.Table
    payloads: pa.ChunkedArray


class BatchFiles(NamedTuple):
    """The files of a batch: for each slip its file in the folder of the run, its page there, and the file's SHA-256.

    A slip that could not be written has no file, and an issue whose ``record`` is its row in the batch, from 1.
    """

    files: list[str | None]
    pages: list[int | None]
    digests: list[str | None]
    issues: list[Issue]


class Output(NamedTuple):
    """How the slips of a run are written."""

    contents: Callable[[SlipBatch], Sequence[SlipContent | InvalidInputError | None]]
    """Returns what is printed on each slip beside its bill_id and payload, or why it cannot be printed."""
    write: Callable[[Path, SlipBatch, Sequence[Any]], BatchFiles]
    """Writes the files of slips with these contents into the folder of the run, completely or not at all."""
    has_barcode: bool
    """Whether the printed slips, or those that a print shop makes of the payloads, can have a barcode."""


#: The name of a batch, and its bills.
NamedBatch: TypeAlias = tuple[str, bills.BillBatch]


@dataclass(frozen=True, slots=True)
class BatchWriter:
    """Writes a batch with its tables, replacing files of an interrupted run."""

    out: Path
    """The folder of the run."""
    file: str
    """Name of the file of bills."""
    build: Callable[[pa.Table], BuildResult]
    """Builds the payloads."""
    output: Output
    earlier: EarlierRun | None
    """The run whose unchanged slips are not printed."""

    def __call__(self, named_batch: NamedBatch) -> BatchCounts:
        """Write a batch; return its counts."""
        name, checked = named_batch
        open_rows = combine(is_open(checked.table))
        records, table = checked.row_numbers.filter(open_rows), checked.table.filter(open_rows)
        built = self.build(table)
        has_payload = combine(built.payloads).is_valid()
        batch = SlipBatch(name, *(rows.filter(has_payload) for rows in (records, table, built.payloads)))
        contents = self.output.contents(batch)
        digests = _content_digests(batch, contents)
        unchanged = 0
        if self.earlier:
            rows = self.earlier.rows_of(digests)
            is_new = bool_array(rows < 0)
            slips = self.earlier.unchanged(rows[rows >= 0], batch.records.filter(pc.invert(is_new)))
            write_csv(slips, self.out / f"{name}.unchanged")
            unchanged = len(slips)
            batch = SlipBatch(name, *(column.filter(is_new) for column in batch[1:]))
            digests = digests.filter(is_new)
            contents = list(itertools.compress(contents, rows < 0))
        written = self.output.write(self.out, batch, contents) if len(batch.bills) else BatchFiles([], [], [], [])
        manifest = _manifest(batch, written, digests, self.output.has_barcode)
        write_csv(manifest, self.out / f"{name}.manifest")
        issue_tables = [
            checked.issues,
            _with_place(built.issues, self.file, records),
            _with_place(to_table(written.issues), self.file, batch.records),
        ]
        issues = pa.concat_tables(issue_tables)
        if len(issues):
            write_csv(with_bill_ids(issues, checked), self.out / f"{name}.issues")
        read, closed = len(checked.table) + checked.rejected, len(checked.table) - len(table)
        rejected = read - closed - unchanged - len(manifest)
        without_address = len({issue.location.record for issue in written.issues if issue.code == "ADDRESS_MISSING"})
        return BatchCounts(name, read, len(manifest), rejected, unchanged, closed, without_address)


def _manifest(batch: SlipBatch, written: BatchFiles, digests: pa.Array, has_barcode: bool) -> pa.Table:
    """Return the rows of the slips that were written."""
    files = pa.array(written.files, pa.string())
    barcodes = batch.bills["barcode"] if has_barcode and "barcode" in batch.bills.column_names else None
    columns = {
        "record": batch.records,
        "bill_id": batch.bills["bill_id"],
        "el_number": el_numbers(batch.bills),
        "file": files,
        "page": pa.array(written.pages, pa.int64()),
        "sha256": pa.array(written.digests, pa.string()),
        "content_sha256": digests,
        "payload": batch.payloads,
        "barcode": pa.nulls(len(files), pa.string()) if barcodes is None else barcodes,
    }
    return pa.table(columns).filter(files.is_valid())


def _content_digests(batch: SlipBatch, contents: Sequence[SlipContent | InvalidInputError | None]) -> pa.Array:
    """Return the SHA-256 of what is printed on each slip; null for one that cannot be printed."""
    slips = zip(batch.bills["bill_id"].to_pylist(), batch.payloads.to_pylist(), contents, strict=True)
    return pa.array(
        [
            None if isinstance(content, InvalidInputError) else _content_digest(bill_id, payload, content)
            for bill_id, payload, content in slips
        ],
        pa.string(),
    )


def _content_digest(bill_id: str, payload: str, content: SlipContent | None) -> str:
    printed = [content.barcode and content.barcode.digits, content.values, content.parts] if content else ""
    return hashlib.sha256(json.dumps([bill_id, payload, printed]).encode()).hexdigest()


def with_bill_ids(issues: pa.Table, checked: bills.BillBatch) -> pa.Table:
    """Add the column ``bill_id`` behind ``record``; null where the row has no columns."""
    records = pa.concat_arrays([checked.row_numbers, combine(checked.rejected_ids["record"])])
    bill_ids = pa.chunked_array([combine(checked.table["bill_id"]), combine(checked.rejected_ids["bill_id"])])
    rows = pc.index_in(issues["record"], value_set=records)
    return issues.add_column(issues.column_names.index("record") + 1, "bill_id", bill_ids.take(rows))


def _with_place(issues: pa.Table, file: str, records: pa.Array) -> pa.Table:
    """Add the file to each issue, and replace the row of a table by its record in the file."""
    row, name = (issues.column_names.index(column) for column in ("record", "file"))
    issues = issues.set_column(row, "record", records.take(pc.subtract(issues["record"], 1)))
    return issues.set_column(name, "file", pa.repeat(pa.scalar(file, issues.schema.field("file").type), len(issues)))


def load_output(
    output_format: OutputFormat,
    *,
    style: SymbolStyle,
    dpi: int,
    wording: str | Path | None,
    template: str | Path,
    font: str | Path | None,
    digits_font: str | Path | None,
    mark: str | Path | None,
    notes: str | Path | None,
    allow_missing_deadline: bool,
) -> Output:
    """Return how the slips of a format are written.

    Raises:
        InvalidInputError: the format is PDF and the wording is missing or invalid.
    """
    match output_format:
        case OutputFormat.PAYLOAD:
            return Output(_no_contents, _write_payloads, True)
        case OutputFormat.SVG | OutputFormat.PNG | OutputFormat.PBM:
            write = partial(_write_pictures, cast(PictureFormat, output_format.value), style, dpi)
            return Output(_no_contents, write, True)
        case OutputFormat.PDF:
            if wording is None:
                expected = "a TOML file with the payee and the charges"
                raise InvalidInputError([Issue("FIELD_MISSING", field="wording", expected=expected)])
            # Loaded once, so that all batches are printed with the same files.
            texts, design = SlipWording.load(wording, notes), load_design(template, font, digits_font, mark)
            has_barcode = any(item.kind == "barcode" for item, _, _ in design.template.placed_items())
            return Output(
                partial(_page_contents, texts, allow_missing_deadline),
                partial(_write_pages, design, style),
                has_barcode,
            )


def _no_contents(batch: SlipBatch) -> Sequence[None]:
    """Return no content for each slip: only its payload is written."""
    return [None] * len(batch.bills)


def _page_contents(
    wording: SlipWording, allow_missing_deadline: bool, batch: SlipBatch
) -> Sequence[SlipContent | InvalidInputError]:
    slips = _slips(wording, batch.bills)
    return list(slip_contents(slips, allow_missing_deadline=allow_missing_deadline))


def _slips(wording: SlipWording, table: pa.Table) -> Iterator[tuple[Bill, SlipText] | InvalidInputError]:
    """Yield each bill with its texts, or the error if these are invalid."""
    for bill in _records(table):
        try:
            yield wording.of(bill)
        except InvalidInputError as error:
            yield error


def _write_payloads(out: Path, batch: SlipBatch, contents: Sequence[object]) -> BatchFiles:
    """Write a CSV file."""
    path = out / f"{batch.name}.csv"
    columns = {
        "record": batch.records,
        "bill_id": batch.bills["bill_id"],
        "el_number": el_numbers(batch.bills),
        "payload": batch.payloads,
    }
    write_csv(pa.table(columns), path)
    count = len(batch.bills)
    return BatchFiles([path.name] * count, [None] * count, [sha256(path)] * count, [])


def _write_pictures(
    picture_format: PictureFormat,
    style: SymbolStyle,
    dpi: int,
    out: Path,
    batch: SlipBatch,
    contents: Sequence[object],
) -> BatchFiles:
    """Write a folder with a file per slip, named by its record."""
    pictures: Iterator[str | bytes] = encode_digits(batch.payloads).render(picture_format, style, dpi=dpi)
    files: list[str | None] = []
    digests: list[str | None] = []
    with draft_folder(out / batch.name) as draft:
        for record, picture in zip(batch.records.to_pylist(), pictures, strict=True):
            file = f"{record:09d}.{picture_format}"
            content = picture.encode() if isinstance(picture, str) else picture
            (draft / file).write_bytes(content)
            files.append(f"{batch.name}/{file}")
            digests.append(hashlib.sha256(content).hexdigest())
        shutil.rmtree(out / batch.name, ignore_errors=True)
        rename(draft, out / batch.name)
    return BatchFiles(files, [None] * len(files), digests, [])


def _write_pages(
    design: Design,
    style: SymbolStyle,
    out: Path,
    batch: SlipBatch,
    contents: Sequence[SlipContent | InvalidInputError],
) -> BatchFiles:
    """Write a PDF file with a page per slip that can be printed; no file if there is no such slip."""
    path = out / f"{batch.name}.pdf"
    issues: list[Issue] = []

    def report(error: InvalidInputError) -> None:
        issues.extend(error.issues)

    count = write_designed(path, contents, design, style, report, on_warning=report)
    if not count:
        path.unlink()
        absent = [None] * len(batch.bills)
        return BatchFiles([*absent], [*absent], [*absent], issues)
    rejected = {issue.location.record for issue in issues if issue.is_error}
    page = itertools.count(1)
    pages = [None if row in rejected else next(page) for row in range(1, len(batch.bills) + 1)]
    digest = sha256(path)
    files = [None if number is None else path.name for number in pages]
    return BatchFiles(files, pages, [None if number is None else digest for number in pages], issues)


def _records(table: pa.Table) -> Iterator[Bill]:
    for batch in table.to_batches(max_chunksize=1000):
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            if "covers" in row:
                row["covers"] = tuple(row["covers"])
            yield Bill(**row)
