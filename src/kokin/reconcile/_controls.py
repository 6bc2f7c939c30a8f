"""The control equations (照合) T1 to T6: both sides of each, and whether they are equal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import bool_array, from_numpy, to_numpy
from kokin._arrow.threads import chunk_slices, thread_map
from kokin.matching import OUTCOMES, Obligations, signed, yen_by_disposition
from kokin.model import Disposition, Outcome
from kokin.reconcile._bank import is_due
from kokin.reconcile._columns import exact_sum, exact_sums_by, text_column
from kokin.reconcile._findings import FileTotal
from kokin.reconcile._matches import Matches, Receipts
from kokin.reconcile._payees import Payees


@dataclass(frozen=True, slots=True)
class Control:
    """One control equation. ``holds`` is None if a side is missing or unknown: that is not a pass."""

    name: str
    statement: str
    """The equation in words."""
    left: int | None = None
    """The left side in yen, of T6 in records."""
    right: int | None = None
    """The right side in the same unit."""
    broken: tuple[str, ...] = ()
    """The payees, files, days or charges whose own sides differ; the sums may be equal all the same."""
    unsure: tuple[str, ...] = ()
    """The totals that cannot be compared; see :attr:`kokin.receipts.DeclaredTotal.unsure`."""

    @property
    def holds(self) -> bool | None:
        """Whether both sides are equal in total and in every part; None: not checked, or not completely."""
        if self.left is None or self.right is None:
            return None
        if self.left != self.right or self.broken:
            return False
        return None if self.unsure else True

    def as_dict(self) -> dict[str, Any]:
        """Return the control for JSON: ``holds`` is ``"not checked"`` for None, empty lists are left out."""
        holds = "not checked" if self.holds is None else self.holds
        sides = {"statement": self.statement, "left": self.left, "right": self.right, "holds": holds}
        parts = {"broken": self.broken, "unsure": self.unsure}
        return {**sides, **{name: list(names) for name, names in parts.items() if names}}


_STATEMENTS = {
    "T1": "detail = trailer, per file",
    "T2": "agent's report = items",
    "T3": "bank deposits = settled - cancels - netted fee",
    "T4": "receipts - reversals = sum of all dispositions",
    "T5": "billed - (paid - excess) = open",
    "T6": "records that count = different payments: none counts twice",
}


def unchecked(name: str) -> Control:
    """Return a control of which a side is missing."""
    return Control(name, _STATEMENTS[name])


class PayeeSums(NamedTuple):
    """The yen of all receipts; each list has a sum for each payee of the run."""

    #: By the payee of the receipt.
    dispositions: dict[Disposition, list[int]]
    #: What lowered a balance, by the payee of the bill.
    applied: list[int]


def sum_by_payee(receipts: Receipts, matches: Matches, payees: Payees) -> PayeeSums:
    """Sum the yen of all receipts by disposition and payee."""
    count = len(payees.codes)

    def sums_of(rows: slice) -> list[list[int]]:
        results = matches.results(rows)
        yen = signed(receipts.kind[rows], receipts.amount[rows])
        columns = yen_by_disposition(results.disposition, yen, results.applied, results.excess)
        payee, bill_payee = payees.of_receipt[rows], payees.of_bill(receipts.slip[rows])
        sums = [exact_sums_by(payee, columns[name], count) for name in Disposition]
        return [*sums, exact_sums_by(bill_payee, results.applied, count)]

    sums = [[0] * count for _ in range(len(Disposition) + 1)]
    for chunk in thread_map(sums_of, chunk_slices(len(receipts))):
        sums = [[left + right for left, right in zip(*pair, strict=True)] for pair in zip(sums, chunk, strict=True)]
    return PayeeSums(dict(zip(Disposition, sums, strict=False)), sums[-1])


def file_control(totals: list[FileTotal]) -> Control:
    """T1: the yen of the run's records against the accepted yen; broken by any total of a file that differs.

    A file may have records of several authorities, and declares one total for all of them.
    """
    amounts = [total for total in totals if total.field == "amount"]
    broken, unsure = (
        tuple(f"{total.file} {total.field}" for total in totals if getattr(total, name))
        for name in ("differs", "unsure")
    )
    left, right = sum(total.found for total in amounts), sum(total.expected for total in amounts)
    return Control("T1", _STATEMENTS["T1"], left, right, broken, unsure)


def report_control(totals: pa.Table) -> Control:
    """T2: the yen of agent reports against those of the receipts, from :func:`~._bank.report_totals`.

    An agent reports by day, not by authority.
    """
    count, amount, counted, summed = (to_numpy(column, 0) for column in totals.columns)
    differing = np.flatnonzero((count != counted) | (amount != summed))
    broken = tuple(f"report {row + 1}" for row in differing.tolist())
    return Control("T2", _STATEMENTS["T2"], exact_sum(amount), exact_sum(summed), broken)


def settlement_control(settlements: pa.Table, as_of: np.datetime64) -> Control:
    """T3: the bank deposits up to a day against the expected ones; broken by days whose sums differ.

    A deposit on a bank account has no authority.
    """
    due = is_due(settlements, as_of)
    credited, expected = (to_numpy(settlements.column(name), 0)[due] for name in ("credited", "expected"))
    days = settlements.column("settled_on").filter(bool_array(due))
    broken = tuple(str(days[row]) for row in np.flatnonzero(credited != expected).tolist())
    return Control("T3", _STATEMENTS["T3"], exact_sum(credited), exact_sum(expected), broken)


def disposition_control(receipts: Receipts, payees: Payees, sums: PayeeSums) -> Control:
    """T4: the yen of all receipts against the sum of all dispositions; broken by payees."""
    received = exact_sums_by(payees.of_receipt, receipts.yen, len(payees.codes))
    disposed = [sum(yen) for yen in zip(*sums.dispositions.values(), strict=True)]
    return _payee_control("T4", payees, received, disposed)


def balance_control(obligations: Obligations, matches: Matches, payees: Payees, sums: PayeeSums) -> Control:
    """T5 without the catalog: the balance before the run less the applied yen against the balance after it.

    Broken by payees: also if the payment on a bill of one lowered the balance of another.
    """
    of_obligation, count = payees.of_obligation(obligations), len(payees.codes)
    before, after = (exact_sums_by(of_obligation, yen, count) for yen in (obligations.open, matches.balance_after))
    explained = [yen - applied for yen, applied in zip(before, sums.applied, strict=True)]
    return _payee_control("T5", payees, explained, after)


def _payee_control(name: str, payees: Payees, left: list[int], right: list[int]) -> Control:
    """Return a control from both of its sides by payee; broken by the payees whose sides differ."""
    broken = tuple(code for code, *sides in zip(payees.codes, left, right, strict=True) if sides[0] != sides[1])
    return Control(name, _STATEMENTS[name], sum(left), sum(right), broken)


def receivables_control(receivables: pa.Table) -> Control:
    """T5 of the accounts: the explained balance against the open one; broken by payee, charge and year class."""
    yen = {name: to_numpy(receivables.column(name), 0) for name in receivables.column_names[4:]}
    explained = yen["billed"] - yen["paid_before"] - (yen["received"] - yen["overpaid"]) - yen["written_off"]
    differing = np.flatnonzero(explained != yen["unpaid"])
    rows = receivables.take(from_numpy(differing, pa.int64())).to_pylist()
    broken = tuple(f"{row['payee_code']} {row['charge']} {row['item_code']} {row['year_class']}" for row in rows)
    statement = "billed - (paid - excess) - written off = open"
    return Control("T5", statement, exact_sum(explained), exact_sum(yen["unpaid"]), broken)


def payment_control(receipts: Receipts, matches: Matches, payees: Payees) -> Control:
    """T6: the records that count against the different payments.

    Broken by payees whose sides differ, and by files with a payment that counts twice. The right side uses the identity
    of all records, whichever of them the matching has compared.
    """
    counts = matches.outcome != OUTCOMES.index(Outcome.DUPLICATE_RECORD)
    is_duplicate, duplicates = receipts.identity.duplicate, np.empty(0, np.int64)
    if (counts & is_duplicate).any():
        payments = receipts.identity.counted
        records_of = np.bincount(payments[counts], minlength=len(payments))
        duplicates = np.flatnonzero(counts & (records_of[payments] > 1))
    names = ("source", "digest")
    table = receipts.table.select([name for name in names if name in receipts.table.schema.names])
    table = table.take(from_numpy(duplicates, pa.int64()))
    columns = [text_column(table, name).to_pylist() for name in names]
    files = sorted({source or digest or "" for source, digest in zip(*columns, strict=True)})
    counted, different = (
        np.bincount(payees.of_receipt[rows], minlength=len(payees.codes)).tolist() for rows in (counts, ~is_duplicate)
    )
    control = _payee_control("T6", payees, counted, different)
    return replace(control, broken=(*control.broken, *files))
