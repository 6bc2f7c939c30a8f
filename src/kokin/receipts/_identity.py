"""Compose the key of a payment (``provider_key``) from the fields that the layout's ``[identity]`` table names.

Only the key is composed here, for one record or for a batch. Whether two receipts with equal keys are one payment or a
duplicate is decided in ``kokin.reconcile``.

A reference of zeros identifies nothing. One that is unique by itself is the key. Any other key is a text of the
layout's name and the key's parts: ``zengin-01:9999|001|1234567|2026-04-01|000002``. In a part, ``%`` and ``|`` are
written as ``%25`` and ``%7C``, so two keys are equal only if all their parts are.

A key is stored with the receipt, so the number of a payer's account is not a part of it: only its remainder is, from
which the account cannot be found. Two accounts of a branch have the same remainder in one of 65,521 cases.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date, time
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kokin.model import Receipt, Text, field_types
from kokin.receipts._columns import array_of
from kokin.receipts.layouts import IdentityFields, Layout

#: Field to value.
Values = Mapping[str, Any]
_SEPARATOR = "|"
# The percent sign is escaped first, because the escape of the separator contains one.
_ESCAPES = (("%", "%25"), (_SEPARATOR, "%7C"))


# A prime number: the remainder of a number of seven digits fits about 150 of them.
_SENSITIVE_MODULUS = 65_521

_TYPE = field_types(Receipt)["provider_key"]
assert isinstance(_TYPE, Text)
MAX_LENGTH = _TYPE.width


class PaymentKey:
    """Composes ``provider_key``, ``key_composed`` and ``cancels``; ``fields`` are the detail fields of the file."""

    def __init__(self, layout: Layout, fields: Collection[str]) -> None:
        identity = layout.identity or IdentityFields()
        is_present = {path: path.startswith("header.") or path in fields for path in identity.ids}
        self._none = identity.none
        self._sensitive = {path for path in identity.ids if (field := layout.field_of(path)) and field.sensitive}
        #: The parts of a key that must all have a value, and the references of which the first with a value is used.
        self._required = [*identity.fields, *identity.scope]
        self._references = [path for path in identity.assigned if is_present[path]]
        if not all(is_present[path] for path in self._required) or (identity.assigned and not self._references):
            self._required, self._references = [], []
        #: The fields whose zeros identify nothing: references, and the one that a reversal names.
        self._zeros = {*identity.assigned, *identity.cancels[-1:]} if identity.assigned else set[str]()
        self._cancels = identity.cancels if all(is_present[path] for path in identity.cancels) else []
        self._prefix = f"{layout.name}:" if self._required else ""
        #: Whether equal keys in one file may be different payments.
        self._is_composed = bool(identity.fields)
        has_key = bool(self._required or self._references)
        #: The canonical columns that are filled; empty if the file lacks the fields of the key.
        self.columns = ["provider_key", "key_composed"] * has_key + ["cancels"] * bool(self._cancels)

    def values(self, record: Values, header: Values) -> dict[str, Any]:
        """Return the values of ``columns`` for one record."""

        def text(path: str) -> str | None:
            return self._text(path, record, header)

        reference = next((found for path in self._references if (found := text(path))), None)
        key = self._join([*map(text, self._required), *([reference] if self._references else [])])
        values = {
            "provider_key": key,
            "key_composed": None if key is None else self._is_composed,
            "cancels": self._join([text(path) for path in self._cancels]),
        }
        return {name: values[name] for name in self.columns}

    def _text(self, path: str, record: Values, header: Values) -> str | None:
        """Return a part as text; ``None`` if it is empty or identifies nothing (``none``)."""
        name = path.removeprefix("header.")
        value = record.get(path) if name == path else header.get(name)
        text = value.isoformat() if isinstance(value, date | time) else None if value is None else str(value)
        if text is None or text in self._none.get(path, ()) or (path in self._zeros and not text.strip("0")):
            return None
        return str(int(text) % _SENSITIVE_MODULUS) if path in self._sensitive else text

    def _join(self, parts: list[str | None]) -> str | None:
        """Return the key of the parts, or ``None`` if a part is missing."""
        texts = [part for part in parts if part is not None]
        if not texts or len(texts) < len(parts):
            return None
        return _limit_length(self._prefix + _SEPARATOR.join(map(_escape, texts)) if self._prefix else texts[0])

    def arrays(self, take: Callable[[str], pa.Array], header: Values) -> dict[str, pa.Array]:
        """Return ``columns`` for a batch of records under one header; ``take`` returns the column of a field."""

        def part(path: str) -> Any:
            if path.startswith("header."):  # one value for the whole batch
                text = self._text(path, {}, header)
                return _scalar(_escape(text) if text is not None and self._prefix else text)
            column = take(path)
            column = column if column.type == pa.string() else column.cast(pa.string())
            if path in self._none:
                identifies_nothing = pc.is_in(column, array_of(self._none[path], pa.string()))
                column = pc.if_else(identifies_nothing, _scalar(None), column)
            if path in self._zeros:
                is_zero = pc.equal(pc.utf8_trim(column, "0"), _scalar(""))
                column = pc.if_else(is_zero, _scalar(None), column)
            if path in self._sensitive:
                column = _remainders(column)
            return _escape_column(column) if self._prefix else column

        columns: dict[str, pa.Array] = {}
        if "provider_key" in self.columns:
            references = [pc.coalesce(*map(part, self._references))] if self._references else []
            key = self._join_columns([*map(part, self._required), *references])
            columns["provider_key"] = key
            by_is_null = array_of([self._is_composed, None], pa.bool_())
            columns["key_composed"] = by_is_null.take(key.is_null().cast(pa.int8()))
        if "cancels" in self.columns:
            columns["cancels"] = self._join_columns([part(path) for path in self._cancels])
        return columns

    def _join_columns(self, parts: list[Any]) -> pa.Array:
        """Return the keys of columns of parts, as :meth:`_join` row by row.

        The first part gets the prefix. Scalars before the first column are joined once, not row by row.
        """
        key = parts[0]
        if self._prefix:
            first, *columns = parts
            while columns and isinstance(first, pa.Scalar) and isinstance(columns[0], pa.Scalar):
                first = pc.binary_join_element_wise(first, columns.pop(0), _scalar(_SEPARATOR))
            first = pc.binary_join_element_wise(_scalar(self._prefix), first, _scalar(""))
            key = pc.binary_join_element_wise(first, *columns, _scalar(_SEPARATOR)) if columns else first
        if (pc.max(pc.binary_length(key)).as_py() or 0) <= MAX_LENGTH:
            return key
        return array_of([None if text is None else _limit_length(text) for text in key.to_pylist()], pa.string())


def _scalar(text: str | None) -> pa.Scalar:
    """Return a text as an Arrow scalar (``pa.scalar`` imports pandas)."""
    return array_of([text], pa.string())[0]


def _remainders(digits: pa.Array) -> pa.Array:
    """Return the remainders of numbers as texts."""
    numbers, modulus = digits.cast(pa.int64()), array_of([_SENSITIVE_MODULUS], pa.int64())[0]
    multiples = pc.multiply(pc.divide(numbers, modulus), modulus)
    return pc.subtract(numbers, multiples).cast(pa.string())


def _escape(text: str) -> str:
    for sign, escape in _ESCAPES:
        text = text.replace(sign, escape)
    return text


def _escape_column(column: pa.Array) -> pa.Array:
    content = np.frombuffer(column.buffers()[2] or b"", np.uint8)
    for sign, escape in _ESCAPES:
        if (content == ord(sign)).any():  # few columns contain one
            column = pc.replace_substring(column, sign, escape)
    return column


def _limit_length(key: str) -> str:
    """Return the key, or its SHA-256 in hexadecimal if it is longer than a receipt allows."""
    return key if len(key) <= MAX_LENGTH else sha256(key.encode()).hexdigest()
