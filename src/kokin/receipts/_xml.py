"""ISO 20022 messages (camt, ZEDI): entries out of XML that may be large, bundled, badly encoded or hostile.

Bytes are split into documents and fed to a pull parser without entities, DTDs or network; each entry is freed when it
has been read. Nothing of an application header (BAH) is kept: it may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any, BinaryIO

from lxml import etree

from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import redact
from kokin.receipts._fields import cell_reader, field_error
from kokin.receipts._issue_log import FileIssues
from kokin.receipts._record import RawRecord
from kokin.receipts._totals import DeclaredTotal, Totals
from kokin.receipts._xml_paths import BLANKS, Paths, Texts, forget
from kokin.receipts._xml_segments import BETWEEN, CP932, UTF_8, segments
from kokin.receipts._xml_values import amount_of, day_of, decimal_of, yen_of
from kokin.receipts.layouts import Field, FieldType, Layout
from kokin.text import UndecodableError, decode_cp932

_NAMESPACE = re.compile(r"\{urn:[^}]*:(camt\.\d{3})\.\d{3}\.\d{2}\}Document")
_HEADER = re.compile(r"\{[^}]*\}AppHdr")
_REPORTS = ("Ntfctn", "Rpt", "Stmt")
# The codes of CpyDplctInd (CopyDuplicate1Code).
_COPY_MARKS = ("CODU", "COPY", "DUPL")
#: Elements that are watched, with the elements that may contain them.
_PARENTS = {
    "Ntry": _REPORTS,
    "NtryDtls": ("Ntry",),
    "TxDtls": ("NtryDtls",),
    "Btch": ("NtryDtls",),
    "TxsSummry": _REPORTS,
    "CpyDplctInd": _REPORTS,
}
_TAGS = [f"{{*}}{name}" for name in ("Document", "AppHdr", *_REPORTS, *_PARENTS)]
# Elements that may contain elements of any namespace: supplementary data, and the signature of a header.
_EXTENSIONS = ("SplmtryData", "Sgntr")
_SUMMARY = {
    f"{name}/{part}": direction
    for name, direction in (("TtlNtries", ""), ("TtlCdtNtries", "CRDT"), ("TtlDbtNtries", "DBIT"))
    for part in ("NbOfNtries", "Sum")
}
_SIGNS = {"CRDT": 1, "DBIT": -1}
_TRUE = ("true", "1")
_IN_TRANSACTION = "TxDtls/"
# Transactions of one entry that are held until its amount is compared with theirs.
_MAX_HELD = 10_000

_Value = Callable[[Texts, Sequence[str], list[Issue]], Any]


class XmlRejectedError(InvalidInputError):
    """An XML file of which nothing more can be read."""


@dataclass(frozen=True, slots=True)
class _Column:
    """How the value of a field is read."""

    name: str
    value: _Value
    paths: Sequence[str]
    pattern: re.Pattern[str] | None
    missing: Issue | None
    """The issue of a record that has nothing at the paths, if it must have something."""


class XmlDecoder:
    """Reads one file's entries; the counterpart of the decoder of framed records."""

    def __init__(self, layout: Layout, issues: FileIssues, totals: Totals, *, lenient: bool, file: str) -> None:
        self.layout, self.lenient, self.file = layout, lenient, file
        #: Of the reading: what the file's summaries disagree with, and what they declare.
        self.issues, self.totals = issues, totals
        self.columns = [each.id for each in layout.data.fields]
        fields = [f for f in layout.data.fields if f.path]
        #: By whether the transaction is alone in its entry.
        self._columns = {alone: [_column(f, layout, alone=alone) for f in fields] for alone in (True, False)}
        self._others = [f for f in layout.data.fields if f.others]
        #: Where the header (AppHdr) begins that no document has followed yet.
        self.header: int | None = None
        self._number = 0

    def location(self, record: RawRecord, field_id: str) -> Location:
        """Where the entry of a record begins."""
        return Location(self.file, record.record_no, record.byte_offset)

    def records(self, stream: BinaryIO) -> Iterator[RawRecord]:
        """Every transaction of a file, in its order.

        Raises:
            XmlRejectedError: the file cannot be read any further.
        """
        document: _Document | None = None
        for kind, offset, content in self._segments(stream):
            if kind == "document":
                if document:
                    yield from document.close()
                document = _Document(self, content, offset)
            elif kind == "doctype":
                raise self.refusal("XML_DOCTYPE", offset)
            else:
                if document is None:
                    start = len(content) - len(content.lstrip(BETWEEN))
                    if start == len(content):
                        continue
                    content, offset = content[start:], offset + start
                    document = _Document(self, UTF_8, offset)
                yield from document.feed(content, offset)
        if document is None:
            raise self.refusal("FILE_EMPTY", 0)
        yield from document.close()
        if self.header is not None:
            raise self.refusal("XML_INVALID", self.header, "Document after AppHdr")

    def _segments(self, stream: BinaryIO) -> Iterator[tuple[str, int, Any]]:
        try:
            yield from segments(stream)
        except InvalidInputError as error:
            (issue,) = error.issues
            raise XmlRejectedError([issue.with_location(Location(self.file, byte=issue.location.byte))]) from None

    def refusal(self, code: str, byte: int, expected: str = "", found: str = "") -> XmlRejectedError:
        """Why nothing more of the file can be read."""
        return XmlRejectedError([Issue(code, expected=expected, found=found, location=Location(self.file, byte=byte))])

    def record(self, texts: Texts, offset: int, *, alone: bool) -> RawRecord:
        """The record of a transaction from the texts of its elements, and of the entry at ``offset`` that has it.

        What the entry says of its amount, its reference and its text is said of a transaction only where it is alone.
        """
        self._number += 1
        values: dict[str, Any] = {}
        issues: list[Issue] = []
        present, columns = texts.values.keys(), self._columns[alone]
        for column in columns:
            name, paths = column.name, column.paths
            try:
                if texts.mixed and not texts.mixed.isdisjoint(paths):
                    raise field_error("XML_ELEMENT")
                if not present.isdisjoint(paths):
                    values[name] = column.value(texts, paths, issues)
                elif column.missing:
                    issues.append(column.missing)
                else:
                    values[name] = None
            except InvalidInputError as error:
                issues += [Issue(one.code, field=name, expected=one.expected, found=one.found) for one in error.issues]
        if values.get("direction", "") is None:
            issues.append(Issue("FIELD_MISSING", field="direction"))
        for f in self._others:
            values[f.id] = _other_values([column for column in columns if column.name in f.others], texts, f.length)
        _separate_references(values, alone=alone)
        values["event"] = _event(values)
        if values["event"] in ("pending", "voided"):
            values["value_day"] = None  # nothing is settled on a day that the bank only expects
        values["bank_charge"] = None  # known at the end of the entry
        place = Location(self.file, self._number, offset)
        return RawRecord("data", self._number, offset, b"", values, [issue.with_location(place) for issue in issues])


