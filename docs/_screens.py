"""SVG pictures of what a page shows: the terminal after a command, and the first columns of a workbook.

The build runs the commands of the page, in the language of the edition, and draws their output. Each character has a
position of its own, so that full-width characters are aligned in any font.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from openpyxl import load_workbook
from rich.cells import cell_len, set_cell_size

from kokin.cli import app

DOCS = Path(__file__).parent

#: The files that :func:`screens` draws.
SCREENS = ("screen-demo.html", "screen-dry-run.html", "sheet-work-list.html")

#: Width of a half-width character, and height of a line, in pixels.
_CELL, _LINE = 7.2, 19
_COLUMNS = 110
# A file of the page (with its name), or a block of commands.
_BLOCK = re.compile(
    r"^```(?:\{code-block\} \w+\n:caption: (?P<name>\S+)|sh)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


def screens(language: str) -> dict[str, str]:
    """Return the pictures of the terminal and of the work list by file name, in the language of an edition."""
    with _output("tutorial.md", "kokin demo", language) as (command, lines):
        demo = terminal(command, lines)
    with _output("guides/work-list.md", "--dry-run", language) as (command, lines):
        dry_run = terminal(command, lines)
    with _output("guides/work-list.md", "ledger worklist", language):
        work_list = sheet(Path("work.xlsx"), columns=10)
    return dict(zip(SCREENS, (demo, dry_run, work_list), strict=True))


@contextlib.contextmanager
def _output(page: str, wanted: str, language: str) -> Iterator[tuple[str, list[str]]]:
    """Run the commands of a page up to the first with a text; yield it and its output, in the folder of its files."""
    environment = {"KOKIN_LANG": language, "COLUMNS": str(_COLUMNS)}
    with TemporaryDirectory() as folder, contextlib.chdir(folder), mock.patch.dict(os.environ, environment):
        for block in _BLOCK.finditer((DOCS / page).read_text(encoding="utf-8")):
            if block["name"]:
                Path(block["name"]).write_text(block["text"], encoding="utf-8")
                continue
            for line in block["text"].splitlines():
                command = line.partition("  #")[0].removeprefix(".venv/bin/").rstrip()
                if not command.startswith("kokin "):
                    continue
                printed = io.StringIO()
                with (
                    contextlib.redirect_stdout(printed),
                    contextlib.redirect_stderr(printed),
                    contextlib.suppress(SystemExit),
                ):
                    app(shlex.split(command)[1:])
                if wanted in command:
                    yield command, printed.getvalue().rstrip().splitlines()
                    return
    raise ValueError(f"{page}: no command with {wanted!r}")


def terminal(command: str, lines: Sequence[str]) -> str:
    """Return the picture of a terminal with a command and its output."""
    shown = [f"$ {command}", *(line.rstrip() for line in lines)]
    width = 24 + _CELL * max(map(cell_len, shown))
    height = 36 + _LINE * len(shown)
    drawn = [f'<rect width="{width:g}" height="{height}" rx="8" class="terminal"/>']
    drawn += [_line(12, 28 + _LINE * at, line, "prompt" if at == 0 else "") for at, line in enumerate(shown)]
    return _picture(width, height, command, drawn)


def sheet(path: Path, columns: int) -> str:
    """Return the picture of the first columns of the first sheet of a workbook, with the letters and row numbers."""
    worksheet = load_workbook(path).worksheets[0]
    filled = [row[:columns] for row in worksheet.values if any(row)]
    empty = [(None,) * columns] * 2
    texts = [["" if value is None else str(value) for value in row] for row in (*filled, *empty)]
    rows = [[text.removesuffix(" 00:00:00") for text in row] for row in texts]
    widths = [min(30, max(map(cell_len, column)) + 2) for column in zip(*rows, strict=True)]
    starts = [36 + _CELL * sum(widths[:at]) for at in range(columns + 1)]
    height = _LINE * (len(rows) + 1) + 8
    top = 4
    drawn = [f'<rect x="0" y="{top}" width="{starts[-1]:g}" height="{_LINE}" class="grey"/>']
    drawn.append(f'<rect x="36" y="{top + _LINE}" width="{starts[-1] - 36:g}" height="{_LINE}" class="blue"/>')
    drawn.append(f'<rect x="0" y="{top + _LINE}" width="36" height="{_LINE * len(rows)}" class="grey"/>')
    centres = [(start + end) / 2 for start, end in pairwise(starts)]
    drawn += [_line(x, top + 14, chr(ord("A") + at), "small") for at, x in enumerate(centres)]
    for at, row in enumerate(rows):
        base = top + _LINE * (at + 1) + 14
        drawn.append(_line(12, base, str(at + 1), "small"))
        for start, size, cell in zip(starts, widths, row, strict=False):
            text = cell if cell_len(cell) < size else set_cell_size(cell, size - 2).rstrip() + "…"
            drawn.append(_line(start + 4, base, text, "strong" if at == 0 else ""))
    bottom = top + _LINE * (len(rows) + 1)
    drawn += [f'<path d="M0 {y}H{starts[-1]:g}" class="line"/>' for y in range(top, bottom + 1, _LINE)]
    drawn += [f'<path d="M{x:g} {top}V{bottom}" class="line"/>' for x in (0, *starts)]
    return _picture(starts[-1] + 1, height, path.name, drawn)


def _line(left: float, base: float, text: str, kind: str = "") -> str:
    """Return a line of text with the position of each character."""
    positions, at = [], left
    for character in text:
        positions.append(f"{at:g}")
        at += _CELL * cell_len(character)
    return (
        f'<text x="{" ".join(positions)}" y="{base:g}" class="code {kind}" xml:space="preserve">{escape(text)}</text>'
    )


def _picture(width: float, height: float, label: str, drawn: Sequence[str]) -> str:
    size = f'viewBox="0 0 {width:g} {height:g}" style="max-width:{width:g}px"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(label)}">'
    return f'<div class="figure screen">{head}{"".join(drawn)}</svg></div>\n'
