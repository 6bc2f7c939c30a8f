"""The log of a command (``--log``): one event per command, file and entry, as JSON Lines or as text.

The packages of Kokin log with :mod:`logging` below the logger ``kokin``; the fields of an event are in the attribute
``fields`` of its record. Only the fields in :data:`EVENTS` are written, none of which has personal data: no name, no
address, no text of a record, no actor and no reason.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

import kokin
from kokin.cli import _output
from kokin.cli._options import option
from kokin.issues import printable
from kokin.text import JAPAN

_LOGGER = logging.getLogger("kokin.cli")

#: The fields of every event, in their order.
COMMON_FIELDS = ("time", "level", "logger", "event", "pid")

#: The events with their own fields; the reference page of the docs describes them.
EVENTS: dict[str, tuple[str, ...]] = {
    "command_started": ("command", "version"),
    "command_ended": ("command", "exit_code", "seconds", "error", "issues"),
    "file_read": ("file", "layout", "digest", "records", "accepted", "unpaid", "rejected", "yen", "issues"),
    "file_rejected": ("file", "layout", "digest", "issues"),
    "bills_read": ("file", "records", "accepted", "rejected"),
    "file_finished": ("file", "state", "entry", "exit_code", "issues"),
    "entry_written": ("entry", "kind", "file", "layout", "digest", "records", "yen", "hash"),
    "file_written": ("file", "bytes"),
    "report_written": ("folder", "formats", "tables"),
}


class LogFormat(StrEnum):
    """Format of the log."""

    JSON = "json"
    TEXT = "text"


_Log = Annotated[
    LogFormat | None,
    option("Log each step and file to stderr, or to --log-file.", "--log", envvar="KOKIN_LOG", show_envvar=False),
]
_LogFile = Annotated[
    Path | None,
    option("Append the log to this file; json unless --log says text.", envvar="KOKIN_LOG_FILE", show_envvar=False),
]

#: The parameters that every command has besides its own.
LOG_PARAMETERS = (
    Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context),
    Parameter("log", Parameter.KEYWORD_ONLY, default=None, annotation=_Log),
    Parameter("log_file", Parameter.KEYWORD_ONLY, default=None, annotation=_LogFile),
)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of an event that are written: the common ones, and those of its event that have a value."""
    event, values = record.getMessage(), getattr(record, "fields", {})
    moment = datetime.fromtimestamp(record.created, JAPAN).isoformat(timespec="milliseconds")
    common = (moment, record.levelname.lower(), record.name, event, os.getpid())
    own = {name: values[name] for name in EVENTS.get(event, ()) if values.get(name) not in (None, "", {})}
    return {**dict(zip(COMMON_FIELDS, common, strict=True)), **own}


class _JsonFormatter(logging.Formatter):
    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    def format(self, record: logging.LogRecord) -> str:
        return _output.escape_for(self._encoding, _output.escaped_json(fields_of(record), indent=None))


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment, level, _, event, _, *values = fields_of(record).items()
        pairs = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in values)
        return printable(" ".join([moment[1], level[1], event[1], *pairs]))


class _Handler(logging.StreamHandler[TextIO]):
    """Writes events; a log that cannot be written does not stop the command, and is reported once."""

    has_failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the name of logging)
        if not self.has_failed:
            self.has_failed = True
            with contextlib.suppress(Exception):
                _output.failed(sys.exc_info()[1] or OSError(record.name))  # type: ignore[arg-type]


@contextlib.contextmanager
def logged(context: typer.Context, log: LogFormat | None, log_file: Path | None) -> Iterator[Ended]:
    """Log the events of a block, its start and its end; yield where its exit code is noted.

    Args:
        context: that of the command, for its name.
        log: the format; by default JSON to a file, and no log without one.
        log_file: the file, to which the events are appended; by default stderr.

    Raises:
        OSError: the file cannot be opened.
    """
    ended = Ended()
    if log is None and log_file is None:
        yield ended
        return
    logger = logging.getLogger("kokin")
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(log_file.open("a", encoding="utf-8")) if log_file else sys.stderr
        handler = _Handler(stream)
        handler.setFormatter(_TextFormatter() if log is LogFormat.TEXT else _JsonFormatter(stream.encoding or "utf-8"))
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        stack.callback(logger.setLevel, level)
        stack.callback(logger.removeHandler, handler)
        start, command = time.perf_counter(), _name_of(context)
        log_event("command_started", command=command, version=kokin.__version__)
        try:
            yield ended
        except BaseException as error:
            ended.code, ended.error = _code_of(error), error
            raise
        finally:
            seconds = round(time.perf_counter() - start, 3)
            error_name = type(ended.error).__name__ if ended.error else ""
            issues = Counter(issue.code for issue in getattr(ended.error, "issues", ()))
            level = logging.ERROR if ended.code >= 2 else logging.INFO
            ending = {"exit_code": int(ended.code), "seconds": seconds, "error": error_name, "issues": dict(issues)}
            log_event("command_ended", level, command=command, **ending)


def _name_of(context: Any) -> str:
    """Return the name of a command without that of the program and without arguments: ``ledger post``."""
    names: list[str] = []
    while context.parent:
        names.insert(0, context.info_name)
        context = context.parent
    return " ".join(names)


class Ended:
    """How a command ended."""

    code: int = 0
    error: BaseException | None = None


def _code_of(error: BaseException) -> int:
    """Return the exit code of an exception that ends the process; see :func:`kokin.cli._main.main`."""
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, typer.BadParameter):
        return 2
    return 141 if isinstance(error, BrokenPipeError) else 4


def log_event(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Log an event of the command itself."""
    _LOGGER.log(level, event, extra={"fields": fields})
