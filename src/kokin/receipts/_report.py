"""Check a receipt file (検査): totals and issues as a result, in JSON and in SARIF, and duplicate records of a file."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kokin._arrow.convert import Int64Array, UInt64Array
from kokin.issues import Issue, Location, Severity
from kokin.receipts._file import ReceiptFile, open  # noqa: A004
from kokin.receipts._framing import Block, Frame, Lines, blocks, frame_at
from kokin.receipts._issue_log import IssueLog
from kokin.receipts._session import FileRejectedError
from kokin.receipts._totals import Totals
from kokin.receipts.layouts import Layout

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_COUNTS = ("records", "read", "accepted", "unpaid", "rejected", "accepted_yen", "unpaid_yen", "rejected_yen")


@dataclass(frozen=True)
class CheckResult:
    """Result of a check: the file, its totals and its issues. It contains no personal data.

    ``issues`` is the list that ``check`` returns in every package. A file also has totals, and a file of a million
    invalid records has more issues than can be listed: ``issues`` keeps the first ones and counts all of them.
    """

    source: str
    """Name of the file."""
    layout: str
    """Name of the layout."""
    digest: str
    """SHA-256 of the file."""
    framing: str
    """Length and newline of the records, such as ``120 bytes and CRLF``."""
    totals: Totals
    issues: IssueLog
    """All issues, those of ``fatal_issues`` included."""
    fatal_issues: IssueLog
    """Issues that make the whole file unusable; empty for a file that is not rejected."""

    @property
    def is_rejected(self) -> bool:
        """Whether the whole file is rejected."""
        return bool(self.fatal_issues)

    @property
    def exit_code(self) -> int:
        """Exit code of a command: 0 clean, 1 issues or rejected records, 3 file rejected."""
        if self.is_rejected:
            return 3
        return 1 if self.totals.rejected or self.issues.total else 0

    def as_dict(self, language: str = "en") -> dict[str, Any]:
        """Return the result as plain values, for JSON. The texts are Japanese for ``"ja"``, else English."""
        return {
            "source": self.source,
            "layout": self.layout,
            "digest": self.digest,
            "framing": self.framing,
            "is_rejected": self.is_rejected,
            "counts": {name: getattr(self.totals, name) for name in _COUNTS},
            "declared": [
                {"field": total.field, "declared": total.declared, "counted": total.counted, "agrees": total.agrees}
                for total in self.totals.declared
            ],
            "issue_counts": dict(sorted(self.issues.counts.items())),
            "issues": [_issue_as_dict(issue, language) for issue in self.issues],
            "issues_not_shown": self.issues.dropped,
        }

    def as_sarif(self, language: str = "en") -> dict[str, Any]:
        """Return the issues as a SARIF 2.1.0 log, which editors and CI systems show at the location in the file."""
        from kokin import __version__

        codes = sorted(self.issues.counts)
        rules = [{"id": code, "shortDescription": {"text": Issue(code).message(_language(language))}} for code in codes]
        driver = {"name": "kokin", "version": __version__, "rules": rules}
        results = [_issue_as_sarif(issue, self.source, language) for issue in self.issues]
        return {
            "$schema": _SARIF_SCHEMA,
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "results": results}],
        }


def _language(language: str) -> Any:
    return "ja" if language == "ja" else "en"


def _issue_as_dict(issue: Issue, language: str) -> dict[str, Any]:
    return {
        "code": issue.code,
        "severity": issue.severity.value,
        "record": issue.location.record,
        "byte": issue.location.byte,
        **issue.message_params,
        "message": issue.message(_language(language)),
    }


def _issue_as_sarif(issue: Issue, source: str, language: str) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": source}}
    if issue.location.byte is not None:
        location["region"] = {"byteOffset": issue.location.byte}
    return {
        "ruleId": issue.code,
        "level": "error" if issue.severity is Severity.ERROR else "warning",
        "message": {"text": issue.describe(_language(language))},
        "locations": [{"physicalLocation": location}],
    }


def check(
    path: str | Path | BinaryIO,
    layout: str | Path | Layout,
    *,
    lenient: bool = False,
    reference_date: date | None = None,
    max_issues: int = 10_000,
) -> CheckResult:
    """Read a whole file and return its totals and issues. A rejected file is reported in the result, not raised.

    In addition to the issues of a reader, duplicate detail records within the file are reported. The arguments and the
    errors are those of :func:`kokin.receipts.open`.
    """
    file = open(path, layout, lenient=lenient, reference_date=reference_date, max_issues=max_issues)
    with suppress(FileRejectedError):  # reported in file.fatal_issues
        file.validate()
    if file.totals.complete:
        with suppress(FileRejectedError):  # the file has changed since: FILE_CHANGED is in file.fatal_issues
            file.issues.add(_duplicate_records(file))
    return CheckResult(
        source=file.source,
        layout=file.layout.name,
        digest=file.digest,
        framing="XML" if file.layout.xml else file.framing.describe(),
        totals=file.totals,
        issues=file.issues,
        fatal_issues=file.fatal_issues,
    )


# --- Duplicate records ------------------------------------------------------------------------------------------------

# Odd multipliers, one per 8-byte word of a record; seeded, so that every run finds the same candidates.
_MULTIPLIERS = np.random.default_rng(seed=4711).integers(1, 1 << 62, 4096, np.uint64) * np.uint64(2) + np.uint64(1)


def _duplicate_records(file: ReceiptFile) -> Iterator[Issue]:
    """Yield a warning for each detail record that equals an earlier one byte for byte.

    Records of equal 64-bit hash are candidates, and their bytes are compared, so a collision reports nothing. It needs
    24 bytes of memory per record. XML files have no records of bytes and are skipped.
    """
    if file.layout.xml:
        return
    with file.hashed() as stream:
        hashes, numbers, offsets = _hash_records(file, stream)
        order = np.argsort(hashes)
        is_equal_to_next = np.diff(hashes[order]) == 0
        is_candidate = np.zeros(len(hashes), np.bool_)
        is_candidate[order[1:][is_equal_to_next]] = True
        is_candidate[order[:-1][is_equal_to_next]] = True
        # A candidate that is a detail record and equals an earlier candidate is a duplicate.
        first_number: dict[bytes, int] = {}
        decoder = file.decoder()
        for offset, number in zip(offsets[is_candidate].tolist(), numbers[is_candidate].tolist(), strict=True):
            frame = frame_at(stream, file.framing, number, offset)
            earlier = first_number.setdefault(frame.raw, number)
            kind = file.layout.records.get(decoder.decode(frame).kind)
            if earlier != number and kind and kind.role == "data":
                location = Location(file.source, number, offset)
                yield Issue("RECORD_REPEATED", found=f"record {earlier}", location=location)


def _hash_records(file: ReceiptFile, stream: BinaryIO) -> tuple[UInt64Array, Int64Array, Int64Array]:
    """Return hash, number and byte offset of every record."""
    hashes, numbers, offsets = array("Q"), array("q"), array("q")
    for piece in blocks(stream, file.framing):
        if isinstance(piece, Block):
            rows = np.arange(piece.count)
            hashes.frombytes(_hash_block(piece).tobytes())
            numbers.frombytes((piece.record_no + rows).tobytes())
            offsets.frombytes(piece.offsets(rows).tobytes())
            continue
        for frame in piece if isinstance(piece, Lines) else [piece] if isinstance(piece, Frame) else []:
            hashes.append(int.from_bytes(hashlib.blake2b(frame.raw, digest_size=8).digest(), "little"))
            numbers.append(frame.record_no)
            offsets.append(frame.byte_offset)
    return np.frombuffer(hashes, np.uint64), np.frombuffer(numbers, np.int64), np.frombuffer(offsets, np.int64)


def _hash_block(block: Block) -> UInt64Array:
    """Return the multilinear hash of each record: the sum over its 8-byte words of word x multiplier, modulo 2**64."""
    padded = np.zeros((block.count, -(-block.width // 8) * 8), np.uint8)
    padded[:, : block.width] = block.rows[:, : block.width]
    words = padded.view("<u8")
    return np.asarray((words * np.resize(_MULTIPLIERS, words.shape[1])).sum(axis=1, dtype=np.uint64))
