"""Make the slips of a file of bills: numbered batches and a manifest, resumable after an interruption."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import kokin
from kokin import bills
from kokin._arrow.convert import combine
from kokin._arrow.files import atomic_file, remove_drafts, write_csv
from kokin.elqr import build_many
from kokin.issues import InvalidInputError, Issue, Location, to_table
from kokin.receipts.layouts import Layout, load
from kokin.slips._batch_writer import (
    BatchCounts,
    BatchWriter,
    NamedBatch,
    OutputFormat,
    load_output,
    with_bill_ids,
)
from kokin.slips._check_slips import check_unique
from kokin.slips._earlier_run import MANIFEST, REPLACED, RUN, UNCHANGED, WITHDRAWN, EarlierRun, flatten, sha256
from kokin.slips._font_files import find_font
from kokin.slips._slip_template import template_file
from kokin.slips._symbol_style import SymbolStyle
from kokin.slips._worker_processes import default_jobs, process_map
from kokin.text import file_name, require_date

# The tables of a batch that are merged into one file when the run ends.
_TABLES = {"manifest": MANIFEST, "unchanged": UNCHANGED, "issues": "issues.csv"}
# Name of the issues that concern the style of all symbols.
_STYLE = "style"


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
    jobs: int | None = 1,
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
        jobs: processes that write batches at the same time, None for one per core, at most 8. The files are the same
            for any number. A script needs ``if __name__ == "__main__":`` unless it is 1: each process imports it.
        on_progress: called after each batch with the number of its rows.

    Raises:
        InvalidInputError: the file is not a table of bills, two bills share a bill_id, eL number or barcode, the
            wording, template or font is invalid, no font is found (``FONT_MISSING``), the folder contains another run
            (``RUN_DIFFERS`` names the option) or other files (``FOLDER_TAKEN``), the earlier run is not complete
            (``RUN_INCOMPLETE``), or the bills changed during the run.
        KokinError: a worker process was killed; the same call resumes the run.
        OSError: a file cannot be read or written.
    """
    source, out, output_format, style = Path(source), Path(out), OutputFormat(output_format), style or SymbolStyle()
    bill_layout = load(layout) if isinstance(layout, str | Path) else layout
    read_bills = partial(bills.batches, source, layout=bill_layout, reference_date=issued_on)
    jobs = default_jobs() if jobs is None else jobs
    for name, number in (("part_rows", part_rows), ("jobs", jobs)):
        if number < 1:
            raise InvalidInputError([Issue("AMOUNT_RANGE", field=name, expected="1 or more", found=str(number))])
    is_raster = output_format in (OutputFormat.PNG, OutputFormat.PBM)
    if is_raster:
        style.pixels_per_module(dpi)  # raises for an invalid size before the folder is created
    output = load_output(
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
    build = partial(build_many, issued_on=issued_on, allow_missing_deadline=allow_missing_deadline)
    write_batch = BatchWriter(out, file_name(source), build, output, None if changed_options else earlier)
    batch_names: list[str] = []  # of all batches, in their order
    saved: list[BatchCounts] = []
    written: list[BatchCounts] = []

    def unfinished() -> Iterator[NamedBatch]:
        """Yield the batches that an interrupted run has not completed; record the counts of the others."""
        for number, chunk in enumerate(itertools.chain([first], chunks), 1):
            if earlier:
                earlier.mark_current(chunk.table, combine(chunk.rejected_ids["bill_id"]))
            batch_names.append(f"part-{number:05d}")
            counts_file = out / f"{batch_names[-1]}.json"
            if counts_file.exists():
                saved.append(BatchCounts(**json.loads(counts_file.read_text(encoding="utf-8"))))
                on_progress(saved[-1].read)
            else:
                yield batch_names[-1], chunk

    try:
        with closing(process_map(write_batch, unfinished(), jobs)) as results:
            for counts in results:
                _write_text(out / f"{counts.name}.json", json.dumps(asdict(counts)))
                written.append(counts)
                on_progress(counts.read)
    except BaseException:
        remove_drafts(out)  # those of worker processes, which have ended
        raise
    if _fingerprint(source) != options["bills"]:
        issue = Issue("RUN_DIFFERS", field="bills", location=Location(source.name))
        raise InvalidInputError([issue], "the bills changed during the run")
    tables = batch_names
    if output_format is not OutputFormat.PAYLOAD and (warnings := style.check(dpi if is_raster else None)):
        write_csv(with_bill_ids(to_table(warnings), first), out / f"{_STYLE}.issues")
        tables = [_STYLE, *batch_names]
    _merge_tables(out, tables)
    obsolete: dict[str, int] = {}
    if earlier:
        found = {"withdrawn": earlier.withdrawn(), "replaced": earlier.replaced(out / MANIFEST)}
        for (name, slips), file in zip(found.items(), (WITHDRAWN, REPLACED), strict=True):
            write_csv(slips, out / file)
            obsolete[name] = len(slips)
    counted = ("read", "written", "rejected", "unchanged", "closed", "without_address")
    totals = {name: sum(getattr(counts, name) for counts in (*saved, *written)) for name in counted}
    result = RunResult(**totals, resumed=len(saved), **obsolete, changed_options=changed_options)
    assert result.read == result.written + result.unchanged + result.closed + result.rejected
    _write_text(out / RUN, json.dumps({**options, "result": result.as_dict()}, indent=2))
    return result


# --- the folder of a run ----------------------------------------------------------------------------------------------


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
