"""A night's slips: a file of bills in, numbered parts and a manifest out, to be taken up again where it stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from importlib.resources.abc import Traversable
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import kokin
from kokin import bills
from kokin._arrow import atomic_file, bool_array, remove_drafts, to_mask, write_csv
from kokin.elqr import build_many
from kokin.issues import InvalidInputError, Issue, Location, to_table
from kokin.slips._forms import OutputFormat, Part, Writer, digest_of, writer_of
from kokin.slips._look import SymbolStyle
from kokin.slips._template import template_file
from kokin.slips._unique import check_unique
from kokin.text import require_date

_MANIFEST = ("record", "bill_id", "file", "page", "sha256")
_RUN = "run.json"


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run has written: ``read = made + rejected``, in rows of the bills."""

    read: int
    made: int
    rejected: int
    resumed: int
    """Parts that an earlier, interrupted run had finished."""


def make(
    source: str | Path,
    out: str | Path,
    form: OutputFormat | str = OutputFormat.SVG,
    *,
    look: SymbolStyle | None = None,
    dpi: int = 600,
    words: str | Path | None = None,
    template: str | Path = "strip",
    font: str | Path | None = None,
    issued_on: date | None = None,
    allow_missing_deadline: bool = False,
    part_rows: int = 10_000,
    done: Callable[[int], object] = lambda rows: None,
) -> RunResult:
    """Make the eL-QR, or the printed slip, of every bill in a file.

    The folder gets ``part-00001`` (a folder of pictures), ``part-00001.csv`` or ``.pdf`` and so on; ``manifest.csv``
    (``record, bill_id, file, page, sha256``: which row became which file); ``issues.csv`` if rows were rejected or
    flagged; and ``run.json`` (what was asked for, and the counts). A part is complete or absent. The same call on the
    same folder goes on where an interrupted one stopped; with another input file or option it is refused.

    Args:
        source: bills as CSV or Parquet, see :func:`kokin.bills.batches`.
        out: the folder.
        form: what is written for each bill.
        look: the size and colours of symbols.
        dpi: dots per inch of PNG and PBM.
        words: of PDF, the body's words for its slips: a TOML file, see :class:`SlipWording`.
        template: of PDF, ``strip``, ``a4`` or a TOML file, see :func:`write_slips`.
        font: of PDF, a TrueType font to embed.
        issued_on: the day of issue; a deadline (支払期限) before it is rejected.
        allow_missing_deadline: a bill without 支払期限 gets zeros instead of being rejected.
        part_rows: rows of the file per part.
        done: called with the number of rows, part by part.

    Raises:
        InvalidInputError: the bills are no bills at all, two of them have one bill_id, eL number or barcode, a slip
            cannot be printed in these words, the folder holds another run (``RUN_DIFFERS`` names what changed), or the
            bills changed during the run.
        OSError: a file cannot be read or written.
    """
    source, out, form, look = Path(source), Path(out), OutputFormat(form), look or SymbolStyle()
    if part_rows < 1:
        raise InvalidInputError([Issue("AMOUNT_RANGE", field="part_rows", expected="1 or more", found=str(part_rows))])
    if form in (OutputFormat.PNG, OutputFormat.PBM):
        look.dots(dpi)  # refuses a size that cannot be drawn before the folder is created
    writer = writer_of(form, look=look, dpi=dpi, words=words, template=template, font=font)
    files = {"words": words and Path(words), "template": template_file(template), "font": font and Path(font)}
    if form is not OutputFormat.PDF:
        files = dict.fromkeys(files)
    wanted = {
        "kokin": kokin.__version__,
        "bills": _fingerprint(source),
        "form": form.value,
        "look": asdict(look),
        "dpi": dpi,
        **{name: file and _fingerprint(file) for name, file in files.items()},
        "issued_on": issued_on and require_date("issued_on", issued_on).isoformat(),
        "allow_missing_deadline": allow_missing_deadline,
        "part_rows": part_rows,
    }
    pieces = bills.batches(source, rows=part_rows)
    first = next(pieces)  # bills that are none are refused before a folder is made
    if made := _finished(out, wanted):
        return made
    check_unique(source)
    _open_run(out, wanted)
    parts, resumed = [], 0
    for number, piece in enumerate(chain([first], pieces), 1):
        finished = out / f"part-{number:05d}.json"
        if finished.exists():
            part = _Counts(**json.loads(finished.read_text(encoding="utf-8")))
            resumed += 1
        else:
            part = _write_part(f"part-{number:05d}", piece, out, writer, issued_on, allow_missing_deadline)
            _write_whole(finished, json.dumps(asdict(part)))
        parts.append(part)
        done(part.read)
    read, done_well, rejected = (sum(getattr(part, name) for part in parts) for name in ("read", "made", "rejected"))
    made = RunResult(read, done_well, rejected, resumed)
    assert made.read == made.made + made.rejected
    if _fingerprint(source) != wanted["bills"]:
        raise InvalidInputError(
            [Issue("RUN_DIFFERS", field="bills", location=Location(source.name))], "the bills changed during the run"
        )
    _gather(out, [part.name for part in parts])
    _write_whole(out / _RUN, json.dumps({**wanted, "result": asdict(made)}, indent=2))
    return made


