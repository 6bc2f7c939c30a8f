"""ISO 20022 messages (camt, ZEDI): entries out of XML that may be large, bundled, badly encoded or hostile.

Bytes are split into documents at each declaration and fed to a pull parser without entities, DTDs or network; each
entry is forgotten when it has been read. Nothing of an application header (BAH) is kept: it may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, BinaryIO

from lxml import etree

from kokin.issues import Issue, Place, RefusedError
from kokin.receipts._decode import LayoutRecord
from kokin.receipts._totals import Declared
from kokin.receipts._values import Reader, found, reader, wrong
from kokin.receipts._xml_paths import Paths, Texts, forget
from kokin.receipts._xml_segments import BETWEEN, segments
from kokin.receipts.layouts import Field, FieldType, Layout
from kokin.text import UndecodableError, decode_cp932

_ENCODING = re.compile(rb"encoding\s*=\s*[\"']([\w.:-]+)[\"']")
_SHIFT_JIS = frozenset({"shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "ms932", "cp932", "ms_kanji"})
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii"})
_MONEY = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,5}))?")
_JST = timezone(timedelta(hours=9))
_NAMESPACE = re.compile(r"\{urn:[^}]*:(camt\.\d{3})\.\d{3}\.\d{2}\}Document")
_HEADER = re.compile(r"\{[^}]*\}AppHdr")
_TAGS = ["{*}Document", "{*}AppHdr", "{*}Ntry", "{*}TxDtls", "{*}TxsSummry", "{*}Ntfctn", "{*}Rpt", "{*}Stmt"]


class XmlRefusedError(RefusedError):
    """An XML file of which nothing more can be read."""


class XmlDecoder:
    """Reads one file's entries; the counterpart of the decoder of framed records."""

    def __init__(self, layout: Layout, *, lenient: bool, file: str) -> None:
        self.layout, self.lenient, self.file = layout, lenient, file
        self.columns = [each.id for each in layout.data.fields]
        self._readers = [(f, _reader(f, layout), _search(f), f.path) for f in layout.data.fields if f.path]
        #: What the file's summaries disagree with; the caller takes it away.
        self.refused: list[Issue] = []
        self.warnings: list[Issue] = []
        self.declared: list[Declared] = []
        self._number = 0

    def place(self, record: LayoutRecord, field_id: str) -> Place:
        """Where the entry of a record begins."""
        return Place(self.file, record.number, record.offset)

    def records(self, stream: BinaryIO) -> Iterator[LayoutRecord]:
        """Every transaction of a file, in its order.

        Raises:
            XmlRefusedError: the file cannot be read any further.
        """
        document: _Document | None = None
        for kind, offset, content in segments(stream):
            if kind == "document":
                if document:
                    yield from document.close()
                document = _Document(self, content, offset)
            elif document is None:
                if content.strip(BETWEEN):
                    document = _Document(self, b"", offset)
                    yield from document.feed(content.lstrip(BETWEEN), offset)
            else:
                yield from document.feed(content, offset)
        if document:
            yield from document.close()

    def record(self, texts: Mapping[str, str], entry: _Entry, *, alone: bool) -> LayoutRecord:
        """The record of a transaction from the texts of its elements."""
        self._number += 1
        values: dict[str, Any] = {}
        issues: list[Issue] = []
        for f, read, search, paths in self._readers:
            # What stands at the entry is the sum of its transactions: it is the amount of one that stands alone.
            if not alone and f.type is FieldType.MONEY:
                paths = [path for path in paths if path.startswith("TxDtls/")]
            text = path = ""
            for path in paths:
                if path in texts:
                    text = texts[path]
                    break
            if text and search:
                match = search(text)
                text = match[1] if match else ""
            if f.type is FieldType.TEXT and not f.codes and _is_plain(text, f.length):
                values[f.id] = text or None
                continue
            try:
                if f.type is FieldType.MONEY:
                    values[f.id] = money(text, texts.get(f"{path}@Ccy", ""))
                else:
                    values[f.id] = read(text.encode(), issues)
            except RefusedError as error:
                issues += [Issue(one.code, f.id, one.expected, one.found) for one in error.issues]
        if values.get("direction") is None:
            issues.append(Issue("FIELD_MISSING", "direction"))
        issues = [issue.at(Place(self.file, self._number, entry.offset)) for issue in issues]
        values["event"] = _event(values)
        return LayoutRecord("data", self._number, entry.offset, b"", values, issues)


def _is_plain(text: str, length: int) -> bool:
    """Whether a text needs no closer look: most do not, and there are many."""
    return not text or (text.isascii() and text.isprintable() and len(text) <= length)


def _event(values: Mapping[str, Any]) -> str:
    reversed_ = values.get("reversal") in ("true", "1")
    credit = (values.get("direction") == "CRDT") != reversed_
    status = values.get("status")
    if not credit or status in ("INFO", "FUTR"):
        return "other"
    if reversed_:
        return "reversed"
    return "pending" if status == "PDNG" else "credit"


