"""The texts of chosen elements, in one walk over an entry; then the entry is forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Whitespace of XML, which no simple value begins or ends with.
BLANKS = " \t\r\n"
_TO_BLANK = str.maketrans(BLANKS, " " * len(BLANKS))


@dataclass(slots=True)
class Texts:
    """What the chosen elements contain, by path."""

    values: dict[str, list[str]] = field(default_factory=dict)
    """The texts, one for each element that is not empty: without whitespace around them, newlines within as blanks."""
    currencies: dict[str, set[str]] = field(default_factory=dict)
    """The values of the attribute ``Ccy``."""
    mixed: set[str] = field(default_factory=set)
    """Paths of elements that should be text and have child elements, or are in another namespace."""

    def under(self, other: Texts) -> Texts:
        """These and the other's, as one."""
        return Texts({**self.values, **other.values}, {**self.currencies, **other.currencies}, self.mixed | other.mixed)

    def first(self, paths: Iterable[str]) -> str:
        """Return the text at the first path that has one; several elements are joined by a blank."""
        for path in paths:
            if path in self.values:
                return " ".join(self.values[path])
        return ""


class _Node:
    """An element on the way to a chosen one, or the chosen one itself."""

    __slots__ = ("children", "path")

    def __init__(self) -> None:
        self.path = ""
        self.children: dict[str, _Node] = {}

    def paths(self) -> Iterator[str]:
        """The paths of the chosen elements at and below it."""
        if self.path:
            yield self.path
        for child in self.children.values():
            yield from child.paths()


class Paths:
    """The texts of chosen elements below one. ``prefix`` goes before each path in the result."""

    def __init__(self, paths: Iterable[str], namespace: str, prefix: str = "") -> None:
        self._root, self._namespace = _Node(), namespace
        for path in paths:
            node = self._root
            for step in path.split("/"):
                node = node.children.setdefault(namespace + step, _Node())
            node.path = prefix + path

    def texts(self, element: Any) -> Texts:
        """Return the texts of the chosen elements below an element."""
        texts = Texts()
        _walk(element, self._root.children, texts, self._namespace)
        return texts


def _walk(element: Any, nodes: Mapping[str, _Node], texts: Texts, namespace: str) -> None:
    for child in element:
        tag = child.tag
        node = nodes.get(tag)
        if node is None:
            if not tag.startswith(namespace) and (other := nodes.get(namespace + tag.rpartition("}")[2])):
                texts.mixed.update(other.paths())
            continue
        if path := node.path:
            # The parser drops comments and instructions, so this is all text before the first child element.
            text = (child.text or "").strip(BLANKS)
            # Text or a child element, but once only: neither of two values counts before the other.
            is_repeated = bool(node.children) and not texts.values.keys().isdisjoint(node.paths())
            if is_repeated or (len(child) and (text or not node.children)):
                texts.mixed.add(path)
            elif text:
                if not text.isprintable():
                    text = text.translate(_TO_BLANK)
                texts.values.setdefault(path, []).append(text)
                if currency := child.get("Ccy"):
                    texts.currencies.setdefault(path, set()).add(currency)
        if node.children:
            _walk(child, node.children, texts, namespace)


def forget(element: Any) -> None:
    """Free an element that has been read, and what came before it beside it."""
    element.clear(keep_tail=False)
    parent = element.getparent()
    while element.getprevious() is not None:
        del parent[0]
