"""The control equations (照合) of a run: both sides of each, and whether they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kokin.columns import in_threads, stretches
from kokin.matching import CANCEL, OUTCOMES, PROVISIONAL, Debts
from kokin.model import Bin, Outcome
from kokin.reconcile._judged import Judged
from kokin.reconcile._receipts import Receipts


@dataclass(frozen=True, slots=True)
class Control:
    """One control equation. ``holds`` is None where the run lacks one side: that is not a pass."""

    name: str
    statement: str
    """What is said to be equal."""
    left: int | None = None
    """Yen of the left side."""
    right: int | None = None
    """Yen of the right side."""
    broken: tuple[str, ...] = ()
    """The files, days or charges whose own sides differ; the sums may agree all the same."""

    @property
    def holds(self) -> bool | None:
        """Whether both sides are equal, and those of every part; None: not checked."""
        return None if self.left is None or self.right is None else self.left == self.right and not self.broken

    def as_dict(self) -> dict[str, Any]:
        """The control as JSON has it; ``holds`` is ``"not checked"`` where a side is missing."""
        holds = "not checked" if self.holds is None else self.holds
        sides = {"statement": self.statement, "left": self.left, "right": self.right, "holds": holds}
        return {**sides, "broken": list(self.broken)} if self.broken else sides


_SUSPENSE = (Outcome.NO_BILL, Outcome.MULTIPLE_BILLS, Outcome.KEY_MISSING)


def bins(receipts: Receipts, judged: Judged) -> dict[Bin, int]:
    """The yen of all receipts, each in one bin.

    A 速報 without a bill is not yet money, so it is provisional and not suspense; a 取消 is never money.
    """
    of_nobody = np.array([outcome in _SUSPENSE for outcome in OUTCOMES])

    def of(rows: slice) -> list[int]:
        told, kind, amount = judged.part(rows), receipts.kind[rows], receipts.amount[rows]
        unknown = of_nobody[told.outcome]
        waits = (told.outcome == OUTCOMES.index(Outcome.PROVISIONAL)) | (unknown & (kind == PROVISIONAL))
        suspense = unknown & (kind != PROVISIONAL) & (kind != CANCEL)
        void = ~waits & ~suspense & (told.applied + told.excess == 0)
        yen = (told.applied, told.excess, amount[suspense], amount[waits], amount[void])
        return [int(column.sum()) for column in yen]

    sums = in_threads(of, stretches(len(receipts)))
    names = (Bin.APPLIED, Bin.EXCESS, Bin.SUSPENSE, Bin.PROVISIONAL, Bin.VOID)
    return {name: sum(part[place] for part in sums) for place, name in enumerate(names)}


def controls(receipts: Receipts, judged: Judged, debts: Debts) -> list[Control]:
    """T1 to T6, as far as bills and receipts alone can tell."""
    yen = bins(receipts, judged)
    before, after = int(debts.open.sum()), int(judged.open.sum())
    return [
        Control("T1", "detail = trailer, per file"),
        Control("T2", "operator's report = items"),
        Control("T3", "bank credit = settled - cancels - netted fee"),
        Control("T4", "receipts = sum of all bins", int(receipts.amount.sum()), sum(yen.values())),
        Control("T5", "billed - (paid - excess) = open", before - yen[Bin.APPLIED], after),
        Control("T6", "importing a file again adds nothing"),
    ]
