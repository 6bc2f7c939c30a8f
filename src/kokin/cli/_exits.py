"""Exit codes: what a batch job can rely on."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, ParamSpec

import typer

from kokin.cli import _show
from kokin.cli._words import page, tell
from kokin.issues import InvalidInputError, KokinError

_Arguments = ParamSpec("_Arguments")


class Exit(IntEnum):
    """How a command ended; where several apply, the highest. 2, wrong usage, comes from the parser of the arguments."""

    CLEAN = 0
    #: Done, with exceptions to look at.
    EXCEPTIONS = 1
    USAGE = 2
    #: The input was rejected; nothing was written.
    REFUSED = 3
    #: A file, or the ledger, could not be read or written.
    FAILED = 4
    #: The books do not balance: a control equation is broken, or the ledger was changed.
    UNBALANCED = 5
    #: By Ctrl-C; as shells have it, 128 and the signal.
    INTERRUPTED = 130
    #: Whoever read the output has gone.
    UNREAD = 141


def with_controls(code: Exit, controls: Mapping[str, Mapping[str, Any]]) -> Exit:
    """Return the exit code of a command that computed control equations; the broken ones are named on stderr.

    Args:
        code: the exit code of everything else.
        controls: by name, as :meth:`kokin.reconcile.Control.as_dict` has them. One that was not checked is not broken.
    """
    broken = {name: control for name, control in controls.items() if control["holds"] is False}
    _show.broken(broken)
    return max(code, Exit.UNBALANCED) if broken else code


def exits(command: Callable[_Arguments, Exit]) -> Callable[_Arguments, None]:
    """A command that returns its exit code, with the codes of what it may raise, and its help in both languages.

    What is not expected passes through, to :func:`kokin.cli.main`.
    """

    @functools.wraps(command)
    def run(*args: _Arguments.args, **options: _Arguments.kwargs) -> None:
        try:
            code = command(*args, **options)
        except InvalidInputError as error:
            _show.refusal(error)
            code = Exit.REFUSED
        except BrokenPipeError:
            raise
        except (KokinError, OSError) as error:
            _show.failure(error)
            code = Exit.FAILED
        except KeyboardInterrupt:
            _show.note(tell("interrupted; safe to run again, nothing is posted twice"))
            code = Exit.INTERRUPTED
        raise typer.Exit(code)

    run.__doc__ = page(inspect.getdoc(command) or "")
    return run