@dataclass(frozen=True, slots=True)
class _Counts:
    """A finished part: what a run that is taken up again needs to know of it."""

    name: str
    read: int
    made: int
    rejected: int


def _fingerprint(file: Path | Traversable) -> dict[str, str]:
    digest = digest_of(file) if isinstance(file, Path) else hashlib.sha256(file.read_bytes()).hexdigest()
    return {"file": file.name, "sha256": digest}


def _finished(out: Path, wanted: Mapping[str, Any]) -> RunResult | None:
    """Return the result of the run in the folder, if it has ended.

    Raises:
        InvalidInputError: the folder holds another run, or something else.
    """
    if not (out.exists() and any(out.iterdir())):
        return None
    try:
        found = json.loads((out / _RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise InvalidInputError(
            [Issue("FOLDER_TAKEN", field="out", location=Location(out.name))], f"{out} was left as it was"
        )
    result = found.pop("result", None)
    before, now = _flat(found), _flat(wanted)
    differing = [
        Issue(
            "RUN_DIFFERS",
            field=name,
            expected=before.get(name, ""),
            found=now.get(name, ""),
            location=Location(out.name),
        )
        for name in dict.fromkeys([*now, *before])
        if before.get(name) != now.get(name)
    ]
    if differing:
        raise InvalidInputError(differing, f"{out} was left as it was")
    return RunResult(**result) if result else None


def _flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested options by dotted names, as text."""
    flat: dict[str, str] = {}
    for name, value in options.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: json.dumps(value)}
    return flat


def _open_run(out: Path, wanted: Mapping[str, Any]) -> None:
    """Make the folder, or take up the interrupted run in it."""
    out.mkdir(parents=True, exist_ok=True)
    remove_drafts(out)
    _write_whole(out / _RUN, json.dumps(wanted, indent=2))


def _write_whole(path: Path, text: str) -> None:
    with atomic_file(path) as draft:
        draft.write_text(text + "\n", encoding="utf-8")


def _write_part(
    name: str,
    checked: bills.BillBatch,
    out: Path,
    writer: Writer,
    issued_on: date | None,
    allow_missing_deadline: bool,
) -> _Counts:
    """Write a part with its piece of the manifest and of the issues; what an interrupted run left of it is replaced."""
    built = build_many(checked.table, issued_on=issued_on, allow_missing_deadline=allow_missing_deadline)
    kept = bool_array(~to_mask(pc.is_null(built.payloads.combine_chunks())))
    part = Part(name, checked.row_numbers.filter(kept), checked.table.filter(kept), built.payloads.filter(kept))
    written = writer(out, part)
    files, pages = pa.array(written.files, pa.string()), pa.array(written.pages, pa.int64())
    columns = [part.records, part.bills["bill_id"], files, pages, pa.array(written.digests, pa.string())]
    manifest = pa.table(columns, names=_MANIFEST).filter(files.is_valid())
    write_csv(manifest, out / f"{name}.manifest")
    told = [checked.issues, _at(built.issues, checked.row_numbers), _at(to_table(written.issues), part.records)]
    issues = pa.concat_tables(told)
    if len(issues):
        write_csv(issues, out / f"{name}.issues")
    read = len(checked.table) + checked.rejected
    return _Counts(name, read, len(manifest), read - len(manifest))


def _at(issues: pa.Table, records: pa.Array) -> pa.Table:
    """Issues of rows of a table as issues of the rows of the file."""
    place = issues.column_names.index("record")
    return issues.set_column(place, "record", records.take(pc.subtract(issues["record"], 1)))


def _gather(out: Path, parts: Iterable[str]) -> None:
    """The parts' manifests and issues as one file each; the pieces go when the whole is there."""
    for kind in ("manifest", "issues"):
        pieces = [path for part in parts if (path := out / f"{part}.{kind}").exists()]
        if not pieces:
            continue
        with atomic_file(out / f"{kind}.csv") as draft, draft.open("wb") as whole:
            for at, piece in enumerate(pieces):
                with piece.open("rb") as lines:
                    header = lines.readline()
                    if at == 0:
                        whole.write(header)
                    shutil.copyfileobj(lines, whole)
    for part in parts:
        for ending in ("json", "manifest", "issues"):  # without its json a part is made again, and so are its pieces
            (out / f"{part}.{ending}").unlink(missing_ok=True)
