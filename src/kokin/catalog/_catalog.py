"""Systems, accounts, charges and the items of an authority: the records and the shipped catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self, TypeVar

from pydantic import Field, model_validator

from kokin.issues import InvalidInputError, Issue
from kokin.model import Digits, Record, Text, Yen
from kokin.rules import LOCAL_TAX, LateChargeRule

_Row = TypeVar("_Row", bound=Record)

# The rates that law sets for two sources of a late charge, in percent.
_ONLY_14_6 = {"reduced_rate": None, "full_rate": Decimal("14.6")}
_MAX_14_5 = Decimal("14.5")


class SystemKind(StrEnum):
    """The kind of a system (業務)."""

    #: 標準化対象事務: one of the twenty.
    STANDARD = "standard"
    #: 共通機能: serves the other systems.
    COMMON = "common"
    #: 公営企業: water and sewerage.
    ENTERPRISE = "enterprise"
    #: Roads, property, housing.
    OTHER = "other"


class ClaimClass(StrEnum):
    """The class of a claim (債権の区分), on which enforcement, limitation and the order of allocation depend."""

    #: 強制徴収公債権.
    COMPULSORY = "compulsory"
    #: 非強制徴収公債権.
    PUBLIC = "public"
    #: 私債権.
    PRIVATE = "private"


class LateChargeBasis(StrEnum):
    """The source of the rates and limits of a late charge."""

    #: The tax rules: :data:`kokin.rules.LOCAL_TAX`.
    TAX = "tax"
    #: 条例: a :class:`~kokin.rules.LateChargeRule` of the authority.
    ORDINANCE = "ordinance"
    #: 14.6 % from the first day; the authority sets the rest of the rule.
    FIXED_14_6 = "fixed-14.6"
    #: 条例 of at most 14.5 %.
    UP_TO_14_5 = "up-to-14.5"
    #: 遅延損害金: the statutory rate (民法404) or the contract's.
    CIVIL = "civil"
    #: Nothing is charged.
    NONE = "none"


class _Named(Record):
    """A record with a stable id and a name in both languages."""

    id: Annotated[str, Text(40, min=1)]
    """Stable: the value of ``Bill.system`` and ``Bill.charge``."""
    ja: Annotated[str, Text(40, min=1)]
    en: Annotated[str, Text(80, min=1)]


class System(_Named):
    """A system (業務), with its charges or the reason why it has none."""

    kind: SystemKind = Field(strict=False)
    no_collection_reason: Annotated[str, Text(120)] = ""
    """Why the system has no charge; empty if it has one."""

    @property
    def collects(self) -> bool:
        """Whether the system has charges."""
        return not self.no_collection_reason


class AccountClass(_Named):
    """A class of accounts (会計の区分), on which the fiscal year of a receipt and its place in the totals depend."""

    accrual: bool = False
    """発生主義, as in 公営企業会計: without 出納整理期間."""
    revenue: bool = True
    """歳入 of the authority. False for 歳入歳出外現金, which it holds for another: the prefecture, the state."""


class Account(_Named):
    """An account (会計)."""

    account_class: Annotated[str, Text(40, min=1)]
    """The id of its class."""


class Charge(_Named):
    """A kind of debt (税目・料金) with its legal properties."""

    system: Annotated[str, Text(40, min=1)]
    """The id of the system that bills it."""
    claim: ClaimClass = Field(strict=False)
    account: Annotated[str, Text(40, min=1)]
    """The id of the account to which it is booked."""
    basis: Annotated[str, Text(80, min=1)]
    """The articles on which it is based."""
    limitation_years: Annotated[int, Yen(1, 20)]
    """時効, for :func:`kokin.rules.limitation_ends_on`."""
    late_charge: LateChargeBasis = Field(strict=False)
    late_charge_rule: LateChargeRule | None = None
    """The rule of the authority's ordinance or contract, with every parameter that differs from local tax."""
    allocation: Annotated[str, Text(40, min=1)]
    """A key of :data:`kokin.rules.ALLOCATION_ORDERS`."""
    parts: tuple[Annotated[str, Text(40, min=1)], ...] = Field(default=(), strict=False)
    """The charges into which a slip of this charge may be broken down: the names in ``Bill.parts``."""
    note: Annotated[str, Text(200)] = ""

    @model_validator(mode="after")
    def _check_rate_limits(self) -> Self:
        rule = self.late_charge_rule
        if rule is None:
            return self
        rates = {"reduced_rate": rule.reduced_rate, "full_rate": rule.full_rate}
        if self.late_charge is LateChargeBasis.FIXED_14_6:
            expected, invalid = "14.6 and no reduced_rate", [] if rates == _ONLY_14_6 else ["full_rate"]
        elif self.late_charge is LateChargeBasis.UP_TO_14_5:
            expected = "at most 14.5"
            invalid = [name for name, rate in rates.items() if isinstance(rate, Decimal) and rate > _MAX_14_5]
        else:
            return self
        issues = [
            Issue("RATE_INVALID", field=f"late_charge_rule.{name}", expected=expected, found=str(rates[name]))
            for name in invalid
        ]
        if issues:
            raise self.error_class(issues, "invalid Charge")
        return self

    @property
    def applicable_rule(self) -> LateChargeRule | None:
        """The rule of its late charge: that of the authority, or of law for local tax; None if neither is known."""
        if self.late_charge_rule is None and self.late_charge is LateChargeBasis.TAX:
            return LOCAL_TAX
        return self.late_charge_rule

    @property
    def bears_late_charge(self) -> bool:
        """Whether anything is charged for a late payment; the rule may be unknown."""
        return self.late_charge is not LateChargeBasis.NONE or self.late_charge_rule is not None

    @property
    def allows_seizure(self) -> bool:
        """Whether the authority may seize property (滞納処分) without a court."""
        return self.claim is ClaimClass.COMPULSORY

    @property
    def limitation_must_be_invoked(self) -> bool:
        """Whether the debtor must invoke the limitation (時効の援用, 民法145).

        Public claims are extinguished without it (自治法236②, 地方税法18②).
        """
        return self.claim is ClaimClass.PRIVATE


