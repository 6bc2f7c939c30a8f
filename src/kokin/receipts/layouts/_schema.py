"""Schema of a layout file: the tables and keys of its TOML as pydantic models, and the rules between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from datetime import date, time
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic import Field as Limits
from pydantic_core import PydanticCustomError

from kokin.issues import Issue
from kokin.model import (
    AccountEntry,
    Amounts,
    Date,
    Digits,
    IssuedBill,
    Names,
    Receipt,
    Record,
    Text,
    UploadAnswer,
    UploadOperation,
    Yen,
    arrow_schema,
    field_types,
)
from kokin.receipts.layouts._patterns import is_bounded
from kokin.text import MONTHS, YEARS_AHEAD, YEARS_BACK

Name = Annotated[str, Limits(pattern=r"^[a-z][a-z0-9_]*$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldType(StrEnum):
    """Type of a field."""

    #: An identifier of digits; leading zeros are kept.
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
    #: Unused bytes: not checked, and kept byte for byte by :func:`kokin.receipts.edit`.
    FILLER = "filler"


#: The tables that map a data record to a canonical record, by the name of the table.
MAPPED_RECORDS: dict[str, type[Record]] = {
    "receipt": Receipt,
    "bill": IssuedBill,
    "answer": UploadAnswer,
    "account": AccountEntry,
}
# The canonical fields that a mapping must have.
_REQUIRED = {"receipt": ("paid_on", "amount"), "answer": ("result",), "account": ("account", "amount")}

NUMERIC = (FieldType.DIGITS, FieldType.NUMBER, FieldType.YEN, FieldType.BARCODE)
DATED = (FieldType.DATE, FieldType.TIME)
TEXTUAL = (FieldType.DIGITS, FieldType.BARCODE, FieldType.TEXT, FieldType.KANJI)

DateFormat = Literal[
    "YYYY-MM-DD",
    "YYYYMMDD",
    "YYMMDD",
    "MMDD",
    "wareki YYMMDD",
    "wareki or western YYMMDD",
    "wareki EYYMMDD",
    "YYYY/MM/DD",
    "YYYY/M/D",
    "YYYY年M月D日",
    "wareki R8.6.1",
    "wareki 令和8年6月1日",
]
TimeFormat = Literal["HHMM", "HHMMSS", "HH:MM:SS"]

#: Formats of a length that depends on the day; only a CSV can have them.
VARIABLE_FORMATS = ("YYYY/M/D", "YYYY年M月D日", "wareki R8.6.1", "wareki 令和8年6月1日")
#: Formats without year, century or era. Reading them needs the caller's reference date.
ASSUMED_FORMATS = ("MMDD", "YYMMDD", "wareki YYMMDD", "wareki or western YYMMDD")


class Dates(_Table):
    """Range around the reference date in which a date without its full year is accepted; others are ``DATE_TOO_FAR``.

    The readings of one date in different eras and centuries are at least 11 years apart. Within these limits at most
    one of them is accepted.
    """

    years_back: Annotated[int, Limits(ge=0, le=8)] = YEARS_BACK
    """Years before the reference date, for a date without era or century."""
    years_ahead: Annotated[int, Limits(ge=0, le=2)] = YEARS_AHEAD
    """Years after the reference date, for a date without era or century."""
    months: Annotated[int, Limits(ge=0, le=11)] = MONTHS
    """Months before or after the reference date, for a date without year."""


class Field(_Table):
    """One field (項目) of a record."""

    id: Name
    """Name in columns, issues and mappings; unique within the record."""
    ja: str
    en: str
    column: str = ""
    """Name of the column in the header row of a CSV; by default the id."""
    type: FieldType
    length: Annotated[int, Limits(ge=1)]
    """Length in bytes: exact in a fixed-length record, the maximum in a CSV."""
    zero_pad: bool = False
    """Whether shorter digits in a CSV are filled with zeros on the left to ``length``, as a spreadsheet drops them."""
    formatted: bool = False
    """Whether yen may have thousands separators and a currency sign: ``12,300``, ``¥12,300``, ``12,300円``."""
    const: str | None = None
    """The only value allowed, such as the record code."""
    codes: dict[str, str] = {}
    """Codes allowed, with their meaning."""
    open: bool = False
    """Whether codes outside ``codes`` are accepted."""
    blank: bool = False
    """Whether the field may be empty: blanks, or zeros in a date."""
    format: DateFormat | TimeFormat | None = None
    """Format of a date or a time of day."""
    dates: Dates | None = None
    """Range of the field's dates around the reference date, instead of the layout's ``[dates]``."""
    prefix: str = ""
    """Fixed characters before the value."""
    none: str = ""
    """The text that means "no value", when reading and when writing. A date of zeros or blanks always has no value."""
    default: str = ""
    """The text written where the caller passes no value."""
    required: bool = False
    """Whether a CSV with named columns must have the column."""
    quoted: bool = False
    """Whether the value is written in quotation marks in a CSV."""
    path: list[str] = []
    """Paths of elements in an XML entry; the first with text is read."""
    pattern: str = ""
    """Regular expression searched in XML text; its group is the value. The first match in order of ``path`` counts.

    Repeats have limits, such as ``{0,9}``, so that no text takes long; a text of more than 512 characters is rejected.
    """
    alone: bool = False
    """Whether XML paths outside ``TxDtls/`` are read only if the entry has at most one transaction, as for amounts."""
    others: list[Name] = []
    """Fields with a pattern. The value is their matches after the first (which is their own value), joined by ``;``."""
    sensitive: bool = False
    """Whether the value is personal data, which is masked in issues, tables and logs."""
    note: str = ""
    note_ja: str = ""
    """The note in Japanese; without it, a Japanese description shows ``note``."""

    @property
    def column_name(self) -> str:
        """The name of its column in a CSV."""
        return self.column or self.id


class RecordKind(_Table):
    """One kind of record (レコード種別)."""

    role: Literal["header", "data", "trailer", "end"]
    ja: str
    en: str
    tell_by: list[Name] = []
    """Fields whose ``const`` identifies a record of this kind. The kinds are tried in the order of the layout file."""
    digits: list[Name] = []
    """Fields that contain only digits in a record of this kind."""
    fields: Annotated[list[Field], Limits(min_length=1)]

    @cached_property
    def offsets(self) -> dict[str, int]:
        """Offset of each field's first byte, from 0, by field id."""
        offsets, end = {}, 0
        for field in self.fields:
            offsets[field.id] = end
            end += field.length
        return offsets

    @cached_property
    def width(self) -> int:
        """Sum of the lengths of the fields, in bytes."""
        return sum(field.length for field in self.fields)

    @cached_property
    def consts(self) -> list[tuple[int, bytes]]:
        """Offset and bytes of the constants that identify a record of this kind."""
        return [(self.offsets[name], (self.by_id[name].const or "").encode()) for name in self.tell_by]

    @cached_property
    def by_id(self) -> dict[str, Field]:
        """The fields by id."""
        return {field.id: field for field in self.fields}

    @cached_property
    def by_column(self) -> dict[str, Field]:
        """The fields by the name of their column in a CSV."""
        return {field.column_name: field for field in self.fields}


