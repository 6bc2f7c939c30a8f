"""One Japanese word for one thing: no text has a word of ``synonyms.toml`` that another word replaces."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

import kokin
from kokin.text._toml import load_toml

ROOT = Path(__file__).parents[2]
SYNONYMS = load_toml(Path(__file__).parent / "synonyms.toml")
#: Texts of the command, issues and pages; docs and their translations; docstrings with Japanese terms.
TEXTS = [
    *(path for ending in ("*.toml", "*.py") for path in Path(kokin.__file__).parent.rglob(ending)),
    *(path for ending in ("*.md", "*.po") for path in (ROOT / "docs").rglob(ending)),
    ROOT / "README.md",
]
#: Headings of other systems' files, which the bills of an authority can have.
OTHER_SYSTEMS = {"column-names.toml"}


@pytest.fixture(scope="module")
def lines() -> list[tuple[str, str]]:
    """Every line with Japanese, and its place."""
    return [
        (f"{path.relative_to(ROOT)}:{number}", line)
        for path in TEXTS
        if path.name not in OTHER_SYSTEMS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if not line.isascii()
    ]


@pytest.mark.parametrize("name", SYNONYMS)
def test_no_other_word_is_used(name: str, lines: list[tuple[str, str]]) -> None:
    pattern = re.compile("|".join(SYNONYMS[name]["instead"]))
    found = [(place, match[0]) for place, line in lines if (match := pattern.search(line))]
    assert found == [], f"use {SYNONYMS[name]['use']}"


def test_the_right_words_are_terms() -> None:
    terms = (Path(kokin.__file__).parent / "text" / "terms.toml").read_text(encoding="utf-8")
    assert [table["use"] for table in SYNONYMS.values() if table["use"] not in terms] == []


def test_no_right_word_is_an_other_word() -> None:
    patterns = re.compile("|".join(chain.from_iterable(table["instead"] for table in SYNONYMS.values())))
    assert [table["use"] for table in SYNONYMS.values() if patterns.search(table["use"])] == []
