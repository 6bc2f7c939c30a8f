"""Read the fields of a transaction from its XML elements: texts by path, values of XML Schema types, patterns."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import islice
from typing import Any, NamedTuple

from kokin.issues import InvalidInputError, Issue
from kokin.model import redact
from kokin.receipts._fields import cell_reader, field_error
from kokin.receipts.layouts import Field, FieldType, Layout
from kokin.receipts.layouts._patterns import MAX_TEXT
from kokin.text import JAPAN

#: Whitespace of XML, which is removed around every simple value.
WHITESPACE = " \t\r\n"
#: Path prefix of the elements of a transaction; other paths are of its entry.
IN_TRANSACTION = "TxDtls/"
_TO_BLANK = str.maketrans(WHITESPACE, " " * len(WHITESPACE))

# --- Texts of elements ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Texts:
    """Texts of chosen elements, by path."""

    values: dict[str, list[str]] = field(default_factory=dict)
    """One text per element that is not empty: without whitespace around it, with newlines inside as blanks."""
    currencies: dict[str, set[str]] = field(default_factory=dict)
    """Values of the attribute ``Ccy``."""
    invalid: set[str] = field(default_factory=set)
    """Paths of elements that should be text but have child elements, are in another namespace, or are ambiguous."""

    def union(self, other: Texts) -> Texts:
        """Return the texts of both; they have no path in common."""
        if not other:
            return self
        return Texts(
            {**self.values, **other.values}, {**self.currencies, **other.currencies}, self.invalid | other.invalid
        )

    def __bool__(self) -> bool:
        """Whether there is any text or invalid element."""
        return bool(self.values or self.invalid)

    def first(self, paths: Iterable[str]) -> str:
        """Return the text at the first path that has one, or the empty text; several elements are joined by a blank."""
        return next((" ".join(self.values[path]) for path in paths if path in self.values), "")


@dataclass(slots=True)
class _Node:
    """A chosen element, or an element above one, in the tree of all chosen paths."""

    path: str = ""
    children: dict[str, _Node] = field(default_factory=dict)

    def paths(self) -> Iterator[str]:
        """Yield the paths of the chosen elements at and below this one."""
        if self.path:
            yield self.path
        for child in self.children.values():
            yield from child.paths()


class Paths:
    """Chosen paths below an element, such as ``Refs/AcctSvcrRef``, that are read in one walk over its descendants.

    All elements are in one namespace, written in braces. ``prefix`` is prepended to each path in the result.
    """

    def __init__(self, paths: Iterable[str], namespace: str, prefix: str = "") -> None:
        self._root, self._namespace = _Node(), namespace
        for path in paths:
            node = self._root
            for step in path.split("/"):
                node = node.children.setdefault(namespace + step, _Node())
            node.path = prefix + path

    def texts(self, element: Any) -> Texts:
        """Return the texts at the paths below an element."""
        _collect(element, self._root.children, self._namespace, out=(texts := Texts()))
        return texts


def _collect(element: Any, nodes: Mapping[str, _Node], namespace: str, *, out: Texts) -> None:
    """Add the texts of an element's chosen descendants to ``out``."""
    for child in element:
        tag = child.tag
        node = nodes.get(tag)
        if node is None:
            if not tag.startswith(namespace) and (other := nodes.get(namespace + tag.rpartition("}")[2])):
                out.invalid.update(other.paths())
            continue
        if path := node.path:
            # The parser drops comments and instructions, so this is all text before the first child element.
            text = (child.text or "").strip(WHITESPACE)
            # An element such as Sts is a text or has a child with the text. Two values are an error, not a choice.
            is_ambiguous = bool(node.children) and not out.values.keys().isdisjoint(node.paths())
            if is_ambiguous or (len(child) and (text or not node.children)):
                out.invalid.add(path)
            elif text:
                if not text.isprintable():
                    text = text.translate(_TO_BLANK)
                out.values.setdefault(path, []).append(text)
                if currency := child.get("Ccy"):
                    out.currencies.setdefault(path, set()).add(currency)
        if node.children:
            _collect(child, node.children, namespace, out=out)


def release(element: Any) -> None:
    """Free the memory of an element that has been read, and of its earlier siblings."""
    element.clear(keep_tail=False)
    parent = element.getparent()
    while element.getprevious() is not None:
        del parent[0]


