"""Load a layout from its TOML file: a built-in one or one of an installed package by name, any other by path.

A package offers its layouts by an entry point of the group ``kokin.layouts``, whose value is the import name of the
package that contains the TOML files::

    [project.entry-points."kokin.layouts"]
    water = "city_water.layouts"
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kokin.issues import InvalidInputError, Issue, Location
from kokin.receipts.layouts._schema import Layout
from kokin.text import file_name, load_toml, parse_toml

#: The group of entry points by which a package offers its layouts.
ENTRY_POINT_GROUP = "kokin.layouts"


class LayoutError(InvalidInputError):
    """An invalid or unknown layout; each issue names the table and key to correct."""


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names of the built-in layouts, sorted."""
    return tuple(sorted(_layout_files("kokin.receipts.layouts")))


def packages() -> dict[str, str]:
    """Return the package of each layout that can be loaded by its name: ``kokin`` and the installed ones, by name.

    Raises:
        LayoutError: ``LAYOUT_DUPLICATE``: two packages have a layout of one name. ``LAYOUT_INVALID``: an entry point
            names a package that cannot be imported.
    """
    found = {name: package for name, (package, _) in _installed().items()}
    return dict.fromkeys(names(), "kokin") | dict(sorted(found.items()))


def _layout_files(package: str) -> dict[str, Traversable]:
    """Return the TOML files of a package by their name without ``.toml``; one that begins with ``_`` is no layout."""
    files = [item for item in resources.files(package).iterdir() if item.name.endswith(".toml") and item.name[0] != "_"]
    return {item.name.removesuffix(".toml"): item for item in files}


def _installed() -> dict[str, tuple[str, Traversable]]:
    """Return the layouts of installed packages by name, each with the distribution and the file."""
    found: dict[str, tuple[str, Traversable]] = {}
    owners = dict.fromkeys(names(), "kokin")
    issues = []
    for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        package = entry_point.dist.name if entry_point.dist else entry_point.name
        try:
            files = _layout_files(entry_point.value)
        except (ImportError, TypeError, ValueError, OSError):
            expected = f"a package with TOML files, in entry point {entry_point.name} of {package}"
            issues.append(Issue("LAYOUT_INVALID", field=ENTRY_POINT_GROUP, expected=expected, found=entry_point.value))
            continue
        for name, file in sorted(files.items()):
            if name in owners:
                found_in = f"{owners[name]}, {package}"
                issues.append(Issue("LAYOUT_DUPLICATE", field=name, expected="one package", found=found_in))
            owners[name] = package
            found[name] = (package, file)
    if issues:
        raise LayoutError(issues, "layouts of installed packages")
    return found


def load(name: str | Path) -> Layout:
    """Return a layout by its name, built-in or of an installed package, or by the path of its TOML file.

    A built-in name is always the built-in layout.

    Raises:
        LayoutError: unknown name, or invalid file; ``.issues`` names every table and key. As :func:`packages`.
    """
    if isinstance(name, str) and name in names():
        return _load_built_in(name)
    path = Path(name)
    is_name = isinstance(name, str) and path.name == name and not name.endswith(".toml")
    if is_name and (installed := _installed().get(str(name))):
        try:
            return _validate(load_toml(installed[1]), str(name))
        except LayoutError:
            raise
        except InvalidInputError as error:
            raise _toml_error(error) from None
    try:
        tables = load_toml(path)
    except FileNotFoundError:
        raise LayoutError([Issue("LAYOUT_UNKNOWN", found=str(name))]) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise LayoutError([Issue("LAYOUT_INVALID", found=f"{name}: {error}")]) from None
    except InvalidInputError as error:
        raise _toml_error(error) from None
    return _validate(tables, file_name(path).removesuffix(".toml"))


@functools.cache
def _load_built_in(name: str) -> Layout:
    return _validate(_built_in_tables(name), name)


def _built_in_tables(name: str) -> dict[str, Any]:
    return load_toml(resources.files("kokin.receipts.layouts") / f"{name}.toml")


def parse(text: str, name: str) -> Layout:
    """Return the layout of a TOML text, under a name.

    Raises:
        LayoutError: the text is not valid TOML, or not a valid layout; ``.issues`` names every table and key.
    """
    try:
        tables = parse_toml(text, name)
    except InvalidInputError as error:
        raise _toml_error(error) from None
    return _validate(tables, name)


def _toml_error(error: InvalidInputError) -> LayoutError:
    """Return the error of a TOML text with the name of the file as the field of its issues."""
    changes: dict[str, Any] = {"code": "LAYOUT_INVALID", "location": Location()}
    return LayoutError([replace(issue, field=issue.location.file, **changes) for issue in error.issues])


def _validate(tables: dict[str, Any], name: str) -> Layout:
    """Return the layout of TOML tables, with what they inherit from their ``base``."""
    tables = _with_base(tables)
    try:
        layout = Layout(**{**tables, "name": name})
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise LayoutError(
            [Issue("LAYOUT_INVALID", field=_key_path(row["loc"], tables), expected=row["msg"]) for row in problems],
            f"layout {name}",
        ) from None
    issues = list(layout.problems())
    if issues:
        raise LayoutError(issues, f"layout {name}")
    return layout


def _with_base(tables: dict[str, Any]) -> dict[str, Any]:
    """Return the tables over those of the built-in layout that the key ``base`` names; whole tables are replaced."""
    if "base" not in tables:
        return tables
    base = str(tables["base"])
    if base not in names():
        raise LayoutError([Issue("LAYOUT_UNKNOWN", field="base", expected=", ".join(names()), found=base)])
    own = {key: value for key, value in tables.items() if key != "base"}
    return {**_with_base(_built_in_tables(base)), **own}


def _key_path(location: Iterable[int | str], tables: Any) -> str:
    """Return a pydantic location as a path in the TOML file: ``records.data.fields[3] (amount).length``."""
    path, value = "", tables
    for step in location:
        try:
            value = value[step]
        except (LookupError, TypeError):  # a location may name steps that the file does not contain
            value = {}
        if isinstance(step, int):
            path += f"[{step}]"
            if isinstance(value, dict) and "id" in value:
                path += f" ({value['id']})"
        else:
            path += f".{step}" if path else str(step)
    return path
