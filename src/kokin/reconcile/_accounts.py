"""The accounts of a run: what law, policy and the bank say about what the rule of matching has decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa

from kokin._arrow import Int64Array, from_numpy
from kokin.catalog import CATALOG, Catalog
from kokin.matching import Allocations
from kokin.model import Finding, arrow_schema
from kokin.reconcile import _files as files_of
from kokin.reconcile import _findings as findings
from kokin.reconcile import _settlement as bank
from kokin.reconcile._billed import Billed
from kokin.reconcile._controls import Control
from kokin.reconcile._lines import Lines
from kokin.reconcile._offers import Offers, OpenDebts, WrongTerms, offer, offer_table, open_debts, wrong_terms
from kokin.reconcile._overpayments import overpaid, overpayments
from kokin.reconcile._part_allocations import Mismatches, PartAllocations, allocate_to_parts
from kokin.reconcile._reconcile import Reconciliation
from kokin.reconcile._totals import part_table, receivables, receivables_control, totals
from kokin.reconcile._waiting import arrears, pending
from kokin.reconcile._write_offs import WriteOff, written_off

if TYPE_CHECKING:
    from kokin.receipts import Totals


class Accounts:
    """What a reconciliation means for the books. No yen is moved: outcomes, balances and bins stay what they are.

    Each table is made when it is first asked for.
    """

    def __init__(
        self,
        result: Reconciliation,
        bills: Any,
        catalog: Catalog,
        credits_: pa.Table | None,
        reports: pa.Table | None,
        files: Mapping[str, Totals] | None,
        write_offs: pa.Table | None,
        as_of: date | None,
    ) -> None:
        self._result, self._policy = result, result._policy
        self._billed = Billed(bills, result._index, catalog)
        self._lines = Lines(result)
        self._written_off: Int64Array = np.zeros_like(result._open)
        if write_offs is not None:
            self._written_off = written_off(write_offs, self._billed, result._open)
        #: int64 (m,): what is still asked for on each obligation.
        self._unpaid = result._open - self._written_off
        self._credits, self._reports, self._files = credits_, reports, files
        self._day = np.datetime64(as_of or self._last_day(), "D")

    def _last_day(self) -> Any:
        """The latest day that a receipt tells, or a bill where there is no receipt."""
        told = [self._lines.days(name) for name in ("paid_on", "received_on", "settled_on")]
        days = np.concatenate(told if len(self._lines) else [self._billed.terms.due_on])
        return np.nanmax(days) if len(days) else date.min

    @property
    def as_of(self) -> date:
        """The day of the run."""
        return cast(date, self._day.item())

    @cached_property
    def exceptions(self) -> pa.Table:
        """Everything to look at: the exceptions of the outcomes, then :attr:`findings`, in the same columns."""
        return pa.concat_tables([self._result._outcome_exceptions.cast(findings.FINDING_SCHEMA), self.findings])

    @cached_property
    def findings(self) -> pa.Table:
        """What the records say of each other, and what law, policy and bank add, by :class:`~kokin.model.Finding`.

        In the columns of ``Reconciliation.exceptions``; ``outcome`` holds the finding. A finding of a file, a report or
        a day has no bill and no amount.
        """
        lines, billed, policy = self._lines, self._billed, self._policy
        tables = [
            self._result.findings,
            *findings.wrong_years_and_term(lines, billed),
            self._wrong_term_findings(),
            findings.expired(lines, billed),
            findings.wrong_body(lines, billed, policy),
            findings.year_closed(lines, billed, policy),
            findings.stale_provisional(lines, policy, self._day),
            *(
                self._split_findings(field, some)
                for field, some in zip(("parts", "amount"), self._by_part[1:], strict=True)
            ),
            findings.told_parts(lines),
        ]
        if self._files is not None:
            tables.append(files_of.file_findings(self._file_totals))
        if self._reports is not None:
            tables += bank.report_findings(self._report_sums)
        if self._credits is not None:
            tables += bank.settlement_findings(lines, self.settlements, policy, self._day)
        return pa.concat_tables(tables)

    def _wrong_term_findings(self) -> pa.Table:
        period = self._billed.period
        line, debt = self._wrong_terms
        due, paid = self._open_debts.slip[debt], self._lines.slip[line]
        expected, found = (period.take(from_numpy(slips, pa.int32())) for slips in (due, paid))
        return findings.of_lines(Finding.WRONG_TERM, self._lines, line, "period", expected, found)

    def _split_findings(self, field: str, some: Mismatches) -> pa.Table:
        line = self._allocations.payment[some.allocation]
        expected, found = findings.texts_of(some.expected), findings.texts_of(some.found)
        return findings.of_lines(Finding.SPLIT_MISMATCH, self._lines, line, field, expected, found)

    @cached_property
    def parts(self) -> pa.Table:
        """What each debt and each part of it received.

        ``source, record_no, bill_id, charge, account, fiscal_year, year_class, applied``: ``bill_id`` is the bill whose
        debt was lowered (of a slip for the whole year a row for each term), ``charge`` the part, null where the yen are
        not to be told apart (see :attr:`Policy.split`). ``applied`` adds up to that of the outcomes.
        """
        return part_table(self._lines, self._billed, self._allocations, self._by_part[0])

    @cached_property
    def totals(self) -> pa.Table:
        """科目別集計, by ``account, system, charge, item_code, fiscal_year, year_class, channel, received_on``.

        ``receipts`` counts receipts, one with several parts once for each of their charges. Yen: ``received`` is
        ``revenue`` (what lowered a balance) and ``overpaid`` (過誤納) and ``suspense`` (不明金).
        """
        line = self._allocations.payment[self._by_part[0].allocation]
        return totals(self._lines, self._billed, self.parts, line)

    @cached_property
    def receivables(self) -> pa.Table:
        """調定収納照合表, by ``charge, item_code, year_class``: how what was billed explains what is open.

        Yen: ``billed, paid_before, received, overpaid, written_off, unpaid``, with ``billed - paid_before - (received -
        overpaid) - written_off = unpaid``. ``received`` is everything that came for known bills; suspense is of no
        bill. The class is the debt's on the day of the run: what is open when its accounts have closed is carried over.
        """
        return receivables(self._lines, self._billed, self._allocations, self._written_off, self._unpaid, self._day)

    @cached_property
    def overpayments(self) -> pa.Table:
        """過誤納一覧: a row for each receipt with an excess.

        ``source, record_no, outcome, bill_id, payer_key, charge, item_code, paid_on, kind, excess, interest, offered``:
        ``kind`` is an :class:`OverpaymentKind`, ``interest`` the 還付加算金 if the refund is decided on the day of the
        run, ``offered`` the yen that could be set off.

        Raises:
            RateMissingError: the rate of a year between payment and decision is not known.
        """
        at = overpaid(self._lines)
        offered = np.zeros(len(at), np.int64)
        own = ~self._offers.wrong_term
        np.add.at(offered, np.searchsorted(at, self._offers.line[own]), self._offers.yen[own])
        return overpayments(self._lines, self._billed, offered, self._policy, self._day)

    @cached_property
    def offers(self) -> pa.Table:
        """充当候補: due debts of the payer for his money, in the order in which they are offered. Nothing is moved.

        ``source, record_no, bill_id, kind, debt_bill_id, charge, item_code, period, due_on, residual, offered,
        consent``. ``bill_id`` is the bill that was paid on, ``debt_bill_id`` the one that is offered; no yen is offered
        twice. ``consent`` says that law alone does not allow it: only debts among local taxes, or of one charge, are
        set off without asking (地方税法17の2, 自治法231の3④).
        """
        return offer_table(self._offers, self._lines, self._billed, self._unpaid)

    @cached_property
    def settlements(self) -> pa.Table:
        """払込照合表: ``settled_on, agent_code, receipts, settled, cancelled, fee, expected, credits, credited``.

        What should have come to the bank, by day and operator, and what came. Revenue is gross whatever is netted;
        ``fee`` is the expense. Without credits, those columns are 0.
        """
        credits_ = arrow_schema(bank.BankDeposit).empty_table() if self._credits is None else self._credits
        return bank.settlements(self._lines, credits_, self._policy)

    @cached_property
    def pending(self) -> pa.Table:
        """未着・滞留一覧: money that is not at its end yet, by ``kind`` (:class:`PendingKind`), the oldest first.

        ``kind, source, record_no, outcome, bill_id, payee_code, item_code, case_key, agent_code, since, days, age,
        amount``. ``age`` is ``0-7``, ``8-30``, ``31-90`` or ``91+`` days. A 速報 waits since it was paid, 不明金 since
        it was received. What is unsettled is a day and an operator, and is told where the bank's credits are given.
        """
        return pending(self._lines, None if self._credits is None else self.settlements, self._day)

    @cached_property
    def arrears(self) -> pa.Table:
        """未納一覧: every debt whose day has passed, by its day; 督促 and 滞納管理 start from it.

        ``bill_id, payee_code, item_code, case_key, payer_key, system, charge, claim, levy_year, tax_year, period,
        year_class, due_on, days, age, billed, paid, unpaid, reported``. ``bill_id`` is the slip that stands for the
        debt, ``paid`` what ever came for it, ``reported`` says that a 速報 waits on it: do not remind.
        """
        return arrears(self._billed, self._unpaid, self._written_off, self._result._waiting, self._day)

    @cached_property
    def controls(self) -> list[Control]:
        """The control equations T1 to T6; one whose other side was not given is not checked."""
        checked = [receivables_control(self.receivables)]
        if self._files is not None:
            checked.append(files_of.file_control(self._file_totals))
        if self._reports is not None:
            checked.append(bank.report_control(self._report_sums))
        if self._credits is not None:
            checked.append(bank.settlement_control(self.settlements, self._day))
        told = {control.name: control for control in (*self._result.controls, *checked)}
        return list(told.values())

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The summary of the reconciliation with the findings counted and all controls, for JSON."""
        counts = self.findings.column("outcome").value_counts().to_pylist()
        return {
            **self._result.summary,
            "as_of": self.as_of.isoformat(),
            "findings": {row["values"]: row["counts"] for row in sorted(counts, key=lambda row: row["values"])},
            "controls": {control.name: control.as_dict() for control in self.controls},
        }

    @cached_property
    def _allocations(self) -> Allocations:
        """The allocations of the run by line: ``payment`` is the line."""
        allocations = self._result._judged.allocations
        line_of = np.empty(len(self._lines), np.int64)
        line_of[self._lines.rows] = np.arange(len(self._lines))
        return allocations.by_payment(line_of[allocations.payment])

    @cached_property
    def _by_part(self) -> tuple[PartAllocations, Mismatches, Mismatches]:
        return allocate_to_parts(self._allocations, self._billed, self._policy.split)

    @cached_property
    def _open_debts(self) -> OpenDebts:
        return open_debts(self._billed, self._unpaid, self._day)

    @cached_property
    def _wrong_terms(self) -> WrongTerms:
        return wrong_terms(self._lines, self._billed, self._open_debts)

    @cached_property
    def _offers(self) -> Offers:
        return offer(self._lines, self._billed, self._open_debts, self._wrong_terms)

    @cached_property
    def _file_totals(self) -> list[files_of.FileTotal]:
        return files_of.file_totals(self._lines, self._files or {})

    @cached_property
    def _report_sums(self) -> pa.Table:
        assert self._reports is not None
        return bank.report_sums(self._lines, self._reports)


