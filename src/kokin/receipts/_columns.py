"""Detail records by the thousand: what is plainly good is read here in columns, the rest is left to the record reader.

A record that passes every test here is one that :mod:`kokin.receipts._decode` reads without an issue, and it gives the
same values; a record that fails one may still be good (a blank where zeros are usual), so it is handed back and never
judged here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kokin._arrow import buffer_view, from_numpy
from kokin.issues import InvalidInputError
from kokin.model import Digits, Receipt, Yen, arrow_schema, field_types
from kokin.receipts import _arrow as arrow
from kokin.receipts._canonical import BY_HAND, ReceiptMapping
from kokin.receipts._values import Reader, reader
from kokin.receipts._words import (
    LEAST_STRIDE,
    Bytes,
    LegalTest,
    Mask,
    cells_not_digits,
    cut,
    equals,
    fits_gs1,
    integer,
    not_digits,
    used,
    which,
)
from kokin.receipts.layouts import Field, FieldType, Layout, RecordKind, Rule, Source, Total

_UNKNOWN, _NONE = np.iinfo(np.int32).min, np.iinfo(np.int32).min + 1
# What a two-byte field may hold and yet needs a closer look: control characters and the private area.
_SUSPECT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\uf8ff]")
_NUMERIC = (FieldType.DIGITS, FieldType.NUMBER, FieldType.YEN, FieldType.BARCODE)
_DATED = (FieldType.DATE, FieldType.TIME)
_NUMBERS = {
    FieldType.NUMBER: pa.int64(),
    FieldType.YEN: pa.int64(),
    FieldType.DATE: pa.date32(),
    FieldType.TIME: pa.time32("s"),
}
_MOST_DIGITS = 18
# A newline of two bytes may be part of the width.
_LEAST_WIDTH = LEAST_STRIDE + 2


@dataclass
class Parsed:
    """One field of n records: its cells or its numbers where they are asked for, and where it says nothing."""

    cells: Bytes | None = None
    numbers: npt.NDArray[Any] | None = None
    null: Mask | None = None
    codes: npt.NDArray[np.int8] | None = None
    """Which of the field's known codes stands there, from 0; -1 for none of them."""


@dataclass
class Run:
    """What becomes of n detail records in a row: masks over them, and their fields."""

    rows: Bytes
    good: Mask
    """Plainly good; the others must be read one by one."""
    parsed: dict[str, Parsed] = field(default_factory=dict)
    doubts: dict[str, Mask] = field(default_factory=dict)
    """By field, where it is not plainly good; under the empty name, where the record as a whole is not."""

    def doubt(self, name: str, wrong: Mask | None) -> None:
        """Take records in which a field is not plainly good out of the good ones."""
        if wrong is not None and wrong.any():
            self.good &= ~wrong
            self.doubts[name] = self.doubts[name] | wrong if name in self.doubts else wrong

    def doubtful(self, at: int) -> frozenset[str]:
        """The fields of a record that alone are not plainly good; none where that cannot be said."""
        names = frozenset(name for name, wrong in self.doubts.items() if wrong[at])
        return names if "" not in names else frozenset()


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
            new = at[unknown]
            for value in np.unique(new[np.diff(new, prepend=-1) != 0]).tolist():
                self._days[value] = self._day(value + self._base)
            days = self._days.take(at)
        days[outside] = _NONE
        return days

    def _day(self, value: int) -> int:
        try:
            day = self._read(f"{value:0{self._length}d}".encode(), [])
        except InvalidInputError:
            day = None
        return int(_NONE) if day is None else arrow.as_number(day)


