"""Make the slips of a file of bills: numbered batches and a manifest, resumable after an interruption."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from functools import partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

import kokin
from kokin import bills
from kokin._arrow.convert import bool_array, combine
from kokin._arrow.files import atomic_file, draft_folder, remove_drafts, write_csv
from kokin.elqr import BuildResult, ElQr, build_many
from kokin.issues import InvalidInputError, Issue, Location, to_table
from kokin.model import Bill
from kokin.receipts.layouts import Layout, load
from kokin.slips._check_slips import check_unique, el_numbers, is_open
from kokin.slips._earlier_run import MANIFEST, REPLACED, RUN, UNCHANGED, WITHDRAWN, EarlierRun, flatten, sha256
from kokin.slips._font_files import find_font
from kokin.slips._render import PictureFormat
from kokin.slips._slip_pdf import Design, load_design, write_designed
from kokin.slips._slip_template import template_file
from kokin.slips._slip_values import breakdown_lines, slip_values
from kokin.slips._slip_wording import SlipText, SlipWording
from kokin.slips._symbol_style import SymbolStyle
from kokin.slips._symbols import encode_digits
from kokin.text import file_name, require_date

# The tables of a batch that are merged into one file when the run ends.
_TABLES = {"manifest": MANIFEST, "unchanged": UNCHANGED, "issues": "issues.csv"}
# Name of the issues that concern the style of all symbols.
_STYLE = "style"


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
class RunResult:
    """What a run wrote: ``read = written + unchanged + closed + rejected``, in rows of the file of bills."""

    read: int
    written: int
    rejected: int
    resumed: int
    """Batches that an earlier, interrupted run had completed."""
    unchanged: int = 0
    """Slips that are not printed, because the earlier run printed them with the same content."""
    closed: int = 0
    """Slips that are not printed, because they are cancelled or superseded."""
    withdrawn: int = 0
    """Slips of the earlier run that are no longer in the file, or are cancelled or superseded now."""
    replaced: int = 0
    """Slips of the earlier run that are printed with another content under the same number."""
    changed_options: tuple[str, ...] = ()
    """Options that differ from the earlier run, so that all slips are printed, such as ``wording``."""
    without_address: int = 0
    """Slips that are printed without the payer's name or address, although the template has a place for them."""

    def as_dict(self) -> dict[str, Any]:
        """Return the counts by name, and ``changed_options``."""
        return asdict(self)


