"""The entry point. Whatever fails, wherever it fails, the exit code says so: Python itself would end with 1.

Nothing outside the standard library is imported before the ``try`` of :func:`main`, so a broken installation is one of
the failures that it reports.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from typing import TextIO

# Exit.FAILED, Exit.INTERRUPTED and Exit.UNREAD of kokin.cli._exits, which may be what cannot be imported.
_FAILED, _INTERRUPTED, _UNREAD = 4, 130, 141


def main() -> None:
    """Run the ``kokin`` command, and end the process with its exit code."""
    sys.exit(int(_flushed(_run())))


def _run() -> int:
    if sys.stdout is None or sys.stderr is None:  # closed by the shell: >&-
        # A database or a file could get the free number, and be written over by whatever prints.
        _explain("standard output or standard error is closed; nothing was run: redirect it, such as to /dev/null")
        return _FAILED
    try:
        from kokin.cli._app import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        return _UNREAD
    except ImportError as error:
        _explain("a module cannot be imported; install kokin and its dependencies again: {error}", error)
    except BaseException as error:  # SystemExit, too: no code is expected to raise it
        _explain("unexpected error; report it with the lines above: {error}", error)
    return _FAILED


def _explain(text: str, error: BaseException | None = None) -> None:
    """Write an unexpected error to stderr: its traceback, then one line in the language of the user."""
    with contextlib.suppress(Exception):
        lines = "".join(traceback.format_exception(error)) if error else ""
        with contextlib.suppress(Exception):
            from kokin.cli._words import tell
            from kokin.issues import printable

            why = tell("failed: {why}", why=tell(text, error=repr(error)))
            text, lines = printable(why), printable(lines, keep="\n")
        sys.stderr.write(f"{lines}{text}\n")


def _flushed(code: int) -> int:
    """Write what is still in the buffers; what Python would do itself at its end, but with exit code 120."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except BrokenPipeError:
            code = max(code, _UNREAD)
            _discard(stream)
        except OSError:
            _explain("the output could not be written to its end")
            code = max(code, _FAILED)
            _discard(stream)
    return code


def _discard(stream: TextIO) -> None:
    """Write no more of a stream, not even what is in its buffer."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
