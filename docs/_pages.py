"""Reference pages that are made from the package itself, so that they cannot be out of date."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from decimal import Decimal
from importlib import resources
from pathlib import Path

import typer
from _figures import FIGURES
from typer.main import get_command

from kokin.catalog import CATALOG, ClaimClass
from kokin.cli import app
from kokin.issues import CODES
from kokin.model import Finding, Outcome
from kokin.receipts import layouts
from kokin.rules import RATES


def write_generated_pages(source: Path) -> None:
    """Write the generated pages below ``reference/_generated``; a page that has not changed is left alone."""
    folder = source / "reference" / "_generated"
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"issues.md": _issue_codes(), "outcomes.md": _outcomes(), "cli.md": _commands()}
    pages |= {"charges.md": _charges(), "rates.md": _rates()}
    pages |= {f"{name}.html": [draw().strip()] for name, draw in FIGURES.items()}
    pages |= {f"layout-{name}.md": _layout(name) for name in layouts.names()}
    for name, lines in pages.items():
        text = "\n".join(lines) + "\n"
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _issue_codes() -> Iterator[str]:
    yield "| code | weight | meaning | 意味 |"
    yield "|---|---|---|---|"
    for code in CODES.values():
        yield f"| `{code.name}` | {code.severity} | {code.en} | {code.ja} |"


def _outcomes() -> Iterator[str]:
    yield "| outcome | to look at |"
    yield "|---|---|"
    for outcome in Outcome:
        yield f"| `{outcome}` | {'yes' if outcome.is_exception else 'no'} |"
    yield ""
    findings = ", ".join(f"`{finding}`" for finding in Finding)
    yield f"Law, policy and bank may add findings beside it, which move no yen: {findings}."


_CLAIMS = {ClaimClass.COMPULSORY: "強制徴収公債権", ClaimClass.PUBLIC: "非強制徴収公債権", ClaimClass.PRIVATE: "私債権"}


def _charges() -> Iterator[str]:
    yield "| charge | 項目 | claim | account | basis | 時効 | 延滞金 | order |"
    yield "|---|---|---|---|---|--:|---|---|"
    for charge in CATALOG.charges.values():
        account = CATALOG.accounts[charge.account].ja
        claim = f"{charge.claim} {_CLAIMS[charge.claim]}"
        law = f"{charge.basis} | {charge.limitation_years} | {charge.late_charge} | {charge.allocation}"
        yield f"| `{charge.id}`<br>{charge.en} | {charge.ja} | {claim} | {account} | {law} |"
    yield ""
    yield "| system | システム | charges |"
    yield "|---|---|---|"
    for system in CATALOG.systems.values():
        charges = ", ".join(f"`{charge.id}`" for charge in CATALOG.charges_of(system.id)) or system.collects_nothing
        yield f"| `{system.id}`<br>{system.en} | {system.ja} | {charges} |"


def _rates() -> Iterator[str]:
    told = tomllib.loads((resources.files("kokin.rules") / "rates.toml").read_text(encoding="utf-8"))
    yield f"Source: {told['source']}. {'Verified' if told['verified'] else 'Not verified'}."
    yield ""
    yield "| year | 延滞金, first month % | 延滞金, later % | 還付加算金 % |"
    yield "|---|--:|--:|--:|"
    for year, rates in RATES.years.items():
        yield f"| {year} | " + " | ".join(f"{Decimal(rate) / 100:.1f}" for rate in rates) + " |"
    yield ""
    yield "## Orders of allocation (充当の順序)"
    yield ""
    yield "| order | parts, first to last | source | verified |"
    yield "|---|---|---|---|"
    orders = tomllib.loads((resources.files("kokin.rules") / "orders.toml").read_text(encoding="utf-8"))
    for name, row in orders.items():
        parts = " → ".join(f"`{part}`" for part in row["order"])
        yield f"| `{name}` | {parts} | {row['source']} | {'yes' if row['verified'] else 'no'} |"


def _commands() -> Iterator[str]:
    root = get_command(app)
    yield from _help(root, "kokin")


def _help(command, name: str) -> Iterator[str]:
    context = typer.Context(command, info_name=name)
    yield f"## {name}"
    yield ""
    yield "```text"
    yield command.get_help(context).strip()
    yield "```"
    yield ""
    for sub, child in sorted(getattr(command, "commands", {}).items()):
        yield from _help(child, f"{name} {sub}")


def _layout(name: str) -> Iterator[str]:
    layout = layouts.load(name)
    yield f"# {name}"
    yield ""
    yield layouts.table(layout).split("\n", 1)[1]
