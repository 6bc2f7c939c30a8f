"""What a layout file may say: the tables and keys of the TOML, and what must hold between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic import Field as Limits

from kokin.issues import Issue
from kokin.model import Bill, Date, Digits, Receipt, Record, Text, Yen, field_types
from kokin.text import MONTHS, YEARS_AHEAD, YEARS_BACK

Name = Annotated[str, Limits(pattern=r"^[a-z][a-z0-9_]*$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldType(StrEnum):
    """What stands in a field."""

    #: A number that is a name: digits, zeros kept.
    DIGITS = "digits"
    #: A count: digits, zero-filled on the left.
    NUMBER = "number"
    #: Whole yen: digits, zero-filled on the left.
    YEN = "yen"
    #: Text of the layout's encoding, blank-filled on the right.
    TEXT = "text"
    #: Full-width text (cp932) in a half-width layout.
    KANJI = "kanji"
    #: A day, by ``format``.
    DATE = "date"
    #: A time of day, by ``format``.
    TIME = "time"
    #: The 44 digits of the convenience-store barcode, check digit included.
    BARCODE = "barcode"
    #: A decimal amount of an XML message, with its currency; whole yen only.
    MONEY = "money"
    #: Not looked at, and kept as it is.
    FILLER = "filler"


NUMERIC = (FieldType.DIGITS, FieldType.NUMBER, FieldType.YEN, FieldType.BARCODE)

DateFormat = Literal[
    "YYYY-MM-DD", "YYYYMMDD", "YYMMDD", "MMDD", "wareki YYMMDD", "wareki or western YYMMDD", "wareki EYYMMDD"
]
TimeFormat = Literal["HHMM", "HHMMSS", "HH:MM:SS"]

#: Formats that need the caller's reference date, for they write no year, no century or no era.
ASSUMED_FORMATS = ("MMDD", "YYMMDD", "wareki YYMMDD", "wareki or western YYMMDD")


class Dates(_Table):
    """How far from the reference date a day without its full year is accepted; a farther one is ``DATE_TOO_FAR``.

    One day has readings in several eras and centuries, which are at least 11 years apart. The limits keep all but one
    of them out.
    """

    years_back: Annotated[int, Limits(ge=0, le=8)] = YEARS_BACK
    """Years before the reference date, of a day without its era or century."""
    years_ahead: Annotated[int, Limits(ge=0, le=2)] = YEARS_AHEAD
    """Years after the reference date, of a day without its era or century."""
    months: Annotated[int, Limits(ge=0, le=11)] = MONTHS
    """Months before or after the reference date, of a day without its year."""


class Field(_Table):
    """One field (項目) of a record."""

    id: Name
    """Its name in columns, issues and mappings; unique in its record."""
    ja: str
    en: str
    type: FieldType
    length: Annotated[int, Limits(ge=1)]
    """Bytes: exactly so many in a fixed-length record, at most so many in a CSV."""
    const: str | None = None
    """What always stands there."""
    codes: dict[str, str] = {}
    """The closed list of codes with their meaning."""
    open: bool = False
    """Whether codes beyond the list are taken."""
    blank: bool = False
    """Whether blanks, or zeros in a date, may stand for nothing."""
    format: DateFormat | TimeFormat | None = None
    dates: Dates | None = None
    """How far from the reference date its days may be, instead of the layout's ``[dates]``."""
    prefix: str = ""
    """Letters before the value."""
    none: str = ""
    """What stands for nothing. A date of zeros or blanks is always none; this is how it is written then."""
    default: str = ""
    """What is written where nothing is given."""
    required: bool = False
    """Whether a CSV with named columns must have it."""
    quoted: bool = False
    """Whether a CSV writes it in quotes."""
    path: list[str] = []
    """Where it stands in an XML entry: the first of these that has text."""
    pattern: str = ""
    """A regular expression for XML text; its group is the value. The first match counts, in the order of the paths."""
    alone: bool = False
    """Whether an XML path outside ``TxDtls/`` counts only for an entry with one transaction at most, as for amounts."""
    others: list[Name] = []
    """Fields with a pattern: the field is what they find in the XML beside their own values, joined by ``;``."""
    sensitive: bool = False
    """Whether it is personal data, masked wherever it is shown."""
    note: str = ""


