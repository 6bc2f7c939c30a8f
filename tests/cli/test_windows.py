"""What Windows does otherwise: a console in cp932, and files that another program has open."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any
from unittest import mock
from xml.etree import ElementTree

import pytest
import typer

from kokin._arrow import files
from kokin.cli import _output, app, main
from kokin.cli._event_log import _JsonFormatter
from tests.cli.conftest import environment
from tests.cli.night import FOLDER

BILLS = "bill_id,payee_code,item_code,case_key,confirmation,amount,due_on\nB-é-😀,99999,127,1,000001,1000,2026-06-30\n"
PAID = "payee_code,item_code,case_key,confirmation,amount,paid_on\n99999,127,2,000001,1000,2026-06-01\n"


def run_in_cp932(*words: str, cwd: Path, language: str) -> tuple[int, str, str]:
    """Run a command whose output is a pipe in cp932, as Python opens it on a Japanese Windows."""
    out = io.TextIOWrapper(io.BytesIO(), "cp932", "strict", newline="")
    err = io.TextIOWrapper(io.BytesIO(), "cp932", "backslashreplace", newline="")
    with (
        contextlib.chdir(cwd),
        mock.patch.dict(os.environ, environment(kokin_lang=language), clear=True),
        mock.patch.object(sys, "argv", ["kokin", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    out.flush()
    err.flush()
    texts = [stream.buffer.getvalue().decode("cp932") for stream in (out, err)]  # type: ignore[attr-defined]
    assert "Traceback" not in texts[1], texts[1]
    assert isinstance(ended.value.code, int)
    return ended.value.code, *texts


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from (name, *strings(each))
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


@pytest.mark.parametrize(("package", "name"), [("kokin.text", "terms.toml"), ("kokin.issues", "codes.toml")])
def test_every_text_is_printable_in_cp932(package: str, name: str) -> None:
    texts = set(strings(tomllib.loads((resources.files(package) / name).read_text(encoding="utf-8"))))
    assert len(texts) > 100
    printed = {text: text.encode("cp932", _output.SIMILAR_CHARACTERS).decode("cp932") for text in texts}
    assert {text for text, found in printed.items() if found.count("?") != text.count("?")} == set()
    assert len({text for text, found in printed.items() if found != text}) < 50


def leaves(command: Any, *names: str) -> Iterator[tuple[str, ...]]:
    yield names
    for name, child in getattr(command, "commands", {}).items():
        yield from leaves(child, *names, name)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_help_of_every_command_is_printable_in_cp932(tmp_path: Path, language: str) -> None:
    for names in leaves(typer.main.get_command(app)):
        code, out, _ = run_in_cp932(*names, "--help", cwd=tmp_path, language=language)
        assert code == 0
        assert language == "en" or "?" not in out


@pytest.mark.parametrize("language", ["en", "ja"])
def test_commands_print_in_cp932(tmp_path: Path, language: str) -> None:
    folder = tmp_path / "公金 ﾌｫﾙﾀﾞ"
    folder.mkdir()
    (folder / "調定.csv").write_text(BILLS, encoding="utf-8")
    (folder / "収納.csv").write_text(PAID, encoding="utf-8")
    calls = {
        ("ledger", "create"): 0,
        ("ledger", "add-bills", "調定.csv"): 0,
        ("ledger", "post", "収納.csv", "--layout", "kokin-csv"): 1,
        ("ledger", "status"): 0,
        ("ledger", "show", "収納.csv:1"): 0,
        ("ledger", "list", "bills"): 0,
        ("ledger", "verify"): 0,
        ("ledger", "worklist", "--out", "例外一覧.csv"): 1,
        ("report", "--out", "帳票"): 1,
    }
    for words, code in calls.items():
        result = run_in_cp932(*words, "-L", "台帳.db", cwd=folder, language=language)
        assert result[0] == code, (words, *result)
        assert result[1], words
    bills = run_in_cp932("ledger", "list", "bills", "-L", "台帳.db", cwd=folder, language=language)
    assert "B-" in bills[1]
    # JSON stays JSON: what cp932 lacks is escaped.
    rows = run_in_cp932("ledger", "list", "bills", "--format", "json", "-L", "台帳.db", cwd=folder, language=language)
    assert json.loads(rows[1])[0]["bill_id"] == "B-é-😀"
    # Files are UTF-8, whatever the console is.
    assert "未納" in (folder / "帳票" / "report.html").read_text(encoding="utf-8") or language == "en"


def test_the_log_is_json_in_any_encoding() -> None:
    record = logging.LogRecord("kokin", logging.INFO, "", 0, "file_written", (), None)
    record.fields = {"file": "é😀調定.csv", "bytes": 1}
    line = _JsonFormatter("cp932").format(record)
    assert json.loads(line)["file"] == "é😀調定.csv"
    assert line.encode("cp932").decode("cp932") == line
    assert "調定" in line


def test_a_draft_replaces_a_file_that_is_open_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.csv"
    target.write_text("old", encoding="utf-8")
    replace, failures = Path.replace, iter([True, True, False])

    def fail_at_first(path: Path, to: Path) -> Path:
        if next(failures):
            raise PermissionError(13, "Access is denied", str(path))
        return replace(path, to)

    monkeypatch.setattr(Path, "replace", fail_at_first)
    monkeypatch.setattr(files.time, "sleep", lambda seconds: None)
    with files.atomic_file(target) as draft:
        draft.write_text("new", encoding="utf-8")
    assert target.read_text(encoding="utf-8") == "new"


def test_a_file_that_stays_open_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a report that somebody has open in a spreadsheet: the old file stays, and no draft."""
    target = tmp_path / "report.csv"
    target.write_text("old", encoding="utf-8")

    def fail(path: Path, to: Path) -> Path:
        raise PermissionError(13, "Access is denied", str(path))

    monkeypatch.setattr(Path, "replace", fail)
    monkeypatch.setattr(files.time, "sleep", lambda seconds: None)
    with pytest.raises(PermissionError) as error, files.atomic_file(target) as draft:
        draft.write_text("new", encoding="utf-8")
    assert error.value.filename == str(target)
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("is_there", [False, True])
def test_no_report_renames_over_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool) -> None:
    """Windows has no rename over a folder or a file that exists."""
    rename = Path.rename

    def as_on_windows(path: Path, to: Path) -> Path:
        if Path(to).exists():
            raise FileExistsError(17, "File exists", str(to))
        return rename(path, to)

    replace = Path.replace

    def replace_as_on_windows(path: Path, to: Path) -> Path:
        if Path(to).is_dir():
            raise PermissionError(13, "Access is denied", str(to))
        return replace(path, to)

    monkeypatch.setattr(Path, "rename", as_on_windows)
    monkeypatch.setattr(Path, "replace", replace_as_on_windows)
    monkeypatch.setattr(files.time, "sleep", lambda seconds: None)
    run = {"cwd": tmp_path, "language": "en"}
    assert run_in_cp932("ledger", "create", "-L", "city.db", **run)[0] == 0  # type: ignore[arg-type]
    for _ in range(1 + is_there):
        assert run_in_cp932("report", "--out", "reports", "-L", "city.db", **run)[0] == 0  # type: ignore[arg-type]
    assert (tmp_path / "reports" / "summary.json").exists()


def test_the_files_for_windows_name_each_other() -> None:
    task = (FOLDER / "kokin-night.xml").read_text(encoding="utf-8")
    assert "night.ps1" in task
    assert ElementTree.fromstring(task).tag.endswith("Task")
    script = (FOLDER / "night.ps1").read_bytes()
    assert script.isascii()
    # Every command and option of Kokin that the shell script has.
    shell = (FOLDER / "night.sh").read_text(encoding="utf-8")
    for words in ("add-bills", "add-deposits", "add-agent-reports", "intake", "verify", "report", "worklist", "refund"):
        assert f"{words}" in script.decode()
        assert words in shell
