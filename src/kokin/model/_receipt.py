"""The receipt (収納): a reported payment, in the canonical form that every layout maps to."""

from __future__ import annotations

from datetime import date, time
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from kokin.issues import Issue
from kokin.model._fields import Date, Digits, PersonalName, Record, Text, Yen


class ReceiptKind(StrEnum):
    """The kind of a reported payment: how final it is, and who reported it."""

    #: 速報: accepted at the till; the money has not arrived.
    PROVISIONAL = "provisional"
    #: 確報: confirmed; the money is or will be transferred.
    FINAL = "final"
    #: 速報取消: a provisional receipt cancelled at the till.
    CANCEL = "cancel"
    #: 訂正: replaces a final receipt that was reported with another amount.
    CORRECTION = "correction"
    #: 入金取消・訂正・不渡り: the bank or agent takes booked money back.
    REVERSAL = "reversal"
    #: 天引き: deducted at source from a payment of the authority (児童手当法21・22, 生活保護法78の2), without a slip.
    DEDUCTION = "deduction"
    #: 手消込: entered manually, for money that is in no file.
    MANUAL = "manual"
    #: 充当: an excess that was set off against this debt; only :meth:`kokin.ledger.Ledger.decide_refunds` writes it.
    SETOFF = "setoff"

    @property
    def is_by_hand(self) -> bool:
        """Whether a person entered it: :attr:`Receipt.actor` and ``reason`` are then required."""
        return self in (ReceiptKind.DEDUCTION, ReceiptKind.MANUAL, ReceiptKind.SETOFF)

    @property
    def is_decidable(self) -> bool:
        """Whether a person can decide what its yen are for; those of a set-off follow from another decision."""
        return self in (ReceiptKind.FINAL, ReceiptKind.CORRECTION, ReceiptKind.DEDUCTION, ReceiptKind.MANUAL)


class Receipt(Record):
    """One record of a receipt file, with the four fields of the eL number, or one of the other three numbers."""

    layout: Annotated[str, Text(40)] = ""
    """The name of the layout of the file."""
    source: Annotated[str, Text(255)] = ""
    """The name of the file."""
    digest: Annotated[str, Text(64)] = ""
    """SHA-256 of the file, in hexadecimal."""
    record_no: Annotated[int, Yen(1)] | None = None
    """The number of the record in its file, from 1; records of every type are counted."""
    byte_offset: Annotated[int, Yen()] | None = None
    """The offset of the first byte of the record in its file, from 0."""
    raw: bytes | None = Field(default=None, repr=False)
    """The bytes of the record without its newline; only if requested."""
    kind: ReceiptKind = Field(default=ReceiptKind.FINAL, strict=False)
    """The kind (速報, 確報, 取消, 訂正, ...)."""
    payee_code: Annotated[str, Digits(5)] | None = None
    """共通納税機関コード."""
    office_code: Annotated[str, Digits(3)] | None = None
    """税務事務所コード."""
    item_code: Annotated[str, Digits(3)] | None = None
    """税目・料金番号."""
    case_key: Annotated[str, Digits(20, zero_pad=True)] | None = None
    """案件特定キー, with its leading zeros."""
    confirmation: Annotated[str, Digits(6)] | None = None
    """確認番号."""
    barcode: Annotated[str, Digits(44)] | None = None
    """The 44 digits of the convenience-store barcode."""
    customer_number: Annotated[str, Text(20)] | None = None
    """顧客番号 of a direct-debit file."""
    virtual_account: Annotated[str, Digits(10)] | None = None
    """Virtual account that received the money: branch 3 + number 7."""
    other_keys: Annotated[str, Text(400)] | None = None
    """Further keys in the text of the payment, joined by ``;``: it is unknown which of the bills was paid."""
    levy_year: Annotated[int, Yen(0, 9999)] | None = None
    """賦課年度."""
    tax_year: Annotated[int, Yen(0, 9999)] | None = None
    """課税年度."""
    period: Annotated[str, Digits(2)] | None = None
    """期別."""
    paid_on: Annotated[date, Date()]
    """納付日・領収日: the date of payment, for 納期限 and 延滞金."""
    paid_time: time | None = None
    """The time of day at the till."""
    received_on: Annotated[date, Date()] | None = None
    """収入日・入金日: the date of receipt, which determines the fiscal year."""
    settled_on: Annotated[date, Date()] | None = None
    """払込日・振込日: the date of the agent's transfer."""
    amount: Annotated[int, Yen()]
    """Yen; 0 only in a correction. A reversal has the reversed amount, as a positive number."""
    bank_charge: Annotated[int, Yen(-99_999_999_999)] | None = None
    """Yen that the bank deducted from ``amount`` (手数料): ``amount - bank_charge`` is credited. Negative: yen that the
    bank added."""
    principal: Annotated[int, Yen()] | None = None
    """Yen of 本税 or 元本, if the file has it."""
    late_charge: Annotated[int, Yen()] | None = None
    """Yen of 延滞金, if the file has it."""
    demand_fee: Annotated[int, Yen()] | None = None
    """Yen of 督促手数料, if the file has it."""
    channel: Annotated[str, Text(20)] | None = None
    """納付チャネル: a code or name of the layout."""
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
    """支払期限 in the record."""
    provider_key: Annotated[str, Text(128)] | None = None
    """The identity of the payment: the reference that the bank or agent assigned to it, or the fields that the layout
    declares (``[identity]``). Records of several files with the same key and the same content are one payment."""
    key_composed: bool | None = None
    """Whether ``provider_key`` was composed of fields, not assigned to one payment: equal records of one file are then
    different payments, numbered in their order. Without a ``provider_key``, it is composed of every field."""
    batch_key: Annotated[str, Text(128)] | None = None
    """The reference of the booking that contains this payment (一括入金): a record of the whole booking, whose
    ``provider_key`` this is, is the same money."""
    cancels: Annotated[str, Text(128)] | None = None
    """In a reversal: the ``provider_key`` of the reversed payment (元取引), if the file has it."""
    name: Annotated[str, PersonalName(80)] | None = None
    """氏名, masked in every display."""
    actor: Annotated[str, Text(80, min=1)] | None = None
    """The person who entered it; required if it was entered by hand."""
    reason: Annotated[str, Text(200, min=1)] | None = None
    """The reason, without personal data; required if it was entered by hand."""

    @model_validator(mode="after")
    def _check_amount(self) -> Self:
        if not self.amount and self.kind is not ReceiptKind.CORRECTION:
            issue = Issue("AMOUNT_ZERO", field="amount", expected="1 or more", found="0")
            raise self.error_class([issue], "invalid Receipt")
        return self

    @model_validator(mode="after")
    def _check_manual_entry(self) -> Self:
        missing = [name for name in ("actor", "reason") if self.kind.is_by_hand and getattr(self, name) is None]
        if missing:
            issues = [Issue("FIELD_MISSING", field=name, expected=f"for {self.kind}") for name in missing]
            raise self.error_class(issues, "invalid Receipt")
        return self
