"""Reconciliation (消込): receipts against bills, every yen in exactly one disposition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import BoolArray, Int32Array, Int64Array, as_table, from_numpy
from kokin._arrow.threads import sorted_unique
from kokin.matching import OUTCOMES, Index
from kokin.model import ArrowStreamExportable, Finding, Outcome
from kokin.reconcile._columns import exact_sum, exact_sums_by
from kokin.reconcile._controls import (
    Control,
    PayeeSums,
    balance_control,
    disposition_control,
    payment_control,
    sum_by_payee,
    unchecked,
)
from kokin.reconcile._findings import overlapping_files, receipt_findings
from kokin.reconcile._matches import Matches, Receipts
from kokin.reconcile._payees import Payees, find_payees
from kokin.reconcile._policy import Policy
from kokin.reconcile._tables import (
    OutcomeRows,
    balance_batches,
    balance_table,
    exception_table,
    outcome_batches,
    outcome_table,
)


@dataclass(frozen=True, slots=True)
class OutcomeTotal:
    """The receipts with one outcome."""

    count: int
    amount: int
    """Yen; those of reversals are negative."""


@dataclass(frozen=True, slots=True)
class PayeeTotals:
    """Counts and yen of one payee (共通納税機関コード)."""

    bills: int
    """Number of slips."""
    receipts: int
    """Number of receipts."""
    amount: int
    """Yen of its receipts less those of the reversals."""
    outcomes: Mapping[str, OutcomeTotal]
    """By the :class:`~kokin.model.Outcome`, without those that no receipt has."""
    dispositions: Mapping[str, int]
    """Yen by :class:`~kokin.model.Disposition`."""


@dataclass(frozen=True)
class Summary:
    """Counts and yen of a run. :meth:`as_dict` is ``summary.json``.

    The totals over all payees are control sums; those of an authority are in :attr:`payees`.
    """

    bills: int
    """Number of slips."""
    receipts: int
    """Number of receipts."""
    amount: int
    """Yen of all receipts less those of the reversals."""
    outcomes: Mapping[str, OutcomeTotal]
    """By the :class:`~kokin.model.Outcome`, without those that no receipt has."""
    dispositions: Mapping[str, int]
    """Yen by :class:`~kokin.model.Disposition`."""
    payees: Mapping[str, PayeeTotals]
    """Counts and yen of each payee by its ``payee_code``.

    The payee of a receipt is its own ``payee_code``, else that of the bill it was matched with, else the empty text.
    """
    controls: Mapping[str, Control]
    """The control equations by name, T1 to T6."""
    policy: Policy
    """The choices of the run."""

    def as_dict(self) -> dict[str, Any]:
        """Return the summary for JSON."""
        return {
            **vars(self),
            "outcomes": {name: asdict(total) for name, total in self.outcomes.items()},
            "dispositions": dict(self.dispositions),
            "payees": {code: asdict(totals) for code, totals in self.payees.items()},
            "controls": {name: control.as_dict() for name, control in self.controls.items()},
            "policy": self.policy.model_dump(mode="json"),
        }

    def _repr_html_(self) -> str:
        """Return the summary as a small HTML table for notebooks."""
        rows: list[tuple[object, ...]] = [("receipts", self.receipts, self.amount)]
        rows += [(name, total.count, total.amount) for name, total in self.outcomes.items()]
        rows += [(name, "", yen) for name, yen in self.dispositions.items()]
        results = {None: "not checked", True: "holds", False: "BROKEN"}
        rows += [(f"{each.name} {each.statement}", results[each.holds], "") for each in self.controls.values()]
        totals = html_table(("", "count", "yen"), rows)
        if len(self.payees) < 2:
            return totals
        of_payees = [(code, each.receipts, *each.dispositions.values()) for code, each in self.payees.items()]
        return totals + html_table(("payee_code", "receipts", *self.dispositions), of_payees)


def html_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return an HTML table of escaped texts; integers get thousands separators."""
    texts = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    lines = [("th", heads), *(("td", row) for row in texts)]
    cells = ["".join(f"<{tag}>{escape(text)}</{tag}>" for text in row) for tag, row in lines]
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


