"""Exit codes: what a batch job can rely on."""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable
from enum import IntEnum
from typing import ParamSpec

import typer

from kokin.cli import _show
from kokin.cli._words import page, tell
from kokin.issues import KokinError, RefusedError

_Arguments = ParamSpec("_Arguments")


class Exit(IntEnum):
    """How a command ended. 2, wrong usage, is given by the parser of the arguments."""

    CLEAN = 0
    #: Done, with exceptions to look at.
    EXCEPTIONS = 1
    USAGE = 2
    #: The input was refused; nothing was written.
    REFUSED = 3
    #: A file, or the ledger, could not be read or written.
    FAILED = 4
    #: By Ctrl-C; as shells have it, 128 and the signal.
    INTERRUPTED = 130
    #: Whoever read the output has gone.
    UNREAD = 141


def exits(command: Callable[_Arguments, Exit]) -> Callable[_Arguments, None]:
    """A command that returns its exit code, with the codes of what it may raise, and its help in both languages."""

    @functools.wraps(command)
    def run(*args: _Arguments.args, **options: _Arguments.kwargs) -> None:
        try:
            code = command(*args, **options)
        except RefusedError as error:
            _show.refusal(error)
            code = Exit.REFUSED
        except BrokenPipeError:
            _show.silence()
            code = Exit.UNREAD
        except (KokinError, OSError) as error:
            _show.failure(error)
            code = Exit.FAILED
        except KeyboardInterrupt:
            _show.note(tell("interrupted; do it again, nothing is done twice"))
            code = Exit.INTERRUPTED
        except (typer.Exit, typer.BadParameter):
            raise
        except Exception:
            # Python ends with 1, which would tell a batch job that all is done.
            traceback.print_exc()
            code = Exit.FAILED
        raise typer.Exit(code)

    run.__doc__ = page(inspect.getdoc(command) or "")
    return run
