"""``kokin ledger work``: workers that post the files of a queue, into the ledger of each authority."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from kokin.cli import _output
from kokin.cli._main import Exit, with_exit_code
from kokin.cli._messages import message, value
from kokin.cli._options import Format, OutputFormat, argument, option

if TYPE_CHECKING:
    from kokin.ledger import AuthorityFileResult


@with_exit_code
def work(
    queue: Annotated[Path, argument("The folder of the queue, with queue.toml.", metavar="QUEUE")],
    workers: Annotated[int, option("Number of processes that post.", min=1, show_default=True)] = 1,
    until_empty: Annotated[bool, option("End when no file is due, instead of waiting for further files.")] = False,
    once: Annotated[bool, option("End after the files that are in the queue at the start.")] = False,
    output: OutputFormat = Format.TEXT,
) -> Exit:
    """Post the receipt files of many authorities, each into the ledger of its authority.

    The files of an authority are in QUEUE/CODE/incoming: write them under a temporary name (.tmp, .part), then rename
    them. They are moved to done, rejected (with the issues in FILE.json), retry or failed. A file that fails with exit
    code 4 is tried again later; code 5 stops its authority. No failure stops the other authorities.

    Several commands, on several machines too, can work on one queue; each may be killed at any time. SIGTERM and Ctrl-C
    end the command after the files in work. The exit code is the highest of all files.
    """
    from kokin.ledger import WorkQueue

    if until_empty and once:
        raise typer.BadParameter(message("pass either --until-empty or --once"), param_hint="--once")
    code = Exit.CLEAN
    with _stop_on_signal() as stop:
        until: Literal["stopped", "empty", "scanned"] = "empty" if until_empty else "scanned" if once else "stopped"
        for result in WorkQueue(queue).work(workers=workers, until=until, stop=stop):
            code = max(code, exit_code(result))
            if output is Format.JSON:
                _output.line(json.dumps(result.as_line(), ensure_ascii=False))
            else:
                _output.line(_text(result))
    return code


@contextmanager
def _stop_on_signal() -> Iterator[Event]:
    """Yield an event that SIGINT and SIGTERM set."""
    stop = Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, lambda *_: stop.set()) for each in signals]
    try:
        yield stop
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def exit_code(result: AuthorityFileResult) -> Exit:
    """Return the exit code that the file alone would have."""
    from kokin.ledger import AuthorityFileState

    match result.state:
        case AuthorityFileState.STOPPED:
            return Exit.UNBALANCED
        case AuthorityFileState.RETRY | AuthorityFileState.FAILED:
            return Exit.FAILED
        case AuthorityFileState.REJECTED | AuthorityFileState.NO_LAYOUT:
            return Exit.REJECTED
    return Exit.EXCEPTIONS if result.exceptions or result.issues else Exit.CLEAN


def _text(result: AuthorityFileResult) -> str:
    """Return the line of a result: authority, file, state, and the counts that are not zero."""
    line = result.as_line()
    parts = [result.authority, result.file, value("state", result.state)]
    parts += [f"{name}={line[name]}" for name in ("entry", "read", "accepted_yen", "exceptions") if line[name]]
    parts += [f"{code}={count}" for code, count in line["issues"].items()]
    if result.attempt > 1:
        parts.append(f"attempt={result.attempt}")
    if result.error:
        parts.append(f"({message(result.error)})")
    return " ".join(filter(None, parts))
