"""The texts of chosen elements, in one walk over an entry; then the entry is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Path to text; ``path@Ccy`` to the currency of an amount.
Texts = dict[str, str]


class Paths:
    """The texts of chosen elements below one, in a single walk over it."""

    def __init__(self, paths: list[str], namespace: str) -> None:
        self._tree: dict[str, Any] = {}
        for path in paths:
            node = self._tree
            for step in path.split("/"):
                node = node.setdefault(namespace + step, {})
            node[""] = path

    def texts(self, element: Any) -> Texts:
        """Path to text; ``path@Ccy`` to the currency of an amount. What stands several times is joined by a blank."""
        texts: Texts = {}
        _walk(element, self._tree, texts)
        return texts


def _walk(element: Any, tree: Mapping[str, Any], texts: Texts) -> None:
    for child in element:
        node = tree.get(child.tag)
        if node is None:
            continue
        path = node.get("")
        if path is not None and child.text:
            text = child.text.strip()
            texts[path] = f"{texts[path]} {text}" if path in texts else text
            currency = child.get("Ccy")
            if currency:
                texts[path + "@Ccy"] = currency
        if len(node) > 1 or path is None:
            _walk(child, node, texts)


def forget(element: Any) -> None:
    """Free an element that has been read, and what stood before it beside it."""
    element.clear(keep_tail=False)
    parent = element.getparent()
    while element.getprevious() is not None:
        del parent[0]
