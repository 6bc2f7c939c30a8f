"""Names of files, ids and messages with any byte and any control character."""

from __future__ import annotations

import csv
import json
import os
import stat
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from kokin.cli import _output
from kokin.ledger import Ledger

Kokin = Callable[..., Any]
URL = "sqlite:///city.db"
HEADER = "payee_code,item_code,case_key,confirmation,amount,paid_on\n"
ROW = "99999,127,1,000001,1000,2026-06-01\n"
BILLS = """\
bill_id,payee_code,item_code,case_key,confirmation,amount,due_on
{bill_id},99999,127,1,000001,1000,2026-06-30
"""
# A name in Python, and as it is shown and stored: 調定 in cp932, which is not UTF-8; control characters.
NAMES = [
    (os.fsdecode("調定.csv".encode("cp932")), r"\x92\xb2\x92\xe8.csv"),
    ("\x1b[31mred\x07.csv", r"\x1b[31mred\x07.csv"),
    ("\u202egpj.csv", r"\u202egpj.csv"),
    ("c1\x9b2J\x7f.csv", r"c1\x9b2J\x7f.csv"),
    ("two\nlines.csv", r"two\x0alines.csv"),
    ("[bold]調定.csv", "[bold]調定.csv"),
]
CONTROLS = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x202E)} - {"\n"}


