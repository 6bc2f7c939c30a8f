"""Files are read in blocks: the size of a block does not change the result."""

from __future__ import annotations

import importlib
import io
import random
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import receipts
from kokin._arrow.threads import lazy_thread_map
from kokin.receipts import _framing, _totals, layouts
from kokin.receipts._fast import ascii_words
from kokin.receipts._record import Decoder
from tests.support import examples

fast_batches = importlib.import_module("kokin.receipts._fast.batches")  # the package exports a function of this name
REFERENCE = date(2026, 4, 15)
LAYOUTS = [name for name in layouts.names() if layouts.load(name).receipt and layouts.load(name).format != "xml"]
# Small sizes, so that a file of some hundred records has many blocks.
SIZES: list[tuple[Any, str, int]] = [
    (_framing, "_BLOCK_RECORDS", 37),
    (_framing, "_CSV_CHUNK_BYTES", 5000),
    (_framing, "_CACHED_BYTES", 700),
    (ascii_words, "_CACHED_BYTES", 700),
    (fast_batches, "_GROUP_RECORDS", 50),
]


def reading_of(content: bytes, layout: str, *, by_record: bool = False, **options: Any) -> tuple[Any, ...]:
    """Return the rows, whether the file was rejected, the totals and the issues with their counts."""
    file = receipts.open(io.BytesIO(content), layout, reference_date=REFERENCE, **options)
    rows: list[dict[str, Any]] = []
    is_rejected = False
    try:
        if by_record:
            rows += (receipt.model_dump(include={"record_no"}) for receipt in file)
        for batch in () if by_record else file.batches():
            rows += batch.to_pylist()
    except receipts.FileRejectedError:
        is_rejected = True
    issues, fatal_issues = file.issues, file.fatal_issues
    return rows, is_rejected, file.totals, list(issues), list(fatal_issues), issues.counts, fatal_issues.counts


def damaged(data: st.DataObject, layout: str, newline: str, rows: int = 300) -> bytes:
    """Return an invented file with up to eight changes of its bytes, some of them in each of several records."""
    stream = io.BytesIO()
    fixed = layouts.load(layout).format == "fixed"
    receipts.generate_sample(stream, layout, rows, seed=3, newline=newline if fixed else newline or "LF")
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        changed = data.draw(st.sampled_from([b"X", b" ", b"\n", b"0", b'"', b"\xff", b"\xb1", b","]))
        removed = data.draw(st.integers(0, 1))
        for position in range(at, len(content), data.draw(st.sampled_from([118, 122, 203, 1000, len(content)]))):
            content[position : position + removed] = changed
    return bytes(content)


@settings(deadline=None, max_examples=examples(60))
@given(st.data(), st.sampled_from(LAYOUTS), st.sampled_from(["CRLF", "LF", ""]), st.booleans())
def test_small_blocks_give_the_same_result(data: st.DataObject, layout: str, newline: str, lenient: bool) -> None:
    content = damaged(data, layout, newline)
    whole = reading_of(content, layout, lenient=lenient)
    with pytest.MonkeyPatch.context() as patch:
        for module, name, size in SIZES:
            patch.setattr(module, name, size)
        assert reading_of(content, layout, lenient=lenient) == whole


@settings(deadline=None, max_examples=examples(30))
@given(st.data(), st.sampled_from(LAYOUTS), st.sampled_from(["CRLF", "LF", ""]), st.integers(0, 4))
def test_threads_that_end_in_any_order_give_the_same_result(
    data: st.DataObject, layout: str, newline: str, seed: int
) -> None:
    content, delays = damaged(data, layout, newline), random.Random(seed)

    def one_thread(work: Any, items: Any, **options: Any) -> Any:
        return map(work, items)

    def delayed(work: Any, items: Any, **options: Any) -> Any:
        def slow(item: Any) -> Any:
            time.sleep(delays.random() / 1000)
            return work(item)

        return lazy_thread_map(slow, items, 4, **options)

    with pytest.MonkeyPatch.context() as patch:
        for module, name, size in SIZES:
            patch.setattr(module, name, size)
        patch.setattr(fast_batches, "lazy_thread_map", one_thread)
        expected = reading_of(content, layout)
        patch.setattr(fast_batches, "lazy_thread_map", delayed)
        assert reading_of(content, layout) == expected


