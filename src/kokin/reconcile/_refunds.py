"""Parts of overpayments (過誤納) that were decided, what is still open, and control T8."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import (
    BoolArray,
    Int64Array,
    as_table,
    combine,
    empty_table,
    from_numpy,
    to_mask,
    to_numpy,
)
from kokin._arrow.threads import sorted_unique
from kokin._arrow.validate import validate_table
from kokin.catalog import ClaimClass, LateChargeBasis
from kokin.matching import KINDS
from kokin.model import Disposition, Finding, ReceiptKind, RefundKind, RefundPart, RefundState, arrow_schema
from kokin.reconcile._bill_columns import BillColumns
from kokin.reconcile._columns import Days, category_texts, days_array, exact_sum
from kokin.reconcile._controls import Control
from kokin.reconcile._decisions import rows_of_records
from kokin.reconcile._findings import receipt_findings, source_findings, value_texts
from kokin.reconcile._reconciliation import Reconciliation
from kokin.reconcile._tables import OutcomeRows

_STATEMENT = "excess = open + decided + ordered + paid + returned + set off - refunded beyond it"


class RefundParts(NamedTuple):
    """Parts of overpayments that were decided, ``k`` rows."""

    #: With the columns of :class:`~kokin.model.RefundPart`.
    table: pa.Table
    #: int64 (k,): the row of the payment in the table of outcomes; -1: the receipt is not among them.
    row: Int64Array
    #: int64 (k,): yen.
    yen: Int64Array

    @classmethod
    def find(cls, refunds: Any, result: Reconciliation) -> Self:
        """Return the parts with the rows of their payments.

        A part names a record. If another record of the same payment counts, the part is of that one.

        Args:
            refunds: a table with the columns of :class:`~kokin.model.RefundPart`; None: no parts.
            result: the reconciliation.

        Raises:
            InvalidInputError: not such a table.
        """
        if refunds is None:
            refunds = empty_table(arrow_schema(RefundPart))
        table = validate_table(as_table(refunds), RefundPart)
        row = rows_of_records(result.run.receipts.table, table) if len(table) else np.empty(0, np.int64)
        is_known = row >= 0
        if is_known.any():
            row[is_known] = result.payments[result.run.row_of(row[is_known])]
        return cls(table, row, to_numpy(table.column("amount"), 0))

    @property
    def known(self) -> Int64Array:
        """The parts whose receipts are among the outcomes: int64 (j,)."""
        return np.flatnonzero(self.row >= 0)

    @property
    def rows(self) -> Int64Array:
        """The rows of the payments with decided parts, sorted: int64 (j,)."""
        return sorted_unique(self.row[self.known])

    def among(self, numbers: Int64Array) -> RefundParts:
        """Return the parts with the positions of their rows among some, sorted, which have all of them: int64 (n,)."""
        return self._replace(row=np.where(self.row >= 0, np.searchsorted(numbers, self.row), -1))

    def decided(self, count: int) -> Int64Array:
        """Return the yen that were decided of each of ``count`` rows of outcomes: int64 (count,)."""
        yen = np.zeros(count, np.int64)
        np.add.at(yen, self.row[self.known], self.yen[self.known])
        return yen

    def open_excess(self, excess: Int64Array) -> Int64Array:
        """Return the yen of each excess about which nothing is decided: int64 (n,)."""
        return np.maximum(excess - self.decided(len(excess)), 0) if len(self.row) else excess

    def exceeding(self, result: Reconciliation) -> pa.Table:
        """Return the parts of payments of which more was decided than is paid in excess, and those without a payment.

        ``proposal_id, decided, excess``; yen of all parts of the payment, and of its excess. ``result`` is the
        reconciliation in which the parts were found.
        """
        rows, parts = result.run.rows(self.rows), self.among(self.rows)
        # The last value is that of a part without a payment, whose row is -1.
        decided, excess = (np.append(yen, 0)[parts.row] for yen in (parts.decided(len(rows)), rows.excess))
        decided = np.where(parts.row >= 0, decided, parts.yen)
        columns = {"decided": from_numpy(decided, pa.int64()), "excess": from_numpy(excess, pa.int64())}
        names = {"proposal_id": parts.table.column("proposal_id").cast(pa.string())}
        return pa.table({**names, **columns}).filter(pa.array(decided > excess))

    def has_kind(self, kind: RefundKind) -> BoolArray:
        """Return which parts are of a kind: bool (k,)."""
        return to_mask(combine(pc.equal(self.table.column("kind").cast(pa.string()), kind.value)))


def exceeding_findings(parts: RefundParts, rows: OutcomeRows) -> list[pa.Table]:
    """Find payments of which more was decided than is paid in excess, and parts whose receipts are not active.

    The field of the latter is the id of the proposal.
    """
    if not len(parts.row):
        return []
    decided = parts.decided(len(rows))
    at = np.flatnonzero(decided > rows.excess)
    expected, found = (value_texts(yen[at]) for yen in (rows.excess, decided))
    without = np.flatnonzero(parts.row < 0)
    missing = parts.table.take(from_numpy(without, pa.int64()))
    name, yen = (combine(missing.column(each)).cast(pa.string()) for each in ("proposal_id", "amount"))
    return [
        receipt_findings(Finding.REFUND_EXCEEDS_EXCESS, rows, at, "excess", expected, found),
        source_findings(Finding.REFUND_EXCEEDS_EXCESS, "", name, "0", yen, len(missing)),
    ]


def refund_control(result: Reconciliation, parts: RefundParts, excess_by_payee: Mapping[str, int]) -> Control:
    """T8: the excess against what is open, decided, ordered, paid, returned and set off; broken by payees.

    Broken by ``setoff``, too, if the receipts that credit debts are not what was set off. What is more than the excess
    because of later data (REFUND_EXCEEDS_EXCESS) is deducted.

    Args:
        result: the reconciliation.
        parts: what was decided.
        excess_by_payee: the excess of another source, such as the journal of a ledger.
    """
    run = result.run
    # The parts, what is open beside them, and what they exceed add up to the excess of each payment.
    right = Counter(dict(zip(run.payees.codes, run.sums.dispositions[Disposition.EXCESS], strict=True)))
    is_setoff = run.receipts.kind == KINDS.index(ReceiptKind.SETOFF)
    rows = run.rows(np.flatnonzero(run.by_row(is_setoff)))
    credited = exact_sum(rows.amount[rows.is_payment])
    if difference := credited - exact_sum(parts.yen[parts.has_kind(RefundKind.SETOFF)]):
        right["setoff"] += difference
    left = Counter(excess_by_payee)
    broken = tuple(payee for payee in sorted({*left, *right}) if left[payee] != right[payee])
    return Control("T8", _STATEMENT, sum(left.values()), sum(right.values()), broken)


# Articles of law

_TAX_REFUND, _TAX_SETOFF = "地方税法17", "地方税法17の2①"
_PUBLIC, _CIVIL_REFUND, _CIVIL_SETOFF = "地方自治法231の3④", "民法703", "民法505"
_ARTICLES = (_TAX_REFUND, _TAX_SETOFF, _PUBLIC, _CIVIL_REFUND, _CIVIL_SETOFF)

#: The article by which a set-off is mandatory.
MANDATORY_ARTICLE = _TAX_SETOFF


def _claims(bills: BillColumns) -> tuple[BoolArray, BoolArray]:
    """Return by the code of a charge whether it is a local tax, and whether it is a private claim: bool (charges,)."""
    known = [bills.known_charges.get(name) for name in bills.charge.categories]
    is_tax = [each is not None and each.late_charge is LateChargeBasis.TAX for each in known]
    is_private = [each is not None and each.claim is ClaimClass.PRIVATE for each in known]
    # The last value is that of an unknown charge, whose code is -1.
    return np.array([*is_tax, False]), np.array([*is_private, False])


def article_texts(bills: BillColumns, slip: Int64Array, is_setoff: BoolArray, needs_consent: BoolArray) -> pa.Array:
    """Return the article of law of refunds and set-offs by the charge of the slip that was paid: string (k,).

    A refund of local taxes follows 地方税法17, one of other public revenue the same by 自治法231の3④, one of a private
    claim 民法703 (不当利得). A set-off that needs consent is one by agreement, whose model is 民法505.
    """
    is_tax, is_private = (column[bills.charge.codes[slip]] for column in _claims(bills))
    refund = np.where(is_tax, _TAX_REFUND, np.where(is_private, _CIVIL_REFUND, _PUBLIC))
    setoff = np.where(is_tax, _TAX_SETOFF, np.where(is_private, _CIVIL_SETOFF, _PUBLIC))
    texts = np.where(is_setoff, np.where(needs_consent, _CIVIL_SETOFF, setoff), refund)
    return category_texts(np.array([_ARTICLES.index(text) for text in texts.tolist()], np.int64), _ARTICLES)


# Proposals


class OpenProposals(NamedTuple):
    """Proposals for the excess about which nothing is decided, ``k`` rows by payment; set-offs first."""

    #: int64 (k,): the row of the payment in the table of outcomes.
    row: Int64Array
    #: int64 (k,): the main slip of the debt of a set-off, -1 for a refund.
    slip: Int64Array
    #: int64 (k,): yen.
    yen: Int64Array
    #: bool (k,): a set-off that needs the payer's consent.
    needs_consent: BoolArray


def open_proposals(open_excess: Int64Array, pairs: Iterable[Any]) -> OpenProposals:
    """Divide the open excess of each payment into its set-offs and a refund of the rest.

    Args:
        open_excess: int64 (n,): by row of outcomes.
        pairs: ``row, slip, yen, needs_consent`` of the set-offs, by row, in their order.
    """
    row, slip, yen, needs_consent = (np.asarray(column) for column in pairs)
    rest = open_excess.copy()
    np.subtract.at(rest, row, yen)
    at = np.flatnonzero(rest > 0)
    rows = np.concatenate([row, at])
    order = np.argsort(rows, kind="stable")  # a refund follows the set-offs of its payment
    columns = (
        rows,
        np.concatenate([slip.astype(np.int64), np.full(len(at), -1)]),
        np.concatenate([yen, rest[at]]),
        np.concatenate([needs_consent, np.zeros(len(at), np.bool_)]),
    )
    return OpenProposals._make(column[order] for column in columns)


def proposal_table(
    proposals: OpenProposals,
    numbers: Int64Array,
    rows: OutcomeRows,
    bills: BillColumns,
    interest: Int64Array,
    setoff_on: Days,
    cause: pa.Array,
) -> pa.Table:
    """Return the proposals; see :attr:`kokin.reconcile.Accounts.refund_proposals`.

    ``numbers``, int64 (n,), are those of the rows in the table of outcomes. ``interest`` are its yen, ``setoff_on`` the
    day of each set-off (NaT with consent), ``cause`` the kind of the overpayment.
    """
    outcomes = rows.outcomes_at(proposals.row)
    slip = rows.slip[proposals.row]
    is_setoff = proposals.slip >= 0
    kinds = [RefundKind.REFUND.value, RefundKind.SETOFF.value]
    debt = bills.index.bill_ids(proposals.slip.astype(np.int32))
    return pa.table(
        {
            "row": from_numpy(numbers[proposals.row], pa.int64()),
            "digest": rows.text_column("digest").take(from_numpy(proposals.row, pa.int64())),
            **{name: outcomes.column(name) for name in ("source", "record_no", "bill_id", "payee_code")},
            "payer_key": bills.texts("payer_key", slip),
            "charge": bills.charge.texts(slip),
            "item_code": outcomes.column("item_code"),
            "paid_on": days_array(rows.paid_on[proposals.row]),
            "cause": cause,
            "state": pa.repeat(RefundState.OPEN.value, len(slip)),
            "kind": category_texts(is_setoff.astype(np.int64), kinds),
            "amount": from_numpy(proposals.yen, pa.int64()),
            "interest": from_numpy(interest, pa.int64()),
            "debt_bill_id": debt,
            "setoff_on": days_array(setoff_on),
            "article": article_texts(bills, slip.astype(np.int64), is_setoff, proposals.needs_consent),
            "needs_consent": pa.array(proposals.needs_consent),
        }
    )
