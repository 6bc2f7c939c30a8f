"""The exit codes that no command decides alone: broken books, and failures outside of a command."""

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

from kokin.cli import _layouts
from kokin.cli._exits import Exit, with_controls
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
def here(kokin: Kokin, tmp_path: Path) -> Path:
    (tmp_path / "bills.csv").write_text(BILLS, encoding="utf-8")
    for name, row in (("paid.csv", "1,000001,1000"), ("unknown.csv", "2,000002,500")):
        (tmp_path / name).write_text(f"{HEADER}99999,127,{row},2026-06-01\n", encoding="utf-8")
    assert kokin("ledger", "init", URL, cwd=tmp_path).returncode == 0
    return tmp_path


RECONCILE = ("reconcile", "--bills", "bills.csv", "-l", "kokin-csv", "--out", "out", "--receipts", "paid.csv")
# Each command that computes control equations, and one of them; without a fault all of them end with 0.
CONTROLLED = [
    (RECONCILE, "T1"),
    (RECONCILE, "T4"),
    (RECONCILE, "T5"),
    (RECONCILE, "T6"),
    (("demo", "--bills", "50", "--out", "city"), "T5"),
    (("check", "paid.csv", "bills.csv", "-l", "kokin-csv", "-l", "kokin-csv"), "T1"),
    (("check", "paid.csv", "unknown.csv", "-l", "kokin-csv"), "T6"),
    (("ledger", "bills", URL, "bills.csv"), "T4"),
    (("ledger", "post", URL, "paid.csv", "-l", "kokin-csv"), "T1"),
    (("ledger", "post", URL, "paid.csv", "-l", "kokin-csv", "--format", "json"), "T4"),
    (("ledger", "status", URL), "T4"),
    (("ledger", "status", URL, "--format", "json"), "T1"),
    (("report", URL, "--out", "morning"), "T1"),
    (("report", URL, "--out", "morning"), "T4"),
]


@pytest.mark.parametrize(("command", "name"), CONTROLLED, ids=lambda given: " ".join(given))
def test_a_broken_control_ends_with_5_and_is_named(
    kokin: Kokin, here: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], name: str
) -> None:
    def holds(control: Control) -> bool | None:
        return False if control.name == name else None

    monkeypatch.setattr(Control, "holds", property(holds))
    for language, said in (("en", "the books do not balance"), ("ja", "帳簿が合いません")):
        done = kokin(*command, cwd=here, kokin_lang=language)
        assert done.returncode == 5, done.stdout + done.stderr
        assert f"{said}: {name}" in done.stderr.replace("、", ",")


@pytest.mark.parametrize("code", list(Exit))
def test_the_highest_code_wins(code: Exit) -> None:
    def control(left: int | None, parts: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
        return {"T3": Control("T3", "bank", left, 10, parts).as_dict()}

    assert with_controls(code, control(10)) == code
    assert with_controls(code, control(None)) == code  # not checked
    assert with_controls(code, control(9)) == max(code, 5)
    assert with_controls(code, control(10, ("2026-06-01",))) == max(code, 5)


def test_a_refused_file_and_a_broken_control(kokin: Kokin, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "refused.csv").write_text("nothing,of,this\n1,2,3\n", encoding="utf-8")
    post = ("ledger", "post", URL, "refused.csv", "paid.csv", "-l", "kokin-csv")
    assert kokin(*post, cwd=here).returncode == 3
    monkeypatch.setattr(Control, "holds", property(lambda control: False))
    assert kokin(*post, cwd=here).returncode == 5


def test_reports_end_as_before_where_the_books_balance(kokin: Kokin, here: Path) -> None:
    assert kokin("ledger", "post", URL, "unknown.csv", "-l", "kokin-csv", cwd=here).returncode == 1
    assert kokin("report", URL, "--out", "morning", cwd=here).returncode == 0


# The ledger is named first: nothing of a command may run where its output is closed.
POST = f"ledger post {URL} paid.csv -l kokin-csv"


def shell(line: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A line for the shell, in which $K is the command."""
    call = f"""K() {{ '{sys.executable}' -c 'from kokin.cli import main; main()' "$@"; }}; {line}"""
    environment = {**os.environ, "KOKIN_LANG": "en", "PYTHONUTF8": "1", **more}
    return subprocess.run(["sh", "-c", call], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("redirection", "said"),
    [(">&-", "standard output or standard error is closed"), ("2>&-", ""), (">&- 2>&-", ""), (">/dev/full", "failed")],
)
@pytest.mark.parametrize("command", ["layouts", "--help", POST])
def test_an_output_that_cannot_be_written_ends_with_4(here: Path, command: str, redirection: str, said: str) -> None:
    done = shell(f"K {command} {redirection}", here)
    assert done.returncode == 4, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    if "&-" in redirection:
        assert '"files": 0' in shell(f"K ledger status {URL} --format json", here).stdout


@pytest.mark.parametrize(
    ("module", "language", "said"),
    [
        ("rich", "en", "a module cannot be imported"),
        ("typer", "ja", "モジュールを読み込めません"),
        ("sqlalchemy", "en", "a module cannot be imported"),
        ("pyarrow", "ja", "モジュールを読み込めません"),
    ],
)
def test_an_import_that_fails_ends_with_4(here: Path, tmp_path: Path, module: str, language: str, said: str) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / f"{module}.py").write_text("raise ImportError('half an upgrade')", encoding="utf-8")
    paths = os.pathsep.join([str(tmp_path / "broken"), os.environ.get("PYTHONPATH", "")])
    done = shell(f"K {POST}", here, PYTHONPATH=paths, KOKIN_LANG=language)
    assert done.returncode == 4
    assert "half an upgrade" in done.stderr
    assert said in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), SystemExit(0), SystemExit(1), MemoryError()])
def test_an_unexpected_error_ends_with_4(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    from kokin.cli import main

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(_layouts._show, "grid", fail)
    monkeypatch.setattr(sys, "argv", ["kokin", "layouts"])
    monkeypatch.setenv("KOKIN_LANG", "ja")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 4
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "想定外のエラー" in told.splitlines()[-1]


@pytest.mark.parametrize("command", ["layouts", "--help", "ledger --help", "layouts --new", "no-such-command 2>&1"])
def test_a_reader_that_has_gone_ends_with_141(here: Path, command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        call = ["sh", "-c", f"""'{sys.executable}' -c 'from kokin.cli import main; main()' {command}"""]
        done = subprocess.run(call, cwd=here, stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_interruption_ends_with_130(here: Path) -> None:
    (here / "rich").mkdir()
    (here / "rich" / "__init__.py").write_text("print('here', flush=True); import time; time.sleep(60)")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(
        [*COMMAND, "layouts"], cwd=here, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
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
        ("report", URL, "--out", ""),
        ("report", "", "--out", "morning"),
        ("qr", "make", "bills.csv", "--out", ""),
        ("qr", "make", "bills.csv", "--out", "slips", "--font="),
        ("ledger", "post", URL, "", "-l", "kokin-csv"),
        ("ledger", "export", URL, "--out", ""),
        # A hash that was lost must not pass for one that was compared.
        ("ledger", "verify", URL, "--sealed", ""),
    ],
)
def test_an_empty_value_is_wrong_usage(kokin: Kokin, here: Path, arguments: tuple[str, ...]) -> None:
    before = sorted(here.iterdir())
    done = kokin(*arguments, cwd=here)
    assert done.returncode == 2
    assert "is empty" in done.stderr
    assert sorted(here.iterdir()) == before
