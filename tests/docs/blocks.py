"""Find the code blocks of a page and run them in order, in one folder, as a reader would.

- ``sh``: run by a shell; lines that begin with ``kokin`` run in this process, for speed. A comment ``# exit code 1``
  is the expected exit code, by default 0.
- ``text`` after it: lines of its output, in order; ``…`` matches any text. Without a shell block before it, it is not
  compared.
- ``python`` and ``pycon``: one program per page; the output of ``pycon`` is compared.
- a block with ``:caption: NAME`` is written to a file of that name, as are included files that are not Python.
- a block after a line ``% not run: why`` is skipped.

A line ``% with: demo`` writes the demo's city into the folder; ``% with: postgresql`` starts a server at PGHOST.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kokin.cli import app

_FENCE = re.compile(r"^(?P<fence>`{3,}|:{3,})(?P<word>\{[\w-]+\}|[\w-]+)[ ]*(?P<argument>.*)$")
_CODE = ("code-block", "doctest", "literalinclude")
_NOT_RUN = "% not run:"


@dataclass
class Block:
    """A fenced block of a page."""

    language: str
    line: int
    lines: list[str]
    options: dict[str, str]
    included: str = ""
    excuse: str = ""
    """Why it is not run."""

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


def blocks(page: str) -> list[Block]:
    """The blocks of code of a page; other directives are prose."""
    found = []
    lines = page.splitlines()
    at = 0
    excuse = ""
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence is None:
            excuse = lines[at].removeprefix(_NOT_RUN).strip() if lines[at].startswith(_NOT_RUN) else excuse
            excuse = "" if lines[at] and not lines[at].startswith("%") else excuse
            at += 1
            continue
        end = next(row for row in range(at + 1, len(lines)) if lines[row] == fence["fence"])
        body = lines[at + 1 : end]
        options = {}
        word = fence["word"]
        if word.startswith("{"):
            while body and (option := re.match(r":([\w-]+):\s*(.*)", body[0])):
                options[option[1]] = option[2]
                body.pop(0)
        name = word.strip("{}")
        if not word.startswith("{"):
            found.append(Block(word, at + 1, body, {}, excuse=excuse))
        elif name in _CODE:
            language = {"doctest": "pycon", "literalinclude": options.get("language", "")}.get(name, fence["argument"])
            included = fence["argument"] if name == "literalinclude" else ""
            found.append(Block(language, at + 1, body, options, included, excuse))
        excuse = ""
        at = end + 1
    return found


def wanted(page: str) -> list[str]:
    """What a page needs around it: ``demo``, ``postgresql``."""
    line = re.search(r"^% with: (.*)$", page, re.MULTILINE)
    return line[1].split(", ") if line else []


@dataclass
class Reader:
    """Somebody who types a page down to its end."""

    page: Path
    folder: Path
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Blocks of output and of Python in another language, by the text of the page."""
    names: dict[str, Any] = field(default_factory=dict)
    output: str = ""
    """Of the last shell block."""
    ran: int = 0

    def run(self) -> None:
        """Run every block.

        Raises:
            AssertionError: a block does not do what the page says.
        """
        for block in blocks(self.page.read_text(encoding="utf-8")):
            if block.excuse:
                continue
            try:
                self._run(block)
            except Exception as error:
                raise AssertionError(f"{self.page.name}, line {block.line}: {error!r}\n{self.output}") from error

    def _run(self, block: Block) -> None:
        self.ran += 1
        if block.included:
            source = self.page.parent / block.included
            if source.suffix != ".py":  # the examples are run as they are
                shutil.copy(source, self.folder)
        elif "caption" in block.options:
            (self.folder / block.options["caption"]).write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            self._shell(block)
        elif block.language == "text":
            if self.output:
                self._compare(block)
        elif block.language == "python":
            text = self.outputs.get(block.text, block.text)
            exec(compile(text, f"{self.page.name}:{block.line}", "exec"), self.names)
        elif block.language == "pycon":
            self._session(block)
        else:
            self.ran -= 1
            assert block.language in ("toml", "csv", "sql", "bash"), f"a block of {block.language!r} is not run"

    def _shell(self, block: Block) -> None:
        self.output = ""
        for line in block.text.replace("\\\n", " ").splitlines():
            command, _, remark = line.partition("  #")
            if not command.strip() or command.startswith("#"):
                continue
            command, _, target = command.partition(" > ")
            words = shlex.split(command)
            said = re.search(r"exit code (\d)", remark)
            is_ours = words[0] in ("kokin", ".venv/bin/kokin")
            output, code = _kokin(words[1:]) if is_ours else _shell(command)
            if target:
                Path(target.strip()).write_text(output, encoding="utf-8")
            self.output += output
            assert code == int(said[1] if said else 0), f"{line}: exit code {code}"

    def _compare(self, block: Block) -> None:
        printed = self.output.splitlines()
        at = 0
        for line in filter(str.strip, self.outputs.get(block.text, block.text).splitlines()):
            row = row_of(line, printed, at)
            assert row >= 0, f"not printed: {line}"
            at = row + 1

    def _session(self, block: Block) -> None:
        test = doctest.DocTestParser().get_doctest(block.text, self.names, self.page.name, None, block.line)
        output = io.StringIO()
        failed, _ = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=output.write, clear_globs=False)
        self.names.update(test.globs)
        assert not failed, output.getvalue()


def row_of(shown: str, printed: Sequence[str], start: int) -> int:
    """Return the first row from ``start`` on that a line of a page shows, or -1; ``…`` matches any text."""
    parts = " ".join(shown.split()).split("…")
    pattern = re.compile(".*".join(re.escape(part.strip()) for part in parts))
    return next((row for row in range(start, len(printed)) if pattern.fullmatch(" ".join(printed[row].split()))), -1)


def _shell(command: str) -> tuple[str, int]:
    """What a shell prints, and its exit code; it finds the ``kokin`` beside this Python."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(["bash", "-c", command], env={**os.environ, "PATH": path}, capture_output=True, text=True)
    return done.stdout + done.stderr, done.returncode


def _kokin(arguments: list[str]) -> tuple[str, int]:
    """What a command prints, and its exit code."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            app(arguments)
        except SystemExit as end:
            return printed.getvalue(), int(end.code or 0)
    raise AssertionError("a command always exits")
