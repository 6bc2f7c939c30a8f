"""Reference pages that are made from the package itself, so that they cannot be out of date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer
from _figures import el_qr_digits, judgement
from typer.main import get_command

from kokin.cli import app
from kokin.issues import CODES
from kokin.model import Finding, Outcome
from kokin.receipts import layouts


def write_generated_pages(source: Path) -> None:
    """Write the generated pages below ``reference/_generated``; a page that has not changed is left alone."""
    folder = source / "reference" / "_generated"
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"issues.md": _issue_codes(), "outcomes.md": _outcomes(), "cli.md": _commands()}
    pages |= {"el-qr-digits.svg": [el_qr_digits().strip()], "judgement.svg": [judgement().strip()]}
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
