"""The package's public names: what is said of them, and which of them the docs leave out."""

from __future__ import annotations

import inspect
import pkgutil
import sys
from collections.abc import Collection, Iterator
from importlib import import_module
from types import ModuleType

from sphinx.pycode import ModuleAnalyzer

import kokin

# The command has a page of its own, made from its help.
_ELSEWHERE = ("kokin.cli",)


def rooms(package: ModuleType = kokin) -> Iterator[ModuleType]:
    """Every public module below a package."""
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if found.name.rpartition(".")[2].startswith("_") or found.name in _ELSEWHERE:
            continue
        module = import_module(found.name)
        yield module
        if found.ispkg:
            yield from rooms(module)


def public_names() -> set[str]:
    """The full name of every room, and of everything in its ``__all__``."""
    return {room.__name__ for room in rooms()} | {
        f"{room.__name__}.{name}" for room in rooms() for name in _names(room)
    }


def _names(room: ModuleType) -> Iterator[str]:
    """What a room gives, also what it imports when it is first named; without an ``__all__``, what is defined in it."""
    own = (
        name
        for name, value in vars(room).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == room.__name__
    )
    for name in getattr(room, "__all__", own):
        if not inspect.ismodule(getattr(room, name)):
            yield name


def constants(room: ModuleType) -> dict[str, str]:
    """What the comments say of a room's constants and aliases, which autodoc does not see where they are imported.

    Raises:
        LookupError: one has no comment (``#:``) where it is made.
    """
    modules = [module for name, module in sys.modules.items() if name.startswith(f"{room.__name__}._")]
    seen = ModuleAnalyzer.for_module(room.__name__).find_attr_docs()
    said = {}
    for name in _names(room):
        value = getattr(room, name)
        if inspect.isclass(value) or inspect.isroutine(value) or hasattr(value, "__wrapped__") or ("", name) in seen:
            continue
        told = [
            ModuleAnalyzer.for_module(module.__name__).find_attr_docs().get(("", name))
            for module in modules
            if getattr(module, name, None) is value
        ]
        if not any(told):
            raise LookupError(f"{room.__name__}.{name} is public and has no comment (#:)")
        said[name] = "\n".join(next(filter(None, told)))
    return said


def problems(documented: Collection[str]) -> list[str]:
    """What is wrong with a set of documented names, in words."""
    public = public_names()
    missing = sorted(public - set(documented))
    # A method is as public as its class; nothing else stands in a room.
    owners = public - {room.__name__ for room in rooms()}
    strange = sorted(
        name for name in set(documented) - public if not name.startswith(tuple(f"{owner}." for owner in owners))
    )
    return [f"{name} is public and not documented" for name in missing] + [
        f"{name} is documented and not public" for name in strange
    ]
