"""Arbitrary bytes: a reader raises no unexpected exception, and every record is counted."""

from __future__ import annotations

import io
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokin import receipts
from kokin.receipts import layouts
from tests.support import examples

REFERENCE = date(2026, 4, 15)


def check_invariants(content: bytes, layout: str, *, lenient: bool = False) -> None:
    """Read bytes by record and by check, and compare the counts with the records and issues."""
    file = receipts.open(io.BytesIO(content), layout, reference_date=REFERENCE, lenient=lenient)
    try:
        records = list(file.records())
    except receipts.FileRejectedError:
        records = None
    totals = file.totals
    assert totals.read == totals.accepted + totals.unpaid + totals.rejected
    invalid = {issue.location.record for issue in file.issues if issue.is_error}
    assert len(invalid - {None}) >= totals.rejected
    if records is None:
        assert file.fatal_issues
    else:
        assert len(records) == totals.records
        assert sum(not record.is_valid for record in records) == totals.rejected
    report = receipts.check(io.BytesIO(content), layout, reference_date=REFERENCE, lenient=lenient)
    assert report.is_rejected == (records is None)
    assert report.totals == totals
    report.as_dict("ja")
    report.as_sarif("ja")


SEEDS: dict[str, bytes] = {}
for _name in layouts.names():
    _content = io.BytesIO()
    receipts.generate_sample(_content, _name, 4, seed=9)
    SEEDS[_name] = _content.getvalue()


@settings(deadline=None, max_examples=examples(150))
@given(st.sampled_from(sorted(SEEDS)), st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_without_an_unexpected_exception(layout: str, content: bytes, lenient: bool) -> None:
    check_invariants(content, layout, lenient=lenient)


@settings(deadline=None, max_examples=examples(200))
@given(st.sampled_from(sorted(SEEDS)), st.data(), st.booleans())
def test_any_bytes_inserted_into_a_valid_file(layout: str, data: st.DataObject, lenient: bool) -> None:
    content = bytearray(SEEDS[layout])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = start + data.draw(st.integers(0, 200))
        content[start:end] = data.draw(st.binary(max_size=200) | st.just(bytes(content[start - 50 : start])))
    check_invariants(bytes(content), layout, lenient=lenient)


@pytest.mark.parametrize("layout", sorted(SEEDS))
def test_a_file_cut_at_any_byte(layout: str) -> None:
    content = SEEDS[layout]
    whole = receipts.check(io.BytesIO(content), layout, reference_date=REFERENCE)
    assert not whole.is_rejected
    for end in range(0, len(content), 37):
        check_invariants(content[:end], layout)
