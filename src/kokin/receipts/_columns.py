"""Detail records by the thousand: what is plainly good is read here in columns, the rest is left to the record reader.

A record that passes every test here is one that :mod:`kokin.receipts._decode` reads without an issue, and it gives the
same values; a record that fails one may still be good (a blank where zeros are usual), so it is handed back and never
judged here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin.issues import RefusedError
from kokin.model import Digits, Receipt, ReceiptKind, Yen, kinds, schema
from kokin.receipts import _arrow as arrow
from kokin.receipts._canonical import ReceiptMapping
from kokin.receipts._values import Reader, reader
from kokin.receipts._words import (
    SPARE,
    Bytes,
    Mask,
    RowTest,
    digits_or_blank,
    equals,
    integer,
    which,
)
from kokin.receipts.layouts import Field, FieldType, Layout, RecordKind, Source, Total

_UNKNOWN, _NONE = np.iinfo(np.int32).min, np.iinfo(np.int32).min + 1
_EPOCH = date(1970, 1, 1)
# What a two-byte field may hold and yet needs a closer look: control characters and the private area.
_SUSPECT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\uf8ff]")
_NUMERIC = (FieldType.DIGITS, FieldType.NUMBER, FieldType.YEN, FieldType.BARCODE)
_DATED = (FieldType.DATE, FieldType.TIME)
_MOST_DIGITS = 18
# These need an actor and a reason, which is for the record reader to see to.
_BY_HAND = frozenset(kind.value for kind in ReceiptKind if kind.is_by_hand)


@dataclass
class Parsed:
    """One field of n records: its numbers where it has such, and where it says nothing."""

    numbers: npt.NDArray[Any] | None = None
    null: Mask | None = None
    codes: npt.NDArray[np.int8] | None = None
    """Which of the field's known codes stands there, from 0; -1 for none of them."""


@dataclass
class Run:
    """What became of n detail records in a row: masks and indices over them."""

    good: Mask
    """Plainly good; the others must be read one by one."""
    paid: Mask
    amounts: npt.NDArray[np.int64]
    parsed: dict[str, Parsed]