@dataclass(frozen=True, eq=False)
class MatchedRun:
    """The input and the matches of a run, and what is computed from them for outcomes and accounts alike."""

    index: Index
    receipts: Receipts
    matches: Matches
    policy: Policy
    bills: pa.Table | None = None
    """The table from which the index was built; None if only an index is known."""

    @property
    def balance(self) -> Int64Array:
        """Yen open on each obligation after the run: int64 (m,)."""
        return self.matches.balance_after

    @property
    def provisional_slips(self) -> Int32Array:
        """The slip of each 速報 without 確報: int32 (k,)."""
        slips: Int32Array = self.receipts.slip[self.matches.outcome == OUTCOMES.index(Outcome.PROVISIONAL)]
        return slips

    @cached_property
    def payees(self) -> Payees:
        """The payees of the receipts and of the slips."""
        return find_payees(self.receipts.table, self.receipts.slip, self.index)

    @cached_property
    def outcomes(self) -> tuple[pa.Table, Int64Array]:
        """The table of outcomes, and the receipt of each row: int64 (n,)."""
        return outcome_table(self.receipts, self.index, self.matches)

    @cached_property
    def rows(self) -> OutcomeRows:
        """The receipts in the order of the outcomes, as numpy columns."""
        return OutcomeRows(self.receipts, self.matches, self.payees, *self.outcomes)

    @cached_property
    def row_of_receipt(self) -> Int64Array:
        """The row of each receipt in the table of outcomes: int64 (n,)."""
        order = self.outcomes[1]
        row_of_receipt = np.empty(len(order), np.int64)
        row_of_receipt[order] = np.arange(len(order))
        return row_of_receipt

    @cached_property
    def exceptions(self) -> pa.Table:
        """The outcomes that are exceptions."""
        return exception_table(self.receipts, self.rows)

    @property
    def is_key_reused(self) -> BoolArray:
        """The rows whose ``provider_key`` other payments have too: bool (n,)."""
        return self.receipts.identity.reused[self.outcomes[1]]

    @cached_property
    def key_findings(self) -> pa.Table:
        """KEY_REUSED, by record."""
        at = np.flatnonzero(self.is_key_reused)
        key = self.rows.text_column("provider_key").take(from_numpy(at, pa.int64()))
        return receipt_findings(Finding.KEY_REUSED, self.rows, at, "provider_key", "one payment", key)

    @cached_property
    def findings(self) -> pa.Table:
        """KEY_REUSED by record, FILE_OVERLAPS by pair of files."""
        return pa.concat_tables([self.key_findings, overlapping_files(self.receipts.overlaps)])

    @cached_property
    def sums(self) -> PayeeSums:
        """The yen of all receipts by payee."""
        return sum_by_payee(self.receipts, self.matches, self.payees)

    @cached_property
    def disposition_control(self) -> Control:
        """T4."""
        return disposition_control(self.receipts, self.payees, self.sums)

    @cached_property
    def balance_control(self) -> Control:
        """T5 without the catalog."""
        return balance_control(self.index.obligations, self.matches, self.payees, self.sums)

    @cached_property
    def payment_control(self) -> Control:
        """T6."""
        return payment_control(self.receipts, self.matches, self.payees)

    def summary(self, controls: Sequence[Control]) -> Summary:
        """Return the summary with some controls."""
        payees = self._payee_totals()
        outcomes: dict[str, OutcomeTotal] = {}
        for outcome in OUTCOMES:
            totals = [each.outcomes[outcome.value] for each in payees.values() if outcome.value in each.outcomes]
            if totals:
                count, amount = sum(total.count for total in totals), sum(total.amount for total in totals)
                outcomes[outcome.value] = OutcomeTotal(count, amount)
        return Summary(
            bills=len(self.index),
            receipts=len(self.receipts),
            amount=exact_sum(self.receipts.yen),
            outcomes=outcomes,
            dispositions={name.value: sum(yen) for name, yen in self.sums.dispositions.items()},
            payees=payees,
            controls={control.name: control for control in controls},
            policy=self.policy,
        )

    def _payee_totals(self) -> dict[str, PayeeTotals]:
        """Return the counts and yen of each payee, by its code."""
        codes, of_receipt, of_slip = self.payees
        cells = len(codes) * len(OUTCOMES)
        cell = of_receipt * len(OUTCOMES) + self.matches.outcome
        counts = np.bincount(cell, minlength=cells).tolist()
        yen = exact_sums_by(cell, self.receipts.yen, cells)
        bills = np.bincount(of_slip, minlength=len(codes)).tolist()
        totals = {}
        for number, code in enumerate(codes):
            of_payee = slice(number * len(OUTCOMES), (number + 1) * len(OUTCOMES))
            outcomes = {
                outcome.value: OutcomeTotal(count, amount)
                for outcome, count, amount in zip(OUTCOMES, counts[of_payee], yen[of_payee], strict=True)
                if count
            }
            totals[code] = PayeeTotals(
                bills=bills[number],
                receipts=sum(counts[of_payee]),
                amount=sum(yen[of_payee]),
                outcomes=outcomes,
                dispositions={name.value: sums[number] for name, sums in self.sums.dispositions.items()},
            )
        return totals


