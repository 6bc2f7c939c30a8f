"""One record: from the bytes of a frame to its values by the layout, and from those to a canonical record."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pydantic_core import PydanticCustomError

from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Amounts, Names, ReceiptKind, Text, Yen, field_types, redact
from kokin.receipts._fields import CellReader, cell_reader, decode_cell, field_error
from kokin.receipts._framing import FileFraming, Frame, cell_starts, split_row
from kokin.receipts._identity import PaymentKey, Values
from kokin.receipts.layouts import MAPPED_RECORDS, Field, FieldType, Layout, RecordKind, Rule, Source
from kokin.text import EBCDIC_TO_HALF_WIDTH

#: Kinds of receipts that people enter: they need an actor and a reason.
MANUAL_KINDS = frozenset(kind.value for kind in ReceiptKind if kind.is_by_hand)


@dataclass(slots=True)
class RawRecord:
    """One record of a file with the fields of its layout, of any kind: header, data, trailer or end."""

    kind: str
    """The name of its kind in the layout; empty if no kind matches."""
    record_no: int
    """From 1."""
    byte_offset: int
    """Of its first byte in the file, from 0."""
    raw: bytes = field(repr=False)
    """Its bytes in the file, without the newline."""
    values: Values = field(repr=False)
    """Field to value, as far as they could be read. Personal data are not masked."""
    issues: list[Issue]

    @property
    def is_valid(self) -> bool:
        """Whether it has no error; warnings do not count."""
        return not self.issues or not any(issue.is_error for issue in self.issues)


# --- from bytes to values ---------------------------------------------------------------------------------------------

# The field of a column that is not read; no field of a layout has this id.
_IGNORED = Field.model_construct(id="", ja="", en="", type=FieldType.FILLER, length=1)

#: A field, the reader of its cells, and a cell.
_Cell = tuple[Field, CellReader, bytes]


@dataclass(slots=True)
class _Kind:
    """A kind of record with the readers of its fields."""

    name: str
    kind: RecordKind
    readers: list[tuple[Field, CellReader]]
    has_kanji: bool
    _spans: dict[frozenset[str] | None, list[tuple[Field, CellReader, slice]]] = field(default_factory=dict)

    def spans(self, only: frozenset[str] | None) -> list[tuple[Field, CellReader, slice]]:
        """Return the fields of a fixed-width record, all or ``only`` some, with their bytes."""
        if only not in self._spans:
            self._spans[only] = [
                (f, read, slice(start, start + f.length))
                for (f, read), start in zip(self.readers, self.kind.offsets.values(), strict=True)
                if only is None or f.id in only
            ]
        return self._spans[only]


class Decoder:
    """Reads the frames of one file, each independently of the others.

    ``columns`` are the fields of a CSV with a header row, in its order, empty for an ignored column; otherwise the file
    has those of the layout.
    """

    def __init__(
        self,
        layout: Layout,
        framing: FileFraming,
        columns: list[str] | None = None,
        *,
        reference_date: date | None,
        lenient: bool,
        file: str,
    ) -> None:
        self.layout, self.framing, self.lenient, self.file = layout, framing, lenient, file
        self.reference_date = reference_date
        self._kinds = [
            _Kind(
                name,
                kind,
                [
                    (f, cell_reader(f, layout, reference_date))
                    for f in (kind.fields if columns is None else (kind.by_id.get(name, _IGNORED) for name in columns))
                ],
                any(f.type is FieldType.KANJI for f in kind.fields),
            )
            for name, kind in layout.records.items()
        ]

    @property
    def columns(self) -> list[str]:
        """The fields of a detail record that the file has, in its order; empty for a column that is ignored."""
        return [f.id for kind in self._kinds if kind.kind.role == "data" for f, _ in kind.readers]

    def decode(self, frame: Frame, only: frozenset[str] | None = None) -> RawRecord:
        """Return the record of a frame with all of its issues; ``only`` limits a fixed-width record to some fields."""
        issues: list[Issue] = []
        # A row that cannot be split is still one: a CSV has one kind.
        name, values = "" if self.framing.width else self._kinds[0].name, {}
        try:
            kind, cells = self._slices(frame, issues, only) if self.framing.width else self._row(frame)
            name = kind.name
            values = self._values(kind, cells, frame, issues)
        except InvalidInputError as error:
            issues += [self._in_frame(issue, frame) for issue in error.issues]
        return RawRecord(name, frame.record_no, frame.byte_offset, frame.raw, values, issues)

    def kind_of(self, frame: Frame) -> str:
        """Return the name of the kind of a record; empty if none matches."""
        kind = self._matching(self._body(frame)) if self.framing.width else self._kinds[0]
        return kind.name if kind else ""

    def _body(self, frame: Frame) -> bytes:
        return frame.raw.translate(EBCDIC_TO_HALF_WIDTH) if self.framing.ebcdic else frame.raw

    def _matching(self, body: bytes) -> _Kind | None:
        return next((kind for kind in self._kinds if _matches(kind.kind, body)), None)

    def _row(self, frame: Frame) -> tuple[_Kind, list[_Cell]]:
        """Return the cells of a row of a CSV."""
        kind, cells = self._kinds[0], split_row(frame.raw, self.framing.delimiter)
        if len(cells) != len(kind.readers):
            raise field_error("WIDTH", f"{len(kind.readers)} columns", str(len(cells)))
        return kind, [(f, read, cell) for (f, read), cell in zip(kind.readers, cells, strict=True) if f.id]

    def _slices(self, frame: Frame, issues: list[Issue], only: frozenset[str] | None) -> tuple[_Kind, list[_Cell]]:
        """Return the cells of a fixed-width record; issues of its width are appended to ``issues``."""
        body = self._body(frame)
        kind = self._matching(body)
        if kind is None:
            raise field_error("RECORD_KIND", byte=0)
        width = self.framing.width
        # What an editor strips is blanks; of a record without its newline only the filler at its end may be lost.
        is_whole = frame.is_terminated or len(body) >= kind.kind.offsets[kind.kind.fields[-1].id]
        if len(body) < width and self.lenient and is_whole:
            issues.append(self._in_frame(Issue("RECORD_PADDED", expected=str(width), found=str(len(body))), frame))
            body = body.ljust(width)
        elif len(body) != width:
            issue = Issue("WIDTH", field="", expected=f"{width} bytes", found=str(len(body)))
            issues.append(self._in_frame(issue, frame))
            return kind, []
        body = body.ljust(kind.kind.width)
        return kind, [(f, read, body[span]) for f, read, span in kind.spans(only)]

    def _values(self, kind: _Kind, cells: list[_Cell], frame: Frame, issues: list[Issue]) -> dict[str, Any]:
        """Return the values of cells; their errors and warnings are appended to ``issues``."""
        values: dict[str, Any] = {}
        if unknown_byte := self._unknown_byte(kind, cells, frame):
            issues.append(unknown_byte)
        warnings: list[Issue] = []
        for f, read, cell in cells:
            try:
                values[f.id] = read(cell, warnings)
            except InvalidInputError as error:
                if not (unknown_byte and error.issues[0].code == "BYTE_UNKNOWN"):
                    issues.append(self._in_field(error.issues[0], f.id, frame, kind))
            if warnings:
                issues += [self._in_field(warning, f.id, frame, kind) for warning in warnings]
                warnings.clear()
        return values

    def _unknown_byte(self, kind: _Kind, cells: list[_Cell], frame: Frame) -> Issue | None:
        """Return the issue of the first byte that the character set of the layout does not have."""
        if not kind.has_kanji:
            try:
                decode_cell(b"".join([cell for _, _, cell in cells]), self.layout.encoding)
            except InvalidInputError:
                pass  # the loop below finds the cell
            else:
                return None
        for f, _, cell in cells:
            try:
                decode_cell(cell, "cp932" if f.type is FieldType.KANJI else self.layout.encoding)
            except InvalidInputError as error:
                return self._in_field(error.issues[0], f.id, frame, kind)
        return None

    def location(self, record: RawRecord, field_id: str) -> Location:
        """Return the location of a field of a record in the file."""
        kind = next((kind for kind in self._kinds if kind.name == record.kind), self._kinds[0])
        return self._location(field_id, Frame(record.record_no, record.byte_offset, record.raw, True), kind)

    def _location(self, field_id: str, frame: Frame, kind: _Kind, byte_in_cell: int = 0) -> Location:
        if self.framing.width:
            start = kind.kind.offsets.get(field_id, 0)
        else:
            ids = [f.id for f, _ in kind.readers]
            starts = cell_starts(frame.raw, self.framing.delimiter) if field_id in ids else []
            start = starts[ids.index(field_id)] if starts and field_id else 0
        return Location(self.file, frame.record_no, frame.byte_offset + start + byte_in_cell)

    def _in_field(self, issue: Issue, field_id: str, frame: Frame, kind: _Kind) -> Issue:
        """Return the issue of a cell with its field and location."""
        location = self._location(field_id, frame, kind, issue.location.byte or 0)
        # Not dataclasses.replace, which takes three times as long.
        return Issue(issue.code, field=field_id, expected=issue.expected, found=issue.found, location=location)

    def _in_frame(self, issue: Issue, frame: Frame) -> Issue:
        """Return the issue of a record with its location."""
        return issue.with_location(Location(self.file, frame.record_no, frame.byte_offset + (issue.location.byte or 0)))


def _matches(kind: RecordKind, body: bytes) -> bool:
    """Whether a record is of a kind, as far as its bytes reach."""
    starts = [(kind.offsets[name], kind.by_id[name].length) for name in kind.digits]
    return all(body.startswith(const, start) for start, const in kind.consts) and all(
        body[start : start + length].isdigit() for start, length in starts
    )


# --- from values to a canonical record --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Step:
    """The mapping of one canonical column."""

    name: str
    source: Source
    get: Callable[[Values, Values], Any]
    """Returns the value of the source from a record and its header."""
    field_type: Any
    blank: Any
    """The canonical value of a blank."""
    is_checked: bool
    """Whether each value is checked here, not column by column."""


class RecordMapping:
    """Maps detail records to the columns of a canonical record, as one table of the layout says.

    The values have the types of the record. Its rules are applied later, column by column, except where the layout says
    what becomes of a value that is too long.

    Args:
        layout: the layout.
        fields: the fields that the file has; a column that needs another one is left out.
        table: the name of the table, such as ``bill``.
    """

    def __init__(self, layout: Layout, fields: Collection[str], table: str) -> None:
        self.layout, self.table = layout, table
        #: The record of a row.
        self.record = MAPPED_RECORDS[table]
        self.sources: dict[str, Source] = {
            name: source
            for name, source in layout.mappings[table].items()
            if source.rules or all(path.startswith("header.") or path in fields for path in source.ids)
        }
        #: The canonical columns that the file has.
        self.columns = [*self.sources]
        types = field_types(self.record)
        # The same in every record.
        self._constants = {
            name: _checked(source.const, types.get(name))
            for name, source in self.sources.items()
            if source.const is not None
        }
        self._steps = [
            _Step(
                name,
                source,
                _getter(source, types.get(name)),
                types.get(name),
                _checked(source.blank, types.get(name)),
                self._checks_values or source.over != "refuse" or self._has_names(source, types.get(name)),
            )
            for name, source in self.sources.items()
            if name not in self._constants
        ]

    @staticmethod
    def _has_names(source: Source, field_type: Any) -> bool:
        """Whether a value is a text of names or amounts, which becomes a list."""
        return isinstance(field_type, Names | Amounts) and not source.amounts

    # Whether the values of a record are checked with the others of the record, and not column by column.
    _checks_values = False

    def field_of(self, name: str) -> str:
        """Return the field of the file that a canonical column is read from, of several the first."""
        ids = self.layout.mappings[self.table][name].ids if name in self.layout.mappings[self.table] else []
        return ids[0].removeprefix("header.") if ids else name

    def blank(self, name: str) -> Any:
        """Return the canonical value of a blank in a column."""
        return next(step.blank for step in self._steps if step.name == name)

    def values(self, record: Values, header: Values) -> tuple[dict[str, Any], list[Issue]]:
        """Return the canonical values of a detail record under its header, and the errors in them.

        An issue names the field of the layout; the caller adds the location. A rejected value is ``None``.
        """
        values, issues, _ = self._map(record, header)
        return values, issues

    def _map(self, record: Values, header: Values) -> tuple[dict[str, Any], list[Issue], set[str]]:
        """Return values and errors, and the columns whose value is rejected."""
        issues: list[Issue] = []
        values = dict(self._constants)
        rejected: set[str] = set()
        for step in self._steps:
            value, issue = _canonical(step, step.get(record, header))
            if issue is not None:
                issues.append(issue)
                rejected.add(step.name)
            values[step.name] = value
        return values, issues, rejected

    def is_payment(self, record: Values) -> bool:
        """Whether a detail record is mapped; of receipts, whether it reports a payment."""
        return True


class ReceiptMapping(RecordMapping):
    """Maps detail records to the columns of a receipt, as the layout's ``[receipt]`` and ``[identity]`` say."""

    _checks_values = True

    def __init__(self, layout: Layout, fields: Collection[str]) -> None:
        super().__init__(layout, fields, "receipt")
        #: Those of ``kind``.
        self.rules = self.sources["kind"].rules if "kind" in self.sources else []
        self.key = PaymentKey(layout, fields)
        self.columns = [*self.sources, *self.key.columns]

    def values(self, record: Values, header: Values) -> tuple[dict[str, Any], list[Issue]]:
        values, issues, rejected = self._map(record, header)
        values |= self.key.values(record, header)

        def missing(names: Collection[str]) -> list[str]:
            # A rejected value has an issue already.
            return [name for name in names if values.get(name) is None and name not in rejected]

        issues += [Issue("FIELD_MISSING", field=name) for name in missing(("paid_on", "amount"))]
        if values.get("amount") == 0 and values.get("kind") != ReceiptKind.CORRECTION:
            issues.append(Issue("AMOUNT_ZERO", field=self.sources["amount"].field))
        if values.get("kind") in MANUAL_KINDS:
            issues += [Issue("FIELD_MISSING", field=name) for name in missing(("actor", "reason"))]
        for members in self.layout.together.values():
            absent = missing(members)
            if len(absent) < len(members):
                issues += [Issue("FIELD_MISSING", field=name) for name in absent]
        return values, issues

    def is_payment(self, record: Values) -> bool:
        """Whether a detail record reports a payment or its reversal, and not, for example, 振替不能."""
        if self.layout.paid is not None:
            return as_code(record.get(self.layout.paid.field)) in self.layout.paid.codes
        return not self.rules or _first_match(self.rules, record) is not None


