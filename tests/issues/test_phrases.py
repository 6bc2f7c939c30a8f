"""Texts of `expected` and `found` are Japanese where the message is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kokin
from kokin.issues import Issue, Phrases, expected_ja, found_ja

TREES = [ast.parse(path.read_text(encoding="utf-8")) for path in Path(kokin.__file__).parent.rglob("*.py")]
NODES = [node for tree in TREES for node in ast.walk(tree)]
NAMES = ("expected", "found")

# Codes, formats and names of fields, which are the same in both languages.
SAME = re.compile(
    r"""[A-Z]+(_[A-Z]+)+ | \[+\w+\]+ | UTF-8 | TOML | Parquet | JPY | YYYY-MM-DD | YYYYMMDD | HH:MM:SS | \#rrggbb
    | svg,\ .* | \w+\ \|\ \w+ | int64 | datetime64\[D\] | (header|encoding)\ =.* | reduced_rate\ \{\} | \{\}\ (mm|pt)
    | \{[\w{}:]+\}""",
    re.VERBOSE,
)


def parameters() -> dict[str, dict[int, str]]:
    """The position of ``expected`` and ``found`` among the parameters of each function that has them."""
    found: dict[str, dict[int, str]] = {}
    for node in NODES:
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in node.args.posonlyargs + node.args.args]
            names = names[1:] if names[:1] in (["self"], ["cls"]) else names
            found.setdefault(node.name, {}).update({names.index(name): name for name in NAMES if name in names})
    return found


def values() -> Iterator[tuple[str, ast.expr]]:
    """Yield every expression that becomes ``expected`` or ``found``."""
    positions = parameters()
    for node in NODES:
        match node:
            case ast.Call(func=function, args=arguments, keywords=keywords):
                yield from ((each.arg, each.value) for each in keywords if each.arg in NAMES)
                name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
                for at, argument in enumerate(arguments):
                    if at in positions.get(name, {}):
                        yield positions[name][at], argument
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in NAMES:
                yield name, value
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=each)):
                for name, value in zip(names, each, strict=True):
                    if isinstance(name, ast.Name) and name.id in NAMES:
                        yield name.id, value
            case ast.Dict(keys=keys, values=each):
                for key, value in zip(keys, each, strict=True):
                    if isinstance(key, ast.Constant) and key.value in NAMES:
                        yield str(key.value), value


def texts(node: ast.expr) -> Iterator[str]:
    """Yield the constant texts of an expression, with {} for each value in them."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
        case ast.IfExp(body=body, orelse=orelse):
            yield from texts(body)
            yield from texts(orelse)


def english() -> set[tuple[str, str]]:
    found = {(name, text) for name, value in values() for text in texts(value)}
    return {(name, text) for name, text in found if re.search("[A-Za-z]{2}", text) and not SAME.fullmatch(text)}


def test_every_expected_text_has_a_translation() -> None:
    expected = {text for name, text in english() if name == "expected"}
    assert len(expected) > 130
    assert {text for text in expected if expected_ja(text.replace("{}", "7")) == text.replace("{}", "7")} == set()


def test_every_found_text_of_counts_has_a_translation() -> None:
    found = {text for name, text in english() if name == "found" and re.search(r"\{\} [a-z]+$", text)}
    assert len(found) > 4
    assert {text for text in found if found_ja(text.replace("{}", "7")) == text.replace("{}", "7")} == set()


def test_messages_have_no_english() -> None:
    issue = Issue("NOT_DIGITS", expected="at most 20 digits", found="12 columns")
    assert issue.message("ja").endswith("(期待値 20桁以内の数字, 実際 12列)")
    assert issue.message("en").endswith("expected at most 20 digits, found 12 columns")


@given(st.text())
def test_what_the_data_contains_is_not_changed(text: str) -> None:
    number = re.fullmatch(r"(line |record |byte )?[0-9][0-9,.]*.*", text, re.DOTALL)
    assert number or found_ja(text) == text
    assert found_ja(f"shop to {text} or later") == f"shop to {text} or later"


@pytest.mark.parametrize(
    ("text", "japanese"),
    [
        ("3 of 10", "10 中 3"),
        ("a of b", "a of b"),
        ("2 or later", "2 以降"),
        ("other", "other"),
        ("1 of 2 or later", "1 of 2 以降"),
    ],
)
def test_the_longest_constant_part_counts(text: str, japanese: str) -> None:
    assert Phrases({"{} or later": "{} 以降", "{n} of {n}": "{1} 中 {0}"}).translate(text) == japanese
