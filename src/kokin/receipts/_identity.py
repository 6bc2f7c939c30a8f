"""The key of a payment (``provider_key``), as a layout's ``[identity]`` declares it: of one record, and of a batch.

An assigned reference that is unique as it is, is the key itself. Any other key is a text of its parts:
``zengin-01:9999|001|1234567|2026-04-01|000002``. In a part, ``%`` and ``|`` are written as ``%25`` and ``%7C``, so two
keys are equal only where all of their parts are.
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
from kokin.receipts.layouts import Identity, Layout

Values = Mapping[str, Any]
_SEPARATOR = "|"
# The percent sign first, for the second has one.
_ESCAPES = (("%", "%25"), (_SEPARATOR, "%7C"))


def _max_length() -> int:
    kind = field_types(Receipt)["provider_key"]
    assert isinstance(kind, Text)
    return kind.width


MAX_LENGTH = _max_length()


class PaymentKey:
    """Composes ``provider_key``, ``key_composed`` and ``cancels`` from the ``fields`` that a file has."""

    def __init__(self, layout: Layout, fields: Collection[str]) -> None:
        identity = layout.identity or Identity()
        has = {path: path.startswith("header.") or path in fields for path in identity.ids}
        self._none = identity.none
        self._fixed = [*identity.fields, *identity.scope]
        self._references = [path for path in identity.assigned if has[path]]
        if not all(has[path] for path in self._fixed) or (identity.assigned and not self._references):
            self._fixed, self._references = [], []
        self._cancels = identity.cancels if all(has[path] for path in identity.cancels) else []
        self._prefix = f"{layout.name}:" if self._fixed else ""
        self._is_composed = identity.is_composed
        has_key = bool(self._fixed or self._references)
        #: The canonical columns that it fills; none where the file has no key.
        self.columns = ["provider_key", "key_composed"] * has_key + ["cancels"] * bool(self._cancels)

    def values(self, record: Values, header: Values) -> dict[str, Any]:
        """The values of its columns for one record."""

        def text(path: str) -> str | None:
            return self._text(path, record, header)

        references = [next((found for path in self._references if (found := text(path))), None)]
        key = self._joined([*map(text, self._fixed), *(references if self._references else [])])
        values = {
            "provider_key": key,
            "key_composed": None if key is None else self._is_composed,
            "cancels": self._joined([text(path) for path in self._cancels]),
        }
        return {name: values[name] for name in self.columns}

    def _text(self, path: str, record: Values, header: Values) -> str | None:
        """A part as text; ``None`` where it is empty or identifies nothing."""
        name = path.removeprefix("header.")
        value = record.get(path) if name == path else header.get(name)
        text = value.isoformat() if isinstance(value, date | time) else None if value is None else str(value)
        return None if text in self._none.get(path, ()) else text

    def _joined(self, parts: list[str | None]) -> str | None:
        texts = [part for part in parts if part is not None]
        if not texts or len(texts) < len(parts):
            return None
        if not self._prefix:
            return _shortened(texts[0])
        return _shortened(self._prefix + _SEPARATOR.join(map(_escaped, texts)))

    def arrays(self, take: Callable[[str], pa.Array], header: Values) -> dict[str, pa.Array]:
        """Its columns for a batch of records under one header; ``take`` gives the column of a field."""

        def part(path: str) -> Any:
            if path.startswith("header."):  # one value for the whole batch
                text = self._text(path, {}, header)
                return _scalar(None if text is None else self._part(text))
            column = take(path)
            column = column if column.type == pa.string() else column.cast(pa.string())
            if path in self._none:
                nothing = pc.is_in(column, array_of(self._none[path], pa.string()))
                column = pc.if_else(nothing, _scalar(None), column)
            return self._escaped_column(column)

        columns: dict[str, pa.Array] = {}
        if "provider_key" in self.columns:
            references = [pc.coalesce(*map(part, self._references))] if self._references else []
            key = self._joined_columns([*map(part, self._fixed), *references])
            columns["provider_key"] = key
            either = array_of([self._is_composed, None], pa.bool_())
            columns["key_composed"] = either.take(key.is_null().cast(pa.int8()))
        if "cancels" in self.columns:
            columns["cancels"] = self._joined_columns([part(path) for path in self._cancels])
        return columns

    def _part(self, text: str) -> str:
        return _escaped(text) if self._prefix else text

    def _escaped_column(self, column: pa.Array) -> pa.Array:
        if self._prefix:
            content = np.frombuffer(column.buffers()[2] or b"", np.uint8)
            for sign, escape in _ESCAPES:
                if (content == ord(sign)).any():  # few columns have one
                    column = pc.replace_substring(column, sign, escape)
        return column

    def _joined_columns(self, parts: list[Any]) -> pa.Array:
        key = parts[0]
        if self._prefix:
            key = pc.binary_join_element_wise(*parts, _scalar(_SEPARATOR))
            key = pc.binary_join_element_wise(_scalar(self._prefix), key, _scalar(""))
        if (pc.max(pc.binary_length(key)).as_py() or 0) <= MAX_LENGTH:
            return key
        return array_of([None if text is None else _shortened(text) for text in key.to_pylist()], pa.string())


def _scalar(text: str | None) -> pa.Scalar:
    """A text as an Arrow scalar (``pa.scalar`` imports pandas)."""
    return array_of([text], pa.string())[0]


def _escaped(text: str) -> str:
    for sign, escape in _ESCAPES:
        text = text.replace(sign, escape)
    return text


def _shortened(key: str) -> str:
    """A key that a receipt can hold: one that is too long becomes its SHA-256."""
    return key if len(key) <= MAX_LENGTH else sha256(key.encode()).hexdigest()
