"""The decision (判断): what a person decided about an exception."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from kokin.issues import Issue
from kokin.model._fields import Date, Record, Text, Yen


class DecisionKind(StrEnum):
    """What a person decides about an exception."""

    #: 充当先の指定: the payment is for one or several bills, whatever number the receipt has.
    ASSIGN = "assign"
    #: 充当先の変更: the same, of a payment that is applied to another bill now.
    MOVE = "move"
    #: 消込の取消: the payment is for none of the bills; its yen are in suspense until another decision.
    UNAPPLY = "unapply"
    #: 他団体分: the payment is for another authority; its yen are in suspense until they are handed over.
    OTHER_AUTHORITY = "other_authority"
    #: 収納でない: the record reports no payment; its yen have no effect.
    NOT_A_PAYMENT = "not_a_payment"
    #: 保留: nobody has to look at the exception before a day.
    HOLD = "hold"
    #: 了承: the exception is right as it is.
    ACCEPT = "accept"

    @property
    def names_bill(self) -> bool:
        """Whether it is about a bill."""
        return self in (DecisionKind.ASSIGN, DecisionKind.MOVE)

    @property
    def is_matched(self) -> bool:
        """Whether it changes what the yen of a receipt are for; the others only close an exception."""
        return self not in (DecisionKind.HOLD, DecisionKind.ACCEPT)


class DecisionFields(Record):
    """The fields of every decision, or of one part of it: a payment that is divided among bills has a part for each."""

    decision: DecisionKind = Field(strict=False)
    """The kind."""
    bill_id: Annotated[str, Text(64, min=1)] | None = None
    """The bill that the payment, or the part, is assigned to; only in ``assign`` and ``move``, and required there."""
    amount: Annotated[int, Yen(1)] | None = None
    """Yen of the part; null for the whole payment. The parts of a payment add up to its amount."""
    hold_until: Annotated[date, Date()] | None = None
    """The first day on which somebody has to look again; only in ``hold``, and required there."""

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        issues = []
        holds = self.decision is DecisionKind.HOLD
        for name, is_required in (("bill_id", self.decision.names_bill), ("hold_until", holds)):
            is_missing = getattr(self, name) is None
            if is_missing == is_required:
                code = "FIELD_MISSING" if is_missing else "FIELD_NOT_EMPTY"
                issues.append(Issue(code, field=name, expected=f"for {self.decision}"))
        if self.amount is not None and not self.decision.names_bill:
            issues.append(Issue("FIELD_NOT_EMPTY", field="amount", expected=f"for {self.decision}"))
        if issues:
            raise self.error_class(issues, f"invalid {type(self).__name__}")
        return self


class Decision(DecisionFields):
    """One decision about the payment of a receipt, or one part of it, as input of matching.

    Of several decisions about one payment the last one, with the largest ``decision_no``, applies.
    """

    decision_no: Annotated[int, Yen(1)]
    """The order of the decisions; equal for the parts of one decision, and different for those of two receipts."""
    digest: Annotated[str, Text(64)]
    """SHA-256 of the file of the receipt, in hexadecimal."""
    record_no: Annotated[int, Yen(1)]
    """The number of the receipt in its file."""
