"""Refund and set-off (還付・充当): what is decided about money that was paid in excess (過誤納)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from kokin.model._fields import Record, Text, Yen


class RefundKind(StrEnum):
    """What becomes of money that was paid in excess."""

    #: 還付: it is paid back to the payer.
    REFUND = "refund"
    #: 充当: it settles another debt of the payer.
    SETOFF = "setoff"


class RefundStep(StrEnum):
    """A step of a refund or set-off."""

    #: 還付決定・充当決定: kind, yen, interest and article of law are fixed.
    DECIDED = "decided"
    #: 還付命令: the transfer was written to a file for the bank.
    ORDERED = "ordered"
    #: 支払済: the bank has paid the transfer.
    PAID = "paid"
    #: 組戻: the transfer has come back; it can be ordered again, to another account.
    RETURNED = "returned"


class RefundState(StrEnum):
    """The state of yen that were paid in excess. Control T8: every yen of an excess has exactly one."""

    #: 未決定: nothing is decided.
    OPEN = "open"
    #: 還付決定済: to be ordered.
    DECIDED = "decided"
    #: 還付命令済: in a file for the bank.
    ORDERED = "ordered"
    #: 還付済: paid.
    PAID = "paid"
    #: 組戻: the transfer has come back; to be ordered again.
    RETURNED = "returned"
    #: 充当: has settled another debt.
    SET_OFF = "set_off"


#: The steps that can follow a step; a decision is the first one. A set-off is ordered only for its interest.
NEXT_STEPS = {
    RefundStep.DECIDED: (RefundStep.ORDERED,),
    RefundStep.ORDERED: (RefundStep.PAID, RefundStep.RETURNED),
    RefundStep.PAID: (),
    RefundStep.RETURNED: (RefundStep.ORDERED,),
}


class RefundPart(Record):
    """A part of the excess of one receipt that was decided, as input of :func:`kokin.reconcile.build_accounts`."""

    proposal_id: Annotated[str, Text(40, min=1)]
    """The id of the proposal."""
    digest: Annotated[str, Text(64)]
    """SHA-256 of the file of the receipt, in hexadecimal."""
    record_no: Annotated[int, Yen(1)]
    """The number of the receipt in its file."""
    payee_code: Annotated[str, Text(5)]
    """The payee of the receipt when the part was decided; empty if unknown."""
    kind: RefundKind = Field(strict=False)
    """Refund or set-off."""
    state: RefundState = Field(strict=False)
    """Any state but ``open``."""
    amount: Annotated[int, Yen(1)]
    """Yen of the excess."""
    interest: Annotated[int, Yen()]
    """Yen of 還付加算金, fixed by the decision."""
    article: Annotated[str, Text(80, min=1)]
    """The article of law."""
    debt_bill_id: Annotated[str, Text(64, min=1)] | None = None
    """The bill against which it was set off."""