def _other_values(columns: Sequence[_Column], texts: Texts, length: int) -> str | None:
    """What the columns find beside their own values, as far as the length allows."""
    joined = ""
    for column in columns:
        found = dict.fromkeys(_matches(column.pattern, texts, column.paths))
        for other in islice(found, 1, None):
            longer = f"{joined};{other}" if joined else other
            if len(longer) > length:
                break
            joined = longer
    return joined or None


def _column(f: Field, layout: Layout, *, alone: bool) -> _Column:
    paths = f.path
    if not alone and (f.alone or f.type is FieldType.MONEY):
        paths = [path for path in paths if path.startswith(_IN_TRANSACTION)]
    pattern = re.compile(f.pattern) if f.pattern else None
    value, missing = _value(f, layout, pattern), None
    try:
        value(Texts(), paths, [])
    except InvalidInputError as error:
        missing = replace(error.issues[0], field=f.id)
    return _Column(f.id, value, paths, pattern, missing)


def _value(f: Field, layout: Layout, pattern: re.Pattern[str] | None) -> _Value:
    """The function that reads a field from the texts at its paths."""
    if f.type is FieldType.MONEY:
        return lambda texts, paths, warnings: _amount(texts, paths)
    read = cell_reader(f, layout, None)
    is_free = f.type is FieldType.TEXT and not f.codes

    def day(texts: Texts, paths: Sequence[str], warnings: list[Issue]) -> Any:
        text = texts.first(paths)
        return day_of(text) if text else read(b"", warnings)

    def text(texts: Texts, paths: Sequence[str], warnings: list[Issue]) -> Any:
        value = next(_matches(pattern, texts, paths), "") if pattern else texts.first(paths)
        if is_free and _is_plain(value, f.length):
            return value or None
        return read(value.encode(), warnings)

    return day if f.type is FieldType.DATE else text


