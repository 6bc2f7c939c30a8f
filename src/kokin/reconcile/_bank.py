"""Bank reconciliation (払込照合): agent reports and bank deposits against the receipts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.aggregate import sum_by
from kokin._arrow.convert import BoolArray, Int64Array, as_table, bool_array, combine, from_numpy, to_mask, to_numpy
from kokin._arrow.validate import location_of, validate_table
from kokin.issues import InvalidInputError, Issue
from kokin.model import ArrowStreamExportable, Date, Finding, Outcome, Receipt, ReceiptKind, Record, Text, Yen
from kokin.reconcile._columns import Days, categorize, day_column, days_array, int_column, text_column
from kokin.reconcile._findings import receipt_findings, source_findings, value_texts
from kokin.reconcile._policy import Policy
from kokin.reconcile._tables import OutcomeRows

_SUMS = ("receipts", "settled", "cancelled", "fee", "deducted", "credits", "credited")


class BankDeposit(Record):
    """A deposit on the authority's bank account (入金): one sum on one day, negative if it was taken back."""

    credited_on: Annotated[date, Date()]
    """入金日."""
    amount: Annotated[int, Yen(-99_999_999_999)]
    """Yen."""
    agent_code: Annotated[str, Text(20)] | None = None
    """The agent (収納代行) that transferred it. If no deposit has one, those of a day are compared with all agents."""
    reference: Annotated[str, Text(128)] | None = None
    """The bank's own reference (照会番号)."""


class AgentReport(Record):
    """The statement of an agent (指定納付受託者) about what it has collected (施行規則12の2の16)."""

    first_day: Annotated[date, Date()]
    """The first day of payment in the reported period."""
    last_day: Annotated[date, Date()]
    """The last day of payment in the reported period."""
    count: Annotated[int, Yen()]
    """Number of receipts."""
    amount: Annotated[int, Yen()]
    """Yen."""
    agent_code: Annotated[str, Text(20)] | None = None
    """The agent; None: all agents."""
    settled_on: Annotated[date, Date()] | None = None
    """払込日: the statement covers what is transferred on this day; None: on any day."""


def bank_deposits(receipts: ArrowStreamExportable) -> pa.Table:
    """Convert a bank file that was read as receipts (``zengin-01``, ``zengin-03``, ``camt.054``) to deposits.

    A record is a deposit on the day on which it was received, of its ``amount`` less ``bank_charge``; one of kind
    ``reversal`` is a negative deposit. A pending entry (``provisional``) and its cancel are no deposits.

    Returns:
        The columns of :class:`BankDeposit`.

    Raises:
        InvalidInputError: a required column is missing or of another type; the bank deducted more than the amount.
    """
    table = validate_table(as_table(receipts), Receipt)
    kind = pc.fill_null(text_column(table, "kind"), ReceiptKind.FINAL.value)
    pending = pa.array([ReceiptKind.PROVISIONAL.value, ReceiptKind.CANCEL.value])
    table = table.filter(pc.invert(pc.is_in(kind, value_set=pending)))
    received = day_column(table, "received_on")
    is_reversal = to_mask(pc.fill_null(pc.equal(text_column(table, "kind"), ReceiptKind.REVERSAL.value), False))
    gross, charge = to_numpy(table.column("amount"), 0), int_column(table, "bank_charge", 0)
    amount = gross - charge
    issues = []
    for row in np.flatnonzero(amount < 0).tolist():
        expected, found, location = f"at most {gross[row]}", str(charge[row]), location_of(table, row + 1)
        issues.append(Issue("AMOUNT_RANGE", field="bank_charge", expected=expected, found=found, location=location))
    if issues:
        raise InvalidInputError(issues, "bank deposits rejected")
    return pa.table(
        {
            "credited_on": days_array(np.where(np.isnat(received), day_column(table, "paid_on"), received)),
            "amount": from_numpy(np.where(is_reversal, -amount, amount), pa.int64()),
            "agent_code": text_column(table, "agent_code"),
            "reference": pc.coalesce(*(text_column(table, name) for name in ("provider_key", "virtual_account"))),
        }
    )


def _is_transferred(rows: OutcomeRows) -> BoolArray:
    """Return which rows are payments that an agent or a bank transfers, none entered by hand or set off: bool (n,).

    A payment that was reversed later is one of them: it was collected and transferred, and its reversal is deducted on
    a day of its own.
    """
    return rows.is_collected & ~rows.of_kind(*(kind for kind in ReceiptKind if kind.is_by_hand))