class Rule(_Table):
    """A value of ``kind`` for the records that meet all conditions."""

    value: str
    where: dict[str, list[str]] = {}
    """Condition: each of these fields has one of these codes. The code of a blank field is the empty text."""
    given: Name | None = None
    """Condition: this field, a date or a number, is not empty."""

    @property
    def ids(self) -> list[str]:
        """The fields that the conditions read."""
        return [*self.where, *([self.given] if self.given else [])]


class Source(_Table):
    """Mapping of a canonical field: it is read from one field, joined or chosen from several, or constant."""

    field: str = ""
    """A field of the data record, or ``header.`` and a field of its header."""
    slice: tuple[Annotated[int, Limits(ge=0)], Annotated[int, Limits(ge=1)]] | None = None
    """Only the characters of the field from the first position to before the second: ``[0, 4]`` of ``202606``."""
    join: list[str] = []
    """Fields whose texts are joined by the separator."""
    separator: str | None = None
    """The text between joined fields, by default a hyphen; for ``covers``, the text between the names in one field."""
    first: list[str] = []
    """Date fields; the first one that is not empty is the value."""
    amounts: dict[str, str] = {}
    """For ``parts`` only: the yen field of each name. An empty field is no part."""
    rules: list[Rule] = []
    """For ``kind`` only: the value of the first rule whose conditions the record meets. A record that meets no rule is
    not a payment and is counted as unpaid."""
    const: str | bool | int | date | None = None
    """The same value for every record."""
    values: dict[str, str | bool | int] = {}
    """Canonical value of each code in the file; any other code is an issue."""
    over: Literal["refuse", "cut", "drop"] = "refuse"
    """Treatment of a value that is too long for the record: report an issue, truncate it, or leave the field empty."""
    blank: str | bool | int | None = None
    """The value where the field is empty or its column is absent."""

    @property
    def ids(self) -> list[str]:
        """The fields that the mapping reads."""
        rules = [path for rule in self.rules for path in rule.ids]
        if self.field:
            return [self.field]
        return [*self.join, *self.first, *self.amounts.values(), *dict.fromkeys(rules)]


