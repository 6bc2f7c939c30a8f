"""Regular expressions of layouts: a bound of the steps that a search takes, from their parse tree.

Python's regular expressions backtrack, so an expression such as ``(a+)+b`` needs a time that is exponential in the
length of a text without ``b``. A text is at most :data:`MAX_TEXT` characters long, so the worst number of steps can be
computed when a layout is loaded: of a sequence of parts, each part is tried once for each way in which the parts before
it match.

>>> is_bounded("([0-9]{5})-[0-9]{20}"), is_bounded("No[.] {0,3}([0-9]+)")
(True, True)
>>> is_bounded("(a+)+b"), is_bounded("(.*a){20}")
(False, False)
"""

from __future__ import annotations

from collections.abc import Iterable
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

#: The longest text in which an expression is searched, in characters; ISO 20022 has at most 500 for a text.
MAX_TEXT = 512
# One repeat without a limit, from any character of a text to any other, with a repeat of a few characters beside it.
_MAX_STEPS = 8 * MAX_TEXT**2
_BEGINNINGS = (_constants.AT_BEGINNING, _constants.AT_BEGINNING_STRING)


class _Cost(NamedTuple):
    """The cost of matching a part of an expression from one position."""

    steps: int
    """The steps to try all ways."""
    ways: int
    """In how many ways it may match, all of which are tried if what follows does not match."""


def is_bounded(pattern: str) -> bool:
    """Whether a search in a text of :data:`MAX_TEXT` characters always ends after few steps.

    Raises:
        re.error: the expression is invalid.
    """
    parsed = _parser.parse(pattern)
    is_anchored = len(parsed) > 0 and parsed[0][0] is _constants.AT and parsed[0][1] in _BEGINNINGS
    starts = 1 if is_anchored else MAX_TEXT
    return _sequence(parsed).steps * starts <= _MAX_STEPS


def _sequence(parts: Iterable[tuple[Any, Any]]) -> _Cost:
    steps, ways = 0, 1
    for operator, argument in parts:
        cost = _part(operator, argument)
        steps, ways = steps + ways * cost.steps, ways * cost.ways
    return _limited(steps, ways)


def _part(operator: Any, argument: Any) -> _Cost:
    match operator:
        case _constants.MAX_REPEAT | _constants.MIN_REPEAT:
            return _repeat(*argument)
        case _constants.POSSESSIVE_REPEAT:
            return _Cost(_repeat(*argument).steps, 1)
        case _constants.SUBPATTERN:
            return _sequence(argument[-1])
        case _constants.ATOMIC_GROUP:
            return _Cost(_sequence(argument).steps, 1)
        case _constants.ASSERT | _constants.ASSERT_NOT:
            return _Cost(_sequence(argument[1]).steps, 1)
        case _constants.BRANCH:
            return _any_of(argument[1])
        case _constants.GROUPREF_EXISTS:
            return _any_of([argument[1], argument[2] or ()])
        case _constants.GROUPREF | _constants.GROUPREF_IGNORE:
            return _Cost(MAX_TEXT, 1)
    return _Cost(1, 1)  # a single character, or a position


def _any_of(choices: Iterable[Any]) -> _Cost:
    costs = [_sequence(choice) for choice in choices]
    return _limited(sum(cost.steps for cost in costs), sum(cost.ways for cost in costs))


def _repeat(minimum: int, maximum: int, body: Any) -> _Cost:
    """Return the cost of a repeat: after k repeats, the body is tried again in each of ``ways ** k`` ways."""
    least, most = min(int(minimum), MAX_TEXT), min(int(maximum), MAX_TEXT)
    once = _sequence(body)
    if once.ways == 1:
        return _limited(max(most, 1) * once.steps, most - least + 1)
    ways = sum(once.ways**count for count in range(least, most + 1))
    return _limited(ways * once.steps, ways)


def _limited(steps: int, ways: int) -> _Cost:
    """Return a cost, with its numbers cut where they are too large anyway."""
    return _Cost(max(1, min(steps, _MAX_STEPS + 1)), min(ways, _MAX_STEPS + 1))
