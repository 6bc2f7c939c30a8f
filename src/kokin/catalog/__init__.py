"""The catalog of charges: the system that bills each, its class of claim, limitation and late charge.

>>> charge = CATALOG.charge("water-charge")
>>> print(charge.ja, charge.claim, charge.limitation_years, charge.late_charge, charge.allocation)
水道料金 private 5 civil civil
>>> charge.allows_seizure, charge.limitation_must_be_invoked
(False, True)
>>> [charge.id for charge in CATALOG.charges_of("sewerage")]
['sewerage-charge', 'sewerage-contribution']
>>> CATALOG.systems["national-pension"].no_collection_reason
'The authority collects nothing.'

Every authority has its own list of 税目・料金番号; :func:`load` adds it from a TOML file.
"""

from kokin.catalog._catalog import (
    CATALOG,
    Account,
    Catalog,
    CatalogError,
    Charge,
    ClaimClass,
    Item,
    LateChargeBasis,
    System,
    SystemKind,
    load,
)

__all__ = [
    "CATALOG",
    "Account",
    "Catalog",
    "CatalogError",
    "Charge",
    "ClaimClass",
    "Item",
    "LateChargeBasis",
    "System",
    "SystemKind",
    "load",
]
