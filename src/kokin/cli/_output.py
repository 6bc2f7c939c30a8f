"""What a command prints: results on stdout, everything else on stderr, progress on a terminal only.

File names, ids and messages come from outside: :func:`kokin.issues.printable` escapes what a terminal would interpret.
"""

from __future__ import annotations

import codecs
import io
import json
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

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

from kokin.cli._messages import headings, language, message, translated, usage_text, value
from kokin.issues import InvalidInputError, Issue, Location, Severity, printable

if TYPE_CHECKING:
    from kokin.ledger import Effect
    from kokin.reconcile import Reconciliation

# A pipe has no width; a line of this width is not folded.
_PIPE_WIDTH = 200
# Issues that are printed; all of them are in the files that a command writes, and in --format json.
_MAX_ISSUES = 20


#: The error handler of the output: a character that the console lacks is a similar one, else ``?``.
SIMILAR_CHARACTERS = "kokin-similar"
# Signs of the Japanese texts that cp932 has as another character (WHATWG "Shift_JIS" maps the same way).
_SIMILAR = {
    "\u2212": "\uff0d",
    "\u301c": "\uff5e",
    "\u2014": "\u2015",
    "\u2016": "\u2225",
    "\u2013": "-",
    "\u00a5": "\uffe5",
}


def similar_characters(text: str, encoding: str) -> str:
    """Return a text in which each character that an encoding lacks is a similar one that it has, else ``?``.

    >>> similar_characters("⓪ 調定 − 収入 〜 é", "cp932")
    '0 調定 － 収入 ～ ?'
    """
    found = []
    for sign in text:
        candidates = (sign, _SIMILAR.get(sign, sign), unicodedata.normalize("NFKC", sign))
        found.append(
            next((each for each in candidates if each.encode(encoding, "ignore").decode(encoding) == each), "?")
        )
    return "".join(found)


def _replace_unencodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return similar_characters(error.object[error.start : error.end], error.encoding), error.end


codecs.register_error(SIMILAR_CHARACTERS, _replace_unencodable)


class _Console(Console):
    """A console that raises when the reader of the output has closed it, instead of ending the process with 1."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


results = _Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
errors = _Console(stderr=True, highlight=False, soft_wrap=True)


def issues(found: Iterable[Issue], max_count: int = _MAX_ISSUES, total: int | None = None) -> None:
    """Print issues on stderr, a line each, and how many more there are (of ``total``, where not all were kept)."""
    found = list(found)
    total = len(found) if total is None else total
    for issue in found[:max_count]:
        _error(issue.describe(language()), "red" if issue.severity is Severity.ERROR else "yellow")
    if total > max_count:
        _error(message("... {more:,} more", more=total - max_count))


def overlap_issues(result: Reconciliation) -> list[tuple[str, Issue]]:
    """Return an issue (FILE_OVERLAPS) for each file with payments that another file has too, and the file's SHA-256."""
    rows = []
    for row in result.overlaps.to_pylist():
        found = f"{row['repeated']} of {row['records']} in {row['other_source']}"
        issue = Issue("FILE_OVERLAPS", field="records", found=found, location=Location(row["source"]))
        rows.append((row["digest"], issue))
    return rows


def rejected(error: InvalidInputError) -> None:
    """Print on stderr why an input was rejected."""
    reason = translated(error.summary)
    _error(message("rejected: {reason}", reason=reason) if reason else message("rejected"), "bold red")
    issues(error.issues)


def failed(error: Exception) -> None:
    """Print on stderr why a file or the ledger could not be read or written."""
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.filename}: {message(error.strerror)}" if error.filename else message(error.strerror)
    else:
        # The further lines of a LedgerError are its issues.
        reason = message(str(error).partition("\n")[0] if getattr(error, "issues", ()) else str(error))
    _error(message("failed: {reason}", reason=reason), "bold red")
    issues(getattr(error, "issues", ()))


def broken_controls(controls: Mapping[str, Mapping[str, Any]]) -> None:
    """Print broken control equations on stderr, a line each."""
    for name, control in controls.items():
        sides = {"left": control["left"], "right": control["right"]}
        text = message(
            "the books do not balance: {name}, {statement}: {left:,} and {right:,}",
            name=name,
            statement=value("control", control["statement"]),
            **sides,
        )
        differing = ", ".join(control.get("broken", ())[:_MAX_ISSUES])
        _error(f"{text} ({differing})" if differing else text, "bold red")


def usage_error(error: Any) -> None:
    """Print on stderr the usage of a command, and what is wrong with its arguments."""
    text = io.StringIO()
    error.show(file=text)
    sys.stderr.write(printable(usage_text(text.getvalue()), keep="\n"))


def note(text: str) -> None:
    """Print a line on stderr."""
    _error(text, "yellow")


