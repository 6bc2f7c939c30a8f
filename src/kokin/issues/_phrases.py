"""Short texts with values, and their Japanese: those of ``expected`` and ``found`` are in ``phrases.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

# The section of the texts that are translated in ``found``.
_FOUND = "found"
_VALUES = {"{}": "(.+)", "{n}": "([0-9][0-9,.]*)"}
_VALUE = re.compile(r"\{n?\}")
_PLACE = re.compile(r"\{([0-9]*)\}")


class Phrases:
    """English texts and their Japanese.

    In an English text ``{}`` is any value and ``{n}`` a number. In the Japanese they follow in the same order, or have
    the position of the value, from 0. Of the texts that match, the one with the longest constant part counts.

    >>> Phrases({"{} or later": "{} 以降", "{n} of {n}": "{1} 中 {0}"}).translate("3 of 10")
    '10 中 3'
    """

    def __init__(self, rows: Mapping[str, str]) -> None:
        self._exact = {english: japanese for english, japanese in rows.items() if not _VALUE.search(english)}
        with_values = sorted(rows.keys() - self._exact.keys(), key=lambda text: (-len(_VALUE.sub("", text)), text))
        self._patterns = [(_pattern(english), rows[english]) for english in with_values]

    def translate(self, text: str) -> str:
        """Return the Japanese of a text; one that is not among them is returned unchanged."""
        if text in self._exact:
            return self._exact[text]
        for pattern, japanese in self._patterns:
            if found := pattern.fullmatch(text):
                return _filled(japanese, found.groups())
        return text


def expected_ja(text: str) -> str:
    """Return the Japanese of a text of ``expected``; one without a translation is returned unchanged.

    >>> expected_ja("at most 20 digits"), expected_ja("2026-06-01 or later"), expected_ja("1 | 2")
    ('20桁以内の数字', '2026-06-01 以降', '1 | 2')
    """
    return _expected_phrases().translate(text)


def found_ja(text: str) -> str:
    """Return the Japanese of a text of ``found``: of counts, not of what the data contains.

    >>> found_ja("10 columns"), found_ja("at most 10 columns")
    ('10列', 'at most 10 columns')
    """
    return _found_phrases().translate(text)


@cache
def _expected_phrases() -> Phrases:
    sections = _sections()
    return Phrases({english: ja for name in sections if name != _FOUND for english, ja in sections[name].items()})


@cache
def _found_phrases() -> Phrases:
    return Phrases(_sections()[_FOUND])


def _sections() -> dict[str, dict[str, str]]:
    return tomllib.loads((resources.files("kokin.issues") / "phrases.toml").read_text(encoding="utf-8"))


def _pattern(english: str) -> re.Pattern[str]:
    constant = map(re.escape, _VALUE.split(english))
    values = [_VALUES[value] for value in _VALUE.findall(english)]
    return re.compile("".join(part + value for part, value in zip(constant, [*values, ""], strict=True)), re.DOTALL)


def _filled(japanese: str, values: tuple[str, ...]) -> str:
    following = iter(values)
    return _PLACE.sub(lambda place: values[int(place[1])] if place[1] else next(following), japanese)
