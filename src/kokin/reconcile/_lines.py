"""The receipts of a run, line by line as their outcomes are told."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from kokin._arrow import BoolArray, Int32Array, Int64Array, UInt8Array, from_numpy, to_numpy
from kokin.matching import BOOKED, KINDS, NO_BALANCE, OUTCOMES, PROVISIONAL_YEN, SUSPENSE
from kokin.model import Outcome, ReceiptKind
from kokin.reconcile._columns import Days, charges, day_column, text_column

if TYPE_CHECKING:
    from kokin.reconcile._reconcile import Reconciliation


class Lines:
    """The receipts in the order of ``Reconciliation.outcomes``, ``n`` lines."""

    def __init__(self, result: Reconciliation) -> None:
        taken = result._receipts
        #: The outcomes, and the receipt of each: int64 (n,).
        self.told, self.rows = result._in_order
        self._table = taken.table
        self.kind: UInt8Array = taken.kind[self.rows]
        self.slip: Int32Array = taken.slip[self.rows]
        self.code: UInt8Array = result._judged.outcome[self.rows]
        self.disposition: UInt8Array = result._judged.disposition[self.rows]
        #: int64 (n,) each: yen as reported, and with those of reversals negative.
        self.amount: Int64Array = taken.amount[self.rows]
        self.yen: Int64Array = taken.yen[self.rows]
        self.applied: Int64Array = to_numpy(self.told.column("applied"), 0)
        self.excess: Int64Array = to_numpy(self.told.column("excess"), 0)
        self.met: Int64Array = to_numpy(self.told.column("balance_before"), NO_BALANCE)

    def __len__(self) -> int:
        return len(self.rows)

    def are(self, *outcomes: Outcome) -> BoolArray:
        """Which lines have one of these outcomes: bool (n,)."""
        return np.isin(self.code, [OUTCOMES.index(outcome) for outcome in outcomes])

    def come_as(self, *kinds: ReceiptKind) -> BoolArray:
        """Which lines are of one of these kinds: bool (n,)."""
        return np.isin(self.kind, [KINDS.index(kind) for kind in kinds])

    def _is(self, where: int) -> BoolArray:
        found: BoolArray = self.disposition == where
        return found

    @cached_property
    def suspense(self) -> BoolArray:
        """Money that nobody knows for what (不明金), and what was taken back of it: bool (n,)."""
        return self._is(SUSPENSE)

    @cached_property
    def waiting(self) -> BoolArray:
        """速報 that wait for their 確報, also those that no bill is known for: bool (n,)."""
        return self._is(PROVISIONAL_YEN)

    @cached_property
    def booked(self) -> BoolArray:
        """Money for a known bill: bool (n,)."""
        return self._is(BOOKED)

    @property
    def money(self) -> BoolArray:
        """Everything that is money, once: bool (n,)."""
        return (self.booked | self.suspense) & ~self.reversals

    @cached_property
    def reversals(self) -> BoolArray:
        """What a bank or an agent takes back (入金取消), once: bool (n,)."""
        return self.are(Outcome.REVERSAL, Outcome.REVERSAL_WITHOUT_PAYMENT)

    @property
    def collected(self) -> BoolArray:
        """Money that came, also what was taken back later: bool (n,)."""
        return self.money | self.are(Outcome.REVERSED)

    def text(self, name: str) -> pa.Array:
        """A text column of the receipts; null where there is none."""
        return text_column(self._table, name).take(from_numpy(self.rows, pa.int64()))

    def days(self, name: str) -> Days:
        """A column of days, datetime64[D] (n,); NaT for a null."""
        return day_column(self._table, name)[self.rows]

    def whole(self, name: str) -> Int64Array:
        """A column of whole numbers, int64 (n,); -1 for a null."""
        if name not in self._table.schema.names:
            return np.full(len(self), -1, np.int64)
        return to_numpy(self._table.column(name), -1)[self.rows]

    @cached_property
    def bank_charge(self) -> Int64Array:
        """Yen that the bank kept of each, int64 (n,); 0 where nothing says."""
        return charges(self._table)[self.rows]

    @cached_property
    def paid_on(self) -> Days:
        """納付日, datetime64[D] (n,)."""
        return self.days("paid_on")

    @cached_property
    def received_on(self) -> Days:
        """収入日, datetime64[D] (n,); the day of payment where the receipt tells no other."""
        received = self.days("received_on")
        return np.where(np.isnat(received), self.paid_on, received)