class RecordKind(_Table):
    """One kind of record (レコード種別)."""

    role: Literal["header", "data", "trailer", "end"]
    ja: str
    en: str
    tell_by: list[Name] = []
    """The fields whose ``const`` tells this kind from the others; the kinds are tried in the order of the file."""
    digits: list[Name] = []
    """Fields that must be all digits, or the record is of another kind."""
    fields: Annotated[list[Field], Limits(min_length=1)]

    @cached_property
    def offsets(self) -> dict[str, int]:
        """The first byte of each field, from 0."""
        starts, at = {}, 0
        for field in self.fields:
            starts[field.id] = at
            at += field.length
        return starts

    @cached_property
    def width(self) -> int:
        """Bytes of all fields together."""
        return sum(field.length for field in self.fields)

    @cached_property
    def by_id(self) -> dict[str, Field]:
        """The fields by their id."""
        return {field.id: field for field in self.fields}


class Rule(_Table):
    """A value for the records that meet a condition."""

    value: str
    where: dict[str, list[str]] = {}
    """Only records in which each of these fields has one of these codes; a blank is the empty text."""
    given: Name | None = None
    """Only records in which this field, a date or a number, is not empty."""

    @property
    def ids(self) -> list[str]:
        """The fields that it reads."""
        return [*self.where, *([self.given] if self.given else [])]


class Source(_Table):
    """Where a canonical value comes from: a ``field`` of the record or of its ``header.``, several, or a ``const``."""

    field: str = ""
    join: list[str] = []
    """Fields whose texts together make the value, joined by hyphens."""
    first: list[str] = []
    """Date fields of which the first that is not empty is the value."""
    rules: list[Rule] = []
    """Of ``kind`` only: the value by the first rule that a record meets. A record that meets none is no payment and is
    counted as unpaid."""
    const: str | bool | None = None
    values: dict[str, str | bool] = {}
    """Code in the file to canonical value; a code beyond it is an issue."""
    over: Literal["refuse", "cut", "drop"] = "refuse"
    """What becomes of a value that a receipt cannot hold: an issue, its beginning, or nothing."""
    blank: str | None = None
    """The value where the field is empty or its column absent."""

    @property
    def ids(self) -> list[str]:
        """The fields that it reads."""
        rules = [path for rule in self.rules for path in rule.ids]
        return [self.field] if self.field else [*self.join, *self.first, *dict.fromkeys(rules)]


def _short(value: Any) -> Any:
    return {"field": value} if isinstance(value, str) else value


Mapped = Annotated[Source, BeforeValidator(_short)]


class Identity(_Table):
    """What identifies a payment, so that a record that arrives in two files is counted once.

    Either ``assigned``: a reference that the bank or agent assigns to one payment, unique as it is or within ``scope``.
    Or ``fields``: fields that together describe a payment, though two payments of one file may agree in all of them.
    A record in which one of the fields is empty (of ``assigned`` all of them) has no key; its payment is identified by
    all of its canonical fields, as with ``identity = "content"``.
    """

    content: bool = False
    """``identity = "content"``: no field identifies a payment, all canonical fields together do."""
    assigned: list[str] = []
    """The fields of the reference: the first that is not empty counts."""
    scope: list[str] = []
    """The fields within which an assigned reference is unique, such as the account and the day."""
    fields: list[str] = []
    """The fields that a key is composed of."""
    none: dict[str, list[str]] = {}
    """Field to values that identify nothing, such as zeros. Blanks never identify anything."""
    cancels: list[str] = []
    """The fields that name the payment which a reversal takes back (元取引): one for each of ``scope`` and one for the
    reference, or one for each of ``fields``, in their order."""

    @property
    def is_composed(self) -> bool:
        """Whether equal keys of one file may be different payments."""
        return bool(self.fields)

    @property
    def ids(self) -> list[str]:
        """The fields that it reads."""
        return [*self.scope, *self.assigned, *self.fields, *self.cancels]


def _content(value: Any) -> Any:
    return {"content": True} if value == "content" else value


class Paid(_Table):
    """Which records are payments: those whose ``field`` is one of ``codes``. The others are counted as unpaid."""

    field: Name
    codes: Annotated[list[str], Limits(min_length=1)]


class Request(_Table):
    """How a request is told from its result: in ``record``, one count is positive and the others are zero."""

    record: str
    positive: Name
    zero: Annotated[list[Name], Limits(min_length=1)]