def _amount(texts: Texts, paths: Sequence[str]) -> int:
    """The amount at the first path that has it in yen; a transfer from abroad may have it in other currencies too."""
    present = [path for path in paths if path in texts.values]
    path = next((path for path in present if texts.currencies.get(path) == {"JPY"}), present[0] if present else "")
    return yen_of(" ".join(texts.values.get(path, ())), texts.currencies.get(path, ()))


def _matches(pattern: re.Pattern[str] | None, texts: Texts, paths: Sequence[str]) -> Iterator[str]:
    """What a pattern finds in each element, in the order of the paths."""
    if pattern:
        for path in paths:
            for text in texts.values.get(path, ()):
                yield from (match[1] for match in pattern.finditer(text) if match[1])


def _is_plain(text: str, length: int) -> bool:
    """Whether a text needs no closer look: most do not, and there are many."""
    return not text or (text.isascii() and text.isprintable() and len(text) <= length)


def _separate_references(values: dict[str, Any], *, alone: bool) -> None:
    """Keep the reference of the entry as that of the batch, and never as that of one of its several transactions."""
    batch = values.get("batch_reference")
    if batch is not None and values.get("servicer_reference") == batch:
        values["batch_reference" if alone else "servicer_reference"] = None


def _event(values: dict[str, Any]) -> str:
    is_reversal = values.get("reversal") in _TRUE
    is_credit = (values.get("direction") == "CRDT") != is_reversal
    status = values.get("status")
    if not is_credit or status in ("INFO", "FUTR"):
        return "other"
    if status == "PDNG":
        return "voided" if is_reversal else "pending"
    return "reversed" if is_reversal else "credit"


@dataclass(frozen=True, slots=True)
class _Charges:
    """What the charges (Chrgs) add to an amount: debits are negative."""

    recorded: int | Fraction = 0
    """The sum of the single charges."""
    total: int | Fraction = 0
    """The sum of ``TtlChrgsAndTaxAmt``, where it is given."""

    def __add__(self, other: _Charges) -> _Charges:
        return _Charges(self.recorded + other.recorded, self.total + other.total)


def _charges(element: Any, entry: Any, namespace: str) -> _Charges | None:
    """The charges of a transaction or of the entry itself. One that cannot be read explains nothing.

    Versions .02 have ``Chrgs/Amt``, later ones ``Chrgs/Rcrd/Amt``. A charge without a direction is deducted; one of an
    entry that is reversed is credited.
    """
    charges = None
    for each in element.iterchildren(f"{namespace}Chrgs"):
        is_reversal = (entry.findtext(f"{namespace}RvslInd") or "").strip(BLANKS) in _TRUE
        without = 1 if is_reversal else -1
        single = [
            amount * _SIGNS.get((record.findtext(f"{namespace}CdtDbtInd") or "").strip(BLANKS), without)
            for record in (each, *each.iterchildren(f"{namespace}Rcrd"))
            if (amount := _charge(record.find(f"{namespace}Amt"))) is not None
        ]
        whole = _charge(each.find(f"{namespace}TtlChrgsAndTaxAmt"))
        recorded = sum(single)
        total = recorded if whole is None else whole * without
        charges = (charges or _Charges()) + _Charges(recorded if single else total, total)
    return charges


