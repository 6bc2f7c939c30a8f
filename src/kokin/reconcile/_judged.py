"""The judgement of a run: at a stroke where a receipt concerns no other, by the whole rule elsewhere."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from kokin._arrow import Int64Array, UInt8Array, chunk_slices, thread_map
from kokin.matching import Index, MatchResult, apply_rule, match_independent
from kokin.reconcile._policy import Policy
from kokin.reconcile._receipts import Receipts


class Judged:
    """What became of the receipts of a run, ``n`` of them, and of its obligations, ``m``.

    Nearly every receipt concerns no other. What became of such a one is quickly told again, so it is told by the
    stretch to whoever asks, and not held.
    """

    def __init__(self, index: Index, taken: Receipts, policy: Policy) -> None:
        self._index, self._taken = index, taken
        company = taken.interacting()
        self._rows = np.flatnonzero(company)
        self._some = apply_rule(taken.claims(self._rows, policy), index.debts, index.status)
        self._alone = np.logical_not(company, out=company)

    def part(self, rows: slice) -> MatchResult:
        """What became of some receipts; ``touched`` and ``left`` include those obligations that one alone came to."""
        first, end = np.searchsorted(self._rows, (rows.start, rows.stop)).tolist()
        some, taken, index = self._some.part(slice(first, end)), self._taken, self._index
        if end - first == rows.stop - rows.start:
            return some
        told = match_independent(taken.slip[rows], taken.amount[rows], self._alone[rows], index.debts, index.status)
        here = self._rows[first:end] - rows.start
        for name in ("outcome", "applied", "excess", "balance_before"):
            getattr(told, name)[here] = getattr(some, name)
        return told

    @property
    def outcome(self) -> UInt8Array:
        """uint8 (n,): a code of ``OUTCOMES``."""
        return self._done[0]

    @property
    def open(self) -> Int64Array:
        """int64 (m,): yen open on each obligation after the run."""
        return self._done[1]

    @cached_property
    def _done(self) -> tuple[UInt8Array, Int64Array]:
        outcome, left = np.empty(len(self._taken), np.uint8), np.array(self._index.debts.open)
        left[self._some.touched] = self._some.left

        def note(rows: slice) -> None:
            told = self.part(rows)
            outcome[rows] = told.outcome
            left[told.touched] = told.left

        thread_map(note, chunk_slices(len(self._taken)))
        return outcome, left