def money(text: str, currency: str) -> int:
    """Whole yen from a decimal amount.

    Raises:
        RefusedError: no amount, a fraction, or another currency; always one issue.
    """
    if not text:
        raise wrong("FIELD_MISSING")
    match = _MONEY.fullmatch(text)
    if not match:
        raise wrong("NOT_DIGITS", "a decimal amount")
    if currency != "JPY":
        raise wrong("CURRENCY", "JPY", currency[:8])
    if match[2] and match[2].strip("0"):
        raise wrong("AMOUNT_FRACTION", "whole yen", text)
    return int(match[1])


def _reader(f: Field, layout: Layout) -> Reader:
    if f.type is FieldType.MONEY:
        return lambda cell, warnings: None
    read = reader(f, layout, None)
    if f.type is not FieldType.DATE:
        return read

    def read_day(cell: bytes, warnings: list[Issue]) -> Any:
        """A day, or the day in Japan of a moment."""
        if b"T" in cell:
            try:
                moment = datetime.fromisoformat(cell.decode())
            except ValueError:
                raise wrong("DATE_INVALID", "ISO 8601", found(cell, f)) from None
            cell = (moment.astimezone(_JST) if moment.tzinfo else moment).date().isoformat().encode()
        return read(cell, warnings)

    return read_day


def _search(f: Field) -> Any:
    return re.compile(f.pattern).search if f.pattern else None


@dataclass
class _Entry:
    """An entry (Ntry) while it is being read."""

    offset: int
    texts: Texts | None = None
    """Of its own elements, once they are needed."""
    held: Texts | None = None
    """The first transaction, until it is known whether it is the only one."""
    transactions: int = 0
    sum: int = 0
    unsure: bool = False


@dataclass
class _Report:
    """What a notification, report or statement says about all its entries, and what they are."""

    declared: list[tuple[str, int, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"": 0, "CRDT": 0, "DBIT": 0})
    sums: dict[str, int] = field(default_factory=lambda: {"": 0, "CRDT": 0, "DBIT": 0})
    unsure: bool = False