def make(
    source: str | Path,
    out: str | Path,
    output_format: OutputFormat | str = OutputFormat.SVG,
    *,
    layout: str | Path | Layout | None = None,
    style: SymbolStyle | None = None,
    dpi: int = 600,
    wording: str | Path | None = None,
    template: str | Path = "strip",
    font: str | Path | None = None,
    digits_font: str | Path | None = None,
    mark: str | Path | None = None,
    notes: str | Path | None = None,
    issued_on: date | None = None,
    allow_missing_deadline: bool = False,
    part_rows: int = 10_000,
    against: str | Path | None = None,
    on_progress: Callable[[int], object] = lambda rows: None,
) -> RunResult:
    """Make the eL-QR, or the printed slip, of every open bill in a file; return the counts.

    The folder receives a batch of slips as ``part-00001`` (a folder of pictures), ``part-00001.csv`` or
    ``part-00001.pdf``, and so on; ``manifest.csv``; ``issues.csv`` if rows were rejected or have warnings, or
    :meth:`SymbolStyle.check` warns; and ``run.json`` (the options and the counts). Each batch is written completely or
    not at all. The same call on the same folder resumes an interrupted run; another input file or option raises.

    The columns of ``manifest.csv``: ``record``, ``bill_id`` and ``el_number`` of the slip; ``file`` and ``page`` in the
    folder; ``sha256`` of that file; ``content_sha256``; ``payload`` and ``barcode``, with which :func:`verify` compares
    scans. ``content_sha256`` is the SHA-256 of what is printed apart from the layout: the ``bill_id`` and the payload,
    and for PDF the barcode, every value with the texts of the wording, name and address, and the breakdown.

    With ``against``, slips with the same content in the earlier run are not printed but listed in ``unchanged.csv``
    (``record, bill_id, el_number, run, file, page, sha256, content_sha256``). ``withdrawn.csv`` (``bill_id, el_number,
    run, file, page``) lists the slips of the earlier run whose number is not on an open slip of the file any more, and
    ``replaced.csv``, with the same columns, those whose number is on a slip that is printed with another content: none
    of both may be posted. If the wording, template, font, style or another option that changes all slips differs, all
    are printed.

    Args:
        source: bills as CSV or Parquet, see :func:`kokin.bills.batches`.
        out: the folder.
        output_format: what is written for each bill.
        layout: the layout of bills in columns of their own, see :func:`kokin.bills.batches`; dates without a full year
            are near ``issued_on``.
        style: module size, quiet zone and colours of the symbols.
        dpi: resolution of PNG and PBM.
        wording: for PDF, the texts beside the bills: a TOML file, see :class:`SlipWording`.
        template: for PDF, ``strip``, ``a4`` or a TOML file, see :func:`write_slips`.
        font: for PDF, a TrueType font to embed, by path or by the name of an installed family, see
            :func:`write_slips`.
        digits_font: for PDF, a TrueType font for the OCR lines, such as an OCR-B; by default that of the text.
        mark: for PDF, a picture of the eL mark; by default its area stays blank.
        notes: for PDF, texts on the slips of single bills: a CSV, see :class:`SlipNotes`.
        issued_on: the day of issue; a bill whose deadline (支払期限) is earlier is rejected.
        allow_missing_deadline: write zeros for a bill without 支払期限 instead of rejecting it.
        part_rows: rows of the file per batch.
        against: the folder of an earlier run; only new and changed slips are printed.
        on_progress: called after each batch with the number of its rows.

    Raises:
        InvalidInputError: the file is not a table of bills, two bills share a bill_id, eL number or barcode, the
            wording, template or font is invalid, no font is found (``FONT_MISSING``), the folder contains another run
            (``RUN_DIFFERS`` names the option) or other files (``FOLDER_TAKEN``), the earlier run is not complete
            (``RUN_INCOMPLETE``), or the bills changed during the run.
        OSError: a file cannot be read or written.
    """
    source, out, output_format, style = Path(source), Path(out), OutputFormat(output_format), style or SymbolStyle()
    bill_layout = load(layout) if isinstance(layout, str | Path) else layout
    read_bills = partial(bills.batches, source, layout=bill_layout, reference_date=issued_on)
    if part_rows < 1:
        raise InvalidInputError([Issue("AMOUNT_RANGE", field="part_rows", expected="1 or more", found=str(part_rows))])
    is_raster = output_format in (OutputFormat.PNG, OutputFormat.PBM)
    if is_raster:
        style.pixels_per_module(dpi)  # raises for an invalid size before the folder is created
    output = _output(
        output_format,
        style=style,
        dpi=dpi,
        wording=wording,
        template=template,
        font=font,
        digits_font=digits_font,
        mark=mark,
        notes=notes,
        allow_missing_deadline=allow_missing_deadline,
    )
    names = ("wording", "template", "font", "bold_font", "digits_font", "mark", "notes")
    files: dict[str, Path | Traversable | None] = dict.fromkeys(names)
    if output_format is OutputFormat.PDF and wording is not None:
        faces = find_font(font)
        files |= {"wording": Path(wording), "template": template_file(template), "font": faces.text.path}
        files["bold_font"] = None if faces.bold.path == faces.text.path else faces.bold.path
        files["digits_font"] = None if digits_font is None else find_font(digits_font, "digits_font").text.path
        files["mark"], files["notes"] = (None if path is None else Path(path) for path in (mark, notes))
    options = {
        "kokin": kokin.__version__,
        "bills": _fingerprint(source),
        "bill_layout": bill_layout and _layout_fingerprint(bill_layout),
        "output_format": output_format.value,
        "style": asdict(style),
        "dpi": dpi,
        **{name: file and _fingerprint(file) for name, file in files.items()},
        "issued_on": issued_on and require_date("issued_on", issued_on).isoformat(),
        "allow_missing_deadline": allow_missing_deadline,
        "part_rows": part_rows,
    }
    earlier = None
    if against is not None:
        earlier = EarlierRun(Path(against))
        options["against"] = earlier.fingerprint
    changed_options = earlier.changed_options(options) if earlier else ()
    chunks = read_bills(rows=part_rows)
    first = next(chunks)  # raises for an invalid file before the folder is created
    if result := _completed_run(out, options):
        return result
    check_unique(read_bills, source)
    _open_folder(out, options)
    batches, resumed = [], 0
    for number, chunk in enumerate(itertools.chain([first], chunks), 1):
        name = f"part-{number:05d}"
        counts_file = out / f"{name}.json"
        if counts_file.exists():
            counts = _BatchCounts(**json.loads(counts_file.read_text(encoding="utf-8")))
            resumed += 1
        else:
            build = partial(build_many, issued_on=issued_on, allow_missing_deadline=allow_missing_deadline)
            compared = None if changed_options else earlier
            counts = _write_batch(name, chunk, out, build, output, compared, file_name(source))
            _write_text(counts_file, json.dumps(asdict(counts)))
        if earlier:
            earlier.mark_current(chunk.table, combine(chunk.rejected_ids["bill_id"]))
        batches.append(counts)
        on_progress(counts.read)
    if _fingerprint(source) != options["bills"]:
        issue = Issue("RUN_DIFFERS", field="bills", location=Location(source.name))
        raise InvalidInputError([issue], "the bills changed during the run")
    tables = [batch.name for batch in batches]
    if output_format is not OutputFormat.PAYLOAD and (warnings := style.check(dpi if is_raster else None)):
        write_csv(_with_bill_ids(to_table(warnings), first), out / f"{_STYLE}.issues")
        tables.insert(0, _STYLE)
    _merge_tables(out, tables)
    obsolete: dict[str, int] = {}
    if earlier:
        found = {"withdrawn": earlier.withdrawn(), "replaced": earlier.replaced(out / MANIFEST)}
        for (name, slips), file in zip(found.items(), (WITHDRAWN, REPLACED), strict=True):
            write_csv(slips, out / file)
            obsolete[name] = len(slips)
    counted = ("read", "written", "rejected", "unchanged", "closed", "without_address")
    totals = {name: sum(getattr(batch, name) for batch in batches) for name in counted}
    result = RunResult(**totals, resumed=resumed, **obsolete, changed_options=changed_options)
    assert result.read == result.written + result.unchanged + result.closed + result.rejected
    _write_text(out / RUN, json.dumps({**options, "result": result.as_dict()}, indent=2))
    return result


