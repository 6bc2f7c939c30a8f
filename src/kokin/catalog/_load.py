"""Catalog files: the shipped catalog, and its extension by the TOML file of an authority."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from kokin.catalog._catalog import Account, AccountClass, Catalog, CatalogError, Charge, Item, System
from kokin.issues import InvalidInputError, Issue, Location
from kokin.model import Record
from kokin.rules import ALLOCATION_ORDERS, LateChargeRule
from kokin.text import load_toml

_Row = TypeVar("_Row", bound=Record)
_Tables = Mapping[str, Any]

# Keys of the shipped file besides its tables.
_PROVENANCE = {"source", "verified"}

# The tables of a file: the field that is the name of a row, and the record.
_RECORDS: Mapping[str, tuple[str, type[Record]]] = {
    "systems": ("id", System),
    "account_classes": ("id", AccountClass),
    "accounts": ("id", Account),
    "charges": ("id", Charge),
    "items": ("code", Item),
}

# What an authority decides about a shipped charge.
_OWN_FIELDS = {"account", "late_charge_rule"}


def load(path: str | os.PathLike[str]) -> Catalog:
    """Return the shipped catalog, extended by the TOML file of an authority.

    - ``[items]`` has the charge and the label of each 税目・料金番号.
    - ``[accounts]`` adds accounts (会計), ``[account_classes]`` classes of accounts, with the fields of
      :class:`Account` and :class:`AccountClass`.
    - ``[charges.<id>]`` adds a charge that only this authority has, with the fields of :class:`Charge`. For a shipped
      charge it sets what the authority decides: the ``account`` and the ``late_charge_rule``.
    - ``[charges.<id>.late_charge_rule]`` has the fields of :class:`~kokin.rules.LateChargeRule` that differ from local
      tax; an empty table is the rule of local tax.

    For example::

        [items]
        "010" = { charge = "fixed-asset-tax", label = "固定資産税・都市計画税" }
        "060" = { charge = "school-lunch-fee", label = "学校給食費" }

        [accounts]
        school-lunch = { ja = "学校給食特別会計", en = "School lunch account", account_class = "special" }

        [charges.school-lunch-fee]
        account = "school-lunch"

        [charges.national-health-insurance-premium.late_charge_rule]
        reduced_months = 3

    Raises:
        CatalogError: the file is not TOML, or a row is invalid; every problem is in ``.issues``, with the name of its
            table, row and field.
        OSError: the file cannot be read.
    """
    file = Path(path)
    try:
        tables = load_toml(file, parse_float=Decimal)
    except InvalidInputError as error:
        raise CatalogError(error.issues, "catalog rejected") from None
    return _extend(CATALOG, tables, file.name, _RECORDS.keys() - {"systems"})


def _extend(base: Catalog, tables: _Tables, file: str, allowed: Collection[str]) -> Catalog:
    """Return a catalog with the rows of a file added and checked."""
    issues = [Issue("FIELD_UNKNOWN", field=name) for name in tables if name not in allowed]
    extended: dict[str, Mapping[str, Any]] = {}
    for table, (key, record) in _RECORDS.items():
        rows, row_issues = _records(tables, table, key, record, getattr(base, table))
        extended[table] = MappingProxyType({**getattr(base, table), **rows})
        issues += row_issues
    catalog = Catalog(**extended)
    issues = issues or [*_dangling_references(catalog), *_unexplained_systems(catalog)]
    if issues:
        raise CatalogError([issue.with_location(Location(file)) for issue in issues], "catalog rejected")
    return catalog


def _records(
    tables: _Tables, table: str, key: str, record: type[_Row], shipped: Mapping[str, _Row]
) -> tuple[dict[str, _Row], list[Issue]]:
    """Return the valid rows of one table as records by their key, and the issues of the others."""
    rows = tables.get(table, {})
    if not (isinstance(rows, dict) and all(isinstance(row, dict) for row in rows.values())):
        return {}, [Issue("TOML_INVALID", field=table)]
    records: dict[str, _Row] = {}
    issues: list[Issue] = []
    for name, row in rows.items():
        row_issues, values = [], {**row, key: name}
        if name in shipped:
            row_issues = _duplicates(record, row)
            values = {**dict(shipped[name]), **values}
        try:
            records[name] = record(**_with_rule(values))
        except InvalidInputError as error:
            row_issues += error.issues
        issues += [_within(f"{table}.{name}", issue) for issue in row_issues]
    return records, issues


def _duplicates(record: type[Record], row: Mapping[str, Any]) -> list[Issue]:
    """Return the issues of a row that is shipped: for each field of a charge that an authority does not decide."""
    if record is not Charge:
        return [Issue("CATALOG_DUPLICATE")]
    return [Issue("CATALOG_DUPLICATE", field=name) for name in row if name not in _OWN_FIELDS]


def _with_rule(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a row with the table ``late_charge_rule`` as a record.

    Raises:
        InvalidInputError: the table is not a valid rule.
    """
    table = values.get("late_charge_rule")
    if table is None or isinstance(table, LateChargeRule):
        return values
    if not isinstance(table, dict):
        found = type(table).__name__
        raise InvalidInputError([Issue("FIELD_TYPE", field="late_charge_rule", expected="a table", found=found)])
    try:
        rule = LateChargeRule(**{name: _as_decimal(name, value) for name, value in table.items()})
    except InvalidInputError as error:
        raise InvalidInputError([_within("late_charge_rule", issue) for issue in error.issues]) from None
    return {**values, "late_charge_rule": rule}


