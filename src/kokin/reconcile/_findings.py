"""Findings (要確認): what records, law and policy show beside the outcomes. A finding moves no yen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import Int64Array, bool_array, combine, from_numpy, to_mask
from kokin.matching import first_of_groups, group
from kokin.model import Finding, Outcome
from kokin.reconcile._bill_columns import BillColumns, book
from kokin.reconcile._columns import days_array
from kokin.reconcile._policy import Policy
from kokin.reconcile._tables import EXCEPTION_SCHEMA, OutcomeRows

if TYPE_CHECKING:
    from kokin.receipts import Totals

#: One text for all rows, or a column with a text for each.
Texts: TypeAlias = str | pa.Array


def receipt_findings(
    finding: Finding, rows: OutcomeRows, at: Int64Array, field: Texts, expected: Texts, found: Texts
) -> pa.Table:
    """Return a finding on each of the rows ``at``, int64 (k,), in ``EXCEPTION_SCHEMA``; a null text becomes empty."""
    columns = dict(zip(rows.table.column_names, rows.outcomes_at(at).columns, strict=True))
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
) -> pa.Table:
    """Return ``count`` findings on files, agent reports or days, in ``EXCEPTION_SCHEMA``, without bill and yen."""
    texts = {"source": source, "outcome": finding.value, "field": field, "expected": expected, "found": found}
    columns = {name: _text_array(text, count) for name, text in texts.items()}
    if record_no is not None:
        columns["record_no"] = record_no
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
    known = policy.payee_codes or sorted(pc.unique(bills.text_column("payee_code")).to_pylist())
    is_other = pc.invert(pc.is_in(payee, value_set=pa.array(["", *known], pa.string())))
    at = np.flatnonzero(to_mask(pc.and_(is_other, payee.is_valid())))
    found = payee.take(from_numpy(at, pa.int64()))
    return receipt_findings(Finding.WRONG_BODY, rows, at, "payee_code", " | ".join(known), found)


def other_instalments_and_years(rows: OutcomeRows, bills: BillColumns) -> list[pa.Table]:
    """Find receipts with another 期別, 賦課年度 or 課税年度 than the bill that their number leads to."""
    booked = np.flatnonzero(rows.is_booked)
    slip = rows.slip[booked]
    tables = []
    if rows.has("period"):
        period = rows.text_column("period").take(from_numpy(booked, pa.int64()))
        billed_period = bills.period.take(from_numpy(slip, pa.int32()))
        differs = to_mask(pc.fill_null(pc.not_equal(period, billed_period), False))
        expected, found = (column.filter(bool_array(differs)) for column in (billed_period, period))
        tables.append(receipt_findings(Finding.WRONG_TERM, rows, booked[differs], "period", expected, found))
    for name in filter(rows.has, ("levy_year", "tax_year")):
        year = rows.int_column(name)[booked]
        billed_year = getattr(bills.fiscal_dates, name)[slip]
        differs = (year > 0) & (billed_year > 0) & (year != billed_year)
        expected, found = value_texts(billed_year[differs]), value_texts(year[differs])
        tables.append(receipt_findings(Finding.WRONG_TERM, rows, booked[differs], name, expected, found))
    return tables


def expired(rows: OutcomeRows, bills: BillColumns) -> pa.Table:
    """Find payments after the 支払期限 of the receipt (that of the paid slip), or else of the bill."""
    slip = np.maximum(rows.slip, 0)
    last_day = rows.day_column("payable_until")
    if len(bills):
        last_day = np.where(np.isnat(last_day), bills.day_column("payable_until")[slip], last_day)
    at = np.flatnonzero(rows.is_booked & (rows.paid_on > last_day))
    expected, found = value_texts(last_day[at]), value_texts(rows.paid_on[at])
    return receipt_findings(Finding.EXPIRED, rows, at, "paid_on", expected, found)


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
    found = value_texts(rows.paid_on[at])
    return receipt_findings(Finding.STALE_PROVISIONAL, rows, at, "paid_on", f"{first_day} or later", found)


_RECEIPT_PARTS = ("principal", "late_charge", "demand_fee")


def receipt_parts(rows: OutcomeRows) -> pa.Table:
    """Find receipts with a 本税 whose 本税, 延滞金 and 督促手数料 do not add up to their amount."""
    if not rows.has(_RECEIPT_PARTS[0]):
        return EXCEPTION_SCHEMA.empty_table()
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


def file_totals(rows: OutcomeRows, files: Mapping[str, Totals]) -> list[FileTotal]:
    """Return every total of some files: declared against counted, and accepted against the receipts of the run.

    ``files`` are the totals of files that were read to their end, by SHA-256 as in the receipts' ``digest``.
    """
    digest, source = rows.category_column("digest"), rows.category_column("source")
    in_file = np.flatnonzero(digest.codes >= 0)
    record_no = rows.int_column("record_no")[in_file]
    # A file may be among the receipts several times: each of its records is counted once, one without number always.
    key = np.where(record_no > 0, record_no, -1 - np.arange(len(in_file)))
    record = group(digest.codes[in_file], key)
    in_file = np.sort(in_file[first_of_groups(record)])
    codes = digest.codes[in_file]
    count, yen = np.bincount(codes, minlength=len(digest.categories)), np.zeros(len(digest.categories), np.int64)
    np.add.at(yen, codes, rows.amount[in_file])
    first = dict(zip(*(column.tolist() for column in np.unique(codes, return_index=True)), strict=True))
    file_totals_ = []
    for name, totals in files.items():
        code = digest.categories.index(name) if name in digest.categories else None
        file = name if code is None else source.texts(in_file[[first[code]]])[0].as_py() or name
        records, amount = (0, 0) if code is None else (int(count[code]), int(yen[code]))
        file_totals_ += [
            FileTotal(file, total.location.record, total.field, total.declared, total.counted, total.unsure)
            for total in totals.declared
        ]
        file_totals_.append(FileTotal(file, None, "records", totals.accepted, records))
        file_totals_.append(FileTotal(file, None, "amount", totals.accepted_yen, amount))
    return file_totals_


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