def _charge(element: Any) -> int | Fraction | None:
    if element is None or len(element) or element.get("Ccy") != "JPY":
        return None
    return decimal_of((element.text or "").strip(BLANKS))


@dataclass
class _Entry:
    """An entry (Ntry) while it is being read."""

    offset: int
    texts: Texts | None = None
    """Of its own elements, once it is known to have several transactions."""
    first: Texts | None = None
    """The first transaction, until it is known whether it is the only one."""
    records: list[RawRecord] = field(default_factory=list)
    """Its transactions, until their sum is known."""
    count: int = 0
    """Transactions so far."""
    declared: list[str] = field(default_factory=list)
    """The numbers of transactions that its batches declare (``Btch/NbOfTxs``)."""
    is_released: bool = False
    """Whether it has so many transactions that the first ones are no longer held."""
    sum: int = 0
    """Yen of the transactions, debits negative."""
    charges: _Charges = _Charges()
    """Of the transactions."""
    single: list[_Charges] = field(default_factory=list)
    """Of each of ``records``."""
    unsure: bool = False
    """Whether a transaction has no amount or direction that can be read."""


def _set_charges(entry: _Entry, difference: int, single: Sequence[int | Fraction], sign: int) -> None:
    """Write what the bank kept of each transaction of an entry into its ``bank_charge``.

    Each bears its own charges; the first that covers them bears those of the entry, or all of them where the parts are
    not whole yen or belong to records that were released.

    Args:
        entry: the entry.
        difference: its amount less the sum of its transactions; like them negative for debits.
        single: what the charges add to each transaction.
        sign: 1 for a credit, -1 for a debit.
    """
    if entry.is_released or any(yen.denominator != 1 for yen in single):
        single = [0] * len(entry.records)
    kept = [-sign * int(yen) for yen in single]
    rest = -sign * difference - sum(kept)
    credits_ = [_SIGNS[record.values["direction"]] == sign for record in entry.records]
    amounts = [record.values["amount"] for record in entry.records]
    covers = (at for at, yen in enumerate(amounts) if credits_[at] and yen >= kept[at] + rest)
    kept[next(covers, 0)] += rest
    entry.records = [
        replace(record, values={**record.values, "bank_charge": yen or None})
        for record, yen in zip(entry.records, kept, strict=True)
    ]


@dataclass
class _Report:
    """What a notification, report or statement says about all its entries, and what they are."""

    declared: list[tuple[str, str]] = field(default_factory=list)
    """Path and text of each total."""
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("", *_SIGNS), 0))
    sums: dict[str, int | Fraction] = field(default_factory=lambda: dict.fromkeys(("", *_SIGNS), 0))
    unsure: bool = False

    def add(self, direction: str, amount: int | Fraction) -> None:
        """Count an entry."""
        for each in {"", direction} & self.sums.keys():
            self.counts[each] += 1
            self.sums[each] += amount


