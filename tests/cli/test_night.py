"""The night of ``examples/night``: what comes in is posted once, and a failure loses nothing."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kokin.demo import write_city
from kokin.ledger import EntryKind, Ledger

FOLDER = Path(__file__).parents[2] / "examples" / "night"

pytestmark = pytest.mark.skipif(not (shutil.which("sh") and shutil.which("flock")), reason="sh and flock are not here")


class Night:
    """A folder for the night, with the command on its path."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder / "night", folder / "bin"
        (self.folder / "inbox").mkdir(parents=True)
        self.bin.mkdir()
        self.command(f"exec '{sys.executable}' -c 'from kokin.cli import main; main()' \"$@\"")
        self.url = f"sqlite:///{self.folder}/city.db"

    def command(self, script: str) -> None:
        path = self.bin / "kokin"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{self.bin}:/usr/bin:/bin", "KOKIN_NIGHT": str(self.folder), "KOKIN_LANG": "en"}
        call = ["sh", FOLDER / "night.sh"]
        return subprocess.run(call, capture_output=True, text=True, env=environment, check=False)

    def bring(self, path: Path, folder: str, name: str = "") -> None:
        (self.folder / "inbox" / folder).mkdir(exist_ok=True)
        shutil.copy(path, self.folder / "inbox" / folder / (name or path.name))

    def files(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.folder / folder).rglob("*") if path.is_file())


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


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
    Ledger.create(night.url).close()
    night.bring(city["bills"], "bills")
    night.bring(city["kokin-csv"], "kokin-csv")
    night.bring(city["damaged"], "zengin-91", "a-damaged.txt")
    night.bring(city["zengin-91"], "zengin-91", "b-debit.txt")
    night.bring(city["zengin-91"], "zengin-91", "c-half.part")
    first = night.run()
    # The refused file is the gravest; what came before and after it stands.
    assert first.returncode == 3, first.stdout + first.stderr
    assert night.files("inbox") == ["c-half.part"]
    assert night.files("done") == ["b-debit.txt", "bills.csv", "eltax.csv"]
    assert night.files("refused") == ["a-damaged.txt"]
    assert "TOTAL_MISMATCH" in first.stderr
    with Ledger.open(night.url) as ledger:
        sources = [entry.source for entry in ledger.entries() if entry.kind is EntryKind.FILE]
        before = ledger.status()
    assert sources == ["eltax.csv", "b-debit.txt"]
    (day,) = (night.folder / "reports").iterdir()
    summary = json.loads((day / "summary.json").read_text(encoding="utf-8"))
    assert summary["hash"] == before["hash"] == (night.folder / "seals.txt").read_text().split()[1]
    with (day / "balances.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 400

    # The same bytes under another name, and beside them a name that is there already.
    night.bring(city["zengin-91"], "zengin-91", "again.txt")
    night.bring(city["kokin-csv"], "kokin-csv")
    second = night.run()
    assert second.returncode == 0, second.stdout + second.stderr
    assert "there already" in second.stdout
    assert night.files("done") == ["again.txt", "b-debit.txt", "bills.csv", "eltax.csv", "eltax.csv.2"]
    with Ledger.open(night.url) as ledger:
        assert ledger.status() == before


@pytest.mark.parametrize("code", [2, 4, 130, 137])
def test_a_failure_breaks_the_night_off_and_leaves_the_file(night: Night, city: dict[str, Path], code: int) -> None:
    night.bring(city["kokin-csv"], "kokin-csv", "a.csv")
    night.bring(city["kokin-csv"], "kokin-csv", "b.csv")
    night.command(f"echo \"$@\" >>'{night.folder}/calls'; exit {code}")
    done = night.run()
    assert done.returncode == code
    assert night.files("inbox") == ["a.csv", "b.csv"]
    assert len((night.folder / "calls").read_text().splitlines()) == 1


def test_there_is_no_night_without_a_ledger(night: Night, city: dict[str, Path]) -> None:
    night.bring(city["bills"], "bills")
    done = night.run()
    assert done.returncode == 4
    assert "kokin ledger init" in done.stderr
    assert night.files("inbox") == ["bills.csv"]
    assert not (night.folder / "city.db").exists()


def test_a_ledger_that_was_changed_gets_no_reports(night: Night) -> None:
    Ledger.create(night.url).close()
    (night.folder / "seals.txt").write_text("2026-11-01 0123456789abcdef\n")
    done = night.run()
    assert done.returncode == 4
    assert "LEDGER_SEAL" in done.stderr
    assert not (night.folder / "reports").exists()


def test_units_name_the_files_that_are_there() -> None:
    service = (FOLDER / "kokin-night.service").read_text()
    for name in ("night.sh", "night.conf"):
        assert f"/{name}" in service + (FOLDER / "kokin-night.cron").read_text()
        assert (FOLDER / name).exists()
    assert (FOLDER / "night.sh").stat().st_mode & 0o111
