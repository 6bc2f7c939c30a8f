"""Consecutive headers of a rejected file, counted from the distinct cells of each field."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import NamedTuple

import pyarrow as pa

from kokin._arrow.convert import UInt8Array
from kokin.issues import InvalidInputError, Issue
from kokin.receipts._fast.ascii_words import CharsetCheck
from kokin.receipts._fields import cell_reader
from kokin.receipts.layouts import FieldType, Layout, RecordKind


class HeaderIssues(NamedTuple):
    """The number of issues of some headers, by code."""

    errors: Counter[str]
    warnings: Counter[str]


class HeaderReader:
    """Counts the issues of headers of one kind, which the record decoder would find in their fields."""

    def __init__(self, layout: Layout, kind: RecordKind, reference_date: date | None) -> None:
        self.kind = kind
        self._readers = [(f, cell_reader(f, layout, reference_date)) for f in kind.fields]
        kanji = [(kind.offsets[f.id], f.length) for f in kind.fields if f.type is FieldType.KANJI]
        self._charset = CharsetCheck(kind.width, kanji)

    def issues(self, rows: UInt8Array) -> HeaderIssues | None:
        """Return the issues of headers, uint8 (n, width); ``None`` if one of them has an unknown byte.

        The record decoder reports only the first unknown byte of a record, so these records are decoded.
        """
        if self._charset.invalid(rows, 0) is not None:
            return None
        errors, warnings = Counter[str](), Counter[str]()
        for f, read in self._readers:
            start = self.kind.offsets[f.id]
            cells = pa.py_buffer(rows[:, start : start + f.length].tobytes())
            counted = pa.Array.from_buffers(pa.binary(f.length), len(rows), [None, cells]).value_counts()
            for cell, count in zip(
                counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True
            ):
                found: list[Issue] = []
                try:
                    read(cell, found)
                except InvalidInputError as error:
                    code = error.issues[0].code
                    if code == "BYTE_UNKNOWN":
                        return None
                    errors[code] += count
                for issue in found:
                    (errors if issue.is_error else warnings)[issue.code] += count
        return HeaderIssues(errors, warnings)
