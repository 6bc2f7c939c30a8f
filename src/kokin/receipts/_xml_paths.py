"""The texts of chosen elements, in one walk over an entry; then the entry is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Path to text; ``path@Ccy`` to the currency of an amount.
Texts = dict[str, str]


class _Node:
    """An element on the way to a chosen one, or the chosen one itself."""

    __slots__ = ("children", "path")

    def __init__(self) -> None:
        self.path = ""
        self.children: dict[str, _Node] = {}


class Paths:
    """The texts of chosen elements below one. ``prefix`` goes before each path in the result."""

    def __init__(self, paths: list[str], namespace: str, prefix: str = "") -> None:
        self._root = _Node()
        for path in paths:
            node = self._root
            for step in path.split("/"):
                node = node.children.setdefault(namespace + step, _Node())
            node.path = prefix + path

    def texts(self, element: Any) -> Texts:
        """The texts; what stands several times is joined by a blank."""
        texts: Texts = {}
        _walk(element, self._root.children, texts)
        return texts


def _walk(element: Any, nodes: Mapping[str, _Node], texts: Texts) -> None:
    for child in element:
        node = nodes.get(child.tag)
        if node is None:
            continue
        path = node.path
        if path and (text := child.text):
            text = text.strip()
            if text:
                texts[path] = f"{texts[path]} {text}" if path in texts else text
            currency = child.get("Ccy")
            if currency:
                texts[path + "@Ccy"] = currency
        if node.children:
            _walk(child, node.children, texts)


def forget(element: Any) -> None:
    """Free an element that has been read, and what stood before it beside it."""
    element.clear(keep_tail=False)
    parent = element.getparent()
    while element.getprevious() is not None:
        del parent[0]
