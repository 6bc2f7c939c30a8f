"""``kokin layouts``: what there is, and what a file looks like to the byte."""

from __future__ import annotations

from typing import Annotated

import typer

from kokin.cli import _show
from kokin.cli._exits import Exit, exits
from kokin.cli._words import heads, help_text, tell
from kokin.issues import printable


@exits
def layouts(
    name: Annotated[
        str | None, typer.Argument(help=help_text("A layout's name, or the path of its TOML file."))
    ] = None,
    new: Annotated[bool, typer.Option("--new", help=help_text("Print a commented layout file to begin from."))] = False,
) -> Exit:
    """List the layouts of receipt files, or print the byte table of one."""
    from rich.console import Console
    from rich.markdown import Markdown

    from kokin.receipts import layouts as room

    if new:
        _show.page(room.template(name or "my-layout"))
    elif name is None:
        rows = []
        for each in room.names():
            layout = room.load(each)
            rows.append((each, layout.ja, layout.en, layout.format, tell("yes" if layout.verified else "NO")))
        _show.grid((*heads("name"), "名称", *heads("what", "format", "verified")), rows)
    else:
        text = printable(room.describe(room.load(name)), keep="\n").rstrip()
        console = Console(highlight=False)
        # A pipe gets the text itself, so that it can be kept as a page.
        console.print(Markdown(text)) if console.is_terminal else _show.page(text)
    return Exit.CLEAN