class _Document:
    """One XML document: bytes in, records out."""

    def __init__(self, decoder: XmlDecoder, encoding: str, offset: int) -> None:
        self._decoder, self._encoding, self._start = decoder, encoding, offset
        #: Bytes that are fed only when more follow: half a character, or what may be after the document.
        self._held: list[bytes] = []
        self._parser = etree.XMLPullParser(
            events=("start", "end"),
            tag=_TAGS,
            encoding="utf-8",
            remove_comments=True,
            remove_pis=True,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
        )
        self._at = offset
        #: Of its root, with braces; empty until that is seen.
        self._namespace = ""
        self._is_message = self._has_report = False
        self._entry: _Entry | None = None
        self._report = _Report()
        self._of_entry: Paths = Paths([], "")
        self._of_transaction: Paths = Paths([], "")
        self._of_summary: Paths = Paths([], "")
        self._of_batch: Paths = Paths([], "")

    def feed(self, content: bytes, offset: int) -> Iterator[RawRecord]:
        """Take the next bytes of the document, at most one entry's beginning among them, at their very start."""
        self._at = offset
        kept = content.rstrip(BETWEEN)
        if not kept:
            self._held.append(content)
            return
        whole = b"".join([*self._held, kept])
        offset -= len(whole) - len(kept)
        ready, half = self._utf_8(whole, offset)
        self._held = [half, content[len(kept) :]]
        try:
            self._parser.feed(ready)
            yield from self._events()
        except etree.XMLSyntaxError as error:
            # The message may quote the text, which may be a password: the line must do.
            raise self._decoder.refusal("XML_INVALID", offset, found=f"line {error.lineno}") from None

    def _utf_8(self, content: bytes, offset: int) -> tuple[bytes, bytes]:
        """The bytes as the parser takes them; half a character at the end waits for its other half."""
        try:
            return (decode_cp932(content) if self._encoding == CP932 else content.decode("utf-8")).encode(), b""
        except UndecodableError as error:
            byte = error.issues[0].location.byte or 0
            is_half = byte == len(content) - 1
        except UnicodeDecodeError as error:
            byte, is_half = error.start, error.reason == "unexpected end of data"
        if not is_half:
            raise self._decoder.refusal("BYTE_UNKNOWN", offset + byte, self._encoding, f"0x{content[byte]:02X}")
        return self._utf_8(content[:byte], offset)[0], content[byte:]

    def close(self) -> Iterator[RawRecord]:
        """The end of the document."""
        if b"".join(self._held).strip(BETWEEN):
            raise self._decoder.refusal("BYTE_UNKNOWN", self._at, self._encoding)
        try:
            self._parser.close()
            yield from self._events()
        except etree.XMLSyntaxError as error:
            raise self._decoder.refusal("XML_INVALID", self._start, found=f"line {error.lineno}") from None
        if not self._namespace:
            raise self._decoder.refusal("XML_MESSAGE", self._start, ", ".join(self._messages))
        if self._is_message and not self._has_report:
            raise self._decoder.refusal("XML_INVALID", self._start, " or ".join(_REPORTS))
        if not self._is_message and self._decoder.header is not None:
            raise self._decoder.refusal("XML_INVALID", self._decoder.header, "Document after AppHdr")
        self._decoder.header = None if self._is_message else self._start

    @property
    def _messages(self) -> list[str]:
        xml = self._decoder.layout.xml
        return xml.messages if xml else []

    def _events(self) -> Iterator[RawRecord]:
        for event, element in self._parser.read_events():
            namespace, brace, name = element.tag.rpartition("}")
            if self._namespace and namespace + brace != self._namespace:
                if event == "start" and not self._is_in_extension(element):
                    raise self._decoder.refusal("XML_INVALID", self._at, f"{name} in the namespace of its Document")
                continue
            if event == "start":
                self._begin(name, element)
            elif name == "TxDtls":
                yield from self._transaction(element)
            elif name == "Btch":
                self._batch(element)
            elif name == "Ntry":
                yield from self._end_entry(element)
            elif name == "TxsSummry":
                self._summary(element)
            elif name == "CpyDplctInd":
                place = Location(self._decoder.file, byte=self._start)
                mark = (element.text or "").strip(BLANKS)
                found = mark if mark in _COPY_MARKS else redact(mark)
                self._decoder.issues.add(Issue("XML_COPY", found=found, location=place))
            elif name in _REPORTS:
                self._compare()

    def _is_in_extension(self, element: Any) -> bool:
        tags = {self._namespace + name for name in _EXTENSIONS}
        return any(each.tag in tags for each in element.iterancestors())

    def _begin(self, name: str, element: Any) -> None:
        parent = element.getparent()
        if not self._namespace:
            self._root(element, is_root=parent is None)
        elif name in _PARENTS:
            if parent.tag not in [self._namespace + each for each in _PARENTS[name]]:
                raise self._misplaced(name, " or ".join(_PARENTS[name]))
            if name == "Ntry":
                self._entry = _Entry(self._at)
        elif len(list(element.iterancestors())) != 2:
            raise self._misplaced(name, "Document")
        elif name in _REPORTS:
            self._has_report = True

    def _misplaced(self, name: str, parent: str) -> XmlRejectedError:
        return self._decoder.refusal("XML_INVALID", self._at, f"{name} in {parent} only")

    def _root(self, element: Any, *, is_root: bool) -> None:
        match = _NAMESPACE.fullmatch(element.tag)
        message = match[1] if match else ""
        if not is_root or (message not in self._messages and not _HEADER.fullmatch(element.tag)):
            raise self._decoder.refusal("XML_MESSAGE", self._start, ", ".join(self._messages), message)
        self._namespace = element.tag.rpartition("}")[0] + "}"
        self._is_message = bool(message)
        paths = [path for f in self._decoder.layout.data.fields for path in f.path]
        within = {path for path in paths if path.startswith(_IN_TRANSACTION)}
        inside = [path.removeprefix(_IN_TRANSACTION) for path in within]
        self._of_entry = Paths({"Amt", "CdtDbtInd", *paths} - within, self._namespace)
        self._of_transaction = Paths(inside, self._namespace, _IN_TRANSACTION)
        self._of_summary = Paths(_SUMMARY, self._namespace)
        self._of_batch = Paths(["NbOfTxs"], self._namespace)

    def _batch(self, element: Any) -> None:
        assert self._entry is not None  # checked in _begin
        texts = self._of_batch.texts(element)
        # A number that cannot be read is the empty text, which is no number.
        self._entry.declared += [""] if texts.mixed else texts.values.get("NbOfTxs", [])

    def _transaction(self, element: Any) -> Iterator[RawRecord]:
        entry = self._entry
        assert entry is not None  # checked in _begin
        entry.count += 1
        texts = self._of_transaction.texts(element)
        whole = element.getparent().getparent()
        charges = _charges(element, whole, self._namespace) or _Charges()
        entry.charges += charges
        entry.single.append(charges)
        if entry.count == 1:
            entry.first = texts
        else:
            if entry.texts is None:
                entry.texts = self._of_entry.texts(whole)
                self._add(entry, entry.texts.under(entry.first or Texts()), alone=False)
                entry.first = None
            self._add(entry, entry.texts.under(texts), alone=False)
        forget(element)
        if len(entry.records) > _MAX_HELD:
            entry.is_released = True
            yield from entry.records[:-1]
            del entry.records[:-1], entry.single[:-1]

    def _add(self, entry: _Entry, texts: Texts, *, alone: bool) -> None:
        record = self._decoder.record(texts, entry.offset, alone=alone)
        amount, sign = record.values.get("amount"), _SIGNS.get(record.values.get("direction") or "")
        if amount is None or sign is None:
            entry.unsure = True
        else:
            entry.sum += sign * amount
        entry.records.append(record)

    def _end_entry(self, element: Any) -> Iterator[RawRecord]:
        entry = self._entry
        assert entry is not None
        texts = self._of_entry.texts(element)
        if entry.count <= 1:
            self._add(entry, texts.under(entry.first or Texts()), alone=True)
        self._compare_count(entry)
        try:
            if "Amt" in texts.mixed:
                raise field_error("XML_ELEMENT")
            amount = amount_of(" ".join(texts.values.get("Amt", ())), texts.currencies.get("Amt", ()))
        except InvalidInputError as error:
            self._report.unsure = True
            self._reject(entry, replace(error.issues[0], field="Ntry.Amt"))
        else:
            direction = texts.first(["CdtDbtInd"])
            self._report.add(direction, amount)
            if not entry.unsure:
                self._balance(
                    entry, amount * _SIGNS.get(direction, 0), _charges(element, element, self._namespace) or _Charges()
                )
        yield from entry.records
        self._entry = None
        forget(element)

    def _balance(self, entry: _Entry, amount: int | Fraction, charges: _Charges) -> None:
        """Compare an entry with its transactions: a difference is their charges, or it rejects them."""
        difference = amount - entry.sum
        if not difference:
            return
        inner = (
            (0, [0] * len(entry.records)),
            (entry.charges.recorded, [one.recorded for one in entry.single]),
            (entry.charges.total, [one.total for one in entry.single]),
        )
        explained = (
            single
            for outer in (0, charges.recorded, charges.total)
            for total, single in inner
            if difference == outer + total
        )
        found = next(explained, None)
        if found is None:
            self._reject(
                entry, Issue("TOTAL_MISMATCH", field="Ntry.Amt", expected=str(entry.sum), found=_shown(amount))
            )
        elif difference.denominator != 1:
            self._reject(entry, Issue("AMOUNT_FRACTION", field="Ntry.Amt", expected="whole yen", found=_shown(amount)))
        else:
            _set_charges(entry, int(difference), found, 1 if amount > 0 else -1)

    def _compare_count(self, entry: _Entry) -> None:
        """Reject the transactions of an entry whose batches declare more than it has; it may list none of them."""
        numbers = [decimal_of(text) for text in entry.declared]
        declared = sum(number for number in numbers if number is not None)
        if entry.count and (None in numbers or declared > entry.count):
            found = redact(" ".join(entry.declared)) if None in numbers else _shown(declared)
            self._reject(
                entry, Issue("TOTAL_MISMATCH", field="Ntry.Btch.NbOfTxs", expected=str(entry.count), found=found)
            )

    def _reject(self, entry: _Entry, issue: Issue) -> None:
        """Reject the transactions of an entry, or the file where some of them were released already."""
        issue = issue.with_location(Location(self._decoder.file, byte=entry.offset))
        if entry.is_released:
            self._decoder.issues.reject_file(issue)
        for record in entry.records:
            if record.is_valid:
                record.issues.append(issue.with_location(self._decoder.location(record, issue.field)))

    def _summary(self, element: Any) -> None:
        texts = self._of_summary.texts(element)
        self._report.declared += [(path, " ".join(texts.values[path])) for path in _SUMMARY if path in texts.values]
        for path in texts.mixed:
            self._refuse("XML_ELEMENT", path)

    def _refuse(self, code: str, path: str, expected: str = "", found: str = "") -> None:
        place = Location(self._decoder.file, byte=self._start)
        self._decoder.issues.reject_file(
            Issue(code, field=path.replace("/", "."), expected=expected, found=found, location=place)
        )

    def _compare(self) -> None:
        report, self._report = self._report, _Report()
        place = Location(self._decoder.file, byte=self._start)
        for path, text in report.declared:
            name, declared = path.replace("/", "."), decimal_of(text)
            counts: Mapping[str, int | Fraction] = report.counts if name.endswith("NbOfNtries") else report.sums
            counted = counts[_SUMMARY[path]]
            unsure = report.unsure and declared is not None and declared > counted
            if isinstance(declared, int) and counted.denominator == 1:
                self._decoder.totals.declared.append(DeclaredTotal(name, declared, int(counted), place, unsure))
            if declared == counted:
                continue
            if unsure:
                self._decoder.issues.add(
                    Issue("TOTAL_UNSURE", field=name, expected=_shown(counted), found=redact(text), location=place)
                )
            else:
                self._refuse("TOTAL_MISMATCH", path, _shown(counted), redact(text))


def _shown(amount: int | Fraction) -> str:
    """An amount as an issue shows it: ``12300`` or ``12300.5``."""
    return str(Decimal(amount.numerator) / Decimal(amount.denominator))
