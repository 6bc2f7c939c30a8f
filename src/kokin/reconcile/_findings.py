"""Findings (要確認): what records, law and policy show beside the outcomes. A finding moves no yen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import Int32Array, Int64Array, bool_array, combine, empty_table, from_numpy, to_mask
from kokin.matching import first_of_groups, group
from kokin.model import Finding, Outcome
from kokin.reconcile._bill_columns import BillColumns, book
from kokin.reconcile._columns import category_column, days_array, int_column, text_column
from kokin.reconcile._policy import Policy
from kokin.reconcile._tables import EXCEPTION_SCHEMA, OUTCOME_SCHEMA, OutcomeRows

if TYPE_CHECKING:
    from kokin.receipts import Totals

#: One text for all rows, or a column with a text for each.
Texts: TypeAlias = str | pa.Array


def receipt_findings(
    finding: Finding, rows: OutcomeRows, at: Int64Array, field: Texts, expected: Texts, found: Texts
) -> pa.Table:
    """Return a finding on each of the rows ``at``, int64 (k,), in ``EXCEPTION_SCHEMA``; a null text becomes empty."""
    if not len(at):
        return empty_table(EXCEPTION_SCHEMA)
    columns = dict(zip(OUTCOME_SCHEMA.names, rows.outcomes_at(at).columns, strict=True))
    texts = {"outcome": finding.value, "field": field, "expected": expected, "found": found}
    columns.update({name: _text_array(text, len(at)) for name, text in texts.items()})
    return pa.table([columns[name] for name in EXCEPTION_SCHEMA.names], schema=EXCEPTION_SCHEMA)


def source_findings(
    finding: Finding,
    source: Texts,
    field: Texts,
    expected: Texts,
    found: Texts,
    count: int,
    record_no: pa.Array | None = None,
    bill_id: pa.Array | None = None,
) -> pa.Table:
    """Return ``count`` findings on files, agent reports, days or bills, in ``EXCEPTION_SCHEMA``, without yen."""
    texts = {"source": source, "outcome": finding.value, "field": field, "expected": expected, "found": found}
    columns = {name: _text_array(text, count) for name, text in texts.items()}
    columns |= {name: each for name, each in (("record_no", record_no), ("bill_id", bill_id)) if each is not None}
    return pa.table(
        [columns.get(each.name, pa.nulls(count, each.type)) for each in EXCEPTION_SCHEMA], schema=EXCEPTION_SCHEMA
    )


def _text_array(texts: Texts, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(texts), count) if isinstance(texts, str) else pc.fill_null(texts.cast(pa.string()), "")


def value_texts(values: npt.NDArray[Any]) -> pa.Array:
    """Return yen or days as texts; null for NaT."""
    return (days_array(values) if values.dtype.kind == "M" else from_numpy(values, pa.int64())).cast(pa.string())


def other_payees(rows: OutcomeRows, bills: BillColumns, policy: Policy) -> pa.Table:
    """Find receipts with a 共通納税機関コード that is neither in the policy nor, by default, on any bill."""
    payee = rows.text_column("payee_code")
    known = policy.payee_codes or bills.payee.categories
    is_other = pc.invert(pc.is_in(payee, value_set=pa.array(["", *known], pa.string())))
    at = np.flatnonzero(to_mask(pc.and_(is_other, payee.is_valid())))
    found = payee.take(from_numpy(at, pa.int64()))
    return receipt_findings(Finding.WRONG_BODY, rows, at, "payee_code", " | ".join(known), found)


def other_instalments(rows: OutcomeRows, bills: BillColumns) -> pa.Table:
    """Find receipts with another 期別 than the bill that their number leads to."""
    if not rows.has("period"):
        return empty_table(EXCEPTION_SCHEMA)
    booked = np.flatnonzero(rows.is_booked)
    period = rows.text_column("period").take(from_numpy(booked, pa.int64()))
    billed_period = bills.periods(rows.slip[booked])
    differs = to_mask(pc.fill_null(pc.not_equal(period, billed_period), False))
    expected, found = (column.filter(bool_array(differs)) for column in (billed_period, period))
    return receipt_findings(Finding.WRONG_TERM, rows, booked[differs], "period", expected, found)


def other_years(rows: OutcomeRows, bills: BillColumns, name: Literal["levy_year", "tax_year"]) -> pa.Table:
    """Find receipts with another 賦課年度 or 課税年度 than the bill that their number leads to."""
    if not rows.has(name):
        return empty_table(EXCEPTION_SCHEMA)
    booked = np.flatnonzero(rows.is_booked)
    year = rows.int_column(name)[booked]
    billed_year = getattr(bills.fiscal_dates, name)[rows.slip[booked]].astype(np.int64)
    differs = (year > 0) & (billed_year > 0) & (year != billed_year)
    expected, found = value_texts(billed_year[differs]), value_texts(year[differs])
    return receipt_findings(Finding.WRONG_TERM, rows, booked[differs], name, expected, found)


def expired(rows: OutcomeRows, bills: BillColumns) -> pa.Table:
    """Find payments after the 支払期限 of the receipt (that of the paid slip), or else of the bill."""
    booked = np.flatnonzero(rows.is_booked)
    last_day, paid_on = rows.day_column("payable_until")[booked], rows.paid_on[booked]
    last_day = np.where(np.isnat(last_day), bills.days("payable_until", rows.slip[booked]), last_day)
    is_late = paid_on > last_day
    expected, found = value_texts(last_day[is_late]), value_texts(paid_on[is_late])
    return receipt_findings(Finding.EXPIRED, rows, booked[is_late], "paid_on", expected, found)


def after_closing(rows: OutcomeRows, bills: BillColumns, policy: Policy) -> pa.Table:
    """Find payments received after 出納閉鎖 of their due date's year: they are 滞納繰越分 of the year of receipt."""
    booked = np.flatnonzero(rows.is_booked)
    booking = book(bills.fiscal_dates_of(rows.slip[booked]), rows.received_on[booked])
    is_late = booking.after_closing
    if policy.year_closed == "crossing":
        is_late = is_late & (rows.paid_on[booked] <= booking.closed_on)
    at = booked[is_late]
    expected, found = value_texts(booking.closed_on[is_late]), value_texts(rows.received_on[at])
    return receipt_findings(Finding.YEAR_CLOSED, rows, at, "received_on", expected, found)