# --- Values of XML Schema types ---------------------------------------------------------------------------------------

_DECIMAL = re.compile(r"([+-]?)0*([0-9]{0,18})(?:\.([0-9]{0,18}))?")
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"T(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?|24:00:00(?:\.0+)?)"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))?"
_DATE, _DATE_TIME = re.compile(_DAY + _ZONE), re.compile(_DAY + _TIME + _ZONE)
_JAPAN_OFFSET = JAPAN.utcoffset(None)


def parse_decimal(text: str) -> int | Fraction | None:
    """Return the exact value of an ``xs:decimal`` of at most 18 digits on each side of the point, or ``None``.

    >>> parse_decimal("+012300."), parse_decimal(".5"), parse_decimal("1e3")
    (12300, Fraction(1, 2), None)
    """
    match = _DECIMAL.fullmatch(text)
    if not match or not any(letter.isdigit() for letter in text):
        return None
    sign, whole, decimals = match.groups()
    if decimals and decimals.strip("0"):
        return Fraction(f"{sign}{whole or 0}.{decimals}")
    return int(f"{sign}{whole or 0}")


def parse_amount(text: str, currencies: Collection[str]) -> int | Fraction:
    """Return the yen of an ``xs:decimal``, exactly.

    Raises:
        InvalidInputError: not an amount, a negative one, or another currency; always one issue.
    """
    if not text:
        raise field_error("FIELD_MISSING")
    value = parse_decimal(text)
    if value is None or text.startswith("-"):
        raise field_error("NOT_DIGITS", "a decimal amount")
    if set(currencies) != {"JPY"}:
        raise field_error("CURRENCY", "JPY", " ".join(sorted(currencies))[:8])
    return value


@functools.lru_cache(4096)
def parse_date(text: str) -> date:
    """Return the date of an ``xs:date`` as written, or the date in Japan of an ``xs:dateTime``.

    The zone of an ``xs:date`` does not shift it: the bank names a day, and its 24 hours are not one day in Japan. An
    ``xs:dateTime`` without a zone is the bank's own time.

    >>> parse_date("2026-06-01+09:00"), parse_date("2026-06-01T15:00:00.000Z"), parse_date("2026-06-01T24:00:00")
    (datetime.date(2026, 6, 1), datetime.date(2026, 6, 2), datetime.date(2026, 6, 2))

    Raises:
        InvalidInputError: neither of them, or outside the years 1 to 9999.
    """
    with suppress(ValueError, OverflowError):
        if _DATE.fullmatch(text):
            return date.fromisoformat(text[:10])
        if _DATE_TIME.fullmatch(text):
            moment = datetime.fromisoformat(text.replace("T24", "T00"))
            zone = moment.utcoffset()
            shift = timedelta(days="T24" in text) + _JAPAN_OFFSET - (_JAPAN_OFFSET if zone is None else zone)
            return (moment.replace(tzinfo=None) + shift).date()
    raise field_error("DATE_INVALID", "YYYY-MM-DD", redact(text))


# --- Fields of the layout ---------------------------------------------------------------------------------------------

_Read = Callable[[Texts, Sequence[str], list[Issue]], Any]


class _FieldReader(NamedTuple):
    """Reads the value of one field."""

    name: str
    read: _Read
    """Returns the value of the texts at the paths; warnings are added to the list."""
    paths: Sequence[str]
    pattern: re.Pattern[str] | None
    missing: Issue | None
    """The issue of a record without a text at the paths; ``None`` if the field may be empty."""


