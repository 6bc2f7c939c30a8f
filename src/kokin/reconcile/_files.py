"""The receipt files of a run: what they declare, what was read of them, and which of them overlap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import combine
from kokin.model import Finding
from kokin.reconcile._columns import coded
from kokin.reconcile._controls import STATEMENTS, Control
from kokin.reconcile._findings import of_sources
from kokin.reconcile._lines import Lines

if TYPE_CHECKING:
    from kokin.receipts import Totals


class FileTotal(NamedTuple):
    """A total of a file, told twice."""

    file: str
    record_no: int | None
    field: str
    expected: int
    found: int
    unsure: bool = False
    """Whether the two cannot be compared; see :attr:`kokin.receipts.DeclaredTotal.unsure`."""

    @property
    def differs(self) -> bool:
        """Whether the two are known to be different."""
        return self.expected != self.found and not self.unsure


def file_totals(lines: Lines, files: Mapping[str, Totals]) -> list[FileTotal]:
    """Every total of some files: what they declare against their records, what was accepted against the run.

    Args:
        lines: the receipts.
        files: the totals of files that have been read to their end, by the file's SHA-256 as receipts carry it.
    """
    digest, source = coded(lines.text("digest")), lines.text("source")
    known = np.flatnonzero(digest.codes >= 0)
    record = lines.whole("record_no")[known]
    # A file may be among the receipts more than once; each of its records is one.
    named = np.where(record > 0, record, -1 - np.arange(len(known)))
    _, once = np.unique(np.stack([digest.codes[known].astype(np.int64), named]), axis=1, return_index=True)
    known = known[np.sort(once)]
    codes = digest.codes[known]
    count, yen = np.bincount(codes, minlength=len(digest.words)), np.zeros(len(digest.words), np.int64)
    np.add.at(yen, codes, lines.amount[known])
    first = dict(zip(*(column.tolist() for column in np.unique(codes, return_index=True)), strict=True))
    told = []
    for name, totals in files.items():
        code = digest.words.index(name) if name in digest.words else None
        file = name if code is None else source[int(known[first[code]])].as_py() or name
        here = (0, 0) if code is None else (int(count[code]), int(yen[code]))
        told += [FileTotal(file, t.location.record, t.field, t.declared, t.counted, t.unsure) for t in totals.declared]
        told.append(FileTotal(file, None, "records", totals.accepted, here[0]))
        told.append(FileTotal(file, None, "amount", totals.accepted_yen, here[1]))
    return told


def file_control(told: list[FileTotal]) -> Control:
    """T1: the yen of the run's records against what was accepted; broken by any total that does not agree."""
    yen = [total for total in told if total.field == "amount"]
    wrong, unsure = (
        tuple(f"{total.file} {total.field}" for total in told if getattr(total, name)) for name in ("differs", "unsure")
    )
    left, right = sum(total.found for total in yen), sum(total.expected for total in yen)
    return Control("T1", STATEMENTS["T1"], left, right, wrong, unsure)


def overlap_findings(overlaps: pa.Table) -> pa.Table:
    """The files that repeat records of others (FILE_OVERLAPS), from the table of :func:`kokin.reconcile.overlaps`."""
    name, other = (
        pc.if_else(
            pc.equal(overlaps.column(f"{prefix}source"), ""),
            *(overlaps.column(f"{prefix}{field}") for field in ("digest", "source")),
        )
        for prefix in ("", "other_")
    )
    counts = [overlaps.column(field).cast(pa.string()) for field in ("repeated", "records")]
    found = pc.binary_join_element_wise(pc.binary_join_element_wise(*counts, " of "), other, " in ")
    return of_sources(
        Finding.FILE_OVERLAPS, combine(name), "records", "in no other file", combine(found), len(overlaps)
    )


def file_findings(told: list[FileTotal]) -> pa.Table:
    """The totals that do not agree."""
    wrong = [total for total in told if total.differs]
    file, field, expected, found = (
        pa.array([str(getattr(total, name)) for total in wrong], pa.string())
        for name in ("file", "field", "expected", "found")
    )
    record_no = pa.array([total.record_no for total in wrong], pa.int64())
    return of_sources(Finding.TOTAL_MISMATCH, file, field, expected, found, len(wrong), record_no)
