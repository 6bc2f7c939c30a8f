"""The first bytes of a file: its framing, its header row, and what rejects it before a record is read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import BinaryIO

from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import redact
from kokin.receipts._fields import decode_cell
from kokin.receipts._framing import CHUNK_BYTES, FileFraming, detect, is_blank, split_row, with_line_feeds
from kokin.receipts.layouts import Layout

#: Enough to infer the framing, and to contain the header row of any CSV.
HEAD_BYTES = 1 << 16
_UTF_8_BOM = b"\xef\xbb\xbf"
_BOMS = (_UTF_8_BOM, b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Preamble:
    """What a file is before its first record."""

    framing: FileFraming
    columns: list[str] | None = None
    """The fields of a CSV by its header row, empty for a column that is ignored; ``None`` for those of the layout."""
    issues: list[Issue] = field(default_factory=list)
    fatal_issues: list[Issue] = field(default_factory=list)
    """Those for which the file is rejected and no record of it is read."""


def read_preamble(stream: BinaryIO, layout: Layout, source: str, *, lenient: bool) -> Preamble:
    """Read the preamble of a file from its beginning.

    More than ``HEAD_BYTES`` are read only of a file that begins with so much padding.
    """
    issues = [] if layout.verified else [Issue("LAYOUT_UNVERIFIED", found=layout.name, location=Location(source))]
    if layout.xml:
        return Preamble(FileFraming(b"", 0), None, issues)
    fatal_issues: list[Issue] = []
    location = Location(source, byte=0)
    head, start = stream.read(HEAD_BYTES), 0
    mark = next((mark for mark in _BOMS if head.startswith(mark)), b"")
    if mark == _UTF_8_BOM and layout.csv and layout.csv.bom:
        start = len(mark)
    elif mark == _UTF_8_BOM and lenient:
        start = len(mark)
        issues.append(Issue("BOM_PASSED_OVER", found=mark.hex(" "), location=location))
    elif mark:
        fatal_issues.append(Issue("FILE_BOM", found=mark.hex(" "), location=location))
    chunks = chain([head[len(mark) :]], iter(lambda: stream.read(CHUNK_BYTES), b""))
    if all(is_blank(chunk, layout) for chunk in chunks):
        fatal_issues.append(Issue("FILE_EMPTY", location=location))
    preamble = Preamble(detect(head, layout, start), None, issues, fatal_issues)
    return preamble if layout.csv is None or fatal_issues else _with_header_row(preamble, head[start:], layout, source)


def _with_header_row(preamble: Preamble, head: bytes, layout: Layout, source: str) -> Preamble:
    """Return the preamble of a CSV with what its first row that is not blank adds; ``head`` begins with that row."""
    head = with_line_feeds(head, is_whole=False)
    csv, framing = layout.csv, preamble.framing
    assert csv is not None
    location = Location(source, byte=framing.start)

    def rejected(*fatal_issues: Issue) -> Preamble:
        return replace(preamble, fatal_issues=[issue.with_location(location) for issue in fatal_issues])

    if csv.error_prefix and head.startswith(csv.error_prefix.encode()):
        answer = head.partition(b"\n")[0].removeprefix(csv.error_prefix.encode()).decode("cp932", "replace")
        return rejected(Issue("FILE_ERROR_ANSWER", found=csv.error_prefix + redact(answer.strip())))
    lines = head.split(b"\n")
    blank_lines = next((i for i, line in enumerate(lines) if not is_blank(line, layout)), 0)
    row = lines[blank_lines] + (b"\n" if blank_lines < len(lines) - 1 else b"")
    try:
        names = [
            decode_cell(cell, layout.encoding).strip() for cell in split_row(row.rstrip(b"\r\n"), framing.delimiter)
        ]
    except InvalidInputError as error:
        return rejected(*error.issues)
    if csv.header == "none" or (csv.header == "any" and any(name.isdecimal() for name in names)):
        return preamble
    fatal_issues = [issue.with_location(location) for issue in _header_issues(names, layout)]
    issues = list(preamble.issues)
    if blank_lines:
        found = f"{blank_lines} lines" if blank_lines > 1 else ""
        issues.append(Issue("LINE_BLANK", found=found, location=location))
    start = framing.start + sum(len(line) + 1 for line in lines[:blank_lines]) + len(row)
    by_column = layout.data.by_column
    columns = [by_column[name].id if name in by_column else "" for name in names] if csv.header == "names" else None
    return Preamble(replace(framing, start=start), columns, issues, fatal_issues)


def _header_issues(names: list[str], layout: Layout) -> list[Issue]:
    """Return the issues of the names in a header row."""
    fields = layout.data.fields
    if layout.csv is None or layout.csv.header != "names":
        if len(names) == len(fields):
            return []
        # A header row of other columns belongs to another layout: each of its rows would be invalid.
        return [Issue("COLUMNS_COUNT", field="", expected=f"{len(fields)} columns", found=f"{len(names)} columns")]
    # In a file without a header row this is a payment, and a cell of it may be a name (氏名): it is never shown.
    issues = [
        Issue("FIELD_UNKNOWN", field=f"column {number}")
        for number, name in enumerate(names, 1)
        if name not in layout.data.by_column and layout.csv.other_columns == "reject"
    ]
    issues += [Issue("COLUMN_TWICE", field=f.id, found=f.column) for f in fields if names.count(f.column_name) > 1]
    missing = [f for f in fields if f.required and f.column_name not in names]
    return issues + [Issue("FIELD_MISSING", field=f.id, expected=f.column and f"a column {f.column}") for f in missing]