def _settlement_day(rows: OutcomeRows) -> Days:
    """Return the day on which each receipt is due at the bank, datetime64[D] (n,); NaT if it has none."""
    settled_on = rows.day_column("settled_on")
    return np.where(np.isnat(settled_on), rows.day_column("received_on"), settled_on)


def settlement_table(due: Sequence[pa.Table], deposits: pa.Table) -> pa.Table:
    """Return 払込照合表: by day and agent what should have been deposited, and what was.

    ``settled_on, agent_code, receipts, settled, cancelled, fee, expected, credits, credited``. ``expected`` is
    ``settled - cancelled``, less what was deducted: the charges of the receipts (``bank_charge``), and the fees of the
    policy if they are netted. ``fee`` is the sum of both; a receipt with a charge of its own has no fee of the policy,
    and a reversal returns the charge. ``agent_code`` is null throughout if no deposit has one. Receipts without a day
    of settlement are in a row without a day.

    ``due`` are tables of :func:`due_entries`.
    """
    entries = pa.concat_tables([*due, _deposit_entries(deposits)], promote_options="default")
    agents = text_column(deposits, "agent_code")
    if agents.null_count == len(agents):
        at = entries.column_names.index("agent_code")
        entries = entries.set_column(at, "agent_code", pa.nulls(len(entries), pa.string()))
    table = sum_by(entries, ("settled_on", "agent_code"), _SUMS)
    settled, cancelled, deducted = (table.column(name) for name in ("settled", "cancelled", "deducted"))
    expected = pc.subtract(pc.subtract(settled, cancelled), deducted)
    return table.set_column(table.column_names.index("deducted"), "expected", expected)


def due_entries(rows: OutcomeRows, policy: Policy) -> pa.Table:
    """Return what receipts add to the expected deposits, and what cancels and reversals deduct, by day and agent."""
    entries, _ = _due(rows, policy)
    by = ("settled_on", "agent_code")
    return sum_by(entries, by, [name for name in entries.column_names if name not in by])


def due_receipts(rows: OutcomeRows, policy: Policy) -> pa.Table:
    """Return the receipts of which :func:`due_entries` are the sums, with ``source`` and ``record_no``."""
    entries, at = _due(rows, policy)
    source = pc.fill_null(rows.text_column("source").take(from_numpy(at, pa.int64())), "")
    record_no = from_numpy(rows.int_column("record_no", 0)[at], pa.int64())
    return entries.append_column("source", source).append_column("record_no", record_no)


def _due(rows: OutcomeRows, policy: Policy) -> tuple[pa.Table, Int64Array]:
    """Return what each receipt adds to an expected deposit, or deducts, and the row of each: int64 (k,)."""
    is_transferred = _is_transferred(rows)
    # Most cancels void what was never transferred; one with a day of transfer was deducted from it.
    cancels = rows.of_kind(ReceiptKind.CANCEL) & ~rows.with_outcome(Outcome.DUPLICATE_RECORD)
    deducted_cancels = cancels & ~np.isnat(rows.day_column("settled_on"))
    at = np.flatnonzero(is_transferred | rows.is_reversal | deducted_cancels)
    agent = rows.text_column("agent_code").take(from_numpy(at, pa.int64()))
    is_receipt = is_transferred[at].astype(np.int64)
    charge = rows.bank_charge[at] * np.where(is_receipt, 1, -1)
    fee = np.where(charge != 0, 0, is_receipt * _fees(agent, policy))
    yen = {
        "receipts": is_receipt,
        "settled": is_receipt * rows.amount[at],
        "cancelled": (1 - is_receipt) * rows.amount[at],
        "fee": charge + fee,
        "deducted": charge + fee * (policy.fee == "netted"),
    }
    columns = {name: from_numpy(values, pa.int64()) for name, values in yen.items()}
    table = pa.table({"settled_on": days_array(_settlement_day(rows)[at]), "agent_code": agent, **columns})
    return table, at


def _deposit_entries(deposits: pa.Table) -> pa.Table:
    return pa.table(
        {
            "settled_on": deposits.column("credited_on"),
            "agent_code": text_column(deposits, "agent_code"),
            "credits": from_numpy(np.ones(len(deposits), np.int64), pa.int64()),
            "credited": deposits.column("amount"),
        }
    )


def _fees(agent: pa.Array, policy: Policy) -> Int64Array:
    """Return the policy's fee of each receipt by its agent: int64 (k,)."""
    agents = categorize(agent)
    default = policy.fees.get("", 0)
    fees = [*(policy.fees.get(name, default) for name in agents.categories), default]
    return np.array(fees, np.int64)[agents.codes]


