"""The rule by which an authority numbers its slips (付番): case key, bill_id and barcode from the fields of a debt."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Self, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BeforeValidator, Field, model_validator

from kokin._arrow.column_checks import IssueBuilder, digits_column
from kokin._arrow.convert import (
    Int64Array,
    UInt8Array,
    bool_array,
    combine,
    int64_array,
    is_valid,
    string_array,
    text_buffers,
    to_mask,
    to_numpy,
)
from kokin._arrow.digits import to_digits
from kokin._arrow.validate import field_column
from kokin.issues import InvalidInputError, Issue
from kokin.model import Bill, Digits, Record, arrow_schema, field_types
from kokin.slips import gs1_128
from kokin.text import load_toml, located_in

#: The number of digits of a case key, a confirmation number, and the free field of a barcode.
KEY_DIGITS, CONFIRMATION_DIGITS, FREE_DIGITS = 20, 6, 21

_CONFIRMATIONS = 10**CONFIRMATION_DIGITS
# Numbers below this limit are as many for each remainder of a division by _CONFIRMATIONS.
_DRAW_LIMIT = 2**32 - 2**32 % _CONFIRMATIONS
_CONSTANT_STEP, _SEQUENCE = 111_111, 123_456

# Fields of a debt that a template can have, with their widths; None: the template must state the width.
_DEBT_FIELDS: dict[str, int | None] = {
    "payee_code": 5,
    "office_code": 3,
    "item_code": 3,
    "levy_year": 4,
    "tax_year": 4,
    "period": 2,
    "virtual_account": 10,
    "obligation_id": None,
    "customer_number": None,
    "payer_key": None,
    "issue_no": None,
}
_DEBT_NUMBERS = ("obligation_id", "customer_number")
_KEY_FIELDS = {**_DEBT_FIELDS, "serial": None, "check": 1}
_FREE_FIELDS = {**_DEBT_FIELDS, "case_key": None}
_ID_FIELDS = {**_DEBT_FIELDS, "serial": None, "case_key": KEY_DIGITS}
# int64 has no more digits.
_MAX_SERIAL_DIGITS = 18

_ELEMENT = re.compile(r"\{([a-z_]+)(?::([1-9][0-9]?))?\}|([^{}]+)")

_GS1 = "91"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a template: a field with its width in digits, or a constant text."""

    name: str
    """The field; empty for a constant text."""
    width: int
    """0: as long as its value."""
    text: str = ""


def _parse_template(template: str, key: str, fields: Mapping[str, int | None], max_digits: int) -> list[Element]:
    """Return the elements of a template.

    Args:
        template: constant texts, ``{field}`` and ``{field:width}``.
        key: the key of the scheme, for the issue.
        fields: the valid fields with their widths.
        max_digits: the number of digits of all elements; 0 for a template of text, whose fields need no width.

    Raises:
        InvalidInputError: ``SCHEME_INVALID``.
    """
    elements: list[Element] = []
    end = 0
    for match in _ELEMENT.finditer(template):
        if match.start() != end:
            break
        end = match.end()
        name, width, text = match.groups()
        if text:
            if max_digits and not (text.isascii() and text.isdigit()):
                raise _invalid(key, "digits and {fields}", text)
            elements.append(Element("", len(text), text))
            continue
        if name not in fields:
            raise _invalid(key, " | ".join(fields), name)
        digits = int(width) if width else fields[name]
        if digits is None and max_digits:
            raise _invalid(key, f"{{{name}:width}}", match[0])
        if name == "check" and digits != 1:
            raise _invalid(key, "{check}", match[0])
        elements.append(Element(name, (int(width) if width else 0) if not max_digits else digits or 0))
    if end != len(template) or not template:
        raise _invalid(key, "constant text, {field} or {field:width}", template)
    total = sum(element.width for element in elements)
    if max_digits and total > max_digits:
        raise _invalid(key, f"at most {max_digits} digits", str(total))
    return elements


def _invalid(key: str, expected: str, found: str) -> InvalidInputError:
    return InvalidInputError([Issue("SCHEME_INVALID", field=key, expected=expected, found=found)], "invalid scheme")


