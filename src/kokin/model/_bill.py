"""The bill (調定) with its slip (納付書): the amount due, and the numbers that identify its payment."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from kokin.issues import Issue
from kokin.model._fields import Amounts, Date, Digits, Names, PersonalName, Record, Text, Yen, field_types


class BillStatus(StrEnum):
    """Whether a slip can still be paid."""

    #: 有効: the slip can be paid.
    OPEN = "open"
    #: 調定取消: the bill is cancelled; nothing is due.
    CANCELLED = "cancelled"
    #: 更正・再発行前: another slip has replaced it.
    SUPERSEDED = "superseded"


class Bill(Record):
    """One slip (納付書) of a bill (調定). One row is one slip; slips of one obligation share its ``obligation_id``."""

    bill_id: Annotated[str, Text(64, min=1)]
    """The authority's own number of the slip, unique in a batch (通知書番号 + 期別 + 発行連番)."""
    payee_code: Annotated[str, Digits(5)]
    """共通納税機関コード: the first five digits of the 全国地方公共団体コード."""
    item_code: Annotated[str, Digits(3)]
    """税目・料金番号, from the authority's own list."""
    case_key: Annotated[str, Digits(20, zero_pad=True)]
    """案件特定キー, with its leading zeros."""
    confirmation: Annotated[str, Digits(6)]
    """確認番号, issued by the authority."""
    amount: Annotated[int, Yen(1)]
    """Yen printed on the slip."""
    due_on: Annotated[date, Date()]
    """納期限."""
    office_code: Annotated[str, Digits(3)] = "000"
    """税務事務所コード."""
    levy_year: Annotated[int, Yen(0, 9999)] | None = None
    """賦課年度."""
    tax_year: Annotated[int, Yen(0, 9999)] | None = None
    """課税年度."""
    period: Annotated[str, Digits(2)] = "00"
    """期別; ``00`` for a single payment."""
    payable_until: Annotated[date, Date()] | None = None
    """支払期限: the last day on which a payment channel accepts the slip."""
    status: BillStatus = Field(default=BillStatus.OPEN, strict=False)
    """Whether the slip can still be paid."""
    barcode: Annotated[str, Digits(44)] | None = None
    """The 44 digits of the convenience-store barcode (GS1-128)."""
    customer_number: Annotated[str, Text(20)] | None = None
    """顧客番号 of a direct-debit file, at most 20 bytes."""
    virtual_account: Annotated[str, Digits(10)] | None = None
    """Virtual account: branch 3 + number 7."""
    obligation_id: Annotated[str, Text(64)] | None = None
    """The obligation (調定) of the slip; by default its own, which no other slip shares or covers."""
    covers: Annotated[tuple[str, ...], Names(Text(64, min=1))] = ()
    """The obligations of a slip for a whole year (全期), at most 100; a list, or a text ``a;b``, is accepted."""
    payer_key: Annotated[str, Text(64)] | None = None
    """宛名番号 of the payer; used for set-off candidates (充当), never for matching."""
    system: Annotated[str, Text(40)] | None = None
    """The standard system that issued the bill (標準準拠システム)."""
    charge: Annotated[str, Text(40)] | None = None
    """The id of the charge (税目・料金) in the catalog."""
    parts: Annotated[tuple[tuple[str, int], ...], Amounts(Text(40, min=1), Yen())] = ()
    """Breakdown of the amount (内訳, 水道 and 下水道) as pairs of name and yen; ``dict(bill.parts)`` is a mapping.

    The yen must add up to the amount. A mapping, or a text ``name=yen;name=yen``, is accepted."""
    paid_before: Annotated[int, Yen()] = 0
    """Yen paid on the obligation before this batch; at most the amount billed on it."""
    name: Annotated[str, PersonalName(80)] | None = None
    """氏名, for the printed slip only."""
    postal_code: Annotated[str, PersonalName(8)] | None = None
    """郵便番号 of the payer, ``100-0001``, for the printed slip only."""
    address: Annotated[str, PersonalName(200)] | None = None
    """住所 of the payer, for the printed slip only."""

    @model_validator(mode="before")
    @classmethod
    def _empty_text_is_none(cls, values: Any) -> Any:
        """Convert an empty optional text to ``None``: a file cannot distinguish the two."""
        if not isinstance(values, dict):
            return values
        return {name: None if value == "" and name in OPTIONAL_TEXTS else value for name, value in values.items()}

    @model_validator(mode="after")
    def _check_sums(self) -> Self:
        issues = []
        if self.parts and (total := sum(yen for _, yen in self.parts)) != self.amount:
            issues.append(Issue("PARTS_SUM", field="parts", expected=str(self.amount), found=str(total)))
        is_own_obligation = self.obligation_id is None and not self.covers
        if is_own_obligation and self.paid_before > self.amount:
            expected, found = f"at most {self.amount}", str(self.paid_before)
            issues.append(Issue("PAID_BEFORE_RANGE", field="paid_before", expected=expected, found=found))
        if issues:
            raise self.error_class(issues, "invalid Bill")
        return self


class IssuedBill(Bill):
    """A bill with the number of its issue. A file of debts has these columns, without those that an allotment adds."""

    issue_no: Annotated[int, Yen(1, 9_999)] = 1
    """発行連番: 1 for the first slip of an obligation, the next number for each re-issue."""


#: The names of the optional fields of free text.
OPTIONAL_TEXTS = frozenset(
    name
    for name, field_type in field_types(Bill).items()
    if isinstance(field_type, Text) and not Bill.model_fields[name].is_required()
)
