"""Charts as inline SVG, drawn by hand: shapes that stretch with the page, and their words beside them as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kokin.reports._html import Html, html, tag
from kokin.reports._words import Words

#: Colours of a series: ``s0`` to ``s5`` of the style sheet; what is beyond is told as one.
SERIES = 6
# Labels below columns, so many at most.
_LABELS = 16


class Series(NamedTuple):
    """One colour of a chart of columns."""

    name: str
    tone: str
    yen: Sequence[int]


def share_bar(parts: Sequence[tuple[str, str, int]], words: Words) -> Html:
    """Parts of a whole, one beside another: of each its name, its tone and its yen.

    A negative part, such as 不明金 of which more was taken back than came, has no width; the legend has its yen.
    """
    total = sum(max(yen, 0) for *_, yen in parts) or 1
    x, shapes = 0.0, []
    for name, tone, yen in parts:
        width = 1000 * max(yen, 0) / total
        if yen > 0:
            # A part that is there is seen, however small.
            shapes.append(_shape(tone, x, 0, max(width, 2), 24, f"{name} {words.yen(yen)}"))
        x += width
    legend = [_key(name, tone, words.yen(yen)) for name, tone, yen in parts]
    return tag("div", _svg(1000, 24, *shapes, class_="share"), tag("ul", *legend, class_="legend"), class_="chart")


def meter(value: int, most: int, tone: str) -> Html:
    """A number as a bar, beside others of the same ``most``."""
    width = max(1000 * value / most, 4) if value and most else 0
    return _svg(1000, 10, _shape("track", 0, 0, 1000, 10), _shape(tone, 0, 0, min(width, 1000), 10), class_="meter")


def columns(labels: Sequence[str], series: Sequence[Series], words: Words, name: str) -> Html:
    """Columns of yen, one for each label, its series one above another; negative yen have no height."""
    sums = [sum(max(yen, 0) for yen in some) for some in zip(*(one.yen for one in series), strict=True)]
    top = _round_up(max(sums, default=0))
    shapes = [Html(f'<line x1="0" x2="{10 * len(labels)}" y1="{y}" y2="{y}"/>') for y in (0, 50, 100)]
    for at, label in enumerate(labels):
        y = 100.0
        for one in series:
            height = 100 * max(one.yen[at], 0) / top
            if height:
                y -= height
                said = f"{label} {one.name} {words.yen(one.yen[at])}"
                shapes.append(_shape(one.tone, 10 * at + 1.5, y, 7, height, said))
    scale = tag("div", *(tag("span", words.short_yen(yen)) for yen in (top, top // 2, 0)), class_="scale")
    plot = _svg(10 * max(len(labels), 1), 100, *shapes, class_="columns", label=name)
    return tag(
        "figure",
        tag("div", scale, plot, class_="plot"),
        tag("div", *(tag("span", label) for label in _thinned(labels)), class_="labels"),
        tag("ul", *(_key(one.name, one.tone, words.yen(sum(one.yen))) for one in series), class_="legend"),
        class_="chart",
    )


def stacked(rows: Mapping[str, Mapping[str, int]], unnamed: str, rest: str) -> list[Series]:
    """Yen by label and name as series, the largest names first and the smaller ones together."""
    totals: dict[str, int] = {}
    for row in rows.values():
        for name, yen in row.items():
            totals[name] = totals.get(name, 0) + yen
    names = sorted(totals, key=lambda name: (-totals[name], name))
    kept = names if len(names) <= SERIES else names[: SERIES - 1]
    told = [
        Series(name or unnamed, f"s{at}", [row.get(name, 0) for row in rows.values()]) for at, name in enumerate(kept)
    ]
    others = [sum(yen for name, yen in row.items() if name not in kept) for row in rows.values()]
    return [*told, Series(rest, f"s{SERIES - 1}", others)] if any(others) else told


def _thinned(labels: Sequence[str]) -> list[str]:
    """Few enough labels to be read; the others stand empty."""
    step = -(-len(labels) // _LABELS) or 1
    return [label if at % step == 0 else "" for at, label in enumerate(labels)]


def _round_up(yen: int) -> int:
    """The next 1, 2 or 5 with zeros: the top of a scale."""
    unit = int(10 ** max(len(str(yen)) - 1, 1))
    return next(unit * step for step in (1, 2, 5, 10) if unit * step >= yen)


def _svg(width: int, height: int, *shapes: Html, class_: str, label: str | None = None) -> Html:
    about = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    return tag("svg", *shapes, class_=class_, viewBox=f"0 0 {width} {height}", preserveAspectRatio="none", **about)


def _shape(tone: str, x: float, y: float, width: float, height: float, said: str = "") -> Html:
    title = tag("title", said) if said else html()
    place = f'x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"'
    return Html(f'<rect class="{tone}" {place}>{title}</rect>')


def _key(name: str, tone: str, said: str) -> Html:
    return tag("li", tag("i", class_=tone), name, " ", tag("b", said))