class CheckDigit(Record):
    """The check digit (検査数字) of a case key.

    ``(modulus - sum % modulus) % modulus``, where the sum is of the digits before it by their weights; 10 becomes 0.
    """

    modulus: Annotated[int, Field(ge=2, le=11)]
    weights: tuple[Annotated[int, Field(ge=1, le=10)], ...] = Field(min_length=1, max_length=KEY_DIGITS, strict=False)
    """The weights from the right; they repeat."""

    def of(self, digits: UInt8Array) -> UInt8Array:
        """Return the check digit of each row of ASCII digits, uint8 (n, width), as ASCII: uint8 (n,).

        >>> gs1, mod11 = CheckDigit(**CHECK_DIGITS["gs1"]), CheckDigit(**CHECK_DIGITS["mod11"])
        >>> rows = np.frombuffer(b"491234567890", np.uint8).reshape(1, -1)
        >>> gs1.of(rows).tobytes(), mod11.of(rows).tobytes()
        (b'4', b'9')
        """
        width = digits.shape[1]
        weights = np.resize(self.weights, width)[::-1]
        rest = (digits - np.uint8(ord("0"))).astype(np.int64) @ weights.astype(np.int64) % self.modulus
        value = (self.modulus - rest) % self.modulus
        return (np.where(value == 10, 0, value) + ord("0")).astype(np.uint8)


#: Check digits by name: modulus 10 with the weights of GS1, and modulus 11 with the weights 2 to 7.
CHECK_DIGITS: dict[str, dict[str, Any]] = {
    "gs1": {"modulus": 10, "weights": (3, 1)},
    "mod11": {"modulus": 11, "weights": (2, 3, 4, 5, 6, 7)},
}


def _check_digit(value: Any) -> Any:
    """Return a check digit by its name or from its table."""
    if isinstance(value, str):
        if value not in CHECK_DIGITS:
            raise _invalid("check_digit", " | ".join([*CHECK_DIGITS, "a table of modulus and weights"]), value)
        value = CHECK_DIGITS[value]
    return _nested(CheckDigit, "check_digit", value)


def _nested(record: type[Record], key: str, value: Any) -> Any:
    """Return a record from its table; its issues name the key of the table before their own."""
    if value is None or isinstance(value, record):
        return value
    try:
        return record.model_validate(value)
    except InvalidInputError as error:
        issues = [replace(issue, field=f"{key}.{issue.field}".rstrip(".")) for issue in error.issues]
        raise InvalidInputError(issues, error.summary) from None


class BarcodeScheme(Record):
    """The convenience-store barcode of a slip of at most 300,000 yen that has a deadline (支払期限)."""

    company_code: Annotated[str, Digits(6)]
    """請求書発行企業コード, assigned by GS1 Japan."""
    free_field: str
    """Template of the 自由使用欄: at most 21 digits, filled with zeros on the left. It has ``{case_key:width}``."""

    @cached_property
    def elements(self) -> list[Element]:
        """The elements of the template."""
        return _parse_template(self.free_field, "barcode.free_field", _FREE_FIELDS, FREE_DIGITS)


_CheckDigit: TypeAlias = Annotated[CheckDigit, BeforeValidator(_check_digit)]
_Barcode: TypeAlias = Annotated[BarcodeScheme, BeforeValidator(partial(_nested, BarcodeScheme, "barcode"))]
_Serial: TypeAlias = Annotated[int, Field(ge=0, lt=10**_MAX_SERIAL_DIGITS)]


