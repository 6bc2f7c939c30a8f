"""Settlement (払込照合): what operators report and what reaches the bank, against the receipts."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import (
    BoolArray,
    Int64Array,
    as_table,
    bool_array,
    combine,
    from_numpy,
    location_of,
    to_mask,
    to_numpy,
    validate_table,
)
from kokin.issues import InvalidInputError, Issue
from kokin.model import Date, Finding, Outcome, Receipt, ReceiptKind, Record, Text, Yen
from kokin.reconcile._columns import Days, charges, coded, day_column, days_array, summed, text_column, total
from kokin.reconcile._controls import STATEMENTS, Control
from kokin.reconcile._findings import of_lines, of_sources, texts_of
from kokin.reconcile._lines import Lines
from kokin.reconcile._policy import Policy

_SETTLED = ("receipts", "settled", "cancelled", "fee", "kept", "credits", "credited")


class BankDeposit(Record):
    """Money on the body's bank account (入金): one sum of one day, negative where it was taken back."""

    credited_on: Annotated[date, Date()]
    """入金日."""
    amount: Annotated[int, Yen(-99_999_999_999)]
    """Yen."""
    agent_code: Annotated[str, Text(20)] | None = None
    """Whose transfer it is (収納代行); where none is told, a day's credits stand for all operators."""
    reference: Annotated[str, Text(128)] | None = None
    """The bank's own reference (照会番号)."""


class AgentReport(Record):
    """What an operator (指定納付受託者) says that it has collected (施行規則12の2の16)."""

    first_day: Annotated[date, Date()]
    """The first day of payment in the report's period."""
    last_day: Annotated[date, Date()]
    """The last one."""
    count: Annotated[int, Yen()]
    """Receipts."""
    amount: Annotated[int, Yen()]
    """Yen."""
    agent_code: Annotated[str, Text(20)] | None = None
    """Which operator; none: all of them."""
    settled_on: Annotated[date, Date()] | None = None
    """払込日: the report is of what is paid over on this day; none: on any."""


def bank_deposits(receipts: Any) -> pa.Table:
    """The credits of a bank file that has been read as receipts (``zengin-01``, ``zengin-03``, ``camt.054``).

    A record is a credit of the day on which it was received, of its ``amount`` less ``bank_charge``; one of kind
    ``reversal`` takes it back. An entry that is still pending (``provisional``) and its cancel are no money, and left
    out.

    Raises:
        InvalidInputError: a required column is missing or of another type; the bank kept more than the amount.
    """
    table = validate_table(as_table(receipts), Receipt)
    kind = pc.fill_null(text_column(table, "kind"), ReceiptKind.FINAL.value)
    no_money = pa.array([ReceiptKind.PROVISIONAL.value, ReceiptKind.CANCEL.value])
    table = table.filter(pc.invert(pc.is_in(kind, value_set=no_money)))
    received = day_column(table, "received_on")
    taken_back = to_mask(pc.fill_null(pc.equal(text_column(table, "kind"), ReceiptKind.REVERSAL.value), False))
    gross, charge = to_numpy(table.column("amount"), 0), charges(table)
    amount = gross - charge
    if issues := [
        Issue(
            "AMOUNT_RANGE",
            field="bank_charge",
            expected=f"at most {gross[row]}",
            found=str(charge[row]),
            location=location_of(table, row + 1),
        )
        for row in np.flatnonzero(amount < 0).tolist()
    ]:
        raise InvalidInputError(issues, "no credits of a bank")
    return pa.table(
        {
            "credited_on": days_array(np.where(np.isnat(received), day_column(table, "paid_on"), received)),
            "amount": from_numpy(np.where(taken_back, -amount, amount), pa.int64()),
            "agent_code": text_column(table, "agent_code"),
            "reference": pc.coalesce(*(text_column(table, name) for name in ("provider_key", "virtual_account"))),
        }
    )


def checked(rows: Any, record: type[Record]) -> pa.Table:
    """A table in the columns of a record.

    Raises:
        InvalidInputError: a required column is missing, of another type, or has a null; yen are out of their bounds.
    """
    return validate_table(as_table(rows), record)


