"""Texts on the slips of single bills, from a CSV beside the bills."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kokin.issues import InvalidInputError, Issue, Location

_KEY = "bill_id"
_TEXTS = ("notice_number", "honorific", "period", "note")
_TABLES = ("registrations", "remarks")
_ENCODINGS = ("utf-8-sig", "cp932")


class SlipNotes:
    """The texts that differ from bill to bill and are not in the file of bills, such as the months of a meter reading.

    A CSV (UTF-8 or cp932) with a header: ``bill_id``, and any of ``notice_number``, ``honorific``, ``period``,
    ``note``, ``registrations``, ``remarks``, which are fields of :class:`SlipText`. The last two name parts of the
    bill: ``water-charge=内消費税 680円;sewerage-charge=内消費税 438円``. An empty cell leaves the text of the wording.
    """

    def __init__(self, texts: Mapping[str, Mapping[str, Any]]) -> None:
        self._texts = texts

    def of(self, bill_id: str) -> Mapping[str, Any]:
        """Return the fields of a bill by name; empty for a bill without notes."""
        return self._texts.get(bill_id, {})

    @classmethod
    def load(cls, path: str | Path) -> SlipNotes:
        """Read the notes of all bills.

        Raises:
            InvalidInputError: no ``bill_id``, an unknown column, a row with another number of cells, a ``bill_id`` with
                two rows, or a text that is not ``part=text;part=text``.
            OSError: the file cannot be read.
        """
        path = Path(path)
        rows = csv.reader(io.StringIO(_decode(path), newline=""))
        header = next(rows, [])
        issues = [
            Issue("FIELD_UNKNOWN", field=name, expected=", ".join((_KEY, *_TEXTS, *_TABLES)))
            for name in header
            if name not in (_KEY, *_TEXTS, *_TABLES)
        ]
        if _KEY not in header:
            issues.append(Issue("FIELD_MISSING", field=_KEY))
        if issues:
            raise InvalidInputError([issue.with_location(Location(path.name)) for issue in issues], "invalid notes")
        texts: dict[str, Mapping[str, Any]] = {}
        for record, cells in enumerate(rows, 1):
            if not cells:
                continue
            row = dict(zip(header, cells, strict=False))
            issue = _row_problem(row, len(header), len(cells), texts)
            if issue:
                raise InvalidInputError([issue.with_location(Location(path.name, record))], "invalid notes")
            fields = {name: row[name] for name in _TEXTS if row.get(name)}
            texts[row[_KEY]] = fields | {name: _parse(row[name]) for name in _TABLES if row.get(name)}
        return cls(texts)


def _decode(path: Path) -> str:
    content = path.read_bytes()
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    issue = Issue("BYTE_UNKNOWN", expected="UTF-8 or cp932", location=Location(path.name))
    raise InvalidInputError([issue], "invalid notes")


def _row_problem(row: Mapping[str, str], width: int, count: int, texts: Mapping[str, object]) -> Issue | None:
    if count != width:
        return Issue("COLUMNS_COUNT", expected=str(width), found=str(count))
    if row[_KEY] in texts:
        return Issue("SLIP_DUPLICATE", field=_KEY, expected="one row per bill")
    for name in _TABLES:
        if not all("=" in pair for pair in row.get(name, "").split(";") if pair):
            return Issue("PARTS_FORM", field=name, expected="part=text;part=text")
    return None


def _parse(pairs: str) -> dict[str, str]:
    """Return the texts by part of ``part=text;part=text``."""
    named = (pair.partition("=") for pair in pairs.split(";") if pair)
    return {part: text for part, _, text in named}
