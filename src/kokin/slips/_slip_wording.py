"""The texts on a slip that are not in its bill: of one slip, and of a whole print run as a TOML file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from kokin.catalog import CATALOG, LateChargeBasis
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Bill, Record, Text
from kokin.slips._slip_notes import SlipNotes
from kokin.text import load_toml


class SlipText(Record):
    """The texts on one slip that are not in its bill. An empty text is not printed, nor its frame.

    Raises:
        InvalidInputError: a text is too long or has control characters.
    """

    payee: Annotated[str, Text(60, min=1)]
    """納入先: who is paid."""
    charge: Annotated[str, Text(60, min=1)]
    """税目・料金 as printed."""
    kind: Literal["tax", "other", ""] = ""
    """Whether the charge is a tax; decides on the titles, unless they are set, and on the word for the payer.

    ``tax``: 領収済通知書, 納付書（原符）, 領収証書, 納税義務者. ``other`` public money: 納入済通知書, 納入書（原符）,
    納入通知書・領収証書, 納入義務者. By default the titles of a tax with 納付者, which are in use for both."""
    notice_title: Annotated[str, Text(20)] = ""
    """Title of the part that returns to the authority."""
    stub_title: Annotated[str, Text(20)] = ""
    """Title of the part that the bank keeps."""
    receipt_title: Annotated[str, Text(20)] = ""
    """Title of the part that the payer keeps."""
    payer_title: Annotated[str, Text(8)] = ""
    """Label of the payer's name."""
    honorific: Annotated[str, Text(8)] = "様"
    """Follows the name in the address and on the receipt."""
    notice_number: Annotated[str, Text(64)] = ""
    """通知書番号; by default the ``bill_id``."""
    account: Annotated[str, Text(60)] = ""
    """口座番号・加入者名 of a ゆうちょ account."""
    contact: Annotated[str, Text(120)] = ""
    """お問い合わせ先."""
    period: Annotated[str, Text(20)] = ""
    """期別 in words; by default the code, and nothing for a single payment (``00``)."""
    note: Annotated[str, Text(160)] = ""
    """A remark, such as the months that a bill is for."""
    how_to_pay: Annotated[str, Text(200)] = ""
    """How and where a slip with a barcode can be paid."""
    how_to_pay_no_store: Annotated[str, Text(200)] = ""
    """How and where a slip without a barcode can be paid, so not at a convenience store."""
    stores: Annotated[str, Text(200)] = ""
    """取扱店: the convenience stores; on slips with a barcode."""
    agent: Annotated[str, Text(40)] = ""
    """収納代行会社; on slips with a barcode."""
    cautions: Annotated[str, Text(300)] = ""
    """注意書き."""
    counter_charges: bool = False
    """Whether there are boxes for 督促手数料, 延滞金 and 計, filled in by hand at a counter."""
    registrations: dict[str, Annotated[str, Text(14)]] = Field(default_factory=dict)
    """登録番号 (T and 13 digits) by the name of a part in ``Bill.parts``."""
    remarks: dict[str, Annotated[str, Text(40)]] = Field(default_factory=dict)
    """Remarks, such as the tax included, by the name of a part in ``Bill.parts``."""


# Tables of texts in a wording. Those of an item are added to those of every slip.
_TABLES = ("labels", "periods", "honorifics", "registrations", "remarks")