class _Document:
    """One XML document: bytes in, records out."""

    def __init__(self, decoder: XmlDecoder, declaration: bytes, offset: int) -> None:
        self._decoder, self._start = decoder, offset
        match = _ENCODING.search(declaration)
        name = match[1].decode("ascii", "replace").lower() if match else "utf-8"
        if name not in _UTF_8 | _SHIFT_JIS:
            raise self._refused("XML_ENCODING", "UTF-8 or Shift_JIS", name[:24])
        self._recode = name in _SHIFT_JIS
        self._rest = b""
        self._parser = etree.XMLPullParser(
            events=("start", "end"), tag=_TAGS, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        )
        self._at = offset
        self._known = False
        self._entry: _Entry | None = None
        self._report = _Report()
        self._of_entry: Paths = Paths([], "")
        self._of_transaction: Paths = Paths([], "")

    def _refused(self, code: str, expected: str = "", found: str = "", at: int | None = None) -> XmlRefusedError:
        place = Place(self._decoder.file, byte=self._start if at is None else at)
        return XmlRefusedError([Issue(code, expected=expected, found=found, where=place)])

    def feed(self, content: bytes, offset: int) -> Iterator[LayoutRecord]:
        """Take the next bytes of the document, at most one entry's beginning among them, at their very start."""
        self._at = offset
        offset -= len(self._rest)
        content = self._rest + content
        kept = content.rstrip(BETWEEN)
        self._rest = content[len(kept) :]
        if not self._known and b"<!DOCTYPE" in kept:
            raise self._refused("XML_DOCTYPE", at=offset + kept.index(b"<!DOCTYPE"))
        try:
            self._parser.feed(self._utf_8(kept, offset))
            yield from self._events()
        except etree.XMLSyntaxError as error:
            # The message may quote the text, which may be a password: the line must do.
            raise self._refused("XML_INVALID", found=f"line {error.lineno}", at=offset) from None

    def _utf_8(self, content: bytes, offset: int) -> bytes:
        """The bytes as the parser takes them; half a character at the end waits for its other half."""
        if not self._recode:
            return content
        try:
            return decode_cp932(content).encode()
        except UndecodableError as error:
            byte = error.issues[0].where.byte or 0
            if byte < len(content) - 1:
                raise self._refused("BYTE_UNKNOWN", "cp932", error.issues[0].found, offset + byte) from None
            self._rest = content[byte:] + self._rest
            return decode_cp932(content[:byte]).encode()

    def close(self) -> Iterator[LayoutRecord]:
        """The end of the document."""
        if self._rest.strip(BETWEEN):
            raise self._refused("BYTE_UNKNOWN", "cp932", at=self._at)
        try:
            self._parser.close()
            yield from self._events()
        except etree.XMLSyntaxError as error:
            raise self._refused("XML_INVALID", found=f"line {error.lineno}") from None
        if not self._known:
            raise self._refused("XML_MESSAGE", ", ".join(self._messages))

    @property
    def _messages(self) -> list[str]:
        xml = self._decoder.layout.xml
        return xml.messages if xml else []

    def _events(self) -> Iterator[LayoutRecord]:
        for event, element in self._parser.read_events():
            name = element.tag.rpartition("}")[2]
            if event == "start":
                self._begin(name, element)
            elif name == "TxDtls":
                yield from self._transaction(element)
            elif name == "Ntry":
                yield from self._end_entry(element)
            elif name == "TxsSummry":
                self._summary(element)
            elif name in ("Ntfctn", "Rpt", "Stmt"):
                self._compare()

    def _begin(self, name: str, element: Any) -> None:
        if name == "Ntry":
            self._entry = _Entry(self._at)
        elif not self._known and element.getparent() is None:
            if element.getroottree().docinfo.doctype:
                raise self._refused("XML_DOCTYPE")
            match = _NAMESPACE.fullmatch(element.tag)
            if not _HEADER.fullmatch(element.tag) and not (match and match[1] in self._messages):
                raise self._refused("XML_MESSAGE", ", ".join(self._messages), match[1] if match else "")
            self._known = True
            paths = [path for f in self._decoder.layout.data.fields for path in f.path]
            namespace = element.tag.rpartition("}")[0] + "}"
            self._of_entry = Paths([path for path in paths if not path.startswith("TxDtls/")], namespace)
            inside = [path.removeprefix("TxDtls/") for path in paths if path.startswith("TxDtls/")]
            self._of_transaction = Paths(inside, namespace, "TxDtls/")

    def _transaction(self, element: Any) -> Iterator[LayoutRecord]:
        entry = self._entry
        if entry is None:
            return
        if entry.texts is None:
            entry.texts = self._of_entry.texts(element.getparent().getparent())
        texts = self._of_transaction.texts(element)
        forget(element)
        entry.transactions += 1
        if entry.transactions == 1:
            entry.held = texts
            return
        if entry.held is not None:
            yield self._record(entry, entry.held, alone=False)
            entry.held = None
        yield self._record(entry, texts, alone=False)

    def _record(self, entry: _Entry, texts: Texts, *, alone: bool) -> LayoutRecord:
        record = self._decoder.record({**(entry.texts or {}), **texts}, entry, alone=alone)
        amount = record.values.get("amount")
        entry.sum += amount or 0
        entry.unsure |= amount is None
        return record

    def _end_entry(self, element: Any) -> Iterator[LayoutRecord]:
        entry = self._entry
        assert entry is not None
        if entry.texts is None:
            entry.texts = self._of_entry.texts(element)
        if entry.transactions <= 1:
            yield self._record(entry, entry.held or {}, alone=True)
        try:
            amount = money(entry.texts.get("Amt", ""), entry.texts.get("Amt@Ccy", ""))
        except RefusedError:
            self._report.unsure = True
        else:
            if entry.sum != amount and not entry.unsure:
                self._mismatch("Ntry.Amt", entry.sum, amount)
            for direction in ("", entry.texts.get("CdtDbtInd", "")):
                if direction in self._report.sums:
                    self._report.counts[direction] += 1
                    self._report.sums[direction] += amount
        self._entry = None
        forget(element)

    def _mismatch(self, name: str, counted: int, declared: int) -> None:
        place = Place(self._decoder.file, byte=self._entry.offset if self._entry else self._start)
        self._decoder.refused.append(Issue("TOTAL_MISMATCH", name, str(counted), str(declared), place))

    def _summary(self, element: Any) -> None:
        for name, direction in (("TtlNtries", ""), ("TtlCdtNtries", "CRDT"), ("TtlDbtNtries", "DBIT")):
            for part in ("NbOfNtries", "Sum"):
                text = element.findtext(f"{{*}}{name}/{{*}}{part}")
                match = _MONEY.fullmatch(text.strip()) if text else None
                if match:
                    self._report.declared.append((f"{name}.{part}", int(match[1]), direction))

    def _compare(self) -> None:
        report, self._report = self._report, _Report()
        for name, declared, direction in report.declared:
            counted = (report.counts if name.endswith("NbOfNtries") else report.sums)[direction]
            place = Place(self._decoder.file, byte=self._start)
            self._decoder.declared.append(Declared(name, declared, counted, place))
            if declared != counted and report.unsure and declared > counted:
                issue = Issue("TOTAL_UNSURE", name, str(counted), str(declared), place)
                self._decoder.warnings.append(issue)
            elif declared != counted:
                self._mismatch(name, counted, declared)
