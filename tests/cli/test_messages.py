"""Every text of the command is in both languages, and no translation is left over."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from rich.cells import cell_len

import kokin
from kokin.cli import app
from kokin.cli._app import run
from kokin.cli._ledger_write import FileState
from kokin.cli._messages import headings, language, message, value
from kokin.ledger import AuthorityFileState, EntryKind, PostingReason
from kokin.model import RefundState
from kokin.text import terms

PACKAGE = Path(kokin.__file__).parent
MESSAGES = terms()["command"]
OWN = {
    english: japanese for name, table in MESSAGES.items() if name != "external" for english, japanese in table.items()
}
TRANSLATING = ("message", "help_text", "option", "argument", "headings", "command_help", "_explain")


def constants(node: ast.expr) -> Iterator[str]:
    """Yield the texts that an argument can be: a constant, or both sides of a conditional expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from constants(node.body)
        yield from constants(node.orelse)


def paragraphs(text: str) -> list[str]:
    return [" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n")]


def texts() -> set[str]:
    """Return all texts of the command."""
    found: set[str] = set()
    for path in (PACKAGE / "cli").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TRANSLATING:
                # An argument with a leading hyphen is the name of an option.
                each = [text for argument in node.args for text in constants(argument) if text[:1] != "-"]
                if node.func.id == "headings":
                    each = [text for text in each if text not in terms()["columns"]]
                found.update(*map(paragraphs, each)) if node.func.id == "command_help" else found.update(each)
            if isinstance(node, ast.FunctionDef) and "with_exit_code" in map(ast.unparse, node.decorator_list):
                found.update(paragraphs(ast.get_docstring(node) or ""))
    return {text for text in found if text.strip()}


def test_both_languages_are_complete() -> None:
    found = texts()
    assert len(found) > 150
    assert found - OWN.keys() - MESSAGES["external"].keys() == set()
    assert OWN.keys() - found == set()


def test_texts_of_other_packages_exist() -> None:
    system = {os.strerror(number) for number in range(1, 140)}
    source = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    assert {text for text in MESSAGES["external"] if f'"{text}"' not in source and text not in system} == set()


def test_every_coded_value_has_a_term() -> None:
    states = {state.value for state in (*FileState, *AuthorityFileState)}
    assert states | {"accepted", *RefundState} == set(terms()["values"]["state"])
    assert {reason.value for reason in PostingReason} == set(terms()["values"]["posting_reason"])
    assert {kind.value for kind in EntryKind} <= set(terms()["values"]["kind"])


def test_codes_and_columns_are_translated_as_in_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOKIN_LANG", "ja")
    assert (value("disposition", "excess"), headings("bill_id", "posting")) == ("過誤納", ("通知書番号", "計上番号"))
    monkeypatch.setenv("KOKIN_LANG", "en")
    assert (value("disposition", "excess"), headings("bill_id", "posting")) == ("excess", ("bill_id", "posting"))


def test_no_text_is_translated_more_than_once() -> None:
    assert sum(map(len, MESSAGES.values())) == len({text for table in MESSAGES.values() for text in table})


@pytest.mark.parametrize(("english", "japanese"), [pair for table in MESSAGES.values() for pair in table.items()])
def test_values_are_the_same(english: str, japanese: str) -> None:
    def values(text: str) -> set[tuple[str, str]]:
        return {(name, form or "") for _, name, form, _ in string.Formatter().parse(text) if name}

    assert values(english) == values(japanese)
    assert japanese.strip()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"KOKIN_LANG": "ja", "LC_ALL": "en_US.UTF-8"}, "ja"),
        ({"LC_ALL": "en_US.UTF-8", "LANG": "ja_JP.UTF-8"}, "en"),
        ({"LC_MESSAGES": "ja_JP.UTF-8", "LANG": "C"}, "ja"),
        ({"LC_ALL": "", "LANG": "ja_JP.eucJP"}, "ja"),
        ({"LANG": "C"}, "en"),
    ],
)
def test_the_locale_decides(environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KOKIN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, setting in environment.items():
        monkeypatch.setenv(name, setting)
    assert language() == expected
    assert message("written to {out}", out="x") == {"en": "written to x", "ja": "出力先: x"}[expected]


def commands(command: object, *names: str) -> Iterator[tuple[str, ...]]:
    yield names
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, *names, name)


PRINT_HELP = """
import contextlib, io, json, sys
from kokin.cli._app import run
pages = []
for names in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as page:
        run([*names, "--help"])
    pages.append(page.getvalue())
print(json.dumps(pages))
"""


def test_help_is_japanese_and_fits_the_terminal() -> None:
    """In another process: the language of help is that of the start."""
    names = list(commands(typer.main.get_command(app)))
    assert len(names) > 40
    environment = {**os.environ, "KOKIN_LANG": "ja", "COLUMNS": "80", "PYTHONUTF8": "1"}
    call = [sys.executable, "-c", PRINT_HELP, json.dumps(names)]
    pages = json.loads(subprocess.run(call, capture_output=True, env=environment, check=True).stdout)
    for name, page in zip(names, pages, strict=True):
        assert any("\u3040" <= sign <= "\u30ff" for sign in page), name
        # The text in brackets is typer's.
        assert [line for line in page.splitlines() if cell_len(line.partition("  [")[0]) > 80] == [], name
        assert not re.search(
            r"^(Usage|Options|Arguments|Commands):|Show this|\[required|\[default", page, re.MULTILINE
        ), name


USAGE_ERRORS = [
    "ledger pots",
    "nothing",
    "ledger post",
    "report",
    "ledger post --layot x",
    "ledger post --nope",
    "report --out",
    "layouts 1 2 3",
    "qr make x --jobs 0",
    "qr make x --jobs x",
    "ledger post x --lock-timeout -1",
    "ledger post x --format xx",
    "report --as-of 2026-13-01",
    "layouts --format=",
    "ledger reverse --reason x",
]


@pytest.mark.parametrize("arguments", USAGE_ERRORS)
def test_usage_errors_are_japanese(
    arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KOKIN_LANG", "ja")
    monkeypatch.setenv("NO_COLOR", "1")
    assert run(arguments.split()) == 2
    *_, error = capsys.readouterr().err.splitlines()
    assert error.startswith("エラー: ")
    assert not re.search(r"[a-z]+ [a-z]+", re.sub(r"'[^']*'|--[a-z-]+", "", error))