def _error(text: str, style: str = "") -> None:
    errors.print(printable(text), style=style, markup=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table on stdout; numbers are right-aligned, with thousands separators."""
    rows = [list(row) for row in rows]
    grid = Table(box=None, pad_edge=False)
    for at, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[at], int) or row[at] is None for row in rows)
        justify: Any = "right" if numeric else "left"
        grid.add_column(name, justify=justify, header_style="bold", no_wrap=numeric, overflow="fold")
    for row in rows:
        grid.add_row(*(f"{cell:,}" if isinstance(cell, int) else _cell(cell) for cell in row))
    results.print(grid, markup=False)


def _cell(value: Any) -> Text:
    # As Text: rich would interpret square brackets in a str as its markup.
    return Text("" if value is None else printable(str(value)))


def outcomes(counts: Mapping[str, Mapping[str, int]]) -> None:
    """Print the count and the yen of each outcome, the most frequent first."""
    rows = sorted(counts.items(), key=lambda item: (-item[1]["count"], item[0]))
    titles = (*_outcome_titles(), *headings("receipts", "yen"))
    table(titles, [(*_outcome_cells(name), row["count"], row["amount"]) for name, row in rows])


def findings(counts: Mapping[str, int]) -> None:
    """Print the number of receipts of each finding."""
    titles = (*_outcome_titles("finding"), *headings("receipts"))
    table(titles, [(*_outcome_cells(name), count) for name, count in counts.items()])


def _outcome_titles(title: str = "outcome") -> Sequence[str]:
    return headings(title) if language() == "en" else headings(title, "code")


def _outcome_cells(name: str) -> Sequence[str]:
    """Return the code of an outcome; in Japanese its name first."""
    return (name,) if language() == "en" else (value("outcome", name), name)


def dispositions(yen: Mapping[str, int]) -> None:
    """Print the yen of each disposition."""
    table(headings("disposition", "yen"), [(value("disposition", name), amount) for name, amount in yen.items()])


def effect(changes: Effect) -> None:
    """Print what a dry run would change: outcomes that change, and all dispositions, before and after."""
    rows = changes.as_dict()
    titles = (*_outcome_titles(), *headings("receipts before", "after", "yen before", "after"))
    outcome_rows = [
        (*_outcome_cells(name), *(row[side][key] for key in ("count", "amount") for side in ("before", "after")))
        for name, row in rows["outcomes"].items()
    ]
    if outcome_rows:
        table(titles, outcome_rows)
        line()
    yen = [(value("disposition", name), row["before"], row["after"]) for name, row in rows["dispositions"].items()]
    table(headings("disposition", "yen before", "after"), yen)
    line()
    line(message("dry run: nothing was written"))


def payees(totals: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the receipts and the yen of each disposition of each payee."""
    names = next(iter(totals.values()))["dispositions"]
    titles = [*headings("payee_code", "receipts"), *(value("disposition", name) for name in names)]
    rows = [(code or "–", each["receipts"], *each["dispositions"].values()) for code, each in totals.items()]
    table(titles, rows)


def controls(equations: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the control equations of a run or of a ledger."""
    states = {True: message("holds"), False: message("BROKEN")}
    rows = [
        (
            value("control_name", name),
            value("control", row["statement"]),
            row["left"],
            row["right"],
            states.get(row["holds"], message("not checked")),
        )
        for name, row in equations.items()
    ]
    table(headings("", "control", "left", "right", ""), rows)


def line(text: str = "") -> None:
    """Print a line on stdout."""
    typer.echo(printable(text))


def lines(text: str) -> None:
    """Print a text of several lines on stdout."""
    typer.echo(printable(text, keep="\n"))


def as_json(value: object) -> None:
    """Print a value as JSON on stdout, for programs: nothing is translated but the messages of issues."""
    _echo_json(json_text(value))


def json_text(value: object) -> str:
    """Return a value as JSON, indented, in which no character can control a terminal."""
    return escaped_json(value, indent=2)


def escaped_json(value: object, indent: int | None) -> str:
    """Return a value as JSON in which every character that a terminal obeys is escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    # json.dumps leaves some control characters as they are.
    escapes = {ord(sign): f"\\u{ord(sign):04x}" for sign in set(text) - {"\n"} if printable(sign) != sign}
    return text.translate(escapes)


def _echo_json(text: str) -> None:
    """Print JSON on stdout; a character that its encoding lacks is escaped, as it can only be within a string."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    typer.echo(escape_for(encoding, text))


def escape_for(encoding: str, text: str) -> str:
    r"""Return JSON in which each character that an encoding lacks is an escape of JSON.

    >>> escape_for("cp932", '"調定 é 😀"')
    '"調定 \\u00e9 \\ud83d\\ude00"'
    """
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        signs = {sign for sign in set(text) if sign.encode(encoding, "ignore") == b""}
        return text.translate({ord(sign): json.dumps(sign)[1:-1] for sign in signs})
    return text


def text_file(text: str, path: Path | None) -> None:
    """Write a text to a file, which is replaced at once, or without one to stdout: UTF-8."""
    from kokin._arrow.files import atomic_file

    text = text.removesuffix("\n")
    if path is None:
        _echo_json(text)
        return
    with atomic_file(path) as draft:
        draft.write_text(f"{text}\n", encoding="utf-8", newline="\n")


def as_csv(write: Callable[[Path], object]) -> None:
    """Print on stdout the CSV that ``write`` writes: UTF-8 in a pipe, whatever the locale; escaped on a terminal."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write(path)
        if sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):
            lines(path.read_text(encoding="utf-8").removesuffix("\n"))
        else:
            sys.stdout.flush()
            with path.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)


def issue_dict(issue: Issue) -> dict[str, Any]:
    """Return an issue for JSON."""
    place = {"file": issue.location.file, "record": issue.location.record, "byte": issue.location.byte}
    fields = {"code": issue.code, "severity": issue.severity.value, **place, **issue.message_params}
    return {**fields, "message": issue.message(language())}


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Any]:
    """Show a progress bar on stderr where that is a terminal; yield a function that adds to the number of rows done."""
    columns: tuple[ProgressColumn, ...] = (MofNCompleteColumn(), TimeRemainingColumn())
    if total is None:
        columns = (TextColumn("{task.completed:,}"), TimeElapsedColumn())
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *columns,
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    ) as bars:
        task = bars.add_task(printable(title), total=total)
        yield lambda count: bars.update(task, advance=count)