class ColumnReader:
    """Reads detail records of one kind. ``kind`` must be one that :func:`can_read` says yes to."""

    def __init__(self, layout: Layout, kind: RecordKind, mapping: ReceiptMapping, reference_date: date | None) -> None:
        self.layout, self.kind, self.mapping = layout, kind, mapping
        self._codes = {f.id: _known_codes(f, layout) for f in kind.fields}
        self._calendars = {
            f.id: _Calendar(f, reader(f.model_copy(update={"blank": False}), layout, reference_date))
            for f in kind.fields
            if f.type in _DATED
        }
        kanji = [(kind.offsets[f.id], f.length) for f in kind.fields if f.type is FieldType.KANJI]
        #: For the records of a fixed-length file.
        self.legal = LegalTest(kind.width, kanji)
        self._amount = layout.receipt["amount"].field
        types = arrow_schema(Receipt)
        self._types = {name: types.field(name).type for name in mapping.sources}
        kind_source = mapping.sources.get("kind")
        self._rules = kind_source.rules if kind_source else []
        self._sums = {total.sum for total in layout.totals if total.sum} | {self._amount}

    def parse(self, rows: Bytes, suspect: Mask | None = None) -> Run:
        """Test and read ``rows``, all of this kind; ``suspect`` are records that are known not to be plainly good."""
        run = Run(rows, np.ones(len(rows), np.bool_))
        run.doubt("", suspect)
        for f in self.kind.fields:
            run.parsed[f.id] = self._field(f, run)
        self._check_canonical(run)
        return run

    def paid(self, run: Run) -> Mask:
        """Which of the plainly good records report a payment."""
        if self._rules:
            any_rule: Mask = np.logical_or.reduce([self._meets(rule, run) for rule in self._rules])
            return run.good & any_rule
        if not self.layout.paid:
            return run.good
        name, codes = self.layout.paid.field, self.layout.paid.codes
        return run.good & _one_of(run.parsed[name], self._codes[name], codes)

    def amounts(self, run: Run) -> npt.NDArray[np.int64]:
        """The yen of each record; meaningless where it is not plainly good."""
        amounts = run.parsed[self._amount].numbers
        assert amounts is not None
        return amounts

    def _field(self, f: Field, run: Run) -> Parsed:
        """Read one field, and doubt the records in which it is not plainly good."""
        rows, start, length = run.rows, self.kind.offsets[f.id], f.length
        parsed = Parsed()
        if f.const is not None:
            run.doubt(f.id, ~equals(rows, start, length, f.const.encode()))
            return parsed
        if f.type in _NUMERIC or f.type in _DATED:
            if f.blank and (blank := equals(rows, start, length, b"")).any():
                parsed.null = blank
            wrong = self._digits(f, rows, parsed)
            if wrong is not None and parsed.null is not None:
                wrong &= ~parsed.null
            run.doubt(f.id, wrong)
            if f.none and f.type in _NUMERIC:
                none = equals(rows, start, length, f.none.encode())
                parsed.null = none if parsed.null is None else parsed.null | none
        if codes := self._codes[f.id]:
            parsed.codes = which(rows, start, length, codes)
            if f.codes and not f.open:
                run.doubt(f.id, parsed.codes < 0)
        if f.type in _DATED:
            self._dated(f, run, parsed)
        elif f.type is FieldType.BARCODE:
            unfit = ~fits_gs1(rows, start, length)
            run.doubt(f.id, unfit if parsed.null is None else unfit & ~parsed.null)
        elif f.type is FieldType.KANJI:
            parsed.cells = cut(rows, start, used(rows, start, length))
            run.doubt(f.id, _suspects(parsed.cells, self._encoding(f)))
        return parsed

    def _encoding(self, f: Field) -> str:
        kanji = f.type is FieldType.KANJI and self.layout.encoding == "half-width"
        return "cp932" if kanji else self.layout.encoding

    def _digits(self, f: Field, rows: Bytes, parsed: Parsed) -> Mask | None:
        """Read digits as cells or as numbers; in which records something else stands there."""
        start, length = self.kind.offsets[f.id], f.length
        if f.type in (FieldType.DIGITS, FieldType.BARCODE):
            parsed.cells = cut(rows, start, length)
            return cells_not_digits(parsed.cells)
        if f.type in _DATED or f.id in self._sums or f.id in self.layout.mapped:
            parsed.numbers, wrong = integer(rows, start, length)
            return wrong
        return not_digits(rows, start, length)

    def _dated(self, f: Field, run: Run, parsed: Parsed) -> None:
        """Numbers as they are written to days or seconds."""
        written = parsed.numbers
        assert written is not None
        for wrong in (run.doubts.get(f.id), parsed.null):
            if wrong is not None:
                written[wrong] = 0
        if f.blank and f.type is FieldType.DATE and (zero := written == 0).any():
            parsed.null = zero
        parsed.numbers = self._calendars[f.id].days(written)
        wrong = parsed.numbers == _NONE
        run.doubt(f.id, wrong if parsed.null is None else wrong & ~parsed.null)

    def _check_canonical(self, run: Run) -> None:
        """Doubt what a receipt may not hold: no day, no amount, too many yen, a number in part, nobody who answers."""
        known = field_types(Receipt)
        for name, source in self.mapping.sources.items():
            if name in ("paid_on", "amount"):
                run.doubt("", self._null(source, run))
            if not source.field or source.field.startswith("header."):
                continue
            parsed = run.parsed[source.field]
            if name == "amount" and parsed.numbers is not None:
                run.doubt("", parsed.numbers == 0)
            kind = known.get(name)
            if isinstance(kind, Yen) and parsed.numbers is not None:
                run.doubt("", parsed.numbers > kind.max)
            if source.values:
                codes = self._codes[source.field]
                by_hand = [code for code, value in source.values.items() if value in BY_HAND]
                taken = [code for code in codes if not code or (code in source.values and code not in by_hand)]
                run.doubt("", ~_one_of(parsed, codes, taken))
        for members in self.layout.together.values():
            missing = [self._missing(name, run) for name in members]
            run.doubt("", np.logical_or.reduce(missing) & ~np.logical_and.reduce(missing))

    def _missing(self, name: str, run: Run) -> Mask:
        """In which records a canonical value is not given."""
        source = self.mapping.sources.get(name)
        if source is None:
            return np.ones(len(run.good), np.bool_)
        null = self._null(source, run)
        return np.zeros(len(run.good), np.bool_) if null is None else null

    def _null(self, source: Source, run: Run) -> Mask | None:
        """In which records all fields of a source are empty; ``None`` where that cannot be."""
        empty = [run.parsed[path].null for path in [source.field, *source.first] if path in run.parsed]
        nulls = [null for null in empty if null is not None]
        return np.logical_and.reduce(nulls) if nulls and len(nulls) == len(empty) else None

    def _meets(self, rule: Rule, run: Run) -> Mask:
        """Which records meet a rule, of those that are plainly good; a column that the file lacks is blank."""
        meets = np.ones(len(run.good), np.bool_)
        for name, codes in rule.where.items():
            meets &= _one_of(run.parsed[name], self._codes[name], codes) if name in run.parsed else "" in codes
        if rule.given:
            null = run.parsed[rule.given].null if rule.given in run.parsed else ~np.zeros_like(meets)
            meets &= np.True_ if null is None else ~null
        return meets

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

    def arrays(self, run: Run, chosen: Mask | None, header: Mapping[str, Any]) -> dict[str, pa.Array]:
        """The canonical columns of the chosen records (all where ``chosen`` is ``None``)."""
        count = len(run.good) if chosen is None else int(np.count_nonzero(chosen))
        columns = {}
        for name, source in self.mapping.sources.items():
            kind = self._types[name]
            if source.join:
                parts = [self._column(path, run, chosen, count, header).cast(pa.string()) for path in source.join]
                columns[name] = pc.binary_join_element_wise(*parts, "-")
            elif source.first:
                columns[name] = pc.coalesce(*[self._column(path, run, chosen, count, header) for path in source.first])
            elif source.rules:
                columns[name] = self._from_rules(run, chosen, kind)
            elif not source.field:
                columns[name] = arrow.same(source.const, count)
            elif source.values:
                columns[name] = self._from_codes(source, run.parsed[source.field], chosen, kind)
            else:
                wanted = field_types(Receipt).get(name)
                width = wanted.width if isinstance(wanted, Digits) and wanted.zero_pad else 0
                columns[name] = self._column(source.field, run, chosen, count, header, width)
        return columns | self.mapping.key.arrays(lambda path: self._column(path, run, chosen, count, header), header)

    def _from_rules(self, run: Run, chosen: Mask | None, kind: pa.DataType) -> pa.Array:
        """The value of the first rule that each record meets."""
        rule = np.select([self._meets(rule, run) for rule in self._rules], range(len(self._rules)), 0)
        values = arrow.few([rule.value for rule in self._rules], kind)
        return values.take(from_numpy(_chosen(rule.astype(np.int8), chosen), pa.int8()))

    def _column(
        self, path: str, run: Run, chosen: Mask | None, count: int, header: Mapping[str, Any], width: int = 0
    ) -> pa.Array:
        """A field of the chosen records as the record reader would give it, padded to ``width`` with zeros."""
        if path.startswith("header."):
            return arrow.same(header.get(path.removeprefix("header.")), count)
        f, parsed = self.kind.by_id[path], run.parsed[path]
        known = None if parsed.null is None else ~_chosen(parsed.null, chosen)
        if f.type in _NUMBERS:
            return from_numpy(_chosen(parsed.numbers, chosen), _NUMBERS[f.type], known)
        cells, start = parsed.cells, self.kind.offsets[path]
        if cells is None:
            cells = cut(run.rows, start, used(run.rows, start, f.length), chosen)
        elif chosen is not None:
            cells = cut(cells, 0, cells.shape[1], chosen)
        if f.type in (FieldType.TEXT, FieldType.KANJI):
            return arrow.trimmed(cells, self._encoding(f))
        return arrow.texts(arrow.zero_filled(cells, width), known)

    def _from_codes(self, source: Source, parsed: Parsed, chosen: Mask | None, kind: pa.DataType) -> pa.Array:
        """Canonical values by the code that stands in a field."""
        known = self._codes[source.field]
        values = arrow.few([source.values.get(code, source.blank if not code else None) for code in known], kind)
        return values.take(from_numpy(_chosen(parsed.codes, chosen), pa.int8()))


