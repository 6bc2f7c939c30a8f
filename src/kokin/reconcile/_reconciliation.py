"""Reconciliation (消込): receipts against bills, every yen in exactly one disposition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from html import escape
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kokin._arrow.convert import BoolArray, Int32Array, Int64Array, as_table
from kokin._arrow.mapped import release_mapped_memory
from kokin._arrow.threads import chunk_slices, sorted_unique, thread_map
from kokin._arrow.validate import validate_table
from kokin.matching import OUTCOMES, Index
from kokin.model import ArrowStreamExportable, Finding, Outcome
from kokin.reconcile._bill_columns import ACCOUNT_COLUMNS
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
    IS_EXCEPTION,
    OUTCOME_SCHEMA,
    Balances,
    OutcomeRows,
    balance_batches,
    balance_table,
    exception_table,
    outcome_order,
)
from kokin.reconcile._write_offs import WriteOff, WrittenOff, nothing_written_off, write_off_balances

Result = TypeVar("Result")

# From so many bills per receipt on, indexing only the keys that receipts have saves more than it costs.
_BILLS_PER_RECEIPT = 4


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
    """The columns of the bills that accounts need; None if only an index is known."""
    write_offs: WrittenOff | None = None
    """What is written off; None: nothing."""

    @property
    def balance(self) -> Int64Array:
        """Yen that are not paid on each obligation after the run, written off or not: int64 (m,)."""
        return self.matches.balance_after

    @cached_property
    def written_off(self) -> WrittenOff:
        """What is written off of :attr:`balance`."""
        return self.write_offs or nothing_written_off(self.balance)

    @property
    def balances(self) -> Balances:
        """The yen of the obligations after the run."""
        return Balances(self.balance, self.written_off.yen)

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
    def order(self) -> Int64Array | None:
        """The receipt of each row of the table of outcomes, int64 (n,); None if the receipts are in its order."""

        def outcomes_of_receipts() -> pa.Table:
            batches = thread_map(lambda chunk: self._rows_of(chunk).outcomes(), self.chunks)
            return pa.Table.from_batches(batches, OUTCOME_SCHEMA)

        return outcome_order(self.receipts.table, outcomes_of_receipts)

    def _rows_of(self, receipts: slice | Int64Array, start: int = 0) -> OutcomeRows:
        return OutcomeRows(self.receipts, self.index, self.matches, self.payees, receipts, start)

    def rows(self, rows: slice | Int64Array) -> OutcomeRows:
        """Return some rows of the table of outcomes, a slice of them or int64 (k,).

        The memory of mapped receipts that were read before is released.
        """
        release_mapped_memory()
        start = rows.start if isinstance(rows, slice) else 0
        return self._rows_of(rows if self.order is None else self.order[rows], start)

    def map_rows(self, function: Callable[[OutcomeRows], Result]) -> list[Result]:
        """Apply a function to chunks of the rows of the table of outcomes, at least one, in threads.

        A chunk is in memory only while the function runs.
        """
        order, payees = self.order, self.payees  # computed once, not in each thread
        del order, payees
        return thread_map(lambda chunk: function(self.rows(chunk)), self.chunks)

    @property
    def chunks(self) -> list[slice]:
        """The rows of the table of outcomes in chunks, at least one."""
        return chunk_slices(len(self.receipts)) or [slice(0, 0)]

    @cached_property
    def outcomes(self) -> pa.Table:
        """The table of outcomes."""
        return pa.Table.from_batches(self.map_rows(OutcomeRows.outcomes), OUTCOME_SCHEMA)

    def outcome_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the table of outcomes, at least one batch; one chunk at a time is in memory."""
        return (self.rows(chunk).outcomes() for chunk in self.chunks)

    def by_row(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the values of the receipts, (n,), in the order of the table of outcomes."""
        return values if self.order is None else values[self.order]

    def row_of(self, receipts: Int64Array) -> Int64Array:
        """Return the rows of receipts in the table of outcomes: int64 (k,)."""
        return receipts if self._row_of_receipt is None else self._row_of_receipt[receipts]

    @cached_property
    def _row_of_receipt(self) -> Int64Array | None:
        if self.order is None:
            return None
        row_of_receipt = np.empty(len(self.order), np.int64)
        row_of_receipt[self.order] = np.arange(len(self.order))
        return row_of_receipt

    @cached_property
    def exceptions(self) -> pa.Table:
        """The outcomes that are exceptions."""
        return pa.concat_tables(self.map_rows(exception_table))

    @property
    def is_key_reused(self) -> BoolArray:
        """The rows whose ``provider_key`` other payments have too: bool (n,)."""
        return self.by_row(self.receipts.identity.reused)

    @cached_property
    def key_findings(self) -> pa.Table:
        """KEY_REUSED, by record."""
        rows = self.rows(np.flatnonzero(self.is_key_reused))
        every = np.arange(len(rows))
        key = rows.text_column("provider_key")
        return receipt_findings(Finding.KEY_REUSED, rows, every, "provider_key", "one payment", key)

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
        return self.run.outcomes

    @cached_property
    def balances(self) -> pa.Table:
        """A row per slip, by bill_id: ``bill_id, payee_code, amount, paid, residual, status``.

        Yen; ``status`` is a :class:`BalanceStatus`. ``amount - paid - residual`` is written off.
        """
        return self._balance_table()

    def with_write_offs(self, write_offs: ArrowStreamExportable) -> Reconciliation:
        """Return the same outcomes with balances that write-offs (不納欠損) lower.

        A write-off moves no payment: a receipt that comes later is matched as before. What is written off beyond a
        balance, because of later data, is the finding WRITE_OFF_EXCEEDS_BALANCE of the accounts.

        Args:
            write_offs: the write-offs in force, with the columns of :class:`WriteOff`.

        Raises:
            InvalidInputError: not such a table.
        """
        table = validate_table(as_table(write_offs), WriteOff)
        return Reconciliation(replace(self.run, write_offs=write_off_balances(table, self.run.index, self.run.balance)))

    def _balance_table(self, slips: Int32Array | None = None) -> pa.Table:
        run = self.run
        return balance_table(run.index, run.balances, run.payees, run.provisional_slips, slips)

    @cached_property
    def changes(self) -> pa.Table:
        """The rows of :attr:`balances` whose slips have a receipt in this run."""
        slips = sorted_unique(self.run.receipts.slip)
        return self._balance_table(slips[slips >= 0])

    def outcome_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of :attr:`outcomes` in chunks, without holding the whole table."""
        return self.run.outcome_batches()

    def balance_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of :attr:`balances` in chunks."""
        return balance_batches(self.run.index, self.run.balances, self.run.payees, self.run.provisional_slips)

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
        is_exception = IS_EXCEPTION[self.run.matches.outcome]
        return [
            (self.run.exceptions, np.flatnonzero(self.run.by_row(is_exception))),
            (self.run.key_findings, np.flatnonzero(self.reused)),
        ]

    @cached_property
    def payments(self) -> Int64Array:
        """For each row of :attr:`outcomes` the row that counts for its payment, mostly itself: int64 (n,)."""
        return self.run.row_of(self.run.by_row(self.run.receipts.identity.counted))

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
    tables = [as_table(rows) for rows in (receipts if isinstance(receipts, Sequence) else [receipts])]
    if isinstance(bills, Index):
        index, for_accounts = bills, None
    else:
        table = as_table(bills)
        are_few = _BILLS_PER_RECEIPT * sum(map(len, tables)) <= len(table)
        index = Index.build(table, receipts=tables if are_few else None, check_paid_before=check_paid_before)
        for_accounts = table.select([name for name in table.column_names if name in ACCOUNT_COLUMNS])
    receipt_columns = Receipts(tables, index, decisions)
    matches = Matches(index, receipt_columns, policy)
    return Reconciliation(MatchedRun(index, receipt_columns, matches, policy, for_accounts))