# The text "amount" is a short form of the table {field = "amount"}.
Mapped = Annotated[Source, BeforeValidator(lambda value: {"field": value} if isinstance(value, str) else value)]


class IdentityFields(_Table):
    """The fields that identify a payment, so that a record that arrives in two files is counted once.

    Either ``assigned``: a reference that the bank or agent assigns to one payment, unique by itself or within
    ``scope``. Or ``fields``: fields that together describe a payment, though two payments of one file may agree in all
    of them. A record in which one of the fields is empty (of ``assigned``, all of them) has no key; its payment is
    identified by all canonical fields, as with ``identity = "content"``.
    """

    content: bool = False
    """``identity = "content"``: all canonical fields together identify a payment."""
    assigned: list[str] = []
    """Fields of the reference; the first that is neither empty nor all zeros is used."""
    scope: list[str] = []
    """Fields within which an assigned reference is unique, such as the account and the day."""
    fields: list[str] = []
    """Fields that the key is composed of."""
    none: dict[str, list[str]] = {}
    """Values of a field that identify nothing. Blanks never identify anything, nor do zeros in a reference."""
    cancels: list[str] = []
    """Fields that name the payment which a reversal reverses (元取引): one for each of ``scope`` and one for the
    reference, or one for each of ``fields``, in the same order."""

    @property
    def ids(self) -> list[str]:
        """The fields that the key and ``cancels`` read."""
        return [*self.scope, *self.assigned, *self.fields, *self.cancels]


# The text "content" is a short form of the table {content = true}.
_Identity = Annotated[IdentityFields, BeforeValidator(lambda value: {"content": True} if value == "content" else value)]


class PaidCondition(_Table):
    """Condition of a payment: ``field`` has one of ``codes``. Other records are counted as unpaid."""

    field: Name
    codes: Annotated[list[str], Limits(min_length=1)]


class RequestCondition(_Table):
    """Condition of a request file, as opposed to its result: in ``record``, ``positive`` > 0 and each ``zero`` = 0."""

    record: str
    positive: Name
    zero: Annotated[list[Name], Limits(min_length=1)]


class Total(_Table):
    """A total that a file declares: the number of detail records or, with ``sum``, the sum of a field."""

    record: str
    """The kind of record that contains the total."""
    field: Name
    """The field of that record."""
    sum: Name | None = None
    """The field of the detail records that is added up."""
    where: dict[str, list[str]] = {}
    """Condition on the records that count: each field has one of these values."""
    of: Literal["data", "records", "batches"] = "data"
    """Unit of a count: detail records, records of every kind, or headers."""
    scope: Literal["batch", "file"] = "batch"
    """Range of a total: the records since the last header, or the whole file."""
    warn: bool = False
    """Whether a difference is only a warning, because senders count differently."""

    @property
    def ids(self) -> list[str]:
        """The fields of the detail records that the total reads."""
        return [*self.where, *([self.sum] if self.sum else [])]


