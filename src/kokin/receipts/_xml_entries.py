"""Rules of camt entries (ISO 20022 camt.052, .053, .054): what an entry pays, its charges, and the totals of a report.

A record is a transaction (TxDtls), or an entry (Ntry) without transactions::

    element below Ntry                    field               rule
    TxDtls/Amt, TxDtls/AmtDtls/..., Amt   amount              the first in JPY; Amt only for a single transaction
    CdtDbtInd, RvslInd, Sts               event               see _event
    TxDtls/Refs/AcctSvcrRef, AcctSvcrRef  servicer_reference  that of the entry only for a single transaction
    AcctSvcrRef                           batch_reference     if it is not the reference of the transaction
    TxDtls/Chrgs, Chrgs                   bank_charge         see read_charges and _explain
    NtryDtls/Btch/NbOfTxs                 (compared)          the entry has this many transactions, or none
    Amt                                   (compared)          sum of the transactions, less charges
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import redact
from kokin.receipts._issue_log import FileIssues
from kokin.receipts._record import RawRecord
from kokin.receipts._totals import DeclaredTotal
from kokin.receipts._xml_fields import WHITESPACE, Texts, TransactionFields, parse_amount, parse_decimal

_SIGNS = {"CRDT": 1, "DBIT": -1}
_TRUE = ("true", "1")
# Not changed, as no texts are.
_NO_TEXTS = Texts()
_AMOUNT_MISSING = Issue("FIELD_MISSING", field="Ntry.Amt")
# Transactions of one entry that are kept until the amount of the entry is compared with their sum.
_MAX_PENDING = 10_000
#: Paths of the declared totals below ``TxsSummry``, with the direction of the entries that they count.
SUMMARY = {
    f"{name}/{part}": direction
    for name, direction in (("TtlNtries", ""), ("TtlCdtNtries", "CRDT"), ("TtlDbtNtries", "DBIT"))
    for part in ("NbOfNtries", "Sum")
}


class TransactionRecords:
    """Makes the records of a file's transactions and numbers them."""

    def __init__(self, fields: TransactionFields, issues: FileIssues, file: str, *, keeps_records: bool) -> None:
        self.file = file
        self._fields, self._issues, self._keeps_records = fields, issues, keeps_records
        self._count = 0
        #: What was read last, and from which texts: a file may have any number of empty elements, with the same texts.
        self._last: tuple[Texts, bool, dict[str, Any], list[Issue]] | None = None

    def record(self, texts: Texts, offset: int, *, alone: bool) -> RawRecord:
        """Return the record of a transaction (``alone``: the only one) of the entry at a byte of the file."""
        self._count += 1
        values, issues = self._read(texts, alone=alone)
        record = RawRecord("data", self._count, offset, b"", values, [])
        self.add_issues(record, issues)
        return record

    def add_issues(self, record: RawRecord, issues: Sequence[Issue]) -> None:
        """Add issues to a record with its location; without one if they are only counted."""
        if issues and (self._keeps_records or not self._issues.all.is_full):
            location = Location(self.file, record.record_no, record.byte_offset)
            issues = [issue.with_location(location) for issue in issues]
        record.issues += issues

    def _read(self, texts: Texts, *, alone: bool) -> tuple[dict[str, Any], list[Issue]]:
        """Return the values by field, and the issues without their location."""
        if not texts:
            texts = _NO_TEXTS
        if self._last is None or self._last[0] is not texts or self._last[1] != alone:
            self._last = texts, alone, *self._read_texts(texts, alone=alone)
        _, _, values, issues = self._last
        return dict(values), issues

    def _read_texts(self, texts: Texts, *, alone: bool) -> tuple[dict[str, Any], list[Issue]]:
        values, issues = self._fields.read(texts, alone=alone)
        if values.get("direction", "") is None:
            issues.append(Issue("FIELD_MISSING", field="direction"))
        batch = values.get("batch_reference")
        if batch is not None and values.get("servicer_reference") == batch:
            # The reference of an entry identifies a transaction only if that is alone in it.
            values["batch_reference" if alone else "servicer_reference"] = None
        values["event"] = _event(values)
        if values["event"] in ("pending", "voided"):
            # Only expected by the bank: nothing is settled, and the day is that of the entry once it is booked.
            values["booked_day"] = values.get("value_day") or values.get("booked_day")
            values["value_day"] = None
        values["bank_charge"] = None  # known at the end of the entry
        return values, issues