def stale_provisional(rows: OutcomeRows, policy: Policy, as_of: np.datetime64) -> pa.Table:
    """Find 速報 without 確報 or 取消 that are older than the policy allows."""
    first_day = as_of - np.timedelta64(policy.stale_after, "D")
    at = np.flatnonzero(rows.with_outcome(Outcome.PROVISIONAL) & (rows.paid_on < first_day))
    found, expected = value_texts(rows.paid_on[at]), f"{first_day} or later ({policy.stale_after} days)"
    return receipt_findings(Finding.STALE_PROVISIONAL, rows, at, "paid_on", expected, found)


def future_dates(rows: OutcomeRows, as_of: np.datetime64) -> pa.Table:
    """Find receipts whose 納付日, or else whose 収入日, is after the day of the run."""
    paid_on, received_on = rows.paid_on, rows.received_on
    at = np.flatnonzero((paid_on > as_of) | (received_on > as_of))
    is_paid = paid_on[at] > as_of
    field = pc.if_else(bool_array(is_paid), "paid_on", "received_on")
    found = value_texts(np.where(is_paid, paid_on[at], received_on[at]))
    return receipt_findings(Finding.FUTURE_DATE, rows, at, field, f"{as_of} or earlier", found)


_RECEIPT_PARTS = ("principal", "late_charge", "demand_fee")


def receipt_parts(rows: OutcomeRows) -> pa.Table:
    """Find receipts with a 本税 whose 本税, 延滞金 and 督促手数料 do not add up to their amount."""
    if not rows.has(_RECEIPT_PARTS[0]):
        return empty_table(EXCEPTION_SCHEMA)
    parts = [rows.int_column(name) for name in _RECEIPT_PARTS]
    sums = sum((np.maximum(yen, 0) for yen in parts), np.zeros(len(rows), np.int64))
    # Without a principal the other parts cannot be expected to add up.
    at = np.flatnonzero(rows.is_payment & (parts[0] >= 0) & (sums != rows.amount))
    expected, found = value_texts(rows.amount[at]), value_texts(sums[at])
    return receipt_findings(Finding.SPLIT_MISMATCH, rows, at, " + ".join(_RECEIPT_PARTS), expected, found)