class Total(_Table):
    """A total that a file declares: of its detail records a count, or with ``sum`` the sum of a field."""

    record: str
    """The kind of record in which it stands."""
    field: Name
    sum: Name | None = None
    where: dict[str, list[str]] = {}
    """Only records whose field has one of these values."""
    of: Literal["data", "records", "batches"] = "data"
    """What is counted: detail records, records of every kind, or headers."""
    scope: Literal["batch", "file"] = "batch"
    """Over which records: since the last header, or of the whole file."""
    warn: bool = False
    """Whether a difference is a warning only, because senders count differently."""


class Csv(_Table):
    """How the rows of a CSV stand."""

    header: Literal["names", "any", "none"]
    """``names``: a header row names the columns. ``any``: a header row without a number in it is passed over."""
    error_prefix: str = ""
    """What the operator's system sends instead of a file."""
    last_newline: bool = True
    """Whether a newline is written after the last row."""


class Xml(_Table):
    """Which messages an XML file may hold."""

    messages: Annotated[list[str], Limits(min_length=1)]
    """Names of ISO 20022 messages without their version, such as ``camt.054``."""


class Layout(_Table):
    """A layout (レイアウト): how the bytes of one kind of file are records, and which of them are receipts."""

    name: str
    """The name of the file it was loaded from, without its ending."""
    ja: str
    en: str
    format: Literal["fixed", "csv", "xml"]
    encoding: Literal["half-width", "cp932", "utf-8"]
    width: Annotated[int, Limits(ge=1)] | None = None
    """Bytes of a fixed-length record, without its newline."""
    newline: Literal["CRLF", "LF", "CR", ""]
    """What is written after each record; when reading it is found out."""
    verified: bool
    """Whether the layout was compared with its primary source."""
    source: Annotated[list[str], Limits(min_length=1)]
    note: str = ""
    csv: Csv | None = None
    xml: Xml | None = None
    records: Annotated[dict[Name, RecordKind], Limits(min_length=1)]
    receipt: dict[str, Mapped] = {}
    """Canonical field to where it comes from."""
    identity: Annotated[Identity | None, BeforeValidator(_content)] = None
    """What identifies a payment: a table, or ``"content"``. A layout of receipts needs it."""
    bill: dict[str, Mapped] = {}
    """Field of a bill to where it goes to, for layouts that a body uploads."""
    paid: Paid | None = None
    request: Request | None = None
    totals: list[Total] = []
    dates: Dates = Dates()
    """How far from the reference date the days without a full year may be."""
    together: dict[str, list[str]] = {}
    """Canonical fields of which a record has all or none."""

    @property
    def kinds(self) -> Mapping[str, RecordKind]:
        """The kinds of record by name."""
        return self.records

    @cached_property
    def data(self) -> RecordKind:
        """The kind of detail record that is written: the last one, for special kinds stand before the general."""
        return [kind for kind in self.records.values() if kind.role == "data"][-1]

    def role(self, role: str) -> RecordKind | None:
        """The kind of record with a role, or none."""
        return next((kind for kind in self.records.values() if kind.role == role), None)

    @cached_property
    def needs_reference_date(self) -> bool:
        """Whether some day stands there without its year or its era."""
        return any(field.format in ASSUMED_FORMATS for kind in self.records.values() for field in kind.fields)

    def problems(self) -> Iterator[Issue]:
        """What is wrong between the tables, each with its table and key."""
        yield from self._record_problems()
        yield from self._mapping_problems("receipt", self.receipt, Receipt)
        yield from self._mapping_problems("bill", self.bill, Bill)
        yield from self._identity_problems()
        yield from self._total_problems()

    def _record_problems(self) -> Iterator[Issue]:
        given = {"fixed": self.width, "csv": self.csv, "xml": self.xml}
        if any((value is not None) != (name == self.format) for name, value in given.items()):
            yield _invalid("format", "width for fixed, a table [csv] for csv, [xml] for xml; one of them", self.format)
        if not any(kind.role == "data" for kind in self.records.values()):
            yield _invalid("records", 'a record with role = "data"')
        if self.format != "fixed" and len(self.records) > 1:
            yield _invalid("records", "one kind of record: rows and entries are all alike")
        for name, kind in self.records.items():
            where = f"records.{name}"
            if self.width is not None and kind.width != self.width:
                yield _invalid(f"{where}.fields", f"lengths that add up to {self.width}", str(kind.width))
            for wrong in set(kind.tell_by) | set(kind.digits):
                if wrong not in kind.by_id or (wrong in kind.tell_by and kind.by_id[wrong].const is None):
                    yield _invalid(f"{where}.tell_by", "fields of this record, with a const", wrong)
            seen: set[str] = set()
            for i, field in enumerate(kind.fields):
                for text in _field_problems(field, seen, fixed=self.format == "fixed"):
                    yield _invalid(f"{where}.fields[{i}] ({field.id})", text)
                seen.add(field.id)
                for other in field.others:
                    if other not in kind.by_id or not (kind.by_id[other].pattern and kind.by_id[other].path):
                        yield _invalid(
                            f"{where}.fields[{i}] ({field.id}).others", "fields with path and pattern", other
                        )
            if kind.role == "data" and (missing := self.mapped - kind.by_id.keys()):
                yield _invalid(where, "every data record has the mapped fields", ", ".join(sorted(missing)))

    @cached_property
    def mapped(self) -> set[str]:
        """The fields of the data record that a mapping, a total or a condition reads."""
        sources = [*self.receipt.values(), *self.bill.values()]
        mapped = {path for source in sources for path in source.ids if not path.startswith("header.")}
        mapped |= {path for path in self.identity.ids if not path.startswith("header.")} if self.identity else set()
        mapped |= {name for total in self.totals for name in ([total.sum] if total.sum else []) + list(total.where)}
        return mapped | ({self.paid.field} if self.paid else set())

    def field_of(self, path: str) -> Field | None:
        """The field that a mapping names: ``amount`` of the data, or ``header.debit_day``."""
        kind = self.role("header") if path.startswith("header.") else self.data
        return kind.by_id.get(path.removeprefix("header.")) if kind else None

    def _mapping_problems(self, table: str, mapping: Mapping[str, Source], record: type[Record]) -> Iterator[Issue]:
        for canonical, source in mapping.items():
            where = f"{table}.{canonical}"
            if canonical not in record.model_fields:
                yield _invalid(where, f"a field of {record.__name__}")
                continue
            if not source.ids and source.const is None:
                yield _invalid(where, "field, join, first, rules or const")
            if source.rules and (canonical != "kind" or self.paid):
                yield _invalid(f"{where}.rules", "rules for kind only, and no table [paid] beside them")
            for path in source.ids:
                field = self.field_of(path)
                if field is None:
                    yield _invalid(where, _A_FIELD, path)
                elif source.rules:
                    if path.startswith("header.") or (
                        path in [rule.given for rule in source.rules]
                        and field.type not in (*NUMERIC, FieldType.DATE, FieldType.TIME)
                    ):
                        yield _invalid(f"{where}.rules", "a field of the data record; given: a date or a number", path)
                elif source.first and field.type is not FieldType.DATE:
                    yield _invalid(f"{where}.first", "date fields", path)
                elif self.format == "fixed" and not source.join and not source.values:
                    fit = _fits(field, field_types(record).get(canonical))
                    if fit:
                        yield _invalid(where, fit, f"{field.type} of {field.length} bytes")
        if mapping and table == "receipt":
            for needed in ("paid_on", "amount"):
                if needed not in mapping:
                    yield _invalid(f"{table}.{needed}", "every receipt has one")

    def _identity_problems(self) -> Iterator[Issue]:
        if not self.receipt:
            if self.identity:
                yield _invalid("identity", "a table [receipt] beside it")
            return
        for name in ("provider_key", "key_composed", "cancels"):
            if name not in self.receipt:
                continue
            if self.identity:
                yield _invalid(f"receipt.{name}", "the fields in [identity]")
        if self.identity is None:
            found = self.receipt.get("provider_key")
            fields = found.ids if found else ["...", "..."]
            many = "fields" if found is None or len(fields) > 1 else "assigned"
            listed = ", ".join(f'"{path}"' for path in fields)
            expected = f'[identity] with {many} = [{listed}], or identity = "content"'
            yield Issue("IDENTITY_MISSING", field="identity", expected=expected)
            return
        key = self.identity
        if [key.content, bool(key.assigned), bool(key.fields)].count(True) != 1:
            yield _invalid("identity", 'a table with assigned or fields, or "content"')
        if key.scope and key.fields:
            yield _invalid("identity.scope", "scope beside assigned only")
        for path in key.ids:
            if (field := self.field_of(path)) is None or field.type is FieldType.FILLER:
                yield _invalid("identity", _A_FIELD, path)
        for name in ("fields", "assigned", "cancels"):
            paths = getattr(key, name)
            own = [path for path in paths if not path.startswith("header.")]
            if paths and (not own if name != "assigned" else own != paths):
                yield _invalid(f"identity.{name}", "a field of the data record, not of its header alone")
        for path in sorted(key.none.keys() - set(key.ids)):
            yield _invalid("identity.none", "fields of [identity]", path)
        needed = len(key.fields) or len(key.scope) + 1
        if key.cancels and len(key.cancels) != needed:
            yield _invalid("identity.cancels", f"{needed} fields, one for each of the key", str(len(key.cancels)))

    def _total_problems(self) -> Iterator[Issue]:
        places = [(f"totals[{i}]", total.record, [total.field]) for i, total in enumerate(self.totals)]
        if self.request:
            places.append(("request", self.request.record, [self.request.positive, *self.request.zero]))
        for where, record, fields in places:
            kind = self.records.get(record)
            if kind is None:
                yield _invalid(f"{where}.record", "a kind of record", record)
                continue
            for field in fields:
                if field not in kind.by_id or kind.by_id[field].type not in (FieldType.NUMBER, FieldType.YEN):
                    yield _invalid(where, f"a number or yen field of {record}", field)
        for i, total in enumerate(self.totals):
            if total.sum and (total.sum not in self.data.by_id or self.data.by_id[total.sum].type not in NUMERIC[1:3]):
                yield _invalid(f"totals[{i}].sum", "a number or yen field of the data record", total.sum)
            for field in total.where.keys() - self.data.by_id.keys():
                yield _invalid(f"totals[{i}].where", "fields of the data record", field)
        if self.paid and self.paid.field not in self.data.by_id:
            yield _invalid("paid.field", "a field of the data record", self.paid.field)
        for name, members in self.together.items():
            for wrong in set(members) - self.receipt.keys():
                yield _invalid(f"together.{name}", "fields of [receipt]", wrong)


