"""The disposition of every yen: applied, excess, suspense, provisional or without effect. The only home of this rule.

Also the codes of outcomes and kinds of receipt, on which it depends.
"""

from __future__ import annotations

import numpy as np

from kokin._arrow import Int64Array, UInt8Array
from kokin.model import Disposition, Outcome, ReceiptKind

#: The outcomes by code.
OUTCOMES = tuple(Outcome)
#: The kinds of receipt by code.
KINDS = tuple(ReceiptKind)

OUTCOME_CODE = {outcome: np.uint8(code) for code, outcome in enumerate(OUTCOMES)}
#: Codes of :data:`KINDS`.
PROVISIONAL, FINAL, CANCEL, CORRECTION, REVERSAL = (
    KINDS.index(ReceiptKind(name)) for name in ("provisional", "final", "cancel", "correction", "reversal")
)

#: Codes of the disposition of a receipt: money for a known bill (applied and excess), and the other dispositions.
BOOKED, SUSPENSE, PROVISIONAL_YEN, NO_EFFECT = range(4)

_BOOKED_OUTCOMES = {
    Outcome.MATCHED,
    Outcome.UNDERPAID,
    Outcome.OVERPAID,
    Outcome.DUPLICATE_PAYMENT,
    Outcome.BILL_CHANGED,
    Outcome.CANCELLED_BILL,
}
_UNKNOWN_OUTCOMES = {Outcome.NO_BILL, Outcome.MULTIPLE_BILLS, Outcome.KEY_MISSING, Outcome.REVERSAL_WITHOUT_PAYMENT}


def _disposition(outcome: Outcome, kind: ReceiptKind) -> int:
    if outcome in _BOOKED_OUTCOMES:
        return BOOKED
    if outcome in _UNKNOWN_OUTCOMES and kind not in (ReceiptKind.PROVISIONAL, ReceiptKind.CANCEL):
        return SUSPENSE
    # A provisional (速報) without a bill is not money yet, so not in suspense; a cancel (速報取消) is never money.
    waits = outcome is Outcome.PROVISIONAL or (outcome in _UNKNOWN_OUTCOMES and kind is ReceiptKind.PROVISIONAL)
    return PROVISIONAL_YEN if waits else NO_EFFECT


_TABLE = np.array([[_disposition(outcome, kind) for kind in KINDS] for outcome in OUTCOMES], np.uint8)


def disposition_of(outcome: UInt8Array, kind: UInt8Array) -> UInt8Array:
    """Return the disposition of receipts, uint8 (n,), from their codes of ``OUTCOMES`` and ``KINDS``."""
    codes: UInt8Array = _TABLE[outcome, kind]
    return codes


def signed(kind: UInt8Array, amount: Int64Array) -> Int64Array:
    """Return the yen that receipts bring, int64 (n,): those of a reversal are negative."""
    return np.where(kind == REVERSAL, -amount, amount)


def yen_by_disposition(
    disposition: UInt8Array, yen: Int64Array, applied: Int64Array, excess: Int64Array
) -> dict[Disposition, Int64Array]:
    """Return the yen of each receipt by disposition, int64 (n,) each; they add up to ``yen`` (see :func:`signed`)."""
    return {
        Disposition.APPLIED: applied,
        Disposition.EXCESS: excess,
        Disposition.SUSPENSE: np.where(disposition == SUSPENSE, yen, 0),
        Disposition.PROVISIONAL: np.where(disposition == PROVISIONAL_YEN, yen, 0),
        Disposition.NO_EFFECT: np.where(disposition == NO_EFFECT, yen, 0),
    }
