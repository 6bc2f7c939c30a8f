"""The night of ``examples/night``: each file is posted once, and a failure loses nothing."""

from __future__ import annotations

import csv
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kokin.demo import write_city
from kokin.ledger import Ledger
from tests.cli.conftest import tamper
from tests.cli.night import FOLDER, PROCESS, Night, forking_command

pytestmark = pytest.mark.skipif(not (shutil.which("sh") and shutil.which("flock")), reason="sh or flock is missing")


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The command in a fork of a server, as a line of a shell."""
    with forking_command(tmp_path_factory.mktemp("server")) as command:
        yield command


@pytest.fixture
def night(tmp_path: Path, fork: str) -> Night:
    return Night(tmp_path, fork)


@pytest.fixture
def night_of_processes(tmp_path: Path) -> Night:
    return Night(tmp_path, PROCESS)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of a city, and one in which a total is wrong."""
    folder = tmp_path_factory.mktemp("city")
    made = write_city(folder, 400, 3)
    files = {layout: path for path, layout in made.receipts}
    lines = files["zengin-91"].read_bytes().split(b"\r\n")
    (trailer,) = (at for at, line in enumerate(lines) if line[:1] == b"8")
    lines[trailer] = lines[trailer][:18] + bytes([lines[trailer][18] ^ 1]) + lines[trailer][19:]
    damaged = folder / "damaged.txt"
    damaged.write_bytes(b"\r\n".join(lines))
    return {"bills": made.bills, "damaged": damaged, **files}


