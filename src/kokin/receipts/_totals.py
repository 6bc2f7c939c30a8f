"""Declared totals (合計) and the order of records: what a file declares about itself, compared with its records.

A declared total that differs from the records rejects the whole file (``TOTAL_MISMATCH``), with two exceptions that are
warnings: a rejected record may explain the difference (``TOTAL_UNSURE``), and the layout may say that senders count
differently (``TOTAL_DIFFERS``). A record out of order (``RECORD_ORDER``), a missing one (``RECORD_MISSING``), and a
request that comes back without results (``REQUEST_FILE``) reject the file, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any

from kokin.issues import Issue, Location
from kokin.receipts._issue_log import FileIssues
from kokin.receipts._record import RawRecord, as_code
from kokin.receipts.layouts import FieldType, Layout, RecordKind, Total

#: Header, trailer and end records of a file whose fields are kept: the first ones.
MAX_CONTROL_RECORDS = 1_000

# Fields of these types can contain a name, so they are not kept.
_FREE_TEXT = frozenset({FieldType.TEXT, FieldType.KANJI, FieldType.FILLER})


@dataclass(frozen=True)
class DeclaredTotal:
    """A total that the file declares, and the sum of its records."""

    field: str
    """``record.field`` in the layout."""
    declared: int
    counted: int
    location: Location
    unsure: bool = False
    """Whether a difference need not be an error: values of rejected records may be missing in ``counted``
    (``TOTAL_UNSURE``), or senders count differently (``TOTAL_DIFFERS``)."""

    @property
    def agrees(self) -> bool | None:
        """Whether the two are equal; ``None`` if that cannot be known."""
        return None if self.unsure else self.declared == self.counted


@dataclass(frozen=True)
class ControlRecord:
    """The numbers and dates of a header, trailer or end record (管理レコード), such as 作成日 and 取引前残高."""

    record: str
    """The name of its kind in the layout, such as ``header``."""
    values: Mapping[str, str | int]
    """Field to value, as far as they could be read; dates and times in ISO form. No free text, no personal data."""

    @classmethod
    def of(cls, name: str, kind: RecordKind, values: Mapping[str, Any]) -> ControlRecord:
        """Return the control record of a kind and the values of its fields."""
        names = [
            each.id
            for each in kind.fields
            if not (each.type in _FREE_TEXT or each.sensitive or each.const) and values.get(each.id) is not None
        ]
        return cls(name, {each: _json_value(values[each]) for each in names})


def _json_value(value: Any) -> str | int:
    return value.isoformat() if isinstance(value, date | time) else value


@dataclass
class Totals:
    """The counts of a file: every detail record is accepted, reported as unpaid, or rejected."""

    records: int = 0
    """Records of every kind."""
    read: int = 0
    """Detail records."""
    accepted: int = 0
    """Detail records that became receipts."""
    unpaid: int = 0
    """Valid detail records that report no payment, such as 振替不能 or 出金."""
    rejected: int = 0
    """Detail records with an error; each has its issue."""
    accepted_yen: int = 0
    unpaid_yen: int = 0
    rejected_yen: int = 0
    """As far as the amounts of the rejected records could be read."""
    declared: list[DeclaredTotal] = field(default_factory=list)
    """The totals in headers and trailers, in the order of the file."""
    control_records: list[ControlRecord] = field(default_factory=list)
    """The first 1,000 headers, trailers and end records, in the order of the file."""
    complete: bool = False
    """Whether the whole file has been read; until then everything is provisional."""


@dataclass
class _Sum:
    """The running sum or count of one declared total."""

    total: Total
    exact: int = 0
    unsure: int = 0
    """Records that may belong to the sum, or whose value could not be read."""

    def add(self, values: Mapping[str, Any]) -> None:
        """Add a detail record, as far as its values could be read."""
        total = self.total
        tests = [None if name not in values else as_code(values[name]) in codes for name, codes in total.where.items()]
        if False in tests:
            return
        amount = values.get(total.sum) if total.sum else 1
        if None in tests or amount is None:
            self.unsure += 1
        else:
            self.exact += amount

    def may_be(self, declared: int) -> bool:
        """Whether records that could not be read explain a declared total.

        Each of them may be missing in a count, and any amount may be missing in a sum.
        """
        maximum = declared if self.total.sum else self.exact + self.unsure
        return self.unsure > 0 and self.exact <= declared <= maximum


class TotalsChecker:
    """Follows the records of a file in their order, and writes issues of order and totals into ``issues``.

    The comparisons are appended to ``totals.declared``.
    """

    def __init__(self, layout: Layout, file: str, totals: Totals, issues: FileIssues) -> None:
        self.layout, self.file, self.totals, self.issues = layout, file, totals, issues
        self._sums = [_Sum(total) for total in layout.totals]
        self._roles = {kind.role for kind in layout.records.values()}
        #: What the record before was: "start" (none), "batch" (a header or detail), "after" (a trailer), "ended".
        self._stage = "start" if "header" in self._roles else "batch"
        #: Headers and trailers with totals that are not compared yet.
        self._pending: list[RawRecord] = []
        self._unpaid_in_batch = 0

    def add_record(self, record: RawRecord) -> None:
        """Check the place of a header, trailer or end record in the order of the file, and compare its totals."""
        role = self.layout.records[record.kind].role
        if role not in self._expected_roles():
            self._reject_order(record, role)
        if len(self.totals.control_records) < MAX_CONTROL_RECORDS:
            kind = self.layout.records[record.kind]
            self.totals.control_records.append(ControlRecord.of(record.kind, kind, record.values))
        if role == "header":
            self._close_batch()
        self._pending.append(record)
        self._count(role)
        if role == "trailer":
            self._close_batch()
        self._stage = {"header": "batch", "trailer": "after", "end": "ended"}[role]

    def counts_headers(self, kind: str) -> bool:
        """Whether headers of a kind may be counted by :meth:`add_headers`: nothing is compared with their values."""
        request = self.layout.request
        return (
            self._stage == "batch"
            and len(self.totals.control_records) >= MAX_CONTROL_RECORDS
            and all(total.record != kind for total in self.layout.totals)
            and (request is None or request.record != kind)
        )

    def add_headers(self, count: int) -> None:
        """Count many headers, between two others without a record of another kind."""
        if "header" not in self._expected_roles():
            self.issues.count_fatal({"RECORD_ORDER": count})
        for each in self._sums:
            if each.total.scope == "file":  # the sums of a batch are reset at the next header
                each.exact += count * (each.total.of in ("records", "batches"))

    def add_detail(self, record: RawRecord, *, unpaid: bool = False) -> None:
        """Count a detail record, a rejected one as far as its values could be read."""
        if not self.expects_data:
            self._reject_order(record, "data")
            self._stage = "batch"
        self._unpaid_in_batch += unpaid
        for each in self._sums:
            if each.total.of == "data":
                each.add(record.values)
        self._count("data")

    @property
    def expects_data(self) -> bool:
        """Whether a detail record may come next."""
        return self._stage == "batch"

    def add_details(self, count: int, unpaid: int, amounts: Sequence[int]) -> None:
        """Count many valid detail records in their place; ``amounts`` is the sum that they add to each total."""
        self._unpaid_in_batch += unpaid
        for each, amount in zip(self._sums, amounts, strict=True):
            each.exact += amount if each.total.of == "data" else count * (each.total.of == "records")

    def add_unread(self, count: int) -> None:
        """Count many detail records of which no value could be read, in their place."""
        for each in self._sums:
            if each.total.of == "data" and (each.total.sum or each.total.where):
                each.unsure += count
            else:
                each.exact += count * (each.total.of in ("data", "records"))

    def add_unsure(self, counts: Sequence[int]) -> None:
        """Count records that were added and that may belong to each total, or whose value could not be read."""
        for each, count in zip(self._sums, counts, strict=True):
            each.unsure += count

    def finish(self) -> None:
        """Compare the totals of the whole file at its end, and check which record is missing."""
        self._close_batch()
        for record in self._pending:
            self._compare(record, "file")
        missing = {"start": "header", "batch": "trailer", "after": "end", "ended": ""}[self._stage]
        if self._stage == "batch" and "trailer" not in self._roles:
            missing = "end"
        if missing in self._roles:
            self.issues.reject_file(Issue("RECORD_MISSING", expected=missing, location=Location(self.file)))

    def _expected_roles(self) -> list[str]:
        in_batch = ["data", "trailer"] if "trailer" in self._roles else ["data", "header", "end"]
        roles = {"start": ["header"], "batch": in_batch, "after": ["header", "end"], "ended": []}[self._stage]
        return [role for role in roles if role in self._roles]

    def _reject_order(self, record: RawRecord, role: str) -> None:
        expected = "nothing after the end record" if self._stage == "ended" else " or ".join(self._expected_roles())
        issue = Issue("RECORD_ORDER", field="", expected=expected, found=role, location=self._location(record))
        self.issues.reject_file(issue)

    def _location(self, record: RawRecord, byte: int = 0) -> Location:
        return Location(self.file, record.record_no, record.byte_offset + byte)

    def _count(self, role: str) -> None:
        """Count a record in the totals of all records, and a header in those of batches."""
        for each in self._sums:
            each.exact += each.total.of == "records" or (each.total.of == "batches" and role == "header")

    def _close_batch(self) -> None:
        """Compare the totals of the batch in its header and trailer, and reset their sums."""
        for record in self._pending:
            self._compare(record, "batch")
        of_file = {total.record for total in self.layout.totals if total.scope == "file"}
        self._pending = [record for record in self._pending if record.kind in of_file]
        for each in self._sums:
            if each.total.scope == "batch":
                each.exact = each.unsure = 0
        self._unpaid_in_batch = 0

    def _compare(self, record: RawRecord, scope: str) -> None:
        """Compare the totals of one scope, a batch or the file, that a record declares."""
        if scope == "batch" and self._is_request(record):
            self.issues.reject_file(Issue("REQUEST_FILE", field=record.kind, location=self._location(record)))
            return
        for each in self._sums:
            declared = record.values.get(each.total.field)
            if (each.total.record, each.total.scope) == (record.kind, scope) and declared is not None:
                self._compare_total(record, each, declared)

    def _compare_total(self, record: RawRecord, counted: _Sum, declared: int) -> None:
        total = counted.total
        name, is_equal = f"{record.kind}.{total.field}", declared == counted.exact
        location = self._location(record, self.layout.records[record.kind].offsets[total.field])
        is_explained = counted.may_be(declared)
        is_warning = is_explained or (not is_equal and total.warn)
        self.totals.declared.append(DeclaredTotal(name, declared, counted.exact, location, is_warning))
        if is_equal and not counted.unsure:
            return
        code = "TOTAL_UNSURE" if is_explained else "TOTAL_DIFFERS" if total.warn else "TOTAL_MISMATCH"
        issue = Issue(code, field=name, expected=str(counted.exact), found=str(declared), location=location)
        (self.issues.add if is_warning else self.issues.reject_file)(issue)

    def _is_request(self, record: RawRecord) -> bool:
        """Whether a trailer and the records of its batch have no results, as in a file on its way to the bank."""
        request = self.layout.request
        return (
            request is not None
            and record.kind == request.record
            and not self._unpaid_in_batch
            and (record.values.get(request.positive) or 0) > 0
            and all(record.values.get(name) == 0 for name in request.zero)
        )
