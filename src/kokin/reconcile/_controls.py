"""The control equations (照合) of a run: both sides of each, and whether they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kokin._arrow import chunk_slices, from_numpy, thread_map
from kokin.matching import OUTCOMES, Obligations, signed, yen_by_disposition
from kokin.model import Disposition, Outcome
from kokin.reconcile._columns import text_column, total
from kokin.reconcile._match_input import Receipts
from kokin.reconcile._match_run import MatchRun


@dataclass(frozen=True, slots=True)
class Control:
    """One control equation. ``holds`` is None where one side is missing or not known: that is not a pass."""

    name: str
    statement: str
    """What is said to be equal."""
    left: int | None = None
    """The left side in yen, of T6 in records."""
    right: int | None = None
    """The right side in the same."""
    broken: tuple[str, ...] = ()
    """The files, days or charges whose own sides differ; the sums may agree all the same."""
    unsure: tuple[str, ...] = ()
    """The totals that cannot be compared; see :attr:`kokin.receipts.DeclaredTotal.unsure`."""

    @property
    def holds(self) -> bool | None:
        """Whether both sides are equal, and those of every part; None: not checked, or not all of it could be."""
        if self.left is None or self.right is None:
            return None
        if self.left != self.right or self.broken:
            return False
        return None if self.unsure else True

    def as_dict(self) -> dict[str, Any]:
        """The control as JSON has it; ``holds`` is ``"not checked"`` for None, and empty lists are left out."""
        holds = "not checked" if self.holds is None else self.holds
        sides = {"statement": self.statement, "left": self.left, "right": self.right, "holds": holds}
        parts = {"broken": self.broken, "unsure": self.unsure}
        return {**sides, **{name: list(names) for name, names in parts.items() if names}}


#: The statements of the control equations, by name.
STATEMENTS = {
    "T1": "detail = trailer, per file",
    "T2": "operator's report = items",
    "T3": "bank credit = settled - cancels - netted fee",
    "T4": "receipts - reversals = sum of all bins",
    "T5": "billed - (paid - excess) = open",
    "T6": "records that count = different payments: none counts twice",
}


def bins(receipts: Receipts, judged: MatchRun) -> dict[Disposition, int]:
    """The yen of all receipts by bin; see :func:`kokin.matching.yen_by_disposition`."""

    def of(rows: slice) -> dict[Disposition, int]:
        results, yen = judged.results(rows), signed(receipts.kind[rows], receipts.amount[rows])
        by_disposition = yen_by_disposition(results.disposition, yen, results.applied, results.excess)
        return {name: int(column.sum()) for name, column in by_disposition.items()}

    sums = thread_map(of, chunk_slices(len(receipts)))
    return {name: sum(part[name] for part in sums) for name in Disposition}


def controls(receipts: Receipts, judged: MatchRun, debts: Obligations) -> list[Control]:
    """T1 to T6, as far as bills and receipts alone can tell."""
    yen = bins(receipts, judged)
    before, after = total(debts.open), total(judged.balance_after)
    sides = {
        "T4": (total(receipts.yen), sum(yen.values())),
        "T5": (before - yen[Disposition.APPLIED], after),
    }
    not_checked = (None, None)
    checked = {
        name: Control(name, STATEMENTS[name], left, right)
        for name in STATEMENTS
        for left, right in [sides.get(name, not_checked)]
    }
    return list((checked | {"T6": payment_control(receipts, judged)}).values())


def payment_control(receipts: Receipts, judged: MatchRun) -> Control:
    """T6: the records that count, and the payments that all records report; broken by files with one counted twice.

    The right side asks for the identity of all records at once, whatever the matching has looked at.
    """
    counts = judged.outcome != OUTCOMES.index(Outcome.DUPLICATE_RECORD)
    payments = receipts.identity.counted
    seen = np.bincount(payments[counts], minlength=len(payments))
    wrong = np.flatnonzero(counts & (seen[payments] > 1))
    columns = [text_column(receipts.table, name).take(from_numpy(wrong, pa.int64())) for name in ("source", "digest")]
    files = sorted({source or digest or "" for source, digest in zip(*(c.to_pylist() for c in columns), strict=True)})
    different = len(payments) - int(np.count_nonzero(receipts.identity.duplicate))
    return Control("T6", STATEMENTS["T6"], int(np.count_nonzero(counts)), different, tuple(files))
