"""``kokin ledger account-file``: the figures of a closing for a 財務会計 system, under its codes of account."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from kokin.cli import _output
from kokin.cli._main import Exit, with_controls, with_exit_code
from kokin.cli._messages import headings, message
from kokin.cli._options import (
    CatalogFile,
    Format,
    LedgerAddress,
    OutputFormat,
    argument,
    charges_of,
    open_ledger,
    option,
)
from kokin.cli._upload import header_values


@with_exit_code
def account_file(
    closing: Annotated[int, argument("The entry of the closing.", metavar="ENTRY")],
    codes: Annotated[Path, option("The codes of account: accounts.toml.", "--codes", metavar="FILE")],
    layout: Annotated[str, option("Layout of the file, with [account]: a TOML file.", "--layout", "-l")],
    out: Annotated[Path, option("The file for the accounting system.", "--out", metavar="FILE")],
    ledger: LedgerAddress = "",
    catalog: CatalogFile = None,
    header: Annotated[
        list[str] | None, option("A value of the layout's header, once for each.", metavar="FIELD=VALUE")
    ] = None,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Write the figures of a closing for the accounting system (財務会計), under the codes of account.

    A yen without a code stops the command, and nothing is written. The controls tie the file to the closing (A1), and
    the report of the closing and its period to the bills (A2, T5); if one is broken, nothing is written and the
    exit code is 5.
    """
    from kokin import catalog as catalogs
    from kokin.issues import Issue
    from kokin.receipts import layouts
    from kokin.reports import AccountFile

    charges = charges_of(catalog)
    own, loaded = catalogs.AccountCodes.load(codes), layouts.load(layout)
    values = header_values(loaded, header or ())
    if not loaded.verified:
        _output.issues([Issue("LAYOUT_UNVERIFIED", found=loaded.name)])
    with open_ledger(ledger) as opened, _output.progress(message("report")):
        found = AccountFile.of_closing(opened, closing, own, catalog=charges)
    controls = {name: control.as_dict() for name, control in found.controls.items()}
    code = with_controls(Exit.CLEAN, controls)
    records = found.write(out, loaded, header=values) if code is Exit.CLEAN else 0
    yen = sum(found.entries.column("amount").to_pylist())
    if output is Format.JSON:
        _output.as_json({"closing": closing, "file": str(out), "records": records, "yen": yen, "controls": controls})
        return code
    _output.table(headings("file", "records", "yen"), [(str(out), records, yen)])
    _output.line()
    _output.controls(controls)
    return code
