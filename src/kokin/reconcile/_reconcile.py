"""Reconciliation (消込): receipts against bills, every yen in exactly one outcome."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from kokin._arrow import BoolArray, Int32Array, Int64Array, from_numpy, sorted_unique
from kokin.matching import OUTCOMES, Index
from kokin.model import Finding, Outcome
from kokin.reconcile._columns import total
from kokin.reconcile._controls import Control, bins, controls
from kokin.reconcile._files import overlap_findings
from kokin.reconcile._findings import FINDING_SCHEMA, of_lines
from kokin.reconcile._lines import Lines
from kokin.reconcile._match_input import Receipts
from kokin.reconcile._match_run import MatchRun
from kokin.reconcile._policy import Policy
from kokin.reconcile._tables import balance_batches, balance_table, exception_table, outcome_batches, outcome_table


class Reconciliation:
    """What became of every receipt, and how every bill stands after it.

    Each table is made when it is first asked for.
    """

    def __init__(self, index: Index, receipts: Receipts, judged: MatchRun, policy: Policy) -> None:
        self._index, self._receipts, self._judged, self._policy = index, receipts, judged, policy

    @cached_property
    def outcomes(self) -> pa.Table:
        """A row per receipt, by source, digest and record_no.

        ``source, record_no, outcome, bill_id, payee_code, item_code, case_key, amount, applied, excess,
        balance_before``. Yen; ``balance_before`` is the balance of the bill before the receipt.
        """
        return self._in_order[0]

    @cached_property
    def balances(self) -> pa.Table:
        """A row per slip, by bill_id: ``bill_id, amount, paid, residual, status`` (yen; :class:`BalanceStatus`)."""
        return balance_table(self._index, self._open, self._waiting)

    @cached_property
    def changes(self) -> pa.Table:
        """The rows of :attr:`balances` whose slips the receipts of this run led to."""
        slips = sorted_unique(self._receipts.slip)
        return balance_table(self._index, self._open, self._waiting, slips[slips >= 0])

    def outcome_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows of :attr:`outcomes` by the stretch: no table of them is held."""
        return outcome_batches(self._receipts, self._index, self._judged)

    def balance_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows of :attr:`balances` by the stretch."""
        return balance_batches(self._index, self._open, self._waiting)

    @cached_property
    def exceptions(self) -> pa.Table:
        """Everything to look at: the outcomes that are exceptions, in their order, then :attr:`findings`.

        ``source, record_no, outcome, bill_id, payee_code, item_code, case_key, amount, field, expected, found``.
        """
        return pa.concat_tables([self._outcome_exceptions.cast(FINDING_SCHEMA), self.findings])

    @cached_property
    def findings(self) -> pa.Table:
        """What the records say of each other: KEY_REUSED by record, FILE_OVERLAPS by pair of files.

        In the columns of :attr:`exceptions`; ``outcome`` holds the :class:`~kokin.model.Finding`.
        """
        return pa.concat_tables([self._reused_keys, overlap_findings(self.overlaps)])

    @cached_property
    def overlaps(self) -> pa.Table:
        """The files that repeat records of other files; see :func:`overlaps`."""
        return self._receipts.overlaps

    def exceptions_by_record(self) -> list[tuple[pa.Table, Int64Array]]:
        """:attr:`exceptions` without those of files, in two tables, with the row of :attr:`outcomes` of each."""
        looked_at = np.array([outcome.is_exception for outcome in OUTCOMES])[self._judged.outcome[self._in_order[1]]]
        return [
            (self._outcome_exceptions.cast(FINDING_SCHEMA), np.flatnonzero(looked_at)),
            (self._reused_keys, np.flatnonzero(self.reused)),
        ]

    @cached_property
    def payments(self) -> Int64Array:
        """For each row of :attr:`outcomes` the row that counts for its payment, mostly itself: int64 (n,)."""
        rows = self._in_order[1]
        place = np.empty(len(rows), np.int64)
        place[rows] = np.arange(len(rows))
        return place.take(self._receipts.identity.counted[rows])

    @property
    def reused(self) -> BoolArray:
        """The rows of :attr:`outcomes` whose ``provider_key`` other payments have too (KEY_REUSED): bool (n,)."""
        return self._receipts.identity.reused[self._in_order[1]]

    @cached_property
    def _outcome_exceptions(self) -> pa.Table:
        return exception_table(self._receipts, *self._in_order, self._judged)

    @cached_property
    def _reused_keys(self) -> pa.Table:
        lines = Lines(self)
        at = np.flatnonzero(self._receipts.identity.reused[lines.rows])
        key = lines.text("provider_key").take(from_numpy(at, pa.int64()))
        return of_lines(Finding.KEY_REUSED, lines, at, "provider_key", "one payment", key)

    @cached_property
    def controls(self) -> list[Control]:
        """The control equations T1 to T6."""
        return controls(self._receipts, self._judged, self._index.obligations)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Counts and yen, for JSON: ``bills, receipts, amount, outcomes, bins, controls, policy``.

        The yen of reversals are negative: ``amount`` is what came and was not taken back.
        """
        code, yen = self._judged.outcome, self._receipts.yen
        told = {
            OUTCOMES[found].value: {"count": int(count), "amount": total(yen[code == found])}
            for found, count in enumerate(np.bincount(code))
            if count
        }
        return {
            "bills": len(self._index),
            "receipts": len(self._receipts),
            "amount": total(yen),
            "outcomes": told,
            "bins": {name.value: yen for name, yen in bins(self._receipts, self._judged).items()},
            "controls": {control.name: control.as_dict() for control in self.controls},
            "policy": self._policy.model_dump(mode="json"),
        }

    @cached_property
    def _in_order(self) -> tuple[pa.Table, Int64Array]:
        """The outcomes, and the receipt of each row."""
        return outcome_table(self._receipts, self._index, self._judged)

    @property
    def _open(self) -> Int64Array:
        """What is open on each obligation after the run."""
        return self._judged.balance_after

    @property
    def _waiting(self) -> Int32Array:
        """The slips on which a 速報 waits."""
        waits = self._judged.outcome == OUTCOMES.index(Outcome.PROVISIONAL)
        slips: Int32Array = self._receipts.slip[waits]
        return slips


def reconcile(bills: Any, receipts: Any, policy: Policy | None = None) -> Reconciliation:
    """Settle receipts against bills by the rule of matching.

    Args:
        bills: a table with the columns of :class:`~kokin.model.Bill` (anything with ``__arrow_c_stream__``), or a
            prepared :class:`~kokin.matching.Index`. Columns that are not matched on are not read;
            :func:`build_accounts` checks them.
        receipts: a table with the columns of :class:`~kokin.model.Receipt`, or a list of them, one per file. Order and
            split do not matter.
        policy: the body's choices.

    Raises:
        InvalidInputError: the bills do not hold together, or a row is no bill or no receipt; ``.issues`` tells all of
        it.
    """
    policy = policy or Policy()
    index = bills if isinstance(bills, Index) else Index.build(bills)
    taken = Receipts(receipts, index)
    return Reconciliation(index, taken, MatchRun(index, taken, policy), policy)
