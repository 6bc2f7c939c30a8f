"""``kokin intake check``: exit codes and formats."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Kokin = Callable[..., Any]
INTAKE = """\
[source.stores]
label = "収納代行"
layout = "kokin-csv"
days = "bank"
until = 09:00:00
since = 2026-05-08
"""
RECEIPTS = "payee_code,item_code,case_key,confirmation,amount,paid_on\n99999,127,1,000001,1000,2026-05-07\n"


@pytest.fixture
def folder(kokin: Kokin, tmp_path: Path) -> Path:
    (tmp_path / "intake.toml").write_text(INTAKE, encoding="utf-8")
    (tmp_path / "paid.csv").write_text(RECEIPTS, encoding="utf-8")
    assert kokin("ledger", "create", "-L", "city.db", cwd=tmp_path).returncode == 0
    return tmp_path


def check(kokin: Kokin, folder: Path, now: str, *more: str, **environment: str) -> Any:
    command = ("intake", "check", "intake.toml", "--for", "2026-05-08", "--now", now, "-L", "city.db", *more)
    return kokin(*command, cwd=folder, **environment)


def test_a_missing_file_ends_with_6(kokin: Kokin, folder: Path) -> None:
    before, after = (check(kokin, folder, f"2026-05-08T{time}") for time in ("08:59", "09:01"))
    assert (before.returncode, before.stdout.splitlines()[0]) == (0, "0 of 1 files")
    assert (after.returncode, after.stdout.splitlines()[0]) == (6, "0 of 1 files; 収納代行 missing for 1 bank day")
    japanese = check(kokin, folder, "2026-05-08T09:01", kokin_lang="ja")
    assert "未着" in japanese.stdout.splitlines()[-1]


def test_a_late_file_or_a_finding_ends_with_1(kokin: Kokin, folder: Path) -> None:
    # The command posts it now, long after the deadline; it is that of the day of the check only with a date.
    assert kokin("ledger", "post", "-L", "city.db", "paid.csv", "-l", "kokin-csv", cwd=folder).returncode == 1
    (folder / "other.csv").write_text(RECEIPTS.replace("1000", "2000"), encoding="utf-8")
    (folder / "inbox").mkdir()
    (folder / "other.csv").rename(folder / "inbox" / "other.csv")
    result = check(kokin, folder, "2026-05-08T08:00", "--inbox", "inbox")
    assert (result.returncode, result.stdout.splitlines()[0]) == (1, "0 of 1 files; 1 finding")
    assert "other.csv" in result.stdout


def test_json_and_metrics_in_a_file(kokin: Kokin, folder: Path) -> None:
    result = check(kokin, folder, "2026-05-08T09:01", "--format", "json")
    assert (result.returncode, json.loads(result.stdout)["files"][0]["state"]) == (6, "missing")
    for name in ("json", "prometheus"):
        assert check(kokin, folder, "2026-05-08T09:01", "--format", name, "--out", "state").stdout == ""
        assert "missing" in (folder / "state").read_text(encoding="utf-8")
    assert (folder / "state").read_text(encoding="utf-8").endswith("\n")


def test_wrong_usage_and_an_invalid_file(kokin: Kokin, folder: Path) -> None:
    assert check(kokin, folder, "2026-05-08T09:01", "--out", "state").returncode == 2
    assert check(kokin, folder, "2026-05-08T09:01", "--inbox", "none").returncode == 4
    (folder / "intake.toml").write_text(INTAKE.replace('"bank"', "[99]"), encoding="utf-8")
    result = check(kokin, folder, "2026-05-08T09:01")
    assert result.returncode == 3
    assert "source.stores.days" in result.stderr


def test_the_report_shows_the_expected_files(kokin: Kokin, folder: Path) -> None:
    command = ("report", "--out", "out", "-L", "city.db", "--intake", "intake.toml")
    before = kokin("report", "--out", "before", "-L", "city.db", cwd=folder)
    done = kokin(*command, "--for", "2026-05-08", cwd=folder)
    assert (before.returncode, done.returncode) == (0, 1)
    assert done.stdout.splitlines()[0].startswith("0 of 1 files; 収納代行 missing for ")
    assert "missing" in (folder / "out" / "intake.csv").read_text(encoding="utf-8-sig")
    assert not (folder / "before" / "intake.csv").exists()
    assert kokin("report", "--out", "out", "-L", "city.db", "--for", "2026-05-08", cwd=folder).returncode == 2
    assert kokin("report", "--out", "out", "-L", "city.db", "--now", "2026-05-08T08:59", cwd=folder).returncode == 2


def test_the_report_checks_the_deadlines_as_of_a_time(kokin: Kokin, folder: Path) -> None:
    command = ("report", "--out", "out", "-L", "city.db", "--intake", "intake.toml", "--for", "2026-05-08", "--now")
    for time, code, state in (("08:59", 0, "not_due"), ("23:59", 1, "missing")):
        assert kokin(*command, f"2026-05-08T{time}", cwd=folder).returncode == code
        assert state in (folder / "out" / "intake.csv").read_text(encoding="utf-8-sig")