def is_due(settlements: pa.Table, as_of: np.datetime64) -> BoolArray:
    """Return which rows of the settlements are of a day up to ``as_of``: bool (k,)."""
    day = day_column(settlements, "settled_on")
    return ~np.isnat(day) & (day <= as_of)


def settlement_findings(settlements: pa.Table, as_of: np.datetime64) -> list[pa.Table]:
    """Find days up to ``as_of`` with another deposit or none."""
    expected, credited, deposits = (
        to_numpy(settlements.column(name), 0) for name in ("expected", "credited", "credits")
    )
    differs = is_due(settlements, as_of) & (expected != credited)
    tables = []
    for finding, at in (
        (Finding.SETTLEMENT_MISMATCH, differs & (deposits > 0)),
        (Finding.MISSING_SETTLEMENT, differs & (deposits == 0)),
    ):
        days = settlements.filter(bool_array(at))
        agent = pc.fill_null(pc.binary_join_element_wise(" ", combine(days.column("agent_code")), ""), "")
        day = combine(days.column("settled_on")).cast(pa.string())
        field = pc.binary_join_element_wise("settled_on ", day, agent, "")
        found = days.column("credited") if finding is Finding.SETTLEMENT_MISMATCH else pa.repeat("", len(days))
        tables.append(source_findings(finding, "", field, days.column("expected"), found, len(days)))
    return tables


def without_settlement(rows: OutcomeRows, policy: Policy, as_of: np.datetime64) -> pa.Table:
    """Find old payments without a day of settlement."""
    last_day = as_of - np.timedelta64(policy.settlement_days, "D")
    has_no_day = _is_transferred(rows) & rows.is_payment & np.isnat(_settlement_day(rows))
    late = np.flatnonzero(has_no_day & (rows.paid_on < last_day))
    paid_on, expected = value_texts(rows.paid_on[late]), f"a day, within {policy.settlement_days} days of the payment"
    return receipt_findings(Finding.MISSING_SETTLEMENT, rows, late, "settled_on", expected, paid_on)


_COLLECTED_BY, _COLLECTED = ("agent_code", "paid_on", "settled_on"), ("count", "amount")


def collected(rows: OutcomeRows) -> pa.Table:
    """Return count and yen of the receipts that agents report, by agent, day of payment and day of settlement."""
    at = np.flatnonzero(_is_transferred(rows))
    columns = {
        "agent_code": rows.text_column("agent_code").take(from_numpy(at, pa.int64())),
        "paid_on": days_array(rows.paid_on[at]),
        "settled_on": days_array(_settlement_day(rows)[at]),
        "count": from_numpy(np.ones(len(at), np.int64), pa.int64()),
        "amount": from_numpy(rows.amount[at], pa.int64()),
    }
    return sum_by(pa.table(columns), _COLLECTED_BY, _COLLECTED)


def report_totals(receipts: Sequence[pa.Table], reports: pa.Table) -> pa.Table:
    """Return ``count, amount`` of each agent report, and ``counted, summed`` of the receipts that it covers.

    ``receipts`` are tables of :func:`collected`.
    """
    days = sum_by(pa.concat_tables(receipts), _COLLECTED_BY, _COLLECTED)
    counted, summed = [], []
    for report in reports.to_pylist():
        is_covered = pc.and_(
            pc.greater_equal(days.column("paid_on"), report["first_day"]),
            pc.less_equal(days.column("paid_on"), report["last_day"]),
        )
        for name in ("agent_code", "settled_on"):
            if report.get(name) is not None:
                is_covered = pc.and_(is_covered, pc.fill_null(pc.equal(days.column(name), report[name]), False))
        counted.append(pc.sum(days.column("count").filter(is_covered)).as_py() or 0)
        summed.append(pc.sum(days.column("amount").filter(is_covered)).as_py() or 0)
    totals = reports.select(["count", "amount"])
    totals = totals.append_column("counted", pa.array(counted, pa.int64()))
    return totals.append_column("summed", pa.array(summed, pa.int64()))


def report_findings(totals: pa.Table) -> list[pa.Table]:
    """Find agent reports whose count or sum differs from the receipts; ``record_no`` is the report's row."""
    tables = []
    for name, of_receipts in (("count", "counted"), ("amount", "summed")):
        differing = np.flatnonzero(to_numpy(totals.column(name), 0) != to_numpy(totals.column(of_receipts), 0))
        reports = totals.take(from_numpy(differing, pa.int64()))
        expected, found = reports.column(of_receipts), reports.column(name)
        record_no = from_numpy(differing + 1, pa.int64())
        texts = "", f"report.{name}", expected, found
        tables.append(source_findings(Finding.TOTAL_MISMATCH, *texts, len(differing), record_no))
    return tables
