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

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import kokin
from kokin import bills
from kokin._arrow.convert import Int64Array, combine, is_valid
from kokin._arrow.files import atomic_file, draft_folder, remove_drafts, write_csv
from kokin.elqr import build_many
from kokin.issues import InvalidInputError, Issue, Location, to_table
from kokin.model import Bill
from kokin.slips._font_files import find_font
from kokin.slips._render import PictureFormat
from kokin.slips._slip_pdf import Design, load_design, write_designed
from kokin.slips._slip_template import template_file
from kokin.slips._slip_wording import SlipWording
from kokin.slips._symbol_style import SymbolStyle
from kokin.slips._symbols import encode_digits
from kokin.text import require_date

_MANIFEST = ("record", "bill_id", "file", "page", "sha256")
_RUN = "run.json"
# Name of the issues that concern the style of all symbols.
_STYLE = "style"
_EL_NUMBER = ("payee_code", "case_key", "confirmation", "item_code")
# The digits of a barcode that identify its slip: 請求書発行企業コード and 自由使用欄.
_BARCODE_KEY = slice(2, 29)
# Duplicates named in an exception.
_MAX_DUPLICATES = 20
# Duplicate hashes whose keys are compared in one pass over the file, which bounds the memory.
_MAX_COMPARED = 1000


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
    """What a run wrote: ``read = written + rejected``, in rows of the file of bills."""

    read: int
    written: int
    rejected: int
    resumed: int
    """Batches that an earlier, interrupted run had completed."""

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def make(
    source: str | Path,
    out: str | Path,
    output_format: OutputFormat | str = OutputFormat.SVG,
    *,
    style: SymbolStyle | None = None,
    dpi: int = 600,
    wording: str | Path | None = None,
    template: str | Path = "strip",
    font: str | Path | None = None,
    issued_on: date | None = None,
    allow_missing_deadline: bool = False,
    part_rows: int = 10_000,
    on_progress: Callable[[int], object] = lambda rows: None,
) -> RunResult:
    """Make the eL-QR, or the printed slip, of every bill in a file; return the counts.

    The folder receives a batch of slips as ``part-00001`` (a folder of pictures), ``part-00001.csv`` or
    ``part-00001.pdf``, and so on; ``manifest.csv`` (``record, bill_id, file, page, sha256``: the file of each row);
    ``issues.csv`` if rows were rejected or have warnings, or :meth:`SymbolStyle.check` warns; and ``run.json`` (the
    options and the counts). Each batch is written completely or not at all. The same call on the same folder resumes an
    interrupted run; another input file or option raises.

    Args:
        source: bills as CSV or Parquet, see :func:`kokin.bills.batches`.
        out: the folder.
        output_format: what is written for each bill.
        style: module size, quiet zone and colours of the symbols.
        dpi: resolution of PNG and PBM.
        wording: for PDF, the texts beside the bills: a TOML file, see :class:`SlipWording`.
        template: for PDF, ``strip``, ``a4`` or a TOML file, see :func:`write_slips`.
        font: for PDF, a TrueType font to embed, by path or by the name of an installed family, see
            :func:`write_slips`.
        issued_on: the day of issue; a bill whose deadline (支払期限) is earlier is rejected.
        allow_missing_deadline: write zeros for a bill without 支払期限 instead of rejecting it.
        part_rows: rows of the file per batch.
        on_progress: called after each batch with the number of its rows.

    Raises:
        InvalidInputError: the file is not a table of bills, two bills share a bill_id, eL number or barcode, the
            wording, template or font is invalid, no font is found (``FONT_MISSING``), the folder contains another run
            (``RUN_DIFFERS`` names the option) or other files (``FOLDER_TAKEN``), or the bills changed during the run.
        OSError: a file cannot be read or written.
    """
    source, out, output_format, style = Path(source), Path(out), OutputFormat(output_format), style or SymbolStyle()
    if part_rows < 1:
        raise InvalidInputError([Issue("AMOUNT_RANGE", field="part_rows", expected="1 or more", found=str(part_rows))])
    is_raster = output_format in (OutputFormat.PNG, OutputFormat.PBM)
    if is_raster:
        style.pixels_per_module(dpi)  # raises for an invalid size before the folder is created
    write_files = _batch_writer(output_format, style=style, dpi=dpi, wording=wording, template=template, font=font)
    files: dict[str, Path | Traversable | None] = dict.fromkeys(("wording", "template", "font", "bold_font"))
    if output_format is OutputFormat.PDF and wording is not None:
        faces = find_font(font)
        files |= {"wording": Path(wording), "template": template_file(template), "font": faces.text.path}
        files["bold_font"] = None if faces.bold.path == faces.text.path else faces.bold.path
    options = {
        "kokin": kokin.__version__,
        "bills": _fingerprint(source),
        "output_format": output_format.value,
        "style": asdict(style),
        "dpi": dpi,
        **{name: file and _fingerprint(file) for name, file in files.items()},
        "issued_on": issued_on and require_date("issued_on", issued_on).isoformat(),
        "allow_missing_deadline": allow_missing_deadline,
        "part_rows": part_rows,
    }
    chunks = bills.batches(source, rows=part_rows)
    first = next(chunks)  # raises for an invalid file before the folder is created
    if result := _completed_run(out, options):
        return result
    check_unique(source)
    _open_folder(out, options)
    batches, resumed = [], 0
    for number, chunk in enumerate(itertools.chain([first], chunks), 1):
        name = f"part-{number:05d}"
        counts_file = out / f"{name}.json"
        if counts_file.exists():
            counts = _BatchCounts(**json.loads(counts_file.read_text(encoding="utf-8")))
            resumed += 1
        else:
            counts = _write_batch(name, chunk, out, write_files, issued_on, allow_missing_deadline)
            _write_text(counts_file, json.dumps(asdict(counts)))
        batches.append(counts)
        on_progress(counts.read)
    result = RunResult(
        read=sum(batch.read for batch in batches),
        written=sum(batch.written for batch in batches),
        rejected=sum(batch.rejected for batch in batches),
        resumed=resumed,
    )
    assert result.read == result.written + result.rejected
    if _fingerprint(source) != options["bills"]:
        issue = Issue("RUN_DIFFERS", field="bills", location=Location(source.name))
        raise InvalidInputError([issue], "the bills changed during the run")
    names = [batch.name for batch in batches]
    if output_format is not OutputFormat.PAYLOAD and (warnings := style.check(dpi if is_raster else None)):
        write_csv(to_table(warnings), out / f"{_STYLE}.issues")
        names.insert(0, _STYLE)
    _merge_tables(out, names)
    _write_text(out / _RUN, json.dumps({**options, "result": result.as_dict()}, indent=2))
    return result


