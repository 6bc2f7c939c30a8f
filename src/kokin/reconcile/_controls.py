"""The control equations (照合) of a run: both sides of each, and whether they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kokin.matching import CANCEL, OUTCOMES, PROVISIONAL, Debts, Judgement
from kokin.model import Bin, Outcome
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


def bins(receipts: Receipts, judged: Judgement) -> dict[Bin, int]:
    """The yen of all receipts, each in one bin.

    A 速報 without a bill is not yet money, so it is provisional and not suspense; a 取消 is never money.
    """
    kind, amount = receipts.kind, receipts.amount
    unknown = np.isin(judged.outcome, [OUTCOMES.index(outcome) for outcome in _SUSPENSE])
    waits = (judged.outcome == OUTCOMES.index(Outcome.PROVISIONAL)) | (unknown & (kind == PROVISIONAL))
    suspense = unknown & (kind != PROVISIONAL) & (kind != CANCEL)
    booked = judged.applied + judged.excess
    void = ~waits & ~suspense & (booked == 0)
    return {
        Bin.APPLIED: int(judged.applied.sum()),
        Bin.EXCESS: int(judged.excess.sum()),
        Bin.SUSPENSE: int(amount[suspense].sum()),
        Bin.PROVISIONAL: int(amount[waits].sum()),
        Bin.VOID: int(amount[void].sum()),
    }


def controls(receipts: Receipts, judged: Judgement, debts: Debts) -> list[Control]:
    """T1 to T6, as far as bills and receipts alone can tell."""
    before, met = int(debts.open.sum()), int(debts.open[judged.touched].sum())
    return [
        Control("T1", "detail = trailer, per file"),
        Control("T2", "operator's report = items"),
        Control("T3", "bank credit = settled - cancels - netted fee"),
        Control("T4", "receipts = sum of all bins", int(receipts.amount.sum()), sum(bins(receipts, judged).values())),
        Control(
            "T5",
            "billed - (paid - excess) = open",
            before - int(judged.applied.sum()),
            before - met + int(judged.left.sum()),
        ),
        Control("T6", "importing a file again adds nothing"),
    ]
