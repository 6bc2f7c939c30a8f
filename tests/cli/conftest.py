"""The command, run as a shell runs it or, where nothing hangs on that, in this process, which is quicker."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

import kokin as package
from kokin.cli import main


@dataclass
class Ended:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def environment(**more: str) -> dict[str, str]:
    told = {"KOKIN_LANG": "en", "PATH": "", "COLUMNS": "200", "PYTHONUTF8": "1", "LOGNAME": "tester"}
    told["PYTHONPATH"] = str(Path(package.__file__).parents[1])  # the package that is tested here
    return told | {name.upper(): value for name, value in more.items()}


def run(*args: object, cwd: Path, **more: str) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        mock.patch.dict(os.environ, environment(**more), clear=True),
        mock.patch.object(sys, "argv", ["kokin", *map(str, args)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    assert isinstance(ended.value.code, int)
    assert "Traceback" not in err.getvalue(), err.getvalue()
    return Ended(ended.value.code, out.getvalue(), err.getvalue())


def run_in_shell(*args: object, cwd: Path, **more: str) -> Ended:
    call = [sys.executable, "-c", "from kokin.cli import main; main()", *map(str, args)]
    told = environment(**more)
    done = subprocess.run(call, capture_output=True, text=True, encoding="utf-8", cwd=cwd, env=told, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def kokin() -> Callable[..., Ended]:
    """The command in this process: arguments, ``cwd``, and variables of the environment in small letters."""
    return run


@pytest.fixture(scope="session")
def kokin_in_shell() -> Callable[..., Ended]:
    """The same in a process of its own."""
    return run_in_shell
