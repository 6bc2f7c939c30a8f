"""Settlement statements (決算表) of a report, and the codes of account (会計・款項目節) of their rows and of ⑧."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from kokin.catalog import CATALOG, AccountCode, AccountCodes, Catalog
from kokin.issues import InvalidInputError, Issue
from kokin.model import MoneyKind
from kokin.reconcile import SETTLEMENT_KEYS

if TYPE_CHECKING:
    from kokin.ledger import Ledger, Settlement

#: The columns of a code of account.
CODE_COLUMNS = ("account", "kan", "ko", "moku", "setsu", "saisetsu")

#: The columns of 決算表 in a report.
_STATEMENT = pa.schema(
    [
        ("fiscal_year", pa.int64()),
        *((name, pa.string()) for name in ("period", *SETTLEMENT_KEYS)),
        *((name, pa.int64()) for name in ("assessed", "collected", "refundable", "refunded", "written_off", "unpaid")),
        ("rate", pa.decimal128(7, 2)),
    ]
)
# The periods that have a statement.
_YEARS = ("year", "enterprise_year")


def last_statements(ledger: Ledger, closings: pa.Table, last: int, catalog: Catalog) -> list[Settlement]:
    """Return the statement of the last fiscal year that is closed, and that of the enterprise accounts.

    Args:
        ledger: the ledger.
        closings: the active closings as of an entry: :meth:`kokin.ledger.Ledger.closings`.
        last: the entry.
        catalog: the charges of the authority.
    """
    statements = []
    for period in _YEARS:
        days = closings.filter(pc.equal(closings.column("period"), period)).column("first_day")
        if len(days):
            year = pc.max(days).as_py().year
            statements.append(ledger.settlement(year, period=period, as_of=last, catalog=catalog))
    return statements


def statement_table(statements: Sequence[Settlement]) -> pa.Table:
    """Return 決算表: the rows of statements with their ``fiscal_year`` and ``period``."""
    tables = [_STATEMENT.empty_table()]
    for each in statements:
        keys = (pa.repeat(pa.scalar(each.year), len(each.table)), pa.repeat(each.period.value, len(each.table)))
        tables.append(pa.table([*keys, *each.table.columns], schema=_STATEMENT))
    return pa.concat_tables(tables)


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
