"""The night of ``examples/night`` in a folder of its own, with the command on its path."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kokin
from kokin.ledger import EntryKind, Ledger

FOLDER = Path(__file__).parents[2] / "examples" / "night"

# The command as a line of a shell. Most nights run it in forks of a server, which saves the start of each process.
PROCESS = f"exec '{sys.executable}' -c 'from kokin.cli import main; main()' \"$@\""


class Night:
    """A folder for the night, with the command on its path."""

    def __init__(self, folder: Path, command: str, url: str = "") -> None:
        self.folder, self.bin = folder / "night", folder / "bin"
        (self.folder / "inbox").mkdir(parents=True)
        self.bin.mkdir()
        self.kokin = command
        self.command(command)
        self.url = url or f"sqlite:///{self.folder}/city.db"

    def create(self) -> None:
        """Create the ledger."""
        Ledger.create(self.url).close()

    def command(self, script: str) -> None:
        path = self.bin / "kokin"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def fail(self, word: str, script: str) -> None:
        """Run a script instead of the command where its arguments contain a word."""
        self.command(f'case "$*" in *{word}*) {script} ;; *) {self.kokin} ;; esac')

    def run(self, redirection: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """Run the script of the night, with further environment variables in lower case."""
        return self.call("sh", "-c", f"'{FOLDER}/night.sh' {redirection}", **more)

    def call(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the folder, with the environment of the night."""
        environment = {"PATH": f"{self.bin}:/usr/bin:/bin", "KOKIN_NIGHT": str(self.folder), "KOKIN_LANG": "en"}
        environment |= {"PYTHONPATH": str(Path(kokin.__file__).parents[1]), "KOKIN_LEDGER": self.url, "COLUMNS": "300"}
        environment |= {name.upper(): value for name, value in more.items()}
        return subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            env=environment,
            cwd=self.folder,
            check=False,
        )

    def sources(self) -> list[str]:
        """Return the receipt files of the ledger, in their order."""
        with Ledger.open(self.url) as ledger:
            return [entry.source for entry in ledger.entries() if entry.kind is EntryKind.RECEIPT_FILE]

    def bring(self, path: Path, folder: str, name: str = "") -> None:
        (self.folder / "inbox" / folder).mkdir(exist_ok=True)
        shutil.copy(path, self.folder / "inbox" / folder / (name or path.name))

    def files(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.folder / folder).rglob("*") if path.is_file())


@contextmanager
def forking_command(folder: Path) -> Iterator[str]:
    """Yield the command in a fork of a server, as a line of a shell."""
    script, path = Path(__file__).parent / "command_server.py", folder / "socket"
    environment = {"PYTHONPATH": str(Path(kokin.__file__).parents[1]), "KOKIN_LANG": "en", "PYTHONUTF8": "1"}
    call = [sys.executable, str(script), str(path)]
    with subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield f"exec '{sys.executable}' -I -S '{script}' '{path}' \"$@\""
        server.kill()