def can_read(layout: Layout, kind: RecordKind) -> bool:
    """Whether records of a kind can be read in columns; if not, the record reader takes them all."""
    amount = layout.receipt.get("amount")
    if amount is None or not amount.field or amount.field.startswith("header."):
        return False
    if layout.width is not None and (layout.encoding != "half-width" or layout.width < _LEAST_WIDTH):
        return False
    if any(source.values and source.field.startswith("header.") for source in layout.receipt.values()):
        return False
    if any(path.startswith("header.") for source in layout.receipt.values() for path in source.first):
        return False
    # A constant is tested on the bytes of a record, and has no column of its own.
    consts = [f for f in kind.fields if f.const is not None]
    if consts and (layout.csv or any(f.id in layout.mapped for f in consts)):
        return False
    return all(_can_read(f) for f in kind.fields)


def _can_read(f: Field) -> bool:
    if f.prefix or (f.format and not f.format.split()[-1].isalpha()):
        return False
    return f.type not in (FieldType.NUMBER, FieldType.YEN) or f.length <= _MOST_DIGITS


def _known_codes(f: Field, layout: Layout) -> list[str]:
    """Every code of a field that anything asks for; the empty text for a blank."""
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


def _one_of(parsed: Parsed, known: list[str], codes: list[str]) -> Mask:
    assert parsed.codes is not None
    wanted = np.zeros(len(known) + 1, np.bool_)  # the last one for -1
    wanted[[known.index(code) for code in codes]] = True
    return wanted.take(parsed.codes)


def _chosen(values: Any, chosen: Mask | None) -> Any:
    return values if values is None or chosen is None else values[chosen]


def _suspects(cells: Bytes, encoding: str) -> Mask | None:
    """Which fields hold what is not plainly text: bytes of no character, a control character, a 外字."""
    if cells.max() < 0x7F and cells.min() >= 0x20:
        return None
    # Most columns have few texts, such as the names of stores.
    texts = pa.Array.from_buffers(pa.binary(cells.shape[1]), len(cells), [None, pa.py_buffer(cells)])
    texts = texts.dictionary_encode()
    suspects = np.array([_is_suspect(text, encoding) for text in texts.dictionary.to_pylist()])
    return np.asarray(suspects[buffer_view(texts.indices, np.int32)])


def _is_suspect(text: bytes, encoding: str) -> bool:
    try:
        return _SUSPECT.search(text.decode(encoding)) is not None
    except UnicodeDecodeError:
        return True