def _event(values: Mapping[str, Any]) -> str:
    """Return what a transaction reports. An entry with RvslInd = true reverses one of the opposite CdtDbtInd.

    ::

        CdtDbtInd  RvslInd  Sts BOOK or none  PDNG     INFO, FUTR
        CRDT       false    credit            pending  other
        DBIT       true     reversed          voided   other
        DBIT       false    other             other    other
        CRDT       true     other             other    other
    """
    is_reversal, status = values.get("reversal") in _TRUE, values.get("status")
    is_of_credit = (values.get("direction") == "CRDT") != is_reversal
    if not is_of_credit or status in ("INFO", "FUTR"):
        return "other"
    return [("credit", "reversed"), ("pending", "voided")][status == "PDNG"][is_reversal]


# --- Charges ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Charges:
    """Yen that charges (``Chrgs``) add to an amount; a charge that is deducted is negative."""

    recorded: int | Fraction = 0
    """Sum of the single charges."""
    total: int | Fraction = 0
    """Sum of ``TtlChrgsAndTaxAmt``, or of the single charges where there is none."""

    def __add__(self, other: Charges) -> Charges:
        return Charges(self.recorded + other.recorded, self.total + other.total)


_NO_CHARGES = Charges()


def read_charges(element: Any, entry: Any, namespace: str) -> Charges:
    """Return the charges of an element, a transaction or the entry itself. Amounts that are not yen are ignored.

    ``Chrgs/Rcrd/Amt`` (in version .02 ``Chrgs/Amt``) is added to the amount if its ``CdtDbtInd`` is CRDT and deducted
    if it is DBIT. Without ``CdtDbtInd`` it is deducted, in a reversal (``RvslInd``) added; so is
    ``Chrgs/TtlChrgsAndTaxAmt``, which has no direction.
    """
    charges = _NO_CHARGES
    for group in element.iterchildren(f"{namespace}Chrgs"):
        is_reversal = (entry.findtext(f"{namespace}RvslInd") or "").strip(WHITESPACE) in _TRUE
        default_sign = 1 if is_reversal else -1
        single = [
            amount * _SIGNS.get((record.findtext(f"{namespace}CdtDbtInd") or "").strip(WHITESPACE), default_sign)
            for record in (group, *group.iterchildren(f"{namespace}Rcrd"))
            if (amount := _charge_amount(record.find(f"{namespace}Amt"))) is not None
        ]
        declared = _charge_amount(group.find(f"{namespace}TtlChrgsAndTaxAmt"))
        recorded = sum(single)
        total = recorded if declared is None else declared * default_sign
        charges += Charges(recorded if single else total, total)
    return charges


def _charge_amount(element: Any) -> int | Fraction | None:
    if element is None or len(element) or element.get("Ccy") != "JPY":
        return None
    return parse_decimal((element.text or "").strip(WHITESPACE))


def _explain(
    difference: int | Fraction, of_entry: Charges, of_transactions: Charges, single: Sequence[Charges]
) -> Sequence[int | Fraction] | None:
    """Return the charges of each transaction that, with those of the entry, explain a difference; ``None`` if none do.

    The difference is the amount of the entry less the sum of its transactions. Banks declare charges at the entry, at
    the transactions or at both, and deduct them or not, so every combination is tried. Example: an entry of 12,190 with
    a transaction of 12,300 that has a charge of 110 yields [-110]; with the charge at the entry it yields [0].
    """
    for outer in (0, of_entry.recorded, of_entry.total):
        if difference == outer:
            return [0] * len(single)
        if difference == outer + of_transactions.recorded:
            return [charges.recorded for charges in single]
        if difference == outer + of_transactions.total:
            return [charges.total for charges in single]
    return None


