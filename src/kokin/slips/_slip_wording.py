"""The texts on a slip that are not in its bill: of one slip, and of a whole print run as a TOML file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Bill, PersonalName, Record, Text
from kokin.text import load_toml


class SlipText(Record):
    """The texts on one slip that are not in its bill.

    Raises:
        InvalidInputError: a text is too long or has control characters.
    """

    payee: Annotated[str, Text(60, min=1)]
    """納入先: who is paid."""
    charge: Annotated[str, Text(60, min=1)]
    """税目・料金 as printed."""
    account: Annotated[str, Text(60)] = ""
    """口座番号・加入者名, where the slip shows one."""
    contact: Annotated[str, Text(120)] = ""
    """お問い合わせ先."""
    period: Annotated[str, Text(20)] = ""
    """期別 in words; by default the code is printed."""
    note: Annotated[str, Text(160)] = ""
    """A remark, such as the months that a bill is for."""
    how_to_pay: Annotated[str, Text(160)] = ""
    """How and where the slip can be paid."""
    address: tuple[Annotated[str, PersonalName(60)], ...] = Field(default=(), repr=False)
    """郵便番号・住所 of the payer, line by line."""
    registrations: dict[str, Annotated[str, Text(14)]] = Field(default_factory=dict)
    """登録番号 (T and 13 digits) by the name of a part in ``Bill.parts``."""
    remarks: dict[str, Annotated[str, Text(40)]] = Field(default_factory=dict)
    """Remarks, such as the tax included, by the name of a part in ``Bill.parts``."""


# Fields that are not a single text: their type, in words and in Python.
_FIELD_TYPES: dict[str, tuple[str, type | tuple[type, ...]]] = {
    **dict.fromkeys(("labels", "registrations", "remarks"), ("a table of texts", dict)),
    "address": ("a list of texts", (list, tuple)),
}


def _is_of_texts(value: Any, kind: type | tuple[type, ...]) -> bool:
    texts = value.values() if isinstance(value, dict) else value
    return isinstance(value, kind) and all(isinstance(text, str) for text in texts)


class SlipWording(Record):
    """The texts of a print run beside its bills: those of every slip, and those of each 税目・料金番号.

    As a TOML file::

        payee = "例示市会計管理者"
        contact = "例示市 収納課 電話 0000-00-0000"

        [items.921]
        charge = "水道料金・下水道使用料"
        labels = { water-charge = "水道料金", sewerage-charge = "下水道使用料" }
        registrations = { water-charge = "T0000000000001", sewerage-charge = "T0000000000002" }

    The keys are the fields of :class:`SlipText`; ``labels`` maps the parts of a bill to their printed names.
    """

    common: dict[str, Any] = Field(default_factory=dict)
    """Fields of every slip."""
    items: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Fields by 税目・料金番号; they take precedence over ``common``."""

    @classmethod
    def load(cls, path: str | Path) -> SlipWording:
        """Read the wording from a TOML file.

        Raises:
            InvalidInputError: the file is not TOML, or a field of one of its items is missing, unknown or too long.
            OSError: the file cannot be read.
        """
        path = Path(path)
        content = load_toml(path)
        items = content.pop("items", {})
        try:
            wording = cls(common=content, items=items)
            for code in items:
                wording._text_of(code, {})
        except InvalidInputError as error:
            raise InvalidInputError(
                [issue.with_location(Location(path.name)) for issue in error.issues], error.summary
            ) from None
        return wording

    @model_validator(mode="after")
    def _check_field_types(self) -> Self:
        tables = {"": self.common, **{f"items.{code}.": fields for code, fields in self.items.items()}}
        issues = [
            Issue("FIELD_TYPE", field=prefix + name, expected=expected)
            for prefix, fields in tables.items()
            for name, (expected, kind) in _FIELD_TYPES.items()
            if name in fields and not _is_of_texts(fields[name], kind)
        ]
        if issues:
            raise InvalidInputError(issues, "invalid wording")
        return self

    def of(self, bill: Bill) -> tuple[Bill, SlipText]:
        """Return the bill with the printed names of its parts, and the texts of its slip.

        Raises:
            InvalidInputError: a field is missing, unknown or too long.
        """
        labels = {**self.common.get("labels", {}), **self.items.get(bill.item_code, {}).get("labels", {})}
        printed_names = {name: labels.get(name, name) for name, _ in bill.parts}
        parts = tuple((printed_names[name], yen) for name, yen in bill.parts)
        return bill.model_copy(update={"parts": parts}), self._text_of(bill.item_code, printed_names)

    def _text_of(self, item_code: str, printed_names: dict[str, str]) -> SlipText:
        """The texts of an item; registrations and remarks are those of the parts named, or of all parts."""
        fields = {**self.common, **self.items.get(item_code, {})}
        labels = {**self.common.get("labels", {}), **fields.pop("labels", {}), **printed_names}
        for name in ("registrations", "remarks"):
            fields[name] = {
                labels.get(part, part): text
                for part, text in fields.get(name, {}).items()
                if not printed_names or part in printed_names
            }
        fields["address"] = tuple(fields.get("address", ()))
        try:
            return SlipText(**fields)
        except InvalidInputError as error:
            issues = [replace(issue, field=f"items.{item_code}.{issue.field}") for issue in error.issues]
            raise InvalidInputError(issues, f"invalid wording of item {item_code}") from None
