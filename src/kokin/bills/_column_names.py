"""Which column of a file looks like a field of a bill, by the names that other systems export."""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from kokin.text import load_toml

#: The key of the names of columns that are parts of the amount: several columns may have it.
PARTS = "parts"

_SIMILAR = 0.75
# Words in brackets (units, remarks), and characters between words.
_NO_NAME = re.compile(r"\([^)]*\)|[\s_・.:/-]+")


@dataclass(frozen=True, slots=True)
class LikelyColumn:
    """A column that looks like a field."""

    position: int
    """From 0."""
    known_name: str
    """The name in the table of names that it resembles: text of Kokin, not of the file."""
    score: float
    """1 for the same name, below it for a similar one."""

    @property
    def is_certain(self) -> bool:
        """Whether the column has the name, up to width, case and brackets."""
        return self.score == 1


@functools.cache
def _known_names() -> Mapping[str, Sequence[str]]:
    fields = load_toml(resources.files("kokin.bills") / "column-names.toml")["fields"]
    return {name: (name, *others) for name, others in fields.items()}


def likely_columns(names: Sequence[str]) -> dict[str, LikelyColumn]:
    """Return the column that looks most like each field of a bill; a column is that of one field only.

    >>> found = likely_columns(["使用者番号", "納期限（年月日）", "請求金額 (円)", "備考"])
    >>> sorted((field, column.position, column.is_certain) for field, column in found.items())
    [('amount', 2, True), ('due_on', 1, True), ('payer_key', 0, True)]
    """
    scored = [
        (_best(name, field, known), field, position)
        for position, name in enumerate(names)
        for field, known in _known_names().items()
        if field != PARTS
    ]
    # Exact names first; of equally similar ones, the first column.
    scored = sorted((item for item in scored if item[0].score), key=lambda item: (-item[0].score, item[2]))
    found: dict[str, LikelyColumn] = {}
    used_positions: set[int] = set()
    for column, field, position in scored:
        if field not in found and position not in used_positions:
            found[field] = LikelyColumn(position, column.known_name, column.score)
            used_positions.add(position)
    return found


def part_columns(names: Sequence[str]) -> list[int]:
    """Return the positions of the columns with a known name of a part of the amount."""
    known = {_normalized(name) for name in _known_names()[PARTS]}
    return [position for position, name in enumerate(names) if _normalized(name) in known]


def _normalized(name: str) -> str:
    """Return a name without width, case, brackets and separators."""
    return _NO_NAME.sub("", unicodedata.normalize("NFKC", name).casefold())


def _best(name: str, field: str, known_names: Sequence[str]) -> LikelyColumn:
    """Return the known name of a field that a column name resembles most, with score 0 for none."""
    column = _normalized(name)
    best = LikelyColumn(0, field, 0)
    for known_name in known_names if column else ():
        known = _normalized(known_name)
        score = 1.0 if column == known else 0.99 * difflib.SequenceMatcher(None, column, known).ratio()
        if len(known) > 1 and known in column:
            score = max(score, 0.8 + 0.1 * len(known) / len(column))
        if score >= _SIMILAR and score > best.score:
            best = LikelyColumn(0, known_name, score)
    return best