def by_operators(lines: Lines) -> BoolArray:
    """Money that came through an operator or a bank, not by deduction or by hand: bool (n,).

    Also what was taken back later: it was collected and settled, and the reversal is a fact of its own day.
    """
    return lines.collected & ~lines.come_as(ReceiptKind.DEDUCTION, ReceiptKind.MANUAL)


def settled_on(lines: Lines) -> Days:
    """The day on which the money of each line is due at the bank, datetime64[D] (n,); NaT: nobody says."""
    told = lines.days("settled_on")
    return np.where(np.isnat(told), lines.days("received_on"), told)


def settlements(lines: Lines, credits_: pa.Table, policy: Policy) -> pa.Table:
    """払込照合表: by day and operator what should have come and what came.

    ``settled_on, agent_code, receipts, settled, cancelled, fee, expected, credits, credited``. ``expected`` is
    ``settled - cancelled``, less what was kept of it: the charges that receipts carry (``bank_charge``), and the fees
    of the policy where they are netted. ``fee`` is both; a receipt with a charge of its own has no fee of the policy,
    and one that is taken back gives its charge back. ``agent_code`` is null throughout where the credits do not tell
    operators apart. Receipts of which nobody says when they are paid over stand under no day.
    """
    entries = pa.concat_tables([_due(lines, policy), _came(credits_)], promote_options="default")
    agents = credits_.column("agent_code") if "agent_code" in credits_.schema.names else None
    if agents is None or agents.null_count == len(agents):
        place = entries.column_names.index("agent_code")
        entries = entries.set_column(place, "agent_code", pa.nulls(len(entries), pa.string()))
    told = summed(entries, ("settled_on", "agent_code"), _SETTLED)
    settled, cancelled, kept = (told.column(name) for name in ("settled", "cancelled", "kept"))
    expected = pc.subtract(pc.subtract(settled, cancelled), kept)
    return told.set_column(told.column_names.index("kept"), "expected", expected)


def _due(lines: Lines, policy: Policy) -> pa.Table:
    """What each receipt should bring to the bank, and each cancel and reversal take from it, on its own day."""
    money = by_operators(lines)
    # Most cancels void what was never settled; one that names its transfer was taken out of it.
    cancels = lines.come_as(ReceiptKind.CANCEL) & ~lines.are(Outcome.DUPLICATE_RECORD)
    at = np.flatnonzero(money | lines.reversals | (cancels & ~np.isnat(lines.days("settled_on"))))
    agent = lines.text("agent_code").take(from_numpy(at, pa.int64()))
    is_money = money[at].astype(np.int64)
    charge = lines.bank_charge[at] * np.where(is_money, 1, -1)
    fee = np.where(charge != 0, 0, is_money * _fees(agent, policy))
    yen = {
        "receipts": is_money,
        "settled": is_money * lines.amount[at],
        "cancelled": (1 - is_money) * lines.amount[at],
        "fee": charge + fee,
        "kept": charge + fee * (policy.fee == "netted"),
    }
    columns = {name: from_numpy(values, pa.int64()) for name, values in yen.items()}
    return pa.table({"settled_on": days_array(settled_on(lines)[at]), "agent_code": agent, **columns})


def _came(credits_: pa.Table) -> pa.Table:
    """What came to the bank."""
    return pa.table(
        {
            "settled_on": credits_.column("credited_on"),
            "agent_code": text_column(credits_, "agent_code"),
            "credits": from_numpy(np.ones(len(credits_), np.int64), pa.int64()),
            "credited": credits_.column("amount"),
        }
    )


def _fees(agent: pa.Array, policy: Policy) -> Int64Array:
    """The fee of each receipt by its operator: int64 (k,)."""
    some = coded(agent)
    other = policy.fees.get("", 0)
    return np.array([*(policy.fees.get(name, other) for name in some.words), other], np.int64)[some.codes]