class SlipWording(Record):
    """The texts of a print run beside its bills: those of every slip, those of each 税目・料金番号, those of one bill.

    As a TOML file::

        payee = "例示市会計管理者"
        contact = "例示市 収納課 電話 0000-00-0000"
        honorifics = { "株式会社" = "御中", "法人" = "御中" }
        periods = { "01" = "第1期", "02" = "第2期", "99" = "全期" }

        [items.921]
        charge = "水道料金・下水道使用料"
        kind = "other"
        labels = { water-charge = "水道料金", sewerage-charge = "下水道使用料" }
        registrations = { water-charge = "T0000000000001", sewerage-charge = "T0000000000002" }

    The keys are the fields of :class:`SlipText`, and three tables:

    - ``labels``: the printed names of the parts of a bill;
    - ``periods``: the printed names of 期別. If there is this table, a period that is not in it is an error;
    - ``honorifics``: the honorific of a payer whose name contains a text, such as 御中 for 株式会社. The first text of
      the table that is in the name decides; a name with none of them gets ``honorific``.

    By default ``kind`` is that of ``Bill.charge`` in the catalog.
    """

    common: dict[str, Any] = Field(default_factory=dict)
    """Fields of every slip."""
    items: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Fields by 税目・料金番号; they take precedence over ``common``."""
    _notes: SlipNotes | None = PrivateAttr(None)

    @classmethod
    def load(cls, path: str | Path, notes: str | Path | None = None) -> Self:
        """Read the wording from a TOML file, and the notes on single bills from a CSV (see :class:`SlipNotes`).

        Raises:
            InvalidInputError: the file is not TOML, a field of one of its items is missing, unknown or too long, or the
                notes are invalid.
            OSError: a file cannot be read.
        """
        path = Path(path)
        content = load_toml(path)
        items = content.pop("items", {})
        try:
            wording = cls(common=content, items=items)
            for code in items:
                wording._text_of(code, {}, {})
        except InvalidInputError as error:
            raise InvalidInputError(
                [issue.with_location(Location(path.name)) for issue in error.issues], error.summary
            ) from None
        wording._notes = None if notes is None else SlipNotes.load(notes)
        return wording

    @model_validator(mode="after")
    def _check_field_types(self) -> Self:
        tables = {"": self.common, **{f"items.{code}.": fields for code, fields in self.items.items()}}
        issues = [
            Issue("FIELD_TYPE", field=prefix + name, expected="a table of texts")
            for prefix, fields in tables.items()
            for name in _TABLES
            if name in fields and not _is_table_of_texts(fields[name])
        ]
        if issues:
            raise InvalidInputError(issues, "invalid wording")
        return self

    def of(self, bill: Bill) -> tuple[Bill, SlipText]:
        """Return the bill with the printed names of its parts, and the texts of its slip.

        Raises:
            InvalidInputError: a field is missing, unknown or too long, or ``periods`` lacks the period of the bill.
        """
        labels = self.table("labels", bill.item_code)
        printed_names = {name: labels.get(name, name) for name, _ in bill.parts}
        parts = tuple((printed_names[name], yen) for name, yen in bill.parts)
        changes = {**self._defaults(bill), **(self._notes.of(bill.bill_id) if self._notes else {})}
        return bill.model_copy(update={"parts": parts}), self._text_of(bill.item_code, printed_names, changes)

    def table(self, name: str, item_code: str) -> dict[str, str]:
        """Return a table of an item by its name, such as ``labels``, with the entries of every slip."""
        return {**self.common.get(name, {}), **self.items.get(item_code, {}).get(name, {})}

    def _defaults(self, bill: Bill) -> dict[str, Any]:
        """The texts that follow from the values of a bill."""
        fields = {**self.common, **self.items.get(bill.item_code, {})}
        texts: dict[str, Any] = {}
        if "kind" not in fields and (charge := CATALOG.charges.get(bill.charge or "")):
            texts["kind"] = "tax" if charge.late_charge is LateChargeBasis.TAX else "other"
        honorifics = self.table("honorifics", bill.item_code)
        for text, honorific in honorifics.items():
            if text in (bill.name or ""):
                texts["honorific"] = honorific
                break
        if periods := self.table("periods", bill.item_code):
            if bill.period not in periods:
                expected = f"periods of the words: {' | '.join(periods)}"
                raise InvalidInputError([Issue("CODE_UNKNOWN", field="period", expected=expected, found=bill.period)])
            texts["period"] = periods[bill.period]
        return texts

    def _text_of(self, item_code: str, printed_names: dict[str, str], changes: dict[str, Any]) -> SlipText:
        """Return the texts of an item with changes.

        Registrations and remarks are those of the parts with printed names, or of all parts if there are no such names.
        """
        fields = {**self.common, **self.items.get(item_code, {}), **changes}
        labels = {**self.table("labels", item_code), **printed_names}
        for name in ("registrations", "remarks"):
            texts = self.table(name, item_code) | changes.get(name, {})
            fields[name] = {
                labels.get(part, part): text
                for part, text in texts.items()
                if not printed_names or part in printed_names or part in changes.get(name, {})
            }
        fields = {name: value for name, value in fields.items() if name not in ("labels", "periods", "honorifics")}
        try:
            return SlipText(**fields)
        except InvalidInputError as error:
            issues = [replace(issue, field=f"items.{item_code}.{issue.field}") for issue in error.issues]
            raise InvalidInputError(issues, f"invalid wording of item {item_code}") from None


def _is_table_of_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
