"""``kokin ledger settlement``: the settlement statement (決算表) of a closed fiscal year."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from kokin.cli import _output
from kokin.cli._ledger_read import ListFormat, ListOutput, print_list
from kokin.cli._main import Exit, with_controls, with_exit_code
from kokin.cli._messages import cell, headings, message
from kokin.cli._options import CatalogFile, CodesFile, LedgerAddress, argument, charges_of, open_ledger, option

_YEN = ("assessed", "collected", "refundable", "refunded", "written_off", "unpaid", "rate")


@with_exit_code
def settlement(
    year: Annotated[int, argument("The fiscal year: YYYY.", metavar="YEAR")],
    ledger: LedgerAddress = "",
    enterprise: Annotated[
        bool, option("The enterprise accounts (公営企業会計), closed by enterprise-year.", "--enterprise")
    ] = False,
    codes: CodesFile = None,
    catalog: CatalogFile = None,
    output: ListOutput = ListFormat.TEXT,
) -> Exit:
    """Print the settlement statement (決算表) of a closed fiscal year, as its closing has sealed it.

    A row has the yen assessed, collected, refundable (a part of what is collected), refunded, written off and unpaid of
    a charge and year class. What comes for a closed year is in the statement of the next one. If a control is broken,
    the exit code is 5: S1, that the columns explain what is unpaid; S2, that the closings have sealed the same yen.
    """
    from kokin import catalog as catalogs
    from kokin.reports import settlement_by_account

    charges = charges_of(catalog)
    own = catalogs.AccountCodes.load(codes) if codes else None
    with open_ledger(ledger) as opened:
        found = opened.settlement(year, period="enterprise_year" if enterprise else "year", catalog=charges)
    table = found.table if own is None else settlement_by_account(found.table, own, catalog=charges)
    controls = {name: control.as_dict() for name, control in found.controls.items()}
    code = with_controls(Exit.CLEAN, controls)
    if output is ListFormat.JSON:
        _output.as_json({**found.as_dict(), "rows": table.to_pylist()})
        return code
    if output is ListFormat.CSV:
        print_list(table, (), (), output)
        return code
    accounts = () if own is None else ("account", "kan", "ko", "moku")
    keys = ("payee_code", *accounts, "charge", "year_class")
    total = dict.fromkeys(keys, "") | {"charge": headings("total")[0]}
    rows = [*table.select([*keys, *_YEN]).to_pylist(), *({**total, **row} for row in found.totals.to_pylist())]
    of_accounts = headings("account", "kan", "ko", "moku")[: len(accounts)]
    titles = headings("payee_code", "charge", "year_class")
    titles = (titles[0], *of_accounts, *titles[1:])
    titles += headings("assessed", "collected", "refundable", "refunded", "written_off", "uncollected", "rate")
    _output.table(titles, [_cells(row) for row in rows])
    _output.line()
    _output.controls(controls)
    _output.line(message("sealed by entry {entry}", entry=found.entry))
    return code


def _cells(row: Mapping[str, Any]) -> list[Any]:
    return [cell(name, content) for name, content in row.items()]
