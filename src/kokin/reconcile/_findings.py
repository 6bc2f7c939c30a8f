"""What law and policy find beside the outcomes: rows for those who look into them, and no yen moved."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import BoolArray, Int64Array, bool_array, from_numpy, to_mask
from kokin.model import Finding, Outcome
from kokin.reconcile._billed import Billed
from kokin.reconcile._columns import days_array
from kokin.reconcile._lines import Lines
from kokin.reconcile._policy import Policy
from kokin.reconcile._tables import EXCEPTION_COLUMNS
from kokin.reconcile._years import book

#: The columns of every table of exceptions.
FINDING_SCHEMA = pa.schema(
    [
        *((name, pa.int64() if name in ("record_no", "amount") else pa.string()) for name in EXCEPTION_COLUMNS),
        ("field", pa.string()),
        ("expected", pa.string()),
        ("found", pa.string()),
    ]
)

#: One text for all rows, or one for each.
Texts: TypeAlias = str | pa.Array


def of_lines(finding: Finding, lines: Lines, at: Int64Array, field: Texts, expected: Texts, found: Texts) -> pa.Table:
    """Findings of some lines, one each; a null is told as nothing."""
    told = lines.told.take(from_numpy(at, pa.int64())).select(list(EXCEPTION_COLUMNS))
    columns = [*told.columns, *(_filled(texts, len(at)) for texts in (field, expected, found))]
    columns[EXCEPTION_COLUMNS.index("outcome")] = _filled(finding.value, len(at))
    return pa.table(columns, schema=FINDING_SCHEMA)


def of_sources(
    finding: Finding,
    source: Texts,
    field: Texts,
    expected: Texts,
    found: Texts,
    count: int,
    record_no: pa.Array | None = None,
) -> pa.Table:
    """Findings of files, reports and days: of no single receipt."""
    given = {"source": source, "outcome": finding.value, "field": field, "expected": expected, "found": found}
    columns = {name: _filled(texts, count) for name, texts in given.items()}
    if record_no is not None:
        columns["record_no"] = record_no
    return pa.table([columns.get(f.name, pa.nulls(count, f.type)) for f in FINDING_SCHEMA], schema=FINDING_SCHEMA)


def _filled(texts: Texts, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(texts), count) if isinstance(texts, str) else pc.fill_null(texts.cast(pa.string()), "")


def texts_of(values: npt.NDArray[Any]) -> pa.Array:
    """Yen or days as texts; null for NaT."""
    return (days_array(values) if values.dtype.kind == "M" else from_numpy(values, pa.int64())).cast(pa.string())


def wrong_body(lines: Lines, billed: Billed, policy: Policy) -> pa.Table:
    """Receipts that name a body which is not served here."""
    payee = lines.text("payee_code")
    served = policy.payee_codes or sorted(pc.unique(billed.text("payee_code")).to_pylist())
    strange = pc.invert(pc.is_in(payee, value_set=pa.array(["", *served], pa.string())))
    at = _where(to_mask(pc.and_(strange, payee.is_valid())))
    return of_lines(
        Finding.WRONG_BODY, lines, at, "payee_code", " | ".join(served), payee.take(from_numpy(at, pa.int64()))
    )


def wrong_years_and_term(lines: Lines, billed: Billed) -> list[pa.Table]:
    """Receipts that name another 期別 or another year than the bill that their number leads to."""
    known = _where(lines.booked)
    slip = lines.slip[known]
    period = lines.text("period").take(from_numpy(known, pa.int64()))
    own = billed.period.take(from_numpy(slip, pa.int32()))
    differs = to_mask(pc.fill_null(pc.not_equal(period, own), False))
    tables = [
        of_lines(
            Finding.WRONG_TERM,
            lines,
            known[differs],
            "period",
            own.filter(bool_array(differs)),
            period.filter(bool_array(differs)),
        )
    ]
    for name in ("levy_year", "tax_year"):
        told = lines.whole(name)[known]
        year = getattr(billed.terms, name)[slip]
        differs = (told > 0) & (year > 0) & (told != year)
        tables.append(
            of_lines(Finding.WRONG_TERM, lines, known[differs], name, texts_of(year[differs]), texts_of(told[differs]))
        )
    return tables


def expired(lines: Lines, billed: Billed) -> pa.Table:
    """Payments after the 支払期限 of their slip; the day that the receipt carries is that of the slip in hand."""
    slip = np.maximum(lines.slip, 0)
    last_day = lines.days("payable_until")
    if len(billed):
        last_day = np.where(np.isnat(last_day), billed.days("payable_until")[slip], last_day)
    at = _where(lines.booked & (lines.paid_on > last_day))
    return of_lines(Finding.EXPIRED, lines, at, "paid_on", texts_of(last_day[at]), texts_of(lines.paid_on[at]))


def year_closed(lines: Lines, billed: Billed, policy: Policy) -> pa.Table:
    """Money that came after the accounts of its term's year had closed: it is 滞納繰越分 of the year it came in."""
    known = _where(lines.booked)
    booked = book(billed.terms_of(lines.slip[known]), lines.received_on[known])
    told = booked.after_closing
    if policy.year_closed == "crossing":
        told = told & (lines.paid_on[known] <= booked.closed_on)
    at = known[told]
    expected, found = texts_of(booked.closed_on[told]), texts_of(lines.received_on[at])
    return of_lines(Finding.YEAR_CLOSED, lines, at, "received_on", expected, found)


def stale_provisional(lines: Lines, policy: Policy, as_of: np.datetime64) -> pa.Table:
    """速報 that have waited for longer than the policy lets them."""
    last_day = as_of - np.timedelta64(policy.stale_after, "D")
    at = _where(lines.are(Outcome.PROVISIONAL) & (lines.paid_on < last_day))
    found = texts_of(lines.paid_on[at])
    return of_lines(Finding.STALE_PROVISIONAL, lines, at, "paid_on", f"{last_day} or later", found)


_TOLD_PARTS = ("principal", "late_charge", "demand_fee")


def told_parts(lines: Lines) -> pa.Table:
    """Receipts whose own 本税, 延滞金 and 督促手数料 do not add up to their amount."""
    told = [lines.whole(name) for name in _TOLD_PARTS]
    total = sum((np.maximum(yen, 0) for yen in told), np.zeros(len(lines), np.int64))
    # A receipt that tells no principal tells nothing that could add up.
    at = _where(lines.money & (told[0] >= 0) & (total != lines.amount))
    expected, found = texts_of(lines.amount[at]), texts_of(total[at])
    return of_lines(Finding.SPLIT_MISMATCH, lines, at, " + ".join(_TOLD_PARTS), expected, found)


def _where(flags: BoolArray) -> Int64Array:
    return np.flatnonzero(flags)
