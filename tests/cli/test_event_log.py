"""The log of a command: every command accepts it, its lines parse, and no event has personal data."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from kokin.cli import _output, app
from kokin.cli._event_log import COMMON_FIELDS, EVENTS, LogFormat, _Handler

Kokin = Callable[..., Any]
BILLS = """\
bill_id,payee_code,item_code,case_key,confirmation,amount,due_on,name,address,postal_code
B1,99999,127,1,000001,1000,2026-06-30,公金 花子,例示市本町 1,1000001
B2,99999,127,2,00000X,1000,2026-06-30,公金 太郎,例示市本町 2,1000001
"""
RECEIPTS = """\
payee_code,item_code,case_key,confirmation,amount,paid_on
99999,127,1,000001,1000,2026-06-01
99999,127,山田花子,000001,1000,2026-06-01
"""
#: The personal data of these files, and what a person wrote.
PERSONAL = ("公金", "花子", "太郎", "例示市", "1000001", "山田", "chief-of-revenue", "letter of Mr. X")
LEDGER = ("-L", "city.db")


def commands(command: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", {})
    if not children:
        yield names, command
    for name, child in children.items():
        yield from commands(child, *names, name)


@pytest.mark.parametrize(
    ("names", "command"), [*commands(typer.main.get_command(app))], ids=lambda each: str(each)[:60]
)
def test_every_command_accepts_the_options(names: tuple[str, ...], command: Any) -> None:
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--log", "--log-file"} <= options


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bills.csv").write_text(BILLS.splitlines()[0] + "\n" + BILLS.splitlines()[1] + "\n", encoding="utf-8")
    (tmp_path / "bad-bills.csv").write_text(BILLS, encoding="utf-8")
    (tmp_path / "paid.csv").write_text(RECEIPTS, encoding="utf-8")
    (tmp_path / "half.csv").write_text(RECEIPTS[:-20], encoding="utf-8")
    return tmp_path


def run_all(kokin: Kokin, folder: Path, *log: str) -> list[tuple[str, int, str]]:
    """Run commands that read and write; return the name, the exit code and stderr of each."""
    actor = ("--actor", "chief-of-revenue", "--reason", "letter of Mr. X")
    calls = (
        ("ledger", "create", *LEDGER, "--actor", "chief-of-revenue"),
        ("ledger", "add-bills", *LEDGER, "bills.csv", *actor),
        ("ledger", "add-bills", *LEDGER, "bad-bills.csv", *actor),
        ("ledger", "post", *LEDGER, "paid.csv", "half.csv", "none.csv", "-l", "kokin-csv", *actor),
        ("check", "paid.csv", "-l", "kokin-csv"),
        ("reconcile", "paid.csv", "--bills", "bills.csv", "-l", "kokin-csv", "--out", "run"),
        ("report", *LEDGER, "--out", "morning", "--format", "csv"),
        ("ledger", "reverse", "--entry", "3", *LEDGER, *actor),
        ("ledger", "show", "B9", *LEDGER),
        ("layouts", "no-such-layout"),
        ("ledger", "status", "-L", "none.db"),
    )
    results = []
    for call in calls:
        result = kokin(*call, *log, cwd=folder)
        results.append((" ".join(call[: 1 + (call[0] == "ledger")]), result.returncode, result.stderr))
    return results


def test_json_lines_with_the_documented_fields_and_no_personal_data(kokin: Kokin, folder: Path) -> None:
    results = run_all(kokin, folder, "--log-file", "kokin.log")
    text = (folder / "kokin.log").read_text(encoding="utf-8")
    assert [word for word in PERSONAL if word in text] == []
    assert text.isprintable() is False  # newlines
    assert all(line.isprintable() for line in text.splitlines())
    events = [json.loads(line) for line in text.splitlines()]
    for event in events:
        own = EVENTS[event["event"]]
        assert list(event) == [*COMMON_FIELDS, *(name for name in own if name in event)]
        assert datetime.fromisoformat(event["time"]).tzinfo is not None
    ended = [(event["command"], event["exit_code"]) for event in events if event["event"] == "command_ended"]
    assert ended == [(name, code) for name, code, _ in results]
    assert [event["command"] for event in events if event["event"] == "command_started"] == [name for name, _ in ended]
    assert {event["event"] for event in events} == set(EVENTS)
    written = [event for event in events if event["event"] == "entry_written"]
    assert [(event["entry"], event["kind"]) for event in written] == [
        (1, "created"),
        (2, "bills"),
        (3, "receipt_file"),
        (4, "rejected_file"),
        (5, "reversal"),
    ]
    (posted,) = (event for event in written if event["kind"] == "receipt_file")
    assert (posted["file"], posted["layout"], posted["records"], posted["yen"]) == ("paid.csv", "kokin-csv", 2, 1000)
    finished = [event for event in events if event["event"] == "file_finished"]
    assert [(event["file"], event["state"], event["exit_code"]) for event in finished] == [
        ("bills.csv", "posted", 0),
        ("bad-bills.csv", "rejected", 3),
        ("paid.csv", "posted", 1),
        ("half.csv", "rejected", 3),
        ("none.csv", "unreadable", 4),
    ]
    assert finished[2]["issues"]["NOT_DIGITS"] == 1


def test_the_log_on_stderr_leaves_the_results_as_they_are(kokin: Kokin, folder: Path) -> None:
    call = ("check", "paid.csv", "-l", "kokin-csv", "--format", "json")
    plain, logged = kokin(*call, cwd=folder), kokin(*call, "--log", "json", cwd=folder)
    by_variable = kokin(*call, cwd=folder, kokin_log="text")
    assert plain.stdout == logged.stdout == by_variable.stdout
    assert [json.loads(line)["event"] for line in logged.stderr.splitlines() if line[0] == "{"] == [
        "command_started",
        "file_read",
        "command_ended",
    ]
    assert 'command_ended command="check" exit_code=1' in by_variable.stderr
    assert logging.getLogger("kokin").level == logging.NOTSET


def test_a_log_that_cannot_be_opened_ends_with_4(kokin: Kokin, folder: Path) -> None:
    result = kokin("layouts", "--log-file", "none/kokin.log", cwd=folder)
    assert (result.returncode, result.stdout) == (4, "")
    assert "none/kokin.log" in result.stderr


def test_a_log_that_cannot_be_written_does_not_stop_the_command(
    kokin: Kokin, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_Handler, "flush", fail)
    result = kokin("check", "paid.csv", "-l", "kokin-csv", "--log-file", "kokin.log", cwd=folder)
    assert result.returncode == 1
    assert result.stderr.count("No space left on device") == 1


def test_wrong_usage_and_an_unexpected_error_are_logged(
    kokin: Kokin, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def last_event(result: Any) -> dict[str, Any]:
        (*_, event) = (json.loads(line) for line in result.stderr.splitlines() if line[:1] == "{")
        return event

    result = kokin("ledger", "reverse", *LEDGER, "--reason", "x", "--log", "json", cwd=folder)
    assert result.returncode == last_event(result)["exit_code"] == 2

    def fail(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(_output, "line", fail)
    monkeypatch.setattr(_output, "table", fail)
    result = kokin("layouts", "--log", "json", cwd=folder)
    event = last_event(result)
    assert (result.returncode, event["exit_code"], event["error"], event["level"]) == (
        141,
        141,
        "BrokenPipeError",
        "error",
    )


def test_the_formats_are_those_of_the_help() -> None:
    assert {each.value for each in LogFormat} == {"json", "text"}