def build_accounts(
    result: Reconciliation,
    bills: Any,
    *,
    catalog: Catalog = CATALOG,
    credits: Any = None,  # noqa: A002 (入金: the field's word)
    reports: Any = None,
    files: Mapping[str, Totals] | None = None,
    write_offs: Any = None,
    as_of: date | None = None,
) -> Accounts:
    """What a reconciliation means for the books, by law and by the policy it was made with.

    Args:
        result: the reconciliation.
        bills: the table of bills that it was made from, in the same order.
        catalog: the charges, with the body's own 税目・料金番号 (:func:`kokin.catalog.load`).
        credits: what reached the bank, with the columns of :class:`Credit`; :func:`bank_deposits` makes them from a
            bank file. Without them nothing is said about settlement.
        reports: what operators report, with the columns of :class:`AgentReport`.
        files: the totals of the receipt files that were read, by SHA-256: ``{file.digest: file.totals}``.
        write_offs: what the body has given up, with the columns of :class:`WriteOff`.
        as_of: the day of the run: until which debts are due and 速報 waited for, and on which refunds are decided. By
            default the latest day that a receipt tells, so that a run can be repeated.

    Raises:
        InvalidInputError: the bills are others than those of the result, a table lacks a column or a required value, a
            value breaks the rule of its field, or more is written off than is open.
    """
    credits_ = None if credits is None else bank.checked(credits, bank.BankDeposit)
    told = None if reports is None else bank.checked(reports, bank.AgentReport)
    given_up = None if write_offs is None else bank.checked(write_offs, WriteOff)
    return Accounts(result, bills, catalog, credits_, told, files, given_up, as_of)