_A_FIELD = "a field of the data record, or header. and one of the header"


def _invalid(where: str, expected: str, found: str = "") -> Issue:
    return Issue("LAYOUT_INVALID", field=where, expected=expected, found=found)


def _field_problems(field: Field, seen: set[str], *, fixed: bool) -> Iterator[str]:
    if field.id in seen:
        yield "an id that is not taken yet"
    dated = field.type in (FieldType.DATE, FieldType.TIME)
    if dated != (field.format is not None):
        yield "a format for a date or a time, and for nothing else"
    if field.dates is not None and field.format not in ASSUMED_FORMATS:
        yield f"dates for one of the formats {', '.join(ASSUMED_FORMATS)}"
    if dated and fixed and field.format and len(field.format.split()[-1]) != field.length:
        yield f"a length that fits the format {field.format}"
    if field.const is not None and (len(field.const) > field.length or (fixed and len(field.const) != field.length)):
        yield f"a const of {field.length} bytes"
    for code in field.codes:
        if len(code) > field.length or (fixed and len(code.rstrip()) != field.length and field.type in NUMERIC):
            yield f"codes of {field.length} bytes"
    if field.type is FieldType.BARCODE and field.length != 44 + len(field.prefix):
        yield "44 bytes and the prefix for a barcode"
    if field.pattern:
        try:
            groups = re.compile(field.pattern).groups
        except (re.error, OverflowError, RecursionError) as error:
            yield f"a regular expression: {error}"
        else:
            if not groups:
                yield "a pattern with a group, which is the value"
    if field.default and len(field.default) > field.length:
        yield f"a default of {field.length} bytes at most"


def _fits(field: Field, kind: Any) -> str:
    """What the field should be, or nothing where it fits the canonical field's kind."""
    match kind:
        case Digits(width=width, zero_pad=pad, allow_shorter=shorter):
            shape = field.length <= width if pad or shorter else field.length - len(field.prefix) == width
            if field.type not in (FieldType.DIGITS, FieldType.BARCODE) or not shape:
                return kind.expected
        case Text(width=width):
            if field.type not in (FieldType.DIGITS, FieldType.TEXT, FieldType.KANJI) or field.length > width:
                return f"text of at most {width} bytes"
        case Yen():
            if field.type not in (FieldType.NUMBER, FieldType.YEN):
                return "yen"
        case Date():
            if field.type is not FieldType.DATE:
                return "a date"
    return ""
