"""Tables as CSV that a spreadsheet opens without running anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import combine, text_buffers, to_mask
from kokin._arrow.files import escape_formulas
from kokin._arrow.files import write_csv as write_plain
from kokin.issues import InvalidInputError, Issue, Location

#: ``utf-8-sig`` begins with a byte order mark, by which a spreadsheet knows UTF-8; ``cp932`` is what old systems read.
CsvEncoding: TypeAlias = Literal["utf-8", "utf-8-sig", "cp932"]

#: 〓 (下駄): what a printer set where it had no type for a character.
GETA = "〓"
# Python lets these single bytes of cp932 through, which no reader knows.
_STRAY = "\x80\xa0\uf8f0\uf8f1\uf8f2\uf8f3"
# Two names for one character of JIS X 0208 (1-1-29); cp932 has the second. Python knows the other such pairs.
_DASH, _BAR = "\u2014", "\u2015"


def write_csv(table: pa.Table, path: Path, encoding: CsvEncoding = "utf-8", *, geta: bool = False) -> list[Issue]:
    """A table as :func:`kokin._arrow.files.write_csv` writes it, an apostrophe before a text that looks like a formula.

    Args:
        table: any table.
        path: the file, which is replaced.
        encoding: the character set.
        geta: in cp932, write 〓 for a character that it lacks, instead of refusing it.

    Returns the characters that stand as 〓, each with its column and row; none otherwise.

    Raises:
        InvalidInputError: cp932 lacks a character; ``.issues`` names every one with its column and row.
        OSError: the file cannot be written.
    """
    columns = {name: escape_formulas(table[name]) for name in table.column_names}
    lacking: list[Issue] = []
    if encoding == "cp932":
        columns = {name: _in_cp932(column, name, path.name, lacking) for name, column in columns.items()}
    if lacking and not geta:
        raise InvalidInputError(lacking, f"{path.name} cannot be written in cp932")
    write_plain(pa.table(columns), path, encoding)
    return [replace(issue, code="CP932_REPLACED") for issue in lacking]


def _in_cp932(column: pa.ChunkedArray, name: str, file: str, lacking: list[Issue]) -> pa.ChunkedArray:
    """A column whose texts cp932 can write, 〓 where it lacks a character; those are added to ``lacking``."""
    if not pa.types.is_string(column.type):
        return column
    strange = "".join(sorted(set().union(*(_strangers(chunk) for chunk in column.chunks))))
    if _DASH in strange:
        column = pc.replace_substring(column, _DASH, _BAR)
        strange = strange.replace(_DASH, "")
    if not strange:
        return column
    anywhere = f"[{strange}]"
    rows = np.flatnonzero(to_mask(combine(pc.fill_null(pc.match_substring_regex(column, anywhere), False))))
    for row in rows.tolist():
        found = " ".join(f"U+{ord(sign):04X}" for sign in column[row].as_py() if sign in strange)
        lacking.append(Issue("CP932_LACKS", field=name, found=found, location=Location(file, row + 1)))
    return pc.replace_substring_regex(column, anywhere, GETA)


def _strangers(texts: pa.Array) -> set[str]:
    """The characters of some texts that cp932 lacks."""
    offsets, letters = text_buffers(texts)
    used = letters[: offsets[-1]]
    if not (used >= 0x80).any():
        return set()
    signs = set(used.tobytes().decode("utf-8"))
    return {sign for sign in signs if sign in _STRAY or not sign.encode("cp932", "ignore")}
