"""Layouts from TOML files: Kokin's own by name, anybody's by path."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kokin.issues import InvalidInputError, Issue
from kokin.receipts.layouts._model import Layout
from kokin.text import file_name, load_toml, parse_toml


class LayoutError(InvalidInputError):
    """A layout that cannot be used; each issue names the table and key."""


@functools.cache
def names() -> tuple[str, ...]:
    """The names of the built-in layouts, sorted."""
    files = (item.name for item in resources.files("kokin.receipts.layouts").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml")))


def load(name: str | Path) -> Layout:
    """A built-in layout by its name, or one of the caller's own by the path of its TOML file.

    Raises:
        LayoutError: there is none, or it is wrong; ``.issues`` names every table and key.
    """
    if isinstance(name, str) and name in names():
        return _built_in(name)
    path = Path(name)
    try:
        tables = load_toml(path)
    except FileNotFoundError:
        raise LayoutError([Issue("LAYOUT_UNKNOWN", found=str(name))]) from None
    except (OSError, ValueError) as error:  # a ValueError: a NUL in the name
        raise LayoutError([Issue("LAYOUT_INVALID", found=f"{name}: {error}")]) from None
    except InvalidInputError as error:
        raise _not_toml(error) from None
    return _layout(tables, file_name(path).removesuffix(".toml"))


def _not_toml(error: InvalidInputError) -> LayoutError:
    return LayoutError(
        [
            Issue("LAYOUT_INVALID", field=one.location.file, expected=one.expected, found=one.found)
            for one in error.issues
        ]
    )


@functools.cache
def _built_in(name: str) -> Layout:
    return _layout(load_toml(resources.files("kokin.receipts.layouts") / f"{name}.toml"), name)


def parse(text: str, name: str) -> Layout:
    """The layout that a TOML text describes, under a name.

    Raises:
        LayoutError: the text is no TOML, or no layout.
    """
    try:
        tables = parse_toml(text, name)
    except InvalidInputError as error:
        raise _not_toml(error) from None
    return _layout(tables, name)


def _layout(tables: dict[str, Any], name: str) -> Layout:
    if "base" in tables:
        tables = {**_tables(str(tables.pop("base"))), **tables}
    try:
        layout = Layout(**{**tables, "name": name})
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise LayoutError(
            [Issue("LAYOUT_INVALID", field=_where(row["loc"], tables), expected=row["msg"]) for row in problems],
            f"layout {name}",
        ) from None
    wrong = list(layout.problems())
    if wrong:
        raise LayoutError(wrong, f"layout {name}")
    return layout


def _tables(name: str) -> dict[str, Any]:
    """The tables of a built-in layout on which another is based."""
    if name not in names():
        raise LayoutError([Issue("LAYOUT_UNKNOWN", field="base", expected=", ".join(names()), found=name)])
    tables = load_toml(resources.files("kokin.receipts.layouts") / f"{name}.toml")
    return {**_tables(str(tables.pop("base"))), **tables} if "base" in tables else tables


def _where(location: Iterable[int | str], tables: Any) -> str:
    """``records.data.fields[3] (amount).length`` for the place of a problem in the file."""
    text = ""
    for step in location:
        tables = _inside(tables, step)
        if isinstance(step, int):
            text += f"[{step}]"
            if isinstance(tables, dict) and "id" in tables:
                text += f" ({tables['id']})"
        else:
            text += f".{step}" if text else str(step)
    return text


def _inside(tables: Any, step: int | str) -> Any:
    if isinstance(tables, list):
        return tables[step] if isinstance(step, int) and step < len(tables) else None
    return tables.get(step) if isinstance(tables, dict) else None
