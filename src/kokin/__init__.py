"""Kokin (公金): the public money of Japanese local governments.

A **slip** (納付書) goes out with an eL-QR, a **receipt file** (収納データ) comes back, and **reconciliation** (消込)
settles the receipts against the **bills** (調定), every yen in exactly one outcome.

>>> from datetime import date
>>> from kokin import elqr
>>> code = elqr.ElQr(payee_code="99999", office_code="001", item_code="127", case_key="1234567890",
...                  confirmation="123456", amount=12300, levy_year=2026, tax_year=2026, period="00",
...                  due_on=date(2026, 6, 1), payable_until=date(2026, 7, 10))
>>> code.el_number
'99999-00000000001234567890-123456-127'
>>> elqr.parse(code.payload) == code
True

The packages are imported when they are first accessed, so that ``import kokin`` stays light.
"""

from __future__ import annotations

import importlib
import logging
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kokin import (
        authorities,
        bills,
        catalog,
        elqr,
        intake,
        issues,
        ledger,
        matching,
        model,
        receipts,
        reconcile,
        reports,
        rules,
        slips,
        spark,
        text,
    )

__version__ = "0.1.0"

__all__ = [
    "authorities",
    "bills",
    "catalog",
    "elqr",
    "intake",
    "issues",
    "ledger",
    "matching",
    "model",
    "receipts",
    "reconcile",
    "reports",
    "rules",
    "slips",
    "spark",
    "text",
]


# Events are logged by a program that adds a handler, such as the command with --log.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
