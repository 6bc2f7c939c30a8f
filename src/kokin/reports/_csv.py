"""Write a table as CSV that a spreadsheet opens without running a formula."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import combine, text_buffers, to_mask
from kokin._arrow.files import escape_formulas
from kokin._arrow.files import write_csv as write_unescaped
from kokin.issues import InvalidInputError, Issue, Location

#: ``utf-8-sig`` starts with a byte order mark, by which a spreadsheet recognizes UTF-8; ``cp932`` is for old systems.
CsvEncoding: TypeAlias = Literal["utf-8", "utf-8-sig", "cp932"]

#: 〓 (下駄), the printer's sign for a missing type.
GETA = "〓"
# Python encodes these as single bytes of cp932 that no other software decodes.
_PYTHON_ONLY = "\x80\xa0\uf8f0\uf8f1\uf8f2\uf8f3"
# Two Unicode characters for one of JIS X 0208 (1-1-29); cp932 has the second. Python maps the other such pairs.
_EM_DASH, _HORIZONTAL_BAR = "\u2014", "\u2015"


def write_csv(table: pa.Table, path: Path, encoding: CsvEncoding = "utf-8", *, geta: bool = False) -> list[Issue]:
    """Write a table as :func:`kokin._arrow.write_csv` does, with an apostrophe before a text that looks like a formula.

    Args:
        table: any table.
        path: the file; an existing one is replaced.
        encoding: the character set.
        geta: in cp932, write 〓 for a character that it lacks, instead of raising.

    Returns an issue (``CP932_REPLACED``) for each text with a 〓, with its column and row.

    Raises:
        InvalidInputError: ``CP932_LACKS``: the characters that cp932 lacks, each text with its column and row.
        OSError: the file cannot be written.
    """
    columns = {name: escape_formulas(table[name]) for name in table.column_names}
    issues: list[Issue] = []
    if encoding == "cp932":
        encodable = {name: _encodable(column, name, path.name) for name, column in columns.items()}
        columns = {name: column for name, (column, _) in encodable.items()}
        issues = [issue for _, found in encodable.values() for issue in found]
    if issues and not geta:
        raise InvalidInputError(issues, f"{path.name} cannot be written in cp932")
    write_unescaped(pa.table(columns), path, encoding)
    return [replace(issue, code="CP932_REPLACED") for issue in issues]


def write_csv_batches(
    batches: Callable[[], Iterable[pa.RecordBatch]], path: Path, encoding: Literal["utf-8", "utf-8-sig"]
) -> None:
    """Like :func:`write_csv`, but write the batches of a table one by one; ``batches`` may be called again.

    Raises:
        OSError: the file cannot be written.
    """
    write_unescaped(lambda: map(_escape_batch, batches()), path, encoding)


def _escape_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [combine(escape_formulas(pa.chunked_array([column]))) for column in batch.columns]
    return pa.record_batch(columns, batch.schema.names)


def _encodable(column: pa.ChunkedArray, name: str, file: str) -> tuple[pa.ChunkedArray, list[Issue]]:
    """Return a column with 〓 for each character that cp932 lacks, and an issue for each text that had one."""
    if not pa.types.is_string(column.type):
        return column, []
    missing = "".join(sorted(set().union(*(_missing_in_cp932(chunk) for chunk in column.chunks))))
    if _EM_DASH in missing:
        column = pc.replace_substring(column, _EM_DASH, _HORIZONTAL_BAR)
        missing = missing.replace(_EM_DASH, "")
    if not missing:
        return column, []
    pattern = f"[{missing}]"
    rows = np.flatnonzero(to_mask(combine(pc.fill_null(pc.match_substring_regex(column, pattern), False))))
    issues = []
    for row in rows.tolist():
        found = " ".join(f"U+{ord(sign):04X}" for sign in column[row].as_py() if sign in missing)
        issues.append(Issue("CP932_LACKS", field=name, found=found, location=Location(file, row + 1)))
    return pc.replace_substring_regex(column, pattern, GETA), issues


def _missing_in_cp932(texts: pa.Array) -> set[str]:
    """Return the characters of the texts that cp932 lacks."""
    offsets, letters = text_buffers(texts)
    used = letters[: offsets[-1]]
    if not (used >= 0x80).any():
        return set()
    signs = set(used.tobytes().decode("utf-8"))
    return {sign for sign in signs if sign in _PYTHON_ONLY or not sign.encode("cp932", "ignore")}
