"""Match all receipts of a run: a vectorised fast path for independent receipts, the full rule for the others."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from kokin._arrow import Int64Array, UInt8Array, chunk_slices, thread_map
from kokin.matching import Allocations, Index, MatchResult, apply_rule, match_independent
from kokin.reconcile._match_input import Receipts
from kokin.reconcile._policy import Policy


class MatchRun:
    """The results of the receipts of a run, ``n`` of them, and of its obligations, ``m``.

    Nearly all receipts are independent. Their results are cheap to compute, so they are computed per chunk on demand
    and not stored.
    """

    def __init__(self, index: Index, receipts: Receipts, policy: Policy) -> None:
        self.index, self.receipts, self.policy = index, receipts, policy
        interacting = receipts.interacting()
        self._rows = np.flatnonzero(interacting)
        receipts_of_rule = receipts.match_input(self._rows, policy)
        self._by_rule, allocations = apply_rule(receipts_of_rule, index.obligations, index.status)
        self._allocations = allocations._replace(payment=self._rows[allocations.payment])
        self._independent = np.logical_not(interacting, out=interacting)

    def results(self, rows: slice) -> MatchResult:
        """Return the results of some receipts."""
        receipts, index = self.receipts, self.index
        first, end = np.searchsorted(self._rows, (rows.start, rows.stop)).tolist()
        if end - first == rows.stop - rows.start:
            return self._by_rule.part(slice(first, end))
        results = match_independent(receipts.slip[rows], receipts.amount[rows], index.obligations, index.status)
        at = self._rows[first:end] - rows.start
        for name, column in self._by_rule.part(slice(first, end))._asdict().items():
            getattr(results, name)[at] = column
        return results

    @property
    def outcome(self) -> UInt8Array:
        """uint8 (n,): a code of ``OUTCOMES``."""
        return self._collected[0]

    @property
    def disposition(self) -> UInt8Array:
        """uint8 (n,): in which disposition the yen of each receipt are; see :class:`~kokin.matching.MatchResult`."""
        return self._collected[1]

    @property
    def balance_after(self) -> Int64Array:
        """int64 (m,): yen open on each obligation after the run."""
        return self._collected[2]

    @cached_property
    def allocations(self) -> Allocations:
        """The yen of all payments by receipt and obligation, in the order of the receipts."""
        chunks = thread_map(
            lambda rows: self._independent_allocations(rows, self.results(rows)), chunk_slices(len(self.receipts))
        )
        allocations = Allocations._make(map(np.concatenate, zip(self._allocations, *chunks, strict=True)))
        return allocations.by_payment(allocations.payment)

    def _independent_allocations(self, rows: slice, results: MatchResult) -> Allocations:
        """Return the allocations of the independent receipts among some rows; each is for one obligation."""
        at = np.flatnonzero(self._independent[rows] & (results.applied > 0))
        obligation = self.index.obligations.of(self.receipts.slip[rows][at])
        return Allocations(rows.start + at, obligation, results.applied[at], results.balance_before[at])

    @cached_property
    def _collected(self) -> tuple[UInt8Array, UInt8Array, Int64Array]:
        outcome, disposition = (np.empty(len(self.receipts), np.uint8) for _ in range(2))
        balance = np.array(self.index.obligations.open)
        np.subtract.at(balance, self._allocations.obligation, self._allocations.yen)

        def collect(rows: slice) -> None:
            results = self.results(rows)
            outcome[rows], disposition[rows] = results.outcome, results.disposition
            allocations = self._independent_allocations(rows, results)
            # Independent receipts have no obligation in common.
            balance[allocations.obligation] -= allocations.yen

        thread_map(collect, chunk_slices(len(self.receipts)))
        return outcome, disposition, balance
