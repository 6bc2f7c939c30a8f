"""Exit codes that are the same for all commands: broken controls, and failures outside a command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kokin.cli import _check
from kokin.cli._main import Exit, with_controls
from kokin.reconcile import Control

Kokin = Callable[..., Any]
COMMAND = (sys.executable, "-c", "from kokin.cli import main; main()")
URL = "sqlite:///city.db"
HEADER = "payee_code,item_code,case_key,confirmation,amount,paid_on\n"
BILLS = """\
bill_id,payee_code,item_code,case_key,confirmation,amount,due_on
B1,99999,127,1,000001,1000,2026-06-30
"""


@pytest.fixture
def folder(kokin: Kokin, tmp_path: Path) -> Path:
    (tmp_path / "bills.csv").write_text(BILLS, encoding="utf-8")
    for name, row in (("paid.csv", "1,000001,1000"), ("unknown.csv", "2,000002,500")):
        (tmp_path / name).write_text(f"{HEADER}99999,127,{row},2026-06-01\n", encoding="utf-8")
    assert kokin("ledger", "create", "-L", URL, cwd=tmp_path).returncode == 0
    return tmp_path


RECONCILE = ("reconcile", "--bills", "bills.csv", "-l", "kokin-csv", "--out", "out", "paid.csv")
# Each command that computes control equations, and one of these; without a fault they all end with 0.
CONTROLLED = [
    (RECONCILE, "T1"),
    (RECONCILE, "T4"),
    (RECONCILE, "T5"),
    (RECONCILE, "T6"),
    (("demo", "--bills", "50", "--out", "city"), "T5"),
    (("check", "paid.csv", "bills.csv", "-l", "kokin-csv", "-l", "kokin-csv"), "T1"),
    (("check", "paid.csv", "unknown.csv", "-l", "kokin-csv"), "T6"),
    (("ledger", "add-bills", "-L", URL, "bills.csv"), "T4"),
    (("ledger", "post", "-L", URL, "paid.csv", "-l", "kokin-csv"), "T1"),
    (("ledger", "post", "-L", URL, "paid.csv", "-l", "kokin-csv", "--format", "json"), "T4"),
    (("ledger", "status", "-L", URL), "T4"),
    (("ledger", "status", "-L", URL, "--format", "json"), "T1"),
    (("ledger", "status", "-L", URL), "T7"),
    ((*RECONCILE, "--ledger", URL), "T7"),
    (("report", "-L", URL, "--out", "morning"), "T7"),
    (("report", "-L", URL, "--out", "morning"), "T1"),
    (("report", "-L", URL, "--out", "morning"), "T4"),
]


@pytest.mark.parametrize(("command", "name"), CONTROLLED, ids=lambda given: " ".join(given))
def test_a_broken_control_ends_with_5_and_is_named(
    kokin: Kokin, folder: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], name: str
) -> None:
    def holds(control: Control) -> bool | None:
        return False if control.name == name else None

    monkeypatch.setattr(Control, "holds", property(holds))
    for language, said in (("en", "the books do not balance"), ("ja", "帳簿が合いません")):
        result = kokin(*command, cwd=folder, kokin_lang=language)
        assert result.returncode == 5, result.stdout + result.stderr
        assert f"{said}: {name}" in result.stderr.replace("、", ",")


@pytest.mark.parametrize("code", list(Exit))
def test_the_highest_code_wins(code: Exit) -> None:
    def control(left: int | None, parts: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
        return {"T3": Control("T3", "bank", left, 10, parts).as_dict()}

    assert with_controls(code, control(10)) == code
    assert with_controls(code, control(None)) == code  # not checked
    assert with_controls(code, control(9)) == max(code, 5)
    assert with_controls(code, control(10, ("2026-06-01",))) == max(code, 5)


def test_a_rejected_file_and_a_broken_control(kokin: Kokin, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "rejected.csv").write_text("nothing,of,this\n1,2,3\n", encoding="utf-8")
    post = ("ledger", "post", "-L", URL, "rejected.csv", "paid.csv", "-l", "kokin-csv")
    assert kokin(*post, cwd=folder).returncode == 3
    monkeypatch.setattr(Control, "holds", property(lambda control: False))
    assert kokin(*post, cwd=folder).returncode == 5


def test_post_and_report_end_with_1_for_the_same_exceptions(kokin: Kokin, folder: Path) -> None:
    assert kokin("ledger", "post", "-L", URL, "unknown.csv", "-l", "kokin-csv", cwd=folder).returncode == 1
    assert kokin("report", "-L", URL, "--out", "morning", cwd=folder).returncode == 1
    assert kokin("ledger", "status", "-L", URL, cwd=folder).returncode == 0


POST = f"ledger post -L {URL} paid.csv -l kokin-csv"


def shell(line: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A line for the shell, in which $K is the command."""
    call = f"""K() {{ '{sys.executable}' -c 'from kokin.cli import main; main()' "$@"; }}; {line}"""
    environment = {**os.environ, "KOKIN_LANG": "en", "PYTHONUTF8": "1", **more}
    return subprocess.run(["sh", "-c", call], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


THOROUGH_COMMANDS = [pytest.param(command, marks=pytest.mark.thorough) for command in ("--help", POST)]


@pytest.mark.parametrize(
    ("redirection", "said"),
    [(">&-", "standard output or standard error is closed"), ("2>&-", ""), (">&- 2>&-", ""), (">/dev/full", "failed")],
)
@pytest.mark.parametrize("command", ["layouts", *THOROUGH_COMMANDS])
def test_an_output_that_cannot_be_written_ends_with_4(folder: Path, command: str, redirection: str, said: str) -> None:
    result = shell(f"K {command} {redirection}", folder)
    assert result.returncode == 4, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    if "&-" in redirection:
        assert '"files": 0' in shell(f"K ledger status -L {URL} --format json", folder).stdout


@pytest.mark.parametrize(
    ("module", "language", "said"),
    [
        ("rich", "en", "a module cannot be imported"),
        ("typer", "ja", "モジュールを読み込めません"),
        ("sqlalchemy", "en", "a module cannot be imported"),
        ("pyarrow", "ja", "モジュールを読み込めません"),
    ],
)
def test_an_import_that_fails_ends_with_4(folder: Path, tmp_path: Path, module: str, language: str, said: str) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / f"{module}.py").write_text("raise ImportError('half an upgrade')", encoding="utf-8")
    paths = os.pathsep.join([str(tmp_path / "broken"), os.environ.get("PYTHONPATH", "")])
    result = shell(f"K {POST}", folder, PYTHONPATH=paths, KOKIN_LANG=language)
    assert result.returncode == 4
    assert "half an upgrade" in result.stderr
    assert said in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), SystemExit(0), SystemExit(1), MemoryError()])
