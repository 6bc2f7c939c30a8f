"""The accounts of a run: what law, policy and bank add to the outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import (
    Int32Array,
    Int64Array,
    as_table,
    combine,
    empty_table,
    from_numpy,
    to_numpy,
)
from kokin._arrow.threads import sorted_union, sorted_unique
from kokin._arrow.validate import validate_table
from kokin.catalog import CATALOG, Catalog
from kokin.issues import InvalidInputError, Issue
from kokin.model import ArrowStreamExportable, Bill, Finding, RefundState, arrow_schema
from kokin.reconcile import _bank as bank
from kokin.reconcile import _findings as findings
from kokin.reconcile._aging import aging_receipts, aging_table
from kokin.reconcile._arrears import arrears_table
from kokin.reconcile._bank import AgentReport, BankDeposit
from kokin.reconcile._bill_columns import ACCOUNT_COLUMNS, BillColumns
from kokin.reconcile._columns import Days
from kokin.reconcile._controls import (
    Control,
    file_control,
    receivables_control,
    report_control,
    settlement_control,
    unchecked,
)
from kokin.reconcile._findings import FileTotal
from kokin.reconcile._reconciliation import MatchedRun, Reconciliation, Summary, html_table
from kokin.reconcile._refunds import RefundParts, article_texts, exceeding_findings, open_proposals, proposal_table
from kokin.reconcile._setoff import (
    DueDebts,
    SetoffCandidates,
    WrongInstalments,
    candidate_table,
    due_debts,
    due_instalments,
    kind_texts,
    overpaid_rows,
    overpayment_table,
    refund_interest,
    setoff_candidates,
    wrong_instalments,
)
from kokin.reconcile._settlement import BookedYen, YearSums, booked_years, settlement_rows
from kokin.reconcile._tables import OutcomeRows
from kokin.reconcile._totals import (
    DividedAllocations,
    Mismatches,
    OpenParts,
    PartAllocations,
    allocate_to_parts,
    open_parts,
    part_batch,
    receivable_table,
    total_entries,
    total_table,
)
from kokin.reconcile._write_offs import WriteOff, WrittenOff, last_payments, require_open, write_off_balances
from kokin.rules import RATES, RateTable

if TYPE_CHECKING:
    from kokin.receipts import Totals


@dataclass(frozen=True)
class AccountsSummary(Summary):
    """The summary of a run with the findings and controls of its accounts."""

    as_of: date
    """The day of the run."""
    findings: Mapping[str, int]
    """The number of findings by :class:`~kokin.model.Finding`."""

    def as_dict(self) -> dict[str, Any]:
        """Return the summary for JSON."""
        return {**super().as_dict(), "as_of": self.as_of.isoformat(), "findings": dict(self.findings)}

    def _repr_html_(self) -> str:
        """Return the summary as HTML tables for notebooks."""
        return super()._repr_html_() + html_table(("finding", "count"), list(self.findings.items()))


class _OverpaidRows(NamedTuple):
    """Rows of the table of outcomes with an excess, with decided parts, or on a wrong instalment."""

    rows: OutcomeRows
    #: The payments on a wrong instalment and the decided parts, by their rows among these.
    wrong: WrongInstalments
    parts: RefundParts
    #: int64 (k,): the number of each row in the table of outcomes.
    numbers: Int64Array


class Accounts:
    """The accounting tables of a run. They move no yen: outcomes, balances and dispositions stay as they are.

    Each table is computed on first access.
    """

    def __init__(
        self,
        run: MatchedRun,
        bills: BillColumns,
        deposits: pa.Table | None,
        agent_reports: pa.Table | None,
        files: Mapping[str, Totals] | None,
        written_off: WrittenOff,
        as_of: date | None,
        rates: RateTable,
        refunds: RefundParts,
    ) -> None:
        self._refunds = refunds
        self._run, self._bills, self._policy, self._rates = run, bills, run.policy, rates
        self._written_off, self._beyond_balance = written_off
        #: int64 (m,): yen still open on each obligation.
        self._unpaid = run.balance - self._written_off
        self._deposits, self._agent_reports, self._files = deposits, agent_reports, files
        self._day = np.datetime64(as_of or self._last_day(), "D")

    def _last_day(self) -> Any:
        """Return the latest date in the receipts, or the latest due date if there are no receipts."""
        receipts = self._run.receipts.table
        of_bills = [(self._bills.table, "due_on")]
        columns = [(receipts, name) for name in ("paid_on", "received_on", "settled_on")] if len(receipts) else of_bills
        days = [pc.max(table.column(name)).as_py() for table, name in columns if name in table.schema.names]
        return max((day for day in days if day is not None), default=date.min)

    @property
    def as_of(self) -> date:
        """The day of the run."""
        return cast(date, self._day.item())

    @cached_property
    def exceptions(self) -> pa.Table:
        """Everything to look at: the exceptions of the outcomes, then :attr:`findings`, in the same columns."""
        return pa.concat_tables([self._run.exceptions, self.findings])

    @cached_property
    def findings(self) -> pa.Table:
        """Conflicts among the records, and what law, policy and bank add, by :class:`~kokin.model.Finding`.

        In the columns of ``Reconciliation.exceptions``; ``outcome`` is the finding. A finding of a file, a report or a
        day has no bill and no amount.
        """
        # A chunk has the same findings in the same order, so those of a kind are put together.
        period, levy_year, tax_year, *others = map(
            pa.concat_tables, zip(*self._run.map_rows(self._row_findings), strict=True)
        )
        tables = [self._run.findings, period, levy_year, tax_year, self._wrong_instalment_findings(), *others[:-1]]
        overpaid = self._overpaid_or_wrong
        tables += [*exceeding_findings(overpaid.parts, overpaid.rows), *self._write_off_findings()]
        if self._files is not None:
            tables.append(findings.total_mismatches(self._file_totals))
        if self._agent_reports is not None:
            tables += bank.report_findings(self._report_totals)
        if self._deposits is not None:
            tables += [*bank.settlement_findings(self.settlements, self._day), others[-1]]
        return pa.concat_tables(tables)

    def _row_findings(self, rows: OutcomeRows) -> list[pa.Table]:
        """Return the findings on some rows, a table for each kind, in their order."""
        bills, policy = self._bills, self._policy
        divided = self._divided(rows)
        return [
            findings.other_instalments(rows, bills),
            findings.other_years(rows, bills, "levy_year"),
            findings.other_years(rows, bills, "tax_year"),
            findings.expired(rows, bills),
            findings.other_payees(rows, bills, policy),
            findings.after_closing(rows, bills, policy),
            findings.stale_provisional(rows, policy, self._day),
            findings.future_dates(rows, self._day),
            split_findings(rows, "parts", divided.invalid),
            split_findings(rows, "amount", divided.undivided),
            findings.receipt_parts(rows),
            bank.without_settlement(rows, policy, self._day),
        ]

    def _wrong_instalment_findings(self) -> pa.Table:
        rows, (row, debt), _, _ = self._overpaid_or_wrong
        slips = self._due_debts.slip[debt], rows.slip[row]
        expected, found = (self._bills.periods(each) for each in slips)
        return findings.receipt_findings(Finding.WRONG_TERM, rows, row, "period", expected, found)

    def _write_off_findings(self) -> list[pa.Table]:
        """Return WRITE_OFF_EXCEEDS_BALANCE on the last payments of each debt, as far as they explain it.

        Where no payment explains it, as after the correction of a bill, the finding is on the bill.
        """
        beyond = self._beyond_balance
        if not len(beyond):
            return []
        debts, written_off, balance = (to_numpy(beyond.column(at), 0) for at in (1, 2, 3))

        def find(rows: OutcomeRows) -> tuple[Int64Array, Int32Array, Int64Array]:
            found = self._divided(rows).by_part
            at = np.flatnonzero(np.isin(found.obligation, debts[debts >= 0]))
            return rows.start + found.payment[at], found.obligation[at], found.yen[at]

        payment, debt, yen = map(np.concatenate, zip(*self._run.map_rows(find), strict=True))
        numbers = sorted_unique(payment)
        rows = self._run.rows(numbers)
        number, at = last_payments(np.searchsorted(numbers, payment), debt, yen, rows.paid_on, beyond)
        expected, exceeding = (findings.value_texts(each[at]) for each in (balance, written_off))
        without = np.setdiff1d(np.arange(len(debts)), at)
        names = beyond.column("bill_id").take(from_numpy(without, pa.int64()))
        limit, total = (findings.value_texts(each[without]) for each in (balance, written_off))
        finding = Finding.WRITE_OFF_EXCEEDS_BALANCE
        return [
            findings.receipt_findings(finding, rows, number, "written_off", expected, exceeding),
            findings.source_findings(finding, "", "written_off", limit, total, len(without), bill_id=combine(names)),
        ]

    @cached_property
    def parts(self) -> pa.Table:
        """What each debt and each part of it received.

        ``source, record_no, bill_id, payee_code, charge, account, fiscal_year, year_class, applied``. ``bill_id`` is
        the bill whose debt was lowered (of a slip for the whole year a row for each instalment), ``payee_code`` that of
        the bill, ``charge`` the part, null for yen that are not split (see :attr:`Policy.split`). ``applied`` adds up
        to that of the outcomes.
        """
        return pa.Table.from_batches(self._run.map_rows(self._part_batch))

    def part_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of :attr:`parts`, at least one batch; one chunk at a time is in memory."""
        return (self._part_batch(self._run.rows(chunk)) for chunk in self._run.chunks)

    def _part_batch(self, rows: OutcomeRows) -> pa.RecordBatch:
        return part_batch(rows, self._bills, self._divided(rows).by_part)

    @cached_property
    def totals(self) -> pa.Table:
        """科目別集計: receipts and yen by payee, account and year.

        ``payee_code, account, system, charge, item_code, fiscal_year, year_class, channel, received_on, receipts,
        received, revenue, off_budget, overpaid, suspense``. ``payee_code`` is that of the receipt, else of its bill,
        else empty. ``receipts`` counts receipts, one with several parts once for each of their charges. Yen:
        ``received`` is what lowered a balance, ``overpaid`` (過誤納) and ``suspense`` (不明金). What lowered a balance
        is ``revenue``, or ``off_budget`` in an account of money that belongs to another (歳入歳出外現金: 県民税,
        森林環境税); see :attr:`kokin.catalog.AccountClass.revenue`.
        """
        entries = self._run.map_rows(lambda rows: total_entries(rows, self._bills, self._divided(rows).by_part))
        return total_table(entries, self._bills.catalog)

    @cached_property
    def receivables(self) -> pa.Table:
        """調定収納照合表, by ``payee_code, charge, item_code, year_class``: how the billed yen explain the open ones.

        Yen: ``billed, paid_before, received, overpaid, written_off, unpaid``, with ``billed - paid_before - (received -
        overpaid) - written_off = unpaid``. ``received`` is everything received for known bills; suspense is of no
        bill. The class is the debt's on the day of the run: a debt still open after 出納閉鎖 is carried over.
        """
        received, excess = self._received
        return receivable_table(self._bills, received, excess, self._written_off, self._unpaid, self._day)

    @property
    def _received(self) -> tuple[Int64Array, Int64Array]:
        """Yen received for each obligation, and of them the excess: int64 (m,) each."""
        received, excess = np.zeros_like(self._unpaid), np.zeros_like(self._unpaid)

        def received_by(rows: OutcomeRows) -> tuple[PartAllocations, Int32Array, Int64Array]:
            at = overpaid_rows(rows)
            return self._divided(rows).by_part, self._bills.obligation_of(rows.slip[at]), rows.excess[at]

        for allocations, obligation, yen in self._run.map_rows(received_by):
            np.add.at(received, allocations.obligation, allocations.yen)
            np.add.at(excess, obligation, yen)
        received += excess
        return received, excess

    def settlement_rows(
        self, year: int, *, accrual: bool = False, later_write_offs: pa.Table | None = None
    ) -> pa.Table:
        """Return the yen of the settlement statement (決算) of a fiscal year, without regard to closings.

        ``payee_code, charge, item_code, year_class, assessed, applied, excess, refunded, written_off, unpaid,
        applied_to_date, excess_to_date``, with ``assessed - applied - written_off = unpaid`` in each row. The charge is
        that of the bill, and debts of earlier years are ``carried_over``: their ``assessed`` are the yen that were open
        before the year. ``excess`` is the 過誤納 received in the year, ``refunded`` what of it was paid back or set
        off.
        ``written_off`` and the columns ``_to_date`` also have what was booked before the year. Yen that were paid
        before the ledger are in no column.

        Args:
            year: the fiscal year.
            accrual: whether the statement is that of the accounts on accrual (公営企業会計), or of the others.
            later_write_offs: the write-offs that were decided after the year, which are not in the statement: rows with
                ``bill_id`` and ``amount``.
        """
        bills, sums = self._bills, YearSums.zeros(len(self._unpaid))

        def booked(rows: OutcomeRows) -> tuple[BookedYen, BookedYen]:
            found, at = self._divided(rows).by_part, overpaid_rows(rows)
            years = booked_years(bills, bills.main_slip[found.obligation], rows.received_on[found.payment])
            excess_years = booked_years(bills, rows.slip[at], rows.received_on[at])
            excess = BookedYen(bills.obligation_of(rows.slip[at]), excess_years, rows.excess[at])
            return BookedYen(found.obligation, years, found.yen), excess

        for applied, excess in self._run.map_rows(booked):
            sums.add_applied(applied, year)
            sums.add_excess(excess, year)
        rows, _, parts, _ = self._overpaid_or_wrong
        states = parts.table.column("state").cast(pa.string()).to_pylist()
        is_refunded = np.isin(states, [RefundState.PAID.value, RefundState.SET_OFF.value]) & (parts.row >= 0)
        refunded = np.zeros(len(rows), np.int64)
        np.add.at(refunded, parts.row[is_refunded], parts.yen[is_refunded])
        at = np.flatnonzero((refunded > 0) & (rows.excess > 0))
        at = at[booked_years(bills, rows.slip[at], rows.received_on[at]) == year]
        np.add.at(sums.refunded, bills.obligation_of(rows.slip[at]), np.minimum(refunded, rows.excess)[at])
        written_off = self._written_off
        if later_write_offs is not None:
            written_off = written_off - write_off_balances(later_write_offs, bills.index, written_off).yen
        unpaid = self._unpaid + self._written_off - written_off
        return settlement_rows(bills, sums, written_off, unpaid, year, accrual)

    @cached_property
    def overpayments(self) -> pa.Table:
        """過誤納一覧: a row for each receipt with an open excess, and for each part of an excess that was decided.

        ``source, record_no, outcome, bill_id, payee_code, payer_key, charge, item_code, paid_on, kind, excess,
        refund, interest, setoff_interest, offered, state, proposal_id``: ``kind`` is an :class:`OverpaymentKind`,
        ``refund`` the yen that law does not set off, ``interest`` their 還付加算金 if the refund is decided on the day
        of the run (地方税法17の4①), ``setoff_interest`` the sum of that of each set-off by law, ``offered`` the yen
        that could be set off, also with consent. Refund and set-offs are cut apart.

        ``state`` is a :class:`~kokin.model.RefundState`, ``proposal_id`` that of a decided part. Of a part, ``excess``
        are its yen, ``refund`` those that are still to be paid (0 if it was paid or set off), and the interest is the
        one that was decided.

        Raises:
            RateMissingError: the rate of a year between payment and decision is unknown.
        """
        return self._overpayment_table(self._rates)

    @cached_property
    def overpayments_without_interest(self) -> pa.Table:
        """:attr:`overpayments` with a null for each interest that was not decided: no rate is needed."""
        return self._overpayment_table(None)

    def _overpayment_table(self, rates: RateTable | None) -> pa.Table:
        rows, _, parts, _ = self._overpaid_or_wrong
        return overpayment_table(rows, self._bills, self._setoff_candidates, parts, self._policy, self._day, rates)

    @cached_property
    def refund_proposals(self) -> pa.Table:
        """還付・充当案: what to do with each open excess, the set-offs of a payment before the refund of the rest.

        ``row, digest, source, record_no, bill_id, payee_code, payer_key, charge, item_code, paid_on, cause, state,
        kind, amount, interest, debt_bill_id, setoff_on, article, needs_consent``. ``row`` is the row in
        :attr:`kokin.reconcile.Reconciliation.outcomes`, from 0; ``cause`` an :class:`OverpaymentKind`; ``state`` is
        ``open``; ``kind`` a :class:`~kokin.model.RefundKind`. ``amount`` are yen: those of one receipt add up to its
        open excess. ``interest`` ends on ``setoff_on``, or else on the day of the run. The other columns are those of
        :attr:`setoff_candidates`.

        Raises:
            RateMissingError: the rate of a year between payment and decision is unknown.
        """
        rows, _, parts, numbers = self._overpaid_or_wrong
        of_excess = self._setoff_candidates.select(~self._setoff_candidates.is_wrong_instalment)
        proposals = open_proposals(parts.open_excess(rows.excess), of_excess[:4])
        by_law = (proposals.slip >= 0) & ~proposals.needs_consent
        setoff_on = np.full(len(by_law), np.datetime64("NaT", "D"))
        due_on = self._bills.fiscal_dates.due_on[proposals.slip[by_law]]
        setoff_on[by_law] = np.maximum(due_on, rows.paid_on[proposals.row[by_law]])
        ends_on = np.where(by_law, setoff_on, self._day)
        interest = self._refund_interest(rows, proposals.yen, proposals.row, ends_on)
        cause = kind_texts(rows, proposals.row, np.zeros(len(by_law), np.bool_))
        return proposal_table(proposals, numbers, rows, self._bills, interest, setoff_on, cause)

    def _refund_interest(self, rows: OutcomeRows, yen: Int64Array, at: Int64Array, ends_on: Days) -> Int64Array:
        return refund_interest(yen, at, ends_on, rows, self._bills, self._policy, self._rates)

    def refund_interest(self, amount: int, row: int, ends_on: date) -> int:
        """Return the 還付加算金 in yen on a part of one payment, by the rules of its charge and the policy.

        Args:
            amount: yen of the part.
            row: the row of the payment in :attr:`kokin.reconcile.Reconciliation.outcomes`, from 0.
            ends_on: the last day: that of the decision, or of the set-off.

        Raises:
            RateMissingError: the rate of a year is unknown.
        """
        rows, days = self._run.rows(np.array([row])), np.array([ends_on], "datetime64[D]")
        return int(self._refund_interest(rows, np.array([amount]), np.zeros(1, np.int64), days)[0])

    def refund_article(self, row: int) -> str:
        """Return the article of law of a refund of the payment in a row of the table of outcomes, from 0."""
        slip, no = self._run.rows(np.array([row])).slip.astype(np.int64), np.zeros(1, np.bool_)
        return str(article_texts(self._bills, slip, no, no)[0])

    @cached_property
    def setoff_candidates(self) -> pa.Table:
        """充当候補: due debts of a payer and the payments that could be set off against them, in that order.

        ``source, record_no, bill_id, payee_code, kind, debt_bill_id, charge, item_code, period, due_on, residual,
        offered, setoff_on, interest, consent``. ``bill_id`` is the bill that was paid, ``debt_bill_id`` the one that is
        due, both of one payee; no yen is offered for two debts. ``consent``: the payer must agree, because law allows a
        set-off without consent only among local taxes, where it is mandatory, or between debts of one charge
        (地方税法17の2①, 自治法231の3④). The tax is paid before its 延滞金 (17の2③).

        ``setoff_on`` is 充当適状 (17の2④, :func:`kokin.rules.setoff_date`): the debt counts as paid on this day, so
        its 延滞金 ends on it, and so does ``interest``, the 還付加算金 on ``offered``. Both are null with
        ``consent``, where your agreement decides; ``interest`` also if the rate of a year is unknown.
        """
        rows = self._overpaid_or_wrong.rows
        return candidate_table(self._setoff_candidates, rows, self._bills, self._unpaid, self._policy, self._rates)

    @cached_property
    def settlements(self) -> pa.Table:
        """払込照合表: ``settled_on, agent_code, receipts, settled, cancelled, fee, expected, credits, credited``.

        The expected and the actual deposits, by day and agent. Revenue is gross even if fees are netted; ``fee`` is the
        expense. Without deposits, those columns are 0. A deposit on a bank account has no authority, so this table has
        no ``payee_code``.
        """
        deposits = empty_table(arrow_schema(BankDeposit)) if self._deposits is None else self._deposits
        return bank.settlement_table(self._run.map_rows(lambda rows: bank.due_entries(rows, self._policy)), deposits)

    @cached_property
    def settled_receipts(self) -> pa.Table:
        """The receipts of which the expected deposits consist: ``source, record_no, settled_on, agent_code, expected``.

        ``expected`` are the yen that a receipt adds to the deposit of its day and agent in :attr:`settlements`; those
        of a cancel or a reversal are negative.
        """
        due = pa.concat_tables(self._run.map_rows(lambda rows: bank.due_receipts(rows, self._policy)))
        settled, cancelled, deducted = (due.column(name) for name in ("settled", "cancelled", "deducted"))
        expected = pc.subtract(pc.subtract(settled, cancelled), deducted)
        names = ("source", "record_no", "settled_on", "agent_code")
        return due.select(names).append_column("expected", expected)

    @cached_property
    def aging(self) -> pa.Table:
        """未着・滞留一覧: money that has not reached its end, by ``kind`` (:class:`AgingKind`), the oldest first.

        ``kind, source, record_no, outcome, bill_id, payee_code, item_code, case_key, agent_code, since, days, age,
        amount``. ``age`` is one of :data:`AGING_BUCKETS`. A 速報 counts from its payment, 不明金 from its receipt.
        Undeposited money is listed by day and agent, if the bank deposits are known; it has no ``payee_code``.
        """
        receipts = self._run.map_rows(lambda rows: aging_receipts(rows, self._day))
        return aging_table(receipts, None if self._deposits is None else self.settlements, self._day)

    @cached_property
    def arrears(self) -> pa.Table:
        """未納一覧: every debt past its due date, by that date; 督促 and 滞納管理 start from it.

        ``bill_id, payee_code, item_code, case_key, payer_key, system, charge, claim, levy_year, tax_year, period,
        year_class, due_on, days, age, billed, paid, unpaid, late_charge, reduced_days, full_days, limitation_ends_on,
        reported``. ``bill_id`` is the main slip of the debt, ``paid`` everything that was ever paid on it;
        ``reported``: it has a 速報, do not remind.

        ``late_charge`` are the yen of 延滞金 (遅延損害金) on ``unpaid`` if it is paid in full on the day of the run, by
        the rule of the charge (:attr:`kokin.catalog.Charge.applicable_rule`); ``reduced_days`` and ``full_days`` are
        its days at the two rates. Parts of several systems (水道料金 and 下水道使用料) are computed and cut apart, and
        added. The late charge on what was paid late before is not in it, and a set-off that is only a candidate does
        not end it. It is null if the rule or a rate is not known, if the rule depends on the deadline of a demand
        (督促), which Kokin does not know, and if the open yen of such parts are not known (see :attr:`Policy.split`; a
        write-off). The days are null, too, if those of the parts differ, or nothing is charged.

        ``limitation_ends_on`` is the last day of the limitation (時効) by the due date and the years of the charge;
        null if the charge is not known. Kokin does not know what interrupts a limitation (時効の更新, 完成猶予: demand,
        acknowledgement, partial payment, seizure, stay), so the debt may lapse later; a private claim lapses only if
        the debtor invokes it (援用).
        """
        provisional = self._run.provisional_slips
        return arrears_table(
            self._bills, self._unpaid, self._written_off, provisional, self._open_parts, self._day, self._rates
        )

    def _open_parts(self, obligations: Int64Array) -> OpenParts:
        by_part = self._run.map_rows(lambda rows: self._divided(rows).by_part)
        return open_parts(obligations, self._bills, self._policy.split, by_part, self._unpaid)

    @cached_property
    def controls(self) -> list[Control]:
        """The control equations T1 to T6; one of which a side is missing is not checked."""
        has_files, has_reports = self._files is not None, self._agent_reports is not None
        return [
            file_control(self._file_totals) if has_files else unchecked("T1"),
            report_control(self._report_totals) if has_reports else unchecked("T2"),
            unchecked("T3") if self._deposits is None else settlement_control(self.settlements, self._day),
            self._run.disposition_control,
            receivables_control(self.receivables),
            self._run.payment_control,
        ]

    @cached_property
    def summary(self) -> AccountsSummary:
        """Counts and yen of the run, its findings and all controls."""
        counts = self.findings.column("outcome").value_counts().to_pylist()
        found = {row["values"]: row["counts"] for row in sorted(counts, key=lambda row: row["values"])}
        return AccountsSummary(**vars(self._run.summary(self.controls)), as_of=self.as_of, findings=found)

    def _repr_html_(self) -> str:
        return self.summary._repr_html_()

    @cached_property
    def _divided_by_rule(self) -> DividedAllocations:
        """The allocations of the interacting receipts; ``payment`` is the row in the table of outcomes."""
        allocations = self._run.matches.rule_allocations
        by_row = allocations.by_payment(self._run.row_of(allocations.payment))
        return allocate_to_parts(by_row, self._bills, self._policy.split)

    def _divided(self, rows: OutcomeRows) -> DividedAllocations:
        """Return the allocations of a chunk of rows.

        Independent receipts have no obligation in common with any other, so they are divided apart.
        """
        independent = allocate_to_parts(rows.independent_allocations(), self._bills, self._policy.split)
        return independent.merge(self._divided_by_rule.between(rows.start, rows.start + len(rows)))

    @cached_property
    def _due_debts(self) -> DueDebts:
        return due_debts(self._bills, self._unpaid, self._day)

    @cached_property
    def _overpaid_or_wrong(self) -> _OverpaidRows:
        """The rows with an excess, with decided parts, or on a wrong instalment."""
        due = due_instalments(self._bills, self._due_debts)

        def find(rows: OutcomeRows) -> tuple[Int64Array, Int64Array, Int64Array]:
            wrong = wrong_instalments(rows, self._bills, due)
            return rows.start + overpaid_rows(rows), rows.start + wrong.row, wrong.debt

        overpaid, wrong, debt = map(np.concatenate, zip(*self._run.map_rows(find), strict=True))
        numbers = sorted_union(sorted_union(overpaid, wrong), self._refunds.rows)
        wrong_rows = WrongInstalments(np.searchsorted(numbers, wrong), debt)
        return _OverpaidRows(self._run.rows(numbers), wrong_rows, self._refunds.among(numbers), numbers)

    @cached_property
    def _setoff_candidates(self) -> SetoffCandidates:
        rows, wrong, parts, _ = self._overpaid_or_wrong
        open_excess = parts.open_excess(rows.excess)
        return setoff_candidates(rows, self._bills, self._due_debts, wrong, open_excess)

    @cached_property
    def _file_totals(self) -> list[FileTotal]:
        receipts = self._run.receipts
        return findings.file_totals(receipts.table, receipts.amount, self._run.order, self._files or {})

    @cached_property
    def _report_totals(self) -> pa.Table:
        assert self._agent_reports is not None
        return bank.report_totals(self._run.map_rows(bank.collected), self._agent_reports)


