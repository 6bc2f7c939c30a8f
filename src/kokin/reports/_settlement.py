"""The codes of account (会計・款項目節) of the rows of a table: of a settlement statement (決算表), and of ⑧."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from kokin.catalog import CATALOG, AccountCode, AccountCodes, Catalog
from kokin.issues import InvalidInputError, Issue
from kokin.model import MoneyKind
from kokin.reconcile import SETTLEMENT_KEYS

#: The columns of a code of account.
CODE_COLUMNS = ("account", "kan", "ko", "moku", "setsu", "saisetsu")


def settlement_by_account(table: pa.Table, codes: AccountCodes, *, catalog: Catalog = CATALOG) -> pa.Table:
    """Return a settlement statement by code of account: ``account, kan, ko, moku, setsu, saisetsu``, then its columns.

    A charge has its code of ``revenue``, one in an account of money that belongs to another that of ``off_budget``.

    Args:
        table: :attr:`kokin.ledger.Settlement.table`.
        codes: the codes of the authority.
        catalog: the charges.

    Raises:
        InvalidInputError: ACCOUNT_CODE_MISSING for each row without a code.
    """
    rows, issues = [], []
    for row in table.to_pylist():
        kind, code = _code_of(row, codes, catalog)
        if code is None:
            where = " ".join(str(row[name]) for name in SETTLEMENT_KEYS if row[name] is not None)
            issues.append(Issue("ACCOUNT_CODE_MISSING", field=kind.value, expected=where, found=f"{row['assessed']:,}"))
        else:
            rows.append({**{name: getattr(code, name) for name in CODE_COLUMNS}, **row})
    if issues:
        raise InvalidInputError(issues, "no settlement")
    schema = pa.schema([*((name, pa.string()) for name in CODE_COLUMNS), *table.schema])
    order = [(name, "ascending") for name in ("payee_code", *CODE_COLUMNS, *SETTLEMENT_KEYS[1:])]
    return pa.Table.from_pylist(rows, schema).sort_by(order)


def with_account_codes(table: pa.Table, codes: AccountCodes, catalog: Catalog) -> pa.Table:
    """Return a table with the code of account of each row: ``account_code, kan, ko, moku, setsu, saisetsu``.

    A row without a code has null in all of them.

    Args:
        table: a table with ``payee_code, charge, item_code, year_class``.
        codes: the codes of the authority.
        catalog: the charges.
    """
    found = [_code_of(row, codes, catalog)[1] for row in table.to_pylist()]
    for name in CODE_COLUMNS:
        column = pa.array([code and getattr(code, name) for code in found], pa.string())
        table = table.append_column("account_code" if name == "account" else name, column)
    return table


def _code_of(row: Mapping[str, Any], codes: AccountCodes, catalog: Catalog) -> tuple[MoneyKind, AccountCode | None]:
    """Return whether the yen of a row are revenue of the authority, and their code."""
    charge = catalog.charges.get(row["charge"])
    is_revenue = charge is None or catalog.class_of(charge).revenue
    kind = MoneyKind.REVENUE if is_revenue else MoneyKind.OFF_BUDGET
    return kind, codes.find(kind, row)