@pytest.fixture(params=NAMES, ids=lambda name: name[1])
def named(request: pytest.FixtureRequest, kokin: Kokin, tmp_path: Path) -> tuple[Path, str, str]:
    """A folder with a ledger, bills and receipts under such a name."""
    name, shown = request.param
    for folder, content in (("bills", BILLS.format(bill_id="B1")), ("receipts", HEADER + ROW)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(content, encoding="utf-8")
    assert kokin("ledger", "create", "-L", URL, cwd=tmp_path).returncode == 0
    return tmp_path, name, shown


def test_a_name_is_shown_escaped_and_stored_as_text(kokin: Kokin, named: tuple[Path, str, str]) -> None:
    folder, name, shown = named
    bills, paid = f"bills/{name}", f"receipts/{name}"
    run = ("reconcile", "--bills", bills, paid, "-l", "kokin-csv", "--out", f"out-{name}")
    commands = (
        ("check", paid, "-l", "kokin-csv"),
        ("check", paid, "-l", "kokin-csv", "--format", "json"),
        ("check", paid, "-l", "kokin-csv", "--format", "sarif"),
        (*run, "--ledger", URL, "--actor", name),
        ("ledger", "add-bills", "-L", URL, bills, "--reason", name),
        ("ledger", "post", "-L", URL, paid, "-l", "kokin-csv"),
        ("ledger", "post", "-L", URL, paid, "-l", "kokin-csv", "--format", "json"),
        ("ledger", "status", "-L", URL),
        ("report", "-L", URL, "--out", f"morning-{name}", "--format", "csv", "--format", "xlsx", "--format", "html"),
        ("ledger", "export", "-L", URL, "--out", f"export-{name}"),
        ("ledger", "list", "balances", "-L", URL),
        ("ledger", "list", "entries", "-L", URL),
        ("ledger", "list", "outcomes", "-L", URL, "--format", "json"),
    )
    output = ""
    for command in commands:
        result = kokin(*command, cwd=folder)
        assert result.returncode == 0, result.stderr
        output += result.stdout + result.stderr
    output.encode("utf-8")
    assert shown in output
    assert set(output) & CONTROLS == set()
    with Ledger.open(f"sqlite:///{folder}/city.db") as ledger:
        entries = ledger.entries()
    assert [entry.source for entry in entries[1:]] == [shown, shown, shown]
    assert [entry.actor for entry in entries[1:3]] == [shown, shown]
    assert entries[3].reason == shown
    with (folder / f"out-{name}" / "outcomes.csv").open(encoding="utf-8", newline="") as file:
        assert [row["source"] for row in csv.DictReader(file)] == [shown]
    summary = json.loads((folder / f"morning-{name}" / "summary.json").read_text(encoding="utf-8"))
    assert [file["source"] for file in summary["files"]] == [shown]


@pytest.mark.parametrize(("name", "shown"), NAMES, ids=lambda name: repr(name))
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("check", "NAME", "-l", "kokin-csv"), 4),
        (("check", "NAME", "-l", "NAME"), 3),
        (("reconcile", "--bills", "NAME", "x", "-l", "kokin-csv", "--out", "out"), 4),
        (("reconcile", "--bills", "x", "--policy", "NAME", "x", "-l", "kokin-csv", "--out", "out"), 4),
        (("ledger", "post", "-L", URL, "NAME", "-l", "kokin-csv"), 4),
        (("ledger", "post", "-L", URL, "NAME", "-l", "kokin-csv", "--format", "json"), 4),
        (("ledger", "add-bills", "-L", URL, "NAME"), 4),
        (("ledger", "show", "-L", URL, "NAME"), 3),
        (("qr", "read", "NAME"), 4),
        (("NAME",), 2),
        (("check", "--NAME"), 2),
        (("report", "-L", URL, "--out", "out", "--format", "NAME"), 2),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_a_message_repeats_no_control_character(
    kokin: Kokin, tmp_path: Path, name: str, shown: str, command: tuple[str, ...], code: int
) -> None:
    if URL in command:
        assert kokin("ledger", "create", "-L", URL, cwd=tmp_path).returncode == 0
    result = kokin(*(word.replace("NAME", name) for word in command), cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert_clean(result)


@pytest.mark.parametrize(("name", "shown"), NAMES, ids=lambda name: repr(name))
def test_a_ledger_with_such_a_name(kokin: Kokin, tmp_path: Path, name: str, shown: str) -> None:
    result = kokin("ledger", "create", "-L", f"sqlite:///{name}", cwd=tmp_path)
    assert result.returncode == (2 if "\udc92" in name else 0), result.stderr  # a URL is UTF-8
    assert_clean(result)
    assert_clean(kokin("ledger", "status", "-L", f"sqlite:///{name}", cwd=tmp_path))


def assert_clean(result: Any) -> None:
    output = result.stdout + result.stderr
    output.encode("utf-8")
    assert set(output) & CONTROLS == set()


@pytest.mark.parametrize("bill_id", ["B\x1b[2J", "B\u202e1", "B\x9b2J"])
def test_an_id_is_escaped_on_the_terminal_and_kept_in_the_files(kokin: Kokin, tmp_path: Path, bill_id: str) -> None:
    (tmp_path / "bills.csv").write_text(BILLS.format(bill_id=bill_id), encoding="utf-8")
    kokin("ledger", "create", "-L", URL, cwd=tmp_path)
    result = [kokin("ledger", "add-bills", "-L", URL, "bills.csv", cwd=tmp_path)]
    result += [kokin("qr", "make", "bills.csv", "--out", "slips", cwd=tmp_path)]
    assert set("".join(each.stdout + each.stderr for each in result)) & CONTROLS == set()


def test_json_has_its_own_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": "a\x1b\x9b\u202e\x7f\udc83\n公", "rows": [1, "2"]}
    _output.as_json(value)
    text = capsys.readouterr().out
    assert set(text) & CONTROLS == set()
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("mask", "folder", "file"), [(0o077, 0o700, 0o600), (0o027, 0o750, 0o640), (0o022, 0o755, 0o644)]
)
def test_results_have_the_mode_of_the_umask(kokin: Kokin, tmp_path: Path, mask: int, folder: int, file: int) -> None:
    (tmp_path / "bills.csv").write_text(BILLS.format(bill_id="B1"), encoding="utf-8")
    (tmp_path / "paid.csv").write_text(HEADER + ROW, encoding="utf-8")
    before = os.umask(mask)
    try:
        run = ("reconcile", "--bills", "bills.csv", "paid.csv", "-l", "kokin-csv", "--out")
        assert kokin(*run, "out", "--ledger", URL, cwd=tmp_path).returncode == 4  # it does not exist yet
        kokin("ledger", "create", "-L", URL, cwd=tmp_path)
        for _ in range(2):
            assert kokin(*run, "out", "--ledger", URL, cwd=tmp_path).returncode == 0
            morning = (
                "report",
                "-L",
                URL,
                "--out",
                "morning",
                "--format",
                "csv",
                "--format",
                "xlsx",
                "--format",
                "html",
            )
            assert kokin(*morning, cwd=tmp_path).returncode == 0
    finally:
        os.umask(before)
    modes = {
        path: stat.S_IMODE(path.stat().st_mode) for name in ("out", "morning") for path in (tmp_path / name).rglob("*")
    }
    assert set(modes.values()) == {file}
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("out", "morning")} == {folder}


@pytest.mark.parametrize(("name", "shown"), NAMES, ids=lambda name: repr(name))
def test_a_layout_with_such_a_name(kokin: Kokin, tmp_path: Path, name: str, shown: str) -> None:
    layout = resources.files("kokin.receipts.layouts") / "kokin-csv.toml"
    (tmp_path / f"{name}.toml").write_bytes(layout.read_bytes())
    (tmp_path / "bills.csv").write_text(BILLS.format(bill_id="B1"), encoding="utf-8")
    (tmp_path / "paid.csv").write_text(HEADER + ROW, encoding="utf-8")
    run = ("reconcile", "--bills", "bills.csv", "paid.csv", "--out", "out", "-l", f"{name}.toml")
    result = kokin(*run, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert_clean(result)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert [file["layout"] for file in summary["files"]] == [shown]