def _canonical(step: _Step, value: Any) -> tuple[Any, Issue | None]:
    """Return the value of a canonical column and the issue for which it is rejected.

    A code is translated, a blank becomes the value for blanks, and a value outside of the type of the column is cut,
    dropped or rejected as the layout says.
    """
    source, field_type = step.source, step.field_type
    if value is not None and source.values:
        code = str(value)
        if code not in source.values:
            expected = "/".join(source.values)
            return None, Issue("CODE_UNKNOWN", field=source.field, expected=expected, found=redact(code))
        value = source.values[code]
    if value is None:
        return step.blank, None
    if source.slice and isinstance(field_type, Yen):
        if not (value.isascii() and value.isdigit()):
            return None, Issue("NOT_DIGITS", field=source.field, expected="digits", found=redact(value))
        value = int(value)
    if not step.is_checked:
        return value, None
    try:
        return _checked(value, field_type), None
    except PydanticCustomError as error:
        if source.over == "cut" and isinstance(field_type, Text):
            return value[: field_type.width], None
        if source.over != "refuse":
            return None, None
        context, path = error.context or {}, (source.ids or [step.name])[0]
        return None, Issue(error.type, field=path, expected=context["expected"], found=context["found"])


def _checked(value: Any, field_type: Any) -> Any:
    """Return a value in the form of its column; raises PydanticCustomError where the type does not allow it."""
    return value if field_type is None or value is None else field_type.check(value)