class Csv(_Table):
    """Options of a CSV layout."""

    header: Literal["names", "any", "none"]
    """``names``: a header row names the columns. ``any``: a first row without a number in it is skipped."""
    delimiter: Literal["comma", "tab", "semicolon"] = "comma"
    """The character between two cells."""
    other_columns: Literal["reject", "ignore"] = "reject"
    """Treatment of a named column that is no field of the layout: reject the file, or do not read the column."""
    bom: bool = False
    """Whether the file may begin with the byte order mark of UTF-8, which is then written, too."""
    error_prefix: str = ""
    """First bytes of the error response that the agent's system may send instead of a file."""
    last_newline: bool = True
    """Whether a newline is written after the last row."""

    @property
    def delimiter_byte(self) -> bytes:
        """The byte between two cells."""
        return {"comma": b",", "tab": b"\t", "semicolon": b";"}[self.delimiter]


#: Keys of ``[bill]`` that are no fields of a bill: what a record of an upload does, and its number in the upload.
UPLOAD_KEYS = frozenset({"operation", "upload_record_no"})

#: The keys by which an answer names a record that was sent, in the order in which they are used.
ANSWER_KEYS = (("payee_code", "item_code", "case_key", "confirmation"), ("bill_id",), ("upload_record_no",))


class UploadRules(_Table):
    """Rules of an upload (納付書情報), for a layout with ``[bill]``."""

    change_as_new: bool = False
    """Whether a changed slip (訂正) is written with the code of a new one, or in a layout without ``operation``."""


class Xml(_Table):
    """Options of an XML layout."""

    messages: Annotated[list[str], Limits(min_length=1)]
    """The ISO 20022 messages that are read, without their version, such as ``camt.054``."""