class ItemScheme(Record):
    """How the slips of one item (税目・料金), or of all items, are numbered.

    A template consists of constant text, ``{field}`` and ``{field:width}``; a number is filled with zeros on the left.
    The fields are those of the debt: ``payee_code``, ``office_code``, ``item_code``, ``levy_year``, ``tax_year``,
    ``period``, ``virtual_account``, ``obligation_id``, ``customer_number``, ``payer_key``, ``issue_no``.
    """

    case_key: str
    """Template of 案件特定キー: at most 20 digits. ``{serial:width}`` counts up, ``{check}`` at its end is the check
    digit. Without ``serial`` it must have ``obligation_id`` or ``customer_number``."""
    bill_id: str = "{obligation_id}-{issue_no}"
    """Template of the ``bill_id``; it can also have ``serial`` and ``case_key``."""
    check_digit: _CheckDigit | None = None
    """``gs1``, ``mod11``, or a table with ``modulus`` and ``weights``."""
    first_serial: _Serial = 1
    """The first serial of a series: larger than those that the authority used before."""
    barcode: _Barcode | None = None
    """Without it no slip gets a barcode."""

    @model_validator(mode="after")
    def _check_templates(self) -> Self:
        names = [element.name for element in self.key_elements]
        if names.count("serial") > 1 or names.count("check") > 1 or "check" in names[:-1]:
            raise _invalid("case_key", "at most one {serial}; {check} at the end", self.case_key)
        if ("check" in names) != (self.check_digit is not None):
            raise _invalid("check_digit", "with {check} in case_key, and only with it", self.case_key)
        if "serial" in names and self.first_serial > self.max_serial:
            raise _invalid("first_serial", f"at most {self.max_serial}", str(self.first_serial))
        if self.max_serial >= 10**_MAX_SERIAL_DIGITS:
            raise _invalid("case_key", f"{{serial}} of at most {_MAX_SERIAL_DIGITS} digits", self.case_key)
        if not self.has_serial and not {*_DEBT_NUMBERS} & {*names}:
            raise _invalid("case_key", "{serial}, {obligation_id} or {customer_number}", self.case_key)
        id_names = [element.name for element in self.id_elements]
        if "serial" in id_names and not self.has_serial:
            raise _invalid("bill_id", "{serial} only if case_key has it", self.bill_id)
        if self.barcode:
            self._check_free_field(self.barcode, names)
        return self

    def _check_free_field(self, barcode: BarcodeScheme, key_names: Sequence[str]) -> None:
        """Raise unless every slip gets a free field of its own: the barcode is identified by it alone."""
        names = {element.name: element.width for element in barcode.elements}
        needed = {f"{{case_key:{self.key_width}}}": names.get("case_key", 0) >= self.key_width}
        needed["{item_code}"] = "item_code" in {*names, *key_names}
        if not self.has_serial:
            needed["{issue_no:width}"] = "issue_no" in {*names, *key_names}
            needed["{obligation_id:width} or {serial:width} in case_key"] = "obligation_id" in key_names
        if missing := [name for name, is_found in needed.items() if not is_found]:
            raise _invalid("barcode.free_field", ", ".join(missing), barcode.free_field)

    @cached_property
    def key_elements(self) -> list[Element]:
        """The elements of the case key."""
        return _parse_template(self.case_key, "case_key", _KEY_FIELDS, KEY_DIGITS)

    @cached_property
    def id_elements(self) -> list[Element]:
        """The elements of the bill_id."""
        return _parse_template(self.bill_id, "bill_id", _ID_FIELDS, 0)

    @property
    def key_width(self) -> int:
        """The number of digits of the case key without the zeros that fill it."""
        return sum(element.width for element in self.key_elements)

    @property
    def has_serial(self) -> bool:
        """Whether the case key has a serial."""
        return any(element.name == "serial" for element in self.key_elements)

    @property
    def max_serial(self) -> int:
        """The largest serial; 0 without one."""
        return next((10**element.width - 1 for element in self.key_elements if element.name == "serial"), 0)

    def series(self, debts: pa.Table, issues: IssueBuilder) -> UInt8Array:
        """Return the case key without serial and check digit as ASCII digits: uint8 (n, width).

        A value that is missing, not of digits, or too long for its width is an issue of its row.
        """
        elements = [element for element in self.key_elements if element.name not in ("serial", "check")]
        return _digits(elements, debts, {}, issues)

    def case_keys(self, debts: pa.Table, serial: Int64Array) -> UInt8Array:
        """Return the case keys as ASCII digits, uint8 (n, 20), for debts without issues."""
        elements = [element for element in self.key_elements if element.name != "check"]
        serials = next((to_digits(serial, element.width) for element in elements if element.name == "serial"), None)
        values = {} if serials is None else {"serial": serials}
        digits = _digits(elements, debts, values, IssueBuilder(1, np.zeros(len(debts), np.bool_)))
        if self.check_digit:
            digits = np.concatenate([digits, self.check_digit.of(digits)[:, None]], axis=1)
        return _fill(digits, KEY_DIGITS)

    def bill_ids(self, debts: pa.Table, serial: Int64Array, case_keys: UInt8Array, issues: IssueBuilder) -> pa.Array:
        """Return the bill_id of each debt: string (n,); a null or too long one is an issue of its row."""
        parts: list[Any] = []
        for element in self.id_elements:
            if not element.name:
                parts.append(element.text)
                continue
            match element.name:
                case "serial":
                    values = int64_array(serial).cast(pa.string())
                case "case_key":
                    values = string_array(np.ascontiguousarray(case_keys))
                case name:
                    values = combine(_column(debts, name).cast(pa.string()))
            issues.add("FIELD_MISSING", element.name, ~is_valid(values))
            values = pc.fill_null(values, "")
            parts.append(pc.utf8_lpad(values, element.width, "0") if element.width else values)
        texts = pc.binary_join_element_wise(*parts, "")
        texts = texts if isinstance(texts, pa.Array) else pa.repeat(texts, len(debts))
        return field_column(combine(texts), field_types(Bill)["bill_id"], "bill_id", issues)

    def barcodes(self, debts: pa.Table, case_keys: UInt8Array, issues: IssueBuilder) -> pa.Array:
        """Return the barcodes: string (n,), null for a slip that gets none.

        Source: see :mod:`kokin.slips.gs1_128`. 再発行区分 is the number of re-issues, at most 9.
        """
        count = len(debts)
        if not self.barcode or not count:
            return pa.nulls(count, pa.string())
        amount = to_numpy(debts.column("amount"), 0)
        deadline = combine(_column(debts, "payable_until"))
        years = pc.fill_null(pc.year(deadline), 0)
        is_coded = (amount <= gs1_128.MAX_YEN) & is_valid(deadline)
        in_century = to_mask(pc.equal(pc.divide(years, pa.scalar(100, years.type)), pa.scalar(20, years.type)))
        found = deadline.filter(bool_array(is_coded & ~in_century)).cast(pa.string())
        issues.add("DATE_INVALID", "payable_until", is_coded & ~in_century, "2000 to 2099", found)
        key_digits = {"case_key": case_keys}
        free = _fill(_digits(self.barcode.elements, debts, key_digits, issues), FREE_DIGITS)
        days = pc.fill_null(pc.strftime(deadline.cast(pa.timestamp("s")), "%y%m%d"), "0" * 6)
        reissue = np.clip(to_numpy(debts.column("issue_no"), 1) - 1, 0, 9)
        body = np.concatenate(
            [
                _constant(_GS1 + self.barcode.company_code, count),
                free,
                to_digits(reissue, 1),
                text_buffers(days)[1].reshape(count, 6),
                _constant("0", count),
                to_digits(np.where(is_coded, amount, 0), 6),
            ],
            axis=1,
        )
        check = CheckDigit(**CHECK_DIGITS["gs1"]).of(body)
        return string_array(np.ascontiguousarray(np.concatenate([body, check[:, None]], axis=1)), is_coded)


