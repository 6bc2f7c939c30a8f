"""The forms in which a part of a night's slips is written: payloads, pictures, printed pages."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import draft_folder, write_csv
from kokin.issues import InvalidInputError, Issue
from kokin.model import Bill
from kokin.slips._look import SymbolStyle
from kokin.slips._pictures import pbms, pngs, svgs
from kokin.slips._slip import Design, load_design, write_designed
from kokin.slips._symbols import Symbols, draw
from kokin.slips._words import SlipWording


class OutputFormat(StrEnum):
    """What is written for each bill."""

    #: A CSV per part: record, bill_id, el_number, payload.
    PAYLOAD = "payload"
    #: A drawing per symbol.
    SVG = "svg"
    #: A 1-bit picture per symbol, its size told inside.
    PNG = "png"
    #: A raster per symbol for print lines.
    PBM = "pbm"
    #: The printed slip, a page each, a file per part.
    PDF = "pdf"


@dataclass(frozen=True, slots=True)
class Part:
    """The slips of one part, row by row."""

    name: str
    records: pa.Array
    """Their rows in the file of bills."""
    bills: pa.Table
    payloads: pa.ChunkedArray


class Written(NamedTuple):
    """Where each slip of a part is: its file below the run's folder, its page there, and the file's SHA-256.

    A slip that could not be written has no file, and an issue whose ``record`` is its row in the part, from 1.
    """

    files: list[str | None]
    pages: list[int | None]
    digests: list[str | None]
    issues: list[Issue]


#: Writes a part into the run's folder, whole or not at all.
Writer: TypeAlias = Callable[[Path, Part], Written]


def writer_of(
    form: OutputFormat,
    *,
    look: SymbolStyle,
    dpi: int,
    words: str | Path | None,
    template: str | Path,
    font: str | Path | None,
) -> Writer:
    """How a form is written.

    Raises:
        InvalidInputError: slips are to be printed, and nobody said in what words.
    """
    match form:
        case OutputFormat.PAYLOAD:
            return write_payloads
        case OutputFormat.SVG:
            return lambda out, part: write_pictures(out, part, form, map(str.encode, svgs(drawn(part), look)))
        case OutputFormat.PNG:
            return lambda out, part: write_pictures(out, part, form, pngs(drawn(part), look, dpi))
        case OutputFormat.PBM:
            return lambda out, part: write_pictures(out, part, form, pbms(drawn(part), look, dpi))
        case OutputFormat.PDF:
            if words is None:
                raise InvalidInputError(
                    [Issue("FIELD_MISSING", field="words", expected="a TOML file with the payee and the charges")]
                )
            # Loaded once, so that all parts of a run are printed alike whatever happens to the files meanwhile.
            said, design = SlipWording.load(words), load_design(template, font)
            return lambda out, part: write_pages(out, part, said, design, look)


def drawn(part: Part) -> Symbols:
    """The symbols of a part."""
    return draw(part.payloads)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_payloads(out: Path, part: Part) -> Written:
    """A CSV of the part."""
    path = out / f"{part.name}.csv"
    number = [part.bills[name] for name in ("payee_code", "case_key", "confirmation", "item_code")]
    columns = {
        "record": part.records,
        "bill_id": part.bills["bill_id"],
        "el_number": pc.binary_join_element_wise(*number, "-"),
        "payload": part.payloads,
    }
    write_csv(pa.table(columns), path)
    count = len(part.bills)
    return Written([path.name] * count, [None] * count, [digest_of(path)] * count, [])


def write_pictures(out: Path, part: Part, form: OutputFormat, pictures: Iterator[bytes]) -> Written:
    """A folder with a file per slip, named by its record."""
    files: list[str | None] = []
    digests: list[str | None] = []
    with draft_folder(out / part.name) as draft:
        for record, picture in zip(part.records.to_pylist(), pictures, strict=True):
            file = f"{record:09d}.{form}"
            (draft / file).write_bytes(picture)
            files.append(f"{part.name}/{file}")
            digests.append(hashlib.sha256(picture).hexdigest())
        shutil.rmtree(out / part.name, ignore_errors=True)
        draft.rename(out / part.name)
    return Written(files, [None] * len(files), digests, [])


def write_pages(out: Path, part: Part, words: SlipWording, design: Design, look: SymbolStyle) -> Written:
    """A PDF with a page per slip that can be printed; none where there is no such slip."""
    path = out / f"{part.name}.pdf"
    issues: list[Issue] = []
    slips = (words.of(bill) for bill in _bills(part.bills))
    count = write_designed(path, slips, design, look, refused=lambda error: issues.extend(error.issues))
    if not count:
        path.unlink()
        nowhere = [None] * len(part.bills)
        return Written([*nowhere], [*nowhere], [*nowhere], issues)
    refused = {issue.location.record for issue in issues}
    page = itertools.count(1)
    pages = [None if row in refused else next(page) for row in range(1, len(part.bills) + 1)]
    digest = digest_of(path)
    files = [None if number is None else path.name for number in pages]
    return Written(files, pages, [None if number is None else digest for number in pages], issues)


def _bills(table: pa.Table) -> Iterator[Bill]:
    for batch in table.to_batches(max_chunksize=1000):
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            if "covers" in row:
                row["covers"] = tuple(row["covers"])
            yield Bill(**row)