def test_a_night_and_the_same_files_again(night: Night, city: dict[str, Path]) -> None:
    night.create()
    night.bring(city["bills"], "bills")
    night.bring(city["kokin-csv"], "kokin-csv")
    night.bring(city["damaged"], "zengin-91", "a-damaged.txt")
    night.bring(city["zengin-91"], "zengin-91", "b-debit.txt")
    night.bring(city["zengin-91"], "zengin-91", "c-half.part")
    first = night.run()
    # The highest code is that of the rejected file; the files before and after it are posted.
    assert first.returncode == 3, first.stdout + first.stderr
    assert night.files("inbox") == ["c-half.part"]
    assert night.files("done") == ["b-debit.txt", "bills.csv", "eltax.csv"]
    assert night.files("rejected") == ["a-damaged.txt"]
    assert "TOTAL_MISMATCH" in first.stderr
    with Ledger.open(night.url) as ledger:
        before = ledger.status()
    assert night.sources() == ["eltax.csv", "b-debit.txt"]
    (day,) = (night.folder / "reports").iterdir()
    summary = json.loads((day / "summary.json").read_text(encoding="utf-8"))
    assert summary["hash"] == before.hash == (night.folder / "hashes.txt").read_text().split()[1]
    with (day / "balances.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 400

    # The same bytes under another name, and beside them a name that is already posted.
    night.bring(city["zengin-91"], "zengin-91", "again.txt")
    night.bring(city["kokin-csv"], "kokin-csv")
    second = night.run()
    assert second.returncode == 0, second.stdout + second.stderr
    assert night.files("done") == ["again.txt", "b-debit.txt", "bills.csv", "eltax.csv", "eltax.csv.2"]
    with Ledger.open(night.url) as ledger:
        assert ledger.status() == before


@pytest.mark.parametrize("code", [2, 127, 130, 137])
def test_an_aborted_night_leaves_the_files(night: Night, city: dict[str, Path], code: int) -> None:
    night.create()
    night.bring(city["kokin-csv"], "kokin-csv", "a.csv")
    night.bring(city["kokin-csv"], "kokin-csv", "b.csv")
    night.fail("post", f"exit {code}")
    result = night.run()
    assert result.returncode == code
    assert night.files("inbox") == ["a.csv", "b.csv"]
    assert result.stdout.count(".csv: exit code") == 1
    assert night.sources() == []


@pytest.mark.thorough
@pytest.mark.parametrize("code", [0, 1, 4, 5])
def test_a_file_that_the_ledger_does_not_have_stays_in_the_inbox(
    night: Night, city: dict[str, Path], code: int
) -> None:
    night.create()
    night.bring(city["kokin-csv"], "kokin-csv", "a.csv")
    night.bring(city["dsk-csv"], "dsk-csv", "b.csv")
    night.fail("a.csv", f"exit {code}")
    result = night.run()
    # It does not stop the file after it.
    assert (night.files("inbox"), night.files("done"), night.sources()) == (["a.csv"], ["b.csv"], ["b.csv"])
    assert result.returncode == 4, result.stdout + result.stderr
    assert (night.folder / "reports").exists()
    night.command(night.kokin)
    assert night.run().returncode <= 1
    assert (night.files("inbox"), night.files("done"), night.sources()) == ([], ["a.csv", "b.csv"], ["b.csv", "a.csv"])


def test_a_broken_installation_moves_no_file(night_of_processes: Night, city: dict[str, Path]) -> None:
    night = night_of_processes
    night.create()
    night.bring(city["kokin-csv"], "kokin-csv")
    (night.bin / "rich.py").write_text("raise ImportError('half an upgrade')")
    night.command(f"PYTHONPATH='{night.bin}':$PYTHONPATH {PROCESS}")
    result = night.run()
    assert result.returncode == 4
    assert night.files("inbox") == ["eltax.csv"]


def test_a_night_whose_output_is_closed(night_of_processes: Night, city: dict[str, Path]) -> None:
    night = night_of_processes
    night.create()
    night.bring(city["kokin-csv"], "kokin-csv")
    assert night.run(">&-").returncode == 4
    assert night.files("done") == night.sources()


def test_names_of_files_are_bytes(night: Night, city: dict[str, Path]) -> None:
    night.create()
    names = ["\udc8e\udc8d.csv", "two\nlines.csv", " a 'b' \x1b[31m.csv"]
    for name, layout in zip(names, ("kokin-csv", "dsk-csv", "zengin-91"), strict=True):
        night.bring(city[layout], layout, name)
    result = night.run()
    assert result.returncode <= 1, result.stdout + result.stderr
    assert (night.files("inbox"), night.files("done")) == ([], sorted(names))
    assert sorted(night.sources()) == sorted(["\\x8e\\x8d.csv", "two\\x0alines.csv", " a 'b' \\x1b[31m.csv"])
    assert "\x1b" not in result.stdout + result.stderr


def test_a_night_without_a_ledger_is_aborted(night: Night, city: dict[str, Path]) -> None:
    night.bring(city["bills"], "bills")
    result = night.run()
    assert result.returncode == 4
    assert "kokin ledger create" in result.stderr
    assert night.files("inbox") == ["bills.csv"]
    assert not (night.folder / "city.db").exists()


def test_a_ledger_that_was_changed_gets_no_reports(night: Night) -> None:
    night.create()
    (night.folder / "hashes.txt").write_text(f"2026-11-01 {'0123456789abcdef' * 4}\n")
    result = night.run()
    assert result.returncode == 5
    assert "LEDGER_SEAL" in result.stderr
    assert not (night.folder / "reports").exists()


def test_a_night_verifies_since_the_last_one_and_a_week_the_whole_ledger(night: Night) -> None:
    night.create()
    assert [night.run().returncode for _ in range(2)] == [0, 0]
    tamper(night.folder / "city.db", "UPDATE entries SET reason = 'another' WHERE id = 1")
    assert night.run().returncode == 0
    six_days_ago = time.time() - 6 * 86_400 - 60
    os.utime(night.folder / ".verified-in-full", (six_days_ago, six_days_ago))
    result = night.run()
    assert (result.returncode, "LEDGER_ROW_CHANGED" in result.stderr) == (5, True)
    assert len((night.folder / "hashes.txt").read_text().splitlines()) == 3


@pytest.mark.parametrize("line", ["", "\n", "2026-11-01\n", "2026-11-01 0123456789abcdef\n", f"{'0' * 64}\n"])
def test_a_damaged_file_of_hashes_aborts_the_night(night: Night, line: str) -> None:
    night.create()
    assert night.run().returncode == 0
    (night.folder / "hashes.txt").write_text(line)
    result = night.run()
    assert result.returncode == 4
    assert "hashes.txt is not a day and a hash" in result.stdout
    assert (night.folder / "hashes.txt").read_text() == line


def test_units_name_existing_files() -> None:
    service = (FOLDER / "kokin-night.service").read_text()
    for name in ("night.sh", "night.conf"):
        assert f"/{name}" in service + (FOLDER / "kokin-night.cron").read_text()
        assert (FOLDER / name).exists()
    assert (FOLDER / "night.sh").stat().st_mode & 0o111
