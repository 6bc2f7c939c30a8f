"""Read a file in three ways, and compare: record by record, in fast batches, and in batches without ``_fast``."""

from __future__ import annotations

import io
from datetime import date
from typing import Any, NamedTuple, NoReturn

import pytest

from kokin import receipts
from kokin.issues import Issue
from kokin.model import Receipt
from kokin.receipts import _fast, layouts
from kokin.receipts.layouts import Layout

REFERENCE = date(2026, 4, 15)
LAYOUTS = [name for name in layouts.names() if layouts.load(name).receipt]


class Reading(NamedTuple):
    """The results of one reading."""

    rows: list[dict[str, Any]]
    totals: receipts.Totals
    issues: list[Issue]
    fatal_issues: list[Issue]


def synthetic(layout: str, rows: int = 60, seed: int = 1, newline: str | None = None) -> bytes:
    content = io.BytesIO()
    receipts.generate_sample(content, layout, rows, seed=seed, newline=newline)
    return content.getvalue()


def reading_of(content: bytes, layout: str | Layout, *, by_record: bool = False, **options: Any) -> Reading:
    """Read a file, rejected or not, by record or in batches."""
    file = receipts.open(io.BytesIO(content), layout, reference_date=REFERENCE, **options)
    rows: list[dict[str, Any]] = []
    try:
        if by_record:
            rows += (receipt.model_dump() for receipt in file)
        else:
            for batch in file.batches(rows=50):
                rows += batch.to_pylist()
    except receipts.FileRejectedError:
        assert file.fatal_issues
    totals = file.totals
    assert totals.read == totals.accepted + totals.unpaid + totals.rejected
    assert len(rows) == totals.accepted
    assert sum(row["amount"] for row in rows) == totals.accepted_yen
    return Reading(rows, totals, list(file.issues), list(file.fatal_issues))


def without_fast_reader(patch: pytest.MonkeyPatch) -> None:
    """Switch the fast reader off."""

    def fail(*arguments: Any, **options: Any) -> NoReturn:
        raise AssertionError("the fast reader was used though it is switched off")

    patch.setattr(_fast, "supports", lambda layout, columns: False)
    patch.setattr(_fast, "batches", fail)


def agree(content: bytes, layout: str | Layout, **options: Any) -> Reading:
    """Return a reading of a file after comparing the three ways to read it."""
    by_record = reading_of(content, layout, by_record=True, **options)
    batches = reading_of(content, layout, **options)
    with pytest.MonkeyPatch.context() as patch:
        without_fast_reader(patch)
        assert reading_of(content, layout, **options) == batches
    names = batches.rows[0].keys() if batches.rows else ()
    assert [{name: row[name] for name in names} for row in by_record.rows] == batches.rows
    default = Receipt(paid_on=REFERENCE, amount=1).model_dump()
    for row in by_record.rows:  # a column that the batches lack has its default
        assert all(row[name] == default[name] for name in row.keys() - names)
    assert by_record[1:] == batches[1:]
    return batches
