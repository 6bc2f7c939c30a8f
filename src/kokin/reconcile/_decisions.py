"""What persons decided about payments, as input of the rule of matching.

A decision names a record. It is about the payment that the record reports: if another file reports the same payment,
and the record of that file counts, the decision applies to that record. Of several decisions about one payment the last
one applies. A decision about a whole booking (一括入金) applies no more once the payments in it are known.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import (
    BoolArray,
    Int32Array,
    Int64Array,
    UInt8Array,
    as_table,
    combine,
    from_numpy,
    to_mask,
    to_numpy,
)
from kokin._arrow.validate import validate_records, validate_table
from kokin.issues import InvalidInputError, Issue, Location
from kokin.matching import KINDS, NO_BILL, OUTCOMES, UNDECIDED, Assignments, Index, Obligations
from kokin.model import Decision, DecisionKind, Outcome
from kokin.reconcile._columns import int_column, text_column

_DECIDABLE = [code for code, kind in enumerate(KINDS) if kind.is_decidable]

_OUTCOMES = {
    DecisionKind.UNAPPLY: Outcome.UNAPPLIED,
    DecisionKind.OTHER_AUTHORITY: Outcome.OTHER_AUTHORITY,
    DecisionKind.NOT_A_PAYMENT: Outcome.NOT_A_PAYMENT,
}


class Decisions(NamedTuple):
    """Decisions about receipts, or parts of them, ``d`` rows."""

    #: int64 (d,): the row of the receipt that a decision names.
    row: Int64Array
    #: int64 (d,): the order of the decisions; the parts of one have the same.
    number: Int64Array
    #: uint8 (d,): the outcome, or ``UNDECIDED`` for a part that is assigned to a bill.
    outcome: UInt8Array
    #: int32 (d,): the slip of the bill that a part is assigned to, else ``NO_BILL``.
    slip: Int32Array
    #: int64 (d,): yen of the part.
    yen: Int64Array
    #: int64 (d,): yen of the receipt.
    amount: Int64Array

    @classmethod
    def find(cls, decisions: Any, receipts: pa.Table, kind: UInt8Array, index: Index) -> Self:
        """Return the decisions about some receipts; those about other receipts are left out.

        Args:
            decisions: a table with the columns of :class:`~kokin.model.Decision`; None: no decisions.
            receipts: a table with the columns of :class:`~kokin.model.Receipt`.
            kind: uint8 (n,): the codes of their kinds.
            index: the bills.

        Raises:
            InvalidInputError: a decision is invalid, is about a receipt that brings no money, or its parts do not add
                up to the amount of the receipt.
        """
        table = None if decisions is None else _checked(decisions)
        if table is None or not len(table):
            none = np.empty(0, np.int64)
            return cls(none, none, np.empty(0, np.uint8), np.empty(0, np.int32), none, none)
        row = rows_of_records(receipts, table)
        table = table.filter(pa.array(row >= 0))
        row = row[row >= 0]
        names = combine(table.column("decision").cast(pa.string()))
        code_of = {name.value: OUTCOMES.index(outcome) for name, outcome in _OUTCOMES.items()}
        outcome = np.array([code_of.get(name, UNDECIDED) for name in names.to_pylist()], np.uint8)
        amount = to_numpy(receipts.column("amount").take(from_numpy(row, pa.int64())), 0)
        of_part = int_column(table, "amount", 0)
        yen = np.where(of_part > 0, of_part, amount)
        number = to_numpy(table.column("decision_no"), 0)
        found = cls(row, number, outcome, _slips_of(text_column(table, "bill_id"), index), yen, amount)
        _require_money(found, kind, table)
        return found

    def of_payments(self, rows: Int64Array, counted: Int64Array, amount: Int64Array) -> tuple[UInt8Array, Assignments]:
        """Return what was decided about the payments of some receipts, sorted, with all records of each payment.

        Args:
            rows: int64 (k,): the rows of the receipts, with all rows that a decision names.
            counted: int64 (k,): which of them counts for the payment of each.
            amount: int64 (k,): their yen.

        Returns:
            The outcome that was decided for each, or ``UNDECIDED``: uint8 (k,). The parts that were assigned to bills.
        """
        payment = counted[np.searchsorted(rows, self.row)]
        number = np.where(amount[payment] == self.amount, self.number, 0)
        last = np.zeros(len(rows), np.int64)
        np.maximum.at(last, payment, number)
        applies = (number == last[payment]) & (number > 0)
        outcome = np.full(len(rows), UNDECIDED, np.uint8)
        outcome[payment[applies]] = self.outcome[applies]
        is_part = applies & (self.outcome == UNDECIDED)
        return outcome, Assignments(payment[is_part], self.slip[is_part], self.yen[is_part])


def _checked(decisions: Any) -> pa.Table:
    """Return the decisions that are matched, without those that only close an exception."""
    table = validate_table(as_table(decisions), Decision)
    rows = range(1, len(table) + 1)
    if issues := list(validate_records(table, rows, Decision, lambda row: Location(record=row))):
        raise InvalidInputError(issues, "decisions rejected")
    matched = pa.array([kind.value for kind in DecisionKind if kind.is_matched])
    return table.filter(pc.is_in(table.column("decision").cast(pa.string()), value_set=matched))


def rows_of_records(receipts: pa.Table, named: pa.Table) -> Int64Array:
    """Return the row of the receipt that each row of a table names by ``digest`` and ``record_no``; -1 for none.

    int64 (d,).
    """
    names = ("record_no", "digest")
    if not set(names) <= set(receipts.schema.names):
        return np.full(len(named), -1)
    columns = [(receipts.column(name), combine(named.column(name))) for name in names]
    is_named = pc.and_(*(pc.is_in(column, value_set=values.cast(column.type)) for column, values in columns))
    rows = np.flatnonzero(to_mask(combine(is_named)))
    found = receipts.select(names).take(from_numpy(rows, pa.int64())).to_pylist()
    row_of: dict[tuple[Any, ...], int] = {}
    for row, record in zip(rows.tolist(), found, strict=True):
        # Several rows of one record report one payment.
        row_of.setdefault(tuple(record.values()), row)
    records = named.select(names).to_pylist()
    return np.array([row_of.get(tuple(record.values()), -1) for record in records], np.int64)


def _slips_of(bill_id: pa.Array, index: Index) -> Int32Array:
    """Return the slip of each bill, int32 (d,); ``NO_BILL`` for a null and for a bill that is not in the index."""
    wanted = bill_id.unique().drop_null()
    slips = np.flatnonzero(to_mask(pc.is_in(index.bill_id, value_set=wanted.cast(index.bill_id.type))))
    slip_of = dict(zip(index.bill_ids(slips.astype(np.int32)).to_pylist(), slips.tolist(), strict=True))
    return np.array([slip_of.get(text, NO_BILL) for text in bill_id.to_pylist()], np.int32)


def _require_money(found: Decisions, kind: UInt8Array, table: pa.Table) -> None:
    """Raise InvalidInputError unless the receipts of decisions bring money and the parts of each add up to it."""
    total = np.zeros(len(found.row), np.int64)
    _, decision = np.unique(found.number, return_inverse=True)
    np.add.at(total, decision, found.yen)
    is_part = found.outcome == UNDECIDED
    issues = []
    for at in np.flatnonzero(
        ~np.isin(kind[found.row], _DECIDABLE) | (is_part & (total[decision] != found.amount))
    ).tolist():
        record = table.slice(at, 1).to_pylist()[0]
        location = Location(record=record["record_no"])
        if kind[found.row[at]] not in _DECIDABLE:
            issue = Issue("DECISION_KIND", field="decision", found=KINDS[kind[found.row[at]]], location=location)
        else:
            values = {"expected": str(found.amount[at]), "found": str(total[decision[at]])}
            issue = Issue("DECISION_SUM", field="amount", **values, location=location)
        issues.append(issue)
    if issues:
        raise InvalidInputError(list(dict.fromkeys(issues)), "decisions rejected")


def interacts(assigned_slips: Int32Array, slip: Int32Array, obligations: Obligations) -> BoolArray:
    """Return the receipts whose slip shares a component of obligations with some slips: bool (n,)."""
    assigned = assigned_slips[assigned_slips >= 0]
    if not len(assigned):
        return np.zeros(len(slip), np.bool_)
    components = np.unique(obligations.component_of(assigned))
    shares: BoolArray = np.isin(obligations.component_of(np.maximum(slip, 0)), components) & (slip >= 0)
    return shares
