"""The texts of the command in the user's language: English in the code, Japanese in :func:`kokin.text.terms`."""

from __future__ import annotations

import locale
import os
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Literal

from kokin.text import terms

if TYPE_CHECKING:
    from kokin.issues import Phrases

# Width, in terminal cells, of the help of an option beside its name, and of a paragraph below the name of a command.
_OPTION_WIDTH, _PARAGRAPH_WIDTH = 44, 76
# A unit between which a Japanese line may break: a character, or a word of Latin letters, with closing punctuation.
_UNIT = re.compile(r"(?:[!-~]+|.)[、。，．）」]*")


def language() -> Literal["en", "ja"]:
    """Return the language of messages: KOKIN_LANG, else the locale by the rules of POSIX, else the system's."""
    names = (os.environ.get(name) for name in ("KOKIN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"))
    name = next(filter(None, names), None) or locale.getlocale()[0] or ""
    return "ja" if name.lower().startswith("ja") else "en"


def message(text: str, **values: object) -> str:
    """Return a text in the user's language, with its values; one without a translation is returned in English."""
    text = _japanese().get(text, text) if language() == "ja" else text
    return text.format(**values) if values else text


def translated(text: str) -> str:
    """Return a text of another package in the user's language; empty if it has no translation."""
    return text if language() == "en" else _japanese().get(text, "")


def value(column: str, code: str) -> str:
    """Return the term for a coded value of a column in the user's language; in English, the code itself."""
    return code if language() == "en" else str(terms()["values"][column].get(code, {"ja": code})["ja"])


def cell(column: str, content: object) -> object:
    """Return the content of a cell: in Japanese, the terms of fields, coded values, ``expected`` and ``found``."""
    if language() == "en" or not isinstance(content, str):
        return content
    from kokin.catalog import CATALOG
    from kokin.issues import expected_ja, found_ja  # late: main reports a broken installation with these texts

    if column == "charge":
        charge = CATALOG.charges.get(content)
        return charge.ja if charge else content
    if column == "code":
        from kokin.reports import exception_name  # late: as above

        return f"{exception_name(content)} ({content})"
    if column == "field" and content in terms()["columns"]:
        return str(terms()["columns"][content]["ja"])
    phrases = {"expected": expected_ja, "found": found_ja}
    if column in phrases:
        return phrases[column](content)
    return value(column, content) if column in terms()["values"] else content


def headings(*names: str) -> tuple[str, ...]:
    """Return the headings of a table: names of columns, and other texts."""
    columns = terms()["columns"] if language() == "ja" else {}
    return tuple(columns[name]["ja"] if name in columns else message(name) for name in names)


def help_text(text: str) -> str:
    """Return the help of an option or an argument."""
    return _wrap(message(text), _OPTION_WIDTH)


def command_help(text: str) -> str:
    """Return the help of a command, translated paragraph by paragraph."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return "\n\n".join(_wrap(message(paragraph), _PARAGRAPH_WIDTH) for paragraph in paragraphs)


def usage_text(text: str) -> str:
    """Return the help or a usage error, which the parser of the arguments writes in English, in the user's language."""
    return text if language() == "en" else "\n".join(map(_usage_line, text.split("\n")))


def _usage_line(line: str) -> str:
    text = line.strip()
    error = text.removeprefix("Error: ")
    if error != text:
        hint, _, reason = error.removeprefix("Invalid value for ").partition(": ")
        if error.startswith("Invalid value for "):
            return f"エラー: {hint} の値が正しくありません: {_usage_phrases().translate(reason)}"
        return f"エラー: {_usage_phrases().translate(error)}"
    whole = _usage_phrases().translate(text)
    if whole != text:
        return line.replace(text, whole)
    for english, japanese in terms()["usage"]["parts"].items():
        line = line.replace(english, japanese)
    return line


@cache
def _usage_phrases() -> Phrases:
    from kokin.issues import Phrases  # late: main reports a broken installation with these texts

    return Phrases(terms()["usage"]["lines"])


@cache
def _japanese() -> Mapping[str, str]:
    return {english: japanese for table in terms()["command"].values() for english, japanese in table.items()}


def _wrap(text: str, width: int) -> str:
    """Wrap a Japanese text to a width in cells; click counts characters and breaks at blanks. English is unchanged."""
    if text.isascii() or language() == "en":
        return text
    from rich.cells import cell_len  # late: main reports a broken installation with these texts

    lines = [""]
    for unit in _UNIT.findall(text):
        if cell_len(lines[-1] + unit) > width:
            lines.append("")
        lines[-1] += unit if lines[-1] else unit.lstrip()
    # A line of \b tells click to leave the line breaks of a paragraph as they are.
    return "\b\n" + "\n".join(line.rstrip() for line in lines)