class _Calendar:
    """Numbers as they are written to days since 1970 (or seconds of a day), filled in as they come up.

    A file has few days, so the record reader's own function is asked once for each.
    """

    def __init__(self, field: Field, read: Reader) -> None:
        self._read, self._length = read, field.length
        # Eight digits would be a table too long; what lies outside 1900-2099 is read one by one.
        self._base, size = (19_000_000, 2_000_000) if field.length == 8 else (0, min(10**field.length, 6_000_000))
        self._days = np.full(size, _UNKNOWN, np.int32)

    def days(self, written: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Days or seconds; :data:`_NONE` for what is no day."""
        at = written - self._base
        outside = (at < 0) | (at >= len(self._days))
        at[outside] = 0
        days = self._days.take(at)
        unknown = days == _UNKNOWN
        if unknown.any():
            for value in np.unique(at[unknown]).tolist():
                self._days[value] = self._day(value + self._base)
            days = self._days.take(at)
        days[outside] = _NONE
        return days

    def _day(self, value: int) -> int:
        try:
            day = self._read(f"{value:0{self._length}d}".encode(), [])
        except RefusedError:
            return int(_NONE)
        match day:
            case date():
                return (day - _EPOCH).days
            case time():
                return day.hour * 3600 + day.minute * 60 + day.second
        return int(_NONE)


class ColumnReader:
    """Reads detail records of one kind. ``kind`` must be one that :func:`can_read` says yes to."""

    def __init__(
        self, layout: Layout, kind: RecordKind, mapping: ReceiptMapping, reference_date: date | None, stride: int
    ) -> None:
        self.layout, self.kind, self.mapping = layout, kind, mapping
        self._codes = {f.id: _known_codes(f, layout) for f in kind.fields}
        self._calendars = {
            f.id: _Calendar(f, reader(f.model_copy(update={"blank": False}), layout, reference_date))
            for f in kind.fields
            if f.type in _DATED
        }
        plain = [f for f in kind.fields if _is_plain_digits(f)]
        self._test = RowTest(
            stride,
            [(kind.offsets[f.id], f.length) for f in plain],
            [(kind.offsets[f.id], f.const.encode()) for f in kind.fields if f.const is not None],
        )
        self._utf_8 = layout.encoding == "utf-8"
        self._amount = layout.receipt["amount"].field
        types = schema(Receipt)
        self._types = {name: types.field(name).type for name in mapping.sources}
        self._sums = {total.sum for total in layout.totals if total.sum} | {self._amount}

    def parse(self, rows: Bytes, suspect: Mask | None = None) -> Run:
        """Test and read ``rows``: uint8 (n, stride), each record at :data:`SPARE`, all of this kind.

        ``suspect`` are records that are known not to be plainly good.
        """
        bad = self._test.bad_rows(rows)
        good: Mask = np.ones(len(rows), np.bool_) if bad is None else ~bad
        if suspect is not None:
            good &= ~suspect
        parsed = {f.id: self._field(f, rows, good) for f in self.kind.fields if f.const is None}
        self._check_canonical(parsed, good)
        paid = good.copy()
        if self.layout.paid:
            wanted = self._codes[self.layout.paid.field]
            paid &= _one_of(parsed[self.layout.paid.field], wanted, self.layout.paid.codes)
        amounts = parsed[self._amount].numbers
        assert amounts is not None
        return Run(good, paid, amounts, parsed)

    def _field(self, field: Field, rows: Bytes, good: Mask) -> Parsed:
        """Read one field; records in which it is not plainly good are taken out of ``good``."""
        start, length = self.kind.offsets[field.id], field.length
        parsed = Parsed()
        if field.type in _NUMERIC or field.type in _DATED:
            if field.blank:
                digits, blank = digits_or_blank(rows, start, length)
                good &= digits | blank
                parsed.null = blank
            if field.none and field.type in _NUMERIC:
                none = equals(rows, start, length, field.none.encode())
                parsed.null = none if parsed.null is None else parsed.null | none
        if codes := self._codes[field.id]:
            parsed.codes = which(rows, start, length, codes)
            if field.codes and not field.open:
                good &= parsed.codes >= 0
        match field.type:
            case FieldType.NUMBER | FieldType.YEN if field.id in self._sums or field.id in self.layout.mapped:
                parsed.numbers = integer(rows, start, length)
            case FieldType.DATE | FieldType.TIME:
                self._dated(field, rows, good, parsed)
            case FieldType.BARCODE:
                good &= _barcodes_fit(rows, start) | (parsed.null if parsed.null is not None else False)
            case FieldType.KANJI:
                good &= ~_suspects(rows[:, SPARE + start : SPARE + start + length], "utf-8" if self._utf_8 else "cp932")
        return parsed

    def _dated(self, field: Field, rows: Bytes, good: Mask, parsed: Parsed) -> None:
        written = integer(rows, self.kind.offsets[field.id], field.length)
        if field.blank and field.type is FieldType.DATE:
            assert parsed.null is not None
            parsed.null |= written == 0
        written[~good] = 0
        days = self._calendars[field.id].days(written)
        wrong = days == _NONE
        if parsed.null is not None:
            wrong &= ~parsed.null
        good &= ~wrong
        parsed.numbers = days

    def _check_canonical(self, parsed: Mapping[str, Parsed], good: Mask) -> None:
        """Take out what a receipt may not hold: no day, no amount, too many yen, a number in part."""
        known = kinds(Receipt)
        for name, source in self.mapping.sources.items():
            if not source.field or source.field.startswith("header."):
                continue
            field = parsed[source.field]
            if name in ("paid_on", "amount") and field.null is not None:
                good &= ~field.null
            kind = known.get(name)
            if isinstance(kind, Yen) and field.numbers is not None:
                good &= field.numbers <= kind.most
            if source.values:
                wanted = [code for code, value in source.values.items() if value in _BY_HAND]
                good &= ~_one_of(field, self._codes[source.field], wanted)
        for members in self.layout.together.values():
            missing = [self._missing(name, parsed, len(good)) for name in members]
            good &= np.logical_and.reduce(missing) | ~np.logical_or.reduce(missing)

    def _missing(self, name: str, parsed: Mapping[str, Parsed], count: int) -> Mask:
        """In which records a canonical value is not given."""
        source = self.mapping.sources.get(name)
        if source is None:
            return np.ones(count, np.bool_)
        null = parsed[source.field].null if source.field in parsed else None
        return np.zeros(count, np.bool_) if null is None else null

    def total(self, total: Total, run: Run) -> int:
        """What the plainly good records add to a declared total."""
        chosen = run.good
        for name, codes in total.where.items():
            chosen = chosen & _one_of(run.parsed[name], self._codes[name], codes)
        if total.sum is None:
            return int(np.count_nonzero(chosen))
        numbers = run.parsed[total.sum].numbers
        assert numbers is not None
        null = run.parsed[total.sum].null
        chosen = chosen if null is None else chosen & ~null
        return int(numbers[chosen].sum())

    def arrays(
        self, rows: Bytes, run: Run, chosen: npt.NDArray[np.intp] | None, header: Mapping[str, Any]
    ) -> dict[str, pa.Array]:
        """The canonical columns of the chosen records (all where ``chosen`` is ``None``)."""
        if chosen is not None:
            rows = rows[chosen]
        columns = {}
        for name, source in self.mapping.sources.items():
            columns[name] = self._column(name, source, self._types[name], rows, run, chosen, header)
        return columns

    def _column(
        self,
        name: str,
        source: Source,
        kind: pa.DataType,
        rows: Bytes,
        run: Run,
        chosen: npt.NDArray[np.intp] | None,
        header: Mapping[str, Any],
    ) -> pa.Array:
        if source.join:
            parts = [self._field_column(path, rows, run, chosen, header).cast(pa.string()) for path in source.join]
            return pc.binary_join_element_wise(*parts, "-")
        if not source.field:
            return arrow.same(source.const, len(rows), kind)
        if source.values:
            return self._from_codes(source, run.parsed[source.field], chosen, kind)
        column = self._field_column(source.field, rows, run, chosen, header)
        wanted = kinds(Receipt).get(name)
        if isinstance(wanted, Digits) and wanted.pad and not source.field.startswith("header."):
            missing = wanted.width - self.kind.by_id[source.field].length
            if missing:
                column = pc.binary_join_element_wise("0" * missing, column, "")
        return column

    def _field_column(
        self, path: str, rows: Bytes, run: Run, chosen: npt.NDArray[np.intp] | None, header: Mapping[str, Any]
    ) -> pa.Array:
        """A field of the chosen records as the record reader would give it."""
        if path.startswith("header."):
            value = header.get(path.removeprefix("header."))
            return arrow.same(value, len(rows), pa.scalar(value).type if value is not None else pa.null())
        field, parsed = self.kind.by_id[path], run.parsed[path]
        null = _chosen(parsed.null, chosen)
        match field.type:
            case FieldType.NUMBER | FieldType.YEN:
                return arrow.numbers(_chosen(parsed.numbers, chosen), pa.int64(), null)
            case FieldType.DATE:
                return arrow.numbers(_chosen(parsed.numbers, chosen), pa.date32(), null)
            case FieldType.TIME:
                return arrow.numbers(_chosen(parsed.numbers, chosen), pa.time32("s"), null)
        start = SPARE + self.kind.offsets[field.id]
        cells = rows[:, start : start + field.length]
        if field.type in (FieldType.TEXT, FieldType.KANJI):
            return arrow.trimmed(cells, utf_8=self._utf_8)
        column = arrow.texts(cells)
        return column if null is None else pc.if_else(arrow.booleans(null), pa.scalar(None, pa.string()), column)

    def _from_codes(
        self, source: Source, parsed: Parsed, chosen: npt.NDArray[np.intp] | None, kind: pa.DataType
    ) -> pa.Array:
        """Canonical values by the code that stands in a field."""
        known = self._codes[source.field]
        values = pa.array([source.values.get(code, source.blank if not code else None) for code in known], kind)
        codes = _chosen(parsed.codes, chosen)
        return values.take(arrow.numbers(codes, pa.int8()))


def can_read(layout: Layout, kind: RecordKind) -> bool:
    """Whether records of a kind can be read in columns; if not, the record reader takes them all."""
    amount = layout.receipt.get("amount")
    if amount is None or not amount.field or amount.field.startswith("header."):
        return False
    if layout.format == "fixed" and layout.encoding != "half-width":
        return False
    if any(source.values and source.field.startswith("header.") for source in layout.receipt.values()):
        return False
    # A constant is tested on the bytes of a record, and has no column of its own.
    consts = [field for field in kind.fields if field.const is not None]
    if consts and (layout.csv or any(field.id in layout.mapped for field in consts)):
        return False
    return all(_can_read(field) for field in kind.fields)


def _can_read(field: Field) -> bool:
    if field.prefix or (field.format and not field.format.removeprefix("wareki ").isalpha()):
        return False
    return field.type not in (FieldType.NUMBER, FieldType.YEN) or field.length <= _MOST_DIGITS


def _is_plain_digits(field: Field) -> bool:
    return field.const is None and not field.blank and (field.type in _NUMERIC or field.type in _DATED)


def _known_codes(field: Field, layout: Layout) -> list[str]:
    """Every code of a field that anything asks for; the empty text for a blank."""
    codes = list(field.codes) if not field.open else []
    codes += [code for total in layout.totals for code in total.where.get(field.id, [])]
    codes += layout.paid.codes if layout.paid and layout.paid.field == field.id else []
    mapped = [source for source in layout.receipt.values() if source.values and source.field == field.id]
    codes += [code for source in mapped for code in source.values]
    if codes and (field.blank or field.type in (FieldType.TEXT, FieldType.KANJI)):
        codes.append("")
    return list(dict.fromkeys(codes))


def _one_of(parsed: Parsed, known: list[str], codes: list[str]) -> Mask:
    assert parsed.codes is not None
    wanted = np.zeros(len(known) + 1, np.bool_)  # the last one for -1
    wanted[[known.index(code) for code in codes]] = True
    return wanted.take(parsed.codes)


def _chosen(values: Any, chosen: npt.NDArray[np.intp] | None) -> Any:
    return values if values is None or chosen is None else values[chosen]


def _barcodes_fit(rows: Bytes, start: int) -> Mask:
    """Whether the check digit of each barcode fits: 44 digits, weights 3 and 1 from the right, none for the last."""
    digits = rows[:, SPARE + start : SPARE + start + 44].astype(np.int32)
    total = 3 * digits[:, 42::-2].sum(axis=1) + digits[:, 41::-2].sum(axis=1) + digits[:, 43] - 48 * (3 * 22 + 21 + 1)
    fits: Mask = total % 10 == 0
    return fits


def _suspects(cells: Bytes, encoding: str) -> Mask:
    """Which fields hold what is not plainly text: bytes of no character, a control character, a 外字."""
    suspects = np.zeros(len(cells), np.bool_)
    if not len(cells) or (cells.max() < 0x7F and cells.min() >= 0x20):
        return suspects
    content, width = cells.tobytes(), cells.shape[1]
    for i in np.flatnonzero(((cells >= 0x7F) | (cells < 0x20)).any(axis=1)).tolist():
        try:
            text = content[i * width : (i + 1) * width].decode(encoding)
        except UnicodeDecodeError:
            suspects[i] = True
        else:
            suspects[i] = _SUSPECT.search(text) is not None
    return suspects
