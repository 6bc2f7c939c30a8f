"""The control equations (照合) T1 to T6: both sides of each, and whether they are equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kokin._arrow.convert import bool_array, from_numpy, to_numpy
from kokin._arrow.threads import chunk_slices, thread_map
from kokin.matching import OUTCOMES, Obligations, signed, yen_by_disposition
from kokin.model import Disposition, Outcome
from kokin.reconcile._bank import is_due
from kokin.reconcile._columns import exact_sum, text_column
from kokin.reconcile._findings import FileTotal
from kokin.reconcile._matches import Matches, Receipts


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
    """The files, days or charges whose own sides differ; the sums may be equal all the same."""
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


def by_disposition(receipts: Receipts, matches: Matches) -> dict[Disposition, int]:
    """Sum the yen of all receipts by disposition."""

    def sums_of(rows: slice) -> dict[Disposition, int]:
        results = matches.results(rows)
        yen = signed(receipts.kind[rows], receipts.amount[rows])
        columns = yen_by_disposition(results.disposition, yen, results.applied, results.excess)
        return {name: int(column.sum()) for name, column in columns.items()}

    chunks = thread_map(sums_of, chunk_slices(len(receipts)))
    return {name: sum(chunk[name] for chunk in chunks) for name in Disposition}


def file_control(totals: list[FileTotal]) -> Control:
    """T1: the yen of the run's records against the accepted yen; broken by any total of a file that differs."""
    amounts = [total for total in totals if total.field == "amount"]
    broken, unsure = (
        tuple(f"{total.file} {total.field}" for total in totals if getattr(total, name))
        for name in ("differs", "unsure")
    )
    left, right = sum(total.found for total in amounts), sum(total.expected for total in amounts)
    return Control("T1", _STATEMENTS["T1"], left, right, broken, unsure)


def report_control(totals: pa.Table) -> Control:
    """T2: the yen of agent reports against those of the receipts, from :func:`~._bank.report_totals`."""
    count, amount, counted, summed = (to_numpy(column, 0) for column in totals.columns)
    differing = np.flatnonzero((count != counted) | (amount != summed))
    broken = tuple(f"report {row + 1}" for row in differing.tolist())
    return Control("T2", _STATEMENTS["T2"], exact_sum(amount), exact_sum(summed), broken)


def settlement_control(settlements: pa.Table, as_of: np.datetime64) -> Control:
    """T3: the bank deposits up to a day against the expected ones; broken by days whose sums differ."""
    due = is_due(settlements, as_of)
    credited, expected = (to_numpy(settlements.column(name), 0)[due] for name in ("credited", "expected"))
    days = settlements.column("settled_on").filter(bool_array(due))
    broken = tuple(str(days[row]) for row in np.flatnonzero(credited != expected).tolist())
    return Control("T3", _STATEMENTS["T3"], exact_sum(credited), exact_sum(expected), broken)


def disposition_control(receipts: Receipts, dispositions: Mapping[Disposition, int]) -> Control:
    """T4: the yen of all receipts against the sum of all dispositions."""
    return Control("T4", _STATEMENTS["T4"], exact_sum(receipts.yen), sum(dispositions.values()))


def balance_control(obligations: Obligations, matches: Matches, dispositions: Mapping[Disposition, int]) -> Control:
    """T5 without the catalog: the balance before the run less the applied yen against the balance after it."""
    explained = exact_sum(obligations.open) - dispositions[Disposition.APPLIED]
    return Control("T5", _STATEMENTS["T5"], explained, exact_sum(matches.balance_after))


def receivables_control(receivables: pa.Table) -> Control:
    """T5 of the accounts: the explained balance against the open one; broken by charge and year class."""
    yen = {name: to_numpy(receivables.column(name), 0) for name in receivables.column_names[3:]}
    explained = yen["billed"] - yen["paid_before"] - (yen["received"] - yen["overpaid"]) - yen["written_off"]
    differing = np.flatnonzero(explained != yen["unpaid"])
    rows = receivables.take(from_numpy(differing, pa.int64())).to_pylist()
    broken = tuple(f"{row['charge']} {row['item_code']} {row['year_class']}" for row in rows)
    statement = "billed - (paid - excess) - written off = open"
    return Control("T5", statement, exact_sum(explained), exact_sum(yen["unpaid"]), broken)


def payment_control(receipts: Receipts, matches: Matches) -> Control:
    """T6: the records that count against the different payments; broken by files with a payment that counts twice.

    The right side uses the identity of all records, whichever of them the matching has compared.
    """
    counts = matches.outcome != OUTCOMES.index(Outcome.DUPLICATE_RECORD)
    payments = receipts.identity.counted
    records_of = np.bincount(payments[counts], minlength=len(payments))
    duplicates = np.flatnonzero(counts & (records_of[payments] > 1))
    columns = [
        text_column(receipts.table, name).take(from_numpy(duplicates, pa.int64())).to_pylist()
        for name in ("source", "digest")
    ]
    files = sorted({source or digest or "" for source, digest in zip(*columns, strict=True)})
    different = len(payments) - int(np.count_nonzero(receipts.identity.duplicate))
    return Control("T6", _STATEMENTS["T6"], int(np.count_nonzero(counts)), different, tuple(files))