class Layout(_Table):
    """A layout (レイアウト): the records and fields of one kind of file, and their mapping to receipts or bills."""

    name: str
    """Name of the file it was loaded from, without ``.toml``."""
    ja: str
    en: str
    format: Literal["fixed", "csv", "xml"]
    encoding: Literal["half-width", "cp932", "utf-8"]
    width: Annotated[int, Limits(ge=1)] | None = None
    """Length of a fixed-length record in bytes, without its newline."""
    newline: Literal["CRLF", "LF", "CR", ""]
    """Newline written after each record; it is detected when reading."""
    verified: bool
    """Whether the layout was compared with its primary source."""
    source: Annotated[list[str], Limits(min_length=1)]
    note: str = ""
    note_ja: str = ""
    """The note in Japanese; without it, a Japanese description shows ``note``."""
    csv: Csv | None = None
    xml: Xml | None = None
    records: Annotated[dict[Name, RecordKind], Limits(min_length=1)]
    receipt: dict[str, Mapped] = {}
    """Mapping of each canonical field of a receipt."""
    identity: _Identity | None = None
    """The fields that identify a payment: a table, or ``"content"``. Required in a layout of receipts."""
    bill: dict[str, Mapped] = {}
    """Mapping of each field of a bill, for a file of bills that is read, or one that an authority uploads. Two further
    keys are only written: ``operation``, with the codes of ``new``, ``change`` and ``withdraw``, and
    ``upload_record_no``."""
    upload: UploadRules = UploadRules()
    answer: dict[str, Mapped] = {}
    """Mapping of each field of an answer to an upload."""
    account: dict[str, Mapped] = {}
    """Mapping of each field of an account entry (会計・款項目節), for the file of a 財務会計 system that is written."""
    paid: PaidCondition | None = None
    request: RequestCondition | None = None
    totals: list[Total] = []
    dates: Dates = Dates()
    """Range around the reference date of the dates without a full year."""
    together: dict[str, list[str]] = {}
    """Groups of canonical fields: a record has all fields of a group or none of them."""

    @cached_property
    def data(self) -> RecordKind:
        """The kind of detail record that is written: the last one, because special kinds precede the general one."""
        return [kind for kind in self.records.values() if kind.role == "data"][-1]

    def role(self, role: str) -> RecordKind | None:
        """Return the first kind of record with a role, or ``None``."""
        return next((kind for kind in self.records.values() if kind.role == role), None)

    @property
    def mappings(self) -> dict[str, dict[str, Source]]:
        """The tables that map a data record to a canonical record, by name; a layout that lacks one has it empty.

        ``bill`` is without :data:`UPLOAD_KEYS`.
        """
        bill = {name: source for name, source in self.bill.items() if name not in UPLOAD_KEYS}
        return {table: bill if table == "bill" else getattr(self, table) for table in MAPPED_RECORDS}

    @cached_property
    def needs_reference_date(self) -> bool:
        """Whether a field is a date without its year, century or era."""
        return any(field.format in ASSUMED_FORMATS for kind in self.records.values() for field in kind.fields)

    def problems(self) -> Iterator[Issue]:
        """Yield an issue for each rule between the tables that is broken, with its table and key."""
        yield from self._record_problems()
        for table, mapping in self.mappings.items():
            yield from self._mapping_problems(table, mapping, MAPPED_RECORDS[table])
        yield from self._upload_problems()
        yield from self._account_problems()
        yield from self._identity_problems()
        yield from self._total_problems()

    def _record_problems(self) -> Iterator[Issue]:
        if self.csv and self.csv.other_columns == "ignore" and self.csv.header != "names":
            yield _invalid("csv.other_columns", 'header = "names"')
        if self.csv and self.csv.bom and self.encoding != "utf-8":
            yield _invalid("csv.bom", 'encoding = "utf-8"', self.encoding)
        options = {"fixed": self.width, "csv": self.csv, "xml": self.xml}
        if [name for name, value in options.items() if value is not None] != [self.format]:
            yield _invalid("format", "the key or table of this format only: width, [csv] or [xml]", self.format)
        if self.role("data") is None:
            yield _invalid("records", 'a kind of record with role = "data"')
        if self.format != "fixed" and len(self.records) > 1:
            yield _invalid("records", "one kind of record in a CSV or XML layout")
        for name, kind in self.records.items():
            where = f"records.{name}"
            if self.width is not None and kind.width != self.width:
                yield _invalid(f"{where}.fields", f"lengths that add up to {self.width}", str(kind.width))
            for field_id in dict.fromkeys([*kind.tell_by, *kind.digits]):
                if field_id not in kind.by_id or (field_id in kind.tell_by and kind.by_id[field_id].const is None):
                    yield _invalid(f"{where}.tell_by", "fields of this record with a const", field_id)
            ids_before: set[str] = set()
            columns_before: set[str] = set()
            for i, field in enumerate(kind.fields):
                field_at = f"{where}.fields[{i}] ({field.id})"
                for expected in _field_problems(field, ids_before, fixed=self.format == "fixed"):
                    yield _invalid(field_at, expected)
                yield from _pattern_problems(field, field_at)
                ids_before.add(field.id)
                if field.column and not (self.csv and self.csv.header == "names"):
                    yield _invalid(f"{field_at}.column", 'header = "names" in [csv]')
                if field.column_name in columns_before:
                    yield _invalid(f"{field_at}.column", "a column that no other field has", field.column_name)
                columns_before.add(field.column_name)
                for other in field.others:
                    if other not in kind.by_id or not (kind.by_id[other].pattern and kind.by_id[other].path):
                        yield _invalid(f"{field_at}.others", "fields with path and pattern", other)
            if kind.role == "data" and (missing := self.mapped - kind.by_id.keys()):
                yield _invalid(where, "all mapped fields in every data record", ", ".join(sorted(missing)))

    @cached_property
    def mapped(self) -> set[str]:
        """The fields of the data record that mappings, totals and conditions read."""
        readers: list[Source | Total | IdentityFields]
        sources = [
            source for table in (self.receipt, self.bill, self.answer, self.account) for source in table.values()
        ]
        readers = [*sources, *self.totals, self.identity or IdentityFields()]
        mapped = {path for reader in readers for path in reader.ids if not path.startswith("header.")}
        return mapped | ({self.paid.field} if self.paid else set())

    def field_of(self, path: str) -> Field | None:
        """Return the field at a path: ``amount`` of the data record, or ``header.debit_day``; ``None`` if unknown."""
        kind = self.role("header") if path.startswith("header.") else self.data
        return kind.by_id.get(path.removeprefix("header.")) if kind else None

    def _mapping_problems(self, table: str, mapping: Mapping[str, Source], record: type[Record]) -> Iterator[Issue]:
        for canonical, source in mapping.items():
            where = f"{table}.{canonical}"
            if canonical not in record.model_fields:
                yield _invalid(where, f"a field of {record.__name__}")
                continue
            rule = field_types(record).get(canonical)
            yield from _form_problems(where, canonical, source, rule)
            if source.rules and (canonical != "kind" or self.paid):
                yield _invalid(f"{where}.rules", "rules for kind only, and no table [paid] beside them")
            constants = {"const": source.const, "blank": source.blank}
            constants |= {f"values.{code}": value for code, value in source.values.items()}
            for key, value in constants.items():
                if value is not None and (expected := _value_problem(record, canonical, value)):
                    yield _invalid(f"{where}.{key}", expected, str(value))
            for path in source.ids:
                yield from self._source_problems(where, source, path, rule)
        for required in _REQUIRED.get(table, ()) if mapping else ():
            if required not in mapping:
                yield _invalid(f"{table}.{required}", f"a mapping; every {table} has this field")

    def _upload_problems(self) -> Iterator[Issue]:
        """Check the keys of an upload, and that an answer has the key of a slip."""
        operations = {each.value for each in UploadOperation}
        for name in sorted(UPLOAD_KEYS & self.bill.keys()):
            source, where = self.bill[name], f"bill.{name}"
            if not source.field:
                yield _invalid(where, "a field")
            for path in source.ids:
                yield from self._source_problems(where, source, path, None)
        for table, mapping in (("bill", self.bill), ("answer", self.answer)):
            operation = mapping.get("operation")
            codes = {*map(str, operation.values.values())} if operation else {UploadOperation.NEW.value}
            if codes - operations or UploadOperation.NEW not in codes:
                yield _invalid(f"{table}.operation.values", "new, change, withdraw; at least new")
        if self.answer and not any(self.answer.keys() >= {*key} for key in ANSWER_KEYS):
            expected = " or ".join(", ".join(key) for key in ANSWER_KEYS)
            yield _invalid("answer", f"the key of the slip: {expected}")

    def _account_problems(self) -> Iterator[Issue]:
        """Check that a field with the name of a field of an account entry is mapped; else it would get its value."""
        unmapped = AccountEntry.model_fields.keys() - self.account.keys() - self.mapped if self.account else ()
        for name, kind in self.records.items():
            for i, field in enumerate(kind.fields if kind.role == "data" else ()):
                if field.id in unmapped:
                    where = f"records.{name}.fields[{i}] ({field.id})"
                    yield _invalid(where, f"a mapping account.{field.id}, or another id")

    def _source_problems(self, where: str, source: Source, path: str, canonical_type: Any) -> Iterator[Issue]:
        """Check one of the fields that a canonical field is read from."""
        field = self.field_of(path)
        if field is None:
            yield _invalid(where, _A_FIELD, path)
        elif source.rules:
            needs_number = path in [rule.given for rule in source.rules]
            is_number = field.type in NUMERIC + DATED
            if path.startswith("header.") or (needs_number and not is_number):
                yield _invalid(f"{where}.rules", "a field of the data record; for given, a date or a number", path)
        elif source.first and field.type is not FieldType.DATE:
            yield _invalid(f"{where}.first", "date fields", path)
        elif source.amounts and field.type not in (FieldType.NUMBER, FieldType.YEN):
            yield _invalid(f"{where}.amounts", "yen fields", path)
        elif source.slice and field.type not in TEXTUAL:
            yield _invalid(f"{where}.slice", "a field of text or digits", path)
        elif self.format == "xml" or source.join or source.values or source.amounts or source.slice:
            return
        elif expected := _type_problem(field, canonical_type, exact=self.format == "fixed"):
            found = f"{field.type} of {field.length} bytes" if self.format == "fixed" else field.type.value
            yield _invalid(where, expected, found)

    def _identity_problems(self) -> Iterator[Issue]:
        if not self.receipt and self.identity:
            yield _invalid("identity", "a table [receipt] in the same layout")
        if not self.receipt:
            return
        if self.identity is None:
            mapped = self.receipt.get("provider_key")
            fields = mapped.ids if mapped else ["...", "..."]
            key_name = "fields" if len(fields) > 1 else "assigned"
            listed = ", ".join(f'"{path}"' for path in fields)
            expected = f'[identity] with {key_name} = [{listed}], or identity = "content"'
            yield Issue("IDENTITY_MISSING", field="identity", expected=expected)
            return
        for name in sorted({"provider_key", "key_composed", "cancels"} & self.receipt.keys()):
            yield _invalid(f"receipt.{name}", "the fields in [identity]")
        key = self.identity
        if [key.content, bool(key.assigned), bool(key.fields)].count(True) != 1:
            yield _invalid("identity", 'a table with assigned or fields, or "content"')
        if key.scope and key.fields:
            yield _invalid("identity.scope", "scope together with assigned, not with fields")
        for path in key.ids:
            if (field := self.field_of(path)) is None or field.type is FieldType.FILLER:
                yield _invalid("identity", _A_FIELD, path)
            elif field.sensitive and (field.type is not FieldType.DIGITS or field.length > _MAX_SENSITIVE_DIGITS):
                yield _invalid("identity", "a field of at most 18 digits, if it is sensitive", path)
        for name in ("fields", "assigned", "cancels"):
            in_header = [path.startswith("header.") for path in getattr(key, name)]
            if name == "assigned" and any(in_header):
                yield _invalid("identity.assigned", "fields of the data record, none of its header")
            elif in_header and all(in_header):
                yield _invalid(f"identity.{name}", "a field of the data record, besides those of its header")
        for path in sorted(key.none.keys() - set(key.ids)):
            yield _invalid("identity.none", "fields of [identity]", path)
        part_count = len(key.fields) or len(key.scope) + 1
        if key.cancels and len(key.cancels) != part_count:
            expected = f"{part_count} fields, one for each part of the key"
            yield _invalid("identity.cancels", expected, str(len(key.cancels)))

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
            for unknown in set(members) - self.receipt.keys():
                yield _invalid(f"together.{name}", "fields of [receipt]", unknown)


