"""Files are read in blocks: the size of a block does not change the result."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import receipts
from kokin.receipts import _framing, layouts
from kokin.receipts._fast import ascii_words
from tests.support import examples

REFERENCE = date(2026, 4, 15)
LAYOUTS = [name for name in layouts.names() if layouts.load(name).receipt and layouts.load(name).format != "xml"]
# Small sizes, so that a file of some hundred records has many blocks.
SIZES: list[tuple[Any, str, int]] = [
    (_framing, "_BLOCK_RECORDS", 37),
    (_framing, "_CSV_CHUNK_BYTES", 5000),
    (_framing, "_CACHED_BYTES", 700),
    (ascii_words, "_CACHED_BYTES", 700),
]


def reading_of(content: bytes, layout: str, *, lenient: bool) -> tuple[Any, ...]:
    """Return the rows, whether the file was rejected, the totals and the issues."""
    file = receipts.open(io.BytesIO(content), layout, reference_date=REFERENCE, lenient=lenient)
    rows: list[dict[str, Any]] = []
    is_rejected = False
    try:
        for batch in file.batches():
            rows += batch.to_pylist()
    except receipts.FileRejectedError:
        is_rejected = True
    return rows, is_rejected, file.totals, list(file.issues), list(file.fatal_issues)


@settings(deadline=None, max_examples=examples(60))
@given(st.data(), st.sampled_from(LAYOUTS), st.sampled_from(["CRLF", "LF", ""]), st.booleans())
def test_small_blocks_give_the_same_result(data: st.DataObject, layout: str, newline: str, lenient: bool) -> None:
    stream = io.BytesIO()
    fixed = layouts.load(layout).format == "fixed"
    receipts.generate_sample(stream, layout, 300, seed=3, newline=newline if fixed else newline or "LF")
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 1))] = data.draw(
            st.sampled_from([b"X", b" ", b"\n", b"0", b'"', b"\xff", b"\xb1"])
        )
    whole = reading_of(bytes(content), layout, lenient=lenient)
    with pytest.MonkeyPatch.context() as patch:
        for module, name, size in SIZES:
            patch.setattr(module, name, size)
        assert reading_of(bytes(content), layout, lenient=lenient) == whole


def test_a_chunk_may_have_as_many_rows_as_bytes() -> None:
    head = b"payee_code,item_code,case_key,confirmation,amount,paid_on\n"
    valid = b"99999,127,1,123456,7,2026-04-01\n"
    content = head + valid + b"x\n" * 70_000 + valid
    rows, is_rejected, totals, issues, _ = reading_of(content, "kokin-csv", lenient=False)
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