class FileTotal(NamedTuple):
    """A total of a receipt file, from two sources."""

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


def file_totals(
    receipts: pa.Table, amount: Int64Array, order: Int64Array | None, files: Mapping[str, Totals]
) -> list[FileTotal]:
    """Return every total of some files: declared against counted, and accepted against the receipts of the run.

    Args:
        receipts: the receipts of the run.
        amount: their yen, int64 (n,).
        order: the receipt of each row of the table of outcomes, int64 (n,); None if the receipts are in its order. A
            file is named by the ``source`` of its first row.
        files: the totals of files that were read to their end, by SHA-256 as in the receipts' ``digest``.
    """
    digest = category_column(receipts, "digest")
    rows = _records_of_files(digest.codes, int_column(receipts, "record_no", -1), order)
    codes = digest.codes[rows]
    count, yen = np.bincount(codes, minlength=len(digest.categories)), np.zeros(len(digest.categories), np.int64)
    np.add.at(yen, codes, amount[rows])
    file_totals_ = []
    for name, totals in files.items():
        code = digest.categories.index(name) if name in digest.categories else None
        file, records, yen_of_file = name, 0, 0
        if code is not None and count[code]:
            first = receipts.slice(int(rows[np.argmax(codes == code)]), 1)
            file, records, yen_of_file = (
                text_column(first, "source")[0].as_py() or name,
                int(count[code]),
                int(yen[code]),
            )
        file_totals_ += [
            FileTotal(file, total.location.record, total.field, total.declared, total.counted, total.unsure)
            for total in totals.declared
        ]
        file_totals_.append(FileTotal(file, None, "records", totals.accepted, records))
        file_totals_.append(FileTotal(file, None, "amount", totals.accepted_yen, yen_of_file))
    return file_totals_


def _records_of_files(digest: Int32Array, record_no: Int64Array, order: Int64Array | None) -> Int64Array:
    """Return the receipts that are in a file, in their order, each record of a file once: int64 (k,).

    A file may be among the receipts several times. A receipt without a number is a record of its own.
    """
    rows = np.flatnonzero(digest >= 0) if order is None else order[digest[order] >= 0]
    codes, number = digest[rows], record_no[rows]
    is_other_file = codes[1:] != codes[:-1]
    is_one_run = np.count_nonzero(is_other_file) < np.count_nonzero(np.bincount(codes))
    if is_one_run and (is_other_file | (number[1:] > number[:-1])).all():
        return rows  # the usual case: each file once, in the order of its records
    key = np.where(number > 0, number, -1 - np.arange(len(rows)))
    return rows[np.sort(first_of_groups(group(codes, key)))]


def total_mismatches(totals: list[FileTotal]) -> pa.Table:
    """Find the totals of files that differ."""
    differing = [total for total in totals if total.differs]
    file, field, expected, found = (
        pa.array([str(getattr(total, name)) for total in differing], pa.string())
        for name in ("file", "field", "expected", "found")
    )
    record_no = pa.array([total.record_no for total in differing], pa.int64())
    return source_findings(Finding.TOTAL_MISMATCH, file, field, expected, found, len(differing), record_no)


def overlapping_files(overlaps: pa.Table) -> pa.Table:
    """Find the files that repeat payments of other files, from the table of :func:`kokin.reconcile.overlaps`."""
    name, other_name = (
        pc.if_else(
            pc.equal(overlaps.column(f"{prefix}source"), ""),
            *(overlaps.column(f"{prefix}{field}") for field in ("digest", "source")),
        )
        for prefix in ("", "other_")
    )
    counts = [overlaps.column(field).cast(pa.string()) for field in ("repeated", "records")]
    found = pc.binary_join_element_wise(pc.binary_join_element_wise(*counts, " of "), other_name, " in ")
    expected = "in no other file"
    return source_findings(Finding.FILE_OVERLAPS, combine(name), "records", expected, combine(found), len(overlaps))
