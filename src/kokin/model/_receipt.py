"""The receipt (収納): money that somebody says has been paid, in the one form that every layout maps to."""

from __future__ import annotations

from datetime import date, time
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from kokin.issues import Issue
from kokin.model._fields import Date, Digits, PersonalName, Record, Text, Yen


class ReceiptKind(StrEnum):
    """How sure the money is."""

    #: 速報: taken at the till, not yet money.
    PROVISIONAL = "provisional"
    #: 確報: backed by money.
    FINAL = "final"
    #: 速報取消: voided at the till.
    CANCEL = "cancel"
    #: 訂正: replaces a final that was reported with another amount.
    CORRECTION = "correction"
    #: 入金取消・訂正・不渡り: the bank or agent takes booked money back.
    REVERSAL = "reversal"
    #: 天引き: deducted at source from what the body pays out (児童手当法21・22, 生活保護法78の2); no slip is used.
    DEDUCTION = "deduction"
    #: 手消込: taken down by hand, for money that no file tells.
    MANUAL = "manual"

    @property
    def is_by_hand(self) -> bool:
        """Whether a person answers for it, and no operator or bank: :attr:`Receipt.actor` and ``reason`` tell."""
        return self in (ReceiptKind.DEDUCTION, ReceiptKind.MANUAL)


class Receipt(Record):
    """One record of a receipt file. It carries the eL number's four fields, or one of the other three numbers."""

    layout: Annotated[str, Text(40)] = ""
    """The layout it was read by."""
    source: Annotated[str, Text(255)] = ""
    """The file's name."""
    digest: Annotated[str, Text(64)] = ""
    """SHA-256 of the file, in hexadecimal."""
    record_no: Annotated[int, Yen(1)] | None = None
    """The record's number in its file, from 1, every kind of record counted."""
    byte_offset: Annotated[int, Yen()] | None = None
    """The first byte of the record in its file, from 0."""
    raw: bytes | None = Field(default=None, repr=False)
    """The record as it stood in the file, without its newline; only where asked for."""
    kind: ReceiptKind = Field(default=ReceiptKind.FINAL, strict=False)
    """速報, 確報, 取消 or 訂正."""
    payee_code: Annotated[str, Digits(5)] | None = None
    """共通納税機関コード."""
    office_code: Annotated[str, Digits(3)] | None = None
    """税務事務所コード."""
    item_code: Annotated[str, Digits(3)] | None = None
    """税目・料金番号."""
    case_key: Annotated[str, Digits(20, pad=True)] | None = None
    """案件特定キー, kept with its zeros."""
    confirmation: Annotated[str, Digits(6)] | None = None
    """確認番号."""
    barcode: Annotated[str, Digits(44)] | None = None
    """The 44 digits of the convenience-store barcode."""
    customer_number: Annotated[str, Text(20)] | None = None
    """顧客番号 of a direct-debit file."""
    virtual_account: Annotated[str, Digits(10)] | None = None
    """Virtual account that the money came to: branch 3 + number 7."""
    other_keys: Annotated[str, Text(400)] | None = None
    """The other keys that the text of the payment names, joined by ``;``: which of the bills was paid is not known."""
    levy_year: Annotated[int, Yen(0, 9999)] | None = None
    """賦課年度."""
    tax_year: Annotated[int, Yen(0, 9999)] | None = None
    """課税年度."""
    period: Annotated[str, Digits(2)] | None = None
    """期別."""
    paid_on: Annotated[date, Date()]
    """納付日・領収日: the day that decides 納期限 and 延滞金."""
    paid_time: time | None = None
    """The time of day at the till."""
    received_on: Annotated[date, Date()] | None = None
    """収入日・入金日: the day that decides the fiscal year."""
    settled_on: Annotated[date, Date()] | None = None
    """払込日・振込日: the day of the operator's transfer."""
    amount: Annotated[int, Yen()]
    """Yen; 0 only of a correction. A reversal has the yen that it takes back, not negative."""
    bank_charge: Annotated[int, Yen(-99_999_999_999)] | None = None
    """Yen that the bank kept of ``amount`` (手数料): the account got ``amount - bank_charge``. Negative: the bank added
    yen to it."""
    principal: Annotated[int, Yen()] | None = None
    """Yen of 本税 or 元本, where the file tells."""
    late_charge: Annotated[int, Yen()] | None = None
    """Yen of 延滞金, where the file tells."""
    demand_fee: Annotated[int, Yen()] | None = None
    """Yen of 督促手数料, where the file tells."""
    channel: Annotated[str, Text(20)] | None = None
    """納付チャネル, in the layout's own words."""
    agent_code: Annotated[str, Text(20)] | None = None
    """収納代行・本部コード."""
    bank_code: Annotated[str, Digits(4)] | None = None
    """金融機関コード."""
    branch_code: Annotated[str, Digits(3)] | None = None
    """店番."""
    store_code: Annotated[str, Text(20)] | None = None
    """店舗コード."""
    stamp: bool | None = None
    """印紙: whether a revenue stamp was due."""
    payable_until: Annotated[date, Date()] | None = None
    """支払期限 as the receipt carries it."""
    provider_key: Annotated[str, Text(128)] | None = None
    """What identifies the payment: the reference that the bank or agent assigned to it, or the fields that its layout
    declares (``[identity]``). Records of several files with the same key and the same content are one payment."""
    key_composed: bool | None = None
    """Whether ``provider_key`` was composed of fields, not assigned to one payment: equal records of one file are then
    different payments, numbered in their order. Without ``provider_key`` every field counts, and the same holds."""
    batch_key: Annotated[str, Text(128)] | None = None
    """The reference of the booking that contains this payment (一括入金): a record of the whole booking, whose
    ``provider_key`` this is, is the same money."""
    cancels: Annotated[str, Text(128)] | None = None
    """Of a reversal: the ``provider_key`` of the payment that it takes back (元取引), where the file has it."""
    name: Annotated[str, PersonalName(80)] | None = None
    """氏名, masked wherever it is shown."""
    actor: Annotated[str, Text(80, min=1)] | None = None
    """Who took it down; a deduction and a manual receipt must tell."""
    reason: Annotated[str, Text(200, min=1)] | None = None
    """Why, without personal data; a deduction and a manual receipt must tell."""

    @model_validator(mode="after")
    def _is_a_payment(self) -> Self:
        if not self.amount and self.kind is not ReceiptKind.CORRECTION:
            raise self.refusal(
                [Issue("AMOUNT_ZERO", field="amount", expected="1 or more", found="0")], "Receipt refused"
            )
        return self

    @model_validator(mode="after")
    def _name_who_answers(self) -> Self:
        missing = [name for name in ("actor", "reason") if self.kind.is_by_hand and getattr(self, name) is None]
        if missing:
            raise self.refusal(
                [Issue("FIELD_MISSING", field=name, expected=f"for {self.kind}") for name in missing], "Receipt refused"
            )
        return self
