"""Decode ISO 20022 messages (camt, ZEDI) into records: large or bundled files, Shift_JIS, and hostile input.

Each document is fed to a pull parser without entities, DTDs and network access, and each entry is freed after it has
been read. Nothing of an application header (BAH) is stored or reported: it may contain a password.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from functools import partial
from typing import Any, BinaryIO

from lxml import etree

from kokin.issues import Issue, Location
from kokin.model import redact
from kokin.receipts._issue_log import FileIssues
from kokin.receipts._record import RawRecord
from kokin.receipts._totals import Totals
from kokin.receipts._xml_entries import SUMMARY, Entry, ReportTotals, TransactionRecords, read_charges
from kokin.receipts._xml_fields import IN_TRANSACTION, WHITESPACE, Paths, TransactionFields, release
from kokin.receipts._xml_segments import BETWEEN, UTF_8, Transcoder, XmlRejectedError, rejection, segments
from kokin.receipts.layouts import Layout

_NAMESPACE = re.compile(r"\{urn:[^}]*:(camt\.\d{3})\.\d{3}\.\d{2}\}Document")
_HEADER = re.compile(r"\{[^}]*\}AppHdr")
_REPORTS = ("Ntfctn", "Rpt", "Stmt")
# The codes of CpyDplctInd (CopyDuplicate1Code).
_COPY_CODES = ("CODU", "COPY", "DUPL")
#: Elements that the parser reports, with the elements that may contain them.
_PARENTS = {
    "Ntry": _REPORTS,
    "NtryDtls": ("Ntry",),
    "TxDtls": ("NtryDtls",),
    "Btch": ("NtryDtls",),
    "TxsSummry": _REPORTS,
    "CpyDplctInd": _REPORTS,
}
_TAGS = [f"{{*}}{name}" for name in ("Document", "AppHdr", *_REPORTS, *_PARENTS)]
_SECURITY = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
# Elements that may contain elements of any namespace: supplementary data, and the signature of a header.
_EXTENSIONS = ("SplmtryData", "Sgntr")


class XmlDecoder:
    """Decodes the transactions of one file; the counterpart of ``Decoder`` for XML.

    Issues of the file as a whole and the totals that it declares are added to ``issues`` and ``totals``.
    """

    def __init__(self, layout: Layout, issues: FileIssues, totals: Totals, *, lenient: bool, file: str) -> None:
        self.layout, self.issues, self.totals = layout, issues, totals
        self.lenient, self.file = lenient, file
        #: Whether the records are kept with their issues; if not, an issue that is only counted has no location.
        self.keeps_records = True
        self.columns = [each.id for each in layout.data.fields]
        self._fields = TransactionFields(layout)

    def location(self, record: RawRecord, field_id: str) -> Location:
        """Return the location of a record's field: the first byte of its entry."""
        return Location(self.file, record.record_no, record.byte_offset)

    def records(self, stream: BinaryIO) -> Iterator[RawRecord]:
        """Yield every transaction of a file in order, up to its end or the first byte that cannot be read."""
        try:
            yield from self._documents(stream)
        except XmlRejectedError as error:
            for issue in error.issues:
                self.issues.reject_file(issue.with_location(Location(self.file, byte=issue.location.byte)))

    def _documents(self, stream: BinaryIO) -> Iterator[RawRecord]:
        transactions = TransactionRecords(self._fields, self.issues, self.file, keeps_records=self.keeps_records)
        document: _Document | None = None
        header: int | None = None  # the offset of a header (AppHdr) whose message must follow
        for segment in segments(stream):
            offset, content = segment.offset, segment.content
            match segment.kind:
                case "declaration":
                    if document:
                        header = yield from document.close(header)
                    document = _Document(self, transactions, segment.encoding, offset)
                case "doctype":
                    raise rejection("XML_DOCTYPE", offset)
                case "content":
                    if document is None:  # a document without a declaration
                        start = len(content) - len(content.lstrip(BETWEEN))
                        if start == len(content):
                            continue
                        content, offset = content[start:], offset + start
                        document = _Document(self, transactions, UTF_8, offset)
                    yield from document.feed(content, offset)
        if document is None:
            raise rejection("FILE_EMPTY", 0)
        header = yield from document.close(header)
        if header is not None:
            raise rejection("XML_INVALID", header, "Document after AppHdr")


