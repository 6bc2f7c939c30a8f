"""Update the Japanese sample outputs of the docs, ``docs/locale/ja/outputs.toml``, by running the pages in Japanese.

After a change of a page or of a text of the command, run::

    python -m tests.docs.japanese [PAGE ...]

A ``text`` block shows some lines of the output of a command, in English. Its Japanese twin shows the same lines of the
output with ``KOKIN_LANG=ja``. The tests run every page in Japanese, too, and compare; a twin can be edited by hand.
A Python block that depends on the language has a twin, too, which is written by hand.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from rich.text import Text

from kokin.demo import write_city
from tests.docs.blocks import Block, Reader, blocks, row_of, wanted

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS))
from _translation import OUTPUTS, outputs  # noqa: E402

# Cells of a line whose end the page leaves out, too.
_WIDTH = 110
_HEADER = """\
# The sample outputs of the docs in Japanese, by page: the English block of the page, and the same lines of the output
# with KOKIN_LANG=ja. Made by `python -m tests.docs.japanese`; the tests run the pages in Japanese and compare.
"""


class Recorder(Reader):
    """A reader that records the outputs instead of comparing them with the page."""

    def run(self) -> None:
        self.recorded: list[tuple[str, list[str]]] = []
        super().run()

    def _compare(self, block: Block) -> None:
        self.recorded.append((block.text, self.output.splitlines()))


def record(page: Path, language: str, twins: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Return the ``text`` blocks of a page, each with the lines that its commands printed."""
    with TemporaryDirectory() as name, contextlib.chdir(name):
        if "demo" in wanted(page.read_text(encoding="utf-8")):
            write_city(Path(name), 500, 1)
        with mock.patch.dict(os.environ, {"KOKIN_LANG": language}):
            reader = Recorder(page, Path(name), twins)
            reader.run()
    return reader.recorded


def twin(block: str, english: list[str], japanese: list[str]) -> str:
    """Return the lines of the Japanese output that a block shows of the English one.

    Raises:
        ValueError: the outputs differ in their number of lines.
    """
    if len(english) != len(japanese):
        raise ValueError(f"{len(english)} lines in English, {len(japanese)} in Japanese:\n" + "\n".join(japanese))
    if shows(block, japanese):
        return block
    shown, at = [], 0
    for line in block.splitlines():
        if line.strip("… "):
            row = row_of(line, english, at)
            assert row >= 0, line
            at = row + 1
            shown.append(_cut(line.split(), english[row].split(), japanese[row]))
        else:
            shown.append(line)
    return "\n".join(shown) + "\n"


def _cut(shown: list[str], printed: list[str], japanese: str) -> str:
    """Return a Japanese line in which the same words are cut (…) as in the English one, and its numbers left out."""
    if len(shown) == len(printed):
        for short, word in zip(shown, printed, strict=True):
            if "…" in short and word in japanese.split():
                japanese = japanese.replace(word, short)
    elif "…" in shown[:-1]:
        japanese = re.sub(r"(\s{2,}-?[\d,]+)+", " …", japanese)
    cells = Text(japanese.rstrip())
    if shown[-1].endswith("…"):
        cells.truncate(_WIDTH, overflow="ellipsis")
    return cells.plain


def shows(block: str, printed: list[str]) -> bool:
    """Return whether the lines of a block are among those that were printed, in order."""
    at = 0
    for line in filter(str.strip, block.splitlines()):
        at = row_of(line, printed, at) + 1
        if not at:
            return False
    return True


def pages() -> Iterator[tuple[str, Path]]:
    """Yield the name and path of each page that can have outputs."""
    for path in sorted(DOCS.rglob("*.md")):
        if not {"_generated", "locale", "adr"} & set(path.parts):
            yield path.relative_to(DOCS).with_suffix("").as_posix(), path


def update(names: list[str]) -> None:
    """Write the outputs of some pages, or of all; those of other pages remain."""
    found = {page: dict(texts) for page, texts in outputs().items()}
    for name, path in pages():
        if names and name not in names:
            continue
        recorded = record(path, "en", {})
        earlier = found.pop(name, {})
        programs = {block.text for block in blocks(path.read_text(encoding="utf-8")) if block.language == "python"}
        twins = {block: text for block, text in earlier.items() if block in programs}
        found[name] = dict(twins)
        for (block, english), (_, japanese) in zip(recorded, record(path, "ja", twins), strict=True):
            try:
                edited = earlier.get(block, "")
                text = edited if edited and shows(edited, japanese) else twin(block, english, japanese)
            except ValueError as error:
                print(f"{name}: edit by hand: {error}", file=sys.stderr)
                continue
            if text != block:
                found[name][block] = text
    lines = [_HEADER]
    for name in sorted(found):
        for english, japanese in found[name].items():
            lines += [f'[["{name}"]]', f"en = '''\n{english}'''", f"ja = '''\n{japanese}'''", ""]
    OUTPUTS.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    update(sys.argv[1:])
