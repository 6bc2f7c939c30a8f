"""The entry point of the ``kokin`` command, and its exit codes, on which batch jobs rely.

Python ends with 1 after an uncaught error, and 1 means "exceptions to look at" here, so :func:`main` catches all. At
module level only the standard library and :mod:`kokin.text`, which needs nothing else, are imported: a broken
installation is one of the failures that it reports.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, TextIO

from kokin.cli._messages import command_help, message

# The parameter of mallopt(3) for the number of heaps, from malloc.h.
_M_ARENA_MAX = -8


class Exit(IntEnum):
    """Exit code of a command; where several apply, the highest."""

    CLEAN = 0
    #: The command has finished; records or receipts that it read need a person to look at them.
    EXCEPTIONS = 1
    #: Wrong usage; returned by the parser of the arguments.
    USAGE = 2
    #: An input was rejected; nothing of it was written.
    REJECTED = 3
    #: A file, or the ledger, could not be read or written.
    FAILED = 4
    #: The books do not balance: a control equation is broken, or the ledger was changed.
    UNBALANCED = 5
    #: An expected file is missing.
    MISSING = 6
    #: Interrupted by Ctrl-C: 128 and the number of the signal, as in shells.
    INTERRUPTED = 130
    #: The reader of the output has closed it: 128 and the number of SIGPIPE.
    BROKEN_PIPE = 141


def with_exit_code(command: Callable[..., Exit]) -> Callable[..., None]:
    """Decorate a command that returns its exit code: map its exceptions to exit codes, and translate its help.

    The command gets the options of the log (``--log``, ``--log-file``), with which its start and end are logged. An
    exception that is not expected passes through to :func:`main`.
    """
    from kokin.cli._event_log import LOG_PARAMETERS, logged

    @functools.wraps(command)
    def run(*args: Any, context: Any, log: Any, log_file: Any, **options: Any) -> None:
        import typer

        from kokin.cli import _output

        try:
            with logged(context, log, log_file) as ended:
                ended.code, ended.error = _run_command(functools.partial(command, *args, **options))
        except BrokenPipeError:
            raise
        except OSError as error:  # the file of the log cannot be opened
            _output.failed(error)
            raise typer.Exit(Exit.FAILED) from None
        raise typer.Exit(ended.code)

    run.__doc__ = command_help(inspect.getdoc(command) or "")
    signature = inspect.signature(command, eval_str=True)
    parameters = [*signature.parameters.values(), *LOG_PARAMETERS]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return run


def _run_command(command: Callable[[], Exit]) -> tuple[Exit, BaseException | None]:
    """Return the exit code of a command, and the exception that ended it; print why it failed."""
    from kokin.cli import _output
    from kokin.issues import InvalidInputError, KokinError

    try:
        return command(), None
    except InvalidInputError as error:
        _output.rejected(error)
        return Exit.REJECTED, error
    except BrokenPipeError:
        raise
    except (KokinError, OSError) as error:
        _output.failed(error)
        # The issues of a LedgerError are rows that were changed, and keys that are missing.
        return Exit.UNBALANCED if getattr(error, "issues", ()) else Exit.FAILED, error
    except KeyboardInterrupt as error:
        _output.note(message("interrupted; safe to run again, nothing is posted twice"))
        return Exit.INTERRUPTED, error


def with_controls(code: Exit, controls: Mapping[str, Mapping[str, Any]]) -> Exit:
    """Return the exit code of a command that computed control equations; name the broken ones on stderr.

    ``code`` is the exit code without them; ``controls`` are by name, as :meth:`kokin.reconcile.Control.as_dict` returns
    them. One that was not checked is not broken.
    """
    from kokin.cli import _output

    broken = {name: control for name, control in controls.items() if control["holds"] is False}
    _output.broken_controls(broken)
    return max(code, Exit.UNBALANCED) if broken else code


def main() -> None:
    """Run the ``kokin`` command, and end the process with its exit code."""
    sys.exit(int(_flush(_run())))


def _run() -> int:
    if sys.stdout is None or sys.stderr is None:  # closed by the shell: >&-
        # A file or a database could get the free descriptor, and be overwritten by whatever prints.
        _explain("standard output or standard error is closed; nothing was run: redirect it, for example to /dev/null")
        return Exit.FAILED
    # Arrow's own allocator returns memory to the system more often, which costs up to a tenth of the time.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    _use_one_heap()
    try:
        from kokin.cli._app import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return Exit.BROKEN_PIPE
    except ImportError as error:
        _explain("a module cannot be imported; reinstall kokin and its dependencies: {error}", error)
    except BaseException as error:  # SystemExit, too: no code is expected to raise it
        _explain("unexpected error; report it with the lines above: {error}", error)
    return Exit.FAILED


def _use_one_heap() -> None:
    """Let all threads allocate from one heap of glibc, unless ``MALLOC_ARENA_MAX`` is set. No effect without glibc.

    With a heap per thread, what a finished thread has freed stays unused: ``kokin reconcile`` needs a quarter more.
    """
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _explain(text: str, error: BaseException | None = None) -> None:
    """Write an unexpected error to stderr: its traceback, then one line in the language of the user."""
    with contextlib.suppress(Exception):
        lines = "".join(traceback.format_exception(error)) if error else ""
        with contextlib.suppress(Exception):
            from kokin.issues import printable

            text = printable(message("failed: {reason}", reason=message(text, error=repr(error))))
            lines = printable(lines, keep="\n")
        sys.stderr.write(f"{lines}{text}\n")


def _flush(code: int) -> int:
    """Flush the output, as Python would at its end with exit code 120; return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except BrokenPipeError:
            code = max(code, Exit.BROKEN_PIPE)
            _discard(stream)
        except OSError:
            _explain("the output could not be written completely")
            code = max(code, Exit.FAILED)
            _discard(stream)
    return code


def _discard(stream: TextIO) -> None:
    """Redirect a stream to the null device, so that its buffer is not written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