# The key of a payment has the remainder of the number in a sensitive field, which must fit into an integer.
_MAX_SENSITIVE_DIGITS = 18
_A_FIELD = 'a field of the data record, or "header." and a field of the header'


def _invalid(where: str, expected: str, found: str = "") -> Issue:
    return Issue("LAYOUT_INVALID", field=where, expected=expected, found=found)


def _field_problems(field: Field, ids_before: Set[str], *, fixed: bool) -> Iterator[str]:
    """Yield, for each rule of a single field that is broken, what is expected instead."""
    if field.id in ids_before:
        yield "an id that no other field of the record has"
    if (field.type in DATED) != (field.format is not None):
        yield "a format for the types date and time only"
    if field.dates is not None and field.format not in ASSUMED_FORMATS:
        yield f"dates only with one of the formats {', '.join(ASSUMED_FORMATS)}"
    if fixed and field.format in VARIABLE_FORMATS:
        yield f"a format of a fixed length in a fixed-length record, not {field.format}"
    elif field.type in DATED and fixed and field.format and len(field.format.split()[-1]) != field.length:
        yield f"a length that fits the format {field.format}"
    if field.zero_pad and (fixed or field.type is not FieldType.DIGITS):
        yield "zero_pad for the type digits in a CSV only"
    if field.formatted and field.type is not FieldType.YEN:
        yield "formatted for the type yen only"
    if field.const is not None and (len(field.const) > field.length or (fixed and len(field.const) != field.length)):
        yield f"a const of {field.length} bytes"
    for code in field.codes:
        if len(code) > field.length or (fixed and len(code.rstrip()) != field.length and field.type in NUMERIC):
            yield f"codes of {field.length} bytes"
    if field.type is FieldType.BARCODE and field.length != 44 + len(field.prefix):
        yield "the length of a barcode: 44 bytes and its prefix"
    if field.default and len(field.default) > field.length:
        yield f"a default of at most {field.length} bytes"


