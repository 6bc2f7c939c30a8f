"""What a file declares about itself, against what stands in it: order of records, counts and sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kokin.issues import Issue, Location
from kokin.receipts._canonical import as_code
from kokin.receipts._decode import RawRecord
from kokin.receipts.layouts import Layout, Total


@dataclass(frozen=True)
class DeclaredTotal:
    """A total that the file declares (合計), and what its records add up to."""

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
        """Whether the two are the same; None: that cannot be known."""
        return None if self.unsure else self.declared == self.counted


@dataclass
class Totals:
    """The funnel of a file: every detail record is accepted, reported as unpaid, or rejected."""

    records: int = 0
    """Records of every kind."""
    read: int = 0
    """Detail records."""
    accepted: int = 0
    """Detail records that became receipts."""
    unpaid: int = 0
    """Good detail records that report no payment, such as 振替不能 or 出金."""
    rejected: int = 0
    """Detail records with an error; each has its issue."""
    accepted_yen: int = 0
    unpaid_yen: int = 0
    rejected_yen: int = 0
    """As far as the amounts of the rejected records could be read."""
    declared: list[DeclaredTotal] = field(default_factory=list)
    """What headers and trailers say, in the order of the file."""
    complete: bool = False
    """Whether the whole file has been read; until then everything is provisional."""


@dataclass
class _Sum:
    total: Total
    exact: int = 0
    #: Records of which it is not known whether, or with how much, they belong to the sum.
    unsure: int = 0


class Control:
    """Follows the records of a file in their order, and compares what the file declares with what it holds.

    ``refused`` collects what makes the whole file unusable; ``warnings`` what does not.
    """

    def __init__(self, layout: Layout, file: str, totals: Totals) -> None:
        self.layout, self.file, self.totals = layout, file, totals
        self.refused: list[Issue] = []
        self.warnings: list[Issue] = []
        self._sums = [_Sum(total) for total in layout.totals]
        self._roles = {kind.role for kind in layout.kinds.values()}
        self._stage = "start" if "header" in self._roles else "batch"
        self._pending: list[RawRecord] = []
        self._unpaid_in_batch = 0

    def record(self, record: RawRecord) -> None:
        """Take a record that is not a detail: its place in the order, and its totals."""
        role = self.layout.kinds[record.kind].role
        if role not in self._expected():
            place = Location(self.file, record.number, record.offset)
            self.refused.append(
                Issue("RECORD_ORDER", field="", expected=" or ".join(self._expected()), found=role, location=place)
            )
        if role == "header":
            self._close_batch()
        self._pending.append(record)
        self._count_all(role)
        if role == "trailer":
            self._close_batch()
        self._stage = {"header": "batch", "trailer": "after", "end": "ended"}[role]

    def _expected(self) -> list[str]:
        after = ["header"] if "header" in self._roles else []
        match self._stage:
            case "start":
                return ["header"]
            case "batch" if "trailer" in self._roles:
                return ["data", "trailer"]
            case "ended":
                return ["nothing after the end record"]
            case "batch":
                return ["data", *after, *(["end"] if "end" in self._roles else [])]
            case _:
                return [*after, *(["end"] if "end" in self._roles else [])]

    def detail(self, record: RawRecord, *, unpaid: bool = False) -> None:
        """Take a detail record, a rejected one as far as its fields could be read."""
        if not self.expects_data:
            place = Location(self.file, record.number, record.offset)
            self.refused.append(
                Issue("RECORD_ORDER", field="", expected=" or ".join(self._expected()), found="data", location=place)
            )
            self._stage = "batch"
        self._unpaid_in_batch += unpaid
        for each in self._sums:
            if each.total.of == "data":
                _add(each, record.values)
        self._count_all("data")

    @property
    def expects_data(self) -> bool:
        """Whether a detail record may stand next."""
        return self._stage == "batch"

    def details(self, count: int, unpaid: int, added: Sequence[int]) -> None:
        """Take many good detail records that stand where they may; ``added`` is what they add to each total."""
        self._unpaid_in_batch += unpaid
        for each, more in zip(self._sums, added, strict=True):
            each.exact += more if each.total.of == "data" else count * (each.total.of == "records")

    def _count_all(self, role: str) -> None:
        for each in self._sums:
            each.exact += each.total.of == "records" or (each.total.of == "batches" and role == "header")

    def _close_batch(self) -> None:
        """Compare what the header and the trailer of the batch declare, and begin the sums anew."""
        for record in self._pending:
            self._compare(record, "batch")
        self._pending = [record for record in self._pending if self._declares(record, "file")]
        for each in self._sums:
            if each.total.scope == "batch":
                each.exact = each.unsure = 0
        self._unpaid_in_batch = 0

    def _declares(self, record: RawRecord, scope: str) -> bool:
        return any(each.total.record == record.kind and each.total.scope == scope for each in self._sums)

    def finish(self) -> None:
        """The end of the file: what is missing, and the totals of the whole file."""
        self._close_batch()
        for record in self._pending:
            self._compare(record, "file")
        missing = {"start": "header", "batch": "trailer", "after": "end", "ended": ""}[self._stage]
        if self._stage == "batch" and "trailer" not in self._roles:
            missing = "end"
        if missing in self._roles:
            self.refused.append(Issue("RECORD_MISSING", expected=missing, location=Location(self.file)))

    def _compare(self, record: RawRecord, scope: str) -> None:
        if scope == "batch" and self._is_request(record):
            place = Location(self.file, record.number, record.offset)
            self.refused.append(Issue("REQUEST_FILE", field=record.kind, location=place))
            return
        for each in self._sums:
            total = each.total
            declared = record.values.get(total.field)
            if total.record != record.kind or total.scope != scope or declared is None:
                continue
            start = self.layout.kinds[record.kind].offsets[total.field]
            where = Location(self.file, record.number, record.offset + start)
            name, differs = f"{record.kind}.{total.field}", declared != each.exact
            # A record without a value may be missing in a count; with how much in a sum is not known.
            most = declared if total.sum else each.exact + each.unsure
            explained = each.unsure > 0 and each.exact <= declared <= most
            unsure = explained or (differs and total.warn)
            self.totals.declared.append(DeclaredTotal(name, declared, each.exact, where, unsure))
            if not differs and not each.unsure:
                continue
            code = "TOTAL_UNSURE" if explained else "TOTAL_DIFFERS" if total.warn else "TOTAL_MISMATCH"
            issue = Issue(code, field=name, expected=str(each.exact), found=str(declared), location=where)
            (self.warnings if unsure else self.refused).append(issue)

    def _is_request(self, record: RawRecord) -> bool:
        """Whether a trailer says that nothing has been done yet, and no record says otherwise."""
        request = self.layout.request
        return (
            request is not None
            and record.kind == request.record
            and not self._unpaid_in_batch
            and (record.values.get(request.positive) or 0) > 0
            and all(record.values.get(name) == 0 for name in request.zero)
        )


def _add(each: _Sum, values: Mapping[str, Any]) -> None:
    total = each.total
    tests = [None if name not in values else as_code(values[name]) in codes for name, codes in total.where.items()]
    if False in tests:
        return
    amount = values.get(total.sum) if total.sum else 1
    if None in tests or amount is None:
        each.unsure += 1
    else:
        each.exact += amount