class Item(Record):
    """A 税目・料金番号 as one authority uses it."""

    code: Annotated[str, Digits(3)]
    """税目・料金番号: ``Bill.item_code``."""
    charge: Annotated[str, Text(40, min=1)]
    """The id of its charge; several codes may have the same charge."""
    label: Annotated[str, Text(40, min=1)]
    """The name that the authority uses on slips and in tables."""


class CatalogError(InvalidInputError):
    """An invalid catalog file, or a name that is not in the catalog."""


@dataclass(frozen=True, repr=False)
class Catalog:
    """Systems, accounts and charges by id, and the items of an authority by code."""

    systems: Mapping[str, System]
    account_classes: Mapping[str, AccountClass]
    accounts: Mapping[str, Account]
    charges: Mapping[str, Charge]
    items: Mapping[str, Item]

    def charge(self, name: str) -> Charge:
        """Return a charge by its id.

        Raises:
            CatalogError: the catalog has no charge with this id.
        """
        return _look_up(self.charges, name, "charge", "an id of the catalog")

    def class_of(self, charge: Charge) -> AccountClass:
        """Return the class of the account to which a charge is booked."""
        return self.account_classes[self.accounts[charge.account].account_class]

    def charges_of(self, system: str) -> tuple[Charge, ...]:
        """Return the charges of a system; empty if it collects nothing.

        Raises:
            CatalogError: the catalog has no system with this id.
        """
        _look_up(self.systems, system, "system", "an id of the catalog")
        return tuple(charge for charge in self.charges.values() if charge.system == system)

    def charge_of_item(self, item_code: str) -> Charge:
        """Return the charge of a 税目・料金番号 of the authority.

        Raises:
            CatalogError: the authority's file does not have the code.
        """
        return self.charges[_look_up(self.items, item_code, "item_code", "a code of the authority's catalog").charge]


def _look_up(records: Mapping[str, _Row], name: str, field: str, expected: str) -> _Row:
    if name not in records:
        raise CatalogError([Issue("CODE_UNKNOWN", field=field, expected=expected, found=name)])
    return records[name]
