"""The catalogue of charges: who bills what, what kind of claim it is, and what follows from that.

>>> charge = CATALOG.charge("water-charge")
>>> print(charge.ja, charge.claim, charge.limitation_years, charge.late_charge, charge.allocation)
水道料金 private 5 civil civil
>>> charge.allows_seizure, charge.limitation_must_be_invoked
(False, True)
>>> [charge.id for charge in CATALOG.charges_of("sewerage")]
['sewerage-charge', 'sewerage-contribution']
>>> CATALOG.systems["national-pension"].no_collection_reason
'Nothing is collected by the body.'

The list of 税目・料金番号 is each body's own: :func:`load` adds it from a TOML file.
"""

from kokin.catalog._catalog import CATALOG, Catalog, CatalogError, load
from kokin.catalog._records import Account, Charge, ClaimClass, Item, LateChargeBasis, System, SystemKind

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