def settlement_findings(lines: Lines, told: pa.Table, policy: Policy, as_of: np.datetime64) -> list[pa.Table]:
    """Days on which the bank has another sum, or none; and money of which nobody says when it comes.

    Days after ``as_of`` are still to come.
    """
    differs = due_days(told, as_of) & (to_numpy(told.column("expected"), 0) != to_numpy(told.column("credited"), 0))
    some = to_numpy(told.column("credits"), 0) > 0
    tables = []
    for finding, rows in ((Finding.SETTLEMENT_MISMATCH, differs & some), (Finding.MISSING_SETTLEMENT, differs & ~some)):
        day = told.filter(bool_array(rows))
        agent = pc.fill_null(pc.binary_join_element_wise(" ", combine(day.column("agent_code")), ""), "")
        field = pc.binary_join_element_wise(
            "settled_on ", combine(day.column("settled_on")).cast(pa.string()), agent, ""
        )
        found = day.column("credited") if finding is Finding.SETTLEMENT_MISMATCH else pa.repeat("", len(day))
        tables.append(of_sources(finding, "", field, day.column("expected"), found, len(day)))
    last_day = as_of - np.timedelta64(policy.settlement_days, "D")
    late = np.flatnonzero(by_operators(lines) & lines.money & np.isnat(settled_on(lines)) & (lines.paid_on < last_day))
    paid_on = texts_of(lines.paid_on[late])
    return [*tables, of_lines(Finding.MISSING_SETTLEMENT, lines, late, "settled_on", "a day", paid_on)]


def due_days(told: pa.Table, as_of: np.datetime64) -> BoolArray:
    """Which rows of the settlements are of a day that has come: bool (k,)."""
    day = day_column(told, "settled_on")
    return ~np.isnat(day) & (day <= as_of)


def settlement_control(told: pa.Table, as_of: np.datetime64) -> Control:
    """T3: what came to the bank until a day, and what should have."""
    due = due_days(told, as_of)
    credited, expected = (to_numpy(told.column(name), 0)[due] for name in ("credited", "expected"))
    days = told.column("settled_on").filter(bool_array(due))
    wrong = tuple(str(days[row]) for row in np.flatnonzero(credited != expected).tolist())
    return Control("T3", STATEMENTS["T3"], total(credited), total(expected), wrong)


def report_sums(lines: Lines, reports: pa.Table) -> pa.Table:
    """Each report with what the receipts say: ``count, amount, counted, summed``."""
    at = np.flatnonzero(by_operators(lines))
    items = pa.table(
        {
            "agent_code": lines.text("agent_code").take(from_numpy(at, pa.int64())),
            "paid_on": days_array(lines.paid_on[at]),
            "settled_on": days_array(settled_on(lines)[at]),
            "amount": from_numpy(lines.amount[at], pa.int64()),
        }
    )
    days = items.group_by(["agent_code", "paid_on", "settled_on"]).aggregate([("amount", "count"), ("amount", "sum")])
    counted, summed = [], []
    for report in reports.to_pylist():
        mine = pc.and_(
            pc.greater_equal(days.column("paid_on"), report["first_day"]),
            pc.less_equal(days.column("paid_on"), report["last_day"]),
        )
        for name in ("agent_code", "settled_on"):
            if report.get(name) is not None:
                mine = pc.and_(mine, pc.fill_null(pc.equal(days.column(name), report[name]), False))
        counted.append(pc.sum(days.column("amount_count").filter(mine)).as_py() or 0)
        summed.append(pc.sum(days.column("amount_sum").filter(mine)).as_py() or 0)
    return pa.table(
        {
            "count": reports.column("count"),
            "amount": reports.column("amount"),
            "counted": pa.array(counted, pa.int64()),
            "summed": pa.array(summed, pa.int64()),
        }
    )


def report_control(sums: pa.Table) -> Control:
    """T2: what operators report, and what the receipts add up to."""
    count, amount, counted, summed = (to_numpy(column, 0) for column in sums.columns)
    wrong = tuple(f"report {row + 1}" for row in np.flatnonzero((count != counted) | (amount != summed)).tolist())
    return Control("T2", STATEMENTS["T2"], total(amount), total(summed), wrong)


def report_findings(sums: pa.Table) -> list[pa.Table]:
    """Reports whose count or sum is another than that of the receipts; ``record_no`` is the report's row."""
    tables = []
    for name, ours in (("count", "counted"), ("amount", "summed")):
        row = np.flatnonzero(to_numpy(sums.column(name), 0) != to_numpy(sums.column(ours), 0))
        told = sums.take(from_numpy(row, pa.int64()))
        found = (f"report.{name}", told.column(ours), told.column(name))
        tables.append(
            of_sources(Finding.TOTAL_MISMATCH, "", *found, len(row), record_no=from_numpy(row + 1, pa.int64()))
        )
    return tables