def _with_bank_charges(
    records: Sequence[RawRecord], difference: int, single: Sequence[int | Fraction], sign: int
) -> list[RawRecord]:
    """Return the records with ``bank_charge``, the yen that the bank deducted from each.

    Each record bears its own charges (``single``, the result of :func:`_explain`). The first record of the entry's
    direction (``sign``) whose amount covers it also bears the rest: the charges of the entry, those of released
    records, and all charges where one is not whole yen. Example: an entry of 17,190 with transactions of 12,300 and
    5,000 and a charge of 110 at the entry (difference -110, single [0, 0]) yields charges of 110 and none.
    """
    if any(yen.denominator != 1 for yen in single):
        single = [0] * len(records)
    charges = [-sign * int(yen) for yen in single]
    rest = -sign * difference - sum(charges)
    amounts = [r.values["amount"] if _SIGNS[r.values["direction"]] == sign else -1 for r in records]
    bearer = next((i for i, yen in enumerate(amounts) if yen >= max(charges[i] + rest, 0)), 0)
    charges[bearer] += rest
    return [
        replace(record, values={**record.values, "bank_charge": yen or None})
        for record, yen in zip(records, charges, strict=True)
    ]


# --- Totals of a report -----------------------------------------------------------------------------------------------


@dataclass
class ReportTotals:
    """Totals that a notification, report or statement declares for its entries, and the totals counted."""

    declared: list[tuple[str, str]] = field(default_factory=list)
    """Path and text of each declared total."""
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("", *_SIGNS), 0))
    """Number of entries by direction; the empty text counts all."""
    sums: dict[str, int | Fraction] = field(default_factory=lambda: dict.fromkeys(("", *_SIGNS), 0))
    """Sum of the entries by direction."""
    is_incomplete: bool = False
    """Whether an entry without a readable amount is missing in the counts and sums."""

    def count(self, direction: str, amount: int | Fraction) -> None:
        """Count an entry."""
        for key in {"", direction} & self.sums.keys():
            self.counts[key] += 1
            self.sums[key] += amount

    def compare(self, issues: FileIssues, location: Location) -> Iterator[DeclaredTotal]:
        """Yield the declared totals with those counted; a different total rejects the file."""
        for path, text in self.declared:
            name, declared = path.replace("/", "."), parse_decimal(text)
            totals: Mapping[str, int | Fraction] = self.counts if name.endswith("NbOfNtries") else self.sums
            counted = totals[SUMMARY[path]]
            unsure = self.is_incomplete and declared is not None and declared > counted
            if isinstance(declared, int) and counted.denominator == 1:
                yield DeclaredTotal(name, declared, int(counted), location, unsure)
            if declared == counted:
                continue
            code, add = ("TOTAL_UNSURE", issues.add) if unsure else ("TOTAL_MISMATCH", issues.reject_file)
            add(Issue(code, field=name, expected=_decimal_text(counted), found=redact(text), location=location))


# --- Entries ----------------------------------------------------------------------------------------------------------


