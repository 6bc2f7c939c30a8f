"""Consecutive headers of a rejected file, counted from the distinct cells of each field."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import UInt8Array, buffer_view
from kokin.issues import InvalidInputError, Issue
from kokin.receipts._fast.ascii_words import CharsetCheck
from kokin.receipts._fields import cell_reader, decode_cell
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

    def issues(self, rows: UInt8Array) -> HeaderIssues:
        """Return the issues of headers, uint8 (n, width). As in the record decoder, a header has one unknown byte."""
        errors, warnings = Counter[str](), Counter[str]()
        has_unknown_byte = np.zeros(len(rows), np.bool_)
        if (invalid := self._charset.invalid(rows, 0)) is not None:
            has_unknown_byte |= invalid
        for f, read in self._readers:
            start = self.kind.offsets[f.id]
            cells = pa.py_buffer(rows[:, start : start + f.length].tobytes())
            distinct = pa.Array.from_buffers(pa.binary(f.length), len(rows), [None, cells]).dictionary_encode()
            indexes, texts = buffer_view(distinct.indices, np.int32), distinct.dictionary.to_pylist()
            for cell, count in zip(texts, np.bincount(indexes).tolist(), strict=True):
                found: list[Issue] = []
                try:
                    read(cell, found)
                except InvalidInputError as error:
                    found += error.issues
                for issue in found:
                    if issue.code != "BYTE_UNKNOWN":
                        (errors if issue.is_error else warnings)[issue.code] += count
            if f.type is FieldType.KANJI:
                has_unknown_byte |= np.array([_has_unknown_byte(cell) for cell in texts])[indexes]
        return HeaderIssues(errors + Counter(BYTE_UNKNOWN=int(np.count_nonzero(has_unknown_byte))), warnings)


def _has_unknown_byte(cell: bytes) -> bool:
    """Whether a kanji cell has a byte that its character set does not have."""
    try:
        decode_cell(cell, "cp932")
    except InvalidInputError:
        return True
    return False