# --- the folder of a run ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _BatchCounts:
    """The counts of a completed batch, kept in a file until the run ends."""

    name: str
    read: int
    written: int
    rejected: int
    unchanged: int
    closed: int
    without_address: int


def _fingerprint(file: Path | Traversable) -> dict[str, str]:
    digest = sha256(file) if isinstance(file, Path) else hashlib.sha256(file.read_bytes()).hexdigest()
    return {"file": file.name, "sha256": digest}


def _layout_fingerprint(layout: Layout) -> dict[str, str]:
    return {"name": layout.name, "sha256": hashlib.sha256(layout.model_dump_json().encode()).hexdigest()}


def _completed_run(out: Path, options: Mapping[str, Any]) -> RunResult | None:
    """Return the result of a completed run in the folder, and None for an interrupted run or no folder.

    Raises:
        InvalidInputError: the folder contains a run with other options, or other files.
    """
    if not (out.exists() and any(out.iterdir())):
        return None
    try:
        saved = json.loads((out / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        saved = None
    if not isinstance(saved, dict):
        raise InvalidInputError([Issue("FOLDER_TAKEN", field="out", location=Location(out.name))], f"{out} is in use")
    result = saved.pop("result", None)
    before, now = flatten(saved), flatten(options)
    place = Location(out.name)
    differing = [
        Issue("RUN_DIFFERS", field=name, expected=before.get(name, ""), found=now.get(name, ""), location=place)
        for name in dict.fromkeys([*now, *before])
        if before.get(name) != now.get(name)
    ]
    if differing:
        raise InvalidInputError(differing, f"{out} contains another run and was not changed")
    if not result:
        return None
    return RunResult(**result | {"changed_options": tuple(result["changed_options"])})


def _open_folder(out: Path, options: Mapping[str, Any]) -> None:
    """Create the folder, or remove the incomplete files of the interrupted run in it."""
    out.mkdir(parents=True, exist_ok=True)
    remove_drafts(out)
    _write_text(out / RUN, json.dumps(options, indent=2))


def _write_text(path: Path, text: str) -> None:
    with atomic_file(path) as draft:
        draft.write_text(text + "\n", encoding="utf-8")


def _merge_tables(out: Path, batches: Iterable[str]) -> None:
    """Concatenate the manifests and the issues of all batches into one file each, and remove the files of a batch."""
    for kind, name in _TABLES.items():
        paths = [path for batch in batches if (path := out / f"{batch}.{kind}").exists()]
        if not paths:
            continue
        with atomic_file(out / name) as draft, draft.open("wb") as merged:
            for number, path in enumerate(paths):
                with path.open("rb") as rows:
                    header = rows.readline()
                    if number == 0:
                        merged.write(header)
                    shutil.copyfileobj(rows, merged)
    for batch in batches:
        for ending in ("json", *_TABLES):  # json first: a batch without it is written once more
            (out / f"{batch}.{ending}").unlink(missing_ok=True)


# --- one batch --------------------------------------------------------------------------------------------------------


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


#: Writes the files of a batch into the folder of the run, completely or not at all.
BatchWriter: TypeAlias = Callable[[Path, SlipBatch], BatchFiles]


class _Output(NamedTuple):
    """How the slips of a run are written."""

    write: BatchWriter
    contents: Callable[[SlipBatch], Iterator[object]]
    """Yields what is printed on each slip beside its bill_id and payload, as JSON; None for one that cannot be."""
    has_barcode: bool
    """Whether the printed slips, or those that a print shop makes of the payloads, can have a barcode."""


def _write_batch(
    name: str,
    checked: bills.BillBatch,
    out: Path,
    build: Callable[[pa.Table], BuildResult],
    output: _Output,
    earlier: EarlierRun | None,
    file: str,
) -> _BatchCounts:
    """Write a batch with its tables, replacing files of an interrupted run; ``file`` is the file of bills."""
    open_rows = combine(is_open(checked.table))
    records, table = checked.row_numbers.filter(open_rows), checked.table.filter(open_rows)
    built = build(table)
    has_payload = combine(built.payloads).is_valid()
    batch = SlipBatch(name, *(rows.filter(has_payload) for rows in (records, table, built.payloads)))
    digests = _content_digests(batch, output.contents)
    unchanged = 0
    if earlier:
        rows = earlier.rows_of(digests)
        is_new = bool_array(rows < 0)
        kept = earlier.unchanged(rows[rows >= 0], batch.records.filter(pc.invert(is_new)))
        write_csv(kept, out / f"{name}.unchanged")
        unchanged = len(kept)
        batch = SlipBatch(name, *(column.filter(is_new) for column in batch[1:]))
        digests = digests.filter(is_new)
    written = output.write(out, batch) if len(batch.bills) else BatchFiles([], [], [], [])
    manifest = _manifest(batch, written, digests, output.has_barcode)
    write_csv(manifest, out / f"{name}.manifest")
    issue_tables = [
        checked.issues,
        _with_place(built.issues, file, records),
        _with_place(to_table(written.issues), file, batch.records),
    ]
    issues = pa.concat_tables(issue_tables)
    if len(issues):
        write_csv(_with_bill_ids(issues, checked), out / f"{name}.issues")
    read, closed = len(checked.table) + checked.rejected, len(checked.table) - len(table)
    rejected = read - closed - unchanged - len(manifest)
    without_address = len({issue.location.record for issue in written.issues if issue.code == "ADDRESS_MISSING"})
    return _BatchCounts(name, read, len(manifest), rejected, unchanged, closed, without_address)


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


def _content_digests(batch: SlipBatch, contents: Callable[[SlipBatch], Iterator[object]]) -> pa.Array:
    """Return the SHA-256 of what is printed on each slip; null for one that cannot be printed."""
    slips = zip(batch.bills["bill_id"].to_pylist(), batch.payloads.to_pylist(), contents(batch), strict=True)
    return pa.array(
        [
            None if content is None else hashlib.sha256(json.dumps([bill_id, payload, content]).encode()).hexdigest()
            for bill_id, payload, content in slips
        ],
        pa.string(),
    )


def _with_bill_ids(issues: pa.Table, checked: bills.BillBatch) -> pa.Table:
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


def _output(
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
) -> _Output:
    """Return how the slips of a format are written.

    Raises:
        InvalidInputError: the format is PDF and the wording is missing or invalid.
    """
    match output_format:
        case OutputFormat.PAYLOAD:
            return _Output(_write_payloads, _no_contents, True)
        case OutputFormat.SVG | OutputFormat.PNG | OutputFormat.PBM:
            write = partial(_write_pictures, cast(PictureFormat, output_format.value), style, dpi)
            return _Output(write, _no_contents, True)
        case OutputFormat.PDF:
            if wording is None:
                expected = "a TOML file with the payee and the charges"
                raise InvalidInputError([Issue("FIELD_MISSING", field="wording", expected=expected)])
            # Loaded once, so that all batches are printed with the same files.
            texts, design = SlipWording.load(wording, notes), load_design(template, font, digits_font, mark)
            has_barcode = any(item.kind == "barcode" for item, _, _ in design.template.placed_items())
            return _Output(
                partial(_write_pages, texts, design, style, allow_missing_deadline),
                partial(_page_contents, texts, allow_missing_deadline),
                has_barcode,
            )


def _no_contents(batch: SlipBatch) -> Iterator[object]:
    """Yield an empty content for each slip: only its payload is written."""
    return itertools.repeat("", len(batch.bills))


def _page_contents(wording: SlipWording, allow_missing_deadline: bool, batch: SlipBatch) -> Iterator[object]:
    """Yield the barcode, the values and the breakdown on each page."""
    for bill in _records(batch.bills):
        try:
            bill, text = wording.of(bill)
            code = ElQr.from_bill(bill, allow_missing_deadline=allow_missing_deadline)
            yield [bill.barcode, slip_values(bill, code, text), breakdown_lines(bill, text)]
        except InvalidInputError:  # reported when the page is drawn
            yield None


def _write_payloads(out: Path, batch: SlipBatch) -> BatchFiles:
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
    picture_format: PictureFormat, style: SymbolStyle, dpi: int, out: Path, batch: SlipBatch
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
        draft.rename(out / batch.name)
    return BatchFiles(files, [None] * len(files), digests, [])


def _write_pages(
    wording: SlipWording,
    design: Design,
    style: SymbolStyle,
    allow_missing_deadline: bool,
    out: Path,
    batch: SlipBatch,
) -> BatchFiles:
    """Write a PDF file with a page per slip that can be printed; no file if there is no such slip."""
    path = out / f"{batch.name}.pdf"
    issues: list[Issue] = []

    def report(error: InvalidInputError) -> None:
        issues.extend(error.issues)

    slips = _slips(wording, batch.bills)
    count = write_designed(
        path, slips, design, style, report, on_warning=report, allow_missing_deadline=allow_missing_deadline
    )
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


def _slips(wording: SlipWording, table: pa.Table) -> Iterator[tuple[Bill, SlipText] | InvalidInputError]:
    """Yield each bill with its texts, or the error if these are invalid."""
    for bill in _records(table):
        try:
            yield wording.of(bill)
        except InvalidInputError as error:
            yield error


def _records(table: pa.Table) -> Iterator[Bill]:
    for batch in table.to_batches(max_chunksize=1000):
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            if "covers" in row:
                row["covers"] = tuple(row["covers"])
            yield Bill(**row)
