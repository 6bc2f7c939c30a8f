"""A block of detail records, read column by column.

A record that passes every test here is one that the record decoder reads without an issue, and its values are the same.
A record that fails a test is only *suspect*: it may be valid (a blank where zeros are usual), so it is left to the
record decoder and never rejected here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow.convert import BoolArray, Int64Array, UInt8Array, buffer_view, from_numpy, string_array
from kokin.issues import InvalidInputError
from kokin.model import Amounts, Digits, Names, Receipt, ReceiptKind, Text, Yen, arrow_schema, field_types
from kokin.receipts._columns import array_of, as_int, repeated
from kokin.receipts._fast.ascii_words import (
    MAX_DIGITS,
    MIN_STRIDE,
    CharsetCheck,
    cut,
    equals,
    has_gs1_check_digit,
    index_of,
    integer,
    mask_of,
    not_digits,
    union,
    used_length,
    without,
)
from kokin.receipts._fast.texts import trimmed, zero_padded
from kokin.receipts._fields import CellReader, cell_reader
from kokin.receipts._record import MANUAL_KINDS, ReceiptMapping, joined_by
from kokin.receipts.layouts import Field, FieldType, Layout, RecordKind, Rule, Source, Total
from kokin.receipts.layouts._schema import DATED, NUMERIC, VARIABLE_FORMATS

#: In days or seconds: not in the calendar.
_NO_DATE = np.iinfo(np.int32).min
# Characters that make a text suspect: control characters, line separators and the private area.
_SUSPECT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\uf8ff]")
_ARROW_TYPES = {
    FieldType.NUMBER: pa.int64(),
    FieldType.YEN: pa.int64(),
    FieldType.DATE: pa.date32(),
    FieldType.TIME: pa.time32("s"),
}
_MAX_KNOWN_CELLS = 4096
# A newline of two bytes may be part of the width.
_MIN_WIDTH = MIN_STRIDE + 2


@dataclass
class ParsedField:
    """One field of n records; a value of a suspect record or of a null is meaningless."""

    cells: UInt8Array | None = None
    """Its bytes, uint8 (n, width), where they were cut out already."""
    numbers: npt.NDArray[Any] | None = None
    """int64 (n,), or int32 (n,) days since 1970 or seconds since midnight."""
    null: BoolArray | None = None
    """Where it has no value, bool (n,); ``None`` for nowhere."""
    codes: npt.NDArray[np.int8] | None = None
    """The index of its code among the known ones, int8 (n,); -1 for any other."""


@dataclass
class ParsedBlock:
    """n consecutive detail records of one kind with their fields."""

    rows: UInt8Array
    """The bytes of the records, uint8 (n, stride)."""
    valid: BoolArray
    """The records that are certainly valid, bool (n,); the others are suspect."""
    fields: dict[str, ParsedField] = field(default_factory=dict)
    suspects: dict[str, BoolArray] = field(default_factory=dict)
    """The suspect records by field; under the empty name those suspect as a whole."""
    zero: BoolArray | None = None
    """Those that are rejected because of the amount 0 only, if they are not suspect as a whole; ``None`` for none."""

    def mark_suspect(self, name: str, suspect: BoolArray | None) -> None:
        """Mark records as suspect because of a field, or as a whole with an empty name."""
        if suspect is not None and suspect.any():
            self.valid &= ~suspect
            self.suspects[name] = self.suspects[name] | suspect if name in self.suspects else suspect

    def suspect_fields(self, i: int) -> frozenset[str]:
        """Return the fields for which a record is suspect; empty if it is suspect as a whole."""
        names = frozenset(name for name, suspect in self.suspects.items() if suspect[i])
        return frozenset() if "" in names else names


class ColumnReader:
    """Reads detail records of one kind that :func:`supports_kind`."""

    def __init__(self, layout: Layout, kind: RecordKind, mapping: ReceiptMapping, reference_date: date | None) -> None:
        self.layout, self.kind, self.mapping = layout, kind, mapping
        self._codes = {f.id: _known_codes(f, layout) for f in kind.fields}
        self._date_readers = {
            f.id: cell_reader(f.model_copy(update={"blank": False}), layout, reference_date)
            for f in kind.fields
            if f.type in DATED
        }
        kanji = [(kind.offsets[f.id], f.length) for f in kind.fields if f.type is FieldType.KANJI]
        #: For the records of a fixed-width file.
        self.charset = CharsetCheck(kind.width, kanji)
        self._error_codes = {f.id: ErrorCodes(f, layout, reference_date) for f in _fields_of_file(layout, kind)}
        self._amount = layout.receipt["amount"].field
        schema = arrow_schema(Receipt)
        self._types = {name: schema.field(name).type for name in mapping.sources}
        self._rules = mapping.rules
        self._sums = {total.sum for total in layout.totals if total.sum} | {self._amount}

    def parse(self, rows: UInt8Array, suspects: Mapping[str, BoolArray | None]) -> ParsedBlock:
        """Parse and test records of this kind, uint8 (n, stride), of which some are suspect already, by field."""
        block = ParsedBlock(rows, np.ones(len(rows), np.bool_))
        for name, suspect in suspects.items():
            block.mark_suspect(name, suspect)
        for f in self.kind.fields:
            parsed, is_suspect = self._parse_field(f, rows)
            if codes := self._codes[f.id]:
                parsed.codes = index_of(rows, self.kind.offsets[f.id], f.length, codes)
                if f.codes and not f.open:
                    is_suspect = union(is_suspect, parsed.codes < 0)
            block.fields[f.id] = parsed
            block.mark_suspect(f.id, is_suspect)
        self._test_receipt(block)
        return block

    def _parse_field(self, f: Field, rows: UInt8Array) -> tuple[ParsedField, BoolArray | None]:
        """Parse one field, and return the records in which it is suspect.

        For a date of 6 digits that may be blank, and the cells ``080401``, six blanks, ``000000`` and ``08040X``, the
        numbers are 13970 (2008-04-01) and three times no date; the second and third are null, the fourth is suspect.
        """
        start, length = self.kind.offsets[f.id], f.length
        if f.const is not None:
            return ParsedField(), ~equals(rows, start, length, f.const.encode())
        if f.type in NUMERIC:
            return self._parse_digits(f, rows)
        if f.type in DATED:
            return self._parse_date(f, rows)
        if f.type is FieldType.KANJI:
            cells = cut(rows, start, used_length(rows, start, length))
            return ParsedField(cells), _suspect_texts(cells, self._encoding(f))
        return ParsedField(), None

    def _parse_digits(self, f: Field, rows: UInt8Array) -> tuple[ParsedField, BoolArray | None]:
        """Parse a number, or cut out the cells of a 番号; a field that nothing needs is only tested."""
        start, length = self.kind.offsets[f.id], f.length
        null = mask_of(equals(rows, start, length, b"")) if f.blank else None
        if f.none:
            null = union(null, equals(rows, start, length, f.none.encode()))
        parsed = ParsedField(null=null)
        if f.type in (FieldType.DIGITS, FieldType.BARCODE):
            parsed.cells = cut(rows, start, length)
            # Usually all are digits, which a single pass over the bytes shows.
            suspect = not_digits(rows, start, length) if (parsed.cells - np.uint8(ord("0"))).max() > 9 else None
        elif f.id in self._sums or f.id in self.layout.mapped:
            parsed.numbers, suspect = integer(rows, start, length)
        else:
            suspect = not_digits(rows, start, length)
        if f.type is FieldType.BARCODE:
            suspect = union(suspect, ~has_gs1_check_digit(rows, start, length))
        return parsed, without(suspect, null)

    def _parse_date(self, f: Field, rows: UInt8Array) -> tuple[ParsedField, BoolArray | None]:
        """Parse a date or a time; a date of zeros is null where the field may be blank."""
        start, length = self.kind.offsets[f.id], f.length
        null = mask_of(equals(rows, start, length, b"")) if f.blank else None
        written, suspect = integer(rows, start, length)
        if (meaningless := union(suspect, null)) is not None:
            written[meaningless] = 0
        suspect = without(suspect, null)
        if f.blank and f.type is FieldType.DATE:
            null = mask_of(written == 0)
        days = _days(written, length, self._date_readers[f.id])
        return ParsedField(numbers=days, null=null), union(suspect, without(days == _NO_DATE, null))

    def _encoding(self, f: Field) -> str:
        encoding = self.layout.encoding
        return "cp932" if f.type is FieldType.KANJI and encoding == "half-width" else encoding

    def _test_receipt(self, block: ParsedBlock) -> None:
        """Mark records that the mapping may reject.

        Those without a date or amount, with 0 or too many yen, with an unknown code or one of a manual receipt, and
        with a part of the fields that are required together. A record with an invalid field is not mapped, so only
        records that are valid so far are marked.
        """
        types, valid = field_types(Receipt), block.valid.copy()

        def mark(suspect: BoolArray | None) -> None:
            block.mark_suspect("", None if suspect is None else suspect & valid)

        for name, source in self.mapping.sources.items():
            if name in ("paid_on", "amount"):
                mark(self._null(source, block))
            if not source.field or source.field.startswith("header."):
                continue
            parsed = block.fields[source.field]
            kind = types.get(name)
            if name == "amount" and parsed.numbers is not None:
                is_correction = self._is_correction(block)
                mark((parsed.numbers == 0) & is_correction)
                block.zero = (parsed.numbers == 0) & ~is_correction & valid & self._is_payment(block)
            if isinstance(kind, Yen) and parsed.numbers is not None:
                mark(parsed.numbers > kind.max)
            if source.values:
                codes = self._codes[source.field]
                manual = [code for code, value in source.values.items() if value in MANUAL_KINDS]
                usual = [code for code in codes if not code or (code in source.values and code not in manual)]
                mark(~_has_code(parsed, codes, usual))
        for members in self.layout.together.values():
            is_missing = [self._is_missing(name, block) for name in members]
            mark(np.logical_or.reduce(is_missing) & ~np.logical_and.reduce(is_missing))
        if block.zero is not None:
            block.valid &= ~block.zero

    def _is_correction(self, block: ParsedBlock) -> BoolArray:
        """Whether each valid record may be a correction, which may have the amount 0."""
        source = self.mapping.sources.get("kind")
        if source is None or not source.values:
            values = [] if source is None else [source.const, *(rule.value for rule in source.rules)]
            return np.full(len(block.valid), ReceiptKind.CORRECTION in values)
        codes = [code for code, value in source.values.items() if value == ReceiptKind.CORRECTION]
        return _has_code(block.fields[source.field], self._codes[source.field], codes)

    def _is_missing(self, name: str, block: ParsedBlock) -> BoolArray:
        """Whether each record has no value of a canonical column."""
        source, nowhere = self.mapping.sources.get(name), np.zeros(len(block.valid), np.bool_)
        if source is not None and source.blank is not None:
            return nowhere
        null = ~nowhere if source is None else self._null(source, block)
        return nowhere if null is None else null

    def _null(self, source: Source, block: ParsedBlock) -> BoolArray | None:
        """Return the records in which all fields of a source are null."""
        masks = [block.fields[path].null for path in [source.field, *source.first] if path in block.fields]
        nulls = [null for null in masks if null is not None]
        return np.logical_and.reduce(nulls) if nulls and len(nulls) == len(masks) else None

    def paid(self, block: ParsedBlock) -> BoolArray:
        """Return the valid records that report a payment."""
        return block.valid & self._is_payment(block)

    def _is_payment(self, block: ParsedBlock) -> BoolArray:
        """Whether each valid record reports a payment."""
        if self._rules:
            return np.asarray(np.logical_or.reduce([self._meets(rule, block) for rule in self._rules]))
        if not self.layout.paid:
            return np.ones(len(block.valid), np.bool_)
        name, codes = self.layout.paid.field, self.layout.paid.codes
        return _has_code(block.fields[name], self._codes[name], codes)

    def amounts(self, block: ParsedBlock) -> Int64Array:
        """Return the yen of each record, int64 (n,); meaningless where it is suspect."""
        amounts = block.fields[self._amount].numbers
        assert amounts is not None
        return amounts

    def yen(self, block: ParsedBlock, chosen: BoolArray) -> int:
        """Return the sum of the yen of the chosen records, as far as they are not suspect because of it."""
        return int(self.amounts(block)[without(chosen, block.suspects.get(self._amount))].sum())

    def total(self, total: Total, block: ParsedBlock, chosen: BoolArray) -> int:
        """Return what the chosen records add to a declared total; the fields that it needs are valid in them."""
        return self.total_and_unsure(total, block, chosen)[0]

    def total_and_unsure(self, total: Total, block: ParsedBlock, chosen: BoolArray) -> tuple[int, int]:
        """Return what the chosen records add to a declared total, and how many of them may belong to it.

        A field for which a chosen record is suspect is invalid in it.
        """
        unsure = np.zeros(len(chosen), np.bool_)
        for name, codes in total.where.items():
            has_code = _has_code(block.fields[name], self._codes[name], codes)
            if name in block.suspects:
                unsure |= block.suspects[name]
                has_code = has_code | block.suspects[name]
            chosen = chosen & has_code
        if total.sum is None:
            return int(np.count_nonzero(chosen & ~unsure)), int(np.count_nonzero(chosen & unsure))
        parsed = block.fields[total.sum]
        assert parsed.numbers is not None
        if total.sum in block.suspects:
            unsure |= block.suspects[total.sum]
        exact = without(chosen & ~unsure, parsed.null)
        return int(parsed.numbers[exact].sum()), int(np.count_nonzero(chosen & unsure))

    def _meets(self, rule: Rule, block: ParsedBlock) -> BoolArray:
        """Whether each valid record meets a rule; a column that the file lacks is blank."""
        meets = np.ones(len(block.valid), np.bool_)
        for name, codes in rule.where.items():
            is_in_file = name in block.fields
            meets &= _has_code(block.fields[name], self._codes[name], codes) if is_in_file else "" in codes
        if rule.given:
            null = block.fields[rule.given].null if rule.given in block.fields else ~np.zeros_like(meets)
            meets &= np.True_ if null is None else ~null
        return meets

    def rejected(
        self, block: ParsedBlock, chosen: BoolArray, counted: frozenset[str], cells: CellsOf
    ) -> tuple[BoolArray, Counter[str]]:
        """Return which of the chosen records are certainly rejected because of fields or the amount 0, and the codes.

        Each field for which one of these records is suspect is invalid in it. The ``counted`` fields that are valid
        have a value. ``cells`` returns the cells of a field in some records.
        """
        rejected = chosen.copy()
        if "" in block.suspects:
            rejected &= ~block.suspects[""]
        for name in counted & block.fields.keys():
            if (null := block.fields[name].null) is not None:
                rejected &= ~null
        found: list[tuple[Int64Array, list[str]]] = []
        for name in block.suspects.keys() - {""}:
            rows = np.flatnonzero(block.suspects[name] & rejected)
            codes = self._error_codes[name].of_cells(cells(name, rows))
            rejected[rows] = np.array(codes, np.bool_)
            found.append((rows, codes))
        is_rejected = rejected.tolist()
        pairs = (pair for rows, codes in found for pair in zip(rows.tolist(), codes, strict=True))
        counts = Counter(code for row, code in pairs if is_rejected[row])
        if block.zero is not None and (zeros := int(np.count_nonzero(rejected & block.zero))):
            counts["AMOUNT_ZERO"] = zeros
        return rejected, counts

    def arrays(self, block: ParsedBlock, chosen: BoolArray | None, header: Mapping[str, Any]) -> dict[str, pa.Array]:
        """Return the canonical columns of the chosen records; of all if ``chosen`` is ``None``."""
        count = len(block.valid) if chosen is None else int(np.count_nonzero(chosen))

        def column(path: str, width: int = 0) -> pa.Array:
            if path.startswith("header."):
                return repeated(header.get(path.removeprefix("header.")), count)
            return self._column(path, block, chosen, width)

        columns = {}
        for name, source in self.mapping.sources.items():
            kind = self._types[name]
            if source.join:
                texts = [column(path).cast(pa.string()) for path in source.join]
                columns[name] = pc.binary_join_element_wise(*texts, joined_by(source))
            elif source.first:
                columns[name] = pc.coalesce(*map(column, source.first))
            elif source.rules:
                columns[name] = self._from_rules(block, chosen, kind)
            elif not source.field:
                columns[name] = repeated(source.const, count)
            elif source.values:
                columns[name] = self._from_codes(source, block.fields[source.field], chosen, kind)
            else:
                field_type = field_types(Receipt).get(name)
                width = field_type.width if isinstance(field_type, Digits) and field_type.zero_pad else 0
                columns[name] = column(source.field, width)
            if source.blank is not None and not source.values:
                columns[name] = pc.coalesce(columns[name], repeated(self.mapping.blank(name), count))
        return columns | self.mapping.key.arrays(column, header)

    def _column(self, path: str, block: ParsedBlock, chosen: BoolArray | None, width: int) -> pa.Array:
        """Return a field of the chosen records as the record decoder reads it, padded with zeros to ``width``."""
        f, parsed = self.kind.by_id[path], block.fields[path]
        has_value = None if parsed.null is None else ~_choose(parsed.null, chosen)
        if f.type in _ARROW_TYPES:
            return from_numpy(_choose(parsed.numbers, chosen), _ARROW_TYPES[f.type], has_value)
        cells, start = parsed.cells, self.kind.offsets[path]
        if cells is None:
            cells = cut(block.rows, start, used_length(block.rows, start, f.length), chosen)
        elif chosen is not None:
            cells = cut(cells, 0, cells.shape[1], chosen)
        if f.type in (FieldType.TEXT, FieldType.KANJI):
            return trimmed(cells, self._encoding(f))
        return string_array(zero_padded(cells, width), has_value)

    def _from_rules(self, block: ParsedBlock, chosen: BoolArray | None, kind: pa.DataType) -> pa.Array:
        """Return the value of the first rule that each record meets."""
        rule = np.select([self._meets(rule, block) for rule in self._rules], range(len(self._rules)), 0)
        values = array_of([rule.value for rule in self._rules], kind)
        return values.take(from_numpy(_choose(rule.astype(np.int8), chosen), pa.int8()))

    def _from_codes(self, source: Source, parsed: ParsedField, chosen: BoolArray | None, kind: pa.DataType) -> pa.Array:
        """Return the canonical values of the codes in a field."""
        known = self._codes[source.field]
        values = array_of([source.values.get(code, source.blank if not code else None) for code in known], kind)
        return values.take(from_numpy(_choose(parsed.codes, chosen), pa.int8()))


#: Returns the cells of a field in the records with these indexes.
CellsOf: TypeAlias = Callable[[str, Int64Array], list[bytes]]


class ErrorCodes:
    """Finds the codes for which cells of a field are rejected, where their issues are counted and not listed."""

    def __init__(self, f: Field, layout: Layout, reference_date: date | None) -> None:
        self._read = cell_reader(f, layout, reference_date)
        # Any other cell with a byte that is no digit is rejected for that byte.
        self._is_plain_number = f.type in NUMERIC and not (f.const or f.prefix or f.none or f.formatted)
        self._length = f.length
        self._known: dict[bytes, str] = {}

    def of_cells(self, cells: list[bytes]) -> list[str]:
        """Return the code of each cell; empty for a valid one, and for an unknown byte, which may reject the file."""
        return [self._code(cell) for cell in cells]

    def _code(self, cell: bytes) -> str:
        if self._is_plain_number and len(cell) <= self._length and not cell.isdigit() and cell.strip(b" "):
            return "NOT_DIGITS"
        code = self._known.get(cell)
        if code is None:
            try:
                self._read(cell, [])
                code = ""
            except InvalidInputError as error:
                code = error.issues[0].code
            if code == "BYTE_UNKNOWN":
                code = ""
            if len(self._known) < _MAX_KNOWN_CELLS:
                self._known[cell] = code
        return code


def _fields_of_file(layout: Layout, kind: RecordKind) -> list[Field]:
    """Return the fields of a kind as the layout has them; in a CSV those of ``kind`` have the width of a matrix."""
    return [layout.data.by_id[f.id] for f in kind.fields] if layout.csv else kind.fields


def supports_kind(layout: Layout, kind: RecordKind) -> bool:
    """Whether records of a kind can be read column by column."""
    amount = layout.receipt.get("amount")
    if amount is None or not amount.field or amount.field.startswith("header."):
        return False
    if layout.width is not None and (layout.encoding != "half-width" or layout.width < _MIN_WIDTH):
        return False
    paths = [path for source in layout.receipt.values() for path in [*source.first, source.field * bool(source.values)]]
    if any(path.startswith("header.") for path in paths):
        return False
    if not all(_supports_source(layout, kind, name) for name in layout.receipt):
        return False
    # A constant is tested on the bytes of a record, and has no column of its own.
    constants = [f for f in kind.fields if f.const is not None]
    if constants and (layout.csv or any(f.id in layout.mapped for f in constants)):
        return False
    return not any(
        f.prefix
        or f.zero_pad
        or f.formatted
        or f.format in VARIABLE_FORMATS
        or (f.format and not f.format.split()[-1].isalpha())
        or (f.type in (FieldType.NUMBER, FieldType.YEN) and f.length > MAX_DIGITS)
        for f in kind.fields
    )


def _supports_source(layout: Layout, kind: RecordKind, name: str) -> bool:
    """Whether the values of a canonical column are valid if its fields are, so that they need no further test."""
    source, rule = layout.receipt[name], field_types(Receipt).get(name)
    fields = [kind.by_id[path] for path in source.ids if path in kind.by_id]
    is_text = any(f.type in (FieldType.TEXT, FieldType.KANJI) for f in fields)
    if is_text and (isinstance(rule, Digits) or any(name in members for members in layout.together.values())):
        return False
    if source.join and isinstance(rule, Text):
        widest = sum(max(f.length, len(f.format or "")) for f in fields) + len(joined_by(source)) * (len(fields) - 1)
        return widest <= rule.width
    return not source.slice and not isinstance(rule, Names | Amounts)


def _known_codes(f: Field, layout: Layout) -> list[str]:
    """Return every code of a field that its layout uses; the empty text for a blank."""
    codes = list(f.codes) if not f.open else []
    codes += [code for total in layout.totals for code in total.where.get(f.id, [])]
    codes += layout.paid.codes if layout.paid and layout.paid.field == f.id else []
    rules = [rule for source in layout.receipt.values() for rule in source.rules]
    codes += [code for rule in rules for code in rule.where.get(f.id, [])]
    mapped = [source for source in layout.receipt.values() if source.values and source.field == f.id]
    codes += [code for source in mapped for code in source.values]
    if codes and (f.blank or f.type in (FieldType.TEXT, FieldType.KANJI)):
        codes.append("")
    return list(dict.fromkeys(codes))


def _has_code(parsed: ParsedField, known: list[str], codes: list[str]) -> BoolArray:
    """Whether the code of each record is one of some ``codes``, which are all ``known``."""
    assert parsed.codes is not None
    is_wanted = np.zeros(len(known) + 1, np.bool_)  # the last one for -1
    is_wanted[[known.index(code) for code in codes]] = True
    return is_wanted.take(parsed.codes)


def _choose(values: Any, chosen: BoolArray | None) -> Any:
    return values if values is None or chosen is None else values[chosen]


def _days(written: Int64Array, length: int, read: CellReader) -> npt.NDArray[np.int32]:
    """Convert dates as written, such as 20260401, to days since 1970, and times to seconds of the day, int32 (n,).

    The reader of the record decoder is called for each distinct number, of which a file has few; what it rejects
    becomes ``_NO_DATE``.
    """

    def day(number: int) -> int:
        try:
            value = read(f"{number:0{length}d}".encode(), [])
        except InvalidInputError:
            value = None
        return _NO_DATE if value is None else as_int(value)

    distinct = from_numpy(written, pa.int64()).dictionary_encode()
    days = np.array([day(number) for number in distinct.dictionary.to_pylist()], np.int32)
    return days.take(buffer_view(distinct.indices, np.int32))


def _suspect_texts(cells: UInt8Array, encoding: str) -> BoolArray | None:
    """Return the cells with an invalid byte, a control character or a 外字."""
    if cells.max() < 0x7F and cells.min() >= 0x20:
        return None
    # Most columns have few distinct texts, such as the names of stores.
    texts = pa.Array.from_buffers(pa.binary(cells.shape[1]), len(cells), [None, pa.py_buffer(cells)])
    texts = texts.dictionary_encode()
    is_suspect = np.array([_is_suspect(text, encoding) for text in texts.dictionary.to_pylist()])
    return np.asarray(is_suspect[buffer_view(texts.indices, np.int32)])


def _is_suspect(text: bytes, encoding: str) -> bool:
    try:
        return bool(_SUSPECT.search(text.decode(encoding)))
    except UnicodeDecodeError:
        return True
