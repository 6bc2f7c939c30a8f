"""What is printed: results on stdout, everything else on stderr, progress only on a terminal.

File names, ids and messages come from outside: :func:`kokin.issues.printable` escapes what a terminal would obey.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from kokin.cli._words import heads, language, tell, told_elsewhere
from kokin.issues import InvalidInputError, Issue, Severity, printable

# A pipe has no width: what is written into it is not folded.
_PIPE_WIDTH = 200


class _Console(Console):
    """A console that leaves it to :mod:`kokin.cli._exits` how a command ends whose reader has gone."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


results = _Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
errors = _Console(stderr=True, highlight=False, soft_wrap=True)

# As many issues as one reads; all of them are in the files that a command writes, or in --format json.
_MOST = 20


def issues(found: Iterable[Issue], most: int = _MOST, total: int | None = None) -> None:
    """Issues on stderr, a line each, and how many more there are (of ``total``, where not all were kept)."""
    found = list(found)
    total = len(found) if total is None else total
    for issue in found[:most]:
        style = "red" if issue.severity is Severity.ERROR else "yellow"
        _error(issue.describe(language()), style)
    if total > most:
        _error(tell("... {more:,} more", more=total - most))


def refusal(error: InvalidInputError) -> None:
    """Why an input was refused."""
    why = told_elsewhere(error.summary)
    said = tell("refused: {why}", why=why) if why else tell("refused")
    _error(said, "bold red")
    issues(error.issues)


def failure(error: Exception) -> None:
    """Why a file or the ledger could not be read or written."""
    if isinstance(error, OSError) and error.strerror:
        why = f"{error.filename}: {tell(error.strerror)}" if error.filename else tell(error.strerror)
    else:
        why = tell(str(error))
    _error(tell("failed: {why}", why=why), "bold red")


def broken(controls: Mapping[str, Mapping[str, Any]]) -> None:
    """The broken control equations, a line each on stderr."""
    for name, control in controls.items():
        said = {"name": name, "statement": tell(control["statement"])}
        sides = {"left": control["left"], "right": control["right"]}
        line = tell("the books do not balance: {name}, {statement}: {left:,} and {right:,}", **said, **sides)
        parts = ", ".join(control.get("broken", ())[:_MOST])
        _error(f"{line} ({parts})" if parts else line, "bold red")


def usage(error: Any) -> None:
    """An error of usage: the usage of the command, and what is wrong with its arguments."""
    text = io.StringIO()
    error.show(file=text)
    sys.stderr.write(printable(text.getvalue(), keep="\n"))


def note(text: str) -> None:
    """A line on stderr for whoever watches."""
    _error(text, "yellow")


def _error(text: str, style: str = "") -> None:
    errors.print(printable(text), style=style, markup=False)


def grid(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table on stdout; numbers stand on the right, with thousands separated."""
    rows = [list(row) for row in rows]
    table = Table(box=None, pad_edge=False)
    for at, name in enumerate(columns):
        right = bool(rows) and all(isinstance(row[at], int) or row[at] is None for row in rows)
        table.add_column(
            name, justify="right" if right else "left", header_style="bold", no_wrap=right, overflow="fold"
        )
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else _cell(cell) for cell in row))
    results.print(table, markup=False)


def _cell(value: Any) -> Text:
    # As Text: rich would take a name in square brackets for its markup.
    return Text("" if value is None else printable(str(value)))


def controls(told: Mapping[str, Mapping[str, Any]]) -> None:
    """The equations of a run or of a ledger."""
    rows = []
    for name, control in told.items():
        said = {True: tell("holds"), False: tell("BROKEN")}.get(control["holds"], tell("not checked"))
        rows.append((name, tell(control["statement"]), control["left"], control["right"], said))
    grid(heads("", "control", "left", "right", ""), rows)


def line(text: str = "") -> None:
    """A line on stdout."""
    typer.echo(printable(text))


def page(text: str) -> None:
    """A text of several lines on stdout."""
    typer.echo(printable(text, keep="\n"))


def as_json(value: object) -> None:
    """A value as JSON on stdout, for programs: its words are never translated, but for the messages of issues."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    # JSON has an escape of its own for the control characters that json.dumps leaves as they are.
    escapes = {ord(sign): f"\\u{ord(sign):04x}" for sign in set(text) - {"\n"} if printable(sign) != sign}
    typer.echo(text.translate(escapes))


def issue_dict(issue: Issue) -> dict[str, Any]:
    """An issue for JSON."""
    where = {"file": issue.location.file, "record": issue.location.record, "byte": issue.location.byte}
    about = {"code": issue.code, "severity": issue.severity.value, **where, **issue.message_params}
    return {**about, "message": issue.message(language())}


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Any]:
    """A bar on stderr where that is a terminal; called with the number of rows that are done."""
    far: tuple[ProgressColumn, ...] = (MofNCompleteColumn(), TimeRemainingColumn())
    if total is None:
        far = (TextColumn("{task.completed:,}"), TimeElapsedColumn())
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *far,
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    ) as bars:
        task = bars.add_task(printable(what), total=total)
        yield lambda done: bars.update(task, advance=done)