def _pattern_problems(field: Field, where: str) -> Iterator[Issue]:
    """Check the regular expression of a field."""
    if not field.pattern:
        return
    try:
        groups, is_fast = re.compile(field.pattern).groups, is_bounded(field.pattern)
    except (re.error, OverflowError, RecursionError) as error:
        yield _invalid(where, f"a valid regular expression: {error}")
        return
    if not groups:
        yield _invalid(where, "a pattern with a group for the value")
    if not is_fast:
        yield Issue("LAYOUT_PATTERN", field=where)


def _form_problems(where: str, canonical: str, source: Source, rule: Any) -> Iterator[Issue]:
    """Check the keys of a mapping against one another."""
    forms = [source.field, source.join, source.first, source.rules, source.amounts, source.const is not None]
    if sum(map(bool, forms)) != 1:
        yield _invalid(where, "one of field, join, first, amounts, rules or const")
    if source.slice and (not source.field or source.slice[0] >= source.slice[1]):
        yield _invalid(f"{where}.slice", "two positions, the first below the second, of a field")
    if source.separator is not None and not (source.join or (source.field and isinstance(rule, Names))):
        yield _invalid(f"{where}.separator", "a separator of joined fields, or of the names in covers")
    if source.amounts and not isinstance(rule, Amounts):
        yield _invalid(f"{where}.amounts", "amounts for parts only")
    elif source.amounts:
        try:
            rule.check(dict.fromkeys(source.amounts, 0))
        except PydanticCustomError as error:
            yield _invalid(f"{where}.amounts", str((error.context or {})["expected"]))
    if source.values and not source.field:
        yield _invalid(f"{where}.values", "a field whose codes they translate")