class NumberScheme(Record):
    """How an authority numbers its slips: the rule for all items, and that of items with a rule of their own.

    >>> scheme = NumberScheme.parse({
    ...     "case_key": "{levy_year}{item_code}{serial:9}{check}",
    ...     "check_digit": "gs1",
    ...     "items": {"300": {"first_serial": 5}},
    ... })
    >>> scheme.for_item("127").first_serial, scheme.for_item("300").first_serial
    (1, 5)
    """

    common: ItemScheme | None = None
    """For every item that is not in ``items``; without it only those are numbered."""
    items: dict[Annotated[str, Digits(3)], ItemScheme] = Field(default_factory=dict)
    """By ``item_code``."""

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Return the scheme of the keys of :class:`ItemScheme`, with a table of the keys that differ by ``item`` code.

        Raises:
            InvalidInputError: an unknown or invalid key; ``.issues`` names it.
        """
        common = {name: value for name, value in values.items() if name != "items"}
        tables = values.get("items", {})
        if not isinstance(tables, Mapping) or not all(isinstance(table, Mapping) for table in tables.values()):
            raise _invalid("items", "tables [items.127]", str(type(tables).__name__))
        items = {}
        for code, table in tables.items():
            try:
                items[code] = ItemScheme(**{**common, **table})
            except InvalidInputError as error:
                issues = [replace(issue, field=f"items.{code}.{issue.field}") for issue in error.issues]
                raise InvalidInputError(issues, error.summary) from None
        has_common = "case_key" in common or not items
        return cls(common=ItemScheme(**common) if has_common else None, items=items)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a scheme from a TOML file; see :meth:`parse`.

        Raises:
            InvalidInputError: the file is not TOML, or a key is unknown or invalid; ``.issues`` names it.
            OSError: the file cannot be read.
        """
        file = Path(path)
        with located_in(file.name, "scheme rejected"):
            return cls.parse(load_toml(file))

    def for_item(self, item_code: str) -> ItemScheme | None:
        """Return the rule of an item; None if the scheme has none."""
        return self.items.get(item_code, self.common)


