"""Words that were replaced stay out of code, docs and tests: one word for one thing (see the glossary)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Each retired word and the term that replaced it. They were private names of this project, which an engineer of the
# field could not have understood.
RETIRED = {
    "told": "the content of the variable (totals, rows, summary), or: reported, has",
    "stood": "was active",
    "circle": "component (connected component)",
    "circles": "components",
    "crowded": "interacting",
    "stretch": "chunk",
    "stretches": "chunks",
    "judge": "match",
    "judged": "matched",
    "judgement": "match result, outcome",
    "verdict": "outcome",
    "verdicts": "outcomes",
    "stirred": "affected",
    "pocket": "set-off group",
    "pockets": "set-off groups",
    "anew": "again",
}
# SVG has an element of this name.
ALLOWED = {"docs/_figures.py": {"circle"}}

FILES = sorted(
    path
    for folder in ("src", "docs", "tests")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".toml", ".md") and "_generated" not in path.parts and path != Path(__file__)
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_retired_word(path: Path) -> None:
    allowed = ALLOWED.get(path.relative_to(ROOT).as_posix(), set())
    found = [
        f"line {number}: {word}; instead: {RETIRED[word]}"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        # Issue codes (capitals) are a contract and keep their names.
        for word in map(str.lower, re.findall(r"[A-Z]?[a-z]+", line))
        if word in RETIRED and word not in allowed
    ]
    assert found == []