# --- the folder of a run ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _BatchCounts:
    """The counts of a completed batch, kept in a file until the run ends."""

    name: str
    read: int
    written: int
    rejected: int


def _fingerprint(file: Path | Traversable) -> dict[str, str]:
    digest = _sha256(file) if isinstance(file, Path) else hashlib.sha256(file.read_bytes()).hexdigest()
    return {"file": file.name, "sha256": digest}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _completed_run(out: Path, options: Mapping[str, Any]) -> RunResult | None:
    """Return the result of a completed run in the folder, and None for an interrupted run or no folder.

    Raises:
        InvalidInputError: the folder contains a run with other options, or other files.
    """
    if not (out.exists() and any(out.iterdir())):
        return None
    try:
        saved = json.loads((out / _RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        saved = None
    if not isinstance(saved, dict):
        raise InvalidInputError([Issue("FOLDER_TAKEN", field="out", location=Location(out.name))], f"{out} is in use")
    result = saved.pop("result", None)
    before, now = _flatten(saved), _flatten(options)
    place = Location(out.name)
    differing = [
        Issue("RUN_DIFFERS", field=name, expected=before.get(name, ""), found=now.get(name, ""), location=place)
        for name in dict.fromkeys([*now, *before])
        if before.get(name) != now.get(name)
    ]
    if differing:
        raise InvalidInputError(differing, f"{out} contains another run and was not changed")
    return RunResult(**result) if result else None


def _flatten(options: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested options by dotted names, as text."""
    flat: dict[str, str] = {}
    for name, value in options.items():
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: json.dumps(value)}
    return flat


def _open_folder(out: Path, options: Mapping[str, Any]) -> None:
    """Create the folder, or remove the incomplete files of the interrupted run in it."""
    out.mkdir(parents=True, exist_ok=True)
    remove_drafts(out)
    _write_text(out / _RUN, json.dumps(options, indent=2))


def _write_text(path: Path, text: str) -> None:
    with atomic_file(path) as draft:
        draft.write_text(text + "\n", encoding="utf-8")


def _merge_tables(out: Path, batches: Iterable[str]) -> None:
    """Concatenate the manifests and the issues of all batches into one file each, and remove the files of a batch."""
    for kind in ("manifest", "issues"):
        paths = [path for batch in batches if (path := out / f"{batch}.{kind}").exists()]
        if not paths:
            continue
        with atomic_file(out / f"{kind}.csv") as draft, draft.open("wb") as merged:
            for number, path in enumerate(paths):
                with path.open("rb") as rows:
                    header = rows.readline()
                    if number == 0:
                        merged.write(header)
                    shutil.copyfileobj(rows, merged)
    for batch in batches:
        for ending in ("json", "manifest", "issues"):  # json first: a batch without it is written once more
            (out / f"{batch}.{ending}").unlink(missing_ok=True)


# --- one batch --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SlipBatch:
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


def _write_batch(
    name: str,
    checked: bills.BillBatch,
    out: Path,
    write_files: BatchWriter,
    issued_on: date | None,
    allow_missing_deadline: bool,
) -> _BatchCounts:
    """Write a batch with its manifest and issues, replacing the files that an interrupted run left."""
    built = build_many(checked.table, issued_on=issued_on, allow_missing_deadline=allow_missing_deadline)
    has_payload = combine(built.payloads).is_valid()
    rows = (column.filter(has_payload) for column in (checked.row_numbers, checked.table, built.payloads))
    batch = SlipBatch(name, *rows)
    written = write_files(out, batch)
    files, pages = pa.array(written.files, pa.string()), pa.array(written.pages, pa.int64())
    columns = [batch.records, batch.bills["bill_id"], files, pages, pa.array(written.digests, pa.string())]
    manifest = pa.table(columns, names=_MANIFEST).filter(files.is_valid())
    write_csv(manifest, out / f"{name}.manifest")
    of_codes = _with_records(built.issues, checked.row_numbers)
    issues = pa.concat_tables([checked.issues, of_codes, _with_records(to_table(written.issues), batch.records)])
    if len(issues):
        write_csv(issues, out / f"{name}.issues")
    read = len(checked.table) + checked.rejected
    return _BatchCounts(name, read, len(manifest), read - len(manifest))


def _with_records(issues: pa.Table, records: pa.Array) -> pa.Table:
    """Replace the row of a table in each issue by its record in the file."""
    place = issues.column_names.index("record")
    return issues.set_column(place, "record", records.take(pc.subtract(issues["record"], 1)))


def _batch_writer(
    output_format: OutputFormat,
    *,
    style: SymbolStyle,
    dpi: int,
    wording: str | Path | None,
    template: str | Path,
    font: str | Path | None,
) -> BatchWriter:
    """Return the function that writes the files of a batch.

    Raises:
        InvalidInputError: the format is PDF and the wording is missing or invalid.
    """
    match output_format:
        case OutputFormat.PAYLOAD:
            return _write_payloads
        case OutputFormat.SVG | OutputFormat.PNG | OutputFormat.PBM:
            return partial(_write_pictures, cast(PictureFormat, output_format.value), style, dpi)
        case OutputFormat.PDF:
            if wording is None:
                expected = "a TOML file with the payee and the charges"
                raise InvalidInputError([Issue("FIELD_MISSING", field="wording", expected=expected)])
            # Loaded once, so that all batches are printed with the same files.
            texts, design = SlipWording.load(wording), load_design(template, font)
            return lambda out, batch: _write_pages(out, batch, texts, design, style)


def _write_payloads(out: Path, batch: SlipBatch) -> BatchFiles:
    """Write a CSV file."""
    path = out / f"{batch.name}.csv"
    columns = {
        "record": batch.records,
        "bill_id": batch.bills["bill_id"],
        "el_number": _el_numbers(batch.bills),
        "payload": batch.payloads,
    }
    write_csv(pa.table(columns), path)
    count = len(batch.bills)
    return BatchFiles([path.name] * count, [None] * count, [_sha256(path)] * count, [])


def _el_numbers(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*[table[name] for name in _EL_NUMBER], "-")


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


def _write_pages(out: Path, batch: SlipBatch, wording: SlipWording, design: Design, style: SymbolStyle) -> BatchFiles:
    """Write a PDF file with a page per slip that can be printed; no file if there is no such slip."""
    path = out / f"{batch.name}.pdf"
    issues: list[Issue] = []
    slips = (wording.of(bill) for bill in _records(batch.bills))
    if not write_designed(path, slips, design, style, lambda error: issues.extend(error.issues)):
        path.unlink()
        absent = [None] * len(batch.bills)
        return BatchFiles([*absent], [*absent], [*absent], issues)
    rejected = {issue.location.record for issue in issues}
    page = itertools.count(1)
    pages = [None if row in rejected else next(page) for row in range(1, len(batch.bills) + 1)]
    digest = _sha256(path)
    files = [None if number is None else path.name for number in pages]
    return BatchFiles(files, pages, [None if number is None else digest for number in pages], issues)


def _records(table: pa.Table) -> Iterator[Bill]:
    for batch in table.to_batches(max_chunksize=1000):
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            if "covers" in row:
                row["covers"] = tuple(row["covers"])
            yield Bill(**row)


# --- unique keys ------------------------------------------------------------------------------------------------------


def check_unique(source: Path) -> None:
    """Check that no two bills share a bill_id, an eL number or a barcode key, which would mix up their payments.

    The file is read once and eight bytes per key are kept: Python's hash of it. Only if hashes are equal, the file is
    read a second time and the keys of those rows are compared.

    Raises:
        InvalidInputError: ``SLIP_DUPLICATE`` names the field and both rows of the file.
    """
    hashes: dict[str, list[Int64Array]] = {}
    for chunk in bills.batches(source):
        for name, keys in _slip_keys(chunk.table):
            hashes.setdefault(name, []).append(_hashes(keys)[is_valid(keys)])
    candidates = {name: _duplicate_values(np.concatenate(arrays)) for name, arrays in hashes.items()}
    for start in range(0, max(map(len, candidates.values())), _MAX_COMPARED):
        compared = {name: values[start : start + _MAX_COMPARED] for name, values in candidates.items()}
        if issues := list(itertools.islice(_duplicates(source, compared), _MAX_DUPLICATES)):
            raise InvalidInputError(issues, "duplicate slips; nothing was written")


def _slip_keys(table: pa.Table) -> Iterator[tuple[str, pa.Array]]:
    """Yield the keys of the slips by field, as text; null where a slip has none."""
    yield "bill_id", table["bill_id"].combine_chunks()
    yield "el_number", _el_numbers(table).combine_chunks()
    if "barcode" in table.column_names:
        keys = pc.utf8_slice_codeunits(table["barcode"], _BARCODE_KEY.start, _BARCODE_KEY.stop)
        yield "barcode", keys.combine_chunks()


def _hashes(keys: pa.Array) -> Int64Array:
    return np.fromiter(map(hash, keys.to_pylist()), np.int64, len(keys))


def _duplicate_values(hashes: Int64Array) -> Int64Array:
    """Return the values that occur more than once, sorted."""
    ordered = np.sort(hashes)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _duplicates(source: Path, hashes: dict[str, Int64Array]) -> Iterator[Issue]:
    """Yield an issue for each slip with the key of an earlier one, among the keys of these hashes."""
    first_records: dict[tuple[str, str], int] = {}
    for chunk in bills.batches(source):
        for name, keys in _slip_keys(chunk.table):
            rows = np.flatnonzero(np.isin(_hashes(keys), hashes[name]) & is_valid(keys))
            for key, record in zip(keys.take(rows).to_pylist(), chunk.row_numbers.take(rows).to_pylist(), strict=True):
                first = first_records.setdefault((name, key), record)
                if first != record:
                    yield Issue(
                        "SLIP_DUPLICATE",
                        field=name,
                        expected="a unique number",
                        found=f"that of record {first}",
                        location=Location(source.name, record),
                    )
