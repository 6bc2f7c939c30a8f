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

Every authority has its own list of 税目・料金番号, accounts and rules of late charges; :func:`load` adds them from a
TOML file.
"""

from kokin.catalog._account_codes import AccountCode, AccountCodes
from kokin.catalog._catalog import (
    Account,
    AccountClass,
    Catalog,
    CatalogError,
    Charge,
    ClaimClass,
    Item,
    LateChargeBasis,
    System,
    SystemKind,
)
from kokin.catalog._load import CATALOG, load
from kokin.catalog._write_off_articles import claims_of_article

__all__ = [
    "CATALOG",
    "Account",
    "AccountClass",
    "AccountCode",
    "AccountCodes",
    "Catalog",
    "CatalogError",
    "Charge",
    "ClaimClass",
    "Item",
    "LateChargeBasis",
    "System",
    "SystemKind",
    "claims_of_article",
    "load",
]
