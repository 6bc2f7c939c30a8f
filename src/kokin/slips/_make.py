"""A night's slips: a file of bills in, numbered parts and a manifest out, to be taken up again where it stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

import kokin
from kokin import bills
from kokin.columns import bool_array, flags_of, write_csv
from kokin.elqr import build_many
from kokin.issues import Issue, Place, RefusedError
from kokin.slips._look import Look
from kokin.slips._pictures import pbms, pngs, svgs
from kokin.slips._symbols import Symbols, symbols

_Draw: TypeAlias = Callable[[Symbols], Iterator[bytes] | Iterator[str]]

_MANIFEST = ("record", "bill_id", "file", "sha256")
_RUN = "run.json"


class Form(StrEnum):
    """What is written for each bill."""

    #: A CSV per part: record, bill_id, el_number, payload.
    PAYLOAD = "payload"
    #: A drawing per symbol.
    SVG = "svg"
    #: A 1-bit picture per symbol, its size told inside.
    PNG = "png"
    #: A raster per symbol for print lines.
    PBM = "pbm"


@dataclass(frozen=True, slots=True)
class Made:
    """What a run has written: ``read = made + rejected``, in rows of the bills."""

    read: int
    made: int
    rejected: int
    resumed: int
    """Parts that an earlier, interrupted run had finished."""


@dataclass(frozen=True, slots=True)
class _Part:
    number: int
    read: int
    made: int
    rejected: int

    @property
    def name(self) -> str:
        return f"part-{self.number:05d}"


def make(
    source: str | Path,
    out: str | Path,
    form: Form | str = Form.SVG,
    *,
    look: Look | None = None,
    dpi: int = 600,
    issued_on: date | None = None,
    no_deadline: bool = False,
    part_rows: int = 10_000,
    done: Callable[[int], object] = lambda rows: None,
) -> Made:
    """Make the eL-QR of every bill in a file.

    Args:
        source: bills as CSV or Parquet, see :func:`kokin.bills.batches`.
        out: the folder. It gets ``part-00001`` (a folder of pictures) or ``part-00001.csv`` and so on,
            ``manifest.csv`` (``record, bill_id, file, sha256``: which row became which file), ``issues.csv`` if rows
            were rejected or flagged, and ``run.json`` (what was asked for, and the counts).
        form: what is written for each bill.
        look: the size and colours of symbols.
        dpi: dots per inch of PNG and PBM.
        issued_on: the day of issue; a deadline (支払期限) before it is rejected.
        no_deadline: a bill without 支払期限 gets zeros instead of being rejected.
        part_rows: rows of the file per part.
        done: called with the number of rows, part by part.

    A part is complete or absent. The same call on the same folder goes on where an interrupted one stopped.

    Raises:
        RefusedError: the bills are no bills at all, or the folder holds another run.
        OSError: a file cannot be read or written.
    """
    source, out, form, look = Path(source), Path(out), Form(form), look or Look()
    wanted = {
        "kokin": kokin.__version__,
        "bills": {"file": source.name, "sha256": _digest(source)},
        "form": form.value,
        "look": asdict(look),
        "dpi": dpi,
        "issued_on": issued_on and issued_on.isoformat(),
        "no_deadline": no_deadline,
        "part_rows": part_rows,
    }
    pieces = bills.batches(source, rows=part_rows)
    checked = next(pieces)  # bills that are none are refused before a folder is made
    if made := _open_run(out, wanted):
        return made
    parts, resumed = [], 0
    draw = _drawer(form, look, dpi)
    for number, piece in enumerate(chain([checked], pieces), 1):
        finished = out / f"part-{number:05d}.json"
        if finished.exists():
            part = _Part(**json.loads(finished.read_text(encoding="utf-8")))
            resumed += 1
        else:
            part = _write_part(number, piece, out, form, draw, issued_on, no_deadline)
            _write_whole(finished, json.dumps(asdict(part)))
        parts.append(part)
        done(part.read)
    read, done_well, rejected = (sum(getattr(part, name) for part in parts) for name in ("read", "made", "rejected"))
    made = Made(read, done_well, rejected, resumed)
    assert made.read == made.made + made.rejected
    _gather(out, parts)
    _write_whole(out / _RUN, json.dumps({**wanted, "result": asdict(made)}, indent=2))
    return made


def _drawer(form: Form, look: Look, dpi: int) -> _Draw:
    match form:
        case Form.SVG:
            return lambda some: svgs(some, look)
        case Form.PBM:
            return lambda some: pbms(some, look, dpi)
        case _:
            return lambda some: pngs(some, look, dpi)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open_run(out: Path, wanted: dict[str, object]) -> Made | None:
    """Make the folder, or see that it holds this very run; what that has made, if it has ended.

    Raises:
        RefusedError: it holds another one, or something else.
    """
    if out.exists() and any(out.iterdir()):
        try:
            found = json.loads((out / _RUN).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        result = found.pop("result", None)
        if found != wanted:
            raise RefusedError([Issue("FOLDER_TAKEN", "out", where=Place(out.name))], f"{out} was left as it is")
        if result:
            return Made(**result)
    out.mkdir(parents=True, exist_ok=True)
    _write_whole(out / _RUN, json.dumps(wanted, indent=2))
    return None


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    draft = path.with_name(f".{path.name}")
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(path)


def _write_part(
    number: int, checked: bills.Checked, out: Path, form: Form, draw: _Draw, issued_on: date | None, no_deadline: bool
) -> _Part:
    """Write a part with its piece of the manifest and of the issues; what an interrupted run left of it is removed."""
    built = build_many(checked.table, issued_on=issued_on, no_deadline=no_deadline)
    kept = bool_array(~flags_of(pc.is_null(built.payloads.combine_chunks())))
    table, payloads, records = checked.table.filter(kept), built.payloads.filter(kept), checked.records.filter(kept)
    part = _Part(number, len(checked.table) + checked.rejected, len(table), checked.rejected + built.rejected)
    if form is Form.PAYLOAD:
        files = [f"{part.name}.csv"] * len(table)
        digests = [_write_payloads(out / files[0], records, table, payloads)] * len(table) if len(table) else []
    else:
        files, digests = _write_pictures(out, part.name, form, records, draw(symbols(payloads)))
    _write_csv(out / f"{part.name}.manifest", pa.table([records, table["bill_id"], files, digests], names=_MANIFEST))
    issues = pa.concat_tables([checked.issues, _at(built.issues, checked.records)])
    if len(issues):
        _write_csv(out / f"{part.name}.issues", issues)
    return part


def _at(issues: pa.Table, records: pa.Array) -> pa.Table:
    """Issues of rows of a table as issues of the rows of the file."""
    place = issues.column_names.index("record")
    return issues.set_column(place, "record", records.take(pc.subtract(issues["record"], 1)))


def _write_payloads(path: Path, records: pa.Array, table: pa.Table, payloads: pa.ChunkedArray) -> str:
    parts = [table[name] for name in ("payee_code", "case_key", "confirmation", "item_code")]
    columns = [records, table["bill_id"], pc.binary_join_element_wise(*parts, "-"), payloads]
    _write_csv(path, pa.table(columns, names=["record", "bill_id", "el_number", "payload"]))
    return _digest(path)


def _write_pictures(
    out: Path, name: str, form: Form, records: pa.Array, pictures: Iterator[bytes | str]
) -> tuple[list[str], list[str]]:
    """A folder with a file per record, named by its number; returns the names and the digests."""
    draft = out / f".{name}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    files, digests = [], []
    for record, picture in zip(records.to_pylist(), pictures, strict=True):
        content = picture.encode() if isinstance(picture, str) else picture
        file = f"{record:09d}.{form}"
        (draft / file).write_bytes(content)
        files.append(f"{name}/{file}")
        digests.append(hashlib.sha256(content).hexdigest())
    shutil.rmtree(out / name, ignore_errors=True)
    draft.replace(out / name)
    return files, digests


def _write_csv(path: Path, table: pa.Table) -> None:
    draft = path.with_name(f".{path.name}")
    write_csv(table, draft)
    draft.replace(path)


def _gather(out: Path, parts: Iterable[_Part]) -> None:
    """The parts' manifests and issues as one file each; the pieces go when the whole is there."""
    for kind in ("manifest", "issues"):
        pieces = [path for part in parts if (path := out / f"{part.name}.{kind}").exists()]
        if not pieces:
            continue
        draft = out / f".{kind}.csv"
        with draft.open("wb") as whole:
            for at, piece in enumerate(pieces):
                with piece.open("rb") as lines:
                    header = lines.readline()
                    if at == 0:
                        whole.write(header)
                    shutil.copyfileobj(lines, whole)
        draft.replace(out / f"{kind}.csv")
    for part in parts:
        for ending in ("manifest", "issues", "json"):
            (out / f"{part.name}.{ending}").unlink(missing_ok=True)
