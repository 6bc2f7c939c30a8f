"""One reading of a file from its first byte to its last: judges each record and keeps the count of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from kokin.issues import Issue, Location
from kokin.receipts._canonical import ReceiptMapping
from kokin.receipts._decode import Decoder, RawRecord
from kokin.receipts._frames import Blank, Frame, frames
from kokin.receipts._issue_log import IssueLog
from kokin.receipts._totals import Control, Totals
from kokin.receipts._xml_decoder import XmlDecoder

#: What makes the whole file suspect, not only its record.
_REFUSING = frozenset({"BYTE_UNKNOWN"})


class Reading:
    """The state of one reading: ``issues``, ``refused`` and ``totals`` grow as it goes on."""

    def __init__(self, decoder: Decoder | XmlDecoder, mapping: ReceiptMapping, max_issues: int) -> None:
        self.decoder, self.mapping = decoder, mapping
        self.layout = decoder.layout
        self.totals = Totals()
        self._amount_field = self.layout.receipt["amount"].field if self.layout.receipt else "amount"
        # What the count of a record asks for.
        sums = {total.sum for total in self.layout.totals if total.sum}
        self._counted = frozenset({self._amount_field}).union(sums, *(total.where for total in self.layout.totals))
        self.issues = IssueLog(max_issues)
        self.refused = IssueLog(max_issues)
        self.header: Mapping[str, Any] = {}
        self._control = Control(self.layout, decoder.file, self.totals)

    def refuse(self, issues: Iterable[Issue]) -> None:
        """Take problems that make the whole file unusable."""
        issues = list(issues)
        self.refused.add(issues)
        self.issues.add(issues)

    def records(self, stream: BinaryIO) -> Iterator[tuple[RawRecord, dict[str, Any] | None]]:
        """Each record, and its canonical values if it is a receipt."""
        if isinstance(self.decoder, XmlDecoder):
            yield from self._entries(self.decoder, stream)
            return
        for frame in frames(stream, self.decoder.framing):
            if isinstance(frame, Blank):
                self.blank(frame)
            else:
                yield self.judge(frame)

    def blank(self, blank: Blank) -> None:
        """Take blank lines between records: they are no records, and those with NUL or SUB bytes are damage."""
        place = Location(self.decoder.file, blank.number, blank.offset)
        found = ", ".join(["NUL or SUB"] * blank.damaged + [f"{blank.count} lines"] * (blank.count > 1))
        if not blank.damaged:
            self.issues.add([Issue("LINE_BLANK", found=found, location=place)])
        elif self.decoder.lenient:
            self.issues.add([Issue("BYTE_UNKNOWN", found=found, location=place)])
            self.totals.read += blank.count
            self.totals.rejected += blank.count
        else:
            self.refuse([Issue("BYTE_UNKNOWN", found=found, location=place)])

    def _entries(self, decoder: XmlDecoder, stream: BinaryIO) -> Iterator[tuple[RawRecord, dict[str, Any] | None]]:
        for record in decoder.records(
            stream, issues=self.issues, fatal_issues=self.refused, declared=self.totals.declared
        ):
            self.totals.records += 1
            yield record, self._detail(record)

    def judge(self, frame: Frame, doubtful: frozenset[str] = frozenset()) -> tuple[RawRecord, dict[str, Any] | None]:
        """Decode a frame and count it.

        ``doubtful`` may name the fields of a fixed-length detail record without which it is known to be good: if one of
        them is wrong, the others need not be read.
        """
        assert isinstance(self.decoder, Decoder)
        self.totals.records += 1
        record = self.decoder.decode(frame, doubtful | self._counted) if doubtful else None
        if record is None or record.is_good:
            record = self.decoder.decode(frame)
        if self._is_cut(self.decoder, frame, record):
            self.refuse([Issue("RECORD_TRUNCATED", location=Location(self.decoder.file, record.number, record.offset))])
        kind = self.layout.kinds.get(record.kind)
        if kind is None or kind.role == "data":
            receipt = self._detail(record)
        else:
            receipt = None
            self._frame_record(record, is_header=kind.role == "header")
        self._take_control()
        return record, receipt

    @property
    def expects_data(self) -> bool:
        """Whether a detail record may stand next."""
        return self._control.expects_data

    def accept(self, *, yen: tuple[int, int], counts: tuple[int, int], added: Sequence[int]) -> None:
        """Count many good detail records that stand where they may.

        ``counts`` and ``yen`` are of the accepted and of the unpaid; ``added`` is what they add to each total.
        """
        totals, (accepted, unpaid) = self.totals, counts
        totals.records += accepted + unpaid
        totals.read += accepted + unpaid
        totals.accepted += accepted
        totals.unpaid += unpaid
        totals.accepted_yen += yen[0]
        totals.unpaid_yen += yen[1]
        self._control.details(accepted + unpaid, unpaid, added)

    def _is_cut(self, decoder: Decoder, frame: Frame, record: RawRecord) -> bool:
        """Whether the last record ends too early; a CSV is cut if its last cell is missing or invalid."""
        if frame.closed or record.is_good:
            return False
        if decoder.framing.width:
            return len(frame.raw) < decoder.framing.width
        if frame.raw.count(b",") < len(decoder.columns) - 1:
            return True
        return any(issue.field == decoder.columns[-1] for issue in record.issues if issue.is_error)

    def _frame_record(self, record: RawRecord, *, is_header: bool) -> None:
        errors = [issue for issue in record.issues if issue.is_error]
        self.refuse(errors)
        self.issues.add(issue for issue in record.issues if not issue.is_error)
        if is_header:
            self.header = record.values
        self._control.record(record)

    def _detail(self, record: RawRecord) -> dict[str, Any] | None:
        totals = self.totals
        totals.read += 1
        amount = record.values.get(self._amount_field) or 0
        receipt: dict[str, Any] | None = None
        unpaid = False
        if record.is_good:
            unpaid = not self.mapping.pays(record.values)
            if not unpaid:
                receipt = self._receipt(record)
        if unpaid:
            totals.unpaid += 1
            totals.unpaid_yen += amount
        elif receipt is not None:
            totals.accepted += 1
            totals.accepted_yen += amount
        else:
            totals.rejected += 1
            totals.rejected_yen += amount
        if record.issues:
            self.issues.add(record.issues)
            if not self.decoder.lenient:
                self.refused.add(issue for issue in record.issues if issue.code in _REFUSING)
        self._control.detail(record, unpaid=unpaid)
        return receipt

    def _receipt(self, record: RawRecord) -> dict[str, Any] | None:
        """The canonical values of a good record, or ``None`` where they make no receipt; its issues grow."""
        if not self.layout.receipt:
            return {}
        values, wrong = self.mapping.values(record.values, self.header)
        for issue in wrong:
            place = self.decoder.place(record, issue.field)
            record.issues.append(issue.with_location(place))
        return None if wrong else values

    def _take_control(self) -> None:
        if self._control.refused:
            self.refuse(self._control.refused)
            self._control.refused.clear()
        if self._control.warnings:
            self.issues.add(self._control.warnings)
            self._control.warnings.clear()

    def finish(self) -> None:
        """The end of the file: what it lacks, and whether every detail record has become something."""
        self._control.finish()
        self._take_control()
        totals = self.totals
        assert totals.read == totals.accepted + totals.unpaid + totals.rejected
        totals.complete = True