def draw_confirmations(case_keys: UInt8Array) -> UInt8Array:
    """Return a confirmation number (確認番号) for each case key, by the random numbers of the system.

    Every number of six digits is equally likely, but those that can be guessed: one digit six times, 123456, and the
    last six digits of the case key. The others are as likely as each other, because a draw that is not valid is
    repeated until it is.

    Args:
        case_keys: ASCII digits, uint8 (n, 20).

    Returns:
        ASCII digits, uint8 (n, 6).
    """
    key_ends = case_keys[:, -CONFIRMATION_DIGITS:].astype(np.int64) - ord("0")
    key_ends = key_ends @ (10 ** np.arange(CONFIRMATION_DIGITS)[::-1])
    numbers = np.empty(len(case_keys), np.int64)
    rows = np.arange(len(case_keys))
    while len(rows):
        draws = np.frombuffer(secrets.token_bytes(4 * len(rows)), "<u4").astype(np.int64)
        numbers[rows] = draws % _CONFIRMATIONS
        drawn = numbers[rows]
        is_weak = (drawn % _CONSTANT_STEP == 0) | (drawn == _SEQUENCE) | (drawn == key_ends[rows])
        rows = rows[is_weak | (draws >= _DRAW_LIMIT)]
    return to_digits(numbers, CONFIRMATION_DIGITS)


def _digits(
    elements: Iterable[Element], debts: pa.Table, values: Mapping[str, UInt8Array], issues: IssueBuilder
) -> UInt8Array:
    """Return the elements of a template of digits for each debt as ASCII: uint8 (n, width)."""
    columns = [np.empty((len(debts), 0), np.uint8)]
    for element in elements:
        if not element.name:
            columns.append(_constant(element.text, len(debts)))
        elif element.name in values:
            columns.append(_fill(values[element.name], element.width)[:, -element.width :])
        else:
            texts = combine(_column(debts, element.name).cast(pa.string()))
            columns.append(digits_column(texts, Digits(element.width, zero_pad=True), element.name, issues, None))
    return np.ascontiguousarray(np.concatenate(columns, axis=1))


def _column(debts: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a field of debts, null where it is missing."""
    if name in debts.column_names:
        return debts.column(name)
    return pa.chunked_array([pa.nulls(len(debts), arrow_schema(Bill).field(name).type)])


def _constant(text: str, count: int) -> UInt8Array:
    return np.tile(np.frombuffer(text.encode(), np.uint8), (count, 1))


def _fill(digits: UInt8Array, width: int) -> UInt8Array:
    """Return ASCII digits with zeros on the left up to a width."""
    zeros = np.full((len(digits), max(width - digits.shape[1], 0)), ord("0"), np.uint8)
    return np.ascontiguousarray(np.concatenate([zeros, digits], axis=1))
