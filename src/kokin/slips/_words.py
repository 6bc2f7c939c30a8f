"""The body's words for its slips, as data: one TOML for a whole run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Bill, Record
from kokin.slips._slip_values import SlipText
from kokin.text import load_toml


def _is_table_of_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(text, str) for text in value)


# Fields that are no single text: what is expected, and whether a value of TOML is that.
_SHAPES: tuple[tuple[str, str, Callable[[object], bool]], ...] = (
    ("labels", "a table of texts", _is_table_of_texts),
    ("registrations", "a table of texts", _is_table_of_texts),
    ("remarks", "a table of texts", _is_table_of_texts),
    ("address", "a list of texts", _is_list_of_texts),
)


class SlipWording(Record):
    """What stands on the slips of a run beside the bills: words for all, and for each 税目・料金番号.

    A TOML file of it::

        payee = "例示市会計管理者"
        contact = "例示市 収納課 電話 0000-00-0000"

        [items.921]
        charge = "水道料金・下水道使用料"
        labels = { water-charge = "水道料金", sewerage-charge = "下水道使用料" }
        registrations = { water-charge = "T0000000000001", sewerage-charge = "T0000000000002" }

    The keys are the fields of :class:`SlipText`; ``labels`` names the parts of a bill as they are printed.
    """

    common: dict[str, Any] = Field(default_factory=dict)
    """Fields that every slip has."""
    items: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Fields by 税目・料金番号, which come before those that every slip has."""

    @classmethod
    def load(cls, path: str | Path) -> SlipWording:
        """The words of a TOML file.

        Raises:
            InvalidInputError: it is no TOML, or a slip of one of its items cannot be worded.
            OSError: it cannot be opened.
        """
        path = Path(path)
        content = load_toml(path)
        items = content.pop("items", {})
        try:
            words = cls(common=content, items=items)
            for code in items:
                words._texts(code, {})
        except InvalidInputError as error:
            raise InvalidInputError(
                [issue.with_location(Location(path.name)) for issue in error.issues], error.summary
            ) from None
        return words

    @model_validator(mode="after")
    def _tables_hold_texts(self) -> Self:
        tables = {"": self.common, **{f"items.{code}.": fields for code, fields in self.items.items()}}
        issues = [
            Issue("FIELD_TYPE", field=prefix + name, expected=expected)
            for prefix, fields in tables.items()
            for name, expected, fits in _SHAPES
            if name in fields and not fits(fields[name])
        ]
        if issues:
            raise InvalidInputError(issues, "words refused")
        return self

    def of(self, bill: Bill) -> tuple[Bill, SlipText]:
        """A bill with its parts named as they are printed, and the words of its slip.

        Raises:
            InvalidInputError: a word is missing, of a wrong name or too long.
        """
        labels = {**self.common.get("labels", {}), **self.items.get(bill.item_code, {}).get("labels", {})}
        named = tuple((labels.get(name, name), yen) for name, yen in bill.parts)
        printed = {name: labels.get(name, name) for name, _ in bill.parts}
        return bill.model_copy(update={"parts": named}), self._texts(bill.item_code, printed)

    def _texts(self, item_code: str, parts: dict[str, str]) -> SlipText:
        fields = {**self.common, **self.items.get(item_code, {})}
        labels = {**self.common.get("labels", {}), **fields.pop("labels", {}), **parts}
        for name in ("registrations", "remarks"):
            by_part = fields.get(name, {})
            fields[name] = {
                labels.get(part, part): text for part, text in by_part.items() if not parts or part in parts
            }
        fields["address"] = tuple(fields.get("address", ()))
        try:
            return SlipText(**fields)
        except InvalidInputError as error:
            issues = [replace(issue, field=f"items.{item_code}.{issue.field}") for issue in error.issues]
            raise InvalidInputError(issues, f"no words for slips of item {item_code}") from None
