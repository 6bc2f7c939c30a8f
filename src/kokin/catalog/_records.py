"""What the catalogue is made of: systems, accounts, charges and the body's own items."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from kokin.model import Digits, Record, Text, Yen


class SystemKind(StrEnum):
    """Where a system belongs."""

    #: 標準化対象事務: one of the twenty.
    STANDARD = "standard"
    #: 共通機能: serves the others.
    COMMON = "common"
    #: 公営企業: water and sewerage.
    ENTERPRISE = "enterprise"
    #: Roads, property, housing.
    OTHER = "other"


class ClaimClass(StrEnum):
    """The nature of a claim (債権の区分): it decides how it is enforced, when it lapses and what is settled first."""

    #: 強制徴収公債権.
    COMPULSORY = "compulsory"
    #: 非強制徴収公債権.
    PUBLIC = "public"
    #: 私債権.
    PRIVATE = "private"


class LateChargeBasis(StrEnum):
    """Where the numbers of a late charge come from."""

    #: The tax rules: :data:`kokin.rules.LOCAL_TAX`.
    TAX = "tax"
    #: 条例: a :class:`~kokin.rules.LateChargeRule` of the body's own.
    ORDINANCE = "ordinance"
    #: 14.6 % from the first day; the rest of the rule is the body's.
    FIXED_14_6 = "fixed-14.6"
    #: 条例 of at most 14.5 %.
    UP_TO_14_5 = "up-to-14.5"
    #: 遅延損害金: the statutory rate (民法404) or the contract's.
    CIVIL = "civil"
    #: Nothing is charged.
    NONE = "none"


class _Named(Record):
    """Something with a stable id and a name in both languages."""

    id: Annotated[str, Text(40, min=1)]
    """Stable: what stands in ``Bill.system`` and ``Bill.charge``."""
    ja: Annotated[str, Text(40, min=1)]
    en: Annotated[str, Text(80, min=1)]


class System(_Named):
    """A system (業務) that issues bills, or that says why it issues none."""

    kind: SystemKind = Field(strict=False)
    no_collection_reason: Annotated[str, Text(120)] = ""
    """Why there is no charge; empty where there is one."""

    @property
    def collects(self) -> bool:
        """Whether it bills anything."""
        return not self.no_collection_reason


class Account(_Named):
    """An account (会計)."""

    enterprise: bool = False
    """公営企業会計: accrual, and no 出納整理期間."""


class Charge(_Named):
    """A kind of debt (税目・料金) with what law says of it."""

    system: Annotated[str, Text(40, min=1)]
    """The id of the system that bills it."""
    claim: ClaimClass = Field(strict=False)
    account: Annotated[str, Text(40, min=1)]
    """The id of the account that it goes to."""
    basis: Annotated[str, Text(80, min=1)]
    """The articles that it rests on."""
    limitation_years: Annotated[int, Yen(1, 20)]
    """時効, for :func:`kokin.rules.limitation_ends_on`."""
    late_charge: LateChargeBasis = Field(strict=False)
    allocation: Annotated[str, Text(40, min=1)]
    """A key of :data:`kokin.rules.ALLOCATION_ORDERS`."""
    parts: tuple[Annotated[str, Text(40, min=1)], ...] = Field(default=(), strict=False)
    """The charges that one slip of this charge may carry: the names in ``Bill.parts``."""
    note: Annotated[str, Text(200)] = ""

    @property
    def allows_seizure(self) -> bool:
        """Whether the body may seize by itself (滞納処分), without a court."""
        return self.claim is ClaimClass.COMPULSORY

    @property
    def limitation_must_be_invoked(self) -> bool:
        """Whether the debtor must invoke the limitation (時効の援用, 民法145).

        Public claims lapse without it (自治法236②, 地方税法18②).
        """
        return self.claim is ClaimClass.PRIVATE


class Item(Record):
    """A 税目・料金番号 as one body uses it."""

    code: Annotated[str, Digits(3)]
    """税目・料金番号: ``Bill.item_code``."""
    charge: Annotated[str, Text(40, min=1)]
    """The id of the charge that it stands for; several codes may stand for one."""
    label: Annotated[str, Text(40, min=1)]
    """What the body calls it, on slips and in tables."""