def split_findings(rows: OutcomeRows, field: str, mismatches: Mismatches) -> pa.Table:
    """Find payments that cannot be divided among the parts of their slips."""
    expected, found = findings.value_texts(mismatches.expected), findings.value_texts(mismatches.found)
    return findings.receipt_findings(Finding.SPLIT_MISMATCH, rows, mismatches.payment, field, expected, found)


def build_accounts(
    result: Reconciliation,
    *,
    catalog: Catalog = CATALOG,
    deposits: ArrowStreamExportable | None = None,
    agent_reports: ArrowStreamExportable | None = None,
    files: Mapping[str, Totals] | None = None,
    write_offs: ArrowStreamExportable | None = None,
    refunds: ArrowStreamExportable | None = None,
    as_of: date | None = None,
    rates: RateTable = RATES,
) -> Accounts:
    """Compute the accounts of a reconciliation by law and by its policy.

    Args:
        result: the reconciliation of a table of bills.
        catalog: the charges, with the authority's own 税目・料金番号 (:func:`kokin.catalog.load`).
        deposits: the bank deposits, with the columns of :class:`BankDeposit`; :func:`bank_deposits` converts a bank
            file. Without them settlement is not checked.
        agent_reports: the statements of agents, with the columns of :class:`AgentReport`.
        files: the totals of the receipt files, by SHA-256: ``{file.digest: file.totals}``.
        write_offs: the debts that were written off, with the columns of :class:`WriteOff`; by default those of
            :meth:`Reconciliation.with_write_offs`.
        refunds: the parts of overpayments that were decided, with the columns of
            :class:`~kokin.model.RefundPart`; see :meth:`kokin.ledger.Ledger.refunds`.
        as_of: the day of the run, on which debts are due, 速報 are stale and refunds are decided. The default is the
            latest date in the receipts, so that a run can be repeated.
        rates: the rates of 延滞金 and 還付加算金; :func:`kokin.rules.load_rates` adds those of a year.

    Raises:
        InvalidInputError: the reconciliation was computed from an index, a table lacks a column or a required value, a
            value breaks the rule of its field, or more is written off than is open.
    """
    run = result.run
    if run.bills is None:
        issue = Issue("FIELD_MISSING", field="bills", expected="a reconciliation of a table of bills")
        raise InvalidInputError([issue], "no accounts without the bills")
    bills = BillColumns(validate_table(run.bills, Bill, ACCOUNT_COLUMNS), run.index, catalog)
    tables = [
        None if rows is None else validate_table(as_table(rows), record)
        for rows, record in ((deposits, BankDeposit), (agent_reports, AgentReport), (write_offs, WriteOff))
    ]
    written_off = run.written_off
    if tables[2] is not None:
        require_open(tables[2], run.index, run.balance)
        written_off = write_off_balances(tables[2], run.index, run.balance)
    parts = RefundParts.find(refunds, result)
    return Accounts(run, bills, tables[0], tables[1], files, written_off, as_of, rates, parts)
