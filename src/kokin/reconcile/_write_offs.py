"""Write-offs (不納欠損): debts that the body has given up. The bill stays; nothing is asked for any more."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import Int64Array, combine, to_numpy
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Date, Record, Text, Yen
from kokin.reconcile._billed import Billed


class WriteOff(Record):
    """Yen of one bill that are written off."""

    bill_id: Annotated[str, Text(64, min=1)]
    """The bill; one that covers several stands for the first of them."""
    amount: Annotated[int, Yen(1)]
    """Yen, at most what is open after the run."""
    decided_on: Annotated[date, Date()] | None = None
    """The day of the decision."""
    reason: Annotated[str, Text(200)] | None = None
    """Why (消滅時効, 執行停止), without personal data."""


def written_off(rows: pa.Table, billed: Billed, balance: Int64Array) -> Int64Array:
    """Yen written off on each obligation, int64 (m,); ``balance``, int64 (m,), is open on each after the run.

    Raises:
        InvalidInputError: a bill that is not in the run, or more than is open on it.
    """
    slip = to_numpy(
        pc.index_in(combine(rows.column("bill_id")).cast(billed.index.bill_id.type), value_set=billed.index.bill_id), -1
    )
    amount = to_numpy(rows.column("amount"), 0)
    known = np.flatnonzero(slip >= 0)
    obligation = billed.obligation_of(slip[known])
    yen = np.zeros(len(balance), np.int64)
    np.add.at(yen, obligation, amount[known])
    most = np.full(len(slip), -1, np.int64)
    most[known] = np.where((yen > balance)[obligation] | (amount[known] < 1), balance[obligation], -1)
    issues = [
        Issue(
            "AMOUNT_RANGE",
            field="amount",
            expected=f"1 to {most[row]}",
            found=str(amount[row]),
            location=Location(record=row + 1),
        )
        if slip[row] >= 0
        else Issue(
            "CODE_UNKNOWN",
            field="bill_id",
            expected="a bill of the run",
            found=str(rows.column("bill_id")[row]),
            location=Location(record=row + 1),
        )
        for row in np.flatnonzero((slip < 0) | (most >= 0)).tolist()
    ]
    if issues:
        raise InvalidInputError(issues, "write-offs refused")
    return yen