class _Document:
    """One XML document: takes bytes, yields records."""

    def __init__(self, decoder: XmlDecoder, transactions: TransactionRecords, encoding: str, offset: int) -> None:
        self.offset = offset
        #: Whether the root is a message (Document) and not a header (AppHdr); known after its first element.
        self.is_message = False
        self._transactions, self._layout = transactions, decoder.layout
        self._messages = decoder.layout.xml.messages if decoder.layout.xml else []
        self._issues, self._totals, self._location = decoder.issues, decoder.totals, Location(decoder.file, byte=offset)
        self._transcoder = Transcoder(encoding)
        self._parser = etree.XMLPullParser(
            ("start", "end"), tag=_TAGS, encoding="utf-8", remove_comments=True, remove_pis=True, **_SECURITY
        )
        #: Offset of the segment that is read: segments begin with an entry, so it is also that of the entry.
        self._segment_offset = offset
        #: Of the root, in braces; empty until the root has been read.
        self._namespace = ""
        #: ``_PARENTS`` in that namespace.
        self._parents: dict[str, list[str]] = {}
        self._has_report = False
        self._entry: Entry | None = None
        self._report = ReportTotals()
        self._entry_paths = self._transaction_paths = self._summary_paths = self._batch_paths = Paths([], "")

    def feed(self, content: bytes, offset: int) -> Iterator[RawRecord]:
        """Parse a segment of the document, and yield the records that it completes."""
        self._segment_offset = offset
        utf_8, start = self._transcoder.convert(content, offset)
        if not utf_8:
            return
        try:
            self._parser.feed(utf_8)
            yield from self._events()
        except etree.XMLSyntaxError as error:
            # The message of the parser may quote the text, which may be a password: report the line only.
            raise rejection("XML_INVALID", start, found=f"line {error.lineno}") from None

    def close(self, header: int | None) -> Generator[RawRecord, None, int | None]:
        """Parse the end of the document, and yield its last records.

        Takes the offset of a header before it, and returns its own if it is a header itself, else ``None``.
        """
        self._transcoder.check_end(self._segment_offset)
        try:
            self._parser.close()
            yield from self._events()
        except etree.XMLSyntaxError as error:
            raise rejection("XML_INVALID", self.offset, found=f"line {error.lineno}") from None
        if not self._namespace:
            raise rejection("XML_MESSAGE", self.offset, ", ".join(self._messages))
        if self.is_message and not self._has_report:
            raise rejection("XML_INVALID", self.offset, " or ".join(_REPORTS))
        if not self.is_message and header is not None:
            raise rejection("XML_INVALID", header, "Document after AppHdr")
        return None if self.is_message else self.offset

    def _events(self) -> Iterator[RawRecord]:
        for event, element in self._parser.read_events():
            namespace, brace, name = element.tag.rpartition("}")
            if self._namespace and namespace + brace != self._namespace:
                extensions = [self._namespace + each for each in _EXTENSIONS]
                if event == "start" and next(element.iterancestors(extensions), None) is None:
                    expected = f"{name} in the namespace of its Document"
                    raise rejection("XML_INVALID", self._segment_offset, expected)
            elif event == "start":
                self._start(name, element)
            else:
                yield from self._end(name, element)

    def _start(self, name: str, element: Any) -> None:
        """Check the position of an element."""
        parent = element.getparent()
        if not self._namespace:
            self._start_root(element, is_root=parent is None)
        elif name in _PARENTS:
            if parent.tag not in self._parents[name]:
                raise self._misplaced(name, " or ".join(_PARENTS[name]))
            if name == "Ntry":
                self._entry = Entry(self._segment_offset, self._transactions, self._issues)
        elif len(list(element.iterancestors())) != 2:
            raise self._misplaced(name, "Document")
        elif name in _REPORTS:
            self._has_report = True

    def _misplaced(self, name: str, parent: str) -> XmlRejectedError:
        return rejection("XML_INVALID", self._segment_offset, f"{name} in {parent} only")

    def _start_root(self, element: Any, *, is_root: bool) -> None:
        match = _NAMESPACE.fullmatch(element.tag)
        message = match[1] if match else ""
        if not is_root or (message not in self._messages and not _HEADER.fullmatch(element.tag)):
            raise rejection("XML_MESSAGE", self.offset, ", ".join(self._messages), message)
        self._namespace = element.tag.rpartition("}")[0] + "}"
        self._parents = {name: [self._namespace + each for each in parents] for name, parents in _PARENTS.items()}
        self.is_message = bool(message)
        paths = {path for f in self._layout.data.fields for path in f.path}
        of_transaction = {path for path in paths if path.startswith(IN_TRANSACTION)}
        below_transaction = [path.removeprefix(IN_TRANSACTION) for path in of_transaction]
        self._entry_paths = Paths({"Amt", "CdtDbtInd", *paths} - of_transaction, self._namespace)
        self._transaction_paths = Paths(below_transaction, self._namespace, IN_TRANSACTION)
        self._summary_paths = Paths(SUMMARY, self._namespace)
        self._batch_paths = Paths(["NbOfTxs"], self._namespace)

    def _end(self, name: str, element: Any) -> Iterator[RawRecord]:
        """Read an element that is complete."""
        match name:
            case "TxDtls":
                yield from self._end_transaction(element)
            case "Btch":
                texts = self._batch_paths.texts(element)
                # An element that is not a text counts as the empty text, which is not a number.
                self._current_entry.declared_counts += [""] if texts.invalid else texts.values.get("NbOfTxs", [])
            case "Ntry":
                texts = self._entry_paths.texts(element)
                own_charges = partial(read_charges, element, element, self._namespace)
                yield from self._current_entry.close(texts, own_charges, self._report)
                release(element)
            case "TxsSummry":
                self._end_summary(element)
            case "CpyDplctInd":
                code = (element.text or "").strip(WHITESPACE)
                found = code if code in _COPY_CODES else redact(code)
                self._issues.add(Issue("XML_COPY", found=found, location=self._location))
            case _ if name in _REPORTS:
                self._totals.declared += self._report.compare(self._issues, self._location)
                self._report = ReportTotals()

    @property
    def _current_entry(self) -> Entry:
        assert self._entry is not None  # _start checks that the parent is an entry
        return self._entry

    def _end_transaction(self, element: Any) -> Iterator[RawRecord]:
        entry_element = element.getparent().getparent()
        released = self._current_entry.add(
            self._transaction_paths.texts(element),
            read_charges(element, entry_element, self._namespace),
            partial(self._entry_paths.texts, entry_element),
        )
        release(element)
        yield from released

    def _end_summary(self, element: Any) -> None:
        texts = self._summary_paths.texts(element)
        self._report.declared += [(path, " ".join(texts.values[path])) for path in SUMMARY if path in texts.values]
        for path in texts.invalid:
            self._issues.reject_file(Issue("XML_ELEMENT", field=path.replace("/", "."), location=self._location))