class Reconciliation:
    """The outcome of every receipt and the balance of every bill.

    Each table is computed on first access. :func:`build_accounts` computes what the run means for the accounts.
    """

    def __init__(self, run: MatchedRun) -> None:
        #: The input and the matches, from which :func:`build_accounts` continues.
        self.run = run

    @property
    def outcomes(self) -> pa.Table:
        """A row per receipt, by source, digest and record_no.

        ``source, record_no, outcome, disposition, bill_id, payee_code, item_code, case_key, amount, applied, excess,
        balance_before``. Yen; ``balance_before`` is the balance of the bill before the receipt. ``disposition`` is
        ``applied`` for a receipt with both applied and excess yen.
        """
        return self.run.outcomes[0]

    @cached_property
    def balances(self) -> pa.Table:
        """A row per slip, by bill_id: ``bill_id, payee_code, amount, paid, residual, status``.

        Yen; ``status`` is a :class:`BalanceStatus`.
        """
        return self._balance_table()

    def _balance_table(self, slips: Int32Array | None = None) -> pa.Table:
        run = self.run
        return balance_table(run.index, run.balance, run.payees, run.provisional_slips, slips)

    @cached_property
    def changes(self) -> pa.Table:
        """The rows of :attr:`balances` whose slips have a receipt in this run."""
        slips = sorted_unique(self.run.receipts.slip)
        return self._balance_table(slips[slips >= 0])

    def outcome_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of :attr:`outcomes` in chunks, without holding the whole table."""
        return outcome_batches(self.run.receipts, self.run.index, self.run.matches)

    def balance_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of :attr:`balances` in chunks."""
        return balance_batches(self.run.index, self.run.balance, self.run.payees, self.run.provisional_slips)

    @cached_property
    def exceptions(self) -> pa.Table:
        """The outcomes that somebody has to look at, in their order, then :attr:`findings`.

        The columns of :attr:`outcomes`, then ``field, expected, found``.
        """
        return pa.concat_tables([self.run.exceptions, self.findings])

    @property
    def findings(self) -> pa.Table:
        """Conflicts among the records: KEY_REUSED by record, FILE_OVERLAPS by pair of files.

        In the columns of :attr:`exceptions`; ``outcome`` is the :class:`~kokin.model.Finding`.
        """
        return self.run.findings

    @property
    def overlaps(self) -> pa.Table:
        """The files that repeat payments of other files; see :func:`overlaps`."""
        return self.run.receipts.overlaps

    def exceptions_by_record(self) -> list[tuple[pa.Table, Int64Array]]:
        """Return :attr:`exceptions` without those of files, in two tables, each with its rows in :attr:`outcomes`."""
        is_exception = np.array([outcome.is_exception for outcome in OUTCOMES])[self.run.rows.outcome]
        return [
            (self.run.exceptions, np.flatnonzero(is_exception)),
            (self.run.key_findings, np.flatnonzero(self.reused)),
        ]

    @cached_property
    def payments(self) -> Int64Array:
        """For each row of :attr:`outcomes` the row that counts for its payment, mostly itself: int64 (n,)."""
        return self.run.row_of_receipt.take(self.run.receipts.identity.counted[self.run.outcomes[1]])

    @property
    def reused(self) -> BoolArray:
        """The rows of :attr:`outcomes` whose ``provider_key`` other payments have too (KEY_REUSED): bool (n,)."""
        return self.run.is_key_reused

    @cached_property
    def controls(self) -> list[Control]:
        """The control equations T1 to T6; T1 to T3 need more than bills and receipts, and are not checked."""
        run = self.run
        return [
            *map(unchecked, ("T1", "T2", "T3")),
            run.disposition_control,
            run.balance_control,
            run.payment_control,
        ]

    @cached_property
    def summary(self) -> Summary:
        """Counts and yen."""
        return self.run.summary(self.controls)

    def _repr_html_(self) -> str:
        return self.summary._repr_html_()


def reconcile(
    bills: ArrowStreamExportable | Index,
    receipts: ArrowStreamExportable | Sequence[ArrowStreamExportable],
    policy: Policy | None = None,
    *,
    decisions: ArrowStreamExportable | None = None,
    check_paid_before: bool = True,
) -> Reconciliation:
    """Match receipts with bills and allocate every yen.

    Args:
        bills: a table with the columns of :class:`~kokin.model.Bill`, or a prepared :class:`~kokin.matching.Index`,
            from which no accounts can be built. Columns that are not matched on are not read;
            :func:`build_accounts` checks them.
        receipts: a table with the columns of :class:`~kokin.model.Receipt`, or a list of them, one per file. The result
            does not depend on their order or split.
        policy: the authority's choices.
        decisions: what persons decided about payments: a table with the columns of :class:`~kokin.model.Decision`.
            Decisions about other receipts have no effect.
        check_paid_before: raise if more was paid on an obligation before than is billed on it. Not for the bills of a
            ledger: a later correction can bill less.

    Raises:
        InvalidInputError: the bills are inconsistent, or a row is invalid; ``.issues`` has every problem.
    """
    policy = policy or Policy()
    table = None if isinstance(bills, Index) else as_table(bills)
    index = bills if isinstance(bills, Index) else Index.build(table, check_paid_before=check_paid_before)
    receipt_columns = Receipts(receipts, index, decisions)
    matches = Matches(index, receipt_columns, policy)
    return Reconciliation(MatchedRun(index, receipt_columns, matches, policy, table))