@settings(deadline=None, max_examples=examples(100))
@given(
    st.data(), st.sampled_from(LAYOUTS), st.sampled_from(["CRLF", "LF", ""]), st.booleans(), st.sampled_from([0, 1, 5])
)
def test_issues_that_are_not_listed_are_counted(
    data: st.DataObject, layout: str, newline: str, lenient: bool, max_issues: int
) -> None:
    content = damaged(data, layout, newline)
    by_record = reading_of(content, layout, by_record=True, lenient=lenient)
    batches = reading_of(content, layout, lenient=lenient, max_issues=max_issues)
    assert [row["record_no"] for row in batches[0]] == [row["record_no"] for row in by_record[0]]
    assert batches[1:3] == by_record[1:3]
    assert batches[5:] == by_record[5:]
    assert batches[3] == by_record[3][:max_issues]
    assert batches[4] == by_record[4][:max_issues]


@pytest.mark.parametrize("newline", ["LF", ""])
@pytest.mark.parametrize("layout", ["zengin-91", "zengin-01", "zengin-03"])
def test_headers_only_are_counted_as_one_by_one(layout: str, newline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_totals, "MAX_CONTROL_RECORDS", 20)
    stream = io.BytesIO()
    receipts.generate_sample(stream, layout, 20, newline=newline)
    content, end = stream.getvalue(), b"\n" if newline else b""
    width = layouts.load(layout).width or 0
    header, rest = content[: width + len(end)], content[width + len(end) :]
    invalid = b"1" + b"0" * (width - 1) + end
    unknown_byte = header[: width - 1] + b"\xff" + end
    content = header * 40 + invalid * 150 + header + rest[: 3 * len(header)] + unknown_byte * 150 + header * 30 + rest
    by_record = reading_of(content, layout, by_record=True, max_issues=5)
    decoded: list[int] = []
    decode = Decoder.decode
    monkeypatch.setattr(
        Decoder, "decode", lambda self, frame, *only: (decoded.append(frame.record_no), decode(self, frame, *only))[1]
    )
    assert reading_of(content, layout, max_issues=5)[1:] == by_record[1:]
    assert len(decoded) < 160  # of 393 headers and details


def test_a_chunk_may_have_as_many_rows_as_bytes() -> None:
    head = b"payee_code,item_code,case_key,confirmation,amount,paid_on\n"
    valid = b"99999,127,1,123456,7,2026-04-01\n"
    content = head + valid + b"x\n" * 70_000 + valid
    rows, is_rejected, totals, issues, *_ = reading_of(content, "kokin-csv", lenient=False)
    assert ([row["record_no"] for row in rows], is_rejected) == ([1, 70_002], False)
    assert (totals.rejected, len(issues)) == (70_000, 10_000)