def _getter(source: Source, field_type: Any = None) -> Callable[[Values, Values], Any]:
    """Return the function that gets the value of a source, for a column of this type, from a record and its header."""
    if source.join:
        return _joined(source, field_type)
    if source.amounts:
        parts = [(name, _field_getter(path)) for name, path in source.amounts.items()]

        def amounts(record: Values, header: Values) -> Any:
            pairs = [(name, get(record, header)) for name, get in parts]
            return tuple((name, yen) for name, yen in pairs if yen is not None) or None

        return amounts
    if source.first:
        choices = [_field_getter(path) for path in source.first]
        return lambda record, header: next((v for get in choices if (v := get(record, header)) is not None), None)
    if source.rules:
        return lambda record, header: _first_match(source.rules, record)
    get_field, separator = _field_getter(source.field), source.separator
    if source.slice:
        start, end = source.slice
        return lambda record, header: (get_field(record, header) or "")[start:end].strip(" \u3000") or None
    if separator is not None:
        return lambda record, header: [
            name for name in (get_field(record, header) or "").split(separator) if name.strip(" \u3000")
        ]
    return get_field


def _field_getter(path: str) -> Callable[[Values, Values], Any]:
    """Return the function that gets a field of a record, or of its header."""
    if path.startswith("header."):
        name = path.removeprefix("header.")
        return lambda record, header: header.get(name)
    return lambda record, header: record.get(path)


def _joined(source: Source, field_type: Any) -> Callable[[Values, Values], Any]:
    """Return the function that joins fields; for names, it returns those that are not empty."""
    getters, separator = [_field_getter(path) for path in source.join], joined_by(source)

    def joined(record: Values, header: Values) -> Any:
        values = [get(record, header) for get in getters]
        if isinstance(field_type, Names):
            return [str(value) for value in values if value is not None]
        if None in values:
            return None
        return separator.join(value.isoformat() if isinstance(value, date) else str(value) for value in values)

    return joined


def joined_by(source: Source) -> str:
    """Return the text between the joined fields of a source."""
    return "-" if source.separator is None else source.separator


def as_code(value: Any) -> str:
    """Return a value as layouts write it among codes; a blank is the empty text."""
    return "" if value is None else str(value)


def _first_match(rules: list[Rule], record: Values) -> str | None:
    """Return the value of the first rule whose conditions a record meets."""
    for rule in rules:
        is_met = all(as_code(record.get(name)) in codes for name, codes in rule.where.items())
        if is_met and (rule.given is None or record.get(rule.given) is not None):
            return rule.value
    return None
