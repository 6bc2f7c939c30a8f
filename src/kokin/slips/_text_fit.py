"""Fit text into a box: the largest font size, and lines that are broken where a reader expects it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from reportlab.pdfbase.pdfmetrics import getFont

#: Distance of base lines as a share of the font size.
LEADING = 1.18

#: A character that is not printed, after which a line may be broken (ZERO WIDTH SPACE).
BREAK_HINT = "\u200b"

# Text is set smaller, down to this share of its size, before it is broken into one line more.
_MIN_SHRINK = 0.8
_SHRINK_STEP = 0.96
# Sizes are compared with this tolerance in points.
_TOLERANCE = 0.001

# Characters that no line begins with, and those that none ends with (JIS X 4051, 行頭禁則文字 and 行末禁則文字).
_CLOSING, _OPENING = "[、。，．・：；）」』】〕)ー〜々ぁぃぅぇぉっゃゅょァィゥェォッャュョ　 ]*", "[（「『【〔(〒]*"
_KANJI = "[々〆ヶ一-鿿豈-\ufaff\U00020000-\U0003ffff]"
# A word: a name, a date, a number with its unit, Latin letters, katakana, kanji with the hiragana that follow them.
_WORD = "|".join(
    (
        "地方税お支払サイト",
        "(?:令和|平成)(?:[0-9]+|元)年(?:度|[0-9]+月(?:[0-9]+日)?)?",
        "[0-9０-９][0-9０-９,.]*(?:丁目|番地?|号室?|年度?|か?月|日|円|期|件|階|枚|回|歳|名|社)",
        "[!-'*-~]+",
        "[ァ-ヺー-ヿｦ-ﾟ]{1,14}",
        f"[おご]?{_KANJI}{{1,8}}(?:(?![おご]{_KANJI})[ぁ-ゖ]){{0,6}}",
        "[ぁ-ゖ]{1,8}",
        ".",
    )
)
# An honorific stays on the line of the name.
_HONORIFIC = "　(?:様|御中|殿)$"
_WORDS = re.compile(f"{_OPENING}(?:{_WORD})(?:{_HONORIFIC}|{_CLOSING})", re.DOTALL)
_CHARACTERS = re.compile(f"{_OPENING}(?:[!-'*-~]+|.)(?:{_HONORIFIC}|{_CLOSING})", re.DOTALL)
_PHRASES = re.compile(f"[^　。]+(?:{_HONORIFIC}|[　。]+[）」』]*)?|[　。]+")
# In order of preference.
_PATTERNS = _PHRASES, _WORDS, _CHARACTERS
# A longer run of Latin letters and digits is broken after a hyphen or slash, or else anywhere.
_MAX_LATIN = 24
_LATIN_PIECES = re.compile(f"[^-/_.;,]{{0,{_MAX_LATIN}}}[-/_.;,]|[^-/_.;,]{{1,{_MAX_LATIN}}}")


class _Piece(NamedTuple):
    """Text that is not broken, with its widths at a font size of 1."""

    text: str
    width: float
    visible: float
    """Without the spaces at its end, which are not printed at the end of a line."""


_Pieces: TypeAlias = Sequence[_Piece]


class _CharacterWidths(dict[str, float]):
    """The widths of the characters of a font in thousandths of the font size, looked up when first needed."""

    def __init__(self, font: str) -> None:
        super().__init__()
        embedded: Any = getFont(font)
        self._face = embedded.face

    def __missing__(self, character: str) -> float:
        width: float = self._face.charWidths.get(ord(character), self._face.defaultWidth)
        self[character] = width
        return width


_character_widths = functools.cache(_CharacterWidths)


def text_width(text: str, font: str, size: float = 1) -> float:
    """Return the width of a line of text, in the unit of the font size: faster than ``stringWidth`` of reportlab."""
    return 0.001 * size * sum(map(_character_widths(font).__getitem__, text))


def block_height(lines: int, size: float) -> float:
    """Return the height of lines of text at a font size, in the same unit."""
    return size * (1 + (lines - 1) * LEADING)


@functools.lru_cache(maxsize=8192)
def fit_text(
    text: str,
    font: str,
    width: float,
    height: float,
    size: float,
    max_lines: int,
    min_size: float = 0.0,
    whole_words: bool = False,
) -> tuple[float, tuple[str, ...]]:
    """Return the font size, at most ``size``, and the lines with which a text fits a box in points.

    Text is set a little smaller, but not below ``min_size`` if more lines avoid it, before it is broken into lines.
    Lines are broken between phrases (at a wide space or the end of a sentence), else between words, and between any
    characters only if the text would be set too small otherwise, and not if ``whole_words``. A newline begins a line.
    Results are cached, as much of a slip is the same on every page.
    """
    if width <= 0 or height <= 0:
        return 0.0, (text,)
    if size <= height and _fits_one_line(text, font, width, size):
        return size, (text,)
    accepted = min(size, max(size * _MIN_SHRINK, min_size))
    best: tuple[float, tuple[str, ...]] = (0.0, ())
    for pattern in _PATTERNS[:-1] if whole_words else _PATTERNS:
        fitted = _fit(_paragraphs(text, pattern, font), width, height, size, max_lines, accepted)
        if fitted[0] > best[0] + _TOLERANCE:
            best = fitted
        if best[0] >= accepted - _TOLERANCE:
            break
    return best


@functools.lru_cache(maxsize=8192)
def needed_lines(text: str, font: str, width: float, size: float, compact: bool = False) -> tuple[str, ...] | None:
    """Return the lines of a text of a font size in a width in points; None if a piece is wider than that.

    Lines are broken between any characters if that saves more than one line; if ``compact``, if it saves one.
    """
    if _fits_one_line(text, font, width, size):
        return (text,)
    fitting = []
    for pattern in _PATTERNS:
        paragraphs = _paragraphs(text, pattern, font)
        if max((piece.visible for pieces in paragraphs for piece in pieces), default=0.0) * size <= width + _TOLERANCE:
            fitting.append(tuple(_break_lines(paragraphs, width / size)))
    if not fitting:
        return None
    return next(lines for lines in fitting if len(lines) <= min(map(len, fitting)) + (not compact))


def _fits_one_line(text: str, font: str, width: float, size: float) -> bool:
    """Return whether a text without line ends fits a width as it is, as most texts do: nothing need be broken."""
    return "\n" not in text and BREAK_HINT not in text and text_width(text.rstrip(), font, size) <= width


def _paragraphs(text: str, pattern: re.Pattern[str], font: str) -> list[_Pieces]:
    return [[_measure(piece, font) for piece in _pieces(line, pattern)] for line in text.split("\n")]


def _measure(text: str, font: str) -> _Piece:
    width = text_width(text, font)
    stripped = text.rstrip()
    return _Piece(text, width, width if stripped == text else text_width(stripped, font))


def _pieces(line: str, pattern: re.Pattern[str]) -> Iterator[str]:
    for section in line.split(BREAK_HINT):
        for piece in pattern.findall(section):
            if len(piece) > _MAX_LATIN and pattern is not _PHRASES:
                yield from _LATIN_PIECES.findall(piece)
            else:
                yield piece


def _fit(
    paragraphs: Sequence[_Pieces], width: float, height: float, size: float, max_lines: int, accepted: float
) -> tuple[float, tuple[str, ...]]:
    best: tuple[float, tuple[str, ...]] = (0.0, ())
    for line_count in range(len(paragraphs), max(max_lines, len(paragraphs)) + 1):
        # If no line may be added, the widest paragraph limits the size; else the widest piece does.
        measure = _line_width if line_count == len(paragraphs) else _widest
        widest = max((measure(pieces) for pieces in paragraphs if pieces), default=0.0) or 1.0
        fitted = min(size, height / block_height(line_count, 1), width / widest)
        while len(broken := tuple(_break_lines(paragraphs, width / fitted))) > line_count:
            fitted *= _SHRINK_STEP
        if fitted > best[0] + _TOLERANCE:
            best = fitted, broken
        if fitted >= accepted - _TOLERANCE:
            break
    return best


def _line_width(pieces: _Pieces) -> float:
    return sum(piece.width for piece in pieces[:-1]) + pieces[-1].visible


def _widest(pieces: _Pieces) -> float:
    return max(piece.visible for piece in pieces)


def _break_lines(paragraphs: Sequence[_Pieces], width: float) -> Iterator[str]:
    """Yield the lines of paragraphs, filled greedily up to ``width``."""
    for pieces in paragraphs:
        line, used = "", 0.0
        for piece in pieces:
            if used + piece.visible > width * (1 + 1e-9) and line:
                yield line
                line, used = "", 0.0
            line, used = line + piece.text, used + piece.width
        yield line
