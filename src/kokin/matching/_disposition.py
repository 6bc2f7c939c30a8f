"""The disposition of every yen: in which bin an outcome puts the yen of a receipt. The rule has no other home."""

from __future__ import annotations

import numpy as np

from kokin._arrow import Int64Array, UInt8Array
from kokin.matching._judge import KINDS, OUTCOMES
from kokin.model import Disposition, Outcome, ReceiptKind

#: What :func:`disposition` returns: money for a known bill (applied and excess), and the other bins.
BOOKED, SUSPENSE, PROVISIONAL_YEN, NO_EFFECT = range(4)

_BOOKED = {
    Outcome.MATCHED,
    Outcome.UNDERPAID,
    Outcome.OVERPAID,
    Outcome.DUPLICATE_PAYMENT,
    Outcome.BILL_CHANGED,
    Outcome.CANCELLED_BILL,
}
_UNKNOWN = {Outcome.NO_BILL, Outcome.MULTIPLE_BILLS, Outcome.KEY_MISSING, Outcome.REVERSAL_WITHOUT_PAYMENT}


def _disposition(outcome: Outcome, kind: ReceiptKind) -> int:
    if outcome in _BOOKED:
        return BOOKED
    if outcome in _UNKNOWN and kind not in (ReceiptKind.PROVISIONAL, ReceiptKind.CANCEL):
        return SUSPENSE
    # A provisional (速報) without a bill is not money yet, so not in suspense; a cancel (速報取消) is never money.
    waits = outcome is Outcome.PROVISIONAL or (outcome in _UNKNOWN and kind is ReceiptKind.PROVISIONAL)
    return PROVISIONAL_YEN if waits else NO_EFFECT


_TABLE = np.array([[_disposition(outcome, kind) for kind in KINDS] for outcome in OUTCOMES], np.uint8)


def disposition(outcome: UInt8Array, kind: UInt8Array) -> UInt8Array:
    """Return the disposition of receipts, uint8 (n,), from their codes of ``OUTCOMES`` and ``KINDS``."""
    found: UInt8Array = _TABLE[outcome, kind]
    return found


_DISPOSITIONS = tuple(Disposition)
#: Indices of ``Disposition`` by what :func:`disposition` returns, if no balance was lowered.
_WITHOUT_APPLIED = np.array(
    [_DISPOSITIONS.index(Disposition(name)) for name in ("excess", "suspense", "provisional", "no_effect")], np.uint8
)


def disposition_index(outcome: UInt8Array, kind: UInt8Array, applied: Int64Array) -> UInt8Array:
    """Return the disposition of receipts as its index in ``tuple(Disposition)``, uint8 (n,).

    A receipt with both applied and excess yen is APPLIED. ``applied``, int64 (n,), is not 0 if a balance was lowered.
    """
    index: UInt8Array = _WITHOUT_APPLIED[disposition(outcome, kind)]
    index[applied != 0] = _DISPOSITIONS.index(Disposition.APPLIED)
    return index


def signed(kind: UInt8Array, amount: Int64Array) -> Int64Array:
    """Return the yen that receipts bring, int64 (n,): those of a reversal are negative."""
    return np.where(kind == KINDS.index(ReceiptKind.REVERSAL), -amount, amount)


def bins(
    outcome: UInt8Array, kind: UInt8Array, amount: Int64Array, applied: Int64Array, excess: Int64Array
) -> dict[Disposition, Int64Array]:
    """Return the yen of each receipt by bin, int64 (n,) each; over all bins they are its :func:`signed` yen."""
    where, yen = disposition(outcome, kind), signed(kind, amount)
    return {
        Disposition.APPLIED: applied,
        Disposition.EXCESS: excess,
        Disposition.SUSPENSE: np.where(where == SUSPENSE, yen, 0),
        Disposition.PROVISIONAL: np.where(where == PROVISIONAL_YEN, yen, 0),
        Disposition.NO_EFFECT: np.where(where == NO_EFFECT, yen, 0),
    }
