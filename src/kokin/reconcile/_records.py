"""Records that the accounts need beside bills and receipts: bank deposits, agent reports and write-offs."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import Int64Array, combine, to_numpy
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Date, Record, Text, Yen
from kokin.reconcile._bill_columns import BillColumns


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


class WriteOff(Record):
    """Yen of one bill that the authority has written off (不納欠損). The bill stays, and is no longer collected."""

    bill_id: Annotated[str, Text(64, min=1)]
    """The bill; of a slip that covers several obligations, the first of them is meant."""
    amount: Annotated[int, Yen(1)]
    """Yen, at most the balance after the run."""
    decided_on: Annotated[date, Date()] | None = None
    """The day of the decision."""
    reason: Annotated[str, Text(200)] | None = None
    """Why (消滅時効, 執行停止), without personal data."""


def written_off_yen(write_offs: pa.Table, bills: BillColumns, balance: Int64Array) -> Int64Array:
    """Return the yen written off on each obligation, int64 (m,).

    Args:
        write_offs: rows of :class:`WriteOff`.
        bills: the bills of the run.
        balance: int64 (m,): yen open on each obligation after the run.

    Raises:
        InvalidInputError: a bill is not in the run, or more is written off than is open on it.
    """
    bill_id = combine(write_offs.column("bill_id")).cast(bills.index.bill_id.type)
    slip = to_numpy(pc.index_in(bill_id, value_set=bills.index.bill_id), -1)
    amount = to_numpy(write_offs.column("amount"), 0)
    known = np.flatnonzero(slip >= 0)
    obligation = bills.obligation_of(slip[known])
    yen = np.zeros(len(balance), np.int64)
    np.add.at(yen, obligation, amount[known])
    #: The largest valid amount of each invalid row, -1 for a valid row.
    limit = np.full(len(slip), -1, np.int64)
    limit[known] = np.where((yen > balance)[obligation] | (amount[known] < 1), balance[obligation], -1)
    issues = []
    for row in np.flatnonzero((slip < 0) | (limit >= 0)).tolist():
        if slip[row] >= 0:
            issue = Issue("AMOUNT_RANGE", field="amount", expected=f"1 to {limit[row]}", found=str(amount[row]))
        else:
            found = str(write_offs.column("bill_id")[row])
            issue = Issue("CODE_UNKNOWN", field="bill_id", expected="a bill of the run", found=found)
        issues.append(issue.with_location(Location(record=row + 1)))
    if issues:
        raise InvalidInputError(issues, "write-offs rejected")
    return yen
