"""The entry of an account (会計・款項目節) for a 財務会計 system."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from kokin.model._fields import Date, Digits, Record, Text, Yen

_MAX = Yen().max


class MoneyKind(StrEnum):
    """The kind of the yen of an account entry: the columns of yen of the totals."""

    #: 歳入: revenue of the authority.
    REVENUE = "revenue"
    #: 歳入歳出外現金: held for another, such as the prefecture.
    OFF_BUDGET = "off_budget"
    #: 過誤納: paid in excess, until it is refunded or set off.
    OVERPAID = "overpaid"
    #: 不明金: of an unknown bill, until somebody decides.
    SUSPENSE = "suspense"


class AccountEntry(Record):
    """Yen of one day under one code of account: a record of a file by a layout with ``[account]``."""

    booked_on: Annotated[date, Date()]
    """計上日: the day whose figures have the yen."""
    fiscal_year: Annotated[int, Yen(0, 9999)]
    """会計年度; of yen that belong to no bill, that of ``booked_on``."""
    payee_code: Annotated[str, Digits(5)] | None = None
    """共通納税機関コード; null if it is unknown."""
    kind: MoneyKind = Field(strict=False)
    """The kind of the yen."""
    account: Annotated[str, Text(20, min=1)]
    """会計."""
    kan: Annotated[str, Text(20)] | None = None
    """款."""
    ko: Annotated[str, Text(20)] | None = None
    """項."""
    moku: Annotated[str, Text(20)] | None = None
    """目."""
    setsu: Annotated[str, Text(20)] | None = None
    """節."""
    saisetsu: Annotated[str, Text(20)] | None = None
    """細節."""
    receipts: Annotated[int, Yen(-_MAX)]
    """The number of receipts."""
    amount: Annotated[int, Yen(-_MAX)]
    """Yen; negative for a correction."""