class TransactionFields:
    """Reads the fields of a layout from the texts of a transaction."""

    def __init__(self, layout: Layout) -> None:
        fields = [f for f in layout.data.fields if f.path]
        #: By whether the transaction is the only one of its entry.
        self._readers = {alone: [_field_reader(f, layout, alone=alone) for f in fields] for alone in (True, False)}
        self._others = [f for f in layout.data.fields if f.others]

    def read(self, texts: Texts, *, alone: bool) -> tuple[dict[str, Any], list[Issue]]:
        """Return the values by field, and the issues without their location.

        To a transaction ``alone`` in its entry belong the amount, the reference and the text of the entry, too.
        """
        values: dict[str, Any] = {}
        issues: list[Issue] = []
        present, readers = texts.values.keys(), self._readers[alone]
        for name, read, paths, _, missing in readers:
            try:
                if texts.invalid and not texts.invalid.isdisjoint(paths):
                    raise field_error("XML_ELEMENT")
                if not present.isdisjoint(paths):
                    values[name] = read(texts, paths, issues)
                elif missing:
                    issues.append(missing)
                else:
                    values[name] = None
            except InvalidInputError as error:
                issues += _in_field(error, name)
        for f in self._others:
            try:
                values[f.id] = _further_matches([each for each in readers if each.name in f.others], texts, f.length)
            except InvalidInputError as error:
                issues += _in_field(error, f.id)
        return values, issues


def _in_field(error: InvalidInputError, name: str) -> list[Issue]:
    return [Issue(each.code, field=name, expected=each.expected, found=each.found) for each in error.issues]


def _further_matches(readers: Sequence[_FieldReader], texts: Texts, max_length: int) -> str | None:
    """Return the matches of patterns after the first, the field's own value, joined by ``;`` up to a maximum length."""
    joined = ""
    for each in readers:
        distinct = dict.fromkeys(_matches(each.pattern, texts, each.paths))
        for match in islice(distinct, 1, None):
            if len(joined) + 1 + len(match) > max_length + 1:
                break
            joined += f";{match}"
    return joined[1:] or None


def _field_reader(f: Field, layout: Layout, *, alone: bool) -> _FieldReader:
    paths = f.path
    if not alone and (f.alone or f.type is FieldType.MONEY):
        paths = [path for path in paths if path.startswith(IN_TRANSACTION)]
    pattern = re.compile(f.pattern) if f.pattern else None
    read, missing = _read_function(f, layout, pattern), None
    try:
        read(Texts(), paths, [])
    except InvalidInputError as error:
        missing = replace(error.issues[0], field=f.id)
    return _FieldReader(f.id, read, paths, pattern, missing)


def _read_function(f: Field, layout: Layout, pattern: re.Pattern[str] | None) -> _Read:
    """Return the function that reads a field from the texts at its paths."""
    if f.type is FieldType.MONEY:
        return lambda texts, paths, warnings: _read_yen(texts, paths)
    read_cell = cell_reader(f, layout, None)
    is_free_text = f.type is FieldType.TEXT and not f.codes

    def read_date(texts: Texts, paths: Sequence[str], warnings: list[Issue]) -> Any:
        text = texts.first(paths)
        return parse_date(text) if text else read_cell(b"", warnings)

    def read_text(texts: Texts, paths: Sequence[str], warnings: list[Issue]) -> Any:
        text = next(_matches(pattern, texts, paths), "") if pattern else texts.first(paths)
        # Most texts are like this and need no further check; there are many.
        if is_free_text and (not text or (text.isascii() and text.isprintable() and len(text) <= f.length)):
            return text or None
        return read_cell(text.encode(), warnings)

    return read_date if f.type is FieldType.DATE else read_text


def _read_yen(texts: Texts, paths: Sequence[str]) -> int:
    """Return the amount at the first path in yen; a transfer from abroad may also have it in other currencies.

    Raises:
        InvalidInputError: as :func:`parse_amount`, or a fraction of a yen.
    """
    present = [path for path in paths if path in texts.values]
    path = next((path for path in present if texts.currencies.get(path) == {"JPY"}), next(iter(present), ""))
    text = texts.first([path])
    amount = parse_amount(text, texts.currencies.get(path, ()))
    if isinstance(amount, Fraction):
        raise field_error("AMOUNT_FRACTION", "whole yen", text[:24])
    return amount


def _matches(pattern: re.Pattern[str] | None, texts: Texts, paths: Sequence[str]) -> Iterator[str]:
    """Yield the matches of a pattern in each element, in the order of the paths.

    Raises:
        InvalidInputError: a text is too long to be searched.
    """
    if pattern:
        for path in paths:
            for text in texts.values.get(path, ()):
                if len(text) > MAX_TEXT:
                    raise field_error("WIDTH", f"at most {MAX_TEXT} characters", str(len(text)))
                yield from (match[1] for match in pattern.finditer(text) if match[1])
