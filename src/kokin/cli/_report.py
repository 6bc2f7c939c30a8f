"""``kokin report``: a ledger in, the morning's papers out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, cast, get_args

import typer

from kokin.cli import _show
from kokin.cli._address import LedgerUrl, only, opened
from kokin.cli._exits import Exit, exits, with_controls
from kokin.cli._options import (
    AsOf,
    CatalogFile,
    PolicyFile,
    day_of,
)
from kokin.cli._words import heads, help_text, language, tell


class Encoding(StrEnum):
    """Of the CSV."""

    UTF_8_SIG = "utf-8-sig"
    UTF_8 = "utf-8"
    CP932 = "cp932"


class Headings(StrEnum):
    """What the CSV's header holds."""

    NAMES = "names"
    WORDS = "words"


@exits
def report(
    out: Annotated[Path, typer.Option(help=help_text("The folder to write into."), show_default=False)],
    ledger: LedgerUrl = None,
    as_of: AsOf = None,
    forms: Annotated[
        str, typer.Option("--format", help=help_text("One or more of csv, xlsx, html, with commas between them."))
    ] = "csv,html",
    encoding: Annotated[Encoding, typer.Option(help=help_text("Of the CSV."))] = Encoding.UTF_8_SIG,
    headings: Annotated[
        Headings, typer.Option(help=help_text("Of the CSV: names and codes for programs, or words for people."))
    ] = Headings.NAMES,
    geta: Annotated[
        bool, typer.Option("--geta", help=help_text("Write 〓 for what cp932 lacks, instead of refusing it."))
    ] = False,
    catalog: CatalogFile = None,
    policy: PolicyFile = None,
) -> Exit:
    """Write the reports of a ledger: outcomes, exceptions, totals, arrears, the page to look at, and the rest.

    The folder is complete or, if anything fails, as it was. The exit code is 0 even if there are exceptions, which a
    ledger always has; 1 if a character was replaced; 5 if a control is broken.
    """
    from kokin.catalog import CATALOG, load
    from kokin.reconcile import Policy
    from kokin.reports import of_ledger

    formats = _formats(forms)
    url, choices = only(ledger), Policy.load(policy) if policy else None
    with opened(url, policy=choices) as kept, _show.progress(tell("report")):
        charges = load(catalog) if catalog else CATALOG
        made = of_ledger(kept, as_of=as_of and day_of(as_of), catalog=charges)
        replaced = made.write(
            out, formats, language=language(), encoding=encoding.value, headings=headings.value, geta=geta
        )
    counts = [made.summary["receipts"], *(len(made.tables[name]) for name in ("exceptions", "overpayments", "arrears"))]
    _show.line(tell("as of {day}", day=made.as_of))
    _show.line()
    _show.grid(heads("receipts", "to look at", "overpaid", "in arrears"), [counts])
    _show.line()
    _show.controls(made.summary["controls"])
    _show.issues(replaced)
    _show.line()
    _show.line(tell("written to {out}", out=out))
    return with_controls(Exit.EXCEPTIONS if replaced else Exit.CLEAN, made.summary["controls"])


def _formats(given: str) -> list[Literal["csv", "xlsx", "html"]]:
    """The formats of a list with commas.

    Raises:
        BadParameter: there is no such format.
    """
    from kokin.reports import Format

    known = get_args(Format)
    chosen = [form.strip() for form in given.split(",")]
    if wrong := next((form for form in chosen if form not in known), None):
        message = tell("there is no format {wrong}: {known}", wrong=repr(wrong), known=", ".join(known))
        raise typer.BadParameter(message, param_hint="--format")
    return cast(list[Literal["csv", "xlsx", "html"]], chosen)
