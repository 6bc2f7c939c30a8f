"""What is printed: results on stdout, everything else on stderr, progress only on a terminal."""

from __future__ import annotations

import locale
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from kokin.issues import Issue, RefusedError, Severity

# A pipe has no width: what is written into it is not folded.
_PIPE_WIDTH = 200

results = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

# As many issues as one reads; all of them are in the files that a command writes, or in --format json.
_MOST = 20


def language() -> Literal["en", "ja"]:
    """The language of messages: KOKIN_LANG, else the locale."""
    named = os.environ.get("KOKIN_LANG") or locale.getlocale()[0] or ""
    return "ja" if named.lower().startswith("ja") else "en"


def issues(found: Iterable[Issue], most: int = _MOST, total: int | None = None) -> None:
    """Issues on stderr, a line each, and how many more there are (of ``total``, where not all were kept)."""
    found = list(found)
    total = len(found) if total is None else total
    for issue in found[:most]:
        style = "red" if issue.severity is Severity.ERROR else "yellow"
        errors.print(issue.describe(language()), style=style, markup=False)
    if total > most:
        errors.print(f"... {total - most:,} more", markup=False)


def refusal(error: RefusedError) -> None:
    """Why an input was refused."""
    errors.print(f"refused: {error.summary}" if error.summary else "refused", style="bold red", markup=False)
    issues(error.issues)


def failure(error: Exception) -> None:
    """Why a file could not be read or written."""
    errors.print(f"failed: {error}", style="bold red", markup=False)


def grid(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table on stdout; numbers stand on the right, with thousands separated."""
    rows = [list(row) for row in rows]
    table = Table(box=None, pad_edge=False)
    for at, name in enumerate(columns):
        right = bool(rows) and all(isinstance(row[at], int) or row[at] is None for row in rows)
        table.add_column(name, justify="right" if right else "left", header_style="bold", no_wrap=right)
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str("" if cell is None else cell) for cell in row))
    results.print(table)


def line(text: str = "") -> None:
    """A line on stdout."""
    typer.echo(text)


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Any]:
    """A bar on stderr where that is a terminal; called with the number of rows that are done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.update(task, advance=done)
