"""The catalogue: what Kokin knows of charges, and what a body adds."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from kokin.catalog._records import Account, Charge, Item, System
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Record
from kokin.text import load_toml

_Row = TypeVar("_Row", bound=Record)

# Stands beside the tables of the shipped file.
_PROVENANCE = {"source", "verified"}


class CatalogError(InvalidInputError):
    """A catalogue file that cannot be taken, or a name that is not in the catalogue."""


@dataclass(frozen=True, repr=False)
class Catalog:
    """Systems, accounts and charges by id, and a body's items by code."""

    systems: Mapping[str, System]
    accounts: Mapping[str, Account]
    charges: Mapping[str, Charge]
    items: Mapping[str, Item]

    def charge(self, name: str) -> Charge:
        """A charge by its id.

        Raises:
            CatalogError: there is none of this id.
        """
        if name not in self.charges:
            raise CatalogError([Issue("CODE_UNKNOWN", field="charge", expected="an id of the catalogue", found=name)])
        return self.charges[name]

    def charges_of(self, system: str) -> tuple[Charge, ...]:
        """What a system bills; empty for one that collects nothing.

        Raises:
            CatalogError: there is no system of this id.
        """
        if system not in self.systems:
            raise CatalogError([Issue("CODE_UNKNOWN", field="system", expected="an id of the catalogue", found=system)])
        return tuple(charge for charge in self.charges.values() if charge.system == system)

    def charge_of_item(self, item_code: str) -> Charge:
        """The charge behind a 税目・料金番号 of the body.

        Raises:
            CatalogError: the body's file does not have the code.
        """
        if item_code not in self.items:
            raise CatalogError(
                [Issue("CODE_UNKNOWN", field="item_code", expected="a code of the body's catalogue", found=item_code)]
            )
        return self.charges[self.items[item_code].charge]


def load(path: str | os.PathLike[str]) -> Catalog:
    """The shipped catalogue with a body's own TOML file added to it.

    ``[items]`` gives each 税目・料金番号 its charge and label; ``[charges.<id>]`` adds a charge that only this body
    has, with the fields of :class:`Charge`::

        [items]
        "010" = { charge = "fixed-asset-tax", label = "固定資産税・都市計画税" }

    Raises:
        CatalogError: the file is not TOML, or a row is wrong; every problem is in ``.issues``.
        OSError: the file cannot be read.
    """
    file = Path(path)
    try:
        tables = load_toml(file)
    except InvalidInputError as error:
        raise CatalogError(error.issues, "catalogue refused") from None
    return _extended(CATALOG, tables, file.name, {"items", "charges"})


def _extended(base: Catalog, tables: Mapping[str, Any], file: str, allowed: set[str]) -> Catalog:
    """A catalogue with the rows of a file added and checked."""
    where = Location(file)
    issues = [Issue("FIELD_UNKNOWN", field=name, location=where) for name in tables if name not in allowed]
    systems = _rows(tables, "systems", "id", System, where, issues)
    accounts = _rows(tables, "accounts", "id", Account, where, issues)
    charges = _rows(tables, "charges", "id", Charge, where, issues)
    items = _rows(tables, "items", "code", Item, where, issues)
    issues += [
        Issue("CATALOG_DUPLICATE", field=f"charges.{name}", location=where) for name in charges if name in base.charges
    ]
    whole = Catalog(
        MappingProxyType({**base.systems, **systems}),
        MappingProxyType({**base.accounts, **accounts}),
        MappingProxyType({**base.charges, **charges}),
        MappingProxyType({**base.items, **items}),
    )
    if not issues:
        issues = [issue.with_location(where) for issue in _loose_ends(whole)]
    if issues:
        raise CatalogError(issues, "catalogue refused")
    return whole


def _rows(
    tables: Mapping[str, Any], table: str, key: str, record: type[_Row], where: Location, issues: list[Issue]
) -> dict[str, _Row]:
    """The rows of one table as records by their key; what is wrong with them goes to ``issues``."""
    rows = tables.get(table, {})
    if not (isinstance(rows, dict) and all(isinstance(row, dict) for row in rows.values())):
        issues.append(Issue("TOML_INVALID", field=table, location=where))
        return {}
    found = {}
    for name, row in rows.items():
        try:
            found[name] = record(**{**row, key: name})
        except InvalidInputError as refusal:
            issues += [
                Issue(
                    issue.code,
                    field=f"{table}.{name}.{issue.field}",
                    expected=issue.expected,
                    found=issue.found,
                    location=where,
                )
                for issue in refusal.issues
            ]
    return found


def _loose_ends(catalog: Catalog) -> list[Issue]:
    """Names that lead nowhere, and systems that neither collect nor say why."""
    links: list[tuple[str, str, Collection[str]]] = []
    for charge in catalog.charges.values():
        links.append((f"charges.{charge.id}.system", charge.system, catalog.systems))
        links.append((f"charges.{charge.id}.account", charge.account, catalog.accounts))
        links += [(f"charges.{charge.id}.parts", part, catalog.charges) for part in charge.parts]
    links += [(f"items.{item.code}.charge", item.charge, catalog.charges) for item in catalog.items.values()]
    billing = {charge.system for charge in catalog.charges.values()}
    unsaid = [system.id for system in catalog.systems.values() if system.collects != (system.id in billing)]
    return [
        *(
            Issue("CODE_UNKNOWN", field=field, expected="an id of the catalogue", found=name)
            for field, name, known in links
            if name not in known
        ),
        *(
            Issue("FIELD_MISSING", field=f"systems.{name}", expected="charges, or a word why there are none")
            for name in unsaid
        ),
    ]


def _shipped() -> Catalog:
    tables = load_toml(resources.files("kokin.catalog") / "charges.toml")
    empty = Catalog({}, {}, {}, {})
    return _extended(empty, tables, "charges.toml", _PROVENANCE | {"systems", "accounts", "charges"})


#: The catalogue that Kokin ships: no items, for they are each body's own.
CATALOG = _shipped()
