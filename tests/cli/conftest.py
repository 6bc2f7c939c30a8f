"""The command, run in this process, which is fast, or in a process of its own where the test is about that."""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
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
class Completed:
    """The exit code and the output of a command."""

    returncode: int
    stdout: str
    stderr: str


def environment(**more: str) -> dict[str, str]:
    variables = {"KOKIN_LANG": "en", "PATH": "", "COLUMNS": "200", "PYTHONUTF8": "1", "LOGNAME": "tester"}
    variables["PYTHONPATH"] = str(Path(package.__file__).parents[1])  # of the package under test
    return variables | {name.upper(): value for name, value in more.items()}


def run(*args: object, cwd: Path, **more: str) -> Completed:
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
    return Completed(ended.value.code, out.getvalue(), err.getvalue())


def run_in_shell(*args: object, cwd: Path, **more: str) -> Completed:
    call = [sys.executable, "-c", "from kokin.cli import main; main()", *map(str, args)]
    variables = environment(**more)
    result = subprocess.run(call, capture_output=True, text=True, encoding="utf-8", cwd=cwd, env=variables, check=False)
    assert "Traceback" not in result.stderr, result.stderr
    return Completed(result.returncode, result.stdout, result.stderr)


def tamper(path: Path, statement: str) -> None:
    """Change the rows of a ledger in SQLite as the owner of the file can: without its triggers, which are restored."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as owner:
        triggers = owner.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            owner.execute(f"DROP TRIGGER {name}")
        owner.execute(statement)
        for _, sql in triggers:
            owner.execute(sql)


@pytest.fixture(scope="session")
def kokin() -> Callable[..., Completed]:
    """The command in this process: arguments, ``cwd``, and environment variables in lower case."""
    return run


@pytest.fixture(scope="session")
def kokin_in_shell() -> Callable[..., Completed]:
    """The command in a process of its own."""
    return run_in_shell