class Entry:
    """An entry (Ntry) while it is read: collects its transactions, and compares it with them at its end.

    An entry has one transaction, several, or none. Its texts belong to the record only if it has at most one, so the
    first transaction becomes a record when the second one or the end is reached. An entry of more than
    ``_MAX_PENDING`` transactions releases its records before its end; if it is invalid, the whole file is rejected.
    """

    def __init__(self, offset: int, records: TransactionRecords, issues: FileIssues) -> None:
        self._offset, self._records, self._issues = offset, records, issues
        #: Texts of the entry itself, read at the second transaction.
        self._texts: Texts | None = None
        #: Texts of the first transaction, until the second one or the end.
        self._first = _NO_TEXTS
        self._count = 0
        #: Texts of ``Btch/NbOfTxs``; one that is not a number is invalid.
        self.declared_counts: list[str] = []
        #: Records that are not released, and the charges of each.
        self._pending: list[RawRecord] = []
        self._pending_charges: list[Charges] = []
        self._has_released = False
        #: Charges and yen of all transactions, debits negative.
        self._charges = _NO_CHARGES
        self._sum = 0
        #: Whether a transaction lacks a readable amount or direction.
        self._is_incomplete = False

    def add(self, texts: Texts, charges: Charges, entry_texts: Callable[[], Texts]) -> list[RawRecord]:
        """Add a transaction, and return the records that are released; ``entry_texts`` reads those of the entry."""
        self._count += 1
        if charges is not _NO_CHARGES:
            self._charges += charges
        self._pending_charges.append(charges)
        if self._count == 1:
            self._first = texts
            return []
        if self._texts is None:
            self._texts = entry_texts()
            self._add_record(self._texts.union(self._first), alone=False)
        self._add_record(self._texts.union(texts) if texts else self._texts, alone=False)
        if len(self._pending) <= _MAX_PENDING:
            return []
        self._has_released = True
        released, self._pending = self._pending[:-1], self._pending[-1:]
        self._pending_charges = self._pending_charges[-1:]
        return released

    def _add_record(self, texts: Texts, *, alone: bool) -> None:
        record = self._records.record(texts, self._offset, alone=alone)
        amount, sign = record.values.get("amount"), _SIGNS.get(record.values.get("direction") or "")
        if amount is None or sign is None:
            self._is_incomplete = True
        else:
            self._sum += sign * amount
        self._pending.append(record)

    def close(self, texts: Texts, own_charges: Callable[[], Charges], report: ReportTotals) -> list[RawRecord]:
        """Compare the entry's own texts and charges with its transactions, and return the remaining records."""
        if self._count <= 1:
            self._add_record(texts.union(self._first), alone=True)
        self._compare_count()
        amount = _entry_amount(texts)
        if isinstance(amount, Issue):
            report.is_incomplete = True
            self._reject(amount)
        else:
            direction = texts.first(["CdtDbtInd"])
            report.count(direction, amount)
            if not self._is_incomplete:
                self._compare_amount(amount * _SIGNS.get(direction, 0), own_charges)
        return self._pending

    def _compare_count(self) -> None:
        """Reject the transactions if the batches declare more of them; an entry without transactions lists none."""
        numbers = [parse_decimal(text) for text in self.declared_counts]
        declared = sum(number for number in numbers if number is not None)
        if self._count and (None in numbers or declared > self._count):
            found = redact(" ".join(self.declared_counts)) if None in numbers else _decimal_text(declared)
            self._reject(Issue("TOTAL_MISMATCH", field="Ntry.Btch.NbOfTxs", expected=str(self._count), found=found))

    def _compare_amount(self, amount: int | Fraction, own_charges: Callable[[], Charges]) -> None:
        """Reject the transactions if their sum and charges do not explain the amount of the entry (debit: negative)."""
        difference = amount - self._sum
        if not difference:
            return
        # The record of an entry without transactions has no charges of its own.
        single = _explain(difference, own_charges(), self._charges, self._pending_charges or [_NO_CHARGES])
        issue = Issue("TOTAL_MISMATCH", field="Ntry.Amt", expected=str(self._sum), found=_decimal_text(amount))
        if single is None:
            self._reject(issue)
        elif difference.denominator != 1:
            self._reject(replace(issue, code="AMOUNT_FRACTION", expected="whole yen"))
        else:
            if self._has_released:  # the last record bears all charges
                single = [0] * len(self._pending)
            self._pending = _with_bank_charges(self._pending, int(difference), single, 1 if amount > 0 else -1)

    def _reject(self, issue: Issue) -> None:
        """Reject the transactions of the entry, and the whole file if some of them were released before."""
        if self._has_released:
            self._issues.reject_file(issue.with_location(Location(self._records.file, byte=self._offset)))
        for record in self._pending:
            if record.is_valid:
                self._records.add_issues(record, [issue])


def _entry_amount(texts: Texts) -> int | Fraction | Issue:
    """Return the amount of an entry, or the issue of one that cannot be read."""
    if "Amt" in texts.invalid:
        return Issue("XML_ELEMENT", field="Ntry.Amt")
    if "Amt" not in texts.values:
        return _AMOUNT_MISSING
    try:
        return parse_amount(" ".join(texts.values["Amt"]), texts.currencies.get("Amt", ()))
    except InvalidInputError as error:
        (issue,) = error.issues
        return replace(issue, field="Ntry.Amt")


def _decimal_text(amount: int | Fraction) -> str:
    """Return an amount as shown in an issue: ``12300`` or ``12300.5``."""
    return str(Decimal(amount.numerator) / Decimal(amount.denominator))