def _as_decimal(name: str, value: Any) -> Any:
    """Return a whole number of percent as a ``Decimal``: TOML writes 7.0 also as 7."""
    return Decimal(value) if name.endswith("_rate") and type(value) is int else value


def _within(place: str, issue: Issue) -> Issue:
    """Return an issue with the name of its table or row before that of its field."""
    return replace(issue, field=f"{place}.{issue.field}" if issue.field else place)


def _dangling_references(catalog: Catalog) -> Iterator[Issue]:
    """Yield an issue for each reference to an id that the catalog does not have."""
    references: list[tuple[str, str, Collection[str]]] = [
        (f"accounts.{account.id}.account_class", account.account_class, catalog.account_classes)
        for account in catalog.accounts.values()
    ]
    for charge in catalog.charges.values():
        references.append((f"charges.{charge.id}.system", charge.system, catalog.systems))
        references.append((f"charges.{charge.id}.account", charge.account, catalog.accounts))
        references.append((f"charges.{charge.id}.allocation", charge.allocation, ALLOCATION_ORDERS))
        references += [(f"charges.{charge.id}.parts", part, catalog.charges) for part in charge.parts]
    references += [(f"items.{item.code}.charge", item.charge, catalog.charges) for item in catalog.items.values()]
    for field, name, ids in references:
        if name not in ids:
            yield Issue("CODE_UNKNOWN", field=field, expected="an id of the catalog", found=name)


def _unexplained_systems(catalog: Catalog) -> Iterator[Issue]:
    """Yield an issue for each system that has neither charges nor a ``no_collection_reason``, or both."""
    with_charges = {charge.system for charge in catalog.charges.values()}
    for system in catalog.systems.values():
        if system.collects != (system.id in with_charges):
            expected = "charges, or a no_collection_reason"
            yield Issue("FIELD_MISSING", field=f"systems.{system.id}", expected=expected)


def _shipped() -> Catalog:
    tables = load_toml(resources.files("kokin.catalog") / "charges.toml", parse_float=Decimal)
    return _extend(Catalog({}, {}, {}, {}, {}), tables, "charges.toml", _PROVENANCE | _RECORDS.keys() - {"items"})


#: The shipped catalog. It has no items: every authority has its own.
CATALOG = _shipped()