def test_an_unexpected_error_ends_with_4(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    from kokin.cli import main

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(_check._output, "table", fail)
    monkeypatch.setattr(sys, "argv", ["kokin", "layouts"])
    monkeypatch.setenv("KOKIN_LANG", "ja")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 4
    stderr = capsys.readouterr().err
    assert "Traceback" in stderr
    assert "想定外のエラー" in stderr.splitlines()[-1]


@pytest.mark.parametrize("command", ["layouts", "--help", "ledger --help", "layouts --new", "no-such-command 2>&1"])
def test_a_closed_pipe_ends_with_141(folder: Path, command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        call = ["sh", "-c", f"""'{sys.executable}' -c 'from kokin.cli import main; main()' {command}"""]
        result = subprocess.run(call, cwd=folder, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (141, "")


def test_an_interruption_ends_with_130(folder: Path) -> None:
    (folder / "rich").mkdir()
    (folder / "rich" / "__init__.py").write_text("print('started', flush=True); import time; time.sleep(60)")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(
        [*COMMAND, "layouts"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130


@pytest.mark.parametrize(
    "arguments",
    [
        (*RECONCILE, "--out", ""),
        (*RECONCILE, "--out="),
        (*RECONCILE, "--bills", ""),
        (*RECONCILE, "--ledger", ""),
        (*RECONCILE, "--policy", ""),
        (*RECONCILE, "-l", ""),
        ("demo", "--out", ""),
        ("check", "", "-l", "kokin-csv"),
        ("report", "-L", URL, "--out", ""),
        ("report", "-L", "", "--out", "morning"),
        ("qr", "make", "bills.csv", "--out", ""),
        ("qr", "make", "bills.csv", "--out", "slips", "--font="),
        ("ledger", "post", "-L", URL, "", "-l", "kokin-csv"),
        ("ledger", "export", "-L", URL, "--out", ""),
        # An empty hash would compare nothing.
        ("ledger", "verify", "-L", URL, "--expected-hash", ""),
        ("ledger", "verify", "-L", URL, "--since", ""),
        ("ledger", "copy", "city.db", ""),
    ],
)
def test_an_empty_value_is_wrong_usage(kokin: Kokin, folder: Path, arguments: tuple[str, ...]) -> None:
    before = sorted(folder.iterdir())
    result = kokin(*arguments, cwd=folder)
    assert result.returncode == 2
    assert "is empty" in result.stderr
    assert sorted(folder.iterdir()) == before
