"""The command's own words, in the reader's language: English in the code, Japanese in ``words.toml``."""

from __future__ import annotations

import locale
import os
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

# Cells that the help page has beside the names of options, and below the name of a command.
_BESIDE, _BELOW = 44, 76
# Where a Japanese line may end: after a sign and what closes it, never inside a word of Latin letters.
_WORD = re.compile(r"(?:[!-~]+|.)[、。，．）」]*")


def language() -> Literal["en", "ja"]:
    """The language of messages: KOKIN_LANG, else the locale as POSIX has it, else the system's."""
    named = (os.environ.get(name) for name in ("KOKIN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"))
    chosen = next(filter(None, named), None) or locale.getlocale()[0] or ""
    return "ja" if chosen.lower().startswith("ja") else "en"


def tell(text: str, **values: object) -> str:
    """A text in the reader's language, with its values; one that ``words.toml`` does not have stays as it is."""
    text = _japanese().get(text, text) if language() == "ja" else text
    return text.format(**values) if values else text


def told_elsewhere(text: str) -> str:
    """What another room says in English, where the reader's language has it; its issues say it in any case."""
    return text if language() == "en" else _japanese().get(text, "")


def heads(*names: str) -> tuple[str, ...]:
    """The headings of a table."""
    return tuple(tell(name) for name in names)


def help_text(text: str) -> str:
    """The help of an option or argument."""
    return _folded(tell(text), _BESIDE)


def page(text: str) -> str:
    """The help of a command, told paragraph by paragraph."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return "\n\n".join(_folded(tell(paragraph), _BELOW) for paragraph in paragraphs)


@cache
def _japanese() -> Mapping[str, str]:
    tables = tomllib.loads((resources.files("kokin.cli") / "words.toml").read_text(encoding="utf-8"))
    return {english: japanese for table in tables.values() for english, japanese in table.items()}


def _folded(text: str, cells: int) -> str:
    """Japanese in lines of so many cells, for the help page counts letters and breaks at blanks. English stays."""
    if text.isascii() or language() == "en":
        return text
    from rich.cells import cell_len  # late: main reports a broken installation in these words

    lines = [""]
    for word in _WORD.findall(text):
        if cell_len(lines[-1] + word) > cells:
            lines.append("")
        lines[-1] += word if lines[-1] else word.lstrip()
    # A line of \b says that the others are broken where they should be.
    return "\b\n" + "\n".join(line.rstrip() for line in lines)
