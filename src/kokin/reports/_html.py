"""HTML in which nothing stands unescaped by mistake: what is not HTML already is text."""

from __future__ import annotations

from html import escape
from typing import Any


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def html(*parts: Any) -> Html:
    """Parts one after another; texts are escaped, numbers have their thousands separated, None is nothing."""
    return Html("".join(map(_part, parts)))


def tag(_name: str, *parts: Any, **attributes: Any) -> Html:
    """An element. An attribute of None is left out, one of True has no value; ``class_`` is ``class``."""
    told = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for name, value in attributes.items()
        if value is not None
    )
    return Html(f"<{_name}{told}>{html(*parts)}</{_name}>")


def _part(part: Any) -> str:
    if isinstance(part, Html):
        return part
    if part is None:
        return ""
    return f"{part:,}" if isinstance(part, int) else escape(str(part))
