"""Duplicate records are found while a file is read, whichever part of it they are in."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import receipts
from kokin.receipts import _duplicates, _framing
from kokin.receipts._framing import frames
from tests.support import examples

REFERENCE = date(2026, 4, 15)
SIZES: list[tuple[Any, str, int]] = [
    (_framing, "_BLOCK_RECORDS", 20),
    (_framing, "_CSV_CHUNK_BYTES", 700),
    (_duplicates, "_CACHED_BYTES", 300),
    (_duplicates, "_CHUNK_ROWS", 30),
    (_duplicates, "_STEP_ROWS", 7),
]


def duplicates_of(content: bytes, layout: str) -> list[tuple[int | None, int | None, str]]:
    result = receipts.check(io.BytesIO(content), layout, reference_date=REFERENCE)
    found = [issue for issue in result.issues if issue.code == "RECORD_REPEATED"]
    return [(issue.location.record, issue.location.byte, issue.found) for issue in found]


def compared(content: bytes, layout: str) -> list[tuple[int | None, int | None, str]]:
    """Compare each detail record with all earlier ones."""
    file, first, found = receipts.open(io.BytesIO(content), layout, reference_date=REFERENCE), dict[bytes, int](), []
    decoder = file.decoder()
    for frame in frames(io.BytesIO(content), file.framing):
        if isinstance(frame, _framing.Frame):
            earlier = first.setdefault(frame.raw, frame.record_no)
            kind = file.layout.records.get(decoder.decode(frame).kind)
            if earlier != frame.record_no and kind and kind.role == "data":
                found.append((frame.record_no, frame.byte_offset, f"record {earlier}"))
    return found


@settings(deadline=None, max_examples=examples(60))
@given(st.data(), st.sampled_from(["zengin-91", "dsk-csv", "kokin-csv"]), st.sampled_from(["CRLF", "LF", ""]))
def test_the_duplicates_are_those_of_a_comparison_of_all_records(
    data: st.DataObject, layout: str, newline: str
) -> None:
    stream = io.BytesIO()
    newline = newline if layout == "zengin-91" else newline or "LF"
    receipts.generate_sample(stream, layout, 60, newline=newline)
    ending = {"CRLF": b"\r\n", "LF": b"\n", "": b""}[newline]
    content = stream.getvalue()
    lines = content.split(ending)[:-1] if ending else [content[at : at + 120] for at in range(0, len(content), 120)]
    for _ in range(data.draw(st.integers(0, 6))):
        line = data.draw(st.sampled_from(lines[1:]))
        changed = data.draw(st.sampled_from([line, line, line[:-1], line + b" ", b"", b"x\x00"]))
        lines.insert(data.draw(st.integers(1, len(lines))), changed)
    content = ending.join(lines) + data.draw(st.sampled_from([ending, b"", b"\x1a"]))
    with pytest.MonkeyPatch.context() as patch:
        for module, name, size in SIZES:
            patch.setattr(module, name, size)
        found = duplicates_of(content, layout)
    assert found == compared(content, layout)


def test_records_of_equal_hash_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    receipts.generate_sample(stream, "zengin-91", 60)
    monkeypatch.setattr(_duplicates, "_multipliers", lambda count: _duplicates._all_multipliers()[:count] * 0)
    assert duplicates_of(stream.getvalue(), "zengin-91") == []


def test_a_file_that_is_changed_before_its_duplicates_are_compared_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "91.dat"
    receipts.generate_sample(path, "zengin-91", 60, newline="LF")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], lines[2], *lines[3:]]))
    candidates = _duplicates.RecordHashes._candidates

    def changed(self: _duplicates.RecordHashes) -> Any:
        path.write_bytes(path.read_bytes().replace(b" ", b"0"))
        return candidates(self)

    monkeypatch.setattr(_duplicates.RecordHashes, "_candidates", changed)
    result = receipts.check(path, "zengin-91", reference_date=REFERENCE)
    assert "FILE_CHANGED" in result.fatal_issues.counts


@pytest.mark.parametrize("layout", ["zengin-91", "kokin-csv", "camt.054"])
def test_a_check_reads_a_file_without_duplicates_once(layout: str) -> None:
    class Counted(io.BytesIO):
        size = 0

        def read(self, size: int | None = -1) -> bytes:
            content = super().read(size)
            self.size += len(content)
            return content

    stream = Counted()
    receipts.generate_sample(stream, layout, 2000)
    stream.size = 0
    result = receipts.check(stream, layout, reference_date=REFERENCE, keep_receipts=True)
    assert result.receipts is not None
    assert result.receipts.num_rows == result.totals.accepted > 0
    # The first bytes are read once more, by which its framing is known and a change is noticed.
    assert stream.size <= len(stream.getvalue()) + 3 * (1 << 16)