_PYTHON_TYPES = {"string": str, "int64": int, "date32[day]": date, "bool": bool, "time32[s]": time}


def _value_problem(record: type[Record], canonical: str, value: Any) -> str:
    """Return what the canonical field needs instead of a constant, or the empty text where the value is valid."""
    hint: Any = record.model_fields[canonical].annotation
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return "" if value in set(hint) else " | ".join(hint)
    rule = field_types(record).get(canonical)
    try:
        checked = rule.check(value) if rule else value
    except PydanticCustomError as error:
        return str((error.context or {})["expected"])
    wanted = _PYTHON_TYPES.get(str(arrow_schema(record).field(canonical).type), tuple)
    return "" if type(checked) is wanted else wanted.__name__


def _type_problem(field: Field, kind: Any, *, exact: bool) -> str:
    """Return what type the canonical field needs, or the empty text where the field fits it.

    In a fixed-length record the length must fit ``exact``; in a CSV it is a maximum, and each value is checked.
    """
    match kind:
        case Digits(width=width, zero_pad=pad, allow_shorter=shorter):
            if not exact:
                return "" if field.type in TEXTUAL else kind.expected
            shape = field.length <= width if pad or shorter else field.length - len(field.prefix) == width
            if field.type not in (FieldType.DIGITS, FieldType.BARCODE) or not shape:
                return kind.expected
        case Text(width=width):
            if field.type not in TEXTUAL or (exact and field.length > width):
                return f"text of at most {width} bytes"
        case Yen():
            if field.type not in (FieldType.NUMBER, FieldType.YEN):
                return "yen"
        case Date():
            if field.type is not FieldType.DATE:
                return "a date"
        case Names() | Amounts():
            if field.type not in TEXTUAL:
                return "text"
    return ""