def test_reading_does_not_import_pandas(tmp_path: Path) -> None:
    """Arrow imports it to convert Python values, which takes longer than to read the file of a day."""
    for layout in ("zengin-91", "dsk-csv"):
        receipts.generate_sample(tmp_path / layout, layout, 100)
    code = """
import sys
from datetime import date
from pathlib import Path
from kokin import receipts

class Finder:
    def find_spec(self, name, path, target=None):
        assert name != "pandas"

sys.meta_path.insert(0, Finder())
for path in Path(sys.argv[1]).iterdir():
    assert receipts.read(path, path.name, reference_date=date(2026, 4, 15)).table.num_rows
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


@pytest.mark.parametrize("layout", ["zengin-91", "kokin-csv"])
def test_a_line_too_long_for_a_record_is_split(layout: str) -> None:
    stream = io.BytesIO()
    receipts.generate_sample(stream, layout, 20, newline="LF")
    lines = stream.getvalue().splitlines(keepends=True)
    content = b"".join([*lines[:5], b"2," * 100_000, b"\n", *lines[5:]])
    issues = reading_of(content, layout, lenient=False)[3]
    offsets = {issue.location.record: (issue.location.byte or 0) - sum(map(len, lines[:5])) for issue in issues}
    first = 6 if layout == "zengin-91" else 5  # the header row is no record
    assert {record: at for record, at in offsets.items() if record and record < 20} == {
        first + i: i * 65_536 for i in range(4)
    }


def with_amount_zero(record: bytes, layout: str, header: bytes) -> bytes:
    """Return a detail record with the amount 0."""
    kind, name = layouts.load(layout).data, layouts.load(layout).receipt["amount"].field
    if layouts.load(layout).width:
        start, length = kind.offsets[name], kind.by_id[name].length
        return record[:start] + b"0" * length + record[start + length :]
    columns, cells = header.split(b","), record.split(b",")
    at = columns.index(name.encode()) if name.encode() in columns else list(kind.by_id).index(name)
    return b",".join([*cells[:at], b"0", *cells[at + 1 :]])


def mixed(data: st.DataObject, layout: str, newline: str) -> bytes:
    """Return an invented file with valid records, and some of other shapes between them in a repeated order."""
    width = layouts.load(layout).width
    stream = io.BytesIO()
    receipts.generate_sample(stream, layout, 40, seed=5, newline=newline if width else newline or "LF")
    ending = {"CRLF": b"\r\n", "LF": b"\n", "": b"" if width else b"\n"}[newline]
    content = stream.getvalue()
    lines = content.split(ending)[:-1] if ending else [content[i : i + width] for i in range(0, len(content), width)]
    head, valid, tail = lines[:1], lines[1:-2], lines[-2:]
    record = valid[0]
    others = [
        record,
        bytes(b"X"[0] if 48 <= byte <= 57 and i else byte for i, byte in enumerate(record)),
        record[:1] + b"?" + record[2:],
        b"7" + record[1:],
        head[0],
        tail[0],
        b" " * len(record),
        b"\0" * len(record),
        b" " * (len(record) - 1) + b"\x1a",
        with_amount_zero(record, layout, head[0]),
    ]
    if ending:
        others += [b"", b"x", b"2", b"1", b" ", b"\0", record[:-1], record + b" ", record + b"\0", b'"' * 9, b",,,"]
    for _ in range(data.draw(st.integers(1, 4))):
        pattern = data.draw(st.lists(st.sampled_from(others), min_size=1, max_size=5))
        at = data.draw(st.integers(0, len(valid)))
        valid[at:at] = pattern * data.draw(st.sampled_from([1, 2, 20, 60]))
    last = data.draw(st.sampled_from([ending, b"", b"\x1a", ending * 3]))
    return ending.join([*head, *valid, *tail]) + last


@settings(deadline=None, max_examples=examples(100))
@given(
    st.data(),
    st.sampled_from(LAYOUTS),
    st.sampled_from(["CRLF", "LF", ""]),
    st.booleans(),
    st.sampled_from([0, 3, 9999]),
)
def test_records_among_other_lines_are_read_as_one_by_one(
    data: st.DataObject, layout: str, newline: str, lenient: bool, max_issues: int
) -> None:
    content = mixed(data, layout, newline)
    by_record = reading_of(content, layout, by_record=True, lenient=lenient)
    with pytest.MonkeyPatch.context() as patch:
        for module, name, size in SIZES if data.draw(st.booleans()) else ():
            patch.setattr(module, name, size)
        batches = reading_of(content, layout, lenient=lenient, max_issues=max_issues)
    assert [row["record_no"] for row in batches[0]] == [row["record_no"] for row in by_record[0]]
    assert batches[1:3] == by_record[1:3]
    assert batches[5:] == by_record[5:]
    assert batches[3] == by_record[3][:max_issues]
    assert batches[4] == by_record[4][:max_issues]


@settings(deadline=None, max_examples=examples(100))
@given(st.data(), st.sampled_from(["zengin-91", "kokin-csv"]), st.sampled_from(["CRLF", "LF"]))
def test_the_frames_are_the_lines_between_the_newlines(data: st.DataObject, layout: str, newline: str) -> None:
    content = mixed(data, layout, newline)
    file = receipts.open(io.BytesIO(content), layout, reference_date=REFERENCE)
    with pytest.MonkeyPatch.context() as patch:
        for module, name, size in SIZES:
            patch.setattr(module, name, size)
        found = [*_framing.frames(io.BytesIO(content), file.framing)]
    start = file.framing.start
    lines = content[start:].split({"CRLF": b"\r\n", "LF": b"\n"}[newline])
    padding = file.framing.padding_bytes
    while not lines[-1].strip(padding):
        del lines[-1]
    for number, line in enumerate(lines[:-1], 1):
        if line.strip(padding):
            frame = found.pop(0)
            assert isinstance(frame, _framing.Frame)
            assert frame[:3] == (number, content.index(line, start) if number == 1 else frame.byte_offset, line)
            assert content[frame.byte_offset :].startswith(line)
        elif number == 1 or lines[number - 2].strip(padding):
            blank = found.pop(0)
            assert isinstance(blank, _framing.Blank)
            assert blank.record_no == number
            assert not any(each.strip(padding) for each in lines[number - 1 : number - 1 + blank.count])
    (last,) = found
    assert (last.record_no, isinstance(last, _framing.Frame)) == (len(lines), True)
