"""Systems, accounts, charges and the items of an authority; the shipped catalog and its extension by a file."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

from pydantic import Field

from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Digits, Record, Text, Yen
from kokin.text import load_toml

_Row = TypeVar("_Row", bound=Record)

# Keys of the shipped file besides its tables.
_PROVENANCE = {"source", "verified"}


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


class Account(_Named):
    """An account (会計)."""

    enterprise: bool = False
    """公営企業会計: accrual accounting, without 出納整理期間."""


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
    allocation: Annotated[str, Text(40, min=1)]
    """A key of :data:`kokin.rules.ALLOCATION_ORDERS`."""
    parts: tuple[Annotated[str, Text(40, min=1)], ...] = Field(default=(), strict=False)
    """The charges into which a slip of this charge may be broken down: the names in ``Bill.parts``."""
    note: Annotated[str, Text(200)] = ""

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
    accounts: Mapping[str, Account]
    charges: Mapping[str, Charge]
    items: Mapping[str, Item]

    def charge(self, name: str) -> Charge:
        """Return a charge by its id.

        Raises:
            CatalogError: the catalog has no charge with this id.
        """
        return _look_up(self.charges, name, "charge", "an id of the catalog")

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


def load(path: str | os.PathLike[str]) -> Catalog:
    """Return the shipped catalog, extended by the TOML file of an authority.

    ``[items]`` has the charge and the label of each 税目・料金番号; ``[charges.<id>]`` adds a charge that only this
    authority has, with the fields of :class:`Charge`::

        [items]
        "010" = { charge = "fixed-asset-tax", label = "固定資産税・都市計画税" }

    Raises:
        CatalogError: the file is not TOML, or a row is invalid; every problem is in ``.issues``.
        OSError: the file cannot be read.
    """
    file = Path(path)
    try:
        tables = load_toml(file)
    except InvalidInputError as error:
        raise CatalogError(error.issues, "catalog rejected") from None
    return _extend(CATALOG, tables, file.name, {"items", "charges"})


def _extend(base: Catalog, tables: Mapping[str, Any], file: str, allowed: set[str]) -> Catalog:
    """Return a catalog with the rows of a file added and checked."""
    systems, system_issues = _records(tables, "systems", "id", System)
    accounts, account_issues = _records(tables, "accounts", "id", Account)
    charges, charge_issues = _records(tables, "charges", "id", Charge)
    items, item_issues = _records(tables, "items", "code", Item)
    issues = [
        *(Issue("FIELD_UNKNOWN", field=name) for name in tables if name not in allowed),
        *system_issues,
        *account_issues,
        *charge_issues,
        *item_issues,
        *(Issue("CATALOG_DUPLICATE", field=f"charges.{name}") for name in charges if name in base.charges),
    ]
    extended = Catalog(
        MappingProxyType({**base.systems, **systems}),
        MappingProxyType({**base.accounts, **accounts}),
        MappingProxyType({**base.charges, **charges}),
        MappingProxyType({**base.items, **items}),
    )
    issues = issues or [*_dangling_references(extended), *_unexplained_systems(extended)]
    if issues:
        raise CatalogError([issue.with_location(Location(file)) for issue in issues], "catalog rejected")
    return extended


def _records(
    tables: Mapping[str, Any], table: str, key: str, record: type[_Row]
) -> tuple[dict[str, _Row], list[Issue]]:
    """Return the valid rows of one table as records by their key, and the issues of the others."""
    rows = tables.get(table, {})
    if not (isinstance(rows, dict) and all(isinstance(row, dict) for row in rows.values())):
        return {}, [Issue("TOML_INVALID", field=table)]
    records, issues = {}, []
    for name, row in rows.items():
        try:
            records[name] = record(**{**row, key: name})
        except InvalidInputError as error:
            issues += [
                Issue(i.code, field=f"{table}.{name}.{i.field}", expected=i.expected, found=i.found)
                for i in error.issues
            ]
    return records, issues


def _dangling_references(catalog: Catalog) -> list[Issue]:
    """Return an issue for each reference to an id that the catalog does not have."""
    references: list[tuple[str, str, Collection[str]]] = []
    for charge in catalog.charges.values():
        references.append((f"charges.{charge.id}.system", charge.system, catalog.systems))
        references.append((f"charges.{charge.id}.account", charge.account, catalog.accounts))
        references += [(f"charges.{charge.id}.parts", part, catalog.charges) for part in charge.parts]
    references += [(f"items.{item.code}.charge", item.charge, catalog.charges) for item in catalog.items.values()]
    return [
        Issue("CODE_UNKNOWN", field=field, expected="an id of the catalog", found=name)
        for field, name, ids in references
        if name not in ids
    ]


def _unexplained_systems(catalog: Catalog) -> list[Issue]:
    """Return an issue for each system that has neither charges nor a ``no_collection_reason``, or both."""
    with_charges = {charge.system for charge in catalog.charges.values()}
    return [
        Issue("FIELD_MISSING", field=f"systems.{system.id}", expected="charges, or a no_collection_reason")
        for system in catalog.systems.values()
        if system.collects != (system.id in with_charges)
    ]


def _shipped() -> Catalog:
    tables = load_toml(resources.files("kokin.catalog") / "charges.toml")
    return _extend(Catalog({}, {}, {}, {}), tables, "charges.toml", _PROVENANCE | {"systems", "accounts", "charges"})


#: The shipped catalog. It has no items: every authority has its own.
CATALOG = _shipped()
