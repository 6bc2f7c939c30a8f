"""Elements of the page: escaped HTML, grids, and charts as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from kokin.reports._terms import Terms

# --- HTML: whatever is not of the type Html is escaped --------------------------------------------------------------


class Html(str):
    """Text that is HTML already and is not escaped."""

    __slots__ = ()


def html(*parts: Any) -> Html:
    """Concatenate parts: text is escaped, an integer gets thousands separators, None is empty.

    >>> html("a < b", Html("<br>"), 1234, None)
    'a &lt; b<br>1,234'
    """
    return Html("".join(map(_part, parts)))


def tag(_name: str, *parts: Any, **attributes: Any) -> Html:
    """Return an element. An attribute of None is left out, one of True has no value.

    In the name of an attribute a trailing underscore is dropped and others become hyphens:

    >>> tag("p", "a & b", class_="note", aria_label=None, hidden=True)
    '<p class="note" hidden>a &amp; b</p>'
    """
    text = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for name, value in attributes.items()
        if value is not None
    )
    return Html(f"<{_name}{text}>{html(*parts)}</{_name}>")


def _part(part: Any) -> str:
    if isinstance(part, Html):
        return part
    if part is None:
        return ""
    return f"{part:,}" if isinstance(part, int) else escape(str(part))


#: The signs of a headline: right, to be looked at, wrong.
GOOD_SIGN = Html(
    '<svg class="sign good" viewBox="0 0 24 24" aria-hidden="true"><path d="M5 12.5l4.5 4.5L19 7.5"/></svg>'
)
WARN_SIGN, BAD_SIGN = (
    Html(f'<svg class="sign {tone}" viewBox="0 0 24 24" aria-hidden="true"><path d="M12 6v8M12 17.5v.5"/></svg>')
    for tone in ("warn", "bad")
)


# --- grids ---------------------------------------------------------------------------------------------------------


def render_grid(heads: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> Html:
    """Return a small table from the heading and CSS class of each column, and rows of text, numbers or HTML."""
    head = tag("tr", *(tag("th", name, scope="col", class_=css or None) for name, css in heads))
    body = [
        tag("tr", *(tag("td", cell, class_=css or None) for cell, (_, css) in zip(row, heads, strict=True)))
        for row in rows
    ]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body)), class_="scroll")


# --- charts: SVG shapes that scale with the page, and their labels beside them as HTML --------------------------------

#: Number of colours of a chart: the classes ``s0`` to ``s5`` of the style sheet.
MAX_SERIES = 6
_MAX_LABELS = 16


class Series(NamedTuple):
    """One colour of a column chart."""

    name: str
    tone: str
    """A class of the style sheet."""
    amounts: Sequence[int]
    """Yen, one for each column."""


def share_bar(parts: Sequence[tuple[str, str, int]], terms: Terms) -> Html:
    """Return one bar from the name, tone and yen of each part of a whole.

    A negative part, such as 不明金 of which more was reversed than received, has no width; the legend has its yen.
    """
    total = sum(max(amount, 0) for *_, amount in parts) or 1
    x, shapes = 0.0, []
    for name, tone, amount in parts:
        width = 1000 * max(amount, 0) / total
        if amount > 0:
            # A positive part is visible, however small.
            shapes.append(_rect(tone, x, 0, max(width, 2), 24, f"{name} {terms.yen(amount)}"))
        x += width
    legend = [_legend_item(name, tone, terms.yen(amount)) for name, tone, amount in parts]
    return tag("div", _svg(1000, 24, *shapes, class_="share"), tag("ul", *legend, class_="legend"), class_="chart")


def meter(value: int, maximum: int, tone: str) -> Html:
    """Return a value as a bar; ``maximum`` fills it."""
    width = max(1000 * value / maximum, 4) if value and maximum else 0
    return _svg(1000, 10, _rect("track", 0, 0, 1000, 10), _rect(tone, 0, 0, min(width, 1000), 10), class_="meter")


def column_chart(labels: Sequence[str], series: Sequence[Series], terms: Terms, name: str) -> Html:
    """Return stacked columns of yen, one for each label; a negative amount has no height."""
    sums = [sum(max(amount, 0) for amount in column) for column in zip(*(each.amounts for each in series), strict=True)]
    top = _round_up(max(sums, default=0))
    shapes = [Html(f'<line x1="0" x2="{10 * len(labels)}" y1="{y}" y2="{y}"/>') for y in (0, 50, 100)]
    for at, label in enumerate(labels):
        y = 100.0
        for each in series:
            height = 100 * max(each.amounts[at], 0) / top
            if height:
                y -= height
                title = f"{label} {each.name} {terms.yen(each.amounts[at])}"
                shapes.append(_rect(each.tone, 10 * at + 1.5, y, 7, height, title))
    scale = tag("div", *(tag("span", terms.short_yen(amount)) for amount in (top, top // 2, 0)), class_="scale")
    plot = _svg(10 * max(len(labels), 1), 100, *shapes, class_="columns", label=name)
    return tag(
        "figure",
        tag("div", scale, plot, class_="plot"),
        tag("div", *(tag("span", label) for label in _thin_out(labels)), class_="labels"),
        tag(
            "ul",
            *(_legend_item(each.name, each.tone, terms.yen(sum(each.amounts))) for each in series),
            class_="legend",
        ),
        class_="chart",
    )


def stacked_series(rows: Mapping[str, Mapping[str, int]], unnamed: str, rest: str) -> list[Series]:
    """Return the series of yen by label and name: the names with the largest sums, then all others as ``rest``."""
    totals: dict[str, int] = {}
    for row in rows.values():
        for name, amount in row.items():
            totals[name] = totals.get(name, 0) + amount
    names = sorted(totals, key=lambda name: (-totals[name], name))
    shown = names if len(names) <= MAX_SERIES else names[: MAX_SERIES - 1]
    series = [
        Series(name or unnamed, f"s{at}", [row.get(name, 0) for row in rows.values()]) for at, name in enumerate(shown)
    ]
    others = [sum(amount for name, amount in row.items() if name not in shown) for row in rows.values()]
    return [*series, Series(rest, f"s{MAX_SERIES - 1}", others)] if any(others) else series


def _thin_out(labels: Sequence[str]) -> list[str]:
    """Return the labels with all but every n-th empty, so that there is space for the others."""
    step = -(-len(labels) // _MAX_LABELS) or 1
    return [label if at % step == 0 else "" for at, label in enumerate(labels)]


def _round_up(amount: int) -> int:
    """Return the next 1, 2 or 5 times a power of ten: the top of a scale."""
    unit = int(10 ** max(len(str(amount)) - 1, 1))
    return next(unit * step for step in (1, 2, 5, 10) if unit * step >= amount)


def _svg(width: int, height: int, *shapes: Html, class_: str, label: str | None = None) -> Html:
    aria = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    return tag("svg", *shapes, class_=class_, viewBox=f"0 0 {width} {height}", preserveAspectRatio="none", **aria)


def _rect(tone: str, x: float, y: float, width: float, height: float, title: str = "") -> Html:
    place = f'x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"'
    return Html(f'<rect class="{tone}" {place}>{tag("title", title) if title else ""}</rect>')


def _legend_item(name: str, tone: str, text: str) -> Html:
    return tag("li", tag("i", class_=tone), name, " ", tag("b", text))
